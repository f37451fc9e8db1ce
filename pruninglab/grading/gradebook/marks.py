"""Marks as they stand in nbgrader's gradebook, and as a table for the terminal."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nbformat
from nbgrader.api import Grade, MissingEntry
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades
from nbgrader.utils import parse_utc
from sqlalchemy.exc import SAWarning

from pruninglab.grading.gradebook.course import Course
from pruninglab.grading.intake.collect import printable

# Beside a notebook that nbgrader's exchange has brought; it gives feedback back by them.
OF_THE_EXCHANGE = ("timestamp.txt", "submission_secret.txt")


@dataclass(frozen=True)
class Mark:
    """What one student got for one exercise.

    Attributes:
        points: None while the answer waits for a mark by hand.
        maximum: the most that the exercise gives.
        review: the mark was given by hand, and the submission has been graded again since.
    """

    points: float | None
    maximum: float
    review: bool = False

    def __str__(self) -> str:
        return "?" if self.points is None else f"{self.points:g}{'*' if self.review else ''}"


def read_mark(grade: Grade) -> Mark:
    """One entry of the gradebook; a mark by hand outranks the autograder's."""
    waits = grade.needs_manual_grade and grade.manual_score is None
    points = None if waits else grade.score + (grade.extra_credit or 0)
    return Mark(points, grade.max_score, review=grade.needs_manual_grade and not waits)


def exercises(course: Course) -> dict[str, float]:
    """Exercise -> its points, in the lab's order; "test_filter_mask" counts for "filter_mask"."""
    with course.gradebook as gradebook:
        notebook = gradebook.find_notebook(course.lab, course.lab)
        points = {cell.name: cell.max_score for cell in notebook.grade_cells}
        names = [cell.name for cell in notebook.source_cells if cell.name in points]
        return {name.removeprefix("test_"): points[name] for name in names}


def marks(course: Course, student: str) -> dict[str, Mark]:
    """Exercise -> mark of one student; empty if nothing of theirs was ever graded."""
    with course.gradebook as gradebook:
        try:
            notebook = gradebook.find_submission_notebook(course.lab, course.lab, student)
        except MissingEntry:
            return {}
        return {grade.name.removeprefix("test_"): read_mark(grade) for grade in notebook.grades}


@contextmanager
def no_session_warnings() -> Iterator[None]:
    """Keep a warning about nbgrader's own code from the terminal.

    Whenever it enters a new submission, SQLAlchemy objects that the object is "not in session"
    yet; a moment later nbgrader adds it.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Object of type <", category=SAWarning)
        yield


def enter(course: Course, student: str, notebook: str) -> None:
    """Enter a graded notebook as nbgrader's autograder does; marks given by hand stay.

    Args:
        notebook: the canonical notebook, as JSON; an error among the outputs of a test means 0.
    """
    lab, folder, stamp = course.lab, course.autograded(student), course.submitted(student)
    with no_session_warnings(), course.gradebook as gradebook:
        gradebook.update_or_create_student(student)
        gradebook.update_or_create_submission(lab, student, **timestamp(stamp))
        names = {"assignment": lab, "notebook": lab, "student": student}
        resources = {"nbgrader": {**names, "db_url": course.api.coursedir.db_url}}
        graded = nbformat.reads(notebook, as_version=4)
        for step in (SaveAutoGrades, AssignLatePenalties):
            step(config=course.api.config).preprocess(graded, resources)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{lab}.ipynb").write_text(notebook, encoding="utf-8")
    for name in OF_THE_EXCHANGE:
        (folder / name).unlink(missing_ok=True)
        if is_small(stamp / name):
            shutil.copyfile(stamp / name, folder / name)


def is_small(path: Path) -> bool:
    """A file, no link, of at most a kilobyte."""
    return not path.is_symlink() and path.is_file() and path.stat().st_size <= 1000


def timestamp(folder: Path) -> dict[str, datetime]:
    """When a submission was collected, if nbgrader's exchange says so."""
    path = folder / "timestamp.txt"
    if not is_small(path):
        return {}
    try:
        return {"timestamp": parse_utc(path.read_text().strip())}
    except (ValueError, OverflowError):
        return {}


def table(points: Mapping[str, float], rows: Mapping[str, Mapping[str, Mark]]) -> str:
    """The marks as text: a line per student, a numbered column per exercise.

    Args:
        points: exercise -> its maximum.
        rows: student -> exercise -> mark.

    >>> ada = {"easy_one": Mark(2, 2), "why": Mark(None, 1)}
    >>> print(table({"easy_one": 2, "why": 1}, {"ada": ada, "bob": {}}))
    1 easy_one   2 why
    <BLANKLINE>
    student   1   2   total
    -----------------------
    out of    2   1   3
    ada       2   ?   2 + ?
    bob       -   -   0
    """
    legend = [f"{i} {name}" for i, name in enumerate(points, start=1)]
    head = ["student", *(str(i) for i in range(1, len(points) + 1)), "total"]
    body = [["out of", *(f"{p:g}" for p in points.values()), f"{sum(points.values()):g}"]]
    for student, row in rows.items():
        cells = [str(row[name]) if name in row else "-" for name in points]
        body.append([printable(student), *cells, total(row)])
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    pairs = [zip(line, widths, strict=True) for line in [head, *body]]
    lines = ["   ".join(cell.ljust(width) for cell, width in line).rstrip() for line in pairs]
    return "\n".join([*in_columns(legend), "", lines[0], "-" * max(map(len, lines)), *lines[1:]])


def in_columns(items: Sequence[str], width: int = 80) -> list[str]:
    """Short texts side by side, as many as fit into `width`."""
    widest = max(len(item) for item in items) + 3
    each = max(1, width // widest)
    rows = [items[i : i + each] for i in range(0, len(items), each)]
    return ["".join(item.ljust(widest) for item in row).rstrip() for row in rows]


def total(row: Mapping[str, Mark]) -> str:
    """The sum of the points so far; "+ ?" if marks by hand are still to come."""
    known = sum(mark.points for mark in row.values() if mark.points is not None)
    return f"{known:g}" + (" + ?" if any(mark.points is None for mark in row.values()) else "")
