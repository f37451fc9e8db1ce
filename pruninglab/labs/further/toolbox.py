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


"""The exercises of lab 2, "Criteria": which parts of a network are worth keeping."""


import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab.models import prunable
from pruninglab.training import mode


def magnitude_scores(model: nn.Module) -> dict[str, Tensor]:
    """Score every prunable weight by its distance from zero, |w| (Han et al. 2015).

    Args:
        model: any network with convolutions or linear layers.

    Returns:
        For each name in `prunable(model)` the scores of that weight: a tensor of its shape,
        outside of the autograd graph. The model is not changed.

    >>> layer = nn.Linear(2, 1)
    >>> layer.weight.data = torch.tensor([[0.5, -2.0]])
    >>> magnitude_scores(layer)
    {'weight': tensor([[0.5000, 2.0000]])}
    """
    return {name: weight.detach().abs() for name, weight in prunable(model).items()}


def gradient_scores(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Score every prunable weight by how steeply the loss depends on it, |dL/dw|.

    L is the mean cross-entropy of one minibatch, with batch normalisation in *evaluation* mode
    (its running statistics), in whatever mode the model comes. Gradients that an earlier
    backward pass has left in `.grad` do not count.

    Args:
        model: a classifier: `model(x)` gives class scores `(N, classes)`.
        x: inputs `(N, ...)` float.
        y: labels `(N,)` int64.

    Returns:
        For each name in `prunable(model)` a tensor of the weight's shape, never negative. The
        model, the mode of each of its layers and its BN statistics are as before (only `.grad`
        may differ).

    >>> layer = nn.Linear(2, 2, bias=False)
    >>> layer.weight.data.zero_()
    tensor([[0., 0.],
            [0., 0.]])
    >>> gradient_scores(layer, torch.tensor([[4.0, 0.0]]), torch.tensor([1]))
    {'weight': tensor([[2., 0.],
            [2., 0.]])}
    """
    weights = prunable(model)
    with mode(model, training=False):
        loss = F.cross_entropy(model(x), y)
    gradients = torch.autograd.grad(loss, list(weights.values()))
    return {name: g.abs() for name, g in zip(weights, gradients, strict=True)}


def filter_scores(tensors: dict[str, Tensor], p: int) -> dict[str, Tensor]:
    """Score whole filters by a norm: L1 for p = 1 (Li et al. 2016), L2 for p = 2.

    Only the *order* of the scores counts, but it counts across all layers: larger norm, higher
    score. So the root of the L2 norm may stay or go, as it changes no order.

    Args:
        tensors: layer name -> weights of a convolution, or their gradients,
            `(out, in, kh, kw)`. The layers may have different sizes.
        p: 1 or 2.

    Returns:
        For each name one score per filter, `(out,)` float. The tensors are not changed.

    >>> tensors = {"a": torch.tensor([[3.0, -4.0], [0.0, 6.0]]).reshape(2, 2, 1, 1)}
    >>> scores = filter_scores(tensors, p=1)["a"]
    >>> bool(scores[0] > scores[1])
    True
    >>> scores = filter_scores(tensors, p=2)["a"]
    >>> bool(scores[0] > scores[1])
    False
    """
    # (out, in, kh, kw) -> (out,)
    return {name: t.detach().abs().pow(p).sum(dim=(1, 2, 3)) for name, t in tensors.items()}


def bn_scores(model: nn.Module, convs: list[str]) -> dict[str, Tensor]:
    """Score filters by the scale that batch normalisation gives them, |γ| (Liu et al. 2017).

    Args:
        model: a `ResNet20`, or any network in which the batch normalisation behind
            `<block>.conv1` is named `<block>.bn1`, and so on; γ is its `weight`.
        convs: names of convolutions, as in `model.named_modules()`.

    Returns:
        For each name in `convs` (the convolution's) one score per filter, `(out,)`, outside of
        the autograd graph. The model is not changed.

    >>> from pruninglab.models import Block
    >>> block = Block(2, 3, 2, stride=1, option="A")
    >>> block.bn1.weight.data = torch.tensor([0.5, -2.0, 0.0])
    >>> bn_scores(block, ["conv1"])
    {'conv1': tensor([0.5000, 2.0000, 0.0000])}
    """
    scores = {}
    for name in convs:
        scale = model.get_parameter(name.replace("conv", "bn") + ".weight")
        scores[name] = scale.detach().abs()
    return scores


def gate_scores(
    model: nn.Module, convs: list[str], batches: list[tuple[Tensor, Tensor]]
) -> dict[str, Tensor]:
    """Score filters by gates: what would the loss say if a filter were turned down a little?

    Think of a gate z = 1 behind the batch normalisation of each filter, which multiplies the
    filter's whole feature map. Its score is the mean over the minibatches of (dL/dz)²,
    the first-order criterion of Molchanov et al. 2019 at a gate, where L is the mean cross-entropy
    of the minibatch. All gates are there at once, and all are 1.

    Args:
        model: as in `bn_scores`, and a classifier; it is in evaluation mode and stays so.
        convs: names of convolutions; the gates go behind their batch normalisations.
        batches: a list of `(x, y)`, all of the same number of images.

    Returns:
        For each name in `convs` one score per filter, `(out,)` float, outside of the autograd
        graph. The model is as before (only `.grad` may differ), with no gate left in it.

    >>> from pruninglab.models import Block
    >>> block = Block(2, 3, 2, stride=1, option="A")
    >>> head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> model = nn.Sequential(block, head).eval()
    >>> batches = [(torch.randn(4, 2, 5, 5), torch.tensor([0, 1, 1, 0])) for _ in range(3)]
    >>> gate_scores(model, ["0.conv1"], batches)["0.conv1"].shape
    torch.Size([3])
    """
    gates, handles = {}, []
    for name in convs:
        bn = model.get_submodule(name.replace("conv", "bn"))
        filters = model.get_parameter(f"{name}.weight").detach()[:, 0, :1, :1]  # (out, 1, 1)
        z = gates[name] = torch.ones_like(filters, requires_grad=True)
        # z=z: a lambda looks its names up when it is called, and by then z is the last gate
        handles.append(bn.register_forward_hook(lambda module, inputs, out, z=z: out * z))
    scores = {name: torch.zeros_like(z[:, 0, 0]) for name, z in gates.items()}
    for x, y in batches:
        loss = F.cross_entropy(model(x), y)
        gradients = torch.autograd.grad(loss, list(gates.values()))
        for name, g in zip(gates, gradients, strict=True):
            scores[name] += g.flatten().square() / len(batches)
    for handle in handles:
        handle.remove()
    return scores


def filter_masks(
    scores: dict[str, Tensor], sparsity: float, at_least: int = 1
) -> dict[str, Tensor]:
    """Rank all filters of the network in one list, but leave no layer empty.

    Args:
        scores: layer name -> one score per filter, `(out,)` float; higher is more worth keeping,
            and scores may be negative.
        sparsity: the share of all filters together to prune, 0 to 1.
        at_least: so many filters, its best ones, stay in every layer (all, if it has fewer).

    Returns:
        For each name a bool tensor `(out,)`, True = keep. Exactly `round(sparsity * n)` of all n
        filters go, the lowest scores first, passing over those that have to stay: for each of
        these the next in the list goes. If sparsity asks for more than may go, all go that may.
        `scores` is not changed. Scores may have any size, 1e30 too.

    >>> scores = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0, 4.0])}
    >>> filter_masks(scores, sparsity=0.5)
    {'a': tensor([False,  True]), 'b': tensor([False,  True])}
    """
    stays = {}
    for name, score in scores.items():
        best = score.topk(min(at_least, len(score))).indices
        stays[name] = torch.zeros_like(score, dtype=torch.bool)
        stays[name][best] = True
    raised = {name: score.masked_fill(stays[name], torch.inf) for name, score in scores.items()}
    masks = global_masks(raised, sparsity)
    return {name: masks[name] | stays[name] for name in scores}


def sensitivity(
    model: nn.Module, scores: dict[str, Tensor], sparsities: list[float], x: Tensor, y: Tensor
) -> dict[str, dict[float, float]]:
    """Prune one layer at a time and measure what it costs, as in Li et al. 2016, figure 2.

    Args:
        model: a classifier in evaluation mode.
        scores: names of prunable weights -> scores of the weights' shape, higher = keep.
        sparsities: shares of a layer to prune, 0 to 1, in any order.
        x: inputs `(N, ...)` float.
        y: labels `(N,)` int64.

    Returns:
        name -> {sparsity: accuracy}: the accuracy on `(x, y)`, 0 to 1, when this layer alone has
        lost the share `sparsity` of its weights, those with the lowest scores (rounded to a whole
        number as in `local_masks`), and all other layers are whole. Afterwards the model is as
        before.

    >>> layer = nn.Linear(2, 2, bias=False)
    >>> layer.weight.data = torch.eye(2)
    >>> x, y = torch.tensor([[3.0, 1.0], [1.0, 3.0]]), torch.tensor([0, 1])
    >>> sensitivity(layer, magnitude_scores(layer), [0.5, 1.0], x, y)
    {'weight': {0.5: 1.0, 1.0: 0.5}}
    """
    weights = prunable(model)
    result: dict[str, dict[float, float]] = {}
    for name, score in scores.items():
        dense = weights[name].detach().clone()
        result[name] = {}
        for sparsity in sparsities:
            mask = local_masks({name: score}, sparsity)[name]
            weights[name].data.copy_(dense * mask)
            with torch.no_grad():
                correct = model(x).argmax(dim=1) == y
            result[name][sparsity] = correct.float().mean().item()
        weights[name].data.copy_(dense)
    return result


def recalibrate_bn(model: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> None:
    """Measure the running statistics of all batch normalisations again: pruning changed them.

    Works in place, returns nothing and trains nothing. Afterwards `running_mean` and
    `running_var` of each `nn.BatchNorm2d` are the plain averages over the batches of what that
    layer saw in training mode: a batch's mean, and its variance as PyTorch stores it (unbiased).
    What they were before does not count. All else is as before: weights, biases, γ, β, the mode
    of the model and of each of its layers, and their `momentum` (`num_batches_tracked` may change).

    Args:
        model: a network with `nn.BatchNorm2d` layers, in evaluation or training mode.
        batches: a list of `(x, y)`; the labels are not needed.

    >>> bn = nn.BatchNorm2d(1).eval()
    >>> batches = [(torch.full((1, 1, 2, 2), value), torch.tensor([0])) for value in (2.0, 4.0)]
    >>> recalibrate_bn(bn, batches)
    >>> bn.running_mean, bn.running_var, bn.momentum, bn.training
    (tensor([3.]), tensor([0.]), 0.1, False)
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [bn.momentum for bn in norms]
    for bn in norms:
        bn.reset_running_stats()
        bn.momentum = None  # PyTorch then averages over all batches instead of forgetting
    with torch.no_grad(), mode(model, training=True):
        for x, _ in batches:
            model(x)
    for bn, momentum in zip(norms, momenta, strict=True):
        bn.momentum = momentum


