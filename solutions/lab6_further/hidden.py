"""Hidden tests of lab 6: properties on random inputs. Each is inlined in its test cell."""

# ruff: noqa: PT028 (the seed has a default, so that a grader may give another one)

from collections.abc import Callable


def test_hessian_diagonal(hessian_diagonal: "Callable", seed: int = 0) -> None:
    """The diagonal of the exact Hessian of small ReLU networks, by differentiating twice."""
    import copy

    import torch
    from torch import nn
    from torch.nn import functional as F

    generator = torch.Generator().manual_seed(seed)

    def exact(model: nn.Module, name: str, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        weight = model.get_parameter(name).detach()

        def loss(flat: torch.Tensor) -> torch.Tensor:
            out = torch.func.functional_call(model, {name: flat.view(weight.shape)}, (x,))
            return F.cross_entropy(out, y)

        return torch.autograd.functional.hessian(loss, weight.flatten()).diagonal()

    def kept(model: nn.Module) -> list:
        parts = [(p.requires_grad, p.grad is not None) for p in model.parameters()]
        return parts + [(m.training, len(m._forward_hooks)) for m in model.modules()]

    for hidden, classes, n in ((3, 2, 1), (5, 4, 6), (4, 3, 9), (0, 3, 4)):
        if hidden:
            layers = [nn.Linear(3, hidden), nn.ReLU(), nn.Linear(hidden, classes)]
        else:  # a convolution uses each weight at several places
            layers = [nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, classes)]
        model = nn.Sequential(*layers).double().eval()
        for parameter in model.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator).double()
            parameter.grad = torch.ones_like(parameter)
        shape = (n, 3) if hidden else (n, 1, 3, 3)
        x = torch.randn(shape, generator=generator).double()
        y = torch.randint(classes, (n,), generator=generator)
        own, was = copy.deepcopy(model), kept(model)
        found = hessian_diagonal(model, x.clone())
        assert set(found) == {"0.weight", f"{len(layers) - 1}.weight"}, f"names {sorted(found)}"
        assert kept(model) == was, "the model's mode, gradients or hooks have changed"
        grads = [torch.as_tensor(p.grad) for p in model.parameters()]
        assert all((grad == 1).all() for grad in grads), "gradients were overwritten"
        for name, h in found.items():
            target = exact(own, name, x, y).view(h.shape)
            assert torch.allclose(h.detach(), target, atol=1e-6), f"{name}: {h} is not {target}"
        after, before = model.state_dict(), own.state_dict()
        assert all(torch.equal(after[k], v) for k, v in before.items()), "the model was changed"


