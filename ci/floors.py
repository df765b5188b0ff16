"""Checks that no file of src/ imports from a higher floor, and that files do not import one another in circles.

A floor is a line of FLOORS, the lowest first. A file may import from the floors below its own and from its own module
tree (a file and the folder of its name), and from nothing above or beside. Files must not import one another in a
circle, except for the pairs named in CIRCLES. Faces hold re-exports only: an import through a face counts as one from
the file that has the item.
"""

import re
import sys
from pathlib import Path

# Modules of one line share a floor; a folder belongs to the floor of its file.
FLOORS = [
    ["error"],
    ["shape", "numeric"],
    ["machine"],
    ["nufft", "reduce", "matmul", "fft"],
    ["loops"],
    ["real", "element"],
    ["backend"],
    ["cpu"],
    ["gpu"],  # Above the CPU, whose transform is used if a GPU's grid is transformed on the host.
    ["device"],
    ["plan"],
    ["discover"],
    ["source"],
    ["dynamic"],
    ["stream"],
    ["spectral"],
    ["cli"],
]
FACES = {"lib", "nufft", "reduce", "matmul", "fft", "source", "spectral", "stream"}
CIRCLES = [{"plan::builder", "plan::nufft"}, {"plan::reduce", "plan::state"}]

SRC = Path(__file__).resolve().parent.parent / "src"


def module_of(path):
    parts = list(path.relative_to(SRC).with_suffix("").parts)
    if parts[-1] == "main" and len(parts) > 1:
        parts.pop()
    return "::".join(parts)


def without_comments_and_tests(text):
    text = re.sub(r"//[^\n]*", "", text)
    cut = re.search(r"^#\[cfg\(test\)\]\s*(pub\([^)]*\)\s*)?mod ", text, re.M)
    return text[: cut.start()] if cut else text


def paths(tree):
    """The paths of one use tree: `a::{b, c::d}` is a::b and a::c::d."""
    tree = tree.strip()
    if "{" not in tree:
        yield re.split(r"\s+as\s+", tree)[0]
        return
    head, rest = tree.split("{", 1)
    depth, item = 1, ""
    for letter in rest:
        if letter == "{":
            depth += 1
        if letter == "}":
            depth -= 1
            if depth == 0:
                break
        if letter == "," and depth == 1:
            for path in paths(item):
                yield head + path
            item = ""
        else:
            item += letter
    if item.strip():
        for path in paths(item):
            yield head + path


def main():
    files = {module_of(path): path for path in sorted(SRC.rglob("*.rs"))}
    texts = {module: without_comments_and_tests(path.read_text()) for module, path in files.items()}
    reexports = {}  # (face, name) -> path
    wrong = []

    def absolute(path, module):
        segments = path.strip().split("::")
        own = module.split("::")
        if segments[0] == "crate":
            # The program is a crate of its own, which begins at src/cli/main.rs.
            return (["cli"] if own[0] == "cli" else []) + segments[1:]
        if segments[0] in ("self", "super"):
            base = own[:]
            while segments and segments[0] in ("self", "super"):
                if segments.pop(0) == "super":
                    base.pop()
            return base + segments
        # A path that begins with a child module.
        return own + segments if "::".join(own + segments[:1]) in files else None

    for module in files:
        if module.split("::")[-1] in FACES and module in FACES:
            for use in re.findall(r"\bpub use ([^;]+);", texts[module]):
                for path in paths(use):
                    place = absolute(path, module if module != "lib" else "")
                    if place is None and module == "lib":
                        place = path.strip().split("::")
                    if place:
                        reexports[("" if module == "lib" else module, place[-1])] = place
            code = re.sub(r"#!?\[[^\]]*\]|\b(pub(\([^)]*\))?\s+)?(use|mod)\s+[^;]+;", "", texts[module])
            if code.strip():
                wrong.append(f"src/{module}.rs is a face and holds code; move it to a file of its own: {code.strip()[:60]!r}")

    def target(place):
        """The module that an absolute path leads to, re-exports resolved."""
        for _ in range(8):
            for length in range(len(place), 0, -1):
                module = "::".join(place[:length])
                if module in files:
                    break
            else:
                face = reexports.get(("", place[0]))
                if face is None or face == place:
                    return None
                place = face + place[1:]
                continue
            after = place[length : length + 1]
            if module in FACES and after and (module, after[0]) in reexports:
                place = reexports[(module, after[0])]
                continue
            return module
        return None

    floor = {name: level for level, names in enumerate(FLOORS) for name in names}
    arrows = {module: {} for module in files}
    for module, text in texts.items():
        if module in FACES:
            continue
        found = [path for use in re.findall(r"\buse ([^;]+);", text) for path in paths(use)]
        found += re.findall(r"\b(?:crate|super)(?:::\w+)+", re.sub(r"\buse [^;]+;", "", text))
        for path in found:
            place = absolute(path, module)
            if place is None or not place or place[0] == "wavemill":
                continue
            to = target(place)
            if to and to != module and to != "lib":
                arrows[module][to] = path.strip()
        root = module.split("::")[0]
        if root not in floor:
            wrong.append(f"src/{module.replace('::', '/')}.rs stands on no floor; give it one in ci/floors.py and in src/lib.rs")
            continue
        for to, path in arrows[module].items():
            there = to.split("::")[0]
            if there != root and floor.get(there, -1) >= floor[root]:
                wrong.append(
                    f"{module} (floor {floor[root]}) imports {path.strip()} of {to} (floor {floor.get(there)}): "
                    "move what is needed to a floor below, or the file up"
                )

    # Circles: strongly connected components (Tarjan).
    index, low, stack, on, circles = {}, {}, [], set(), []

    def visit(module):
        index[module] = low[module] = len(index)
        stack.append(module)
        on.add(module)
        for to in arrows[module]:
            if to not in index:
                visit(to)
                low[module] = min(low[module], low[to])
            elif to in on:
                low[module] = min(low[module], index[to])
        if low[module] == index[module]:
            circle = set()
            while True:
                member = stack.pop()
                on.discard(member)
                circle.add(member)
                if member == module:
                    break
            if len(circle) > 1:
                circles.append(circle)

    for module in files:
        if module not in index:
            visit(module)
    for circle in circles:
        if circle not in CIRCLES:
            members = ", ".join(sorted(circle))
            inner = [f"{a} -> {b}" for a in sorted(circle) for b in sorted(arrows[a]) if b in circle]
            wrong.append(f"these import one another: {members} ({'; '.join(inner)})")

    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        sys.exit(1)
    print(f"floors: {len(files)} files, no import runs up; circles: {len(circles)}, all named")


main()
