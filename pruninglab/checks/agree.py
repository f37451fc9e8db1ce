"""A hidden test in a line: a student's function agrees with a reference on random inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from pruninglab.values import brief, decode, differences, encode, plain, same

WIDTH, SHOWN = 80, 3  # characters of an argument, and arguments, in a message
Inputs = Callable[[torch.Generator], dict[str, Any]]


def agree(
    function: Callable, reference: Callable, inputs: Inputs, seed: int = 0, trials: int = 20
) -> None:
    """Assert that a function gives what the reference gives, and changes none of its arguments.

    Numbers may differ by 1e-5 of their size, shapes and kinds of tensors may not.

    Args:
        function: whose answers are looked at.
        reference: gives the right ones.
        inputs: draws the keyword arguments of a call from a generator.
        seed: of the first trial; the others follow it.
        trials: how many calls.

    Raises:
        AssertionError: an answer differs; it says for which arguments.
        ValueError: with these inputs a function that looks at nothing could pass.

    >>> agree(lambda x: x + x, lambda x: 2 * x, lambda g: {"x": torch.rand(3, generator=g)})
    >>> agree(lambda x: x / 2, lambda x: x // 2, lambda g: {"x": g.initial_seed()})
    Traceback (most recent call last):
    AssertionError: x = 1: expected 0, got 0.5
    """
    if len(different([answer(reference, inputs, s) for s in range(trials)])) < 2:
        raise ValueError("the answer is the same for all inputs: draw them from the generator")
    for trial in range(seed, seed + trials):
        given, untouched = drawn(inputs, trial), drawn(inputs, trial)
        given_as = [f"{name} = {brief(x, WIDTH)}" for name, x in plain(untouched).items()]
        case = ", ".join(given_as[:SHOWN])
        found, expected = decode(encode(function(**given))), answer(reference, inputs, trial)
        if not same(found, expected):
            first = next(differences(found, expected))
            where = f"{first.where}: " if first.where else ""
            raise AssertionError(f"{case}: {where}{first.what}")
        if not same(plain(given), plain(untouched)):
            raise AssertionError(f"{case}: the arguments were changed")


def drawn(inputs: Inputs, seed: int) -> dict[str, Any]:
    """Draw the arguments of one trial, the same each time."""
    return inputs(torch.Generator().manual_seed(seed))


def answer(function: Callable, inputs: Inputs, seed: int) -> Any:
    """Call a function as in one trial; return plain values."""
    return decode(encode(function(**drawn(inputs, seed))))


def different(values: list[Any]) -> list[Any]:
    """Leave out values that are the same as an earlier one."""
    found: list[Any] = []
    for value in values:
        if not any(same(value, other) for other in found):
            found.append(value)
    return found
