"""What the checks of lab 4 look at: tiny networks, and a fake training that writes a trace."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.checks import Lab, Probe, Values
from pruninglab.models import Block, prunable

Inputs = dict[str, Any]
Batch = tuple[Tensor, Tensor]


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Random numbers in double precision, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def batch(number: int) -> Batch:
    """The minibatch of a step: eight images of 6x6 pixels, three classes."""
    return normal(8, 2, 6, 6, seed=1000 + number), torch.arange(8) % 3


class Recorder:
    """A training loop in name only: it moves the weights by a fixed pattern and writes a trace."""

    def __init__(self, pace: float) -> None:
        self.pace = pace  # how far a weight moves in a step
        self.lrs: list[float] = []
        self.kept: list[dict[str, int]] = []  # weights that are not held at zero, per layer
        self.filters: list[list[int]] = []  # filters of each convolution
        self.zeros: list[list[int]] = []  # those of them that are zero
        self.pushes: list[float] = []  # what `before_step` adds to the gradients of all γ
        self.others: list[float] = []  # and to all other gradients

    def __call__(
        self,
        model: nn.Module,
        masks: dict[str, Tensor],
        lrs: list[float],
        before_step: Callable[[nn.Module], None] | None = None,
    ) -> list[Batch]:
        """Go through the learning rates."""
        model.train()
        batches = []
        for lr in lrs:
            zero(model, masks)
            self.write(model, masks, lr)
            self.step(model, lr, before_step)
            zero(model, masks)
            batches.append(batch(len(self.lrs)))
        return batches

    def write(self, model: nn.Module, masks: dict[str, Tensor], lr: float) -> None:
        """Write down what a step meets."""
        weights = prunable(model)
        self.lrs.append(float(lr))
        sizes = {name: weight.numel() for name, weight in weights.items()}
        self.kept.append(sizes | {name: int(mask.sum()) for name, mask in masks.items()})
        rows = [w.detach().flatten(1) for name, w in weights.items() if "conv1" in name]
        self.filters.append([len(row) for row in rows])
        self.zeros.append([int((row == 0).all(dim=1).sum()) for row in rows])

    def step(
        self, model: nn.Module, lr: float, before_step: Callable[[nn.Module], None] | None
    ) -> None:
        """Move all weights, by a pattern of this step, and γ by what `before_step` asks for."""
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        if before_step:
            before_step(model)
        scales = [m.weight for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        pushes = [torch.as_tensor(scale.grad) for scale in scales]
        self.pushes.append(sum(float(push.abs().sum()) for push in pushes))
        known = {id(scale) for scale in scales}
        others = [torch.as_tensor(p.grad) for p in model.parameters() if id(p) not in known]
        self.others.append(sum(float(push.abs().sum()) for push in others))
        for scale, push in zip(scales, pushes, strict=True):
            scale.data -= lr * push
        for i, weight in enumerate(prunable(model).values()):
            seed = len(self.lrs) * 50 + i
            pattern = normal(*weight.shape, seed=seed)
            if weight.dim() == 4:  # some filters move much faster than others
                pattern *= normal(len(weight), 1, 1, 1, seed=seed).exp()
            weight.data += self.pace * pattern.to(weight.dtype)


def zero(model: nn.Module, masks: dict[str, Tensor]) -> None:
    """Set the pruned weights to zero."""
    weights = prunable(model)
    for name, mask in masks.items():
        weights[name].data[~mask] = 0


# --- recipes for single weights -----------------------------------------------------------------


def two_layers() -> nn.Module:
    """4 inputs, 6 neurons, 3 outputs; the first layer has the larger weights."""
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)).double()
    model[0].weight.data, model[2].weight.data = 2 * normal(6, 4, seed=1), normal(3, 6, seed=2)
    return model


def one_layer() -> nn.Module:
    """Eight weights to follow by hand."""
    model = nn.Linear(4, 2, bias=False).double()
    numbers = [[0.1, -1.0, 2.0, -3.0], [0.6, 4.0, -0.3, 1.4]]
    model.weight.data = torch.tensor(numbers, dtype=torch.float64)
    return model


def by_hand(**arguments: Any) -> Inputs:
    """One layer whose weights stay as they are in the training."""
    return {"model": one_layer(), **arguments, "train": Recorder(pace=0.0)}


def mean_not_zero() -> Inputs:
    """Half the standard deviation is 0.80, half the root of the mean square 0.98."""
    inputs = by_hand(quality=0.5, rounds=1, steps=1, lr=0.1)
    numbers = [[0.0, 0.0, 0.82, 3.0], [2.0, 0.9, 4.0, -0.6]]
    inputs["model"].weight.data = torch.tensor(numbers, dtype=torch.float64)
    return inputs


def at_the_threshold(quality: float) -> Inputs:
    """The standard deviation is exactly 2; two weights are 0."""
    inputs = by_hand(quality=quality, rounds=1, steps=1, lr=0.1)
    numbers = [[3.0, -3.0, 1.0, -1.0, 0.0, 0.0]]
    inputs["model"].weight.data = torch.tensor(numbers, dtype=torch.float64)
    return inputs


def all_alike() -> Inputs:
    """After the first round only weights of 3 are left: their standard deviation is 0."""
    inputs = by_hand(quality=0.5, rounds=2, steps=1, lr=0.1)
    numbers = [[3.0, 3.0, 0.1, 3.0], [3.0, -0.2, 3.0, 3.0]]
    inputs["model"].weight.data = torch.tensor(numbers, dtype=torch.float64)
    return inputs


def moving(**arguments: Any) -> Inputs:
    """Two layers whose weights move."""
    return {"model": two_layers(), **arguments, "train": Recorder(pace=0.4)}


def weights_trace(masks: Any, inputs: Inputs) -> Values:
    """Learning rate and kept weights of each step; masks and weights at the end."""
    trace, weights = inputs["train"], prunable(inputs["model"])
    kept = {n: [step.get(n) for step in trace.kept] for n in weights}
    return {
        "learning rate per step": trace.lrs,
        "weights kept per step": kept,
        "returned masks": {name: masks[name] for name in weights},
        "weights at the end": dict(weights),
    }


def probe(title: str, inputs: Callable[[], Inputs], look: Callable) -> Probe:
    """A probe of a recipe: all of them change the model."""
    return Probe(title, inputs, look, changes_inputs=True)


HAN = [
    probe(
        "one round by hand: below 0.5 standard deviations",
        lambda: by_hand(quality=0.5, rounds=1, steps=2, lr=0.5),
        weights_trace,
    ),
    probe("one round by hand: the mean is not zero, two weights are", mean_not_zero, weights_trace),
    probe(
        "two rounds of a network that moves",
        lambda: moving(quality=0.6, rounds=2, steps=3, lr=0.2),
        weights_trace,
    ),
    probe(
        "three rounds",
        lambda: moving(quality=0.3, rounds=3, steps=2, lr=0.1),
        weights_trace,
    ),
    probe(
        "a standard deviation of 2, quality 0.5: 1 is not below the threshold",
        lambda: at_the_threshold(quality=0.5),
        weights_trace,
    ),
    probe(
        "quality 0 prunes nothing, not even weights that are 0",
        lambda: at_the_threshold(quality=0.0),
        weights_trace,
    ),
    probe("what is left is all alike: the second threshold is 0", all_alike, weights_trace),
    probe(
        "quality 0 prunes nothing",
        lambda: moving(quality=0.0, rounds=2, steps=1, lr=0.1),
        weights_trace,
    ),
]


def falling(steps: int) -> list[float]:
    """A learning rate that falls in every step."""
    return [0.1 - 0.1 * step / steps for step in range(steps)]


ZHU = [
    probe(
        "by hand: 0.75 in three updates, before steps 1, 3, 5",
        lambda: by_hand(final=0.75, start=1, every=2, updates=2, lrs=falling(7)),
        weights_trace,
    ),
    probe(
        "four updates of a network that moves",
        lambda: moving(final=0.8, start=2, every=2, updates=3, lrs=falling(13)),
        weights_trace,
    ),
    probe(
        "four steps without pruning, then an update before every step",
        lambda: moving(final=0.9, start=4, every=1, updates=8, lrs=falling(14)),
        weights_trace,
    ),
    probe(
        "an update before every step, the last one before the last step",
        lambda: moving(final=0.5, start=0, every=1, updates=4, lrs=falling(5)),
        weights_trace,
    ),
]

RENDA = [
    probe(
        "one round by hand: a fifth of eight weights",
        lambda: by_hand(rounds=1, epoch_lrs=[0.4, 0.2, 0.1], epochs=2, steps_per_epoch=2),
        weights_trace,
    ),
    probe(
        "three rounds of a network that moves",
        lambda: moving(rounds=3, epoch_lrs=[0.4, 0.3, 0.2, 0.1], epochs=2, steps_per_epoch=2),
        weights_trace,
    ),
    probe(
        "five rounds, the whole schedule replayed",
        lambda: moving(rounds=5, epoch_lrs=[0.3, 0.1], epochs=2, steps_per_epoch=1),
        weights_trace,
    ),
]


# --- recipes for filters ------------------------------------------------------------------------


class Tiny(nn.Module):
    """Three blocks with 4, 3 and 5 free filters; β of a filter is its label, and stays."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(Block(2, 4, 2, 1, "A"), Block(2, 3, 2, 1, "A"))
        self.layer2 = nn.Sequential(Block(2, 5, 2, 1, "A"))
        self.fc = nn.Linear(2, 3)
        self.double()
        self.fc.bias.data = normal(3, seed=19)
        for i, weight in enumerate(prunable(self).values()):
            weight.data = normal(*weight.shape, seed=20 + i)
        for i, block in enumerate(self.blocks()):
            block.conv1.weight.data *= (0.5, 1.0, 1.5)[i]  # one layer is larger than another
            block.bn1.weight.data = normal(len(block.bn1.weight), seed=30 + i)  # γ, also negative
            block.bn1.bias.data = 0.3 + 0.01 * torch.arange(len(block.bn1.bias)).double()

    def blocks(self) -> list[Block]:
        """The three blocks."""
        return [*self.layer1, *self.layer2]

    def forward(self, x: Tensor) -> Tensor:
        """Images `(N, 2, H, W)` to class scores `(N, 3)`."""
        return self.fc(self.layer2(self.layer1(x)).mean(dim=(2, 3)))


