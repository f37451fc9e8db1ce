"""What a notebook imports, and grading does not have: it has the course's packages only."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path, PurePath

from nbformat import NotebookNode
from packaging.requirements import Requirement

from pruninglab.notebook import parsed, place, plain_source
from pruninglab.student.findings import Finding

INSTALLS = re.compile(r"^\s*[!%]\s*(?:pip3?|conda|mamba|uv|apt(?:-get)?|python3? -m pip)\b", re.M)


def lacking(nb: NotebookNode, files: Collection[str], needed: Collection[int]) -> Iterator[Finding]:
    """Say which imports will fail when the notebook is graded.

    Args:
        nb: the notebook.
        files: what the lab came with.
        needed: cells that exercises need, by their index.
    """
    there = packages() | {PurePath(name).stem for name in files if name.endswith(".py")}
    if "torch" not in there:  # the package is not installed, so there is no list of what it needs
        return
    wanted = {name for i in needed for name in names(nb.cells[i].source)}
    for index, cell in enumerate(nb.cells):
        if cell.cell_type != "code":
            continue
        if INSTALLS.search(cell.source):
            yield Finding("note", f"{place(index)} installs a package: grading installs nothing")
        for line, module, bound in imports(cell.source):
            if module.partition(".")[0] in there:
                continue
            text = f"{place(index)}, line {line}: grading has no {module}"
            if bound & wanted:
                remedy = f"write it without {module}: grading has the course's packages only"
                yield Finding("wrong", f"{text}, and your functions use it", remedy)
            else:
                yield Finding("note", f"{text}; the other lines of the cell run all the same")


def gone(nb: NotebookNode, file: Path) -> Iterator[Finding]:
    """Say which imports of a notebook from before the package had its checks find nothing now.

    Grading has them all the same, and so has the fresh run.
    """
    lab = f"pruninglab.labs.{file.stem.partition('_')[2]}"
    new = {"probes": lab, "toolbox": f"{lab}.toolbox"}
    for index, cell in enumerate(nb.cells):
        for line, module, _ in imports(cell.source) if cell.cell_type == "code" else ():
            if module in new and not (file.parent / f"{module}.py").is_file():
                text = f"{place(index)}, line {line}: {module}.py is not beside this notebook"
                remedy = f"to run the cell here, write: from {new[module]} import ..."
                yield Finding("note", text, remedy)


def imports(source: str) -> Iterator[tuple[int, str, set[str]]]:
    """Yield line, module and names of each import in a cell, unless it is inside a `try`.

    >>> list(imports("import os\\nfrom google.colab import drive as d"))
    [(1, 'os', {'os'}), (2, 'google.colab', {'d'})]
    """
    tree = parsed(plain_source(source))
    waiting: list[ast.AST] = [tree] if tree is not None else []
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name, {name.asname or name.name.partition(".")[0]}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module, {name.asname or name.name for name in node.names}
        elif not isinstance(node, ast.Try):
            waiting += ast.iter_child_nodes(node)


def names(source: str) -> set[str]:
    """Return every name that a cell reads, anywhere in it."""
    tree = parsed(plain_source(source))
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Name)) if tree else ()
    return {node.id for node in found if isinstance(node.ctx, ast.Load)}


@cache
def packages() -> frozenset[str]:
    """Return the modules that can be imported wherever the course's package is installed."""
    waiting, seen = ["pruninglab"], set[str]()
    while waiting:
        name = normal(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        for line in needs(name):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    found = {m for m, by in metadata.packages_distributions().items() if {*map(normal, by)} & seen}
    return frozenset(found | sys.stdlib_module_names | {"pruninglab", "__future__"})


def needs(name: str) -> list[str]:
    """Return what an installed package requires; nothing if it is not installed."""
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []


def normal(name: str) -> str:
    """Return a package's name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
