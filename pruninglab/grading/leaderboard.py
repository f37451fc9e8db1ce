"""The leaderboard of lab 7: `python -m pruninglab.grading.leaderboard FOLDER`.

FOLDER holds what students handed in: a folder per student, or files as the learning platform names
them; networks are `.npz` files of `pruninglab.networks`, in zips or not. Accuracy, compression,
MACs and time are measured here, from the networks. Whatever else lies there, a table, a record, a
file name that claims 99 %, is not read.

What it keeps out: a file is never executed nor unpickled, and one that is too large, too slow or
no ResNet-20 becomes a row with its reason. What it does not: a network that was trained or chosen
on the test images, which are public. Its accuracy would drop on other images; ask for its record.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import math
import os
import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import jinja2
import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from torch import nn
from tqdm.auto import tqdm

from pruninglab import checkpoints, counters, data, networks, plots
from pruninglab.grading.handed_in import Unreadable, is_plain, members_of, read_file
from pruninglab.project import in_turns
from pruninglab.training import accuracy

MOST = 3  # networks of a student
SLOWEST = 20  # times the MACs of the dense network; one four times as wide has 16
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


# --- what was handed in ---------------------------------------------------------------------------


def handed_in(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """(student, file name, content) of every network; without content where there is none.

    A student with nothing in it gets a line, too: (student, "", b"").
    """
    for place in sorted(folder.iterdir()):
        if place.name.startswith(".") or place.is_symlink():
            continue
        files = [place] if place.is_file() else sorted(place.rglob("*"))
        found = [(p.name, p) for p in files if is_plain(p, folder)]
        networks_of = [pair for name, path in found for pair in contents(name, path)]
        for name, content in networks_of or [("", b"")]:
            yield student_of(place), name, content


def student_of(place: Path) -> str:
    """Whose file or folder it is: its name up to what a learning platform has added."""
    name = place.stem if place.is_file() else place.name
    return name.split("_assignsubmission_")[0]


def contents(name: str, path: Path) -> list[tuple[str, bytes]]:
    """The networks in a file: itself, or those in a zip. Unreadable: its name, and nothing."""
    try:
        if path.suffix.lower() == ".npz":
            return [(name, read_file(path))]
        if path.suffix.lower() == ".zip":
            inside = members_of(name, read_file(path), {".npz": networks.LIMIT})
            return [(Path(member).name, content) for member, content in inside]
    except Unreadable:
        return [(name, b"")]
    return []


# --- measuring ------------------------------------------------------------------------------------


class Ruler:
    """Measures networks on the same images and against the same dense network."""

    def __init__(self, images: data.Images) -> None:
        self.images, self.dense = images, checkpoints.trained(16)

    def entry(self, student: str, file: str, content: bytes) -> Entry:
        """The row of a file, whatever is in it."""
        if not content:
            reason = f"{file} cannot be read" if file else "no network (.npz) was handed in"
            return Entry(student, file, reason)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "network.npz"
            path.write_bytes(content)
            try:
                return replace(
                    self.measured(student, file, networks.load(path)),
                    digest=hashlib.sha256(content).hexdigest(),
                )
            except networks.Unreadable as error:
                return Entry(student, file, str(error).removeprefix("network.npz: "))
            except Exception as error:  # one file must not stop the others
                return Entry(student, file, f"cannot be measured: {type(error).__name__}: {error}")

    def measured(self, student: str, file: str, model: nn.Module) -> Entry:
        """All numbers of a network.

        Raises:
            Unreadable: it is for other classes, or too slow.
        """
        classes, macs = len(model.get_parameter("fc.bias")), counters.macs(model)
        if classes != len(self.images.classes):
            wanted = f"{self.images.name} has {len(self.images.classes)}"
            raise networks.Unreadable(f"it tells {classes} classes apart, and {wanted}")
        if macs > SLOWEST * counters.macs(self.dense):
            raise networks.Unreadable(f"{macs:,} MACs are more than {SLOWEST} times the dense ones")
        before, after = in_turns(self.dense, model)
        gone = 1 - counters.nonzeros(model) / counters.prunable_weights(self.dense)
        return Entry(
            student, file, "", accuracy(model, self.images), gone,
            counters.compression(model, self.dense), counters.macs(self.dense) / macs,
            before / after,
        )  # fmt: skip

    def controls(self) -> list[Entry]:
        """The dense networks of the course: whole, and narrow from the start."""
        return [
            self.measured("", f"dense, {width} wide", checkpoints.trained(width))
            for width in checkpoints.WIDTHS
        ]


def measure_all(folder: Path, images: data.Images, progress: bool = True) -> list[Entry]:
    """A row for every network that was handed in, and for every student without one."""
    torch.set_flush_denormal(True)  # tiny numbers are slow on purpose or by accident
    ruler, counted, rows = Ruler(images), Counter[str](), []
    for student, file, content in tqdm(
        list(handed_in(folder)), unit="network", disable=not progress
    ):
        counted[student] += 1
        if counted[student] > MOST:
            rows.append(Entry(student, file, f"only the first {MOST} networks count"))
            continue
        rows.append(ruler.entry(student, file, content))
    torch.set_flush_denormal(False)
    return twins(rows) + ruler.controls()


def twins(rows: Sequence[Entry]) -> list[Entry]:
    """The rows; where two students handed in the same file, both names say so."""
    owners: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        owners[row.digest].add(row.student)
    named = []
    for row in rows:
        others = sorted(owners[row.digest] - {row.student}) if row.digest else []
        note = f" (the same file as {', '.join(others)})" if others else ""
        named.append(replace(row, file=row.file + note))
    return named


# --- who is ahead ---------------------------------------------------------------------------------


def front(rows: Sequence[Entry], axis: str) -> list[Entry]:
    """The rows that none beats in accuracy and in `axis`; equals do not beat each other."""
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


# --- showing --------------------------------------------------------------------------------------


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
    """Who is at one place."""
    return brief(", ".join(dict.fromkeys(row.student or row.file for row in rows)))


def label(axes: Axes, texts: Mapping[tuple[float, float], str]) -> None:
    """A text right of each point, moved down until it covers no other text."""
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
    """A text that fits beside a point."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def cells(row: Entry, rows: Sequence[Entry], images: int) -> dict[str, object]:
    """What the table shows of a row."""
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
        "fronts": ", ".join(axis.replace("macs_ratio", "MACs") for axis in fronts),
    }


