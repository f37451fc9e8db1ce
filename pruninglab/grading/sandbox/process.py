"""The process of one submission, and a watch over its limits."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import Any

from pruninglab.grading.protocol.messages import Closed, Wire
from pruninglab.grading.protocol.rpc import GraderLink
from pruninglab.grading.sandbox import scratch
from pruninglab.grading.sandbox.bubblewrap import HOME
from pruninglab.grading.sandbox.forkserver import ForkServer
from pruninglab.grading.sandbox.procfs import (
    exceeds,
    heaviest_sandbox,
    inside,
    memory_left,
    namespace_below,
    seconds_of,
)
from pruninglab.limits import GIB

RESERVE = GIB // 2  # bytes of memory that the machine keeps for others
SHORT_OF_MEMORY = "the machine was short of memory, and this used the most"
BUSY, BURST = 1.5, 3  # processors on average, and seconds of processor time beyond


class Sandbox:
    """The process of one submission; `link` is the connection to it.

    Args:
        server: forks it.
    """

    def __init__(self, server: ForkServer) -> None:
        self.server, self.limits, self.reason = server, server.limits, ""
        self.resources = contextlib.ExitStack()
        home = str(self.resources.enter_context(scratch.folder())) if server.unsafe else HOME
        connection, self.report = server.order(home=home)
        self.link = GraderLink(Wire(connection))
        self.namespace: int | None = None
        self.process: int | None = None
        self.ended = threading.Event()

    def watch(self, hello: dict[str, Any]) -> None:
        """Begin to watch the limits.

        Args:
            hello: what the process said about itself before it ran any code of a student.
        """
        self.namespace, self.process = hello["namespace"], hello["process"]
        if self.namespace is None and self.server.nested:  # the kernel forbids nested namespaces
            self.server.nested = False
            self.server.stop()
            raise Closed("no namespaces of its own")
        if self.namespace is None and not self.server.unsafe:
            assert self.server.process is not None
            self.namespace = namespace_below(self.server.process.pid)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        # A fork bomb leaves no time to others. (For all but root the kernel limits it anyway.)
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        began = time.monotonic()
        while self.namespace is not None and not self.ended.wait(0.05):
            members = inside(self.namespace)
            if len(members) > self.limits.processes:
                self.kill(f"it started more than {self.limits.processes} processes")
            if exceeds(members, self.limits.memory):
                self.kill(f"it used more than {self.limits.memory / GIB:g} GiB of memory")
            if memory_left() < RESERVE and heaviest_sandbox() == self.namespace:
                self.kill(SHORT_OF_MEMORY)
            if sum(map(seconds_of, members)) > BUSY * (time.monotonic() - began) + BURST:
                self.kill("it kept several processors busy, and others wait for them")

    def kill(self, reason: str) -> None:
        """End it and everything in it."""
        self.reason = self.reason or reason
        if not self.server.nested and not self.server.unsafe:
            self.server.stop()
        # the lowest number is the first process of the namespace: with it, all of them end
        for process in sorted(inside(self.namespace)) if self.namespace is not None else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if self.server.unsafe and self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process, signal.SIGKILL)

    def close(self) -> None:
        """End it, and wait until nothing of it is left."""
        self.ended.set()
        self.link.wire.close()
        self.report.close()
        end = time.monotonic() + 10
        self.kill("closed")
        while self.namespace is not None and inside(self.namespace):
            self.kill("closed")
            if time.monotonic() > end:
                self.server.stop()
                return
            time.sleep(0.005)
        self.resources.close()

    def why(self) -> str:
        """Say why it has ended."""
        return self.reason or "its process ended by itself (an exit, or a crash)"

    def ended_from_outside(self) -> bool:
        """Tell whether the machine has ended it, which is no error of the student's.

        Nothing inside can send SIGKILL to the first process of the namespace: it was the kernel,
        when memory ran out, or somebody outside.
        """
        if self.reason:
            return self.reason == SHORT_OF_MEMORY
        status = b""
        with contextlib.suppress(OSError):
            self.report.settimeout(2)
            status = self.report.recv(16)
        return status.isdigit() and os.WTERMSIG(int(status)) == signal.SIGKILL
