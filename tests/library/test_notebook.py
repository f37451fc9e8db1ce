"""A notebook's cells as the analysis sees them, in bounded time; the rest is in doubt."""

from __future__ import annotations

import time

import pytest

from pruninglab.notebook import bound, defined, in_doubt, plain_source, used

LINES = [
    "%time x = 1",
    "!ls",
    "?len",
    "len?",
    "len??",
    "files = !ls",
    "x = %who_ls",
    "/f 1",
    ",g 2",
    ";h 3",
]


@pytest.mark.parametrize("line", LINES)
def test_a_magic_line_hides_nothing_below_it(line: str) -> None:
    source = f"{line}\nimport torch\ndef f(y): return torch.abs(y) + z"
    assert "f" in defined(source)
    assert {"torch", "f"} <= bound(source)
    assert "z" in used(source)


@pytest.mark.parametrize("line", LINES)
def test_cells_with_hundreds_of_magics_are_read_at_once(line: str) -> None:
    """IPython itself takes a minute for the largest; in doubt, a cell is run."""
    source = "\n".join([line] * 2000 + ["%config a.b = 1", "def f(y): return y + z"])
    began = time.monotonic()
    assert "f" in defined(source)
    assert in_doubt(source)
    assert time.monotonic() - began < 5


def test_four_hundred_cells_of_magics_are_read_in_seconds() -> None:
    began = time.monotonic()
    for number in range(400):
        lines = [
            f"%%time\nx{number} = !ls",
            f"%time y{number} = 1",
            "len?",
            f"def f{number}(): pass",
        ]
        source = "\n".join(lines)
        assert bound(source) >= {f"x{number}", f"y{number}", f"f{number}"}
    assert time.monotonic() - began < 20


def test_what_only_looks_like_a_magic_is_python() -> None:
    source = 'text = """\n%time\nwhy?\n"""\nz = 7 \\\n% 4'
    assert plain_source(source) == source
    assert bound(source) == {"text", "z"}