def tiny(pace: float = 0.4, **arguments: Any) -> Inputs:
    """The network with three blocks."""
    return {"model": Tiny(), **arguments, "train": Recorder(pace)}


def filters_trace(_: Any, inputs: Inputs) -> Values:
    """Learning rate and filters of each step; which filters are left, and that layers fit."""
    trace, blocks = inputs["train"], inputs["model"].blocks()
    labels = [block.bn1.bias.detach() for block in blocks]
    left = [[round((x - 0.3) * 100) for x in label.tolist()] for label in labels]
    sizes = [[b.conv1.out_channels, b.bn1.num_features, b.conv2.in_channels] for b in blocks]
    scores = inputs["model"].eval()(batch(0)[0][:2])
    return {
        "learning rate per step": trace.lrs,
        "filters per step": trace.filters,
        "zero filters per step": trace.zeros,
        "sum of all pushes on γ per step": trace.pushes,
        "sum of all other pushes per step": trace.others,
        "filters left in each layer": left,
        "sizes of conv1, bn1 and conv2": sizes,
        "scores of two images": scores,
    }


def weak_layer(pace: float, **arguments: Any) -> Inputs:
    """The three filters of the second block have the smallest scales, and the least to say."""
    inputs = tiny(pace, **arguments)
    block = inputs["model"].layer1[1]
    block.bn1.weight.data *= 0.01
    block.conv2.weight.data *= 0.01
    return inputs


