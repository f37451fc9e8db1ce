"""Has a function changed? A name for what it does, with all that it uses of its own module."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any


def fingerprint(function: Callable) -> str:
    """A name for what a function does: its code, and that of the functions and numbers it uses.

    It follows functions of the same module (of the notebook), plain values and lists; libraries
    count by their name only. (A recipe that fills a list of the notebook is another one each time.)

    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 1)
    True
    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 2)
    False
    """
    seen, todo, text = set[int](), [function], list[str]()
    while todo:
        thing = todo.pop(0)
        if id(thing) in seen or not isinstance(thing, FunctionType):
            continue
        seen.add(id(thing))
        text += [*code(thing.__code__), repr(thing.__defaults__), repr(thing.__kwdefaults__)]
        used: list[Any] = [thing.__globals__.get(name) for name in names(thing.__code__)]
        used += [cell.cell_contents for cell in thing.__closure__ or ()]
        todo += [x for x in used if getattr(x, "__module__", None) == function.__module__]
        text += [repr(x) for x in used if isinstance(x, int | float | str | tuple | list)]
    return hashlib.sha256("\n".join(text).encode()).hexdigest()


def code(block: CodeType) -> list[str]:
    """The instructions and constants of a function and those inside it, without line numbers."""
    inner = [c for c in block.co_consts if isinstance(c, CodeType)]
    plain = [repr(c) for c in block.co_consts if not isinstance(c, CodeType)]
    own = [block.co_code.hex(), *block.co_names, *plain]
    return own + [line for c in inner for line in code(c)]


def names(block: CodeType) -> list[str]:
    """The names that a function and those inside it look up."""
    inner = [c for c in block.co_consts if isinstance(c, CodeType)]
    return [*block.co_names, *(name for c in inner for name in names(c))]
