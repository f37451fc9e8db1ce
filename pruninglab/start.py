"""Open JupyterLab on a start page: `python -m pruninglab.start` (`make lab`).

The page, labs/START.md, shows the labs, what each is about, how long it takes, and what is done so
far. It is written anew at each start and after each check that runs in a lab. What follows on the
command line goes to JupyterLab (`python -m pruninglab.start --no-browser`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pruninglab.files import write
from pruninglab.progress import Progress, find_labs, manifest, points_of, so_far

CONFIG = Path(__file__).parent / "assets" / "jupyter"  # JupyterLab's settings for the course
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
    command = f"{python(labs.parent)} -m pruninglab.submit {(unfinished or ['LAB'])[0]}"
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


def main() -> None:
    """Write the page, and become JupyterLab."""
    try:
        labs = find_labs()
    except FileNotFoundError as error:
        sys.exit(f"error: {error}")
    write_page(labs)
    os.chdir(labs.parent)
    others = os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [str(CONFIG), others]))
    options = ["--LabApp.default_url=/lab/tree/labs/START.md", *sys.argv[1:]]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # a container: there is nobody else
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(options)


if __name__ == "__main__":
    main()