def test_obd_scores(obd_scores: "Callable", seed: int = 0) -> None:
    """On a quadratic without mixed terms the saliency is the change of the loss."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for shape in ((6,), (2, 3), (2, 2, 3, 3)):
        w = {n: torch.randn(shape, generator=generator) for n in ("a", "b")}
        h = {n: torch.rand(shape, generator=generator) + 0.1 for n in ("a", "b")}
        given = {n: t.clone() for n, t in w.items()}
        curved = {n: h[n].clone() for n in ("b", "a")}  # by name, in another order
        scores = {n: s.detach() for n, s in obd_scores(given, curved).items()}
        assert all(torch.equal(given[n], w[n]) for n in w), "the weights were changed"
        assert all(torch.equal(curved[n], h[n]) for n in h), "the diagonal was changed"
        assert set(scores) == {"a", "b"}, f"names {sorted(scores)}"
        for name in w:
            # L(v) = Σ h (v - w)² / 2 has its minimum, 0, at the trained weight w
            change = torch.stack(
                [
                    (h[name] * (pruned - w[name]) ** 2).sum() / 2
                    for k in range(w[name].numel())
                    for pruned in [
                        w[name].flatten().index_fill(0, torch.tensor([k]), 0.0).view(shape)
                    ]
                ]
            )
            assert scores[name].shape == shape, f"{name}: shape {tuple(scores[name].shape)}"
            found = scores[name].flatten().float()
            assert torch.allclose(found, change, atol=1e-6), f"{name}: {scores}"


def test_synflow_scores(synflow_scores: "Callable", seed: int = 0) -> None:
    """What a weight adds to the flow; in a chain all layers' scores have the same sum."""
    import copy

    import torch
    from torch import nn

    from pruninglab.models import ResNet20

    chain = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 5, 3, stride=2, bias=False), nn.ReLU(), nn.Flatten(),
        nn.Linear(20, 7, bias=False), nn.ReLU(), nn.Linear(7, 3, bias=False),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    for parameter in chain.parameters():
        if parameter.dim() > 1:
            parameter.data = torch.randn(parameter.shape, generator=generator)
    chain[1].eval()  # the only one
    second = chain.get_parameter("3.weight")
    second.grad = torch.ones_like(second)
    before = {k: v.clone() for k, v in chain.state_dict().items()}
    modes = [module.training for module in chain.modules()]
    scores = synflow_scores(chain, (3, 8, 8))
    after = chain.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items()), "the network was changed"
    assert chain[0].weight.dtype == torch.float32, "the network's dtype was changed"
    assert modes == [module.training for module in chain.modules()], "a layer's mode was changed"
    assert all(p.requires_grad for p in chain.parameters()), "parameters were frozen"
    held = [p.grad for p in chain.parameters() if p.grad is not None]
    assert len(held) == 1, "the network holds other gradients than before"
    assert (held[0] == 1).all(), "the gradients that the network held were changed"
    assert not any(m._forward_hooks for m in chain.modules()), "a hook was left in the network"
    assert all(s.dtype == torch.float64 for s in scores.values()), "scores must be float64"
    assert all((s >= 0).all() for s in scores.values()), "a score is negative"
    flow = copy.deepcopy(chain).double().eval().requires_grad_(False)
    for parameter in flow.parameters():
        parameter.abs_()
    ones = torch.ones(1, 3, 8, 8).double()
    whole = float(flow(ones).sum())
    for name, score in scores.items():  # the flow is linear in each single weight
        weight = flow.get_parameter(name).view(-1)
        for place in torch.randint(len(weight), (4,), generator=generator).tolist():
            value, weight[place] = float(weight[place]), 0.0
            lost, got = whole - float(flow(ones).sum()), float(score.flatten()[place])
            weight[place] = value
            assert abs(got - lost) < 1e-6 * whole, f"{name}: a score of {got}, expected {lost}"
    sums = [float(s.sum()) for s in scores.values()]
    assert len(sums) == 4, f"scores for {sorted(scores)}"
    assert max(sums) - min(sums) < 1e-6 * max(sums), f"sums per layer {sums}"
    net = ResNet20(2, seed=seed)
    total = {name: float(s.sum()) for name, s in synflow_scores(net, (3, 32, 32)).items()}
    assert len(total) == 22, f"{len(total)} layers, expected 22"
    for stage in (1, 2, 3):
        for block in (0, 1, 2):
            a, b = (total[f"layer{stage}.{block}.conv{k}.weight"] for k in (1, 2))
            assert abs(a - b) < 1e-6 * a, f"layer{stage}.{block}: {a} and {b}"


