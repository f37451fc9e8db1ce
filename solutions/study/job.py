"""What a system of the lecture is given and what it yields, and the terms that all share.

Equal terms (budgets "quick" and "standard"): each target gets the same number of epochs, all of its
rounds, penalties and searches included, and one learning rate schedule: up to 0.1 in the first
fifth of these epochs, then down to 0. What a paper's recipe says of learning rates is left aside,
except where the schedule is what is compared (the lecture's curves, Renda et al.'s rounds).
"full" is the other kind: each paper's own rates and lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from pruninglab import checkpoints
from pruninglab.data import Images, batches
from pruninglab.models import ResNet20
from pruninglab.results.records import Record
from pruninglab.training import triangular
from solutions.lab2_criteria.exercises import recalibrate_bn
from solutions.study.steps import Steps

HIGH = 0.1
# "The dense training" of the papers, for fine-tuning, which holds its last learning rate: 22
# epochs, up to 0.1 and down to 0.
CYCLE = [triangular(HIGH)((epoch + 0.5) / 22) for epoch in range(22)]
PENALTY = 2e-3  # λ for one epoch: `python -m solutions.study.penalty` compared three


@dataclass(frozen=True)
class Budget:
    """How long is trained, in passes over the training images.

    Attributes:
        retrain: for each target after the dense network, everything included.
        scratch: from random weights.
        long: for what one short training cannot show: SFP and Variational Dropout.
        rewards: choices that AMC and its controls may measure.
        papers: whether the learning rates and lengths are each paper's own.
    """

    retrain: int
    scratch: int
    long: int = 1
    rewards: int = 3
    papers: bool = False


BUDGETS = {
    "quick": Budget(retrain=1, scratch=3, long=4, rewards=120),
    "standard": Budget(retrain=10, scratch=12, long=40, rewards=300),
    "full": Budget(retrain=40, scratch=160, long=200, rewards=800, papers=True),
}


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
    until: float | None = None  # when to stop at the next state, as of `time.time()`

    def dense(self) -> ResNet20:
        """A fresh copy of the trained network."""
        return checkpoints.trained(16, self.dense_seed).to(self.device)

    def loop(
        self, name: object, lrs: Sequence[float] | None = None, *,
        shrinks: bool = False, keep: bool = False, every: int | None = None,
    ) -> Steps:  # fmt: skip
        """A training loop with its own states on disk.

        Args:
            lrs: one schedule for all calls; each call's own rates if not given.
            shrinks: whether layers get smaller; only networks of one shape are compiled.
            keep: return the minibatches of each call.
            every: steps between two states, where the recipe makes one step a call.
        """
        return Steps(
            self.images, self.seed, folder=self.folder / str(name), lrs=lrs, every=every,
            compiled=self.compiled and not shrinks, keep=keep, until=self.until,
        )  # fmt: skip

    def shared(self) -> list[float] | None:
        """The one schedule of equal terms; None where each paper has its own rates."""
        return None if self.budget.papers else replayed(self.steps())

    def steps(self, epochs: float | None = None) -> int:
        """Training steps of so many epochs (of a retraining, if not said)."""
        per_epoch = max(1, len(self.images) // 125)
        return round(per_epoch * (self.budget.retrain if epochs is None else epochs))

    def part(self, parts: int) -> int:
        """Steps of one round: a part of the retraining; in a paper's own recipe, all of it."""
        return self.steps() if self.budget.papers else max(1, self.steps() // parts)


@dataclass
class Pruned:
    """A pruned network, what was asked for, and what its training took."""

    target: float | None
    model: nn.Module
    epochs: float
    seconds: float


def once(target: float) -> int:
    """Trainings of a target: one."""
    return 1


@dataclass(frozen=True, kw_only=True)
class System:
    """A system: the three answers that make it one, what it is asked for, where it is shown.

    Attributes:
        target: what the targets mean, in words.
        run: `run(job, targets)` yields a pruned network for each of these targets, in their order.
        targets: what it is asked for.
        epochs: which length of a `Budget` a target takes; None if nothing is trained.
        rounds: how many times that length a target takes by its paper's own recipe.
        shared: the part of a target's epochs that serves all targets; if there is one, they are
            one run, else each is a run of its own.
        core: whether it is run before all others.
        panels, role, label, published: as of a `Record`.
    """

    name: str
    structure: str
    criterion: str
    method: str
    target: str
    run: Callable[[Job, Sequence[float]], Iterator[Pruned]]
    targets: tuple[float, ...]
    panels: tuple[str, ...]
    epochs: str | None = "retrain"
    rounds: Callable[[float], int] = once
    shared: float = 0.0
    core: bool = False
    role: str = "method"
    label: str = ""
    published: Mapping[str, str] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether it trains as long as all others, so that it may be ranked among them."""
        return self.epochs == "retrain"

    def due(self, budget: Budget) -> float:
        """Epochs of each target."""
        return float(getattr(budget, self.epochs)) if self.epochs else 0.0

    def cost(self, budget: Budget, targets: Sequence[float]) -> float:
        """Epochs of a run."""
        each = [self.due(budget) * (self.rounds(t) if budget.papers else 1) for t in targets]
        return (1 - self.shared) * sum(each) + self.shared * max(each, default=0.0)

    def same(self, record: Record) -> bool:
        """Whether a record says the same of itself; else it was made by another recipe."""
        ours = (self.structure, self.criterion, self.method, self.target)
        return ours == (record.structure, record.criterion, record.method, record.target)

    def missing(self, record: Record) -> tuple[float, ...]:
        """The targets that have to be run to complete a record."""
        there = {point.target for point in record.points} if self.same(record) else set()
        new = tuple(target for target in self.targets if target not in there)
        return self.targets if new and self.shared else new


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


def after(target: float | None, model: nn.Module, loop: Steps) -> Pruned:
    """The network as it is when the loop has done its work."""
    return Pruned(target, model, loop.epochs, loop.seconds)


def remeasure(model: nn.Module, job: Job, images: int = 2000) -> None:
    """The statistics of BN on training images, for networks that are not trained any more."""
    recalibrate_bn(model, list(batches(job.images[:images].to(job.device), 125)))
