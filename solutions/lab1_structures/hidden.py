"""Hidden tests of lab 1: properties on random inputs.

A test belongs to the exercise that its first parameter is named like, and is pasted into that
exercise's test cell, with the imports and helpers of this module that it uses.
"""

# ruff: noqa: PT028 (the seed has a default, so that a grader may give another one)

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.checks.unchanged import unchanged
from pruninglab.models import ResNet20, prunable


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _lowest_went(mask: Tensor, scores: Tensor, pruned: int, case: str) -> None:
    """A bool mask of the scores' shape: `pruned` are False, none of them above a kept one."""
    assert mask.dtype == torch.bool, f"{case}: the mask is {mask.dtype}, not bool"
    assert mask.shape == scores.shape, f"{case}: the mask has shape {tuple(mask.shape)}"
    gone = int((~mask).sum())
    assert gone == pruned, f"{case}: {gone} pruned, expected {pruned}"
    some = 0 < pruned < scores.numel()
    right = not some or scores[~mask].max() <= scores[mask].min()
    assert right, f"{case}: one went that ranks above one that was kept"


def _close_doubles(n: int, seed: int) -> Tensor:
    """Numbers in random order that differ by 1e-9: float32 takes them all for equal."""
    order = torch.randperm(n, generator=_generator(seed))
    return 1 + 1e-9 * order.double()


# --- magnitude_mask -----------------------------------------------------------------------------


def _try_magnitude_mask(magnitude_mask: Callable, weight: Tensor, sparsity: float) -> None:
    magnitudes, case = weight.detach().clone().abs(), f"weight {tuple(weight.shape)}, {sparsity=}"
    with unchanged(weight, case=case):
        mask = magnitude_mask(weight, sparsity)
    _lowest_went(mask, magnitudes, round(sparsity * weight.numel()), case)


def test_exactly_the_asked_number_of_small_weights_goes(
    magnitude_mask: Callable, seed: int = 0
) -> None:
    """The smallest magnitudes go, exactly as many as asked, whatever the shape."""
    for shape in [(1,), (7,), (4, 6), (8, 3, 3, 3), (5, 16, 1, 1)]:
        for sparsity in (0.0, 0.1, 0.29, 0.47, 0.81, 0.99, 1.0):
            weight = torch.randn(shape, generator=_generator(seed))
            _try_magnitude_mask(magnitude_mask, weight, sparsity)
    large = torch.randn(300_000, generator=_generator(seed))
    _try_magnitude_mask(magnitude_mask, large, 0.98)


def test_equal_magnitudes_keep_the_count_exact(magnitude_mask: Callable, seed: int = 0) -> None:
    """Ties, and zeros that were there before, do not change how many go."""
    few_values = torch.randint(-2, 3, (20, 5), generator=_generator(seed)).float()
    for weight in (torch.full((3, 4), -2.0), few_values, torch.zeros(10)):
        for sparsity in (0.0, 0.21, 0.34, 1.0):
            _try_magnitude_mask(magnitude_mask, weight, sparsity)


def test_half_a_weight_rounds_to_the_even_number(magnitude_mask: Callable, seed: int = 0) -> None:
    """Half of 5 is round(2.5), which is 2; half of 7 is round(3.5), which is 4."""
    for size in (1, 3, 5, 7, 9):
        weight = torch.randn(size, generator=_generator(seed))
        _try_magnitude_mask(magnitude_mask, weight, 0.5)


def test_a_weight_may_lie_in_memory_in_any_way(magnitude_mask: Callable, seed: int = 0) -> None:
    """A transposed, permuted or repeated weight is ranked as any other."""
    weight = torch.randn(6, 9, generator=_generator(seed))
    _try_magnitude_mask(magnitude_mask, weight.T, 1 / 3)
    weight = torch.randn(4, 3, 3, 2, generator=_generator(seed))
    _try_magnitude_mask(magnitude_mask, weight.permute(0, 3, 1, 2), 0.7)


def test_a_weight_may_have_any_floating_dtype(magnitude_mask: Callable, seed: int = 0) -> None:
    """Small half-precision numbers and close double-precision ones keep their order."""
    small = 1e-4 * torch.randn(50, generator=_generator(seed))  # squares would underflow
    _try_magnitude_mask(magnitude_mask, small.half(), 0.3)
    _try_magnitude_mask(magnitude_mask, _close_doubles(50, seed).view(5, 10), 0.9)


