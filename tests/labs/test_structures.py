"""The exercises of lab 1 against independent code: torch.nn.utils.prune and Torch-Pruning."""

import copy
import doctest

import pytest
import torch
import torch_pruning
from torch import Tensor, nn
from torch.nn.utils import prune

from pruninglab import counters
from pruninglab.models import ResNet20, prunable
from solutions.builder import build
from solutions.lab1_structures import exercises as structures
from solutions.lab1_structures import mistakes as structures_mistakes

SPARSITIES = [0.0, 0.13, 0.5, 0.77, 0.95, 1.0]


def scores_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().abs() for name, weight in prunable(model).items()}


def torch_masks(model: nn.Module) -> dict[str, Tensor]:
    return {
        name.replace("weight_mask", "weight"): mask.bool() for name, mask in model.named_buffers()
        if name.endswith("weight_mask")
    }  # fmt: skip


def layers_of(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def assert_same_masks(got: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(got) == set(expected)
    for name in expected:
        assert torch.equal(got[name], expected[name]), name


def randomise_bn(model: nn.Module, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for bn in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        for tensor in (bn.weight, bn.bias, bn.running_mean, bn.running_var):
            tensor.data = 0.5 + torch.rand(tensor.shape, generator=generator)


def test_the_examples_in_the_tasks_are_right():
    results = doctest.testmod(structures)
    assert results.attempted >= 18
    assert results.failed == 0


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_magnitude_mask_is_that_of_l1_unstructured(sparsity):
    layer = ResNet20(4).layer2[0].conv2
    expected = prune.l1_unstructured(copy.deepcopy(layer), "weight", sparsity).weight_mask.bool()
    assert torch.equal(structures.magnitude_mask(layer.weight, sparsity), expected)


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_local_masks_are_those_of_l1_unstructured(sparsity):
    model = ResNet20(4)
    got = structures.local_masks(scores_of(model), sparsity)
    for layer in layers_of(model):
        prune.l1_unstructured(layer, "weight", sparsity)
    assert_same_masks(got, torch_masks(model))


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_global_masks_are_those_of_global_unstructured(sparsity):
    model = ResNet20(4)
    got = structures.global_masks(scores_of(model), sparsity)
    everywhere = [(layer, "weight") for layer in layers_of(model)]
    prune.global_unstructured(everywhere, prune.L1Unstructured, amount=sparsity)
    assert_same_masks(got, torch_masks(model))


@pytest.mark.parametrize("sparsity", [0.0, 0.13, 0.5, 0.77])
def test_filter_mask_is_that_of_ln_structured(sparsity):
    layer = ResNet20(8).layer2[0].conv2
    pruned = prune.ln_structured(copy.deepcopy(layer), "weight", sparsity, n=1, dim=0)
    expected = pruned.weight_mask.bool().flatten(1).any(1)
    assert torch.equal(structures.filter_mask(layer.weight, sparsity), expected)


def test_account_agrees_with_the_counters():
    model = ResNet20(4)
    masks = structures.global_masks(scores_of(model), 0.8)
    got = structures.account(model, masks)
    with torch.no_grad():
        for name, weight in prunable(model).items():
            weight.mul_(masks[name])
    assert got["sparsity"] == pytest.approx(counters.sparsity(model))
    assert got["density"] == pytest.approx(counters.density(model))
    assert got["compression"] == pytest.approx(counters.compression(model))


def shrink_and_silence(model: nn.Module, keeps: dict[str, Tensor]) -> tuple[nn.Module, nn.Module]:
    """The model made really smaller, and the model with the same filters silenced."""
    small, silent = copy.deepcopy(model), copy.deepcopy(model)
    for name, keep in keeps.items():
        block, loud = (m.get_submodule(name.rpartition(".")[0]) for m in (small, silent))
        layers = structures.remove_filters(block.conv1, block.bn1, block.conv2, keep)
        block.conv1, block.bn1, block.conv2 = layers
        structures.silence_filters(loud.conv1, loud.bn1, keep)
    return small, silent


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("width", [4, 16])
def test_smaller_network_computes_what_the_silenced_one_does(width, shortcut):
    generator = torch.Generator().manual_seed(width)
    model = ResNet20(width, shortcut).eval()
    randomise_bn(model)
    keeps = {}
    for name in structures.free_convs(model):
        keeps[name] = torch.rand(model.get_submodule(name).out_channels, generator=generator) < 0.5
        keeps[name][0] = True
    small, silent = shrink_and_silence(model, keeps)
    x = torch.randn(4, 3, 32, 32, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(small(x), silent(x), atol=1e-5, rtol=1e-5)
        assert not torch.allclose(small(x), model(x), atol=1e-2)


def test_smaller_network_is_that_of_torch_pruning():
    model = ResNet20(8).eval()
    randomise_bn(model)
    keeps = {
        name: structures.filter_mask(model.get_submodule(name).weight, 0.4)
        for name in structures.free_convs(model)
    }
    small, _ = shrink_and_silence(model, keeps)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    theirs = copy.deepcopy(model)
    graph = torch_pruning.DependencyGraph().build_dependency(theirs, x)
    for name, keep in keeps.items():
        gone = (~keep).nonzero().flatten().tolist()
        conv = theirs.get_submodule(name)
        graph.get_pruning_group(conv, torch_pruning.prune_conv_out_channels, gone).prune()
    shapes = {name: tuple(t.shape) for name, t in theirs.state_dict().items()}
    assert {name: tuple(t.shape) for name, t in small.state_dict().items()} == shapes
    assert counters.parameters(small) == torch_pruning.utils.count_ops_and_params(theirs, x)[1]
    with torch.no_grad():
        torch.testing.assert_close(small(x), theirs(x), atol=1e-5, rtol=1e-5)


def test_free_convs_are_those_that_torch_pruning_finds_uncoupled():
    """Removing a free filter touches two convolutions only: its own one and the next one."""
    model = ResNet20(4)
    graph = torch_pruning.DependencyGraph().build_dependency(model, torch.zeros(1, 3, 32, 32))
    alone = []
    for name, conv in model.named_modules():
        if isinstance(conv, nn.Conv2d):
            group = graph.get_pruning_group(conv, torch_pruning.prune_conv_out_channels, [0])
            touched = {dep.target.module for dep, _ in group}
            if sum(isinstance(module, nn.Conv2d) for module in touched) == 2:
                alone.append(name)
    assert structures.free_convs(model) == alone


def passes(exercise: str, function: object) -> bool:
    """Whether the hidden test of the exercise passes; a wrong answer may die in any way."""
    try:
        build.hidden_of("01_structures", exercise)(function)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("exercise", structures_mistakes.MISTAKES)
def test_right_answers_pass_and_mistakes_fail(exercise):
    mistakes = structures_mistakes.MISTAKES[exercise]
    right = [getattr(structures, exercise), *structures_mistakes.ALTERNATIVES[exercise]]
    assert len(mistakes) >= 5
    assert len(right) >= 4
    for function in right:
        build.hidden_of("01_structures", exercise)(function)
    assert [f.__name__ for f in mistakes if passes(exercise, f)] == []
