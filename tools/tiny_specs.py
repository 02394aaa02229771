"""A small spec of each study, for tools that run it many times: a second or two on two cores once kernels are built."""
import re

SPECS = {
    "regularization": """\
study: regularization
name: r
seeds: [4]
dataset: {name: digits, images: 400, train: 256, validation: 32, test: 32}
group: {kind: rotation, order: 2}
model: {hidden: 16, layers: 3}
training: {batch: 32, epochs: EPOCHS, checkpoint_seconds: SECONDS}
runs: [{name: IR, method: regularization, nu: 1}, {name: DA, method: augmentation}]
metrics: {names: [accuracy, li], every_epochs: EVERY}
""",
    "autoencoder": """\
study: autoencoder
name: a
seeds: [5]
dataset: {dimensions: 5, train: 256, test: 30}
task: {code: cycle, lambda: 0.5}
model: {width: 3}
training: {batch: 32, epochs: EPOCHS, checkpoint_seconds: SECONDS}
metrics: {every_epochs: EVERY}
runs: [{name: rich, layer: rich, depth: 2, lift: 1, learning_rate: 0.005}]
figures: {names: [depth]}
""",
    "marginal-likelihood": """\
study: marginal-likelihood
name: m
seeds: [5]
dataset: {name: digits, transformation: rotated, train: 256, test: 32}
model: {features: relu, hidden: 8, samples: 2}
training: {batch: 32, epochs: EPOCHS, learning_rate: 0.01, checkpoint_seconds: SECONDS}
metrics: {every_steps: STEPS}
runs: [{name: affine, invariance: affine}, {name: sgpr, method: sgpr, inducing: 10, iterations: 3}]
figures: {names: [filters]}
""",
}
STEPS_PER_EPOCH = 256 // 32


def tiny_spec(study, epochs, every_epochs, checkpoint_seconds, one_run=False):
    text = SPECS[study]
    if one_run:
        text = re.sub(r"(runs: \[\{[^}]*\}).*\]", r"\1]", text)
    for key, value in (("EPOCHS", epochs), ("EVERY", every_epochs), ("SECONDS", checkpoint_seconds),
                       ("STEPS", every_epochs * STEPS_PER_EPOCH)):
        text = text.replace(key, str(value))
    return text
