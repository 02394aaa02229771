#!/usr/bin/env python3
"""The readers of files from elsewhere under libFuzzer, with AddressSanitizer and UndefinedBehaviorSanitizer.

    tools/fuzz.py [READER...] [--seconds S] [--build DIR] [--work DIR] [--keep]

READER is one of tests/fuzz/readers.c; without any, all. Each runs for S seconds (180) on one core, from a good file,
tests/fuzz/corpus/READER, and what earlier calls left in the folder --work (.cache/fuzz). DIR is build-fuzz by default and
is made if it is not there, which needs clang. For each reader a line says how many inputs were tried. What crashes, leaks,
takes ten seconds or 2 GB is kept in WORK/READER-found; the exit status is then 1. --keep puts the fewest and shortest
inputs that reach what is reached into tests/fuzz/corpus, where `readers` of ./check reads them.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
LONGEST = 16384  # bytes of an input
MOST_KEPT = 12000  # bytes of a corpus in the tree


def build(folder):
    clang = dict(os.environ, CC=os.environ.get("CC", "clang"))
    if not (folder / "build.ninja").exists():
        subprocess.run(["meson", "setup", folder, "-Dfuzz=true", "-Dbuildtype=debugoptimized", "-Doptimization=1",
                        "-Db_sanitize=address,undefined", "-Db_lundef=false"], check=True, cwd=ROOT, env=clang,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, "tests/fuzz/fuzz", "tests/fuzz/test_readers"], check=True,
                   stdout=subprocess.DEVNULL)


def libfuzzer(folder, reader, *arguments):
    environment = dict(os.environ, INVAR_FUZZ=reader, UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
    done = subprocess.run([folder / "tests/fuzz/fuzz", *[str(a) for a in arguments]], env=environment,
                          capture_output=True, errors="replace")
    return done.returncode, done.stderr


def keep(folder, reader, found):
    """Shortest first: an input is kept if it reaches an edge that none before did."""
    small = found.parent / (reader + "-kept")
    shutil.rmtree(small, ignore_errors=True)
    small.mkdir()
    libfuzzer(folder, reader, "-merge=1", "-use_counters=0", f"-max_len={LONGEST}", small, CORPUS / reader, found)
    kept = sorted(small.iterdir(), key=lambda path: path.stat().st_size)
    shutil.rmtree(CORPUS / reader, ignore_errors=True)
    (CORPUS / reader).mkdir(parents=True)
    left = MOST_KEPT
    for path in kept:
        left -= path.stat().st_size
        if left >= 0:
            shutil.copy(path, CORPUS / reader / path.name[:12])


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("readers", nargs="*")
    a.add_argument("--seconds", type=int, default=180)
    a.add_argument("--build", type=pathlib.Path, default=ROOT / "build-fuzz")
    a.add_argument("--work", type=pathlib.Path, default=ROOT / ".cache" / "fuzz")
    a.add_argument("--keep", action="store_true")
    a = a.parse_args()
    build(a.build)
    seeds = a.work / "seeds"
    seeds.mkdir(parents=True, exist_ok=True)
    subprocess.run([a.build / "tests/fuzz/test_readers", seeds], check=True)
    failed = False
    for reader in a.readers or sorted(path.name for path in seeds.iterdir()):
        found, bad = a.work / reader, a.work / (reader + "-found")
        for path in (found, bad, CORPUS / reader):
            path.mkdir(parents=True, exist_ok=True)
        shutil.copy(seeds / reader, found / "seed")
        status, said = libfuzzer(a.build, reader, f"-max_total_time={a.seconds}", f"-max_len={LONGEST}", "-timeout=10",
                                 "-print_final_stats=1", f"-artifact_prefix={bad}/", found, CORPUS / reader)
        runs = re.search(r"number_of_executed_units: (\d+)", said)
        edges = re.findall(r" cov: (\d+) ", said)
        (a.work / (reader + ".log")).write_text(said)
        print(f"{reader}: {runs.group(1) if runs else '?'} inputs, {edges[-1] if edges else '?'} edges, "
              f"{'no finding' if status == 0 else 'FOUND: ' + str(bad)}", flush=True)
        failed |= status != 0
        if a.keep and status == 0:
            keep(a.build, reader, found)
    return failed


sys.exit(main())
