"""What a notebook does when it runs from top to bottom in a fresh kernel.

In a folder that has only what the lab came with, within the limits of grading: so what works here
does not depend on the order in which cells were run, or on files that nobody hands in.
"""

from __future__ import annotations

import copy
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode

from pruninglab.limits import Limits
from pruninglab.notebook import grade_id, place, runnable
from pruninglab.student.view import TERMINAL, View

CELL, TOTAL = Limits.cell, Limits.total  # seconds for a cell, and for all graded cells together
LONGEST, ALL = 600, 1800  # seconds for a cell that brings no points, and for the notebook
TOO_LONG = "it took longer than"
# What was beside a notebook before the package had it: such notebooks import it from there.
BESIDE = ("probes.py", "toolbox.py", "expected.json", "manifest.json")


class OutOfTimeError(Exception):
    """The whole notebook took too long."""


@dataclass
class Run:
    """What came of running a notebook from top to bottom.

    Attributes:
        errors: index of a cell -> its error, in a line.
        seconds: index of a cell -> how long it took.
        ended: why the run ended early; empty if it did not.
        remedy: what to do about that.
    """

    errors: dict[int, str] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    ended: str = ""
    remedy: str = ""


def run(
    nb: NotebookNode,
    folder: Path,
    files: list[str],
    view: View = TERMINAL,
    given: Mapping[str, bytes] | None = None,
) -> Run:
    """Run a copy of the notebook in a fresh kernel, beside copies of the lab's own files.

    Args:
        nb: the notebook; it stays as it is.
        folder: where the lab is.
        files: what the lab came with, besides the notebook.
        view: shows how far it is.
        given: what grading puts beside it, by name, whatever the folder has.
    """
    found, began, current = Run(), 0.0, 0

    def start(cell: NotebookNode, cell_index: int) -> None:
        nonlocal began, current
        began, current = time.monotonic(), cell_index
        if sum(found.seconds.values()) > ALL:
            raise OutOfTimeError

    def end(cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        found.seconds[cell_index] = time.monotonic() - began
        if execute_reply["content"]["status"] == "error":
            found.errors[cell_index] = in_a_line(execute_reply["content"], limit(cell))
        tick()

    code = sum(cell.cell_type == "code" for cell in nb.cells)
    with (
        tempfile.TemporaryDirectory() as scratch,
        view.bar(code) as tick,
    ):
        for name in (*files, *BESIDE):
            if (folder / name).is_file():
                shutil.copy(folder / name, scratch)
        for name, content in (given or {}).items():
            Path(scratch, name).write_bytes(content)
        again = copy.deepcopy(nb)
        for cell in again.cells:  # grading runs what is under %%timeit, too
            cell.source = runnable(cell.source) if cell.cell_type == "code" else cell.source
        try:
            client(again, scratch, start, end).execute()
        except DeadKernelError:
            found.ended = f"{place(current)} ended Python itself (too much memory, or an exit?)"
            found.remedy = "look at this cell"
        except OutOfTimeError:
            slowest = max(found.seconds, key=lambda i: found.seconds[i])
            found.ended = f"after {ALL} s it had only come to {place(current)}"
            faster = f"make the slowest cells faster ({place(slowest)} took longest)"
            found.remedy = f"{faster}, or clear those that you do not need"
    return found


def client(nb: NotebookNode, folder: str, start: Callable, end: Callable) -> NotebookClient:
    """Make what runs a notebook; it interrupts a cell that takes too long, and runs the next."""
    return NotebookClient(
        nb,
        kernel_name="python3",
        resources={"metadata": {"path": folder}},
        timeout_func=limit,
        interrupt_on_timeout=True,
        error_on_timeout={"status": "error", "ename": "CellTimeoutError", "evalue": ""},
        allow_errors=True,
        extra_arguments=["--log-level=ERROR"],
        on_cell_execute=start,
        on_cell_executed=end,
    )


def limit(cell: NotebookNode) -> float:
    """Return how many seconds a cell may take."""
    return CELL if grade_id(cell) else LONGEST


def in_a_line(error: dict[str, Any], seconds: float) -> str:
    """An error that a cell ended with, without colours.

    >>> in_a_line({"ename": "NameError", "evalue": "name 'x' is not defined\\n..."}, 60)
    "NameError: name 'x' is not defined"
    """
    name, text = error["ename"], str(error.get("evalue", ""))
    if name == "CellTimeoutError":
        return f"{TOO_LONG} {seconds} s"
    text = text if name == "WrongAnswer" else f"{name}: {text}"
    return re.sub(r"\x1b\[[\d;]*m", "", text).strip().split("\n")[0]
