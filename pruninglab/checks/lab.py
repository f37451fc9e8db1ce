"""A check calls a student's function on small inputs, and says what went wrong.

What is right is not code here but data: `expected.json` beside the probes holds the values that
the right function gives on each probe, and the values that well-known mistakes give. A wrong
answer is compared with those mistakes, so that the message can name the likely one.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from pruninglab import plots
from pruninglab.checks.blame import caller, describe, exercise_of, not_written, unwritten
from pruninglab.checks.message import AFTERWARDS, wrong_answer
from pruninglab.checks.relation import relation
from pruninglab.checks.unchanged import HINT, changes, remember
from pruninglab.overview import page
from pruninglab.overview.manifest import manifest
from pruninglab.overview.progress import Progress, notebook_folder
from pruninglab.terminal import in_notebook
from pruninglab.values import Values, decode, encode, plain, same

# White on green and on red (160), in any theme, and said by a sign and a word, too.
PASSED = "\x1b[1;38;5;231;48;5;28m ✔ passed \x1b[0m"
NOT_YET = "\x1b[1;38;5;231;48;5;160m ✘ not yet \x1b[0m"
NOTHING = "Your function gave back nothing (None): is there a `return`, and is it always reached?"


class WrongAnswer(AssertionError):
    """A wrong answer. Jupyter shows its text alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:  # IPython's hook for exceptions
        return [f"{NOT_YET} {self}"]


class NotReady(RuntimeError):
    """The check itself cannot work, whatever the answer. Shown as a sentence, too."""

    def _render_traceback_(self) -> list[str]:
        return [f"{NOT_YET} {self}"]


@dataclass(frozen=True)
class Probe:
    """One call of the student's function, and what to look at afterwards.

    Attributes:
        title: what the call tries, in a few words.
        inputs: makes the keyword arguments, fresh each time.
        look: `(result, inputs) -> values`; by default the result itself.
        changes_inputs: whether the task asks the function to change its arguments; a tuple names
            what may change of them, e.g. `("weight", "bias")`, see `unchanged.changes`.
        cause: where to look when this probe is the first that is missed and the mistake is not a
            known one; or `(got, expected) -> where to look`, of what the probe saw.
    """

    title: str
    inputs: Callable[[], dict[str, Any]]
    look: Callable[[Any, dict[str, Any]], Values] | None = None
    changes_inputs: bool | tuple[str, ...] = False
    cause: str | Callable[[Values, Values], str] = ""

    def place_to_look(self, got: Values, expected: Values) -> str:
        """Say what is probably wrong if all earlier probes are right; empty if that is not said."""
        if isinstance(self.cause, str):
            return self.cause
        return "" if "error" in got else self.cause(got, expected)

    def observe(self, function: Callable, words: Callable[[Exception], str] = str) -> Values:
        """Call `function`; return plain values, or `{"error": ..., "message": ...}` if it raises.

        Args:
            function: the student's.
            words: makes the message of an exception.

        Raises:
            NotImplementedError: the function is not written yet.
        """
        inputs, result = self.inputs(), ...
        before = {name: remember(value) for name, value in inputs.items()}
        try:
            result = function(**inputs)
            values = self.look(result, inputs) if self.look else {"result": result}
            values = decode(encode(values))
        except Exception as error:
            if unwritten(error):
                raise
            nothing = result is None and not self.changes_inputs
            message = NOTHING if nothing else words(error)
            return {"error": type(error).__name__, "message": message}
        if self.changes_inputs is not True:
            changed = self._changed(before, inputs)
            values |= {f"{name}{AFTERWARDS}": value for name, value in changed.items()}
        return values

    def _changed(self, before: dict[str, Any], inputs: dict[str, Any]) -> Values:
        """The arguments that have changed: their values now, or what else is different."""
        may = self.changes_inputs or ()
        found: Values = {}
        for name, old in before.items():
            if sentences := changes(old, inputs[name], may if isinstance(may, tuple) else ()):
                found[name] = sentences[:3]
        if not may:  # the values tell mistakes apart
            old_values, values = plain(self.inputs()), plain(inputs)
            found |= {k: values[k] for k in old_values if not same(old_values[k], values[k])}
        return found


