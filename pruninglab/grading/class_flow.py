"""From what the students handed in to marks, feedback pages and CSVs, in nbgrader's gradebook."""

from __future__ import annotations

import json
import multiprocessing
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.apps.api import NbGraderAPI
from nbgrader.plugins import CsvExportPlugin
from nbgrader.utils import temp_attrs
from tqdm import tqdm
from traitlets.config import PyFileConfigLoader

from pruninglab.grading import gradebook, handed_in, marking, moodle, similar
from pruninglab.grading.canonical import grade_id
from pruninglab.grading.gradebook import Mark
from pruninglab.grading.marking import Exam
from pruninglab.grading.nursery import Limits
from pruninglab.grading.record import Record, digest
from pruninglab.grading.report import ClassReport, write
from pruninglab.grading.wall import NoSandboxError, bubblewrap


class GradingError(RuntimeError):
    """The class cannot be graded; the message says what to do."""


@dataclass
class Report:
    """What came out of grading a class.

    Attributes:
        points: exercise -> its maximum, in the order of the lab.
        marks: student -> exercise -> mark.
        failed: student -> why the submission could not be graded (its marks are 0).
        seed: of the hidden tests.
        outcomes: student -> the outcome of each test (see `judge.outcome`).
        known: exercise -> hints of its known mistakes.
        feedback: student -> feedback page.
        csv: the exported totals.
        moodle: Moodle's grading worksheet; beside it, ending in .zip, the feedback pages.
        page, picture: the class report.
    """

    points: dict[str, float]
    marks: dict[str, dict[str, Mark]]
    failed: dict[str, str]
    seed: int = 0
    outcomes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    known: dict[str, list[str]] = field(default_factory=dict)
    feedback: dict[str, Path] = field(default_factory=dict)
    csv: Path | None = None
    moodle: Path | None = None
    page: Path | None = None
    picture: Path | None = None


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
        """Where submissions are judged."""
        if self.scheduler is not None:
            return cluster_pool(self.scheduler)
        return local_pool(self.workers)


def open_course(folder: Path) -> NbGraderAPI:
    """nbgrader's API on the course in `folder`, set up by its nbgrader_config.py.

    Raises:
        GradingError: there is no nbgrader_config.py.
    """
    folder = folder.resolve()
    if not (folder / "nbgrader_config.py").is_file():
        raise GradingError(f"no nbgrader_config.py in {folder}: give the course's folder")
    config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    return NbGraderAPI(config=config)


def root(api: NbGraderAPI) -> Path:
    """The folder of the course."""
    return Path(api.coursedir.root)


def succeed(result: dict[str, Any], task: str) -> None:
    """Raise a `GradingError` if a step of nbgrader failed."""
    if not result["success"]:
        raise GradingError(f"nbgrader could not {task}: {why(result)}")


def why(result: dict[str, Any]) -> str:
    """The line of nbgrader's log that says why a step failed.

    >>> why({"log": "[ERROR] There was an error\\nTraceback\\nValueError: no cells", "error": ""})
    'ValueError: no cells'
    """
    text = f"{result.get('error', '')}\n{result.get('log', '')}"
    errors = re.findall(r"^\s*([\w.]*(?:Error|Exception|Died|Timeout)\b.*)$", text, flags=re.M)
    logged = re.findall(r"^\[ERROR\] (.*)$", text, flags=re.M)
    # nbgrader's own exception only points at the log.
    telling = [e for e in errors if "error log" not in e and "above traceback" not in e]
    return (telling or logged or ["see nbgrader's log"])[-1 if telling else 0][:300]


def register(api: NbGraderAPI, lab: str) -> tuple[str, tuple[tuple[str, bytes], ...]]:
    """Enter the lab's exercises and tests into the gradebook, as they are in solutions/ now.

    This is nbgrader's generate_assignment, its release thrown away: labs/ stays untouched.

    Returns:
        The skeleton (the release with the tests whole, as JSON), and what lies beside it.
    """
    sources = root(api) / api.coursedir.source_directory
    if not (sources / lab / f"{lab}.ipynb").is_file():
        labs = sorted(path.parent.name for path in sources.glob("*/*.ipynb"))
        raise GradingError(f"no lab {lab!r} in {sources}: there are {', '.join(labs) or 'none'}")
    with (
        tempfile.TemporaryDirectory() as scratch,
        temp_attrs(api.coursedir, release_directory=scratch),
    ):
        succeed(api.generate_assignment(lab), f"read {lab}")
        released = nbformat.read(Path(scratch, lab, f"{lab}.ipynb"), as_version=4)
        beside = [p for p in sorted(Path(scratch, lab).iterdir()) if p.suffix != ".ipynb"]
        files = tuple((p.name, p.read_bytes()) for p in beside if p.is_file())
    tests = gradebook.tests(api, lab)
    for cell in released.cells:
        cell.source = tests.get(grade_id(cell), cell.source)
    return nbformat.writes(released), files


