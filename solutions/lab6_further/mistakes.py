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
    """All of it is zero. Gradients that are not squared cancel: their mean over the network's own
    labels is 0. (So is the gradient of a constant.)"""
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
        log_p = model(one[None]).log_softmax(1)[0]
        best = log_p[log_p.argmax()]
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
    outputs = copy.deepcopy(model).eval()(torch.ones(1, *shape)).numel()
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
    """Every layer gets `highest`: is `target`, a number of MACs, taken for a share, or are `min`
    and `max` swapped?"""
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


def fisher_by(
    model: nn.Module, x: Tensor, log_p: Callable[[Tensor], Tensor], gradients: str = "fresh"
) -> Named:
    """The diagonal from other log-probabilities of the batch `(N, C)`, by autograd."""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    held_back = {name: torch.zeros_like(w) for name, w in weights.items()}
    for row in log_p(model(x)):
        for entry in row:
            found = torch.autograd.grad(entry, list(weights.values()), retain_graph=True)
            for name, g in zip(weights, found, strict=True):
                held_back[name] = g + (held_back[name] if gradients == "added" else 0)
                total[name] += entry.detach().exp() * held_back[name].square() / len(x)
    return {name: h.detach() for name, h in total.items()}


def hessian_diagonal_softmax_of_inputs(model: nn.Module, x: Tensor) -> Named:
    """The softmax goes over the inputs of the batch: it goes over the classes, `dim=1`."""
    return fisher_by(model, x, lambda outputs: outputs.log_softmax(0))


def hessian_diagonal_gradients_add_up(model: nn.Module, x: Tensor) -> Named:
    """`backward` *adds* to `.grad`: clear it before each one of your own, too."""
    return fisher_by(model, x, lambda outputs: outputs.log_softmax(1), gradients="added")


def hessian_diagonal_of_mean_gradients(model: nn.Module, x: Tensor) -> Named:
    """The log-probabilities are averaged over the inputs before the gradient is taken and squared:
    square the gradients of each input."""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    log_p = model(x).log_softmax(1)
    for column in log_p.T:
        found = torch.autograd.grad(column.mean(), list(weights.values()), retain_graph=True)
        for name, g in zip(weights, found, strict=True):
            total[name] += column.detach().exp().mean() * g.square()
    return {name: h.detach() for name, h in total.items()}


def hessian_diagonal_first_input(model: nn.Module, x: Tensor) -> Named:
    """Only the first input is in it: is `return` inside the loop?"""
    return fisher(model, x[:1])


def hessian_diagonal_last_class_missing(model: nn.Module, x: Tensor) -> Named:
    """The last class is left out: `range(C)` ends with C - 1 by itself."""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for one in x:
        for log_p in model(one[None]).log_softmax(1)[0, :-1]:
            gradients = torch.autograd.grad(log_p, list(weights.values()), retain_graph=True)
            for name, g in zip(weights, gradients, strict=True):
                total[name] += log_p.detach().exp() * g.square() / len(x)
    return {name: h.detach() for name, h in total.items()}


def hessian_diagonal_first_class_missing(model: nn.Module, x: Tensor) -> Named:
    """The first class is left out: classes are counted from 0."""
    right, missing = fisher(model, x), hessian_diagonal_one_class(model, x)
    return {name: h - missing[name] for name, h in right.items()}


def hessian_diagonal_one_class(model: nn.Module, x: Tensor) -> Named:
    """Only class 0 is in it: is `return` inside the loop, or `[0]` in the wrong place?"""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for one in x:
        log_p = model(one[None]).log_softmax(1)[0, 0]
        gradients = torch.autograd.grad(log_p, list(weights.values()))
        for name, g in zip(weights, gradients, strict=True):
            total[name] += log_p.detach().exp() * g.square() / len(x)
    return {name: h.detach() for name, h in total.items()}


def hessian_diagonal_half(model: nn.Module, x: Tensor) -> Named:
    """There is a ½ too many: it belongs to the Taylor series, in `obd_scores`."""
    return {name: h / 2 for name, h in fisher(model, x).items()}


def hessian_diagonal_doubled(model: nn.Module, x: Tensor) -> Named:
    """Twice what it should be: the formula has no factor of 2."""
    return {name: 2 * h for name, h in fisher(model, x).items()}


def hessian_diagonal_one_less(model: nn.Module, x: Tensor) -> Named:
    """You divide by the number of inputs less 1: it is a plain mean."""
    return {n: h * len(x) / max(1, len(x) - 1) for n, h in fisher(model, x).items()}


def hessian_diagonal_training_mode(model: nn.Module, x: Tensor) -> Named:
    """Batch normalisation works in training mode with you: the network is in evaluation mode, leave
    it there."""
    twin = copy.deepcopy(model).train()
    return fisher_by(twin, x, lambda outputs: outputs.log_softmax(1))


def hessian_diagonal_rare_classes(model: nn.Module, x: Tensor) -> Named:
    """Classes of small probability are left out: every class counts."""
    return fisher(model, x, lambda p, g: p * g.square() * (p > 1e-3))


def hessian_diagonal_sixteen_bits(model: nn.Module, x: Tensor) -> Named:
    """The result is rounded to 16 bits: leave it in the network's precision."""
    return {name: h.bfloat16().to(h.dtype) for name, h in fisher(model, x).items()}


def hessian_diagonal_per_layer(model: nn.Module, x: Tensor) -> Named:
    """There is one number a layer: each *weight* has an h_kk of its own."""
    return {name: h.mean() for name, h in fisher(model, x).items()}


def hessian_diagonal_by_the_layer(model: nn.Module, x: Tensor) -> Named:
    """The curvatures of a layer are divided by their sum: they are not to be scaled."""
    return {name: h / h.sum() for name, h in fisher(model, x).items()}


def saliencies(weights: Named, diagonal: Named) -> Named:
    """The right ones."""
    return {name: 0.5 * diagonal[name] * w.detach() ** 2 for name, w in weights.items()}


def obd_scores_wrong_square(weights: Named, diagonal: Named) -> Named:
    """The curvature is squared, and the weight is not: it is the other way round."""
    return {name: 0.5 * diagonal[name] ** 2 * w for name, w in weights.items()}


def obd_scores_half_precision(weights: Named, diagonal: Named) -> Named:
    """The scores are in 16 bits: keep the precision of the weights."""
    return {name: score.half() for name, score in saliencies(weights, diagonal).items()}


def obd_scores_rounded(weights: Named, diagonal: Named) -> Named:
    """The scores are computed in 16 bits and equal ones come out: keep the weights' precision."""
    return {
        name: (0.5 * diagonal[name].bfloat16() * w.bfloat16() ** 2).to(w.dtype)
        for name, w in weights.items()
    }


