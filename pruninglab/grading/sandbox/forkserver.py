"""A Python behind the outer wall, with everything imported, that forks a process when asked."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pruninglab
from pruninglab.grading.sandbox.bubblewrap import NoSandboxError, command, environment

GIB = 2**30
START = 180  # seconds until Python has started in a sandbox, on a busy machine


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        cell: seconds for a cell of the notebook.
        exercise: seconds for the tests of an exercise.
        total: seconds for the whole submission.
        memory: bytes, all its processes together; also of files it writes (a quarter).
        processes: at most so many at once.
    """

    cell: float = 60
    exercise: float = 60
    total: float = 300
    memory: int = 3 * GIB
    processes: int = 64

    @property
    def disk(self) -> int:
        """Bytes of each of the two places where it may write."""
        return max(self.memory // 8, 2**20)


class Nursery:
    """A Python with everything imported, inside a sandbox, that forks a process when asked.

    Args:
        limits: of each submission.
        unsafe: without bubblewrap, as an ordinary process with your rights.
    """

    def __init__(self, limits: Limits, *, unsafe: bool = False) -> None:
        self.limits, self.unsafe = limits, unsafe
        self.walls = not unsafe  # whether the kernel allows an inner wall for each submission
        self.process: subprocess.Popen | None = None
        self.control: socket.socket  # to it, once it has been started
        self.used, self.owner = False, 0

    def start(self) -> None:
        """Start it if it is not running; takes as long as importing torch.

        Raises:
            NoSandboxError: it did not start.
        """
        if self.running():
            return
        if self.process is not None:
            self.control.close()  # to one that has ended
        self.control, theirs = socket.socketpair()
        program = [sys.executable, "-m", "pruninglab.grading.sandbox.inside", str(theirs.fileno())]
        home = environment(str(Path(pruninglab.__file__).parent.parent), tempfile.gettempdir())
        inner = [] if self.unsafe else command(self.limits.disk, nested=self.walls)
        self.process = subprocess.Popen(
            [*inner, *program],
            cwd="/",
            env=home if self.unsafe else {},
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self.owner = os.getpid()
        self.control.settimeout(START)
        self.used = False
        ready = b""
        with contextlib.suppress(OSError):
            ready = self.control.recv(16)
        if ready != b"ready":
            self.stop()
            raise NoSandboxError("Python does not start in the sandbox: is there enough memory?")

    def running(self) -> bool:
        """Whether it can take orders."""
        if self.process is None:
            return False
        if os.getpid() == self.owner:
            return self.process.poll() is None
        with contextlib.suppress(OSError):  # in a fork of the process that started it
            os.kill(self.process.pid, 0)
            return True
        return False

    def order(self, **order: Any) -> socket.socket:
        """A connection to a new process."""
        if self.used and not self.walls and not self.unsafe:
            self.stop()  # one fork only: nothing would keep the second from the first
        self.start()
        ours, theirs = socket.socketpair()
        limits = {name: getattr(self.limits, name) for name in ("memory", "processes", "disk")}
        order |= {"do": "fork", "limits": limits, "wall": self.walls}
        try:
            socket.send_fds(self.control, [json.dumps(order).encode()], [theirs.fileno()])
        except OSError as error:
            raise NoSandboxError(f"Python in the sandbox has ended ({error})") from None
        finally:
            theirs.close()
        self.used = True
        return ours

    def clean(self) -> None:
        """End whatever submissions have left (of one whose grader was killed, say)."""
        if not self.running():
            return
        order = {"do": "clean", "all": not self.unsafe}
        try:
            self.control.send(json.dumps(order).encode())
            done = self.control.recv(16) == b"clean"
        except OSError:
            done = False
        if not done:
            self.stop()

    def stop(self) -> None:
        """End it, and all in it."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.control.close()
        self.process = None
