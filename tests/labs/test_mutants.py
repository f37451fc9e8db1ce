"""The table of mutants that are right as well, and a sample of what the full run tries."""

from __future__ import annotations

import inspect
import random

import pytest

from solutions.builder import build
from tests.labs import mutants

TABLE = [
    (lab, exercise, name)
    for lab, exercises in mutants.equivalent().items()
    for exercise, names in exercises.items()
    for name in names
]
CHEAP = [("01_structures", "empty_layers"), ("03_methods", "cubic_sparsity")]


@pytest.mark.parametrize(("lab", "exercise"), sorted({entry[:2] for entry in TABLE}))
def test_the_table_speaks_of_today_s_solutions(lab: str, exercise: str) -> None:
    known = mutants.equivalent()[lab][exercise]
    assert set(known) <= set(mutants.mutants(lab, exercise))
    assert all(known.values()), "each has its reason"


@pytest.mark.parametrize(("lab", "exercise", "name"), random.Random(0).sample(TABLE, 3))
def test_what_the_table_calls_right_passes(lab: str, exercise: str, name: str) -> None:
    assert mutants.passes(lab, exercise, mutants.mutants(lab, exercise)[name])


@pytest.mark.parametrize(("lab", "exercise"), CHEAP)
def test_other_mutants_are_refused_and_the_solution_is_not(lab: str, exercise: str) -> None:
    source = inspect.getsource(getattr(build.module(lab), exercise))
    assert mutants.passes(lab, exercise, source)
    known = mutants.equivalent().get(lab, {}).get(exercise, {})
    wrong = {n: s for n, s in mutants.mutants(lab, exercise).items() if n not in known}
    for name in random.Random(1).sample(sorted(wrong), 6):
        assert not mutants.passes(lab, exercise, wrong[name]), name


def test_a_mutant_changes_one_place() -> None:
    names = list(mutants.mutants("01_structures", "magnitude_mask"))
    assert "pruned = round(sparsity * weight.numel()) -> pass" in names
    floor = "pruned = round(sparsity * weight.numel()) -> pruned = int(sparsity * weight.numel())"
    assert floor in names
    assert len(names) == len(set(names)) > 15
