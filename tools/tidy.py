#!/usr/bin/env python3
"""The house's rules that a machine can check; runs as the test `tidy`.

    tools/tidy.py [--root FOLDER] [--only CHECK ...]

Prints `file:line: [check] what is wrong; what to do instead`, and exits 1 if there is anything to
print. A rule is one function below, named check_<name>; limits, banned names and libraries stand
in tidy_rules.py. tools/tidy_exceptions.txt may name a `check path` a line; it is empty, and may
only shrink.
"""

import argparse
import ast
import posixpath
import re
import sys
from pathlib import Path

import tidy_cpp
import tidy_rules as rules
from tidy_tree import Finding, Tree


def rooms_of(tree):
    """Room -> (line of its room(...), its DEPENDS), from each src/<room>/CMakeLists.txt."""
    rooms = {}
    for path in tree.match(r"src/[^/]+/CMakeLists\.txt"):
        call = re.search(r"^room\(([^)]*)\)", tree.text(path), re.MULTILINE)
        if call:
            rooms[path.split("/")[1]] = (tree.line_of(path, call.start()), depends(call.group(1)))
    return rooms


def depends(arguments):
    words = arguments.split()
    if "DEPENDS" not in words:
        return []
    rest = words[words.index("DEPENDS") + 1 :]
    return [
        word for word in rest[: next((i for i, w in enumerate(rest) if w.isupper()), len(rest))]
    ]


def room_map(tree):
    """Room -> (line, rooms it may include), from the table of rooms in ARCHITECTURE.md."""
    table, inside = {}, False
    for number, line in enumerate(tree.lines("ARCHITECTURE.md"), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0].lower() == "room" and cells[-1].lower() == "may include":
            inside = True
        elif inside and not line.startswith("|"):
            break
        elif inside and not set(cells[0]) <= set("-: "):
            table[re.sub(r"\(.*\)|\W", "", cells[0])] = (number, re.findall(r"[a-z_]+", cells[-1]))
    for name, (number, words) in table.items():
        if words == ["all"]:
            table[name] = (number, [other for other in table if other != name])
        elif words == ["nothing"]:
            table[name] = (number, [])
    return table


def cycle_in(graph):
    """A list of rooms that leads back to its first, or None."""
    done = set()

    def visit(room, trail):
        if room in trail:
            return trail[trail.index(room) :] + [room]
        if room in done or room not in graph:
            return None
        found = next(
            (c for c in (visit(other, trail + [room]) for other in graph[room]) if c), None
        )
        done.add(room)
        return found

    return next((c for c in (visit(room, []) for room in sorted(graph)) if c), None)


def check_layers(tree):
    """A room includes what it DEPENDS on, depends on what it includes, and never on itself."""
    rooms = rooms_of(tree)
    used = {room: set() for room in rooms}
    for path in tree.match(r"src/[^/]+/.*\.(h|cc)"):
        room = path.split("/")[1]
        for line, target in tidy_cpp.includes(tree.text(path), '"'):
            other = target.split("/")[0]
            used.setdefault(room, set()).add(other)
            if room not in rooms or other == room or other in rooms[room][1]:
                continue
            yield Finding(
                path,
                line,
                f"{room} may not include {other}; if it should, add {other} to "
                f"DEPENDS in src/{room}/CMakeLists.txt and to ARCHITECTURE.md, else go by "
                "a room that both may include",
            )
    for room, (line, others) in rooms.items():
        for other in others:
            if other not in used[room]:
                yield Finding(
                    f"src/{room}/CMakeLists.txt",
                    line,
                    f"{room} DEPENDS on {other} but includes nothing of it; take it out",
                )
    yield from between_kinds(rooms)
    cycle = cycle_in({room: others for room, (_, others) in rooms.items()})
    if cycle:
        yield Finding(
            f"src/{cycle[0]}/CMakeLists.txt",
            rooms[cycle[0]][0],
            f"rooms depend in a circle: {' -> '.join(cycle)}; data goes one way",
        )