def test_a_parameter_is_taken_as_it_is(magnitude_mask: Callable, seed: int = 0) -> None:
    """A parameter belongs to the autograd graph, and its mask does not."""
    weight = nn.Parameter(torch.randn(5, 4, generator=_generator(seed)))
    _try_magnitude_mask(magnitude_mask, weight, 0.6)
    _try_magnitude_mask(magnitude_mask, weight.requires_grad_(False), 0.6)


# --- local_masks and global_masks ---------------------------------------------------------------


def _scores(seed: int, scale: float) -> dict[str, Tensor]:
    """Scores of four layers, of either sign; each layer's are `scale` times the last one's."""
    shapes = {
        "conv1.weight": (4, 3, 3, 3),
        "layer1.0.one": (1,),
        "layer1.0.weight": (8, 4),
        "fc.weight": (10, 8),
    }
    generator = _generator(seed)
    return {
        name: torch.randn(shape, generator=generator) * scale**i
        for i, (name, shape) in enumerate(shapes.items())
    }


def _try_local_masks(local_masks: Callable, scores: dict[str, Tensor], sparsity: float) -> None:
    before = {name: score.clone() for name, score in scores.items()}
    with unchanged(scores, case=f"{sparsity=}"):
        masks = local_masks(scores, sparsity)
    assert set(masks) == set(before), f"masks for {list(masks)}, expected {list(before)}"
    for name, score in before.items():
        pruned = round(sparsity * score.numel())
        _lowest_went(masks[name], score, pruned, f"layer {name!r}, {sparsity=}")


def test_every_layer_loses_its_share(local_masks: Callable, seed: int = 0) -> None:
    """The lowest scores of each layer go, as many as its own size asks for."""
    for sparsity in (0.0, 0.3, 0.62, 0.87, 0.97, 1.0):
        _try_local_masks(local_masks, _scores(seed, 10), sparsity)


def test_equal_scores_keep_the_count_of_each_layer(local_masks: Callable, seed: int = 0) -> None:
    """Ties do not change how many go, and neither does a layer in which all scores are equal."""
    for sparsity in (0.0, 0.3, 0.62, 0.97, 1.0):
        scores = {name: score.round() for name, score in _scores(seed, 2).items()}
        _try_local_masks(local_masks, scores | {"equal": torch.zeros(6, 7)}, sparsity)


def test_half_a_weight_of_a_layer_rounds_to_the_even_number(
    local_masks: Callable, seed: int = 0
) -> None:
    """Half of 5 is round(2.5), which is 2; half of 7 is round(3.5), which is 4."""
    sizes = (1, 3, 5, 7, 9)
    scores = {f"{size} scores": torch.randn(size, generator=_generator(seed)) for size in sizes}
    _try_local_masks(local_masks, scores, 0.5)


def test_close_scores_of_a_layer_keep_their_order(local_masks: Callable, seed: int = 0) -> None:
    """Scores in double precision are not rounded before they are ranked."""
    _try_local_masks(local_masks, {"a": _close_doubles(40, seed), "b": torch.zeros(3)}, 0.7)


def _try_global_masks(global_masks: Callable, scores: dict[str, Tensor], sparsity: float) -> None:
    before, case = {name: score.clone() for name, score in scores.items()}, f"{sparsity=}"
    with unchanged(scores, case=case):
        masks = global_masks(scores, sparsity)
    assert set(masks) == set(before), f"masks for {list(masks)}, expected {list(before)}"
    for name, score in before.items():
        shape = tuple(masks[name].shape)
        assert shape == score.shape, f"the mask of {name!r} has shape {shape}"
    ranking = torch.cat([score.flatten() for score in before.values()])
    mask = torch.cat([masks[name].flatten() for name in before])
    _lowest_went(mask, ranking, round(sparsity * len(ranking)), case)


def test_the_network_loses_its_share_in_one_ranking(global_masks: Callable, seed: int = 0) -> None:
    """The lowest scores of all layers together go, wherever they are."""
    for scale in (1, 2, 10):
        for sparsity in (0.0, 0.3, 0.62, 0.87, 0.99, 1.0):
            _try_global_masks(global_masks, _scores(seed, scale), sparsity)


