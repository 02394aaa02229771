"""tools/run_specs.py with a program that stands for invar: what it is called with, and what happens in between.

usage: test_run_specs.py FOLDER-OF-TOOLS
"""
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the folder belongs to the sources
import tap  # noqa: E402

TOOL = pathlib.Path(sys.argv[1]) / "run_specs.py"

# Writes what it was called with, and does what the spec says: done, interrupted or failed.
STAND_IN = """#!%s
import json, pathlib, sys
spec, out = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
log = pathlib.Path(__file__).parent / "calls"
log.write_text((log.read_text() if log.exists() else "") + " ".join([spec.stem] + sys.argv[5:]) + "\\n")
what = spec.read_text()
if "--resume" in sys.argv:
    what = "done"
if what != "refused":
    out.mkdir(exist_ok=True)
    state = {"done": "done", "interrupted": "interrupted", "failed": "failed"}[what]
    (out / "run.json").write_text(json.dumps({"status": state, "seconds": 1800}))
sys.exit({"done": 0, "interrupted": 130, "failed": 1, "refused": 2}[what])
""" % sys.executable


class Trial:
    def __init__(self, **specs):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.scratch.name)
        self.invar = self.folder / "invar"
        self.invar.write_text(STAND_IN)
        self.invar.chmod(0o755)
        self.specs = []
        for name, what in specs.items():
            path = self.folder / (name + ".yaml")
            path.write_text(what)
            self.specs.append(str(path))

    def run(self, *more):
        return subprocess.run([sys.executable, str(TOOL), str(self.folder / "out"), *self.specs, "--invar",
                               str(self.invar), *more], capture_output=True, text=True)

    def calls(self):
        return (self.folder / "calls").read_text().splitlines()


def every_spec_is_trained_once():
    trial = Trial(a="done", b="done")
    result = trial.run("--", "--seeds", "1")
    assert result.returncode == 0, result
    assert trial.calls() == ["a --seeds 1", "b --seeds 1"], trial.calls()
    assert "a " in result.stdout and "0.50" in result.stdout, result.stdout
    assert trial.run().returncode == 0
    assert len(trial.calls()) == 2, trial.calls()


def what_was_interrupted_is_resumed_and_stops_the_rest():
    trial = Trial(a="interrupted", b="done")
    result = trial.run()
    assert result.returncode == 130, result
    assert trial.calls() == ["a"], trial.calls()
    assert "not begun" in result.stdout, result.stdout
    assert trial.run().returncode == 0
    assert trial.calls() == ["a", "a --resume", "b"], trial.calls()


def what_fails_does_not_stop_the_rest():
    trial = Trial(a="refused", b="failed", c="done")
    result = trial.run()
    assert result.returncode == 1, result
    assert [call.split()[0] for call in trial.calls()] == ["a", "b", "c"], trial.calls()
    assert "failed (2)" in result.stdout and "failed (1)" in result.stdout, result.stdout


def what_cannot_be_is_refused():
    trial = Trial(a="done")
    trial.specs.append(str(trial.folder / "missing.yaml"))
    result = trial.run()
    assert result.returncode == 1 and "no such spec" in result.stderr, result
    trial.specs[1] = trial.specs[0]
    result = trial.run()
    assert result.returncode == 1 and "share a folder: a" in result.stderr, result
    assert not (trial.folder / "calls").exists()


def published_specs_are_the_default():
    result = subprocess.run([sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True\n"
                             "import run_specs; print([run_specs.folder_of(s) for s in run_specs.published()])",
                             sys.argv[1]], capture_output=True, text=True)
    assert "'marginal-likelihood-table1'" in result.stdout and "quick" not in result.stdout, result


tap.run([every_spec_is_trained_once, what_was_interrupted_is_resumed_and_stops_the_rest,
         what_fails_does_not_stop_the_rest, what_cannot_be_is_refused, published_specs_are_the_default])
