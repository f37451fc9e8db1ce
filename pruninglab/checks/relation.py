"""How a wrong result is related to the right one: half of it, its negative, in another order.

A statement about the numbers alone, for answers whose mistake nobody has seen before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from pruninglab.values import Values, close, same

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "Your values are the right ones with the other sign.": lambda x: -x,
    "Your values are the right ones without their sign.": lambda x: x.abs(),
    "Your values are the squares of the right ones.": lambda x: x.square(),
    "Your values are the square roots of the right ones.": lambda x: x.sqrt(),
    "Your values are 1 divided by the right ones.": lambda x: 1 / x,
    "Your values are 1 minus the right ones.": lambda x: 1 - x,
}
ROUNDED = 0.005  # relative: less than this is rounding, or a small number that was added
Pair = tuple[Tensor, Tensor]  # what came, what should have come: float64 (n,)


def relation(missed: list[tuple[Values, Values]]) -> str:
    """Say what turns the right values into those that came.

    Args:
        missed: of each probe that is missed, what it saw and what it should have seen.

    Returns:
        A sentence that is true of all of them; empty if there is none.

    >>> relation([({"x": torch.tensor([1.0, 3.0])}, {"x": torch.tensor([2.0, 6.0])})])
    'Your values are the right ones times 0.5.'
    >>> relation([({"x": [0.2, 0.1]}, {"x": [0.1, 0.2]})])
    'The values are right, their order is not.'
    >>> relation([({"x": 3}, {"x": 4})])  # one number tells too little
    ''
    """
    seen = [pair for pair in missed if not {"error"} & {*pair[0], *pair[1]}]
    if not seen or seen[0] is not missed[0]:
        return ""  # the first one is what is shown
    named = [name for name in seen[0][1] if not same(seen[0][0].get(name), seen[0][1][name])]
    pairs = [
        pair
        for got, right in seen
        for name in named
        if name in right
        for pair in numbers(got.get(name), right[name])
    ]
    kinds = {pair[1].dtype for pair in pairs}
    if len(kinds) != 1 or any(_differ_in_kind(*pair) for pair in pairs):
        return ""
    return of_masks(pairs) if kinds == {torch.bool} else of_numbers(pairs)


def _differ_in_kind(got: Tensor, right: Tensor) -> bool:
    """Whether two vectors cannot be compared number by number."""
    if got.shape != right.shape or got.dtype != right.dtype:
        return True
    return not (got.isfinite().all() and right.isfinite().all())


def numbers(got: Any, right: Any) -> Iterator[Pair]:
    """Find the numbers that differ: tensors, lists of numbers and single ones."""
    if same(got, right):
        return
    if isinstance(right, dict) and isinstance(got, dict):
        for name in right:
            yield from numbers(got.get(name), right[name])
    elif isinstance(right, list) and isinstance(got, list) and not _numeric(right):
        for pair in zip(got, right, strict=False):
            yield from numbers(*pair)
    elif isinstance(right, Tensor) or _numeric(right):
        yield _vector(got), _vector(right)


def _numeric(value: Any) -> bool:
    """A number, or a list of them."""
    parts = value if isinstance(value, list) else [value]
    return all(type(part) in (int, float) for part in parts)  # a bool is none


def _vector(value: Any) -> Tensor:
    """All numbers of a value; what has none, or complex ones, is an empty vector."""
    if not isinstance(value, Tensor):
        value = torch.tensor(value) if _numeric(value) else torch.tensor([])
    if value.is_complex():
        return torch.tensor([]).double()
    flat = value.flatten()
    return flat if flat.dtype == torch.bool else flat.double()


def of_masks(pairs: list[Pair]) -> str:
    """The same of masks; one entry tells too little."""
    if sum(len(got) for got, _ in pairs) < 2:
        return ""
    if all((got != right).all() for got, right in pairs):
        return "True and False are exchanged."
    counts = [(int(got.sum()), int(right.sum())) for got, right in pairs]
    if all(got == right for got, right in counts):
        return "As many are True as should be, but other ones."
    return ""


def of_numbers(pairs: list[Pair]) -> str:
    """The same of numbers, in vectors of the same length."""
    got, right = (torch.cat(list(side)) for side in zip(*pairs, strict=True))
    if close(got, right).all():
        return ""  # of another kind
    if all(close(a.sort().values, b.sort().values).all() for a, b in pairs):
        return "The values are right, their order is not."
    if len(right.unique()) < 2:
        return ""
    for sentence, function in FUNCTIONS.items():
        if close(got, function(right)).all():
            return sentence
    return _scaled(got, right) or _shifted(got, right) or _rounded(got, right)


def _scaled(got: Tensor, right: Tensor) -> str:
    factor = float(got @ right / (right @ right))
    if close(got, torch.zeros_like(got)).all():
        return "Your values are all 0."
    return _if(close(got, factor * right), f"Your values are the right ones times {factor:.4g}.")


def _shifted(got: Tensor, right: Tensor) -> str:
    more = float((got - right).mean())
    return _if(close(got, right + more), f"Your values are the right ones plus {more:.4g}.")


def _rounded(got: Tensor, right: Tensor) -> str:
    near = (got - right).abs() <= ROUNDED * right.abs()
    return _if(near, "Your values are nearly right: is something rounded, or a small number added?")


def _if(holds: Tensor, sentence: str) -> str:
    return sentence if holds.all() else ""
