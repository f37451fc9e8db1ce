"""Your curve over the course's and the published ones: one figure, drawn from records alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from pruninglab import plots
from pruninglab.results import curves, published
from pruninglab.results.records import Record, load_all

# Column of lecture_figure.csv -> how its points are called.
PUBLISHED = {
    "weights": {"han": "Han, fine-tuned", "han_lrr": "Han, LR-rewinding"},
    "filters": {"liu": "Liu, fine-tuned", "liu_lrr": "Liu, LR-rewinding"},
}
LEFTMOST, RIGHTMOST = 0.01, 0.9993  # of the axis; 0 and 1 have no place on a logit axis
MINE = (plots.RED, plots.GREEN, plots.PINK)


def structure_of(record: Record) -> str:
    """ "weights" or "filters": which of the course's systems a record is to be compared with.

    A network that multiplies less than the dense one, zeros included, has really lost parts.
    """
    smaller = [p for p in record.points if p.macs < record.dense.macs]
    return "filters" if smaller else "weights"


def overlay(
    mine: Sequence[Record], ours: Iterable[Record] | None = None, against: Sequence[str] = ()
) -> Figure:
    """Accuracy against what is gone: yours thick, the course's thin, published points hollow.

    The left panel has the accuracies, the right one their differences to each one's own dense
    network, which is the fairer comparison between networks of different size and training. Shades
    are the range of the seeds, bars the 95 % confidence intervals of an accuracy on so many images.
    On CIFAR-100 there is nothing of the course's or published here to compare with.

    Args:
        mine: records of a project, of one or several systems.
        ours: the course's records; by default those that ship and start from the same network.
        against: names of the course's systems to draw; three that fit by default.

    Raises:
        ValueError: there are no records to draw.
    """
    if not mine:
        raise ValueError("there are no records to draw: run the project first")
    kind = structure_of(next((r for r in mine if r.role != "chance"), mine[0]))
    figure, panels = plt.subplots(1, 2, figsize=(11.5, 5.6), layout="constrained")
    comparable = mine[0].dataset == "cifar10"
    course = list(load_all(dense=[mine[0].dense_seed]) if ours is None else ours)
    for axes, relative in zip(panels, (False, True), strict=True):
        if comparable:
            draw_published(axes, kind, relative)
            wanted = [
                r for r in course
                if (r.system in against if against else f"overlay of {kind}" in r.panels)
            ]  # fmt: skip
            draw_ours(axes, wanted, relative)
        curves.tidy(axes, "", "share of the weights that is gone (%)")
        curves.logit(axes)
        draw_mine(axes, mine, relative)
        places = [0.08, *(x for line in own_curves(mine) for x in line.x)]
        axes.set_xlim(0.9 * max(min(places), LEFTMOST), RIGHTMOST)
    panels[0].set_title("accuracy (%)", loc="left", fontsize=10)
    panels[1].set_title("difference to the own dense network (points)", loc="left", fontsize=10)
    panels[0].set_ylim(0, 100)
    low, high = own_range(mine)
    panels[1].set_ylim(min(-60, low - 4), max(3, high + 4))
    panels[1].yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:+.0f}" if y else "0"))
    figure.legend(
        *panels[0].get_legend_handles_labels(), frameon=False, ncols=2, loc="outside lower center"
    )
    return figure


def draw_published(axes: Axes, kind: str, relative: bool) -> None:
    """The lecture's points (64-wide network), each minus the dense accuracy if `relative`."""
    rows = published.rows("lecture_figure")
    targets = [float(row["target_pct"]) / 100 for row in rows]
    for (column, name), marker in zip(PUBLISHED[kind].items(), "s^", strict=True):
        base = published.lecture_dense() if relative else 0.0
        values = [float(row[column]) - base for row in rows]
        label = f"published: {name} (64-wide)"
        axes.plot(targets, values, marker, mfc="none", mec="0.55", ms=4.5, label=label)


def draw_ours(axes: Axes, records: Sequence[Record], relative: bool) -> None:
    """Chosen systems of the course, thin, with the budget they had."""
    colours = iter((plots.BLUE, plots.SKY, plots.ORANGE, plots.YELLOW) * 2)
    for members in curves.by_system(curves.longest(records)).values():
        look: dict[str, Any] = (
            {"color": plots.GREY, "ls": "--"} if members[0].role == "chance"
            else {"color": next(colours)}
        )  # fmt: skip
        label = f"course: {curves.name_in(members)} ({about(members)})"
        line = curves.curve(label, members)
        base = curves.accuracy(members[0].dense) if relative else 0.0
        y = [100 * (a - base) for a in line.mean]
        axes.plot(line.x, y, marker=".", linewidth=1.2, label=label, **look)


def about(records: Sequence[Record]) -> str:
    """How long was trained, and how often: "1 epoch of 4,000 images, 3 seeds"."""
    epochs = max(point.epochs for record in records for point in record.points)
    images, seeds = records[0].images.split()[0], len(records)
    length = f"{epochs:g} epoch{'s' * (epochs != 1)}"
    length += f" of {images} images" if images[:1].isdigit() else ""
    return f"{length}, {seeds} seed{'s' * (seeds != 1)}"


def own_curves(mine: Sequence[Record]) -> list[curves.Curve]:
    """The project's systems, each as a curve whose places exist on a logit axis."""
    lines = [
        curves.curve(f"{name} ({about(members)})", members)
        for name, members in curves.by_system(mine).items()
    ]
    return [replace(line, x=tuple(min(max(x, LEFTMOST), 0.9992) for x in line.x)) for line in lines]


def own_range(mine: Sequence[Record]) -> tuple[float, float]:
    """The lowest and the highest difference to the own dense network, in points."""
    points = [(p, record.dense) for record in mine for p in record.points]
    gaps = [100 * (curves.accuracy(p) - curves.accuracy(dense)) for p, dense in points]
    return min(gaps, default=0.0), max(gaps, default=0.0)


def draw_mine(axes: Axes, mine: Sequence[Record], relative: bool) -> None:
    """The project's systems, thick, with the range of the seeds."""
    colours = iter(MINE * 2)
    for members, line in zip(curves.by_system(mine).values(), own_curves(mine), strict=True):
        control = members[0].role == "chance"
        colour = "0.3" if control else next(colours)
        base = curves.accuracy(members[0].dense) if relative else 0.0
        look = {"linestyle": ":"} if control else {}
        curves.draw(axes, line, colour, minus=base, linewidth=2.6, markersize=6, zorder=6, **look)
        images = measured_on(members)
        for x, mean in zip(line.x, line.mean, strict=True):
            bar = 100 * plots.confidence(mean, images)
            axes.errorbar(x, 100 * (mean - base), bar, color=colour, capsize=3, zorder=6)


def measured_on(members: Sequence[Record]) -> int:
    """Count the images of an accuracy: held-out ones until the test images are read."""
    if any(point.test is None for record in members for point in record.points):
        return 1000
    return 2000 if members[0].budget.startswith("subset") else 10_000