def test_synflow_masks(synflow_masks: "Callable", seed: int = 0) -> None:
    """The densities of the rounds, nested masks, exact counts, an untouched network."""
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(seed)
    names = ("0.weight", "2.weight")

    def flat(tensors: dict) -> torch.Tensor:
        return torch.cat([tensors[name].flatten() for name in names])

    def trial(density: float, rounds: int) -> None:
        model = nn.Sequential(nn.Linear(9, 20), nn.ReLU(), nn.Linear(20, 7))
        for parameter in model.parameters():
            nn.init.normal_(parameter, generator=generator)
        n = 9 * 20 + 20 * 7
        before = {k: v.clone() for k, v in model.state_dict().items()}
        alive: list[torch.Tensor] = []
        scored: list[torch.Tensor] = []

        def score(network: nn.Module) -> dict[str, torch.Tensor]:
            weights = {k: network.get_parameter(k).detach() for k in names}
            alive.append(flat(weights) != 0)
            scores = {k: torch.rand(w.shape, generator=generator) for k, w in weights.items()}
            scored.append(flat(scores))
            return scores

        masks = synflow_masks(model, score, density, rounds)
        assert set(masks) == set(names), f"masks for {sorted(masks)}"
        assert all(m.dtype == torch.bool for m in masks.values()), "masks must be bool"
        alive.append(flat(masks))
        case = f"{density=}, {rounds=}"
        assert len(alive) == rounds + 1, f"{case}: scored {len(alive) - 1} times"
        for k, now in enumerate(alive):
            left = n * density ** (k / rounds)
            assert abs(int(now.sum()) - left) <= 1, f"{case}: {int(now.sum())} left in round {k}"
            if k:
                gone, last = alive[k - 1] & ~now, scored[k - 1]
                assert not (now & ~alive[k - 1]).any(), f"{case}: a pruned weight came back"
                right = not gone.any() or last[gone].max() <= last[now].min()
                assert right, f"{case}: in round {k} others went than those of least score"
        pruned = int((~flat(masks)).sum())
        assert pruned == round((1 - density) * n), f"{case}: {pruned} of {n} pruned"
        after = model.state_dict()
        assert all(torch.equal(after[k], v) for k, v in before.items()), f"{case}: model changed"
        assert model.training, f"{case}: the model's mode was changed"
        assert all(p.requires_grad for p in model.parameters()), f"{case}: parameters were frozen"

    for density, rounds in ((0.5, 1), (0.1, 5), (0.03, 12), (1.0, 3)):
        trial(density, rounds)
    model = nn.Sequential(nn.Linear(9, 20), nn.ReLU(), nn.Linear(20, 7))
    levels = {"0.weight": torch.zeros(20, 9), "2.weight": torch.ones(7, 20)}
    masks = synflow_masks(model, lambda network: dict(levels), 140 / 320, 3)
    counts = [int(m.sum()) for m in masks.values()]
    assert counts == [0, 140], f"{counts} left: the ranking is not global"
    line = torch.arange(180.0)

    def flat_after(first: torch.Tensor) -> "Callable":
        seen = [first[None]]
        return lambda network: {"weight": seen.pop() if seen else torch.zeros(1, 180)}

    for first in (line, line.flip(0)):  # then all scores are equal, those of pruned weights too
        mask = synflow_masks(nn.Linear(180, 1), flat_after(first), 0.25, 2)["weight"]
        assert int(mask.sum()) == 45, f"equal scores: {int(mask.sum())} of 180 left, not 45"
        assert (first[mask[0]] >= 90).all(), "equal scores: a pruned weight came back"


def test_kl_divergence(kl_divergence: "Callable", seed: int = 0) -> None:
    """The KL by numerical integration, its gradient by differences, and its ends."""
    import math

    import torch

    generator = torch.Generator().manual_seed(seed)
    # -KL = ½ log α - E[log |ε|] + const, ε ~ N(1, α); const = 0 limit: KL -> 0 for α -> ∞
    z = torch.linspace(-9, 9, 200_001, dtype=torch.float64)
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    at_infinity = -(0.5772156649 + math.log(2)) / 2  # E[log |z|] of a standard normal
    for log_alpha in (-3.0, -1.0, 0.0, 1.5, 4.0):
        spread = math.exp(log_alpha / 2)
        mean_log = float((density * (1 + spread * z).abs().clamp(min=1e-12).log()).sum())
        exact = mean_log - log_alpha / 2 - at_infinity
        theta = torch.tensor([1.7])
        got = float(kl_divergence(theta, theta.square().log() + log_alpha))
        assert abs(got - exact) < 0.02, f"log α = {log_alpha}: KL {got:.4f}, exact {exact:.4f}"
    theta = (torch.rand(3, 4, generator=generator) + 0.5).double()
    log_sigma2 = torch.randn(3, 4, generator=generator).double()
    assert torch.autograd.gradcheck(
        kl_divergence, (theta.requires_grad_(), log_sigma2.requires_grad_())
    )
    theta, log_sigma2 = theta.detach(), log_sigma2.detach()
    parts = sum(float(kl_divergence(t, s)) for t, s in zip(theta, log_sigma2, strict=True))
    assert abs(float(kl_divergence(theta, log_sigma2)) - parts) < 1e-6, "not a sum over weights"
    assert abs(float(kl_divergence(torch.ones(5), torch.full((5,), 20.0)))) < 1e-5
    zero = torch.zeros(3, requires_grad=True)
    (slope,) = torch.autograd.grad(kl_divergence(zero, torch.zeros(3)), zero)
    assert slope.isfinite().all(), f"the gradient at θ = 0 is {slope}"
    for log_alpha in (-2.0, 0.0, 1.0):
        at_zero = float(kl_divergence(torch.zeros(3), torch.full((3,), math.log(1e-8) + log_alpha)))
        at_one = float(kl_divergence(torch.ones(3), torch.full((3,), log_alpha)))
        assert abs(at_zero - at_one) < 1e-3, f"θ = 0: KL {at_zero}, expected {at_one}"
    assert abs(float(kl_divergence(torch.ones(1), torch.full((1,), -100.0))) - 50.6358) < 1e-2


