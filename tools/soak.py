#!/usr/bin/env python3
"""Whether a long training keeps its memory and its descriptors: many epochs of a tiny population, with checkpoints.

    tools/soak.py STUDY [EPOCHS] [--invar PROGRAM] [--seconds-of-warmup W] [--scratch DIR]

STUDY is regularization, autoencoder or marginal-likelihood; EPOCHS 20000 by default. Checkpoints are written twenty times
per second. The process is looked at four times per second (Linux: /proc) until the training ends. After the warm-up
(10 s) its resident memory may grow by 1 MiB, the number of descriptors by 2, which a checkpoint takes while it is written,
and the number of threads not at all. The exit status is 1 if one grows more, or if the run fails.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from tiny_specs import SPECS, tiny_spec

GROWTH_KB = 1024


def look_at(pid):
    """Resident kB, descriptors, threads; None once the process has ended."""
    try:
        status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None
    return (int(status["VmRSS"].split()[0]), descriptors, int(status["Threads"])) if "VmRSS" in status else None


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("study", choices=sorted(SPECS))
    a.add_argument("epochs", nargs="?", type=int, default=20000)
    a.add_argument("--invar", default="build/src/cli/invar")
    a.add_argument("--seconds-of-warmup", type=float, default=10)
    a.add_argument("--scratch", type=pathlib.Path)
    a = a.parse_args()
    scratch = a.scratch or pathlib.Path(tempfile.mkdtemp(prefix="invar-soak-"))
    scratch.mkdir(exist_ok=True)
    spec, out = scratch / "spec.yaml", scratch / "run"
    spec.write_text(tiny_spec(a.study, a.epochs, every_epochs=max(1, a.epochs // 100), checkpoint_seconds=0.05,
                              one_run=True))
    shutil.rmtree(out, ignore_errors=True)

    process = subprocess.Popen([a.invar, "run", str(spec), "--quiet", "--out", str(out)], stdout=subprocess.DEVNULL)
    begin, seen, checkpoints, last, training = time.monotonic(), [], 0, None, 0
    checkpoint = out / "checkpoint" / "population.safetensors"
    while process.poll() is None:
        found = look_at(process.pid)
        if found and time.monotonic() - begin > a.seconds_of_warmup:
            seen.append(found)
        now = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
        if now and now != last:
            checkpoints, last, training = checkpoints + 1, now, len(seen)
        time.sleep(0.25)
    seconds = time.monotonic() - begin
    if process.returncode:
        sys.exit(f"the run failed with status {process.returncode}")
    seen = seen[:training]  # what measures and draws at the end is another matter
    if len(seen) < 8:
        sys.exit(f"the run took {seconds:.0f} s, too short after the warm-up: give more epochs")
    print(f"{a.study}: {a.epochs} epochs in {seconds:.0f} s, another checkpoint at {checkpoints} of the looks")
    grown = []
    for i, (what, allowed) in enumerate((("resident kB", GROWTH_KB), ("descriptors", 2), ("threads", 0))):
        values = [look[i] for look in seen]
        n = max(1, len(values) // 10)
        first, end = max(values[:n]), max(values[-n:])
        print(f"  {what}: {min(values)} to {max(values)}; most in the first tenth {first}, in the last {end}")
        if end > first + allowed:
            grown.append(what)
    shutil.rmtree(scratch)
    if grown:
        sys.exit("grown: " + ", ".join(grown))


main()
