"""The exercises of lab 4, "Papers": a structure, a criterion and a method make a recipe.

In all of them `train(model, masks, lrs, before_step=None)` stands for the training loop. It makes
one step per learning rate in `lrs`, sets the weights pruned by `masks` to zero before the first
step and keeps them there, calls `before_step(model)` (if given) between the backward pass and the
update of each step, and returns the minibatches it has used, one per step. It leaves the model in
training mode. With masks `{}` nothing is held at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.models import prunable
from solutions.lab1_structures.exercises import filter_mask, free_convs, local_masks, remove_filters
from solutions.lab2_criteria.exercises import bn_scores, filter_masks, gate_scores, magnitude_scores
from solutions.lab3_methods.exercises import (
    Batch,
    Masks,
    add_sparsity_penalty,
    cubic_sparsity,
    prune_remaining,
    retraining_lrs,
    soft_filter_pruning,
)

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
    ### BEGIN SOLUTION
    weights = prunable(model)
    masks = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
    for _ in range(rounds):
        for name, score in magnitude_scores(model).items():
            threshold = quality * weights[name].detach()[masks[name]].std()
            masks[name] = masks[name] & (score >= threshold)
        train(model, masks, steps * [lr / 10])
    return masks
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        if step in range(start, start + updates * every + 1, every):
            sparsity = cubic_sparsity(step, start, every, updates, final)
            masks = local_masks(magnitude_scores(model), sparsity)
        train(model, masks, [lr])
    return masks
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    weights = prunable(model)
    masks = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
    lrs = retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True)
    for _ in range(rounds):
        masks = prune_remaining(weights, masks, share=0.2)
        train(model, masks, lrs)
    return masks
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    for name in free_convs(model):
        if name not in skip:
            weight = model.get_parameter(f"{name}.weight")
            shrink(model, {name: filter_mask(weight, sparsity)})
    train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False))
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    train(model, {}, lrs, lambda model: add_sparsity_penalty(model, strength))
    scores = bn_scores(model, free_convs(model))
    shrink(model, filter_masks(scores, sparsity))
    train(model, {}, lrs)
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        scores = gate_scores(model.eval(), free_convs(model), batches)
        present = sum(len(score) for score in scores.values())
        shrink(model, filter_masks(scores, min(filters / present, 1.0)))
    train(model, {}, last_steps * [lr])
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    lrs = iter([lr for lr in epoch_lrs for _ in range(steps_per_epoch)])

    def train_step() -> None:
        train(model, {}, [next(lrs)])

    convs: Any = {name: model.get_submodule(name) for name in free_convs(model)}
    keep = soft_filter_pruning(convs, sparsity, len(epoch_lrs), steps_per_epoch, train_step)
    shrink(model, keep)
    ### END SOLUTION
