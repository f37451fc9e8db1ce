"""Known wrong and right answers to the exercises of lab 4."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.models import prunable
from solutions.lab1_structures.exercises import (
    filter_mask,
    free_convs,
    global_masks,
    local_masks,
    magnitude_mask,
    remove_filters,
    silence_filters,
)
from solutions.lab2_criteria.exercises import (
    bn_scores,
    filter_masks,
    filter_scores,
    gate_scores,
    magnitude_scores,
)
from solutions.lab3_methods.exercises import (
    Masks,
    add_sparsity_penalty,
    cubic_sparsity,
    prune_and_retrain,
    prune_remaining,
    retraining_lrs,
    soft_filter_pruning,
)
from solutions.lab4_papers.exercises import Batch, Train, shrink


def everything(model: nn.Module) -> Masks:
    """Masks that keep all."""
    return {name: torch.ones_like(w, dtype=torch.bool) for name, w in prunable(model).items()}


def free_weights(model: nn.Module, skip: Sequence[str] = ()) -> dict[str, Tensor]:
    """The weights of the free convolutions."""
    names = [name for name in free_convs(model) if name not in skip]
    return {name: model.get_parameter(f"{name}.weight").detach() for name in names}


# --- han2015: mistakes --------------------------------------------------------------------------


def han2015_one_threshold(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """One threshold serves all layers: look at whose standard deviation the paper takes."""
    masks = everything(model)
    for _ in range(rounds):
        left = [w.detach()[masks[name]] for name, w in prunable(model).items()]
        threshold = quality * torch.cat(left).std()
        for name, score in magnitude_scores(model).items():
            masks[name] = masks[name] & (score >= threshold)
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_zeros_counted(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """From the second round on the threshold is off: which weights enter the standard deviation?"""
    masks = everything(model)
    for _ in range(rounds):
        for name, weight in prunable(model).items():
            threshold = quality * weight.detach().std()
            masks[name] = masks[name] & (weight.detach().abs() >= threshold)
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_dense_learning_rate(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """Retraining at the learning rate of the dense training is ten times too fast."""
    masks = everything(model)
    for _ in range(rounds):
        for name, weight in prunable(model).items():
            threshold = quality * weight.detach()[masks[name]].std()
            masks[name] = masks[name] & (weight.detach().abs() >= threshold)
        train(model, masks, steps * [lr])
    return masks


def han2015_thresholds_once(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """The thresholds are those of the dense network in every round; measure them again."""
    masks = everything(model)
    thresholds = {name: quality * w.detach().std() for name, w in prunable(model).items()}
    for _ in range(rounds):
        for name, score in magnitude_scores(model).items():
            masks[name] = masks[name] & (score >= thresholds[name])
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_retrains_at_the_end(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """All pruning comes first and all training last; the paper goes to and fro between them."""
    masks = everything(model)
    for _ in range(rounds):
        for name, weight in prunable(model).items():
            threshold = quality * weight.detach()[masks[name]].std()
            masks[name] = masks[name] & (weight.detach().abs() >= threshold)
    train(model, masks, rounds * steps * [lr / 10])
    return masks


def han2015_absolute_threshold(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """The quality itself is the threshold here, as if all layers had weights of one size."""
    masks = everything(model)
    for _ in range(rounds):
        for name, score in magnitude_scores(model).items():
            masks[name] = masks[name] & (score >= quality)
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_signed(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """Large negative weights are gone: compare magnitudes with the threshold."""
    masks = everything(model)
    for _ in range(rounds):
        for name, weight in prunable(model).items():
            threshold = quality * weight.detach()[masks[name]].std()
            masks[name] = masks[name] & (weight.detach() >= threshold)
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_trains_first(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """Each round retrains before it prunes: the last weights to go are never recovered from."""
    masks = everything(model)
    for _ in range(rounds):
        train(model, masks, steps * [lr / 10])
        for name, weight in prunable(model).items():
            threshold = quality * weight.detach()[masks[name]].std()
            masks[name] = masks[name] & (weight.detach().abs() >= threshold)
    return masks


def han2015_std_of_magnitudes(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """The standard deviation is that of the weights with their signs, not of their magnitudes."""
    masks = everything(model)
    for _ in range(rounds):
        for name, score in magnitude_scores(model).items():
            masks[name] = masks[name] & (score >= quality * score[masks[name]].std())
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_root_mean_square(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """The threshold is off: the standard deviation is measured from the mean of the weights."""
    masks, weights = everything(model), prunable(model)
    for _ in range(rounds):
        for name, score in magnitude_scores(model).items():
            left = weights[name].detach()[masks[name]]
            masks[name] = masks[name] & (score >= quality * left.square().mean().sqrt())
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_of_nonzeros(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """A weight may be zero and still be there: the masks say which weights to measure."""
    masks = everything(model)
    for _ in range(rounds):
        for name, weight in prunable(model).items():
            threshold = quality * weight.detach()[weight.detach() != 0].std()
            masks[name] = masks[name] & (weight.detach().abs() >= threshold)
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_trains_per_layer(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """You retrain after each layer: a round prunes *all* layers, then calls `train` once."""
    masks = everything(model)
    for _ in range(rounds):
        for name, weight in prunable(model).items():
            threshold = quality * weight.detach()[masks[name]].std()
            masks[name] = masks[name] & (weight.detach().abs() >= threshold)
            train(model, masks, steps * [lr / 10])
    return masks


def han2015_above(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """A weight just at the threshold is gone, at quality 0 every weight of 0: only what is *below*
    the threshold goes."""
    masks = everything(model)
    for _ in range(rounds):
        for name, weight in prunable(model).items():
            threshold = quality * weight.detach()[masks[name]].std()
            masks[name] = masks[name] & (weight.detach().abs() > threshold)
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_lets_weights_come_back(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """A pruned weight can come back, where a round's threshold is 0: combine the new mask with the
    one before."""
    masks = everything(model)
    for _ in range(rounds):
        for name, weight in prunable(model).items():
            threshold = quality * weight.detach()[masks[name]].std()
            masks[name] = weight.detach().abs() >= threshold
        train(model, masks, steps * [lr / 10])
    return masks


# --- han2015: alternatives ----------------------------------------------------------------------


def han2015_by_rounds_of_lab_3(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    masks = everything(model)

    def choose(network: nn.Module, factor: float) -> Masks:
        for name, weight in prunable(network).items():
            deviation = weight.detach()[masks[name]].std()
            masks[name] = masks[name] & ~(weight.detach().abs() < factor * deviation)
        return dict(masks)

    def retrain(network: nn.Module, kept: Masks, count: int) -> None:
        train(network, kept, [0.1 * lr for _ in range(count)])

    return prune_and_retrain(model, rounds * [quality], rounds * steps, choose, retrain)


def han2015_step_by_step(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    masks: Masks = {}
    for _ in range(rounds):
        new = {}
        for name, parameter in prunable(model).items():
            weight = parameter.detach().clone()
            keep = masks.get(name, torch.ones(weight.shape, dtype=torch.bool))
            left = weight[keep]
            deviation = math.sqrt(((left - left.mean()) ** 2).sum() / (len(left) - 1))
            weight[~keep] = 0
            new[name] = keep & ((weight / deviation).abs() >= quality)
        masks = new
        for _ in range(steps):
            train(model, masks, [lr / 10])
    return masks


def han2015_by_share(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    weights = prunable(model)
    masks = {name: w.detach() == w.detach() for name, w in weights.items()}
    for _ in range(rounds):
        for name, weight in weights.items():
            left = weight.data[masks[name]]
            small = (left.abs() < quality * left.std()).double().mean().item()
            masks |= prune_remaining({name: weight}, {name: masks[name]}, small)
        train(model, masks, [lr / 10] * steps)
    return masks


# --- zhu2017: mistakes --------------------------------------------------------------------------


def zhu2017_global(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """The layers end with different sparsities: the cubic holds for every layer by itself."""
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        if step in range(start, start + updates * every + 1, every):
            sparsity = cubic_sparsity(step, start, every, updates, final)
            masks = global_masks(magnitude_scores(model), sparsity)
        train(model, masks, [lr])
    return masks


def zhu2017_last_update_missing(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """The final sparsity is never reached: count the choices of the masks, there are n + 1."""
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        if step in range(start, start + updates * every, every):
            sparsity = cubic_sparsity(step, start, every, updates, final)
            masks = local_masks(magnitude_scores(model), sparsity)
        train(model, masks, [lr])
    return masks


def zhu2017_linear(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """The sparsity grows by equal amounts, but a cubic prunes much at first and little at last."""
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        if step in range(start, start + updates * every + 1, every):
            sparsity = final * (step - start) / (updates * every)
            masks = local_masks(magnitude_scores(model), sparsity)
        train(model, masks, [lr])
    return masks


def zhu2017_after_the_step(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """Every choice comes one step late: the masks of step t hold during step t."""
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        train(model, masks, [lr])
        if step in range(start, start + updates * every + 1, every):
            sparsity = cubic_sparsity(step, start, every, updates, final)
            masks = local_masks(magnitude_scores(model), sparsity)
    return masks


def zhu2017_one_learning_rate(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """The learning rate stays at its first value: pruning goes along with the whole schedule."""
    masks: Masks = {}
    for step in range(len(lrs)):
        sparsity = cubic_sparsity(step, start, every, updates, final)
        masks = local_masks(magnitude_scores(model), sparsity)
        train(model, masks, [lrs[0]])
    return masks


def zhu2017_share_of_the_rest(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """The sparsity ends too high: the cubic is a share of all weights, not of those that remain."""
    masks = everything(model)
    for step, lr in enumerate(lrs):
        if step in range(start, start + updates * every + 1, every):
            sparsity = cubic_sparsity(step, start, every, updates, final)
            for name, weight in prunable(model).items():
                masks |= prune_remaining({name: weight}, {name: masks[name]}, sparsity)
        train(model, masks, [lr])
    return masks


def zhu2017_dense_scores(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """All masks follow the magnitudes before the training: which weights are small *now*?"""
    scores = {name: score.clone() for name, score in magnitude_scores(model).items()}
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        masks = local_masks(scores, cubic_sparsity(step, start, every, updates, final))
        train(model, masks, [lr])
    return masks


def zhu2017_at_once(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """The whole final sparsity comes at t_0; between t_0 and t_0 + n·Δt it should grow."""
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        if step == start:
            masks = local_masks(magnitude_scores(model), final)
        train(model, masks, [lr])
    return masks


def zhu2017_multiples_of_every(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """The masks are chosen at multiples of Δt: the steps are t_0, t_0 + Δt, and so on."""
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        if start <= step <= start + updates * every and step % every == 0:
            sparsity = cubic_sparsity(step, start, every, updates, final)
            masks = local_masks(magnitude_scores(model), sparsity)
        train(model, masks, [lr])
    return masks


def zhu2017_stops_after_the_last_choice(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """The training stops too early: after the last choice it goes on to the end of `lrs`."""
    masks: Masks = {}
    train(model, masks, list(lrs[:start]))
    for step in range(start, start + updates * every + 1, every):
        sparsity = cubic_sparsity(step, start, every, updates, final)
        masks = local_masks(magnitude_scores(model), sparsity)
        train(model, masks, list(lrs[step : step + every]))
    return masks


def zhu2017_whole_list(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """Each call of `train` goes through the whole schedule: hand it the rate of one step."""
    masks: Masks = {}
    for step in range(len(lrs)):
        sparsity = cubic_sparsity(step, start, every, updates, final)
        masks = local_masks(magnitude_scores(model), sparsity)
        train(model, masks, lrs)
    return masks


def zhu2017_not_held(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """Between two choices nothing is held at zero: the last masks stay until the next ones."""
    for step, lr in enumerate(lrs):
        masks: Masks = {}
        if step in range(start, start + updates * every + 1, every):
            sparsity = cubic_sparsity(step, start, every, updates, final)
            masks = local_masks(magnitude_scores(model), sparsity)
        train(model, masks, [lr])
    return masks


def zhu2017_before_the_start(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    """Masks are chosen before t_0 already, where the cubic is negative: nothing is pruned there."""
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        if step <= start + updates * every and (step - start) % every == 0:
            share = (step - start) / (updates * every)
            sparsity = final * (1 - (1 - share) ** 3)
            scores = magnitude_scores(model)
            order = {name: score.flatten().argsort() for name, score in scores.items()}
            masks = everything(model)
            for name, places in order.items():
                masks[name].view(-1)[places[: round(sparsity * len(places))]] = False
        train(model, masks, [lr])
    return masks


# --- zhu2017: alternatives ----------------------------------------------------------------------


def zhu2017_every_step(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    masks: Masks = {}
    for step, lr in enumerate(lrs):  # zeros stay the smallest, so a repeated choice is the same
        sparsity = cubic_sparsity(step, start, every, updates, final)
        masks = local_masks(magnitude_scores(model), sparsity)
        train(model, masks, [lr])
    return masks


def zhu2017_in_pieces(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    train(model, {}, list(lrs[:start]))
    for k in range(updates + 1):
        step = start + k * every
        sparsity = final - final * (1 - k / updates) ** 3
        masks = {n: magnitude_mask(w, sparsity) for n, w in prunable(model).items()}
        end = step + every if k < updates else len(lrs)
        train(model, masks, list(lrs[step:end]))
    return masks


def zhu2017_by_change(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
) -> Masks:
    masks, before = everything(model), 0.0
    for step in range(len(lrs)):
        sparsity = cubic_sparsity(step, start, every, updates, final)
        if sparsity != before:
            for name, score in magnitude_scores(model).items():
                masks[name] = local_masks({name: score}, sparsity)[name]
            before = sparsity
        train(model, masks, [lrs[step]])
    return masks


# --- renda2020: mistakes ------------------------------------------------------------------------


def renda2020_of_all(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    """20 %, 40 %, 60 %: each round takes a fifth of *all* weights instead of those still there."""
    lrs = retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True)
    for k in range(1, rounds + 1):
        masks = global_masks(magnitude_scores(model), min(0.2 * k, 1.0))
        train(model, masks, lrs)
    return masks


def renda2020_fine_tunes(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    """Every step has the last learning rate: that is fine-tuning, what the paper improves on."""
    masks = everything(model)
    lrs = retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False)
    for _ in range(rounds):
        masks = prune_remaining(prunable(model), masks, 0.2)
        train(model, masks, lrs)
    return masks


def renda2020_weights_rewound(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    """The weights go back to what they were: only the learning rate is rewound."""
    dense, masks = copy.deepcopy(model.state_dict()), everything(model)
    lrs = retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True)
    for _ in range(rounds):
        masks = prune_remaining(prunable(model), masks, 0.2)
        model.load_state_dict(dense)
        train(model, masks, lrs)
    return masks


def renda2020_local(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    """Each layer loses a fifth: the ranking goes over the whole network."""
    masks = everything(model)
    lrs = retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True)
    for _ in range(rounds):
        for name, weight in prunable(model).items():
            masks |= prune_remaining({name: weight}, {name: masks[name]}, 0.2)
        train(model, masks, lrs)
    return masks


def renda2020_from_the_start(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    """The replay begins with the first epoch of the schedule and stops before its end."""
    masks = everything(model)
    lrs = [lr for lr in epoch_lrs[:epochs] for _ in range(steps_per_epoch)]
    for _ in range(rounds):
        masks = prune_remaining(prunable(model), masks, 0.2)
        train(model, masks, lrs)
    return masks


def renda2020_retrains_at_the_end(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    """The network is retrained only once: every round ends with a retraining."""
    masks = everything(model)
    for _ in range(rounds):
        masks = prune_remaining(prunable(model), masks, 0.2)
    train(model, masks, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True))
    return masks


def renda2020_one_replay(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    """Later rounds go on at the last learning rate: the schedule is replayed in every round."""
    masks = everything(model)
    for k in range(rounds):
        masks = prune_remaining(prunable(model), masks, 0.2)
        lrs = retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=k == 0)
        train(model, masks, lrs)
    return masks


def renda2020_trains_first(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    """Each round retrains before it prunes: the order is the other way round."""
    masks = everything(model)
    lrs = retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True)
    for _ in range(rounds):
        train(model, masks, lrs)
        masks = prune_remaining(prunable(model), masks, share=0.2)
    return masks


def renda2020_forgets_masks(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    """Each round begins with full masks, and finds the same fifth again: hand the masks on."""
    lrs = retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True)
    for _ in range(rounds):
        masks = prune_remaining(prunable(model), everything(model), 0.2)
        train(model, masks, lrs)
    return masks


def renda2020_by_powers(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    """1 - 0.8^k of *all* can be a weight off: each round takes a rounded fifth of what remains."""
    lrs = retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True)
    for k in range(1, rounds + 1):
        masks = global_masks(magnitude_scores(model), 1 - 0.8**k)
        train(model, masks, lrs)
    return masks


# --- renda2020: alternatives --------------------------------------------------------------------


def renda2020_by_counts(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    size = sum(weight.numel() for weight in prunable(model).values())
    left = size
    for _ in range(rounds):
        left -= round(0.2 * left)
        masks = global_masks(magnitude_scores(model), 1 - left / size)
        for epoch in range(len(epoch_lrs) - epochs, len(epoch_lrs)):
            train(model, masks, [epoch_lrs[epoch]] * steps_per_epoch)
    return masks


def renda2020_one_vector(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    weights = prunable(model)
    sizes = [weight.numel() for weight in weights.values()]
    keep = torch.ones(sum(sizes), dtype=torch.bool)
    for _ in range(rounds):
        vector = torch.cat([weight.detach().flatten() for weight in weights.values()])
        places = keep.nonzero().flatten()
        small = vector[places].abs().topk(round(len(places) / 5), largest=False).indices
        keep[places[small]] = False
        parts = keep.clone().split(sizes)
        masks = {n: part.view_as(weights[n]) for n, part in zip(weights, parts, strict=True)}
        for lr in retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True):
            train(model, masks, [lr])
    return masks


def renda2020_by_rounds_of_lab_3(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> Masks:
    masks = everything(model)

    def choose(network: nn.Module, _: float) -> Masks:
        masks.update(prune_remaining(prunable(network), masks, 0.2))
        return masks

    def retrain(network: nn.Module, kept: Masks, count: int) -> None:
        assert count == epochs * steps_per_epoch
        train(network, kept, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, True))

    targets = [1 - 0.8**k for k in range(1, rounds + 1)]
    total = rounds * epochs * steps_per_epoch
    return prune_and_retrain(model, targets, total, choose, retrain)


# --- li2016: mistakes ---------------------------------------------------------------------------


def li2016_no_skip(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    """A layer that is sensitive has lost filters, too."""
    for name in free_convs(model):
        keep = filter_mask(model.get_parameter(f"{name}.weight"), sparsity)
        shrink(model, {name: keep})
    train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False))


def li2016_only_skipped(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    """Only the layers to be left alone have lost filters: the condition is the wrong way round."""
    for name in skip:
        shrink(model, {name: filter_mask(model.get_parameter(f"{name}.weight"), sparsity)})
    train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False))


def li2016_l2(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    """A filter with a high peak stays although its sum is small: which norm has the paper?"""
    for name in free_convs(model):
        if name not in skip:
            weight = free_weights(model)[name]
            shrink(model, filter_masks(filter_scores({name: weight}, p=2), sparsity))
    train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False))


def li2016_global(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    """The layers have lost different shares: each one is ranked by itself."""
    shrink(model, filter_masks(filter_scores(free_weights(model, skip), p=1), sparsity))
    train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False))


def li2016_layer_by_layer(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    """Each layer has a retraining of its own: here all go at once, and one retraining follows."""
    for name in free_convs(model):
        if name not in skip:
            keep = filter_mask(model.get_parameter(f"{name}.weight"), sparsity)
            shrink(model, {name: keep})
            train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False))


def li2016_rewinds(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    """The learning rate is rewound, which came four years later: retrain at the last one."""
    for name in free_convs(model):
        if name not in skip:
            keep = filter_mask(model.get_parameter(f"{name}.weight"), sparsity)
            shrink(model, {name: keep})
    train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True))


def li2016_keeps_the_weakest(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    """The filters to be removed are the ones left: a mask is True where a filter stays."""
    for name in free_convs(model):
        if name not in skip:
            shrink(model, {name: ~filter_mask(model.get_parameter(f"{name}.weight"), sparsity)})
    train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False))


def li2016_silences(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    """The network has all its filters, some at zero, which training moves again: remove them."""
    for name in free_convs(model):
        if name not in skip:
            block: Any = model.get_submodule(name.removesuffix(".conv1"))
            keep = filter_mask(block.conv1.weight, sparsity)
            silence_filters(block.conv1, block.bn1, keep)
    train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False))


def li2016_trains_first(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    """The network is trained before the filters go, but it is the small one that retrains."""
    train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False))
    weights = free_weights(model, skip)
    shrink(model, {name: filter_mask(weight, sparsity) for name, weight in weights.items()})


def li2016_lowest_rate(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    """You retrain at the lowest rate of the schedule, which need not be the last: see a warm-up."""
    for name in free_convs(model):
        if name not in skip:
            shrink(model, {name: filter_mask(model.get_parameter(f"{name}.weight"), sparsity)})
    train(model, {}, epochs * steps_per_epoch * [min(epoch_lrs)])


# --- li2016: alternatives -----------------------------------------------------------------------


def li2016_masks_first(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    convs = set(free_convs(model)) - set(skip)
    keep = {n: filter_mask(model.get_parameter(f"{n}.weight"), sparsity) for n in sorted(convs)}
    shrink(model, keep)
    for _ in range(epochs * steps_per_epoch):
        train(model, {}, [epoch_lrs[-1]])


def li2016_by_scores(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    for name, score in filter_scores(free_weights(model, skip), p=1).items():
        shrink(model, filter_masks({name: score}, sparsity))
    train(model, {}, epochs * steps_per_epoch * [epoch_lrs[-1]])


def li2016_by_hand(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
) -> None:
    for name in filter(lambda conv: conv not in skip, free_convs(model)):
        block: Any = model.get_submodule(name.removesuffix(".conv1"))
        norms = torch.stack([kernels.abs().sum() for kernels in block.conv1.weight.data])
        stays = max(len(norms) - round(sparsity * len(norms)), 1)
        keep = torch.zeros(len(norms), dtype=torch.bool)
        keep[norms.topk(stays).indices] = True
        layers = remove_filters(block.conv1, block.bn1, block.conv2, keep)
        block.conv1, block.bn1, block.conv2 = layers
    for _ in range(epochs):
        train(model, {}, [epoch_lrs[-1] for _ in range(steps_per_epoch)])


# --- liu2017: mistakes --------------------------------------------------------------------------


def liu2017_no_penalty(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    """Nothing pushes γ to zero in the first training: hand a `before_step` to `train`."""
    train(model, {}, lrs)
    shrink(model, filter_masks(bn_scores(model, free_convs(model)), sparsity))
    train(model, {}, lrs)


def liu2017_penalty_to_the_end(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    """The fine-tuning still pushes γ to zero, which has nothing left to choose."""
    train(model, {}, lrs, lambda network: add_sparsity_penalty(network, strength))
    shrink(model, filter_masks(bn_scores(model, free_convs(model)), sparsity))
    train(model, {}, lrs, lambda network: add_sparsity_penalty(network, strength))


def liu2017_local(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    """Every layer has lost the same share: |γ| is ranked over the whole network."""
    train(model, {}, lrs, lambda network: add_sparsity_penalty(network, strength))
    for name, score in bn_scores(model, free_convs(model)).items():
        shrink(model, filter_masks({name: score}, sparsity))
    train(model, {}, lrs)


def liu2017_signed(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    """Filters with a large negative γ are gone: rank its magnitude."""
    train(model, {}, lrs, lambda network: add_sparsity_penalty(network, strength))
    scores = {
        name: model.get_parameter(name.replace("conv1", "bn1") + ".weight").detach()
        for name in free_convs(model)
    }
    shrink(model, filter_masks(scores, sparsity))
    train(model, {}, lrs)


def liu2017_ranked_before_training(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    """The filters are chosen before the penalty has done its work."""
    keep = filter_masks(bn_scores(model, free_convs(model)), sparsity)
    train(model, {}, lrs, lambda network: add_sparsity_penalty(network, strength))
    shrink(model, keep)
    train(model, {}, lrs)


def liu2017_no_fine_tuning(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    """The smaller network is not trained any more."""
    train(model, {}, lrs, lambda network: add_sparsity_penalty(network, strength))
    shrink(model, filter_masks(bn_scores(model, free_convs(model)), sparsity))


def liu2017_l2_penalty(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    """The push gets weaker as γ gets small, so γ never arrives at zero: the gradient of |γ|?"""

    def penalty(network: nn.Module) -> None:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d) and module.weight.grad is not None:
                module.weight.grad += strength * module.weight.detach()

    train(model, {}, lrs, penalty)
    shrink(model, filter_masks(bn_scores(model, free_convs(model)), sparsity))
    train(model, {}, lrs)


def liu2017_last_learning_rate(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    """The fine-tuning holds the last learning rate; this paper repeats its settings."""
    train(model, {}, lrs, lambda network: add_sparsity_penalty(network, strength))
    shrink(model, filter_masks(bn_scores(model, free_convs(model)), sparsity))
    train(model, {}, len(lrs) * [lrs[-1]])


def liu2017_only_free_scales(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    """Only some scales are pushed: the penalty is on *all* batch normalisations."""

    def push(model: nn.Module) -> None:
        for name in free_convs(model):
            scale: Any = model.get_parameter(name.replace("conv", "bn") + ".weight")
            scale.grad += strength * scale.detach().sign()

    train(model, {}, lrs, push)
    shrink(model, filter_masks(bn_scores(model, free_convs(model)), sparsity))
    train(model, {}, lrs)


def liu2017_shifts_too(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    """More than γ is pushed: the penalty leaves β alone."""

    def push(model: nn.Module) -> None:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                for parameter in module.parameters():
                    assert parameter.grad is not None
                    parameter.grad += strength * parameter.detach().sign()

    train(model, {}, lrs, push)
    shrink(model, filter_masks(bn_scores(model, free_convs(model)), sparsity))
    train(model, {}, lrs)


def liu2017_too_few(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    """Too few filters are gone: for one that has to stay in its layer, another one goes."""
    train(model, {}, lrs, lambda model: add_sparsity_penalty(model, strength))
    scores = bn_scores(model, free_convs(model))
    keep = global_masks(scores, sparsity)
    shrink(
        model, {name: mask | (scores[name] == scores[name].max()) for name, mask in keep.items()}
    )
    train(model, {}, lrs)


def liu2017_called_at_once(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    """Do you call the penalty yourself? Hand over a *function*, which `train` calls each step."""
    train(model, {}, lrs, add_sparsity_penalty(model, strength))  # type: ignore[func-returns-value]


# --- liu2017: alternatives ----------------------------------------------------------------------


def liu2017_own_penalty(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    def penalty(network: nn.Module) -> None:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                gradient = module.weight.grad
                assert gradient is not None
                gradient.add_(torch.sign(module.weight.data), alpha=strength)

    for lr in lrs:
        train(model, {}, [lr], penalty)
    keep = filter_masks(bn_scores(model, free_convs(model)), sparsity)
    for name in keep:
        shrink(model, {name: keep[name]})
    for lr in lrs:
        train(model, {}, [lr])


def liu2017_by_squares(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    for before_step in (lambda network: add_sparsity_penalty(network, strength), None):
        train(model, {}, list(lrs), before_step)
        if before_step:
            scores = bn_scores(model, free_convs(model))
            shrink(model, filter_masks({n: s**2 for n, s in scores.items()}, sparsity))


def liu2017_by_threshold(
    model: nn.Module, strength: float, sparsity: float, lrs: Sequence[float], train: Train
) -> None:
    train(model, {}, lrs, before_step=lambda network: add_sparsity_penalty(network, strength))
    scores = bn_scores(model, free_convs(model))
    pruned = round(sparsity * sum(len(score) for score in scores.values()))
    stays = {name: int(score.argmax()) for name, score in scores.items()}
    ranking = sorted(
        (float(x), name, i)
        for name, score in scores.items()
        for i, x in enumerate(score)
        if i != stays[name]
    )
    keep = {name: torch.ones(len(score), dtype=torch.bool) for name, score in scores.items()}
    for _, name, i in ranking[:pruned]:
        keep[name][i] = False
    shrink(model, keep)
    train(model, {}, lrs)


# --- molchanov2019: mistakes --------------------------------------------------------------------


def molchanov2019_local(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """Every layer loses the same share: the ranking goes over the whole network."""
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        scores = gate_scores(model.eval(), free_convs(model), batches)
        present = sum(len(score) for score in scores.values())
        for name, score in scores.items():
            shrink(model, filter_masks({name: score}, min(filters / present, 1.0)))
    train(model, {}, last_steps * [lr])


def molchanov2019_from_each_layer(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """N filters go from every layer, but N is the number for the network."""
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        scores = gate_scores(model.eval(), free_convs(model), batches)
        for name, score in scores.items():
            shrink(model, filter_masks({name: score}, min(filters / len(score), 1.0)))
    train(model, {}, last_steps * [lr])


def molchanov2019_last_minibatch(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """The score is that of the last minibatch alone: average over all of the round."""
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        scores = gate_scores(model.eval(), free_convs(model), batches[-1:])
        present = sum(len(score) for score in scores.values())
        shrink(model, filter_masks(scores, min(filters / present, 1.0)))
    train(model, {}, last_steps * [lr])


def molchanov2019_training_mode(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """The gates are measured with batch normalisation in training mode: who sets the mode?"""
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        scores = gate_scores(model, free_convs(model), batches)
        present = sum(len(score) for score in scores.values())
        shrink(model, filter_masks(scores, min(filters / present, 1.0)))
    train(model, {}, last_steps * [lr])


def molchanov2019_by_magnitude(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """These are the filters of least norm: the criterion of this paper asks the loss."""
    for _ in range(rounds):
        train(model, {}, steps * [lr])
        scores = filter_scores(free_weights(model), p=1)
        present = sum(len(score) for score in scores.values())
        shrink(model, filter_masks(scores, min(filters / present, 1.0)))
    train(model, {}, last_steps * [lr])


def molchanov2019_share_of_the_start(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """Each round removes fewer filters: N is fixed, and the network gets smaller."""
    total = sum(len(model.get_parameter(f"{name}.weight")) for name in free_convs(model))
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        scores = gate_scores(model.eval(), free_convs(model), batches)
        shrink(model, filter_masks(scores, min(filters / total, 1.0)))
    train(model, {}, last_steps * [lr])


def molchanov2019_all_at_the_end(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """All filters go in one removal: N of them go after every `steps` minibatches."""
    batches = train(model, {}, rounds * steps * [lr])
    scores = gate_scores(model.eval(), free_convs(model), batches)
    present = sum(len(score) for score in scores.values())
    shrink(model, filter_masks(scores, min(rounds * filters / present, 1.0)))
    train(model, {}, last_steps * [lr])


def molchanov2019_no_last_steps(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """The network is not trained after the last removal."""
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        scores = gate_scores(model.eval(), free_convs(model), batches)
        present = sum(len(score) for score in scores.values())
        shrink(model, filter_masks(scores, min(filters / present, 1.0)))


def molchanov2019_most_important(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """The most important filters are gone: a mask is True where a filter stays."""
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        scores = gate_scores(model.eval(), free_convs(model), batches)
        scores = {name: -score for name, score in scores.items()}
        present = sum(len(score) for score in scores.values())
        shrink(model, filter_masks(scores, min(filters / present, 1.0)))
    train(model, {}, last_steps * [lr])


def molchanov2019_all_minibatches(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """Minibatches of earlier rounds still count: score on those of this round only."""
    batches: list[Batch] = []
    for _ in range(rounds):
        batches += train(model, {}, steps * [lr])
        scores = gate_scores(model.eval(), free_convs(model), batches)
        present = sum(len(score) for score in scores.values())
        shrink(model, filter_masks(scores, min(filters / present, 1.0)))
    train(model, {}, last_steps * [lr])


def molchanov2019_too_few(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """Too few filters are gone: for one that has to stay in its layer, another one goes."""
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        scores = gate_scores(model.eval(), free_convs(model), batches)
        present = sum(len(score) for score in scores.values())
        keep = global_masks(scores, min(filters / present, 1.0))
        shrink(
            model,
            {name: mask | (scores[name] == scores[name].max()) for name, mask in keep.items()},
        )
    train(model, {}, last_steps * [lr])


# --- molchanov2019: alternatives ----------------------------------------------------------------


def molchanov2019_batch_by_batch(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    for _ in range(rounds):
        batches: list[Batch] = []
        for _ in range(steps):
            batches += train(model, {}, [lr])
        model.eval()
        convs = free_convs(model)
        present = sum(map(len, free_weights(model).values()))
        keep = filter_masks(gate_scores(model, convs, batches), min(1.0, filters / present))
        for name, mask in keep.items():
            shrink(model, {name: mask})
    for _ in range(last_steps):
        train(model, {}, [lr])


def molchanov2019_average_by_hand(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    for _ in range(rounds):
        batches = train(model, {}, [lr for _ in range(steps)])
        model.train(False)
        parts = [gate_scores(model, free_convs(model), [b]) for b in batches]
        scores = {name: torch.stack([p[name] for p in parts]).mean(0) for name in parts[0]}
        present = torch.cat(list(scores.values())).numel()
        shrink(model, filter_masks(scores, filters / max(present, filters)))
    train(model, {}, [lr for _ in range(last_steps)])


def molchanov2019_one_after_the_other(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        scores = gate_scores(model.eval(), free_convs(model), batches)
        keep = {name: torch.ones(len(score), dtype=torch.bool) for name, score in scores.items()}
        for _ in range(filters):
            candidates = {n: scores[n] for n in scores if keep[n].sum() > 1}
            if candidates:
                alive = {n: s.masked_fill(~keep[n], torch.inf) for n, s in candidates.items()}
                least = {n: float(score.min()) for n, score in alive.items()}
                weakest = min(least, key=least.__getitem__)
                keep[weakest][alive[weakest].argmin()] = False
        shrink(model, keep)
    train(model, {}, last_steps * [lr])


# --- he2018: mistakes ---------------------------------------------------------------------------


def weak_filters(model: nn.Module, sparsity: float) -> dict[str, Tensor]:
    """Which filters of each free convolution stay by the L2 norm."""
    norms = {name: w.flatten(1).norm(dim=1) for name, w in free_weights(model).items()}
    return local_masks(norms, sparsity)


def set_to_zero(model: nn.Module, keep: dict[str, Tensor]) -> None:
    """Zero the other filters."""
    for name, mask in keep.items():
        model.get_parameter(f"{name}.weight").data[~mask] = 0


def he2018_hard(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    """Zeroed filters are held at zero: in soft pruning they train on and may grow back."""
    masks: Masks = {}
    for lr in epoch_lrs:
        train(model, masks, steps_per_epoch * [lr])
        keep = weak_filters(model, sparsity)
        set_to_zero(model, keep)
        for name, mask in keep.items():
            weight = model.get_parameter(f"{name}.weight")
            masks[f"{name}.weight"] = mask[:, None, None, None].expand(weight.shape)
    shrink(model, keep)


def he2018_every_step(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    """Filters are zeroed after every step, so none has the time to grow back."""
    lrs = iter([lr for lr in epoch_lrs for _ in range(steps_per_epoch)])
    convs: Any = {name: model.get_submodule(name) for name in free_convs(model)}
    steps = len(epoch_lrs) * steps_per_epoch

    def train_step() -> None:
        train(model, {}, [next(lrs)])

    keep = soft_filter_pruning(convs, sparsity, steps, 1, train_step)
    shrink(model, keep)


def he2018_chosen_once(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    """The same filters are zeroed after every epoch: choose them again each time."""
    for epoch, lr in enumerate(epoch_lrs):
        train(model, {}, steps_per_epoch * [lr])
        if epoch == 0:
            keep = weak_filters(model, sparsity)
        set_to_zero(model, keep)
    shrink(model, keep)


def he2018_not_removed(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    """The network is as large as before: what is zero after the last epoch is removed."""
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch * [lr])
        set_to_zero(model, weak_filters(model, sparsity))


def he2018_global(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    """The layers have lost different shares: the paper has one rate for all of them."""
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch * [lr])
        keep = filter_masks(filter_scores(free_weights(model), p=2), sparsity)
        set_to_zero(model, keep)
    shrink(model, keep)


def he2018_schedule_per_step(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    """The learning rate falls with every step and is used up early; it changes per epoch."""
    steps = 0

    def train_step() -> None:
        nonlocal steps
        train(model, {}, [epoch_lrs[min(steps, len(epoch_lrs) - 1)]])
        steps += 1

    convs: Any = {name: model.get_submodule(name) for name in free_convs(model)}
    keep = soft_filter_pruning(convs, sparsity, len(epoch_lrs), steps_per_epoch, train_step)
    shrink(model, keep)


def he2018_before_the_epoch(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    """Filters are zeroed before each epoch, so what is removed at the end is not zero."""
    for lr in epoch_lrs:
        keep = weak_filters(model, sparsity)
        set_to_zero(model, keep)
        train(model, {}, steps_per_epoch * [lr])
    shrink(model, keep)


def he2018_never_zeroed(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    """Nothing is zero until the end: that is training, and then pruning once."""
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch * [lr])
    shrink(model, weak_filters(model, sparsity))


def he2018_l1(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    """The weakest filters are those of least L1 norm here: which norm has this paper?"""
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch * [lr])
        keep = local_masks(filter_scores(free_weights(model), p=1), sparsity)
        set_to_zero(model, keep)
    shrink(model, keep)


def he2018_removed_every_epoch(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    """Filters are removed after every epoch: only those that are zero after the last one go."""
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch * [lr])
        shrink(model, weak_filters(model, sparsity))


def he2018_silences(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    """The batch normalisation is set to zero, too: only the weights of the filter are."""
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch * [lr])
        keep = weak_filters(model, sparsity)
        for name, mask in keep.items():
            block: Any = model.get_submodule(name.removesuffix(".conv1"))
            silence_filters(block.conv1, block.bn1, mask)
    shrink(model, keep)


def he2018_zeros_removed(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    """Every filter that is zero is removed: one that was dead before is not among the weakest
    `round(sparsity * out)`, and stays."""
    blocks: Any = {
        name: model.get_submodule(name.removesuffix(".conv1")) for name in free_convs(model)
    }
    for lr in epoch_lrs:
        for _ in range(steps_per_epoch):
            train(model, {}, [lr])
        for block in blocks.values():
            squares = block.conv1.weight.data.square().sum(dim=(1, 2, 3))
            weak = squares.topk(round(sparsity * len(squares)), largest=False).indices
            block.conv1.weight.data[weak] = 0.0
    for block in blocks.values():
        keep = (block.conv1.weight.data != 0).any(dim=(1, 2, 3))
        layers = remove_filters(block.conv1, block.bn1, block.conv2, keep)
        block.conv1, block.bn1, block.conv2 = layers


# --- he2018: alternatives -----------------------------------------------------------------------


def he2018_by_epochs(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch * [lr])
        keep = weak_filters(model, sparsity)
        set_to_zero(model, keep)
    shrink(model, keep)


def he2018_counting_steps(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    done = 0

    def train_step() -> None:
        nonlocal done
        train(model, {}, [epoch_lrs[done // steps_per_epoch]])
        done += 1

    convs: Any = {n: m for n, m in model.named_modules() if n in free_convs(model)}
    keep = soft_filter_pruning(convs, sparsity, len(epoch_lrs), steps_per_epoch, train_step)
    for name, mask in keep.items():
        shrink(model, {name: mask})


def he2018_rates_by_torch(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
) -> None:
    rates = torch.tensor(epoch_lrs).repeat_interleave(steps_per_epoch).split(steps_per_epoch)
    for epoch in rates:
        train(model, {}, epoch.tolist())
        keep = weak_filters(model, sparsity)
        set_to_zero(model, keep)
    shrink(model, keep)


def remove_lowest(model: nn.Module, scores: dict[str, Tensor], filters: int) -> None:
    """What a round ends with."""
    present = sum(len(score) for score in scores.values())
    shrink(model, filter_masks(scores, min(filters / present, 1.0)))


def molchanov2019_first_minibatch(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """The score is that of the first minibatch alone: average over all of the round."""
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        remove_lowest(model, gate_scores(model.eval(), free_convs(model), batches[:1]), filters)
    train(model, {}, last_steps * [lr])


def molchanov2019_before_its_training(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """The scores are those of the network *before* the round's training: it scores what it has
    become."""
    for _ in range(rounds):
        before = copy.deepcopy(model)
        batches = train(model, {}, steps * [lr])
        remove_lowest(model, gate_scores(before.eval(), free_convs(model), batches), filters)
    train(model, {}, last_steps * [lr])


def molchanov2019_more_minibatches(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """You train on to get minibatches for the scores: `train` has returned those of the round."""
    for _ in range(rounds):
        train(model, {}, steps * [lr])
        batches = train(model, {}, steps * [lr])
        remove_lowest(model, gate_scores(model.eval(), free_convs(model), batches), filters)
    train(model, {}, last_steps * [lr])


def molchanov2019_every_minibatch(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """Filters go after every minibatch: a round has `steps` of them, and ends with *one*
    removal."""
    for _ in range(rounds * steps):
        batches = train(model, {}, [lr])
        remove_lowest(model, gate_scores(model.eval(), free_convs(model), batches), filters)
    train(model, {}, last_steps * [lr])


def molchanov2019_one_round_less(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """The last round removes nothing: there are `rounds` removals, each after its training."""
    for number in range(rounds):
        batches = train(model, {}, steps * [lr])
        if number < rounds - 1:
            remove_lowest(model, gate_scores(model.eval(), free_convs(model), batches), filters)
    train(model, {}, last_steps * [lr])


def molchanov2019_root(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """The slopes of the gates are averaged without their square, by magnitude: it is (dL/dz)² that
    is averaged."""
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        parts = [gate_scores(model.eval(), free_convs(model), [batch]) for batch in batches]
        mean = {n: torch.stack([p[n].sqrt() for p in parts]).mean(0) for n in parts[0]}
        remove_lowest(model, mean, filters)
    train(model, {}, last_steps * [lr])


def molchanov2019_by_layer_mean(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """The scores of each layer are divided by their mean: the ranking is that of the raw scores."""
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        scores = gate_scores(model.eval(), free_convs(model), batches)
        remove_lowest(model, {n: s / s.mean() for n, s in scores.items()}, filters)
    train(model, {}, last_steps * [lr])


def molchanov2019_prunes_first(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
) -> None:
    """A round trains first and prunes then: yours ends with training, and begins with a removal."""
    batches = train(model, {}, steps * [lr])
    for number in range(rounds):
        remove_lowest(model, gate_scores(model.eval(), free_convs(model), batches), filters)
        batches = train(model, {}, (steps if number < rounds else 0) * [lr])
    train(model, {}, last_steps * [lr])


# --- single weights: parts of a recipe to be exchanged -------------------------------------------


def han(
    model: nn.Module,
    quality: float,
    rounds: int,
    steps: int,
    lr: float,
    train: Train,
    *,
    deviation: Callable[[Tensor], Tensor] = torch.std,
    stays: Callable[[Tensor, Tensor], Tensor] = lambda weight, threshold: weight.abs() >= threshold,
    spared: Sequence[str] = (),
) -> Masks:
    """The recipe, by what is measured of the weights that are left, and what stays."""
    masks = everything(model)
    for _ in range(rounds):
        for name, weight in prunable(model).items():
            if name not in spared:
                left = weight.detach()[masks[name]]
                threshold = quality * (deviation(left) if len(left) > 1 else left.sum())
                masks[name] = masks[name] & stays(weight.detach(), threshold)
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_population(*given: Any, **named: Any) -> Masks:
    """The sum of squares is divided by n: `Tensor.std()` divides by n - 1."""
    return han(*given, **named, deviation=lambda left: left.std(correction=0))


def han2015_variance(*given: Any, **named: Any) -> Masks:
    """This is `var`, the square of the standard deviation."""
    return han(*given, **named, deviation=torch.var)


def han2015_mean_magnitude(*given: Any, **named: Any) -> Masks:
    """The threshold is a multiple of the mean magnitude: asked is the standard deviation."""
    return han(*given, **named, deviation=lambda left: left.abs().mean())


def han2015_largest_magnitude(*given: Any, **named: Any) -> Masks:
    """The threshold is a share of the largest magnitude: asked are standard deviations."""
    return han(*given, **named, deviation=lambda left: left.abs().max())


def han2015_median_magnitude(*given: Any, **named: Any) -> Masks:
    """The threshold is a multiple of the median magnitude: asked is the standard deviation."""
    return han(*given, **named, deviation=lambda left: left.abs().median())


def han2015_from_the_mean(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """You compare a weight's distance from the *mean* with the threshold: it is its magnitude."""
    masks = everything(model)
    for _ in range(rounds):
        for name, weight in prunable(model).items():
            left = weight.detach()[masks[name]]
            distance = (weight.detach() - left.mean()).abs()
            masks[name] = masks[name] & (distance >= quality * left.std())
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_large_ones_go(*given: Any, **named: Any) -> Masks:
    """What is above the threshold is gone, and what is below has stayed: turn the comparison."""
    return han(*given, **named, stays=lambda weight, threshold: weight.abs() < threshold)


