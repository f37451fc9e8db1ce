"""Hidden tests of lab 3: properties on random inputs.

A test belongs to the exercise that its first parameter is named like, and is pasted into that
exercise's test cell, with the imports and helpers of this module that it uses.
"""

# ruff: noqa: PT028 (the seed has a default, so that a grader may give another one)

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune

from pruninglab.checks import schedules
from pruninglab.checks.unchanged import changes, remember, unchanged
from pruninglab.grading.unseen import unseen_images
from pruninglab.models import ResNet20


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- train_masked -------------------------------------------------------------------------------


def _masked_network(seed: int) -> tuple[Any, dict[str, Tensor]]:
    """A network in double precision with a layer without a mask, and masks for two others.

    One kept weight is zero, and one class has lost all of its weights: its bias trains on.
    """
    generator = _generator(seed)
    layers = (nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    model: Any = nn.Sequential(*layers, nn.Linear(36, 6), nn.Linear(6, 3)).double()
    for parameter in model.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator).double()
    masks = {
        name: torch.rand(model.get_parameter(name).shape, generator=generator) > 0.6
        for name in ("0.weight", "5.weight")
    }
    model[5].weight.data[0, 0], masks["5.weight"][0, 0] = 0, True
    masks["5.weight"][1] = False
    return model, masks


def _batches(seed: int, count: int) -> list[tuple[Tensor, Tensor]]:
    generator = _generator(seed)
    return [
        (
            torch.randn(8, 2, 3, 3, generator=generator).double(),
            torch.randint(0, 3, (8,), generator=generator),
        )
        for _ in range(count)
    ]


def _lrs(count: int) -> list[float]:
    return [0.05 * (1 - i / 50) for i in range(count)]


def _adam(model: nn.Module, seed: int) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=1.0, weight_decay=5e-3)


def _sgd(model: nn.Module, seed: int) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        model.parameters(), lr=1.0, momentum=0.9, weight_decay=5e-3, nesterov=seed % 2 == 0
    )


def _step(
    model: nn.Module, optimizer: torch.optim.Optimizer, batch: tuple[Tensor, Tensor], lr: float
) -> None:
    optimizer.param_groups[0]["lr"] = lr
    optimizer.zero_grad()
    F.cross_entropy(model(batch[0]), batch[1]).backward()
    optimizer.step()


def test_a_later_training_has_its_own_masks(train_masked: Callable, seed: int = 0) -> None:
    """No hook is left on the weights or on the optimizer: without a mask they all train again."""
    model, masks = _masked_network(seed)
    optimizer, data, lrs = _sgd(model, seed), _batches(seed, 2), _lrs(2)
    train_masked(model, optimizer, masks, data, lrs)
    train_masked(model, optimizer, {}, data, lrs)
    for name, mask in masks.items():
        again = model.get_parameter(name).detach()[~mask]
        assert again.any(), f"{name}: what was pruned before stays zero without a mask"


def test_training_is_that_of_a_network_without_the_pruned_weights(
    train_masked: Callable, seed: int = 0
) -> None:
    """With a new optimizer, 50 steps give what torch's own pruned training gives."""
    model, masks = _masked_network(seed)
    data, lrs = _batches(seed, 50), _lrs(50)
    reference = copy.deepcopy(model)
    for name, mask in masks.items():  # pruned weights are no parameters here
        prune.custom_from_mask(reference[int(name[0])], "weight", mask)
    own = _sgd(reference, seed)
    for batch, lr in zip(data, lrs, strict=True):
        _step(reference, own, batch, lr)
    for name in masks:
        prune.remove(reference[int(name[0])], "weight")
    train_masked(model, _sgd(model, seed), copy.deepcopy(masks), copy.deepcopy(data), list(lrs))
    for name, mask in masks.items():
        weight = model.get_parameter(name).detach()
        assert not weight[~mask].any(), f"{name}: a pruned weight is not zero after 50 steps"
    for name, right in reference.named_parameters():
        close = torch.allclose(model.get_parameter(name), right, atol=1e-9)
        assert close, f"{name}: a weight that stays is wrong after 50 steps"
    assert torch.allclose(model[1].running_var, reference[1].running_var), "wrong BN statistics"


