#!/usr/bin/env python3
"""Which files of a folder say the same: every pair of C files, and how many of the smaller one's lines the other has too.

    tools/shared_lines.py [FOLDER] [--most PERCENT] [--show]

Counted are lines that say something (no comments, includes, braces alone), in runs of at least three, with the
prefixes of names that each study has (ae_, ml_, reg_) taken for the same. The tables of functions by which a study
declares itself (`.create = create,`, `extern const iv_study_models x_models;`) are the interface itself: they do not
count. Exit status 1 if a pair shares more than --most (10 by default); pairs above half of that are printed.
"""
import argparse
import itertools
import pathlib
import re
import sys

RUN = 3
TABLE = r"\.\w+ = (&?\w+|sizeof\(\w+\)),|extern const iv_\w+ x_\w+;"


def lines_of(path):
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), path.read_text(), flags=re.S)
    lines = (re.sub(r"\s+", " ", line).strip() for line in text.splitlines())
    lines = (re.sub(r"\b(ae|ml|reg|AE|ML|REG)_", "x_", line) for line in lines)
    return [line for line in lines if re.search(r"\w", line) and not re.match(TABLE + "|#", line)]


def runs(lines):
    return [tuple(lines[i:i + RUN]) for i in range(len(lines) - RUN + 1)]


def shared(lines, other):
    """Numbers of the lines that stand in a run that the other file has too."""
    theirs = set(runs(other))
    return {i + k for i, run in enumerate(runs(lines)) if run in theirs for k in range(RUN)}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("folder", nargs="?", default="src/studies")
    a.add_argument("--most", type=float, default=10)
    a.add_argument("--show", action="store_true", help="print the lines too")
    a = a.parse_args()
    files = {p: lines_of(p) for p in sorted(pathlib.Path(a.folder).rglob("*.[ch]"))}
    worst = 0
    for one, two in itertools.combinations(files, 2):
        small, large = sorted((one, two), key=lambda p: len(files[p]))
        same = shared(files[small], files[large])
        percent = 100 * len(same) / max(1, len(files[small]))
        worst = max(worst, percent)
        if percent > a.most / 2:
            print(f"{percent:5.1f}%  {len(same):3} of {len(files[small]):3} lines  {small}  {large}")
            if a.show:
                print("".join(f"           {files[small][i]}\n" for i in sorted(same)), end="")
    print(f"{len(files)} files, at most {worst:.1f}% shared, {a.most:g}% allowed")
    return worst > a.most


sys.exit(main())
