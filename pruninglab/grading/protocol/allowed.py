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
    """Find a class of an allowed module, if it has been imported; None for all others."""
    home, _, short = name.rpartition(".")
    found = vars(sys.modules[home]).get(short) if home in sys.modules else None
    allowed = any(home == p or (p.endswith(".") and home.startswith(p)) for p in prefixes)
    fits = allowed and isinstance(found, type) and issubclass(found, base)
    return found if fits and found.__module__ == home else None


def known_function(thing: Any) -> str | None:
    """Return the name of one of torch's own functions; None for anything else.

    >>> known_function(torch.zeros_like), known_function(print)
    ('torch.zeros_like', None)
    """
    name = getattr(thing, "__name__", None)
    for home, module in FUNCTIONS.items():
        if isinstance(name, str) and vars(module).get(name) is thing and callable(thing):
            return f"{home}.{name}"
    return None


def full_name(thing: Any) -> str:
    """Return the module and name of an object's class."""
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def class_name(module: nn.Module) -> str:
    """Return the name of the nearest class of a module that is rebuilt on the other side.

    A class derived from `nn.Module` itself has none: its own name is returned.

    >>> class Mine(nn.ReLU): ...
    >>> class_name(Mine())
    'torch.nn.modules.activation.ReLU'
    """
    for kind in type(module).__mro__:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if kind is not nn.Module and known_class(name, MODULES, nn.Module):
            return name
    return full_name(module)
