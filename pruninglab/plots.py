"""The few pictures that recur, in colours that the colour-blind can tell apart (Okabe-Ito)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.core.getipython import get_ipython
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.ticker import FuncFormatter
from torch import Tensor

from pruninglab.terminal import in_notebook
from pruninglab.values import close

BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7F7F7F",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, RED)
MASK = ListedColormap(["#FFFFFF", BLUE])
DIFFERENCE = ListedColormap(["#FFFFFF", RED])
READABLE = 40  # entries: in a picture with more of them no numbers are written


def sharpen() -> None:
    """Draw a notebook's figures with twice as many pixels, for screens that show them ("retina").

    Every lab imports this module, so that it is said in one place.
    """
    if in_notebook():
        from matplotlib_inline.config import InlineBackend

        InlineBackend.instance(parent=get_ipython()).figure_formats = {"retina"}


sharpen()


def as_picture(x: Tensor) -> np.ndarray:
    """Make any tensor a matrix: `(N,) -> (1, N)`, `(out, in, kh, kw) -> (out, in*kh*kw)`.

    >>> as_picture(torch.zeros(8, 3, 3, 3)).shape
    (8, 27)
    """
    x = x.detach().float().cpu()
    return (x.reshape(1, -1) if x.dim() < 2 else x.flatten(1)).numpy()


def show_tensor(axes: Axes, x: Tensor, title: str) -> None:
    """Show a mask in two colours, another tensor in shades from blue (negative) to red."""
    picture = as_picture(x)
    if x.dtype == torch.bool:
        axes.imshow(picture, cmap=MASK, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    else:
        top = _largest(picture)
        axes.imshow(picture, cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto")
    axes.set(title=title, xticks=[], yticks=[])


def write_values(axes: Axes, x: Tensor) -> None:
    """Write its value into each entry of a small tensor that is shown; a bool is 0 or 1."""
    picture = as_picture(x)
    if picture.size > READABLE:
        return
    top = 1.0 if x.dtype == torch.bool else _largest(picture)
    for (row, column), value in np.ndenumerate(picture):
        colour = "white" if abs(value) > 0.6 * top else "black"
        axes.text(column, row, f"{value:.2g}", color=colour, ha="center", va="center", fontsize=9)


def _largest(picture: np.ndarray) -> float:
    """The largest size of its finite values, 1 if there is none but 0."""
    return float(np.abs(picture[np.isfinite(picture)]).max(initial=0)) or 1.0


def show_difference(axes: Axes, differs: Tensor) -> None:
    """Show where two tensors differ: in red, and in a small tensor by a sign."""
    picture = as_picture(differs)
    axes.imshow(picture, cmap=DIFFERENCE, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    for row, column in np.argwhere(picture) if picture.size <= READABLE else ():
        axes.text(column, row, "≠", color="white", ha="center", va="center", fontweight="bold")
    axes.set(title=f"where they differ\n{int(differs.sum())} of {differs.numel()}")
    axes.set(xticks=[], yticks=[])


def side_by_side(yours: Tensor, target: Tensor, name: str) -> None:
    """Show your tensor, the right one, and where they differ by more than a check allows."""
    comparable = yours.shape == target.shape
    figure, axes = plt.subplots(1, 2 + comparable, figsize=(3.2 * (2 + comparable), 1.9))
    meaning = ", blue: True" if target.dtype == yours.dtype == torch.bool else ""
    for ax, title, x in zip(axes, ("your", "expected"), (yours, target), strict=False):
        show_tensor(ax, x, f"{title} {name}\n{tuple(x.shape)}{meaning}")
        write_values(ax, x)
    if comparable:
        show_difference(axes[2], ~close(yours, target))
    figure.tight_layout()
    plt.show()


def confidence(accuracy: float, images: int) -> float:
    """Give half the width of the 95 % confidence interval of an accuracy on `images` images.

    Normal approximation of the binomial: 1.96·sqrt(a·(1 - a)/n).

    Raises:
        ValueError: `accuracy` is not in 0 .. 1 (a percentage, say), or `images` is below 1.

    >>> round(confidence(0.9, 2000), 4)
    0.0131
    """
    if not 0 <= accuracy <= 1 or images < 1:
        got = f"{accuracy} and {images}"
        raise ValueError(f"need an accuracy in 0 .. 1 and 1 or more images, got {got}")
    return 1.96 * (accuracy * (1 - accuracy) / images) ** 0.5


def plus_minus(values: Sequence[float]) -> str:
    """Write mean ± sample standard deviation in percent, or one value.

    >>> plus_minus([0.91, 0.92]), plus_minus([0.5])
    ('91.50 ± 0.71', '50.00')
    """
    mean = f"{100 * statistics.mean(values):.2f}"
    return f"{mean} ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else mean


def accuracy_against_sparsity(
    curves: Mapping[str, Mapping[float, float]], images: int, title: str = ""
) -> Axes:
    """Draw accuracy against sparsity, a line per method, with 95 % confidence bands.

    Args:
        curves: label -> (sparsity 0..1 -> accuracy 0..1). A label with "random" in it is drawn
            grey and dashed: the control.
        images: on how many images the accuracies were measured.

    Raises:
        ValueError: an accuracy out of 0 .. 1 (see `confidence`).
    """
    _, axes = plt.subplots(figsize=(8.5, 4.2), layout="constrained")
    colours, dashes = cycle(COLOURS), cycle(["--", ":", "-."])
    for label, points in curves.items():
        control = "random" in label.lower()
        colour, style = (GREY, next(dashes)) if control else (next(colours), "-")
        x, y = [100 * s for s in points], [100 * a for a in points.values()]
        half = [100 * confidence(a, images) for a in points.values()]
        axes.plot(x, y, style, color=colour, marker="o", markersize=4, label=label)
        low, high = ([b + sign * h for b, h in zip(y, half, strict=True)] for sign in (-1, 1))
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.axhline(10, color=GREY, linewidth=0.8, linestyle=":")
    axes.text(1, 11, "guessing", color=GREY, fontsize=8)
    axes.set(xlabel="sparsity: pruned share of the prunable weights (%)", ylim=(0, 100))
    axes.set(ylabel=f"accuracy on {images:,} CIFAR-10 test images (%)", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        title="bands: 95 % confidence", alignment="left", frameon=False,
        loc="upper left", bbox_to_anchor=(1, 1),
    )  # fmt: skip
    return axes


def bars_per_layer(series: Mapping[str, Mapping[str, float]], ylabel: str) -> Axes:
    """Draw a group of bars per layer, a colour per series: label -> (layer -> value).

    Raises:
        ValueError: no series.
        KeyError: a layer of the first series is missing in another one.
    """
    if not series:
        raise ValueError("there is nothing to draw: series is empty")
    layers: Sequence[str] = list(next(iter(series.values())))
    _, axes = plt.subplots(figsize=(9, 3.2))
    width = 0.8 / len(series)
    for i, ((label, values), colour) in enumerate(zip(series.items(), cycle(COLOURS))):
        places = [k + (i - (len(series) - 1) / 2) * width for k in range(len(layers))]
        axes.bar(places, [values[x] for x in layers], width, label=label, color=colour)
    axes.set_xticks(range(len(layers)), [x.removesuffix(".weight") for x in layers], rotation=75)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylabel(ylabel)
    axes.legend(frameon=False, ncols=len(series), loc="lower left", bbox_to_anchor=(0, 1))
    return axes


def percent_axis(axes: Axes) -> None:
    """Label the y axis of a 0-1 quantity in percent."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
