"""Old import paths keep working: for notebooks and commands from before the folders were made.

A notebook that was handed out as `from pruninglab.play import slider` still runs, and is graded; so
does `python -m pruninglab.submit`. Delete a line once nobody uses its old name.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType
from typing import Any

OLD = {
    "doctor": "student.doctor",
    "loop": "training.loop",
    "networks": "project.networks",
    "overlay": "project.overlay",
    "play": "sliders",
    "records": "results.records",
    "slides": "project.slides",
    "start": "student.start",
    "submit": "student.submit",
}


class Alias(MetaPathFinder, Loader):
    """Finds a module under its old name, and gives the one under its new name."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> Any:
        """Answer `import`: None for every name that is not an old one."""
        package, _, name = fullname.rpartition(".")
        known = package == "pruninglab" and name in OLD
        return ModuleSpec(fullname, self) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Give the module itself, not a second copy: its classes must stay the same classes."""
        module = importlib.import_module(_new(spec.name))
        self.own = module.__spec__, module.__loader__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing again; undo that `import` has just written the old name into it."""
        module.__spec__, module.__loader__ = self.own

    def get_code(self, fullname: str) -> CodeType | None:
        """Give the code of the module, for `python -m pruninglab.submit`."""
        spec = find_spec(_new(fullname))
        return spec.loader.get_code(spec.name) if spec and spec.loader else None  # type: ignore[attr-defined]


def _new(fullname: str) -> str:
    return f"pruninglab.{OLD[fullname.rpartition('.')[2]]}"


def install() -> None:
    """Let `import` ask here, last."""
    if not any(isinstance(finder, Alias) for finder in sys.meta_path):
        sys.meta_path.append(Alias())
