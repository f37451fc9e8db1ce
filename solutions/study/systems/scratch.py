"""The systems that prune random weights and then train, and what they are compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from pruninglab.masks import random_masks
from pruninglab.models import ResNet20
from solutions.lab1_structures.exercises import global_masks
from solutions.lab2_criteria.exercises import magnitude_scores
from solutions.lab6_further import exercises as further
from solutions.study.job import Job, Pruned, System, after, replayed
from solutions.study.systems.words import SINGLE, TIMES

COMPRESSIONS = (10.0, 31.6, 100.0, 1000.0)  # weights before / after


def synflow(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """SynFlow 2020: prune random weights in a hundred rounds, then train."""
    for compression in targets:
        model = ResNet20(16, seed=job.seed).to(job.device)
        masks = further.synflow_masks(
            model, lambda m: further.synflow_scores(m, (3, 32, 32)), 1 / compression, 100
        )
        yield scratch(job, f"x{compression}", model, masks, compression)


def magnitude_at_init(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """The control that SynFlow is compared with: the same, by the magnitude of random weights."""
    for compression in targets:
        model = ResNet20(16, seed=job.seed).to(job.device)
        masks = global_masks(magnitude_scores(model), 1 - 1 / compression)
        yield scratch(job, f"x{compression}", model, masks, compression)


def random_at_init(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """The control of both: the same, by chance."""
    for compression in targets:
        model = ResNet20(16, seed=job.seed).to(job.device)
        generator = torch.Generator().manual_seed(job.seed)
        masks = random_masks(model, 1 - 1 / compression, generator)
        yield scratch(job, f"x{compression}", model, masks, compression)


def unpruned(job: Job, _: Sequence[float]) -> Iterator[Pruned]:
    """The dense network trained as long as SynFlow's: what its accuracies are to be compared to."""
    model = ResNet20(16, seed=job.seed).to(job.device)
    yield scratch(job, "dense", model, {}, 1.0)


def scratch(
    job: Job, name: str, model: nn.Module, masks: dict[str, Tensor], target: float
) -> Pruned:
    """Train from random weights with these masks."""
    loop = job.loop(name)
    loop(model, masks, replayed(job.steps(job.budget.scratch), peak=0.4))
    return after(target, model, loop)


SYSTEMS = [
    System(
        name="SynFlow 2020", structure=SINGLE, criterion="synaptic flow, global",
        method="before training, 100 rounds", target=TIMES, run=synflow, targets=COMPRESSIONS,
        epochs="scratch", panels=("scratch",),
    ),
    System(
        name="Unpruned from scratch", structure="nothing", criterion="none", method="none",
        target=TIMES, run=unpruned, targets=(1.0,), epochs="scratch", panels=("scratch",),
        role="dense",
    ),
    System(
        name="Magnitude at initialisation", structure=SINGLE, criterion="magnitude, global",
        method="before training, at once", target=TIMES, run=magnitude_at_init,
        targets=COMPRESSIONS, epochs="scratch", panels=("scratch",), role="magnitude",
    ),
    System(
        name="Random at initialisation", structure=SINGLE, criterion="chance",
        method="before training, at once", target=TIMES, run=random_at_init,
        targets=COMPRESSIONS, epochs="scratch", panels=("scratch",), role="chance",
    ),
]  # fmt: skip
