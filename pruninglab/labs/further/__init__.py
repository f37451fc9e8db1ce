"""What the checks of lab 6 look at: networks so small that you can follow every number."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab.checks import Lab, Probe, Values, by_value, combination
from pruninglab.checks.allocation import whole_subset
from pruninglab.models import Block, prunable

Inputs = dict[str, Any]


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Random numbers, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def filled(model: nn.Module, seed: int = 0) -> nn.Module:
    """The network with random parameters, the same each time, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return model.eval()


def with_gradients(model: nn.Module) -> nn.Module:
    """The network as an earlier `backward` might have left it."""
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    return model


def linear(rows: list[list[float]]) -> nn.Linear:
    """A linear layer without bias and with these weights."""
    weight = torch.tensor(rows)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data = weight
    return layer


def by_weight(result: Any, inputs: Inputs) -> Values:
    """One value a weight of the network, and all names."""
    values = {name: result[name] for name in prunable(inputs["model"])}
    return {"names": sorted(result), **values}


def by_weight_and_gradients(result: Any, inputs: Inputs) -> Values:
    """The same, and whether gradients, modes and what can be trained are as they were."""
    parameters = list(inputs["model"].parameters())
    left = [float(p.grad.min()) for p in parameters if p.grad is not None]
    return {
        **by_weight(result, inputs),
        "gradients afterwards": left,
        "trainable afterwards": [p.requires_grad for p in parameters],
        "training modes afterwards": [m.training for m in inputs["model"].modules()],
    }


def normalised() -> nn.Module:
    """A network with batch normalisation that has seen data, in evaluation mode."""
    model = filled(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2)))
    model[1].running_mean.fill_(0.5)
    model[1].running_var.fill_(2.0)
    return model


def forms(result: Any, inputs: Inputs) -> Values:
    """The names, and the shape of what belongs to each."""
    return {"shapes": {name: list(result[name].shape) for name in result}}


def number_of(values: Values, name: str = "result") -> float:
    """A single number that a probe saw; NaN if it saw something else."""
    value = values.get(name)
    if isinstance(value, Tensor):
        return float(value) if value.numel() == 1 else math.nan
    return float(value) if isinstance(value, int | float) else math.nan


FACTORS = {
    4.0: "p, which is ¼ for each class here, seems to be missing.",
    2.0: "There is a factor of 2, or a root of p, which is ¼ here: p itself is the weight.",
    0.5: "There is a factor of ½ too many: the sum over the classes has no factor but p.",
    0.25: "The squared gradients have a factor of ¼ too many: is p, which is ¼ here, in it twice, "
    "or the sum divided by the four classes?",
}


def of_equal_classes(got: Values, _: Values) -> str:
    """What a wrong answer says about four classes of which none is special."""
    h = got["weight"].flatten().double()
    if len(h) != 4:
        return ""
    if not torch.allclose(h, h[0].expand(4)):
        return (
            "The four classes are alike, and your numbers for them are not: is one of them left "
            "out, or taken alone, or does `.grad` still hold the gradient of another one?"
        )
    factor = float(h[0]) / 1.6875
    near = [text for f, text in FACTORS.items() if math.isclose(f, factor, rel_tol=1e-4)]
    gradient = (
        "Look at the gradient: it is that of log p, the log-softmax of the outputs, and it is "
        "squared once and multiplied by p alone, before the classes are added."
    )
    return (*near, gradient)[0]


HESSIAN_DIAGONAL = [
    Probe(
        "a tensor for each weight of `prunable(model)`, of its shape",
        lambda: {
            "model": filled(
                nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
            ),
            "x": normal(3, 1, 3, 3, seed=2),
        },
        forms,
        cause="Go through `prunable(model)`: each of its weights, and nothing else, has a number "
        "for each of its entries.",
    ),
    Probe(
        "one input of 3, four classes of probability ¼: ¼ · ¾ · 3² = 1.6875",
        lambda: {"model": linear([[0.3]] * 4), "x": torch.tensor([[3.0]])},
        by_weight,
        cause=of_equal_classes,
    ),
    Probe(
        "a class of probability 0.0001 counts as the others do",
        lambda: {"model": linear([[0.0], [0.0], [-8.5]]), "x": torch.tensor([[1.0]])},
        by_weight,
        cause="Classes of equal probability are right, others are not: all classes count, each "
        "with its own probability p as weight, and weights of 0 have a curvature, too.",
    ),
    Probe(
        "inputs 1 and 3, two classes of probability ½: the mean of ¼ · 1² and ¼ · 3² is 1.25",
        lambda: {"model": linear([[0.5], [0.5]]), "x": torch.tensor([[1.0], [3.0]])},
        by_weight,
        cause="One input is right, two are not: square the gradients of each input by itself, then "
        "take the mean over the inputs, once.",
    ),
    Probe(
        "a network with biases, five inputs",
        lambda: {
            "model": filled(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))),
            "x": normal(5, 3),
        },
        by_weight,
        cause="One layer and equal probabilities are right. In this network each input has its own "
        "probabilities, each weight its own number, and they differ little: is anything shared, "
        "averaged or rounded?",
    ),
    Probe(
        "a network that holds gradients of an earlier pass",
        lambda: {
            "model": with_gradients(filled(nn.Sequential(nn.Linear(2, 3)))),
            "x": normal(2, 2, seed=1),
        },
        by_weight_and_gradients,
        cause="Only here do the parameters hold gradients before the call: `torch.autograd.grad` "
        "neither reads nor changes `.grad`.",
    ),
    Probe(
        "batch normalisation stays in evaluation mode",
        lambda: {"model": normalised(), "x": normal(3, 2, seed=4)},
        by_weight,
        cause="Batch normalisation makes the difference: the network comes in evaluation mode, "
        "use it as it is.",
    ),
    Probe(
        "a convolution, whose weights work at four places, three images",
        lambda: {
            "model": filled(
                nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
            ),
            "x": normal(3, 1, 3, 3, seed=2),
        },
        by_weight,
        cause="Linear layers are right, a convolution is not: square the whole gradient of a "
        "weight, which is the sum over the places where it works.",
    ),
]


def scores_by_name(result: Any, inputs: Inputs) -> Values:
    """One value a layer, in the order of the weights."""
    return {name: result[name] for name in inputs["weights"]}


def form_of_scores(result: Any, inputs: Inputs) -> Values:
    """What kind of thing came back, the names in it, and the shapes."""
    named = result if isinstance(result, dict) else {}
    shapes = {name: list(score.shape) for name, score in named.items()}
    return {"the result is a": type(result).__name__, "shapes": shapes}


