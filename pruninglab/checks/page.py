"""The start page, labs/START.md: the labs, what each is about, how long it takes, what is done."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pruninglab.checks.manifest import manifest, points_of
from pruninglab.checks.progress import Progress, so_far
from pruninglab.files import write

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

*Kernel → Restart Kernel and Run All Cells…*, then save (Ctrl+S). Then, in a
terminal (*File → New → Terminal*):

```
{command}
```

It looks for what would cost you points, and packs what you hand in.

On a projector, or in the dark: *Settings → Theme*; Ctrl and + enlarges everything.
"""


def page(labs: Path) -> str:
    """The start page, in Markdown."""
    folders = sorted(path.parent for path in labs.glob("*/manifest.json"))
    entries = [(folder, manifest(folder), Progress(folder).stored()) for folder in folders]
    rows = ["| lab | what it is about | minutes | so far |", "|:--|:--|--:|:--|"]
    rows += [row(folder.name, lab, passed) for folder, lab, passed in entries]
    unfinished = [f.name for f, lab, passed in entries if points_of(lab).keys() - passed]
    details = [
        exercises(lab, passed, unfolded=folder.name in unfinished[:1])
        for folder, lab, passed in entries
    ]
    command = f"{python(labs.parent)} -m pruninglab.student.submit {(unfinished or ['LAB'])[0]}"
    return PAGE.format(table="\n".join(rows), details="\n".join(details), command=command)


def row(name: str, lab: dict[str, Any], passed: Collection[str]) -> str:
    """A lab in the table.

    >>> lab = {"title": "Lab 1 · A", "about": "What?", "minutes": 90, "cells": []}
    >>> row("01_a", lab, []).split("|")[1:4]
    [' [Lab\xa01\xa0·\xa0A](01_a/01_a.ipynb) ', ' What? ', ' 90 ']
    """
    title, done = (x.replace(" ", "\N{NO-BREAK SPACE}") for x in (
        lab["title"], so_far(passed, points_of(lab)),
    ))  # fmt: skip
    return f"| [{title}]({name}/{name}.ipynb) | {lab['about']} | {lab['minutes']} | {done} |"


def exercises(lab: dict[str, Any], passed: Collection[str], unfolded: bool) -> str:
    """The exercises of a lab, to unfold."""
    lines = ["| | exercise | you write | points |", "|:--|:--|:--|--:|"]
    for cell in lab["cells"]:
        name = cell["name"].removeprefix("test_")
        done, what = ("✔ passed" if name in passed else ""), f"`{name}`"
        if cell["kind"] == "answer":
            done, what = "", "an answer in words"
        if cell["kind"] != "solution":
            time = f" ({cell['minutes']} minutes)" if cell["minutes"] else ""
            lines.append(f"| {done} | {cell['heading']}{time} | {what} | {cell['points']} |")
    opening = "<details open>" if unfolded else "<details>"
    summary = f"{opening}<summary>{lab['title']}: what you build</summary>"
    return "\n".join([summary, "", *lines, "", "</details>"])


def python(root: Path) -> str:
    """How to call this Python from a terminal in `root`."""
    here = Path(sys.executable)
    return str(here.relative_to(root) if here.is_relative_to(root) else here)


def write_page(labs: Path) -> Path:
    """Write labs/START.md; returns its path."""
    file = labs / "START.md"
    write(file, page(labs))
    return file


def note(progress: Progress, exercise: str, passed: bool) -> str:
    """Note how a check ended, and rewrite the start page if there is one; returns what to show."""
    shown = progress.note(exercise, passed)
    if progress.kept:
        with contextlib.suppress(OSError):  # a full disk is no reason to fail a check
            write_page(progress.folder.parent)
    return shown
