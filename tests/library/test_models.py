"""ResNet-20, against torchvision's ResNet and counts by hand."""

import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from pruninglab.models import ResNet20, ZeroPadShortcut, prunable, prunable_layers, ready_to_run


def torchvision_twin():
    """torchvision's ResNet, cut down to what He et al. use for 32x32 images, 64 wide."""
    twin = ResNet(BasicBlock, [3, 3, 3, 1])
    twin.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    twin.maxpool, twin.layer4 = nn.Identity(), nn.Identity()
    twin.fc = nn.Linear(256, 10)
    return twin


def test_same_keys_and_same_function_as_torchvision():
    model, twin = ResNet20(64, "B"), torchvision_twin()
    assert list(model.state_dict()) == list(twin.state_dict())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for p in [*twin.parameters(), *(b for b in twin.buffers() if b.is_floating_point())]:
            p.data.uniform_(0.01, 0.05)  # BN statistics too
        x = torch.randn(2, 3, 32, 32)
    model.load_state_dict(twin.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(x), twin.eval()(x))


@pytest.mark.parametrize(
    ("width", "shortcut", "count"),
    [(16, "A", 269_722), (16, "B", 272_474), (64, "A", 4_286_026), (64, "B", 4_327_754)],
)
def test_parameter_counts(width, shortcut, count):
    assert sum(p.numel() for p in ResNet20(width, shortcut).parameters()) == count


@pytest.mark.parametrize("width", [1, 4, 16])
@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("classes", [10, 100])
def test_shapes_and_gradients(width, shortcut, classes):
    model = ResNet20(width, shortcut, classes)
    x = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    scores = model(x)
    assert scores.shape == (3, classes)
    scores.square().sum().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
    if width > 1:  # a single filter may be dead
        assert all(p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize(("c_in", "c_out"), [(4, 8), (1, 2), (3, 8)])
def test_zero_padding_shortcut_by_loops(c_in, c_out):
    x = torch.randn(2, c_in, 6, 6, generator=torch.Generator().manual_seed(0))
    out = ZeroPadShortcut(c_in, c_out)(x)
    assert out.shape == (2, c_out, 3, 3)
    before = (c_out - c_in) // 2
    for c in range(c_out):
        for i in range(3):
            for j in range(3):
                inside = before <= c < before + c_in
                expected = x[:, c - before, 2 * i, 2 * j] if inside else torch.zeros(2)
                assert torch.equal(out[:, c, i, j], expected)


def test_shortcuts_have_the_parameters_they_should():
    a, b = (dict(ResNet20(16, option).named_parameters()) for option in "AB")
    extra = set(b) - set(a)
    assert set(a) < set(b)
    assert extra == {
        f"layer{i}.0.downsample.{p}" for i in (2, 3) for p in ("0.weight", "1.weight", "1.bias")
    }


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    first, second, other = ResNet20(seed=1), ResNet20(seed=1), ResNet20(seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)
    assert not torch.equal(first.fc.weight, other.fc.weight)


def test_convolutions_start_as_he_et_al_say():
    w = ResNet20().layer3[0].conv1.weight  # (64, 32, 3, 3): "fan out" counts the 64
    assert w.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("channels_last", [False, True])
def test_ready_to_run_is_a_copy_of_the_same_function(channels_last):
    model, x = ResNet20(4), torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model(x + 1)  # BN statistics that are not 0 and 1
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    folded = ready_to_run(model, channels_last)
    assert model.training, "the network itself stays in its mode"
    assert all(torch.equal(tensor, before[n]) for n, tensor in model.state_dict().items())
    with torch.no_grad():
        torch.testing.assert_close(folded(x), model.eval()(x), rtol=1e-4, atol=1e-5)
    weight = folded.get_parameter("layer1.0.conv1.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last


def test_prunable_is_conv_and_linear_weights_in_order():
    model = ResNet20(16, "B")
    weights = prunable(model)
    expected = [n for n, p in model.named_parameters() if n.endswith("weight") and p.dim() > 1]
    assert list(weights) == expected
    assert all(weights[n] is p for n, p in model.named_parameters() if n in weights)
    assert list(prunable(nn.Conv1d(2, 2, 3))) == ["weight"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width must be a whole number, 1 or more, got 0"),
        ({"width": 2.5}, r"width must be a whole number, 1 or more, got 2\.5"),
        ({"num_classes": -1}, "num_classes must be a whole number, 1 or more, got -1"),
        ({"shortcut": "C"}, 'shortcut must be "A" or "B", got \'C\''),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNet20(**arguments)


def test_a_weight_that_two_layers_share_is_pruned_once():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    model = nn.Sequential(first, second, nn.Linear(3, 1), first)
    assert list(prunable(model)) == ["0.weight", "2.weight"]
    assert list(prunable_layers(model)) == ["0", "1", "2"]


def test_transposed_convolutions_are_not_pruned():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ConvTranspose2d(2, 1, 3))
    assert list(prunable(model)) == ["0.weight"]


def test_nothing_to_prune():
    with pytest.raises(ValueError, match="BatchNorm2d has no convolution or linear layer"):
        prunable(nn.BatchNorm2d(3))
