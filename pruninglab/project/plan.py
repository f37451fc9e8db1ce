"""What a run of a project costs, said before it starts: networks, steps, download, minutes."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from pruninglab.models import ResNet20
from pruninglab.project.run import BATCH
from pruninglab.project.setting import Dataset
from pruninglab.training import Recipe, Trainer, constant, device

IMAGES = {"subset": 4_000, "cifar10": 49_000, "cifar100": 49_000}  # to train on
DOWNLOAD = {"subset": 0, "cifar10": 170, "cifar100": 169}  # MB from the official host, once


def plan(
    targets: Sequence[float],
    seeds: Sequence[int] = (0,),
    dataset: Dataset = "subset",
    epochs: int = 1,
    *,
    width: int = 16,
    dense_epochs: int = 40,
    seconds_per_step: float | None = None,
) -> str:
    """Say what `run_project` with the same arguments will cost on this machine, at most.

    It counts everything as still to do; networks that exist already are not trained again. A
    network that gets smaller trains faster than said here.

    Args:
        seconds_per_step: what one training step takes; measured here (a few seconds) if not given.

    Raises:
        ValueError: there is no such data set.

    >>> print(plan([0.5, 0.8], [0, 1], "cifar100", 10, seconds_per_step=0.01))
    4 networks of 3,920 steps each, and 15,680 steps for the dense network of CIFAR-100, once
    download: 169 MB, once
    time: about 5 minutes
    """
    if dataset not in IMAGES:
        raise ValueError(f'dataset must be "subset", "cifar10" or "cifar100", got {dataset!r}')
    networks, steps = len(targets) * len(seeds), epochs * (IMAGES[dataset] // BATCH)
    first = f"{networks} networks of {steps:,} steps each"
    total = networks * steps
    if dataset == "cifar100":
        dense = dense_epochs * (IMAGES[dataset] // BATCH)
        first += f", and {dense:,} steps for the dense network of CIFAR-100, once"
        total += dense
    size = f"download: {DOWNLOAD[dataset]} MB, once" if DOWNLOAD[dataset] else "download: nothing"
    each = step_time(width) if seconds_per_step is None else seconds_per_step
    return f"{first}\n{size}\ntime: about {in_words(total * each)}"


def step_time(width: int) -> float:
    """Seconds of one training step of the dense network on this machine: the best of three."""
    model = ResNet20(width).to(device())
    trainer = Trainer(model, Recipe(1, constant(0.01), BATCH))
    x, y = torch.zeros(BATCH, 3, 32, 32), torch.zeros(BATCH, dtype=torch.int64)
    times = []
    for _ in range(4):  # the first one is slow: a warm-up, and not the best
        start = time.perf_counter()
        trainer.step(x.to(device()), y.to(device()), 0.01)
        times.append(time.perf_counter() - start)
    return min(times)


def in_words(seconds: float) -> str:
    """A duration that a person can plan with.

    >>> in_words(20), in_words(130), in_words(10_000)
    ('1 minute', '2 minutes', '2.8 hours')
    """
    minutes = max(1, round(seconds / 60))
    if minutes < 90:
        return f"{minutes} minute{'s' * (minutes != 1)}"
    return f"{seconds / 3600:.1f} hours"
