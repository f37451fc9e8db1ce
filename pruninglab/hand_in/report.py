"""What `submit` says, as a page: a link to what was packed, and a table."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

# What a notebook has for what the command's messages name.
HERE = {
    "--anyway": "hand_in(anyway=True)",
    "give the path of your notebook": 'give its path: hand_in(notebook="...")',
}
SIGNS = {"ready": "✓", "note": "·", "wrong": "✗"}
Event = dict[str, Any]  # see `student.view.Events`


def page(found: list[Event]) -> str:
    """Return the report: what came of it, then all that was found.

    >>> page([{"state": "wrong", "text": "a < b", "remedy": "mend it"}]).count("<tr>")
    1
    """
    notebook = next((event["notebook"] for event in found if "notebook" in event), "")
    parts = []
    for event in found:
        if "error" in event:
            parts.append(f"<p>✗ {lines(as_here(event['error']))}</p>")
        if "packed" in event:
            parts.append(packed(event, Path(notebook).parent))
    rows = [row(event) for event in found if "state" in event]
    return "\n".join([*parts, "<table>", *rows, "</table>"])


def as_here(text: str) -> str:
    """Put a message of the command as one who clicks needs it.

    >>> as_here("--anyway packs it")
    'hand_in(anyway=True) packs it'
    """
    for theirs, ours in HERE.items():
        text = text.replace(theirs, ours)
    return text


def row(event: Event) -> str:
    """Return a line of the table: a sign, what was found, what to do."""
    remedy = f"<br><i>{lines(event['remedy'])}</i>" if event["remedy"] else ""
    text = f'<td style="text-align:left">{lines(event["text"])}{remedy}</td>'
    return f"<tr><td>{SIGNS[event['state']]}</td>{text}</tr>"


def packed(event: Event, folder: Path) -> str:
    """Return the link to the zip, from the notebook's folder, and the receipt."""
    try:
        target = quote(os.path.relpath(event["packed"], folder).replace(os.sep, "/"))
    except ValueError:  # on another drive of Windows
        target = Path(event["packed"]).as_uri()
    link = f'<a href="{escape(target)}" download>{escape(event["packed"])}</a>'
    return f"<p><b>Hand in this file:</b> {link}<br>receipt {escape(event['receipt'])}</p>"


def doubtful(doubts: list[str]) -> str:
    """Return what to show in place of a report where the notebook may not be saved."""
    said = "<br>".join(map(escape, doubts))
    what_to_do = "Press Ctrl+S, then click again: what is saved then is handed in."
    return f"<p><b>Not saved?</b> {said}<br>{what_to_do}</p>"


def lines(text: str) -> str:
    """Return a text for a page, its lines below one another."""
    return escape(text).replace("\n", "<br>")
