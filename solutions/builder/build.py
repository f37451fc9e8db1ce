"""Build the labs: `python -m solutions.builder.build [LAB ...]` (all of them by default).

From the sources of a lab, solutions/lab1_structures/ say, it makes

- in solutions/notebooks/01_structures/ the notebook: executed, its outputs are nbval's reference,
- in pruninglab/labs/structures/ the probes: what the visible checks look at (a copy),
- expected.json: what they compare with,
- manifest.json: the lab's exercises with their points (see manifest.py),
- toolbox.py: the exercises of all earlier labs, solved,
- labs/01_structures/: nbgrader's release of the notebook, without the solutions.

Nothing random and no date goes in: a second build is byte-identical.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import inspect
import json
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from tqdm import tqdm

from pruninglab.checks.lab import Probe
from pruninglab.grading.judging.run_test import execute as run_as_grader
from pruninglab.terminal import accept_any_text
from pruninglab.values import encode
from solutions.builder import properties
from solutions.builder.manifest import manifest

ROOT = Path(__file__).parents[2]
SOLUTIONS = ROOT / "solutions"
NOTEBOOKS = SOLUTIONS / "notebooks"  # what is made here, and all that nbgrader reads
FOLDER = re.compile(r"lab([1-9]\d?)_([a-z]+)")  # of a lab's sources; lab0_sample is none


def find_labs(solutions: Path = SOLUTIONS) -> dict[str, str]:
    """Lab -> the folder of its sources, in the order of the course.

    >>> find_labs()["01_structures"]
    'lab1_structures'
    """
    found = [FOLDER.fullmatch(path.name) for path in solutions.iterdir() if path.is_dir()]
    labs = {f"{int(m[1]):02}_{m[2]}": m[0] for m in found if m}
    return dict(sorted(labs.items()))


LABS = find_labs()

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def source(lab: str, name: str) -> Path:
    """Where one of the sources of a lab is, e.g. `source("01_structures", "text")`."""
    return SOLUTIONS / LABS[lab] / f"{name}.py"


def module(lab: str, name: str = "exercises") -> ModuleType:
    """One of the sources of a lab, e.g. `module("01_structures", "mistakes")`."""
    return importlib.import_module(f"solutions.{LABS[lab]}.{name}")


def probes_of(lab: str) -> dict[str, list[Probe]]:
    """The probes of a lab: exercise -> calls of the student's function."""
    return runpy.run_path(str(source(lab, "probes")))["PROBES"]


# --- what the checks compare with ---------------------------------------------------------------


def hint(mistake: Callable) -> str:
    """The first paragraph of a mistake's docstring, as one line."""
    return " ".join((inspect.getdoc(mistake) or "").split("\n\n")[0].split())


def observed(probes: list[Probe], function: Callable) -> list[dict[str, Any]]:
    """What each probe sees of a function, without the text of its errors."""
    seen = [encode(probe.observe(function)) for probe in probes]
    return [{k: v for k, v in values.items() if k != "message"} for values in seen]


def expected(lab: str) -> dict[str, Any]:
    """exercise -> the right values of each probe; each known mistake's hint and its values.

    Mistakes go by their number, because a name could tell how the right function is written.
    """
    exercises, mistakes, table = module(lab), module(lab, "mistakes").MISTAKES, {}
    for name, probes in probes_of(lab).items():
        known = [{"hint": hint(m), "seen": observed(probes, m)} for m in mistakes.get(name, [])]
        right = observed(probes, getattr(exercises, name))
        table[name] = {"expected": right, "mistakes": known}
    return table


# --- the notebook -------------------------------------------------------------------------------


def solved(source: str) -> str:
    """The source of an exercise without the solution markers."""
    return re.sub(r"^ *### (BEGIN|END) SOLUTION\n", "", source, flags=re.M)


def toolbox(lab: str) -> str | None:
    """The exercises of all earlier labs as one module; None for the first lab."""
    earlier = list(LABS)[: list(LABS).index(lab)]
    if not earlier:
        return None
    return joined([solved(inspect.getsource(module(name))) for name in earlier])


def joined(sources: list[str]) -> str:
    """Several modules as one: it needs no import of one from another, and `__future__` once."""
    between = r"^from solutions\.[\w.]+ import (\([^)]*\)|.*)\n"
    future = "from __future__ import annotations\n"
    bodies = [re.sub(between, "", source, flags=re.M).replace(future, "") for source in sources]
    return future + "\n\n" + "\n\n".join(bodies)


def nbgrader_cell(grade_id: str, points: int | None, solution: bool) -> dict[str, Any]:
    """nbgrader's metadata (schema 3) of a solution, test or manually graded cell."""
    grade = points is not None
    meta: dict[str, Any] = {"grade": grade, "grade_id": grade_id, "locked": not solution}
    meta |= {"schema_version": 3, "solution": solution, "task": False}
    return meta | ({"points": points} if grade else {})


def hidden_source(lab: str, exercise: str) -> str:
    """The hidden tests of an exercise as they are pasted into its test cell."""
    return properties.paste(source(lab, "hidden").read_text(encoding="utf-8"), exercise)


def hidden_of(lab: str, exercise: str) -> Callable:
    """The hidden tests of an exercise as one function.

    Returns:
        `test(function, seed=0)` runs what is pasted, as the grader does: with nothing else around.
    """
    pasted = hidden_source(lab, exercise)

    def test(function: Callable, seed: int = 0) -> None:
        run_as_grader(pasted, {exercise: function}, seed)

    return test


