"""Hidden tests of lab 2: properties on random inputs.

A test belongs to the exercise that its first parameter is named like, and is pasted into that
exercise's test cell, with the imports and helpers of this module that it uses.
"""

# ruff: noqa: PT028 (the seed has a default, so that a grader may give another one)

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab import checkpoints
from pruninglab.checks import allocation
from pruninglab.checks.unchanged import unchanged
from pruninglab.grading.unseen import unseen_images
from pruninglab.models import Block, ResNet20, prunable


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _trained(model: nn.Module, seed: int) -> nn.Module:
    """The model with parameters and BN statistics as a training may leave them."""
    generator = _generator(seed)
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
        elif tensor.is_floating_point():
            scale = tensor[0].numel() ** -0.5 if tensor.dim() > 1 else 1.0
            drawn = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
            tensor.copy_(scale * drawn)
        else:
            tensor.fill_(100)  # batches that BN has seen
    return model


def _network(seed: int) -> nn.Sequential:
    """A small classifier of 2x4x4 images, in double precision, so that slopes can be measured."""
    layers = [nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 4)]
    model = nn.Sequential(*layers)
    _trained(model, seed)
    return model.double()


def _images(seed: int) -> tuple[Tensor, Tensor]:
    generator = _generator(seed)
    x = torch.randn(6, 2, 4, 4, generator=generator).double()
    return x, torch.randint(4, (6,), generator=generator)


def _named(scores: dict[str, Tensor], names: Iterable[str]) -> None:
    assert set(scores) == set(names), f"scores for {sorted(scores)}, asked for {sorted(names)}"


def _outside(scores: dict[str, Tensor]) -> None:
    for name, score in scores.items():
        assert not score.requires_grad, f"{name}: the scores belong to the autograd graph"


@torch.inference_mode()
def _overwrite(scores: dict[str, Tensor]) -> None:
    """Change the scores: they may be tensors of inference mode, and must not be the model's own."""
    for score in scores.values():
        score += 1


# --- magnitude_scores ---------------------------------------------------------------------------


def test_every_prunable_weight_is_scored_by_its_magnitude(
    magnitude_scores: Callable, seed: int = 0
) -> None:
    """|w| of convolutions and linear layers, frozen or not; of biases and BN nothing."""
    for model in (ResNet20(2), ResNet20(1, "A"), nn.Linear(7, 3), _network(seed)):
        next(iter(prunable(_trained(model, seed)).values())).requires_grad_(False)
        expected = {name: w.detach().clone() for name, w in prunable(model).items()}
        scores = magnitude_scores(model)
        _named(scores, expected)
        _outside(scores)
        for name, weight in expected.items():
            score, both = scores[name], torch.where(weight < 0, -weight, weight)
            assert score.shape == weight.shape, f"{name}: shape {tuple(score.shape)}"
            digits = 1e-12 if weight.dtype == torch.float64 else 1e-5
            right = torch.allclose(score.double(), both.double(), rtol=digits, atol=0)
            assert right, f"{name}: the scores are not |w|"


def test_scoring_magnitudes_leaves_the_model_alone(
    magnitude_scores: Callable, seed: int = 0
) -> None:
    """Weights, modes of single layers, and what trains."""
    model = _network(seed)
    model[1].eval()
    model[4].bias.requires_grad_(False)
    # Its weights are equal to their scores, and yet not the same tensor.
    model.get_parameter("4.weight").data.abs_()
    with unchanged(model):
        _overwrite(magnitude_scores(model))


# --- gradient_scores ----------------------------------------------------------------------------


