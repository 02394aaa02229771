#!/usr/bin/env python3
"""Training steps of the marginal-likelihood study in plain eager PyTorch: what a user would run instead.

The published size: 784 pixels, 1024 hidden units whose filters are averaged over 32 sampled rotations,
an output layer with a full-covariance Gaussian posterior for each of 10 classes, batches of 128, Adam with
an annealed learning rate. A step takes its images from a shuffled pool and updates the weights and how far
the filters are rotated:

    cross-entropy of W2 h(x), W2 sampled, plus KL(q(W2) || prior) / N
    h(x) = mean over samples of max(z, 0), or of sqrt(2 / H) cos z, z = warp(W1, T) x + b
    T = expm(eps eta G), eps uniform on [-1, 1]

With ReLU the first layer learns too; with cosines (random Fourier features) it is fixed. Prints the
milliseconds of a step.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

import timing

SIDE, HIDDEN, SAMPLES, CLASSES, BATCH, POOL, DATA = 28, 1024, 32, 10, 128, 10240, 60000
SIGMA, ALPHA, RATE, STEPS = 0.3, 1.0, 1e-3, 46800  # 100 epochs
NETWORKS = ["relu", "rff"]


def warp(filters, transformations):
    """filters [H, side, side], transformations [S, 2, 3] -> [S, H, side, side]"""
    shape = (len(transformations), *filters.shape)
    grid = F.affine_grid(transformations, shape, align_corners=True)
    return F.grid_sample(filters.expand(shape), grid, align_corners=True)


class Network(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cosine = kind == "rff"
        pixels = SIDE * SIDE
        weight = torch.randn(HIDDEN, pixels) * SIGMA if self.cosine \
            else nn.init.xavier_normal_(torch.empty(HIDDEN, pixels))
        bias = torch.rand(HIDDEN) * 2 * math.pi if self.cosine else torch.zeros(HIDDEN)
        self.weight = nn.Parameter(weight, requires_grad=not self.cosine)
        self.bias = nn.Parameter(bias, requires_grad=not self.cosine)
        self.eta = nn.Parameter(torch.tensor([0, 0, 0.1, 0, 0, 0]))
        self.mean = nn.Parameter(torch.zeros(CLASSES, HIDDEN))
        self.factor = nn.Parameter(torch.eye(HIDDEN).repeat(CLASSES, 1, 1))
        generators = torch.zeros(6, 3, 3)
        generators[0, 0, 2] = generators[1, 1, 2] = 1
        generators[2, 0, 1], generators[2, 1, 0] = -1, 1
        generators[3, 0, 0] = generators[4, 1, 1] = 1
        generators[5, 0, 1] = generators[5, 1, 0] = 1
        self.register_buffer("generators", generators)
        self.register_buffer("learned", torch.tensor([0.0, 0, 1, 0, 0, 0]))

    def features(self, x):
        eps = torch.rand(SAMPLES, 6, device=x.device) * 2 - 1
        a = ((eps * self.eta * self.learned)[:, :, None, None] * self.generators).sum(1)
        filters = warp(self.weight.view(-1, SIDE, SIDE), torch.matrix_exp(a)[:, :2])
        z = F.linear(x, filters.view(-1, SIDE * SIDE)).view(-1, SAMPLES, HIDDEN) + self.bias
        return (z.cos() * math.sqrt(2 / HIDDEN) if self.cosine else z.relu()).mean(1)

    def loss(self, x, labels):
        factor = self.factor.tril()
        noise = torch.randn_like(self.mean)
        weight = self.mean + torch.einsum("cij,cj->ci", factor, noise)
        logarithms = factor.diagonal(dim1=1, dim2=2).abs().clamp_min(1e-12).log().sum()
        squares = factor.pow(2).sum() + self.mean.pow(2).sum()
        kl = 0.5 * (CLASSES * HIDDEN * (math.log(ALPHA) - 1) + squares / ALPHA) - logarithms
        return F.cross_entropy(self.features(x) @ weight.T, labels) + kl / DATA


class Training:
    def __init__(self, kind, device):
        # as sparse as what Invar is timed on: random in half of the middle, zero elsewhere
        images = torch.zeros(POOL, SIDE, SIDE, device=device)
        middle = images[:, 4:24, 4:24]
        middle.copy_(torch.rand_like(middle) * (torch.rand_like(middle) < 0.5))
        self.images = images.flatten(1)
        self.labels = torch.randint(CLASSES, (POOL,), device=device)
        self.network = Network(kind).to(device)
        learned = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(learned, lr=RATE)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, STEPS)
        self.position = POOL

    def step(self):
        if self.position + BATCH > POOL:
            self.order = torch.randperm(POOL, device=self.images.device)
            self.position = 0
        batch = self.order[self.position:self.position + BATCH]
        self.position += BATCH
        loss = self.network.loss(self.images[batch], self.labels[batch])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()


def main():
    parser = timing.options(__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    arguments = parser.parse_args()
    synchronize = timing.prepare(torch, arguments)
    items = {}
    for kind in arguments.networks:
        training = Training(kind, arguments.device)
        items[f"step/marginal-likelihood-{kind}"] = \
            timing.median_ms(training.step, synchronize, arguments.time)
    timing.report(items, unit="ms", torch=torch.__version__)


if __name__ == "__main__":
    main()
