"""The systems of the lecture: each reaches what it is asked for, on a tiny network."""

import copy
import dataclasses

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from pruninglab import counters, data
from pruninglab.data import batches
from pruninglab.models import ResNet20, prunable
from pruninglab.training.loop import Loop
from solutions.study import lecture, systems, weights
from solutions.study.filters import SENSITIVE
from solutions.study.job import CYCLE, Budget, Job
from tests.helpers import small

BY_NAME = {system.name: system for system in systems.systems()}
TWO = (0.3, 0.7)


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A job that takes seconds: 4 filters wide, one epoch of 20 steps."""
    for thing, name, value in small.SMALL:
        monkeypatch.setattr(thing, name, value) if not isinstance(thing, dict) else None
    images, val = data.subset("train")[:2500], data.subset("val")[:50]
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
             "Random weights", "Ten epochs: fine-tuned", "Ten epochs: LR-rewinding"],
)  # fmt: skip
def test_systems_that_are_told_a_share_of_the_weights_reach_it(tiny, name):
    ten = name.startswith("Ten")
    found = list(BY_NAME[name].run(fewer(tiny, 250) if ten else tiny, TWO))
    assert [p.target for p in found] == [0.3, 0.7]
    assert [left(p.model) for p in found] == pytest.approx([0.3, 0.7], abs=0.01)
    assert found[0].epochs == (10 if ten else 1)


@pytest.mark.parametrize(
    "name",
    ["Lecture: Liu", "Lecture: Liu + LR-rewinding", "Lecture: BN scale + LR-rewinding",
     "Filters by mean magnitude", "Filters by mean magnitude + LR-rewinding"],
)  # fmt: skip
def test_slimming_all_layers_reaches_the_share_and_stays_silent(tiny, name):
    for pruned in BY_NAME[name].run(tiny, TWO):
        assert left(pruned.model) == pytest.approx(pruned.target, abs=0.06)
        x = torch.randn(2, 3, 32, 32)
        for block in (pruned.model.layer1[0], pruned.model.layer3[2]):
            silent = block.bn1.weight == 0
            assert bool((block.bn1.bias[silent] == 0).all())
            assert bool((block.conv2.weight[:, silent] == 0).all())
        assert pruned.model.eval()(x).isfinite().all()
        assert pruned.epochs == (2 if "Liu" in name else 1)  # one with the penalty, one after


@pytest.mark.parametrize(
    "name",
    ["Random filters", "Liu 2017", "Molchanov 2019", "He 2018 (SFP)", "Zhu & Gupta on filters"],
)
def test_systems_that_are_told_a_share_of_the_filters_remove_it(tiny, name):
    found = list(BY_NAME[name].run(tiny, TWO))
    assert [filters(p.model) for p in found] == pytest.approx([0.7, 0.3], abs=0.07)


def test_filters_go_along_the_cubic(tiny, monkeypatch):
    """Ten removals, the first ones the largest, and the rest of the training after the last."""
    sizes = []

    def seen(loop, model, masks, lrs):
        sizes.append((filters(model), len(lrs)))
        return []

    monkeypatch.setattr(Loop, "__call__", seen)
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
    shares = [left(p.model) for p in BY_NAME["Han 2015"].run(fewer(tiny, 1250), systems.QUALITIES)]
    assert shares == sorted(shares)
    assert shares[0] > 0.3
    assert shares[-1] > 0.85


@pytest.mark.parametrize("name", ["Renda 2020", "Renda 2020, fine-tuned"])
def test_renda_prunes_a_fifth_of_the_rest_in_each_round(tiny, name):
    shares = [left(p.model) for p in BY_NAME[name].run(fewer(tiny, 1250), ())]
    assert shares == pytest.approx([1 - 0.8**k for k in range(1, 12)], abs=0.01)


def test_without_rewinding_all_rounds_hold_the_last_learning_rate(tiny, monkeypatch):
    rates = {True: set(), False: set()}
    for rewind, seen in rates.items():
        monkeypatch.setattr(Loop, "__call__", lambda loop, model, masks, lrs, s=seen: s.update(lrs))
        list(weights.renda(tiny, (), rewind=rewind))
    assert rates[False] == {CYCLE[-1]}
    assert max(rates[True]) > 10 * min(rates[True])


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
    plain, anew = (
        next(iter(BY_NAME[name].run(tiny, (0.6,)))).model
        for name in ("At once: magnitude", "At once: magnitude, BN recalibrated")
    )
    same = [torch.equal(a, b) for a, b in zip(plain.parameters(), anew.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(plain.bn1.running_var, anew.bn1.running_var)


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


def test_amc_removes_the_macs_it_is_told_to(tiny):
    whole = counters.macs(ResNet20(4))
    for pruned in BY_NAME["AMC 2018"].run(tiny, TWO):
        # A filter of a layer of four is a quarter of it: the target is met in whole filters.
        assert 1 - counters.macs(pruned.model) / whole == pytest.approx(pruned.target, abs=0.1)


def test_variational_dropout_cuts_more_at_a_lower_threshold(tiny):
    system, job = BY_NAME["Variational Dropout 2017"], fewer(tiny, 500)
    found = list(system.run(job, systems.LOG_ALPHAS))
    shares = [left(p.model) for p in found]
    assert found[0].seconds > 0
    assert shares == sorted(shares)
    assert shares[-1] > shares[0] > 0
