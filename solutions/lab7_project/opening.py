"""The first picture of lab 7: three answers make a recipe, a prediction, a run, a talk."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from pruninglab import checkpoints
from pruninglab.plots import BLUE, GREY, RED

QUESTIONS = {
    "What kind of part?": "weights, filters",
    "Which ones?": "magnitude, gradient,\nscale, gates, ...",
    "How, without harm?": "at once, in rounds,\nlittle by little, softly, ...",
}
TARGETS = (50, 80, 95)  # sparsities in percent, as the lab sets them at first


def draw() -> Figure:
    """Make the picture; the accuracies are for the lab, but for the dense network's."""
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.9), layout="constrained")
    titles = ("a recipe: three answers", "a prediction, then a run", "seven minutes")
    for ax, title, part in zip(axes, titles, (draw_recipe, draw_run, draw_slides), strict=True):
        ax.set_title(title)
        part(ax)
    return figure


def draw_recipe(axes: Axes) -> None:
    """Draw the three questions, each with some of its answers."""
    for row, (question, answers) in enumerate(QUESTIONS.items()):
        axes.add_patch(Rectangle((0, 2 - row), 1, 0.86, facecolor="white", edgecolor=BLUE, lw=1.5))
        axes.text(0.5, 2.66 - row, question, ha="center", va="center", fontweight="bold")
        axes.text(0.5, 2.27 - row, answers, ha="center", va="center", fontsize=10)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.05, 2.95))
    axes.axis("off")


def draw_run(axes: Axes) -> None:
    """Draw what is known before the run: the dense network."""
    dense = 100 * checkpoints.card()["val"]
    axes.plot(0, dense, "o", color="black", clip_on=False)
    axes.annotate("dense", (0, dense), (8, -4), textcoords="offset points", va="top")
    for target in TARGETS:
        axes.plot([target, target], [15, 85], color=GREY, ls="--", lw=1)
        axes.text(target, 50, "?", color=RED, ha="center", va="center", fontsize=18,
                  fontweight="bold", bbox={"facecolor": "white", "edgecolor": "none"})  # fmt: skip
    axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="weights removed (%)", ylabel="accuracy (%)")
    axes.spines[["top", "right"]].set_visible(False)


def draw_slides(axes: Axes) -> None:
    """Draw a small pile of slides; a curve with a surprise is on the first."""
    for step in (2, 1, 0):
        corner = (0.05 + 0.09 * step, 0.1 + 0.13 * step)
        axes.add_patch(Rectangle(corner, 0.72, 0.58, facecolor="white", edgecolor="black"))
    axes.text(0.1, 0.6, "What I did not expect", va="center", fontsize=10)
    axes.plot([0.12, 0.3, 0.5, 0.7], [0.5, 0.48, 0.44, 0.22], color=GREY, ls="--")
    axes.plot([0.12, 0.3, 0.5, 0.7], [0.5, 0.5, 0.49, 0.38], "o-", color=RED, ms=4)
    arrow = FancyArrowPatch((0.7, 0.25), (0.7, 0.35), arrowstyle="->", mutation_scale=10)
    axes.add_patch(arrow)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
