"""Soft filter pruning (He et al. 2018), and the two experiments that show what it adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from solutions.lab1_structures.exercises import free_convs, local_masks
from solutions.lab2_criteria.exercises import filter_scores
from solutions.lab4_papers import exercises as papers
from solutions.study.job import HIGH, Job, Pruned, System, after, remeasure, replayed
from solutions.study.systems.words import FREE, NO_MORE, OF_FILTERS

SOFT = (0.15, 0.3, 0.42)  # where numbers were published, by MACs
L2 = "L2 norm, per layer"


def rates(job: Job) -> list[float]:
    """The learning rate of each epoch: the schedule (by the paper, a tenth: a trained network)."""
    return replayed(job.budget.long, HIGH / 10 if job.budget.papers else HIGH)


def he_soft(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """He 2018 (SFP): a selection after each epoch, removal after the last one.

    No training follows the last removal, so the statistics of BN are measured again.
    """
    for target in targets:
        model, loop = job.dense(), job.loop(target, every=job.steps(1))
        papers.he2018(model, target, rates(job), job.steps(1), loop)
        remeasure(model, job)
        yield after(target, model, loop)


def held(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """The same filters as SFP's first selection, gone for good; the same epochs follow."""
    for target in targets:
        model, loop = job.dense(), job.loop(target, shrinks=True)
        papers.shrink(model, weakest(model, target))
        loop(model, {}, [lr for lr in rates(job) for _ in range(job.steps(1))])
        remeasure(model, job)
        yield after(target, model, loop)


def untrained(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """The same filters gone at once, the statistics of BN measured again, and no training."""
    for target in targets:
        model = job.dense()
        papers.shrink(model, weakest(model, target))
        remeasure(model, job)
        yield Pruned(target, model, 0.0, 0.0)


def weakest(model: nn.Module, share: float) -> dict[str, Tensor]:
    """The filters to keep: all but those of least L2 norm, the same share of each layer."""
    convs = {name: model.get_parameter(f"{name}.weight").detach() for name in free_convs(model)}
    return local_masks(filter_scores(convs, 2), share)


SYSTEMS = [
    System(
        name="He 2018 (SFP)", structure=FREE, criterion=L2,
        method="softly, a selection each epoch", target=OF_FILTERS, run=he_soft, targets=SOFT,
        epochs="long", panels=("filters", "soft"),
    ),
    System(
        name="SFP, held from the first choice", structure=FREE, criterion=L2,
        method="at once, as many epochs as SFP", target=OF_FILTERS, run=held, targets=SOFT,
        epochs="long", panels=("soft",),
    ),
    System(
        name="SFP, no training", structure=FREE, criterion=L2, method=NO_MORE,
        target=OF_FILTERS, run=untrained, targets=SOFT, epochs=None, panels=("soft",),
    ),
]  # fmt: skip