def power_law(got: Values, _: Values) -> str:
    """Which powers of curvature and weight would give these scores: c · h^a · |w|^b."""
    score = got["w"].flatten().double()
    if len(score) != len(WEIGHTS) or not (score != 0).all():
        return "½ · h · w² is not 0 here, for negative weights as for positive ones."
    if (score < 0).any():
        return "Some scores are negative: half a curvature times a square never is."
    logs = torch.tensor([[1.0, math.log(h), math.log(abs(w))] for w, h in WEIGHTS]).double()
    fit = torch.linalg.lstsq(logs, score.log()[:, None]).solution
    if (logs @ fit - score.log()[:, None]).abs().max() > 1e-3:
        return (
            "½ · h · w² is a product for each entry by itself: is something added to it or cut "
            "off, "
            "or does another entry come in?"
        )
    c, a, b = float(fit[0].exp()), float(fit[1]), float(fit[2])
    return f"Your scores are {c:.3g} · h^{a:.2f} · |w|^{b:.2f}: asked are 0.5 · h · w²."


WEIGHTS = ((3.0, 2.0), (-1.5, 5.0), (0.8, 3.0), (-2.0, 0.7))  # (w, h) of four weights
OBD_SCORES = [
    Probe(
        "a dict with a tensor for each weight, of its shape",
        lambda: {
            "weights": {"a": torch.ones(2, 3), "b": torch.ones(2, 3)},
            "diagonal": {"a": torch.ones(2, 3), "b": torch.ones(2, 3)},
        },
        form_of_scores,
        cause="The result is a dict with the names of `weights`, and each score belongs to one "
        "entry of a weight.",
    ),
    Probe(
        "four weights: ½ · 2 · 3², ½ · 5 · 1.5², ½ · 3 · 0.8² and ½ · 0.7 · 2²",
        lambda: {
            "weights": {"w": torch.tensor([w for w, _ in WEIGHTS])},
            "diagonal": {"w": torch.tensor([h for _, h in WEIGHTS])},
        },
        scores_by_name,
        cause=power_law,
    ),
    Probe(
        "scores below 1 that differ in the fourth digit: nothing is rounded",
        lambda: {
            "weights": {"w": torch.tensor([0.5, 0.5001, 0.5002])},
            "diagonal": {"w": torch.ones(3)},
        },
        scores_by_name,
        cause="Larger scores are right, small ones that are close together are not: is something "
        "rounded, cut off, or converted to fewer bits?",
    ),
    Probe(
        "two layers",
        lambda: {
            "weights": {"a": normal(2, 3), "b": normal(4, seed=1)},
            "diagonal": {"a": normal(2, 3, seed=2).abs(), "b": normal(4, seed=3).abs()},
        },
        scores_by_name,
        cause="One layer is right, two of different shapes are not: the scores of a layer need "
        "the weight and the curvature of the same name, and nothing of other layers.",
    ),
    Probe(
        "two layers, the curvatures in another order",
        lambda: {
            "weights": {"a": torch.tensor([2.0, 3.0]), "b": torch.tensor([4.0, -1.0])},
            "diagonal": {"b": torch.tensor([1.0, 6.0]), "a": torch.tensor([0.5, 0.2])},
        },
        scores_by_name,
        cause="The curvatures come in another order here: pair them with the weights by *name*.",
    ),
]


def convolutional() -> nn.Module:
    """Convolution, BN and classifier, with parameters of both signs, fresh statistics.

    All of it trains but the classifier, which is in evaluation mode.
    """
    layers = [nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)]
    network = filled(nn.Sequential(*layers), seed=3).train()
    layers[-1].eval()
    return network


def flow_by_weight(result: Any, inputs: Inputs) -> Values:
    """One value a weight, the dtypes, and what is left of the network's gradients and modes."""
    dtypes = sorted({str(score.dtype) for score in result.values()})
    kinds = sorted({str(p.dtype) for p in inputs["model"].parameters()})
    seen = by_weight_and_gradients(result, inputs)
    return {**seen, "dtypes": dtypes, "dtypes of the network afterwards": kinds}


def powers_of_ten(result: Any, inputs: Inputs) -> Values:
    """The logarithm of each score to base 10: tiny ones are compared, too."""
    return {name: score.log10() for name, score in result.items()}


LEFT_ALONE = {
    "dtypes": "The scores are float64 tensors, all of them.",
    "dtypes of the network afterwards": "The network is to keep its dtype: convert a copy.",
    "gradients afterwards": "The network is to keep the gradients that it had, and to get no new "
    "ones: work on a copy, or with `torch.autograd.grad`.",
    "trainable afterwards": "The parameters are to take gradients as before: work on a copy.",
    "training modes afterwards": "Each layer is to be in the mode in which it was: work on a copy.",
}
SYNFLOW_SCORES = [
    Probe(
        "four weights of 1: 1 flows through each, and R is 4",
        lambda: {"model": linear([[1.0, 1.0], [1.0, 1.0]]), "shape": (2,)},
        flow_by_weight,
        cause=by_value({
            "weight": "All weights are 1, so |θ| plays no part: look at what goes in, *one* input "
            "of ones, at R, the plain sum of all outputs, and at the end: scores are not scaled.",
            **LEFT_ALONE,
        }),
    ),
    Probe(
        "one layer: the flow through a weight is its magnitude",
        lambda: {"model": linear([[3.0, -4.0]]), "shape": (2,)},
        flow_by_weight,
        cause="With weights of 1 all is right, so what goes in and R are: look at |θ| · ∂R/∂|θ|, a "
        "product with the magnitude, once, and not scaled.",
    ),
    Probe(
        "two layers, signs that would cancel",
        lambda: {
            "model": nn.Sequential(linear([[1.0, -2.0], [-3.0, 0.5]]), linear([[2.0, -1.0]])),
            "shape": (2,),
        },
        flow_by_weight,
        cause="One layer is right, two are not. Before the forward pass *all* layers have "
        "magnitudes; then each weight's magnitude is multiplied by its own gradient.",
    ),
    Probe(
        "biases, batch normalisation, a network in training mode",
        lambda: {"model": convolutional(), "shape": (1, 2, 2)},
        flow_by_weight,
        cause="Linear layers without biases are right. New are a convolution, biases and batch "
        "normalisation: all *parameters* become magnitudes and stay in the network, the running "
        "statistics stay as they are, and it works in evaluation mode.",
    ),
    Probe(
        "weights of 1e-20: nothing is added to a flow, and none is cut off",
        lambda: {"model": nn.Sequential(linear([[-1e-20]]), linear([[1e-10]])), "shape": (1,)},
        powers_of_ten,
        cause="Only tiny flows are wrong: is a small number added somewhere, or something cut off "
        "or rounded?",
    ),
    Probe(
        "six layers with weights of 10 billion",
        lambda: {"model": nn.Sequential(*(linear([[1e10]]) for _ in range(6))), "shape": (1,)},
        flow_by_weight,
        cause="Only huge flows are wrong: convert the network to double precision *before* the "
        "forward pass, and cut nothing off.",
    ),
    Probe(
        "a network that holds gradients of an earlier pass",
        lambda: {"model": with_gradients(linear([[0.5, -1.0], [2.0, 1.0]])), "shape": (2,)},
        flow_by_weight,
        cause="Only here does the network hold gradients before the call: a copy holds them, too, "
        "and `backward` adds to them.",
    ),
]  # fmt: skip


