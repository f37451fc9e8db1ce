"""Hidden tests: what is pasted into a cell is all of an exercise's properties, and stands alone."""

from __future__ import annotations

import ast

import pytest

from solutions.builder import build, properties

MODULE = '''"""A module."""
from __future__ import annotations

import math
import random as chance
from collections.abc import Callable

HALF = 0.5
UNUSED = 1


def _draw(seed: int) -> float:
    return chance.Random(seed).random() + HALF


def test_a_double_is_even(double: Callable, seed: int = 0) -> None:
    """Even, whatever comes."""
    assert math.isclose(double(_draw(seed)), 2 * _draw(seed)), seed


def test_the_other(other: Callable) -> None:
    """Another exercise's."""


def test_nothing_doubles_to_nothing(double: Callable) -> None:
    """Zero stays."""
    assert double(0) == 0
'''
EXERCISES = [(lab, name) for lab in build.LABS for name in build.probes_of(lab)]


def test_a_cell_gets_its_properties_and_what_they_use_in_the_files_order() -> None:
    tree = ast.parse(properties.paste(MODULE, "double"))
    names = [sorted(properties.names_bound(s)) for s in tree.body]
    expected = ["math", "chance", "Callable", "HALF", "_draw"]
    tests = ["test_a_double_is_even", "test_nothing_doubles_to_nothing"]
    assert names == [*([x] for x in expected + tests), [], []]
    calls = [s.value for s in tree.body if isinstance(s, ast.Expr)]
    assert [ast.unparse(call) for call in calls] == [f"{test}(double)" for test in tests]


def test_every_property_is_called() -> None:
    for wrong in (lambda x: x, lambda x: 2 * x + (x == 0)):  # one fails each
        with pytest.raises(AssertionError):
            exec(properties.paste(MODULE, "double"), {"double": wrong})
    exec(properties.paste(MODULE, "double"), {"double": lambda x: x + x})


def test_an_exercise_without_a_property_stops_the_build() -> None:
    with pytest.raises(ValueError, match="triple: no test has"):
        properties.paste(MODULE, "triple")


@pytest.mark.parametrize(("lab", "exercise"), EXERCISES)
def test_every_property_has_its_sentence_and_its_seed(lab: str, exercise: str) -> None:
    """The seed alone has a default: the grader sets no argument of another name."""
    for node in ast.parse(build.hidden_source(lab, exercise)).body:
        if properties.is_property(node, exercise):
            assert isinstance(node, ast.FunctionDef)
            assert (ast.get_docstring(node) or "").split("\n")[0].endswith("."), node.name
            defaults = node.args.args[len(node.args.args) - len(node.args.defaults) :]
            assert [argument.arg for argument in defaults] in (["seed"], [])


@pytest.mark.parametrize("lab", build.LABS)
def test_every_property_belongs_to_an_exercise(lab: str) -> None:
    """A typing error in the first parameter would leave a test out of the notebook in silence."""
    tree = ast.parse(build.source(lab, "hidden").read_text(encoding="utf-8"))
    tests = [s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name.startswith("test_")]
    assert {test.args.args[0].arg for test in tests} == set(build.probes_of(lab))