def test_noisy_output(noisy_output: "Callable", seed: int = 0) -> None:
    """Mean and variance are those of a layer whose weights are drawn; the noise is per output."""
    import torch
    from torch.nn import functional as F

    generator = torch.Generator().manual_seed(seed)

    def conv(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, weight, padding=1)

    for layer, x_shape, w_shape in ((F.linear, (4, 6), (3, 6)), (conv, (2, 3, 5, 5), (4, 3, 3, 3))):
        x = torch.randn(x_shape, generator=generator).double()
        theta = torch.randn(w_shape, generator=generator).double()
        log_sigma2 = torch.randn(w_shape, generator=generator).double()
        given = (theta.clone(), log_sigma2.clone())  # ours stay the truth
        mean = noisy_output(layer, x.clone(), *given, torch.zeros_like)
        assert torch.allclose(mean, layer(x, theta)), "without noise it is not the plain layer"
        one = noisy_output(layer, x.clone(), *given, torch.ones_like)
        # outputs are linear in the weights: the variance is the sum of squared slopes times σ²
        jacobian = torch.func.jacrev(layer, 1)(x, theta)
        variance = (jacobian.square() * log_sigma2.exp()).flatten(mean.dim()).sum(-1)
        assert torch.allclose((one - mean).square(), variance, rtol=1e-4, atol=1e-6), "variance"
        first, second = (noisy_output(layer, x, theta, log_sigma2) for _ in range(2))
        assert not torch.allclose(first, second), "two calls gave the same noise"
        same = x[:1].expand(x.shape)  # copies of one image
        out = noisy_output(layer, same, theta, log_sigma2)
        assert not torch.allclose(out[0], out[1]), "all images of a batch have the same noise"


def test_variational_loss(variational_loss: "Callable", seed: int = 0) -> None:
    """Mean cross-entropy plus the share of the KL."""
    import torch
    from torch.nn import functional as F

    generator = torch.Generator().manual_seed(seed)
    cases = [(0.0, 0.5, 0.0), (0.1, 0.5, 0.2), (0.5, 0.5, 1.0), (1.0, 0.5, 1.0), (0.3, 1.0, 0.3)]
    cases += [(0.17, 0.68, 0.25), (0.02, 0.64, 0.03125)]
    for progress, warmup, share in cases:
        outputs = torch.randn(6, 5, generator=generator, requires_grad=True)
        labels = torch.randint(5, (6,), generator=generator)
        kl = (torch.rand((), generator=generator) * 1e4).requires_grad_()
        fit = F.cross_entropy(outputs, labels)
        target = (fit + share * kl / 4000).detach()
        loss = variational_loss(outputs, labels, kl, 4000, progress, warmup)
        case = f"{progress=}, {warmup=}"
        assert torch.allclose(loss, target, rtol=1e-5), f"{case}: {loss} is not {target}"
        # 0 · kl: a branch that leaves the KL out at the start is right too
        slope = torch.autograd.grad(loss + 0 * kl, kl)[0]
        assert abs(float(slope) - share / 4000) < 1e-8, f"{case}: slope {slope} of the KL"
        loss = variational_loss(outputs, labels, kl, 4000, progress, warmup)
        learns = torch.autograd.grad(loss + 0 * outputs.sum(), outputs)[0]
        right = torch.autograd.grad(fit, outputs)[0]
        assert torch.allclose(learns, right, atol=1e-6), f"{case}: gradient of the outputs"


