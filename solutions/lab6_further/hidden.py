"""Hidden tests of lab 6: a sentence per property; those of an exercise go into its test cell."""

# ruff: noqa: PT028 (the seed has a default, so that a grader may give another one)
# mypy: disable-error-code="operator,arg-type,index,misc,var-annotated"

import copy
import math
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab.checks import combination
from pruninglab.checks.agree import agree
from pruninglab.checks.unchanged import unchanged
from pruninglab.grading.unseen import unseen_images
from pruninglab.models import ResNet20


def _drawn(model: nn.Module, seed: int) -> nn.Module:
    """The network with random parameters, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        weight.data = torch.randn(weight.shape, generator=generator)
    return model.eval()


def _flat(tensors: dict[str, Tensor], names: tuple[str, ...]) -> Tensor:
    return torch.cat([tensors[name].detach().flatten() for name in names])


def _gradients(model: nn.Module) -> dict[str, list | None]:
    """The gradients that a network holds."""
    grads = {name: p.grad for name, p in model.named_parameters()}
    return {name: None if g is None else g.tolist() for name, g in grads.items()}


# --- hessian_diagonal ---------------------------------------------------------------------------


def _with_inputs(kind: str, classes: int, n: int, seed: int) -> tuple[nn.Module, Tensor]:
    """A small ReLU network, and inputs for it."""
    shapes = {"linear": (n, 3), "conv1d": (n, 1, 5), "conv2d": (n, 1, 3, 3)}
    first = {"linear": nn.Linear(3, 5), "conv1d": nn.Conv1d(1, 2, 2), "conv2d": nn.Conv2d(1, 2, 2)}
    features = {"linear": 5, "conv1d": 8, "conv2d": 8}[kind]
    model = nn.Sequential(first[kind], nn.ReLU(), nn.Flatten(), nn.Linear(features, classes))
    x = torch.randn(shapes[kind], generator=torch.Generator().manual_seed(seed))
    return _drawn(model, seed), x


def _exact(model: nn.Module, name: str, x: Tensor) -> Tensor:
    """The diagonal of the Hessian of one weight, in double precision, by differentiating twice."""
    model, x = copy.deepcopy(model).double(), x.double()
    weight = model.get_parameter(name).detach()
    labels = model(x).argmax(dim=1)  # the Hessian is the same for all labels

    def loss(flat: Tensor) -> Tensor:
        out = torch.func.functional_call(model, {name: flat.view(weight.shape)}, (x,))
        return F.cross_entropy(out, labels)

    return torch.autograd.functional.hessian(loss, weight.flatten()).diagonal().view(weight.shape)


def test_it_is_the_diagonal_of_the_exact_hessian(hessian_diagonal: Callable, seed: int = 0) -> None:
    """For a ReLU network it is what comes out when the loss is differentiated twice."""
    cases = [("linear", 2, 1), ("linear", 4, 6), ("conv1d", 3, 5), ("conv2d", 3, 4)]
    for place, (kind, classes, n) in enumerate(cases):
        model, x = _with_inputs(kind, classes, n, seed + place)
        own = copy.deepcopy(model)
        found = hessian_diagonal(model, x.clone())
        for name, h in found.items():
            target = _exact(own, name, x)
            assert h.shape == target.shape, f"{kind}, {name}: shape {tuple(h.shape)}"
            off = float((h.detach().double() - target).abs().max())
            assert off < 1e-4 * max(1.0, float(target.max())), f"{kind}, {name}: off by {off:.2g}"


def test_every_prunable_weight_has_its_curvatures(
    hessian_diagonal: Callable, seed: int = 0
) -> None:
    """The names are those of the prunable weights: of every convolution and linear layer."""
    for kind in ("linear", "conv1d", "conv2d"):
        found = hessian_diagonal(*_with_inputs(kind, 3, 2, seed))
        assert sorted(found) == ["0.weight", "3.weight"], f"{kind}: names {sorted(found)}"


def test_batch_normalisation_is_in_evaluation_mode(
    hessian_diagonal: Callable, seed: int = 0
) -> None:
    """With running statistics the network is still linear in each weight: it is the Hessian."""
    layers = [nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)]
    model = _drawn(nn.Sequential(*layers), seed)
    x = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(seed))
    right = {name: _exact(model, name, x) for name in ("0.weight", "4.weight")}
    found = hessian_diagonal(model, x.clone())
    for name, target in right.items():
        off = float((found[name].detach().double() - target).abs().max())
        assert off < 1e-4 * max(1.0, float(target.max())), f"with BN, {name}: off by {off:.2g}"


def test_the_measured_model_stays_as_it_was(hessian_diagonal: Callable, seed: int = 0) -> None:
    """Weights, modes, hooks and the gradients that the model holds are those of before."""
    model, x = _with_inputs("linear", 3, 4, seed)
    model.get_parameter("0.weight").grad = torch.ones(5, 3)
    held = _gradients(model)
    with unchanged(model, x):
        hessian_diagonal(model, x)
    assert _gradients(model) == held, "the gradients that the model holds have changed"


# --- obd_scores ---------------------------------------------------------------------------------


def _minimum(generator: torch.Generator) -> dict[str, dict[str, Tensor]]:
    """Weights and curvatures by name, in another order; some of both are 0."""
    shapes = {"a": (6,), "b": (2, 3), "c": (2, 2, 3, 3)}
    weights = {n: torch.randn(s, generator=generator) for n, s in shapes.items()}
    curved = {n: torch.rand(s, generator=generator) for n, s in reversed(shapes.items())}
    for name in shapes:
        weights[name].view(-1)[0] = curved[name].view(-1)[1] = 0
    return {"weights": weights, "diagonal": curved}


def _rises(weights: dict[str, Tensor], diagonal: dict[str, Tensor]) -> dict[str, Tensor]:
    """By how much L(v) = Σ h (v - w)² / 2 rises when one v_k goes from w_k to 0."""
    rises = {}
    for name, w in weights.items():
        pruned = w.flatten() * (1 - torch.eye(w.numel()))  # a row for each weight that goes
        loss = diagonal[name].flatten() * (pruned - w.flatten()) ** 2 / 2
        rises[name] = loss.sum(dim=1).view(w.shape)
    return rises


def test_the_saliency_is_the_rise_of_a_quadratic(obd_scores: Callable, seed: int = 0) -> None:
    """On a quadratic loss without mixed terms it is what the loss rises by, weight by weight."""

    def by_name(**tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: score.float() for name, score in sorted(obd_scores(**tensors).items())}

    agree(by_name, _rises, _minimum, seed)


def test_a_small_saliency_is_not_zero(obd_scores: Callable) -> None:
    """Saliencies far below 1 are told apart: nothing is rounded."""
    weights = {"w": torch.tensor([1e-3, 2e-3, 3e-3])}
    scores = obd_scores(weights, {"w": torch.full((3,), 2e-2)})["w"]
    ratios = (scores / scores[0]).tolist()
    assert all(abs(r - k * k) < 1e-3 for k, r in enumerate(ratios, start=1)), f"scores {scores}"


def test_saliencies_are_told_apart_to_the_last_digits(obd_scores: Callable) -> None:
    """Weights in double precision have saliencies in double precision: a billionth counts."""
    weights = {"w": torch.tensor([1.0, 1 + 1e-9, 1 - 1e-9], dtype=torch.float64)}
    scores = obd_scores(weights, {"w": torch.ones(3, dtype=torch.float64)})["w"]
    order = scores.argsort().tolist()
    assert order == [2, 0, 1], f"of 1, 1 + 1e-9 and 1 - 1e-9 the order is {order}: {scores}"


# --- synflow_scores -----------------------------------------------------------------------------


def _chain(seed: int) -> nn.Sequential:
    """Four layers one behind the other, without biases, with negative weights of both kinds."""
    chain = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 5, 3, stride=2, bias=False), nn.ReLU(), nn.Flatten(),
        nn.Linear(20, 7, bias=False), nn.ReLU(), nn.Linear(7, 3, bias=False),
    )  # fmt: skip
    _drawn(chain, seed).train()
    chain[1].bias.data.zero_()
    chain[3].weight.data[0] = 0  # a dead filter
    return chain


def _all_positive(model: nn.Module) -> nn.Module:
    twin = copy.deepcopy(model).double().eval().requires_grad_(False)
    for parameter in twin.parameters():
        parameter.abs_()
    return twin


def test_a_score_is_the_flow_that_is_lost(synflow_scores: Callable, seed: int = 0) -> None:
    """The flow is linear in each single weight: it falls by its score when the weight goes."""
    model = _drawn(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)), seed)
    model[0].bias.data = -model[0].bias.data.abs() - 0.1  # with its sign it makes flows smaller
    for network, shape in ((_chain(seed), (3, 8, 8)), (model, (4,))):
        flow, ones = _all_positive(network), torch.ones(1, *shape).double()
        whole = float(flow(ones).sum())
        generator = torch.Generator().manual_seed(seed)
        for name, score in synflow_scores(network, shape).items():
            weight, found = flow.get_parameter(name).view(-1), score.detach().flatten()
            for place in torch.randint(len(weight), (4,), generator=generator).tolist():
                value, weight[place] = float(weight[place]), 0.0
                lost = whole - float(flow(ones).sum())
                weight[place] = value
                right = abs(float(found[place]) - lost) < 1e-6 * whole
                assert right, f"{name}: a score of {float(found[place])}, expected {lost}"


def test_what_flows_in_flows_out(synflow_scores: Callable, seed: int = 0) -> None:
    """In a chain the scores of every layer have the same sum, and so in a block's two layers."""
    sums = {n: float(s.detach().sum()) for n, s in synflow_scores(_chain(seed), (3, 8, 8)).items()}
    assert len(sums) == 4, f"scores for {sorted(sums)}"
    spread = max(sums.values()) - min(sums.values())
    assert spread < 1e-6 * max(sums.values()), f"sums per layer {sums}"
    total = {
        n: float(s.detach().sum()) for n, s in synflow_scores(ResNet20(2), (3, 32, 32)).items()
    }
    assert len(total) == 22, f"{len(total)} layers, expected 22"
    for block in ("layer1.0", "layer2.1", "layer3.2"):
        first, second = (total[f"{block}.conv{k}.weight"] for k in (1, 2))
        assert abs(first - second) < 1e-6 * first, f"{block}: {first} and {second}"


