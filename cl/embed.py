"""Write the OpenCL kernel files as one C file of strings: embed.py OUTPUT SELF FILE.cl...

A line `#include "name.cl"` is replaced by that file's text (once per kernel file). The string is split
into lines so that the generated C stays readable and within every compiler's literal limits.
"""
import os
import re
import sys

output, files = sys.argv[1], sys.argv[3:]
texts = {os.path.basename(f): open(f, encoding="utf-8").read() for f in files}


def resolve(name, seen):
    lines = []
    for line in texts[name].splitlines():
        match = re.match(r'\s*#include "([^"]+)"', line)
        if not match:
            lines.append(line)
        elif match.group(1) not in seen:
            seen.add(match.group(1))
            lines += resolve(match.group(1), seen)
    return lines


def literal(line):
    return '"' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


with open(output, "w", encoding="utf-8") as out:
    out.write("/* Made by cl/embed.py from cl/. */\n#include \"runtime/kernels.h\"\n\n")
    for name in sorted(texts):
        stem = name[: -len(".cl")]
        out.write("static const char *const lines_%s[] = {\n" % stem)
        for line in resolve(name, {name}):
            out.write("    " + literal(line) + ",\n")
        out.write("    NULL,\n};\n\n")
    out.write("const iv_embedded_kernel iv_embedded_kernels[] = {\n")
    for name in sorted(texts):
        stem = name[: -len(".cl")]
        out.write('    {"%s", lines_%s},\n' % (stem, stem))
    out.write("    {NULL, NULL},\n};\n")
