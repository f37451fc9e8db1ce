"""A class through the grader: on a tiny lab (fast, with broken submissions), and on lab 1."""

from __future__ import annotations

import csv
import errno
import inspect
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.utils import parse_utc

from pruninglab.grading import __main__ as command
from pruninglab.grading import demo, flow
from pruninglab.grading.gradebook import marks as gradebook
from pruninglab.grading.gradebook.course import (
    open_course,
    open_nbgrader,
    register,
    succeed,
)
from pruninglab.grading.gradebook.enter import enter
from pruninglab.grading.gradebook.hand_back import Report
from pruninglab.grading.judging.mark import Exam, unreadable
from pruninglab.grading.judging.worker import work
from pruninglab.grading.sample_class import code_of, fill
from pruninglab.grading.trouble import GradingError
from solutions.builder.build import nbgrader_cell
from solutions.lab1_structures import mistakes as structures_mistakes
from tests.helpers import graders
from tests.helpers.payloads import picture

# The first test of a class waits until the whole class is graded: minutes on a busy machine.
pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("_sandbox")]
ROOT = Path(__file__).parents[2]
TINY = "01_tiny"
TOKEN = "a-token-for-this-test"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


@pytest.fixture(scope="module", autouse=True)
def _graders() -> Iterator[None]:
    with graders.shared():
        yield


# --- a tiny lab ---------------------------------------------------------------------------------


def double(x: int) -> int:
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION


def triple(x: int) -> int:
    ### BEGIN SOLUTION
    return 3 * x
    ### END SOLUTION


def double_by_adding(x: int) -> int:
    return x + x


def triple_wrong(x: int) -> int:
    return x + 3


def dies(x: int) -> int:
    os._exit(1)


def visible_and_hidden(name: str, factor: int) -> str:
    hidden = f"assert {name}(4711) == {factor} * 4711, 'wrong for large numbers'"
    visible = f"assert {name}(0) in (0, 3)"
    return f"{visible}\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"


def tiny_lab() -> NotebookNode:
    """Two exercises of 2 and 3 points and a free response of 4."""
    cells = []
    for name, source, points, factor in (
        ("double", code_of("double", double)[0], 2, 2),
        ("triple", code_of("triple", triple)[0], 3, 3),
    ):
        body = source.replace("    return", "    ### BEGIN SOLUTION\n    return")
        cells.append(new_code_cell(f"{body}\n    ### END SOLUTION"))
        cells[-1].metadata["nbgrader"] = nbgrader_cell(name, None, solution=True)
        cells.append(new_code_cell(visible_and_hidden(name, factor)))
        cells[-1].metadata["nbgrader"] = nbgrader_cell(f"test_{name}", points, solution=False)
    cells.append(new_markdown_cell("### BEGIN SOLUTION\nBecause.\n### END SOLUTION"))
    cells[-1].metadata["nbgrader"] = nbgrader_cell("why", 4, solution=True)
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


def write(notebook: NotebookNode, course: Path, student: str) -> None:
    folder = course / "submitted" / student / TINY
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{TINY}.ipynb")


def make_tiny_course(course: Path) -> None:
    """The tiny lab, released, in a course with this repository's configuration."""
    (course / "solutions" / "notebooks" / TINY).mkdir(parents=True)
    nbformat.write(tiny_lab(), course / "solutions" / "notebooks" / TINY / f"{TINY}.ipynb")
    (course / "solutions" / "notebooks" / TINY / "probes.py").write_text("PROBES = {}\n")
    (course / "solutions" / "notebooks" / TINY / "hidden.py").write_text("secret = 4711\n")
    shutil.copy(ROOT / "nbgrader_config.py", course)
    succeed(open_nbgrader(course).generate_assignment(TINY), "release")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with the tiny lab, and no submission yet: to be copied."""
    course = tmp_path_factory.mktemp("pristine") / "course"
    make_tiny_course(course)
    return course


@pytest.fixture
def course(pristine: Path, tmp_path: Path) -> Path:
    """A course of one's own."""
    return Path(shutil.copytree(pristine, tmp_path / "course"))


def release(course: Path) -> NotebookNode:
    return nbformat.read(course / "labs" / TINY / f"{TINY}.ipynb", as_version=4)


