#!/usr/bin/env python3
"""Matrix products in single precision with NumPy (its BLAS), or with PyTorch on a GPU.

Arguments are items of `invar bench gemm`: gemm/MxNxK-LAYOUT or gemm/MxNxK-LAYOUT-xBATCH, LAYOUT two of n
and t for A and B, t meaning that it is stored transposed. Prints GFLOP/s.
"""
import re

import timing


def parse(name):
    match = re.fullmatch(r"gemm/(\d+)x(\d+)x(\d+)-([nt])([nt])(?:-x(\d+))?", name)
    if not match:
        raise SystemExit(f"gemm.py: {name} is no item of `invar bench gemm`")
    m, n, k = (int(group) for group in match.groups()[:3])
    return m, n, k, match.group(4), match.group(5), int(match.group(6) or 1)


def with_numpy(m, n, k, layout_a, layout_b, batch):
    import numpy as np
    random = np.random.default_rng(0)
    shape_a = (k, m) if layout_a == "t" else (m, k)
    shape_b = (n, k) if layout_b == "t" else (k, n)
    stack = (batch,) if batch > 1 else ()
    a = random.random(stack + shape_a, dtype=np.float32)
    b = random.random(stack + shape_b, dtype=np.float32)
    c = np.empty(stack + (m, n), dtype=np.float32)
    a = a.swapaxes(-1, -2) if layout_a == "t" else a
    b = b.swapaxes(-1, -2) if layout_b == "t" else b
    return lambda: np.matmul(a, b, out=c)


def with_torch(torch, m, n, k, layout_a, layout_b, batch):
    stack = (batch,) if batch > 1 else ()
    a = torch.rand(*stack, *((k, m) if layout_a == "t" else (m, k)), device="cuda")
    b = torch.rand(*stack, *((n, k) if layout_b == "t" else (k, n)), device="cuda")
    c = torch.empty(*stack, m, n, device="cuda")
    a = a.transpose(-1, -2) if layout_a == "t" else a
    b = b.transpose(-1, -2) if layout_b == "t" else b
    return lambda: torch.matmul(a, b, out=c)


def main():
    parser = timing.options(__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+")
    arguments = parser.parse_args()
    synchronize = lambda: None
    if arguments.device == "cuda":
        import torch
        synchronize = timing.prepare(torch, arguments)
    items = {}
    for name in arguments.names:
        product = parse(name)
        function = with_torch(torch, *product) if arguments.device == "cuda" \
            else with_numpy(*product)
        m, n, k, _, _, batch = product
        ms = timing.median_ms(function, synchronize, arguments.time)
        items[name] = 2e-6 * m * n * k * batch / ms
    timing.report(items, unit="GFLOP/s")


if __name__ == "__main__":
    main()
