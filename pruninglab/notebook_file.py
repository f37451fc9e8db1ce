"""A notebook as some editor has saved it, read the way Jupyter reads it: leniently, but safely.

`submit` and grading read with this, so that what one accepts the other accepts as well.
"""

from __future__ import annotations

import json
from typing import Any

from pruninglab.limits import MAX_NOTEBOOK

MAX_CELLS = 5000
KINDS = ("code", "markdown", "raw")
# What is handed in by mistake, by how it begins: a page comes of a link that asks to log in.
BEGINNINGS = {
    b"<": "a web page (HTML or XML)",
    b"%PDF": "a PDF",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x1f\x8b": "a gzip archive",
    b"#": "a Python script or a text",
}
# What nbformat demands of each kind of output, and editors leave out.
OUTPUTS: dict[str, dict[str, Any]] = {
    "stream": {"name": "stdout", "text": ""},
    "display_data": {"data": {}, "metadata": {}},
    "execute_result": {"data": {}, "metadata": {}, "execution_count": None},
    "error": {"ename": "", "evalue": "", "traceback": []},
}


class Unreadable(Exception):
    """A file that cannot be read as a notebook; the message says why, to teacher and student."""


def read_notebook(name: str, data: bytes) -> dict[str, Any]:
    """Read a notebook: JSON of format 4 in which every cell has what nbformat demands.

    Args:
        name: the file's name, for messages.
        data: its content.

    Raises:
        Unreadable: it is not a notebook.

    >>> read_notebook("a.ipynb", b"{ not really")
    Traceback (most recent call last):
    pruninglab.notebook_file.Unreadable: a.ipynb is no notebook: its JSON is broken (line 1)
    """
    if len(data) > MAX_NOTEBOOK:
        raise Unreadable(f"{name} is larger than {MAX_NOTEBOOK >> 20} MB: clear its outputs")
    if not data.strip():
        raise Unreadable(f"{name} is empty")
    try:
        tree = json.loads(data)  # in UTF-8, 16 or 32, as some editors of Windows write
    except RecursionError:
        raise Unreadable(f"{name} is no notebook: its JSON is nested too deeply") from None
    except ValueError as error:
        raise Unreadable(f"{name} is no notebook: {instead(data, error)}") from None
    return format_4(name, tree)


def instead(data: bytes, error: ValueError) -> str:
    """Say what a file is that JSON could not be read from.

    >>> instead(b"<!DOCTYPE html>", ValueError())
    'it is a web page (HTML or XML)'
    """
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    for beginning, what in BEGINNINGS.items():
        if start.startswith(beginning):
            return f"it is {what}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
    return f"its JSON is broken{where}"


def format_4(name: str, tree: Any) -> dict[str, Any]:
    """Bring JSON into notebook format 4, and fill in what is missing.

    Raises:
        Unreadable: it is not a notebook.
    """
    if not isinstance(tree, dict):
        raise Unreadable(f"{name} is no notebook: it has no cells")
    if "cells" not in tree and "worksheets" not in tree:
        raise Unreadable(f"{name} is no notebook: it has no cells")
    version = tree.get("nbformat")
    if version == 3 and isinstance(tree.get("worksheets"), list):
        try:
            import nbformat  # late: it is slow, seldom needed, and a kernel may be without it

            tree = dict(nbformat.convert(nbformat.from_dict(tree), 4))
        except Exception:  # of any kind: nothing in it has been checked yet
            raise Unreadable(f"{name} is a damaged notebook of format 3") from None
    elif version != 4:
        seen = ascii(version)[:20]
        raise Unreadable(f"{name} has notebook format {seen}, and 4 is needed: save it again")
    cells = tree.get("cells")
    if not isinstance(cells, list):
        raise Unreadable(f"{name} is no notebook: it has no cells")
    if len(cells) > MAX_CELLS:
        raise Unreadable(f"{name} has more than {MAX_CELLS} cells")
    meta = tree.get("metadata")
    kept = [mended(cell) for cell in cells if isinstance(cell, dict)]
    return {
        "cells": [cell for cell in kept if cell is not None],
        "metadata": meta if isinstance(meta, dict) else {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def mended(cell: dict[str, Any]) -> dict[str, Any] | None:
    """Fill in what a cell lacks; None if it has no text or no known type."""
    source, kind = text_of(cell.get("source")), cell.get("cell_type")
    if source is None or kind not in KINDS:
        return None
    meta, identity = cell.get("metadata"), cell.get("id")
    made: dict[str, Any] = {
        "cell_type": kind,
        "id": identity if isinstance(identity, str) else "",
        "metadata": meta if isinstance(meta, dict) else {},
        "source": source,
    }
    if kind == "code":
        count, outputs = cell.get("execution_count"), cell.get("outputs")
        made["execution_count"] = count if isinstance(count, int) else None
        shown = map(mended_output, outputs if isinstance(outputs, list) else [])
        made["outputs"] = [output for output in shown if output is not None]
    elif isinstance(cell.get("attachments"), dict):
        made["attachments"] = cell["attachments"]
    return made


def mended_output(output: Any) -> dict[str, Any] | None:
    """Fill in what an output lacks; None if it is not an output."""
    kind = output.get("output_type") if isinstance(output, dict) else None
    if not isinstance(kind, str) or kind not in OUTPUTS:
        return None
    made: dict[str, Any] = {"output_type": kind}
    for key, usual in OUTPUTS[kind].items():
        value = output.get(key, usual)
        value = text_of(value) if key == "text" else value
        right = usual is None or isinstance(value, type(usual))
        made[key] = value if right else usual
    return made


def text_of(source: Any) -> str | None:
    """Return a text that JSON may hold in lines; None if it is no text."""
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    return source.encode("utf-8", "replace").decode()  # half characters cannot be written down
