"""What passes in a plain shell of IPython gets its points from the grader, however odd it is.

A notebook is made of oddities: one in the cell that the lab gives, one in each solution, one in its
cells' order. It runs as Jupyter would run it, tests included: that is the oracle. The grader has to
give at least these points (it forgives more: a missing package, say), and `submit` has to say
before which exercises get none.

`pytest` tries a few; `python -m tests.grading.test_oracle [SEED]` tries every oddity in more than a
hundred notebooks, and prints those that are marked otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import io
import json
import multiprocessing
import os
import random
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import ModuleType

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell
from nbgrader.utils import compute_checksum

from pruninglab.grading.judging.mark import Exam
from pruninglab.grading.judging.worker import fork_server_for, work
from pruninglab.limits import Limits
from pruninglab.notebook import grade_id, runnable
from pruninglab.student.diagnosis import Outcome
from pruninglab.student.fresh_run import Run, in_a_line
from solutions.builder.build import nbgrader_cell

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("_sandbox")]
LAB = "01_oracle"
FACTORS = {"twice": 2, "thrice": 3, "quadruple": 4}
GIVEN = "import math\nfrom functools import reduce\n\nTWO = 2\nTHREE = TWO + 1"
HELPER = "def product(a, b):\n    return a * b"
STUB = "def {name}(x):\n    raise NotImplementedError('write your solution here')"
HIDDEN = re.compile(r"\n### BEGIN HIDDEN TESTS.*### END HIDDEN TESTS", flags=re.S)
LIMITS = Limits(cell=20, exercise=20, total=120)


def skeleton() -> NotebookNode:
    """A lab of three exercises, with hidden tests, without solutions."""
    cells = [
        new_code_cell(GIVEN, id="given"),
        new_markdown_cell("Some words.", id="words"),
        new_code_cell(HELPER, id="helper"),
    ]
    for name, factor in FACTORS.items():
        test = (
            f"assert {name}(3) == {3 * factor}\n### BEGIN HIDDEN TESTS\n"
            f"assert [{name}(x) for x in (0, -1, 7)] == {[0, -factor, 7 * factor]}\n"
            "### END HIDDEN TESTS"
        )
        solution = new_code_cell(STUB.format(name=name), id=f"s-{name}")
        solution.metadata["nbgrader"] = nbgrader_cell(name, None, solution=True)
        check = new_code_cell(test, id=f"t-{name}")
        check.metadata["nbgrader"] = nbgrader_cell(f"test_{name}", 2, solution=False)
        cells += [solution, check]
    return new_notebook(cells=cells)


# --- oddities -----------------------------------------------------------------------------------

DEF = "def NAME(x):\n    return K * x"
# What a solution can be; NAME is the function's, K the factor, HELP a helper's own name.
SOLUTIONS = [
    DEF,
    f"%%time\n{DEF}",
    f"%%capture\n{DEF}",
    f"%%capture shown\nprint(1)\n{DEF}",
    f"%%capture\n%%time\n{DEF}",
    f"%time HELP = 1\n{DEF}",
    f"%matplotlib inline\n%config InlineBackend.figure_format = 'svg'\n{DEF}",
    f"%load_ext autoreload\n%autoreload 0\n{DEF}",
    f"!echo hello\nHELP = !echo 1 2\n{DEF}",
    f"len?\n{DEF}",
    f"{DEF}\nNAME?",
    "\n".join(f"%time HELP = {i}" for i in range(30)) + f"\n{DEF}",
    "\n".join(f"%time HELP{i} = {i}" for i in range(12)) + "\ndef NAME(x): return K * x + HELP0",
    f"get_ipython().run_line_magic('time', 'HELP = 1')\n{DEF}",
    "get_ipython().run_cell('def NAME(x): return K * x')",
    "get_ipython().run_cell_magic('time', '', 'def NAME(x): return K * x')",
    "get_ipython().user_ns['NAME'] = lambda x: K * x",
    "get_ipython().push({'NAME': lambda x: K * x})",
    "NAME = lambda x: K * x",
    "(NAME := lambda x: K * x)",
    "NAME, HELP = (lambda x: K * x), 0",
    "from operator import mul\nfrom functools import partial\nNAME = partial(mul, K)",
    "import functools\n\n@functools.lru_cache\ndef NAME(x): return K * x",
    "import functools\n\n@functools.singledispatch\ndef NAME(x): return K * x",
    "class HELP:\n    def __call__(self, x): return K * x\nNAME = HELP()",
    "class HELP:\n    @staticmethod\n    def go(x): return K * x\nNAME = HELP.go",
    "class HELP:\n    def __init__(self, k): self.k = k\n    def go(self, x): return self.k * x\n"
    "NAME = HELP(K).go",
    "from dataclasses import dataclass\n\n@dataclass\nclass HELP:\n    k: int\n"
    "    def __call__(self, x: int) -> int: return self.k * x\nNAME = HELP(K)",
    "def HELP(f):\n    return lambda x: K * f(x)\n\n@HELP\ndef NAME(x): return x",
    "from functools import wraps\n\ndef HELP(f):\n    @wraps(f)\n"
    "    def inner(x): return K * f(x)\n    return inner\n\n@HELP\ndef NAME(x): return x",
    "if True:\n    def NAME(x): return K * x\nelse:\n    def NAME(x): return 0",
    "for HELP in range(K + 1):\n    def NAME(x, k=HELP): return k * x",
    "try:\n    import no_such_package\nexcept ImportError:\n    def NAME(x): return K * x",
    "try:\n    1 / 0\nexcept ZeroDivisionError:\n    pass\nfinally:\n    def NAME(x): return K * x",
    "import contextlib\nwith contextlib.suppress(Exception):\n    def NAME(x): return K * x",
    "while True:\n    def NAME(x): return K * x\n    break",
    "if __name__ == '__main__':\n    def NAME(x): return K * x",
    "match K:\n    case int():\n        def NAME(x): return K * x",
    "def HELP(k):\n    def NAME(x): return k * x\n    return NAME\nNAME = HELP(K)",
    "def HELP():\n    global NAME\n    def NAME(x): return K * x\nHELP()",
    "exec('def NAME(x): return K * x')",
    "exec(compile('NAME = lambda x: K * x', 'x', 'exec'), globals())",
    "globals()['NAME'] = lambda x: K * x",
    "vars()['NAME'] = lambda x: K * x",
    "import sys\nsetattr(sys.modules[__name__], 'NAME', lambda x: K * x)",
    "import __main__\n__main__.NAME = lambda x: K * x",
    "import builtins\nbuiltins.HELP = K\ndef NAME(x): return HELP * x",
    "from math import *\ndef NAME(x): return int(floor(K) * x)",
    "from itertools import *\ndef NAME(x): return sum(repeat(x, K))",
    "async def HELP(): return K\nHELP = await HELP()\ndef NAME(x): return HELP * x",
    "import asyncio\nawait asyncio.sleep(0)\ndef NAME(x): return K * x",
    "async def HELP(x): return K * x\ndef NAME(x):\n    c = HELP(x)\n    try:\n"
    "        c.send(None)\n"
    "    except StopIteration as e:\n        return e.value",
    "HELP = 0\ndef NAME(x):\n    global HELP\n    HELP += 1\n    return K * x if HELP else 0",
    "def HELP(x): return 0\ndel HELP\ndef HELP(x): return K * x\nNAME = HELP",
    "def NAME(x): return 0\nHELP = NAME\ndef NAME(x): return HELP(x) + K * x",
    f"{DEF}\nNAME.calls = 0",
    f"{DEF}\ndef NAME(x, old=NAME): return old(x)",
    "from __future__ import annotations\ndef NAME(x: Nowhere) -> Missing: return K * x",
    "import typing\ndef NAME(x: typing.Union[int, 'Missing']): return K * x",
    "def NAME(x): return product(x, K)",
    "def product(a, b): return a * b + 0\ndef NAME(x): return product(x, K)",
    "def NAME(x): return reduce(lambda a, _: a + x, range(K), 0)",
    "def NAME(x): return int(math.copysign(1, x)) * abs(K * x) if x else 0",
    "def NAME(x): return x * (TWO + K - 2)",
    "def NAME(x): return K*x;",
    "  def NAME(x):\n      return K * x\n  HELP = 1",
    ">>> def NAME(x):\n...     return K * x",
    "In [1]: def NAME(x):\n   ...:     return K * x",
    f"\n\n# größer\n{DEF}\n\n",
    DEF.replace("    ", "\t"),
    DEF.replace("\n", "\r\n"),
    "größe = K\ndef NAME(x): return größe * x",
    "def NAME(x): return \\\n    K * x",
    f"{DEF}\nassert NAME(1) == K\nprint('x' * 100_000)",
    f"{DEF}\nfrom IPython.display import HTML, display\ndisplay(HTML('<b>ok</b>'))",
    f"{DEF}\n1 / 0",
    f"{DEF}\nraise SystemExit",
    f"{DEF}\nimport warnings\nwarnings.warn('careful')",
    f"import no_such_package\n{DEF}",
    "def NAME(x): return K * x +",
    "def NAME(x): return K * x + 1",
    "raise NotImplementedError",
    "NAME = 3",
    "import random\nrandom.seed(0)\ndef NAME(x): return K * x if random.random() < 2 else 0",
    "import numpy as np\nHELP = np.eye(1, dtype=int)[0, 0] * K\ndef NAME(x): return int(HELP * x)",
    "import torch\ndef NAME(x): return int((torch.ones(K) * x).sum())",
    "HELP = [lambda x, k=k: k * x for k in range(9)]\nNAME = HELP[K]",
    "HELP = {'f': lambda x: K * x}\nNAME = HELP['f']",
    "def HELP(*a, **k): return a[0] * K\nNAME = HELP",
    "import types\nNAME = types.FunctionType((lambda x: K * x).__code__, globals())",
    "import json, io, os, re, sys\nHELP = json.loads('[K]')[0]\ndef NAME(x): return HELP * x",
    "from collections import namedtuple\nHELP = namedtuple('HELP', 'k')(K)\n"
    "def NAME(x): return HELP.k * x",
    "from enum import Enum\nclass HELP(Enum):\n    A = K\ndef NAME(x): return HELP.A.value * x",
    "import pickle\nclass HELP:\n    k = K\n"
    "def NAME(x): return pickle.loads(pickle.dumps(HELP())).k * x",
    "import inspect\ndef HELP(): return K\nassert inspect.isfunction(HELP)\n"
    "def NAME(x): return HELP() * x",
    "def NAME(x):\n    import sys\n    return vars(sys.modules['__main__'])['TWO'] * x // TWO * K",
    "print(_, __name__)\ndef NAME(x): return K * x",
    "HELP = In[-1] and K\ndef NAME(x): return K * x",
    "%%bash\necho hello",
]  # fmt: skip

# What a student can make of the cell that the lab gives; every solution may use what is in it.
GIVENS = [
    GIVEN,
    f"%%time\n{GIVEN}",
    f"%%capture\n{GIVEN}",
    f"%matplotlib inline\n{GIVEN}",
    f"{GIVEN}\n1 / 0",
    f"{GIVEN}\nFOUR = 4\nimport no_such_package",
    f"import no_such_package as n\n{GIVEN}",
    GIVEN.replace("TWO = 2", "TWO = 1 + 1"),
    GIVEN.replace("TWO = 2", "ZWEI = 2\nTWO = ZWEI"),
    f"{GIVEN}\ndef product(a, b): return a * b",
    f"from math import *\n{GIVEN}",
    f"try:\n    import no_such_package\nexcept ImportError:\n    pass\n{GIVEN}",
    f"import asyncio\nawait asyncio.sleep(0)\n{GIVEN}",
    f"{GIVEN}\nfor n in range(4):\n    globals()[f'C{{n}}'] = n",
    "\n".join(f"%time M{i} = {i}" for i in range(500)) + f"\n{GIVEN}",
    "try:\n" + "\n".join(f"    {line}" for line in GIVEN.split("\n")) + "\nfinally:\n    pass",
    "import math; from functools import reduce; TWO = 2; THREE = 3",
    "import math\nfrom functools import reduce\nTWO, THREE = 2, 3",
    "",
    f"get_ipython().run_line_magic('matplotlib', 'inline')\n{GIVEN}",
    f"import os\nos.environ['X'] = '1'\n{GIVEN}",
]


def nothing(nb: NotebookNode) -> None:
    """As it is."""


def cell_of(nb: NotebookNode, key: str) -> int:
    return next(i for i, c in enumerate(nb.cells) if key in (c.id, grade_id(c)))


def no_metadata(nb: NotebookNode) -> None:
    for cell in nb.cells:
        cell.metadata = NotebookNode()


def new_ids(nb: NotebookNode) -> None:
    for number, cell in enumerate(nb.cells):
        cell.id = f"c{number}"


def earlier_version(nb: NotebookNode) -> None:
    place = cell_of(nb, "twice")
    nb.cells.insert(place, copy.deepcopy(nb.cells[place]))
    nb.cells[place].source = "def twice(x): return 0"
    nb.cells[place].id = "older"


def failing_cells(nb: NotebookNode) -> None:
    for source in ("1 / 0", "raise SystemExit", "def (", "import nowhere", "input()", "exit()"):
        nb.cells.insert(1, new_code_cell(source))


def state_changes(nb: NotebookNode) -> None:
    nb.cells.append(new_code_cell("TWO = THREE = None\ndel product, twice"))


def rewritten_helper(nb: NotebookNode) -> None:
    place = cell_of(nb, "helper")
    nb.cells[place].source = "def product(a, b):\n    return sum([a] * b)"


def shadowed_helper(nb: NotebookNode) -> None:
    place = cell_of(nb, "helper") + 1
    nb.cells.insert(place, new_code_cell("old = product\ndef product(a, b): return old(b, a)"))


def joined(nb: NotebookNode) -> None:
    """The helper's cell merged into the given one."""
    text = nb.cells.pop(cell_of(nb, "helper")).source
    nb.cells[cell_of(nb, "given")].source += f"\n\n{text}"


