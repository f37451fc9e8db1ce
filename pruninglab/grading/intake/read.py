"""What a student handed in: found, and read safely.

What a file is, its content says, not its name: browsers and mail programs rename notebooks. Nothing
is unpacked to a place that a file names itself; links are not followed; sizes are limited.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import nbformat
from nbformat import NotebookNode

from pruninglab.grading.safe_html import plain_attachments
from pruninglab.limits import MAX_NOTEBOOK
from pruninglab.notebook import grade_id
from pruninglab.notebook_file import BEGINNINGS, Unreadable, read_notebook

MAX_FILE = 100 * 2**20  # of a zip that was handed in
MAX_MEMBERS = 5000  # files in a zip
MAX_UNPACKED = 2**30  # bytes in all that are read of a zip
MAX_DEPTH = 40  # folders in folders; a path is at most 4096 bytes long anyway
MAX_NESTED = 3  # zips in zips
HEAD = 4096  # bytes of a file that say what it is
SKIPPED = {".ipynb_checkpoints", "__MACOSX"}  # folders that programs leave behind
OF_THE_EXCHANGE = {"timestamp.txt", "submission_secret.txt"}  # nbgrader's, beside a submission


# --- files on the disk ----------------------------------------------------------------------------


def pick(folder: Path, lab: str) -> tuple[str, bytes]:
    """Find the file in a student's folder that is the submission; return its name and content.

    `LAB.ipynb` if it is there, else the notebook with the best name or the latest one, else a zip.

    Raises:
        Unreadable: there is none.
    """
    files = [path for path in files_below(folder) if path.name not in OF_THE_EXCHANGE]
    likely = [(rank, path) for path in files if (rank := rank_of(path, folder, lab))[1]]
    if likely:
        chosen = max(likely)[1]
        return legible(chosen.name), read_file(chosen)
    found = ", ".join(sorted(legible(p.name) for p in files)[:5]) or "nothing"
    links = [path.name for path in folder.iterdir() if path.is_symlink()]
    found += f" and a link ({legible(links[0])}), which is not followed" if links else ""
    raise Unreadable(f"there is no notebook: handed in was {found}")


def rank_of(path: Path, folder: Path, lab: str) -> tuple[bool, int, int, float]:
    """Say how likely a file is the submission; the second number is 0 if it cannot be one."""
    name, content = path.name.lower(), ""
    with suppress(OSError):  # what cannot be opened may still be the one: then a reason says so
        content = kind_of(beginning(path, HEAD))
    notebook = name.endswith(".ipynb") or (".ipynb" in name and content == "json")
    zipped = name.endswith(".zip") or content == "zip"
    kind = 3 if notebook else 2 if zipped else 1 if content == "json" else 0
    return path == folder / f"{lab}.ipynb", kind, level(name, lab), path.stat().st_mtime


def level(path: str, lab: str) -> int:
    """Say how well a file is named: 3 for the lab's own name, 2 if it is in a folder.

    1 if the lab's name is in it, else 0.

    >>> [level(x, "01_a") for x in ("01_a.ipynb.txt", "b/01_a.ipynb", "01_a (1).ipynb", "x.ipynb")]
    [3, 2, 1, 0]
    """
    name = PurePosixPath(path).name
    exact = name.partition(".")[0] == lab
    return 2 + ("/" not in path) if exact else int(lab in name)


def kind_of(head: bytes) -> str:
    """Say what the beginning of a file looks like: "zip", "json" or nothing known.

    >>> kind_of(b"PK\\3\\4..."), kind_of(b' {"cells": []}'), kind_of(b"%PDF")
    ('zip', 'json', '')
    """
    if head[:4] in (b"PK\3\4", b"PK\5\6"):
        return "zip"
    # Before the bracket: the mark of UTF-8, 16 or 32, and zeros where a sign has several bytes.
    return "json" if head.lstrip(b"\xef\xbb\xbf\xfe\xff\0 \t\r\n")[:1] == b"{" else ""


def files_below(folder: Path) -> list[Path]:
    """Return the ordinary files in a folder and below, without links and leftovers, by name.

    Folders deeper than MAX_DEPTH, or such as cannot be opened, are left out.
    """
    found, waiting = list[Path](), [(folder, 0)]
    while waiting:
        here, depth = waiting.pop()
        try:
            entries = list(os.scandir(here))
        except OSError:
            continue
        for entry in entries:
            hidden = entry.name.startswith(".") and (depth or entry.is_file())
            if entry.is_symlink() or hidden:
                continue
            if entry.is_dir() and depth < MAX_DEPTH and entry.name not in SKIPPED:
                waiting.append((Path(entry.path), depth + 1))
            elif entry.is_file():
                found.append(Path(entry.path))
    return sorted(found)


def legible(name: str) -> str:
    """Return a file's name as text; bytes in it that are none become "?", so it can be written."""
    return name.encode("utf-8", "replace").decode()


