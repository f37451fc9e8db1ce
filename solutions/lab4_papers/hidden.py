"""Hidden tests of lab 4: traces of random recipes. Each is inlined in its test cell."""

# ruff: noqa: PT028 (the seed has a default, so that a grader may give another one)

from collections.abc import Callable


def test_han2015(han2015: "Callable", seed: int = 0) -> None:
    """Every round against thresholds computed anew, on random networks."""
    import torch
    from torch import nn

    def trial(rounds: int, steps: int, quality: float, lr: float) -> None:
        layers = {"0": nn.Linear(9, 8).double(), "1": nn.Linear(8, 5).double()}
        weights = {f"{name}.weight": layer.weight for name, layer in layers.items()}
        for w in weights.values():
            w.data += 0.1  # so that the mean of the squares is not the variance
            w.data[1] *= float(not quality)  # weights that are zero, and still there
            for _ in range(20 if quality else 0):  # two weights near the threshold they move
                w.data[0, 0] = quality * w.data.std() * (1 - 0.25 / w.numel())
                w.data[0, 1] = quality * w.data.std() * 1.02
        now = {name: w.detach().clone() for name, w in weights.items()}
        kept = {name: torch.ones_like(w, dtype=torch.bool) for name, w in now.items()}
        trace: list[float] = []

        def train(model: nn.Module, masks: dict, lrs: list, before_step: object = None) -> None:
            for rate in lrs:
                for name, w in weights.items():
                    if len(trace) % steps == 0:  # a new round
                        kept[name] &= now[name].abs() >= quality * now[name][kept[name]].std()
                    wrong = int((masks.get(name, torch.ones_like(kept[name])) != kept[name]).sum())
                    assert not wrong, f"step {len(trace)}, {name}: {wrong} wrong in the mask"
                    same = torch.equal(w.detach()[kept[name]], now[name][kept[name]])
                    assert same, f"step {len(trace)}, {name}: kept weights have changed"
                    w.data += 0.1 * torch.randn_like(w)
                    w.data[~kept[name]] = 0
                    now[name] = w.detach().clone()
                trace.append(rate)

        model = nn.Sequential(*layers.values())
        masks = han2015(
            model=model, quality=quality, rounds=rounds, steps=steps, lr=lr, train=train
        )
        assert len(trace) == rounds * steps, f"{len(trace)} steps, expected {rounds * steps}"
        assert all(abs(rate - lr / 10) < 1e-9 for rate in trace), f"learning rates {trace}, {lr=}"
        for name, keep in kept.items():
            assert masks[name].dtype == torch.bool, f"{name}: a mask of {masks[name].dtype}"
            assert torch.equal(masks[name], keep), f"{name}: the returned mask"

    torch.manual_seed(seed)
    trial(rounds=1, steps=3, quality=0.7, lr=0.3)
    trial(rounds=3, steps=2, quality=0.4, lr=0.1)
    trial(rounds=2, steps=1, quality=0.0, lr=0.05)