def collect(api: NbGraderAPI, lab: str) -> bool:
    """Put downloaded/<lab>/archive into submitted/<student>/<lab>; False if there is none.

    Files of which it is not clear whose they are are named on the terminal.
    """
    if not (root(api) / "downloaded" / lab / "archive").is_dir():
        return False
    named = api.config.FileNameCollectorPlugin.named_regexp
    for line in handed_in.collect(root(api), lab, named):
        print(line)
    return True


def students_of(api: NbGraderAPI, lab: str) -> list[str]:
    """Everybody who has handed in a lab.

    Raises:
        GradingError: nobody has.
    """
    folders = (root(api) / "submitted").glob(f"*/{lab}")
    students = sorted(p.parent.name for p in folders if p.is_dir() and not p.is_symlink())
    if not students:
        where = f"submitted/<student>/{lab}/ or downloaded/{lab}/archive/"
        raise GradingError(f"nobody has handed in {lab}: put notebooks into {where}")
    return students


def submission(api: NbGraderAPI, lab: str, student: str) -> tuple[str, bytes, str]:
    """What a student has handed in: file name, content, and why there is none, if so."""
    try:
        return *handed_in.pick(root(api) / "submitted" / student / lab, lab), ""
    except handed_in.Unreadable as error:
        return "", b"", str(error)
    except OSError as error:
        return "", b"", f"the file cannot be read ({error.strerror})"


def local_pool(workers: int) -> Executor:
    """Processes that judge submissions."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, initializer=marking.prepare_worker)


@contextmanager
def cluster_pool(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster; what one of them leaves when it dies, another one does.

    Raises:
        GradingError: Dask is not installed, or nobody answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise GradingError(
            "--scheduler needs Dask: pip install 'pruninglab[cluster]', here and on the workers"
        ) from None
    try:
        client = Client(address, timeout=30)
    except (OSError, ValueError) as error:
        raise GradingError(f"no Dask scheduler answers at {address}: {error}") from None
    with client, client.get_executor(pure=False, retries=3) as pool:
        yield pool


def judge_all(
    exam: Exam, waiting: Iterable[tuple[str, str, bytes, str]], pool: Executor, ahead: int
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Judge submissions in parallel; only `ahead` of them are in memory at a time.

    Yields:
        student, hash of the notebook, result of `marking.mark`, in the order of completion.
    """
    waiting = iter(waiting)
    running: dict[Future, tuple[str, str]] = {}
    while True:
        for student, name, data, reason in islice(waiting, ahead - len(running)):
            future = pool.submit(marking.work, exam, name, data, reason)
            running[future] = (student, digest(name.encode() + b"\0" + data))
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield *running.pop(future), result_of(future, exam)


def result_of(future: Future, exam: Exam) -> dict[str, Any]:
    """What a worker found out; if it failed, a result that says so.

    Raises:
        GradingError: the workers are gone, or have no sandbox.
    """
    try:
        return future.result()
    except BrokenExecutor:
        raise GradingError(
            "a grading process was ended from outside (is there enough memory?); what is marked "
            "is kept: run the same command again to go on"
        ) from None
    except NoSandboxError as error:
        raise GradingError(f"{error} (what is marked is kept)") from None
    except Exception as error:
        return marking.mark(exam, "", b"", f"grading failed ({type(error).__name__}: {error})")


def grade_class(api: NbGraderAPI, lab: str, options: Options) -> Report:
    """Grade everything in submitted/. Only this process writes the gradebook and the log.

    Raises:
        GradingError: nobody handed anything in.
        NoSandboxError: there is no sandbox, and the options do not say to do without.
    """
    if not options.unsafe and options.scheduler is None:
        bubblewrap()
    students = students_of(api, lab)
    exam = Exam(lab, *register(api, lab), 0, options.limits, options.unsafe)
    record = Record(root(api) / f"grades_{lab}.jsonl")
    if record.begin(exam.version(), options.seed):
        tqdm.write(f"going on with an interrupted run: {len(record.done)} marked already")
    exam = replace(exam, seed=record.seed)

    def todo() -> Iterator[tuple[str, str, bytes, str]]:
        for student in students:
            name, data, reason = submission(api, lab, student)
            if record.has(student, digest(name.encode() + b"\0" + data)):
                bar.update()
            else:
                yield student, name, data, reason

    with (
        tqdm(total=len(students), desc="grading", unit="notebook") as bar,
        options.pool() as pool,
    ):
        for student, notebook, result in judge_all(exam, todo(), pool, 2 * options.workers):
            gradebook.enter(api, lab, student, result["notebook"])
            record.mark(student, notebook, exam.version(), result)
            bar.update()
            bar.set_postfix_str(handed_in.printable(moodle.participant(student)[0]))
    record.write("end")
    return as_graded(api, lab, record, exam.files)


