"""The measurement of layouts: every contestant runs, and rates are images over seconds."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from solutions.study import layouts


def test_a_rate_is_images_over_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 0.0}
    monkeypatch.setattr(layouts.time, "perf_counter", lambda: clock["now"])

    def step_of(batch: int, compiled: bool) -> Callable[[], None]:
        return lambda: clock.update(now=clock["now"] + 2.0)

    monkeypatch.setattr(layouts, "step_of", step_of)
    assert layouts.images_a_second(64, False, seconds=5.0) == 32  # three steps of two seconds


def test_the_sentence_about_one_core_has_its_numbers() -> None:
    text = layouts.one_core(batch=4)
    shares = [int(share) for share in re.findall(r"(\d+)%[,;]", text)]
    assert len(shares) == 3
    assert sum(shares) == pytest.approx(100, abs=2)
    assert re.search(r"make \d+ GFLOP/s, \d+% of a matrix product's", text)
