"""Slides for a 7-minute talk: `python -m pruninglab.slides RECORDS... --talk talk.md`.

It writes one HTML page (reveal.js is inside: no network when it is shown; arrow keys, F for full
screen) and one PDF, which needs no browser to be made. All numbers and the figure come from the
records, all words from the talk: a text file with the sections that `SECTIONS` lists.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import statistics
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
from markupsafe import Markup
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from pruninglab import curves, records
from pruninglab.overlay import about, overlay
from pruninglab.plots import BLUE
from pruninglab.records import Point, Record

ASSETS = resources.files("pruninglab") / "assets" / "reveal"
SECTIONS = ("Title", "Author", "Question", "Prediction", "Surprise", "Next")
LONGEST = 700  # characters of a section: what can be read on a slide
ROWS = 9  # of a table on one slide
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


# --- words ----------------------------------------------------------------------------------------


def read_talk(text: str) -> dict[str, str]:
    """The sections of a talk, each under a line such as `## Surprise`.

    Raises:
        ValueError: a heading that is none of `SECTIONS`, or a section too long for a slide.

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
        found[name] = body.strip()
    return found


def paragraphs(text: str, missing: str) -> list[str]:
    """A section, paragraph by paragraph."""
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return [part for part in parts if part] or [f"({missing})"]


# --- numbers --------------------------------------------------------------------------------------


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


# --- slides ---------------------------------------------------------------------------------------


def compose(found: Sequence[Record], talk: Mapping[str, str]) -> list[Slide]:
    """The slides of a talk: about one a minute."""
    main = next((r for r in found if "random" not in r.system.lower()), found[0])
    mine = [record for record in found if record.system == main.system]
    setting = f"{main.network} on {main.dataset.upper().replace('CIFAR', 'CIFAR-')}"
    trained = f"{setting}; {about(mine)}"
    question = paragraphs(talk.get("Question", ""), "what did you want to know?")
    guess = paragraphs(talk.get("Prediction", ""), "what did you expect, and why?")
    answers = [["Structure", main.structure], ["Criterion", main.criterion],
               ["Method", main.method]]  # fmt: skip
    title = talk.get("Title") or main.system
    surprise = paragraphs(talk.get("Surprise", ""), "what did not come out as you expected?")
    following = paragraphs(talk.get("Next", ""), "what would you try with another week?")
    alt = f"Accuracy against the share of weights that is gone: {title}"
    rows = table(found)
    return [
        Slide(title, [*paragraphs(talk.get("Author", ""), "who are you?"), setting], kind="first"),
        Slide(
            "The question, and what we expected",
            [*question, f"We expected: {guess[0]}", *guess[1:]],
        ),
        Slide("Three answers make a method", rows=answers, small=trained, kind="words"),
        Slide("What came out", drawn=overlay(found), alt=alt),
        *tables(rows),
        Slide("What surprised us", surprise),
        Slide("What we would do next", following),
    ]


def tables(rows: Sequence[Sequence[str]]) -> Iterator[Slide]:
    """The rows, on as many slides as they need."""
    for start in range(0, len(rows), ROWS):
        title = "In numbers" if not start else "In numbers, continued"
        yield Slide(title, head=HEAD, rows=rows[start : start + ROWS], small=DEFINITIONS)


def page(slides: Sequence[Slide]) -> str:
    """One HTML page. Words are text, never markup; only the two scripts of this page may run."""
    reveal = (ASSETS / "reveal.js").read_text(encoding="utf-8")
    start = "Reveal.initialize({hash: false, slideNumber: 'c/t', transition: 'none', width: 1280, "
    start += (
        "height: 720, margin: 0.05, center: false, controls: false, pdfSeparateFragments: false});"
    )
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        (ASSETS / "slides.html").read_text(encoding="utf-8")
    )
    return template.render(
        title=slides[0].title, slides=slides, reveal_js=Markup(reveal), start_js=Markup(start),
        reveal_css=Markup((ASSETS / "reveal.css").read_text(encoding="utf-8")),
        reveal_hash=digest(reveal), start_hash=digest(start),
    )  # fmt: skip


