"""Every lab: mistakes get their own hint, right answers pass, labs/ is what the build makes."""

from __future__ import annotations

import filecmp
import functools
import inspect
import json
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import mistune
import nbformat
import pytest

from pruninglab.checks.lab import Lab, WrongAnswer, likely_mistake
from pruninglab.values import decode
from solutions.builder import build

mpl.use("Agg")

EXERCISES = [(lab, name) for lab in build.LABS for name in build.probes_of(lab)]


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    """A check draws what differs, and matplotlib warns when more than 20 figures stay open."""
    yield
    plt.close("all")


def corpus(kind: str) -> list:
    """All (lab, exercise, function) of the "MISTAKES" or "ALTERNATIVES"."""
    return [
        pytest.param(lab, name, function, id=f"{lab}-{function.__name__}")
        for lab in build.LABS
        for name, functions in getattr(build.module(lab, "mistakes"), kind).items()
        for function in functions
    ]


@functools.cache
def check_of(lab: str) -> Lab:
    return runpy.run_path(str(build.package(lab) / "__init__.py"))["check"]


@pytest.mark.parametrize(("lab", "exercise", "mistake"), corpus("MISTAKES"))
def test_a_mistake_gets_its_own_hint(lab: str, exercise: str, mistake: Callable) -> None:
    with pytest.raises(WrongAnswer) as refused:
        check_of(lab)(mistake, exercise)
    assert f"Likely: {build.hint(mistake)}" in str(refused.value)


@pytest.mark.parametrize(("lab", "exercise", "alternative"), corpus("ALTERNATIVES"))
def test_an_alternative_passes(lab: str, exercise: str, alternative: Callable) -> None:
    check_of(lab)(alternative, exercise)
    build.hidden_of(lab, exercise)(alternative)


@pytest.mark.parametrize(("lab", "exercise"), EXERCISES)
def test_the_corpus_is_large_enough(lab: str, exercise: str) -> None:
    known = build.module(lab, "mistakes")
    assert len(known.MISTAKES.get(exercise, [])) >= 5
    assert len(known.ALTERNATIVES.get(exercise, [])) >= 3


@pytest.mark.parametrize(("lab", "exercise"), EXERCISES)
def test_expected_values_are_those_of_the_solution(lab: str, exercise: str) -> None:
    stored = json.loads((build.package(lab) / "expected.json").read_text())[exercise]
    mistakes = build.module(lab, "mistakes").MISTAKES[exercise]
    assert [m["hint"] for m in stored["mistakes"]] == [build.hint(m) for m in mistakes]
    right = decode(stored)["expected"]
    assert likely_mistake(right, decode(stored)) is None  # no mistake looks like the right answer


@pytest.mark.parametrize("lab", build.LABS)
def test_no_mistake_hides_the_untouched_exercise(lab: str) -> None:
    def untouched(**_: object) -> None:
        raise NotImplementedError

    for exercise in build.probes_of(lab):
        with pytest.raises(WrongAnswer, match="not written yet"):
            check_of(lab)(untouched, exercise)


@pytest.mark.parametrize("lab", build.LABS)
def test_the_notebook_is_what_the_sources_say(lab: str) -> None:
    stored = nbformat.read(build.NOTEBOOKS / lab / f"{lab}.ipynb", as_version=4)
    fresh = build.notebook(lab)
    assert [(c.id, c.source) for c in stored.cells] == [(c.id, c.source) for c in fresh.cells]
    assert [c.metadata for c in stored.cells] == [c.metadata for c in fresh.cells]


@pytest.mark.parametrize("lab", build.LABS)
def test_the_release_is_what_the_build_makes(lab: str, tmp_path: Path) -> None:
    build.release(lab, into=tmp_path)
    left = [".ipynb_checkpoints"]  # by a JupyterLab in which somebody looked at it
    comparison = filecmp.dircmp(tmp_path / lab, build.ROOT / "labs" / lab, ignore=left)
    assert not comparison.left_only + comparison.right_only + comparison.diff_files
    assert f"{lab}.ipynb" in comparison.same_files


@pytest.mark.parametrize("lab", build.LABS)
def test_no_answer_ships(lab: str) -> None:
    places = (build.ROOT / "labs" / lab, build.package(lab))
    files = [p for folder in places for p in folder.iterdir() if p.is_file()]
    released = {p.name: p.read_text() for p in files}
    solution = nbformat.read(build.NOTEBOOKS / lab / f"{lab}.ipynb", as_version=4)
    graded = [c for c in solution.cells if c.metadata.get("nbgrader", {}).get("solution")]
    assert graded
    before = list(build.LABS)[: list(build.LABS).index(lab)]
    earlier = "".join(inspect.getsource(build.module(name)) for name in before)
    for cell in graded:
        answer = cell.source.split("### BEGIN SOLUTION")[1].split("### END SOLUTION")[0]
        for line in (line.strip() for line in answer.splitlines() if len(line.strip()) > 30):
            # The toolbox, and only it, ships the answers of earlier labs.
            allowed = {"toolbox.py"} if line in earlier else set()
            told = {name for name, text in released.items() if json.dumps(line)[1:-1] in text}
            assert told <= allowed, line
    assert not any("HIDDEN TESTS" in text for text in released.values())


@pytest.mark.parametrize("lab", build.LABS)
def test_only_the_title_is_a_heading_of_level_1(lab: str) -> None:
    stored = nbformat.read(build.NOTEBOOKS / lab / f"{lab}.ipynb", as_version=4)
    parse = mistune.create_markdown(renderer="ast")
    blocks = [b for c in stored.cells if c.cell_type == "markdown" for b in parse(c.source)]
    headings = [block["attrs"]["level"] for block in blocks if block["type"] == "heading"]
    assert headings[0] == 1
    assert headings.count(1) == 1
