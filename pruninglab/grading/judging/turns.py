"""Judge many submissions at the same time on this machine, or one alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def among_others() -> Iterator[None]:
    """Judge while others do, but not while one is judged alone."""
    with locked("gate", fcntl.LOCK_EX):
        shared = contextlib.ExitStack()
        shared.enter_context(locked("turn", fcntl.LOCK_SH))
    with shared:
        yield


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait until nobody else judges, and keep others waiting meanwhile."""
    with locked("gate", fcntl.LOCK_EX), locked("turn", fcntl.LOCK_EX):
        yield


@contextlib.contextmanager
def locked(name: str, kind: int) -> Iterator[None]:
    """Hold a lock that all grading processes of this user know; the kernel frees it if we end."""
    path = Path(tempfile.gettempdir(), f"pruninglab-{os.getuid()}.{name}")
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # nowhere to write: then nobody waits
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            stack.callback(os.close, handle)
            fcntl.flock(handle, kind)
        yield
