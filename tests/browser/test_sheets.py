"""Solved notebooks as pictures, light and dark: build/sheets/LAB-light-01.png and on.

One lab takes seconds, all of them minutes: SHEETS=1 make test-browser draws all of them. Whether
text and pictures agree only a person can tell: look at them. What a test can tell is that nothing
is missing or wider than the page, and that text differs from its ground in the dark, too.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter

from solutions.builder import build
from tests.browser.conftest import ROOT, SCREEN

SHEETS = ROOT / "build" / "sheets"
LABS = list(build.LABS) if os.environ.get("SHEETS") else ["07_project"]
TALL = 6000  # pixels of a sheet; Chromium draws no more than 16,384 at once

# Of each picture: whether it is there, and its two edges.
PICTURES = """[...document.images].map(image => {
    const place = image.getBoundingClientRect();
    return [image.naturalWidth > 0, place.left, place.right];
})"""
# Brightness of the page and of its paragraphs' text, 0 to 255.
BRIGHTNESS = """(() => {
    const mean = colour => colour.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b / 3, 0);
    const body = mean(getComputedStyle(document.body).backgroundColor);
    const texts = [...document.querySelectorAll(".jp-RenderedMarkdown p, .jp-RenderedMarkdown td")];
    return [body, texts.map(text => mean(getComputedStyle(text).color))];
})()"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("lab", LABS)
def test_a_notebook_as_pictures(lab: str, theme: str, page: Any, tmp_path: Path) -> None:
    notebook = nbformat.read(build.NOTEBOOKS / lab / f"{lab}.ipynb", as_version=4)
    html, _ = HTMLExporter(theme=theme).from_notebook_node(notebook)
    file = tmp_path / f"{lab}.html"
    file.write_text(html, encoding="utf-8")
    page.goto(file.as_uri(), wait_until="load")
    keep(page, f"{lab}-{theme}")
    drawn = sum(
        "image/png" in output.get("data", {})
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    pictures = page.evaluate(PICTURES)
    assert len(pictures) == drawn > 2
    for there, left, right in pictures:
        assert there
        assert 0 <= left < right <= SCREEN["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= SCREEN["width"]
    ground, texts = page.evaluate(BRIGHTNESS)
    assert (ground < 60) == (theme == "dark")
    assert texts
    assert all(abs(text - ground) > 100 for text in texts)


def keep(page: Any, name: str) -> None:
    """Write the whole page as numbered sheets, in place of those of an earlier run."""
    SHEETS.mkdir(parents=True, exist_ok=True)
    for old in SHEETS.glob(f"{name}-*.png"):
        old.unlink()
    height = page.evaluate("document.documentElement.scrollHeight")
    for number, top in zip(count(1), range(0, height, TALL), strict=False):
        clip = {"x": 0, "y": top, "width": SCREEN["width"], "height": min(TALL, height - top)}
        page.screenshot(path=SHEETS / f"{name}-{number:02}.png", full_page=True, clip=clip)
