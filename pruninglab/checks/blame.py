"""Whose error is it? An exception in a student's function, in words that say where to look."""

from __future__ import annotations

import functools
import inspect
import linecache
import sys
import traceback
from collections.abc import Collection, Mapping
from types import FrameType
from typing import Any

LONGEST = 300  # characters of an error's own words: PyTorch's run to pages
ABOVE = "run the cells above this one first (Run → Run All Above Selected Cell)"


def caller(depth: int = 2) -> FrameType:
    """Give the frame that has called the function in which this is asked."""
    return sys._getframe(depth)


def exercise_of(function: Any, exercises: Collection[str], scope: FrameType) -> str | None:
    """Find the exercise that a function answers, however it was made.

    A decorator, `functools.partial`, a lambda or an object with `__call__` has another `__name__`,
    or none. Then the name under which the notebook knows it counts: it is the one in `check(name)`.

    Args:
        function: what was given to the check.
        exercises: names of all exercises.
        scope: where the check was called.

    Returns:
        The name of an exercise, or None.

    >>> half = lambda x: x / 2
    >>> exercise_of(half, ["half", "double"], caller(1))
    'half'
    """
    own = str(getattr(function, "__name__", ""))
    if own in exercises:
        return own
    known = {**scope.f_globals, **scope.f_locals}
    for name in exercises:
        if known.get(name) is function:
            return name
    inner = written(function)  # made on the spot: check(partial(double, ...)), check(timed(double))
    own = str(getattr(inner, "__name__", ""))
    return own if own in exercises else None


def written(function: Any) -> Any:
    """Take off what wraps a function: decorators made with `functools.wraps`, and `partial`.

    >>> written(functools.partial(print, 1)) is print
    True
    """
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.unwrap(function) if callable(function) else function


def place(error: BaseException, scope: Mapping[str, Any]) -> traceback.FrameSummary | None:
    """Find the last line of the notebook's own code that was at work when an error came.

    Args:
        error: as it was caught.
        scope: the global names of the notebook; only its own code has these.
    """
    frame, line, step = None, 0, error.__traceback__
    while step:
        if step.tb_frame.f_globals is scope:
            frame, line = step.tb_frame, step.tb_lineno
        step = step.tb_next
    if frame is None:
        return None
    linecache.checkcache(frame.f_code.co_filename)
    return traceback.FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_name)


def describe(
    error: Exception, exercise: str, headings: Mapping[str, str], scope: Mapping[str, Any]
) -> str:
    """Say what went wrong and where: a missing name, another exercise's error, or the line.

    Args:
        error: what the student's function raised.
        exercise: the one that was checked.
        headings: exercise -> the heading in the lab above it.
        scope: the global names of the notebook.
    """
    text = " ".join(str(error).split())[:LONGEST]
    missing = getattr(error, "name", None) if type(error) is NameError else None
    if missing:
        text = f"`{missing}` is not defined: {where_defined(missing, headings)}"
    at = place(error, scope)
    if at is None:
        return text
    if at.name != exercise and at.name in headings:
        return f"{text} (This is in your {at.name}, which {exercise} calls: check that one first.)"
    code = f": `{at.line}`" if at.line else ""
    return f"{text} (in {at.name}{code})"


def where_defined(name: str, headings: Mapping[str, str]) -> str:
    """Say which cell has to run so that a name is there.

    >>> where_defined("double", {"double": "Exercise 1 · Twice"})
    'you write it in "Exercise 1 · Twice": run that cell first'
    """
    if name in headings:
        return f'you write it in "{headings[name] or name}": run that cell first'
    return f"if the lab gives it, {ABOVE}; else check how it is spelt"


def unwritten(error: Exception) -> bool:
    """Tell whether the placeholder of an exercise raised this, rather than torch.

    PyTorch has NotImplementedError, too, for what it cannot do with a dtype: `-mask`, say.

    >>> unwritten(NotImplementedError()), unwritten(NotImplementedError("not with bool"))
    (True, False)
    """
    placeholder = not error.args or "write your solution" in str(error)
    return isinstance(error, NotImplementedError) and placeholder


def not_written(
    error: Exception, exercise: str, headings: Collection[str], scope: Mapping[str, Any]
) -> str:
    """Say which exercise is still to be written: the one checked, or another one that it calls."""
    at = place(error, scope)
    if at and at.name != exercise and at.name in headings:
        return f"{exercise}: it calls {at.name}, which is not written yet. Write that one first."
    return f"{exercise}: not written yet. Replace the last line by yours."