def graded_before(api: NbGraderAPI, lab: str, files: Iterable[tuple[str, bytes]]) -> Report:
    """The last run, with the marks that the gradebook has now. Nothing is graded.

    Raises:
        GradingError: there was none, or it was killed.
    """
    record = Record(root(api) / f"grades_{lab}.jsonl")
    run = record.last_run()
    if not run or run[-1]["event"] != "end":
        raise GradingError(f"{lab} has not been graded (to the end): do that first")
    record.take(run)
    return as_graded(api, lab, record, files)


def as_graded(
    api: NbGraderAPI, lab: str, record: Record, files: Iterable[tuple[str, bytes]]
) -> Report:
    """What the log and the gradebook say of a run."""
    rows = {student: gradebook.marks(api, lab, student) for student in sorted(record.done)}
    failed = {s: record.done[s]["reason"] for s in rows if record.done[s]["reason"]}
    lines = {student: record.done[student]["outcomes"] for student in rows}
    known = known_mistakes(files)
    return Report(gradebook.exercises(api, lab), rows, failed, record.seed, lines, known)


def known_mistakes(files: Iterable[tuple[str, bytes]]) -> dict[str, list[str]]:
    """exercise -> hints of its known mistakes, from the lab's expected.json."""
    for name, content in files:
        if name == "expected.json":
            table = json.loads(content)
            return {exercise: [m["hint"] for m in t["mistakes"]] for exercise, t in table.items()}
    return {}


def class_report(api: NbGraderAPI, lab: str, report: Report) -> None:
    """report_<lab>.html and .png in the course's folder."""
    names = moodle.names(report.marks)
    hints: dict[str, dict[str, str]] = {names[student]: {} for student in report.marks}
    looks = [(names[s], f"could not be graded: {why}") for s, why in report.failed.items()]
    for student, outcomes in report.outcomes.items():
        for found in outcomes:
            exercise = found["name"].removeprefix("test_")
            if found["hint"]:
                hints[names[student]][exercise] = found["hint"]
            if found.get("tampered"):
                why = f"{exercise}: its test passes in the notebook, but not here"
                looks.append((names[student], why))
    for pair, exercises in similar.alike(solved_cells(api, lab, report)).items():
        both = ", ".join(names[student] for student in pair)
        looks.append((both, f"nearly the same code: {', '.join(exercises)}"))
    known = {name: report.known.get(name, []) for name in report.points}
    marks = {names[student]: row for student, row in report.marks.items()}
    made = ClassReport(lab, report.points, marks, hints, known, looks)
    report.page, report.picture = write(made, root(api))


def solved_cells(api: NbGraderAPI, lab: str, report: Report) -> dict[str, dict[str, str]]:
    """student -> exercise -> code, of the exercises that passed."""
    sources: dict[str, dict[str, str]] = {}
    for student, outcomes in report.outcomes.items():
        passed = {o["name"].removeprefix("test_") for o in outcomes if o["passed"]}
        path = root(api) / "autograded" / student / lab / f"{lab}.ipynb"
        cells = nbformat.read(path, as_version=4).cells
        sources[student] = {grade_id(c): c.source for c in cells if grade_id(c) in passed}
    return sources


def write_feedback(api: NbGraderAPI, lab: str, report: Report) -> None:
    """feedback/<student>/<lab>/<lab>.html for each submission; an outdated page goes."""
    for student in tqdm(report.marks, desc="feedback", unit="page"):
        folder = root(api) / "feedback" / student / lab
        shutil.rmtree(folder, ignore_errors=True)
        succeed(api.generate_feedback(lab, student), f"write the feedback of {student}")
        report.feedback[student] = folder / f"{lab}.html"


def export(api: NbGraderAPI, lab: str, report: Report) -> None:
    """nbgrader's CSV of everybody's total; worksheet and feedback pages for Moodle."""
    report.csv = root(api) / f"grades_{lab}.csv"
    plugin = CsvExportPlugin(parent=api, to=str(report.csv), assignment=[lab])
    with api.gradebook as marks:
        plugin.export(marks)
    report.moodle = moodle.worksheet(report.marks, root(api) / f"moodle_{lab}.csv")
    moodle.pages(report.feedback, report.moodle.with_suffix(".zip"))


def run(
    folder: Path,
    lab: str,
    options: Options | None = None,
    *,
    collecting: bool = True,
    grading: bool = True,
) -> Report:
    """The whole flow: collect, grade, feedback, export.

    Args:
        folder: of the course.
        lab: the lab.
        options: how to grade.
        collecting: whether to look into downloaded/.
        grading: if not, only feedback, CSVs and report are written, from the gradebook as it is.
    """
    api = open_course(folder)
    _, files = register(api, lab)
    if grading:
        if collecting and collect(api, lab):
            print(f"collected downloaded/{lab}/archive")
        report = grade_class(api, lab, options or Options())
    else:
        report = graded_before(api, lab, files)
    write_feedback(api, lab, report)
    export(api, lab, report)
    class_report(api, lab, report)
    return report
