"""The exercises of lab 5, "Speed": what pruning is worth in bytes and in seconds."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.models import Block, ResNet20, SelectShortcut, ZeroPadShortcut


def conv_macs(conv: nn.Conv2d, height: int, width: int) -> int:
    """Count the multiplications of a convolution for one image, without running it.

    Each output pixel of each filter is one sum over `in * kh * kw` products, and each product is
    one multiply-accumulate (MAC). Products with the zeros of the padding count, a bias does not.

    Args:
        conv: a convolution `in -> out` channels with kernel `(kh, kw)`, any stride and padding
            (both are pairs, vertical first), without dilation and without groups.
        height, width: size of its input image in pixels, at least the kernel's.

    Returns:
        MACs for one image of `(in, height, width)`.

    >>> conv_macs(nn.Conv2d(3, 16, kernel_size=3, padding=1), height=32, width=32)
    442368
    """
    ### BEGIN SOLUTION
    (kh, kw), (sy, sx) = conv.kernel_size, conv.stride
    rows = (height + 2 * int(conv.padding[0]) - kh) // sy + 1
    columns = (width + 2 * int(conv.padding[1]) - kw) // sx + 1
    return conv.out_channels * rows * columns * conv.in_channels * kh * kw
    ### END SOLUTION


def race(
    contestants: dict[str, Callable[[], object]],
    warmup: int,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Time several functions fairly: warm up, take turns, time each run alone, take the median.

    First each contestant runs `warmup` times without being timed. Then come `rounds` rounds; in
    each round every contestant runs once, in the order of the dict, and is timed alone. So a busy
    moment of the machine hits all of them alike, and one slow run does not move the result.

    Args:
        contestants: name -> function without arguments.
        warmup: untimed runs of each, 0 or more.
        rounds: timed runs of each, 1 or more.
        clock: gives the time in seconds. Read it right before and right after each timed run.

    Returns:
        name -> median of its `rounds` times in seconds (for an even number of rounds the mean of
        the two in the middle), in the order of `contestants`.

    >>> seconds = race({"sum": lambda: sum(range(100)), "nothing": lambda: None}, 1, rounds=3)
    >>> list(seconds)
    ['sum', 'nothing']
    """
    ### BEGIN SOLUTION
    for run in contestants.values():
        for _ in range(warmup):
            run()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = clock()
            run()
            seconds[name].append(clock() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}
    ### END SOLUTION


def stored_bytes(mask: Tensor, value_bytes: int = 4, index_bytes: int = 4) -> dict[str, int]:
    """Say what a pruned weight costs in memory, with all that is needed to find its values again.

    A weight `(out, in, kh, kw)` or `(out, in)` is stored as a matrix with one row per filter.

    Args:
        mask: bool, True = keep; the other entries are 0.
        value_bytes: size of one value (4 for float32, 1 after quantisation to 8 bits).
        index_bytes: size of one index (4 for int32).

    Returns:
        "dense": every entry, zeros included;
        "bitmask": one bit per entry (in whole bytes, rounded up), then the kept values;
        "csr": compressed sparse rows: the kept values, for each of them its column, and `rows + 1`
        indices that say where each row begins and where the last one ends.

    >>> stored_bytes(torch.tensor([[True, False, False], [True, True, False]]))
    {'dense': 24, 'bitmask': 13, 'csr': 36}
    """
    ### BEGIN SOLUTION
    kept = int(mask.sum())
    return {
        "dense": mask.numel() * value_bytes,
        "bitmask": (mask.numel() + 7) // 8 + kept * value_bytes,
        "csr": kept * (value_bytes + index_bytes) + (len(mask) + 1) * index_bytes,
    }
    ### END SOLUTION


