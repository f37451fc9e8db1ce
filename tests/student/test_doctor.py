"""make doctor: each fault is found, and says what to do."""

import os
import shutil
import subprocess
import sys
import webbrowser
from collections import namedtuple
from importlib import metadata

import pytest

from pruninglab import checkpoints, data
from pruninglab.cifar import sources
from pruninglab.student import doctor
from pruninglab.student.findings import Finding


def test_this_machine_is_ready():
    """The whole program, as `make doctor` runs it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pruninglab", "doctor"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ready for the course" in done.stdout
    assert len([x for x in done.stdout.splitlines() if x.strip()]) >= len(doctor.CHECKS) + 1


def test_a_missing_and_an_old_package_are_named(monkeypatch):
    versions = {"torch": "1.0", "pillow": "12"}

    def version(name: str) -> str:
        if name == "requests":
            raise metadata.PackageNotFoundError(name)
        return versions.get(name, "12")

    needs = ["torch>=2.8,<3", "requests>=2", "pillow>=11", "ruff; extra == 'dev'"]
    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "requires", lambda _: needs)
    found = doctor.packages()
    assert found.state == "wrong"
    assert found.text == "torch is 1.0, not <3,>=2.8; requests is missing"
    assert "make setup" in found.remedy


def test_damaged_images(monkeypatch):
    def broken(_: str) -> None:
        raise OSError("truncated")

    monkeypatch.setattr(data, "subset", broken)
    assert doctor.embedded() == Finding(
        "wrong", "embedded images or network: truncated", "install the package again: make setup"
    )


@pytest.mark.parametrize("content", [None, b"cut"])
def test_a_missing_or_damaged_network(content, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "ASSETS", tmp_path)
    if content is not None:
        (tmp_path / "resnet20-w16.pt").write_bytes(content)
    found = doctor.embedded()
    assert found.state == "wrong"
    assert found.text.startswith("embedded images or network: ")
    assert "\n" not in found.text


def test_the_network_that_ships_is_counted():
    assert "a network of 272,474 parameters" in doctor.embedded().text


def test_without_the_whole_of_cifar_the_labs_work(monkeypatch):
    def nothing(_: str) -> None:
        raise sources.Unavailable("is not set")

    monkeypatch.setattr(sources, "local", nothing)
    monkeypatch.setattr(sources, "cached", nothing)
    assert doctor.full_data().state == "note"


@pytest.mark.parametrize(("free", "state"), [(0.5, "wrong"), (5, "ready")])
def test_disk_and_memory(free, state, monkeypatch):
    usage = namedtuple("usage", "free available")(free * doctor.GIB, free * doctor.GIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(doctor.psutil, "virtual_memory", lambda: usage)
    for found in (doctor.disk(), doctor.memory()):
        assert found.state == state
        assert bool(found.remedy) == (state == "wrong")


def test_a_folder_that_nbgrader_takes_for_a_pattern(tmp_path, monkeypatch):
    for name, state in (("Kurs [WS 26]", "wrong"), ("a%20b", "wrong"), ("Käse (1)", "ready")):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert doctor.folder().state == "ready"  # a student's: nothing is graded in it
        (tmp_path / name / "nbgrader_config.py").touch()
        assert doctor.folder().state == state


def test_a_machine_without_a_kernel(monkeypatch):
    monkeypatch.setattr(doctor.KernelSpecManager, "find_kernel_specs", lambda _: {})
    assert "ipykernel install" in doctor.kernel().remedy


def test_a_machine_without_a_browser(monkeypatch):
    def none() -> None:
        raise webbrowser.Error("no")

    monkeypatch.setattr(webbrowser, "get", none)
    assert doctor.browser().state == "note"


def test_a_slow_machine_is_told_how_slow(monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr(doctor.time, "perf_counter", lambda: next(ticks))  # a second a step
    monkeypatch.setattr(doctor, "busy", lambda: 0.8)
    found = doctor.speed()
    assert found.state == "note"
    assert "may take 3 times as long" in found.text
    assert "other programs keep 80% of the processors busy now" in found.text


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "utf-8"])
def test_output_on_any_terminal(encoding):
    start = "from pruninglab.terminal import accept_any_text; accept_any_text()"
    done = subprocess.run(
        [sys.executable, "-c", f"{start}; print('✗ ■□ → Zoë 你')"],
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        capture_output=True,
    )
    assert not done.stderr
    shown = done.stdout.decode(encoding).strip()
    plain = {"ascii": "x #. -> Zo? ?", "utf-8": "✗ ■□ → Zoë 你"}
    assert shown == plain.get(encoding, "x #. -> Zoë ?")


def test_a_check_that_breaks_is_a_finding():
    def odd_one() -> Finding:
        raise RuntimeError("boom")

    assert doctor.examine(odd_one).text == "odd one: RuntimeError: boom"


def test_what_is_wrong_makes_the_exit_status(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "CHECKS", (lambda: Finding("wrong", "no disk", "buy one"),))
    with pytest.raises(SystemExit) as end:
        doctor.main()
    assert end.value.code == 1
    assert "✗ no disk\n   -> buy one" in capsys.readouterr().out
