"""Notebooks that attack the grader, break, or are merely honest, each through the real sandbox.

`pytest` runs the quick ones; `python -m tests.grading.test_attacks` (`make test-attacks`) runs all of them,
those that use up their limits too, and prints a table.
"""

# ruff: noqa: E501 (attacks are short programs, often on one line)

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from pruninglab import grading
from pruninglab.grading.judging import mark, worker
from pruninglab.grading.sandbox import forkserver
from pruninglab.limits import Limits
from solutions.builder.build import nbgrader_cell

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("_sandbox")]
LAB = "01_attacked"
LIMITS = Limits(cell=6, exercise=6, total=40, memory=2**30, processes=20)
NAMES = ("double", "top_mask", "silence", "repeat", "shrink")
CANARY = "canary-" + secrets.token_hex(8)  # in the environment and files of the grader

# --- a lab to attack ------------------------------------------------------------------------------

GIVEN = "import torch\nfrom torch import nn\n\nlimit = 3\n"
SLOW_GIVEN = "import time\ntime.sleep(60)\nunneeded = 1"
STUB = "    raise NotImplementedError('write your solution here')"
HEADS = {
    "double": "def double(x):",
    "top_mask": "def top_mask(x, k):",
    "silence": "def silence(layer):",
    "repeat": "def repeat(step, n):",
    "shrink": "def shrink(layer, keep, measure=None):",
}
TESTS = {
    "double": """\
assert double(2) == 4
### BEGIN HIDDEN TESTS
def test_double(double, seed=0):
    import random
    chance = random.Random(seed)
    for _ in range(5):
        x = chance.randrange(10**6)
        assert double(x) == 2 * x, f"double({x})"

test_double(double)
### END HIDDEN TESTS""",
    "top_mask": """\
assert top_mask(torch.tensor([1.0, 3.0]), 1).tolist() == [False, True]
### BEGIN HIDDEN TESTS
def test_top_mask(top_mask, seed=0):
    import torch
    generator = torch.Generator().manual_seed(seed)
    for n in (3, 10, 50):
        x = torch.randn(n, generator=generator)
        before, k = x.clone(), n // 2
        mask = top_mask(x, k)
        assert torch.equal(x, before), "x was changed"
        assert mask.dtype == torch.bool and mask.shape == x.shape, "no mask"
        assert int(mask.sum()) == k, "wrong count"
        assert before[mask].min() >= before[~mask].max(), "wrong ones"

test_top_mask(top_mask)
### END HIDDEN TESTS""",
    "silence": """\
layer = nn.Linear(2, 2)
silence(layer)
assert not layer.bias.any()
### BEGIN HIDDEN TESTS
def test_silence(silence, seed=0):
    import torch
    torch.manual_seed(seed)
    layer = torch.nn.Linear(3, 4)
    weight = layer.weight.detach().clone()
    silence(layer)
    assert not layer.bias.any(), "the bias is not 0"
    assert torch.equal(layer.weight, weight), "the weight has changed"
    assert torch.equal(layer(torch.ones(1, 3)), weight.sum(1)[None]), "another function"

test_silence(silence)
### END HIDDEN TESTS""",
    "repeat": """\
assert list(repeat(lambda i: i + 1, 2)) == [1, 2]
### BEGIN HIDDEN TESTS
def test_repeat(repeat, seed=0):
    import random
    chance, seen = random.Random(seed), []
    def step(i):
        assert i == len(seen) - old, "called out of turn"
        seen.append(chance.randrange(10**6))
        return seen[-1]
    for n in (2, 5, 1):
        old = len(seen)
        got = list(repeat(step, n))
        assert len(seen) == old + n, f"{len(seen) - old} calls, expected {n}"
        assert got == seen[old:], f"{got} for {seen[old:]}"

test_repeat(repeat)
### END HIDDEN TESTS""",
    "shrink": """\
assert shrink(nn.Linear(2, 2), torch.tensor([True, False])).out_features == 1
### BEGIN HIDDEN TESTS
def test_shrink(shrink, seed=0):
    import copy, torch
    torch.manual_seed(seed)
    for n in (2, 5):
        layer, keep = torch.nn.Linear(3, n), torch.arange(n) < (n + 1) // 2
        mine, x, met = copy.deepcopy(layer), torch.randn(4, 3), []
        def measure(network):
            met.append(layer(x))
            return float(copy.deepcopy(network)(x).sum())
        small = shrink(layer, keep.clone(), measure)
        count = int(keep.sum())
        assert type(small) is torch.nn.Linear, f"a {type(small).__name__}"
        assert small.weight.shape == (count, 3) and small.out_features == count, "not smaller"
        assert torch.allclose(small(x), mine(x)[:, keep], atol=1e-6), "another function"
        assert torch.equal(layer(x), mine(x)), "the layer has changed"
        assert all(torch.equal(y, mine(x)) for y in met), "the layer was changed for a while"

test_shrink(shrink)
### END HIDDEN TESTS""",
}
RIGHT = {
    "double": "def double(x):\n    return 2 * x",
    "top_mask": "def top_mask(x, k):\n    mask = torch.zeros(len(x), dtype=torch.bool)\n"
    "    mask[x.topk(k).indices] = True\n    return mask",
    "silence": "def silence(layer):\n    layer.bias.data.zero_()",
    "repeat": "def repeat(step, n):\n    return [step(i) for i in range(n)]",
    "shrink": "def shrink(layer, keep, measure=None):\n"
    "    small = nn.Linear(layer.in_features, int(keep.sum()))\n"
    "    small.weight.data, small.bias.data = layer.weight.data[keep], layer.bias.data[keep]\n"
    "    return small",
}


def skeleton() -> NotebookNode:
    cells = [new_code_cell(GIVEN, id="imports"), new_code_cell(SLOW_GIVEN, id="slow")]
    for name in NAMES:
        cells.append(new_code_cell(f"{HEADS[name]}\n{STUB}", id=name.replace("_", "-")))
        cells[-1].metadata["nbgrader"] = nbgrader_cell(name, None, solution=True)
        cells.append(new_code_cell(TESTS[name], id=f"test-{name.replace('_', '-')}"))
        cells[-1].metadata["nbgrader"] = nbgrader_cell(f"test_{name}", 2, solution=False)
    return new_notebook(cells=cells)


def notebook(
    before: str = "", after: str = "", given: str | None = None, **solutions: str
) -> NotebookNode:
    """A notebook with these solutions, and cells of the student's own before and after them."""
    made = skeleton()
    for cell in made.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = solutions.get(name, cell.source)
        if cell.id == "imports" and given is not None:
            cell.source = given
        if name in TESTS.keys() | {f"test_{n}" for n in NAMES}:
            cell.source = cell.source.split("### BEGIN HIDDEN")[0]
    made.cells.insert(2, new_code_cell(before))
    made.cells.append(new_code_cell(after))
    return made


def solved(**changes: str) -> NotebookNode:
    """A right notebook, with changes (see `notebook`)."""
    return notebook(**(RIGHT | changes))


# --- cases ----------------------------------------------------------------------------------------


@dataclass
class Case:
    """A submission and what must come of it.

    Attributes:
        family: forge, leak, denial, mangled or honest.
        make: the notebook, or name and content of the file that is handed in.
        right: the exercises that pass.
        reason: part of the reason why it could not be graded, or of the first failed test's text.
        slow: it uses up a limit.
    """

    family: str
    name: str
    make: Callable[[], NotebookNode | tuple[str, bytes]]
    right: tuple[str, ...] = ()
    reason: str = ""
    slow: bool = False
    seconds: float = field(default=LIMITS.total + 20)


CASES: list[Case] = []


def case(family: str, name: str, make: Any, *right: str, reason: str = "", slow: bool = False):
    """Enter a case."""
    CASES.append(Case(family, name, make if callable(make) else lambda: make, right, reason, slow))


WRONG = {
    "double": "def double(x):\n    return 4",
    "top_mask": "def top_mask(x, k):\n    return torch.tensor([False, True])",
    "silence": "def silence(layer):\n    pass",
    "repeat": "def repeat(step, n):\n    return [1, 2]",
    "shrink": "def shrink(layer, keep, measure=None):\n    return nn.Linear(layer.in_features, int(keep.sum()))",
}


