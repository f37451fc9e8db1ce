"""README's first screen is true: its exercise fails as it shows, its commands and folders exist."""

from __future__ import annotations

import re

import matplotlib as mpl
import pytest
import torch

from pruninglab.checks import WrongAnswer
from pruninglab.labs.structures import check
from pruninglab.overview import manifest
from solutions.builder import build
from tests.helpers.copies import ROOT, blocks

mpl.use("Agg")
PAGE = ROOT / "README.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_check_says_what_the_page_shows() -> None:
    shown = dict(blocks(PAGE, "What a student sees"))
    with pytest.raises(WrongAnswer) as refused:
        exec(shown["python"], {"torch": torch, "check": check})
    assert str(refused.value).strip() == shown["text"].strip()


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    named = re.findall(r"^make ([a-z-]+)", TEXT, flags=re.M)
    assert named
    assert set(named) <= targets


def test_the_tree_names_every_folder() -> None:
    tree = next(text for text in TEXT.split("```") if text.startswith("\nlabs/"))
    named = {line.split()[0].strip("/") for line in tree.splitlines() if line.strip()}
    found = [*ROOT.glob("pruninglab/*/__init__.py"), *ROOT.glob("solutions/*/__init__.py")]
    packages = [path.parent.name for path in found]
    labs = {name for name in packages if re.match(r"lab[2-9]", name)}  # as lab1_structures
    assert set(packages) - labs <= named
    assert named >= {"labs", "solutions", "pruninglab", "tests", "notebooks", "assets"}


def test_the_minutes_are_those_of_the_labs() -> None:
    stated = dict(re.findall(r"^\| \[.*?\]\(labs/(\w+)/.* (\d+) \|$", TEXT, flags=re.M))
    labs = {name: manifest.manifest(ROOT / "labs" / name)["minutes"] for name in build.LABS}
    assert {name: int(minutes) for name, minutes in stated.items()} == labs
    guide = " ".join((ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8").split())
    assert f"takes students {min(labs.values())} to {max(labs.values())} minutes" in guide


def test_it_is_read_in_a_few_minutes() -> None:
    assert len(TEXT.splitlines()) <= 120
