"""The button, and the command behind it."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import ipywidgets
from IPython.display import HTML, display
from tqdm.auto import tqdm

from pruninglab.hand_in import report, which
from pruninglab.terminal import in_notebook

# Where an editor shows no widgets; the same on each machine: it is in notebooks as they are built.
NO_BUTTON = "No button here? In a terminal, in this folder: python -m pruninglab submit"


def hand_in(name: str = "", *, notebook: str = "", anyway: bool = False) -> None:
    """Show a button: it looks the saved notebook over, shows what it found, and packs it.

    Nothing happens before the click, and nothing at all where no kernel runs: so a run of all cells
    hands in nothing, nor does the fresh run that handing in begins with, nor grading. It does not
    save the notebook: press Ctrl+S first.

    Args:
        name: begin the file's name with yours, e.g. "ada".
        notebook: its path, where it is not found by itself.
        anyway: pack the notebook with its problems.

    >>> hand_in()  # no notebook, no button
    """
    if not in_notebook():
        return
    file, cell = Path(notebook) if notebook else which.this_notebook(), which.running_cell()
    label = f"Saved? Then check and pack {file.name}"
    button = ipywidgets.Button(description=label, layout={"width": "max-content"})
    shown = ipywidgets.Output()
    said: list[str] = []  # doubts that a second click overrules

    def clicked(_: ipywidgets.Button) -> None:
        button.disabled = True
        shown.clear_output()
        try:
            with shown:
                doubts = list(which.doubts(file, cell))
                if doubts and doubts != said:
                    display(HTML(report.doubtful(doubts)))
                else:
                    run(command(file, name, anyway))
                said[:] = doubts
        finally:
            button.disabled = False

    button.on_click(clicked)
    box = ipywidgets.VBox([button, shown])
    display({**box._repr_mimebundle_(), "text/plain": NO_BUTTON}, raw=True)


def command(file: Path, name: str, anyway: bool) -> list[str]:
    """Return how to call `submit`. -P: a student's `random.py` beside the notebook is not ours."""
    options = [f"--name={name}", *(["--anyway"] if anyway else [])]
    return [sys.executable, "-P", "-m", "pruninglab", "submit", "--events", *options, str(file)]


def run(call: list[str]) -> None:
    """Run `submit` with a progress bar, then show what it found and what it packed."""
    found = []
    with tqdm(desc="a fresh run of the notebook", unit="cell") as bar:  # how long: it will say
        for event in events(call):
            if "cells" in event:
                bar.reset(event["cells"])
            elif "ran" in event:
                bar.update()
            else:
                found.append(event)
    display(HTML(report.page(found)))


def events(call: list[str]) -> Iterator[report.Event]:
    """Run `submit`, and yield what it says: see `student.view.Events`."""
    other = []
    with subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
        env=environment(), stdin=subprocess.DEVNULL,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows would open a console
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if event := parsed(line):
                    yield event
                else:
                    other.append(line)
        except BaseException:  # interrupted, while it was waited for or between two events
            process.terminate()
            # After an interrupt Popen itself waits for a quarter of a second, too short for a busy
            # machine: the fresh run would go on behind a button that can be clicked again.
            with suppress(subprocess.TimeoutExpired):  # the interrupt is what is to be seen
                process.wait(timeout=10)
            raise
    if process.returncode and other:  # a stop that it had no word for
        yield {"error": "nothing is packed: " + "".join(other)[-2000:]}


def parsed(line: str) -> dict[str, Any]:
    """Read an event; nothing where a line is none, such as a warning."""
    with suppress(ValueError):
        event = json.loads(line)
        return event if isinstance(event, dict) else {}
    return {}


def environment() -> dict[str, str]:
    """Return the environment of `submit`: it finds this package wherever the kernel has found it.

    Installed packages need no help, and must not come before Python's own modules.
    """
    here = str(Path(__file__).parents[2])
    installed = here in [*site.getsitepackages(), site.getusersitepackages()]
    path = filter(None, ["" if installed else here, os.environ.get("PYTHONPATH")])
    return os.environ | {"PYTHONPATH": os.pathsep.join(path), "PYTHONUTF8": "1"}
