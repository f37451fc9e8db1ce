"""A submission on the instructor's skeleton: of the student's notebook only sources are taken.

Tags, metadata, outputs, attachments and other files are dropped; test cells are the instructor's.
A solution is found by its cell's grade_id (of several copies the last one that has been changed
counts), else by the name that it defines. Cells of the student's own stay where they are, among
the cells around them. What a cell of the lab's text was changed to is kept too: an import may have
been added there.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from dataclasses import dataclass, replace
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.utils import is_grade, is_solution

LONGEST = 200_000  # characters of a cell


@dataclass(frozen=True)
class Cell:
    """A cell of a canonical notebook.

    Attributes:
        kind: "text", "given" (the lab's own), "solution", "test" or "own" (the student's).
        source: its text.
        name: grade_id of a solution or test.
        markdown: whether it is a text cell.
        template: the released cell; None for the student's own.
        needed: for the functions to work (code only).
    """

    kind: str
    source: str
    name: str = ""
    markdown: bool = False
    template: NotebookNode | None = None
    needed: bool = True


def grade_id(cell: NotebookNode) -> str:
    """nbgrader's name of a cell, or an empty string."""
    meta = cell.get("metadata", {}).get("nbgrader")
    name = meta.get("grade_id") if isinstance(meta, dict) else None
    return name if isinstance(name, str) else ""


def kind_of(cell: NotebookNode) -> str:
    """What a cell of the skeleton is; see `Cell`."""
    if is_solution(cell):
        return "solution"
    if is_grade(cell):
        return "test"
    return "given" if cell.cell_type == "code" else "text"


def plain_source(source: str) -> str:
    """A cell as Python: without magics and shell commands."""
    try:
        return TransformerManager().transform_cell(source)
    except SyntaxError:
        return source


def bound(source: str) -> set[str]:
    """Names that a cell gives a value to, at its top level; none if it is no Python.

    >>> sorted(bound("import a.b as c, d.e\\nx: int = 1\\ndef f(y): z = 1"))
    ['c', 'd', 'f', 'x']
    """
    table = symbols(source)
    if table is None:
        return set()
    return {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}


def used(source: str) -> set[str]:
    """Global names that a cell and its functions read; none if it is no Python.

    >>> sorted(used("def f(x): return torch.abs(x) + y"))
    ['torch', 'y']
    """
    table = symbols(source)
    if table is None:
        return set()
    names = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    waiting = list(table.get_children())
    while waiting:
        inner = waiting.pop()
        names |= {s.get_name() for s in inner.get_symbols() if s.is_global() and s.is_referenced()}
        waiting += inner.get_children()
    return names - set(vars(builtins))


