"""A hidden test by comparison: right answers pass, wrong ones never, whatever the seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pruninglab.checks.agree import agree


def weights(generator: torch.Generator) -> dict[str, Tensor]:
    return {"weight": torch.randn(4, 3, generator=generator)}


def mask_of(weight: Tensor) -> Tensor:
    return weight.abs() > 0.5


def stats(weight: Tensor) -> dict[str, float]:
    return {"mean": weight.mean().item(), "largest": weight.abs().max().item()}


def other_stats(weight: Tensor) -> dict[str, float]:
    return {"mean": float(weight.sum()) / 12, "largest": max(map(abs, weight.flatten().tolist()))}


def positive(weight: Tensor) -> list[int]:
    return [*weight.shape, int((weight > 0).sum())]


def positive_as_tuple(weight: Tensor) -> tuple[int, ...]:
    return (4, 3, len(weight[weight > 0]))


@pytest.mark.parametrize("seed", [0, 7, 2**62])
@pytest.mark.parametrize(
    ("right", "reference"),
    [
        (lambda weight: ~(weight.abs() <= 0.5), mask_of),
        (other_stats, stats),
        (positive_as_tuple, positive),
    ],
)
def test_what_gives_the_same_passes(right: Callable, reference: Callable, seed: int) -> None:
    agree(right, reference, weights, seed)


def in_place(weight: Tensor) -> Tensor:
    return weight.abs_() > 0.5


def rarely_wrong(weight: Tensor) -> Tensor:
    """Wrong for one matrix in 15, about."""
    return mask_of(weight) ^ (weight[0, 0] > 1.5)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda weight: weight > 0.5, "expected"),
        (lambda weight: mask_of(weight).float(), "expected"),
        (lambda weight: mask_of(weight)[None], "expected"),
        (lambda weight: mask_of(weight).tolist(), "expected"),
        (lambda weight: None, "got None"),
        (lambda weight: torch.ones(4, 3, dtype=torch.bool), "expected"),
        (in_place, "the arguments were changed"),
        (rarely_wrong, "expected"),
    ],
)
def test_what_gives_something_else_is_refused(wrong: Callable, said: str, seed: int) -> None:
    with pytest.raises(AssertionError, match=said):
        agree(wrong, mask_of, weights, seed, trials=200)


def test_an_error_of_the_student_comes_through() -> None:
    with pytest.raises(RuntimeError, match="shape"):
        agree(lambda weight: weight.reshape(5), mask_of, weights)


def test_no_trial_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="the answer is the same for all inputs"):
        agree(lambda weight: None, mask_of, weights, trials=0)


@pytest.mark.parametrize(
    ("reference", "inputs"),
    [
        (mask_of, lambda generator: {"weight": torch.ones(2, 2)}),
        (lambda weight: tuple(weight.shape), weights),
    ],
    ids=["the same inputs", "the same answer"],
)
def test_a_test_that_a_constant_could_pass_is_refused(reference: Any, inputs: Any) -> None:
    with pytest.raises(ValueError, match="the answer is the same for all inputs"):
        agree(reference, reference, inputs)