def test_equal_scores_keep_the_count_of_the_network(global_masks: Callable, seed: int = 0) -> None:
    """Ties within a layer and between layers do not change how many go."""
    for sparsity in (0.0, 0.3, 0.62, 0.87, 1.0):
        scores = {name: score.round() for name, score in _scores(seed, 2).items()}
        _try_global_masks(global_masks, scores | {"equal": torch.zeros(6, 7)}, sparsity)


def test_half_a_weight_of_the_network_rounds_to_the_even_number(
    global_masks: Callable, seed: int = 0
) -> None:
    """Half of 5 is round(2.5), which is 2; half of 7 is round(3.5), which is 4."""
    for size in (1, 3, 5, 7):
        first, rest = torch.randn(1, generator=_generator(seed)), torch.ones(size - 1)
        _try_global_masks(global_masks, {"a": first, "b": rest}, 0.5)


def test_close_scores_of_the_network_keep_their_order(
    global_masks: Callable, seed: int = 0
) -> None:
    """Scores in double precision are not rounded before they are ranked."""
    first, second = _close_doubles(60, seed).split([20, 40])
    _try_global_masks(global_masks, {"a": first, "b": second.view(4, 10)}, 0.7)


# --- empty_layers -------------------------------------------------------------------------------


def _try_empty_layers(empty_layers: Callable, masks: dict[str, Tensor], empty: list[str]) -> None:
    with unchanged(masks):
        found = empty_layers(masks)
    assert isinstance(found, list | tuple), f"a list of names is asked, got {type(found)}"
    assert list(found) == empty, f"found {found}, expected {empty}"


def test_the_layers_without_a_weight_are_named_in_order(
    empty_layers: Callable, seed: int = 0
) -> None:
    """Which layers are empty, in the order of the masks; one weight keeps a layer alive."""
    generator = _generator(seed)
    for trial in range(8):
        names = [f"layer{i}.0.weight" for i in torch.randperm(6, generator=generator).tolist()]
        empty = [name for i, name in enumerate(names) if (trial >> (i % 3)) % 2]
        sizes = torch.randint(1, 65, (6, 2), generator=generator).tolist()
        masks = {
            name: torch.zeros(*size, 3, 3, dtype=torch.bool)
            for name, size in zip(names, sizes, strict=True)
        }
        for name in set(names) - set(empty):
            places = masks[name].numel()
            masks[name].view(-1)[int(torch.randint(places, (1,), generator=generator))] = True
        _try_empty_layers(empty_layers, masks, empty)


def test_one_weight_anywhere_keeps_a_layer_alive(empty_layers: Callable) -> None:
    """The place of the last weight does not matter: the first one counts as any other."""
    for place in range(6):
        last = torch.arange(6).view(2, 3) == place
        masks = {"a": last, "b": torch.zeros(2, 3, dtype=torch.bool), "c": last}
        _try_empty_layers(empty_layers, masks, ["b"])


def test_as_many_weights_as_a_byte_counts_are_not_none(empty_layers: Callable) -> None:
    """A sum in 8 or 16 bits begins again at 0 after 256 or 65,536."""
    full = {f"{n} weights": torch.ones(n, dtype=torch.bool) for n in (1, 256, 65_536)}
    _try_empty_layers(empty_layers, full, [])


def test_without_masks_no_layer_is_empty(empty_layers: Callable) -> None:
    """An empty dict gives an empty list."""
    _try_empty_layers(empty_layers, {}, [])


# --- account ------------------------------------------------------------------------------------


def _network(width: int, bias: bool, seed: int) -> nn.Sequential:
    """Three prunable layers, one of them in a block; some weights and biases are zero."""
    block = nn.Sequential(nn.Conv2d(2, width, 3, bias=bias), nn.BatchNorm2d(width))
    model = nn.Sequential(block, nn.Conv2d(width, 5, 1), nn.Flatten(), nn.Linear(5, 4))
    for parameter in model.parameters():
        parameter.data = torch.randint(-2, 3, parameter.shape, generator=_generator(seed)).float()
    return model


