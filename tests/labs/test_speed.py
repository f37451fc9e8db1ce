"""Lab 5 against independent references: counters of torch, sparse tensors, Torch-Pruning, hooks."""

from __future__ import annotations

import copy
import json
import warnings

import pytest
import torch
import torch_pruning as tp
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pruninglab import checkpoints, counters, data
from pruninglab.models import Block, ResNet20, ready_to_run
from pruninglab.training import accuracy
from solutions.builder import build
from solutions.lab1_structures.exercises import free_convs
from solutions.lab5_speed import bench as speed_bench
from solutions.lab5_speed import scan
from solutions.lab5_speed.exercises import (
    choose_widths,
    conv_macs,
    coupled_groups,
    cut,
    race,
    shortcut_links,
    shrink_resnet,
    stored_bytes,
)

CASES = [(w, s, seed) for w in (16, 8) for s in ("A", "B") for seed in range(3)]


def random_resnet(width: int, shortcut: str, seed: int) -> ResNet20:
    """A network whose BN has learned something, as after a training."""
    model = ResNet20(width, shortcut, seed=seed).eval()
    generator = torch.Generator().manual_seed(seed)
    for bn in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        for tensor in (bn.weight.data, bn.bias.data, bn.running_mean):
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
        bn.running_var.copy_(0.5 + torch.rand(bn.running_var.shape, generator=generator))
    return model


def random_keep(model: ResNet20, seed: int, share: float = 0.5) -> dict[str, Tensor]:
    """For each group a random mask with at least one filter left."""
    generator = torch.Generator().manual_seed(seed)
    keep = {}
    for name, convs in coupled_groups(model).items():
        n = model.get_submodule(convs[0]).out_channels
        keep[name] = torch.rand(n, generator=generator) < share
        keep[name][int(torch.randint(n, (1,), generator=generator))] = True
    return keep


def hooked(model: ResNet20, keep: dict[str, Tensor]) -> ResNet20:
    """The masked network: every feature map outside `keep` is multiplied by zero by a hook."""
    masked = copy.deepcopy(model)

    def mask_output(module: nn.Module, mask: Tensor) -> None:
        module.register_forward_hook(lambda _m, _x, y: y * mask.view(1, -1, 1, 1))

    mask_output(masked.bn1, keep["layer1"])
    for name, block in masked.named_modules():
        if isinstance(block, Block):
            mask_output(block.bn1, keep[f"{name}.conv1"])
            mask_output(block, keep[name.split(".")[0]])
    return masked


def silenced(model: ResNet20, keep: dict[str, Tensor]) -> ResNet20:
    """The masked network by its weights: filters of conv, scale and shift of BN set to zero."""
    masked = copy.deepcopy(model)
    for group, convs in coupled_groups(model).items():
        for conv in convs:
            bn = conv.replace("downsample.0", "downsample.1").replace("conv", "bn")
            for module in (masked.get_submodule(conv), masked.get_submodule(bn)):
                for parameter in module.parameters():
                    parameter.data[~keep[group]] = 0
    return masked


def images(n: int = 4) -> Tensor:
    return torch.randn(n, 3, 32, 32, generator=torch.Generator().manual_seed(9))


def assert_same_function(a: nn.Module, b: nn.Module) -> None:
    """Equal to 1e-5 of the largest class score."""
    with torch.no_grad():
        x, y = a(images()), b(images())
    assert (x - y).abs().max() <= 1e-5 * max(1.0, x.abs().max().item())
    assert x.std() > 0.1  # networks that say nothing would agree, too


@pytest.mark.parametrize(("width", "shortcut", "seed"), CASES)
def test_shrunk_computes_what_masked_feature_maps_do(width: int, shortcut: str, seed: int) -> None:
    model = random_resnet(width, shortcut, seed)
    keep = random_keep(model, seed)
    assert_same_function(hooked(model, keep), shrink_resnet(model, keep))


@pytest.mark.parametrize(("width", "seed"), [(16, 0), (16, 1), (8, 2), (8, 3)])
def test_shrunk_computes_what_zeroed_weights_do(width: int, seed: int) -> None:
    model = random_resnet(width, "B", seed)
    keep = random_keep(model, seed, share=0.6)
    assert_same_function(silenced(model, keep), shrink_resnet(model, keep))


