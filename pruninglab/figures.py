"""The figures and tables of the results, drawn from records and published numbers alone."""

from __future__ import annotations

import argparse
import csv
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pruninglab import checkpoints, counters, plots
from pruninglab.models import ResNet20
from pruninglab.records import FOLDER, Point, Record, load_all

PUBLISHED = Path(str(resources.files("pruninglab") / "assets" / "published"))
# The lecture's four curves: column of lecture_figure.csv -> our system.
LECTURE = {
    "han": "Lecture: Han",
    "han_lrr": "Lecture: Han + LR-rewinding",
    "liu": "Lecture: Liu",
    "liu_lrr": "Lecture: Liu + LR-rewinding",
}
WEIGHTS = "single weights"
LECTURE_COLOURS = (plots.BLUE, plots.SKY, plots.RED, plots.ORANGE)


@dataclass(frozen=True)
class Curve:
    """One system over its seeds: a place per target, with the mean and the range of accuracies.

    All shares and accuracies are 0 to 1; `low` and `high` are the worst and the best seed.
    """

    label: str
    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    seeds: int


def published(name: str) -> list[dict[str, str]]:
    """The rows of a table of published numbers: "lecture_figure", "renda2020" or "numbers".

    >>> published("lecture_figure")[0]["target_pct"]
    '10.0'
    """
    with (PUBLISHED / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def by_system(records: Iterable[Record]) -> dict[str, list[Record]]:
    """System -> its records, one per seed."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.system].append(record)
    return dict(groups)


def share(point: Point, record: Record, axis: str) -> float:
    """Where a point lies: on axis "sparsity" or "macs", the share of the dense network gone.

    What is not multiplied is gone: a masked network has its MACs without the zeros.
    """
    if axis == "macs":
        return 1 - point.nonzero_macs / record.dense.nonzero_macs
    return point.sparsity


def accuracy(point: Point) -> float:
    """On the test images, or on the held-out ones as long as the test has not been read."""
    return point.val if point.test is None else point.test


def curve(label: str, records: Sequence[Record], axis: str = "sparsity") -> Curve:
    """Mean and range over the seeds, place by place.

    Raises:
        ValueError: the records do not have the same number of points.
    """
    rows = list(zip(*(record.points for record in records), strict=True))
    places = [
        statistics.mean(share(p, r, axis) for p, r in zip(row, records, strict=True))
        for row in rows
    ]
    values = [[accuracy(point) for point in row] for row in rows]
    order = sorted(range(len(rows)), key=places.__getitem__)
    return Curve(
        label, tuple(places[i] for i in order),
        tuple(statistics.mean(values[i]) for i in order),
        tuple(min(values[i]) for i in order), tuple(max(values[i]) for i in order),
        len(records),
    )  # fmt: skip


def draw(axes: Axes, line: Curve, colour: str, minus: float = 0.0, **look: Any) -> None:
    """A curve in percent with the range of its seeds; `minus` is subtracted from the accuracies."""
    mean, low, high = (
        [100 * (a - minus) for a in values] for values in (line.mean, line.low, line.high)
    )
    style: dict[str, Any] = {"marker": "o", "markersize": 3.5, "linewidth": 1.6, **look}
    axes.plot(line.x, mean, color=colour, label=line.label, **style)
    axes.fill_between(line.x, low, high, color=colour, alpha=0.2, linewidth=0)


def logit(axes: Axes, low: float = 0.08, high: float = 0.9993) -> None:
    """The lecture's axis: 10, 50, 90, 99 and 99.9 % at equal or nearly equal distances."""
    ticks = [t for t in (0.1, 0.3, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999) if low < t < high]
    axes.set_xscale("logit")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g}"))
    axes.tick_params(axis="x", labelsize=8)


def tidy(axes: Axes, title: str, xlabel: str, ylabel: str = "") -> None:
    """Titles, a light grid, no frame on the right and on top."""
    axes.set_title(title, fontsize=10, loc="left")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)


def narrow(axes: Axes, axis: str, minus: float = 0.0) -> None:
    """The control of all pruning: dense networks that were narrow from the start."""
    whole = ResNet20(16)
    for width in (8, 4):
        model = ResNet20(width)
        count = counters.macs if axis == "macs" else counters.prunable_weights
        x, y = 1 - count(model) / count(whole), checkpoints.card(width)["test"] - minus
        label = "dense, narrow (8, 4 wide)" if width == 8 else None
        axes.plot(x, 100 * y, "D", color="black", markersize=5, label=label, zorder=5)


