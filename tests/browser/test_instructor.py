"""The instructor's chair: release, collect, grade, mark by hand in formgrader, give back."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell
from playwright.sync_api import expect

from pruninglab.grading import demo
from tests.helpers import payloads
from tests.helpers.copies import copy_tree, download_from_moodle, shell

pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("_sandbox")]
LAB = "01_structures"
STUDENTS = {
    "Lovelace Ada_12": "half done",
    "Turing Alan_13": "wrong",  # and hostile: see `course`
    "Hopper Grace_14": "all right",
}
ALAN = "Turing Alan_13"
GRACE, SHOWN = "Hopper Grace_14", "Hopper, Grace"  # its id, and as formgrader shows it
Shot = Callable[[str], Path]


def points(course: Path) -> dict[str, str]:
    """Student -> points, as they go back to Moodle."""
    with (course / f"moodle_{LAB}.csv").open() as file:
        return {row["Full name"]: row["Grade"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which lab 1 was released; what the students handed in is collected and graded."""
    course = copy_tree(tmp_path_factory.mktemp("instructor") / "course")
    shell(course, f"make release LAB={LAB}")
    with zipfile.ZipFile(course / "build" / f"{LAB}.zip") as bundle:
        released = nbformat.reads(
            bundle.read(f"{LAB}/labs/{LAB}/{LAB}.ipynb").decode(), as_version=4
        )
    kinds = demo.sample_class(released)
    handed_in = {student: kinds[kind] for student, kind in STUDENTS.items()}
    # Links to other sites stay: a click on one would leave the page before the next is tried.
    hostile = [text for text in payloads.TEXTS if "https://x.example" not in text]
    handed_in[ALAN].cells += [new_markdown_cell(text) for text in hostile]
    archive = course / "downloaded" / LAB / "archive" / "Pruning-Lab 1-77.zip"
    download_from_moodle(archive, LAB, handed_in)
    shell(course, f"make grade LAB={LAB}")
    return course


@pytest.fixture(scope="module")
def server(course: Path, serve: Callable) -> Any:
    """`make lab` in the clone."""
    python = course / ".venv" / "bin" / "python"
    return serve([python, "-m", "pruninglab", "start"], course, {"PYTHONPATH": str(course)})


@pytest.fixture
def formgrader(page: Any, server: Any) -> Any:
    """Formgrader, opened from JupyterLab's menu: the frame with its pages."""
    page.goto(server.address("/lab?reset"))
    page.get_by_role("menuitem", name="Nbgrader", exact=True).first.click()
    page.locator(".lm-Menu .lm-Menu-itemLabel").get_by_text("Formgrader", exact=True).last.click()
    frame = page.frame_locator("iframe[src*=formgrader]")
    frame.get_by_role("link", name=LAB).first.wait_for()
    return frame


def open_submissions(formgrader: Any) -> None:
    """Manual Grading > lab > notebook: the list of submissions, with the students' names."""
    formgrader.get_by_role("link", name="Manual Grading").first.click()
    for page in ("", f"/{LAB}"):
        formgrader.locator(f"td a[href$='/gradebook{page}/{LAB}']").first.click()
    formgrader.locator("td a.name-hidden").first.wait_for()
    formgrader.get_by_role("button", name="Show All Names").click()


def open_submission(formgrader: Any, student: str) -> None:
    """A student's notebook."""
    open_submissions(formgrader)
    formgrader.locator("a.name-shown", has_text=student).click()
    formgrader.locator("#why_global").wait_for()


def cell(formgrader: Any, name: str) -> Any:
    """The box of a free response: the answer, its mark, and a comment."""
    return formgrader.locator(".nbgrader_cell", has=formgrader.locator(f"#{name}"))


