"""What a student handed in: found, and read safely.

Nothing is unpacked to a place that a file names itself; links are not followed; sizes are limited.
"""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import nbformat
from nbformat import NotebookNode

from pruninglab.grading.safe_html import plain_attachments
from pruninglab.limits import MAX_NOTEBOOK

MAX_FILE = 100 * 2**20  # of a zip that was handed in
MAX_MEMBERS = 5000  # files in a zip
MAX_CELLS = 5000
MAX_UNPACKED = 2**30  # bytes in all that are read of a zip
SKIPPED = {".ipynb_checkpoints", "__MACOSX"}


class Unreadable(Exception):
    """A submission that cannot be read; the message says why, to teacher and student."""


def pick(folder: Path, lab: str) -> tuple[str, bytes]:
    """The file in a student's folder that is the submission: its name and content.

    `LAB.ipynb` if it is there, else the only or the latest notebook, else a zip file.

    Raises:
        Unreadable: there is none.
    """
    links = [path.name for path in folder.iterdir() if path.is_symlink()]
    files = [p for p in folder.rglob("*") if is_plain(p, folder)]
    right = [p for p in files if p == folder / f"{lab}.ipynb"]
    notebooks = [p for p in files if p.suffix.lower() == ".ipynb"]
    zips = [p for p in files if p.suffix.lower() == ".zip"]
    chosen = right or sorted(notebooks, key=lambda p: (lab in p.name, p.stat().st_mtime)) or zips
    if not chosen:
        found = ", ".join(sorted(legible(p.name) for p in files)[:5]) or "nothing"
        found += f" and a link ({legible(links[0])}), which is not followed" if links else ""
        raise Unreadable(f"there is no notebook: handed in was {found}")
    return legible(chosen[-1].name), read_file(chosen[-1])


def legible(name: str) -> str:
    """A file's name; bytes in it that are no text become "?", or nobody could write it down."""
    return name.encode("utf-8", "replace").decode()


def best_last(path: str) -> tuple[int, int, str]:
    """Of several notebooks of a lab the last one counts: not in a folder, with a short name.

    >>> sorted(["old/01_a.ipynb", "01_a.ipynb", "01_a_old.ipynb", "01_a (1).ipynb"], key=best_last)
    ['old/01_a.ipynb', '01_a (1).ipynb', '01_a_old.ipynb', '01_a.ipynb']
    """
    return (-path.count("/"), -len(path), path)


def is_plain(path: Path, folder: Path) -> bool:
    """An ordinary file, with no link on the way to it, that JupyterLab or macOS did not leave."""
    way = [path, *path.parents][: len(path.relative_to(folder).parts)]
    own = not any(part.is_symlink() or part.name in SKIPPED for part in way)
    return own and path.is_file() and not path.name.startswith(".")


def read_file(path: Path) -> bytes:
    """The content of a file.

    Raises:
        Unreadable: it is too large.
    """
    data = beginning(path)
    if len(data) > MAX_FILE:
        raise Unreadable(f"{legible(path.name)} is larger than {MAX_FILE >> 20} MB")
    return data


def beginning(path: Path) -> bytes:
    """As much of a file as is allowed, and one byte more."""
    with path.open("rb") as file:
        return file.read(MAX_FILE + 1)


def parse(name: str, data: bytes, lab: str) -> NotebookNode:
    """The notebook in a file.

    Args:
        name: the file's name, for messages.
        data: its content: a notebook, or a zip with one in it.
        lab: name of the lab, to choose among several notebooks in a zip.

    Raises:
        Unreadable: it is none.

    >>> parse("a.ipynb", b"{ not really", "01_tiny")
    Traceback (most recent call last):
    pruninglab.grading.intake.read.Unreadable: a.ipynb is no notebook: its JSON is broken (line 1)
    """
    if name.lower().endswith(".zip"):
        # Only the best one is kept: a small zip can hold thousands of large ones.
        best: tuple[bool, str, bytes] | None = None
        for path, content in members_of(name, data, {".ipynb": MAX_NOTEBOOK}):
            right = lab in PurePosixPath(path).name
            best = (right, path, content) if best is None or right >= best[0] else best
        if best is None:
            raise Unreadable(f"{name} contains no notebook")
        name, data = PurePosixPath(best[1]).name, best[2]
    if len(data) > MAX_NOTEBOOK:
        raise Unreadable(f"{name} is larger than {MAX_NOTEBOOK >> 20} MB: clear its outputs")
    if not data.strip():
        raise Unreadable(f"{name} is empty")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"{name} is no notebook: it is not text in UTF-8") from None
    try:
        tree = json.loads(text)
    except RecursionError:
        raise Unreadable(f"{name} is no notebook: its JSON is nested too deeply") from None
    except ValueError as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Unreadable(f"{name} is no notebook: its JSON is broken{where}") from None
    return as_notebook(name, tree)


