"""What students write instead, for each exercise of lab 1.

MISTAKES are wrong, and the first paragraph of each one's docstring is the hint that a student
gets who makes it. ALTERNATIVES are right in another way than `structures`, and must pass.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from pruninglab.models import Block, prunable
from solutions.lab1_structures import exercises as structures

Masks = dict[str, Tensor]
Layers = tuple[nn.Conv2d, nn.BatchNorm2d, nn.Conv2d]


def lowest(score: Tensor, count: int) -> Tensor:
    """Bool of the score's shape: False at its `count` lowest entries."""
    mask = torch.ones(score.numel(), dtype=torch.bool)
    mask[score.detach().flatten().argsort()[:count]] = False
    return mask.reshape(score.shape)


# --- magnitude_mask -----------------------------------------------------------------------------


def magnitude_mask_no_abs(weight: Tensor, sparsity: float) -> Tensor:
    """Every large negative weight goes: look at how far from zero a weight is, not at its sign."""
    return lowest(weight, round(sparsity * weight.numel()))


def magnitude_mask_floor(weight: Tensor, sparsity: float) -> Tensor:
    """One weight too few goes when sparsity · n is not whole: how does `int` treat 2.7?"""
    return lowest(weight.abs(), int(sparsity * weight.numel()))


def magnitude_mask_keeps_the_fraction(weight: Tensor, sparsity: float) -> Tensor:
    """The share `sparsity` is *kept* here: in this course it is the share that goes."""
    return lowest(weight.abs(), weight.numel() - round(sparsity * weight.numel()))


def magnitude_mask_inverted(weight: Tensor, sparsity: float) -> Tensor:
    """True and False are swapped: True means keep, and it is the small weights that go."""
    return ~lowest(weight.abs(), round(sparsity * weight.numel()))


def magnitude_mask_keeps_smallest(weight: Tensor, sparsity: float) -> Tensor:
    """The count is right but the largest weights go: in which direction is your ranking sorted?"""
    return lowest(-weight.abs(), round(sparsity * weight.numel()))


def magnitude_mask_threshold_ties(weight: Tensor, sparsity: float) -> Tensor:
    """Several weights equal the threshold and all of them go: think of a way that *counts*."""
    pruned = round(sparsity * weight.numel())
    if pruned == 0:
        return torch.ones_like(weight, dtype=torch.bool)
    return weight.abs() > weight.detach().abs().flatten().kthvalue(pruned).values


def magnitude_mask_kthvalue_of_zero(weight: Tensor, sparsity: float) -> Tensor:
    """Nothing is to be pruned at sparsity 0, and there is no 0-th smallest value to ask for."""
    pruned = round(sparsity * weight.numel())
    keep = weight.detach().abs().flatten() > weight.detach().abs().flatten().kthvalue(pruned).values
    if int((~keep).sum()) > pruned:  # ties
        return lowest(weight.abs(), pruned)
    return keep.reshape(weight.shape)


def magnitude_mask_quantile(weight: Tensor, sparsity: float) -> Tensor:
    """A quantile is a position *between* weights: at the ends, and with ties, the count is off."""
    magnitude = weight.detach().abs().float()
    return magnitude > magnitude.quantile(sparsity)


def magnitude_mask_per_row(weight: Tensor, sparsity: float) -> Tensor:
    """Each row is ranked for itself: the ranking goes over the *whole* tensor."""
    rows = weight.detach().abs().flatten(0, -2) if weight.dim() > 1 else weight.abs()[None]
    mask = torch.stack([lowest(row, round(sparsity * row.numel())) for row in rows])
    return mask.reshape(weight.shape)


def magnitude_mask_changes_weight(weight: Tensor, sparsity: float) -> Tensor:
    """Your function changed the weight that it was given: which call ends in an underscore?"""
    return lowest(weight.detach().abs_(), round(sparsity * weight.numel()))


def magnitude_mask_view(weight: Tensor, sparsity: float) -> Tensor:
    """`view` needs a contiguous tensor, and a transposed weight is none: see `flatten`."""
    mask = lowest(weight.detach().abs().view(-1), round(sparsity * weight.numel()))
    return mask.view(weight.shape)


def magnitude_mask_float(weight: Tensor, sparsity: float) -> Tensor:
    """The mask holds 0.0 and 1.0: this course's masks are bool (what would `~` do to a float?)."""
    return lowest(weight.abs(), round(sparsity * weight.numel())).float()


def magnitude_mask_pruned_weight(weight: Tensor, sparsity: float) -> Tensor:
    """This is the pruned weight itself, and what is asked is the mask of what to keep."""
    return weight.detach() * lowest(weight.abs(), round(sparsity * weight.numel()))


def magnitude_mask_ceil(weight: Tensor, sparsity: float) -> Tensor:
    """One weight too many goes when sparsity · n is not whole: round what *goes*, neither up nor
    by way of what stays.
    """
    return lowest(weight.abs(), weight.numel() - int((1 - sparsity) * weight.numel()))


def magnitude_mask_at_least_threshold(weight: Tensor, sparsity: float) -> Tensor:
    """With `>=` all weights that equal the threshold stay, and at sparsity 1 there is no next one
    to be the threshold: think of a way that *counts*.
    """
    order = weight.detach().abs().flatten().sort().values
    return weight.abs() >= order[round(sparsity * weight.numel())]


def magnitude_mask_minus_zero(weight: Tensor, sparsity: float) -> Tensor:
    """At sparsity 1 nothing stays, but `[-0:]` is *everything*: count from the other end."""
    kept = weight.numel() - round(sparsity * weight.numel())
    mask = torch.zeros(weight.numel(), dtype=torch.bool)
    mask[weight.detach().abs().flatten().argsort()[-kept:]] = True
    return mask.reshape(weight.shape)


def magnitude_mask_places_for_ranks(weight: Tensor, sparsity: float) -> Tensor:
    """`argsort` says *where* the lowest, the next, ... weight lies, not which rank a weight has."""
    places = weight.detach().abs().flatten().argsort()
    return (places >= round(sparsity * weight.numel())).reshape(weight.shape)


def magnitude_mask_quantile_in_half(weight: Tensor, sparsity: float) -> Tensor:
    """A quantile is a position *between* weights: at the ends, and with ties, the count is off."""
    return weight.abs() > weight.detach().abs().quantile(sparsity)


def magnitude_mask_squares(weight: Tensor, sparsity: float) -> Tensor:
    """Squares of half-precision numbers overflow above 255: rank by magnitude."""
    return lowest(weight.detach() ** 2, round(sparsity * weight.numel()))


def magnitude_mask_numpy_of_a_parameter(weight: Tensor, sparsity: float) -> Tensor:
    """A parameter belongs to the autograd graph, which numpy does not know: see `detach`."""
    order = np.abs(weight.numpy()).ravel().argsort()
    mask = np.ones(order.size, dtype=bool)
    mask[order[: round(sparsity * order.size)]] = False
    return torch.from_numpy(mask).reshape(weight.shape)


def magnitude_mask_abs_in_place(weight: Tensor, sparsity: float) -> Tensor:
    """Your function changed the weight that it was given: which call ends in an underscore?"""
    return lowest(weight.abs_(), round(sparsity * weight.numel()))


def magnitude_mask_half_up(weight: Tensor, sparsity: float) -> Tensor:
    """Half a weight is rounded to the even number, as Python's `round` does: 2.5 is 2. Round what
    *goes*, by `round`.
    """
    return lowest(weight.abs(), int(sparsity * weight.numel() + 0.5))


def magnitude_mask_rounds_what_stays(weight: Tensor, sparsity: float) -> Tensor:
    """Half a weight is rounded to the even number, as Python's `round` does: 2.5 is 2. Round what
    *goes*, by `round`.
    """
    return lowest(weight.abs(), weight.numel() - round((1 - sparsity) * weight.numel()))


def magnitude_mask_in_float(weight: Tensor, sparsity: float) -> Tensor:
    """Close numbers have become equal: a cast or a rounding does that. Rank them as they are."""
    return lowest(weight.float().abs(), round(sparsity * weight.numel()))


def magnitude_mask_from_the_threshold_on(weight: Tensor, sparsity: float) -> Tensor:
    """With `>=` all weights that equal the threshold stay: with ties fewer go than were asked."""
    ranked, pruned = weight.abs().flatten().sort().values, round(sparsity * weight.numel())
    return weight.abs() >= (ranked[pruned] if pruned < len(ranked) else torch.inf)


def magnitude_mask_flat(weight: Tensor, sparsity: float) -> Tensor:
    """Your mask is one long list: it needs the shape of the weight."""
    return structures.magnitude_mask(weight, sparsity).flatten()


def magnitude_mask_from_the_quantile_on(weight: Tensor, sparsity: float) -> Tensor:
    """A quantile is a position *between* weights: at the ends, and with ties, the count is off."""
    magnitudes = weight.detach().abs()
    return magnitudes >= torch.quantile(magnitudes.float().flatten(), sparsity)


def magnitude_mask_one_stays(weight: Tensor, sparsity: float) -> Tensor:
    """One weight stays at sparsity 1: here all may go, the task names no exception."""
    return lowest(weight.abs(), min(round(sparsity * weight.numel()), weight.numel() - 1))


def magnitude_mask_topk(weight: Tensor, sparsity: float) -> Tensor:
    """`topk` of what stays."""
    kept = weight.numel() - round(sparsity * weight.numel())
    mask = torch.zeros(weight.numel(), dtype=torch.bool)
    mask[weight.detach().abs().reshape(-1).topk(kept).indices] = True
    return mask.reshape(weight.shape)


def magnitude_mask_kthvalue(weight: Tensor, sparsity: float) -> Tensor:
    """A threshold by `kthvalue`, and ties counted off by hand."""
    flat = weight.detach().abs().flatten()
    pruned = round(sparsity * len(flat))
    if pruned == 0:
        return torch.ones(weight.shape, dtype=torch.bool)
    threshold = flat.kthvalue(pruned).values
    keep = flat > threshold
    ties = (flat == threshold).nonzero().flatten()
    keep[ties[pruned - int((flat < threshold).sum()) :]] = True
    return keep.reshape(weight.shape)


