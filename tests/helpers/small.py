"""The systems of the results on a network 4 filters wide and few images: seconds, not hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from pruninglab import checkpoints, data
from pruninglab.models import ResNet20
from pruninglab.results.records import Record
from solutions.study import job, run
from solutions.study.job import System
from solutions.study.systems import scratch, search, weights

really_trained, really_normalised = checkpoints.trained, data.normalise


def trained(width: int = 16, seed: int = 0) -> ResNet20:
    """The trained network of 4 filters, however many are asked for."""
    model = ResNet20(4)
    model.load_state_dict(really_trained(4).state_dict())
    return model.eval()


def fresh(width: int, seed: int = 0) -> ResNet20:
    """Random weights, 4 filters wide."""
    return ResNet20(4, seed=seed)


def load(name: str, split: str) -> data.Images:
    """500 images are left when the held-out ones are gone: 4 steps an epoch."""
    return data.subset("test")[:200] if split == "test" else data.subset("train")[:1500]


def coarse(pixels: Tensor, name: str = "cifar10") -> Tensor:
    """Every fourth pixel of each row and column: a step takes a sixth of the time."""
    return really_normalised(pixels[..., ::4, ::4], name)


SMALL: list[tuple[Any, str, Any]] = [
    (checkpoints, "trained", trained),
    (scratch, "ResNet20", fresh),
    (search, "FOR_BN", 50),
    (weights, "IMAGES", 5),
    (data, "load", load),
    (job.BUDGETS, "quick", job.Budget(retrain=1, scratch=1)),
    (job.BUDGETS, "full", job.Budget(retrain=3, scratch=1, long=2, papers=True)),
]
# Quicker still, where nothing has to happen while a run goes on.
TINY = [*SMALL, (data, "normalise", coarse)]


def put(thing: Any, name: str, value: Any) -> None:
    """Change a module or a dict for good: what a worker process does at its start."""
    if isinstance(thing, dict):
        thing[name] = value
    else:
        setattr(thing, name, value)


def record(
    system: System | None = None,
    seed: int = 0,
    accuracies: Sequence[tuple[float, float]] = ((0.5, 0.9), (0.8, 0.7)),
    budget: str = "quick",
    dense: int = 0,
) -> Record:
    """A record with made-up points, of one epoch each: (target = sparsity, accuracy)."""
    made = run.blank(system or run.system_named("Li 2016"), seed, budget, dense)
    made.epochs = 1.0
    for target, accuracy in accuracies:
        left = round(made.dense.nonzeros * (1 - target))
        point = replace(
            made.dense, target=target, sparsity=target, nonzeros=left, epochs=1.0,
            nonzero_macs=round(made.dense.macs * (1 - target)), val=accuracy, test=accuracy,
        )  # fmt: skip
        made.points.append(point)
    return made
