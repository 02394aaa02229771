#!/usr/bin/env python3
"""The arithmetic of bench/peers/race.py, and that its peers compute what they say.

usage: races.py FOLDER-OF-PEERS. Prints TAP. What needs PyTorch skips where there is none.
"""
import importlib.util
import json
import os
import subprocess
import sys

FOLDER = sys.argv[1]
sys.dont_write_bytecode = True  # the folder belongs to the sources


class Skip(Exception):
    pass


def load(name):
    spec = importlib.util.spec_from_file_location(name, os.path.join(FOLDER, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, FOLDER)
    spec.loader.exec_module(module)
    return module


race = load("race")


def quantiles_are_those_of_invar_bench():
    assert race.quantile([4, 1, 3, 2], 0.25) == 1.75
    assert race.quantile([15, 20, 35, 40, 50], 0.4) == 29
    assert race.quantile([7], 0.75) == 7
    assert race.summary([9, 1, 5, 3, 7]) == {"median": 5, "spread": 0.8, "samples": [9, 1, 5, 3, 7]}


def a_speedup_is_above_one_where_ours_is_faster():
    times = race.speedups([1.0, 2.0, 4.0], [6.0, 6.0, 6.0], higher_is_better=False)
    assert times == {"ratio": 3.0, "low": 2.25, "high": 4.5}, times
    rates = race.speedups([100.0, 300.0], [100.0, 100.0], higher_is_better=True)
    assert rates == {"ratio": 2.0, "low": 1.5, "high": 2.5}, rates


def settings_cover_every_number_of_threads():
    assert race.thread_counts(1) == [1]
    assert race.thread_counts(2) == [1, 2]
    assert race.thread_counts(6) == [1, 2, 4, 6]
    assert race.settings(2, "torch") == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert race.settings(2, "blas") == [(1, 1), (1, 2)]
    assert race.settings(2, "jax") == [(1, 1), (2, 1)] and race.settings(1, "jax") == [(1, 1)]
    many = race.settings(16, "torch")
    assert (16, 16) in many and (16, 1) in many and (1, 16) in many and (1, 1) in many
    assert (4, 2) not in many and len(set(many)) == len(many)


def only_settings_near_the_fastest_stay():
    times = {(1, 1): ({"a": 1.0, "b": 9.0}, "ms"), (1, 2): ({"a": 1.1, "b": 8.0}, "ms"),
             (2, 1): ({"a": 2.0, "b": 5.0}, "ms"), (2, 2): ({"a": 3.0, "b": 30.0}, "ms")}
    assert race.contenders(times) == [(1, 1), (1, 2), (2, 1)]
    rates = {(1, 1): ({"a": 100.0}, "GFLOP/s"), (1, 2): ({"a": 120.0}, "GFLOP/s")}
    assert race.contenders(rates) == [(1, 2)]


def the_best_setting_is_judged_item_by_item():
    theirs = {("OpenBLAS", (1, 1)): {"gemm/a": [10.0, 12.0], "gemm/b": [5.0, 5.0]},
              ("OpenBLAS", (1, 2)): {"gemm/a": [8.0, 9.0], "gemm/b": [50.0, 60.0]}}
    item = {"better": "higher", "unit": "GFLOP/s"}
    a = race.judge("gemm/a", item, [22.0, 22.0], theirs, {})
    b = race.judge("gemm/b", item, [11.0, 11.0], theirs, {"gemm/b": [110.0, 110.0]})
    of_a, of_b = a["peers"]["OpenBLAS"], b["peers"]["OpenBLAS"]
    assert (of_a["median"], of_a["openblas_threads"]) == (11.0, 1)
    assert (of_b["median"], of_b["openblas_threads"]) == (55.0, 2)
    assert a["speedup"]["ratio"] == 2.0 and b["speedup"]["ratio"] == 0.2
    assert b["speedup_cuda"]["ratio"] == 0.1 and "cuda" not in a
    lines = race.table([a, b]).splitlines()
    assert len(lines) == 3 and "2.00 [" in lines[1] and "0.10 [" in lines[2], lines


def the_best_peer_counts_in_its_better_form():
    theirs = {("PyTorch", (1, 1)): {"step/a": [8.0]}, ("JAX", (2, 1)): {"step/a": [6.0], "step/a-x8": [4.0]},
              ("JAX", (1, 1)): {"step/a": [5.0], "step/a-x8": [7.0]}}
    item = {"better": "lower", "unit": "ms"}
    for name in ("step/a-x1", "step/a-x8"):
        judged = race.judge(name, item, [2.0], theirs, {})
        assert judged["best"] == "JAX" and judged["speedup"]["ratio"] == 2.0, judged
        assert judged["peers"]["JAX"]["item"] == "step/a-x8" and judged["peers"]["JAX"]["threads"] == 2, judged
        assert judged["peers"]["PyTorch"]["speedup"]["ratio"] == 4.0, judged
    alone = race.judge("convolution/a", item, [2.0], {("Another", (2, 1)): {"convolution/a": [3.0]}}, {})
    assert "Another" in race.table([alone]).splitlines()[0] and alone["speedup"]["ratio"] == 1.5
    line = race.table([judged]).splitlines()[1]
    assert line.split()[4] == "8" and line.split()[6] == "4", line


def convolutions_are_laid_out_beside_onnx_runtime():
    name = "convolution/16x64x56x56-64x3x3"
    lines = load("convolution").side_by_side({name: {"better": "higher", "unit": "GFLOP/s"}}, {name: [300.0, 330.0]},
                                             {name: [350.0, 350.0]}, 2).splitlines()
    assert "ONNX Runtime" in lines[0] and lines[1].split()[2] == "315" and " 0.90 [" in lines[1], lines


def jax_turns_images_as_rot90_does():
    try:
        import numpy as np
        rotate = load("jax_rotation").rotate
    except ImportError as error:
        raise Skip(str(error))
    images = np.random.default_rng(0).random((3, 6, 6), np.float32)
    # a quarter turn moves pixels to pixels, but for the rounding of its cosine
    assert np.abs(np.asarray(rotate(images, np.pi / 2)).reshape(3, 6, 6) - np.rot90(images, 1, (1, 2))).max() < 1e-5
    assert np.abs(np.asarray(rotate(images, 0.0)).reshape(3, 6, 6) - images).max() < 1e-6


def populations_race_against_single_trainings():
    assert race.peer_items("step/regularization-rotation-4-da-x8")[0] == \
        "step/regularization-rotation-4-da"
    assert race.peer_items("gemm/512x128x784-nt-x8") == ["gemm/512x128x784-nt-x8"]


def a_reference_blas_is_noticed():
    reference = "/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0"
    fast = "/usr/lib/x86_64-linux-gnu/openblas-pthread/libblas.so.3"
    assert race.slow_blas([reference, "/usr/lib/libc.so.6"]) == reference
    assert race.slow_blas([fast]) is None
    assert race.slow_blas([reference, "/usr/lib/libmkl_rt.so.2"]) is None
    assert race.slow_blas(["/usr/lib/libc.so.6"]) is None


def peers_report_the_items_of_invar_bench():
    python, about = race.find_python(None)
    if not python:
        raise Skip("no Python with PyTorch and NumPy")
    names = ["gemm/5x3x4-nt", "gemm/5x3x4-tn-x2"]
    wanted = {"regularization_step.py": ([], {"step/regularization-rotation-4-" + method
                                              for method in ("wt", "da", "ir")}),
              "gemm.py": (names, set(names))}
    for script, (extra, items) in wanted.items():
        out = subprocess.run([python, os.path.join(FOLDER, script), "--time", "0.01", *extra],
                             check=True, capture_output=True, text=True).stdout
        result = json.loads(out)
        assert set(result["items"]) == items, result
        assert all(value > 0 for value in result["items"].values()), result
        assert result["unit"] == ("GFLOP/s" if script == "gemm.py" else "ms")


def main():
    tests = [quantiles_are_those_of_invar_bench, a_speedup_is_above_one_where_ours_is_faster,
             settings_cover_every_number_of_threads, only_settings_near_the_fastest_stay,
             the_best_setting_is_judged_item_by_item, the_best_peer_counts_in_its_better_form,
             convolutions_are_laid_out_beside_onnx_runtime, jax_turns_images_as_rot90_does,
             populations_race_against_single_trainings,
             a_reference_blas_is_noticed, peers_report_the_items_of_invar_bench]
    print(f"1..{len(tests)}")
    failures = 0
    for number, test in enumerate(tests, 1):
        try:
            test()
            print(f"ok {number} - {test.__name__}")
        except Skip as reason:
            print(f"ok {number} - {test.__name__} # SKIP {reason}")
        except Exception as error:
            failures += 1
            print(f"not ok {number} - {test.__name__}\n# {error!r}")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