def l2_and_peak_differ() -> Inputs:
    """By the L2 norm the spread filter is the larger one, by its largest weight the other one."""
    inputs = tiny(0.0, sparsity=0.25, epoch_lrs=[0.1], steps_per_epoch=1)
    weight = inputs["model"].layer1[0].conv1.weight.data.fill_(2.0)
    weight[1], weight[3] = 1.0, 0.0
    weight[3, 0, 1, 1] = 3.0  # L2 4.2 and 3
    return inputs


def dead_filters() -> Inputs:
    """Two of the four filters of the first block are zero before, and one is to go."""
    inputs = tiny(0.0, sparsity=0.25, epoch_lrs=[0.1], steps_per_epoch=1)
    inputs["model"].layer1[0].conv1.weight.data[1:3] = 0
    return inputs


def sizes(_: Any, inputs: Inputs) -> Values:
    """How many filters are left in each layer: of two that are zero either may go."""
    return {"filters left": [block.conv1.out_channels for block in inputs["model"].blocks()]}


def l1_and_l2_differ() -> Inputs:
    """By the L1 norm the spread filter is the larger one, by the L2 norm the one with a peak."""
    inputs = tiny(0.0, sparsity=0.25, skip=[], epoch_lrs=[0.1, 0.01], epochs=1, steps_per_epoch=2)
    weight = inputs["model"].layer1[0].conv1.weight.data.fill_(1.0)
    weight[1], weight[3] = 0.3, 0.0
    weight[3, 0, 1, 1] = 4.0  # L1 5.4 and 4, L2 1.3 and 4
    return inputs


