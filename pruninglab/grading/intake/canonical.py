"""A submission on the instructor's skeleton: only texts are taken from the student's notebook.

Tags, metadata, outputs and other files are dropped; test cells are the instructor's. Text in
Markdown becomes HTML with nothing live in it, with the pictures that were attached.
A solution is found by its cell's grade_id (of several copies the last changed one counts), else by
the name that it defines. An answer in words that was written beside its cell moves into it. The
lab's own version of a given cell runs in any case; what a student added to it (an import, say)
follows in a cell of its own. The student's own cells stay among the cells around them.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.utils import is_grade, is_solution

from pruninglab.grading.safe_html import Attachments, stored
from pruninglab.notebook import bound, defined, grade_id, in_doubt, parsed, plain_source, used

LONGEST = 200_000  # characters of a cell
BESIDE = "*(This was written beside the cell for the answer.)*"


@dataclass(frozen=True)
class Cell:
    """A cell of a canonical notebook.

    Attributes:
        kind: "text", "given" (the lab's own), "added" (to the given cell before it), "solution",
            "test" or "own" (the student's).
        source: its text.
        name: grade_id of a solution or test.
        markdown: whether it is a text cell.
        template: the released cell; None for the student's own.
        needed: for the functions to work (code only).
        attachments: pictures in its text, as nbformat stores them.
    """

    kind: str
    source: str
    name: str = ""
    markdown: bool = False
    template: NotebookNode | None = None
    needed: bool = True
    attachments: Attachments = field(default_factory=dict)


def kind_of(cell: NotebookNode) -> str:
    """Say what a cell of the skeleton is; see `Cell`."""
    if is_solution(cell):
        return "solution"
    if is_grade(cell):
        return "test"
    return "given" if cell.cell_type == "code" else "text"


def key_of(template: NotebookNode) -> str:
    """Return what a cell of the skeleton is known by: its grade_id, or else its id."""
    return grade_id(template) or template.get("id", "")


# --- which cell is which --------------------------------------------------------------------------


def short_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells whose text is not too long."""
    return [c for c in notebook.cells if isinstance(c.source, str) and len(c.source) <= LONGEST]


def solutions(skeleton: NotebookNode, cells: list[NotebookNode]) -> dict[str, NotebookNode]:
    """Find the submission's cell for each solution in code: grade_id -> cell."""
    asked = [t for t in skeleton.cells if kind_of(t) == "solution" and t.cell_type == "code"]
    found = {grade_id(template): solution(template, cells) for template in asked}
    return {name: cell for name, cell in found.items() if cell is not None}


def solution(template: NotebookNode, cells: list[NotebookNode]) -> NotebookNode | None:
    """Find a solution in code: of several copies the last one that was changed."""
    mine = [cell for cell in cells if is_of(cell, template)]
    copies = [c for c in mine if c.cell_type == "code"] or mine  # made raw or text by mistake
    changed = [c for c in copies if differs(c, template)]
    wanted = defined(template.source)
    if not changed and wanted:  # its metadata is gone: by what it defines
        loose = [c for c in cells if c.cell_type == "code" and not grade_id(c)]
        changed = [c for c in loose if wanted <= defined(c.source)]
    whole = [c for c in changed if wanted and wanted <= defined(c.source)]  # if it was split
    return next(iter((whole or changed or copies)[-1:]), None)


def is_of(cell: NotebookNode, template: NotebookNode) -> bool:
    """Say whether a cell was one of the skeleton's: by nbgrader's name, or else by its id."""
    name = grade_id(cell)
    own_id = bool(cell.get("id")) and cell.get("id") == template.get("id")
    return name == grade_id(template) if name else own_id


def differs(cell: NotebookNode, template: NotebookNode) -> bool:
    """Say whether a cell has another text than the lab gave it."""
    return cell.source.strip() != template.source.strip()


@dataclass(frozen=True)
class Classified:
    """A cell of a submission.

    Attributes:
        cell: the cell.
        key: of the lab's cell that it is a version of (see `key_of`); None if the student's own.
    """

    cell: NotebookNode
    key: str | None


def classify(
    skeleton: NotebookNode, cells: list[NotebookNode], taken: set[int]
) -> Iterator[Classified]:
    """Say of each cell of a submission what it is; cells that do not count are left out.

    Args:
        skeleton: the lab's notebook.
        cells: of the submission.
        taken: `id()` of the cells that hold a solution.
    """
    templates = {key_of(c): c for c in skeleton.cells}
    graded = {grade_id(c) for c in skeleton.cells} - {""}
    by_text = {c.source.strip(): key for key, c in templates.items() if c.source.strip()}
    seen = set[str]()  # given cells that have had their version
    for cell in cells:
        key = grade_id(cell) if grade_id(cell) in graded else cell.get("id", "")
        if key not in templates:  # editors that know no ids: the lab's cells by their text
            key = by_text.get(cell.source.strip(), "")
        template = templates.get(key)
        if template is None:
            own = id(cell) not in taken
        else:
            again = key in seen and kind_of(template) == "given"
            own = id(cell) not in taken and (again or is_part(cell, template))
        if not own and template is not None:
            seen |= {key} if cell.cell_type == "code" else set()
            yield Classified(cell, key)
        elif own and cell.source.strip():
            yield Classified(cell, None)


def is_part(cell: NotebookNode, template: NotebookNode) -> bool:
    """Say whether a cell is the rest of a split solution, or an earlier version of one."""
    if kind_of(template) != "solution" or cell.cell_type != "code":
        return False
    return template.cell_type == "code" and bool(cell.source.strip()) and differs(cell, template)


# --- each in its place ----------------------------------------------------------------------------


def merge(skeleton: NotebookNode, submission: NotebookNode) -> list[Cell]:
    """Make the canonical notebook of a submission.

    Args:
        skeleton: the instructor's notebook, with hidden tests but without solutions.
        submission: what the student handed in.
    """
    cells = short_cells(submission)
    grafts = solutions(skeleton, cells)
    versions: dict[str, list[NotebookNode]] = defaultdict(list)
    behind: dict[str, list[Cell]] = defaultdict(list)  # the student's cells after one of the lab's
    place = ""
    for found in classify(skeleton, cells, {id(cell) for cell in grafts.values()}):
        if found.key is None:
            text = found.cell.cell_type != "code"
            pictures = found.cell.get("attachments", {})
            behind[place].append(
                Cell("own", found.cell.source, markdown=text, attachments=pictures)
            )
        else:
            place = found.key
            versions[place].append(found.cell)
    merged, before = behind.pop("", []), None
    for template in skeleton.cells:
        key = key_of(template)
        if is_answer(template):
            merged.append(answer(template, versions, behind, before))
        elif key in grafts:
            merged.append(of_lab(template, grafts[key].source))
        else:
            merged.append(of_lab(template, template.source))
            merged += additions(template, versions[key])
        merged += behind[key]
        before = None if is_answer(template) else template
    return mark_needed(merged)


def of_lab(template: NotebookNode, source: str) -> Cell:
    """Make a cell of the skeleton, with a text."""
    markdown = template.cell_type == "markdown"
    return Cell(kind_of(template), source, grade_id(template), markdown, template)


def is_answer(template: NotebookNode) -> bool:
    """Say whether a cell of the skeleton waits for an answer in words."""
    return kind_of(template) == "solution" and template.cell_type == "markdown"


def answer(
    template: NotebookNode,
    versions: dict[str, list[NotebookNode]],
    behind: dict[str, list[Cell]],
    before: NotebookNode | None,
) -> Cell:
    """Make the cell of an answer in words: all that the student wrote there, or else beside it.

    What was written beside an empty one moves there, so that it waits for a mark, and whoever marks
    sees it.

    Args:
        template: the lab's cell.
        versions: key of a lab's cell -> the student's versions of it.
        behind: key -> the student's own cells after it; what moves is taken out.
        before: the lab's cell before the answer (its question, as a rule).
    """
    key = key_of(template)
    written = [c.source for c in versions[key] if c.source.strip() and differs(c, template)]
    pictures = [c.get("attachments", {}) for c in versions[key]]
    if not written:
        if before is not None:
            written += in_question(before, versions[key_of(before)])
        for place in ([] if before is None else [key_of(before)]) + [key]:
            written += [cell.source for cell in behind[place] if cell.markdown]
            pictures += [cell.attachments for cell in behind[place] if cell.markdown]
            behind[place] = [cell for cell in behind[place] if not cell.markdown]
        written = [BESIDE, *written] if written else [c.source for c in versions[key]][-1:]
    text = "\n\n".join(dict.fromkeys(written)) if written else template.source
    attached = {name: data for each in pictures for name, data in each.items()}
    return replace(of_lab(template, text), attachments=attached)


def in_question(question: NotebookNode, versions: list[NotebookNode]) -> list[str]:
    """Return what a student wrote into a question's own cell."""
    lines = set(question.source.splitlines())
    if kind_of(question) != "text" or not versions:
        return []
    new = "\n".join(line for line in versions[-1].source.splitlines() if line not in lines)
    return [new] if new.strip() else []


def additions(template: NotebookNode, versions: list[NotebookNode]) -> Iterator[Cell]:
    """Yield what a student added to a given cell; the lab's own version of it runs in any case."""
    version = next((c.source for c in versions if c.cell_type == "code"), None)
    if kind_of(template) != "given" or version is None:
        return
    try:
        source = added(template.source, version)
    except (RecursionError, ValueError):  # what `notebook.written` names: the cell as it is
        source = version
    if source:
        yield Cell("added", source)


def added(given: str, version: str) -> str:
    """Return the statements that a student added to a given cell, or changed.

    Those of the lab that use what has changed follow again.

    >>> added("n = 3\\nm = n + 1", "import seaborn\\nn = 4\\nm = n + 1")
    'import seaborn\\nn = 4\\nm = n + 1'
    >>> added("import torch\\nn = 3", "%%time\\nimport torch\\nn = 3")
    ''
    """
    ours, theirs = parsed(plain_source(given)), parsed(plain_source(version))
    if ours is None or theirs is None:
        return "" if version.strip() == given.strip() else version
    known, kept, changed = set(map(ast.dump, ours.body)), list[str](), set[str]()
    for node in theirs.body:
        source = ast.unparse(node)
        if ast.dump(node) not in known or used(source) & changed:
            changed |= bound(source)
            kept.append(source)
    return "\n".join(kept)


def mark_needed(cells: list[Cell]) -> list[Cell]:
    """Of the lab's own code, mark what the student's code needs; only that must run.

    What a cell and its functions use comes from cells above the test behind it: later ones may
    use the same names for something else. What a student added to a cell runs when that one does.
    """
    tests = [place for place, c in enumerate(cells) if c.kind == "test"] + [len(cells)]
    code = {i: c for i, c in enumerate(cells) if not c.markdown and c.kind not in ("text", "test")}
    given = {i: bound(c.source) for i, c in code.items() if c.kind in ("given", "added")}
    doubtful = [i for i, c in code.items() if c.kind == "added" and in_doubt(c.source)]
    waiting = [place for place in code if place not in given] + doubtful
    needed = set(waiting)
    while waiting:
        place = waiting.pop()
        uses, end = used(code[place].source), next(t for t in tests if t > place)
        found = {i for i, names in given.items() if i < end and names & uses}
        found |= {i for i in (place + 1,) if i in code and code[i].kind == "added"}
        waiting += found - needed
        needed |= found
    return [replace(c, needed=i in needed) if i in code else c for i, c in enumerate(cells)]


def to_notebook(cells: list[Cell], outputs: dict[str, list[Any]]) -> NotebookNode:
    """Return the canonical notebook as nbgrader keeps it.

    Args:
        cells: from `merge`.
        outputs: grade_id of a test -> its outputs.
    """
    made = []
    for number, cell in enumerate(cells):
        own = cell.kind in ("own", "solution") or cell.template is None
        source = stored(cell.source, cell.attachments) if cell.markdown and own else cell.source
        if cell.template is not None:
            unchanged = cell.source == cell.template.source
            new = cell.template.copy()
            new["source"] = cell.template.source if unchanged else source
        else:
            new = (new_markdown_cell if cell.markdown else new_code_cell)(
                source, id=f"own-{number}"
            )
        if not cell.markdown:
            new["outputs"], new["execution_count"] = outputs.get(cell.name, []), None
        made.append(new)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=made, metadata={"kernelspec": kernel})
