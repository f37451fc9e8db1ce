"""A process that judges many submissions, each in a forked process of its own."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import multiprocessing
import os
import resource
import signal
import threading
from functools import cache
from multiprocessing.connection import Connection
from typing import NoReturn

import torch

from pruninglab.grading.judging.judgement import Result
from pruninglab.grading.judging.mark import Exam, mark, unreadable
from pruninglab.grading.sandbox.bubblewrap import NoSandboxError
from pruninglab.grading.sandbox.forkserver import START, ForkServer
from pruninglab.grading.sandbox.procfs import mapped
from pruninglab.limits import GIB, Limits

JUDGE_MEMORY = 6 * GIB
PARENT_DEATH_SIGNAL = 1  # of prctl(2)
ONE_AT_A_TIME = threading.Lock()


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
    """Judge a submission in a forked process, which takes everything with it when it ends.

    Whatever a submission does there, there is a result. One submission at a time: a worker with
    several threads (Dask's, say) has one sandbox.

    Args:
        exam: what is the same for the whole class.
        name: of the file that was handed in.
        data: its content.
        reason: why there is nothing to read, if so.

    Raises:
        NoSandboxError: this machine cannot make a sandbox (any more).
    """
    with ONE_AT_A_TIME:
        return unreadable(exam, reason) if reason else work_alone(exam, name, data)


def work_alone(exam: Exam, name: str, data: bytes) -> Result:
    """Fork, and wait for the result as long as a submission may take."""
    server = fork_server_for(exam.limits, unsafe=exam.unsafe)
    server.start()  # before the fork: it stays for the next ones
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = os.fork()  # no multiprocessing.Process: a daemonic worker (Dask's) may have none
    if child == 0:
        forked(theirs, exam, name, data, server)
    theirs.close()
    seconds = exam.limits.total + 2 * START
    try:
        if ours.poll(seconds):
            kind, content = ours.recv_bytes(), ours.recv_bytes()
            if kind == b"no sandbox":
                raise NoSandboxError(content.decode())
            return Result.from_json(content)
        problem = f"grading it took longer than {seconds:g} s"
    except (EOFError, OSError, ValueError):
        problem = "the process that graded it ended before it had a result"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        ours.close()
        server.clean()
    return unreadable(exam, problem)


def forked(pipe: Connection, exam: Exam, name: str, data: bytes, server: ForkServer) -> NoReturn:
    """Judge, send the kind of the result and the result, and end."""
    torch.set_num_threads(1)  # OpenMP's threads do not survive the fork, and would be waited for
    try:
        end_with_parent(signal.SIGKILL)
        most = mapped() + JUDGE_MEMORY
        with contextlib.suppress(OSError, ValueError):  # macOS knows no such limit
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        kind = b"result"
        try:
            text = mark(exam, name, data, server).to_json()
        except NoSandboxError as error:  # nobody's fault: no mark comes of it
            kind, text = b"no sandbox", str(error)
        except Exception as error:
            problem = f"grading failed ({type(error).__name__}: {error})"
            text = unreadable(exam, problem).to_json()
        pipe.send_bytes(kind)
        pipe.send_bytes(text.encode("utf-8", "replace"))  # what cannot be written: "?"
    finally:
        os._exit(0)
