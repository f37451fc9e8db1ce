"""The class report: its numbers, what it flags, and that nothing in it is live."""

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook
from PIL import Image

from pruninglab.grading.gradebook import report, similar
from pruninglab.grading.gradebook.hand_back import Report
from pruninglab.grading.gradebook.marks import Mark
from pruninglab.grading.gradebook.needs_look import needs_look
from pruninglab.grading.gradebook.report import ClassReport
from pruninglab.grading.intake import canonical
from pruninglab.grading.judging.judgement import Judgement

LONG = """
def prune(weight, sparsity):
    flat = weight.flatten().abs()
    count = round(sparsity * len(flat))
    order = flat.argsort()
    keep = order >= 0
    keep[order[:count]] = False
    return keep.reshape(weight.shape)
"""


def made(**changes) -> ClassReport:
    marks = {
        "ada": {"mask": Mark(3, 3), "why": Mark(None, 1)},
        "bob": {"mask": Mark(0, 3), "why": Mark(1, 1)},
        "<script>alert(1)</script>": {"mask": Mark(0, 3)},
    }
    known = {"mask": ["forgot abs", "kept instead of pruned <b>"]}
    hints = {"bob": {"mask": "forgot abs"}, "<script>alert(1)</script>": {"mask": "forgot abs"}}
    arguments = {"lab": "01", "points": {"mask": 3, "why": 1}, "marks": marks} | changes
    return ClassReport(**arguments, hints=hints, known=known, looks=[("bob", "a <i>look</i>")])


def test_shares_and_counts():
    assert made().shares() == {"mask": pytest.approx(1 / 3), "why": pytest.approx(1 / 3)}
    assert made().counts() == {"mask": [2, 0]}
    assert report.mistakes(made()) == [
        {"exercise": "mask", "number": 1, "students": 2, "hint": "forgot abs"}
    ]


def test_the_page_needs_no_other_file_and_has_nothing_live(tmp_path):
    page, picture = report.write(made(), tmp_path / "new")
    text = page.read_text()
    assert "<script" not in text
    assert "<i>look" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "&lt;i&gt;look" in text
    assert set(re.findall(r'(?:src|href)="([^"]{5})', text)) == {"data:"}
    with Image.open(picture) as image:
        assert image.width > 1000


def test_marks_by_hand_that_wait_are_shown_and_count_zero(tmp_path):
    text = report.write(made(), tmp_path)[0].read_text()
    assert "3 + ?" in text
    assert "Mean 1.3 of 4 points" in text


def test_an_empty_class_and_a_lab_without_known_mistakes(tmp_path):
    empty = ClassReport("01", {"mask": 3.0}, {}, {}, {})
    text = report.write(empty, tmp_path)[0].read_text()
    assert "0 submissions" in text
    assert "Nobody" in text


def renamed(source: str) -> str:
    return re.sub(r"\bflat\b", "values", source.replace("order", "ranked")) + "    # mine\n"


def three(source: str) -> dict[str, str]:
    """Three exercises, each a little different from the others."""
    return {
        name: source.replace("prune", name) + f"\n{name} = 1" * i for i, name in enumerate("abc")
    }


def other(source: str, i: int) -> str:
    return source.replace("return keep", "keep.add_(0)\n    " * i + "return keep")


def test_a_copy_with_new_names_is_found_and_different_work_is_not():
    students = {"ada": three(LONG), "eve": {k: renamed(v) for k, v in three(LONG).items()}}
    students |= {f"s{i}": three(other(LONG, i)) for i in range(1, 20)}
    assert similar.alike(students) == {("ada", "eve"): ["a", "b", "c"]}


def test_what_many_write_is_no_copy():
    assert similar.alike({f"s{i}": three(LONG) for i in range(10)}) == {}


def test_two_exercises_alike_are_not_enough():
    two = {k: v for k, v in three(LONG).items() if k != "c"}
    assert similar.alike({"ada": two, "eve": two}) == {}


DEEP = "def f(x):\n    a = b = c = x\n    d = a\n    e = d\n    return " + "+".join(["x"] * 1200)


@pytest.mark.parametrize(
    "source", [DEEP, "def f(:", "", "def f(x):\n    return x", "x = (" * 9999, "\0"]
)
def test_of_short_or_broken_code_nothing_is_said(source):
    assert similar.fingerprint(source) is None


# --- what to look at ----------------------------------------------------------------------------


@dataclass
class Folder:
    """As much of a course as is looked at here."""

    root: Path
    lab: str = "01"

    def autograded(self, student: str) -> Path:
        return self.root / student


def graded(folder: Path, student: str, answer: str) -> None:
    """A graded notebook with one question; the answer was written below its cell."""
    question = new_markdown_cell("*Write here*", id="q")
    question.metadata["nbgrader"] = {"grade_id": "why", "grade": True, "solution": True}
    handed_in = new_notebook(cells=[question.copy(), new_markdown_cell(answer, id="mine")])
    cells = canonical.merge(new_notebook(cells=[question]), handed_in)
    (folder / student).mkdir()
    nbformat.write(canonical.to_notebook(cells, {}), folder / student / "01.ipynb")


def test_everything_that_needs_a_look_is_listed_with_its_reason(tmp_path):
    graded(tmp_path, "Ng An_1", "Because.\n\n- of this")
    graded(tmp_path, "Ng An_2", "")
    graded(tmp_path, "bob", "")
    marks = {"Ng An_1": {"why": Mark(None, 1)}, "Ng An_2": {"why": Mark(1, 1, review=True)},
             "bob": {"why": Mark(1, 1)}}  # fmt: skip
    tampered = Judgement("test_mask", False, "no", tampered=True)
    made = Report({"why": 1}, marks, {"Ng An_2": "is empty"}, judgements={"bob": [tampered]},
                  without={"bob": "too long"}, late={"bob": (7200.0, 0.5)})  # fmt: skip
    assert needs_look(Folder(tmp_path), made) == [
        ("Ng An_2", "could not be graded, and has 0: is empty"),
        ("bob", "has no feedback page: too long"),
        ("Ng An_1", "waits for a mark by hand: why"),
        ("Ng An_2", "the answer has changed since it was marked: why"),
        ("bob", "handed in 2.0 hours late: 0.5 points taken off"),
        ("Ng An_1", "the answer was not in its cell, and may be another: why"),
        ("bob", "the test passes in the notebook, but not here: mask"),
        ("Ng An", "2 students have this name"),
    ]


def test_a_class_in_which_all_is_well_needs_no_look(tmp_path):
    graded(tmp_path, "bob", "")
    assert needs_look(Folder(tmp_path), Report({"why": 1}, {"bob": {"why": Mark(1, 1)}}, {})) == []