def forge(name: str, before: str = "", after: str = "", **solutions: str) -> None:
    """Solves nothing, so nothing may pass."""
    case("forge", name, lambda: notebook(before, after, **(WRONG | solutions)))


EQUAL = """
class Equal:
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __ge__(self, other): return True
    def __bool__(self): return True
    def __int__(self): return 1
    def __getitem__(self, i): return self
    def __hash__(self): return 0
"""
forge(
    "an object equal to everything", EQUAL, **{n: f"{HEADS[n]}\n    return Equal()" for n in NAMES}
)
forge(
    "an int that is equal to everything",
    "class I(int):\n    def __eq__(s, o): return True\n    __hash__ = None",
    double="def double(x): return I(4)",
)
forge(
    "a tensor whose operations all agree",
    """
class T(torch.Tensor):
    @classmethod
    def __torch_function__(cls, f, types, args=(), kwargs=None): return True
""",
    top_mask="def top_mask(x, k): return torch.zeros(len(x)).as_subclass(T)",
)
forge(
    "a class that claims to be a tensor",
    """
class C:
    __class__ = torch.Tensor
    dtype, shape = torch.bool, torch.Size([3])
""",
    top_mask="def top_mask(x, k): return C()",
)
forge(
    "patches torch",
    "torch.equal = torch.allclose = lambda *a, **k: True\n"
    "torch.Tensor.any = lambda *a, **k: False\ntorch.Tensor.min = lambda *a: float('inf')",
)
forge(
    "patches builtins",
    "import builtins\nbuiltins.all = lambda x: True\n"
    "builtins.AssertionError = type('Fine', (Exception,), {})\nbuiltins.isinstance = lambda *a: True",
)
forge(
    "patches IPython",
    """
shell = type(get_ipython())
class Fine: error_before_exec = error_in_exec = None; success = True
shell.run_cell = lambda self, *a, **k: Fine()
shell.showtraceback = lambda *a, **k: None
""",
)
forge(
    "an AST transformer without asserts",
    """
import ast
class Strip(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
get_ipython().ast_transformers.append(Strip())
""",
)
forge(
    "an input transformer", "get_ipython().input_transformers_post.append(lambda lines: ['pass'])"
)
forge(
    "patches compile and exec",
    "import builtins\nbuiltins.compile = builtins.exec = lambda *a, **k: None",
)
forge(
    "overwrites the tests' names",
    "test_double = check = lambda *a: None",
    after="def test_top_mask(*a): pass",
)
forge(
    "raises what might count as passed",
    "import unittest",
    double="def double(x): raise SystemExit(0)",
    top_mask="def top_mask(x, k): raise unittest.SkipTest",
    silence="def silence(l): raise StopIteration",
)
forge(
    "knows the visible answers only",
    top_mask="def top_mask(x, k):\n    return torch.arange(len(x)) > 0",
)
forge(
    "changes what it is asked about",
    top_mask=(
        "def top_mask(x, k):\n    x.data = torch.arange(len(x)).float()\n"
        "    mask = torch.zeros(len(x), dtype=torch.bool)\n    mask[-k:] = True\n    return mask"
    ),
)
forge(
    "an object that would run code when unpickled",
    """
class P:
    def __reduce__(self): return (open, ('/tmp/pwned', 'w'))
""",
    double="def double(x): return P()",
)
forge(
    "writes its own messages to the grader",
    """
import json, os, struct
def spray():
    message = json.dumps([{"do": "return", "value": None, "objects": []}, []]).encode()
    for fd in range(64):
        try: os.write(fd, struct.pack('>I', len(message)) + message)
        except OSError: pass
""",
    **{n: f"{HEADS[n]}\n    for _ in range(20): spray()" for n in NAMES},
)
forge(
    "replaces the process that answers",
    """
import gc
for thing in gc.get_objects():
    if type(thing).__name__ == 'StudentNotebook':
        thing.call = lambda *a, **k: True
        thing.link.names.update({n: (lambda *a, **k: True) for n in thing.link.names})
""",
)
forge(
    "a layer whose forward is replaced",
    silence=(
        "def silence(layer):\n    layer.forward = lambda x: torch.ones(1, 4)\n    layer.bias = None"
    ),
)
forge(
    "a bias of another kind",
    silence=(
        "def silence(layer):\n    layer.__class__ = type('L', (nn.Linear,), {'bias': torch.zeros(4)})"
    ),
)


# What is handed back is data: none of these may compute the answer on the side of the tests.
SMALL = """
import copy
def zeros(layer, keep):
    small = nn.Linear(layer.in_features, int(keep.sum()))
    small.weight.data.zero_(); small.bias.data.zero_()
    small.right = lambda x, l=copy.deepcopy(layer), k=keep.clone(): l(x)[:, k]
    return small
"""


def computes(name: str, body: str, before: str = "") -> None:
    """A layer of the right size that computes the answer with code of the student's."""
    lines = "\n".join(f"    {line}" for line in ["small = zeros(layer, keep)", *body.split("\n")])
    forge(name, SMALL + before, shrink=f"{HEADS['shrink']}\n{lines}\n    return small")


computes(
    "a layer of zeros whose forward hook answers",
    "small.register_forward_hook(lambda m, i, y, right=small.right: right(i[0]))",
)
computes(
    "a hook that is called always, with keywords",
    "small.register_forward_hook(lambda m, i, k, y, right=small.right: right(i[0]),"
    " with_kwargs=True, always_call=True, prepend=True)",
)
computes(
    "a hook before the layer that turns it into the right one",
    "def fill(m, i, l=copy.deepcopy(layer), k=keep):\n"
    "    m.weight.data, m.bias.data = l.weight.data[k], l.bias.data[k]\n"
    "small.register_forward_pre_hook(fill)",
)
computes(
    "hooks for all modules",
    "import torch.nn.modules.module as m\n"
    "m.register_module_forward_hook(lambda m, i, y, right=small.right: right(i[0]))",
)
computes("a patched forward", "small.forward = small.right")
computes(
    "a patched way of calling",
    "small._call_impl = small._wrapped_call_impl = small.__call__ = small.right",
)
computes(
    "a class of its own with the name of a known one",
    "small.__class__ = type('Linear', (nn.Linear,), {'forward': lambda s, x, r=small.right: r(x),"
    " '__module__': 'torch.nn.modules.linear', '__qualname__': 'Linear'})",
)
computes(
    "a weight that is a property",
    "small.__class__ = type('L', (nn.Linear,), {'weight': property(lambda s: layer.weight[keep]),"
    " 'bias': property(lambda s: layer.bias[keep])})",
)
computes(
    "a parametrization",
    "from torch.nn.utils import parametrize\n"
    "class P(nn.Module):\n"
    "    def __init__(self, x): super().__init__(); self.x = [x]\n"
    "    def forward(self, w): return torch.zeros_like(w) if torch.is_grad_enabled() else self.x[0]\n"
    "for name in ('weight', 'bias'):\n"
    "    parametrize.register_parametrization(small, name, P(getattr(layer, name).data[keep]))",
)
computes(
    "a module of its own that looks like a layer",
    "class Linear(nn.Module):\n"
    "    def forward(self, x): return self.right[0](x)\n"
    "made = Linear()\n"
    "made.weight, made.out_features, made.right = small.weight, small.out_features, [small.right]\n"
    "made.in_features = small.in_features\n"
    "made.bias = small.bias\n"
    "small = made",
)
computes(
    "a weight whose class computes",
    "class W(nn.Parameter):\n"
    "    @classmethod\n"
    "    def __torch_function__(cls, f, types, args=(), kwargs=None):\n"
    "        return KEPT[0](args[0]) if f is torch.nn.functional.linear else super().__torch_function__(f, types, args, kwargs or {})\n"
    "KEPT[:] = [small.right]\n"
    "small._parameters['weight'] = torch.Tensor._make_subclass(W, small.weight.data)",
    "KEPT = []",
)
computes(
    "a hook in the layer that the test passed in",
    "layer.register_forward_hook(lambda m, i, y: torch.zeros_like(y))\nsmall.bias.data.zero_()",
)
computes(
    "the test's own layer computes for the student while a callback runs",
    "handle = layer.register_forward_hook(lambda m, i, y: y * 0)\n"
    "if measure: measure(layer)\n"
    "handle.remove()\n"
    "small.weight.data, small.bias.data = layer.weight.data[keep], layer.bias.data[keep]",
)
computes(
    "a hooked layer that a callback has seen",
    "small.register_forward_hook(lambda m, i, y, right=small.right: right(i[0]))\n"
    "if measure: measure(small)",
)
computes(
    "a layer of zeros that torch.nn.utils.prune answers for",
    "from torch.nn.utils import prune\n"
    "class A(prune.BasePruningMethod):\n"
    "    def __call__(self, m, i): m.weight, m.bias = layer.weight[keep], layer.bias[keep]\n"
    "    def compute_mask(self, t, default_mask): return default_mask\n"
    "small._forward_pre_hooks[0] = A()",
)


