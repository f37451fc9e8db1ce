"""Model answer and marking guide after each free response (nbgrader_config.py turns it on)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from pruninglab.notebook import grade_id

BEGIN, END = "### BEGIN SOLUTION\n", "\n### END SOLUTION"
BOX = '<div class="alert alert-info">\n\n*For whoever marks.*\n\n{}\n\n</div>'


def guides(solved: NotebookNode) -> dict[str, str]:
    """Read free response -> what its solution says from a lab's notebook with solutions."""
    written = [c for c in solved.cells if c.cell_type == "markdown" and BEGIN in c.source]
    return {grade_id(c): c.source.split(BEGIN)[1].split(END)[0] for c in written}


def add_guides(
    nb: NotebookNode, lab: str, resources: dict[str, Any], show: Callable[[str], str]
) -> None:
    """Add a cell after each free response; none where the lab's solutions are not at hand.

    Args:
        nb: the notebook, in autograded/student/lab; it is changed.
        lab: the lab.
        resources: nbconvert's.
        show: makes the cell's text of the guide.
    """
    course = Path(resources["metadata"]["path"]).parents[2]
    path = course / "solutions" / "notebooks" / lab / f"{lab}.ipynb"
    found = guides(nbformat.read(path, as_version=4)) if path.is_file() else {}
    cells = []
    for cell in nb.cells:
        cells.append(cell)
        if grade_id(cell) in found:
            cells.append(new_markdown_cell(show(found[grade_id(cell)])))
    nb.cells = cells


class ShowGuide(Preprocessor):
    """Shows model answer and marking guide in formgrader (feedback stays as it is)."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Change a notebook, as nbconvert's preprocessors do."""
        if "submission_id" in resources:  # in formgrader
            add_guides(nb, resources["assignment_id"], resources, BOX.format)
        return nb, resources


class ShowAnswers(Preprocessor):
    """Shows the model answers in feedback pages, if `enabled`: `--with-answers` does that."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Change a notebook, as nbconvert's preprocessors do."""
        add_guides(nb, resources["nbgrader"]["assignment"], resources, model_answer)
        return nb, resources


def model_answer(guide: str) -> str:
    """Return the part of a guide that students may read; the rest is for whoever marks.

    >>> model_answer("**Model answer.** Because.\\n\\n**Marking guide.** 1 point: ...")
    '**Model answer.** Because.'
    >>> model_answer("**Model answer.** *Filters*: ...")
    '**Model answer.** *Filters*: ...'
    """
    answer = re.split(r"^\W*Marking guide", guide, maxsplit=1, flags=re.M)[0]
    # Its own heading goes, in bold or not; an answer may begin with "(1)" or "*this*".
    return "**Model answer.** " + re.sub(r"^\W*Model answer[.:]?\*{0,2}[.:]?", "", answer).strip()
