#!/usr/bin/env python3
"""Whether two builds of Invar give the same bytes: every quick spec, made smaller, is run by both.

    tools/same_bytes.py TREE_A TREE_B [SPEC...] [--scratch DIR] [--data DIR]

A tree is a checkout with a release build in its folder `build`. SPEC is a file below configs/ of both trees; without
any, all of configs/*/quick. Each tree runs its own copy of the spec. Compared are splits, metrics.jsonl and the tensors of
models, byte for byte, and the numbers of every run in results.json; not the resolved spec in a model's metadata, which
grows with every new key. Exit status 1 if anything differs.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import time

SMALLER = {
    "regularization": ["seeds=1", "training.epochs=2", "metrics.every_epochs=1", "dataset.train=1024",
                       "dataset.validation=256", "dataset.test=256"],
    "autoencoder": ["seeds=1", "training.epochs=2", "dataset.train=2000", "dataset.test=500"],
    "marginal-likelihood": ["seeds=1", "training.epochs=1", "dataset.train=1000", "dataset.test=200"],
}
RINGS = ["training.epochs=20"]  # a batch is the whole set


def smaller(spec):
    text = spec.read_text()
    while "extends:" in text:
        spec = (spec.parent / text.split("extends:")[1].split()[0]).resolve()
        text = spec.read_text()
    return RINGS if "name: rings" in text else SMALLER[text.split("study:")[1].split()[0]]


def run(tree, name, out, data):
    spec = pathlib.Path(tree, "configs", name)
    command = [f"{tree}/build/src/cli/invar", "run", str(spec), "--out", str(out), "--data", data]
    for one in smaller(spec):
        command += ["--set", one]
    shutil.rmtree(out, ignore_errors=True)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")


def runs_of(out):
    """Every run's own numbers, by name."""
    return {run["name"]: {k: v for k, v in run.items() if k not in ("label", "row", "column")}
            for run in json.loads((out / "results.json").read_text())["runs"]}


def content(path):
    data = path.read_bytes()
    if path.suffix != ".safetensors":
        return data
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    header.pop("__metadata__", None)
    return header, data[begin:]


def differences(a, b):
    names = sorted({p.relative_to(out) for out in (a, b) for kind in ("models/*", "splits/*", "metrics.jsonl")
                    for p in out.glob(kind)})
    for name in names:
        files = [out / name for out in (a, b)]
        if not all(f.exists() for f in files):
            yield f"{name} is in one of them"
        elif content(files[0]) != content(files[1]):
            yield str(name)
    if runs_of(a) != runs_of(b):
        yield "numbers in results.json"
    if not names:
        yield "nothing to compare"


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("trees", nargs=2)
    a.add_argument("specs", nargs="*")
    a.add_argument("--scratch", default="/tmp/same-bytes")
    a.add_argument("--data", default="data")
    a = a.parse_args()
    configs = pathlib.Path(a.trees[1], "configs")
    specs = a.specs or [str(p.relative_to(configs)) for p in sorted(configs.glob("*/quick/*.yaml"))]
    n_different = 0
    for spec in specs:
        begin = time.time()
        outs = [pathlib.Path(a.scratch, which) for which in "ab"]
        for tree, out in zip(a.trees, outs):
            run(tree, spec, out, a.data)
        found = list(differences(*outs))
        n_different += bool(found)
        print(f"{spec}: {', '.join(found) or 'the same'} ({time.time() - begin:.0f} s)", flush=True)
    print(f"{len(specs)} specs, {n_different} different")
    return n_different > 0


sys.exit(main())
