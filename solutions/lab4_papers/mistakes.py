"""Known wrong and right answers to the exercises of lab 4."""

from __future__ import annotations

import copy
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
