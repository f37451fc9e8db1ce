"""A notebook's cells, looked at without running them: which they are, and which names they use.

Nothing here raises, whatever an editor or a student has left in a cell.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Iterator, Mapping
from functools import lru_cache

from IPython.core.inputtransformer2 import TransformerManager

# What a student finds in place of an answer in words.
ANSWER_STUB = "*Write your answer here: two or three sentences, in place of these.*"

# Cell magics that run the cell as the notebook's own code, and those that run it elsewhere.
OWN_CODE = re.compile(r"\s*%%(time|timeit|prun|capture)\b([^\n]*)\n?")
ELSEWHERE = (
    "bash|sh|script|system|sx|html|javascript|js|latex|markdown|svg|writefile|file|perl|ruby"
)
UNKNOWN = re.compile(rf"\s*%%(?!(?:{ELSEWHERE}|python\d?|pypy|cython)\b)\w+[^\n]*\n?")
LINE_IS_CODE = re.compile(r"^([ \t]*)%(?:time|timeit|prun)[ \t]+(?:-\w+[ \t]+\d*[ \t]*)*", re.M)
# Lines that IPython rewrites: `%x`, `!x`, `?x`, `x?`, `/f x`, `,f x`, `;f x`, and `y = !x`.
MAGIC_LINE = re.compile(r"^([ \t]*)(?:[%!?/,;].*|[^#\n]*\?[ \t]*)$", re.M)
MAGIC_VALUE = re.compile(r"^([^=#\n]*=)[ \t]*[%!].*$", re.M)
ESCAPES = re.compile(r"^[ \t]*([,;/]{2,})", re.M)  # it rewrites such a line once for each sign
# IPython reads a cell again for each of them: 400 take it eight seconds, 3000 a minute.
MAX_MAGICS, MAX_TRANSFORMED = 10, 20_000


def grade_id(cell: Mapping) -> str:
    """Return nbgrader's name of a cell, or an empty string."""
    meta = cell.get("metadata")
    own = meta.get("nbgrader") if isinstance(meta, dict) else None
    name = own.get("grade_id") if isinstance(own, dict) else None
    return name if isinstance(name, str) else ""


def place(index: int) -> str:
    """Name a cell as JupyterLab's status bar counts it ("Cell 6/72")."""
    return f"cell {index + 1}"


def runnable(source: str) -> str:
    """Return a cell without %%time, %%timeit, %%prun or %%capture at its beginning.

    IPython runs such a cell as one piece, %%timeit many times and in a function of its own: a line
    that fails would take the rest with it. Lines keep their numbers.

    >>> runnable("%%time\\n%%capture shown\\nx = 1")
    '\\nshown = None\\nx = 1'
    """
    kept = []
    while match := OWN_CODE.match(source):
        words = [word for word in match[2].split() if word.isidentifier()]
        kept.append(f"{words[0]} = None" if match[1] == "capture" and words else "")
        source = source[match.end() :]
    return "\n".join([*kept, source])


@lru_cache(maxsize=4096)
def plain_source(source: str) -> str:
    """Return a cell as Python: magics and shell commands become calls, or go.

    >>> plain_source("%time x = 1")
    'x = 1'
    """
    source = UNKNOWN.sub("\n", runnable(source), count=1)
    if parsed(source) is not None:
        return source
    source = LINE_IS_CODE.sub(r"\1", source)
    if too_magical(source):
        return MAGIC_LINE.sub(r"\1pass", MAGIC_VALUE.sub(r"\1 None", source))
    try:
        return TransformerManager().transform_cell(source).removesuffix("\n")
    except Exception:  # it has its limits, and its own errors
        return source


def too_magical(source: str) -> bool:
    """Say whether IPython would take too long to rewrite a cell."""
    magics = len(MAGIC_LINE.findall(source)) + len(MAGIC_VALUE.findall(source))
    magics += sum(map(len, ESCAPES.findall(source)))
    return len(source) > MAX_TRANSFORMED or magics > MAX_MAGICS


def parsed(source: str) -> ast.Module | None:
    """Return Python's tree of a text; None if it is no Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def statements(source: str) -> list[str]:
    """Return a cell's statements, each as a text; the whole cell if it is no Python.

    >>> statements("%%time\\nimport torch; x = 1")
    ['import torch', 'x = 1']
    """
    text = plain_source(source)
    tree = parsed(text)
    return [source] if tree is None else [written(node, text) for node in tree.body]


def written(statement: ast.stmt, source: str) -> str:
    """Return a statement as a text of its own."""
    try:
        return ast.unparse(statement)
    except (RecursionError, ValueError):  # a sum of 400 terms, a number of 5,000 hex digits
        if decorators := getattr(statement, "decorator_list", []):  # which have lines of their own
            lines = source.split("\n")[decorators[0].lineno - 1 : statement.end_lineno]
            return "\n".join(lines)
        return ast.get_source_segment(source, statement) or source


def syntax_error(source: str) -> str:
    """Say what keeps a cell from being Python, or return an empty string.

    >>> syntax_error("x = 1\\ndef f(x) return 2")
    "line 2 is no Python: expected ':'"
    """
    try:
        ast.parse(plain_source(source))
    except SyntaxError as error:
        return f"line {error.lineno} is no Python: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"it is no Python: {error}"
    return ""


def defined(source: str) -> set[str]:
    """Return the functions and classes that a cell defines at its top level.

    >>> sorted(defined("%matplotlib inline\\ndef f(): pass\\nclass C: pass"))
    ['C', 'f']
    """
    tree = parsed(plain_source(source))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in tree.body if isinstance(node, kinds)} if tree else set()


def bound(source: str) -> set[str]:
    """Return the names that a cell gives a value at its top level; none if it is no Python.

    >>> sorted(bound("import a.b as c, d.e\\nx: int = 1\\ndef f(y): z = 1"))
    ['c', 'd', 'f', 'x']
    """
    table = symbols(source)
    if table is None:
        return set()
    return {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}


def used(source: str) -> set[str]:
    """Return the global names that a cell and its functions read; none if it is no Python.

    >>> sorted(used("def f(x): return torch.abs(x) + y"))
    ['torch', 'y']
    """
    table = symbols(source)
    if table is None:
        return set()
    names = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    for inner in nested(table):
        names |= {s.get_name() for s in inner.get_symbols() if s.is_global() and s.is_referenced()}
    return names - set(vars(builtins))


def symbols(source: str) -> symtable.SymbolTable | None:
    """Return Python's own table of a cell's names; None if it is no Python."""
    try:
        return symtable.symtable(plain_source(source), "cell", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def nested(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """Yield the tables of the functions and classes inside, at any depth."""
    waiting = list(table.get_children())
    while waiting:
        inner = waiting.pop()
        yield inner
        waiting += inner.get_children()


def in_doubt(source: str) -> bool:
    """Say whether a cell may give names values that `bound` cannot see.

    >>> in_doubt("from math import *"), in_doubt("import math")
    (True, False)
    """
    tree = parsed(plain_source(source))
    if tree is None or too_magical(source):
        return True
    hidden = {"exec", "eval", "globals", "locals", "vars", "setattr", "get_ipython"}
    star = (n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom))
    called = (n.func for n in ast.walk(tree) if isinstance(n, ast.Call))
    return any(name.name == "*" for node in star for name in node.names) or any(
        isinstance(function, ast.Name) and function.id in hidden for function in called
    )
