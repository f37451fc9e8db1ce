"""Tests that run here, while the student's functions run in a sandbox.

To a test, a function of the student looks like any other. Calling it sends the arguments into the
sandbox, and plain data come back. What is expected never goes there, and no object of the student's
ever comes here: nothing that the notebook does to Python, torch or IPython can reach the judgement.
"""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from pruninglab.grading.judging.judgement import Judgement, hint_in, legible
from pruninglab.grading.judging.run_test import drawn, execute, probes, quiet
from pruninglab.grading.judging.session import GRACE, LOST, OutOfBoundsError, Session
from pruninglab.grading.judging.task import Task, Test
from pruninglab.grading.protocol.messages import Late
from pruninglab.grading.protocol.modules import HOOK_HINT, HOOK_LEFT
from pruninglab.grading.protocol.rpc import Failed
from pruninglab.grading.sandbox import scratch
from pruninglab.grading.sandbox.bubblewrap import NoSandboxError
from pruninglab.grading.sandbox.forkserver import ForkServer
from pruninglab.grading.timer import OutOfTime, limited
from pruninglab.notebook import bound, used

MARGIN = 20  # seconds for what the tests themselves compute
TOO_LARGE = "checking it took too long: is what the function returns very large?"
HIDDEN = re.compile(  # whole lines, as nbgrader finds them
    r"^[^\n]*BEGIN HIDDEN TESTS[^\n]*$(.*?)^[^\n]*END HIDDEN TESTS[^\n]*$", flags=re.M | re.S
)


class EndedFromOutsideError(RuntimeError):
    """The machine has ended a sandbox: nothing that the student could help."""


@dataclass(frozen=True)
class Note:
    """What the judge is doing.

    Attributes:
        test: which test is judged.
        seconds: how long until the next note, at most; None while the notebook's cells may run.
        judgement: what came of the test, once that is known.
    """

    test: str
    seconds: float | None = None
    judgement: Judgement | None = None


