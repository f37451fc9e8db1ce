"""A lab is a notebook and an installed package: nothing else has to be beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from pruninglab.grading.sample_class import fill
from pruninglab.grading.sandbox import bubblewrap
from pruninglab.notebook import grade_id, place
from pruninglab.overview.manifest import in_package, manifest_of
from pruninglab.student import fresh_run
from pruninglab.student.causes import causes
from pruninglab.student.completeness import to_write
from pruninglab.student.fresh_run import Run, in_a_line
from pruninglab.student.lacking import gone
from solutions.builder import build, bundle
from tests.helpers.kernel import Kernel

LAB = "03_methods"
FEW = """
from pruninglab import data
every = data.subset
data.subset = lambda *split, every=every: every(*split)[:20]  # enough to see that a cell runs
"""
# Some cells end with what a table lacks that cells with unwritten exercises should have filled.
UNFILLED = ("KeyError", "ValueError")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of somebody who has unpacked the bundles of all labs into one folder, installed."""
    folder = tmp_path_factory.mktemp("wheel")
    files = {name: content for lab in build.LABS for name, content in bundle.contents(lab).items()}
    for name, content in files.items():
        (folder / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "all" / name).write_bytes(content)
    call = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "."]
    subprocess.run([sys.executable, "-m", *call, "./all"], cwd=folder, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


@pytest.fixture(scope="module")
def kernel(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel without HOME, in locale C, that finds no module in its own folder."""
    env = {"HOME": "/nowhere", "LC_ALL": "C", "PYTHONSAFEPATH": "1", "PYTHONPATH": str(package)}
    # What nbgrader sets, so that splits are small.
    env |= {"NBGRADER_EXECUTION": "validate", "OMP_NUM_THREADS": "1"}
    kernel = Kernel(tmp_path_factory.mktemp("start"), env)
    kernel.run(FEW)
    yield kernel
    kernel.end()


def ran(kernel: Kernel, notebook: NotebookNode, folder: Path) -> Run:
    """Run a notebook from top to bottom, as if it began in a folder."""
    found = Run()
    kernel.run(f"%reset -f\nimport os\nos.chdir({str(folder)!r})")
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        found.seconds[index] = 0.0
        for shown in kernel.run(cell.source):
            if "ename" in shown:
                found.errors[index] = in_a_line(shown, 0)
    return found


def released(lab: str) -> Path:
    return build.ROOT / "labs" / lab / f"{lab}.ipynb"


@pytest.mark.parametrize("lab", build.LABS)
def test_a_notebook_alone_runs_and_fails_only_where_exercises_are_not_written(
    lab: str, kernel: Kernel, package: Path, tmp_path: Path
) -> None:
    """From top to bottom, in an empty folder; for all labs but the project it can be read-only."""
    notebook = nbformat.read(released(lab), as_version=4)
    project = lab.endswith("project")
    tmp_path.chmod(0o755 if project else 0o555)
    found = ran(kernel, notebook, tmp_path)
    tmp_path.chmod(0o755)
    unwritten = {entry["name"] for entry in to_write(manifest_of(released(lab)))}
    for index, why in causes(notebook, found, unwritten).items():
        if not why <= unwritten:
            assert found.errors[index].startswith(UNFILLED), (
                f"{place(index)}: {found.errors[index]}"
            )
    checks = [i for i, cell in enumerate(notebook.cells) if grade_id(cell).startswith("test_")]
    assert all("not written yet" in found.errors[index] for index in checks)
    assert [path.name for path in tmp_path.iterdir()] == ["my_project"] * project
    assert kernel.value("__import__('pruninglab').__file__").startswith(str(package))


def test_a_solved_notebook_alone_has_no_error(kernel: Kernel, tmp_path: Path) -> None:
    lab = "01_structures"  # whose checks look at no images
    exercises = {name: getattr(build.module(lab), name) for name in build.probes_of(lab)}
    notebook = fill(nbformat.read(released(lab), as_version=4), exercises, {})
    assert ran(kernel, notebook, tmp_path).errors == {}
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_said_in_a_line(tmp_path: Path) -> None:
    notebook = nbformat.read(released(LAB), as_version=4)
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "code")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", first], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: %pip install FOLDER")


@pytest.mark.usefixtures("_sandbox")
@pytest.mark.parametrize("folder", ["labs", "grading/unseen"])
def test_what_helps_with_hidden_tests_is_not_found_in_the_sandbox(folder: str) -> None:
    """The toolbox of a later lab, which solves this one, and the grader's own images."""
    assert list((build.ROOT / "pruninglab" / folder).iterdir())
    look = f"import pruninglab, os; print(os.listdir(pruninglab.__path__[0] + '/{folder}'))"
    command = [*bubblewrap.command(2**24, nested=False), sys.executable, "-c", look]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


BOTH = """
import sys
from pathlib import Path
from pruninglab.overview.manifest import in_package
from pruninglab.grading.protocol.lab_modules import import_lab
files = in_package("03_methods")
for name, content in files.items():
    Path(name).write_bytes(content)
sys.path.insert(0, ".")
import_lab(".", files)
import probes
from pruninglab.labs.methods import check
from pruninglab.labs.methods.toolbox import global_masks
assert check is probes.check
"""


def test_grading_knows_the_checks_of_old_and_of_new_notebooks(tmp_path: Path) -> None:
    """Both mean the files that the grader has given: classes in them have one name."""
    done = subprocess.run(
        [sys.executable, "-c", BOTH], cwd=tmp_path, env={"PYTHONPATH": str(build.ROOT)}, check=False
    )
    assert done.returncode == 0


def test_an_old_notebook_without_its_files_is_looked_over_as_it_is_graded(tmp_path: Path) -> None:
    """With the package's own, and a sentence on how to run it here."""
    source = "import math\nfrom probes import check\nfrom toolbox import global_masks"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    (tmp_path / "probes.py").write_text("raise ValueError('an older one')")
    assert not fresh_run.run(notebook, tmp_path, [], given=in_package(LAB)).errors
    (found,) = gone(notebook, tmp_path / f"{LAB}.ipynb")
    assert found.text == "cell 1, line 3: toolbox.py is not beside this notebook"
    assert "from pruninglab.labs.methods.toolbox import ..." in found.remedy
    assert "No module named 'probes'" in fresh_run.run(notebook, tmp_path / "x", []).errors[0]
