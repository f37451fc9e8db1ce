"""Records as curves: what they have in common, where their points lie, how a curve is drawn."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pruninglab import checkpoints, counters
from pruninglab.models import ResNet20
from pruninglab.results.records import Point, Record


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


def by_system(records: Iterable[Record]) -> dict[str, list[Record]]:
    """System -> its records, one per seed; other data or another budget are another system."""
    groups: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.system, record.dataset, record.budget].append(record)
    several = Counter(system for system, _, _ in groups)
    return {
        system if several[system] == 1 else f"{system}, {dataset}, {budget}": members
        for (system, dataset, budget), members in groups.items()
    }


def of_panel(records: Iterable[Record], panel: str) -> dict[str, list[Record]]:
    """`by_system`, of those records alone that belong in a table or figure."""
    return by_system(record for record in records if panel in record.panels)


def name_in(members: Sequence[Record]) -> str:
    """How a system is called in a table or figure of its own kind."""
    return members[0].label or members[0].system


def longest(records: Iterable[Record]) -> list[Record]:
    """Of each system the records of its longest budget."""
    found, order = list(records), ("quick", "standard", "full")
    most = dict[str, int]()
    for record in found:
        rank = order.index(record.budget) if record.budget in order else 0
        most[record.system] = max(rank, most.get(record.system, 0))
    return [r for r in found if r.budget not in order or r.budget == order[most[r.system]]]


def ranked(members: Sequence[Record], i: int) -> bool:
    """Whether point `i` was trained as long as its budget says, so that it may be ranked."""
    due = members[0].epochs
    return all(r.equal and abs(r.points[i].epochs - due) <= 0.06 * due for r in members)


def share(point: Point, record: Record, axis: str) -> float:
    """Where a point lies: on axis "sparsity" or "macs", the share of the dense network gone."""
    return 1 - macs_left(point, record) if axis == "macs" else point.sparsity


def macs_left(point: Point, record: Record) -> float:
    """The share of the dense network's MACs that is left.

    A network that is really smaller does all of its MACs; in a masked one, those with a weight that
    is zero are taken off.
    """
    smaller = point.macs < record.dense.macs
    return (point.macs if smaller else point.nonzero_macs) / record.dense.macs


def at(record: Record, axis: str, x: float) -> float | None:
    """The accuracy of a record where the share `x` is gone: on the line between its neighbours.

    Returns:
        None where there is no point on one of the sides (within 0.025).

    Args:
        axis: "sparsity" or "macs".
    """
    rows = sorted((share(point, record, axis), accuracy(point)) for point in record.points)
    for place, value in rows:
        if abs(place - x) < 1e-6:
            return value
    below = [row for row in rows if row[0] < x]
    above = [row for row in rows if row[0] > x]
    if not below or not above:
        near = [row for row in rows if abs(row[0] - x) <= 0.025]
        return near[0][1] if near else None
    (x0, y0), (x1, y1) = below[-1], above[0]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


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
