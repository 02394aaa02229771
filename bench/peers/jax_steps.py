#!/usr/bin/env python3
"""Training steps of the three studies, and Jacobians, compiled by JAX: the strongest thing a user could write in Python.

The same networks, losses and optimizers as the steps in plain PyTorch beside this file. A program trains for many steps
in one call (jit of lax.scan), one network or eight in lockstep (vmap, the items that end in -x8); images and signals are
picked from a pool at random. Jacobians are vmap of jacrev, their singular values those of jnp.linalg.svd. Prints
milliseconds of a step and member. Needs JAX; takes all threads unless --threads is 1.
"""
from functools import partial

import timing

PARSER = timing.jax_options(__doc__.splitlines()[0])
PARSER.add_argument("groups", nargs="*", help="regularization, autoencoder, marginal-likelihood, jacobian")
ARGUMENTS = PARSER.parse_args()
timing.prepare_jax(ARGUMENTS)

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

from jax_rotation import rotate  # noqa: E402

POOL, SIDE, MEMBERS = 10240, 28, 8
PIXELS, CLASSES = SIDE * SIDE, 10


# ---------------------------------------------------------------------- optimizers

def adam_start(parameters):
    return jax.tree.map(jnp.zeros_like, parameters), jax.tree.map(jnp.zeros_like, parameters), jnp.float32(0)


def adam(parameters, gradients, state, rate):
    mean, square, t = state
    t = t + 1
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradients)
    square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, gradients)
    step = rate * jnp.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t)
    moved = jax.tree.map(lambda p, m, v: p - step * m / (jnp.sqrt(v) + 1e-8), parameters, mean, square)
    return moved, (mean, square, t)


def descent_start(parameters):
    return ()


def descent(parameters, gradients, state):
    return jax.tree.map(lambda p, g: p - 1e-3 * g, parameters, gradients), state


# ---------------------------------------------------------------------- what steps share

def linear(key, inputs, outputs, bound):
    of_weight, of_bias = jax.random.split(key)
    return (jax.random.uniform(of_weight, (inputs, outputs), minval=-bound, maxval=bound),
            jax.random.uniform(of_bias, (outputs,), minval=-bound, maxval=bound))


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


def scribbles():
    """As sparse as what Invar is timed on: random in half of the middle, zero elsewhere; and labels."""
    of_pixels, of_holes, of_labels = jax.random.split(jax.random.key(1), 3)
    middle = jax.random.uniform(of_pixels, (POOL, 20, 20)) * (jax.random.uniform(of_holes, (POOL, 20, 20)) < 0.5)
    images = jnp.pad(middle, ((0, 0), (4, 4), (4, 4))).reshape(POOL, PIXELS)
    return images, jax.random.randint(of_labels, (POOL,), 0, CLASSES)


# ---------------------------------------------------------------------- regularization study

WIDTHS = [PIXELS, 128, 128, 128, 128, CLASSES]


def perceptron_start(key):
    return [linear(k, a, b, a ** -0.5) for k, a, b in zip(jax.random.split(key, 5), WIDTHS, WIDTHS[1:])]


