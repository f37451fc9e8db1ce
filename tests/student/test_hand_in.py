"""The button in a lab's last cell, in a real kernel: it packs this notebook, after a click."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from pruninglab.grading.sandbox import bubblewrap
from pruninglab.hand_in import button, hand_in, report, which
from pruninglab.student import fresh_run
from solutions.builder import build
from tests.helpers.kernel import Kernel
from tests.helpers.solved import LAB, solved

CELL = "from pruninglab.hand_in import hand_in\n\nhand_in()"
ID = "the-cell-with-the-button"
VIEW = "application/vnd.jupyter.widget-view+json"
CLICK = {"method": "custom", "content": {"event": "click"}}


class Clicked(Kernel):
    """A kernel whose last cell has the button."""

    def button(self, cell: str = ID, source: str = CELL) -> str:
        """Run the last cell; return the button's name."""
        (shown,) = self.run(source, cell)
        self.run("from ipywidgets import Widget")
        box = f"Widget.widgets[{shown['data'][VIEW]['model_id']!r}]"
        return self.value(f"{box}.children[0].model_id")

    def click(self, name: str) -> str:
        """Click as a browser says it; return the page below the button."""
        shown = self.ask("comm_msg", {"comm_id": name, "data": CLICK})
        return "".join(x["data"].get("text/html", "") for x in shown if "data" in x)