def best_last(path: str) -> tuple[int, int, str]:
    """Order several notebooks of a lab: the last one is in no folder, with a short name.

    >>> sorted(["old/01_a.ipynb", "01_a.ipynb", "01_a_old.ipynb", "01_a (1).ipynb"], key=best_last)
    ['old/01_a.ipynb', '01_a (1).ipynb', '01_a_old.ipynb', '01_a.ipynb']
    """
    return (-path.count("/"), -len(path), path)


def is_plain(path: Path, folder: Path) -> bool:
    """Whether a file is an ordinary one, with no link on the way to it, and no program's leftover.

    JupyterLab and macOS leave some behind.
    """
    way = [path, *path.parents][: len(path.relative_to(folder).parts)]
    own = not any(part.is_symlink() for part in way) and not SKIPPED & {p.name for p in way[1:]}
    return own and path.is_file() and not path.name.startswith(".")


def read_file(path: Path) -> bytes:
    """Read a file.

    Raises:
        Unreadable: it is too large.
    """
    data = beginning(path)
    if len(data) > MAX_FILE:
        raise Unreadable(f"{legible(path.name)} is larger than {MAX_FILE >> 20} MB")
    return data


def beginning(path: Path, most: int = MAX_FILE) -> bytes:
    """Read as much of a file as is allowed, and one byte more."""
    with path.open("rb") as file:
        return file.read(most + 1)


# --- notebooks ------------------------------------------------------------------------------------


def parse(name: str, data: bytes, lab: str) -> NotebookNode:
    """Return the notebook in a file, with only that in it which counts.

    Args:
        name: the file's name, for messages.
        data: its content: a notebook, or a zip with one in it.
        lab: name of the lab, to choose among several notebooks in a zip.

    Raises:
        Unreadable: it is none.
    """
    if name.lower().endswith(".zip") or kind_of(data[:HEAD]) == "zip":
        name, data = best_in(name, data, lab)
    return without_extras(read_notebook(name, data))


