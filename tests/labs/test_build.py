"""Several modules become one toolbox."""

from __future__ import annotations

import inspect
from collections import Counter

from solutions.builder import build

FIRST = '''"""One."""

from __future__ import annotations

import math


def area(radius: float) -> float:
    return math.pi * radius**2
'''

SECOND = '''"""Two."""

from __future__ import annotations

from solutions.first import (
    area,
)
from solutions.other import circle, disc


def ring(inner: float, outer: float) -> Unknown:
    return area(outer) - area(inner)
'''


def test_joined_modules_run_as_one() -> None:
    source = build.joined([FIRST, SECOND])
    names: dict = {}
    exec(source, names)  # the annotation `Unknown` is never evaluated
    assert names["ring"](0, 1) == names["area"](1)
    assert source.count("__future__") == 1
    assert "solutions" not in source


def test_no_two_labs_define_the_same_name() -> None:
    """In the toolbox, the later one would silently replace the earlier one."""
    modules = [build.module(lab) for lab in build.LABS]
    defined = Counter(
        name
        for module in modules
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    )
    assert [name for name, times in defined.items() if times > 1] == []
