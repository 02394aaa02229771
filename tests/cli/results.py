#!/usr/bin/env python3
"""What a run directory, written here, gives: `invar export` TensorBoard's event files, CSV and LaTeX, `invar report` claims.

usage: results.py INVAR. Prints TAP. Event files are read by the reader below, whose CRC-32C is anchored by its published
check value, and by the package tensorboard where it is installed.
"""
import csv
import importlib.util
import io
import json
import math
import os
import pty
import struct
import subprocess
import sys
import tempfile

POINTS = [
    {"run": "DA", "seed": 0, "step": 0, "epoch": 0, "split": "train", "loss": 2.5, "eta": [0.5, -1]},
    {"run": "DA", "seed": 0, "step": 300, "epoch": 1, "split": "test", "accuracy": 0.75},
    {"run": "DA", "seed": 1, "step": 300, "epoch": 1, "split": "train", "loss": None},
    {"run": "IR-nu1", "seed": 0, "step": 1 << 40, "epoch": 1, "loss": 1e-7},
]
EXPECTED = {
    "DA-seed0": [(0, {"train/loss": 2.5, "train/eta/0": 0.5, "train/eta/1": -1}), (300, {"test/accuracy": 0.75})],
    "DA-seed1": [(300, {"train/loss": math.nan})],
    "IR-nu1-seed0": [(1 << 40, {"loss": 1e-7})],
}
EVENTS = "events.out.tfevents.0.invar"


def cell(row, column, metric, mean, std, n, published, published_std):
    return {"row": row, "column": column, "metric": metric, "mean": mean, "std": std, "n": n, "published": published,
            "published_std": published_std, "status": "ok" if n else "no runs"}


CELLS = [
    cell("rotation-4", "WT", "accuracy", 0.943, 0.002, 5, 0.946, 0.001),
    cell("rotation-4", "WT", "li", 1.2e-11, 3.4e-12, 5, None, None),
    cell("rotation-4", "A_b & 50%", "accuracy", 0.9, None, 1, None, None),
    cell("shift,3", "WT", "accuracy", None, None, 0, 0.931, None),
]


CLAIMS = [{"claim": "A is so.", "holds": True, "evidence": "a = 1"},
          {"claim": "B is so.", "holds": False, "evidence": "b = \a0"}]


def write_run(folder, log=None):
    styles = {"accuracy": {"label": "Acc. (%)", "doc": "", "scale": 100, "decimals": 1},
              "li": {"label": "LI", "doc": "", "scale": 1, "decimals": 2}}
    os.makedirs(folder)
    with open(os.path.join(folder, "run.json"), "w") as file:
        json.dump({"status": "done", "name": "n", "seeds": [0, 1]}, file)
    with open(os.path.join(folder, "results.json"), "w") as file:
        json.dump({"metrics": styles, "runs": [], "cells": CELLS, "claims": CLAIMS}, file)
    with open(os.path.join(folder, "metrics.jsonl"), "w") as file:
        file.write(log if log is not None else "".join(json.dumps(point) + "\n" for point in POINTS))


def export(invar, folder, *options, status=0):
    done = subprocess.run([invar, "export", folder, *options], capture_output=True, text=True)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr}"
    return done.stdout if status == 0 else done.stderr


# ---------------------------------------------------------------- event files

def crc32c(data):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def fields(data):
    """[(number, value)] of a message: integers, bytes, or the 4 or 8 bytes of a number."""
    found, at = [], 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            found.append((key >> 3, varint()))
            continue
        n = {1: 8, 5: 4}[kind] if kind != 2 else varint()
        assert at + n <= len(data), "a field reaches beyond its message"
        found.append((key >> 3, data[at:at + n]))
        at += n
    return found


def read_events(path):
    with open(path, "rb") as file:
        data = file.read()
    events, at = [], 0
    while at < len(data):
        head = data[at:at + 8]
        n = struct.unpack("<Q", head)[0]
        body = data[at + 12:at + 12 + n]
        assert struct.unpack("<I", data[at + 8:at + 12])[0] == masked(head), "the length's checksum"
        assert struct.unpack("<I", data[at + 12 + n:at + 16 + n])[0] == masked(body), "the event's checksum"
        events.append(dict(fields(body)))
        at += 16 + n
    assert events.pop(0)[3] == b"brain.Event:2"
    points = []
    for event in events:
        assert struct.unpack("<d", event[1])[0] == 0
        values = {}
        for number, value in fields(event[5]):
            assert number == 1
            parts = dict(fields(value))
            values[parts[1].decode()] = struct.unpack("<f", parts[2])[0]
        points.append((event[2], values))
    return points


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b)) or a == struct.unpack("<f", struct.pack("<f", b))[0]


def event_files_hold_what_was_logged(invar, folder):
    assert crc32c(b"123456789") == 0xE3069283
    run, out = os.path.join(folder, "run"), os.path.join(folder, "events")
    write_run(run)
    export(invar, run, "--format", "tensorboard", "--out", out)
    assert sorted(os.listdir(out)) == sorted(EXPECTED)
    for name, expected in EXPECTED.items():
        points = read_events(os.path.join(out, name, EVENTS))
        assert [step for step, _ in points] == [step for step, _ in expected], points
        for (_, values), (_, wanted) in zip(points, expected):
            assert values.keys() == wanted.keys(), values
            assert all(same(values[tag], wanted[tag]) for tag in wanted), values


