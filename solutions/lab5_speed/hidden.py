"""Hidden tests of lab 5: a sentence per property; those of an exercise go into its test cell."""

# ruff: noqa: PT028 (the seed has a default, so that a grader may give another one)
# mypy: disable-error-code="union-attr,arg-type,index"

import copy
import json
import random
from collections.abc import Callable, Iterator
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruninglab import checkpoints
from pruninglab.checks.agree import agree
from pruninglab.checks.unchanged import unchanged
from pruninglab.grading.unseen import unseen_images
from pruninglab.models import Block, ResNet20
from pruninglab.training import accuracy


def _some(n: int, generator: torch.Generator) -> Tensor:
    """A mask with at least one True."""
    mask = torch.rand(n, generator=generator) < 0.6
    mask[int(torch.randint(n, (1,), generator=generator))] = True
    return mask


def _as_after_a_training(model: nn.Module, generator: torch.Generator) -> None:
    """Random scales, shifts and statistics for every batch normalisation, and a count."""
    for bn in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        for tensor in (bn.weight.data, bn.bias.data, bn.running_mean):
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
        bn.running_var.copy_(0.5 + torch.rand(bn.running_var.shape, generator=generator))
        bn.num_batches_tracked.fill_(321)


# --- conv_macs ----------------------------------------------------------------------------------


def _conv_and_image(generator: torch.Generator) -> dict[str, Any]:
    """A convolution of any kernel, stride and padding, and an image it fits into."""
    chance = random.Random(generator.initial_seed())
    kernel = (chance.randint(1, 5), chance.randint(1, 5))
    stride = (chance.randint(1, 3), chance.randint(1, 3))
    padding = (chance.randint(0, 2), chance.randint(0, 2))
    channels = (chance.randint(1, 6), chance.randint(1, 6))
    conv = nn.Conv2d(*channels, kernel, stride, padding, bias=chance.random() < 0.5)
    for parameter in conv.parameters():
        nn.init.ones_(parameter)
    conv.weight.data[0] = 0  # multiplied with all the same
    height, width = (k + chance.randint(0, 9) for k in kernel)
    return {"conv": conv, "height": height, "width": width}


def _products(conv: nn.Conv2d, height: int, width: int) -> int:
    """Pixels of the output, from running the layer, times the weights of a filter, summed."""
    output = conv(torch.zeros(1, conv.in_channels, height, width))
    return output.numel() * conv.weight[0].numel()


def test_every_output_pixel_costs_its_products(conv_macs: Callable, seed: int = 0) -> None:
    """It is the number of products that running the layer takes, whatever its sizes."""

    def number(**given: Any) -> float:
        found = conv_macs(**given)
        assert not isinstance(found, Tensor), f"{found!r}: `.item()` takes the number out"
        return float(found)

    agree(number, _products, _conv_and_image, seed, trials=40)


def test_large_images_are_counted_exactly(conv_macs: Callable) -> None:
    """Counts beyond 2^24, where single precision ends, are exact."""
    conv = nn.Conv2d(97, 101, 3, padding=1, bias=False)
    found, right = int(conv_macs(conv, 111, 113)), 97 * 101 * 9 * 111 * 113
    assert found == right, f"{conv}, 111x113: {found}, expected {right}"


# --- race ---------------------------------------------------------------------------------------


_READING = 2**-9  # seconds: reading a clock takes time, and a timed run includes a little of it


class _Track:
    """A clock that runs and readings move; it writes down who ran and when it was read ("|")."""

    def __init__(self, reading: float | None = None) -> None:
        self.now, self.events = 0.0, ""
        self.reading = _READING if reading is None else reading

    def clock(self) -> float:
        self.events += "|"
        self.now += self.reading
        return self.now - self.reading

    def runner(self, name: str, seconds: list[float]) -> Callable:
        left: Iterator[float] = iter(seconds)

        def run() -> None:
            self.events += name
            self.now += next(left, 1000.0)

        return run