ANSWER = """Since $a < b$, see ![mine](attachment:x.png) and [this][1] <img src=x onerror=alert(1)>

| a | b |
|---|---|
| 1 | 2 |

[1]: javascript:alert(1)
"""


@pytest.fixture(scope="module")
def tiny(
    pristine: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Report, NotebookNode]:
    """A graded class of the tiny lab: the course's folder, the report, the release."""
    course = Path(shutil.copytree(pristine, tmp_path_factory.mktemp("tiny") / "course"))
    released = release(course)
    good = fill(released, {"double": double, "triple": triple}, {"why": ANSWER})
    good.cells[-1]["attachments"] = {"x.png": {"image/png": picture()}}
    write(good, course, "good")
    write(fill(released, {"double": double_by_adding}), course, "half")
    write(fill(released, {"double": double, "triple": triple_wrong}), course, "wrong")
    write(released, course, "untouched")
    write(fill(released, {"double": dies}), course, "dies")
    write(released, course, "broken")
    (course / "submitted" / "broken" / TINY / f"{TINY}.ipynb").write_text("{ this is no notebook")
    write(fill(released, {"double": double}), course, "misnamed")
    misnamed = course / "submitted" / "misnamed" / TINY
    (misnamed / f"{TINY}.ipynb").rename(misnamed / "homework.ipynb")
    archive = course / "downloaded" / TINY / "archive"
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "Lovelace Ada_12_assignsubmission_file_.zip", "w") as file:
        file.writestr(f"{TINY} (1).ipynb", nbformat.writes(good))
        file.writestr(f".ipynb_checkpoints/{TINY}-checkpoint.ipynb", nbformat.writes(released))
    nbformat.write(good, archive / f"alan_{TINY}.ipynb")
    nbformat.write(released, archive / f"alan_{TINY} (1).ipynb")
    (archive / "damaged.zip").write_bytes(b"PK\3\4 and no more")
    (archive / "notes.txt").write_text("nobody's")
    return course, flow.run(course, TINY), released


def regrade(course: Path, student: str) -> None:
    """Grade one submission again."""
    lab = open_course(course, TINY)
    result = work(Exam(TINY, *register(lab), seed=1), *lab.submission(student))
    enter(lab, student, result.notebook)


def points(report: Report, student: str) -> list[float | None]:
    return [mark.points for mark in report.marks[student].values()]


def test_the_release_has_no_solution_and_no_hidden_test(
    tiny: tuple[Path, Report, NotebookNode],
) -> None:
    course, _, released = tiny
    text = nbformat.writes(released)
    assert "4711" not in text
    assert "2 * x" not in text
    assert "Because." not in text
    assert 'raise NotImplementedError(\\"write your solution here' in text
    assert {path.name for path in (course / "labs" / TINY).iterdir()} == {
        f"{TINY}.ipynb",
        "probes.py",
    }


def test_a_student_of_moodles_is_shown_without_its_number(
    tiny: tuple[Path, Report, NotebookNode], capsys: pytest.CaptureFixture[str]
) -> None:
    course, report, _ = tiny
    command.show(report, course, TINY)
    assert report.page is not None
    for text in (capsys.readouterr().out, report.page.read_text()):
        assert "Lovelace Ada" in text
        assert "Lovelace Ada_12" not in text
    assert (
        course / "submitted" / "Lovelace Ada_12"
    ).is_dir()  # as before: marks stay where they are


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        ("good", [2, 3, None]),
        ("half", [2, 0, 0]),
        ("wrong", [2, 0, 0]),
        ("untouched", [0, 0, 0]),
        ("Lovelace Ada_12", [2, 3, None]),
        ("alan", [2, 3, None]),
        ("dies", [0, 0, 0]),
        ("broken", [0, 0, 0]),
        ("misnamed", [2, 0, 0]),
        ("damaged", [0, 0, 0]),
    ],
)
def test_marks(
    tiny: tuple[Path, Report, NotebookNode], student: str, expected: list[float | None]
) -> None:
    assert points(tiny[1], student) == expected


