"""The systems of the lecture that remove filters of the trained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import torch

from pruninglab import checkpoints
from pruninglab.models import ResNet20
from solutions.lab1_structures.exercises import free_convs
from solutions.lab2_criteria.exercises import filter_masks
from solutions.lab3_methods.exercises import cubic_sparsity
from solutions.lab4_papers import exercises as papers
from solutions.study.job import CYCLE, Job, Pruned, System, after, penalty, replayed
from solutions.study.systems.words import FILTERS, FREE, OF_FILTERS, ONE_SCHEDULE, REWOUND

SENSITIVE = ("layer2.0.conv1", "layer3.0.conv1")  # where the resolution changes, as in Li 2016
# Where numbers were published, and on both sides of 30, 50 and 70 % of the MACs.
LI = (0.14, 0.2, 0.3, 0.5, 0.7, 0.88)
SLIM = (0.3, 0.4, 0.5, 0.6, 0.72)
CUBIC = (0.31, 0.4, 0.51, 0.72)
AROUND = (0.31, 0.51, 0.72)  # which removes 30, 50 and 70 % of the MACs, about
WIDTHS = (8.0, 4.0)  # filters of the first stage


def li(job: Job, targets: Sequence[float], skip: Sequence[str]) -> Iterator[Pruned]:
    """Li 2016: L1 norm per layer, at once; some layers left alone."""
    for target in targets:
        model, loop = job.dense(), job.loop(target, job.shared(), shrinks=True)
        epochs = job.budget.retrain
        papers.li2016(model, target, skip, CYCLE, epochs, job.steps(1), loop)
        yield after(target, model, loop)


def zhu(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """Zhu & Gupta 2017 on filters: L1 norm per layer, by the cubic, over the schedule.

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


def liu(job: Job, targets: Sequence[float], penalised: bool = True) -> Iterator[Pruned]:
    """Liu 2017: half of the steps with a penalty on γ, global ranking, removal, the other half.

    Without the penalty (λ = 0), everything else is the same. By its paper, each half is a whole
    training of its own.
    """
    steps = job.part(2)
    strength = penalty(steps / job.steps(1)) if penalised else 0.0
    for target in targets:
        model, loop = job.dense(), job.loop(target, job.shared(), shrinks=True)
        papers.liu2017(model, strength, target, replayed(steps), loop)
        yield after(target, model, loop)


def molchanov(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """Molchanov 2019: gates, ten removals in half of the epochs, the other half to recover.

    The learning rate follows the schedule and so falls to the end.
    """
    filters = sum(len(job.dense().get_parameter(f"{n}.weight")) for n in free_convs(job.dense()))
    lrs = replayed(job.steps())
    every = max(1, len(lrs) // 2 // 10)
    for target in targets:
        model = job.dense()
        loop = job.loop(target, lrs, shrinks=True, keep=True, every=every)
        rest = len(lrs) - 10 * every
        papers.molchanov2019(model, 10, round(target * filters / 10), every, rest, 0.01, loop)
        yield after(target, model, loop)


def random_filters(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """The control for filters: by chance, once, then the schedule."""
    for target in targets:
        model, loop = job.dense(), job.loop(target, shrinks=True)
        generator = torch.Generator().manual_seed(job.seed)
        sizes = {n: len(model.get_parameter(f"{n}.weight")) for n in free_convs(model)}
        scores = {name: torch.rand(size, generator=generator) for name, size in sizes.items()}
        papers.shrink(model, filter_masks(scores, target))
        loop(model, {}, replayed(job.steps()))
        yield after(target, model, loop)


def narrow(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """Dense networks that were narrow from the start, trained on by the same schedule.

    So they are trained as long in total as what is pruned.
    """
    for width in targets:
        model, loop = narrow_network(int(width), job.dense_seed).to(job.device), job.loop(width)
        loop(model, {}, replayed(job.steps()))
        yield after(width, model, loop)


def narrow_network(width: int, seed: int) -> ResNet20:
    """The one of this seed, or the first that ships of this width."""
    seeds = [s for w, s in checkpoints.SHIPPED if w == width]
    return checkpoints.trained(width, seed if seed in seeds else seeds[0])


SYSTEMS = [
    System(
        name="Random filters", structure=FREE, criterion="chance", method=REWOUND,
        target=OF_FILTERS, run=random_filters, targets=AROUND, core=True, role="chance",
        panels=("filters", "mean magnitude", "overlay of filters"),
    ),
    System(
        name="Uniform L1", structure=FREE, criterion="L1 norm, same share of each layer",
        method=ONE_SCHEDULE, target=OF_FILTERS, run=partial(li, skip=()), targets=AROUND,
        core=True, role="magnitude", panels=("filters",),
    ),
    System(
        name="Molchanov 2019", structure=FREE, criterion="gradient of gates, global",
        method="few at a time while training, rate falls to the end", target=OF_FILTERS,
        run=molchanov, targets=AROUND, core=True, panels=("filters",),
    ),
    System(
        name="Narrow dense networks", structure="nothing", criterion="none",
        method="narrow from the start, one schedule more", target="filters of the first stage",
        run=narrow, targets=WIDTHS, role="dense", panels=("filters", "weights"),
    ),
    System(
        name="Li 2016", structure=FREE, criterion="L1 norm, per layer", method=ONE_SCHEDULE,
        target=OF_FILTERS, run=partial(li, skip=SENSITIVE), targets=LI,
        panels=("filters", "overlay of filters"),
    ),
    System(
        name="Liu 2017", structure=FREE, criterion="BN scale, global",
        method="half with the penalty, half after the removal", target=OF_FILTERS, run=liu,
        targets=SLIM, rounds=lambda _: 2, panels=("filters",),
    ),
    System(
        name="Liu 2017, no penalty", structure=FREE, criterion="BN scale, global",
        method="half with λ = 0, half after the removal", target=OF_FILTERS,
        run=partial(liu, penalised=False), targets=FILTERS, rounds=lambda _: 2,
        panels=("filters",),
    ),
    System(
        name="Zhu & Gupta on filters", structure=FREE, criterion="L1 norm, per layer",
        method="more and more while training", target=OF_FILTERS, run=zhu, targets=CUBIC,
        panels=("filters",),
    ),
]  # fmt: skip
