"""The tables of the results, as Markdown, made from records and published numbers alone.

Two kinds, never mixed. *Equal terms*: one structure, one schedule, one place to measure; here.
*As published*: each paper's numbers beside ours; `comparisons`.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pruninglab.plots import plus_minus
from pruninglab.results.curves import (
    accuracy,
    at,
    by_system,
    macs_left,
    of_panel,
    ranked,
    share,
)
from pruninglab.results.records import Record, load_all
from pruninglab.terminal import accept_any_text
from solutions.study import comparisons, worth
from solutions.study.comparisons import table
from solutions.study.numbers import numbers

BESIDE = ("chance", "magnitude")  # roles of the systems that all others are compared with


def points_table(records: Iterable[Record]) -> str:
    """One line per point: what the field asks for."""
    head = ("system", "budget", "dense networks", "target", "sparsity", "compression", "MACs left",
            "epochs", "test accuracy (%)", "runs")  # fmt: skip
    rows = []
    for members in by_system(records).values():
        dense = ", ".join(sorted({str(record.dense_seed) for record in members}))
        for points in zip(*(record.points for record in members), strict=True):
            times = members[0].dense.parameters / statistics.mean(p.nonzeros for p in points)
            target = points[0].target
            rows.append((
                members[0].system, members[0].budget, dense,
                "" if target is None else f"{target:g}",
                f"{statistics.mean(p.sparsity for p in points):.1%}", f"{times:.1f}",
                f"{statistics.mean(map(macs_left, points, members)):.0%}",
                f"{statistics.mean(p.epochs for p in points):g}",
                plus_minus([accuracy(p) for p in points]), str(len(points)),
            ))  # fmt: skip
    return table(head, rows)


def equal_table(
    records: Iterable[Record], panel: str, axis: str, places: Sequence[float]
) -> str:  # fmt: skip
    """Systems that prune one structure, at the same places, and how long each was trained.

    First those that were trained as long as the budget says, best at the middle place first; then
    the others, which are not ranked. The last columns are differences at the middle place, paired
    by run: to chance, and to the plain ranking by size at once.

    Args:
        axis: "sparsity": the nearest point, and in brackets what is left. "macs": on the line
            between the two nearest points, so that all have equal MACs.
        places: shares that are gone.
    """
    groups, middle = of_panel(records, panel), places[len(places) // 2]
    what = "weights" if axis == "sparsity" else "MACs"
    head = ["system", "method", "epochs", *(f"{x:.0%} of the {what} gone" for x in places)]
    fair, other = list[list[str]](), list[list[str]]()
    others = {role: [g for g in groups.values() if g[0].role == role] for role in BESIDE}
    for members in sorted(groups.values(), key=lambda g: -mean_at(g, axis, middle)):
        used = {i for x in places for i in used_points(members[0], axis, x)}
        if not used:
            continue
        row = [members[0].system, members[0].method, epochs_of(members, used)]
        row += [cell(members, axis, x) for x in places]
        row += [paired(members, found, axis, middle) for found in others.values() if found]
        (fair if all(ranked(members, i) for i in used) else other).append(row)
    for row in other:
        row[0] += " (other epochs: not ranked)"
    head += [f"at {middle:.0%}: minus {found[0][0].system}" for found in others.values() if found]
    return table(head, fair + other, words=2)


def mean_at(members: Sequence[Record], axis: str, x: float) -> float:
    """The mean accuracy at a place; 0 where there is none."""
    return statistics.mean(measured(members, axis, x) or [0.0])


def nearest(record: Record, axis: str, x: float, tolerance: float = 0.07) -> int | None:
    """The point nearest to a share, if one is near: nearer where little is left."""
    places = [share(point, record, axis) for point in record.points]
    i = min(range(len(places)), key=lambda i: abs(places[i] - x))
    return i if abs(places[i] - x) <= tolerance * (1 if x < 0.85 else 0.3) else None


def used_points(record: Record, axis: str, x: float) -> list[int]:
    """The points that a cell is made of."""
    if axis == "sparsity":
        i = nearest(record, axis, x)
        return [] if i is None else [i]
    if at(record, axis, x) is None:
        return []
    order = sorted(
        range(len(record.points)), key=lambda i: abs(share(record.points[i], record, axis) - x)
    )
    return order[:2]


def measured(members: Sequence[Record], axis: str, x: float) -> list[float]:
    """The accuracy of each run at a place; empty if one of them has none there."""
    values = []
    for record in members:
        if axis == "sparsity":
            i = nearest(record, axis, x)
            values.append(None if i is None else accuracy(record.points[i]))
        else:
            values.append(at(record, axis, x))
    return [value for value in values if value is not None] if None not in values else []


def cell(members: Sequence[Record], axis: str, x: float) -> str:
    """Mean and spread over the runs."""
    values = measured(members, axis, x)
    if not values:
        return ""
    if axis == "macs":
        return plus_minus(values)
    i = nearest(members[0], axis, x)
    assert i is not None
    return f"{plus_minus(values)} ({1 - members[0].points[i].sparsity:.0%})"


def epochs_of(members: Sequence[Record], used: Iterable[int]) -> str:
    """How long the networks of a row were trained: one number, or from - to."""
    epochs = sorted({round(members[0].points[i].epochs, 1) for i in used})
    return f"{epochs[0]:g}" if len(epochs) == 1 else f"{epochs[0]:g} to {epochs[-1]:g}"


def paired(
    members: Sequence[Record], others: Sequence[list[Record]], axis: str, x: float
) -> str:  # fmt: skip
    """How much better than another system, run by run: the mean and the spread, in points."""
    if not others or others[0][0].system == members[0].system:
        return ""
    theirs = {(r.dense_seed, r.seed): r for r in others[0]}
    pairs = [(r, theirs[key]) for r in members if (key := (r.dense_seed, r.seed)) in theirs]
    both = [(measured([one], axis, x), measured([other], axis, x)) for one, other in pairs]
    gains = [100 * (a[0] - b[0]) for a, b in both if a and b]
    if not gains:
        return ""
    spread = f" ± {statistics.stdev(gains):.1f}" if len(gains) > 1 else ""
    return f"{statistics.mean(gains):+.1f}{spread}"


def networks_table(records: Iterable[Record], places: Sequence[float] = (0.5, 0.8, 0.9)) -> str:
    """The same system from one dense network and from another, at the same sparsities."""
    rows = []
    for name, members in sorted(by_system(records).items()):
        seeds = sorted({record.dense_seed for record in members})
        for seed in seeds if len(seeds) > 1 else ():
            runs = [record for record in members if record.dense_seed == seed]
            dense = f"{100 * accuracy(runs[0].dense):.2f}"
            cells = [cell(runs, "sparsity", x) for x in places]
            rows.append((name, f"{runs[0].epochs:g}", str(seed), dense, *cells))
    head = ("system", "epochs", "dense network", "before", *(f"{x:.0%} gone" for x in places))
    return table(head, rows)


def soft_table(records: Iterable[Record]) -> str:
    """SFP, and what the same first choice gives when it is held, and without any training."""
    groups = of_panel(records, "soft")
    targets = sorted({p.target for g in groups.values() for p in g[0].points if p.target})
    rows = []
    for members in groups.values():
        by_target = {p.target: i for i, p in enumerate(members[0].points)}
        used = list(by_target.values())
        cells = [
            plus_minus([accuracy(r.points[by_target[t]]) for r in members]) if t in by_target
            else "" for t in targets
        ]  # fmt: skip
        rows.append((members[0].system, epochs_of(members, used), *cells))
    return table(("system", "epochs", *(f"{t:.0%} of the filters" for t in targets)), rows)


def spreads_table(records: Iterable[Record]) -> str:
    """How large the spreads are: quantiles of their standard deviations, in points.

    Points without any training after pruning are left out, those of one run, and those at chance.
    """
    found = sorted(
        (100 * statistics.stdev(map(accuracy, points)), members[0].system)
        for members in by_system(records).values() if len(members) > 1
        for points in zip(*(record.points for record in members), strict=True)
        if points[0].epochs and max(map(accuracy, points)) > 0.11
    )  # fmt: skip
    lines = ["| share of the points | their standard deviation is below |", "|---:|---:|"]
    for part in (0.5, 0.8, 0.9, 1.0) if found else ():
        spread, name = found[math.ceil(part * len(found)) - 1]
        last = f" ({name})" if part == 1 else ""
        lines.append(f"| {part:.0%} of {len(found)} | {spread:.1f}{last} |")
    return "\n".join(lines)


TABLES: dict[str, Callable[[list[Record]], str]] = {
    # equal terms
    "weights": lambda found: equal_table(found, "weights", "sparsity", (0.5, 0.8, 0.9, 0.95)),
    "filters": lambda found: equal_table(found, "filters", "macs", (0.3, 0.5, 0.7)),
    "soft": soft_table,
    "networks": networks_table,
    "spreads": spreads_table,
    "worth": worth.worth_it_table,
    # as published
    "dense": comparisons.dense_table,
    "published": comparisons.published_table,
    "not retrained": comparisons.not_retrained_table,
    "renda": comparisons.renda_table,
    "lecture": comparisons.lecture_table,
    # everything
    "scratch": lambda found: points_table(r for r in found if "scratch" in r.panels),
    "all": points_table,
}
MARK = r"<!-- table ([a-z ]+?)((?: (?:quick|standard|full|any))(?: \d+)*) -->.*?<!-- end -->"
NUMBER = r"<!-- = ([\w .]+) -->.*?<!-- / -->"  # in a sentence: its name, its value


def refreshed(text: str, found: list[Record]) -> str:
    """A page with each table and each number between its marks made again.

    The mark of a table names it, the budget and, if not all, the seeds of the dense networks.

    >>> refreshed("<!-- table worth quick 0 --> old <!-- end -->", []).count("\\n")
    3
    """

    def again(match: re.Match[str]) -> str:
        name, (budget, *dense) = match[1], match[2].split()
        some = [
            r for r in found
            if budget in ("any", r.budget) and (not dense or str(r.dense_seed) in dense)
        ]  # fmt: skip
        return f"<!-- table {name}{match[2]} -->\n{TABLES[name](some)}\n<!-- end -->"

    text = re.sub(MARK, again, text, flags=re.DOTALL)
    if not re.search(NUMBER, text):
        return text
    known = numbers(found)
    return re.sub(NUMBER, lambda m: f"<!-- = {m[1]} -->{known[m[1]]}<!-- / -->", text)


def main() -> None:
    """Print the tables, or write them into pages: `python -m solutions.study.tables [PAGE ...]`."""
    accept_any_text()
    parser = argparse.ArgumentParser(description="Tables from the records alone.")
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files to bring up to date")
    parser.add_argument("--budget", default="quick", help="of the tables that are printed")
    parser.add_argument("--dense", type=int, default=0, help="seed of their dense network")
    args, found = parser.parse_args(), list(load_all())
    for page in args.pages:
        page.write_text(refreshed(page.read_text(encoding="utf-8"), found), encoding="utf-8")
    if not args.pages:
        # Points of one system are compared one by one, and each network may have its own.
        some = [r for r in found if (r.budget, r.dense_seed) == (args.budget, args.dense)]
        print("\n\n".join(made(some) for made in TABLES.values()))


if __name__ == "__main__":
    main()
