"""Walk through a lab as three newcomers would: `python -m solutions.builder.newcomers [LAB ...]`.

One reads and runs what is there, one makes a mistake in each exercise and uses its hint, one makes
every mistake that we know. Counted are words, messages and minutes of computing; what is left of
the minutes that the lab states is for thinking and writing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
from tqdm import tqdm

from pruninglab.checks.lab import Lab, WrongAnswer
from pruninglab.overview.manifest import manifest
from pruninglab.terminal import accept_any_text
from solutions.builder import build

PACE = 150  # words a minute: an assumption, for a text with formulas in one's second language


@dataclass
class Walk:
    """What a newcomer meets on the way through a lab."""

    who: str
    words: int
    messages: int = 0
    message_words: int = 0
    seconds: float = 0.0

    @property
    def minutes(self) -> float:
        """Reading at `PACE`, and waiting."""
        return (self.words + self.message_words) / PACE + self.seconds / 60


def words_of(lab: str) -> int:
    """Count the words of a lab as students get it: prose, tasks, code that is given."""
    file = build.ROOT / "labs" / lab / f"{lab}.ipynb"
    return sum(len(cell.source.split()) for cell in nbformat.read(file, as_version=4).cells)


def computing(lab: str) -> float:
    """Execute the solved notebook in an empty folder; return the seconds that its cells took."""
    with tempfile.TemporaryDirectory() as folder:
        return sum(build.execute(build.notebook(lab), Path(folder)))


def message(check: Lab, function: Callable, exercise: str) -> tuple[int, float]:
    """Give a wrong answer to a check; return the words of its message and the seconds it took."""
    start = time.perf_counter()
    try:
        check(function, exercise)
    except WrongAnswer as error:
        return len(str(error).split()), time.perf_counter() - start
    finally:
        plt.close("all")
    raise RuntimeError(f"{function.__name__} is not refused by the check of {exercise}")


def walks(lab: str, seconds: float) -> list[Walk]:
    """Return what the three newcomers meet.

    Args:
        lab: e.g. "01_structures".
        seconds: what its cells take, solved.
    """
    mistakes = build.module(lab, "mistakes").MISTAKES
    check = Lab(str(build.package(lab) / "__init__.py"), build.probes_of(lab))
    found = {
        name: [message(check, one, name) for one in functions]
        for name, functions in mistakes.items()
    }

    def walk(who: str, met: Iterable[tuple[int, float]]) -> Walk:
        counts, times = [n for n, _ in met], sum(s for _, s in met)
        return Walk(who, words_of(lab), len(counts), sum(counts), seconds + times)

    return [
        walk("reads only", []),
        walk("one hint for each exercise", [met[0] for met in found.values()]),
        walk("makes every known mistake", [one for met in found.values() for one in met]),
    ]


def rows(lab: str, found: Iterable[Walk]) -> list[str]:
    """Return a row for each newcomer."""
    about = manifest(build.ROOT / "labs" / lab)
    tasks = sum(cell["kind"] != "test" for cell in about["cells"])
    stated = about["minutes"]
    return [
        f"| {about['title']} | {one.who} | {one.words:,} | {one.messages} | {one.message_words:,} "
        f"| {one.seconds / 60:.1f} | {one.minutes:.0f} | {stated} "
        f"| {(stated - one.minutes) / tasks:.1f} |"
        for one in found
    ]


HEAD = f"""\
| lab | newcomer | words | messages | their words | minutes of computing \
| with reading, {PACE} words a minute | the lab says | left for each function or answer |
|---|---|---:|---:|---:|---:|---:|---:|---:|"""


def main() -> None:
    """Command line."""
    accept_any_text()
    mpl.use("Agg")
    parser = argparse.ArgumentParser(description="Walk through labs as newcomers would.")
    parser.add_argument("labs", nargs="*", metavar="LAB", default=list(build.LABS))
    parser.add_argument("--out", type=Path, default=Path("build/newcomers.md"))
    args = parser.parse_args()
    lines = [HEAD]
    for lab in tqdm(args.labs, unit="lab"):
        lines += rows(lab, walks(lab, computing(lab)))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines), f"\nwritten to {args.out}", sep="\n")


if __name__ == "__main__":
    main()