def perceptron(layers, x):
    for weight, bias in layers[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    return x @ layers[-1][0] + layers[-1][1]


def tied(layers, x):
    weight, bias = layers[0]
    turned = jnp.stack([jnp.rot90(weight.reshape(SIDE, SIDE, -1), k).reshape(PIXELS, -1) for k in range(4)])
    hidden = jax.nn.relu(jnp.einsum("bi,gio->gbo", x, turned) + bias).mean(0)
    return perceptron(layers[1:], hidden)


def turn(x, elements):
    images = x.reshape(-1, SIDE, SIDE)
    orbit = jnp.stack([jnp.rot90(images, k, (1, 2)) for k in range(4)])
    return orbit[elements, jnp.arange(len(x))].reshape(-1, PIXELS)


def regularization(method, images, labels):
    def loss(layers, key):
        of_batch, of_elements = jax.random.split(key)
        batch = jax.random.randint(of_batch, (512,), 0, POOL)
        x, y = images[batch], labels[batch]
        if method == "wt":
            return cross_entropy(tied(layers, x), y)
        turned = turn(x, jax.random.randint(of_elements, (512,), 0, 4))
        if method == "da":
            return cross_entropy(perceptron(layers, turned), y)
        of_x, of_turned = jnp.split(perceptron(layers, jnp.concatenate([x, turned])), 2)
        return cross_entropy(of_x, y) + 0.5 * jnp.square(of_turned - of_x).sum(1).mean()
    return perceptron_start, loss, adam_start, partial(adam, rate=8e-4)


# ---------------------------------------------------------------------- autoencoder study

def rich(x, weight, bias):
    pairs = x @ weight + bias
    even, odd = pairs[:, 0::2], pairs[:, 1::2]
    r = jnp.sqrt(even * even + odd * odd + 1e-12)
    a, b = even / r, odd / r
    return jnp.concatenate([x, r, a, b, a * b], 1)


def stack_start(kind, inputs, outputs, depth, width):
    def start(key):
        layers, n = [], inputs
        for k in jax.random.split(key, depth):
            outs = n if kind == "rich" else width
            layers.append(linear(k, n, outs, n ** -0.5))
            n = 3 * n if kind == "rich" else width
        return layers + [linear(jax.random.fold_in(key, 1), n, outputs, n ** -0.5)]
    return start


def stack(kind, layers, x):
    for weight, bias in layers[:-1]:
        x = rich(x, weight, bias) if kind == "rich" else jax.nn.selu(x @ weight + bias)
    return x @ layers[-1][0] + layers[-1][1]


def autoencoder(kind, d, depth):
    x = jax.random.uniform(jax.random.key(3), (POOL, d), minval=-1, maxval=1)
    z = jnp.fft.fft(x)
    pool = jnp.concatenate([x, jnp.abs(z), jnp.sin(jnp.angle(z)), jnp.cos(jnp.angle(z))], 1)
    encoder, decoder = stack_start(kind, d, 3 * d, depth, 8 * d), stack_start(kind, 3 * d, d, depth, 8 * d)

    def start(key):
        of_encoder, of_decoder = jax.random.split(key)
        return encoder(of_encoder), decoder(of_decoder)

    def loss(networks, key):
        batch = pool[jax.random.randint(key, (128,), 0, POOL)]
        code = stack(kind, networks[0], batch[:, :d])
        back = stack(kind, networks[1], code)
        return jnp.square(back - batch[:, :d]).mean() + 8 * jnp.square(code - batch[:, d:]).mean()
    return start, loss, descent_start, descent


# ---------------------------------------------------------------------- marginal-likelihood study

HIDDEN, SAMPLES, BATCH, DATA = 1024, 32, 128, 60000


def marginal_likelihood(kind, images, labels):
    def start(key):
        of_weight, of_bias = jax.random.split(key)
        scale = 0.3 if kind == "rff" else (2 / (PIXELS + HIDDEN)) ** 0.5
        bias = jax.random.uniform(of_bias, (HIDDEN,)) * 2 * jnp.pi if kind == "rff" else jnp.zeros(HIDDEN)
        return {"weight": jax.random.normal(of_weight, (PIXELS, HIDDEN)) * scale, "bias": bias, "eta": jnp.float32(0.1),
                "mean": jnp.zeros((CLASSES, HIDDEN)), "factor": jnp.tile(jnp.eye(HIDDEN), (CLASSES, 1, 1))}

    def features(p, x, key):
        angles = jax.random.uniform(key, (SAMPLES,), minval=-1, maxval=1) * p["eta"]
        turned = jax.vmap(rotate, (None, 0))(x.reshape(-1, SIDE, SIDE), angles).reshape(-1, PIXELS)
        if kind == "rff":  # fixed
            sums = turned @ jax.lax.stop_gradient(p["weight"]) + jax.lax.stop_gradient(p["bias"])
            values = jnp.cos(sums) * (2 / HIDDEN) ** 0.5
        else:
            values = jax.nn.relu(turned @ p["weight"] + p["bias"])
        return values.reshape(SAMPLES, len(x), HIDDEN).mean(0)

    def loss(p, key):
        of_batch, of_angles, of_weights = jax.random.split(key, 3)
        batch = jax.random.randint(of_batch, (BATCH,), 0, POOL)
        factor = jnp.tril(p["factor"])
        noise = jax.random.normal(of_weights, (CLASSES, HIDDEN))
        weights = p["mean"] + jnp.einsum("cij,cj->ci", factor, noise)
        logarithms = jnp.log(jnp.abs(jnp.diagonal(factor, axis1=1, axis2=2))).sum()
        kl = 0.5 * (jnp.square(factor).sum() + jnp.square(p["mean"]).sum() - CLASSES * HIDDEN) - logarithms
        return cross_entropy(features(p, images[batch], of_angles) @ weights.T, labels[batch]) + kl / DATA
    return start, loss, adam_start, partial(adam, rate=1e-3)


# ---------------------------------------------------------------------- timing

def training(study, members, steps):
    """A function that trains `members` networks for `steps` steps each."""
    start, loss, start_state, update = study

    def train(parameters, state, key):
        def body(carry, key):
            value, gradients = jax.value_and_grad(loss)(carry[0], key)
            return update(carry[0], gradients, carry[1]), value
        return jax.lax.scan(body, (parameters, state), jax.random.split(key, steps))
    compiled = jax.jit(jax.vmap(train) if members > 1 else train, donate_argnums=(0, 1))
    keys = jax.random.split(jax.random.key(0), members)
    parameters = jax.vmap(start)(keys) if members > 1 else start(keys[0])
    now = {"parameters": parameters, "state": jax.vmap(start_state)(parameters) if members > 1 else start_state(parameters),
           "key": jax.random.key(9)}

    def call():
        now["key"], key = jax.random.split(now["key"])
        keys = jax.random.split(key, members) if members > 1 else key
        (now["parameters"], now["state"]), values = compiled(now["parameters"], now["state"], keys)
        values.block_until_ready()
    return call


def steps_of(name, study, steps, items):
    for members in (1, MEMBERS):
        milliseconds = timing.median_ms(training(study, members, steps), lambda: None, ARGUMENTS.time)
        items[name if members == 1 else f"{name}-x{members}"] = milliseconds / steps / members


def jacobians(items):
    layers = perceptron_start(jax.random.key(0))
    x = jax.random.uniform(jax.random.key(1), (1024, PIXELS))
    of_images = jax.jit(jax.vmap(jax.jacrev(partial(perceptron, layers))))
    values = jax.jit(partial(jnp.linalg.svd, compute_uv=False))
    both = jax.jit(lambda x: values(of_images(x)))
    fixed = of_images(x)
    work = {"jacobian/1024-inputs": lambda: of_images(x), "jacobian/1024-inputs-singular-values": lambda: both(x),
            "svd/10x784-x1024": lambda: values(fixed),
            "svd/weights-784-128x4-10": lambda: [values(weight) for weight, _ in layers]}
    for name, function in work.items():
        items[name] = timing.median_ms(lambda: jax.block_until_ready(function()), lambda: None, ARGUMENTS.time)


def main():
    images, labels = scribbles()
    items, groups = {}, ARGUMENTS.groups or ["regularization", "autoencoder", "marginal-likelihood", "jacobian"]
    for group in groups:
        if group == "regularization":
            for method in ("wt", "da", "ir"):
                steps_of(f"step/regularization-rotation-4-{method}", regularization(method, images, labels), 10, items)
        elif group == "autoencoder":
            for kind, d, depth in (("selu", 10, 4), ("selu", 20, 20), ("rich", 10, 2), ("rich", 20, 3)):
                steps_of(f"step/autoencoder-{kind}-d{d}-depth{depth}", autoencoder(kind, d, depth), 50, items)
        elif group == "marginal-likelihood":
            for kind in ("relu", "rff"):
                steps_of(f"step/marginal-likelihood-{kind}", marginal_likelihood(kind, images, labels), 1, items)
        elif group == "jacobian":
            jacobians(items)
        else:
            PARSER.error(f"there is no group {group}")
    timing.report(items, unit="ms", jax=jax.__version__)


if __name__ == "__main__":
    main()
