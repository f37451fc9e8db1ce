"""Names and commands that students use, the old ones too."""

from __future__ import annotations

import contextlib
import importlib
import subprocess
import sys

import pytest

from pruninglab import __main__, renamed

# What notebooks and probes imported, and guides told people to type, before the folders were made.
OLD_LINES = """
from pruninglab import checkpoints, counters, data, masks, plots, training, amc, variational
from pruninglab import counters, networks, plots, project, records, slides
from pruninglab.checks import Lab, Probe, Values
from pruninglab.data import Images
from pruninglab.masks import apply, hold, random_masks, to_torch
from pruninglab.models import Block, ResNet20, SelectShortcut, Shortcut, ZeroPadShortcut, prunable
from pruninglab.overlay import overlay
from pruninglab.play import slider
from pruninglab.training import Recipe, Trainer, accuracy, constant, mode, train, triangular
import pruninglab.loop
import pruninglab.play as first
assert pruninglab.loop.Loop(data.subset("val")[:2]).steps == 0
"""


def test_notebooks_from_before_the_folders_still_import() -> None:
    names: dict[str, object] = {}
    exec(OLD_LINES, names)
    new = importlib.import_module("pruninglab.sliders")
    assert names["slider"] is new.slider


@pytest.mark.parametrize(("old", "new"), renamed.OLD.items())
def test_an_old_name_is_the_same_module(old: str, new: str) -> None:
    """Not a second copy: `except` and `isinstance` compare classes by identity."""
    before = importlib.import_module(f"pruninglab.{new}")
    for module in (importlib.import_module(f"pruninglab.{old}"), sys.modules[f"pruninglab.{old}"]):
        assert module is before
    assert before.__name__ == before.__spec__.name == f"pruninglab.{new}", "and knows its new name"


def test_what_never_was_is_not_found() -> None:
    for name in ("pruninglab.playing", "pruninglab.student.play", "play"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)
    renamed.install()
    assert sum(isinstance(finder, renamed.Alias) for finder in sys.meta_path) == 1


@pytest.mark.parametrize("command", __main__.COMMANDS)
def test_each_command_has_a_help_in_plain_words(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["pruninglab", command, "--help"])
    with contextlib.suppress(SystemExit):  # by argparse
        __main__.main()
    said = capsys.readouterr().out
    assert said.startswith(f"usage: python -m pruninglab {command}")
    assert len(said.splitlines()) > 3


FRESH = """
import importlib, runpy, sys
import pruninglab.records as old
from pruninglab.results import records as new
from pruninglab import records as third
assert old is new is third and new.__name__ == "pruninglab.results.records"
assert importlib.reload(new) is new
sys.argv[1:] = ["--help"]
runpy.run_module("pruninglab.submit", run_name="__main__")
"""


def test_in_a_fresh_process_old_names_and_commands_work() -> None:
    """As `python -m pruninglab.submit`, which runs a module that has not been imported before."""
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=True)
    assert "begin the file's name with yours" in done.stdout
    assert not done.stderr, "nor does it run twice, with a warning"
    for name in ("doctor", "start"):
        code = renamed.Alias().get_code(f"pruninglab.{name}")
        assert code is not None
        assert "__main__" in code.co_consts


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_without_a_command_it_lists_them(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["pruninglab", *words])
    __main__.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "usage: python -m pruninglab COMMAND [--help]"
    assert [line.split()[0] for line in lines[2:]] == list(__main__.COMMANDS)


def test_a_command_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pruninglab", "sumbit", "01_structures"])
    with pytest.raises(SystemExit, match=r"error: there is no command 'sumbit'\s+usage"):
        __main__.main()


def test_without_jupyter_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pruninglab", "doctor"])
    monkeypatch.delitem(sys.modules, "pruninglab.student.doctor", raising=False)
    monkeypatch.setitem(sys.modules, "jupyter_client", None)
    monkeypatch.setitem(sys.modules, "jupyter_client.kernelspec", None)
    with pytest.raises(SystemExit, match=r"doctor needs jupyter_client.*pip install .*\[jupyter\]"):
        __main__.main()
