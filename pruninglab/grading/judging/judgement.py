"""What judging finds out, as plain data that can cross from one process to another."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

LONGEST = 8000  # characters of a judgement's text


@dataclass(frozen=True)
class Judgement:
    """What came of one test.

    Attributes:
        name: grade_id of the test.
        passed: whether the exercise gets its points.
        text: what the check printed, or what went wrong.
        hint: the likely mistake, if the check knows it.
        part: "visible" or "hidden": where the test failed; empty if it passed.
        picture: what the check drew, as a PNG in base64.
        tampered: the visible test failed here although it passes inside the student's notebook.
        seconds: how long the test took.
    """

    name: str
    passed: bool
    text: str
    hint: str = ""
    part: str = ""
    picture: str | None = None
    tampered: bool = False
    seconds: float = 0.0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a judgement from JSON; the log leaves some of its fields out."""
        return cls(**{"text": "", **data})

    @property
    def exercise(self) -> str:
        """The exercise that the test belongs to.

        >>> Judgement("test_filter_mask", True, "").exercise
        'filter_mask'
        """
        return self.name.removeprefix("test_")


def legible(text: str) -> str:
    """Shorten a text of unknown origin; what UTF-8 cannot write becomes "?"."""
    return text.encode("utf-8", "replace").decode()[:LONGEST]


def hint_in(text: str) -> str:
    """Find the hint in what a check says; empty if there is none.

    >>> hint_in("filter_mask is wrong.\\nLikely: the mask is inverted")
    'the mask is inverted'
    """
    found = re.search(r"^Likely: (.*)$", text, flags=re.M)
    return found.group(1) if found else ""


@dataclass(frozen=True)
class Result:
    """What came of one submission.

    Attributes:
        reason: why it could not be graded; empty if it could.
        judgements: one for each test, in the lab's order.
        notebook: the canonical notebook with the judgements as outputs of its tests, as JSON.
    """

    reason: str
    judgements: tuple[Judgement, ...]
    notebook: str

    def to_json(self) -> str:
        """Write it down for another process."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Rebuild a result that `to_json` has written."""
        data = json.loads(text)
        judgements = tuple(map(Judgement.from_json, data["judgements"]))
        return cls(data["reason"], judgements, data["notebook"])


def digest(name: str, data: bytes) -> str:
    """Hash a submission, its file's name and its content (SHA-256, hexadecimal)."""
    return hashlib.sha256(name.encode() + b"\0" + data).hexdigest()