@pytest.mark.parametrize("seed", range(3))
def test_zeroed_weights_with_option_a_where_no_carried_channel_is_dropped(seed: int) -> None:
    """Zeroing filters cannot stop what option A carries along: here the next stage keeps it."""
    model = random_resnet(16, "A", seed)
    keep = random_keep(model, seed)
    for before, after in (("layer1", "layer2"), ("layer2", "layer3")):
        n = len(keep[before])
        keep[after][n // 2 : n // 2 + n] |= keep[before]
    assert_same_function(silenced(model, keep), shrink_resnet(model, keep))


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_keeping_everything_changes_nothing(shortcut: str) -> None:
    model = random_resnet(8, shortcut, 0)
    keep = {n: torch.ones_like(k) for n, k in random_keep(model, 0).items()}
    small = shrink_resnet(model, keep)
    assert_same_function(model, small)
    assert counters.table(small).total == counters.table(model).total


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_one_channel_everywhere_still_runs(shortcut: str) -> None:
    model = random_resnet(8, shortcut, 1)
    keep = {n: torch.arange(len(k)) == len(k) // 2 for n, k in random_keep(model, 0).items()}
    assert_same_function(hooked(model, keep), shrink_resnet(model, keep))


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_a_shrunk_network_trains_and_survives_its_state_dict(shortcut: str) -> None:
    model = random_resnet(8, shortcut, 0)
    keep = random_keep(model, 0)
    small, other = shrink_resnet(model, keep), shrink_resnet(random_resnet(8, shortcut, 5), keep)
    other.load_state_dict(small.state_dict())
    assert_same_function(small, other)
    small(images()).sum().backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in small.parameters())


@pytest.mark.parametrize("seed", range(3))
def test_the_original_is_not_touched(seed: int) -> None:
    model = random_resnet(8, "AB"[seed % 2], seed)
    before = copy.deepcopy(model.state_dict())
    shrink_resnet(model, random_keep(model, seed))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize(("width", "seed"), [(16, 0), (8, 1)])
def test_torch_pruning_makes_the_same_network(width: int, seed: int) -> None:
    """Same shapes, same weights, same counts (option B; A's shift it cannot see)."""
    model = random_resnet(width, "B", seed)
    keep = random_keep(model, seed)
    ours, theirs = shrink_resnet(model, keep), speed_bench.by_torch_pruning(model, keep)
    assert {n: p.shape for n, p in ours.state_dict().items()} == {
        n: p.shape for n, p in theirs.state_dict().items()
    }
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor), name
    assert repr(ours) == repr(theirs)
    assert counters.macs(ours) == counters.macs(theirs)
    assert_same_function(ours, theirs)


@pytest.mark.parametrize("width", [16, 4])
def test_coupled_groups_are_those_of_torch_pruning(width: int) -> None:
    model = ResNet20(width)
    graph = tp.DependencyGraph().build_dependency(model, example_inputs=images(1))
    names = {module: name for name, module in model.named_modules()}
    theirs = set()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            group = graph.get_pruning_group(module, tp.prune_conv_out_channels, idxs=[0])
            filters = (d.target.module for d, _ in group if d.handler == tp.prune_conv_out_channels)
            theirs.add(frozenset(names[module] for module in filters))
    assert theirs == {frozenset(convs) for convs in coupled_groups(model).values()}


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("stage", ["layer1", "layer2", "layer3"])
def test_coupled_groups_by_experiment(shortcut: str, stage: str) -> None:
    """A stream's channel falls silent when its whole group does, and not one convolution earlier.

    Of channel 1 (of 8 and of 16) option A carries nothing into the stages behind the first.
    """
    model = random_resnet(4, shortcut, 0)
    group = coupled_groups(model)[stage]
    assert loudness(model, stage, silent=group) == 0
    for conv in group:
        assert loudness(model, stage, silent=[c for c in group if c != conv]) > 0


