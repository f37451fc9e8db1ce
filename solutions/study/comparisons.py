"""As published: each paper's numbers beside ours at the nearest place, as Markdown tables.

Accuracies are in percent and are compared as changes against the dense network of the same
experiment. Where our nearest point is not near, both stand there and no difference is taken.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from pruninglab import checkpoints
from pruninglab.plots import plus_minus
from pruninglab.results import published
from pruninglab.results.curves import accuracy, by_system, name_in, of_panel, share
from pruninglab.results.published import RENDA_DENSE, Setting
from pruninglab.results.records import Point, Record

NEAR = 0.07  # distance on an axis of shares; three tenths of it where little is left
FAR = "too far"
Groups = Mapping[str, Sequence[Record]]


def near(ours: float, theirs: float) -> bool:
    """Whether two shares are close enough to be compared.

    >>> near(0.50, 0.55), near(0.50, 0.60), near(0.90, 0.95)
    (True, False, False)
    """
    return abs(ours - theirs) <= NEAR * (1 if theirs < 0.85 else 0.3)


def place(point: Point, record: Record, axis: str) -> float:
    """Where one of our points lies on a paper's axis."""
    if axis == "channels removed":  # what we asked for: the filters inside the blocks
        return point.target or 0.0
    return share(point, record, "macs" if axis == "macs removed" else axis)


def nearest(members: Sequence[Record], axis: str, x: float) -> int:
    """The number of the point that is nearest to `x` on a paper's axis."""
    places = [place(point, members[0], axis) for point in members[0].points]
    return min(range(len(places)), key=lambda i: abs(places[i] - x))


def dense_of(members: Sequence[Record], groups: Groups) -> float:
    """Accuracy of the dense network of the same experiment, 0 to 1.

    For what is pruned before training: of the network that was trained as long without pruning.
    """
    if "scratch" in members[0].panels:
        unpruned = [g for g in groups.values() if "scratch" in g[0].panels and g[0].role == "dense"]
        if unpruned:
            return statistics.mean(accuracy(record.points[0]) for record in unpruned[0])
    return statistics.mean(accuracy(record.dense) for record in members)


def changed(members: Sequence[Record], i: int, groups: Groups) -> tuple[str, float]:
    """Accuracy of our point `i`, with its spread over the seeds, and its change, in percent."""
    ours = [accuracy(record.points[i]) for record in members]
    return plus_minus(ours), 100 * (statistics.mean(ours) - dense_of(members, groups))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A Markdown table whose first columns are words and whose others are numbers."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def published_table(records: Iterable[Record]) -> str:
    """The papers' numbers and ours at the nearest point."""
    groups = by_system(records)
    head = ("system", "published on", "at", "accuracy, change", "ours at", "accuracy, change",
            "our epochs", "difference of the changes")  # fmt: skip
    rows = (row for row in published.rows("numbers") if row["system"] in groups)
    return table(head, (_comparison(row, groups) for row in rows), words=2)


def _comparison(row: Mapping[str, str], groups: Groups) -> Sequence[str]:
    members, x = groups[row["system"]], float(row["x"])
    i = nearest(members, row["axis"], x)
    point, at = members[0].points[i], place(members[0].points[i], members[0], row["axis"])
    ours, change = changed(members, i, groups)
    return (
        row["system"], f"{row['network']}; {row['settings']}", f"{x:.1%} {row['axis']}",
        _theirs(row), f"{at:.1%}", f"{ours}, {change:+.2f}", f"{point.epochs:g}",
        _difference(row, change, members, i) if near(at, x) else FAR,
    )  # fmt: skip


def _theirs(row: Mapping[str, str]) -> str:
    """Accuracy with its spread, and change, as far as they were published."""
    spread = f" ± {row['spread']}" if row["spread"] else ""
    change = _change(row)
    found = [row["accuracy"] + spread, "" if change is None else f"{change:+.2f}"]
    return ", ".join(filter(None, found))


def _change(row: Mapping[str, str]) -> float | None:
    """The published change of accuracy; None if their dense network is not known."""
    if row["change"]:
        return float(row["change"])
    return float(row["accuracy"]) - float(row["dense"]) if row["dense"] else None