def choose_sparsities(
    scan: dict[str, dict[float, float]], sizes: dict[str, int], weights_left: int
) -> dict[str, float]:
    """Choose a sparsity for each layer, so that the network fits and stays as accurate as it can.

    How you choose is up to you. What counts is the network: it must fit, and it must beat the
    *same* sparsity in every layer.

    Args:
        scan: layer -> {sparsity: accuracy} as `sensitivity` measures it: what the network can do
            when this layer alone is pruned. All layers have the same sparsities, 0 and 1 may be
            missing, and measured accuracies go up and down a little.
        sizes: layer -> number of its weights, in the order of `scan`.
        weights_left: so many weights may stay in all layers together, 1 or more.

    Returns:
        For each layer a sparsity, 0 to 1. `round(sparsity * n)` of its n weights go. A weight per
        layer more than `weights_left` does not matter (rounding). Neither argument is changed.

    >>> scan = {"tough": {0.5: 0.9, 0.9: 0.88}, "tender": {0.5: 0.6, 0.9: 0.1}}
    >>> chosen = choose_sparsities(scan, {"tough": 100, "tender": 100}, weights_left=100)
    >>> chosen["tough"] > chosen["tender"]
    True
    """
    whole = max(accuracy for row in scan.values() for accuracy in row.values())
    steps = {name: sorted(({0.0: whole} | row | {1.0: 0.0}).items()) for name, row in scan.items()}

    def price(name: str) -> float:
        """Accuracy that the layer's next step costs, per weight that it removes."""
        (here, now), (there, then) = steps[name][:2]
        return (now - then) / ((there - here) * sizes[name])

    chosen = dict.fromkeys(scan, 0.0)
    while (over := sum(n - round(chosen[k] * n) for k, n in sizes.items()) - weights_left) > 0:
        name = min((name for name in scan if len(steps[name]) > 1), key=price)
        del steps[name][0]
        enough = (round(chosen[name] * sizes[name]) + over) / sizes[name]
        chosen[name] = min(steps[name][0][0], enough)
    return chosen