def _raced(race: Callable, seed: int) -> Iterator[tuple]:
    """Races of one to three runners: names, their times, warm-up, rounds, the track, the result."""
    chance = random.Random(seed)
    for trial in range(14):
        warmup, rounds, names = trial % 3, 1 + trial % 7, ["c", "a", "b"][: 1 + trial % 3]
        times = {n: [chance.choice([1, 2, 3, 50]) + i / 8 for i in range(rounds)] for n in names}
        track = _Track()
        runners = {n: track.runner(n, [500.0] * warmup + times[n]) for n in names}
        yield names, times, warmup, rounds, track, race(runners, warmup, rounds, track.clock)


def test_each_result_is_the_median_of_its_times(race: Callable, seed: int = 0) -> None:
    """Of an odd number of times it is the one in the middle, of an even number the mean of two."""
    for names, times, warmup, rounds, _, found in _raced(race, seed):
        case = f"{warmup=}, {rounds=}"
        assert list(found) == names, f"{case}: results for {list(found)}, expected {names}"
        for name, seconds in times.items():
            assert not isinstance(found[name], Tensor), f"{found[name]!r} is no number"
            right = float(np.median(seconds)) + _READING
            assert abs(float(found[name]) - right) < 1e-6, f"{case}: {found[name]} for {seconds}"


def test_they_take_turns_once_all_are_warm(race: Callable, seed: int = 0) -> None:
    """Each runs as often as it should, and after the warm-up one after the other in each round."""
    for names, _, warmup, rounds, track, _ in _raced(race, seed):
        ran, cold = track.events.replace("|", ""), warmup * len(names)
        case = f"{warmup=}, {rounds=}, {names}: the runs were {ran!r}"
        assert sorted(ran[:cold]) == sorted(warmup * names), f"{case}, the warm-up is not right"
        assert ran[cold:] == "".join(names) * rounds, f"{case}, not in turns"


def test_the_warm_up_is_not_timed(race: Callable, seed: int = 0) -> None:
    """Before the first timed run the clock is not read between two runs."""
    for names, _, warmup, rounds, track, _ in _raced(race, seed):
        timed = rounds * len(names)
        runs = [i for i, event in enumerate(track.events) if event != "|"]
        cold = track.events[runs[0] : runs[-timed] - 1]
        case = f"{warmup=}, {rounds=}: clock (|) and runs came as {track.events!r}"
        assert "|" not in cold, f"{case}, and the warm-up is timed"


def test_short_runs_have_their_times(race: Callable) -> None:
    """Fractions of a microsecond are not rounded, and a run that takes no time counts."""
    for seconds, right in (
        ([3e-7, 9e-7, 4e-7], 4e-7),
        ([0.0, 8e-7, 0.0], 0.0),
        ([0.0, 6e-7], 3e-7),
    ):
        track = _Track(reading=0.0)
        found = float(race({"a": track.runner("a", seconds)}, 0, len(seconds), track.clock)["a"])
        assert abs(found - right) < 1e-10, f"runs of {seconds} s: {found} s, expected {right} s"


def test_every_run_is_timed_alone(race: Callable, seed: int = 0) -> None:
    """The clock is read right before and right after each timed run, for that run only."""
    for names, _, warmup, rounds, track, _ in _raced(race, seed):
        timed = rounds * len(names)
        runs = [i for i, event in enumerate(track.events) if event != "|"][-timed:]
        around = [track.events[i - 1 : i + 2] for i in runs]
        alone = all(len(e) == 3 and e[0] == e[2] == "|" for e in around)
        case = f"{warmup=}, {rounds=}"
        assert alone, f"{case}: clock (|) and runs came as {track.events!r}"
        twice = track.events.count("|") >= 2 * timed
        assert twice, f"{case}: {track.events.count('|')} readings for {timed} timed runs"