def test_momentum_of_the_dense_training_revives_nothing(
    train_masked: Callable, seed: int = 0
) -> None:
    """After dense steps of SGD or Adam, each step moves what stays and leaves the zeros."""
    data, lrs = _batches(seed + 1, 30), _lrs(30)
    for make in (_sgd, _adam):
        model, masks = _masked_network(seed)
        optimizer = make(model, seed)
        for batch, lr in zip(data[:10], lrs[:10], strict=True):
            _step(model, optimizer, batch, lr)
        expected = copy.deepcopy(model)
        second = make(expected, seed)
        second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        _zero(expected, masks)
        for batch, lr in zip(data[10:], lrs[10:], strict=True):
            _step(expected, second, batch, lr)
            _zero(expected, masks)
        train_masked(model, optimizer, copy.deepcopy(masks), copy.deepcopy(data[10:]), lrs[10:])
        for name, parameter in model.named_parameters():
            gone = ~masks.get(name, torch.ones_like(parameter, dtype=torch.bool))
            revived = int(parameter.detach()[gone].count_nonzero())
            assert not revived, f"{name}: momentum revived {revived} weights"
            right = torch.allclose(parameter, expected.get_parameter(name), atol=1e-9)
            assert right, f"{name} is wrong after 20 steps"


def _zero(model: nn.Module, masks: dict[str, Tensor]) -> None:
    for name, mask in masks.items():
        model.get_parameter(name).data *= mask


def test_a_step_with_a_rate_of_0_is_a_step(train_masked: Callable, seed: int = 0) -> None:
    """Nothing moves in it, but momentum and BN statistics go on."""
    model, masks = _masked_network(seed)
    data, lrs = _batches(seed, 3), [0.05, 0.0, 0.05]
    expected = copy.deepcopy(model)
    optimizer = _sgd(expected, seed)
    _zero(expected, masks)
    for batch, lr in zip(data, lrs, strict=True):
        _step(expected, optimizer, batch, lr)
        _zero(expected, masks)
    train_masked(model, _sgd(model, seed), masks, data, lrs)
    for name, right in expected.state_dict().items():
        close = torch.allclose(model.state_dict()[name], right, atol=1e-9)
        assert close, f"{name} is wrong after steps with rates {lrs}"


def test_training_keeps_parameters_and_settings(train_masked: Callable, seed: int = 0) -> None:
    """The same parameters, in training mode, with no hook; data, masks and rates as they were."""
    model, masks = _masked_network(seed)
    optimizer, data, lrs = _sgd(model, seed), _batches(seed, 3), _lrs(3)
    parameters = dict(model.named_parameters())
    before = remember(model)
    model.eval()
    with unchanged(masks, data, lrs):
        train_masked(model, optimizer, masks, data, lrs)
    same = all(model.get_parameter(name) is p for name, p in parameters.items())
    assert same, "a parameter is no longer the object that the optimizer holds"
    assert all(module.training for module in model.modules()), "not all is in training mode"
    values = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    found = changes(before, model, but=values)
    assert not found, f"more has changed than values: {'; '.join(found[:3])}"


# --- prune_remaining ----------------------------------------------------------------------------


def _remaining(seed: int, zeroed: bool) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights of four layers and masks; what is gone is zero or not, and so is what is there."""
    shapes = {"stem": (4, 3, 3, 3), "one": (1,), "block": (9, 4), "classifier": (10, 8)}
    generator = _generator(seed)
    weights = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    masks = {name: torch.rand(shape, generator=generator) < 0.7 for name, shape in shapes.items()}
    if zeroed:
        weights = {name: weight * masks[name] for name, weight in weights.items()}
    weights["block"][0] = 0
    return weights, masks


def _try_prune_remaining(
    prune_remaining: Callable, weights: dict[str, Tensor], masks: dict[str, Tensor], share: float
) -> dict[str, Tensor]:
    old, magnitudes = copy.deepcopy(masks), {n: w.detach().abs() for n, w in weights.items()}
    with unchanged(weights, masks, case=f"{share=}"):
        found = prune_remaining(weights, masks, share)
        new = {name: mask.clone() for name, mask in found.items()}
        for mask in found.values():
            mask.logical_not_()  # whoever changes a new mask leaves the old one as it was
    assert set(new) == set(old), f"masks for {list(new)}, expected {list(old)}"
    for name, mask in old.items():
        case = f"{name!r}, {share=}"
        assert new[name].dtype == torch.bool, f"{case}: the mask is {new[name].dtype}"
        assert new[name].shape == mask.shape, f"{case}: shape {tuple(new[name].shape)}"
        assert not (new[name] & ~mask).any(), f"{case}: a pruned weight is back"
    gone = torch.cat([magnitudes[n][old[n] & ~new[n]] for n in old])
    kept = torch.cat([magnitudes[n][new[n]] for n in old])
    count = sum(int(mask.sum()) for mask in old.values())
    expected = round(share * count)
    assert len(gone) == expected, f"{share=} of {count}: {len(gone)} pruned, expected {expected}"
    right = not len(gone) or not len(kept) or gone.max() <= kept.min()
    assert right, f"{share=}: a wrong one went"
    return new


def test_the_smallest_of_what_remains_go(prune_remaining: Callable, seed: int = 0) -> None:
    """A share of those that are still there, in one ranking; nothing comes back."""
    for share in (0.0, 0.2, 0.37, 0.63, 0.9, 1.0):
        for zeroed in (False, True):
            _try_prune_remaining(prune_remaining, *_remaining(seed, zeroed), share)


def test_names_and_not_places_say_which_mask(prune_remaining: Callable, seed: int = 0) -> None:
    """The masks may come in another order than the weights, and layers be of one shape."""
    weights = {
        name: torch.randn(3, 4, generator=_generator(seed + i)) for i, name in enumerate("abc")
    }
    masks = {name: torch.rand(3, 4, generator=_generator(seed + ord(name))) < 0.6 for name in "cab"}
    _try_prune_remaining(prune_remaining, weights, masks, 0.3)


def test_tiny_weights_in_half_precision_keep_their_order(
    prune_remaining: Callable, seed: int = 0
) -> None:
    """Their squares would all be zero."""
    weights = {"a": (1e-4 * torch.randn(50, generator=_generator(seed))).half()}
    _try_prune_remaining(prune_remaining, weights, {"a": torch.arange(50) % 5 > 0}, 0.3)


def test_parameters_are_pruned_as_tensors_are(prune_remaining: Callable, seed: int = 0) -> None:
    """A network's weights are parameters."""
    weights, masks = _remaining(seed, True)
    parameters: dict[str, Tensor] = {name: nn.Parameter(w) for name, w in weights.items()}
    _try_prune_remaining(prune_remaining, parameters, masks, 0.21)


