"""A class through the grader: on a tiny lab (fast, with broken submissions), and on lab 1."""

from __future__ import annotations

import csv
import inspect
import json
import os
import re
import shutil
import socket
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
from traitlets.config import PyFileConfigLoader

from pruninglab.grading import __main__ as command
from pruninglab.grading import demo, flow
from pruninglab.grading.gradebook import marks as gradebook
from pruninglab.grading.gradebook.course import (
    GradingError,
    open_course,
    open_nbgrader,
    register,
    succeed,
)
from pruninglab.grading.gradebook.enter import enter
from pruninglab.grading.gradebook.hand_back import Report
from pruninglab.grading.intake import collect, read
from pruninglab.grading.judging.mark import Exam, unreadable
from pruninglab.grading.judging.worker import work
from pruninglab.grading.sample_class import code_of, fill
from solutions.builder.build import nbgrader_cell
from solutions.lab1_structures import mistakes as structures_mistakes

# The first test of a class waits until the whole class is graded: minutes on a busy machine.
pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("_sandbox")]
ROOT = Path(__file__).parents[2]
TINY = "01_tiny"
TOKEN = "a-token-for-this-test"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


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


@pytest.fixture(scope="module")
def tiny(
    pristine: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Report, NotebookNode]:
    """A graded class of the tiny lab: the course's folder, the report, the release."""
    course = Path(shutil.copytree(pristine, tmp_path_factory.mktemp("tiny") / "course"))
    released = release(course)
    good = fill(released, {"double": double, "triple": triple}, {"why": "So."})
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
    tiny: tuple[Path, Report, NotebookNode],
) -> None:
    course, _, released = tiny
    lab = open_course(course, TINY)
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
    write(fill(released, {"double": double, "triple": triple}, {"why": "So."}), course, "good")
    by_hand(course, "good", "test_triple", 3)
    regrade(course, "good")


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


# --- names of files from a learning platform ----------------------------------------------------


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("Lovelace Ada_12_assignsubmission_file_01_structures.ipynb", "Lovelace Ada_12"),
        ("Lab 01_x-77/O'Brien Zoë_3_assignsubmission_file_/01_structures.ipynb", "O'Brien Zoë_3"),
        ("Ada_12_assignsubmission_file_01_structures/01_structures/01_structures.ipynb", "Ada_12"),
        ("A_1_assignsubmission_file_/B_2_assignsubmission_file_/01_structures.ipynb", "A_1"),
        ("A_1_assignsubmission_file_/B_2_assignsubmission_file_01_structures.ipynb", "A_1"),
        ("ada_01_structures.ipynb", "ada"),
        ("ada_lovelace_01_structures (1).ipynb", "ada_lovelace"),
        ("ada_01_structures/01_structures.ipynb", "ada"),
        ("ada/labs/01_structures/01_structures.ipynb", "ada"),
        ("ada/.ipynb_checkpoints/01_structures-checkpoint.ipynb", None),
        ("ada/__MACOSX/01_structures/._01_structures.ipynb", None),
        ("01_structures.ipynb", None),
        ("Course-Lab 1-77 (1)/Ada_12_assignsubmission_file_01_structures.ipynb", "Ada_12"),
        # from Moodle 4.1 on the folders end without "_"
        ("Lovelace Ada_12_assignsubmission_file/01_structures.ipynb", "Lovelace Ada_12"),
        ("CS_Lab_01_structures-77/Ada_12_assignsubmission_file/01_structures.ipynb", "Ada_12"),
        ("E_9_assignsubmission_file/Bob_2_assignsubmission_file/01_structures.ipynb", "E_9"),
        # what a student wrote inside of an own zip or folder gives nothing to anybody else
        ("eve/Bob_2_assignsubmission_file_01_structures.ipynb", "eve"),
        ("eve_01_structures/Bob_2_assignsubmission_file_/01_structures.ipynb", "eve"),
        ("eve/Course-Lab 1-77/Bob_2_assignsubmission_file_/01_structures.ipynb", "eve"),
        (
            "E_9_assignsubmission_file_/extracted/Bob_2_assignsubmission_file_01_structures.ipynb",
            "E_9",
        ),
        ("eve/downloaded/01_structures/extracted/bob_01_structures.ipynb", "eve"),
        ("E_9_assignsubmission_file_Bob_2_assignsubmission_file_01_structures.ipynb", "E_9"),
        ("eve_01_structures-77/bob_assignsubmission_file_01_structures.ipynb", "eve"),
    ],
)
def test_who_handed_in(path: str, student: str | None) -> None:
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    regexp = config.FileNameCollectorPlugin.named_regexp
    found = re.match(regexp, f"/course/downloaded/01_structures/extracted/{path}")
    expected = student and {"student_id": student, "file_id": "01_structures"}
    assert (found and found.groupdict()) == expected


