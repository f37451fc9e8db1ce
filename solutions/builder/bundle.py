"""What students get: `python -m solutions.builder.bundle LAB` (`make release LAB=...`).

It writes build/LAB.zip with the lab, `pruninglab` without the grading, what installs it, and a
README for students; but only if no answer to this lab is inside. (Answers to earlier labs are: that
is the toolbox in the package. So hand a lab out when the one before it is in.)

`--solutions` (`make release LAB=... SOLUTIONS=1`) writes a zip with the model solutions only, for
after the deadline: unpacked over the first, it overwrites nobody's work.
"""

from __future__ import annotations

import argparse
import ast
import sys
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import nbformat

from pruninglab.terminal import accept_any_text
from solutions.builder import build, model_solutions

# Folders for instructors and developers (dev/bench.py takes turns, as an exercise of lab 5 asks).
WITHOUT = {"grading", "dev", "__pycache__"}
TELLING = 30  # characters: a shorter line may stand anywhere by chance
README = Path(__file__).parent / "readme_for_students.md"
LOCKS = ("constraints.txt", "requirements.lock.txt")  # without and with hashes
INSTALLERS = ("pyproject.toml", *LOCKS, "environment.yml", "LICENSE")


class LeakError(RuntimeError):
    """An answer would have been handed out; the message says where it stands."""


def contents(lab: str) -> dict[str, bytes]:
    """Path in the bundle -> content."""
    files = {}
    for path in (build.ROOT / "labs" / lab).iterdir():
        if path.is_file() and not path.name.startswith("."):  # what JupyterLab leaves there stays
            files[f"labs/{lab}/{path.name}"] = path.read_bytes()
    labs = build.ROOT / "pruninglab" / "labs"
    for path in (build.ROOT / "pruninglab").rglob("*"):
        inside = path.relative_to(build.ROOT)
        other = labs in path.parents and path.parent not in (labs, build.package(lab))
        if path.is_file() and not other and not WITHOUT & set(inside.parts):
            files[str(inside)] = path.read_bytes()
    files |= {name: (build.ROOT / name).read_bytes() for name in INSTALLERS}
    files["environment.yml"] = files["environment.yml"].replace(b".[dev]", b".[jupyter]")
    # The same for each lab: a second bundle in the folder of the first changes nothing in it.
    files["README.md"] = README.read_bytes()
    return without_other_tasks(files)


def without_other_tasks(files: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out the modules of `checks` that nothing else in the bundle imports.

    They measure the open tasks of other labs, and prune for that: an answer to an earlier lab in
    other words, which `leaks` would not find.
    """
    imports = {name: imported(text) for name, text in files.items() if name.endswith(".py")}
    optional = {name for name in files if name.startswith("pruninglab/checks/")}
    optional.remove("pruninglab/checks/__init__.py")
    # Again until nothing is left to go: one such module imports another.
    while unused := optional.difference(*imports.values()) & imports.keys():
        imports = {name: named for name, named in imports.items() if name not in unused}
    return {name: text for name, text in files.items() if name not in optional or name in imports}


def imported(source: bytes) -> set[str]:
    """Files of the modules of ours that a source imports.

    >>> sorted(imported(b"import os; from pruninglab.overview import page"))
    ['pruninglab/overview.py', 'pruninglab/overview/page.py']
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {f"{name.replace('.', '/')}.py" for name in names if name.startswith("pruninglab.")}


def secrets(lab: str, kind: str) -> Iterator[list[str]]:
    """The lines of each "SOLUTION" (model answers and marking guides, too) or "HIDDEN TESTS"."""
    for cell in build.notebook(lab).cells:
        for part in cell.source.split(f"### BEGIN {kind}")[1:]:
            lines = (line.strip() for line in part.split(f"### END {kind}")[0].splitlines())
            yield [x for x in lines if x and not x.startswith(("from ", "import "))]


def lines_of(name: str, content: bytes) -> list[str]:
    """The lines of a text, a notebook's cells one after the other; none of what is no text."""
    if name.endswith(".ipynb"):
        cells = nbformat.reads(content.decode(), as_version=4).cells
        return [line.strip() for cell in cells for line in cell.source.splitlines()]
    if name.endswith((".py", ".json", ".md", ".yml", ".toml", ".txt")):
        return [line.strip() for line in content.decode().splitlines()]
    return []


def telling_pairs(lines: list[str]) -> list[tuple[str, str]]:
    """Two lines below one another, if there is enough in them to tell.

    >>> telling_pairs(["for x in y:", "n += 1", "mask[scores.argsort()[:count]] = False  # low"])
    [('n += 1', 'mask[scores.argsort()[:count]] = False  # low')]
    """
    return [(x, y) for x, y in pairwise(lines) if len(x + y) > 1.5 * TELLING]


def leaks(lab: str, files: dict[str, bytes]) -> list[str]:
    """Where an answer to `lab` stands in `files`; empty if nowhere.

    In its own notebook one telling line of a solution is too much. Elsewhere, and of hidden tests,
    two in a row are: a single one may be what everybody writes.
    """
    solutions = list(secrets(lab, "SOLUTION"))
    single = {line for answer in solutions for line in answer if len(line) > TELLING}
    every = [*solutions, *secrets(lab, "HIDDEN TESTS")]
    double = {pair for lines in every for pair in telling_pairs(lines)}
    found = []
    for name, content in files.items():
        lines = lines_of(name, content)
        own = single if name.startswith("labs/") and name.endswith(".ipynb") else set()
        found += [f"{name}: {x}" for x in lines if x in own]
        found += [f"{name}: {x} / {y}" for x, y in telling_pairs(lines) if (x, y) in double]
    return found


def bundle(lab: str, target: Path) -> Path:
    """Write the bundle of a lab.

    Raises:
        LeakError: an answer is inside; then nothing is written.
    """
    files = contents(lab)
    if found := leaks(lab, files):
        raise LeakError("an answer would be handed out:\n" + "\n".join(found))
    return pack(lab, files, target)


def solutions(lab: str, target: Path) -> Path:
    """Write the model solutions of a lab, which the start page unfolds where it finds them."""
    return pack(lab, {f"labs/{lab}/SOLUTIONS.md": model_solutions.page(lab).encode()}, target)


def pack(lab: str, files: dict[str, bytes], target: Path) -> Path:
    """Write a zip with one folder, the lab's."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            # A fixed date: the same sources make the same bytes.
            archive.writestr(zipfile.ZipInfo(f"{lab}/{name}", (2026, 1, 1, 0, 0, 0)), content)
    return target


def main() -> None:
    """Command line."""
    accept_any_text()
    parser = argparse.ArgumentParser(description="Make what students get of a lab.")
    parser.add_argument("lab", choices=list(build.LABS))
    parser.add_argument("--solutions", action="store_true", help="only its model solutions")
    args = parser.parse_args()
    lab = args.lab
    if args.solutions:
        print(f"{solutions(lab, build.ROOT / 'build' / f'{lab}-solutions.zip')}: model solutions")
        return
    try:
        target = bundle(lab, build.ROOT / "build" / f"{lab}.zip")
    except LeakError as error:
        sys.exit(f"error: {error}")
    print(f"{target}: {target.stat().st_size / 2**20:.1f} MiB, no answer inside")


if __name__ == "__main__":
    main()
