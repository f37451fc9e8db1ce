"""What is done so far: noted only by checks in a notebook, shown on the start page."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pruninglab.checks.lab import Lab, Probe, WrongAnswer
from pruninglab.notebook import ANSWER_STUB
from pruninglab.overview import manifest as manifests
from pruninglab.overview import page
from pruninglab.overview.progress import Progress
from solutions.builder import build
from solutions.builder.manifest import manifest

ROOT = Path(__file__).parents[2]
MANIFEST = {
    "title": "Lab 1 · Tiny",
    "about": "Twice and three times",
    "minutes": 20,
    "cells": [
        {"name": "double", "kind": "solution", "points": 0, "heading": "Twice", "minutes": 5},
        {"name": "test_double", "kind": "test", "points": 2, "heading": "Twice", "minutes": 5},
        {"name": "test_triple", "kind": "test", "points": 3, "heading": "Thrice", "minutes": 0},
        {"name": "why", "kind": "answer", "points": 4, "heading": "Question", "minutes": 3},
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny lab, without a start page."""
    lab = tmp_path / "labs" / "01_tiny"
    lab.mkdir(parents=True)
    (lab / "manifest.json").write_text(json.dumps(MANIFEST))
    double = {"expected": [{"result": 6}], "mistakes": []}
    (lab / "expected.json").write_text(json.dumps({"double": double}))
    return lab


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_without_a_start_page_nothing_is_written(folder: Path) -> None:
    before, noted = files(folder.parent), Progress(folder)
    assert "2 of 5 points" in noted.note("double", passed=True)
    assert "2 of 5 points" in noted.note("triple", passed=False)
    assert "5 of 5 points" in noted.note("triple", passed=True)
    assert files(folder.parent) == before


def test_with_a_start_page_it_outlives_the_notebook(folder: Path) -> None:
    written = page.write_page(folder.parent)
    page.note(Progress(folder), "double", passed=True)
    assert Progress(folder).stored() == {"double"}
    assert "| ✔ passed | Twice | `double` | 2 | 5 |" in written.read_text()
    assert "5 of 5" in page.note(Progress(folder), "triple", passed=True)
    page.note(Progress(folder), "double", passed=False)  # changed for the worse
    assert "3\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}5" in written.read_text()
    assert "✔ passed | Twice" not in written.read_text()


def test_an_answer_in_words_has_its_tick(folder: Path) -> None:
    def answer(text: str) -> dict:
        meta = {"nbgrader": {"grade_id": "why"}}
        return {"cell_type": "markdown", "source": text, "metadata": meta, "id": "a"}

    def shown(text: str) -> str:
        tree = {"cells": [answer(text)], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}
        (folder / "01_tiny.ipynb").write_text(json.dumps(tree))
        return page.page(folder.parent).replace("\N{NO-BREAK SPACE}", " ")

    for text in ("", " ", ANSWER_STUB):
        assert "✔ written" not in shown(text)
    assert "0 of 5 points, 0 of 1 answers" in shown("")
    assert "| ✔ written | Question | an answer in words | 4 | 3 |" in shown("Because.")
    assert "0 of 5 points, 1 of 1 answers" in shown("Because.")


def test_minutes_add_up_and_each_lab_has_its_command(folder: Path) -> None:
    """Also when everything is done: somebody still has to hand it in."""
    text = page.page(folder.parent)
    minutes = [int(n) for n in re.findall(r"\| (\d+) \|$", text.split("<details")[1], flags=re.M)]
    assert sum(minutes) == MANIFEST["minutes"] == 20
    for _ in range(2):
        assert f"{sys.executable} -m pruninglab submit {folder}\n" in page.page(folder.parent)
        page.write_page(folder.parent)
        for name in ("double", "triple"):
            page.note(Progress(folder), name, passed=True)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"passed": 3}', '{"done": []}'])
def test_a_damaged_record_counts_as_none(folder: Path, text: str) -> None:
    page.write_page(folder.parent)
    noted = Progress(folder)
    noted.file.parent.mkdir()
    noted.file.write_text(text)
    assert "2 of 5" in noted.note("double", passed=True)
    assert noted.stored() == {"double"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_cannot_be_written_fails_no_check_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    page.write_page(folder.parent)
    monkeypatch.setattr("os.replace", refused)
    said = page.note(Progress(folder), "double", passed=True)
    assert "2 of 5" in said
    assert f"START.md cannot show it: {os.strerror(number)}. Your answers are not affected" in said


def test_a_check_outside_of_a_notebook_notes_nothing(
    folder: Path, capsys: pytest.CaptureFixture
) -> None:
    """As in grading: its output is what it always was."""
    page.write_page(folder.parent)
    check = Lab(str(folder / "probes.py"), {"double": [Probe("three", lambda: {"x": 3})]})
    check(lambda x: 2 * x, "double")
    assert capsys.readouterr().out == "✔ double: 1 of 1 checks passed\n"
    assert check.progress.stored() == set()


def test_a_check_in_a_notebook_shows_the_points_so_far(
    folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pruninglab.checks.lab.in_notebook", lambda: True)
    page.write_page(folder.parent)
    check = Lab(str(folder / "probes.py"), {"double": [Probe("three", lambda: {"x": 3})]})
    check(lambda x: 2 * x, "double")
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    first, second = shown.splitlines()
    assert first == " ✔ passed  double: 1 of 1 checks passed"
    assert second == "■■■■□□□□□□ 2 of 5 points by the checks so far"
    with pytest.raises(WrongAnswer):
        check(lambda x: x, "double")
    assert check.progress.stored() == set()


def test_the_page_names_every_lab_once_and_leads_to_it(tmp_path: Path) -> None:
    labs = tmp_path / "labs"
    shutil.copytree(ROOT / "labs", labs, ignore=shutil.ignore_patterns("*.ipynb", ".*"))
    text = page.page(labs)
    for lab in build.LABS:
        assert text.count(f"]({lab}/{lab}.ipynb)") == 1
    assert text.count("<details open>") == 1


def test_minutes_and_labs_agree_with_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for lab in build.LABS:
        minutes = manifests.manifest(ROOT / "labs" / lab)["minutes"]
        (line,) = [x for x in readme.splitlines() if f"](labs/{lab}/{lab}.ipynb)" in x]
        assert line.endswith(f"| {minutes} |"), lab


@pytest.mark.parametrize("lab", build.LABS)
def test_the_manifest_is_what_the_build_makes(lab: str) -> None:
    stored = manifests.read(build.package(lab))
    assert stored == manifest(lab, build.notebook(lab), build.NOTEBOOKS / lab)
    assert all(stored[part] for part in ("title", "about", "minutes", "cells"))
    assert all(cell["heading"] for cell in stored["cells"])
    assert set(manifests.points_of(stored)) == set(build.probes_of(lab))


def test_where_there_are_no_labs_it_says_so(tmp_path: Path) -> None:
    find = "from pruninglab.overview import manifest; manifest.find_labs()"
    command = [sys.executable, "-c", find]
    shutil.copytree(
        ROOT / "pruninglab", tmp_path / "pruninglab", ignore=shutil.ignore_patterns("assets")
    )
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert "no labs in" in done.stderr
    assert "go to the folder that contains labs/" in done.stderr
