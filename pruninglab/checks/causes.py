"""Where to look, by what a probe saw: for the `cause` of a `Probe`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pruninglab.values import Values, same


def by_value(causes: Mapping[str, str]) -> Callable[[Values, Values], str]:
    """Make a cause that depends on which value is not what it should be.

    Args:
        causes: name of a value -> where to look; of several that differ the first one counts.

    >>> cause = by_value({"shape": "Look at the shape.", "result": "Look at the sum."})
    >>> cause({"shape": [2], "result": 4}, {"shape": [2], "result": 5})
    'Look at the sum.'
    """

    def cause(got: Values, expected: Values) -> str:
        wrong = (name for name in causes if not same(got.get(name), expected.get(name)))
        return causes.get(next(wrong, ""), "")

    return cause