def test_a_layer_of_any_kind_has_scores(synflow_scores: Callable, seed: int = 0) -> None:
    """A one-dimensional convolution counts as well as the linear layer behind it."""
    layers = [nn.Conv1d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(9, 2)]
    found = synflow_scores(_drawn(nn.Sequential(*layers), seed), (2, 4))
    assert sorted(found) == ["0.weight", "3.weight"], f"scores for {sorted(found)}"


def test_scores_are_precise_and_never_negative(synflow_scores: Callable, seed: int = 0) -> None:
    """Every score is a float64 of 0 or more, and flows of 1e60 and of 1e-60 are numbers, too."""
    for name, score in synflow_scores(_chain(seed), (3, 8, 8)).items():
        assert score.dtype == torch.float64, f"{name}: scores of {score.dtype}"
        assert (score >= 0).all(), f"{name}: the least score is {float(score.detach().min())}"
    for size in (1e20, 1e-20):
        layers = [nn.Linear(1, 1, bias=False) for _ in range(3)]
        for layer in layers:
            layer.weight.data.fill_(-size)
        found = [float(s.detach()) for s in synflow_scores(nn.Sequential(*layers), (1,)).values()]
        right = all(math.isclose(score, size**3, rel_tol=1e-5) for score in found)
        assert right, f"three weights of -{size}: scores {found}"


