"""A student's notebook that runs in a sandbox, and is started again when it has ended itself."""

from __future__ import annotations

import contextlib
import math
import time
from typing import Any

from pruninglab.grading.judging.task import Step, Task
from pruninglab.grading.protocol.messages import BadMessage, Closed, Late
from pruninglab.grading.protocol.rpc import Failed
from pruninglab.grading.sandbox.bubblewrap import NoSandboxError
from pruninglab.grading.sandbox.forkserver import START, ForkServer
from pruninglab.grading.sandbox.process import Sandbox

GRACE = 5  # seconds beyond a limit until what cannot be interrupted is killed
RESTARTS = 12  # of the sandbox for one submission
LOST = (Closed, BadMessage, Late)  # after one of these the sandbox is of no more use


class OutOfBoundsError(Late):
    """A submission has used up its time, or has ended its own process too often."""


class Session:
    """The notebook of one submission, alive in a sandbox.

    Args:
        task: what is to be judged.
        server: makes the sandboxes.

    Attributes:
        errors: step -> its error.
        reason: why the last sandbox ended.
        ended_from_outside: whether the machine has ended a sandbox, rather than the student.
        run_all: whether cells run, too, that the functions do not seem to need.
    """

    def __init__(self, task: Task, server: ForkServer) -> None:
        self.task, self.server, self.limits = task, server, server.limits
        self.sandbox: Sandbox | None = None
        self.fatal: set[int] = set()  # steps that ended a sandbox; they are left out from then on
        self.errors: dict[int, str] = {}
        self.reason = ""
        self.ended_from_outside = False
        self.run_all = False
        self.starts = 0
        self.spent = 0.0  # seconds of the submission's total

    def ask(self, what: str, *args: Any, seconds: float, fresh: bool = False) -> Any:
        """Have the sandbox do something within some seconds (and some grace).

        Args:
            what: the name of a function of `inside.StudentNotebook`.
            *args: its arguments.
            seconds: how long it may take.
            fresh: forget all objects that crossed before, but for functions.

        Raises:
            Closed, BadMessage, Late: it did not; it has been ended.
            Failed: the function raised an error.
        """
        if self.sandbox is None:
            raise Closed(self.reason)
        began = time.monotonic()
        self.sandbox.link.deadline = began + seconds + GRACE
        try:
            return self.sandbox.link.call(what, args, {}, fresh=fresh)
        except LOST as error:
            self.spent += time.monotonic() - began
            self.lose(error, seconds)
            began = time.monotonic()  # what ending it takes is not the student's time
            raise
        finally:
            self.spent += time.monotonic() - began

    def lose(self, error: BaseException, seconds: float) -> None:
        """End the sandbox after it failed to answer; `reason` then says what happened."""
        if self.sandbox is None:
            return
        if isinstance(error, Late):
            self.sandbox.kill(f"it took longer than the {math.ceil(seconds)} s allowed")
        elif isinstance(error, BadMessage):
            self.sandbox.kill(f"it answered with something that cannot be read: {error}")
        self.reason = self.sandbox.why()
        self.ended_from_outside |= self.sandbox.ended_from_outside()
        self.stop()

    def stop(self) -> None:
        """End the sandbox."""
        if self.sandbox is not None:
            self.sandbox.close()
        self.sandbox = None

    def time_left(self) -> float:
        """Seconds that the submission has left of its total."""
        return self.limits.total - self.spent

    def start(self) -> None:
        """Make sure that there is a sandbox in which the notebook's cells have run.

        A cell that ends the sandbox is left out of the next one.

        Raises:
            OutOfBoundsError: the submission has used up its time or its restarts.
            NoSandboxError: this machine makes no sandbox.
        """
        if self.time_left() <= 0:
            raise OutOfBoundsError(f"the notebook took longer than {self.limits.total:g} s in all")
        while self.sandbox is None:
            if self.starts > RESTARTS:
                raise OutOfBoundsError("the notebook has ended its own process too often")
            self.open()
            with contextlib.suppress(*LOST):
                self.run_steps()

    def open(self) -> None:
        """Start a sandbox. The first start is free; later ones count as the student's time.

        Raises:
            NoSandboxError: it does not start.
        """
        before = self.spent
        files = {name: content.decode("latin-1") for name, content in self.task.files}
        for _ in range(2):  # the second time without inner namespaces, if the kernel forbids them
            self.sandbox = Sandbox(self.server)
            with contextlib.suppress(*LOST):
                self.sandbox.watch(self.ask("hello", files, seconds=START))
                break
            self.stop()
        if self.sandbox is None:
            raise NoSandboxError("the sandbox does not start on this machine")
        if self.starts == 0:
            self.spent = before
        self.starts += 1

    def run_steps(self) -> None:
        """Run the cells, and remember what all names mean where each test is."""
        for number, step in enumerate(self.task.steps):
            if number in self.fatal:
                continue
            try:
                if step.test:
                    self.ask("remember_names", step.test, seconds=GRACE)
                elif step.needed or self.run_all:
                    self.run_step(number, step)
            except LOST:
                self.fatal.add(number)
                self.errors[number] = self.reason
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
            self.fatal.add(number)
            self.errors.setdefault(number, "it took too long")

    def go_to(self, test: str) -> None:
        """Let all names mean what they did where a test is; in a new sandbox if the old one ended.

        Raises:
            OutOfBoundsError: see `start`.
        """
        self.start()
        try:
            self.ask("restore_names", test, seconds=GRACE)
        except LOST:  # unnoticed so far: a check forgives what a student's object raises
            self.start()
            self.ask("restore_names", test, seconds=GRACE)
        assert self.sandbox is not None
        self.sandbox.link.broken = None

    def call(self, name: str, args: tuple, kwargs: dict[str, Any], seconds: float) -> Any:
        """Call one of the student's functions.

        Raises:
            Closed, BadMessage, Late: there is no answer.
            Failed: the function raised an error.
        """
        result = self.ask("call", name, args, kwargs, seconds, seconds=seconds, fresh=True)
        assert self.sandbox is not None
        return self.sandbox.link.differentiable(result, [*args, *kwargs.values()])

    def callbacks_failed(self) -> bool:
        """Whether a test's callback raised an error, so that the student's function was cut off."""
        return self.sandbox is not None and self.sandbox.link.broken is not None
