"""What students write instead, for each exercise of lab 3.

MISTAKES are wrong, and the first paragraph of each one's docstring is the hint that a student
gets who makes it. ALTERNATIVES are right in another way than `methods`, and must pass.
"""

from __future__ import annotations

import copy
import itertools
import pickle
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune

from pruninglab import masks as library
from pruninglab.checks import schedules
from pruninglab.models import prunable
from solutions.lab1_structures import exercises as structures
from solutions.lab3_methods import exercises as methods

Masks = dict[str, Tensor]
Batch = tuple[Tensor, Tensor]
SGD = torch.optim.Optimizer
Convs = dict[str, nn.Conv2d]
Evaluate = Callable[[nn.Module, Any], float]


# --- train_masked -------------------------------------------------------------------------------


def zero(model: nn.Module, masks: Masks) -> None:
    """Set the pruned weights to zero."""
    for name, mask in masks.items():
        prunable(model)[name].data[~mask] = 0


def nothing() -> None:
    """Do nothing."""


def loop(
    model: nn.Module,
    optimizer: SGD,
    data: Sequence[Batch],
    lrs: Sequence[float],
    *,
    before: Callable[[], None] = nothing,
    after_backward: Callable[[], None] = nothing,
    after: Callable[[], None] = nothing,
) -> None:
    """Plain training, with places to do something in each step."""
    model.train()
    for (x, y), lr in zip(data, lrs, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        before()
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        after_backward()
        optimizer.step()
        after()


def train_masked_once(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """The mask was applied once, before training: the first step already revives weights."""
    zero(model, masks)
    loop(model, optimizer, data, lrs)


def train_masked_gradient(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """Your gradients are masked and yet weights move: what else does SGD add to a step?"""

    def mask_gradients() -> None:
        for name, mask in masks.items():
            grad = prunable(model)[name].grad
            assert grad is not None
            grad[~mask] = 0

    zero(model, masks)
    loop(model, optimizer, data, lrs, after_backward=mask_gradients)


def train_masked_before_step(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """You mask between `backward()` and `step()`, and it is the step that moves the weights."""
    zero(model, masks)
    loop(model, optimizer, data, lrs, after_backward=lambda: zero(model, masks))


def train_masked_before_forward(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """You mask at the top of the loop: what about the last step, after which none follows?"""
    loop(model, optimizer, data, lrs, before=lambda: zero(model, masks))


def train_masked_at_the_end(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """The pruned weights took part in the training and were zeroed at its end: mask every step."""
    zero(model, masks)
    loop(model, optimizer, data, lrs)
    zero(model, masks)


def train_masked_not_at_first(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """The first batch meets the dense network: the pruned weights are to be zero from the start."""
    loop(model, optimizer, data, lrs, after=lambda: zero(model, masks))


def train_masked_stale(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """You made a new `nn.Parameter`: the optimizer still holds the old one, and trains that."""
    for name, mask in masks.items():
        layer, _, attribute = name.rpartition(".")
        new = nn.Parameter(prunable(model)[name].detach() * mask)
        setattr(model.get_submodule(layer), attribute, new)
    loop(model, optimizer, data, lrs, after=lambda: zero(model, masks))


def train_masked_new_optimizer(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """You made an optimizer of your own: the one you were given has momentum and its settings."""
    zero(model, masks)
    own = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    loop(model, own, data, lrs, after=lambda: zero(model, masks))


def train_masked_no_zero_grad(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """Gradients of earlier batches pile up: `backward` adds to what is already there."""
    zero(model, masks)
    model.train()
    for (x, y), lr in zip(data, lrs, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        zero(model, masks)


def train_masked_inverted(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """The weights that were to stay are zero: True means keep."""
    methods.train_masked(model, optimizer, {n: ~m for n, m in masks.items()}, data, lrs)


def train_masked_ignores_lrs(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """The learning rate is still the optimizer's own: set that of each step in `param_groups`."""
    own = optimizer.param_groups[0]["lr"]
    methods.train_masked(model, optimizer, masks, data, len(lrs) * [own])


def train_masked_first_lr(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """All steps have the first learning rate: set it in each step."""
    methods.train_masked(model, optimizer, masks, data, len(lrs) * [lrs[0]])


def train_masked_lr_too_late(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """Each step has the learning rate of the one before: set it before `step()`, not after."""
    late = [optimizer.param_groups[0]["lr"], *lrs[:-1]]
    methods.train_masked(model, optimizer, masks, data, late)


def train_masked_eval_mode(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """Batch normalisation learns nothing: the model came in evaluation mode, switch it over."""
    zero(model, masks)
    for (x, y), lr in zip(data, lrs, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        zero(model, masks)


def train_masked_first_layer(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """Only the first mask is held: is there a `return` or `break` in your loop over the masks?"""
    first = dict(list(masks.items())[:1])
    zero(model, masks)
    methods.train_masked(model, optimizer, first, data, lrs)


def train_masked_zero_grad_late(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """The first step adds what an earlier training left in `.grad`: zero it *before* `backward`."""
    zero(model, masks)
    model.train()
    for (x, y), lr in zip(data, lrs, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
        zero(model, masks)


def train_masked_softmax(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """`F.cross_entropy` wants the model's scores as they are: it does the softmax itself."""
    zero(model, masks)
    model.train()
    for (x, y), lr in zip(data, lrs, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        F.cross_entropy(model(x).softmax(dim=1), y).backward()
        optimizer.step()
        zero(model, masks)


def train_masked_forgets_momentum(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """The momentum of the dense training is gone: it is only the *pruned* weights that stop."""
    optimizer.state.clear()
    methods.train_masked(model, optimizer, masks, data, lrs)


def train_masked_by_the_weights(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """A weight that is kept may be zero, too, and trains on: ask the masks, not the weights."""
    zero(model, masks)
    there = {name: weight.detach() != 0 for name, weight in prunable(model).items()}
    methods.train_masked(model, optimizer, there, data, lrs)


def train_masked_all_layers(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """There is a layer without a mask, which is not pruned: loop over the masks you are given."""
    methods.train_masked(model, optimizer, {n: masks[n] for n in prunable(model)}, data, lrs)


def train_masked_sgd_only(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """This stops SGD's momentum, but another optimizer remembers other things: mask each step."""
    zero(model, masks)
    for name, mask in masks.items():
        momentum = optimizer.state[prunable(model)[name]].get("momentum_buffer")
        if momentum is not None:
            momentum[~mask] = 0

    def mask_gradients() -> None:
        for name, mask in masks.items():
            grad = prunable(model)[name].grad
            assert grad is not None
            grad[~mask] = 0

    loop(model, optimizer, data, lrs, after_backward=mask_gradients)


def train_masked_left_in_evaluation_mode(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """The weights are right, but the model is left in evaluation mode: training mode is asked."""
    methods.train_masked(model, optimizer, masks, data, lrs)
    model.eval()


def train_masked_summed_loss(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """Your loss is the sum over a batch: its mean is asked."""
    model.train()
    zero(model, masks)
    for (x, y), lr in zip(data, lrs, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        F.cross_entropy(model(x), y, reduction="sum").backward()
        optimizer.step()
        zero(model, masks)


def train_masked_own_sgd(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """You made an optimizer of your own: the one you are given has other settings, and momentum."""
    own = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    methods.train_masked(model, own, masks, data, lrs)


def train_masked_no_weight_decay(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """You train without weight decay: the settings of the optimizer are to stay."""
    group = optimizer.param_groups[0]
    decay = group.get("weight_decay", 0)
    group["weight_decay"] = 0
    methods.train_masked(model, optimizer, masks, data, lrs)
    group["weight_decay"] = decay


def train_masked_next_lr(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """Each step has the learning rate of the next: set it *before* the step."""
    later = [*lrs[1:], *lrs[:1]]
    methods.train_masked(model, optimizer, masks, data, later)


def train_masked_not_the_last(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """The last batch is not trained on: there are as many steps as batches."""
    steps = max(len(data) - 1, 1)
    methods.train_masked(model, optimizer, masks, data[:steps], lrs[:steps])


def train_masked_hold(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """With the library's own way to hold masks."""
    with library.hold(model, masks):
        loop(model, optimizer, data, lrs)


def train_masked_multiplied(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """Multiplied by the mask (which makes zeros with a sign); at both ends of the loop."""

    @torch.no_grad()
    def multiply() -> None:
        for name, parameter in model.named_parameters():
            if name in masks:
                parameter.mul_(masks[name])

    loop(model, optimizer, data, lrs, before=multiply, after=multiply)


def train_masked_hook(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """By a hook of the optimizer, with `torch.where`."""

    @torch.no_grad()
    def restore(*_: Any) -> None:
        for name, weight in prunable(model).items():
            if name in masks:
                weight.copy_(torch.where(masks[name], weight, 0.0))

    restore()
    handle = optimizer.register_step_post_hook(restore)
    loop(model, optimizer, data, lrs)
    handle.remove()


def train_masked_state(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """Masked gradients, *and* the momentum of the pruned weights cleared at the start."""
    zero(model, masks)
    pruned = {prunable(model)[name]: ~mask for name, mask in masks.items()}
    for weight, gone in pruned.items():
        for value in optimizer.state[weight].values():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                value[gone] = 0

    def mask_gradients() -> None:
        for weight, gone in pruned.items():
            assert weight.grad is not None
            weight.grad[gone] = 0

    loop(model, optimizer, data, lrs, after_backward=mask_gradients)


def train_masked_torch(
    model: nn.Module, optimizer: SGD, masks: Masks, data: list[Batch], lrs: list[float]
) -> None:
    """By torch's own pruning, made permanent at the end; it changes the order of parameters."""
    layers = {name: model.get_submodule(name.rpartition(".")[0]) for name in masks}
    for name, mask in masks.items():
        prune.custom_from_mask(layers[name], "weight", mask)
    loop(model, optimizer, data, lrs)
    for layer in layers.values():
        prune.remove(layer, "weight")


# --- prune_remaining ----------------------------------------------------------------------------


def magnitudes(weights: dict[str, Tensor], masks: Masks) -> dict[str, Tensor]:
    """|w|, and -1 for what is gone."""
    return {n: w.detach().abs().where(masks[n], -1.0) for n, w in weights.items()}


def size_of(masks: Masks) -> tuple[int, int]:
    """(all weights, the remaining ones)."""
    return sum(m.numel() for m in masks.values()), sum(int(m.sum()) for m in masks.values())


def drop(scores: dict[str, Tensor], count: int) -> Masks:
    """Without the `count` lowest scores of the network."""
    total = sum(s.numel() for s in scores.values())
    return structures.global_masks(scores, min(count, total) / total)


def prune_remaining_of_all(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """You take the share of *all* weights each time: three times 20 % of the rest is 48.8 %."""
    total, left = size_of(masks)
    return drop(magnitudes(weights, masks), total - left + round(share * total))


def prune_remaining_forgets(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """Weights that were pruned before are back: what do you do with the masks you are given?"""
    _, left = size_of(masks)
    return drop({n: w.detach().abs() for n, w in weights.items()}, round(share * left))


def prune_remaining_forgets_but_counts(
    weights: dict[str, Tensor], masks: Masks, share: float
) -> Masks:
    """The count is right, but pruned weights with a large value are back: gone is gone."""
    total, left = size_of(masks)
    plain = {n: w.detach().abs() for n, w in weights.items()}
    return drop(plain, total - left + round(share * left))


def prune_remaining_zeros_ranked(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """Hardly anything goes: the pruned weights are in your ranking and fill the share again."""
    total, _ = size_of(masks)
    ranked = drop(magnitudes(weights, masks), round(share * total))
    return {name: masks[name] & mask for name, mask in ranked.items()}


def prune_remaining_counts_zeros(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """Only what is gone already is chosen again: rank the remaining weights alone."""
    _, left = size_of(masks)
    ranked = drop(magnitudes(weights, masks), round(share * left))
    return {name: masks[name] & mask for name, mask in ranked.items()}


def prune_remaining_local(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """Every layer loses its share: the ranking goes over the whole network."""
    new = {}
    for name, score in magnitudes(weights, masks).items():
        gone = int((~masks[name]).sum())
        count = gone + round(share * (score.numel() - gone))
        new[name] = drop({name: score}, count)[name]
    return new


def prune_remaining_no_abs(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """Large negative weights go: least *magnitude* is asked."""
    total, left = size_of(masks)
    signed = {n: w.detach().where(masks[n], -torch.inf) for n, w in weights.items()}
    return drop(signed, total - left + round(share * left))


def prune_remaining_largest(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """The largest weights go: in which direction is your ranking sorted?"""
    total, left = size_of(masks)
    turned = {n: (-w.detach().abs()).where(masks[n], -torch.inf) for n, w in weights.items()}
    return drop(turned, total - left + round(share * left))


def prune_remaining_keeps_the_share(
    weights: dict[str, Tensor], masks: Masks, share: float
) -> Masks:
    """The share of the remaining weights is kept: it is the share that goes now."""
    total, left = size_of(masks)
    return drop(magnitudes(weights, masks), total - round(share * left))


def prune_remaining_floor(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """One weight too few goes where share · n is not whole: how does `int` treat 2.8?"""
    total, left = size_of(masks)
    return drop(magnitudes(weights, masks), total - left + int(share * left))


def prune_remaining_in_place(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """The masks that you were given have changed: make new ones."""
    for name, mask in methods.prune_remaining(weights, masks, share).items():
        masks[name].copy_(mask)
    return masks


def prune_remaining_only_new(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """Your masks mark what goes *now*, and what went before counts as kept."""
    new = methods.prune_remaining(weights, masks, share)
    return {name: ~(masks[name] & ~new[name]) for name in masks}


def prune_remaining_times_mask(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """What is gone came back for a weight that is zero: score what is gone *below* zero."""
    total, left = size_of(masks)
    scores = {name: (w.detach() * masks[name]).abs() for name, w in weights.items()}
    return drop(scores, total - left + round(share * left))


def prune_remaining_in_float(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """Close numbers have become equal: a cast or a rounding does that. Rank them as they are."""
    total, left = size_of(masks)
    scores = {n: s.float() for n, s in magnitudes(weights, masks).items()}
    return drop(scores, total - left + round(share * left))


def prune_remaining_half_up(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """The count is off by one where share · n ends in .5: Python's `round(2.5)` is 2."""
    total, left = size_of(masks)
    return drop(magnitudes(weights, masks), total - left + int(share * left + 0.5))


def prune_remaining_all_ties(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """All weights of the same magnitude go together, too many: a threshold cannot count."""
    remaining = torch.cat([w.detach().abs()[masks[n]] for n, w in weights.items()])
    ranking = [-1.0, *remaining.sort().values.tolist()]
    threshold = ranking[round(share * len(remaining))]
    return {n: masks[n] & (w.detach().abs() > threshold) for n, w in weights.items()}


def prune_remaining_quantile(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """A quantile lies between two weights or on one: count them, the number has to be exact."""
    remaining = torch.cat([w.detach().abs()[masks[n]] for n, w in weights.items()])
    threshold = remaining.quantile(share)
    return {n: masks[n] & (w.detach().abs() > threshold) for n, w in weights.items()}


def prune_remaining_by_the_weights(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """You take each weight that is not zero for one that is still there: ask the masks."""
    there = {name: weight.detach() != 0 for name, weight in weights.items()}
    return methods.prune_remaining(weights, there, share)


def prune_remaining_as_if_all_were_there(
    weights: dict[str, Tensor], masks: Masks, share: float
) -> Masks:
    """You rank the pruned weights as well: what do you do with the masks you are given?"""
    whole = {name: torch.ones_like(mask) for name, mask in masks.items()}
    return methods.prune_remaining(weights, whole, share)


def prune_remaining_shares_add_up(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """You add the shares up: each is a share of the weights that *remain*."""
    total, left = size_of(masks)
    gone = round(min(1, 1 - left / total + share) * total)
    return drop(magnitudes(weights, masks), gone)


def prune_remaining_one_stays(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """One weight stays when all that remain are to go: the task names no exception."""
    total, left = size_of(masks)
    return drop(magnitudes(weights, masks), total - left + min(round(share * left), left - 1))


def prune_remaining_gives_back(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """Where nothing goes you give back the masks that you were given: new ones are asked."""
    return methods.prune_remaining(weights, masks, share) if share else masks


def prune_remaining_threshold(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """The `kthvalue` of what remains as a threshold."""
    left = torch.cat([w.detach().abs()[masks[n]].double() for n, w in weights.items()])
    count = round(share * len(left))
    if not count:
        return {name: mask.clone() for name, mask in masks.items()}
    threshold, excess = left.kthvalue(count).values, int((left <= left.kthvalue(count)[0]).sum())
    excess -= count  # ties that have to stay
    new = {n: masks[n] & (w.detach().abs().double() > threshold) for n, w in weights.items()}
    for name, weight in weights.items():
        ties = masks[name] & (weight.detach().abs().double() == threshold)
        places = ties.flatten().nonzero().flatten()[:excess]
        new[name].view(-1)[places] = True
        excess -= len(places)
    return new


def prune_remaining_sorted(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """A sorted list of (magnitude, layer, place)."""
    new = {name: mask.clone().flatten() for name, mask in masks.items()}
    left = [
        (abs(weights[name].flatten()[i].item()), name, int(i))
        for name, mask in new.items()
        for i in mask.nonzero().flatten()
    ]
    for _, name, i in sorted(left)[: round(share * len(left))]:
        new[name][i] = False
    return {name: mask.reshape(masks[name].shape) for name, mask in new.items()}


def prune_remaining_numpy(weights: dict[str, Tensor], masks: Masks, share: float) -> Masks:
    """numpy, with infinity for what is gone, and the same number of others."""
    names = list(weights)
    flat = np.concatenate([weights[n].detach().abs().numpy().ravel() for n in names])
    there = np.concatenate([masks[n].numpy().ravel() for n in names]).copy()
    order = np.argsort(np.where(there, flat, np.inf))
    there[order[: round(share * int(there.sum()))]] = False
    parts = np.split(there, np.cumsum([masks[n].numel() for n in names])[:-1])
    return {n: torch.tensor(p).view(masks[n].shape) for n, p in zip(names, parts, strict=True)}


def prune_remaining_by_place(weights: Masks, masks: Masks, share: float) -> Masks:
    """You pair weights and masks by their place in the two dicts: the *names* say which belong."""
    ours = dict(zip(weights, masks.values(), strict=True))
    return methods.prune_remaining(weights, ours, share)


def prune_remaining_by_squares(weights: Masks, masks: Masks, share: float) -> Masks:
    """Squares of small half-precision numbers are 0: rank by magnitude."""
    squares = {name: weight.detach().square() for name, weight in weights.items()}
    return methods.prune_remaining(squares, masks, share)


# --- cubic_sparsity -----------------------------------------------------------------------------


def cubic(progress: float, final: float, initial: float) -> float:
    """Equation 1."""
    return final + (initial - final) * (1 - progress) ** 3


def clamp(x: float) -> float:
    """To 0 .. 1."""
    return min(max(x, 0.0), 1.0)


def cubic_sparsity_linear(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Your sparsity grows by equal amounts: where is the cube?"""
    return final + (initial - final) * (1 - clamp((step - start) // every / updates))


def cubic_sparsity_swapped(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """You begin at the final sparsity and end at the initial one: which is which?"""
    return cubic(clamp((step - start) // every / updates), initial, final)


def cubic_sparsity_slow_first(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """You prune slowly first and fast at the end: the cube is of what is *still to go*."""
    return initial + (final - initial) * clamp((step - start) // every / updates) ** 3


def cubic_sparsity_no_clamp(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Before t_0 and after the last update the sparsity goes on changing: hold it at both ends."""
    return cubic((step - start) // every / updates, final, initial)


def cubic_sparsity_no_clamp_after(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """After the last update the sparsity goes on changing: hold it at its final value."""
    return cubic(max((step - start) // every / updates, 0.0), final, initial)


def cubic_sparsity_no_clamp_before(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Before t_0 nothing is pruned yet, and your sparsity is below the initial one."""
    return cubic(min((step - start) // every / updates, 1.0), final, initial)


def cubic_sparsity_never_reaches(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """The last update falls short of the final sparsity: how many updates follow the first one?"""
    done = min(max((step - start) // every, 0), updates)
    return cubic(done / (updates + 1), final, initial)


def cubic_sparsity_one_missing(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """The update at t_0 + n · Δt never happens: your updates end one too early."""
    done = min(max((step - start) // every, 0), updates - 1)
    return cubic(done / updates, final, initial)


def cubic_sparsity_epochs(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """You reach the end after n steps, not n · Δt: n counts updates, t counts steps."""
    return cubic(clamp((step - start) / updates), final, initial)


def cubic_sparsity_smooth(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Your sparsity changes in every step: the masks are updated each Δt steps only."""
    return cubic(clamp((step - start) / (every * updates)), final, initial)


def cubic_sparsity_ignores_start(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """You count from step 0: pruning begins at t_0."""
    return cubic(clamp(step // every / updates), final, initial)


def cubic_sparsity_ignores_initial(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Your sparsity begins at 0: s_i may be another."""
    return cubic(clamp((step - start) // every / updates), final, 0.0)


def cubic_sparsity_first_counted(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """You are one update ahead: at t_0 itself the sparsity is still s_i."""
    done = (step - start) // every + 1
    return cubic(clamp(done / updates), final, initial)


def cubic_sparsity_zero_before(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Before t_0 the sparsity is s_i, which need not be 0."""
    return cubic_sparsity_floats(step, start, every, updates, final, initial) * (step >= start)


def cubic_sparsity_multiples(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Your updates come at multiples of Δt: they come every Δt steps *from t_0 on*."""
    last = step // every * every
    return cubic(clamp((last - start) / (every * updates)), final, initial)


def cubic_sparsity_tensor(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> Tensor:
    """This is a tensor that holds one number: `.item()` takes the number out."""
    return torch.tensor(cubic(clamp((step - start) // every / updates), final, initial))


def cubic_sparsity_square(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """The power is 3, and yours is 2."""
    return final + (initial - final) * (1 - clamp((step - start) // every / updates)) ** 2


def cubic_sparsity_fourth(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """The power is 3, and yours is 4."""
    return final + (initial - final) * (1 - clamp((step - start) // every / updates)) ** 4


def cubic_sparsity_next_update(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Between two updates yours is at the *next* one already: count those that are done."""
    return cubic(clamp(-(-(step - start) // every) / updates), final, initial)


def cubic_sparsity_nearest_update(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Between two updates yours goes to the nearest one: count those that are done."""
    return cubic(clamp(round((step - start) / every) / updates), final, initial)


def cubic_sparsity_one_step_late(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Your updates come one step late: at t_0 + Δt the second one is done."""
    late = max(step - 1, start)
    return cubic(clamp((late - start) // every / updates), final, initial)


def cubic_sparsity_rounded(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Your sparsity is rounded: give it as it is."""
    return round(cubic(clamp((step - start) // every / updates), final, initial), 3)


def cubic_sparsity_distance(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Before t_0 you count the steps backwards: there the sparsity is the initial one."""
    return cubic(clamp(abs(step - start) // every / updates), final, initial)


def cubic_sparsity_counts_from_zero(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """You count multiples of Δt: the updates are at t_0, t_0 + Δt and so on."""
    done = step // every - start // every
    return cubic(clamp(done / updates), final, initial)


def cubic_sparsity_double_tensor(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> Tensor:
    """This is a tensor that holds one number: `.item()` takes the number out."""
    sparsity = cubic(clamp((step - start) // every / updates), final, initial)
    return torch.tensor(sparsity, dtype=torch.float64)


def cubic_sparsity_list(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> list[float]:
    """You return a list: asked is the sparsity at one step."""
    return [cubic(clamp((step - start) // every / updates), final, initial)]


def cubic_sparsity_floats(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Case by case."""
    if step < start:
        return initial
    if step >= start + updates * every:
        return final
    t = start + ((step - start) // every) * every
    return final + (initial - final) * (1 - (t - start) / (updates * every)) ** 3


def cubic_sparsity_loop(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """Update by update, until one lies in the future."""
    sparsity = initial
    for k in range(updates + 1):
        if start + k * every <= step:
            sparsity = final - (final - initial) * (1 - k / updates) ** 3
    return sparsity


def cubic_sparsity_numpy(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """A table of all updates, and where the step falls into it."""
    k = np.arange(updates + 1)
    table = final + (initial - final) * (1 - k / updates) ** 3
    place = np.searchsorted(start + k * every, step, side="right") - 1
    return float(table[max(int(place), 0)])


def cubic_sparsity_single_precision(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """torch's `clamp`, in single precision."""
    done = torch.tensor((step - start) // every / updates).clamp(0, 1)
    return (final + (initial - final) * (1 - done) ** 3).item()


def cubic_sparsity_up_to_99(
    step: int, start: int, every: int, updates: int, final: float, initial: float = 0.0
) -> float:
    """You limit the sparsity to 0.99: at the end it is `final`, whatever that is."""
    return min(methods.cubic_sparsity(step, start, every, updates, final, initial), 0.99)


# --- prune_and_retrain --------------------------------------------------------------------------

Choose = Callable[[nn.Module, float], Masks]
Retrain = Callable[[nn.Module, Masks, int], None]


def rounds(
    model: nn.Module,
    sparsities: Sequence[float],
    steps: int,
    choose_masks: Choose,
    retrain: Retrain,
    *,
    before_masks: Callable[[], None] = nothing,
    after_masks: Callable[[], None] = nothing,
) -> Masks:
    """The right loop, with places to do something wrong."""
    for sparsity in sparsities:
        before_masks()
        masks = choose_masks(model, sparsity)
        zero(model, masks)
        after_masks()
        retrain(model, masks, steps // len(sparsities))
    return masks


def prune_and_retrain_all_steps(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """Each round trains as long as all should together: more rounds must not mean more training."""
    return rounds(model, sparsities, steps * len(sparsities), choose_masks, retrain)


def prune_and_retrain_only_at_the_end(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """You retrain once, at the last sparsity: each round has its own retraining."""
    for sparsity in sparsities:
        masks = choose_masks(model, sparsity)
        zero(model, masks)
    retrain(model, masks, steps)
    return masks


def prune_and_retrain_masks_of_dense(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """All masks were chosen before any training: ask in each round, the weights have moved."""
    chosen = [choose_masks(model, sparsity) for sparsity in sparsities]
    for masks in chosen:
        zero(model, masks)
        retrain(model, masks, steps // len(sparsities))
    return masks


def prune_and_retrain_weights_rewound(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """Each round starts from the dense weights again: they are to live on from round to round."""
    dense = copy.deepcopy(model.state_dict())
    return rounds(
        model, sparsities, steps, choose_masks, retrain,
        before_masks=lambda: nothing() if model.load_state_dict(dense) else None,
    )  # fmt: skip


def prune_and_retrain_lottery(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """The mask is of the trained weights, but the old weights are under it: keep the new ones."""
    dense = copy.deepcopy(model.state_dict())
    for sparsity in sparsities:
        masks = choose_masks(model, sparsity)
        model.load_state_dict(dense)
        zero(model, masks)
        retrain(model, masks, steps // len(sparsities))
    return masks


def prune_and_retrain_mask_lost(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """A state was loaded after the mask was applied, and brought the pruned weights back."""
    dense = copy.deepcopy(model.state_dict())
    return rounds(
        model, sparsities, steps, choose_masks, retrain,
        after_masks=lambda: nothing() if model.load_state_dict(dense) else None,
    )  # fmt: skip


def prune_and_retrain_not_applied(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """The pruned weights are not zero when the retraining begins: a mask alone changes nothing."""
    for sparsity in sparsities:
        masks = choose_masks(model, sparsity)
        retrain(model, masks, steps // len(sparsities))
    return masks


def prune_and_retrain_train_first(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """You train first and prune afterwards: the last pruning is never healed."""
    masks = {n: torch.ones_like(w, dtype=torch.bool) for n, w in prunable(model).items()}
    for sparsity in sparsities:
        retrain(model, masks, steps // len(sparsities))
        masks = choose_masks(model, sparsity)
        zero(model, masks)
    return masks


def prune_and_retrain_inverted(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """The weights that were to stay are set to zero: True means keep."""
    for sparsity in sparsities:
        masks = choose_masks(model, sparsity)
        zero(model, {name: ~mask for name, mask in masks.items()})
        retrain(model, masks, steps // len(sparsities))
    return masks


def prune_and_retrain_copy(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """The network that you were given is as before: you worked on a copy of it."""
    return rounds(copy.deepcopy(model), sparsities, steps, choose_masks, retrain)


def prune_and_retrain_of_the_rest(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """Each sparsity was taken as a share of what was left: it is of the whole network."""
    kept = itertools.accumulate((1 - s for s in sparsities), lambda a, b: a * b)
    return rounds(model, [1 - k for k in kept], steps, choose_masks, retrain)


def prune_and_retrain_float(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """`/` gives 20.0, a float: steps are counted, so divide by `//`."""
    for sparsity in sparsities:
        masks = choose_masks(model, sparsity)
        zero(model, masks)
        retrain(model, masks, steps / len(sparsities))  # type: ignore[arg-type]
    return masks


def prune_and_retrain_returns_early(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """There is one round only: does your `return` stand inside the loop?"""
    rounds(model, sparsities[:1], steps // len(sparsities), choose_masks, retrain)
    return {name: weight.detach() != 0 for name, weight in prunable(model).items()}


def prune_and_retrain_joined(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """You add up the masks of all rounds: each round holds what `choose_masks` says *then*."""
    held = {n: torch.ones_like(w, dtype=torch.bool) for n, w in prunable(model).items()}
    for sparsity in sparsities:
        held = {name: held[name] & mask for name, mask in choose_masks(model, sparsity).items()}
        zero(model, held)
        retrain(model, held, steps // len(sparsities))
    return held


def prune_and_retrain_by_position(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """A layer got the mask of another one: look masks up by name, their order may be any."""
    for sparsity in sparsities:
        masks = choose_masks(model, sparsity)
        for weight, keep in zip(prunable(model).values(), masks.values(), strict=False):
            weight.data[~keep] = 0
        retrain(model, masks, steps // len(sparsities))
    return masks


def prune_and_retrain_chooses_again(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """You ask for masks once more at the end: return those that the last round trained with."""
    rounds(model, sparsities, steps, choose_masks, retrain)
    return choose_masks(model, sparsities[-1])


def prune_and_retrain_first_masks(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """You return the masks of the first round: asked are those of the last."""
    masks = rounds(model, sparsities[:1], steps // len(sparsities), choose_masks, retrain)
    if rest := sparsities[1:]:
        rounds(model, rest, steps // len(sparsities) * len(rest), choose_masks, retrain)
    return masks


def prune_and_retrain_last_round_only(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """You prune at once to the last sparsity: each of the sparsities has a round."""
    return rounds(model, sparsities[-1:], steps, choose_masks, retrain)


def prune_and_retrain_zeros_after(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """You set weights to zero after the retraining: it has to begin with the pruned network."""
    for sparsity in sparsities:
        masks = choose_masks(model, sparsity)
        retrain(model, masks, steps // len(sparsities))
        zero(model, masks)
    return masks


def prune_and_retrain_all_masks(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> list[Masks]:
    """You return the masks of every round in a list: asked are those of the last."""
    each = steps // len(sparsities)
    return [rounds(model, [s], each, choose_masks, retrain) for s in sparsities]


def prune_and_retrain_of_what_remains(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """You turn the sparsities into shares of what remains: each is a share of all weights."""
    before = [0.0, *sparsities[:-1]]
    shares = [(s - b) / (1 - b) for s, b in zip(sparsities, before, strict=True)]
    return rounds(model, shares, steps, choose_masks, retrain)


def prune_and_retrain_not_after_the_last(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """There is no retraining after the last round: each round has one."""
    for i, sparsity in enumerate(sparsities):
        masks = choose_masks(model, sparsity)
        zero(model, masks)
        if i < len(sparsities) - 1 or i == 0:
            retrain(model, masks, steps // len(sparsities))
    return masks


def prune_and_retrain_backwards(
    model: nn.Module, sparsities: list[float], steps: int, choose_masks: Choose, retrain: Retrain
) -> Masks:
    """You go through the sparsities from the last to the first."""
    return rounds(model, sparsities[::-1], steps, choose_masks, retrain)


def prune_and_retrain_library(
    model: nn.Module,
    sparsities: Sequence[float],
    steps: int,
    choose_masks: Choose,
    retrain: Retrain,
) -> Masks:
    """With the library's `apply`, steps counted first."""
    each, masks = int(steps / len(sparsities)), {}
    for target in sparsities:
        masks = choose_masks(model, target)
        library.apply(model, masks)
        retrain(model, masks, each)
    return masks


def prune_and_retrain_recursive(
    model: nn.Module,
    sparsities: Sequence[float],
    steps: int,
    choose_masks: Choose,
    retrain: Retrain,
) -> Masks:
    """One round, then the others."""
    each = steps // len(sparsities)
    masks = choose_masks(model, sparsities[0])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in masks:
                parameter.mul_(masks[name])
    retrain(model, masks, each)
    if len(sparsities) == 1:
        return masks
    return prune_and_retrain_recursive(model, sparsities[1:], steps - each, choose_masks, retrain)


def prune_and_retrain_state(
    model: nn.Module,
    sparsities: Sequence[float],
    steps: int,
    choose_masks: Choose,
    retrain: Retrain,
) -> Masks:
    """Through the state dict; keyword arguments; the masks are a copy."""
    for i in range(len(sparsities)):
        masks = dict(choose_masks(model, sparsities[i]))
        state = model.state_dict()
        model.load_state_dict(state | {n: state[n].where(m, 0.0) for n, m in masks.items()})
        retrain(model, masks, steps // len(sparsities))
    return masks


def prune_and_retrain_keywords(
    model: nn.Module,
    sparsities: Sequence[float],
    steps: int,
    choose_masks: Callable[..., Masks],
    retrain: Callable[..., None],
) -> Masks:
    """All arguments by the names that the task gives them."""
    for target in sparsities:
        masks = choose_masks(model=model, sparsity=target)
        zero(model, masks)
        retrain(model=model, masks=masks, steps=steps // len(sparsities))
    return masks


# --- retraining_lrs -----------------------------------------------------------------------------


def per_step(lrs: Sequence[float], steps: int) -> list[float]:
    """Each learning rate for a whole epoch."""
    return [lr for lr in lrs for _ in range(steps)]


def retraining_lrs_last_held(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """Rewinding, too, holds the last learning rate here: it is to *replay* the schedule."""
    return per_step(epochs * [epoch_lrs[-1]], steps_per_epoch)


def retraining_lrs_full_restart(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """You replay the *beginning* of the schedule: go back by `epochs`, and run to its end."""
    last = epochs * [epoch_lrs[-1]]
    return per_step(epoch_lrs[:epochs] if rewind else last, steps_per_epoch)


def retraining_lrs_whole_schedule(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """You replay the whole training, which takes more epochs than the retraining has."""
    last = epochs * [epoch_lrs[-1]]
    return per_step(epoch_lrs if rewind else last, steps_per_epoch)


def retraining_lrs_compressed(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """You squeeze the whole schedule into the retraining: Renda et al. replay its last part."""
    whole = [epoch_lrs[i * len(epoch_lrs) // epochs] for i in range(epochs)]
    last = epochs * [epoch_lrs[-1]]
    return per_step(whole if rewind else last, steps_per_epoch)


def retraining_lrs_per_batch(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """The schedule advances with every step: its learning rates are those of *epochs*."""
    replayed = epoch_lrs[-epochs:] if rewind else epochs * [epoch_lrs[-1]]
    rest = (epochs * steps_per_epoch - epochs) * [replayed[-1]]
    return [*replayed, *rest]


def retraining_lrs_per_epoch(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """There is one learning rate per epoch, and one per *step* is asked."""
    return list(epoch_lrs[-epochs:]) if rewind else epochs * [epoch_lrs[-1]]


def retraining_lrs_repeated_whole(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """The rates of the epochs alternate: stay at each for all steps of its epoch."""
    return steps_per_epoch * (list(epoch_lrs[-epochs:]) if rewind else epochs * [epoch_lrs[-1]])


def retraining_lrs_lowest(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """Fine-tuning holds the *last* rate: a schedule with a warm-up has a lower one at its start."""
    held = epochs * [min(epoch_lrs)]
    return per_step(epoch_lrs[-epochs:] if rewind else held, steps_per_epoch)


def retraining_lrs_first(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """You fine-tune with the learning rate of the beginning: take the one of the end."""
    held = epochs * [epoch_lrs[0]]
    return per_step(epoch_lrs[-epochs:] if rewind else held, steps_per_epoch)


def retraining_lrs_swapped(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """Fine-tuning and rewinding are swapped: what does `rewind=True` mean?"""
    return methods.retraining_lrs(epoch_lrs, epochs, steps_per_epoch, not rewind)


def retraining_lrs_one_early(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """The replay stops before the end of the schedule, and starts an epoch too early."""
    early = epoch_lrs[max(len(epoch_lrs) - epochs - 1, 0) : -1]
    last = epochs * [epoch_lrs[-1]]
    return per_step(early if rewind else last, steps_per_epoch)


def retraining_lrs_backwards(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """The replay runs backwards: rewind first, then play forwards."""
    last = epochs * [epoch_lrs[-1]]
    return per_step(epoch_lrs[::-1][:epochs] if rewind else last, steps_per_epoch)


def retraining_lrs_holds_the_rewound(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """You go back in the schedule and stay there: play it to its end."""
    return steps_per_epoch * epochs * [epoch_lrs[-epochs if rewind else -1]]


def retraining_lrs_always_replays(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """Fine-tuning replays the schedule, too: what is `rewind` for?"""
    return per_step(epoch_lrs[-epochs:], steps_per_epoch)


def retraining_lrs_from_the_front(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """`epoch_lrs[epochs:]` *leaves out* that many epochs: count them from the end."""
    last = epochs * [epoch_lrs[-1]]
    return per_step(epoch_lrs[epochs:] if rewind else last, steps_per_epoch)


def retraining_lrs_one_late(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """The replay starts an epoch too late: of the last k epochs, the first is `epoch_lrs[-k]`."""
    late = [*epoch_lrs[len(epoch_lrs) - epochs + 1 :], epoch_lrs[-1]]
    return per_step(late if rewind else epochs * [epoch_lrs[-1]], steps_per_epoch)


def retraining_lrs_without_the_last(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """The last epoch is missing: a slice ends *before* its second number."""
    short = epoch_lrs[-epochs:-1]
    return per_step(short if rewind else epochs * [epoch_lrs[-1]], steps_per_epoch)


def retraining_lrs_one_more(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """The replay has an epoch too many: it goes back by `epochs`, not one further."""
    long = epoch_lrs[max(len(epoch_lrs) - epochs - 1, 0) :]
    return per_step(long if rewind else epochs * [epoch_lrs[-1]], steps_per_epoch)


def retraining_lrs_sorted(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """You sort the rates: a schedule is replayed in its own order, and it may climb first."""
    return methods.retraining_lrs(
        sorted(epoch_lrs, reverse=True) if rewind else epoch_lrs, epochs, steps_per_epoch, rewind
    )


def retraining_lrs_mean(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """Fine-tuning takes the mean of all rates here: it is to hold the last one."""
    mean = sum(epoch_lrs) / len(epoch_lrs)
    return per_step(epoch_lrs[-epochs:] if rewind else epochs * [mean], steps_per_epoch)


def retraining_lrs_one_short(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """One rate is missing at the end: there are `epochs * steps_per_epoch` steps."""
    right = methods.retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind)
    return right[:-1]


def retraining_lrs_rounded(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """Your rates are rounded: give them as they are."""
    right = methods.retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind)
    return [round(lr, 2) for lr in right]


def retraining_lrs_nested(
    epoch_lrs: list[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[list[float]]:
    """You give a list for each epoch: asked is one list with the rate of every step."""
    lrs = methods.retraining_lrs(epoch_lrs, epochs, 1, rewind)
    return [[lr] * steps_per_epoch for lr in lrs]


def retraining_lrs_index(
    epoch_lrs: Sequence[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """Step by step, by its place in the schedule."""
    total, lrs = len(epoch_lrs), []
    for step in range(epochs * steps_per_epoch):
        epoch = total - epochs + step // steps_per_epoch if rewind else total - 1
        lrs.append(epoch_lrs[epoch])
    return lrs


def retraining_lrs_numpy(
    epoch_lrs: Sequence[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """`np.repeat`."""
    part = np.array(epoch_lrs)[-epochs:] if rewind else np.full(epochs, epoch_lrs[-1])
    return part.repeat(steps_per_epoch).tolist()


def retraining_lrs_unrolled(
    epoch_lrs: Sequence[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """The whole training's trace first, then its tail; a tuple would be too strict to refuse."""
    steps = epochs * steps_per_epoch
    if not rewind:
        return steps * [epoch_lrs[-1]]
    trace = itertools.chain.from_iterable([lr] * steps_per_epoch for lr in epoch_lrs)
    return list(trace)[-steps:]


def retraining_lrs_single_precision(
    epoch_lrs: Sequence[float], epochs: int, steps_per_epoch: int, rewind: bool
) -> list[float]:
    """torch's `repeat_interleave`, in single precision."""
    part = torch.tensor(epoch_lrs)[-epochs:] if rewind else torch.full((epochs,), epoch_lrs[-1])
    return part.repeat_interleave(steps_per_epoch).tolist()


# --- soft_filter_pruning ------------------------------------------------------------------------


def l2(convs: Convs) -> dict[str, Tensor]:
    """The L2 norm of each filter."""
    return {name: c.weight.detach().flatten(1).norm(dim=1) for name, c in convs.items()}


def silence(convs: Convs, keep: Masks) -> None:
    """Set the other filters to zero."""
    for name, conv in convs.items():
        conv.weight.data[~keep[name]] = 0


def soft_by(
    convs: Convs,
    epochs: int,
    steps: int,
    train_step: Callable[[], None],
    choose: Callable[[], Masks],
) -> Masks:
    """The right loop with another choice of filters."""
    for _ in range(epochs):
        for _ in range(steps):
            train_step()
        keep = choose()
        silence(convs, keep)
    return keep


def soft_filter_pruning_hard(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """Zeroed filters never move again: that is *hard* pruning, here they train on."""
    keep = {name: torch.ones(c.out_channels, dtype=torch.bool) for name, c in convs.items()}
    for _ in range(epochs):
        for _ in range(steps_per_epoch):
            train_step()
            silence(convs, keep)
        keep = structures.local_masks(l2(convs), sparsity)
        silence(convs, keep)
    return keep


def soft_filter_pruning_frozen(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """The same filters are zeroed after every epoch: choose again each time."""
    first: list[Masks] = []

    def choose() -> Masks:
        first.append(structures.local_masks(l2(convs), sparsity))
        return first[0]

    return soft_by(convs, epochs, steps_per_epoch, train_step, choose)


def soft_filter_pruning_frozen_before(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """The filters were chosen before the first epoch, once and for all: choose after each epoch."""
    keep = structures.local_masks(l2(convs), sparsity)
    return soft_by(convs, epochs, steps_per_epoch, train_step, lambda: keep)


def soft_filter_pruning_every_step(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """Filters are zeroed after every step: they need an epoch of training to grow back."""
    return methods.soft_filter_pruning(convs, sparsity, epochs * steps_per_epoch, 1, train_step)


def soft_filter_pruning_no_final(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """You zero before an epoch, and after the last one nothing is zero: end with the pruning."""
    for _ in range(epochs):
        keep = structures.local_masks(l2(convs), sparsity)
        silence(convs, keep)
        for _ in range(steps_per_epoch):
            train_step()
    return keep


def soft_filter_pruning_only_final(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """Filters are zeroed once, at the very end: zero them after *each* epoch."""
    return methods.soft_filter_pruning(convs, sparsity, 1, epochs * steps_per_epoch, train_step)


def soft_filter_pruning_one_step(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """Your epochs have one step: an epoch is `steps_per_epoch` calls of `train_step`."""
    return methods.soft_filter_pruning(convs, sparsity, epochs, 1, train_step)


def soft_filter_pruning_l1(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """The order is that of the L1 norm: SFP takes the L2 norm."""

    def choose() -> Masks:
        norms = {n: c.weight.detach().abs().sum(dim=(1, 2, 3)) for n, c in convs.items()}
        return structures.local_masks(norms, sparsity)

    return soft_by(convs, epochs, steps_per_epoch, train_step, choose)


def soft_filter_pruning_global(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """The convolutions lose different shares: rank the filters of each one for itself."""
    return soft_by(
        convs, epochs, steps_per_epoch, train_step,
        lambda: structures.global_masks(l2(convs), sparsity),
    )  # fmt: skip


def soft_filter_pruning_strongest(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """The strongest filters are zeroed: the weakest should be."""
    return soft_by(
        convs, epochs, steps_per_epoch, train_step,
        lambda: structures.local_masks({n: -norm for n, norm in l2(convs).items()}, sparsity),
    )  # fmt: skip


def soft_filter_pruning_keeps_the_share(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """The share `sparsity` of the filters is kept: it is the share that goes."""
    return methods.soft_filter_pruning(convs, 1 - sparsity, epochs, steps_per_epoch, train_step)


def soft_filter_pruning_stale(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """You made a new `nn.Parameter`, and the training goes on with the old one."""
    for _ in range(epochs):
        for _ in range(steps_per_epoch):
            train_step()
        keep = structures.local_masks(l2(convs), sparsity)
        for name, conv in convs.items():
            conv.weight = nn.Parameter(conv.weight.detach() * keep[name].view(-1, 1, 1, 1))
    return keep


def soft_filter_pruning_not_zeroed(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """You choose filters but none of them is zero: indexing with a bool tensor makes a copy."""
    return soft_by(
        {}, epochs, steps_per_epoch, train_step, lambda: structures.local_masks(l2(convs), sparsity)
    )


def soft_filter_pruning_floor(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """One filter too few goes where sparsity · out is not whole: how does `int` treat 1.6?"""

    def choose() -> Masks:
        return {
            name: structures.local_masks({name: norm}, int(sparsity * len(norm)) / len(norm))[name]
            for name, norm in l2(convs).items()
        }

    return soft_by(convs, epochs, steps_per_epoch, train_step, choose)


def soft_filter_pruning_filter_mask(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """`filter_mask` of lab 1 takes the L1 norm and always keeps a filter: here L2, all may go."""
    return soft_by(
        convs, epochs, steps_per_epoch, train_step,
        lambda: {n: structures.filter_mask(c.weight, sparsity) for n, c in convs.items()},
    )  # fmt: skip


def soft_filter_pruning_adds_up(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """A filter that was zeroed once counts as gone for ever: choose again after each epoch."""
    held = {name: torch.ones(c.out_channels, dtype=torch.bool) for name, c in convs.items()}

    def choose() -> Masks:
        for name, mask in structures.local_masks(l2(convs), sparsity).items():
            held[name] &= mask
        return held

    return soft_by(convs, epochs, steps_per_epoch, train_step, choose)


def soft_filter_pruning_returns_pruned(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """The right filters are zero, but you return True for *them*: False is for those that go."""
    keep = methods.soft_filter_pruning(convs, sparsity, epochs, steps_per_epoch, train_step)
    return {name: ~mask for name, mask in keep.items()}


def soft_filter_pruning_last_left_out(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """After the last epoch nothing is zeroed: it is what is zero *then* that is gone for good."""
    for epoch in range(epochs):
        for _ in range(steps_per_epoch):
            train_step()
        keep = structures.local_masks(l2(convs), sparsity)
        if epoch < epochs - 1:
            silence(convs, keep)
    return keep


def soft_filter_pruning_zeros_found(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """A filter may be zero without being chosen, if it was dead before: return what you *chose*."""
    structure = methods.soft_filter_pruning(convs, sparsity, epochs, steps_per_epoch, train_step)
    return {name: convs[name].weight.detach().flatten(1).norm(dim=1) > 0 for name in structure}


def soft_filter_pruning_half_up(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """Half a filter is rounded to the even number, as Python's `round` does: 2.5 is 2."""

    def choose() -> Masks:
        norms = l2(convs)
        ranks = {name: norm.argsort().argsort() for name, norm in norms.items()}
        return {name: r >= int(sparsity * len(r) + 0.5) for name, r in ranks.items()}

    return soft_by(convs, epochs, steps_per_epoch, train_step, choose)


@torch.no_grad()
def soft_filter_pruning_topk(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """`topk` of the sums of squares, multiplied."""
    keep = {}
    for step in range(1, epochs * steps_per_epoch + 1):
        with torch.enable_grad():
            train_step()
        if step % steps_per_epoch:
            continue
        for name, conv in convs.items():
            energy = conv.weight.square().sum(dim=(1, 2, 3))
            kept = len(energy) - round(sparsity * len(energy))
            keep[name] = torch.zeros(len(energy), dtype=torch.bool)
            keep[name][energy.topk(kept).indices] = True
            conv.weight.mul_(keep[name][:, None, None, None])
    return keep


def soft_filter_pruning_helper(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """A helper for one convolution, filter by filter."""

    def prune(conv: nn.Conv2d) -> Tensor:
        norms = torch.linalg.vector_norm(conv.weight.detach(), dim=(1, 2, 3))
        keep = torch.ones(len(norms), dtype=torch.bool)
        for i in norms.argsort()[: round(sparsity * len(norms))].tolist():
            conv.weight.data[i].zero_()
            keep[i] = False
        return keep

    for _ in range(epochs):
        for _ in range(steps_per_epoch):
            train_step()
        kept = {name: prune(conv) for name, conv in convs.items()}
    return kept


def soft_filter_pruning_numpy(
    convs: Convs, sparsity: float, epochs: int, steps_per_epoch: int, train_step: Callable[[], None]
) -> Masks:
    """numpy, one norm at a time."""

    def choose() -> Masks:
        keep = {}
        for name, conv in convs.items():
            norms = [np.linalg.norm(f.ravel()) for f in conv.weight.detach().numpy()]
            mask = np.ones(len(norms), dtype=bool)
            mask[np.argsort(norms)[: round(sparsity * len(norms))]] = False
            keep[name] = torch.tensor(mask)
        return keep

    return soft_by(convs, epochs, steps_per_epoch, train_step, choose)


# --- add_sparsity_penalty -----------------------------------------------------------------------


def norms_of(model: nn.Module) -> list[nn.BatchNorm2d]:
    """The batch normalisations."""
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


def push(model: nn.Module, force: Callable[[Tensor], Tensor]) -> None:
    """Add `force(γ)` to each γ's gradient."""
    for bn in norms_of(model):
        assert bn.weight.grad is not None
        bn.weight.grad += force(bn.weight.detach())


def add_sparsity_penalty_l2(model: nn.Module, strength: float) -> None:
    """λ·γ is the gradient of ½·λ·γ²: it fades near zero, and nothing ever gets there."""
    push(model, lambda gamma: strength * gamma)


def add_sparsity_penalty_smooth_l1(model: nn.Module, strength: float) -> None:
    """A smooth L1 is a square near zero, where its push fades: it has to stay λ all the way."""
    push(model, lambda gamma: strength * gamma.clamp(-1, 1))


def add_sparsity_penalty_abs(model: nn.Module, strength: float) -> None:
    """λ·|γ| is the penalty itself: asked is its *derivative*, which has a sign and no size."""
    push(model, lambda gamma: strength * gamma.abs())


def add_sparsity_penalty_no_sign(model: nn.Module, strength: float) -> None:
    """λ is added whatever the sign: a negative γ is pushed away from zero."""
    push(model, lambda gamma: torch.full_like(gamma, strength))


def add_sparsity_penalty_wrong_way(model: nn.Module, strength: float) -> None:
    """The scales are pushed away from zero: a step goes *against* the gradient."""
    push(model, lambda gamma: -strength * gamma.sign())


def add_sparsity_penalty_overwrites(model: nn.Module, strength: float) -> None:
    """The gradient of the loss is gone: *add* to it."""
    for bn in norms_of(model):
        bn.weight.grad = strength * bn.weight.detach().sign()


def add_sparsity_penalty_no_strength(model: nn.Module, strength: float) -> None:
    """The push is 1 whatever λ says: where is `strength`?"""
    push(model, torch.sign)


def add_sparsity_penalty_on_values(model: nn.Module, strength: float) -> None:
    """You changed γ itself: its *gradient* is to change, and the optimizer does the rest."""
    for bn in norms_of(model):
        bn.weight.data -= strength * bn.weight.data.sign()


def add_sparsity_penalty_all_weights(model: nn.Module, strength: float) -> None:
    """Other parameters are pushed, too: only the scales γ of batch normalisation should be."""
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad += strength * parameter.detach().sign()


def add_sparsity_penalty_shifts(model: nn.Module, strength: float) -> None:
    """The shifts β are pushed, too: the filter's scale is γ, `bn.weight`, alone."""
    push(model, lambda gamma: strength * gamma.sign())
    for bn in norms_of(model):
        assert bn.bias.grad is not None
        bn.bias.grad += strength * bn.bias.detach().sign()


def add_sparsity_penalty_convolutions(model: nn.Module, strength: float) -> None:
    """The weights of convolutions are pushed, and γ is not: it is `weight` of *batch norms*."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.weight.grad is not None:
            module.weight.grad += strength * module.weight.detach().sign()


def add_sparsity_penalty_children(model: nn.Module, strength: float) -> None:
    """Batch norms deeper inside are missed: see `modules()`, which goes all the way down."""
    for module in (model, *model.children()):
        if isinstance(module, nn.BatchNorm2d):
            methods.add_sparsity_penalty(module, strength)


def add_sparsity_penalty_mean(model: nn.Module, strength: float) -> None:
    """The push gets smaller with the number of channels: it is a sum over them, no mean."""
    push(model, lambda gamma: strength * gamma.sign() / gamma.numel())


def add_sparsity_penalty_by_shape(model: nn.Module, strength: float) -> None:
    """Scales of other layers are pushed, too: ask for `nn.BatchNorm2d`, not for a shape."""
    for name, parameter in model.named_parameters():
        if name.endswith("weight") and parameter.dim() == 1 and parameter.grad is not None:
            parameter.grad += strength * parameter.detach().sign()


def add_sparsity_penalty_of_any_kind(model: nn.Module, strength: float) -> None:
    """A `BatchNorm1d` is pushed, too, which has no filters: ask for `nn.BatchNorm2d`."""
    for layer in model.modules():
        if "BatchNorm" in type(layer).__name__:
            gamma = layer.get_parameter("weight")
            assert gamma.grad is not None
            gamma.grad += strength * gamma.detach().sign()


def add_sparsity_penalty_divides(model: nn.Module, strength: float) -> None:
    """γ / |γ| is 0 / 0 where γ = 0, and the network is lost: `torch.sign` gives 0 there."""
    push(model, lambda gamma: strength * gamma / gamma.abs())


def add_sparsity_penalty_zeros(model: nn.Module, strength: float) -> None:
    """A γ that has arrived at 0 is pushed away again: the sign of 0 is 0."""
    push(model, lambda gamma: strength * (2.0 * (gamma > 0) - 1))


def add_sparsity_penalty_unassigned(model: nn.Module, strength: float) -> None:
    """No gradient has changed: `g = g + ...` makes a new tensor, `+=` changes the one there is."""
    for bn in norms_of(model):
        gradient = bn.weight.grad
        assert gradient is not None
        gradient = gradient + strength * bn.weight.detach().sign()


def add_sparsity_penalty_by_name(model: nn.Module, strength: float) -> None:
    """You look for "bn" in the names: BN layers may have any name, so ask for `nn.BatchNorm2d`."""
    for name, parameter in model.named_parameters():
        if "bn" in name and name.endswith("weight") and parameter.grad is not None:
            parameter.grad += strength * parameter.detach().sign()


def add_sparsity_penalty_zero_is_positive(model: nn.Module, strength: float) -> None:
    """A γ of 0 is pushed, too: there the sign is 0."""
    push(model, lambda gamma: strength * torch.where(gamma >= 0, 1.0, -1.0).to(gamma.dtype))


def add_sparsity_penalty_sign_of_the_gradient(model: nn.Module, strength: float) -> None:
    """You take the sign of the gradient: asked is that of γ."""
    for bn in norms_of(model):
        assert bn.weight.grad is not None
        bn.weight.grad += strength * bn.weight.grad.sign()


def add_sparsity_penalty_first_norm(model: nn.Module, strength: float) -> None:
    """Only the first BN is pushed: does your loop end too early?"""
    bn = norms_of(model)[0]
    assert bn.weight.grad is not None
    bn.weight.grad += strength * bn.weight.detach().sign()


def add_sparsity_penalty_softened(model: nn.Module, strength: float) -> None:
    """Near zero your push fades: it has to stay λ all the way."""
    push(model, lambda gamma: strength * gamma / (gamma.abs() + 1e-3))


def add_sparsity_penalty_every_vector(model: nn.Module, strength: float) -> None:
    """You push every parameter with one dimension, shifts and biases, too: γ alone is asked."""
    for parameter in model.parameters():
        if parameter.dim() == 1 and parameter.grad is not None:
            parameter.grad += strength * parameter.detach().sign()


def add_sparsity_penalty_of_what_trains(model: nn.Module, strength: float) -> None:
    """A BN in evaluation mode is not pushed: its γ has a gradient, too."""
    for bn in norms_of(model):
        assert bn.weight.grad is not None
        if bn.training:
            bn.weight.grad += strength * bn.weight.detach().sign()


def add_sparsity_penalty_autograd(model: nn.Module, strength: float) -> None:
    """By the penalty itself, and autograd (whose derivative of |x| at 0 is 0)."""
    gammas = [bn.weight for bn in norms_of(model)]
    if gammas:
        penalty = strength * torch.stack([gamma.abs().sum() for gamma in gammas]).sum()
        torch.autograd.backward(penalty, inputs=gammas)


@torch.no_grad()
def add_sparsity_penalty_names(model: nn.Module, strength: float) -> None:
    """By named parameters; signs as comparisons."""
    for name, module in model.named_modules():
        if type(module).__name__ != "BatchNorm2d":
            continue
        gamma = dict(model.named_parameters())[f"{name}.weight".lstrip(".")]
        assert gamma.grad is not None
        gamma.grad.add_((gamma > 0).float() - (gamma < 0).float(), alpha=strength)


def add_sparsity_penalty_new_gradient(model: nn.Module, strength: float) -> None:
    """A new gradient tensor instead of the old one; numpy's sign."""
    for bn in norms_of(model):
        sign = torch.from_numpy(np.sign(bn.weight.detach().numpy()))
        assert bn.weight.grad is not None
        bn.weight.grad = bn.weight.grad + strength * sign


def add_sparsity_penalty_no_detach(model: nn.Module, strength: float) -> None:
    """Without `detach`: autograd sees the sum, and the values are right."""
    for bn in norms_of(model):
        assert bn.weight.grad is not None
        bn.weight.grad += strength * bn.weight.sign()


def add_sparsity_penalty_at_least(model: nn.Module, strength: float) -> None:
    """With λ = 0 you push as well: 0 is a strength like any other."""
    methods.add_sparsity_penalty(model, strength or 1e-3)


# --- compare ------------------------------------------------------------------------------------

Methods = dict[str, Callable[[nn.Module, int], None]]


def run(dense: nn.Module, method: Callable[[nn.Module, int], None], seed: int) -> nn.Module:
    """One run, from the dense network, ready to evaluate."""
    model = copy.deepcopy(dense)
    method(model, seed)
    return model.eval()


def winner(table: dict[str, list[float]]) -> str:
    """The best mean."""
    return max(table, key=lambda name: statistics.mean(table[name]))


def compare_chooses_on_test(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """You chose on the test set, so its number is no longer honest: choose on val."""
    models = {n: [run(dense, m, seed) for seed in seeds] for n, m in methods.items()}
    on_val = {n: [evaluate(m, val) for m in ms] for n, ms in models.items()}
    on_test = {n: [evaluate(m, test) for m in ms] for n, ms in models.items()}
    best = winner(on_test)
    return {"val": on_val, "best": best, "test": on_test[best]}


def compare_peeks(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """The test set is read for every method, before the choice: read it last, for the winner."""
    models = {n: [run(dense, m, seed) for seed in seeds] for n, m in methods.items()}
    on_test = {n: [evaluate(m, test) for m in ms] for n, ms in models.items()}
    on_val = {n: [evaluate(m, val) for m in ms] for n, ms in models.items()}
    best = winner(on_val)
    return {"val": on_val, "best": best, "test": on_test[best]}


def compare_one_seed(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """There is one run per method: one seed says nothing about the spread."""
    return compare_copies(dense, methods, seeds[:1], evaluate, val, test)


def compare_same_seed(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """All runs of a method are the same one: hand the seed on."""
    return compare_copies(dense, methods, len(seeds) * seeds[:1], evaluate, val, test)


def compare_counts_seeds(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """The seeds are 0, 1, 2 ...: use those that you are given."""
    return compare_copies(dense, methods, list(range(len(seeds))), evaluate, val, test)


def compare_switches_dense(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """The dense network came in training mode and is left in evaluation mode: switch the copies."""
    return compare_copies(dense.eval(), methods, seeds, evaluate, val, test)


def compare_one_model(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """Every run goes on with the network of the one before: each needs a copy of the dense one."""
    on_val: dict[str, list[float]] = {name: [] for name in methods}
    for name, method in methods.items():
        for seed in seeds:
            method(dense, seed)
            on_val[name].append(evaluate(dense.eval(), val))
    best = winner(on_val)
    return {"val": on_val, "best": best, "test": [evaluate(dense, test) for _ in seeds]}


def compare_one_model_per_method(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """The second seed goes on with the network of the first: each *run* needs its own copy."""
    models: dict[str, list[nn.Module]] = {name: [] for name in methods}
    for name, method in methods.items():
        model = copy.deepcopy(dense)
        for seed in seeds:
            method(model, seed)
            models[name].append(copy.deepcopy(model).eval())
    on_val = {n: [evaluate(m, val) for m in ms] for n, ms in models.items()}
    best = winner(on_val)
    return {"val": on_val, "best": best, "test": [evaluate(m, test) for m in models[best]]}


def compare_train_mode(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """Networks are measured in training mode: batch norm then uses the batch and learns from it."""
    models: dict[str, list[nn.Module]] = {n: [copy.deepcopy(dense) for _ in seeds] for n in methods}
    for name, method in methods.items():
        for model, seed in zip(models[name], seeds, strict=True):
            method(model, seed)
    on_val = {n: [evaluate(m, val) for m in ms] for n, ms in models.items()}
    best = winner(on_val)
    return {"val": on_val, "best": best, "test": [evaluate(m, test) for m in models[best]]}


def compare_best_run(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """The method with the single best run won: compare the means over the seeds."""
    models = {n: [run(dense, m, seed) for seed in seeds] for n, m in methods.items()}
    on_val = {n: [evaluate(m, val) for m in ms] for n, ms in models.items()}
    best = max(on_val, key=lambda name: max(on_val[name]))
    return {"val": on_val, "best": best, "test": [evaluate(m, test) for m in models[best]]}


def compare_median(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """The method that is better in most of the runs won: compare the means over the seeds."""
    models = {n: [run(dense, m, seed) for seed in seeds] for n, m in methods.items()}
    on_val = {n: [evaluate(m, val) for m in ms] for n, ms in models.items()}
    best = max(on_val, key=lambda name: statistics.median(on_val[name]))
    return {"val": on_val, "best": best, "test": [evaluate(m, test) for m in models[best]]}


def compare_trains_again(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """The winner was trained again for the test: keep its networks, it may be others next time."""
    on_val = {n: [evaluate(run(dense, m, s), val) for s in seeds] for n, m in methods.items()}
    best = winner(on_val)
    tested = [evaluate(run(dense, methods[best], seed), test) for seed in seeds]
    return {"val": on_val, "best": best, "test": tested}


def compare_one_object(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """The runs of a method share one network: `[model] * n` is n times the *same* object."""
    models = {name: [copy.deepcopy(dense)] * len(seeds) for name in methods}
    for name, method in methods.items():
        for model, seed in zip(models[name], seeds, strict=True):
            method(model, seed)
            model.eval()
    on_val = {n: [evaluate(m, val) for m in ms] for n, ms in models.items()}
    best = winner(on_val)
    return {"val": on_val, "best": best, "test": [evaluate(m, test) for m in models[best]]}


def compare_shallow(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """`copy.copy` shares the weights, so all runs train the same ones: use `copy.deepcopy`."""
    models = {name: [copy.copy(dense) for _ in seeds] for name in methods}
    for name, method in methods.items():
        for model, seed in zip(models[name], seeds, strict=True):
            method(model, seed)
            model.eval()
    on_val = {n: [evaluate(m, val) for m in ms] for n, ms in models.items()}
    best = winner(on_val)
    return {"val": on_val, "best": best, "test": [evaluate(m, test) for m in models[best]]}


def compare_worst(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """The method with the lowest accuracy won."""
    models = {n: [run(dense, m, seed) for seed in seeds] for n, m in methods.items()}
    on_val = {n: [evaluate(m, val) for m in ms] for n, ms in models.items()}
    best = min(on_val, key=lambda name: statistics.mean(on_val[name]))
    return {"val": on_val, "best": best, "test": [evaluate(m, test) for m in models[best]]}


def compare_reports_val(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """Under "test" are the accuracies on val: measure the winner's networks on `test`."""
    result = compare_copies(dense, methods, seeds, lambda m, i: evaluate(m, val), val, test)
    return result | {"test": result["val"][result["best"]]}


def compare_best_network_only(
    dense: nn.Module, methods: Methods, seeds: list[int], evaluate: Evaluate, val: Any, test: Any
) -> dict[str, Any]:
    """One network was tested: report *all* of the winner's runs, the lucky one and the others."""
    models = {n: [run(dense, m, seed) for seed in seeds] for n, m in methods.items()}
    on_val = {n: [evaluate(m, val) for m in ms] for n, ms in models.items()}
    best = winner(on_val)
    lucky = max(range(len(seeds)), key=lambda i: on_val[best][i])
    return {"val": on_val, "best": best, "test": [evaluate(models[best][lucky], test)]}


def compare_copies(
    dense: nn.Module,
    methods: Methods,
    seeds: Sequence[int],
    evaluate: Evaluate,
    val: Any,
    test: Any,
) -> dict[str, Any]:
    """Run by run."""
    models = {n: [run(dense, m, seed) for seed in seeds] for n, m in methods.items()}
    on_val = {n: [evaluate(m, val) for m in ms] for n, ms in models.items()}
    best = winner(on_val)
    return {"val": on_val, "best": best, "test": [evaluate(m, test) for m in models[best]]}


def compare_states(
    dense: nn.Module,
    methods: Methods,
    seeds: Sequence[int],
    evaluate: Evaluate,
    val: Any,
    test: Any,
) -> dict[str, Any]:
    """Keeps state dicts instead of networks, and loads the winner's again; sums for means."""
    states: dict[tuple[str, int], Any] = {}
    on_val: dict[str, list[float]] = {}
    for name, method in methods.items():
        for i, seed in enumerate(seeds):
            model = run(dense, method, seed)
            on_val.setdefault(name, []).append(evaluate(model, val))
            states[name, i] = copy.deepcopy(model.state_dict())
    best = sorted(on_val, key=lambda name: -sum(on_val[name]))[0]
    tested, model = [], copy.deepcopy(dense).eval()
    for i in range(len(seeds)):
        model.load_state_dict(states[best, i])
        tested.append(evaluate(model, test))
    return {"test": tested, "best": best, "val": on_val}


def compare_again(
    dense: nn.Module,
    methods: Methods,
    seeds: Sequence[int],
    evaluate: Evaluate,
    val: Any,
    test: Any,
) -> dict[str, Any]:
    """Seeds outside, methods inside; numpy's argmax."""
    models: dict[str, list[nn.Module]] = {name: [] for name in methods}
    for seed, (name, method) in itertools.product(seeds, methods.items()):
        models[name].append(copy.deepcopy(dense))
        method(models[name][-1], seed)
        models[name][-1].train(False)
    table = {name: [evaluate(model, val) for model in runs] for name, runs in models.items()}
    best = list(table)[int(np.argmax([np.mean(row) for row in table.values()]))]
    return {"val": table, "best": best, "test": [evaluate(m, test) for m in models[best]]}


def compare_pickled(
    dense: nn.Module,
    methods: Methods,
    seeds: Sequence[int],
    evaluate: Evaluate,
    val: Any,
    test: Any,
) -> dict[str, Any]:
    """`pickle` for copies."""
    frozen = pickle.dumps(dense)
    models = {name: [pickle.loads(frozen) for _ in seeds] for name in methods}
    for name, method in methods.items():
        for model, seed in zip(models[name], seeds, strict=True):
            method(model, seed)
            model.eval()
    table = {name: [evaluate(model, val) for model in runs] for name, runs in models.items()}
    best = winner(table)
    return {"val": table, "best": best, "test": [evaluate(m, test) for m in models[best]]}


# --- choose_schedule ----------------------------------------------------------------------------

Schedule = list[tuple[float, float]]


def by_share(steps: int, sparsity: Callable[[float], float]) -> Schedule:
    """Sparsities by the share of the steps that is done, above 0 and up to 1; rates that fall."""
    return [(sparsity((t + 1) / steps), 0.08 * (1 - t / steps)) for t in range(steps)]


def choose_schedule_reference(steps: int, final: float) -> Schedule:
    """This is the reference itself. How many of its steps train the network as it will be in the
    end?
    """
    return schedules.reference(steps, final)


def choose_schedule_in_the_last_step(steps: int, final: float) -> Schedule:
    """You prune in the last step: nothing heals the network after that."""
    return by_share(steps, lambda done: final if done == 1 else 0.0)


def choose_schedule_linear(steps: int, final: float) -> Schedule:
    """You prune a little until the very end: the last cuts have no time to heal."""
    return by_share(steps, lambda done: final if done == 1 else final * done)


def choose_schedule_high_rate(steps: int, final: float) -> Schedule:
    """With this learning rate the network cannot settle: where should the rate be at the end?"""
    return [(final, 0.2) for _ in range(steps)]


def choose_schedule_percent(steps: int, final: float) -> Schedule:
    """These are percentages: a sparsity is from 0 to 1."""
    return [(100 * sparsity, lr) for sparsity, lr in methods.choose_schedule(steps, final)]


def choose_schedule_density(steps: int, final: float) -> Schedule:
    """These are the shares that *stay*: a sparsity is the share that goes."""
    return [(1 - sparsity, lr) for sparsity, lr in methods.choose_schedule(steps, final)]


def choose_schedule_swapped(steps: int, final: float) -> Schedule:
    """The learning rate comes second in each pair, after the sparsity."""
    return [(lr, sparsity) for sparsity, lr in methods.choose_schedule(steps, final)]


def choose_schedule_never_there(steps: int, final: float) -> Schedule:
    """The last entry is not `final` yet: with t from 0 to steps - 1, t / steps never is 1."""
    return [(final * t / steps, 0.05) for t in range(steps)]


def choose_schedule_one_more(steps: int, final: float) -> Schedule:
    """There is one entry too many: `range(steps)` counts from 0."""
    return [(final, 0.05) for _ in range(steps + 1)]


def choose_schedule_per_epoch(steps: int, final: float) -> Schedule:
    """These are four epochs: a schedule has one pair for each *step*."""
    return [(final, 0.08), (final, 0.06), (final, 0.04), (final, 0.02)]


def choose_schedule_rewound(steps: int, final: float) -> Schedule:
    """At once, with the rates of LR-rewinding."""
    return [(final, lr) for _, lr in schedules.reference(steps, final)]


def choose_schedule_quick_rounds(steps: int, final: float) -> Schedule:
    """Rounds of one step each, all in the first sixth."""
    return by_share(steps, lambda done: 1 - (1 - final) ** min(1.0, 6 * done))


def choose_schedule_warm_up(steps: int, final: float) -> Schedule:
    """At once; the rate climbs for a few steps before it falls."""
    rates = (0.08 * min((t + 1) / 4, (steps - t) / (steps - 3)) for t in range(steps))
    return [(final, lr) for lr in rates]


def named(prefix: str, right: set[str]) -> tuple[list[Callable], list[Callable]]:
    """The functions `<prefix>_...` of this module: (mistakes, alternatives)."""
    found = {n: f for n, f in globals().items() if n.startswith(f"{prefix}_")}
    assert right <= {n.removeprefix(f"{prefix}_") for n in found}, right
    wrong = [f for n, f in found.items() if n.removeprefix(f"{prefix}_") not in right]
    return wrong, [f for n, f in found.items() if n.removeprefix(f"{prefix}_") in right]


RIGHT = {
    "train_masked": {"hold", "multiplied", "hook", "state", "torch"},
    "prune_remaining": {"threshold", "sorted", "numpy"},
    "cubic_sparsity": {"floats", "loop", "numpy", "single_precision"},
    "prune_and_retrain": {"library", "recursive", "state", "keywords"},
    "retraining_lrs": {"index", "numpy", "unrolled", "single_precision"},
    "soft_filter_pruning": {"topk", "helper", "numpy"},
    "add_sparsity_penalty": {"autograd", "names", "new_gradient", "no_detach"},
    "compare": {"copies", "states", "again", "pickled"},
    "choose_schedule": {"rewound", "quick_rounds", "warm_up"},
}
MISTAKES: dict[str, list[Callable]] = {name: named(name, right)[0] for name, right in RIGHT.items()}
ALTERNATIVES: dict[str, list[Callable]] = {
    name: named(name, right)[1] for name, right in RIGHT.items()
}
