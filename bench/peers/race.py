#!/usr/bin/env python3
"""Invar against PyTorch and OpenBLAS on this machine, in one command.

Groups: step, autoencoder and marginal-likelihood (training steps of the three studies), jacobian
(Jacobians of 1024 inputs and their singular values), gemm (matrix products); all by default. Runs of
Invar and of the peer alternate, so that whatever else the machine does meets both. The peer gets its best
settings: each number of PyTorch and OpenBLAS threads is tried first, those within 15% of the fastest stay
in the race, and the best median counts. Where PyTorch has CUDA it also runs there, without TF32.

A ratio above 1 says how many times as fast Invar is; the interval is the quartiles of the ratios of
single rounds. Needs a Python with PyTorch and NumPy; takes the one that runs this, else /usr/bin/python3
(Debian: apt install python3-torch python3-numpy libopenblas0-pthread), or what --python names.
"""
import argparse
import glob
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GEMMS = [f"gemm/{name}" for name in (
    "512x128x784-nt", "512x128x784-nt-x8", "128x784x512-tn", "128x784x512-tn-x8",
    "512x784x128-nn", "512x784x128-nn-x8", "512x128x128-nt", "512x128x128-nt-x8",
    "512x10x128-nt", "512x10x128-nt-x8", "2048x128x784-nt", "128x784x2048-tn",
    "1024x128x784-nt", "128x784x1024-tn",
    "128x80x80-nt", "128x80x80-nt-x4", "128x80x80-nt-x16", "128x80x80-nt-x64",
    "4096x1024x784-nn", "4096x1024x784-nt", "4096x1024x784-tn", "4096x1024x784-tt",
    "1024x784x4096-nn", "1024x784x4096-nt", "1024x784x4096-tn", "1024x784x4096-tt")]

# What to ask of `invar bench`, the peer's script and its arguments, and whether PyTorch's threads matter.
GROUPS = {
    "step": (["step/regularization-rotation-4"], "regularization_step.py", [], True),
    "autoencoder": (["step/autoencoder"], "autoencoder_step.py", [], True),
    "marginal-likelihood": (["step/marginal-likelihood-relu", "step/marginal-likelihood-rff"],
                            "marginal_likelihood_step.py", [], True),
    "jacobian": (["jacobian", "svd/10x784-x1024", "svd/weights"], "jacobian_svd.py", [], True),
    "gemm": (GEMMS, "gemm.py", GEMMS, False),
}


def peer_item(name):
    """The peer's name of an item: it trains one member at a time, whatever the population."""
    return name.rsplit("-x", 1)[0] if name.startswith("step/") else name


# ---------------------------------------------------------------------- statistics

def quantile(values, q):
    """By linear interpolation, as `invar bench` does."""
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def summary(values):
    median = statistics.median(values)
    spread = (quantile(values, 0.75) - quantile(values, 0.25)) / median if median > 0 else 0.0
    return {"median": median, "spread": spread, "samples": values}


def speedups(ours, theirs, higher_is_better):
    """How many times as fast ours is: of the medians, and the quartiles over rounds."""
    pairs = list(zip(ours, theirs)) if higher_is_better else list(zip(theirs, ours))
    of_medians = statistics.median(p[0] for p in pairs) / statistics.median(p[1] for p in pairs)
    single = [a / b for a, b in pairs]
    return {"ratio": of_medians, "low": quantile(single, 0.25), "high": quantile(single, 0.75)}


# ---------------------------------------------------------------------- settings of the peer

def thread_counts(cpus):
    """1, 2, 4, ... and all of them."""
    counts = [1]
    while counts[-1] * 2 < cpus:
        counts.append(counts[-1] * 2)
    return counts + ([cpus] if cpus > 1 else [])


def settings(cpus, uses_torch):
    """(PyTorch's threads, OpenBLAS's threads): every pair on small machines, else equal or one alone."""
    counts = thread_counts(cpus)
    if not uses_torch:
        return [(1, blas) for blas in counts]
    pairs = [(torch, blas) for torch in counts for blas in counts]
    return pairs if cpus <= 4 else [p for p in pairs if p[0] == p[1] or 1 in p]




