"""RESULTS.md and the long tables beside it say what the records carry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pruninglab.results import records
from solutions.study import systems, tables

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "RESULTS.md"
PAGES = [PAGE, *sorted(records.FOLDER.glob("*.md"))]
# What stands in sentences and is not from the records: cards of the dense networks, recipes, other
# people's numbers, and the sections on networks and speed, which have commands of their own.
KNOWN = {
    "91.83", "92.17",  # the dense networks
    "0.0028", "0.01", "0.1", "0.02",  # learning rates
    "8.7", "0.6",  # zeros of the dense network; the interval of 10,000 images
    "95.5", "4.3", "91.71", "91.73", "0.9", "90.8", "91.8", "73.3", "40.5",  # published
    "31.6",  # a target
}  # fmt: skip


@pytest.fixture(scope="module")
def found() -> list[records.Record]:
    return list(records.load_all())


def test_there_are_two_files_of_long_tables():
    assert [page.name for page in PAGES] == ["RESULTS.md", "points.md", "published.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_and_numbers_are_those_of_the_records(page, found):
    text = page.read_text(encoding="utf-8")
    assert tables.refreshed(text, found) == text


def test_a_number_in_a_sentence_is_computed_or_known():
    """A decimal that is neither marked as computed nor listed above has no place in a sentence."""
    text = PAGE.read_text(encoding="utf-8").split("## Without any retraining")[0]
    text = re.sub(tables.MARK, "", text, flags=re.DOTALL)
    text = re.sub(tables.NUMBER, "", text)
    assert set(re.findall(r"\d+\.\d+", text)) <= KNOWN


def test_every_system_that_the_page_names_is_one():
    """In backticks, with a capital: a row of a table, by its full name."""
    names = {system.name for system in systems.systems()}
    text = PAGE.read_text(encoding="utf-8").split("## Without any retraining")[0]
    quoted = [" ".join(name.split()) for name in re.findall(r"`([A-Z][^`]*)`", text)]
    assert quoted
    assert set(quoted) <= names


def test_the_page_is_short_enough_to_be_read():
    assert len(PAGE.read_text(encoding="utf-8").splitlines()) < 250