forge(
    "an array that is equal to everything",
    """
import numpy as np
class A(np.ndarray):
    def __eq__(self, other): return True
    def __array_function__(self, *a): return True
    def tolist(self): return [False, True]
    dtype = torch.bool
""",
    top_mask="def top_mask(x, k): return np.zeros(len(x)).view(A)",
)
forge(
    "lists, dicts and strings that lie",
    """
class L(list):
    __eq__ = lambda *a: True
    __len__ = lambda s: 5
class D(dict):
    items = values = lambda s: [(1, 2)] * 9
class S(str):
    __eq__ = lambda *a: True
    __hash__ = None
""",
    double="def double(x): return S(x)",
    top_mask="def top_mask(x, k): return D(a=L([x]))",
    repeat="def repeat(step, n): return L([1, 2])",
)
forge(
    "not a number, and infinity",
    double="def double(x): return float('nan')",
    top_mask="def top_mask(x, k): return x * float('nan')",
    silence="def silence(layer): layer.bias.data.fill_(float('-inf')); layer.bias.data *= 0",
    repeat="def repeat(step, n): return [float('inf')] * n",
)
forge(
    "patches numpy, and the methods of tensors",
    """
import numpy as np
np.array_equal = np.allclose = lambda *a, **k: True
for name in ('__eq__', '__ne__', 'equal', 'tolist', 'numpy', 'cpu', 'detach', 'contiguous', 'sum'):
    try: setattr(torch.Tensor, name, lambda *a, **k: True)
    except Exception: pass
""",
)
forge(
    "catches what a test's callback says",
    repeat="def repeat(step, n):\n    try: step(7)\n    except BaseException: pass\n"
    "    return [step(i) for i in range(n)]",
)
forge(
    "calls a test's callback too often",
    repeat="def repeat(step, n): return [step(i) for i in range(n + 1)][:n]",
)
forge(
    "brings arguments that the callback did not ask for",
    repeat="def repeat(step, n): return [step(i, seen=[], old=0, chance=None) for i in range(n)]",
)
forge(
    "gives back the callback",
    double="def double(x): return print",
    repeat="def repeat(step, n): return [step] * n",
)
LINK = """
import gc
link = next(t for t in gc.get_objects() if type(t).__name__ == 'Link')
"""
forge(
    "calls the grader by name and number",
    LINK
    + """
def knock():
    for target in (*range(60), 'exec', 'eval', '__import__', 'call', 'run_cell', None, [], True):
        try: link.call(target, ('import os; open("/tmp/pwned", "w")',), {})
        except Exception: pass
""",
    **{n: f"{HEADS[n]}\n    knock()" for n in NAMES},
)
forge(
    "changes whatever the grader has entered",
    LINK
    + """
def forge(value, pack=link.codec.pack):
    message, parts = pack(value)
    kinds = ({'list': []}, {'dict': []}, {'function': 'x'}, {'module': 'torch.nn.modules.linear.Identity',
             'attributes': [], 'parameters': [], 'buffers': [], 'children': [],
             'hooks': [], 'pre_hooks': []})
    message['objects'] += [[n, kind, 0] for n in range(0, 40, 2) for kind in kinds]
    return message, parts
link.codec.pack = forge
""",
)
forge(
    "numbers in tensors that are none, in types that are none",
    top_mask="def top_mask(x, k):\n    return torch.full((len(x),), 7, dtype=torch.uint8).view(torch.bool)",
    double="def double(x):\n    import struct\n"
    "    return struct.unpack('d', struct.pack('Q', 0x7FF8000000000000 | x))[0]",
    repeat="def repeat(step, n):\n    class I(int):\n        __index__ = __int__ = lambda s: 0\n"
    "        __hash__ = int.__hash__\n        __eq__ = lambda *a: True\n    return [I(1)] * n",
)
forge(
    "a thread that answers first",
    LINK
    + """
import json, struct, threading
text = json.dumps([{"do": "return", "value": 4, "objects": []}, []]).encode()
def answer():
    for _ in range(3000):
        try: link.wire.connection.sendall(struct.pack('>I', len(text)) + text)
        except Exception: pass
""",
    double="def double(x):\n    threading.Thread(target=answer, daemon=True).start()\n    return 4",
)
forge(
    "files that Python and Jupyter would look at",
    """
import os
home = os.path.expanduser('~')
for name in ('torch.py', 'probes.py', 'sitecustomize.py', 'usercustomize.py', 'expected.json',
             'pruninglab/__init__.py', 'pruninglab/checks/lab.py', 'numpy/__init__.py', 'conftest.py',
             '.ipython/profile_default/startup/0.py', '.jupyter/jupyter_config.py', 'kernel.json'):
    for folder in (home, '/tmp', '.', '/dev/shm'):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, 'w').write('equal = check = lambda *a, **k: True')
""",
)
forge(
    "magics in place of an answer",
    double="%%script true\ndef double(x): return 2 * x",
    top_mask="%%writefile top.py\n" + RIGHT["top_mask"],
    silence="%%bash\nexit 0",
    repeat="%run -i nothing.py",
)
forge(
    "results that would be rebuilt by code of the student's",
    """
import copyreg
class Liar(int):
    def __reduce__(self): return (eval, ("open('/tmp/pwned', 'w')",))
    def __index__(self): return 10**9
copyreg.pickle(int, lambda x: (eval, ("open('/tmp/pwned', 'w')",)))
""",
    double="def double(x): return Liar(4)",
    repeat="def repeat(step, n): return [Liar(1)] * n",
)
forge(
    "traces that rewrite what runs, and looks up the stack for the tests",
    """
import gc, sys, threading
def trace(frame, event, arg):
    for name in {'passed', 'got', 'expected', 'right'} & set(frame.f_locals):
        frame.f_locals[name] = True
    return trace
sys.settrace(trace); threading.settrace(trace); sys.setprofile(trace)
""",
    double="""\
def double(x):
    frame, seen = sys._getframe(), gc.get_objects()
    while frame:
        seen += [*frame.f_locals.values(), *frame.f_globals.values()]
        frame = frame.f_back
    tests = [o for o in seen if getattr(o, '__name__', '') == 'test_double']
    return tests[0](lambda y: 2 * y) if tests else 4""",
)
forge(
    "tensors without numbers, or of other layouts",
    "",
    top_mask="def top_mask(x, k): return torch.ones(len(x), dtype=torch.bool, device='meta')",
    silence="def silence(layer):\n    layer.bias = nn.Parameter(torch.zeros(4, device='meta'))",
    repeat="def repeat(step, n): return torch.nested.nested_tensor([torch.ones(n)])",
    shrink="def shrink(layer, keep, measure=None): return nn.LazyLinear(int(keep.sum()))",
)
forge(
    "iterators, memory maps, and numbers that are unlike themselves",
    """
import collections, numpy as np
class Items(collections.UserList):
    def __iter__(self): yield from range(10)
    def __eq__(self, other): return True
class Number(float):
    def __eq__(self, other): return True
    def __float__(self): return 1.0
    __hash__ = float.__hash__
""",
    double="def double(x): return Number('nan')",
    repeat="def repeat(step, n): return iter(Items())",
    top_mask="def top_mask(x, k):\n"
    "    return torch.from_numpy(np.memmap('/tmp/m', dtype='bool', mode='w+', shape=(len(x),)))",
)
forge(
    "kernels of torch overridden, and a mode for all functions",
    """
library = torch.library.Library('aten', 'IMPL')
library.impl('equal', lambda a, b: True, 'CPU')
from torch.overrides import TorchFunctionMode
class Agree(TorchFunctionMode):
    def __torch_function__(self, f, types, args=(), kwargs=None):
        return True if f in (torch.equal, torch.allclose) else f(*args, **(kwargs or {}))
Agree().__enter__()
""",
)