def test_a_gradient_score_is_the_slope_of_the_loss(
    gradient_scores: Callable, seed: int = 0
) -> None:
    """Against finite differences: move a weight a little both ways, BN in evaluation mode."""
    model, (x, y) = _network(seed).eval(), _images(seed)
    own = copy.deepcopy(model)  # what the scores are compared with is not handed out
    scores = gradient_scores(model, x.clone(), y.clone())
    _named(scores, prunable(own))
    for name, score in scores.items():
        assert score.shape == own.get_parameter(name).shape, f"{name}: {tuple(score.shape)}"
        for place in torch.randint(score.numel(), (5,), generator=_generator(seed)).tolist():
            losses = []
            for step in (1e-5, -1e-5):
                moved = copy.deepcopy(own)
                moved.get_parameter(name).data.view(-1)[place] += step
                losses.append(F.cross_entropy(moved(x), y).item())
            slope, found = abs(losses[0] - losses[1]) / 2e-5, score.flatten()[place].item()
            right = abs(found - slope) <= 1e-6 + 1e-4 * slope
            assert right, f"{name}, entry {place}: score {found:.6g}, slope {slope:.6g}"


def test_the_mode_of_the_model_does_not_matter(gradient_scores: Callable, seed: int = 0) -> None:
    """BN uses its running statistics, whatever the mode of the model and of its layers."""
    x, y = _images(seed)
    expected = gradient_scores(_network(seed).eval(), x, y)
    for layers in ([0, 1, 2, 3, 4], [1], [4]):
        model = _network(seed).eval()
        for i in layers:
            model[i].train()
        found = gradient_scores(model, x, y)
        for name, score in expected.items():
            assert torch.allclose(found[name], score), f"{name}: other scores in training mode"


def test_gradients_of_earlier_passes_do_not_count(gradient_scores: Callable, seed: int = 0) -> None:
    """What an earlier pass left in `.grad` is neither added nor returned."""
    model, (x, y) = _network(seed).eval(), _images(seed)
    expected = gradient_scores(copy.deepcopy(model), x, y)
    (5 * model(x).square().sum()).backward()
    for _ in range(2):
        found = gradient_scores(model, x, y)
        for name, score in expected.items():
            assert torch.allclose(found[name], score), f"{name}: stale gradients count"


def test_close_gradients_keep_their_order(gradient_scores: Callable, seed: int = 0) -> None:
    """In double precision nothing is rounded: the gradients of a linear layer go as its input."""
    order = torch.randperm(40, generator=_generator(seed))
    layer, x = nn.Linear(40, 2, bias=False).double(), (1 + 1e-9 * order.double())[None]
    for row in gradient_scores(layer, x, torch.tensor([1]))["weight"]:
        assert torch.equal(row.argsort(), order.argsort()), "close gradients have changed places"


def test_scoring_gradients_leaves_the_model_alone(gradient_scores: Callable, seed: int = 0) -> None:
    """BN statistics, modes of single layers, weights, and what trains."""
    x, y = _images(seed)
    for training in (False, True):
        model = _network(seed).train(training)
        model[1].train(not training)
        model[4].bias.requires_grad_(False)
        with unchanged(model, x, y, case=f"{training=}, BN the other way"):
            gradient_scores(model, x, y)


# --- filter_scores ------------------------------------------------------------------------------


def _filters(seed: int, p: int) -> dict[str, Tensor]:
    """Filters of like norms, although they have 27, 45 and 8 weights; one of each layer is dead."""
    generator = _generator(seed)
    shapes = {"stem": (4, 3, 3, 3), "square": (5, 5, 3, 3), "narrow": (6, 8, 1, 1)}
    tensors = {
        name: torch.randn(shape, generator=generator) / (shape[1] * shape[2] * shape[3]) ** (1 / p)
        for name, shape in shapes.items()
    }
    for tensor in tensors.values():
        tensor[1] = 0
    return tensors