SKIP = ["layer1.1.conv1"]
LI = [
    probe(
        "a quarter of each layer, nothing moves",
        l1_and_l2_differ,
        filters_trace,
    ),
    probe(
        "half of each layer but a sensitive one",
        lambda: tiny(
            sparsity=0.5, skip=SKIP, epoch_lrs=[0.05, 0.2, 0.1], epochs=2, steps_per_epoch=2
        ),
        filters_trace,
    ),
    probe(
        "a share that leaves one filter",
        lambda: tiny(sparsity=0.9, skip=[], epoch_lrs=[0.2, 0.1], epochs=2, steps_per_epoch=1),
        filters_trace,
    ),
]

LIU = [
    probe(
        "half of twelve filters, a weak penalty",
        lambda: tiny(strength=0.01, sparsity=0.5, lrs=[0.2, 0.1]),
        filters_trace,
    ),
    probe(
        "a strong penalty that changes the ranking",
        lambda: tiny(strength=1.0, sparsity=1 / 3, lrs=[0.3, 0.2, 0.1]),
        filters_trace,
    ),
    probe(
        "five filters, where a layer keeps one of the weakest",
        lambda: weak_layer(0.4, strength=0.001, sparsity=5 / 12, lrs=[0.1]),
        filters_trace,
    ),
    probe(
        "one filter stays in each layer",
        lambda: tiny(strength=0.1, sparsity=0.9, lrs=[0.1]),
        filters_trace,
    ),
]

MOLCHANOV = [
    probe(
        "one round: two of twelve filters",
        lambda: tiny(0.0, rounds=1, filters=2, steps=1, last_steps=2, lr=0.1),
        filters_trace,
    ),
    probe(
        "four rounds of two filters, three minibatches each",
        lambda: weak_layer(0.4, rounds=4, filters=2, steps=3, last_steps=2, lr=0.01),
        filters_trace,
    ),
    probe(
        "one round: five filters, where a layer keeps one of the weakest",
        lambda: weak_layer(0.0, rounds=1, filters=5, steps=2, last_steps=1, lr=0.1),
        filters_trace,
    ),
    probe(
        "four rounds of three, and one filter stays in each layer",
        lambda: tiny(rounds=4, filters=3, steps=2, last_steps=1, lr=0.1),
        filters_trace,
    ),
]

HE = [
    probe(
        "one epoch: half of each layer",
        lambda: tiny(sparsity=0.5, epoch_lrs=[0.1], steps_per_epoch=2),
        filters_trace,
    ),
    probe("a quarter of each layer, nothing moves", l2_and_peak_differ, filters_trace),
    probe("two filters were zero before: one of them goes", dead_filters, sizes),
    probe(
        "three epochs: filters grow back",
        lambda: tiny(1.0, sparsity=0.4, epoch_lrs=[0.3, 0.2, 0.1], steps_per_epoch=2),
        filters_trace,
    ),
    probe(
        "four epochs of one step",
        lambda: tiny(0.7, sparsity=0.6, epoch_lrs=[0.4, 0.3, 0.2, 0.1], steps_per_epoch=1),
        filters_trace,
    ),
]

PROBES: dict[str, list[Probe]] = {
    "han2015": HAN,
    "zhu2017": ZHU,
    "renda2020": RENDA,
    "li2016": LI,
    "liu2017": LIU,
    "molchanov2019": MOLCHANOV,
    "he2018": HE,
}

check = Lab(__file__, PROBES)
