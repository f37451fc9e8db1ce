"""What students get: `python -m solutions.bundle LAB` (`make release LAB=...`).

It writes build/LAB.zip with the lab, `pruninglab` without the grading, what installs it, and a
README for students; but only if no answer to this lab is inside. (Answers to earlier labs are: that
is the lab's toolbox.py. So hand a lab out when the one before it is in.)
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat

from solutions import build

# What is for instructors; `bench` takes turns as lab 5 asks for in an exercise.
WITHOUT = {"grading", "bench.py", "embed.py", "__pycache__"}
TELLING = 30  # characters: a shorter line may stand anywhere by chance
README = Path(__file__).parent / "readme_for_students.md"
INSTALLERS = ("pyproject.toml", "constraints.txt", "environment.yml", "LICENSE")


class LeakError(RuntimeError):
    """An answer would have been handed out; the message says where it stands."""


def contents(lab: str) -> dict[str, bytes]:
    """Path in the bundle -> content."""
    files = {}
    for path in (build.ROOT / "labs" / lab).iterdir():
        files[f"labs/{lab}/{path.name}"] = path.read_bytes()
    for path in (build.ROOT / "pruninglab").rglob("*"):
        inside = path.relative_to(build.ROOT)
        if path.is_file() and not WITHOUT & set(inside.parts):
            files[str(inside)] = path.read_bytes()
    files |= {name: (build.ROOT / name).read_bytes() for name in INSTALLERS}
    files["environment.yml"] = files["environment.yml"].replace(b".[dev]", b".")
    files["README.md"] = README.read_text().replace("LAB", lab).encode()
    return files


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


def runs(lines: list[str], length: int) -> set[tuple[str, ...]]:
    """All that stand below one another, if there is enough in them to tell.

    >>> runs(["x = torch.ones(3, 3)", "x = x.cumsum(0).flip(0)", "return x / x.sum()"], 3)
    {('x = torch.ones(3, 3)', 'x = x.cumsum(0).flip(0)', 'return x / x.sum()')}
    """
    found = zip(*(lines[i:] for i in range(length)), strict=False)
    return {run for run in found if sum(map(len, run)) > TELLING * length / 2 + TELLING / 2}


def leaks(lab: str, files: dict[str, bytes]) -> list[str]:
    """Where an answer to `lab` stands in `files`; empty if nowhere.

    In its own notebook one telling line of a solution is too much. Elsewhere two in a row are, and
    three of a hidden test: fewer may be what everybody writes.
    """
    solutions = list(secrets(lab, "SOLUTION"))
    single = {line for answer in solutions for line in answer if len(line) > TELLING}
    double = set[tuple[str, ...]]().union(*(runs(answer, 2) for answer in solutions))
    triple = set[tuple[str, ...]]().union(*(runs(t, 3) for t in secrets(lab, "HIDDEN TESTS")))
    found = []
    for name, content in files.items():
        lines = lines_of(name, content)
        own = single if name.startswith("labs/") and name.endswith(".ipynb") else set()
        found += [f"{name}: {x}" for x in lines if x in own]
        told = runs(lines, 2) & double | runs(lines, 3) & triple
        found += [f"{name}: {' / '.join(run)}" for run in sorted(told)]
    return found


def bundle(lab: str, target: Path) -> Path:
    """Write the bundle of a lab.

    Raises:
        LeakError: an answer is inside; then nothing is written.
    """
    files = contents(lab)
    if found := leaks(lab, files):
        raise LeakError("an answer would be handed out:\n" + "\n".join(found))
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            # A fixed date: the same sources make the same bytes.
            archive.writestr(zipfile.ZipInfo(f"{lab}/{name}", (2026, 1, 1, 0, 0, 0)), content)
    return target


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Make what students get of a lab.")
    parser.add_argument("lab", choices=list(build.LABS))
    lab = parser.parse_args().lab
    try:
        target = bundle(lab, build.ROOT / "build" / f"{lab}.zip")
    except LeakError as error:
        sys.exit(f"error: {error}")
    print(f"{target}: {target.stat().st_size / 2**20:.1f} MiB, no answer inside")


if __name__ == "__main__":
    main()
