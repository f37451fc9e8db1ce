"""A plan of sparsities and learning rates, one of each per training step: what it is worth.

A ResNet-20 that is 4 wide is pruned by magnitude and trained as the plan says, and compared with
one that follows a reference for as many steps, on the same batches.
"""

from __future__ import annotations

import functools
import itertools
import math
import statistics
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab import checkpoints, data
from pruninglab.checks.allocation import whole_subset
from pruninglab.checks.ranking import highest
from pruninglab.data import Images
from pruninglab.masks import apply
from pruninglab.models import prunable
from pruninglab.training import accuracy, triangular

STEPS, FINAL = 36, 0.9
BATCH = 64
Plan = Sequence[tuple[float, float]]  # (sparsity, learning rate) of each step


def fault(plan: Plan, steps: int, final: float) -> str:
    """Say what is wrong with the form of a plan; nothing if it can be followed.

    >>> fault([(0.5, 0.1), (0.8, 0.1)], steps=2, final=0.9)
    'the last sparsity is 0.8, not 0.9'
    >>> fault([(0.5, 0.1), (0.9, 0.1)], steps=2, final=0.9)
    ''
    """
    if len(plan) != steps:
        return f"{len(plan)} entries for {steps} steps"
    for step, (sparsity, lr) in enumerate(plan):
        if not 0 <= sparsity <= 1:
            return f"step {step} has the sparsity {sparsity:.4g}, not one from 0 to 1"
        if not 0 <= lr < math.inf:
            return f"step {step} has the learning rate {lr:.4g}"
    last = plan[-1][0]
    return "" if abs(last - final) < 1e-6 else f"the last sparsity is {last:.4g}, not {final:.4g}"


def reference(steps: int, final: float) -> list[tuple[float, float]]:
    """Plan as Zhu & Gupta (2017) do, with the rates of Renda et al. (2020).

    The cubic curve reaches its end after two thirds of the steps, in nine updates; the rates are
    the last two thirds of a triangle, in four stairs.

    >>> [round(sparsity, 2) for sparsity, _ in reference(12, 0.9)]
    [0.0, 0.3, 0.52, 0.68, 0.79, 0.85, 0.89, 0.9, 0.9, 0.9, 0.9, 0.9]
    """
    whole = triangular(checkpoints.CHOSEN["peak"] / 4)
    updates = (min(12 * step // steps, 8) / 8 for step in range(steps))
    rates = (whole((4 * step // steps + 2.5) / 6) for step in range(steps))
    return [(final * (1 - (1 - done) ** 3), lr) for done, lr in zip(updates, rates, strict=True)]


def follow(plan: Plan, seed: int) -> nn.Module:
    """Prune and train a network by a plan: new masks in each step, zeros held at zero.

    Args:
        seed: order and augmentation of the training images.
    """
    network = checkpoints.trained(4).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(
        network.parameters(), lr=0.0, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    for (sparsity, lr), (x, y) in zip(plan, _stream(seed), strict=False):
        keep = highest({name: w.abs() for name, w in prunable(network).items()}, sparsity)
        apply(network, keep)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()
        apply(network, keep)
    return network.eval()


def _stream(seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    images = whole_subset("train")
    for _ in itertools.count():
        yield from data.batches(images, BATCH, train=True, generator=generator)


# The reference rivals every plan, and a check that is run again trains nothing new.
_followed = functools.lru_cache(maxsize=16)(follow)


def gain_over_reference(plan: Plan, seeds: Sequence[int], images: Images) -> float:
    """Measure how much more accurate a plan is than the reference with as many steps.

    Args:
        plan: one without a `fault`.
        seeds: each gives both networks the same batches.

    Returns:
        A difference of mean accuracies: 0.05 is five points.
    """
    mine = tuple((float(sparsity), float(lr)) for sparsity, lr in plan)
    rival = tuple(reference(len(mine), mine[-1][0]))
    return statistics.mean(
        accuracy(_followed(mine, seed), images) - accuracy(_followed(rival, seed), images)
        for seed in seeds
    )
