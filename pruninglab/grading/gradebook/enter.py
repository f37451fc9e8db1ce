"""A graded notebook goes into nbgrader's gradebook, and into autograded/."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbformat.reader import NotJSONError
from nbformat.validator import ValidationError
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades
from nbgrader.utils import parse_utc
from sqlalchemy.exc import SAWarning

from pruninglab import files
from pruninglab.grading.gradebook.course import Course
from pruninglab.grading.gradebook.moodle import participant
from pruninglab.grading.intake.canonical import kind_of
from pruninglab.notebook import grade_id

SMALL = 1000  # bytes; the files of nbgrader's exchange have fewer than a hundred
STAMP, SECRET = "timestamp.txt", "submission_secret.txt"


def enter(course: Course, student: str, notebook: str) -> None:
    """Enter a graded notebook as nbgrader's autograder does; marks given by hand stay.

    Args:
        course: the lab.
        student: who handed it in.
        notebook: the canonical notebook, as JSON; an error among the outputs of a test means 0.
    """
    lab, folder, handed_in = course.lab, course.autograded(student), course.submitted(student)
    path = folder / f"{lab}.ipynb"
    old = answers_before(path)
    when = collected(handed_in)
    with no_session_warnings(), course.gradebook as gradebook:
        settled = marked_by_hand(gradebook, lab, student)
        name_student(gradebook, student)
        gradebook.update_or_create_submission(lab, student, **({"timestamp": when} if when else {}))
        names = {"assignment": lab, "notebook": lab, "student": student}
        resources = {"nbgrader": {**names, "db_url": course.api.coursedir.db_url}}
        graded = nbformat.reads(notebook, as_version=4)
        for step in (SaveAutoGrades, AssignLatePenalties):
            step(config=course.api.config).preprocess(graded, resources)
        new = answers(notebook)
        same = {name for name in new if new[name] == old.get(name)}
        keep_settled(gradebook, lab, student, settled, same)
    folder.mkdir(parents=True, exist_ok=True)
    files.write(path, notebook)
    complete(folder, handed_in)


def name_student(gradebook: Gradebook, student: str) -> None:
    """Make sure that nbgrader knows a student, and has a name to show.

    It is split at the first space, in the order in which the platform writes it. What somebody has
    entered (formgrader's tab Students, or a roster) stays.
    """
    known = gradebook.update_or_create_student(student)
    first, _, rest = participant(student)[0].partition(" ")
    if not known.first_name and not known.last_name and rest:
        known.last_name, known.first_name = first, rest
        gradebook.db.commit()


# --- marks by hand --------------------------------------------------------------------------------


def answers(notebook: str) -> dict[str, str]:
    """Read exercise -> the student's text from a graded notebook."""
    cells = nbformat.reads(notebook, as_version=4).cells
    return {grade_id(cell): cell.source for cell in cells if kind_of(cell) == "solution"}


def answers_before(path: Path) -> dict[str, str]:
    """Read the same from the notebook that was graded last; nothing if there is none to read."""
    try:
        return answers(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, NotJSONError, ValidationError):
        return {}


def marked_by_hand(gradebook: Gradebook, lab: str, student: str) -> dict[str, float | None]:
    """Name of each mark that was given by hand and waits for nobody -> the autograder's points."""
    try:
        grades = gradebook.find_submission_notebook(lab, lab, student).grades
    except MissingEntry:
        return {}
    settled = [g for g in grades if g.manual_score is not None and not g.needs_manual_grade]
    return {grade.name: grade.auto_score for grade in settled}


def keep_settled(
    gradebook: Gradebook, lab: str, student: str, settled: dict[str, float | None], same: set[str]
) -> None:
    """Take back nbgrader's wish to see a mark again where nothing has changed that it was for.

    Args:
        gradebook: open.
        lab: the lab.
        student: whose marks.
        settled: see `marked_by_hand`.
        same: exercises whose text has not changed.
    """
    for grade in gradebook.find_submission_notebook(lab, lab, student).grades:
        unchanged = grade.name in settled and settled[grade.name] == grade.auto_score
        if unchanged and grade.name.removeprefix("test_") in same:
            grade.needs_manual_grade = False
    gradebook.db.commit()


@contextmanager
def no_session_warnings() -> Iterator[None]:
    """Keep a warning about nbgrader's own code from the terminal.

    Whenever it enters a new submission, SQLAlchemy objects that the object is "not in session"
    yet; a moment later nbgrader adds it.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Object of type <", category=SAWarning)
        yield


# --- nbgrader's exchange --------------------------------------------------------------------------


def small_text(path: Path) -> str:
    """Read a small file that is no link; an empty text if there is none."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > SMALL:
            return ""
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def collected(folder: Path) -> datetime | None:
    """Read when a submission was handed in, if nbgrader's exchange says so."""
    try:
        return parse_utc(text) if (text := small_text(folder / STAMP)) else None
    except (ValueError, OverflowError):
        return None


def complete(folder: Path, handed_in: Path) -> None:
    """Put into a folder the files by which nbgrader's exchange gives feedback back.

    What did not come from the exchange has none, and one folder without them would stop
    `nbgrader release_feedback` for everybody. Nobody can ask for feedback under a new secret.
    """
    when = small_text(handed_in / STAMP) if collected(handed_in) else ""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f %Z")
    (folder / STAMP).write_text(when or now, encoding="utf-8")
    secret = small_text(handed_in / SECRET) or secrets.token_hex(32)
    (folder / SECRET).write_text(secret, encoding="utf-8")