@pytest.fixture(scope="module")
def file(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A solved notebook that ends with the button, in a folder with a space and an umlaut."""
    student = solved(pristine, tmp_path_factory.mktemp("student") / "Übung 50%")
    file = student / "labs" / LAB / f"{LAB}.ipynb"
    notebook = nbformat.read(file, as_version=4)
    notebook.cells.append(new_code_cell(CELL, id=ID))
    nbformat.write(notebook, file)
    return file


@pytest.fixture(scope="module")
def kernel(file: Path) -> Iterator[Clicked]:
    """The notebook's kernel, as Jupyter starts it."""
    env = {"JPY_SESSION_NAME": str(file), "PYTHONPATH": str(build.ROOT)}
    kernel = Clicked(file.parent, env)
    yield kernel
    kernel.end()


@pytest.fixture
def handed_in(file: Path) -> Path:
    """The zip that a click makes; it is not there before."""
    target = file.parents[2] / "handin" / f"{LAB}.zip"
    target.unlink(missing_ok=True)
    return target


def packed(target: Path) -> bytes:
    with zipfile.ZipFile(target) as archive:
        return archive.read(f"{LAB}.ipynb")


# --- a run of the cell hands in nothing -----------------------------------------------------------


def test_running_the_cell_shows_what_each_lab_has_stored_and_hands_in_nothing(
    kernel: Clicked, handed_in: Path
) -> None:
    """So Run All and nbval pass. An editor without widgets shows the text."""
    (shown,) = kernel.run(CELL, ID)
    assert shown["data"]["text/plain"] == button.NO_BUTTON
    for path in build.NOTEBOOKS.glob("*/*.ipynb"):
        (stored,) = nbformat.read(path, as_version=4).cells[-1].outputs
        assert stored["data"] == {"text/plain": button.NO_BUTTON}, path
    assert not handed_in.exists()


def test_while_nbgrader_runs_it_nothing_is_handed_in(kernel: Clicked, handed_in: Path) -> None:
    kernel.run("import os; os.environ['NBGRADER_EXECUTION'] = 'validate'")
    assert VIEW in kernel.run(CELL, ID)[0]["data"]
    kernel.run("del os.environ['NBGRADER_EXECUTION']")
    assert not handed_in.exists()


def test_the_fresh_run_of_submit_does_not_begin_another(file: Path, handed_in: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    ran = fresh_run.run(notebook, file.parent, [])
    assert not ran.errors
    assert len(notebook.cells) - 1 in ran.seconds
    assert not handed_in.exists()


@pytest.mark.usefixtures("_sandbox")
def test_in_the_sandbox_of_grading_it_does_nothing() -> None:
    look = f"{CELL}\nprint('done')"
    command = [*bubblewrap.command(2**24, nested=False), sys.executable, "-c", look]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "done\n", done.stderr


def test_without_a_kernel_it_does_nothing(capsys: pytest.CaptureFixture) -> None:
    hand_in("ada", anyway=True)
    assert capsys.readouterr() == ("", "")


# --- a click packs this notebook, and no other ----------------------------------------------------


def test_a_click_packs_the_notebook_with_a_report_and_a_link(
    kernel: Clicked, file: Path, handed_in: Path
) -> None:
    name = kernel.button()
    label = f"Widget.widgets[{name!r}].description"
    assert kernel.value(label) == f"Saved? Then check and pack {file.name}"
    kernel.run(f"%cd {file.parents[3]}")  # then its folder is not the kernel's any more
    page = kernel.click(name)
    assert f"{file}, saved" in page
    assert "2 of 2 checks pass" in page
    assert f'<a href="../../handin/{LAB}.zip" download>{handed_in}</a>' in page
    assert packed(handed_in) == file.read_bytes()
    assert kernel.value(f"Widget.widgets[{name!r}].disabled") == "False"


def test_what_was_run_and_not_saved_is_noticed_and_a_second_click_takes_what_was_saved(
    kernel: Clicked, file: Path, handed_in: Path
) -> None:
    name, saved = kernel.button(), nbformat.read(file, as_version=4).cells[0].source
    look = f"list(which.doubts(pathlib.Path({str(file)!r}), {ID!r}))"
    kernel.run("import pathlib; from pruninglab.hand_in import which")
    kernel.run("def double(x):\n    return x + x  # one more try")
    page = kernel.click(name)
    assert f"{file.name} as it was saved has another double than you ran last." in page
    assert "Press Ctrl+S" in page
    assert not handed_in.exists()
    assert "Hand in this file" in kernel.click(name)
    assert packed(handed_in) == file.read_bytes()
    kernel.run("%%time\ndef double(x):\n    return x + x  # one more try")
    assert "another double" in kernel.value(look)
    kernel.run(f"{saved}\n\n")  # as JupyterLab would have saved it
    assert kernel.value(look) == "[]"


def test_a_notebook_on_the_kernel_of_another_is_noticed(kernel: Clicked, handed_in: Path) -> None:
    page = kernel.click(kernel.button("a-cell-of-another-notebook"))
    assert "as it was saved does not have the cell with this button" in page
    assert not handed_in.exists()


def test_what_is_wrong_is_said_and_packs_nothing(
    kernel: Clicked, file: Path, handed_in: Path
) -> None:
    before = file.read_bytes()
    notebook = nbformat.read(file, as_version=4)
    notebook.cells[0].source = "def double_(x):\n    return x + x"
    nbformat.write(notebook, file)
    page = kernel.click(kernel.button())
    file.write_bytes(before)
    assert "it does not define double, but double_" in page
    assert "hand_in(anyway=True)" in page
    assert "Hand in this file" not in page
    assert not handed_in.exists()


def test_an_odd_name_is_refused_in_a_sentence(kernel: Clicked, handed_in: Path) -> None:
    page = kernel.click(kernel.button(source="hand_in('../ada')"))
    assert "letters, digits, dots" in page
    assert not handed_in.exists()


def test_a_notebook_that_is_not_found_is_asked_for(
    kernel: Clicked, file: Path, handed_in: Path
) -> None:
    """As on Colab, which keeps it elsewhere, or after it was renamed."""
    name = kernel.button()
    file.rename(file.with_stem("mine"))
    page = kernel.click(name)
    file.with_stem("mine").rename(file)
    assert f"{file.name} is missing; mine.ipynb is there: was it renamed?" in page
    assert "give its path: hand_in(notebook=&quot;...&quot;)" in page
    assert not handed_in.exists()


def test_an_interrupted_click_ends_what_it_began(kernel: Clicked, handed_in: Path) -> None:
    """■ in JupyterLab."""
    name = kernel.button()
    message = kernel.client.session.msg("comm_msg", {"comm_id": name, "data": CLICK})
    kernel.client.shell_channel.send(message)
    while True:  # until the fresh run has begun
        answer = kernel.client.get_iopub_msg(timeout=120)
        if answer["msg_type"] == "comm_open":
            break
    kernel.manager.interrupt_kernel()
    said = kernel.value("'alive'")
    assert said == "alive"
    assert kernel.value(f"Widget.widgets[{name!r}].disabled") == "False"
    children = "import psutil; print(len(psutil.Process().children(recursive=True)))"
    assert kernel.run(children)[0]["text"].strip() == "0"
    assert not handed_in.exists()


# --- where an editor says less --------------------------------------------------------------------


class Shell:
    """What `which` asks IPython for."""

    def __init__(self, folder: Path, **names: str) -> None:
        self.starting_dir, self.user_ns = str(folder), names
        self.parent_header = {"metadata": {"cellId": ID}}
        self.history_manager = None


def found(monkeypatch: pytest.MonkeyPatch, shell: Shell, session: str, labs: list[str]) -> Path:
    monkeypatch.setattr(which, "get_ipython", lambda: shell)
    monkeypatch.setattr(which, "imported_labs", lambda: labs)
    monkeypatch.setenv("JPY_SESSION_NAME", session)
    return which.this_notebook()


def test_the_notebook_is_where_the_editor_says_or_where_the_kernel_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")  # today's folder is no sign
    lab, copy = tmp_path / f"{LAB}.ipynb", tmp_path / f"{LAB}-Copy1.ipynb"
    lab.touch()
    copy.touch()
    here = Shell(tmp_path)
    assert found(monkeypatch, here, str(copy), [LAB]) == copy, "submit refuses it by its name"
    assert found(monkeypatch, here, copy.name, [LAB]) == copy, "an old server says no folder"
    assert found(monkeypatch, here, str(tmp_path / "renamed.ipynb"), [LAB]) == lab
    assert found(monkeypatch, here, "", [LAB]) == lab
    assert found(monkeypatch, here, "", [LAB, "02_criteria"]) == tmp_path, "submit looks, or asks"
    assert found(monkeypatch, Shell(tmp_path, **{which.VS_CODE: str(copy)}), "", [LAB]) == copy
    assert which.running_cell() == "", "VS Code's cells have other names than in the file"


def test_the_labs_of_a_kernel_are_those_whose_checks_it_has_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("pruninglab.labs.")]:
        monkeypatch.delitem(sys.modules, name)
    assert which.imported_labs() == []
    for name in ("criteria", "criteria.toolbox"):
        monkeypatch.setitem(sys.modules, f"pruninglab.labs.{name}", which)
    assert which.imported_labs() == ["02_criteria"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": [1, {"source": 3}]}', "[" * 99_999])
def test_a_damaged_notebook_is_left_to_submit(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.ipynb"
    file.write_text(text)
    assert list(which.doubts(file, "")) == []
    assert list(which.doubts(tmp_path / "nowhere.ipynb", ID)) == []


def test_a_command_that_cannot_begin_says_why() -> None:
    call = [sys.executable, "-c", "print('{broken'); raise SystemExit('needs nbgrader')"]
    (event,) = button.events(call)
    assert event["error"].startswith("nothing is packed: ")
    assert "needs nbgrader" in event["error"]


def test_nothing_in_a_report_can_be_a_tag_or_leave_its_address() -> None:
    odd = "/a/b<img src=x onerror=alert(1)>/handin/50% #1.zip"
    page = report.page([
        {"state": "note", "text": odd, "remedy": odd, "notebook": "/a/labs/x/x.ipynb"},
        {"packed": odd, "receipt": odd},
        {"error": odd},
    ])  # fmt: skip
    assert "<img" not in page
    assert "50%25%20%231.zip" in page