def retagged() -> NotebookNode:
    made = notebook(**WRONG)
    for cell in made.cells:
        meta = cell.metadata.get("nbgrader", {})
        if meta.get("grade"):
            cell.metadata["tags"] = ["skip-execution", "raises-exception", "remove-cell"]
            meta.update(points=100, solution=True, locked=False)
            cell.source = "pass"
            cell.outputs = [nbformat.v4.new_output("stream", text="passed")]
    return made


case("forge", "tags, points, outputs and sources of the tests", retagged)


def beside(name: str, text: str) -> tuple[str, bytes]:
    return zipped({f"{LAB}.ipynb": nbformat.writes(notebook(**WRONG)), name: text})


def zipped(files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> tuple[str, bytes]:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return "a.zip", data.getvalue()


case("forge", "a torch.py beside the notebook", lambda: beside("torch.py", "equal = lambda *a: 1"))
case("forge", "a probes.py beside the notebook", lambda: beside("probes.py", "check = print"))
LURKING = (
    "pruninglab/__init__.py",
    "pruninglab/checks/lab.py",
    "expected.json",
    "numpy/__init__.py",
)
LURKING += ("usercustomize.py", ".ipython/profile_default/startup/0.py", "conftest.py")
LURKING += ("jupyter_config.py", "kernel.json", "nbgrader_config.py", "gradebook.db", ".pth")
case(
    "forge",
    "packages and configuration beside the notebook",
    lambda: zipped(
        {f"{LAB}.ipynb": nbformat.writes(notebook(**WRONG))}
        | dict.fromkeys(LURKING, "check = lambda *a: 1")
    ),
)
case("forge", "a sitecustomize.py", lambda: beside("sitecustomize.py", "import os; os._exit(0)"))

# --- escape, leak: what is found is raised, and so would come out with the errors


def leak(name: str, code: str) -> None:
    """Looks for what it must not see; an honest solution of `double` shows that it lives on."""
    case("leak", name, lambda: notebook(before=code, double=RIGHT["double"]), "double")


leak("environment variables", "import os\nif 'canary' in str(os.environ): raise Exception('LEAK')")
leak(
    "environments of other processes",
    """
import glob
for path in glob.glob('/proc/[0-9]*/environ'):
    try: text = open(path).read()
    except OSError: continue
    if 'canary' in text: raise Exception('LEAK')
""",
)
leak(
    "memory of other processes",
    """
import os
for p in filter(str.isdigit, os.listdir('/proc')):
    if int(p) != os.getpid() and os.path.exists(f'/proc/{p}/mem'):
        try: open(f'/proc/{p}/mem', 'rb').read(1); open(f'/proc/{p}/maps').read(); ok = p != 'self'
        except OSError: ok = False
        if ok and os.path.realpath('/proc/self') != f'/proc/{p}': raise Exception('LEAK ' + p)
""",
)
leak(
    "memory of other processes, where something is",
    """
import os
for p in filter(str.isdigit, os.listdir('/proc')):
    if os.path.realpath('/proc/self') == f'/proc/{p}': continue
    try: maps = open(f'/proc/{p}/maps').read()
    except OSError: continue
    for line in maps.splitlines():
        try:
            with open(f'/proc/{p}/mem', 'rb', buffering=0) as f:
                f.seek(int(line.split('-')[0], 16)); f.read(1)
        except (OSError, OverflowError): continue
        raise Exception('LEAK ' + p)
""",
)
leak(
    "what other processes have open, and where they are",
    """
import os
for p in filter(str.isdigit, os.listdir('/proc')):
    if os.path.realpath('/proc/self') == f'/proc/{p}': continue
    for place in ('root/tmp', 'cwd/.', 'map_files'):
        try: found = os.listdir(f'/proc/{p}/{place}')
        except OSError: continue
        raise Exception(f'LEAK {p} {place} {found[:5]}')
    for call in (lambda: os.readlink(f'/proc/{p}/fd/1'), lambda: os.open(f'/proc/{p}/fd/1', 1),
                 lambda: os.readlink(f'/proc/{p}/exe'), lambda: open(f'/proc/{p}/environ').read(),
                 lambda: os.write(os.open(f'/proc/{p}/comm', 1), b'x')):
        try: call()
        except OSError: continue
        raise Exception('LEAK writes to ' + p)
""",
)
leak(
    "looks into other processes with a debugger's calls",
    """
import ctypes, os
libc = ctypes.CDLL(None)
for p in range(1, 60):
    if p != os.getpid() and libc.ptrace(16, p, 0, 0) == 0: raise Exception(f'LEAK {p}')
try: descriptor = os.pidfd_open(1)
except OSError: descriptor = -1
for fd in range(20):
    if libc.syscall(438, descriptor, fd, 0) >= 0: raise Exception(f'LEAK descriptor {fd}')
""",
)
leak(
    "calls of the kernel that no exercise needs",
    """
import ctypes, os
libc = ctypes.CDLL(None)
for name, call in {
    'memfd_create': lambda: os.memfd_create('x'),
    'sched_setaffinity': lambda: os.sched_setaffinity(0, {0}),
}.items():
    try: call()
    except PermissionError: continue
    raise Exception('LEAK ' + name)
if libc.shmget(0, 2**20, 0o1600) != -1: raise Exception('LEAK shmget')
numbers = {'x86_64': (319, 447, 272, 425, 321, 0x40000000 + 319), 'aarch64': (279, 97, 425)}
numbers['x86_64'] += (323, 298, 250, 248, 304, 310, 438, 165, 308)  # userfaultfd, perf, keys, ...
for call in (libc.msgget(0, 0o1600), libc.semget(0, 1, 0o1600), libc.mq_open(b'/x', 0o102, 0o600, None)):
    if call != -1: raise Exception('LEAK queues')
for number in numbers.get(os.uname().machine, ()):
    if libc.syscall(number, 0, 0, 0, 0, 0) != -1: raise Exception(f'LEAK {number}')
""",
)
leak(
    "sockets of every family but unix",
    """
import socket
for family in range(64):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try: socket.socket(family, kind)
        except OSError: continue
        if family != socket.AF_UNIX: raise Exception(f'LEAK {family} {kind}')
""",
)
leak(
    "memory in the buffers of sockets",
    """
import os, socket
held, total = [], 0
def fill(end):
    global total
    end.setblocking(False)
    try:
        while True: total += end.send(bytes(2**16))
    except OSError: pass
for _ in range(10**4):
    try: pair = socket.socketpair()
    except OSError: break
    for end in pair:
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            try: end.setsockopt(socket.SOL_SOCKET, option, 2**28)
            except OSError: continue
            raise Exception('LEAK: larger buffers')
        fill(end)
    held.append(pair)
if total > 2**25 or len(held) > 64: raise Exception(f'LEAK {total} {len(held)}')
""",
)
leak(
    "locks of parts of files",
    """
import fcntl, os
with open('/tmp/lab/locked', 'w') as file:
    for call in (lambda: fcntl.lockf(file, fcntl.LOCK_EX, 1, 7), lambda: fcntl.fcntl(file, 37, bytes(32))):
        try: call()
        except OSError: continue
        raise Exception('LEAK')
""",
)
leak(
    "names of the course's folders",
    """
import os
for p in ('self', *filter(str.isdigit, os.listdir('/proc'))):
    for name in ('cmdline', 'mountinfo', 'mounts', 'environ', 'comm'):
        try: text = open(f'/proc/{p}/{name}').read()
        except OSError: continue
        if 'gradebook' in text or 'submitted' in text or 'test_attacks' in text:
            raise Exception(f'LEAK /proc/{p}/{name}')
""",
)
leak(
    "files of the course",
    """
import os
for folder, inside, files in os.walk('/'):
    inside[:] = [d for d in inside if not (d in ('proc', 'usr') or d.startswith('python3'))]
    for f in files:
        if f.endswith(('.db', '_hidden.py', '_mistakes.py', '.jsonl')) or 'submitted' in folder:
            raise Exception('LEAK ' + os.path.join(folder, f))
""",
)
leak(
    "its own files hold the canary",
    """
import os
for folder in ('/tmp', '/lab', '/dev/shm', '/work', '/home', '/root'):
    for path, inside, files in os.walk(folder):
        inside[:] = [d for d in inside if not d.startswith('python3')]
        for f in files:
            try: text = open(os.path.join(path, f), 'rb').read()
            except OSError: continue
            if b'canary-' in text: raise Exception('LEAK ' + f)
""",
)
leak(
    "hidden tests in memory",
    """
import gc, sys
frame = sys._getframe()
while frame:
    if any('HIDDEN' in str(v)[:100000] for v in frame.f_locals.values()): raise Exception('LEAK')
    frame = frame.f_back
for thing in gc.get_objects():
    if isinstance(thing, dict) and any(isinstance(v, str) and 'def test_top_mask' in v
                                       for v in list(thing.values())): raise Exception('LEAK')
""",
)
leak(
    "the network",
    """
import socket
for address in (('1.1.1.1', 53), ('127.0.0.1', 22), ('127.0.0.1', 8888)):
    try: socket.create_connection(address, 1)
    except OSError: continue
    raise Exception('LEAK')
""",
)
leak(
    "names on the network",
    """
import socket
try: socket.getaddrinfo('example.org', 80)
except OSError: pass
else: raise Exception('LEAK')
""",
)
leak(
    "sockets of this machine",
    """
import socket
for line in open('/proc/net/unix').read().splitlines()[1:]:
    raise Exception('LEAK ' + line) if '/run' in line or '@' in line else None
""",
)
leak(
    "writes to the system",
    """
import os, sys
for folder in ('/usr', '/etc', '/lab', '/lab/lib/pruninglab', '/', '/dev', sys.prefix, '/proc/sys/kernel'):
    try: open(os.path.join(folder, 'pwned'), 'w')
    except OSError: continue
    raise Exception('LEAK ' + folder)
""",
)
leak(
    "settings of the kernel, in /proc",
    """
import os
for folder, inside, files in os.walk('/proc'):
    inside[:] = [d for d in inside if d not in ('fd', 'fdinfo', 'map_files', 'root', 'cwd', 'task')]
    for f in files:
        path = os.path.join(folder, f)
        if os.path.islink(path): continue
        try: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError: continue
        raise Exception('LEAK ' + path)
""",
)
leak(
    "whom the kernel ends first when memory runs out",
    """
import os
if open('/proc/self/oom_score_adj').read().strip() != '1000': raise Exception('LEAK: not this one')
for p in ('self', *filter(str.isdigit, os.listdir('/proc'))):
    for value in ('-1000', '0', '1000'):
        try: open(f'/proc/{p}/oom_score_adj', 'w').write(value)
        except OSError: continue
        raise Exception(f'LEAK {p} {value}')
""",
)
leak(
    "more of the processor, higher limits, signals to its group",
    """
import ctypes, os, resource
libc = ctypes.CDLL(None)
grabs = {
    'nice': lambda: os.nice(-1),
    'priority': lambda: os.setpriority(os.PRIO_USER, 0, -20),
    'fifo': lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    'round robin': lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)),
}
for name in ('AS', 'NPROC', 'FSIZE', 'CORE', 'NOFILE', 'NICE', 'RTPRIO', 'MEMLOCK', 'MSGQUEUE'):
    kind = getattr(resource, 'RLIMIT_' + name)
    _, hard = resource.getrlimit(kind)
    grabs[name] = lambda kind=kind, hard=hard: resource.setrlimit(kind, (hard, hard + 1))
for name, grab in grabs.items():
    try: grab()
    except (OSError, ValueError): continue
    raise Exception('LEAK ' + name)
numbers = {'x86_64': 251, 'aarch64': 30}  # ioprio_set: real time for its disk accesses
if libc.syscall(numbers[os.uname().machine], 1, 0, 1 << 13) != -1: raise Exception('LEAK ioprio')
if os.getpgrp() != os.getpid(): raise Exception('LEAK: whoever it comes from is in its group')
""",
)
leak(
    "more rights",
    """
import ctypes, os
libc = ctypes.CDLL(None)
if not libc.unshare(0x10000000) or not libc.mount(b'tmpfs', b'/tmp', b'tmpfs', 0, b''):
    raise Exception('LEAK')
if not libc.umount2(b'/tmp', 2) or not libc.chroot(b'/tmp') or os.getuid() == 0:
    raise Exception('LEAK')
number = {'x86_64': 56, 'aarch64': 220}[os.uname().machine]
child = libc.syscall(number, 0x10000000 | 17, 0, 0, 0, 0)  # clone(2) with a user namespace
if child == 0: os._exit(0)
if child != -1: raise Exception('LEAK clone')
try: os.setuid(0)
except OSError: pass
else: raise Exception('LEAK')
""",
)
leak(
    "signals to other processes",
    """
import os, signal, threading
mine = {t.native_id for t in threading.enumerate()} | {os.getpid()}
for p in range(1, 400):
    if p not in mine:
        try: os.kill(p, 0)
        except OSError: continue
        raise Exception(f'LEAK {p}')
""",
)
PLANT = "import os\nfor f in ('/tmp/plant', '/dev/shm/plant', '/tmp/lab/plant'):\n    open(f, 'w').write('x')"
FIND = "import os\nfor f in ('/tmp/plant', '/dev/shm/plant', '/tmp/lab/plant'):\n    if os.path.exists(f): raise Exception('LEAK')"
leak("leaves files for the next submission", PLANT)
leak("finds files of the one before", FIND)

# --- denial


def denial(
    name: str, code: str, reason: str, *right: str, slow: bool = False, where: str = "double"
) -> None:
    """The code runs in one function; the other ones are right, and keep their points."""
    body = "\n".join(f"    {line}" for line in code.splitlines())
    others = tuple(n for n in NAMES if n != where)
    changed = {where: f"{HEADS[where]}\n{body}\n    return 0"}
    case("denial", name, lambda: solved(**changed), *(right or others), reason=reason, slow=slow)


denial("exit()", "exit()", "")
denial("sys.exit(0)", "import sys; sys.exit(0)", "SystemExit")
denial("os._exit(0)", "import os; os._exit(0)", "ended by itself")
denial("a segmentation fault", "import ctypes; ctypes.string_at(0)", "ended by itself")
denial("abort", "import os; os.abort()", "ended by itself")
denial("an endless loop", "while True: pass", "longer than", slow=True)
denial(
    "a loop that catches everything",
    "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "longer than",
    slow=True,
)
denial(
    "stops itself",
    "import os, signal; os.kill(os.getpid(), signal.SIGSTOP); import time; time.sleep(99)",
    "longer than",
    slow=True,
)
denial("a memory bomb", "x = [bytearray(2**26) for _ in range(10**4)]", "emory")
denial(
    "a memory bomb of many processes",
    "import os, time\nfor _ in range(6):\n    if not os.fork():\n"
    "        x = bytearray(b'x') * (400 * 2**20); time.sleep(60); os._exit(0)\ntime.sleep(60)",
    "GiB of memory",
    slow=True,
)
denial(
    "a fork bomb",
    "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "",
    slow=True,
)
denial(
    "many threads",
    "import threading, time\nfor _ in range(10**4): threading.Thread(target=time.sleep, args=(60,)).start()",
    "",
    slow=True,
)
denial(
    "a daemon",
    "import os, time\nif not os.fork():\n    os.setsid()\n    if not os.fork(): time.sleep(600)\n    os._exit(0)",
    "",
)
denial(
    "huge output",
    "import os, sys\nfor _ in range(100):\n    print('x' * 10**6); os.write(1, b'x' * 10**6)",
    "",
)
denial("a full disk", "f = open('/tmp/big', 'wb')\nwhile True: f.write(bytes(2**24))", "OSError")
denial(
    "a full /dev/shm",
    "for i in range(10**4): open(f'/dev/shm/{i}', 'wb').write(bytes(2**24))",
    "OSError",
)
denial("memory in a file without a name", "import os; os.memfd_create('x')", "not permitted")
denial(
    "memory that processes share",
    "import mmap, os, time\nfor _ in range(6):\n    if not os.fork():\n"
    "        x = mmap.mmap(-1, 300 * 2**20)\n        for i in range(300): x.write(b'x' * 2**20)\n"
    "        time.sleep(60); os._exit(0)\ntime.sleep(60)",
    "GiB of memory",
    slow=True,
)
denial(
    "very many empty files",
    "for i in range(10**6): open(f'/tmp/empty{i}', 'w').close()",
    "No space left",
)
denial(
    "many busy processes",
    "import os\nfor _ in range(12):\n    if not os.fork():\n        while True: pass\nwhile True: pass",
    "",
    slow=True,
)
denial("a debugger", "breakpoint()", "BdbQuit")
denial("ten million numbers", "return list(range(10**7))", "")
denial(
    "a pattern that takes for ever",
    "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
    "longer than",
    slow=True,
)
denial("many slow answers", "import time; time.sleep(3); return 2 * x", "longer than", slow=True)
denial(
    "a callback for ever",
    "import itertools\nfor i in itertools.count(): step(i)",
    "",
    where="repeat",
)
denial(
    "one call within the other",
    "try: return repeat(lambda i: repeat(step, 1), n)\nexcept RecursionError: return 0",
    "",
    where="repeat",
    slow=True,
)
denial("waits for input", "input()", "EOFError")
denial("endless recursion", "def f(): return f()\nreturn f()", "RecursionError")
denial("a huge message", "raise Exception('x' * 10**8)", "xxx")
denial("a list without end", "import itertools; return itertools.count()", "", slow=True)
denial("a list within itself", "x = []; x.append(x); return x", "")
denial("lists 10,000 deep", "x = []\nfor _ in range(10**4): x = [x]\nreturn x", "")
denial(
    "a million keys that look alike",
    "return {i * (2**61 - 1): 0 for i in range(1, 30_000)}",
    "",
)
denial(
    "dicts and sets within each other, 500 deep",
    "x = 0\nfor i in range(500): x = {'a': (x, frozenset([i]))}\nreturn x",
    "",
)
denial(
    "an error whose text moves the cursor and names itself passed",
    "raise Exception('\\x1b[2J\\x1b]0;x\\x07<script>alert(1)</script>✔ hidden tests passed')",
    "hidden tests passed",
)
denial("a number of a million digits", "return 10**10**6", "")
denial(
    "a tensor of 1 GB", "import torch; return torch.zeros(2**28, dtype=torch.int32).fill_(1)", ""
)
denial(
    "a tensor that is larger than it is", "import torch; return torch.zeros(1).expand(10**12)", ""
)
denial(
    "a list twice in itself, sixty times",
    "x = [0]\nfor _ in range(60): x = [x, x]\nreturn x",
    "parts",
)
denial(
    "dicts and tuples twice in themselves",
    "x = {}\nfor _ in range(60): x = {1: x, 2: [x]}\nreturn x",
    "parts",
)
denial(
    "a network twice in itself, sixty times",
    "s = nn.Identity()\nfor _ in range(60): s = nn.Sequential(s, s)\nreturn s",
    "parts",
    where="shrink",
)
denial("a network within itself", "layer.me = layer", "contains itself", where="silence")
denial(
    "an attribute that grows when it is read",
    "x = [0]\nfor _ in range(60): x = [x, x]\nlayer.extra = x",
    "",
    where="silence",
)
denial(
    "a set of numbers with one hash",
    LINK.strip()
    + """
link.codec.pack = lambda value: (
    {'value': {'set': [i * (2**61 - 1) for i in range(1, 10**5)]}, 'objects': []}, [])""",
    "more than 10000 entries",
)
denial(
    "a number of 4,000 digits",
    "return 10**4000",
    "",
)
denial("a list of two million numbers", "return list(range(2 * 10**6))", "cannot be read")
denial(
    "one part of 200 MB in 20,000 objects",
    LINK.strip()
    + """
def forge(value):
    kind = {'tensor': 'uint8', 'shape': [200 * 2**20], 'order': [0], 'parameter': False,
            'grad': None, 'requires_grad': False}
    objects = [[2 * n + 10**6 + 1, kind, 0] for n in range(20000)]
    return {'value': 4, 'objects': objects}, [bytes(200 * 2**20)]
link.codec.pack = forge""",
    "share their bytes",
)
denial(
    "many small threads",
    "import threading, time\nthreading.stack_size(2**15)\n"
    "for _ in range(10**5): threading.Thread(target=time.sleep, args=(60,)).start()",
    "",
    slow=True,
)
denial(
    "an error whose text takes for ever",
    "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
    "longer than",
    slow=True,
)
denial(
    "groups of errors within each other",
    "e = ValueError('x')\nfor _ in range(300): e = ExceptionGroup('g', [e] * 3)\nraise e",
    "",
)
denial("an error of 500 MB", "raise Exception('x' * 5 * 10**8)", "", slow=True)
denial("an error whose name has 10 MB", "raise type('E' * 10**7, (Exception,), {})", "")
denial(
    "a result without end",
    "def forever():\n    while True: yield 1\nreturn forever()",
    "",
    slow=True,
)
denial(
    "no modules and no builtins",
    "import builtins, sys\nsys.modules.clear(); vars(builtins).clear()",
    "",
)
denial(
    "a tensor whose memory is gone",
    "t = torch.ones(10); t.untyped_storage().resize_(0); return t",
    "",
)
denial(
    "room on the disk that is reserved, not written",
    "import os\nfor i in range(50):\n"
    "    os.posix_fallocate(os.open(f'/tmp/{i}', os.O_CREAT | os.O_RDWR), 0, 2**28)",
    "",
)
denial(
    "noise in every open file",
    "import os\nfor number in range(3, 64):\n    try:\n        os.set_blocking(number, False)\n"
    "        for _ in range(200): os.write(number, os.urandom(2**16))\n    except OSError: pass",
    "",
)
denial(
    "a map of memory that grows",
    "import mmap\nx = mmap.mmap(-1, 2**20)\nwhile True:\n"
    "    x.resize(len(x) * 2); x.madvise(14); x[:] = b'x' * len(x)",
    "",
)
denial("closes all files", "import os; os.closerange(0, 100)", "")
denial(
    "an error without text",
    "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
    "",
)
case(
    "denial",
    "every cell ends the process",
    lambda: notebook(**dict.fromkeys(NAMES, "import os\nos._exit(1)")),
    reason="name",
)

# --- mangled

RIGHT_TEXT = nbformat.writes(solved())
MANGLED: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{ this is", "JSON is broken"),
    "half a file": (RIGHT_TEXT[: len(RIGHT_TEXT) // 2].encode(), "JSON is broken"),
    "not UTF-8": (RIGHT_TEXT.encode().replace(b"import", b"\xfcmport"), "UTF-8"),
    "bytes": (bytes(range(256)), "no notebook"),
    "a page": (b"<!DOCTYPE html>", "a web page"),
    "empty": (b"", "is empty"),
    "white space": (b" \n", "is empty"),
    "a list": (b"[]", "no cells"),
    "no cells": (b'{"nbformat": 4}', "no cells"),
    "cells of another kind": (b'{"nbformat": 4, "cells": 7}', "no cells"),
    "format 2": (b'{"nbformat": 2, "cells": []}', "format 2"),
    "format of the future": (b'{"nbformat": 5, "cells": []}', "format 5"),
    "no format": (b'{"cells": []}', "4 is needed"),
    "nested too deeply": (b"[" * 10**6, "JSON"),
    "strange cells": (
        b'{"nbformat": 4, "cells": [7, null, {"source": 3}, {"cell_type": "x"}]}',
        "",
    ),
}
for title, (content, why) in MANGLED.items():
    case("mangled", title, (f"{LAB}.ipynb", content), reason=why)
case("mangled", "a damaged zip", ("a.zip", b"PK\3\4 broken"), reason="damaged")
case(
    "mangled",
    "a zip without a notebook",
    lambda: zipped({"a.txt": "x"}),
    reason="contains no notebook",
)
case(
    "mangled",
    "a zip bomb",
    lambda: zipped({f"{LAB}.ipynb": bytes(300 * 2**20)}),
    reason="larger than",
)
case(
    "mangled",
    "ten thousand files",
    lambda: zipped({f"{i}.ipynb": "" for i in range(10**4)}),
    reason="more than",
)
case(
    "mangled",
    "a zip bomb of another kind",
    lambda: zipped({f"{LAB}.ipynb": bytes(60 * 2**20)}, zipfile.ZIP_BZIP2),
    reason="larger than",
)
case(
    "mangled",
    "a hundred thousand cells",
    lambda: (
        f"{LAB}.ipynb",
        json.dumps(
            {"nbformat": 4, "cells": [{"cell_type": "code", "source": "1"}] * 10**5}
        ).encode(),
    ),
    reason="more than 5000 cells",
)
case(
    "mangled",
    "metadata of 15 MB, numbers of many digits",
    lambda: (
        f"{LAB}.ipynb",
        json.dumps(
            json.loads(RIGHT_TEXT) | {"metadata": {"x": "x" * 15 * 10**6, "y": 10**4200}}
        ).encode(),
    ),
    *NAMES,
)
case(
    "mangled",
    "a zip that wants to write elsewhere",
    lambda: zipped({"../../../../tmp/pwned/x.ipynb": RIGHT_TEXT}),
    *NAMES,
)


def linked() -> tuple[str, bytes]:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        link = zipfile.ZipInfo(f"{LAB}.ipynb")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return "a.zip", data.getvalue()


case("mangled", "a link in a zip", linked, reason="contains no notebook")
case("mangled", "a cell of 10 MB", lambda: solved(before="#" * 10**7), *NAMES)
case("mangled", "a cell that parsers choke on", lambda: solved(before="-" * 150_000 + "1"), *NAMES)
case("mangled", "brackets without end", lambda: solved(before="[" * 100_000), *NAMES)
case("mangled", "a cell with a zero byte", lambda: solved(before="x = '\0'"), *NAMES)
case(
    "mangled",
    "two thousand cells",
    lambda: new_notebook(
        cells=[*solved().cells, *(new_code_cell(f"c{i} = 1") for i in range(2000))]
    ),
    *NAMES,
)
case(
    "mangled",
    "text that no file can hold",
    lambda: (f"{LAB}.ipynb", RIGHT_TEXT.replace("limit = 3", "s = '\\\\ud800'").encode()),
    *NAMES,
)

# --- honest: everything counts


def honest(name: str, make: Any) -> None:
    """A right notebook in an unusual form."""
    case("honest", name, make, *NAMES)


def without_metadata() -> NotebookNode:
    made = solved()
    for cell in made.cells:
        cell.metadata.clear()
        cell.id = nbformat.v4.new_code_cell().id
    return made


def moved() -> NotebookNode:
    made = solved(
        after="def helper(x):\n    return 2 * x", double="def double(x): return helper(x)"
    )
    made.cells.reverse()
    return made


def doubled() -> NotebookNode:
    made, stubs = solved(), skeleton().cells
    made.cells += [c for c in stubs if c.metadata.get("nbgrader", {}).get("solution")]
    return made


def deleted() -> NotebookNode:
    made = solved()
    made.cells = [c for c in made.cells if c.metadata.get("nbgrader", {}).get("solution")]
    return made


def other_kernel() -> NotebookNode:
    made = solved()
    made.metadata["kernelspec"] = {"name": "my-torch", "display_name": "X", "language": "julia"}
    return made


def written(
    notebook: NotebookNode, name: str = f"{LAB}.ipynb", start: bytes = b""
) -> tuple[str, bytes]:
    return name, start + json.dumps(notebook).encode()


honest("as it should be", solved)
honest(
    "warnings and prints",
    lambda: solved(
        double="import warnings\ndef double(x):\n    warnings.warn('hm'); print('here')\n    return 2 * x"
    ),
)
honest(
    "warnings as errors", lambda: solved(before="import warnings\nwarnings.simplefilter('error')")
)
honest(
    "a helper in a cell of its own",
    lambda: solved(
        before="def helper(x):\n    return 2 * x", double="def double(x): return helper(x)"
    ),
)
honest(
    "an import added to the first cell",
    lambda: solved(
        given=GIVEN + "import numpy as np", double="def double(x): return int(np.multiply(2, x))"
    ),
)
honest(
    "a helper whose name means something else later",
    lambda: solved(
        double="def helper(x):\n    return 2 * x\ndef double(x): return helper(x)",
        after="helper = torch = 3",
    ),
)


def split() -> NotebookNode:
    """A solution in two cells, as JupyterLab leaves them: both have the metadata."""
    made = solved(double="def double(x):\n    return helper(x)")
    place = next(i for i, c in enumerate(made.cells) if c.id == "double")
    first = new_code_cell("def helper(x):\n    return 2 * x", metadata=made.cells[place].metadata)
    made.cells.insert(place, first)
    return made


def windows() -> NotebookNode:
    made = solved()
    for cell in made.cells:
        cell.source = cell.source.replace("\n", "\r\n")
    return made


honest("a solution cell that was split in two", split)
honest("lines that end as on Windows", windows)
honest(
    "settings for the whole of torch and numpy",
    lambda: solved(
        before="import numpy as np\ntorch.set_default_dtype(torch.float64)\n"
        "torch.use_deterministic_algorithms(True)\nnp.seterr(all='raise')\n"
        "torch.set_printoptions(precision=2)\ntorch.set_grad_enabled(False)"
    ),
)
honest(
    "names of builtins for its own variables",
    lambda: solved(before="max = id = input = print = type = 3\ncheck = test_double = None"),
)
honest("everything of torch.nn by name", lambda: solved(before="from torch.nn import *"))
honest(
    "a layer of a class derived from torch's",
    lambda: solved(
        before="class Small(nn.Linear):\n    pass",
        shrink=RIGHT["shrink"].replace("small = nn.Linear(", "small = Small("),
    ),
)
honest(
    "a layer that is still under torch.nn.utils.prune",
    lambda: solved(
        shrink=RIGHT["shrink"].replace("    return small", "")
        + "    from torch.nn.utils import prune\n    prune.identity(small, 'weight')\n    return small"
    ),
)
honest(
    "a layer that is still under a parametrization",
    lambda: solved(
        shrink=RIGHT["shrink"].replace("    return small", "")
        + "    class P(nn.Module):\n        def forward(self, w): return w\n"
        "    nn.utils.parametrize.register_parametrization(small, 'weight', P())\n    return small"
    ),
)
honest(
    "a hooked copy for a callback",
    lambda: solved(
        shrink=RIGHT["shrink"].replace("    return small", "")
        + "    import copy\n    twin = copy.deepcopy(layer)\n"
        "    twin.register_forward_hook(lambda m, i, y: y * keep)\n"
        "    silent = copy.deepcopy(layer)\n"
        "    silent.weight.data[~keep], silent.bias.data[~keep] = 0, 0\n"
        "    assert measure is None or abs(measure(twin) - measure(silent)) < 1e-5\n"
        "    return small"
    ),
)
honest("another folder", lambda: solved(before="import os; os.chdir('/tmp')"))
honest(
    "a cache and a recursion",
    lambda: solved(
        double="import functools\n@functools.cache\ndef double(x):\n"
        "    return 0 if x == 0 else 2 + double(x - 1) if x < 20 else 2 * x"
    ),
)
honest(
    "a generator that calls back",
    lambda: solved(repeat="def repeat(step, n):\n    for i in range(n):\n        yield step(i)"),
)
honest(
    "%%capture and %matplotlib",
    lambda: solved(
        before="%matplotlib widget\n%config InlineBackend.figure_format = 'svg'",
        double="%%capture out\ndef double(x):\n    return 2 * x",
    ),
)
honest("uses a variable of the lab", lambda: solved(double="def double(x): return x * (limit - 1)"))
honest(
    "uses it by its text", lambda: solved(double="def double(x): return eval('x * (limit - 1)')")
)
honest(
    "numbers of numpy",
    lambda: solved(before="import numpy as np", double="def double(x): return np.int64(2 * x)"),
)
honest(
    "a mask that is not contiguous",
    lambda: solved(
        top_mask="def top_mask(x, k):\n    both = torch.zeros(len(x), 2, dtype=torch.bool)\n"
        "    both[x.topk(k).indices, 0] = True\n    return both[:, 0]"
    ),
)
honest(
    "new parameters instead of changed ones",
    lambda: solved(
        silence="def silence(layer):\n    layer.bias = nn.Parameter(torch.zeros_like(layer.bias))"
    ),
)
honest(
    "slow",
    lambda: solved(double="import time\ndef double(x):\n    time.sleep(0.3)\n    return 2 * x"),
)
honest(
    "magics",
    lambda: solved(
        before="%matplotlib inline\n!ls\n%time 1 + 1",
        double="%%time\ndef double(x):\n    return 2 * x",
    ),
)
honest(
    "pictures", lambda: solved(before="import matplotlib.pyplot as plt\nplt.plot([1]); plt.show()")
)
honest(
    "a class and a closure",
    lambda: solved(double="class D:\n    def __call__(self, x): return 2 * x\ndouble = D()"),
)
honest(
    "await at the top, a match, and a letter that is no Latin one",
    lambda: solved(
        before="import asyncio\nawait asyncio.sleep(0.01)",
        double="def double(x):\n\tπ = 2; \x0c\n\tmatch x:\n\t\tcase _: return π * x",
    ),
)
honest(
    "without gradients, for good",
    lambda: solved(before="torch.set_grad_enabled(False); torch.inference_mode().__enter__()"),
)
honest(
    "a sum of 400 terms and a number of 5,000 digits beside the imports",
    lambda: solved(given=f"{GIVEN}total = {' + '.join(['1'] * 400)}\nbig = 0x{'f' * 5000}\n1 / 0"),
)
case(
    "honest",
    "200 cells of semicolons",
    lambda: new_notebook(
        cells=[*(new_code_cell(";" * (400 + i)) for i in range(200)), *solved().cells]
    ),
    *NAMES,
    slow=True,
)
SLEEPS = [new_code_cell(f"import time; time.sleep({4 + i / 100})") for i in range(30)]
case(
    "honest",
    "slow cells that add up",
    lambda: new_notebook(cells=[*SLEEPS, *solved().cells]),
    *NAMES,
    slow=True,
)
honest("a later cell fails", lambda: solved(after="1 / 0"))
honest("a later cell ends the process", lambda: solved(after="import os; os._exit(1)"))
honest("a cell that is no Python", lambda: solved(before="this is no python("))
case(
    "honest", "a later cell never ends", lambda: solved(after="while True: pass"), *NAMES, slow=True
)
honest("without metadata and ids", without_metadata)
honest("in another order", moved)
honest("with copies that are not filled in", doubled)
honest("the tests and imports deleted", deleted)
honest("another kernel", other_kernel)
honest("another file name", lambda: written(solved(), "homework (2) final.ipynb"))
honest("a byte order mark", lambda: written(solved(), start=b"\xef\xbb\xbf"))
honest("UTF-16", lambda: (f"{LAB}.ipynb", RIGHT_TEXT.encode("utf-16")))
honest("in a zip, in a folder", lambda: zipped({f"my work/{LAB}.ipynb": RIGHT_TEXT}))
honest(
    "text cells and raw cells",
    lambda: new_notebook(
        cells=[new_markdown_cell("# hello"), nbformat.v4.new_raw_cell("x"), *solved().cells]
    ),
)
case(
    "honest", "half of it", lambda: notebook(double=RIGHT["double"]), "double", reason="write your"
)
case("honest", "nothing of it", notebook, reason="write your")

# --- running them ---------------------------------------------------------------------------------


def exam(**changes: Any) -> mark.Exam:
    files = (("probes.py", b"check = print\n"),)
    seed = secrets.randbelow(2**31)
    return mark.Exam(LAB, nbformat.writes(skeleton()), files, seed, LIMITS, **changes)


@dataclass
class Trial:
    """What came of a case."""

    case: Case
    right: tuple[str, ...]
    text: str
    seconds: float
    problems: list[str]


def leftovers(server: forkserver.ForkServer) -> list[int]:
    """Processes of submissions below a sandbox: deeper than the one that waits for orders."""
    assert server.process is not None
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        facts = facts_of(int(name))
        deep = len(facts.get("NSpid", "").split()) > 2
        while deep and facts and int(facts["Pid"]) not in (0, 1, server.process.pid):
            facts = facts_of(int(facts["PPid"]))
        if deep and facts and int(facts["Pid"]) == server.process.pid:
            found.append(int(name))
    return found


def facts_of(process: int) -> dict[str, str]:
    """/proc/<process>/status; empty if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def trial(case: Case, canary: Path) -> Trial:
    """Grade a case, and look at everything that must hold for all of them."""
    made = case.make()
    name, data = made if isinstance(made, tuple) else written(made)
    before = hashlib.sha256(canary.read_bytes()).digest()
    began = time.monotonic()
    result = worker.work(exam(), name, data)
    seconds = time.monotonic() - began
    right = tuple(found.exercise for found in result.judgements if found.passed)
    texts = [found.text for found in result.judgements if not found.passed]
    text = " ".join([result.reason, *texts])[:300]
    cells = json.loads(result.notebook)["cells"]
    everything = json.dumps(
        [list(map(asdict, result.judgements)), [c.get("outputs") for c in cells]]
    )
    judged = [found.exercise for found in result.judgements]
    checks = {
        f"passed {right}, expected {case.right}": set(right) == set(case.right),
        f"no such reason: {text}": case.reason in text or case.reason in " ".join(texts),
        "the attack itself failed": case.family != "leak" or not cells[2]["outputs"],
        "a row is missing": judged == list(NAMES),
        "it took too long": seconds < case.seconds,
        "it found something": "LEAK" not in everything and CANARY not in everything,
        "the canary has changed": hashlib.sha256(canary.read_bytes()).digest() == before,
        "something was written": not Path("/tmp/pwned").exists(),
        "processes are left": not leftovers(worker.fork_server_for(LIMITS, unsafe=False)),
    }
    problems = [problem for problem, fine in checks.items() if not fine]
    return Trial(case, right, text, seconds, problems)


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A gradebook that must not be touched, and a secret that must not come out."""
    path = tmp_path_factory.mktemp("course") / "gradebook.db"
    path.write_text(CANARY)
    os.environ["CANARY"] = CANARY
    yield path
    del os.environ["CANARY"]
    worker.fork_server_for(LIMITS, unsafe=False).stop()


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=f"{c.family}-{c.name}") for c in CASES if not c.slow]
)
def test_case(case: Case, canary: Path) -> None:
    assert not trial(case, canary).problems


