"""Why a cell fails: by itself, or because it uses what an earlier cell should have made.

While an exercise is not written, every cell that uses it ends with an error. There is nothing to
mend in those cells, so they are told apart: from top to bottom, which names does each cell use, and
which does it make?
"""

from __future__ import annotations

from collections.abc import Collection

from nbformat import NotebookNode

from pruninglab.notebook import bound, grade_id, place, used
from pruninglab.student.fresh_run import Run


def causes(nb: NotebookNode, ran: Run, unwritten: Collection[str]) -> dict[int, set[str]]:
    """Say why each cell that ended with an error did so.

    Args:
        nb: the notebook.
        ran: how it ran.
        unwritten: exercises that are not written yet.

    Returns:
        Index of the cell -> the exercises that it needs and that do not work, or the place of
        another cell that does not ("cell 2"); its own exercise, or place, if it fails by itself.
    """
    found: dict[int, set[str]] = {}
    broken: dict[str, set[str]] = {}  # name -> why it is not what it should be
    for index, cell in enumerate(nb.cells):
        if cell.cell_type != "code":
            continue
        made = bound(cell.source)
        why = set().union(*(broken.get(name, set()) for name in used(cell.source)))
        exercise = grade_id(cell).removeprefix("test_")
        if index in ran.errors:
            found[index] = why = why or {exercise or place(index)}
        if exercise in unwritten:
            why = {exercise}
        elif exercise and index not in ran.errors and grade_id(cell) != exercise:
            why = set()  # its check passes
        broken |= dict.fromkeys(made | {exercise}, why)
    return found
