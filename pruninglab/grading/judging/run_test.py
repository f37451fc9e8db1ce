"""A test's source, run outside of the sandbox."""

from __future__ import annotations

import ast
import base64
import contextlib
import importlib
import io
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from pruninglab.grading.judging.task import Task
from pruninglab.grading.protocol.lab_modules import import_lab
from pruninglab.notebook import plain_source, used

LARGEST = 2**20  # bytes of a picture: it goes into the feedback page


def drawn() -> str | None:
    """The figure that a check has drawn, as a PNG in base64; None if there is none."""
    if not plt.get_fignums():
        return None
    file = io.BytesIO()
    with contextlib.suppress(Exception):
        plt.gcf().savefig(file, format="png", dpi=72, bbox_inches="tight")
    image = file.getvalue()
    return base64.b64encode(image).decode() if 0 < len(image) < LARGEST else None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the warnings of a test to itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def execute(source: str, namespace: dict[str, Any], seed: int) -> None:
    """Run a test's source; its functions' argument `seed` is `seed` by default."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            named = node.args.args[len(node.args.args) - len(node.args.defaults) :]
            for place, argument in enumerate(named):
                if argument.arg == "seed":
                    node.args.defaults[place] = ast.Constant(seed)
    exec(compile(ast.fix_missing_locations(tree), "<test>", "exec"), namespace)


def probes(task: Task, files: list[Path]) -> dict[str, Any]:
    """Run the imports of the lab that its tests need, and return the names that they bind."""
    wanted = set[str]().union(*(used(test.source) for test in task.tests))
    beside = [path for path in files if path.suffix == ".py"]
    for path in beside:
        sys.modules.pop(path.stem, None)  # of another lab, maybe
        sys.path[:0] = [str(path.parent)] if str(path.parent) not in sys.path else []
    for path in beside:  # the tests' `from probes import check`, and classes for `codec`
        importlib.import_module(path.stem)
    if beside:
        import_lab(str(beside[0].parent), dict(task.files))
    namespace: dict[str, Any] = {}
    for source in task.given:
        imports = [n for n in ast.parse(plain_source(source)).body if is_import_of(n, wanted)]
        exec(compile(ast.Module(imports, []), "<lab>", "exec"), namespace)
    namespace.pop("__builtins__", None)
    return namespace


def is_import_of(node: ast.stmt, names: set[str]) -> bool:
    """Whether a statement imports one of the names."""
    imports = isinstance(node, ast.Import | ast.ImportFrom)
    return imports and any((a.asname or a.name.split(".")[0]) in names for a in node.names)  # type: ignore[attr-defined]
