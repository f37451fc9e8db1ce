"""`make new-lab`: the sources of a lab that works, or an error and nothing on disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from solutions import build, new_lab


@pytest.fixture
def solutions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of solutions/ that `new_lab` works in."""
    copy = tmp_path / "solutions"
    shutil.copytree(build.SOLUTIONS, copy, ignore=shutil.ignore_patterns("*.ipynb", "*.json"))
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "SOLUTIONS", copy)
    return copy


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def labs_of(solutions: Path) -> list[tuple[str, str]]:
    """LABS as build.py has it now."""
    source = (solutions / "build.py").read_text().split("\nLABS = ")[1].split("\n}\n")[0]
    return list(eval(source + "}").items())


def test_the_sources_are_the_samples_under_the_new_name(solutions: Path) -> None:
    before = contents(solutions)
    written = new_lab.begin("98_mine")
    names = {str(path.relative_to(solutions)) for path in written}
    assert names == {
        *("mine.py", "mine_mistakes.py", "mine_hidden.py", "mine_lab.py", "98_mine/probes.py"),
        "build.py",
    }
    for path in written:
        assert "sample" not in path.read_text().lower()
    assert "Lab 98 · Mine" in (solutions / "mine_lab.py").read_text()
    changed = {path for path, content in contents(solutions).items() if before.get(path) != content}
    assert changed == set(written)


@pytest.mark.parametrize("lab", ["98_mine", "00_mine"])
def test_the_lab_takes_its_place_in_the_course(solutions: Path, lab: str) -> None:
    old = labs_of(solutions)
    new_lab.begin(lab)
    assert labs_of(solutions) == sorted([*old, (lab, "mine")])


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
        ("98_speed", r"there is a solutions/speed\.py already"),
        ("98_build", r"there is a solutions/build\.py already"),
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
    (solutions / "98_mine").mkdir()
    with pytest.raises(new_lab.NameProblem, match="there is a solutions/98_mine already"):
        new_lab.begin("98_mine")
    assert not (solutions / "mine.py").exists()
