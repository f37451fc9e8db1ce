"""The exercises of lab 6, "Further": curvature, flow, noise, and an agent that chooses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab.models import prunable
from solutions.lab1_structures.exercises import filter_mask, global_masks, remove_filters


def hessian_diagonal(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Say how sharply the loss bends along each weight: h_kk of the mean cross-entropy.

    As the mean of squared per-example gradients (the Fisher information, which for this loss is
    the Gauss-Newton matrix):

        h_kk = mean over inputs n of  sum over classes c of  p_c(x_n) · (∂ log p_c(x_n) / ∂w_k)²

    where p is the softmax of the model's outputs. A ReLU network in evaluation mode is piecewise
    linear in each single weight, and there this *is* the diagonal of the Hessian. (LeCun et al.
    1989 find it by a recursion through the layers, and leave the same term out.)

    Args:
        model: maps `(N, ...)` to class scores `(N, C)`; in evaluation mode. It is not changed,
            and neither are the gradients that its parameters may hold.
        x: inputs `(N, ...)`, float.

    Returns:
        name -> tensor of the weight's shape, 0 or more, for each of `prunable(model)`.

    >>> model = nn.Linear(1, 2, bias=False)
    >>> _ = nn.init.zeros_(model.weight)
    >>> hessian_diagonal(model, torch.tensor([[2.0]]))  # p·(1 - p)·x² = ¼ · 4
    {'weight': tensor([[1.],
            [1.]])}
    """
    ### BEGIN SOLUTION
    weights = prunable(model)
    diagonal = {name: torch.zeros_like(w) for name, w in weights.items()}
    for one in x:
        for log_p in model(one[None]).log_softmax(dim=1)[0]:
            gradients = torch.autograd.grad(log_p, list(weights.values()), retain_graph=True)
            for name, gradient in zip(weights, gradients, strict=True):
                diagonal[name] += log_p.detach().exp() * gradient.square() / len(x)
    return {name: h.detach() for name, h in diagonal.items()}
    ### END SOLUTION


def obd_scores(weights: dict[str, Tensor], diagonal: dict[str, Tensor]) -> dict[str, Tensor]:
    """Predict by how much the loss rises when a weight is set to zero (LeCun et al. 1989).

    At a minimum the slope is zero. Leave the products of different weights out, and the loss at
    w_k = 0 is higher by s_k = h_kk·w_k²/2: Optimal Brain Damage's *saliency*.

    Args:
        weights: name -> weight, of any shape.
        diagonal: the same names and shapes: h_kk.

    Returns:
        name -> saliency, of the weight's shape.

    >>> obd_scores({"w": torch.tensor([3.0, -1.0])}, {"w": torch.tensor([2.0, 4.0])})
    {'w': tensor([9., 2.])}
    """
    ### BEGIN SOLUTION
    return {name: 0.5 * diagonal[name] * w.detach() ** 2 for name, w in weights.items()}
    ### END SOLUTION


def synflow_scores(model: nn.Module, shape: tuple[int, ...]) -> dict[str, Tensor]:
    """Score weights by the flow through them, without any data (Tanaka et al. 2020, eq. 2).

    Replace every parameter θ of the network by its magnitude and feed one input of ones. R is the
    sum of the outputs, and the score of a weight is |θ| · ∂R/∂|θ|: the part of R that flows
    through it. The numbers grow from layer to layer, so all of it is done in double precision;
    batch normalisation works in evaluation mode, where it does not mix the inputs of a batch.

    Args:
        model: a network at initialisation (running means 0, running variances 1). It is not
            changed: neither weights, signs, dtype, mode nor the gradients it may hold.
        shape: of one input, without the batch dimension, e.g. (3, 32, 32).

    Returns:
        name -> float64 tensor of the weight's shape, 0 or more, for each of `prunable(model)`.

    >>> model = nn.Linear(2, 1, bias=False)
    >>> model.weight.data = torch.tensor([[3.0, -4.0]])
    >>> synflow_scores(model, shape=(2,))
    {'weight': tensor([[3., 4.]], dtype=torch.float64)}
    """
    ### BEGIN SOLUTION
    twin = copy.deepcopy(model).double().eval()
    for parameter in twin.parameters():
        parameter.data.abs_()
    weights = prunable(twin)
    ones = next(twin.parameters()).new_ones(1, *shape)
    flow = twin(ones).sum()
    gradients = torch.autograd.grad(flow, list(weights.values()))
    return {name: (w * g).detach() for (name, w), g in zip(weights.items(), gradients, strict=True)}
    ### END SOLUTION