def _in_order_of_norms(filter_scores: Callable, tensors: dict[str, Tensor], p: int) -> None:
    norms = [torch.linalg.vector_norm(t.detach().double().flatten(1), p, dim=1)
             for t in tensors.values()]  # fmt: skip
    with unchanged(tensors):
        scores = filter_scores(tensors, p)
    _named(scores, tensors)
    for name, tensor in tensors.items():
        shape = tuple(scores[name].shape)
        assert shape == (len(tensor),), f"{name}: scores of shape {shape}"
    norm, order = torch.cat(norms).sort()
    ranked = torch.cat([scores[name].double() for name in tensors])[order]
    digits = 1e-5 if tensors[name].dtype == torch.float32 else 1e-12  # nearer ones may be equal
    right = (ranked.diff()[norm.diff() > digits] > 0).all()
    assert right, f"{p=}: the order is not that of the norms"
    assert ranked[0] < ranked[-1], f"{p=}: all scores are equal"


def test_filters_are_in_the_order_of_their_norms(filter_scores: Callable, seed: int = 0) -> None:
    """Across layers whose filters have different numbers of weights; dead filters come first."""
    for trial in range(5):
        for p in (1, 2):
            _in_order_of_norms(filter_scores, _filters(seed + trial, p), p)


def test_close_norms_in_double_precision_are_told_apart(
    filter_scores: Callable, seed: int = 0
) -> None:
    """Nothing is rounded to float32 on the way."""
    order = torch.randperm(20, generator=_generator(seed)).double()
    tensors = {"a": (1 + 1e-9 * order[:8]).view(8, 1, 1, 1).expand(8, 2, 3, 3).clone()}
    tensors["b"] = (1 + 1e-9 * order[8:]).view(12, 1, 1, 1).expand(12, 2, 3, 3).clone()
    for p in (1, 2):
        _in_order_of_norms(filter_scores, tensors, p)


def test_parameters_score_as_their_values_do(filter_scores: Callable, seed: int = 0) -> None:
    """Weights may be parameters, gradients are plain tensors."""
    for p in (1, 2):
        parameters = {name: nn.Parameter(t) for name, t in _filters(seed, p).items()}
        with torch.no_grad():
            plain = filter_scores({name: t.detach() for name, t in parameters.items()}, p)
        found = filter_scores(parameters, p)
        for name, score in plain.items():
            assert torch.equal(found[name].detach(), score), f"{name}: a parameter scores otherwise"


# --- bn_scores ----------------------------------------------------------------------------------


def test_a_filter_is_scored_by_its_scale(bn_scores: Callable, seed: int = 0) -> None:
    """|γ| of the batch normalisation behind the convolution, for any list of convolutions."""
    model = _trained(ResNet20(3).double(), seed).eval()
    model.get_parameter("layer1.0.bn1.weight").data[1] = 0  # a filter that is dead already
    before = copy.deepcopy(model.state_dict())
    blocks = [f"layer{stage}.{i}" for stage in (1, 2, 3) for i in range(3)]
    everything = ["conv1", *(f"{block}.{conv}" for block in blocks for conv in ("conv1", "conv2"))]
    for convs in (everything[1::2], everything[2::2], ["layer3.0.conv2"], everything, []):
        scores = bn_scores(model, list(convs))
        _named(scores, convs)
        _outside(scores)
        for name in convs:
            scale, score = before[name.replace("conv", "bn") + ".weight"], scores[name]
            both = torch.where(scale < 0, -scale, scale)
            right = score.shape == scale.shape and score.dtype == scale.dtype
            right = right and torch.allclose(score, both, rtol=1e-12, atol=0)
            assert right, f"{name}: the scores are not |γ| of the BN behind it"


def test_the_name_says_which_norm_is_behind(bn_scores: Callable) -> None:
    """Not the place in the list of layers."""
    norms = {f"bn{i}": nn.BatchNorm2d(i) for i in (3, 1, 2)}
    norms["bn1"].weight.data.fill_(-5)
    layers = {f"conv{i}": nn.Conv2d(2, i, 1) for i in (1, 2, 3)}
    scores = bn_scores(nn.ModuleDict({**layers, **norms}), ["conv3", "conv1"])
    found = {name: score.tolist() for name, score in scores.items()}
    assert found == {"conv3": [1, 1, 1], "conv1": [5]}, f"another order of layers: {found}"


