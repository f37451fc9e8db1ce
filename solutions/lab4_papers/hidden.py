"""Hidden tests of lab 4: a sentence per property; those of an exercise go into its test cell.

The training that a recipe gets here moves the weights at random and writes down what it finds; the
properties look at what was written down.
"""

# ruff: noqa: PT028 (the seed has a default, so that a grader may give another one)
# mypy: disable-error-code="union-attr,arg-type,operator"

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.models import ResNet20, prunable

Named = dict[str, Any]  # parameter or layer -> a tensor, a list


def _no_rates_differ(found: list[float], right: list[float]) -> None:
    same = len(found) == len(right) and all(
        abs(a - b) <= 1e-6 * b for a, b in zip(found, right, strict=True)
    )
    assert same, f"learning rates {found}, expected {right}"


# --- recipes for single weights -----------------------------------------------------------------


class _Training:
    """Moves the weights on a grid, so that many are equal, and sets a share of them to 0.

    For each step it keeps the learning rate, the masks, and the weights as they were found; for
    the next one the weights as they were left. A weight that becomes 0 here is not pruned.
    """

    def __init__(self, model: nn.Module, seed: int, zeros: float = 0.0) -> None:
        self.model, self.generator = model, torch.Generator().manual_seed(seed)
        self.zeros = zeros
        self.lrs: list[float] = []
        self.masks: list[Named] = []
        self.found: list[Named] = []
        self.move(model)
        self.left = [_copies(model)]

    def __call__(
        self, model: nn.Module, masks: Named, lrs: list, before_step: object = None
    ) -> list:
        assert model is self.model, "train got another network than the one passed in"
        for lr in lrs:
            full = {n: torch.ones_like(w, dtype=torch.bool) for n, w in prunable(model).items()}
            self.lrs.append(float(lr))
            self.masks.append(full | {name: mask.clone().bool() for name, mask in masks.items()})
            self.found.append(_copies(model))
            self.move(model)
            for name, weight in prunable(model).items():
                weight.data[~self.masks[-1][name]] = 0
            self.left.append(_copies(model))
        return []

    def move(self, model: nn.Module) -> None:
        """A random step; no weight but a share of `zeros` is 0 after it."""
        for weight in prunable(model).values():
            pace = torch.randn(weight.shape, generator=self.generator).double()
            moved = ((weight.data + 0.5 * pace) * 50).round() / 50
            moved[moved == 0] = 0.01
            moved[torch.rand(moved.shape, generator=self.generator) < self.zeros] = 0
            weight.data = moved


def _copies(model: nn.Module) -> Named:
    return {name: weight.detach().clone() for name, weight in prunable(model).items()}


def _layers(seed: int) -> nn.Module:
    """Layers of three kinds and sizes, weights whose mean is not 0, and a batch normalisation."""
    model = nn.Sequential(
        nn.Conv1d(3, 8, 5), nn.BatchNorm1d(8), nn.Conv2d(2, 4, 3), nn.Linear(10, 6)
    ).double()
    generator = torch.Generator().manual_seed(seed)
    for scale, weight in enumerate(prunable(model).values(), start=1):
        weight.data = scale * (0.4 + torch.randn(weight.shape, generator=generator).double())
    return model


def _recipe(
    recipe: Callable, seed: int, zeros: float = 0.0, **settings: Any
) -> tuple[_Training, Named]:
    """The training that a recipe has had, and the masks that it returns."""
    model = _layers(seed)
    train = _Training(model, seed, zeros)
    return train, recipe(model=model, train=train, **settings)


def _masks_are_those_of_the_end(train: _Training, masks: Named) -> None:
    for name, mask in train.masks[-1].items():
        assert masks[name].dtype == torch.bool, f"{name}: a mask of {masks[name].dtype}"
        assert torch.equal(masks[name], mask), f"{name}: the returned mask is not the last one"


def _kept_weights_are_left_alone(train: _Training) -> None:
    for step, (masks, found) in enumerate(zip(train.masks, train.found, strict=True)):
        for name, mask in masks.items():
            same = torch.equal(found[name][mask], train.left[step][name][mask])
            assert same, f"step {step}, {name}: kept weights have changed between two trainings"


def _smallest_went(gone: Tensor, kept: Tensor, weights: Tensor, case: str) -> None:
    if gone.any() and kept.any():
        largest, least = float(weights[gone].abs().max()), float(weights[kept].abs().min())
        assert largest <= least, f"{case}: {largest:.2f} is pruned, {least:.2f} is kept"


def _flat(tensors: Named) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors.values()])


def _by_a_hair(count: int, seed: int) -> Tensor:
    """Magnitudes around 1 that differ in the ninth digit, and random signs."""
    generator = torch.Generator().manual_seed(seed)
    signs = torch.rand(count, generator=generator).round() * 2 - 1
    return signs * (1 + 1e-9 * torch.randperm(count, generator=generator).double())


def _smallest_by_a_hair_go(recipe: Callable, seed: int, left: int, **settings: Any) -> None:
    """Of 40 weights the smallest go, and `left` are left; the training moves nothing."""
    layer = nn.Linear(40, 1).double()
    weights = layer.weight.data[0] = _by_a_hair(40, seed)
    masks = recipe(model=layer, train=lambda model, masks, lrs: [], **settings)
    found = masks["weight"].flatten().nonzero().flatten().tolist()
    right = sorted(weights.abs().argsort()[40 - left :].tolist())
    assert found == right, f"weights that differ by 1e-9: {found} are left, expected {right}"


# --- han2015 ------------------------------------------------------------------------------------


