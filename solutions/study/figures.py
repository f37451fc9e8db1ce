"""The figures of the results, drawn from records and published numbers alone."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from pruninglab import checkpoints, plots
from pruninglab.results import published
from pruninglab.results.curves import (
    UNPRUNED,
    WEIGHTS,
    accuracy,
    by_system,
    curve,
    draw,
    kind_of,
    logit,
    longest,
    narrow,
    tidy,
)
from pruninglab.results.published import RENDA_DENSE, Setting
from pruninglab.results.records import FOLDER, Record, load_all

BN_SCALE = "Lecture: BN scale + LR-rewinding"  # not in the lecture: no penalty before it
LECTURE_COLOURS = (plots.BLUE, plots.SKY, plots.RED, plots.ORANGE)
DENSE = checkpoints.card(16)["test"]
GONE = "share of the weights that is gone (%)"


def lecture_figure(records: Iterable[Record]) -> Figure:
    """Ours over the published points of the lecture, as accuracies and as losses of accuracy.

    Hollow: published. Circles are fine-tuned, triangles with LR-rewinding.
    """
    groups, rows = by_system(records), published.rows("lecture_figure")
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained")
    targets = [float(row["target_pct"]) / 100 for row in rows]
    for (column, system), colour in zip(published.LECTURE.items(), LECTURE_COLOURS, strict=True):
        theirs = [float(row[column]) for row in rows]
        look: dict[str, Any] = {"marker": "^" if column.endswith("lrr") else "o", "markersize": 5}
        for axes, base in ((left, 0.0), (right, published.lecture_dense())):
            y = [value - base for value in theirs]
            axes.plot(targets, y, color=colour, mfc="none", linestyle="", **look)
        if system in groups:
            _both(left, right, system.removeprefix("Lecture: "), groups[system], colour, **look)
    if BN_SCALE in groups:
        label, look = "Liu without penalty,\n+ LR-rewinding", {"marker": "^", "linestyle": "--"}
        _both(left, right, label, groups[BN_SCALE], plots.PINK, **look)
    for axes, base in ((left, 0.0), (right, DENSE)):
        _controls(axes, groups, "sparsity", "Random weights", base)
    left.plot(
        [], [], "o", mfc="none", color="0.4", label="hollow: published\n(64-wide, 300 + 50 epochs)"
    )
    figure.legend(*left.get_legend_handles_labels(), frameon=False, loc="outside right center")
    for axes, title in ((left, "accuracy (%)"), (right, "difference to the dense network")):
        logit(axes)
        tidy(axes, title, GONE)
    return figure


def _both(
    left: Axes, right: Axes, label: str, members: Sequence[Record], colour: str, **look: Any
) -> None:
    """One system as accuracies, and as differences to its dense network."""
    line = curve(label, members)
    draw(left, line, colour, **look)
    draw(right, line, colour, minus=accuracy(members[0].dense), **look)


def _controls(
    axes: Axes, groups: dict[str, list[Record]], axis: str, chance: str, minus: float = 0.0
) -> None:
    """Pruned by chance, and dense networks that were narrow from the start."""
    if chance in groups:
        line = curve(chance.lower(), groups[chance], axis)
        draw(axes, line, plots.GREY, minus=minus, linestyle="--")
    narrow(axes, axis, minus)


def renda_figure(records: Iterable[Record]) -> Figure:
    """Ours over the published points of Renda et al. 2020, as losses of accuracy.

    The same network and the same criterion: at once on the left, in rounds in the middle; on the
    right whole filters, by an independent replication. Hollow: published, small for 10 epochs of
    retraining and large for 182.
    """
    groups = by_system(records)
    figure, panels = plt.subplots(1, 3, figsize=(14, 5.4), layout="constrained", sharey=True)
    for setting in published.RENDA:
        axes, look = panels[int(setting.iterative)], _look(setting.method)
        for epochs, size in ((10, 4), (182, 7)):
            _renda_points(axes, setting, epochs, markersize=size, **look)
        for name in setting.ours:
            line = ":" if name.startswith("Ten epochs") else "-"
            _loss(axes, setting.method, groups.get(name), linestyle=line, **look)
    for name, method in published.FILTERS.items():
        look, theirs = _look(method), published.filters(name)
        points = {"linestyle": "", "mfc": "none", "label": f"published: {method}", **look}
        panels[2].plot(list(theirs), list(theirs.values()), **points)
        _loss(panels[2], method, groups.get(name), **look)
    titles = ("weights, at once", "weights, a fifth of the rest each round", "filters, at once")
    chances = ("Random weights", "Random weights", "Random filters")
    for axes, title, chance in zip(panels, titles, chances, strict=True):
        _controls(axes, groups, "sparsity", chance, DENSE)
        tidy(axes, title, GONE)
        logit(axes, 0.17, 0.945)
    panels[0].set(ylabel="difference to the dense network (points)", ylim=(-25, 1.5))
    found = {
        label: mark for axes in panels
        for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }  # fmt: skip
    figure.legend(
        found.values(), found, frameon=False, fontsize=8, ncols=4, loc="outside lower center"
    )
    return figure


def _look(method: str) -> dict[str, Any]:
    """Circles are fine-tuned, triangles with LR-rewinding."""
    rewinds = method == "LR-rewinding"
    return {"marker": "^" if rewinds else "o", "color": plots.SKY if rewinds else plots.BLUE}


def _loss(
    axes: Axes, method: str, members: Sequence[Record] | None, color: str, **look: Any
) -> None:
    """One of our systems as differences to its dense network, if it has been run."""
    if members:
        epochs = members[0].points[0].epochs  # of the first round, where there are rounds
        label = f"ours: {method}, {epochs:g} epoch{'s' * (epochs != 1)}"
        minus = accuracy(members[0].dense)
        draw(axes, curve(label, members), color, minus=minus, markersize=5, **look)


def _renda_points(axes: Axes, setting: Setting, epochs: int, **look: Any) -> None:
    """Medians as hollow marks, and the range of the three networks as lines."""
    theirs = published.renda(setting, epochs)
    middle, low, high = (
        [value - RENDA_DENSE for value in values] for values in zip(*theirs.values(), strict=True)
    )
    label = f"published: {setting.method}, {epochs} epochs"
    axes.plot(list(theirs), middle, linestyle="", mfc="none", label=label, **look)
    axes.vlines(list(theirs), low, high, color=look["color"], linewidth=0.8)


def not_retrained_figure(records: Iterable[Record]) -> Figure:
    """Each criterion right after pruning: ours as lines, those of a public checkpoint hollow."""
    groups = by_system(records)
    figure, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
    colours = iter(plots.COLOURS)
    for name, members in groups.items():
        if kind_of(members[0]) != "not retrained":
            continue
        chance = name == "At once: chance"
        colour, style = (plots.GREY, "--") if chance else (next(colours), "-")
        draw(axes, curve(name.removeprefix("At once: "), members), colour, linestyle=style)
        theirs = published.not_retrained(name)
        axes.plot(list(theirs), list(theirs.values()), "o", mfc="none", color=colour, markersize=6)
    axes.plot([], [], "o", mfc="none", color="0.4", label="hollow: a public checkpoint,\noption A")
    narrow(axes, "sparsity")
    tidy(axes, "accuracy right after pruning (%)", GONE)
    _percent(axes)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def systems_figure(records: Iterable[Record]) -> Figure:
    """All systems: single weights against sparsity, filters against MACs, from scratch apart."""
    groups = by_system(records)
    figure, panels = plt.subplots(1, 3, figsize=(14, 4.8), layout="constrained", sharey=True)
    kinds = (WEIGHTS, "filters", "scratch")
    titles = ("single weights, trained", "filters, trained", "before training")
    controls = ("Random weights", "Random filters", "Random at initialisation")
    for axes, kind, title, chance in zip(panels, kinds, titles, controls, strict=True):
        axis = "macs" if kind == "filters" else "sparsity"
        colours = iter(plots.COLOURS * 2)
        for name, members in groups.items():
            if kind_of(members[0]) == kind and name != chance:
                draw(axes, curve(name, members, axis), next(colours))
        _controls(axes, groups, axis, chance)
        tidy(axes, title, GONE if axis == "sparsity" else GONE.replace("weights", "MACs"))
        _percent(axes) if axis == "macs" else logit(axes)
    if UNPRUNED in groups:
        level = statistics.mean(accuracy(record.points[0]) for record in groups[UNPRUNED])
        label = "not pruned, as many epochs"
        panels[2].axhline(100 * level, color="0.6", linestyle=":", label=label)
    for axes in panels:
        axes.legend(frameon=False, fontsize=8, loc="lower left")
    panels[0].set(ylabel="accuracy on the test images (%)", ylim=(5, 95))
    return figure


def _percent(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g}"))


def main() -> None:
    """Draw all figures: `python -m solutions.study.figures`."""
    parser = argparse.ArgumentParser(description="Figures from the records alone.")
    parser.add_argument("--records", type=Path, default=FOLDER)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--budget", help="only records of this budget")
    args = parser.parse_args()
    found = longest(load_all(args.records, args.budget))
    if not found:
        raise SystemExit(f"no records in {args.records}: `make results` makes them")
    args.out.mkdir(parents=True, exist_ok=True)
    made = {
        "lecture": lecture_figure, "renda": renda_figure, "systems": systems_figure,
        "not_retrained": not_retrained_figure,
    }  # fmt: skip
    for name, draw_it in made.items():
        path = args.out / f"{name}.png"
        draw_it(found).savefig(path, dpi=150)
        print(f"{path}: drawn from {len(found)} records")


if __name__ == "__main__":
    main()