def test_scoring_scales_leaves_the_model_alone(bn_scores: Callable, seed: int = 0) -> None:
    """Values, modes of single layers, and what trains."""
    model, convs = _trained(ResNet20(2), seed).eval(), ["layer1.0.conv1", "layer2.1.conv2"]
    bn = model.get_submodule("layer1.0.bn1").train()
    # Its scales are equal to their scores, and yet not the same tensor.
    bn.get_parameter("weight").data.abs_()
    with unchanged(model, convs):
        _overwrite(bn_scores(model, convs))


# --- gate_scores --------------------------------------------------------------------------------


def _blocks(seed: int) -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """Two blocks with a classifier, in evaluation mode, and three batches of one-channel images."""
    blocks = [Block(1, 4, 2, 1, "A"), Block(2, 3, 4, 2, "B")]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    model = _trained(nn.Sequential(*blocks, *head), seed).eval()
    generator = _generator(seed)
    batches = [
        (
            torch.randn(8, 1, 6, 6, generator=generator),
            torch.randint(3, (8,), generator=generator),
        )
        for _ in range(3)
    ]
    return model, batches


def _slope(model: nn.Module, bn: str, channel: int, batch: tuple[Tensor, Tensor]) -> float:
    """How the loss answers to the gate of a channel, by finite differences in double precision."""
    losses = []
    for z in (1 + 1e-6, 1 - 1e-6):
        turned = copy.deepcopy(model).double()
        for kind in ("weight", "bias"):  # z behind the BN is z·γ and z·β in it
            turned.get_parameter(f"{bn}.{kind}").data[channel] *= z
        losses.append(F.cross_entropy(turned(batch[0].double()), batch[1]).item())
    return (losses[0] - losses[1]) / 2e-6


def test_a_gate_score_is_the_mean_of_squared_slopes(gate_scores: Callable, seed: int = 0) -> None:
    """Against finite differences: turn a filter down a little in each batch."""
    model, batches = _blocks(seed)
    own = copy.deepcopy(model)
    for convs, count in ((["0.conv1"], 1), (["0.conv1", "1.conv1", "1.conv2"], 3)):
        used = batches[:count]
        handed = [(x.clone(), y.clone()) for x, y in used]
        scores = gate_scores(model, list(convs), handed)
        _named(scores, convs)
        _outside(scores)
        for name in convs:
            bn = name.replace("conv", "bn")
            shape, channels = tuple(scores[name].shape), len(own.get_parameter(f"{bn}.weight"))
            assert shape == (channels,), f"{name}: scores of shape {shape}, not ({channels},)"
            for channel in range(channels):
                expected = sum(_slope(own, bn, channel, batch) ** 2 for batch in used) / count
                found = float(scores[name][channel])
                close = abs(found - expected) <= 1e-6 + 1e-2 * expected
                assert close, f"{name}, filter {channel}: {found:.4g}, expected {expected:.4g}"


def test_no_gate_is_left_behind(gate_scores: Callable, seed: int = 0) -> None:
    """The model computes what it did, in its modes, with its own hooks, and trains as before."""
    model, batches = _blocks(seed)
    model.get_submodule("0.bn1").register_forward_hook(lambda *_: None)
    expected = model(batches[0][0]).detach()
    with unchanged(model, batches):
        gate_scores(model, ["0.conv1", "1.conv2"], batches)
    assert torch.equal(model(batches[0][0]), expected), "the model computes something else now"


# --- filter_masks -------------------------------------------------------------------------------


def _layer_scores(seed: int, scale: float = 1.0) -> dict[str, Tensor]:
    """Scores of four layers of different sizes, of either sign."""
    generator = _generator(seed)
    sizes = {"a": 4, "b": 16, "c": 1, "d": 9}
    return {
        name: scale * (torch.randn(size, generator=generator) + 2 * i - 2)
        for i, (name, size) in enumerate(sizes.items())
    }