def test_each_round_prunes_below_a_threshold_of_the_layer(han2015: Callable, seed: int = 0) -> None:
    """It is `quality` standard deviations of what is still there, weights of 0 included."""
    for rounds, steps, quality in ((1, 3, 0.7), (3, 2, 0.4), (2, 1, 1.1)):
        train, _ = _recipe(
            han2015, seed, zeros=0.1, quality=quality, rounds=rounds, steps=steps, lr=0.3
        )
        kept = {name: torch.ones_like(w, dtype=torch.bool) for name, w in train.left[0].items()}
        for step, masks in enumerate(train.masks):
            for name, mask in masks.items():
                if step % steps == 0:  # a new round
                    weight = train.left[step][name]
                    kept[name] = kept[name] & (weight.abs() >= quality * weight[kept[name]].std())
                wrong = int((mask != kept[name]).sum())
                assert not wrong, f"step {step}, {name}, {quality=}: {wrong} wrong in the mask"


def _of_one_layer(
    han2015: Callable, weights: list[float], quality: float, rounds: int = 1
) -> list[bool]:
    """Which weights of a layer are left; the training moves nothing."""
    layer = nn.Linear(len(weights), 1).double()
    layer.weight.data = torch.tensor([weights], dtype=torch.float64)

    def train(model: nn.Module, masks: Named, lrs: list) -> list:
        model.weight.data[~masks["weight"]] = 0
        return []

    masks = han2015(layer, quality, rounds=rounds, steps=1, lr=0.1, train=train)
    return masks["weight"].flatten().tolist()


def test_a_weight_at_the_threshold_stays(han2015: Callable) -> None:
    """What is below goes, and what is just as large stays."""
    weights = [3.0, -3.0, 1.0, -1.0, 0.0, 0.0]  # their standard deviation is 2
    for quality, least in ((0.5, 1), (1.5, 3)):
        found = _of_one_layer(han2015, weights, quality)
        right = [abs(w) >= least for w in weights]
        assert found == right, f"{weights}, {quality=}: {found}, expected {right}"


def test_a_weight_a_hair_below_the_threshold_goes(han2015: Callable) -> None:
    """Nothing is rounded: a weight that is too small by a billionth is too small."""
    below = 1 - 1e-9
    weights = [3.0, -3.0, below, -below, 0.0, 0.0]  # half of the deviation is 1 - 1e-10
    found = _of_one_layer(han2015, weights, 0.5)
    right = [abs(w) == 3 for w in weights]
    assert found == right, f"{weights}, quality=0.5: {found}, expected {right}"


def test_the_deviation_is_that_of_tensor_std(han2015: Callable) -> None:
    """Two weights of 1 and -1 have a standard deviation of √2, not of 1."""
    for quality, right in ((0.8, [False, False]), (0.6, [True, True])):
        found = _of_one_layer(han2015, [1.0, -1.0], quality)
        assert found == right, f"1 and -1, {quality=}: {found}, expected {right}"


def test_a_quality_of_zero_prunes_nothing(han2015: Callable, seed: int = 0) -> None:
    """Nothing is below 0: weights that are 0 stay, too."""
    train, masks = _recipe(han2015, seed, zeros=0.3, quality=0.0, rounds=2, steps=1, lr=0.1)
    for mask in (*train.masks[0].values(), *masks.values()):
        assert mask.all(), f"{int((~mask).sum())} weights are pruned at quality 0"


def test_what_han_pruned_stays_pruned(han2015: Callable) -> None:
    """Even where the weights that are left are all alike, so that the next threshold is 0."""
    weights = [2.0, 0.1, 2.0, 2.0, -0.3, 2.0]
    found = _of_one_layer(han2015, weights, quality=0.5, rounds=2)
    right = [w == 2 for w in weights]
    assert found == right, f"{weights}, two rounds: {found}, expected {right}"


def test_every_round_retrains_at_a_tenth_of_the_rate(han2015: Callable, seed: int = 0) -> None:
    """All rounds together make `rounds * steps` steps, at a tenth of the dense training's rate."""
    for rounds, steps, lr in ((1, 3, 0.3), (3, 2, 0.1), (2, 1, 0.05)):
        train, _ = _recipe(han2015, seed, quality=0.3, rounds=rounds, steps=steps, lr=lr)
        _no_rates_differ(train.lrs, rounds * steps * [lr / 10])


def test_hans_weights_go_on_from_where_they_are(han2015: Callable, seed: int = 0) -> None:
    """A round changes no weight that it keeps, and the last masks are returned."""
    train, masks = _recipe(han2015, seed, quality=0.4, rounds=3, steps=2, lr=0.1)
    _kept_weights_are_left_alone(train)
    _masks_are_those_of_the_end(train, masks)


# --- zhu2017 ------------------------------------------------------------------------------------

# final, start, every, updates, steps; in the last one pruning begins late and goes on for long
_ZHU = [(0.9, 0, 1, 5, 9), (0.75, 3, 4, 2, 14), (0.5, 2, 2, 1, 5), (0.9, 5, 1, 10, 17)]


def _zhu(zhu2017: Callable, setting: tuple, seed: int) -> tuple[_Training, Named, list[float]]:
    final, start, every, updates, steps = setting
    lrs = [0.1 - 0.005 * step for step in range(steps)]
    train, masks = _recipe(
        zhu2017, seed, final=final, start=start, every=every, updates=updates, lrs=list(lrs)
    )
    return train, masks, lrs


