"""What is done so far: the checks that pass, and the points they bring.

A check that runs in a notebook notes here what came out. The notebook remembers it until its
kernel ends; where a start page lies beside the labs (see `page`), it is also kept on the disk,
in labs/.progress/LAB.json, and the page is rewritten.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection
from pathlib import Path

from pruninglab.files import write
from pruninglab.overview.manifest import PACKAGE, manifest, points_of, read

BAR = 10  # signs long


def so_far(passed: Collection[str], points: dict[str, int]) -> str:
    """Write the points so far, as a bar and in words.

    >>> so_far({"double"}, {"double": 2, "triple": 3})
    '■■■■□□□□□□ 2 of 5 points'
    """
    total, earned = sum(points.values()), sum(points[x] for x in passed if x in points)
    full = BAR * earned // total if total else 0
    return f"{'■' * full}{'□' * (BAR - full)} {earned} of {total} points"


def notebook_folder(data: Path) -> Path:
    """Find the folder of a lab's notebook, which has the lab's name and need not exist.

    Kernels start in the folder of the notebook, or where an editor has its workspace.

    Args:
        data: where the lab's probes are: in the package, or beside the notebook.
    """
    if data.parent != PACKAGE:
        return data
    lab, here = str(read(data).get("lab", data.name)), Path.cwd()
    likely = (here, here / lab, here / "labs" / lab)
    named = [folder for folder in likely if folder.name == lab]
    kept = [folder for folder in named if Progress(folder).kept]
    return (kept or named)[0]


class Progress:
    """The checks of one lab that pass.

    Args:
        folder: of the lab's notebook; its name is that of the lab.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder.parent / ".progress" / f"{folder.name}.json"
        self.passed: set[str] = set()

    def stored(self) -> set[str]:
        """Read what was noted on the disk; nothing if that cannot be read."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return set(map(str, json.loads(self.file.read_text(encoding="utf-8"))["passed"]))
        return set()

    @property
    def kept(self) -> bool:
        """Tell whether a start page is beside the lab, so that progress is kept on the disk."""
        return os.path.exists(self.folder.parent / "START.md")  # False where it may not look

    def note(self, exercise: str, passed: bool) -> str:
        """Note how a check ended; returns the points so far, to show."""
        if self.kept:
            self.passed = self.stored()
        (self.passed.add if passed else self.passed.discard)(exercise)
        points = points_of(manifest(self.folder))
        end = "so far" if points.keys() - self.passed else "of this lab: all of them pass"
        return f"{so_far(self.passed, points)} by the checks {end}{self._stored_or_why_not()}"

    def _stored_or_why_not(self) -> str:
        """Keep it on the disk; a full or read-only one is no reason to fail a check."""
        try:
            if self.kept:
                self.store()
        except OSError as error:
            reason = error.strerror or str(error)
            return f"\n(START.md cannot show it: {reason}. Your answers are not affected.)"
        return ""

    def store(self) -> None:
        """Write it to the disk.

        Raises:
            OSError: the disk is full, or this folder must not be written.
        """
        self.file.parent.mkdir(exist_ok=True)
        write(self.file, json.dumps({"passed": sorted(self.passed)}) + "\n")
