"""Classes and functions that cross by their names: those of torch and of the lab.

Of classes only those of `torch.nn`, `torch.optim`, `pruninglab.models` and the lab's `probes` are
rebuilt on the other side.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import nn

MODULES = ("torch.nn.modules.", "pruninglab.models", "probes")
OPTIMIZERS = ("torch.optim.",)
FUNCTIONS = {"torch": torch, "torch.nn.functional": nn.functional}


def known_class(name: str, prefixes: tuple[str, ...], base: type) -> type | None:
    """A class of an allowed module, if it has been imported; None for all others."""
    home, _, short = name.rpartition(".")
    found = vars(sys.modules[home]).get(short) if home in sys.modules else None
    allowed = any(home == p or (p.endswith(".") and home.startswith(p)) for p in prefixes)
    fits = allowed and isinstance(found, type) and issubclass(found, base)
    return found if fits and found.__module__ == home else None


def known_function(thing: Any) -> str | None:
    """The name of one of torch's own functions, else None.

    >>> known_function(torch.zeros_like), known_function(print)
    ('torch.zeros_like', None)
    """
    name = getattr(thing, "__name__", None)
    for home, module in FUNCTIONS.items():
        if isinstance(name, str) and vars(module).get(name) is thing and callable(thing):
            return f"{home}.{name}"
    return None


def full_name(thing: Any) -> str:
    """The module and name of an object's class."""
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
