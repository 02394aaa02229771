"""What tools/rooms.py finds in small trees that break one rule each.

usage: test_rooms.py FOLDER-OF-TOOLS
"""
import os
import sys
import tempfile

sys.dont_write_bytecode = True  # the folder belongs to the sources
sys.path.insert(0, sys.argv[1])
import rooms  # noqa: E402
import tap  # noqa: E402

MESON = """rooms = {
  'base': {
    'needs': [],
    'shares': 'shared',
    'files': '''
      base'''},
  'middle': {
    'needs': ['base'],
    'files': '''
      middle'''},
  'side': {
    'needs': ['base'],
    'files': '''
      side'''},
  'studies': {
    'needs': ['middle'],
    'files': '''
      heart/study'''},
}
"""

GOOD = {
    "src/meson.build": MESON,
    "docs/architecture.md": "# Rooms\n\n    base < middle, side < studies < cli\n",
    "include/invar/base.h": "int base_size(void);\n",
    "include/invar/middle.h": "#include <invar/base.h>\nint middle_size(void);\n",
    "include/invar/invar.h": "#include <invar/base.h>\n#include <invar/middle.h>\n",
    "src/base/base.c": '#include "base/own.h"\n\nint base_size(void) {\n    return 1;\n}\n',
    "src/base/own.h": "",
    "src/base/shared.h": "",
    "src/middle/middle.c": '#include <invar/middle.h>\n#include "base/shared.h"\n\n'
                           "int middle_size(void) {\n    return 2; /* of a heart */\n}\n",
    "src/side/side.c": "#include <invar/base.h>\n#include <stdio.h>\n",
    "src/studies/heart/study.c": "#include <invar/base.h>\n#include <invar/middle.h>\n",
    "src/cli/main.c": '#include <invar/invar.h>\n#include "base/shared.h"\n',
}


def problems(**changes):
    """What is wrong with the good tree after changes: KEY is one of the paths, in short."""
    with tempfile.TemporaryDirectory() as root:
        files = dict(GOOD)
        for path, text in changes.items():
            files[{"meson": "src/meson.build", "drawing": "docs/architecture.md",
                   "base": "src/base/base.c", "middle": "src/middle/middle.c",
                   "side": "src/side/side.c", "middle_h": "include/invar/middle.h"}[path]] = text
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return rooms.Tree(root).check()


def expect(found, *starts):
    assert len(found) == len(starts), found
    for problem, start in zip(found, starts):
        assert problem.startswith(start), (problem, start)


def a_tree_that_keeps_the_rules_passes():
    expect(problems())


def a_public_header_of_a_room_to_the_right_is_found():
    expect(problems(base="#include <stdio.h>\n#include <invar/middle.h>\n"),
           "src/base/base.c:2: base includes <invar/middle.h> of middle")


def a_public_header_of_a_neighbour_is_found():
    expect(problems(side="#include <invar/middle.h>\n"),
           "src/side/side.c:1: side includes <invar/middle.h> of middle")


def the_header_of_all_headers_belongs_to_the_last_room():
    expect(problems(side="#include <invar/invar.h>\n"),
           "src/side/side.c:1: side includes <invar/invar.h> of cli")


def a_private_header_is_found():
    expect(problems(side='\n\n  #  include "base/own.h"\n'),
           "src/side/side.c:3: side includes base/own.h, which base does not share")


def a_shared_header_of_a_room_that_is_not_needed_is_found():
    expect(problems(meson=MESON.replace("'side': {\n    'needs': ['base']", "'side': {\n    'needs': []"),
                    side='#include "base/shared.h"\n'),
           "src/side/side.c:1: side includes base/shared.h of base, which it does not need")


def a_public_header_that_includes_a_private_one_is_found():
    expect(problems(middle_h='#include "base/shared.h"\nint middle_size(void);\n'),
           "include/invar/middle.h:1: a public header includes base/shared.h")


def a_need_that_stands_below_is_found():
    found = problems(meson=MESON.replace("'base': {\n    'needs': []", "'base': {\n    'needs': ['side']"))
    expect(found, "src/meson.build:2: base needs side, which does not stand above it")


def a_study_is_named_in_comments_alone():
    expect(problems(middle="int heart_rate; // of the heart\nint middle_size(void) {\n}\n"
                           'const char *name = "/* heart";\n'),
           "src/middle/middle.c:1: middle names a study: heart",
           "src/middle/middle.c:4: middle names a study: heart")


def a_drawing_in_another_order_is_found():
    expect(problems(drawing="    base < side, middle < studies < cli\n"),
           "docs/architecture.md:1: the drawing has base side middle")


def a_drawing_with_a_room_beside_one_that_it_needs_is_found():
    expect(problems(drawing="\n    base < middle, side, studies < cli\n"),
           "docs/architecture.md:2: studies needs middle, and stands beside it")


def a_missing_drawing_is_found():
    expect(problems(drawing="# Rooms\n"), "docs/architecture.md:1: no drawing")


tap.run([a_tree_that_keeps_the_rules_passes,
         a_public_header_of_a_room_to_the_right_is_found,
         a_public_header_of_a_neighbour_is_found,
         the_header_of_all_headers_belongs_to_the_last_room,
         a_private_header_is_found,
         a_shared_header_of_a_room_that_is_not_needed_is_found,
         a_public_header_that_includes_a_private_one_is_found,
         a_need_that_stands_below_is_found,
         a_study_is_named_in_comments_alone,
         a_drawing_in_another_order_is_found,
         a_drawing_with_a_room_beside_one_that_it_needs_is_found,
         a_missing_drawing_is_found])
