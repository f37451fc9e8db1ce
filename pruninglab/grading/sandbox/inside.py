"""What runs inside the sandbox: the student's cells, and the student's functions when called.

`python -m pruninglab.grading.sandbox.inside FD` imports everything once, and forks a process for
each submission that is ordered over the socket FD. Nothing that such a process says is trusted: see
`judging.judge`.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import resource
import signal
import socket
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import torch
from IPython.core.interactiveshell import InteractiveShell
from torch import Tensor
from traitlets.config import Config

from pruninglab.checks import lab
from pruninglab.grading.protocol.messages import Wire
from pruninglab.grading.protocol.rpc import Link
from pruninglab.grading.sandbox.namespaces import hide, isolate, write
from pruninglab.grading.sandbox.procfs import mapped
from pruninglab.grading.sandbox.seccomp import forbid
from pruninglab.grading.timer import limited
from pruninglab.training import trainer  # noqa: F401

GRAPHS = 1000  # results whose slopes can still be asked for
SHOWN = 2000  # characters of a cell's output that are kept


class Capped(io.StringIO):
    """Text of which only the beginning is kept."""

    def write(self, text: str) -> int:
        """Keep what fits."""
        if self.tell() < SHOWN:
            super().write(text[:SHOWN])
        return len(text)


class Shell(InteractiveShell):
    """IPython without a screen."""

    def enable_gui(self, gui: str | None = None) -> None:
        """There is none; `%matplotlib inline` asks for it."""


class Guest:
    """The student's notebook, alive."""

    def __init__(self) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        self.shell = Shell.instance(config=config)
        self.moments: dict[str, dict[str, Any]] = {}  # test -> all names where it stands
        self.link: Link | None = None
        self.graphs: dict[int, tuple[Tensor, list[Tensor]]] = {}

    def run_cell(self, source: str, seconds: float) -> dict[str, Any]:
        """Run a cell; what it printed, and its error or None."""
        shown, error = Capped(), None
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
            try:
                with limited(seconds):
                    done = self.shell.run_cell(source, store_history=False)
                error = done.error_before_exec or done.error_in_exec
            except BaseException as raised:
                error = raised
        with contextlib.suppress(Exception):
            plt.close("all")
        text = None if error is None else f"{type(error).__name__}: {error}"[:SHOWN]
        return {"output": shown.getvalue()[:SHOWN], "error": text}

    def passes(self, source: str, seconds: float) -> bool:
        """Whether a test passes in here, where the student's code could have changed anything."""
        drawing, lab.draw = lab.draw, lambda *_: None
        try:
            return self.run_cell(source, seconds)["error"] is None
        finally:
            lab.draw = drawing

    def keep(self, test: str) -> None:
        """Remember what all names mean now, where the test stands in the notebook."""
        self.moments[test] = dict(self.shell.user_ns)

    def meet(self, test: str) -> None:
        """Let all names mean what they did there; those that came later stay."""
        self.shell.user_ns.update(self.moments.get(test, {}))

    def find(self, name: str) -> Any:
        """What a test means by a name.

        Raises:
            NameError: the notebook does not define it.
        """
        if name not in self.shell.user_ns:
            raise NameError(f"name {name!r} is not defined")
        return self.shell.user_ns[name]

    def is_function(self, name: str) -> bool:
        """Whether it can be called (what is not there will say so when it is)."""
        return name not in self.shell.user_ns or callable(self.find(name))

    def call(self, name: str, args: tuple, kwargs: dict[str, Any], seconds: float) -> Any:
        """Call a function of the notebook, in a way that prints nothing."""
        with (
            contextlib.redirect_stdout(Capped()),
            contextlib.redirect_stderr(Capped()),
            warnings.catch_warnings(),
            limited(seconds),
        ):
            result = self.find(name)(*args, **kwargs)
            self.remember(result, [*args, *kwargs.values()])
            return result

    def remember(self, result: Any, arguments: list[Any]) -> None:
        """Keep a result whose slopes may be asked for."""
        assert self.link is not None
        inputs = [x for x in arguments if isinstance(x, Tensor) and x.requires_grad]
        if isinstance(result, Tensor) and result.requires_grad and inputs:
            self.graphs[self.link.codec.enter(result)] = (result, inputs)
            for old in list(self.graphs)[:-GRAPHS]:
                del self.graphs[old]

    def slopes(self, number: int, grad: Tensor) -> list[Tensor | None]:
        """Gradients of a tensor that was returned, by the arguments of the call."""
        value, inputs = self.graphs[number]
        return list(torch.autograd.grad(value, inputs, grad, retain_graph=True, allow_unused=True))


def set_limits(limits: Mapping[str, int]) -> None:
    """Limits that the process cannot lift again; memory counts from what is in use now."""
    values = {
        resource.RLIMIT_AS: mapped() + limits["memory"] * 2 // 3,  # the rest is in use already
        resource.RLIMIT_NPROC: 4 * limits["processes"],  # threads count, too
        resource.RLIMIT_FSIZE: limits["disk"],
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 512,
    }
    for kind, value in values.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(OSError, ValueError):  # macOS does not know all of them
            resource.setrlimit(kind, (value, value))


def serve(connection: socket.socket, order: Mapping[str, Any]) -> None:
    """Be the process of one submission.

    Args:
        connection: to the grader.
        order: `home` (a folder to work in), `limits`, `wall` (whether to build the inner wall).
    """
    namespace = None
    hide(False)  # the namespaces are made by writing into /proc
    with contextlib.suppress(OSError):  # should memory run out, the kernel ends it before others
        write("/proc/self/oom_score_adj", "1000")
    if order["wall"]:
        with contextlib.suppress(OSError):
            namespace = isolate(order["limits"]["disk"])
    os.setsid()  # a group of its own: signals to its group would reach the Python it comes from
    with contextlib.suppress(OSError):
        forbid()
    os.makedirs(order["home"], exist_ok=True)
    os.chdir(order["home"])
    sys.path.insert(0, order["home"])  # where probes.py is
    guest, link = Guest(), Link(Wire(connection), first=1)
    guest.link = link
    for name in ("run_cell", "passes", "find", "keep", "meet", "is_function", "call", "slopes"):
        link.names[name] = getattr(guest, name)

    def hello(files: dict[str, str]) -> dict[str, int | None]:
        for name, text in files.items():
            with open(os.path.basename(name), "wb") as file:
                file.write(text.encode("latin-1"))
        if "probes.py" in files:
            importlib.import_module("probes")
        return {"namespace": namespace, "process": os.getpid()}

    link.names["hello"] = hello
    set_limits(order["limits"])
    warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
    while True:
        link.answer(*link.wire.receive())


def main() -> None:
    """Wait for orders; fork a process for each. No student's code runs in this process."""
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.argv[1:] = []
    hide()  # from what it will fork
    torch.set_num_threads(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    control.send(b"ready")
    while True:
        text, descriptors, _, _ = socket.recv_fds(control, 2**16, 4)
        if not text:
            return
        order = json.loads(text)
        if order["do"] == "clean":
            if order["all"]:  # in the sandbox that is: everything inside of it but this process
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
            control.send(b"clean")
        elif os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                serve(socket.socket(fileno=descriptors[0]), order)
            finally:
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


if __name__ == "__main__":
    main()
