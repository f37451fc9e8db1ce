"""Each criterion and schedule once more, written apart: torch's own pruning, closed forms, loops.

Nothing here calls the students' functions but to compare with them. The references are slow and
plain on purpose: a filter at a time, a weight at a time, a step at a time.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from pruninglab import amc
from pruninglab.models import ResNet20, prunable
from solutions.lab1_structures import exercises as lab1
from solutions.lab2_criteria import exercises as lab2
from solutions.lab3_methods import exercises as lab3
from solutions.lab4_papers import exercises as lab4
from solutions.lab6_further import exercises as lab6
from solutions.study import job
from solutions.study.systems import soft

TARGETS = (0.3, 0.5, 0.9)


@pytest.fixture
def network() -> ResNet20:
    """Four filters wide, all weights different, statistics of BN that are not those of a start."""
    model = ResNet20(4, seed=3)
    generator = torch.Generator().manual_seed(5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.2, 2.0, generator=generator)
            module.bias.data.normal_(0, 0.1, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return model.eval()


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(9)
    return torch.randn(12, 3, 32, 32, generator=generator), torch.arange(12) % 10


def layers(model: nn.Module) -> list[tuple[nn.Module, str]]:
    return [(m, "weight") for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def kept(model: nn.Module) -> list[np.ndarray]:
    """Masks that torch's pruning has left, in the order of the layers."""
    return [module.weight_mask.bool().numpy() for module, _ in layers(model)]


def same(ours: dict[str, torch.Tensor], theirs: list[np.ndarray]) -> bool:
    pairs = zip(ours.values(), theirs, strict=True)
    return all(np.array_equal(mine.numpy(), other) for mine, other in pairs)


# ---- criteria: single weights


@pytest.mark.parametrize("target", TARGETS)
def test_global_magnitude_is_torchs(network, target):
    ours = lab1.global_masks(lab2.magnitude_scores(network), target)
    prune.global_unstructured(layers(network), prune.L1Unstructured, amount=target)
    assert same(ours, kept(network))


@pytest.mark.parametrize("target", TARGETS)
def test_magnitude_per_layer_is_torchs(network, target):
    ours = lab1.local_masks(lab2.magnitude_scores(network), target)
    for module, name in layers(network):
        prune.l1_unstructured(module, name, amount=round(target * module.weight.numel()))
    assert same(ours, kept(network))


def test_gradients_are_central_differences(network, batch):
    """(L(w + e) - L(w - e)) / 2e in double precision, weight by weight."""
    network, (x, y) = network.double(), batch
    ours = lab2.gradient_scores(network, x.double(), y)
    weights = prunable(network)
    for name in ("conv1.weight", "layer2.0.downsample.0.weight", "fc.weight"):
        for index in (0, 7, 17):
            flat, e = weights[name].data.view(-1), 1e-8  # few ReLUs switch
            losses = []
            for step in (e, -e):
                flat[index] += step
                losses.append(F.cross_entropy(network(x.double()), y).item())
                flat[index] -= step
            slope = abs(losses[0] - losses[1]) / (2 * e)
            assert ours[name].view(-1)[index].item() == pytest.approx(slope, rel=2e-3, abs=1e-6)


def test_the_fisher_diagonal_is_the_exact_hessian_of_a_relu_network():
    """All second derivatives by autograd: piecewise linear in each weight, so they are equal."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    ours = lab6.hessian_diagonal(model, x)

    def loss(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(x @ first.T + model[0].bias)
        scores = hidden @ second.T + model[2].bias
        # The curvature of log-sum-exp does not depend on the labels: any will do.
        return F.cross_entropy(scores, torch.tensor([0, 1, 2, 0, 1, 2]))

    weights = (model[0].weight.detach(), model[2].weight.detach())
    exact = torch.autograd.functional.hessian(loss, weights)
    for k, name in enumerate(("0.weight", "2.weight")):
        n = weights[k].numel()
        diagonal = exact[k][k].reshape(n, n).diagonal()
        assert torch.allclose(ours[name].flatten(), diagonal, atol=1e-12)
        saliency = 0.5 * diagonal * weights[k].flatten() ** 2
        scores = lab6.obd_scores({name: weights[k]}, {name: ours[name]})
        assert torch.allclose(scores[name].flatten(), saliency, atol=1e-12)


def test_synflow_of_a_chain_of_layers_is_a_product_of_matrices():
    """R = 1ᵀ |W3| |W2| |W1| 1, and a weight's score is its row of paths times its column."""
    torch.manual_seed(1)
    shapes = ((5, 4), (6, 5), (3, 6))
    model = nn.Sequential(*(nn.Linear(i, o, bias=False) for o, i in shapes))
    one, two, three = (abs(layer.weight.detach().double().numpy()) for layer in model)
    into = [np.ones(4), one @ np.ones(4), two @ one @ np.ones(4)]
    out = [np.ones(3) @ three @ two, np.ones(3) @ three, np.ones(3)]
    theirs = [np.outer(o, i) * w for o, i, w in zip(out, into, (one, two, three), strict=True)]
    ours = lab6.synflow_scores(model, (4,))
    for mine, other in zip(ours.values(), theirs, strict=True):
        assert np.allclose(mine.numpy(), other, rtol=1e-12)
    total = sum(map(float, (s.sum() for s in ours.values())))
    assert total == pytest.approx(3 * float(theirs[0].sum())), "flow is conserved between layers"


