"""One submission, from bytes to outcomes: what a worker does. Plain data go in and come out."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import hashlib
import json
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import nbformat
import torch
from nbformat import NotebookNode
from nbformat.v4 import new_notebook, new_output

from pruninglab.grading.intake import canonical, read
from pruninglab.grading.intake.canonical import Cell
from pruninglab.grading.judging.judge import Judge
from pruninglab.grading.judging.task import Step, Task, Test
from pruninglab.grading.sandbox.bubblewrap import NoSandboxError
from pruninglab.grading.sandbox.forkserver import GIB, START, Limits, Nursery
from pruninglab.grading.sandbox.procfs import mapped

JUDGE_MEMORY = 6 * GIB
ONE_AT_A_TIME = threading.Lock()
# Of the total time: when the student's own cells have used up half of it, the lab's own (imports,
# say) and the solutions still run.
SHARES = {"own": 0.5, "given": 0.75, "solution": 1.0}


@dataclass(frozen=True)
class Exam:
    """What is the same for the whole class.

    Attributes:
        lab: its name.
        skeleton: the released notebook with the hidden tests, as JSON.
        files: what lies beside it.
        seed: of the hidden tests' inputs.
        unsafe: without a sandbox.
    """

    lab: str
    skeleton: str
    files: tuple[tuple[str, bytes], ...]
    seed: int
    limits: Limits = field(default_factory=Limits)
    unsafe: bool = False

    def version(self) -> str:
        """A hash of the tests and of what lies beside them."""
        parts = [self.skeleton.encode(), *(part for _, part in self.files)]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()


def notebook_of(text: str) -> NotebookNode:
    """A notebook from JSON."""
    return nbformat.reads(text, as_version=4)


def mark(exam: Exam, name: str, data: bytes, reason: str = "") -> dict[str, Any]:
    """Judge one submission.

    Args:
        exam: see there.
        name: of the file that was handed in.
        data: its content.
        reason: why there is nothing to read, if so.

    Returns:
        reason (why it could not be graded, or an empty string), outcomes (see `verdict.outcome`),
        notebook (JSON: the canonical notebook with the outcomes as outputs of its tests).
    """
    skeleton = notebook_of(exam.skeleton)
    submission = new_notebook()
    if not reason:
        try:
            submission = read.parse(name, data, exam.lab)
        except read.Unreadable as error:
            reason = str(error)
    cells = canonical.merge(skeleton, submission)
    errors: dict[int, str] = {}
    if reason:
        tests = [cell.name for cell in cells if cell.kind == "test"]
        outcomes = [unread(test, reason) for test in tests]
    else:
        outcomes, errors = judged(exam, cells, skeleton)
    return {"reason": reason, "outcomes": outcomes, **page(exam, cells, outcomes, errors)}


def judged(
    exam: Exam, cells: list[Cell], skeleton: NotebookNode
) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """Outcomes of the tests, and errors of cells, by their place in the canonical notebook."""
    steps, places, tests = [], [], []
    for place, cell in enumerate(cells):
        if cell.markdown or cell.kind == "text":
            continue
        if cell.kind == "test":
            tests.append(Test(cell.name, cell.source))
            steps.append(Step("", test=cell.name))
        else:
            steps.append(Step(cell.source, cell.needed, SHARES[cell.kind]))
        places.append(place)
    given = tuple(c.source for c in skeleton.cells if canonical.kind_of(c) == "given")
    task = Task(tuple(steps), tuple(tests), given, exam.files, exam.seed)
    judge = Judge(task, nursery_for(exam.limits, unsafe=exam.unsafe))
    outcomes = judge.grade()
    return outcomes, {places[step]: text for step, text in judge.errors.items()}


def unread(test: str, reason: str) -> dict[str, Any]:
    """The outcome of a test for which there was nothing to judge."""
    text = f"This submission could not be graded: {reason}"
    return {"name": test, "passed": False, "text": text, "part": "", "hint": "", "picture": None}


def page(
    exam: Exam, cells: list[Cell], outcomes: list[dict[str, Any]], errors: Mapping[int, str]
) -> dict[str, str]:
    """The canonical notebook with what came out, for nbgrader."""
    outputs = {found["name"]: shown(found, exam.seed) for found in outcomes}
    notebook = canonical.to_notebook(cells, outputs)
    for place, text in errors.items():
        if notebook.cells[place].cell_type == "code" and cells[place].kind != "test":
            notebook.cells[place].outputs = [error_output("Error", text)]
    return {"notebook": nbformat.writes(notebook)}


def shown(found: Mapping[str, Any], seed: int) -> list[NotebookNode]:
    """An outcome as a test cell's outputs: nbgrader reads an error as 0 points."""
    if found["passed"]:
        text = f"{found['text']}✔ hidden tests passed (seed {seed})\n"
        return [new_output("stream", name="stdout", text=text)]
    outputs = []
    if found.get("picture"):
        data = {"image/png": found["picture"], "text/plain": "what differs"}
        outputs.append(new_output("display_data", data=data))
    where = f"\n\n(in the hidden tests, seed {seed})" if found["part"] == "hidden" else ""
    return [*outputs, error_output("WrongAnswer", f"✘ {found['text']}{where}")]