def test_the_default_clock_gives_seconds(race: Callable) -> None:
    """Without a clock of ours, real seconds are measured."""
    real = float(race({"a": lambda: sum(range(1000))}, 1, 3)["a"])
    assert 0 < real < 10, f"the default clock gave {real} s for a moment's work"


# --- stored_bytes -------------------------------------------------------------------------------


def _mask_and_sizes(generator: torch.Generator) -> dict[str, Any]:
    """A mask of any density, empty and full ones included, some not contiguous in memory."""
    trial = generator.initial_seed()
    shape = [(1, 1), (5, 7), (10, 64), (4, 3, 3, 3), (16, 8, 3, 3), (3, 5, 1, 1), (9, 1)][trial % 7]
    mask = torch.rand(shape, generator=generator) < trial % 9 / 8
    mask = mask.transpose(0, 1).contiguous().transpose(0, 1) if trial % 2 else mask
    value, index = [(4, 4), (1, 2), (2, 8), (8, 4)][trial % 4]
    return {"mask": mask, "value_bytes": value, "index_bytes": index}


def _measured(mask: Tensor, value_bytes: int, index_bytes: int) -> dict[str, int]:
    """Sizes of arrays that really hold what is stored."""
    rows, columns = mask.flatten(1).numpy().nonzero()
    starts = np.searchsorted(rows, np.arange(len(mask) + 1))
    bits = np.packbits(mask.flatten().numpy())
    return {
        "bitmask": len(bits) + len(columns) * value_bytes,
        "csr": len(columns) * value_bytes + (len(columns) + len(starts)) * index_bytes,
        "dense": mask.numel() * value_bytes,
    }


def test_sizes_are_those_of_what_is_stored(stored_bytes: Callable, seed: int = 0) -> None:
    """Dense tensor, bitmask and CSR take the bytes of arrays that hold them, for any mask."""

    def sizes(**given: Any) -> dict[str, float]:
        found = dict(sorted(stored_bytes(**given).items()))
        for name, size in found.items():
            assert not isinstance(size, Tensor), f"{name}: {size!r} is no number"
        return {name: float(size) for name, size in found.items()}

    agree(sizes, _measured, _mask_and_sizes, seed, trials=60)


def test_values_and_indices_have_four_bytes_by_default(
    stored_bytes: Callable, seed: int = 0
) -> None:
    """Without further arguments both are four bytes long."""
    mask = torch.rand(6, 5, generator=torch.Generator().manual_seed(seed)) < 0.5
    found = {name: float(size) for name, size in stored_bytes(mask).items()}
    right = _measured(mask, 4, 4)
    assert found == right, f"{found}, expected {right}"


# --- coupled_groups -----------------------------------------------------------------------------


def _networks(seed: int) -> list[tuple[str, ResNet20, list[str]]]:
    """Networks of either shortcut, and the names of their convolutions."""
    found = []
    for width, shortcut in ((1, "A"), (1, "B"), (3, "A"), (4, "B")):
        model = ResNet20(width, shortcut, seed=seed)
        convs = [name for name, m in model.named_modules() if isinstance(m, nn.Conv2d)]
        found.append((f"width {width}, shortcut {shortcut}", model, convs))
    return found


def test_each_convolution_is_in_one_group(coupled_groups: Callable, seed: int = 0) -> None:
    """Every convolution is there, once, and nothing else is."""
    for case, model, convs in _networks(seed):
        found = sorted(name for members in coupled_groups(model).values() for name in members)
        assert found == sorted(convs), f"{case}: in your groups are {found}"


def test_what_writes_on_a_stream_goes_together(coupled_groups: Callable, seed: int = 0) -> None:
    """The group of a stage has all that is added there, with the stem in the first one."""
    for case, model, convs in _networks(seed):
        found = coupled_groups(model)
        for stage in ("layer1", "layer2", "layer3"):
            right = ["conv1"] if stage == "layer1" else []
            right += [c for c in convs if c.startswith(stage) and not c.endswith("conv1")]
            mine = sorted(found.get(stage, []))
            assert mine == sorted(right), f"{case}: {stage} is {mine}, expected {sorted(right)}"


