"""The first picture of lab 1: a ResNet-20 to scale, and half of one layer in two structures."""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from pruninglab import checkpoints
from pruninglab.models import prunable
from pruninglab.plots import BLUE, MASK, ORANGE
from solutions.lab1_structures.exercises import filter_mask, magnitude_mask

LAYER = "layer2.0.conv1.weight"  # one in which no filter is dead
GAP = 45  # between two layers, in weights


def draw() -> Figure:
    """Make the picture from the weights of the trained network."""
    weights = {name: w.detach() for name, w in prunable(checkpoints.trained(16)).items()}
    figure = plt.figure(figsize=(9, 4.8), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=(1.3, 1))
    draw_network(figure.add_subplot(grid[0, :]), weights)
    draw_masks([figure.add_subplot(grid[1, k]) for k in range(3)], weights[LAYER])
    return figure


def draw_network(axes: Axes, weights: dict[str, Tensor]) -> None:
    """Draw one rectangle per layer, as high as it has filters, as wide as a filter has weights."""
    x, ends = 0, dict[str, tuple[int, int]]()
    for name, weight in weights.items():
        filters, width = weight.flatten(1).shape
        colour = ORANGE if name == LAYER else BLUE
        axes.add_patch(Rectangle((x, 0), width, filters, facecolor=colour))
        part = name.partition(".")[0]
        ends[part] = (ends.get(part, (x, x))[0], x + width)
        x += width + GAP
    for part, (left, right) in ends.items():
        size = sum(w.numel() for name, w in weights.items() if name.startswith(f"{part}."))
        label = {"conv1": "stem", "fc": "classifier"}.get(part, part.replace("layer", "stage "))
        axes.text((left + right) / 2, -4, f"{label}\n{size:,}", ha="center", va="top")
    total = sum(w.numel() for w in weights.values())
    axes.set_title(f"ResNet-20: {len(weights)} layers, {total:,} weights. Which half goes?")
    axes.set(xlim=(-4 * GAP, x + 4 * GAP), ylim=(-34, 66))
    axes.axis("off")


def draw_masks(panels: list[Axes], weight: Tensor) -> None:
    """Draw a layer whole, without half of its weights, and without half of its filters."""
    single = magnitude_mask(weight, 0.5).flatten(1)
    rows = filter_mask(weight, 0.5)[:, None].expand_as(single)
    filters, width = single.shape
    titles = (
        f"the orange layer: {filters} filters\nof {width} weights, a row each",
        "without half of its weights:\nany may go, the shape stays",
        "without half of its filters:\nwhole rows, a smaller layer",
    )
    for axes, kept, title in zip(
        panels, (torch.ones_like(single), single, rows), titles, strict=True
    ):
        axes.pcolormesh(kept.flip(0).numpy(), cmap=MASK, vmin=0, vmax=1, rasterized=True)
        axes.set(xticks=[], yticks=[], title=title)
    panels[1].set_xlabel("blue stays, white goes")
