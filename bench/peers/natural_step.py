#!/usr/bin/env python3
"""Training steps of the marginal-likelihood study by natural gradients in JAX: what a user would write instead.

The published size: 784 pixels, 1024 random Fourier features averaged over 32 rotations on a grid, an output layer with a
full-covariance Gaussian posterior for each of 10 classes, batches of 250. A step rotates its images, computes the features and the
loss with sampled logits (two antithetic pairs), moves how far images are rotated by Adam, and the posterior by a variational online
Newton step:

    P = I / alpha + A,    A <- (1 - rho) A + rho n mean(h phi phi^T),    h = E[p (1 - p)]
    m <- m - P^-1 (rho n gradient + (1 / alpha - (1 - rho) / alpha') m)

for the n = min(N, B / rho) data that q stands for, alpha' before and alpha after its move, a share of the way to its
best. Prints the milliseconds of a step: the item step/marginal-likelihood-natural of
`invar bench`. Needs JAX; one compiled function, on all threads unless --threads is 1.
"""
import math

import timing

ARGUMENTS = timing.jax_options(__doc__.splitlines()[0]).parse_args()
timing.prepare_jax(ARGUMENTS)

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from jax_rotation import rotate  # noqa: E402

SIDE, HIDDEN, SAMPLES, CLASSES, BATCH, POOL, DATA = 28, 1024, 32, 10, 250, 10240, 10240
SIGMA, RATE, RHO, DAMPING = 0.3, 0.1, 0.3, 0.5
PAIRS = 2


def features(eta, images, weight, bias):
    points = (jnp.arange(SAMPLES) + 0.5) * 2 / SAMPLES - 1
    squares = images.reshape(-1, SIDE, SIDE)
    turned = jax.vmap(lambda point: rotate(squares, point * eta))(points)
    return jnp.cos(turned @ weight.T + bias).mean(0) * math.sqrt(2 / HIDDEN)


def loss(eta, mean, factor, images, labels, weight, bias, key):
    phi = features(eta, images, weight, bias)
    deviation = jnp.sqrt(jnp.square(jnp.einsum("bk,ckj->cbj", phi, factor)).sum(2).T)
    noise = deviation * jax.random.normal(key, (PAIRS, len(images), CLASSES))
    logits = phi @ mean.T + jnp.concatenate([noise, -noise])
    log_p = jax.nn.log_softmax(logits)
    value = -jnp.take_along_axis(log_p, labels[None, :, None], 2).mean()
    p = jnp.exp(log_p)
    return value, (phi, (p * (1 - p)).mean(0))


@jax.jit
def step(state, images, labels, weight, bias):
    eta, m, v, t, mean, factor, precision, alpha, key = state
    key, now = jax.random.split(key)
    gradient = jax.value_and_grad(loss, (0, 1), has_aux=True)
    (value, (phi, curvature)), (of_eta, of_mean) = gradient(eta, mean, factor, images, labels, weight, bias, now)
    t = t + 1
    m, v = 0.9 * m + 0.1 * of_eta, 0.9 * v + 0.1 * of_eta ** 2
    eta = eta - RATE * m / (1 - 0.9 ** t) / (jnp.sqrt(v / (1 - 0.9 ** t)) + 1e-8)
    n = CLASSES * HIDDEN
    determined = jnp.maximum(n - jnp.square(factor).sum() / alpha, 0)
    best = (jnp.square(mean).sum() + 0.02 * n * alpha) / (determined + 0.02 * n)
    before, alpha = alpha, alpha * (best / alpha) ** DAMPING
    ridge = 1 / alpha - (1 - RHO) / before
    fresh = RHO * min(DATA, BATCH / RHO)
    newton = jnp.einsum("bc,bi,bj->cij", curvature, phi, phi, optimize=[(0, 1), (0, 1)]) * (fresh / BATCH)
    precision = (1 - RHO) * precision + ridge * jnp.eye(HIDDEN) + newton
    # P = T^-T T^-1 with T lower triangular: reversed, P is L L^T and T the reversed L^-T
    lower = jnp.linalg.cholesky(precision[:, ::-1, ::-1])
    inverse = jax.scipy.linalg.solve_triangular(lower, jnp.broadcast_to(jnp.eye(HIDDEN), lower.shape), lower=True)
    factor = inverse.transpose(0, 2, 1)[:, ::-1, ::-1]
    pull = fresh * of_mean + ridge * mean
    mean = mean - jnp.einsum("cij,ckj,ck->ci", factor, factor, pull, optimize="optimal")
    return (eta, m, v, t, mean, factor, precision, alpha, key), value


class Training:
    def __init__(self):
        rng = np.random.default_rng(0)
        # as sparse as what Invar is timed on: random in half of the middle, zero elsewhere
        images = np.zeros((POOL, SIDE, SIDE), np.float32)
        middle = rng.random((POOL, 20, 20)) * (rng.random((POOL, 20, 20)) < 0.5)
        images[:, 4:24, 4:24] = middle
        self.images = jnp.array(images.reshape(POOL, -1))
        self.labels = jnp.array(rng.integers(0, CLASSES, POOL))
        self.weight = jnp.array(rng.normal(size=(HIDDEN, SIDE * SIDE)).astype(np.float32) * SIGMA)
        self.bias = jnp.array(rng.uniform(0, 2 * np.pi, HIDDEN).astype(np.float32))
        identity = jnp.tile(jnp.eye(HIDDEN), (CLASSES, 1, 1))
        self.state = (jnp.float32(1.0), jnp.float32(0), jnp.float32(0), jnp.float32(0),
                      jnp.zeros((CLASSES, HIDDEN)), identity, identity, jnp.float32(1.0), jax.random.key(0))
        self.rng, self.position = rng, POOL

    def step(self):
        if self.position + BATCH > POOL:
            self.order, self.position = self.rng.permutation(POOL), 0
        batch = self.order[self.position:self.position + BATCH]
        self.position += BATCH
        self.state, value = step(self.state, self.images[batch], self.labels[batch], self.weight, self.bias)
        value.block_until_ready()


def main():
    training = Training()
    milliseconds = timing.median_ms(training.step, lambda: None, ARGUMENTS.time)
    timing.report({"step/marginal-likelihood-natural": milliseconds}, unit="ms", jax=jax.__version__)


if __name__ == "__main__":
    main()
