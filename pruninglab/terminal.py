"""Where output goes: a notebook or a terminal, and text that no terminal refuses."""

from __future__ import annotations

import codecs
import sys

from IPython.core.getipython import get_ipython

# Windows' older code pages and the plain "C" locale lack these.
PLAIN = {"✓": "ok", "✔": "ok", "✗": "x", "✘": "x", "·": "-", "■": "#", "□": ".", "…": "..."}
PLAIN |= {"→": "->", "–": "-", "×": "x", "\N{NO-BREAK SPACE}": " "}


def in_notebook() -> bool:
    """Tell whether this runs in a notebook's kernel, and not in a terminal, a test or grading.

    >>> in_notebook()
    False
    """
    return getattr(get_ipython(), "kernel", None) is not None


def plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace what cannot be encoded; an error handler for `codecs`.

    >>> codecs.register_error("plain", plain)
    >>> "✗ 3 of 5".encode("ascii", "plain")
    b'x 3 of 5'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, "?") for sign in signs), error.end


def accept_any_text() -> None:
    """Let `print` write any text, whatever the locale: programs call it first."""
    codecs.register_error("plain", plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not so in a notebook, or where a test captures it
            stream.reconfigure(errors="plain")
