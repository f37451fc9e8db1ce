"""What the pictures show, not how they look."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch

from pruninglab import plots

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_curves_are_in_percent_with_the_control_dashed() -> None:
    curves = {"magnitude": {0.5: 0.9, 0.9: 0.4}, "random": {0.5: 0.1, 0.9: 0.1}}
    axes = plots.accuracy_against_sparsity(curves, images=2000)
    magnitude, random, *_ = axes.get_lines()
    assert magnitude.get_xydata().tolist() == [[50, 90], [90, 40]]
    assert (magnitude.get_linestyle(), random.get_linestyle()) == ("-", "--")


def test_the_confidence_interval_is_that_of_a_binomial() -> None:
    """Against a simulation: 95 % of the measured accuracies lie inside."""
    torch.manual_seed(0)
    measured = torch.distributions.Binomial(500, torch.tensor(0.8)).sample((20_000,)) / 500
    inside = ((measured - 0.8).abs() <= plots.confidence(0.8, 500)).double().mean().item()
    assert inside == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (4, 3, 3, 3)])
def test_any_tensor_becomes_a_matrix(shape: tuple[int, ...]) -> None:
    assert plots.as_picture(torch.zeros(shape)).ndim == 2


def test_yours_and_the_target_and_their_difference_are_drawn() -> None:
    plots.side_by_side(torch.tensor([True, False]), torch.tensor([True, True]), "mask")
    panels = plt.gcf().axes
    assert [p.get_title().split("\n")[0] for p in panels] == [
        "your mask", "expected mask", "where they differ",
    ]  # fmt: skip
    assert panels[2].images[0].get_array().tolist() == [[0, 1]]


def test_a_difference_is_told_by_a_sign_and_values_by_numbers() -> None:
    """Not by colours alone."""
    plots.side_by_side(torch.tensor([True, False]), torch.tensor([True, True]), "mask")
    texts = [[text.get_text() for text in panel.texts] for panel in plt.gcf().axes]
    assert texts == [["1", "0"], ["1", "1"], ["≠"]]


def test_a_large_tensor_is_drawn_without_numbers() -> None:
    plots.side_by_side(torch.zeros(8, 3, 3, 3), torch.ones(8, 3, 3, 3), "weight")
    assert not any(panel.texts for panel in plt.gcf().axes)


def test_tensors_of_different_shapes_are_drawn_without_a_difference() -> None:
    plots.side_by_side(torch.zeros(3), torch.zeros(2, 3), "weight")
    assert len(plt.gcf().axes) == 2


def test_bars_stand_in_the_order_of_the_layers() -> None:
    axes = plots.bars_per_layer({"a": {"x.weight": 0.2, "y.weight": 0.4}}, "density")
    assert [t.get_text() for t in axes.get_xticklabels()] == ["x", "y"]
    assert [b.get_height() for b in axes.patches] == [0.2, 0.4]
