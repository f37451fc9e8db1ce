"""A process that judges many submissions, each in a forked process of its own.

The fork sends a note of what it does, and each judgement at once. If it ends or does not come back,
the test that it was at loses its points, and another fork goes on with the next one.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import json
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import torch

from pruninglab.grading.judging import turns
from pruninglab.grading.judging.judge import EndedFromOutsideError
from pruninglab.grading.judging.judgement import Judgement, Result
from pruninglab.grading.judging.mark import Exam, mark, unreadable
from pruninglab.grading.sandbox import scratch
from pruninglab.grading.sandbox.bubblewrap import NoSandboxError
from pruninglab.grading.sandbox.forkserver import START, ForkServer
from pruninglab.grading.sandbox.procfs import mapped
from pruninglab.grading.timer import OutOfTime
from pruninglab.limits import GIB, Limits

JUDGE_MEMORY = 6 * GIB
PARENT_DEATH_SIGNAL = 1  # of prctl(2)
ONE_AT_A_TIME = threading.Lock()
ENDED = "the process that checked it ended: is what the function returns very large?"
LATE = "checking it took too long: is what the function returns very large?"
TWICE = (
    "the machine ended its sandbox, twice ({}). That is not the student's error: is there enough "
    "memory? Grade it again, with fewer workers"
)


def prepare() -> None:
    """Set up a process that judges many submissions: one thread, and it ends with its parent."""
    torch.set_num_threads(1)
    end_with_parent(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent


def end_with_parent(sent: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent ends (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, sent)


@cache
def fork_server_for(limits: Limits, *, unsafe: bool) -> ForkServer:
    """The fork server of this process."""
    server = ForkServer(limits, unsafe=unsafe)
    atexit.register(server.stop)
    return server


def work(exam: Exam, name: str, data: bytes, reason: str = "") -> Result:
    """Judge a submission.

    Whatever a submission does, there is a result. One submission at a time: a worker with several
    threads (Dask's, say) has one sandbox. When the machine has ended the sandbox, the rest of the
    submission is judged again, with no other one beside it.

    Args:
        exam: what is the same for the whole class.
        name: of the file that was handed in.
        data: its content.
        reason: why there is nothing to read, if so.

    Raises:
        NoSandboxError: this machine cannot make a sandbox (any more).
    """
    if reason:
        return unreadable(exam, reason)
    done: dict[str, Judgement] = {}
    with ONE_AT_A_TIME:
        with contextlib.suppress(EndedFromOutsideError), turns.among_others():
            return judge_all_tests(exam, name, data, done)
        try:
            with turns.alone():
                return judge_all_tests(exam, name, data, done)
        except EndedFromOutsideError as error:
            return unreadable(exam, TWICE.format(error), done)


def judge_all_tests(exam: Exam, name: str, data: bytes, done: dict[str, Judgement]) -> Result:
    """Fork until all tests have a judgement; `done` grows.

    Raises:
        EndedFromOutsideError: the machine has ended the sandbox, or the fork.
        NoSandboxError: it makes none.
    """
    end = time.monotonic() + 2 * exam.limits.total + 2 * START
    while True:
        with Fork(exam, name, data, done) as fork:
            problem = fork.attend()
        if fork.result is not None:
            return fork.result
        if fork.test in ("", *done) or time.monotonic() > end:
            return unreadable(exam, problem, done)
        done[fork.test] = Judgement(fork.test, False, problem)


class Fork:
    """A forked process that judges a submission, as its parent sees it.

    Attributes:
        test: which test it is at.
        result: what came of the submission, if the process has got so far.
    """

    def __init__(self, exam: Exam, name: str, data: bytes, done: dict[str, Judgement]) -> None:
        self.limits, self.done = exam.limits, done
        self.test = ""
        self.result: Result | None = None
        self.server = fork_server_for(exam.limits, unsafe=exam.unsafe)
        self.server.start()  # before the fork: it stays for the next ones
        self.pipe, theirs = multiprocessing.Pipe(duplex=False)
        self.process = os.fork()  # a daemonic worker (Dask's) may have no multiprocessing.Process
        if self.process == 0:
            forked(theirs, exam, name, data, self.server, done)
        theirs.close()

    def __enter__(self) -> Fork:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self.pipe.close()
        self.server.clean()
        scratch.sweep()

    def attend(self) -> str:
        """Take its notes until there is a result, or say why there is none.

        Raises:
            EndedFromOutsideError, NoSandboxError: see `judge_all_tests`.
        """
        longest = self.limits.total + 2 * START  # while the cells may run
        seconds = longest
        try:
            while self.result is None:
                if not self.pipe.poll(seconds):
                    return LATE
                seconds = self.take(json.loads(self.pipe.recv_bytes())) or longest
        except (EOFError, OSError, ValueError):
            if self.killed():
                raise EndedFromOutsideError("the process that judged it was killed") from None
            return ENDED
        return ""

    def killed(self) -> bool:
        """Tell whether something from outside has killed the process, which has hung up."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process:
                self.process = 0
                return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            time.sleep(0.01)
        return False

    def end(self) -> None:
        """End the process, if it is there."""
        if self.process:
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)

    def take(self, message: Mapping[str, Any]) -> float | None:
        """Take one note; return the seconds until the next one, if they are known."""
        if "no sandbox" in message:
            raise NoSandboxError(message["no sandbox"])
        if "outside" in message:
            raise EndedFromOutsideError(message["outside"])
        if "result" in message:
            self.result = Result.from_json(message["result"])
            return None
        self.test = message["test"]
        if message["judgement"] is not None:
            self.done[self.test] = Judgement.from_json(message["judgement"])
        return message["seconds"]


# --- in the forked process ------------------------------------------------------------------------


def forked(
    pipe: Connection,
    exam: Exam,
    name: str,
    data: bytes,
    server: ForkServer,
    done: Mapping[str, Judgement],
) -> NoReturn:
    """Judge, send notes and the result, and end."""
    torch.set_num_threads(1)  # OpenMP's threads do not survive the fork, and would be waited for
    try:
        end_with_parent(signal.SIGKILL)
        most = mapped() + JUDGE_MEMORY
        with contextlib.suppress(OSError, ValueError):  # macOS knows no such limit
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        send(pipe, outcome(pipe, exam, name, data, server, done))
    finally:
        os._exit(0)


def outcome(
    pipe: Connection,
    exam: Exam,
    name: str,
    data: bytes,
    server: ForkServer,
    done: Mapping[str, Judgement],
) -> dict[str, str]:
    """The last message: a result, or why there is none."""
    try:
        result = mark(exam, name, data, server, done, lambda note: send(pipe, asdict(note)))
    except NoSandboxError as error:  # nobody's fault: no mark comes of it
        return {"no sandbox": str(error)}
    except EndedFromOutsideError as error:
        return {"outside": str(error)}
    except (Exception, OutOfTime) as error:
        result = unreadable(exam, f"grading failed ({type(error).__name__}: {error})", done)
    return {"result": result.to_json()}


def send(pipe: Connection, message: Mapping[str, Any]) -> None:
    """Send a message; what cannot be written in UTF-8 becomes "?"."""
    pipe.send_bytes(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace"))