def loudness(model: ResNet20, stage: str, silent: list[str]) -> float:
    """Largest value of a stage's channel 1 once the filters 1 of these convolutions are zero."""
    model = copy.deepcopy(model)
    for bn in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        bn.weight.data.fill_(0.01)  # small beside the shift, so that no ReLU silences a channel
        bn.bias.data.fill_(1.0)
    for conv in silent:
        bn = conv.replace("downsample.0", "downsample.1").replace("conv", "bn")
        for module in (model.get_submodule(conv), model.get_submodule(bn)):
            for parameter in module.parameters():
                parameter.data[1] = 0
    loudest: list[float] = []
    model.get_submodule(stage).register_forward_hook(
        lambda _m, _x, y: loudest.append(y[:, 1].abs().max().item())
    )
    model(images())
    return loudest[0]


def test_every_convolution_is_in_one_group() -> None:
    for model in (ResNet20(4, "A"), ResNet20(4, "B")):
        convs = [name for name, m in model.named_modules() if isinstance(m, nn.Conv2d)]
        assert sorted(c for group in coupled_groups(model).values() for c in group) == sorted(convs)


def test_shortcut_links_on_random_masks() -> None:
    """Scatter what is carried, cut it, and compare with carrying what the links say."""
    generator = torch.Generator().manual_seed(0)
    for trial in range(40):
        c_in = 1 + trial % 7
        c_out = c_in + trial % 5
        keep_in = torch.rand(c_in, generator=generator) < 0.6
        keep_out = torch.rand(c_out, generator=generator) < 0.6
        before = (c_out - c_in) // 2
        padded = torch.zeros(c_out)
        padded[before : before + c_in] = torch.arange(1.0, c_in + 1) * keep_in
        wanted = padded[keep_out]
        sources, targets = shortcut_links(keep_in, keep_out)
        got = torch.zeros(int(keep_out.sum()))
        got[targets] = torch.arange(1.0, c_in + 1)[keep_in][sources]
        assert torch.equal(got, wanted)


def test_cut_equals_torch_pruning() -> None:
    conv, bn = nn.Conv2d(6, 5, 3, stride=2, padding=1), nn.BatchNorm2d(5)
    bn.running_mean.normal_()
    inputs, filters = torch.tensor([1, 0, 1, 1, 0, 1]).bool(), torch.tensor([0, 1, 1, 0, 1]).bool()
    ours = cut(conv, bn, inputs, filters)
    tp.prune_conv_in_channels(conv, [1, 4])
    tp.prune_conv_out_channels(conv, [0, 3])
    tp.prune_batchnorm_out_channels(bn, [0, 3])
    for mine, theirs in zip(ours, (conv, bn), strict=True):
        assert repr(mine) == repr(theirs)
        for name, tensor in theirs.state_dict().items():
            assert torch.equal(mine.state_dict()[name], tensor), name


@pytest.mark.parametrize("stride", [1, 2, (2, 3)])
@pytest.mark.parametrize("padding", [0, 1, (2, 1)])
@pytest.mark.parametrize("kernel", [1, 3, (3, 5)])
def test_macs_are_half_the_flops_that_torch_counts(
    stride: int | tuple[int, int], padding: int | tuple[int, int], kernel: int | tuple[int, int]
) -> None:
    conv = nn.Conv2d(3, 7, kernel, stride, padding)
    with FlopCounterMode(display=False) as counter:
        conv(torch.zeros(1, 3, 11, 16))
    assert 2 * conv_macs(conv, 11, 16) == counter.get_total_flops()


def test_macs_of_the_whole_network() -> None:
    model, sizes = ResNet20(), {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda m, x, _y, name=name: sizes.update({name: conv_macs(m, *x[0].shape[2:])})
            )
    model(torch.zeros(1, 3, 32, 32))
    assert sum(sizes.values()) + 64 * 10 == 40_813_184 == counters.macs(model)


