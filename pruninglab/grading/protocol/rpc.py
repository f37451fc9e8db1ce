"""Calls in both directions between the grader and a sandbox, over a `Wire`."""

from __future__ import annotations

import builtins
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from torch import Tensor, nn
from torch.autograd import Function

from pruninglab.grading.protocol.allowed import MODULES, full_name, known_class
from pruninglab.grading.protocol.codec import Codec
from pruninglab.grading.protocol.messages import BadMessage, Closed, Late, Message, Wire
from pruninglab.grading.protocol.modules import remote_code

TEXT = 4000  # characters of an error's message


class Failed(Exception):
    """An error of a student's function; its class has the name of the original one."""

    trace: list[str] = []  # noqa: RUF012 - set for each one


class Backward(Function):
    """The slope of a call to the other side, asked for there."""

    @staticmethod
    def forward(ctx: Any, link: Link, number: int, value: Tensor, *inputs: Tensor) -> Tensor:
        """The value that came back."""
        ctx.link, ctx.number = link, number
        return value.detach().clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        """The other side's vector-Jacobian product."""
        slopes = ctx.link.call("slopes", (ctx.number, grad), {})
        return (None, None, None, *slopes)


class Link:
    """One end of a conversation; the other end has one too.

    Args:
        wire: the connection.
        first: 0 for the grader, 1 for the sandbox (see `Codec`).
    """

    def __init__(self, wire: Wire, first: int) -> None:
        self.wire = wire
        self.codec = Codec(first, self._function)
        self.names: dict[str, Callable] = {}  # what the other side may call by name
        self.deadline: float | None = None  # time.monotonic() until which an answer must be there

    def _function(self, number: int, name: str) -> Callable:
        def function(*args: Any, **kwargs: Any) -> Any:
            return self.call(number, args, kwargs)

        function.__name__ = name if name.isidentifier() else "function"
        return function

    def call(
        self, target: str | int, args: tuple, kwargs: dict[str, Any], *, fresh: bool = False
    ) -> Any:
        """Call a function of the other side, by name or number.

        Args:
            fresh: both sides first forget the objects of earlier calls (but for functions).

        Raises:
            Failed: it raised.
            Closed, BadMessage, Late: there is no sensible answer.
        """
        if fresh:
            self.codec.forget()
        self.tell({"do": "call", "target": target, "fresh": fresh}, (args, dict(kwargs)))
        while True:
            message, parts = self.wire.receive(self.deadline)
            if message.get("do") == "call":
                self.answer(message, parts)
            elif message.get("do") == "return":
                return self.codec.unpack(message, parts)
            elif message.get("do") == "raise":
                self.codec.unpack(message, parts)
                raise failed(message)
            else:
                raise BadMessage("neither a call nor an answer")

    def tell(self, message: Message, value: Any) -> None:
        """Send a message with a value, and whatever objects have changed."""
        before = dict(self.codec.seen)
        try:
            packed, parts = self.codec.pack(value)
        except BaseException:
            self.codec.seen = before
            raise
        self.wire.send(message | packed, parts, self.deadline)

    def answer(self, message: Message, parts: list[bytes]) -> None:
        """Do what the other side asks, and send the result or the error."""
        if message.get("fresh") and self.codec.trusting:
            self.codec.forget()
        args, kwargs = self.codec.unpack(message, parts)
        try:
            function = self.find(message.get("target"))
            with self.running([*args, *kwargs.values()]):
                result = function(*args, **kwargs)
            self.tell({"do": "return"}, result)
        except (Closed, BadMessage, Late):
            raise
        except BaseException as error:
            self.refuse(error)

    def running(self, arguments: list[Any]) -> AbstractContextManager[None]:
        """Surround a call that the other side asked for."""
        return nullcontext()

    def find(self, target: Any) -> Callable:
        """Find the function that the other side means."""
        function = (self.names if isinstance(target, str) else self.codec.objects).get(target)
        if not callable(function):
            raise BadMessage("a call of something that is no function")
        return function

    def refuse(self, error: BaseException) -> None:
        """Answer with an error."""
        message = {"do": "raise", **describe(error)}
        try:
            self.tell(message, None)
        except TypeError:  # an argument has been changed to something that cannot cross
            self.wire.send(message | {"value": None, "objects": []}, [], self.deadline)