def test_three_rounds_of_a_fifth_leave_half(prune_remaining: Callable, seed: int = 0) -> None:
    """After k rounds 0.8^k of the weights are left: 48.8 % go in three, not 60."""
    weights = {"a": torch.randn(20, 50, generator=_generator(seed))}
    masks = {"a": torch.ones(20, 50, dtype=torch.bool)}
    for left in (800, 640, 512, 410, 328, 262):  # 1000 · 0.8^k
        masks = _try_prune_remaining(prune_remaining, weights, masks, 0.2)
        assert int(masks["a"].sum()) == left, f"{int(masks['a'].sum())} left, expected {left}"


def test_equal_weights_keep_the_count_of_a_round(prune_remaining: Callable) -> None:
    """Ties, and a network of zeros, do not change how many go."""
    masks = {"a": torch.arange(21).view(3, 7) < 15, "b": torch.tensor([True, False])}
    for value in (2.0, 0.0):
        weights = {"a": torch.full((3, 7), value), "b": torch.full((2,), -value)}
        for share in (0.4, 0.7):
            _try_prune_remaining(prune_remaining, weights, masks, share)


def test_half_a_remaining_weight_rounds_to_the_even_number(prune_remaining: Callable) -> None:
    """Half of 5 is round(2.5), which is 2; half of 7 is round(3.5), which is 4."""
    for size in range(1, 30, 2):
        weights = {"a": torch.arange(1.0, size + 1), "b": torch.zeros(3)}
        masks = {"a": torch.ones(size, dtype=torch.bool), "b": torch.zeros(3, dtype=torch.bool)}
        _try_prune_remaining(prune_remaining, weights, masks, 0.5)


def test_close_remaining_weights_keep_their_order(prune_remaining: Callable, seed: int = 0) -> None:
    """Weights in double precision are not rounded before they are ranked."""
    order = torch.randperm(40, generator=_generator(seed)).double()
    first, second = (1 + 1e-9 * order).split([15, 25])
    masks = {"a": torch.arange(15) % 4 > 0, "b": torch.arange(25) % 3 > 0}
    _try_prune_remaining(prune_remaining, {"a": first, "b": -second}, masks, 0.4)


# --- cubic_sparsity -----------------------------------------------------------------------------


def _schedules(seed: int) -> list[dict[str, Any]]:
    """Arguments of a schedule: few updates and many, from the first step or a late one."""
    chance = random.Random(seed)
    return [
        {
            "start": chance.choice([0, chance.randrange(1, 500)]),
            "every": chance.choice([1, chance.randint(2, 90)]),
            "updates": chance.choice([1, 2, chance.randint(3, 30)]),
            "final": chance.uniform(0.5, 1.0),
            "initial": chance.choice([0.0, chance.uniform(0, 0.5)]),
        }
        for _ in range(60)
    ]


def _is_sparsity(cubic_sparsity: Callable, step: int, where: dict[str, Any], right: float) -> None:
    found = cubic_sparsity(step, **where)
    assert not isinstance(found, Tensor), "a tensor, expected a number"
    assert abs(found - right) < 1e-6, f"step {step}, {where}: {found}, expected {right}"


