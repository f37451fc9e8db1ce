"""A Python inside bubblewrap, with everything imported, that forks a process when asked."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pruninglab
from pruninglab.grading.sandbox.bubblewrap import NoSandboxError, command, environment
from pruninglab.limits import Limits

START = 180  # seconds until Python has started in a sandbox, on a busy machine


class ForkServer:
    """A Python with everything imported, inside a sandbox, that forks a process when asked.

    Args:
        limits: of each submission.
        unsafe: without bubblewrap, as an ordinary process with your rights.
    """

    def __init__(self, limits: Limits, *, unsafe: bool = False) -> None:
        self.limits, self.unsafe = limits, unsafe
        self.nested = not unsafe  # whether each submission gets namespaces of its own
        self.process: subprocess.Popen | None = None
        self.control: socket.socket  # to it, once it has been started
        self.used, self.owner = False, 0

    def start(self) -> None:
        """Start it unless it is running; this takes as long as importing torch.

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
        sandbox = [] if self.unsafe else command(self.limits.disk, nested=self.nested)
        self.process = subprocess.Popen(
            [*sandbox, *program],
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
        """Tell whether it can take orders."""
        if self.process is None:
            return False
        if os.getpid() == self.owner:
            return self.process.poll() is None
        with contextlib.suppress(OSError):  # in a fork of the process that started it
            os.kill(self.process.pid, 0)
            return True
        return False

    def order(self, **order: Any) -> tuple[socket.socket, socket.socket]:
        """Fork a process.

        Returns:
            The connection to it, and where it is reported how it has ended.

        Raises:
            NoSandboxError: the server has ended, or does not start.
        """
        if self.used and not self.nested and not self.unsafe:
            self.stop()  # one fork only: nothing would keep the second from the first
        self.start()
        ours, theirs = socket.socketpair()
        end, report = socket.socketpair()
        limits = {name: getattr(self.limits, name) for name in ("memory", "processes", "disk")}
        order |= {"do": "fork", "limits": limits, "nested": self.nested}
        try:
            socket.send_fds(
                self.control, [json.dumps(order).encode()], [theirs.fileno(), report.fileno()]
            )
        except OSError as error:
            raise NoSandboxError(f"Python in the sandbox has ended ({error})") from None
        finally:
            theirs.close()
            report.close()
        self.used = True
        return ours, end

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
        """End it with everything in it."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.control.close()
        self.process = None