def _try_filter_masks(
    filter_masks: Callable, scores: dict[str, Tensor], sparsity: float, at_least: int
) -> None:
    """The count is exact, each layer's best stay, and among the others the lowest go."""
    before, case = {n: s.clone() for n, s in scores.items()}, f"{sparsity=}, {at_least=}"
    with unchanged(scores, case=case):
        masks = filter_masks(scores, sparsity, at_least)
    assert set(masks) == set(before), f"{case}: masks for {sorted(masks)}"
    for name, score in before.items():
        mask = masks[name]
        assert mask.dtype == torch.bool, f"{case}: the mask of {name!r} is {mask.dtype}"
        assert mask.shape == score.shape, f"{case}: {name!r} has shape {tuple(mask.shape)}"
    kept = {n: s[masks[n]].sort(descending=True).values for n, s in before.items()}
    gone = {n: s[~masks[n]] for n, s in before.items()}
    for name, score in before.items():
        enough = len(kept[name]) >= min(at_least, len(score))
        assert enough, f"{case}: too few of {name!r} stay"
        best = kept[name][:at_least]
        right = not len(gone[name]) or gone[name].max() <= best.min()
        assert right, f"{case}: one of the best of {name!r} went"
    free = sum(max(len(score) - at_least, 0) for score in before.values())
    n = sum(len(score) for score in before.values())
    pruned, expected = sum(map(len, gone.values())), min(round(sparsity * n), free)
    assert pruned == expected, f"{case}: {pruned} filters pruned, expected {expected}"
    stay = torch.cat([k[at_least:] for k in kept.values()])
    go = torch.cat(list(gone.values()))
    right = not len(stay) or not len(go) or go.max() <= stay.min()
    assert right, f"{case}: a filter went while a free one with a lower score stayed"


def test_the_lowest_free_filters_go(filter_masks: Callable, seed: int = 0) -> None:
    """At every sparsity, with one, two or five filters that stay in each layer."""
    for sparsity in (0.0, 0.25, 0.52, 0.77, 0.93, 1.0):
        for at_least in (1, 2, 5):
            _try_filter_masks(filter_masks, _layer_scores(seed), sparsity, at_least)


def test_scores_may_have_any_size(filter_masks: Callable, seed: int = 0) -> None:
    """A filter that must stay outranks even scores of a million, which may be equal."""
    for scale in (1e-6, 1e6, 1e30):
        scores = _layer_scores(seed, scale)
        _try_filter_masks(filter_masks, scores, 0.77, 1)
        equal = {name: torch.full_like(score, scale) for name, score in scores.items()}
        for sparsity in (0.52, 0.77, 0.87):
            _try_filter_masks(filter_masks, equal, sparsity, 1)


def test_equal_scores_keep_the_count_of_filters(filter_masks: Callable, seed: int = 0) -> None:
    """Ties, within a layer and between layers, and dead filters with a score of zero."""
    scores = {name: score.round() for name, score in _layer_scores(seed).items()}
    for sparsity in (0.0, 0.25, 0.52, 0.93, 1.0):
        for at_least in (1, 2, 5):
            _try_filter_masks(filter_masks, scores, sparsity, at_least)
            zeros = {name: torch.zeros_like(score) for name, score in scores.items()}
            _try_filter_masks(filter_masks, zeros, sparsity, at_least)


def test_half_a_filter_of_the_network_rounds_to_the_even_number(
    filter_masks: Callable, seed: int = 0
) -> None:
    """Half of 9 is round(4.5), which is 4; half of 11 is round(5.5), which is 6."""
    for size in (6, 8, 10):
        scores = {"a": torch.randn(size, generator=_generator(seed)), "b": torch.tensor([1.0] * 3)}
        _try_filter_masks(filter_masks, scores, 0.5, 1)


def test_close_scores_of_filters_keep_their_order(filter_masks: Callable, seed: int = 0) -> None:
    """Scores in double precision are not rounded before they are ranked."""
    order = torch.randperm(30, generator=_generator(seed)).double()
    first, second = (1 + 1e-9 * order).split([10, 20])
    _try_filter_masks(filter_masks, {"a": first, "b": second}, 0.6, 2)


