"""A check calls a student's function on small inputs, and says what went wrong.

What is right is not code here but data: `expected.json` beside the notebook holds the values that
the right function gives on each probe, and the values that well-known mistakes give. A wrong
answer is compared with those mistakes, so that the message can name the likely one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from pruninglab import plots
from pruninglab.checks import page
from pruninglab.checks.progress import Progress, in_notebook
from pruninglab.values import Values, brief, decode, encode, plain, same

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
                page.note(self.progress, name, passed=False)
            raise
        if in_notebook():
            print(f"{PASSED} {passed}", page.note(self.progress, name, passed=True), sep="\n")
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


def draw(got: Values, expected: Values) -> None:
    """Draw the first tensor that differs beside its target, where a notebook shows pictures."""
    for name, target in expected.items():
        mine = got.get(name)
        if same(mine, target):
            continue
        if isinstance(target, dict):
            return draw(mine if isinstance(mine, dict) else {}, target)
        if isinstance(target, Tensor) and isinstance(mine, Tensor):
            return plots.side_by_side(mine, target, name)
