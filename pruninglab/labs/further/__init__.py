"""What the checks of lab 6 look at: networks so small that you can follow every number."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab.checks import Lab, Probe, Values, combination
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


HESSIAN_DIAGONAL = [
    Probe(
        "one input of 2, two classes of probability ½: ½ · ½ · 2² = 1",
        lambda: {"model": linear([[0.0], [0.0]]), "x": torch.tensor([[2.0]])},
        by_weight,
    ),
    Probe(
        "inputs 1 and 3, two classes of probability ½: the mean of ¼ · 1² and ¼ · 3² is 1.25",
        lambda: {"model": linear([[0.0], [0.0]]), "x": torch.tensor([[1.0], [3.0]])},
        by_weight,
    ),
    Probe(
        "a class of probability 0.0001 counts as the others do",
        lambda: {"model": linear([[0.0], [0.0], [-8.5]]), "x": torch.tensor([[1.0]])},
        by_weight,
    ),
    Probe(
        "inputs 1 and -1, three classes",
        lambda: {"model": linear([[0.0], [0.0], [0.7]]), "x": torch.tensor([[1.0], [-1.0]])},
        by_weight,
    ),
    Probe(
        "a network with biases, five inputs",
        lambda: {
            "model": filled(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))),
            "x": normal(5, 3),
        },
        by_weight,
    ),
    Probe(
        "a network that holds gradients of an earlier pass",
        lambda: {
            "model": with_gradients(filled(nn.Sequential(nn.Linear(2, 3)))),
            "x": normal(2, 2, seed=1),
        },
        by_weight_and_gradients,
    ),
    Probe(
        "batch normalisation stays in evaluation mode",
        lambda: {"model": normalised(), "x": normal(3, 2, seed=4)},
        by_weight,
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


OBD_SCORES = [
    Probe(
        "a dict with a tensor for each weight, of its shape",
        lambda: {
            "weights": {"a": torch.ones(2, 3), "b": torch.ones(4)},
            "diagonal": {"a": torch.ones(2, 3), "b": torch.ones(4)},
        },
        form_of_scores,
    ),
    Probe(
        "two weights: ½ · 2 · 3² and ½ · 4 · 1²",
        lambda: {
            "weights": {"w": torch.tensor([3.0, -1.0])},
            "diagonal": {"w": torch.tensor([2.0, 4.0])},
        },
        scores_by_name,
    ),
    Probe(
        "scores below 1 that differ in the fourth digit: nothing is rounded",
        lambda: {
            "weights": {"w": torch.tensor([0.5, 0.5001, 0.5002])},
            "diagonal": {"w": torch.ones(3)},
        },
        scores_by_name,
    ),
    Probe(
        "two layers",
        lambda: {
            "weights": {"a": normal(2, 3), "b": normal(4, seed=1)},
            "diagonal": {"a": normal(2, 3, seed=2).abs(), "b": normal(4, seed=3).abs()},
        },
        scores_by_name,
    ),
    Probe(
        "two layers, the curvatures in another order",
        lambda: {
            "weights": {"a": torch.tensor([2.0, 3.0]), "b": torch.tensor([4.0, -1.0])},
            "diagonal": {"b": torch.tensor([1.0, 6.0]), "a": torch.tensor([0.5, 0.2])},
        },
        scores_by_name,
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


SYNFLOW_SCORES = [
    Probe(
        "one layer: the flow through a weight is its magnitude",
        lambda: {"model": linear([[3.0, -4.0]]), "shape": (2,)},
        flow_by_weight,
    ),
    Probe(
        "two layers, signs that would cancel",
        lambda: {
            "model": nn.Sequential(linear([[1.0, -2.0], [-3.0, 0.5]]), linear([[2.0, -1.0]])),
            "shape": (2,),
        },
        flow_by_weight,
    ),
    Probe(
        "biases, batch normalisation, a network in training mode",
        lambda: {"model": convolutional(), "shape": (1, 2, 2)},
        flow_by_weight,
    ),
    Probe(
        "two outputs: R is their sum, 2 · 3 and 2 · 4 flow through the first two weights",
        lambda: {
            "model": nn.Sequential(linear([[3.0, -4.0]]), linear([[1.0], [-1.0]])), "shape": (2,),
        },
        flow_by_weight,
    ),
    Probe(
        "weights of 1e-20: nothing is added to a flow, and none is cut off",
        lambda: {"model": nn.Sequential(linear([[-1e-20]]), linear([[1e-10]])), "shape": (1,)},
        powers_of_ten,
    ),
    Probe(
        "six layers with weights of 10 billion",
        lambda: {"model": nn.Sequential(*(linear([[1e10]]) for _ in range(6))), "shape": (1,)},
        flow_by_weight,
    ),
    Probe(
        "a network that holds gradients of an earlier pass",
        lambda: {"model": with_gradients(linear([[0.5, -1.0], [2.0, 1.0]])), "shape": (2,)},
        flow_by_weight,
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


FOUR = [[0.1, -0.4, 0.3, 0.2]]
SYNFLOW_MASKS = [
    Probe(
        "four weights, a quarter stays, two rounds",
        lambda: {
            "model": linear(FOUR), "score": Recorded(magnitudes), "density": 0.25, "rounds": 2,
        },
        masks_and_trace,
    ),
    Probe(
        "two layers, a score that depends on the neighbours",
        lambda: {
            "model": two_layers(), "score": Recorded(neighbours), "density": 0.2, "rounds": 6,
        },
        masks_and_trace,
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
    ),
    Probe(
        "one round",
        lambda: {
            "model": two_layers(), "score": Recorded(neighbours), "density": 0.3, "rounds": 1,
        },
        masks_and_trace,
    ),
    Probe(
        "half of five weights: `round(2.5)` are False",
        lambda: {
            "model": linear([[0.5, 0.1, 0.4, 0.2, 0.3]]), "score": Recorded(magnitudes),
            "density": 0.5, "rounds": 1,
        },
        masks_and_trace,
    ),
    Probe(
        "scores that differ in the tenth digit",
        lambda: {
            "model": linear(FOUR), "score": Recorded(almost_equal), "density": 0.5, "rounds": 1,
        },
        masks_and_trace,
    ),
    Probe(
        "in round 2 all scores are 0, those of pruned weights too; the first two are gone",
        lambda: {
            "model": linear(FOUR), "score": Recorded(EqualAfterOne([1.0, 2.0, 3.0, 4.0])),
            "density": 0.25, "rounds": 2,
        },
        counts_of_equals,
    ),
    Probe(
        "the same, and the last two are gone",
        lambda: {
            "model": linear(FOUR), "score": Recorded(EqualAfterOne([4.0, 3.0, 2.0, 1.0])),
            "density": 0.25, "rounds": 2,
        },
        counts_of_equals,
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


KL_DIVERGENCE = [
    Probe(
        "θ = 1, σ² = 1: log α = 0, KL = 0.63576 · (1 - sigmoid(1.87320)) + ½ · log 2",
        lambda: {"theta": torch.ones(1), "log_sigma2": torch.zeros(1)},
    ),
    Probe(
        "very much noise, log α = 100: it costs nothing",
        lambda: {"theta": torch.ones(1), "log_sigma2": torch.tensor([100.0])},
    ),
    Probe(
        "one weight of -1 and σ² = 1: the same as one of 1",
        lambda: {"theta": -torch.ones(1), "log_sigma2": torch.zeros(1)},
    ),
    Probe(
        "one weight of 10 and σ² = 1: log α = -log 100",
        lambda: {"theta": torch.tensor([10.0]), "log_sigma2": torch.zeros(1)},
    ),
    Probe(
        "four weights of 1 in two rows: one number, the sum",
        lambda: {"theta": torch.ones(2, 2), "log_sigma2": torch.zeros(2, 2)},
    ),
    Probe(
        "two weights of 1, log α = 0 and 3",
        lambda: {"theta": torch.ones(2), "log_sigma2": torch.tensor([0.0, 3.0])},
    ),
    Probe(
        "six weights of several sizes, and the gradients",
        lambda: trainable(normal(2, 3).sign() * (0.5 + normal(2, 3).abs()), normal(2, 3, seed=1)),
        slopes,
    ),
    Probe(
        "very little noise, log α = -100: half of 100 and k1, nothing is cut off",
        lambda: {"theta": torch.ones(1), "log_sigma2": torch.tensor([-100.0])},
    ),
    Probe(
        "a weight of 0: KL and both gradients are finite",
        lambda: trainable(torch.zeros(2), torch.zeros(2)),
        finite,
    ),
    Probe(
        "a weight of 0 and σ² = 1e-8, which stands for θ², too: log α = 0",
        lambda: {"theta": torch.zeros(1), "log_sigma2": torch.tensor([1e-8]).log()},
    ),
]


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


NOISY_OUTPUT = [
    Probe(
        "noise of 0: the plain layer, 3 + 4",
        lambda: one_image([3.0, 4.0], 0.0, torch.zeros_like),
    ),
    Probe(
        "inputs 3 and 4, weights 1, σ² = 1, noise 1: 7 + √25",
        lambda: one_image([3.0, 4.0], 0.0, Pattern()),
        output_and_noise,
    ),
    Probe(
        "inputs 3 and 4, σ² = 4, noise 1: 7 + √(4 · 25)",
        lambda: one_image([3.0, 4.0], math.log(4.0), torch.ones_like),
    ),
    Probe(
        "inputs -3 and 4, σ² = 1, noise 1: 1 + √25",
        lambda: one_image([-3.0, 4.0], 0.0, torch.ones_like),
    ),
    Probe("noise of -1: 7 - √25", lambda: one_image([3.0, 4.0], 0.0, minus_one)),
    Probe(
        "log σ² = -14: a standard deviation of 5 · e^-7, nothing is cut off",
        lambda: one_image([3.0, 4.0], -14.0, torch.ones_like) | {"theta": torch.zeros(1, 2)},
    ),
    Probe(
        "three images, two outputs: one call of `noise`, a number for each of the six",
        lambda: {
            "layer": F.linear, "x": normal(3, 4), "theta": normal(2, 4, seed=1),
            "log_sigma2": normal(2, 4, seed=2), "noise": Pattern(),
        },
        asked_shapes,
    ),
    Probe(
        "three images, two outputs",
        lambda: {
            "layer": F.linear, "x": normal(3, 4), "theta": normal(2, 4, seed=1),
            "log_sigma2": normal(2, 4, seed=2), "noise": Pattern(),
        },
        output_and_noise,
    ),
    Probe(
        "a convolution of stride 2: `layer` itself is called, whatever it is",
        lambda: {
            "layer": convolution, "x": normal(2, 2, 4, 4), "theta": normal(3, 2, 3, 3, seed=1),
            "log_sigma2": normal(3, 2, 3, 3, seed=2), "noise": Pattern(),
        },
        output_and_noise,
    ),
    Probe(
        "gradients come through to θ, to log σ² and to the inputs",
        lambda: {
            "layer": F.linear, "x": normal(2, 3).requires_grad_(), "noise": Pattern(),
            **trainable(normal(2, 3, seed=1), normal(2, 3, seed=2)),
        },
        all_slopes,
    ),
    Probe(
        "an image of zeros: a standard deviation of √1e-8, and a finite slope",
        lambda: {
            "layer": F.linear, "x": torch.zeros(1, 2), "theta": torch.ones(2, 2),
            "log_sigma2": torch.zeros(2, 2).requires_grad_(), "noise": Pattern(),
        },
        finite_slope,
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


VARIATIONAL_LOSS = [
    Probe("half-way through the warm-up", lambda: loss_inputs(progress=0.2, warmup=0.4)),
    Probe("at the start", lambda: loss_inputs(progress=0.0, warmup=0.4)),
    Probe("after the warm-up", lambda: loss_inputs(progress=0.9, warmup=0.4)),
    Probe("its slopes", lambda: loss_inputs(progress=0.12, warmup=0.5, trained=True), slope_of_kl),
]


def turn(wanted: float, chosen: list[float], target: float, highest: float = 0.75) -> Inputs:
    """The agent's turn in a network of four layers."""
    macs = [100.0, 200.0, 50.0, 80.0]
    return {
        "wanted": wanted, "macs": macs, "chosen": chosen, "target": target, "highest": highest,
    }  # fmt: skip