def test_one_filter_stays_if_nothing_else_is_said(filter_masks: Callable) -> None:
    """`at_least` is 1 by default: the lowest of each layer go, and its best stays."""
    scores = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0, 4.0])}
    found = [mask.tolist() for mask in filter_masks(scores, 0.5).values()]
    assert found == [[False, True], [False, True]], found


# --- sensitivity --------------------------------------------------------------------------------


def _scanned(seed: int) -> tuple[nn.Sequential, dict[str, Tensor], Tensor, Tensor]:
    """A network in evaluation mode that is not always right, scores, images and labels."""
    layers = [nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)]
    model = nn.Sequential(*layers)
    _trained(model, seed).double().eval()
    model.get_parameter("0.weight").data[1] = 0  # a filter that is dead already
    generator = _generator(seed)
    x = torch.randn(60, 2, 5, 5, generator=generator).double()
    y = model(x).argmax(1)
    y[::5] = torch.randint(3, (12,), generator=generator)
    names = ("4.weight", "0.weight")
    scores = {n: torch.randn(model.get_parameter(n).shape, generator=generator) for n in names}
    return model, scores, x, y


def test_one_layer_is_pruned_at_a_time(sensitivity: Callable, seed: int = 0) -> None:
    """Each accuracy is that of the whole network with one layer pruned to one sparsity."""
    for trial in range(3):
        model, scores, x, y = _scanned(seed + trial)
        own, sparsities = copy.deepcopy(model), [0.9, 0.21, 1.0, 0.0, 0.6]
        handed = {name: score.clone() for name, score in scores.items()}
        result = sensitivity(model, handed, list(sparsities), x.clone(), y.clone())
        assert set(result) == set(scores), f"curves for {sorted(result)}"
        for name, score in scores.items():
            assert set(result[name]) == set(sparsities), f"{name}: {sorted(result[name])}"
            for sparsity, found in result[name].items():
                assert not isinstance(found, Tensor), f"{name}: {found!r} is no number"
                pruned = copy.deepcopy(own)
                flat = pruned.get_parameter(name).data.view(-1)
                flat[score.flatten().argsort()[: round(sparsity * len(flat))]] = 0
                expected = (pruned(x).argmax(1) == y).double().mean().item()
                right = abs(float(found) - expected) < 1e-3
                assert right, f"{name}, {sparsity=}: {found:.3f}, expected {expected:.3f}"


def test_layers_without_scores_are_not_scanned(sensitivity: Callable, seed: int = 0) -> None:
    """Only the names in the scores get a curve, and only the sparsities that are asked for."""
    model, scores, x, y = _scanned(seed)
    result = sensitivity(model, {"4.weight": scores["4.weight"]}, [0.5], x, y)
    assert [*result] == ["4.weight"], f"curves for {sorted(result)}"
    assert [*result["4.weight"]] == [0.5], f"sparsities {sorted(result['4.weight'])}"


def test_each_kind_of_layer_is_scanned(sensitivity: Callable, seed: int = 0) -> None:
    """Two convolutions and a linear layer: as many curves, each with an accuracy from 0 to 1."""
    layers = [nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Conv2d(3, 4, 2), nn.Flatten(), nn.Linear(4, 3)]
    model = _trained(nn.Sequential(*layers), seed).eval()
    x = torch.randn(12, 1, 3, 3, generator=_generator(seed))
    scores = {name: w.detach().abs() for name, w in prunable(model).items()}
    y = model(x).argmax(1)
    result = sensitivity(model, scores, [0.0, 1.0], x, y)
    _named(result, scores)
    for name, curve in result.items():
        pruned = copy.deepcopy(model)
        pruned.get_parameter(name).data.zero_()
        expected = {0.0: 1.0, 1.0: (pruned(x).argmax(1) == y).double().mean().item()}
        close = all(abs(float(curve[s]) - expected[s]) < 1e-3 for s in expected)
        assert close, f"{name}: {curve}, expected {expected}"


