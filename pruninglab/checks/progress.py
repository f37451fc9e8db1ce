"""What is done so far: the checks that pass, and the points they bring.

A check that runs in a notebook notes here what came out. The notebook remembers it until its
kernel ends; where a start page lies beside the labs (see `page`), it is also kept on the disk,
in labs/.progress/LAB.json, and the page is rewritten.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection
from pathlib import Path

from IPython.core.getipython import get_ipython

from pruninglab.checks.manifest import manifest, points_of
from pruninglab.files import write

BAR = 10  # signs long


def in_notebook() -> bool:
    """Whether this runs in a notebook's kernel: elsewhere (tests, grading) nothing is noted."""
    return getattr(get_ipython(), "kernel", None) is not None


def so_far(passed: Collection[str], points: dict[str, int]) -> str:
    """The points so far, as a bar and in words.

    >>> so_far({"double"}, {"double": 2, "triple": 3})
    '■■■■□□□□□□ 2 of 5 points'
    """
    total, earned = sum(points.values()), sum(points[x] for x in passed if x in points)
    full = BAR * earned // total if total else 0
    return f"{'■' * full}{'□' * (BAR - full)} {earned} of {total} points"


class Progress:
    """The checks of one lab that pass.

    Args:
        folder: of the lab, with its `manifest.json`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder.parent / ".progress" / f"{folder.name}.json"
        self.passed: set[str] = set()

    def stored(self) -> set[str]:
        """What was noted on the disk; nothing if that cannot be read."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return set(map(str, json.loads(self.file.read_text(encoding="utf-8"))["passed"]))
        return set()

    @property
    def kept(self) -> bool:
        """Whether a start page lies beside the lab, so that progress is kept on the disk."""
        return (self.folder.parent / "START.md").exists()

    def note(self, exercise: str, passed: bool) -> str:
        """Note how a check ended; returns the points so far, to show."""
        if self.kept:
            self.passed = self.stored()
        (self.passed.add if passed else self.passed.discard)(exercise)
        if self.kept:
            with contextlib.suppress(OSError):  # a full disk is no reason to fail a check
                self.store()
        points = points_of(manifest(self.folder))
        end = "so far" if points.keys() - self.passed else "of this lab: all of them pass"
        return f"{so_far(self.passed, points)} by the checks {end}"

    def store(self) -> None:
        """Write it to the disk."""
        self.file.parent.mkdir(exist_ok=True)
        write(self.file, json.dumps({"passed": sorted(self.passed)}) + "\n")
