"""Change every model solution a little, and see whether its tests notice.

    python -m tests.labs.mutants [LAB ...]

A mutant is a solution with one small change. Its exercise's cell, the visible check and the hidden
tests, has to refuse it. One that passes is a hole in the tests, unless it is right as well: then
equivalent_mutants.json says why. The command prints all others that pass, and exits with 1.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import functools
import inspect
import io
import json
import multiprocessing
import os
import runpy
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib as mpl
import torch
from tqdm import tqdm

from solutions.builder import build

TABLE = Path(__file__).with_name("equivalent_mutants.json")
SECONDS = 90  # for one mutant: the slowest hidden test takes ten, on a busy machine
BINARY = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
BINARY |= {ast.FloorDiv: ast.Div, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
NEGATED = {ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt}
NEGATED |= {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
OTHER = {"round": ("int", "math.ceil"), "min": ("max",), "max": ("min",), "any": ("all",)}
OTHER |= {"all": ("any",), "topk": ("sort",), "mean": ("sum", "median"), "sum": ("mean", "max")}
OTHER |= {"modules": ("children",), "zeros_like": ("ones_like",), "ones_like": ("zeros_like",)}


def mutants(lab: str, exercise: str) -> dict[str, str]:
    """The changed solutions of an exercise.

    Returns:
        What was changed ("a = b -> a = c") -> the source of the function.
    """
    source = textwrap.dedent(inspect.getsource(getattr(build.module(lab), exercise)))
    tree = ast.parse(source)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = function.body[1:]  # without the docstring
    tree = ast.fix_missing_locations(Untyped().visit(tree))
    right, found = ast.unparse(tree), {}
    for place, node in enumerate(ast.walk(tree)):
        for number in range(len(list(changed(node)))):
            twin = copy.deepcopy(tree)
            new = list(changed(list(ast.walk(twin))[place]))[number]
            replace(twin, place, new)
            text = ast.unparse(ast.fix_missing_locations(twin))
            if text != right:
                found[named(right, text, found)] = text
    return found


class Untyped(ast.NodeTransformer):
    """Takes the annotations away: they are not run, so a change of them changes nothing."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return ast.Assign([node.target], node.value) if node.value else None


def named(old: str, new: str, taken: dict[str, str]) -> str:
    """The lines of one that are not in the other, as "old -> new"; numbered if that is taken."""
    before, after = old.splitlines(), new.splitlines()
    while before and after and before[0] == after[0]:
        before, after = before[1:], after[1:]
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    texts = ("; ".join(line.strip() for line in lines) for lines in (before, after))
    name = " -> ".join(texts)
    same = [other for other in taken if other.split(" #")[0] == name and taken[other] != new]
    return f"{name} #{len(same) + 1}" if same else name


def replace(tree: ast.AST, place: int, new: ast.AST) -> None:
    """Put another node into a tree, at a place in the order of `ast.walk`."""
    old = list(ast.walk(tree))[place]
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
            elif isinstance(value, list) and any(part is old for part in value):
                body = new.body if isinstance(new, ast.Module) else [new]
                places = [i for i, part in enumerate(value) if part is old]
                value[places[0] : places[0] + 1] = body


