"""Slides as a PDF: a page per slide, drawn by matplotlib, so that it needs no browser.

Lines are broken where the measured width of their letters says so, and letters shrink until the
text fits into its part of the page: nothing runs out of it.
"""

from __future__ import annotations

import base64
import functools
import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from pruninglab.plots import BLUE
from pruninglab.project.talk import Slide

WIDE, HIGH = 13.33 * 72, 7.5 * 72  # of a page, in points
LINE = 1.35  # distance of two lines, in heights of letters
SMALLEST = 7.0  # points: below that nobody can read it, and no allowed text needs it


@dataclass(frozen=True)
class Box:
    """A part of the page, in shares of it: the text hangs from its top left corner."""

    left: float
    top: float
    width: float
    height: float


TITLE = Box(0.05, 0.95, 0.9, 0.16)
FIRST_TITLE = Box(0.05, 0.95, 0.9, 0.2)
BODY = Box(0.05, 0.74, 0.9, 0.56)
SMALL = Box(0.05, 0.14, 0.86, 0.1)
TABLE = Box(0.05, 0.78, 0.9, 0.62)


def pdf(slides: Sequence[Slide], path: Path) -> None:
    """Write a page per slide."""
    with PdfPages(path) as out:
        for sheet in sheets(slides):
            out.savefig(sheet)
            plt.close(sheet)


def sheets(slides: Sequence[Slide]) -> Iterator[Figure]:
    """Draw the pages one after the other; whoever takes one closes it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # e.g. an emoji: an empty box
        for number, slide in enumerate(slides, start=1):
            sheet = plt.figure(figsize=(WIDE / 72, HIGH / 72))
            first = number == 1
            words(sheet, FIRST_TITLE if first else TITLE, [slide.title], 34 if first else 26, BLUE)
            if slide.drawn is not None:
                picture(sheet, slide)
            words(sheet, BODY, slide.paragraphs, 22, "0.13")
            if slide.rows:
                grid(sheet, slide)
            words(sheet, SMALL, [slide.small], 11, "0.35")
            words(sheet, Box(0.94, 0.04, 0.05, 0.03), [f"{number}/{len(slides)}"], 10, "0.4")
            yield sheet


def picture(sheet: Figure, slide: Slide) -> None:
    """Draw the slide's figure below the title."""
    axes = sheet.add_axes((0.03, 0.05, 0.94, 0.76))
    axes.imshow(plt.imread(io.BytesIO(base64.b64decode(slide.picture))))
    axes.axis("off")


# --- text that fits ---------------------------------------------------------------------------


@functools.cache
def width(word: str) -> float:
    """Measure a word: its width in points in letters of one point."""
    renderer, font = RendererAgg(1, 1, 72), FontProperties(size=100)
    return renderer.get_text_width_height_descent(word, font, ismath=False)[0] / 100


def wrapped(text: str, size: float, room: float) -> list[str]:
    """Break a text into lines no wider than `room` points; a word that is wider is cut.

    >>> wrapped("one two", size=10, room=30)
    ['one', 'two']
    """
    lines, used, space = [""], 0.0, width("a a") - 2 * width("a")
    for word in (part for whole in text.split() for part in cut(whole, room / size)):
        if used and used + space + width(word) > room / size:
            lines.append("")
            used = 0.0
        lines[-1] += f" {word}" if used else word
        used += width(word) + (space if used else 0)
    return lines


def cut(word: str, room: float) -> list[str]:
    """Split a word into pieces that are no wider than `room`; nearly always it is one."""
    if width(word) <= room:
        return [word]
    widest = max(width(letter) for letter in word)
    step = max(1, int(room / widest))
    return [word[i : i + step] for i in range(0, len(word), step)]


def fitted(texts: Sequence[str], size: float, room: float, height: float) -> tuple[str, float]:
    """Wrap paragraphs in the largest letters, up to `size`, in which they fit into their box.

    Returns:
        the text with its line breaks, and the size of its letters in points.
    """
    while True:
        paragraphs = [wrapped(text, size, room) for text in texts]
        text = "\n\n".join("\n".join(lines) for lines in paragraphs)
        if (text.count("\n") + 1) * size * LINE <= height or size <= SMALLEST:
            return text, size
        size -= 1


def words(sheet: Figure, box: Box, texts: Sequence[str], size: float, colour: str) -> None:
    """Write paragraphs into a box; a `$` begins no mathematics."""
    text, size = fitted(texts, size, box.width * WIDE, box.height * HIGH)
    sheet.text(
        box.left, box.top, text, size=size, color=colour, va="top", linespacing=1.2,
        parse_math=False,
    )  # fmt: skip


def grid(sheet: Figure, slide: Slide) -> None:
    """Draw a table: the first column is text, the others are numbers (or, with "words", text)."""
    wordy = slide.kind == "words"
    lines = [*([slide.head] if slide.head else []), *slide.rows]
    first = 0.2 if wordy else 0.25
    shares = [first] + [(1 - first) / (len(lines[0]) - 1)] * (len(lines[0]) - 1)
    cells, size = fitted_rows(lines, 20.0 if wordy else 14.0, shares)
    y = TABLE.top
    for row in cells:
        x = TABLE.left
        for column, (text, share) in enumerate(zip(row, shares, strict=True)):
            left = column == 0 or wordy
            place = x if left else x + share * TABLE.width - 0.005
            sheet.text(
                place, y, text, size=size, va="top", ha="left" if left else "right",
                color=BLUE if wordy and column == 0 else "black", linespacing=1.2, parse_math=False,
            )  # fmt: skip
            x += share * TABLE.width
        y -= row_height(row, size) / HIGH
        ends = [TABLE.left, TABLE.left + TABLE.width]
        line = plt.Line2D(ends, [y + 0.008] * 2, color="0.8", linewidth=1)
        sheet.add_artist(line)


def fitted_rows(
    rows: Sequence[Sequence[str]], size: float, shares: Sequence[float]
) -> tuple[list[list[str]], float]:
    """Wrap each cell in its column, in the largest letters in which all rows fit on the page."""
    rooms = [share * TABLE.width * WIDE - 8 for share in shares]
    while True:
        cells = [
            ["\n".join(wrapped(text, size, room)) for text, room in zip(row, rooms, strict=True)]
            for row in rows
        ]
        height = sum(row_height(row, size) for row in cells)
        if height <= TABLE.height * HIGH or size <= SMALLEST:
            return cells, size
        size -= 1


def row_height(row: Sequence[str], size: float) -> float:
    """Points that a row of wrapped cells needs, with the space to the next one."""
    return (max(cell.count("\n") for cell in row) + 1) * size * LINE + 0.6 * size
