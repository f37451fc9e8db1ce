"""A semester of forty people and two labs: late, missing, equal names, answers that wait."""

from __future__ import annotations

import csv
import html
import shutil
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from pruninglab.grading.gradebook import people, semester
from pruninglab.grading.gradebook.course import open_nbgrader
from pruninglab.grading.gradebook.enter import collected, name_student, no_session_warnings
from pruninglab.grading.intake.collect import collect
from pruninglab.grading.trouble import GradingError
from tests.helpers import payloads
from tests.helpers.copies import ROOT

LABS = {"01_structures": (2, 3), "02_criteria": (4,)}
DUE = "2026-10-20 12:00 UTC"


def add_lab(gradebook: Gradebook, lab: str, points: tuple[int, ...]) -> None:
    gradebook.add_assignment(lab, duedate=DUE)
    gradebook.add_notebook(lab, lab)
    for number, most in enumerate(points):
        gradebook.add_grade_cell(f"e{number}", lab, lab, max_score=most, cell_type="code")


def add(
    gradebook: Gradebook, lab: str, student: str, points: float | None, when: str = DUE
) -> None:
    """Hand in; the first exercise gets all points but None waits for a mark by hand."""
    name_student(gradebook, student)
    with no_session_warnings():
        gradebook.add_submission(lab, student, timestamp=when)
    for number, grade in enumerate(gradebook.find_submission_notebook(lab, lab, student).grades):
        grade.auto_score = (points if number == 0 else 0) if points is not None else None
        grade.needs_manual_grade = points is None
    gradebook.db.commit()


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gradebook; Moodle gives everybody another number in each assignment."""
    folder = tmp_path_factory.mktemp("semester")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    with open_nbgrader(folder).gradebook as gradebook:
        for lab, points in LABS.items():
            add_lab(gradebook, lab, points)
        for number in range(36):
            add(gradebook, "01_structures", f"Person {number:02}_{number + 10}", 2)
            if number % 2:
                add(gradebook, "02_criteria", f"Person {number:02}_{number + 100}", 3)
        add(gradebook, "01_structures", "Lovelace Ada_90", 2, "2026-10-21 12:00 UTC")
        add(gradebook, "02_criteria", "Lovelace Ada_290", None)
        add(gradebook, "01_structures", "Ng An_91", 1)
        add(gradebook, "01_structures", "Ng An_92", 2)
        add(gradebook, "02_criteria", "Ng An_291", 4)
    return folder


@pytest.fixture
def course(pristine: Path, tmp_path: Path) -> Path:
    """A copy for one test."""
    return Path(shutil.copytree(pristine, tmp_path / "course"))


def table(path: Path, key: str) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row[key]: row for row in csv.DictReader(file)}


def test_one_row_per_person_and_a_column_per_lab(course: Path) -> None:
    paths = {path.name: path for path in semester.run(course)}
    rows = table(paths["semester.csv"], "student")
    assert len(rows) == 1 + 36 + 1 + 3
    assert rows["out of"] | {"total": "9"} == rows["out of"]
    assert (rows["Person 01"]["01_structures"], rows["Person 01"]["02_criteria"]) == ("2", "3")
    assert (rows["Person 01"]["total"], rows["Person 02"]["total"]) == ("5", "2")
    assert rows["Person 02"]["02_criteria"] == "-"
    ada = rows["Lovelace Ada"]
    assert (ada["01_structures"], ada["02_criteria"]) == ("2 late", "0 + ?")
    assert ada["total"] == "2 + ?"
    page = paths["semester.html"].read_text(encoding="utf-8")
    assert page.count("<tr>") == 1 + 40
    assert "24.0 hours late" in page


def test_equal_names_are_not_added_up_but_told(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = table(semester.run(course)[1], "student")
    assert {name: rows[name]["total"] for name in rows if name.startswith("Ng")} == {
        "Ng An_91": "1", "Ng An_92": "2", "Ng An_291": "4",
    }  # fmt: skip
    assert capsys.readouterr().out.count("2 people are called Ng An: add up by hand") == 3


def test_an_email_address_tells_equal_names_apart(course: Path) -> None:
    with open_nbgrader(course).gradebook as gradebook:
        for student in ("Ng An_91", "Ng An_291"):
            gradebook.find_student(student).email = "an1@example.org"
        gradebook.find_student("Ng An_92").email = "an2@example.org"
        gradebook.db.commit()
        found = people.read(gradebook)
    an = {person.email: person.total for person in found.people if person.email}
    assert an == {"an1@example.org": 5, "an2@example.org": 2}
    assert not [person.warning for person in found.people if person.warning]


def test_a_roster_fills_nbgraders_fields_for_what_platforms_import(
    course: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roster = tmp_path / "participants.csv"
    lines = ["\ufeffFirst name,Last name,ID number,Email address", "Ada,Lovelace,4711,ada@x.org"]
    lines += [f"{number:02},Person,{number},p{number}@x.org" for number in range(36)]
    lines += ["An,Ng,1,an1@x.org", "An,Ng,2,an2@x.org"]
    roster.write_text("\n".join(lines), encoding="utf-8")
    paths = {path.name: path for path in semester.run(course, roster)}
    assert capsys.readouterr().out.count(f"not (or more than once) in {roster}: Ng An") == 1
    moodle = table(paths["semester_moodle.csv"], "Email address")
    assert (moodle["ada@x.org"]["01_structures"], moodle["ada@x.org"]["02_criteria"]) == ("2", "")
    assert (moodle["ada@x.org"]["Total"], moodle["p1@x.org"]["Total"]) == ("", "5")
    assert (moodle["ada@x.org"]["First name"], moodle["ada@x.org"]["ID number"]) == ("Ada", "4711")
    canvas = table(paths["semester_canvas.csv"], "Student")
    assert canvas["    Points Possible"]["01_structures"] == "5"
    assert (canvas["Lovelace, Ada"]["ID"], canvas["Person, 01"]["02_criteria"]) == ("4711", "3")
    scope = table(paths["semester_gradescope.csv"], "SID")
    assert scope["4711"]["01_structures - Max Points"] == "5"
    assert scope["4711"]["01_structures - Lateness (H:M:S)"] == "24:00:00"
    with open_nbgrader(course).gradebook as gradebook:
        ada = gradebook.find_student("Lovelace Ada_290")
        assert (ada.first_name, ada.last_name, ada.email) == ("Ada", "Lovelace", "ada@x.org")


def test_due_dates_and_extensions_are_nbgraders(course: Path) -> None:
    late = lambda: table(semester.run(course)[1], "student")["Lovelace Ada"]["01_structures"]  # noqa: E731
    assert late() == "2 late"
    semester.run(course, extensions=[("01_structures", "Lovelace Ada_90", "2")])
    assert late() == "2"
    semester.run(course, extensions=[("01_structures", "Lovelace Ada_90", "0")])
    assert late() == "2 late"
    semester.run(course, due=[("01_structures", "2026-10-22 12:00 UTC")])
    assert late() == "2"


def test_moodles_zip_tells_who_was_late(tmp_path: Path) -> None:
    """A student's own zip, or a file of that name, says nothing about the time."""
    archive = tmp_path / "downloaded" / "01_structures" / "archive"
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "Pruning-Lab 1-77.zip", "w") as file:
        for name, day in (("Ada_12", 20), ("Bob_13", 22)):
            top = f"{name}_assignsubmission_file_"
            for inner in ("01_structures.ipynb", "timestamp.txt"):
                member = zipfile.ZipInfo(f"{top}/{inner}", (2026, 10, day, 9, 30, 0))
                file.writestr(member, "2020-01-01 00:00:00 UTC" if "stamp" in inner else "{}")
    (archive / "eve_01_structures.ipynb").write_text("{}")  # put there by hand
    collect(tmp_path, "01_structures")
    times = {
        folder.name: collected(folder / "01_structures")
        for folder in (tmp_path / "submitted").iterdir()
    }
    assert times["eve"] is None
    for name, day in (("Ada_12", 20), ("Bob_13", 22)):
        local = datetime(2026, 10, day, 9, 30).astimezone(UTC).replace(tzinfo=None)
        assert times[name] == local