class Recorded:
    """A score that remembers how many weights were alive each time it was asked."""

    def __init__(self, score: Callable[[nn.Module], dict[str, Tensor]]) -> None:
        self.score, self.alive = score, list[int]()

    def __call__(self, network: nn.Module) -> dict[str, Tensor]:
        """The scores of the network as it is now."""
        weights = prunable(network)
        self.alive.append(sum(int(w.count_nonzero()) for w in weights.values()))
        return self.score(network)


def magnitudes(network: nn.Module) -> dict[str, Tensor]:
    """A score that looks at each weight alone."""
    return {name: w.detach().abs() for name, w in prunable(network).items()}


def neighbours(network: nn.Module) -> dict[str, Tensor]:
    """A score for two layers: a weight times all those it is connected with."""
    (first, a), (second, b) = ((n, w.detach().abs()) for n, w in prunable(network).items())
    return {first: a * b.sum(0)[:, None], second: b * a.sum(1)}


def almost_equal(network: nn.Module) -> dict[str, Tensor]:
    """Scores of four weights in double precision."""
    return {"weight": 1 + torch.tensor([[3.0, 2.0, 1.0, 4.0]]).double() * 1e-10}


def changing(values: list[list[float]]) -> Callable[[nn.Module], dict[str, Tensor]]:
    """Scores of a single layer that are others each time; at the end the last ones again."""
    left = [torch.tensor([row]) for row in values]
    return lambda network: {"weight": left.pop(0) if len(left) > 1 else left[0]}


def masks_and_trace(result: Any, inputs: Inputs) -> Values:
    """The masks, how many weights were alive in each round, and whether the network can train."""
    trainable = all(p.requires_grad for p in inputs["model"].parameters())
    alive = {"weights alive in each round": inputs["score"].alive}
    return {**by_weight(result, inputs), **alive, "trainable afterwards": trainable}


def counts_of_equals(result: Any, inputs: Inputs) -> Values:
    """How many weights stay, and whether they are among the two that round 1 kept."""
    mask = result["weight"].flatten().bool()
    back = int(mask[inputs["score"].score.first.topk(2, largest=False).indices].sum())
    return {"kept": int(mask.sum()), "came back": back, "alive": inputs["score"].alive}


class EqualAfterOne:
    """Scores that differ in the first round and are all 0 in the others."""

    def __init__(self, first: list[float]) -> None:
        self.first, self.asked = torch.tensor(first), 0

    def __call__(self, network: nn.Module) -> dict[str, Tensor]:
        """The scores of a layer of four weights."""
        self.asked += 1
        return {"weight": self.first[None] * (1.0 if self.asked == 1 else 0.0)}


def two_layers() -> nn.Module:
    """Twelve and six weights."""
    return filled(nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False)), seed=5)


def of_rounds(got: Values, expected: Values) -> str:
    """What is wrong first: how often it is scored, how much each round leaves, or which weights."""
    alive, right = (v["weights alive in each round"] for v in (got, expected))
    if len(alive) != len(right):
        return f"`score` is called {len(alive)} times in {len(right)} rounds: call it once a round."
    if alive != right:
        k = next(i for i, (a, b) in enumerate(zip(alive, right, strict=True)) if a != b)
        return (
            f"When round {k + 1} scores the network, {alive[k]} weights are not 0 instead of "
            f"{right[k]}: round k leaves the share density^(k/n), the others are exactly 0."
        )
    masks, wanted = ([v[n] for n in expected["names"]] for v in (got, expected))
    if any(m.shape != w.shape or m.dtype != w.dtype for m, w in zip(masks, wanted, strict=True)):
        return "A mask is a bool tensor of the shape of its weight."
    kept, asked = (int(sum(m.sum() for m in side)) for side in (masks, wanted))
    if kept != asked:
        return (
            f"{kept} weights are True in the end instead of {asked}: the last round, k = n, leaves "
            "the share `density` of all layers together."
        )
    return (
        "The numbers are right, the weights are others: the highest scores of this round stay, in "
        "one ranking of all layers, among those that are still there."
    )


FOUR = [[0.1, -0.4, 0.3, 0.2]]
SYNFLOW_MASKS = [
    Probe(
        "four weights, a quarter stays, two rounds",
        lambda: {
            "model": linear(FOUR), "score": Recorded(magnitudes), "density": 0.25, "rounds": 2,
        },
        masks_and_trace,
        cause=of_rounds,
    ),
    Probe(
        "two layers, a score that depends on the neighbours",
        lambda: {
            "model": two_layers(), "score": Recorded(neighbours), "density": 0.2, "rounds": 6,
        },
        masks_and_trace,
        cause=of_rounds,
    ),
    Probe(
        "a score that likes a pruned weight again",
        lambda: {
            "model": linear(FOUR),
            "score": Recorded(changing([[4.0, 3.0, 2.0, 1.0], [3.0, 2.0, 1.0, 4.0]])),
            "density": 0.25,
            "rounds": 2,
        },
        masks_and_trace,
        cause="Scores change from round to round, and a pruned weight has the highest one now: it "
        "stays pruned, whatever its score.",
    ),
    Probe(
        "one round",
        lambda: {
            "model": two_layers(), "score": Recorded(neighbours), "density": 0.3, "rounds": 1,
        },
        masks_and_trace,
        cause=of_rounds,
    ),
    Probe(
        "half of five weights: `round(2.5)` are False",
        lambda: {
            "model": linear([[0.5, 0.1, 0.4, 0.2, 0.3]]), "score": Recorded(magnitudes),
            "density": 0.5, "rounds": 1,
        },
        masks_and_trace,
        cause="The number is a half here: `round((1 - density) * weights)` are False, and the "
        "others stay.",
    ),
    Probe(
        "scores that differ in the tenth digit",
        lambda: {
            "model": linear(FOUR), "score": Recorded(almost_equal), "density": 0.5, "rounds": 1,
        },
        masks_and_trace,
        cause="Only scores that are very close are wrong: rank them as they come, in their own "
        "precision.",
    ),
    Probe(
        "in round 2 all scores are 0, those of pruned weights too; the first two are gone",
        lambda: {
            "model": linear(FOUR), "score": Recorded(EqualAfterOne([1.0, 2.0, 3.0, 4.0])),
            "density": 0.25, "rounds": 2,
        },
        counts_of_equals,
        cause="All scores are 0 here, those of pruned weights too: a pruned weight needs a score "
        "*below* all others, and the number that stays does not change.",
    ),
    Probe(
        "the same, and the last two are gone",
        lambda: {
            "model": linear(FOUR), "score": Recorded(EqualAfterOne([4.0, 3.0, 2.0, 1.0])),
            "density": 0.25, "rounds": 2,
        },
        counts_of_equals,
        cause="All scores are 0 here, those of pruned weights too: a pruned weight needs a score "
        "*below* all others, and the number that stays does not change.",
    ),
]  # fmt: skip