def without_extras(tree: Mapping) -> NotebookNode:
    """Keep of each cell its type, text, pictures, id and grade_id."""
    kept = list(map(clean, tree["cells"]))
    return nbformat.from_dict({"cells": kept, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def clean(cell: Mapping) -> dict:
    """Keep of a cell its type, text, pictures, id and grade_id."""
    name = grade_id(cell)
    kept = {key: cell[key] for key in ("cell_type", "source", "id")}
    kept["metadata"] = {"nbgrader": {"grade_id": name}} if name else {}
    pictures = plain_attachments(cell.get("attachments")) if kept["cell_type"] != "code" else {}
    return kept | ({"attachments": pictures} if pictures else {})


# --- zips -----------------------------------------------------------------------------------------


@dataclass
class Budget:
    """Bytes that may still be read of a zip, and of the zips in it."""

    left: float
    name: str

    def take(self, size: int) -> None:
        """Note that so many have been read.

        Raises:
            Unreadable: they were too many.
        """
        self.left -= size
        if self.left < 0:
            raise Unreadable(f"{self.name} holds more than {MAX_UNPACKED / 2**20:g} MB")


def best_in(name: str, data: bytes, lab: str) -> tuple[str, bytes]:
    """Return the notebook in a zip that counts: the best name, then the latest, then the shortest.

    Only one is kept: a small zip can hold thousands of large ones.

    Raises:
        Unreadable: there is none.
    """
    best: tuple[tuple, str, bytes] | None = None
    for number, (path, when, content) in enumerate(notebooks_in(name, data)):
        rank = (level(path, lab), path.lower().endswith(".ipynb"), when, number)
        if best is None or rank > best[0]:
            best = (rank, path, content)
    if best is None:
        raise Unreadable(f"{name} contains no notebook")
    return PurePosixPath(best[1]).name, best[2]


def notebooks_in(
    name: str, data: bytes, budget: Budget | None = None, depth: int = 0
) -> Iterator[tuple[str, tuple, bytes]]:
    """Yield path, time and content of each file in a zip, or in a zip in it, that is a notebook.

    Raises:
        Unreadable: it is no zip, is damaged, encrypted, or too large.
    """
    budget = budget or Budget(MAX_UNPACKED, name)
    with opened(name, data) as archive:
        for path, member in usable(name, archive):
            with archive.open(member) as file:  # read no more than is allowed: zip bombs
                head = file.read(HEAD)
                kind = kind_of(head)
                named = path.lower().endswith(".ipynb")
                if not (kind or named):
                    continue
                most = MAX_FILE if kind == "zip" else MAX_NOTEBOOK
                content = head + file.read(most + 1 - len(head))
            budget.take(len(content))
            if kind == "zip" and depth < MAX_NESTED:
                yield from notebooks_in(path, content, budget, depth + 1)
            elif named or has_cells(content):
                yield path, member.date_time, content


def has_cells(content: bytes) -> bool:
    """Say whether JSON, in UTF-8, 16 or 32, seems to be a notebook."""
    plain = content.replace(b"\0", b"")
    return b'"cells"' in plain or b'"worksheets"' in plain


@contextmanager
def opened(name: str, data: bytes | Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip; whatever is wrong with it is said.

    Raises:
        Unreadable: it is no zip, or is damaged, encrypted, or packed in an unusual way.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data) if isinstance(data, bytes) else data) as archive:
            yield archive
    except (Unreadable, GeneratorExit):
        raise
    except NotImplementedError:  # a RuntimeError, like the next one
        raise Unreadable(f"{name} is packed in an unusual way: zip it again") from None
    except RuntimeError:
        raise Unreadable(f"{name} is encrypted") from None
    except Exception:  # a damaged zip fails in many ways
        start = data[:HEAD] if isinstance(data, bytes) else b""
        what = next((w for sign, w in BEGINNINGS.items() if start.startswith(sign)), "")
        why = f"it is {what}" if what else "or a damaged one"
        raise Unreadable(f"{name} is no zip file, {why}") from None


def usable(
    name: str, archive: zipfile.ZipFile, most: int = MAX_MEMBERS
) -> list[tuple[str, zipfile.ZipInfo]]:
    """Return path and entry of the files in a zip, without links and leftovers, by `best_last`.

    Raises:
        Unreadable: they are too many.
    """
    members = archive.infolist()
    if len(members) > most:
        raise Unreadable(f"{name} contains more than {most} files")
    found = []
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        link = stat.S_ISLNK(member.external_attr >> 16)
        hidden = path.name.startswith(".") or SKIPPED & set(path.parts[:-1])
        if not (link or hidden or member.is_dir()):
            found.append((str(path), member))
    return sorted(found, key=lambda pair: best_last(pair[0]))


def members_of(
    name: str, data: bytes | Path, wanted: Mapping[str, int], in_all: float = MAX_UNPACKED
) -> Iterator[tuple[str, bytes]]:
    """Yield paths and contents of files in a zip, of each no more than is allowed and one byte.

    They come in the order of `best_last`.

    Args:
        name: of the zip, for messages.
        data: its content, or where it is.
        wanted: suffix of the files -> bytes allowed; "" stands for all others.
        in_all: bytes that are read at most.

    Raises:
        Unreadable: it is no zip, is damaged, encrypted, or has too many files.
    """
    budget = Budget(in_all, name)
    with opened(name, data) as archive:
        for path, member in usable(name, archive):
            most = wanted.get(PurePosixPath(path).suffix.lower(), wanted.get("", 0))
            if most:
                with archive.open(member) as file:
                    content = file.read(most + 1)
                budget.take(len(content))
                yield path, content
