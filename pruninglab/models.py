"""ResNet-20 for 32x32 images (He et al. 2015, section 4.2), with torchvision's parameter names."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse
from torch.nn import functional as F

from pruninglab.layers import Layer, network, prunable, prunable_layers

__all__ = [
    "Block",
    "Layer",
    "ResNet20",
    "SelectShortcut",
    "ZeroPadShortcut",
    "make_shortcut",
    "make_stage",
    "prunable",
    "prunable_layers",
    "ready_to_run",
]

Shortcut = Literal["A", "B"]


class ZeroPadShortcut(nn.Module):
    """Option A of He et al. 2015: take every second pixel, fill the new channels with zeros.

    It has no parameters. `(N, c_in, H, W) -> (N, c_out, H/2, W/2)`.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.extra = c_out - c_in

    def forward(self, x: Tensor) -> Tensor:
        """Map images `(N, c_in, H, W)` to half their size."""
        before = self.extra // 2
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, before, self.extra - before))


class SelectShortcut(nn.Module):
    """Option A in a network that lost channels: chosen channels to chosen places, zeros elsewhere.

    `(N, c_in, H, W) -> (N, c_out, H/2, W/2)`; output channel `targets[i]` is every second pixel of
    input channel `sources[i]`. It has no parameters.

    Args:
        sources: `(L,)` int64, each in 0 .. c_in - 1.
        targets: `(L,)` int64, each in 0 .. c_out - 1, no two alike.
        c_out: number of output channels.

    >>> shortcut = SelectShortcut(torch.tensor([1]), torch.tensor([2]), c_out=3)
    >>> shortcut(torch.arange(2.0).view(1, 2, 1, 1)).flatten().tolist()
    [0.0, 0.0, 1.0]
    """

    origin: Tensor  # (c_out,): which input channel arrives here; -1 is the one of zeros

    def __init__(self, sources: Tensor, targets: Tensor, c_out: int) -> None:
        super().__init__()
        origin = torch.full((c_out,), -1)
        origin[targets] = sources
        self.register_buffer("origin", origin)

    def forward(self, x: Tensor) -> Tensor:
        """Map images `(N, c_in, H, W)` to half their size."""
        with_zeros = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 1))  # (N, c_in + 1, H/2, W/2)
        return with_zeros[:, self.origin]


def make_shortcut(c_in: int, c_out: int, option: Shortcut) -> nn.Module:
    """Make the path around a block that halves the image: zeros ("A") or a convolution and BN."""
    if option == "A":
        return ZeroPadShortcut(c_in, c_out)
    return nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=2, bias=False), nn.BatchNorm2d(c_out))


class Block(nn.Module):
    """Two 3x3 convolutions and an addition: `relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))`.

    `middle` is the number of filters of conv1. Nothing outside the block sees them, so they may be
    removed freely; the filters of conv2 are tied to the shortcut by the addition.
    """

    def __init__(self, c_in: int, middle: int, c_out: int, stride: int, option: Shortcut) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, middle, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, c_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.downsample = make_shortcut(c_in, c_out, option) if stride != 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """Map features `(N, c_in, H, W)` to `(N, c_out, H / stride, W / stride)`."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + shortcut)


class ResNet20(nn.Module):
    """The CIFAR ResNet-20: a stem, three stages of three blocks (16, 32, 64 filters), a classifier.

    Args:
        width: filters of the first stage (the second has twice, the third four times as many).
        shortcut: "A" (zero padding, no parameters) or "B" (1x1 convolution and BN).
        num_classes: 10 for CIFAR-10, 100 for CIFAR-100.
        seed: of the first weights; the global generator is left alone.

    Raises:
        ValueError: `width` or `num_classes` is not a whole number of 1 or more, or a shortcut other
            than "A" and "B".

    >>> model = ResNet20()
    >>> model(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    >>> sum(p.numel() for p in model.parameters())
    272474
    """

    def __init__(
        self, width: int = 16, shortcut: Shortcut = "B", num_classes: int = 10, seed: int = 0
    ) -> None:
        super().__init__()
        for name, count in (("width", width), ("num_classes", num_classes)):
            if not isinstance(count, int) or count < 1:
                raise ValueError(f"{name} must be a whole number, 1 or more, got {count!r}")
        if shortcut not in ("A", "B"):
            raise ValueError(f'shortcut must be "A" or "B", got {shortcut!r}')
        self.width, self.shortcut = width, shortcut
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._build(width, shortcut, num_classes)

    def _build(self, width: int, shortcut: Shortcut, num_classes: int) -> None:
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = make_stage(width, width, stride=1, option=shortcut)
        self.layer2 = make_stage(width, 2 * width, stride=2, option=shortcut)
        self.layer3 = make_stage(2 * width, 4 * width, stride=2, option=shortcut)
        self.fc = nn.Linear(4 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map images `(N, 3, 32, 32)` float, normalised, to class scores `(N, num_classes)`."""
        x = F.relu(self.bn1(self.conv1(x)))  # (N, w, 32, 32)
        x = self.layer3(self.layer2(self.layer1(x)))  # (N, 4w, 8, 8)
        return self.fc(x.mean(dim=(2, 3)))  # (N, 4w) -> (N, num_classes)


def make_stage(c_in: int, c_out: int, stride: int, option: Shortcut) -> nn.Sequential:
    """Make three blocks; the first one changes the number of channels and the image size."""
    first = Block(c_in, c_out, c_out, stride, option)
    return nn.Sequential(first, *(Block(c_out, c_out, c_out, 1, option) for _ in range(2)))


def ready_to_run(model: nn.Module, channels_last: bool = False) -> nn.Module:
    """Make a faster copy for inference, with batch normalisation folded into the convolutions.

    In evaluation mode BN is a scale and a shift per channel, so the outputs stay the same but for
    rounding. The copy is not for training.

    Args:
        model: a network without data-dependent control flow, e.g. `ResNet20`, shrunk or not.
        channels_last: lay out the weights so that the channels of a pixel are side by side; give
            the copy inputs in `torch.channels_last`, too.

    Raises:
        ValueError: torch.nn.utils.prune or a parametrization computes a weight; or see
            `layers.network`.

    >>> folded = ready_to_run(ResNet20(width=1))
    >>> any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    False
    """
    model = network(model)
    for name, layer in prunable_layers(model).items():
        if "weight" not in layer._parameters:  # folding would be undone by the next forward pass
            raise ValueError(
                f"{name or 'the'} weight is computed from other tensors: first make it plain, with "
                "masks.remove_torch(model) or torch.nn.utils.parametrize.remove_parametrizations"
            )
    folded = fuse(copy.deepcopy(model).eval())
    return folded.to(memory_format=torch.channels_last) if channels_last else folded
