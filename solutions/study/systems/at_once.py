"""Single weights pruned at once and not trained again: what each criterion is worth by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.data import batches
from pruninglab.masks import apply
from pruninglab.models import prunable
from solutions.lab1_structures.exercises import global_masks, local_masks
from solutions.lab2_criteria.exercises import gradient_scores, magnitude_scores
from solutions.study.job import Job, Pruned, System, remeasure
from solutions.study.systems.words import NO_MORE, OF_ALL, OF_EACH, SINGLE

SHARES = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the weights

Scores = dict[str, Tensor]


def magnitude(model: nn.Module, job: Job) -> Scores:
    """|w|."""
    return magnitude_scores(model)


def gradient(model: nn.Module, job: Job) -> Scores:
    """|dL/dw| over one minibatch of 125 training images, another one for each seed."""
    generator = torch.Generator().manual_seed(job.seed)
    x, y = next(batches(job.images, 125, train=True, generator=generator))
    return gradient_scores(model, x.to(job.device), y.to(job.device))


def weight_times_gradient(model: nn.Module, job: Job) -> Scores:
    """|w · dL/dw|: how much the loss would change without the weight, to first order."""
    slopes, sizes = gradient(model, job), magnitude_scores(model)
    return {name: sizes[name] * slope for name, slope in slopes.items()}


def chance(model: nn.Module, job: Job) -> Scores:
    """The control."""
    generator = torch.Generator().manual_seed(job.seed)
    return {n: torch.rand(w.shape, generator=generator).to(w.device)
            for n, w in prunable(model).items()}  # fmt: skip


def at_once(
    job: Job, targets: Sequence[float], scores: Callable[[nn.Module, Job], Scores],
    masks: Callable[[Scores, float], Scores] = global_masks, recalibrated: bool = False,
) -> Iterator[Pruned]:  # fmt: skip
    """The weights of the lowest scores at zero, and no training after it.

    Args:
        masks: one ranking of all weights, or one for each layer.
        recalibrated: whether the statistics of BN are measured again.
    """
    for target in targets:
        model = job.dense()
        apply(model, masks(scores(model, job), target))
        if recalibrated:
            remeasure(model, job)
        yield Pruned(target, model, 0.0, 0.0)


def row(
    name: str, criterion: str, target: str = OF_ALL, role: str = "method", **how: Any
) -> System:
    """A criterion's row."""
    return System(
        name=f"At once: {name}", label=name, structure=SINGLE, criterion=criterion, method=NO_MORE,
        target=target, run=partial(at_once, **how), targets=SHARES, epochs=None,
        panels=("not retrained",), role=role,
    )  # fmt: skip


SYSTEMS = [
    row("magnitude", "magnitude, global", scores=magnitude, role="magnitude"),
    row("magnitude, BN recalibrated", "magnitude, global", scores=magnitude, recalibrated=True),
    row("magnitude per layer", "magnitude, per layer", OF_EACH, scores=magnitude,
        masks=local_masks),
    row("weight x gradient", "|w dL/dw|, global", scores=weight_times_gradient),
    row("gradient", "|dL/dw|, global", scores=gradient),
    row("chance", "chance", scores=chance, role="chance"),
]  # fmt: skip