def between_kinds(rooms):
    for room, (line, others) in rooms.items():
        banned = (
            rules.STORES | rules.STAGES
            if room in rules.STORES
            else rules.STAGES
            if room in rules.STAGES
            else set()
        )
        for other in sorted(banned & set(others)):
            yield Finding(
                f"src/{room}/CMakeLists.txt",
                line,
                f"{room} may not know {other}: stages meet only at stores, and stores know "
                "neither stages nor each other",
            )


def check_room_map(tree):
    """ARCHITECTURE.md's table equals src/ and each room(... DEPENDS ...); each room is built."""
    folders = sorted({path.split("/")[1] for path in tree.match(r"src/[^/]+/.*")})
    rooms, table = rooms_of(tree), room_map(tree)
    if not table:
        yield Finding(
            "ARCHITECTURE.md",
            1,
            "has no table of rooms; write one whose first column is `room` "
            "and whose last is `may include` (rooms, `nothing` or `all`), a line a room",
        )
    built = re.findall(
        r"\w+", " ".join(re.findall(r"foreach\(\w+([^)]*)\)", tree.text("CMakeLists.txt")))
    )
    for folder in folders:
        cmake = f"src/{folder}/CMakeLists.txt"
        if folder not in rooms:
            yield Finding(
                cmake, 1, f"src/{folder} is no room; give it one line: room(NAME {folder} ...)"
            )
        if folder not in built:
            yield Finding(
                "CMakeLists.txt", 1, f"never adds src/{folder}; put it into the list of rooms"
            )
        if table and folder not in table:
            yield Finding("ARCHITECTURE.md", 1, f"the table of rooms lacks {folder}; add its line")
    for room, (line, words) in table.items():
        if room not in folders:
            yield Finding("ARCHITECTURE.md", line, f"there is no src/{room}; take the line out")
        elif room in rooms and sorted(words) != sorted(rooms[room][1]):
            yield Finding(
                "ARCHITECTURE.md",
                line,
                f"says that {room} may include '{' '.join(words)}', "
                f"its CMakeLists.txt says '{' '.join(rooms[room][1])}'; make them equal",
            )


def check_lengths(tree):
    """Files, lines and functions have a size for one reading."""
    for path in tree.match(r".*\.(h|cc|py|sh|sql)|run|\.ci/run"):
        lines = tree.lines(path)
        width = rules.SQL_COLUMNS if path.endswith(".sql") else rules.COLUMNS
        if len(lines) > rules.FILE_LINES:
            yield Finding(
                path,
                len(lines),
                f"{len(lines)} lines; at most {rules.FILE_LINES}, split it by what "
                "its parts are about",
            )
        for number, line in enumerate(lines, 1):
            if len(line) > width:
                yield Finding(path, number, f"{len(line)} columns; at most {width}, break the line")
        for name, first, size in functions_of(path, tree.text(path)):
            if size > rules.FUNCTION_LINES:
                yield Finding(
                    path,
                    first,
                    f"{name} has {size} lines; at most {rules.FUNCTION_LINES}, give its "
                    "steps names as functions",
                )


def functions_of(path, text):
    """(name, first line, lines of the body) of each function of a file, in its language."""
    if path.endswith((".h", ".cc")):
        return tidy_cpp.functions(text)
    if path.endswith(".py"):
        return [
            (node.name, node.lineno, node.end_lineno - node.lineno)
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        ]
    body = (
        r"\$(\w*)\$(.*?)\$\1\$" if path.endswith(".sql") else r"^([\w-]+) ?\(\) ?[{(]\n(.*?)^[})]"
    )
    return [
        (
            match.group(1) or "the body",
            text.count("\n", 0, match.start()) + 1,
            match.group(2).count("\n"),
        )
        for match in re.finditer(body, text, re.DOTALL | re.MULTILINE)
    ]


