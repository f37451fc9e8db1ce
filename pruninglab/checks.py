"""A check calls a student's function on small inputs, and says what went wrong.

What is right is not code here but data: `expected.json` beside the notebook holds the values that
the right function gives on each probe, and the values that well-known mistakes give. A wrong
answer is compared with those mistakes, so that the message can name the likely one.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pruninglab.progress import Progress, in_notebook

TOLERANCE = 1e-5  # relative, and absolute below 1
Values = dict[str, Any]  # name -> tensor, number, string, None, or lists and dicts of them
# White on green and on red (160), in any theme, and said by a sign and a word, too.
PASSED = "\x1b[1;38;5;231;48;5;28m ✔ passed \x1b[0m"
NOT_YET = "\x1b[1;38;5;231;48;5;160m ✘ not yet \x1b[0m"
NOTHING = "Your function gave back nothing (None): is there a `return`, and is it always reached?"


class WrongAnswer(AssertionError):
    """A wrong answer. Jupyter shows its text alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:  # IPython's hook for exceptions
        return [f"{NOT_YET} {self}"]


@dataclass(frozen=True)
class Probe:
    """One call of the student's function, and what to look at afterwards.

    Attributes:
        title: what the call tries, in a few words.
        inputs: makes the keyword arguments, fresh each time.
        look: `(result, inputs) -> values`; by default the result itself.
        changes_inputs: whether the task asks the function to change its arguments.
    """

    title: str
    inputs: Callable[[], dict[str, Any]]
    look: Callable[[Any, dict[str, Any]], Values] | None = None
    changes_inputs: bool = False

    def observe(self, function: Callable) -> Values:
        """The plain values that `function` gives; `{"error": ...}` if it raises.

        Raises:
            NotImplementedError: the function is not written yet.
        """
        inputs, result = self.inputs(), ...
        try:
            result = function(**inputs)
            values = self.look(result, inputs) if self.look else {"result": result}
            values = decode(encode(values))
        except Exception as error:
            if unwritten(error):
                raise
            nothing = result is None and not self.changes_inputs
            return {"error": type(error).__name__, "message": NOTHING if nothing else str(error)}
        if not self.changes_inputs:
            values |= {f"{k} afterwards": v for k, v in self._changed(inputs).items()}
        return values

    def _changed(self, inputs: dict[str, Any]) -> Values:
        before, after = plain(self.inputs()), plain(inputs)
        return {name: after[name] for name in before if not same(before[name], after[name])}


def unwritten(error: Exception) -> bool:
    """Whether the placeholder of an exercise raised this, rather than torch.

    PyTorch has NotImplementedError, too, for what it cannot do with a dtype: `-mask`, say.

    >>> unwritten(NotImplementedError()), unwritten(NotImplementedError("not with bool"))
    (True, False)
    """
    placeholder = not error.args or "write your solution" in str(error)
    return isinstance(error, NotImplementedError) and placeholder


def encode(value: Any) -> Any:
    """A value as JSON: tensors become their dtype, shape and numbers; modules their tensors.

    Raises:
        TypeError: a value that has no such form.

    >>> encode(torch.tensor([True, False]))
    {'tensor': 'bool', 'shape': [2], 'values': [True, False]}
    """
    if isinstance(value, torch.nn.Module):
        return encode({"module": repr(value), **value.state_dict()})
    if isinstance(value, Tensor):
        flat = value.detach().cpu().flatten().tolist()
        kind = str(value.dtype).removeprefix("torch.")
        return {"tensor": kind, "shape": list(value.shape), "values": flat}
    if isinstance(value, Mapping):
        return {str(name): encode(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | torch.Size):
        return [encode(part) for part in (sorted(value) if isinstance(value, set) else value)]
    if isinstance(value, np.generic):  # a number of numpy
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"cannot look inside a {type(value).__name__}")


def decode(value: Any) -> Any:
    """The inverse of `encode` (modules stay dicts, tuples and sets become lists)."""
    if isinstance(value, dict) and set(value) == {"tensor", "shape", "values"}:
        dtype = getattr(torch, value["tensor"])
        return torch.tensor(value["values"], dtype=dtype).reshape(value["shape"])
    if isinstance(value, dict):
        return {name: decode(part) for name, part in value.items()}
    return [decode(part) for part in value] if isinstance(value, list) else value


def plain(inputs: Mapping[str, Any]) -> Values:
    """Copies of the arguments that can be shown; callbacks and optimizers cannot, and are left out.

    >>> plain({"sparsity": 0.5, "train_step": print})
    {'sparsity': 0.5}
    """
    shown = {}
    for name, value in inputs.items():
        with contextlib.suppress(TypeError):
            shown[name] = decode(encode(value))
    return shown


def same(a: Any, b: Any) -> bool:
    """Equal in structure, tensor shapes and kind; floating-point numbers within `TOLERANCE`.

    Whole numbers are counts or places: one more is not the same.

    >>> same([1.0, True], [1.0 + 1e-7, True]), same(torch.ones(2), torch.ones(3))
    (True, False)
    """
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and _kind(a) == _kind(b) and bool(close(a, b).all())
    if isinstance(a, dict) and isinstance(b, dict):
        a, b = ({k: v for k, v in d.items() if k != "message"} for d in (a, b))
        return list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (a != a and b != b)
    return type(a) is type(b) and bool(a == b)


