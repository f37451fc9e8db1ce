"""A time limit for code that Python runs."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any


class OutOfTime(BaseException):
    """Time is over. Not an `Exception`, so that `except Exception` does not catch it."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Interrupt the block after some seconds; one call into C code is not interrupted.

    Works in the main thread of a process only; an outer limit pauses meanwhile.

    >>> with limited(0.01):
    ...     while True:
    ...         pass
    Traceback (most recent call last):
    pruninglab.grading.timer.OutOfTime: it took longer than the 0.01 s allowed

    Raises:
        OutOfTime: the block took longer.
    """

    def over(*_: Any) -> None:
        raise OutOfTime(f"it took longer than the {round(seconds, 2):g} s allowed")

    handler = signal.signal(signal.SIGALRM, over)
    outer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *outer)
