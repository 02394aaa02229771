"""Write the OpenCL kernel files as one C file of strings: embed.py OUTPUT SELF FILE.cl...

A line `#include "name.cl"` is replaced by that file's text (once per kernel file), between #line
directives, so that a compiler's message names the file and line that a person would edit. The text is
split into lines so that the generated C stays readable and within every compiler's literal limits.
"""
import os
import re
import sys

output, files = sys.argv[1], sys.argv[3:]
texts = {os.path.basename(f): open(f, encoding="utf-8").read() for f in files}


def resolve(name, seen):
    lines = []
    for number, line in enumerate(texts[name].splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            lines.append(line)
            continue
        included = match.group(1)
        if included not in texts:
            sys.exit("cl/%s:%d: %s is not among the kernel files of cl/meson.build"
                     % (name, number, included))
        if included not in seen:
            seen.add(included)
            lines.append('#line 1 "%s"' % included)
            lines += resolve(included, seen)
        lines.append('#line %d "%s"' % (number + 1, name))
    return lines


def literal(line):
    # A question mark is escaped because C11 would read two of them as the start of a trigraph.
    for character in '\\"?':
        line = line.replace(character, "\\" + character)
    return '"' + line + '\\n"'


with open(output, "w", encoding="utf-8") as out:
    out.write("/* Made by cl/embed.py from cl/. */\n#include \"runtime/kernels.h\"\n\n")
    for name in sorted(texts):
        stem = name[: -len(".cl")]
        out.write("static const char *const lines_%s[] = {\n" % stem)
        for line in ['#line 1 "%s"' % name] + resolve(name, {name}):
            out.write("    " + literal(line) + ",\n")
        out.write("    NULL,\n};\n\n")
    out.write("const iv_embedded_kernel iv_embedded_kernels[] = {\n")
    for name in sorted(texts):
        stem = name[: -len(".cl")]
        out.write('    {"%s", lines_%s},\n' % (stem, stem))
    out.write("    {NULL, NULL},\n};\n")