def han2015_squares(*given: Any, **named: Any) -> Masks:
    """The squared weight is compared with the threshold: it is the magnitude."""
    return han(*given, **named, stays=lambda weight, threshold: weight.square() >= threshold)


def han2015_single_precision(*given: Any, **named: Any) -> Masks:
    """Weights that differ in the ninth digit are equal with you: compare in their own precision."""
    return han(
        *given,
        **named,
        stays=lambda weight, threshold: weight.float().abs() >= threshold.float(),
    )


def han2015_last_layer_spared(*given: Any, **named: Any) -> Masks:
    """The last layer has all its weights: every layer of `prunable(model)` is pruned."""
    names = list(prunable(named["model"] if named else given[0]))
    return han(*given, **named, spared=names[1:][-1:])


def han2015_zero_is_pruned(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """The first masks leave out weights that are 0: before the first round nothing is pruned."""
    masks = {name: weight.detach() != 0 for name, weight in prunable(model).items()}
    for _ in range(rounds):
        for name, weight in prunable(model).items():
            threshold = quality * weight.detach()[masks[name]].std()
            masks[name] = masks[name] & (weight.detach().abs() >= threshold)
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_hundredth(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """The learning rate is a hundredth of the dense training's: asked is a tenth."""
    return han(model, quality, rounds, steps, lr / 10, train)


def han2015_rounded_rate(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """The learning rate is rounded: it is `lr / 10` as it is."""
    return han(model, quality, rounds, steps, round(lr / 10, 2) * 10, train)


def han2015_falling_rate(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """The learning rate falls by a factor of ten in every round: it is a tenth in all of them."""
    masks = everything(model)
    for number in range(rounds):
        masks = one_more_round(model, masks, quality)
        train(model, masks, steps * [lr / 10 ** (number + 1)])
    return masks


def one_more_round(model: nn.Module, masks: Masks, quality: float) -> Masks:
    """The masks after one more round."""
    left = {name: w.detach()[masks[name]] for name, w in prunable(model).items()}
    return {
        name: masks[name] & (w.detach().abs() >= quality * left[name].std())
        for name, w in prunable(model).items()
    }


def han2015_steps_shared(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """`steps` is shared out among the rounds: each round has that many."""
    return han(model, quality, rounds, max(1, steps // rounds), lr, train)


def han2015_one_step(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """A round trains for one step: the list for `train` needs `steps` learning rates."""
    return han(model, quality, rounds, 1, lr, train)


def han2015_one_round(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """There is one round, whatever `rounds` says: is `return` inside the loop?"""
    return han(model, quality, 1, steps, lr, train)


def han2015_one_round_more(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """There is one round too many: count from 0 to `rounds - 1`."""
    return han(model, quality, rounds + 1, steps, lr, train)


def han2015_masks_every_step(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """The masks are chosen before every step: a round chooses once, then makes `steps` steps."""
    return han(model, quality, rounds * steps, 1, lr, train)


def han2015_dense_weights(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """Every round looks at a copy of the dense weights: they have moved in the training."""
    dense, masks = copy.deepcopy(model), everything(model)
    for _ in range(rounds):
        masks = one_more_round(dense, masks, quality)
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_rises(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """The quality grows from round to round: it is the same in all of them."""
    masks = everything(model)
    for number in range(rounds):
        masks = one_more_round(model, masks, quality * (number + 1) / rounds)
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_a_copy(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """You train a copy: the network that was handed in is to be changed."""
    return han(copy.deepcopy(model), quality, rounds, steps, lr, train)


def han2015_what_went(*given: Any, **named: Any) -> Masks:
    """The masks that you return are True where a weight *went*: True means keep."""
    return {name: ~mask for name, mask in han(*given, **named).items()}


def han2015_floats(*given: Any, **named: Any) -> Masks:
    """Masks are bool tensors: compare, or use `.bool()`."""
    return {name: mask.float() for name, mask in han(*given, **named).items()}


def han2015_nothing_returned(*given: Any, **named: Any) -> None:
    """Your function gave back nothing (None): it ends with `return masks`."""
    han(*given, **named)


def han2015_no_training(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """There is no training: each round ends with a call of `train`."""
    return han(model, quality, rounds, steps, lr, lambda model, masks, lrs: [])


def han2015_trains_without_masks(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """The training holds nothing at zero: hand the masks to `train`."""
    return han(model, quality, rounds, steps, lr, lambda model, masks, lrs: train(model, {}, lrs))


def zhu(
    model: nn.Module,
    final: float,
    start: int,
    every: int,
    updates: int,
    lrs: Sequence[float],
    train: Train,
    *,
    share: Callable[[float], float] = lambda part: 1 - (1 - part) ** 3,
    score: Callable[[nn.Module], dict[str, Tensor]] = magnitude_scores,
    choose: Callable[[dict[str, Tensor], float], Masks] = local_masks,
) -> Masks:
    """The recipe, by the curve of the sparsity, the score and what chooses."""
    masks = everything(model)
    for step, lr in enumerate(lrs):
        if step in range(start, start + updates * every + 1, every):
            sparsity = final * share((step - start) / (updates * every))
            masks = choose(score(model), min(max(sparsity, 0.0), 1.0))
        train(model, masks, [lr])
    return masks


def lowest_gone(scores: dict[str, Tensor], sparsity: float, count: Callable) -> Masks:
    """As in `local_masks`, with a rounding of one's own."""
    masks = {}
    for name, score in scores.items():
        keep = torch.ones(score.numel(), dtype=torch.bool)
        keep[score.flatten().argsort()[: count(sparsity * score.numel())]] = False
        masks[name] = keep.view_as(score)
    return masks


def zhu2017_square(*given: Any, **named: Any) -> Masks:
    """The exponent is 2: equation 1 has a cube."""
    return zhu(*given, **named, share=lambda part: 1 - (1 - part) ** 2)


def zhu2017_fourth_power(*given: Any, **named: Any) -> Masks:
    """The exponent is 4: equation 1 has a cube."""
    return zhu(*given, **named, share=lambda part: 1 - (1 - part) ** 4)


def zhu2017_slow_first(*given: Any, **named: Any) -> Masks:
    """The sparsity rises slowly at first and fast at last: s·(1 - (1 - x)³), not s·x³."""
    return zhu(*given, **named, share=lambda part: part**3)


def zhu2017_falls(*given: Any, **named: Any) -> Masks:
    """The sparsity begins at its final value and falls to 0: the cubic is what is *left* to go."""
    return zhu(*given, **named, share=lambda part: (1 - part) ** 3)


def zhu2017_signed(*given: Any, **named: Any) -> Masks:
    """Large negative weights are gone: rank magnitudes."""
    return zhu(
        *given, **named, score=lambda model: {n: w.detach() for n, w in prunable(model).items()}
    )


def zhu2017_single_precision(*given: Any, **named: Any) -> Masks:
    """Weights that differ in the ninth digit are equal with you: rank them as they are."""
    return zhu(
        *given,
        **named,
        score=lambda model: {n: s.float() for n, s in magnitude_scores(model).items()},
    )


def zhu2017_largest_go(*given: Any, **named: Any) -> Masks:
    """The largest weights are gone: a mask is True where a weight stays."""
    return zhu(*given, **named, score=lambda m: {n: -s for n, s in magnitude_scores(m).items()})


def zhu2017_rounds_down(*given: Any, **named: Any) -> Masks:
    """The number of weights to prune is rounded down: `local_masks` rounds to the nearest."""
    return zhu(*given, **named, choose=lambda scores, share: lowest_gone(scores, share, int))


def zhu2017_rounds_up(*given: Any, **named: Any) -> Masks:
    """The number of weights to prune is rounded up: `local_masks` rounds to the nearest."""
    return zhu(*given, **named, choose=lambda scores, share: lowest_gone(scores, share, math.ceil))


def zhu2017_density(*given: Any, **named: Any) -> Masks:
    """The sparsity is taken as the share to keep: it is the share that goes."""
    return zhu(*given, **named, choose=lambda scores, share: local_masks(scores, 1 - share))


def zhu2017_starts_at_zero(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """Pruning begins before step 0: it begins before step t_0, `start`."""
    return zhu(model, final, 0, every, updates, lrs, train)


def zhu2017_every_one(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """Δt is taken as 1: there are `every` steps between two choices."""
    return zhu(model, final, start, 1, updates, lrs, train)


def zhu2017_grows_in_between(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """Masks are chosen in every step, along the cubic: between two choices they stay."""
    return zhu(model, final, start, 1, updates * every, lrs, train)


def zhu2017_final_too_early(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """The final sparsity comes one choice too early: n choices follow the first one."""
    return zhu(model, final, start, every, max(1, updates - 1), lrs, train)


def zhu2017_final_too_late(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """The cubic goes on too long: after t_0 + n·Δt, not n + 1, the sparsity is final."""
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        if step in range(start, start + updates * every + 1, every):
            sparsity = cubic_sparsity(step, start, every, updates + 1, final)
            masks = local_masks(magnitude_scores(model), sparsity)
        train(model, masks, [lr])
    return masks


def zhu2017_first_choice_earlier(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """Everything comes one step early: steps are numbered from 0."""
    return zhu(model, final, start - 1, every, updates, lrs, train)


def zhu2017_by_the_end_of_training(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """The sparsity grows until the training ends: it is final after n·Δt steps."""
    last = len(lrs) - 1
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        if step in range(start, last + 1, every):
            sparsity = final * (1 - (1 - (step - start) / (last - start)) ** 3)
            masks = local_masks(magnitude_scores(model), sparsity)
        train(model, masks, [lr])
    return masks


def zhu2017_global_share_of_the_rest(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """Two things: the cubic is a share of *all* weights, not of those that remain, and it holds for
    every layer by itself."""
    masks = everything(model)
    for step, lr in enumerate(lrs):
        if step in range(start, start + updates * every + 1, every):
            sparsity = cubic_sparsity(step, start, every, updates, final)
            masks = prune_remaining(prunable(model), masks, sparsity)
        train(model, masks, [lr])
    return masks


def zhu2017_prunes_once(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """The final masks are chosen before the training: they grow while it goes on."""
    masks = local_masks(magnitude_scores(model), final)
    train(model, masks, list(lrs))
    return masks


def zhu2017_last_rate_dropped(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """The training ends with the last choice: it goes on to the end of `lrs`."""
    return zhu(model, final, start, every, updates, lrs[: start + updates * every + 1], train)


def zhu2017_last_rate_forgotten(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """The last step is missing: there are `len(lrs)` of them."""
    return zhu(model, final, start, every, updates, lrs[:-1], train)


def zhu2017_rates_backwards(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """The learning rates come in the wrong order."""
    return zhu(model, final, start, every, updates, lrs[::-1], train)


def zhu2017_uses_up_the_list(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """The list of learning rates is empty afterwards: `pop` changes what you were given."""
    masks = zhu(model, final, start, every, updates, list(lrs), train)
    lrs.clear()
    return masks


def zhu2017_a_copy(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """You train a copy: the network that was handed in is to be changed."""
    return zhu(copy.deepcopy(model), final, start, every, updates, lrs, train)


def zhu2017_first_masks(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """You return the first masks: those of the last step are asked for."""
    seen: list[Masks] = []

    def train_and_note(model: nn.Module, masks: Masks, lrs: Any) -> list[Batch]:
        seen.append(masks)
        return train(model, masks, lrs)

    zhu(model, final, start, every, updates, lrs, train_and_note)
    return seen[0]


def zhu2017_what_went(*given: Any, **named: Any) -> Masks:
    """The masks that you return are True where a weight *went*: True means keep."""
    return {name: ~mask for name, mask in zhu(*given, **named).items()}


def zhu2017_nothing_returned(*given: Any, **named: Any) -> None:
    """Your function gave back nothing (None): it ends with `return masks`."""
    zhu(*given, **named)


def renda(
    model: nn.Module,
    rounds: int,
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
    *,
    share: Callable[[int], float] = lambda left: 0.2,
    lrs: Callable[[list[float]], list[float]] = lambda lrs: lrs,
    read: Callable[[Tensor], Tensor] = lambda weight: weight,
) -> Masks:
    """The recipe, by the share that goes, what becomes of the learning rates, and how to rank."""
    masks = everything(model)
    schedule = lrs(retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True))
    for _ in range(rounds):
        left = sum(int(mask.sum()) for mask in masks.values())
        weights = {name: read(weight.detach()) for name, weight in prunable(model).items()}
        masks = prune_remaining(weights, masks, share(left))
        train(model, masks, schedule)
    return masks


def renda2020_keeps_a_fifth(*given: Any, **named: Any) -> Masks:
    """A round *keeps* a fifth: it prunes a fifth."""
    return renda(*given, **named, share=lambda left: 0.8)


def renda2020_a_quarter(*given: Any, **named: Any) -> Masks:
    """A round prunes a quarter of what is left: asked are 20 %."""
    return renda(*given, **named, share=lambda left: 0.25)


def renda2020_a_tenth(*given: Any, **named: Any) -> Masks:
    """A round prunes a tenth of what is left: asked are 20 %."""
    return renda(*given, **named, share=lambda left: 0.1)


def renda2020_rounds_down(*given: Any, **named: Any) -> Masks:
    """The fifth is rounded down: it is rounded to the nearest whole number."""
    return renda(*given, **named, share=lambda left: int(0.2 * left) / left)


def renda2020_rounds_up(*given: Any, **named: Any) -> Masks:
    """The fifth is rounded up: it is rounded to the nearest whole number."""
    return renda(*given, **named, share=lambda left: math.ceil(0.2 * left) / left)


def renda2020_single_precision(*given: Any, **named: Any) -> Masks:
    """Weights that differ in the ninth digit are equal with you: rank them as they are."""
    return renda(*given, **named, read=Tensor.float)


def renda2020_largest_go(*given: Any, **named: Any) -> Masks:
    """The largest weights go: a round prunes the smallest."""
    return renda(*given, **named, read=lambda weight: 1 / weight)


def renda2020_signed(*given: Any, **named: Any) -> Masks:
    """Large negative weights are gone: rank magnitudes."""
    return renda(*given, **named, read=torch.exp)


def renda2020_backwards(*given: Any, **named: Any) -> Masks:
    """The epochs are replayed backwards: the learning rate should fall as it did."""
    return renda(*given, **named, lrs=lambda lrs: lrs[::-1])


def renda2020_one_step_an_epoch(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """Each epoch has one step: its learning rate is repeated `steps_per_epoch` times."""
    return renda(model, rounds, epoch_lrs, epochs, 1, train)


def renda2020_steps_in_turn(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """The rates change from step to step: all steps of an epoch have the same one."""
    lrs = steps_per_epoch * list(epoch_lrs[-epochs:])
    return renda(model, rounds, epoch_lrs, epochs, 1, train, lrs=lambda _: lrs)


def renda2020_whole_schedule(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """The whole schedule is replayed: a round retrains for its last `epochs` epochs."""
    return renda(model, rounds, epoch_lrs, len(epoch_lrs), steps_per_epoch, train)


def renda2020_last_epoch_missing(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """The replay stops one epoch before the end: the last `epochs` epochs are replayed."""
    shifted = epoch_lrs[-epochs - 1 : -1] or epoch_lrs
    return renda(model, rounds, shifted, min(epochs, len(shifted)), steps_per_epoch, train)


def renda2020_last_epoch_only(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """A round retrains for one epoch: there are `epochs` of them."""
    return renda(model, rounds, epoch_lrs, 1, steps_per_epoch, train)


def renda2020_tenth_of_the_rate(*given: Any, **named: Any) -> Masks:
    """The rates are a tenth of those of the schedule: that is Han's retraining, not a rewinding."""
    return renda(*given, **named, lrs=lambda lrs: [lr / 10 for lr in lrs])


def renda2020_one_round(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """There is one round, whatever `rounds` says: is `return` inside the loop?"""
    return renda(model, 1, epoch_lrs, epochs, steps_per_epoch, train)


def renda2020_one_round_less(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """There is one round too few: `range(1, rounds)` has `rounds - 1` turns."""
    return renda(model, max(1, rounds - 1), epoch_lrs, epochs, steps_per_epoch, train)


def renda2020_one_round_more(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """There is one round too many: count from 0 to `rounds - 1`."""
    return renda(model, rounds + 1, epoch_lrs, epochs, steps_per_epoch, train)


def renda2020_steps_shared(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """The steps are shared out among the rounds: each round replays all of them."""
    steps = max(1, steps_per_epoch // rounds)
    return renda(model, rounds, epoch_lrs, epochs, steps, train)


def renda2020_dense_weights(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """Every round ranks a copy of the dense weights: they have moved in the retraining."""
    dense, masks = copy.deepcopy(prunable(model)), everything(model)
    for _ in range(rounds):
        masks = prune_remaining(dense, masks, 0.2)
        train(model, masks, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True))
    return masks


def renda2020_zero_is_pruned(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """The first masks leave out weights that are 0: before the first round nothing is pruned."""
    masks = {name: weight.detach() != 0 for name, weight in prunable(model).items()}
    for _ in range(rounds):
        masks = prune_remaining(prunable(model), masks, 0.2)
        train(model, masks, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True))
    return masks


def renda2020_trains_without_masks(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """The training holds nothing at zero: hand the masks to `train`."""
    return renda(
        model, rounds, epoch_lrs, epochs, steps_per_epoch,
        lambda model, masks, lrs: train(model, {}, lrs),
    )  # fmt: skip


def renda2020_list_cut(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """The list of learning rates is another one afterwards: `del` and `pop` change what you were
    given."""
    masks = renda(model, rounds, list(epoch_lrs), epochs, steps_per_epoch, train)
    epoch_lrs.clear()
    return masks


def renda2020_a_copy(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """You train a copy: the network that was handed in is to be changed."""
    return renda(copy.deepcopy(model), rounds, epoch_lrs, epochs, steps_per_epoch, train)


def renda2020_what_went(*given: Any, **named: Any) -> Masks:
    """The masks that you return are True where a weight *went*: True means keep."""
    return {name: ~mask for name, mask in renda(*given, **named).items()}


def renda2020_nothing_returned(*given: Any, **named: Any) -> None:
    """Your function gave back nothing (None): it ends with `return masks`."""
    renda(*given, **named)


# --- filters: parts of a recipe to be exchanged --------------------------------------------------


def least_gone(
    norm: Callable[[Tensor], Tensor], count: Callable = round, at_least: int = 1
) -> Callable[[Tensor, float], Tensor]:
    """A mask by the norm of each filter, `(out, c, h, w)` -> `(out,)`."""

    def mask(weight: Tensor, sparsity: float) -> Tensor:
        norms = norm(weight.detach())
        keep = torch.ones(len(norms), dtype=torch.bool)
        gone = min(count(sparsity * len(norms)), len(norms) - at_least)
        keep[norms.argsort(stable=True)[:gone]] = False
        return keep

    return mask


def l1(weight: Tensor) -> Tensor:
    """The L1 norm of each filter."""
    return weight.abs().sum(dim=(1, 2, 3))


def l2(weight: Tensor) -> Tensor:
    """The L2 norm of each filter."""
    return weight.square().sum(dim=(1, 2, 3)).sqrt()


def peak(weight: Tensor) -> Tensor:
    """The largest magnitude of each filter."""
    return weight.abs().amax(dim=(1, 2, 3))


def not_above(weight: Tensor, sparsity: float) -> Tensor:
    """A mask of the filters above the largest norm that has to go."""
    norms = l1(weight.detach())
    gone = round(sparsity * len(norms))
    threshold = norms.sort().values[gone - 1] if gone else norms.new_tensor(-1.0)
    keep = norms > threshold
    keep[norms.argmax()] = True
    return keep


def li(
    model: nn.Module,
    sparsity: float,
    skip: Sequence[str],
    epoch_lrs: Sequence[float],
    epochs: int,
    steps_per_epoch: int,
    train: Train,
    *,
    mask: Callable[[Tensor, float], Tensor] = filter_mask,
    lrs: Callable[[float, int], list[float]] = lambda last, steps: steps * [last],
    skipped: Callable[[list[str], Sequence[str]], Sequence[str]] = lambda names, skip: skip,
) -> None:
    """The recipe, by the mask of a layer, the rates of the retraining, and what is skipped."""
    names = free_convs(model)
    for name in names:
        if name not in skipped(names, skip):
            shrink(model, {name: mask(model.get_parameter(f"{name}.weight"), sparsity)})
    train(model, {}, lrs(epoch_lrs[-1], epochs * steps_per_epoch))


def li2016_largest_go(*given: Any, **named: Any) -> None:
    """The strongest filters are gone: those of *least* norm go."""
    li(*given, **named, mask=least_gone(lambda weight: -l1(weight)))


def li2016_signed_sum(*given: Any, **named: Any) -> None:
    """The weights of a filter are added with their signs, and cancel: add magnitudes."""
    li(*given, **named, mask=least_gone(lambda weight: weight.sum(dim=(1, 2, 3))))


def li2016_absolute_of_the_sum(*given: Any, **named: Any) -> None:
    """The magnitude is taken of the sum: take it of each weight, before you add."""
    li(*given, **named, mask=least_gone(lambda weight: weight.sum(dim=(1, 2, 3)).abs()))


def li2016_peak(*given: Any, **named: Any) -> None:
    """A filter's largest weight decides: its L1 norm is the *sum* of all magnitudes."""
    li(*given, **named, mask=least_gone(peak))


def li2016_one_kernel(*given: Any, **named: Any) -> None:
    """The norm is that of a filter's first kernel: it goes over all input channels."""
    li(*given, **named, mask=least_gone(lambda weight: weight[:, 0].abs().sum(dim=(1, 2))))


def li2016_rounds_down(*given: Any, **named: Any) -> None:
    """The number of filters to remove is rounded down: `filter_mask` rounds to the nearest."""
    li(*given, **named, mask=least_gone(l1, int))


def li2016_rounds_up(*given: Any, **named: Any) -> None:
    """The number of filters to remove is rounded up: `filter_mask` rounds to the nearest."""
    li(*given, **named, mask=least_gone(l1, math.ceil))


def li2016_empties(*given: Any, **named: Any) -> None:
    """A layer has lost all its filters: one always stays (`filter_mask`)."""
    li(*given, **named, mask=least_gone(l1, at_least=0))


def li2016_keeps_two(*given: Any, **named: Any) -> None:
    """Two filters stay in every layer: one is enough."""
    li(*given, **named, mask=least_gone(l1, at_least=2))


def li2016_first_filters(*given: Any, **named: Any) -> None:
    """The last filters go, whatever their norms: is the mask made by place?"""
    li(*given, **named, mask=least_gone(lambda weight: -torch.arange(len(weight))))


def li2016_single_precision(*given: Any, **named: Any) -> None:
    """Norms that differ in the ninth digit are equal with you: rank them as they are."""
    li(*given, **named, mask=least_gone(lambda weight: l1(weight).float()))


def li2016_equals_go_too(*given: Any, **named: Any) -> None:
    """By a threshold, all filters that are equal go together: the share says how many."""
    li(*given, **named, mask=not_above)


def li2016_dead_ones_go_too(*given: Any, **named: Any) -> None:
    """All filters that are zero go, more than the share says."""

    def mask(weight: Tensor, sparsity: float) -> Tensor:
        return filter_mask(weight, sparsity) & (l1(weight.detach()) > 0)

    li(*given, **named, mask=mask)


def li2016_first_rate(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """The rate is the *first* one of the schedule: it is the one with which the dense training
    has ended."""
    li(model, sparsity, skip, epoch_lrs[:1], epochs, steps_per_epoch, train)


def li2016_highest_rate(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """The rate is the highest one of the schedule: it is the one with which the dense training
    has ended."""
    li(model, sparsity, skip, [max(epoch_lrs)], epochs, steps_per_epoch, train)


def li2016_tenth(*given: Any, **named: Any) -> None:
    """The rate is a tenth of the last one: that is Han's retraining."""
    li(*given, **named, lrs=lambda last, steps: steps * [last / 10])


def li2016_one_step_less(*given: Any, **named: Any) -> None:
    """There is one step too few: `epochs * steps_per_epoch` of them."""
    li(*given, **named, lrs=lambda last, steps: (steps - 1) * [last])


def li2016_one_epoch(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """The retraining has one epoch: there are `epochs` of them."""
    li(model, sparsity, skip, epoch_lrs, 1, steps_per_epoch, train)


def li2016_one_step_an_epoch(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """Each epoch has one step: there are `steps_per_epoch` of them."""
    li(model, sparsity, skip, epoch_lrs, epochs, 1, train)


def li2016_no_training(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """The small network is not retrained: call `train` at the end."""
    li(model, sparsity, skip, epoch_lrs, epochs, steps_per_epoch, lambda model, masks, lrs: [])


def li2016_first_skip(*given: Any, **named: Any) -> None:
    """Of the layers to leave alone only the first one is: look for the name in the whole list."""
    li(*given, **named, skipped=lambda names, skip: skip[:1])


def li2016_skips_the_stage(*given: Any, **named: Any) -> None:
    """Layers with a similar name are left alone, too: compare whole names."""
    li(
        *given,
        **named,
        skipped=lambda names, skip: [n for n in names if n.split(".")[0] in "".join(skip)],
    )


def li2016_last_layer_spared(*given: Any, **named: Any) -> None:
    """The last layer has all its filters: go over all of `free_convs(model)`."""
    li(*given, **named, skipped=lambda names, skip: [*skip, names[-1]])


def li2016_first_layer_spared(*given: Any, **named: Any) -> None:
    """The first layer has all its filters: only those in `skip` keep them."""
    li(*given, **named, skipped=lambda names, skip: [*skip, names[0]])


def li2016_zeroed(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """The filters are zero and still there: `shrink` removes them."""
    for weight in free_weights(model, skip).values():
        weight[~filter_mask(weight, sparsity)] = 0
    train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False))


def li2016_skip_emptied(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """The list of learning rates is another one afterwards: you changed what you were given."""
    li(model, sparsity, skip, list(epoch_lrs), epochs, steps_per_epoch, train)
    del epoch_lrs[:-1]


def li2016_a_copy(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """You prune and train a copy: the network that was handed in is to be changed."""
    li(copy.deepcopy(model), sparsity, skip, epoch_lrs, epochs, steps_per_epoch, train)


Scores = dict[str, Tensor]


def liu(
    model: nn.Module,
    strength: float,
    sparsity: float,
    lrs: Sequence[float],
    train: Train,
    *,
    force: Callable[[Tensor], Tensor] = torch.sign,
    scores: Callable[[nn.Module], Scores] = lambda model: bn_scores(model, free_convs(model)),
    keep: Callable[[Scores, float], Masks] = filter_masks,
    first: Callable[[Sequence[float]], Sequence[float]] = list,
    second: Callable[[Sequence[float]], Sequence[float]] = list,
) -> None:
    """The recipe, by the push on γ, the scores, the masks, and the rates of both trainings."""

    def push(network: nn.Module) -> None:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d) and module.weight.grad is not None:
                module.weight.grad += strength * force(module.weight.detach())

    train(model, {}, first(lrs), push)
    shrink(model, keep(scores(model), sparsity))
    train(model, {}, second(lrs))


def scales(model: nn.Module) -> dict[str, nn.BatchNorm2d]:
    """The batch normalisation behind each free convolution."""
    return {n: model.get_submodule(n.replace("conv", "bn")) for n in free_convs(model)}  # type: ignore[misc]


def liu2017_half_the_penalty(*given: Any, **named: Any) -> None:
    """The push is half as strong as it should be: the derivative of λ·|γ| has the size λ."""
    liu(*given, **named, force=lambda gamma: gamma.sign() / 2)


def liu2017_away_from_zero(*given: Any, **named: Any) -> None:
    """The scales are pushed away from zero: a step goes *against* the gradient."""
    liu(*given, **named, force=lambda gamma: -gamma.sign())


def liu2017_no_sign(*given: Any, **named: Any) -> None:
    """λ is added whatever the sign of γ: a negative one is pushed away from zero."""
    liu(*given, **named, force=torch.ones_like)


def liu2017_size_of_gamma(*given: Any, **named: Any) -> None:
    """λ·|γ| is the penalty itself: its derivative has a sign and no size."""
    liu(*given, **named, force=torch.abs)


def liu2017_mean_penalty(*given: Any, **named: Any) -> None:
    """The push gets smaller with the number of channels: the penalty is a sum, no mean."""
    liu(*given, **named, force=lambda gamma: gamma.sign() / len(gamma))


def liu2017_strength_is_rate(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """The push is λ times the learning rate: the optimizer multiplies by that itself."""
    liu(model, strength * lrs[0], sparsity, lrs, train)


def liu2017_no_strength(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """The push is 1 whatever λ is: where is `strength`?"""
    liu(model, 1.0, sparsity, lrs, train)


def liu2017_penalty_in_the_second(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """The penalty is in the second training: it belongs to the first, before filters are chosen."""
    train(model, {}, lrs)
    shrink(model, filter_masks(bn_scores(model, free_convs(model)), sparsity))
    train(model, {}, lrs, lambda network: add_sparsity_penalty(network, strength))


def liu2017_first_step_only(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """Only the first step has the penalty: `train` calls `before_step` in every one."""
    train(model, {}, lrs[:1], lambda network: add_sparsity_penalty(network, strength))
    liu(model, 0.0, sparsity, lrs, train, first=lambda lrs: lrs[1:])


def liu2017_moves_gamma(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """You change γ itself: the penalty goes on its *gradient*, and the optimizer does the rest."""

    def move(network: nn.Module) -> None:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.data -= lrs[0] * strength * module.weight.data.sign()

    train(model, {}, lrs, move)
    liu(model, strength, sparsity, lrs, train, first=lambda lrs: [])


def liu2017_all_parameters(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """Weights of convolutions are pushed as well: only the γ of batch normalisations are."""

    def push(network: nn.Module) -> None:
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.grad += strength * parameter.detach().sign()

    train(model, {}, lrs, push)
    liu(model, strength, sparsity, lrs, train, first=lambda lrs: [])


def liu2017_norms_of_filters(*given: Any, **named: Any) -> None:
    """The filters are ranked by their weights: this paper ranks them by |γ|."""
    liu(*given, **named, scores=lambda model: filter_scores(free_weights(model), p=1))


def liu2017_second_norm(*given: Any, **named: Any) -> None:
    """The filters are ranked by β: |γ| is `bn1.weight`."""
    liu(
        *given,
        **named,
        scores=lambda model: {n: bn.bias.detach().abs() for n, bn in scales(model).items()},
    )


def liu2017_largest_go(*given: Any, **named: Any) -> None:
    """The filters of the largest |γ| are gone: a mask is True where a filter stays."""
    liu(
        *given,
        **named,
        scores=lambda m: {n: -s for n, s in bn_scores(m, free_convs(m)).items()},
    )


def liu2017_single_precision(*given: Any, **named: Any) -> None:
    """Scales that differ in the ninth digit are equal with you: rank them as they are."""
    liu(
        *given,
        **named,
        scores=lambda m: {n: s.float() for n, s in bn_scores(m, free_convs(m)).items()},
    )


def liu2017_by_layer_size(*given: Any, **named: Any) -> None:
    """The scales of each layer are divided by their largest: the ranking is that of |γ| itself."""
    liu(
        *given,
        **named,
        scores=lambda m: {n: s / s.max() for n, s in bn_scores(m, free_convs(m)).items()},
    )


def liu2017_keeps_two(*given: Any, **named: Any) -> None:
    """Two filters stay in every layer: one is enough."""
    liu(*given, **named, keep=lambda scores, share: filter_masks(scores, share, at_least=2))


def liu2017_empties(*given: Any, **named: Any) -> None:
    """A layer has lost all its filters: one stays in every layer (`filter_masks`)."""
    liu(*given, **named, keep=global_masks)


def liu2017_density(*given: Any, **named: Any) -> None:
    """`sparsity` is taken as the share to keep: it is the share that goes."""
    liu(*given, **named, keep=lambda scores, share: filter_masks(scores, 1 - share))


def liu2017_rounds_down(*given: Any, **named: Any) -> None:
    """The number of filters to remove is rounded down: `filter_masks` rounds to the nearest."""

    def keep(scores: Scores, sparsity: float) -> Masks:
        total = sum(map(len, scores.values()))
        return filter_masks(scores, int(sparsity * total) / total)

    liu(*given, **named, keep=keep)


def liu2017_half_of_the_rates(*given: Any, **named: Any) -> None:
    """The list is shared out between the two trainings: both go through the whole of it."""
    liu(
        *given,
        **named,
        first=lambda lrs: lrs[: len(lrs) // 2],
        second=lambda lrs: lrs[len(lrs) // 2 :],
    )


def liu2017_tenth_in_the_second(*given: Any, **named: Any) -> None:
    """The fine-tuning has a tenth of the rates: this paper repeats its settings."""
    liu(*given, **named, second=lambda lrs: [lr / 10 for lr in lrs])


def liu2017_first_rate_in_the_second(*given: Any, **named: Any) -> None:
    """The fine-tuning holds the first learning rate: it goes through the list again."""
    liu(*given, **named, second=lambda lrs: len(lrs) * [lrs[0]])


def liu2017_one_step_in_the_second(*given: Any, **named: Any) -> None:
    """The fine-tuning has one step: it goes through the whole list again."""
    liu(*given, **named, second=lambda lrs: lrs[-1:])


def liu2017_backwards(*given: Any, **named: Any) -> None:
    """The second training goes through the list backwards."""
    liu(*given, **named, second=lambda lrs: lrs[::-1])


def liu2017_removed_last(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """The filters are removed after the second training: it is the small network that trains."""
    train(model, {}, lrs, lambda network: add_sparsity_penalty(network, strength))
    keep = filter_masks(bn_scores(model, free_convs(model)), sparsity)
    train(model, {}, lrs)
    shrink(model, keep)


def liu2017_zeroed(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """The filters are zero and still there: `shrink` removes them."""
    train(model, {}, lrs, lambda network: add_sparsity_penalty(network, strength))
    set_to_zero(model, filter_masks(bn_scores(model, free_convs(model)), sparsity))
    train(model, {}, lrs)


def liu2017_a_copy(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """You prune and train a copy: the network that was handed in is to be changed."""
    liu(copy.deepcopy(model), strength, sparsity, lrs, train)


def molchanov(
    model: nn.Module,
    rounds: int,
    filters: int,
    steps: int,
    last_steps: int,
    lr: float,
    train: Train,
    *,
    score: Callable[[nn.Module, list[Batch]], Scores] | None = None,
    keep: Callable[[Scores, float], Masks] = filter_masks,
    share: Callable[[int, int], float] | None = None,
) -> None:
    """The recipe, by the scores of a round's minibatches, the masks, and the share that goes."""
    for number in range(rounds):
        batches = train(model, {}, steps * [lr])
        gates = gate_scores(model.eval(), free_convs(model), batches)
        scores = score(model, batches) if score else gates
        present = sum(len(one) for one in scores.values())
        part = share(number, present) if share else filters / present
        shrink(model, keep(scores, min(part, 1.0)))
    train(model, {}, last_steps * [lr])


def gates_of(model: nn.Module, batches: list[Batch]) -> Scores:
    """The scores of the filters on some minibatches."""
    return gate_scores(model, free_convs(model), batches)


def joined_batches(batches: list[Batch]) -> list[Batch]:
    """All minibatches as one."""
    return [(torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches]))]


def molchanov2019_one_large_batch(*given: Any, **named: Any) -> None:
    """The minibatches are joined into one, so slopes are averaged before they are squared: square
    those of each minibatch."""
    molchanov(*given, **named, score=lambda m, batches: gates_of(m, joined_batches(batches)))


def molchanov2019_largest_minibatch(*given: Any, **named: Any) -> None:
    """The score is the largest over the minibatches: it is the mean."""

    def score(model: nn.Module, batches: list[Batch]) -> Scores:
        parts = [gates_of(model, [batch]) for batch in batches]
        return {n: torch.stack([p[n] for p in parts]).amax(0) for n in parts[0]}

    molchanov(*given, **named, score=score)


def molchanov2019_by_scale(*given: Any, **named: Any) -> None:
    """The filters are ranked by |γ|, which is another paper: this one has gates (`gate_scores`)."""
    molchanov(*given, **named, score=lambda m, batches: bn_scores(m, free_convs(m)))


def molchanov2019_by_norm(*given: Any, **named: Any) -> None:
    """These are the filters of least L2 norm: the criterion of this paper asks the loss."""
    molchanov(*given, **named, score=lambda m, batches: filter_scores(free_weights(m), p=2))


def molchanov2019_by_layer_norm(*given: Any, **named: Any) -> None:
    """The scores of each layer are divided by their norm, as an earlier paper does: the ranking is
    that of the raw scores."""
    molchanov(
        *given,
        **named,
        score=lambda m, batches: {n: s / s.norm() for n, s in gates_of(m, batches).items()},
    )


def molchanov2019_empties(*given: Any, **named: Any) -> None:
    """A layer has lost all its filters: one stays in every layer (`filter_masks`)."""
    molchanov(*given, **named, keep=global_masks)


def molchanov2019_keeps_two(*given: Any, **named: Any) -> None:
    """Two filters stay in every layer: one is enough."""
    molchanov(*given, **named, keep=lambda scores, share: filter_masks(scores, share, at_least=2))


def molchanov2019_one_of_each_layer(*given: Any, **named: Any) -> None:
    """One filter of every layer goes: it is the N lowest of the whole network."""

    def keep(scores: Scores, share: float) -> Masks:
        masks: Masks = {}
        for name, score in scores.items():
            masks |= filter_masks({name: score}, 1 / len(score))
        return masks

    molchanov(*given, **named, keep=keep)


def molchanov2019_more_each_round(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """A later round removes more filters: it is N in each of them."""
    molchanov(
        model, rounds, filters, steps, last_steps, lr, train,
        share=lambda number, present: (number + 1) * filters / present,
    )  # fmt: skip


def molchanov2019_one_filter(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """A round removes one filter: it is `filters`."""
    molchanov(model, rounds, 1, steps, last_steps, lr, train)


def molchanov2019_filters_shared(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """The `filters` are shared out among the rounds: each removes that many."""
    molchanov(model, rounds, max(1, filters // rounds), steps, last_steps, lr, train)


def molchanov2019_steps_swapped(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """`steps` and `last_steps` are swapped."""
    molchanov(model, rounds, filters, last_steps, steps, lr, train)


def molchanov2019_one_round(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """There is one round, whatever `rounds` says: is the loop left early?"""
    molchanov(model, 1, filters, steps, last_steps, lr, train)


def molchanov2019_round_missing(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """There is one round too few: `range(1, rounds)` has `rounds - 1` turns."""
    molchanov(model, rounds - 1, filters, steps, last_steps, lr, train)


def molchanov2019_round_more(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """There is one round too many: count from 0 to `rounds - 1`."""
    molchanov(model, rounds + 1, filters, steps, last_steps, lr, train)


def molchanov2019_step_more(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """A round has one step too many."""
    molchanov(model, rounds, filters, steps + 1, last_steps, lr, train)


def molchanov2019_one_step(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """A round has one step: it has `steps` of them."""
    molchanov(model, rounds, filters, 1, last_steps, lr, train)


def molchanov2019_last_steps_each_round(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """The last steps come after every round: they come once, at the end."""
    for _ in range(rounds):
        molchanov(model, 1, filters, steps, last_steps, lr, train)


def molchanov2019_always_a_last_step(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """With `last_steps` 0 there is a step after the last removal: make none."""
    molchanov(model, rounds, filters, steps, last_steps or 1, lr, train)


def molchanov2019_slower_at_the_end(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """The last steps have a tenth of the learning rate: it is constant."""
    molchanov(model, rounds, filters, steps, 0, lr, train)
    train(model, {}, last_steps * [lr / 10])


def molchanov2019_falling_rate(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """The learning rate falls from round to round: it is constant."""
    for number in range(rounds):
        molchanov(model, 1, filters, steps, 0, lr * 0.9**number, train)
    train(model, {}, last_steps * [lr])


def molchanov2019_first_rounds_minibatches(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """Every round scores the minibatches of the first one: take those that its training has
    returned."""
    first: list[Batch] = []

    def score(model: nn.Module, batches: list[Batch]) -> Scores:
        first.extend(batches if not first else [])
        return gates_of(model, first)

    molchanov(model, rounds, filters, steps, last_steps, lr, train, score=score)


def molchanov2019_scores_of_the_start(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """The filters are scored once, after the first round: score those that are left in each."""
    known: Scores = {}

    def keep(scores: Scores, share: float) -> Masks:
        known.update({} if known else scores)
        masks = filter_masks(known, share)
        known.update({name: score[masks[name]] for name, score in known.items()})
        return masks

    molchanov(model, rounds, filters, steps, last_steps, lr, train, keep=keep)


def molchanov2019_zeroed(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """The filters are zero and still there: `shrink` removes them."""
    for _ in range(rounds):
        batches = train(model, {}, steps * [lr])
        scores = gates_of(model.eval(), batches)
        present = sum(len(score) for score in scores.values())
        set_to_zero(model, filter_masks(scores, min(filters / present, 1.0)))
    train(model, {}, last_steps * [lr])


def molchanov2019_a_copy(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """You prune and train a copy: the network that was handed in is to be changed."""
    molchanov(copy.deepcopy(model), rounds, filters, steps, last_steps, lr, train)


def he(
    model: nn.Module,
    sparsity: float,
    epoch_lrs: Sequence[float],
    steps_per_epoch: int,
    train: Train,
    *,
    mask: Callable[[Tensor, float], Tensor] = least_gone(l2, at_least=0),  # noqa: B008
    share: Callable[[float, int], float] = lambda sparsity, epoch: sparsity,
    names: Callable[[nn.Module], list[str]] = free_convs,
    removed: Callable[[Masks], Masks] = lambda keep: keep,
) -> None:
    """The recipe, by the mask of a layer, the share of an epoch, the layers, and what goes."""
    keep: Masks = {}
    for epoch, lr in enumerate(epoch_lrs):
        train(model, {}, steps_per_epoch * [lr])
        part = share(sparsity, epoch)
        weights = {name: model.get_parameter(f"{name}.weight").detach() for name in names(model)}
        keep = {name: mask(weight, part) for name, weight in weights.items()}
        set_to_zero(model, keep)
    shrink(model, removed({name: keep[name] for name in free_convs(model) if name in keep}))


def he2018_peak(*given: Any, **named: Any) -> None:
    """A filter's largest weight decides: its L2 norm is the root of the sum of all squares."""
    he(*given, **named, mask=least_gone(peak, at_least=0))


def he2018_signed_sum(*given: Any, **named: Any) -> None:
    """The weights of a filter are added with their signs: add squares."""
    he(*given, **named, mask=least_gone(lambda w: w.sum(dim=(1, 2, 3)), at_least=0))


def he2018_largest_go(*given: Any, **named: Any) -> None:
    """The strongest filters go: those of *least* norm do."""
    he(*given, **named, mask=least_gone(lambda weight: -l2(weight), at_least=0))


def he2018_single_precision(*given: Any, **named: Any) -> None:
    """Norms that differ in the ninth digit are equal with you: rank them as they are."""
    he(*given, **named, mask=least_gone(lambda weight: l2(weight).float(), at_least=0))


def he2018_dead_ones_spared(*given: Any, **named: Any) -> None:
    """A filter that is zero already is spared: it is the weakest of all, and goes first."""

    def norm(weight: Tensor) -> Tensor:
        norms = l2(weight)
        return norms.masked_fill(norms == 0, torch.inf)

    he(*given, **named, mask=least_gone(norm, at_least=0))


def he2018_rounds_down(*given: Any, **named: Any) -> None:
    """The number of filters is rounded down: it is `round(sparsity * out)`."""
    he(*given, **named, mask=least_gone(l2, int, at_least=0))


def he2018_rounds_up(*given: Any, **named: Any) -> None:
    """The number of filters is rounded up: it is `round(sparsity * out)`."""
    he(*given, **named, mask=least_gone(l2, math.ceil, at_least=0))


def he2018_keeps_the_share(*given: Any, **named: Any) -> None:
    """`sparsity` is taken as the share to keep: it is the share that goes."""
    he(*given, **named, share=lambda sparsity, epoch: 1 - sparsity)


def he2018_share_grows(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """The share grows from epoch to epoch: it is the same after each."""
    he(
        model, sparsity, epoch_lrs, steps_per_epoch, train,
        share=lambda sparsity, epoch: sparsity * (epoch + 1) / len(epoch_lrs),
    )  # fmt: skip


def he2018_first_layer_only(*given: Any, **named: Any) -> None:
    """Only the first layer loses filters: all of `free_convs(model)` do."""
    he(*given, **named, names=lambda model: free_convs(model)[:1])


def he2018_all_convolutions(*given: Any, **named: Any) -> None:
    """Filters of other convolutions are zeroed, too: only those of `free_convs(model)` are."""
    he(
        *given,
        **named,
        names=lambda model: [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d)],
    )


def he2018_last_ones_removed(*given: Any, **named: Any) -> None:
    """The number of filters that are removed is right, but they are others than those that were
    zeroed."""
    he(
        *given,
        **named,
        removed=lambda keep: {n: k.sort(descending=True).values for n, k in keep.items()},
    )


def he2018_zeroed_ones_stay(*given: Any, **named: Any) -> None:
    """The filters that were zeroed are the ones left: a mask is True where a filter stays."""
    he(*given, **named, removed=lambda keep: {n: ~k for n, k in keep.items()})


def he2018_fine_tunes(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """The small network is trained again: the last epoch is the end, no fine-tuning follows."""
    he(model, sparsity, epoch_lrs, steps_per_epoch, train)
    train(model, {}, steps_per_epoch * [epoch_lrs[-1]])


def he2018_first_rate(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """All epochs have the first learning rate: each has its own."""
    he(model, sparsity, len(epoch_lrs) * [epoch_lrs[0]], steps_per_epoch, train)


def he2018_last_rate(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """All epochs have the last learning rate: each has its own."""
    he(model, sparsity, len(epoch_lrs) * [epoch_lrs[-1]], steps_per_epoch, train)


def he2018_rates_in_turn(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """The rate changes with every step: all steps of an epoch have the same one."""
    rates = itertools.cycle(epoch_lrs)
    for _ in epoch_lrs:
        train(model, {}, [next(rates) for _ in range(steps_per_epoch)])
        keep = weak_filters(model, sparsity)
        set_to_zero(model, keep)
    shrink(model, keep)


def he2018_backwards(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """The learning rates come in the wrong order."""
    he(model, sparsity, epoch_lrs[::-1], steps_per_epoch, train)


def he2018_one_step_an_epoch(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """Each epoch has one step: there are `steps_per_epoch` of them."""
    he(model, sparsity, epoch_lrs, 1, train)


def he2018_last_epoch_missing(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """The last epoch is missing: there are as many as learning rates."""
    he(model, sparsity, epoch_lrs[:-1] or epoch_lrs, steps_per_epoch, train)


def he2018_new_parameters(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """You put new parameters into the layers, and an optimizer goes on with the old ones: set
    entries of `weight.data` to zero."""
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch * [lr])
        keep = weak_filters(model, sparsity)
        for name, mask in keep.items():
            conv: Any = model.get_submodule(name)
            conv.weight = nn.Parameter(conv.weight.data * mask[:, None, None, None])
    shrink(model, keep)


def he2018_a_copy(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """You train and prune a copy: the network that was handed in is to be changed."""
    he(copy.deepcopy(model), sparsity, epoch_lrs, steps_per_epoch, train)


def han2015_threshold_of_each_row(*given: Any, **named: Any) -> Masks:
    """Each row of a layer has its own threshold: leave `dim` out, a layer has one."""
    return han(*given, **named, stays=above_rows(named["quality"] if named else given[1]))


def above_rows(quality: float) -> Callable[[Tensor, Tensor], Tensor]:
    """What is not below the standard deviations of its own row."""

    def stays(weight: Tensor, _: Tensor) -> Tensor:
        if weight.shape[1] < 2:
            return torch.ones_like(weight, dtype=torch.bool)
        deviations = weight.flatten(1).std(dim=1)
        return weight.abs() >= quality * deviations.view(-1, *[1] * (weight.dim() - 1))

    return stays


def han2015_masks_too_late(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """`train` gets the masks of the round before: prune first, and hand over the new ones."""
    masks = everything(model)
    for _ in range(rounds):
        new = one_more_round(model, masks, quality)
        train(model, masks, steps * [lr / 10])
        masks = new
    return masks


def han2015_tenth_once(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """Only the first round has a tenth of the rate: all rounds have."""
    masks = everything(model)
    for number in range(rounds):
        masks = one_more_round(model, masks, quality)
        train(model, masks, steps * [lr if number else lr / 10])
    return masks


def han2015_layer_by_layer(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """All rounds of a layer come before those of the next one: a round prunes *all* layers."""
    masks = everything(model)
    for name in masks:
        for _ in range(rounds):
            masks[name] = one_more_round(model, masks, quality)[name]
            train(model, masks, steps * [lr / 10])
    return masks


def han2015_falls(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """The quality falls from round to round: it is the same in all of them."""
    masks = everything(model)
    for number in range(rounds):
        masks = one_more_round(model, masks, quality / (number + 1))
        train(model, masks, steps * [lr / 10])
    return masks


def han2015_joined(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """Old and new mask are joined by `|`, so that pruned weights are back: with `&`, a weight stays
    that *both* keep."""
    masks: Masks = {}
    for _ in range(rounds):
        for name, weight in prunable(model).items():
            old = masks.get(name, weight.detach() != weight.detach())
            left = weight.detach()[old] if old.any() else weight.detach()
            masks[name] = old | (weight.detach().abs() >= quality * left.std())
        train(model, masks, steps * [lr / 10])
    return masks


def zhu2017_swapped(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """`every` and `updates` are swapped in the call of `cubic_sparsity`: see its order."""
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        if step in range(start, start + updates * every + 1, every):
            sparsity = cubic_sparsity(step, start, updates, every, final)
            masks = local_masks(magnitude_scores(model), min(max(sparsity, 0.0), 1.0))
        train(model, masks, [lr])
    return masks


def zhu2017_start_and_every_swapped(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """`start` and `every` are swapped in the call of `cubic_sparsity`: see its order."""
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        if step in range(start, start + updates * every + 1, every):
            sparsity = cubic_sparsity(step, every, max(start, 1), updates, final)
            masks = local_masks(magnitude_scores(model), min(max(sparsity, 0.0), 1.0))
        train(model, masks, [lr])
    return masks


def zhu2017_begins_with_start(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """The steps before t_0 are missing: they train, too, without masks."""
    return zhu(model, final, 0, every, updates, lrs[start:], train)


def zhu2017_goes_on_choosing(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """After the last choice the cubic goes on growing, beyond `final`: stop after n choices."""
    masks: Masks = {}
    for step, lr in enumerate(lrs):
        if step >= start and (step - start) % every == 0:
            part = (step - start) / (updates * every)
            sparsity = final - final * (1 - part) ** 3
            masks = local_masks(magnitude_scores(model), min(max(sparsity, 0.0), 1.0))
        train(model, masks, [lr])
    return masks


def zhu2017_rate_of_the_choice(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """Steps between two choices have the learning rate of the choice: each step has its own."""
    rates = [lr if t < start else lrs[t - (t - start) % every] for t, lr in enumerate(lrs)]
    return zhu(model, final, start, every, updates, rates, train)


def zhu2017_last_layer_spared(*given: Any, **named: Any) -> Masks:
    """The last layer has all its weights: every layer of `prunable(model)` is pruned."""

    def choose(scores: dict[str, Tensor], share: float) -> Masks:
        masks = local_masks(scores, share)
        for name in list(masks)[1:][-1:]:
            masks[name] = torch.ones_like(masks[name])
        return masks

    return zhu(*given, **named, choose=choose)


def zhu2017_cubic_twice(*given: Any, **named: Any) -> Masks:
    """The cubic is applied twice: `cubic_sparsity` has the whole of equation 1 in it."""
    return zhu(*given, **named, share=lambda part: 1 - (1 - part) ** 9)


def renda2020_growing_share(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """The share grows from round to round: it is a fifth of what is left in each."""
    masks = everything(model)
    for number in range(rounds):
        masks = prune_remaining(prunable(model), masks, min(0.2 * (number + 1), 1.0))
        train(model, masks, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True))
    return masks


def renda2020_prunes_at_the_end(*given: Any, **named: Any) -> Masks:
    """What you return has been pruned once more, after the last training."""
    model = named["model"] if named else given[0]
    return prune_remaining(prunable(model), renda(*given, **named), 0.2)


def renda2020_dense_again(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """After a round all weights go back to those of the dense network: only the learning rate is
    rewound."""
    dense, masks = copy.deepcopy(model.state_dict()), everything(model)
    for number in range(rounds):
        if number:
            model.load_state_dict(dense)
        masks = prune_remaining(prunable(model), masks, 0.2)
        train(model, masks, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=True))
    return masks


def renda2020_first_rate(*given: Any, **named: Any) -> Masks:
    """Every step has one learning rate, the first one of the schedule: its last epochs are
    replayed."""
    first = (named["epoch_lrs"] if named else given[2])[0]
    return renda(*given, **named, lrs=lambda lrs: len(lrs) * [first])


def renda2020_first_rate_of_the_replay(*given: Any, **named: Any) -> Masks:
    """Every step has the rate with which the replay begins: the schedule goes on to its end."""
    return renda(*given, **named, lrs=lambda lrs: len(lrs) * lrs[:1])


def renda2020_epochs_for_steps(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """`epochs` and `steps_per_epoch` are swapped in the call of `retraining_lrs`."""
    count = min(steps_per_epoch, len(epoch_lrs))
    return renda(model, rounds, epoch_lrs, count, epochs, train)


def li2016_density(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """`sparsity` is taken as the share to keep: it is the share that goes."""
    li(model, 1 - sparsity, skip, epoch_lrs, epochs, steps_per_epoch, train)


def li2016_two_halves(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """The share goes in two halves, the second one of what is left: all goes at once."""
    li(model, sparsity / 2, skip, epoch_lrs, 0, steps_per_epoch, train)
    li(model, sparsity / 2, skip, epoch_lrs, epochs, steps_per_epoch, train)


def li2016_ends_at_skip(*given: Any, **named: Any) -> None:
    """After a layer that is to be left alone no other one is pruned: `continue`, not `break`."""
    li(
        *given,
        **named,
        skipped=lambda names, skip: [
            name for i, name in enumerate(names) if set(names[: i + 1]) & set(skip)
        ],
    )


def li2016_rate_where_the_replay_begins(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """The rate is that of the epoch with which a replay would begin: it is the last one of all."""
    rate = epoch_lrs[-min(epochs, len(epoch_lrs))]
    li(model, sparsity, skip, [rate], epochs, steps_per_epoch, train)


def li2016_by_the_next_layer(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """The filters are ranked by the weights of `conv2`: it is `conv1` that has their own."""
    for name in free_convs(model):
        if name not in skip:
            follower = model.get_parameter(name.replace("conv1", "conv2") + ".weight")
            shrink(model, {name: filter_mask(follower.transpose(0, 1), sparsity)})
    train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False))


def li2016_by_scale(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """The filters are ranked by |γ|, which is another paper: this one has L1 norms."""
    for name, score in bn_scores(model, free_convs(model)).items():
        if name not in skip:
            shrink(model, filter_masks({name: score}, sparsity))
    train(model, {}, retraining_lrs(epoch_lrs, epochs, steps_per_epoch, rewind=False))


def liu2017_overwrites(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """The gradient of the loss is gone: *add* the push to it."""

    def push(network: nn.Module) -> None:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.grad = strength * module.weight.detach().sign()

    train(model, {}, lrs, push)
    liu(model, strength, sparsity, lrs, train, first=lambda lrs: [])


def liu2017_scale_times_norm(*given: Any, **named: Any) -> None:
    """|γ| is multiplied by the size of the filter's weights: the ranking is that of |γ| alone."""

    def scores(model: nn.Module) -> Scores:
        norms = filter_scores(free_weights(model), p=1)
        return {n: s * norms[n] for n, s in bn_scores(model, free_convs(model)).items()}

    liu(*given, **named, scores=scores)


def liu2017_second_from_the_second_step(*given: Any, **named: Any) -> None:
    """The first learning rate is missing in the second training: it goes through the whole list."""
    liu(*given, **named, second=lambda lrs: lrs[1:])


def liu2017_penalty_fades(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """The penalty gets weaker from step to step: λ is the same in all of them."""
    calls = itertools.count(1)
    train(model, {}, lrs, lambda network: add_sparsity_penalty(network, strength / next(calls)))
    liu(model, strength, sparsity, lrs, train, first=lambda lrs: [])


def liu2017_last_batch_norm(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """Only one batch normalisation is pushed: the penalty goes over all of `model.modules()`."""

    def push(network: nn.Module) -> None:
        last = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)][-1]
        if last.weight.grad is not None:
            last.weight.grad += strength * last.weight.detach().sign()

    train(model, {}, lrs, push)
    liu(model, strength, sparsity, lrs, train, first=lambda lrs: [])


def liu2017_in_two_parts(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """Half of the share goes before the second training and half after it: all goes at once."""
    liu(model, strength, sparsity / 2, lrs, train)
    shrink(model, filter_masks(bn_scores(model, free_convs(model)), sparsity / 2))


def molchanov2019_filters_and_steps_swapped(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """`filters` and `steps` are swapped."""
    molchanov(model, rounds, steps, filters, last_steps, lr, train)


def molchanov2019_one_filter_more(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """A round removes one filter too many."""
    molchanov(model, rounds, filters + 1, steps, last_steps, lr, train)


def molchanov2019_one_filter_less(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """A round removes one filter too few."""
    molchanov(model, rounds, filters - 1, steps, last_steps, lr, train)


def molchanov2019_every_second_round(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """Only every second round removes filters: each of them does."""
    molchanov(
        model, rounds, filters, steps, last_steps, lr, train,
        share=lambda number, present: 0.0 if number % 2 else filters / present,
    )  # fmt: skip


def molchanov2019_share_of_the_weights(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """N is divided by the number of *weights*: N of the filters are to go."""

    def share(_: int, present: int) -> float:
        return filters / sum(weight.numel() for weight in free_weights(model).values())

    molchanov(model, rounds, filters, steps, last_steps, lr, train, share=share)


def molchanov2019_median(*given: Any, **named: Any) -> None:
    """The score is the median over the minibatches: it is the mean."""

    def score(model: nn.Module, batches: list[Batch]) -> Scores:
        parts = [gates_of(model, [batch]) for batch in batches]
        return {n: torch.stack([p[n] for p in parts]).median(0).values for n in parts[0]}

    molchanov(*given, **named, score=score)


def molchanov2019_first_layer_only(*given: Any, **named: Any) -> None:
    """Only one layer has scores: those of all `free_convs(model)` are in one ranking."""
    molchanov(
        *given,
        **named,
        score=lambda m, batches: dict(list(gates_of(m, batches).items())[:1]),
    )


def he2018_every_second_epoch(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """Filters are zeroed after every second epoch: after every one."""
    for epoch, lr in enumerate(epoch_lrs):
        train(model, {}, steps_per_epoch * [lr])
        keep = weak_filters(model, sparsity)
        if epoch % 2:
            set_to_zero(model, keep)
    shrink(model, keep)


def he2018_keep_of_the_epoch_before(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """The filters that are removed are those of the epoch before the last: take the last ones."""
    kept: list[Masks] = []
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch * [lr])
        kept.append(weak_filters(model, sparsity))
        set_to_zero(model, kept[-1])
    shrink(model, kept[-2:][0])


def he2018_keep_of_the_first_epoch(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """The filters that are removed are those of the first epoch: take those of the last."""
    kept: list[Masks] = []
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch * [lr])
        kept.append(weak_filters(model, sparsity))
        set_to_zero(model, kept[-1])
    shrink(model, kept[0])


def he2018_step_more(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """An epoch has one step too many."""
    he(model, sparsity, epoch_lrs, steps_per_epoch + 1, train)


def he2018_variance(*given: Any, **named: Any) -> None:
    """The weights of a filter are measured from their mean: its L2 norm is measured from 0."""
    he(*given, **named, mask=least_gone(lambda weight: weight.var(dim=(1, 2, 3)), at_least=0))


def he2018_middle_of_the_epoch(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """Filters are zeroed in the middle of an epoch: at its end."""
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch // 2 * [lr])
        keep = weak_filters(model, sparsity)
        set_to_zero(model, keep)
        train(model, {}, (steps_per_epoch - steps_per_epoch // 2) * [lr])
    shrink(model, keep)


def he2018_kernels_of_the_next_layer(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """The kernels of `conv2` are zeroed: it is the filters of `conv1`."""
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch * [lr])
        keep: Masks = {}
        for name in free_convs(model):
            follower = model.get_parameter(name.replace("conv1", "conv2") + ".weight")
            keep[name] = least_gone(l2, at_least=0)(follower.transpose(0, 1), sparsity)
            follower.data[:, ~keep[name]] = 0
    shrink(model, keep)


def han2015_rounds_and_steps_swapped(
    model: nn.Module, quality: float, rounds: int, steps: int, lr: float, train: Train
) -> Masks:
    """`rounds` and `steps` are swapped."""
    return han(model, quality, steps, rounds, lr, train)


def zhu2017_until_the_last_choice(
    model: nn.Module, final: float, start: int, every: int, updates: int, lrs: Any, train: Train
) -> Masks:
    """After the last choice nothing is held at zero any more: hand the masks to `train` to the
    end."""
    masks: Masks = {}
    last = start + updates * every
    for step, lr in enumerate(lrs):
        if step in range(start, last + 1, every):
            sparsity = cubic_sparsity(step, start, every, updates, final)
            masks = local_masks(magnitude_scores(model), sparsity)
        train(model, masks if step <= last else {}, [lr])
    return masks


def renda2020_a_fifth_of_the_start(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """Every round prunes the same *number* of weights: it is a fifth of those that are left."""
    size = sum(weight.numel() for weight in prunable(model).values())
    return renda(
        model, rounds, epoch_lrs, epochs, steps_per_epoch, train,
        share=lambda left: min(round(0.2 * size) / left, 1.0),
    )  # fmt: skip


def renda2020_shorter_each_round(
    model: nn.Module, rounds: int, epoch_lrs: Any, epochs: int, steps_per_epoch: int, train: Train
) -> Masks:
    """Each round replays one epoch less than the one before: all replay `epochs` of them."""
    masks = everything(model)
    for number in range(rounds):
        masks = prune_remaining(prunable(model), masks, 0.2)
        length = max(1, epochs - number)
        train(model, masks, retraining_lrs(epoch_lrs, length, steps_per_epoch, rewind=True))
    return masks


def li2016_every_second_layer(*given: Any, **named: Any) -> None:
    """Every second layer has all its filters: only those in `skip` keep them."""
    li(*given, **named, skipped=lambda names, skip: [*skip, *names[1::2]])


def li2016_mean_rate(
    model: nn.Module, sparsity: float, skip: Any, epoch_lrs: Any, epochs: int,
    steps_per_epoch: int, train: Train,
) -> None:  # fmt: skip
    """The rate is the mean of the schedule: it is the last one."""
    li(model, sparsity, skip, [sum(epoch_lrs) / len(epoch_lrs)], epochs, steps_per_epoch, train)


def li2016_least_kernel(*given: Any, **named: Any) -> None:
    """A filter's smallest kernel decides: its L1 norm is the sum over *all* input channels."""
    li(*given, **named, mask=least_gone(lambda w: w.abs().sum(dim=(2, 3)).amin(dim=1)))


def liu2017_from_the_mean(*given: Any, **named: Any) -> None:
    """The mean of each layer is subtracted from its |γ|: the ranking is that of |γ| itself."""
    liu(
        *given,
        **named,
        scores=lambda m: {n: s - s.mean() for n, s in bn_scores(m, free_convs(m)).items()},
    )


def liu2017_trained_before(
    model: nn.Module, strength: float, sparsity: float, lrs: Any, train: Train
) -> None:
    """There are three trainings, and the first one has no penalty: there are two."""
    train(model, {}, lrs)
    liu(model, strength, sparsity, lrs, train)


def molchanov2019_rate_shared(
    model: nn.Module, rounds: int, filters: int, steps: int, last_steps: int, lr: float,
    train: Train,
) -> None:  # fmt: skip
    """The learning rate is divided by the number of steps: it is constant, `lr`."""
    molchanov(model, rounds, filters, steps, 0, lr / steps, train)
    train(model, {}, last_steps * [lr])


def he2018_one_filter(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """One filter of each layer goes, whatever `sparsity` says."""
    he(
        model, sparsity, epoch_lrs, steps_per_epoch, train,
        mask=lambda weight, _: least_gone(l2)(weight, 1 / len(weight)),
    )  # fmt: skip


def he2018_made_small(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """The weakest filters are made small: they are set to zero."""
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch * [lr])
        keep = weak_filters(model, sparsity)
        for name, mask in keep.items():
            model.get_parameter(f"{name}.weight").data[~mask] *= 1e-3
    shrink(model, keep)


def he2018_by_scale(
    model: nn.Module, sparsity: float, epoch_lrs: Any, steps_per_epoch: int, train: Train
) -> None:
    """The filters are ranked by |γ|, which is another paper: this one has L2 norms."""
    for lr in epoch_lrs:
        train(model, {}, steps_per_epoch * [lr])
        keep = local_masks(bn_scores(model, free_convs(model)), sparsity)
        set_to_zero(model, keep)
    shrink(model, keep)


MISTAKES: dict[str, list[Callable]] = {
    "han2015": [
        han2015_one_threshold,
        han2015_zeros_counted,
        han2015_dense_learning_rate,
        han2015_thresholds_once,
        han2015_retrains_at_the_end,
        han2015_absolute_threshold,
        han2015_signed,
        han2015_trains_first,
        han2015_std_of_magnitudes,
        han2015_root_mean_square,
        han2015_of_nonzeros,
        han2015_trains_per_layer,
        han2015_above,
        han2015_lets_weights_come_back,
        han2015_population,
        han2015_variance,
        han2015_mean_magnitude,
        han2015_largest_magnitude,
        han2015_median_magnitude,
        han2015_from_the_mean,
        han2015_large_ones_go,
        han2015_squares,
        han2015_single_precision,
        han2015_last_layer_spared,
        han2015_zero_is_pruned,
        han2015_hundredth,
        han2015_rounded_rate,
        han2015_falling_rate,
        han2015_steps_shared,
        han2015_one_step,
        han2015_one_round,
        han2015_one_round_more,
        han2015_masks_every_step,
        han2015_dense_weights,
        han2015_rises,
        han2015_a_copy,
        han2015_what_went,
        han2015_floats,
        han2015_nothing_returned,
        han2015_no_training,
        han2015_trains_without_masks,
        han2015_threshold_of_each_row,
        han2015_masks_too_late,
        han2015_tenth_once,
        han2015_layer_by_layer,
        han2015_falls,
        han2015_joined,
        han2015_rounds_and_steps_swapped,
    ],
    "zhu2017": [
        zhu2017_global,
        zhu2017_last_update_missing,
        zhu2017_linear,
        zhu2017_after_the_step,
        zhu2017_one_learning_rate,
        zhu2017_share_of_the_rest,
        zhu2017_dense_scores,
        zhu2017_at_once,
        zhu2017_multiples_of_every,
        zhu2017_stops_after_the_last_choice,
        zhu2017_whole_list,
        zhu2017_not_held,
        zhu2017_before_the_start,
        zhu2017_square,
        zhu2017_fourth_power,
        zhu2017_slow_first,
        zhu2017_falls,
        zhu2017_signed,
        zhu2017_single_precision,
        zhu2017_largest_go,
        zhu2017_rounds_down,
        zhu2017_rounds_up,
        zhu2017_density,
        zhu2017_starts_at_zero,
        zhu2017_every_one,
        zhu2017_grows_in_between,
        zhu2017_final_too_early,
        zhu2017_final_too_late,
        zhu2017_first_choice_earlier,
        zhu2017_by_the_end_of_training,
        zhu2017_global_share_of_the_rest,
        zhu2017_prunes_once,
        zhu2017_last_rate_dropped,
        zhu2017_last_rate_forgotten,
        zhu2017_rates_backwards,
        zhu2017_uses_up_the_list,
        zhu2017_a_copy,
        zhu2017_first_masks,
        zhu2017_what_went,
        zhu2017_nothing_returned,
        zhu2017_swapped,
        zhu2017_start_and_every_swapped,
        zhu2017_begins_with_start,
        zhu2017_goes_on_choosing,
        zhu2017_rate_of_the_choice,
        zhu2017_last_layer_spared,
        zhu2017_cubic_twice,
        zhu2017_until_the_last_choice,
    ],
    "renda2020": [
        renda2020_of_all,
        renda2020_fine_tunes,
        renda2020_weights_rewound,
        renda2020_local,
        renda2020_from_the_start,
        renda2020_retrains_at_the_end,
        renda2020_one_replay,
        renda2020_trains_first,
        renda2020_forgets_masks,
        renda2020_by_powers,
        renda2020_keeps_a_fifth,
        renda2020_a_quarter,
        renda2020_a_tenth,
        renda2020_rounds_down,
        renda2020_rounds_up,
        renda2020_single_precision,
        renda2020_largest_go,
        renda2020_signed,
        renda2020_backwards,
        renda2020_one_step_an_epoch,
        renda2020_steps_in_turn,
        renda2020_whole_schedule,
        renda2020_last_epoch_missing,
        renda2020_last_epoch_only,
        renda2020_tenth_of_the_rate,
        renda2020_one_round,
        renda2020_one_round_less,
        renda2020_one_round_more,
        renda2020_steps_shared,
        renda2020_dense_weights,
        renda2020_zero_is_pruned,
        renda2020_trains_without_masks,
        renda2020_list_cut,
        renda2020_a_copy,
        renda2020_what_went,
        renda2020_nothing_returned,
        renda2020_growing_share,
        renda2020_prunes_at_the_end,
        renda2020_dense_again,
        renda2020_first_rate,
        renda2020_first_rate_of_the_replay,
        renda2020_epochs_for_steps,
        renda2020_a_fifth_of_the_start,
        renda2020_shorter_each_round,
    ],
    "li2016": [
        li2016_no_skip,
        li2016_only_skipped,
        li2016_l2,
        li2016_global,
        li2016_layer_by_layer,
        li2016_rewinds,
        li2016_keeps_the_weakest,
        li2016_silences,
        li2016_trains_first,
        li2016_lowest_rate,
        li2016_largest_go,
        li2016_signed_sum,
        li2016_absolute_of_the_sum,
        li2016_peak,
        li2016_one_kernel,
        li2016_rounds_down,
        li2016_rounds_up,
        li2016_empties,
        li2016_keeps_two,
        li2016_first_filters,
        li2016_single_precision,
        li2016_equals_go_too,
        li2016_dead_ones_go_too,
        li2016_first_rate,
        li2016_highest_rate,
        li2016_tenth,
        li2016_one_step_less,
        li2016_one_epoch,
        li2016_one_step_an_epoch,
        li2016_no_training,
        li2016_first_skip,
        li2016_skips_the_stage,
        li2016_last_layer_spared,
        li2016_first_layer_spared,
        li2016_zeroed,
        li2016_skip_emptied,
        li2016_a_copy,
        li2016_density,
        li2016_two_halves,
        li2016_ends_at_skip,
        li2016_rate_where_the_replay_begins,
        li2016_by_the_next_layer,
        li2016_by_scale,
        li2016_every_second_layer,
        li2016_mean_rate,
        li2016_least_kernel,
    ],
    "liu2017": [
        liu2017_no_penalty,
        liu2017_penalty_to_the_end,
        liu2017_local,
        liu2017_signed,
        liu2017_ranked_before_training,
        liu2017_no_fine_tuning,
        liu2017_l2_penalty,
        liu2017_last_learning_rate,
        liu2017_only_free_scales,
        liu2017_shifts_too,
        liu2017_too_few,
        liu2017_called_at_once,
        liu2017_half_the_penalty,
        liu2017_away_from_zero,
        liu2017_no_sign,
        liu2017_size_of_gamma,
        liu2017_mean_penalty,
        liu2017_strength_is_rate,
        liu2017_no_strength,
        liu2017_penalty_in_the_second,
        liu2017_first_step_only,
        liu2017_moves_gamma,
        liu2017_all_parameters,
        liu2017_norms_of_filters,
        liu2017_second_norm,
        liu2017_largest_go,
        liu2017_single_precision,
        liu2017_by_layer_size,
        liu2017_keeps_two,
        liu2017_empties,
        liu2017_density,
        liu2017_rounds_down,
        liu2017_half_of_the_rates,
        liu2017_tenth_in_the_second,
        liu2017_first_rate_in_the_second,
        liu2017_one_step_in_the_second,
        liu2017_backwards,
        liu2017_removed_last,
        liu2017_zeroed,
        liu2017_a_copy,
        liu2017_overwrites,
        liu2017_scale_times_norm,
        liu2017_second_from_the_second_step,
        liu2017_penalty_fades,
        liu2017_last_batch_norm,
        liu2017_in_two_parts,
        liu2017_from_the_mean,
        liu2017_trained_before,
    ],
    "molchanov2019": [
        molchanov2019_local,
        molchanov2019_from_each_layer,
        molchanov2019_last_minibatch,
        molchanov2019_training_mode,
        molchanov2019_by_magnitude,
        molchanov2019_share_of_the_start,
        molchanov2019_all_at_the_end,
        molchanov2019_no_last_steps,
        molchanov2019_most_important,
        molchanov2019_all_minibatches,
        molchanov2019_too_few,
        molchanov2019_first_minibatch,
        molchanov2019_before_its_training,
        molchanov2019_more_minibatches,
        molchanov2019_every_minibatch,
        molchanov2019_one_round_less,
        molchanov2019_root,
        molchanov2019_by_layer_mean,
        molchanov2019_prunes_first,
        molchanov2019_one_large_batch,
        molchanov2019_largest_minibatch,
        molchanov2019_by_scale,
        molchanov2019_by_norm,
        molchanov2019_by_layer_norm,
        molchanov2019_empties,
        molchanov2019_keeps_two,
        molchanov2019_one_of_each_layer,
        molchanov2019_more_each_round,
        molchanov2019_one_filter,
        molchanov2019_filters_shared,
        molchanov2019_steps_swapped,
        molchanov2019_one_round,
        molchanov2019_round_missing,
        molchanov2019_round_more,
        molchanov2019_step_more,
        molchanov2019_one_step,
        molchanov2019_last_steps_each_round,
        molchanov2019_always_a_last_step,
        molchanov2019_slower_at_the_end,
        molchanov2019_falling_rate,
        molchanov2019_first_rounds_minibatches,
        molchanov2019_scores_of_the_start,
        molchanov2019_zeroed,
        molchanov2019_a_copy,
        molchanov2019_filters_and_steps_swapped,
        molchanov2019_one_filter_more,
        molchanov2019_one_filter_less,
        molchanov2019_every_second_round,
        molchanov2019_share_of_the_weights,
        molchanov2019_median,
        molchanov2019_first_layer_only,
        molchanov2019_rate_shared,
    ],
    "he2018": [
        he2018_hard,
        he2018_every_step,
        he2018_chosen_once,
        he2018_not_removed,
        he2018_global,
        he2018_schedule_per_step,
        he2018_before_the_epoch,
        he2018_never_zeroed,
        he2018_l1,
        he2018_removed_every_epoch,
        he2018_silences,
        he2018_zeros_removed,
        he2018_peak,
        he2018_signed_sum,
        he2018_largest_go,
        he2018_single_precision,
        he2018_dead_ones_spared,
        he2018_rounds_down,
        he2018_rounds_up,
        he2018_keeps_the_share,
        he2018_share_grows,
        he2018_first_layer_only,
        he2018_all_convolutions,
        he2018_last_ones_removed,
        he2018_zeroed_ones_stay,
        he2018_fine_tunes,
        he2018_first_rate,
        he2018_last_rate,
        he2018_rates_in_turn,
        he2018_backwards,
        he2018_one_step_an_epoch,
        he2018_last_epoch_missing,
        he2018_new_parameters,
        he2018_a_copy,
        he2018_every_second_epoch,
        he2018_keep_of_the_epoch_before,
        he2018_keep_of_the_first_epoch,
        he2018_step_more,
        he2018_variance,
        he2018_middle_of_the_epoch,
        he2018_kernels_of_the_next_layer,
        he2018_one_filter,
        he2018_made_small,
        he2018_by_scale,
    ],
}

ALTERNATIVES: dict[str, list[Callable]] = {
    "han2015": [
        han2015_by_rounds_of_lab_3,
        han2015_step_by_step,
        han2015_by_share,
    ],
    "zhu2017": [
        zhu2017_every_step,
        zhu2017_in_pieces,
        zhu2017_by_change,
    ],
    "renda2020": [
        renda2020_by_counts,
        renda2020_one_vector,
        renda2020_by_rounds_of_lab_3,
    ],
    "li2016": [
        li2016_masks_first,
        li2016_by_scores,
        li2016_by_hand,
    ],
    "liu2017": [
        liu2017_own_penalty,
        liu2017_by_squares,
        liu2017_by_threshold,
    ],
    "molchanov2019": [
        molchanov2019_batch_by_batch,
        molchanov2019_average_by_hand,
        molchanov2019_one_after_the_other,
    ],
    "he2018": [
        he2018_by_epochs,
        he2018_counting_steps,
        he2018_rates_by_torch,
    ],
}