def contenders(results, tolerance=0.15):
    """Settings whose items come near the fastest of all, in at least one item."""
    kept = []
    for setting, (items, unit) in results.items():
        for name, value in items.items():
            others = [other[name] for other, _ in results.values()]
            near = value >= max(others) * (1 - tolerance) if unit == "GFLOP/s" \
                else value <= min(others) * (1 + tolerance)
            if near:
                kept.append(setting)
                break
    return kept


# ---------------------------------------------------------------------- running

def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, environment):
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"race.py: {' '.join(command[:3])} ... failed ({result.returncode}):\n"
                         f"{result.stderr.strip()}")
    return result.stdout


def run_invar(arguments, names):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bench.json")
        command = [arguments.invar, "bench", *names, "--time", str(arguments.time), "--json", path]
        if arguments.device:
            command += ["--device", arguments.device]
        run(command, None)
        with open(path) as file:
            device = json.load(file)["devices"][0]
    return device["name"], {item["name"]: item for item in device["items"]}


def run_peer(arguments, script, extra, setting, device="cpu"):
    torch_threads, blas_threads = setting
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OMP_NUM_THREADS")}
    environment["OPENBLAS_NUM_THREADS"] = str(blas_threads)
    out = run([arguments.python, os.path.join(HERE, script), "--threads", str(torch_threads),
               "--device", device, "--time", str(arguments.time), *extra], environment)
    result = json.loads(out.splitlines()[-1])
    return result["items"], result["unit"]


def race_group(arguments, group, cuda):
    names, script, extra, uses_torch = GROUPS[group]
    say(f"{group}: trying the peer's settings")
    tried = {s: run_peer(arguments, script, extra, s)
             for s in settings(arguments.cpus, uses_torch)}
    kept = contenders(tried)
    say(f"{group}: in the race: " + ", ".join(f"torch {t} blas {b} threads" for t, b in kept))

    ours, theirs, on_cuda, about = {}, {s: {} for s in kept}, {}, {}
    for number in range(arguments.rounds):
        say(f"{group}: round {number + 1} of {arguments.rounds}")
        device, items = run_invar(arguments, names)
        for name, item in items.items():
            about[name] = item
            ours.setdefault(name, []).append(item["value"])
        for setting in kept:
            for name, value in run_peer(arguments, script, extra, setting)[0].items():
                theirs[setting].setdefault(name, []).append(value)
        if cuda:
            values, _ = run_peer(arguments, script, extra, (arguments.cpus, 1), "cuda")
            for name, value in values.items():
                on_cuda.setdefault(name, []).append(value)
    return device, [judge(name, about[name], ours[name], theirs, on_cuda) for name in ours
                    if any(peer_item(name) in values for values in theirs.values())]


def judge(name, item, ours, theirs, on_cuda):
    """One item: ours, the peer's best setting, and the peer on CUDA."""
    higher = item["better"] == "higher"
    unit, peer_name = item["unit"], peer_item(name)
    choose = max if higher else min
    setting = choose((s for s in theirs if peer_name in theirs[s]),
                     key=lambda s: statistics.median(theirs[s][peer_name]))
    result = {"name": name, "unit": unit, "better": item["better"], "invar": summary(ours),
              "peer": {**summary(theirs[setting][peer_name]),
                       "torch_threads": setting[0], "openblas_threads": setting[1]},
              "speedup": speedups(ours, theirs[setting][peer_name], higher)}
    if peer_name in on_cuda:
        result["cuda"] = summary(on_cuda[peer_name])
        result["speedup_cuda"] = speedups(ours, on_cuda[peer_name], higher)
    return result


# ---------------------------------------------------------------------- results

def cell(measurement):
    return f"{measurement['median']:10.4g} {100 * measurement['spread']:4.0f}%" \
        if measurement else f"{'-':>16}"


def interval(speedup):
    return f"{speedup['ratio']:6.2f} [{speedup['low']:.2f}, {speedup['high']:.2f}]" \
        if speedup else ""


def table(items):
    cuda = any("cuda" in item for item in items)
    lines = [f"{'item':<44}{'unit':<11}{'invar':>11} {'+-':>4} {'peer':>10} {'+-':>4}  "
             f"{'times as fast':<22}" + (f"{'cuda':>10} {'+-':>4}  times as fast" if cuda else "")]
    for item in items:
        lines.append(f"{item['name']:<44}{item['unit']:<10} {cell(item['invar'])} "
                     f"{cell(item['peer'])}  {interval(item['speedup']):<22}" +
                     (f"{cell(item.get('cuda'))}  {interval(item.get('speedup_cuda'))}"
                      if cuda else ""))
    return "\n".join(line.rstrip() for line in lines)


