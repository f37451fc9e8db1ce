"""Text is read, written and printed the same on every machine, whatever its locale."""

from __future__ import annotations

import ast
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pruninglab.grading.sandbox import procfs

ROOT = Path(__file__).parents[2]
MODULES = [
    path
    for folder in ("pruninglab", "solutions")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "notebooks" not in path.parts and path.name != "text.py"  # notebooks, not modules
]


def in_the_locales_encoding(tree: ast.AST) -> Iterator[str]:
    """Calls that read or write text and leave its encoding to the machine."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or any(k.arg == "encoding" for k in call.keywords):
            continue
        name = ast.unparse(call.func).rpartition(".")[2]
        strings = [a.value for a in call.args if isinstance(a, ast.Constant)]
        paths = name in ("read_text", "write_text") and not (name == "read_text" and call.args)
        files = ast.unparse(call.func) == "open" and not any("b" in str(m) for m in strings[:1])
        if paths or files or (name == "open" and strings in (["a"], ["w"], ["r"])):
            yield ast.unparse(call)


def test_the_search_finds_what_it_looks_for() -> None:
    source = "open(p)\nopen(p, 'wb')\np.read_text()\np.write_text(t)\np.open('a')\np.open('ab')"
    assert len(list(in_the_locales_encoding(ast.parse(source)))) == 4
    assert not list(in_the_locales_encoding(ast.parse("open(p, encoding='utf-8')")))


def test_every_file_of_text_names_its_encoding() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {call}"
        for path in MODULES
        for call in in_the_locales_encoding(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_every_program_prints_any_text() -> None:
    """A name with umlauts, or a check mark, ends no program under the plain "C" locale."""
    for path in MODULES:
        mains = [
            node
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef) and node.name == "main"
        ]
        inside = path.parent.name == "sandbox" or path.name == "__main__.py"  # prints nothing
        if mains and not inside:
            assert "accept_any_text()" in ast.unparse(mains[0]), path


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_program_of_grading_prints_a_path_that_its_terminal_lacks(
    tmp_path: Path, encoding: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pruninglab.grading.leaderboard.measure", f"{tmp_path}/你 Zoë ✓"],
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        capture_output=True,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"there is no folder or zip" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_process_that_gives_itself_an_odd_name_is_watched() -> None:
    process = os.fork()
    if process == 0:
        ctypes.CDLL(None).prctl(15, b"\xff\xfe)\n x", 0, 0, 0)
        signal.pause()
    try:
        while "S" not in procfs.fields_of(process)[:1]:
            pass
        assert procfs.fields_of(process)[1] == str(os.getpid())
        assert procfs.memory_of(process) > 0
        assert procfs.kernel_memory_of(process) > procfs.STACK
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
