"""The systems of the lecture: each reaches what it is asked for, on a tiny network."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from pruninglab import amc, counters, data
from pruninglab.data import batches
from pruninglab.models import ResNet20, prunable
from solutions.lab1_structures.exercises import free_convs
from solutions.study import systems
from solutions.study.job import CYCLE, Budget, Job
from solutions.study.steps import Steps
from solutions.study.systems import lecture, search, soft, weights
from solutions.study.systems.filters import SENSITIVE, narrow_network
from tests.helpers import small

BY_NAME = {system.name: system for system in systems.systems()}
TWO = (0.3, 0.7)


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A job that takes a second: 4 filters wide, one epoch of 12 steps."""
    for thing, name, value in small.TINY:
        monkeypatch.setattr(thing, name, value) if not isinstance(thing, dict) else None
    images, val = data.subset("train")[:1500], data.subset("val")[:50]
    return Job(images, val, 0, Budget(1, 1), tmp_path, torch.device("cpu"), compiled=False)


def fewer(job, images):
    """The same job on fewer images."""
    return dataclasses.replace(job, images=job.images[:images])


def left(model):
    """Share of the tiny dense network's prunable weights that is gone, counted by hand."""
    whole = sum(w.numel() for w in prunable(ResNet20(4)).values())
    return 1 - sum(int((w != 0).sum()) for w in prunable(model).values()) / whole


def filters(model):
    """Share of the filters inside the blocks that is left (of 4, 8 and 16, three times)."""
    convs = [m for n, m in model.named_modules() if n.startswith("layer") and n.endswith("conv1")]
    return sum(len(conv.weight) for conv in convs) / (3 * (4 + 8 + 16))


@pytest.mark.parametrize(
    "name", ["Lecture: Han", "Lecture: Han + LR-rewinding", "Zhu & Gupta 2017", "OBD 1989",
             "Random weights"],
)  # fmt: skip
def test_systems_that_are_asked_for_a_share_of_the_weights_reach_it(tiny, name):
    found = list(BY_NAME[name].run(tiny, TWO))
    assert [p.target for p in found] == [0.3, 0.7]
    assert [left(p.model) for p in found] == pytest.approx([0.3, 0.7], abs=0.01)


@pytest.mark.parametrize(
    "name",
    ["Lecture: Liu", "Lecture: Liu + LR-rewinding", "Lecture: BN scale + LR-rewinding",
     "Filters by mean magnitude", "Filters by mean magnitude + LR-rewinding"],
)  # fmt: skip
def test_slimming_all_layers_reaches_the_share_and_stays_silent(tiny, name):
    for pruned in BY_NAME[name].run(fewer(tiny, 250), TWO):
        assert left(pruned.model) == pytest.approx(pruned.target, abs=0.06)
        x = torch.randn(2, 3, 32, 32)
        for block in (pruned.model.layer1[0], pruned.model.layer3[2]):
            silent = block.bn1.weight == 0
            assert bool((block.bn1.bias[silent] == 0).all())
            assert bool((block.conv2.weight[:, silent] == 0).all())
        assert pruned.model.eval()(x).isfinite().all()


@pytest.mark.parametrize(
    "name",
    ["Random filters", "Uniform L1", "Liu 2017", "Liu 2017, no penalty", "Molchanov 2019",
     "He 2018 (SFP)", "SFP, held from the first choice", "SFP, no training",
     "Zhu & Gupta on filters"],
)  # fmt: skip
def test_systems_that_are_asked_for_a_share_of_the_filters_remove_it(tiny, name):
    found = list(BY_NAME[name].run(tiny, TWO))
    assert [filters(p.model) for p in found] == pytest.approx([0.7, 0.3], abs=0.07)


# ---- equal terms


def rates_of(system, job, monkeypatch):
    """The learning rate of each step that a run for its first target makes, and the outcome."""
    rates = []
    train = Steps._make

    def seen(loop, trainer, masks, lrs, before_step):
        rates.extend(lrs)
        return train(loop, trainer, masks, lrs, before_step)

    monkeypatch.setattr(Steps, "_make", seen)
    (made,) = system.run(job, system.targets[:1])
    return rates, made