def test_the_scored_network_stays_as_it_was(synflow_scores: Callable, seed: int = 0) -> None:
    """Weights, signs, dtype, modes and the gradients that it holds are those of before."""
    chain = _chain(seed)
    chain[1].eval()  # the only one
    chain[3].weight.grad = torch.ones_like(chain[3].weight)
    held = _gradients(chain)
    with unchanged(chain):
        synflow_scores(chain, (3, 8, 8))
    assert _gradients(chain) == held, "the gradients that the network holds have changed"


# --- synflow_masks ------------------------------------------------------------------------------


class _Scores:
    """Random scores for two layers; it remembers them, and which weights were alive."""

    names = ("0.weight", "2.weight")

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.alive: list[Tensor] = []
        self.scored: list[Tensor] = []

    def __call__(self, network: nn.Module) -> dict[str, Tensor]:
        weights = {name: network.get_parameter(name) for name in self.names}
        self.alive.append(_flat(weights, self.names) != 0)
        scores = {n: torch.rand(w.shape, generator=self.generator) for n, w in weights.items()}
        self.scored.append(_flat(scores, self.names))
        return scores


def _two_layers(seed: int) -> nn.Module:
    """320 weights."""
    model = nn.Sequential(nn.Linear(9, 20), nn.ReLU(), nn.Linear(20, 7))
    return _drawn(model, seed).train()


def _history(synflow_masks: Callable, density: float, rounds: int, seed: int) -> _Scores:
    """What was alive in each round and, as the last entry, in the masks."""
    scores = _Scores(seed)
    masks = synflow_masks(_two_layers(seed), scores, density, rounds)
    scores.alive.append(_flat(masks, scores.names))
    return scores


def _always(scores: Tensor) -> Callable:
    """A score of one layer that is the same each time."""
    return lambda network: {"weight": scores.clone()}


def _then_equal(first: Tensor) -> Callable:
    """A score of one layer that is 0 for all weights from the second round on."""
    left = [first]
    return lambda network: {"weight": left.pop() if left else torch.zeros_like(first)}


def test_each_round_keeps_the_same_share(synflow_masks: Callable, seed: int = 0) -> None:
    """After round k the share density^(k/n) is left, and each round scores once."""
    for density, rounds in ((0.5, 1), (0.1, 5), (0.03, 12), (1.0, 3)):
        alive = _history(synflow_masks, density, rounds, seed).alive
        case = f"{density=}, {rounds=}"
        assert len(alive) == rounds + 1, f"{case}: scored {len(alive) - 1} times"
        for k, now in enumerate(alive):
            off = int(now.sum()) - 320 * density ** (k / rounds)
            assert abs(off) <= 1, f"{case}: {int(now.sum())} weights left in round {k}"


def test_a_pruned_weight_stays_pruned(synflow_masks: Callable, seed: int = 0) -> None:
    """What was zero in a round is zero in all that follow."""
    for density, rounds in ((0.1, 5), (0.03, 12)):
        alive = _history(synflow_masks, density, rounds, seed).alive
        back = [k for k in range(1, len(alive)) if (alive[k] & ~alive[k - 1]).any()]
        assert not back, f"{density=}, {rounds=}: a pruned weight came back in round {back}"


