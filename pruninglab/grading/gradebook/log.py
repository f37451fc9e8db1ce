"""An append-only log of a course's marks: what was graded with which tests and seed, and when."""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pruninglab.grading.judging.judgement import Result


@dataclass
class Record:
    """The log of one lab, `grades_<lab>.jsonl`: a JSON object a line.

    A run begins with a line "start", has a line "mark" for each submission, written after the
    gradebook, and ends with a line "end". A run without an end was killed: the next one goes on
    with its seed, and leaves out what it has marked.

    Args:
        path: the file.
    """

    path: Path
    seed: int = 0
    done: dict[str, dict[str, Any]] = field(default_factory=dict)  # student -> the line of the mark

    def lines(self) -> list[dict[str, Any]]:
        """Read all lines; one that was being written when the run was killed is left out."""
        if not self.path.exists():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def write(self, event: str, **values: Any) -> None:
        """Add a line, and make sure that it is on the disk."""
        line = json.dumps({"event": event, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **values})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def begin(self, tests: str, seed: int | None) -> bool:
        """Start a run, or go on with one that was killed.

        Args:
            tests: hash of the tests.
            seed: asked for; None takes a fresh one.

        Returns:
            Whether an earlier run goes on.
        """
        if self.path.exists() and not self.path.read_bytes().endswith(b"\n"):
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n")  # ends the line that was being written
        run = self.last_run()
        killed = bool(run) and run[-1]["event"] != "end"
        if killed and run[0]["tests"] == tests and seed in (None, run[0]["seed"]):
            self.take(run)
            return True
        self.seed = secrets.randbelow(2**31) if seed is None else seed
        self.write("start", tests=tests, seed=self.seed)
        return False

    def last_run(self) -> list[dict[str, Any]]:
        """Return the lines of the last run, from its start; empty if there was none."""
        lines = self.lines()
        starts = [i for i, line in enumerate(lines) if line["event"] == "start"]
        return lines[starts[-1] :] if starts else []

    def take(self, run: list[dict[str, Any]]) -> None:
        """Take over the seed and the marks of a run."""
        self.seed = run[0]["seed"]
        self.done = {line["student"]: line for line in run if line["event"] == "mark"}

    def has(self, student: str, notebook: str) -> bool:
        """Whether this run has marked just this submission."""
        return student in self.done and self.done[student]["notebook"] == notebook

    def mark(self, student: str, notebook: str, tests: str, result: Result) -> None:
        """Note a mark that is in the gradebook now."""
        kept = ("name", "passed", "part", "hint", "tampered", "seconds")
        outcomes = [{k: getattr(found, k) for k in kept} for found in result.judgements]
        line = {"student": student, "notebook": notebook, "tests": tests, "seed": self.seed}
        line |= {"reason": result.reason, "outcomes": outcomes}
        self.write("mark", **line)
        self.done[student] = line