def synflow_masks(
    model: nn.Module,
    score: Callable[[nn.Module], dict[str, Tensor]],
    density: float,
    rounds: int,
) -> dict[str, Tensor]:
    """Prune in many small rounds, and score again after each (Tanaka et al. 2020, algorithm 1).

    After round k = 1 .. n the share density^(k/n) of all weights is left: each round keeps the
    same share of what the round before had kept. The ranking is global. A pruned weight stays
    pruned, and is 0 when the next round scores the network.

    Args:
        model: the network; it is not changed.
        score: a network -> scores of `prunable(network)`. Call it once a round.
        density: the share of the weights to keep in the end, above 0 and up to 1.
        rounds: n, 1 or more.

    Returns:
        name -> bool mask, True = keep; over all layers `round((1 - density) * weights)` are False.

    >>> model = nn.Linear(4, 1)
    >>> model.weight.data = torch.tensor([[0.1, -0.4, 0.3, 0.2]])
    >>> synflow_masks(model, lambda network: {"weight": network.weight.abs()}, 0.25, rounds=2)
    {'weight': tensor([[False,  True, False, False]])}
    """
    ### BEGIN SOLUTION
    twin = copy.deepcopy(model)
    weights = prunable(twin)
    masks = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
    for k in range(1, rounds + 1):
        scores = {name: s.detach() for name, s in score(twin).items()}
        alive = {name: s.masked_fill(~masks[name], -torch.inf) for name, s in scores.items()}
        masks = global_masks(alive, 1 - density ** (k / rounds))
        for name, weight in weights.items():
            weight.data[~masks[name]] = 0
    return masks
    ### END SOLUTION


