"""Lab 3's exercises against independent references: torch's pruning, closed forms, LR traces."""

from __future__ import annotations

import copy
import itertools
import json
import statistics
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune

from pruninglab import checkpoints, data, masks
from pruninglab.checks import ranking, schedules
from pruninglab.models import ResNet20, prunable
from pruninglab.training import accuracy
from solutions.lab1_structures.exercises import global_masks
from solutions.lab3_methods import exercises as methods
from solutions.lab3_methods.scan import known


def small_net(seed: int = 0) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(24, 4)
    )
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    return model.double()


def batches(count: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(8, 3, 4, 4, generator=generator).double(),
            torch.randint(0, 4, (8,), generator=generator),
        )
        for _ in range(count)
    ]


def sgd(model: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-3, nesterov=True
    )


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for x, y in batches(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()


# --- masked training ----------------------------------------------------------------------------


def test_fifty_steps_keep_the_zeros_and_equal_torchs_pruned_training() -> None:
    model = small_net()
    chosen = masks.random_masks(model, 0.6, torch.Generator().manual_seed(0))
    reference = copy.deepcopy(model)
    masks.to_torch(reference, chosen)
    train(reference, sgd(reference), 50)
    masks.remove_torch(reference)
    methods.train_masked(model, sgd(model), chosen, batches(50), 50 * [0.05])
    for name, weight in prunable(model).items():
        assert weight[~chosen[name]].eq(0).all()
        assert weight[chosen[name]].ne(0).all()
        torch.testing.assert_close(weight, prunable(reference)[name])


def test_momentum_of_a_dense_training_revives_nothing() -> None:
    model = small_net()
    optimizer = sgd(model)
    train(model, optimizer, 10)
    chosen = masks.random_masks(model, 0.5, torch.Generator().manual_seed(0))
    held, other = copy.deepcopy(model), copy.deepcopy(optimizer.state_dict())
    methods.train_masked(model, optimizer, chosen, batches(50), 50 * [0.05])
    second = sgd(held)
    second.load_state_dict(other)
    with masks.hold(held, chosen):
        train(held, second, 50)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter, held.get_parameter(name))
    assert all(not w[~chosen[n]].any() for n, w in prunable(model).items())


def test_each_step_has_its_learning_rate() -> None:
    model = nn.Linear(1, 2, bias=False)
    met: list[float] = []
    optimizer = torch.optim.SGD(model.parameters(), lr=9.0)
    optimizer.register_step_pre_hook(lambda o, *_: met.append(o.param_groups[0]["lr"]))
    one = (torch.ones(1, 1), torch.tensor([0]))
    methods.train_masked(model, optimizer, {}, 3 * [one], [0.3, 0.2, 0.1])
    assert met == [0.3, 0.2, 0.1]


# --- how fast to remove -------------------------------------------------------------------------


def test_the_densities_of_rounds_are_powers_of_one_minus_the_share() -> None:
    model = ResNet20()
    weights = prunable(model)
    kept = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
    for k in range(1, 11):
        kept = methods.prune_remaining(weights, kept, 0.2)
        density = sum(int(m.sum()) for m in kept.values()) / 270_896
        assert density == pytest.approx(0.8**k, abs=k / 270_896)


