"""The first picture of lab 5: half of a layer as zeros, and half of it removed."""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from pruninglab import checkpoints
from pruninglab.plots import BLUE, GREY, MASK
from solutions.lab1_structures.exercises import filter_mask, magnitude_mask

LAYER = "layer2.0.conv1.weight"  # one in which no filter is dead
BARS = ("weights\nnot zero", "bytes", "time")


def draw() -> Figure:
    """Make the picture from a layer of the trained network; bytes and time are for the lab."""
    weight = checkpoints.trained(16).get_parameter(LAYER).detach()
    whole = torch.ones_like(weight).flatten(1)
    zeros = magnitude_mask(weight, 0.5).flatten(1)
    smaller = whole[filter_mask(weight, 0.5)]
    figure, axes = plt.subplots(2, 3, figsize=(9, 3.9), layout="constrained")
    names = ("the layer as trained", "half of it set to zero", "half of its filters removed")
    for column, name, kept in zip(axes.T, names, (whole, zeros, smaller), strict=True):
        draw_layer(column[0], kept, len(whole), name)
        share = kept.sum().item() / whole.numel()
        known = 1.0 if kept is whole else None
        draw_bars(column[1], [share, known, known])
    axes[1, 0].set_yticks(range(3), BARS)
    return figure


def draw_layer(axes: Axes, kept: Tensor, filters: int, title: str) -> None:
    """Draw what there is of a layer, one row per filter, at the scale of the whole one."""
    shown = kept.flip(0).float().numpy()
    axes.pcolormesh(shown, cmap=MASK, vmin=0, vmax=1, rasterized=True)
    axes.plot([0, kept.shape[1], kept.shape[1], 0, 0], [0, 0, len(kept), len(kept), 0], "k", lw=1)
    axes.set_xlim(-1, kept.shape[1] + 1)
    axes.set_ylim(-0.3, filters + 0.3)
    axes.set_title(title)
    axes.axis("off")


def draw_bars(axes: Axes, shares: list[float | None]) -> None:
    """Draw shares of the whole; what has to be found out as a question mark."""
    for row, share in enumerate(shares):
        if share is not None:
            axes.barh(row, share, color=BLUE, height=0.6)
            axes.text(share / 2, row, f"{share:.0%}", color="white", ha="center", va="center")
        else:
            axes.barh(row, 1, color="white", edgecolor=GREY, linestyle="--", height=0.6)
            axes.text(0.5, row, "?", ha="center", va="center", fontsize=16, fontweight="bold")
    axes.set(xlim=(-0.01, 1.01), ylim=(2.5, -0.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