def test_a_scan_leaves_the_model_alone(sensitivity: Callable, seed: int = 0) -> None:
    """Weights come back as the same parameters, in their modes, and train as before."""
    model, scores, x, y = _scanned(seed)
    sparsities = [0.3, 1.0]
    with unchanged(model, scores, sparsities, x, y):
        sensitivity(model, scores, sparsities, x, y)


def test_the_lowest_scores_go_however_close_they_are(sensitivity: Callable) -> None:
    """Scores in double precision are not rounded, and at sparsity 1 no weight stays."""
    layer, places = nn.Linear(8, 8, bias=False).eval(), torch.arange(8)
    layer.weight.data = torch.eye(8)
    y = places.repeat_interleave(places + 1)  # class i has i + 1 images
    x = torch.eye(8)[y]
    for order in (places, 7 - places):
        scores = torch.diag(1 + 1e-9 * order.double())  # the zeros of the layer go first
        result = sensitivity(layer, {"weight": scores}, [60 / 64, 1.0], x, y)["weight"]
        stay = order >= 4  # where a weight went the class is taken for the first
        expected = (places + 1)[stay | (places == 0)].sum().item() / len(y)
        found = float(result[60 / 64])
        assert abs(found - expected) < 1e-6, f"accuracy {found:.3f}, expected {expected:.3f}"
        nothing = float(result[1.0])
        assert abs(nothing - 1 / len(y)) < 1e-6, f"nothing stays, and yet {nothing:.3f} are right"


def test_the_count_of_a_scanned_layer_is_rounded(sensitivity: Callable) -> None:
    """0.3 of 9 weights is round(2.7), which is 3: the third lowest made class 1 right."""
    layer = nn.Linear(3, 3, bias=False).eval()
    layer.weight.data = torch.eye(3)
    scores = torch.tensor([[9.0, 1.0, 2.0], [4.0, 3.0, 5.0], [6.0, 7.0, 8.0]])
    found = float(
        sensitivity(layer, {"weight": scores}, [0.3], torch.eye(3), torch.arange(3))["weight"][0.3]
    )
    assert abs(found - 2 / 3) < 1e-6, f"0.3 of 9 weights: accuracy {found:.3f}, expected 0.667"


def test_half_a_weight_of_a_scanned_layer_rounds_to_the_even_number(
    sensitivity: Callable,
) -> None:
    """Half of 9 weights is round(4.5), which is 4: the fifth lowest still makes class 1 right."""
    layer = nn.Linear(3, 3, bias=False).eval()
    layer.weight.data = torch.eye(3)
    scores = torch.tensor([[9.0, 1.0, 2.0], [3.0, 5.0, 4.0], [6.0, 7.0, 8.0]])
    x, y = torch.eye(3), torch.tensor([0, 1, 2])
    found = float(sensitivity(layer, {"weight": scores}, [0.5], x, y)["weight"][0.5])
    assert abs(found - 1) < 1e-6, f"half of 9 weights: accuracy {found:.3f}, expected 1"


# --- recalibrate_bn -----------------------------------------------------------------------------