def check_banned(tree):
    """Names that have something better in this house."""
    for path in tree.match(r"(src|tests|bench)/.*\.(h|cc)"):
        code = tree.code(path).split("\n")
        for ban in rules.BANS:
            if not ban.applies(path, tree.code(path)):
                continue
            for number, line in enumerate(code, 1):
                if ban.pattern.search(line) and not ban.excused(tree.lines(path), number):
                    yield Finding(path, number, f"{ban.name}: {ban.instead}")
    for path in tree.paths():
        for part in path.split("/"):
            if set(re.split(r"[._-]", part.lower())) & rules.VAGUE_NAMES:
                yield Finding(
                    path, 1, f"the name '{part}' says nothing; name it for what it is about"
                )


def check_third_party(tree):
    """Third-party headers stay in the rooms that wrap them; heavy ones reach no other room."""
    for path in tree.match(r"src/[^/]+/.*\.(h|cc)"):
        room = path.split("/")[1]
        for line, target in tidy_cpp.includes(tree.text(path), "<"):
            problem = misplaced(tree, path, room, target)
            if problem:
                yield Finding(path, line, f"<{target}> {problem}")


def misplaced(tree, path, room, target):
    """What is wrong with `target` in this file of this room, or None."""
    library = next((lib for lib in rules.LIBRARIES if re.match(lib.headers, target)), None)
    if library is None:
        if "/" not in target or target.split("/")[0] in rules.SYSTEM_FOLDERS:
            return None
        return "is of no library known here; name its room in LIBRARIES of tools/tidy_rules.py"
    if library.rooms and room not in library.rooms:
        return f"stays in {' and '.join(library.rooms)}; use what that room offers instead"
    payer = next((f for f in tree.includers(path) if not f.startswith(f"src/{room}/")), None)
    if library.heavy and path.endswith(".h") and payer:
        return f"reaches {payer}, which then pays for it; keep it in a .cc file, behind a pimpl"
    return None


def check_dead_files(tree):
    """Each source file is included, built, embedded or run by another."""
    included = {
        target
        for path in tree.match(r".*\.(h|cc)")
        for _, target in tidy_cpp.includes(tree.text(path), '"')
    }
    for path in tree.match(r".*\.(h|cc|sql|py|sh)"):
        if path.endswith(".h"):
            name = path.removeprefix("src/")
            alive = name in included or posixpath.basename(path) in included or tree.mentioned(path)
        else:
            alive = built_by_folder(tree, path) or tree.mentioned(path)
        if not alive:
            yield Finding(path, 1, "no file includes, builds or names it; use it or delete it")


def built_by_folder(tree, path):
    """Whether a CMakeLists.txt at or above `path` takes all of its kind: room() or file(GLOB)."""
    room = re.fullmatch(r"src/([^/]+)/[^/]+\.cc", path)
    if room and room.group(1) in rooms_of(tree):
        return True
    kind = re.escape("*" + posixpath.splitext(path)[1])
    folders = [posixpath.dirname(path)]
    while folders[-1]:
        folders.append(posixpath.dirname(folders[-1]))
    return any(
        re.search(
            rf"GLOB(_RECURSE)?\s[^)]*{kind}", tree.text(posixpath.join(folder, "CMakeLists.txt"))
        )
        for folder in folders
    )


def check_leftovers(tree):
    """Marks of unfinished work."""
    for path in tree.prose():
        for number, line in enumerate(tree.lines(path), 1):
            if rules.LEFTOVER.search(line):
                yield Finding(
                    path, number, "left over; do it now, or open an issue and take the mark out"
                )


def check_space(tree):
    """White space that only shows in diffs, and the guard of headers."""
    for path in tree.prose():
        text = tree.text(path)
        for number, line in enumerate(tree.lines(path), 1):
            if line != line.rstrip():
                yield Finding(path, number, "white space at the end of the line; take it out")
            if "\t" in line:
                yield Finding(path, number, "a tab; use spaces, or \\t in a string")
        if text and not text.endswith("\n"):
            yield Finding(
                path, len(tree.lines(path)), "no new line at the end of the file; add one"
            )
        if path.endswith(".h") and "\n#pragma once\n" not in "\n" + text:
            yield Finding(path, 1, "has no include guard; write #pragma once below its comment")