def test_a_platforms_zip_of_zips_is_everybodys(tmp_path: Path) -> None:
    """Of a class in which some hand in a notebook, some a zip, one of them damaged."""
    archive = tmp_path / "downloaded" / TINY / "archive"
    archive.mkdir(parents=True)
    text = nbformat.writes(tiny_lab())
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as own:
        own.writestr(f"{TINY}/labs/{TINY}/{TINY}.ipynb", text)
    with zipfile.ZipFile(archive / "Course-Lab 0-77.zip", "w") as file:
        file.write(tmp_path / "own.zip", "Ada_12_assignsubmission_file_/handed in.zip")
        file.writestr("Bob_13_assignsubmission_file_/01_tiny.zip", b"no zip")
        file.writestr(f"Cy_14_assignsubmission_file_/{TINY}.ipynb", text)
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    assert collect.collect(tmp_path, TINY, config.FileNameCollectorPlugin.named_regexp) == []
    folders = {path.name: path / TINY for path in (tmp_path / "submitted").iterdir()}
    assert set(folders) == {"Ada_12", "Bob_13", "Cy_14"}
    for student in ("Ada_12", "Cy_14"):
        name, data = read.pick(folders[student], TINY)
        assert len(read.parse(name, data, TINY).cells) == 5
    with pytest.raises(read.Unreadable, match="is no zip file, or a damaged one"):
        read.parse(*read.pick(folders["Bob_13"], TINY), TINY)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """downloaded/01_tiny/archive of a course."""
    folder = tmp_path / "downloaded" / TINY / "archive"
    folder.mkdir(parents=True)
    return folder


def collected(course: Path) -> tuple[set[str], str]:
    """Who has handed in what lies in the inbox, and what is told."""
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    told = collect.collect(course, TINY, config.FileNameCollectorPlugin.named_regexp)
    return {path.name for path in (course / "submitted").iterdir()}, "\n".join(told)


def test_nobody_hands_in_for_somebody_else(inbox: Path, tmp_path: Path) -> None:
    """Eve's own zip has Bob's name in it, in all ways that once worked."""
    (inbox / f"bob_{TINY}.ipynb").write_text("Bob's")
    with zipfile.ZipFile(inbox / "eve.zip", "w") as file:
        for folder in ("", "Course-77/", f"downloaded/{TINY}/extracted/", "../../"):
            file.writestr(f"{folder}bob_assignsubmission_file_{TINY}.ipynb", "Eve's")
            file.writestr(f"{folder}bob_{TINY}.ipynb", "Eve's")
    students, told = collected(tmp_path)
    assert students == {"bob", "eve"}
    assert [p.read_text() for p in (tmp_path / "submitted" / "bob" / TINY).iterdir()] == ["Bob's"]
    assert "eve: in it are files named as other students', and all counts as eve's" in told
    assert len(told.splitlines()) == 1