def test_formgrader_shows_the_class(formgrader: Any, shot: Shot) -> None:
    row = formgrader.locator("tr", has_text=LAB).first
    expect(row).to_contain_text("3")  # submissions
    row.scroll_into_view_if_needed()
    shot("instructor-1-formgrader")
    open_submissions(formgrader)
    for student, total in ((SHOWN, "23 / 30"), ("Turing, Alan", "0 / 30")):
        row = formgrader.locator("tr", has_text=student)
        expect(row).to_contain_text(total)
        row.scroll_into_view_if_needed()
    shot("instructor-2-class")


def test_a_free_response_is_marked_by_the_guide(
    formgrader: Any, page: Any, shot: Shot, course: Path
) -> None:
    open_submission(formgrader, SHOWN)
    answer = cell(formgrader, "why_global")
    expect(answer).to_contain_text("A sample answer.")
    guide = formgrader.locator(".alert-info", has_text="The layers are not equally redundant")
    expect(guide).to_contain_text("Marking guide. 1 point:")
    answer.scroll_into_view_if_needed()
    shot("instructor-3-guide")
    answer.locator("#why_global").fill("1.5")
    answer.locator("textarea.comment").fill("Say what happens at 99 %.")
    answer.locator("textarea.comment").press("Tab")
    for other in ("why_not_smaller", "half_of_the_macs"):
        cell(formgrader, other).get_by_role("button", name="Full credit").click()
        expect(formgrader.locator(f"#{other}")).not_to_have_value("")
    page.wait_for_timeout(2000)  # it is saved in the background
    answer.scroll_into_view_if_needed()
    shot("instructor-4-marked")
    open_submissions(formgrader)
    expect(formgrader.locator("tr", has_text=SHOWN)).to_contain_text("29.5 / 30")
    assert points(course)["Hopper Grace"] == ""  # its answers waited
    shell(course, f"make marks LAB={LAB}")
    assert points(course)["Hopper Grace"] == "29.5"


def test_nothing_that_a_student_wrote_runs_in_formgrader(formgrader: Any, page: Any) -> None:
    """Each of a hundred texts is hovered over, focused and clicked."""
    happened: list[str] = []

    def seen(dialog: Any) -> None:
        happened.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", seen)
    open_submission(formgrader, "Turing, Alan")
    (frame,) = [frame for frame in page.frames if "formgrader/submissions/" in frame.url]
    expect(formgrader.get_by_text("<svg onload=alert(1)>").first).to_be_attached()
    place = frame.url
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    frame.evaluate(payloads.TOUCH, ".text_cell_render *")
    page.wait_for_timeout(1000)
    assert happened == []
    assert frame.url == place
    assert not [url for url in asked if "evil" in url or "terminals" in url]


def test_the_mark_is_kept_when_all_is_graded_again(
    course: Path, formgrader: Any, shot: Shot
) -> None:
    printed = shell(course, f"make grade LAB={LAB}")
    assert re.search(r"^Hopper Grace\b.* 1\.5 .* 29\.5$", printed, flags=re.M)  # no "*"
    open_submission(formgrader, SHOWN)
    expect(formgrader.locator("#why_global")).to_have_value("1.5")
    formgrader.locator("#why_global").scroll_into_view_if_needed()
    shot("instructor-5-graded-again")


def test_the_student_gets_feedback_and_the_class_a_report(
    course: Path, page: Any, shot: Shot
) -> None:
    folder = course / "feedback" / GRACE / LAB
    page.goto((folder / f"{LAB}.html").as_uri())
    expect(page.get_by_text("Say what happens at 99 %.").first).to_be_visible()
    assert "Marking guide" not in page.content()
    shot("instructor-6-feedback")
    page.get_by_text("Say what happens at 99 %.").last.scroll_into_view_if_needed()
    shot("instructor-7-feedback-comment")
    page.goto((course / "feedback" / "Turing Alan_13" / LAB / f"{LAB}.html").as_uri())
    hint = page.get_by_text("Likely:").first
    hint.scroll_into_view_if_needed()
    shot("instructor-8-feedback-hint")
    page.goto((course / f"report_{LAB}.html").as_uri())
    expect(page.get_by_text("Turing Alan").first).to_be_attached()
    shot("instructor-9-report")
