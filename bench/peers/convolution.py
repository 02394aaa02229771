#!/usr/bin/env python3
"""Convolutions: Invar against ONNX Runtime's CPU provider, in alternating runs.

Every item of `invar bench convolution` that ONNX Runtime has (no gradients), as a model of one node Conv
with bias and one node Relu. A ratio above 1 says how many times as fast Invar is. Needs a Python with
onnxruntime, onnx and numpy.
"""
import argparse
import json
import os
import re
import sys

import race
import timing

ITEM = re.compile(r"convolution/(\d+)x(\d+)x(\d+)x(\d+)-(\d+)x(\d+)x(\d+)(?:-s(\d+))?(?:-g(\d+))?")


def model(name):
    """The layer of an item as ONNX, its input's shape and its floating-point operations."""
    from onnx import TensorProto, helper, numpy_helper
    import numpy as np
    match = ITEM.fullmatch(name)
    if not match:
        raise SystemExit(f"convolution.py: {name} is no forward item of `invar bench convolution`")
    images, channels, height, width, outputs, size, _ = (int(g) for g in match.groups()[:7])
    stride, groups = int(match.group(8) or 1), int(match.group(9) or 1)
    random = np.random.default_rng(0)
    w = random.standard_normal((outputs, channels // groups, size, size)).astype(np.float32)
    b = random.standard_normal(outputs).astype(np.float32)
    shape = [images, channels, height, width]
    out = [images, outputs] + [(n + size // 2 * 2 - size) // stride + 1 for n in (height, width)]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["z"], kernel_shape=[size, size],
                          strides=[stride] * 2, pads=[size // 2] * 4, group=groups),
         helper.make_node("Relu", ["z"], ["y"])], "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")])
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    flops = 2 * images * outputs * out[2] * out[3] * (channels // groups) * size * size
    return built.SerializeToString(), shape, flops


def measure(name, threads, seconds):
    """GFLOP/s of ONNX Runtime."""
    import numpy as np
    import onnxruntime
    text, shape, flops = model(name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(text, options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    ms = timing.median_ms(lambda: session.run(None, {"x": x}), lambda: None, seconds)
    return 1e-6 * flops / ms


def run_peer(arguments, names):
    out = race.run([sys.executable, os.path.abspath(__file__), "--peer", "--threads",
                    str(arguments.threads), "--time", str(arguments.time), *names], None)
    return json.loads(out.splitlines()[-1])["items"]


def side_by_side(about, ours, theirs, threads):
    """The table of a race: lists of rates by item, Invar's and ONNX Runtime's."""
    peer = ("ONNX Runtime", (threads, 1))
    return race.table([race.judge(name, about[name], ours[name], {peer: theirs}, {}) for name in ours])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="items, or parts of their names; all by default")
    parser.add_argument("--invar", default=race.find_invar(), help="the program to race")
    parser.add_argument("--device", help="as in `invar bench --device`")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--time", type=float, default=1.0, help="seconds an item, in every round")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="ONNX Runtime's threads")
    parser.add_argument("--peer", action="store_true", help="measure ONNX Runtime alone")
    arguments = parser.parse_args()
    if arguments.peer:
        timing.report({name: measure(name, arguments.threads, arguments.time)
                       for name in arguments.names}, unit="GFLOP/s")
        return
    if not arguments.invar:
        parser.error("no invar found: build it, or name it with --invar")
    wanted = [f"convolution/{name.removeprefix('convolution/')}" for name in arguments.names]
    ours, theirs, about = {}, {}, {}
    for number in range(arguments.rounds):
        race.say(f"round {number + 1} of {arguments.rounds}")
        _, items = race.run_invar(arguments, wanted or ["convolution"])
        forward = {name: item for name, item in items.items() if ITEM.fullmatch(name)}
        for name, item in forward.items():
            about[name] = item
            ours.setdefault(name, []).append(item["value"])
        for name, value in run_peer(arguments, list(forward)).items():
            theirs.setdefault(name, []).append(value)
    print(side_by_side(about, ours, theirs, arguments.threads))


if __name__ == "__main__":
    main()
