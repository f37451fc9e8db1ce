"""What students write instead, for each exercise of lab 2.

MISTAKES are wrong, and the first paragraph of each one's docstring is the hint that a student
gets who makes it. ALTERNATIVES are right in another way than `criteria`, and must pass.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab.models import prunable
from pruninglab.training import mode
from solutions.lab1_structures.exercises import global_masks, local_masks, magnitude_mask
from solutions.lab2_criteria import exercises as criteria

Scores = dict[str, Tensor]
Batches = list[tuple[Tensor, Tensor]]
Curves = dict[str, dict[float, float]]


def bn_of(model: nn.Module, conv: str) -> nn.BatchNorm2d:
    """The batch normalisation behind a convolution."""
    return cast(nn.BatchNorm2d, model.get_submodule(conv.replace("conv", "bn")))


# --- magnitude_scores ---------------------------------------------------------------------------


def magnitude_scores_no_abs(model: nn.Module) -> Scores:
    """Large negative weights get the lowest scores: how far from zero is -3?"""
    return {name: w.detach().clone() for name, w in prunable(model).items()}


def magnitude_scores_all_parameters(model: nn.Module) -> Scores:
    """You score biases or BN parameters, too: see which names `prunable` gives."""
    return {name: p.detach().abs() for name, p in model.named_parameters()}


def magnitude_scores_state_dict(model: nn.Module) -> Scores:
    """You score everything that a state dict holds, even running statistics: what is prunable?"""
    return {name: p.abs() for name, p in model.state_dict().items()}


def magnitude_scores_convs_only(model: nn.Module) -> Scores:
    """Linear layers have no scores in your dict: their weights are prunable, too."""
    convs = {n for n, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    scores = criteria.magnitude_scores(model)
    return {name: s for name, s in scores.items() if name.removesuffix(".weight") in convs}


def magnitude_scores_in_graph(model: nn.Module) -> Scores:
    """Your scores still belong to the autograd graph: which method takes a tensor out of it?"""
    return {name: w.abs() for name, w in prunable(model).items()}


def magnitude_scores_in_place(model: nn.Module) -> Scores:
    """The weights of the model have lost their signs: which call ends in an underscore?"""
    return {name: w.detach().abs_() for name, w in prunable(model).items()}


def magnitude_scores_flat(model: nn.Module) -> Scores:
    """Your scores are flat lists: each needs the shape of its weight."""
    return {name: s.flatten() for name, s in criteria.magnitude_scores(model).items()}


def magnitude_scores_normalised(model: nn.Module) -> Scores:
    """Each layer's scores were scaled: then a global ranking would no longer compare |w|."""
    return {name: s / s.max() for name, s in criteria.magnitude_scores(model).items()}


def magnitude_scores_modules(model: nn.Module) -> Scores:
    """Your names are those of layers: `prunable` names the parameters."""
    scores = criteria.magnitude_scores(model)
    return {name.removesuffix(".weight"): s for name, s in scores.items()}


def magnitude_scores_called_weight(model: nn.Module) -> Scores:
    """Not only prunable weights are called `weight`: the γ of a batch normalisation is, too."""
    return {n: p.detach().abs() for n, p in model.named_parameters() if n.endswith("weight")}


def magnitude_scores_dotted(model: nn.Module) -> Scores:
    """A model that is itself a layer has the name "", and a weight called `weight`, without a dot:
    see `prunable`.
    """
    layers = ((n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear))
    return {f"{n}.weight": m.weight.detach().abs() for n, m in layers}


def magnitude_scores_frozen(model: nn.Module) -> Scores:
    """The model's own weights do not train any more: take the *scores* out of the graph."""
    for weight in prunable(model).values():
        weight.requires_grad_(False)
    return {name: weight.abs() for name, weight in prunable(model).items()}


def magnitude_scores_stays_in_eval(model: nn.Module) -> Scores:
    """The scores are right, but you have put the model in evaluation mode."""
    model.eval()
    return criteria.magnitude_scores(model)


def magnitude_scores_squares(model: nn.Module) -> Scores:
    """These are squares: the order inside is the same, but |w| itself is asked."""
    return {name: w.detach().square() for name, w in prunable(model).items()}


def magnitude_scores_by_filter(model: nn.Module) -> Scores:
    """You have one score per filter: here each weight has its own."""
    return {name: w.detach().abs().flatten(1).sum(1) for name, w in prunable(model).items()}


def magnitude_scores_negative_is_zero(model: nn.Module) -> Scores:
    """Negative weights get a score of 0: how far from zero is -3?"""
    return {name: w.detach().clamp_min(0) for name, w in prunable(model).items()}


def magnitude_scores_list(model: nn.Module) -> list[Tensor]:
    """You return a list of tensors: asked is a dict, with scores for each name."""
    return [w.detach().abs() for w in prunable(model).values()]


def magnitude_scores_of_what_trains(model: nn.Module) -> Scores:
    """A weight that does not train is prunable, too: go through all of `prunable(model)`."""
    return {n: w.detach().abs() for n, w in prunable(model).items() if w.requires_grad}


def magnitude_scores_no_grad(model: nn.Module) -> Scores:
    """`no_grad` and a loop."""
    scores = {}
    with torch.no_grad():
        for name, weight in prunable(model).items():
            scores[name] = torch.abs(weight)
    return scores


def magnitude_scores_where(model: nn.Module) -> Scores:
    """Signs turned by hand."""
    return {n: torch.where(w.data < 0, -w.data, w.data) for n, w in prunable(model).items()}


def magnitude_scores_root(model: nn.Module) -> Scores:
    """The root of the square, by module."""
    layers = ((n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear))
    return {f"{n}.weight" if n else "weight": m.weight.data.square().sqrt() for n, m in layers}


def magnitude_scores_double(model: nn.Module) -> Scores:
    """In double precision."""
    return {name: w.detach().double().abs() for name, w in prunable(model).items()}


def magnitude_scores_inference(model: nn.Module) -> Scores:
    """In inference mode, whose tensors nobody may change outside of it."""
    with torch.inference_mode():
        return {name: weight.abs() for name, weight in prunable(model).items()}


# --- gradient_scores ----------------------------------------------------------------------------


