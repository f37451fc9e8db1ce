"""A tiny lab, as a student has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pruninglab.grading.gradebook.course import open_nbgrader, succeed
from solutions.builder import manifest as manifests
from tests.grading import test_grading as tiny
from tests.helpers import graders
from tests.helpers.solved import LAB, solved


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with a tiny lab (exercises of 2 and 3 points, a question of 4), released."""
    course = tmp_path_factory.mktemp("course") / "course"
    tiny.make_tiny_course(course)
    folder = course / "solutions" / "notebooks" / LAB
    text = json.dumps(manifests.manifest(LAB, tiny.tiny_lab(), folder))
    (folder / "manifest.json").write_text(text)
    succeed(open_nbgrader(course).generate_assignment(LAB), "release")
    return course


@pytest.fixture
def file(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A student's notebook with everything solved, run from top to bottom, and saved."""
    monkeypatch.chdir(solved(pristine, tmp_path / "student"))
    return tmp_path / "student" / "labs" / LAB / f"{LAB}.ipynb"


@pytest.fixture(scope="module")
def _graders() -> Iterator[None]:
    """One pool for the tests of a module that grade."""
    with graders.shared():
        yield