def test_synflows_rounds_leave_a_power_of_the_density():
    """Four rounds to a sixteenth: half of the rest each time, the smallest of what is there."""
    model = nn.Linear(16, 1, bias=False)
    model.weight.data = torch.arange(1.0, 17)[None]
    left = []

    def score(twin: nn.Module) -> dict[str, torch.Tensor]:
        left.append(int(twin.weight.count_nonzero()))
        return {"weight": twin.weight.abs()}

    masks = lab6.synflow_masks(model, score, 1 / 16, 4)
    assert left == [16, 8, 4, 2]
    assert masks["weight"].tolist() == [[False] * 15 + [True]]


def test_the_kl_is_the_integral_that_the_paper_approximates():
    """KL(N(θ, αθ²) || log-uniform) up to a constant: ½ log α against E log |1 + √α ε|.

    By numerical integration; the constant is fixed by its limit 0 for α -> ∞. Molchanov et al. fit
    it to about 0.01 nats.
    """
    e = np.linspace(-12, 12, 400_001)
    density = np.exp(-(e**2) / 2) / math.sqrt(2 * math.pi) * (e[1] - e[0])

    def divergence(log_alpha: float) -> float:
        size = np.abs(1 + math.exp(log_alpha / 2) * e) + 1e-12
        return float((density * np.log(size)).sum()) - 0.5 * log_alpha

    far = divergence(30.0)
    for log_alpha in (-6.0, -2.0, 0.0, 1.0, 3.0, 6.0):
        ours = lab6.kl_divergence(torch.ones(1), torch.tensor([log_alpha])).item()
        assert ours == pytest.approx(divergence(log_alpha) - far, abs=0.02)


def test_noisy_outputs_have_the_moments_of_noisy_weights():
    """Against drawing the weights themselves, 200,000 times: mean and variance of each output."""
    torch.manual_seed(0)
    x, theta, log_sigma2 = torch.randn(2, 3), torch.randn(4, 3), torch.randn(4, 3)
    many = 200_000
    drawn = theta + (log_sigma2 / 2).exp() * torch.randn(many, 4, 3)
    theirs = torch.einsum("ni,moi->mno", x, drawn)
    rows = x.repeat(many, 1)
    ours = lab6.noisy_output(F.linear, rows, theta, log_sigma2).view(many, 2, 4)
    assert torch.allclose(ours.mean(0), theirs.mean(0), atol=0.03)
    assert torch.allclose(ours.var(0), theirs.var(0), rtol=0.03)


# ---- criteria: filters