def test_what_is_added_to_nothing_goes_alone(coupled_groups: Callable, seed: int = 0) -> None:
    """The first convolution of each block is a group of its own, under its own name."""
    for case, model, convs in _networks(seed):
        found = coupled_groups(model)
        for name in (c for c in convs if c.endswith(".conv1")):
            mine = list(found.get(name, []))
            assert mine == [name], f"{case}: the group of {name} is {mine}"


def test_the_network_that_is_looked_at_stays(coupled_groups: Callable, seed: int = 0) -> None:
    """Nothing of the network changes."""
    model = ResNet20(1, "B", seed=seed)
    with unchanged(model):
        coupled_groups(model)


# --- cut ----------------------------------------------------------------------------------------


def _layers(trial: int) -> dict[str, Any]:
    """A convolution with its batch normalisation, and what stays on both sides."""
    generator = torch.Generator().manual_seed(trial)
    c_in, c_out = 1 + trial % 6, 1 + (5 * trial) % 7
    kernel = [1, 3, (3, 1)][trial % 3]
    stride, padding, dilation = [(1, 1), (1, 2), (2, 1)][trial % 3], (trial % 2, 1), 1 + trial % 2
    conv = nn.Conv2d(
        c_in, c_out, kernel, stride, padding, dilation, bias=trial % 5 == 0,
        padding_mode=["zeros", "circular"][trial % 4 // 3],
    )  # fmt: skip
    for parameter in conv.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    bn = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.3).train(trial % 4 == 3)
    _as_after_a_training(bn, generator)
    inputs, filters = _some(c_in, generator), _some(c_out, generator)
    return {"conv": conv, "bn": bn, "inputs": inputs, "filters": filters}


def _case(conv: nn.Conv2d, bn: nn.BatchNorm2d, inputs: Tensor, filters: Tensor) -> str:
    return f"{conv}, inputs {inputs.int().tolist()}, filters {filters.int().tolist()}"


def test_small_layers_compute_what_the_large_ones_do(cut: Callable, seed: int = 0) -> None:
    """With the other inputs at zero, the filters that stay give what they gave."""
    for trial in range(seed, seed + 24):
        given, own = _layers(trial), _layers(trial)
        inputs, filters = own["inputs"], own["filters"]
        small, small_bn = cut(**given)
        x = torch.randn(2, len(inputs), 9, 9, generator=torch.Generator().manual_seed(trial))
        x[:, ~inputs] = 0
        with torch.no_grad():
            right = own["bn"].eval()(own["conv"](x))[:, filters]
            found = small_bn.eval()(small(x[:, inputs]))
        assert found.shape == right.shape, f"{_case(**own)}: output {tuple(found.shape)}"
        assert torch.allclose(found, right, atol=1e-5), f"{_case(**own)}: another function"


def test_small_layers_say_their_size_and_keep_the_rest(cut: Callable, seed: int = 0) -> None:
    """They print as the old ones do, but for the numbers of channels; BN keeps its mode."""
    for trial in range(seed, seed + 12):
        given, own = _layers(trial), _layers(trial)
        n_in, n_out = int(own["inputs"].sum()), int(own["filters"].sum())
        own["conv"].in_channels, own["conv"].out_channels = n_in, n_out
        own["bn"].num_features = n_out
        small, small_bn = cut(**given)
        for found, right in ((small, own["conv"]), (small_bn, own["bn"])):
            assert str(found) == str(right), f"{_case(**given)}: {found}, expected {right}"
        assert small_bn.training == own["bn"].training, f"{_case(**given)}: BN's mode has changed"


