"""Is a notebook, as it was saved, complete? Every graded cell there, once, under its name.

What it does when it runs is looked at by `fresh_run` and `outcome`; `submit` puts all together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nbformat import NotebookNode
from nbgrader.utils import compute_checksum

from pruninglab.notebook import defined, grade_id, place, syntax_error
from pruninglab.student.findings import Finding

Entry = dict[str, Any]  # a graded cell, as the lab's manifest describes it


def defines(cell: NotebookNode, name: str) -> bool:
    """Say whether a code cell defines a function."""
    return cell.cell_type == "code" and name in defined(cell.source)


def unchanged(cell: NotebookNode) -> bool:
    """Say whether a graded cell is as it was handed out."""
    try:
        return cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
    except (KeyError, TypeError, ValueError):  # its metadata was changed
        return False


def structure(nb: NotebookNode, lab: dict[str, Any]) -> dict[str, list[Finding]]:
    """Say what there is to say about each graded cell, by its name: nothing about most.

    Args:
        nb: the notebook.
        lab: its manifest (`overview.manifest`).
    """
    known = {entry["name"] for entry in lab["cells"]}
    return {entry["name"]: list(graded(nb, entry, known)) for entry in lab["cells"]}


def graded(nb: NotebookNode, entry: Entry, known: set[str]) -> Iterator[Finding]:
    """Check a graded cell: it should be there, and only once."""
    copies = [i for i, cell in enumerate(nb.cells) if grade_id(cell) == entry["name"]]
    if len(copies) == 1:
        yield from content(nb, copies[0], entry)
    elif copies:
        yield duplicated(copies, entry)
    else:
        yield missing(nb, entry, known)


def duplicated(copies: list[int], entry: Entry) -> Finding:
    """Report a graded cell that is there more than once."""
    where = " and ".join(map(place, copies))
    text = f"{entry['heading']}: the cell {entry['name']!r} is there {len(copies)} times ({where})"
    return Finding("wrong", text, "keep the one that you want to be graded, and delete the others")


def missing(nb: NotebookNode, entry: Entry, known: set[str]) -> Finding:
    """Report a graded cell that is not there, or not under its name."""
    text = f"{entry['heading']}: the cell {entry['name']!r} is missing"
    other = [i for i, c in enumerate(nb.cells) if grade_id(c) not in known]
    if entry["kind"] == "solution":
        for i in (i for i in other if defines(nb.cells[i], entry["name"])):
            text += f"; {place(i)} defines {entry['name']}, but is another cell, or was renamed"
            break
    remedy = "Edit > Undo Cell Operation brings a deleted cell back; else copy your answers into a "
    return Finding("wrong", text, remedy + "fresh copy of the lab's notebook")


def content(nb: NotebookNode, index: int, entry: Entry) -> Iterator[Finding]:
    """Say what is wrong inside a graded cell that is there."""
    cell, what = nb.cells[index], f"{entry['heading']} ({place(index)})"
    wanted = "markdown" if entry["kind"] == "answer" else "code"
    if cell.cell_type != wanted:
        text = f"{what}: {entry['name']!r} is a {cell.cell_type} cell now, and was a {wanted} cell"
        yield Finding("wrong", text, f"click the cell, then choose {wanted.capitalize()} above it")
    elif unchanged(cell):
        return
    elif entry["kind"] == "test":
        text = f"{what}: the check was changed; grading uses the original one"
        yield Finding("note", text, f"it should read: check({entry['name'][5:]})")
    elif entry["kind"] == "solution":
        yield from function(cell, entry["name"], what)


def function(cell: NotebookNode, name: str, what: str) -> Iterator[Finding]:
    """Check that a solution cell defines its function."""
    if error := syntax_error(cell.source):
        text = f"{what}: {error}"
        yield Finding("wrong", text, "mend the line; until then the function does not exist")
        return
    there = defined(cell.source)
    if name not in there:
        instead = f", but {', '.join(sorted(there))}" if there else ""
        text = f"{what}: it does not define {name}{instead}"
        yield Finding("wrong", text, f"name your function {name}: the tests call it so")


# --- what is still to be written ------------------------------------------------------------------


def unwritten(nb: NotebookNode, lab: dict[str, Any]) -> list[Entry]:
    """Return the exercises and questions that are as they were handed out, or without text.

    One whose cell is missing is not among them: `structure` says so.
    """
    cells = {grade_id(cell): cell for cell in nb.cells}
    return [
        entry
        for entry in to_write(lab)
        if (cell := cells.get(entry["name"])) is not None
        and (unchanged(cell) or (entry["kind"] == "answer" and not cell.source.strip()))
    ]


def to_write(lab: dict[str, Any]) -> list[Entry]:
    """Return what students write: a lab's exercises and questions."""
    return [entry for entry in lab["cells"] if entry["kind"] != "test"]


def untouched(nb: NotebookNode, lab: dict[str, Any]) -> bool:
    """Say whether nothing at all was written."""
    return bool(to_write(lab)) and unwritten(nb, lab) == to_write(lab)


def left(nb: NotebookNode, lab: dict[str, Any]) -> Iterator[Finding]:
    """In a line each: which exercises, and which answers in words, are not written yet."""
    where = {grade_id(cell): place(index) for index, cell in enumerate(nb.cells)}
    for kind, what in (("solution", "exercises"), ("answer", "answers in words")):
        asked = [entry for entry in to_write(lab) if entry["kind"] == kind]
        todo = [entry for entry in unwritten(nb, lab) if entry["kind"] == kind]
        names = [entry["name"] for entry in todo]
        if kind == "answer":  # a question goes by its heading: its name is shown nowhere
            names = [f"{entry['heading']} ({where[entry['name']]})" for entry in todo]
        if todo:
            count = f"{len(todo)} of {len(asked)} {what} {'is' if len(todo) == 1 else 'are'}"
            yield Finding("note", f"{count} not written yet: {', '.join(names)}")
