#!/usr/bin/env python3
"""Invar against PyTorch, JAX and OpenBLAS on this machine, in one command.

Groups: step, autoencoder and marginal-likelihood (training steps of the three studies), natural (one of natural
gradients, in JAX alone), jacobian (Jacobians of 1024 inputs and their singular values), gemm (matrix products);
all by default. Runs of Invar and of its peers alternate, so that whatever else the machine does meets all. A peer
gets its best settings: each number of threads is tried first, those within 15% of the fastest stay in the race, and
the best median counts; of JAX, which trains networks alone or eight in lockstep, the better of both for each
member. Where PyTorch has CUDA it also runs there, without TF32.

A ratio above 1 says how many times as fast Invar is; the interval is the quartiles of the ratios of
single rounds. Needs a Python with PyTorch and NumPy; takes the one that runs this, else /usr/bin/python3
(Debian: apt install python3-torch python3-numpy libopenblas0-pthread), or what --python names. JAX joins where a Python
has it: the one that runs this, or what --jax names (python3 -m venv V; V/bin/pip install jax).
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

# The peers: whose threads can be set, and how. torch: PyTorch's and OpenBLAS's; blas: OpenBLAS's; jax: all or one.
PYTORCH, OPENBLAS, JAX = "PyTorch", "OpenBLAS", "JAX"
THREADS = {PYTORCH: "torch", OPENBLAS: "blas", JAX: "jax"}

# What to ask of `invar bench`, and each peer's script and its arguments.
GROUPS = {
    "step": (["step/regularization-rotation-4"],
             {PYTORCH: ("regularization_step.py", []), JAX: ("jax_steps.py", ["regularization"])}),
    "autoencoder": (["step/autoencoder"],
                    {PYTORCH: ("autoencoder_step.py", []), JAX: ("jax_steps.py", ["autoencoder"])}),
    "marginal-likelihood": (["step/marginal-likelihood-relu", "step/marginal-likelihood-rff"],
                            {PYTORCH: ("marginal_likelihood_step.py", []), JAX: ("jax_steps.py", ["marginal-likelihood"])}),
    "natural": (["step/marginal-likelihood-natural"], {JAX: ("natural_step.py", [])}),
    "jacobian": (["jacobian", "svd/10x784-x1024", "svd/weights"],
                 {PYTORCH: ("jacobian_svd.py", []), JAX: ("jax_steps.py", ["jacobian"])}),
    "gemm": (GEMMS, {OPENBLAS: ("gemm.py", GEMMS)}),
}


def peer_items(name):
    """What a peer may have for an item: for a member of a training, one alone or of eight in lockstep."""
    if not name.startswith("step/"):
        return [name]
    alone = name.rsplit("-x", 1)[0]
    return [alone, alone + "-x8"]


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


def settings(cpus, threads):
    """(the peer's threads, OpenBLAS's): every pair on small machines, else equal or one alone; of JAX, one or all."""
    assert threads in THREADS.values(), threads
    counts = thread_counts(cpus)
    if threads == "blas":
        return [(1, blas) for blas in counts]
    if threads == "jax":
        return [(count, 1) for count in ([1, cpus] if cpus > 1 else [1])]
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


def run_peer(arguments, peer, script, extra, setting, device="cpu"):
    threads, blas_threads = setting
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OMP_NUM_THREADS", "XLA_FLAGS")}
    environment["OPENBLAS_NUM_THREADS"] = str(blas_threads)
    out = run([arguments.jax if peer == JAX else arguments.python, os.path.join(HERE, script), *extra,
               "--threads", str(threads), "--device", device, "--time", str(arguments.time)], environment)
    result = json.loads(out.splitlines()[-1])
    return result["items"], result["unit"]


def race_group(arguments, group, cuda):
    names, peers = GROUPS[group]
    kept = {}  # (peer, setting) -> script and arguments
    for peer, what in peers.items():
        if peer == JAX and not arguments.jax:
            continue
        say(f"{group}: trying the settings of {peer}")
        tried = {s: run_peer(arguments, peer, *what, s) for s in settings(arguments.cpus, THREADS[peer])}
        for setting in contenders(tried):
            kept[peer, setting] = what
    say(f"{group}: in the race: " + ", ".join(f"{peer} {t} blas {b} threads" for peer, (t, b) in kept))

    ours, theirs, on_cuda, about = {}, {k: {} for k in kept}, {}, {}
    for number in range(arguments.rounds if kept else 0):
        say(f"{group}: round {number + 1} of {arguments.rounds}")
        device, items = run_invar(arguments, names)
        arguments.on = device
        for name, item in items.items():
            about[name] = item
            ours.setdefault(name, []).append(item["value"])
        for (peer, setting), what in kept.items():
            for name, value in run_peer(arguments, peer, *what, setting)[0].items():
                theirs[peer, setting].setdefault(name, []).append(value)
        if cuda and PYTORCH in peers:
            values, _ = run_peer(arguments, PYTORCH, *peers[PYTORCH], (arguments.cpus, 1), "cuda")
            for name, value in values.items():
                on_cuda.setdefault(name, []).append(value)
    return [judge(name, about[name], ours[name], theirs, on_cuda) for name in ours
            if any(item in values for values in theirs.values() for item in peer_items(name))]


def judge(name, item, ours, theirs, on_cuda):
    """One item: ours, the best setting and form of each peer, and the peer on CUDA."""
    higher = item["better"] == "higher"
    result = {"name": name, "unit": item["unit"], "better": item["better"], "invar": summary(ours), "peers": {}}
    for (peer, (threads, blas_threads)), values in theirs.items():
        for form in peer_items(name):
            if form not in values:
                continue
            this = {**summary(values[form]), "item": form, "threads": threads, "openblas_threads": blas_threads,
                    "speedup": speedups(ours, values[form], higher)}
            best = result["peers"].get(peer)
            if not best or this["speedup"]["ratio"] < best["speedup"]["ratio"]:
                result["peers"][peer] = this
    result["best"] = min(result["peers"], key=lambda peer: result["peers"][peer]["speedup"]["ratio"])
    result["speedup"] = result["peers"][result["best"]]["speedup"]
    if peer_items(name)[0] in on_cuda:
        result["cuda"] = summary(on_cuda[peer_items(name)[0]])
        result["speedup_cuda"] = speedups(ours, on_cuda[peer_items(name)[0]], higher)
    return result


# ---------------------------------------------------------------------- results

def cell(measurement):
    return f"{measurement['median']:10.4g} {100 * measurement['spread']:4.0f}%" \
        if measurement else f"{'-':>16}"


def interval(speedup):
    return f"{speedup['ratio']:6.2f} [{speedup['low']:.2f}, {speedup['high']:.2f}]" \
        if speedup else ""


def table(items):
    peers = list(dict.fromkeys(peer for item in items for peer in item["peers"]))
    cuda = any("cuda" in item for item in items)
    lines = [f"{'item':<44}{'unit':<11}{'invar':>11} {'+-':>4}" + "".join(f"{p:>12} {'+-':>4}" for p in peers) +
             f"  {'times as fast as the best':<27}" + (f"{'cuda':>10} {'+-':>4}  times as fast" if cuda else "")]
    for item in items:
        lines.append(f"{item['name']:<44}{item['unit']:<10} {cell(item['invar'])}" +
                     "".join(f" {cell(item['peers'].get(p))}" for p in peers) + f"  {interval(item['speedup']):<27}" +
                     (f"{cell(item.get('cuda'))}  {interval(item.get('speedup_cuda'))}" if cuda else ""))
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


def find_jax(named):
    """A Python with JAX and its version; or (None, None)."""
    for program in [named] if named else [sys.executable, "python3"]:
        try:
            result = subprocess.run([program, "-c", "import jax; print(jax.__version__)"], capture_output=True, text=True)
        except OSError:
            continue
        if result.returncode == 0:
            return program, result.stdout.strip()
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
    parser.add_argument("--jax", help="a Python with JAX")
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
    asked = arguments.jax
    arguments.jax, jax = find_jax(asked)
    if asked and not jax:
        parser.error(f"{asked} has no JAX")
    if not jax:
        say("no Python with JAX found (--jax PROGRAM): the race is without it")
    cuda = about["cuda"] and not arguments.no_cuda
    arguments.cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") \
        else os.cpu_count() or 1

    items, arguments.on = [], None
    for group in arguments.groups or GROUPS:
        items += race_group(arguments, group, cuda)
    if not items:
        parser.error("nothing was raced: the group's peer is not there")
    print(f"Invar on {arguments.on}; PyTorch {about['torch']}{', JAX ' + jax if jax else ''} on {arguments.cpus} CPUs"
          f"{' and ' + about['cuda'] if cuda else ''}; {arguments.rounds} rounds\n")
    print(table(items))
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"host": platform.node(), "system": platform.platform(), "device": arguments.on,
                       "numpy": about["numpy"], "torch": about["torch"], "jax": jax, "cuda": about["cuda"],
                       "cpus": arguments.cpus, "rounds": arguments.rounds,
                       "seconds": arguments.time, "items": items}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