def lecture_figure(records: Iterable[Record]) -> Figure:
    """Ours over the published points of the lecture, as accuracies and as losses of accuracy.

    Hollow: published. Circles are fine-tuned, triangles with LR-rewinding.
    """
    groups, rows = by_system(records), published("lecture_figure")
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained")
    targets = [float(row["target_pct"]) / 100 for row in rows]
    for (column, system), colour in zip(LECTURE.items(), LECTURE_COLOURS, strict=True):
        theirs = [float(row[column]) for row in rows]
        look: dict[str, Any] = {"marker": "^" if column.endswith("lrr") else "o", "markersize": 5}
        for axes, base in ((left, 0.0), (right, theirs_dense())):
            y = [value - base for value in theirs]
            axes.plot(targets, y, color=colour, mfc="none", linestyle="", **look)
        if system in groups:
            line, dense = curve(system.removeprefix("Lecture: "), groups[system]), groups[system][0]
            draw(left, line, colour, **look)
            draw(right, line, colour, minus=accuracy(dense.dense), **look)
    _controls(left, groups, "sparsity", ("Random weights",))
    left.plot(
        [], [], "o", mfc="none", color="0.4", label="hollow: published\n(64-wide, 350 epochs)"
    )
    figure.legend(*left.get_legend_handles_labels(), frameon=False, loc="outside right center")
    for axes, title in ((left, "accuracy (%)"), (right, "difference to the dense network")):
        logit(axes)
        tidy(axes, title, "share of the weights that is gone (%)")
    return figure


def theirs_dense() -> float:
    """The accuracy of the lecture's dense network in percent, read off at the lowest targets."""
    return max(float(row["han"]) for row in published("lecture_figure"))


def _controls(axes: Axes, groups: dict[str, list[Record]], axis: str, names: Sequence[str]) -> None:
    for name in names:
        if name in groups:
            draw(axes, curve(name.lower(), groups[name], axis), plots.GREY, linestyle="--")
    narrow(axes, axis)


def systems_figure(records: Iterable[Record]) -> Figure:
    """All systems: single weights against sparsity, filters against MACs, from scratch apart."""
    groups = by_system(records)
    figure, panels = plt.subplots(1, 3, figsize=(14, 4.8), layout="constrained", sharey=True)
    kinds = ((WEIGHTS, "sparsity"), ("filters", "macs"), ("scratch", "sparsity"))
    titles = ("single weights, trained", "filters, trained", "before training")
    for axes, (kind, axis), title in zip(panels, kinds, titles, strict=True):
        colours = iter(plots.COLOURS * 2)
        for name, members in groups.items():
            if kind_of(members[0]) == kind and "Random" not in name:
                draw(axes, curve(name, members, axis), next(colours))
        chance = {"sparsity": "Random weights", "macs": "Random filters"}[axis]
        _controls(axes, groups, axis, (chance,) if kind != "scratch" else ())
        where = "MACs" if axis == "macs" else "weights"
        tidy(axes, title, f"share of the {where} that is gone (%)")
        logit(axes) if axis == "sparsity" else axes.xaxis.set_major_formatter(
            FuncFormatter(lambda x, _: f"{100 * x:g}")
        )
        axes.legend(frameon=False, fontsize=8, loc="lower left")
    panels[0].set(ylabel="accuracy on the test images (%)", ylim=(5, 95))
    return figure


def kind_of(record: Record) -> str:
    """Which panel a record belongs to; "" for the lecture's four and what is not pruned."""
    if record.system.startswith("Lecture") or record.structure == "nothing":
        return ""
    if record.method.startswith("before training"):
        return "scratch"
    return "filters" if record.structure.startswith("filters") else WEIGHTS


def main() -> None:
    """Draw both figures: `python -m pruninglab.figures`."""
    parser = argparse.ArgumentParser(description="Figures from the records alone.")
    parser.add_argument("--records", type=Path, default=FOLDER)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--budget", help="only records of this budget")
    args = parser.parse_args()
    found = list(load_all(args.records, args.budget))
    if not found:
        raise SystemExit(f"no records in {args.records}: `make results` makes them")
    args.out.mkdir(parents=True, exist_ok=True)
    lecture_figure(found).savefig(args.out / "lecture.png", dpi=150)
    systems_figure(found).savefig(args.out / "systems.png", dpi=150)
    print(f"drawn from {len(found)} records: {args.out}/lecture.png, {args.out}/systems.png")


if __name__ == "__main__":
    main()