def tensorboard_reads_them(invar, folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    run, out = os.path.join(folder, "run"), os.path.join(folder, "events")
    write_run(run)
    export(invar, run, "--format", "tensorboard", "--out", out)
    reader = EventAccumulator(os.path.join(out, "DA-seed0"))
    reader.Reload()
    assert set(reader.Tags()["scalars"]) == {"train/loss", "train/eta/0", "train/eta/1", "test/accuracy"}
    event = reader.Scalars("test/accuracy")[0]
    assert (event.step, event.value) == (300, 0.75)


def a_log_that_names_no_run_of_its_own_is_refused(invar, folder):
    for number, name in enumerate(["../../x", "", ".", None, "a/b"]):
        run, out = os.path.join(folder, f"run{number}"), os.path.join(folder, "events")
        write_run(run, json.dumps({"run": name, "seed": 0, "step": 0, "loss": 1}) + "\n")
        message = export(invar, run, "--format", "tensorboard", "--out", out, status=4)
        assert "metrics.jsonl:1" in message, message
        assert not os.path.exists(out)
    write_run(os.path.join(folder, "damaged"), "{\n")
    export(invar, os.path.join(folder, "damaged"), "--format", "tensorboard", "--out", folder, status=4)
    export(invar, os.path.join(folder, "none"), "--format", "tensorboard", "--out", folder, status=4)


# ---------------------------------------------------------------- tables

def csv_has_the_metrics_side_by_side(invar, folder):
    run = os.path.join(folder, "run")
    write_run(run)
    lines = list(csv.DictReader(io.StringIO(export(invar, run, "--format", "csv"))))
    assert [(line["row"], line["column"]) for line in lines] == [
        ("rotation-4", "WT"), ("rotation-4", "A_b & 50%"), ("shift,3", "WT")]
    assert len(lines[0]) == 12 and None not in lines[0]
    for line in lines:
        for metric in ("accuracy", "li"):
            wanted = [c for c in CELLS if (c["row"], c["column"], c["metric"]) == (line["row"], line["column"], metric)]
            for key, suffix in [("mean", ""), ("std", "_std"), ("n", "_n"), ("published", "_published"),
                                ("published_std", "_published_std")]:
                value = wanted[0][key] if wanted else None
                assert line[metric + suffix] == ("" if value is None else line[metric + suffix])
                assert value is None or float(line[metric + suffix]) == value


def latex_has_every_number_and_no_character_of_its_own(invar, folder):
    run, out = os.path.join(folder, "run"), os.path.join(folder, "tables.tex")
    write_run(run)
    export(invar, run, "--out", out)
    with open(out) as file:
        text = file.read()
    assert text.count(r"\begin{tabular}{lrrrr}") == 1 and text.count(r"\begin{tabular}{lrr}") == 1, text
    assert r"WT & \num{94.3 +- 0.2} & \num{94.6 +- 0.1} & \num{1.2e-11} \ensuremath{\pm} \num{3.4e-12} &  \\" in text, text
    assert r"A\_b \& 50\% & \num{90.0} &  &  &  \\" in text, text
    assert r"WT & -- & \num{93.1} \\" in text, text
    assert r"\multicolumn{2}{c}{Acc. (\%)}" in text
    assert text == export(invar, run, "--format", "latex")


def what_there_is_not_is_refused(invar, folder):
    run = os.path.join(folder, "run")
    write_run(run)
    assert "expected latex" in export(invar, run, "--format", "excel", status=2)
    assert "--out" in export(invar, run, "--format", "tensorboard", status=2)
    os.remove(os.path.join(run, "results.json"))
    assert "no results.json yet" in export(invar, run, status=4)
    assert "no run.json" in export(invar, folder, status=4)


# ---------------------------------------------------------------- claims

def report(invar, folder, terminal, **environment):
    """What `invar report` prints, to a terminal or a pipe."""
    reader, writer = pty.openpty() if terminal else os.pipe()
    started = subprocess.Popen([invar, "report", folder], stdout=writer, stderr=subprocess.DEVNULL,
                               env=dict(os.environ, **environment))
    os.close(writer)
    said = b""
    while True:
        try:
            part = os.read(reader, 65536)
        except OSError:  # what Linux answers once a terminal is closed
            break
        if not part:
            break
        said += part
    os.close(reader)
    assert started.wait() == 0
    return said.decode().replace("\r\n", "\n")


def claims_have_colours_on_a_terminal_alone(invar, folder):
    run = os.path.join(folder, "run")
    write_run(run)
    plain = "holds          A is so.\n               a = 1\ndoes not hold  B is so.\n               b = ?0\n"
    coloured = report(invar, run, True, TERM="xterm", NO_COLOR="")
    assert "\033[32mholds         \033[m A is so." in coloured, coloured
    assert "\033[31mdoes not hold \033[m B is so." in coloured, coloured
    for terminal, environment in [(False, {"TERM": "xterm"}), (True, {"TERM": "dumb"}),
                                  (True, {"TERM": "xterm", "NO_COLOR": "1"})]:
        said = report(invar, run, terminal, **{"NO_COLOR": "", **environment})
        assert plain in said and "\033" not in said and "\a" not in said, said


TESTS = [event_files_hold_what_was_logged, a_log_that_names_no_run_of_its_own_is_refused,
         csv_has_the_metrics_side_by_side, latex_has_every_number_and_no_character_of_its_own,
         what_there_is_not_is_refused, claims_have_colours_on_a_terminal_alone]


if importlib.util.find_spec("tensorboard"):
    TESTS.append(tensorboard_reads_them)


def main():
    print(f"1..{len(TESTS)}")
    failed = False
    for number, test in enumerate(TESTS, 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(sys.argv[1], folder)
                print(f"ok {number} - {test.__name__}")
            except Exception as error:
                failed = True
                print(f"not ok {number} - {test.__name__}\n# {type(error).__name__}: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
