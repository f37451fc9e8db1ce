"""The benchmark runs, and computes its ratios as it says."""

from __future__ import annotations

import pytest

from pruninglab.data import subset
from pruninglab.dev import bench


def test_every_contestant_runs_once_a_round_after_a_warm_up() -> None:
    calls: list[str] = []

    def contestant(name: str, seconds: float) -> bench.Round:
        return lambda: calls.append(name) or seconds

    results = bench.compare({"a": contestant("a", 0.2), "b": contestant("b", 0.1)}, 2, "test")
    assert calls == ["a", "b"] * 3
    assert [r.seconds for r in results] == [[0.2, 0.2], [0.1, 0.1]]
    assert bench.table("t", results).splitlines()[-2:] == [
        "| a | 200.0 | 200.0–200.0 | 640 | 1.00 |",
        "| b | 100.0 | 100.0–100.0 | 1,280 | 2.00 |",
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # multi-threaded fork of the workers
def test_the_usual_way_sees_the_same_kind_of_batches() -> None:
    images = subset("val")
    x, y = next(iter(bench.usual_loader(images)))
    ours, labels = next(bench.our_batches(images))
    assert x.shape == ours.shape == (128, 3, 32, 32)
    assert y.dtype == labels.dtype
    middle = (..., slice(4, 28), slice(4, 28))  # torchvision pads with black, we with grey
    assert x[middle].mean().item() == pytest.approx(ours[middle].mean().item(), abs=0.2)
    assert x[middle].std().item() == pytest.approx(ours[middle].std().item(), abs=0.1)


def test_masked_steps_are_measured() -> None:
    names = [r.name for r in bench.masked_step(subset("val"), rounds=1, steps=1)]
    assert names == ["dense", "masks.hold", "torch.nn.utils.prune"]


def test_a_round_times_its_steps_and_not_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 0.0, "slept": 0.0}
    monkeypatch.setattr(bench.time, "perf_counter", lambda: clock["now"])
    monkeypatch.setattr(bench.time, "sleep", lambda s: clock.update(slept=clock["slept"] + s))

    def step() -> None:
        clock["now"] += 2.0

    assert bench.timed(step, 3, pause=1.0, untimed=4)() == 2.0
    assert clock == {"now": 14.0, "slept": 1.0}
