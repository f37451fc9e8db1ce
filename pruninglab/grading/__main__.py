"""Grade a class: `python -m pruninglab.grading --lab 01_structures`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pruninglab.grading.flow import Options, run
from pruninglab.grading.gradebook import marks, moodle
from pruninglab.grading.gradebook.hand_back import Report
from pruninglab.grading.intake.collect import printable
from pruninglab.grading.sandbox.bubblewrap import NoSandboxError
from pruninglab.grading.trouble import GradingError
from pruninglab.limits import GIB, Limits
from pruninglab.terminal import accept_any_text

EPILOG = """\
Notebooks are taken from downloaded/LAB/archive/ (files of a learning platform, zipped or not; the
names that are understood stand in nbgrader_config.py) if that folder exists, and else from
submitted/STUDENT/LAB/. Grading again replaces the marks of the tests; marks given by hand, in
JupyterLab's formgrader, stay, and --marks-only brings them into the feedback and the CSVs. A run
that was killed goes on where it was.

The students' code runs in a sandbox (bubblewrap, Linux); the tests run outside of it, and only
plain data pass between the two. What it keeps out, and what not: pydoc pruninglab.grading
"""


LIMITS = {
    "cell": "seconds for a cell of the notebook",
    "exercise": "seconds for the tests of an exercise",
    "total": "seconds in all",
    "memory": "GiB of memory",
    "processes": "processes at once",
}


def show(report: Report, course: Path, lab: str) -> None:
    """Print the gradebook, where the files are, and what to look at."""
    names = moodle.names(report.marks)
    rows = {names[student]: row for student, row in report.marks.items()}
    print(f"\n{marks.table(report.points, rows)}\n")
    print(f"\nfeedback   {course / 'feedback'}: {len(report.feedback)} pages")
    print(f"totals     {report.csv}")
    print(f"class      {report.page}")
    print(f"for Moodle {report.moodle}; the feedback: moodle_{lab}.zip")
    print(f"log        {course / f'grades_{lab}.jsonl'} (seed {report.seed})")
    print(f"gradebook  {course / 'gradebook.db'}")
    show_looks(report)


def show_looks(report: Report) -> None:
    """Print what a human should look at, and why, last, so that it stays on the screen."""
    every = [mark for row in report.marks.values() for mark in row.values()]
    print(f"\nTo look at: {len(report.looks) or 'nothing'}")
    for student, why in report.looks:
        print(printable(f"  {student}: {why}"))
    if any(mark.points is None for mark in every):
        print('"?" waits for a mark by hand: JupyterLab > Nbgrader > Formgrader > Manual Grading')
        print("until then, their rows in Moodle's worksheet have no grade (then: make marks)")
    if any(mark.review for mark in every):
        print('"*" was given by hand, and the answer has changed since: look again')


def in_units(limits: Limits, name: str) -> float:
    """Return a limit in seconds, GiB or processes."""
    value = getattr(limits, name)
    return value / GIB if name == "memory" else value


def main() -> None:
    """Run the command."""
    accept_any_text()
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
    parser.add_argument(
        "--marks-only",
        action="store_true",
        help="grade nothing: after marking by hand, write feedback, CSVs and report again",
    )
    parser.add_argument(
        "--with-answers",
        action="store_true",
        help="feedback shows the model answers to the questions in words: after the deadline",
    )
    usual = Limits()
    parser.add_argument(
        "--workers", type=int, default=2, help="submissions graded at a time (default: 2)"
    )
    parser.add_argument(
        "--seed", type=int, help="of the hidden tests' inputs, to repeat a run (default: a new one)"
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="judge on the workers of this Dask scheduler, e.g. tcp://10.0.0.1:8786 (its workers "
        "need this package, Linux, and --nthreads 1; --workers says how many there are)",
    )
    limits = parser.add_argument_group("limits of one submission")
    for name, text in LIMITS.items():
        limits.add_argument(f"--{name}", type=float, metavar="N", default=in_units(usual, name),
                            help=f"{text} (default: %(default)g)")  # fmt: skip
    parser.add_argument(
        "--unsafe-no-sandbox",
        action="store_true",
        help="where no sandbox can be had: run the students' code with your own rights; it can "
        "read and change whatever you can",
    )
    args = parser.parse_args()
    bounds = {name: getattr(args, name) for name in LIMITS}
    if min(args.workers, *bounds.values()) <= 0:
        parser.error("--workers and all limits must be more than 0")
    bounds |= {"memory": int(args.memory * GIB), "processes": int(args.processes)}
    options = Options(
        args.workers, args.seed, Limits(**bounds), args.unsafe_no_sandbox, args.scheduler
    )
    try:
        how = {"collecting": not args.no_collect, "grading": not args.marks_only}
        report = run(args.course, args.lab, options, **how, answers=args.with_answers)
    except NoSandboxError as error:
        sys.exit(f"error: {error}. Or accept the risk: --unsafe-no-sandbox (see --help)")
    except GradingError as error:
        sys.exit(f"error: {error}")
    show(report, args.course.resolve(), args.lab)


if __name__ == "__main__":
    main()
