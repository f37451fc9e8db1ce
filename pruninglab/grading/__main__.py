"""Grade a class: `python -m pruninglab.grading --lab 01_structures`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pruninglab.grading import gradebook
from pruninglab.grading.class_flow import GradingError, Report, run

EPILOG = """\
Notebooks are taken from downloaded/LAB/archive/ (files of a learning platform, zipped or not; the
names that are understood stand in nbgrader_config.py) if that folder exists, and else from
submitted/STUDENT/LAB/. Grading again replaces the autograder's marks; marks given by hand, in
JupyterLab's formgrader, stay. The students' code runs on this machine with your rights.
"""


def show(report: Report, course: Path) -> None:
    """Print the gradebook, what went wrong, and where the files are."""
    print(f"\n{gradebook.table(report.points, report.marks)}\n")
    every = [mark for row in report.marks.values() for mark in row.values()]
    if any(mark.points is None for mark in every):
        print('"?" waits for a mark by hand: JupyterLab > Nbgrader > Formgrader > Manual Grading')
    if any(mark.review for mark in every):
        print('"*" was given by hand; the submission has been graded again since: look again')
    for student, reason in report.failed.items():
        print(f"{student} could not be graded, and has 0: {reason}")
    print(f"\nfeedback   {course / 'feedback'}: {len(report.feedback)} pages")
    print(f"totals     {report.csv}")
    print(f"gradebook  {course / 'gradebook.db'}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pruninglab.grading",
        description="Grade what a class handed in: marks, feedback pages, a CSV of the totals.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--lab", required=True, help="the lab's folder name, e.g. 01_structures")
    parser.add_argument(
        "--course", type=Path, default=Path(), help="folder with nbgrader_config.py (default: .)"
    )
    parser.add_argument(
        "--no-collect",
        action="store_true",
        help="leave downloaded/ alone, e.g. to keep what you repaired in submitted/",
    )
    args = parser.parse_args()
    try:
        report = run(args.course, args.lab, collecting=not args.no_collect)
    except GradingError as error:
        sys.exit(f"error: {error}")
    show(report, args.course.resolve())


if __name__ == "__main__":
    main()
