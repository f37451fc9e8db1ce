"""The website: what is on it, that no answer is, and that it asks no other machine for anything."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import nbformat
import pytest

from solutions.builder import build, bundle, site

# Sphinx announces changes of its own to the makers of themes and extensions.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"
)
OUTSIDE = re.compile(r"""(?:src=|<link[^>]*href=|url\(|@import )["']?(?:https?:)?//[^"')]+""")


@cache
def given() -> str:
    """All that the labs' own cells say: a line of an answer may be there for everybody to see."""
    labs = [build.ROOT / "labs" / lab / f"{lab}.ipynb" for lab in build.LABS]
    return "\n".join(c.source for lab in labs for c in nbformat.read(lab, as_version=4).cells)


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's pages."""
    into = tmp_path_factory.mktemp("site")
    site.make(into)
    return into / "html"


def answers(lab: str) -> Iterator[str]:
    """The lines of a lab's model answers that are long enough to be nobody else's."""
    for lines in bundle.secrets(lab, "SOLUTION"):
        yield from (line.strip() for line in lines if len(line.strip()) > 60)


def test_every_page_is_there(html: Path) -> None:
    for page in ("index.md", *site.pages()):
        assert (html / page).with_suffix(".html").is_file()


def test_a_lab_is_what_students_get(html: Path) -> None:
    text = (html / "labs/01_structures/01_structures.html").read_text(encoding="utf-8")
    assert "NotImplementedError" in text
    for title in ("Exercise 1", "Exercise 8"):
        assert title in text


@pytest.mark.parametrize("lab", build.LABS)
def test_no_answer_is_on_the_site(html: Path, lab: str) -> None:
    secret = [line for line in answers(lab) if line not in given()]
    assert secret
    for file in html.rglob("*"):
        if file.suffix in {".html", ".js", ".ipynb", ".md", ".txt"}:
            plain = entities.unescape(re.sub(r"<[^>]+>", "", file.read_text(encoding="utf-8")))
            assert not [line for line in secret if line in plain], file


def test_it_asks_no_other_machine_for_anything(html: Path) -> None:
    files = [*html.rglob("*.html"), *html.rglob("*.css")]
    assert len(files) > 15
    found = {file.name: OUTSIDE.findall(file.read_text(encoding="utf-8")) for file in files}
    assert not {name: addresses for name, addresses in found.items() if addresses}


def test_pictures_are_there(html: Path) -> None:
    for page in html.rglob("*.html"):
        for source in re.findall(r'<img[^>]*src="([^"]+)"', page.read_text(encoding="utf-8")):
            assert source.startswith("data:") or (page.parent / source).is_file(), (page, source)