def magnitude_mask_numpy(weight: Tensor, sparsity: float) -> Tensor:
    """With numpy; ties break the other way."""
    flat = np.abs(weight.detach().numpy()).ravel()
    order = np.argsort(-flat, kind="stable")
    mask = np.zeros(flat.size, dtype=bool)
    mask[order[: flat.size - int(np.round(sparsity * flat.size))]] = True
    return torch.from_numpy(mask).reshape(weight.shape)


def magnitude_mask_ranks(weight: Tensor, sparsity: float) -> Tensor:
    """The rank of each weight against the count; squares instead of magnitudes."""
    ranks = weight.detach().double().square().flatten().argsort(stable=True).argsort()
    return ranks.view(weight.shape) >= round(sparsity * weight.numel())


def magnitude_mask_unravelled(weight: Tensor, sparsity: float) -> Tensor:
    """The mask lies in memory as the weight does."""
    pruned = round(sparsity * weight.numel())
    places = weight.detach().abs().flatten().topk(pruned, largest=False).indices
    mask = torch.ones_like(weight, dtype=torch.bool)
    mask[np.unravel_index(places.numpy(), weight.shape)] = False
    return mask


# --- local_masks --------------------------------------------------------------------------------


def local_masks_abs(scores: Masks, sparsity: float) -> Masks:
    """A score of -5 is *lower* than 0: scores are not weights, so take no magnitude of them."""
    return {n: lowest(s.abs(), round(sparsity * s.numel())) for n, s in scores.items()}


def local_masks_global(scores: Masks, sparsity: float) -> Masks:
    """The layers do not lose the same share: rank each layer for itself."""
    return structures.global_masks(scores, sparsity)


def local_masks_first_count(scores: Masks, sparsity: float) -> Masks:
    """Each layer loses as many weights as the first one: the layers have different sizes."""
    count = round(sparsity * next(iter(scores.values())).numel())
    return {n: lowest(s, min(count, s.numel())) for n, s in scores.items()}


def local_masks_keeps_highest_wrong_way(scores: Masks, sparsity: float) -> Masks:
    """The highest scores go: a higher score is more worth keeping."""
    return {n: lowest(-s, round(sparsity * s.numel())) for n, s in scores.items()}


def local_masks_keeps_the_fraction(scores: Masks, sparsity: float) -> Masks:
    """The share `sparsity` of each layer is kept, and it should be the share that goes."""
    return {n: lowest(s, s.numel() - round(sparsity * s.numel())) for n, s in scores.items()}


def local_masks_no_classifier(scores: Masks, sparsity: float) -> Masks:
    """The last layer is left whole: the task names no exception."""
    last = list(scores)[-1]
    masks = structures.local_masks(scores, sparsity)
    return masks | {last: torch.ones_like(masks[last])}


def local_masks_no_stem(scores: Masks, sparsity: float) -> Masks:
    """The first layer is left whole: the task names no exception."""
    first = next(iter(scores))
    masks = structures.local_masks(scores, sparsity)
    return masks | {first: torch.ones_like(masks[first])}


def local_masks_flat(scores: Masks, sparsity: float) -> Masks:
    """Your masks are flat lists: each needs the shape of its score."""
    return {n: m.flatten() for n, m in structures.local_masks(scores, sparsity).items()}


def local_masks_ties(scores: Masks, sparsity: float) -> Masks:
    """Where many scores are equal, all of them go: the count of a layer has to be exact."""
    masks = {}
    for name, score in scores.items():
        order = score.flatten().sort().values
        pruned = round(sparsity * score.numel())
        masks[name] = score > order[pruned - 1] if pruned else torch.ones_like(score).bool()
    return masks


def local_masks_floor(scores: Masks, sparsity: float) -> Masks:
    """One score too few goes when sparsity · n is not whole: how does `int` treat 2.7?"""
    return {n: lowest(s, int(sparsity * s.numel())) for n, s in scores.items()}


def local_masks_ceil(scores: Masks, sparsity: float) -> Masks:
    """One score too many goes when sparsity · n is not whole: round what *goes*, neither up nor by
    way of what stays.
    """
    return {n: lowest(s, s.numel() - int((1 - sparsity) * s.numel())) for n, s in scores.items()}


def local_masks_inverted(scores: Masks, sparsity: float) -> Masks:
    """True and False are swapped: True means keep."""
    return {n: ~m for n, m in structures.local_masks(scores, sparsity).items()}


def local_masks_return_in_loop(scores: Masks, sparsity: float) -> Masks:
    """The first layer alone has a mask: does `return` stand inside of your loop?"""
    return dict(list(structures.local_masks(scores, sparsity).items())[:1])


def local_masks_quantile(scores: Masks, sparsity: float) -> Masks:
    """A quantile is a position *between* scores: at the ends, and with ties, the count is off."""
    return {n: s > s.quantile(sparsity) for n, s in scores.items()}


def local_masks_one_threshold(scores: Masks, sparsity: float) -> Masks:
    """The layers do not lose the same share: rank each layer for itself."""
    threshold = torch.cat([score.flatten() for score in scores.values()]).quantile(sparsity)
    return {name: score >= threshold for name, score in scores.items()}


def local_masks_half_up(scores: Masks, sparsity: float) -> Masks:
    """Half a weight is rounded to the even number, as Python's `round` does: 2.5 is 2. Round what
    *goes*, by `round`.
    """
    return {n: lowest(s, int(sparsity * s.numel() + 0.5)) for n, s in scores.items()}


def local_masks_in_float(scores: Masks, sparsity: float) -> Masks:
    """Close numbers have become equal: a cast or a rounding does that. Rank them as they are."""
    return {n: lowest(s.float(), round(sparsity * s.numel())) for n, s in scores.items()}


def local_masks_threshold_of_all(scores: Masks, sparsity: float) -> Masks:
    """The layers do not lose the same share: rank each layer for itself."""
    ranked = torch.cat([s.flatten() for s in scores.values()]).sort().values
    pruned = round(sparsity * len(ranked))
    return above(scores, ranked[pruned - 1] if pruned else -torch.inf)


def local_masks_rounds_what_stays(scores: Masks, sparsity: float) -> Masks:
    """Half a weight is rounded to the even number, as Python's `round` does: 2.5 is 2. Round what
    *goes*, not what stays.
    """
    return {n: lowest(s, s.numel() - round((1 - sparsity) * s.numel())) for n, s in scores.items()}


def local_masks_len(scores: Masks, sparsity: float) -> Masks:
    """`len` of a tensor is its first dimension alone: `numel` counts all of its entries."""
    return {n: lowest(s, round(sparsity * len(s))) for n, s in scores.items()}


def local_masks_list(scores: Masks, sparsity: float) -> list[Tensor]:
    """You return a list of masks: asked is a dict, with a mask for each name."""
    return list(structures.local_masks(scores, sparsity).values())


def local_masks_one_stays(scores: Masks, sparsity: float) -> Masks:
    """One weight of each layer stays at sparsity 1: all may go, the task names no exception."""
    return {
        n: lowest(s, min(round(sparsity * s.numel()), s.numel() - 1)) for n, s in scores.items()
    }


def local_masks_floats(scores: Masks, sparsity: float) -> Masks:
    """Your masks hold 0.0 and 1.0: this course's masks are bool."""
    return {n: mask.float() for n, mask in structures.local_masks(scores, sparsity).items()}


def local_masks_same_number(scores: Masks, sparsity: float) -> Masks:
    """Every layer loses the same *number* of weights: it is the same share of its own size."""
    each = round(sparsity * sum(s.numel() for s in scores.values()) / len(scores))
    return {n: lowest(s, min(each, s.numel())) for n, s in scores.items()}


def local_masks_short_names(scores: Masks, sparsity: float) -> Masks:
    """Your masks have other names than the scores: leave a name whole, dots and all."""
    masks = structures.local_masks(scores, sparsity)
    return {name.partition(".")[0]: mask for name, mask in masks.items()}


def local_masks_spares_a_single_score(scores: Masks, sparsity: float) -> Masks:
    """A layer with one score is left whole: the task names no exception."""
    masks = structures.local_masks(scores, sparsity)
    return {n: m if m.numel() > 1 else torch.ones_like(m) for n, m in masks.items()}


def local_masks_share_of_nonzeros(scores: Masks, sparsity: float) -> Masks:
    """A score of 0 does not count in your n: it is a score as any other."""
    counts = {n: round(sparsity * int(s.count_nonzero())) for n, s in scores.items()}
    return {name: lowest(score, counts[name]) for name, score in scores.items()}


def local_masks_topk(scores: Masks, sparsity: float) -> Masks:
    """`topk` of what stays, layer by layer."""
    masks = {name: torch.zeros(s.shape, dtype=torch.bool) for name, s in scores.items()}
    for name, score in scores.items():
        kept = score.numel() - round(sparsity * score.numel())
        masks[name].view(-1)[torch.topk(score.flatten(), kept).indices] = True
    return masks


def local_masks_by_magnitude(scores: Masks, sparsity: float) -> Masks:
    """Each layer's scores are replaced by their ranks, which are never negative."""
    ranks = {n: s.flatten().argsort().argsort().reshape(s.shape) for n, s in scores.items()}
    return {n: structures.magnitude_mask(r.float(), sparsity) for n, r in ranks.items()}


def local_masks_numpy(scores: Masks, sparsity: float) -> Masks:
    """numpy's `argpartition`."""
    masks = {}
    for name, score in scores.items():
        flat = score.detach().numpy().ravel()
        mask = np.ones(flat.size, dtype=bool)
        pruned = round(sparsity * flat.size)
        if pruned:
            mask[np.argpartition(flat, pruned - 1)[:pruned]] = False
        masks[name] = torch.tensor(mask).reshape(score.shape)
    return masks


