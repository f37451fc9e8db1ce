"""How fast grading is, beside stock nbgrader: `python -m pruninglab.grading.bench`.

A class of sample submissions (right, right in another way, wrong, half done, untouched) is graded
in growing numbers, gradebook and log included; then a few of them by `nbgrader autograde`, one
after the other, as it works. Feedback pages are nbgrader's in both cases, and not counted.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from pruninglab.grading import demo, flow
from pruninglab.grading.flow import Options
from pruninglab.grading.gradebook.course import open_course, open_nbgrader, succeed
from pruninglab.terminal import accept_any_text


def fill_course(course: Path, notebooks: Sequence[NotebookNode], count: int) -> None:
    """Hand in `count` times, one notebook after the other."""
    shutil.rmtree(course / "submitted", ignore_errors=True)
    for number, notebook in enumerate(islice(cycle(notebooks), count)):
        folder = course / "submitted" / f"student{number:04}" / demo.LAB
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{demo.LAB}.ipynb")


def ours(course: Path, workers: int) -> float:
    """Seconds for everything in submitted/."""
    began = time.perf_counter()
    flow.grade_class(open_course(course, demo.LAB), Options(workers, seed=0))
    return time.perf_counter() - began


def stock(course: Path, students: Sequence[str]) -> list[float]:
    """Seconds that nbgrader's autograder takes for each of some submissions."""
    api, seconds = open_nbgrader(course), []
    for student in students:
        began = time.perf_counter()
        succeed(api.autograde(demo.LAB, student), f"grade {student}")
        seconds.append(time.perf_counter() - began)
    return seconds


def megabytes() -> float:
    """Return the most memory that this process, or one that it started, has used, in MB."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(w).ru_maxrss for w in who) / 1024


def report(sizes: Sequence[int], few: int, workers: int) -> str:
    """Measure, and write the numbers as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder, "course")
        notebooks = list(demo.sample_class(demo.make_course(Path.cwd(), course)).values())
        lines = [
            f"### Grading lab 1, {workers} processes",
            "",
            "| submissions | seconds | a submission | MB, the largest process |",
            "|---:|---:|---:|---:|",
        ]
        took = {}
        for size in sizes:
            fill_course(course, notebooks, size)
            took[size] = ours(course, workers)
            each = took[size] / size
            lines.append(f"| {size} | {took[size]:.0f} | {each:.2f} s | {megabytes():.0f} |")
        fill_course(course, notebooks, len(notebooks))
        seconds = stock(course, sorted(p.name for p in (course / "submitted").iterdir())[:few])
    largest, smallest = max(sizes), min(sizes)
    slope = (took[largest] - took[smallest]) / max(largest - smallest, 1)
    mean = statistics.mean(seconds)
    slope = slope or took[largest] / largest
    lines += [
        "",
        f"`nbgrader autograde`, {len(seconds)} submissions one after the other: {mean:.1f} s each "
        f"({min(seconds):.1f} to {max(seconds):.1f}). Slope from {smallest} to {largest} "
        f"submissions here: {slope:.2f} s each. If both stay:",
        "",
        "| submissions | pruninglab.grading | nbgrader autograde, serial | times as fast |",
        "|---:|---:|---:|---:|",
    ]
    for count in (10, 100, 300, 1000):
        here = took.get(count, took[smallest] + (count - smallest) * slope)
        shown = f"{here:,.0f} s{'' if count in took else ' (from the slope)'}"
        lines.append(f"| {count:,} | {shown} | {count * mean:,.0f} s | {count * mean / here:.1f} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Command line."""
    accept_any_text()
    parser = argparse.ArgumentParser(
        prog="python -m pruninglab.grading.bench", description="How fast grading is."
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 50], metavar="N")
    parser.add_argument("--stock", type=int, default=5, help="submissions graded by stock nbgrader")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build/bench-grading.md"))
    args = parser.parse_args()
    if min(args.stock, args.workers, *args.sizes) < 1:
        parser.error("sizes, --stock and --workers must be 1 or more")
    text = report(args.sizes, args.stock, args.workers)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")
    print(f"\n{text}\nwritten to {args.out}")


if __name__ == "__main__":
    main()
