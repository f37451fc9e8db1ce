"""What a machine does to a run of grading, in one sentence with what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from nbgrader.api import InvalidEntry
from sqlalchemy.exc import SQLAlchemyError

AGAIN = "what is marked is kept: run the same command again"
FULL = f"the disk is full: make room; {AGAIN}"
# How SQLite and the system say it -> what it means. nbgrader wraps some of these errors, and others
# are only in its log.
SAID = {
    "database is locked": "the gradebook is in use: close formgrader and other runs of grading; "
    + AGAIN,
    "database or disk is full": FULL,
    "No space left on device": FULL,
    "disk I/O error": f"the gradebook cannot be written (is the disk full?); {AGAIN}",
    "readonly database": f"gradebook.db may not be written: change its rights; {AGAIN}",
    "unable to open database": "gradebook.db cannot be opened: look at the rights of its folder",
    "malformed": "gradebook.db is damaged: take it from your backup (see INSTRUCTORS)",
    "not a database": "gradebook.db is damaged: take it from your backup (see INSTRUCTORS)",
}


class GradingError(RuntimeError):
    """The class cannot be graded; the message says what to do."""


def meaning(text: str) -> str | None:
    """Explain a message of SQLite's or the system's in a text; None if there is none.

    >>> meaning("(sqlite3.OperationalError) database is locked")[:25]
    'the gradebook is in use: '
    """
    return next((means for said, means in SAID.items() if said in text), None)


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn what the disk or the gradebook's database refuses into one sentence.

    Raises:
        GradingError: with that sentence. Other errors are let by.
    """
    try:
        yield
    except (SQLAlchemyError, InvalidEntry) as error:
        known = meaning(str(error))
        raise GradingError(
            known or f"the gradebook refuses: {str(error).splitlines()[0]}"
        ) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise GradingError(FULL) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise GradingError(f"{error.filename} may not be read or written; {AGAIN}") from None
        raise