def test_rounds_choose_what_torchs_iterative_pruning_chooses() -> None:
    model, reference = ResNet20(4, seed=3), ResNet20(4, seed=3)
    layers = [(m, "weight") for m in reference.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    kept = {n: torch.ones_like(w, dtype=torch.bool) for n, w in prunable(model).items()}
    for share in (0.2, 0.2, 0.5, 0.31):
        kept = methods.prune_remaining(prunable(model), kept, share)
        prune.global_unstructured(layers, prune.L1Unstructured, amount=share)
        theirs = masks.from_torch(reference)
        assert all(torch.equal(kept[name], theirs[name]) for name in kept)


@pytest.mark.parametrize(
    ("k", "fraction"), [(0, 0), (1, 37 / 64), (2, 7 / 8), (3, 63 / 64), (4, 1)]
)
def test_the_cubic_has_its_closed_form(k: int, fraction: float) -> None:
    """Of the way from 0.2 to 0.9 with n = 4 updates: 1 - ((4 - k)/4)³."""
    got = methods.cubic_sparsity(50 + 7 * k, start=50, every=7, updates=4, final=0.9, initial=0.2)
    assert got == pytest.approx(0.2 + 0.7 * fraction, abs=1e-12)


def test_the_cubic_prunes_half_of_the_way_in_a_fifth_of_the_time() -> None:
    """(1 - x)³ = 1/2 at x = 0.2063."""
    trace = [methods.cubic_sparsity(t, 0, 1, 10_000, final=0.8) for t in range(10_001)]
    assert next(t for t, s in enumerate(trace) if s >= 0.4) == 2063
    assert trace[-1] == 0.8
    assert statistics.mean(trace) == pytest.approx(0.8 * 3 / 4, abs=1e-4)  # ∫ 1 - (1 - x)³ dx


# --- retraining ---------------------------------------------------------------------------------


def test_lr_traces_written_by_hand() -> None:
    # He et al. 2015 on CIFAR, shortened: 0.1, divided by 10 at 1/2 and 3/4 of 8 epochs
    epochs = [0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    assert methods.retraining_lrs(epochs, 3, 2, rewind=False) == 6 * [0.001]
    assert methods.retraining_lrs(epochs, 3, 2, rewind=True) == [0.01, 0.01, *4 * [0.001]]
    assert methods.retraining_lrs(epochs, 2, 2, rewind=True) == 4 * [0.001]  # it *is* fine-tuning
    assert methods.retraining_lrs(epochs, 8, 1, rewind=True) == epochs


def test_rounds_with_rewinding_leave_the_whole_trace_of_lr_sparsity_and_weights() -> None:
    """Renda et al. 2020: masks nested, weights kept, and each round replays the same rates."""
    model = small_net()
    met: list[float] = []
    lrs = methods.retraining_lrs([0.1, 0.1, 0.02, 0.004], 2, 3, rewind=True)
    seen: list[dict[str, Tensor]] = []

    def retrain(net: nn.Module, chosen: dict[str, Tensor], steps: int) -> None:
        assert steps == 6
        optimizer = sgd(net)
        optimizer.register_step_pre_hook(lambda o, *_: met.append(o.param_groups[0]["lr"]))
        methods.train_masked(net, optimizer, chosen, batches(steps), lrs)
        seen.append(chosen)

    def smallest(net: nn.Module, sparsity: float) -> dict[str, Tensor]:
        return global_masks({n: w.detach().abs() for n, w in prunable(net).items()}, sparsity)

    densities = [0.8, 0.64, 0.512]
    methods.prune_and_retrain(model, [1 - d for d in densities], 18, smallest, retrain)
    assert met == 3 * [0.02, 0.02, 0.02, 0.004, 0.004, 0.004]
    total = sum(w.numel() for w in prunable(model).values())  # 162 + 96
    assert [sum(int(m.sum()) for m in s.values()) for s in seen] == [
        total - round((1 - d) * total) for d in densities
    ]
    for one, next_one in itertools.pairwise(seen):
        assert all(not (next_one[name] & ~one[name]).any() for name in one)
    assert all(not w[~seen[-1][n]].any() for n, w in prunable(model).items())


# --- soft pruning and the sparsity penalty ------------------------------------------------------


def test_soft_pruning_keeps_what_torchs_ln_structured_keeps_and_lets_filters_return() -> None:
    model = small_net()
    conv, optimizer = model[0], sgd(model)
    history: list[Tensor] = []

    def train_step() -> None:
        history.append(conv.weight.detach().flatten(1).any(dim=1))
        train(model, optimizer, 1)

    keep = methods.soft_filter_pruning({"0": conv}, 0.5, 3, 4, train_step)["0"]
    assert [int(h.sum()) for h in history] == [6, 6, 6, 6, 3, 6, 6, 6, 3, 6, 6, 6]
    assert torch.equal(conv.weight.detach().flatten(1).any(dim=1), keep)
    again = methods.soft_filter_pruning({"0": conv}, 0.5, 1, 1, lambda: train(model, optimizer, 0))
    assert torch.equal(again["0"], keep)
    fresh = nn.Conv2d(3, 6, 3, bias=False)
    theirs = prune.ln_structured(copy.deepcopy(fresh), "weight", amount=2, n=2, dim=0)
    mine = methods.soft_filter_pruning({"": fresh}, 1 / 3, 1, 1, lambda: None)[""]
    assert torch.equal(mine, theirs.weight_mask.flatten(1).any(dim=1))


def test_the_penalty_is_the_gradient_of_the_l1_norm() -> None:
    bn = nn.BatchNorm2d(50)
    bn.weight.data = torch.linspace(-2, 2, 50)
    bn.weight.grad = torch.zeros(50)
    methods.add_sparsity_penalty(bn, 0.1)
    gamma = bn.weight.detach().clone().requires_grad_()
    (0.1 * gamma.abs().sum()).backward()
    assert torch.equal(bn.weight.grad, gamma.grad)


def test_only_the_l1_push_reaches_zero() -> None:
    """Gradient descent on the penalty alone: L1 arrives in γ/(lr·λ) steps, L2 only halves on."""
    l1, l2 = nn.BatchNorm2d(1), nn.BatchNorm2d(1)
    for _ in range(100):
        for bn, square in ((l1, False), (l2, True)):
            bn.weight.grad = bn.weight.detach().clone() if square else torch.zeros(1)
            if not square:
                methods.add_sparsity_penalty(bn, 1.0)
            bn.weight.data -= 0.01 * bn.weight.grad
    assert l1.weight.item() == pytest.approx(0, abs=1e-5)
    assert l2.weight.item() == pytest.approx(0.99**100, rel=1e-4)


# --- an honest comparison -----------------------------------------------------------------------


def test_compare_on_real_images_leaves_the_network_alone() -> None:
    """A wrecked network must lose, and the numbers are those of `accuracy` in evaluation mode."""
    dense = ResNet20(2, seed=1).eval()
    images = data.subset("val")[:60]
    before = copy.deepcopy(dense.state_dict())

    def bias_to(label: int) -> Callable[[nn.Module, int], None]:
        def method(model: nn.Module, seed: int) -> None:
            model.train()
            model.fc.weight.data.zero_()
            model.fc.bias.data[:] = F.one_hot(torch.tensor((label + seed) % 10), 10).float()

        return method

    def plain(model: nn.Module, images: data.Images) -> float:
        x, y = next(data.batches(images, len(images)))
        return (model(x).argmax(1) == y).float().mean().item()

    chosen = images[images.labels != 4]
    result = methods.compare(
        dense, {"four": bias_to(4), "one": bias_to(1)}, [0], plain, chosen, images
    )
    assert result["best"] == "one"
    assert result["val"]["four"] == [0.0]
    assert result["test"] == [pytest.approx(0.1)]
    assert all(torch.equal(v, before[n]) for n, v in dense.state_dict().items())
    assert plain(dense, images) == pytest.approx(accuracy(dense, images))


# --- a schedule of one's own --------------------------------------------------------------------


def test_the_highest_scores_are_those_that_torch_keeps() -> None:
    model = ResNet20(2, seed=1)
    keep = ranking.highest({name: w.abs() for name, w in prunable(model).items()}, 0.7)
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    prune.global_unstructured([(m, "weight") for m in layers], prune.L1Unstructured, amount=0.7)
    for mask, layer in zip(keep.values(), layers, strict=True):
        assert torch.equal(mask, layer.weight_mask.bool())


def test_a_plan_is_followed_to_its_last_sparsity() -> None:
    network = schedules.follow([(0.2, 0.05), (0.9, 0.01)], seed=0)
    weights = torch.cat([w.detach().flatten() for w in prunable(network).values()])
    assert int((weights == 0).sum()) == round(0.9 * len(weights))
    assert not network.training


def test_the_reference_is_the_contest_s_cubic_with_rewound_rates() -> None:
    plan = schedules.reference(36, 0.9)
    assert [s for s, _ in plan] == pytest.approx(
        [methods.cubic_sparsity(t // 3 * 3, 0, 3, 8, final=0.9) for t in range(36)]
    )
    peak = checkpoints.CHOSEN["peak"] / 4
    assert max(lr for _, lr in plan) < peak
    assert [lr for _, lr in plan] == sorted((lr for _, lr in plan), reverse=True)


def test_what_the_lab_says_of_known_schedules_is_in_the_record() -> None:
    """Sound ones reach the target with room, others miss it by far, and none has the bonus."""
    record = json.loads((checkpoints.ASSETS / "methods-schedules.json").read_text())["accuracies"]
    assert list(record) == list(known())
    base = record["reference: cubic"]
    gain = {n: [100 * (a - b) for a, b in zip(r, base, strict=True)] for n, r in record.items()}
    for name in ("at once, in the first step", "in 6 rounds of one step"):
        assert min(gain[name]) > 5
    for name in ("linear", "at once, in the last step", "at once, a high rate held"):
        assert max(gain[name]) < -3
    assert max(statistics.mean(row) for row in gain.values()) < 10
    last = {name: row[2] for name, row in gain.items() if statistics.mean(row) > 0}
    assert all(seen == max(gain[name]) for name, seen in last.items())