def test_the_least_scores_of_the_network_go(synflow_masks: Callable, seed: int = 0) -> None:
    """In every round the lowest scores of both layers together go."""
    scores = _history(synflow_masks, 0.1, 5, seed)
    for k, last in enumerate(scores.scored):
        now, gone = scores.alive[k + 1], scores.alive[k] & ~scores.alive[k + 1]
        right = not gone.any() or last[gone].max() <= last[now].min()
        assert right, f"in round {k + 1} others went than those of least score"


def test_a_whole_layer_may_go(synflow_masks: Callable, seed: int = 0) -> None:
    """The ranking is global: a layer with the lowest scores is emptied."""
    levels = {"0.weight": torch.zeros(20, 9), "2.weight": torch.ones(7, 20)}
    masks = synflow_masks(_two_layers(seed), lambda network: dict(levels), 140 / 320, 3)
    counts = [int(masks[name].sum()) for name in levels]
    assert counts == [0, 140], f"{counts} weights left, expected 0 and 140"


def test_masks_are_bool_and_count_exactly(synflow_masks: Callable) -> None:
    """`round((1 - density) * weights)` are False, where that is a half as well."""
    for size, density, rounds in ((5, 0.5, 1), (7, 0.5, 3), (6, 0.25, 1), (9, 0.5, 2), (4, 1.0, 2)):
        score = _always(torch.arange(1.0, size + 1)[None])
        mask = synflow_masks(nn.Linear(size, 1), score, density, rounds)["weight"]
        assert mask.dtype == torch.bool, f"a mask of {mask.dtype}"
        pruned, right = int((~mask).sum()), round((1 - density) * size)
        assert pruned == right, f"{density=} of {size}: {pruned} are False, expected {right}"


def test_scores_that_differ_a_little_are_told_apart(synflow_masks: Callable) -> None:
    """Scores in double precision that differ in the tenth digit are ranked by it."""
    for order in (torch.arange(40), torch.arange(40).flip(0)):
        score = _always((1 + order.double() * 1e-10)[None])
        mask = synflow_masks(nn.Linear(40, 1), score, 0.25, 2)["weight"]
        assert torch.equal(mask[0], order >= 30), "not the ten highest scores stay"


def test_scores_are_ranked_as_they_are(synflow_masks: Callable) -> None:
    """Also below zero, and far below; and a weight that is 0 by itself may stay."""
    for lowest in (-1.0, -1e6):
        model = nn.Linear(8, 1)
        model.weight.data[0, 7] = 0
        score = _always(torch.linspace(lowest, 1, 8)[None])
        mask = synflow_masks(model, score, 0.25, 2)["weight"]
        kept = mask[0].nonzero().flatten().tolist()
        assert kept == [6, 7], f"scores from {lowest:g} to 1: {kept} stay, expected [6, 7]"


def test_equal_scores_bring_nothing_back(synflow_masks: Callable) -> None:
    """Where all scores are equal the count is exact, and pruned weights stay pruned."""
    for first in (torch.arange(180.0), torch.arange(180.0).flip(0)):
        score = _then_equal(first[None])
        mask = synflow_masks(nn.Linear(180, 1), score, 0.25, 2)["weight"][0]
        assert int(mask.sum()) == 45, f"equal scores: {int(mask.sum())} of 180 left, not 45"
        assert (first[mask] >= 90).all(), "equal scores: a pruned weight came back"


def test_the_network_to_prune_stays_as_it_was(synflow_masks: Callable, seed: int = 0) -> None:
    """No weight of the network that is handed in becomes zero, and its modes stay."""
    model = _two_layers(seed)
    model[2].eval()
    with unchanged(model):
        synflow_masks(model, _Scores(seed), 0.3, 2)


# --- kl_divergence ------------------------------------------------------------------------------


def _integral(log_alpha: float) -> float:
    """The KL by numerical integration: E[log |ε|] - ½ log α + const, ε from N(1, α)."""
    z = torch.linspace(-9, 9, 200_001, dtype=torch.float64)
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    magnitude = (1 + math.exp(log_alpha / 2) * z).abs().clamp(min=1e-12)
    at_infinity = -(0.5772156649 + math.log(2)) / 2  # E[log |z|]: there the KL goes to 0
    return float((density * magnitude.log()).sum()) - log_alpha / 2 - at_infinity


def test_it_is_close_to_the_integral(kl_divergence: Callable) -> None:
    """The approximation is within 0.02 nats of the divergence itself."""
    for log_alpha in (-3.0, -1.0, 0.0, 1.5, 4.0):
        theta = torch.tensor([1.7])
        found = float(kl_divergence(theta, theta.square().log() + log_alpha))
        right = _integral(log_alpha)
        assert abs(found - right) < 0.02, f"log α = {log_alpha}: {found:.4f}, exact {right:.4f}"


def _weights_and_noise(generator: torch.Generator) -> dict[str, Tensor]:
    shape = (1 + generator.initial_seed() % 3, 4)
    signs = torch.randn(shape, generator=generator).sign()
    theta = signs * (0.1 + torch.rand(shape, generator=generator))
    return {"theta": theta, "log_sigma2": 3 * torch.randn(shape, generator=generator)}


