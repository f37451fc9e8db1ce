"""Batch normalisation in sums against PyTorch's own."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pruninglab.models import ResNet20
from pruninglab.training.batchnorm import InSums, batch_norm, in_sums


def after_a_step(model, x, forward):
    """Output, gradients and running statistics after one pass in training mode."""
    model = copy.deepcopy(model).train()
    x = x.clone().requires_grad_()
    out = forward(model)(x)
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).sum().backward()
    return [out, x.grad, *(p.grad for p in model.parameters()), *model.buffers()]


@pytest.mark.parametrize("mean", [0.0, 0.3, -2.0])
def test_values_gradients_and_statistics_are_those_of_batch_norm(mean):
    layer = nn.BatchNorm2d(4)
    nn.init.uniform_(layer.weight)
    nn.init.uniform_(layer.bias)
    layer.running_mean.fill_(mean)
    torch.manual_seed(0)
    x = mean + torch.randn(16, 4, 6, 5) * torch.tensor([0.1, 1.0, 2.0, 10.0])[:, None, None]
    theirs = after_a_step(layer, x, lambda model: model)
    for ours, right in zip(after_a_step(layer, x, in_sums), theirs, strict=True):
        torch.testing.assert_close(ours, right, rtol=2e-3, atol=2e-3)


def test_a_whole_network_takes_the_same_step():
    torch.manual_seed(0)
    network, x = ResNet20(4).double(), torch.randn(32, 3, 32, 32).double()
    theirs = after_a_step(network, x, lambda model: model)
    for ours, right in zip(after_a_step(network, x, in_sums), theirs, strict=True):
        torch.testing.assert_close(ours, right, rtol=1e-6, atol=1e-6)


def test_in_training_mode_and_only_there_it_takes_the_place_of_batch_norm(monkeypatch):
    in_training = []

    def counted(*args, **more):
        in_training.append(more["training"])
        return batch_norm(*args, **more)

    monkeypatch.setattr("pruninglab.training.batchnorm.batch_norm", counted)
    network, x = ResNet20(2), torch.randn(4, 3, 32, 32)
    in_sums(network.train())(x)
    assert in_training == 21 * [True]
    right = network.eval()(x)
    torch.testing.assert_close(in_sums(network)(x), right, rtol=0, atol=0)


@pytest.mark.parametrize("more", [{"affine": False}, {"track_running_stats": False}])
def test_what_it_does_not_know_is_left_to_pytorch(more):
    layer, x = nn.BatchNorm2d(3, **more).train(), torch.randn(8, 3, 4, 4)
    with InSums():
        ours = layer(x)
        flat = nn.BatchNorm1d(3)(x[:, :, 0, 0])
    torch.testing.assert_close(ours, F.batch_norm(x, None, None, training=True))
    assert flat.shape == (8, 3)


def test_bfloat16_in_bfloat16_out():
    state = torch.zeros(3), torch.ones(3), torch.ones(3), torch.zeros(3), True
    assert batch_norm(torch.randn(2, 3, 4, 4).bfloat16(), *state).dtype == torch.bfloat16
