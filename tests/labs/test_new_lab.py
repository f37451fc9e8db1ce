"""`make new-lab`: the sources of a lab that works, or an error and nothing on disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from solutions.builder import build, new_lab


@pytest.fixture
def solutions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of solutions/ that `new_lab` works in."""
    copy = tmp_path / "solutions"
    shutil.copytree(build.SOLUTIONS, copy, ignore=shutil.ignore_patterns("*.ipynb", "*.json"))
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "SOLUTIONS", copy)
    monkeypatch.setattr(build, "NOTEBOOKS", copy / "notebooks")
    return copy


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_sources_are_the_samples_under_the_new_name(solutions: Path) -> None:
    before = contents(solutions)
    written = new_lab.begin("98_mine")
    names = {str(path.relative_to(solutions)) for path in written}
    sources = ("__init__", "exercises", "hidden", "mistakes", "probes", "text")
    assert names == {f"lab98_mine/{name}.py" for name in sources}
    for path in written:
        assert "sample" not in path.read_text().lower()
    assert "Lab 98 · Mine" in (solutions / "lab98_mine" / "text.py").read_text()
    changed = {path for path, content in contents(solutions).items() if before.get(path) != content}
    assert changed == set(written)


def test_the_lab_takes_its_place_in_the_course(solutions: Path) -> None:
    old = build.find_labs(solutions)
    for lab in ("10_mine", "08_yours"):  # in the order of numbers, not of folder names
        new_lab.begin(lab)
    new = {"08_yours": "lab8_yours", "10_mine": "lab10_mine"}
    assert list(build.find_labs(solutions).items()) == list((old | new).items())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mine", "is no name for a lab"),
        ("98_my_lab", "is no name for a lab"),
        ("98_Mine", "is no name for a lab"),
        ("../98_mine", "is no name for a lab"),
        ("98_mine\n", "is no name for a lab"),
        ("٩٨_mine", "is no name for a lab"),
        ("", "is no name for a lab"),
        ("01_structures", "number 01 belongs to 01_structures"),
        ("01_mine", "number 01 belongs to 01_structures"),
        ("00_mine", "number 00 belongs to 00_sample"),
        ("98_structures", "01_structures has the name 'structures'"),
        ("98_class", "means something else"),
        ("98_test", "means something else"),
    ],
)
def test_a_bad_name_is_refused_and_nothing_changes(
    solutions: Path, name: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(solutions)
    monkeypatch.setattr("sys.argv", ["new_lab", name])
    with pytest.raises(SystemExit, match=reason):
        new_lab.main()
    assert contents(solutions) == before


def test_a_folder_in_the_way_is_left_alone(solutions: Path) -> None:
    for place in ("lab98_mine", "notebooks/98_mine"):
        (solutions / place).mkdir(parents=True)
        with pytest.raises(new_lab.NameProblem, match=f"there is a solutions/{place} already"):
            new_lab.begin("98_mine")
        (solutions / place).rmdir()
    assert not (solutions / "lab98_mine").exists()