def _by_the_formula(theta: Tensor, log_sigma2: Tensor) -> Tensor:
    """Weight by weight, in Python's own double precision; summed."""
    total = 0.0
    for w, s in zip(theta.flatten().tolist(), log_sigma2.flatten().tolist(), strict=True):
        log_alpha = s - 2 * math.log(abs(w))
        sigmoid = 1 / (1 + math.exp(-(1.87320 + 1.48695 * log_alpha)))
        total += 0.63576 * (1 - sigmoid) + 0.5 * math.log1p(math.exp(-log_alpha))
    return torch.tensor(total)


def test_it_is_the_sum_of_the_formula(kl_divergence: Callable, seed: int = 0) -> None:
    """It is the formula's sum over all weights, whatever their number, sign and shape."""
    agree(kl_divergence, _by_the_formula, _weights_and_noise, seed)


def test_it_has_its_gradients(kl_divergence: Callable, seed: int = 0) -> None:
    """Its gradients by both arguments are the differences of its values."""
    given = _weights_and_noise(torch.Generator().manual_seed(seed)).values()
    leaves = tuple(tensor.double().requires_grad_() for tensor in given)
    assert torch.autograd.gradcheck(kl_divergence, leaves, raise_exception=False), (
        "the gradients are not the slopes of the values"
    )


def test_a_weight_of_zero_counts_as_a_very_small_one(kl_divergence: Callable) -> None:
    """Where θ is 0, 1e-8 stands for θ², and the gradient is finite."""
    for log_alpha in (-2.0, 0.0, 1.0):
        at_zero = float(kl_divergence(torch.zeros(3), torch.full((3,), math.log(1e-8) + log_alpha)))
        at_one = float(kl_divergence(torch.ones(3), torch.full((3,), log_alpha)))
        assert abs(at_zero - at_one) < 1e-3, f"θ = 0: KL {at_zero}, expected {at_one}"
    zero = torch.zeros(3, requires_grad=True)
    (slope,) = torch.autograd.grad(kl_divergence(zero, torch.zeros(3)), zero)
    assert slope.isfinite().all(), f"the gradient at θ = 0 is {slope}"


def test_its_ends_are_finite(kl_divergence: Callable) -> None:
    """Pure noise costs nothing, and hardly any noise costs 50 nats a weight."""
    noise = float(kl_divergence(torch.ones(5), torch.full((5,), 20.0)))
    assert abs(noise) < 1e-5, f"five weights of pure noise cost {noise}"
    precise = float(kl_divergence(torch.ones(1), torch.full((1,), -100.0)))
    assert abs(precise - 50.6358) < 1e-2, f"log α = -100 costs {precise}, expected 50.6358"


# --- noisy_output -------------------------------------------------------------------------------


def _convolution(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight, padding=1)


