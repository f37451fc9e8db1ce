"""What a project costs is said beforehand, and is what the run does."""

from __future__ import annotations

import pytest

from pruninglab import data
from pruninglab.project.plan import IMAGES, in_words, plan, step_time
from pruninglab.project.run import BATCH
from pruninglab.project.setting import HELD_OUT


def test_the_plan_counts_the_steps_of_all_networks() -> None:
    text = plan([0.3, 0.5, 0.7], [0, 1], "cifar10", epochs=10, seconds_per_step=0.1)
    assert text.splitlines() == [
        "6 networks of 3,920 steps each",
        "download: 170 MB, once",
        "time: about 39 minutes",
    ]


def test_the_numbers_of_images_are_those_of_the_data() -> None:
    assert IMAGES["subset"] == len(data.subset("train"))
    assert IMAGES["cifar10"] == 50_000 - 10 * HELD_OUT["cifar10"]
    assert IMAGES["cifar100"] == 50_000 - 100 * HELD_OUT["cifar100"]


def test_cifar100_trains_its_dense_network_once() -> None:
    one, three = (plan([0.5], range(n), "cifar100", 1, seconds_per_step=1.0) for n in (1, 3))
    dense = 40 * (49_000 // BATCH)
    assert f"and {dense:,} steps for the dense network" in one
    assert in_words(dense + 392) in one
    assert in_words(dense + 3 * 392) in three


def test_a_step_is_measured_where_nothing_is_given() -> None:
    assert 0 < step_time(width=1) < 60
    assert "time: about 1 minute" in plan([], width=1)


def test_an_unknown_data_set_is_named() -> None:
    with pytest.raises(ValueError, match="got 'mnist'"):
        plan([0.5], dataset="mnist")  # type: ignore[arg-type]
