"""Hostile texts in a real browser: on a graded notebook's page, hovered, focused and clicked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest

from pruninglab.grading import safe_html
from pruninglab.grading.gradebook import feedback
from pruninglab.grading.gradebook.report import ClassReport, write
from tests.helpers import payloads

PAGE = "<!DOCTYPE html><html><head></head><body>{}</body></html>"


def stored_page(texts: list[str]) -> str:
    """The texts as nbconvert's pages show them once they are stored."""
    environment = jinja2.Environment()
    environment.filters["markdown2html"] = safe_html.markdown2html
    template = environment.from_string("{{ source | markdown2html }}")
    cells = [template.render(source=safe_html.stored(text)) for text in texts]
    return PAGE.format("\n".join(cells))


def visit(page: Any, path: Path) -> list[str]:
    """What ran or was asked for when the page was opened and everything in it was touched."""
    happened: list[str] = []

    def seen(dialog: Any) -> None:
        happened.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", seen)
    page.on("request", lambda request: happened.append(request.url))
    page.goto(path.as_uri())
    page.evaluate(payloads.TOUCH, "body *")
    page.wait_for_timeout(500)
    own = (path.as_uri(), "data:image/png", "data:image/jpeg", "https://x.example")
    return [what for what in happened if not what.startswith(own)]


@pytest.mark.parametrize("number", range(4))
def test_nothing_runs_and_nothing_is_asked_for(page: Any, tmp_path: Path, number: int) -> None:
    path = tmp_path / "page.html"
    path.write_text(stored_page(payloads.TEXTS[number::4]), encoding="utf-8")
    assert visit(page, path) == []


def test_the_payloads_are_real(page: Any, tmp_path: Path) -> None:
    """Shown as they are, they do run: so the test above could fail."""
    for text in ("<img src=x onerror=alert(1)>", "<svg onload=alert(1)>"):
        assert text in payloads.TEXTS
        path = tmp_path / "page.html"
        path.write_text(PAGE.format(text), encoding="utf-8")
        assert "dialog: 1" in visit(page, path)


def test_the_security_policy_stops_what_would_run(page: Any, tmp_path: Path) -> None:
    """The second wall of a feedback page, with the payloads as they are."""
    path = tmp_path / "page.html"
    path.write_text(feedback.with_policy(PAGE.format("\n".join(payloads.HTML[:30]))))
    assert not [what for what in visit(page, path) if what.startswith("dialog")]


def test_names_are_text_in_the_class_report(page: Any, tmp_path: Path) -> None:
    names = [*payloads.TEXTS, *payloads.IDS]
    report = ClassReport("01", {"mask": 3}, {name: {} for name in names}, {}, {},
                         [(name, name) for name in names])  # fmt: skip
    assert visit(page, write(report, tmp_path)[0]) == []
