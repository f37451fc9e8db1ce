"""The lists of dependencies agree; the project speaks only of itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def packages(lines: list[str]) -> dict[str, SpecifierSet]:
    """Package -> versions, with what the project's own extras stand for."""
    found: dict[str, SpecifierSet] = {}
    for requirement in map(Requirement, lines):
        for extra in requirement.extras if requirement.name == "pruninglab" else ():
            found |= packages(EXTRAS[extra])
        if requirement.name != "pruninglab":
            found[requirement.name] = requirement.specifier
    return found


REQUIRED = packages(PROJECT["dependencies"] + EXTRAS["dev"])
LOCK = (ROOT / "requirements.lock.txt").read_text()


def pinned(lines: list[str]) -> dict[str, str]:
    """Package -> version."""
    named = [Requirement(x.removesuffix("\\")) for x in lines if x[:1].isalnum()]
    return {r.name: next(iter(r.specifier)).version for r in named}


def test_every_dependency_is_pinned_to_a_version_that_pyproject_allows() -> None:
    versions = pinned((ROOT / "constraints.txt").read_text().splitlines())
    assert len(versions) > len(REQUIRED), "what our packages need is pinned, too"
    for name, allowed in REQUIRED.items():
        assert Version(versions[name]) in allowed, name


def test_the_lock_has_the_same_versions_each_with_a_hash_and_names_no_index() -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", LOCK)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    lines = [block.splitlines()[0] for block in blocks]
    assert pinned(lines) == pinned((ROOT / "constraints.txt").read_text().splitlines())
    assert "://" not in LOCK


def test_the_lock_is_for_every_system_and_python() -> None:
    """What only one of them needs is in it, behind a marker."""
    for system, package in (("win32", "pywin32-ctypes|pywinpty|colorama"), ("darwin", "appnope")):
        assert re.search(rf"^({package})==\S+ ; .*{system}", LOCK, flags=re.M), system
    assert re.search(r"^nvidia-\S+ ; .*linux", LOCK, flags=re.M)


# How a package is imported that has another name; ipywidgets brings IPython and its backend.
NAMES = {
    "PIL": "pillow",
    "IPython": "ipywidgets",
    "markupsafe": "jinja2",
    "matplotlib_inline": "ipywidgets",
    "yaml": "pyyaml",
}


# It imports nbformat, if an old notebook needs it: see the test after the next one.
GROUND = {ROOT / "pruninglab" / "notebook_file.py"}


def imported(path: Path) -> set[str]:
    """The packages that a module imports, of others than Python and this project."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names]
    names += [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)]
    tops = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"pruninglab", ""}
    return {NAMES.get(top, top) for top in tops}


@pytest.mark.parametrize(
    "room", ["", "training", "checks", "cifar", "hand_in", "project", "results"]
)
def test_notebooks_need_no_extra(room: str) -> None:
    """What a notebook imports works with the package alone: on Colab, say."""
    for path in set((ROOT / "pruninglab" / room).glob("*.py")) - GROUND:
        assert imported(path) <= set(packages(PROJECT["dependencies"])), path


WITHOUT_JUPYTER = """
import importlib, pkgutil, sys
for name in ("nbformat", "jsonschema", "nbgrader", "nbconvert", "jupyterlab", "torchvision"):
    sys.modules[name] = None  # an import of it fails
import pruninglab.labs
for lab in pkgutil.iter_modules(pruninglab.labs.__path__):
    print(len(importlib.import_module(f"pruninglab.labs.{lab.name}").check.probes))
"""


def test_every_check_is_imported_where_only_a_kernel_is() -> None:
    """As in VS Code, whose kernels have no nbformat; it would cost seconds elsewhere, too."""
    command = [sys.executable, "-c", WITHOUT_JUPYTER]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert not done.stderr
    assert len(done.stdout.splitlines()) == len(list((ROOT / "labs").glob("0*")))


@pytest.mark.parametrize(
    ("room", "extra"), [("student", "jupyter"), ("grading", "cluster"), ("dev", "dev")]
)
def test_an_extra_names_all_that_its_commands_import(room: str, extra: str) -> None:
    """What is there today because another package needs it may be gone tomorrow."""
    named = set(packages(PROJECT["dependencies"] + EXTRAS[extra]))
    for path in (ROOT / "pruninglab" / room).rglob("*.py"):
        assert {name.replace("_", "-") for name in imported(path)} <= named, path


def test_grading_on_one_machine_needs_no_cluster() -> None:
    named = set(packages(PROJECT["dependencies"] + EXTRAS["grading"]))
    missing = {x for p in (ROOT / "pruninglab" / "grading").rglob("*.py") for x in imported(p)}
    assert {name.replace("_", "-") for name in missing} - named == {"distributed"}


def test_environment_yml_has_no_list_of_its_own() -> None:
    wanted = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    python = f"python{PROJECT['requires-python']},<3.15"
    pip = {"pip": ["--constraint constraints.txt", "--editable .[dev]"]}
    assert wanted == [python, "pip", pip]
    assert "Python 3.11 to 3.14" in (ROOT / "requirements.lock.txt").read_text().split("\n")[0]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.splitlines()]


@pytest.mark.parametrize(
    "pattern", [r"/work/", r"registry\.npmjs", r"pypi\.org", r"shared/(guide|ref)"]
)
def test_no_file_names_a_place_outside_the_project(pattern: str) -> None:
    texts = [p for p in tracked() if p.suffix in (".py", ".md", ".ipynb", ".yml", ".toml", ".json")]
    found = [p.name for p in texts if p != Path(__file__) and re.search(pattern, p.read_text())]
    assert not found


def test_the_repository_stays_small_enough_to_hand_out() -> None:
    assert sum(p.stat().st_size for p in tracked() if p.exists()) < 40e6
