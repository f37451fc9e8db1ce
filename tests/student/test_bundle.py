"""What students get: complete, the same in each build, and without answers."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest

from pruninglab.overview import page as start_page
from solutions.builder import build, bundle
from tests.helpers.copies import blocks, shell

EVERYTHING = """
import importlib, pkgutil, pruninglab
assert pruninglab.__file__.startswith({folder!r}), pruninglab.__file__
names = [m.name for m in pkgutil.walk_packages(pruninglab.__path__, "pruninglab.")]
assert "pruninglab.models" in names and "pruninglab.student.submit" in names, names
assert not [n for n in names if n.startswith(("pruninglab.grading", "pruninglab.dev"))], names
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
from pruninglab.labs.structures import check
print(len(names), "modules")
"""


@pytest.mark.parametrize("lab", build.LABS)
def test_no_answer_is_inside(lab: str, tmp_path: Path) -> None:
    target = bundle.bundle(lab, tmp_path / "new" / "lab.zip")
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
        assert f"{lab}/labs/{lab}/{lab}.ipynb" in names
        readme = archive.read(f"{lab}/README.md").decode()
        assert readme.startswith("# Pruning neural networks: the labs\n")
        assert b"dev" not in archive.read(f"{lab}/environment.yml")
    assert not [name for name in names if "grading" in name or "solutions" in name]
    sheets = [name for name in names if name.endswith(".webp")]
    assert len(sheets) == 3, "the grader's own images are not handed out"
    short = lab.partition("_")[2]
    own = {name.split("/")[3] for name in names if name.startswith(f"{lab}/pruninglab/labs/")}
    assert own == {"__init__.py", short}, "a later lab's toolbox would solve this one"
    assert (f"{lab}/pruninglab/labs/{short}/toolbox.py" in names) == (lab != "01_structures")


# The modules that measure an open task prune as lab 1 asks for, so lab 1 must not have them.
OPEN_TASKS = {
    "01_structures": set(),
    "02_criteria": {"allocation"},
    "03_methods": {"allocation", "ranking", "schedules"},
    "05_speed": set(),
    "06_further": {"allocation", "combination", "ranking"},
}


@pytest.mark.parametrize("lab", OPEN_TASKS)
def test_only_the_open_task_of_the_lab_is_inside(lab: str) -> None:
    files = bundle.contents(lab)
    measuring = {"allocation", "combination", "ranking", "schedules"}
    found = {name for name in measuring if f"pruninglab/checks/{name}.py" in files}
    assert found == OPEN_TASKS[lab]
    always = {"blame", "causes", "lab", "message", "relation", "unchanged"}
    assert {f"pruninglab/checks/{name}.py" for name in always} <= files.keys()
    assert {
        f"pruninglab/overview/{name}.py" for name in ("manifest", "page", "progress")
    } <= files.keys()


def test_it_works_once_pip_has_installed_it(tmp_path: Path) -> None:
    """As `%pip install FOLDER`: all of the library imports, and the lab's first cells run.

    In a new environment, where only packages of others are lent from this one.
    """
    lab = "01_structures"
    with zipfile.ZipFile(bundle.bundle(lab, tmp_path / "lab.zip")) as archive:
        archive.extractall(tmp_path)
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    (packages,) = (tmp_path / "env" / "lib").glob("*/site-packages")
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib"))  # its own .pth are not read
    python = tmp_path / "env" / "bin" / "python"
    # Ignored: this environment's own pruninglab, which is of the repository.
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    shell(tmp_path, shlex.join([str(python), "-m", "pip", "install", *options, f"./{lab}"]))
    shutil.rmtree(tmp_path / lab / "pruninglab")  # an installation needs nothing of the folder
    assert len(list(packages.rglob("*.webp"))) == 3, "the grader's own images are not installed"
    notebook = nbformat.read(tmp_path / lab / "labs" / lab / f"{lab}.ipynb", as_version=4)
    first, start = [cell.source for cell in notebook.cells if cell.cell_type == "code"][:2]
    for code in (EVERYTHING.format(folder=str(packages)), f"{first}\n{start}"):
        done = subprocess.run(
            [python, "-P", "-c", code], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"},
            capture_output=True, text=True,
        )  # fmt: skip
        assert not done.returncode, done.stderr
    assert "parameters" in done.stdout


def test_the_commands_of_the_readme_work(tmp_path: Path) -> None:
    """All but those that install: FRESH=1 make test-browser runs those."""
    lab = "01_structures"
    with zipfile.ZipFile(bundle.bundle(lab, tmp_path / "lab.zip")) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / lab
    (folder / ".venv" / "bin").mkdir(parents=True)
    python = folder / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    notebook = folder / "labs" / lab / f"{lab}.ipynb"
    text = notebook.read_text().replace('\\"test\\")[:1000]', '\\"test\\")[:20]')  # less to wait
    notebook.write_text(text.replace("Write your answer here", "The layers are not alike"))
    commands = "".join(text for _, text in blocks(folder / "README.md")).splitlines()
    assert [line for line in commands if "venv .venv" in line or "pip" in line] == commands[:3]
    printed = [shell(folder, line.replace("start", "start --version")) for line in commands[3:]]
    doctor, start, submit, verify = printed
    assert "ready for the course: python -m pruninglab start" in doctor
    assert re.search(r"^4\.\d", start, flags=re.M)  # JupyterLab's own answer
    assert (folder / "labs" / "START.md").is_file()
    assert "9 of 9 exercises are not written yet" in submit
    assert "0 of 9 checks pass" in submit
    assert (folder / "handin" / f"{lab}.zip").is_file()
    assert f"receipt  {verify.split()[0]}" in submit


@pytest.mark.parametrize("lab", build.LABS)
def test_the_start_page_unfolds_model_solutions_where_the_instructor_gave_them(
    lab: str, tmp_path: Path
) -> None:
    folder = tmp_path / lab / "labs"
    shutil.copytree(build.ROOT / "labs" / lab, folder / lab)
    before = start_page.page(folder)
    with zipfile.ZipFile(bundle.solutions(lab, tmp_path / "solutions.zip")) as archive:
        assert archive.namelist() == [f"{lab}/labs/{lab}/SOLUTIONS.md"], "nobody's notebook"
        archive.extractall(tmp_path)
    after = start_page.page(folder)
    assert "model solutions" not in before
    assert after.count(": model solutions</summary>") == 1
    for first, *_ in bundle.secrets(lab, "SOLUTION"):
        assert first.split("Model answer.")[-1].strip("* ") in after
    assert "Marking guide" not in after


def test_a_second_lab_goes_into_the_folder_of_the_first(tmp_path: Path) -> None:
    first, second = "01_structures", "02_criteria"
    for lab in (first, second):
        with zipfile.ZipFile(bundle.bundle(lab, tmp_path / f"{lab}.zip")) as archive:
            archive.extractall(tmp_path)
    notebook = tmp_path / first / "labs" / first / f"{first}.ipynb"
    notebook.write_text("my work")
    readme = (tmp_path / first / "README.md").read_text()
    shutil.copytree(tmp_path / second, tmp_path / first, dirs_exist_ok=True)
    assert (tmp_path / first / "README.md").read_text() == readme
    assert (tmp_path / first / "pruninglab" / "labs" / "structures" / "expected.json").is_file()
    assert notebook.read_text() == "my work"
    page = start_page.page(tmp_path / first / "labs")
    assert all(f"]({lab}/{lab}.ipynb)" in page for lab in (first, second))


def test_the_same_sources_make_the_same_bytes(tmp_path: Path) -> None:
    one, two = (bundle.bundle("01_structures", tmp_path / name) for name in "ab")
    assert one.read_bytes() == two.read_bytes()


def test_what_jupyterlab_leaves_behind_stays_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("labs", "pruninglab", *bundle.INSTALLERS):
        (tmp_path / name).symlink_to(build.ROOT / name)
    (tmp_path / "labs").unlink()
    shutil.copytree(build.ROOT / "labs" / "01_structures", tmp_path / "labs" / "01_structures")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    before = bundle.contents("01_structures")
    left = tmp_path / "labs" / "01_structures" / ".ipynb_checkpoints"
    left.mkdir()
    (left / "01_structures-checkpoint.ipynb").write_text("{}")
    (tmp_path / "labs" / "START.md").write_text("mine")
    assert bundle.contents("01_structures") == before


def released(extra: str) -> bytes:
    """A notebook with one more cell."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(extra)])
    return nbformat.writes(notebook).encode()


def test_a_planted_answer_stops_the_release(tmp_path: Path, monkeypatch) -> None:
    lab = "01_structures"
    solution = max(bundle.secrets(lab, "SOLUTION"), key=len)
    guide = next(x for x in bundle.secrets(lab, "SOLUTION") if x[0].startswith("**Model answer"))
    hidden = next(bundle.secrets(lab, "HIDDEN TESTS"))
    clean = bundle.contents(lab)
    for name, content in {
        "pruninglab/extra.py": "\n".join(f"    {line}" for line in solution).encode(),
        f"labs/{lab}/{lab}.ipynb": released(max(solution, key=len)),
        "README.md": "\n".join(guide).encode(),
        "pruninglab/labs/structures/__init__.py": "\n".join(hidden).encode(),
    }.items():
        monkeypatch.setattr(bundle, "contents", lambda _, n=name, c=content: clean | {n: c})
        with pytest.raises(bundle.LeakError, match=f"would be handed out:\n{name}: "):
            bundle.bundle(lab, tmp_path / "lab.zip")
    assert not (tmp_path / "lab.zip").exists()
