"""The hidden tests of an exercise: small properties, pasted into its test cell.

In a lab's hidden.py a property of an exercise is a function `test_...` whose first parameter has
the exercise's name; its docstring is the sentence that it proves. A cell gets all properties of its
exercise, in the order of the file, and what they use: imports, helpers and constants of the module.
"""

from __future__ import annotations

import ast


def paste(module: str, exercise: str) -> str:
    """Make the hidden part of a test cell.

    Args:
        module: the source of a lab's hidden.py.
        exercise: whose properties are wanted.

    Returns:
        What the properties use, the properties, and a call of each with the student's function.

    Raises:
        ValueError: the exercise has no property.

    >>> module = "HALF = 0.5\\ndef test_it_halves(halve, seed=0):\\n    assert halve(1) == HALF"
    >>> print(paste(module, "halve"))
    HALF = 0.5
    <BLANKLINE>
    <BLANKLINE>
    def test_it_halves(halve, seed=0):
        assert halve(1) == HALF
    <BLANKLINE>
    <BLANKLINE>
    test_it_halves(halve)
    """
    statements = ast.parse(module).body
    properties = [s for s in statements if is_property(s, exercise)]
    if not properties:
        raise ValueError(f"{exercise}: no test has it as its first parameter in hidden.py")
    wanted = with_what_they_use(properties, statements)
    parts = [text_of(s, module) for s in statements if s in wanted]
    calls = [f"{s.name}({exercise})" for s in properties if isinstance(s, ast.FunctionDef)]
    return "\n\n\n".join([*joined_imports(parts), "\n".join(calls)])


def text_of(statement: ast.stmt, module: str) -> str:
    """The lines of a statement, with its decorators (`ast.get_source_segment` leaves them out).

    >>> module = "@cache\\ndef half(x): return x / 2"
    >>> print(text_of(ast.parse(module).body[0], module))
    @cache
    def half(x): return x / 2
    """
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(module.splitlines()[first - 1 : statement.end_lineno])


def is_property(statement: ast.stmt, exercise: str) -> bool:
    """Whether it is `def test_...(exercise, ...)`."""
    if not isinstance(statement, ast.FunctionDef) or not statement.name.startswith("test_"):
        return False
    return [argument.arg for argument in statement.args.args[:1]] == [exercise]


def with_what_they_use(chosen: list[ast.stmt], statements: list[ast.stmt]) -> list[ast.stmt]:
    """The chosen statements of a module, and those that bind the names they read, and so on."""
    found, waiting = list(chosen), list(chosen)
    while waiting:
        read = names_read(waiting.pop())
        more = [s for s in statements if s not in found and names_bound(s) & read]
        found += more
        waiting += more
    return found


def names_read(statement: ast.stmt) -> set[str]:
    """Every name inside a statement; its own local ones among them do no harm."""
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def names_bound(statement: ast.stmt) -> set[str]:
    """The names that a statement at the top of a module defines.

    >>> sorted(names_bound(ast.parse("from torch import nn, float as f").body[0]))
    ['f', 'nn']
    """
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.split(".")[0] for alias in statement.names}
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def joined_imports(parts: list[str]) -> list[str]:
    """The imports as one part, before the others."""
    imports = [part for part in parts if part.startswith(("import ", "from "))]
    others = [part for part in parts if part not in imports]
    return ["\n".join(imports), *others] if imports else others