def changed(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of a node."""
    if isinstance(node, ast.stmt):
        yield from changed_statement(node)
    elif isinstance(node, ast.Call):
        yield from changed_call(node)
    elif isinstance(node, ast.Constant):
        yield from map(ast.Constant, neighbours(node.value))
    elif isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        yield ast.BinOp(node.left, BINARY[type(node.op)](), node.right)
        yield from (node.left, node.right)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for table in (COMPARISONS, NEGATED):
            if type(node.ops[0]) in table:
                yield ast.Compare(node.left, [table[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Slice):
        yield ast.Slice(node.upper, node.lower, node.step)
        yield ast.Slice()
    elif isinstance(node, ast.BoolOp):
        yield from node.values
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.comprehension):
        yield from changed_loop(node)
        for i in range(len(node.ifs)):
            left = [part for j, part in enumerate(node.ifs) if i != j]
            yield ast.comprehension(node.target, node.iter, left, 0)


def changed_statement(node: ast.stmt) -> Iterator[ast.AST]:
    """Without the statement, or with the body of a `with` or an `if` alone."""
    if isinstance(node, ast.With | ast.If | ast.For):
        yield ast.Module(node.body, [])
    if isinstance(node, ast.For):
        yield from changed_loop(node)
    if isinstance(node, ast.AugAssign):
        yield ast.Assign([node.target], node.value)
    if not isinstance(node, ast.Return | ast.FunctionDef | ast.Pass):
        yield ast.Pass()


def changed_loop(node: ast.For | ast.comprehension) -> Iterator[ast.AST]:
    """A loop that leaves out the first, the last, or all but the first."""
    for part in ("[1:]", "[:-1]", "[:1]"):
        twin = copy.copy(node)
        twin.iter = ast.parse(f"list({ast.unparse(node.iter)}){part}", mode="eval").body
        yield twin


def changed_call(node: ast.Call) -> Iterator[ast.AST]:
    """Without the call, with another function, without a keyword, two arguments swapped."""
    if isinstance(node.func, ast.Attribute):
        yield node.func.value
    if len(node.args) == 1 and not node.keywords:
        yield node.args[0]
    name = ast.unparse(node.func).rpartition(".")[2]
    for other in OTHER.get(name, ()):
        func = copy.deepcopy(node.func)
        if isinstance(func, ast.Attribute):
            func.attr = other
        else:
            func = ast.parse(other, mode="eval").body
        yield ast.Call(func, node.args, node.keywords)
    for i in range(len(node.keywords)):
        yield ast.Call(node.func, node.args, [k for j, k in enumerate(node.keywords) if i != j])
    for i in range(len(node.args) - 1):
        args = list(node.args)
        args[i], args[i + 1] = args[i + 1], args[i]
        yield ast.Call(node.func, args, node.keywords)
    if len(node.args) > 1 and name in ("min", "max"):
        yield from node.args


def neighbours(value: object) -> list:
    """Constants near a constant.

    >>> neighbours(2), neighbours(True), neighbours("conv1")
    ([3, 1], [False], [])
    """
    if isinstance(value, bool):
        return [not value]
    return [value + 1, value - 1] if isinstance(value, int | float) else []


# --- do the tests notice? -----------------------------------------------------------------------


def passes(lab: str, exercise: str, source: str, seed: int = 0) -> bool:
    """Whether a mutant passes its cell; run in a process of its own, with a limit of time."""
    context = multiprocessing.get_context("fork")
    process = context.Process(target=judge, args=(lab, exercise, source, seed), daemon=True)
    process.start()
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode == 0


def judge(lab: str, exercise: str, source: str, seed: int) -> None:
    """End this process, with 0 if the mutant passes."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    namespace = dict(vars(build.module(lab)))
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec("import math, statistics", namespace)
            exec(source, namespace)
            hidden(lab, exercise)(namespace[exercise], seed)
            checks(lab)(namespace[exercise], exercise)
        except BaseException:
            os._exit(1)
    os._exit(0)


hidden = functools.cache(build.hidden_of)


@functools.cache
def checks(lab: str) -> Callable:
    """The visible check of a built lab."""
    return runpy.run_path(str(build.package(lab) / "__init__.py"))["check"]


def equivalent() -> dict[str, dict[str, dict[str, str]]]:
    """Lab -> exercise -> what was changed -> why it is right as well."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def survivors(lab: str, exercise: str) -> Iterator[str]:
    """What can be changed without the tests noticing, and is not known to be right."""
    known = equivalent().get(lab, {}).get(exercise, {})
    for name, source in mutants(lab, exercise).items():
        if name not in known and passes(lab, exercise, source):
            yield name


def main() -> None:
    """Command line."""
    mpl.use("Agg")
    parser = argparse.ArgumentParser(description="Which small changes of the solutions pass?")
    parser.add_argument("labs", nargs="*", default=list(build.LABS), metavar="LAB")
    parser.add_argument("-k", dest="exercise", default="", help="only exercises with this in them")
    options = parser.parse_args()
    count = 0
    for lab in options.labs:
        for exercise in tqdm([e for e in build.probes_of(lab) if options.exercise in e], desc=lab):
            for name in survivors(lab, exercise):
                count += 1
                tqdm.write(f"{lab} {exercise}: {name}")
    print(f"{count} mutants pass that are not in {TABLE.name}")
    sys.exit(count > 0)


if __name__ == "__main__":
    main()