# Where the schedule itself is what is compared, or the recipe of a library trains.
OWN_RATES = {
    "Lecture: Han", "Lecture: Liu", "Lecture: Liu + LR-rewinding", "Filters by mean magnitude",
    "Renda 2020", "Renda 2020, fine-tuned",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, system in BY_NAME.items() if system.epochs])
def test_each_system_trains_as_long_as_it_says_and_by_the_one_schedule(tiny, monkeypatch, name):
    """An epoch of 12 steps: up to 0.1 in a fifth of them, then down to 0, whatever the recipe."""
    system, budget = BY_NAME[name], Budget(1, 1, long=2)
    rates, made = rates_of(system, dataclasses.replace(tiny, budget=budget), monkeypatch)
    assert made.epochs == pytest.approx(system.due(budget))
    assert made.target == system.targets[0]
    if system.equal and name not in OWN_RATES:
        middle = [(step + 0.5) / 12 for step in range(12)]
        assert rates == pytest.approx(list(np.interp(middle, [0, 0.2, 1], [0, 0.1, 0])))


@pytest.mark.parametrize(
    ("name", "epochs"),
    [("Renda 2020", 3 * 2), ("OBD 1989", 4 * 2), ("Han 2015", 2 * 2), ("Liu 2017", 2 * 2),
     ("He 2018 (SFP)", 3), ("Molchanov 2019", 2)],
)  # fmt: skip
def test_full_takes_each_papers_lengths(tiny, name, epochs):
    system, budget = BY_NAME[name], Budget(2, 1, long=3, papers=True)
    job = dataclasses.replace(fewer(tiny, 1250), budget=budget)
    target = 0.488 if name == "Renda 2020" else system.targets[0]
    (pruned,) = system.run(job, [target])
    assert pruned.epochs == pytest.approx(epochs)
    assert system.cost(budget, [target]) == epochs


def test_full_takes_each_papers_rates(tiny, monkeypatch):
    """Li et al. hold the last rate, Han et al. a tenth of the first; SFP has a tenth of all."""
    job = dataclasses.replace(fewer(tiny, 1250), budget=Budget(1, 1, long=2, papers=True))
    seen = {
        name: set(rates_of(BY_NAME[name], job, monkeypatch)[0])
        for name in ("Li 2016", "Han 2015", "He 2018 (SFP)")
    }
    assert seen["Li 2016"] == {CYCLE[-1]}
    assert seen["Han 2015"] == {0.01}
    assert max(seen["He 2018 (SFP)"]) <= 0.01


def test_what_is_not_trained_alike_says_so():
    unequal = {name for name, system in BY_NAME.items() if not system.equal and system.epochs}
    assert unequal == {
        "He 2018 (SFP)", "SFP, held from the first choice", "Variational Dropout 2017",
        "SynFlow 2020", "Unpruned from scratch", "Magnitude at initialisation",
        "Random at initialisation",
    }  # fmt: skip


def test_rounds_of_renda_replay_the_schedule_and_fit_in_the_budget(tiny, monkeypatch):
    """Three rounds in two epochs of 10 steps: 6 steps each, and each falls to the end."""
    job = dataclasses.replace(fewer(tiny, 1250), budget=Budget(2, 1))
    rates, _ = rates_of(BY_NAME["Renda 2020"], job, monkeypatch)
    assert len(rates) == 18
    assert rates[:6] == rates[6:12] == rates[12:]
    assert rates[5] < 0.02 < max(rates)


# ---- the systems one by one


