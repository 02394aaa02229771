#!/usr/bin/env python3
"""Whether a run that is killed at random moments, and resumed, ends with the bytes of one that was not.

    tools/random_kills.py [INVAR] [--kills N] [--seed S] [--scratch DIR] [--study NAME]

INVAR is build/src/cli/invar by default. N kills (100) are divided among the three studies. A chain begins a run, kills
it, resumes it, kills that, four times at the most, and lets it finish; every third kill waits for a file that is being
written. Compared is everything but run.json and the reports, which tell of times and of the directory; nothing else may
be left there. The exit status is 1 if a run does not go on or differs, and its directory is then kept.
"""
import argparse
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from tiny_specs import SPECS, tiny_spec

KILLS_PER_CHAIN = 4
IGNORED = {"run.json", "report.html", "report.md", "report.csv"}


def content(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*"))
            if path.is_file() and path.name not in IGNORED}


class Study:
    def __init__(self, name, invar, scratch):
        self.name, self.invar, self.scratch = name, invar, scratch / name
        self.scratch.mkdir(parents=True)
        self.spec = self.scratch / "spec.yaml"
        self.spec.write_text(tiny_spec(name, epochs=60, every_epochs=5, checkpoint_seconds=0.02))
        self.run_to_end(self.scratch / "cold")  # builds the kernels
        begin = time.monotonic()
        self.run_to_end(self.scratch / "whole")
        self.seconds = time.monotonic() - begin
        self.whole = content(self.scratch / "whole")

    def command(self, directory):
        if (directory / "run.json").exists():
            return [self.invar, "resume", str(directory), "--quiet"]
        return [self.invar, "run", str(self.spec), "--quiet", "--out", str(directory)]

    def run_to_end(self, directory):
        done = subprocess.run(self.command(directory), capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{directory}: does not go on, status {done.returncode}: {done.stderr}")

    def kill_once(self, directory, chance, aimed):
        """Whether it was killed, and not finished before."""
        process = subprocess.Popen(self.command(directory), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        at = time.monotonic() + chance.uniform(0, 1.1 * self.seconds)
        while process.poll() is None:
            ready = time.monotonic() >= at
            if ready and (not aimed or any(directory.rglob("*.part-*")) or time.monotonic() > at + self.seconds):
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0 if aimed and ready else 0.001)
        return process.wait() == -signal.SIGKILL

    def chain(self, number, most, chance):
        """How many kills there were."""
        directory = self.scratch / f"chain-{number}"
        kills = 0
        while kills < most and self.kill_once(directory, chance, aimed=chance.randrange(3) == 0):
            kills += 1
        self.run_to_end(directory)
        found = content(directory)
        different = sorted(name for name in self.whole.keys() | found.keys()
                           if self.whole.get(name) != found.get(name))
        if different or not (directory / "report.html").exists():
            sys.exit(f"{directory} differs after {kills} kills: {', '.join(different) or 'there is no report'}")
        shutil.rmtree(directory)
        return kills


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("invar", nargs="?", default="build/src/cli/invar")
    a.add_argument("--kills", type=int, default=100)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--scratch", type=pathlib.Path)
    a.add_argument("--study", choices=sorted(SPECS), action="append")
    a = a.parse_args()
    scratch = a.scratch or pathlib.Path(tempfile.mkdtemp(prefix="invar-kills-"))
    chance = random.Random(a.seed)
    studies = a.study or sorted(SPECS)
    for i, name in enumerate(studies):
        wanted = a.kills // len(studies) + (i < a.kills % len(studies))
        study = Study(name, a.invar, scratch)
        kills = chains = 0
        while kills < wanted:
            kills += study.chain(chains, min(KILLS_PER_CHAIN, wanted - kills), chance)
            chains += 1
        print(f"{name}: {kills} kills in {chains} runs of {study.seconds:.1f} s, all to the same bytes", flush=True)
    shutil.rmtree(scratch)


main()