def as_notebook(name: str, tree: object) -> NotebookNode:
    """JSON as a notebook of format 4, with whatever is odd about its cells left out.

    Raises:
        Unreadable: it is none.
    """
    if not isinstance(tree, dict):
        raise Unreadable(f"{name} is no notebook: it has no cells")
    version = tree.get("nbformat")
    if version == 3 and isinstance(tree.get("worksheets"), list):
        try:
            tree = dict(nbformat.convert(nbformat.from_dict(tree), 4))
        except Exception:
            raise Unreadable(f"{name} is a damaged notebook of format 3") from None
    elif version != 4:
        raise Unreadable(
            f"{name} has notebook format {str(version)[:20]}, and 4 is needed: save it anew"
        )
    cells = tree.get("cells")
    if not isinstance(cells, list):
        raise Unreadable(f"{name} is no notebook: it has no cells")
    if len(cells) > MAX_CELLS:
        raise Unreadable(f"{name} has more than {MAX_CELLS} cells")
    kept = [clean(cell) for cell in cells if isinstance(cell, dict)]
    return nbformat.from_dict(
        {"cells": [c for c in kept if c], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )


def clean(cell: dict) -> dict | None:
    """A cell with its type, text, pictures, id and grade_id only; None if it is no cell."""
    source, kind, meta = cell.get("source"), cell.get("cell_type"), cell.get("metadata")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str) or kind not in ("code", "markdown", "raw"):
        return None
    source = source.encode("utf-8", "replace").decode()  # lone surrogates
    theirs = meta.get("nbgrader") if isinstance(meta, dict) else None
    name = theirs.get("grade_id") if isinstance(theirs, dict) else None
    metadata = {"nbgrader": {"grade_id": name}} if isinstance(name, str) else {}
    identity = cell.get("id")
    identity = identity if isinstance(identity, str) else ""
    kept = {"cell_type": kind, "source": source, "id": identity, "metadata": metadata}
    pictures = plain_attachments(cell.get("attachments")) if kind == "markdown" else {}
    return kept | ({"attachments": pictures} if pictures else {})


def members_of(
    name: str, data: bytes | Path, wanted: Mapping[str, int], in_all: float = MAX_UNPACKED
) -> Iterator[tuple[str, bytes]]:
    """Paths and contents of the files in a zip, of each no more than is allowed and one byte.

    They come in the order of `best_last`.

    Args:
        name: of the zip, for messages.
        data: its content, or where it is.
        wanted: suffix of the files -> bytes allowed; "" stands for all others.
        in_all: bytes that are read at most.

    Raises:
        Unreadable: it is no zip, is damaged, encrypted, or has too many files.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data) if isinstance(data, bytes) else data) as archive:
            members = sorted(archive.infolist(), key=lambda member: best_last(member.filename))
            if len(members) > MAX_MEMBERS:
                raise Unreadable(f"{name} contains more than {MAX_MEMBERS} files")
            left = in_all
            for member in members:
                path = PurePosixPath(member.filename.replace("\\", "/"))
                link = stat.S_ISLNK(member.external_attr >> 16)
                most = wanted.get(path.suffix.lower(), wanted.get("", 0))
                hidden = path.name.startswith(".") or SKIPPED & set(path.parts)
                if most and not link and not hidden and not member.is_dir():
                    with archive.open(member) as file:  # read no more than is allowed: zip bombs
                        content = file.read(most + 1)
                    left -= len(content)
                    if left < 0:
                        raise Unreadable(f"{name} holds more than {in_all / 2**20:g} MB")
                    yield str(path), content
    except Unreadable:
        raise
    except RuntimeError:
        raise Unreadable(f"{name} is encrypted") from None
    except Exception:
        raise Unreadable(f"{name} is no zip file, or a damaged one") from None