class Lab:
    """The checks of one lab: call it with a function, and it finds the probes by its name.

    Args:
        file: path of the module with the probes; `expected.json` lies beside it.
        probes: exercise name -> probes.
    """

    def __init__(self, file: str, probes: dict[str, list[Probe]]) -> None:
        self.probes = probes
        self.data = Path(file).with_name("expected.json")
        self.progress = Progress(notebook_folder(Path(file).parent))

    def __call__(self, function: Callable, name: str | None = None) -> None:
        """Check a student's function. Silent success would teach nothing, so it prints a line.

        In a notebook it also notes how the check ended, and prints the points so far.

        Args:
            function: the answer, however it is made (a lambda, a decorated function, an object).
            name: of the exercise, where neither the function nor the notebook says it.

        Raises:
            WrongAnswer: with the difference, the input and the likely mistake.
            NotReady: files of the lab are missing; the message says which.
        """
        scope = caller()
        if not callable(function):
            kind = type(function).__name__
            raise WrongAnswer(f"check your function itself, not a {kind}: check(name), no brackets")
        exercise = name or exercise_of(function, self.probes, scope)
        if exercise not in self.probes:
            known, called = ", ".join(self.probes), getattr(function, "__name__", "this function")
            raise WrongAnswer(
                f"there is no exercise {exercise or called!r}. Give the function the name that the "
                f'task asks for, or say which one it is: check(..., "{next(iter(self.probes))}"). '
                f"The exercises are {known}."
            )
        try:
            passed = self._compare(function, exercise, scope.f_globals)
        except WrongAnswer:
            if in_notebook():
                page.note(self.progress, exercise, passed=False)
            raise
        if in_notebook():
            print(f"{PASSED} {passed}", page.note(self.progress, exercise, passed=True), sep="\n")
        else:
            print(f"✔ {passed}")

    def _compare(self, function: Callable, name: str, scope: dict[str, Any]) -> str:
        """Compare what the probes see with what is expected; returns what to print."""
        known, headings = self._known(name), self._headings()
        try:
            words = partial(describe, exercise=name, headings=headings, scope=scope)
            seen = [probe.observe(function, words) for probe in self.probes[name]]
        except NotImplementedError as error:
            raise WrongAnswer(not_written(error, name, headings, scope)) from None
        wrong = [i for i, got in enumerate(seen) if not same(got, known["expected"][i])]
        if wrong:
            self._explain(name, wrong, seen, known)
        return f"{name}: {len(seen)} of {len(seen)} checks passed"

    def _explain(self, name: str, wrong: list[int], seen: list[Values], known: dict) -> None:
        probe, got = self.probes[name][wrong[0]], seen[wrong[0]]
        expected = known["expected"][wrong[0]]
        hint = (
            likely_mistake(seen, known)
            or general_hint(got, expected, known["expected"])
            or place_to_look(self.probes[name], wrong, seen, known["expected"])
        )
        draw(got, expected)
        passed = len(seen) - len(wrong)
        head = f"{name}: {passed} of {len(seen)} checks passed. First miss: {probe.title}."
        raise WrongAnswer(wrong_answer(head, got, expected, plain(probe.inputs()), hint))

    def _known(self, name: str) -> dict[str, Any]:
        """What the right function and well-known mistakes give on each probe."""
        again = "install the package of the lab again, or copy the lab again as it was handed out"
        try:
            return decode(_parsed(self.data.read_text(encoding="utf-8"))[name])
        except FileNotFoundError:
            raise NotReady(f"{self.data.name} is missing in {self.data.parent}: {again}") from None
        except OSError as error:
            raise NotReady(f"{self.data} cannot be read ({error.strerror}): {again}") from None
        except (ValueError, KeyError):
            raise NotReady(f"{self.data} is damaged or of another version: {again}") from None

    def _headings(self) -> dict[str, str]:
        """exercise -> the heading above it, in the order of the lab."""
        cells = manifest(self.progress.folder)["cells"]
        found = {cell["name"]: cell["heading"] for cell in cells if cell["kind"] == "solution"}
        return {exercise: found.get(exercise, "") for exercise in self.probes}


@functools.lru_cache(maxsize=1)  # a megabyte, which each check of a lab reads again
def _parsed(text: str) -> dict[str, Any]:
    return json.loads(text)


def likely_mistake(seen: list[Values], known: dict) -> str | None:
    """Find the known mistake that gives just these values on every probe; return its hint."""
    for mistake in known["mistakes"]:
        if same(seen, mistake["seen"]):
            return mistake["hint"]
    return None


def general_hint(got: Values, expected: Values, of_all: list[Values]) -> str | None:
    """Find a hint that holds for every exercise.

    Args:
        got: what the probe saw.
        expected: what it should have seen. It has values named "... afterwards", too, where a probe
            looks at what an argument is after the call: they tell nothing unless they differ.
        of_all: expected of all probes; where one is None, the function knows how to give it back.
    """
    if got == {"result": None}:
        return None if any(same(got, right) for right in of_all) else NOTHING
    changed = (name for name in got if not same(got[name], expected.get(name)))
    return HINT if any(name.endswith(AFTERWARDS) for name in changed) else None


def place_to_look(
    probes: list[Probe], wrong: list[int], seen: list[Values], expected: list[Values]
) -> str:
    """Say where to look for a mistake that is not known: by the first probe that is missed.

    Args:
        probes: of the exercise, from the plainest to the most special one.
        wrong: the places of those that are missed.
        seen: what each probe saw.
        expected: what each should have seen.
    """
    first, cause = wrong[0], ""
    if "error" in seen[first] and first == 0:
        return ""  # the error says more
    with contextlib.suppress(Exception):  # an answer may be anything, and both compute with it
        cause = probes[first].place_to_look(seen[first], expected[first])
        return f"{cause} {relation([(seen[i], expected[i]) for i in wrong])}".strip()
    return cause


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
