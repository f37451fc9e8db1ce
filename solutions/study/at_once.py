"""Single weights pruned at once and not trained again: what each criterion is worth by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from pruninglab.data import batches
from pruninglab.masks import apply
from pruninglab.models import prunable
from solutions.lab1_structures.exercises import global_masks
from solutions.lab2_criteria.exercises import gradient_scores, magnitude_scores
from solutions.study.job import Job, Pruned, remeasure

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
        recalibrated: whether the statistics of BN are measured anew.
    """
    for target in targets:
        model = job.dense()
        apply(model, masks(scores(model, job), target))
        if recalibrated:
            remeasure(model, job)
        yield Pruned(target, model, 0.0, 0.0)
