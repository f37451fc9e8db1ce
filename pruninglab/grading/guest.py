"""What runs inside the sandbox: the student's cells, and the student's functions when called.

`python -m pruninglab.grading.guest FD` speaks over the socket with that number. Nothing that this
process says is trusted: see `judge`.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
import socket
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import torch
from IPython.core.interactiveshell import InteractiveShell
from torch import Tensor
from traitlets.config import Config

from pruninglab import checkpoints, counters, data, masks, models, plots, training  # noqa: F401
from pruninglab.grading.link import Link
from pruninglab.grading.wire import Wire

SHOWN = 2000  # characters of a cell's output that are kept


class Capped(io.StringIO):
    """Text of which only the beginning is kept."""

    def write(self, text: str) -> int:
        """Keep what fits."""
        if self.tell() < SHOWN:
            super().write(text[:SHOWN])
        return len(text)


class OutOfTime(BaseException):
    """The time of a cell or call is over. No `Exception`, so that `except Exception` lets it by."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Interrupt what runs after some seconds (what cannot be interrupted is killed from outside)."""

    def over(*_: Any) -> None:
        raise OutOfTime(f"it took longer than the {seconds:g} s allowed")

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


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
        self.functions: dict[str, Any] = {}
        self.link: Link | None = None

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

    def keep(self, name: str) -> None:
        """Remember what has the name now, as its test cell would meet it."""
        if name in self.shell.user_ns:
            self.functions[name] = self.shell.user_ns[name]

    def find(self, name: str) -> Any:
        """What a test means by a name.

        Raises:
            NameError: the notebook does not define it.
        """
        if name not in self.functions and name not in self.shell.user_ns:
            raise NameError(f"name {name!r} is not defined")
        return self.functions[name] if name in self.functions else self.shell.user_ns[name]

    def is_function(self, name: str) -> bool:
        """Whether it can be called (what is not there will say so when it is)."""
        there = name in self.functions or name in self.shell.user_ns
        return not there or callable(self.find(name))

    def call(self, name: str, args: tuple, kwargs: dict[str, Any], seconds: float) -> Any:
        """Call a function of the notebook, in a way that prints nothing."""
        with (
            contextlib.redirect_stdout(Capped()),
            contextlib.redirect_stderr(Capped()),
            warnings.catch_warnings(),
            limited(seconds),
        ):
            return self.find(name)(*args, **kwargs)

    def slopes(self, number: int, inputs: list[Tensor], grad: Tensor) -> list[Tensor | None]:
        """Gradients of a tensor that was returned, by the arguments."""
        assert self.link is not None
        value = self.link.codec.objects[number]
        return list(
            torch.autograd.grad(value, inputs, grad, retain_graph=True, allow_unused=True)
        )


def set_limits(memory: int, processes: int, file_size: int) -> None:
    """Limits that the process cannot lift again; memory counts from what is in use now."""
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limits = {
        resource.RLIMIT_AS: mapped + memory,
        resource.RLIMIT_NPROC: processes,
        resource.RLIMIT_FSIZE: file_size,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 512,
    }
    for kind, value in limits.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def main() -> None:
    """Serve calls until the grader hangs up."""
    descriptor, memory, processes, file_size = map(int, sys.argv[1:5])
    sys.argv[1:] = []
    torch.set_num_threads(1)
    sys.path.insert(0, os.getcwd())  # where probes.py is
    guest, link = Guest(), Link(Wire(socket.socket(fileno=descriptor)), first=1)
    guest.link = link
    for name in ("run_cell", "keep", "find", "is_function", "call", "slopes"):
        link.names[name] = getattr(guest, name)
    link.names["forget"] = link.codec.forget
    set_limits(memory, processes, file_size)
    warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
    while True:
        link.answer(*link.wire.receive())


if __name__ == "__main__":
    main()
