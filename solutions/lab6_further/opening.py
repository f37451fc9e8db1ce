"""The first picture of lab 6: four ideas, a drawing for each; no number in it is measured."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pruninglab.plots import BLUE, GREY, ORANGE, SKY


def draw() -> Figure:
    """Make the four drawings."""
    figure, axes = plt.subplots(1, 4, figsize=(9, 2.9), layout="constrained")
    panels = {
        "Curvature\nWhat would it cost?": curvature,
        "Flow\nDoes it carry anything?": flow,
        "Noise\nDoes its value matter?": noise,
        "Choice\nHow much of each layer?": choice,
    }
    for ax, (title, panel) in zip(axes, panels.items(), strict=True):
        ax.set_title(title)
        ax.set(xticks=[], yticks=[])
        ax.spines[["top", "right"]].set_visible(False)
        panel(ax)
    return figure


def curvature(axes: Axes) -> None:
    """Draw two equally large weights: setting one to zero costs far more than the other."""
    w = np.linspace(-0.25, 2.2, 100)
    for h, colour in ((0.35, SKY), (1.0, BLUE)):
        axes.plot(w, h * (w - 1) ** 2, color=colour, linewidth=2.5)
        axes.plot(0, h, "o", color=colour, markersize=9)
    axes.axvline(0, color=GREY, linestyle=":")
    axes.set(ylim=(-0.1, 1.4), ylabel="loss")
    axes.set_xticks([0, 1], ["0", "weight"])


def flow(axes: Axes) -> None:
    """Draw a network of three layers with its paths: what enters one weight cannot get on."""
    heights: list[list[float]] = [[0, 1, 2], [0, 1, 2], [0.5, 1.5]]
    widths: list[list[tuple[float, ...]]] = [
        [(1, 6, 2), (2, 3, 6), (1, 2, 2)],  # from each input to each hidden neuron
        [(0.4, 0.4), (6, 2), (3, 5)],  # nearly nothing leaves the lowest hidden neuron
    ]
    for layer, table in enumerate(widths):
        for start, row in enumerate(table):
            for end, width in enumerate(row):
                blocked = (end if layer == 0 else start) == 0
                ys = [heights[layer][start], heights[layer + 1][end]]
                colour = ORANGE if blocked else BLUE
                axes.plot([layer, layer + 1], ys, color=colour, linewidth=width, zorder=1)
    for layer, column in enumerate(heights):
        axes.scatter(
            [layer] * len(column), column, s=130, color="white", edgecolor="black", zorder=2
        )
    axes.text(-0.25, 1, "only ones", rotation=90, ha="right", va="center")
    axes.set(xlim=(-0.7, 2.3), ylim=(-0.5, 2.5), xlabel="orange: a dead end")
    axes.spines[:].set_visible(False)


def noise(axes: Axes) -> None:
    """Draw the values that training leaves open for two weights: one is sure, one is not."""
    w = np.linspace(-2.2, 2.6, 200)
    for mean, deviation, colour in ((1.2, 0.22, BLUE), (0.3, 0.8, ORANGE)):
        density = np.exp(-(((w - mean) / deviation) ** 2) / 2) / deviation
        axes.fill_between(w, density, color=colour, alpha=0.75)
    axes.text(1.2, 4.7, "needed", ha="center")
    axes.text(-1.0, 1.1, "mostly\nnoise", ha="center")
    axes.axvline(0, color=GREY, linestyle=":")
    axes.set(ylim=(0, 5.4), xlabel="values of a weight")
    axes.set_xticks([0], ["0"])


def choice(axes: Axes) -> None:
    """Draw the density of each layer as an agent may choose it, beside the same for all."""
    densities = (0.9, 0.7, 0.75, 0.45, 0.5, 0.25, 0.15, 0.8)
    axes.bar(range(len(densities)), densities, color=BLUE)
    axes.axhline(0.5, color=ORANGE, linestyle="--", linewidth=2.5)
    axes.text(7.4, 0.97, "same for all?", ha="right", color="#8A5A00")
    axes.set(ylim=(0, 1.15), xlabel="layers", ylabel="weights kept")
