"""From what the students handed in to marks, feedback pages and CSVs, in nbgrader's gradebook."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm import tqdm

from pruninglab.grading.gradebook import marks, moodle
from pruninglab.grading.gradebook.course import (
    Course,
    open_course,
    reference_solutions,
    register,
)
from pruninglab.grading.gradebook.enter import enter
from pruninglab.grading.gradebook.hand_back import Report, class_report, export, write_feedback
from pruninglab.grading.gradebook.log import Record
from pruninglab.grading.gradebook.needs_look import needs_look
from pruninglab.grading.intake.collect import collect, printable
from pruninglab.grading.judging.judgement import Judgement, digest
from pruninglab.grading.judging.mark import Exam
from pruninglab.grading.judging.pools import cluster_pool, judge_all, local_pool
from pruninglab.grading.sandbox.bubblewrap import bubblewrap
from pruninglab.grading.trouble import GradingError, one_sentence
from pruninglab.limits import Limits


@dataclass(frozen=True)
class Options:
    """How to grade.

    Attributes:
        workers: submissions at a time.
        seed: of the hidden tests' inputs; None takes a fresh one.
        limits: what each submission may use.
        unsafe: do without a sandbox.
        scheduler: address of a Dask scheduler whose workers judge; None stays on this machine.
    """

    workers: int = 2
    seed: int | None = None
    limits: Limits = field(default_factory=Limits)
    unsafe: bool = False
    scheduler: str | None = None

    def pool(self) -> AbstractContextManager[Executor]:
        """Open the place where submissions are judged."""
        if self.scheduler is not None:
            return cluster_pool(self.scheduler)
        return local_pool(self.workers)


def grade_class(course: Course, options: Options) -> Report:
    """Grade everything in submitted/. Only this process writes the gradebook and the log.

    Raises:
        GradingError: nobody handed anything in.
        NoSandboxError: there is no sandbox, and the options do not say to do without.
    """
    if not options.unsafe and options.scheduler is None:
        bubblewrap()
    lab = register(course)  # first: it says so if there is no such lab
    own = reference_solutions(course)
    exam = Exam(course.lab, *lab, 0, options.limits, options.unsafe, own)
    students = course.students()
    record = Record(course.root / f"grades_{course.lab}.jsonl")
    if record.begin(exam.version(), options.seed):
        tqdm.write(f"going on with an interrupted run: {len(record.done)} marked already")
    exam = replace(exam, seed=record.seed)

    def todo() -> Iterator[tuple[str, str, bytes, str]]:
        for student in students:
            name, data, reason = course.submission(student)
            if record.has(student, digest(name, data)):
                bar.update()
            else:
                yield student, name, data, reason

    with (
        tqdm(total=len(students), desc="grading", unit="notebook") as bar,
        options.pool() as pool,
    ):
        for student, notebook, result in judge_all(exam, todo(), pool, 2 * options.workers):
            enter(course, student, result.notebook)
            record.mark(student, notebook, exam.version(), result)
            bar.update()
            bar.set_postfix_str(printable(moodle.participant(student)[0]))
    record.write("end")
    return as_graded(course, record, exam.files)


def graded_before(course: Course, files: Iterable[tuple[str, bytes]]) -> Report:
    """Report on the last run, with the marks that the gradebook has now. Nothing is graded.

    Raises:
        GradingError: there was none, or it was killed.
    """
    record = Record(course.root / f"grades_{course.lab}.jsonl")
    run = record.last_run()
    if not run or run[-1]["event"] != "end":
        raise GradingError(f"{course.lab} has not been graded (to the end): do that first")
    record.take(run)
    return as_graded(course, record, files)


def as_graded(course: Course, record: Record, files: Iterable[tuple[str, bytes]]) -> Report:
    """Report what the log and the gradebook say of a run."""
    rows = {student: marks.marks(course, student) for student in sorted(record.done)}
    failed = {s: record.done[s]["reason"] for s in rows if record.done[s]["reason"]}
    judgements = {
        student: [Judgement.from_json(found) for found in record.done[student]["outcomes"]]
        for student in rows
    }
    known = known_mistakes(files)
    report = Report(marks.exercises(course), rows, failed, record.seed, judgements, known)
    late = {student: marks.lateness(course, student) for student in rows}
    report.late = {student: found for student, found in late.items() if found[0] > 0}
    return report


def known_mistakes(files: Iterable[tuple[str, bytes]]) -> dict[str, list[str]]:
    """Read exercise -> hints of its known mistakes from the lab's expected.json."""
    for name, content in files:
        if name == "expected.json":
            table = json.loads(content)
            return {exercise: [m["hint"] for m in t["mistakes"]] for exercise, t in table.items()}
    return {}


@one_sentence()
def run(
    folder: Path,
    lab: str,
    options: Options | None = None,
    *,
    collecting: bool = True,
    grading: bool = True,
    answers: bool = False,
) -> Report:
    """Run the whole flow: collect, grade, write feedback and tables.

    Args:
        folder: of the course.
        lab: the lab.
        options: how to grade.
        collecting: whether to look into downloaded/.
        grading: if not, only feedback, CSVs and report are written, from the gradebook as it is.
        answers: whether the feedback shows the model answers to the questions in words.

    Raises:
        GradingError: the class cannot be graded, or not now; the message says what to do.
    """
    course, doubts = open_course(folder, lab), list[str]()
    course.api.config.ShowAnswers.enabled = answers
    if grading:
        if collecting:
            doubts = collect_downloads(course)
        report = grade_class(course, options or Options())
    else:
        report = graded_before(course, register(course)[1])
    write_feedback(course, report)
    export(course, report)
    report.looks = needs_look(course, report)
    report.looks[:0] = [("downloaded/", line) for line in doubts]
    class_report(course, report)
    return report


def collect_downloads(course: Course) -> list[str]:
    """Put what a learning platform handed over, if anything, into submitted/<student>/<lab>.

    Returns:
        What to look at: files that belong to nobody, or maybe to somebody else.
    """
    archive = course.root / "downloaded" / course.lab / "archive"
    if not archive.is_dir():
        return []
    doubts = collect(course.root, course.lab)
    print(f"collected {archive.relative_to(course.root)}")
    return doubts