# --- global_masks -------------------------------------------------------------------------------


def above(scores: Masks, threshold: Tensor | float) -> Masks:
    """True where a score lies above the threshold."""
    return {name: score > threshold for name, score in scores.items()}


def at(score: Tensor, sparsity: float) -> Tensor:
    """The score of the last one to go."""
    order = score.flatten().sort().values
    pruned = round(sparsity * len(order))
    return order[pruned - 1] if pruned else order[0] - 1


def global_masks_local(scores: Masks, sparsity: float) -> Masks:
    """Every layer loses the same share: there is to be *one* ranking for the whole network."""
    return structures.local_masks(scores, sparsity)


def global_masks_mean_threshold(scores: Masks, sparsity: float) -> Masks:
    """The mean of the layers' thresholds is not the network's: put all scores together."""
    return above(scores, torch.stack([at(s, sparsity) for s in scores.values()]).mean())


def global_masks_first_threshold(scores: Masks, sparsity: float) -> Masks:
    """The first layer alone decides the threshold of all: put all scores together."""
    return above(scores, at(next(iter(scores.values())), sparsity))


def global_masks_last_threshold(scores: Masks, sparsity: float) -> Masks:
    """The last layer alone decides the threshold of all: is something overwritten in your loop?"""
    return above(scores, at(list(scores.values())[-1], sparsity))


def global_masks_ties(scores: Masks, sparsity: float) -> Masks:
    """All scores that equal the threshold go: with ties that is more than was asked."""
    return above(scores, at(torch.cat([s.flatten() for s in scores.values()]), sparsity))


def global_masks_abs(scores: Masks, sparsity: float) -> Masks:
    """A score of -5 is *lower* than 0: scores are not weights, so take no magnitude of them."""
    return structures.global_masks({n: s.abs() for n, s in scores.items()}, sparsity)


def global_masks_wrong_way(scores: Masks, sparsity: float) -> Masks:
    """The highest scores go: a higher score is more worth keeping."""
    return structures.global_masks({n: -s for n, s in scores.items()}, sparsity)


def global_masks_no_classifier(scores: Masks, sparsity: float) -> Masks:
    """The last layer is left whole: the task names no exception."""
    last = list(scores)[-1]
    rest = {n: s for n, s in scores.items() if n != last}
    whole = torch.ones_like(scores[last], dtype=torch.bool)
    return (structures.global_masks(rest, sparsity) if rest else {}) | {last: whole}


def global_masks_normalised(scores: Masks, sparsity: float) -> Masks:
    """Each layer's scores were scaled before they were compared: rank them as they are."""
    scaled = {n: s / s.norm().clamp_min(1e-12) for n, s in scores.items()}
    return structures.global_masks(scaled, sparsity)


def global_masks_sequential(scores: Masks, sparsity: float) -> Masks:
    """Whole layers go in their order until the count is reached: look at the scores, too."""
    order = torch.arange(sum(s.numel() for s in scores.values())).float()
    parts = order.split([s.numel() for s in scores.values()])
    places = {n: p.reshape(scores[n].shape) for n, p in zip(scores, parts, strict=True)}
    return structures.global_masks(places, sparsity)


def global_masks_max_for_all(scores: Masks, sparsity: float) -> Masks:
    """Each layer's scores were scaled before they were compared: rank them as they are."""
    return structures.global_masks({n: s / s.abs().max() for n, s in scores.items()}, sparsity)


def global_masks_floor(scores: Masks, sparsity: float) -> Masks:
    """One score too few goes when sparsity · n is not whole: how does `int` treat 2.7?"""
    n = sum(s.numel() for s in scores.values())
    return structures.global_masks(scores, int(sparsity * n) / n)


def global_masks_inverted(scores: Masks, sparsity: float) -> Masks:
    """True and False are swapped: True means keep."""
    return {n: ~m for n, m in structures.global_masks(scores, sparsity).items()}


def global_masks_keeps_the_fraction(scores: Masks, sparsity: float) -> Masks:
    """The share `sparsity` of the network is kept, and it should be the share that goes."""
    return structures.global_masks(scores, 1 - sparsity)


def global_masks_quantile(scores: Masks, sparsity: float) -> Masks:
    """A quantile is a position *between* scores: at the ends, and with ties, the count is off."""
    return above(scores, torch.cat([s.flatten() for s in scores.values()]).quantile(sparsity))


def global_masks_kthvalue_of_zero(scores: Masks, sparsity: float) -> Masks:
    """At sparsity 0 there is no 0-th smallest score, and with ties too many go: think of a way
    that *counts*.
    """
    flat = torch.cat([s.flatten() for s in scores.values()])
    return above(scores, flat.kthvalue(round(sparsity * len(flat))).values)


def global_masks_one_list(scores: Masks, sparsity: float) -> Tensor:
    """This is one long mask: cut it into the layers again, each in the shape of its score."""
    flat = torch.cat([s.flatten() for s in scores.values()])
    return structures.local_masks({"": flat}, sparsity)[""]


def global_masks_wrong_start(scores: Masks, sparsity: float) -> Masks:
    """You cut the long mask at wrong places: a layer starts where *all* before it have ended."""
    keep, masks, start = global_masks_one_list(scores, sparsity), {}, 0
    for name, score in scores.items():
        masks[name] = keep[start : start + score.numel()].reshape(score.shape)
        start = score.numel()
    return masks


def global_masks_half_up(scores: Masks, sparsity: float) -> Masks:
    """Half a weight is rounded to the even number, as Python's `round` does: 2.5 is 2. Round what
    *goes*, by `round`.
    """
    n = sum(score.numel() for score in scores.values())
    return structures.global_masks(scores, int(sparsity * n + 0.5) / n)


def global_masks_in_float(scores: Masks, sparsity: float) -> Masks:
    """Close numbers have become equal: a cast or a rounding does that. Rank them as they are."""
    return structures.global_masks({n: s.float() for n, s in scores.items()}, sparsity)


def global_masks_from_the_threshold_on(scores: Masks, sparsity: float) -> Masks:
    """With `>=` all scores that equal the threshold stay: with ties fewer go than were asked."""
    ranked = torch.cat([s.flatten() for s in scores.values()]).sort().values
    pruned = round(sparsity * len(ranked))
    threshold = ranked[pruned] if pruned < len(ranked) else torch.inf
    return {n: s >= threshold for n, s in scores.items()}


def global_masks_counts_by_layer(scores: Masks, sparsity: float) -> Masks:
    """You round in each layer and add up: round once, for all layers together."""
    n = sum(s.numel() for s in scores.values())
    pruned = sum(round(sparsity * s.numel()) for s in scores.values())
    return structures.global_masks(scores, pruned / n)


def global_masks_best_of_each(scores: Masks, sparsity: float) -> Masks:
    """The best weight of each layer stays, whatever its rank: the task names no exception."""
    spared = {n: s.clone() for n, s in scores.items()}
    for score in spared.values():
        score.view(-1)[score.argmax()] = torch.inf
    return structures.global_masks(spared, sparsity)


def global_masks_flat(scores: Masks, sparsity: float) -> Masks:
    """Your masks are flat lists: each needs the shape of its score."""
    return {n: mask.flatten() for n, mask in structures.global_masks(scores, sparsity).items()}


def global_masks_one_stays(scores: Masks, sparsity: float) -> Masks:
    """One weight stays at sparsity 1: here all may go, the task names no exception."""
    n = sum(s.numel() for s in scores.values())
    return structures.global_masks(scores, min(round(sparsity * n), n - 1) / n)


def global_masks_always_from_the_start(scores: Masks, sparsity: float) -> Masks:
    """You cut every layer from the start of the long mask: go on where the last one has ended."""
    long = structures.global_masks(scores, sparsity)
    mask = torch.cat([part.flatten() for part in long.values()])
    return {n: mask[: s.numel()].reshape(s.shape) for n, s in scores.items()}


def global_masks_clipped(scores: Masks, sparsity: float) -> Masks:
    """Scores below zero are taken for zero: -5 is lower than -1."""
    return structures.global_masks({n: s.clamp(min=0) for n, s in scores.items()}, sparsity)


def global_masks_shifted(scores: Masks, sparsity: float) -> Masks:
    """The lowest score of each layer is taken as zero: rank the scores as they are."""
    return structures.global_masks({n: s - s.min() for n, s in scores.items()}, sparsity)


def global_masks_spares_a_single_score(scores: Masks, sparsity: float) -> Masks:
    """A layer with one score is left whole: a global ranking may empty a layer."""
    masks = structures.global_masks(scores, sparsity)
    return {n: m if m.numel() > 1 else torch.ones_like(m) for n, m in masks.items()}


def global_masks_topk(scores: Masks, sparsity: float) -> Masks:
    """`topk` of what stays, then cut at the running sum of the sizes."""
    flat = torch.cat([s.reshape(-1) for s in scores.values()])
    keep = torch.zeros(len(flat), dtype=torch.bool)
    keep[flat.topk(len(flat) - round(sparsity * len(flat))).indices] = True
    masks, start = {}, 0
    for name, score in scores.items():
        masks[name] = keep[start : start + score.numel()].view(score.shape)
        start += score.numel()
    return masks


def global_masks_one_by_one(scores: Masks, sparsity: float) -> Masks:
    """A sorted list of (score, layer, place); slow, and right."""
    places = [(v, n, i) for n, s in scores.items() for i, v in enumerate(s.flatten().tolist())]
    masks = {n: torch.ones(s.numel(), dtype=torch.bool) for n, s in scores.items()}
    for _, name, place in sorted(places)[: round(sparsity * len(places))]:
        masks[name][place] = False
    return {name: mask.reshape(scores[name].shape) for name, mask in masks.items()}


