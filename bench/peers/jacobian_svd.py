#!/usr/bin/env python3
"""Jacobians of 1024 inputs of a 784-128x4-10 ReLU perceptron and their singular values, in PyTorch.

Prints milliseconds: of the Jacobians, of the singular values of 1024 matrices of 10 x 784, of both, and
of the singular values of the five weight matrices. Singular values come from torch.linalg.svdvals;
eigenvalues of the Gram matrix would be faster, but have half the digits.
"""
import torch
import torch.nn as nn

import timing

INPUTS, PIXELS, HIDDEN, CLASSES = 1024, 784, 128, 10


def main():
    arguments = timing.options(__doc__.splitlines()[0]).parse_args()
    synchronize = timing.prepare(torch, arguments)
    widths = [PIXELS] + [HIDDEN] * 4 + [CLASSES]
    layers = []
    for a, b in zip(widths, widths[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    net = nn.Sequential(*layers[:-1]).to(arguments.device)
    x = torch.rand(INPUTS, PIXELS, device=arguments.device, requires_grad=True)
    weights = [layer.weight.detach() for layer in net if isinstance(layer, nn.Linear)]

    def jacobians():
        logits = net(x)
        return torch.stack([torch.autograd.grad(logits[:, c].sum(), x, retain_graph=True)[0]
                            for c in range(CLASSES)], 1)

    fixed = jacobians()
    work = {
        "jacobian/1024-inputs": jacobians,
        "jacobian/1024-inputs-singular-values": lambda: torch.linalg.svdvals(jacobians()),
        "svd/10x784-x1024": lambda: torch.linalg.svdvals(fixed),
        "svd/weights-784-128x4-10": lambda: [torch.linalg.svdvals(w) for w in weights],
    }
    timing.report({name: timing.median_ms(function, synchronize, arguments.time)
                   for name, function in work.items()}, unit="ms", torch=torch.__version__)


if __name__ == "__main__":
    main()
