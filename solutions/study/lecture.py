"""Each criterion once, fine-tuned or with LR-rewinding: the lecture's figure, and a replication."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from pruninglab import counters
from pruninglab.training.loop import Loop
from solutions.lab1_structures.exercises import global_masks
from solutions.lab2_criteria.exercises import magnitude_scores
from solutions.lab3_methods.exercises import add_sparsity_penalty, retraining_lrs
from solutions.study.job import CYCLE, Job, Pruned, after, penalty, replayed


def lrs_of(job: Job, rewind: bool) -> list[float]:
    """Fine-tuning or LR-rewinding, for as many steps."""
    return replayed(job.steps()) if rewind else retraining_lrs(CYCLE, 1, job.steps(), rewind=False)


def lecture_han(job: Job, targets: Sequence[float], rewind: bool) -> Iterator[Pruned]:
    """One global ranking of all magnitudes, at once."""
    for target in targets:
        model, loop = job.dense(), job.loop(target)
        loop(model, global_masks(magnitude_scores(model), target), lrs_of(job, rewind))
        yield after(target, model, loop)


def ten_epochs(job: Job, targets: Sequence[float], rewind: bool) -> Iterator[Pruned]:
    """The same for ten epochs, whatever the budget: the shortest of Renda et al."""
    ten = replace(job, budget=replace(job.budget, retrain=10))
    return lecture_han(ten, targets, rewind)


def lecture_liu(
    job: Job, targets: Sequence[float], rewind: bool, penalty_first: bool = True
) -> Iterator[Pruned]:
    """The channels of least |γ| of *all* layers, none protected; before that the penalty, once."""
    sparse: nn.Module = job.dense()
    epochs = seconds = 0.0
    if penalty_first:
        sparse, slim = penalised(job, penalty(job.budget.retrain))
        epochs, seconds = slim.epochs, slim.seconds
    for found in channels_at_once(job, sparse, bn_scales(sparse), targets, rewind):
        yield Pruned(found.target, found.model, epochs + found.epochs, seconds + found.seconds)


def mean_magnitude(job: Job, targets: Sequence[float], rewind: bool) -> Iterator[Pruned]:
    """The filters of least mean |w| of *all* layers, in one ranking, none protected."""
    model = job.dense()
    scores = {name: model.get_parameter(f"{name}.weight").abs().mean((1, 2, 3))
              for name in convolutions(model)}  # fmt: skip
    yield from channels_at_once(job, model, scores, targets, rewind)


def channels_at_once(
    job: Job, dense: nn.Module, scores: dict[str, Tensor], targets: Sequence[float], rewind: bool
) -> Iterator[Pruned]:
    """The channels of the lowest scores of a network, until a share of its weights is gone."""
    for target in targets:
        model, loop = copy.deepcopy(dense), job.loop(target)
        keep = channels_for(model, scores, target)
        silence(model, keep)
        loop(model, weight_masks(model, keep), lrs_of(job, rewind), still(keep))
        yield after(target, model, loop)


def penalised(job: Job, strength: float, name: str = "penalty") -> tuple[nn.Module, Loop]:
    """The network after a replayed cycle with a penalty on every γ, and the loop it ran in."""
    model, loop = job.dense(), job.loop(name)
    loop(model, {}, replayed(job.steps()), lambda m: add_sparsity_penalty(m, strength))
    return model, loop


def bn_of(conv: str) -> str:
    """The batch normalisation behind a convolution."""
    return conv[:-1] + "1" if ".downsample." in conv else conv.replace("conv", "bn")


def convolutions(model: nn.Module) -> list[str]:
    """The names of all convolutions."""
    return [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]


def bn_scales(model: nn.Module) -> dict[str, Tensor]:
    """|γ| of each channel of each convolution."""
    return {name: model.get_parameter(f"{bn_of(name)}.weight").detach().abs()
            for name in convolutions(model)}  # fmt: skip


def channels_for(model: nn.Module, scores: dict[str, Tensor], target: float) -> dict[str, Tensor]:
    """The channels to keep so that the share `target` of the prunable weights is gone."""
    low, high = 0.0, 1.0
    for _ in range(12):  # the share of channels, by bisection
        middle = (low + high) / 2
        masks = weight_masks(model, global_masks(scores, middle))
        gone = sum(int((~mask).sum()) for mask in masks.values())
        enough = gone >= target * counters.prunable_weights(model)
        low, high = (low, middle) if enough else (middle, high)
    return global_masks(scores, high)


def weight_masks(model: nn.Module, keep: dict[str, Tensor]) -> dict[str, Tensor]:
    """Masks of the filters that go and, inside a block, of the kernels that would read them."""
    masks = {}
    for name, filters in keep.items():
        mask = torch.ones_like(model.get_parameter(f"{name}.weight"), dtype=torch.bool)
        mask[~filters] = False
        if name.endswith(".conv2"):
            mask[:, ~keep[name.replace("conv2", "conv1")]] = False
        masks[f"{name}.weight"] = mask
    return masks


def silence(model: nn.Module, keep: dict[str, Tensor]) -> None:
    """Scale and shift of the channels that go are zero."""
    for name, channels in keep.items():
        bn = model.get_submodule(bn_of(name))
        for parameter in bn.parameters():
            parameter.data[~channels] = 0


def still(keep: dict[str, Tensor]) -> Callable[[nn.Module], None]:
    """Before each step: no gradient for what is silent, so that it stays silent."""

    def before_step(model: nn.Module) -> None:
        for name, channels in keep.items():
            for parameter in model.get_submodule(bn_of(name)).parameters():
                assert parameter.grad is not None
                parameter.grad[~channels] = 0

    return before_step