# ---------------------------------------------------------------------- finding programs

def find_invar():
    root = os.path.dirname(os.path.dirname(HERE))
    built = [path for path in glob.glob(os.path.join(root, "build*/src/cli/invar"))
             if os.access(path, os.X_OK) and "build-asan" not in path]
    return max(built, key=os.path.getmtime) if built else shutil.which("invar")


# What a Python can do: run by it, printed as JSON. The BLAS shows among the libraries it has mapped.
PROBE = """
import json, numpy, torch
a = numpy.ones((8, 8), 'f')
a @ a
try:
    with open('/proc/self/maps') as maps:
        mapped = {line.split()[-1] for line in maps if '/' in line}
except OSError:
    mapped = ()
print(json.dumps({'numpy': numpy.__version__, 'torch': torch.__version__,
                  'cuda': torch.cuda.get_device_name() if torch.cuda.is_available() else None,
                  'libraries': sorted(mapped)}))
"""


def find_python(named):
    """A Python with PyTorch and NumPy, and what the probe says of it; or (None, None)."""
    for program in [named] if named else [sys.executable, "/usr/bin/python3", "python3"]:
        try:
            result = subprocess.run([program, "-c", PROBE], capture_output=True, text=True)
        except OSError:
            continue
        if result.returncode == 0:
            return program, json.loads(result.stdout.splitlines()[-1])
    return None, None


def slow_blas(libraries):
    """The reference BLAS among mapped libraries, if nothing faster is there: some hundred times slower
    than what anyone would use. A BLAS inside PyTorch or NumPy does not show, and is a fast one."""
    ends = ["/".join(path.split("/")[-2:]).lower() for path in libraries]
    if any(fast in end for end in ends for fast in ("openblas", "mkl", "blis", "atlas")):
        return None
    return next((path for path, end in zip(libraries, ends) if "/libblas.so" in end), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--invar", default=find_invar(), help="the program to race")
    parser.add_argument("--python", help="a Python with PyTorch and NumPy")
    parser.add_argument("--device", help="as in `invar bench --device`")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--time", type=float, default=1.0, help="seconds an item, in every round")
    parser.add_argument("--json", help="keep the results in this file")
    parser.add_argument("--any-blas", action="store_true", help="race a reference BLAS too")
    parser.add_argument("--no-cuda", action="store_true", help="leave CUDA out")
    arguments = parser.parse_args()
    for group in arguments.groups:
        if group not in GROUPS:
            parser.error(f"there is no group {group}; the groups are {', '.join(GROUPS)}")
    if arguments.rounds < 1 or not arguments.time > 0:
        parser.error("--rounds and --time have to be above 0")
    if not arguments.invar:
        parser.error("no invar found: build it, or name it with --invar")
    arguments.python, about = find_python(arguments.python)
    if not arguments.python:
        parser.error("no Python with PyTorch and NumPy found (Debian: apt install python3-torch "
                     "python3-numpy; or --python PROGRAM)")
    if slow_blas(about["libraries"]) and not arguments.any_blas:
        parser.error(f"the peer's BLAS is the reference implementation "
                     f"({slow_blas(about['libraries'])}), which makes no race: install a fast one "
                     f"(Debian: apt install libopenblas0-pthread), or insist with --any-blas")
    cuda = about["cuda"] and not arguments.no_cuda
    arguments.cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") \
        else os.cpu_count() or 1

    items, device = [], None
    for group in arguments.groups or GROUPS:
        device, of_group = race_group(arguments, group, cuda)
        items += of_group
    print(f"Invar on {device}; PyTorch {about['torch']} on {arguments.cpus} CPUs"
          f"{' and ' + about['cuda'] if cuda else ''}; {arguments.rounds} rounds\n")
    print(table(items))
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"host": platform.node(), "system": platform.platform(), "device": device,
                       "numpy": about["numpy"], "torch": about["torch"], "cuda": about["cuda"],
                       "cpus": arguments.cpus, "rounds": arguments.rounds,
                       "seconds": arguments.time, "items": items}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
