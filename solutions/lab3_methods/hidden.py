"""Hidden tests of lab 3: properties on random inputs. Each is inlined in its test cell."""

# ruff: noqa: PT028 (the seed has a default, so that a grader may give another one)

from collections.abc import Callable


def test_train_masked(train_masked: "Callable", seed: int = 0) -> None:
    """Exact zeros, and the kept weights are those of torch's own pruned training.

    One layer has no mask, and one weight is zero although it is kept.
    """
    import copy
    from typing import Any

    import torch
    from torch.nn import functional as F
    from torch.nn.utils import prune

    generator = torch.Generator().manual_seed(seed)
    momentum, nesterov = (0.9, seed % 2 == 0)
    layers = (torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU())
    flat = (torch.nn.Flatten(), torch.nn.Linear(36, 6), torch.nn.Linear(6, 3))
    model: Any = torch.nn.Sequential(*layers, *flat).double()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator).double() * 0.3
    data = [
        (
            torch.randn(8, 2, 3, 3, generator=generator).double(),
            torch.randint(0, 3, (8,), generator=generator),
        )
        for _ in range(50)
    ]
    lrs = [0.05 * (1 - i / 50) for i in range(50)]
    masks = {
        name: torch.rand(dict(model.named_parameters())[name].shape, generator=generator) > 0.6
        for name in ("0.weight", "5.weight")
    }
    model[5].weight.data[0, 0], masks["5.weight"][0, 0] = 0, True
    masks["5.weight"][1] = False  # all that leads to a class: its bias trains on

    def adam(model: torch.nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(model.parameters(), lr=1.0, weight_decay=5e-3)

    def sgd(model: torch.nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            model.parameters(), lr=1.0, momentum=momentum, weight_decay=5e-3, nesterov=nesterov
        )

    def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, i: int) -> None:
        optimizer.param_groups[0]["lr"] = lrs[i]
        optimizer.zero_grad()
        F.cross_entropy(model(data[i][0]), data[i][1]).backward()
        optimizer.step()

    # A fresh optimizer: torch's parametrisation, in which pruned weights are no weights at all.
    reference = copy.deepcopy(model)
    for name, mask in masks.items():
        prune.custom_from_mask(reference[int(name[0])], "weight", mask)
    own = sgd(reference)
    for i in range(50):
        step(reference, own, i)
    for name in masks:
        prune.remove(reference[int(name[0])], "weight")
    mine = copy.deepcopy(model).eval()
    before = dict(mine.named_parameters())
    train_masked(mine, sgd(mine), copy.deepcopy(masks), copy.deepcopy(data), list(lrs))
    same = all(mine.get_parameter(name) is parameter for name, parameter in before.items())
    assert same, "a parameter is no longer the object that the optimizer holds"
    assert mine.training, "the model is not in training mode"
    for name, mask in masks.items():
        weight = mine.get_parameter(name).detach()
        assert not weight[~mask].any(), f"{name}: a pruned weight is not zero after 50 steps"
        right = reference[int(name[0])].weight.detach()
        assert torch.allclose(weight, right, atol=1e-9), f"{name}: a kept weight is wrong"
    assert torch.allclose(mine[1].running_var, reference[1].running_var), "wrong BN statistics"

    # An optimizer whose momentum comes from dense training.
    for make in (sgd, adam):
        mine = copy.deepcopy(model)
        optimizer = make(mine)
        for i in range(10):
            step(mine, optimizer, i)
        expected, other = copy.deepcopy(mine), copy.deepcopy(optimizer.state_dict())
        train_masked(mine, optimizer, copy.deepcopy(masks), copy.deepcopy(data[:20]), lrs[:20])
        second = make(expected)
        second.load_state_dict(other)
        for i in range(-1, 20):
            if i >= 0:
                step(expected, second, i)
            for name, mask in masks.items():
                expected.get_parameter(name).data *= mask
        for name, parameter in mine.named_parameters():
            if name in masks:
                revived = int(parameter.detach()[~masks[name]].count_nonzero())
                assert not revived, f"{name}: momentum revived {revived} weights"
            right = expected.get_parameter(name)
            assert torch.allclose(parameter, right, atol=1e-9), f"{name} is wrong after 20 steps"


