#!/usr/bin/env python3
"""Which lines of src/ the tests run: every test program once in a build that counts, then a line for each room.

    tools/coverage.py [--build DIR] [--html FILE] [--no-run] [TEST...]

DIR is build-coverage by default, and is made if it is not there. TEST is a name as `meson test --list` has it; without
any, all of them. Needs gcc and gcovr. Programs run one at a time; INVAR_TEST_SMALL=1 leaves out what is slow. --no-run
counts what earlier calls ran. What is lost: processes that a test kills write no counts.
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(*command, **more):
    return subprocess.run([str(part) for part in command], check=True, cwd=ROOT, **more)


def build(folder):
    if not (ROOT / folder / "build.ninja").exists():
        run("meson", "setup", folder, "-Dbuildtype=debug", "-Doptimization=1", "-Dtests=true", "-Db_coverage=true",
            stdout=subprocess.DEVNULL)
    run("ninja", "-C", folder, stdout=subprocess.DEVNULL)


def count(folder, html):
    """Lines of code and those that ran, by file below src/."""
    with tempfile.TemporaryDirectory() as scratch:
        summary = pathlib.Path(scratch, "summary.json")
        command = ["gcovr", "--root", ".", "--filter", "src/", "--exclude-unreachable-branches", "--json-summary",
                   summary, folder]
        run(*command, *(["--html-details", html] if html else []), stdout=subprocess.DEVNULL)
        return {row["filename"]: (row["line_covered"], row["line_total"])
                for row in json.loads(summary.read_text())["files"]}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--build", default="build-coverage")
    a.add_argument("--html", metavar="FILE")
    a.add_argument("--no-run", action="store_true")
    a.add_argument("tests", nargs="*")
    a = a.parse_args()
    if not a.no_run:
        build(a.build)
        subprocess.run(["meson", "test", "-C", a.build, "--no-rebuild", "--num-processes", "1", "--timeout-multiplier",
                        "10", *a.tests], cwd=ROOT, check=False)
    files = count(a.build, a.html)
    rooms = collections.defaultdict(lambda: [0, 0])
    for name, (ran, lines) in files.items():
        room = re.match(r"src/([^/]+)/", name)
        for key in (room.group(1) if room else "src", "all"):
            rooms[key][0] += ran
            rooms[key][1] += lines
    for name, (ran, lines) in sorted(files.items(), key=lambda row: row[1][0] - row[1][1])[:20]:
        print(f"{name:50} {lines - ran:5} lines of {lines} did not run")
    print()
    for room, (ran, lines) in sorted(rooms.items(), key=lambda row: (row[0] == "all", row[0])):
        print(f"{room:12} {ran:6} of {lines:6}  {100 * ran / lines:5.1f} %")


sys.exit(main())
