"""Is a notebook ready to be handed in? What `pruninglab.submit` looks at, in plain words.

First at the notebook as it was saved: is every graded cell there, once, under its name? Then at
what it does when it runs from top to bottom in a fresh kernel, in a folder that has only what the
lab came with, within the limits of grading.
"""

from __future__ import annotations

import ast
import copy
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbgrader.utils import compute_checksum
from tqdm import tqdm

from pruninglab.doctor import Finding
from pruninglab.progress import points_of, so_far

CELL, TOTAL = 60, 300  # seconds: what grading allows a cell, and all graded cells together
LONGEST, ALL = 600, 1800  # seconds for a cell that brings no points, and for the notebook
RESTART = "Kernel > Restart Kernel and Run All Cells..., save, then again"


class OutOfTimeError(Exception):
    """The whole notebook took too long."""


# --- the notebook as it was saved ----------------------------------------------------------------


def grade_id(cell: NotebookNode) -> str:
    """nbgrader's name of a cell, or an empty string."""
    meta = cell.metadata.get("nbgrader", {})
    return str(meta.get("grade_id", "")) if isinstance(meta, dict) else ""


def place(index: int) -> str:
    """A cell as JupyterLab's status bar counts it ("Cell 6/72")."""
    return f"cell {index + 1}"


def defined(source: str) -> set[str]:
    """Functions and classes that a cell defines; magics are no obstacle.

    Raises:
        SyntaxError: it is no Python.

    >>> sorted(defined("%matplotlib inline\\ndef f(): pass\\nclass C: pass"))
    ['C', 'f']
    """
    body = ast.parse(TransformerManager().transform_cell(source)).body
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in body if isinstance(node, kinds)}


def defines(cell: NotebookNode, name: str) -> bool:
    """Whether a code cell defines a function."""
    try:
        return cell.cell_type == "code" and name in defined(cell.source)
    except SyntaxError:
        return False


def unchanged(cell: NotebookNode) -> bool:
    """Whether a graded cell is as it was handed out."""
    try:
        return cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
    except (KeyError, TypeError, ValueError):  # its metadata was changed
        return False


