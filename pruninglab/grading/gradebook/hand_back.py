"""What comes out of grading a class: feedback pages, CSVs, the class report."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.plugins import CsvExportPlugin
from tqdm import tqdm

from pruninglab.grading.gradebook import moodle
from pruninglab.grading.gradebook.course import Course, succeed
from pruninglab.grading.gradebook.marks import Mark
from pruninglab.grading.gradebook.report import ClassReport, write
from pruninglab.grading.judging.judgement import Judgement
from pruninglab.grading.timer import OutOfTime, limited
from pruninglab.grading.trouble import GradingError

PAGE = 120  # seconds for a feedback page


@dataclass
class Report:
    """What came out of grading a class.

    Attributes:
        points: exercise -> its maximum, in the order of the lab.
        marks: student -> exercise -> mark.
        late: student -> seconds after the due date, and points taken off; only who was late.
        failed: student -> why the submission could not be graded (its marks are 0).
        seed: of the hidden tests.
        judgements: student -> what came of each test.
        known: exercise -> hints of its known mistakes.
        feedback: student -> feedback page.
        without: student -> why there is no feedback page.
        looks: (student, why somebody should look), the most urgent first.
        csv: the exported totals.
        moodle: Moodle's grading worksheet; beside it, ending in .zip, the feedback pages.
        page, picture: the class report.
    """

    points: dict[str, float]
    marks: dict[str, dict[str, Mark]]
    failed: dict[str, str]
    seed: int = 0
    judgements: dict[str, list[Judgement]] = field(default_factory=dict)
    known: dict[str, list[str]] = field(default_factory=dict)
    feedback: dict[str, Path] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)
    late: dict[str, tuple[float, float]] = field(default_factory=dict)
    looks: list[tuple[str, str]] = field(default_factory=list)
    csv: Path | None = None
    moodle: Path | None = None
    page: Path | None = None
    picture: Path | None = None


def class_report(course: Course, report: Report) -> None:
    """Write report_<lab>.html and .png into the course's folder."""
    names = moodle.names(report.marks)
    hints = {
        names[student]: {found.exercise: found.hint for found in judgements if found.hint}
        for student, judgements in report.judgements.items()
    }
    known = {name: report.known.get(name, []) for name in report.points}
    marks = {names[student]: row for student, row in report.marks.items()}
    made = ClassReport(course.lab, report.points, marks, hints, known, report.looks)
    report.page, report.picture = write(made, course.root)


def write_feedback(course: Course, report: Report) -> None:
    """Write feedback/<student>/<lab>/<lab>.html for each submission; an outdated page goes.

    Text can be made so that turning it into a page takes hours: then there is none.
    """
    for student in tqdm(report.marks, desc="feedback", unit="page"):
        folder = course.feedback(student)
        shutil.rmtree(folder, ignore_errors=True)
        began = time.monotonic()
        try:
            with limited(PAGE):
                succeed(course.api.generate_feedback(course.lab, student), "write it")
            report.feedback[student] = folder / f"{course.lab}.html"
        except (OutOfTime, GradingError) as error:  # one page must not keep the others back
            shutil.rmtree(folder, ignore_errors=True)
            late = time.monotonic() - began >= PAGE
            report.without[student] = f"it took longer than {PAGE} s" if late else str(error)


def export(course: Course, report: Report) -> None:
    """Write nbgrader's CSV of all totals; worksheet and feedback pages for Moodle."""
    report.csv = course.root / f"grades_{course.lab}.csv"
    plugin = CsvExportPlugin(parent=course.api, to=str(report.csv), assignment=[course.lab])
    with course.gradebook as marks:
        plugin.export(marks)
    taken = {student: points for student, (_, points) in report.late.items()}
    report.moodle = moodle.worksheet(report.marks, course.root / f"moodle_{course.lab}.csv", taken)
    moodle.pages(report.feedback, report.moodle.with_suffix(".zip"))