def _normed(seed: int, count: int) -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """A ResNet whose BN statistics are off, momenta different, and some batches."""
    model, generator = _trained(ResNet20(2), seed), _generator(seed)
    for i, bn in enumerate(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        bn.momentum = 0.1 + 0.01 * i if i else None
    batches = [
        (torch.randn(6, 3, 32, 32, generator=generator) + i, torch.zeros(6).long())
        for i in range(count)
    ]
    return model, batches


def test_statistics_are_plain_averages_over_the_batches(
    recalibrate_bn: Callable, seed: int = 0
) -> None:
    """Of each batch's mean and unbiased variance; what they were does not count."""
    for training, count in ((False, 1), (True, 3), (False, 4)):
        model, batches = _normed(seed, count)
        model.train(training)
        copies = [copy.deepcopy(model).train() for _ in batches]
        recalibrate_bn(model, [(x.clone(), y.clone()) for x, y in batches])
        for one, (x, _) in zip(copies, batches, strict=True):
            for module in one.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.momentum = 1.0  # takes this batch's statistics as they are
            one(x)
        for name, found in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                expected = torch.stack([one.get_buffer(name) for one in copies]).mean(0)
                close = torch.allclose(found, expected, rtol=1e-3, atol=1e-4)
                assert close, f"{name} is not the average over the {count} batches"


def test_everything_but_the_statistics_stays(recalibrate_bn: Callable, seed: int = 0) -> None:
    """Weights, γ, β, momenta, what trains, and the mode of every single layer."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    for training in (False, True):
        model, batches = _normed(seed, 2)
        model.train(training)
        model.get_submodule("layer1.0.bn1").train(not training)
        model.get_submodule("layer2").train(not training)
        model.get_parameter("layer1.0.bn2.weight").requires_grad_(False)
        with unchanged(model, but=statistics, case=f"{training=}, some layers the other way"):
            recalibrate_bn(model, batches)
        gradients = [name for name, p in model.named_parameters() if p.grad is not None]
        assert not gradients, f"gradients are left in {gradients[0]}: nothing is to be trained"


# --- choose_sparsities --------------------------------------------------------------------------


def _scan_of_five_layers(seed: int) -> tuple[dict[str, dict[float, float]], dict[str, int]]:
    """A scan as it is measured, with ups and downs, and layers of very different sizes."""
    generator = _generator(seed)
    names, sparsities = [f"layer{i}.weight" for i in range(5)], (0.3, 0.6, 0.85, 0.97)
    scan: dict[str, dict[float, float]] = {}
    for name in names:
        weak = torch.rand((), generator=generator).item()
        noise = 0.02 * torch.randn(len(sparsities), generator=generator)
        row = [0.9 - 0.8 * weak * s**4 + e for s, e in zip(sparsities, noise.tolist(), strict=True)]
        scan[name] = {
            s: round(min(max(a, 0.0), 1.0), 3) for s, a in zip(sparsities, row, strict=True)
        }
    weights = (10 ** (1 + 3 * torch.rand(5, generator=generator))).int().tolist()
    return scan, dict(zip(names, weights, strict=True))


def test_whatever_the_scan_the_network_fits(choose_sparsities: Callable, seed: int = 0) -> None:
    """Every layer has a sparsity from 0 to 1, and no more weights stay than may."""
    for trial, share in enumerate((0.02, 0.1, 0.31, 0.5, 0.77, 1.0)):
        scan, sizes = _scan_of_five_layers(seed + trial)
        left = max(1, round(share * sum(sizes.values())))
        handed = {name: dict(row) for name, row in scan.items()}
        chosen = choose_sparsities(handed, dict(sizes), left)
        assert handed == scan, "the scan was changed"
        assert set(chosen) == set(scan), f"sparsities for {sorted(chosen)}"
        assert all(0 <= s <= 1 for s in chosen.values()), f"not in 0 .. 1: {chosen}"
        stay = allocation.staying(chosen, sizes)
        assert stay <= left + len(scan), f"{stay} weights stay, {left} may"


def test_the_network_beats_the_same_sparsity_in_every_layer(choose_sparsities: Callable) -> None:
    """The lab's network in 96 KiB, on images that students do not have: 4 points better."""
    model = checkpoints.trained(16)
    sizes, left = allocation.sizes(model), allocation.room(model, 96)
    chosen = choose_sparsities(allocation.stored_scan(), dict(sizes), left)
    chosen = {name: float(chosen[name]) for name in sizes}
    stay = allocation.staying(chosen, sizes)
    assert stay <= left + len(sizes), f"{stay} weights stay, {left} may"
    gain = allocation.gain_over_uniform(model, chosen, unseen_images())
    assert gain >= 0.04, f"{100 * gain:.1f} points better than uniform, 4 are needed"
