"""Kernels are OpenCL C 1.2 and nothing else: kernels.py CLANG SOURCES MADE PROGRAMS

SOURCES and MADE hold the kernel files (cl/ and the build's), PROGRAMS what a few trainings built, as
disguise.c notes it: one file a program, its options in the first line. Each is compiled for the default
target and for spir64 with warnings as errors. Kernel files that no training built are compiled with the
options below.
"""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

clang, sources, made, programs = sys.argv[1:]

# What trainings of a few steps do not build.
STRIDED = "-DVW=8 -DAXES=%d -DSTEP_0=%d -DSTEP_1=%d -DSTEP_2=1"
SVD = "-DPACK=1 -DMAX_SWEEPS=30 -DNEGLIGIBLE=1e-30f "
OTHERS = {
    "axes.cl": ["", "-DVW=8"],
    "bench.cl": ["-DVW=8 -DCHAINS=8", "-DVW=1 -DCHAINS=8 -DFUSED"],
    "blur.cl": ["-DHEIGHT=28 -DWIDTH=28 -DRADIUS=3", "-DHEIGHT=28 -DWIDTH=28 -DRADIUS=3 -DROWS"],
    "binary.cl": [STRIDED % (1 + kind % 4, kind % 3, (kind + 1) % 3) + " -DKIND=%d%s" % (kind, side)
                  for kind in range(7) for side in ("", " -DSIDE=0", " -DSIDE=1")],
    "convolve.cl": ["-DSIZE_Y=3 -DSIZE_X=3", "-DSIZE_Y=3 -DSIZE_X=3 -DBIAS -DACTIVATION=1",
                    "-DSIZE_Y=1 -DSIZE_X=1 -DGATE=2", "-DSIZE_Y=1 -DSIZE_X=1 -DVW=1 -DBIAS -DACTIVATION=2",
                    "-DSIZE_Y=1 -DSIZE_X=1 -DVW=16 -DBIAS"],
    "convolve_direct.cl": ["-DMR=6 -DNV=4 -DVW=16 -DTILES=8 -DBIAS -DACTIVATION=1", "-DMR=8 -DNV=2 -DVW=8 -DTILES=8",
                           "-DMR=8 -DNV=1 -DVW=16 -DTILES=8 -DSTEP=1 -DBIAS", "-DMR=4 -DNV=1 -DVW=1 -DTILES=1 -DSTEP=2",
                           "-DMR=8 -DNV=1 -DVW=8 -DTILES=8 -DSTEP=2 -DGATE=1"],
    "epilogue.cl": ["-DBIAS -DACTIVATION=2", "-DGATE=1", "-DACCUMULATE -DSCALE"],
    "gemm_lists.cl": ["-DMR=8 -DNV=2 -DVW=16"],
    "moves.cl": ["-DVW=8 -DAXES=4", "-DVW=8 -DAXES=1"],
    "natural.cl": [""],
    "points.cl": [""],
    "pool.cl": ["-DSIZE_Y=2 -DSIZE_X=2", "-DSIZE_Y=3 -DSIZE_X=3 -DCOUNT_PADDING", "-DSIZE_Y=2 -DSIZE_X=2 -DVW=16 -DSTEP=1",
                "-DSIZE_Y=3 -DSIZE_X=3 -DVW=16 -DSTEP=2", "-DSIZE_Y=2 -DSIZE_X=2 -DVW=4 -DSTEP=3 -DCOUNT_PADDING"],
    "row_variances.cl": [""],
    "sampled_loss.cl": [""],
    "selftest.cl": [""],
    "strided.cl": [STRIDED % (axes, step, 1) for axes in range(1, 5) for step in range(3)],
    "svd_vectors.cl": [SVD + "-DVEC=16 -DWANTED_TEAM=1 -DWANTED_GROUP=1",
                       SVD + "-DVEC=1 -DWANTED_TEAM=32 -DWANTED_GROUP=256"],
    "unary.cl": ["-DVW=8 -DFUNCTION=%d%s" % (function, gradient)
                 for function in (1, 2, *range(6, 16)) for gradient in ("", " -DGRADIENT")
                 if (function, gradient) != (10, " -DGRADIENT")],  # of a negation: another one
}

# Files hold what several kernels need, and not each of them. INVAR_BUILTIN_PREFETCH is for PoCL alone.
OPTIONS = ["-x", "cl", "-Xclang", "-finclude-default-header", "-Wall", "-Werror", "-Wno-unused-function",
           "-fsyntax-only"]
UNWANTED = {"-w", "-DINVAR_BUILTIN_PREFETCH"}
TARGETS = [[], ["-target", "spir64"]]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def kernels_of(text):
    return set(re.findall(r"__kernel(?:\s+__attribute__\(\(.*?\)\))?\s+void\s+(\w+)\s*\(", text))


def with_includes(name, seen):
    """A kernel file as cl/embed.py embeds it: every other one once."""
    path = os.path.join(sources, name)
    lines = []
    for line in read(path if os.path.exists(path) else os.path.join(made, name)).splitlines():
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            lines.append(line)
        elif match.group(1) not in seen:
            seen.add(match.group(1))
            lines.append(with_includes(match.group(1), seen))
    return "\n".join(lines) + "\n"


def compile_one(what, options, text):
    """What the compiler says, or nothing."""
    wanted = [option for option in options.split() if option not in UNWANTED]
    for target in TARGETS:
        run = subprocess.run([clang, *target, *OPTIONS, *wanted, "-"], input=text, text=True,
                             capture_output=True)
        if run.returncode != 0:
            return "%s %s %s:\n%s" % (what, " ".join(target), options, run.stderr)
    return ""


jobs, seen = [], set()
for name in sorted(os.listdir(programs)):
    first, text = read(os.path.join(programs, name)).split("\n", 1)
    jobs.append((name, first[3:], text))
    seen |= kernels_of(text)
for name in sorted(name for name in os.listdir(sources) if name.endswith(".cl")):
    kernels = kernels_of(read(os.path.join(sources, name)))
    for options in OTHERS.get(name, []):
        jobs.append((name, "-cl-std=CL1.2 " + options, with_includes(name, {name})))
    if name not in OTHERS and kernels and not kernels & seen:
        sys.exit("cl/%s: no training of the test builds it; give it a line in OTHERS" % name)

with ThreadPoolExecutor(os.cpu_count()) as pool:
    wrong = [said for said in pool.map(lambda job: compile_one(*job), jobs) if said]
print("%d programs for %d targets" % (len(jobs), len(TARGETS)))
sys.exit("\n".join(wrong[:3]) if wrong else 0)