def _try_account(account: Callable, model: nn.Module, masks: dict[str, Tensor]) -> None:
    weights = sum(weight.numel() for weight in prunable(model).values())
    total = sum(parameter.numel() for parameter in model.parameters())
    pruned = sum(mask.flatten().tolist().count(False) for mask in masks.values())
    expected = {
        "sparsity": pruned / weights,
        "density": (weights - pruned) / weights,
        "compression": total / (total - pruned),
    }
    with unchanged(model, masks):
        found = account(model, masks)
    for name, number in expected.items():
        value = found[name]
        assert not isinstance(value, Tensor), f"{name} is a tensor: `.item()` takes a number out"
        right = math.isclose(float(value), number, rel_tol=1e-5, abs_tol=1e-6)
        assert right, f"{name} is {float(value)}, expected {number}"


def test_the_three_numbers_are_counted(account: Callable, seed: int = 0) -> None:
    """Pruned and kept shares of the prunable weights, and all parameters over those that remain."""
    for trial in range(6):
        model = _network(width=3 + 2 * trial, bias=trial % 2 == 0, seed=seed)
        masks = {
            name: torch.rand(weight.shape, generator=_generator(seed + trial)) < 0.15 * trial
            for name, weight in prunable(model).items()
        }
        _try_account(account, model, masks)


def test_a_layer_without_a_mask_is_whole(account: Callable, seed: int = 0) -> None:
    """Its weights count, and none of them is pruned."""
    model = _network(width=4, bias=True, seed=seed)
    for names in ([], ["0.0.weight"], ["3.weight", "1.weight"]):
        masks = {
            name: torch.rand(model.get_parameter(name).shape, generator=_generator(seed)) < 0.4
            for name in names
        }
        _try_account(account, model, masks)


def test_a_zero_that_stays_is_not_pruned(account: Callable) -> None:
    """The masks say what goes, not the values: a network of zeros is dense until it is pruned."""
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2, bias=False))
    for parameter in model.parameters():
        parameter.data.zero_()
    _try_account(account, model, {})
    _try_account(account, model, {"0.weight": torch.eye(4).bool()[:3]})


def test_parameters_of_any_layer_count(account: Callable, seed: int = 0) -> None:
    """Other normalisations, activations with a parameter, one that belongs to no layer."""
    for other in (nn.BatchNorm1d(5), nn.LayerNorm(5), nn.PReLU(5)):
        model = nn.Sequential(nn.Linear(4, 5), other, nn.Linear(5, 2))
        model.register_parameter("scale", nn.Parameter(torch.ones(3)))
        keep = torch.rand(5, 4, generator=_generator(seed)) < 0.5
        _try_account(account, model, {"0.weight": keep})


def test_parameters_that_do_not_train_are_parameters(account: Callable, seed: int = 0) -> None:
    """They are stored, too, and a frozen weight can be pruned."""
    model = _network(width=3, bias=True, seed=seed)
    model[0].requires_grad_(False)
    keep = torch.rand(3, 2, 3, 3, generator=_generator(seed)) < 0.5
    _try_account(account, model, {"0.0.weight": keep})


# --- filter_mask --------------------------------------------------------------------------------


def _try_filter_mask(filter_mask: Callable, weight: Tensor, sparsity: float) -> None:
    norms = weight.detach().clone().double().abs().sum(dim=(1, 2, 3))
    pruned = min(round(sparsity * len(norms)), len(norms) - 1)
    case = f"weight {tuple(weight.shape)}, {sparsity=}"
    with unchanged(weight, case=case):
        keep = filter_mask(weight, sparsity)
    assert keep.dtype == torch.bool, f"{case}: the mask is {keep.dtype}, not bool"
    assert keep.shape == norms.shape, f"{case}: the mask has shape {tuple(keep.shape)}"
    gone = int((~keep).sum())
    assert gone == pruned, f"{case}: {gone} filters pruned, expected {pruned}"
    exact = weight.dtype == torch.float64
    room = 1e-12 if exact else 1e-5  # sums of many numbers are rounded, each in its own order
    right = pruned == 0 or norms[~keep].max() <= norms[keep].min() * (1 + room) + room
    assert right, f"{case}: a filter went whose L1 norm is above that of one kept"


