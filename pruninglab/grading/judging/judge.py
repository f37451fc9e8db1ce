"""The split verdict: the student's functions run in a sandbox, the tests here.

To a test, a function of the student looks like any other. Calling it sends the arguments into the
sandbox, and plain data come back. What is expected never goes there, and no object of the student's
ever comes here: nothing that the notebook does to Python, torch or IPython can reach the verdict.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from torch import Tensor

from pruninglab.grading.intake.canonical import bound, used
from pruninglab.grading.judging.run_test import drawn, execute, outcome, probes, quiet
from pruninglab.grading.judging.task import Step, Task, Test
from pruninglab.grading.protocol.messages import BadMessage, Closed, Late
from pruninglab.grading.protocol.rpc import Backward, Failed, GraderLink
from pruninglab.grading.sandbox.bubblewrap import NoSandboxError
from pruninglab.grading.sandbox.forkserver import START, Nursery
from pruninglab.grading.sandbox.process import Sandbox

GRACE = 5  # seconds beyond a limit until what cannot be interrupted is killed
RESTARTS = 12  # of the sandbox for one submission
HIDDEN = re.compile(  # whole lines, as nbgrader finds them
    r"^[^\n]*BEGIN HIDDEN TESTS[^\n]*$(.*?)^[^\n]*END HIDDEN TESTS[^\n]*$", flags=re.M | re.S
)
LOST = (Closed, BadMessage, Late)


class OutOfBoundsError(Late):
    """A submission has used up its time, or ended its own process too often."""


class Proxy:
    """What a test sees of a student's function."""

    def __init__(self, judge: Judge, name: str) -> None:
        self.judge, self.__name__ = judge, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it in the sandbox."""
        return self.judge.call(self.__name__, args, kwargs)


class Judge:
    """Judges one submission.

    Args:
        task: see there.
        nursery: where its sandboxes come from.
    """

    def __init__(self, task: Task, nursery: Nursery) -> None:
        self.task, self.nursery, self.limits = task, nursery, nursery.limits
        self.box: Sandbox | None = None
        self.deadly: dict[int, str] = {}  # step -> why the sandbox ended there
        self.errors: dict[int, str] = {}  # step -> its error
        self.everything = False  # run what seemed not to be needed, too
        self.starts, self.why = 0, ""
        self.spent = 0.0  # seconds of the total
        self.folder = tempfile.TemporaryDirectory(prefix="pruninglab-")
        self.files = [Path(self.folder.name, name) for name, _ in task.files]
        for path, (_, content) in zip(self.files, task.files, strict=True):
            path.write_bytes(content)
        self.given = probes(task, self.files)

    # --- the sandbox ----------------------------------------------------------------------------

    def ask(self, what: str, *args: Any, seconds: float, anew: bool = False) -> Any:
        """Have the sandbox do something within some seconds (and some grace).

        Raises:
            Closed, BadMessage, Late: it did not; it has been ended.
            Failed: it raised.
        """
        assert self.box is not None
        began = time.monotonic()
        self.link.deadline = began + seconds + GRACE
        try:
            return self.link.call(what, args, {}, anew=anew)
        except LOST as error:
            self.spent += time.monotonic() - began
            self.lose(error, seconds)
            began = time.monotonic()  # what ending it takes is not the student's time
            raise
        finally:
            self.spent += time.monotonic() - began

    def lose(self, error: BaseException, seconds: float) -> None:
        """End the sandbox after it failed to answer; `self.why` says what happened."""
        assert self.box is not None
        if isinstance(error, Late):
            self.box.kill(f"it took longer than the {seconds:g} s allowed")
        elif isinstance(error, BadMessage):
            self.box.kill(f"it answered with something that cannot be read: {error}")
        self.why = self.box.why()
        self.stop()

    def stop(self) -> None:
        """End the sandbox."""
        if self.box is not None:
            self.box.close()
        self.box = None

    def time_left(self) -> float:
        """Seconds of the submission's total."""
        return self.limits.total - self.spent

    def start(self) -> None:
        """A new sandbox with the notebook's cells run in it; cells that end it are left out.

        Raises:
            OutOfBoundsError: the submission has used up its time or its restarts.
        """
        if self.time_left() <= 0:
            raise OutOfBoundsError(f"the notebook took longer than {self.limits.total:g} s in all")
        while self.box is None:
            if self.starts > RESTARTS:
                raise OutOfBoundsError("the notebook has ended its own process too often")
            self.begin()
            if self.box is None:
                raise NoSandboxError("the sandbox does not start on this machine")
            with contextlib.suppress(*LOST):
                self.run_steps()

    def begin(self) -> None:
        """Start a sandbox; after the first one, its time counts."""
        before = self.spent
        files = {name: content.decode("latin-1") for name, content in self.task.files}
        for _ in range(2):  # the second time without an inner wall, if the kernel forbids it
            self.box = Sandbox(self.nursery)
            self.link = GraderLink(self.box.wire)
            with contextlib.suppress(*LOST):
                self.box.watch(self.ask("hello", files, seconds=START))
                break
            self.stop()
        if self.starts == 0:
            self.spent = before
        self.starts += 1

    def run_steps(self) -> None:
        """Run the cells."""
        for number, step in enumerate(self.task.steps):
            if number in self.deadly:
                continue
            try:
                if step.test:
                    self.ask("keep", step.test, seconds=GRACE)
                elif step.needed or self.everything:
                    self.run_step(number, step)
            except LOST:
                self.deadly[number] = self.errors[number] = self.why
                raise
            except Failed as error:
                self.errors[number] = str(error)

    def run_step(self, number: int, step: Step) -> None:
        """Run a cell, if there is time for it."""
        seconds = min(self.limits.cell, step.share * self.limits.total - self.spent)
        if seconds <= 0:
            self.errors[number] = "not run: the cells before it have used up the time"
            return
        began = self.spent
        done = self.ask("run_cell", step.source, seconds, seconds=seconds)
        error = done.get("error") if isinstance(done, dict) else "?"
        self.errors.pop(number, None)
        if error is not None:
            self.errors[number] = str(error)
        if self.spent - began >= seconds:  # once is enough, should there be another start
            self.deadly[number] = self.errors.setdefault(number, "it took too long")

    # --- the tests ------------------------------------------------------------------------------

    def call(self, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call a function of the student's (what a `Proxy` does)."""
        if self.box is None:
            raise Closed(self.why)
        seconds = max(self.until - time.monotonic(), 0.1)
        result = self.ask("call", name, args, kwargs, seconds, seconds=seconds, anew=True)
        return self.differentiable(result, [*args, *kwargs.values()])

    def differentiable(self, result: Any, arguments: list[Any]) -> Any:
        """A tensor whose slopes can be asked for, if an argument requires them."""
        inputs = [x for x in arguments if isinstance(x, Tensor) and x.requires_grad]
        if not (isinstance(result, Tensor) and result.requires_grad and inputs):
            return result
        number = self.link.codec.numbers[id(result)]
        return Backward.apply(self.link, number, result, *inputs)

    def grade(self) -> list[dict[str, Any]]:
        """The outcome of each test; see `outcome`."""
        try:
            outcomes = []
            for test in self.task.tests:
                found = self.grade_one(test)
                if not found["passed"] and not self.everything and self.lacks(found["text"]):
                    self.everything = True
                    self.stop()
                    found = self.grade_one(test)
                outcomes.append(found)
            return outcomes
        finally:
            self.stop()
            self.folder.cleanup()

    def lacks(self, text: str) -> bool:
        """Whether a name is missing that a cell would define which has not been run."""
        names = set(re.findall(r"name '(\w+)' is not defined", text))
        return any(names & bound(s.source) for s in self.task.steps if not s.needed)

    def grade_one(self, test: Test) -> dict[str, Any]:
        """Run one test cell: first what students see, then the hidden part."""
        began, shown, part = time.monotonic(), io.StringIO(), "visible"
        hidden = "\n".join(HIDDEN.findall(test.source))
        try:
            self.meet(test.name)
            self.until = time.monotonic() + min(self.limits.exercise, max(self.time_left(), 0.1))
            with contextlib.redirect_stdout(shown), quiet():
                namespace = self.names(test.source)
                execute(HIDDEN.sub("", test.source), namespace, self.task.seed)
                part = "hidden"
                execute(hidden, namespace, self.task.seed)
        except NoSandboxError:
            raise
        except Exception as error:
            if isinstance(error, LOST) and self.box is not None:  # in what a function had returned
                self.lose(error, self.limits.exercise)
            found = outcome(test.name, False, self.explain(error), part, picture=drawn())
            found["tampered"] = part == "visible" and self.passes_inside(test)
        else:
            found = outcome(test.name, True, shown.getvalue())
        plt.close("all")
        if self.box is not None and isinstance(self.link.broken, BaseException):
            self.stop()  # its callbacks were cut short
        return found | {"seconds": round(time.monotonic() - began, 2)}

    def meet(self, test: str) -> None:
        """The sandbox as the notebook left it where a test stands; a new one if it has ended."""
        self.start()
        try:
            self.ask("meet", test, seconds=GRACE)
        except LOST:  # unnoticed so far: a check forgives what a student's object raises
            self.start()
            self.ask("meet", test, seconds=GRACE)
        self.link.broken = None

    def passes_inside(self, test: Test) -> bool:
        """Whether a visible test that failed here passes in the sandbox: somebody should look."""
        if self.box is None or self.time_left() <= 0:
            return False
        seconds = min(self.limits.exercise, 10.0)
        with contextlib.suppress(*LOST, Failed):
            return self.ask("passes", HIDDEN.sub("", test.source), seconds, seconds=seconds) is True
        return False

    def names(self, source: str) -> dict[str, Any]:
        """The global names of a test: the lab's imports, and the student's functions."""
        namespace: dict[str, Any] = {"__name__": "test"}
        wanted = used(source) - bound(source)
        for name in wanted:
            if name in self.given:
                namespace[name] = self.given[name]
            elif self.ask("is_function", name, seconds=GRACE) is True:
                namespace[name] = Proxy(self, name)
            else:
                namespace[name] = self.ask("find", name, seconds=GRACE)
        return namespace

    def explain(self, error: Exception) -> str:
        """What went wrong, for the student."""
        if isinstance(error, LOST):
            return str(error) if isinstance(error, OutOfBoundsError) else self.why
        if isinstance(error, AssertionError) and not isinstance(error, Failed):
            return str(error) or "the test found a wrong result"
        lines = [f"{type(error).__name__}: {error}"]
        return "\n".join([*lines, *(f"  {line}" for line in getattr(error, "trace", []))])
