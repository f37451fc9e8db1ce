"""The exercises of lab 3, "Methods": when to remove, and how to train around it."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab.data import Images
from pruninglab.models import prunable
from solutions.lab1_structures.exercises import global_masks, local_masks

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
    ### BEGIN SOLUTION
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
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    # Below every magnitude, so what is gone already is first in the ranking.
    scores = {name: w.detach().abs().where(masks[name], -1.0) for name, w in weights.items()}
    size = sum(mask.numel() for mask in masks.values())
    remaining = sum(int(mask.sum()) for mask in masks.values())
    pruned = size - remaining + round(share * remaining)
    return global_masks(scores, pruned / size)
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    done = (step - start) // every  # updates until now
    progress = min(max(done / updates, 0.0), 1.0)
    return final + (initial - final) * (1 - progress) ** 3
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    for sparsity in sparsities:
        masks = choose_masks(model, sparsity)
        weights = prunable(model)
        for name, keep in masks.items():
            weights[name].data[~keep] = 0
        retrain(model, masks, steps // len(sparsities))
    return masks
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    replayed = epoch_lrs[-epochs:] if rewind else epochs * [epoch_lrs[-1]]
    return [lr for lr in replayed for _ in range(steps_per_epoch)]
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    for _ in range(epochs):
        for _ in range(steps_per_epoch):
            train_step()
        # (out, in, kh, kw) -> (out,)
        norms = {name: conv.weight.detach().flatten(1).norm(dim=1) for name, conv in convs.items()}
        keep = local_masks(norms, sparsity)
        for name, conv in convs.items():
            conv.weight.data[~keep[name]] = 0
    return keep
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            gamma = layer.weight
            assert gamma.grad is not None, "call it after loss.backward()"
            gamma.grad += strength * gamma.detach().sign()
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    models = {name: [copy.deepcopy(dense) for _ in seeds] for name in methods}
    accuracies = {}
    for name, method in methods.items():
        for model, seed in zip(models[name], seeds, strict=True):
            method(model, seed)
            model.eval()
        accuracies[name] = [evaluate(model, val) for model in models[name]]
    best = max(methods, key=lambda name: statistics.mean(accuracies[name]))
    return {"val": accuracies, "best": best, "test": [evaluate(m, test) for m in models[best]]}
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    # Every step at the final sparsity heals, so all of them are; the rate falls to nearly zero.
    return [(final, 0.08 * (1 - step / steps)) for step in range(steps)]
    ### END SOLUTION