def check_cell(lab: str, exercise: str) -> str:
    """The visible check of an exercise, then its hidden tests, between nbgrader's markers."""
    hidden = hidden_source(lab, exercise)
    return f"check({exercise})\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"


def fill(cell: NotebookNode, lab: str) -> None:
    """Turn a placeholder of the lab text into the nbgrader cell that it stands for."""
    meta = cell.metadata
    if "exercise" in meta:
        name = meta.pop("exercise")
        cell.source = inspect.getsource(getattr(module(lab), name)).rstrip()
        meta["nbgrader"] = nbgrader_cell(name, None, solution=True)
    elif "given" in meta:
        cell.source = inspect.getsource(getattr(module(lab), meta.pop("given"))).rstrip()
    elif "check" in meta:
        name = meta.pop("check")
        cell.source = check_cell(lab, name)
        meta["nbgrader"] = nbgrader_cell(f"test_{name}", int(meta.pop("points")), solution=False)
    elif "answer" in meta:
        name = meta.pop("answer")
        cell.source = f"### BEGIN SOLUTION\n{cell.source}\n### END SOLUTION"
        meta["nbgrader"] = nbgrader_cell(name, int(meta.pop("points")), solution=True)


def cell_id(cell: NotebookNode, position: int) -> str:
    """A cell's id: its grade_id, else a hash of its place and text, the same in each build."""
    if "nbgrader" in cell.metadata:
        return cell.metadata.nbgrader.grade_id.replace("_", "-")
    return hashlib.sha256(f"{position} {cell.source}".encode()).hexdigest()[:12]


def notebook(lab: str) -> NotebookNode:
    """The solution notebook of a lab, not executed."""
    nb = jupytext.read(source(lab, "text"), fmt="py:percent")
    nb.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    nb.nbformat, nb.nbformat_minor = 4, 5
    for position, cell in enumerate(nb.cells):
        cell.metadata.pop("lines_to_next_cell", None)
        fill(cell, lab)
        cell.id = cell_id(cell, position)
    return nb


def execute(nb: NotebookNode, folder: Path) -> list[float]:
    """Run all cells in `folder`; keep the outputs, without what differs between runs.

    Returns:
        Seconds that each code cell took.
    """
    NotebookClient(nb, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    nb.metadata.language_info = {"name": "python"}
    nb.metadata.pop("widgets", None)
    for cell in nb.cells:
        for output in cell.get("outputs", []):  # of a slider its picture stays: see `play`
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    times = [cell.metadata.pop("execution", {}) for cell in nb.cells]
    return [seconds(t["iopub.execute_input"], t["shell.execute_reply"]) for t in times if t]


def seconds(start: str, end: str) -> float:
    """Between two times as Jupyter writes them.

    >>> seconds("2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:01.500000Z")
    1.5
    """
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def release(lab: str, into: Path) -> None:
    """`into`/<lab>, by nbgrader's own generate_assignment, with a gradebook that is thrown away."""
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", lab, "--force", "--create"]
    with tempfile.TemporaryDirectory() as scratch:
        command.append(f"--CourseDirectory.db_url=sqlite:///{scratch}/gradebook.db")
        command.append(f"--CourseDirectory.release_directory={into}")
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"nbgrader could not release {lab}:\n{done.stderr[-3000:]}")


def package(lab: str) -> Path:
    """Where the package has what belongs to a lab."""
    return ROOT / "pruninglab" / "labs" / lab.partition("_")[2]


def write_package(lab: str, nb: NotebookNode) -> None:
    """Write what the package has of a lab."""
    folder = package(lab)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source(lab, "probes"), folder / "__init__.py")
    asked = json.dumps(manifest(lab, nb, NOTEBOOKS / lab), indent=1, ensure_ascii=False)
    texts = {"expected.json": json.dumps(expected(lab)) + "\n", "manifest.json": asked + "\n"}
    if (earlier := toolbox(lab)) is not None:
        texts["toolbox.py"] = earlier
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def build(lab: str) -> None:
    """Make everything that is generated for one lab."""
    folder = NOTEBOOKS / lab
    folder.mkdir(parents=True, exist_ok=True)
    nb = notebook(lab)
    write_package(lab, nb)
    with tempfile.TemporaryDirectory() as empty:  # nothing in it that an earlier run has left
        times = execute(nb, Path(empty))
    slowest = ", ".join(f"{t:.0f}" for t in sorted(times)[:-4:-1])
    tqdm.write(f"{lab}: {sum(times):.0f} s of computing, the slowest cells {slowest} s")
    nbformat.write(nb, folder / f"{lab}.ipynb")
    release(lab, into=ROOT / "labs")


def main() -> None:
    """Command line."""
    accept_any_text()
    parser = argparse.ArgumentParser(description="Build the labs from their sources.")
    parser.add_argument("labs", nargs="*", metavar="LAB", default=list(LABS), help=" ".join(LABS))
    labs = parser.parse_args().labs
    for lab in (bar := tqdm(labs, unit="lab")):
        if lab not in LABS:
            parser.error(f"there is no lab {lab!r}: choose from {', '.join(LABS)}")
        bar.set_description(lab)
        build(lab)


if __name__ == "__main__":
    main()
