"""Build the labs: `python -m solutions.build [LAB ...]` (all of them by default).

From the sources of a lab, e.g. `structures.py` (exercises), `structures_mistakes.py`,
`structures_hidden.py` (hidden tests) and `structures_lab.py` (the text), it makes

- solutions/01_structures/expected.json: what the visible checks compare with,
- solutions/01_structures/manifest.json: its exercises with their points (see manifest.py),
- solutions/01_structures/toolbox.py: the exercises of all earlier labs, solved,
- solutions/01_structures/01_structures.ipynb: executed, its outputs are nbval's reference,
- labs/01_structures/: nbgrader's release of it, without the solutions.

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

from pruninglab.checks import Probe, encode
from solutions.manifest import manifest

ROOT = Path(__file__).parent.parent
SOLUTIONS = ROOT / "solutions"
LABS = {  # folder -> name of its modules, in the order of the course
    "01_structures": "structures",
    "02_criteria": "criteria",
    "03_methods": "methods",
    "04_papers": "papers",
    "05_speed": "speed",
    "06_further": "further",
    "07_project": "project",
}

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def module(name: str) -> ModuleType:
    """One of the sources of a lab, e.g. `module("structures_mistakes")`."""
    return importlib.import_module(f"solutions.{name}")


def probes_of(lab: str) -> dict[str, list[Probe]]:
    """The probes of a lab, read from solutions/<lab>/probes.py."""
    return runpy.run_path(str(SOLUTIONS / lab / "probes.py"))["PROBES"]


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
    stem, table = LABS[lab], {}
    exercises, mistakes = module(stem), module(f"{stem}_mistakes").MISTAKES
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
    return joined([solved(inspect.getsource(module(LABS[name]))) for name in earlier])


def joined(sources: list[str]) -> str:
    """Several modules as one: it needs no import of one from another, and `__future__` once."""
    between = r"^from solutions\.\w+ import (\([^)]*\)|.*)\n"
    future = "from __future__ import annotations\n"
    bodies = [re.sub(between, "", source, flags=re.M).replace(future, "") for source in sources]
    return future + "\n\n" + "\n\n".join(bodies)


def nbgrader_cell(grade_id: str, points: int | None, solution: bool) -> dict[str, Any]:
    """nbgrader's metadata (schema 3) of a solution, test or manually graded cell."""
    grade = points is not None
    meta: dict[str, Any] = {"grade": grade, "grade_id": grade_id, "locked": not solution}
    meta |= {"schema_version": 3, "solution": solution, "task": False}
    return meta | ({"points": points} if grade else {})


def hidden_test(stem: str, exercise: str) -> str:
    """The visible check of an exercise, then its hidden test, between nbgrader's markers."""
    test = inspect.getsource(getattr(module(f"{stem}_hidden"), f"test_{exercise}"))
    hidden = f"{test}\n\ntest_{exercise}({exercise})"
    return f"check({exercise})\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"


def fill(cell: NotebookNode, stem: str) -> None:
    """Turn a placeholder of the lab text into the nbgrader cell that it stands for."""
    meta = cell.metadata
    if "exercise" in meta:
        name = meta.pop("exercise")
        cell.source = inspect.getsource(getattr(module(stem), name)).rstrip()
        meta["nbgrader"] = nbgrader_cell(name, None, solution=True)
    elif "given" in meta:
        cell.source = inspect.getsource(getattr(module(stem), meta.pop("given"))).rstrip()
    elif "check" in meta:
        name = meta.pop("check")
        cell.source = hidden_test(stem, name)
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
    stem = LABS[lab]
    nb = jupytext.read(SOLUTIONS / f"{stem}_lab.py", fmt="py:percent")
    nb.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    nb.nbformat, nb.nbformat_minor = 4, 5
    for position, cell in enumerate(nb.cells):
        cell.metadata.pop("lines_to_next_cell", None)
        fill(cell, stem)
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


def write_manifest(lab: str, nb: NotebookNode) -> None:
    """manifest.json of a lab, readable."""
    text = json.dumps(manifest(nb, SOLUTIONS / lab), indent=1, ensure_ascii=False)
    (SOLUTIONS / lab / "manifest.json").write_text(text + "\n", encoding="utf-8")


def build(lab: str) -> None:
    """Make everything that is generated for one lab."""
    folder = SOLUTIONS / lab
    (folder / "expected.json").write_text(json.dumps(expected(lab)) + "\n")
    if (earlier := toolbox(lab)) is not None:
        (folder / "toolbox.py").write_text(earlier)
    nb = notebook(lab)
    write_manifest(lab, nb)
    times = execute(nb, folder)
    slowest = ", ".join(f"{t:.0f}" for t in sorted(times)[:-4:-1])
    tqdm.write(f"{lab}: {sum(times):.0f} s of computing, the slowest cells {slowest} s")
    nbformat.write(nb, folder / f"{lab}.ipynb")
    release(lab, into=ROOT / "labs")


def main() -> None:
    """Command line."""
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
