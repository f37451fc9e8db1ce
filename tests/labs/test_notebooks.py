"""Every solved notebook runs from top to bottom, and shows what it showed when it was built."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from solutions.builder import build

CELL = 120  # seconds; the longest one takes one minute on a quiet machine
# Lab 7 trains what a student designs, and no output of that is compared: 200 images are enough.
SMALL = {"07_project": {"NBGRADER_EXECUTION": "validate"}}


@pytest.mark.timeout(0)  # each cell has its own limit
@pytest.mark.parametrize("lab", build.LABS)
def test_a_solved_notebook_shows_what_is_stored_in_it(lab: str, tmp_path: Path) -> None:
    """In an empty folder, by nbval in a pytest of its own.

    What nbval leaves open would be an error in ours, in whichever test comes next.
    """
    name = f"{lab}.ipynb"
    shutil.copy(build.NOTEBOOKS / lab / name, tmp_path)
    options = ["--nbval", f"--nbval-cell-timeout={CELL}", "-p", "no:cacheprovider", "--color=no"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--durations=5", name],
        cwd=tmp_path, env=os.environ | SMALL.get(lab, {}), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    print(done.stdout)  # which cells are slowest: pytest shows it with -rP
