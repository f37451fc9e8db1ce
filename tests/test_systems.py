"""The systems of the lecture: each reaches what it is asked for, on a tiny network."""

import dataclasses

import pytest
import torch

from pruninglab import counters, data
from pruninglab.loop import Loop
from pruninglab.models import ResNet20, prunable
from solutions import systems
from solutions.systems_filters import SENSITIVE
from solutions.systems_job import Budget, Job
from tests import small

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
             "Random weights"],
)  # fmt: skip
def test_systems_that_are_told_a_share_of_the_weights_reach_it(tiny, name):
    found = list(BY_NAME[name].run(tiny, TWO))
    assert [p.target for p in found] == [0.3, 0.7]
    assert [left(p.model) for p in found] == pytest.approx([0.3, 0.7], abs=0.01)
    assert found[0].epochs == 1


@pytest.mark.parametrize(
    "name", ["Lecture: Liu", "Lecture: Liu + LR-rewinding", "Lecture: BN scale + LR-rewinding"]
)
def test_slimming_all_layers_reaches_the_share_and_stays_silent(tiny, name):
    for pruned in BY_NAME[name].run(tiny, TWO):
        assert left(pruned.model) == pytest.approx(pruned.target, abs=0.06)
        x = torch.randn(2, 3, 32, 32)
        for block in (pruned.model.layer1[0], pruned.model.layer3[2]):
            silent = block.bn1.weight == 0
            assert bool((block.bn1.bias[silent] == 0).all())
            assert bool((block.conv2.weight[:, silent] == 0).all())
        assert pruned.model.eval()(x).isfinite().all()
        assert pruned.epochs == (1 if "BN scale" in name else 2)  # one with the penalty, one after


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


def test_renda_prunes_a_fifth_of_the_rest_in_each_round(tiny):
    shares = [left(p.model) for p in BY_NAME["Renda 2020"].run(fewer(tiny, 1250), ())]
    assert shares == pytest.approx([1 - 0.8**k for k in range(1, 12)], abs=0.01)


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