def test_small_layers_keep_count_and_precision(cut: Callable, seed: int = 0) -> None:
    """BN has seen as many batches as before, and double precision stays double precision."""
    for trial, dtype in ((seed, torch.float64), (seed + 1, torch.float32)):
        given = _layers(trial)
        given["conv"].to(dtype), given["bn"].to(dtype)
        small, small_bn = cut(**given)
        seen = small_bn.num_batches_tracked
        assert seen is not None, f"{_case(**given)}: BN does not count its batches any more"
        assert int(seen) == 321, f"{_case(**given)}: BN has seen {int(seen)} batches, not 321"
        for name, tensor in [*small.named_parameters(), *small_bn.named_parameters()]:
            assert tensor.dtype == dtype, f"{_case(**given)}: {name} is {tensor.dtype}, not {dtype}"


def test_what_is_left_is_copied_exactly(cut: Callable, seed: int = 0) -> None:
    """Parameters stay parameters and buffers buffers, each number to its last digit."""
    for trial in range(seed, seed + 6):
        given = _layers(trial)
        inputs, filters = given["inputs"], given["filters"]
        for layer in (given["conv"].double(), given["bn"].double()):
            for parameter in layer.parameters():
                parameter.data *= 1 + 2**-40  # single precision has no such number
        for new, old in zip(cut(**given), (given["conv"], given["bn"]), strict=True):
            for table in ("named_parameters", "named_buffers"):
                found, before = dict(getattr(new, table)()), dict(getattr(old, table)())
                assert set(found) == set(before), f"{_case(**given)}: {table} {sorted(found)}"
                for name, tensor in before.items():
                    right = tensor[filters] if tensor.dim() else tensor
                    right = right[:, inputs] if tensor.dim() == 4 else right
                    same = torch.equal(found[name], right)
                    assert same, f"{_case(**given)}: {name} of {new} has other numbers"


def test_a_channel_that_never_varied_is_copied_too(cut: Callable, seed: int = 0) -> None:
    """A dead filter has a running variance of 0: it may stay, and keeps it."""
    given = _layers(seed + 3)
    given["bn"].running_var[:] = 0
    given["filters"][:] = True
    small_bn = cut(**given)[1]
    left = small_bn.running_var.max().item()
    assert left == 0, f"a running variance of 0 has become {left:.3g}"


def test_small_layers_are_new_and_can_be_trained(cut: Callable, seed: int = 0) -> None:
    """They share nothing with the old layers, and all of their parameters take gradients."""
    for trial in range(seed, seed + 6):
        given = _layers(trial)
        given["inputs"][:], given["filters"][:] = True, True  # then nothing is cut off
        small, small_bn = cut(**given)
        for new, old in ((small, given["conv"]), (small_bn, given["bn"])):
            assert new is not old, f"{_case(**given)}: the {type(old).__name__} is the old one"
            for name, parameter in new.named_parameters():
                assert parameter.requires_grad, f"{_case(**given)}: {name} cannot be trained"
            for tensor in new.state_dict().values():
                tensor.add_(1)
        fresh = _layers(trial)
        for name in ("conv", "bn"):
            for part, tensor in fresh[name].state_dict().items():
                same = torch.equal(given[name].state_dict()[part], tensor)
                assert same, f"{_case(**given)}: {part} of the new {name} is that of the old one"


def test_the_layers_to_cut_stay_as_they_were(cut: Callable, seed: int = 0) -> None:
    """Neither layer nor mask that is handed in changes."""
    for trial in range(seed, seed + 6):
        given, own = _layers(trial), _layers(trial)
        with unchanged(given["conv"], given["bn"]):
            cut(**given)
        for name in ("inputs", "filters"):
            assert torch.equal(given[name], own[name]), f"{_case(**own)}: {name} was changed"


# --- shortcut_links -----------------------------------------------------------------------------