class StudentFunction:
    """What a test sees of a student's function: calling it calls the original in the sandbox.

    Args:
        session: where the original is.
        name: of the function.
        end: when the test's time is over, on the clock `time.monotonic`.
    """

    def __init__(self, session: Session, name: str, end: float) -> None:
        self.session, self.__name__, self.end = session, name, end

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function in the sandbox."""
        seconds = max(self.end - time.monotonic(), 0.1)
        return self.session.call(self.__name__, args, kwargs, seconds)


class Judge:
    """Judges the tests of one submission.

    Args:
        task: what is to be judged.
        server: makes the sandboxes.
        done: test -> its judgement, where there is one already.
        note: called with what the judge is doing, and with each judgement at once: should this
            process end, nothing is lost but the test that ended it.
    """

    def __init__(
        self,
        task: Task,
        server: ForkServer,
        done: Mapping[str, Judgement] | None = None,
        note: Callable[[Note], None] = lambda _: None,
    ) -> None:
        self.task, self.limits, self.done, self.note = task, server.limits, done or {}, note
        self.session = Session(task, server)
        self.given: dict[str, Any] = {}  # what the tests use of the lab's own code

    def judge(self) -> list[Judgement]:
        """Judge all tests, in their order.

        Raises:
            EndedFromOutsideError: the machine has ended the sandbox.
            NoSandboxError: it makes none.
        """
        try:
            with scratch.folder() as folder:
                self.given = probes(self.task, self.lay_out(folder))
                return [self.done.get(t.name) or self.judge_fully(t) for t in self.task.tests]
        finally:
            self.session.stop()

    def lay_out(self, folder: Path) -> list[Path]:
        """Write the files that belong beside the notebook into a folder."""
        paths = [folder / name for name, _ in self.task.files]
        for path, (_, content) in zip(paths, self.task.files, strict=True):
            path.write_bytes(content)
        return paths

    def judge_fully(self, test: Test) -> Judgement:
        """Judge a test; if a name is missing, once more after all cells have run."""
        found = self.judge_once(test)
        if not (found.passed or self.session.run_all) and self.lacks(found.text):
            self.session.run_all = True
            self.session.stop()
            found = self.judge_once(test)
        self.note(Note(test.name, judgement=found))
        return found

    def lacks(self, text: str) -> bool:
        """Whether a name is missing that is defined by a cell which has not been run."""
        names = set(re.findall(r"name '(\w+)' is not defined", text))
        return any(names & bound(s.source) for s in self.task.steps if not s.needed)

    def judge_once(self, test: Test) -> Judgement:
        """Run a test and time it."""
        began = time.monotonic()
        self.note(Note(test.name))
        found = self.run(test)
        plt.close("all")
        if self.session.ended_from_outside:
            raise EndedFromOutsideError(self.session.reason)
        if self.session.callbacks_failed():
            self.session.stop()  # the next exercise starts from a clean state
        return replace(found, seconds=round(time.monotonic() - began, 2))

    def run(self, test: Test) -> Judgement:
        """Run first the part of a test that students see, then the hidden part."""
        shown, part = io.StringIO(), "visible"
        hidden = "\n".join(HIDDEN.findall(test.source))
        seconds = 2 * self.limits.exercise + MARGIN
        try:
            self.session.go_to(test.name)
            self.note(Note(test.name, seconds=seconds + MARGIN))
            with contextlib.redirect_stdout(shown), quiet(), limited(seconds):
                namespace = self.names(test.source)
                execute(HIDDEN.sub("", test.source), namespace, self.task.seed)
                part = "hidden"
                execute(hidden, namespace, self.task.seed)
        except NoSandboxError:
            raise
        except OutOfTime:
            self.session.lose(Late(), seconds)
            return Judgement(test.name, False, TOO_LARGE, part=part)
        except Exception as error:
            return self.failed(test, part, error)
        return Judgement(test.name, True, legible(shown.getvalue()))

    def failed(self, test: Test, part: str, error: Exception) -> Judgement:
        """The judgement on a test that raised an error."""
        if isinstance(error, LOST):  # maybe in an object that a function had returned
            self.session.lose(error, self.limits.exercise)
        text = with_hook_hint(legible(self.explain(error)))
        tampered = part == "visible" and self.passes_inside(test)
        return Judgement(test.name, False, text, hint_in(text), part, self.picture(), tampered)

    def picture(self) -> str | None:
        """What a check has drawn; None if drawing it takes too long."""
        with contextlib.suppress(OutOfTime), limited(MARGIN):
            return drawn()
        return None

    def passes_inside(self, test: Test) -> bool:
        """Whether a visible test that failed here passes in the sandbox: somebody should look."""
        if self.session.sandbox is None or self.session.time_left() <= 0:
            return False
        seconds = min(self.limits.exercise, 10.0)
        with contextlib.suppress(*LOST, Failed):
            visible = HIDDEN.sub("", test.source)
            return self.session.ask("passes", visible, seconds, seconds=seconds) is True
        return False

    def names(self, source: str) -> dict[str, Any]:
        """The global names of a test: the lab's imports, and the student's functions."""
        end = time.monotonic() + min(self.limits.exercise, max(self.session.time_left(), 0.1))
        namespace: dict[str, Any] = {"__name__": "test"}
        for name in used(source) - bound(source):
            if name in self.given:
                namespace[name] = self.given[name]
            elif self.session.ask("is_function", name, seconds=GRACE) is True:
                namespace[name] = StudentFunction(self.session, name, end)
            else:
                namespace[name] = self.session.ask("find", name, seconds=GRACE)
        return namespace

    def explain(self, error: Exception) -> str:
        """Say what went wrong, for the student."""
        if isinstance(error, LOST):
            return str(error) if isinstance(error, OutOfBoundsError) else self.session.reason
        if isinstance(error, AssertionError) and not isinstance(error, Failed):
            return str(error) or "the test found a wrong result"
        lines = [f"{type(error).__name__}: {error}"]
        return "\n".join([*lines, *(f"  {line}" for line in getattr(error, "trace", []))])


def with_hook_hint(text: str) -> str:
    """Add what to do about a hook that is left in a network; checks know no such hint."""
    left = HOOK_LEFT in " ".join(text.split())  # checks wrap long lines
    return f"{text}\n\nLikely: {HOOK_HINT}" if left and not hint_in(text) else text