def test_soft_pruning_selects_once_an_epoch(tiny, monkeypatch):
    """Three epochs of ten steps: selected filters are zero right after 10, 20 and 30 steps."""
    zeros = []
    train = Steps._make

    def seen(loop, trainer, *arguments):
        weight = trainer.model.layer3[2].conv1.weight
        zeros.append(int((weight.detach().flatten(1).norm(dim=1) == 0).sum()))
        return train(loop, trainer, *arguments)

    monkeypatch.setattr(Steps, "_make", seen)
    job = dataclasses.replace(fewer(tiny, 1250), budget=Budget(1, 1, long=3))
    (pruned,) = BY_NAME["He 2018 (SFP)"].run(job, (0.5,))
    assert [step for step, count in enumerate(zeros) if count == 8] == [10, 20]
    assert len(pruned.model.layer3[2].conv1.weight) == 8


def test_the_held_filters_are_those_of_sfps_first_choice(tiny):
    dense = tiny.dense()
    keep = soft.weakest(dense, 0.5)
    norms = dense.layer3[1].conv1.weight.detach().flatten(1).norm(dim=1)
    assert norms[keep["layer3.1.conv1"]].min() >= norms[~keep["layer3.1.conv1"]].max()
    assert [int(k.sum()) for k in keep.values()] == [len(k) // 2 for k in keep.values()]


def test_obd_takes_other_images_for_each_seed(tiny, monkeypatch):
    seen = []

    def look(model, x):
        seen.append(x)
        return {n: torch.ones_like(w) for n, w in prunable(model).items()}

    monkeypatch.setattr(weights.further, "hessian_diagonal", look)
    for seed in (0, 0, 1):
        list(weights.obd(dataclasses.replace(fewer(tiny, 500), seed=seed), (0.5,)))
    rounds = weights.ROUNDS
    assert [len(x) for x in seen] == 3 * rounds * [weights.IMAGES]
    assert torch.equal(seen[0], seen[rounds])
    assert not torch.equal(seen[0], seen[2 * rounds])


def test_filters_go_along_the_cubic(tiny, monkeypatch):
    """Ten removals, the first ones the largest, and the rest of the training after the last."""
    sizes = []

    def seen(loop, model, masks, lrs):
        sizes.append((filters(model), len(lrs)))
        return []

    monkeypatch.setattr(Steps, "__call__", seen)
    (last,) = BY_NAME["Zhu & Gupta on filters"].run(tiny, (0.6,))
    shares, steps = zip(*sizes, strict=True)
    cubic = [1 - 0.6 * (1 - (1 - k / 10) ** 3) for k in range(11)]
    assert shares == pytest.approx(cubic, abs=0.07)
    assert list(shares) == sorted(shares, reverse=True)
    assert sum(steps) == tiny.steps()
    assert min(steps) > 0
    assert filters(last.model) == pytest.approx(0.4, abs=0.07)


def test_li_leaves_the_sensitive_layers_alone(tiny):
    *_, last = BY_NAME["Li 2016"].run(tiny, TWO)
    sizes = [len(last.model.get_parameter(f"{n}.weight")) for n in SENSITIVE]
    assert sizes == [8, 16]
    assert filters(last.model) < 0.6


def test_han_prunes_more_at_a_higher_quality(tiny):
    shares = [left(p.model) for p in BY_NAME["Han 2015"].run(fewer(tiny, 1250), weights.QUALITIES)]
    assert shares == sorted(shares)
    assert shares[0] > 0.3
    assert shares[-1] > 0.85


@pytest.mark.parametrize("name", ["Renda 2020", "Renda 2020, fine-tuned"])
def test_renda_prunes_a_fifth_of_the_rest_in_each_round(tiny, name):
    system = BY_NAME[name]
    shares = [left(p.model) for p in system.run(fewer(tiny, 250), system.targets)]
    assert shares == pytest.approx([1 - 0.8**k for k in (3, 7, 10, 13)], abs=0.01)


def test_without_rewinding_all_rounds_hold_the_last_learning_rate(tiny, monkeypatch):
    fine_tuned, _ = rates_of(BY_NAME["Renda 2020, fine-tuned"], fewer(tiny, 1250), monkeypatch)
    assert set(fine_tuned) == {CYCLE[-1]}


def test_the_filters_of_least_mean_magnitude_go_first(tiny):
    """Of any size, in one ranking: what goes is smaller than what stays."""
    dense = tiny.dense()
    (pruned,) = lecture.mean_magnitude(tiny, (0.5,), rewind=False)
    gone, stay = [], []
    for name in lecture.convolutions(dense):
        alive = pruned.model.get_submodule(lecture.bn_of(name)).weight != 0
        mean = dense.get_parameter(f"{name}.weight").abs().flatten(1).mean(1)
        gone.append(mean[~alive])
        stay.append(mean[alive])
    assert torch.cat(gone).max() <= torch.cat(stay).min()
    assert sum(len(part) for part in gone) > 10


AT_ONCE = [name for name in BY_NAME if name.startswith("At once")]


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_is_not_trained_again_keeps_its_weights(tiny, name):
    dense = prunable(tiny.dense())
    for pruned in BY_NAME[name].run(tiny, TWO):
        assert left(pruned.model) == pytest.approx(pruned.target, abs=0.01)
        assert pruned.epochs == pruned.seconds == 0
        for key, weight in prunable(pruned.model).items():
            assert bool(((weight == 0) | (weight == dense[key])).all())


def test_each_criterion_ranks_by_what_it_says(tiny):
    """The same masks as of scores written out here, in one ranking by torch's own pruning."""
    model = tiny.dense().eval()
    x, y = next(batches(tiny.images, 125, train=True, generator=torch.Generator().manual_seed(0)))
    torch.nn.functional.cross_entropy(model(x), y).backward()
    convs = [(m, "weight") for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for name, score in (
        ("At once: magnitude", lambda w: w.abs()),
        ("At once: gradient", lambda w: w.grad.abs()),
        ("At once: weight x gradient", lambda w: (w * w.grad).abs()),
    ):
        scores = {(m, n): score(m.weight).detach() for m, n in convs}
        theirs = copy.deepcopy(model)
        pairs = [(m, "weight") for m in theirs.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        values = dict(zip(pairs, scores.values(), strict=True))
        prune.global_unstructured(pairs, prune.L1Unstructured, values, amount=0.6)
        (ours,) = BY_NAME[name].run(tiny, (0.6,))
        same = [((mine != 0) == (other.weight != 0)).flatten() for mine, (other, _) in
                zip(prunable(ours.model).values(), pairs, strict=True)]  # fmt: skip
        assert torch.cat(same).float().mean() > 0.999, name  # ties: the weights ship as float16


def test_recalibration_changes_the_statistics_alone(tiny):
    plain, fresh = (
        next(iter(BY_NAME[name].run(tiny, (0.6,)))).model
        for name in ("At once: magnitude", "At once: magnitude, BN recalibrated")
    )
    same = [torch.equal(a, b) for a, b in zip(plain.parameters(), fresh.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(plain.bn1.running_var, fresh.bn1.running_var)


@pytest.mark.parametrize(
    "name", ["SynFlow 2020", "Magnitude at initialisation", "Random at initialisation"]
)
def test_systems_that_prune_random_weights_reach_their_compression(tiny, name):
    found = list(BY_NAME[name].run(tiny, (10, 100)))
    assert [p.target for p in found] == [10, 100]
    for pruned in found:
        assert 1 / (1 - left(pruned.model)) == pytest.approx(pruned.target, rel=0.02)


def test_unpruned_stays_dense(tiny):
    (pruned,) = BY_NAME["Unpruned from scratch"].run(tiny, (1.0,))
    assert left(pruned.model) < 0.01


@pytest.mark.parametrize("name", ["AMC 2018", "AMC: random search", "AMC: uniform"])
def test_searches_remove_the_macs_that_are_asked_for(tiny, name):
    whole = counters.macs(ResNet20(4))
    for pruned in BY_NAME[name].run(tiny, TWO):
        # A filter of a layer of four is a quarter of it: the target is met in whole filters.
        assert 1 - counters.macs(pruned.model) / whole == pytest.approx(pruned.target, abs=0.1)


def test_agent_and_random_search_measure_equally_many_choices_once(tiny, monkeypatch):
    """What was measured is on disk: the same search again measures nothing."""
    job, measured = fewer(tiny, 500), []
    monkeypatch.setattr(
        search.further, "amc_reward", lambda model, choice, f: measured.append(choice) or -0.5
    )
    for name in ("AMC 2018", "AMC: random search"):
        mine = dataclasses.replace(job, folder=job.folder / name)
        for expected in (3, 0):
            list(BY_NAME[name].run(mine, (0.5,)))
            assert len(measured) == expected, name
            measured.clear()


def test_the_cap_leaves_amc_freedom_at_its_highest_target():
    """At 70 % of the MACs each layer may be pruned far less than the others are on average."""
    layers = amc.layers_of(ResNet20(16), free_convs(ResNet20(16)))
    share = 0.7 * counters.macs(ResNet20(16)) / sum(layer.macs for layer in layers)
    for layer in layers:
        rest = sum(other.macs for other in layers if other is not layer)
        needed = (share * (rest + layer.macs) - search.HIGHEST * rest) / layer.macs
        assert needed < 0.6 * share


def test_a_reward_is_measured_with_fresh_statistics(tiny, monkeypatch):
    """BN is measured again on the network of the choice, before its accuracy."""
    model, job = tiny.dense(), tiny
    means: list[torch.Tensor] = []  # of the first BN: in the choice's network, then when measured
    measured, right = search.remeasure, search.accuracy

    def seen(network):
        means.append(network.bn1.running_mean.clone())

    def remeasure(network, *others):
        seen(network)
        measured(network, *others)

    def accuracy(network, *others, **more):
        seen(network)
        return right(network, *others, **more)

    monkeypatch.setattr(search, "remeasure", remeasure)
    monkeypatch.setattr(search, "accuracy", accuracy)
    choice = dict.fromkeys(free_convs(model), 0.5)
    reward = search.reward_of(job, model, job.folder / "rewards.txt")
    found = reward(choice)
    before, after = means
    assert torch.equal(before, model.bn1.running_mean)
    assert not torch.allclose(before, after, rtol=1e-3)
    assert found == search.reward_of(job, None, job.folder / "rewards.txt")(choice)


def test_variational_dropout_cuts_more_at_a_lower_threshold(tiny):
    system, job = BY_NAME["Variational Dropout 2017"], fewer(tiny, 500)
    found = list(system.run(job, system.targets))
    shares = [left(p.model) for p in found]
    assert found[0].seconds > 0
    assert shares == sorted(shares)
    assert shares[-1] > shares[0] > 0


def test_variational_dropout_has_one_rate_a_ramp_and_a_clip(tiny, monkeypatch):
    seen = {}

    def train(noisy, images, epochs, **how):
        seen.update(how, epochs=epochs)
        return [{"seconds": 0.0}]

    monkeypatch.setattr(weights.variational, "train", train)
    list(BY_NAME["Variational Dropout 2017"].run(tiny, (3.0,)))
    assert seen["lr"] == seen["lr_sigma"]
    assert (seen["start"], seen["start"] + seen["warmup"]) == (1 / 8, 1 / 2)
    theta, quiet = torch.ones(1), torch.tensor([-20.0])
    assert seen["kl"](theta, quiet) == seen["kl"](theta, torch.tensor([-8.0]))
    assert seen["kl"](theta, quiet) < weights.further.kl_divergence(theta, quiet)
    full = dataclasses.replace(tiny, budget=Budget(1, 1, long=200, papers=True))
    list(BY_NAME["Variational Dropout 2017"].run(full, (3.0,)))
    assert (seen["epochs"] * seen["start"], seen["epochs"] * seen["warmup"]) == pytest.approx(
        (5, 15)
    )


def test_narrow_networks_are_trained_on_and_stay_dense(tiny):
    (pruned,) = BY_NAME["Narrow dense networks"].run(fewer(tiny, 500), (8.0,))
    before = narrow_network(8, tiny.dense_seed)
    assert counters.sparsity(pruned.model) <= counters.sparsity(before)  # its dead filters, no more
    assert pruned.epochs == 1
