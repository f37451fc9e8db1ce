"""What learning platforms hand over: whose it is, which copy counts, and what can be read."""

from __future__ import annotations

import io
import os
import random
import re
import shutil
import subprocess
import zipfile
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from traitlets.config import PyFileConfigLoader

from pruninglab.grading.intake import canonical, collect, owners, read
from pruninglab.grading.judging.mark import Exam
from pruninglab.grading.judging.worker import work
from pruninglab.limits import Limits
from pruninglab.notebook import grade_id
from solutions.builder.build import nbgrader_cell
from tests.grading.test_grading import TINY, tiny_lab

ROOT = Path(__file__).parents[2]
MARK = "_assignsubmission_file_"


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
        # of two marks in one name the last counts: Bob's hand-in stays Bob's
        (
            "E_9_assignsubmission_file_Bob_2_assignsubmission_file_01_structures.ipynb",
            "E_9_assignsubmission_file_Bob_2",
        ),
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
    assert collect.collect(tmp_path, TINY) == []
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
    told = collect.collect(course, TINY)
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


def test_what_is_damaged_in_the_zip_of_the_class_is_one_students_row(
    inbox: Path, tmp_path: Path
) -> None:
    path = inbox / "CS-77.zip"
    with zipfile.ZipFile(path, "w") as file:
        for student in ("Ada_12", "Bob_13", "Cyd_14"):
            file.writestr(
                f"{student}_assignsubmission_file_/{TINY}.ipynb", f"{student}'s own words"
            )
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"Bob_13's", b"Bob_13_s"))  # its checksum is wrong
    students, told = collected(tmp_path)
    assert students == {"Ada_12", "Bob_13", "Cyd_14"}
    assert "Bob_13_assignsubmission_file_" in told
    assert "is no zip file, or a damaged one: download it again" in told
    with pytest.raises(read.Unreadable, match=r"handed in was 01_tiny.ipynb \(damaged\)"):
        read.pick(tmp_path / "submitted" / "Bob_13" / TINY, TINY)
    path.write_bytes(whole[: len(whole) // 2])
    assert "if it is the zip of the class, download it again" in collected(tmp_path)[1]


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


# --- each platform's names ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "student", "rest"),
    [
        # Moodle: blind marking, teams, a text typed in, a renamed file
        ("CS-7/Participant_9_assignsubmission_file/a.ipynb", "Participant_9", "a.ipynb"),
        ("CS-7/Team 1-Ada Ay_12_assignsubmission_file_/a.zip", "Team 1-Ada Ay_12", "a.zip"),
        ("A_1_assignsubmission_onlinetext/onlinetext.html", "A_1", "onlinetext.html"),
        ("Ü Ö_1_assignsubmission_file_x y.pdf", "Ü Ö_1", "x y.pdf"),
        # Canvas: late ones, a second attempt, anonymous grading
        ("submissions/adalovelace_123_456_hw-1.ipynb", "adalovelace_123", "hw-1.ipynb"),
        ("adalovelace_LATE_123_456_01_tiny.ipynb", "adalovelace_LATE_123", "01_tiny.ipynb"),
        ("submissions (1)/anon_x7Fq2_456_01_tiny.ipynb", "anon_x7Fq2", "01_tiny.ipynb"),
        # Gradescope, Brightspace, ILIAS, Google Classroom
        ("assignment_5_export/submission_77/a.ipynb", "submission_77", "a.ipynb"),
        (
            "Lab 1 Download May 2, 2026 900 AM/12-34 - Ada L - May 1, 2026 1203 PM/a.ipynb",
            "12-34 - Ada L",
            "May 1, 2026 1203 PM/a.ipynb",
        ),
        ("E/Ay_Ada_a.y_12/20260501120300_a.ipynb", "Ay_Ada_a.y_12", "20260501120300_a.ipynb"),
        ("L-20260501T120000Z-001/Lab/Ada L - 01_tiny.ipynb", "Ada L", "01_tiny.ipynb"),
        # a folder for each student: ids with numbers, dots, spaces and hyphens
        ("ws25_26_mueller/01_tiny.ipynb", "ws25_26_mueller", "01_tiny.ipynb"),
        ("2026_01_ada/x/notes.ipynb", "2026_01_ada", "x/notes.ipynb"),
        ("s 01-a/01_tiny.ipynb", "s 01-a", "01_tiny.ipynb"),
        ("ada.lovelace@uni.edu_01_tiny.ipynb", "ada.lovelace@uni.edu", "01_tiny.ipynb"),
        ("ws25_26_mueller_01_tiny.ipynb", "ws25_26_mueller", "01_tiny.ipynb"),
        # names with hyphens; a zip downloaded again; anonymous; copies of Google's; Blackboard
        ("L Download May 2, 2026/7-8 - A - B C - May 1, 2026/a.ipynb", "7-8 - A - B C",
         "May 1, 2026/a.ipynb"),
        ("submissions-2/ay_LATE_55_999_a.ipynb", "ay_LATE_55", "a.ipynb"),
        ("submissions/assignment_5_export/submission_7/a.ipynb", "submission_7", "a.ipynb"),
        ("D-20260501T120000Z-1/A B - Kopie von 01_tiny.ipynb", "A B", "01_tiny.ipynb"),
        ("Copy of 01_tiny - A B.ipynb", None, ""),
        ("gradebook_CS/Lab_1_ada12_attempt_2026-05-01-12-03-00_x_bob_attempt_2026-01-01-00-00-00.txt",
         "ada12", "x_bob_attempt_2026-01-01-00-00-00.txt"),
        ("multi_feedback_L/Ay_Ada_a_12/01_tiny.ipynb", "Ay_Ada_a_12", "01_tiny.ipynb"),
        ("L/L/Abgaben/Team 3/Ay_Ada_von_a_12/x.ipynb", "Ay_Ada_von_a_12", "x.ipynb"),
        ("eve_01_tiny/B_Bob_b_1/20260501120300_a.ipynb", "eve",
         "01_tiny/B_Bob_b_1/20260501120300_a.ipynb"),
        ("E_1_assignsubmission_file_x_bob_attempt_2026-05-01-12-03-00_a.ipynb", "E_1",
         "x_bob_attempt_2026-05-01-12-03-00_a.ipynb"),
        ("01_tiny.ipynb", None, ""),
        ("ada_02_other.ipynb", None, ""),
        ("01_tiny/01_tiny.ipynb", None, ""),
    ],
)  # fmt: skip
def test_whose_a_file_is(path: str, student: str | None, rest: str) -> None:
    assert owners.owner_and_rest(TINY, path) == (student and (student, rest))


def test_an_id_is_the_same_for_each_lab_and_download() -> None:
    assert owners.identity("adalovelace_LATE_123") == owners.identity("adalovelace_123")
    assert owners.identity("12-34 - Ada L") == owners.identity("12-99 - Ada L") == "Ada L 12"
    assert owners.identity("Zoe\u0308_3") == owners.identity("Zoë_3")
    for name in (
        "Zoe\u0308_3",
        "=ada",
        "x" * 300 + "_1",
        "**",
        "..",
        "A_1_assignsubmission_file_B_2",
    ):
        found = owners.identity(name)
        assert found == owners.identity(found) == owners.cleaned(found)
        assert 0 < len(found.encode()) <= owners.LONGEST


@pytest.mark.parametrize(
    "names",
    [
        ("ada", "=ada", "@ada"),
        ("Ada", "ada"),
        ("x" * 200 + "a_1", "x" * 200 + "b_1"),
        ("***", "???"),
        ("Ann [x]_1", "Ann (x)_1"),
    ],
)
def test_names_that_look_alike_are_different_students(
    inbox: Path, tmp_path: Path, names: tuple[str, ...]
) -> None:
    for folder, name in enumerate(names):
        with zipfile.ZipFile(inbox / f"CS-{folder}.zip", "w") as file:
            file.writestr(f"{name}_7_assignsubmission_file/{TINY}.ipynb", name)
    students, told = collected(tmp_path)
    assert len({student.casefold() for student in students}) == len(names)
    assert told.count("looks like another student's name") == len(names) - 1
    kept = {p.read_text() for p in (tmp_path / "submitted").glob(f"*/{TINY}/{TINY}*")}
    assert kept == set(names)


def test_a_name_with_moodles_mark_in_it_takes_nothing_from_anybody(
    inbox: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(inbox / "CS-77.zip", "w") as file:
        file.writestr(f"Bob_13{MARK}{TINY}.ipynb", "Bob's")
        file.writestr(f"Bob_13{MARK} x_99{MARK}{TINY}.ipynb", "Eve's")
    students, told = collected(tmp_path)
    assert len(students) == 2
    assert (tmp_path / "submitted" / "Bob_13" / TINY / f"{TINY}.ipynb").read_text() == "Bob's"
    assert "two students may be named in it" in told
    assert not any(re.search(r"_\d+$", student) for student in students - {"Bob_13"})


METADATA = """
submission_77:
  :submitters:
  - :name: Ada Lovelace
    :sid: '5512'
    :email: ada@example.org
  :created_at: 2026-05-01 12:03:00.000000000 Z
  :results: &1 !ruby/hash:ActiveSupport::HashWithIndifferentAccess
    tests: []
submission_78:
  :submitters:
  - {":name": Bob Büchner, ":sid": null, ":email": bob@example.org}
  - {":name": "Cyd [x]", ":sid": s99, ":email": cyd@example.org}
  :created_at: 2026-05-02 12:03:00 Z
  :results: *1
submission_79:
  :submitters:
  - {":name": Bob Büchner, ":email": other@example.org}
  :created_at: yesterday
"""


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize("outer", ["", "submissions/", "assignment_5_export/"])
def test_gradescopes_export_says_whose_a_number_is(
    inbox: Path, tmp_path: Path, outer: str, unpacked: bool
) -> None:
    """Two people of one name, a group of two, and a submission that the file does not know."""
    inside = "assignment_5_export/" if outer else ""
    files = {f"{inside}submission_{n}/a/{TINY}.ipynb": str(n) for n in (77, 78, 79, 80)}
    path = inbox / f"{outer.strip('/') or 'assignment_5_export'}.zip"
    path.write_bytes(zipped(**files, **{f"{inside}submission_metadata.yml": METADATA}))
    if unpacked:
        shutil.unpack_archive(path, path.with_suffix(""))
        path.unlink()
    students, told = collected(tmp_path)
    expected = {
        "Ada Lovelace_5512": "77",
        "Bob Büchner (bob@example.org)": "78",
        "Cyd (x)": "78",
        "Bob Büchner (other@example.org)": "79",
        "submission_80": "80",
    }
    assert students == set(expected)
    for student, text in expected.items():
        assert (tmp_path / "submitted" / student / TINY / f"{TINY}.ipynb").read_text() == text
    when = tmp_path / "submitted" / "Ada Lovelace_5512" / TINY / "timestamp.txt"
    assert when.read_text().startswith("2026-05-01 12:03:00")
    assert "submission_80/ has a number for a name" in told


def test_a_gradescope_file_that_cannot_be_read_costs_only_the_names(
    inbox: Path, tmp_path: Path
) -> None:
    for broken in ("[*x", "- a", "submission_77: {':submitters': 3}", "!!python/name:os.system"):
        files = {f"submission_77/{TINY}.ipynb": "{}", "submission_metadata.yml": broken}
        (inbox / "assignment_5_export.zip").write_bytes(zipped(**files))
        students, told = collected(tmp_path)
        assert students == {"submission_77"}
        assert "submission_metadata.yml cannot be read" in told


def test_a_students_own_zip_is_no_export_and_no_zip_of_ilias(inbox: Path, tmp_path: Path) -> None:
    forged = {
        f"submissions/assignment_5_export/submission_77/{TINY}.ipynb": "Eve's",
        "submissions/assignment_5_export/submission_metadata.yml": METADATA,
        f"Lovelace_Ada_ada_12/20260501120300_{TINY}.ipynb": "Eve's",
        f"L/Abgaben/Lovelace_Ada_ada_12/{TINY}.ipynb": "Eve's",
    }
    (inbox / f"eve_{TINY}.zip").write_bytes(zipped(**forged))
    assert collected(tmp_path)[0] == {"eve"}
    (inbox / f"eve_{TINY}.zip").rename(inbox / "eve.zip")  # nothing tells it from ILIAS's
    shutil.rmtree(tmp_path / "submitted")
    assert (
        "eve.zip counts as ILIAS's zip of a class. If it is one student's"
        in (collected(tmp_path)[1])
    )


def test_a_platforms_zip_without_a_name_in_it_is_noticed(inbox: Path, tmp_path: Path) -> None:
    files = {f"{TINY} - Ada.ipynb": "1", f"{TINY} - Bob.ipynb": "2"}
    (inbox / "drive-download-20260501T120000Z-001.zip").write_bytes(zipped(**files))
    assert "no student's name is in it" in collected(tmp_path)[1]


# --- which copy counts, and what it is ------------------------------------------------------------


def entry(name: str, day: int) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, (2026, 5, day, 12, 0, 0))


@pytest.mark.parametrize("order", [(1, 9), (9, 1)])
def test_of_two_downloads_the_later_hand_in_counts(
    inbox: Path, tmp_path: Path, order: tuple[int, int]
) -> None:
    for name, day in zip(("CS-77.zip", "CS-77 (1).zip"), order, strict=True):
        with zipfile.ZipFile(inbox / name, "w") as file:
            file.writestr(entry(f"Ada_1_assignsubmission_file/{TINY}.ipynb", day), str(day))
    _, told = collected(tmp_path)
    assert (tmp_path / "submitted" / "Ada_1" / TINY / f"{TINY}.ipynb").read_text() == "9"
    assert "Ada_1 has handed in 2 versions that differ" in told
    assert "2026-05-09 12:00 counts" in told


def test_an_attempt_says_when_it_was(inbox: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(inbox / "L Download May 9, 2026 900 AM.zip", "w") as file:
        for hour in (1112, 203, 1030):
            path = f"12-{hour} - Ada L - May 1, 2026 {hour} PM/{TINY}.ipynb"
            file.writestr(entry(path, 20), str(hour))
    students, told = collected(tmp_path)
    assert students == {"Ada L 12"}
    assert (tmp_path / "submitted" / "Ada L 12" / TINY / f"{TINY}.ipynb").read_text() == "1112"
    assert "3 versions that differ" in told


def test_two_different_notebooks_in_ones_own_zip_are_told(inbox: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(inbox / "ada.zip", "w") as file:
        file.writestr(entry(f"new/{TINY}.ipynb", 9), '{"cells": 9}')
        file.writestr(entry(f"old/{TINY}.ipynb", 1), '{"cells": 1}')
    _, told = collected(tmp_path)
    assert "2 different notebooks of the lab" in told
    assert (tmp_path / "submitted/ada" / TINY / f"{TINY}.ipynb").read_text() == '{"cells": 9}'


def zipped(**files: bytes | str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


NOTEBOOK = nbformat.writes(tiny_lab())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (f"{TINY}.ipynb.json", NOTEBOOK),
        (f"{TINY}.ipynb.txt", "\ufeff" + NOTEBOOK),
        (f"{TINY}.ipynb.txt", NOTEBOOK.encode("utf-16")),  # of Windows' editor
        (TINY, NOTEBOOK),
        ("notebook.json", NOTEBOOK),
        (f"{TINY}.ipynb", zipped(**{f"{TINY}.ipynb": NOTEBOOK})),
        ("handin.zip", zipped(**{"handin/a.zip": zipped(**{f"{TINY}.ipynb": NOTEBOOK})})),
        ("handin.zip", zipped(**{"receipt.json": "{}", "x/lab.ipynb.txt": NOTEBOOK})),
        ("handin.zip", zipped(**{"x/lab.ipynb.txt": NOTEBOOK.encode("utf-16-be")})),
        ("handin.ZIP", zipped(**{f"{TINY}\\{TINY}.ipynb": NOTEBOOK})),
    ],
)
@pytest.mark.parametrize("by", ["Moodle", "a folder", "hand"])
def test_the_right_content_in_another_wrapper(
    inbox: Path, tmp_path: Path, name: str, content: str | bytes, by: str
) -> None:
    data = content.encode() if isinstance(content, str) else content
    folder = {"hand": tmp_path / "submitted" / "ada" / TINY, "a folder": inbox / "ada"}
    if by == "Moodle":
        with zipfile.ZipFile(inbox / "CS-77.zip", "w") as file:
            file.writestr(f"ada_1_assignsubmission_file/{name}", data)
    else:
        folder[by].mkdir(parents=True)
        (folder[by] / name).write_bytes(data)
    (student,) = collected(tmp_path)[0]
    found = read.pick(tmp_path / "submitted" / student / TINY, TINY)
    assert len(read.parse(*found, TINY).cells) == 5


def test_a_reason_says_what_is_wrong(tmp_path: Path) -> None:
    whole = bytearray(zipped(**{f"{TINY}.ipynb": NOTEBOOK}))
    for at in (8, whole.index(b"PK\1\2") + 10):
        whole[at] = 9  # a way to pack that Python has not
    with pytest.raises(read.Unreadable, match="packed in an unusual way"):
        read.parse("a.zip", bytes(whole), TINY)
    for at in (6, whole.index(b"PK\1\2") + 8):
        whole[at] = 1
    with pytest.raises(read.Unreadable, match="is encrypted"):
        read.parse("a.zip", bytes(whole), TINY)
    with pytest.raises(read.Unreadable, match="no zip file, it is a RAR archive"):
        read.parse("a.zip", b"Rar!\x1a\7\1\0", TINY)
    with pytest.raises(read.Unreadable, match="no notebook: it is a gzip archive"):
        read.parse("a.ipynb", b"\x1f\x8b\x08", TINY)
    (tmp_path / "report.html").write_text("<html>")
    with pytest.raises(read.Unreadable, match=r"handed in was report\.html"):
        read.pick(tmp_path, TINY)


# --- whatever is handed in ------------------------------------------------------------------------

odd_text = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=90
).filter(lambda name: name.strip(".") and len(name.encode()) <= 250)
contents = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([NOTEBOOK.encode(), NOTEBOOK[:99].encode(), b"{" * 5000]),
    st.sampled_from([b"PK\3\4", zipped(a="b")]),
)
endings = st.sampled_from([".ipynb", ".zip", ".ipynb.txt", "", ".pdf"])
hand_ins = st.dictionaries(odd_text, st.tuples(odd_text, endings, contents), min_size=1, max_size=6)