def test_prune_remaining(prune_remaining: "Callable", seed: int = 0) -> None:
    """Exact counts, nested masks, least magnitudes; the densities 0.8^k; nothing changed."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    shapes = {"stem": (4, 3, 3, 3), "one": (1,), "block": (9, 4), "classifier": (10, 8)}
    for trial in range(8):
        share = (0.2, 0.0, 1.0, 0.37, 0.5, 0.9, 0.63, 0.21)[trial]
        weights = {n: torch.randn(s, generator=generator) for n, s in shapes.items()}
        masks = {n: torch.rand(s, generator=generator) < 0.7 for n, s in shapes.items()}
        if trial % 2:  # what is gone is zero, or it is not
            weights = {name: w * masks[name] for name, w in weights.items()}
        if trial > 3:
            weights = {name: torch.nn.Parameter(w) for name, w in weights.items()}
        weights["block"].data[0] = 0  # also of those that are still there
        old = {n: (weights[n].detach().clone(), masks[n].clone()) for n in shapes}
        new = prune_remaining(weights, masks, share)
        assert set(new) == set(shapes), f"masks for {list(new)}, expected {list(shapes)}"
        gone, kept, count = [], [], 0
        for name, (weight, mask) in old.items():
            case = f"{name!r}, {share=}"
            assert new[name].dtype == torch.bool, f"{case}: the mask is {new[name].dtype}"
            assert new[name].shape == mask.shape, f"{case}: shape {tuple(new[name].shape)}"
            assert torch.equal(masks[name], mask), f"{case}: the mask passed in has changed"
            assert torch.equal(weights[name], weight), f"{case}: the weight has changed"
            assert not (new[name] & ~mask).any(), f"{case}: a pruned weight is back"
            gone.append(weight[mask & ~new[name]].abs())
            kept.append(weight[new[name]].abs())
            count += int(mask.sum())
        pruned, expected = len(torch.cat(gone)), round(share * count)
        assert pruned == expected, f"{share=} of {count}: {pruned} pruned, expected {expected}"
        ends = not 0 < pruned < count
        assert ends or torch.cat(gone).max() <= torch.cat(kept).min(), f"{share=}: a wrong one went"
    weights = {"a": torch.randn(20, 50, generator=generator)}
    masks = {"a": torch.ones(20, 50, dtype=torch.bool)}
    for left in (800, 640, 512, 410, 328, 262):  # 1000 · 0.8^k
        masks = prune_remaining(weights, masks, 0.2)
        assert int(masks["a"].sum()) == left, f"{int(masks['a'].sum())} left, expected {left}"
    equal = {"a": torch.full((3, 7), 2.0)}
    half = prune_remaining(equal, {"a": torch.arange(21).view(3, 7) < 15}, 0.4)
    assert int(half["a"].sum()) == 9, "ties: the count is not exact"
    for size in (7, 8):
        five = {"a": torch.arange(size) < 5}
        left = int(prune_remaining({"a": torch.arange(1.0, size + 1)}, five, 0.5)["a"].sum())
        assert left == 3, f"half of 5: {left} left, expected 3, since round(2.5) is 2"


def test_cubic_sparsity(cubic_sparsity: "Callable", seed: int = 0) -> None:
    """The ends are exact, it never falls, it holds between updates, and the cube is a cube."""
    import itertools
    import random

    import torch

    chance = random.Random(seed)
    for _ in range(40):
        start, every, updates = chance.randrange(500), chance.randint(1, 90), chance.randint(1, 30)
        initial = chance.choice([0.0, chance.uniform(0, 0.5)])
        final = chance.uniform(0.5, 1.0)
        where = {
            "start": start, "every": every, "updates": updates, "final": final, "initial": initial
        }  # fmt: skip
        end = start + every * updates
        for step, expected in (
            (0, initial), (start, initial), (end, final), (end + 10_000, final)
        ):  # fmt: skip
            got = cubic_sparsity(step, **where)
            assert not isinstance(got, torch.Tensor), "a tensor, expected a number"
            assert abs(got - expected) < 1e-6, f"step {step}, {where}: {got}, not {expected}"
        trace = []
        for k in range(updates):
            first, last = start + k * every, start + (k + 1) * every - 1
            steps = (first, chance.randint(first, last), last)  # of the same update
            held = [cubic_sparsity(step, **where) for step in steps]
            assert max(held) - min(held) < 1e-6, f"{where}: it changes between two updates"
            right = (initial - final) * ((updates - k) / updates) ** 3  # below the final one
            assert abs(held[0] - final - right) < 1e-6, f"{where}: update {k} is wrong"
            trace.append(held[0])
        rising = all(a <= b + 1e-6 for a, b in itertools.pairwise(trace))
        assert rising, f"{where}: the sparsity falls"
    # Equation 1 by hand, s_f = 0.8 and n = 4: what is left of 0.8 is 27/64, 8/64 and 1/64
    got = [cubic_sparsity(t, start=0, every=25, updates=4, final=0.8) for t in (25, 50, 75)]
    expected_at = [0.8 * 37 / 64, 0.8 * 56 / 64, 0.8 * 63 / 64]
    assert all(abs(a - b) < 1e-6 for a, b in zip(got, expected_at, strict=True)), got


def test_prune_and_retrain(prune_and_retrain: "Callable", seed: int = 0) -> None:
    """The trace of every round: what it asks for, what it meets, and how long it trains."""
    from typing import Any

    import torch

    generator = torch.Generator().manual_seed(seed)

    def trial(count: int) -> None:
        layers = (torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        network: Any = torch.nn.Sequential(*layers)
        for parameter in network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        sparsities = sorted(torch.rand(count, generator=generator).tolist())
        asked: list = []
        trained: list = []

        def choose(model: Any, sparsity: float) -> dict:
            assert model is network, "choose got another network than the one passed in"
            copies = {n: p.detach().clone() for n, p in model.named_parameters()}
            masks = {
                f"{i}.weight": torch.rand(model[i].weight.shape, generator=generator) >= sparsity
                for i in (2, 0)  # they go by name: the order is any
            }
            asked.append((sparsity, copies, masks))
            return {name: mask.clone() for name, mask in masks.items()}

        def retrain(model: torch.nn.Module, masks: dict, steps: int) -> None:
            assert model is network, "retrain got another network than the one passed in"
            assert len(asked) == len(trained) + 1, "each round asks for masks, then retrains"
            _, before, chosen = asked[-1]
            for name, parameter in model.named_parameters():
                expected = before[name] * chosen[name] if name in chosen else before[name]
                assert torch.equal(parameter, expected), f"round {len(asked)} met a wrong {name}"
                assert name not in chosen or torch.equal(masks[name], chosen[name]), "wrong mask"
                assert name not in chosen or masks[name].dtype == torch.bool, "no bool mask"
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.data += noise * chosen.get(name, 1)
            after = {n: p.detach().clone() for n, p in model.named_parameters()}
            trained.append((len(range(steps)), after))  # so many steps: an int

        each = int(torch.randint(5, 50, (), generator=generator))
        result = prune_and_retrain(network, list(sparsities), each * count, choose, retrain)
        assert [s for s, _, _ in asked] == sparsities, f"asked for {[s for s, _, _ in asked]}"
        assert [steps for steps, _ in trained] == count * [each], "not the same steps in each round"
        for i in range(1, count):
            for name, weight in asked[i][1].items():
                same = torch.equal(weight, trained[i - 1][1][name])
                assert same, f"round {i + 1} does not go on with the weights of the one before"
        for name, weight in trained[-1][1].items():
            same = torch.equal(network.get_parameter(name), weight)
            assert same, f"{name} changed after retraining"
        for name, mask in asked[-1][2].items():
            assert torch.equal(result[name], mask), "the masks returned are not the last ones"
            assert result[name].dtype == torch.bool, f"the mask returned is {result[name].dtype}"

    for count in (1, 2, 5):
        trial(count)


def test_retraining_lrs(retraining_lrs: "Callable", seed: int = 0) -> None:
    """Length, tail of the schedule, and the last rate held."""
    import random

    chance = random.Random(seed)
    for _ in range(30):
        total, steps = chance.randint(1, 12), chance.randint(1, 7)
        epochs = chance.randint(1, total)
        schedule = [chance.uniform(0.001, 1.0) for _ in range(total)]
        for rewind in (True, False):
            given = list(schedule)
            lrs = list(retraining_lrs(given, epochs, steps, rewind))
            case = f"{schedule=}, {epochs=}, steps_per_epoch={steps}, {rewind=}"
            assert given == schedule, f"{case}: the schedule passed in is now {given}"
            assert len(lrs) == epochs * steps, f"{case}: {len(lrs)} learning rates"
            for i, lr in enumerate(lrs):
                epoch = total - epochs + i // steps if rewind else total - 1
                assert abs(lr - schedule[epoch]) < 1e-6, f"{case}: step {i} has {lr}"
    # Three epochs of the 1/10 at 1/2 and 3/4 schedule of eight
    by_hand = retraining_lrs([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01], 3, 2, True)
    last = [0.1, 0.1, 0.01, 0.01, 0.01, 0.01]
    assert all(abs(a - b) < 1e-6 for a, b in zip(by_hand, last, strict=True)), by_hand


def test_soft_filter_pruning(soft_filter_pruning: "Callable", seed: int = 0) -> None:
    """Zeros after each epoch and in no other step; a new choice each time; zeros at the end."""
    import torch

    generator = torch.Generator().manual_seed(seed)

    def trial(sparsity: float, epochs: int, steps: int) -> None:
        convs = {
            "a": torch.nn.Conv2d(3, 8, 3, bias=False),
            "b": torch.nn.Conv2d(8, 13, 1, bias=False),
            "c": torch.nn.Conv2d(2, 4, (1, 3), bias=False),
        }
        weights = {name: conv.weight for name, conv in convs.items()}
        for i, weight in enumerate(weights.values()):
            weight.data = torch.randn(weight.shape, generator=generator) * 10**i
        expected = {name: weight.detach().clone() for name, weight in weights.items()}
        calls = 0
        keep: dict = {}

        def train_step() -> None:
            nonlocal calls
            for name, weight in weights.items():
                same = torch.allclose(weight, expected[name])
                assert same, f"step {calls + 1} met a wrong weight of {name!r}"
                # Each filter at its own pace, so that those that were zeroed may overtake others.
                pace = 3 * expected[name].std() * torch.rand(len(weight), generator=generator)
                move = pace.view(-1, 1, 1, 1) * torch.randn(weight.shape, generator=generator)
                with torch.enable_grad():  # by its gradient, as in a real training
                    loss = -(move * weight).sum()
                    weight.data -= torch.autograd.grad(loss, weight)[0]
                expected[name] += move
            calls += 1
            if calls % steps:
                return
            for name, weight in expected.items():
                norms = weight.square().sum(dim=(1, 2, 3))
                pruned = round(sparsity * len(norms))
                keep[name] = torch.ones(len(norms), dtype=torch.bool)
                keep[name][norms.sort().indices[:pruned]] = False
                weight[~keep[name]] = 0

        result = soft_filter_pruning(dict(convs), sparsity, epochs, steps, train_step)
        assert calls == epochs * steps, f"{calls} steps, expected {epochs * steps}"
        for name, conv in convs.items():
            assert conv.weight is weights[name], f"{name!r} has got a new parameter"
            assert torch.equal(result[name], keep[name]), f"{name!r}: wrong filters kept"
            right = torch.allclose(conv.weight, expected[name])
            assert right, f"{name!r}: wrong weights at the end"

    for i, sparsity in enumerate((0.3, 0.5, 0.0, 0.7, 0.25, 0.45, 1.0)):
        trial(sparsity, 3 if i else 1, 1 + i % 3 if i else 4)


def test_add_sparsity_penalty(add_sparsity_penalty: "Callable", seed: int = 0) -> None:
    """The gradients are those of loss + λ·Σ|γ|, by autograd; nothing else changes.

    The gradients of the loss alone are large, and stay so.
    """
    from typing import Any

    import torch

    from pruninglab.models import ResNet20

    generator = torch.Generator().manual_seed(seed)
    norm = torch.nn.GroupNorm(2, 10)  # has a scale, too, but is no batch normalisation
    model: Any = torch.nn.Sequential(ResNet20(2), norm).double()
    gammas: list[torch.Tensor] = []
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for parameter in (module.weight, module.bias):
                parameter.data = torch.randn(parameter.shape, generator=generator).double()
            module.weight.data[0] = 0  # is not pushed
            module.weight.data[1] = -1e-3  # is pushed as much as any other
            gammas.append(module.weight)
    parameters = dict(model.named_parameters())
    x = torch.randn(2, 3, 32, 32, generator=generator).double()
    for strength in (0.0, 1e-4, 0.3):
        model.zero_grad()
        (1e6 * model(x).square().mean()).backward()
        plain = {n: torch.as_tensor(p.grad).detach().clone() for n, p in model.named_parameters()}
        values = {n: p.detach().clone() for n, p in model.state_dict().items()}
        add_sparsity_penalty(model, strength)
        got = {n: torch.as_tensor(p.grad).detach().clone() for n, p in model.named_parameters()}
        for name, value in values.items():
            assert torch.equal(model.state_dict()[name], value), f"{name} itself has changed"
        for name, parameter in parameters.items():
            assert model.get_parameter(name) is parameter, f"{name} is another parameter now"
        model.zero_grad()
        penalty = strength * torch.cat(gammas).abs().sum()
        (1e6 * model(x).square().mean() + penalty).backward()
        ids = {id(gamma) for gamma in gammas}
        for name, parameter in model.named_parameters():
            right = parameter.grad if id(parameter) in ids else plain[name]
            close = torch.allclose(got[name], right, rtol=1e-9, atol=1e-5)
            assert close, f"{name}, λ = {strength}"


def test_compare(compare: "Callable", seed: int = 0) -> None:
    """The table, the winner by its mean, the test set read last and for the winner alone."""
    import random
    from typing import Any

    import torch

    chance = random.Random(seed)

    def trial(names: list[str], gain: dict) -> None:
        seeds = list(dict.fromkeys(s for _, s in gain))
        dense = torch.nn.BatchNorm1d(1).eval()
        dense.weight.data.fill_(2.0)
        read: list = []
        runs: list = []

        def method(name: str) -> "Callable":
            def train(model: Any, seed: int) -> None:
                assert model.weight.item() == 2.0, f"{name}: the network was not the dense one"
                runs.append((name, seed))
                model.train()
                model.weight.data.fill_(100 + gain[name, seed])

            return train

        def evaluate(model: Any, images: list) -> float:
            assert not model.training, "a network was measured in training mode"
            read.append(images[0])
            return (model.weight.item() - 100) * (1 if images[0] == "val" else -1)

        methods = {name: method(name) for name in names}
        result = compare(dense, methods, list(seeds), evaluate, ["val"], ["test"])
        assert dense.weight.item() == 2.0, "the dense network has changed"
        assert not dense.training, "the dense network was left in training mode"
        assert sorted(runs) == sorted(gain), f"runs {runs}, expected one per method and seed"
        for name in names:
            right, got = [gain[name, s] for s in seeds], result["val"][name]
            assert len(got) == len(seeds), f"{name}: {len(got)} accuracies, {len(seeds)} seeds"
            assert all(abs(a - b) < 1e-4 for a, b in zip(got, right, strict=True)), f"{name}: {got}"
        best = max(names, key=lambda n: sum(gain[n, s] for s in seeds))
        assert result["best"] == best, f"{result['best']!r} won, expected {best!r}"
        right = [-gain[best, s] for s in seeds]
        count = len(result["test"])
        assert count == len(seeds), f"{count} networks tested, not {len(seeds)}"
        close = all(abs(a - b) < 1e-4 for a, b in zip(result["test"], right, strict=True))
        assert close, f"test: {result['test']}, expected {right}"
        assert read.count("test") == count, "the test set is for the winner's networks alone"
        assert "val" not in read[read.index("test") :], "val was read after the test set"

    # Means 0.3 and 0.2, the medians the other way round; 0.23 and 0.3, so are the best runs.
    for once, rounds in (([0.1, 0.7, 0.1], 3 * [0.2]), ([0.1, 0.5, 0.1], 3 * [0.3])):
        names = chance.sample(["once", "rounds"], 2)
        rows = zip(chance.sample(range(100), 3), once, rounds, strict=True)
        trial(names, {(n, s): {"once": a, "rounds": b}[n] for s, a, b in rows for n in names})
    for count in (1, 2, 4):
        names = ["once", "rounds", "slowly"][: chance.randint(1, 3) if count > 1 else 3]
        seeds = chance.sample(range(100), count)
        trial(names, {(name, s): chance.random() for s in seeds for name in names})
