"""What the open tasks' hidden tests measure is what the table of INSTRUCTORS.md is made of."""

from __future__ import annotations

import pytest

from solutions.builder import build, open_tasks


def test_a_right_answer_and_a_miss_are_measured_on_the_grader_s_images() -> None:
    solution = build.module("05_speed").choose_widths
    assert 65 < open_tasks.worth("05_speed", solution) < 100

    def first_layers(scan: dict, macs: dict, budget: int) -> dict[str, int]:
        """Enough is saved, at the first layers that are met: no good idea."""
        keep = {name: max(row) for name, row in scan.items()}
        for name, row in scan.items():
            while budget > 0 and keep[name] > min(row):
                smaller = max(width for width in row if width < keep[name])
                budget -= macs[name] * (keep[name] - smaller)
                keep[name] = smaller
        return keep

    assert open_tasks.worth("05_speed", first_layers) < 65
    with pytest.raises(ValueError, match="refused before it is measured"):
        open_tasks.worth("05_speed", lambda scan, macs, budget: {})


@pytest.mark.parametrize("lab", open_tasks.TASKS)
def test_each_open_task_is_where_the_table_looks_for_it(lab: str) -> None:
    task, test, module, name = open_tasks.TASKS[lab]
    assert task in build.probes_of(lab)
    assert hasattr(build.module(lab, "hidden"), test)
    assert callable(getattr(module, name))
