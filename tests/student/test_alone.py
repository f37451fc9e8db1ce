"""A lab is a notebook and an installed package: nothing else has to be beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from pruninglab.grading.sandbox import bubblewrap
from solutions.builder import build, bundle

LAB = "03_methods"
RUN = """
import json, sys
import matplotlib; matplotlib.use("Agg")
import pruninglab
assert pruninglab.__file__.startswith(sys.argv[1]), pruninglab.__file__
first, stub, check = json.load(sys.stdin)
names = {}
exec(first, names)
exec(stub, names)
try:
    exec(check, names)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a bundle, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(bundle.bundle(LAB, folder / "lab.zip")) as archive:
        archive.extractall(folder)
    call = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "."]
    subprocess.run([sys.executable, "-m", *call, f"./{LAB}"], cwd=folder, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def test_a_notebook_alone_finds_its_checks_in_a_hostile_place(
    package: Path, tmp_path: Path
) -> None:
    """Without HOME, with locale C, in a folder that cannot be written, under -P."""
    notebook = nbformat.read(build.ROOT / "labs" / LAB / f"{LAB}.ipynb", as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    check = next(i for i, source in enumerate(code) if source.startswith("check("))
    tmp_path.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-P", "-c", RUN, str(package)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(package), "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        input=json.dumps([code[0], code[check - 1], code[check]]),
        capture_output=True,
        text=True,
    )
    tmp_path.chmod(0o755)
    assert done.stdout.splitlines()[-1].startswith("WrongAnswer"), done.stderr + done.stdout
    assert "not written yet" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_said_in_a_line(tmp_path: Path) -> None:
    notebook = nbformat.read(build.ROOT / "labs" / LAB / f"{LAB}.ipynb", as_version=4)
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "code")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", first], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: %pip install the file")


@pytest.mark.usefixtures("_sandbox")
def test_no_toolbox_can_be_found_in_the_sandbox() -> None:
    """That of a later lab would solve the lab that is graded."""
    look = "import pruninglab, os; print(os.listdir(pruninglab.__path__[0] + '/labs'))"
    command = [*bubblewrap.command(2**24, nested=False), sys.executable, "-c", look]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


BOTH = """
import sys
from pathlib import Path
from pruninglab.grading.gradebook.course import in_package
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
