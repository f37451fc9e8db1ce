"""Feedback pages that do not show the hidden tests (nbgrader_config.py puts this to work)."""

from __future__ import annotations

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearHiddenTests


class HideHiddenTests(ClearHiddenTests):
    """Remove the hidden tests from a graded notebook, and their lines from its tracebacks.

    Stock feedback contains both (https://github.com/jupyter/nbgrader/issues/917). The last entry
    of a traceback, the error's own message, stays: it is what the student can learn from.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Clear one cell, as nbconvert's preprocessors do: it is changed in place."""
        if self._remove_hidden_test_region(cell):
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = output.traceback[-1:]
        return cell, resources
