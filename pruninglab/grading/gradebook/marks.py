"""Marks as they stand in nbgrader's gradebook, and as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nbgrader.api import Grade, MissingEntry

from pruninglab.grading.gradebook.course import Course
from pruninglab.grading.intake.collect import printable


@dataclass(frozen=True)
class Mark:
    """What one student got for one exercise.

    Attributes:
        points: None while the answer waits for a mark by hand.
        maximum: the most that the exercise gives.
        review: the mark was given by hand, and the answer that it was for has changed since.
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
    """Read exercise -> points, in the lab's order; "test_filter_mask" is for "filter_mask"."""
    with course.gradebook as gradebook:
        notebook = gradebook.find_notebook(course.lab, course.lab)
        points = {cell.name: cell.max_score for cell in notebook.grade_cells}
        names = [cell.name for cell in notebook.source_cells if cell.name in points]
        return {name.removeprefix("test_"): points[name] for name in names}


def marks(course: Course, student: str) -> dict[str, Mark]:
    """Read exercise -> mark of one student; empty if nothing of theirs was ever graded."""
    with course.gradebook as gradebook:
        try:
            notebook = gradebook.find_submission_notebook(course.lab, course.lab, student)
        except MissingEntry:
            return {}
        return {grade.name.removeprefix("test_"): read_mark(grade) for grade in notebook.grades}


def lateness(course: Course, student: str) -> tuple[float, float]:
    """Return how many seconds late a student was, and the points that nbgrader takes off for it."""
    with course.gradebook as gradebook:
        try:
            entry = gradebook.find_submission(course.lab, student)
        except MissingEntry:
            return 0.0, 0.0
        taken = sum(notebook.late_submission_penalty or 0 for notebook in entry.notebooks)
        return entry.total_seconds_late, taken


def table(points: Mapping[str, float], rows: Mapping[str, Mapping[str, Mark]]) -> str:
    """Write the marks as text: a line per student, a numbered column per exercise.

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
    """Add up the points so far; "+ ?" if marks by hand are still to come."""
    known = sum(mark.points for mark in row.values() if mark.points is not None)
    return f"{known:g}" + (" + ?" if any(mark.points is None for mark in row.values()) else "")
