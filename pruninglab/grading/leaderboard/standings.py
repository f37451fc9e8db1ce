"""The rows of the leaderboard: who is ahead, the table and the picture."""

from __future__ import annotations

import base64
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from pruninglab import plots

AXES = {
    "compression": "compression: parameters before / left",
    "macs_ratio": "MAC ratio: MACs before / after",
    "speedup": "speed-up: time before / after",
}


@dataclass(frozen=True)
class Entry:
    """A network and what was measured of it, or why nothing was.

    Attributes:
        student: who handed it in; empty for the course's own dense networks.
        file: its name.
        reason: why there are no numbers; empty if there are.
        accuracy: on the test images, 0 to 1.
        sparsity, compression, macs_ratio, speedup: against the dense ResNet-20, 16 filters wide.
        digest: of the file's content.
        layers: (layer, share of the dense one's weights that is zero or removed), in order.
    """

    student: str
    file: str
    reason: str = ""
    accuracy: float = math.nan
    sparsity: float = math.nan
    compression: float = math.nan
    macs_ratio: float = math.nan
    speedup: float = math.nan
    digest: str = ""
    layers: tuple[tuple[str, float], ...] = ()


def front(rows: Sequence[Entry], axis: str) -> list[Entry]:
    """Return the rows that none beats in accuracy and in `axis`; equals beat nobody."""
    ordered = sorted(rows, key=lambda r: (-getattr(r, axis), -r.accuracy))
    best, kept = -math.inf, list[Entry]()
    for row in ordered:
        tie = kept and (getattr(kept[-1], axis), kept[-1].accuracy) == (
            getattr(row, axis),
            row.accuracy,
        )
        if row.accuracy > best or tie:
            kept.append(row)
            best = row.accuracy
    return kept


def ranking(rows: Sequence[Entry]) -> list[Entry]:
    """On more fronts first, then the more accurate, then the smaller one."""
    on = [front([r for r in rows if not r.reason], axis) for axis in AXES]
    return sorted(rows, key=lambda r: (-sum(r in f for f in on), -r.accuracy, -r.compression))


def picture(rows: Sequence[Entry], images: int) -> Figure:
    """Accuracy against each axis, with the front; networks at one place share a label."""
    figure, panels = plt.subplots(1, 3, figsize=(15, 5), sharey=True, layout="constrained")
    good = [row for row in rows if not row.reason]
    for axes, (axis, label) in zip(panels, AXES.items(), strict=True):
        panel(axes, good, axis, images)
        axes.set(xlabel=label)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set(ylabel=f"accuracy on {images:,} test images (%)")
    return figure


def panel(axes: Axes, rows: Sequence[Entry], axis: str, images: int) -> None:
    """One scatter: students blue, dense networks as black diamonds, the front as steps."""
    places: dict[tuple[float, float], list[Entry]] = defaultdict(list)
    for row in rows:
        places[getattr(row, axis), 100 * row.accuracy].append(row)
    for (x, y), here in places.items():
        own = any(row.student for row in here)
        bar = 100 * plots.confidence(y / 100, images)
        colour = plots.BLUE if own else "black"
        axes.errorbar(x, y, bar, fmt="o" if own else "D", color=colour, ms=7 if own else 5,
                      elinewidth=0.8)  # fmt: skip
    line = sorted((getattr(row, axis), 100 * row.accuracy) for row in front(rows, axis))
    axes.step(*zip(*line, strict=True), where="pre", color=plots.ORANGE, linewidth=1.2, zorder=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    label(axes, {place: names_of(here) for place, here in places.items()})


def names_of(rows: Sequence[Entry]) -> str:
    """Name those at one place."""
    return brief(", ".join(dict.fromkeys(row.student or row.file for row in rows)))


def label(axes: Axes, texts: Mapping[tuple[float, float], str]) -> None:
    """Write a text right of each point, moved down until it covers no other text."""
    taken = list[tuple[float, float]]()
    for (x, y), text in sorted(texts.items(), key=lambda item: -item[0][1]):
        right, top = axes.transData.transform((x, y))
        while any(abs(right - a) < 110 and abs(top - b) < 15 for a, b in taken):
            top -= 3
        taken.append((right, top))
        place = axes.transData.inverted().transform((right + 14, top))
        arrow = {"arrowstyle": "-", "color": "0.7", "linewidth": 0.6, "shrinkB": 4}
        axes.annotate(text, (x, y), xytext=tuple(place), fontsize=8, va="center",
                      arrowprops=arrow, parse_math=False)  # fmt: skip


def brief(text: str, longest: int = 40) -> str:
    """Shorten a text so that it fits beside a point."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def cells(row: Entry, rows: Sequence[Entry], images: int) -> dict[str, object]:
    """Return what the table shows of a row."""
    good = [r for r in rows if not r.reason]
    fronts = [axis for axis in AXES if row in front(good, axis)] if not row.reason else []
    shown: dict[str, object] = {"student": row.student, "file": row.file, "reason": row.reason}
    if row.reason:
        return shown
    half = plots.confidence(row.accuracy, images)
    return shown | {
        "accuracy": f"{row.accuracy:.1%} ± {half:.1%}",
        "numbers": [f"{row.sparsity:.1%}", f"{row.compression:.2f}"],
        "ratios": [f"{row.macs_ratio:.2f}", f"{row.speedup:.2f}"],
        "layers": [{"name": name, "share": f"{max(share, 0):.0%}"} for name, share in row.layers],
        "fronts": ", ".join(axis.replace("macs_ratio", "MACs") for axis in fronts),
    }


def write(
    rows: Sequence[Entry], images: int, folder: Path, was_busy: bool = False
) -> tuple[Path, Path]:
    """Write <folder>/leaderboard.html, which needs no other file, and leaderboard.png.

    Args:
        images: on how many the accuracies were measured.
        was_busy: the machine was, so the page says what to think of the times.
    """
    folder.mkdir(parents=True, exist_ok=True)
    html, png = folder / "leaderboard.html", folder / "leaderboard.png"
    drawn = picture(rows, images)
    drawn.savefig(png, dpi=110)
    plt.close(drawn)
    # Names and reasons are shown as text: autoescape.
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        resources.files(__package__).joinpath("leaderboard.html").read_text(encoding="utf-8")
    )
    text = template.render(
        rows=[cells(row, rows, images) for row in ranking(rows)],
        images=f"{images:,}",
        busy=was_busy,
        picture=base64.b64encode(png.read_bytes()).decode(),
        students=len({row.student for row in rows if row.student}),
    )
    html.write_text(text, encoding="utf-8")
    return html, png