def test_zhu2017(zhu2017: "Callable", seed: int = 0) -> None:
    """The sparsity of every layer in every step against the closed form; nested masks."""
    import torch
    from torch import nn

    def trial(final: float, start: int, every: int, updates: int, steps: int) -> None:
        layers = {"0": nn.Linear(20, 10).double(), "1": nn.Linear(10, 6).double()}
        weights = {f"{name}.weight": layer.weight for name, layer in layers.items()}
        before = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
        now = {name: w.detach().clone() for name, w in weights.items()}
        schedule = torch.rand(steps).tolist()
        trace: list[float] = []

        def train(model: nn.Module, masks: dict, lrs: list, before_step: object = None) -> None:
            for rate in lrs:
                t = len(trace)
                share = min(max((t - start) // every, 0), updates) / updates
                target = final * (1 - (1 - share) ** 3) if t >= start else 0.0
                for name, w in weights.items():
                    keep = masks.get(name, torch.ones_like(before[name]))
                    assert torch.equal(w[keep], now[name][keep]), f"step {t}, {name} has changed"
                    pruned, right = int((~keep).sum()), round(target * w.numel())
                    assert pruned == right, f"step {t}, {name}: {pruned} pruned, expected {right}"
                    assert not (keep & ~before[name]).any(), f"step {t}, {name}: a weight is back"
                    new = before[name] & ~keep  # just pruned: none larger than any that stays
                    if new.any() and keep.any():
                        largest, least = w[new].abs().max(), w[keep].abs().min()
                        assert largest <= least, f"step {t}, {name}: not the smallest ones went"
                    before[name] = keep.clone()
                    w.data[~keep] = 0
                    w.data += 0.3 * torch.randn_like(w) * keep
                    now[name] = w.detach().clone()
                trace.append(rate)

        model = nn.Sequential(*layers.values())
        masks = zhu2017(
            model=model, final=final, start=start, every=every, updates=updates,
            lrs=list(schedule), train=train,
        )  # fmt: skip
        same = torch.equal(torch.tensor(trace), torch.tensor(schedule))
        assert same, f"learning rates {trace}, expected {schedule}"
        for name, keep in before.items():
            assert masks[name].dtype == torch.bool, f"{name}: a mask of {masks[name].dtype}"
            assert torch.equal(masks[name], keep), f"{name}: the returned mask"

    torch.manual_seed(seed)
    trial(final=0.9, start=0, every=1, updates=5, steps=9)
    trial(final=0.75, start=3, every=4, updates=2, steps=14)
    trial(final=0.5, start=2, every=2, updates=1, steps=5)


def test_renda2020(renda2020: "Callable", seed: int = 0) -> None:
    """The counts 0.8 to the power k, the global ranking, weights that go on, the replayed rates."""
    import torch
    from torch import nn

    def trial(rounds: int, epoch_lrs: list, epochs: int, steps_per_epoch: int) -> None:
        layers = {"0": nn.Linear(12, 10).double(), "1": nn.Linear(10, 7).double()}
        weights = {f"{name}.weight": layer.weight for name, layer in layers.items()}
        layers["1"].weight.data *= 2
        size = sum(w.numel() for w in weights.values())
        now = torch.cat([w.detach().flatten() for w in weights.values()])
        before, length = torch.ones(size, dtype=torch.bool), epochs * steps_per_epoch
        trace: list[float] = []

        def flat(masks: dict) -> torch.Tensor:
            return torch.cat([masks[name].flatten() for name in weights])

        def train(model: nn.Module, masks: dict, lrs: list, before_step: object = None) -> None:
            nonlocal now, before
            for rate in lrs:
                keep = flat(masks)
                if len(trace) % length == 0:  # a new round
                    left = int(before.sum()) - round(0.2 * int(before.sum()))
                    assert int(keep.sum()) == left, f"{int(keep.sum())} weights, expected {left}"
                    assert not (keep & ~before).any(), "a pruned weight is back"
                    gone = before & ~keep
                    assert now[gone].abs().max() <= now[keep].abs().min(), "not the smallest went"
                    here = torch.cat([w.detach().flatten() for w in weights.values()])
                    assert torch.equal(here[keep], now[keep]), "kept weights have changed"
                assert len(trace) % length == 0 or torch.equal(keep, before), "masks in a round"
                before = keep.clone()
                trace.append(rate)
                for name, w in weights.items():
                    w.data += 0.2 * torch.randn_like(w)
                    w.data[~masks[name]] = 0
                now = torch.cat([w.detach().flatten() for w in weights.values()])

        model = nn.Sequential(*layers.values())
        masks = renda2020(
            model=model, rounds=rounds, epoch_lrs=list(epoch_lrs), epochs=epochs,
            steps_per_epoch=steps_per_epoch, train=train,
        )  # fmt: skip
        last = epoch_lrs[len(epoch_lrs) - epochs :]
        right = rounds * [lr for lr in last for _ in range(steps_per_epoch)]
        same = torch.equal(torch.tensor(trace), torch.tensor(right))
        assert same, f"learning rates {trace}, expected {right}"
        assert flat(masks).dtype == torch.bool, f"masks of {flat(masks).dtype}"
        assert torch.equal(flat(masks), before), "the returned masks"

    torch.manual_seed(seed)
    trial(rounds=1, epoch_lrs=[0.3, 0.2], epochs=1, steps_per_epoch=4)
    trial(rounds=5, epoch_lrs=torch.rand(4).tolist(), epochs=3, steps_per_epoch=2)
    trial(rounds=8, epoch_lrs=torch.rand(2).tolist(), epochs=2, steps_per_epoch=1)


def test_li2016(li2016: "Callable", seed: int = 0) -> None:
    """The filters that stay, by L1 norm, on random ResNet-20s; one retraining of the small one."""
    import torch
    from torch import nn

    from pruninglab.models import ResNet20

    def trial(width: int, sparsity: float, skip: list, epoch_lrs: list, epochs: int) -> None:
        model = ResNet20(width, seed=seed).double()
        blocks = {n: m for n, m in model.named_modules() if n and hasattr(m, "conv1")}
        assert len(blocks) == 9
        dense = {n: b.conv1.weight.detach().clone() for n, b in blocks.items()}
        for block in blocks.values():
            block.bn1.bias.data = torch.arange(len(block.bn1.bias)).double()  # labels
        rates: list[float] = []

        def train(model: nn.Module, masks: dict, lrs: list, before_step: object = None) -> list:
            for name, block in blocks.items():
                n = len(dense[name])
                gone = 0 if f"{name}.conv1" in skip else min(round(sparsity * n), n - 1)
                order = dense[name].abs().sum(dim=(1, 2, 3)).argsort()
                right = sorted(order[gone:].tolist())
                labels = block.bn1.bias.tolist()
                assert labels == right, f"{name}: filters {labels} are left, expected {right}"
                shape = tuple(block.conv2.weight.shape)
                assert shape[1] == n - gone, f"{name}.conv2 has the shape {shape}"
            rates.extend(lrs)
            return []

        li2016(
            model=model, sparsity=sparsity, skip=list(skip), epoch_lrs=list(epoch_lrs),
            epochs=epochs, steps_per_epoch=3, train=train,
        )  # fmt: skip
        right = epochs * 3 * [epoch_lrs[-1]]
        same = torch.equal(torch.tensor(rates), torch.tensor(right))
        assert same, f"learning rates {rates}, expected {right}"
        model.eval()(torch.randn(1, 3, 8, 8).double())  # the layers fit

    torch.manual_seed(seed)
    trial(2, 0.5, [], [0.2, 0.1], epochs=1)
    trial(4, 0.3, ["layer1.0.conv1", "layer3.2.conv1"], [0.1, 0.4, 0.3], epochs=2)
    trial(2, 1.0, ["layer2.1.conv1"], [0.1], epochs=4)


def test_liu2017(liu2017: "Callable", seed: int = 0) -> None:
    """Pushes in the first training only, filters by |γ| as it is after it, the rates twice."""
    import torch
    from torch import nn

    from pruninglab.models import ResNet20

    def trial(strength: float, sparsity: float, rates: list) -> None:
        network = ResNet20(2, seed=seed).double()
        names = [f"layer{i}.{j}" for i in (1, 2, 3) for j in range(3)]
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        for bn in norms:
            bn.weight.data.normal_()
            if bn is not network.get_submodule("layer2.0.bn1"):  # whose scales are the smallest
                bn.weight.data += 2 * bn.weight.data.sign()
        for name in names:  # labels
            bias = network.get_parameter(f"{name}.bn1.bias")
            bias.data = torch.arange(len(bias)).double()
        trace: list[float] = []
        scales: dict[str, torch.Tensor] = {}

        def train(
            model: nn.Module, masks: dict, lrs: list, before_step: "Callable | None" = None
        ) -> list:
            assert model is network, "train got another network than the one passed in"
            for rate in lrs:
                first = len(trace) < len(rates)
                trace.append(rate)
                here = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
                for parameter in model.parameters():
                    parameter.grad = torch.ones_like(parameter)
                if before_step is not None:
                    before_step(model)
                known = {id(bn.weight) for bn in here}
                for name, parameter in model.named_parameters():
                    push = torch.as_tensor(parameter.grad) - 1
                    assert id(parameter) in known or not push.any(), f"{name} is pushed"
                for bn in here:
                    push = torch.as_tensor(bn.weight.grad) - 1
                    right = strength * bn.weight.detach().sign() * float(first)
                    assert torch.allclose(push, right), f"step {len(trace)}: a push of {push}"
                    bn.weight.data += 0.3 * torch.randn_like(bn.weight)
                if first:
                    scales.update({n: model.get_parameter(f"{n}.bn1.weight").data for n in names})
                    scales.update({n: scale.abs().clone() for n, scale in scales.items()})
            return []

        liu2017(model=network, strength=strength, sparsity=sparsity, lrs=list(rates), train=train)
        same = torch.equal(torch.tensor(trace), torch.tensor(rates + rates))
        assert same, f"learning rates {trace}, expected {rates} twice"
        total = sum(len(scale) for scale in scales.values())
        may_go = sorted(
            (x, name, i)
            for name, scale in scales.items()
            for i, x in enumerate(scale.tolist())
            if i != int(scale.argmax())
        )
        gone = {(name, i) for _, name, i in may_go[: round(sparsity * total)]}
        for name in names:
            left = network.get_parameter(f"{name}.bn1.bias").long().tolist()
            right = [i for i in range(len(scales[name])) if (name, i) not in gone]
            assert left == right, f"{name}: filters {left} are left, expected {right}"
        network.eval()(torch.randn(1, 3, 8, 8).double())  # the layers fit

    torch.manual_seed(seed)
    trial(0.25, 0.5, [0.3, 0.2, 0.1])
    trial(0.5, 0.95, [0.1])
    trial(0.125, 0.1, torch.rand(4).tolist())


def test_molchanov2019(molchanov2019: "Callable", seed: int = 0) -> None:
    """Each removal against gates measured in another way: the gradients of γ and β."""
    import torch
    from torch import nn

    from pruninglab.models import ResNet20

    def trial(rounds: int, filters: int, steps: int, last_steps: int, lr: float) -> None:
        network = ResNet20(2, seed=seed).double()
        names = [f"layer{i}.{j}" for i in (1, 2, 3) for j in range(3)]
        labels = {}  # of the filters that should be there
        for name in names:
            scale, shift = (network.get_parameter(f"{name}.bn1.{p}") for p in ("weight", "bias"))
            size = 0.01 if name == "layer2.0" else 1.0  # that layer has the least important ones
            scale.data.uniform_(0.5 * size, 1.5 * size)
            labels[name] = [size * (1 + x / 100) for x in range(len(shift))]
            shift.data = torch.tensor(labels[name]).double()  # β, a little different in each
        for bn in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
            bn.momentum = 1.0
        network.train()(torch.randn(64, 3, 8, 8).double())  # or ReLU shuts filters off: they tie
        rates: list[float] = []
        seen: list = []  # the minibatches of this round

        def importance(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict:
            """dL/dz = γ · dL/dγ + β · dL/dβ: a gate scales both."""
            model.eval()
            loss = nn.functional.cross_entropy(model(x), y)
            scores = {}
            for name in names:
                pair = [model.get_parameter(f"{name}.bn1.{p}") for p in ("weight", "bias")]
                slopes = torch.autograd.grad(loss, pair, retain_graph=True)
                gate = [p.detach() * g for p, g in zip(pair, slopes, strict=True)]
                scores[name] = (gate[0] + gate[1]).square().tolist()
            return scores

        def check_filters(model: nn.Module) -> None:
            for name in names:
                left = model.get_parameter(f"{name}.bn1.bias").tolist()
                good = len(left) == len(labels[name]) and all(
                    abs(a - b) < 1e-6 for a, b in zip(left, labels[name], strict=True)
                )
                assert good, f"step {len(rates)}, {name}: {left} left, expected {labels[name]}"

        def remove(scores: list[dict]) -> None:
            mean = {n: torch.tensor([s[n] for s in scores]).mean(0).tolist() for n in names}
            ranking = sorted(
                (x, name, label)
                for name in names
                for x, label in zip(mean[name], labels[name], strict=True)
                if x < max(mean[name])
            )
            for _, name, label in ranking[:filters]:
                labels[name].remove(label)

        def train(model: nn.Module, masks: dict, lrs: list, before_step: object = None) -> list:
            assert model is network, "train got another network than the one passed in"
            batches = []
            for rate in lrs:
                check_filters(model)
                rates.append(rate)
                batches.append((torch.randn(4, 3, 8, 8).double(), torch.randint(10, (4,))))
                model.get_parameter("fc.weight").data.add_(0.01)
            seen.extend((x.clone(), y.clone()) for x, y in batches)
            if len(rates) <= rounds * steps and len(rates) % steps == 0:  # the end of a round
                remove([importance(model, x, y) for x, y in seen])
                seen.clear()
            model.train()
            return batches

        molchanov2019(
            model=network, rounds=rounds, filters=filters, steps=steps, last_steps=last_steps,
            lr=lr, train=train,
        )  # fmt: skip
        check_filters(network)
        expected = [lr] * (rounds * steps + last_steps)
        same = torch.equal(torch.tensor(rates), torch.tensor(expected))
        assert same, f"learning rates {rates}, expected {expected}"
        network.eval()(torch.randn(1, 3, 8, 8).double())  # the layers fit

    torch.manual_seed(seed)
    trial(rounds=1, filters=7, steps=2, last_steps=1, lr=0.1)
    trial(rounds=8, filters=4, steps=3, last_steps=2, lr=0.05)
    trial(rounds=3, filters=15, steps=1, last_steps=1, lr=0.01)


def test_he2018(he2018: "Callable", seed: int = 0) -> None:
    """Zeros after each epoch, none held in between, the zero ones removed; rates per epoch."""
    import torch
    from torch import nn

    from pruninglab.models import ResNet20

    def trial(sparsity: float, epoch_lrs: list, steps_per_epoch: int) -> None:
        network = ResNet20(2, seed=seed).double()
        names = [f"layer{i}.{j}" for i in (1, 2, 3) for j in range(3)]
        shadow = {n: network.get_parameter(f"{n}.conv1.weight").data.clone() for n in names}
        left = {name: list(range(len(w))) for name, w in shadow.items()}
        for name, numbers in left.items():
            network.get_parameter(f"{name}.bn1.bias").data = torch.tensor(numbers).double()
        others = {
            name: parameter.detach().clone()
            for name, parameter in network.named_parameters()
            if not name.endswith("conv1.weight") or name == "conv1.weight"
        }
        rates: list[float] = []

        def train(model: nn.Module, masks: dict, lrs: list, before_step: object = None) -> list:
            assert model is network, "train got another network than the one passed in"
            for name, other in others.items():
                same = torch.equal(model.get_parameter(name), other)
                assert same, f"step {len(rates)}: {name} has changed"
            for rate in lrs:
                assert not any((~m).any() for m in masks.values()), "something is held at zero"
                for name in names:
                    weight = model.get_parameter(f"{name}.conv1.weight").data
                    same = weight.shape == shadow[name].shape and torch.equal(weight, shadow[name])
                    assert same, f"step {len(rates)}: the weights of {name}.conv1 are not right"
                    speed = torch.randn(len(weight), 1, 1, 1).double().exp()
                    weight += speed * torch.randn_like(weight) ** 3  # peaks: L1 is not L2
                    shadow[name] = weight.clone()
                rates.append(rate)
                if len(rates) % steps_per_epoch == 0:
                    for name, weight in shadow.items():
                        order = weight.square().sum(dim=(1, 2, 3)).argsort()
                        gone = round(sparsity * len(order))
                        weight[order[:gone]] = 0
                        left[name] = sorted(order[gone:].tolist())
            return []

        he2018(
            model=network, sparsity=sparsity, epoch_lrs=list(epoch_lrs),
            steps_per_epoch=steps_per_epoch, train=train,
        )  # fmt: skip
        right = [lr for lr in epoch_lrs for _ in range(steps_per_epoch)]
        same = torch.equal(torch.tensor(rates), torch.tensor(right))
        assert same, f"learning rates {rates}, expected {right}"
        for name, numbers in left.items():
            labels = network.get_parameter(f"{name}.bn1.bias").long().tolist()
            assert labels == numbers, f"{name}: filters {labels} are left, expected {numbers}"
            weight = network.get_parameter(f"{name}.conv1.weight")
            assert torch.equal(weight, shadow[name][numbers]), f"{name}.conv1 has other weights"
            weight = network.get_parameter(f"{name}.conv2.weight")
            kernels = others[f"{name}.conv2.weight"][:, numbers]
            assert torch.equal(weight, kernels), f"{name}.conv2 has other weights"
        network.eval()(torch.randn(1, 3, 8, 8).double())  # the layers fit

    torch.manual_seed(seed)
    trial(0.25, [0.2], steps_per_epoch=3)
    trial(0.3, [0.3, 0.2, 0.1], steps_per_epoch=2)
    trial(0.5, torch.rand(5).tolist(), steps_per_epoch=1)