def _kind(x: Tensor) -> str:
    return "bool" if x.dtype == torch.bool else "float" if x.is_floating_point() else "int"


def close(a: Tensor, b: Tensor) -> Tensor:
    """Where two tensors of one shape are the same: bool, with `TOLERANCE` unless both are whole."""
    if not (a.is_floating_point() or b.is_floating_point()):
        return a == b
    return torch.isclose(a.double(), b.double(), TOLERANCE, TOLERANCE, equal_nan=True)


class Lab:
    """The checks of one lab: call it with a function, and it finds the probes by its name.

    Args:
        file: path of the module with the probes; `expected.json` lies beside it.
        probes: exercise name -> probes.
    """

    def __init__(self, file: str, probes: dict[str, list[Probe]]) -> None:
        self.probes = probes
        self.data = Path(file).with_name("expected.json")
        self.progress = Progress(Path(file).parent)

    def __call__(self, function: Callable, name: str | None = None) -> None:
        """Check a student's function. Silent success would teach nothing, so it prints a line.

        In a notebook it also notes how the check ended, and prints the points so far.

        Raises:
            WrongAnswer: with input, expected, got and the likely mistake.
        """
        name = name or getattr(function, "__name__", "?")
        if name not in self.probes:
            raise WrongAnswer(f"there is no exercise {name!r}: {', '.join(self.probes)}")
        try:
            passed = self._compare(function, name)
        except WrongAnswer:
            if in_notebook():
                self.progress.note(name, passed=False)
            raise
        if in_notebook():
            print(f"{PASSED} {passed}", self.progress.note(name, passed=True), sep="\n")
        else:
            print(f"✔ {passed}")

    def _compare(self, function: Callable, name: str) -> str:
        """Compare what the probes see with what is expected; returns what to print."""
        try:
            seen = [probe.observe(function) for probe in self.probes[name]]
        except NotImplementedError:
            raise WrongAnswer(f"{name}: not written yet. Replace the last line by yours.") from None
        known = decode(json.loads(self.data.read_text())[name])
        wrong = [i for i, got in enumerate(seen) if not same(got, known["expected"][i])]
        if wrong:
            self._explain(name, wrong, seen, known)
        return f"{name}: {len(seen)} of {len(seen)} checks passed"

    def _explain(self, name: str, wrong: list[int], seen: list[Values], known: dict) -> None:
        probe, got = self.probes[name][wrong[0]], seen[wrong[0]]
        expected = known["expected"][wrong[0]]
        hint = likely_mistake(seen, known) or (NOTHING if got == {"result": None} else None)
        draw(got, expected)
        passed = len(seen) - len(wrong)
        raise WrongAnswer(
            "\n".join(
                [
                    f"{name}: {passed} of {len(seen)} checks passed. First miss: {probe.title}.",
                    *_lines("input", plain(probe.inputs())),
                    *_lines("expected", expected, differs_from=got),
                    *_lines("got", got, differs_from=expected),
                    *([f"\nLikely: {hint}"] if hint else []),
                ]
            )
        )


def likely_mistake(seen: list[Values], known: dict) -> str | None:
    """The hint of the known mistake that gives just these values on every probe."""
    for mistake in known["mistakes"]:
        if same(seen, mistake["seen"]):
            return mistake["hint"]
    return None


def _lines(label: str, values: Values, differs_from: Values | None = None) -> list[str]:
    """`label name = value`, one line each, leaving out what is the same on the other side."""
    other = differs_from or {}
    shown = {k: v for k, v in values.items() if k not in other or not same(v, other[k])}
    return [f"  {label:<9}{name} = {brief(value)}" for name, value in shown.items()]


def brief(value: Any, width: int = 160) -> str:
    """A value in a line or a small block of text."""
    if isinstance(value, Tensor) and value.numel() <= 40:
        exact = not value.is_floating_point()
        rounded = value if exact else value.double().mul(1e4).round().div(1e4)
        text = str(rounded.tolist()).replace("True", "1").replace("False", "0")
        return f"{text}  ({str(value.dtype).removeprefix('torch.')}, shape {tuple(value.shape)})"
    if isinstance(value, Tensor):
        counted = f", {int(value.sum())} True" if value.dtype == torch.bool else ""
        return f"tensor of shape {tuple(value.shape)}, {value.dtype}{counted}"
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{k}: {brief(v, width)}" for k, v in value.items()) + "}"
    elif isinstance(value, list):
        text = "[" + ", ".join(brief(v, width) for v in value) + "]"
    else:
        text = repr(value)
    return text if len(text) <= 3 * width else text[: 3 * width] + " ..."


def draw(got: Values, expected: Values) -> None:
    """Draw the first tensor that differs beside its target, where a notebook shows pictures."""
    from pruninglab import plots

    for name, target in expected.items():
        mine = got.get(name)
        if same(mine, target):
            continue
        if isinstance(target, dict):
            return draw(mine if isinstance(mine, dict) else {}, target)
        if isinstance(target, Tensor) and isinstance(mine, Tensor):
            return plots.side_by_side(mine, target, name)
