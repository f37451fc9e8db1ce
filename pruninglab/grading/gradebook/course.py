"""The course's folder: its labs, as nbgrader makes them, and what lies there of its students."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.apps.api import NbGraderAPI
from nbgrader.utils import temp_attrs
from traitlets.config import PyFileConfigLoader

from pruninglab.grading.gradebook import marks
from pruninglab.grading.intake import collect as collecting
from pruninglab.grading.intake import read
from pruninglab.grading.intake.canonical import grade_id


class GradingError(RuntimeError):
    """The class cannot be graded; the message says what to do."""


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


def register(api: NbGraderAPI, lab: str) -> tuple[str, tuple[tuple[str, bytes], ...]]:
    """Enter the lab's exercises and tests into the gradebook, as they are in solutions/ now.

    This is nbgrader's generate_assignment, its release thrown away: labs/ stays untouched.

    Returns:
        The skeleton (the release with the tests whole, as JSON), and what lies beside it.
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
        released = nbformat.read(Path(scratch, lab, f"{lab}.ipynb"), as_version=4)
        beside = [p for p in sorted(Path(scratch, lab).iterdir()) if p.suffix != ".ipynb"]
        files = tuple((p.name, p.read_bytes()) for p in beside if p.is_file())
    tests = marks.tests(api, lab)
    for cell in released.cells:
        cell.source = tests.get(grade_id(cell), cell.source)
    return nbformat.writes(released), files


def collect(api: NbGraderAPI, lab: str) -> bool:
    """Put downloaded/<lab>/archive into submitted/<student>/<lab>; False if there is none.

    Files of which it is not clear whose they are are named on the terminal.
    """
    if not (root(api) / "downloaded" / lab / "archive").is_dir():
        return False
    named = api.config.FileNameCollectorPlugin.named_regexp
    for line in collecting.collect(root(api), lab, named):
        print(line)
    return True


def students_of(api: NbGraderAPI, lab: str) -> list[str]:
    """Everybody who has handed in a lab.

    Raises:
        GradingError: nobody has; or a folder's name is no text, so that no file could hold it.
    """
    folders = (root(api) / "submitted").glob(f"*/{lab}")
    students = sorted(p.parent.name for p in folders if p.is_dir() and not p.is_symlink())
    if not students:
        where = f"submitted/<student>/{lab}/ or downloaded/{lab}/archive/"
        raise GradingError(f"nobody has handed in {lab}: put notebooks into {where}")
    for student in students:
        if (shown := read.legible(student)) != student:
            raise GradingError(f"submitted/{shown}: its name is no text in UTF-8: rename it")
    return students


def submission(api: NbGraderAPI, lab: str, student: str) -> tuple[str, bytes, str]:
    """What a student has handed in: file name, content, and why there is none, if so."""
    try:
        return *read.pick(root(api) / "submitted" / student / lab, lab), ""
    except read.Unreadable as error:
        return "", b"", str(error)
    except OSError as error:
        return "", b"", f"the file cannot be read ({error.strerror})"
