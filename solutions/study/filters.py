"""The systems of the lecture that remove filters of the trained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from pruninglab import amc, counters
from pruninglab.training import accuracy
from solutions.lab1_structures.exercises import free_convs
from solutions.lab2_criteria.exercises import filter_masks
from solutions.lab3_methods.exercises import cubic_sparsity, retraining_lrs
from solutions.lab4_papers import exercises as papers
from solutions.lab6_further import exercises as further
from solutions.study.job import CYCLE, Job, Pruned, after, penalty, remeasure, replayed

SENSITIVE = ("layer2.0.conv1", "layer3.0.conv1")  # where the resolution changes, as in Li 2016
EPISODES = 120  # of AMC's agent


def li(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """Li 2016: L1 norm per layer, at once, last learning rate; two layers left alone."""
    for target in targets:
        model, loop = job.dense(), job.loop(target, shrinks=True)
        epochs = job.budget.retrain
        papers.li2016(model, target, SENSITIVE, CYCLE, epochs, job.steps(1), loop)
        yield after(target, model, loop)


def zhu(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """Zhu & Gupta 2017 on filters: L1 norm per layer, by the cubic, over a replayed cycle.

    What goes is removed at once: weights held at zero would be the smallest next time, too.
    """
    lrs = replayed(job.steps())
    every = max(1, len(lrs) * 3 // 4 // 10)
    for target in targets:
        model, loop = job.dense(), job.loop(target, shrinks=True)
        sizes = {n: len(model.get_parameter(f"{n}.weight")) for n in free_convs(model)}
        for update in range(11):
            share = cubic_sparsity(update * every, 0, every, 10, target)
            for name, size in sizes.items():
                weight = model.get_parameter(f"{name}.weight")
                gone = 1 - (size - round(share * size)) / len(weight)
                papers.shrink(model, {name: papers.filter_mask(weight, gone)})
            last = len(lrs) if update == 10 else (update + 1) * every
            loop(model, {}, lrs[update * every : last])
        yield after(target, model, loop)


def liu(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """Liu 2017: penalty on γ, global ranking, removal, and the same schedule again."""
    lrs, strength = replayed(job.steps()), penalty(job.budget.retrain)
    for target in targets:
        model, loop = job.dense(), job.loop(target, shrinks=True)
        papers.liu2017(model, strength, target, lrs, loop)
        yield after(target, model, loop)


def molchanov(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """Molchanov 2019: gates, ten removals in half of the epochs, the other half to recover."""
    filters = sum(len(job.dense().get_parameter(f"{n}.weight")) for n in free_convs(job.dense()))
    for target in targets:
        model, loop = job.dense(), job.loop(target, shrinks=True, keep=True)
        half = job.steps() // 2
        papers.molchanov2019(model, 10, round(target * filters / 10), half // 10, half, 0.01, loop)
        yield after(target, model, loop)


def he_soft(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """He 2018 (SFP): soft for all epochs, at a tenth of the learning rate (trained network).

    The last removal is not followed by any training, so the statistics of BN are measured anew.
    """
    turns = 10 * job.budget.retrain  # ten selections an epoch, where the paper has one
    lrs = [rate / 10 for rate in replayed(turns)]
    for target in targets:
        model, loop = job.dense(), job.loop(target)
        papers.he2018(model, target, lrs, job.steps(1) // 10, loop)
        remeasure(model, job)
        yield after(target, model, loop)


def amc_search(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """AMC 2018: an agent chooses the sparsity of each layer; then removal and fine-tuning."""
    model, images = job.dense(), job.val[:300].to(job.device)
    layers, whole = amc.layers_of(model, free_convs(model)), counters.macs(model)

    def reward(choice: amc.Choice) -> float:
        return further.amc_reward(model, choice, lambda m: accuracy(m, images, bf16=None))

    for target in targets:
        history = amc.search(
            layers, reward, further.bounded_sparsity, target=target * whole, episodes=EPISODES,
            agent=amc.Agent(job.seed), progress=False,
        )  # fmt: skip
        pruned, loop = job.dense(), job.loop(target, shrinks=True)
        for name, share in amc.best(history).choice.items():
            weight = pruned.get_parameter(f"{name}.weight")
            papers.shrink(pruned, {name: papers.filter_mask(weight, share)})
        loop(pruned, {}, retraining_lrs(CYCLE, 1, job.steps(), rewind=False))
        yield after(target, pruned, loop)


def random_filters(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """The control for filters: by chance, once, then a replayed cycle."""
    for target in targets:
        model, loop = job.dense(), job.loop(target, shrinks=True)
        generator = torch.Generator().manual_seed(job.seed)
        sizes = {n: len(model.get_parameter(f"{n}.weight")) for n in free_convs(model)}
        scores = {name: torch.rand(size, generator=generator) for name, size in sizes.items()}
        papers.shrink(model, filter_masks(scores, target))
        loop(model, {}, replayed(job.steps()))
        yield after(target, model, loop)
