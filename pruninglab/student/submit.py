"""Hand in a lab: `pruninglab submit PATH`, or `hand_in()` in the last cell of its notebook.

Save the notebook first: `submit` looks at the saved file. Is each graded cell there, once, under
its name? Does the notebook run from top to bottom, in the time that grading allows? Does it use
anything that grading does not have? Then it packs what you hand in, handin/01_structures.zip, and
prints a receipt: the SHA-256 of the notebook inside. Anyone with the file can recompute it
(`--verify FILE`), so it proves which version you handed in.

If there is a problem, nothing is packed unless you say `--anyway`. An exercise that is wrong or not
written yet is no problem: you can hand in what you have. A lab in which nothing is written is one.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import warnings
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from pruninglab.limits import MAX_NOTEBOOK
from pruninglab.notebook_file import Unreadable, read_notebook
from pruninglab.overview.manifest import in_package, known_labs, manifest, manifest_of
from pruninglab.student import completeness
from pruninglab.student.diagnosis import Outcome
from pruninglab.student.findings import Finding
from pruninglab.student.fresh_run import BESIDE, run
from pruninglab.student.lacking import gone, lacking
from pruninglab.student.receipt import pack, receipts
from pruninglab.student.view import TERMINAL, Events, View, tell
from pruninglab.terminal import accept_any_text


class NotReadyError(Exception):
    """There is nothing that could be looked at; the message says why, and what to do."""


def notebook_file(meant: str) -> Path:
    """Find the notebook that somebody means.

    Args:
        meant: a path, or the name of a lab in labs/, here or above; empty for the notebook here.

    Raises:
        NotReadyError: there is none, several could be meant, or it is not named as a lab.
    """
    file = Path(meant)
    if meant and not file.suffix and not file.is_dir():
        file = folder_named(meant)
    if file.is_dir():
        file = only_notebook(file.resolve())
    if not file.is_file():
        there = sorted(file.parent.glob("*.ipynb"))
        renamed = f"; {names(there)} is there: was it renamed?" if there else ""
        raise NotReadyError(f"{file} is missing{renamed}: give the path of your notebook")
    if not manifest_of(file)["cells"]:
        raise NotReadyError(
            f"{file} is not named as a lab: was it renamed? Then give it back its name, one of "
            f"{', '.join(known_labs())}"
        )
    return file.resolve()


def folder_named(lab: str) -> Path:
    """Find the folder of a lab by its name: below the current folder, or near it.

    Raises:
        NotReadyError: there is none.
    """
    for place in (Path.cwd(), *Path.cwd().parents[:2]):
        if manifest(place / "labs" / lab)["cells"] and (place / "labs" / lab).is_dir():
            return place / "labs" / lab
    raise NotReadyError(
        f"there is no lab {lab!r} in {Path.cwd()}: go to the folder that contains labs/, or give "
        "the path of your notebook"
    )


def only_notebook(folder: Path) -> Path:
    """Find the notebook in a folder: the lab's own, or the only one.

    Raises:
        NotReadyError: there is none, or several could be meant.
    """
    own = folder / f"{folder.name}.ipynb"
    there = sorted(folder.glob("*.ipynb"))
    if own in there:
        return own
    if manifest(folder)["cells"]:
        raise NotReadyError(
            f"{own} is missing; {names(there)} is there: was it renamed? Then give it back its name"
        )
    if len(there) == 1:
        return there[0]
    raise NotReadyError(f"{folder} has {names(there)}: give the path of your notebook")


def names(files: list[Path]) -> str:
    """List files by their names."""
    return ", ".join(file.name for file in files) or "no notebook"


def other_notebooks(file: Path) -> list[str]:
    """Names of notebooks beside one."""
    return sorted(p.name for p in file.parent.glob("*.ipynb") if p != file)


def read(name: str, data: bytes) -> NotebookNode:
    """Read a notebook as it was saved.

    Raises:
        NotReadyError: it is not a notebook.
    """
    try:
        return nbformat.from_dict(read_notebook(name, data))
    except Unreadable as error:
        advice = (
            "in JupyterLab, File > Reload Notebook from Checkpoint may bring back an earlier one"
        )
        raise NotReadyError(f"{error}\n   -> {advice}") from None


def oddities(data: bytes) -> Iterator[Finding]:
    """Say what an editor has left out of the file, or added; it is read all the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what nbformat mends by itself
        try:
            nbformat.validate(json.loads(data), relax_add_props=True)
        except Exception as error:  # nbformat's own, or what its mending stumbles over
            why = str(error).strip().split("\n")[0][:200]
            yield Finding("note", f"your editor saved it in an unusual way ({why}); no harm done")


