"""The exercises of lab 2, "Criteria": which parts of a network are worth keeping."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab.models import prunable
from pruninglab.training import mode
from solutions.lab1_structures.exercises import global_masks, local_masks


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
    ### BEGIN SOLUTION
    return {name: weight.detach().abs() for name, weight in prunable(model).items()}
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    weights = prunable(model)
    with mode(model, training=False):
        loss = F.cross_entropy(model(x), y)
    gradients = torch.autograd.grad(loss, list(weights.values()))
    return {name: g.abs() for name, g in zip(weights, gradients, strict=True)}
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    # (out, in, kh, kw) -> (out,)
    return {name: t.detach().abs().pow(p).sum(dim=(1, 2, 3)) for name, t in tensors.items()}
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    scores = {}
    for name in convs:
        scale = model.get_parameter(name.replace("conv", "bn") + ".weight")
        scores[name] = scale.detach().abs()
    return scores
    ### END SOLUTION


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
    ### BEGIN SOLUTION
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
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    stays = {}
    for name, score in scores.items():
        best = score.topk(min(at_least, len(score))).indices
        stays[name] = torch.zeros_like(score, dtype=torch.bool)
        stays[name][best] = True
    raised = {name: score.masked_fill(stays[name], torch.inf) for name, score in scores.items()}
    masks = global_masks(raised, sparsity)
    return {name: masks[name] | stays[name] for name in scores}
    ### END SOLUTION


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
    ### BEGIN SOLUTION
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
    ### END SOLUTION


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
    ### BEGIN SOLUTION
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
    ### END SOLUTION


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
    ### BEGIN SOLUTION
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
    ### END SOLUTION
