"""What students write instead, for each exercise of lab 6.

MISTAKES are wrong, and the first paragraph of each one's docstring is the hint that a student
gets who makes it. ALTERNATIVES are right in another way than `further`, and must pass.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab import masks as held
from pruninglab.models import prunable
from solutions.lab1_structures.exercises import (
    filter_mask,
    global_masks,
    local_masks,
    remove_filters,
    silence_filters,
)
from solutions.lab6_further import exercises as further

Named = dict[str, Tensor]
Product = Callable[[Tensor, Tensor], Tensor]
Noise = Callable[[Tensor], Tensor]
Score = Callable[[nn.Module], Named]


# --- hessian_diagonal ---------------------------------------------------------------------------


def fisher(
    model: nn.Module,
    x: Tensor,
    part: Callable[[Tensor, Tensor], Tensor] = lambda p, g: p * g.square(),
    mean: bool = True,
) -> Named:
    """The sum over inputs and classes of `part(probability, gradient)`, and its mean."""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for one in x:
        for log_p in model(one[None]).log_softmax(1)[0]:
            gradients = torch.autograd.grad(log_p, list(weights.values()), retain_graph=True)
            for name, g in zip(weights, gradients, strict=True):
                total[name] += part(log_p.detach().exp(), g) / (len(x) if mean else 1)
    return {name: h.detach() for name, h in total.items()}


def hessian_diagonal_square_of_mean(model: nn.Module, x: Tensor) -> Named:
    """The gradients are averaged over the inputs *before* they are squared: opposite ones cancel.
    Where does the square stand in the formula, inside the mean or outside?"""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    log_p = model(x).log_softmax(1)  # (N, C)
    for c in range(log_p.shape[1]):
        weighted = (log_p[:, c].detach().exp().sqrt() * log_p[:, c]).mean()
        gradients = torch.autograd.grad(weighted, list(weights.values()), retain_graph=True)
        for name, g in zip(weights, gradients, strict=True):
            total[name] += g.square()
    return {name: h.detach() for name, h in total.items()}


def hessian_diagonal_no_probability(model: nn.Module, x: Tensor) -> Named:
    """Every class counts the same: weight each squared gradient by the probability that the
    network gives to that class."""
    return fisher(model, x, lambda p, g: g.square())


def hessian_diagonal_weight_inside_square(model: nn.Module, x: Tensor) -> Named:
    """The probability is squared along with the gradient: p · g², not (p · g)²."""
    return fisher(model, x, lambda p, g: (p * g).square())


def hessian_diagonal_not_squared(model: nn.Module, x: Tensor) -> Named:
    """The gradients are not squared: their mean over the network's own labels is zero."""
    return fisher(model, x, lambda p, g: p * g)


def hessian_diagonal_absolute(model: nn.Module, x: Tensor) -> Named:
    """Magnitudes of gradients are averaged, where the formula has their squares."""
    return fisher(model, x, lambda p, g: p * g.abs())


def hessian_diagonal_sum(model: nn.Module, x: Tensor) -> Named:
    """This is the sum over the inputs: the more inputs, the larger. Take the mean."""
    return fisher(model, x, mean=False)


def hessian_diagonal_most_probable(model: nn.Module, x: Tensor) -> Named:
    """Only the most probable class of each input is used: the sum goes over *all* classes."""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for one in x:
        best = model(one[None]).log_softmax(1)[0].max()
        for name, g in zip(weights, torch.autograd.grad(best, list(weights.values())), strict=True):
            total[name] += g.square() / len(x)
    return {name: h.detach() for name, h in total.items()}


def hessian_diagonal_of_outputs(model: nn.Module, x: Tensor) -> Named:
    """These are gradients of the raw outputs: take those of log p, the log-softmax of them."""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for one in x:
        outputs = model(one[None])[0]
        for p, output in zip(outputs.detach().softmax(0), outputs, strict=True):
            gradients = torch.autograd.grad(output, list(weights.values()), retain_graph=True)
            for name, g in zip(weights, gradients, strict=True):
                total[name] += p * g.square() / len(x)
    return {name: h.detach() for name, h in total.items()}


def hessian_diagonal_with_biases(model: nn.Module, x: Tensor) -> Named:
    """Biases are in it too: only the weights that `prunable` lists are asked for."""
    parameters = dict(model.named_parameters())
    total = {name: torch.zeros_like(w) for name, w in parameters.items()}
    for one in x:
        for log_p in model(one[None]).log_softmax(1)[0]:
            gradients = torch.autograd.grad(log_p, list(parameters.values()), retain_graph=True)
            for name, g in zip(parameters, gradients, strict=True):
                total[name] += log_p.detach().exp() * g.square() / len(x)
    return {name: h.detach() for name, h in total.items()}


def hessian_diagonal_stale_gradients(model: nn.Module, x: Tensor) -> Named:
    """`backward` *adds* to `.grad`, and what an earlier call left there is still in it: set the
    gradients to zero in between, or use `torch.autograd.grad`."""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for one in x:
        for c, p in enumerate(model(one[None]).detach().softmax(1)[0]):
            model(one[None]).log_softmax(1)[0, c].backward()
            for name, w in weights.items():
                if w.grad is not None:
                    total[name] += p * w.grad.square() / len(x)
    return {name: h.detach() for name, h in total.items()}


def hessian_diagonal_mean_of_classes(model: nn.Module, x: Tensor) -> Named:
    """The sum over the classes is divided by their number: the probabilities weigh them already."""
    classes = model(x[:1]).shape[1]
    return fisher(model, x, lambda p, g: p * g.square() / classes)


def hessian_diagonal_of_the_label(model: nn.Module, x: Tensor) -> Named:
    """Cross-entropy with one label per input: no label is asked for here, *every* class counts, by
    its probability."""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for one in x:
        outputs = model(one[None])
        loss = F.cross_entropy(outputs, outputs.argmin(1))
        for name, g in zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True):
            total[name] += g.square() / len(x)
    return {name: h.detach() for name, h in total.items()}


def hessian_diagonal_linear_only(model: nn.Module, x: Tensor) -> Named:
    """Only linear layers are there: a convolution has weights, too, and `prunable` lists them."""
    right = further.hessian_diagonal(model, x)
    return {name: h for name, h in right.items() if h.dim() == 2}


def hessian_diagonal_backward(model: nn.Module, x: Tensor) -> Named:
    """With `backward` on a copy, and zeroed gradients."""
    twin = copy.deepcopy(model)
    total = {name: torch.zeros_like(w) for name, w in prunable(model).items()}
    classes = model(x[:1]).shape[1]
    for one in x:
        for c in range(classes):
            twin.zero_grad()
            log_p = F.log_softmax(twin(one.unsqueeze(0)), dim=1)[0, c]
            log_p.backward()
            for name, w in prunable(twin).items():
                assert w.grad is not None
                total[name] += log_p.exp().item() * w.grad**2
    return {name: t / len(x) for name, t in total.items()}


def hessian_diagonal_jacobian(model: nn.Module, x: Tensor) -> Named:
    """By torch.func: Jacobians of all examples at once, and J^T·(diag p - p·p^T)·J."""
    weights = {name: w.detach() for name, w in prunable(model).items()}

    def outputs(w: Named, one: Tensor) -> Tensor:
        return torch.func.functional_call(model, w, (one[None],))[0]

    jacobians = torch.func.vmap(torch.func.jacrev(outputs), (None, 0))(weights, x)
    p = model(x).detach().softmax(1)  # (N, C)
    found = {}
    for name, j in jacobians.items():  # (N, C, *shape)
        q = p.view(*p.shape, *[1] * (j.dim() - 2))
        found[name] = ((q * j.square()).sum(1) - (q * j).sum(1).square()).mean(0)
    return found


def hessian_diagonal_outer(model: nn.Module, x: Tensor) -> Named:
    """Scaled losses: the gradient of √p · log p, squared, one class of one image at a time."""
    weights = prunable(model)
    rows = []
    for i in range(len(x)):
        log_p = torch.log(torch.softmax(model(x[i : i + 1]), dim=-1)).flatten()
        scaled = log_p.detach().exp().sqrt() * log_p
        for value in scaled:
            gradients = torch.autograd.grad(value, tuple(weights.values()), retain_graph=True)
            rows.append([g * g for g in gradients])
    means = [torch.stack(column).sum(0) / len(x) for column in zip(*rows, strict=True)]
    return dict(zip(weights, means, strict=True))