def _layers(seed: int) -> list[tuple[Callable, Tensor, Tensor, Tensor]]:
    """Layer, inputs, means and logarithms of the variances: of a matrix and of kernels."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(F.linear, (4, 6), (3, 6)), (_convolution, (2, 3, 5, 5), (4, 3, 3, 3))]
    return [
        (layer, *(torch.randn(s, generator=generator).double() for s in (x, weight, weight)))
        for layer, x, weight in shapes
    ]


def test_without_noise_it_is_the_plain_layer(noisy_output: Callable, seed: int = 0) -> None:
    """With a noise of 0 the outputs are those of a layer with the mean weights."""
    for layer, x, theta, log_sigma2 in _layers(seed):
        found = noisy_output(layer, x.clone(), theta.clone(), log_sigma2, torch.zeros_like)
        right = torch.allclose(found.double(), layer(x, theta), rtol=1e-4, atol=1e-4)
        assert right, "without noise it is not the plain layer"


def test_noise_of_any_size_is_drawn(noisy_output: Callable) -> None:
    """Nothing is cut off: variances of e^-12 and of e^12 are what they are."""
    x, theta = torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)
    for log_sigma2 in (-12.0, 12.0):
        found = float(noisy_output(F.linear, x, theta, torch.full((1, 2), log_sigma2), _ones))
        right = math.sqrt(25 * math.exp(log_sigma2) + 1e-8)
        same = math.isclose(found, right, rel_tol=1e-3)
        assert same, f"log σ² = {log_sigma2}: a deviation of {found}, expected {right}"


def _ones(like: Tensor) -> Tensor:
    return torch.ones_like(like)


def test_the_variance_is_that_of_drawn_weights(noisy_output: Callable, seed: int = 0) -> None:
    """Outputs are linear in the weights: the variance is Σ (slope)²·σ²."""
    for layer, x, theta, log_sigma2 in _layers(seed):
        mean, one = (
            noisy_output(layer, x.clone(), theta.clone(), log_sigma2.clone(), noise)
            for noise in (torch.zeros_like, torch.ones_like)
        )
        slopes = torch.func.jacrev(layer, 1)(x, theta)
        variance = (slopes.square() * log_sigma2.exp()).flatten(mean.dim()).sum(-1)
        off = float(((one - mean).square() - variance).abs().max())
        assert off < 1e-3 * float(variance.max()), f"the variance is off by {off:.2g}"


def _noise(drawn: Tensor, asked: list[tuple]) -> Callable:
    """Gives these numbers, and writes down the shapes that it is asked for."""

    def noise(like: Tensor) -> Tensor:
        asked.append(tuple(like.shape))
        return drawn if like.shape == drawn.shape else torch.zeros_like(like)

    return noise


def test_a_number_of_noise_moves_its_own_output(noisy_output: Callable, seed: int = 0) -> None:
    """The noise is asked for once, in the shape of the outputs, and each takes its own number."""
    for layer, x, theta, log_sigma2 in _layers(seed):
        mean = layer(x, theta)
        drawn = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed)).double()
        asked: list[tuple] = []
        found = noisy_output(layer, x, theta, log_sigma2, _noise(drawn, asked))
        assert asked == [tuple(mean.shape)], f"noise of the shapes {asked}, not {mean.shape}"
        spread = (layer(x.square(), log_sigma2.exp()) + 1e-8).sqrt()
        right = torch.allclose(found.double(), mean + spread * drawn, rtol=1e-4, atol=1e-4)
        assert right, "an output is not its mean plus its own noise"


def test_every_call_and_every_image_draws_anew(noisy_output: Callable, seed: int = 0) -> None:
    """By default two calls differ, and copies of an image in a batch differ."""
    for layer, x, theta, log_sigma2 in _layers(seed):
        copies = x[:1].repeat(len(x), *[1] * (x.dim() - 1))
        first, second = (noisy_output(layer, copies, theta, log_sigma2) for _ in range(2))
        assert not torch.allclose(first, second), "two calls gave the same noise"
        assert not torch.allclose(first[0], first[1]), "all images have the same noise"


# --- variational_loss ---------------------------------------------------------------------------


def _batch(generator: torch.Generator) -> dict[str, Any]:
    dice = random.Random(generator.initial_seed())
    warmup = dice.choice([0.25, 0.5, 1.0])
    return {
        "outputs": torch.randn(6, 5, generator=generator),
        "labels": torch.randint(5, (6,), generator=generator),
        "kl": torch.rand((), generator=generator) * 1e4,
        "images": dice.choice([1, 700, 4000]),
        "progress": dice.choice([0.0, warmup / 8, warmup / 2, warmup, (1 + warmup) / 2, 1.0]),
        "warmup": warmup,
    }


def _share(progress: float, warmup: float) -> float:
    """The weight of the KL, as a line with a corner."""
    return progress / warmup if progress < warmup else 1.0


def _bound(
    *, progress: float, warmup: float, images: int, kl: Tensor, labels: Tensor, outputs: Tensor
) -> Tensor:
    """Per image: the mean of log Σ exp(scores) - score of the label, and a part of the KL."""
    fit = outputs.exp().sum(dim=1).log() - outputs[range(len(labels)), labels]
    return fit.mean() + _share(progress, warmup) * kl / images


def test_the_loss_is_fit_plus_a_part_of_the_kl(variational_loss: Callable, seed: int = 0) -> None:
    """Mean cross-entropy plus the KL per training image, by the share that the warm-up gives."""
    agree(variational_loss, _bound, _batch, seed)


def test_both_parts_of_the_loss_are_trained(variational_loss: Callable, seed: int = 0) -> None:
    """Its slopes by the outputs and by the KL are those of the two parts."""
    for trial in range(seed, seed + 6):
        given = _batch(torch.Generator().manual_seed(trial))
        outputs, kl = (given[name].requires_grad_() for name in ("outputs", "kl"))
        # 0 · kl: a branch that leaves the KL out at the start is right too
        slope = torch.autograd.grad(variational_loss(**given) + 0 * kl, kl)[0]
        share = _share(given["progress"], given["warmup"]) / given["images"]
        case = f"progress={given['progress']}, warmup={given['warmup']}"
        assert math.isclose(slope, share, rel_tol=1e-5, abs_tol=1e-9), f"{case}: KL slope {slope}"
        learns = torch.autograd.grad(variational_loss(**given) + 0 * outputs.sum(), outputs)[0]
        right = torch.autograd.grad(F.cross_entropy(outputs, given["labels"]), outputs)[0]
        assert torch.allclose(learns, right, atol=1e-6), f"{case}: gradient of the outputs"


# --- bounded_sparsity ---------------------------------------------------------------------------


def _turn(generator: torch.Generator) -> dict[str, Any]:
    """A layer's turn in a network of up to nine; the agent may have asked for too little."""
    dice = random.Random(generator.initial_seed())
    macs = [dice.uniform(10, 100) for _ in range(dice.randint(1, 9))]
    highest = dice.uniform(0.3, 1.0)
    before = dice.randrange(len(macs))
    return {
        "wanted": dice.choice([0.0, dice.random(), 1.0]),
        "macs": macs,
        "chosen": [dice.uniform(0, highest) for _ in range(before)],
        "target": dice.uniform(0.2, 1) * highest * sum(macs),
        "highest": highest,
    }