@pytest.mark.parametrize("shape", [(64, 32, 3, 3), (10, 64), (5, 3, 3, 3)])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
def test_bytes_are_those_of_torchs_tensors(shape: tuple[int, ...], sparsity: float) -> None:
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(0)) >= sparsity
    matrix = (torch.ones(shape) * mask).flatten(1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        sparse = matrix.to_sparse_csr()
    parts = (sparse.values(), sparse.col_indices().int(), sparse.crow_indices().int())
    got = stored_bytes(mask)
    assert got["csr"] == sum(part.nbytes for part in parts)
    assert got["dense"] == matrix.nbytes
    packed = -(-matrix.numel() // 8)
    assert got["bitmask"] == packed + sparse.values().nbytes
    wide = (sparse.values().double(), sparse.col_indices(), sparse.crow_indices())
    assert stored_bytes(mask, 8, 8)["csr"] == sum(part.nbytes for part in wide)


def test_race_agrees_with_a_sleep() -> None:
    import time

    seconds = race({"short": lambda: None, "long": lambda: time.sleep(0.01)}, 1, rounds=5)
    assert 0 <= seconds["short"] < 0.005 < seconds["long"] < 1


def test_race_ignores_one_slow_run() -> None:
    """Eleven runs of 1 s, of which one takes 100: the median is 1."""
    now, slow = [0.0], iter([1.0] * 5 + [100.0] + [1.0] * 5)

    def run() -> None:
        now[0] += next(slow)

    assert race({"run": run}, warmup=0, rounds=11, clock=lambda: now[0]) == {"run": 1.0}


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_ready_to_run_computes_the_same(shortcut: str, channels_last: bool) -> None:
    model = random_resnet(8, shortcut, 0)
    small = shrink_resnet(model, random_keep(model, 0))
    assert_same_function(small, ready_to_run(small, channels_last))
    assert sum(isinstance(m, nn.BatchNorm2d) for m in small.modules()) >= 19


def test_the_bench_times_every_network_and_states_its_mac_ratio() -> None:
    made = speed_bench.networks()
    text = speed_bench.table(made, speed_bench.race(made, batch=1, rounds=1), batch=1)
    rows = [line.split("|")[1:-1] for line in text.splitlines() if "removed" in line]
    assert len(rows) == 9  # three shares, each Torch-Pruning, ours, ours made ready
    for row in rows:
        share = float(row[0].split("%")[0]) / 100
        assert 0.8 < float(row[2]) * (1 - share) ** 2 < 1.2  # channels leave on both sides
        assert float(row[1]) > 0


def test_the_bench_states_what_fine_tuning_costs_after_the_removal() -> None:
    made = speed_bench.networks()
    text = speed_bench.training_table(made, speed_bench.training_race(made, rounds=1, steps=1))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[4:]]
    assert [row[0].split(" ")[0] for row in rows] == ["dense", "30%", "50%", "70%"]
    assert [row[2] for row in rows] == ["100%", "48%", "25%", "10%"]
    left = [float(row[3].removesuffix("%")) for row in rows]  # channels leave on one side
    assert left == pytest.approx([100, 70, 50, 30], abs=2)
    assert rows[0][4] == "100%"
    for row in rows:
        assert sum(map(float, row[5:])) == pytest.approx(float(row[1]), abs=0.3)
        assert min(map(float, row[5:])) > 0


def test_the_recorded_scan_is_that_of_the_network_that_ships() -> None:
    record = json.loads(scan.FILE.read_text(encoding="utf-8"))
    model, images = checkpoints.trained(16), data.subset("val")[: scan.IMAGES]
    assert list(record["scan"]) == list(record["macs"]) == free_convs(model)
    for conv in ("layer1.2.conv1", "layer2.2.conv1"):
        assert record["macs"][conv] == scan.saved_per_filter(model, conv)
        widths = {int(w): a for w, a in record["scan"][conv].items()}
        narrowest = min(widths)
        again = accuracy(scan.narrower(model, conv, narrowest), images)
        assert widths[narrowest] == pytest.approx(again, abs=0.0051)  # an image or two


@pytest.mark.parametrize("seed", [3, 4])
def test_the_open_task_holds_for_other_images(seed: int) -> None:
    build.hidden_of("05_speed", "choose_widths")(choose_widths, seed=seed)