def test_every_layer_follows_the_cubic(zhu2017: Callable, seed: int = 0) -> None:
    """In each step each layer has the share of zeros that the cubic gave it at the last update."""
    for setting in _ZHU:
        final, start, every, updates, _ = setting
        train, _, _ = _zhu(zhu2017, setting, seed)
        for step, masks in enumerate(train.masks):
            done = min((step - start) // every, updates) / updates
            target = final * (1 - (1 - done) ** 3) if step >= start else 0.0
            for name, mask in masks.items():
                pruned, right = int((~mask).sum()), round(target * mask.numel())
                case = f"{start=}, {every=}, {updates=}, step {step}, {name}"
                assert pruned == right, f"{case}: {pruned} pruned, expected {right}"


def test_the_smallest_magnitudes_of_now_go(zhu2017: Callable, seed: int = 0) -> None:
    """What an update prunes is no larger than what it keeps, and what is pruned stays pruned."""
    for setting in _ZHU:
        train, _, _ = _zhu(zhu2017, setting, seed)
        for step in range(1, len(train.masks)):
            for name, mask in train.masks[step].items():
                before = train.masks[step - 1][name]
                assert not (mask & ~before).any(), f"step {step}, {name}: a pruned weight is back"
                weights = train.left[step][name]
                _smallest_went(before & ~mask, mask, weights, f"step {step}, {name}")


def test_masks_stay_between_two_updates(zhu2017: Callable, seed: int = 0) -> None:
    """Only before the steps t_0, t_0 + Δt, ... are the masks chosen again."""
    final, start, every, updates, steps = 0.75, 3, 4, 2, 14
    train, _, _ = _zhu(zhu2017, (final, start, every, updates, steps), seed)
    for step in range(1, steps):
        if step not in (3, 7, 11):
            same = torch.equal(_flat(train.masks[step]), _flat(train.masks[step - 1]))
            assert same, f"{start=}, {every=}: other masks in step {step} than in the one before"


def test_a_hair_decides_in_the_cubic(zhu2017: Callable, seed: int = 0) -> None:
    """Weights that differ by a billionth are not the same."""
    _smallest_by_a_hair_go(
        zhu2017, seed, left=20, final=0.5, start=0, every=1, updates=1, lrs=[0.1, 0.1, 0.1]
    )


def test_zhus_schedule_stays_as_it_is(zhu2017: Callable, seed: int = 0) -> None:
    """The list of learning rates is still there afterwards."""
    lrs = [0.3, 0.2, 0.1]
    _recipe(zhu2017, seed, final=0.5, start=0, every=1, updates=1, lrs=lrs)
    assert lrs == [0.3, 0.2, 0.1], f"the list of learning rates was changed to {lrs}"


def test_pruning_goes_along_with_the_whole_schedule(zhu2017: Callable, seed: int = 0) -> None:
    """Each step has its learning rate, once, to the end of the list."""
    for setting in _ZHU:
        train, _, lrs = _zhu(zhu2017, setting, seed)
        _no_rates_differ(train.lrs, lrs)


def test_zhus_weights_go_on_from_where_they_are(zhu2017: Callable, seed: int = 0) -> None:
    """An update changes no weight that it keeps, and the last masks are returned."""
    train, masks, _ = _zhu(zhu2017, _ZHU[1], seed)
    _kept_weights_are_left_alone(train)
    _masks_are_those_of_the_end(train, masks)


# --- renda2020 ----------------------------------------------------------------------------------

# rounds, the dense training's learning rates, epochs to replay, steps of an epoch
_RENDA = [
    (1, [0.3, 0.2], 1, 4),
    (5, [0.4, 0.3, 0.15, 0.05], 3, 2),
    (8, [0.2, 0.1], 2, 1),
]


def _renda(renda2020: Callable, setting: tuple, seed: int) -> tuple[_Training, Named]:
    rounds, epoch_lrs, epochs, steps_per_epoch = setting
    return _recipe(
        renda2020, seed, zeros=0.1, rounds=rounds, epoch_lrs=list(epoch_lrs), epochs=epochs,
        steps_per_epoch=steps_per_epoch,
    )  # fmt: skip


def test_each_round_takes_a_fifth_of_the_rest(renda2020: Callable, seed: int = 0) -> None:
    """Of the weights that are still there, zeros among them or not, a rounded fifth goes."""
    for setting in _RENDA:
        train, _ = _renda(renda2020, setting, seed)
        left = _flat(train.masks[0]).numel()
        for step, masks in enumerate(train.masks):
            if step % (setting[2] * setting[3]) == 0:  # a new round
                left -= round(0.2 * left)
            found = int(_flat(masks).sum())
            assert found == left, f"step {step}: {found} weights, expected {left}"


def test_the_smallest_of_the_whole_network_go(renda2020: Callable, seed: int = 0) -> None:
    """All layers are in one ranking, and what is pruned stays pruned."""
    for setting in _RENDA:
        train, _ = _renda(renda2020, setting, seed)
        before = torch.ones_like(_flat(train.masks[0]))
        for step, masks in enumerate(train.masks):
            now = _flat(masks)
            assert not (now & ~before).any(), f"step {step}: a pruned weight is back"
            _smallest_went(before & ~now, now, _flat(train.left[step]), f"step {step}")
            before = now


def test_a_hair_decides_in_the_ranking(renda2020: Callable, seed: int = 0) -> None:
    """Weights that differ by a billionth are not the same."""
    _smallest_by_a_hair_go(
        renda2020, seed, left=26, rounds=2, epoch_lrs=[0.1], epochs=1, steps_per_epoch=1
    )


def test_rendas_schedule_stays_as_it_is(renda2020: Callable, seed: int = 0) -> None:
    """The list of learning rates is still there afterwards."""
    lrs = [0.3, 0.2, 0.1]
    _recipe(renda2020, seed, rounds=2, epoch_lrs=lrs, epochs=2, steps_per_epoch=1)
    assert lrs == [0.3, 0.2, 0.1], f"the list of learning rates was changed to {lrs}"


def test_the_schedule_is_replayed_to_its_end(renda2020: Callable, seed: int = 0) -> None:
    """Each round retrains with the learning rates of the last epochs of the dense training."""
    for setting in _RENDA:
        rounds, epoch_lrs, epochs, steps_per_epoch = setting
        train, _ = _renda(renda2020, setting, seed)
        last = epoch_lrs[len(epoch_lrs) - epochs :]
        _no_rates_differ(train.lrs, rounds * [lr for lr in last for _ in range(steps_per_epoch)])


def test_only_the_learning_rate_is_rewound(renda2020: Callable, seed: int = 0) -> None:
    """A round changes no weight that it keeps, and the last masks are returned."""
    train, masks = _renda(renda2020, _RENDA[1], seed)
    _kept_weights_are_left_alone(train)
    _masks_are_those_of_the_end(train, masks)


# --- recipes for filters ------------------------------------------------------------------------

_BLOCKS = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3)]


