from __future__ import annotations


"""The exercises of lab 1, "Structures": what kind of part to remove, and how to spread it."""


import copy

import torch
from torch import Tensor, nn

from pruninglab.models import prunable


def magnitude_mask(weight: Tensor, sparsity: float) -> Tensor:
    """Mark the weights to keep, so that the ones closest to zero go.

    Args:
        weight: a tensor or parameter of any shape, any floating dtype, contiguous or not.
        sparsity: the share to prune, 0 to 1.

    Returns:
        A bool tensor of the weight's shape, True = keep. Exactly
        `round(sparsity * weight.numel())` entries are False: half a weight goes to the even
        number, as always with `round`. Among equal magnitudes any may go, but the count stays
        exact. `weight` itself is not changed.

    >>> magnitude_mask(torch.tensor([[0.1, -3.0], [-0.2, 2.0]]), sparsity=0.5)
    tensor([[False,  True],
            [False,  True]])
    """
    pruned = round(sparsity * weight.numel())
    magnitudes = weight.detach().abs().flatten()
    mask = torch.ones_like(magnitudes, dtype=torch.bool)
    mask[magnitudes.argsort()[:pruned]] = False
    return mask.reshape(weight.shape)


def local_masks(scores: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Prune the same share of every layer: those with the lowest scores.

    Args:
        scores: parameter name -> tensor of any shape. A higher score is more worth keeping; a
            score may be negative, and then it is lower than zero.
        sparsity: the share to prune of each layer, 0 to 1.

    Returns:
        For each name a bool tensor of the score's shape, True = keep, with exactly
        `round(sparsity * n)` entries False, n being the size of *that* layer. The scores are
        not changed.

    >>> scores = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([30.0, -40.0])}
    >>> local_masks(scores, sparsity=0.5)
    {'a': tensor([False,  True]), 'b': tensor([ True, False])}
    """
    masks = {}
    for name, score in scores.items():
        pruned = round(sparsity * score.numel())
        mask = torch.ones_like(score.flatten(), dtype=torch.bool)
        mask[score.flatten().argsort()[:pruned]] = False
        masks[name] = mask.reshape(score.shape)
    return masks


def global_masks(scores: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Rank all weights of the network in one list and prune the lowest scores, wherever they are.

    Args:
        scores: parameter name -> tensor of any shape, as in `local_masks`.
        sparsity: the share to prune of all entries together, 0 to 1.

    Returns:
        For each name a bool tensor of the score's shape, True = keep. Over all layers together
        exactly `round(sparsity * n)` entries are False, n being the size of all layers. The
        scores are not changed.

    >>> scores = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([30.0, 40.0])}
    >>> global_masks(scores, sparsity=0.5)
    {'a': tensor([False, False]), 'b': tensor([True, True])}
    """
    ranking = torch.cat([score.flatten() for score in scores.values()])
    keep = local_masks({"all": ranking}, sparsity)["all"]
    parts = keep.split([score.numel() for score in scores.values()])
    return {
        name: part.reshape(scores[name].shape) for name, part in zip(scores, parts, strict=True)
    }


def empty_layers(masks: dict[str, Tensor]) -> list[str]:
    """Find the layers that pruning has cut through: those with nothing left ("layer collapse").

    Args:
        masks: parameter name -> bool tensor, True = keep.

    Returns:
        The names of the layers without a single True, in the order of `masks`.

    >>> empty_layers({"a": torch.tensor([False, False]), "b": torch.tensor([False, True])})
    ['a']
    """
    return [name for name, mask in masks.items() if not mask.any()]


def account(model: nn.Module, masks: dict[str, Tensor]) -> dict[str, float]:
    """Say how much of a network is left, in the three numbers that papers report.

    Args:
        model: a network; its parameters are dense (nothing is removed from it yet).
        masks: parameter name -> bool tensor, True = keep, for some or all of
            `prunable(model)`; a layer without a mask is not pruned. What is pruned is what the
            masks say: a weight that happens to be 0 is not. Neither argument is changed.

    Returns:
        "sparsity": pruned share of the prunable weights (of *all* of `prunable(model)`);
        "density": kept share of the prunable weights;
        "compression": all parameters of the network (with biases and BN) / those that remain.

    >>> model = nn.Linear(3, 2)  # 6 weights and 2 biases
    >>> masks = {"weight": torch.tensor([[True, False, False], [True, True, False]])}
    >>> account(model, masks)
    {'sparsity': 0.5, 'density': 0.5, 'compression': 1.6}
    """
    weights = sum(weight.numel() for weight in prunable(model).values())
    parameters = sum(parameter.numel() for parameter in model.parameters())
    pruned = sum(int((~mask).sum()) for mask in masks.values())
    return {
        "sparsity": pruned / weights,
        "density": 1 - pruned / weights,
        "compression": parameters / (parameters - pruned),
    }


