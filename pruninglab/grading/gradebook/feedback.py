"""Feedback pages (nbgrader_config.py puts this to work): no hidden tests, and nothing live."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearHiddenTests, GetGrades
from traitlets.config import Config

from pruninglab.grading import safe_html
from pruninglab.grading.intake.canonical import grade_id

# MathJax is the only thing that a page may load and run, besides the scripts that it begins with.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src {mathjax} data:; "
    "script-src {mathjax} {hashes}; base-uri 'none'; form-action 'none'"
)
MATHJAX = "https://cdnjs.cloudflare.com/ajax/libs/mathjax/2.7.7/"


class GetMarks(GetGrades):
    """nbgrader's grades, and which of them are still to come: those are no zeros."""

    def _get_score(self, cell: NotebookNode, resources: ResourcesDict) -> None:
        super()._get_score(cell, resources)
        names = (self.notebook_id, self.assignment_id, self.student_id)
        grade = self.gradebook.find_grade(grade_id(cell), *names)
        waits = grade.needs_manual_grade and grade.manual_score is None
        cell.metadata.nbgrader["waits"] = waits
        resources["nbgrader"]["waits"] = waits or resources["nbgrader"].get("waits", False)


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


class FeedbackPage(HTMLExporter):
    """A feedback page that names the exercises, renders hints, and has a security policy."""

    @property
    def default_config(self) -> Config:
        """Its section outranks HTMLExporter's, in which nbgrader puts its own template."""
        own: dict[str, Any] = {
            "template_name": "classic",
            "template_file": "feedback_page.html",
            "extra_template_basedirs": [],
            "extra_template_paths": [str(Path(__file__).parent)],
        }
        config = Config({"FeedbackPage": own})
        config.merge(super().default_config)
        return config

    def default_filters(self) -> Any:
        """Yield nbconvert's filters, and two of our own."""
        yield from super().default_filters()
        yield "exercise", exercise
        yield "explained", explained

    def from_notebook_node(  # type: ignore[override]  # as HTMLExporter's own
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Make the page of a graded notebook."""
        page, resources = super().from_notebook_node(nb, resources, **kw)
        return with_policy(page), resources


def with_policy(page: str) -> str:
    """Add a Content-Security-Policy that allows the scripts of the page's head, and no others."""
    head = page.partition("</head>")[0]
    scripts = re.findall(r"<script>(.*?)</script>", head, flags=re.S)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in scripts]
    hashes = " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
    policy = POLICY.format(mathjax=MATHJAX, hashes=hashes)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return page.replace("<head>", f"<head>\n{meta}", 1)


def exercise(name: str) -> str:
    """Name the exercise of a cell: `test_filter_mask` tests "filter_mask"."""
    return name.removeprefix("test_")


def explained(text: str) -> str:
    """Show what a check says: its table as it is written, the hint's Markdown rendered.

    >>> explained("✘ mask is wrong\\nLikely: `abs` is missing")
    '<pre>✘ mask is wrong</pre><div><p>Likely: <code>abs</code> is missing</p>\\n</div>'
    """
    shown = []
    for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines():
        hint = line.startswith(("Likely:", "Hint:"))
        html = f"<div>{safe_html.rendered(line)}</div>" if hint else safe_html.as_written(line)
        shown.append(html)
    return "".join(shown).replace("</pre><pre>", "\n")
