"""Bounds on values that arrive: whoever reads them must come to an end.

A list that holds itself twice, sixty times over, is sixty lists, and 2^60 parts for whoever
compares, prints or copies it. Parts are counted as often as a reader meets them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.optim import Optimizer

from pruninglab.grading.protocol.messages import BadMessage

MOST_PARTS = 1_000_000
MOST_KEYS = 10_000  # of a set or dict: if all have one hash, n keys take n^2 steps


def check_keys(count: int) -> None:
    """Refuse a set or dict with too many keys.

    Raises:
        BadMessage: there are more than `MOST_KEYS`.
    """
    if count > MOST_KEYS:
        raise BadMessage(f"a set or dict with more than {MOST_KEYS} entries")


def check_size(things: Iterable[Any]) -> None:
    """Refuse values that have too many parts, or that contain themselves.

    >>> nested = [0]
    >>> for _ in range(60): nested = [nested, nested]
    >>> check_size([nested])
    Traceback (most recent call last):
    pruninglab.grading.protocol.messages.BadMessage: it has more than 1,000,000 parts

    Raises:
        BadMessage: they do.
    """
    counted: dict[int, int] = {}
    for thing in things:
        count_parts(thing, counted)


def count_parts(thing: Any, counted: dict[int, int]) -> int:
    """Count the parts of a value; `counted` has those of what was met before (0: not done yet)."""
    parts = parts_of(thing)
    if parts is None:
        return 1
    known = counted.get(id(thing))
    if known == 0:
        raise BadMessage("it contains itself")
    if known is None:
        counted[id(thing)] = 0
        known = 1 + sum(count_parts(part, counted) for part in parts)
        if known > MOST_PARTS:
            raise BadMessage(f"it has more than {MOST_PARTS:,} parts")
        counted[id(thing)] = known
    return known


def parts_of(thing: Any) -> list[Any] | None:
    """What a reader of a value meets next; None if it has no parts."""
    if isinstance(thing, list | tuple | set | frozenset):
        return list(thing)
    if isinstance(thing, dict):
        return [*thing, *thing.values()]
    if isinstance(thing, nn.Module):
        own = [value for name, value in vars(thing).items() if not name.startswith("_")]
        tables = (thing._parameters, thing._buffers, thing._modules)
        return [*own, *(value for table in tables for value in table.values())]
    if isinstance(thing, Optimizer):
        return [*thing.param_groups, *thing.state, *thing.state.values()]
    return None
