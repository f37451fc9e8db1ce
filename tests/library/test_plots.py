"""What the pictures show, not how they look."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib_inline.config import InlineBackend

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
    band = axes.collections[0].get_paths()[0].vertices
    half = 100 * plots.confidence(0.9, 2000)
    at_half = sorted({round(y, 6) for x, y in band if x == 50})
    assert at_half == pytest.approx([90 - half, 90 + half], abs=1e-5)
    assert axes.get_ylabel() == "accuracy on 2,000 CIFAR-10 test images (%)"
    assert axes.get_legend().get_title().get_text() == "bands: 95 % confidence"


def test_the_confidence_interval_is_that_of_a_binomial() -> None:
    """Against a simulation: 95 % of the measured accuracies lie inside."""
    torch.manual_seed(0)
    measured = torch.distributions.Binomial(500, torch.tensor(0.8)).sample((20_000,)) / 500
    inside = ((measured - 0.8).abs() <= plots.confidence(0.8, 500)).double().mean().item()
    assert inside == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(
    ("accuracy", "images"), [(90, 2000), (-0.1, 2000), (float("nan"), 2000), (0.9, 0), (0.9, -3)]
)
def test_an_accuracy_that_cannot_be_has_no_interval(accuracy: float, images: int) -> None:
    with pytest.raises(ValueError, match=f"accuracy in 0 .. 1 .* got {accuracy} and {images}"):
        plots.confidence(accuracy, images)


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


def test_only_what_a_check_refuses_is_marked() -> None:
    """Neither the last digits of a number nor a NaN that belongs there."""
    mine = torch.tensor([0.1 + 0.2, float("nan"), float("inf"), 1.0], dtype=torch.float64)
    plots.side_by_side(mine, torch.tensor([0.3, float("nan"), float("inf"), 2.0]), "scores")
    assert plt.gcf().axes[2].images[0].get_array().tolist() == [[0, 0, 0, 1]]
    assert plt.gcf().axes[2].get_title() == "where they differ\n1 of 4"


def test_one_entry_that_is_not_finite_leaves_the_others_their_colours() -> None:
    _, axes = plt.subplots()
    plots.show_tensor(axes, torch.tensor([-2.0, float("nan"), float("inf")]), "scores")
    assert axes.images[0].get_clim() == (-2.0, 2.0)
    plt.gcf().canvas.draw()  # without a warning


def test_a_large_tensor_is_drawn_without_numbers() -> None:
    plots.side_by_side(torch.zeros(8, 3, 3, 3), torch.ones(8, 3, 3, 3), "weight")
    assert not any(panel.texts for panel in plt.gcf().axes)


def test_tensors_of_different_shapes_are_drawn_without_a_difference() -> None:
    plots.side_by_side(torch.zeros(3), torch.zeros(2, 3), "weight")
    assert len(plt.gcf().axes) == 2


def test_there_are_colours_and_dashes_for_any_number_of_curves() -> None:
    names = [*(f"method {i}" for i in range(20)), *(f"random {i}" for i in range(10))]
    axes = plots.accuracy_against_sparsity({name: {0.5: 0.5} for name in names}, images=100)
    assert [line.get_label() for line in axes.get_lines()][:30] == names
    axes = plots.bars_per_layer({f"series {i}": {"x": 0.1 * i} for i in range(8)}, "density")
    assert [b.get_height() for b in axes.patches] == pytest.approx([0.1 * i for i in range(8)])


def test_no_bars_at_all_are_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.bars_per_layer({}, "density")


def test_an_axis_in_percent() -> None:
    _, axes = plt.subplots()
    plots.percent_axis(axes)
    assert axes.yaxis.get_major_formatter()(0.25) == "25 %"


def test_bars_stand_in_the_order_of_the_layers() -> None:
    axes = plots.bars_per_layer({"a": {"x.weight": 0.2, "y.weight": 0.4}}, "density")
    assert [t.get_text() for t in axes.get_xticklabels()] == ["x", "y"]
    assert [b.get_height() for b in axes.patches] == [0.2, 0.4]


@pytest.mark.filterwarnings("ignore:InlineBackend")  # of traitlets, about matplotlib's own code
def test_figures_of_a_notebook_are_sharp(monkeypatch):
    InlineBackend.clear_instance()
    plots.sharpen()
    assert not InlineBackend.initialized(), "elsewhere nothing is set"
    monkeypatch.setattr(plots, "in_notebook", lambda: True)
    plots.sharpen()
    assert InlineBackend.instance().figure_formats == {"retina"}
    InlineBackend.clear_instance()
