"""What a lab asks for: its exercises, points and minutes, and where the labs are."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1] / "labs"  # a folder for each lab, made by the build


def package_of(lab: str) -> Path:
    """Tell where the package keeps what belongs to a lab.

    >>> package_of("01_structures").relative_to(PACKAGE).as_posix()
    'structures'
    """
    return PACKAGE / (lab.partition("_")[2] or lab)


def manifest(folder: Path) -> dict[str, Any]:
    """Read what the lab in `folder` asks for; without exercises if unknown.

    The build writes it as manifest.json into the package. Labs that were handed out before that
    have it beside their notebook.

    >>> manifest(Path("nowhere"))["cells"]
    []
    """
    return manifest_of(folder / f"{folder.name}.ipynb")


def manifest_of(notebook: Path) -> dict[str, Any]:
    """Read what the lab of a notebook asks for; without exercises if it is not named as a lab."""
    lab, folder = notebook.stem, notebook.parent
    for found in (read(package_of(lab)), {"lab": folder.name, **read(folder)}):
        if found.get("lab") == lab and "cells" in found:
            return {"files": [], **found}
    return {"lab": lab, "title": lab, "about": "", "minutes": 0, "files": [], "cells": []}


def in_package(lab: str) -> dict[str, bytes]:
    """Read what the package has of a lab, under the names that it has beside a notebook."""
    folder = package_of(lab)
    if read(folder).get("lab") != lab:
        return {}
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    found["probes.py"] = found.pop("__init__.py")
    return found


def read(folder: Path) -> dict[str, Any]:
    """Read a folder's manifest.json; empty if that is missing or damaged."""
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
    return {}


def known_labs() -> list[str]:
    """List the labs that came with the package, in the order of the course."""
    return sorted(read(file.parent).get("lab", "") for file in PACKAGE.glob("*/manifest.json"))


def lab_folders(labs: Path) -> list[Path]:
    """List the folders below `labs` that are labs, in the order of the course."""
    folders = (path for path in labs.glob("*") if path.is_dir())
    return sorted(path for path in folders if manifest(path)["cells"])


def find_labs() -> Path:
    """Find the folder with the labs: near the current folder, or else beside this package.

    Raises:
        FileNotFoundError: there is none.
    """
    for place in (Path.cwd(), *Path.cwd().parents[:2], Path(__file__).parents[2]):
        if lab_folders(place / "labs"):
            return place / "labs"
    raise FileNotFoundError(f"no labs in {Path.cwd()}: go to the folder that contains labs/")


def points_of(lab: dict[str, Any]) -> dict[str, int]:
    """List exercise -> the points of its check.

    >>> points_of({"cells": [{"name": "test_double", "kind": "test", "points": 2}]})
    {'double': 2}
    """
    graded = [cell for cell in lab["cells"] if cell["kind"] == "test"]
    return {cell["name"].removeprefix("test_"): cell["points"] for cell in graded}
