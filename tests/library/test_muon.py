"""Muon against torch's own, which takes matrices only."""

import pytest
import torch
from torch import nn

from pruninglab import data, masks
from pruninglab.models import ResNet20
from pruninglab.training import Recipe, Trainer, constant, train
from pruninglab.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(4, 27), (27, 4), (16, 16), (64, 576)])
def test_singular_values_become_about_one_and_the_vectors_stay(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0)).double()
    turned = orthogonal(matrix)
    values = torch.linalg.svdvals(turned)
    assert values.min() > 0.5
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    diagonal = left.T @ turned @ right.T  # in the basis of the old vectors
    assert (diagonal - diagonal.diag().diag()).abs().max() < 0.08  # bfloat16


def test_a_convolution_moves_as_torchs_muon_moves_the_matrix_of_its_filters():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 8, 3, bias=False)
    flat = nn.Parameter(conv.weight.detach().flatten(1).clone())
    ours = Muon(conv, ratio=0.5, lr=0.1, momentum=0.9, muon_decay=0.05)
    theirs = torch.optim.Muon([flat], lr=0.05, momentum=0.9, weight_decay=0.05)
    for _ in range(4):
        gradient = torch.randn(8, 3, 3, 3)
        conv.weight.grad, flat.grad = gradient.clone(), gradient.flatten(1).clone()
        ours.step()
        theirs.step()
    torch.testing.assert_close(conv.weight.detach().flatten(1), flat.detach(), atol=2e-3, rtol=1e-2)


def test_all_else_moves_as_with_sgd():
    torch.manual_seed(0)
    one, other = nn.Linear(5, 3), nn.Linear(5, 3)
    other.load_state_dict(one.state_dict())
    ours = Muon(one, ratio=0.5, lr=0.1, momentum=0.9, weight_decay=0.01)
    sgd = torch.optim.SGD(
        other.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True
    )
    for _ in range(3):
        x = torch.randn(4, 5)
        for model, optimizer in ((one, ours), (other, sgd)):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(one.weight, other.weight)
    torch.testing.assert_close(one.bias, other.bias)


def test_masks_are_held():
    model = ResNet20(2)
    keep = masks.random_masks(model, 0.5, torch.Generator().manual_seed(0))
    with masks.hold(model, keep):
        train(
            model, data.subset("val")[:64], Recipe(1, constant(0.1), 16, muon=0.2), progress=False
        )
    for name, mask in keep.items():
        assert bool((model.get_parameter(name)[~mask] == 0).all())


def test_killed_and_resumed_equals_uninterrupted(tmp_path):
    images, recipe = data.subset("val")[:64], Recipe(2, constant(0.1), 16, muon=0.2)
    whole, half, again = ResNet20(2), ResNet20(2), ResNet20(2)
    train(whole, images, recipe, progress=False)
    first = Trainer(half, recipe)
    first.save(tmp_path / "run.pt", [first.epoch(1, images)])
    train(again, images, recipe, checkpoint=tmp_path / "run.pt", progress=False)
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
