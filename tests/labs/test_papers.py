"""Lab 4: the recipes against torch.nn.utils.prune, closed forms and a real training."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from pruninglab.models import ResNet20, prunable
from pruninglab.values import decode, same
from solutions.builder import build
from solutions.lab1_structures.exercises import free_convs
from solutions.lab4_papers import exercises as papers
from solutions.lab4_papers import mistakes

NAMES = ("han2015", "zhu2017", "renda2020", "li2016", "liu2017", "molchanov2019", "he2018")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [1, 2])
def test_hidden_tests_hold_for_other_seeds(name: str, seed: int) -> None:
    build.hidden_of("04_papers", name)(getattr(papers, name), seed=seed)


@pytest.mark.parametrize("seed", range(4))
def test_no_seed_accepts_another_average_of_the_minibatches(seed: int) -> None:
    hidden = build.hidden_of("04_papers", "molchanov2019")
    for average in (mistakes.molchanov2019_largest_minibatch, mistakes.molchanov2019_median):
        with pytest.raises(AssertionError):
            hidden(average, seed=seed)


@pytest.mark.parametrize("lab", ["04_papers", "06_further"])
def test_a_mistake_that_was_not_known_would_be_sent_somewhere(lab: str) -> None:
    """Whatever a known mistake gives, its first miss says where to look, without its own hint."""
    stored = decode(json.loads((build.package(lab) / "expected.json").read_text()))
    for exercise, probes in build.probes_of(lab).items():
        right = stored[exercise]["expected"]
        for mistake in stored[exercise]["mistakes"]:
            pairs = zip(probes, mistake["seen"], right, strict=True)
            probe, got, expected = next(p for p in pairs if not same(p[1], p[2]))
            told = probe.place_to_look(got, expected)
            assert told or "error" in got, f"{exercise}, {probe.title}: {mistake['hint']}"


class Trace:
    """A training that moves nothing and remembers the masks and learning rates."""

    def __init__(self) -> None:
        self.masks: list[dict[str, Tensor]] = []
        self.lrs: list[float] = []

    def __call__(self, model: nn.Module, masks: dict, lrs: list, before_step: Any = None) -> list:
        self.masks.extend({k: v.clone() for k, v in masks.items()} for _ in lrs)
        self.lrs.extend(lrs)
        if before_step:
            for parameter in model.parameters():
                parameter.grad = torch.zeros_like(parameter)
            before_step(model)
        return [(torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 3])) for _ in lrs]


def test_renda_is_torchs_global_pruning_repeated() -> None:
    model, trace = ResNet20(4), Trace()
    papers.renda2020(model, 5, [0.2, 0.1], epochs=1, steps_per_epoch=1, train=trace)
    theirs = ResNet20(4)
    layers = [m for m in theirs.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for masks in trace.masks:
        pairs = [(layer, "weight") for layer in layers]
        prune.global_unstructured(pairs, prune.L1Unstructured, amount=0.2)
        for layer, mask in zip(layers, masks.values(), strict=True):
            assert torch.equal(layer.get_buffer("weight_mask").bool(), mask)


def test_renda_keeps_four_fifths_of_the_rest() -> None:
    model, trace = nn.Linear(100, 100), Trace()
    papers.renda2020(model, 6, [0.2, 0.1], epochs=2, steps_per_epoch=3, train=trace)
    densities = [m["weight"].float().mean().item() for m in trace.masks[::6]]
    assert densities == pytest.approx([0.8**k for k in range(1, 7)], abs=1e-3)
    assert trace.lrs == 6 * [0.2, 0.2, 0.2, 0.1, 0.1, 0.1]


def test_zhu_prunes_torchs_smallest_in_every_layer() -> None:
    model, trace = ResNet20(4), Trace()
    dense = copy.deepcopy(model)
    papers.zhu2017(model, 0.9, 0, 2, 3, [0.1] * 8, trace)
    for step, share in ((0, 0.0), (2, 1 / 3), (5, 2 / 3), (7, 1.0)):
        sparsity = 0.9 * (1 - (1 - share) ** 3)
        for name, weight in prunable(dense).items():
            layer = nn.Module()
            layer.weight = nn.Parameter(weight.detach().clone())
            prune.l1_unstructured(layer, "weight", amount=round(sparsity * weight.numel()))
            assert torch.equal(trace.masks[step][name], layer.get_buffer("weight_mask").bool())


def test_hans_threshold_of_normal_weights() -> None:
    """|w| < q·σ holds for erf(q / sqrt(2)) of normally distributed weights."""
    model, trace = nn.Linear(500, 400), Trace()
    nn.init.normal_(model.weight, std=0.02, generator=torch.Generator().manual_seed(0))
    masks = papers.han2015(model, 0.8, rounds=1, steps=2, lr=0.1, train=trace)
    pruned = 1 - masks["weight"].float().mean()
    assert pruned.item() == pytest.approx(torch.erf(torch.tensor(0.8 / 2**0.5)).item(), abs=5e-3)
    assert trace.lrs == pytest.approx([0.01, 0.01])


@pytest.mark.parametrize(("recipe", "norm"), [("li2016", 1), ("he2018", 2)])
def test_filters_left_are_torchs(recipe: str, norm: int) -> None:
    model = ResNet20(8)
    dense = copy.deepcopy(model)
    if recipe == "li2016":
        papers.li2016(model, 0.25, [], [0.1], epochs=1, steps_per_epoch=1, train=Trace())
    else:
        papers.he2018(model, 0.25, [0.1], steps_per_epoch=1, train=Trace())
    for name in free_convs(dense):
        conv: Any = dense.get_submodule(name)
        kernels = conv.weight.detach().clone()
        prune.ln_structured(conv, "weight", amount=0.25, n=norm, dim=0)
        keep = conv.get_buffer("weight_mask").flatten(1).any(dim=1)
        assert torch.equal(model.get_parameter(f"{name}.weight").detach(), kernels[keep])


def test_structured_recipes_remove_the_same_number_of_filters() -> None:
    """Of the 168 free filters of a ResNet-20 of width 8, half."""

    def filters(model: nn.Module) -> int:
        return sum(len(model.get_parameter(f"{name}.weight")) for name in free_convs(model))

    models = [ResNet20(8) for _ in range(4)]
    assert filters(models[0]) == 168
    papers.li2016(models[0], 0.5, [], [0.1], 1, 1, Trace())
    papers.liu2017(models[1], 1e-4, 0.5, [0.1], Trace())
    papers.molchanov2019(models[2], 4, 21, 1, 1, 0.1, Trace())
    papers.he2018(models[3], 0.5, [0.1], 1, Trace())
    assert [filters(model) for model in models] == [84, 84, 84, 84]
    for model in models:
        assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 10)