def coupled_groups(model: nn.Module) -> dict[str, list[str]]:
    """Find which convolutions of a ResNet-20 must lose the same filters.

    All feature maps that are added to each other need the same channels. Within a stage the
    additions make a chain: whatever writes on that stage's residual stream is one group. A
    convolution whose feature map is added to nothing is a group of its own.

    Args:
        model: a `ResNet20` of any width, with shortcut "A" or "B".

    Returns:
        group -> names of the convolutions (as in `model.named_modules()`) whose *filters* go
        together. The group of a stream is called after its stage ("layer1", "layer2", "layer3"),
        that of a single convolution after itself. Each convolution is in exactly one group. Any
        order.

    >>> groups = coupled_groups(ResNet20())
    >>> len(groups), groups["layer2.0.conv1"]
    (12, ['layer2.0.conv1'])
    """
    ### BEGIN SOLUTION
    groups: dict[str, list[str]] = {"layer1": ["conv1"]}  # the stem begins the first stream
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and name != "conv1":
            stage = name.split(".")[0]
            groups.setdefault(name if name.endswith("conv1") else stage, []).append(name)
    return groups
    ### END SOLUTION


def cut(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Make a smaller convolution, and the batch normalisation behind it, on both sides at once.

    Args:
        conv: `in -> out` channels, with or without bias, no groups. Not changed.
        bn: the batch normalisation behind it, `out` channels. Not changed.
        inputs: bool `(in,)`, True = this channel still arrives; at least one.
        filters: bool `(out,)`, True = this filter stays; at least one.

    Returns:
        New `conv` and `bn` with their parameters, running statistics *and* attributes
        (`in_channels`, `out_channels`, `num_features`) in their new size, all else as it was.

    >>> inputs, filters = torch.tensor([True, False, True]), torch.tensor([False, True])
    >>> cut(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), inputs, filters)[0]
    Conv2d(2, 1, kernel_size=(1, 1), stride=(1, 1))
    """
    ### BEGIN SOLUTION
    conv, bn = copy.deepcopy((conv, bn))
    conv.weight = nn.Parameter(conv.weight.data[filters][:, inputs])  # (out, in, kh, kw)
    if conv.bias is not None:
        conv.bias = nn.Parameter(conv.bias.data[filters])
    bn.weight = nn.Parameter(bn.weight.data[filters])
    bn.bias = nn.Parameter(bn.bias.data[filters])
    for name in ("running_mean", "running_var"):
        setattr(bn, name, getattr(bn, name)[filters])
    conv.in_channels = int(inputs.sum())
    conv.out_channels = bn.num_features = int(filters.sum())
    return conv, bn
    ### END SOLUTION


def shortcut_links(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """Follow the channels through option A's zero padding once some are gone on either side.

    Between two stages option A puts `(c_out - c_in) // 2` channels of zeros before the `c_in` that
    it carries, and the rest of the zeros behind them (`pruninglab.models.ZeroPadShortcut`). Of
    these channels only those of `keep_in` still arrive and only those of `keep_out` are wanted.

    Args:
        keep_in: bool `(c_in,)`: the channels that stay in the stage before.
        keep_out: bool `(c_out,)`, c_out >= c_in: the channels that stay in the stage after.

    Returns:
        sources, targets: two int64 tensors of equal length, in any order. Kept input channel
        `sources[i]` becomes kept output channel `targets[i]`; both are counted *among the kept*,
        from 0. Kept output channels that no pair names receive zeros.

    >>> shortcut_links(torch.tensor([False, True]), torch.tensor([True, False, True, True]))
    (tensor([0]), tensor([1]))
    """
    ### BEGIN SOLUTION
    before = (len(keep_out) - len(keep_in)) // 2
    carried = slice(before, before + len(keep_in))
    linked = torch.zeros_like(keep_out)
    linked[carried] = keep_in & keep_out[carried]  # (c_out,), in the old numbering
    sources = linked[carried][keep_in].nonzero().flatten()
    targets = linked[keep_out].nonzero().flatten()
    return sources, targets
    ### END SOLUTION


def shrink_resnet(model: ResNet20, keep: dict[str, Tensor]) -> ResNet20:
    """Make a really smaller ResNet-20 that computes what the silenced one does.

    The output equals, to rounding, that of `model` with every feature map outside `keep` set to
    zero wherever it arises: behind the BN of a single convolution, behind each addition of a
    stream (and behind the stem, which begins the stream of "layer1").

    Args:
        model: a `ResNet20` of any width, with shortcut "A" or "B", not shrunk yet. Not changed.
        keep: for every group of `coupled_groups(model)` a bool tensor with one entry per filter,
            True = keep; at least one True.

    Returns:
        The smaller network, its batch normalisation in the mode of `model`. Option A's
        `ZeroPadShortcut` is replaced by a `SelectShortcut(sources, targets, c_out)`. All layers are
        of classes of PyTorch or `pruninglab.models`; the grader rebuilds no others.

    >>> model = ResNet20(width=2)
    >>> keep = {name: torch.tensor([True, False]) for name in coupled_groups(model)}
    >>> keep |= {n: torch.arange(4) > 0 for n in keep if n.startswith("layer2")}
    >>> keep |= {n: torch.arange(8) > 0 for n in keep if n.startswith("layer3")}
    >>> shrink_resnet(model, keep).layer3[0].conv1
    Conv2d(3, 7, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
    """
    ### BEGIN SOLUTION
    small, stream = copy.deepcopy(model), keep["layer1"]
    image = torch.ones(model.conv1.in_channels, dtype=torch.bool)  # no colour is removed
    small.conv1, small.bn1 = cut(small.conv1, small.bn1, image, stream)
    blocks = [(n, block) for n, block in small.named_modules() if isinstance(block, Block)]
    for name, block in blocks:
        middle, out = keep[f"{name}.conv1"], keep[name.split(".")[0]]
        block.conv1, block.bn1 = cut(block.conv1, block.bn1, stream, middle)
        block.conv2, block.bn2 = cut(block.conv2, block.bn2, middle, out)
        shortcut: Any = block.downsample
        if isinstance(shortcut, ZeroPadShortcut):
            block.downsample = SelectShortcut(*shortcut_links(stream, out), int(out.sum()))
        elif shortcut is not None:
            shortcut[0], shortcut[1] = cut(shortcut[0], shortcut[1], stream, out)
        stream = out
    small.fc.weight = nn.Parameter(small.fc.weight.data[:, stream])
    small.fc.in_features = int(stream.sum())
    return small
    ### END SOLUTION


def choose_widths(
    scan: dict[str, dict[int, float]], macs: dict[str, int], budget: int
) -> dict[str, int]:
    """Decide how many filters each convolution keeps, to save `budget` MACs at a good accuracy.

    This task is open: every choice that saves enough MACs and leaves a network that is accurate
    enough on images that nobody has looked at is right. The grader removes the filters with the
    smallest L1 norms, as in `keep_strongest`, trains nothing, and measures.

    Args:
        scan: name of a convolution -> {filters kept: accuracy of the network if only *this* layer
            keeps so few}. The largest number of filters is all that the layer has.
        macs: name -> MACs of the network that are saved for each filter that this layer loses.
        budget: MACs to save, no more than the smallest widths of the scan save.

    Returns:
        For each name in `scan` how many filters it keeps, an int from 1 to all of them. Together
        they save `budget` or more. The arguments are not changed.

    >>> scan = {"a": {4: 0.9, 2: 0.9, 1: 0.8}, "b": {4: 0.9, 2: 0.5, 1: 0.1}}
    >>> choose_widths(scan, {"a": 100, "b": 100}, budget=200)
    {'a': 2, 'b': 4}
    """
    ### BEGIN SOLUTION
    keep = {name: max(row) for name, row in scan.items()}
    while sum(macs[n] * (max(row) - keep[n]) for n, row in scan.items()) < budget:
        prices = {}  # accuracy lost per MAC saved, of every next step
        for name, row in scan.items():
            for width in (w for w in row if w < keep[name]):
                lost = row[keep[name]] - row[width] + 0.001  # of two free steps the larger one
                prices[name, width] = lost / (macs[name] * (keep[name] - width))
        cheapest, width = min(prices, key=prices.__getitem__)
        keep[cheapest] = width
    return keep
    ### END SOLUTION