def busy() -> bool:
    """Whether other programs keep this machine busy, so that times are not to be trusted."""
    return os.name == "posix" and os.getloadavg()[0] > 0.75 * (os.cpu_count() or 1)


def write(
    rows: Sequence[Entry], images: int, folder: Path, was_busy: bool = False
) -> tuple[Path, Path]:
    """<folder>/leaderboard.html, which needs no other file, and leaderboard.png.

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
        resources.files("pruninglab.grading").joinpath("leaderboard.html").read_text()
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


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Measure the networks of a class.")
    parser.add_argument("folder", type=Path, help="what was handed in")
    parser.add_argument("--out", type=Path, default=Path("build/leaderboard"))
    parser.add_argument(
        "--full", action="store_true", help="all 10,000 test images, not the 2,000 embedded ones"
    )
    args = parser.parse_args()
    if not args.folder.is_dir():
        parser.error(f"there is no folder {args.folder}")
    images = data.load("cifar10", "test") if args.full else data.subset("test")
    was_busy = busy()
    rows = measure_all(args.folder, images)
    html, png = write(rows, len(images), args.out, was_busy)
    broken = [row for row in rows if row.reason]
    for row in broken:
        print(f"{row.student}: {row.file or 'nothing'}: {row.reason}")
    if was_busy:
        print("other programs kept this machine busy: do not trust the times, run it again")
    mean = statistics.fmean([r.accuracy for r in rows if not r.reason])
    print(f"{len(rows) - len(broken)} networks measured, mean accuracy {mean:.1%}\n{html}\n{png}")


if __name__ == "__main__":
    main()
