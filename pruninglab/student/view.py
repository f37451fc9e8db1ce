"""Where what `submit` says goes: to a terminal, or line by line to a notebook that called it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from pruninglab.student import findings
from pruninglab.student.findings import Finding

Tick = Callable[[], object]  # to call after each cell


class View(Protocol):
    """What shows what `submit` does."""

    def notebook(self, file: Path, saved: str) -> None:
        """Say which notebook it is, and when it was saved."""

    def found(self, part: Iterable[Finding]) -> int:
        """Show what was found, as it is found; return how much is wrong."""

    def packed(self, target: Path, receipt: str) -> None:
        """Say what was packed."""

    def bar(self, cells: int) -> Any:
        """Return a context manager that shows a progress bar, and gives what to call."""


class Terminal:
    """Lines for people."""

    def notebook(self, file: Path, saved: str) -> None:  # noqa: D102 - see View
        print(f"{file}, saved {saved}\n")

    def found(self, part: Iterable[Finding]) -> int:  # noqa: D102
        wrong = findings.show(part)
        print()
        return wrong

    def packed(self, target: Path, receipt: str) -> None:  # noqa: D102
        print(f"packed   {target}: hand in this file")
        print(f"receipt  {receipt} (SHA-256 of the notebook inside)")

    @contextmanager
    def bar(self, cells: int) -> Iterator[Tick]:  # noqa: D102
        with tqdm(total=cells, desc="a fresh run", unit="cell", leave=False) as shown:
            yield shown.update


TERMINAL = Terminal()


class Events:
    """A line of JSON for each thing that happens (see `pruninglab.hand_in`)."""

    def notebook(self, file: Path, saved: str) -> None:  # noqa: D102
        tell(state="note", text=f"{file}, saved {saved}", remedy="", notebook=str(file))

    def found(self, part: Iterable[Finding]) -> int:  # noqa: D102
        wrong = 0
        for finding in part:
            wrong += finding.state == "wrong"
            tell(state=finding.state, text=finding.text, remedy=finding.remedy)
        return wrong

    def packed(self, target: Path, receipt: str) -> None:  # noqa: D102
        tell(packed=str(target), receipt=receipt)

    @contextmanager
    def bar(self, cells: int) -> Iterator[Tick]:  # noqa: D102
        tell(cells=cells)
        yield lambda: tell(ran=1)


def tell(**event: str | int) -> None:
    """Print an event, at once."""
    print(json.dumps(event), flush=True)