def structure(nb: NotebookNode, lab: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong with the graded cells.

    Args:
        nb: the notebook.
        lab: its manifest (`progress.manifest`).
    """
    known = {cell["name"] for cell in lab["cells"]}
    for entry in lab["cells"]:
        copies = [i for i, cell in enumerate(nb.cells) if grade_id(cell) == entry["name"]]
        if len(copies) == 1:
            yield from content(nb, copies[0], entry)
        elif copies:
            yield duplicated(copies, entry)
        else:
            yield missing(nb, entry, known)


def duplicated(copies: list[int], entry: dict[str, Any]) -> Finding:
    """A graded cell that is there more than once."""
    where = " and ".join(map(place, copies))
    text = f"{entry['heading']}: the cell {entry['name']!r} is there {len(copies)} times ({where})"
    return Finding("wrong", text, "keep the one that you want to be graded, and delete the others")


def missing(nb: NotebookNode, entry: dict[str, Any], known: set[str]) -> Finding:
    """A graded cell that is not there, or not under its name."""
    text = f"{entry['heading']}: the cell {entry['name']!r} is missing"
    other = [i for i, c in enumerate(nb.cells) if grade_id(c) not in known]
    if entry["kind"] == "solution":
        for i in (i for i in other if defines(nb.cells[i], entry["name"])):
            text += f"; {place(i)} defines {entry['name']}, but is another cell, or was renamed"
            break
    remedy = "Edit > Undo Cell Operation brings a deleted cell back; else copy your answers into a "
    return Finding("wrong", text, remedy + "fresh copy of the lab's notebook")


def content(nb: NotebookNode, index: int, entry: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong inside a graded cell that is there."""
    cell, what = nb.cells[index], f"{entry['heading']} ({place(index)})"
    wanted = "markdown" if entry["kind"] == "answer" else "code"
    if cell.cell_type != wanted:
        text = f"{what}: {entry['name']!r} is a {cell.cell_type} cell now, and was a {wanted} cell"
        yield Finding("wrong", text, f"click the cell, then choose {wanted.capitalize()} above it")
    elif entry["kind"] == "answer":
        if unchanged(cell) or not cell.source.strip():
            yield Finding("note", f"{what}: not answered yet, {entry['points']} points by hand")
    elif entry["kind"] == "test":
        if not unchanged(cell):
            text = f"{what}: the check was changed; grading uses the original one"
            yield Finding("note", text, f"it should read: check({entry['name'][5:]})")
    elif unchanged(cell):
        yield Finding("note", f"{what}: {entry['name']} is not written yet")
    else:
        yield from function(cell, entry["name"], what)


def function(cell: NotebookNode, name: str, what: str) -> Iterator[Finding]:
    """Whether a solution cell defines its function."""
    try:
        there = defined(cell.source)
    except SyntaxError as error:
        text = f"{what}: line {error.lineno} is no Python: {error.msg}"
        yield Finding("wrong", text, "mend the line; until then the function does not exist")
        return
    if name not in there:
        instead = f", but {', '.join(sorted(there))}" if there else ""
        text = f"{what}: it does not define {name}{instead}"
        yield Finding("wrong", text, f"name your function {name}: the tests call it so")


def out_of_order(nb: NotebookNode) -> str:
    """Where cells were run in another order than they stand; empty if nowhere."""
    ran = [(i, c.execution_count) for i, c in enumerate(nb.cells) if c.get("execution_count")]
    for (i, first), (j, second) in pairwise(ran):
        if second < first:
            return f"{place(j)} was run before {place(i)}, which stands above it"
    return ""


# --- a fresh run ---------------------------------------------------------------------------------


@dataclass
class Run:
    """What came of running a notebook from top to bottom.

    Attributes:
        errors: index of a cell -> its error, in a line.
        seconds: index of a cell -> how long it took.
        ended: why the run ended early; empty if it did not.
    """

    errors: dict[int, str] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    ended: str = ""


def run(nb: NotebookNode, folder: Path, files: list[str]) -> Run:
    """Run a copy of the notebook in a fresh kernel, beside copies of the lab's own files.

    Args:
        nb: the notebook; it stays as it is.
        folder: where the lab is.
        files: what the lab came with, besides the notebook.
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
            found.errors[cell_index] = in_a_line(execute_reply["content"])
        bar.update()

    code = sum(cell.cell_type == "code" for cell in nb.cells)
    with (
        tempfile.TemporaryDirectory() as scratch,
        tqdm(total=code, desc="a fresh run", unit="cell", leave=False) as bar,
    ):
        for name in files:
            if (folder / name).is_file():
                shutil.copy(folder / name, scratch)
        try:
            client(copy.deepcopy(nb), scratch, start, end).execute()
        except DeadKernelError:
            found.ended = f"{place(current)} ended Python itself (too much memory, or an exit?)"
        except OutOfTimeError:
            found.ended = f"the notebook had not ended after {ALL} s"
    return found


def client(nb: NotebookNode, folder: str, start: Callable, end: Callable) -> NotebookClient:
    """What runs a notebook; a cell that takes too long is interrupted, and the next one runs."""
    return NotebookClient(
        nb,
        kernel_name="python3",
        resources={"metadata": {"path": folder}},
        timeout_func=lambda cell: CELL if grade_id(cell) else LONGEST,
        interrupt_on_timeout=True,
        error_on_timeout={"status": "error", "ename": "CellTimeoutError", "evalue": ""},
        allow_errors=True,
        extra_arguments=["--log-level=ERROR"],
        on_cell_execute=start,
        on_cell_executed=end,
    )


def in_a_line(error: dict[str, Any]) -> str:
    """An error that a cell ended with, without colours."""
    name, text = error["ename"], str(error.get("evalue", ""))
    if name == "CellTimeoutError":
        return f"it took longer than {CELL} s"
    text = text if name == "WrongAnswer" else f"{name}: {text}"
    return re.sub(r"\x1b\[[\d;]*m", "", text).strip().split("\n")[0]


def outcome(nb: NotebookNode, lab: dict[str, Any], ran: Run) -> Iterator[Finding]:
    """What is to be said of a fresh run."""
    total = sum(ran.seconds.values())
    if ran.ended:
        yield Finding("wrong", f"a fresh run did not end: {ran.ended}", "look at this cell")
    graded = {i: t for i, t in ran.seconds.items() if grade_id(nb.cells[i])}
    if sum(graded.values()) > TOTAL:
        text = f"the graded cells take {sum(graded.values()):.0f} s; grading allows {TOTAL} s"
        slowest = max(graded, key=lambda i: graded[i])
        yield Finding("wrong", text, f"{place(slowest)} takes most of it: make it faster")
    stale = [i for i in ran.errors if worked(nb.cells[i]) and not ran.ended]
    for i in stale:
        text = f"{named(nb, i)}: in your notebook it works, in a fresh run not: {ran.errors[i]}"
        yield Finding("wrong", text, RESTART)
    if not stale and (where := out_of_order(nb)):
        yield Finding("note", f"{where}; a fresh run from top to bottom does not mind")
    yield from checks(nb, lab, ran, stale)
    if not ran.ended:
        yield Finding("ready", f"runs from top to bottom in {total:.0f} s")


def worked(cell: NotebookNode) -> bool:
    """Whether a cell was run and ended without an error when it was saved."""
    return bool(cell.get("execution_count")) and not any(
        out.output_type == "error" for out in cell.outputs
    )


def named(nb: NotebookNode, index: int) -> str:
    """A cell by its number and, if it has one, its name."""
    name = grade_id(nb.cells[index])
    return f"{place(index)} ({name})" if name else place(index)


def checks(nb: NotebookNode, lab: dict[str, Any], ran: Run, stale: list[int]) -> Iterator[Finding]:
    """Which checks pass, and which other cells end with an error."""
    names, points = [grade_id(cell) for cell in nb.cells], points_of(lab)
    errors = {i: text for i, text in ran.errors.items() if i not in stale}
    tests = {name: names.index(f"test_{name}") for name in points if f"test_{name}" in names}
    for index in (i for i in errors if names[i]):
        state = "note" if index in tests.values() else "wrong"
        if not errors[index].startswith(("SyntaxError", "IndentationError")):  # was said before
            yield Finding(state, f"{named(nb, index)}: {errors[index]}")
    if others := [i for i in errors if not names[i]]:
        first = f"{place(others[0])}: {errors[others[0]]}"
        yield Finding("note", f"{len(others)} cells without points end with an error; {first}")
    passed = [x for x, i in tests.items() if i in ran.seconds and i not in ran.errors]
    text = f"{len(passed)} of {len(points)} checks pass: {so_far(passed, points)}"
    yield Finding("ready" if len(passed) == len(points) else "note", text)
