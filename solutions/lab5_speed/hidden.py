"""Hidden tests of lab 5: properties on random inputs. Each is inlined in its test cell."""

# ruff: noqa: PT028 (the seed has a default, so that a grader may give another one)

from collections.abc import Callable

# mypy: disable-error-code="union-attr,arg-type"


def test_conv_macs(conv_macs: "Callable", seed: int = 0) -> None:
    """The size of the output, from running the layer, times the size of the weight."""
    import random

    import torch

    chance = random.Random(seed)
    for _ in range(40):
        kernel = (chance.randint(1, 5), chance.randint(1, 5))
        stride, padding = (
            (chance.randint(1, 3), chance.randint(1, 3)),
            (chance.randint(0, 2), chance.randint(0, 2)),
        )
        c_in, c_out = chance.randint(1, 6), chance.randint(1, 6)
        conv = torch.nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=chance.random() < 0.5)
        with torch.no_grad():
            conv.weight[0] = 0  # multiplied with all the same
        height, width = (k + chance.randint(0, 9) for k in kernel)
        positions = conv(torch.zeros(1, c_in, height, width))[0, 0].numel()
        expected, case = positions * conv.weight.numel(), f"{conv}, {height}x{width}"
        got = conv_macs(conv, height, width)
        assert got == expected, f"{case}: {got}, expected {expected}"


def test_race(race: "Callable", seed: int = 0) -> None:
    """A clock that only the runs move: medians, turns, warm-up, the default clock."""
    import random
    import statistics

    chance, now, trace = random.Random(seed), [0.0], []

    def contestant(name: str, seconds: list) -> "Callable":
        left = iter(seconds)

        def run() -> None:
            trace.append(name)
            now[0] += next(left, 1000.0)

        return run

    def clock() -> float:
        readings.append(now[0])
        return now[0]

    readings: list[float] = []
    for trial in range(20):
        warmup, rounds, names = trial % 3, 1 + trial % 7, ["c", "a", "b"][: 1 + trial % 3]
        times = {n: [chance.choice([1, 2, 3, 50]) + i / 8 for i in range(rounds)] for n in names}
        contestants = {n: contestant(n, [500.0] * warmup + times[n]) for n in names}
        trace.clear()
        readings.clear()
        got = race(contestants, warmup, rounds, clock=clock)
        assert list(got) == names, f"results for {list(got)}, expected {names}"
        case = f"{warmup=}, {rounds=}"
        twice = len(readings) >= 2 * len(names) * rounds
        assert twice, f"{case}: the clock is read before *and* after each timed run"
        assert len(trace) == len(names) * (warmup + rounds), f"{case}: {len(trace)} runs"
        assert trace[len(names) * warmup :] == names * rounds, f"{case}: not in turns"
        for name in names:
            value, expected = float(got[name]), statistics.median(times[name])
            assert abs(value - expected) < 1e-6, f"{case}: {value} for {times[name]}"
    real = race({"a": lambda: sum(range(1000))}, 1, 3)["a"]
    assert 0 < real < 10, f"the default clock gave {real} s for a moment's work"


def test_stored_bytes(stored_bytes: "Callable", seed: int = 0) -> None:
    """Sizes of tensors that really hold what is stored."""
    import numpy as np
    import torch

    generator = torch.Generator().manual_seed(seed)
    shapes = [(1, 1), (5, 7), (10, 64), (4, 3, 3, 3), (16, 8, 3, 3), (3, 5, 1, 1)]
    for trial in range(24):
        mask = torch.rand(shapes[trial % 6], generator=generator) < trial / 23
        value, index = [(4, 4), (1, 2), (2, 8)][trial % 3]
        before, case = mask.clone(), f"mask {tuple(mask.shape)}, {value=}, {index=}"
        got = stored_bytes(mask, value, index) if trial % 3 else stored_bytes(mask)
        rows, columns = mask.flatten(1).numpy().nonzero()
        starts = np.searchsorted(rows, np.arange(len(mask) + 1))
        expected = {
            "dense": mask.numel() * value,
            "bitmask": len(np.packbits(mask.flatten().numpy())) + len(columns) * value,
            "csr": len(columns) * value + (len(columns) + len(starts)) * index,
        }
        assert set(got) == set(expected), f"{case}: {list(got)}"
        for name, size in expected.items():
            assert float(got[name]) == size, f"{case}: {name} {got[name]}, expected {size}"
        assert torch.equal(mask, before), f"{case}: the mask was changed"