def test_the_filters_of_smallest_norm_go(filter_mask: Callable, seed: int = 0) -> None:
    """Exactly as many as asked, for any number of filters and inputs."""
    generator = _generator(seed)
    for shape in [(1, 3, 3, 3), (7, 7, 3, 3), (16, 4, 1, 1), (10, 24, 3, 3)]:
        for sparsity in (0.0, 0.12, 0.3, 0.47, 0.81):
            weight = torch.randn(shape, generator=generator)
            _try_filter_mask(filter_mask, weight, sparsity)
            _try_filter_mask(filter_mask, weight.double().exp(), sparsity)


def test_one_filter_always_stays(filter_mask: Callable, seed: int = 0) -> None:
    """However high the sparsity, the filter of largest norm is kept."""
    for out in (1, 2, 7, 16):
        weight = torch.randn(out, 3, 3, 3, generator=_generator(seed))
        for sparsity in (0.97, 1.0):
            _try_filter_mask(filter_mask, weight, sparsity)


def test_weights_that_are_zero_already_count_as_zero(filter_mask: Callable, seed: int = 0) -> None:
    """A norm is a sum: some filters here have many zeros, others hardly any."""
    generator = _generator(seed)
    share = torch.linspace(0.1, 1, 12).view(-1, 1, 1, 1)
    weight = torch.randn(12, 4, 3, 3, generator=generator)
    weight *= torch.rand(weight.shape, generator=generator) < share
    for sparsity in (0.25, 0.5, 0.75):
        _try_filter_mask(filter_mask, weight, sparsity)


def test_equal_and_dead_filters_keep_the_count_exact(filter_mask: Callable) -> None:
    """Filters of the same norm, zero among them, do not change how many go."""
    for weight in (torch.ones(6, 2, 3, 3), torch.zeros(6, 2, 3, 3)):
        weight[:2] = 0
        for sparsity in (0.0, 0.16, 0.5, 0.66, 1.0):
            _try_filter_mask(filter_mask, weight, sparsity)


def test_half_a_filter_rounds_to_the_even_number(filter_mask: Callable, seed: int = 0) -> None:
    """Half of 5 is round(2.5), which is 2; half of 7 is round(3.5), which is 4."""
    for out in (1, 3, 5, 7):
        weight = torch.randn(out, 2, 3, 3, generator=_generator(seed))
        _try_filter_mask(filter_mask, weight, 0.5)


def test_close_norms_keep_their_order(filter_mask: Callable, seed: int = 0) -> None:
    """Norms in double precision are not rounded before they are ranked."""
    weight = _close_doubles(20, seed).view(20, 1, 1, 1).expand(20, 2, 3, 3)
    _try_filter_mask(filter_mask, weight.clone(), 0.4)
    _try_filter_mask(filter_mask, weight, 0.75)


def test_a_convolution_may_lie_in_memory_in_any_way(filter_mask: Callable, seed: int = 0) -> None:
    """A permuted weight and a parameter are ranked as any other."""
    weight = torch.randn(5, 3, 3, 9, generator=_generator(seed))
    _try_filter_mask(filter_mask, weight.permute(3, 0, 1, 2), 1 / 3)
    _try_filter_mask(filter_mask, nn.Parameter(weight), 0.25)


# --- silence_filters ----------------------------------------------------------------------------


