"""Model answer and marking guide beside each free response in nbgrader's formgrader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from pruninglab.notebook import grade_id

BEGIN, END = "### BEGIN SOLUTION\n", "\n### END SOLUTION"
BOX = '<div class="alert alert-info">\n\n*For whoever marks.*\n\n{guide}\n\n</div>'


def guides(solved: NotebookNode) -> dict[str, str]:
    """Free response -> what its solution says, of a lab's notebook with solutions."""
    written = [c for c in solved.cells if c.cell_type == "markdown" and BEGIN in c.source]
    return {grade_id(c): c.source.split(BEGIN)[1].split(END)[0] for c in written}


class ShowGuide(Preprocessor):
    """Adds a cell after each free response, where formgrader shows it (feedback stays as it is)."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Nothing is added where the lab's solutions are not at hand."""
        if "submission_id" not in resources:  # not in formgrader
            return nb, resources
        lab = resources["assignment_id"]
        course = Path(resources["metadata"]["path"]).parents[2]  # of autograded/student/lab
        path = course / "solutions" / "notebooks" / lab / f"{lab}.ipynb"
        found = guides(nbformat.read(path, as_version=4)) if path.is_file() else {}
        cells = []
        for cell in nb.cells:
            cells.append(cell)
            if grade_id(cell) in found:
                cells.append(new_markdown_cell(BOX.format(guide=found[grade_id(cell)])))
        nb.cells = cells
        return nb, resources
