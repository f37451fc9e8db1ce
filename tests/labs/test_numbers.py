"""Where a task asks for a number, NumPy's are numbers, and a tensor that holds one is not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pruninglab.checks.lab import WrongAnswer
from solutions.builder import build
from tests.labs.test_labs import check_of

# Every exercise that gives back float or int, also in a list, a tuple or a dict.
NUMBERS = {
    "01_structures": ["account"],
    "02_criteria": ["sensitivity"],
    "03_methods": ["cubic_sparsity", "retraining_lrs", "compare"],
    "05_speed": ["conv_macs", "race", "stored_bytes"],
    "07_project": ["definitions", "mean_and_spread", "pareto_front", "choose"],
}
EXERCISES = [(lab, exercise) for lab, names in NUMBERS.items() for exercise in names]


def with_numbers(result: Any, kind: Callable[[float], Any]) -> Any:
    """The same result, with another kind of number; the keys of a dict stay as they are."""
    if isinstance(result, dict):
        return {name: with_numbers(value, kind) for name, value in result.items()}
    if isinstance(result, list | tuple):
        return type(result)(with_numbers(value, kind) for value in result)
    is_number = isinstance(result, float | int) and not isinstance(result, bool)
    return kind(result) if is_number else result


def answer(lab: str, exercise: str, kind: Callable[[float], Any]) -> Callable:
    """The model solution, which gives back another kind of number."""
    solution = getattr(build.module(lab), exercise)

    @functools.wraps(solution)
    def changed(*args: Any, **kwargs: Any) -> Any:
        return with_numbers(solution(*args, **kwargs), kind)

    return changed


def numpy_number(value: float) -> np.generic:
    return np.int64(value) if isinstance(value, int) else np.float64(value)


def tensor(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.int64 if isinstance(value, int) else torch.float64)


@pytest.mark.parametrize(("lab", "exercise"), EXERCISES)
def test_a_number_of_numpy_is_a_number(lab: str, exercise: str) -> None:
    function = answer(lab, exercise, numpy_number)
    check_of(lab)(function, exercise)
    build.hidden_of(lab, exercise)(function)


@pytest.mark.parametrize(("lab", "exercise"), EXERCISES)
def test_a_tensor_that_holds_a_number_is_none(lab: str, exercise: str) -> None:
    function = answer(lab, exercise, tensor)
    with pytest.raises(WrongAnswer):
        check_of(lab)(function, exercise)
    with pytest.raises((AssertionError, TypeError)):
        build.hidden_of(lab, exercise)(function)
