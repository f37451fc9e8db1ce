"""What is on the slides of a 7-minute talk: words from a text file, all numbers from records."""

from __future__ import annotations

import base64
import io
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from pruninglab.project.overlay import about, overlay
from pruninglab.results import curves
from pruninglab.results.records import Point, Record

SECTIONS = ("Title", "Author", "Question", "Prediction", "Surprise", "Next")
LONGEST = 700  # characters of a section: what can be read on a slide
PARAGRAPHS = 8  # of a section
ROWS = 9  # of a table on one slide
# What a section says before it is written: "Write your prediction here", "Your name", "TODO".
PLACEHOLDER = re.compile(r"\bwrite\b.{0,40}\bhere\b|^your names?\W*$|\btodo\b", re.I | re.S)
HEAD = ("system", "sparsity", "compression", "MAC ratio", "speed-up", "accuracy (%)", "seeds")
DEFINITIONS = (
    "Sparsity: share of the dense network's convolution and linear weights that is zero or "
    "removed. Compression: all parameters before / those that are left. MAC ratio: MACs before / "
    "after, zeros counted. Speed-up: time of one image on one CPU thread, before / after. "
    "Accuracy: mean ± sample standard deviation over the seeds."
)


@dataclass(frozen=True)
class Slide:
    """What is on a slide; how it looks is up to the page and to the PDF."""

    title: str
    paragraphs: Sequence[str] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    small: str = ""
    kind: str = ""
    alt: str = ""
    drawn: Figure | None = field(default=None, compare=False)

    @property
    def long(self) -> bool:
        """Whether its text needs smaller letters."""
        return sum(map(len, self.paragraphs)) > 450

    @property
    def picture(self) -> str:
        """The figure as base64 PNG, empty if there is none."""
        if self.drawn is None:
            return ""
        file = io.BytesIO()
        self.drawn.savefig(file, format="png", dpi=140)
        return base64.b64encode(file.getvalue()).decode()


def read_talk(text: str) -> dict[str, str]:
    """The sections of a talk, each under a line such as `## Surprise`.

    Raises:
        ValueError: a heading that is not in `SECTIONS`, or a section too long for a slide.

    >>> read_talk("## Title\\nFewer filters\\n## Surprise\\nChance did well.")
    {'Title': 'Fewer filters', 'Surprise': 'Chance did well.'}
    """
    found: dict[str, str] = {}
    for part in ("\n" + text).split("\n## ")[1:]:
        name, _, body = part.partition("\n")
        name = name.strip()
        if name not in SECTIONS:
            known = ", ".join(SECTIONS)
            raise ValueError(f"the talk has a section {name!r}: choose from {known}")
        if len(body.strip()) > LONGEST:
            raise ValueError(
                f"the section {name!r} has {len(body.strip())} characters: no more than {LONGEST} "
                "fit on a slide, and fewer are better"
            )
        if len(paragraphs(body)) > PARAGRAPHS:
            raise ValueError(f"the section {name!r} has more than {PARAGRAPHS} paragraphs")
        found[name] = body.strip()
    return found


def unfinished(talk: Mapping[str, str]) -> list[str]:
    """List the sections that are still to be written; only the title may be left out.

    >>> unfinished({"Author": "Ada", "Question": "Why?", "Prediction": "Write yours here."})
    ['Prediction', 'Surprise', 'Next']
    """
    return [
        name for name in SECTIONS
        if PLACEHOLDER.search(talk.get(name, "")) or (name != "Title" and not talk.get(name))
    ]  # fmt: skip


def paragraphs(text: str) -> list[str]:
    """Split a section into its paragraphs, each on one line."""
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return [part for part in parts if part]


def table(found: Sequence[Record]) -> list[list[str]]:
    """A row per system and target, over its seeds; the first row is the dense network."""
    first = found[0]
    dense = [f"dense: {first.network}", "0 %", "1", "1", "1", percent([first.dense]), "1"]
    rows = [dense]
    for name, members in curves.by_system(found).items():
        for points in zip(*(record.points for record in members), strict=True):
            rows.append(row(name, points, first.dense))
    return rows


def row(name: str, points: Sequence[Point], dense: Point) -> list[str]:
    """The networks of one target, one per seed: means of what differs between them."""
    sparsity = statistics.mean(p.sparsity for p in points)
    smaller = statistics.mean(dense.parameters / max(p.nonzeros, 1) for p in points)
    fewer = statistics.mean(dense.macs / p.macs for p in points)
    times = [p.dense_latency / p.latency for p in points if p.latency and p.dense_latency]
    measured = f"{statistics.mean(times):.2f}" if times else "not yet"
    share = f"{100 * sparsity:.1f} %"
    return [
        name, share, f"{smaller:.1f}", f"{fewer:.2f}", measured, percent(points), str(len(points)),
    ]  # fmt: skip


def percent(points: Sequence[Point]) -> str:
    """Mean and spread of the accuracies, and a word if they are not those of the test images."""
    values = [100 * curves.accuracy(p) for p in points]
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    place = "" if all(p.test is not None for p in points) else " (val)"
    return f"{statistics.mean(values):.1f}{spread}{place}"


def compose(found: Sequence[Record], talk: Mapping[str, str]) -> list[Slide]:
    """Make the slides of a talk: about one a minute.

    Title, system and three answers are those of the record that is no control, so that they belong
    to the recipe that was run.

    Raises:
        ValueError: a section is still to be written.
    """
    if missing := unfinished(talk):
        raise ValueError(
            f"no slides yet: write {', '.join(missing)} first (a section that is empty or still "
            "says what to write there does not count)"
        )
    main = next((r for r in found if r.role != "chance"), found[0])
    mine = [record for record in found if record.system == main.system]
    setting = f"{main.network} on {main.dataset.upper().replace('CIFAR', 'CIFAR-')}"
    trained = f"{setting}; {about(mine)}"
    guess = paragraphs(talk["Prediction"])
    answers = [["Structure", main.structure], ["Criterion", main.criterion],
               ["Method", main.method]]  # fmt: skip
    title = talk.get("Title") or main.system
    subtitle = setting if title == main.system else f"{main.system}: {setting}"
    alt = f"Accuracy against the share of weights that is gone: {title}"
    rows = table(found)
    return [
        Slide(title, [*paragraphs(talk["Author"]), subtitle], kind="first"),
        Slide(
            "The question, and what we expected",
            [*paragraphs(talk["Question"]), f"We expected: {guess[0]}", *guess[1:]],
        ),
        Slide("Three answers make a method", rows=answers, small=trained, kind="words"),
        Slide("What came out", drawn=overlay(found), alt=alt),
        *tables(rows),
        Slide("What surprised us", paragraphs(talk["Surprise"])),
        Slide("What we would do next", paragraphs(talk["Next"])),
    ]


def tables(rows: Sequence[Sequence[str]]) -> Iterator[Slide]:
    """The rows, on as many slides as they need."""
    for start in range(0, len(rows), ROWS):
        title = "In numbers" if not start else "In numbers, continued"
        yield Slide(title, head=HEAD, rows=rows[start : start + ROWS], small=DEFINITIONS)
