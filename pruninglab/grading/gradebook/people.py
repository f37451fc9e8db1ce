"""Who is in a course, and what they got for each lab, from nbgrader's gradebook."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import Gradebook, Student, SubmittedAssignment

from pruninglab.grading.gradebook.moodle import participant
from pruninglab.grading.trouble import GradingError


@dataclass(frozen=True)
class Cell:
    """What a person got for a lab.

    Attributes:
        points: so far, a late penalty taken off.
        waits: how many answers still wait for a mark by hand.
        late: how many seconds after the due date (and an extension) it was handed in.
        penalty: the points that were taken off.
    """

    points: float
    waits: int = 0
    late: float = 0.0
    penalty: float = 0.0

    def __str__(self) -> str:
        return f"{self.points:g}{' + ?' if self.waits else ''}{' late' if self.late else ''}"


@dataclass
class Person:
    """A row of the table.

    Attributes:
        name: to show.
        first, last, email, number: from nbgrader's fields; empty if nobody filled them.
        ids: lab -> the student's id there; Moodle gives a person another number in each.
        cells: lab -> what the person got.
        warning: why a human should look at this row; empty if there is no reason.
    """

    name: str
    first: str = ""
    last: str = ""
    email: str = ""
    number: str = ""
    ids: dict[str, str] = field(default_factory=dict)
    cells: dict[str, Cell] = field(default_factory=dict)
    warning: str = ""

    @property
    def total(self) -> float:
        """The points of all labs so far."""
        return sum(cell.points for cell in self.cells.values())

    @property
    def waits(self) -> int:
        """How many answers wait for a mark by hand."""
        return sum(cell.waits for cell in self.cells.values())


@dataclass(frozen=True)
class Semester:
    """All labs and everybody.

    Attributes:
        labs: lab -> its maximum, in the order of their names.
        people: the rows, by name.
    """

    labs: dict[str, float]
    people: list[Person]


def read(gradebook: Gradebook) -> Semester:
    """Read the table from an open gradebook.

    What was handed in under several ids is one person's if the ids have the same email address in
    nbgrader, or else the same name, unless two people with this name are in one lab.
    """
    labs = {lab.name: lab.max_score for lab in sorted(gradebook.assignments, key=lambda a: a.name)}
    entries = [
        (lab, entry) for lab in labs for entry in gradebook.assignment_submissions(lab)
        if entry.notebooks
    ]  # fmt: skip
    shared = names_of_several(entries)
    rows: dict[str, Person] = {}
    for lab, entry in entries:
        student = entry.student
        name, key = participant(student.id)[0], key_of(student, shared)
        person = rows.setdefault(key, described(student, name if name not in shared else ""))
        if name in shared and not student.email:
            person.warning = f"{shared[name]} people are called {name}: add up by hand"
        person.ids[lab], person.cells[lab] = student.id, cell_of(entry)
    return Semester(labs, sorted(rows.values(), key=lambda person: person.name.casefold()))


def names_of_several(entries: Iterable[tuple[str, SubmittedAssignment]]) -> dict[str, int]:
    """Return name -> how many have it in one lab, of names that more than one person has."""
    times = Counter((lab, participant(entry.student.id)[0]) for lab, entry in entries)
    most: dict[str, int] = defaultdict(int)
    for (_, name), count in times.items():
        most[name] = max(most[name], count)
    return {name: count for name, count in most.items() if count > 1}


def key_of(student: Student, shared: dict[str, int]) -> str:
    """Return what is the same for all ids of one person."""
    name = participant(student.id)[0]
    return student.email or (student.id if name in shared else name)


def described(student: Student, name: str) -> Person:
    """Make a row without labs."""
    return Person(
        name or student.id, student.first_name or "", student.last_name or "",
        student.email or "", student.lms_user_id or "",
    )  # fmt: skip


def cell_of(entry: SubmittedAssignment) -> Cell:
    """Return what somebody got for a lab."""
    grades = [grade for notebook in entry.notebooks for grade in notebook.grades]
    waits = sum(grade.needs_manual_grade and grade.manual_score is None for grade in grades)
    penalty = sum(notebook.late_submission_penalty or 0 for notebook in entry.notebooks)
    return Cell(entry.score - penalty, waits, entry.total_seconds_late, penalty)


# --- a platform's list ----------------------------------------------------------------------------


def participants(path: Path) -> list[dict[str, str]]:
    """Read a platform's list of participants: a CSV with commas, semicolons or tabs.

    Returns:
        Rows, each by the names of its columns in small letters.

    Raises:
        GradingError: it cannot be read, or has no column for names.
    """
    try:
        text = decoded(path.read_bytes())
    except OSError as error:
        raise GradingError(f"{path} cannot be read: {error.strerror}") from None
    head = text.partition("\n")[0]
    sign = max(",;\t", key=head.count)
    if "name" not in head.casefold():
        raise GradingError(f"{path} has no column 'First name' or 'Last name': is it the list?")
    lines = io.StringIO(text, newline="")
    table = csv.DictReader(lines, delimiter=sign, restkey="more", restval="")
    return [{str(key).casefold(): str(cell) for key, cell in row.items()} for row in table]


def decoded(data: bytes) -> str:
    """Return a table's text: in UTF-8, UTF-16, or what Excel writes on a Western European Windows.

    >>> [decoded("Zoë".encode(code)) for code in ("utf-8-sig", "utf-16", "cp1252")]
    ['Zoë', 'Zoë', 'Zoë']
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
