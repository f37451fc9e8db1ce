"""What a human should look at after grading, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import nbformat

from pruninglab.grading.gradebook import moodle, similar
from pruninglab.grading.gradebook.course import Course
from pruninglab.grading.gradebook.hand_back import Report
from pruninglab.grading.intake.canonical import BESIDE
from pruninglab.grading.safe_html import rendered
from pruninglab.notebook import grade_id

BESIDE_SHOWN = rendered(BESIDE).strip()  # as it is in a graded notebook


def needs_look(course: Course, report: Report) -> list[tuple[str, str]]:
    """List (student, why somebody should look), the most urgent first.

    None of it is a verdict, and no mark depends on it.
    """
    names = moodle.names(report.marks)
    found = [
        *((names[s], f"could not be graded, and has 0: {why}") for s, why in report.failed.items()),
        *((names[s], f"has no feedback page: {why}") for s, why in report.without.items()),
        *((names[s], why) for s, why in of_marks(report)),
        *((names[s], handed_in_late(*found)) for s, found in report.late.items()),
        *((names[s], why) for s, why in of_notebooks(course, report)),
        *((names[s], why) for s, why in of_tests(report)),
    ]
    for pair, exercises in similar.alike(solved_cells(course, report)).items():
        both = ", ".join(names[student] for student in pair)
        found.append((both, f"nearly the same code: {', '.join(exercises)}"))
    shared = Counter(moodle.participant(student)[0] for student in report.marks)
    found += [(name, f"{n} students have this name") for name, n in shared.items() if n > 1]
    return found


def of_marks(report: Report) -> Iterator[tuple[str, str]]:
    """Find marks that are missing, or that were given for another answer."""
    for student, row in report.marks.items():
        waiting = [name for name, mark in row.items() if mark.points is None]
        changed = [name for name, mark in row.items() if mark.review]
        if waiting:
            yield student, f"waits for a mark by hand: {', '.join(waiting)}"
        if changed:
            yield student, f"the answer has changed since it was marked: {', '.join(changed)}"


def handed_in_late(seconds: float, points: float) -> str:
    """Say how late somebody was, and what it costs.

    >>> handed_in_late(5400, 2)
    'handed in 1.5 hours late: 2 points taken off'
    """
    return f"handed in {seconds / 3600:.1f} hours late: {points:g} points taken off"


def of_notebooks(course: Course, report: Report) -> Iterator[tuple[str, str]]:
    """Find answers that were written beside their cell."""
    for student in report.marks:
        path = course.autograded(student) / f"{course.lab}.ipynb"
        cells = nbformat.read(path, as_version=4).cells if path.is_file() else []
        found = [grade_id(c) for c in cells if grade_id(c) and BESIDE_SHOWN in c.source]
        if found:
            yield student, f"the answer was not in its cell, and may be another: {', '.join(found)}"


def of_tests(report: Report) -> Iterator[tuple[str, str]]:
    """Find tests that end differently in the student's own notebook."""
    for student, judgements in report.judgements.items():
        found = [judgement.exercise for judgement in judgements if judgement.tampered]
        if found:
            names = ", ".join(found)
            yield student, f"the test passes in the notebook, but not here: {names}"


def solved_cells(course: Course, report: Report) -> dict[str, dict[str, str]]:
    """Return student -> exercise -> code, of the exercises that passed."""
    sources: dict[str, dict[str, str]] = {}
    for student, judgements in report.judgements.items():
        passed = {found.exercise for found in judgements if found.passed}
        path = course.autograded(student) / f"{course.lab}.ipynb"
        cells = nbformat.read(path, as_version=4).cells
        sources[student] = {grade_id(c): c.source for c in cells if grade_id(c) in passed}
    return sources
