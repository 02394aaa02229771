"""Whether every room keeps to its left, as src/meson.build and docs/architecture.md say.

rooms.py [ROOT]    print what is wrong as FILE:LINE: WHAT; exit status 1 if anything is

- A room needs only rooms that stand above it in src/meson.build; cli, which may include everything, is
  the last.
- A file includes public headers of its own room and of those that its room needs, directly or through
  others, and of their private headers (src/OTHER/NAME.h) only those that OTHER shares. A public
  header belongs to the room that defines its functions, to the last one if there are several.
- A public header includes no private one.
- Rooms before `studies` name no study (a folder in src/studies/) outside comments.
- The drawing in docs/architecture.md has the rooms in the order of src/meson.build, and none to the
  right of one that needs it.
"""
import os
import re
import sys

LAST = "cli"
STUDIES = "studies"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)
DEFINITION = re.compile(r"^(?!static\b|typedef\b|extern\b|#)[A-Za-z][\w \t*]*?\b(\w+)\(", re.MULTILINE)
DECLARATION = re.compile(r"^(?!static\b|typedef\b|#)[A-Za-z][\w \t*]*?\b(\w+)\(", re.MULTILINE)


def read(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return file.read()


def without_comments(text):
    """The same text on the same lines, with comments blank."""
    def blank(match):
        found = match.group(0)
        return found if found.startswith('"') else re.sub(r"[^\n]", " ", found)
    return COMMENT.sub(blank, text)


class Room:
    def __init__(self, name, body, line):
        listed = re.search(r"'needs':\s*\[(.*?)\]", body, re.DOTALL)
        shares = re.search(r"'shares':\s*'+(.*?)'", body, re.DOTALL)
        self.name, self.line = name, line
        self.needs = re.findall(r"'(\w+)'", listed.group(1)) if listed else []
        self.shares = shares.group(1).split() if shares else []


def read_rooms(root):
    text = read(root, "src", "meson.build")
    start = text.index("rooms = {")
    body = text[start:text.index("\n}", start)]
    heads = list(re.finditer(r"^  '(\w+)': \{", body, re.MULTILINE))
    rooms = {}
    for head, following in zip(heads, heads[1:] + [None]):
        end = following.start() if following else len(body)
        line = text.count("\n", 0, start + head.start()) + 1
        rooms[head.group(1)] = Room(head.group(1), body[head.start():end], line)
    last = Room(LAST, "", 0)
    last.needs = list(rooms)
    rooms[LAST] = last
    return rooms


class Tree:
    def __init__(self, root):
        self.root = root
        self.problems = []
        self.rooms = read_rooms(root)
        self.order = list(self.rooms)
        self.sources = {name: self.files(os.path.join("src", name)) for name in self.order}
        self.public = self.files(os.path.join("include", "invar"))
        self.room_of_header = self.find_rooms_of_headers()

    def files(self, folder):
        found = []
        for path, _, names in os.walk(os.path.join(self.root, folder)):
            found += [os.path.relpath(os.path.join(path, name), self.root) for name in names
                      if name.endswith((".c", ".h"))]
        return sorted(found)

    def report(self, path, line, what):
        self.problems.append("%s:%d: %s" % (path, line, what))

    def find_rooms_of_headers(self):
        """Public header -> room: the last that defines one of its functions; the first room if none does."""
        definers = {}
        for room in self.order:
            for path in self.sources[room]:
                if path.endswith(".c"):
                    for name in DEFINITION.findall(without_comments(read(self.root, path))):
                        definers[name] = room
        rooms = {}
        for path in self.public:
            declared = DECLARATION.findall(without_comments(read(self.root, path)))
            of = [self.order.index(definers[name]) for name in declared if name in definers]
            rooms[os.path.basename(path)] = self.order[max(of)] if of else self.order[0]
        rooms["invar.h"] = self.order[-1]  # all of them
        return rooms

    def needed(self, room):
        """The room and all that it needs, directly or through others."""
        found, todo = set(), [room]
        while todo:
            name = todo.pop()
            if name not in found and name in self.rooms:
                found.add(name)
                todo += self.rooms[name].needs
        return found

    # ------------------------------------------------------------------ checks

    def check_needs(self):
        for place, name in enumerate(self.order[:-1]):
            for other in self.rooms[name].needs:
                if other not in self.order[:place]:
                    self.report("src/meson.build", self.rooms[name].line,
                                "%s needs %s, which does not stand above it" % (name, other))

    def check_include(self, path, line, room, quoted, header):
        needed = self.needed(room)
        if not quoted:
            name = header[len("invar/"):] if header.startswith("invar/") else None
            owner = self.room_of_header.get(name)
            if owner and owner not in needed:
                self.report(path, line, "%s includes <%s> of %s, which it does not need"
                            % (room, header, owner))
            return
        owner, slash, name = header.partition("/")
        if not slash or owner not in self.rooms or owner == room:
            return
        if owner not in needed:
            self.report(path, line, "%s includes %s of %s, which it does not need" % (room, header, owner))
        elif name not in [shared + ".h" for shared in self.rooms[owner].shares]:
            self.report(path, line, "%s includes %s, which %s does not share" % (room, header, owner))

    def includes(self, path):
        for line, text in enumerate(read(self.root, path).splitlines(), 1):
            match = INCLUDE.match(text)
            if match:
                yield line, match.group(1) == '"', match.group(2)

    def check_includes(self):
        for room in self.order:
            for path in self.sources[room]:
                for line, quoted, header in self.includes(path):
                    self.check_include(path, line, room, quoted, header)
        for path in self.public:
            room = self.room_of_header[os.path.basename(path)]
            for line, quoted, header in self.includes(path):
                if quoted:
                    self.report(path, line, "a public header includes %s" % header)
                else:
                    self.check_include(path, line, room, quoted, header)

    def check_names(self):
        folder = os.path.join(self.root, "src", STUDIES)
        studies = [name for name in sorted(os.listdir(folder)) if os.path.isdir(os.path.join(folder, name))]
        named = re.compile("|".join(name.replace("_", ".") for name in studies), re.IGNORECASE)
        for room in self.order[:self.order.index(STUDIES)]:
            for path in self.sources[room]:
                for line, text in enumerate(without_comments(read(self.root, path)).splitlines(), 1):
                    match = named.search(text) if studies else None
                    if match:
                        self.report(path, line, "%s names a study: %s" % (room, match.group(0)))

    def check_drawing(self):
        path = "docs/architecture.md"
        for line, text in enumerate(read(self.root, path).splitlines(), 1):
            if text.startswith("    ") and "<" in text:
                break
        else:
            self.report(path, 1, "no drawing: a line like `    runtime < data < cli`")
            return
        columns = [[name.strip() for name in column.split(",")] for column in text.split("<")]
        drawn = [name for column in columns for name in column]
        if drawn != self.order:
            self.report(path, line, "the drawing has %s; src/meson.build has %s"
                        % (" ".join(drawn), " ".join(self.order)))
            return
        for column in columns:
            for name in column:
                for other in set(column) & set(self.rooms[name].needs):
                    self.report(path, line, "%s needs %s, and stands beside it" % (name, other))

    def check(self):
        self.check_needs()
        self.check_includes()
        self.check_names()
        self.check_drawing()
        return self.problems


def main(arguments):
    if len(arguments) > 1:
        sys.exit(__doc__)
    root = arguments[0] if arguments else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    problems = Tree(root).check()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
