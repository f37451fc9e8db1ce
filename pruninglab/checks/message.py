"""The text of a wrong answer: what differs first, then both values, then what went in."""

from __future__ import annotations

import textwrap
from typing import Any

from pruninglab.values import WIDTH, Difference, Values, brief, differences

LINES = 15  # a message is read at a glance, or not at all
DIFFERENCES = 3  # shown; the rest are counted
INPUT = 120  # characters of an argument: what differs matters more
AFTERWARDS = " afterwards"  # ends the names of arguments that a function has changed


def wrong_answer(head: str, got: Values, expected: Values, given: Values, hint: str | None) -> str:
    """Write the message; at most 15 lines.

    Args:
        head: the first line.
        got: what the probe saw.
        expected: what it sees when the answer is right.
        given: the arguments of the call.
        hint: what the likely mistake is, if it is known.

    >>> print(wrong_answer("double: 0 of 1 checks passed.", {"result": 9}, {"result": 6}, {"x": 3},
    ...                    "That is three times as much."))
    double: 0 of 1 checks passed.
      result: expected 6, got 9
      input    x = 3
    <BLANKLINE>
    Likely: That is three times as much.
    """
    end = ["", f"Likely: {hint}"] if hint else []
    lines = [head, *what_differs(got, expected)]
    lines += [f"  input    {name} = {brief(value, INPUT)}" for name, value in given.items()]
    room = LINES - len(end)
    if len(lines) > room:
        lines = [*lines[: room - 1], "  ..."]
    return "\n".join([*lines, *end])


def what_differs(got: Values, expected: Values) -> list[str]:
    """Write the lines that say what is wrong, the first difference at length."""
    if "error" in got or "error" in expected:
        return textwrap.wrap(
            raised(got, expected), WIDTH, initial_indent="  ", subsequent_indent="    "
        )
    touched = [name for name in got if name.endswith(AFTERWARDS) and name not in expected]
    found = list(differences({n: v for n, v in got.items() if n not in touched}, expected))
    lines = [
        f"  {name.removesuffix(AFTERWARDS)}: your function has changed it{in_what(got[name])}, "
        "and the task asks to leave it as it was"
        for name in touched
    ]
    for i, difference in enumerate(found[:DIFFERENCES]):
        lines.append(f"  {difference.where}: {difference.what}")
        lines += both(difference) if i == 0 else []
    more = len(found) - DIFFERENCES
    return [*lines, f"  and {more} more"] if more > 0 else lines


def in_what(now: Any) -> str:
    """What has changed, where `unchanged.changes` says it in words."""
    told = isinstance(now, list) and all(isinstance(part, str) for part in now)
    return f" ({'; '.join(now)})" if told and now else ""


def both(difference: Difference) -> list[str]:
    """Show both values, where the difference itself names only one entry of them."""
    if not difference.inside:
        return []
    return [f"  expected {brief(difference.expected)}", f"  got      {brief(difference.got)}"]


def raised(got: Values, expected: Values) -> str:
    """Tell about an error that came, or that should have come."""
    if "error" not in got:
        return f"it should raise {expected['error']} here, but gave back {brief(as_result(got))}"
    came = f"{got['error']}: {got['message']}"
    if "error" in expected:
        return f"it should raise {expected['error']} here, but raised {came}"
    return f"your function raised {came}"


def as_result(values: Values) -> Any:
    """Give what a function gave back, if that was all that was looked at."""
    return values["result"] if len(values) == 1 and "result" in values else values
