"""The overlay: what is comparable is drawn, with its budget; what is not stays away."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from pruninglab.project.overlay import overlay, structure_of
from pruninglab.results.records import Record
from tests.project.test_slides import record

mpl.use("Agg")
RUN = "1 epoch of 4,000 images, 1 seed"


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def labels(mine: list[Record], ours: list[Record]) -> list[str]:
    figure = overlay(mine, ours)
    return [text.get_text() for text in figure.legends[0].get_texts()]


def masked(name: str, budget: str = "quick") -> Record:
    made = record(name, 0, {0.5: 0.9, 0.9: 0.8})
    made.budget, made.panels = budget, ["overlay of weights"]
    made.label = name.removeprefix("Lecture: ")
    for point in made.points:
        point.macs = made.dense.macs
    return made


def test_weights_are_compared_with_weights_and_filters_with_filters() -> None:
    course = [masked("Lecture: Han + LR-rewinding"), record("Li 2016", 0, {0.5: 0.9})]
    course[1].panels = ["overlay of filters"]
    assert structure_of(masked("Mine")) == "weights"
    assert labels([masked("Mine")], course) == [
        "published: Han, fine-tuned (64-wide)", "published: Han, LR-rewinding (64-wide)",
        f"course: Han + LR-rewinding ({RUN})", f"Mine ({RUN})",
    ]  # fmt: skip
    smaller = record("Mine", 0, {0.5: 0.9})
    assert structure_of(smaller) == "filters"
    assert labels([smaller], course) == [
        "published: Liu, fine-tuned (64-wide)", "published: Liu, LR-rewinding (64-wide)",
        f"course: Li 2016 ({RUN})", f"Mine ({RUN})",
    ]  # fmt: skip


def test_budgets_are_not_mixed() -> None:
    both = [masked("Lecture: Han + LR-rewinding", budget) for budget in ("quick", "full")]
    both[1].points[0].epochs = 40
    assert "course: Han + LR-rewinding (40 epochs of 4,000 images, 1 seed)" in labels(
        [masked("Mine")], both
    )


def test_nothing_of_cifar10_is_drawn_under_cifar100() -> None:
    mine = masked("Mine")
    mine.dataset = "cifar100"
    assert labels([mine], [masked("Lecture: Han + LR-rewinding")]) == [
        "Mine (1 epoch of 4,000 images, 1 seed)"
    ]


def test_without_records_there_is_no_figure() -> None:
    with pytest.raises(ValueError, match="run the project first"):
        overlay([], [])


def test_the_curve_is_that_of_the_records() -> None:
    mine = masked("Mine")
    left, right = overlay([mine], []).axes
    (line,) = [x for x in left.lines if x.get_label().startswith("Mine")]
    assert list(line.get_ydata()) == pytest.approx([89, 79])  # test accuracies
    (line,) = [x for x in right.lines if x.get_label().startswith("Mine")]
    assert list(line.get_ydata()) == pytest.approx([-2, -12])  # less those of the dense network


def test_own_points_are_inside_the_axes_and_on_top() -> None:
    mine = record("Mine", 0, {0.0: 0.95, 0.5: 0.5, 0.9999: 0.11})
    figure = overlay([mine], [masked("Lecture: Han + LR-rewinding")])
    for axes in figure.axes:
        own = next(x for x in axes.lines if x.get_label().startswith("Mine"))
        (low, high), (left, right) = axes.get_ylim(), axes.get_xlim()
        assert all(low < y < high for y in own.get_ydata())
        assert all(left < x < right for x in own.get_xdata())
        others = [x for x in axes.lines if x.get_label().startswith(("course", "published"))]
        assert others
        assert own.get_zorder() > max(x.get_zorder() for x in others)
