#!/usr/bin/env python3
"""An audit of 10000 images under quarter turns: `invar audit` against PyTorch's forward and backward passes.

Both measure accuracy, LI, DI and SI on MNIST's test images: 40000 forward passes, and as many backward passes to the
images. Invar also finds 95% intervals from 1000 resamples, for all images and each class, as it always does; PyTorch
does not. Networks have random weights: a perceptron 784-128-128-10, and a LeNet (ONNX) if `invar audit` reads ONNX.

Two times: of the whole process, as a user waits for it, and without start-up. Start-up is, of Invar, a process on the
first 256 images alone, which does all but the other 9744; of PyTorch, all before the first pass. Runs alternate. PyTorch gets its
best settings: each number of threads is tried first, and several sizes of batches for those within 15% of the fastest;
of all these, those within 15% of the fastest stay in the race, and the best median counts. A ratio above 1 says how
many times as fast Invar is; the interval is the quartiles of the ratios of single rounds.

Needs a Python with PyTorch and NumPy (race.py says how to get one), and MNIST (`invar data fetch mnist`).
"""
import argparse
import gzip
import json
import os
import platform
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import race

BATCHES = (256, 1000, 2500)
FIRST = 256


# ---------------------------------------------------------------------- networks

def make(torch, name):
    torch.manual_seed(0)
    nn = torch.nn
    if name == "perceptron":
        layers = [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)]
    else:
        layers = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
                  nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
                  nn.Linear(84, 10)]
    return nn.Sequential(*layers).eval().requires_grad_(False)


def save(torch, name, path):
    model = make(torch, name)
    if name == "lenet":
        torch.onnx.export(model, torch.zeros(1, 1, 28, 28), path, opset_version=13, input_names=["image"],
                          output_names=["logits"], dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}})
        return
    header, data = {"__metadata__": {"activation": "relu"}}, b""
    for key, value in model.state_dict().items():
        header[key] = {"dtype": "F32", "shape": list(value.shape),
                       "data_offsets": [len(data), len(data) + 4 * value.numel()]}
        data += value.numpy().astype("<f4").tobytes()
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


# ---------------------------------------------------------------------- PyTorch