# --- obd_scores ---------------------------------------------------------------------------------


def obd_scores_no_half(weights: Named, diagonal: Named) -> Named:
    """Twice what it should be: a Taylor series has a ½ before its second-order term."""
    return {name: diagonal[name] * w.detach() ** 2 for name, w in weights.items()}


def obd_scores_not_squared(weights: Named, diagonal: Named) -> Named:
    """The weight is not squared, so some scores are negative: how does a parabola grow?"""
    return {name: 0.5 * diagonal[name] * w.detach() for name, w in weights.items()}


def obd_scores_magnitude(weights: Named, diagonal: Named) -> Named:
    """The weight enters by its magnitude: how does a parabola grow?"""
    return {name: 0.5 * diagonal[name] * w.detach().abs() for name, w in weights.items()}


def obd_scores_curvature_squared(weights: Named, diagonal: Named) -> Named:
    """The curvature is squared as well: only the weight is."""
    return {name: 0.5 * (diagonal[name] * w.detach()) ** 2 for name, w in weights.items()}


def obd_scores_inverse(weights: Named, diagonal: Named) -> Named:
    """Divided by the curvature: along a weight of *high* curvature the loss rises fast. (Dividing
    is right for the diagonal of the inverse, in Optimal Brain Surgeon.)"""
    return {name: 0.5 * w.detach() ** 2 / diagonal[name] for name, w in weights.items()}


def obd_scores_no_weight(weights: Named, diagonal: Named) -> Named:
    """The weight itself does not enter: how far is it from zero?"""
    return {name: 0.5 * diagonal[name] for name in weights}


def obd_scores_sum(weights: Named, diagonal: Named) -> Named:
    """One number a layer: each *weight* has a saliency of its own."""
    return {name: (0.5 * diagonal[name] * w.detach() ** 2).sum() for name, w in weights.items()}


def obd_scores_by_place(weights: Named, diagonal: Named) -> Named:
    """Weights and curvatures are paired by their place in the dicts: pair them by *name*."""
    pairs = zip(weights.items(), diagonal.values(), strict=True)
    return {name: 0.5 * h * w.detach() ** 2 for (name, w), h in pairs}


def obd_scores_in_place(weights: Named, diagonal: Named) -> Named:
    """Your function overwrites the tensors it was given: names of methods that end in `_`, and
    `*=`, work in place."""
    return {n: w.detach().square_().mul_(diagonal[n]).mul_(0.5) for n, w in weights.items()}


def obd_scores_loop(weights: Named, diagonal: Named) -> Named:
    """A loop, `pow` and a division."""
    scores = {}
    for name in weights:
        scores[name] = torch.pow(weights[name].data, 2).mul(diagonal[name]).div(2)
    return scores


def obd_scores_root(weights: Named, diagonal: Named) -> Named:
    """The square of w·√(h/2)."""
    return {name: (w * (diagonal[name] / 2).sqrt()).square() for name, w in weights.items()}


def obd_scores_taylor(weights: Named, diagonal: Named) -> Named:
    """As a Taylor series in δ = -w."""
    deltas = {name: -w.detach() for name, w in weights.items()}
    return {name: d * diagonal[name] * d / 2 for name, d in deltas.items()}


# --- synflow_scores -----------------------------------------------------------------------------


def flow(
    model: nn.Module,
    x: Tensor,
    positive: Callable[[str], bool] = lambda name: True,
    multiply: bool = True,
    training: bool = False,
) -> Named:
    """SynFlow with its parts to be left out."""
    twin = copy.deepcopy(model).to(x.dtype).train(training)
    for name, parameter in twin.named_parameters():
        if positive(name):
            parameter.data.abs_()
    weights = prunable(twin)
    gradients = torch.autograd.grad(twin(x).sum(), list(weights.values()))
    return {
        name: (w * g if multiply else g).detach()
        for (name, w), g in zip(weights.items(), gradients, strict=True)
    }


def ones(shape: tuple[int, ...]) -> Tensor:
    """The input of SynFlow."""
    return torch.ones(1, *shape, dtype=torch.float64)


