"""What a system of the lecture is given and what it yields, and the schedules that all share.

"The dense training" that the papers speak of is the second cycle of ours: 22 epochs, up to 0.1 and
down to 0 (`pruninglab.checkpoints`). Fine-tuning holds its last learning rate, LR-rewinding replays
it, compressed to the epochs at hand.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pruninglab import checkpoints
from pruninglab.data import Images, batches
from pruninglab.models import ResNet20
from pruninglab.results.records import Record
from pruninglab.training import triangular
from pruninglab.training.loop import Batch, Loop
from solutions.lab2_criteria.exercises import recalibrate_bn

CYCLE = [triangular(0.1)((epoch + 0.5) / 22) for epoch in range(22)]  # learning rate per epoch
HIGH = 0.1
PENALTY = 2e-3  # λ for one epoch: `python -m solutions.study.penalty` compared three


@dataclass(frozen=True)
class Budget:
    """How long is trained, in passes over the training images.

    Attributes:
        retrain: after pruning, for each target (each round, where there are rounds).
        scratch: from random weights.
    """

    retrain: int
    scratch: int


BUDGETS = {"quick": Budget(retrain=1, scratch=3), "full": Budget(retrain=40, scratch=160)}


@dataclass(frozen=True)
class Job:
    """What a system needs to know about its run."""

    images: Images
    val: Images
    seed: int
    budget: Budget
    folder: Path
    device: torch.device
    compiled: bool = True
    dense_seed: int = 0

    def dense(self) -> ResNet20:
        """A fresh copy of the trained network."""
        return checkpoints.trained(16, self.dense_seed).to(self.device)

    def loop(self, name: object, *, shrinks: bool = False, keep: bool = False) -> Loop:
        """A training loop with its own checkpoints; compiled if the network keeps its shape."""
        return Loop(
            self.images, self.seed, folder=self.folder / str(name),
            compiled=self.compiled and not shrinks, keep=keep,
        )  # fmt: skip

    def steps(self, epochs: float | None = None) -> int:
        """Training steps of so many epochs (of a retraining, if not said)."""
        per_epoch = max(1, len(self.images) // 125)
        return round(per_epoch * (self.budget.retrain if epochs is None else epochs))


@dataclass
class Pruned:
    """A pruned network, what was asked for, and what its training took."""

    target: float | None
    model: nn.Module
    epochs: float
    seconds: float


@dataclass(frozen=True)
class System:
    """A system, the three answers that make it one, and what it is asked for.

    Attributes:
        target: what the targets mean, in words.
        run: `run(job, targets)` yields a pruned network for each of these targets, in their order.
        targets: what it is asked for; empty if it asks for nothing.
        apart: whether each target is a run of its own, so that one can be added later.
    """

    name: str
    structure: str
    criterion: str
    method: str
    target: str
    run: Callable[[Job, Sequence[float]], Iterator[Pruned]]
    targets: tuple[float, ...] = ()
    apart: bool = True

    def missing(self, record: Record) -> tuple[float, ...] | None:
        """The targets that have to be run to complete a record; None if it is complete."""
        there = {point.target for point in record.points}
        new = tuple(target for target in self.targets if target not in there)
        if record.points and not new:
            return None
        return new if self.apart else self.targets


def replayed(steps: int, peak: float = HIGH) -> list[float]:
    """The whole cycle, up to `peak` and down to 0, compressed to `steps` steps."""
    return [triangular(peak)((step + 0.5) / steps) for step in range(steps)]


def penalty(epochs: float) -> float:
    """The λ of Liu's code is 0.0001 for VGG (0.00001 for ResNets), for 160 epochs.

    A short training needs a stronger pull.

    >>> penalty(1), penalty(160)
    (0.002, 0.0001)
    """
    return max(1e-4, PENALTY / epochs)


def after(target: float | None, model: nn.Module, loop: Loop) -> Pruned:
    """The network as it is when the loop has done its work."""
    return Pruned(target, model, loop.epochs, loop.seconds)


class Rounds:
    """A training loop that copies the network after each call: the rounds of a recipe."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.found = loop, list[Pruned]()

    def __call__(self, model: nn.Module, *arguments: Any) -> list[Batch]:
        """Train, then copy."""
        used = self.loop(model, *arguments)
        self.found.append(after(None, copy.deepcopy(model), self.loop))
        return used


def remeasure(model: nn.Module, job: Job) -> None:
    """The statistics of BN on 2,000 training images, for networks that are not trained any more."""
    recalibrate_bn(model, list(batches(job.images[:2000].to(job.device), 125)))
