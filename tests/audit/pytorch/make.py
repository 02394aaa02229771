"""The files of this folder, made with PyTorch: make.py FOLDER

A perceptron as people write one, its state_dict as safetensors (in single precision, and in half), images and
labels as .npy, and in expected.json what PyTorch says of it in double precision: the metrics of docs/metrics.md
under quarter turns, straight from their definitions.
"""
import json
import os
import sys

import numpy as np
import torch
from safetensors.torch import save_file

folder = sys.argv[1]
side, classes, n = 12, 4, 24
mean, std = 0.25, 0.5
torch.manual_seed(5)


class Perceptron(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(side * side, 20), torch.nn.Tanh(), torch.nn.Linear(20, 14),
            torch.nn.Tanh())
        self.head = torch.nn.Linear(14, classes, bias=False)

    def forward(self, x):
        return self.head(self.features(x))


model = Perceptron()
with torch.no_grad():
    for p in model.parameters():
        p.mul_(3)
rng = np.random.default_rng(5)
images = rng.integers(0, 256, (n, side, side), dtype=np.uint8)
labels = (np.arange(n) % classes).astype(np.int64)
os.makedirs(os.path.join(folder, "images"), exist_ok=True)
np.save(os.path.join(folder, "images", "images.npy"), images)
np.save(os.path.join(folder, "images", "labels.npy"), labels)
save_file(model.state_dict(), os.path.join(folder, "mlp.safetensors"))
save_file({k: v.half() for k, v in model.state_dict().items()}, os.path.join(folder, "mlp-half.safetensors"))


def audit(model):
    f = lambda x: model((x - mean) / std)
    x = torch.tensor(images, dtype=torch.float64)[:, None] / 255
    turn = lambda z, k: torch.rot90(z, k, (2, 3))
    logits = f(x)
    predicted = logits.argmax(1)

    def saliency(z):
        z = z.clone().requires_grad_()
        return torch.autograd.grad(f(z).gather(1, predicted[:, None]).sum(), z)[0]

    cosine = lambda a, b: torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1))
    s = saliency(x)
    right, li, di, si = (predicted == torch.tensor(labels)).double(), 0, 0, 0
    for k in (1, 2, 3):
        g = f(turn(x, k))
        right = right + (g.argmax(1) == torch.tensor(labels)).double()
        li = li + 0.5 * ((logits - g) ** 2).sum(1) / 3
        di = di + torch.nn.functional.kl_div(g.log_softmax(1), logits.softmax(1), reduction="none").sum(1) / 3
        si = si + cosine(turn(saliency(turn(x, k)), -k), s) / 3
    jacobians = torch.stack([torch.autograd.functional.jacobian(lambda z: f(z[None])[0], image).reshape(classes, -1)
                             for image in x])
    spectrum = torch.linalg.svdvals(jacobians).mean(0)
    return {"accuracy": (right / 4).mean().item(), "li": li.mean().item(), "di": di.mean().item(),
            "si": si.mean().item(), "sigma_max_jacobian": spectrum[0].item(), "jacobian_spectrum": spectrum.tolist()}


expected = {"mlp": audit(model.double()), "mlp-half": audit(model.half().double()), "torch": torch.__version__}
with open(os.path.join(folder, "expected.json"), "w") as file:
    json.dump(expected, file, indent=2)
    file.write("\n")
