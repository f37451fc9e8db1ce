"""What a lab asks for: its `manifest.json` in the package, made by the build.

It ships to students, and holds no answer. The start page and the points after a check are made of
it, and `pruninglab.student.submit` knows from it which cells a notebook must have.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

# "## Exercise 1 · The small weights  (10 minutes, 3 points)", "**Explain** (2 points): ..."
HEADING = re.compile(
    r"^(?:#+ +|\*\*)([^*(\n]+?)[*. ]*\((?:(\d+) minutes?, )?\d+ points?\)", flags=re.M
)


def manifest(lab: str, nb: NotebookNode, folder: Path) -> dict[str, Any]:
    """The manifest of a lab.

    Args:
        lab: its name, e.g. 01_structures.
        nb: its notebook with solutions, not executed (`build.notebook`).
        folder: of the notebook; what else is in it ships, too.

    Returns:
        lab, title, about (a sentence), minutes, files (what ships beside the notebook), and the
        graded cells in their order; see `cells`.
    """
    text = next((cell.source for cell in nb.cells if is_text(cell)), "")
    return {
        "lab": lab,
        "title": first(r"^# (.+)$", text),
        "about": first(r"^\*\*(.+?)\*\*$", text),
        "minutes": minutes(text),
        "files": sorted(path.name for path in folder.iterdir() if ships(path)),
        "cells": cells(nb),
    }


def ships(path: Path) -> bool:
    """Whether a file beside the notebook goes to students."""
    return path.is_file() and path.suffix != ".ipynb" and not path.name.startswith(".")


def first(pattern: str, text: str) -> str:
    """What the group of a pattern finds first in the lines of a text; empty if nothing.

    >>> first(r"^# (.+)$", "# Lab 1 · Structures\\n# More")
    'Lab 1 · Structures'
    """
    found = re.search(pattern, text, flags=re.M)
    return found.group(1) if found else ""


def minutes(text: str) -> int:
    """The sum of the column "minutes" of a table in Markdown.

    >>> minutes("| part | minutes | points |\\n|---|---|---|\\n| a | 45 | 3 |\\n| b | 30 | 4 |")
    75
    """
    rows = [[x.strip() for x in line.strip("| ").split("|")] for line in text.splitlines()]
    heads = next((row for row in rows if "minutes" in row), None)
    if heads is None:
        return 0
    column = heads.index("minutes")
    numbers = [row[column] for row in rows if len(row) == len(heads)]
    return sum(int(x) for x in numbers if x.isdigit())


def cells(nb: NotebookNode) -> list[dict[str, Any]]:
    """The graded cells of a lab.

    Returns:
        For each: name (its grade_id), kind ("solution", "test", or "answer": a free response),
        points (0 for a solution: its test has them), heading and minutes of its exercise.
    """
    found, heading, time = [], "Exercise", 0
    for cell in nb.cells:
        meta = cell.metadata.get("nbgrader")
        if meta is None:
            for title, stated in HEADING.findall(cell.source if is_text(cell) else ""):
                heading, time = title, int(stated or 0)
            continue
        kind = "test" if not meta.solution else "answer" if meta.grade else "solution"
        entry = {"name": meta.grade_id, "kind": kind, "points": meta.get("points", 0)}
        found.append(entry | {"heading": heading, "minutes": time})
    return found


def is_text(cell: NotebookNode) -> bool:
    """Whether it is a cell of prose."""
    return cell.cell_type == "markdown"
