"""One submission, from the bytes of a file to a result. Plain data go in and come out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_notebook, new_output

from pruninglab.grading.intake import canonical, read
from pruninglab.grading.intake.canonical import Cell
from pruninglab.grading.judging.helpers import with_note, with_reference, wrong_helpers
from pruninglab.grading.judging.judge import Judge, Note
from pruninglab.grading.judging.judgement import Judgement, Result
from pruninglab.grading.judging.task import Step, Task, Test
from pruninglab.grading.sandbox.forkserver import ForkServer
from pruninglab.limits import Limits
from pruninglab.notebook import statements

# Of the total time: when the student's own cells have used up half of it, the lab's own (imports,
# say) and the solutions still run.
SHARES = {"own": 0.5, "added": 0.5, "given": 0.75, "solution": 1.0}


@dataclass(frozen=True)
class Exam:
    """What is the same for the whole class.

    Attributes:
        lab: its name.
        skeleton: the released notebook with the hidden tests, as JSON.
        files: names and contents of what belongs beside it.
        seed: of the hidden tests' inputs.
        limits: what each submission may use.
        unsafe: without a sandbox.
        reference: grade_id -> source of the course's own solutions (see `helpers`); may be empty.
    """

    lab: str
    skeleton: str
    files: tuple[tuple[str, bytes], ...]
    seed: int
    limits: Limits = field(default_factory=Limits)
    unsafe: bool = False
    reference: tuple[tuple[str, str], ...] = ()

    def version(self) -> str:
        """Hash the tests and what belongs beside them."""
        parts = [self.skeleton.encode(), *(part for _, part in self.files)]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()


def mark(
    exam: Exam,
    name: str,
    data: bytes,
    server: ForkServer,
    done: Mapping[str, Judgement],
    note: Callable[[Note], None],
) -> Result:
    """Judge one submission.

    Args:
        exam: what is the same for the whole class.
        name: of the file that was handed in.
        data: its content.
        server: makes the sandboxes.
        done: test -> its judgement, where there is one already.
        note: see `Judge`.

    Raises:
        EndedFromOutsideError, NoSandboxError: see `Judge.judge`.
    """
    try:
        submission = read.parse(name, data, exam.lab)
    except read.Unreadable as error:
        return unreadable(exam, str(error))
    skeleton = nbformat.reads(exam.skeleton, as_version=4)
    cells = canonical.merge(skeleton, submission)
    given = tuple(c.source for c in skeleton.cells if canonical.kind_of(c) == "given")
    places, steps, tests = plan(cells)
    task = Task(steps, tests, given, exam.files, exam.seed, exam.reference)
    judge = Judge(task, server, done, note)
    judgements = helped(judge.judge(), task, server)
    errors: dict[int, str] = {}
    for step, text in judge.session.errors.items():
        errors[places[step]] = "\n".join(filter(None, [errors.get(places[step]), text]))
    return Result("", tuple(judgements), page(exam, cells, judgements, errors))


def helped(judgements: Sequence[Judgement], task: Task, server: ForkServer) -> list[Judgement]:
    """Judge exercises again that call others which failed, and say which these are."""
    failed = [found.exercise for found in judgements if not found.passed]
    wrong, better = wrong_helpers(task, failed), []
    end = time.monotonic() + server.limits.total
    for found in judgements:
        helpers = wrong.get(found.exercise, [])
        if helpers and task.reference and time.monotonic() < end:
            again = with_reference(task, found.exercise, helpers)
            (second,) = Judge(again, server).judge()
            found = second if second.passed else found
        better.append(with_note(found, helpers) if helpers else found)
    return better


def unreadable(exam: Exam, reason: str, done: Mapping[str, Judgement] | None = None) -> Result:
    """Give 0 points for what cannot be judged of a submission, and say why.

    Args:
        exam: what is the same for the whole class.
        reason: why it cannot be judged.
        done: test -> its judgement, where there is one already.
    """
    skeleton = nbformat.reads(exam.skeleton, as_version=4)
    cells = canonical.merge(skeleton, new_notebook())
    text = f"This submission could not be graded: {reason}"
    names = [cell.name for cell in cells if cell.kind == "test"]
    judgements = tuple((done or {}).get(name) or Judgement(name, False, text) for name in names)
    return Result(reason, judgements, page(exam, cells, judgements, {}))


def plan(cells: Sequence[Cell]) -> tuple[list[int], tuple[Step, ...], tuple[Test, ...]]:
    """Sort a canonical notebook's code into steps and tests; `places` are the steps' cells."""
    places, steps, tests = list[int](), list[Step](), list[Test]()
    for place, cell in enumerate(cells):
        if cell.markdown or cell.kind == "text":
            continue
        if cell.kind == "test":
            tests.append(Test(cell.name, cell.source))
            parts = [Step("", test=cell.name)]
        else:
            # What a student added to a cell of the lab runs line by line: one that fails here (an
            # import of what this machine lacks, say) does not take the others with it.
            sources = statements(cell.source) if cell.kind == "added" else [cell.source]
            name, share = cell.name if cell.kind == "solution" else "", SHARES[cell.kind]
            parts = [Step(source, cell.needed, share, solution=name) for source in sources]
        steps += parts
        places += [place] * len(parts)
    return places, tuple(steps), tuple(tests)


# --- as nbgrader reads it -------------------------------------------------------------------------


def page(
    exam: Exam, cells: list[Cell], judgements: Sequence[Judgement], errors: Mapping[int, str]
) -> str:
    """The canonical notebook with the judgements and the cells' errors as outputs, as JSON."""
    outputs = {found.name: shown(found, exam.seed) for found in judgements}
    notebook = canonical.to_notebook(cells, outputs)
    for place, text in errors.items():
        if notebook.cells[place].cell_type == "code" and cells[place].kind != "test":
            notebook.cells[place].outputs = [error_output("Error", text)]
    return nbformat.writes(notebook)


def shown(found: Judgement, seed: int) -> list[NotebookNode]:
    """A judgement as a test cell's outputs: nbgrader reads an error as 0 points."""
    if found.passed:
        text = f"{found.text}✔ hidden tests passed (seed {seed})\n"
        return [new_output("stream", name="stdout", text=text)]
    outputs = []
    if found.picture:
        data = {"image/png": found.picture, "text/plain": "what differs"}
        outputs.append(new_output("display_data", data=data))
    where = f"\n\n(in the hidden tests, seed {seed})" if found.part == "hidden" else ""
    return [*outputs, error_output("WrongAnswer", f"✘ {found.text}{where}")]


def error_output(name: str, text: str) -> NotebookNode:
    """An error as Jupyter stores it."""
    return new_output("error", ename=name, evalue=text, traceback=[text])