def check_docs(tree):
    """A room has a README of one screen; a header begins by saying what it is."""
    for room in sorted({path.split("/")[1] for path in tree.match(r"src/[^/]+/.*")}):
        readme = f"src/{room}/README.md"
        if readme not in tree.paths():
            yield Finding(
                readme, 1, "is missing; say in a screen what the room is and where to start reading"
            )
        elif len(tree.lines(readme)) > rules.README_LINES:
            yield Finding(
                readme,
                rules.README_LINES,
                f"longer than {rules.README_LINES} lines; move what is "
                "more than a screen to docs/ or into the headers",
            )
    for path in tree.match(r".*\.h"):
        if not tree.text(path).lstrip().startswith(("//", "/*")):
            yield Finding(
                path,
                1,
                "begins without a comment; say what it is, where in the flow, and what it promises",
            )


def check_private(tree):
    """Nothing that belongs to one machine or person."""
    for path in tree.prose():
        for number, line in enumerate(tree.lines(path), 1):
            for pattern, instead in rules.PRIVATE:
                found = pattern.search(line)
                if found:
                    yield Finding(path, number, f"'{found.group().strip()}' {instead}")


def check_links(tree):
    """Relative links of the documents lead to files."""
    for path in tree.match(r".*\.md"):
        text = re.sub(
            r"^```.*?^```",
            lambda m: "\n" * m.group().count("\n"),
            tree.text(path),
            flags=re.DOTALL | re.MULTILINE,
        )
        for link in re.finditer(r"\]\(<?([^)#>\s]+)[^)]*\)", text):
            target = link.group(1)
            if re.match(r"[a-z]+:", target):
                continue
            full = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            if not tree.exists(full):
                yield Finding(
                    path,
                    text.count("\n", 0, link.start()) + 1,
                    f"the link {target} leads nowhere; there is no {full}",
                )


CHECKS = {
    name.removeprefix("check_"): function
    for name, function in list(globals().items())
    if name.startswith("check_")
}


def exceptions(tree):
    """Excused (check, path) pairs, and findings for a list that grew."""
    path = "tools/tidy_exceptions.txt"
    lines = [line.split() for line in tree.lines(path) if line.strip()]
    grown = (
        []
        if len(lines) <= tree.committed_lines(path)
        else [
            Finding(
                path,
                len(lines),
                "grew; it may only shrink, so put right what you wanted to except",
                "exceptions",
            )
        ]
    )
    return {tuple(line) for line in lines}, grown


def run(tree, only=None):
    """All findings but the excused, sorted by place; an excuse for nothing is a finding too."""
    excused, findings = exceptions(tree)
    idle = set(excused)
    for name in only or CHECKS:
        for finding in CHECKS[name](tree):
            if (name, finding.path) in excused:
                idle.discard((name, finding.path))
            else:
                findings.append(finding._replace(check=name))
    if not only:
        findings += [
            Finding(
                "tools/tidy_exceptions.txt",
                1,
                f"'{' '.join(e)}' excuses nothing any more; take it out",
                "exceptions",
            )
            for e in sorted(idle)
        ]
    return sorted(findings)


def main():
    parser = argparse.ArgumentParser(description="checks the house's rules")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--only", nargs="+", choices=sorted(CHECKS))
    options = parser.parse_args()
    tree = Tree.of_folder(options.root)
    findings = run(tree, options.only)
    for finding in findings:
        print(f"{finding.path}:{finding.line}: [{finding.check}] {finding.message}")
    print(
        f"tidy: {len(tree.paths())} files, {len(options.only or CHECKS)} checks, "
        f"{len(findings)} findings"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