def read(folder, name):
    import numpy as np
    path = os.path.join(folder, "mnist", name)
    with (open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz", "rb")) as file:
        data = file.read()
    shape = struct.unpack(">%dI" % data[3], data[4:4 + 4 * data[3]])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def measure(torch, model, images, labels, batch):
    """The means of accuracy, LI, DI and SI."""
    F = torch.nn.functional
    sums = [0.0] * 4
    for first in range(0, len(images), batch):
        x = images[first:first + batch].float().div_(255)[:, None]
        y, n = labels[first:first + batch], len(x)
        orbit = torch.cat([torch.rot90(x, k, (2, 3)) for k in range(4)]).requires_grad_()
        logits = model(orbit)
        predicted = logits[:n].argmax(1)
        saliency, = torch.autograd.grad(logits.gather(1, predicted.repeat(4)[:, None]).sum(), orbit)
        with torch.no_grad():
            logits, saliency = logits.view(4, n, -1), saliency.view(4, n, 1, 28, 28)
            sums[0] += (logits.argmax(2) == y).float().mean(0).sum().item()
            sums[1] += 0.5 * (logits[1:] - logits[0]).square().sum(2).mean(0).sum().item()
            log_p = logits.log_softmax(2)
            sums[2] += (log_p[0].exp() * (log_p[0] - log_p[1:])).sum(2).mean(0).sum().item()
            s = saliency[0].flatten(1)
            for k in (1, 2, 3):
                back = torch.rot90(saliency[k], -k, (2, 3)).flatten(1)
                sums[3] += F.cosine_similarity(back, s).sum().item() / 3
    return dict(zip(("accuracy", "li", "di", "si"), (value / len(images) for value in sums)))


def once(arguments):
    start = time.perf_counter()
    import torch
    torch.set_num_threads(arguments.threads)
    images = torch.from_numpy(read(arguments.data, "t10k-images-idx3-ubyte").copy())
    labels = torch.from_numpy(read(arguments.data, "t10k-labels-idx1-ubyte").copy()).long()
    model = make(torch, arguments.once)
    if arguments.save:
        return save(torch, arguments.once, arguments.save)
    before = time.perf_counter()
    metrics = measure(torch, model, images, labels, arguments.batch)
    end = time.perf_counter()
    json.dump({"metrics": metrics, "start": before - start, "work": end - before}, sys.stdout)


# ---------------------------------------------------------------------- the race

def timed(command, environment):
    start = time.perf_counter()
    out = race.run(command, environment)
    return time.perf_counter() - start, out


def run_torch(arguments, network, setting):
    (torch_threads, blas_threads), batch = setting
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OMP_NUM_THREADS")}
    environment["OPENBLAS_NUM_THREADS"] = str(blas_threads)
    seconds, out = timed([arguments.python, os.path.abspath(__file__), "--once", network, "--data", arguments.data,
                          "--threads", str(torch_threads), "--batch", str(batch)], environment)
    result = json.loads(out)
    return {"whole process": seconds, "without start-up": result["work"]}, result["metrics"]


def run_invar(arguments, model):
    command = [arguments.invar, "audit", model, "--data", arguments.data + "/mnist", "--group", "rotation:4",
               "--no-jacobians", "--json", "--worst", "0", "--quiet"]
    start, _ = timed(command + ["--images", str(FIRST)], None)
    whole, out = timed(command, None)
    found = json.loads(out)
    metrics = {name: number["value"] for name, number in found["models"][0]["metrics"].items()}
    share = found["images"] / (found["images"] - FIRST)
    return {"whole process": whole, "without start-up": (whole - start) * share}, metrics


def compare(ours, theirs):
    """Whether both found the same numbers, to what single precision allows."""
    for name, value in theirs.items():
        if abs(ours[name] - value) > 1e-3 * max(abs(value), 1e-2):
            raise SystemExit(f"audit.py: {name} is {ours[name]:.6g} in Invar and {value:.6g} in PyTorch")


def race_network(arguments, network, folder):
    model = os.path.join(folder, network + (".onnx" if network == "lenet" else ".safetensors"))
    race.run([arguments.python, "-W", "ignore", os.path.abspath(__file__), "--once", network, "--save", model,
              "--data", arguments.data], None)
    tried = subprocess.run([arguments.invar, "audit", model, "--data", arguments.data + "/mnist", "--images", "4",
                            "--quiet"], capture_output=True, text=True)
    if tried.returncode != 0:
        race.say(f"{network}: left out: {tried.stderr.strip()}")
        return None
    race.say(f"{network}: trying PyTorch's settings")
    trials = {(threads, BATCHES[0]): (run_torch(arguments, network, (threads, BATCHES[0]))[0], "s")
              for threads in race.settings(arguments.cpus, "torch")}
    for threads, _ in race.contenders(trials):
        for batch in BATCHES[1:]:
            trials[threads, batch] = run_torch(arguments, network, (threads, batch))[0], "s"
    kept = race.contenders(trials)
    ours, theirs = {}, {setting: {} for setting in kept}
    for number in range(arguments.rounds):
        race.say(f"{network}: round {number + 1} of {arguments.rounds}, {len(kept)} settings of PyTorch")
        times, found = run_invar(arguments, model)
        for name, value in times.items():
            ours.setdefault(name, []).append(value)
        for setting in kept:
            times, metrics = run_torch(arguments, network, setting)
            compare(found, metrics)
            for name, value in times.items():
                theirs[setting].setdefault(name, []).append(value)
    results = []
    for name in ours:
        best = min(kept, key=lambda setting: statistics.median(theirs[setting][name]))
        results.append({"network": network, "time": name, "invar": race.summary(ours[name]),
                        "torch": {**race.summary(theirs[best][name]), "torch_threads": best[0][0],
                                  "openblas_threads": best[0][1], "batch": best[1]},
                        "speedup": race.speedups(ours[name], theirs[best][name], False)})
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["perceptron", "lenet"], help="perceptron, lenet; both by default")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--invar", default=race.find_invar())
    parser.add_argument("--python", help="a Python with PyTorch and NumPy")
    parser.add_argument("--data", default=os.environ.get("INVAR_DATA_DIR", os.path.expanduser("~/.local/share/invar")),
                        help="data directory (default: $INVAR_DATA_DIR)")
    parser.add_argument("--json", help="write all times there")
    parser.add_argument("--once", help=argparse.SUPPRESS)  # PyTorch's part, in a process of its own
    parser.add_argument("--save", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=BATCHES[0], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        return once(arguments)
    if not arguments.invar:
        parser.error("no invar found: build it, or name it with --invar")
    arguments.python, about = race.find_python(arguments.python)
    if not arguments.python:
        parser.error("no Python with PyTorch and NumPy found, name one with --python")
    if race.slow_blas(about["libraries"]):
        parser.error(f"PyTorch's BLAS is the reference implementation ({race.slow_blas(about['libraries'])}), which "
                     "makes no race: install a fast one (Debian: apt install libopenblas0-pthread)")
    arguments.cpus = len(os.sched_getaffinity(0))
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for network in arguments.networks:
            results += race_network(arguments, network, folder) or []
    print(f"{'network':<12}{'time':<18}{'Invar (s)':>10}{'PyTorch (s)':>13}   times as fast   PyTorch's best")
    for r in results:
        t = r["torch"]
        print(f"{r['network']:<12}{r['time']:<18}{r['invar']['median']:10.3f}{t['median']:13.3f}   "
              f"{r['speedup']['ratio']:.2f} [{r['speedup']['low']:.2f}, {r['speedup']['high']:.2f}]"
              f"   {t['torch_threads']} threads, OpenBLAS {t['openblas_threads']}, batches of {t['batch']}")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"machine": platform.processor(), "cpus": arguments.cpus, "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
