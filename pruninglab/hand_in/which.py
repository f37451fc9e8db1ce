"""Which file this notebook is, and whether it looks saved."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython

from pruninglab.notebook import defined
from pruninglab.overview.manifest import PACKAGE, read

VS_CODE = "__vsc_ipynb_file__"  # a name that it gives each kernel


def this_notebook() -> Path:
    """Find the file of this notebook: what the editor says, else the lab's name where we began.

    The kernel's folder of today may be another: `%cd` goes there. If neither is there, return that
    folder or file all the same, for `submit` to say what is missing.
    """
    shell = get_ipython()
    said = shell.user_ns.get(VS_CODE) if shell else None
    said = said or os.environ.get("JPY_SESSION_NAME")  # Jupyter's; the old one after a renaming
    began = Path(shell.starting_dir if shell else "")
    lab = began / (f"{labs[0]}.ipynb" if len(labs := imported_labs()) == 1 else "")
    return began / said if said and (began / said).is_file() else lab


def imported_labs() -> list[str]:
    """List the labs whose checks this kernel has imported."""
    modules = (re.fullmatch(r"pruninglab\.labs\.(\w+)", name) for name in list(sys.modules))
    labs = [read(PACKAGE / module[1]).get("lab", "") for module in modules if module]
    return [lab for lab in labs if lab]


def running_cell() -> str:
    """Return the id of the cell that runs, as JupyterLab says it; empty where none is said."""
    shell = get_ipython()
    if shell is None or VS_CODE in shell.user_ns:  # whose ids are not those in the file
        return ""
    parent = getattr(shell, "parent_header", None) or {}
    return str((parent.get("metadata") or {}).get("cellId") or "")


def doubts(file: Path, cell: str) -> Iterator[str]:
    """Say why a saved notebook may not be what is on the screen; nothing if all looks well.

    What was typed but not run cannot be seen from here.

    Args:
        file: the notebook.
        cell: the id of a cell that it should have, or "".
    """
    cells = saved_cells(file)
    ids = {saved.get("id") for saved in cells}
    if cell and ids - {None} and cell not in ids:
        yield f"{file.name} as it was saved does not have the cell with this button."
    ran = {name: source for source in history() for name in defined(source)}
    saved = {name: source for source in map(code, cells) for name in defined(source)}
    other = [x for x in saved if x in ran and saved[x].strip() != ran[x].strip()]
    if other:
        yield f"{file.name} as it was saved has another {', '.join(other)} than you ran last."


def saved_cells(file: Path) -> list[dict[str, Any]]:
    """Read a notebook's cells; none if it is no notebook: `submit` says so."""
    with suppress(OSError, ValueError, RecursionError):
        tree = json.loads(file.read_bytes())
        cells = tree.get("cells") if isinstance(tree, dict) else None
        return [cell for cell in cells if isinstance(cell, dict)] if cells else []
    return []


def code(cell: dict[str, Any]) -> str:
    """Return the text of a code cell, which files keep in one piece or in lines."""
    source = cell.get("source", "") if cell.get("cell_type") == "code" else ""
    return source if isinstance(source, str) else "".join(map(str, source))


def history() -> list[str]:
    """List what was run in this kernel, in order."""
    manager = getattr(get_ipython(), "history_manager", None)
    return list(manager.input_hist_raw) if manager else []
