"""What a function changes in what it is given: each kind of change is seen, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from pruninglab.checks.lab import Probe
from pruninglab.checks.unchanged import changes, remember, unchanged
from pruninglab.models import ResNet20


def one_layer_in_training(model: Any) -> None:
    model.layer1[0].bn1.train()


def frozen(model: Any) -> None:
    model.layer2[0].conv1.weight.requires_grad_(False)


def replaced(model: Any) -> None:
    model.fc.bias = nn.Parameter(model.fc.bias.data.clone())


def in_double(model: Any) -> None:
    model.fc.weight.data = model.fc.weight.data.double()


def counted_a_batch(model: Any) -> None:
    model.bn1.num_batches_tracked += 1


def with_a_hook(model: Any) -> None:
    model.layer3[1].register_forward_hook(lambda *_: None)


def with_a_hook_for_gradients(model: Any) -> None:
    model.layer3[1].register_full_backward_hook(lambda *_: None)


def with_a_hook_on_a_weight(model: Any) -> None:
    model.fc.weight.register_hook(torch.zeros_like)


def without_momentum(model: Any) -> None:
    model.bn1.momentum = None


def without_a_bias(model: Any) -> None:
    model.fc.bias = None


def with_a_layer_more(model: Any) -> None:
    model.layer1.append(nn.Identity())


def one_value(model: Any) -> None:
    model.conv1.weight.data[0, 0, 0, 0] += 1


CHANGES: list[tuple[Callable[[Any], None], str]] = [
    (one_layer_in_training, "layer1.0.bn1.training was False, is True"),
    (frozen, "layer2.0.conv1.weight.requires_grad was True, is False"),
    (replaced, "fc.bias is another tensor now"),
    (in_double, "fc.weight was torch.float32 (10, 16), is torch.float64 (10, 16)"),
    (counted_a_batch, "bn1.num_batches_tracked has other values"),
    (with_a_hook, "layer3.1.hooks was 0, is 1"),
    (with_a_hook_for_gradients, "layer3.1.hooks was 0, is 1"),
    (with_a_hook_on_a_weight, "fc.weight.hooks was 0, is 1"),
    (without_momentum, "bn1.momentum was 0.1, is None"),
    (without_a_bias, "fc.bias was"),
    (with_a_layer_more, "layer1.layers was ['0', '1', '2'], is ['0', '1', '2', '3']"),
    (one_value, "conv1.weight has other values"),
]


@pytest.mark.parametrize(("change", "told"), CHANGES)
def test_each_kind_of_change_is_told(change: Callable[[Any], None], told: str) -> None:
    model = ResNet20(4).eval()
    before = remember(model)
    assert changes(before, model) == []
    change(model)
    assert any(sentence.startswith(told) for sentence in changes(before, model))
    with pytest.raises(AssertionError, match="you changed what you were given"), unchanged(model):
        one_value(model)


def test_gradients_and_a_change_put_back_are_no_change() -> None:
    model, x = ResNet20(2).eval(), torch.randn(2, 3, 32, 32)
    with unchanged(model, x):
        model.conv1.weight.data *= 2
        model.conv1.weight.data /= 2
        model(x).sum().backward()


def test_lists_and_dicts_are_looked_into() -> None:
    given = {"lrs": [0.1, 0.2], "masks": {"a": torch.ones(2)}}
    before = remember(given)
    given["lrs"].append(0.3)  # type: ignore[attr-defined]
    given["masks"]["a"][0] = 0  # type: ignore[call-overload, index]
    found = changes(before, given)
    assert "lrs.length was 2, is 3" in found
    assert "masks.a has other values" in found


def test_a_check_tells_what_may_not_change_where_something_may() -> None:
    def silence(layer: nn.Linear) -> None:
        layer.weight.data.zero_()

    def silence_and_freeze(layer: nn.Linear) -> None:
        layer.weight.data.zero_()
        layer.weight.requires_grad_(False)

    probe = Probe("", lambda: {"layer": nn.Linear(1, 1)}, lambda *_: {}, changes_inputs=("weight",))
    assert probe.observe(silence) == {}
    expected = {"layer afterwards": ["weight.requires_grad was True, is False"]}
    assert probe.observe(silence_and_freeze) == expected
