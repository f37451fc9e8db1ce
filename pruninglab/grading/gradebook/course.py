"""The course's folder: a lab as nbgrader makes it, and what its students have handed in."""

from __future__ import annotations

import re
import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.utils import temp_attrs
from traitlets.config import PyFileConfigLoader

from pruninglab.grading.intake import read
from pruninglab.grading.intake.canonical import kind_of
from pruninglab.grading.intake.collect import printable
from pruninglab.grading.intake.owners import cleaned
from pruninglab.grading.trouble import GradingError, meaning
from pruninglab.limits import NOT_IN_PATHS
from pruninglab.notebook import grade_id
from pruninglab.overview import manifest


@dataclass(frozen=True)
class Course:
    """One lab of a course: nbgrader's API, and where things are. It is passed along.

    Attributes:
        api: nbgrader, set up by the course's nbgrader_config.py.
        lab: the lab's folder name, e.g. "01_structures".
    """

    api: NbGraderAPI
    lab: str

    @property
    def root(self) -> Path:
        """The folder of the course."""
        return Path(self.api.coursedir.root)

    @property
    def gradebook(self) -> AbstractContextManager[Gradebook]:
        """nbgrader's database of marks, open inside a `with`."""
        return self.api.gradebook

    @property
    def solved(self) -> Path:
        """The lab's notebook with solutions and hidden tests."""
        return self.root / self.api.coursedir.source_directory / self.lab / f"{self.lab}.ipynb"

    def submitted(self, student: str) -> Path:
        """Return the folder with what a student has handed in."""
        return self.root / self.api.coursedir.submitted_directory / student / self.lab

    def autograded(self, student: str) -> Path:
        """Return the folder with a student's graded notebook."""
        return self.root / self.api.coursedir.autograded_directory / student / self.lab

    def feedback(self, student: str) -> Path:
        """Return the folder with a student's feedback page."""
        return self.root / self.api.coursedir.feedback_directory / student / self.lab

    def students(self) -> list[str]:
        """List everybody who has handed in the lab.

        Raises:
            GradingError: nobody has; or a folder's name cannot be an id: it is no text, so that no
                file could hold it, or means something in a page, a table or a pattern.
        """
        folders = self.submitted("any").parents[1].glob(f"*/{self.lab}")
        students = sorted(p.parent.name for p in folders if p.is_dir() and not p.is_symlink())
        if not students:
            where = f"submitted/<student>/{self.lab}/ or downloaded/{self.lab}/archive/"
            raise GradingError(f"nobody has handed in {self.lab}: put notebooks into {where}")
        for student in students:
            if (shown := read.legible(student)) != student:
                raise GradingError(f"submitted/{shown}: its name is no text in UTF-8: rename it")
            if (better := cleaned(student)) != student:
                raise GradingError(
                    f"submitted/{printable(student)}: this name would be read as code in pages or "
                    f"tables: rename it, e.g. to {better or 'the name of the student'}"
                )
        return students

    def submission(self, student: str) -> tuple[str, bytes, str]:
        """Read what a student has handed in: file name, content, and why there is none, if so."""
        try:
            return *read.pick(self.submitted(student), self.lab), ""
        except read.Unreadable as error:
            return "", b"", str(error)
        except OSError as error:
            return "", b"", f"the file cannot be read ({error.strerror})"


def open_nbgrader(folder: Path) -> NbGraderAPI:
    """Open nbgrader's API on the course in `folder`, set up by its nbgrader_config.py.

    Raises:
        GradingError: there is no nbgrader_config.py.
    """
    folder = folder.resolve()
    if not (folder / "nbgrader_config.py").is_file():
        raise GradingError(f"no nbgrader_config.py in {folder}: give the course's folder")
    if odd := sorted(set(str(folder)) & set(NOT_IN_PATHS)):
        raise GradingError(
            f"{folder}: nbgrader cannot work with {' '.join(odd)} in a folder's path: rename it"
        )
    config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    return NbGraderAPI(config=config)


def open_course(folder: Path, lab: str) -> Course:
    """Open a lab of the course in `folder`; see `open_nbgrader` for what it raises."""
    return Course(open_nbgrader(folder), lab)


def succeed(result: dict[str, Any], task: str) -> None:
    """Raise a `GradingError` if a step of nbgrader failed."""
    if not result["success"]:
        known = meaning(f"{result.get('error', '')}{result.get('log', '')}")
        raise GradingError(known or f"nbgrader could not {task}: {why(result)}")


def why(result: dict[str, Any]) -> str:
    """Find the line of nbgrader's log that says why a step failed.

    >>> why({"log": "[ERROR] There was an error\\nTraceback\\nValueError: no cells", "error": ""})
    'ValueError: no cells'
    """
    text = f"{result.get('error', '')}\n{result.get('log', '')}"
    errors = re.findall(r"^\s*([\w.]*(?:Error|Exception|Died|Timeout)\b.*)$", text, flags=re.M)
    logged = re.findall(r"^\[ERROR\] (.*)$", text, flags=re.M)
    # nbgrader's own exception only points at the log.
    telling = [e for e in errors if "error log" not in e and "above traceback" not in e]
    return (telling or logged or ["see nbgrader's log"])[-1 if telling else 0][:300]


def register(course: Course) -> tuple[str, tuple[tuple[str, bytes], ...]]:
    """Enter the lab's exercises and tests into the gradebook, as they are in solutions/ now.

    This is nbgrader's generate_assignment, its release thrown away: labs/ stays untouched.

    Returns:
        The skeleton (the release with the tests whole, as JSON), and the (name, content) of each
        file beside it.
    """
    lab = course.lab
    if not course.solved.is_file():
        sources = course.solved.parents[1]
        labs = sorted(path.parent.name for path in sources.glob("*/*.ipynb"))
        raise GradingError(f"no lab {lab!r} in {sources}: there are {', '.join(labs) or 'none'}")
    with (
        tempfile.TemporaryDirectory() as scratch,
        temp_attrs(course.api.coursedir, release_directory=scratch),
    ):
        succeed(course.api.generate_assignment(lab), f"read {lab}")
        skeleton = nbformat.read(Path(scratch, lab, f"{lab}.ipynb"), as_version=4)
        beside = [p for p in sorted(Path(scratch, lab).iterdir()) if p.suffix != ".ipynb"]
        files = {p.name: p.read_bytes() for p in beside if p.is_file()} | manifest.in_package(lab)
    # The release has no hidden tests; the notebook that it was made from has them.
    solved = nbformat.read(course.solved, as_version=4).cells
    tests = {grade_id(cell): cell.source for cell in solved if kind_of(cell) == "test"}
    for cell in skeleton.cells:
        cell.source = tests.get(grade_id(cell), cell.source)
    return nbformat.writes(skeleton), tuple(sorted(files.items()))


def reference_solutions(course: Course) -> tuple[tuple[str, str], ...]:
    """Read the (grade_id, source) of each solution in code: see `judging.helpers` for their use."""
    solved = nbformat.read(course.solved, as_version=4).cells
    code = [c for c in solved if kind_of(c) == "solution" and c.cell_type == "code"]
    return tuple((grade_id(cell), cell.source) for cell in code)