def global_masks_numpy(scores: Masks, sparsity: float) -> Masks:
    """numpy's sort and split; among equals the last ones go."""
    flat = np.concatenate([s.detach().numpy().ravel() for s in scores.values()])
    keep = np.ones(flat.size, dtype=bool)
    keep[flat.size - 1 - np.argsort(flat[::-1], kind="stable")[: round(sparsity * flat.size)]] = 0
    parts = np.split(keep, np.cumsum([s.numel() for s in scores.values()])[:-1])
    return {n: torch.tensor(p).view(scores[n].shape) for n, p in zip(scores, parts, strict=True)}


# --- empty_layers -------------------------------------------------------------------------------


def empty_layers_any_pruned(masks: Masks) -> list[str]:
    """You list layers that lost *something*: an empty layer has lost everything."""
    return [name for name, mask in masks.items() if not mask.all()]


def empty_layers_alive(masks: Masks) -> list[str]:
    """You list the layers that are alive, and the question is which are not."""
    return [name for name, mask in masks.items() if mask.any()]


def empty_layers_first_only(masks: Masks) -> list[str]:
    """Only the first empty layer is found: does your function return too early?"""
    return [name for name, mask in masks.items() if not mask.any()][:1]


def empty_layers_flags(masks: Masks) -> dict[str, bool]:
    """You return a yes or no for each layer, and what is asked is the list of names."""
    return {name: not mask.any() for name, mask in masks.items()}


def empty_layers_nearly(masks: Masks) -> list[str]:
    """You list layers that are nearly empty: one weight that stays keeps a layer alive."""
    return [name for name, mask in masks.items() if mask.sum() <= 0.1 * mask.numel()]


def empty_layers_empty_row(masks: Masks) -> list[str]:
    """A layer with one empty row is not empty: look at the whole mask, not at its rows."""
    return [name for name, m in masks.items() if not m.flatten(1).any(1).all()]


def empty_layers_sorted(masks: Masks) -> list[str]:
    """The names are right but not in the network's order, which a set, too, would lose."""
    return sorted(name for name, mask in masks.items() if not mask.any())


def empty_layers_first_weight(masks: Masks) -> list[str]:
    """You look at one corner of each mask: look at all of it."""
    return [name for name, mask in masks.items() if not mask.flatten()[0]]


def empty_layers_sum_of_places(masks: Masks) -> list[str]:
    """You add up places, and the first place is 0: *count* what is left."""
    return [name for name, mask in masks.items() if mask.nonzero().sum() == 0]


def empty_layers_places(masks: Masks) -> list[int]:
    """You return the numbers of the layers: their names are asked."""
    return [i for i, mask in enumerate(masks.values()) if not mask.any()]


def empty_layers_one_left(masks: Masks) -> list[str]:
    """You list layers that are nearly empty: one weight that stays keeps a layer alive."""
    return [name for name, mask in masks.items() if mask.sum() <= 1]


def empty_layers_first_row(masks: Masks) -> list[str]:
    """You look at the first row of each mask: look at all of it."""
    return [name for name, mask in masks.items() if not mask[0].any()]


def empty_layers_a_row_of_any(masks: Masks) -> list[str]:
    """A layer with one empty row is not empty: look at the whole mask, not at its rows."""
    return [name for name, m in masks.items() if not m.view(len(m), -1).any(1).all()]


def empty_layers_count(masks: Masks) -> int:
    """You return how many there are: their names are asked, as a list."""
    return sum(not mask.any() for mask in masks.values())


def empty_layers_none(masks: Masks) -> list[str] | None:
    """Where no layer is empty you return nothing: an empty list is asked."""
    return [name for name, mask in masks.items() if not mask.any()] or None


def empty_layers_with_masks(masks: Masks) -> Masks:
    """You return the empty layers with their masks: the list of their names is asked."""
    return {name: mask for name, mask in masks.items() if not mask.any()}


def empty_layers_by_size(masks: Masks) -> list[str]:
    """The names are right but in the order of size: give them in the order of `masks`."""
    return sorted((n for n, m in masks.items() if not m.any()), key=lambda n: masks[n].numel())


def empty_layers_in_bytes(masks: Masks) -> list[str]:
    """You count in 8 bits, and 256 is 0 there: `any` needs no number."""
    return [name for name, mask in masks.items() if mask.sum(dtype=torch.uint8) == 0]


def empty_layers_sum(masks: Masks) -> list[str]:
    """A sum compared with 0, in a loop."""
    names = []
    for name in masks:
        if masks[name].sum().item() == 0:
            names.append(name)
    return names


def empty_layers_inverse(masks: Masks) -> list[str]:
    """All of the inverse."""
    return [name for name, mask in masks.items() if (~mask).all()]


def empty_layers_numpy(masks: Masks) -> list[str]:
    """numpy, by counting."""
    return list(filter(lambda name: np.count_nonzero(masks[name].numpy()) < 1, masks))


# --- account ------------------------------------------------------------------------------------


def report(pruned: float, weights: float, parameters: float) -> dict[str, float]:
    """The three numbers of `account`."""
    sparsity = pruned / weights
    compression = parameters / (parameters - pruned)
    return {"sparsity": sparsity, "density": 1 - sparsity, "compression": compression}


def sizes(model: nn.Module) -> tuple[int, int]:
    """Number of prunable weights and of all parameters."""
    weights = sum(w.numel() for w in prunable(model).values())
    return weights, sum(p.numel() for p in model.parameters())


def pruned_of(masks: Masks) -> int:
    """Number of entries that are False."""
    return sum(int((~mask).sum()) for mask in masks.values())


def account_mean_of_layers(model: nn.Module, masks: Masks) -> dict[str, float]:
    """The mean over layers counts a tiny layer as much as a huge one: count weights."""
    shares = [(~masks[n]).float().mean().item() if n in masks else 0.0 for n in prunable(model)]
    weights, parameters = sizes(model)
    sparsity = sum(shares) / len(shares)
    right = report(pruned_of(masks), weights, parameters)
    return right | {"sparsity": sparsity, "density": 1 - sparsity}


def account_of_all_parameters(model: nn.Module, masks: Masks) -> dict[str, float]:
    """Your sparsity is a share of *all* parameters: biases and BN are not prunable weights."""
    parameters = sizes(model)[1]
    return report(pruned_of(masks), parameters, parameters)


def account_compression_of_weights(model: nn.Module, masks: Masks) -> dict[str, float]:
    """Your compression forgets the biases and BN parameters: they are stored, too."""
    weights = sizes(model)[0]
    return report(pruned_of(masks), weights, weights)


def account_state_dict(model: nn.Module, masks: Masks) -> dict[str, float]:
    """Your total counts tensors that are no parameters, such as running statistics."""
    entries = sum(t.numel() for t in model.state_dict().values())
    return report(pruned_of(masks), sizes(model)[0], entries)


def account_only_masked(model: nn.Module, masks: Masks) -> dict[str, float]:
    """The layers without a mask are missing in your count of weights: they are there, unpruned."""
    weights = sum(mask.numel() for mask in masks.values())
    return report(pruned_of(masks), weights, sizes(model)[1])


def account_inverse_compression(model: nn.Module, masks: Masks) -> dict[str, float]:
    """Your compression is below 1: it is the total over what remains, not the reverse."""
    right = report(pruned_of(masks), *sizes(model))
    return right | {"compression": 1 / right["compression"]}


def account_density_for_sparsity(model: nn.Module, masks: Masks) -> dict[str, float]:
    """Sparsity and density are swapped: sparsity is the pruned share."""
    right = report(pruned_of(masks), *sizes(model))
    return right | {"sparsity": right["density"], "density": right["sparsity"]}


def account_percent(model: nn.Module, masks: Masks) -> dict[str, float]:
    """You give percent: the task asks for shares between 0 and 1."""
    right = report(pruned_of(masks), *sizes(model))
    return right | {"sparsity": 100 * right["sparsity"], "density": 100 * right["density"]}


def account_zeros_of_weights(model: nn.Module, masks: Masks) -> dict[str, float]:
    """You count weights that are 0 now: the masks say what will go, the model is still dense."""
    zeros = sum(int((w == 0).sum()) for w in prunable(model).values())
    return report(zeros, *sizes(model))


def account_children(model: nn.Module, masks: Masks) -> dict[str, float]:
    """A layer inside of a block is missing in your count: `children` sees only the outermost."""
    layers = [m for m in model.children() if isinstance(m, nn.Conv2d | nn.Linear)]
    return report(pruned_of(masks), sum(m.weight.numel() for m in layers), sizes(model)[1])


