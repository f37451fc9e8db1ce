"""Near-identical solutions: the same code but for names, comments and layout."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Mapping
from itertools import combinations

SHARE = 0.05  # what more than this part of the class has written is the usual answer, no copy
TRIVIAL = 3  # statements: who writes fewer has little choice
ENOUGH = 3  # exercises alike


class Anonymous(ast.NodeTransformer):
    """Gives all names of a function numbers in the order of their first use; drops docstrings."""

    def __init__(self) -> None:
        self.numbers: dict[str, str] = {}

    def number(self, name: str) -> str:
        """Return the same for the same name."""
        return self.numbers.setdefault(name, f"n{len(self.numbers)}")

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Rename a variable or function."""
        node.id = self.number(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """Rename an argument; its type goes."""
        node.arg, node.annotation = self.number(node.arg), None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Rename a function; its docstring and return type go."""
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        node.name, node.returns = self.number(node.name), None
        self.generic_visit(node)
        return node


def fingerprint(source: str) -> str | None:
    """Make a hash that is the same for solutions that differ in names, comments and layout only.

    None for what is too short, or no Python: then nothing can be said.

    >>> one = "def f(x):\\n    y = x + 1\\n    y = y * 2\\n    return y  # done"
    >>> two = "def f(value):\\n    a = value + 1\\n    a = a * 2\\n    return a"
    >>> fingerprint(one) == fingerprint(two) != None
    True
    """
    try:
        tree = ast.parse(source)
        statements = sum(isinstance(node, ast.stmt) for node in ast.walk(tree))
        text = ast.dump(Anonymous().visit(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return hashlib.sha256(text.encode()).hexdigest() if statements > TRIVIAL else None


def alike(sources: Mapping[str, Mapping[str, str]]) -> dict[tuple[str, str], list[str]]:
    """Find pairs of students with `ENOUGH` or more exercises alike that hardly anybody shares.

    A reason to look at both notebooks, never a verdict.

    Args:
        sources: student -> exercise -> the student's code (only what was changed and passes).

    Returns:
        (student, student) -> the exercises, the longest list first.
    """
    prints = {
        student: {
            exercise: found for exercise, source in solved.items() if (found := fingerprint(source))
        }
        for student, solved in sources.items()
    }
    usual = max(2, SHARE * len(sources))
    common = Counter(item for own in prints.values() for item in own.items())
    pairs = {}
    for one, two in combinations(sorted(prints), 2):
        both = prints[one].items() & prints[two].items()
        rare = sorted(exercise for exercise, print_ in both if common[exercise, print_] <= usual)
        if len(rare) >= ENOUGH:
            pairs[one, two] = rare
    return dict(sorted(pairs.items(), key=lambda item: -len(item[1])))
