"""The student's notebook inside the sandbox: its cells run, and its functions are called."""

from __future__ import annotations

import ast
import contextlib
import io
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import torch
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from torch import Tensor
from traitlets.config import Config

from pruninglab.checks import lab
from pruninglab.grading.protocol.rpc import Link
from pruninglab.grading.timer import limited
from pruninglab.notebook import runnable

# A student's own machine may have had the package, the file, the magic.
MISSING_HERE = (ImportError, OSError, UsageError)
GRAPHS = 1000  # results whose gradients can still be asked for
SHOWN = 2000  # characters of a cell's output that are kept


class Capped(io.StringIO):
    """Text of which only the beginning is kept."""

    def write(self, text: str) -> int:
        """Keep what fits."""
        if self.tell() < SHOWN:
            super().write(text[:SHOWN])
        return len(text)


class Shell(InteractiveShell):
    """IPython without a screen, and with patience for what this machine lacks."""

    failed_line = 0  # of the last cell that did not run to its end

    async def run_ast_nodes(
        self,
        nodelist: list[ast.stmt],
        cell_name: str,
        interactivity: str = "last_expr",
        compiler: Any = compile,
        result: Any = None,
    ) -> bool:
        """Run a cell's statements one by one, and go on after one that misses something here.

        The first error is kept. After a failing import, names that it would have bound are missing,
        too.
        """
        first: Exception | None = None
        for node in nodelist:
            shown = interactivity if node is nodelist[-1] else "none"
            if not await super().run_ast_nodes([node], cell_name, shown, compiler, result):
                continue
            error = result.error_before_exec or result.error_in_exec
            if first is None:
                first, self.failed_line = error, node.lineno
            follows = isinstance(first, MISSING_HERE) and isinstance(error, NameError)
            if not (isinstance(error, MISSING_HERE) or follows):
                break
        if first is not None and result.error_before_exec is None:
            result.error_in_exec = first
        return first is not None

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing: there is no screen, but `%matplotlib inline` asks for one."""

    def showtraceback(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: nobody reads it, and that of an endless recursion takes many seconds."""


class StudentNotebook:
    """The names that the student's cells define, and what the grader may do with them.

    Args:
        link: the connection to the grader.
    """

    def __init__(self, link: Link) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        self.shell = Shell.instance(config=config)
        self.link = link
        self.snapshots: dict[str, dict[str, Any]] = {}  # test -> all names where it is
        self.graphs: dict[int, tuple[Tensor, list[Tensor]]] = {}

    def functions(self) -> dict[str, Callable]:
        """What the grader may call by name."""
        mine = (self.run_cell, self.passes, self.find, self.remember_names, self.restore_names)
        return {f.__name__: f for f in (*mine, self.is_function, self.call, self.slopes)}

    def run_cell(self, source: str, seconds: float) -> dict[str, Any]:
        """Run a cell; return what it printed, and its error or None."""
        source, shown, error = runnable(source), Capped(), None
        self.shell.failed_line = 0
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
        if text and self.shell.failed_line:
            line = source.split("\n")[self.shell.failed_line - 1].strip()[:80]
            text += f" (line {self.shell.failed_line}: {line})"
        return {"output": shown.getvalue()[:SHOWN], "error": text}

    def passes(self, source: str, seconds: float) -> bool:
        """Tell whether a test passes in here, where the student's code can change anything."""
        drawing, lab.draw = lab.draw, lambda *_: None
        try:
            return self.run_cell(source, seconds)["error"] is None
        finally:
            lab.draw = drawing

    def remember_names(self, test: str) -> None:
        """Remember what all names mean now, where a test is in the notebook."""
        self.snapshots[test] = dict(self.shell.user_ns)

    def restore_names(self, test: str) -> None:
        """Let all names mean what they did at a test; names that came later stay."""
        self.shell.user_ns.update(self.snapshots.get(test, {}))

    def find(self, name: str) -> Any:
        """Return what a test means by a name.

        Raises:
            NameError: the notebook does not define it.
        """
        if name not in self.shell.user_ns:
            raise NameError(f"name {name!r} is not defined")
        return self.shell.user_ns[name]

    def is_function(self, name: str) -> bool:
        """Tell whether a name can be called (one that is missing says so when it is called)."""
        return name not in self.shell.user_ns or callable(self.find(name))

    def call(self, name: str, args: tuple, kwargs: dict[str, Any], seconds: float) -> Any:
        """Call a function of the notebook; what it prints is dropped."""
        with (
            contextlib.redirect_stdout(Capped()),
            contextlib.redirect_stderr(Capped()),
            warnings.catch_warnings(),
            limited(seconds),
        ):
            result = self.find(name)(*args, **kwargs)
            self.keep_graph(result, [*args, *kwargs.values()])
            return result

    def keep_graph(self, result: Any, arguments: list[Any]) -> None:
        """Keep a result whose gradients may be asked for."""
        inputs = [x for x in arguments if isinstance(x, Tensor) and x.requires_grad]
        if isinstance(result, Tensor) and result.requires_grad and inputs:
            self.graphs[self.link.codec.enter(result)] = (result, inputs)
            for old in list(self.graphs)[:-GRAPHS]:
                del self.graphs[old]

    def slopes(self, number: int, grad: Tensor) -> list[Tensor | None]:
        """Return the gradients of a result by the arguments of the call that returned it."""
        value, inputs = self.graphs[number]
        return list(torch.autograd.grad(value, inputs, grad, retain_graph=True, allow_unused=True))
