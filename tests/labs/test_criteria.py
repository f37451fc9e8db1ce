"""The exercises of lab 2 against independent code: Torch-Pruning, finite differences, torch."""

import copy
import doctest
import json

import pytest
import torch
import torch_pruning
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune

from pruninglab import checkpoints
from pruninglab.models import Block, ResNet20, prunable
from solutions.builder import build
from solutions.lab1_structures.exercises import free_convs, global_masks, local_masks
from solutions.lab2_criteria import exercises as criteria
from solutions.lab2_criteria import mistakes as criteria_mistakes
from solutions.lab2_criteria import scan

GENERATOR = torch.Generator().manual_seed(0)


def randomise_bn(model: nn.Module) -> None:
    for bn in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        bn.running_var.uniform_(0.5, 2.0, generator=GENERATOR)
        for tensor in (bn.weight.data, bn.bias.data, bn.running_mean):
            tensor.normal_(generator=GENERATOR)


@pytest.fixture
def model() -> ResNet20:
    """A ResNet-20 with random BN, in evaluation mode."""
    network = ResNet20(4, seed=1).eval()
    randomise_bn(network)
    return network


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    x = torch.randn(16, 3, 32, 32, generator=GENERATOR)
    return x, torch.randint(10, (16,), generator=GENERATOR)


def torch_pruning_scores(model: nn.Module, importance: torch_pruning.importance.Importance):
    """Torch-Pruning's score of every filter that may go alone: layer name -> (out,)."""
    graph = torch_pruning.DependencyGraph()
    graph.build_dependency(model, torch.zeros(1, 3, 32, 32))
    scores = {}
    for name in free_convs(model):
        conv = model.get_submodule(name)
        everything = list(range(conv.out_channels))
        group = graph.get_pruning_group(conv, torch_pruning.prune_conv_out_channels, everything)
        scores[name] = importance(group)
    return scores


def conv_weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: model.get_parameter(f"{name}.weight") for name in free_convs(model)}


def assert_same_filters_go(got: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """At every sparsity, layer by layer, the filters kept are the same."""
    assert list(got) == list(expected)
    for sparsity in (0.25, 0.5, 0.75):
        mine, theirs = local_masks(got, sparsity), local_masks(expected, sparsity)
        for name in got:
            assert mine[name].nonzero().tolist() == theirs[name].nonzero().tolist(), name


def test_the_examples_in_the_tasks_are_right():
    results = doctest.testmod(criteria)
    assert results.attempted >= 25
    assert results.failed == 0


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.93])
def test_global_magnitude_is_that_of_torch(model, sparsity):
    masks = global_masks(criteria.magnitude_scores(model), sparsity)
    clone = copy.deepcopy(model)
    layers = [(m, "weight") for m in clone.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=sparsity)
    for (layer, _), mask in zip(layers, masks.values(), strict=True):
        assert torch.equal(mask, layer.weight_mask.bool())


@pytest.mark.parametrize("sparsity", [0.4, 0.93])
def test_any_scores_rank_as_torchs_importance_scores(model, batch, sparsity):
    """At sparsities above the share of zero gradients (behind dead units), which are ties."""
    scores = criteria.gradient_scores(model, *batch)
    masks = global_masks(scores, sparsity)
    clone = copy.deepcopy(model)
    layers = {
        (m, "weight"): scores[f"{name}.weight"]
        for name, m in clone.named_modules()
        if isinstance(m, nn.Conv2d | nn.Linear)
    }
    prune.global_unstructured(
        layers, pruning_method=prune.L1Unstructured, importance_scores=layers, amount=sparsity
    )
    for (layer, _), mask in zip(layers, masks.values(), strict=True):
        assert torch.equal(mask, layer.weight_mask.bool())


def test_gradient_and_taylor_scores_are_finite_differences(model, batch):
    """|g| is the slope; |w·g| is to first order what the loss changes when the weight goes."""
    model, (x, y) = model.double(), (batch[0].double(), batch[1])
    scores = criteria.gradient_scores(model, x, y)
    for name, weight in prunable(model).items():
        place = int(torch.randint(weight.numel(), (), generator=GENERATOR))
        w, losses = weight.detach().flatten()[place].item(), []
        for factor in (1 + 1e-5, 1 - 1e-5):
            weight.data.view(-1)[place] = w * factor
            losses.append(F.cross_entropy(model(x), y).item())
        weight.data.view(-1)[place] = w
        taylor = abs(losses[0] - losses[1]) / 2e-5
        got = abs(w) * scores[name].flatten()[place].item()
        assert got == pytest.approx(taylor, rel=1e-3, abs=1e-8), name


@pytest.mark.parametrize("p", [1, 2])
def test_filter_norms_keep_the_filters_of_torch_pruning(model, p):
    importance = torch_pruning.importance.MagnitudeImportance(
        p=p, group_reduction="first", normalizer=None
    )
    got = criteria.filter_scores(conv_weights(model), p)
    assert_same_filters_go(got, torch_pruning_scores(model, importance))


@pytest.mark.parametrize("p", [1, 2])
def test_filter_norms_keep_the_filters_of_ln_structured(p):
    conv = nn.Conv2d(6, 16, 3)
    mask = local_masks(criteria.filter_scores({"conv": conv.weight}, p), 0.4)["conv"]
    prune.ln_structured(conv, "weight", 0.4, n=p, dim=0)
    assert torch.equal(mask, conv.weight_mask.bool()[:, 0, 0, 0])


def test_bn_scales_keep_the_filters_of_torch_pruning(model):
    importance = torch_pruning.importance.BNScaleImportance(normalizer=None)
    expected = torch_pruning_scores(model, importance)
    got = criteria.bn_scores(model, free_convs(model))
    assert_same_filters_go(got, expected)
    for name in got:
        assert torch.allclose(got[name], expected[name])


