"""Every command in the guides, in the order of the text, in a copy of the repository."""

from __future__ import annotations

import csv
import getpass
import json
import os
import shutil
import sysconfig
import zipfile
from pathlib import Path

import nbformat
import pytest

from pruninglab import checkpoints
from pruninglab.grading import demo
from pruninglab.grading.gradebook.course import open_course
from pruninglab.project import networks
from tests.grading.test_grading import free_port
from tests.helpers.copies import ROOT, blocks, copy_tree, download_from_moodle, shell

pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("_sandbox")]
GUIDE = ROOT / "INSTRUCTORS.md"
LAB = "01_structures"
STUDENTS = {
    "Lovelace Ada_12": "half done",
    "Turing Alan_13": "untouched",
    "Hopper Grace_14": "all right",
}
SECTIONS = [x[3:] for x in GUIDE.read_text(encoding="utf-8").splitlines() if x.startswith("## ")]


class Course:
    """The guide's course: its places that a test must not touch are elsewhere.

    Args:
        scratch: an empty folder.
    """

    def __init__(self, scratch: Path) -> None:
        self.tree, self.home = copy_tree(scratch / "tree"), scratch / "home"
        self.places = {
            "/srv/nbgrader": str(scratch / "srv"),
            "/media/usb": str(scratch / "usb"),
            "8786": str(free_port()),
        }
        self.environment = {
            "HOME": str(self.home),
            "JUPYTER_CONFIG_PATH": str(scratch / "etc"),
            "JUPYTER_DATA_DIR": str(scratch / "data"),
            # quick: wheels of this project only (the rest is found where it is), no download
            "PIP_NO_DEPS": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        (scratch / "etc").mkdir()
        (scratch / "usb").mkdir()
        self.settings = scratch / "etc" / "nbgrader_config.py"
        (self.home / "Downloads").mkdir(parents=True)
        released = nbformat.read(self.tree / "labs" / LAB / f"{LAB}.ipynb", as_version=4)
        kinds = demo.sample_class(released)
        handed_in = {student: kinds[kind] for student, kind in STUDENTS.items()}
        download_from_moodle(self.home / "Downloads" / "Pruning-Lab 1-77.zip", LAB, handed_in)

    def here(self, text: str) -> str:
        """Commands with the guide's places replaced."""
        for place, own in self.places.items():
            text = text.replace(place, own)
        return text

    def run(self, language: str, text: str) -> str:
        """Run a block, or put it where it belongs; returns what it prints."""
        if language == "python":
            self.settings.write_text(self.here(text))
            return ""
        assert language == "sh", f"a block that is not run: {text}"
        return shell(self.tree, self.here(text), **self.environment)

    def follow(self, section: str) -> str:
        """Run all blocks of a section; returns what they print."""
        return "".join(self.run(*block) for block in blocks(GUIDE, section))


def totals(tree: Path) -> dict[str, str]:
    """Student -> points, as they go to Moodle: none while an answer waits for its mark."""
    with (tree / f"moodle_{LAB}.csv").open() as file:
        return {row["Full name"]: row["Grade"] for row in csv.DictReader(file)}


def runs(tree: Path) -> list[dict]:
    """The starts of the runs in the log."""
    lines = (tree / f"grades_{LAB}.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == "start"]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The course, when the first lab has been handed out, collected and graded."""
    begun = Course(tmp_path_factory.mktemp("guides"))
    for section in ("Begin", "Hand out a lab", "Moodle"):
        begun.follow(section)
    return begun


def test_no_section_with_commands_is_left_out() -> None:
    followed = Path(__file__).read_text(encoding="utf-8")
    text = GUIDE.read_text(encoding="utf-8")
    assert "```" not in text.split("\n## ")[0]
    for section in SECTIONS:
        assert f'"{section}"' in followed or not blocks(GUIDE, section), section


def test_moodle(course: Course) -> None:
    points = totals(course.tree)
    assert points["Hopper Grace"] == ""  # her free responses wait
    assert 0 < float(points["Lovelace Ada"]) < 23
    assert points["Turing Alan"] == "0"
    with zipfile.ZipFile(course.tree / f"moodle_{LAB}.zip") as archive:
        assert len(archive.namelist()) == 3


def test_marks_by_hand(course: Course) -> None:
    with open_course(course.tree, LAB).gradebook as marks:
        for name, points in (("why_global", 1.5), ("why_not_smaller", 2), ("half_of_the_macs", 3)):
            grade = marks.find_grade(name, LAB, LAB, "Hopper Grace_14")
            grade.manual_score, grade.needs_manual_grade = points, False
        marks.db.commit()
    graded = runs(course.tree)
    course.follow("Marks by hand")
    assert totals(course.tree)["Hopper Grace"] == "29.5"
    assert runs(course.tree) == graded


def test_grade_again(course: Course) -> None:
    before = totals(course.tree)
    course.follow("Grade again")
    assert runs(course.tree)[-1]["seed"] == 7
    assert totals(course.tree) == before


def test_the_semester(course: Course) -> None:
    assert "Lovelace" in (course.tree / f"report_{LAB}.html").read_text()
    printed = course.follow("The semester")
    assert "Hopper Grace" in (course.tree / "semester.csv").read_text()
    assert "ada@example.org" in (course.tree / "semester_moodle.csv").read_text()
    assert "build/people.csv: Turing Alan" in printed  # whom the list does not have


def test_the_leaderboard(course: Course) -> None:
    """The sections before and after it do not mind what lies there."""
    with zipfile.ZipFile(course.home / "Downloads" / "Pruning-Lab 7-78.zip", "w") as archive:
        place = "Lovelace Ada_31_assignsubmission_file"
        archive.write(
            networks.save(checkpoints.trained(4), course.home / "n.npz"), f"{place}_n.npz"
        )
        archive.writestr(f"{place}_07_project.ipynb", "{}")
        archive.writestr("Turing Alan_32_assignsubmission_file_07_project.ipynb", "{}")
    printed = course.follow("Lab 7's leaderboard")
    assert "Turing Alan_32: nothing: no network (.npz) was handed in" in printed
    page = (course.tree / "build" / "leaderboard" / "leaderboard.html").read_text()
    assert "Lovelace Ada_31" in page


def test_a_lab_room_without_network(course: Course) -> None:
    try:
        shell(course.tree, "pip download --quiet --no-deps --dest build/room 'setuptools>=77'")
    except AssertionError:
        pytest.skip("the wheels have to come from somewhere: no package index answers")
    packages = [str(course.tree), sysconfig.get_path("purelib")]
    course.environment["PYTHONPATH"] = os.pathsep.join(packages)
    try:
        printed = course.follow("A lab room without network")
    finally:
        del course.environment["PYTHONPATH"]
    assert "Successfully installed pruninglab" in printed
    (wheel,) = Path(course.here("/media/usb/wheels")).glob("pruninglab-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.namelist()
    assert "pruninglab/labs/structures/expected.json" in inside
    assert not [name for name in inside if "grading" in name or "toolbox" in name]


def test_more_than_one_machine(course: Course) -> None:
    before, graded = totals(course.tree), len(runs(course.tree))
    course.follow("More than one machine")
    assert totals(course.tree) == before
    assert len(runs(course.tree)) == graded + 1


def test_backups(course: Course) -> None:
    before = totals(course.tree)
    saved, restored = blocks(GUIDE, "Backups")
    course.run(*saved)
    for kept in ("downloaded", "submitted", "autograded", "feedback"):
        shutil.rmtree(course.tree / kept)
    for kept in ("gradebook.db", f"grades_{LAB}.jsonl", f"moodle_{LAB}.csv"):
        (course.tree / kept).unlink()
    course.run(*restored)
    assert totals(course.tree) == before
    assert (course.tree / "feedback" / "Hopper Grace_14" / LAB / f"{LAB}.html").is_file()


def test_the_exchange(course: Course) -> None:
    """The last test, because this class is another one: nothing comes from Moodle."""
    for name in ("downloaded", "submitted", "autograded", "feedback"):
        shutil.rmtree(course.tree / name)
    shutil.rmtree(course.home / LAB, ignore_errors=True)  # unpacked in a lab room
    course.follow("JupyterHub with nbgrader's exchange")
    submitted = course.tree / "submitted" / getpass.getuser() / LAB
    assert (submitted / "timestamp.txt").is_file()
    assert totals(course.tree)[getpass.getuser()] == "0"  # handed in as it was released
    assert list((course.home / LAB / "feedback").rglob(f"{LAB}.html"))
