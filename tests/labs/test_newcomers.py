"""Three newcomers in lab 1: the lab's minutes leave time to think for each of them."""

from __future__ import annotations

from pruninglab.overview.manifest import manifest
from solutions.builder import build, newcomers

LAB, COMPUTING = "01_structures", 120.0  # seconds, as on a slow laptop


def test_the_minutes_of_a_lab_leave_time_to_think() -> None:
    reader, helped, thorough = found = newcomers.walks(LAB, COMPUTING)
    mistakes = build.module(LAB, "mistakes").MISTAKES
    everything = sum(map(len, mistakes.values()))
    assert [one.messages for one in found] == [0, len(mistakes), everything]
    assert reader.minutes < helped.minutes < thorough.minutes
    assert reader.seconds == COMPUTING
    about = manifest(build.ROOT / "labs" / LAB)
    tasks = sum(cell["kind"] != "test" for cell in about["cells"])
    assert about["minutes"] - helped.minutes > 6 * tasks  # six minutes for each, at the least
    lines = newcomers.rows(LAB, found)
    assert all(line.count("|") == newcomers.HEAD.splitlines()[0].count("|") for line in lines)
