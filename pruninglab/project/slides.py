"""Slides for a 7-minute talk: `python -m pruninglab.project.slides RECORDS... --talk talk.md`.

It writes one HTML page (reveal.js is inside: no network when it is shown; arrow keys, F for full
screen) and one PDF, which needs no browser to be made. All numbers and the figure come from the
records, all words from the talk: a text file with the sections that `talk.SECTIONS` lists.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
from markupsafe import Markup

from pruninglab.project.slides_pdf import pdf
from pruninglab.project.talk import SECTIONS, Slide, compose, read_talk, unfinished
from pruninglab.results import records
from pruninglab.results.records import Record
from pruninglab.terminal import accept_any_text

__all__ = ["main", "make", "read_talk", "unfinished"]
ASSETS = resources.files("pruninglab") / "assets" / "reveal"


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


def make(found: Sequence[Record], talk: Mapping[str, str], path: Path) -> tuple[Path, Path]:
    """Write `path`.html and `path`.pdf.

    Args:
        found: the records of a project, with one control at least (a name with "random" in it).
        talk: the words, see `read_talk`.
        path: without an ending.

    Returns:
        The two paths.

    Raises:
        ValueError: there are no records, or a section of the talk is still to be written. Nothing
            is written then.
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
    accept_any_text()
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
    if missing := [str(path) for path in args.records if not path.exists()]:
        parser.error(f"there is no {', '.join(missing)}: run the project first, or give its folder")
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
