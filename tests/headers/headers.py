"""Public headers as other people's compilers see them, as TAP: headers.py INCLUDE_FOLDER CC [--cxx CXX] -- FLAG...

Each header compiles on its own as C11 and as C++17; invar.h needs OpenCL's headers alone; and a tier of invar.h
needs those above it and none below.
"""
import argparse
import os
import re
import subprocess
import sys

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--cc", required=True)
parser.add_argument("--cxx", default="")
parser.add_argument("flags", nargs="*")
options = parser.parse_args()
folder = os.path.join(options.folder, "invar")
names = sorted(n for n in os.listdir(folder) if n.endswith(".h"))

strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-"]
c = options.cc.split(";") + ["-x", "c", "-std=c11", "-I", options.folder] + options.flags
cxx = options.cxx.split(";") + ["-x", "c++", "-std=c++17", "-I", options.folder] + options.flags


def run(command, text):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


results = []


def report(good, claim, details=""):
    results.append(good)
    print("%s %d - %s" % ("ok" if good else "not ok", len(results), claim))
    if not good:
        print("\n".join("# " + line for line in details.splitlines()[:20]))


def needs(name):
    """The public headers, and all others, that a header includes, itself among them."""
    status, out, err = run(c + ["-M", "-"], "#include <invar/%s>\n" % name)
    if status:
        sys.exit(err)
    paths = [p for p in re.split(r"[\s\\]+", out) if p.endswith((".h", ".hpp"))]
    own = {os.path.basename(p) for p in paths if os.path.dirname(p).endswith("invar")}
    return own, [p for p in paths if "Random123" in p]


for name in names:
    text = "#include <invar/%s>\n#include <invar/%s>\nextern int none;\n" % (name, name)
    status, _, err = run(c + strict, text)
    report(status == 0, "%s_compiles_alone_as_c" % name[:-2], err)
    if options.cxx:
        # An inline function of a header is not used here; that is no mistake of it.
        status, _, err = run(cxx + ["-Wno-unused-function"] + strict, text)
        report(status == 0, "%s_compiles_alone_as_cpp" % name[:-2], err)

# Of a function and of a pointer to one; `(void)` says that it does not matter.
ignoring = "#include <invar/status.h>\nextern iv_status f(void);\nextern void g(iv_status (*p)(void));\n" \
           "void g(iv_status (*p)(void)) { (void)p; %s; }\n"
heeds = re.search(r"#define IV_MUST_USE \S", run(c + ["-dM", "-E", "-"], "#include <invar/status.h>\n")[1])
for name, call, good in [("function", "f()", False), ("pointer", "p()", False), ("cast", "(void)f()", True)]:
    for language, command in [("c", c), ("cpp", cxx if options.cxx else None)]:
        if command and (heeds or good):
            status, _, err = run(command + strict, ignoring % call)
            report((status == 0) == good, "ignoring_a_status_of_a_%s_is_%s_in_%s"
                   % (name, "accepted" if good else "refused", language), err)

own, random123 = needs("invar.h")
report(not random123, "the_umbrella_needs_no_random123", "\n".join(random123))
left_out = set(names) - own
report(left_out == {"random.h"}, "the_umbrella_has_all_headers_but_random", " ".join(sorted(left_out)))

umbrella = open(os.path.join(folder, "invar.h"), encoding="utf-8").read().split("#define INVAR_INVAR_H")[1]
tiers = [re.findall(r"<invar/(\w+\.h)>", part) for part in re.split(r"/\* \w+ \*/", umbrella)[1:]]
above = set()
for number, tier in enumerate(tiers):
    above |= set(tier) | ({"random.h", "stream.h"} if number == 1 else set())
    below = {n: sorted(needs(n)[0] - above) for n in tier}
    wrong = {n: others for n, others in below.items() if others}
    report(not wrong, "tier_%d_needs_none_below" % (number + 1), str(wrong))

print("1..%d" % len(results))
sys.exit(0 if all(results) else 1)