def synflow_scores_signs_kept(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The weights still have their signs, and the flow through them cancels."""
    return flow(model, ones(shape), positive=lambda name: False)


def synflow_scores_signs_kept_abs(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The magnitude is taken of the *scores*: it belongs to the parameters, before the forward
    pass, or positive and negative flow cancel on the way."""
    return {n: s.abs() for n, s in flow(model, ones(shape), lambda name: False).items()}


def synflow_scores_weights_only(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """Some parameters kept their sign: biases and BN's are parameters too."""
    names = set(prunable(model))
    return flow(model, ones(shape), positive=lambda name: name in names)


def synflow_scores_gradient_alone(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """This is the gradient alone: the flow *through* a weight is |θ| times it."""
    return flow(model, ones(shape), multiply=False)


def synflow_scores_random_data(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The input is not made of ones: SynFlow sees neither data nor noise."""
    noise = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    return flow(model, noise.double())


def synflow_scores_single_precision(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """In single precision large flows become `inf` and small ones are lost: `.double()`."""
    return flow(model, torch.ones(1, *shape))


def synflow_scores_cast_at_the_end(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The result is float64, but it was computed in single precision: convert the network first."""
    return {n: s.double() for n, s in flow(model, torch.ones(1, *shape)).items()}


def synflow_scores_train_mode(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """Batch normalisation in training mode subtracts the mean of the batch, and of a single
    constant image nothing is left: call `.eval()`."""
    return flow(model, ones(shape), training=True)


def synflow_scores_signs_lost(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """Your function changed the network it was given: put its signs back, or work on a copy."""
    for parameter in model.parameters():
        parameter.data.abs_()
    return flow(model, ones(shape))


def synflow_scores_stale_gradients(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """`backward` adds to the gradient that the network already had, and leaves its own there: use
    `torch.autograd.grad`, or a copy whose gradients you set to zero."""
    before, was_training = copy.deepcopy(model.state_dict()), model.training
    model.double().eval()
    for parameter in model.parameters():
        parameter.data.abs_()
    model(ones(shape)).sum().backward()
    weights = prunable(model).items()
    scores = {n: (w * w.grad).detach().clone() for n, w in weights if w.grad is not None}
    model.float().train(was_training).load_state_dict(before)
    return scores


def synflow_scores_modes(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """`.train()` at the end sets *every* layer to training mode, and some were not in it: work on
    a copy."""
    scores = further.synflow_scores(model, shape)
    model.train(model.training)
    return scores


def synflow_scores_frozen(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The parameters of the network that you were given take no gradients any more: work on a
    copy."""
    scores = further.synflow_scores(model, shape)
    model.requires_grad_(False)
    return scores


def synflow_scores_mean(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """R is the mean of the outputs here: it is their sum."""
    outputs = model(torch.ones(1, *shape)).numel()
    return {n: s / outputs for n, s in further.synflow_scores(model, shape).items()}


def synflow_scores_backward(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """With `backward` on a copy without gradients."""
    twin = copy.deepcopy(model)
    twin.zero_grad()
    twin.eval().to(torch.float64)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.copy_(parameter.abs())
    torch.sum(twin(torch.ones((1, *shape)).double())).backward()
    scores = {}
    for name, weight in prunable(twin).items():
        assert weight.grad is not None
        scores[name] = weight.grad * weight.data
    return scores


def synflow_scores_functional(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """Without touching a network: torch.func on a dict of magnitudes."""
    twin = copy.deepcopy(model).double().eval()
    magnitudes = {name: p.detach().abs() for name, p in twin.named_parameters()}
    x = ones(shape)

    def total(parameters: Named) -> Tensor:
        return torch.func.functional_call(twin, parameters, (x,)).sum()

    gradients = torch.func.grad(total)(magnitudes)
    return {name: magnitudes[name] * gradients[name] for name in prunable(model)}


def synflow_scores_signs(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """As the authors do: keep the signs aside, and put them back."""
    twin = copy.deepcopy(model).double().eval()
    state = twin.state_dict()
    signs = {name: value.sign() for name, value in state.items()}
    for value in state.values():
        value.abs_()
    weights = prunable(twin)
    gradients = torch.autograd.grad(twin(ones(shape)).sum(), list(weights.values()))
    found = {n: w.detach().abs() * g for (n, w), g in zip(weights.items(), gradients, strict=True)}
    for name, value in state.items():
        value.mul_(signs[name])
    return found


# --- synflow_masks ------------------------------------------------------------------------------


def rounds_of(
    model: nn.Module,
    score: Score,
    left: list[float],
    local: bool = False,
    revive: bool = False,
) -> Named:
    """Prune to each of the densities `left`, with parts to be left out."""
    twin = copy.deepcopy(model)
    weights = prunable(twin)
    masks = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
    for density in left:
        ranked = {
            name: s.detach() if revive else s.detach().masked_fill(~masks[name], -torch.inf)
            for name, s in score(twin).items()
        }
        masks = (local_masks if local else global_masks)(ranked, 1 - density)
        for name, weight in weights.items():
            weight.data[~masks[name]] = 0
    return masks


def synflow_masks_one_round(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """The network is scored a single time, and that is how layers collapse: loop over the
    rounds, and call `score` again in each."""
    return rounds_of(model, score, [density])


def synflow_masks_linear(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """The density falls by the same *amount* each round: it should fall by the same *factor*."""
    left = [1 - (1 - density) * k / rounds for k in range(1, rounds + 1)]
    return rounds_of(model, score, left)


def synflow_masks_not_zeroed(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """Each round scores a network in which nothing is pruned: set the pruned weights to zero."""
    masks = held.from_weights(model)
    for k in range(1, rounds + 1):
        alive = {n: s.masked_fill(~masks[n], -torch.inf) for n, s in score(model).items()}
        masks = global_masks(alive, 1 - density ** (k / rounds))
    return masks


def synflow_masks_from_zero(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """The rounds count from 0 to n - 1, so the last one is missing and too much is kept."""
    return rounds_of(model, score, [density ** (k / rounds) for k in range(rounds)])


def synflow_masks_every_round_all(
    model: nn.Module, score: Score, density: float, rounds: int
) -> Named:
    """Each round keeps the share `density` of what is left: after n rounds that is density^n."""
    return rounds_of(model, score, [density**k for k in range(1, rounds + 1)])


def synflow_masks_density_for_sparsity(
    model: nn.Module, score: Score, density: float, rounds: int
) -> Named:
    """`density` is the share to keep, and here it is pruned: `global_masks` wants a sparsity."""
    return rounds_of(model, score, [1 - density ** (k / rounds) for k in range(1, rounds + 1)])


def synflow_masks_local(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """Every layer keeps the same share: the ranking is global."""
    return rounds_of(
        model, score, [density ** (k / rounds) for k in range(1, rounds + 1)], local=True
    )


def synflow_masks_revived(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """A weight that was pruned is back: where many scores are equal, the ranking may pick it
    again. Give pruned weights a score below all others."""
    return rounds_of(
        model, score, [density ** (k / rounds) for k in range(1, rounds + 1)], revive=True
    )


def synflow_masks_in_place(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """Your function zeroed weights of the network it was given: work on a copy."""
    masks = further.synflow_masks(model, score, density, rounds)
    held.apply(model, masks)
    return masks


def synflow_masks_times_mask(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """Pruned weights get a score of 0, and one that is alive may have 0 as well: then a pruned one
    comes back. Give them a score below all others, such as `-torch.inf`."""
    twin = copy.deepcopy(model)
    masks = {n: torch.ones_like(w, dtype=torch.bool) for n, w in prunable(twin).items()}
    for k in range(1, rounds + 1):
        alive = {n: s.detach() * masks[n] for n, s in score(twin).items()}
        masks = global_masks(alive, 1 - density ** (k / rounds))
        held.apply(twin, masks)
    return masks


def synflow_masks_threshold(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """All weights above a threshold stay: where many scores are equal, that is not the number that
    was asked for. Rank the scores, or use `global_masks`."""
    twin = copy.deepcopy(model)
    masks = {n: torch.ones_like(w, dtype=torch.bool) for n, w in prunable(twin).items()}
    for k in range(1, rounds + 1):
        alive = {n: s.detach().masked_fill(~masks[n], -1) for n, s in score(twin).items()}
        ranking = torch.cat([s.flatten() for s in alive.values()]).sort().values
        pruned = round((1 - density ** (k / rounds)) * len(ranking))
        threshold = ranking[pruned - 1] if pruned else -torch.inf
        masks = {n: s > threshold for n, s in alive.items()}
        held.apply(twin, masks)
    return masks


def synflow_masks_library(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """With `masks.apply`, and scores lifted by one where a weight is alive."""
    twin = copy.deepcopy(model)
    masks = {n: torch.ones(w.shape).bool() for n, w in prunable(twin).items()}
    for k in range(rounds):
        scores = {n: s.detach() - s.min().clamp(max=0) + 1 for n, s in score(twin).items()}
        masks = global_masks(
            {n: s * masks[n] for n, s in scores.items()}, 1 - density ** ((k + 1) / rounds)
        )
        held.apply(twin, masks)
    return masks


def synflow_masks_topk(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """One long vector, and `topk` of what stays."""
    twin = copy.deepcopy(model)
    weights = prunable(twin)
    sizes = [w.numel() for w in weights.values()]
    keep = torch.ones(sum(sizes), dtype=torch.bool)
    for k in range(1, rounds + 1):
        scores = score(twin)
        ranking = torch.cat([scores[n].detach().flatten().double() for n in weights])
        ranking[~keep] = -math.inf
        pruned = round((1 - density ** (k / rounds)) * len(keep))
        keep = torch.zeros_like(keep)
        keep[ranking.topk(len(keep) - pruned).indices] = True
        for w, part in zip(weights.values(), keep.split(sizes), strict=True):
            w.data.mul_(part.view(w.shape))
    parts = zip(weights.items(), keep.split(sizes), strict=True)
    return {n: part.view(w.shape) for (n, w), part in parts}


def synflow_masks_recursive(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """The last round after all the others."""

    def masks_after(k: int) -> Named:
        if k == 0:
            return {n: torch.ones_like(w, dtype=torch.bool) for n, w in prunable(model).items()}
        before = masks_after(k - 1)
        twin = copy.deepcopy(model)
        held.apply(twin, before)
        scores = {n: s.detach().double() for n, s in score(twin).items()}
        lowest = min(float(s.min()) for s in scores.values()) - 1
        alive = {n: torch.where(before[n], s, lowest) for n, s in scores.items()}
        return global_masks(alive, 1 - density ** (k / rounds))

    return masks_after(rounds)


# --- kl_divergence ------------------------------------------------------------------------------


def log_alpha_of(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """log α, finite at θ = 0."""
    return log_sigma2 - theta.square().clamp(min=1e-8).log()


def kl_of(
    log_alpha: Tensor, k1: float = 0.63576, k2: float = 1.87320, k3: float = 1.48695
) -> Tensor:
    """The KL of each weight."""
    return k1 * (1 - torch.sigmoid(k2 + k3 * log_alpha)) + 0.5 * F.softplus(-log_alpha)


def kl_divergence_negative(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The sign: the paper's equation is for -KL, and a divergence is never negative."""
    return -kl_of(log_alpha_of(theta, log_sigma2)).sum()


def kl_divergence_mean(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """This is the mean over the weights: the KL of independent weights is their sum."""
    return kl_of(log_alpha_of(theta, log_sigma2)).mean()


def kl_divergence_no_constant(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The constant k1 is missing: the KL should go to 0 where α goes to infinity."""
    return (kl_of(log_alpha_of(theta, log_sigma2)) - 0.63576).sum()


def kl_divergence_swapped_constants(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """k2 and k3 are swapped: which of them multiplies log α?"""
    return kl_of(log_alpha_of(theta, log_sigma2), k2=1.48695, k3=1.87320).sum()


def kl_divergence_alpha(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The sigmoid got α instead of log α."""
    log_alpha = log_alpha_of(theta, log_sigma2)
    learned = 0.63576 * (1 - torch.sigmoid(1.87320 + 1.48695 * log_alpha.exp()))
    return (learned + 0.5 * F.softplus(-log_alpha)).sum()


def kl_divergence_log_one_plus_alpha(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The last term is log(1 + 1/α), not log(1 + α): noise is cheap, precision costs."""
    log_alpha = log_alpha_of(theta, log_sigma2)
    learned = 0.63576 * (1 - torch.sigmoid(1.87320 + 1.48695 * log_alpha))
    return (learned + 0.5 * F.softplus(log_alpha)).sum()


def kl_divergence_no_half(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The ½ before the last logarithm is missing."""
    log_alpha = log_alpha_of(theta, log_sigma2)
    return (kl_of(log_alpha) + 0.5 * F.softplus(-log_alpha)).sum()


def kl_divergence_theta_not_squared(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """θ is not squared: α is σ² over θ², both of them squares."""
    return kl_of(log_sigma2 - theta.abs().clamp(min=1e-8).log()).sum()


def kl_divergence_only_sigma(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """θ does not enter: α is the noise *relative* to the weight, σ² / θ²."""
    return kl_of(log_sigma2 + 0 * theta).sum()


def kl_divergence_inverse_alpha(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """α is upside down: noise over signal, σ² / θ²."""
    return kl_of(-log_alpha_of(theta, log_sigma2)).sum()


def kl_divergence_overflow(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """Where α is tiny, 1/α overflows to `inf`: log(1 + 1/α) is `F.softplus(-log_alpha)`."""
    log_alpha = log_alpha_of(theta, log_sigma2)
    learned = 0.63576 * (1 - torch.sigmoid(1.87320 + 1.48695 * log_alpha))
    return (learned + 0.5 * torch.log(1 + 1 / log_alpha.exp())).sum()


def kl_divergence_zero_weight(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """At θ = 0 the logarithm is -∞ and the gradient NaN: let 1e-8 stand for θ² there."""
    return kl_of(log_sigma2 - theta.square().log()).sum()


def kl_divergence_tiny(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """At θ = 0 the number 1e-8 stands for |θ| with you: it is to stand for θ²."""
    return kl_of(log_sigma2 - 2 * theta.abs().clamp(min=1e-8).log()).sum()


def kl_divergence_detached(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The result has no gradient: it is to be trained, so no `.detach()`, `.item()` or `.data`."""
    return kl_of(log_alpha_of(theta.detach(), log_sigma2.detach())).sum()


def kl_divergence_plus(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """1e-8 added to θ², and a function of its own for log(1 + e^x)."""
    log_alpha = log_sigma2 - torch.log(theta**2 + 1e-8)
    minus = 0.63576 * torch.sigmoid(1.87320 + 1.48695 * log_alpha) - 0.63576
    return torch.sum(torch.logaddexp(torch.zeros_like(log_alpha), -log_alpha) / 2 - minus)


def kl_divergence_two_sums(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """Each term summed for itself; the sigmoid written as 1 - sigmoid(-x)."""
    log_alpha = log_sigma2 - 2 * torch.log(theta.abs().clamp(min=1e-4))
    first = torch.sigmoid(-(1.87320 + 1.48695 * log_alpha)).sum() * 0.63576
    return first + F.softplus(-log_alpha).sum() * 0.5


def kl_divergence_where(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """`torch.where` at zero, and logsigmoid for the last term."""
    square = torch.where(theta == 0, torch.full_like(theta, 1e-8), theta.square())
    log_alpha = log_sigma2 - square.log()
    k1, k2, k3 = 0.63576, 1.87320, 1.48695
    negative = k1 * torch.sigmoid(k2 + k3 * log_alpha) + 0.5 * F.logsigmoid(log_alpha) - k1
    return -negative.sum()


# --- noisy_output -------------------------------------------------------------------------------


def noisy_output_noise_per_weight(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """The noise is drawn for the *weights*, once for the whole batch: draw it for the outputs."""
    return layer(x, theta + (0.5 * log_sigma2).exp() * noise(theta))


def noisy_output_x_not_squared(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """The inputs are not squared in the variance: Var(x·w) = x²·σ²."""
    mean = layer(x, theta)
    return mean + (layer(x.abs(), log_sigma2.exp()) + 1e-8).sqrt() * noise(mean)


def noisy_output_no_root(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """The noise is multiplied by the variance: it is the standard deviation that scales it."""
    mean = layer(x, theta)
    return mean + (layer(x.square(), log_sigma2.exp()) + 1e-8) * noise(mean)


def noisy_output_sigma_for_variance(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """Standard deviations are added up: variances add, and their sum has the square root."""
    mean = layer(x, theta)
    return mean + layer(x.abs(), (0.5 * log_sigma2).exp()) * noise(mean)


def noisy_output_log_forgotten(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """The layer stores the *logarithm* of σ²: take `exp` first."""
    mean = layer(x, theta)
    return mean + (layer(x.square(), log_sigma2.abs()) + 1e-8).sqrt() * noise(mean)


def noisy_output_exp_twice(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """`exp(log σ²)` is the variance already: it is squared once too often."""
    mean = layer(x, theta)
    return mean + (layer(x.square(), (2 * log_sigma2).exp()) + 1e-8).sqrt() * noise(mean)


def noisy_output_alpha(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """The variance is taken as α·θ² with σ² for α: σ² is the variance of the weight itself."""
    mean = layer(x, theta)
    spread = layer(x.square(), log_sigma2.exp() * theta.square())
    return mean + (spread + 1e-8).sqrt() * noise(mean)


def noisy_output_no_noise(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """There is no noise in it: `noise` has to be called."""
    mean = layer(x, theta)
    return mean + (layer(x.square(), log_sigma2.exp()) + 1e-8).sqrt()


def noisy_output_infinite_slope(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """Where an input is all zeros the variance is 0, and the square root there has no finite
    slope: add 1e-8 under it."""
    mean = layer(x, theta)
    return mean + layer(x.square(), log_sigma2.exp()).sqrt() * noise(mean)


def noisy_output_parts(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise = torch.randn_like
) -> Tensor:
    """Powers instead of functions, the noise of the standard deviation's shape."""
    deviation = (layer(x**2, torch.exp(log_sigma2)) + 1e-8) ** 0.5
    return torch.addcmul(layer(x, theta), deviation, noise(deviation))


def noisy_output_sigma_squared(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise = torch.randn_like
) -> Tensor:
    """σ first, then its square."""
    sigma = (log_sigma2 / 2).exp()
    mean = layer(x, theta)
    epsilon = noise(mean)
    return torch.sqrt(1e-8 + layer(x * x, sigma * sigma)) * epsilon + mean


def noisy_output_clamped(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise = torch.randn_like
) -> Tensor:
    """A variance that is never below 1e-8."""
    variance = layer(x.pow(2), log_sigma2.exp()).clamp(min=0) + 1e-8
    mean = layer(x, theta)
    return mean + noise(mean) * torch.exp(0.5 * variance.log())


# --- variational_loss ---------------------------------------------------------------------------


def variational_loss_not_scaled(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The KL is not divided by anything, while the cross-entropy is a mean over images."""
    return F.cross_entropy(outputs, labels) + min(1.0, progress / warmup) * kl


def variational_loss_batch_size(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The KL is divided by the size of the batch: it belongs to the whole training set, once."""
    return F.cross_entropy(outputs, labels) + min(1.0, progress / warmup) * kl / len(labels)


def variational_loss_sum(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The cross-entropy is a sum over the batch, while the KL is per image: take its mean."""
    fit = F.cross_entropy(outputs, labels, reduction="sum")
    return fit + min(1.0, progress / warmup) * kl / images


def variational_loss_no_warmup(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The KL has its full weight from the start: let it grow during the warm-up."""
    return F.cross_entropy(outputs, labels) + kl / images


def variational_loss_no_limit(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """After the warm-up the weight of the KL goes on growing: it stays at 1."""
    return F.cross_entropy(outputs, labels) + progress / warmup * kl / images


def variational_loss_never_full(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The weight of the KL follows the whole training: it should be 1 when `warmup` is over."""
    return F.cross_entropy(outputs, labels) + progress * kl / images


def variational_loss_switched(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The KL is switched on at once when the warm-up ends: it should grow linearly before."""
    return F.cross_entropy(outputs, labels) + float(progress >= warmup) * kl / images


def variational_loss_minus(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The KL is subtracted, so that training would make it large: both terms are to be small."""
    return F.cross_entropy(outputs, labels) - min(1.0, progress / warmup) * kl / images


def variational_loss_detached(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """No gradient comes through the KL: no `.item()`, `.detach()` or `float()` on the way."""
    share = min(1.0, progress / warmup)
    return F.cross_entropy(outputs, labels) + share * kl.item() / images


def variational_loss_if(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """A branch for the warm-up, the likelihood by hand."""
    share = progress / warmup if progress < warmup else 1.0
    likelihood = outputs.log_softmax(dim=1).gather(1, labels[:, None]).mean()
    return share / images * kl - likelihood


def variational_loss_sums(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The bound on all images, divided by their number in the end."""
    fit = F.nll_loss(F.log_softmax(outputs, 1), labels, reduction="sum") * images / len(labels)
    return (fit + max(0.0, min(progress, warmup)) / warmup * kl) / images


def variational_loss_clamp(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """With torch's clamp."""
    share = torch.tensor(progress / warmup).clamp(0, 1)
    return nn.CrossEntropyLoss()(outputs, labels) + share * (kl / images)


# --- bounded_sparsity ---------------------------------------------------------------------------


def needed_macs(macs: list[float], chosen: list[float], target: float, highest: float) -> float:
    """The MACs that this layer must lose."""
    t = len(chosen)
    removed = sum(m * s for m, s in zip(macs, chosen, strict=False))
    return target - removed - highest * sum(macs[t + 1 :])


def bounded_sparsity_ignores_budget(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """The budget plays no part: the last layers could never make up for a small wish."""
    return min(highest, wanted)


def bounded_sparsity_upper_bound(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """What the budget needs is taken as the *most* that may go: it is the least."""
    needed = needed_macs(macs, chosen, target, highest) / macs[len(chosen)]
    return max(0.0, min(highest, wanted, needed))


def bounded_sparsity_no_highest(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """A layer may get more than `highest`: cut the result off there."""
    return max(wanted, needed_macs(macs, chosen, target, highest) / macs[len(chosen)])


def bounded_sparsity_rest_removed_whole(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """The later layers are expected to lose *all* their MACs: they can lose `highest` at most."""
    t = len(chosen)
    removed = sum(m * s for m, s in zip(macs, chosen, strict=False))
    needed = target - removed - sum(macs[t + 1 :])
    return min(highest, max(wanted, needed / macs[t]))


def bounded_sparsity_forgets_chosen(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """What the layers before have lost already is not counted."""
    t = len(chosen)
    needed = target - highest * sum(macs[t + 1 :])
    return min(highest, max(wanted, needed / macs[t]))


def bounded_sparsity_forgets_the_rest(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """This layer has to meet the target alone: count what the later layers can still lose."""
    t = len(chosen)
    removed = sum(m * s for m, s in zip(macs, chosen, strict=False))
    return min(highest, max(wanted, (target - removed) / macs[t]))


def bounded_sparsity_sparsities_summed(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """MACs and sparsities are mixed: a sparsity has to be multiplied by the MACs of its layer."""
    t = len(chosen)
    needed = target - sum(chosen) - highest * sum(macs[t + 1 :])
    return min(highest, max(wanted, needed / macs[t]))


def bounded_sparsity_of_all(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """Divided by the MACs of the network: the sparsity of *this* layer is a share of its own."""
    needed = needed_macs(macs, chosen, target, highest)
    return min(highest, max(wanted, needed / sum(macs)))


def bounded_sparsity_target_is_kept(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """`target` is taken as the MACs to keep: it is how many are to be removed."""
    needed = needed_macs(macs, chosen, sum(macs) - target, highest)
    return min(highest, max(wanted, needed / macs[len(chosen)]))


def bounded_sparsity_loop(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """A budget that every layer but this one takes its part of."""
    for i, cost in enumerate(macs):
        if i != len(chosen):
            target -= cost * (chosen[i] if i < len(chosen) else highest)
    return sorted([wanted, target / macs[len(chosen)], highest])[1] if wanted < highest else highest


def bounded_sparsity_branches(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """Ask whether the wish leaves enough, and only then compute what is needed."""
    done = sum(m * s for m, s in zip(macs, [*chosen, min(wanted, highest)], strict=False))
    possible = done + highest * sum(macs[len(chosen) + 1 :])
    if possible >= target:
        return min(wanted, highest)
    missing = (target - possible) / macs[len(chosen)]
    return min(highest, wanted + missing)


def bounded_sparsity_tensors(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """With double tensors."""
    costs = torch.tensor(macs, dtype=torch.float64)
    sparsities = torch.full_like(costs, highest)
    sparsities[: len(chosen)] = torch.tensor(chosen, dtype=torch.float64)
    sparsities[len(chosen)] = 0
    least = (target - costs @ sparsities) / costs[len(chosen)]
    return float(torch.clamp(torch.clamp(least, min=wanted), max=highest))


# --- amc_reward ---------------------------------------------------------------------------------

Evaluate = Callable[[nn.Module], float]


def silenced(
    twin: nn.Module, sparsities: dict[str, float], rank: Callable[[Any], Tensor]
) -> nn.Module:
    """Silence in place the filters of conv1 that `rank` puts last."""
    for name, sparsity in sparsities.items():
        block: Any = twin.get_submodule(name.removesuffix(".conv1"))
        silence_filters(block.conv1, block.bn1, filter_mask(rank(block), sparsity))
    return twin


def amc_reward_in_place(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """Your function prunes the network it was given: the next episode would start from a pruned
    one. Work on a copy."""
    return evaluate(silenced(model, sparsities, lambda block: block.conv1.weight)) - 1


def amc_reward_hooks(model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate) -> float:
    """The hooks stay in the network that you were given, and it computes something else from now
    on: remove them, or work on a copy."""
    for name, sparsity in sparsities.items():
        block: Any = model.get_submodule(name.removesuffix(".conv1"))
        keep = filter_mask(block.conv1.weight, sparsity).view(1, -1, 1, 1)
        block.bn1.register_forward_hook(lambda _module, _inputs, y, keep=keep: y * keep)
    return evaluate(model) - 1


def amc_reward_l2(model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate) -> float:
    """The filters are ranked by their L2 norm: the L1 norm was asked for, the sum of magnitudes."""
    twin = copy.deepcopy(model)
    for name, sparsity in sparsities.items():
        block: Any = twin.get_submodule(name.removesuffix(".conv1"))
        keep = filter_mask(block.conv1.weight.flatten(1).norm(dim=1)[:, None, None, None], sparsity)
        silence_filters(block.conv1, block.bn1, keep)
    return evaluate(twin) - 1


def amc_reward_error(model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate) -> float:
    """This is the error itself: the agent looks for a *large* reward."""
    return -further.amc_reward(model, sparsities, evaluate)


def amc_reward_accuracy(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """This is the accuracy: the reward is minus the error, 0 at best."""
    return 1 + further.amc_reward(model, sparsities, evaluate)


def amc_reward_not_pruned(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The network that is evaluated has all its filters: which of the two is the pruned one?"""
    return evaluate(copy.deepcopy(model)) - 1


def amc_reward_keeps_the_fraction(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The sparsities are taken as the shares to keep: they are what goes."""
    return further.amc_reward(model, {n: 1 - s for n, s in sparsities.items()}, evaluate)


def amc_reward_first_only(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """Only the first layer is pruned: is `return` inside the loop?"""
    return further.amc_reward(model, dict(list(sparsities.items())[:1]), evaluate)


def amc_reward_last_only(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """Only the last layer is pruned: is the copy made again in each turn of the loop?"""
    return further.amc_reward(model, dict(list(sparsities.items())[-1:]), evaluate)


def amc_reward_weights_only(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The filters are zero but their batch normalisation still emits its shift: silence or remove
    them whole."""
    twin = copy.deepcopy(model)
    for name, sparsity in sparsities.items():
        conv: Any = twin.get_submodule(name)
        conv.weight.data[~filter_mask(conv.weight, sparsity)] = 0
    return evaluate(twin) - 1


def amc_reward_by_the_next_layer(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The filters are ranked by the weights of conv2: it is conv1 that loses them."""
    twin = copy.deepcopy(model)
    return (
        evaluate(silenced(twin, sparsities, lambda block: block.conv2.weight.transpose(0, 1))) - 1
    )


def amc_reward_same_for_all(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """Every layer gets the mean of the sparsities: each has its own."""
    mean = sum(sparsities.values()) / len(sparsities)
    return further.amc_reward(model, dict.fromkeys(sparsities, mean), evaluate)


def amc_reward_silenced(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """Silenced filters in a copy, instead of removed ones."""
    return -(1 - evaluate(silenced(copy.deepcopy(model), sparsities, lambda b: b.conv1.weight)))


def amc_reward_hooked_copy(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """Nothing is removed: hooks silence the channels of a copy."""
    return amc_reward_hooks(copy.deepcopy(model), sparsities, evaluate)


def amc_reward_by_blocks(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """Over all modules of the network, and those that have a sparsity are pruned."""
    network = copy.deepcopy(model)
    for name, block in list(network.named_modules()):
        if f"{name}.conv1" in sparsities:
            part: Any = block
            mask = filter_mask(part.conv1.weight.data, sparsities[f"{name}.conv1"])
            part.conv1, part.bn1, part.conv2 = remove_filters(
                part.conv1, part.bn1, part.conv2, mask
            )
    error = 1 - evaluate(network)
    return -error


def amc_reward_state_dict(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """On the tensors of the state: zero weights, scale and shift of the weakest filters."""
    state = copy.deepcopy(model.state_dict())
    for name, sparsity in sparsities.items():
        pruned = ~filter_mask(state[f"{name}.weight"], sparsity)
        bn = name.replace("conv1", "bn1")
        for key in (f"{name}.weight", f"{bn}.weight", f"{bn}.bias"):
            state[key][pruned] = 0.0
    twin = copy.deepcopy(model)
    twin.load_state_dict(state)
    return evaluate(twin) - 1.0


def bounded_sparsity_counts_itself(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """This layer is among those that can still make up for it: the later ones begin at `t + 1`."""
    t = len(chosen)
    removed = sum(m * s for m, s in zip(macs, chosen, strict=False))
    needed = target - removed - highest * sum(macs[t:])
    return min(highest, max(wanted, needed / macs[t]))


def bounded_sparsity_layer_before(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """You divide by the MACs of another layer: counted from 0 it is layer `len(chosen)`'s turn."""
    needed = needed_macs(macs, chosen, target, highest)
    return min(highest, max(wanted, needed / macs[len(chosen) - 1]))


def bounded_sparsity_adds(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """What the budget needs is added to the wish: it takes the place of a wish that is too
    small."""
    needed = needed_macs(macs, chosen, target, highest) / macs[len(chosen)]
    return min(highest, wanted + max(0.0, needed))


def bounded_sparsity_all_or_nothing(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """A wish that is too small becomes `highest`: raise it to just what the budget needs."""
    needed = needed_macs(macs, chosen, target, highest) / macs[len(chosen)]
    return min(wanted, highest) if wanted >= needed else highest


def bounded_sparsity_cut_too_early(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """Only the wish is cut off at `highest`: cut off last, what the budget needs may be more,
    too."""
    needed = needed_macs(macs, chosen, target, highest) / macs[len(chosen)]
    return max(min(wanted, highest), needed)


def bounded_sparsity_just_needed(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """You return what the budget needs: a wish that is larger is granted."""
    needed = needed_macs(macs, chosen, target, highest) / macs[len(chosen)]
    return min(highest, max(0.0, needed))


def bounded_sparsity_share(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """You take `target` for a share of the MACs: it is a number of MACs."""
    needed = needed_macs(macs, chosen, target * sum(macs), highest)
    return min(highest, max(wanted, needed / macs[len(chosen)]))


def bounded_sparsity_kept_counted(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """You count the MACs that the layers before *keep*: a layer of sparsity s loses s · its
    MACs."""
    t = len(chosen)
    kept = sum(m * (1 - s) for m, s in zip(macs, chosen, strict=False))
    return min(highest, max(wanted, (target - kept - highest * sum(macs[t + 1 :])) / macs[t]))


def bounded_sparsity_not_divided(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """You compare the wish, a share, with a number of MACs: divide by the MACs of this layer."""
    return min(highest, max(wanted, needed_macs(macs, chosen, target, highest)))


def variational_loss_falling(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The weight of the KL falls from 1 to 0 in the warm-up: it grows from 0 to 1."""
    share = 1 - min(1.0, progress / warmup)
    return F.cross_entropy(outputs, labels) + share * kl / images


def variational_loss_product(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The weight is progress *times* warm-up: it should be 1 when `progress` has reached
    `warmup`."""
    return F.cross_entropy(outputs, labels) + min(1.0, progress * warmup) * kl / images


def variational_loss_upside_down(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The weight is warm-up / progress: it is the other way round."""
    share = min(1.0, warmup / progress) if progress else 0.0
    return F.cross_entropy(outputs, labels) + share * kl / images


def variational_loss_whole_scaled(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The cross-entropy is weighted by the warm-up as well: only the KL is."""
    return min(1.0, progress / warmup) * (F.cross_entropy(outputs, labels) + kl / images)


def variational_loss_softmax_twice(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """`F.cross_entropy` takes the raw scores and has its own softmax: yours comes on top."""
    fit = F.cross_entropy(outputs.softmax(dim=1), labels)
    return fit + min(1.0, progress / warmup) * kl / images


def variational_loss_no_logarithm(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """`F.nll_loss` wants log-probabilities: what you hand it has no logarithm."""
    return F.nll_loss(outputs, labels) + min(1.0, progress / warmup) * kl / images


def variational_loss_squared(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The weight of the KL grows with the square of the progress: it grows linearly."""
    share = min(1.0, progress / warmup) ** 2
    return F.cross_entropy(outputs, labels) + share * kl / images


def variational_loss_both_scaled(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The cross-entropy is divided by the number of images, too: it is a mean already."""
    return (F.cross_entropy(outputs, labels) + min(1.0, progress / warmup) * kl) / images


def variational_loss_gone_after(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """After the warm-up the KL is gone: its weight stays at 1 to the end."""
    share = progress / warmup if progress < warmup else 0.0
    return F.cross_entropy(outputs, labels) + share * kl / images


def obd_scores_no_curvature(weights: Named, diagonal: Named) -> Named:
    """The curvature does not enter: along which of two equal weights does the loss rise faster?"""
    return {name: 0.5 * w.detach() ** 2 for name, w in weights.items()}


def obd_scores_negative(weights: Named, diagonal: Named) -> Named:
    """The scores are negative: at a minimum the loss *rises*, whichever way a weight moves."""
    return {name: -score for name, score in further.obd_scores(weights, diagonal).items()}


def obd_scores_normalised(weights: Named, diagonal: Named) -> Named:
    """The scores of each layer are divided by their sum: a saliency is a change of the loss, and is
    compared between layers."""
    right = further.obd_scores(weights, diagonal)
    return {name: score / score.sum() for name, score in right.items()}


def obd_scores_half_squared(weights: Named, diagonal: Named) -> Named:
    """The ½ is inside the square: it stands before it, ½·h·w²."""
    return {name: diagonal[name] * (0.5 * w.detach()) ** 2 for name, w in weights.items()}


def obd_scores_first_order(weights: Named, diagonal: Named) -> Named:
    """The slope is added, w·h: at a minimum it is 0, and only the second order is left."""
    return {
        n: w.detach() * diagonal[n] + 0.5 * diagonal[n] * w.detach() ** 2
        for n, w in weights.items()
    }


def obd_scores_root_of_it(weights: Named, diagonal: Named) -> Named:
    """There is a square root too many: the saliency itself was asked for."""
    return {name: score.sqrt() for name, score in further.obd_scores(weights, diagonal).items()}


def obd_scores_mean_curvature(weights: Named, diagonal: Named) -> Named:
    """Every weight of a layer gets the layer's mean curvature: each has its own h_kk."""
    return {n: 0.5 * diagonal[n].mean() * w.detach() ** 2 for n, w in weights.items()}


def synflow_scores_squares(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The parameters are squared, which has no sign either: their *magnitudes* were asked for."""
    twin = copy.deepcopy(model).double().eval()
    for parameter in twin.parameters():
        parameter.data.square_()
    return further.synflow_scores(twin, shape)


def synflow_scores_signed_weight(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """A score has the sign of its weight: it is |θ| times the gradient."""
    right = further.synflow_scores(model, shape)
    return {name: right[name] * w.detach().sign() for name, w in prunable(model).items()}


def synflow_scores_without_biases(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """Biases and shifts are set to zero: every parameter becomes its magnitude, and adds to the
    flow."""
    twin = copy.deepcopy(model)
    for name, parameter in twin.named_parameters():
        if name.endswith("bias"):
            parameter.data.zero_()
    return further.synflow_scores(twin, shape)


def synflow_scores_normalised(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The scores of a layer are divided by their sum: then all layers look alike, and the ranking
    is no longer that of the network."""
    right = further.synflow_scores(model, shape)
    return {name: score / score.sum() for name, score in right.items()}


def synflow_scores_linear_only(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """Only linear layers have scores: `prunable` lists the convolutions, too."""
    linear = [
        f"{n}.weight".lstrip(".") for n, m in model.named_modules() if isinstance(m, nn.Linear)
    ]
    return {
        name: score
        for name, score in further.synflow_scores(model, shape).items()
        if name in linear
    }


def synflow_scores_one_output(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """R is the largest output here: it is the *sum* of the outputs."""
    twin = copy.deepcopy(model).double().eval()
    for parameter in twin.parameters():
        parameter.data.abs_()
    weights = prunable(twin)
    gradients = torch.autograd.grad(twin(ones(shape)).max(), list(weights.values()))
    return {n: (w * g).detach() for (n, w), g in zip(weights.items(), gradients, strict=True)}


def synflow_scores_two_inputs(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """More than one input of ones goes through: every flow is counted once for each."""
    return {name: 2 * score for name, score in further.synflow_scores(model, shape).items()}


def synflow_scores_logarithm(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """R is the logarithm of the flow here: it is the sum of the outputs itself."""
    right = further.synflow_scores(model, shape)
    whole = copy.deepcopy(model).double().eval()
    for parameter in whole.parameters():
        parameter.data.abs_()
    total = float(whole(ones(shape)).sum().detach())
    return {name: score / total for name, score in right.items()}


def hessian_diagonal_log_for_probability(model: nn.Module, x: Tensor) -> Named:
    """A squared gradient is weighted by log p: its weight is the probability, `log_p.exp()`."""
    return fisher(model, x, lambda p, g: p.log() * g.square())


def hessian_diagonal_classes_first(model: nn.Module, x: Tensor) -> Named:
    """The classes are summed before the square, and their gradients cancel: square first, for each
    class, then sum."""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for one in x:
        loss = model(one[None]).log_softmax(1).sum()
        gradients = torch.autograd.grad(loss, list(weights.values()))
        for name, g in zip(weights, gradients, strict=True):
            total[name] += g.square() / len(x)
    return {name: h.detach() for name, h in total.items()}


def hessian_diagonal_root(model: nn.Module, x: Tensor) -> Named:
    """There is a square root too many at the end."""
    return {name: h.sqrt() for name, h in further.hessian_diagonal(model, x).items()}


def hessian_diagonal_last_input(model: nn.Module, x: Tensor) -> Named:
    """The last input overwrites those before: add up with `+=`."""
    return {name: h / len(x) for name, h in further.hessian_diagonal(model, x[-1:]).items()}


def hessian_diagonal_clears_gradients(model: nn.Module, x: Tensor) -> Named:
    """Gradients that the model held are gone: `torch.autograd.grad` leaves them alone."""
    model.zero_grad()
    return further.hessian_diagonal(model, x)


def hessian_diagonal_outer_weights(model: nn.Module, x: Tensor) -> Named:
    """Only the last layer is there: `prunable(model)` lists all weights."""
    found = further.hessian_diagonal(model, x)
    return dict(list(found.items())[-1:])


def hessian_diagonal_variance(model: nn.Module, x: Tensor) -> Named:
    """The weight is p·(1 - p): the sum over the classes already makes that, the weight is p."""
    return fisher(model, x, lambda p, g: p * (1 - p) * g.square())


def hessian_diagonal_of_summed_outputs(model: nn.Module, x: Tensor) -> Named:
    """The sum of all outputs is differentiated: h_kk is about log p, one class at a time."""
    weights = prunable(model)
    gradients = torch.autograd.grad(model(x).sum(), list(weights.values()))
    return {n: g.square() / len(x) for n, g in zip(weights, gradients, strict=True)}


def synflow_masks_half_kept(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """You round the number of weights that *stay*: where it is a half, that is another number than
    `weights - round((1 - density) * weights)`."""
    twin = copy.deepcopy(model)
    weights = prunable(twin)
    masks = {n: torch.ones_like(w, dtype=torch.bool) for n, w in weights.items()}
    total = sum(w.numel() for w in weights.values())
    for k in range(1, rounds + 1):
        alive = {n: s.detach().masked_fill(~masks[n], -torch.inf) for n, s in score(twin).items()}
        masks = global_masks(alive, 1 - round(density ** (k / rounds) * total) / total)
        held.apply(twin, masks)
    return masks


def synflow_masks_single_precision(
    model: nn.Module, score: Score, density: float, rounds: int
) -> Named:
    """Scores that differ in the tenth digit are equal with you: rank them in double precision, as
    they come."""
    twin = copy.deepcopy(model)
    return further.synflow_masks(
        twin, lambda net: {n: s.float() for n, s in score(net).items()}, density, rounds
    )


# --- combine_criteria ---------------------------------------------------------------------------

Four = dict[str, Named]


def places(scores: Named) -> Named:
    """The place of each weight in the ranking of the network, 0 for the lowest score."""
    flat = torch.cat([s.flatten() for s in scores.values()])
    ranks = flat.argsort().argsort().float()
    parts = ranks.split([s.numel() for s in scores.values()])
    return {name: part.view(scores[name].shape) for name, part in zip(scores, parts, strict=True)}


def added(*several: Named) -> Named:
    """The sum of scores, weight by weight."""
    return {name: torch.stack([s[name] for s in several]).sum(dim=0) for name in several[0]}


def shared_out(densities: Named, order: Named) -> Named:
    """Each layer keeps as many as one mask says, and which ones another score says."""
    found = {}
    for name, s in order.items():
        best = s.flatten().topk(int(densities[name].sum())).indices
        found[name] = torch.zeros(s.numel(), dtype=torch.bool).index_fill(0, best, True)
        found[name] = found[name].view(s.shape)
    return found


def combine_criteria_raw_sum(scores: Four, sparsity: float) -> Named:
    """You add numbers of different units: SynFlow's are up to 10^18 and drown all others."""
    return global_masks(added(*scores.values()), sparsity)


def combine_criteria_all_ranks(scores: Four, sparsity: float) -> Named:
    """All four have the same vote, those that are bad alone, too. Whom would you ask about what?"""
    return global_masks(added(*map(places, scores.values())), sparsity)


def combine_criteria_magnitude(scores: Four, sparsity: float) -> Named:
    """This is magnitude alone: which other criterion knows something that it does not?"""
    return global_masks(scores["magnitude"], sparsity)


def combine_criteria_noise(scores: Four, sparsity: float) -> Named:
    """This is Variational Dropout alone: it says well *how many* weights a layer needs, and less
    well which.
    """
    return global_masks(scores["Variational Dropout"], sparsity)


def combine_criteria_same_share(scores: Four, sparsity: float) -> Named:
    """Every layer loses the same share: layers differ, and the criteria know it."""
    return local_masks(scores["magnitude"], sparsity)


def combine_criteria_flow_shares(scores: Four, sparsity: float) -> Named:
    """SynFlow says how many weights each layer keeps: it has never seen an image."""
    return shared_out(global_masks(scores["SynFlow"], sparsity), scores["magnitude"])


def combine_criteria_inverted(scores: Four, sparsity: float) -> Named:
    """The best weights go, the worst ones stay: turn the order around."""
    return further.combine_criteria(
        {c: {n: -s for n, s in named.items()} for c, named in scores.items()}, sparsity
    )


def combine_criteria_density(scores: Four, sparsity: float) -> Named:
    """You keep the share that should go."""
    return further.combine_criteria(scores, 1 - sparsity)


def combine_criteria_floats(scores: Four, sparsity: float) -> Named:
    """Masks are bool tensors: compare, or use `.bool()`."""
    return {n: m.float() for n, m in further.combine_criteria(scores, sparsity).items()}


def combine_criteria_all_agree(scores: Four, sparsity: float) -> Named:
    """Only what all four keep stays, which is far less than should: count what is left."""
    four = [global_masks(s, sparsity) for s in scores.values()]
    return {name: torch.stack([keep[name] for keep in four]).all(dim=0) for name in four[0]}


def combine_criteria_one_is_enough(scores: Four, sparsity: float) -> Named:
    """What one of the four keeps is enough to stay, so too much stays: count what goes."""
    four = [global_masks(s, sparsity) for s in scores.values()]
    return {name: torch.stack([keep[name] for keep in four]).any(dim=0) for name in four[0]}


def combine_criteria_two_ranks(scores: Four, sparsity: float) -> Named:
    """The ranks of the two criteria that are good alone."""
    two = places(scores["magnitude"]), places(scores["Variational Dropout"])
    return global_masks(added(*two), sparsity)


def combine_criteria_scaled(scores: Four, sparsity: float) -> Named:
    """Magnitude, half way between one ranking for all layers and one for each."""
    sizes = scores["magnitude"]
    typical = {name: w.square().mean().sqrt().clamp_min(1e-12) for name, w in sizes.items()}
    return global_masks({n: w / typical[n] ** 0.5 for n, w in sizes.items()}, sparsity)


def combine_criteria_mean_share(scores: Four, sparsity: float) -> Named:
    """Each layer keeps the mean of what two criteria leave it; magnitude says which."""
    two = [global_masks(scores[c], sparsity) for c in ("magnitude", "Variational Dropout")]
    sums = {n: round(sum(int(keep[n].sum()) for keep in two) / 2) for n in two[0]}
    counts = {n: torch.tensor(count) for n, count in sums.items()}
    return shared_out(counts, scores["magnitude"])


MISTAKES: dict[str, list[Callable]] = {
    "hessian_diagonal": [
        hessian_diagonal_square_of_mean, hessian_diagonal_no_probability,
        hessian_diagonal_weight_inside_square, hessian_diagonal_not_squared,
        hessian_diagonal_absolute, hessian_diagonal_sum, hessian_diagonal_most_probable,
        hessian_diagonal_of_outputs, hessian_diagonal_with_biases,
        hessian_diagonal_stale_gradients, hessian_diagonal_mean_of_classes,
        hessian_diagonal_of_the_label, hessian_diagonal_linear_only,
        hessian_diagonal_log_for_probability,
        hessian_diagonal_classes_first,
        hessian_diagonal_root,
        hessian_diagonal_last_input,
        hessian_diagonal_clears_gradients,
        hessian_diagonal_outer_weights,
        hessian_diagonal_variance,
        hessian_diagonal_of_summed_outputs,
    ],
    "obd_scores": [
        obd_scores_no_half, obd_scores_not_squared, obd_scores_magnitude,
        obd_scores_curvature_squared, obd_scores_inverse, obd_scores_no_weight, obd_scores_sum,
        obd_scores_by_place, obd_scores_in_place,
        obd_scores_no_curvature,
        obd_scores_negative,
        obd_scores_normalised,
        obd_scores_half_squared,
        obd_scores_first_order,
        obd_scores_root_of_it,
        obd_scores_mean_curvature,
    ],
    "synflow_scores": [
        synflow_scores_signs_kept, synflow_scores_signs_kept_abs, synflow_scores_weights_only,
        synflow_scores_gradient_alone, synflow_scores_random_data,
        synflow_scores_single_precision, synflow_scores_cast_at_the_end,
        synflow_scores_train_mode, synflow_scores_signs_lost, synflow_scores_stale_gradients,
        synflow_scores_mean, synflow_scores_modes, synflow_scores_frozen,
        synflow_scores_squares,
        synflow_scores_signed_weight,
        synflow_scores_without_biases,
        synflow_scores_normalised,
        synflow_scores_linear_only,
        synflow_scores_one_output,
        synflow_scores_two_inputs,
        synflow_scores_logarithm,
    ],
    "synflow_masks": [
        synflow_masks_one_round, synflow_masks_linear,
        synflow_masks_not_zeroed, synflow_masks_from_zero, synflow_masks_every_round_all,
        synflow_masks_density_for_sparsity, synflow_masks_local, synflow_masks_revived,
        synflow_masks_in_place, synflow_masks_times_mask, synflow_masks_threshold,
        synflow_masks_half_kept,
        synflow_masks_single_precision,
    ],
    "kl_divergence": [
        kl_divergence_negative, kl_divergence_mean, kl_divergence_no_constant,
        kl_divergence_swapped_constants, kl_divergence_alpha, kl_divergence_log_one_plus_alpha,
        kl_divergence_no_half, kl_divergence_theta_not_squared, kl_divergence_only_sigma,
        kl_divergence_inverse_alpha, kl_divergence_overflow, kl_divergence_zero_weight,
        kl_divergence_tiny, kl_divergence_detached,
    ],
    "noisy_output": [
        noisy_output_noise_per_weight, noisy_output_x_not_squared, noisy_output_no_root,
        noisy_output_sigma_for_variance, noisy_output_log_forgotten, noisy_output_exp_twice,
        noisy_output_alpha, noisy_output_no_noise, noisy_output_infinite_slope,
    ],
    "variational_loss": [
        variational_loss_not_scaled, variational_loss_batch_size, variational_loss_sum,
        variational_loss_no_warmup, variational_loss_no_limit, variational_loss_never_full,
        variational_loss_switched, variational_loss_minus, variational_loss_detached,
        variational_loss_falling,
        variational_loss_product,
        variational_loss_upside_down,
        variational_loss_whole_scaled,
        variational_loss_softmax_twice,
        variational_loss_no_logarithm,
        variational_loss_squared,
        variational_loss_both_scaled,
        variational_loss_gone_after,
    ],
    "bounded_sparsity": [
        bounded_sparsity_ignores_budget, bounded_sparsity_upper_bound,
        bounded_sparsity_no_highest, bounded_sparsity_rest_removed_whole,
        bounded_sparsity_forgets_chosen, bounded_sparsity_forgets_the_rest,
         bounded_sparsity_sparsities_summed,
        bounded_sparsity_of_all, bounded_sparsity_target_is_kept,
        bounded_sparsity_counts_itself,
        bounded_sparsity_layer_before,
        bounded_sparsity_adds,
        bounded_sparsity_all_or_nothing,
        bounded_sparsity_cut_too_early,
        bounded_sparsity_just_needed,
        bounded_sparsity_share,
        bounded_sparsity_kept_counted,
        bounded_sparsity_not_divided,
    ],
    "amc_reward": [
        amc_reward_in_place, amc_reward_error, amc_reward_accuracy, amc_reward_not_pruned,
        amc_reward_keeps_the_fraction, amc_reward_first_only, amc_reward_last_only,
        amc_reward_weights_only, amc_reward_by_the_next_layer, amc_reward_same_for_all,
        amc_reward_hooks, amc_reward_l2,
    ],
    "combine_criteria": [
        combine_criteria_raw_sum, combine_criteria_all_ranks, combine_criteria_magnitude,
        combine_criteria_noise, combine_criteria_same_share, combine_criteria_flow_shares,
        combine_criteria_inverted, combine_criteria_density, combine_criteria_floats,
        combine_criteria_all_agree, combine_criteria_one_is_enough,
    ],
}  # fmt: skip

ALTERNATIVES: dict[str, list[Callable]] = {
    "hessian_diagonal": [
        hessian_diagonal_backward, hessian_diagonal_jacobian, hessian_diagonal_outer,
    ],
    "obd_scores": [obd_scores_loop, obd_scores_root, obd_scores_taylor],
    "synflow_scores": [
        synflow_scores_backward, synflow_scores_functional, synflow_scores_signs,
    ],
    "synflow_masks": [synflow_masks_library, synflow_masks_topk, synflow_masks_recursive],
    "kl_divergence": [kl_divergence_plus, kl_divergence_two_sums, kl_divergence_where],
    "noisy_output": [noisy_output_parts, noisy_output_sigma_squared, noisy_output_clamped],
    "variational_loss": [variational_loss_if, variational_loss_sums, variational_loss_clamp],
    "bounded_sparsity": [
        bounded_sparsity_loop, bounded_sparsity_branches, bounded_sparsity_tensors,
    ],
    "amc_reward": [
        amc_reward_silenced, amc_reward_by_blocks, amc_reward_state_dict, amc_reward_hooked_copy,
    ],
    "combine_criteria": [
        combine_criteria_two_ranks, combine_criteria_scaled, combine_criteria_mean_share,
    ],
}  # fmt: skip
