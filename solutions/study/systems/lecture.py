"""Each criterion once, fine-tuned or with LR-rewinding: the lecture's figure, and a replication."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab import counters
from solutions.lab1_structures.exercises import global_masks
from solutions.lab2_criteria.exercises import magnitude_scores
from solutions.lab3_methods.exercises import add_sparsity_penalty, retraining_lrs
from solutions.study.job import CYCLE, Job, Pruned, System, after, penalty, replayed
from solutions.study.steps import Steps
from solutions.study.systems.words import (
    EVERY,
    FIFTHS,
    FINE_TUNED,
    LECTURE,
    OF_ALL,
    REWOUND,
    SINGLE,
)


def lrs_of(steps: int, rewind: bool) -> list[float]:
    """Fine-tuning or LR-rewinding, for as many steps."""
    return replayed(steps) if rewind else retraining_lrs(CYCLE, 1, steps, rewind=False)


def lecture_han(job: Job, targets: Sequence[float], rewind: bool) -> Iterator[Pruned]:
    """One global ranking of all magnitudes, at once."""
    for target in targets:
        model, loop = job.dense(), job.loop(target)
        loop(model, global_masks(magnitude_scores(model), target), lrs_of(job.steps(), rewind))
        yield after(target, model, loop)


def lecture_liu(
    job: Job, targets: Sequence[float], rewind: bool, penalty_first: bool = True
) -> Iterator[Pruned]:
    """The channels of least |γ| of *all* layers, none protected.

    With the penalty before it, that takes the first half of the epochs (by the paper: as many).
    """
    sparse: nn.Module = job.dense()
    steps = job.steps()
    epochs = seconds = 0.0
    if penalty_first:
        steps = job.part(2)
        sparse, slim = penalised(job, penalty(steps / job.steps(1)), steps)
        epochs, seconds = slim.epochs, slim.seconds
    for found in channels_at_once(job, sparse, bn_scales(sparse), targets, lrs_of(steps, rewind)):
        yield Pruned(found.target, found.model, epochs + found.epochs, seconds + found.seconds)


def mean_magnitude(job: Job, targets: Sequence[float], rewind: bool) -> Iterator[Pruned]:
    """The filters of least mean |w| of *all* layers, in one ranking, none protected."""
    model = job.dense()
    scores = {name: model.get_parameter(f"{name}.weight").abs().mean((1, 2, 3))
              for name in convolutions(model)}  # fmt: skip
    yield from channels_at_once(job, model, scores, targets, lrs_of(job.steps(), rewind))


def channels_at_once(
    job: Job, dense: nn.Module, scores: dict[str, Tensor], targets: Sequence[float],
    lrs: Sequence[float],
) -> Iterator[Pruned]:  # fmt: skip
    """The channels of the lowest scores of a network, until a share of its weights is gone."""
    for target in targets:
        model, loop = copy.deepcopy(dense), job.loop(target)
        keep = channels_for(model, scores, target)
        silence(model, keep)
        loop(model, weight_masks(model, keep), lrs, still(keep))
        yield after(target, model, loop)


def penalised(
    job: Job, strength: float, steps: int, name: str = "penalty"
) -> tuple[nn.Module, Steps]:
    """The network after a replayed cycle with a penalty on every γ, and the loop it ran in."""
    model, loop = job.dense(), job.loop(name)
    loop(model, {}, replayed(steps), lambda m: add_sparsity_penalty(m, strength))
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


def of_weights(name: str, rewind: bool, column: str, **more: Any) -> System:
    """A curve of the lecture that ranks all weights by magnitude."""
    retraining = "LR-rewinding" if rewind else "fine-tuning"
    return System(
        name=f"Lecture: {name}", label=name, structure=SINGLE, criterion="magnitude, global",
        method=REWOUND if rewind else FINE_TUNED, target=OF_ALL,
        run=partial(lecture_han, rewind=rewind), targets=LECTURE,
        published={"lecture": column, "renda": f"at once, {retraining}"}, **more,
    )  # fmt: skip


def of_channels(name: str, rewind: bool, penalty_first: bool = True, **more: Any) -> System:
    """A curve of the lecture that ranks the channels of all layers by |γ|."""
    return System(
        name=f"Lecture: {name}", structure=EVERY, criterion="BN scale, global",
        method=(REWOUND if rewind else FINE_TUNED) + (", half with the penalty" * penalty_first),
        target=OF_ALL, targets=LECTURE, shared=0.5 if penalty_first else 0.0,
        run=partial(lecture_liu, rewind=rewind, penalty_first=penalty_first), **more,
    )  # fmt: skip


def replication(name: str, rewind: bool) -> System:
    """All filters in one ranking by mean |w|, as an independent replication has published it."""
    retraining = "LR-rewinding" if rewind else "fine-tuning"
    return System(
        name=name, structure=EVERY, criterion="mean |w|, global",
        method=REWOUND if rewind else FINE_TUNED, target=OF_ALL, label=retraining,
        run=partial(mean_magnitude, rewind=rewind), targets=FIFTHS, panels=("mean magnitude",),
        published={"replication": retraining},
    )  # fmt: skip


SYSTEMS = [
    # The plain ranking of all weights at once, by the schedule of all: it belongs in each table.
    of_weights("Han + LR-rewinding", True, "han_lrr", core=True, role="magnitude",
               panels=("lecture", "renda", "weights", "overlay of weights")),
    of_weights("Han", False, "han", panels=("lecture", "renda")),
    of_channels("Liu", False, label="Liu", panels=("lecture",), published={"lecture": "liu"}),
    of_channels("Liu + LR-rewinding", True, label="Liu + LR-rewinding",
                panels=("lecture", "overlay of filters"), published={"lecture": "liu_lrr"}),
    of_channels("BN scale + LR-rewinding", True, False, panels=("lecture",),
                label="Liu without penalty, + LR-rewinding"),
    replication("Filters by mean magnitude", False),
    replication("Filters by mean magnitude + LR-rewinding", True),
]  # fmt: skip