def test_a_late_penalty_is_taken_off(course: Path) -> None:
    with open_nbgrader(course).gradebook as gradebook:
        notebook = gradebook.find_submission_notebook(*["01_structures"] * 2, "Lovelace Ada_90")
        notebook.late_submission_penalty = 1.5
        gradebook.db.commit()
    ada = table(semester.run(course)[1], "student")["Lovelace Ada"]
    assert (ada["01_structures"], ada["penalties"]) == ("0.5 late", "1.5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"due": [("09_none", DUE)]}, "the gradebook has no lab '09_none'"),
        ({"due": [("01_structures", "soon")]}, "'soon' is no time: write e.g. '2026-10-20"),
        ({"extensions": [("01_structures", "eve", "1")]}, "'eve' has not handed in"),
        ({"extensions": [("01_structures", "Ng An_91", "x")]}, "'x' is no number of days"),
    ],
)
def test_what_cannot_be_entered_is_said(course: Path, arguments: dict, message: str) -> None:
    with pytest.raises(GradingError, match=message):
        semester.run(course, **arguments)


def test_names_fill_nbgraders_fields_and_what_somebody_entered_stays(course: Path) -> None:
    with open_nbgrader(course).gradebook as gradebook:
        ada = gradebook.find_student("Lovelace Ada_90")
        assert (ada.last_name, ada.first_name) == ("Lovelace", "Ada")
        ada.last_name, ada.first_name = "King", "Augusta Ada"
        gradebook.db.commit()
        name_student(gradebook, "Lovelace Ada_90")
        name_student(gradebook, "eve")
        assert gradebook.find_student("Lovelace Ada_90").last_name == "King"
        assert gradebook.find_student("eve").first_name is None  # then its id is shown


