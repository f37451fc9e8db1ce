"""CONTRIBUTING.md's worked example, followed to the letter in a copy of the repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import nbformat
import pytest

from tests.helpers.copies import ROOT, blocks, copy_tree, shell

STEPS = blocks(ROOT / "CONTRIBUTING.md", "A worked example")
MISTAKE, EXERCISE, CORPUS = (text for language, text in STEPS if language == "diff")
REFUSED = """
import matplotlib; matplotlib.use("Agg")
from pruninglab.labs.mine import check
from pruninglab.checks.lab import WrongAnswer
from solutions.lab8_mine import mistakes
for name in ("mine_density_percent", "mine_compression_inverse"):
    try:
        check(getattr(mistakes, name), name.rpartition("_")[0])
    except WrongAnswer as refused:
        print(refused)
"""
HIDDEN = """
from solutions.builder import build
from solutions.lab8_mine.mistakes import MISTAKES
for mistake in MISTAKES["mine_compression"]:
    try:
        build.hidden_of("08_mine", "mine_compression")(mistake, seed=4711)
        print("passed:", mistake.__name__)
    except AssertionError:
        print("refused")
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy."""
    return copy_tree(tmp_path_factory.mktemp("contributing") / "tree")


@pytest.fixture(scope="module")
def without_mistakes(tree: Path) -> dict:
    """What the check of the new exercise compares with, before it has mistakes."""
    follow(tree, STEPS[: STEPS.index(("diff", CORPUS))])
    return json.loads((tree / "pruninglab" / "labs" / "mine" / "expected.json").read_text())


@pytest.fixture(scope="module")
def followed(tree: Path, without_mistakes: dict) -> Path:
    """The copy, after all steps."""
    follow(tree, STEPS[STEPS.index(("diff", CORPUS)) :])
    return tree


def follow(tree: Path, steps: list[tuple[str, str]]) -> None:
    """Do what the text says."""
    for language, text in steps:
        if language == "diff":
            subprocess.run(["git", "apply", "-"], cwd=tree, input=text, text=True, check=True)
        else:
            shell(tree, text)


def added(diff: str) -> dict[str, list[str]]:
    """Path -> the lines that a change adds, without the empty ones."""
    files = [part.split("\n", 1) for part in diff.split("\n+++ b/")[1:]]
    return {
        path: [x[1:] for x in text.splitlines() if x.startswith("+") and x.strip("+ ")]
        for path, text in files
    }


def test_a_new_mistake_is_a_change_of_ten_lines() -> None:
    ((_, lines),) = added(MISTAKE).items()
    assert 0 < len(lines) <= 10


def test_a_new_exercise_is_its_function_a_heading_and_eight_lines() -> None:
    change = added(EXERCISE)
    assert len(change.pop("solutions/lab8_mine/exercises.py")) < 10
    lab = change.pop("solutions/lab8_mine/text.py")
    heading, placeholders = lab[:2], lab[2:]
    assert heading[0] == "# %% [markdown]"
    assert heading[1].startswith("# ## Exercise 2")
    assert len(placeholders) + sum(map(len, change.values())) == 8


def test_an_exercise_without_mistakes_can_be_built(without_mistakes: dict) -> None:
    assert len(without_mistakes["mine_density"]["mistakes"]) == 6
    assert without_mistakes["mine_compression"]["mistakes"] == []
    first = without_mistakes["mine_compression"]["expected"][0]["result"]
    assert first == pytest.approx(4 / 3)


def test_the_new_mistake_and_exercise_are_refused_with_their_hints(followed: Path) -> None:
    printed = shell(followed, f"python - <<'END'\n{REFUSED}END\n")
    assert "Likely: This is in percent: a share lies between 0 and 1." in printed
    assert "Likely: This is below 1: a smaller layer has a compression *above* 1." in printed


def test_the_hidden_test_of_the_new_exercise_refuses_every_mistake(followed: Path) -> None:
    printed = shell(followed, f"python - <<'END'\n{HIDDEN}END\n")
    assert printed.split() == ["refused"] * 5


def test_the_new_exercise_is_released_without_its_answer(followed: Path) -> None:
    released = nbformat.read(followed / "labs" / "08_mine" / "08_mine.ipynb", as_version=4)
    graded = {c.metadata.nbgrader.grade_id for c in released.cells if "nbgrader" in c.metadata}
    assert {"mine_compression", "test_mine_compression"} <= graded
    assert "count_nonzero" not in nbformat.writes(released)
    assert (followed / "build" / "08_mine.zip").is_file()


def test_the_changed_sources_are_in_good_style(followed: Path) -> None:
    shell(followed, "ruff check solutions && ruff format --check solutions")
