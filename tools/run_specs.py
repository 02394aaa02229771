#!/usr/bin/env python3
"""Train many specs one after another into one folder; called again, it goes on where it stopped.

    tools/run_specs.py DIR [SPEC...] [--invar PROGRAM] [-- OPTIONS OF INVAR RUN]

SPEC is a file; without any, all published ones of configs/, not the quick ones. Each gets a run directory of its own in
DIR, named as its path: marginal-likelihood-table1. One that is done stays as it is; one that was interrupted or killed is
resumed. One that fails does not stop the others. Ctrl-C stops all of it, with a checkpoint. At the end every spec is
listed with its state and hours. The exit status is 0 if all are done, 130 if interrupted, else 1.
"""
import argparse
import json
import pathlib
import subprocess
import sys

CONFIGS = pathlib.Path(__file__).resolve().parent.parent / "configs"
INTERRUPTED = 130


def published():
    return sorted(CONFIGS.glob("*/*.yaml"))


def folder_of(spec):
    """configs/STUDY/NAME.yaml -> STUDY-NAME, quick ones STUDY-quick-NAME; a file of elsewhere by its name."""
    spec = spec.resolve()
    inside = spec.relative_to(CONFIGS) if spec.is_relative_to(CONFIGS) else pathlib.Path(spec.name)
    return "-".join(inside.with_suffix("").parts)


def read_state(directory):
    """The state that run.json has, and its seconds; None without one."""
    try:
        facts = json.loads((directory / "run.json").read_text())
        return facts["status"], facts["seconds"]
    except (OSError, ValueError, KeyError):
        return None, 0.0


def train(invar, spec, directory, options):
    state, _ = read_state(directory)
    command = [invar, "run", str(spec), "--out", str(directory), *(["--resume"] if state else []), *options]
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # the program has had it too, and ends with a checkpoint


def main(arguments):
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = arguments[end + 1:]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("specs", nargs="*", type=pathlib.Path)
    parser.add_argument("--invar", default="invar", help="the program (default: the one in PATH)")
    given = parser.parse_args(arguments[:end])
    out, invar, specs = given.dir, given.invar, given.specs or published()
    missing = [str(spec) for spec in specs if not spec.is_file()]
    if missing:
        sys.exit("run_specs: no such spec: " + ", ".join(missing))
    folders = [folder_of(spec) for spec in specs]
    twice = sorted({name for name in folders if folders.count(name) > 1})
    if twice:
        sys.exit("run_specs: two specs would share a folder: " + ", ".join(twice))
    out.mkdir(parents=True, exist_ok=True)

    statuses = {}
    for spec, folder in zip(specs, folders):
        if read_state(out / folder)[0] == "done":
            statuses[folder] = 0
            continue
        print(f"== {folder}", flush=True)
        try:
            statuses[folder] = train(invar, spec, out / folder, options)
        except OSError as error:
            sys.exit(f"run_specs: {invar}: {error.strerror}")
        if statuses[folder] == INTERRUPTED:
            break

    print(f"\n{'spec':44} {'state':12} hours")
    for folder in folders:
        state, seconds = read_state(out / folder)
        if folder in statuses and statuses[folder] not in (0, INTERRUPTED) and state != "done":
            state = f"failed ({statuses[folder]})"
        print(f"{folder:44} {state or 'not begun':12} {seconds / 3600:5.2f}")
    if INTERRUPTED in statuses.values():
        return INTERRUPTED
    return 0 if all(read_state(out / folder)[0] == "done" for folder in folders) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
