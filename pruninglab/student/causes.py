"""Why a cell fails: by itself, or because it uses what an earlier cell should have made.

Who has not written an exercise yet sees an error in every cell that uses it. Those are not errors
to look for, so they are told apart: from top to bottom it is followed which names a cell uses, and
which it makes.
"""

from __future__ import annotations

import symtable
from collections.abc import Collection, Iterator

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from pruninglab.student.completeness import grade_id, place
from pruninglab.student.fresh_run import Run


def names(source: str) -> tuple[set[str], set[str]]:
    """The names that a cell uses, and those that it makes; a function's own are left out.

    >>> used, made = names("def f(x):\\n    y = a * x\\n    return y\\nb = f(c)")
    >>> sorted(used), sorted(made)
    (['a', 'c', 'f'], ['b', 'f'])
    """
    try:
        code = TransformerManager().transform_cell(source)
        top = symtable.symtable(code, "a cell", "exec")
    except SyntaxError:
        return set(), set()
    inner = {s.get_name() for table in nested(top) for s in table.get_symbols() if s.is_global()}
    used = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
    made = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    return used | inner, made


def nested(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """The functions and classes inside, and those inside of them."""
    for child in table.get_children():
        yield child
        yield from nested(child)


def causes(nb: NotebookNode, ran: Run, unwritten: Collection[str]) -> dict[int, set[str]]:
    """Why each cell that ended with an error did so.

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
        used, made = names(cell.source)
        why = set().union(*(broken.get(name, set()) for name in used))
        exercise = grade_id(cell).removeprefix("test_")
        if index in ran.errors:
            found[index] = why = why or {exercise or place(index)}
        if exercise in unwritten:
            why = {exercise}
        elif exercise and index not in ran.errors and grade_id(cell) != exercise:
            why = set()  # its check passes
        broken |= dict.fromkeys(made | {exercise}, why)
    return found
