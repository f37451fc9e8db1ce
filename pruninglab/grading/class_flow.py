"""From what the students handed in to marks, feedback pages and a CSV, with stock nbgrader."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbgrader.apps.api import NbGraderAPI
from nbgrader.plugins import CsvExportPlugin
from nbgrader.utils import temp_attrs
from tqdm import tqdm
from traitlets.config import PyFileConfigLoader

from pruninglab.grading import gradebook
from pruninglab.grading.gradebook import Mark

# The seam for another grader: `grade(api, lab, student)` enters the marks of one submission,
# submitted/<student>/<lab>/, into the gradebook, and returns None, or in one line why it could not.
# It must not raise for anything that a student can hand in. `autograde` is nbgrader's own way; it
# runs the students' code with the rights of the person who grades.
Grader = Callable[[NbGraderAPI, str, str], str | None]


class GradingError(RuntimeError):
    """The class cannot be graded; the message says what to do."""


@dataclass
class Report:
    """What came out of grading a class.

    Attributes:
        points: exercise -> its maximum, in the order of the lab.
        marks: student -> exercise -> mark.
        failed: student -> why the submission could not be graded (its marks are 0).
        feedback: student -> feedback page.
        csv: the exported totals.
    """

    points: dict[str, float]
    marks: dict[str, dict[str, Mark]]
    failed: dict[str, str]
    feedback: dict[str, Path] = field(default_factory=dict)
    csv: Path | None = None


def open_course(folder: Path) -> NbGraderAPI:
    """nbgrader's API on the course in `folder`, set up by its nbgrader_config.py.

    Raises:
        GradingError: there is no nbgrader_config.py.
    """
    folder = folder.resolve()
    if not (folder / "nbgrader_config.py").is_file():
        raise GradingError(f"no nbgrader_config.py in {folder}: give the course's folder")
    config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    return NbGraderAPI(config=config)


def root(api: NbGraderAPI) -> Path:
    """The folder of the course."""
    return Path(api.coursedir.root)


def succeed(result: dict[str, Any], task: str) -> None:
    """Raise a `GradingError` if a step of nbgrader failed."""
    if not result["success"]:
        raise GradingError(f"nbgrader could not {task}: {why(result)}")


def why(result: dict[str, Any]) -> str:
    """The line of nbgrader's log that says why a step failed.

    >>> why({"log": "[ERROR] There was an error\\nTraceback\\nValueError: no cells", "error": ""})
    'ValueError: no cells'
    """
    text = f"{result.get('error', '')}\n{result.get('log', '')}"
    errors = re.findall(r"^\s*([\w.]*(?:Error|Exception|Died|Timeout)\b.*)$", text, flags=re.M)
    logged = re.findall(r"^\[ERROR\] (.*)$", text, flags=re.M)
    # nbgrader's own exception only points at the log.
    telling = [e for e in errors if "error log" not in e and "above traceback" not in e]
    return (telling or logged or ["see nbgrader's log"])[-1 if telling else 0][:300]


def register(api: NbGraderAPI, lab: str) -> None:
    """Enter the lab's exercises and tests into the gradebook, as they are in solutions/ now.

    This is nbgrader's generate_assignment, its release thrown away: labs/ stays untouched.
    """
    sources = root(api) / api.coursedir.source_directory
    if not (sources / lab / f"{lab}.ipynb").is_file():
        labs = sorted(path.parent.name for path in sources.glob("*/*.ipynb"))
        raise GradingError(f"no lab {lab!r} in {sources}: there are {', '.join(labs) or 'none'}")
    with (
        tempfile.TemporaryDirectory() as scratch,
        temp_attrs(api.coursedir, release_directory=scratch),
    ):
        succeed(api.generate_assignment(lab), f"read {lab}")


def collect(api: NbGraderAPI, lab: str) -> bool:
    """Unpack downloaded/<lab>/archive into submitted/<student>/<lab>; False if there is none.

    What a student had handed in before is replaced.

    Raises:
        GradingError: nbgrader could not, e.g. because of a broken zip; the message names it.
    """
    if not (root(api) / "downloaded" / lab / "archive").is_dir():
        return False
    # A process of its own: nbgrader has this step as a command only.
    command = [sys.executable, "-m", "nbgrader", "zip_collect", lab, "--force"]
    done = subprocess.run(command, cwd=root(api), capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        at_work = [line for line in lines if "Extracting from" in line or "Parsing file" in line]
        reason = "\n".join([*at_work[-1:], lines[-1]])
        raise GradingError(f"nbgrader could not collect downloaded/{lab}/archive:\n{reason}")
    return True


def autograde(api: NbGraderAPI, lab: str, student: str) -> str | None:
    """Grade one submission with nbgrader's autograder (see `Grader`)."""
    folder = root(api) / "submitted" / student / lab
    if not (folder / f"{lab}.ipynb").is_file():
        found = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
        return f"{lab}.ipynb is missing: handed in was {found}"
    with gradebook.no_session_warnings():
        result = api.autograde(lab, student)
    return None if result["success"] else why(result)


def grade_class(api: NbGraderAPI, lab: str, grade: Grader = autograde) -> Report:
    """Grade everything in submitted/, one after the other.

    Raises:
        GradingError: nobody handed anything in.
    """
    students = sorted(api.get_submitted_students(lab))
    if not students:
        where = f"submitted/<student>/{lab}/ or downloaded/{lab}/archive/"
        raise GradingError(f"nobody has handed in {lab}: put notebooks into {where}")
    failed = {}
    for student in (bar := tqdm(students, desc="grading", unit="notebook")):
        bar.set_postfix_str(student)
        if (reason := grade(api, lab, student)) is not None:
            failed[student] = reason
            gradebook.zero(api, lab, student)
    rows = {student: gradebook.marks(api, lab, student) for student in students}
    return Report(gradebook.exercises(api, lab), rows, failed)


def write_feedback(api: NbGraderAPI, lab: str, report: Report) -> None:
    """feedback/<student>/<lab>/<lab>.html for each graded submission; an outdated page goes."""
    for student in report.marks:
        folder = root(api) / "feedback" / student / lab
        shutil.rmtree(folder, ignore_errors=True)
        if student not in report.failed:
            succeed(api.generate_feedback(lab, student), f"write the feedback of {student}")
            report.feedback[student] = folder / f"{lab}.html"


def export(api: NbGraderAPI, lab: str, report: Report) -> None:
    """nbgrader's CSV of everybody's total: grades_<lab>.csv in the course's folder."""
    report.csv = root(api) / f"grades_{lab}.csv"
    plugin = CsvExportPlugin(parent=api, to=str(report.csv), assignment=[lab])
    with api.gradebook as marks:
        plugin.export(marks)


def run(folder: Path, lab: str, *, collecting: bool = True, grade: Grader = autograde) -> Report:
    """The whole flow: collect, grade, feedback, export."""
    api = open_course(folder)
    register(api, lab)
    if collecting and collect(api, lab):
        print(f"collected downloaded/{lab}/archive")
    report = grade_class(api, lab, grade)
    write_feedback(api, lab, report)
    export(api, lab, report)
    return report