def _channels(generator: torch.Generator) -> dict[str, Tensor]:
    """What is kept before and behind a shortcut; nothing may be, or everything."""
    trial = generator.initial_seed()
    c_in = 1 + trial % 9
    c_out = c_in + trial // 2 % 8
    share = [0.65, 0.65, 0.3, 1.0][trial % 4]
    return {
        "keep_in": torch.rand(c_in, generator=generator) < share,
        "keep_out": torch.rand(c_out, generator=generator) < share,
    }


def _arrivals(keep_in: Tensor, keep_out: Tensor) -> list[int]:
    """Which kept input arrives at each kept output, -1 for zeros: pad the numbers, then choose."""
    numbers = torch.where(keep_in, keep_in.cumsum(0) - 1, -1)
    extra = len(keep_out) - len(keep_in)
    padded = nn.functional.pad(numbers, (extra // 2, extra - extra // 2), value=-1)
    return padded[keep_out].tolist()


def test_channels_arrive_where_the_padding_puts_them(
    shortcut_links: Callable, seed: int = 0
) -> None:
    """The links say what padding all channels and choosing afterwards would give."""

    def arrivals(keep_in: Tensor, keep_out: Tensor) -> list[int]:
        sources, targets = shortcut_links(keep_in, keep_out)
        found = [-1] * int(keep_out.sum())
        for source, target in zip(sources.tolist(), targets.tolist(), strict=True):
            assert 0 <= target < len(found), f"there is no kept output channel {target}"
            found[target] = source
        return found

    agree(arrivals, _arrivals, _channels, seed, trials=80)


def test_hundreds_of_channels_are_counted(shortcut_links: Callable, seed: int = 0) -> None:
    """A channel's number may be larger than 255, where a byte ends."""
    generator = torch.Generator().manual_seed(seed)
    keep_in, keep_out = (torch.rand(n, generator=generator) < 0.9 for n in (400, 800))
    sources, targets = (numbers.tolist() for numbers in shortcut_links(keep_in, keep_out))
    arrivals = _arrivals(keep_in, keep_out)
    right = sorted((source, target) for target, source in enumerate(arrivals) if source >= 0)
    found = sorted(zip(sources, targets, strict=True))
    wrong = [pair for pair in found if pair not in right]
    assert found == right, f"400 channels to 800: {len(found)} links, wrong ones {wrong[:3]}"


def test_links_are_numbers_of_channels(shortcut_links: Callable, seed: int = 0) -> None:
    """Both are flat int64 tensors of one length, even if there is no link, and no target twice."""
    for trial in range(seed, seed + 40):
        given = _channels(torch.Generator().manual_seed(trial))
        case = ", ".join(f"{name} {mask.int().tolist()}" for name, mask in given.items())
        sources, targets = shortcut_links(**given)
        for name, numbers in (("sources", sources), ("targets", targets)):
            good = isinstance(numbers, Tensor) and numbers.dtype == torch.int64
            assert good, f"{case}: {name} are {numbers}"
            assert numbers.dim() == 1, f"{case}: {name} have shape {tuple(numbers.shape)}"
        assert len(sources) == len(targets), f"{case}: {len(sources)} and {len(targets)} numbers"
        assert len(set(targets.tolist())) == len(targets), f"{case}: targets {targets.tolist()}"


# --- shrink_resnet ------------------------------------------------------------------------------


def _network_and_masks(trial: int) -> tuple[ResNet20, dict[str, Tensor]]:
    """A ResNet-20 as after a training, and what stays in each of its groups."""
    generator, width = torch.Generator().manual_seed(trial), (4, 6, 3)[trial % 3]
    model = ResNet20(width, "AB"[trial % 2], seed=trial).train(trial % 3 == 1)
    _as_after_a_training(model, generator)
    for bn in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        bn.eps = 0.1
    model.to((torch.float32, torch.float64)[trial // 2 % 2])
    keep = {}
    for stage, filters in (("layer1", width), ("layer2", 2 * width), ("layer3", 4 * width)):
        for name in (stage, *(f"{stage}.{block}.conv1" for block in range(3))):
            keep[name] = _some(filters, generator)
    return model, keep


class _Masked:
    """A forward hook that multiplies a feature map by a mask."""

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask.view(1, -1, 1, 1)

    def __call__(self, _module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        return output * self.mask


@torch.no_grad()
def _silenced(model: ResNet20, keep: dict[str, Tensor], x: Tensor) -> Tensor:
    """What the network computes with every other feature map at zero, where it arises."""
    masked = copy.deepcopy(model).eval()
    masked.bn1.register_forward_hook(_Masked(keep["layer1"]))
    for name, block in masked.named_modules():
        if isinstance(block, Block):
            block.bn1.register_forward_hook(_Masked(keep[f"{name}.conv1"]))
            block.register_forward_hook(_Masked(keep[name.split(".")[0]]))
    return masked(x)


def test_it_computes_what_the_silenced_network_does(shrink_resnet: Callable, seed: int = 0) -> None:
    """Equal outputs to rounding, for any masks, either shortcut, and any statistics."""
    for trial in range(seed, seed + 6):
        model, keep = _network_and_masks(trial)
        x = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(trial))
        x = x.to(model.fc.weight.dtype)
        right = _silenced(model, keep, x)
        small = shrink_resnet(model, {name: mask.clone() for name, mask in keep.items()})
        case = f"width {model.width}, shortcut {model.shortcut}, {x.dtype}"
        dtypes = {p.dtype for p in small.parameters()}
        assert dtypes == {x.dtype}, f"{case}: the parameters are {dtypes}"
        with torch.no_grad():
            off = float((small.eval()(x) - right).abs().max())
        scale = max(1.0, float(right.abs().max()))
        assert off <= 1e-5 * scale, f"{case}: the outputs differ by {off}"


def test_every_layer_is_smaller_and_says_so(shrink_resnet: Callable, seed: int = 0) -> None:
    """Each convolution has the filters that stay in its group, and attributes that agree."""
    for trial in (seed, seed + 1):
        model, keep = _network_and_masks(trial)
        small = shrink_resnet(model, {name: mask.clone() for name, mask in keep.items()})
        convs = {n: m for n, m in small.named_modules() if isinstance(m, nn.Conv2d)}
        named = sorted(n for n, m in model.named_modules() if isinstance(m, nn.Conv2d))
        assert sorted(convs) == named, f"the convolutions are {sorted(convs)}"
        for name, conv in convs.items():
            group = name if name.endswith(".conv1") else name.split(".")[0]
            filters = int(keep["layer1" if name == "conv1" else group].sum())
            assert conv.out_channels == filters, f"{name} has {conv.out_channels}, not {filters}"
            says = (conv.out_channels, conv.in_channels)
            assert says == conv.weight.shape[:2], f"{name} says {says}: {tuple(conv.weight.shape)}"
        for name, bn in small.named_modules():
            if isinstance(bn, nn.BatchNorm2d):
                assert bn.num_features == len(bn.weight), f"{name} says {bn.num_features}"
        columns, right = small.fc.weight.shape[1], int(keep["layer3"].sum())
        assert small.fc.in_features == columns == right, f"fc has {columns} inputs, not {right}"


def test_the_small_network_goes_on_in_the_same_mode(shrink_resnet: Callable, seed: int = 0) -> None:
    """Its batch normalisation is in the mode of the network, and all of it can be trained."""
    for trial in (seed, seed + 1, seed + 2):
        model, keep = _network_and_masks(trial)
        small = shrink_resnet(model, keep)
        modes = {m.training for m in small.modules() if isinstance(m, nn.BatchNorm2d)}
        assert modes == {model.training}, f"BN's modes are {modes}, the model's is {model.training}"
        frozen = [name for name, p in small.named_parameters() if not p.requires_grad]
        assert not frozen, f"cannot be trained: {frozen}"
        buffers = {name for name, _ in small.named_buffers() if "running" in name}
        norms = {name for name, m in small.named_modules() if isinstance(m, nn.BatchNorm2d)}
        missing = {
            f"{n}.{kind}" for n in norms for kind in ("running_mean", "running_var")
        } - buffers
        assert not missing, f"no buffers any more: {sorted(missing)}"
        shared = {id(p) for p in small.parameters()} & {id(p) for p in model.parameters()}
        assert not shared, "the smaller network shares parameters with the original"


def test_the_large_network_stays_as_it_was(shrink_resnet: Callable, seed: int = 0) -> None:
    """Nothing of the network that is handed in changes, and no mask either."""
    for trial in (seed, seed + 1):
        model, keep = _network_and_masks(trial)
        handed = {name: mask.clone() for name, mask in keep.items()}
        with unchanged(model):
            shrink_resnet(model, handed)
        changed = [name for name, mask in keep.items() if not torch.equal(mask, handed[name])]
        assert not changed, f"these masks were changed: {changed}"


# --- choose_widths ------------------------------------------------------------------------------


def _scan() -> tuple[dict, dict]:
    """The recorded scan of the network that ships: widths with accuracies, MACs per filter."""
    record = json.loads((checkpoints.ASSETS / "speed-scan.json").read_text(encoding="utf-8"))
    rows = record["scan"].items()
    return {n: {int(w): float(a) for w, a in row.items()} for n, row in rows}, record["macs"]


def _valid(scan: dict, macs: dict, budget: int, keep: dict) -> None:
    """A number of filters for every layer, and enough MACs saved."""
    assert set(keep) == set(scan), f"the layers are {sorted(keep)}, expected {sorted(scan)}"
    for name, kept in keep.items():
        whole = isinstance(kept, Integral) and not isinstance(kept, bool)  # numpy's as well
        assert whole, f"{name}: {kept!r} is no int"
        assert 1 <= kept <= max(scan[name]), f"{name}: {kept} of {max(scan[name])} filters"
    saved = sum(macs[name] * (max(row) - keep[name]) for name, row in scan.items())
    assert saved >= budget, f"{saved:,} MACs are saved, {budget:,} or more were asked for"


def test_enough_macs_are_saved(choose_widths: Callable, seed: int = 0) -> None:
    """For any budget, of the real network and of others, and the scan stays as it was."""
    chance = random.Random(seed)
    for _ in range(10):
        scan, macs = _scan()
        if chance.random() < 0.5:  # another network: other widths, other prices
            scan = {f"c{i}": {16: 0.9, 12: 0.9 - chance.random() / 9, 5: 0.3} for i in range(4)}
            macs = {name: chance.randint(10, 99) for name in scan}
        most = sum(macs[name] * (max(row) - min(row)) for name, row in scan.items())
        budget, before = round(most * chance.random()), copy.deepcopy((scan, macs))
        _valid(scan, macs, budget, choose_widths(scan, macs, budget))
        assert (scan, macs) == before, "an argument was changed"


def test_the_network_is_accurate_on_new_images(choose_widths: Callable) -> None:
    """With 30 % fewer MACs and no training, on images that students do not have: 65 % right."""
    scan, macs = _scan()
    budget = round(0.3 * 40_813_184)
    keep = choose_widths(scan, macs, budget)
    _valid(scan, macs, budget, keep)
    model = checkpoints.trained(16)
    for name, kept in keep.items():
        norms = model.get_parameter(f"{name}.weight").detach().abs().flatten(1).sum(dim=1)
        strongest = norms >= norms.sort(descending=True).values[kept - 1]
        bn = name.replace("conv", "bn")
        for parameter in (model.get_parameter(f"{bn}.{part}") for part in ("weight", "bias")):
            parameter.data.mul_(strongest)
    right = accuracy(model, unseen_images())
    assert right >= 0.65, f"{right:.1%} of 800 images are right, 65 % are needed"