def symbols(source: str) -> symtable.SymbolTable | None:
    """Python's own table of a cell's names."""
    try:
        return symtable.symtable(plain_source(source), "cell", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def defined(source: str) -> set[str]:
    """Functions and classes that a cell defines at its top level."""
    try:
        body = ast.parse(plain_source(source)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in body if isinstance(node, kinds)}


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells with an acceptable source."""
    return [c for c in notebook.cells if isinstance(c.source, str) and len(c.source) <= LONGEST]


def solutions(skeleton: NotebookNode, submission: NotebookNode) -> dict[str, NotebookNode]:
    """grade_id -> the submission's cell with that solution, where there is one."""
    cells = code_cells(submission)
    found: dict[str, NotebookNode] = {}
    for template in skeleton.cells:
        if kind_of(template) != "solution":
            continue
        name, kind = grade_id(template), template.cell_type
        mine = [c for c in cells if is_of(c, template)]
        copies = [c for c in mine if c.cell_type == kind] or mine  # made raw or code by mistake
        changed = [c for c in copies if c.source.strip() != template.source.strip()]
        wanted = defined(template.source)
        if not changed and wanted and kind == "code":  # its metadata is gone: by what it defines
            loose = [c for c in cells if c.cell_type == "code" and not grade_id(c)]
            changed = [c for c in loose if wanted <= defined(c.source)]
        whole = [c for c in changed if wanted and wanted <= defined(c.source)]  # if it was split
        if changed or copies:
            found[name] = (whole or changed or copies)[-1]
    return found


def is_of(cell: NotebookNode, template: NotebookNode) -> bool:
    """Whether a cell was one of the skeleton's: by nbgrader's name, or else by its id."""
    name = grade_id(cell)
    own_id = bool(cell.get("id")) and cell.get("id") == template.get("id")
    return name == grade_id(template) if name else own_id


def merge(skeleton: NotebookNode, submission: NotebookNode) -> list[Cell]:
    """The canonical notebook of a submission.

    Args:
        skeleton: the instructor's notebook, with hidden tests but without solutions.
        submission: what the student handed in.
    """
    grafts = solutions(skeleton, submission)
    taken = {id(cell) for cell in grafts.values()}
    templates = {grade_id(c) or c.get("id", ""): c for c in skeleton.cells}
    ours = {grade_id(c) for c in skeleton.cells} - {""}
    same = {c.source.strip(): key for key, c in templates.items() if c.source.strip()}
    versions: dict[str, str] = {}  # id of a given cell -> the student's version
    after: dict[str, list[Cell]] = {}  # id of a skeleton cell -> the student's cells behind it
    place = ""
    for cell in code_cells(submission):
        key = grade_id(cell) if grade_id(cell) in ours else cell.get("id", "")
        if key not in templates:  # editors that know no ids: the lab's cells by their text
            key = same.get(cell.source.strip(), key)
        template = templates.get(key)
        if id(cell) not in taken and is_part(cell, template):
            after.setdefault(place, []).append(Cell("own", cell.source))
            continue
        if id(cell) in taken or key in ours or (template is not None and key not in versions):
            place = key if template is not None else place
            if template is not None and kind_of(template) == "given" and cell.cell_type == "code":
                versions[key] = cell.source
            continue
        if cell.cell_type in ("code", "markdown") and cell.source.strip():
            markdown = cell.cell_type == "markdown"
            after.setdefault(place, []).append(Cell("own", cell.source, markdown=markdown))
    merged = after.get("", [])
    for template in skeleton.cells:
        key = grade_id(template) or template.get("id", "")
        merged.append(from_template(template, grafts.get(key), versions.get(key)))
        merged += after.get(key, [])
    return mark_needed(merged)


def is_part(cell: NotebookNode, template: NotebookNode | None) -> bool:
    """Whether a cell is the rest of a solution that was split, or an earlier version of it."""
    if template is None or kind_of(template) != "solution" or cell.cell_type != "code":
        return False
    return template.cell_type == "code" and cell.source.strip() not in ("", template.source.strip())


def from_template(template: NotebookNode, graft: NotebookNode | None, version: str | None) -> Cell:
    """One cell of the skeleton, with the student's source where that is allowed."""
    kind, markdown = kind_of(template), template.cell_type == "markdown"
    source = template.source
    if kind == "solution" and graft is not None:
        source = graft.source
    elif kind == "given" and version is not None:
        source = version
    return Cell(kind, source, grade_id(template), markdown, template)


def mark_needed(cells: list[Cell]) -> list[Cell]:
    """Of the lab's own code, only what the student's code needs must run.

    What a cell and its functions use comes from cells above the test behind it: later ones may
    use the same names for something else.
    """
    tests = [place for place, c in enumerate(cells) if c.kind == "test"] + [len(cells)]
    code = {i: c for i, c in enumerate(cells) if not c.markdown and c.kind not in ("text", "test")}
    given = {place: bound(c.source) for place, c in code.items() if c.kind == "given"}
    waiting = [place for place in code if place not in given]
    needed = set(waiting)
    while waiting:
        place = waiting.pop()
        uses, end = used(code[place].source), next(t for t in tests if t > place)
        found = [i for i, names in given.items() if i < end and i not in needed and names & uses]
        needed.update(found)
        waiting += found
    return [replace(c, needed=i in needed) if i in code else c for i, c in enumerate(cells)]


def harmless(text: str) -> str:
    """Markdown of a student, without HTML and without pictures from elsewhere."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (
        text.replace("&amp;#", "&amp;\u200b#").replace("![", "!\u200b[").replace("](", "]\u200b(")
    )


def to_notebook(cells: list[Cell], outputs: dict[str, list[Any]]) -> NotebookNode:
    """The canonical notebook as nbgrader keeps it.

    Args:
        cells: from `merge`.
        outputs: grade_id of a test -> its outputs.
    """
    made = []
    for number, cell in enumerate(cells):
        own = cell.kind in ("own", "solution") or cell.template is None
        source = harmless(cell.source) if cell.markdown and own else cell.source
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
