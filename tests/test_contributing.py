"""CONTRIBUTING.md's worked example, followed to the letter in a copy of the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nbformat
import pytest

from tests.copies import ROOT, blocks, copy_tree, shell

STEPS = blocks(ROOT / "CONTRIBUTING.md", "A worked example")
REFUSED = """
import matplotlib; matplotlib.use("Agg")
import sys; sys.path.insert(0, "labs/08_mine")
from probes import check
from pruninglab.checks import WrongAnswer
from solutions import mine_mistakes
for name in ("mine_density_percent", "mine_compression_inverse"):
    try:
        check(getattr(mine_mistakes, name), name.rpartition("_")[0])
    except WrongAnswer as refused:
        print(refused)
"""


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy, after all steps."""
    tree = copy_tree(tmp_path_factory.mktemp("contributing") / "tree")
    for language, text in STEPS:
        if language == "diff":
            subprocess.run(["git", "apply", "-"], cwd=tree, input=text, text=True, check=True)
        else:
            shell(tree, text)
    return tree


def test_a_new_mistake_is_a_change_of_ten_lines() -> None:
    mistake = next(text for language, text in STEPS if language == "diff")
    added = [x for x in mistake.splitlines() if x.startswith("+") and not x.startswith("+++")]
    assert 0 < len(added) <= 10


def test_the_new_mistake_and_exercise_are_refused_with_their_hints(followed: Path) -> None:
    printed = shell(followed, f"python - <<'END'\n{REFUSED}END\n")
    assert "Likely: This is in percent: a share lies between 0 and 1." in printed
    assert "Likely: This is below 1: a smaller layer has a compression *above* 1." in printed


def test_the_new_exercise_is_released_without_its_answer(followed: Path) -> None:
    released = nbformat.read(followed / "labs" / "08_mine" / "08_mine.ipynb", as_version=4)
    graded = {c.metadata.nbgrader.grade_id for c in released.cells if "nbgrader" in c.metadata}
    assert {"mine_compression", "test_mine_compression"} <= graded
    assert "count_nonzero" not in nbformat.writes(released)
    assert (followed / "build" / "08_mine.zip").is_file()


def test_the_changed_sources_are_in_good_style(followed: Path) -> None:
    shell(followed, "ruff check solutions && ruff format --check solutions")