def _just_enough(
    *, highest: float, target: float, chosen: list[float], macs: list[float], wanted: float
) -> float:
    """What the wish leaves open when all later layers give their most is added to the wish."""
    place = len(chosen)
    sparsities = [*chosen, wanted] + [highest] * (len(macs) - place - 1)
    missing = target - math.fsum(m * s for m, s in zip(macs, sparsities, strict=True))
    return min(wanted + max(missing, 0.0) / macs[place], highest)


def test_a_layer_gets_its_wish_or_just_enough(bounded_sparsity: Callable, seed: int = 0) -> None:
    """It is the wish, or just as much more as the later layers cannot make up for."""

    def number(**turn: Any) -> float:
        return float(bounded_sparsity(**turn))

    agree(number, _just_enough, _turn, seed, trials=100)


def test_the_target_is_met_whatever_is_wanted(bounded_sparsity: Callable, seed: int = 0) -> None:
    """Layer after layer, the target is reached, and never with more than the highest sparsity."""
    dice = random.Random(seed)
    for _ in range(40):
        macs = [dice.uniform(10, 100) for _ in range(dice.randint(1, 9))]
        highest = dice.uniform(0.3, 1.0)
        target = dice.choice([0.0, dice.random(), 1.0]) * highest * sum(macs)
        chosen: list[float] = []
        for _ in macs:
            wanted = dice.choice([0.0, dice.random(), 1.0])
            chosen.append(
                float(bounded_sparsity(wanted, list(macs), list(chosen), target, highest))
            )
        assert max(chosen) <= highest + 1e-9, f"{chosen}, where {highest=}"
        removed = sum(m * s for m, s in zip(macs, chosen, strict=True))
        assert removed >= target - 1e-6, f"{chosen} removes {removed} of {target}, {macs=}"


def test_it_is_the_highest_where_even_that_is_too_little(bounded_sparsity: Callable) -> None:
    """If the layers before were pruned too little, this one gets as much as may be."""
    for highest in (0.5, 0.8, 1.0):
        found = float(bounded_sparsity(0.0, [10.0, 20.0, 5.0], [0.0], highest * 35, highest))
        assert abs(found - highest) < 1e-9, f"{found} where even {highest=} is not enough"


# --- amc_reward ---------------------------------------------------------------------------------


def _trained(seed: int) -> ResNet20:
    """A ResNet-20 with batch normalisation as after a training."""
    model, generator = ResNet20(4, seed=seed), torch.Generator().manual_seed(seed)
    for bn in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        shape = bn.weight.shape
        bn.weight.data = torch.rand(shape, generator=generator) + 0.5
        bn.bias.data = torch.randn(shape, generator=generator) * 0.3
        bn.running_mean = torch.randn(shape, generator=generator) * 0.1
    return model.eval()


def _images(seed: int) -> Tensor:
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def _silenced(model: nn.Module, sparsities: dict[str, float], x: Tensor) -> Tensor:
    """What the network computes when its filters of least L1 norm say nothing."""
    model = copy.deepcopy(model)
    for name, sparsity in sparsities.items():
        order = model.get_parameter(f"{name}.weight").abs().sum(dim=(1, 2, 3)).argsort()
        bn = name.replace("conv1", "bn1")
        for part in (f"{name}.weight", f"{bn}.weight", f"{bn}.bias"):
            model.get_parameter(part).data[order[: round(sparsity * len(order))]] = 0
    with torch.no_grad():
        return model(x)


def _evaluation(x: Tensor, seen: list[Tensor]) -> Callable:
    """Stands in for the accuracy: it writes down what the network computes."""

    @torch.no_grad()
    def evaluate(network: nn.Module) -> float:
        training = [name or "the network" for name, m in network.named_modules() if m.training]
        assert not training, f"{training[0]} is in training mode when it is evaluated"
        seen.append(copy.deepcopy(network).eval()(x))
        return 0.7

    return evaluate


def _accuracy(value: float) -> Callable:
    """An evaluation that always gives this accuracy."""
    return lambda network: value


def test_the_pruned_network_is_judged(amc_reward: Callable, seed: int = 0) -> None:
    """One network is evaluated, once, and it computes what the silenced one does."""
    model, x = _trained(seed), _images(seed)
    for sparsities in (
        {"layer1.1.conv1": 0.25, "layer2.0.conv1": 0.5, "layer3.2.conv1": 0.75},
        {"layer3.0.conv1": 0.7, "layer1.0.conv1": 0.0},
        {"layer1.2.conv1": 0.65, "layer2.1.conv1": 0.35, "layer3.1.conv1": 0.3},  # no whole numbers
    ):
        right, seen = _silenced(model, sparsities, x), []
        amc_reward(copy.deepcopy(model), dict(sparsities), _evaluation(x, seen))
        assert len(seen) == 1, f"evaluated {len(seen)} times"
        off = float((seen[0] - right).abs().max())
        assert off < 1e-4, f"{sparsities}: the outputs differ from the silenced network's by {off}"