@settings(
    max_examples=60,
    deadline=5000,
    derandomize=True,  # the same cases each time; raise max_examples to look for new ones
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(hand_ins)
@example({"Ada": ("__MACOSX", "", b""), "Bob": ("__MACOSX", ".ipynb", b"{}")})
def test_every_owner_gets_exactly_one_row(tmp_path: Path, handed: dict) -> None:
    """Whatever people and their files are called, and whatever is in the files."""
    course = tmp_path / "course"
    shutil.rmtree(course, ignore_errors=True)
    archive = course / "downloaded" / TINY / "archive"
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "CS-77.zip", "w") as file:
        for number, (name, (own, ending, content)) in enumerate(handed.items()):
            path = f"{name}_{number}_assignsubmission_file/{own}{ending}"
            file.writestr(zipfile.ZipInfo(path), content)
    visible = [
        number
        for number, (name, (own, _, _)) in enumerate(handed.items())
        if not own.startswith(".") and "\\" not in name + own
    ]
    told = "\n".join(collect.collect(course, TINY))
    students = [p.name for p in (course / "submitted").iterdir()]
    assert "not collected (" not in told
    assert len(students) >= len(visible)
    assert len(students) <= len(handed)
    for student in students:
        assert owners.cleaned(student) == student
        with suppress(read.Unreadable):  # a row with a reason; nothing else may be raised
            read.parse(*read.pick(course / "submitted" / student / TINY, TINY), TINY)