def test_coupled_groups(coupled_groups: "Callable", seed: int = 0) -> None:
    """Each convolution once; writers of one stream together, all others alone."""
    from torch import nn

    from pruninglab.models import ResNet20

    for width, shortcut in ((1, "A"), (1, "B"), (3, "A"), (4, "B")):
        model = ResNet20(width, shortcut, seed=seed)
        convs = [name for name, m in model.named_modules() if isinstance(m, nn.Conv2d)]
        got = {name: sorted(members) for name, members in coupled_groups(model).items()}
        assert sorted(c for members in got.values() for c in members) == sorted(convs), (
            f"shortcut {shortcut}: each convolution once; yours: {got}"
        )
        for stage in ("layer1", "layer2", "layer3"):
            writers = ["conv1"] if stage == "layer1" else []
            writers += [c for c in convs if c.startswith(stage) and not c.endswith("conv1")]
            assert got.get(stage) == sorted(writers), f"{shortcut}: {stage} is {got.get(stage)}"
        free = [c for c in convs if c.endswith(".conv1")]
        assert all(got.get(c) == [c] for c in free), f"{shortcut}: a group for each of {free}"


def test_cut(cut: "Callable", seed: int = 0) -> None:
    """The smaller layers compute what the large ones do when the rest is silent."""
    import copy

    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(seed)

    def chosen(n: int) -> torch.Tensor:
        mask = torch.rand(n, generator=generator) < 0.6
        mask[int(torch.randint(n, (1,), generator=generator))] = True
        return mask

    for trial in range(24):
        c_in, c_out = 1 + trial % 6, 1 + (5 * trial) % 7
        stride, kernel, padding = 1 + trial % 2, (1, 3, (3, 1))[trial % 3], trial % 4 // 2
        conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=trial % 5 == 0)
        bn = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.3).train(trial % 4 == 3)
        for tensor in (bn.weight.data, bn.bias.data, bn.running_mean):
            tensor.copy_(torch.randn(c_out, generator=generator))
        bn.running_var.copy_(0.5 + torch.rand(c_out, generator=generator))
        inputs, filters = chosen(c_in), chosen(c_out)
        own, own_bn = copy.deepcopy(conv), copy.deepcopy(bn)  # ours stay the truth
        case = f"{conv}, inputs {inputs.tolist()}, filters {filters.tolist()}"
        small, small_bn = cut(conv, bn, inputs.clone(), filters.clone())
        assert small is not conv, f"{case}: the convolution is the old one"
        assert small_bn is not bn, f"{case}: the batch normalisation is the old one"
        kinds = [type(layer).__name__ for layer in (small, small_bn)]
        assert kinds == ["Conv2d", "BatchNorm2d"], f"{case}: got layers of the kinds {kinds}"
        sizes = (small.in_channels, small.out_channels, small_bn.num_features)
        expected = (int(inputs.sum()), int(filters.sum()), int(filters.sum()))
        assert sizes == expected, f"{case}: in, out, num_features {sizes}, expected {expected}"
        for layer, before in ((conv, own), (bn, own_bn)):
            for name, tensor in before.state_dict().items():
                unchanged = torch.equal(layer.state_dict()[name], tensor)
                assert unchanged, f"{case}: the layers passed in were changed"
        assert small_bn.training == own_bn.training, f"{case}: BN's mode has changed"
        assert bn.training == own_bn.training, f"{case}: the mode of the BN passed in has changed"
        assert small_bn.momentum == 0.3, f"{case}: BN's momentum has changed"
        free = all(p.requires_grad for p in (*conv.parameters(), *bn.parameters()))
        assert free, f"{case}: the layers passed in were frozen"
        x = torch.randn(2, c_in, 7, 7, generator=generator)
        x[:, ~inputs] = 0
        with torch.no_grad():
            big = own_bn.eval()(own(x))[:, filters]
            got = small_bn.eval()(small(x[:, inputs]))
        assert got.shape == big.shape, f"{case}: output {got.shape}, expected {big.shape}"
        assert torch.allclose(got, big, atol=1e-5), f"{case}: another function"
        trainable = all(p.requires_grad for p in (*small.parameters(), *small_bn.parameters()))
        assert trainable, f"{case}: not all parameters can be trained"