def test_bounded_sparsity(bounded_sparsity: "Callable", seed: int = 0) -> None:
    """Whatever the agent wants, the target is met, and a wish that is large enough is granted."""
    import random

    draw = random.Random(seed)
    for _ in range(200):
        macs = [draw.uniform(10, 100) for _ in range(draw.randint(1, 9))]
        highest = draw.uniform(0.3, 1.0)
        target = draw.uniform(0, 1) * highest * sum(macs)
        chosen: list[float] = []
        for t in range(len(macs)):
            wanted = draw.choice([0.0, draw.random(), 1.0])
            got = float(bounded_sparsity(wanted, list(macs), list(chosen), target, highest))
            case = f"{wanted=}, {macs=}, {chosen=}, {target=}, {highest=}"
            assert min(wanted, highest) - 1e-9 <= got <= highest + 1e-9, f"{got} for {case}"
            if got > wanted + 1e-9:  # then just as much as is needed, and no more
                done = sum(m * s for m, s in zip(macs, [*chosen, got], strict=False))
                reached = done + highest * sum(macs[t + 1 :])
                assert abs(reached - target) < 1e-6, f"{got} is more than needed for {case}"
            chosen.append(got)
        removed = sum(m * s for m, s in zip(macs, chosen, strict=True))
        assert removed >= target - 1e-6, f"{chosen} removes {removed} of {target}, {macs=}"
        if len(macs) > 1:  # the layers before were pruned too little: as much as may be
            got = float(bounded_sparsity(0.0, list(macs), [0.0], highest * sum(macs), highest))
            assert abs(got - highest) < 1e-9, f"{got} where even {highest=} is not enough"


def test_amc_reward(amc_reward: "Callable", seed: int = 0) -> None:
    """The network that is evaluated computes what the silenced one does."""
    import copy

    import torch
    from torch import nn

    from pruninglab.models import ResNet20

    generator = torch.Generator().manual_seed(seed)
    model = ResNet20(4, seed=seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            shape = module.weight.shape
            module.weight.data = torch.rand(shape, generator=generator) + 0.5
            module.bias.data = torch.randn(shape, generator=generator) * 0.3
            module.running_mean = torch.randn(shape, generator=generator) * 0.1
    model.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    own = copy.deepcopy(model)
    x = torch.randn(2, 3, 32, 32, generator=generator)
    sparsities = {"layer1.1.conv1": 0.25, "layer2.0.conv1": 0.5, "layer3.2.conv1": 0.75}
    seen = []

    def evaluate(network: nn.Module) -> float:
        with torch.no_grad():
            seen.append(copy.deepcopy(network).eval()(x))
        return 0.7

    reward = amc_reward(model, dict(sparsities), evaluate)
    assert abs(reward + 0.3) < 1e-6, f"reward {reward} at accuracy 0.7, expected -0.3"
    assert len(seen) == 1, f"evaluated {len(seen)} times"
    after = model.state_dict()
    assert list(after) == list(before), "the model has other parts than before"
    assert all(torch.equal(after[k], v) for k, v in before.items()), "the model was changed"
    assert not any(m.training for m in model.modules()), "the model's mode was changed"
    assert all(p.requires_grad for p in model.parameters()), "the model's parameters were frozen"
    with torch.no_grad():
        assert torch.equal(model(x), own(x)), "the model computes something else than before"
        for name, sparsity in sparsities.items():
            bn = name.replace("conv1", "bn1")
            order = own.get_parameter(f"{name}.weight").abs().sum(dim=(1, 2, 3)).argsort()
            gone = order[: round(sparsity * len(order))]
            for part in (f"{name}.weight", f"{bn}.weight", f"{bn}.bias"):
                own.get_parameter(part).data[gone] = 0
        target = own(x)
    assert torch.allclose(seen[0], target, atol=1e-4), "another function than the silenced network"
