"""What `doctor` and `submit` find: a line each, and what to do if something is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SIGNS = {"ready": "✓", "note": "·", "wrong": "✗"}


@dataclass(frozen=True)
class Finding:
    """What was found: "ready", a "note" (works, but worth knowing) or "wrong" (with a remedy)."""

    state: str
    text: str
    remedy: str = ""


def show(findings: Iterable[Finding]) -> int:
    """Print what was found, as it is found; return how much is wrong.

    >>> show([Finding("ready", "the disk is large"), Finding("wrong", "it is full", "clean it")])
     ✓ the disk is large
     ✗ it is full
       -> clean it
    1
    """
    wrong = 0
    for finding in findings:
        wrong += finding.state == "wrong"
        print(f" {SIGNS[finding.state]} {finding.text}", flush=True)
        if finding.remedy:
            print(f"   -> {finding.remedy}", flush=True)
    return wrong