def number(result: Any, inputs: Inputs) -> Values:
    """The sparsity, whatever kind of number it is."""
    return {"result": float(result)}


BOUNDED_SPARSITY = [
    Probe("the wish is enough", lambda: turn(0.5, [], target=200.0), number),
    Probe("the wish is too small", lambda: turn(0.1, [], target=300.0), number),
    Probe("a layer in the middle", lambda: turn(0.05, [0.5], target=170.0), number),
    Probe(
        "the last layer has to make up for all others",
        lambda: turn(0.0, [0.2, 0.3, 0.1], 120),
        number,
    ),
    Probe(
        "the last layer, less than one MAC is missing",
        lambda: turn(0.0, [0.75, 0.75, 0.75], target=262.9),
        number,
    ),
    Probe(
        "the last layer, nothing is missing",
        lambda: turn(0.3, [0.5, 0.5, 0.5], target=120.0),
        number,
    ),
    Probe(
        "a wish beyond the highest",
        lambda: turn(0.9, [0.4, 0.5], target=100.0, highest=0.6),
        number,
    ),
    Probe("the target needs the highest of all", lambda: turn(0.2, [], target=322.5), number),
    Probe(
        "even the highest is not enough any more", lambda: turn(0.2, [0.0], target=322.5), number
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
    """Stands in for the accuracy, 0.9375, and remembers the networks that it was asked about."""

    def __init__(self) -> None:
        self.modes = list[list[bool]]()

    def __call__(self, network: nn.Module) -> float:
        """The same number for all."""
        self.modes.append(sorted({module.training for module in network.modules()}))
        return 0.9375


def seen(sparsities: dict[str, float] | None = None) -> Inputs:
    """A network whose accuracy is 0.9375."""
    inputs = choice(0.5, 0.4) | {"evaluate": Seen()}
    return inputs if sparsities is None else inputs | {"sparsities": sparsities}


def modes(_: Any, inputs: Inputs) -> Values:
    """The training modes of each network that was evaluated."""
    return {"training modes in each call of evaluate": inputs["evaluate"].modes}


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


AMC_REWARD = [
    Probe("an accuracy of 0.9375: a reward of -0.0625", seen, lambda r, _: {"result": float(r)}),
    Probe("`evaluate` is called once, and the network is in the mode it was in", seen, modes),
    Probe(
        "one layer is named: the other one keeps all its filters",
        lambda: only("layer2.0.conv1", 0.4),
        reward_and_model,
    ),
    Probe(
        "of five filters `round(0.3 * 5)`, two, go",
        lambda: only("layer2.0.conv1", 0.3),
        reward_and_model,
    ),
    Probe(
        "of five filters `round(0.25 * 5)`, one, goes",
        lambda: only("layer2.0.conv1", 0.25),
        reward_and_model,
    ),
    Probe("L1 norms that differ in the fifth digit", near, reward_and_model),
    Probe(
        "half of the first block, 2 of 5 in the second", lambda: choice(0.5, 0.4), reward_and_model
    ),
    Probe("only the second block", lambda: choice(0.0, 0.6), reward_and_model),
    Probe("only the first block", lambda: choice(0.25, 0.0), reward_and_model),
]

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


COMBINE_CRITERIA = [
    Probe("one layer, all criteria agree, half goes", lambda: agreed(0.5, a=16), in_order),
    Probe("two layers, all criteria agree, 30 %", lambda: agreed(0.3, a=8, b=40), in_order),
    Probe("two layers, nothing goes", lambda: agreed(0.0, a=4, b=6), in_order),
    Probe("the lab's network at 80 %: measured", the_network, worth),
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
