"""What students write instead, for each exercise of lab 5.

MISTAKES are wrong, and the first paragraph of each one's docstring is the hint that a student
gets who makes it. ALTERNATIVES are right in another way than `speed`, and must pass.
"""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pruninglab.models import Block, ResNet20, SelectShortcut, ZeroPadShortcut
from solutions.lab1_structures.exercises import remove_filters
from solutions.lab5_speed import exercises as speed

Runs = dict[str, Callable[[], object]]
Clock = Callable[[], float]
Keep = dict[str, Tensor]
Pair = tuple[nn.Conv2d, nn.BatchNorm2d]
Groups = dict[str, list[str]]

# --- conv_macs ----------------------------------------------------------------------------------


def output_size(conv: Any, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the output image."""
    sides = zip((height, width), conv.kernel_size, conv.stride, conv.padding, strict=True)
    rows, columns = ((n + 2 * int(p) - k) // s + 1 for n, k, s, p in sides)
    return rows, columns


def conv_macs_input_size(conv: nn.Conv2d, height: int, width: int) -> int:
    """You count a product for each pixel of the *input*: with a stride the output has fewer."""
    return conv.weight.numel() * height * width


def conv_macs_stride_only(conv: nn.Conv2d, height: int, width: int) -> int:
    """You only divide the image by the stride: without enough padding a kernel eats the border."""
    return conv.weight.numel() * (height // conv.stride[0]) * (width // conv.stride[1])


def conv_macs_no_padding(conv: nn.Conv2d, height: int, width: int) -> int:
    """The padding is missing: it makes the image larger before the kernel slides over it."""
    (kh, kw), (sy, sx) = conv.kernel_size, conv.stride
    return conv.weight.numel() * ((height - kh) // sy + 1) * ((width - kw) // sx + 1)


def conv_macs_padding_once(conv: nn.Conv2d, height: int, width: int) -> int:
    """The padding is there once, and an image has two borders."""
    (kh, kw), (sy, sx) = conv.kernel_size, conv.stride
    rows = (height + int(conv.padding[0]) - kh) // sy + 1
    return conv.weight.numel() * rows * ((width + int(conv.padding[1]) - kw) // sx + 1)


def conv_macs_one_too_few(conv: Any, height: int, width: int) -> int:
    """One position is missing on each side: a kernel as large as the image fits *once*."""
    sides = zip((height, width), conv.kernel_size, conv.stride, conv.padding, strict=True)
    rows, columns = ((n + 2 * int(p) - k) // s for n, k, s, p in sides)
    return conv.weight.numel() * rows * columns


def conv_macs_flops(conv: nn.Conv2d, height: int, width: int) -> int:
    """Yours is twice the number: a multiplication *with* its addition is one MAC (two FLOPs)."""
    return 2 * speed.conv_macs(conv, height, width)


def conv_macs_one_filter(conv: nn.Conv2d, height: int, width: int) -> int:
    """This is one filter: the convolution has `out_channels` of them."""
    return speed.conv_macs(conv, height, width) // conv.out_channels


def conv_macs_one_channel(conv: nn.Conv2d, height: int, width: int) -> int:
    """Each filter looks at *all* input channels: they are missing in your product."""
    return speed.conv_macs(conv, height, width) // conv.in_channels


def conv_macs_weights(conv: nn.Conv2d, height: int, width: int) -> int:
    """This is the number of weights: each of them is used again at every output pixel."""
    return conv.weight.numel()


def conv_macs_with_bias(conv: nn.Conv2d, height: int, width: int) -> int:
    """You count the bias: it is added, and multiplied with nothing."""
    rows, columns = output_size(conv, height, width)
    extra = 0 if conv.bias is None else conv.out_channels * rows * columns
    return speed.conv_macs(conv, height, width) + extra


def conv_macs_square(conv: nn.Conv2d, height: int, width: int) -> int:
    """You take image and kernel for squares: rows and columns may differ in everything."""
    rows, _ = output_size(conv, height, height)
    return conv.in_channels * conv.out_channels * conv.kernel_size[0] ** 2 * rows**2


def conv_macs_by_running(conv: nn.Conv2d, height: int, width: int) -> int:
    """Runs the convolution and looks at the size of its output."""
    with torch.no_grad():
        out = conv(torch.zeros(1, conv.in_channels, height, width))
    return out[0, 0].numel() * conv.weight.numel()


def conv_macs_flop_counter(conv: nn.Conv2d, height: int, width: int) -> int:
    """Torch's own counter."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        conv(torch.zeros(1, conv.in_channels, height, width))
    return counter.get_total_flops() // 2


def conv_macs_positions(conv: Any, height: int, width: int) -> int:
    """Counts the places where the kernel may begin."""
    sides = zip((height, width), conv.kernel_size, conv.stride, conv.padding, strict=True)
    rows, columns = (len(range(0, n + 2 * int(p) - k + 1, s)) for n, k, s, p in sides)
    return int(np.prod(conv.weight.shape)) * rows * columns


# --- race ---------------------------------------------------------------------------------------


def timed(run: Callable[[], object], clock: Clock) -> float:
    """Seconds of one run."""
    start = clock()
    run()
    return clock() - start


def warm(contestants: Runs, warmup: int) -> None:
    """Runs that nobody times."""
    for run in contestants.values():
        for _ in range(warmup):
            run()


def rounds_of(contestants: Runs, rounds: int, clock: Clock) -> dict[str, list[float]]:
    """All times, taken in turns."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, run in contestants.items():
            seconds[name].append(timed(run, clock))
    return seconds


def race_mean(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Yours is the mean, which a single slow run moves: take the median."""
    warm(contestants, warmup)
    return {n: statistics.mean(s) for n, s in rounds_of(contestants, rounds, clock).items()}


def race_fastest(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Yours is the fastest run: take the median."""
    warm(contestants, warmup)
    return {n: min(s) for n, s in rounds_of(contestants, rounds, clock).items()}


def race_no_warmup(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """The first runs, which allocate memory and choose kernels, are among your times: warm up."""
    return {n: statistics.median(s) for n, s in rounds_of(contestants, rounds, clock).items()}


def race_warmup_counts_as_rounds(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Your warm-up is taken off the rounds: there are `rounds` timed runs *after* it."""
    times = rounds_of(contestants, max(rounds, warmup + 1), clock)
    return {n: statistics.median(s[warmup:]) for n, s in times.items()}


def race_warmup_timed(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """The warm-up runs are in your median: they are not to be timed."""
    times = rounds_of(contestants, warmup + rounds, clock)
    return {n: statistics.median(s) for n, s in times.items()}


def race_one_after_the_other(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """One contestant has all its runs before the next begins: a busy moment then hits only one."""
    warm(contestants, warmup)
    return {
        name: statistics.median([timed(run, clock) for _ in range(rounds)])
        for name, run in contestants.items()
    }


def race_lower_median(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """With an even number of rounds there are two times in the middle: take their mean."""
    warm(contestants, warmup)
    times = rounds_of(contestants, rounds, clock)
    return {n: statistics.median_low(s) for n, s in times.items()}


def race_middle_unsorted(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """You take the run in the middle of the race: sort the times first."""
    warm(contestants, warmup)
    times = rounds_of(contestants, rounds, clock)
    return {n: (s[(rounds - 1) // 2] + s[rounds // 2]) / 2 for n, s in times.items()}


def race_milliseconds(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Yours are milliseconds: seconds are asked."""
    return {n: 1000 * s for n, s in speed.race(contestants, warmup, rounds, clock).items()}


def race_start_once(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Your stopwatch starts once a round, so a contestant also pays for those before it."""
    warm(contestants, warmup)
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        start = clock()
        for name, run in contestants.items():
            run()
            seconds[name].append(clock() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def race_own_clock(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """You read a clock of your own: use the `clock` that is passed in."""
    return speed.race(contestants, warmup, rounds)


def race_all_times(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Do you return all times? The median of each contestant is asked."""
    warm(contestants, warmup)
    return dict(rounds_of(contestants, rounds, clock))


def race_numpy(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """A table of times, its median along the rounds."""
    for name in contestants:
        for _ in range(warmup):
            contestants[name]()
    table = np.array(
        [[timed(run, clock) for run in contestants.values()] for _ in range(rounds)], dtype=float
    )
    return dict(zip(contestants, np.median(table, axis=0), strict=True))


def race_sorted(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Sorted lists; the warm-up in turns, too; two readings of the clock kept."""
    for _ in range(warmup):
        for run in contestants.values():
            run()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name in contestants:
            before = clock()
            contestants[name]()
            after = clock()
            times[name].append(after - before)
    ordered = {name: sorted(values) for name, values in times.items()}
    return {n: (s[(rounds - 1) // 2] + s[rounds // 2]) / 2 for n, s in ordered.items()}


def race_torch(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Torch's `quantile`, because its `median` is the lower one of two."""
    return {name: t.item() for name, t in race_tensors(contestants, warmup, rounds, clock).items()}


def race_tensors(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, Tensor]:
    """Your times are tensors that hold one number each: `.item()` takes it out."""
    warm(contestants, warmup)
    times = rounds_of(contestants, rounds, clock)
    return {n: torch.tensor(s, dtype=torch.float64).quantile(0.5) for n, s in times.items()}


# --- stored_bytes -------------------------------------------------------------------------------


def stored_bytes_no_indices(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """Your CSR holds the values alone: how would a reader know where they belong?"""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    return right | {"csr": int(mask.sum()) * value_bytes}


def stored_bytes_no_row_starts(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """Your CSR knows each value's column and not its row: the row starts are missing."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    return right | {"csr": int(mask.sum()) * (value_bytes + index_bytes)}


def stored_bytes_rows_without_end(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """One index is missing in your CSR: where does the last row end?"""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    return right | {"csr": right["csr"] - index_bytes}


def stored_bytes_coordinates(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """You store a row *and* a column for each value: that is COO, not CSR."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    return right | {"csr": int(mask.sum()) * (value_bytes + 2 * index_bytes)}


def stored_bytes_last_dimension(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """Your matrix has a row per kernel row: it has one per *filter*, the first dimension."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    rows = mask.numel() // mask.shape[-1]
    csr = int(mask.sum()) * (value_bytes + index_bytes) + (rows + 1) * index_bytes
    return right | {"csr": csr}


def stored_bytes_pruned(mask: Tensor, value_bytes: int = 4, index_bytes: int = 4) -> dict[str, int]:
    """You store the entries that are False: those are the zeros."""
    right = speed.stored_bytes(~mask, value_bytes, index_bytes)
    return right


def stored_bytes_dense_without_zeros(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """Your dense tensor leaves out the zeros: dense means that they are stored like all others."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    return right | {"dense": int(mask.sum()) * value_bytes}


def stored_bytes_bits(mask: Tensor, value_bytes: int = 4, index_bytes: int = 4) -> dict[str, int]:
    """Your bitmask has one *byte* per entry: a byte holds eight bits."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    return right | {"bitmask": mask.numel() + int(mask.sum()) * value_bytes}


def stored_bytes_floor(mask: Tensor, value_bytes: int = 4, index_bytes: int = 4) -> dict[str, int]:
    """Nine bits need two bytes: round up."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    return right | {"bitmask": mask.numel() // 8 + int(mask.sum()) * value_bytes}


def stored_bytes_mask_alone(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """Your bitmask says where the kept values are, and the values themselves are missing."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    return right | {"bitmask": (mask.numel() + 7) // 8}


def stored_bytes_always_four(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """You count four bytes each, whatever `value_bytes` and `index_bytes` say."""
    return speed.stored_bytes(mask)


def stored_bytes_tensors(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """Builds what is stored and measures it."""
    matrix = mask.reshape(mask.shape[0], -1).numpy()
    rows, columns = matrix.nonzero()
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(matrix)))])
    bits = np.packbits(matrix.flatten())
    return {
        "dense": matrix.size * value_bytes,
        "bitmask": bits.nbytes + len(columns) * value_bytes,
        "csr": (len(columns) + len(starts)) * index_bytes + len(columns) * value_bytes,
    }


def stored_bytes_ceil(mask: Tensor, value_bytes: int = 4, index_bytes: int = 4) -> dict[str, float]:
    """Floating-point numbers with whole values; another order."""
    kept = mask.float().sum().item()
    csr = kept * value_bytes + kept * index_bytes + (mask.size(0) + 1) * index_bytes
    dense = float(mask.nelement() * value_bytes)
    return {"csr": csr, "dense": dense, "bitmask": math.ceil(mask.numel() / 8) + kept * value_bytes}


def stored_bytes_by_row(mask: Tensor, value_bytes: int = 4, index_bytes: int = 4) -> dict[str, int]:
    """Row by row."""
    total = {"dense": 0, "bitmask": -(-mask.numel() // 8), "csr": index_bytes}
    for row in mask.flatten(1):
        kept = int(torch.count_nonzero(row))
        total["dense"] += len(row) * value_bytes
        total["bitmask"] += kept * value_bytes
        total["csr"] += index_bytes + kept * value_bytes + kept * index_bytes
    return total


# --- coupled_groups -----------------------------------------------------------------------------


def convs(model: nn.Module) -> list[str]:
    """The names of all convolutions."""
    return [name for name, m in model.named_modules() if isinstance(m, nn.Conv2d)]


def coupled_groups_no_stem(model: nn.Module) -> Groups:
    """The stem is alone with you: its feature map is what the first block adds to."""
    groups = speed.coupled_groups(model)
    groups["layer1"] = groups["layer1"][1:]
    return {"conv1": ["conv1"]} | groups


def coupled_groups_forgets_stem(model: nn.Module) -> Groups:
    """A convolution is missing, the first of the network: on which stream does it write?"""
    groups = speed.coupled_groups(model)
    return groups | {"layer1": groups["layer1"][1:]}


def coupled_groups_shortcut_alone(model: nn.Module) -> Groups:
    """The 1x1 convolution of a shortcut is alone with you: what is its feature map added to?"""
    groups = {}
    for name, members in speed.coupled_groups(model).items():
        groups[name] = [m for m in members if "downsample" not in m]
        groups |= {m: [m] for m in members if "downsample" in m}
    return groups


def coupled_groups_no_shortcut(model: nn.Module) -> Groups:
    """The 1x1 convolutions of the shortcuts are missing: option B has one at each new stage."""
    groups = speed.coupled_groups(model)
    return {name: [m for m in members if "downsample" not in m] for name, members in groups.items()}


def coupled_groups_per_block(model: nn.Module) -> Groups:
    """You tie blocks one by one: the stream runs on through all blocks of the stage."""
    return {
        (name if name.endswith("conv1") and name != "conv1" else member): [member]
        for name, members in speed.coupled_groups(model).items()
        for member in members
    }


def coupled_groups_whole_stage(model: nn.Module) -> Groups:
    """Two convolutions of a block go together with you: only one of them is added to the stream."""
    groups: Groups = {"layer1": ["conv1"], "layer2": [], "layer3": []}
    for name in convs(model)[1:]:
        groups[name.split(".")[0]].append(name)
    return groups


def coupled_groups_wrong_conv(model: nn.Module) -> Groups:
    """You tie the *first* convolutions of the blocks: follow the feature map that is added."""
    groups: Groups = {"layer1": ["conv1"]}
    for name in convs(model)[1:]:
        free = name.endswith("conv2")
        groups.setdefault(name if free else name.split(".")[0], []).append(name)
    return groups


def coupled_groups_one_stream(model: nn.Module) -> Groups:
    """You tie the stages to each other: between them a shortcut changes the channels."""
    groups = speed.coupled_groups(model)
    stages = ("layer1", "layer2", "layer3")
    tied = [member for stage in stages for member in groups.pop(stage)]
    return {"layer1": tied} | groups


def coupled_groups_streams_only(model: nn.Module) -> Groups:
    """The convolutions that are added to nothing are missing: each is a group of its own."""
    groups = speed.coupled_groups(model)
    return {name: groups[name] for name in ("layer1", "layer2", "layer3")}


def coupled_groups_shortcut_before(model: nn.Module) -> Groups:
    """A shortcut's convolution is with the stage that it *reads*: where do its filters write?"""
    groups = {n: list(members) for n, members in speed.coupled_groups(model).items()}
    for stage, before in (("layer2", "layer1"), ("layer3", "layer2")):
        groups[before] += [m for m in groups[stage] if m.startswith(f"{stage}.0.downsample")]
        groups[stage] = [m for m in groups[stage] if "downsample" not in m]
    return groups


def coupled_groups_parameters(model: nn.Module) -> Groups:
    """You give names of parameters: asked are the names of the layers."""
    groups = speed.coupled_groups(model)
    return {name: [f"{m}.weight" for m in members] for name, members in groups.items()}


def coupled_groups_written_out(model: nn.Module) -> Groups:
    """All of them, by stage and block."""
    groups: Groups = {}
    for stage in (1, 2, 3):
        tied = [f"layer{stage}.{block}.conv2" for block in range(3)]
        shortcut = f"layer{stage}.0.downsample.0"
        tied += ["conv1"] if stage == 1 else [shortcut] if shortcut in convs(model) else []
        groups[f"layer{stage}"] = tied
        groups |= {f"layer{stage}.{b}.conv1": [f"layer{stage}.{b}.conv1"] for b in range(3)}
    return groups


def coupled_groups_by_blocks(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """By the blocks of each stage; tuples."""
    names = {module: name for name, module in model.named_modules()}
    groups: dict[str, tuple[str, ...]] = {}
    for stage in ("layer1", "layer2", "layer3"):
        writers = ["conv1"] if stage == "layer1" else []
        for block in model.get_submodule(stage).children():
            assert isinstance(block, Block)
            groups[names[block.conv1]] = (names[block.conv1],)
            writers.append(names[block.conv2])
            if isinstance(block.downsample, nn.Sequential):
                writers.append(names[block.downsample[0]])
        groups[stage] = tuple(writers)
    return groups


def coupled_groups_by_elimination(model: nn.Module) -> Groups:
    """First the free ones; what is left is tied."""
    inside = [name for name in convs(model) if name.endswith(".conv1")]
    groups = {name: [name] for name in inside} | {f"layer{i}": [] for i in (1, 2, 3)}
    for name in set(convs(model)) - set(inside):
        groups["layer1" if name == "conv1" else name[: len("layer1")]].append(name)
    return groups


# --- cut ----------------------------------------------------------------------------------------


def cut_pairs(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """`weight[filters, inputs]` picks *pairs*: the first filter's first input, and so on."""
    small, bn = speed.cut(conv, bn, inputs, filters)
    small.weight = nn.Parameter(conv.weight.data[filters, inputs])
    return small, bn


def cut_swapped(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """Inputs and filters are swapped: which dimension of (out, in, kh, kw) is which?"""
    small, bn = speed.cut(conv, bn, inputs, filters)
    small.weight = nn.Parameter(conv.weight.data[inputs][:, filters])
    return small, bn


def cut_inputs_left(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The convolution still has kernels for the channels that no longer arrive."""
    return speed.cut(conv, bn, torch.ones_like(inputs), filters)


def cut_filters_left(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The convolution still has all its filters."""
    small = speed.cut(conv, bn, inputs, torch.ones_like(filters))[0]
    return small, speed.cut(conv, bn, inputs, filters)[1]


def cut_bn_left(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The batch normalisation still has all its channels."""
    return speed.cut(conv, bn, inputs, filters)[0], copy.deepcopy(bn)


def cut_fresh_bn(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """Your new BN knows nothing: its γ, β, running mean and variance have to come along."""
    fresh = nn.BatchNorm2d(int(filters.sum())).train(bn.training)
    return speed.cut(conv, bn, inputs, filters)[0], fresh


def cut_statistics_fresh(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> Pair:
    """The running mean and variance are new: they are buffers, and belong to a channel."""
    conv, bn = speed.cut(conv, bn, inputs, filters)
    bn.reset_running_stats()
    return conv, bn


def cut_statistics_left(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> Pair:
    """BN's running mean and variance still have all channels: they are buffers, not parameters."""
    conv, small = speed.cut(conv, bn, inputs, filters)
    small.running_mean, small.running_var = bn.running_mean, bn.running_var
    return conv, small


def cut_bn_by_inputs(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """You cut BN by the inputs: it stands *behind* the convolution, one channel per filter."""
    few = inputs[torch.arange(bn.num_features) % len(inputs)]
    return speed.cut(conv, bn, inputs, filters)[0], speed.cut(conv, bn, inputs, few)[1]


def cut_first_n(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """Your kernels are the *first* ones, not those of the channels that still arrive."""
    small, bn = speed.cut(conv, bn, inputs, filters)
    small.weight = nn.Parameter(conv.weight.data[filters][:, : int(inputs.sum())])
    return small, bn


def cut_inverted(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """You removed what was to stay: True means keep."""
    return speed.cut(conv, bn, ~inputs, ~filters)


def cut_stale_attributes(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> Pair:
    """The tensors shrank but the layers still *say* their old size: see their attributes."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    small.in_channels, small.out_channels = conv.in_channels, conv.out_channels
    small_bn.num_features = bn.num_features
    return small, small_bn


def cut_loses_bias(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """A convolution with bias has lost it."""
    small, bn = speed.cut(conv, bn, inputs, filters)
    small.bias = None
    return small, bn


def cut_loses_stride(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """Stride and padding of the old convolution got lost on the way to the new one."""
    small, bn = speed.cut(conv, bn, inputs, filters)
    small.stride, small.padding = (1, 1), (0, 0)
    return small, bn


def cut_in_place(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The layers that you were given have changed: make new ones."""
    for old, new in zip((conv, bn), speed.cut(conv, bn, inputs, filters), strict=True):
        old.__dict__ |= new.__dict__
    return conv, bn


@torch.no_grad()
def rebuilt(conv: Any, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """New layers by their constructors, filled by indices: in single precision, BN's count at 0."""
    rows, columns = filters.nonzero().flatten(), inputs.nonzero().flatten()
    new = nn.Conv2d(
        len(columns), len(rows), conv.kernel_size, conv.stride, conv.padding,
        conv.dilation, bias=conv.bias is not None, padding_mode=conv.padding_mode,
    )  # fmt: skip
    new.weight.copy_(conv.weight[rows[:, None], columns[None, :]])
    if new.bias is not None and conv.bias is not None:
        new.bias.copy_(conv.bias[rows])
    new_bn = nn.BatchNorm2d(len(rows), eps=bn.eps, momentum=bn.momentum)
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(new_bn, name).copy_(getattr(bn, name)[rows])
    return new.train(conv.training), new_bn.train(bn.training)


def cut_anew(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """New layers by their constructors, in the precision of the old ones."""
    new, new_bn = rebuilt(conv, bn, inputs, filters)
    new.to(conv.weight.dtype), new_bn.to(bn.weight.dtype)
    new_bn.num_batches_tracked = copy.deepcopy(bn.num_batches_tracked)
    for old, layer in ((conv, new), (bn, new_bn)):
        for name, parameter in layer.named_parameters():
            parameter.data = getattr(old, name).data[filters]
    new.weight.data = new.weight.data[:, inputs]
    return new, new_bn


def cut_single_precision(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> Pair:
    """New layers are float32 by default: yours lose the double precision of those passed in."""
    new, new_bn = rebuilt(conv, bn, inputs, filters)
    new_bn.num_batches_tracked = copy.deepcopy(bn.num_batches_tracked)
    return new, new_bn


def cut_forgets_the_count(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> Pair:
    """`num_batches_tracked` starts at 0: it is part of the batch normalisation's state, too."""
    new, new_bn = speed.cut(conv, bn, inputs, filters)
    new_bn.num_batches_tracked = torch.tensor(0)
    return new, new_bn


def cut_loses_dilation(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> Pair:
    """The new convolution has the usual dilation and padding mode, not those of the old one."""
    new, new_bn = speed.cut(conv, bn, inputs, filters)
    new.dilation, new.padding_mode = (1, 1), "zeros"
    return new, new_bn


def cut_square(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """Stride and padding are pairs, and you take the first number for both."""
    new, new_bn = speed.cut(conv, bn, inputs, filters)
    new.stride, new.padding = (conv.stride[0],) * 2, (int(conv.padding[0]),) * 2
    new._reversed_padding_repeated_twice = [int(conv.padding[0])] * 4
    return new, new_bn


def cut_usual_bn(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The new batch normalisation has the usual eps and momentum, not those of the old one."""
    new, new_bn = speed.cut(conv, bn, inputs, filters)
    new_bn.eps, new_bn.momentum = 1e-5, 0.1
    return new, new_bn


def cut_other_mode(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The new batch normalisation is in training mode, whatever the mode of the old one was."""
    new, new_bn = speed.cut(conv, bn, inputs, filters)
    return new, new_bn.train()


def cut_index_select(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> list[nn.Module]:
    """`index_select` on everything that has an entry per filter; a list."""
    index = torch.arange(len(filters))[filters]
    conv, bn = copy.deepcopy(conv), copy.deepcopy(bn)
    for layer in (conv, bn):
        for tensor in (*layer.parameters(), *layer.buffers()):
            if tensor.dim():
                tensor.data = tensor.data.index_select(0, index)
    conv.weight.data = conv.weight.data.index_select(1, torch.arange(len(inputs))[inputs])
    conv.out_channels, conv.in_channels = conv.weight.shape[:2]
    bn.num_features = len(index)
    return [conv, bn]


def cut_by_lab_1(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """Twice lab 1's remove_filters, each time with a layer that is thrown away."""
    before = nn.Conv2d(1, len(inputs), 1), nn.BatchNorm2d(len(inputs))
    conv = remove_filters(*before, conv, inputs)[2]
    behind = nn.Conv2d(len(filters), 1, 1)
    return remove_filters(conv, bn, behind, filters)[:2]


# --- shortcut_links -----------------------------------------------------------------------------


def links(keep_in: Tensor, keep_out: Tensor, before: int) -> list[tuple[int, int]]:
    """Pairs of old channel numbers that survive, if `before` zeros come first."""
    pairs = [(i, i + before) for i in range(len(keep_in)) if i + before < len(keep_out)]
    return [(i, j) for i, j in pairs if keep_in[i] and keep_out[j]]


def renumbered(
    pairs: list[tuple[int, int]], keep_in: Tensor, keep_out: Tensor
) -> tuple[Tensor, Tensor]:
    """The same pairs, counted among the kept."""
    sources = [int(keep_in[:i].sum()) for i, _ in pairs]
    targets = [int(keep_out[:j].sum()) for _, j in pairs]
    return torch.tensor(sources, dtype=torch.int64), torch.tensor(targets, dtype=torch.int64)


def half(keep_in: Tensor, keep_out: Tensor) -> int:
    """Zeros before the carried channels."""
    return (len(keep_out) - len(keep_in)) // 2


def shortcut_links_zeros_behind(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """With you all zeros come behind the carried channels: half of them come before."""
    return renumbered(links(keep_in, keep_out, 0), keep_in, keep_out)


def shortcut_links_zeros_before(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """With you all zeros come before the carried channels: half of them come behind."""
    before = len(keep_out) - len(keep_in)
    return renumbered(links(keep_in, keep_out, before), keep_in, keep_out)


def shortcut_links_rounds_up(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """With an odd number of zeros, the larger part comes behind: yours comes before."""
    before = (len(keep_out) - len(keep_in) + 1) // 2
    return renumbered(links(keep_in, keep_out, before), keep_in, keep_out)


def shortcut_links_padding_of_the_kept(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """You pad between the *kept* numbers of channels: where each belongs is set by the old ones."""
    before = max(int(keep_out.sum()) - int(keep_in.sum()), 0) // 2
    count = min(int(keep_in.sum()), int(keep_out.sum()) - before)
    return torch.arange(count), torch.arange(count) + before


def shortcut_links_old_numbers(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """You give the old channel numbers: in the shrunk network a channel's number is its rank."""
    pairs = links(keep_in, keep_out, half(keep_in, keep_out))
    return torch.tensor([i for i, _ in pairs]), torch.tensor([j for _, j in pairs])


def shortcut_links_old_sources(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """Your targets are counted among the kept, your sources are not."""
    pairs = links(keep_in, keep_out, half(keep_in, keep_out))
    return torch.tensor([i for i, _ in pairs]), renumbered(pairs, keep_in, keep_out)[1]


def shortcut_links_old_targets(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """Your sources are counted among the kept, your targets are not."""
    pairs = links(keep_in, keep_out, half(keep_in, keep_out))
    return renumbered(pairs, keep_in, keep_out)[0], torch.tensor([j for _, j in pairs])


def shortcut_links_ignores_keep_out(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """You link channels that the stage behind has lost: a link needs both of its ends."""
    before = half(keep_in, keep_out)
    pairs = [(i, i + before) for i in range(len(keep_in)) if keep_in[i]]
    return renumbered(pairs, keep_in, keep_out)


def shortcut_links_ignores_keep_in(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """You link channels that no longer arrive: a link needs both of its ends."""
    before = half(keep_in, keep_out)
    pairs = [(i, i + before) for i in range(len(keep_in)) if keep_out[i + before]]
    return renumbered(pairs, keep_in, keep_out)


def shortcut_links_swapped(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """Sources and targets are swapped."""
    sources, targets = speed.shortcut_links(keep_in, keep_out)
    return targets, sources


def shortcut_links_masks(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """Do you return masks? Channel numbers are asked."""
    sources, targets = speed.shortcut_links(keep_in, keep_out)
    from_, to = torch.zeros(int(keep_in.sum())).bool(), torch.zeros(int(keep_out.sum())).bool()
    from_[sources], to[targets] = True, True
    return from_, to


def shortcut_links_one_by_one(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """Channel by channel, backwards."""
    pairs = links(keep_in, keep_out, half(keep_in, keep_out))[::-1]
    return renumbered(pairs, keep_in, keep_out)


def shortcut_links_cumsum(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """A rank is a cumulative sum."""
    first = half(keep_in, keep_out)
    window = keep_out[first : first + len(keep_in)]
    rank_in, rank_out = keep_in.cumsum(0) - 1, keep_out.cumsum(0) - 1
    both = keep_in & window
    return rank_in[both], rank_out[first : first + len(keep_in)][both]


def shortcut_links_by_padding(keep_in: Tensor, keep_out: Tensor) -> list[Tensor]:
    """Pads the channels' numbers as option A pads the channels, with -1 for zeros."""
    extra = len(keep_out) - len(keep_in)
    numbers = torch.where(keep_in, keep_in.cumsum(0) - 1, -1)
    origin = nn.functional.pad(numbers, (extra // 2, extra - extra // 2), value=-1)[keep_out]
    targets = (origin >= 0).nonzero().flatten()
    return [origin[targets], targets]


# --- shrink_resnet ------------------------------------------------------------------------------


def ones(keep: Keep) -> Keep:
    """Masks that keep everything."""
    return {name: torch.ones_like(mask) for name, mask in keep.items()}


def shrink_resnet_free_only(model: ResNet20, keep: Keep) -> ResNet20:
    """Only the free convolutions have shrunk: the streams of the stages are in `keep`, too."""
    streams = {
        n: torch.ones_like(m) for n, m in keep.items() if n in ("layer1", "layer2", "layer3")
    }
    return speed.shrink_resnet(model, keep | streams)


def shrink_resnet_streams_only(model: ResNet20, keep: Keep) -> ResNet20:
    """Only the streams have shrunk: the first convolution of each block is in `keep`, too."""
    free = {n: torch.ones_like(m) for n, m in keep.items() if n.endswith("conv1")}
    return speed.shrink_resnet(model, keep | free)


def shrink_resnet_classifier_left(model: ResNet20, keep: Keep) -> ResNet20:
    """The classifier still expects all channels of the last stage."""
    small = speed.shrink_resnet(model, keep)
    small.fc = copy.deepcopy(model.fc)
    return small


def shrink_resnet_classifier_first_n(model: ResNet20, keep: Keep) -> ResNet20:
    """The classifier keeps its *first* columns, not those of the channels that stay."""
    small = speed.shrink_resnet(model, keep)
    small.fc.weight = nn.Parameter(model.fc.weight.data[:, : small.fc.in_features])
    return small


def shrink_resnet_stale_classifier(model: ResNet20, keep: Keep) -> ResNet20:
    """The classifier's weight shrank, but it still *says* its old size: see its attributes."""
    small = speed.shrink_resnet(model, keep)
    small.fc.in_features = model.fc.in_features
    return small


def shrink_resnet_stem_left(model: ResNet20, keep: Keep) -> ResNet20:
    """The stem still writes all its channels on the first stream."""
    small = speed.shrink_resnet(model, keep)
    small.conv1, small.bn1 = copy.deepcopy((model.conv1, model.bn1))
    return small


def shrink_resnet_same_stream(model: ResNet20, keep: Keep) -> ResNet20:
    """The first block of a stage reads the stream of the stage *before*: see its inputs."""
    small = speed.shrink_resnet(model, keep)
    for stage in ("layer2", "layer3"):
        old = model.get_submodule(f"{stage}.0")
        assert isinstance(old, Block)
        inputs = keep[stage][: old.conv1.in_channels]
        inputs = inputs if inputs.any() else ~inputs
        new: Any = small.get_submodule(f"{stage}.0")
        new.conv1, new.bn1 = speed.cut(old.conv1, old.bn1, inputs, keep[f"{stage}.0.conv1"])
    return small


def shrink_resnet_shortcut_left(model: ResNet20, keep: Keep) -> ResNet20:
    """The shortcuts between the stages are as before: they have to change with both streams."""
    small = speed.shrink_resnet(model, keep)
    for stage in ("layer2", "layer3"):
        block: Any = small.get_submodule(f"{stage}.0")
        block.downsample = copy.deepcopy(model.get_submodule(f"{stage}.0.downsample"))
    return small


def shrink_resnet_padding_of_the_kept(model: ResNet20, keep: Keep) -> ResNet20:
    """Option A pads between the *kept* numbers with you: its channels land in wrong places."""
    small = speed.shrink_resnet(model, keep)
    for before, stage in (("layer1", "layer2"), ("layer2", "layer3")):
        block: Any = small.get_submodule(f"{stage}.0")
        if isinstance(block.downsample, SelectShortcut):
            n_in, n_out = int(keep[before].sum()), int(keep[stage].sum())
            block.downsample = ZeroPadShortcut(n_in, n_out)
    return small


def shrink_resnet_shortcut_bn_left(model: ResNet20, keep: Keep) -> ResNet20:
    """The BN behind a shortcut's 1x1 convolution still has all its channels."""
    small = speed.shrink_resnet(model, keep)
    for stage in ("layer2", "layer3"):
        old: Any = model.get_submodule(f"{stage}.0.downsample")
        new: Any = small.get_submodule(f"{stage}.0.downsample")
        if isinstance(old, nn.Sequential):
            new[1] = copy.deepcopy(old[1])
    return small


def shrink_resnet_inverted(model: ResNet20, keep: Keep) -> ResNet20:
    """You removed what was to stay: True means keep."""
    return speed.shrink_resnet(model, {name: ~mask for name, mask in keep.items()})


def shrink_resnet_first_n(model: ResNet20, keep: Keep) -> ResNet20:
    """The sizes are right, but you kept the *first* filters of each layer: index with the mask."""
    first = {name: torch.arange(len(mask)) < mask.sum() for name, mask in keep.items()}
    return speed.shrink_resnet(model, first)


def shrink_resnet_silenced(model: ResNet20, keep: Keep) -> ResNet20:
    """The network is as large as before: zeros are not enough here, the filters have to go."""
    return speed.shrink_resnet(model, ones(keep))


def shrink_resnet_narrow(model: ResNet20, keep: Keep) -> ResNet20:
    """Your network has new random weights: the kept ones have to come along."""
    small = speed.shrink_resnet(model, keep)
    for i, parameter in enumerate(small.parameters()):
        generator = torch.Generator().manual_seed(i)
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return small


def shrink_resnet_in_place(model: ResNet20, keep: Keep) -> ResNet20:
    """The network that you were given has changed: make a copy before you cut."""
    small = speed.shrink_resnet(model, keep)
    model.__dict__ |= small.__dict__
    return model


def shrink_resnet_by_name(model: ResNet20, keep: Keep) -> ResNet20:
    """Every tensor cut by the masks of the channels it reads and writes; then put in place."""
    small = copy.deepcopy(model)
    groups = speed.coupled_groups(model)
    masks = {member: keep[group] for group, members in groups.items() for member in members}
    for name, conv in model.named_modules():
        if not isinstance(conv, nn.Conv2d):
            continue
        bn = name.replace("downsample.0", "downsample.1").replace("conv", "bn")
        stage = name.split(".")[0]
        first = name.startswith(f"{stage}.0.") and stage != "layer1"
        before = f"layer{int(stage[-1]) - 1}" if first else stage
        inputs = torch.ones(3).bool() if name == "conv1" else keep[before]
        if name.endswith("conv2"):
            inputs = keep[name.replace("conv2", "conv1")]
        new = speed.cut(conv, model.get_submodule(bn), inputs, masks[name])  # type: ignore[arg-type]
        small.set_submodule(name, new[0])
        small.set_submodule(bn, new[1])
    for stage, stream in (("layer2", keep["layer1"]), ("layer3", keep["layer2"])):
        if model.shortcut == "A":
            chosen = speed.shortcut_links(stream, keep[stage])
            shortcut = SelectShortcut(*chosen, int(keep[stage].sum()))
            small.set_submodule(f"{stage}.0.downsample", shortcut)
    small.fc = nn.Linear(int(keep["layer3"].sum()), model.fc.out_features)
    small.fc.weight.data = model.fc.weight.data[:, keep["layer3"]]
    small.fc.bias.data = model.fc.bias.data.clone()
    return small.train(model.training)


def shrink_resnet_streams_first(model: ResNet20, keep: Keep) -> ResNet20:
    """The streams alone, then the free convolutions with lab 1's remove_filters."""
    free = {name: torch.ones_like(m) for name, m in keep.items() if name.endswith("conv1")}
    small = speed.shrink_resnet(model, keep | free)
    for name, block in list(small.named_modules()):
        if isinstance(block, Block):
            layers = (block.conv1, block.bn1, block.conv2)
            block.conv1, block.bn1, block.conv2 = remove_filters(*layers, keep[f"{name}.conv1"])
    return small


def shrink_resnet_lab_1(model: ResNet20, keep: Keep) -> ResNet20:
    """The free convolutions with lab 1's remove_filters, then the streams alone."""
    small = copy.deepcopy(model)
    for name, block in small.named_modules():
        if isinstance(block, Block):
            layers = (block.conv1, block.bn1, block.conv2)
            block.conv1, block.bn1, block.conv2 = remove_filters(*layers, keep[f"{name}.conv1"])
    left = {n: torch.ones(int(m.sum())).bool() for n, m in keep.items() if n.endswith("conv1")}
    return speed.shrink_resnet(small, keep | left)


def race_sorted_by_time(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Your results are sorted: they should be in the order of `contestants`."""
    right = speed.race(contestants, warmup, rounds, clock)
    return dict(sorted(right.items(), key=lambda pair: pair[1]))


def cut_freezes(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """Parameters that cannot be trained: `requires_grad` is False somewhere."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    return small.requires_grad_(False), small_bn.requires_grad_(False)


def shortcut_links_quarter(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """A quarter of the outputs is not always before: it is half of the *difference* of the two
    numbers of channels."""
    extra = 2 * (len(keep_out) // 4)
    before = extra // 2
    pairs = [
        (int(keep_in[:i].sum()), int(keep_out[: i + before].sum()))
        for i in range(len(keep_in))
        if keep_in[i] and keep_out[i + before]
    ]
    table = torch.tensor(pairs, dtype=torch.int64).view(-1, 2)
    return table[:, 0], table[:, 1]


def shortcut_links_no_integers(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """The places are no int64: `torch.tensor([])` is a float tensor, and none can be an index.
    Give the `dtype`."""
    sources, targets = speed.shortcut_links(keep_in, keep_out)
    return torch.tensor(sources.tolist()), torch.tensor(targets.tolist())


def shrink_resnet_training(model: ResNet20, keep: Keep) -> ResNet20:
    """The smaller network is in training mode, whatever the mode of `model` was."""
    return speed.shrink_resnet(model, keep).train()


def shrink_resnet_evaluation(model: ResNet20, keep: Keep) -> ResNet20:
    """The smaller network is in evaluation mode, whatever the mode of `model` was."""
    return speed.shrink_resnet(model, keep).eval()


def conv_macs_rounded_up(conv: nn.Conv2d, height: int, width: int) -> int:
    """You round up: where the stride does not fit, the last pixels of the image are left out."""
    sides = zip((height, width), conv.kernel_size, conv.stride, conv.padding, strict=True)
    rows, columns = (math.ceil((n + 2 * int(p) - k) / s) + 1 for n, k, s, p in sides)  # type: ignore[call-overload]
    return conv.weight.numel() * rows * columns


def conv_macs_fractions(conv: nn.Conv2d, height: int, width: int) -> float:
    """Your output has a fraction of a row: `//` leaves out what does not fit."""
    sides = zip((height, width), conv.kernel_size, conv.stride, conv.padding, strict=True)
    rows, columns = ((n + 2 * int(p) - k) / s + 1 for n, k, s, p in sides)  # type: ignore[call-overload]
    return conv.weight.numel() * rows * columns


def conv_macs_axes_swapped(conv: nn.Conv2d, height: int, width: int) -> int:
    """Rows and columns are mixed up: kernel, stride and padding have the vertical number first."""
    rows, columns = output_size(conv, width, height)
    return conv.weight.numel() * rows * columns


def conv_macs_padding_not_divided(conv: nn.Conv2d, height: int, width: int) -> int:
    """The padding is added after the division: it makes the image larger *before* the stride."""
    sides = zip((height, width), conv.kernel_size, conv.stride, conv.padding, strict=True)
    rows, columns = ((n - k) // s + 1 + 2 * int(p) for n, k, s, p in sides)  # type: ignore[call-overload]
    return conv.weight.numel() * rows * columns


def conv_macs_square_kernel(conv: nn.Conv2d, height: int, width: int) -> int:
    """You take the kernel for a square: it has `kh * kw` weights per channel."""
    rows, columns = output_size(conv, height, width)
    return conv.out_channels * conv.in_channels * int(conv.kernel_size[0]) ** 2 * rows * columns


def conv_macs_sum_of_channels(conv: nn.Conv2d, height: int, width: int) -> int:
    """You add input and output channels: every filter looks at every input channel, so multiply."""
    rows, columns = output_size(conv, height, width)
    channels = conv.in_channels + conv.out_channels
    return channels * math.prod(conv.kernel_size) * rows * columns


def conv_macs_of_the_output(conv: nn.Conv2d, height: int, width: int) -> int:
    """That is the size of the output: each of its numbers is a sum of `in * kh * kw` products."""
    rows, columns = output_size(conv, height, width)
    return conv.out_channels * rows * columns


def conv_macs_without_zeros(conv: nn.Conv2d, height: int, width: int) -> int:
    """Products with the zeros of the padding are left out: hardware does them, and they count."""
    image = torch.ones(1, conv.in_channels, height, width)
    settings = {"stride": conv.stride, "padding": conv.padding}
    return int(nn.functional.conv2d(image, torch.ones_like(conv.weight), **settings).sum())  # type: ignore[call-overload]


def conv_macs_tensor(conv: nn.Conv2d, height: int, width: int) -> Tensor:
    """Yours is a tensor that holds one number: `.item()` takes it out."""
    return torch.tensor(speed.conv_macs(conv, height, width))


def conv_macs_of_nonzero_weights(conv: nn.Conv2d, height: int, width: int) -> int:
    """You leave out products with a weight of 0: they are computed, too."""
    left = int(conv.weight.count_nonzero())
    return speed.conv_macs(conv, height, width) // conv.weight.numel() * left


def race_upper_median(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Of two times in the middle you take the larger one: take their mean."""
    warm(contestants, warmup)
    seconds = rounds_of(contestants, rounds, clock)
    return {name: statistics.median_high(times) for name, times in seconds.items()}


def race_total(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """That is the time of all rounds together: take the median of a run."""
    warm(contestants, warmup)
    return {n: sum(s) for n, s in rounds_of(contestants, rounds, clock).items()}


def race_slowest(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Yours is the slowest run: take the median."""
    warm(contestants, warmup)
    return {n: max(s) for n, s in rounds_of(contestants, rounds, clock).items()}


def race_warm_in_every_round(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """You warm up again in every round: it comes once, before the first of them."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        warm(contestants, warmup)
        for name, run in contestants.items():
            seconds[name].append(timed(run, clock))
    return {name: statistics.median(times) for name, times in seconds.items()}


def race_to_and_fro(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Every second round goes backwards: in each round the order is that of the dict."""
    warm(contestants, warmup)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name in list(contestants)[:: -1 if number % 2 else 1]:
            seconds[name].append(timed(contestants[name], clock))
    return {name: statistics.median(times) for name, times in seconds.items()}


def race_relative(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """You divide by the first contestant's time: seconds were asked for."""
    right = speed.race(contestants, warmup, rounds, clock)
    first = next(iter(right.values()))
    return {name: seconds / first for name, seconds in right.items()}


def race_stops_late(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """The clock is read only after the whole round, so each time includes those that run later."""
    warm(contestants, warmup)
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        starts = {}
        for name, run in contestants.items():
            starts[name] = clock()
            run()
        for name, start in starts.items():
            seconds[name].append(clock() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def race_one_round_too_few(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """There is one round too few: `range(1, rounds)` has `rounds - 1` numbers."""
    warm(contestants, warmup)
    seconds = rounds_of(contestants, rounds - 1, clock) or rounds_of(contestants, 1, clock)
    return {name: statistics.median(times) for name, times in seconds.items()}


def race_warms_once(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Each contestant has one run to warm up, whatever `warmup` says."""
    warm(contestants, 1)
    seconds = rounds_of(contestants, rounds, clock)
    return {name: statistics.median(times) for name, times in seconds.items()}


def race_rounded(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """The times are rounded: a run of microseconds would take no time at all."""
    right = speed.race(contestants, warmup, rounds, clock)
    return {name: float(round(seconds)) for name, seconds in right.items()}


def stored_bytes_byte_too_many(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """Your bitmask has a byte too many where the bits fill whole bytes: round up, only where
    needed."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    bits = mask.numel() // 8 + 1
    return right | {"bitmask": bits + int(mask.sum()) * value_bytes}


def stored_bytes_bits_by_row(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """Every row of your bitmask begins with a new byte: it is one bit per entry, on end."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    bits = len(mask) * math.ceil(mask[0].numel() / 8)
    return right | {"bitmask": bits + int(mask.sum()) * value_bytes}


def stored_bytes_by_column(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """You store compressed *columns*: the index says where each *row* begins."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    columns = mask[0].numel()
    csr = int(mask.sum()) * (value_bytes + index_bytes) + (columns + 1) * index_bytes
    return right | {"csr": csr}


def stored_bytes_starts_as_values(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """The row starts have the size of values with you: they are indices."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    csr = int(mask.sum()) * (value_bytes + index_bytes) + (len(mask) + 1) * value_bytes
    return right | {"csr": csr}


def stored_bytes_index_of_all(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """Zeros have an index with you: only the kept values need their column."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    csr = int(mask.sum()) * value_bytes + (mask.numel() + len(mask) + 1) * index_bytes
    return right | {"csr": csr}


def stored_bytes_bitmask_with_indices(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """The bitmask has indices as well: its bits already say where the values belong."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    return right | {"bitmask": right["bitmask"] + int(mask.sum()) * index_bytes}


def stored_bytes_in_bits(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """Those are bits: a byte has eight."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    return {name: 8 * size for name, size in right.items()}


def stored_bytes_swapped_sizes(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """Sizes of values and of indices are swapped."""
    return speed.stored_bytes(mask, index_bytes, value_bytes)


def stored_bytes_empty_rows_left_out(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """Rows in which nothing is kept have no entry with you: every row says where it begins."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    rows = int(mask.flatten(1).any(1).sum())
    csr = int(mask.sum()) * (value_bytes + index_bytes) + (rows + 1) * index_bytes
    return right | {"csr": csr}


def stored_bytes_bits_scaled(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, int]:
    """Each bit of your mask is as large as a value: a bit is an eighth of a byte."""
    right = speed.stored_bytes(mask, value_bytes, index_bytes)
    return right | {
        "bitmask": (mask.numel() + 7) // 8 * value_bytes + int(mask.sum()) * value_bytes
    }


def stored_bytes_in_tensors(
    mask: Tensor, value_bytes: int = 4, index_bytes: int = 4
) -> dict[str, Tensor]:
    """Your sizes are tensors that hold one number each: `.item()` takes it out."""
    sizes = speed.stored_bytes(mask, value_bytes, index_bytes)
    return {name: torch.tensor(size) for name, size in sizes.items()}


# --- choose_widths ------------------------------------------------------------------------------

Scan = dict[str, dict[int, float]]


def saved_macs(scan: Scan, macs: dict[str, int], keep: dict[str, int]) -> int:
    """What a choice saves."""
    return sum(macs[name] * (max(row) - keep[name]) for name, row in scan.items())


def choose_widths_uniform(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """The same share of every layer, so that the sensitive layers suffer most: what does the scan
    say, and which layers can lose most of their filters for nothing?"""
    widths = [{n: round(max(row) * s / 64) for n, row in scan.items()} for s in range(64, 0, -1)]
    return next(keep for keep in widths if saved_macs(scan, macs, keep) >= budget)


def choose_widths_removed(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """These are the filters that *go*: return how many are kept."""
    keep = speed.choose_widths(scan, macs, budget)
    return {name: max(row) - keep[name] for name, row in scan.items()}


def choose_widths_shares(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, float]:
    """These are shares: return a number of filters, an int."""
    keep = speed.choose_widths(scan, macs, budget)
    return {name: keep[name] / max(row) for name, row in scan.items()}


def choose_widths_changed_only(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """Layers are missing: those that keep all of their filters belong in the answer, too."""
    keep = speed.choose_widths(scan, macs, budget)
    return {name: keep[name] for name, row in scan.items() if keep[name] < max(row)}


def choose_widths_stops_early(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """The last step is missing: go on until the budget *is* met."""
    keep = {name: max(row) for name, row in scan.items()}
    for name in sorted(scan, key=lambda n: -scan[n][min(scan[n])]):
        step = keep | {name: min(scan[name])}
        if saved_macs(scan, macs, step) >= budget:
            break
        keep = step
    return keep


def choose_widths_most_sensitive(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """You begin with the layers that lose most accuracy: begin with those that lose least."""
    keep = {name: max(row) for name, row in scan.items()}
    for name in sorted(scan, key=lambda n: scan[n][min(scan[n])]):
        if saved_macs(scan, macs, keep) < budget:
            keep[name] = min(scan[name])
    return keep


def choose_widths_most_expensive(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """You look at the MACs alone: a layer may be expensive *and* sensitive."""
    keep = {name: max(row) for name, row in scan.items()}
    for name in sorted(scan, key=lambda n: -macs[n]):
        for width in sorted(scan[name], reverse=True):
            if saved_macs(scan, macs, keep) < budget:
                keep[name] = width
    return keep


def choose_widths_per_layer(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """You count a layer's MACs once, but each filter that goes saves them, so far too much goes."""
    keep = {name: max(row) for name, row in scan.items()}
    saved = 0
    for name, row in list(scan.items()) * 6:
        smaller = [width for width in row if width < keep[name]]
        if saved < budget and smaller:
            keep[name], saved = max(smaller), saved + macs[name]
    return keep


def choose_widths_same_loss(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """Every layer may lose the same accuracy: as little as will do."""
    for allowed in range(1000):
        keep = {
            name: min(w for w, a in row.items() if a >= row[max(row)] - allowed / 1000)
            for name, row in scan.items()
        }
        if saved_macs(scan, macs, keep) >= budget:
            return keep
    raise ValueError("the scan does not go so far")


def choose_widths_from_full(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """Greedy, each price counted from the full layer."""
    keep = {name: max(row) for name, row in scan.items()}
    while saved_macs(scan, macs, keep) < budget:
        steps = [(name, width) for name, row in scan.items() for width in row if width < keep[name]]
        name, width = min(
            steps,
            key=lambda s: (
                (scan[s[0]][max(scan[s[0]])] - scan[s[0]][s[1]] + 0.001)
                / (macs[s[0]] * (max(scan[s[0]]) - s[1]))
            ),
        )
        keep[name] = width
    return keep


def choose_widths_small_steps(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """Greedy, always the next smaller width of the layer that loses least per MAC."""
    keep = {name: max(row) for name, row in scan.items()}
    while saved_macs(scan, macs, keep) < budget:
        lower = {n: max(w for w in scan[n] if w < k) for n, k in keep.items() if k > min(scan[n])}
        price = {
            n: (max(scan[n].values()) - scan[n][w] + 0.001) / (macs[n] * (keep[n] - w))
            for n, w in lower.items()
        }
        name = min(price, key=price.__getitem__)
        keep[name] = lower[name]
    return keep


# --- one step off: each with a hint of its own ---------------------------------------------------


def race_never_cold(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Each contestant warms up once where `warmup` is 0: then none does."""
    return speed.race(contestants, max(1, warmup), rounds, clock)


def race_one_round_too_many(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """There is one round too many."""
    return speed.race(contestants, warmup, rounds + 1, clock)


def race_one_by_one(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Each contestant warms up and has all its runs before the next one begins: first all warm up,
    then they take turns."""
    return {n: speed.race({n: run}, warmup, rounds, clock)[n] for n, run in contestants.items()}


def race_warm_before_each_run(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Each contestant warms up before every timed run: warm up once, before the rounds."""
    times = defaultdict(list)
    for _ in range(rounds):
        for name, run in contestants.items():
            warm({name: run}, warmup)
            times[name].append(timed(run, clock))
    return {name: statistics.median(times[name]) for name in contestants}


def race_twice(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Each contestant runs twice between two readings of the clock."""

    def twice(run: Callable[[], object]) -> Callable[[], object]:
        return lambda: (run(), run())

    return speed.race({n: twice(run) for n, run in contestants.items()}, warmup, rounds, clock)


def race_total_over_rounds(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """All runs of a contestant are timed together and divided: time each run alone, and take the
    median."""
    warm(contestants, warmup)
    found = {}
    for name, run in contestants.items():
        start = clock()
        for _ in range(rounds):
            run()
        found[name] = (clock() - start) / rounds
    return found


def race_speedups(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Those are speed-ups over the first contestant: seconds are asked."""
    right = speed.race(contestants, warmup, rounds, clock)
    first = next(iter(right.values()))
    return {name: first / seconds for name, seconds in right.items()}


def race_trimmed(
    contestants: Runs, warmup: int, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Yours is the mean without the fastest and the slowest quarter: take the median."""
    warm(contestants, warmup)
    found = {}
    for name, times in rounds_of(contestants, rounds, clock).items():
        cut = len(times) // 4
        found[name] = statistics.mean(sorted(times)[cut : len(times) - cut])
    return found


def coupled_groups_always_b(model: nn.Module) -> Groups:
    """With option A there is no convolution in a shortcut: look whether the block has one."""
    found = {name: list(members) for name, members in speed.coupled_groups(model).items()}
    for stage in ("layer2", "layer3"):
        found[stage] = sorted({*found[stage], f"{stage}.0.downsample.0"})
    return found


def coupled_groups_by_block(model: nn.Module) -> Groups:
    """Each block has a group of its own with you, but one stream runs through all blocks of a
    stage."""
    found: Groups = {}
    for group, members in speed.coupled_groups(model).items():
        for name in members:
            stream = name if group == name else ".".join(name.split(".")[:2])
            found.setdefault(stream, []).append(name)
    return found


def coupled_groups_twice(model: nn.Module) -> Groups:
    """The first convolution of a block is in its own group *and* in that of the stage: each
    convolution is in exactly one."""
    right = speed.coupled_groups(model)
    alone = [group for group in right if "." in group]
    return {
        group: [*members, *(name for name in alone if "." not in group and name.startswith(group))]
        for group, members in right.items()
    }


def coupled_groups_one_name(model: nn.Module) -> Groups:
    """All three streams are one group with you: the shortcut between two stages makes new
    channels, so each stage has a stream of its own."""
    right = speed.coupled_groups(model)
    streams = [name for group, members in right.items() if "." not in group for name in members]
    return {"stream": streams, **{n: members for n, members in right.items() if "." in n}}


def coupled_groups_stages_tied(model: nn.Module) -> Groups:
    """With option A you tie the stages to each other: its padding makes new channels, so each
    stage has a stream of its own."""
    right = speed.coupled_groups(model)
    if any("downsample" in name for name in right["layer2"]):
        return right
    return {n: members for n, members in right.items() if n not in ("layer2", "layer3")} | {
        "layer1": right["layer1"] + right["layer2"] + right["layer3"]
    }


def coupled_groups_with_bn(model: nn.Module) -> Groups:
    """Batch normalisations are in your groups: names of *convolutions* are asked."""
    right = speed.coupled_groups(model).items()
    return {n: [*members, *(m.replace("conv", "bn") for m in members)] for n, members in right}


def coupled_groups_own_names(model: nn.Module) -> Groups:
    """The groups of the streams have other names with you: they are called "layer1", "layer2" and
    "layer3"."""
    return {members[0]: members for members in speed.coupled_groups(model).values()}


def coupled_groups_no_streams(model: nn.Module) -> Groups:
    """The groups of the three streams are missing."""
    return {n: members for n, members in speed.coupled_groups(model).items() if "." in n}


def coupled_groups_first_block(model: nn.Module) -> Groups:
    """The first convolution of a new stage is with the stream: it is added to nothing, only its
    shortcut is."""
    found = {name: list(members) for name, members in speed.coupled_groups(model).items()}
    for stage in ("layer2", "layer3"):
        found[stage] += found.pop(f"{stage}.0.conv1")
    return found


def coupled_groups_classifier(model: nn.Module) -> Groups:
    """The classifier is in a group: it *reads* the last stream, and its own outputs are the
    classes."""
    right = speed.coupled_groups(model)
    return right | {"layer3": [*right["layer3"], "fc"]}


def coupled_groups_classifier_alone(model: nn.Module) -> Groups:
    """The classifier has a group: it is no convolution, and its outputs are the classes."""
    return speed.coupled_groups(model) | {"fc": ["fc"]}


def coupled_groups_sequential(model: nn.Module) -> Groups:
    """A shortcut of option B is a convolution and a batch normalisation: the name of the
    convolution ends in ".0"."""
    right = speed.coupled_groups(model).items()
    return {n: [m.replace("downsample.0", "downsample") for m in members] for n, members in right}


def coupled_groups_not_the_first_block(model: nn.Module) -> Groups:
    """The first block of each stage is not in your groups: its second convolution is added to the
    stream, too."""
    right = speed.coupled_groups(model).items()
    return {n: [m for m in members if not m.endswith("0.conv2")] for n, members in right}


def coupled_groups_stem_twice(model: nn.Module) -> Groups:
    """A convolution is twice in the same group."""
    right = speed.coupled_groups(model)
    return right | {"layer1": [*right["layer1"], "conv1"]}


def coupled_groups_names_alone(model: nn.Module) -> dict[str, Any]:
    """A group of one is a list, too: `[name]`, not `name`."""
    right = speed.coupled_groups(model).items()
    return {n: members[0] if len(members) == 1 else members for n, members in right}


def coupled_groups_by_width(model: nn.Module) -> Groups:
    """Your function knows the widths 16, 32 and 64 only: the network may have any width."""
    found: Groups = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            stream = {16: "layer1", 32: "layer2", 64: "layer3"}[layer.out_channels]
            found.setdefault(name if name.endswith(".conv1") else stream, []).append(name)
    return found


def cut_bias_left(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The bias of the convolution still has an entry for every filter."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    if conv.bias is not None:
        small.bias = nn.Parameter(conv.bias.data.clone())
    return small, small_bn


def cut_columns_left(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The weight still has all its inputs, though `in_channels` says otherwise: index its second
    dimension as well."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    small.weight = nn.Parameter(conv.weight.data[filters])
    return small, small_bn


def cut_first_rows(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """You keep the *first* filters and inputs of the weight, as many as stay: the masks say which
    ones."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    rows, columns = int(filters.sum()), int(inputs.sum())
    small.weight = nn.Parameter(conv.weight.data[:rows, :columns].clone())
    return small, small_bn


def cut_fresh_variance(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> Pair:
    """The running variance is 1 again: it belongs to its channel, as the mean does."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    small_bn.running_var = torch.ones(int(filters.sum()), dtype=bn.weight.dtype)
    return small, small_bn


def cut_stale_inputs(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The convolution still *says* its old number of inputs: `in_channels`."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    small.in_channels = conv.in_channels
    return small, small_bn


def cut_stale_filters(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The convolution still *says* its old number of filters: `out_channels`."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    small.out_channels = conv.out_channels
    return small, small_bn


def cut_stale_bn(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The batch normalisation still *says* its old number of channels: `num_features`."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    small_bn.num_features = bn.num_features
    return small, small_bn


def cut_sizes_as_tensors(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> Pair:
    """A size is a tensor with you: make it a number, `int(inputs.sum())`."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    small.in_channels = inputs.sum()  # type: ignore[assignment]
    return small, small_bn


def cut_but(conv: nn.Conv2d, bn: nn.BatchNorm2d, *masks: Tensor, **settings: Any) -> Pair:
    """Right, but for settings of the convolution."""
    small, small_bn = speed.cut(conv, bn, *masks)
    vars(small).update(settings)
    both = [int(p) for p in small.padding[::-1] for _ in range(2)]
    small._reversed_padding_repeated_twice = both
    return small, small_bn


def cut_loses_stride_alone(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> Pair:
    """A new convolution has the stride 1 unless you pass that of the old one on."""
    return cut_but(conv, bn, inputs, filters, stride=(1, 1))


def cut_loses_padding(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """A new convolution has no padding unless you pass that of the old one on."""
    return cut_but(conv, bn, inputs, filters, padding=(0, 0))


def cut_loses_dilation_alone(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> Pair:
    """A new convolution has the dilation 1 unless you pass that of the old one on (a deep copy has
    all settings)."""
    return cut_but(conv, bn, inputs, filters, dilation=(1, 1))


def cut_pads_with_zeros(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> Pair:
    """A new convolution pads with zeros unless you pass the `padding_mode` on (a deep copy has all
    settings)."""
    return cut_but(conv, bn, inputs, filters, padding_mode="zeros")


def cut_one_stride(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The stride is a pair, and you use its first number for both directions."""
    return cut_but(conv, bn, inputs, filters, stride=2 * conv.stride[:1])


def cut_usual_eps(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """A new batch normalisation has the usual `eps` unless you pass that of the old one on."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    small_bn.eps = 1e-5
    return small, small_bn


def cut_usual_momentum(
    conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor
) -> Pair:
    """A new batch normalisation has the usual `momentum` unless you pass that of the old one on."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    small_bn.momentum = 0.1
    return small, small_bn


def cut_evaluates(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The new batch normalisation is in evaluation mode, whatever the mode of the old one was."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    return small, small_bn.eval()


def cut_silences(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """What goes is set to zero, but the layers are as large as before: make smaller tensors."""
    small, small_bn = copy.deepcopy((conv, bn))
    small.weight.data[~filters] = 0
    small.weight.data[:, ~inputs] = 0
    return small, small_bn


def cut_scales_up(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> Pair:
    """The weights are scaled up to make up for the missing inputs: they stay as they are."""
    small, small_bn = speed.cut(conv, bn, inputs, filters)
    small.weight.data *= len(inputs) / int(inputs.sum())
    return small, small_bn


def links_of(pairs: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Pairs of numbers as two tensors."""
    flat = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    return flat[:, 0], flat[:, 1]


def right_pairs(keep_in: Tensor, keep_out: Tensor) -> list[tuple[int, int]]:
    """The links as pairs, in the order of the channels."""
    sources, targets = speed.shortcut_links(keep_in, keep_out)
    return sorted(zip(sources.tolist(), targets.tolist(), strict=True))


def old_pairs(keep_in: Tensor, keep_out: Tensor) -> list[tuple[int, int]]:
    """The links that survive, in the old numbers."""
    before = (len(keep_out) - len(keep_in)) // 2
    return [(i, i + before) for i in range(len(keep_in)) if keep_in[i] and keep_out[i + before]]


def shortcut_links_not_renumbered(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """These are the right links in the *old* numbers: count among the channels that are kept."""
    return links_of(old_pairs(keep_in, keep_out))


def shortcut_links_sources_not_renumbered(
    keep_in: Tensor, keep_out: Tensor
) -> tuple[Tensor, Tensor]:
    """Your sources are the old numbers: count among the inputs that are kept."""
    old, (_, targets) = old_pairs(keep_in, keep_out), speed.shortcut_links(keep_in, keep_out)
    return links_of(old)[0], targets.sort().values


def shortcut_links_targets_not_renumbered(
    keep_in: Tensor, keep_out: Tensor
) -> tuple[Tensor, Tensor]:
    """Your targets are the old numbers: count among the outputs that are kept."""
    old, (sources, _) = old_pairs(keep_in, keep_out), speed.shortcut_links(keep_in, keep_out)
    return sources.sort().values, links_of(old)[1]


def shortcut_links_from_one(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """You count from 1: a `cumsum` of a mask is the new number *plus one*."""
    sources, targets = speed.shortcut_links(keep_in, keep_out)
    return sources + 1, targets + 1


def shortcut_links_one_end_will_do(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """You link channels of which one end is gone: a link needs both of its ends (`&`, not `|`)."""
    before = (len(keep_out) - len(keep_in)) // 2
    either = [i for i in range(len(keep_in)) if keep_in[i] or keep_out[i + before]]
    return links_of([(int(keep_in[:i].sum()), int(keep_out[: i + before].sum())) for i in either])


def shortcut_links_short_integers(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """The places are int32: int64 was asked, which every index has."""
    sources, targets = speed.shortcut_links(keep_in, keep_out)
    return sources.int(), targets.int()


def shortcut_links_decimals(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """The places are decimal numbers (float): none of them can be an index, int64 was asked."""
    sources, targets = speed.shortcut_links(keep_in, keep_out)
    return sources.float(), targets.float()


def shortcut_links_lists(keep_in: Tensor, keep_out: Tensor) -> tuple[list[int], list[int]]:
    """These are lists: two int64 *tensors* were asked, `torch.tensor(..., dtype=torch.int64)`."""
    sources, targets = speed.shortcut_links(keep_in, keep_out)
    return sources.tolist(), targets.tolist()


def shortcut_links_as_columns(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """The places are columns, of shape (n, 1): `nonzero()` gives such, `.flatten()` makes a
    list."""
    sources, targets = speed.shortcut_links(keep_in, keep_out)
    return sources[:, None], targets[:, None]


def shortcut_links_one_tensor(keep_in: Tensor, keep_out: Tensor) -> Tensor:
    """That is one tensor of pairs: two tensors were asked, sources and targets."""
    return torch.stack(speed.shortcut_links(keep_in, keep_out), dim=1)


def shortcut_links_without_zero(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """Channel 0 is never linked: `if channel` takes 0 for nothing."""
    gone = bool(keep_in[0]) and bool(keep_out[(len(keep_out) - len(keep_in)) // 2])
    return links_of(right_pairs(keep_in, keep_out)[int(gone) :])


def shortcut_links_without_the_last(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """The last link is missing: where does your loop, or your slice, end?"""
    return links_of(right_pairs(keep_in, keep_out)[:-1])


def shortcut_links_reversed(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """The order of the targets does not fit that of the sources: `sources[i]` goes to
    `targets[i]`."""
    sources, targets = links_of(right_pairs(keep_in, keep_out))
    return sources, targets.flip(0)


def shortcut_links_every_second(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """You put a channel of zeros between two channels: all zeros are before and behind them."""
    places = [i for i in range(len(keep_in)) if 2 * i < len(keep_out)]
    both = [i for i in places if keep_in[i] and keep_out[2 * i]]
    return links_of([(int(keep_in[:i].sum()), int(keep_out[: 2 * i].sum())) for i in both])


def shortcut_links_one_to_one(keep_in: Tensor, keep_out: Tensor) -> tuple[Tensor, Tensor]:
    """You link the kept channels in their order, 0 to 0, 1 to 1: where each belongs is set by the
    padding."""
    count = torch.arange(min(int(keep_in.sum()), int(keep_out.sum())))
    return count, count.clone()


def shrunk_but(model: ResNet20, keep: Keep, change: Callable[[str, nn.Module], object]) -> ResNet20:
    """Right, but for a change of the layers."""
    small = speed.shrink_resnet(model, keep)
    for name, layer in small.named_modules():
        change(name, layer)
    return small


def shrink_resnet_fresh_statistics(model: ResNet20, keep: Keep) -> ResNet20:
    """The running means and variances are new: they belong to their channels."""

    def change(name: str, layer: nn.Module) -> None:
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()

    return shrunk_but(model, keep, change)


def shrink_resnet_fresh_classifier_bias(model: ResNet20, keep: Keep) -> ResNet20:
    """The classifier has lost its bias: a new `nn.Linear` has one of its own."""

    def change(name: str, layer: nn.Module) -> None:
        if name == "fc":
            layer.bias.data.zero_()  # type: ignore[operator]

    return shrunk_but(model, keep, change)


def shrink_resnet_frozen(model: ResNet20, keep: Keep) -> ResNet20:
    """The smaller network cannot be trained: `requires_grad` is False."""
    return speed.shrink_resnet(model, keep).requires_grad_(False)


def shrink_resnet_state(model: ResNet20, keep: Keep) -> dict[str, Tensor]:
    """You return a state dict: the smaller *network* was asked."""
    return speed.shrink_resnet(model, keep).state_dict()


def shrink_resnet_first_blocks(model: ResNet20, keep: Keep) -> ResNet20:
    """Only the first block of each stage has a smaller middle: `keep` has all three."""
    later = [name for name in keep if name.endswith((".1.conv1", ".2.conv1"))]
    return speed.shrink_resnet(model, keep | {n: torch.ones_like(keep[n]) for n in later})


def with_links(model: ResNet20, keep: Keep, links: Callable) -> ResNet20:
    """A network whose option A has other links."""
    small = speed.shrink_resnet(model, keep)
    for before, stage in (("layer1", "layer2"), ("layer2", "layer3")):
        block = small.get_submodule(f"{stage}.0")
        if isinstance(block.downsample, SelectShortcut):
            sources, targets = links(keep[before], keep[stage])
            block.downsample = SelectShortcut(sources, targets, int(keep[stage].sum()))
    return small


def shrink_resnet_zeros_behind(model: ResNet20, keep: Keep) -> ResNet20:
    """With you all of option A's zeros come behind the carried channels: half of them come
    before."""
    return with_links(model, keep, shortcut_links_zeros_behind)


def shrink_resnet_old_targets(model: ResNet20, keep: Keep) -> ResNet20:
    """The links of option A have old numbers: count among the channels that are kept."""
    return with_links(model, keep, shortcut_links_targets_not_renumbered)


def shrink_resnet_link_missing(model: ResNet20, keep: Keep) -> ResNet20:
    """The last link of each shortcut of option A is missing."""
    return with_links(model, keep, shortcut_links_without_the_last)


def choose_widths_everything(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """Every layer keeps all of its filters, which saves nothing."""
    return {name: max(row) for name, row in scan.items()}


def choose_widths_smallest(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """Every layer is as small as can be: stop when the budget is met."""
    return {name: min(row) for name, row in scan.items()}


def choose_widths_decimals(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, float]:
    """A number of filters is an int: yours are decimal numbers, or of another kind."""
    return {name: float(kept) for name, kept in speed.choose_widths(scan, macs, budget).items()}


def choose_widths_layer_by_layer(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """You empty one layer after the other, in the order of the scan: begin where the accuracy
    suffers least."""
    keep = {name: max(row) for name, row in scan.items()}
    for name in scan:
        if saved_macs(scan, macs, keep) < budget:
            keep[name] = min(scan[name])
    return keep


def choose_widths_step_by_step(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """You take the layers in the order of the scan, each down to its smallest width: begin where
    the accuracy suffers least."""
    keep = {name: max(row) for name, row in scan.items()}
    for name, row in scan.items():
        for width in sorted(row, reverse=True):
            if saved_macs(scan, macs, keep) < budget:
                keep[name] = width
    return keep


def choose_widths_half(scan: Scan, macs: dict[str, int], budget: int) -> dict[str, int]:
    """You stop at half of the budget."""
    return speed.choose_widths(scan, macs, budget // 2)


MISTAKES: dict[str, list[Callable]] = {
    "conv_macs": [
        conv_macs_input_size,
        conv_macs_stride_only,
        conv_macs_no_padding,
        conv_macs_padding_once,
        conv_macs_one_too_few,
        conv_macs_flops,
        conv_macs_one_filter,
        conv_macs_one_channel,
        conv_macs_weights,
        conv_macs_with_bias,
        conv_macs_square,
        conv_macs_rounded_up,
        conv_macs_fractions,
        conv_macs_axes_swapped,
        conv_macs_padding_not_divided,
        conv_macs_square_kernel,
        conv_macs_sum_of_channels,
        conv_macs_of_the_output,
        conv_macs_without_zeros,
        conv_macs_tensor,
        conv_macs_of_nonzero_weights,
    ],
    "race": [
        race_tensors,
        race_mean,
        race_fastest,
        race_no_warmup,
        race_warmup_counts_as_rounds,
        race_warmup_timed,
        race_one_after_the_other,
        race_lower_median,
        race_middle_unsorted,
        race_milliseconds,
        race_start_once,
        race_own_clock,
        race_all_times,
        race_sorted_by_time,
        race_upper_median,
        race_total,
        race_slowest,
        race_warm_in_every_round,
        race_to_and_fro,
        race_relative,
        race_stops_late,
        race_one_round_too_few,
        race_warms_once,
        race_rounded,
        race_never_cold,
        race_one_round_too_many,
        race_one_by_one,
        race_warm_before_each_run,
        race_twice,
        race_total_over_rounds,
        race_speedups,
        race_trimmed,
    ],
    "stored_bytes": [
        stored_bytes_no_indices,
        stored_bytes_no_row_starts,
        stored_bytes_rows_without_end,
        stored_bytes_coordinates,
        stored_bytes_last_dimension,
        stored_bytes_pruned,
        stored_bytes_dense_without_zeros,
        stored_bytes_bits,
        stored_bytes_floor,
        stored_bytes_mask_alone,
        stored_bytes_always_four,
        stored_bytes_byte_too_many,
        stored_bytes_bits_by_row,
        stored_bytes_by_column,
        stored_bytes_starts_as_values,
        stored_bytes_index_of_all,
        stored_bytes_bitmask_with_indices,
        stored_bytes_in_bits,
        stored_bytes_swapped_sizes,
        stored_bytes_empty_rows_left_out,
        stored_bytes_bits_scaled,
        stored_bytes_in_tensors,
    ],
    "coupled_groups": [
        coupled_groups_no_stem,
        coupled_groups_forgets_stem,
        coupled_groups_shortcut_alone,
        coupled_groups_no_shortcut,
        coupled_groups_per_block,
        coupled_groups_whole_stage,
        coupled_groups_wrong_conv,
        coupled_groups_one_stream,
        coupled_groups_streams_only,
        coupled_groups_shortcut_before,
        coupled_groups_parameters,
        coupled_groups_always_b,
        coupled_groups_by_block,
        coupled_groups_twice,
        coupled_groups_one_name,
        coupled_groups_stages_tied,
        coupled_groups_with_bn,
        coupled_groups_own_names,
        coupled_groups_no_streams,
        coupled_groups_first_block,
        coupled_groups_classifier,
        coupled_groups_classifier_alone,
        coupled_groups_sequential,
        coupled_groups_not_the_first_block,
        coupled_groups_stem_twice,
        coupled_groups_names_alone,
        coupled_groups_by_width,
    ],
    "cut": [
        cut_pairs,
        cut_swapped,
        cut_inputs_left,
        cut_filters_left,
        cut_bn_left,
        cut_fresh_bn,
        cut_statistics_fresh,
        cut_statistics_left,
        cut_bn_by_inputs,
        cut_first_n,
        cut_inverted,
        cut_stale_attributes,
        cut_loses_bias,
        cut_loses_stride,
        cut_in_place,
        cut_freezes,
        cut_single_precision,
        cut_forgets_the_count,
        cut_loses_dilation,
        cut_square,
        cut_usual_bn,
        cut_other_mode,
        cut_bias_left,
        cut_columns_left,
        cut_first_rows,
        cut_fresh_variance,
        cut_stale_inputs,
        cut_stale_filters,
        cut_stale_bn,
        cut_sizes_as_tensors,
        cut_but,
        cut_loses_stride_alone,
        cut_loses_padding,
        cut_loses_dilation_alone,
        cut_pads_with_zeros,
        cut_one_stride,
        cut_usual_eps,
        cut_usual_momentum,
        cut_evaluates,
        cut_silences,
        cut_scales_up,
    ],
    "shortcut_links": [
        shortcut_links_zeros_behind,
        shortcut_links_zeros_before,
        shortcut_links_rounds_up,
        shortcut_links_padding_of_the_kept,
        shortcut_links_old_numbers,
        shortcut_links_old_sources,
        shortcut_links_old_targets,
        shortcut_links_ignores_keep_out,
        shortcut_links_ignores_keep_in,
        shortcut_links_swapped,
        shortcut_links_masks,
        shortcut_links_quarter,
        shortcut_links_no_integers,
        shortcut_links_not_renumbered,
        shortcut_links_sources_not_renumbered,
        shortcut_links_targets_not_renumbered,
        shortcut_links_from_one,
        shortcut_links_one_end_will_do,
        shortcut_links_short_integers,
        shortcut_links_decimals,
        shortcut_links_lists,
        shortcut_links_as_columns,
        shortcut_links_one_tensor,
        shortcut_links_without_zero,
        shortcut_links_without_the_last,
        shortcut_links_reversed,
        shortcut_links_every_second,
        shortcut_links_one_to_one,
    ],
    "shrink_resnet": [
        shrink_resnet_free_only,
        shrink_resnet_streams_only,
        shrink_resnet_classifier_left,
        shrink_resnet_classifier_first_n,
        shrink_resnet_stale_classifier,
        shrink_resnet_stem_left,
        shrink_resnet_same_stream,
        shrink_resnet_shortcut_left,
        shrink_resnet_padding_of_the_kept,
        shrink_resnet_shortcut_bn_left,
        shrink_resnet_inverted,
        shrink_resnet_first_n,
        shrink_resnet_silenced,
        shrink_resnet_narrow,
        shrink_resnet_in_place,
        shrink_resnet_training,
        shrink_resnet_evaluation,
        shrink_resnet_fresh_statistics,
        shrink_resnet_fresh_classifier_bias,
        shrink_resnet_frozen,
        shrink_resnet_state,
        shrink_resnet_first_blocks,
        shrink_resnet_zeros_behind,
        shrink_resnet_old_targets,
        shrink_resnet_link_missing,
    ],
    "choose_widths": [
        choose_widths_uniform,
        choose_widths_removed,
        choose_widths_shares,
        choose_widths_changed_only,
        choose_widths_stops_early,
        choose_widths_most_sensitive,
        choose_widths_most_expensive,
        choose_widths_per_layer,
        choose_widths_everything,
        choose_widths_smallest,
        choose_widths_decimals,
        choose_widths_layer_by_layer,
        choose_widths_step_by_step,
        choose_widths_half,
    ],
}

ALTERNATIVES: dict[str, list[Callable]] = {
    "conv_macs": [
        conv_macs_by_running,
        conv_macs_flop_counter,
        conv_macs_positions,
    ],
    "race": [
        race_numpy,
        race_sorted,
        race_torch,
    ],
    "stored_bytes": [
        stored_bytes_tensors,
        stored_bytes_ceil,
        stored_bytes_by_row,
    ],
    "coupled_groups": [
        coupled_groups_written_out,
        coupled_groups_by_blocks,
        coupled_groups_by_elimination,
    ],
    "cut": [
        cut_anew,
        cut_index_select,
        cut_by_lab_1,
    ],
    "shortcut_links": [
        shortcut_links_one_by_one,
        shortcut_links_cumsum,
        shortcut_links_by_padding,
    ],
    "shrink_resnet": [
        shrink_resnet_by_name,
        shrink_resnet_streams_first,
        shrink_resnet_lab_1,
    ],
    "choose_widths": [
        choose_widths_same_loss,
        choose_widths_from_full,
        choose_widths_small_steps,
    ],
}