def split(nb: NotebookNode) -> None:
    """A helper in the upper half of a split solution, which has kept the name."""
    place = cell_of(nb, "thrice")
    upper = copy.deepcopy(nb.cells[place])
    upper.source, upper.id = "def part(x):\n    return 3 * x", "upper"
    nb.cells[place].source = "def thrice(x):\n    return part(x)"
    nb.cells.insert(place, upper)


def own_module(nb: NotebookNode) -> None:
    place = cell_of(nb, "twice")
    nb.cells[place].source = "from my_module import twice"
    text = "%%writefile my_module.py\ndef twice(x):\n    return 2 * x"
    nb.cells.insert(place, new_code_cell(text))


def own_file(nb: NotebookNode) -> None:
    place = cell_of(nb, "twice")
    nb.cells[place].source = "import json\ndef twice(x):\n    return json.load(open('k.json')) * x"
    nb.cells.insert(place, new_code_cell("open('k.json', 'w').write('2')"))


def solutions_first(nb: NotebookNode) -> None:
    solution = nb.cells.pop(cell_of(nb, "quadruple"))
    nb.cells.insert(0, solution)


def helpers_last(nb: NotebookNode) -> None:
    """Used before it is there: in a fresh run, too."""
    nb.cells[cell_of(nb, "twice")].source = "def twice(x): return late(x)"
    nb.cells.append(new_code_cell("def late(x): return 2 * x"))


