"""The systems of the lecture on full CIFAR-10, put together from the functions of the labs.

Each is a generator: given a `Job` and targets, it yields pruned networks as `Pruned`. All start
from the same trained ResNet-20, except SynFlow and its controls, which prune random weights, and
the narrow networks. A system's row is beside its runner.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pruninglab.results.records import Record
from solutions.study.job import BUDGETS, System
from solutions.study.systems import at_once, filters, lecture, scratch, search, soft, weights


def systems() -> Sequence[System]:
    """All of them, in the order in which they are run: what others are compared with first."""
    rooms = (lecture, weights, filters, at_once, search, scratch, soft)
    rows = [system for room in rooms for system in room.SYSTEMS]
    return sorted(rows, key=lambda system: not system.core)


def presentable(records: Iterable[Record]) -> list[Record]:
    """The records of one budget and of equally many dense networks, to be shown together.

    Of the longest budget, and of the dense networks from which all core systems have been run; as
    long as there is no such budget, of the shortest one from dense network 0.
    """
    found = list(records)
    core = {system.name for system in systems() if system.core}
    for budget in reversed(BUDGETS):
        here = [record for record in found if record.budget == budget]
        seeds = {
            seed for seed in {record.dense_seed for record in here}
            if core <= {record.system for record in here if record.dense_seed == seed}
        }  # fmt: skip
        if seeds:
            return [record for record in here if record.dense_seed in seeds]
    return [r for r in found if r.budget == next(iter(BUDGETS)) and r.dense_seed == 0]