class GraderLink(Link):
    """A link whose other end is not trusted: what it returns is data.

    While a callback of the test runs, hooks and modules of the student's own classes may compute,
    in the sandbox, if they are in a network that was passed to the callback and is all the
    student's own (a hooked copy of a network that is evaluated, say). They do not in the network
    that the test passed in, nor in anything after the callback.
    """

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire, first=0)
        self.broken: BaseException | None = None

    def call(
        self, target: str | int, args: tuple, kwargs: dict[str, Any], *, fresh: bool = False
    ) -> Any:
        """As `Link.call`; an error in a test's own callback wins over whatever comes back."""
        try:
            result = super().call(target, args, kwargs, fresh=fresh)
        except Failed:
            if self.broken is not None:
                raise self.broken from None
            raise
        if self.broken is not None:
            raise self.broken
        return result

    def differentiable(self, result: Any, arguments: list[Any]) -> Any:
        """Make a tensor's gradient available if one of the call's arguments requires it."""
        inputs = [x for x in arguments if isinstance(x, Tensor) and x.requires_grad]
        if not (isinstance(result, Tensor) and result.requires_grad and inputs):
            return result
        return Backward.apply(self, self.codec.numbers[id(result)], result, *inputs)

    def find(self, target: Any) -> Callable:
        """Only functions that a test has passed along may be called, and none after a failure.

        Nor a module, unless it is of a class that the sandbox cannot rebuild and run itself.
        """
        function = super().find(target)
        rebuilt = isinstance(function, nn.Module) and known_class(
            full_name(function), MODULES, nn.Module
        )
        if isinstance(target, str) or isinstance(function, type) or rebuilt or self.broken:
            raise BadMessage("a call of something that is no function")
        return function

    @contextmanager
    def running(self, arguments: list[Any]) -> Iterator[None]:
        """Let code of the student's compute in networks of their own; see the class."""
        numbered = self.codec.objects.items()
        ours = [m for n, m in numbered if n % 2 == 0 and isinstance(m, nn.Module)]
        kept = {id(inner) for module in ours for inner in module.modules()}
        theirs = [m for a in arguments if isinstance(a, nn.Module) for m in a.modules()]
        mine = (c for m in theirs if id(m) not in kept for c in remote_code(m))
        code = [remote for remote in mine if not remote.runs]
        for remote in code:
            remote.runs = True
        try:
            yield
        finally:
            for remote in code:
                remote.runs = False

    def refuse(self, error: BaseException) -> None:
        """A test's callback has found a mistake: the sandbox only learns that it is over."""
        self.broken = self.broken or error
        super().refuse(RuntimeError("the test has ended"))


def describe(error: BaseException) -> dict[str, Any]:
    """Name, message and traceback of an error, as far as it is about the student's cells."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"line {f.lineno}, in {f.name}: {f.line}" for f in frames if is_cell(f.filename)]
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    return {"type": type(error).__name__, "text": text[:TEXT], "trace": lines[-5:]}


def is_cell(path: str) -> bool:
    """Whether a traceback's file is a cell of the notebook."""
    return "ipykernel_" in path or path.startswith("<ipython-input") or path.startswith("<cell")


def failed(message: Message) -> Failed:
    """An error of the other side, of a class with the same name and built-in bases."""
    name = str(message.get("type"))[:80]
    name = name if re.fullmatch(r"[A-Za-z_]\w*", name, flags=re.ASCII) else "Error"
    base = getattr(builtins, name, Exception)
    usable = isinstance(base, type) and issubclass(base, Exception) and base is not StopIteration
    bases = (Failed, base) if usable and base is not Exception else (Failed,)
    text = str(message.get("text"))[:TEXT].encode("utf-8", "replace").decode()
    members = {"__str__": lambda self: text, "__init__": lambda self: None}
    try:
        error = type(name, bases, members)()
    except TypeError:
        error = type(name, (Failed,), members)()
    trace = message.get("trace")
    lines = trace if isinstance(trace, list) else []
    error.trace = [str(line)[:300].encode("utf-8", "replace").decode() for line in lines[:5]]
    return error
