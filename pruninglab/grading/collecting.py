"""What a learning platform hands over for a class, sorted by student.

Whose a file is, its path in what the instructor downloaded says, from the top; what a student has
named so inside of an own zip or folder says nothing.
"""

from __future__ import annotations

import io
import math
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pruninglab.grading.handed_in import (
    MAX_FILE,
    MAX_MEMBERS,
    MAX_NOTEBOOK,
    MAX_UNPACKED,
    Unreadable,
    beginning,
    best_last,
    is_plain,
    legible,
    members_of,
)

MOODLES = "_assignsubmission_file"  # behind the student's name; then "_", or "/" from 4.1 on
SHOWN = 5  # files of one zip that are named on the terminal


def collect(course: Path, lab: str, named: str) -> list[str]:
    """Put what lies in downloaded/<lab>/archive into submitted/<student>/<lab>/.

    What a student had handed in before is replaced. A file that cannot be opened is handed in as
    it is, so that it ends with a row and a reason.

    Args:
        course: the course's folder.
        lab: the lab.
        named: regular expression of paths with groups `student_id` and `file_id`
            (`FileNameCollectorPlugin.named_regexp` of nbgrader_config.py).

    Returns:
        What to tell the instructor: files that belong to nobody, or maybe to somebody else.
    """
    archive, told = course / "downloaded" / lab / "archive", dict[str, None]()
    taken: dict[str, int] = {}  # student -> bytes: files are written as they come, none is kept
    files = [path for path in archive.rglob("*") if is_plain(path, archive)]
    for path in sorted(files, key=lambda path: best_last(str(path))):
        shown, owned = str(path.relative_to(archive)), False
        nobodys: list[str] = []
        for inner, data in entries(path, shown, told):
            student = owner(lab, named, inner)
            owned = owned or student is not None
            if student is None:
                nobodys.append(inner)
                continue
            for within in paths_in(inner, data):
                told |= doubts(within, student)
            if taken.get(student, 0) + len(data) <= MAX_UNPACKED:
                put(
                    course / "submitted" / student / lab, inner, data, lab, new=student not in taken
                )
                taken[student] = taken.get(student, 0) + len(data)
        student = None if owned else owner(lab, named, shown)
        if student is not None and student not in taken:
            put(course / "submitted" / student / lab, path.name, beginning(path), lab, new=True)
            taken[student] = 0
        elif student is None:
            told |= strays(shown, nobodys or ([] if owned else [shown]))
    return list(told)


def strays(zipped: str, names: list[str]) -> dict[str, None]:
    """Lines about files that belong to nobody: a few of a zip, which may have thousands."""
    why = "not collected, because its name says no student or another lab"
    rest = [f"not collected either: {len(names) - SHOWN} more in {zipped}"]
    lines = [*(f"{why}: {name}" for name in names[:SHOWN]), *rest[: len(names[SHOWN:])]]
    return {printable(line): None for line in lines}


def doubts(path: str, student: str) -> dict[str, None]:
    """A line about a file that counts as one student's, though named as Moodle names another's.

    Somebody may want to hand in for somebody else; or Moodle's zip of the class was renamed, or
    packed once more.
    """
    top, *inner = path.split("/")
    below = next((part for part in inner if MOODLES in part), "")
    own = below.partition(MOODLES)[0]
    if MOODLES in top or not own or cleaned(own) == student:
        return {}
    line = f"{top}: in it are files named as other students', and all counts as {student}'s. If"
    line += " this is Moodle's zip of the class, put it into archive/ as it was, with its own name"
    return {printable(f"{line} (...-77.zip)"): None}


def paths_in(path: str, data: bytes) -> list[str]:
    """The paths in a zip, by their names alone; of any other file its own."""
    if not path.lower().endswith(".zip"):
        return [path]
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as inside:
            return [f"{path[:-4]}/{name}" for name in inside.namelist()[:MAX_MEMBERS]]
    except Exception:  # a damaged one ends with a row that says so
        return [path]


def entries(path: Path, shown: str, told: dict[str, None]) -> Iterator[tuple[str, bytes]]:
    """What was handed in with a file: itself, or the notebooks and zips in a zip (a platform's
    zip of everybody's zips, of any size), as paths below the archive.

    `told` gets a line if a zip is damaged: somebody's file may be behind the damage.
    """
    if path.suffix.lower() != ".zip":
        yield shown, beginning(path)
        return
    wanted = {".ipynb": MAX_NOTEBOOK, ".zip": MAX_FILE}
    inner = ""
    try:
        for inner, part in members_of(shown, path, wanted, in_all=math.inf):
            yield f"{shown[:-4]}/{inner}", part
    except Unreadable as error:
        if inner:
            line = f"{error}: not all of it was collected, {inner} is the last one read; download"
            told[printable(f"{line} it anew")] = None


def owner(lab: str, named: str, path: str) -> str | None:
    """The student who handed in a file, by its path; None if that says nothing.

    A zip belongs to whom a notebook in it would.
    """
    path = re.sub(r"\.zip$", f"/{lab}.ipynb", path, flags=re.IGNORECASE)
    match = re.match(named, f"/downloaded/{lab}/extracted/{path}")
    if match is None or match.group("file_id") != lab:
        return None
    student = cleaned(legible(match.group("student_id")))
    return None if student in ("", ".", "..") or "\0" in student or "/" in student else student


def cleaned(name: str) -> str:
    """A student's name as an id: spreadsheets compute what begins like a formula, and nbgrader
    looks for files by patterns, in which brackets and stars mean something.

    >>> cleaned(" Ada_12"), cleaned("=1+1_13"), cleaned("Lee+Ann [x]_1")
    ('Ada_12', '1+1_13', 'Lee+Ann (x)_1')
    """
    return re.sub(r"^[=+@-]+", "", name.strip()).translate(str.maketrans("[]*?", "()  "))


def printable(text: str) -> str:
    """A student's text for the terminal: nothing in it moves the cursor or turns the writing.

    >>> printable("ada\\x1b[2J")
    'ada\ufffd[2J'
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def put(folder: Path, name: str, data: bytes, lab: str, *, new: bool) -> None:
    """Put a file into a student's folder; with `new`, what was there before goes.

    Of several notebooks the last one that comes is `lab`.ipynb.
    """
    if new:
        if folder.is_symlink():
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for number, last in enumerate(sorted(folder.glob(f"{lab}.*")), len(list(folder.iterdir()))):
        last.rename(folder / f"earlier-{number}{last.suffix}")
    suffix = PurePosixPath(name).suffix.lower()
    (folder / f"{lab}{suffix if suffix in ('.ipynb', '.zip') else '.file'}").write_bytes(data)
