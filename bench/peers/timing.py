"""What the peers share: options, and timing a function as `invar bench` does."""
import argparse
import json
import os
import statistics
import sys
import time


def options(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=1, help="PyTorch's threads")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--time", type=float, default=1.0, help="seconds an item")
    return parser


def prepare(torch, arguments):
    """Threads, seed, and single precision that is single precision on every device."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch.cuda.synchronize if arguments.device == "cuda" else lambda: None


def jax_options(description):
    """A parser of what JAX's peers take, and what makes its arguments true: call both before JAX is loaded."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=0, help="1: one thread; else all")
    parser.add_argument("--device", default="cpu", help="cpu, the only one that is raced")
    parser.add_argument("--time", type=float, default=1.0, help="seconds an item")
    return parser


def prepare_jax(arguments):
    if arguments.threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def median_ms(function, synchronize, seconds):
    """Median milliseconds of a call; calls are grouped so that a sample lasts 5 ms or more."""
    def sample(n):
        start = time.perf_counter()
        for _ in range(n):
            function()
        synchronize()
        return (time.perf_counter() - start) / n

    sample(1)
    once = sample(2)
    n = max(1, min(1000, round(min(0.005, seconds / 20) / max(once, 1e-9))))
    warm = time.perf_counter() + seconds / 10
    while time.perf_counter() < warm:
        sample(n)
    samples, end = [], time.perf_counter() + seconds
    while len(samples) < 3 or time.perf_counter() < end:
        samples.append(sample(n))
    return 1e3 * statistics.median(samples)


def report(items, **about):
    """One line of JSON: {"items": {name of the item in invar bench: value}, ...}."""
    json.dump({"items": items, **about}, sys.stdout)
    print()