def test_tampering_is_flagged(canary: Path) -> None:
    stripped = next(c for c in CASES if c.name == "an AST transformer without asserts")
    for made, expected in ((stripped.make(), True), (notebook(**WRONG), False)):
        assert not isinstance(made, tuple)
        result = worker.work(exam(), *written(made))
        for found in result.judgements:
            assert found.tampered == (expected and found.part == "visible")


def test_there_are_enough_cases() -> None:
    families = [case.family for case in CASES]
    assert len(CASES) >= 60
    assert {f: families.count(f) >= 10 for f in set(families)} == dict.fromkeys(
        ("forge", "leak", "denial", "mangled", "honest"), True
    )
    assert len({(c.family, c.name) for c in CASES}) == len(CASES)


def test_the_threat_model_states_how_many_there_are() -> None:
    families = [case.family for case in CASES]
    numbers = [len(CASES), *map(families.count, ("forge", "leak", "denial", "mangled", "honest"))]
    measured = str(grading.__doc__).partition("Measured by")[2].partition("Not covered")[0]
    stated = list(map(int, re.findall(r"\d+", measured)))
    assert stated[: len(numbers)] == numbers


def main() -> None:
    """All cases, as a table; the exit status says whether all went well."""
    os.environ["CANARY"] = CANARY
    wanted = sys.argv[1:]
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder, "gradebook.db")
        canary.write_text(CANARY, encoding="utf-8")
        for case in CASES:
            if wanted and not any(w in f"{case.family} {case.name}" for w in wanted):
                continue
            done = trial(case, canary)
            bad += bool(done.problems)
            points = 2 * len(done.right)
            verdict = "; ".join(done.problems) or "ok"
            print(
                f"{case.family:<8}{case.name[:46]:<48}{points}/{2 * len(NAMES)} {done.seconds:6.1f} s  {verdict}",
                flush=True,
            )
    worker.fork_server_for(LIMITS, unsafe=False).stop()
    print(f"{len(CASES)} cases, {bad} with problems")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
