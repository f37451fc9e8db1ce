"""What a learning platform hands over for a class, sorted by student.

Whose a file is, its path in what the instructor downloaded says, from the top; what a student has
named so inside of an own zip or folder says nothing.
"""

from __future__ import annotations

import io
import math
import re
import shutil
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pruninglab.grading.intake.read import (
    MAX_FILE,
    MAX_MEMBERS,
    MAX_UNPACKED,
    Unreadable,
    beginning,
    best_last,
    is_plain,
    legible,
    members_of,
)
from pruninglab.limits import MAX_NOTEBOOK

MOODLES = "_assignsubmission_file"  # behind the student's name; then "_", or "/" from 4.1 on
# In HTML, in JavaScript, in an address, in a pattern or in a spreadsheet these mean something.
UNSAFE = str.maketrans(
    {"[": "(", "]": ")", "<": "(", ">": ")", "{": "(", "}": ")", "&": "+", ";": ",", "\\": "-"}
    | {'"': "'", "`": "'"}
    | dict.fromkeys("*?#%\t", " ")
)
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
    inbox = Inbox(course / "downloaded" / lab / "archive", course / "submitted", lab, named)
    files = [path for path in inbox.archive.rglob("*") if is_plain(path, inbox.archive)]
    files.sort(key=lambda path: best_last(str(path)))
    left = {path: inbox.take(path) for path in files}
    for path, names in left.items():
        inbox.take_misnamed(path, names)
    return list(inbox.told)


@dataclass
class Inbox:
    """What a learning platform has handed over, while it is being sorted.

    Attributes:
        archive: where it lies.
        submitted: where it goes.
        lab, named: see `collect`.
        taken: student -> bytes so far: files are written as they come, none is kept in memory.
        told: what to tell the instructor (the keys).
    """

    archive: Path
    submitted: Path
    lab: str
    named: str
    taken: dict[str, int] = field(default_factory=dict)
    told: dict[str, None] = field(default_factory=dict)

    def take(self, path: Path) -> list[str]:
        """Hand in what is named for the lab in a file; returns the names of everything else."""
        shown, left, owned = str(path.relative_to(self.archive)), list[str](), False
        for inner, data in entries(path, shown, self.told):
            student = owner(self.lab, self.named, inner)
            if student is None:
                left.append(inner)
                continue
            owned = True
            for within in paths_in(inner, data):
                self.told |= doubts(within, student)
            self.put(student, inner, data)
        student = None if owned else owner(self.lab, self.named, shown)
        if student is None:
            return left or ([] if owned else [shown])
        if student not in self.taken:
            self.put(student, path.name, beginning(path))
        return []

    def take_misnamed(self, path: Path, names: list[str]) -> None:
        """Hand in what has another name, if Moodle says whose it is and they have nothing better.

        The rest is told.
        """
        shown = str(path.relative_to(self.archive))
        wanted = {name: owner(self.lab, self.named, renamed(name, self.lab)) for name in names}
        wanted = {n: student for n, student in wanted.items() if student not in self.taken}
        if any(wanted.values()):
            for inner, data in entries(path, shown, self.told):
                if student := wanted.pop(inner, None):
                    line = f"{inner} is not named for {self.lab}; it counts as {student}'s"
                    self.told[printable(line)] = None
                    self.put(student, inner, data)
        self.told |= strays(shown, [n for n, student in wanted.items() if student is None])

    def put(self, student: str, name: str, data: bytes) -> None:
        """Put a file into a student's folder, as long as theirs are not too large together."""
        size = self.taken.get(student, 0) + len(data)
        if size <= MAX_UNPACKED:
            folder = self.submitted / student / self.lab
            put(folder, name, data, self.lab, new=student not in self.taken)
            self.taken[student] = size


def renamed(path: str, lab: str) -> str:
    """A path as it would be had the student named the file for the lab; only Moodle's change.

    >>> renamed("Ada_12_assignsubmission_file_solution.pdf", "01_structures")
    'Ada_12_assignsubmission_file_01_structures.ipynb'
    """
    return re.sub(rf"({MOODLES}[_/]).*$", rf"\g<1>{lab}.ipynb", path, count=1)


def strays(zipped: str, names: list[str]) -> dict[str, None]:
    """Lines about notebooks and zips that belong to nobody: a few, there may be thousands."""
    names = [name for name in names if name == zipped or name.lower().endswith((".ipynb", ".zip"))]
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
    zip of everybody's zips, of any size), as paths below the archive. Of other files in a zip it
    gives the beginning.

    `told` gets a line if a zip is damaged: somebody's file may be behind the damage.
    """
    if path.suffix.lower() != ".zip":
        yield shown, beginning(path)
        return
    wanted = {".ipynb": MAX_NOTEBOOK, ".zip": MAX_FILE, "": 1}
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
    """A student's name as an id that means nothing to any program that shows or reads it.

    Formgrader writes ids into its pages as they are, and into links; spreadsheets compute what
    begins like a formula, full-width signs and what follows a semicolon included; nbgrader looks
    for files by patterns, in which brackets and stars mean something; signs without a width make
    two names look the same.

    >>> cleaned(" Ada_12"), cleaned("=1+1_13"), cleaned("Lee+Ann [x]_1"), cleaned("<b>Bo</b>;=1")
    ('Ada_12', '1+1_13', 'Lee+Ann (x)_1', '(b)Bo(/b),=1')
    """
    readable = name.translate(UNSAFE)
    readable = "".join(c for c in readable if unicodedata.category(c) not in ("Cc", "Cf", "Zl"))
    return re.sub(r"^[\s=+@\-\uff1d\uff0b\uff20\uff0d\u2212'|]+", "", readable).strip()


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