def trainable(theta: Tensor, log_sigma2: Tensor) -> Inputs:
    """Both as leaves that take a gradient."""
    return {"theta": theta.requires_grad_(), "log_sigma2": log_sigma2.requires_grad_()}


def slopes(result: Any, inputs: Inputs) -> Values:
    """The value and its gradients."""
    gradients = torch.autograd.grad(result, [inputs["theta"], inputs["log_sigma2"]])
    return {"KL": result, "dKL/dθ": gradients[0], "dKL/d log σ²": gradients[1]}


def finite(result: Any, inputs: Inputs) -> Values:
    """Whether value and gradients are finite."""
    return {name: bool(v.isfinite().all()) for name, v in slopes(result, inputs).items()}


def form_of_kl(got: Values, _: Values) -> str:
    """Where to look when a weight of pure noise costs something."""
    result = got["result"]
    if not isinstance(result, Tensor):
        return "The result is a tensor, so that gradients come through."
    if result.numel() != 1 or result.dim():
        return "The result is one number: the sum over all weights, whatever their shape."
    return (
        "log α is 100: the sigmoid is 1 and log(1 + 1/α) is 0, so k1 - k1 is left. Look at the "
        "signs and brackets, and that α is σ² over θ²."
    )


def last_term(got: Values, _: Values) -> str:
    """Where to look when the sigmoid is 0, and two plain terms are left."""
    found = number_of(got)
    if not math.isfinite(found):
        return "log(1 + 1/α) overflows where α is tiny: it is `F.softplus(-log_alpha)`."
    return (
        f"The sigmoid is 0, so k1 = 0.63576 and ½ · 100 are left; yours is {found:.7g}. Compare "
        "each of the two terms: its sign, its factor, log α. Is something cut off or rounded?"
    )


KL_DIVERGENCE = [
    Probe(
        "very much noise, four weights, log α = 100: it costs nothing",
        lambda: {"theta": torch.ones(2, 2), "log_sigma2": torch.full((2, 2), 100.0)},
        cause=form_of_kl,
    ),
    Probe(
        "very little noise, log α = -100: half of 100 and k1, nothing is cut off",
        lambda: {"theta": torch.ones(1), "log_sigma2": torch.tensor([-100.0])},
        cause=last_term,
    ),
    Probe(
        "θ = 1, σ² = 1: log α = 0, KL = 0.63576 · (1 - sigmoid(1.87320)) + ½ · log 2",
        lambda: {"theta": torch.ones(1), "log_sigma2": torch.zeros(1)},
        cause="Very large and very small α are right, α = 1 is not: the sigmoid of k2 = 1.87320, "
        "k1 = 0.63576 and ½ · log 2 are left. Look at the sigmoid's argument and at the log.",
    ),
    Probe(
        "one weight of 1, log α = 3: k2 + k3 · 3 in the sigmoid",
        lambda: {"theta": torch.ones(1), "log_sigma2": torch.tensor([3.0])},
        cause="α = 1 is right, so k2 is: look at k3 · log α, k3 = 1.48695, in the sigmoid.",
    ),
    Probe(
        "one weight of -1 and σ² = 1: the same as one of 1",
        lambda: {"theta": -torch.ones(1), "log_sigma2": torch.zeros(1)},
        cause="Only the sign of θ is new: θ enters with its square.",
    ),
    Probe(
        "one weight of 10 and σ² = 1: log α = -log 100",
        lambda: {"theta": torch.tensor([10.0]), "log_sigma2": torch.zeros(1)},
        cause="Only the size of θ is new: log α = log σ² - log θ², with the natural logarithm.",
    ),
    Probe(
        "four weights of 1 in two rows: one number, the sum",
        lambda: {"theta": torch.ones(2, 2), "log_sigma2": torch.zeros(2, 2)},
        cause="One weight is right, four are not: the result is the *sum* over all of them.",
    ),
    Probe(
        "six weights of several sizes, and the gradients",
        lambda: trainable(normal(2, 3).sign() * (0.5 + normal(2, 3).abs()), normal(2, 3, seed=1)),
        slopes,
        cause=by_value({
            "KL": "Each weight has its own θ and σ² here, paired by place: is anything averaged, "
            "cut off or rounded before the sum?",
            "dKL/dθ": "The value is right, its gradient in θ is not: is something detached?",
            "dKL/d log σ²": "The value is right, its gradient in log σ² is not: is something "
            "detached?",
        }),
    ),
    Probe(
        "a weight of 0: KL and both gradients are finite",
        lambda: trainable(torch.zeros(2), torch.zeros(2)),
        finite,
        cause="Where θ is 0, 1e-8 stands for θ², *before* the logarithm: a logarithm of 0 gives "
        "NaN in the gradient even if its value is not used.",
    ),
    Probe(
        "a weight of 0 and σ² = 1e-8, which stands for θ², too: log α = 0",
        lambda: {"theta": torch.zeros(1), "log_sigma2": torch.tensor([1e-8]).log()},
        cause="Where θ is 0, the number 1e-8 stands for θ²: not for θ, and it is not added twice.",
    ),
]  # fmt: skip


