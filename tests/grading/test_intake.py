"""What learning platforms hand over: whose it is, which copy counts, and what can be read."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import nbformat
import pytest
from traitlets.config import PyFileConfigLoader

from pruninglab.grading.intake import collect, read
from tests.grading.test_grading import TINY, tiny_lab

ROOT = Path(__file__).parents[2]


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