@pytest.mark.parametrize("code", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_a_list_is_read_as_spreadsheets_write_it(tmp_path: Path, code: str, sign: str) -> None:
    path = tmp_path / "list.csv"
    lines = [["First name", "Last name", "Email address"], ["Zoë", "O'Brien", "zoe@example.org"]]
    path.write_bytes("\r\n".join(map(sign.join, lines)).encode(code))
    expected = {"first name": "Zoë", "last name": "O'Brien", "email address": "zoe@example.org"}
    assert people.participants(path) == [expected]


def test_what_is_no_list_of_people_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(GradingError, match=r"gone\.csv cannot be read: No such file"):
        people.participants(tmp_path / "gone.csv")
    (tmp_path / "points.csv").write_text("lab,points\n1,2\n")
    with pytest.raises(GradingError, match="has no column 'First name'"):
        people.participants(tmp_path / "points.csv")


def test_an_empty_course_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    monkeypatch.setattr(sys, "argv", ["semester", "--course", str(tmp_path)])
    with pytest.raises(
        SystemExit, match=r"error: nobody has a mark in .*: make grade LAB=... first"
    ):
        semester.main()
    assert [path.name for path in tmp_path.iterdir()] == ["nbgrader_config.py"]


def test_hostile_names_are_text_in_every_table(course: Path) -> None:
    names = [*payloads.IDS, *payloads.FORMULAS]
    with open_nbgrader(course).gradebook as gradebook:
        for number, name in enumerate(names):
            add(gradebook, "01_structures", f"x{number}", 1)
            student = gradebook.find_student(f"x{number}")
            student.first_name = student.last_name = student.email = name
            student.lms_user_id = name
        gradebook.db.commit()
    paths = semester.run(course)
    page = paths[0].read_text(encoding="utf-8")
    assert "<img" not in page
    assert "<script" not in page
    for path in paths[1:]:
        with path.open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row if cell != "-"]
        assert not [cell for cell in cells if cell[:1] in tuple("=+-@|\t\r＝＋－＠")]
    assert html.escape("x0") in page