def test_the_ends_of_the_schedule_are_exact(cubic_sparsity: Callable, seed: int = 0) -> None:
    """The initial sparsity up to t_0, the final one from the last update on."""
    for where in _schedules(seed):
        start, end = where["start"], where["start"] + where["every"] * where["updates"]
        for step in {0, start // 3, max(start - 1, 0), start}:
            _is_sparsity(cubic_sparsity, step, where, where["initial"])
        for step in (end, end + 1, end + where["every"], 3 * end + 10_000):
            _is_sparsity(cubic_sparsity, step, where, where["final"])


def test_what_is_still_to_go_falls_with_the_cube(cubic_sparsity: Callable, seed: int = 0) -> None:
    """At update k of n, ((n - k) / n)³ of the way to the final sparsity is still to go."""
    for where in _schedules(seed):
        updates, way = where["updates"], where["final"] - where["initial"]
        for k in range(updates):
            right = where["final"] - way * ((updates - k) / updates) ** 3
            _is_sparsity(cubic_sparsity, where["start"] + k * where["every"], where, right)


def test_it_holds_between_two_updates(cubic_sparsity: Callable, seed: int = 0) -> None:
    """The sparsity changes every Δt steps, counted from t_0, and never falls."""
    chance = random.Random(seed)
    for where in _schedules(seed):
        start, every, trace = where["start"], where["every"], []
        for k in range(where["updates"]):
            first, last = start + k * every, start + (k + 1) * every - 1
            steps = (first, chance.randint(first, last), last)
            held = [cubic_sparsity(step, **where) for step in steps]
            assert max(held) - min(held) < 1e-6, f"{where}: it changes between two updates"
            trace.append(held[0])
        rising = all(a <= b + 1e-6 for a, b in itertools.pairwise(trace))
        assert rising, f"{where}: the sparsity falls"


def test_a_falling_schedule_follows_the_equation_too(cubic_sparsity: Callable) -> None:
    """From 0.8 down to 0.2 in two updates: 1/8 of the way is left after the first one."""
    where = {"start": 5, "every": 3, "updates": 2, "final": 0.2, "initial": 0.8}
    for step, right in ((0, 0.8), (5, 0.8), (8, 0.275), (11, 0.2), (90, 0.2)):
        _is_sparsity(cubic_sparsity, step, where, right)


def test_the_schedule_by_hand(cubic_sparsity: Callable) -> None:
    """Equation 1 for 0.8 in four updates: 27/64, 8/64 and 1/64 of it are still to go."""
    where = {"start": 0, "every": 25, "updates": 4, "final": 0.8}  # and 0 at the beginning
    for step, share in ((25, 37 / 64), (50, 56 / 64), (75, 63 / 64)):
        _is_sparsity(cubic_sparsity, step, where, 0.8 * share)


# --- prune_and_retrain --------------------------------------------------------------------------


class _Rounds:
    """A network and the two callbacks of `prune_and_retrain`, which note what every round meets."""

    def __init__(self, count: int, seed: int) -> None:
        self.generator = _generator(seed)
        layers = (nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        self.network: Any = nn.Sequential(*layers)
        for parameter in self.network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=self.generator)
        self.sparsities = sorted(torch.rand(count, generator=self.generator).tolist())
        self.each = int(torch.randint(5, 50, (), generator=self.generator))
        self.asked: list[tuple[float, dict, dict]] = []
        self.trained: list[tuple[int, dict]] = []

    def run(self, prune_and_retrain: Callable) -> Any:
        steps = self.each * len(self.sparsities)
        sparsities = list(self.sparsities)
        return prune_and_retrain(self.network, sparsities, steps, self.choose, self.retrain)

    def choose(self, model: Any, sparsity: float) -> dict[str, Tensor]:
        assert model is self.network, "choose got another network than the one passed in"
        masks = {  # they go by name: the order is any
            f"{i}.weight": torch.rand(model[i].weight.shape, generator=self.generator) >= sparsity
            for i in (2, 0)
        }
        self.asked.append((sparsity, self.values(), masks))
        return {name: mask.clone() for name, mask in masks.items()}

    def retrain(self, model: Any, masks: dict[str, Tensor], steps: int) -> None:
        assert model is self.network, "retrain got another network than the one passed in"
        turn = len(self.asked) == len(self.trained) + 1
        assert turn, "each round asks for masks, then retrains"
        _, before, chosen = self.asked[-1]
        for name, parameter in model.named_parameters():
            expected = before[name] * chosen[name] if name in chosen else before[name]
            met = torch.equal(parameter, expected)
            assert met, f"round {len(self.asked)} met a wrong {name}"
            noise = torch.randn(parameter.shape, generator=self.generator)
            parameter.data += noise * chosen.get(name, 1)
        for name, mask in chosen.items():
            assert masks[name].dtype == torch.bool, f"the mask is {masks[name].dtype}"
            assert torch.equal(masks[name], mask), "retrain got a wrong mask"
        self.trained.append((len(range(steps)), self.values()))  # so many steps: an int

    def values(self) -> dict[str, Tensor]:
        return {name: p.detach().clone() for name, p in self.network.named_parameters()}


def test_each_round_asks_then_retrains_its_steps(
    prune_and_retrain: Callable, seed: int = 0
) -> None:
    """Every sparsity once, in order, with the same number of steps each."""
    for count in (1, 2, 5):
        rounds = _Rounds(count, seed)
        rounds.run(prune_and_retrain)
        asked = [sparsity for sparsity, _, _ in rounds.asked]
        assert asked == rounds.sparsities, f"asked for {asked}"
        steps = [made for made, _ in rounds.trained]
        assert steps == count * [rounds.each], f"{steps} steps, expected {rounds.each} in each"


def test_the_weights_live_on_from_round_to_round(
    prune_and_retrain: Callable, seed: int = 0
) -> None:
    """A round chooses on what the one before has trained, and the last one's weights stay."""
    for count in (1, 2, 5):
        rounds = _Rounds(count, seed)
        rounds.run(prune_and_retrain)
        assert len(rounds.trained) == count, f"{len(rounds.trained)} retrainings"
        chosen_on = [weights for _, weights, _ in rounds.asked[1:]] + [rounds.values()]
        for i, (weights, (_, left)) in enumerate(zip(chosen_on, rounds.trained, strict=True)):
            for name, weight in weights.items():
                same = torch.equal(weight, left[name])
                assert same, f"{name} is not what round {i + 1} has left"


def test_the_masks_of_the_last_round_come_back(prune_and_retrain: Callable, seed: int = 0) -> None:
    """Those that `choose_masks` gave, by name, and bool."""
    for count in (1, 3):
        rounds = _Rounds(count, seed)
        found = rounds.run(prune_and_retrain)
        assert set(found) == set(rounds.asked[-1][2]), f"masks for {list(found)}"
        for name, mask in rounds.asked[-1][2].items():
            assert found[name].dtype == torch.bool, f"the mask returned is {found[name].dtype}"
            assert torch.equal(found[name], mask), "the masks returned are not the last ones"


def test_retraining_leaves_the_settings_of_the_network(
    prune_and_retrain: Callable, seed: int = 0
) -> None:
    """The parameters stay the same objects; modes and hooks are as they were."""
    rounds = _Rounds(2, seed)
    rounds.network[2].eval()
    before = remember(rounds.network)
    parameters = dict(rounds.network.named_parameters())
    rounds.run(prune_and_retrain)
    found = changes(before, rounds.network, but=("weight", "bias"))
    assert not found, f"more has changed than weights: {'; '.join(found[:3])}"
    same = all(rounds.network.get_parameter(name) is p for name, p in parameters.items())
    assert same, "a parameter has been replaced"


# --- retraining_lrs -----------------------------------------------------------------------------


def test_every_step_has_the_rate_of_its_epoch(retraining_lrs: Callable, seed: int = 0) -> None:
    """Rewinding replays the end of the schedule, fine-tuning holds its last rate."""
    chance = random.Random(seed)
    for _ in range(30):
        total, steps = chance.randint(1, 12), chance.randint(1, 7)
        schedule = [chance.uniform(0.001, 1.0) for _ in range(total)]
        for epochs in {1, chance.randint(1, total), total}:
            for rewind in (True, False):
                case = f"{schedule=}, {epochs=}, steps_per_epoch={steps}, {rewind=}"
                with unchanged(schedule, case=case):
                    lrs = list(retraining_lrs(schedule, epochs, steps, rewind))
                assert len(lrs) == epochs * steps, f"{case}: {len(lrs)} learning rates"
                for i, lr in enumerate(lrs):
                    epoch = total - epochs + i // steps if rewind else total - 1
                    assert not isinstance(lr, Tensor), f"{case}: {lr} is a tensor, not a number"
                    assert abs(lr - schedule[epoch]) < 1e-6, f"{case}: step {i} has {lr}"


def test_a_rewound_schedule_by_hand(retraining_lrs: Callable) -> None:
    """Three of eight epochs, in which the rate falls to a tenth at 1/2 and at 3/4."""
    schedule = [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]
    found = list(retraining_lrs(schedule, 3, 2, True))
    expected = [0.1, 0.1, 0.01, 0.01, 0.01, 0.01]
    assert len(found) == 6, f"{len(found)} rates, expected 6"
    assert all(abs(a - b) < 1e-6 for a, b in zip(found, expected, strict=True)), found


# --- soft_filter_pruning ------------------------------------------------------------------------


class _Soft:
    """Convolutions, and a training step that checks what it meets and knows what should follow."""

    def __init__(self, sparsity: float, epochs: int, steps: int, seed: int) -> None:
        self.generator, self.calls, self.steps = _generator(seed), 0, steps
        self.sparsity, self.epochs = sparsity, epochs
        self.convs = {
            "a": nn.Conv2d(3, 8, 3, bias=False),
            "b": nn.Conv2d(8, 13, 1, bias=False),
            "c": nn.Conv2d(2, 4, (1, 3), bias=False),
        }
        self.weights = {name: conv.weight for name, conv in self.convs.items()}
        for i, weight in enumerate(self.weights.values()):
            weight.data = torch.randn(weight.shape, generator=self.generator) * 10**i
            weight.data[1] = 0  # dead already
        self.dead = set[str]()  # layers in which a dead filter does not grow back
        self.expected = {name: w.detach().clone() for name, w in self.weights.items()}
        self.keep: dict[str, Tensor] = {}

    def run(self, soft_filter_pruning: Callable) -> Any:
        given = dict(self.convs)
        return soft_filter_pruning(given, self.sparsity, self.epochs, self.steps, self.train_step)

    def train_step(self) -> None:
        for name, weight in self.weights.items():
            same = torch.allclose(weight, self.expected[name])
            assert same, f"step {self.calls + 1} met a wrong weight of {name!r}"
            # Each filter at its own pace, so that those that were zeroed may overtake others.
            size = self.expected[name].std() if self.expected[name].any() else 1.0
            pace = 3 * size * torch.rand(len(weight), generator=self.generator)
            if name in self.dead:
                pace[~self.expected[name].flatten(1).any(dim=1)] = 0
            noise = torch.randn(weight.shape, generator=self.generator)
            move = pace.view(-1, 1, 1, 1) * noise
            with torch.enable_grad():  # by its gradient, as in a real training
                loss = -(move * weight).sum()
                weight.data -= torch.autograd.grad(loss, weight)[0]
            self.expected[name] += move
        self.calls += 1
        if self.calls % self.steps == 0:
            self.end_epoch()

    def end_epoch(self) -> None:
        for name, weight in self.expected.items():
            norms = weight.square().sum(dim=(1, 2, 3))
            self.keep[name] = torch.ones(len(norms), dtype=torch.bool)
            self.keep[name][norms.sort().indices[: round(self.sparsity * len(norms))]] = False
            weight[~self.keep[name]] = 0


def test_filters_are_zeroed_after_each_epoch_and_chosen_again(
    soft_filter_pruning: Callable, seed: int = 0
) -> None:
    """In no other step; at every sparsity, halves included; zeros stay at the end alone."""
    for i, sparsity in enumerate((0.3, 0.5, 0.0, 0.7, 0.25, 0.45, 1.0)):
        soft = _Soft(sparsity, 3 if i else 1, 1 + i % 3 if i else 4, seed + i)
        result = soft.run(soft_filter_pruning)
        expected = soft.epochs * soft.steps
        assert soft.calls == expected, f"{soft.calls} steps, expected {expected}"
        assert set(result) == set(soft.convs), f"masks for {list(result)}"
        for name, conv in soft.convs.items():
            assert result[name].dtype == torch.bool, f"{name!r}: {result[name].dtype}"
            assert torch.equal(result[name], soft.keep[name]), f"{name!r}: wrong filters kept"
            right = torch.allclose(conv.weight, soft.expected[name])
            assert right, f"{name!r}: wrong weights at the end"


def test_a_dead_filter_counts_once(soft_filter_pruning: Callable, seed: int = 0) -> None:
    """More filters may be zero than the share asks for: still as many as asked are marked."""
    for sparsity in (0.0, 0.3):
        soft = _Soft(sparsity, 2, 2, seed)
        for weight in soft.weights.values():
            weight.data[:2] = 0
        soft.expected = {name: w.detach().clone() for name, w in soft.weights.items()}
        soft.dead = set(soft.convs)
        result = soft.run(soft_filter_pruning)
        for name, weight in soft.expected.items():
            marked, asked = int((~result[name]).sum()), round(sparsity * len(weight))
            assert marked == asked, f"{name!r}: {marked} filters marked as zero, expected {asked}"
            assert not weight[~result[name]].any(), f"{name!r}: a marked filter is not zero"


def test_norms_that_differ_a_little_are_told_apart(soft_filter_pruning: Callable) -> None:
    """Norms are ranked in the precision of the weights."""
    for order in (torch.arange(16), torch.arange(16).flip(0)):
        conv = nn.Conv2d(1, 16, 1, bias=False)
        conv.weight.data = (1 + order * 1e-5).view(16, 1, 1, 1)
        keep = soft_filter_pruning({"conv": conv}, 0.5, 1, 1, lambda: None)["conv"]
        assert torch.equal(keep, order >= 8), "not the eight filters of highest norm stay"


def test_soft_pruning_changes_weights_alone(soft_filter_pruning: Callable, seed: int = 0) -> None:
    """Each convolution keeps its parameter, its mode and its settings, without hooks."""
    soft = _Soft(0.5, 2, 2, seed)
    soft.convs["b"].eval()
    with unchanged(*soft.convs.values(), but=("weight",)):
        soft.run(soft_filter_pruning)
    for name, conv in soft.convs.items():
        assert conv.weight is soft.weights[name], f"{name!r} has got a new parameter"


# --- add_sparsity_penalty -----------------------------------------------------------------------


def _penalised(seed: int) -> tuple[Any, list[Tensor]]:
    """A network with other layers that have scales, and the scales γ that are pushed.

    One is zero and not pushed; one is tiny and pushed as much as any other. One of the layers is
    in evaluation mode, and is pushed, too.
    """
    generator = _generator(seed)
    others = (nn.GroupNorm(2, 10), nn.BatchNorm1d(10), nn.LayerNorm(10))
    model: Any = nn.ModuleList([ResNet20(2), *others]).double()
    gammas: list[Tensor] = []
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for parameter in (layer.weight, layer.bias):
                parameter.data = torch.randn(parameter.shape, generator=generator).double()
            layer.weight.data[0], layer.weight.data[1] = 0, -1e-9
            gammas.append(layer.weight)
    model[0].bn1.eval()
    return model, gammas


def _loss(model: Any, seed: int) -> Tensor:
    """Its gradients are large, and stay so."""
    generator = _generator(seed)
    x = torch.randn(2, 3, 32, 32, generator=generator).double()
    z, goal = torch.randn(2, 4, 10, generator=generator).double()
    network, *others = model
    return 1e6 * (
        network(x).square().mean() + sum((norm(z) - goal).square().mean() for norm in others)
    )


def _gradients(model: nn.Module) -> dict[str, Tensor]:
    return {n: torch.as_tensor(p.grad).detach().clone() for n, p in model.named_parameters()}


def test_the_gradients_are_those_of_loss_and_penalty(
    add_sparsity_penalty: Callable, seed: int = 0
) -> None:
    """As autograd has them for loss + λ·Σ|γ|; of all other parameters, those of the loss."""
    for strength in (0.0, 1e-4, 0.3):
        model, gammas = _penalised(seed)
        _loss(model, seed).backward()
        plain = _gradients(model)
        add_sparsity_penalty(model, strength)
        found = _gradients(model)
        model.zero_grad()
        penalty = strength * torch.cat(gammas).abs().sum()
        (_loss(model, seed) + penalty).backward()
        pushed = {id(gamma) for gamma in gammas}
        for name, parameter in model.named_parameters():
            right = parameter.grad if id(parameter) in pushed else plain[name]
            close = torch.allclose(found[name], right, rtol=1e-9, atol=1e-5)
            assert close, f"{name}, λ = {strength}"


def test_a_push_changes_gradients_alone(add_sparsity_penalty: Callable, seed: int = 0) -> None:
    """Values, modes, hooks, what trains: all as it was."""
    model, _ = _penalised(seed)
    _loss(model, seed).backward()
    model[1].eval()
    with unchanged(model):
        add_sparsity_penalty(model, 0.3)


# --- compare ------------------------------------------------------------------------------------


class _Contest:
    """Methods whose accuracies are known, an evaluation, and a note of what is read when."""

    def __init__(self, names: list[str], gain: dict[tuple[str, int], float]) -> None:
        self.names, self.gain = names, gain
        self.seeds = list(dict.fromkeys(seed for _, seed in gain))
        self.dense: Any = nn.BatchNorm1d(1).eval()
        self.dense.weight.data.fill_(2.0)
        self.read: list[str] = []
        self.runs: list[tuple[str, int]] = []

    def method(self, name: str) -> Callable:
        def train(model: Any, seed: int) -> None:
            assert model.weight.item() == 2.0, f"{name}: the network was not the dense one"
            self.runs.append((name, seed))
            model.train()
            model.weight.data.fill_(100 + self.gain[name, seed])

        return train

    def evaluate(self, model: Any, images: list[str]) -> float:
        assert not model.training, "a network was measured in training mode"
        self.read.append(images[0])
        return (model.weight.item() - 100) * (1 if images[0] == "val" else -1)

    def best(self) -> str:
        return max(self.names, key=lambda name: sum(self.gain[name, s] for s in self.seeds))

    def run(self, compare: Callable) -> Any:
        methods, seeds = {name: self.method(name) for name in self.names}, list(self.seeds)
        return compare(self.dense, methods, seeds, self.evaluate, ["val"], ["test"])


def _contests(seed: int) -> list[_Contest]:
    """One to three methods, one to four seeds."""
    chance, contests = random.Random(seed), []
    for count in (1, 2, 4):
        names = ["once", "rounds", "slowly"][: chance.randint(1, 3) if count > 1 else 3]
        seeds = chance.sample(range(100), count)
        gain = {(name, s): chance.random() for s in seeds for name in names}
        contests.append(_Contest(names, gain))
    return contests


def _close(found: list[float], expected: list[float]) -> bool:
    assert not any(isinstance(number, Tensor) for number in found), f"tensors, no numbers: {found}"
    pairs = zip(found, expected, strict=False)
    return len(found) == len(expected) and all(abs(a - b) < 1e-4 for a, b in pairs)


def test_every_method_runs_once_per_seed_from_the_dense_network(
    compare: Callable, seed: int = 0
) -> None:
    """The table has the accuracies on val, in the order of the seeds."""
    for contest in _contests(seed):
        result = contest.run(compare)
        expected = sorted(contest.gain)
        assert sorted(contest.runs) == expected, f"runs {contest.runs}, expected {expected}"
        assert set(result["val"]) == set(contest.names), f"methods {list(result['val'])}"
        for name in contest.names:
            found, right = result["val"][name], [contest.gain[name, s] for s in contest.seeds]
            assert _close(list(found), right), f"{name}: {found}, expected {right}"


def test_the_best_mean_wins(compare: Callable, seed: int = 0) -> None:
    """Neither the best median nor the best single run."""
    chance = random.Random(seed)
    tables = [([0.1, 0.7, 0.1], 3 * [0.2]), ([0.1, 0.5, 0.1], 3 * [0.3])]
    for once, rounds in tables:  # means 0.3 and 0.2, then 0.23 and 0.3
        names, seeds = chance.sample(["once", "rounds"], 2), chance.sample(range(100), 3)
        rows = list(zip(seeds, once, rounds, strict=True))
        gain = {(n, s): {"once": a, "rounds": b}[n] for s, a, b in rows for n in names}
        contest = _Contest(names, gain)
        result = contest.run(compare)
        assert result["best"] == contest.best(), f"{result['best']!r}, not {contest.best()!r}"


def test_the_test_set_is_read_last_and_for_the_winner_alone(
    compare: Callable, seed: int = 0
) -> None:
    """Its networks are measured once each, after the choice."""
    for contest in _contests(seed):
        result = contest.run(compare)
        best = contest.best()
        assert result["best"] == best, f"{result['best']!r} won, expected {best!r}"
        right = [-contest.gain[best, s] for s in contest.seeds]
        assert _close(list(result["test"]), right), f"test: {result['test']}, expected {right}"
        times = contest.read.count("test")
        assert times == len(contest.seeds), f"the test set was read {times} times"
        late = contest.read[contest.read.index("test") :]
        assert "val" not in late, "val was read after the test set"


def test_the_dense_network_stays_as_it_was(compare: Callable, seed: int = 0) -> None:
    """In evaluation or in training mode, with its own parameters."""
    for training in (False, True):
        for contest in _contests(seed):
            contest.dense.train(training)
            with unchanged(contest.dense, case=f"the dense network, {training=}"):
                contest.run(compare)


# --- choose_schedule ----------------------------------------------------------------------------


def test_a_schedule_has_a_sparsity_and_a_rate_for_each_step(
    choose_schedule: Callable, seed: int = 0
) -> None:
    """For any number of steps from 12 on, and any final sparsity."""
    chance = random.Random(seed)
    for steps in (12, 13, chance.randint(14, 90), 200):
        final = round(chance.uniform(0.05, 0.99), 3)
        plan = [(float(sparsity), float(lr)) for sparsity, lr in choose_schedule(steps, final)]
        wrong = schedules.fault(plan, steps, final)
        assert not wrong, f"{steps=}, {final=}: {wrong}"


def test_the_schedule_beats_the_reference(choose_schedule: Callable, seed: int = 0) -> None:
    """36 steps to 90 %, other batches, images that students do not have: 1.5 points better."""
    steps, final = schedules.STEPS, schedules.FINAL
    plan = [(float(sparsity), float(lr)) for sparsity, lr in choose_schedule(steps, final)]
    wrong = schedules.fault(plan, steps, final)
    assert not wrong, wrong
    seeds = (2 * seed + 100, 2 * seed + 101)
    gain = schedules.gain_over_reference(plan, seeds, unseen_images())
    assert gain >= 0.015, f"{100 * gain:+.1f} points beside the reference, +1.5 are needed"
