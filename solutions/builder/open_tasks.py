"""What answers to the open tasks are worth: `python -m solutions.builder.open_tasks` (minutes).

INSTRUCTORS.md has the table. Each number is what the hidden test of the task measures, on the
images that only grading has; a miss is measured, too.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any
from unittest import mock

import torch

from pruninglab.checks import allocation, combination, schedules
from pruninglab.terminal import accept_any_text
from solutions.builder import build
from solutions.lab5_speed import hidden as speed

# lab -> the task, its hidden test, and where that test's measurement is called
TASKS: dict[str, tuple[str, str, ModuleType, str]] = {
    "02_criteria": (
        "choose_sparsities", "test_the_network_beats_the_same_sparsity_in_every_layer",
        allocation, "gain_over_uniform",
    ),
    "03_methods": (
        "choose_schedule", "test_the_schedule_beats_the_reference",
        schedules, "gain_over_reference",
    ),
    "05_speed": (
        "choose_widths", "test_the_network_is_accurate_on_new_images", speed, "accuracy",
    ),
    "06_further": (
        "combine_criteria", "test_the_network_beats_the_best_criterion",
        combination, "gain_over_the_best",
    ),
}  # fmt: skip


def worth(lab: str, answer: Callable) -> float:
    """Measure an answer to a lab's open task as its hidden test does, in percent or points.

    Raises:
        ValueError: the answer is refused before anything is measured.
    """
    _, test, module, name = TASKS[lab]
    measure, measured = getattr(module, name), list[float]()

    def noting(*given: Any) -> float:
        measured.append(measure(*given))
        return measured[-1]

    with mock.patch.object(module, name, noting), suppress(AssertionError):
        getattr(build.module(lab, "hidden"), test)(answer)
    if not measured:
        raise ValueError(f"{answer.__name__} is refused before it is measured")
    return 100 * measured[0]


def main() -> None:
    """Print the table, as Markdown."""
    accept_any_text()
    torch.set_num_threads(1)
    print("| lab | model solution | other right answers |\n|---|---:|---:|", flush=True)
    for lab, (task, *_) in TASKS.items():
        own = worth(lab, getattr(build.module(lab), task))
        others = [worth(lab, f) for f in build.module(lab, "mistakes").ALTERNATIVES[task]]
        print(f"| {lab} | {own:.1f} | {min(others):.1f} to {max(others):.1f} |", flush=True)


if __name__ == "__main__":
    main()
