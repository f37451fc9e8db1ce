"""The labs' functions work where the network is, not only on the CPU.

On PyTorch's "meta" device tensors have shapes but no values. Mixing them with CPU tensors is an
error, as it is on a GPU, so that this can be tested on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from pruninglab.models import ResNet20, prunable
from solutions.lab1_structures import exercises as structures
from solutions.lab2_criteria import exercises as criteria
from solutions.lab6_further import exercises as further

META = torch.device("meta")
Tensors = Mapping[str, Tensor]


def weights(model: ResNet20) -> dict[str, Tensor]:
    return {name: weight.detach() for name, weight in prunable(model).items()}


def filters(model: ResNet20) -> dict[str, Tensor]:
    convs = structures.free_convs(model)
    return criteria.filter_scores({n: model.get_parameter(f"{n}.weight") for n in convs}, p=1)


def batch() -> tuple[Tensor, Tensor]:
    return torch.empty(2, 3, 32, 32, device=META), torch.zeros(2, dtype=torch.long, device=META)


FUNCTIONS: dict[str, Callable[[ResNet20], Tensors]] = {
    "magnitude_mask": lambda m: {"": structures.magnitude_mask(m.conv1.weight, 0.5)},
    "filter_mask": lambda m: {"": structures.filter_mask(m.conv1.weight, 0.5)},
    "local_masks": lambda m: structures.local_masks(weights(m), 0.5),
    "global_masks": lambda m: structures.global_masks(weights(m), 0.5),
    "filter_masks": lambda m: criteria.filter_masks(filters(m), 0.5),
    "magnitude_scores": criteria.magnitude_scores,
    "gradient_scores": lambda m: criteria.gradient_scores(m, *batch()),
    "bn_scores": lambda m: criteria.bn_scores(m, structures.free_convs(m)),
    "gate_scores": lambda m: criteria.gate_scores(m, structures.free_convs(m), [batch()]),
    "hessian_diagonal": lambda m: further.hessian_diagonal(m, batch()[0]),
    "obd_scores": lambda m: further.obd_scores(weights(m), weights(m)),
    "synflow_scores": lambda m: further.synflow_scores(m, (3, 32, 32)),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_results_are_where_the_network_is(function: Callable[[ResNet20], Tensors]) -> None:
    with META:
        model = ResNet20(4).eval()
    assert {tensor.device for tensor in function(model).values()} == {META}