def test_gates_keep_the_filters_of_torch_prunings_taylor(model, batch):
    """With mean 0 and β = 0 a gate scales the filter itself, so dL/dz = Σ w·g (Taylor)."""
    for bn in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        bn.running_mean.zero_()
        bn.bias.data.zero_()
    got = criteria.gate_scores(model, free_convs(model), [batch])
    F.cross_entropy(model(batch[0]), batch[1]).backward()
    importance = torch_pruning.importance.TaylorImportance(
        group_reduction="first", normalizer=None, multivariable=True, target_types=[nn.Conv2d]
    )
    expected = torch_pruning_scores(model, importance)
    assert_same_filters_go(got, expected)
    for name in got:
        assert torch.allclose(got[name].sqrt(), expected[name], rtol=1e-3, atol=1e-6)


def test_gates_are_finite_differences(model, batch):
    """Turn γ and β of one filter down together, in double precision."""
    convs = free_convs(model)
    half = len(batch[1]) // 2
    batches = [(batch[0][:half], batch[1][:half]), (batch[0][half:], batch[1][half:])]
    got = criteria.gate_scores(model, convs, batches)
    precise = copy.deepcopy(model).double()
    for name in convs:
        bn = precise.get_submodule(name.replace("conv", "bn"))
        channel = int(torch.randint(bn.num_features, (), generator=GENERATOR))
        values, squares = [bn.weight[channel].item(), bn.bias[channel].item()], []
        for x, y in batches:
            losses = []
            for z in (1 + 1e-6, 1 - 1e-6):
                bn.weight.data[channel], bn.bias.data[channel] = (z * v for v in values)
                losses.append(F.cross_entropy(precise(x.double()), y).item())
            squares.append(((losses[0] - losses[1]) / 2e-6) ** 2)
        bn.weight.data[channel], bn.bias.data[channel] = values
        assert got[name][channel].item() == pytest.approx(sum(squares) / 2, rel=1e-2, abs=1e-8)


def test_filter_masks_without_a_floor_are_the_global_ones():
    scores = {f"{i}": torch.randn(8 * i, generator=GENERATOR) for i in (1, 2, 3)}
    for sparsity in (0.0, 0.31, 0.85, 1.0):
        got, expected = (
            criteria.filter_masks(scores, sparsity, at_least=0),
            global_masks(scores, sparsity),
        )
        for name in scores:
            assert torch.equal(got[name], expected[name])


@pytest.mark.parametrize("sparsity", [0.3, 0.8])
def test_sensitivity_prunes_as_torch_does(batch, sparsity):
    layers = (nn.Flatten(), nn.Linear(3 * 32 * 32, 12), nn.ReLU(), nn.Linear(12, 10))
    model, (x, _) = nn.Sequential(*layers).eval(), batch
    y = model(x).argmax(1)
    got = criteria.sensitivity(model, criteria.magnitude_scores(model), [sparsity], x, y)
    for name in ("1", "3"):
        clone = copy.deepcopy(model)
        prune.l1_unstructured(clone.get_submodule(name), "weight", sparsity)
        expected = (clone(x).argmax(1) == y).float().mean().item()
        assert got[f"{name}.weight"] == {sparsity: pytest.approx(expected)}


def test_recalibration_of_one_layer_is_a_closed_form():
    bn = nn.BatchNorm2d(3).eval()
    x = torch.randn(2, 8, 3, 5, 5, generator=GENERATOR).double().float()
    criteria.recalibrate_bn(bn, [(part, torch.zeros(8)) for part in x])
    assert torch.allclose(bn.running_mean, x.mean((0, 1, 3, 4)), atol=1e-6)
    variance = torch.stack([part.transpose(0, 1).flatten(1).var(1) for part in x]).mean(0)
    assert torch.allclose(bn.running_var, variance, atol=1e-6)


def test_recalibration_makes_evaluation_agree_with_training():
    """Of one batch: evaluation mode then computes what training mode does, up to n / (n - 1)."""
    model = nn.Sequential(Block(3, 8, 3, 1, "A"), Block(3, 8, 6, 2, "B"))
    randomise_bn(model)
    x = torch.randn(64, 3, 16, 16, generator=GENERATOR)
    with torch.no_grad():
        expected = copy.deepcopy(model).train()(x)
        stale = model.eval()(x)
        criteria.recalibrate_bn(model, [(x, torch.zeros(64))])
        assert torch.allclose(model(x), expected, rtol=1e-2, atol=1e-2)
        assert not torch.allclose(stale, expected, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("exercise", criteria_mistakes.RIGHT)
def test_hidden_tests_accept_right_answers_with_another_seed(exercise):
    test = build.hidden_of("02_criteria", exercise)
    for function in (getattr(criteria, exercise), *criteria_mistakes.ALTERNATIVES[exercise]):
        test(function, seed=1)


@pytest.mark.parametrize(
    ("exercise", "mistake"),
    [(name, f) for name, wrong in criteria_mistakes.MISTAKES.items() for f in wrong],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_hidden_tests_refuse_every_mistake(exercise, mistake):
    with pytest.raises(Exception, match=r"."):
        build.hidden_of("02_criteria", exercise)(mistake)


def test_the_recorded_scan_is_that_of_the_network_that_ships() -> None:
    record = json.loads(scan.FILE.read_text(encoding="utf-8"))["scan"]
    assert list(record) == list(prunable(checkpoints.trained(16)))
    layers = ["conv1.weight", "layer2.1.conv1.weight"]
    again = scan.measured(layers)
    for layer in layers:
        recorded = {float(s): a for s, a in record[layer].items()}
        assert recorded == pytest.approx(again[layer], abs=0.0081)  # two images, on other machines