def test_a_very_deep_tree_and_very_many_files_end_with_a_row(inbox: Path, tmp_path: Path) -> None:
    deep = inbox / "ada"
    deep.mkdir()
    (deep / f"{TINY}.ipynb").write_text(NOTEBOOK)
    descriptor = os.open(deep, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    try:
        with zipfile.ZipFile(inbox / "bob.zip", "w") as file:
            file.writestr("d/" * 1500 + f"{TINY}.ipynb", NOTEBOOK)
        with zipfile.ZipFile(inbox / "cyd.zip", "w") as file:
            for number in range(read.MAX_MEMBERS + 1):
                file.writestr(f"{number}.txt", "")
        students, _ = collected(tmp_path)
        assert students == {"ada", "bob", "cyd"}
        assert len(read.parse(*read.pick(tmp_path / "submitted/bob" / TINY, TINY), TINY).cells) == 5
        with pytest.raises(read.Unreadable, match="contains more than 5000 files"):
            read.parse(*read.pick(tmp_path / "submitted/cyd" / TINY, TINY), TINY)
    finally:
        subprocess.run(["rm", "-rf", str(deep)], check=True)


# --- a submission's cells on the lab's ------------------------------------------------------------

GIVEN = "import math\n\nTWO = 2"
ANSWERS = {"double": "def double(x): return TWO * x", "triple": "def triple(x): return 3 * x"}


def lab_with_a_given_cell() -> NotebookNode:
    lab = tiny_lab()
    lab.cells.insert(0, new_code_cell(GIVEN, id="given"))
    lab.cells.insert(5, new_markdown_cell("**Why?** Two sentences.", id="question"))
    return lab


def solved(**changed: str) -> NotebookNode:
    """The lab, solved; other cells by grade_id or id."""
    notebook = lab_with_a_given_cell()
    for cell in notebook.cells:
        name = grade_id(cell) or cell.id
        cell.source = changed.get(name, ANSWERS.get(name, cell.source))
    return notebook


def merged(submission: NotebookNode) -> list[canonical.Cell]:
    return canonical.merge(lab_with_a_given_cell(), submission)


def without_metadata(notebook: NotebookNode) -> NotebookNode:
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell.id = NotebookNode(), f"new-{number}"
    return notebook


def test_the_labs_own_cells_are_there_once_and_in_order() -> None:
    """Whatever a student does to a notebook: cells deleted, copied, moved, or without metadata."""
    lab = lab_with_a_given_cell()
    wanted = [canonical.key_of(cell) for cell in lab.cells]
    rng = random.Random(0)
    for _ in range(200):
        nb = solved(why="So.") if rng.random() < 0.7 else without_metadata(solved(why="So."))
        for _ in range(rng.randrange(5)):
            place = rng.randrange(len(nb.cells) + 1)
            if rng.random() < 0.4:
                nb.cells[place : place + 1] = []
            elif rng.random() < 0.7:
                nb.cells.insert(place, new_code_cell(f"x = {place}"))
            elif nb.cells:
                nb.cells.insert(place, rng.choice(nb.cells).copy())
        cells = merged(nb)
        of_lab = [cell for cell in cells if cell.template is not None]
        assert [canonical.key_of(cell.template) for cell in of_lab] == wanted
        for cell in of_lab:
            if cell.kind in ("given", "test", "text"):
                assert cell.source == cell.template.source
        own = [cell.source for cell in cells if cell.kind == "own"]
        assert {c.source for c in nb.cells if c.source.startswith("x = ")} <= set(own)


@pytest.mark.parametrize(
    ("version", "added"),
    [
        (GIVEN, ""),
        ("# mine\nimport math;  TWO = 2", ""),
        ("%%time\nimport math\nTWO = 2", ""),
        ("TWO = 2", ""),
        ("import seaborn\nimport math\nTWO = 2", "import seaborn"),
        ("import math\nTWO = 3", "TWO = 3"),
        ("import math\ndef (", "import math\ndef ("),
        ("%load_ext x\nimport math\nTWO = 2", "get_ipython().run_line_magic('load_ext', 'x')"),
    ],
)
def test_what_is_added_to_a_given_cell_is_a_cell_of_its_own(version: str, added: str) -> None:
    cells = merged(solved(given=version))
    assert (cells[0].kind, cells[0].source) == ("given", GIVEN)
    assert [c.source for c in cells if c.kind == "added"] == [added] * bool(added)


def test_what_follows_from_an_added_line_runs_again() -> None:
    assert (
        canonical.added("n = 3\nm = n + 1\nk = 5", "n = 4\nm = n + 1\nk = 5") == "n = 4\nm = n + 1"
    )


def below(nb: NotebookNode) -> NotebookNode:
    nb.cells.append(new_markdown_cell("Because of this."))
    return nb


def above(nb: NotebookNode) -> NotebookNode:
    nb.cells.insert(len(nb.cells) - 1, new_markdown_cell("Because of this."))
    return nb


def halves(nb: NotebookNode) -> NotebookNode:
    """Split in JupyterLab: both have the name."""
    nb.cells[-1].source = "Because"
    nb.cells.append(nb.cells[-1].copy())
    nb.cells[-1].source = "of this."
    return nb


@pytest.mark.parametrize(
    "submission",
    [
        solved(why="Because of this."),
        below(solved()),
        above(solved()),
        below(solved(why="")),
        halves(solved()),
        solved(question="**Why?** Two sentences.\n\nBecause of this."),
        without_metadata(solved(why="Because of this.")),
        without_metadata(below(solved())),
    ],
    ids=[
        "in its cell",
        "below",
        "above",
        "emptied",
        "split",
        "in the question",
        "no metadata",
        "neither",
    ],
)
def test_an_answer_beside_its_cell_is_in_it(submission: NotebookNode) -> None:
    (answer,) = [cell for cell in merged(submission) if cell.name == "why"]
    assert answer.template is not None
    assert answer.source != answer.template.source
    for word in ("Because", "of this."):
        assert word in answer.source


def test_of_two_answers_in_a_row_each_has_its_own() -> None:
    lab = lab_with_a_given_cell()
    second = lab.cells[-1].copy()
    second.metadata = NotebookNode(nbgrader=nbgrader_cell("how", 4, solution=True))
    lab.cells.append(second)
    submission = NotebookNode(lab.copy(), cells=[cell.copy() for cell in lab.cells])
    submission.cells[-2].source = "So."
    submission.cells.append(new_markdown_cell("Thus."))
    answers = {
        c.name: c.source for c in canonical.merge(lab, submission) if c.name in ("why", "how")
    }
    assert answers == {"why": "So.", "how": f"{canonical.BESIDE}\n\nThus."}


def test_nothing_is_an_answer_where_nothing_is_written() -> None:
    (answer,) = [cell for cell in merged(solved()) if cell.name == "why"]
    assert answer.template is not None
    assert answer.source == answer.template.source


HONEST = [
    {"given": f"import seaborn_of_mine as sns\n{GIVEN}"},
    {"given": f"%load_ext nowhere\n%matplotlib widget\n{GIVEN}"},
    {"given": f"from google.colab import drive\ndrive.mount('/x')\n{GIVEN}\nFACTOR = 2"},
    {"given": f"import os\nos.chdir('/nowhere')\n{GIVEN}"},
    {"given": f"%%capture\n{GIVEN}", "double": f"%%time\n{ANSWERS['double']}"},
    {"given": f"{GIVEN}\nraise OSError\nN = 3", "triple": "def triple(x): return N * x"},
    {"given": f"{GIVEN}\nraise RuntimeError\nN = 3", "triple": "def triple(x): return N * x"},
    {"given": "def ("},
    {"given": "\n".join(f"%time x{i} = {i}" for i in range(600))},
    {"double": f"import seaborn_of_mine\nopen('mine.csv')\n{ANSWERS['double']}"},
    {"double": f"%%timeit -n 1\n{ANSWERS['double']}", "triple": f"%%prun\n{ANSWERS['triple']}"},
    {"double": f"%%capture out\n%%time\n{ANSWERS['double']}\nout.show()"},
]  # fmt: skip


@pytest.mark.usefixtures("_sandbox")
@pytest.mark.timeout(900)
def test_what_this_machine_lacks_costs_no_points() -> None:
    limits = Limits(cell=20, exercise=20, total=100)
    exam = Exam(TINY, nbformat.writes(lab_with_a_given_cell()), (), 1, limits)
    for changed in HONEST:
        result = work(exam, f"{TINY}.ipynb", nbformat.writes(solved(**changed)).encode())
        wrong = [found.text for found in result.judgements if not found.passed]
        assert not wrong, (changed, wrong)
    result = work(exam, f"{TINY}.ipynb", nbformat.writes(solved(**HONEST[0])).encode())
    line = "import seaborn_of_mine as sns"
    assert f"No module named 'seaborn_of_mine' (line 1: {line})" in result.notebook