def test_a_renamed_zip_of_the_class_is_noticed(inbox: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(inbox / "everybody.zip", "w") as file:
        for student in ("Ada_12", "Bob_13"):
            file.writestr(f"{student}_assignsubmission_file_/{TINY}.ipynb", "{}")
    students, told = collected(tmp_path)
    assert students == {"everybody"}
    assert "put it into archive/ as it was, with its own name (...-77.zip)" in told
    (inbox / "everybody.zip").rename(inbox / "Course-Lab 0-77 (2).zip")
    shutil.rmtree(tmp_path / "submitted")
    assert collected(tmp_path) == ({"Ada_12", "Bob_13"}, "")


@pytest.mark.parametrize("end", ["_", ""], ids=["before 4.1", "Moodle 4.1"])
@pytest.mark.parametrize("packed", ["everything/CS-77", "everything.zip/CS-77.zip"])
def test_a_zip_of_the_class_that_was_packed_again_is_noticed(
    inbox: Path, tmp_path: Path, packed: str, end: str
) -> None:
    inner = packed.partition("/")[2]
    with zipfile.ZipFile(tmp_path / "CS-77.zip", "w") as file:
        for student in ("Ada_12", "Bob_13"):
            file.writestr(f"{student}_assignsubmission_file{end}/{TINY}.ipynb", "{}")
    with zipfile.ZipFile(inbox / "everything.zip", "w") as file:
        if inner.endswith(".zip"):
            file.write(tmp_path / "CS-77.zip", inner)
        else:
            for student in ("Ada_12", "Bob_13"):
                file.writestr(f"{inner}/{student}_assignsubmission_file{end}/{TINY}.ipynb", "{}")
    students, told = collected(tmp_path)
    assert students == {"everything"}
    assert told.count("everything: in it are files named as other students'") == 1
    shutil.copy(tmp_path / "CS-77.zip", inbox / "everything.zip")
    (inbox / "everything.zip").rename(inbox / "CS-77.zip")
    shutil.rmtree(tmp_path / "submitted")
    assert collected(tmp_path) == ({"Ada_12", "Bob_13"}, "")


def test_a_damaged_zip_of_the_class_says_that_somebody_may_be_missing(
    inbox: Path, tmp_path: Path
) -> None:
    path = inbox / "CS-77.zip"
    with zipfile.ZipFile(path, "w") as file:
        for student in ("Ada_12", "Bob_13", "Cyd_14"):
            file.writestr(
                f"{student}_assignsubmission_file_/{TINY}.ipynb", f"{student}'s own words"
            )
    path.write_bytes(path.read_bytes().replace(b"Bob_13's", b"Bob_13_s"))  # its checksum is wrong
    students, told = collected(tmp_path)
    assert len(students) == 1
    assert "is no zip file, or a damaged one: not all of it was collected" in told
    assert "download it anew" in told


@pytest.mark.parametrize(
    "old", [f"old/{TINY}.ipynb", f"{TINY}_old.ipynb", f"{TINY} (1).ipynb", f"{TINY}-Copy1.ipynb"]
)
def test_an_old_copy_does_not_count(inbox: Path, tmp_path: Path, old: str) -> None:
    """In a zip of one's own, in a zip in the zip of the class, and as two files of Moodle's."""
    right, wrong = (nbformat.writes(tiny_lab()) + space for space in ("", "\n"))
    with zipfile.ZipFile(inbox / f"ada_{TINY}.zip", "w") as own:
        for name, text in sorted({f"{TINY}.ipynb": right, old: wrong}.items()):
            own.writestr(name, text)
    with zipfile.ZipFile(inbox / "CS-77.zip", "w") as file:
        file.write(inbox / f"ada_{TINY}.zip", "Bob_13_assignsubmission_file_/mine.zip")
        for name, text in ((f"{TINY}.ipynb", right), (old, wrong)):
            file.writestr(f"Cyd_14_assignsubmission_file_/{name}", text)
    for name, text in ((f"{TINY}.ipynb", right), (old.replace("/", " "), wrong)):
        (inbox / f"Dan_15_assignsubmission_file_{name}").write_text(text)
    assert collected(tmp_path)[0] == {"ada", "Bob_13", "Cyd_14", "Dan_15"}
    for student in ("ada", "Cyd_14", "Dan_15"):
        _, data = read.pick(tmp_path / "submitted" / student / TINY, TINY)
        assert data == right.encode(), student
    name, data = read.pick(tmp_path / "submitted" / "Bob_13" / TINY, TINY)
    members = list(read.members_of(name, data, {".ipynb": 10**6}))
    assert members[-1] == (f"{TINY}.ipynb", right.encode())


def test_what_has_another_name_counts_if_moodle_says_whose_it_is(
    inbox: Path, tmp_path: Path
) -> None:
    """Renamed notebooks, no notebook at all, and notes beside the right one."""
    text = nbformat.writes(tiny_lab())
    with zipfile.ZipFile(inbox / "CS-77.zip", "w") as file:
        file.writestr("Ada_1_assignsubmission_file/solution.ipynb", text)
        file.writestr("Bob_2_assignsubmission_file/answers.pdf", "%PDF")
        file.writestr(f"Cyd_3_assignsubmission_file/{TINY}.ipynb", text)
        file.writestr("Cyd_3_assignsubmission_file/n.ipynb", "notes")
    (inbox / "Dan_4_assignsubmission_file_mine.ipynb").write_text(text)
    (inbox / "Eve_5_assignsubmission_file_scan.jpg").write_text("a picture")
    (inbox / "fay.ipynb").write_text(text)
    students, told = collected(tmp_path)
    assert students == {"Ada_1", "Bob_2", "Cyd_3", "Dan_4", "Eve_5"}
    for student in ("Ada_1", "Cyd_3", "Dan_4"):
        name, data = read.pick(tmp_path / "submitted" / student / TINY, TINY)
        assert len(read.parse(name, data, TINY).cells) == 5
    for student in ("Bob_2", "Eve_5"):
        with pytest.raises(read.Unreadable, match="there is no notebook"):
            read.pick(tmp_path / "submitted" / student / TINY, TINY)
    counted = [line for line in told.splitlines() if "is not named for 01_tiny; it counts" in line]
    assert len(counted) == 4
    assert "or another lab: fay.ipynb" in told
    assert len(told.splitlines()) == 5


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
        Path(os.fsdecode(path)).write_text(notebook)
    (archive / f"Eve_5_assignsubmission_file_{TINY}.ipynb").write_text(
        '{"nbformat": "\\ud800", "cells": []}'
    )
    report = flow.run(course, TINY)
    names = {"M ller_1", "Ann (x)_2", "1+1_3", "Lee+Ann_4", "Eve_5"}
    assert set(report.marks) == set(report.feedback) == names
    assert {s: marks["double"].points for s, marks in report.marks.items()} == {
        student: 0 if student == "Eve_5" else 2 for student in names
    }
    assert "has notebook format ?" in report.failed["Eve_5"]
    with zipfile.ZipFile(report.moodle.with_suffix(".zip")) as pages:  # Moodle splits them at "_"
        assert {name.split("_")[1] for name in pages.namelist()} == set("12345")
    command.show(report, course, TINY)
    assert "M ller" in capsys.readouterr().out
    bad = Path(os.fsdecode(os.fsencode(course / "submitted") + b"/M\xfcller")) / TINY
    bad.mkdir(parents=True)
    with pytest.raises(GradingError, match=r"submitted/M\?ller: its name is no text"):
        flow.run(course, TINY, collecting=False)


def test_names_of_files_are_printed_as_text_and_not_by_thousands(
    inbox: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(inbox / f"ada_{TINY}.zip", "w") as file:
        file.writestr(f"{TINY}.ipynb", "{}")
    with zipfile.ZipFile(inbox / f"eve_{TINY}.zip", "w") as file:
        for i in range(2000):
            file.writestr(f"\x1b[2Jgone\u202e{i}.ipynb", "{}")
    students, told = collected(tmp_path)
    assert students == {"ada", "eve"}
    assert len(told.splitlines()) <= 10
    assert "\x1b" not in told
    assert "\u202e" not in told


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
    assert "hidden tests" in shown.lower()
    assert shown.index("For whoever marks") < shown.index("Because.")  # model answer and guide
    lab = open_course(tiny[0], TINY)
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
