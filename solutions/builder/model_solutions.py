"""The model solutions of a lab, as a page that the start page unfolds: for after the deadline."""

from __future__ import annotations

import ast

from nbformat import NotebookNode

from pruninglab.grading.gradebook.guide import BEGIN, END, guides, model_answer
from pruninglab.notebook import grade_id
from pruninglab.overview.manifest import manifest
from solutions.builder import build

MARKS = (BEGIN.strip(), END.strip())


def page(lab: str) -> str:
    """Write each function with its solution and each question with its model answer, in Markdown.

    Marking guides are not in it: they are for whoever marks.
    """
    solved, about = build.notebook(lab), manifest(build.ROOT / "labs" / lab)
    parts = functions(solved) | {n: model_answer(text) for n, text in guides(solved).items()}
    text, heading = [f"# {about['title']}: model solutions"], ""
    for cell in about["cells"]:
        if cell["name"] in parts:
            if cell["heading"] != heading:  # several functions may belong to one exercise
                heading = cell["heading"]
                text.append(f"**{heading}**")
            text.append(parts[cell["name"]])
    return "\n\n".join(text) + "\n"


def functions(solved: NotebookNode) -> dict[str, str]:
    """Return exercise -> its solution as a block of code."""
    written = [c for c in solved.cells if c.cell_type == "code" and MARKS[0] in c.source]
    return {grade_id(c): f"```python\n{without_docstring(c.source)}\n```" for c in written}


def without_docstring(source: str) -> str:
    """Leave out a function's docstring, which the notebook has, and the marks of the solution.

    >>> print(without_docstring('def f(x):\\n    "Add."\\n    ### BEGIN SOLUTION\\n    return x'))
    def f(x):
        return x
    """
    lines = source.splitlines()
    function = next(n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef))
    text = function.body[0]
    if ast.get_docstring(function) is not None:
        del lines[text.lineno - 1 : text.end_lineno]
    return "\n".join(line for line in lines if line.strip() not in MARKS)
