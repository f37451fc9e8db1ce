"""The tables of the results, as Markdown, made from records and published numbers alone."""

from __future__ import annotations

import argparse
import math
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pruninglab.plots import plus_minus
from pruninglab.results.curves import (
    WEIGHTS,
    accuracy,
    by_system,
    kind_of,
    longest,
    macs_left,
    share,
)
from pruninglab.results.records import FOLDER, Point, Record, load_all
from solutions.study import comparisons

AGAIN = FOLDER / "dense-1"  # from the dense network of seed 1


def systems_table(records: Iterable[Record]) -> str:
    """One line per point, as Markdown: what the field asks for."""
    lines = [
        "| system | target | sparsity | compression | MACs left | epochs | test accuracy (%) "
        "| seeds |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, members in by_system(records).items():
        for i, first in enumerate(members[0].points):
            row = [record.points[i] for record in members]
            dense = members[0].dense
            macs = statistics.mean(map(macs_left, row, members))
            times = dense.parameters / statistics.mean(p.nonzeros for p in row)
            cells = (
                name, "" if first.target is None else f"{first.target:g}",
                f"{statistics.mean(p.sparsity for p in row):.1%}", f"{times:.1f}",
                f"{macs:.0%}", f"{statistics.mean(p.epochs for p in row):g}",
                plus_minus([accuracy(p) for p in row]), str(len(row)),
            )  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def summary_table(records: Iterable[Record], kind: str) -> str:
    """One line per system of a kind: accuracy, and in brackets what is left, as Markdown.

    Args:
        kind: "single weights": the points nearest to 50, 80, 90 and 95 % of the weights gone, and
            the weights left. "filters": every target, and the MACs left.
    """
    axis = "macs" if kind == "filters" else "sparsity"
    groups = {n: g for n, g in by_system(records).items() if kind_of(g[0]) == kind}
    names = ("30 %", "50 %", "70 %") if kind == "filters" else ("50 %", "80 %", "90 %", "95 %")
    lines = [
        f"| test accuracy (%), {axis if axis == 'sparsity' else 'target'} | {' | '.join(names)} |",
        f"|---|{'---:|' * len(names)}",
    ]
    for name, members in groups.items():
        first = members[0]
        found = [_near(first, axis, float(column.split()[0]) / 100) for column in names]
        cells = [
            "" if i is None else
            f"{plus_minus([accuracy(r.points[i]) for r in members])} "
            f"({1 - share(first.points[i], first, axis):.0%})"
            for i in found
        ]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _near(record: Record, axis: str, x: float, tolerance: float = 0.07) -> int | None:
    """The point nearest to a share (for filters: to a target), if one is near."""
    places = [
        (point.target or 0.0) if axis == "macs" else share(point, record, axis)
        for point in record.points
    ]
    nearest = min(range(len(places)), key=lambda i: abs(places[i] - x))
    return nearest if abs(places[nearest] - x) <= tolerance * (1 if x < 0.85 else 0.3) else None


def spreads_table(records: Iterable[Record]) -> str:
    """How large the spreads over the seeds are: quantiles of their standard deviations, in points.

    Points without any training after pruning are left out, and those of one seed.
    """
    found = sorted(
        (100 * statistics.stdev(map(accuracy, points)), name)
        for name, members in by_system(records).items() if len(members) > 1
        for points in zip(*(record.points for record in members), strict=True)
        if points[0].epochs
    )  # fmt: skip
    lines = ["| share of the points | their standard deviation is below |", "|---:|---:|"]
    for part in (0.5, 0.8, 0.9, 1.0) if found else ():
        spread, name = found[math.ceil(part * len(found)) - 1]
        last = f" ({name})" if part == 1 else ""
        lines.append(f"| {part:.0%} of {len(found)} | {spread:.1f}{last} |")
    return "\n".join(lines)


def worth_it_table(records: Iterable[Record], losses: Sequence[float] = (0.01, 0.02, 0.05)) -> str:
    """Ma et al. 2019's question: bytes and time of the smallest network at equal accuracy.

    For each loss of accuracy that is accepted, and both structures, the point with the fewest
    bytes among those that lose no more on the held-out images, all as means over the seeds; its
    accuracy is that on the test images. What was not weighed (see `Point.stored`) is left out.
    """
    lines = [
        "| may lose | structure | smallest | sparsity | test accuracy (%) | bytes, and how stored "
        "| times smaller | times faster |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    groups = by_system(r for r in records if r.dense.stored)
    for loss in losses:
        for kind in (WEIGHTS, "filters"):
            found = [
                (statistics.mean(p.stored[way] for p in points if p.stored), way, points, members)
                for members in groups.values() if kind_of(members[0]) == kind
                for points in zip(*(r.points for r in members), strict=True)
                if all(p.stored for p in points) and _val(points) >= members[0].dense.val - loss
                for way in points[0].stored or ()
            ]  # fmt: skip
            if found:
                lines.append(_smallest(loss, kind, *min(found, key=lambda row: row[0])))
    return "\n".join(lines)


def _val(points: Sequence[Point]) -> float:
    return statistics.mean(point.val for point in points)


def _smallest(
    loss: float, kind: str, size: float, way: str, points: Sequence[Point], members: list[Record]
) -> str:
    whole = members[0].dense.stored
    assert whole is not None
    faster = [p.dense_latency / p.latency for p in points if p.latency and p.dense_latency]
    cells = (
        f"{100 * loss:g} points", kind, members[0].system,
        f"{statistics.mean(p.sparsity for p in points):.1%}",
        plus_minus([accuracy(p) for p in points]), f"{size:,.0f} ({way})",
        f"{whole['dense'] / size:.1f}", f"{statistics.mean(faster):.2f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


TABLES: dict[str, Callable[[list[Record]], str]] = {
    "weights": lambda found: summary_table(found, WEIGHTS),
    "filters": lambda found: summary_table(found, "filters"),
    "weights again": lambda _: summary_table(load_all(AGAIN), WEIGHTS),
    "filters again": lambda _: summary_table(load_all(AGAIN), "filters"),
    "not retrained again": lambda _: comparisons.not_retrained_table(load_all(AGAIN)),
    "dense": comparisons.dense_table,
    "published": comparisons.published_table,
    "not retrained": comparisons.not_retrained_table,
    "renda": comparisons.renda_table,
    "lecture": comparisons.lecture_table,
    "spreads": spreads_table,
    "worth": worth_it_table,
    "scratch": lambda found: systems_table(r for r in found if kind_of(r) == "scratch"),
    "all": systems_table,
}


def refreshed(text: str, found: list[Record]) -> str:
    """A page with each table between `<!-- table NAME -->` and `<!-- end -->` made anew.

    >>> refreshed("<!-- table worth --> old <!-- end -->", []).count("\\n")
    3
    """

    def again(match: re.Match[str]) -> str:
        return f"<!-- table {match[1]} -->\n{TABLES[match[1]](found)}\n<!-- end -->"

    return re.sub(r"<!-- table ([\w ]+) -->.*?<!-- end -->", again, text, flags=re.DOTALL)


def main() -> None:
    """Print the tables, or write them into pages: `python -m solutions.study.tables [PAGE ...]`."""
    parser = argparse.ArgumentParser(description="Tables from the records alone.")
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files to bring up to date")
    args, found = parser.parse_args(), longest(load_all())
    for page in args.pages:
        page.write_text(refreshed(page.read_text(), found))
    if not args.pages:
        print("\n\n".join(made(found) for made in TABLES.values()))


if __name__ == "__main__":
    main()
