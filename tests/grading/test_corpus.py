"""Every known mistake gets no point in the sandbox, and every right answer all of them.

The answers are those of `solutions/lab*/mistakes.py`, handed in as notebooks: one answer for each
exercise of a lab, so that a lab takes as many notebooks as its longest list. `pytest` grades the
solved notebook and one mixed one of each lab; `python -m tests.grading.test_corpus` (part of
`make test-attacks`) grades all of them, and prints a table.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: see conftest

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

import nbformat
import pytest

from pruninglab.grading.gradebook.course import open_course, reference_solutions, register
from pruninglab.grading.judging import mark, worker
from pruninglab.grading.protocol.modules import HOOK_HINT
from pruninglab.grading.sample_class import fill
from solutions.builder import build

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("_sandbox")]
TIMED = "race_own_clock"  # what it gives depends on the machine: no point, but no hint either
HOOKED = "amc_reward_hooks"  # the grader runs no hook in the test's network, and says so itself
Answers = dict[str, Callable]  # exercise -> what somebody wrote for it


def exam_of(lab: str, folder: Path) -> mark.Exam:
    """The lab as it is graded."""
    shutil.copytree(build.NOTEBOOKS / lab, folder / "solutions" / "notebooks" / lab)
    shutil.copy(build.ROOT / "nbgrader_config.py", folder)
    course = open_course(folder, lab)
    own = reference_solutions(course)
    return mark.Exam(lab, *register(course), seed=11, reference=own)


def corpus(lab: str, kind: str) -> dict[str, list[Callable]]:
    """Exercise -> its "MISTAKES" or "ALTERNATIVES"."""
    return getattr(build.module(lab, "mistakes"), kind)


def notebooks(answers: Mapping[str, list[Callable]]) -> Iterator[Answers]:
    """The first answers of all exercises, then the second ones, and so on."""
    for row in zip_longest(*answers.values()):
        yield {name: f for name, f in zip(answers, row, strict=True) if f is not None}


def mixed(lab: str) -> Answers:
    """A mistake, an alternative, a mistake, ...: the last ones, which the demo does not show."""
    kinds = corpus(lab, "MISTAKES"), corpus(lab, "ALTERNATIVES")
    return {name: kinds[i % 2][name][-1] for i, name in enumerate(kinds[0])}


def problems(exam: mark.Exam, answers: Answers) -> list[str]:
    """Whatever is marked otherwise than it should be, with the text that the student would read."""
    released = nbformat.read(build.ROOT / "labs" / exam.lab / f"{exam.lab}.ipynb", as_version=4)
    data = nbformat.writes(fill(released, answers, alone=True)).encode()
    judgements = worker.work(exam, f"{exam.lab}.ipynb", data).judgements
    found = {judgement.exercise: judgement for judgement in judgements}
    wrong = corpus(exam.lab, "MISTAKES")
    bad = []
    for name, answer in answers.items():
        known = build.hint(answer) if answer in wrong[name] else None
        told = found[name].hint
        expected = {known or ""} | {TIMED: {""}, HOOKED: {HOOK_HINT}}.get(answer.__name__, set())
        if found[name].passed != (known is None) or told not in expected:
            bad.append(f"{exam.lab} {name} {answer.__name__}: {found[name].text or 'passed'}")
    return bad


@pytest.fixture(scope="module", params=list(build.LABS))
def exam(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> mark.Exam:
    return exam_of(request.param, tmp_path_factory.mktemp("course"))


def test_the_solved_notebook_gets_all_points(exam: mark.Exam) -> None:
    name = f"{exam.lab}.ipynb"
    result = worker.work(exam, name, (build.NOTEBOOKS / exam.lab / name).read_bytes())
    assert [found.text for found in result.judgements if not found.passed] == []
    assert len(result.judgements) == len(build.probes_of(exam.lab))


def test_mistakes_get_nothing_and_other_right_answers_all(exam: mark.Exam) -> None:
    assert problems(exam, mixed(exam.lab)) == []


def main() -> None:
    """All answers, as a table; the exit status says whether all were marked rightly."""
    bad = 0
    for lab in sys.argv[1:] or build.LABS:
        with tempfile.TemporaryDirectory() as folder:
            exam = exam_of(lab, Path(folder))
        for kind in ("MISTAKES", "ALTERNATIVES"):
            for number, answers in enumerate(notebooks(corpus(lab, kind)), start=1):
                began = time.monotonic()
                wrong = problems(exam, answers)
                bad += len(wrong)
                what = f"{lab:<14} {kind.lower():<12} {number:>3}"
                verdict = "\n".join(wrong) or f"{len(answers)} answers ok"
                print(f"{what} {time.monotonic() - began:6.1f} s  {verdict}", flush=True)
    print(f"{bad} answers marked wrongly")
    worker.fork_server_for(exam.limits, unsafe=False).stop()
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
