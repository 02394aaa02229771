#!/usr/bin/env python3
"""The chart of `invar bench --compare`: well-formed SVG whose bars are as long as the ratios say.

usage: charts.py INVAR. Prints TAP. The SVG is read with Python's XML parser.
"""
import json
import math
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def report(device, items):
    return {"version": "1", "commit": "c", "opencl_headers": "1.2", "host": "h", "system": "s",
            "date": "d", "devices": [
                {"name": device, "platform": "p", "driver": "1", "version": "1", "type": "cpu",
                 "compute_units": 1, "peak_gflops": None, "peak_gb_per_s": None, "items": [
                     {"name": name, "unit": unit, "better": better, "value": value, "spread": 0.1,
                      "repetitions": 9, "milliseconds": 1.0, "percent_of_peak": None}
                     for name, unit, better, value in items]}]}


def draw(invar, folder, reports):
    paths = []
    for number, content in enumerate(reports):
        paths.append(os.path.join(folder, f"{number}.json"))
        with open(paths[-1], "w") as file:
            json.dump(content, file)
    svg = os.path.join(folder, "chart.svg")
    subprocess.run([invar, "bench", "--compare", *paths, "--svg", svg], check=True,
                   capture_output=True)
    return ElementTree.parse(svg).getroot()


def bars(root):
    return [element for element in root.iter(SVG + "rect") if element.get("class") == "bar"]


def bars_have_the_length_of_their_ratio(invar, folder):
    first = report("A", [("gemm/a", "GFLOP/s", "higher", 100), ("step/b", "ms", "lower", 8.0)])
    second = report("B", [("gemm/a", "GFLOP/s", "higher", 400), ("step/b", "ms", "lower", 16.0)])
    found = bars(draw(invar, folder, [first, second]))
    assert len(found) == 2, f"{len(found)} bars"
    faster, slower = found
    widths = [float(bar.get("width")) for bar in found]
    # coordinates have one decimal, so each end is off by at most 0.05 and a width by 0.1
    assert abs(widths[0] - 2 * widths[1]) < 0.3, f"log 4 and log 2 drawn as {widths}"
    assert widths[1] > 10, "the bars are too short to see"
    one = float(faster.get("x"))
    end = float(slower.get("x")) + widths[1]
    assert abs(one - end) < 0.2, "a bar to the right and one to the left do not start at 1"


def missing_items_have_no_bar(invar, folder):
    first = report("A", [("a/x", "ms", "lower", 1.0), ("a/y", "ms", "lower", 1.0),
                         ("a/z", "ms", "lower", 1.0)])
    second = report("B", [("a/x", "ms", "lower", 2.0), ("a/y", "us", "lower", 2.0)])
    third = report("C", [("a/x", "ms", "lower", 0.5), ("a/z", "ms", "lower", 0.25)])
    root = draw(invar, folder, [first, second, third])
    assert len(bars(root)) == 3
    texts = [element.text for element in root.iter(SVG + "text")]
    for expected in ("a/x", "a/z", "0.5", "2", "4"):
        assert expected in texts, f"no text {expected} in {texts}"
    assert "a/y" not in texts


def names_cannot_break_the_markup(invar, folder):
    name = "<b> & \"c\" 'd' \u00e9"
    items = [("a/<x>", "ms", "lower", 1.0)]
    root = draw(invar, folder, [report("A", items), report(name, items)])
    texts = [element.text for element in root.iter(SVG + "text")]
    assert any(text.endswith(name) for text in texts), texts
    assert "a/<x>" in texts


def ratios_of_many_sizes_stay_in_the_picture(invar, folder):
    for ratio in (1.0, 1.0001, 3.0, 299.0, 1e6, 1e-9):
        first = report("A", [("a/x", "GB/s", "higher", 1.0)])
        second = report("B", [("a/x", "GB/s", "higher", ratio)])
        root = draw(invar, folder, [first, second])
        bar, = bars(root)
        left, width = float(bar.get("x")), float(bar.get("width"))
        assert math.isfinite(left) and math.isfinite(width)
        assert 0 <= left and left + width <= float(root.get("width")), (ratio, left, width)


def main():
    tests = [bars_have_the_length_of_their_ratio, missing_items_have_no_bar,
             names_cannot_break_the_markup, ratios_of_many_sizes_stay_in_the_picture]
    print(f"1..{len(tests)}")
    failures = 0
    for number, test in enumerate(tests, 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(sys.argv[1], folder)
                print(f"ok {number} - {test.__name__}")
            except Exception as error:
                failures += 1
                print(f"not ok {number} - {test.__name__}\n# {error!r}")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