def _conv_and_bn(out: int, seed: int, bias: bool) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution and a batch normalisation as after a training."""
    generator = _generator(seed)
    conv, bn = nn.Conv2d(4, out, 3, padding=1, bias=bias), nn.BatchNorm2d(out).eval()
    for parameter in conv.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    for tensor in (bn.weight.data, bn.bias.data, *bn.buffers()):
        if tensor.is_floating_point():
            tensor.copy_(0.5 + torch.rand(out, generator=generator))
    return conv, bn


def _keep(out: int, seed: int) -> Tensor:
    """Some filters, at least one of them kept and one not."""
    keep = torch.rand(out, generator=_generator(seed)) < 0.5
    keep[0], keep[-1] = False, True
    return keep


def test_silenced_channels_are_zero_for_every_input(
    silence_filters: Callable, seed: int = 0
) -> None:
    """In evaluation and in training mode, with and without a bias."""
    x = torch.randn(5, 4, 8, 8, generator=_generator(seed))
    for out in (3, 4, 5, 8):
        conv, bn = _conv_and_bn(out, seed + out, bias=out % 2 == 0)
        keep = _keep(out, seed + out)
        silence_filters(conv, bn, keep.clone())
        for training in (False, True):
            loudest = bn.train(training)(conv(x))[:, ~keep].abs().max().item()
            assert loudest == 0, f"a silenced channel still emits {loudest:.3g}"


def test_what_a_silenced_filter_has_is_zero_and_the_rest_as_it_was(
    silence_filters: Callable, seed: int = 0
) -> None:
    """Weights, bias, γ and β of the filters that go are 0, those of the others are not touched."""
    for out in (3, 4, 5, 8):
        conv, bn = _conv_and_bn(out, seed + out, bias=out % 2 == 0)
        keep = _keep(out, seed + out) if out != 3 else torch.ones(3, dtype=torch.bool)
        old, given = copy.deepcopy((conv, bn)), keep.clone()
        with unchanged(given):
            silence_filters(conv, bn, given)
        for layer, before in zip((conv, bn), old, strict=True):
            for name, was in before.named_parameters():
                new = layer.get_parameter(name)
                assert new.shape == was.shape, f"{name} has changed its shape"
                assert not new[~keep].any(), f"{name} of a silenced filter is not 0"
                assert torch.equal(new[keep], was[keep]), f"{name} of a kept filter has changed"


def test_silencing_changes_values_alone(silence_filters: Callable, seed: int = 0) -> None:
    """Modes, hooks, dtypes and what trains are as before; kept channels emit what they did."""
    for dtype, training in ((torch.float32, False), (torch.float64, True)):
        layers = _conv_and_bn(6, seed, bias=True)
        conv, bn = (layer.to(dtype).train(training) for layer in layers)
        conv.weight.requires_grad_(False)
        bn.get_parameter("bias").requires_grad_(False)
        keep, x = _keep(6, seed), torch.randn(5, 4, 8, 8, generator=_generator(seed)).to(dtype)
        expected = copy.deepcopy(bn)(conv(x)).detach()[:, keep]
        changing = ("weight", "bias", "running_mean", "running_var")
        with unchanged(conv, bn, but=changing):
            silence_filters(conv, bn, keep.clone())
        kinds = {tensor.dtype for tensor in (*conv.parameters(), *bn.parameters())}
        assert kinds == {dtype}, f"layers in {dtype} have become {kinds}"
        same = torch.allclose(bn(conv(x))[:, keep], expected, atol=1e-6)
        assert same, "a kept channel has changed"


# --- remove_filters -----------------------------------------------------------------------------


def _three_layers(case: int, seed: int) -> tuple[nn.Conv2d, nn.BatchNorm2d, nn.Conv2d]:
    """Layers with other sizes, strides, paddings, kernels and biases in each case."""
    settings: list[tuple[Any, ...]] = [
        (4, 4, 1, 1, False, 1),
        (3, 6, (2, 1), 1, True, 3),
        (2, 5, 1, 0, True, 1),
        (5, 8, 2, (2, 0), False, 3),
    ]
    c_in, out, stride, padding, bias, kernel = settings[case]
    bn1 = _conv_and_bn(out, seed, bias)[1]
    conv1 = nn.Conv2d(c_in, out, 3, stride=stride, padding=padding, bias=bias)
    bn1.eps, bn1.momentum = 1e-2, 0.2
    bn1.get_buffer("num_batches_tracked").fill_(17)
    conv2 = nn.Conv2d(out, 4, kernel, stride=stride, padding=kernel // 2, bias=bias)
    for layer in (conv1, conv2):
        for parameter in layer.parameters():
            parameter.data = torch.randn(parameter.shape, generator=_generator(seed))
    return conv1, bn1, conv2


def test_smaller_layers_compute_what_silenced_ones_do(
    remove_filters: Callable, seed: int = 0
) -> None:
    """The same output, to rounding, for random layers, filters and images."""
    for case in range(4):
        conv1, bn1, conv2 = _three_layers(case, seed)
        keep = _keep(conv1.out_channels, seed + case)
        x = torch.randn(3, conv1.in_channels, 12, 12, generator=_generator(seed))
        target = conv2(torch.relu(bn1(conv1(x))) * keep.view(-1, 1, 1)).detach()
        small = remove_filters(conv1, bn1, conv2, keep.clone())
        found = small[2](torch.relu(small[1](small[0](x))))
        assert found.shape == target.shape, f"output {tuple(found.shape)}"
        error = ((found - target).abs().max() / target.abs().max().clamp_min(1)).item()
        assert error < 1e-5, f"the output differs from the silenced layers' by {error:.2g}"


def test_tensors_and_attributes_have_the_new_size(remove_filters: Callable, seed: int = 0) -> None:
    """One kept filter or all of them, the layers say how large they are."""
    for case in range(4):
        out = _three_layers(case, seed)[0].out_channels
        for keep in (_keep(out, seed), torch.ones(out).bool(), torch.arange(out) == 1):
            n = int(keep.sum())
            small = remove_filters(*_three_layers(case, seed), keep)
            kinds = [type(layer).__name__ for layer in small]
            assert kinds == ["Conv2d", "BatchNorm2d", "Conv2d"], f"layers of the kinds {kinds}"
            kept = len(small[0].weight)
            assert kept == n, f"conv1 has {kept} filters, expected {n}"
            assert small[2].weight.shape[1] == n, "conv2 still has kernels of removed channels"
            sizes = (small[0].out_channels, small[1].num_features, small[2].in_channels)
            assert sizes == (n, n, n), f"out_channels, num_features, in_channels: {sizes}, not {n}"


def test_all_but_the_size_stays_as_it_was(remove_filters: Callable, seed: int = 0) -> None:
    """Settings, modes, which parameters and buffers there are, and what trains."""
    resized = {"out_channels", "num_features", "in_channels"}
    for case in range(4):
        layers = _three_layers(case, seed)
        small = remove_filters(*layers, _keep(layers[0].out_channels, seed))
        for new, old in zip(small, _three_layers(case, seed), strict=True):
            names = {n for n in vars(old) if not n.startswith("_")} - resized
            for name in sorted(names):
                now, was = getattr(new, name), getattr(old, name)
                assert now == was, f"{name} of {type(old).__name__} was {was}, is {now}"
            tensors, before = new.state_dict(), old.state_dict()
            assert set(tensors) == set(before), f"parameters and buffers {sorted(tensors)}"
            parts = [{name for name, _ in layer.named_buffers()} for layer in (new, old)]
            assert parts[0] == parts[1], f"buffers {sorted(parts[0])}, not {sorted(parts[1])}"
            seen = [
                state.get("num_batches_tracked", torch.tensor(0)) for state in (tensors, before)
            ]
            assert torch.equal(*seen), f"BN has seen {seen[0]} batches, the old one {seen[1]}"
            train = {name for name, p in new.named_parameters() if p.requires_grad}
            assert train == {name for name, _ in old.named_parameters()}, f"{train} train"
        assert small[0].in_channels == layers[0].in_channels, "conv1 has other inputs"
        assert small[2].out_channels == layers[2].out_channels, "conv2 has other filters"


def test_the_old_layers_stay_whole(remove_filters: Callable, seed: int = 0) -> None:
    """They are not changed, not even when the new ones train on and whichever filters go."""
    for case in range(4):
        out = _three_layers(case, seed)[0].out_channels
        for keep in (_keep(out, seed), torch.ones(out).bool(), torch.arange(out) < 2):
            layers = _three_layers(case, seed)
            with unchanged(*layers, keep):
                small = remove_filters(*layers, keep)
                for layer in small:
                    for tensor in (*layer.parameters(), *layer.buffers()):
                        tensor.data += 1


# --- free_convs ---------------------------------------------------------------------------------


def test_the_first_convolution_of_each_block_is_free(free_convs: Callable) -> None:
    """In the network's order, whatever the width, the classes and the shortcut."""
    expected = [f"layer{stage}.{block}.conv1" for stage in (1, 2, 3) for block in range(3)]
    for model in (ResNet20(4, "A"), ResNet20(5, "B"), ResNet20(4, "B", num_classes=100)):
        with unchanged(model):
            found = list(free_convs(model))
        assert set(found) == set(expected), f"found {found}"
        assert found == expected, "the names are not in the network's order"
