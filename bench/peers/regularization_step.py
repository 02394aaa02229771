#!/usr/bin/env python3
"""Training steps of the regularization study in plain eager PyTorch: what a user would run instead.

A five-layer perceptron (784-128x4-10, ReLU, Adam) on batches of 512 images under rotations by multiples
of 90 degrees, as WT (invariant weight-tying), DA (data augmentation) or IR (invariance regularization).
A step takes its images from a shuffled pool, transforms them, and updates the weights. Prints the
milliseconds of a step.

    WT  cross-entropy of a network whose first layer is pooled over the orbit
    DA  cross-entropy on g x, g uniform per sample and step
    IR  cross-entropy on x plus nu times the mean of 0.5 |f(g x) - f(x)|^2
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

import timing

ORDER, SIDE, HIDDEN, LAYERS, CLASSES, BATCH, POOL = 4, 28, 128, 5, 10, 512, 10240


class Perceptron(nn.Module):
    def __init__(self, tied):
        super().__init__()
        widths = [SIDE * SIDE] + [HIDDEN] * (LAYERS - 1) + [CLASSES]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.tied = tied

    def forward(self, x):
        first = self.layers[0]
        if self.tied:
            h = torch.stack([F.relu(first(torch.rot90(x, g, (-2, -1)).flatten(1)))
                             for g in range(ORDER)]).mean(0)
        else:
            h = F.relu(first(x.flatten(1)))
        for layer in self.layers[1:-1]:
            h = F.relu(layer(h))
        return self.layers[-1](h)


def transform_randomly(x):
    elements = torch.randint(ORDER, (x.shape[0],), device=x.device)
    out = torch.empty_like(x)
    for g in range(ORDER):
        chosen = elements == g
        out[chosen] = torch.rot90(x[chosen], g, (-2, -1))
    return out


class Training:
    def __init__(self, method, device, nu=1.0):
        self.method, self.nu = method, nu
        # as sparse as what Invar is timed on: random in half of the middle, zero elsewhere
        self.images = torch.zeros(POOL, SIDE, SIDE, device=device)
        middle = self.images[:, 4:24, 4:24]
        middle.copy_(torch.rand_like(middle) * (torch.rand_like(middle) < 0.5))
        self.labels = torch.randint(CLASSES, (POOL,), device=device)
        self.net = Perceptron(method == "wt").to(device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=8e-4)
        self.position = POOL

    def step(self):
        if self.position + BATCH > POOL:
            self.order = torch.randperm(POOL, device=self.images.device)
            self.position = 0
        batch = self.order[self.position:self.position + BATCH]
        self.position += BATCH
        x, labels = self.images[batch], self.labels[batch]
        if self.method == "wt":
            loss = F.cross_entropy(self.net(x), labels)
        elif self.method == "da":
            loss = F.cross_entropy(self.net(transform_randomly(x)), labels)
        else:
            of_x, of_gx = self.net(x), self.net(transform_randomly(x))
            loss = F.cross_entropy(of_x, labels) + \
                self.nu * 0.5 * (of_gx - of_x).pow(2).sum(1).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def main():
    parser = timing.options(__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", default=["wt", "da", "ir"])
    arguments = parser.parse_args()
    synchronize = timing.prepare(torch, arguments)
    items = {}
    for method in arguments.methods:
        training = Training(method, arguments.device)
        items[f"step/regularization-rotation-4-{method}"] = \
            timing.median_ms(training.step, synchronize, arguments.time)
    timing.report(items, unit="ms", torch=torch.__version__)


if __name__ == "__main__":
    main()
