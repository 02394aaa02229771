#!/usr/bin/env python3
"""Training steps of the autoencoder study in plain eager PyTorch: what a user would run instead.

The whole autoencoder on a known code (modulus, sine and cosine of the Fourier transform), batches of 128
signals, gradient descent; SELU layers of 8 d units, or rich layers. A step takes its signals and their
codes from a shuffled pool and updates the weights:

    mean square of g(f(x)) - x, plus 8 times the mean square of f(x) - code(x)

Codes are computed beforehand and lie beside their signals, so that a batch is one gather: faster here
than transforming each batch. Prints the milliseconds of a step.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

import timing

BATCH, POOL, WEIGHT = 128, 10240, 8.0
STEPS = {"selu-d10-depth4": ("selu", 10, 4), "selu-d20-depth20": ("selu", 20, 20),
         "rich-d10-depth2": ("rich", 10, 2), "rich-d20-depth3": ("rich", 20, 3)}


class Rich(nn.Module):
    """n columns (n even) to 3 n: the input, and of pairs of its linear map the norm r, both over r, and
    the product of those."""
    def __init__(self, n):
        super().__init__()
        self.linear = nn.Linear(n, n)

    def forward(self, inputs):
        x = self.linear(inputs)
        even, odd = x[:, 0::2], x[:, 1::2]
        r = (even * even + odd * odd + 1e-12).sqrt()
        a, b = even / r, odd / r
        return torch.cat([inputs, r, a, b, a * b], 1)


def network(kind, inputs, outputs, depth, width):
    layers, n = [], inputs
    for _ in range(depth):
        if kind == "rich":
            layers.append(Rich(n))
            n *= 3
        else:
            layers += [nn.Linear(n, width), nn.SELU()]
            nn.init.kaiming_normal_(layers[-2].weight, nonlinearity="linear")
            nn.init.zeros_(layers[-2].bias)
            n = width
    return nn.Sequential(*layers, nn.Linear(n, outputs))


class Training:
    def __init__(self, kind, d, depth, device):
        self.d = d
        x = torch.rand(POOL, d, device=device) * 2 - 1
        z = torch.fft.fft(x)
        self.pool = torch.cat([x, z.abs(), z.angle().sin(), z.angle().cos()], 1)
        self.encoder = network(kind, d, 3 * d, depth, 8 * d).to(device)
        self.decoder = network(kind, 3 * d, d, depth, 8 * d).to(device)
        self.optimizer = torch.optim.SGD(
            [*self.encoder.parameters(), *self.decoder.parameters()], lr=1e-3)
        self.position = POOL

    def step(self):
        if self.position + BATCH > POOL:
            self.order = torch.randperm(POOL, device=self.pool.device)
            self.position = 0
        batch = self.pool[self.order[self.position:self.position + BATCH]]
        self.position += BATCH
        x, code = batch[:, :self.d], batch[:, self.d:]
        z = self.encoder(x)
        loss = F.mse_loss(self.decoder(z), x) + WEIGHT * F.mse_loss(z, code)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def main():
    parser = timing.options(__doc__.splitlines()[0])
    parser.add_argument("steps", nargs="*", default=list(STEPS))
    arguments = parser.parse_args()
    synchronize = timing.prepare(torch, arguments)
    items = {}
    for name in arguments.steps:
        training = Training(*STEPS[name], arguments.device)
        items[f"step/autoencoder-{name}"] = \
            timing.median_ms(training.step, synchronize, arguments.time)
    timing.report(items, unit="ms", torch=torch.__version__)


if __name__ == "__main__":
    main()
