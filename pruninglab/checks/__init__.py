"""What happens when a student runs a check.

`lab` calls the function on small inputs and says what went wrong, `agree` is a hidden test in a
line. Notebooks and probes take what they need from here.
"""

from pruninglab.checks.causes import by_value
from pruninglab.checks.lab import Lab, Probe, WrongAnswer
from pruninglab.values import Values, brief, decode, encode, plain, same

__all__ = [
    "Lab", "Probe", "Values", "WrongAnswer",
    "brief", "by_value", "decode", "encode", "plain", "same",
]  # fmt: skip