def _labelled(width: int, seed: int) -> ResNet20:
    """A ResNet-20 in double precision; the bias behind a free filter is its number, and stays."""
    model = ResNet20(width, seed=seed).double()
    for name in _BLOCKS:
        bias = model.get_parameter(f"{name}.bn1.bias")
        bias.data = torch.arange(len(bias)).double()
    return model


def _alike(model: nn.Module, p: int, seed: int) -> dict[str, list[int]]:
    """Make the p-norms of a block's filters differ in the ninth digit; the order of each block."""
    order = {}
    for place, name in enumerate(_BLOCKS):
        weight = model.get_parameter(f"{name}.conv1.weight")
        norms = weight.data.flatten(1).norm(p, dim=1)
        wanted = _by_a_hair(len(norms), seed + place).abs()
        weight.data *= (wanted / norms)[:, None, None, None]
        order[name] = wanted.argsort().tolist()
    return order


def _weakest_by_a_hair_go(recipe: Callable, p: int, seed: int, **settings: Any) -> None:
    """Half of each block's filters go, those of least p-norm; the training moves nothing."""
    model = _labelled(4, seed)
    order = _alike(model, p, seed)
    recipe(model=model, sparsity=0.5, train=lambda model, masks, lrs: [], **settings)
    right = {name: sorted(places[len(places) // 2 :]) for name, places in order.items()}
    _no_filters_differ(_filters(model), right, "norms that differ by 1e-9")


def _filters(model: nn.Module) -> dict[str, list[int]]:
    """The numbers of the filters that are left in each block."""
    biases = {name: model.get_parameter(f"{name}.bn1.bias") for name in _BLOCKS}
    return {name: bias.round().long().tolist() for name, bias in biases.items()}


def _no_filters_differ(found: dict[str, list[int]], right: dict[str, list[int]], case: str) -> None:
    for name, numbers in right.items():
        assert found[name] == numbers, f"{case}, {name}: {found[name]} left, expected {numbers}"


def _fits(model: nn.Module) -> None:
    """The layers fit together: the network computes something."""
    scores = model.eval()(torch.randn(1, 3, 8, 8).double())
    assert scores.shape == (1, 10), f"the network gives {tuple(scores.shape)}"


def _lowest_gone(scores: dict[str, list], count: int) -> dict[str, list[int]]:
    """Places that are left when the lowest scores of all lists go, but the best of each stays."""
    best = {name: max(range(len(row)), key=row.__getitem__) for name, row in scores.items()}
    ranking = sorted(
        (score, name, i)
        for name, row in scores.items()
        for i, score in enumerate(row)
        if i != best[name]
    )
    gone = {(name, i) for _, name, i in ranking[:count]}
    return {
        name: [i for i in range(len(row)) if (name, i) not in gone] for name, row in scores.items()
    }


# --- li2016 -------------------------------------------------------------------------------------


class _Li:
    """One call of the recipe: what was there before, in each step, and afterwards.

    One filter of each layer is all zeros, and filter 0 has a high peak.
    """

    def __init__(
        self, li2016: Callable, seed: int, width: int = 4, sparsity: float = 0.5,
        skip: tuple | None = None, epoch_lrs: tuple | None = None, epochs: int = 1,
    ) -> None:  # fmt: skip
        skip, epoch_lrs = skip or (), epoch_lrs or (0.2, 0.1)
        self.model = _labelled(width, seed)
        weights = {name: self.model.get_parameter(f"{name}.conv1.weight") for name in _BLOCKS}
        for weight in weights.values():
            weight.data[0] *= 0.5
            weight.data[0, 0, 1, 1] = 3 * weight.data[0].abs().sum()
            weight.data[-1] = 0
        self.dense = {name: weight.detach().clone() for name, weight in weights.items()}
        self.lrs: list[float] = []
        self.steps: list[dict[str, list[int]]] = []
        li2016(
            model=self.model, sparsity=sparsity, skip=[f"{name}.conv1" for name in skip],
            epoch_lrs=list(epoch_lrs), epochs=epochs, steps_per_epoch=3, train=self.train,
        )  # fmt: skip
        self.gone = {n: 0 if n in skip else round(sparsity * len(w)) for n, w in self.dense.items()}

    def train(self, model: nn.Module, masks: Named, lrs: list, before_step: object = None) -> list:
        for lr in lrs:
            self.lrs.append(float(lr))
            self.steps.append(_filters(model))
        return []

    def right(self) -> dict[str, list[int]]:
        """The filters that should be left: not those of least L1 norm, but one always stays."""
        order = {n: w.abs().sum(dim=(1, 2, 3)).argsort().tolist() for n, w in self.dense.items()}
        gone = {name: min(self.gone[name], len(order[name]) - 1) for name in order}
        return {name: sorted(order[name][gone[name] :]) for name in order}


def test_filters_of_least_l1_norm_go(li2016: Callable, seed: int = 0) -> None:
    """Each layer has lost its share before the retraining begins, a dead filter first."""
    for width, sparsity in ((2, 0.5), (4, 0.3), (4, 0.75)):
        run = _Li(li2016, seed, width, sparsity)
        for step in (run.steps[0], run.steps[-1], _filters(run.model)):
            _no_filters_differ(step, run.right(), f"{sparsity=}")


def test_a_hair_decides_between_filters(li2016: Callable, seed: int = 0) -> None:
    """Filters whose L1 norms differ by a billionth are not the same."""
    settings = {"skip": [], "epoch_lrs": [0.1], "epochs": 1, "steps_per_epoch": 1}
    _weakest_by_a_hair_go(li2016, 1, seed, **settings)


def test_no_more_than_the_share_goes(li2016: Callable, seed: int = 0) -> None:
    """Of equal or of dead filters only as many go as the share says."""
    for value in (0.0, 1.0):
        model = _labelled(4, seed)
        for name in _BLOCKS:
            weight = model.get_parameter(f"{name}.conv1.weight")
            weight.data[: len(weight) // 4 * 3] = value
        sizes = {name: len(numbers) for name, numbers in _filters(model).items()}
        li2016(
            model=model, sparsity=0.25, skip=[], epoch_lrs=[0.1], epochs=1, steps_per_epoch=1,
            train=lambda model, masks, lrs: [],
        )  # fmt: skip
        for name, numbers in _filters(model).items():
            case = f"three quarters of {name} are filters of {value}"
            right = sizes[name] * 3 // 4
            assert len(numbers) == right, f"{case}: {len(numbers)} are left, expected {right}"


def test_lis_lists_stay_as_they_are(li2016: Callable, seed: int = 0) -> None:
    """The names to skip and the learning rates are still there afterwards."""
    skip, lrs = ["layer1.0.conv1"], [0.2, 0.1]
    li2016(
        model=_labelled(2, seed), sparsity=0.5, skip=skip, epoch_lrs=lrs, epochs=1,
        steps_per_epoch=1, train=lambda model, masks, lrs: [],
    )  # fmt: skip
    assert (skip, lrs) == (["layer1.0.conv1"], [0.2, 0.1]), f"changed to {skip} and {lrs}"


def test_sensitive_layers_are_left_alone(li2016: Callable, seed: int = 0) -> None:
    """Layers that are to be skipped keep every filter, all others lose theirs."""
    for skip in (("layer1.0", "layer3.2"), ("layer2.1",), tuple(_BLOCKS)):
        run = _Li(li2016, seed, skip=skip)
        _no_filters_differ(run.steps[0], run.right(), f"{skip=}")


def test_lis_layers_keep_a_filter(li2016: Callable, seed: int = 0) -> None:
    """Even a share of 1 leaves the strongest filter of each layer."""
    run = _Li(li2016, seed, width=2, sparsity=1.0)
    _no_filters_differ(run.steps[0], run.right(), "sparsity=1.0")


def test_the_small_network_is_retrained_at_the_last_rate(li2016: Callable, seed: int = 0) -> None:
    """Every step has the rate with which the dense training has ended, be it the lowest or not."""
    for epoch_lrs, epochs in (((0.2, 0.1), 1), ((0.1, 0.4, 0.3), 2), ((0.1,), 4)):
        run = _Li(li2016, seed, width=2, epoch_lrs=epoch_lrs, epochs=epochs)
        _no_rates_differ(run.lrs, epochs * 3 * [epoch_lrs[-1]])


def test_lis_filters_come_along_with_their_weights(li2016: Callable, seed: int = 0) -> None:
    """What is left has the weights that it had, and the layers fit together."""
    run = _Li(li2016, seed)
    for name, numbers in run.right().items():
        weight = run.model.get_parameter(f"{name}.conv1.weight")
        assert torch.equal(weight, run.dense[name][numbers]), f"{name}.conv1 has other weights"
    _fits(run.model)


# --- liu2017 ------------------------------------------------------------------------------------


class _Liu:
    """One call of the recipe: the pushes on all parameters, and the scales after the first half."""

    def __init__(
        self, liu2017: Callable, seed: int, strength: float, sparsity: float, lrs: list
    ) -> None:
        self.model, self.generator = _labelled(2, seed), torch.Generator().manual_seed(seed)
        self.schedule, self.lrs = lrs, list[float]()
        self.during: list[dict[str, list[int]]] = []  # filters in each step
        self.scales: dict[str, list] = {}
        self.pushes: list[dict[str, Tensor]] = []
        self.signs: list[dict[str, Tensor]] = []
        for name, bn in self.model.named_modules():
            if isinstance(bn, nn.BatchNorm2d):
                bn.weight.data = self.noise(bn.weight)
                if name != "layer2.0.bn1":  # whose scales are the smallest
                    bn.weight.data += 2 * bn.weight.data.sign()
        self.model.layer2[0].bn1.weight.data[1] = 0
        liu2017(
            model=self.model, strength=strength, sparsity=sparsity, lrs=list(lrs), train=self.train
        )

    def noise(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self.generator).double()

    def train(
        self, model: nn.Module, masks: Named, lrs: list, before_step: Callable | None = None
    ) -> list:
        assert model is self.model, "train got another network than the one passed in"
        scales = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
        for lr in lrs:
            self.lrs.append(float(lr))
            self.during.append(_filters(model))
            for parameter in model.parameters():
                parameter.grad = torch.ones_like(parameter)
            if before_step is not None:
                before_step(model)
            named = dict(model.named_parameters())
            self.pushes.append({n: torch.as_tensor(p.grad) - 1 for n, p in named.items()})
            self.signs.append({n: p.detach().sign() * (n in scales) for n, p in named.items()})
            for name in scales:
                named[name].data += 0.3 * self.noise(named[name]) * (named[name].data != 0)
            if len(self.lrs) == len(self.schedule):
                rows = {name: model.get_parameter(f"{name}.bn1.weight") for name in _BLOCKS}
                self.scales = {n: row.detach().abs().tolist() for n, row in rows.items()}
        return []


def test_the_first_training_pushes_every_scale(liu2017: Callable, seed: int = 0) -> None:
    """λ times the sign goes on the gradient of every γ, free or not, and on nothing else."""
    for strength, lrs in ((0.25, [0.3, 0.2, 0.1]), (0.125, [0.1])):
        run = _Liu(liu2017, seed, strength, 0.5, lrs)
        for step in range(len(lrs)):
            for name, push in run.pushes[step].items():
                right = strength * run.signs[step][name]
                assert torch.allclose(push, right), f"step {step}: {name} is pushed by {push}"


def test_the_fine_tuning_has_no_penalty(liu2017: Callable, seed: int = 0) -> None:
    """In the second training nothing is pushed."""
    run = _Liu(liu2017, seed, 0.25, 0.5, [0.2, 0.1])
    for pushes in run.pushes[2:]:
        pushed = [name for name, push in pushes.items() if push.any()]
        assert not pushed, f"pushed in the fine-tuning: {pushed[:3]}"


def test_the_smallest_scales_of_all_layers_go(liu2017: Callable, seed: int = 0) -> None:
    """Filters are ranked by |γ| as it is after the first training, in one list."""
    for sparsity in (0.1, 0.3, 0.5):
        run = _Liu(liu2017, seed, 0.25, sparsity, [0.2, 0.1])
        total = sum(map(len, run.scales.values()))
        right = _lowest_gone(run.scales, round(sparsity * total))
        _no_filters_differ(_filters(run.model), right, f"{sparsity=}")


def test_the_small_network_is_fine_tuned(liu2017: Callable, seed: int = 0) -> None:
    """The first training has all filters, the second one only those that stay."""
    run = _Liu(liu2017, seed, 0.25, 0.5, [0.2, 0.1])
    dense = _filters(_labelled(2, seed))
    for step, right in enumerate([dense, dense, _filters(run.model), _filters(run.model)]):
        _no_filters_differ(run.during[step], right, f"step {step}")


def test_a_hair_decides_between_scales(liu2017: Callable, seed: int = 0) -> None:
    """Scales that differ by a billionth are not the same."""
    model = _labelled(2, seed)
    names = [f"{name}.bn1.weight" for name in _BLOCKS]
    sizes = [len(model.get_parameter(name)) for name in names]
    scales = dict(zip(_BLOCKS, _by_a_hair(sum(sizes), seed).split(sizes), strict=True))
    for name, scale in scales.items():
        model.get_parameter(f"{name}.bn1.weight").data = scale.clone()
    liu2017(model, 0.1, 0.25, [0.1], lambda model, masks, lrs, before_step=None: [])
    right = _lowest_gone({n: s.abs().tolist() for n, s in scales.items()}, sum(sizes) // 4)
    _no_filters_differ(_filters(model), right, "scales that differ by 1e-9")


def test_lius_layers_keep_a_filter(liu2017: Callable, seed: int = 0) -> None:
    """A layer with the smallest scales keeps its best filter, and another one goes instead."""
    run = _Liu(liu2017, seed, 0.5, 0.8, [0.1])
    total = sum(map(len, run.scales.values()))
    right = _lowest_gone(run.scales, round(0.8 * total))
    assert len(right["layer2.0"]) == 1
    _no_filters_differ(_filters(run.model), right, "sparsity=0.8")
    _fits(run.model)


def test_both_trainings_go_through_the_list(liu2017: Callable, seed: int = 0) -> None:
    """The learning rates come twice, whole and in order."""
    for lrs in ([0.1], [0.3, 0.2, 0.1], [0.1, 0.3]):
        _no_rates_differ(_Liu(liu2017, seed, 0.25, 0.5, lrs).lrs, lrs + lrs)


# --- molchanov2019 ------------------------------------------------------------------------------


class _Molchanov:
    """One call of the recipe: the network and the minibatches of each round."""

    def __init__(
        self, molchanov2019: Callable, seed: int, rounds: int, filters: int, steps: int,
        last_steps: int = 1, lr: float = 0.1, width: int = 2,
    ) -> None:  # fmt: skip
        self.model, self.generator = _labelled(width, seed), torch.Generator().manual_seed(seed)
        self.rounds, self.length, self.lrs = rounds, steps, list[float]()
        self.batches: list[tuple[Tensor, Tensor]] = []
        self.before: list[nn.Module] = []  # at the end of each round's training
        self.during: list[dict[str, list[int]]] = []  # filters in each step
        for name, scale in self.scales().items():
            size = 0.01 if name == "layer2.0" else 1.0  # that layer has the least important ones
            scale.data = size * (0.5 + torch.rand(scale.shape, generator=self.generator).double())
        for bn in (m for m in self.model.modules() if isinstance(m, nn.BatchNorm2d)):
            bn.momentum = 1.0
        self.model.train()(self.images(64))  # or ReLU shuts filters off: they tie
        molchanov2019(
            model=self.model, rounds=rounds, filters=filters, steps=steps, last_steps=last_steps,
            lr=lr, train=self.train,
        )  # fmt: skip

    def scales(self) -> dict[str, nn.Parameter]:
        return {name: self.model.get_parameter(f"{name}.bn1.weight") for name in _BLOCKS}

    def images(self, count: int) -> Tensor:
        return torch.randn(count, 3, 8, 8, generator=self.generator).double()

    def train(self, model: nn.Module, masks: Named, lrs: list, before_step: object = None) -> list:
        assert model is self.model, "train got another network than the one passed in"
        batches = []
        for lr in lrs:
            self.lrs.append(float(lr))
            self.during.append(_filters(model))
            labels = torch.randint(10, (4,), generator=self.generator)
            batches.append((self.images(4), labels))
            classifier = model.get_parameter("fc.weight")
            pace = torch.randn(classifier.shape, generator=self.generator).double()
            classifier.data.add_(0.3 * pace)  # or it would not matter when the gates are measured
        self.batches.extend((x.clone(), y.clone()) for x, y in batches)
        if len(self.lrs) % self.length == 0 and len(self.lrs) <= self.rounds * self.length:
            self.before.append(copy.deepcopy(model))
        model.train()
        return batches

    def importance(self, number: int) -> dict[str, list[float]]:
        """(dL/dz)² of a round's filters, with dL/dz = γ·dL/dγ + β·dL/dβ: a gate scales both."""
        model = self.before[number].eval()
        mine = self.batches[number * self.length : (number + 1) * self.length]
        parts: dict[str, list[Tensor]] = {name: [] for name in _BLOCKS}
        for x, y in mine:
            model.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            for name in _BLOCKS:
                pair = [model.get_parameter(f"{name}.bn1.{p}") for p in ("weight", "bias")]
                slopes = [(p * torch.as_tensor(p.grad)).detach() for p in pair]
                parts[name].append((slopes[0] + slopes[1]).square())
        return {name: torch.stack(rows).mean(0).tolist() for name, rows in parts.items()}

    def after(self, number: int) -> dict[str, list[int]]:
        """The filters that the round has left."""
        step = (number + 1) * self.length
        return self.during[step] if step < len(self.during) else _filters(self.model)


def test_the_least_important_filters_of_the_network_go(
    molchanov2019: Callable, seed: int = 0
) -> None:
    """A round removes the lowest ones by the gates of its own minibatches, after its training."""
    # Of many filters some go by the mean over many minibatches that another average keeps.
    for rounds, filters, steps in ((1, 30, 6), (1, 50, 8), (5, 4, 3), (3, 15, 1)):
        run = _Molchanov(molchanov2019, seed, rounds, filters, steps)
        for number in range(rounds):
            numbers = _filters(run.before[number])
            places = _lowest_gone(run.importance(number), filters)
            right = {name: [numbers[name][i] for i in places[name]] for name in _BLOCKS}
            _no_filters_differ(run.after(number), right, f"{filters=}, round {number + 1}")


def test_it_is_as_many_filters_as_asked_for(molchanov2019: Callable, seed: int = 0) -> None:
    """N of 252 filters is N, not a share of two digits."""
    for filters in (1, 4, 11):
        run = _Molchanov(molchanov2019, seed, 2, filters, 1, width=12)
        left = [sum(map(len, numbers.values())) for numbers in (*run.during, _filters(run.model))]
        right = [252, 252 - filters, 252 - 2 * filters, 252 - 2 * filters]
        assert left == right, f"{filters=}: {left} filters in the steps, expected {right}"


def test_filters_go_between_the_rounds_only(molchanov2019: Callable, seed: int = 0) -> None:
    """While a round trains, and at the end, no filter goes."""
    run = _Molchanov(molchanov2019, seed, rounds=3, filters=5, steps=3, last_steps=4)
    for step, filters in enumerate(run.during):
        right = run.during[min(step // 3 * 3, 9)]
        _no_filters_differ(filters, right, f"step {step}")
    _no_filters_differ(_filters(run.model), run.during[9], "at the end")


def test_molchanovs_layers_keep_a_filter(molchanov2019: Callable, seed: int = 0) -> None:
    """However many are to go, every layer keeps one, and the layers fit together."""
    run = _Molchanov(molchanov2019, seed, rounds=2, filters=60, steps=1)
    left = {name: len(numbers) for name, numbers in _filters(run.model).items()}
    assert set(left.values()) == {1}, f"120 filters were to go of 84: {left} are left"
    _fits(run.model)


def test_the_rate_stays_to_the_last_step(molchanov2019: Callable, seed: int = 0) -> None:
    """There are `rounds * steps + last_steps` steps, all at one learning rate."""
    for rounds, steps, last_steps, lr in ((1, 2, 1, 0.1), (4, 3, 2, 0.05), (2, 1, 0, 0.01)):
        run = _Molchanov(molchanov2019, seed, rounds, 3, steps, last_steps, lr)
        _no_rates_differ(run.lrs, (rounds * steps + last_steps) * [lr])


# --- he2018 -------------------------------------------------------------------------------------


class _He:
    """One call of the recipe: the free filters as each step found and left them."""

    def __init__(
        self, he2018: Callable, seed: int, sparsity: float, epoch_lrs: tuple, steps_per_epoch: int,
        dead: int = 0,
    ) -> None:  # fmt: skip
        self.model, self.generator = _labelled(2, seed), torch.Generator().manual_seed(seed)
        self.dead, self.sparsity, self.length = dead, sparsity, steps_per_epoch
        self.lrs: list[float] = []
        self.found: list[dict[str, Tensor]] = []
        for weight in self.weights().values():
            weight.data[:dead] = 0
        self.left = [{name: w.detach().clone() for name, w in self.weights().items()}]
        self.others, self.parameters = [self.rest()], list(self.model.parameters())
        he2018(
            model=self.model, sparsity=sparsity, epoch_lrs=list(epoch_lrs),
            steps_per_epoch=steps_per_epoch, train=self.train,
        )  # fmt: skip

    def weights(self) -> dict[str, nn.Parameter]:
        return {name: self.model.get_parameter(f"{name}.conv1.weight") for name in _BLOCKS}

    def rest(self) -> dict[str, Tensor]:
        free = {f"{name}.conv1.weight" for name in _BLOCKS}
        named = self.model.named_parameters()
        return {name: p.detach().clone() for name, p in named if name not in free}

    def train(self, model: nn.Module, masks: Named, lrs: list, before_step: object = None) -> list:
        assert model is self.model, "train got another network than the one passed in"
        assert all(mask.all() for mask in masks.values()), "something is held at zero"
        known = zip(self.parameters, model.parameters(), strict=True)
        assert all(a is b for a, b in known), "a parameter was replaced: set it to zero in place"
        for lr in lrs:
            self.lrs.append(float(lr))
            self.others.append(self.rest())
            self.found.append({name: w.detach().clone() for name, w in self.weights().items()})
            for weight in self.weights().values():
                pace = torch.randn(len(weight), 1, 1, 1, generator=self.generator).double().exp()
                noise = torch.randn(weight.shape, generator=self.generator).double() ** 3
                weight.data += pace * noise  # peaks: L1 is not L2
                weight.data[: self.dead] = 0
            self.left.append({name: w.detach().clone() for name, w in self.weights().items()})
        return []

    def weakest(self, step: int) -> dict[str, list[int]]:
        """The filters of least L2 norm after so many steps, as many as are to be zeroed."""
        norms = {n: w.square().sum(dim=(1, 2, 3)) for n, w in self.left[step].items()}
        return {
            name: norm.argsort()[: round(self.sparsity * len(norm))].tolist()
            for name, norm in norms.items()
        }


# sparsity, the learning rate of each epoch, steps of an epoch
_HE = [(0.25, (0.2,), 3), (0.3, (0.3, 0.2, 0.1), 2), (0.5, (0.4, 0.1, 0.3, 0.2), 1)]


def test_the_weakest_filters_are_zero_after_an_epoch(he2018: Callable, seed: int = 0) -> None:
    """After each epoch the least L2 norms of each layer are set to 0, and nothing else changes."""
    for sparsity, epoch_lrs, steps in _HE[1:]:
        run = _He(he2018, seed, sparsity, epoch_lrs, steps)
        for step in range(steps, len(run.lrs), steps):
            for name, weak in run.weakest(step).items():
                right = run.left[step][name].clone()
                right[weak] = 0
                same = torch.equal(run.found[step][name], right)
                assert same, f"{sparsity=}, step {step}: the filters of {name} are not right"


def test_all_filters_train_on_in_an_epoch(he2018: Callable, seed: int = 0) -> None:
    """Within an epoch nothing is zeroed or held: each step finds what the one before has left."""
    for sparsity, epoch_lrs, steps in _HE[:2]:
        run = _He(he2018, seed, sparsity, epoch_lrs, steps)
        for step in range(len(run.lrs)):
            for name in _BLOCKS if step % steps or not step else ():
                same = torch.equal(run.found[step][name], run.left[step][name])
                assert same, f"step {step}, within an epoch: {name} has changed"


def test_nothing_but_free_filters_is_zeroed(he2018: Callable, seed: int = 0) -> None:
    """Batch normalisation and all other layers are as the training left them."""
    run = _He(he2018, seed, *_HE[1])
    for step, others in enumerate(run.others[1:]):
        changed = [name for name, p in others.items() if not torch.equal(p, run.others[0][name])]
        assert not changed, f"step {step}: changed are {changed[:3]}"


def test_what_was_zeroed_last_is_removed(he2018: Callable, seed: int = 0) -> None:
    """At the end the zeroed filters go, and the others have the weights of the last epoch."""
    for setting in _HE:
        run = _He(he2018, seed, *setting)
        weak = run.weakest(-1)
        for name, weight in run.left[-1].items():
            right = [i for i in range(len(weight)) if i not in weak[name]]
            found = _filters(run.model)[name]
            assert found == right, f"{name}: filters {found} are left, expected {right}"
            mine = run.model.get_parameter(f"{name}.conv1.weight")
            assert torch.equal(mine, weight[right]), f"{name}.conv1 has other weights"
            kernels = run.others[0][f"{name}.conv2.weight"][:, right]
            mine = run.model.get_parameter(f"{name}.conv2.weight")
            assert torch.equal(mine, kernels), f"{name}.conv2 has other weights"
        _fits(run.model)


def test_filters_that_were_dead_before_count_as_others_do(he2018: Callable, seed: int = 0) -> None:
    """Of four dead filters, only as many are removed as the share says."""
    run = _He(he2018, seed, 0.25, (0.2, 0.1), 1, dead=4)
    for name in _BLOCKS[6:]:  # those of eight filters: two go
        left = len(_filters(run.model)[name])
        assert left == 6, f"{name}: {left} of 8 filters are left at 25 %, four of them were dead"


def test_a_hair_decides_between_l2_norms(he2018: Callable, seed: int = 0) -> None:
    """Filters whose L2 norms differ by a billionth are not the same."""
    _weakest_by_a_hair_go(he2018, 2, seed, epoch_lrs=[0.1], steps_per_epoch=1)


def test_dead_filters_are_the_weakest(he2018: Callable, seed: int = 0) -> None:
    """A filter that the training leaves at zero has the least norm, and goes first."""
    run = _He(he2018, seed, 0.5, (0.2, 0.1), 1, dead=1)
    for name, numbers in _filters(run.model).items():
        assert 0 not in numbers, f"{name}: filter 0 was dead, and {numbers} are left"


def test_the_rate_changes_with_the_epoch(he2018: Callable, seed: int = 0) -> None:
    """Every step of an epoch has the learning rate of that epoch."""
    for sparsity, epoch_lrs, steps in _HE:
        run = _He(he2018, seed, sparsity, epoch_lrs, steps)
        _no_rates_differ(run.lrs, [lr for lr in epoch_lrs for _ in range(steps)])