def test_every_submission_has_a_row_and_the_broken_ones_a_reason(
    tiny: tuple[Path, Report, NotebookNode],
) -> None:
    _, report, _ = tiny
    assert len(report.marks) == 10
    assert list(report.points.items()) == [("double", 2), ("triple", 3), ("why", 4)]
    assert set(report.failed) == {"broken", "damaged"}
    assert "JSON is broken" in report.failed["broken"]
    assert "is no zip file, or a damaged one" in report.failed["damaged"]


def test_feedback_says_why_nothing_could_be_graded(
    tiny: tuple[Path, Report, NotebookNode],
) -> None:
    _, report, _ = tiny
    assert "JSON is broken" in report.feedback["broken"].read_text()
    assert "ended by itself" in report.feedback["dies"].read_text()


def test_feedback_explains_without_the_hidden_tests(
    tiny: tuple[Path, Report, NotebookNode],
) -> None:
    _, report, _ = tiny
    assert set(report.feedback) == set(report.marks)
    for page in report.feedback.values():
        assert "4711" not in page.read_text()
        assert "HIDDEN TESTS" not in page.read_text()
    assert "wrong for large numbers" in report.feedback["wrong"].read_text()


def assert_shows_the_answer(page: str) -> None:
    """The words, the mathematics, the table and the picture; nothing that runs."""
    assert "Since $a &lt; b$" in page
    assert f'src="data:image/png;base64,{picture()}"' in page
    assert re.search(r"<th>b</th>", page)
    assert "&lt;img src=x onerror=alert(1)" in page
    assert "javascript:" not in page


def test_feedback_shows_the_answer_and_that_it_waits_for_a_mark(
    tiny: tuple[Path, Report, NotebookNode],
) -> None:
    _, report, _ = tiny
    page = report.feedback["good"].read_text()
    assert_shows_the_answer(page)
    assert "5 + ? of 9 points" in page
    assert "waits for a mark by hand" in page
    assert "2 of 9 points" in report.feedback["half"].read_text()
    for exercise in ("double", "triple", "why"):
        assert f"{exercise}</a></td>" in page
    assert "Test cell" not in page
    assert 'http-equiv="Content-Security-Policy"' in page


def test_what_to_look_at_is_printed_last_with_the_reasons(
    tiny: tuple[Path, Report, NotebookNode], capsys: pytest.CaptureFixture[str]
) -> None:
    course, report, _ = tiny
    command.show(report, course, TINY)
    last = capsys.readouterr().out.split("To look at: ")[1]
    assert "  good: waits for a mark by hand: why\n" in last
    assert "  broken: could not be graded, and has 0: " in last
    assert "half" not in last
    assert report.page is not None
    for student, _ in report.looks:
        assert student in report.page.read_text()


def test_the_csv_has_everybodys_total(tiny: tuple[Path, Report, NotebookNode]) -> None:
    _, report, _ = tiny
    assert report.csv is not None
    with report.csv.open() as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert {row["max_score"] for row in rows.values()} == {"9.0"}
    totals = {student: float(row["score"]) for student, row in rows.items()}
    assert totals == {
        **{"good": 5, "half": 2, "wrong": 2, "untouched": 0, "Lovelace Ada_12": 5, "alan": 5},
        **{"dies": 0, "broken": 0, "misnamed": 2, "damaged": 0},
    }


def test_what_goes_back_to_moodle(tiny: tuple[Path, Report, NotebookNode]) -> None:
    """The columns without which Moodle takes no worksheet, and pages under its own names."""
    _, report, _ = tiny
    assert report.moodle is not None
    with report.moodle.open() as file:
        rows = {row["Full name"]: row for row in csv.DictReader(file)}
    ada = rows["Lovelace Ada"]
    assert (ada["Identifier"], ada["Grade"]) == ("Participant 12", "")  # a mark is missing
    assert ada["Note"] == "5 so far; waits for a mark by hand: why"
    assert (rows["wrong"]["Grade"], rows["wrong"]["Note"]) == ("2", "")
    assert ada["Last modified (grade)"] == "-"
    assert rows["good"]["Identifier"] == ""
    with zipfile.ZipFile(report.moodle.with_suffix(".zip")) as archive:
        (page,) = archive.namelist()
        assert page == f"Lovelace Ada_12_assignsubmission_file_{TINY}.html"
        assert archive.read(page) == report.feedback["Lovelace Ada_12"].read_bytes()