def _difference(row: Mapping[str, str], change: float, members: Sequence[Record], i: int) -> str:
    """Between the changes; between the accuracies where no change was published."""
    theirs = _change(row)
    if theirs is not None:
        return f"{change - theirs:+.2f}"
    ours = 100 * statistics.mean(accuracy(record.points[i]) for record in members)
    return f"{ours - float(row['accuracy']):+.2f} (accuracies)"


def dense_table(_: Iterable[Record]) -> str:
    """The dense network: published, and ours."""
    rows = [
        (row["source"], row["network"], row["epochs"],
         row["accuracy"] + (f" ± {row['spread']}" if row["spread"] else ""))
        for row in published.rows("dense")
    ]  # fmt: skip
    for width, seed in checkpoints.SHIPPED:
        if width == 16:
            card = checkpoints.card(width, seed)
            row = str(len(card["curve"])), f"{100 * card['test']:.2f}"
            rows.append((f"ours, seed {seed}", "ResNet-20, B", *row))
    head = ("source", "network, 16 wide", "epochs", "test accuracy (%)")
    return table(head, rows, words=2)


def not_retrained_table(records: Iterable[Record]) -> str:
    """Right after pruning: the public checkpoint's accuracy, and ours at the same sparsity."""
    groups = of_panel(records, "not retrained")
    targets = sorted({p.target for g in groups.values() for p in g[0].points if p.target})
    head = ("theirs / ours", *(f"{target:.0%}" for target in targets))
    rows = []
    for members in groups.values():
        theirs = published.not_retrained(members[0].system)
        places = [p.target for p in members[0].points]
        cells = []
        for target in targets:
            i = places.index(target)
            ours = statistics.mean(accuracy(record.points[i]) for record in members)
            other = f"{theirs[target]:.1f} / " if target in theirs else ""
            cells.append(f"{other}{100 * ours:.1f}")
        rows.append((name_in(members), *cells))
    return table(head, rows)


def renda_table(records: Iterable[Record], places: Sequence[int] = (3, 7, 10)) -> str:
    """Renda et al. 2020 on the same network, retrained for 10 and for 182 epochs, and ours.

    Args:
        records: the course's.
        places: after how many rounds of a fifth (or at once, to the same sparsity).
    """
    groups = of_panel(records, "renda")
    head = ("ours", "theirs", "sparsity", "10 epochs, change", "182 epochs, change", "ours at",
            "ours, change", "our epochs")  # fmt: skip
    rows = (
        _renda(setting, ours, round(1 - 0.8**place, 4), groups)
        for setting in published.RENDA
        for ours, members in groups.items()
        if members[0].published.get("renda") == setting.name
        for place in places
    )
    return table(head, rows, words=2)


def _renda(setting: Setting, name: str, sparsity: float, groups: Groups) -> Sequence[str]:
    members = groups[name]
    i = nearest(members, "sparsity", sparsity)
    ours, change = changed(members, i, groups)
    at = members[0].points[i].sparsity
    theirs = []
    for epochs in (10, 182):
        median = published.renda(setting, epochs)[sparsity][0]
        theirs.append(f"{median:.2f}, {median - RENDA_DENSE:+.2f}")
    return (
        name, setting.name, f"{sparsity:.1%}", *theirs, f"{at:.1%}",
        f"{ours}, {change:+.2f}" if near(at, sparsity) else FAR,
        f"{members[0].points[i].epochs:g}",
    )  # fmt: skip


def lecture_table(records: Iterable[Record]) -> str:
    """The lecture's figure in numbers: changes against each one's dense network."""
    groups = of_panel(records, "lecture")
    columns = {
        members[0].published["lecture"]: members for members in groups.values()
        if "lecture" in members[0].published
    }  # fmt: skip
    shown = [(c, columns[c]) for c in published.LECTURE if c in columns]
    head = ["weights gone"]
    for _, members in shown:
        head += [f"{name_in(members)}: theirs", "ours"]
    dense, rows = published.lecture_dense(), []
    for row in published.rows("lecture_figure"):
        x, cells = round(float(row["target_pct"]) / 100, 4), list[str]()
        for column, members in shown:
            i = {p.target: i for i, p in enumerate(members[0].points)}.get(x)
            ours = "" if i is None else f"{changed(members, i, groups)[1]:+.1f}"
            cells += [f"{float(row[column]) - dense:+.1f}", ours]
        if any(cells[1::2]):
            rows.append([f"{100 * x:g} %", *cells])
    return table(head, rows)