def loss_of(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The mean cross-entropy in evaluation mode."""
    with mode(model, training=False):
        return F.cross_entropy(model(x), y)


def read(model: nn.Module) -> Scores:
    """|gradient| as it lies in `.grad`."""
    zero = torch.zeros(())
    return {
        name: (zero.expand(w.shape) if w.grad is None else w.grad).abs().clone()
        for name, w in prunable(model).items()
    }


def gradient_scores_stale(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """Gradients of an earlier pass are in your sum: `backward` *adds* to what `.grad` holds."""
    loss_of(model, x, y).backward()
    return read(model)


def gradient_scores_zeroed_before_reading(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """Every score is 0: were the gradients cleared between `backward` and reading them?"""
    loss_of(model, x, y).backward()
    model.zero_grad(set_to_none=False)
    return read(model)


def gradient_scores_train_mode(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """BN ran in training mode, with this batch's statistics: ask for evaluation mode first."""
    model.zero_grad()
    with mode(model, training=True):
        F.cross_entropy(model(x), y).backward()
    return read(model)


def gradient_scores_mode_as_it_comes(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """A model that comes in training mode stays in it while you measure: BN then uses the batch."""
    model.zero_grad()
    F.cross_entropy(model(x), y).backward()
    return read(model)


def gradient_scores_stays_in_eval(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """The scores are right, but a model that came in training mode is left in evaluation mode."""
    model.eval()
    return criteria.gradient_scores(model, x, y)


def gradient_scores_no_abs(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """Some of your scores are negative: a steep descent matters as much as a steep ascent."""
    model.zero_grad()
    loss_of(model, x, y).backward()
    return {name: w.grad.clone() for name, w in prunable(model).items() if w.grad is not None}


def gradient_scores_times_weight(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """That is |w·g|, a criterion of its own (we come to it): here the gradient stands alone."""
    scores = criteria.gradient_scores(model, x, y)
    return {name: scores[name] * w.detach().abs() for name, w in prunable(model).items()}


def gradient_scores_summed_loss(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """Your scores grow with the number of images: the loss is their *mean*."""
    return {name: s * len(x) for name, s in criteria.gradient_scores(model, x, y).items()}


def gradient_scores_squared(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """These are squares of gradients: the task asks for their magnitude."""
    return {name: s.square() for name, s in criteria.gradient_scores(model, x, y).items()}


def gradient_scores_all_parameters(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """You score biases or BN parameters, too: see which names `prunable` gives."""
    model.zero_grad()
    loss_of(model, x, y).backward()
    return {n: p.grad.abs().clone() for n, p in model.named_parameters() if p.grad is not None}


def gradient_scores_of_the_scores(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """Where do the labels come in? The gradient is that of the cross-entropy, not of the output."""
    model.zero_grad()
    with mode(model, training=False):
        model(x).sum().backward()
    return read(model)


def gradient_scores_per_image(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """You average magnitudes image by image: first the gradient of the mean loss, then its |.|."""
    parts = [criteria.gradient_scores(model, x[i : i + 1], y[i : i + 1]) for i in range(len(x))]
    return {name: torch.stack([p[name] for p in parts]).mean(0) for name in parts[0]}


def gradient_scores_train_at_the_end(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """The scores are right, but `train()` at the end is wrong for a model that came in evaluation
    mode: note its mode first.
    """
    scores = criteria.gradient_scores(model, x, y)
    model.train()
    return scores


def gradient_scores_mode_of_the_root(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """The scores are right, but its layers stay in evaluation mode: setting `.training` changes one
    module, `.train(...)` those inside of it, too.
    """
    was = model.training
    model.eval()
    scores = criteria.gradient_scores(model, x, y)
    model.training = was
    return scores


def gradient_scores_one_mode_for_all(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """The scores are right, but a layer that was in another mode than the model comes back in the
    model's: note the mode of *each* layer.
    """
    was = model.training
    scores = criteria.gradient_scores(model.eval(), x, y)
    model.train(was)
    return scores


def gradient_scores_softmax_twice(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """`cross_entropy` contains the softmax: give it the class scores as they are."""
    model.zero_grad()
    with mode(model, training=False):
        F.cross_entropy(model(x).softmax(dim=1), y).backward()
    return read(model)


def gradient_scores_nll(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """`nll_loss` asks for logarithms of probabilities, and the model gives class scores."""
    model.zero_grad()
    with mode(model, training=False):
        F.nll_loss(model(x), y).backward()
    return read(model)


def gradient_scores_normalised(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """Each layer's scores were scaled: then a global ranking would no longer compare gradients."""
    scores = criteria.gradient_scores(model, x, y)
    return {name: g / g.sum().clamp_min(1e-12) for name, g in scores.items()}


def gradient_scores_first_half(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """Some of the images do not count in yours: the loss is the mean over all of them."""
    half = max(1, len(x) // 2)
    return criteria.gradient_scores(model, x[:half], y[:half])


def gradient_scores_backward(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """`backward` after clearing; the modes put back by hand."""
    was = [module.training for module in model.modules()]
    model.eval()
    model.zero_grad()
    F.cross_entropy(model(x), y).backward()
    for module, training in zip(model.modules(), was, strict=True):
        module.training = training
    return read(model)


def gradient_scores_on_a_copy(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """On a deep copy, with the loss written out."""
    clone = copy.deepcopy(model).eval()
    clone.zero_grad()
    log_p = clone(x).log_softmax(1)
    (-log_p[torch.arange(len(y)), y].sum() / len(y)).backward()
    return read(clone)


def gradient_scores_functional(model: nn.Module, x: Tensor, y: Tensor) -> Scores:
    """torch.func, with the weights as arguments."""
    weights = {name: w.detach().clone() for name, w in prunable(model).items()}

    def loss(given: Scores) -> Tensor:
        return F.cross_entropy(torch.func.functional_call(model, given, (x,)), y)

    with mode(model, training=False):
        gradients = torch.func.grad(loss)(weights)
    return {name: gradients[name].abs() for name in weights}


# --- filter_scores ------------------------------------------------------------------------------


def filter_scores_no_abs(tensors: Scores, p: int) -> Scores:
    """In your sums positive and negative weights cancel: a norm adds magnitudes."""
    return {name: t.pow(p).sum((1, 2, 3)) for name, t in tensors.items()}


def filter_scores_late_abs(tensors: Scores, p: int) -> Scores:
    """Your magnitude comes after the sum, when weights have cancelled: the order matters."""
    return {name: t.sum((1, 2, 3)).abs() for name, t in tensors.items()}


def filter_scores_inputs(tensors: Scores, p: int) -> Scores:
    """You score input channels: which dimension of (out, in, kh, kw) counts the filters?"""
    return {name: t.abs().pow(p).sum((0, 2, 3)) for name, t in tensors.items()}


def filter_scores_kernels(tensors: Scores, p: int) -> Scores:
    """You have a score for every kernel: a filter is all of its `in` kernels together."""
    return {name: t.abs().pow(p).sum((2, 3)) for name, t in tensors.items()}


def filter_scores_mean(tensors: Scores, p: int) -> Scores:
    """Right within a layer, but between layers of different size a mean is not a norm: it forgets
    how many weights a filter has.
    """
    return {name: t.abs().pow(p).mean((1, 2, 3)) for name, t in tensors.items()}


def filter_scores_always_l1(tensors: Scores, p: int) -> Scores:
    """Your L2 scores rank as L1 does: where does `p` come in?"""
    return criteria.filter_scores(tensors, 1)


def filter_scores_always_l2(tensors: Scores, p: int) -> Scores:
    """Your L1 scores rank as L2 does: where does `p` come in?"""
    return criteria.filter_scores(tensors, 2)


def filter_scores_swapped(tensors: Scores, p: int) -> Scores:
    """L1 and L2 have changed places: p = 1 adds magnitudes, p = 2 adds squares."""
    return criteria.filter_scores(tensors, 3 - p)


def filter_scores_max(tensors: Scores, p: int) -> Scores:
    """You look at the largest weight of a filter alone: all of its weights count."""
    return {name: t.abs().amax((1, 2, 3)) for name, t in tensors.items()}


def filter_scores_normalised(tensors: Scores, p: int) -> Scores:
    """Each layer's scores were scaled, so the order between layers is no longer that of norms."""
    return {n: s / s.max() for n, s in criteria.filter_scores(tensors, p).items()}


def filter_scores_upside_down(tensors: Scores, p: int) -> Scores:
    """The smallest filter has the highest score: higher means more worth keeping."""
    return {name: -s for name, s in criteria.filter_scores(tensors, p).items()}


def filter_scores_norms_of_kernels(tensors: Scores, p: int) -> Scores:
    """You take the norm of each kernel and add these: square, add over *all* of a filter, then the
    root.
    """
    return {n: torch.linalg.vector_norm(t, p, dim=(2, 3)).sum(1) for n, t in tensors.items()}


def filter_scores_in_float(tensors: Scores, p: int) -> Scores:
    """In float32 close double-precision numbers become equal: add them up in their own dtype."""
    return {n: t.detach().float().abs().pow(p).sum((1, 2, 3)) for n, t in tensors.items()}


def filter_scores_shares(tensors: Scores, p: int) -> Scores:
    """Each layer's scores were scaled, so the order between layers is no longer that of norms."""
    sums = {n: t.detach().abs().pow(p).sum((1, 2, 3)) for n, t in tensors.items()}
    return {n: s / s.sum() for n, s in sums.items()}


def filter_scores_ranks(tensors: Scores, p: int) -> Scores:
    """These are ranks inside each layer: between layers they say nothing about the norms."""
    sums = {n: t.detach().abs().pow(p).sum((1, 2, 3)) for n, t in tensors.items()}
    return {n: s.argsort().argsort().float() for n, s in sums.items()}


def filter_scores_over_root_of_the_size(tensors: Scores, p: int) -> Scores:
    """You divide by the root of the filter's size: a norm does not, and the order changes."""
    return {n: t.detach().flatten(1).norm(p, 1) / t[0].numel() ** 0.5 for n, t in tensors.items()}


def filter_scores_keep_dimensions(tensors: Scores, p: int) -> Scores:
    """Your scores have the shape `(out, 1, 1, 1)`: asked is `(out,)`."""
    return {n: t.detach().abs().pow(p).sum((1, 2, 3), keepdim=True) for n, t in tensors.items()}


def filter_scores_one_list(tensors: Scores, p: int) -> Tensor:
    """You return one long list: asked is a dict, with the scores of each name."""
    return torch.cat([t.detach().abs().pow(p).sum((1, 2, 3)) for t in tensors.values()])


def filter_scores_one_power_more(tensors: Scores, p: int) -> Scores:
    """The power is one too high: p = 1 adds magnitudes, p = 2 adds squares."""
    return {n: t.detach().abs().pow(p + 1).sum((1, 2, 3)) for n, t in tensors.items()}


def filter_scores_squared_kernels(tensors: Scores, p: int) -> Scores:
    """You add up each kernel before the power: square each weight, then add over the filter."""
    return {n: t.detach().abs().sum((2, 3)).pow(p).sum(1) for n, t in tensors.items()}


def filter_scores_around_the_mean(tensors: Scores, p: int) -> Scores:
    """You take the layer's mean away first: a norm measures the distance from zero."""
    away = {n: t.detach() - t.detach().mean() for n, t in tensors.items()}
    return {n: t.abs().pow(p).sum((1, 2, 3)) for n, t in away.items()}


def filter_scores_linalg(tensors: Scores, p: int) -> Scores:
    """torch's own norm, with its root."""
    return {n: torch.linalg.vector_norm(t.flatten(1), p, dim=1) for n, t in tensors.items()}


def filter_scores_loop(tensors: Scores, p: int) -> Scores:
    """Filter by filter in double precision."""
    return {
        name: torch.stack([(one.double().abs() ** p).sum() for one in t])
        for name, t in tensors.items()
    }


def filter_scores_einsum(tensors: Scores, p: int) -> Scores:
    """A product of each filter with itself, or with its signs."""
    scores = {}
    for name, t in tensors.items():
        other = t if p == 2 else t.sign()
        scores[name] = torch.einsum("oikl,oikl->o", t, other) ** (1 / p)
    return scores


# --- bn_scores ----------------------------------------------------------------------------------


def bn_scores_signed(model: nn.Module, convs: list[str]) -> Scores:
    """Filters with a negative γ get the lowest scores: a γ of -2 scales as much as one of 2."""
    return {name: bn_of(model, name).weight.detach().clone() for name in convs}


def bn_scores_shift(model: nn.Module, convs: list[str]) -> Scores:
    """That is the shift β (`bias`), and the scale γ is asked."""
    return {name: bn_of(model, name).bias.detach().abs() for name in convs}


def bn_scores_wrong_conv(model: nn.Module, convs: list[str]) -> Scores:
    """The γ of another convolution's BN: behind `conv1` comes `bn1`, behind `conv2` `bn2`."""
    other = {"1": "2", "2": "1"}
    names = {n: n[:-1].replace("conv", "bn") + other[n[-1]] for n in convs}
    return {n: model.get_parameter(f"{bn}.weight").detach().abs() for n, bn in names.items()}


def bn_scores_first_bn(model: nn.Module, convs: list[str]) -> Scores:
    """You always take the first BN of a block: see which convolution is asked for."""
    names = {n: f"{n.rpartition('.')[0]}.bn1".lstrip(".") for n in convs}
    return {n: model.get_parameter(f"{bn}.weight").detach().abs() for n, bn in names.items()}


def bn_scores_in_order(model: nn.Module, convs: list[str]) -> Scores:
    """You take the BN layers as they come, but `convs` names only some of them: go by name."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    return {name: bn.weight.detach().abs() for name, bn in zip(convs, norms, strict=False)}


def bn_scores_all(model: nn.Module, convs: list[str]) -> Scores:
    """You score every BN of the network: only those behind `convs` are asked for."""
    found = [n for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    return criteria.bn_scores(model, [n.replace("bn", "conv") for n in found])


def bn_scores_named_by_bn(model: nn.Module, convs: list[str]) -> Scores:
    """Your dict has the names of the BN layers: scores go by the names in `convs`."""
    return {n.replace("conv", "bn"): s for n, s in criteria.bn_scores(model, convs).items()}


def bn_scores_over_deviation(model: nn.Module, convs: list[str]) -> Scores:
    """You divide γ by the running deviation: asked is γ alone, as the paper ranks it."""
    scores = criteria.bn_scores(model, convs)
    variances = {n: model.get_buffer(n.replace("conv", "bn") + ".running_var") for n in convs}
    return {n: s / (variances[n] + bn_of(model, n).eps).sqrt() for n, s in scores.items()}


def bn_scores_normalised(model: nn.Module, convs: list[str]) -> Scores:
    """Each layer's scores were scaled: then a global ranking would no longer compare |γ|."""
    return {n: s / s.max() for n, s in criteria.bn_scores(model, convs).items()}


def bn_scores_in_graph(model: nn.Module, convs: list[str]) -> Scores:
    """Your scores still belong to the autograd graph: which method takes a tensor out of it?"""
    return {name: bn_of(model, name).weight.abs() for name in convs}


def bn_scores_in_place(model: nn.Module, convs: list[str]) -> Scores:
    """The γ of the model have lost their signs: which call ends in an underscore?"""
    return {name: bn_of(model, name).weight.detach().abs_() for name in convs}


def bn_scores_next_layer(model: nn.Module, convs: list[str]) -> Scores:
    """You take the layer that was registered after the convolution: go by its name."""
    names = [name for name, _ in model.named_modules()]
    behind = {name: model.get_submodule(names[names.index(name) + 1]) for name in convs}
    return {name: cast(Tensor, bn.weight).detach().abs() for name, bn in behind.items()}


def bn_scores_frozen(model: nn.Module, convs: list[str]) -> Scores:
    """The model's own γ do not train any more: take the *scores* out of the graph."""
    for name in convs:
        bn_of(model, name).weight.requires_grad_(False)
    return {name: bn_of(model, name).weight.abs() for name in convs}


def bn_scores_squares(model: nn.Module, convs: list[str]) -> Scores:
    """These are squares of γ: its magnitude is asked."""
    return {name: bn_of(model, name).weight.detach().square() for name in convs}


def bn_scores_variance(model: nn.Module, convs: list[str]) -> Scores:
    """That is the running variance: asked is the scale γ, the `weight` of the BN."""
    return {name: bn_of(model, name).get_buffer("running_var").clone() for name in convs}


def bn_scores_with_shift(model: nn.Module, convs: list[str]) -> Scores:
    """You add the shift β: the paper ranks by the scale γ alone."""
    norms = {name: bn_of(model, name) for name in convs}
    return {n: bn.weight.detach().abs() + bn.bias.detach().abs() for n, bn in norms.items()}


def bn_scores_of_the_convolution(model: nn.Module, convs: list[str]) -> Scores:
    """That is the norm of the convolution's weights: asked is γ of the BN behind it."""
    weights = {name: model.get_parameter(f"{name}.weight").detach() for name in convs}
    return {name: w.abs().sum((1, 2, 3)) for name, w in weights.items()}


def bn_scores_return_in_loop(model: nn.Module, convs: list[str]) -> Scores:
    """The first convolution alone has scores: is the `return` inside your loop?"""
    return criteria.bn_scores(model, convs[:1])


def bn_scores_list(model: nn.Module, convs: list[str]) -> list[Tensor]:
    """You return a list of tensors: asked is a dict, with scores for each name."""
    return list(criteria.bn_scores(model, convs).values())


def bn_scores_parameters(model: nn.Module, convs: list[str]) -> Scores:
    """By the names of the parameters."""
    parameters = dict(model.named_parameters())
    return {n: parameters[n.replace("conv", "bn") + ".weight"].data.abs() for n in convs}


def bn_scores_state_dict(model: nn.Module, convs: list[str]) -> Scores:
    """By the state dict, the name taken apart."""
    state, scores = model.state_dict(), {}
    for name in convs:
        block, dot, conv = name.rpartition(".")
        scores[name] = state[f"{block}{dot}bn{conv[4:]}.weight"].abs()
    return scores


@torch.no_grad()
def bn_scores_getattr(model: nn.Module, convs: list[str]) -> Scores:
    """Step by step into the module."""
    scores = {}
    for name in convs:
        *path, conv = name.split(".")
        module = model
        for part in path:
            module = getattr(module, part)
        scores[name] = getattr(module, conv.replace("conv", "bn")).weight.square().sqrt()
    return scores


def bn_scores_double(model: nn.Module, convs: list[str]) -> Scores:
    """In double precision."""
    return {name: bn_of(model, name).weight.detach().double().abs() for name in convs}


# --- gate_scores --------------------------------------------------------------------------------


def maps_and_gradients(
    model: nn.Module, layers: list[nn.Module], x: Tensor, y: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Output `(N, out, h, w)` of each layer and the gradient of the loss by it."""
    seen: dict[nn.Module, Tensor] = {}
    handles = [
        layer.register_forward_hook(lambda module, _, out: seen.update({module: out}))
        for layer in layers
    ]
    loss = F.cross_entropy(model(x), y)
    for handle in handles:
        handle.remove()
    outputs = [seen[layer] for layer in layers]
    return list(zip(outputs, torch.autograd.grad(loss, outputs), strict=True))


def by_batch(
    model: nn.Module, convs: list[str], batches: Batches, score: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, Tensor]:
    """`score(feature map, its gradient)` of each batch, stacked: name -> `(batches, out)`."""
    layers: list[nn.Module] = [bn_of(model, name) for name in convs]
    rows = [[score(*pair) for pair in maps_and_gradients(model, layers, x, y)] for x, y in batches]
    return {
        n: torch.stack(part).detach()
        for n, part in zip(convs, zip(*rows, strict=True), strict=True)
    }


def gate_gradient(out: Tensor, g: Tensor) -> Tensor:
    """dL/dz of a gate: the sum of gradient times feature map. `(N, out, h, w) -> (out,)`."""
    return (g * out).sum((0, 2, 3))


def gate_scores_square_of_mean(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """You square the mean of the gradients, where opposite signs have cancelled: square first."""
    gradients = by_batch(model, convs, batches, gate_gradient)
    return {name: g.mean(0).square() for name, g in gradients.items()}


def gate_scores_magnitude(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """That is the mean of |dL/dz|, and its square is asked, batch by batch."""
    gradients = by_batch(model, convs, batches, gate_gradient)
    return {name: g.abs().mean(0) for name, g in gradients.items()}


def gate_scores_signed(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Some scores are negative: the square is missing."""
    gradients = by_batch(model, convs, batches, gate_gradient)
    return {name: g.mean(0) for name, g in gradients.items()}


def gate_scores_abs_before_sum(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Magnitudes are taken pixel by pixel and then added: the gate is *one* number for the whole
    feature map, so its gradient adds up with signs first.
    """
    found = by_batch(model, convs, batches, lambda out, g: (g * out).abs().sum((0, 2, 3)))
    return {name: s.square().mean(0) for name, s in found.items()}


def gate_scores_squares_before_sum(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Squares are taken pixel by pixel and then added: one gate, one gradient, then its square."""
    found = by_batch(model, convs, batches, lambda out, g: (g * out).square().sum((0, 2, 3)))
    return {name: s.mean(0) for name, s in found.items()}


def gate_scores_per_image(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """You square image by image: one gradient per minibatch, of its mean loss."""
    single = [(x[i : i + 1], y[i : i + 1]) for x, y in batches for i in range(len(x))]
    return criteria.gate_scores(model, convs, single)


def gate_scores_last_batch(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Only the last minibatch counts in yours: is something overwritten in your loop?"""
    return criteria.gate_scores(model, convs, batches[-1:])


def gate_scores_first_batch(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Only the first minibatch counts in yours: does your loop end too early?"""
    return criteria.gate_scores(model, convs, batches[:1])


def gate_scores_summed(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Your scores grow with the number of minibatches: a mean is asked."""
    scores = criteria.gate_scores(model, convs, batches)
    return {name: s * len(batches) for name, s in scores.items()}


def gate_scores_accumulated(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """The gradient of each minibatch contains those before it: `backward` adds to `.grad`."""
    gradients = by_batch(model, convs, batches, gate_gradient)
    return {name: g.cumsum(0).square().mean(0) for name, g in gradients.items()}


def gate_scores_added(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """That is the gradient of the feature map alone, as if the gate were *added*: it multiplies,
    so the feature map itself is a factor.
    """
    gradients = by_batch(model, convs, batches, lambda out, g: g.sum((0, 2, 3)))
    return {name: g.square().mean(0) for name, g in gradients.items()}


def gate_scores_scale_only(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """You use γ·dL/dγ, but a gate turns the shift β down as well: it stands *behind* the BN."""
    scores = {}
    for name in convs:
        shift = bn_of(model, name).bias.detach().view(-1, 1, 1)

        def without_shift(out: Tensor, g: Tensor, shift: Tensor = shift) -> Tensor:
            return gate_gradient(out - shift, g)

        scores[name] = by_batch(model, [name], batches, without_shift)[name].square().mean(0)
    return scores


def gate_scores_gradient_of_scale(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """That is (dL/dγ)²: γ itself plays the gate only where γ = 1 and β = 0."""
    scores = gate_scores_scale_only(model, convs, batches)
    return {n: s / bn_of(model, n).weight.detach().square() for n, s in scores.items()}


def gate_scores_before_bn(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Your gates stand before the batch normalisation: they belong behind it."""
    layers = [model.get_submodule(name) for name in convs]
    rows = [maps_and_gradients(model, layers, x, y) for x, y in batches]
    return {
        name: torch.stack([gate_gradient(*row[i]) for row in rows]).square().mean(0).detach()
        for i, name in enumerate(convs)
    }


def gate_scores_last_gate(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Only the gates of the last layer have a gradient: a `lambda` looks its names up when it is
    called, and then your loop is over.
    """
    scores = criteria.gate_scores(model, convs, batches)
    return {n: s if n == convs[-1] else torch.zeros_like(s) for n, s in scores.items()}


def gate_scores_weight_decay(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Something is added to every gradient: weight decay pulls on a gate, too, and is no part of
    the loss.
    """
    gradients = by_batch(model, convs, batches, gate_gradient)
    return {name: (g + 5e-4).square().mean(0) for name, g in gradients.items()}


def gate_scores_gates_left(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """The scores are right, but your gates are still in the model: take them out at the end."""
    scores = criteria.gate_scores(model, convs, batches)
    for name in convs:
        z = torch.ones(len(scores[name]), 1, 1)
        bn_of(model, name).register_forward_hook(lambda module, _, out, z=z: out * z)
    return scores


def gate_scores_train_mode(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """The model has gone to training mode, and its BN to the statistics of each batch."""
    model.train()
    return criteria.gate_scores(model, convs, batches)


def gate_scores_frozen(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """The scores are right, but the model's parameters do not train any more."""
    scores = criteria.gate_scores(model, convs, batches)
    model.requires_grad_(False)
    return scores


def gate_scores_summed_loss(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Your loss is the sum over the images of a minibatch: their mean is asked."""
    scores = criteria.gate_scores(model, convs, batches)
    return {name: s * len(batches[0][0]) ** 2 for name, s in scores.items()}


def gate_scores_behind_the_block(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """The gate of a second convolution stands behind its BN, *before* the addition."""
    layers = [
        model.get_submodule(n.rpartition(".")[0]) if n.endswith("2") else bn_of(model, n)
        for n in convs
    ]
    rows = [maps_and_gradients(model, layers, x, y) for x, y in batches]
    return {
        name: torch.stack([gate_gradient(*row[i]) for row in rows]).square().mean(0).detach()
        for i, name in enumerate(convs)
    }


def gate_scores_root(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """You take the root of the mean: the mean of the squares itself is asked."""
    return {n: s.sqrt() for n, s in criteria.gate_scores(model, convs, batches).items()}


def gate_scores_variance(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """You take the mean away before you square: asked is the mean of the squares as they are."""
    gradients = by_batch(model, convs, batches, gate_gradient)
    return {name: g.var(0, unbiased=False) for name, g in gradients.items()}


def gate_scores_not_the_first_batch(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """The first minibatch does not count in yours: go through all of them."""
    return criteria.gate_scores(model, convs, batches[1:] or batches)


def gate_scores_shape_of_the_gate(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Your scores have the shape of the gates, `(out, 1, 1)`: asked is `(out,)`."""
    scores = criteria.gate_scores(model, convs, batches)
    return {n: s[:, None, None] for n, s in scores.items()}


def gate_scores_named_by_bn(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Your dict has the names of the BN layers: scores go by the names in `convs`."""
    scores = criteria.gate_scores(model, convs, batches)
    return {n.replace("conv", "bn"): s for n, s in scores.items()}


def gate_scores_normalised(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Each layer's scores were scaled: then a global ranking would no longer compare them."""
    scores = criteria.gate_scores(model, convs, batches)
    return {n: s / s.norm().clamp_min(1e-20) for n, s in scores.items()}


def gate_scores_last_gate_for_all(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """All hooks multiply by the last gate: a `lambda` looks its names up when it is called, and
    then your loop is over. `z=z` in its head fixes the gate.
    """
    handles, gates = [], []
    for name in convs:
        gate = torch.ones(bn_of(model, name).num_features, 1, 1, requires_grad=True)
        gates.append(gate)
        hook = lambda module, _, out: out * gate  # noqa: B023, E731 (that is the mistake)
        handles.append(bn_of(model, name).register_forward_hook(hook))
    loss = F.cross_entropy(model(batches[0][0]), batches[0][1])
    torch.autograd.grad(loss, gates)
    for handle in handles:
        handle.remove()
    return criteria.gate_scores(model, convs, batches)


def gate_scores_clears_hooks(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """The model's own hooks are gone: take away those that you added, by their handles."""
    scores = criteria.gate_scores(model, convs, batches)
    for name in convs:
        bn_of(model, name)._forward_hooks.clear()
    return scores


def gate_scores_feature_maps(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Without a gate: gradient times feature map, added up."""
    gradients = by_batch(model, convs, batches, gate_gradient)
    return {name: (g**2).mean(dim=0) for name, g in gradients.items()}


def gate_scores_scale_and_shift(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """By the chain rule over γ and β: dL/dz = γ·dL/dγ + β·dL/dβ; one layer after the other."""
    scores = {}
    for name in convs:
        bn = bn_of(model, name)
        squares = []
        for x, y in batches:
            loss = F.cross_entropy(model(x), y)
            by_scale, by_shift = torch.autograd.grad(loss, [bn.weight, bn.bias])
            squares.append((bn.weight * by_scale + bn.bias * by_shift).detach() ** 2)
        scores[name] = sum(squares[1:], squares[0]) / len(squares)
    return scores


def gate_scores_functional(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Gates multiplied into γ and β, with torch.func; no hook."""
    own = dict(model.named_parameters())

    def loss(gates: Scores, x: Tensor, y: Tensor) -> Tensor:
        gated = {
            f"{n.replace('conv', 'bn')}.{part}": z * own[f"{n.replace('conv', 'bn')}.{part}"]
            for n, z in gates.items()
            for part in ("weight", "bias")
        }
        return F.cross_entropy(torch.func.functional_call(model, gated, (x,)), y)

    ones = {name: torch.ones_like(bn_of(model, name).weight) for name in convs}
    rows = [torch.func.grad(loss)(ones, x, y) for x, y in batches]
    return {n: torch.stack([r[n].detach() for r in rows]).square().mean(0) for n in convs}


def gate_scores_hooks_and_backward(model: nn.Module, convs: list[str], batches: Batches) -> Scores:
    """Hooks on a copy, `backward`, and clearing by hand; gates `(1, out, 1, 1)`."""
    clone = copy.deepcopy(model)
    gates = {n: torch.ones(1, len(bn_of(model, n).weight), 1, 1).requires_grad_() for n in convs}
    for name in convs:
        bn_of(clone, name).register_forward_hook(lambda _, __, out, name=name: gates[name] * out)
    total = {name: torch.zeros(z.shape[1]) for name, z in gates.items()}
    for x, y in batches:
        F.cross_entropy(clone(x), y).backward()
        for name, z in gates.items():
            assert z.grad is not None
            total[name] += z.grad.reshape(-1) ** 2
            z.grad = None
    return {name: t / len(batches) for name, t in total.items()}


# --- filter_masks -------------------------------------------------------------------------------


def filter_masks_no_floor(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """A layer has lost too many filters, perhaps all: what has to stay in each?"""
    return global_masks(scores, sparsity)


def filter_masks_brought_back(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """You bring filters back after the ranking, so too few go: for each of them the next goes."""
    masks = global_masks(scores, sparsity)
    for name, score in scores.items():
        masks[name][score.topk(min(at_least, len(score))).indices] = True
    return masks


def filter_masks_first_ones_stay(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """The *first* filters of each layer are kept: its best ones are to stay."""
    raised = {n: s.clone() for n, s in scores.items()}
    for score in raised.values():
        score[:at_least] = torch.inf
    masks = global_masks(raised, sparsity)
    return {n: m | raised[n].isinf() for n, m in masks.items()}


def filter_masks_local(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """Every layer loses the same share: there is to be one ranking for all filters."""
    masks = local_masks(scores, sparsity)
    for name, score in scores.items():
        masks[name][score.topk(min(at_least, len(score))).indices] = True
    return masks


def filter_masks_always_one(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """One filter stays in each layer, whatever `at_least` says."""
    return criteria.filter_masks(scores, sparsity, 1)


def filter_masks_changes_scores(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """The scores that you were given have changed: work on a copy."""
    masks = criteria.filter_masks(scores, sparsity, at_least)
    for score in scores.values():
        score[score.topk(min(at_least, len(score))).indices] = torch.inf
    return masks


def filter_masks_wrong_way(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """The highest scores go: a higher score is more worth keeping."""
    return criteria.filter_masks({n: -s for n, s in scores.items()}, sparsity, at_least)


def filter_masks_abs(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """A score of -5 is *lower* than 0: scores are not weights, so take no magnitude of them."""
    return criteria.filter_masks({n: s.abs() for n, s in scores.items()}, sparsity, at_least)


def filter_masks_floor_of_the_count(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """One filter too few goes when sparsity · n is not whole: how does `int` treat 2.7?"""
    n = sum(len(s) for s in scores.values())
    return criteria.filter_masks(scores, int(sparsity * n) / n, at_least)


def filter_masks_share_of_the_rest(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """You prune the share of those that *may* go: sparsity is a share of all filters."""
    n = sum(len(s) for s in scores.values())
    free = n - sum(min(at_least, len(s)) for s in scores.values())
    return criteria.filter_masks(scores, sparsity * free / n, at_least)


def filter_masks_too_many(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """When more is asked than may go, even those go that have to stay: look at sparsity 1."""
    raised = {n: s.clone() for n, s in scores.items()}
    for score in raised.values():
        score[score.topk(min(at_least, len(score))).indices] = torch.inf
    return global_masks(raised, sparsity)


def filter_masks_needs_as_many(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """A layer may have fewer filters than `at_least`: then all of them stay."""
    for score in scores.values():
        score.topk(at_least)
    return criteria.filter_masks(scores, sparsity, at_least)


def filter_masks_ceil(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """One filter too many goes when sparsity · n is not whole: round what *goes*, neither up nor by
    way of what stays.
    """
    n = sum(len(s) for s in scores.values())
    return criteria.filter_masks(scores, (n - int((1 - sparsity) * n)) / n, at_least)


def filter_masks_inverted(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """True and False are swapped: True means keep."""
    return {n: ~m for n, m in criteria.filter_masks(scores, sparsity, at_least).items()}


def filter_masks_normalised(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """Each layer's scores were scaled before they were compared: rank them as they are."""
    scaled = {n: s / s.abs().max() for n, s in scores.items()}
    return criteria.filter_masks(scaled, sparsity, at_least)


def filter_masks_ties(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """Where scores are equal, all of them go: think of a way that *counts*."""
    free = {n: s.argsort(descending=True).argsort() >= at_least for n, s in scores.items()}
    candidates = torch.cat([s[free[name]] for name, s in scores.items()]).sort().values
    gone = min(round(sparsity * sum(len(s) for s in scores.values())), len(candidates))
    last = candidates[gone - 1] if gone else -torch.inf
    return {name: ~(free[name] & (s <= last)) for name, s in scores.items()}


def filter_masks_half_up(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """Half a filter is rounded to the even number, as Python's `round` does: 2.5 is 2. Round what
    *goes*, by `round`.
    """
    n = sum(len(score) for score in scores.values())
    return criteria.filter_masks(scores, int(sparsity * n + 0.5) / n, at_least)


def filter_masks_in_float(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """Close numbers have become equal: a cast or a rounding does that. Rank them as they are."""
    return criteria.filter_masks({n: s.float() for n, s in scores.items()}, sparsity, at_least)


def filter_masks_sentinel(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """A score can be above the number that you give the filters that stay: use `torch.inf`."""
    stays = {n: s >= s.topk(min(at_least, len(s))).values.min() for n, s in scores.items()}
    raised = {n: s.masked_fill(stays[n], 1000.0) for n, s in scores.items()}
    masks = global_masks(raised, sparsity)
    return {
        n: masks[n] | criteria.filter_masks({n: s}, 1.0, at_least)[n] for n, s in scores.items()
    }


def filter_masks_in_float_in_order(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """Close numbers have become equal: a cast or a rounding does that. Rank them as they are."""
    close = {n: s.float() for n, s in scores.items()}
    return without_lowest(close, sparsity, dict.fromkeys(scores, at_least))


def filter_masks_best_by_topk(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """A score can be above the number that you give the filters that stay: use `torch.inf`."""
    raised = {n: s.clone() for n, s in scores.items()}
    best = {n: s.topk(min(at_least, len(s))).indices for n, s in scores.items()}
    for name, score in raised.items():
        score[best[name]] = 1000.0
    masks = global_masks(raised, sparsity)
    for name, mask in masks.items():
        mask[best[name]] = True
    return masks


def filter_masks_threshold(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """You bring filters back after the ranking, so too few go: for each of them the next goes."""
    ranked = torch.cat(list(scores.values())).sort().values
    count = round(sparsity * len(ranked))
    masks = {n: s > (ranked[count - 1] if count else -torch.inf) for n, s in scores.items()}
    for name, score in scores.items():
        masks[name][score.topk(min(at_least, len(score))).indices] = True
    return masks


def filter_masks_small_layers_go(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """A layer with no more than `at_least` filters keeps all of them: yours may lose some."""
    large = {n: at_least if len(s) > at_least else 0 for n, s in scores.items()}
    return without_lowest(scores, sparsity, large)


def filter_masks_one_more_stays(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """One filter more than `at_least` stays in each layer: does your slice begin too late?"""
    return criteria.filter_masks(scores, sparsity, at_least + 1)


def filter_masks_as_good_as_the_best(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """Where scores are equal more than `at_least` stay: think of a way that *counts*."""
    stays = {
        n: int((s >= s.topk(min(at_least, len(s))).values[-1]).sum()) for n, s in scores.items()
    }
    return without_lowest(scores, sparsity, stays)


def filter_masks_worst_stay(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """The *worst* filters of each layer are kept: its best ones are to stay."""
    raised = {n: s.clone() for n, s in scores.items()}
    worst = {n: s.argsort()[:at_least] for n, s in scores.items()}
    for name, score in raised.items():
        score[worst[name]] = torch.inf
    masks = global_masks(raised, sparsity)
    for name, mask in masks.items():
        mask[worst[name]] = True
    return masks


def filter_masks_refuses(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """You raise an error where sparsity asks for more than may go: then all go that may."""
    free = sum(max(len(s) - at_least, 0) for s in scores.values())
    if round(sparsity * sum(map(len, scores.values()))) > free:
        raise ValueError("more filters are asked for than may go")
    return criteria.filter_masks(scores, sparsity, at_least)


def without_lowest(scores: Scores, sparsity: float, stays: dict[str, int]) -> Scores:
    """The lowest go, from the first, but for the best `stays[name]` of each layer."""
    best = {n: s.argsort(descending=True)[: stays[n]].tolist() for n, s in scores.items()}
    places = sorted((v, n, i) for n, s in scores.items() for i, v in enumerate(s.tolist()))
    free = [(n, i) for _, n, i in places if i not in best[n]]
    masks = {n: torch.ones(len(s), dtype=torch.bool) for n, s in scores.items()}
    for name, i in free[: round(sparsity * len(places))]:
        masks[name][i] = False
    return masks


def filter_masks_one_by_one(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """From the lowest upwards, counting what is left of each layer."""
    places = sorted((v, n, i) for n, s in scores.items() for i, v in enumerate(s.tolist()))
    masks = {n: torch.ones(len(s), dtype=torch.bool) for n, s in scores.items()}
    left = round(sparsity * len(places))
    for _, name, place in places:
        if left and masks[name].sum() > at_least:
            masks[name][place] = False
            left -= 1
    return masks


def filter_masks_free_list(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """A ranking of the free filters alone, with the share worked out again."""
    order = {n: s.argsort(descending=True) for n, s in scores.items()}
    free = {n: scores[n][o[at_least:]] for n, o in order.items() if len(o) > at_least}
    n, m = sum(map(len, scores.values())), sum(map(len, free.values()))
    masks = {n: torch.ones(len(s), dtype=torch.bool) for n, s in scores.items()}
    if m:
        for name, kept in global_masks(free, min(round(sparsity * n) / m, 1.0)).items():
            masks[name][order[name][at_least:]] = kept
    return masks


def filter_masks_ranks(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """Ranks within the layer decide who is free, ranks among those who is to go."""
    free = {n: s.argsort(descending=True).argsort() >= at_least for n, s in scores.items()}
    n = sum(s.numel() for s in scores.values())
    ranks = torch.cat([s[free[name]] for name, s in scores.items()]).argsort().argsort()
    parts = (ranks >= round(sparsity * n)).split([int(f.sum()) for f in free.values()])
    return {n: (~f).masked_scatter(f, p) for (n, f), p in zip(free.items(), parts, strict=True)}


def filter_masks_what_stays(scores: Scores, sparsity: float, at_least: int = 1) -> Scores:
    """From what stays: first the best of each layer, then the highest of the others."""
    best = {n: s.argsort(descending=True).argsort() < at_least for n, s in scores.items()}
    kept = sum(len(s) for s in scores.values())
    kept -= round(sparsity * kept) + sum(int(b.sum()) for b in best.values())
    places = [(v, n, i) for n, s in scores.items() for i, v in enumerate(s.tolist())]
    others = sorted((p for p in places if not best[p[1]][p[2]]), reverse=True)
    for _, name, i in others[: max(kept, 0)]:
        best[name][i] = True
    return best


# --- sensitivity --------------------------------------------------------------------------------


def share_right(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The accuracy of a model on `(x, y)`."""
    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())


def pruned(model: nn.Module, masks: Scores) -> nn.Module:
    """A copy of the model without the weights that are False in the masks."""
    clone = copy.deepcopy(model)
    weights = prunable(clone)
    for name, mask in masks.items():
        weights[name].data *= mask
    return clone


def scan(scores: Scores, sparsities: list[float], measure: Callable[[str, float], float]) -> Curves:
    """`measure(layer, sparsity)` for all of them."""
    return {name: {s: measure(name, s) for s in sparsities} for name in scores}


def sensitivity_never_restored(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """Each layer is measured with all earlier ones already pruned: put the weights back in time."""
    weights = prunable(model)
    result: Curves = {}
    for name, score in scores.items():
        dense = weights[name].detach().clone()
        result[name] = {}
        for s in sparsities:
            weights[name].data.copy_(dense * local_masks({name: score}, s)[name])
            result[name][s] = share_right(model, x, y)
    return result


def sensitivity_restored_per_layer_only(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """What one sparsity took away is still gone at the next: prune from the *whole* layer."""
    weights = prunable(model)
    result: Curves = {}
    for name, score in scores.items():
        dense = weights[name].detach().clone()
        result[name] = {}
        for s in sparsities:
            weights[name].data.mul_(local_masks({name: score}, s)[name])
            result[name][s] = share_right(model, x, y)
        weights[name].data.copy_(dense)
    return result


def sensitivity_last_layer_left_pruned(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """The accuracies are right, but the model comes back with its last layer pruned."""
    result = criteria.sensitivity(model, scores, sparsities, x, y)
    name = list(scores)[-1]
    prunable(model)[name].data.mul_(local_masks({name: scores[name]}, sparsities[-1])[name])
    return result


def sensitivity_on_an_alias(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """What has been pruned is never put back. If you keep a copy: `detach` and `data` copy nothing,
    such a "copy" is pruned, too.
    """
    weights = prunable(model)
    result: Curves = {}
    for name, score in scores.items():
        alias = weights[name].data
        result[name] = {}
        for s in sparsities:
            weights[name].data.mul_(local_masks({name: score}, s)[name])
            result[name][s] = share_right(model, x, y)
            weights[name].data.copy_(alias)
    return result


def sensitivity_all_layers(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """All layers are pruned at once: one layer at a time, the others whole."""
    return scan(
        scores, sparsities, lambda _, s: share_right(pruned(model, local_masks(scores, s)), x, y)
    )


def sensitivity_all_others(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """You prune all layers *but* the one in question: it is the other way round."""

    def measure(name: str, s: float) -> float:
        others = {n: score for n, score in scores.items() if n != name}
        return share_right(pruned(model, local_masks(others, s)), x, y)

    return scan(scores, sparsities, measure)


def sensitivity_global_ranking(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """The layer does not lose its share: rank it for itself, without the other layers."""

    def measure(name: str, s: float) -> float:
        return share_right(pruned(model, {name: global_masks(scores, s)[name]}), x, y)

    return scan(scores, sparsities, measure)


def sensitivity_keeps_the_share(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """The share `sparsity` of the layer is kept: it is the share that goes."""
    result = criteria.sensitivity(model, scores, [1 - s for s in sparsities], x, y)
    return {n: dict(zip(sparsities, r.values(), strict=True)) for n, r in result.items()}


def sensitivity_highest_go(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """The highest scores of the layer go: a higher score is more worth keeping."""
    return criteria.sensitivity(model, {n: -s for n, s in scores.items()}, sparsities, x, y)


def sensitivity_magnitude(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """You rank by magnitude, whatever the scores say: they may come from any criterion."""

    def measure(name: str, s: float) -> float:
        mask = magnitude_mask(prunable(model)[name], s)
        return share_right(pruned(model, {name: mask}), x, y)

    return scan(scores, sparsities, measure)


def sensitivity_dense(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """All accuracies are those of the whole network: is it the pruned one that you measure?"""
    return scan(scores, sparsities, lambda *_: share_right(model, x, y))


def sensitivity_error(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """That is the share of *wrong* answers: the accuracy is asked."""
    result = criteria.sensitivity(model, scores, sparsities, x, y)
    return {n: {s: 1 - a for s, a in curve.items()} for n, curve in result.items()}


def sensitivity_percent(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """You give percent: the task asks for numbers between 0 and 1."""
    result = criteria.sensitivity(model, scores, sparsities, x, y)
    return {n: {s: 100 * a for s, a in curve.items()} for n, curve in result.items()}


def sensitivity_tensors(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> dict[str, dict[float, Tensor]]:
    """These are tensors that hold one number: `.item()` takes the number out."""
    result = criteria.sensitivity(model, scores, sparsities, x, y)
    return {n: {s: torch.tensor(a) for s, a in curve.items()} for n, curve in result.items()}


def sensitivity_every_layer(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """Not every layer has scores: go through `scores`, not through all of `prunable`."""
    return criteria.sensitivity(model, {n: scores[n] for n in prunable(model)}, sparsities, x, y)


def sensitivity_left_in_training(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """The accuracies are right, but the model is left in training mode."""
    result = criteria.sensitivity(model, scores, sparsities, x, y)
    model.train()
    return result


def sensitivity_floor(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """One weight too few goes when sparsity · n is not whole: how does `int` treat 2.7?"""

    def measure(name: str, s: float) -> float:
        score = scores[name]
        mask = local_masks({name: score}, int(s * score.numel()) / score.numel())
        return share_right(pruned(model, mask), x, y)

    return scan(scores, sparsities, measure)


def sensitivity_lost(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """That is the accuracy *lost*: asked is the accuracy that is left."""
    right = criteria.sensitivity(model, scores, sparsities, x, y)
    whole = share_right(model, x, y)
    return {n: {s: whole - a for s, a in curve.items()} for n, curve in right.items()}


def sensitivity_abs(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """A score of -5 is *lower* than 0: scores are not weights, so take no magnitude of them."""
    return criteria.sensitivity(model, {n: s.abs() for n, s in scores.items()}, sparsities, x, y)


def sensitivity_unscored_by_magnitude(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """Not every layer has scores: go through `scores`, not through all of `prunable`."""
    others = {n: w.detach().abs() for n, w in prunable(model).items()}
    return criteria.sensitivity(model, others | scores, sparsities, x, y)


def sensitivity_lists(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> dict[str, list[float]]:
    """You give a list for each layer: asked is a dict, from sparsity to accuracy."""
    right = criteria.sensitivity(model, scores, sparsities, x, y)
    return {n: list(curve.values()) for n, curve in right.items()}


def sensitivity_rounded(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """Your accuracies are rounded: give them as they are."""
    right = criteria.sensitivity(model, scores, sparsities, x, y)
    return {n: {s: round(a, 2) for s, a in curve.items()} for n, curve in right.items()}


def sensitivity_counted(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> dict[str, dict[float, int]]:
    """You count the right answers: the accuracy is their share, 0 to 1."""
    right = criteria.sensitivity(model, scores, sparsities, x, y)
    return {n: {s: round(a * len(y)) for s, a in curve.items()} for n, curve in right.items()}


def sensitivity_first_half(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """Some of the images do not count in yours: measure on all of `x` and `y`."""
    half = len(x) // 2
    return criteria.sensitivity(model, scores, sparsities, x[:half], y[:half])


def sensitivity_inside_out(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> dict[float, dict[str, float]]:
    """Your dict goes from sparsity to layer: asked is name -> {sparsity: accuracy}."""
    right = criteria.sensitivity(model, scores, sparsities, x, y)
    return {s: {n: curve[s] for n, curve in right.items()} for s in sparsities}


def sensitivity_one_stays(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """One weight stays at sparsity 1: here all of a layer may go."""

    def measure(name: str, s: float) -> float:
        score = scores[name]
        count = min(round(s * score.numel()), score.numel() - 1)
        return share_right(pruned(model, local_masks({name: score}, count / score.numel())), x, y)

    return scan(scores, sparsities, measure)


def sensitivity_copies(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """A deep copy for each measurement."""

    def measure(name: str, s: float) -> float:
        return share_right(pruned(model, local_masks({name: scores[name]}, s)), x, y)

    return scan(scores, sparsities, measure)


def sensitivity_functional(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """torch.func, the model untouched; the mask by the order of the scores."""
    result: Curves = {}
    for name, weight in prunable(model).items():
        if name not in scores:
            continue
        order = scores[name].flatten().argsort()
        result[name] = {}
        for s in sparsities:
            thin = weight.detach().clone().flatten()
            thin[order[: round(s * len(order))]] = 0
            out = torch.func.functional_call(model, {name: thin.view_as(weight)}, (x,))
            result[name][s] = (out.argmax(1) == y).double().mean().item()
    return {name: result[name] for name in scores}


def sensitivity_state_dict(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """The whole state put back after each measurement."""
    state = {n: t.clone() for n, t in model.state_dict().items()}
    result: Curves = {name: {} for name in scores}
    for s in sparsities:
        for name, mask in local_masks(scores, s).items():
            model.load_state_dict(state | {name: torch.where(mask, state[name], 0.0)})
            result[name][s] = share_right(model, x, y)
    model.load_state_dict(state)
    return result


def sensitivity_in_another_order(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> Curves:
    """The last layer and the highest sparsity first."""
    backwards = dict(reversed(scores.items()))
    return criteria.sensitivity(model, backwards, sorted(sparsities, reverse=True), x, y)


def sensitivity_convolutions_alone(
    model: nn.Module, scores: Scores, sparsities: list[float], x: Tensor, y: Tensor
) -> dict[str, dict[float, float]]:
    """Where there are convolutions, you leave out linear layers: scan all that have scores."""
    found = criteria.sensitivity(model, scores, sparsities, x, y)
    convs = {name: curve for name, curve in found.items() if scores[name].dim() == 4}
    return convs or found


# --- recalibrate_bn -----------------------------------------------------------------------------


def norms_of(model: nn.Module) -> list[nn.BatchNorm2d]:
    """All batch normalisations of a model."""
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


@torch.no_grad()
def forward_all(model: nn.Module, batches: Batches) -> None:
    """Training-mode passes over the batches; the mode is put back."""
    with mode(model, training=True):
        for x, _ in batches:
            model(x)


def recalibrate_bn_no_reset(model: nn.Module, batches: Batches) -> None:
    """Something of the old statistics is still in yours: with momentum 0.1 each batch moves them
    by a tenth only.
    """
    forward_all(model, batches)


def recalibrate_bn_forgets_slowly(model: nn.Module, batches: Batches) -> None:
    """After the reset, mean 0 and variance 1 are still mixed in: momentum 0.1 takes a tenth of
    each batch, and a plain average is asked.
    """
    for bn in norms_of(model):
        bn.reset_running_stats()
    forward_all(model, batches)


def recalibrate_bn_average_not_reset(model: nn.Module, batches: Batches) -> None:
    """The average goes on from the batches that BN has counted before: reset the statistics."""
    momenta = [bn.momentum for bn in norms_of(model)]
    for bn in norms_of(model):
        bn.momentum = None
    forward_all(model, batches)
    for bn, momentum in zip(norms_of(model), momenta, strict=True):
        bn.momentum = momentum


def recalibrate_bn_eval(model: nn.Module, batches: Batches) -> None:
    """Nothing has changed: in evaluation mode BN does not measure."""
    with torch.no_grad(), mode(model, training=False):
        for x, _ in batches:
            model(x)


def recalibrate_bn_only_reset(model: nn.Module, batches: Batches) -> None:
    """Mean 0 and variance 1 everywhere: after the reset nothing was measured. In which mode?"""
    for bn in norms_of(model):
        bn.reset_running_stats()


def recalibrate_bn_momentum_left(model: nn.Module, batches: Batches) -> None:
    """The statistics are right, but `momentum` is not what it was: later training would suffer."""
    criteria.recalibrate_bn(model, batches)
    for bn in norms_of(model):
        bn.momentum = None


def recalibrate_bn_left_in_train(model: nn.Module, batches: Batches) -> None:
    """The statistics are right, but the model is left in training mode and would not use them."""
    criteria.recalibrate_bn(model, batches)
    model.train()


def recalibrate_bn_one_mode_for_all(model: nn.Module, batches: Batches) -> None:
    """The statistics are right, but a layer that was in another mode than the model comes back in
    the model's: note the mode of *each* layer.
    """
    torch.optim.swa_utils.update_bn(batches, model)


def recalibrate_bn_left_in_eval(model: nn.Module, batches: Batches) -> None:
    """The statistics are right, but a batch normalisation that came in training mode is left in
    evaluation mode.
    """
    criteria.recalibrate_bn(model, batches)
    for bn in norms_of(model):
        bn.eval()


def recalibrate_bn_last_batch(model: nn.Module, batches: Batches) -> None:
    """Only the last batch counts in yours: with momentum 1 a batch overwrites those before."""
    criteria.recalibrate_bn(model, batches[-1:])


def recalibrate_bn_first_batch(model: nn.Module, batches: Batches) -> None:
    """Only the first batch counts in yours: does your loop end too early?"""
    criteria.recalibrate_bn(model, batches[:1])


def recalibrate_bn_resets_parameters(model: nn.Module, batches: Batches) -> None:
    """γ and β were reset as well: they are learned; only the running statistics are to go."""
    for bn in norms_of(model):
        bn.reset_parameters()
    criteria.recalibrate_bn(model, batches)


def recalibrate_bn_first_layer_only(model: nn.Module, batches: Batches) -> None:
    """Only the first batch normalisation is measured again: go through all of `model.modules()`."""
    clone = copy.deepcopy(model)
    criteria.recalibrate_bn(clone, batches)
    norms_of(model)[0].load_state_dict(norms_of(clone)[0].state_dict())


def recalibrate_bn_biased(model: nn.Module, batches: Batches) -> None:
    """Your variances are a little too small: PyTorch stores the unbiased one, divided by n - 1."""
    measure_by_hand(model, batches, unbiased=False)


def recalibrate_bn_one_big_batch(model: nn.Module, batches: Batches) -> None:
    """Your variance is that of all images at once: asked is the average of the batches' variances,
    each around its own mean.
    """
    criteria.recalibrate_bn(model, [(torch.cat([x for x, _ in batches]), batches[0][1])])


def recalibrate_bn_with_old_statistics(model: nn.Module, batches: Batches) -> None:
    """Each layer has to see what it sees in training mode, when the ones before it use the batch,
    too.
    """
    measure_by_hand(model, batches, training=False)


@torch.no_grad()
def measure_by_hand(
    model: nn.Module, batches: Batches, unbiased: bool = True, training: bool = True
) -> None:
    """Means and variances of what goes into each BN, caught by hooks on a copy."""
    clone = copy.deepcopy(model).train(training)
    seen: dict[nn.Module, list[Tensor]] = {bn: [] for bn in norms_of(clone)}
    for bn in seen:
        bn.register_forward_pre_hook(lambda module, args: seen[module].append(args[0]))
    for x, _ in batches:
        clone(x)
    for bn, maps in zip(norms_of(model), seen.values(), strict=True):
        assert bn.running_mean is not None
        assert bn.running_var is not None
        bn.running_mean.copy_(torch.stack([m.mean((0, 2, 3)) for m in maps]).mean(0))
        variances = [m.var((0, 2, 3), correction=int(unbiased)) for m in maps]
        bn.running_var.copy_(torch.stack(variances).mean(0))


def recalibrate_bn_hooks(model: nn.Module, batches: Batches) -> None:
    """Means and variances worked out by hand."""
    measure_by_hand(model, batches)


def recalibrate_bn_falling_momentum(model: nn.Module, batches: Batches) -> None:
    """Momentum 1, 1/2, 1/3, ...: the running average written out."""
    norms = norms_of(model)
    before = [bn.momentum for bn in norms]
    with torch.no_grad(), mode(model, training=True):
        for count, (x, _) in enumerate(batches, 1):
            for bn in norms:
                bn.momentum = 1 / count
            model(x)
    for bn, momentum in zip(norms, before, strict=True):
        bn.momentum = momentum


def recalibrate_bn_average_of_copies(model: nn.Module, batches: Batches) -> None:
    """A fresh copy with momentum 1 for each batch, then the mean of their statistics."""
    copies = [copy.deepcopy(model).train() for _ in batches]
    for clone, (x, _) in zip(copies, batches, strict=True):
        for bn in norms_of(clone):
            bn.momentum = 1.0
        clone(x)
    states = [clone.state_dict() for clone in copies]
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(sum(state[name] for state in states) / len(states))


def recalibrate_bn_by_torch(model: nn.Module, batches: Batches) -> None:
    """PyTorch has it, too; but it gives all layers the model's mode."""
    with mode(model, training=True):
        torch.optim.swa_utils.update_bn(batches, model)


# --- choose_sparsities --------------------------------------------------------------------------

Shares = dict[str, float]
Sizes = dict[str, int]


def fitted(density: Callable[[str, float], float], sizes: Sizes, weights_left: int) -> Shares:
    """Sparsities for densities that grow with a factor: the largest factor that fits."""
    low, high = 0.0, 1e6
    for _ in range(80):
        factor = (low + high) / 2
        chosen = {name: 1 - min(1.0, density(name, factor)) for name in sizes}
        fits = sum(n - round(chosen[name] * n) for name, n in sizes.items()) <= weights_left
        low, high = (factor, high) if fits else (low, factor)
    return {name: 1 - min(1.0, density(name, low)) for name in sizes}


def choose_sparsities_uniform(scan: Curves, sizes: Sizes, weights_left: int) -> Shares:
    """This is the same sparsity in every layer: what does the scan say about them?"""
    return dict.fromkeys(scan, 1 - weights_left / sum(sizes.values()))


def choose_sparsities_percent(scan: Curves, sizes: Sizes, weights_left: int) -> Shares:
    """These are percentages: a sparsity lies between 0 and 1."""
    right = criteria.choose_sparsities(scan, sizes, weights_left)
    return {name: 100 * s for name, s in right.items()}


def choose_sparsities_density(scan: Curves, sizes: Sizes, weights_left: int) -> Shares:
    """These are the shares that *stay*. The sparsity is the share that goes."""
    right = criteria.choose_sparsities(scan, sizes, weights_left)
    return {name: 1 - s for name, s in right.items()}


def choose_sparsities_missing(scan: Curves, sizes: Sizes, weights_left: int) -> Shares:
    """A layer that keeps everything needs an entry, too: its sparsity is 0."""
    right = criteria.choose_sparsities(scan, sizes, weights_left)
    return {name: s for name, s in right.items() if s > 0}


def choose_sparsities_ignores_sizes(scan: Curves, sizes: Sizes, weights_left: int) -> Shares:
    """The *mean* of the sparsities is right, but a large layer keeps more weights than a small
    one at the same sparsity: count weights.
    """
    ones = dict.fromkeys(sizes, 1000)
    share = weights_left / sum(sizes.values())
    return criteria.choose_sparsities(scan, ones, round(share * sum(ones.values())))


def choose_sparsities_upside_down(scan: Curves, sizes: Sizes, weights_left: int) -> Shares:
    """You take most from the layers that hurt most: turn the order around."""
    harm = {name: 1 - min(row.values()) for name, row in scan.items()}
    return fitted(lambda name, f: f * (1 - harm[name]) ** 2, sizes, weights_left)


def choose_sparsities_no_budget(scan: Curves, sizes: Sizes, weights_left: int) -> Shares:
    """You take from each layer what it can spare, however many weights may stay: count what is
    left, and go on until it fits.
    """
    best = max(a for row in scan.values() for a in row.values())
    return {
        name: max((s for s, a in row.items() if a >= best - 0.05), default=0.0)
        for name, row in scan.items()
    }


def choose_sparsities_nothing(scan: Curves, sizes: Sizes, weights_left: int) -> Shares:
    """You prune nothing, or too little: count what is left, and go on until it fits."""
    return dict.fromkeys(sizes, 0.0)


def choose_sparsities_below_zero(scan: Curves, sizes: Sizes, weights_left: int) -> Shares:
    """A sparsity of yours is below 0: a layer cannot keep more weights than it has, so the others
    have to keep the rest.
    """
    total = sum(n**0.5 for n in sizes.values())
    return {name: 1 - weights_left / total / n**0.5 for name, n in sizes.items()}


def choose_sparsities_by_size(scan: Curves, sizes: Sizes, weights_left: int) -> Shares:
    """A rule of thumb: the density falls with the square root of the layer's size."""
    return fitted(lambda name, f: f / sizes[name] ** 0.5, sizes, weights_left)


def choose_sparsities_two_groups(scan: Curves, sizes: Sizes, weights_left: int) -> Shares:
    """By hand, as Li et al. do: layers that hurt keep three times the share of the others."""
    harm = {name: max(row.values()) - min(row.values()) for name, row in scan.items()}
    limit = sorted(harm.values())[len(harm) // 2]
    return fitted(lambda name, f: f * (3 if harm[name] >= limit else 1), sizes, weights_left)


def choose_sparsities_tolerance_and_size(scan: Curves, sizes: Sizes, weights_left: int) -> Shares:
    """The density grows with the harm at the highest sparsity, and falls with the size."""
    harm = {name: max(row.values()) - min(row.values()) for name, row in scan.items()}
    return fitted(
        lambda name, f: f * (0.1 + harm[name]) ** 0.5 / sizes[name] ** 0.25, sizes, weights_left
    )


def named(right: dict[str, set[str]]) -> tuple[dict, dict]:
    """The functions `<exercise>_<what>` of this module: (mistakes, alternatives) by exercise."""
    wrong: dict[str, list[Callable]] = {name: [] for name in right}
    good: dict[str, list[Callable]] = {name: [] for name in right}
    for full, function in globals().items():
        for name, ways in right.items():
            if full.startswith(f"{name}_"):
                (good if full.removeprefix(f"{name}_") in ways else wrong)[name].append(function)
    assert all(len(good[name]) == len(ways) for name, ways in right.items()), good
    return wrong, good


RIGHT = {
    "magnitude_scores": {"inference", "no_grad", "where", "root", "double"},
    "gradient_scores": {"backward", "on_a_copy", "functional"},
    "filter_scores": {"linalg", "loop", "einsum"},
    "bn_scores": {"parameters", "state_dict", "getattr", "double"},
    "gate_scores": {"feature_maps", "scale_and_shift", "functional", "hooks_and_backward"},
    "filter_masks": {"one_by_one", "free_list", "ranks", "what_stays"},
    "sensitivity": {"copies", "functional", "state_dict", "in_another_order"},
    "recalibrate_bn": {"hooks", "falling_momentum", "average_of_copies", "by_torch"},
    "choose_sparsities": {"by_size", "two_groups", "tolerance_and_size"},
}
MISTAKES, ALTERNATIVES = named(RIGHT)