def by_hand(course: Path, student: str, exercise: str, points: float) -> None:
    """Somebody marks in formgrader."""
    with open_course(course, TINY).gradebook as marks:
        grade = marks.find_grade(exercise, TINY, TINY, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        marks.db.commit()


def test_marks_by_hand_survive_a_regrade_and_ask_for_a_look_when_the_answer_changes(
    course: Path,
) -> None:
    released, lab = release(course), open_course(course, TINY)
    write(fill(released, {"double": double, "triple": triple}, {"why": "So."}), course, "good")
    regrade(course, "good")
    by_hand(course, "good", "why", 3.5)
    by_hand(course, "good", "test_triple", 2)  # a half point off, say
    regrade(course, "good")  # the same file: whatever was marked is as it was
    again = gradebook.marks(lab, "good")
    assert again["why"] == gradebook.Mark(3.5, 4)
    assert again["triple"] == gradebook.Mark(2, 3)
    functions = {"double": double, "triple": triple_wrong}
    write(fill(released, functions, {"why": "So."}), course, "good")
    regrade(course, "good")  # another answer to triple
    again = gradebook.marks(lab, "good")
    assert again["why"] == gradebook.Mark(3.5, 4)
    assert again["triple"] == gradebook.Mark(2, 3, review=True)
    write(fill(released, functions, {"why": "So, and more."}), course, "good")
    regrade(course, "good")
    again = gradebook.marks(lab, "good")
    assert again["why"] == gradebook.Mark(3.5, 4, review=True)
    assert again["triple"].review  # nobody has looked yet
    assert gradebook.total(again) == "7.5"


@pytest.mark.parametrize(
    ("stamp", "secret"),
    [
        (None, None),
        (b"2026-01-02 03:04:05.000000 UTC", b"a secret of the exchange"),
        (b"yesterday", b"\xff\xfe"),
        (b"x" * 5000, b"x" * 5000),
    ],
    ids=["by hand", "exchange", "no text", "large"],
)
def test_the_exchange_finds_what_it_needs_beside_every_notebook(
    course: Path, stamp: bytes | None, secret: bytes | None
) -> None:
    """One folder without a time or a secret would stop everybody's feedback."""
    write(release(course), course, "ada")
    for name, content in (("timestamp.txt", stamp), ("submission_secret.txt", secret)):
        if content is not None:
            (course / "submitted" / "ada" / TINY / name).write_bytes(content)
    lab = open_course(course, TINY)
    exam = Exam(TINY, *register(lab), seed=1)
    enter(lab, "ada", unreadable(exam, "a test").notebook)
    folder = lab.autograded("ada")
    when = parse_utc((folder / "timestamp.txt").read_text())
    kept = (folder / "submission_secret.txt").read_text()
    from_exchange = stamp is not None and stamp.startswith(b"2026")
    assert from_exchange == ((when.year, when.month, when.day) == (2026, 1, 2))
    assert from_exchange == (kept == "a secret of the exchange")
    assert len(kept) > 20
    with lab.gradebook as marks:
        known = marks.find_submission(TINY, "ada").timestamp
    assert (known is not None) == from_exchange  # a time that was made up makes nobody late


def test_marks_by_hand_reach_everything_without_grading_again(course: Path) -> None:
    with pytest.raises(GradingError, match="01_tiny has not been graded"):
        flow.run(course, TINY, grading=False)
    write(fill(release(course), {"double": double}, {"why": "So."}), course, "ada")
    flow.run(course, TINY)
    log = (course / f"grades_{TINY}.jsonl").read_text()
    lab = open_course(course, TINY)
    with lab.gradebook as marks:
        grade = marks.find_grade("why", TINY, TINY, "ada")
        grade.manual_score, grade.needs_manual_grade = 3, False
        marks.find_comment("why", TINY, TINY, "ada").manual_comment = "Well said."
        marks.db.commit()
    report = flow.run(course, TINY, grading=False)
    assert report.marks["ada"]["why"] == gradebook.Mark(3, 4)
    assert "Well said." in report.feedback["ada"].read_text()
    assert report.csv is not None
    assert report.moodle is not None
    assert ",5.0," in report.csv.read_text()
    assert ",ada,5,9" in report.moodle.read_text()
    assert (course / f"grades_{TINY}.jsonl").read_text() == log
    assert "Because." not in report.feedback["ada"].read_text()
    answered = flow.run(course, TINY, grading=False, answers=True).feedback["ada"].read_text()
    assert "Model answer.</strong> Because." in answered
    assert "For whoever marks" not in answered


def test_a_broken_resubmission_does_not_keep_the_old_marks(
    tiny: tuple[Path, Report, NotebookNode],
) -> None:
    course, _, released = tiny
    lab = open_course(course, TINY)
    write(fill(released, {"double": double}), course, "late")
    regrade(course, "late")
    assert gradebook.marks(lab, "late")["double"].points == 2
    (course / "submitted" / "late" / TINY / f"{TINY}.ipynb").write_text("")
    regrade(course, "late")
    assert gradebook.total(gradebook.marks(lab, "late")) == "0"


def test_grading_leaves_labs_alone(course: Path) -> None:
    mine = course / "labs" / TINY / f"{TINY}.ipynb"
    mine.write_text("tried something here")
    register(open_course(course, TINY))
    assert mine.read_text() == "tried something here"


def test_what_cannot_be_graded_says_what_to_do(course: Path) -> None:
    with pytest.raises(GradingError, match=r"no nbgrader_config\.py in"):
        open_course(course / "labs", TINY)
    with pytest.raises(GradingError, match=r"no lab '02_none' .*: there are 01_tiny"):
        flow.run(course, "02_none")
    with pytest.raises(GradingError, match=r"nobody has handed in 01_tiny: put notebooks into"):
        flow.run(course, TINY)


def test_a_gradebook_in_use_is_told_in_one_sentence(course: Path) -> None:
    write(release(course), course, "ada")
    holder = sqlite3.connect(course / "gradebook.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(GradingError, match=r"^the gradebook is in use: close [^\n]*$"):
            flow.run(course, TINY)
    finally:
        holder.close()


@pytest.mark.parametrize("damage", ["no database", ""], ids=["overwritten", "emptied"])
def test_a_damaged_gradebook_or_none_loses_nobody(course: Path, damage: str) -> None:
    """An empty one is treated as if there were none."""
    write(release(course), course, "ada")
    (course / "gradebook.db").write_text(damage * 500)
    if damage:
        with pytest.raises(GradingError, match=r"gradebook\.db is damaged: take it from"):
            flow.run(course, TINY)
    else:
        (course / "gradebook.db").unlink()
        assert set(flow.run(course, TINY).marks) == {"ada"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_in_one_sentence_and_the_next_run_goes_on(
    course: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write(fill(release(course), {"double": double}), course, "ada")
    marks = open_course(course, TINY).autograded("ada") / f"{TINY}.ipynb"
    with monkeypatch.context() as patched:
        full = OSError(number, "No space left on device")
        patched.setattr("pruninglab.files.write", lambda *_: (_ for _ in ()).throw(full))
        with pytest.raises(GradingError, match=r"^the disk is full: make room; what is marked is "):
            flow.run(course, TINY)
    assert not marks.exists()
    marks.parent.mkdir(parents=True, exist_ok=True)
    marks.write_text('{"cells": nul')  # as an older version might have left it
    assert points(flow.run(course, TINY), "ada") == [2, 0, 0]


def nbgrader(course: Path, *arguments: str) -> None:
    """Run a command of nbgrader's as somebody would who did not activate the environment."""
    run = [sys.executable, "-m", "nbgrader", *arguments]
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(run, cwd=course, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nbgraders_own_commands_follow_the_configuration(
    course: Path, tiny: tuple[Path, Report, NotebookNode]
) -> None:
    (course / "gradebook.db").unlink()
    nbgrader(course, "generate_assignment", TINY, "--force", "--create")
    assert list(gradebook.exercises(open_course(course, TINY))) == ["double", "triple", "why"]
    page = tiny[1].feedback["wrong"]
    page.unlink()
    nbgrader(tiny[0], "generate_feedback", TINY, "--student", "wrong", "--force")
    assert "wrong for large numbers" in page.read_text()
    assert "4711" not in page.read_text()


def test_the_command_prints_the_gradebook_and_where_the_files_are(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(fill(release(course), {"double": double}), course, "ada")
    monkeypatch.setattr(sys, "argv", ["grading", "--lab", TINY, "--course", str(course)])
    command.main()
    printed = capsys.readouterr().out
    assert re.search(r"^ada +2 +0 +0 +2$", printed, flags=re.M)
    assert str(course / f"grades_{TINY}.csv") in printed
    monkeypatch.setattr(sys, "argv", ["grading", "--lab", "02_none", "--course", str(course)])
    with pytest.raises(SystemExit, match="error: no lab '02_none'"):
        command.main()


# --- odd names of students ------------------------------------------------------------------------


def test_names_that_are_no_text_or_patterns_get_a_row_and_a_page(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes that are no UTF-8, brackets, and a notebook whose format is half a character."""
    notebook = nbformat.writes(fill(release(course), {"double": double}))
    archive = course / "downloaded" / TINY / "archive"
    archive.mkdir(parents=True)
    for name in (b"M\xfcller_1", b"Ann [x]_2", b"=1+1_3", b"Lee+Ann_4"):
        path = os.path.join(
            os.fsencode(archive), name + f"_assignsubmission_file_{TINY}.ipynb".encode()
        )
        Path(os.fsdecode(path)).write_text(notebook, encoding="utf-8")
    (archive / f"Eve_5_assignsubmission_file_{TINY}.ipynb").write_text(
        '{"nbformat": "\\ud800", "cells": []}'
    )
    report = flow.run(course, TINY)
    names = {"M ller_1", "Ann (x)_2", "1+1_3", "Lee+Ann_4", "Eve_5"}
    assert set(report.marks) == set(report.feedback) == names
    assert {s: marks["double"].points for s, marks in report.marks.items()} == {
        student: 0 if student == "Eve_5" else 2 for student in names
    }
    assert r"has notebook format '\ud800', and 4 is needed" in report.failed["Eve_5"]
    with zipfile.ZipFile(report.moodle.with_suffix(".zip")) as pages:  # Moodle splits them at "_"
        assert {name.split("_")[1] for name in pages.namelist()} == set("12345")
    command.show(report, course, TINY)
    assert "M ller" in capsys.readouterr().out
    bad = Path(os.fsdecode(os.fsencode(course / "submitted") + b"/M\xfcller")) / TINY
    bad.mkdir(parents=True)
    with pytest.raises(GradingError, match=r"submitted/M\?ller: its name is no text"):
        flow.run(course, TINY, collecting=False)


# --- sample submissions -------------------------------------------------------------------------


def test_fill_names_the_cell_that_is_missing() -> None:
    with pytest.raises(ValueError, match="no cell to fill in for: quadruple"):
        fill(tiny_lab(), {"quadruple": double})


@pytest.mark.parametrize(
    ("name", "function"),
    [
        pytest.param(name, function, id=function.__name__)
        for corpus in (structures_mistakes.MISTAKES, structures_mistakes.ALTERNATIVES)
        for name, functions in corpus.items()
        for function in functions
    ],
)
def test_a_function_runs_outside_of_its_module(name: str, function: Callable) -> None:
    """Everything that its source needs comes along: no global name is unknown."""
    namespace: dict = dict.fromkeys(structures_mistakes.MISTAKES)
    parts = code_of(name, function, present=list(namespace))
    exec("\n\n".join(["from __future__ import annotations", *parts]), namespace)
    used = set(inspect.unwrap(namespace[name]).__code__.co_names)
    known = set(inspect.unwrap(function).__globals__)
    assert used & known <= set(namespace)
    assert namespace[name].__doc__ == function.__doc__


# --- JupyterLab's formgrader --------------------------------------------------------------------


def ask(url: str, method: str = "GET", body: dict | None = None) -> str:
    """What the server answers, with status 200; other ones raise."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": f"token {TOKEN}"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
        return answer.read().decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def formgrader(tiny: tuple[Path, Report, NotebookNode]) -> Iterator[str]:
    """Formgrader's address, in a Jupyter server that runs in the tiny course."""
    port = free_port()
    start = [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root"]
    start += [f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}"]
    start += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0"]
    with (tiny[0] / "server.log").open("w") as log:
        process = subprocess.Popen(start, cwd=tiny[0], stdout=log, stderr=log)
        try:
            wait_for(port, process)
            yield f"http://127.0.0.1:{port}/formgrader"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(port: int, process: subprocess.Popen, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError("the Jupyter server does not answer")


def test_formgrader_shows_the_class_and_takes_marks_by_hand(
    formgrader: str, tiny: tuple[Path, Report, NotebookNode]
) -> None:
    assert "<title>nbgrader formgrade</title>" in ask(formgrader)
    (assignment,) = json.loads(ask(f"{formgrader}/api/assignments"))
    assert (assignment["name"], assignment["max_score"]) == (TINY, 9)
    submissions = json.loads(ask(f"{formgrader}/api/submissions/{TINY}"))
    scores = {row["student"]: row["score"] for row in submissions}
    assert (scores["half"], scores["alan"]) == (2, 5)

    (notebook,) = json.loads(ask(f"{formgrader}/api/submitted_notebooks/{TINY}/{TINY}"))[:1]
    shown = ask(f"{formgrader}/submissions/{notebook['id']}")
    lab = open_course(tiny[0], TINY)
    with lab.gradebook as marks:
        number = marks.find_submission_notebook(TINY, TINY, "good").id
    assert_shows_the_answer(ask(f"{formgrader}/submissions/{number}"))
    assert "hidden tests" in shown.lower()
    assert shown.index("For whoever marks") < shown.index("Because.")  # model answer and guide
    with lab.gradebook as marks:
        (waiting,) = [
            g
            for g in marks.find_submission_notebook(TINY, TINY, "alan").grades
            if g.needs_manual_grade
        ]
        grade = waiting.id
    ask(f"{formgrader}/api/grade/{grade}", "PUT", {"manual_score": 4})
    assert gradebook.marks(lab, "alan")["why"] == gradebook.Mark(4, 4)

    page = tiny[0] / "feedback" / "alan" / TINY / f"{TINY}.html"
    page.unlink()
    done = json.loads(ask(f"{formgrader}/api/assignment/{TINY}/alan/generate_feedback", "POST", {}))
    assert done["success"]
    for secret in ("4711", "For whoever marks", "Because."):
        assert secret not in page.read_text()


# --- the real lab -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab1(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The demo's class, graded."""
    course = tmp_path_factory.mktemp("lab1") / "course"
    submissions = demo.sample_class(demo.make_course(ROOT, course))
    demo.hand_in(course, submissions)
    return flow.run(course, demo.LAB)


def autograded(report: Report, student: str) -> dict[str, float | None]:
    """Exercise -> points, without the free responses."""
    tested = structures_mistakes.MISTAKES
    return {name: mark.points for name, mark in report.marks[student].items() if name in tested}


def test_lab1_marks(lab1: Report) -> None:
    assert lab1.failed == {}
    full = {name: top for name, top in lab1.points.items() if name in structures_mistakes.MISTAKES}
    assert set(full) == set(structures_mistakes.MISTAKES)
    nothing = dict.fromkeys(full, 0.0)
    first_half = list(structures_mistakes.MISTAKES)[: len(full) // 2]
    assert autograded(lab1, "all right") == full
    assert autograded(lab1, "right in another way_7") == full
    assert autograded(lab1, "half done") == nothing | {name: full[name] for name in first_half}
    assert autograded(lab1, "wrong") == nothing
    assert autograded(lab1, "untouched") == nothing


def test_lab1_free_responses_wait_for_a_person_if_there_is_something_to_read(lab1: Report) -> None:
    written = set(lab1.points) - set(structures_mistakes.MISTAKES)
    assert written
    assert {lab1.marks["all right"][name].points for name in written} == {None}
    assert {lab1.marks["untouched"][name].points for name in written} == {0}


def test_lab1_feedback_hides_the_hidden_tests(lab1: Report) -> None:
    assert len(lab1.feedback) == 5
    for page in lab1.feedback.values():
        text = page.read_text()
        assert "HIDDEN TESTS" not in text
        assert 'def</span> <span class="nf">test_' not in text
    assert "Likely:" in lab1.feedback["wrong"].read_text()
