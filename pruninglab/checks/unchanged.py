"""What a function changes in what it is given: tensors, networks, lists and dicts of them.

A function that scores or measures a network must leave it alone, and `torch.equal` of its weights
sees only half of what can go wrong: a single layer left in evaluation mode, a weight that no longer
trains, a parameter replaced (an optimizer would go on with the old one), a hook left behind.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

HINT = "You changed what you were given: work on a copy, or put everything back as it was."
PLAIN = bool | int | float | str | tuple | None  # a layer's settings
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
WHOLE = "itself"  # the name of what was given, where a name inside it is empty


@dataclass(frozen=True)
class Kept:
    """A tensor as it was: the object (it may be replaced) and a copy (it may be overwritten)."""

    thing: Tensor
    copy: Tensor


def remember(given: Any) -> dict[str, Any]:
    """Describe something so that `changes` can tell later what is different.

    Args:
        given: a tensor, an `nn.Module`, or lists, tuples and dicts of them; of anything else
            only the object is remembered.

    Returns:
        A name for each part -> what it was.

    >>> sorted(remember({"x": torch.ones(2), "n": 3}))
    ['keys', 'n', 'x', 'x.hooks', 'x.requires_grad']
    """
    return dict(parts(given))


def parts(given: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The name and a description of everything that can be changed in an object."""
    inside = f"{name}." if name else ""
    if isinstance(given, Tensor):
        yield name or WHOLE, Kept(given, given.detach().clone())
        yield f"{name or WHOLE}.requires_grad", given.requires_grad
        yield f"{name or WHOLE}.hooks", len(given._backward_hooks or ())
    elif isinstance(given, nn.Module):
        for layer, module in given.named_modules():
            yield from parts_of_layer(module, f"{inside}{layer}".rstrip("."))
    elif isinstance(given, Mapping):
        yield f"{inside}keys", list(given)
        for key, value in given.items():
            yield from parts(value, f"{inside}{key}")
    elif isinstance(given, list | tuple):
        yield f"{inside}length", len(given)
        for i, value in enumerate(given):
            yield from parts(value, f"{inside}{i}")
    else:
        yield name or WHOLE, given


def parts_of_layer(module: nn.Module, name: str) -> Iterator[tuple[str, Any]]:
    """The parts of one layer, without those of the layers inside it."""
    inside = f"{name}." if name else ""
    for attribute, value in vars(module).items():
        if not attribute.startswith("_") and isinstance(value, PLAIN):
            yield f"{inside}{attribute}", value  # training, stride, momentum, ...
    yield f"{inside}layers", list(module._modules)
    yield f"{inside}hooks", sum(len(getattr(module, kind)) for kind in HOOKS)
    for table in (module._parameters, module._buffers):
        yield f"{inside}{'parameters' if table is module._parameters else 'buffers'}", sorted(table)
        for tensor, value in table.items():
            if value is not None:
                yield from parts(value, f"{inside}{tensor}")


def changes(before: Mapping[str, Any], given: Any, but: tuple[str, ...] = ()) -> list[str]:
    """Say what is different now; `.grad` may be.

    Args:
        before: what `remember` gave.
        given: the same object, now.
        but: endings of names that may change, e.g. `("running_mean", "running_var")`.

    Returns:
        A sentence for each part that has changed; empty if all is as it was.

    >>> layer = nn.Linear(2, 1)
    >>> before = remember(layer)
    >>> layer.eval().weight.requires_grad_(False)[0, 0] = 7
    >>> changes(before, layer)[0]
    'training was True, is False'
    >>> changes(before, layer, but=("training", "weight"))
    ['weight.requires_grad was True, is False']
    """
    now = remember(given)
    found = {name: difference(before.get(name), now.get(name)) for name in {**before, **now}}
    return [f"{name} {text}" for name, text in found.items() if text and not name.endswith(but)]


def difference(old: Any, new: Any) -> str:
    """What became of one part, in words; empty if it is as it was."""
    if not (isinstance(old, Kept) and isinstance(new, Kept)):
        same = old is new or (
            type(old) is type(new) and isinstance(old, PLAIN | list) and old == new
        )
        return "" if same else f"was {old}, is {new}"
    if old.thing is not new.thing:
        return "is another tensor now"
    if (old.copy.dtype, old.copy.shape) != (new.copy.dtype, new.copy.shape):
        return f"was {kind(old.copy)}, is {kind(new.copy)}"
    return "" if torch.equal(old.copy, new.copy) else "has other values"


def kind(tensor: Tensor) -> str:
    """The dtype and the shape of a tensor.

    >>> kind(torch.ones(2, 3))
    'torch.float32 (2, 3)'
    """
    return f"{tensor.dtype} {tuple(tensor.shape)}"


@contextlib.contextmanager
def unchanged(*given: Any, but: tuple[str, ...] = (), case: str = "") -> Iterator[None]:
    """Assert that the body leaves what is given as it was.

    Args:
        given: as in `remember`, one or more.
        but: endings of names that may change, see `changes`.
        case: which call it is, for the message.

    Raises:
        AssertionError: something has changed; it says what.

    >>> layer = nn.Linear(2, 1)
    >>> with unchanged(layer):
    ...     layer.weight = nn.Parameter(layer.weight.data)
    Traceback (most recent call last):
    AssertionError: you changed what you were given: weight is another tensor now
    """
    before = [remember(one) for one in given]
    yield
    found = [
        text for old, one in zip(before, given, strict=True) for text in changes(old, one, but)
    ]
    where = f"{case}: " if case else ""
    if found:
        raise AssertionError(f"{where}you changed what you were given: {'; '.join(found[:3])}")