def error_output(name: str, text: str) -> NotebookNode:
    """An error as Jupyter stores it."""
    return new_output("error", ename=name, evalue=text, traceback=[text])


# --- in a process of its own ----------------------------------------------------------------------


def prepare_worker() -> None:
    """Of a process that judges many submissions: one thread, and it ends with its parent."""
    torch.set_num_threads(1)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent


@cache
def nursery_for(limits: Limits, *, unsafe: bool) -> Nursery:
    """This process's own."""
    nursery = Nursery(limits, unsafe=unsafe)
    atexit.register(nursery.stop)
    return nursery


def work(exam: Exam, name: str, data: bytes, reason: str = "") -> dict[str, Any]:
    """`mark` in a forked process, which takes everything with it when it ends.

    Whatever a submission does there, there is a result. One submission at a time: a worker with
    several threads (Dask's, say) has one sandbox.

    Raises:
        NoSandboxError: this machine cannot make a sandbox (any more).
    """
    with ONE_AT_A_TIME:
        return work_alone(exam, name, data, reason)


def work_alone(exam: Exam, name: str, data: bytes, reason: str) -> dict[str, Any]:
    """See `work`."""
    nursery = nursery_for(exam.limits, unsafe=exam.unsafe)
    if not reason:
        nursery.start()  # before the fork: it stays for the next ones
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = os.fork()  # no multiprocessing.Process: a daemonic worker (Dask's) may have none
    if child == 0:
        forked(theirs, exam, name, data, reason)
    theirs.close()
    seconds = exam.limits.total + 2 * START
    try:
        if ours.poll(seconds):
            result = json.loads(ours.recv_bytes())
            if "refused" in result:
                raise NoSandboxError(result["refused"])
            return result
        problem = f"grading it took longer than {seconds:g} s"
    except (EOFError, OSError, ValueError):
        problem = "the process that graded it ended before it had a result"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        ours.close()
        nursery.clean()
    if reason:  # not even that worked
        raise RuntimeError(problem)
    return work_alone(exam, name, b"", problem)


def forked(pipe: Connection, exam: Exam, name: str, data: bytes, reason: str) -> NoReturn:
    """Judge, send the result, and end."""
    torch.set_num_threads(1)  # OpenMP's threads do not survive the fork, and would be waited for
    try:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        most = mapped() + JUDGE_MEMORY
        with contextlib.suppress(OSError, ValueError):  # macOS knows no such limit
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        try:
            result = mark(exam, name, data, reason)
        except NoSandboxError as error:  # nobody's fault: no mark comes of it
            result = {"refused": str(error)}
        except Exception as error:
            result = mark(exam, "", b"", f"grading failed ({type(error).__name__}: {error})")
        text = json.dumps(result, ensure_ascii=False)
        pipe.send_bytes(text.encode("utf-8", "replace"))  # what cannot be written: "?"
    finally:
        os._exit(0)
