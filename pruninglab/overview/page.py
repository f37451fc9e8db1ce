"""The start page, labs/START.md: the labs, what each is about, how long it takes, what is done."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pruninglab.files import write
from pruninglab.notebook import ANSWER_STUB, grade_id
from pruninglab.notebook_file import Unreadable, read_notebook
from pruninglab.overview.manifest import lab_folders, manifest, points_of
from pruninglab.overview.progress import Progress, so_far

PAGE = """\
# Pruning neural networks: the labs

{table}

Click a lab to open it. Reload this page (F5) to see what you have done since.

{details}

## How a lab works

Replace the line that raises an error, run the cell (Shift+Enter), run the
check under it. A check says what went in, what was expected, what came out and, if it knows your
mistake, what to look at. Its points count when the hidden tests pass too; answers in words are
marked by hand.

## Before you hand in

Save the notebook (Ctrl+S), run its last cell and click. Or, in a terminal (*File → New →
Terminal*), one of:

```
{commands}
```

It runs the whole notebook by itself, looks for what would cost you points, and packs what you hand
in.

On a projector, or in the dark: *Settings → Theme*; Ctrl and + enlarges everything.
"""


def page(labs: Path) -> str:
    """Return the start page, in Markdown."""
    folders = lab_folders(labs)
    entries = [(folder, manifest(folder), done(folder)) for folder in folders]
    rows = ["| lab | what it is about | minutes | so far |", "|:--|:--|--:|:--|"]
    rows += [row(folder.name, lab, finished) for folder, lab, finished in entries]
    unfinished = [f.name for f, lab, finished in entries if names_in(lab) - finished]
    details = [
        exercises(lab, finished, unfolded=folder.name in unfinished[:1]) + solutions(folder, lab)
        for folder, lab, finished in entries
    ]
    commands = [f"{python()} -m pruninglab submit {quoted(folder)}" for folder in folders]
    return PAGE.format(
        table="\n".join(rows), details="\n".join(details), commands="\n".join(commands)
    )


def done(folder: Path) -> set[str]:
    """Return the exercises whose checks pass, and the questions with an answer, in a lab."""
    return Progress(folder).stored() | answered(folder / f"{folder.name}.ipynb")


def answered(file: Path) -> set[str]:
    """Return the answers in words that are written in a notebook, as it was saved."""
    try:
        cells = read_notebook(file.name, file.read_bytes())["cells"]
    except (OSError, Unreadable):
        return set()
    return {
        grade_id(cell)
        for cell in cells
        if cell["cell_type"] == "markdown" and cell["source"].strip() not in ("", ANSWER_STUB)
    }


def names_in(lab: dict[str, Any]) -> set[str]:
    """Return the names of a lab's exercises and questions."""
    return {*points_of(lab), *(cell["name"] for cell in lab["cells"] if cell["kind"] == "answer")}


def row(name: str, lab: dict[str, Any], finished: Collection[str]) -> str:
    """Return a lab's row in the table.

    >>> lab = {"title": "Lab 1 · A", "about": "What?", "minutes": 90, "cells": []}
    >>> row("01_a", lab, []).split("|")[1:4]
    [' [Lab\xa01\xa0·\xa0A](01_a/01_a.ipynb) ', ' What? ', ' 90 ']
    """
    so = so_far(finished, points_of(lab))
    questions = {cell["name"] for cell in lab["cells"] if cell["kind"] == "answer"}
    if questions:
        so += f", {len(questions & {*finished})} of {len(questions)} answers"
    title, so = (text.replace(" ", "\N{NO-BREAK SPACE}") for text in (lab["title"], so))
    return f"| [{title}]({name}/{name}.ipynb) | {lab['about']} | {lab['minutes']} | {so} |"


def exercises(lab: dict[str, Any], finished: Collection[str], unfolded: bool) -> str:
    """Return the exercises of a lab, to unfold; their minutes add up to the lab's."""
    lines = ["| | exercise | you write | points | minutes |", "|:--|:--|:--|--:|--:|"]
    left, heading = lab["minutes"], ""
    for cell in lab["cells"]:
        if cell["kind"] == "solution":
            continue
        name = cell["name"].removeprefix("test_")
        # Exercises with several functions have one time for all of them.
        minutes = cell["minutes"] if cell["heading"] != heading else 0
        heading, left = cell["heading"], left - minutes
        tick = "" if name not in finished else "✔"
        if tick:
            tick += " written" if cell["kind"] == "answer" else " passed"
        what = "an answer in words" if cell["kind"] == "answer" else f"`{name}`"
        lines.append(f"| {tick} | {heading} | {what} | {cell['points']} | {minutes or ''} |")
    if left > 0:
        lines.append(f"| | reading, and running what is given | | | {left} |")
    opening = "<details open>" if unfolded else "<details>"
    summary = f"{opening}<summary>{lab['title']}: what you build</summary>"
    return "\n".join([summary, "", *lines, "", "</details>"])


def solutions(folder: Path, lab: dict[str, Any]) -> str:
    """Return the model solutions of a lab, to unfold; nothing before the instructor gives them."""
    file = folder / "SOLUTIONS.md"
    if not file.is_file():
        return ""
    text = file.read_text(encoding="utf-8").partition("\n")[2].strip()  # without its title
    summary = f"<details><summary>{lab['title']}: model solutions</summary>"
    return "\n".join(["\n", summary, "", text, "", "</details>"])


def quoted(folder: Path) -> str:
    """Return the path of a folder as it is typed in a terminal."""
    path = str(folder.resolve())
    return f'"{path}"' if " " in path else path


def python() -> str:
    """Return how to call this Python from a terminal in any folder."""
    if " " not in sys.executable:
        return sys.executable
    return f'& "{sys.executable}"' if sys.platform == "win32" else f'"{sys.executable}"'


def write_page(labs: Path) -> Path:
    """Write labs/START.md; return its path."""
    file = labs / "START.md"
    write(file, page(labs))
    return file


def note(progress: Progress, exercise: str, passed: bool) -> str:
    """Note how a check ended, and rewrite the start page if there is one; return what to show."""
    shown = progress.note(exercise, passed)
    if progress.kept:
        with contextlib.suppress(OSError):  # a full disk is no reason to fail a check
            write_page(progress.folder.parent)
    return shown
