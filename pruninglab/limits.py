"""What one hand-in may use: `submit` warns of the same limits that grading holds."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2**30
# nbgrader finds a course's files by patterns, and its database by an address: in the path of the
# course's folder these mean something else than themselves.
NOT_IN_PATHS = "[]*?%"
MAX_NOTEBOOK = 20 * 2**20  # bytes; pictures in a notebook are large


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        cell: seconds for a cell of the notebook.
        exercise: seconds for the tests of an exercise.
        total: seconds for the whole submission.
        memory: bytes, all its processes together; also of files it writes (a quarter).
        processes: at most so many at once.
    """

    cell: float = 60
    exercise: float = 60
    total: float = 300
    memory: int = 3 * GIB
    processes: int = 64

    @property
    def disk(self) -> int:
        """Bytes of each of the two places where it may write."""
        return max(self.memory // 8, 2**20)
