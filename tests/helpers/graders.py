"""The processes that grade, kept from one run to the next."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from pruninglab.grading import flow
from pruninglab.grading.judging import pools


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Let all runs in this process share one pool.

    Each of its processes imports torch, and so does the sandbox of each: six seconds of CPU for a
    run that grades one student.
    """
    with pools.local_pool(2) as pool, pytest.MonkeyPatch.context() as patched:
        patched.setattr(flow, "local_pool", lambda _: contextlib.nullcontext(pool))
        yield