def filter_mask(weight: Tensor, sparsity: float) -> Tensor:
    """Mark the filters to keep: the ones with the smallest L1 norm go (Li et al. 2016).

    Args:
        weight: `(out, in, kh, kw)` of a convolution: `out` filters of shape `(in, kh, kw)`.
        sparsity: the share of filters to prune, 0 to 1.

    Returns:
        A bool tensor `(out,)`, True = keep. Exactly `round(sparsity * out)` filters are False,
        but one filter always stays: a convolution without filters would cut the network in two.
        `weight` itself is not changed.

    >>> weight = torch.tensor([[1.0, -1.0], [0.0, 3.0], [0.5, 0.5]]).reshape(3, 2, 1, 1)
    >>> filter_mask(weight, sparsity=1 / 3)
    tensor([ True,  True, False])
    """
    norms = weight.detach().abs().sum(dim=(1, 2, 3))  # (out, in, kh, kw) -> (out,)
    pruned = min(round(sparsity * len(norms)), len(norms) - 1)
    keep = torch.ones_like(norms, dtype=torch.bool)
    keep[norms.argsort()[:pruned]] = False
    return keep


def silence_filters(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """Set all that belongs to the other filters to zero, so that their feature maps are zero.

    Works in place: `conv` and `bn` are changed (and stay trainable), nothing is returned. After
    it, the channels of `bn(conv(x))` outside `keep` are exactly 0 for every x, and the others are
    what they were. A filter's parameters are its weights (and its bias, where the convolution has
    one) and, in the batch normalisation behind it, its scale γ (`bn.weight`) and its shift β
    (`bn.bias`). Modes, and what trains, stay as they are.

    Args:
        conv: the convolution, `out` filters, with or without bias.
        bn: the batch normalisation behind it, `out` channels.
        keep: bool `(out,)`, True = keep.

    >>> conv, bn = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2).eval()
    >>> silence_filters(conv, bn, torch.tensor([True, False]))
    >>> bn(conv(torch.randn(8, 1, 4, 4)))[:, 1].abs().max().item()
    0.0
    """
    for parameter in (conv.weight, conv.bias, bn.weight, bn.bias):
        if parameter is not None:
            parameter.data[~keep] = 0


def remove_filters(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> tuple[nn.Conv2d, nn.BatchNorm2d, nn.Conv2d]:
    """Make really smaller layers that compute what the silenced ones do.

    `conv2(relu(bn1(conv1(x))))` is what the network computes. The new three layers give the same
    output, to rounding, as the old ones with the other filters silenced. The layers passed in are
    not changed, not even when the new ones are trained later: they share no tensor.

    Args:
        conv1: the convolution that loses filters, `out` of them, with or without bias.
        bn1: the batch normalisation behind it, `out` channels, in evaluation mode.
        conv2: the next convolution: each of its filters has one kernel per channel of `bn1`.
        keep: bool `(out,)`, True = keep; at least one.

    Returns:
        New `conv1`, `bn1` and `conv2` with their parameters, buffers *and* attributes
        (`out_channels`, `num_features`, `in_channels`) in their new size, and all else (stride,
        padding, bias, eps, momentum, evaluation mode, ...) as it was. None of the three has
        `groups`, `dilation` or a `padding_mode`.

    >>> conv1, bn1, conv2 = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4).eval(), nn.Conv2d(4, 2, 1)
    >>> remove_filters(conv1, bn1, conv2, torch.tensor([True, False, True, True]))[0]
    Conv2d(3, 3, kernel_size=(3, 3), stride=(1, 1))
    """
    conv1, bn1, conv2 = copy.deepcopy((conv1, bn1, conv2))
    conv1.weight = nn.Parameter(conv1.weight.data[keep])  # (out, in, kh, kw)
    if conv1.bias is not None:
        conv1.bias = nn.Parameter(conv1.bias.data[keep])
    bn1.weight, bn1.bias = nn.Parameter(bn1.weight.data[keep]), nn.Parameter(bn1.bias.data[keep])
    for name in ("running_mean", "running_var"):
        setattr(bn1, name, getattr(bn1, name)[keep])
    conv2.weight = nn.Parameter(conv2.weight.data[:, keep])  # (next, out, kh, kw)
    conv1.out_channels = bn1.num_features = conv2.in_channels = int(keep.sum())
    return conv1, bn1, conv2


def free_convs(model: nn.Module) -> list[str]:
    """Find the convolutions of a ResNet-20 whose filters may be removed one by one.

    A filter is free if only the next convolution sees its feature map. It is tied if its feature
    map is added to another one: then the same channel would have to go on both sides.

    Args:
        model: a `ResNet20` of any width, with shortcut "A" or "B".

    Returns:
        The names of the convolutions (as in `model.named_modules()`), in the network's order.

    >>> from pruninglab.models import ResNet20
    >>> len(free_convs(ResNet20()))
    9
    """
    return [
        name
        for name, _ in model.named_modules()
        if name.startswith("layer") and name.endswith("conv1")
    ]