class Pattern:
    """Stands in for the random numbers: 1, -1, 0.5, 2, 1, -1, ... in the shape asked for."""

    def __init__(self) -> None:
        self.shapes = list[list[int]]()

    def __call__(self, like: Tensor) -> Tensor:
        """The pattern, in the shape of `like`."""
        self.shapes.append(list(like.shape))
        values = torch.tensor([1.0, -1.0, 0.5, 2.0])
        return values.repeat(like.numel() // 4 + 1)[: like.numel()].view(like.shape)


def output_and_noise(result: Any, inputs: Inputs) -> Values:
    """The outputs, and the shapes in which noise was asked for."""
    return {"outputs": result, "shapes of the noise": inputs["noise"].shapes}


def convolution(x: Tensor, weight: Tensor) -> Tensor:
    """A layer that skips every second position."""
    return F.conv2d(x, weight, stride=2, padding=1)


def finite_slope(result: Any, inputs: Inputs) -> Values:
    """The outputs, and whether the gradient with respect to log σ² is finite."""
    (slope,) = torch.autograd.grad(result.sum(), inputs["log_sigma2"])
    return {"outputs": result, "finite gradient": bool(slope.isfinite().all())}


def all_slopes(result: Any, inputs: Inputs) -> Values:
    """The gradients of the sum of the outputs, 0 where nothing comes through."""
    names = {"dθ": "theta", "d log σ²": "log_sigma2", "dx": "x"}
    leaves = [inputs[name] for name in names.values()]
    total = result.sum() + 0 * sum(leaf.sum() for leaf in leaves)
    return dict(zip(names, torch.autograd.grad(total, leaves), strict=True))


def asked_shapes(_: Any, inputs: Inputs) -> Values:
    """The shapes in which noise was asked for."""
    return {"shapes of the noise": inputs["noise"].shapes}


def one_image(x: list[float], log_sigma2: float, noise: Callable[[Tensor], Tensor]) -> Inputs:
    """Two inputs, two weights of 1."""
    return {
        "layer": F.linear, "x": torch.tensor([x]), "theta": torch.ones(1, 2),
        "log_sigma2": torch.full((1, 2), log_sigma2), "noise": noise,
    }  # fmt: skip


def minus_one(like: Tensor) -> Tensor:
    """Noise of -1."""
    return -torch.ones_like(like)


def spread(mean: float, asked: float, why: str) -> Callable[[Values, Values], str]:
    """What noise of 1 or -1 adds to the mean of an output, and what it should add."""

    def cause(got: Values, _: Values) -> str:
        more = number_of(got, "outputs" if "outputs" in got else "result") - mean
        if not math.isfinite(more):
            return "There is one image and one output here: is each output a finite number?"
        if abs(more - asked) < 0.01 * abs(asked):
            return (
                f"The noise adds {more:.7g}, which is nearly {asked:g}: 1e-8 is added to the "
                "variance, under the root, and nothing to anything else."
            )
        return f"The mean is right. What the noise adds is {more:.4g}: asked is {asked:g}, {why}."

    return cause


def of_noise(got: Values, expected: Values) -> str:
    """The same, and how often noise was asked for, and in which shapes."""
    found, right = (v["shapes of the noise"] for v in (got, expected))
    if len(found) != len(right):
        return f"`noise` is called {len(found)} times: call it once, with the mean."
    if found != right:
        return f"Noise is drawn in the shape {found[0]}: it belongs to the outputs, {right[0]}."
    return spread(7, 5, "√(3² · 1 + 4² · 1), the root of layer(x², σ²)")(got, expected)


NOISY_OUTPUT = [
    Probe(
        "noise of 0: the plain layer, 3 + 4",
        lambda: one_image([3.0, 4.0], 0.0, torch.zeros_like),
        cause="The noise is 0, so only the mean is left: `layer(x, theta)`, and nothing is added "
        "to it.",
    ),
    Probe(
        "inputs 3 and 4, weights 1, σ² = 1, noise 1: 7 + √25",
        lambda: one_image([3.0, 4.0], 0.0, Pattern()),
        output_and_noise,
        cause=of_noise,
    ),
    Probe(
        "inputs 3 and 4, σ² = 4, noise 1: 7 + √(4 · 25)",
        lambda: one_image([3.0, 4.0], math.log(4.0), torch.ones_like),
        cause=spread(7, 10, "√(4 · 25): σ² = 4 is exp(log σ²), a factor of the variance"),
    ),
    Probe(
        "inputs -3 and 4, σ² = 1, noise 1: 1 + √25",
        lambda: one_image([-3.0, 4.0], 0.0, torch.ones_like),
        cause=spread(1, 5, "√25, as with an input of 3: each input is squared"),
    ),
    Probe("noise of -1: 7 - √25", lambda: one_image([3.0, 4.0], 0.0, minus_one),
        cause=spread(7, -5, "as the noise is -1 here: it is a factor with its sign"),
    ),
    Probe(
        "log σ² = -14: a standard deviation of 5 · e^-7, nothing is cut off",
        lambda: one_image([3.0, 4.0], -14.0, torch.ones_like) | {"theta": torch.zeros(1, 2)},
        cause="New are a small variance, to which 1e-8 is added before the root, and nothing is "
        "cut "
        "off; and weights θ of 0, which play no part in the variance.",
    ),
    Probe(
        "three images, two outputs: one call of `noise`, a number for each of the six",
        lambda: {
            "layer": F.linear, "x": normal(3, 4), "theta": normal(2, 4, seed=1),
            "log_sigma2": normal(2, 4, seed=2), "noise": Pattern(),
        },
        asked_shapes,
        cause="One image is right, three are not: `noise` is called once, with the mean, so that "
        "each output of each image has its own number.",
    ),
    Probe(
        "three images, two outputs",
        lambda: {
            "layer": F.linear, "x": normal(3, 4), "theta": normal(2, 4, seed=1),
            "log_sigma2": normal(2, 4, seed=2), "noise": Pattern(),
        },
        output_and_noise,
        cause="One image with positive weights is right, and so are the shapes of the noise. New "
        "are "
        "negative weights, other values of σ² and several outputs: θ keeps its sign, and each "
        "output has its own mean, variance and noise.",
    ),
    Probe(
        "a convolution of stride 2: `layer` itself is called, whatever it is",
        lambda: {
            "layer": convolution, "x": normal(2, 2, 4, 4), "theta": normal(3, 2, 3, 3, seed=1),
            "log_sigma2": normal(3, 2, 3, 3, seed=2), "noise": Pattern(),
        },
        output_and_noise,
        cause="Matrix products are right, a convolution is not: call `layer`, as it is, for mean "
        "and variance.",
    ),
    Probe(
        "gradients come through to θ, to log σ² and to the inputs",
        lambda: {
            "layer": F.linear, "x": normal(2, 3).requires_grad_(), "noise": Pattern(),
            **trainable(normal(2, 3, seed=1), normal(2, 3, seed=2)),
        },
        all_slopes,
        cause=by_value({
            "dθ": "The outputs are right, their gradient in θ is not: it comes from the mean "
            "alone, and nothing of it is detached.",
            "d log σ²": "The outputs are right, their gradient in log σ² is not: is something "
            "detached?",
            "dx": "The outputs are right, their gradient in x is not: it comes through mean *and* "
            "variance.",
        }),
    ),
    Probe(
        "an image of zeros: a standard deviation of √1e-8, and a finite slope",
        lambda: {
            "layer": F.linear, "x": torch.zeros(1, 2), "theta": torch.ones(2, 2),
            "log_sigma2": torch.zeros(2, 2).requires_grad_(), "noise": Pattern(),
        },
        finite_slope,
        cause="The variance is 0 before 1e-8 is added: add it *under* the root, for every output, "
        "and let the gradient come through.",
    ),
]  # fmt: skip


def loss_inputs(progress: float, warmup: float, trained: bool = False) -> Inputs:
    """Three images of a training set of ten, a KL of 5."""
    kl = torch.tensor(5.0, requires_grad=trained)
    sizes = {"images": 10, "progress": progress, "warmup": warmup}
    outputs = normal(3, 4).requires_grad_(trained)
    return {"outputs": outputs, "labels": torch.tensor([0, 3, 1]), "kl": kl, **sizes}


def slope_of_kl(result: Any, inputs: Inputs) -> Values:
    """How much the loss grows with the KL and with each output."""
    slopes = torch.autograd.grad(result, [inputs["kl"], inputs["outputs"]])
    return {"d loss / d KL": slopes[0], "d loss / d outputs": slopes[1]}


def weight_of_kl(got: Values, expected: Values) -> str:
    """What the KL of 5 adds to the loss, where the cross-entropy is known to be right."""
    found, right = number_of(got), number_of(expected)
    weight = 1.0 if right > CROSS_ENTROPY + 0.4 else 0.25
    added = found - CROSS_ENTROPY
    about = "it is over" if weight == 1 else "a quarter of it is done: the weight grows linearly"
    return (
        f"At the start all is right. Here your loss is {added:.4g} above the cross-entropy, and "
        f"should be {weight:g} · KL / images above it, {weight:g} · 5 / 10. Look at the weight in "
        f"the warm-up ({about}) and at what the KL is divided by."
    )


CROSS_ENTROPY = float(F.cross_entropy(normal(3, 4), torch.tensor([0, 3, 1])))
VARIATIONAL_LOSS = [
    Probe(
        "at the start, a KL of 0: the mean cross-entropy of the batch",
        lambda: loss_inputs(progress=0.0, warmup=0.4) | {"kl": torch.tensor(0.0)},
        cause="The KL is 0, so only the cross-entropy is left: the mean over the batch, from the "
        "raw scores, not divided or weighted.",
    ),
    Probe(
        "after the warm-up",
        lambda: loss_inputs(progress=0.9, warmup=0.4),
        cause=weight_of_kl,
    ),
    Probe(
        "a quarter of the way through the warm-up",
        lambda: loss_inputs(progress=0.1, warmup=0.4),
        cause=weight_of_kl,
    ),
    Probe(
        "its slopes, early in the warm-up",
        lambda: loss_inputs(progress=0.02, warmup=0.5, trained=True),
        slope_of_kl,
        cause=by_value({
            "d loss / d KL": "The KL has a wrong slope early in the warm-up: its weight begins at "
            "0, and nothing is detached.",
            "d loss / d outputs": "The value is right, its gradient in the outputs is not: is "
            "something detached?",
        }),
    ),
]  # fmt: skip


def turn(wanted: float, chosen: list[float], target: float, highest: float = 0.75) -> Inputs:
    """The agent's turn in a network of four layers."""
    macs = [100.0, 200.0, 50.0, 80.0]
    return {
        "wanted": wanted, "macs": macs, "chosen": chosen, "target": target, "highest": highest,
    }  # fmt: skip


def number(result: Any, inputs: Inputs) -> Values:
    """The sparsity, whatever kind of number it is."""
    return {"result": float(result)}


def lost(asked: str, layer: int = 0) -> Callable[[Values, Values], str]:
    """How many MACs this layer would lose with a wrong answer, and why it should lose others."""
    macs = turn(0.0, [], 0.0)["macs"][layer]
    return lambda got, _: f"Yours takes {number_of(got) * macs:.4g} MACs from this layer: {asked}."


BOUNDED_SPARSITY = [
    Probe(
        "the wish is enough",
        lambda: turn(0.5, [], target=200.0),
        number,
        cause="The later layers can lose 0.75 · 330 MACs, more than the target of 200, so this "
        "layer *needs* nothing: the wish is granted as it is.",
    ),
    Probe(
        "the wish is too small",
        lambda: turn(0.1, [], target=300.0),
        number,
        cause=lost("it has to lose 52.5, 300 - 0.75 · (200 + 50 + 80), of its 100"),
    ),
    Probe(
        "a layer in the middle",
        lambda: turn(0.05, [0.5], target=170.0),
        number,
        cause=lost(
            "0.5 · 100 are gone, so it has to lose 170 - 50 - 0.75 · (50 + 80) of its 200", 1
        ),
    ),
    Probe(
        "the last layer has to make up for all others",
        lambda: turn(0.0, [0.2, 0.3, 0.1], 120),
        number,
        cause=lost(
            "0.2 · 100 + 0.3 · 200 + 0.1 · 50 are gone of 120, so 35 of its 80 have to go", 3
        ),
    ),
    Probe(
        "the last layer, less than one MAC is missing",
        lambda: turn(0.0, [0.75, 0.75, 0.75], target=262.9),
        number,
        cause="Less than one MAC is missing, 0.4 of 80: nothing is rounded, and the last layer is "
        "no special case.",
    ),
    Probe(
        "the last layer, nothing is missing",
        lambda: turn(0.3, [0.5, 0.5, 0.5], target=120.0),
        number,
        cause="More is gone than the target asks, so what is needed is below 0: the wish is "
        "granted as it is.",
    ),
    Probe(
        "a wish beyond the highest",
        lambda: turn(0.9, [0.4, 0.5], target=100.0, highest=0.6),
        number,
        cause="The wish is larger than `highest`: no layer gets more than that.",
    ),
    Probe(
        "the target needs the highest of all",
        lambda: turn(0.2, [], target=322.5),
        number,
        cause="The target is what all layers can lose at most: this one gets exactly `highest`.",
    ),
    Probe(
        "even the highest is not enough any more",
        lambda: turn(0.2, [0.0], target=322.5),
        number,
        cause="More is needed than this layer may lose: it gets `highest`, also then.",
    ),
]


class TwoBlocks(nn.Module):
    """Two residual blocks with the names that they have in a ResNet-20."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(Block(2, 4, 2, 1, "B"))
        self.layer2 = nn.Sequential(Block(2, 5, 3, 2, "B"))

    def forward(self, x: Tensor) -> Tensor:
        """Images `(N, 2, 4, 4)` to features `(N, 3)`."""
        return self.layer2(self.layer1(x)).mean(dim=(2, 3))


def look_alike(network: nn.Module) -> float:
    """Stands in for the accuracy: a number in 0 .. 1 that depends on all of the function."""
    with torch.no_grad():
        return float(network(normal(4, 2, 4, 4, seed=9)).sin().mean() + 1) / 2


def choice(first: float, second: float) -> Inputs:
    """A network with random parameters and one sparsity per block. L1 and L2 norms disagree."""
    sparsities = {"layer1.0.conv1": first, "layer2.0.conv1": second}
    return {"model": filled(TwoBlocks(), seed=7), "sparsities": sparsities, "evaluate": look_alike}


def reward_and_model(result: Any, inputs: Inputs) -> Values:
    """The reward, and whether the network that was handed in computes what it did."""
    model = inputs["model"]
    return {
        "result": float(result),
        "the model's outputs afterwards": look_alike(model),
        "its training modes afterwards": sorted({m.training for m in model.modules()}),
    }


class Seen:
    """Stands in for the accuracy, and remembers the networks that it was asked about."""

    def __init__(self, accuracy: float) -> None:
        self.accuracy, self.modes = accuracy, list[list[bool]]()

    def __call__(self, network: nn.Module) -> float:
        """The same number for all."""
        self.modes.append(sorted({module.training for module in network.modules()}))
        return self.accuracy


def seen(accuracy: float) -> Inputs:
    """A network that has this accuracy, whatever becomes of it."""
    return choice(0.5, 0.4) | {"evaluate": Seen(accuracy)}


def reward_and_modes(result: Any, inputs: Inputs) -> Values:
    """The reward, and the training modes of each network that was evaluated."""
    modes = inputs["evaluate"].modes
    return {"result": float(result), "training modes in each call of evaluate": modes}


def near() -> Inputs:
    """Four filters of the first block whose L1 norms differ in the fifth digit."""
    inputs = choice(0.5, 0.0)
    weight = inputs["model"].layer1[0].conv1.weight
    wanted = 1 + 1e-5 * torch.tensor([4.0, 1.0, 3.0, 2.0])
    weight.data *= (wanted / weight.data.abs().sum(dim=(1, 2, 3)))[:, None, None, None]
    return inputs


def only(name: str, sparsity: float) -> Inputs:
    """One layer is named."""
    return choice(0.0, 0.0) | {"sparsities": {name: sparsity}}


def clear() -> Inputs:
    """Five filters whose norms are far apart, whatever the norm; all of them reach the outputs."""
    inputs = only("layer2.0.conv1", 0.4)
    block = inputs["model"].layer2[0]
    sizes = 0.05 * torch.tensor([2.0, 4.0, 1.0, 16.0, 8.0])
    block.conv1.weight.data = block.conv1.weight.data.abs().clamp(0.5, 1.0)
    block.conv1.weight.data *= sizes[:, None, None, None]
    block.bn1.weight.data = torch.tensor([3.0, 1.0, 5.0, 2.0, 4.0])
    block.bn1.bias.data = torch.tensor([0.4, 0.2, 0.5, 0.1, 0.3])
    return inputs


def norms_disagree() -> Inputs:
    """Filters 3 and 4 have the least L1 norm, 10 and 10.8; by other measures others do."""
    inputs = only("layer2.0.conv1", 0.4)
    filters = inputs["model"].layer2[0].conv1.weight.data.flatten(1)  # a view, (5, 18)
    filters.zero_()
    filters[0], filters[1] = 2.0, -1.4
    filters[2, [0, 9]], filters[2, [1, 10]] = 4.5, -4.5
    filters[3, 0] = 10.0
    filters[4, 9:] = 1.2
    return inputs


AMC_REWARD = [
    Probe(
        "an accuracy of 0.9375: a reward of -0.0625",
        lambda: seen(0.9375),
        lambda r, _: {"result": float(r)},
        cause="Whatever is pruned, `evaluate` gives 0.9375 here: look at what you make of it. The "
        "reward is the accuracy less 1.",
    ),
    Probe(
        "an accuracy of 0.25, and `evaluate` is called once, in the mode that the network was in",
        lambda: seen(0.25),
        reward_and_modes,
        cause=by_value({
            "result": "An accuracy of 0.9375 is right, one of 0.25 is not: the reward is the "
            "accuracy less 1 for bad networks, too, here -0.75.",
            "training modes in each call of evaluate": "The reward is right; look at how often "
            "`evaluate` is called, and in which mode the network is then: leave it as it was.",
        }),
    ),
    Probe(
        "two of five filters of one layer go, and any norm says which",
        clear,
        reward_and_model,
        cause=by_value({
            "result": "The formula of the reward is right, the network that `evaluate` gets is "
            "not, though any norm ranks these filters alike: do the two of *least* norm of the "
            "named layer go, with their entries in `bn1` and their kernels in `conv2`, and do all "
            "others stay?",
            "the model's outputs afterwards": "The network that was handed in has changed: prune "
            "a copy.",
            "its training modes afterwards": "The network that was handed in is in another mode.",
        }),
    ),
    Probe(
        "two of five filters go, those of least L1 norm",
        norms_disagree,
        reward_and_model,
        cause="Where any norm ranks the filters alike, all is right; here it depends on the norm: "
        "the L1 norm of a filter is the sum of the magnitudes of *all* weights in `conv1`.",
    ),
    Probe(
        "of five filters `round(0.3 * 5)`, two, go",
        lambda: only("layer2.0.conv1", 0.3),
        reward_and_model,
        cause="0.4 of five filters is right, 0.3 is not: the number of filters is "
        "`round(0.3 * 5)`, which is 2.",
    ),
    Probe(
        "of five filters `round(0.25 * 5)`, one, goes",
        lambda: only("layer2.0.conv1", 0.25),
        reward_and_model,
        cause="Two of five filters are right, one of five is not: the number is "
        "`round(0.25 * 5)`, which is 1, and the weakest goes by its L1 norm over all input "
        "channels.",
    ),
    Probe(
        "only the first block",
        lambda: choice(0.5, 0.0),
        reward_and_model,
        cause="The second block alone is right, the first one is not, where the second has the "
        "share 0: each layer loses its own share, paired by name.",
    ),
    Probe(
        "3 of 4 filters of the first block, 2 of 5 of the second",
        lambda: choice(0.75, 0.4),
        reward_and_model,
        cause="Each layer alone is right, both together are not: prune one after the other in "
        "the *same* copy, each by its own share and its own ranking.",
    ),
    Probe(
        "L1 norms that differ in the fifth digit",
        near,
        reward_and_model,
        cause="Only norms that are very close are ranked wrongly: compare them as they are, "
        "in their own precision.",
    ),
]  # fmt: skip

# --- combine_criteria: measured, not compared ---------------------------------------------------

CRITERIA = ("magnitude", "OBD", "SynFlow", "Variational Dropout")
ENOUGH = 0.02  # accuracy beyond that of the best criterion alone


def agreed(sparsity: float, **layers: int) -> Inputs:
    """Scores that all give the same order, each criterion in its own unit."""
    order = {n: normal(size, seed=size).argsort().argsort() + 1.0 for n, size in layers.items()}
    units: list[Callable[[Tensor], Tensor]]
    units = [lambda s: s / 100, lambda s: (s - 30).exp(), lambda s: 1e9 * s**4, lambda s: s - 20]
    scores = {
        criterion: {name: unit(s) for name, s in order.items()}
        for criterion, unit in zip(CRITERIA, units, strict=True)
    }
    return {"scores": scores, "sparsity": sparsity}


def the_network() -> Inputs:
    """The lab's network, 80 % of which go."""
    return {"scores": combination.four_criteria(), "sparsity": combination.SPARSITY}


def form(result: Any, inputs: Inputs) -> Values:
    """What is wrong with masks before anything is measured."""
    shapes = {name: tuple(s.shape) for name, s in inputs["scores"]["magnitude"].items()}
    if {name: tuple(mask.shape) for name, mask in result.items()} != shapes:
        return {"shapes": {name: list(mask.shape) for name, mask in result.items()}}
    kinds = sorted({str(mask.dtype) for mask in result.values()})
    if kinds != ["torch.bool"]:
        return {"masks are": kinds}
    sizes = sum(mask.numel() for mask in result.values())
    gone, asked = (sum(int((~m).sum()) for m in result.values()), inputs["sparsity"] * sizes)
    if abs(gone - round(asked)) > len(shapes):
        return {"weights that go": gone, "asked": round(asked)}
    return {}


def in_order(result: Any, inputs: Inputs) -> Values:
    """And whether the masks follow an order on which all criteria agree."""
    if wrong := form(result, inputs):
        return wrong
    order = inputs["scores"]["magnitude"]
    broken = [n for n, m in result.items() if m.any() and (order[n][~m] > order[n][m].min()).any()]
    return {"layers in which a worse weight stays": broken}


def worth(result: Any, inputs: Inputs) -> Values:
    """What is wrong with masks of the lab's network; of good ones only that they are."""
    if wrong := form(result, inputs):
        return wrong
    gain = combination.gain_over_the_best(result, whole_subset("val")[-500:])
    print(f"{100 * gain:+.1f} points beside the best criterion (target: +{100 * ENOUGH:.0f})")
    if gain >= ENOUGH:
        return {"accuracy": "enough"}
    how = "worse than the best alone" if gain < -ENOUGH else "about that of the best alone"
    density = {name: mask.float().mean().item() for name, mask in result.items()}
    ends = {"smallest": min(density, key=lambda n: density[n])}
    ends["largest"] = max(density, key=lambda n: density[n])
    return {
        "accuracy": "little better than guessing" if gain < -0.3 else how,
        **{f"{end} density": f"{name}, {density[name]:.0%}" for end, name in ends.items()},
    }


def of_form(got: Values, _: Values) -> str:
    """Where to look when masks are refused before anything is measured."""
    if "weights that go" in got:
        return (
            f"{got['weights that go']} weights go, {got['asked']} were asked: count over all "
            "layers together what your way of combining removes."
        )
    if "shapes" in got:
        return "Each name of a criterion's scores has a mask of the same shape."
    if "masks are" in got:
        return "A mask is a bool tensor, True = keep."
    return (
        "All criteria agree on the order within a layer here, each in its own unit, and you keep "
        "a weight that all of them call worse: a high score says keep."
    )


def of_worth(got: Values, expected: Values) -> str:
    """The same of masks that were measured."""
    if "accuracy" not in got or len(got) < 3:
        return of_form(got, expected)
    return (
        "Form and number are right, the choice is not good enough. Which criterion knows how many "
        "weights a layer needs, which one knows which? A layer that loses nearly all is lost."
    )


COMBINE_CRITERIA = [
    Probe(
        "one layer, all criteria agree, half goes",
        lambda: agreed(0.5, a=16),
        in_order,
        cause=of_form,
    ),
    Probe(
        "two layers, all criteria agree, 30 %",
        lambda: agreed(0.3, a=8, b=40),
        in_order,
        cause=of_form,
    ),
    Probe("two layers, nothing goes", lambda: agreed(0.0, a=4, b=6), in_order, cause=of_form),
    Probe("the lab's network at 80 %: measured", the_network, worth, cause=of_worth),
]

PROBES = {
    "hessian_diagonal": HESSIAN_DIAGONAL,
    "obd_scores": OBD_SCORES,
    "synflow_scores": SYNFLOW_SCORES,
    "synflow_masks": SYNFLOW_MASKS,
    "kl_divergence": KL_DIVERGENCE,
    "noisy_output": NOISY_OUTPUT,
    "variational_loss": VARIATIONAL_LOSS,
    "bounded_sparsity": BOUNDED_SPARSITY,
    "amc_reward": AMC_REWARD,
    "combine_criteria": COMBINE_CRITERIA,
}
check = Lab(__file__, PROBES)
