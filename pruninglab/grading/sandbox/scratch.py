"""Folders for the time of one judgement, which are removed even if whoever made them was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "pruninglab-judge-"
YOUNG = 60  # seconds: a folder may be made, and not locked yet


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Make a folder, lock it while it is in use, and remove it."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as made:
        handle = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield Path(made)
        finally:
            os.close(handle)


def sweep() -> None:
    """Remove the folders that nobody has locked: who made them was killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # it has just gone, or is somebody else's
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - os.fstat(handle).st_mtime > YOUNG:
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)
