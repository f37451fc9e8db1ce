"""Sample submissions: a released notebook, with its solution cells filled in."""

from __future__ import annotations

import copy
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Collection, Mapping
from types import GenericAlias, ModuleType
from typing import Any

from nbformat import NotebookNode

from pruninglab.notebook import used


def globals_of(function: Callable) -> dict[str, Any]:
    """Return the global names in a function's (or class's) source -> values; no aliases of types.

    >>> globals_of(globals_of)["GenericAlias"] is GenericAlias
    True
    """
    names = used(textwrap.dedent(inspect.getsource(function)))
    values = vars(sys.modules[inspect.unwrap(function).__module__])
    return {n: v for n, v in values.items() if n in names and not isinstance(v, GenericAlias)}


def statement(name: str, value: Any) -> str:
    """Write a line of code that gives `value` the name `name`."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}"
    if hasattr(value, "__module__"):
        return f"from {value.__module__} import {value.__qualname__} as {name}"
    return f"{name} = {value!r}"


def lab_of(thing: Any) -> str:
    """Of which lab a function is (the folder of its module); an empty string if of none."""
    home, _, inside = (getattr(thing, "__module__", None) or "").partition(".")
    return inside.partition(".")[0] if home == "solutions" else ""


def code_of(name: str, function: Callable, present: Collection[str] = ()) -> list[str]:
    """Write what a notebook needs for `function` to work there, and the function, as `name`.

    Args:
        name: what it is called in the notebook.
        function: a function of a module, which may use the module's imports and helpers, and
            another module of the solutions by its name (`structures.global_masks`). What it
            imports from earlier labs comes from the notebook's toolbox.
        present: functions that the notebook has anyway.
    """
    source = re.sub(r"^ *### (BEGIN|END) SOLUTION\n", "", inspect.getsource(function), flags=re.M)
    source = re.sub(rf"\b{function.__name__}\b", name, source).rstrip()
    needed = []
    for global_name, value in globals_of(function).items():
        if isinstance(value, ModuleType) and value.__name__.startswith("solutions."):
            for right in re.findall(rf"\b{global_name}\.(\w+)", source):
                needed += code_of(f"right_{right}", getattr(value, right), present)
            source = re.sub(rf"\b{global_name}\.(\w+)", r"right_\1", source)
        elif lab_of(value) not in ("", lab_of(function)):
            toolbox = f"pruninglab.labs.{lab_of(function).partition('_')[2]}.toolbox"
            needed.append(f"from {toolbox} import {value.__qualname__} as {global_name}")
        elif lab_of(value) and value.__module__ != function.__module__:
            needed += code_of(global_name, value, present)
        elif getattr(value, "__module__", None) != function.__module__:
            needed.append(statement(global_name, value))
        elif global_name not in present and value is not function:
            own = value.__module__.endswith(".mistakes") or not lab_of(value)
            new = global_name if own else f"right_{global_name}"  # the student's may be a mistake
            needed += code_of(new, value, present)
            source = re.sub(rf"\b{global_name}\b", new, source)
    return [*needed, source]


def cell_source(name: str, function: Callable, present: Collection[str]) -> str:
    """Write a solution cell; annotations need not be known in the notebook."""
    parts = dict.fromkeys(code_of(name, function, present))  # each helper once
    return "\n\n".join(["from __future__ import annotations", *parts])


def fill(
    notebook: NotebookNode,
    functions: Mapping[str, Callable],
    answers: Mapping[str, str] | None = None,
    *,
    alone: bool = False,
) -> NotebookNode:
    """Copy a released notebook, and fill it in as a student would.

    Args:
        notebook: as nbgrader released it.
        functions: exercise -> the function that the student wrote for it, under any name.
        answers: grade_id of a free response -> its text.
        alone: other exercises that a function calls come along with it, right ones, so that what
            the student wrote for those does not matter.

    Raises:
        ValueError: the notebook has no cell for one of them.
    """
    filled = copy.deepcopy(notebook)
    metas = [cell.metadata.get("nbgrader", {}) for cell in filled.cells]
    cells = {
        meta["grade_id"]: cell
        for meta, cell in zip(metas, filled.cells, strict=True)
        if meta.get("solution")
    }
    present = () if alone else tuple(cells)
    texts = {name: cell_source(name, f, present) for name, f in functions.items()}
    texts |= answers or {}
    if unknown := set(texts) - set(cells):
        raise ValueError(f"the notebook has no cell to fill in for: {', '.join(sorted(unknown))}")
    for name, text in texts.items():
        cells[name].source = text
    return filled