def digest(script: str) -> str:
    """A script's name in a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


# --- the same as a PDF ----------------------------------------------------------------------------


def pdf(slides: Sequence[Slide], path: Path) -> None:
    """A page per slide, drawn by matplotlib: it needs no browser."""
    with PdfPages(path) as out, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # e.g. an emoji: an empty box
        for number, slide in enumerate(slides, start=1):
            sheet = plt.figure(figsize=(13.33, 7.5))
            words(sheet, 0.05, 0.88, [slide.title], 34 if number == 1 else 26, BLUE, 48)
            fill(sheet, slide)
            words(sheet, 0.95, 0.03, [f"{number}/{len(slides)}"], 10, "0.4", 40)
            out.savefig(sheet)
            plt.close(sheet)


def fill(sheet: Figure, slide: Slide) -> None:
    """What is below the title."""
    if slide.drawn is not None:
        axes = sheet.add_axes((0.03, 0.05, 0.94, 0.76))
        image = plt.imread(io.BytesIO(base64.b64decode(slide.picture)))
        axes.imshow(image)
        axes.axis("off")
    size = 18 if slide.long else 22
    words(sheet, 0.05, 0.72, slide.paragraphs, size, "0.13", 1750 // size)
    if slide.rows:
        grid(sheet, slide)
    words(sheet, 0.05, 0.14, [slide.small], 11, "0.35", 150)


def words(
    sheet: Figure, x: float, y: float, texts: Sequence[str], size: float, colour: str, width: int
) -> None:
    """Paragraphs from (x, y) downwards, in lines of `width` characters; no mathematics in `$`."""
    lines = "\n\n".join("\n".join(textwrap.wrap(text, width)) for text in texts)
    sheet.text(x, y, lines, size=size, color=colour, va="top", linespacing=1.35, parse_math=False)


def grid(sheet: Figure, slide: Slide) -> None:
    """A table: the first column is text, the others are numbers."""
    axes = sheet.add_axes((0.05, 0.16, 0.9, 0.62))
    axes.axis("off")
    wide = 0.22 if slide.kind == "words" else 0.34
    columns = len(slide.rows[0])
    widths = [wide] + [(1 - wide) / (columns - 1)] * (columns - 1)
    wrapped = 60 if slide.kind == "words" else 34
    cells = [["\n".join(textwrap.wrap(cell, wrapped)) for cell in line] for line in slide.rows]
    made = axes.table(
        cells, colLabels=list(slide.head) or None, colWidths=widths, edges="horizontal",
        loc="upper left", cellLoc="left" if slide.kind == "words" else "right",
    )  # fmt: skip
    made.auto_set_font_size(False)
    made.set_fontsize(20 if slide.kind == "words" else 14)
    for (_, column), cell in made.get_celld().items():
        cell.set_height(0.16 if slide.kind == "words" else 0.092)
        cell.set_edgecolor("0.8")
        cell.get_text().set_parse_math(False)
        if column == 0:
            cell.set_text_props(ha="left", color=BLUE if slide.kind == "words" else "black")


# --- both -----------------------------------------------------------------------------------------


def make(found: Sequence[Record], talk: Mapping[str, str], path: Path) -> tuple[Path, Path]:
    """Write `path`.html and `path`.pdf.

    Args:
        found: the records of a project, with one control at least (a name with "random" in it).
        talk: the words, see `read_talk`.
        path: without an ending.

    Returns:
        The two paths.

    Raises:
        ValueError: there are no records.
    """
    if not found:
        raise ValueError("there are no records: run the project first")
    slides = compose(found, talk)
    html, paper = path.with_name(path.name + ".html"), path.with_name(path.name + ".pdf")
    html.parent.mkdir(parents=True, exist_ok=True)
    html.write_text(page(slides), encoding="utf-8")
    pdf(slides, paper)
    plt.close("all")
    return html, paper


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Slides for a 7-minute talk, from records.")
    parser.add_argument(
        "records", nargs="+", type=Path, metavar="RECORDS", help="files, or folders"
    )
    about_talk = f"sections {', '.join(SECTIONS)}; if not given, talk.md beside the records"
    parser.add_argument("--talk", type=Path, help=about_talk)
    parser.add_argument("--title")
    parser.add_argument("--author")
    parser.add_argument("--out", type=Path, help="without an ending; talk, beside the records")
    args = parser.parse_args()
    files = [f for p in args.records for f in (sorted(p.glob("*.json")) if p.is_dir() else [p])]
    beside = (files or args.records)[0].parent / "talk.md"
    text = args.talk or (beside if beside.exists() else None)
    try:
        talk: dict[str, Any] = read_talk(text.read_text(encoding="utf-8")) if text else {}
        talk |= {k: v for k, v in (("Title", args.title), ("Author", args.author)) if v}
        found = [records.load(path) for path in files]
        html, paper = make(found, talk, args.out or (files or args.records)[0].parent / "talk")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(f"{html}\n{paper}")


if __name__ == "__main__":
    main()