def one_calls_another(nb: NotebookNode) -> None:
    nb.cells[cell_of(nb, "quadruple")].source = "def quadruple(x): return twice(twice(x))"


def monkeypatched(nb: NotebookNode) -> None:
    nb.cells[cell_of(nb, "quadruple")].source = "def quadruple(x): return math.four * x"
    nb.cells.insert(cell_of(nb, "quadruple"), new_code_cell("math.four = 4"))


def many_magics(nb: NotebookNode) -> None:
    for i in range(150):
        nb.cells.insert(2, new_code_cell(f"%%time\nm{i} = {i}\n%time n{i} = {i}"))


def raw_and_words(nb: NotebookNode) -> None:
    for place in (5, 3, 0):
        nb.cells.insert(place, new_raw_cell("def twice(x): return 0"))
        nb.cells.insert(place, new_markdown_cell("# def twice(x): return 0"))


def all_in_one(nb: NotebookNode) -> None:
    """All three answers in the first solution; the others emptied."""
    places = [cell_of(nb, name) for name in FACTORS]
    nb.cells[places[0]].source = "\n".join(
        f"def {name}(x): return {k} * x" for name, k in FACTORS.items()
    )
    for place in places[1:]:
        nb.cells[place].source = "# above"


STRUCTURES: list[Callable[[NotebookNode], None]] = [
    nothing, no_metadata, new_ids, earlier_version, failing_cells, state_changes,
    rewritten_helper, shadowed_helper, joined, split, own_module, own_file, solutions_first,
    helpers_last, one_calls_another, monkeypatched, many_magics, raw_and_words, all_in_one,
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A notebook, and what is odd about it."""

    what: str
    notebook: NotebookNode


def cases(seed: int = 0) -> list[Case]:
    """Notebooks in which every oddity is at least once, mixed by chance."""
    rng, made = random.Random(seed), []
    solutions = [s for s in SOLUTIONS for _ in FACTORS] + SOLUTIONS[:60]
    rng.shuffle(solutions)
    count = len(solutions) // len(FACTORS)
    givens = [GIVENS[i % len(GIVENS)] for i in range(count)]
    structures = [STRUCTURES[i % len(STRUCTURES)] for i in range(count)]
    rng.shuffle(givens)
    rng.shuffle(structures)
    for given, structure in zip(givens, structures, strict=True):
        nb, what = released(), [structure.__name__, given[:200]]
        nb.cells[0].source = given
        for name, factor in FACTORS.items():
            text = solutions.pop()
            source = re.sub(r"\bK\b", str(factor), text.replace("HELP", f"help_{name}"))
            nb.cells[cell_of(nb, name)].source = source.replace("NAME", name)
            what.append(text[:200])
        structure(nb)
        made.append(Case("\n---\n".join(what), nb))
    return made


def released() -> NotebookNode:
    """The lab as students get it."""
    nb = skeleton()
    for cell in nb.cells:
        cell.source = HIDDEN.sub("", cell.source)
    return nb


# --- the oracle -----------------------------------------------------------------------------------


def plain_run(nb: NotebookNode, tests: dict[str, str], rewrite: Callable[[str], str]) -> Run:
    """Run a notebook from top to bottom in a shell of its own, as Jupyter would.

    Args:
        nb: the notebook.
        tests: visible test -> the whole one, which runs in its place.
        rewrite: what becomes of other cells.
    """
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=in_a_fork, args=(theirs, nb, tests, rewrite), daemon=True
    )
    process.start()
    theirs.close()
    errors = json.loads(ours.recv_bytes()) if ours.poll(60) else {}
    process.kill()
    process.join()
    run = Run({int(place): text for place, text in errors.items()})
    run.seconds = {i: 0.0 for i, cell in enumerate(nb.cells) if cell.cell_type == "code"}
    return run


def in_a_fork(
    pipe: Connection, nb: NotebookNode, tests: dict[str, str], rewrite: Callable[[str], str]
) -> None:
    """Run the cells, and send the errors."""
    errors: dict[int, str] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        sys.path.insert(0, "")
        sys.stdin = io.StringIO()
        warnings.simplefilter("default")
        asyncio.set_event_loop(asyncio.new_event_loop())
        InteractiveShell.clear_instance()
        main = sys.modules["__main__"] = ModuleType("__main__")  # where a kernel's cells run
        shell = InteractiveShell.instance(user_module=main)
        shell.showtraceback = lambda *_, **__: None
        shell.enable_gui = lambda *_: None
        for place, cell in enumerate(nb.cells):
            if cell.cell_type == "code":
                source = tests.get(cell.source) or rewrite(cell.source)
                done = shell.run_cell(source, store_history=True)
                if error := done.error_before_exec or done.error_in_exec:
                    about = {"ename": type(error).__name__, "evalue": str(error)}
                    errors[place] = in_a_line(about, 0)
    pipe.send_bytes(json.dumps(errors).encode())
    os._exit(0)


def visible_to_whole() -> dict[str, str]:
    """Each test as students see it -> with its hidden part."""
    tests = [c.source for c in skeleton().cells if grade_id(c).startswith("test_")]
    return {HIDDEN.sub("", source): source for source in tests}


def passed_in_plain(nb: NotebookNode) -> set[str]:
    """The exercises whose whole test passes in the plain shell."""
    tests = visible_to_whole()
    errors = plain_run(nb, tests, str).errors
    names = {HIDDEN.sub("", c.source): grade_id(c) for c in skeleton().cells if grade_id(c)}
    return {
        names[cell.source].removeprefix("test_")
        for place, cell in enumerate(nb.cells)
        if cell.source in tests and place not in errors
    }


def passed_for_submit(nb: NotebookNode) -> set[str]:
    """The exercises that `submit` calls done."""
    kinds = {"twice": "Two", "thrice": "Three", "quadruple": "Four"}
    cells = [{"name": n, "kind": "solution", "heading": h} for n, h in kinds.items()]
    cells += [
        {"name": f"test_{n}", "kind": "test", "heading": h, "points": 2} for n, h in kinds.items()
    ]
    lab = {"cells": cells, "files": []}
    same = copy.deepcopy(nb)
    for cell in same.cells:  # nbgrader has written checksums into what students get
        if cell.source in visible_to_whole() and grade_id(cell):
            cell.metadata.nbgrader["checksum"] = compute_checksum(cell)
    ran = plain_run(nb, {}, runnable)
    outcome = Outcome(same, lab, ran)
    list(outcome.exercises())  # none of its sentences fails
    return {name for name in kinds if outcome.passed(name)}


def passed_in_grader(exam: Exam, nb: NotebookNode) -> tuple[set[str], dict[str, str]]:
    """The exercises that get their points, and what the others are told."""
    found = work(exam, f"{LAB}.ipynb", nbformat.writes(nb).encode()).judgements
    wrong = {j.exercise: j.text for j in found if not j.passed}
    return {j.exercise for j in found if j.passed}, wrong


def problems(exam: Exam, case: Case, plain: set[str]) -> list[str]:
    """Whatever is marked otherwise than it should be.

    Args:
        exam: the lab.
        case: the notebook.
        plain: the exercises that pass in the plain shell.
    """
    graded, told = passed_in_grader(exam, case.notebook)
    lost = [f"{name} passes in a plain shell: {told[name]}" for name in sorted(plain - graded)]
    if lost or graded >= set(FACTORS):
        return lost
    promised = passed_for_submit(case.notebook) - graded
    return [f"submit says {name} is done: {told[name]}" for name in sorted(promised)]


def exam_of() -> Exam:
    return Exam(LAB, nbformat.writes(skeleton()), (), 1, LIMITS)


@pytest.mark.parametrize("number", random.Random(3).sample(range(len(cases())), 10))
def test_what_passes_in_a_plain_shell_gets_its_points(number: int) -> None:
    case = cases()[number]
    assert problems(exam_of(), case, passed_in_plain(case.notebook)) == [], case.what


def test_the_oracle_tells_right_from_wrong() -> None:
    nb = released()
    assert passed_in_plain(nb) == passed_for_submit(nb) == set()
    for name, factor in FACTORS.items():
        nb.cells[cell_of(nb, name)].source = f"def {name}(x): return {factor} * x"
    assert passed_in_plain(nb) == passed_for_submit(nb) == set(FACTORS)
    nb.cells[cell_of(nb, "twice")].source = "def twice(x): return 6"
    assert passed_in_plain(nb) == set(FACTORS) - {"twice"}  # the hidden part tells
    assert passed_for_submit(nb) == set(FACTORS)


def main() -> None:
    """All notebooks; the exit status says whether all were marked rightly."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    exam, made, bad, passing = exam_of(), cases(seed), 0, 0
    for number, case in enumerate(made):
        plain = passed_in_plain(case.notebook)
        passing += len(plain)
        for problem in problems(exam, case, plain):
            bad += 1
            print(f"\n{number}: {problem}\n{case.what}", flush=True)
    count = len(made) * len(FACTORS)
    print(
        f"{len(made)} odd notebooks (seed {seed}): {passing} of {count} exercises pass in a plain"
    )
    print(f"shell; {bad} exercises are marked otherwise")
    fork_server_for(exam.limits, unsafe=False).stop()
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