"""The exercises of lab 3, "Methods": when to remove, and how to train around it."""


import copy
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab.data import Images
from pruninglab.models import prunable

Masks = dict[str, Tensor]
Batch = tuple[Tensor, Tensor]  # images x (N, ...) and labels y (N,)


def train_masked(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    masks: Masks,
    data: Sequence[Batch],
    lrs: Sequence[float],
) -> None:
    """Train a pruned network so that its pruned weights are exactly zero all the time.

    They are zero when the first batch comes and after each step, whatever momentum and weight
    decay want. All other parameters take the steps that the optimizer makes of their gradients.
    The loss is the mean cross-entropy of a batch, with the model in training mode.

    Args:
        model: a classifier, changed in place; its parameters stay the same objects, because the
            optimizer knows them as such. It is left in training mode.
        optimizer: SGD or another one (Adam, ...) over `model.parameters()`, in one parameter
            group. It may have made steps before the pruning: then its momentum is not zero.
        masks: parameter name (as in `prunable(model)`) -> bool tensor, True = keep. A layer
            without a mask is not pruned.
        data: batches, one per step.
        lrs: the learning rate of each step, as many as there are batches.

    >>> model = nn.Linear(2, 2)
    >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    >>> masks = {"weight": torch.tensor([[True, False], [True, True]])}
    >>> train_masked(model, sgd, masks, 50 * [(torch.ones(1, 2), torch.tensor([0]))], 50 * [0.1])
    >>> (model.weight != 0).tolist()
    [[True, False], [True, True]]
    """
    weights = prunable(model)
    model.train()
    for name, keep in masks.items():
        weights[name].data[~keep] = 0
    for (x, y), lr in zip(data, lrs, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        for name, keep in masks.items():
            weights[name].data[~keep] = 0  # after the step, which has moved them


def prune_remaining(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """Prune a share of the weights that are *still there*: the smallest ones of the network.

    Pruning by rounds (Han et al. 2015) calls this again and again, with training in between. What
    is pruned stays pruned, whatever value it has.

    Args:
        weights: parameter name -> weights, tensors or parameters of any shape.
        masks: the same names -> bool tensors of the same shapes, True = still there.
        share: the share of the remaining weights to prune now, 0 to 1.

    Returns:
        New masks (neither the ones passed in nor the weights are changed). With n weights
        remaining in the whole network, exactly `round(share * n)` of them are pruned now: those
        of least magnitude, wherever they are. Half a weight goes to the even number, as always
        with `round`.

    >>> weights = {"a": torch.tensor([0.1, 2.0, -0.3]), "b": torch.tensor([0.2, -4.0])}
    >>> masks = {"a": torch.tensor([False, True, True]), "b": torch.tensor([True, True])}
    >>> prune_remaining(weights, masks, share=0.5)
    {'a': tensor([False,  True, False]), 'b': tensor([False,  True])}
    """
    # Below every magnitude, so what is gone already is first in the ranking.
    scores = {name: w.detach().abs().where(masks[name], -1.0) for name, w in weights.items()}
    size = sum(mask.numel() for mask in masks.values())
    remaining = sum(int(mask.sum()) for mask in masks.values())
    pruned = size - remaining + round(share * remaining)
    return global_masks(scores, pruned / size)


def cubic_sparsity(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Say how sparse the network should be at a training step (Zhu & Gupta 2017, equation 1).

    s_t = s_f + (s_i - s_f) · (1 - (t - t_0) / (n · Δt))³  for t = t_0, t_0 + Δt, ..., t_0 + n · Δt

    Args:
        step: t, the training step (a batch, not an epoch), 0 or more.
        start: t_0, the step at which pruning begins.
        every: Δt, how many steps lie between two updates of the masks, 1 or more.
        updates: n, the number of updates after the one at t_0, 1 or more.
        final: s_f, the sparsity at the end.
        initial: s_i, the sparsity at t_0.

    Returns:
        The sparsity in force at `step`. Between two updates it is that of the last one, before
        t_0 it is `initial`, and from t_0 + n · Δt on it is `final`.

    >>> [cubic_sparsity(t, start=10, every=5, updates=2, final=0.5) for t in (0, 14, 15, 19, 20)]
    [0.0, 0.0, 0.4375, 0.4375, 0.5]
    """
    done = (step - start) // every  # updates until now
    progress = min(max(done / updates, 0.0), 1.0)
    return final + (initial - final) * (1 - progress) ** 3


def prune_and_retrain(
    model: nn.Module,
    sparsities: Sequence[float],
    steps: int,
    choose_masks: Callable[[nn.Module, float], Masks],
    retrain: Callable[[nn.Module, Masks, int], None],
) -> Masks:
    """Prune in rounds, and retrain after each one; the weights live on from round to round.

    A round asks `choose_masks` which weights to keep of the network *as it is then*, sets the
    others to zero, and retrains. Removal at once is the case of one round.

    Args:
        model: the network, changed in place.
        sparsities: the sparsity to reach in each round, increasing; at least one.
        steps: training steps of all rounds *together*, a multiple of the number of rounds. Each
            round gets the same number.
        choose_masks: `choose_masks(model, sparsity)` -> masks: parameter name (as in
            `prunable(model)`) -> bool tensor, True = keep.
        retrain: `retrain(model, masks, steps)` trains that many steps (an int) and keeps zeros
            at zero.

    Returns:
        The masks of the last round.

    >>> smallest = lambda model, sparsity: global_masks({"weight": model.weight.abs()}, sparsity)
    >>> tell = lambda model, masks, steps: print(int((model.weight == 0).sum()), "zeros,", steps)
    >>> masks = prune_and_retrain(nn.Linear(5, 2), [0.2, 0.5], 60, smallest, tell)
    2 zeros, 30
    5 zeros, 30
    """
    for sparsity in sparsities:
        masks = choose_masks(model, sparsity)
        weights = prunable(model)
        for name, keep in masks.items():
            weights[name].data[~keep] = 0
        retrain(model, masks, steps // len(sparsities))
    return masks


def retraining_lrs(
    epoch_lrs: Sequence[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """List the learning rate of every step of a retraining (Renda et al. 2020).

    Fine-tuning holds the learning rate with which the training ended. Learning-rate rewinding
    goes back in the *schedule* by as many epochs as are retrained, and replays it from there to
    its end. In both the weights are those of the trained network.

    Args:
        epoch_lrs: the learning rate of each epoch of the original training.
        epochs: how many epochs to retrain, 1 to `len(epoch_lrs)`.
        steps_per_epoch: training steps of an epoch; the learning rate changes between epochs.
        rewind: True for learning-rate rewinding, False for fine-tuning.

    Returns:
        `epochs * steps_per_epoch` learning rates.

    >>> retraining_lrs([1.0, 0.1, 0.01], epochs=2, steps_per_epoch=3, rewind=True)
    [0.1, 0.1, 0.1, 0.01, 0.01, 0.01]
    >>> retraining_lrs([1.0, 0.1, 0.01], epochs=2, steps_per_epoch=3, rewind=False)
    [0.01, 0.01, 0.01, 0.01, 0.01, 0.01]
    """
    replayed = epoch_lrs[-epochs:] if rewind else epochs * [epoch_lrs[-1]]
    return [lr for lr in replayed for _ in range(steps_per_epoch)]


def soft_filter_pruning(
    convs: dict[str, nn.Conv2d],
    sparsity: float,
    epochs: int,
    steps_per_epoch: int,
    train_step: Callable[[], None],
) -> dict[str, Tensor]:
    """Zero the weakest filters after each epoch and let them all train on (He et al. 2018, SFP).

    A zeroed filter takes part in the next epoch like any other. If it grows back, it may stay and
    another one may go. Only what is zero after the last epoch is gone for good.

    Args:
        convs: name -> convolution (no bias), changed in place; its weight stays the same object.
        sparsity: the share of filters to zero in *each* convolution, 0 to 1.
        epochs: 1 or more.
        steps_per_epoch: 1 or more.
        train_step: `train_step()` makes one training step of the network they belong to.

    Returns:
        For each name a bool tensor `(out,)`, False for the `round(sparsity * out)` filters that
        were chosen last: those whose L2 norm was the smallest of that convolution. (Others may be
        zero, too, if they were dead before.)

    >>> conv = nn.Conv2d(1, 4, 1, bias=False)
    >>> grow = lambda: conv.weight.data.add_(torch.tensor([1.0, 2, 3, 4]).view(4, 1, 1, 1))
    >>> soft_filter_pruning({"conv": conv}, 0.5, epochs=2, steps_per_epoch=3, train_step=grow)
    {'conv': tensor([False, False,  True,  True])}
    """
    for _ in range(epochs):
        for _ in range(steps_per_epoch):
            train_step()
        # (out, in, kh, kw) -> (out,)
        norms = {name: conv.weight.detach().flatten(1).norm(dim=1) for name, conv in convs.items()}
        keep = local_masks(norms, sparsity)
        for name, conv in convs.items():
            conv.weight.data[~keep[name]] = 0
    return keep


def add_sparsity_penalty(model: nn.Module, strength: float) -> None:
    """Push the scales γ of batch normalisation to zero (Liu et al. 2017, "network slimming").

    The paper adds λ · Σ|γ| to the loss. Here its gradient, λ · sign(γ), is added to the gradient
    that is already there: call this between `loss.backward()` and `optimizer.step()`.

    Args:
        model: any network after a backward pass: each `nn.BatchNorm2d` in it has a
            `weight.grad`. These gradients are changed in place, and nothing else; a
            `BatchNorm1d` has no filters before it and is left alone.
        strength: λ, 0 or more.

    >>> bn = nn.BatchNorm2d(3)
    >>> bn.weight.data = torch.tensor([0.5, -2.0, 0.0])
    >>> bn.weight.grad = torch.tensor([1.0, 1.0, 1.0])
    >>> add_sparsity_penalty(bn, strength=0.25)
    >>> bn.weight.grad
    tensor([1.2500, 0.7500, 1.0000])
    """
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            gamma = layer.weight
            assert gamma.grad is not None, "call it after loss.backward()"
            gamma.grad += strength * gamma.detach().sign()


def compare(
    dense: nn.Module,
    methods: dict[str, Callable[[nn.Module, int], None]],
    seeds: Sequence[int],
    evaluate: Callable[[nn.Module, Images], float],
    val: Images,
    test: Images,
) -> dict[str, Any]:
    """Compare methods honestly: equal starts, several seeds, a choice on val, test read last.

    Each method starts from the trained network once per seed. The method with the best *mean*
    accuracy over the seeds on `val` wins, and its networks alone are then measured on `test`.

    Args:
        dense: the trained network, in training or evaluation mode; it is not changed.
        methods: name -> `method(model, seed)`, which prunes and retrains `model` in place and may
            leave it in training mode.
        seeds: one run per method and seed.
        evaluate: `evaluate(model, images)` -> accuracy 0 to 1. It leaves the model in the mode in
            which it gets it, so it needs one in evaluation mode.
        val: images to choose on.
        test: images for the final number.

    Returns:
        "val": method name -> list of accuracies, one per seed, in the order of `seeds`;
        "best": the name of the winner; "test": list of the winner's accuracies, one per seed.

    >>> methods = {"a": lambda model, seed: model.bias.data.fill_(1.0), "b": lambda *_: None}
    >>> bias = lambda model, images: model.bias.item()
    >>> layer = nn.Linear(1, 1)
    >>> layer.bias.data.zero_()
    tensor([0.])
    >>> compare(layer, methods, [0, 1], bias, "val images", "test images")
    {'val': {'a': [1.0, 1.0], 'b': [0.0, 0.0]}, 'best': 'a', 'test': [1.0, 1.0]}
    """
    models = {name: [copy.deepcopy(dense) for _ in seeds] for name in methods}
    accuracies = {}
    for name, method in methods.items():
        for model, seed in zip(models[name], seeds, strict=True):
            method(model, seed)
            model.eval()
        accuracies[name] = [evaluate(model, val) for model in models[name]]
    best = max(methods, key=lambda name: statistics.mean(accuracies[name]))
    return {"val": accuracies, "best": best, "test": [evaluate(m, test) for m in models[best]]}


def choose_schedule(steps: int, final: float) -> list[tuple[float, float]]:
    """Choose a sparsity and a learning rate for each training step, in any way you like.

    What counts is the network that follows them. In each step the masks are chosen again (global
    magnitude, at the step's sparsity), the pruned weights are set to zero and held there, and SGD
    makes one step at the learning rate. A falling sparsity lets weights grow again, from zero.

    Args:
        steps: how many training steps there are, 12 or more.
        final: the sparsity of the last step, above 0 and below 1.

    Returns:
        As many pairs (sparsity, learning rate) as steps. A sparsity is from 0 to 1, and the last
        one is `final`; learning rates are 0 or more.

    >>> schedule = choose_schedule(steps=36, final=0.9)
    >>> len(schedule), schedule[-1][0]
    (36, 0.9)
    """
    # Every step at the final sparsity heals, so all of them are; the rate falls to nearly zero.
    return [(final, 0.08 * (1 - step / steps)) for step in range(steps)]


"""The exercises of lab 4, "Papers": a structure, a criterion and a method make a recipe.

In all of them `train(model, masks, lrs, before_step=None)` stands for the training loop. It makes
one step per learning rate in `lrs`, sets the weights pruned by `masks` to zero before the first
step and keeps them there, calls `before_step(model)` (if given) between the backward pass and the
update of each step, and returns the minibatches it has used, one per step. It leaves the model in
training mode. With masks `{}` nothing is held at zero.
"""


from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.models import prunable

Train = Callable[..., list[Batch]]  # train(model, masks, lrs, before_step=None)


def shrink(model: nn.Module, keep: dict[str, Tensor]) -> None:
    """Remove filters for good: the model's layers are replaced by smaller ones.

    Args:
        model: a network of `Block`s, changed in place.
        keep: name of a free convolution (`<block>.conv1`) -> bool `(out,)`, True = keep.

    >>> from pruninglab.models import Block
    >>> model = nn.Sequential(Block(2, 4, 2, stride=1, option="A"))
    >>> shrink(model, {"0.conv1": torch.tensor([True, False, True, False])})
    >>> model[0].conv1.weight.shape, model[0].conv2.weight.shape
    (torch.Size([2, 2, 3, 3]), torch.Size([2, 2, 3, 3]))
    """
    for name, filters in keep.items():
        block: Any = model.get_submodule(name.removesuffix(".conv1"))
        layers = remove_filters(block.conv1, block.bn1, block.conv2, filters)
        block.conv1, block.bn1, block.conv2 = layers


def han2015(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """Prune each layer below a threshold of its own, retrain, and again (Han et al. 2015).

    A round prunes, in each layer, the weights whose magnitude is below `quality` times the
    standard deviation (`Tensor.std()`) of those weights of *this layer* that are *still there*.
    Then it retrains for `steps` steps at a tenth of the learning rate of the dense training (as
    for LeNet, section 4.1). What is pruned stays pruned.

    Args:
        model: any network, dense, changed in place: all of `prunable(model)` may be pruned.
        quality: the threshold in standard deviations, 0 or more.
        rounds: 1 or more.
        steps: training steps of each round.
        lr: the learning rate of the dense training.
        train: `train(model, masks, lrs)` makes one step per learning rate in the list `lrs`, with
            the pruned weights at zero.

    Returns:
        The masks of the last round: parameter name -> bool tensor, True = keep.

    >>> layer = nn.Linear(4, 1)
    >>> layer.weight.data = torch.tensor([[0.1, -1.0, 2.0, -3.0]])
    >>> show = lambda model, masks, lrs: print(masks["weight"].tolist(), lrs)
    >>> masks = han2015(layer, quality=0.5, rounds=2, steps=2, lr=0.5, train=show)
    [[False, False, True, True]] [0.05, 0.05]
    [[False, False, True, True]] [0.05, 0.05]
    """
    weights = prunable(model)
    masks = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
    for _ in range(rounds):
        for name, score in magnitude_scores(model).items():
            threshold = quality * weights[name].detach()[masks[name]].std()
            masks[name] = masks[name] & (score >= threshold)
        train(model, masks, steps * [lr / 10])
    return masks


def zhu2017(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """Prune more and more while training, along a cubic (Zhu & Gupta 2017, equation 1).

    The training has `len(lrs)` steps, numbered from 0. Right *before* the steps t_0, t_0 + Δt, ...,
    t_0 + n·Δt the masks are chosen again: in every layer the same share, given by the cubic from 0
    to `final`, of its smallest magnitudes goes (as in `local_masks`). In the steps between, the
    masks stay as they are.

    Args:
        model: any network, dense, changed in place: all of `prunable(model)` is pruned.
        final: the sparsity of every layer at the end, 0 to 1.
        start: t_0, the step before which pruning begins, 0 or more.
        every: Δt, the steps between two choices of the masks, 1 or more.
        updates: n, how many choices follow the first one; `start + updates * every < len(lrs)`.
        lrs: the learning rate of each step, the schedule of an ordinary training.
        train: `train(model, masks, lrs)` makes one step per learning rate in the list `lrs`, with
            the pruned weights at zero. It goes on where the call before has stopped.

    Returns:
        The masks of the last step: parameter name -> bool tensor, True = keep.

    >>> zeros = []
    >>> def train(model, masks, lrs):
    ...     zeros.extend(sum(int((~mask).sum()) for mask in masks.values()) for _ in lrs)
    >>> layer, lrs = nn.Linear(8, 8), [0.1] * 7
    >>> masks = zhu2017(layer, 0.5, start=1, every=2, updates=2, lrs=lrs, train=train)
    >>> zeros
    [0, 0, 0, 28, 28, 32, 32]
    """
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        if step in range(start, start + updates * every + 1, every):
            sparsity = cubic_sparsity(step, start, every, updates, final)
            masks = local_masks(magnitude_scores(model), sparsity)
        train(model, masks, [lr])
    return masks


def renda2020(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    """Prune a fifth of what remains, rewind the learning rate, and again (Renda et al. 2020).

    A round prunes 20 % of the weights that are still there (of their number in this round,
    rounded), the smallest of the whole network (global magnitude). Then it retrains for `epochs`
    epochs with *learning-rate rewinding*: the weights go on from where they are, the schedule goes
    back and is replayed to its end.

    Args:
        model: any network, dense and trained, changed in place: all of `prunable(model)` may be
            pruned.
        rounds: 1 or more.
        epoch_lrs: the learning rate of each epoch of the dense training.
        epochs: how many epochs each round retrains, 1 to `len(epoch_lrs)`.
        steps_per_epoch: training steps of an epoch.
        train: `train(model, masks, lrs)` makes one step per learning rate in the list `lrs`, with
            the pruned weights at zero.

    Returns:
        The masks of the last round: parameter name -> bool tensor, True = keep.

    >>> show = lambda model, masks, lrs: print(int(masks["weight"].sum()), "left,", lrs)
    >>> masks = renda2020(nn.Linear(10, 5), 3, [0.4, 0.2, 0.1], 2, steps_per_epoch=1, train=show)
    40 left, [0.2, 0.1]
    32 left, [0.2, 0.1]
    26 left, [0.2, 0.1]
    """
    weights = prunable(model)
    masks = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
    lrs = retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True)
    for _ in range(rounds):
        masks = prune_remaining(weights, masks, share=0.2)
        train(model, masks, lrs)
    return masks


def li2016(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    """Remove the filters of least L1 norm of each layer once, then retrain (Li et al. 2016).

    Of each free convolution the same share of filters goes, those of least L1 norm in their own
    layer; layers that are known to be sensitive are left alone. All are removed at once, and the
    small network is retrained at the learning rate with which the dense training has ended.

    Args:
        model: a network of `Block`s, trained, changed in place: its layers become smaller.
        sparsity: the share of filters to remove of each layer that is not skipped, 0 to 1; one
            filter always stays (`filter_mask`).
        skip: names of free convolutions to leave alone (see `free_convs`).
        epoch_lrs: the learning rate of each epoch of the dense training.
        epochs: how many epochs to retrain.
        steps_per_epoch: training steps of an epoch.
        train: `train(model, {}, lrs)` makes one step per learning rate in the list `lrs`.

    >>> from pruninglab.models import ResNet20
    >>> model, skip = ResNet20(4), ["layer1.0.conv1"]
    >>> show = lambda model, masks, lrs: print(len(model.layer1[1].conv1.weight), "filters,", lrs)
    >>> li2016(model, 0.5, skip, [0.1, 0.01], epochs=1, steps_per_epoch=3, train=show)
    2 filters, [0.01, 0.01, 0.01]
    """
    for name in free_convs(model):
        if name not in skip:
            weight = model.get_parameter(f"{name}.weight")
            shrink(model, {name: filter_mask(weight, sparsity)})
    train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False))


def liu2017(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    """Train the scales γ towards zero, remove the filters of small |γ|, fine-tune (Liu 2017).

    First a training with the penalty λ·Σ|γ| on all batch normalisations. Then the filters of the
    free convolutions are ranked by |γ|, all in one list, and the share `sparsity` of them is
    removed, but one filter stays in every layer. At last the small network is fine-tuned, without
    the penalty, by the same optimisation settings as before.

    Args:
        model: a network of `Block`s, changed in place: its layers become smaller.
        strength: λ, 0 or more.
        sparsity: the share of all filters of the free convolutions together to remove, 0 to 1.
        lrs: the learning rate of each step; both trainings go through the whole list.
        train: `train(model, {}, lrs, before_step)` makes one step per learning rate in the list
            `lrs` and calls `before_step(model)`, if that is given, between the backward pass and
            the update of each step.

    >>> from pruninglab.models import ResNet20
    >>> def train(model, masks, lrs, before_step=None):
    ...     filters = sum(len(model.get_parameter(f"{n}.weight")) for n in free_convs(model))
    ...     print(filters, "filters,", "penalty" if before_step else "no penalty")
    >>> liu2017(ResNet20(4), strength=1e-4, sparsity=0.5, lrs=[0.1], train=train)
    84 filters, penalty
    42 filters, no penalty
    """
    train(model, {}, lrs, lambda model: add_sparsity_penalty(model, strength))
    scores = bn_scores(model, free_convs(model))
    shrink(model, filter_masks(scores, sparsity))
    train(model, {}, lrs)


def molchanov2019(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """Remove a few filters after every few minibatches of a fine-tuning (Molchanov et al. 2019).

    A round fine-tunes for `steps` minibatches and scores the filters of all free convolutions on
    *these* minibatches: (dL/dz)² of their gates, averaged over the minibatches (`gate_scores`).
    The `filters` lowest ones of the whole network are removed, but one filter stays in every
    layer. After the last round, the small network is fine-tuned for `last_steps` more.

    Args:
        model: a network of `Block`s, trained, changed in place: its layers become smaller.
        rounds: 1 or more.
        filters: N, the number of filters to remove in each round.
        steps: minibatches between two removals, 1 or more.
        last_steps: minibatches after the last removal.
        lr: the learning rate, constant.
        train: `train(model, {}, lrs)` makes one step per learning rate in the list `lrs`. It
            returns the minibatches of these steps, a list of `(x, y)`, and leaves the model in
            training mode.

    >>> from pruninglab.models import ResNet20
    >>> model = ResNet20(2)
    >>> def train(model, masks, lrs):
    ...     print(sum(len(model.get_parameter(f"{n}.weight")) for n in free_convs(model)), lrs)
    ...     return [(torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 3])) for _ in lrs]
    >>> molchanov2019(model, rounds=2, filters=5, steps=2, last_steps=1, lr=0.1, train=train)
    42 [0.1, 0.1]
    37 [0.1, 0.1]
    32 [0.1]
    """
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        scores = gate_scores(model.eval(), free_convs(model), batches)
        present = sum(len(score) for score in scores.values())
        shrink(model, filter_masks(scores, min(filters / present, 1.0)))
    train(model, {}, last_steps * [lr])


def he2018(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    """Zero the weakest filters after each epoch, remove them after the last (He et al. 2018, SFP).

    After every epoch the same share of each free convolution, its filters of least L2 norm, is set
    to zero, in place: the optimizer behind `train` goes on with these parameters. In the next epoch
    all filters train on, nothing is held, and a zeroed one may grow back. The filters that were
    zeroed after the last epoch are removed from the network. (A filter that is zero for another
    reason, and was not among the weakest of its layer, stays.)

    Args:
        model: a network of `Block`s, changed in place: its layers become smaller at the end.
        sparsity: the share of filters of each free convolution, 0 to 1, so that one stays: of `out`
            filters, `round(sparsity * out)` are zeroed, and as many are removed at the end.
        epoch_lrs: the learning rate of each epoch, as many as there are epochs.
        steps_per_epoch: training steps of an epoch; the learning rate changes between epochs.
        train: `train(model, {}, lrs)` makes one step per learning rate in the list `lrs`.

    >>> from pruninglab.models import ResNet20
    >>> model = ResNet20(4)
    >>> def train(model, masks, lrs):
    ...     norms = model.layer1[0].conv1.weight.flatten(1).norm(dim=1)
    ...     print(len(norms), "filters,", int((norms == 0).sum()), "zero,", lrs)
    >>> he2018(model, 0.5, epoch_lrs=[0.1, 0.01], steps_per_epoch=1, train=train)
    4 filters, 0 zero, [0.1]
    4 filters, 2 zero, [0.01]
    >>> len(model.layer1[0].conv1.weight)
    2
    """
    lrs = iter([lr for lr in epoch_lrs for _ in range(steps_per_epoch)])

    def train_step() -> None:
        train(model, {}, [next(lrs)])

    convs: Any = {name: model.get_submodule(name) for name in free_convs(model)}
    keep = soft_filter_pruning(convs, sparsity, len(epoch_lrs), steps_per_epoch, train_step)
    shrink(model, keep)


"""The exercises of lab 5, "Speed": what pruning is worth in bytes and in seconds."""


import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.models import Block, ResNet20, SelectShortcut, ZeroPadShortcut


def conv_macs(conv: nn.Conv2d, height: int, width: int) -> int:
    """Count the multiplications of a convolution for one image, without running it.

    Each output pixel of each filter is one sum over `in * kh * kw` products, and each product is
    one multiply-accumulate (MAC). Products with the zeros of the padding count, a bias does not.

    Args:
        conv: a convolution `in -> out` channels with kernel `(kh, kw)`, any stride and padding
            (both are pairs, vertical first), without dilation and without groups.
        height, width: size of its input image in pixels, at least the kernel's.

    Returns:
        MACs for one image of `(in, height, width)`.

    >>> conv_macs(nn.Conv2d(3, 16, kernel_size=3, padding=1), height=32, width=32)
    442368
    """
    (kh, kw), (sy, sx) = conv.kernel_size, conv.stride
    rows = (height + 2 * int(conv.padding[0]) - kh) // sy + 1
    columns = (width + 2 * int(conv.padding[1]) - kw) // sx + 1
    return conv.out_channels * rows * columns * conv.in_channels * kh * kw


def race(
    contestants: dict[str, Callable[[], object]],
    warmup: int,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Time several functions fairly: warm up, take turns, time each run alone, take the median.

    First each contestant runs `warmup` times without being timed. Then come `rounds` rounds; in
    each round every contestant runs once, in the order of the dict, and is timed alone. So a busy
    moment of the machine hits all of them alike, and one slow run does not move the result.

    Args:
        contestants: name -> function without arguments.
        warmup: untimed runs of each, 0 or more.
        rounds: timed runs of each, 1 or more.
        clock: gives the time in seconds. Read it right before and right after each timed run.

    Returns:
        name -> median of its `rounds` times in seconds (for an even number of rounds the mean of
        the two in the middle), in the order of `contestants`.

    >>> seconds = race({"sum": lambda: sum(range(100)), "nothing": lambda: None}, 1, rounds=3)
    >>> list(seconds)
    ['sum', 'nothing']
    """
    for run in contestants.values():
        for _ in range(warmup):
            run()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = clock()
            run()
            seconds[name].append(clock() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def stored_bytes(mask: Tensor, value_bytes: int = 4, index_bytes: int = 4) -> dict[str, int]:
    """Say what a pruned weight costs in memory, with all that is needed to find its values again.

    A weight `(out, in, kh, kw)` or `(out, in)` is stored as a matrix with one row per filter.

    Args:
        mask: bool, True = keep; the other entries are 0.
        value_bytes: size of one value (4 for float32, 1 after quantisation to 8 bits).
        index_bytes: size of one index (4 for int32).

    Returns:
        "dense": every entry, zeros included;
        "bitmask": one bit per entry (in whole bytes, rounded up), then the kept values;
        "csr": compressed sparse rows: the kept values, for each of them its column, and `rows + 1`
        indices that say where each row begins and where the last one ends.

    >>> stored_bytes(torch.tensor([[True, False, False], [True, True, False]]))
    {'dense': 24, 'bitmask': 13, 'csr': 36}
    """
    kept = int(mask.sum())
    return {
        "dense": mask.numel() * value_bytes,
        "bitmask": (mask.numel() + 7) // 8 + kept * value_bytes,
        "csr": kept * (value_bytes + index_bytes) + (len(mask) + 1) * index_bytes,
    }


def coupled_groups(model: nn.Module) -> dict[str, list[str]]:
    """Find which convolutions of a ResNet-20 must lose the same filters.

    All feature maps that are added to each other need the same channels. Within a stage the
    additions make a chain: whatever writes on that stage's residual stream is one group. A
    convolution whose feature map is added to nothing is a group of its own.

    Args:
        model: a `ResNet20` of any width, with shortcut "A" or "B".

    Returns:
        group -> names of the convolutions (as in `model.named_modules()`) whose *filters* go
        together. The group of a stream is called after its stage ("layer1", "layer2", "layer3"),
        that of a single convolution after itself. Each convolution is in exactly one group. Any
        order.

    >>> groups = coupled_groups(ResNet20())
    >>> len(groups), groups["layer2.0.conv1"]
    (12, ['layer2.0.conv1'])
    """
    groups: dict[str, list[str]] = {"layer1": ["conv1"]}  # the stem begins the first stream
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and name != "conv1":
            stage = name.split(".")[0]
            groups.setdefault(name if name.endswith("conv1") else stage, []).append(name)
    return groups


def cut(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Make a smaller convolution, and the batch normalisation behind it, on both sides at once.

    Args:
        conv: `in -> out` channels, with or without bias, no groups. Not changed.
        bn: the batch normalisation behind it, `out` channels. Not changed.
        inputs: bool `(in,)`, True = this channel still arrives; at least one.
        filters: bool `(out,)`, True = this filter stays; at least one.

    Returns:
        New `conv` and `bn` with their parameters, running statistics *and* attributes
        (`in_channels`, `out_channels`, `num_features`) in their new size, all else as it was.

    >>> inputs, filters = torch.tensor([True, False, True]), torch.tensor([False, True])
    >>> cut(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), inputs, filters)[0]
    Conv2d(2, 1, kernel_size=(1, 1), stride=(1, 1))
    """
    conv, bn = copy.deepcopy((conv, bn))
    conv.weight = nn.Parameter(conv.weight.data[filters][:, inputs])  # (out, in, kh, kw)
    if conv.bias is not None:
        conv.bias = nn.Parameter(conv.bias.data[filters])
    bn.weight = nn.Parameter(bn.weight.data[filters])
    bn.bias = nn.Parameter(bn.bias.data[filters])
    for name in ("running_mean", "running_var"):
        setattr(bn, name, getattr(bn, name)[filters])
    conv.in_channels = int(inputs.sum())
    conv.out_channels = bn.num_features = int(filters.sum())
    return conv, bn


def shortcut_links(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """Follow the channels through option A's zero padding once some are gone on either side.

    Between two stages option A puts `(c_out - c_in) // 2` channels of zeros before the `c_in` that
    it carries, and the rest of the zeros behind them (`pruninglab.models.ZeroPadShortcut`). Of
    these channels only those of `keep_in` still arrive and only those of `keep_out` are wanted.

    Args:
        keep_in: bool `(c_in,)`: the channels that stay in the stage before.
        keep_out: bool `(c_out,)`, c_out >= c_in: the channels that stay in the stage after.

    Returns:
        sources, targets: two int64 tensors of equal length, in any order. Kept input channel
        `sources[i]` becomes kept output channel `targets[i]`; both are counted *among the kept*,
        from 0. Kept output channels that no pair names receive zeros.

    >>> shortcut_links(torch.tensor([False, True]), torch.tensor([True, False, True, True]))
    (tensor([0]), tensor([1]))
    """
    before = (len(keep_out) - len(keep_in)) // 2
    carried = slice(before, before + len(keep_in))
    linked = torch.zeros_like(keep_out)
    linked[carried] = keep_in & keep_out[carried]  # (c_out,), in the old numbering
    sources = linked[carried][keep_in].nonzero().flatten()
    targets = linked[keep_out].nonzero().flatten()
    return sources, targets


def shrink_resnet(model: ResNet20, keep: dict[str, Tensor]) -> ResNet20:
    """Make a really smaller ResNet-20 that computes what the silenced one does.

    The output equals, to rounding, that of `model` with every feature map outside `keep` set to
    zero wherever it arises: behind the BN of a single convolution, behind each addition of a
    stream (and behind the stem, which begins the stream of "layer1").

    Args:
        model: a `ResNet20` of any width, with shortcut "A" or "B", not shrunk yet. Not changed.
        keep: for every group of `coupled_groups(model)` a bool tensor with one entry per filter,
            True = keep; at least one True.

    Returns:
        The smaller network, its batch normalisation in the mode of `model`. Option A's
        `ZeroPadShortcut` is replaced by a `SelectShortcut(sources, targets, c_out)`. All layers are
        of classes of PyTorch or `pruninglab.models`; the grader rebuilds no others.

    >>> model = ResNet20(width=2)
    >>> keep = {name: torch.tensor([True, False]) for name in coupled_groups(model)}
    >>> keep |= {n: torch.arange(4) > 0 for n in keep if n.startswith("layer2")}
    >>> keep |= {n: torch.arange(8) > 0 for n in keep if n.startswith("layer3")}
    >>> shrink_resnet(model, keep).layer3[0].conv1
    Conv2d(3, 7, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
    """
    small, stream = copy.deepcopy(model), keep["layer1"]
    image = torch.ones(model.conv1.in_channels, dtype=torch.bool)  # no colour is removed
    small.conv1, small.bn1 = cut(small.conv1, small.bn1, image, stream)
    blocks = [(n, block) for n, block in small.named_modules() if isinstance(block, Block)]
    for name, block in blocks:
        middle, out = keep[f"{name}.conv1"], keep[name.split(".")[0]]
        block.conv1, block.bn1 = cut(block.conv1, block.bn1, stream, middle)
        block.conv2, block.bn2 = cut(block.conv2, block.bn2, middle, out)
        shortcut: Any = block.downsample
        if isinstance(shortcut, ZeroPadShortcut):
            block.downsample = SelectShortcut(*shortcut_links(stream, out), int(out.sum()))
        elif shortcut is not None:
            shortcut[0], shortcut[1] = cut(shortcut[0], shortcut[1], stream, out)
        stream = out
    small.fc.weight = nn.Parameter(small.fc.weight.data[:, stream])
    small.fc.in_features = int(stream.sum())
    return small


def choose_widths(
    scan: dict[str, dict[int, float]], macs: dict[str, int], budget: int
) -> dict[str, int]:
    """Decide how many filters each convolution keeps, to save `budget` MACs at a good accuracy.

    This task is open: every choice that saves enough MACs and leaves a network that is accurate
    enough on images that nobody has looked at is right. The grader removes the filters with the
    smallest L1 norms, as in `keep_strongest`, trains nothing, and measures.

    Args:
        scan: name of a convolution -> {filters kept: accuracy of the network if only *this* layer
            keeps so few}. The largest number of filters is all that the layer has.
        macs: name -> MACs of the network that are saved for each filter that this layer loses.
        budget: MACs to save, no more than the smallest widths of the scan save.

    Returns:
        For each name in `scan` how many filters it keeps, an int from 1 to all of them. Together
        they save `budget` or more. The arguments are not changed.

    >>> scan = {"a": {4: 0.9, 2: 0.9, 1: 0.8}, "b": {4: 0.9, 2: 0.5, 1: 0.1}}
    >>> choose_widths(scan, {"a": 100, "b": 100}, budget=200)
    {'a': 2, 'b': 4}
    """
    keep = {name: max(row) for name, row in scan.items()}
    while sum(macs[n] * (max(row) - keep[n]) for n, row in scan.items()) < budget:
        prices = {}  # accuracy lost per MAC saved, of every next step
        for name, row in scan.items():
            for width in (w for w in row if w < keep[name]):
                lost = row[keep[name]] - row[width] + 0.001  # of two free steps the larger one
                prices[name, width] = lost / (macs[name] * (keep[name] - width))
        cheapest, width = min(prices, key=prices.__getitem__)
        keep[cheapest] = width
    return keep