def test_shortcut_links(shortcut_links: "Callable", seed: int = 0) -> None:
    """Padding the channels' values, then cutting, gives what the links say."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for trial in range(60):
        c_in = 1 + trial % 9
        c_out = c_in + trial % 8
        keep_in = torch.rand(c_in, generator=generator) < 0.65
        keep_out = torch.rand(c_out, generator=generator) < 0.65
        values = torch.arange(1, c_in + 1) * keep_in
        before = (c_out - c_in) // 2
        zeros = torch.zeros(c_out - c_in, dtype=values.dtype)
        expected = torch.cat([zeros[:before], values, zeros[before:]])[keep_out].tolist()
        sources, targets = shortcut_links(keep_in.clone(), keep_out.clone())
        case = f"keep_in {keep_in.int().tolist()}, keep_out {keep_out.int().tolist()}"
        for name, numbers in (("sources", sources), ("targets", targets)):
            good = isinstance(numbers, torch.Tensor) and numbers.dtype == torch.int64
            assert good, f"{case}: {name} are {numbers}"
            assert numbers.dim() == 1, f"{case}: {name} have shape {tuple(numbers.shape)}"
        assert len(sources) == len(targets), f"{case}: {len(sources)} and {len(targets)} numbers"
        got, arriving = [0] * int(keep_out.sum()), values[keep_in].tolist()
        for source, target in zip(sources, targets, strict=True):
            inside = 0 <= int(source) < len(arriving) and 0 <= int(target) < len(got)
            assert inside, f"{case}: there is no link {int(source)} -> {int(target)}"
            got[int(target)] = arriving[int(source)]
        assert got == expected, f"{case}: channels {got} arrive, expected {expected}"


def test_shrink_resnet(shrink_resnet: "Callable", seed: int = 0) -> None:
    """Equal to the masked network, by hooks, on random masks and random BN statistics."""
    import copy

    import torch
    from torch import nn

    from pruninglab.models import Block, ResNet20

    generator = torch.Generator().manual_seed(seed)

    def randomise(model: nn.Module) -> None:
        for bn in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
            for tensor in (bn.weight.data, bn.bias.data, bn.running_mean):
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
            bn.running_var.copy_(0.5 + torch.rand(bn.running_var.shape, generator=generator))

    def mask_output(module: nn.Module, mask: torch.Tensor) -> None:
        module.register_forward_hook(lambda _m, _x, y: y * mask.view(1, -1, 1, 1))

    for trial in range(6):
        width, shortcut = (4, 6, 3)[trial % 3], "AB"[trial % 2]
        model = ResNet20(width, shortcut, seed=seed + trial)
        model.train(trial in (1, 4))
        randomise(model)
        keep, masked = {}, copy.deepcopy(model).eval()
        for stage, filters in (("layer1", width), ("layer2", 2 * width), ("layer3", 4 * width)):
            for name in (stage, *(f"{stage}.{block}.conv1" for block in range(3))):
                keep[name] = torch.rand(filters, generator=generator) < 0.5
                keep[name][int(torch.randint(filters, (1,), generator=generator))] = True
        mask_output(masked.bn1, keep["layer1"])
        for name, block in masked.named_modules():
            if isinstance(block, Block):
                mask_output(block.bn1, keep[f"{name}.conv1"])
                mask_output(block, keep[name.split(".")[0]])
        before = copy.deepcopy(model.state_dict())
        handed = {name: mask.clone() for name, mask in keep.items()}  # ours stay the truth
        small, case = shrink_resnet(model, handed), f"width {width}, shortcut {shortcut}"
        modes = {m.training for m in model.modules()}
        assert modes == {trial in (1, 4)}, f"{case}: the original's mode has changed"
        free = all(p.requires_grad for net in (model, small) for p in net.parameters())
        assert free, f"{case}: parameters were frozen"
        assert not model._forward_hooks, f"{case}: a hook was left in the original"
        shared = {id(p) for p in small.parameters()} & {id(p) for p in model.parameters()}
        assert not shared, f"{case}: the smaller network shares parameters with the original"
        for bn in (m for m in small.modules() if isinstance(m, nn.BatchNorm2d)):
            assert bn.training == model.training, f"{case}: BN is in another mode"
            assert bn.num_features == len(bn.weight), f"{case}: BN says {bn.num_features}"
        for name, tensor in before.items():
            same = torch.equal(model.state_dict()[name], tensor)
            assert same, f"{case}: {name} of the original has changed"
        convs = {n: m for n, m in small.named_modules() if isinstance(m, nn.Conv2d)}
        named = {n for n, m in masked.named_modules() if isinstance(m, nn.Conv2d)}
        assert set(convs) == named, f"{case}: the convolutions are {sorted(convs)}"
        for name, conv in convs.items():
            stated = (conv.out_channels, conv.in_channels)
            assert stated == conv.weight.shape[:2], f"{case}: {name} says {stated}"
            group = name if name.endswith(".conv1") else name.split(".")[0]
            filters = int(keep["layer1" if name == "conv1" else group].sum())
            assert filters == conv.out_channels, f"{case}: {name} has {conv.out_channels}"
        assert small.fc.in_features == small.fc.weight.shape[1] == int(keep["layer3"].sum())
        x = torch.randn(3, 3, 16, 16, generator=generator)
        with torch.no_grad():
            expected, got = masked(x), small.eval()(x)
        off, scale = (got - expected).abs().max().item(), max(1.0, expected.abs().max().item())
        assert off <= 1e-5 * scale, f"{case}: the outputs differ by {off}"
