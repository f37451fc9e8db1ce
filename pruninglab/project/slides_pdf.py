"""Slides as a PDF: a page per slide, drawn by matplotlib, so that it needs no browser."""

from __future__ import annotations

import base64
import io
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from pruninglab.plots import BLUE
from pruninglab.project.talk import Slide


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