def as_saved(file: Path, data: bytes, nb: NotebookNode, lab: dict[str, Any]) -> Iterator[Finding]:
    """Say what there is to say about a notebook before it runs."""
    if len(data) > MAX_NOTEBOOK:
        text = f"the notebook has {len(data) >> 20} MB; grading reads at most {MAX_NOTEBOOK >> 20}"
        yield Finding("wrong", text, "Edit > Clear Outputs of All Cells, save, then try again")
    if copies := other_notebooks(file):
        yield Finding("note", f"there is {', '.join(copies)}, too; only {file.name} is packed")
    found = list(chain.from_iterable(completeness.structure(nb, lab).values()))
    yield from found
    if not any(finding.state == "wrong" for finding in found):
        yield Finding("ready", f"all {len(lab['cells'])} graded cells are there, once")
    yield from completeness.left(nb, lab)
    yield from gone(nb, file)
    yield from oddities(data)


def look(file: Path, data: bytes, view: View = TERMINAL) -> Iterator[Iterator[Finding]]:
    """Everything that there is to say about a notebook, in three parts, as it is found.

    Raises:
        NotReadyError: it is no notebook.
    """
    nb, lab = read(file.name, data), manifest_of(file)
    yield as_saved(file, data, nb, lab)
    ran = run(nb, file.parent, lab["files"], view, in_package(file.stem))
    outcome = Outcome(nb, lab, ran)
    yield chain(outcome.limits(), lacking(nb, [*lab["files"], *BESIDE], outcome.needed()))
    yield outcome.exercises()


def refuse_untouched(file: Path, data: bytes) -> None:
    """An empty lab is nearly always handed in by mistake.

    Raises:
        NotReadyError: nothing at all was written.
    """
    if completeness.untouched(read(file.name, data), manifest_of(file)):
        others = ", ".join(other_notebooks(file))
        raise NotReadyError(
            "nothing is written in this notebook yet, so nothing is packed"
            "\n   -> did you save it? Press Ctrl+S in JupyterLab, then try again"
            + (f"\n   -> did you work in {others}? Only {file.name} is packed" if others else "")
            + "\n   -> --anyway packs it as it is"
        )


def verify(path: Path) -> None:
    """Print the receipts of what is in a file.

    Raises:
        NotReadyError: it cannot be read, or is a zip without a notebook.
    """
    try:
        found = list(receipts(path))
    except (OSError, zipfile.BadZipFile) as error:
        raise NotReadyError(f"{path} cannot be read: {error}") from None
    if not found:
        raise NotReadyError(f"{path} has no notebook in it: give the zip in handin/, or a notebook")
    for number, where in found:
        print(number, where)


def ago(seconds: float) -> str:
    """Put a time that has passed into words.

    >>> ago(200), ago(90_000)
    ('3 minutes ago', '1 day ago')
    """
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if (count := int(seconds // length)) > 0:
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now"


def hand_in(meant: str, name: str, anyway: bool, view: View) -> None:
    """Look a lab over, say what was found, and pack it.

    Raises:
        NotReadyError: nothing was packed.
    """
    file = notebook_file(meant)
    data = file.read_bytes()
    view.notebook(file, ago(time.time() - file.stat().st_mtime))
    if not anyway:
        refuse_untouched(file, data)
    problems = sum(view.found(part) for part in look(file, data, view))
    if problems and not anyway:
        raise NotReadyError(f"{problems} to mend (✗), so nothing is packed; --anyway packs it")
    try:
        view.packed(*pack(file, data, name))
    except OSError as error:
        raise NotReadyError(
            f"{error.filename} cannot be written ({error.strerror}): copy the notebook into a "
            "folder of yours, or make room there"
        ) from None


def main() -> None:
    """Run the command."""
    accept_any_text()
    parser = argparse.ArgumentParser(
        prog="python -m pruninglab submit",
        description=(__doc__ or "").split("\n\n", 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("notebook", nargs="?", default="", help="path or lab; else the one here")
    parser.add_argument("--anyway", action="store_true", help="pack it with its problems")
    parser.add_argument("--name", default="", help="begin the file's name with yours, e.g. ada")
    parser.add_argument("--verify", nargs="+", type=Path, metavar="FILE", help="print the receipts")
    parser.add_argument("--events", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.notebook and args.verify:
        parser.error("give a notebook, or --verify and files")
    if not re.fullmatch(r"[\w.-]*", args.name) or re.search(r"_\d\d_|^\.", args.name):
        allowed = "letters, digits, dots, hyphens and underscores; no dot first, no _01_ inside"
        parser.error(f"--name {args.name!r}: {allowed}")
    try:
        if args.verify:
            for path in args.verify:
                verify(path)
        else:
            view = Events() if args.events else TERMINAL
            hand_in(args.notebook, args.name, args.anyway, view)
    except NotReadyError as error:
        if args.events:
            tell(error=str(error))
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
