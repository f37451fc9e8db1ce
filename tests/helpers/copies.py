"""A copy of this repository, in which a test may change files and run commands."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
LEFT_OUT = (".git", ".venv", "build", "__pycache__", ".*_cache", "*.egg-info", "*.db*", "grades_*")
WORK = ("submitted", "downloaded", "autograded", "feedback", "exchange")  # of nbgrader


def copy_tree(target: Path) -> Path:
    """The repository in `target`, with an environment that `make` takes for its own."""
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*LEFT_OUT, *WORK))
    programs = target / ".venv" / "bin"
    programs.mkdir(parents=True)
    for path in Path(sys.executable).parent.iterdir():
        (programs / path.name).symlink_to(path)
    for name in ("python", "python3"):  # a link to it would not find its packages
        (programs / name).unlink(missing_ok=True)
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (programs / name).chmod(0o755)
    (target / ".venv" / "installed").touch()
    return target


def shell(tree: Path, commands: str, **environment: str) -> str:
    """Run commands as somebody would who has activated the environment; returns what they print.

    What they leave running in the background is ended.
    """
    path = os.pathsep.join([str(tree / ".venv" / "bin"), os.environ["PATH"]])
    own = {"PATH": path, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", commands], cwd=tree, start_new_session=True,
            env=os.environ | own | environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            status = process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        output.seek(0)
        printed = output.read()
    assert status == 0, f"{commands}\n{printed[-6000:]}"
    return printed


def blocks(document: Path, section: str = "") -> list[tuple[str, str]]:
    """The code blocks of a Markdown file, or of its section `## section`: language, text."""
    text = document.read_text(encoding="utf-8")
    if section:
        text = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.M | re.S)


def download_from_moodle(path: Path, lab: str, handed_in: Mapping[str, NotebookNode]) -> None:
    """Write what "Download all submissions" gives; who comes last has handed in a zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for number, (student, notebook) in enumerate(handed_in.items(), start=1):
            place = f"{student}_assignsubmission_file_/{lab}"
            if number < len(handed_in):
                archive.writestr(f"{place}.ipynb", nbformat.writes(notebook))
                continue
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as inner:
                inner.writestr(f"{lab}.ipynb", nbformat.writes(notebook))
            archive.writestr(f"{place}.zip", packed.getvalue())