def account_trainable(model: nn.Module, masks: Masks) -> dict[str, float]:
    """You leave out parameters that do not train (`requires_grad`): they are stored, too."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return report(pruned_of(masks), sizes(model)[0], trained)


def account_all_zeros(model: nn.Module, masks: Masks) -> dict[str, float]:
    """You count zeros, and so a bias that happens to be 0, too: the masks say what is pruned."""
    clone = copy.deepcopy(model)
    for name, mask in masks.items():
        clone.get_parameter(name).data.mul_(mask)
    return report(sum(int((p == 0).sum()) for p in clone.parameters()), *sizes(model))


def account_zeros_of_pruned_weights(model: nn.Module, masks: Masks) -> dict[str, float]:
    """You count zeros, and so a weight that was 0 before, too: the masks say what is pruned."""
    weights = {name: weight.detach().clone() for name, weight in prunable(model).items()}
    for name, mask in masks.items():
        weights[name][~mask] = 0
    return report(sum(int((w == 0).sum()) for w in weights.values()), *sizes(model))


def account_prunes(model: nn.Module, masks: Masks) -> dict[str, float]:
    """You set weights of the model to zero: count, and leave it as it was."""
    for name, mask in masks.items():
        model.get_parameter(name).data.mul_(mask)
    return structures.account(model, masks)


def account_needs_every_mask(model: nn.Module, masks: Masks) -> dict[str, float]:
    """A layer may have no mask: then nothing of it is pruned."""
    return report(sum(int((~masks[name]).sum()) for name in prunable(model)), *sizes(model))


def account_unmasked_is_pruned(model: nn.Module, masks: Masks) -> dict[str, float]:
    """You count a layer without a mask as if all of it had gone: nothing of it is pruned."""
    weights, parameters = sizes(model)
    return report(weights - sum(int(m.sum()) for m in masks.values()), weights, parameters)


def account_of_listed_layers(model: nn.Module, masks: Masks) -> dict[str, float]:
    """Layers of other kinds have parameters, too: `model.parameters()` has all of them."""
    kinds = nn.Conv2d | nn.Linear | nn.BatchNorm2d
    layers = [m for m in model.modules() if isinstance(m, kinds)]
    total = sum(p.numel() for layer in layers for p in layer.parameters())
    return report(pruned_of(masks), sizes(model)[0], total)


def account_kept(model: nn.Module, masks: Masks) -> dict[str, float]:
    """What stays first."""
    kept, names = 0, prunable(model)
    for name, weight in names.items():
        kept += int(masks[name].sum()) if name in masks else weight.numel()
    weights, total = sizes(model)
    remaining = total - weights + kept
    shares = {"density": kept / weights, "compression": total / remaining}
    return shares | {"sparsity": 1 - kept / weights}


def account_tensors(model: nn.Module, masks: Masks) -> dict[str, Tensor]:
    """Your numbers are tensors that hold one number each: `.item()` takes it out."""
    numbers = report(pruned_of(masks), *sizes(model))
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}


def account_modules(model: nn.Module, masks: Masks) -> dict[str, float]:
    """By module, without `prunable`."""
    weights = sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    pruned = sum(mask.numel() - int(np.count_nonzero(mask.numpy())) for mask in masks.values())
    return report(pruned, weights, sum(p.numel() for _, p in model.named_parameters()))


def account_not_a_number(model: nn.Module, masks: Masks) -> dict[str, float]:
    """What goes is marked by NaN in a copy, and counted there."""
    clone = copy.deepcopy(model)
    for name, mask in masks.items():
        clone.get_parameter(name).data[~mask] = torch.nan
    return report(sum(int(p.isnan().sum()) for p in clone.parameters()), *sizes(model))


# --- filter_mask --------------------------------------------------------------------------------


def count_of(weight: Tensor, sparsity: float) -> int:
    """How many filters go."""
    return min(round(sparsity * len(weight)), len(weight) - 1)


def filter_mask_inputs(weight: Tensor, sparsity: float) -> Tensor:
    """You rank the input channels: which dimension of (out, in, kh, kw) counts the filters?"""
    norms = weight.detach().abs().sum(dim=(0, 2, 3))
    return lowest(norms, min(round(sparsity * len(norms)), len(norms) - 1))


def filter_mask_first(weight: Tensor, sparsity: float) -> Tensor:
    """The first filters stay whatever is in them: use the norms."""
    return torch.arange(len(weight)) < len(weight) - count_of(weight, sparsity)


def filter_mask_keeps_smallest(weight: Tensor, sparsity: float) -> Tensor:
    """The largest filters go: in which direction is your ranking sorted?"""
    return lowest(-weight.detach().abs().sum((1, 2, 3)), count_of(weight, sparsity))


def filter_mask_no_abs(weight: Tensor, sparsity: float) -> Tensor:
    """In your sums positive and negative weights cancel: a norm adds magnitudes."""
    return lowest(weight.detach().sum((1, 2, 3)), count_of(weight, sparsity))


def filter_mask_late_abs(weight: Tensor, sparsity: float) -> Tensor:
    """The magnitude is taken after the sum, when weights have cancelled: the order matters."""
    return lowest(weight.detach().sum((1, 2, 3)).abs(), count_of(weight, sparsity))


def filter_mask_l2(weight: Tensor, sparsity: float) -> Tensor:
    """You rank by squares (the L2 norm), which favours filters with one large weight."""
    return lowest(weight.detach().square().sum((1, 2, 3)), count_of(weight, sparsity))


def filter_mask_largest_weight(weight: Tensor, sparsity: float) -> Tensor:
    """You rank a filter by its largest weight alone: all of its weights count."""
    return lowest(weight.detach().abs().amax((1, 2, 3)), count_of(weight, sparsity))


def filter_mask_none_stays(weight: Tensor, sparsity: float) -> Tensor:
    """No filter is left at the highest sparsities: see in the task how many always stay."""
    return lowest(weight.detach().abs().sum((1, 2, 3)), round(sparsity * len(weight)))


def filter_mask_floor(weight: Tensor, sparsity: float) -> Tensor:
    """One filter too few goes when sparsity · out is not whole: how does `int` treat 2.7?"""
    pruned = min(int(sparsity * len(weight)), len(weight) - 1)
    return lowest(weight.detach().abs().sum((1, 2, 3)), pruned)


def filter_mask_inverted(weight: Tensor, sparsity: float) -> Tensor:
    """True and False are swapped: True means keep."""
    return ~lowest(weight.detach().abs().sum((1, 2, 3)), count_of(weight, sparsity))


def filter_mask_whole_shape(weight: Tensor, sparsity: float) -> Tensor:
    """Your mask has the weight's shape: asked is one True or False for each filter."""
    keep = lowest(weight.detach().abs().sum((1, 2, 3)), count_of(weight, sparsity))
    return keep.view(-1, 1, 1, 1).expand(weight.shape).clone()


def filter_mask_indices(weight: Tensor, sparsity: float) -> Tensor:
    """You return the numbers of the filters: asked is one True or False for each filter."""
    keep = lowest(weight.detach().abs().sum((1, 2, 3)), count_of(weight, sparsity))
    return keep.nonzero().flatten()


def filter_mask_ceil(weight: Tensor, sparsity: float) -> Tensor:
    """One filter too many goes when sparsity · out is not whole: round what *goes*, neither up nor
    by way of what stays.
    """
    kept = max(int((1 - sparsity) * len(weight)), 1)
    return lowest(weight.detach().abs().sum((1, 2, 3)), len(weight) - kept)


def filter_mask_keeps_the_fraction(weight: Tensor, sparsity: float) -> Tensor:
    """The share `sparsity` of the filters is kept, and it should be the share that goes."""
    return lowest(weight.detach().abs().sum((1, 2, 3)), count_of(weight, 1 - sparsity))


def filter_mask_first_stays(weight: Tensor, sparsity: float) -> Tensor:
    """When all would go you bring back the first one: the filter with the largest norm stays."""
    keep = lowest(weight.detach().abs().sum((1, 2, 3)), round(sparsity * len(weight)))
    keep[0] |= not keep.any()
    return keep


def filter_mask_threshold_ties(weight: Tensor, sparsity: float) -> Tensor:
    """Several norms equal the threshold and all of these filters go: think of a way that counts."""
    norms, pruned = weight.detach().abs().sum((1, 2, 3)), count_of(weight, sparsity)
    return norms > norms.sort().values[pruned - 1] if pruned else torch.ones_like(norms).bool()


def filter_mask_at_least_threshold(weight: Tensor, sparsity: float) -> Tensor:
    """Several norms equal the threshold and all of these filters stay: find a way that counts."""
    norms = weight.detach().abs().sum((1, 2, 3))
    return norms >= norms.sort().values[count_of(weight, sparsity)]


def filter_mask_places_for_ranks(weight: Tensor, sparsity: float) -> Tensor:
    """`argsort` says *where* the lowest, the next, ... norm lies, not which rank a filter has."""
    return weight.detach().abs().sum((1, 2, 3)).argsort() >= count_of(weight, sparsity)


def filter_mask_half_up(weight: Tensor, sparsity: float) -> Tensor:
    """Half a filter is rounded to the even number, as Python's `round` does: 2.5 is 2. Round what
    *goes*, by `round`.
    """
    norms = weight.abs().sum(dim=(1, 2, 3))
    return lowest(norms, min(int(sparsity * len(norms) + 0.5), len(norms) - 1))


def filter_mask_in_float(weight: Tensor, sparsity: float) -> Tensor:
    """Close numbers have become equal: a cast or a rounding does that. Rank them as they are."""
    return lowest(weight.float().abs().sum(dim=(1, 2, 3)), count_of(weight, sparsity))


def filter_mask_floats(weight: Tensor, sparsity: float) -> Tensor:
    """Your mask holds 0.0 and 1.0: this course's masks are bool."""
    return structures.filter_mask(weight, sparsity).float()


def filter_mask_mean_of_nonzeros(weight: Tensor, sparsity: float) -> Tensor:
    """You divide by the number of weights that are not zero: the L1 norm is the sum alone."""
    magnitudes = weight.detach().abs().flatten(1)
    return lowest(
        magnitudes.sum(1) / (magnitudes > 0).sum(1).clamp_min(1), count_of(weight, sparsity)
    )


def filter_mask_first_channel(weight: Tensor, sparsity: float) -> Tensor:
    """You sum over the first input channel alone: a filter has weights for all of them."""
    return lowest(weight[:, 0].abs().sum((1, 2)), count_of(weight, sparsity))


def filter_mask_ninety_percent(weight: Tensor, sparsity: float) -> Tensor:
    """More than one filter stays in any case: at 0.95 of 20, 19 go."""
    count = min(round(sparsity * len(weight)), int(0.9 * len(weight)))
    return lowest(weight.detach().abs().sum((1, 2, 3)), count)


def filter_mask_topk(weight: Tensor, sparsity: float) -> Tensor:
    """Mean of the magnitudes and `topk` of what stays."""
    kept = max(len(weight) - round(sparsity * len(weight)), 1)
    keep = torch.zeros(weight.shape[0], dtype=torch.bool)
    keep[weight.detach().abs().mean(dim=(1, 2, 3)).topk(kept).indices] = True
    return keep