def kl_divergence(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """Measure what the data has taught each weight, in nats (Molchanov et al. 2017, eq. 14).

    A weight is no number here but a normal distribution with mean θ and variance σ² = α·θ². Its
    divergence from the log-uniform prior is, to a very good approximation,

        KL = k1 - k1·sigmoid(k2 + k3·log α) + ½·log(1 + 1/α),
        k1 = 0.63576, k2 = 1.87320, k3 = 1.48695,

    which falls to 0 for α -> ∞: a weight of pure noise costs nothing.

    Args:
        theta: the means, any shape. Where θ is 0, let 1e-8 stand for θ².
        log_sigma2: log σ², the same shape.

    Returns:
        A scalar: the *sum* over all weights, differentiable in both arguments, and finite even
        where α is as small as e^-100 (there `torch.exp(100.)` is not: see `F.softplus`).

    >>> round(kl_divergence(torch.tensor([1.0, 1.0]), torch.tensor([0.0, 3.0])).item(), 4)
    0.4567
    """
    ### BEGIN SOLUTION
    log_alpha = log_sigma2 - theta.square().clamp(min=1e-8).log()
    learned = 0.63576 * (1 - torch.sigmoid(1.87320 + 1.48695 * log_alpha))
    return (learned + 0.5 * F.softplus(-log_alpha)).sum()
    ### END SOLUTION


def noisy_output(
    layer: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    theta: Tensor,
    log_sigma2: Tensor,
    noise: Callable[[Tensor], Tensor] = torch.randn_like,
) -> Tensor:
    """Draw a layer's outputs instead of its weights: the local reparametrisation trick.

    The output is a sum of inputs times independent normal weights, so it is normal itself, with
    mean Σ x·θ and variance Σ x²·σ². Drawing it directly gives every image its own noise, and a
    gradient of much less variance (Molchanov et al. 2017, eq. 17).

    Args:
        layer: `(x, weight) -> outputs`, linear in both, without bias: a matrix product or a
            convolution. Nothing more is known about it.
        x: the inputs of a batch.
        theta: the mean of each weight, of the shape that `layer` wants.
        log_sigma2: log σ² of each weight, the same shape.
        noise: gives standard normal numbers of the shape of what it is called with. Call it once.

    Returns:
        outputs = mean + standard deviation · noise. Add 1e-8 to the variance: the square root has
        an infinite slope at 0.

    >>> x, theta, log_sigma2 = torch.tensor([[3.0, 4.0]]), torch.ones(1, 2), torch.zeros(1, 2)
    >>> noisy_output(F.linear, x, theta, log_sigma2, noise=torch.ones_like)  # 7 + √(9 + 16)
    tensor([[12.]])
    """
    ### BEGIN SOLUTION
    mean = layer(x, theta)
    variance = layer(x.square(), log_sigma2.exp())
    return mean + (variance + 1e-8).sqrt() * noise(mean)
    ### END SOLUTION


def variational_loss(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """Balance what the data says against what the prior says (Molchanov et al. 2017, eq. 4).

    The bound is a *sum* over all training images, less one KL for the whole network. Per image
    that makes: mean cross-entropy of the batch + KL / number of training images. A full KL from
    the start would prune what has not learnt anything yet, so its weight grows linearly from 0 to
    1 in the first part of the training.

    Args:
        outputs: class scores of a batch `(B, C)`.
        labels: `(B,)` int64.
        kl: the KL of the whole network, a scalar.
        images: how many images the *training set* has.
        progress: how much of the training is done, 0 to 1.
        warmup: the part of the training in which the weight of the KL grows, above 0, up to 1.

    Returns:
        The loss to minimise, a scalar.

    >>> outputs, labels = torch.zeros(2, 2), torch.tensor([0, 1])  # cross-entropy log 2 = 0.6931
    >>> variational_loss(outputs, labels, torch.tensor(8.0), 4, progress=0.25, warmup=0.5)
    tensor(1.6931)
    """
    ### BEGIN SOLUTION
    share = min(1.0, progress / warmup)
    return F.cross_entropy(outputs, labels) + share * kl / images
    ### END SOLUTION


def bounded_sparsity(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """Let the agent choose, as long as the budget can still be met (He et al. 2018, algorithm 1).

    The layers come one after the other. If the agent asks for too little now, the layers that are
    left could no longer make up for it: then this layer gets what is needed even if all the later
    ones are pruned as far as they may be.

    Args:
        wanted: the sparsity that the agent asks for, 0 to 1.
        macs: the MACs of every layer, before pruning; a layer of sparsity s loses s · its MACs.
        chosen: the sparsities of the layers so far; it is now layer `len(chosen)`'s turn.
        target: the MACs to remove in total, at most `highest * sum(macs)`.
        highest: the largest sparsity a layer may get, 0 to 1.

    Returns:
        The sparsity for this layer: `wanted`, or more if the target needs it, never more than
        `highest`.

    >>> bounded_sparsity(0.1, macs=[100.0, 100.0], chosen=[], target=100.0, highest=0.75)
    0.25
    """
    ### BEGIN SOLUTION
    t = len(chosen)
    removed = sum(m * s for m, s in zip(macs, chosen, strict=False))
    needed = target - removed - highest * sum(macs[t + 1 :])
    return min(highest, max(wanted, needed / macs[t]))
    ### END SOLUTION


def amc_reward(
    model: nn.Module, sparsities: dict[str, float], evaluate: Callable[[nn.Module], float]
) -> float:
    """Judge a choice of sparsities: prune, do not fine-tune, measure (He et al. 2018, AMC).

    Args:
        model: a trained ResNet-20; it is not changed.
        sparsities: name of a free convolution, e.g. "layer1.0.conv1" -> the share of its filters
            to prune, those with the smallest L1 norm. Each is the `conv1` of a block: `bn1` and
            `conv2` of the same block lose what belongs to these filters.
        evaluate: network -> accuracy, 0 to 1, on images that the network was not trained on.

    Returns:
        The reward, minus the error: 0 for a network that makes no mistake, -1 for one that makes
        nothing else.

    >>> from pruninglab.models import ResNet20
    >>> choice = {"layer1.0.conv1": 0.5, "layer3.2.conv1": 0.25}
    >>> round(amc_reward(ResNet20(4), choice, evaluate=lambda network: 0.9), 4)
    -0.1
    """
    ### BEGIN SOLUTION
    twin = copy.deepcopy(model)
    for name, sparsity in sparsities.items():
        block: Any = twin.get_submodule(name.removesuffix(".conv1"))
        keep = filter_mask(block.conv1.weight, sparsity)
        layers = remove_filters(block.conv1, block.bn1, block.conv2, keep)
        block.conv1, block.bn1, block.conv2 = layers
    return evaluate(twin) - 1
    ### END SOLUTION


def combine_criteria(scores: dict[str, dict[str, Tensor]], sparsity: float) -> dict[str, Tensor]:
    """Choose the weights that stay, by several criteria together, in any way you like.

    What counts is the network: enough of it must go, and without any training it must be more
    accurate than if the best of the criteria had chosen alone. Where all criteria agree, so do you:
    within a layer, a weight with higher scores by each of them must not go before another one.

    Args:
        scores: criterion -> parameter name -> scores of that weight's shape; a high score says:
            keep. The criteria are "magnitude", "OBD", "SynFlow" and "Variational Dropout" (minus
            log α). Each has its own unit, and some go over many powers of ten; none is NaN or
            infinite, and scores may be equal, negative or zero.
        sparsity: the share of all weights together that goes, 0 to 1.

    Returns:
        For each parameter name a bool tensor of its shape, True = keep. Over all layers together
        `round(sparsity * n)` of the n entries are False; one per layer more or less does not
        matter (rounding). The scores are not changed.

    >>> names = ("magnitude", "OBD", "SynFlow", "Variational Dropout")
    >>> agreed = {name: {"w": torch.tensor([3.0, 1.0, 2.0, 4.0])} for name in names}
    >>> combine_criteria(agreed, sparsity=0.5)
    {'w': tensor([ True, False, False,  True])}
    """
    ### BEGIN SOLUTION
    # Noise knows what a layer can spare, and magnitude which of a layer's weights are small.
    by_noise = global_masks(scores["Variational Dropout"], sparsity)
    chosen: dict[str, Tensor] = {}
    for name, sizes in scores["magnitude"].items():
        gone = (~by_noise[name]).float().mean().item()
        chosen |= global_masks({name: sizes}, gone)
    return chosen
    ### END SOLUTION
