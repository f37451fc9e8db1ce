"""The first picture of lab 2: what the filters of a layer see, ranked by two criteria."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from torch import Tensor, nn

from pruninglab import checkpoints, data
from pruninglab.plots import BLUE, GREY, ORANGE
from solutions.lab2_criteria.exercises import filter_scores, gate_scores

LAYER = "layer1.1.conv1"
FROG = 36  # of the validation images: its outline shows in most feature maps


def draw() -> Figure:
    """Make the picture from the trained network; scores are measured on 1,000 training images."""
    model = checkpoints.trained(16).eval()
    batches = list(data.batches(data.subset("train")[:1000], 125))
    size = filter_scores({LAYER: model.get_parameter(f"{LAYER}.weight").detach()}, p=1)[LAYER]
    slope = gate_scores(model, [LAYER], batches)[LAYER]
    orders = [scores.argsort(descending=True).tolist() for scores in (size, slope)]
    image = data.subset("val").pixels[FROG]
    figure, axes = plt.subplots(2, len(size), figsize=(9, 3.6))
    figure.subplots_adjust(left=0.15, right=0.99, top=0.79, bottom=0.15, hspace=1.9, wspace=0.14)
    frog = figure.add_axes((0.01, 0.32, 0.12, 0.3))
    frog.imshow(image.permute(1, 2, 0).numpy())
    frog.axis("off")
    for row, order in zip(axes, orders, strict=True):
        draw_row(row, feature_maps(model, image)[order])
    join(figure, axes, orders)
    label(figure, orders)
    return figure


def feature_maps(model: nn.Module, image: Tensor) -> Tensor:
    """Give what the layer's filters make of an image (3, h, w), behind BN and ReLU: (out, h, w)."""
    seen: list[Tensor] = []
    bn = model.get_submodule(LAYER.replace("conv", "bn"))
    hook = bn.register_forward_hook(lambda module, inputs, out: seen.append(out))
    with torch.no_grad():
        model(data.normalise(image[None]))
    hook.remove()
    return seen[0][0].relu()


def draw_row(axes: Sequence[plt.Axes], maps: Tensor) -> None:
    """Draw the feature maps in their order, those that stay in blue frames."""
    for place, (ax, one) in enumerate(zip(axes, maps, strict=True)):
        ax.imshow(one.numpy(), cmap="gray", vmin=0, vmax=maps.max().item() / 2)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(color=BLUE if place < len(maps) // 2 else GREY, linewidth=2.5)


def join(figure: Figure, axes: Sequence[Sequence[plt.Axes]], orders: list[list[int]]) -> None:
    """Join a filter's two places: in orange where only one criterion keeps it."""
    half = len(orders[0]) // 2
    for channel in orders[0]:
        above, below = (order.index(channel) for order in orders)
        differ = (above < half) != (below < half)
        line = ConnectionPatch(
            (0.5, -0.08), (0.5, 1.08), "axes fraction", "axes fraction",
            axesA=axes[0][above], axesB=axes[1][below],
            color=ORANGE if differ else GREY, linewidth=2.5 if differ else 1,
        )  # fmt: skip
        figure.add_artist(line)


def label(figure: Figure, orders: list[list[int]]) -> None:
    """Say what the rows and the lines are."""
    half = len(orders[0]) // 2
    differ = len(set(orders[0][:half]) - set(orders[1][:half]))
    title = f"What {2 * half} filters make of a frog, ranked by two criteria. Which half may go?"
    figure.text(0.5, 0.96, title, ha="center", va="center")
    for y, criterion in ((0.84, "size of the weights"), (0.09, "slope of the loss")):
        figure.text(0.15, y, f"{criterion}: these stay", color=BLUE, va="center")
        figure.text(0.99, y, "these go", color="#444444", ha="right", va="center")
    text = f"orange: the two disagree ({2 * differ})"
    figure.text(0.58, 0.09, text, color="#8A5A00", ha="center", va="center")
