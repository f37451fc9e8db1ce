"""Hand in a lab from its notebook: a button for what `pruninglab submit` does in a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets
from IPython.core.getipython import get_ipython
from IPython.display import HTML, display
from tqdm.auto import tqdm

from pruninglab.terminal import in_notebook

LABEL = "Saved? Then check and pack"
SIGNS = {"ready": "✓", "note": "·", "wrong": "✗"}
Event = dict[str, Any]


def hand_in(name: str = "", *, anyway: bool = False) -> None:
    """Show a button: it looks the saved notebook over, shows what it found, and packs it.

    Nothing happens before the click, and nothing at all where no kernel runs: so a run of all cells
    hands in nothing, nor does the fresh run that handing in begins with, nor grading. It does not
    save the notebook: press Ctrl+S first.

    Args:
        name: begin the file's name with yours, e.g. "ada".
        anyway: pack the notebook with its problems.

    >>> hand_in()  # no notebook, no button
    """
    if not in_notebook():
        return
    button = ipywidgets.Button(description=LABEL, layout={"width": "max-content"})
    shown = ipywidgets.Output()

    def clicked(_: ipywidgets.Button) -> None:
        button.disabled = True
        shown.clear_output()
        with shown:
            report(command(name, anyway))
        button.disabled = False

    button.on_click(clicked)
    text = {"text/plain": "a button that hands in this notebook"}
    display({**ipywidgets.VBox([button, shown])._repr_mimebundle_(), **text}, raw=True)


def this_notebook() -> list[str]:
    """Return the path of this notebook, if the editor says it; else `submit` looks for it here."""
    shell = get_ipython()
    said = [(shell.user_ns if shell else {}).get("__vsc_ipynb_file__")]  # VS Code
    said.append(os.environ.get("JPY_SESSION_NAME"))  # Jupyter; an old one after a renaming
    return [str(path) for path in said if path and Path(path).is_file()][:1]


def command(name: str, anyway: bool) -> list[str]:
    """Return how to call `submit`. -P: a student's `random.py` beside the notebook is not ours."""
    options = [f"--name={name}", *(["--anyway"] if anyway else [])]
    return [sys.executable, "-P", "-m", "pruninglab", "submit", "--events", *options]


def events(call: list[str]) -> Iterator[Event]:
    """Run `submit`, and yield what it says: see `student.view.Events`."""
    here = str(Path(__file__).parents[1])  # this package, wherever the kernel has found it
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    env = os.environ | {"PYTHONPATH": path, "PYTHONUTF8": "1"}
    other = []
    with subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
        env=env, stdin=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                yield json.loads(line)
            else:
                other.append(line)
    if process.returncode and other:  # a stop that it had no word for
        yield {"error": "".join(other)[-2000:]}


def report(call: list[str]) -> None:
    """Run `submit` with a progress bar, then show what it found and what it packed."""
    found, bar = [], None
    for event in events([*call, *this_notebook()]):
        if "cells" in event:
            bar = tqdm(total=event["cells"], desc="a fresh run of the notebook", unit="cell")
        elif "ran" in event and bar is not None:
            bar.update()
        else:
            found.append(event)
    if bar is not None:
        bar.close()
    display(HTML(page(found)))


def page(found: list[Event]) -> str:
    """Return the report as a table, with a link to what was packed.

    >>> page([{"state": "wrong", "text": "a < b", "remedy": "mend it"}]).count("<tr>")
    1
    """
    rows = [row(event) for event in found if "state" in event]
    parts = ["<table>", *rows, "</table>"] if rows else []
    for event in found:
        if "error" in event:
            text = event["error"].replace("--anyway", "hand_in(anyway=True)")
            parts.append(f"<p><b>Nothing is packed:</b> {lines(text)}</p>")
        if "packed" in event:
            parts.append(packed(event))
    return "\n".join(parts)


def row(event: Event) -> str:
    """Return a line of the table: a sign, what was found, what to do."""
    remedy = f"<br><i>{lines(event['remedy'])}</i>" if event["remedy"] else ""
    text = f'<td style="text-align:left">{lines(event["text"])}{remedy}</td>'
    return f"<tr><td>{SIGNS[event['state']]}</td>{text}</tr>"


def packed(event: Event) -> str:
    """Return the link to the zip, and the receipt."""
    try:
        target = os.path.relpath(event["packed"]).replace(os.sep, "/")
    except ValueError:  # on another drive of Windows
        target = Path(event["packed"]).as_uri()
    link = f'<a href="{escape(target)}" download>{escape(event["packed"])}</a>'
    return f"<p><b>Hand in this file:</b> {link}<br>receipt {escape(event['receipt'])}</p>"


def lines(text: str) -> str:
    """Return a text for a page, its lines below one another."""
    return escape(text).replace("\n", "<br>")