def test_a_little_decides_between_filters(amc_reward: Callable, seed: int = 0) -> None:
    """Of filters whose L1 norms differ in the fifth digit the smallest go."""
    model, x = _trained(seed), _images(seed)
    for block in ("layer2.0", "layer3.1"):
        weight = model.get_parameter(f"{block}.conv1.weight")
        places = torch.randperm(len(weight), generator=torch.Generator().manual_seed(seed))
        norms = weight.data.abs().sum(dim=(1, 2, 3))
        weight.data *= ((1 + 3e-5 * places) / norms)[:, None, None, None]
    sparsities = {"layer2.0.conv1": 0.5, "layer3.1.conv1": 0.25}
    right, seen = _silenced(model, sparsities, x), []
    amc_reward(model, sparsities, _evaluation(x, seen))
    off = float((seen[0] - right).abs().max())
    assert off < 1e-4, f"norms that differ by 3e-5: the outputs differ by {off}"


def test_the_reward_is_minus_the_error(amc_reward: Callable, seed: int = 0) -> None:
    """The reward is accuracy - 1, from -1 to 0."""
    model = _trained(seed)
    for accuracy in (0.0, 0.3, 0.9375, 1.0):
        found = float(amc_reward(model, {"layer1.0.conv1": 0.5}, _accuracy(accuracy)))
        assert abs(found - (accuracy - 1)) < 1e-6, f"reward {found} at accuracy {accuracy}"


def test_the_judged_model_stays_as_it_was(amc_reward: Callable, seed: int = 0) -> None:
    """Weights, sizes, modes and what can be trained are those of before."""
    model = _trained(seed)
    with unchanged(model):
        amc_reward(model, {"layer1.1.conv1": 0.25, "layer3.2.conv1": 0.75}, _accuracy(0.5))


# --- combine_criteria ---------------------------------------------------------------------------


def _four(seed: int) -> dict[str, dict[str, Tensor]]:
    """Random scores of three layers, each criterion in its own unit; some are equal or zero."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"stem": (6, 3, 3, 3), "middle": (40, 25), "last": (10,)}
    base = {n: torch.randn(shape, generator=generator) for n, shape in shapes.items()}
    found: dict[str, dict[str, Tensor]] = {}
    for criterion in ("magnitude", "OBD", "SynFlow", "Variational Dropout"):
        found[criterion] = {}
        for name, common in base.items():
            s = common + torch.randn(common.shape, generator=generator)
            unit = {"OBD": (4 * s).exp() * 1e-9, "SynFlow": (9 * s).exp(), "magnitude": s.abs()}
            found[criterion][name] = unit.get(criterion, s)
        found[criterion]["middle"][0] = found[criterion]["middle"][0, 0].item()
    found["magnitude"]["stem"][0] = 0
    return found


def _well_formed(keep: dict, scores: dict, sparsity: float) -> None:
    """Bool masks of the right shapes, of which as many entries are False as asked."""
    like = scores["magnitude"]
    assert set(keep) == set(like), f"masks for {sorted(keep)}"
    for name, mask in keep.items():
        assert mask.dtype == torch.bool, f"{name}: {mask.dtype}"
        assert mask.shape == like[name].shape, f"{name}: shape {tuple(mask.shape)}"
    asked = round(sparsity * sum(mask.numel() for mask in keep.values()))
    gone = sum(int((~mask).sum()) for mask in keep.values())
    assert abs(gone - asked) <= len(keep), f"{sparsity=}: {gone} weights go, {asked} should"


def test_as_many_weights_go_as_asked(combine_criteria: Callable, seed: int = 0) -> None:
    """At any sparsity, and the scores stay as they were."""
    for trial, sparsity in enumerate((0.0, 0.1, 0.37, 0.5, 0.8, 0.93, 1.0)):
        scores = _four(seed + trial)
        with unchanged(scores, case=f"the scores, {sparsity=}"):
            _well_formed(combine_criteria(scores, sparsity), scores, sparsity)


def test_what_all_criteria_find_better_stays_before_what_is_worse(
    combine_criteria: Callable, seed: int = 0
) -> None:
    """Of two weights of one layer, whenever all four agree."""
    for trial, sparsity in enumerate((0.2, 0.5, 0.8)):
        scores = _four(seed + trial)
        keep = combine_criteria(scores, sparsity)
        _well_formed(keep, scores, sparsity)
        for name, mask in keep.items():
            four = torch.stack([scores[criterion][name].flatten() for criterion in scores])
            stay, go = four[:, mask.flatten()], four[:, ~mask.flatten()]
            worse = (go[:, :, None] > stay[:, None, :]).all(dim=0)  # (go, stay)
            count = int(worse.any(dim=0).sum())
            assert not count, f"{name}, {sparsity=}: {count} weights stay instead of better ones"


def test_the_network_beats_the_best_criterion(combine_criteria: Callable) -> None:
    """The lab's network at 80 %, on images that students do not have: 1.5 points better."""
    scores, sparsity = combination.four_criteria(), combination.SPARSITY
    keep = combine_criteria(scores, sparsity)
    _well_formed(keep, scores, sparsity)
    gain = combination.gain_over_the_best(keep, unseen_images())
    assert gain >= 0.015, f"{100 * gain:+.1f} points beside the best of the four, +1.5 are needed"