def filter_mask_linalg(weight: Tensor, sparsity: float) -> Tensor:
    """torch's own norm."""
    norms = torch.linalg.vector_norm(weight.detach().flatten(1), ord=1, dim=1)
    pruned = min(round(sparsity * weight.size(0)), weight.size(0) - 1)
    return norms.argsort().argsort() >= pruned


def filter_mask_loop(weight: Tensor, sparsity: float) -> Tensor:
    """Plain Python numbers."""
    norms = [float(one.double().abs().sum()) for one in weight.detach()]
    order = sorted(range(len(norms)), key=norms.__getitem__)
    gone = set(order[: min(round(sparsity * len(norms)), len(norms) - 1)])
    return torch.tensor([i not in gone for i in range(len(norms))])


# --- silence_filters ----------------------------------------------------------------------------


def zero(parameter: Tensor | None, where: Tensor) -> None:
    """Set the rows of a parameter (if there is one) to zero."""
    if parameter is not None:
        parameter.data[where] = 0


def silence_filters_conv_only(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """The convolution is silent but its BN is not: what does γ·(0 - mean)/std + β give?"""
    zero(conv.weight, ~keep)
    zero(conv.bias, ~keep)


def silence_filters_bn_only(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """The feature map is zero, but the filters' own weights are still there, counted and stored."""
    zero(bn.weight, ~keep)
    zero(bn.bias, ~keep)


def silence_filters_shift_left(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """The scale γ is zero, but the shift β is still emitted."""
    for parameter in (conv.weight, conv.bias, bn.weight):
        zero(parameter, ~keep)


def silence_filters_scale_left(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """The shift β is zero, but γ still scales what BN makes of a zero: (0 - mean)/std."""
    for parameter in (conv.weight, conv.bias, bn.bias):
        zero(parameter, ~keep)


def silence_filters_inverted(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """You silenced the filters that were to stay: True means keep."""
    for parameter in (conv.weight, conv.bias, bn.weight, bn.bias):
        zero(parameter, keep)


def silence_filters_inputs(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """You silenced an input channel: which dimension of (out, in, kh, kw) is the filter?"""
    conv.weight.data[:, ~keep[: conv.in_channels]] = 0
    for parameter in (conv.bias, bn.weight, bn.bias):
        zero(parameter, ~keep)


def silence_filters_conv_bias_left(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """The bias of the convolution was forgotten (the network here has none, others do)."""
    for parameter in (conv.weight, bn.weight, bn.bias):
        zero(parameter, ~keep)


def silence_filters_needs_bias(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """A convolution made with `bias=False` has `conv.bias = None`: ask before you use it."""
    for parameter in (conv.weight, conv.bias, bn.weight, bn.bias):
        parameter.data[~keep] = 0  # type: ignore[union-attr]


def silence_filters_on_a_copy(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """Nothing has changed: your zeros went into a copy (indexing with a bool tensor makes one)."""
    for parameter in (conv.weight, conv.bias, bn.weight, bn.bias):
        if parameter is not None:
            parameter.data[~keep].zero_()


def silence_filters_tracked(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """If the error speaks of a leaf: autograd forbids to change a parameter in place, so say that
    no gradient is wanted here.
    """
    conv.weight[~keep] = 0
    bn.weight[~keep] = 0
    bn.bias[~keep] = 0


def silence_filters_tensors(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """Did you assign a product? It is no Parameter, so change the old one's `.data`."""
    conv.weight = conv.weight * keep.view(-1, 1, 1, 1)


def silence_filters_hidden(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """`torch.nn.utils.prune` puts a mask over the weights: `weight_orig` still holds them all."""
    for layer in (conv, bn):
        for name, p in list(layer.named_parameters()):
            where = keep.view(-1, *[1] * (p.dim() - 1)).expand_as(p)
            prune.custom_from_mask(layer, name, where)


def silence_filters_frozen(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """Your layers do not train any more: to change values without autograd, there are `.data` and
    `torch.no_grad()`.
    """
    for parameter in (*conv.parameters(), *bn.parameters()):
        parameter.requires_grad = False
        parameter[~keep] = 0


def silence_filters_turns_keep(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """`keep` itself has changed: `~keep` makes a new tensor, `logical_not_` does not."""
    structures.silence_filters(conv, bn, keep)
    keep.logical_not_()


def silence_filters_nearly(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """You make the parameters very small: they have to be exactly 0."""
    for parameter in (*conv.parameters(), *bn.parameters()):
        parameter.data[~keep] *= 1e-12


def silence_filters_forgets_statistics(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """Kept channels emit something else: BN's running statistics have to stay."""
    structures.silence_filters(conv, bn, keep)
    bn.reset_running_stats()


def silence_filters_thawed(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """A parameter that did not train trains now: leave `requires_grad` as it was."""
    structures.silence_filters(conv, bn, keep)
    for layer in (conv, bn):
        layer.requires_grad_(True)


def silence_filters_in_evaluation_mode(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """The layers come back in evaluation mode: leave the mode as it was."""
    structures.silence_filters(conv.eval(), bn.eval(), keep)


@torch.no_grad()
def silence_filters_multiplied(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """Multiplied by zeros and ones."""
    factor = keep.float()
    conv.weight.mul_(factor.view(-1, 1, 1, 1))
    if conv.bias is not None:
        conv.bias.mul_(factor)
    bn.weight.mul_(factor)
    bn.bias.mul_(factor)


def silence_filters_where(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """New parameters in the old layers."""
    for layer in (conv, bn):
        for name, old in list(layer.named_parameters()):
            stays = keep.view(-1, *[1] * (old.dim() - 1))
            value = torch.where(stays, old, 0.0).detach()
            setattr(layer, name, nn.Parameter(value, requires_grad=old.requires_grad))


@torch.no_grad()
def silence_filters_loop(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """Filter by filter."""
    for i in range(conv.out_channels):
        if keep[i]:
            continue
        conv.weight[i] = bn.weight[i] = bn.bias[i] = 0
        if conv.bias is not None:
            conv.bias[i] = 0


def silence_filters_numpy(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """Through numpy, which sees the same memory."""
    for parameter in (*conv.parameters(), *bn.parameters()):
        parameter.detach().numpy()[~keep.numpy()] = 0


def silence_filters_pruned_for_good(conv: nn.Conv2d, bn: nn.BatchNorm2d, keep: Tensor) -> None:
    """`torch.nn.utils.prune`, made permanent."""
    silence_filters_hidden(conv, bn, keep)
    for layer in (conv, bn):
        for name, _ in list(layer.named_parameters()):
            prune.remove(layer, name.removesuffix("_orig"))


# --- remove_filters -----------------------------------------------------------------------------


def shrunk(conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor) -> Layers:
    """The right answer, on which mistakes are made."""
    return structures.remove_filters(conv1, bn1, conv2, keep)


def remove_filters_next_left(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """The next convolution still has kernels for the channels that are gone."""
    return (*shrunk(conv1, bn1, conv2, keep)[:2], copy.deepcopy(conv2))


def remove_filters_first_n(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """The next convolution keeps its *first* kernels, not those of the channels that stay."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[2].weight = nn.Parameter(conv2.weight.data[:, : int(keep.sum())])
    return small


def remove_filters_missing_colon(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """You cut filters of the next convolution: it loses *inputs*, which is its dimension 1."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[2].weight = nn.Parameter(conv2.weight.data[keep[: conv2.out_channels]])
    return small


def remove_filters_bn_left(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """The batch normalisation still has all its channels."""
    small = shrunk(conv1, bn1, conv2, keep)
    return small[0], copy.deepcopy(bn1), small[2]


def remove_filters_fresh_bn(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """Your new BN knows nothing: its γ, β, running mean and variance have to come along."""
    small = shrunk(conv1, bn1, conv2, keep)
    return small[0], nn.BatchNorm2d(int(keep.sum())).train(bn1.training), small[2]


def remove_filters_bn_statistics_fresh(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """The running mean and variance of BN are new: they are buffers, and belong to a channel."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[1].reset_running_stats()
    return small


def remove_filters_bn_statistics_left(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """BN's running mean and variance still have all channels: they are buffers, not parameters."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[1].running_mean, small[1].running_var = bn1.running_mean, bn1.running_var
    return small


def remove_filters_stale_attributes(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """The tensors shrank but the layers still *say* their old size: see their attributes."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[0].out_channels = small[2].in_channels = conv1.out_channels
    small[1].num_features = bn1.num_features
    return small


def remove_filters_inverted(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """You removed the filters that were to stay: True means keep."""
    return shrunk(conv1, bn1, conv2, ~keep)


def remove_filters_in_place(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """The layers that you were given have changed: make new ones."""
    for old, new in zip((conv1, bn1, conv2), shrunk(conv1, bn1, conv2, keep), strict=True):
        old.__dict__ |= new.__dict__
    return conv1, bn1, conv2


def remove_filters_no_padding(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """Stride and padding of the old convolutions got lost on the way to the new ones."""
    small = shrunk(conv1, bn1, conv2, keep)
    for conv in (small[0], small[2]):
        conv.stride, conv.padding = (1, 1), (0, 0)
    return small


def remove_filters_loses_bias(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """A convolution with bias has lost it."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[0].bias = small[2].bias = None
    return small


def remove_filters_silenced(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """The layers are as large as before: zeros are not enough here, the filters have to go."""
    conv1, bn1, conv2 = copy.deepcopy((conv1, bn1, conv2))
    structures.silence_filters(conv1, bn1, keep)
    return conv1, bn1, conv2


def remove_filters_bn_in_training(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """Your new BN is in training mode, where it uses the batch: the old one was in evaluation
    mode.
    """
    small = shrunk(conv1, bn1, conv2, keep)
    small[1].train()
    return small


def remove_filters_bn_settings_lost(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """Your new BN has PyTorch's own `eps` and `momentum`, not those of the old one."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[1].eps, small[1].momentum = 1e-5, 0.1
    return small


def remove_filters_bias_left(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """The bias of the first convolution still has an entry for each filter that is gone."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[0].bias = copy.deepcopy(conv1.bias)
    return small


def remove_filters_gains_bias(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """A convolution without bias has got one: `nn.Conv2d` makes it unless you say `bias=False`."""
    small = shrunk(conv1, bn1, conv2, keep)
    for conv in (small[0], small[2]):
        conv.bias = conv.bias or nn.Parameter(torch.zeros(conv.out_channels))
    return small


def remove_filters_tensors(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """Your weights are plain tensors, which no optimizer would find: they have to be Parameters."""
    small = shrunk(conv1, bn1, conv2, keep)
    for layer in small:
        for name, parameter in list(layer.named_parameters()):
            delattr(layer, name)
            setattr(layer, name, parameter.data)
    return small


def remove_filters_shallow(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """New and old layers share a tensor: train one, and the other changes, too. Copy it."""
    conv1, bn1, conv2 = copy.copy(conv1), copy.copy(bn1), copy.copy(conv2)
    for layer, dim in ((conv1, 0), (bn1, 0), (conv2, 1)):
        layer._parameters, layer._buffers = dict(layer._parameters), dict(layer._buffers)
        for name, p in list(layer.named_parameters()):
            if p.dim() > dim:
                setattr(layer, name, nn.Parameter(p.data.index_select(dim, keep.nonzero()[:, 0])))
    for name in ("running_mean", "running_var"):
        setattr(bn1, name, bn1.get_buffer(name)[keep])
    conv1.out_channels = bn1.num_features = conv2.in_channels = int(keep.sum())
    return conv1, bn1, conv2


def rebuilt(conv: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """A new convolution around a weight."""
    names = ("kernel_size", "stride", "padding", "dilation", "padding_mode")
    settings: dict[str, Any] = {name: getattr(conv, name) for name in names}
    new = nn.Conv2d(weight.shape[1], weight.shape[0], bias=bias is not None, **settings)
    new.weight.data = weight.clone()
    if new.bias is not None and bias is not None:
        new.bias.data = bias.clone()
    return new.train(conv.training)


def remove_filters_stale_out_channels(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """The first convolution still *says* its old size: see `out_channels`."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[0].out_channels = conv1.out_channels
    return small


def remove_filters_stale_num_features(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """The batch normalisation still *says* its old size: see `num_features`."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[1].num_features = bn1.num_features
    return small


def remove_filters_stale_in_channels(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """The next convolution still *says* its old size: see `in_channels`."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[2].in_channels = conv2.in_channels
    return small


def remove_filters_loses_first_bias(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """A convolution with bias has lost it."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[0].bias = None
    return small


def remove_filters_frozen(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """Your new layers do not train: their parameters have lost `requires_grad`."""
    small = shrunk(conv1, bn1, conv2, keep)
    for layer in small:
        layer.requires_grad_(False)
    return small


def remove_filters_four_tensors_of_bn(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """Your new BN has PyTorch's own `eps` and `momentum`, not those of the old one."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[1].eps, small[1].momentum = 1e-5, 0.1
    small[1].get_buffer("num_batches_tracked").zero_()
    return small


def remove_filters_forgets_batches(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """Your new BN has lost `num_batches_tracked` of the old one: it is a buffer, too."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[1].get_buffer("num_batches_tracked").zero_()
    return small


def remove_filters_eps_lost(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """Your new BN has PyTorch's own `eps`, not that of the old one."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[1].eps = 1e-5
    return small


def remove_filters_shares_bias(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """New and old layers share a tensor: train one, and the other changes, too. Copy it."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[2].bias = conv2.bias
    return small


def remove_filters_shares_count(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """New and old layers share a tensor: train one, and the other changes, too. Copy it."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[1].num_batches_tracked = bn1.num_batches_tracked
    return small


def remove_filters_first_kernels(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """The next convolution keeps its *first* kernels, not those of the channels that stay."""
    small = shrunk(conv1, bn1, conv2, keep)
    small[2].weight = nn.Parameter(conv2.weight.data[:, : int(keep.sum())].clone())
    return small


def remove_filters_first_filters(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """You keep the *first* filters, as many as stay: which ones stay, `keep` says."""
    first = torch.arange(len(keep)) < keep.sum()
    return shrunk(conv1, bn1, conv2, first)


def remove_filters_nothing_to_do(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """Where all filters stay you give back the old layers: the new ones share no tensor."""
    return (conv1, bn1, conv2) if keep.all() else shrunk(conv1, bn1, conv2, keep)


def remove_filters_statistics_as_parameters(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """Running statistics have become parameters: they are buffers, which no optimizer moves."""
    layers = structures.remove_filters(conv1, bn1, conv2, keep)
    for name in ("running_mean", "running_var"):
        kept = nn.Parameter(layers[1].get_buffer(name), requires_grad=False)
        delattr(layers[1], name)
        layers[1].register_parameter(name, kept)
    return layers


def remove_filters_at_least_two(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """More than `keep` says is kept where only one filter stays: one is enough."""
    more = keep if keep.sum() > 1 else torch.ones_like(keep)
    return structures.remove_filters(conv1, bn1, conv2, more)


@torch.no_grad()
def remove_filters_anew(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """New layers by their constructors, copied with indices."""
    stay = keep.nonzero().flatten()
    bn = nn.BatchNorm2d(len(stay), eps=bn1.eps, momentum=bn1.momentum)
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(bn, name).copy_(getattr(bn1, name)[stay])
    bn.get_buffer("num_batches_tracked").copy_(bn1.get_buffer("num_batches_tracked"))
    bias = None if conv1.bias is None else conv1.bias[stay]
    first = rebuilt(conv1, conv1.weight[stay], bias)
    return first, bn.train(bn1.training), rebuilt(conv2, conv2.weight[:, stay], conv2.bias)


def remove_filters_index_select(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> Layers:
    """Deep copies, `index_select` through `.data`, attributes last."""
    index = torch.arange(len(keep))[keep]
    conv1, bn1, conv2 = copy.deepcopy((conv1, bn1, conv2))
    for layer in (conv1, bn1):
        for tensor in (*layer.parameters(), *layer.buffers()):
            if tensor.dim():
                tensor.data = tensor.data.index_select(0, index)
    conv2.weight.data = conv2.weight.data.index_select(1, index)
    conv1.out_channels = bn1.num_features = conv2.in_channels = len(index)
    return conv1, bn1, conv2


def remove_filters_state_dict(
    conv1: nn.Conv2d, bn1: nn.BatchNorm2d, conv2: nn.Conv2d, keep: Tensor
) -> list[nn.Module]:
    """Through state dicts; a list instead of a tuple."""
    first = {name: value[keep] for name, value in conv1.state_dict().items()}
    second = {n: value[keep] if value.dim() else value for n, value in bn1.state_dict().items()}
    third = conv2.state_dict() | {"weight": conv2.weight.detach()[:, keep]}
    bn = nn.BatchNorm2d(int(keep.sum()), bn1.eps, bn1.momentum).train(bn1.training)
    bn.load_state_dict(second)
    return [
        rebuilt(conv1, first["weight"], first.get("bias")),
        bn,
        rebuilt(conv2, third["weight"], third.get("bias")),
    ]


# --- free_convs ---------------------------------------------------------------------------------


def convs(model: nn.Module) -> list[str]:
    """The names of all convolutions."""
    return [name for name, m in model.named_modules() if isinstance(m, nn.Conv2d)]


def free_convs_with_stem(model: nn.Module) -> list[str]:
    """The stem is among yours: its feature map is what the first block is *added* to."""
    return [name for name in convs(model) if name.endswith("conv1")]


def free_convs_conv2(model: nn.Module) -> list[str]:
    """You list those whose feature map goes into the addition: these are the tied ones."""
    return [name for name in convs(model) if name.endswith("conv2")]


def free_convs_all_of_blocks(model: nn.Module) -> list[str]:
    """Both convolutions of a block are among yours: follow the feature map of the second one."""
    return [name for name in convs(model) if ".conv" in name]


def free_convs_all(model: nn.Module) -> list[str]:
    """Every convolution is among yours: follow each feature map to the next addition."""
    return convs(model)


def free_convs_not_downsampling(model: nn.Module) -> list[str]:
    """The blocks that halve the image have a free convolution, too: only its input is larger."""
    blocks = [n for n, m in model.named_modules() if isinstance(m, Block) and m.downsample is None]
    return [f"{name}.conv1" for name in blocks]


def free_convs_parameters(model: nn.Module) -> list[str]:
    """These name no layer: asked are names as in `model.named_modules()`, without `.weight`."""
    return [f"{name}.weight" for name in structures.free_convs(model)]


def free_convs_shortcuts(model: nn.Module) -> list[str]:
    """The 1x1 convolutions of the shortcuts are among yours: their feature map is added, too."""
    tied = {"conv1", *(name for name in convs(model) if name.endswith("conv2"))}
    return [name for name in convs(model) if name not in tied]


def free_convs_blocks(model: nn.Module) -> list[str]:
    """You give the names of the blocks: which convolution in them?"""
    return [name for name, module in model.named_modules() if isinstance(module, Block)]


def free_convs_norms(model: nn.Module) -> list[str]:
    """You give the names of batch normalisations: asked are those of the convolutions."""
    return [name.replace("conv", "bn") for name in structures.free_convs(model)]


def free_convs_unordered(model: nn.Module) -> list[str]:
    """The names are right but not in the network's order."""
    return structures.free_convs(model)[::-1]


def free_convs_layers(model: nn.Module) -> list[nn.Module]:
    """You list the layers themselves: their names are asked."""
    return [model.get_submodule(name) for name in structures.free_convs(model)]


def free_convs_not_the_first_stage(model: nn.Module) -> list[str]:
    """The blocks of the first stage have a free convolution, too."""
    return [name for name in structures.free_convs(model) if not name.startswith("layer1")]


def free_convs_last_parts(model: nn.Module) -> list[str]:
    """You give the last part of each name: asked are whole names, as in `model.named_modules()`."""
    return [name.rpartition(".")[2] for name in structures.free_convs(model)]


def free_convs_with_the_last(model: nn.Module) -> list[str]:
    """The last convolution of all is among yours: it writes into a sum, too."""
    return [*structures.free_convs(model), "layer3.2.conv2"]


def free_convs_not_the_first_blocks(model: nn.Module) -> list[str]:
    """The first block of each stage has a free convolution, too."""
    return [name for name in structures.free_convs(model) if ".0." not in name]


def free_convs_isinstance(model: nn.Module) -> list[str]:
    """By the type of the block."""
    return [f"{n}.conv1" for n, module in model.named_modules() if isinstance(module, Block)]


def free_convs_written_out(model: nn.Module) -> list[str]:
    """All nine, by stage and block."""
    return [f"layer{stage}.{block}.conv1" for stage in (1, 2, 3) for block in (0, 1, 2)]


def free_convs_by_elimination(model: nn.Module) -> tuple[str, ...]:
    """What is not tied; a tuple."""
    tied = ("conv2", "downsample.0")
    return tuple(n for n in convs(model) if not n.endswith(tied) and n != "conv1")


MISTAKES: dict[str, list[Callable]] = {
    "magnitude_mask": [
        magnitude_mask_no_abs,
        magnitude_mask_floor,
        magnitude_mask_keeps_the_fraction,
        magnitude_mask_inverted,
        magnitude_mask_keeps_smallest,
        magnitude_mask_threshold_ties,
        magnitude_mask_kthvalue_of_zero,
        magnitude_mask_quantile,
        magnitude_mask_per_row,
        magnitude_mask_changes_weight,
        magnitude_mask_view,
        magnitude_mask_float,
        magnitude_mask_pruned_weight,
        magnitude_mask_ceil,
        magnitude_mask_at_least_threshold,
        magnitude_mask_minus_zero,
        magnitude_mask_places_for_ranks,
        magnitude_mask_quantile_in_half,
        magnitude_mask_squares,
        magnitude_mask_numpy_of_a_parameter,
        magnitude_mask_abs_in_place,
        magnitude_mask_half_up,
        magnitude_mask_rounds_what_stays,
        magnitude_mask_in_float,
        magnitude_mask_from_the_threshold_on,
        magnitude_mask_flat,
        magnitude_mask_from_the_quantile_on,
        magnitude_mask_one_stays,
    ],
    "local_masks": [
        local_masks_abs,
        local_masks_global,
        local_masks_first_count,
        local_masks_keeps_highest_wrong_way,
        local_masks_keeps_the_fraction,
        local_masks_no_classifier,
        local_masks_no_stem,
        local_masks_flat,
        local_masks_ties,
        local_masks_floor,
        local_masks_ceil,
        local_masks_inverted,
        local_masks_return_in_loop,
        local_masks_quantile,
        local_masks_one_threshold,
        local_masks_half_up,
        local_masks_in_float,
        local_masks_threshold_of_all,
        local_masks_rounds_what_stays,
        local_masks_len,
        local_masks_list,
        local_masks_one_stays,
        local_masks_floats,
        local_masks_same_number,
        local_masks_short_names,
        local_masks_spares_a_single_score,
        local_masks_share_of_nonzeros,
    ],
    "global_masks": [
        global_masks_local,
        global_masks_mean_threshold,
        global_masks_first_threshold,
        global_masks_last_threshold,
        global_masks_ties,
        global_masks_abs,
        global_masks_wrong_way,
        global_masks_no_classifier,
        global_masks_normalised,
        global_masks_sequential,
        global_masks_max_for_all,
        global_masks_floor,
        global_masks_inverted,
        global_masks_keeps_the_fraction,
        global_masks_quantile,
        global_masks_kthvalue_of_zero,
        global_masks_one_list,
        global_masks_wrong_start,
        global_masks_half_up,
        global_masks_in_float,
        global_masks_from_the_threshold_on,
        global_masks_counts_by_layer,
        global_masks_best_of_each,
        global_masks_flat,
        global_masks_one_stays,
        global_masks_always_from_the_start,
        global_masks_clipped,
        global_masks_shifted,
        global_masks_spares_a_single_score,
    ],
    "empty_layers": [
        empty_layers_any_pruned,
        empty_layers_alive,
        empty_layers_first_only,
        empty_layers_flags,
        empty_layers_nearly,
        empty_layers_empty_row,
        empty_layers_sorted,
        empty_layers_first_weight,
        empty_layers_sum_of_places,
        empty_layers_places,
        empty_layers_one_left,
        empty_layers_first_row,
        empty_layers_a_row_of_any,
        empty_layers_count,
        empty_layers_none,
        empty_layers_with_masks,
        empty_layers_by_size,
        empty_layers_in_bytes,
    ],
    "account": [
        account_mean_of_layers,
        account_of_all_parameters,
        account_compression_of_weights,
        account_state_dict,
        account_only_masked,
        account_inverse_compression,
        account_density_for_sparsity,
        account_percent,
        account_zeros_of_weights,
        account_children,
        account_trainable,
        account_all_zeros,
        account_needs_every_mask,
        account_unmasked_is_pruned,
        account_zeros_of_pruned_weights,
        account_prunes,
        account_tensors,
        account_of_listed_layers,
    ],
    "filter_mask": [
        filter_mask_inputs,
        filter_mask_first,
        filter_mask_keeps_smallest,
        filter_mask_no_abs,
        filter_mask_late_abs,
        filter_mask_l2,
        filter_mask_largest_weight,
        filter_mask_none_stays,
        filter_mask_floor,
        filter_mask_inverted,
        filter_mask_whole_shape,
        filter_mask_indices,
        filter_mask_ceil,
        filter_mask_keeps_the_fraction,
        filter_mask_first_stays,
        filter_mask_threshold_ties,
        filter_mask_at_least_threshold,
        filter_mask_places_for_ranks,
        filter_mask_half_up,
        filter_mask_in_float,
        filter_mask_floats,
        filter_mask_mean_of_nonzeros,
        filter_mask_first_channel,
        filter_mask_ninety_percent,
    ],
    "silence_filters": [
        silence_filters_conv_only,
        silence_filters_bn_only,
        silence_filters_shift_left,
        silence_filters_scale_left,
        silence_filters_inverted,
        silence_filters_inputs,
        silence_filters_conv_bias_left,
        silence_filters_needs_bias,
        silence_filters_on_a_copy,
        silence_filters_tracked,
        silence_filters_tensors,
        silence_filters_hidden,
        silence_filters_frozen,
        silence_filters_turns_keep,
        silence_filters_nearly,
        silence_filters_forgets_statistics,
        silence_filters_thawed,
        silence_filters_in_evaluation_mode,
    ],
    "remove_filters": [
        remove_filters_next_left,
        remove_filters_first_n,
        remove_filters_missing_colon,
        remove_filters_bn_left,
        remove_filters_fresh_bn,
        remove_filters_bn_statistics_fresh,
        remove_filters_bn_statistics_left,
        remove_filters_stale_attributes,
        remove_filters_inverted,
        remove_filters_in_place,
        remove_filters_no_padding,
        remove_filters_loses_bias,
        remove_filters_silenced,
        remove_filters_bn_in_training,
        remove_filters_bn_settings_lost,
        remove_filters_bias_left,
        remove_filters_gains_bias,
        remove_filters_tensors,
        remove_filters_shallow,
        remove_filters_stale_out_channels,
        remove_filters_stale_num_features,
        remove_filters_stale_in_channels,
        remove_filters_loses_first_bias,
        remove_filters_frozen,
        remove_filters_four_tensors_of_bn,
        remove_filters_forgets_batches,
        remove_filters_eps_lost,
        remove_filters_shares_bias,
        remove_filters_shares_count,
        remove_filters_first_kernels,
        remove_filters_first_filters,
        remove_filters_nothing_to_do,
        remove_filters_statistics_as_parameters,
        remove_filters_at_least_two,
    ],
    "free_convs": [
        free_convs_with_stem,
        free_convs_conv2,
        free_convs_all_of_blocks,
        free_convs_all,
        free_convs_not_downsampling,
        free_convs_parameters,
        free_convs_shortcuts,
        free_convs_blocks,
        free_convs_norms,
        free_convs_unordered,
        free_convs_layers,
        free_convs_not_the_first_stage,
        free_convs_last_parts,
        free_convs_with_the_last,
        free_convs_not_the_first_blocks,
    ],
}

ALTERNATIVES: dict[str, list[Callable]] = {
    "magnitude_mask": [
        magnitude_mask_topk,
        magnitude_mask_kthvalue,
        magnitude_mask_numpy,
        magnitude_mask_ranks,
        magnitude_mask_unravelled,
    ],
    "local_masks": [
        local_masks_topk,
        local_masks_by_magnitude,
        local_masks_numpy,
    ],
    "global_masks": [
        global_masks_topk,
        global_masks_one_by_one,
        global_masks_numpy,
    ],
    "empty_layers": [
        empty_layers_sum,
        empty_layers_inverse,
        empty_layers_numpy,
    ],
    "account": [
        account_kept,
        account_modules,
        account_not_a_number,
    ],
    "filter_mask": [
        filter_mask_topk,
        filter_mask_linalg,
        filter_mask_loop,
    ],
    "silence_filters": [
        silence_filters_multiplied,
        silence_filters_where,
        silence_filters_loop,
        silence_filters_numpy,
        silence_filters_pruned_for_good,
    ],
    "remove_filters": [
        remove_filters_anew,
        remove_filters_index_select,
        remove_filters_state_dict,
    ],
    "free_convs": [
        free_convs_isinstance,
        free_convs_written_out,
        free_convs_by_elimination,
    ],
}
