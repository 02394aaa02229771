#!/usr/bin/env python3
"""Whether one build of Invar is slower than another: both benchmarks by turns, ratios of medians.

    tools/race_builds.py TREE_A TREE_B [ITEM...] [--rounds N] [--time SECONDS]

A tree is a checkout with a release build in its folder `build`. ITEM is what `invar bench` takes: `step` (the
default), `step/rotation-4`, `svd`. Each round runs both, the first to go changing places, so that a machine whose
speed swings treats them alike. Printed for each item: the median of A over that of B (above 1: B is faster).
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import tempfile


def measure(tree, items, seconds):
    """Values by item, with their unit and whether less is better."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "bench.json")
        subprocess.run([f"{tree}/build/src/cli/invar", "bench", *items, "--time", str(seconds), "--json", str(out)],
                       check=True, capture_output=True)
        rows = [row for device in json.loads(out.read_text())["devices"] for row in device["items"]]
    return {row["name"]: (row["value"], row["unit"], row["better"] == "lower") for row in rows}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("trees", nargs=2)
    a.add_argument("items", nargs="*", default=["step"])
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--time", type=float, default=0.3)
    a = a.parse_args()
    found = {}
    for turn in range(a.rounds):
        for side in ((0, 1), (1, 0))[turn % 2]:
            for name, (value, unit, less) in measure(a.trees[side], a.items, a.time).items():
                found.setdefault(name, (unit, less, ([], [])))[2][side].append(value)
    logs = []
    for name, (unit, less, (one, two)) in found.items():
        if not one or not two:
            continue
        ratio = statistics.median(one) / statistics.median(two)
        ratio = ratio if less else 1 / ratio
        logs.append(math.log(ratio))
        print(f"{name:44} {statistics.median(one):10.4g} {statistics.median(two):10.4g} {unit:10} {ratio:6.3f}")
    print(f"geometric mean of {len(logs)} items in {a.rounds} rounds: {math.exp(statistics.mean(logs)):.3f}")


main()