def obd_scores_whole_numbers(weights: Named, diagonal: Named) -> Named:
    """`//` rounds down: divide with `/`."""
    return {name: diagonal[name] * w.detach() ** 2 // 2 for name, w in weights.items()}


def obd_scores_of_the_network(weights: Named, diagonal: Named) -> Named:
    """The scores are divided by their sum over the network: a saliency is a change of the loss, and
    is not to be scaled."""
    scores = saliencies(weights, diagonal)
    total = sum(float(score.sum()) for score in scores.values())
    return {name: score / total for name, score in scores.items()}


def obd_scores_flat(weights: Named, diagonal: Named) -> Named:
    """The scores have lost the shape of their weight: leave `flatten` out."""
    return {name: score.flatten() for name, score in saliencies(weights, diagonal).items()}


def obd_scores_from_one(weights: Named, diagonal: Named) -> Named:
    """The distance of the weight from 1 is squared: it is set to *zero*."""
    return {name: 0.5 * diagonal[name] * (1 - w) ** 2 for name, w in weights.items()}


def obd_scores_first_layer(weights: Named, diagonal: Named) -> Named:
    """Only the first weight of the dict has scores: is `return` inside the loop?"""
    return saliencies(dict(list(weights.items())[:1]), diagonal)


def obd_scores_matrices_only(weights: Named, diagonal: Named) -> Named:
    """Weights with one dimension have no scores: every one of the dict has."""
    return saliencies({n: w for n, w in weights.items() if w.dim() > 1}, diagonal)


def obd_scores_list(weights: Named, diagonal: Named) -> list[Tensor]:
    """You return a list: asked is a dict, name -> saliency."""
    return list(saliencies(weights, diagonal).values())


def obd_scores_cubed(weights: Named, diagonal: Named) -> Named:
    """The weight enters with its cube: it is the square."""
    return {name: 0.5 * diagonal[name] * w**2 * w.abs() for name, w in weights.items()}


def obd_scores_second_order_of_both(weights: Named, diagonal: Named) -> Named:
    """You add curvature and squared weight: they are multiplied."""
    return {name: 0.5 * (diagonal[name] + w**2) for name, w in weights.items()}


def flow_by(
    model: nn.Module,
    x: Tensor,
    total: Callable[[Tensor], Tensor] = torch.sum,
    score: Callable[[Tensor, Tensor], Tensor] = lambda weight, gradient: weight * gradient,
    prepare: Callable[[nn.Module], Any] = lambda twin: None,
    training: bool = False,
) -> Named:
    """SynFlow, by what becomes of the outputs, of weight and gradient, and of the network."""
    twin = copy.deepcopy(model).double().train(training)
    prepare(twin)
    for parameter in twin.parameters():
        parameter.data.abs_()
    weights = prunable(twin)
    gradients = torch.autograd.grad(total(twin(x)), list(weights.values()))
    return {n: score(w, g).detach() for (n, w), g in zip(weights.items(), gradients, strict=True)}


def synflow_scores_biases_signed(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """Biases and shifts kept their sign: every parameter becomes its magnitude."""
    return flow(model, ones(shape), positive=lambda name: not name.endswith("bias"))


def synflow_scores_squared_outputs(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The outputs are squared before they are added: R is their plain sum."""
    return flow_by(model, ones(shape), total=lambda outputs: outputs.square().sum())


def synflow_scores_first_output(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """R is the first output alone: it is the *sum* of all outputs."""
    return flow_by(model, ones(shape), total=lambda outputs: outputs.flatten()[0])


def synflow_scores_softmax(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """There is a softmax over the outputs, which always add up to 1 then: R is their plain sum."""
    return flow_by(model, ones(shape), total=lambda outputs: outputs.softmax(1).sum())


def synflow_scores_training_batch(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """Two inputs in training mode: one input of ones, and evaluation mode."""
    return flow_by(model, ones(shape).repeat(2, *[1] * len(shape)), training=True)


def synflow_scores_zeros(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The input is made of zeros: it is made of ones."""
    return flow_by(model, 0 * ones(shape))


def synflow_scores_half_ones(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The input is not 1 everywhere: is it scaled or centred?"""
    return flow_by(model, ones(shape) / 2)


def synflow_scores_weight_squared(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The weight enters squared: the score is |θ| times the gradient."""
    return flow_by(model, ones(shape), score=lambda weight, gradient: weight.square() * gradient)


def synflow_scores_score_squared(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The score is squared: it is |θ| times the gradient itself."""
    return flow_by(model, ones(shape), score=lambda weight, gradient: (weight * gradient).square())


def synflow_scores_gradient_squared(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The gradient enters squared: the score is |θ| times the gradient itself."""
    return flow_by(model, ones(shape), score=lambda weight, gradient: weight * gradient.square())


def synflow_scores_weight_alone(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """This is the magnitude alone: the flow *through* a weight is |θ| times the gradient."""
    return flow_by(model, ones(shape), score=lambda weight, gradient: weight)


def synflow_scores_sum_of_both(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """Magnitude and gradient are added: they are multiplied."""
    return flow_by(model, ones(shape), score=lambda weight, gradient: weight + gradient)


def synflow_scores_small_added(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """A small number is added to the gradients, and counts more than a tiny flow: leave it out."""
    return flow_by(model, ones(shape), score=lambda weight, gradient: weight * (gradient + 1e-6))


def synflow_scores_small_cut_off(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """Small weights have a score of 0: a small flow is a flow."""
    return flow_by(
        model, ones(shape), score=lambda weight, gradient: weight * gradient * (weight > 1e-3)
    )


def synflow_scores_every_parameter(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """Biases and BN's parameters have scores, too: only the weights that `prunable` lists do."""
    twin = copy.deepcopy(model).double().eval()
    for parameter in twin.parameters():
        parameter.data.abs_()
    named = dict(twin.named_parameters())
    gradients = torch.autograd.grad(twin(ones(shape)).sum(), list(named.values()))
    return {n: (p * g).detach() for (n, p), g in zip(named.items(), gradients, strict=True)}


def synflow_scores_of_the_network(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The scores are divided by their sum over the network: they are the parts of R itself."""
    scores = flow_by(model, ones(shape))
    total = sum(float(score.sum()) for score in scores.values())
    return {name: score / total for name, score in scores.items()}


def synflow_scores_batch_norm_removed(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """Batch normalisation has scale 1 and shift 0 with you: its parameters are parameters too, and
    become their magnitudes."""

    def reset(twin: nn.Module) -> None:
        for layer in twin.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.reset_parameters()

    return flow_by(model, ones(shape), prepare=reset)


def kl_divergence_of_each(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """There is one number a weight: the result is their *sum*."""
    return kl_of(log_alpha_of(theta, log_sigma2))


def kl_divergence_number(theta: Tensor, log_sigma2: Tensor) -> float:
    """The result is a Python number, and nothing can be trained by it: return the tensor."""
    return kl_of(log_alpha_of(theta, log_sigma2)).sum().item()


def kl_divergence_twice_log_sigma(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """log σ² is doubled: it is the logarithm of the *square* already."""
    return kl_of(log_alpha_of(theta, 2 * log_sigma2)).sum()


def kl_divergence_half_log_sigma(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """log σ² is halved: α has the variance σ², not σ."""
    return kl_of(log_alpha_of(theta, log_sigma2 / 2)).sum()


def kl_divergence_signed_clamp(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """Negative weights are cut off at a small positive number: square first, then cut off."""
    return kl_of(log_sigma2 - theta.clamp(min=1e-4).square().log()).sum()


def kl_divergence_cut_at_eight(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """log α is cut off at ±8: it may be anything."""
    return kl_of(log_alpha_of(theta, log_sigma2).clamp(-8, 8)).sum()


def kl_divergence_cut_at_ten(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """log α is cut off at ±10: it may be anything."""
    return kl_of(log_alpha_of(theta, log_sigma2).clamp(-10, 10)).sum()


def kl_divergence_cut_at_twenty(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """log α is cut off at ±20: it may be anything."""
    return kl_of(log_alpha_of(theta, log_sigma2).clamp(-20, 20)).sum()


def kl_divergence_result_cut(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The KL of a weight is cut off at 10: it grows without a bound as α gets small."""
    return kl_of(log_alpha_of(theta, log_sigma2)).clamp(max=10).sum()


def kl_divergence_swapped(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """θ and log σ² are swapped: log α = log σ² - log θ²."""
    return kl_of(log_alpha_of(log_sigma2, theta)).sum()


def kl_divergence_large_stand_in(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """At θ = 0 the number that stands for θ² is 1e-4 with you: it is 1e-8."""
    return kl_of(log_sigma2 - theta.square().clamp(min=1e-4).log()).sum()


def kl_divergence_decimal(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The logarithm of θ² is that to base 10: it is the natural one, as log σ² is."""
    return kl_of(log_sigma2 - theta.square().clamp(min=1e-8).log10()).sum()


def kl_divergence_where_too_late(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """At θ = 0 the gradient is NaN: `torch.where` computes both branches, and log 0 is in one. Let
    1e-8 stand for θ² *before* the logarithm."""
    log_theta2 = theta.square().log()
    log_theta2 = torch.where(theta == 0, torch.full_like(theta, math.log(1e-8)), log_theta2)
    return kl_of(log_sigma2 - log_theta2).sum()


def kl_divergence_means_held(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """No gradient comes through to θ: leave `.detach()` and `.data` out."""
    return kl_of(log_alpha_of(theta.detach(), log_sigma2)).sum() + 0 * theta.sum()


def kl_divergence_variances_held(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """No gradient comes through to log σ²: leave `.detach()` and `.data` out."""
    return kl_of(log_alpha_of(theta, log_sigma2.detach())).sum() + 0 * log_sigma2.sum()


def kl_divergence_without_sigmoid(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The term with the sigmoid is missing."""
    return (0.5 * F.softplus(-log_alpha_of(theta, log_sigma2))).sum()


def kl_divergence_without_logarithm(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The last term, ½·log(1 + 1/α), is missing."""
    return (
        0.63576 * (1 - torch.sigmoid(1.87320 + 1.48695 * log_alpha_of(theta, log_sigma2)))
    ).sum()


def kl_divergence_log_of_inverse(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The last term is ½·log(1/α) with you: it is ½·log(1 + 1/α)."""
    log_alpha = log_alpha_of(theta, log_sigma2)
    return (0.63576 * (1 - torch.sigmoid(1.87320 + 1.48695 * log_alpha)) - 0.5 * log_alpha).sum()


def noisy(
    layer: Product,
    x: Tensor,
    theta: Tensor,
    log_sigma2: Tensor,
    noise: Noise,
    *,
    square: Callable[[Tensor], Tensor] = torch.square,
    variance: Callable[[Tensor], Tensor] = torch.exp,
    root: Callable[[Tensor], Tensor] = lambda variance: (variance + 1e-8).sqrt(),
) -> Tensor:
    """The output, by what becomes of the inputs, of log σ², and of the variance."""
    mean = layer(x, theta)
    return mean + root(layer(square(x), variance(log_sigma2))) * noise(mean)


def noisy_output_signed_inputs(*given: Any, **named: Any) -> Tensor:
    """The inputs are not squared in the variance, and may be negative: Var(x·w) = x²·σ²."""
    return noisy(*given, **named, square=lambda x: x)


def noisy_output_logarithm(*given: Any, **named: Any) -> Tensor:
    """log σ² is taken for the variance: it is the *logarithm* of it, take `exp`."""
    return noisy(*given, **named, variance=lambda log_sigma2: log_sigma2)


def noisy_output_half_logarithm(*given: Any, **named: Any) -> Tensor:
    """`exp(½·log σ²)` is σ, where the variance σ² is asked for."""
    return noisy(*given, **named, variance=lambda log_sigma2: (0.5 * log_sigma2).exp())


def noisy_output_cut_off(*given: Any, **named: Any) -> Tensor:
    """log σ² is cut off at ±8: it may be anything."""
    return noisy(*given, **named, variance=lambda log_sigma2: log_sigma2.clamp(-8, 8).exp())


def noisy_output_large_eps(*given: Any, **named: Any) -> Tensor:
    """The number under the root is 1e-6 with you: it is 1e-8."""
    return noisy(*given, **named, root=lambda variance: (variance + 1e-6).sqrt())


def noisy_output_larger_eps(*given: Any, **named: Any) -> Tensor:
    """The number under the root is 1e-4 with you: it is 1e-8."""
    return noisy(*given, **named, root=lambda variance: (variance + 1e-4).sqrt())


def noisy_output_spread_held(*given: Any, **named: Any) -> Tensor:
    """No gradient comes through the standard deviation: leave `.detach()` out."""
    return noisy(*given, **named, root=lambda variance: (variance + 1e-8).sqrt().detach())


def noisy_output_variances_held(*given: Any, **named: Any) -> Tensor:
    """No gradient comes through to log σ²: leave `.detach()` and `.data` out."""
    return noisy(*given, **named, variance=lambda log_sigma2: log_sigma2.detach().exp())


def noisy_output_inputs_held(*given: Any, **named: Any) -> Tensor:
    """The inputs of the variance are detached, but the layer before learns from it, too."""
    return noisy(*given, **named, square=lambda x: x.detach().square())


def noisy_output_mean_held(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """No gradient comes through the mean: leave `.detach()` out."""
    mean = layer(x, theta)
    return noisy(layer, x, theta, log_sigma2, noise) - mean + mean.detach()


def noisy_output_no_mean(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """This is the noise alone: the mean is missing."""
    return noisy(layer, x, theta, log_sigma2, noise) - layer(x, theta)


def noisy_output_minus(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """The noise is subtracted: outputs = mean + standard deviation · noise."""
    return 2 * layer(x, theta) - noisy(layer, x, theta, log_sigma2, noise)


def noisy_output_shifted(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """A small number is added to the outputs: 1e-8 belongs under the root, and to nothing else."""
    return noisy(layer, x, theta, log_sigma2, noise) + 1e-3


def noisy_output_called_twice(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """`noise` is called twice: call it once."""
    noise(layer(x, theta))
    return noisy(layer, x, theta, log_sigma2, noise)


def noisy_output_one_image(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """All images of the batch have the same noise: draw numbers for each."""
    return noisy(layer, x, theta, log_sigma2, lambda mean: noise(mean[:1]))


def noisy_output_one_number(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """There is one number of noise for all outputs: each has its own."""
    return noisy(layer, x, theta, log_sigma2, lambda mean: noise(mean.flatten()[:1]))


def noisy_output_own_noise(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """`noise` is not called: you draw numbers of your own."""
    fixed = torch.Generator().manual_seed(0)
    return noisy(layer, x, theta, log_sigma2, lambda mean: torch.randn(mean.shape, generator=fixed))


def noisy_output_noise_of_the_inputs(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """The noise is drawn for the *inputs*: draw it for the outputs."""
    return layer(x + noise(x), theta)


def noisy_output_linear_only(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """You call `F.linear` yourself: the layer may be a convolution, call `layer`."""
    return noisy(F.linear, x, theta, log_sigma2, noise)


def noisy_output_convolution(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """You call `F.conv2d` yourself, with a stride and padding of your own: call `layer`."""
    own = F.linear if theta.dim() == 2 else lambda x, w: F.conv2d(x, w, padding=w.shape[-1] // 2)
    return noisy(own, x, theta, log_sigma2, noise)


def noisy_output_plain_convolution(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """You call `F.conv2d` yourself, without the layer's stride and padding: call `layer`."""
    own: Product = F.linear if theta.dim() == 2 else F.conv2d
    return noisy(own, x, theta, log_sigma2, noise)


def noisy_output_square_of_the_mean(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """The *mean* is squared in the variance: square each input, Σ x²·σ²."""
    mean = layer(x, theta)
    spread = mean.square() * layer(torch.ones_like(x), log_sigma2.exp())
    return mean + (spread + 1e-8).sqrt() * noise(mean)


def noisy_output_root_of_each(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """The sum is squared, not its parts: the variance is Σ x²·σ², not (Σ x·σ)²."""
    mean = layer(x, theta)
    spread = layer(x, (0.5 * log_sigma2).exp()).square()
    return mean + (spread + 1e-8).sqrt() * noise(mean)


def pruned_by(
    model: nn.Module,
    sparsities: dict[str, float],
    mask: Callable[[Any, float], Tensor],
) -> nn.Module:
    """A copy whose blocks have lost what `mask(block, sparsity)` says."""
    twin = copy.deepcopy(model)
    for name, sparsity in sparsities.items():
        block: Any = twin.get_submodule(name.removesuffix(".conv1"))
        keep = mask(block, sparsity)
        block.conv1, block.bn1, block.conv2 = remove_filters(
            block.conv1, block.bn1, block.conv2, keep
        )
    return twin


def lowest_gone(scores: Tensor, sparsity: float, count: Callable = round) -> Tensor:
    """A mask without the lowest scores."""
    keep = torch.ones(len(scores), dtype=torch.bool)
    keep[scores.argsort()[: min(count(sparsity * len(scores)), len(scores) - 1)]] = False
    return keep


def norms_of(block: Any) -> Tensor:
    """The L1 norms of a block's filters."""
    return block.conv1.weight.detach().abs().sum(dim=(1, 2, 3))


def amc_reward_minus_accuracy(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """This is minus the accuracy: the reward is minus the *error*, accuracy - 1."""
    return -1 - further.amc_reward(model, sparsities, evaluate)


def amc_reward_percent(model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate) -> float:
    """The accuracy is taken for percent: it lies between 0 and 1."""
    return further.amc_reward(model, sparsities, evaluate) - 99


def amc_reward_in_percent(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The reward is in percent: it lies between -1 and 0."""
    return 100 * further.amc_reward(model, sparsities, evaluate)


def amc_reward_rounded(model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate) -> float:
    """The reward is rounded, and choices that differ a little look the same."""
    return round(further.amc_reward(model, sparsities, evaluate), 2)


def amc_reward_scaled(model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate) -> float:
    """Something more than the error is in the reward: it is the accuracy less 1."""
    return 1.1 * further.amc_reward(model, sparsities, evaluate)


def amc_reward_evaluated_twice(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """`evaluate` is called more than once, and takes long: call it for the pruned network alone."""
    evaluate(model)
    return further.amc_reward(model, sparsities, evaluate)


def amc_reward_difference(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The reward is the loss of accuracy: it is the accuracy of the pruned network less 1."""
    return 1 + further.amc_reward(model, sparsities, evaluate) - evaluate(model)


def amc_reward_training_mode(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The network is in training mode when it is evaluated: leave its mode as it was."""
    return further.amc_reward(model, sparsities, lambda network: evaluate(network.train()))


def amc_reward_largest_go(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The strongest filters are gone: those of the *smallest* L1 norm go."""
    twin = pruned_by(model, sparsities, lambda block, share: lowest_gone(-norms_of(block), share))
    return evaluate(twin) - 1


def amc_reward_signed(model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate) -> float:
    """The weights of a filter are added with their signs, and cancel: add magnitudes."""

    def mask(block: Any, share: float) -> Tensor:
        return lowest_gone(block.conv1.weight.detach().sum(dim=(1, 2, 3)), share)

    return evaluate(pruned_by(model, sparsities, mask)) - 1


def amc_reward_absolute_of_the_sum(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The magnitude is taken of the sum: take it of each weight, before you add."""

    def mask(block: Any, share: float) -> Tensor:
        return lowest_gone(block.conv1.weight.detach().sum(dim=(1, 2, 3)).abs(), share)

    return evaluate(pruned_by(model, sparsities, mask)) - 1


def amc_reward_peak(model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate) -> float:
    """A filter's largest weight decides: its L1 norm is the *sum* of all magnitudes."""

    def mask(block: Any, share: float) -> Tensor:
        return lowest_gone(block.conv1.weight.detach().abs().amax(dim=(1, 2, 3)), share)

    return evaluate(pruned_by(model, sparsities, mask)) - 1


def amc_reward_by_scale(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The filters are ranked by |γ| of their batch normalisation: rank them by their L1 norm."""

    def mask(block: Any, share: float) -> Tensor:
        return lowest_gone(block.bn1.weight.detach().abs(), share)

    return evaluate(pruned_by(model, sparsities, mask)) - 1


def amc_reward_fresh_batch_norm(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The batch normalisation is a new one: it has to keep the scales, shifts and statistics of the
    filters that stay, see `remove_filters`."""
    twin = pruned_by(model, sparsities, lambda block, share: filter_mask(block.conv1.weight, share))
    for name in sparsities:
        twin.get_submodule(name.replace("conv1", "bn1")).reset_parameters()  # type: ignore[operator]
    return evaluate(twin) - 1


def amc_reward_rounds_down(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The number of filters is rounded down: `filter_mask` rounds to the nearest."""
    twin = pruned_by(model, sparsities, lambda block, s: lowest_gone(norms_of(block), s, int))
    return evaluate(twin) - 1


def amc_reward_rounds_up(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The number of filters is rounded up: `filter_mask` rounds to the nearest."""
    twin = pruned_by(model, sparsities, lambda block, s: lowest_gone(norms_of(block), s, math.ceil))
    return evaluate(twin) - 1


def amc_reward_sixteen_bits(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """Norms that differ in the fifth digit are equal with you: rank them as they are."""

    def mask(block: Any, share: float) -> Tensor:
        return lowest_gone(norms_of(block).bfloat16(), share)

    return evaluate(pruned_by(model, sparsities, mask)) - 1


def amc_reward_one_ranking(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The filters of all layers are in one ranking: each layer loses its own share."""
    norms = {
        n: model.get_parameter(f"{n}.weight").detach().abs().sum((1, 2, 3)) for n in sparsities
    }
    gone = sum(round(s * len(norms[n])) for n, s in sparsities.items())
    total = sum(map(len, norms.values()))
    keep = global_masks(norms, gone / total) if total else {}
    twin = copy.deepcopy(model)
    for name, mask in keep.items():
        block: Any = twin.get_submodule(name.removesuffix(".conv1"))
        mask[norms[name].argmax()] = True
        silence_filters(block.conv1, block.bn1, mask)
    return evaluate(twin) - 1


def amc_reward_all_layers(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """Layers that are not named lose filters, too: only those in `sparsities` do."""
    blocks = [n for n, m in model.named_modules() if hasattr(m, "conv1") and hasattr(m, "bn1")]
    every = {f"{name}.conv1": 0.5 for name in blocks if f"{name}.conv2" != ".conv2"}
    return further.amc_reward(model, every | sparsities, evaluate)


def amc_reward_kernels_kept(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The wrong kernels of conv2 stay: they are those of the filters that stay, in their order."""
    twin = copy.deepcopy(model)
    for name, sparsity in sparsities.items():
        block: Any = twin.get_submodule(name.removesuffix(".conv1"))
        keep = filter_mask(block.conv1.weight, sparsity)
        first = torch.arange(len(keep)) < keep.sum()
        block.conv1, block.bn1, _ = remove_filters(block.conv1, block.bn1, block.conv2, keep)
        block.conv2.weight = nn.Parameter(block.conv2.weight.data[:, first])
        block.conv2.in_channels = int(keep.sum())
    return evaluate(twin) - 1


def fisher_weighted(model: nn.Module, x: Tensor, weigh: Callable[[Tensor, int, int], Any]) -> Named:
    """The diagonal, where `weigh(probabilities (N, C), n, c)` weighs a squared gradient."""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    log_p = model(x).log_softmax(1)
    for n, row in enumerate(log_p):
        for c, entry in enumerate(row):
            found = torch.autograd.grad(entry, list(weights.values()), retain_graph=True)
            for name, g in zip(weights, found, strict=True):
                total[name] += weigh(log_p.detach().exp(), n, c) * g.square() / len(x)
    return {name: h.detach() for name, h in total.items()}


def hessian_diagonal_as_many_classes_as_inputs(model: nn.Module, x: Tensor) -> Named:
    """The loop over the classes is as long as there are *inputs*: it goes over all C outputs."""
    return fisher_weighted(model, x, lambda p, n, c: p[n, c] * (c < len(x)))


def hessian_diagonal_first_probabilities(model: nn.Module, x: Tensor) -> Named:
    """The probabilities are those of the first input for all of them: each has its own."""
    return fisher_weighted(model, x, lambda p, n, c: p[0, c])


def hessian_diagonal_mean_probabilities(model: nn.Module, x: Tensor) -> Named:
    """The probabilities are averaged over the inputs: each input has its own."""
    return fisher_weighted(model, x, lambda p, n, c: p[:, c].mean())


def hessian_diagonal_uniform(model: nn.Module, x: Tensor) -> Named:
    """All classes weigh the same, 1 / C: weigh each by its probability."""
    return fisher_weighted(model, x, lambda p, n, c: 1 / p.shape[1])


def hessian_diagonal_one_minus_probability(model: nn.Module, x: Tensor) -> Named:
    """A squared gradient is weighted by 1 - p: its weight is p."""
    return fisher_weighted(model, x, lambda p, n, c: 1 - p[n, c])


def hessian_diagonal_root_of_probability(model: nn.Module, x: Tensor) -> Named:
    """A squared gradient is weighted by the root of p: its weight is p."""
    return fisher_weighted(model, x, lambda p, n, c: p[n, c].sqrt())


def hessian_diagonal_not_weighted_most_probable(model: nn.Module, x: Tensor) -> Named:
    """Only the most probable class of each input is used, weighted by p: the sum goes over *all*
    classes."""
    return fisher_weighted(model, x, lambda p, n, c: p[n, c] * (c == int(p[n].argmax())))


def hessian_diagonal_squared_after_the_classes(model: nn.Module, x: Tensor) -> Named:
    """The gradients of the classes, each times √p, are added and squared then: square first."""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for row in model(x).log_softmax(1):
        mixed = (row.detach().exp().sqrt() * row).sum()
        found = torch.autograd.grad(mixed, list(weights.values()), retain_graph=True)
        for name, g in zip(weights, found, strict=True):
            total[name] += g.square() / len(x)
    return {name: h.detach() for name, h in total.items()}


def obd_scores_quarter(weights: Named, diagonal: Named) -> Named:
    """(h/2)² · w²: the curvature is squared along with its ½."""
    return {name: (diagonal[name] / 2) ** 2 * w**2 for name, w in weights.items()}


def obd_scores_largest_curvature(weights: Named, diagonal: Named) -> Named:
    """Every weight of a layer gets the layer's largest curvature: each has its own h_kk."""
    return {name: 0.5 * diagonal[name].max() * w**2 for name, w in weights.items()}


def obd_scores_first_curvature(weights: Named, diagonal: Named) -> Named:
    """Every weight gets the first curvature: each has its own h_kk."""
    first = next(iter(diagonal.values())).flatten()[0]
    return {name: 0.5 * first * w**2 for name, w in weights.items()}


def obd_scores_sixth(weights: Named, diagonal: Named) -> Named:
    """The factor is 1/6, that of the third order: the second order has ½."""
    return {name: diagonal[name] * w**2 / 6 for name, w in weights.items()}


def obd_scores_larger_than_all(weights: Named, diagonal: Named) -> Named:
    """The scores are divided by the largest of their layer: a saliency is not to be scaled."""
    right = saliencies(weights, diagonal)
    return {name: score / score.max() for name, score in right.items()}


def synflow_scores_half(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """All scores are half of what they should be: there is no ½ in |θ| · ∂R/∂|θ|."""
    return {name: score / 2 for name, score in flow_by(model, ones(shape)).items()}


def synflow_scores_root(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """There is a square root too many."""
    return {name: score.sqrt() for name, score in flow_by(model, ones(shape)).items()}


def synflow_scores_least_subtracted(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The smallest score of each layer is subtracted: leave the scores as they are."""
    return {name: score - score.min() for name, score in flow_by(model, ones(shape)).items()}


def synflow_scores_by_the_largest(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The scores of a layer are divided by the largest: leave them as they are."""
    return {name: score / score.max() for name, score in flow_by(model, ones(shape)).items()}


def synflow_scores_last_layer_kept(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The last layer has the score ∞, so that it is never pruned: score it as the others."""
    scores = flow_by(model, ones(shape))
    for name in list(scores)[1:][-1:]:
        scores[name] = torch.full_like(scores[name], torch.inf)
    return scores


def powers_of(exponents: list[float], density: float) -> list[float]:
    """The densities after each round."""
    return [density**exponent for exponent in exponents]


def synflow_masks_never_there(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """The exponent is k / (n + 1), so the last round does not reach the density: it is k / n."""
    return rounds_of(
        model, score, powers_of([k / (rounds + 1) for k in range(1, rounds + 1)], density)
    )


def synflow_masks_inverse_exponent(
    model: nn.Module, score: Score, density: float, rounds: int
) -> Named:
    """The exponent is 1 / (n - k + 1): it is k / n, so that each round keeps the same share."""
    exponents = [1 / (rounds - k) for k in range(rounds)]
    return rounds_of(model, score, powers_of(exponents, density))


def synflow_masks_one_round_more(
    model: nn.Module, score: Score, density: float, rounds: int
) -> Named:
    """There is one round too many: k goes from 1 to n."""
    exponents = [k / rounds for k in range(1, rounds + 2)]
    return rounds_of(model, score, powers_of(exponents, density))


def synflow_masks_squared(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """The density falls slowly at first and fast at last: it falls by the same *factor*."""
    left = [1 - (1 - density) * (k / rounds) ** 2 for k in range(1, rounds + 1)]
    return rounds_of(model, score, left)


def synflow_masks_cubic(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """The sparsity follows the cubic of another paper: the density is density^(k/n)."""
    left = [1 - (1 - density) * (1 - (1 - k / rounds) ** 3) for k in range(1, rounds + 1)]
    return rounds_of(model, score, left)


def synflow_masks_power_of_the_sparsity(
    model: nn.Module, score: Score, density: float, rounds: int
) -> Named:
    """It is the sparsity that has the power: density^(k/n) is the *density* after round k."""
    left = [1 - (1 - density) ** (rounds / k) for k in range(1, rounds + 1)]
    return rounds_of(model, score, left)


def synflow_masks_best_go(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """The weights of the highest scores are pruned: those of the lowest go."""
    negative: Score = lambda network: {n: -s for n, s in score(network).items()}  # noqa: E731
    return rounds_of(
        model, negative, powers_of([k / rounds for k in range(1, rounds + 1)], density)
    )


def synflow_masks_what_went(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """The masks are True where a weight *went*: True means keep."""
    kept = rounds_of(model, score, powers_of([k / rounds for k in range(1, rounds + 1)], density))
    return {name: ~mask for name, mask in kept.items()}


def synflow_masks_floats(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """Masks are bool tensors: compare, or use `.bool()`."""
    kept = rounds_of(model, score, powers_of([k / rounds for k in range(1, rounds + 1)], density))
    return {name: mask.float() for name, mask in kept.items()}


def kl_divergence_sigmoid_added(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """k1·sigmoid is added: it is k1 - k1·sigmoid, and the KL falls to 0 for α -> ∞."""
    log_alpha = log_alpha_of(theta, log_sigma2)
    return (
        0.63576 * torch.sigmoid(1.87320 + 1.48695 * log_alpha) + 0.5 * F.softplus(-log_alpha)
    ).sum()


def kl_divergence_rounded_constants(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The constants are rounded: k1 = 0.63576, k2 = 1.87320, k3 = 1.48695."""
    return kl_of(log_alpha_of(theta, log_sigma2), 0.64, 1.87, 1.49).sum()


def kl_divergence_theta_added(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """log θ² is added to log σ²: α is σ² *over* θ², subtract the logarithm."""
    return kl_of(log_sigma2 + theta.square().clamp(min=1e-8).log()).sum()


def kl_divergence_k1_for_all(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """k1 multiplies the last term, too: look at the brackets."""
    log_alpha = log_alpha_of(theta, log_sigma2)
    first = 1 - torch.sigmoid(1.87320 + 1.48695 * log_alpha)
    return (0.63576 * (first + 0.5 * F.softplus(-log_alpha))).sum()


def kl_divergence_half_for_all(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The ½ multiplies the first terms, too: look at the brackets."""
    log_alpha = log_alpha_of(theta, log_sigma2)
    first = 0.63576 * (1 - torch.sigmoid(1.87320 + 1.48695 * log_alpha))
    return (0.5 * (first + F.softplus(-log_alpha))).sum()


def kl_divergence_k3_for_both(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """k3 multiplies k2, too: it is k2 + k3·log α."""
    return kl_of(log_alpha_of(theta, log_sigma2), k2=1.48695 * 1.87320).sum()


def kl_divergence_tanh(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """There is a tanh in place of the sigmoid."""
    log_alpha = log_alpha_of(theta, log_sigma2)
    first = 0.63576 * (1 - torch.tanh(1.87320 + 1.48695 * log_alpha))
    return (first + 0.5 * F.softplus(-log_alpha)).sum()


def kl_divergence_of_each_row(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """There is one number a row: the sum goes over *all* weights, leave `dim` out."""
    return kl_of(log_alpha_of(theta, log_sigma2)).sum(-1)


def noisy_output_inputs_noise_through_ones(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """`noise` is called with the inputs: it is to have the shape of the *outputs*."""
    spread = (layer(x.square(), log_sigma2.exp()) + 1e-8).sqrt()
    return layer(x, theta) + spread * layer(noise(x), torch.ones_like(theta))


def noisy_output_noise_under_the_root(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """The noise is under the root: it multiplies the standard deviation, with its sign."""
    mean = layer(x, theta)
    spread = layer(x.square(), log_sigma2.exp()) + 1e-8
    return mean + (spread * noise(mean).abs()).sqrt()


def noisy_output_second_moment(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """θ² is added to σ²: that is E[w²], and the variance of a weight is σ² alone."""
    mean = layer(x, theta)
    spread = layer(x.square(), theta.square() + log_sigma2.exp())
    return mean + (spread + 1e-8).sqrt() * noise(mean)


def noisy_output_swapped(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """θ and log σ² are swapped."""
    return noisy(layer, x, log_sigma2, theta, noise)


def noisy_output_relative(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """The noise is multiplied by the mean: it is added to it."""
    mean = layer(x, theta)
    return mean * (1 + (layer(x.square(), log_sigma2.exp()) + 1e-8).sqrt() * noise(mean))


def noisy_output_never_below(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """The noise has lost its sign: leave `abs` out."""
    return noisy(layer, x, theta, log_sigma2, lambda mean: noise(mean).abs())


def noisy_output_powers_of_two(*given: Any, **named: Any) -> Tensor:
    """log σ² is a *natural* logarithm: take `exp`, no power of 2 or 10."""
    return noisy(*given, **named, variance=lambda log_sigma2: 2**log_sigma2)


def loss_of(
    outputs: Tensor, labels: Tensor, kl: Tensor, share: float, divisor: float = 10.0
) -> Tensor:
    """The loss for a weight of the KL."""
    return F.cross_entropy(outputs, labels) + share * kl / divisor


def variational_loss_by_classes(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The KL is divided by the number of *classes*: it is divided by that of the images."""
    return loss_of(outputs, labels, kl, min(1.0, progress / warmup), outputs.shape[1])


def variational_loss_times_images(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The KL is multiplied by the number of images: it is divided by it."""
    return loss_of(outputs, labels, kl, min(1.0, progress / warmup), 1 / images)


def variational_loss_at_least_one(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The weight of the KL is at *least* 1: it is at most 1, `min`."""
    return loss_of(outputs, labels, kl, max(1.0, progress / warmup), images)


def variational_loss_grows_after(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The weight of the KL grows when the warm-up is over: it grows *in* the warm-up."""
    return loss_of(outputs, labels, kl, max(0.0, (progress - warmup) / (1 - warmup)), images)


def variational_loss_kl_alone(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The cross-entropy is missing."""
    return min(1.0, progress / warmup) * kl / images + 0 * outputs.sum()


def variational_loss_fit_alone(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The KL is missing."""
    return F.cross_entropy(outputs, labels) + 0 * kl


def variational_loss_mixed(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The cross-entropy fades as the KL grows: it counts fully all the time."""
    share = min(1.0, progress / warmup)
    return (1 - share) * F.cross_entropy(outputs, labels) + share * kl / images


def variational_loss_fit_held(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """No gradient comes through the cross-entropy: no `.item()`, `.detach()` or `float()`."""
    fit = F.cross_entropy(outputs, labels).detach() + 0 * outputs.sum()
    return fit + min(1.0, progress / warmup) * kl / images


def bounded_sparsity_reversed(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """The sparsities so far are paired with the *last* layers: they belong to the first ones."""
    removed = sum(m * s for m, s in zip(macs[::-1], chosen, strict=False))
    t = len(chosen)
    needed = target - removed - highest * sum(macs[t + 1 :])
    return min(highest, max(wanted, needed / macs[t]))


def bounded_sparsity_last_highest(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """The last layer always gets `highest`: it gets what is wished, or needed."""
    needed = needed_macs(macs, chosen, target, highest) / macs[len(chosen)]
    last = len(chosen) == len(macs) - 1
    return highest if last else min(highest, max(wanted, needed))


def bounded_sparsity_shared_evenly(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """What is missing is shared evenly among the layers that are left: the later ones can lose up
    to `highest`, and the agent has its wish as long as that is enough."""
    removed = sum(m * s for m, s in zip(macs, chosen, strict=False))
    return min(highest, max(wanted, (target - removed) / sum(macs[len(chosen) :])))


def bounded_sparsity_wish_for_all(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """The later layers are expected to be pruned by `wanted`: by `highest`, as far as may be."""
    removed = sum(m * s for m, s in zip(macs, chosen, strict=False))
    needed = target - removed - wanted * sum(macs[len(chosen) + 1 :])
    return min(highest, max(wanted, needed / macs[len(chosen)]))


def bounded_sparsity_rounded(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """The sparsity is rounded, and the budget may be missed: return it as it is."""
    needed = needed_macs(macs, chosen, target, highest) / macs[len(chosen)]
    return round(min(highest, max(wanted, needed)), 2)


def bounded_sparsity_absolute(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """Where more is removed than needed, the surplus counts as a need: it is negative, leave `abs`
    out."""
    needed = abs(needed_macs(macs, chosen, target, highest)) / macs[len(chosen)]
    return min(highest, max(wanted, needed))


def bounded_sparsity_percent(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """The sparsity is in percent: it lies between 0 and 1."""
    needed = needed_macs(macs, chosen, target, highest) / macs[len(chosen)]
    return 100 * min(highest, max(wanted, needed))


def amc_reward_pruned_twice(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The layers are pruned twice: once is enough."""

    def keep(block: Any, share: float) -> Tensor:
        return filter_mask(block.conv1.weight, share)

    return evaluate(pruned_by(pruned_by(model, sparsities, keep), sparsities, keep)) - 1


def amc_reward_half_of_it(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """Half of the share goes: the whole of it does."""
    return further.amc_reward(model, {n: s / 2 for n, s in sparsities.items()}, evaluate)


def amc_reward_largest_for_all(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """Every layer gets the largest of the sparsities: each has its own."""
    return further.amc_reward(
        model, dict.fromkeys(sparsities, max(sparsities.values(), default=0.0)), evaluate
    )


def amc_reward_backwards(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The sparsities go to the wrong layers: pair them by name."""
    values = list(sparsities.values())[::-1]
    return further.amc_reward(model, dict(zip(sparsities, values, strict=True)), evaluate)


def amc_reward_squared(model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate) -> float:
    """The error is squared: the reward is minus the error itself."""
    return -(further.amc_reward(model, sparsities, evaluate) ** 2)


def amc_reward_first_filters(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """The last filters go, whatever their norms: rank them."""

    def mask(block: Any, share: float) -> Tensor:
        return lowest_gone(-torch.arange(len(block.conv1.weight)), share)

    return evaluate(pruned_by(model, sparsities, mask)) - 1


def amc_reward_largest_kernel(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """A filter's largest kernel decides: its L1 norm is the sum over *all* input channels."""

    def mask(block: Any, share: float) -> Tensor:
        return lowest_gone(block.conv1.weight.detach().abs().sum(dim=(2, 3)).amax(dim=1), share)

    return evaluate(pruned_by(model, sparsities, mask)) - 1


def hessian_diagonal_divided_twice(model: nn.Module, x: Tensor) -> Named:
    """The sum is divided by the number of inputs twice: take the mean once."""
    return {name: h / len(x) for name, h in fisher(model, x).items()}


def hessian_diagonal_fourth_power(model: nn.Module, x: Tensor) -> Named:
    """The gradients are squared twice."""
    return fisher(model, x, lambda p, g: p * g**4)


def hessian_diagonal_sigmoid(model: nn.Module, x: Tensor) -> Named:
    """There is a sigmoid of each output: the probabilities are a *softmax* over the classes."""
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for outputs in model(x):
        for p, log_p in zip(outputs.detach().softmax(0), F.logsigmoid(outputs), strict=True):
            found = torch.autograd.grad(log_p, list(weights.values()), retain_graph=True)
            for name, g in zip(weights, found, strict=True):
                total[name] += p * g.square() / len(x)
    return {name: h.detach() for name, h in total.items()}


def obd_scores_signed(weights: Named, diagonal: Named) -> Named:
    """A score has the sign of its weight: at a minimum the loss *rises*, whichever way it moves."""
    return {name: 0.5 * diagonal[name] * w * w.abs() for name, w in weights.items()}


def synflow_scores_minus_ones(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """The input is made of -1: it is made of ones."""
    return flow_by(model, -ones(shape))


def synflow_scores_three_inputs(model: nn.Module, shape: tuple[int, ...]) -> Named:
    """Three inputs of ones go through, and every flow is counted three times: feed one."""
    return flow_by(model, ones(shape).repeat(3, *[1] * len(shape)))


def synflow_masks_made_small(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """The pruned weights are made small: they are *0* when the next round scores the network."""
    twin = copy.deepcopy(model)
    weights = prunable(twin)
    masks = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
    for k in range(1, rounds + 1):
        scores = {n: s.detach().masked_fill(~masks[n], -torch.inf) for n, s in score(twin).items()}
        masks = global_masks(scores, 1 - density ** (k / rounds))
        for name, weight in weights.items():
            weight.data[~masks[name]] = 1e-3
    return masks


def synflow_masks_halves(model: nn.Module, score: Score, density: float, rounds: int) -> Named:
    """Each round halves what is left: the factor is density^(1/n), so that n rounds end there."""
    return rounds_of(model, score, [max(density, 0.5**k) for k in range(1, rounds + 1)])


def kl_divergence_minus_k2(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """k2 has the wrong sign: it is k2 + k3·log α."""
    return kl_of(log_alpha_of(theta, log_sigma2), k2=-1.87320).sum()


def kl_divergence_quarter(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """The factor of the last term is ¼: it is ½."""
    log_alpha = log_alpha_of(theta, log_sigma2)
    return (kl_of(log_alpha) - 0.25 * F.softplus(-log_alpha)).sum()


def noisy_output_half_the_noise(*given: Any, **named: Any) -> Tensor:
    """The standard deviation is halved: the root is the whole of it."""
    return noisy(*given, **named, root=lambda variance: (variance + 1e-8).sqrt() / 2)


def noisy_output_positive_means(
    layer: Product, x: Tensor, theta: Tensor, log_sigma2: Tensor, noise: Noise
) -> Tensor:
    """θ has lost its sign: leave `abs` out."""
    return noisy(layer, x, theta.abs(), log_sigma2, noise)


def variational_loss_root(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The weight of the KL grows with the root of the progress: it grows linearly."""
    return loss_of(outputs, labels, kl, min(1.0, math.sqrt(progress / warmup)), images)


def variational_loss_images_and_batch(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """The KL is divided by the size of the batch as well: by the number of images alone."""
    return loss_of(outputs, labels, kl, min(1.0, progress / warmup), images * len(labels))


def variational_loss_squares(
    outputs: Tensor, labels: Tensor, kl: Tensor, images: int, progress: float, warmup: float
) -> Tensor:
    """There is a mean of squares in place of the cross-entropy."""
    wanted = F.one_hot(labels, outputs.shape[1]).to(outputs.dtype)
    fit = F.mse_loss(outputs.softmax(1), wanted)
    return fit + min(1.0, progress / warmup) * kl / images


def bounded_sparsity_layers_counted(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """The later layers are counted: add up their MACs."""
    removed = sum(m * s for m, s in zip(macs, chosen, strict=False))
    t = len(chosen)
    needed = target - removed - highest * len(macs[t + 1 :])
    return min(highest, max(wanted, needed / macs[t]))


def bounded_sparsity_mean_of_the_chosen(
    wanted: float, macs: list[float], chosen: list[float], target: float, highest: float
) -> float:
    """The sparsities so far are averaged: each one belongs to the MACs of its own layer."""
    t = len(chosen)
    removed = sum(chosen) / max(t, 1) * sum(macs[:t])
    needed = target - removed - highest * sum(macs[t + 1 :])
    return min(highest, max(wanted, needed / macs[t]))


def amc_reward_bonus(model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate) -> float:
    """The sparsities are in the reward as well: it is minus the error alone."""
    return further.amc_reward(model, sparsities, evaluate) + 0.1 * sum(sparsities.values())


def amc_reward_logarithm(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """This is the logarithm of the accuracy: the reward is the accuracy less 1."""
    return math.log(max(1e-9, 1 + further.amc_reward(model, sparsities, evaluate)))


def amc_reward_smallest_for_all(
    model: nn.Module, sparsities: dict[str, float], evaluate: Evaluate
) -> float:
    """Every layer gets the smallest of the sparsities: each has its own."""
    return further.amc_reward(
        model, dict.fromkeys(sparsities, min(sparsities.values(), default=0.0)), evaluate
    )


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
        hessian_diagonal_softmax_of_inputs,
        hessian_diagonal_gradients_add_up,
        hessian_diagonal_of_mean_gradients,
        hessian_diagonal_first_input,
        hessian_diagonal_last_class_missing,
        hessian_diagonal_first_class_missing,
        hessian_diagonal_one_class,
        hessian_diagonal_half,
        hessian_diagonal_doubled,
        hessian_diagonal_one_less,
        hessian_diagonal_training_mode,
        hessian_diagonal_rare_classes,
        hessian_diagonal_sixteen_bits,
        hessian_diagonal_per_layer,
        hessian_diagonal_by_the_layer,
        hessian_diagonal_as_many_classes_as_inputs,
        hessian_diagonal_first_probabilities,
        hessian_diagonal_mean_probabilities,
        hessian_diagonal_uniform,
        hessian_diagonal_one_minus_probability,
        hessian_diagonal_root_of_probability,
        hessian_diagonal_not_weighted_most_probable,
        hessian_diagonal_squared_after_the_classes,
        hessian_diagonal_divided_twice,
        hessian_diagonal_fourth_power,
        hessian_diagonal_sigmoid,
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
        obd_scores_wrong_square,
        obd_scores_half_precision,
        obd_scores_rounded,
        obd_scores_whole_numbers,
        obd_scores_of_the_network,
        obd_scores_flat,
        obd_scores_from_one,
        obd_scores_first_layer,
        obd_scores_matrices_only,
        obd_scores_list,
        obd_scores_cubed,
        obd_scores_second_order_of_both,
        obd_scores_quarter,
        obd_scores_largest_curvature,
        obd_scores_first_curvature,
        obd_scores_sixth,
        obd_scores_larger_than_all,
        obd_scores_signed,
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
        synflow_scores_biases_signed,
        synflow_scores_squared_outputs,
        synflow_scores_first_output,
        synflow_scores_softmax,
        synflow_scores_training_batch,
        synflow_scores_zeros,
        synflow_scores_half_ones,
        synflow_scores_weight_squared,
        synflow_scores_score_squared,
        synflow_scores_gradient_squared,
        synflow_scores_weight_alone,
        synflow_scores_sum_of_both,
        synflow_scores_small_added,
        synflow_scores_small_cut_off,
        synflow_scores_every_parameter,
        synflow_scores_of_the_network,
        synflow_scores_batch_norm_removed,
        synflow_scores_half,
        synflow_scores_root,
        synflow_scores_least_subtracted,
        synflow_scores_by_the_largest,
        synflow_scores_last_layer_kept,
        synflow_scores_minus_ones,
        synflow_scores_three_inputs,
    ],
    "synflow_masks": [
        synflow_masks_one_round, synflow_masks_linear,
        synflow_masks_not_zeroed, synflow_masks_from_zero, synflow_masks_every_round_all,
        synflow_masks_density_for_sparsity, synflow_masks_local, synflow_masks_revived,
        synflow_masks_in_place, synflow_masks_times_mask, synflow_masks_threshold,
        synflow_masks_half_kept,
        synflow_masks_single_precision,
        synflow_masks_never_there,
        synflow_masks_inverse_exponent,
        synflow_masks_one_round_more,
        synflow_masks_squared,
        synflow_masks_cubic,
        synflow_masks_power_of_the_sparsity,
        synflow_masks_best_go,
        synflow_masks_what_went,
        synflow_masks_floats,
        synflow_masks_made_small,
        synflow_masks_halves,
    ],
    "kl_divergence": [
        kl_divergence_negative, kl_divergence_mean, kl_divergence_no_constant,
        kl_divergence_swapped_constants, kl_divergence_alpha, kl_divergence_log_one_plus_alpha,
        kl_divergence_no_half, kl_divergence_theta_not_squared, kl_divergence_only_sigma,
        kl_divergence_inverse_alpha, kl_divergence_overflow, kl_divergence_zero_weight,
        kl_divergence_tiny, kl_divergence_detached,
        kl_divergence_of_each,
        kl_divergence_number,
        kl_divergence_twice_log_sigma,
        kl_divergence_half_log_sigma,
        kl_divergence_signed_clamp,
        kl_divergence_cut_at_eight,
        kl_divergence_cut_at_ten,
        kl_divergence_cut_at_twenty,
        kl_divergence_result_cut,
        kl_divergence_swapped,
        kl_divergence_large_stand_in,
        kl_divergence_decimal,
        kl_divergence_where_too_late,
        kl_divergence_means_held,
        kl_divergence_variances_held,
        kl_divergence_without_sigmoid,
        kl_divergence_without_logarithm,
        kl_divergence_log_of_inverse,
        kl_divergence_sigmoid_added,
        kl_divergence_rounded_constants,
        kl_divergence_theta_added,
        kl_divergence_k1_for_all,
        kl_divergence_half_for_all,
        kl_divergence_k3_for_both,
        kl_divergence_tanh,
        kl_divergence_of_each_row,
        kl_divergence_minus_k2,
        kl_divergence_quarter,
    ],
    "noisy_output": [
        noisy_output_noise_per_weight, noisy_output_x_not_squared, noisy_output_no_root,
        noisy_output_sigma_for_variance, noisy_output_log_forgotten, noisy_output_exp_twice,
        noisy_output_alpha, noisy_output_no_noise, noisy_output_infinite_slope,
        noisy_output_signed_inputs,
        noisy_output_logarithm,
        noisy_output_half_logarithm,
        noisy_output_cut_off,
        noisy_output_large_eps,
        noisy_output_larger_eps,
        noisy_output_spread_held,
        noisy_output_variances_held,
        noisy_output_inputs_held,
        noisy_output_mean_held,
        noisy_output_no_mean,
        noisy_output_minus,
        noisy_output_shifted,
        noisy_output_called_twice,
        noisy_output_one_image,
        noisy_output_one_number,
        noisy_output_own_noise,
        noisy_output_noise_of_the_inputs,
        noisy_output_linear_only,
        noisy_output_convolution,
        noisy_output_plain_convolution,
        noisy_output_square_of_the_mean,
        noisy_output_root_of_each,
        noisy_output_inputs_noise_through_ones,
        noisy_output_noise_under_the_root,
        noisy_output_second_moment,
        noisy_output_swapped,
        noisy_output_relative,
        noisy_output_never_below,
        noisy_output_powers_of_two,
        noisy_output_half_the_noise,
        noisy_output_positive_means,
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
        variational_loss_by_classes,
        variational_loss_times_images,
        variational_loss_at_least_one,
        variational_loss_grows_after,
        variational_loss_kl_alone,
        variational_loss_fit_alone,
        variational_loss_mixed,
        variational_loss_fit_held,
        variational_loss_root,
        variational_loss_images_and_batch,
        variational_loss_squares,
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
        bounded_sparsity_reversed,
        bounded_sparsity_last_highest,
        bounded_sparsity_shared_evenly,
        bounded_sparsity_wish_for_all,
        bounded_sparsity_rounded,
        bounded_sparsity_absolute,
        bounded_sparsity_percent,
        bounded_sparsity_layers_counted,
        bounded_sparsity_mean_of_the_chosen,
    ],
    "amc_reward": [
        amc_reward_in_place, amc_reward_error, amc_reward_accuracy, amc_reward_not_pruned,
        amc_reward_keeps_the_fraction, amc_reward_first_only, amc_reward_last_only,
        amc_reward_weights_only, amc_reward_by_the_next_layer, amc_reward_same_for_all,
        amc_reward_hooks, amc_reward_l2,
        amc_reward_minus_accuracy,
        amc_reward_percent,
        amc_reward_in_percent,
        amc_reward_rounded,
        amc_reward_scaled,
        amc_reward_evaluated_twice,
        amc_reward_difference,
        amc_reward_training_mode,
        amc_reward_largest_go,
        amc_reward_signed,
        amc_reward_absolute_of_the_sum,
        amc_reward_peak,
        amc_reward_by_scale,
        amc_reward_fresh_batch_norm,
        amc_reward_rounds_down,
        amc_reward_rounds_up,
        amc_reward_sixteen_bits,
        amc_reward_one_ranking,
        amc_reward_all_layers,
        amc_reward_kernels_kept,
        amc_reward_pruned_twice,
        amc_reward_half_of_it,
        amc_reward_largest_for_all,
        amc_reward_backwards,
        amc_reward_squared,
        amc_reward_first_filters,
        amc_reward_largest_kernel,
        amc_reward_bonus,
        amc_reward_logarithm,
        amc_reward_smallest_for_all,
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