@pytest.mark.parametrize("p", [1, 2])
def test_norms_of_filters_are_torchs_structured_pruning(network, p):
    """The same filters as `ln_structured`, layer by layer."""
    for name in lab1.free_convs(network):
        conv = network.get_submodule(name)
        scores = lab2.filter_scores({name: conv.weight.detach()}, p)
        ours = lab1.local_masks(scores, 0.5)[name]
        prune.ln_structured(conv, "weight", amount=len(ours) // 2, n=p, dim=0)
        assert torch.equal(ours, conv.weight_mask.flatten(1).any(1))
        if p == 1:
            assert torch.equal(ours, lab1.filter_mask(conv.weight_orig.detach(), 0.5))


def test_soft_pruning_and_its_controls_choose_by_the_l2_norm(network):
    keep = soft.weakest(network, 0.5)
    for name, mine in keep.items():
        conv = network.get_submodule(name)
        prune.ln_structured(conv, "weight", amount=len(mine) // 2, n=2, dim=0)
        assert torch.equal(mine, conv.weight_mask.flatten(1).any(1))


def test_gate_scores_are_differences_of_the_loss(network, batch):
    """A filter's whole map times 1 ± e, through γ and β, in double precision."""
    network, (x, y) = network.double(), batch
    x = x.double()
    parts = [(x[:6], y[:6]), (x[6:], y[6:])]
    ours = lab2.gate_scores(network, ["layer1.1.conv1", "layer3.0.conv1"], parts)
    for name, scores in ours.items():
        bn = network.get_submodule(name.replace("conv", "bn"))
        for i in range(0, len(scores), 3):
            slopes = []
            for images, labels in parts:
                losses = []
                for e in (1e-6, -1e-6):
                    with torch.no_grad():
                        bn.weight[i] *= 1 + e
                        bn.bias[i] *= 1 + e
                        losses.append(F.cross_entropy(network(images), labels).item())
                        bn.weight[i] /= 1 + e
                        bn.bias[i] /= 1 + e
                slopes.append((losses[0] - losses[1]) / 2e-6)
            expected = np.mean(np.square(slopes))
            assert scores[i].item() == pytest.approx(expected, rel=1e-3, abs=1e-12)


def test_bn_scales_are_ranked_in_one_list_and_one_filter_stays(network):
    """Python's sort on (|γ|, layer, filter), skipping the best one of each layer."""
    names = lab1.free_convs(network)
    scores = lab2.bn_scores(network, names)
    bns = {name: network.get_submodule(name.replace("conv", "bn")) for name in names}
    rows = [(abs(g.item()), n, i) for n in names for i, g in enumerate(bns[n].weight)]
    best = {name: max(row for row in rows if row[1] == name)[2] for name in names}
    for share in (0.3, 0.9):
        count = round(share * len(rows))
        gone = [(n, i) for _, n, i in sorted(rows) if best[n] != i][:count]
        masks = lab2.filter_masks(scores, share)
        ours = [(n, i) for n in names for i, stays in enumerate(masks[n].tolist()) if not stays]
        assert sorted(ours) == sorted(gone)


def test_removed_filters_are_zeroed_filters(network, batch):
    """A smaller network computes what the whole one does with silent filters."""
    x, _ = batch
    small = ResNet20(4)
    small.load_state_dict(network.state_dict())
    keep = {name: torch.arange(len(network.get_parameter(f"{name}.weight"))) % 3 != 0
            for name in lab1.free_convs(network)}  # fmt: skip
    lab4.shrink(small.eval(), keep)
    for name, stays in keep.items():
        bn = network.get_submodule(name.replace("conv", "bn"))
        with torch.no_grad():
            bn.weight[~stays] = bn.bias[~stays] = 0
    assert torch.allclose(small(x), network(x), atol=1e-5)


def test_recalibration_is_the_mean_over_all_images_of_the_first_layer(network, batch):
    """The first BN by hand: mean of the batches' means and unbiased variances."""
    x, y = batch
    parts = [(x[:6], y[:6]), (x[6:], y[6:])]
    with torch.no_grad():
        maps = [network.conv1(part) for part, _ in parts]
    lab2.recalibrate_bn(network, parts)
    means = torch.stack([m.mean((0, 2, 3)) for m in maps]).mean(0)
    variances = torch.stack([m.var((0, 2, 3), unbiased=True) for m in maps]).mean(0)
    assert torch.allclose(network.bn1.running_mean, means, atol=1e-6)
    assert torch.allclose(network.bn1.running_var, variances, rtol=1e-5)


# ---- schedules


def test_the_one_schedule_is_a_triangle():
    """As numpy interpolates it: 0 at the start, 0.1 at a fifth, 0 at the end, at mid-steps."""
    for steps in (20, 392, 3920):
        middle = (np.arange(steps) + 0.5) / steps
        assert job.replayed(steps) == pytest.approx(np.interp(middle, [0, 0.2, 1], [0, 0.1, 0]))


def test_retraining_rates_are_slices_of_the_schedule():
    schedule = [0.1] * 3 + [0.01] * 2 + [0.001]
    for epochs in (1, 3, 6):
        rewound = np.repeat(np.array(schedule)[len(schedule) - epochs :], 4)
        assert lab3.retraining_lrs(schedule, epochs, 4, rewind=True) == rewound.tolist()
        assert lab3.retraining_lrs(schedule, epochs, 4, rewind=False) == [0.001] * (4 * epochs)


def test_the_cubic_is_the_papers_formula():
    for t in range(60):
        k = min(max((t - 10) // 4, 0), 10)
        expected = 0.9 - 0.9 * (1 - 4 * k / (10 * 4)) ** 3
        assert lab3.cubic_sparsity(t, 10, 4, 10, 0.9) == pytest.approx(expected)


def no_training(model, masks, lrs, before_step=None):
    """A loop that only holds the zeros, and says what it was asked for."""
    for name, keep in masks.items():
        prunable(model)[name].data[~keep] = 0
    return []


def test_rounds_of_a_fifth_are_torchs_iterated_pruning(network):
    """Global pruning by torch, again and again on what is left."""
    twin = ResNet20(4)
    twin.load_state_dict(network.state_dict())
    ours = lab4.renda2020(twin, 4, [0.1], 1, 1, no_training)
    for _ in range(4):
        prune.global_unstructured(layers(network), prune.L1Unstructured, amount=0.2)
    theirs = kept(network)
    assert abs(sum(m.sum() for m in theirs) - sum(int(m.sum()) for m in ours.values())) <= 4
    wrong = sum(int((mine.numpy() != other).sum()) for mine, other in
                zip(ours.values(), theirs, strict=True))  # fmt: skip
    assert wrong <= 4, "torch rounds each round's share of the rest for itself"


def test_hans_threshold_is_that_of_each_layer_and_round(network):
    """Numpy: twice, a threshold of the rest's standard deviation."""
    twin = ResNet20(4)
    twin.load_state_dict(network.state_dict())
    ours = lab4.han2015(twin, 0.8, 2, 1, 0.1, no_training)
    for (module, _), mask in zip(layers(network), ours.values(), strict=True):
        weight = module.weight.detach().double().numpy()
        stays = np.ones_like(weight, dtype=bool)
        for _ in range(2):
            stays &= np.abs(weight) >= 0.8 * weight[stays].std(ddof=1)
        assert np.array_equal(mask.numpy(), stays)


def test_zhus_masks_grow_as_torch_prunes_each_layer(network):
    seen: list[float] = []

    def train(model, masks, lrs):
        sizes = sum(mask.numel() for mask in masks.values()) or 1
        seen.extend(sum(int((~mask).sum()) for mask in masks.values()) / sizes for _ in lrs)

    ours = lab4.zhu2017(network, 0.5, 2, 3, 4, 20 * [0.1], train)
    expected = [
        0.0 if t < 2 else 0.5 - 0.5 * (1 - min((t - 2) // 3, 4) / 4) ** 3 for t in range(20)
    ]
    assert seen == pytest.approx(expected, abs=0.01)
    for module, name in layers(network):
        prune.l1_unstructured(module, name, amount=round(0.5 * module.weight.numel()))
    assert same(ours, kept(network))


def test_the_penalty_is_a_step_of_its_subgradient(network, batch):
    """Against autograd's gradient of loss + λ Σ|γ|."""
    x, y = batch
    strength = 0.01
    scales = [m.weight for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    loss = F.cross_entropy(network(x), y)
    expected = torch.autograd.grad(
        loss + strength * sum(scale.abs().sum() for scale in scales), scales, retain_graph=True
    )
    loss.backward()
    lab3.add_sparsity_penalty(network, strength)
    for scale, gradient in zip(scales, expected, strict=True):
        assert torch.allclose(scale.grad, gradient, atol=1e-7)


def test_amcs_bound_leaves_exactly_enough_for_the_rest():
    """Algorithm 1: whatever the agent wants, the later layers at their highest meet the target."""
    generator = np.random.default_rng(0)
    for _ in range(50):
        macs = generator.uniform(1, 10, 6).tolist()
        highest, target = 0.8, float(generator.uniform(0.1, 0.8)) * sum(macs)
        chosen: list[float] = []
        for wanted in generator.uniform(0, 1, 6).tolist():
            chosen.append(lab6.bounded_sparsity(wanted, macs, chosen, target, highest))
        removed = sum(m * s for m, s in zip(macs, chosen, strict=True))
        assert removed >= target - 1e-9
        assert max(chosen) <= highest


def test_uniform_and_random_choices_remove_the_same_macs():
    """Counted by hand from the shapes of a ResNet-20: conv1 and conv2 of each block."""
    model = ResNet20(16)
    chosen = amc.layers_of(model, lab1.free_convs(model))
    by_hand = {}
    for stage, (size, width) in enumerate(((32, 16), (16, 32), (8, 64)), start=1):
        for block in range(3):
            inputs = width // 2 if stage > 1 and block == 0 else width
            by_hand[f"layer{stage}.{block}.conv1"] = size**2 * 9 * width * (inputs + width)
    assert {layer.name: layer.macs for layer in chosen} == by_hand
    target = 0.5 * sum(by_hand.values())
    generator = torch.Generator().manual_seed(0)
    for choice in (amc.uniform(chosen, target), amc.random_choice(chosen, target, 0.9, generator)):
        removed = sum(by_hand[name] * share for name, share in choice.items())
        assert target <= removed <= 1.03 * target
