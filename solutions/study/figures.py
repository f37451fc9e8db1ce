"""The figures of the results, drawn from records and published numbers alone."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from pruninglab import plots
from pruninglab.results import published
from pruninglab.results.curves import (
    accuracy,
    curve,
    draw,
    logit,
    name_in,
    narrow,
    of_panel,
    tidy,
)
from pruninglab.results.published import RENDA_DENSE, Setting
from pruninglab.results.records import FOLDER, Record, load_all
from pruninglab.terminal import accept_any_text
from solutions.study.systems import presentable

LECTURE_COLOURS = (plots.BLUE, plots.SKY, plots.RED, plots.ORANGE)
Groups = Mapping[str, list[Record]]
GONE = "share of the weights that is gone (%)"


def lecture_figure(records: Iterable[Record]) -> Figure:
    """Ours over the published points of the lecture, as accuracies and as losses of accuracy.

    Hollow: published. Circles are fine-tuned, triangles with LR-rewinding.
    """
    groups, rows = of_panel(records, "lecture"), published.rows("lecture_figure")
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained")
    targets = [float(row["target_pct"]) / 100 for row in rows]
    for column, colour in zip(published.LECTURE, LECTURE_COLOURS, strict=True):
        theirs = [float(row[column]) for row in rows]
        look: dict[str, Any] = {"marker": "^" if column.endswith("lrr") else "o", "markersize": 5}
        for axes, base in ((left, 0.0), (right, published.lecture_dense())):
            y = [value - base for value in theirs]
            axes.plot(targets, y, color=colour, mfc="none", linestyle="", **look)
        for members in repeating(groups, "lecture", column):
            _both(left, right, name_in(members), members, colour, **look)
    for members in groups.values():  # not in the lecture: no penalty before it
        if members[0].role == "method" and "lecture" not in members[0].published:
            look = {"marker": "^", "linestyle": "--"}
            _both(left, right, name_in(members), members, plots.PINK, **look)
    for axes, relative in ((left, False), (right, True)):
        _controls(axes, groups, "sparsity", relative)
    left.plot(
        [], [], "o", mfc="none", color="0.4", label="hollow: published\n(64-wide, 300 + 50 epochs)"
    )
    figure.legend(*left.get_legend_handles_labels(), frameon=False, loc="outside right center")
    for axes, title in ((left, "accuracy (%)"), (right, "difference to the dense network")):
        logit(axes)
        tidy(axes, title, GONE)
    return figure


def repeating(groups: Groups, table: str, series: str) -> list[list[Record]]:
    """The systems that repeat a series of published numbers."""
    return [g for g in groups.values() if g[0].published.get(table) == series]


def with_role(groups: Groups, role: str) -> list[list[Record]]:
    """The systems of a role: what methods are compared with."""
    return [g for g in groups.values() if g[0].role == role]


def dense_accuracy(members: Sequence[Record]) -> float:
    """The accuracy of the networks before pruning, mean."""
    return statistics.mean(accuracy(record.dense) for record in members)


def _both(
    left: Axes, right: Axes, label: str, members: Sequence[Record], colour: str, **look: Any
) -> None:
    """One system as accuracies, and as differences to its dense network."""
    line = curve(label, members)
    draw(left, line, colour, **look)
    draw(right, line, colour, minus=dense_accuracy(members), **look)


def _controls(axes: Axes, groups: Groups, axis: str, relative: bool = False) -> None:
    """Pruned by chance, and dense networks that were narrow from the start."""
    every = [members for members in groups.values() if members[0].points]
    base = dense_accuracy(every[0]) if relative and every else 0.0
    for members in with_role(groups, "chance"):
        line = curve(name_in(members).lower(), members, axis)
        draw(axes, line, plots.GREY, minus=base, linestyle="--")
    narrow(axes, axis, base)


def renda_figure(records: Iterable[Record]) -> Figure:
    """Ours over the published points of Renda et al. 2020, as losses of accuracy.

    The same network and the same criterion: at once on the left, in rounds in the middle; on the
    right whole filters, by an independent replication. Hollow: published, small for 10 epochs of
    retraining and large for 182. Ours: solid; dotted where a target had more than one epoch.
    """
    found = list(records)
    groups, filters = of_panel(found, "renda"), of_panel(found, "mean magnitude")
    figure, panels = plt.subplots(1, 3, figsize=(14, 5.4), layout="constrained", sharey=True)
    for setting in published.RENDA:
        axes, look = panels[int(setting.iterative)], _look(setting.method)
        for epochs, size in ((10, 4), (182, 7)):
            _renda_points(axes, setting, epochs, markersize=size, **look)
        for members in repeating(groups, "renda", setting.name):
            line = ":" if members[0].epochs > 1 else "-"
            _loss(axes, setting.method, members, linestyle=line, **look)
    for members in filters.values():
        if method := members[0].published.get("replication"):
            look, theirs = _look(method), published.filters(members[0].system)
            points = {"linestyle": "", "mfc": "none", "label": f"published: {method}", **look}
            panels[2].plot(list(theirs), list(theirs.values()), **points)
            _loss(panels[2], method, members, **look)
    titles = ("weights, at once", "weights, a fifth of the rest each round", "filters, at once")
    for axes, title, compared in zip(panels, titles, (groups, groups, filters), strict=True):
        _controls(axes, compared, "sparsity", relative=True)
        tidy(axes, title, GONE)
        logit(axes, 0.17, 0.945)
    panels[0].set(ylabel="difference to the dense network (points)", ylim=(-25, 1.5))
    shown = {
        label: mark for axes in panels
        for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }  # fmt: skip
    figure.legend(
        shown.values(), shown, frameon=False, fontsize=8, ncols=4, loc="outside lower center"
    )
    return figure


def _look(method: str) -> dict[str, Any]:
    """Circles are fine-tuned, triangles with LR-rewinding."""
    rewinds = method == "LR-rewinding"
    return {"marker": "^" if rewinds else "o", "color": plots.SKY if rewinds else plots.BLUE}


def _loss(axes: Axes, method: str, members: Sequence[Record], color: str, **look: Any) -> None:
    """One of our systems as differences to its dense network."""
    epochs = members[0].points[0].epochs  # of the first round, where a record has rounds
    label = f"ours: {method}, {epochs:g} epoch{'s' * (epochs != 1)}"
    minus = dense_accuracy(members)
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
    figure, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
    colours = iter(plots.COLOURS)
    for members in of_panel(records, "not retrained").values():
        chance = members[0].role == "chance"
        colour, style = (plots.GREY, "--") if chance else (next(colours), "-")
        draw(axes, curve(name_in(members), members), colour, linestyle=style)
        theirs = published.not_retrained(members[0].system)
        axes.plot(list(theirs), list(theirs.values()), "o", mfc="none", color=colour, markersize=6)
    axes.plot([], [], "o", mfc="none", color="0.4", label="hollow: a public checkpoint,\noption A")
    narrow(axes, "sparsity")
    tidy(axes, "accuracy right after pruning (%)", GONE)
    _percent(axes)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def systems_figure(records: Iterable[Record]) -> Figure:
    """All systems: single weights against sparsity, filters against MACs, from scratch apart.

    Dotted: trained for another time than the others of the panel.
    """
    found = list(records)
    figure, panels = plt.subplots(1, 3, figsize=(14, 4.8), layout="constrained", sharey=True)
    titles = ("single weights, trained", "filters, trained", "before training")
    for axes, panel, title in zip(panels, ("weights", "filters", "scratch"), titles, strict=True):
        groups, axis = of_panel(found, panel), "macs" if panel == "filters" else "sparsity"
        looks = iter([(colour, marker) for marker in "os^" for colour in plots.COLOURS])
        for members in groups.values():
            if members[0].role not in ("chance", "dense"):
                style = "-" if members[0].equal or panel == "scratch" else ":"
                colour, marker = next(looks)
                line = curve(name_in(members), members, axis)
                draw(axes, line, colour, linestyle=style, marker=marker)
        _controls(axes, groups, axis)
        tidy(axes, title, GONE if axis == "sparsity" else GONE.replace("weights", "MACs"))
        _percent(axes) if axis == "macs" else logit(axes)
    for members in with_role(of_panel(found, "scratch"), "dense"):
        level = statistics.mean(accuracy(record.points[0]) for record in members)
        label = "not pruned, as many epochs"
        panels[2].axhline(100 * level, color="0.6", linestyle=":", label=label)
    for axes in panels:
        axes.legend(frameon=False, fontsize=8, loc="lower left")
    panels[0].set(ylabel="accuracy on the test images (%)", ylim=(5, 95))
    return figure


def _percent(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g}"))


FIGURES = {
    "lecture": lecture_figure, "renda": renda_figure, "systems": systems_figure,
    "not_retrained": not_retrained_figure,
}  # fmt: skip


def main() -> None:
    """Draw all figures: `python -m solutions.study.figures`."""
    accept_any_text()
    parser = argparse.ArgumentParser(description="Figures from the records alone.")
    parser.add_argument("--records", type=Path, default=FOLDER)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--budget", help="only records of this budget; the longest one of which "
                        "the systems that others are compared with are complete")  # fmt: skip
    parser.add_argument("--dense", type=int, nargs="+", help="seeds of the dense networks")
    args = parser.parse_args()
    every = list(load_all(args.records, args.budget, args.dense))
    found = every if args.budget else presentable(every)
    if not found:
        raise SystemExit(f"no records in {args.records}: `make results` makes them")
    args.out.mkdir(parents=True, exist_ok=True)
    seeds = {record.dense_seed for record in found}
    for name, draw_it in FIGURES.items():
        # Renda et al.'s figure shows one epoch and ten side by side: it takes all budgets.
        some = [r for r in every if r.dense_seed in seeds] if name == "renda" else found
        draw_it(some).savefig(args.out / f"{name}.png", dpi=150)
        print(f"{args.out / name}.png: drawn from {len(some)} records")


if __name__ == "__main__":
    main()
