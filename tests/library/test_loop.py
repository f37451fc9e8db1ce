"""The training loop of the results: what it promises, and that it goes on when killed."""

import pytest
import torch
from torch import nn

from pruninglab.data import subset
from pruninglab.masks import random_masks
from pruninglab.models import ResNet20
from pruninglab.training import hardware
from pruninglab.training.loop import LONG, Loop
from solutions.lab1_structures.exercises import filter_mask
from solutions.lab3_methods.exercises import train_masked
from solutions.lab4_papers.exercises import shrink

IMAGES = subset("train")[:80]
LRS = (LONG // 2) * [0.1, 0.02]


def model(seed=0):
    return ResNet20(2, seed=seed)


def loop(folder=None, **more):
    return Loop(IMAGES, 3, batch_size=8, folder=folder, **more)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.values(), b.values(), strict=True))


def test_it_trains_as_the_students_loop_does(monkeypatch):
    """The independent reference: lab 3's own loop on the same minibatches, in float32."""
    monkeypatch.setattr(hardware, "bf16_is_fast", lambda device: False)
    ours, theirs = model(), model()
    masks = random_masks(ours, 0.5, torch.Generator().manual_seed(0))
    data = loop(keep=True)(ours, masks, 6 * [0.05])
    weights = theirs.parameters()
    sgd = torch.optim.SGD(weights, lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    train_masked(theirs, sgd, masks, data, 6 * [0.05])
    assert not same(ours.state_dict(), model().state_dict())
    for name, weight in ours.state_dict().items():
        torch.testing.assert_close(weight, theirs.state_dict()[name], atol=1e-5, rtol=1e-4)


def test_pruned_weights_stay_zero_through_momentum_and_decay():
    network, train = model(), loop()
    train(network, {}, 10 * [0.1])
    masks = random_masks(network, 0.7, torch.Generator().manual_seed(0))
    train(network, masks, 10 * [0.1])
    for name, mask in masks.items():
        weight = network.get_parameter(name)
        assert bool((weight[~mask] == 0).all())
        assert int((weight[mask] == 0).sum()) == 0


def test_it_counts_steps_and_epochs():
    train = loop()
    train(model(), {}, 15 * [0.1])
    assert (train.steps, train.steps_per_epoch, train.epochs) == (15, 10, 1.5)
    assert train.seconds > 0


def test_before_step_sees_the_gradients_and_a_zero_gradient_moves_nothing():
    network, seen = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10, bias=False)), []

    def before_step(inner):
        seen.append(inner[1].weight.grad.abs().sum().item())
        inner[1].weight.grad.zero_()

    before = network[1].weight.detach().clone()
    loop()(network, {}, 3 * [1e-6], before_step)
    assert len(seen) == 3
    assert min(seen) > 0
    torch.testing.assert_close(network[1].weight.detach(), before, atol=1e-8, rtol=1e-6)


def test_a_killed_recipe_ends_as_an_uninterrupted_one(tmp_path):
    """Two long calls with short ones between: killed after the first, then run again."""

    def recipe(train, calls):
        network = model()
        for i in range(calls):
            masks = random_masks(network, 0.1 * i, torch.Generator().manual_seed(i))
            train(network, masks, LRS if i % 2 == 0 else LRS[:3])
        return network.state_dict()

    whole = recipe(loop(), 5)
    recipe(loop(tmp_path), 2)
    again = loop(tmp_path)
    assert same(recipe(again, 5), whole)
    assert again.steps == 3 * len(LRS) + 2 * 3
    third = loop(tmp_path)
    assert same(recipe(third, 5), whole)
    assert third.seconds > 0  # what the training took, not what finding it again took


def test_a_call_killed_in_the_middle_loses_no_more_than_an_epoch(tmp_path):
    """Ten steps are an epoch: killed in the 26th, it goes on with the 21st."""
    seen = []

    def killed(_):
        seen.append(len(seen))
        if len(seen) == 26:
            raise KeyboardInterrupt

    masks = random_masks(model(), 0.5, torch.Generator().manual_seed(0))
    whole, network = model(), model()
    loop()(whole, masks, LRS)
    with pytest.raises(KeyboardInterrupt):
        loop(tmp_path)(network, masks, LRS, killed)
    network, again = model(), loop(tmp_path)
    again(network, masks, LRS, killed)
    assert len(seen) == 26 + len(LRS) - 20
    assert again.steps == len(LRS)
    assert same(network.state_dict(), whole.state_dict())


def test_it_follows_a_network_that_is_shrunk_between_calls(tmp_path):
    def recipe(train):
        network = model()
        train(network, {}, LRS)
        name = "layer1.0.conv1"
        shrink(network, {name: filter_mask(network.get_parameter(f"{name}.weight"), 0.5)})
        train(network, {}, LRS)
        return network.state_dict()

    first = recipe(loop(tmp_path))
    assert first["layer1.0.conv1.weight"].shape[0] == 1
    assert same(recipe(loop(tmp_path)), first)


def test_masks_that_do_not_fit_change_nothing():
    network = model()
    before = {name: x.clone() for name, x in network.state_dict().items()}
    with pytest.raises(ValueError, match="nonsense"):
        loop()(network, {"nonsense": torch.ones(2, dtype=torch.bool)}, [0.1])
    assert same(network.state_dict(), before)


def test_a_changed_recipe_trains_again(tmp_path):
    def trained(lrs, masks=None, seed=0):
        network = model(seed)
        loop(tmp_path)(network, masks or {}, lrs)
        return network.state_dict()

    first = trained(LRS)
    assert same(trained(LRS), first)
    assert not same(trained(LRS[1:] + LRS[:1]), first)
    assert same(trained(LRS), first)
    assert not same(trained(LRS, random_masks(model(), 0.5)), first)
    assert not same(trained(LRS, seed=1), first)


def test_a_single_flipped_bit_in_a_checkpoint_is_noticed(tmp_path):
    network = model()
    loop(tmp_path)(network, {}, LRS)
    (path,) = tmp_path.glob("**/*.pt")
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(network.fc.weight.detach().numpy().tobytes()) + 1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="is damaged or no checkpoint: move it away"):
        loop(tmp_path)(model(), {}, LRS)
