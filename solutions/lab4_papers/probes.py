"""What the checks of lab 4 look at: tiny networks, and a fake training that writes a trace."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.checks import Lab, Probe, Values, by_value
from pruninglab.models import Block, prunable

Inputs = dict[str, Any]
Batch = tuple[Tensor, Tensor]
LOSS = 0.5  # the gradient that every parameter has before `before_step`: it is to stay


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
        self.towards: list[list[float]] = []  # how far each γ is pushed towards zero
        self.elsewhere: list[int] = []  # zeros in all parameters but those of the filters
        self.networks: list[nn.Module] = []
        self.parameters: list[list[nn.Parameter]] = []  # those that an optimizer would know

    def __call__(
        self,
        model: nn.Module,
        masks: dict[str, Tensor],
        lrs: list[float],
        before_step: Callable[[nn.Module], None] | None = None,
    ) -> list[Batch]:
        """Go through the learning rates."""
        model.train()
        self.networks.append(model)
        self.parameters.append(list(model.parameters()))
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
        rest = [p for name, p in model.named_parameters() if "conv1" not in name]
        self.elsewhere.append(sum(int((p == 0).sum()) for p in rest))

    def step(
        self, model: nn.Module, lr: float, before_step: Callable[[nn.Module], None] | None
    ) -> None:
        """Move all weights, by a pattern of this step, and γ by what `before_step` asks for."""
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, LOSS)
        if before_step:
            before_step(model)
        scales = [m.weight for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        pushes = [torch.as_tensor(scale.grad) - LOSS for scale in scales]
        self.pushes.append(sum(float(push.abs().sum()) for push in pushes))
        signed = zip(pushes, scales, strict=True)
        self.towards.append([x for g, w in signed for x in (g * w.detach().sign()).tolist()])
        known = {id(scale) for scale in scales}
        others = [torch.as_tensor(p.grad) - LOSS for p in model.parameters() if id(p) not in known]
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


# --- what a probe looks at: one thing each, so that its title says what is wrong -----------------


def itself(_: Any, inputs: Inputs) -> Values:
    """Whether the training has got the network that was handed in."""
    networks, model = inputs["train"].networks, inputs["model"]
    return {"train got the network itself": bool(networks) and all(m is model for m in networks)}


def parameters_stay(_: Any, inputs: Inputs) -> Values:
    """Whether the training finds the parameters of its first call in every call."""
    first, *others = inputs["train"].parameters
    same = all(a is b for now in others for a, b in zip(first, now, strict=True))
    return {"the parameters in each call of train are those of the first": same}


def rates(_: Any, inputs: Inputs) -> Values:
    """The learning rate of each step; and what the list has become that went in."""
    lists = {f"{n} afterwards": list(inputs[n]) for n in ("lrs", "epoch_lrs") if n in inputs}
    return {"learning rate per step": inputs["train"].lrs, **lists}


def returned(masks: Any, inputs: Inputs) -> Values:
    """The masks that a recipe returns."""
    if masks is None:
        return {"result": None}
    return {"returned masks": {name: masks[name] for name in prunable(inputs["model"])}}


def kept(_: Any, inputs: Inputs) -> Values:
    """How many weights of each layer are not held at zero in each step."""
    trace, weights = inputs["train"], prunable(inputs["model"])
    return {"weights kept per step": {n: [step.get(n) for step in trace.kept] for n in weights}}


def first_steps(count: int) -> Callable[[Any, Inputs], Values]:
    """The same of the first steps alone."""
    return lambda _, inputs: {
        "weights kept in each of the first steps": [
            sum(step.values()) for step in inputs["train"].kept[:count]
        ]
    }


def last_step(_: Any, inputs: Inputs) -> Values:
    """The same of the last step alone."""
    return {"weights kept in the last step": inputs["train"].kept[-1]}


def changes(_: Any, inputs: Inputs) -> Values:
    """The steps in which other numbers of weights are kept than in the one before."""
    steps = inputs["train"].kept
    return {
        "steps that have new masks": [t for t in range(1, len(steps)) if steps[t] != steps[t - 1]]
    }


Cause = str | Callable[[Values, Values], str]


def probe(title: str, inputs: Callable[[], Inputs], look: Callable, cause: Cause = "") -> Probe:
    """A probe of a recipe: all of them change the model."""
    return Probe(title, inputs, look, changes_inputs=True, cause=cause)


# --- where to look when a probe is the first that is missed --------------------------------------

ITSELF = (
    "Either `train` is never called, or it gets another network: hand it `model` itself, which is "
    "to be changed."
)
HAIR_CAUSE = (
    "Only numbers that differ by a billionth are ranked wrongly: compare them in their own "
    "precision, without rounding or converting them."
)


def of_rates(asked: str) -> Cause:
    """What is wrong with the learning rates: their number, their order, or their size."""

    def cause(got: Values, expected: Values) -> str:
        found, right = (v["learning rate per step"] for v in (got, expected))
        if len(found) != len(right):
            return f"There are {len(found)} training steps instead of {len(right)}: {asked}."
        if sorted(found) == sorted(right):
            return f"The learning rates are right, their order is not: {asked}."
        wrong = [i for i, (a, b) in enumerate(zip(found, right, strict=True)) if abs(a - b) > 1e-7]
        some = "all steps" if len(wrong) == len(right) else f"step {wrong[0]} (from 0)"
        return f"The number of steps is right, the learning rate of {some} is not: {asked}."

    return cause


def of_kept(first: str, later: str) -> Cause:
    """Where to look when other numbers of weights are kept: by the first step in which they are."""

    def cause(got: Values, expected: Values) -> str:
        found, right = (
            list(zip(*values["weights kept per step"].values(), strict=True))
            for values in (got, expected)
        )
        if len(found) != len(right):
            return f"`train` makes {len(found)} steps in all, and should make {len(right)}."
        return first if found[0] != right[0] else later

    return cause


def of_masks(number: str, which: str) -> Cause:
    """Where to look when other masks come back: by whether they keep as many."""

    def cause(got: Values, expected: Values) -> str:
        found, right = (v.get("returned masks", {}) for v in (got, expected))
        if list(found) != list(right):
            return "The recipe returns the masks of all layers, parameter name -> mask."
        if any(not isinstance(m, Tensor) or m.dtype != torch.bool for m in found.values()):
            return "Masks are bool tensors, True = keep."
        same = all(found[n].sum() == right[n].sum() for n in right)
        return which if same else number

    return cause


def of_filters(number: str, which: str) -> Cause:
    """Where to look when other filters are left: by whether there are as many."""

    def cause(got: Values, expected: Values) -> str:
        counts = [sum(map(len, values["filters left"])) for values in (got, expected)]
        return which if counts[0] == counts[1] else number

    return cause


def of_pushes(got: Values, expected: Values) -> str:
    """What is wrong with the first push on each γ, which should be λ = 0.01."""
    found, right = (values["push on each γ towards zero"] for values in (got, expected))
    if len(found) != len(right):
        return "The first step is to meet the whole network: filters go after the first training."
    still = sum(abs(push) < 1e-9 for push in found)
    if still == len(found):
        return (
            "Nothing pushes γ in the first step: `before_step` of the first training adds the "
            "derivative of λ·|γ| to each `weight.grad`."
        )
    if still:
        return f"{still} of {len(found)} γ are not pushed: the penalty is on *all* of them."
    if min(found) < 0:
        return (
            "Some γ are pushed away from zero: add λ · sign(γ) to the gradient, and the step goes "
            "against it."
        )
    if max(found) - min(found) < 1e-9:
        return f"Each γ is pushed by {found[0]:.4g}: asked is λ, 0.01, whatever else there is."
    return (
        "Large and small γ are pushed by different amounts: λ · sign(γ) is *added* to the gradient "
        "of the loss, it has the size λ for all."
    )


def of_zeros(got: Values, expected: Values) -> str:
    """What is wrong in two epochs of two steps of soft pruning."""
    if got["filters per step"] != expected["filters per step"]:
        return "The layers become smaller in the training: filters are zeroed, and go at the end."
    found, right = (values["zero filters per step"] for values in (got, expected))
    if len(found) != len(right):
        return "There are two epochs of two steps: `train` makes four in all."
    if any(found[0]) or any(found[1]):
        return "Filters are zero in the first epoch already: it comes first, then they are zeroed."
    if not any(found[2]):
        return "No filter is zero when the second epoch begins: zero them after *each* epoch."
    if found[2] != right[2]:
        return (
            f"When the second epoch begins, {found[2]} filters of the three layers are zero "
            f"instead of {right[2]}: `round(0.5 * out)` of each."
        )
    return (
        "The second epoch begins as it should; in its second step filters are zero that should "
        "have moved: nothing is held at zero in an epoch, or zeroed in its middle."
    )


TRACE = by_value(
    {
        "learning rate per step": "The plain cases are right; here the learning rates are not: "
        "look at how many steps each call of `train` makes, and at which rates.",
        "weights kept per step": "The plain cases are right; here other numbers of weights are "
        "kept: what do the masks of a step depend on besides the weights at that moment?",
        "returned masks": "As many weights are kept as should be in each step, but others: the "
        "weights move in the training, so look at them as they are when masks are chosen.",
        "weights at the end": "Masks and rates are right, the weights are not: only `train` moves "
        "them, so they are neither set back nor scaled.",
        "filters per step": "The plain cases are right; here layers have other sizes in a step: "
        "when do filters go, how many, and does one stay in each layer?",
        "zero filters per step": "The sizes are right; here other numbers of filters are zero "
        "in a step: when are they set to zero, and how many?",
        "sum of all pushes on γ per step": "The plain cases are right; here the pushes on γ are "
        "not: λ · sign(γ) in every step of the first training, and none after it.",
        "sum of all other pushes per step": "More is pushed than γ.",
        "filters left in each layer": "As many filters are left as should be, but others: what "
        "you rank them by, and when it is measured: the weights move in the training.",
        "sizes of conv1, bn1 and conv2": "The layers of a block do not fit together: a filter "
        "takes its entry in `bn1` and its kernel in `conv2` along.",
        "scores of two images": "The right filters are left, but the network computes something "
        "else: a filter takes its entry in `bn1` and its kernels in `conv2` along, and nothing "
        "else is changed.",
    }
)


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


def weights_of(numbers: list[list[float]], **arguments: Any) -> Inputs:
    """One layer with these weights, which stay as they are in the training."""
    inputs = by_hand(**arguments)
    inputs["model"].weight.data = torch.tensor(numbers, dtype=torch.float64)
    return inputs


def mean_not_zero() -> Inputs:
    """Half the standard deviation is 0.80, half the root of the mean square 0.98."""
    numbers = [[0.0, 0.0, 0.82, 3.0], [2.0, 0.9, 4.0, -0.6]]
    return weights_of(numbers, quality=0.5, rounds=1, steps=1, lr=0.1)


def at_the_threshold(quality: float) -> Inputs:
    """The standard deviation is exactly 2; two weights are 0."""
    numbers = [[3.0, -3.0, 1.0, -1.0, 0.0, 0.0]]
    return weights_of(numbers, quality=quality, rounds=1, steps=1, lr=0.1)


def all_alike() -> Inputs:
    """After the first round only weights of 3 are left: their standard deviation is 0."""
    numbers = [[3.0, 3.0, 0.1, 3.0], [3.0, -0.2, 3.0, 3.0]]
    return weights_of(numbers, quality=0.5, rounds=2, steps=1, lr=0.1)


def a_hair_below() -> Inputs:
    """Half the standard deviation is 1 - 1e-10; two weights are a little smaller."""
    below = 1 - 1e-9
    numbers = [[3.0, -3.0, below, -below, 0.0, 0.0]]
    return weights_of(numbers, quality=0.5, rounds=1, steps=1, lr=0.1)


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


def resting(**arguments: Any) -> Inputs:
    """Two layers whose weights stay as they are."""
    return {"model": two_layers(), **arguments, "train": Recorder(pace=0.0)}


# Magnitudes that are all the same in single precision.
HAIR = [[1 + 6e-9, 1 + 4e-9, -1 - 1e-9, 1 + 7e-9, -1.0, -1 - 5e-9, 1 + 2e-9, 1 + 3e-9]]


HAN = [
    probe(
        "`train` is to get the network that was handed in, no copy",
        lambda: by_hand(quality=0.0, rounds=1, steps=1, lr=0.1),
        itself,
        ITSELF,
    ),
    probe(
        "three rounds of two steps, lr = 0.25: six steps, each at 0.025",
        lambda: by_hand(quality=0.0, rounds=3, steps=2, lr=0.25),
        rates,
        of_rates("`steps` steps in each of `rounds` rounds, all at lr / 10"),
    ),
    probe(
        "quality 0, no weight is 0: all stay, so the masks returned are bool and True everywhere",
        lambda: by_hand(quality=0.0, rounds=2, steps=1, lr=0.1),
        returned,
        of_masks(
            "At quality 0 the threshold is 0, and no magnitude is below it: all weights stay.",
            "At quality 0 all weights stay.",
        ),
    ),
    probe(
        "quality 0 prunes nothing, not even weights that are 0",
        lambda: at_the_threshold(quality=0.0),
        kept,
        "No weight is below a threshold of 0, not even one that is 0; and before the first round "
        "nothing is pruned: is a weight of 0 taken for a pruned one?",
    ),
    probe(
        "1 and -1 have the standard deviation √2 by `Tensor.std()`: both are below 0.8 of it",
        lambda: weights_of([[1.0, -1.0]], quality=0.8, rounds=1, steps=1, lr=0.1),
        returned,
        "The threshold is 0.8 · √2 = 1.13, and both magnitudes are 1, so both go: look at the "
        "deviation (`Tensor.std()` of the weights with their signs) and at what is compared with "
        "it.",
    ),
    probe(
        "a standard deviation of 2, quality 0.5: 1 is not below the threshold",
        lambda: at_the_threshold(quality=0.5),
        returned,
        of_masks(
            "The threshold is 0.5 · 2 = 1: the two weights of 0 are below it, 1 and -1 are not.",
            "The threshold is 0.5 · 2 = 1: the two weights of 0 are below it, 1 and -1 are not.",
        ),
    ),
    probe(
        "the masks that `train` gets are those of its own round",
        lambda: at_the_threshold(quality=0.5),
        kept,
        "The masks that you return are right, those of the training are not: a round chooses its "
        "masks, *then* trains with them.",
    ),
    probe(
        "a weight that is too small by a billionth is too small",
        a_hair_below,
        returned,
        HAIR_CAUSE,
    ),
    probe(
        "one round by hand: the mean is not zero, two weights are",
        mean_not_zero,
        returned,
        "The mean of these weights is not 0, and some of them are 0: `Tensor.std()` of all "
        "weights that are there, and a magnitude is measured from 0.",
    ),
    probe(
        "one round of two layers: one call of `train`, at the end",
        lambda: resting(quality=0.0, rounds=1, steps=1, lr=0.1),
        kept,
        "A round prunes *all* layers, then calls `train` once.",
    ),
    probe(
        "one round of two layers: each has one threshold, from all its weights together",
        lambda: resting(quality=0.6, rounds=1, steps=1, lr=0.1),
        kept,
        "One layer is right, two are not: each layer has one threshold, from all its own weights, "
        "and every layer has one.",
    ),
    probe(
        "two steps of one round: both have the same masks",
        lambda: by_hand(quality=0.5, rounds=1, steps=2, lr=0.5),
        kept,
        "One step is right, two are not: a round chooses its masks once, then `train` makes "
        "`steps` steps with them.",
    ),
    probe(
        "two rounds, nothing moves: what went in the first stays away in the second",
        lambda: by_hand(quality=0.5, rounds=2, steps=1, lr=0.1),
        kept,
        of_kept(
            "Already the first of two rounds is off, which is right where there is one: what is "
            "done before the first training?",
            "The first round is right, the second is not: its deviation is that of the weights "
            "that the *masks* keep, `quality` is the same, and what is pruned stays pruned.",
        ),
    ),
    probe(
        "one round by hand: below 0.5 standard deviations",
        lambda: by_hand(quality=0.5, rounds=1, steps=2, lr=0.5),
        weights_trace,
        TRACE,
    ),
    probe(
        "what is left is all alike: the second threshold is 0",
        all_alike,
        weights_trace,
        "What is left is all alike, so the second threshold is 0: what was pruned stays pruned, "
        "what is left stays.",
    ),
    probe(
        "two rounds of a network that moves",
        lambda: moving(quality=0.6, rounds=2, steps=3, lr=0.2),
        weights_trace,
        "What is new is that the weights move in the training: each round looks at the weights of "
        "*now* that its masks still keep, and lets them be.",
    ),
    probe(
        "three rounds",
        lambda: moving(quality=0.3, rounds=3, steps=2, lr=0.1),
        weights_trace,
        TRACE,
    ),
    probe(
        "quality 0 prunes nothing",
        lambda: moving(quality=0.0, rounds=2, steps=1, lr=0.1),
        weights_trace,
        TRACE,
    ),
]


def falling(steps: int) -> list[float]:
    """A learning rate that falls in every step."""
    return [0.1 - 0.1 * step / steps for step in range(steps)]


NOT_HELD = "In the last step nothing is held at zero: hand the masks to `train` to the end."
FINAL_SHARE = (
    "At the end each layer has lost `round(0.7 * n)` of its *own* n weights: the cubic reaches "
    "`final` at t_0 + n·Δt, as a share of all weights of the layer, and stays there."
)
ZHU = [
    probe(
        "`train` is to get the network that was handed in, no copy",
        lambda: by_hand(final=0.5, start=0, every=1, updates=1, lrs=falling(3)),
        itself,
        ITSELF,
    ),
    probe(
        "eight steps, choices before steps 2, 4 and 6: each step has its learning rate, once",
        lambda: by_hand(final=0.5, start=2, every=2, updates=2, lrs=falling(8)),
        rates,
        of_rates("each step of `lrs` is made once, at its own rate, to the end of the list"),
    ),
    probe(
        "t_0 = 3: in steps 0 to 3 all eight weights are there (the cubic begins at 0)",
        lambda: by_hand(final=0.75, start=3, every=2, updates=2, lrs=falling(9)),
        first_steps(4),
        "Nothing is pruned up to step t_0: no masks are chosen before it, and at t_0 the cubic is "
        "0; `final` is the share that goes.",
    ),
    probe(
        "the last step: of 24 and of 18 weights each layer has lost the final share, 0.7",
        lambda: resting(final=0.7, start=1, every=2, updates=2, lrs=falling(8)),
        last_step,
        lambda got, expected: (
            NOT_HELD if sum(got["weights kept in the last step"].values()) == 42 else FINAL_SHARE
        ),
    ),
    probe(
        "t_0 = 1, Δt = 2, n = 2: the masks are new in steps 3 and 5, and stay in between",
        lambda: by_hand(final=0.75, start=1, every=2, updates=2, lrs=falling(8)),
        changes,
        "The end is right, the steps in which masks change are not: before t_0, t_0 + Δt, ..., "
        "t_0 + n·Δt, counted from 0, the cubic gives a new share, which is not rounded, and in "
        "between nothing changes.",
    ),
    probe(
        "half-way of the cubic, 1 - (1 - ½)³ = 7/8 of the final share are gone",
        lambda: by_hand(final=1.0, start=0, every=1, updates=2, lrs=falling(3)),
        first_steps(2),
        "The beginning and the end of the cubic are right, half-way it is not: "
        "`cubic_sparsity(step, start, every, updates, final)`, with n·Δt steps from t_0 to the "
        "end.",
    ),
    probe(
        "half of a layer: the smallest magnitudes, as the masks of the last step say",
        lambda: weights_of(
            [[0.1, -0.2, 0.3, -0.4], [1.0, 4.0, -3.0, 2.0]],
            final=0.5,
            start=0,
            every=1,
            updates=1,
            lrs=falling(3),
        ),
        returned,
        of_masks(
            "The number in the last step was right, that of the masks returned is not: return "
            "those of the last step, True = keep.",
            "As many weights stay as should, but others: the smallest *magnitudes* of a layer go.",
        ),
    ),
    probe(
        "weights that are the same in single precision: the smallest of them go",
        lambda: weights_of(HAIR, final=0.5, start=0, every=1, updates=1, lrs=falling(3)),
        returned,
        HAIR_CAUSE,
    ),
    probe(
        "two layers, nothing moves: in every step both have lost the same share",
        lambda: resting(final=0.75, start=1, every=2, updates=2, lrs=falling(7)),
        kept,
        "One layer is right, two are not: at *every* choice, not only at the last one, each layer "
        "loses the share that the cubic gives of its own weights.",
    ),
    probe(
        "four updates of a network that moves: what is small before the step",
        lambda: moving(final=0.8, start=2, every=2, updates=3, lrs=falling(13)),
        weights_trace,
        "The weights move in this training, and there is more of it after the last choice: choose "
        "masks by the magnitudes right *before* the step, and train to the end of `lrs`.",
    ),
    probe(
        "four steps without pruning, then an update before every step",
        lambda: moving(final=0.9, start=4, every=1, updates=8, lrs=falling(14)),
        weights_trace,
        "Pruning begins at step 4 here, with a choice before every step: nothing is pruned before "
        "t_0.",
    ),
    probe(
        "an update before every step, the last one before the last step",
        lambda: moving(final=0.5, start=0, every=1, updates=4, lrs=falling(5)),
        weights_trace,
        TRACE,
    ),
]

RENDA = [
    probe(
        "`train` is to get the network that was handed in, no copy",
        lambda: by_hand(rounds=1, epoch_lrs=[0.1], epochs=1, steps_per_epoch=1),
        itself,
        ITSELF,
    ),
    probe(
        "one round: the rates of the last two of four epochs, each for three steps",
        lambda: by_hand(rounds=1, epoch_lrs=[0.4, 0.3, 0.2, 0.1], epochs=2, steps_per_epoch=3),
        rates,
        of_rates("one round makes the last 2 of the 4 epochs, 3 steps each at their rate"),
    ),
    probe(
        "three rounds: those rates three times, whole each time",
        lambda: by_hand(rounds=3, epoch_lrs=[0.4, 0.3, 0.2, 0.1], epochs=2, steps_per_epoch=2),
        rates,
        of_rates("each of the three rounds makes the last 2 of the 4 epochs, whole"),
    ),
    probe(
        "one layer, three rounds: of 43, 34 and 27 weights a fifth goes, rounded",
        lambda: weights_of(
            [[float(i) for i in range(1, 44)]],
            rounds=3, epoch_lrs=[0.1], epochs=1, steps_per_epoch=1,
        ),
        kept,
        of_kept(
            "Already the first round is off: 20 % of 43, rounded, are 9 weights, and `train` "
            "holds them at zero: it gets the new masks.",
            "The first round is right, a later one is not: it prunes 20 % of the weights *still "
            "there*, rounded, and what is pruned stays pruned: 34, 27 and 22 are left.",
        ),
    ),
    probe(
        "one round: the masks that come back are those that `train` got, True = keep",
        lambda: weights_of(
            [[3.0, 0.5, 1.0, -2.0, 5.0]], rounds=1, epoch_lrs=[0.1], epochs=1, steps_per_epoch=1
        ),
        returned,
        of_masks(
            "The numbers in the training were right, that of the masks returned is not: return "
            "those of the last round, True = keep.",
            "As many weights stay as should, but others: the smallest *magnitudes* go.",
        ),
    ),
    probe(
        "two of ten weights are 0, and nothing has been pruned: they are there, and go first",
        lambda: weights_of(
            [[3.0, 0.0, 1.0, -2.0, 5.0, 4.0, 0.0, -6.0, 7.0, 8.0]],
            rounds=1, epoch_lrs=[0.1], epochs=1, steps_per_epoch=1,
        ),
        returned,
        "Two weights are 0 before the first round, and nothing is pruned then: they count as "
        "weights that are there, and are the smallest.",
    ),
    probe(
        "two layers, one round: the smallest of both together",
        lambda: resting(rounds=1, epoch_lrs=[0.1], epochs=1, steps_per_epoch=1),
        kept,
        "One layer is right, two are not: *one* ranking of all weights of the network, and a "
        "fifth of all of them goes.",
    ),
    probe(
        "weights that are the same in single precision: the smallest of them go",
        lambda: weights_of(HAIR, rounds=1, epoch_lrs=[0.1], epochs=1, steps_per_epoch=1),
        returned,
        "Weights of nearly the same magnitude are ranked wrongly, and plain ones rightly: rank "
        "the magnitudes of now as they are, without rounding, and without subtracting anything.",
    ),
    probe(
        "one round by hand: a fifth of eight weights",
        lambda: by_hand(rounds=1, epoch_lrs=[0.4, 0.2, 0.1], epochs=2, steps_per_epoch=2),
        weights_trace,
        TRACE,
    ),
    probe(
        "three rounds of a network that moves: each ranks the weights as they are then",
        lambda: moving(rounds=3, epoch_lrs=[0.4, 0.3, 0.2, 0.1], epochs=2, steps_per_epoch=2),
        weights_trace,
        "The weights move in this training: each round ranks them as they are *now*, and they go "
        "on from where they are.",
    ),
    probe(
        "five rounds, the whole schedule replayed",
        lambda: moving(rounds=5, epoch_lrs=[0.3, 0.1], epochs=2, steps_per_epoch=1),
        weights_trace,
        TRACE,
    ),
]  # fmt: skip


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


def total(_: Any, inputs: Inputs) -> Values:
    """How many filters are left in all layers together."""
    left = [block.conv1.out_channels for block in inputs["model"].blocks()]
    return {"filters left in all layers together": sum(left)}


def totals(_: Any, inputs: Inputs) -> Values:
    """How many filters all layers have together in each step."""
    return {"filters of all layers in each step": [sum(step) for step in inputs["train"].filters]}


def in_steps(_: Any, inputs: Inputs) -> Values:
    """How many filters each layer has in each step."""
    return {"filters per step": inputs["train"].filters}


def left(_: Any, inputs: Inputs) -> Values:
    """Which filters are left in each layer, by their labels."""
    labels = [block.bn1.bias.detach() for block in inputs["model"].blocks()]
    return {"filters left": [[round((x - 0.3) * 100) for x in label.tolist()] for label in labels]}


def zeros_in_steps(_: Any, inputs: Inputs) -> Values:
    """How many filters each layer has in each step, and how many are zero."""
    trace = inputs["train"]
    return {"zero filters per step": trace.zeros, "filters per step": trace.filters}


def zeros_elsewhere(_: Any, inputs: Inputs) -> Values:
    """How many more zeros there are than in step 0 in parameters of other layers."""
    found = inputs["train"].elsewhere
    return {"new zeros in other layers, per step": [count - found[0] for count in found]}


def pushes(_: Any, inputs: Inputs) -> Values:
    """How far each γ is pushed towards zero in the first step."""
    return {"push on each γ towards zero": inputs["train"].towards[0]}


def pushes_in_steps(_: Any, inputs: Inputs) -> Values:
    """How far all γ together are pushed in each step."""
    return {"sum of all pushes on γ per step": inputs["train"].pushes}


def other_pushes(_: Any, inputs: Inputs) -> Values:
    """How far all other parameters are pushed in each step."""
    return {"sum of all pushes on other parameters": inputs["train"].others}


def first_block(weight: Tensor, **arguments: Any) -> Inputs:
    """Filters of the first block that are given, `(4, 2, 3, 3)`; nothing moves."""
    inputs = tiny(0.0, **arguments)
    inputs["model"].layer1[0].conv1.weight.data = weight.double()
    return inputs


def by_a_hair(p: int) -> Tensor:
    """Four filters whose p-norms are the same in single precision: 1 and 3 have the least."""
    weight = normal(4, 2, 3, 3, seed=5)
    norms = weight.flatten(1).norm(p, dim=1)
    wanted = 1 + 1e-9 * torch.tensor([7.0, 1.0, 5.0, 3.0]).double()
    return weight * (wanted / norms)[:, None, None, None]


def scales_by_a_hair() -> Inputs:
    """Twelve scales that are the same in single precision."""
    inputs = tiny(0.0, strength=0.0, sparsity=0.5, lrs=[0.1])
    order = 1 + 1e-9 * torch.tensor([3.0, 11, 6, 1, 8, 2, 12, 5, 9, 4, 10, 7]).double()
    for block, scales in zip(inputs["model"].blocks(), order.split([4, 3, 5]), strict=True):
        block.bn1.weight.data = scales.clone()
    return inputs


def alike() -> Tensor:
    """Three filters that are all the same, and a larger one."""
    weight = torch.ones(4, 2, 3, 3)
    weight[2] = 2.0
    return weight


def one_dead() -> Tensor:
    """Filter 2 of four is zero."""
    weight = normal(4, 2, 3, 3, seed=6)
    weight[2] = 0.0
    return weight


def l1_and_l2_differ() -> Inputs:
    """By the L1 norm the spread filter is the larger one, by the L2 norm the one with a peak."""
    inputs = tiny(0.0, sparsity=0.25, skip=[], epoch_lrs=[0.1, 0.01], epochs=1, steps_per_epoch=2)
    weight = inputs["model"].layer1[0].conv1.weight.data.fill_(1.0)
    weight[1], weight[3] = 0.3, 0.0
    weight[3, 0, 1, 1] = 4.0  # L1 5.4 and 4, L2 1.3 and 4
    return inputs


SKIP = ["layer1.1.conv1"]
LAST = {"epoch_lrs": [0.1, 0.01], "epochs": 1, "steps_per_epoch": 2}
LI = [
    probe(
        "`train` is to get the network that was handed in, no copy",
        lambda: tiny(0.0, sparsity=0.25, skip=[], **LAST),
        itself,
        ITSELF,
    ),
    probe(
        "two epochs of three steps, all at the rate with which [0.05, 0.2, 0.1] ends",
        lambda: tiny(
            0.0, sparsity=0.25, skip=[], epoch_lrs=[0.05, 0.2, 0.1], epochs=2, steps_per_epoch=3
        ),
        rates,
        of_rates(
            "`epochs * steps_per_epoch` steps, in one retraining, all at the last rate of "
            "`epoch_lrs`"
        ),
    ),
    probe(
        "of 4, 3 and 5 filters `round(0.25 * out)` are removed, 1 of each",
        lambda: tiny(0.0, sparsity=0.25, skip=[], **LAST),
        sizes,
        "No layer is to be skipped here: each of `free_convs(model)` loses `round(0.25 * out)` "
        "filters, and they are really removed.",
    ),
    probe(
        "of three layers the second is skipped, the others are not",
        lambda: tiny(0.0, sparsity=0.5, skip=list(SKIP), **LAST),
        sizes,
        "Without `skip` all is right: the layers whose whole name is in `skip` keep all filters, "
        "and the others, before and after them, lose theirs.",
    ),
    probe(
        "the second and the third layer are skipped",
        lambda: tiny(0.0, sparsity=0.5, skip=[*SKIP, "layer2.0.conv1"], **LAST),
        sizes,
        "One name in `skip` is right, two are not: each name in it counts.",
    ),
    probe(
        "before the first step of the retraining all layers are small",
        lambda: tiny(0.0, sparsity=0.25, skip=[], **LAST),
        in_steps,
        "The sizes are right in the end, but not in the training: the filters go before its first "
        "step.",
    ),
    probe(
        "sparsity 1: one filter of each layer stays",
        lambda: tiny(0.0, sparsity=1.0, skip=[], **LAST),
        sizes,
        "With a sparsity of 1 one filter of each layer stays, and no more (`filter_mask`).",
    ),
    probe(
        "three of four filters are the same: one of them goes, as the share says",
        lambda: first_block(alike(), sparsity=0.25, skip=[], **LAST),
        sizes,
        "Three filters are the same: the share says how many go, so a threshold does not.",
    ),
    probe(
        "three of four filters are zero: one of them goes, as the share says",
        lambda: first_block(alike() - 1, sparsity=0.25, skip=[], **LAST),
        sizes,
        "Three filters are zero: the share says how many go, whether they are zero or not.",
    ),
    probe(
        "which filters go: those of least L1 norm, the sum of magnitudes",
        l1_and_l2_differ,
        left,
        of_filters(
            "The sizes are not right for these weights.",
            "As many filters are left as should be, but others: those of least L1 norm go, the "
            "sum of the magnitudes of *all* weights of a filter of `conv1`, in each layer by "
            "itself.",
        ),
    ),
    probe(
        "L1 norms that are the same in single precision: the least of them goes",
        lambda: first_block(by_a_hair(1), sparsity=0.5, skip=[], **LAST),
        left,
        "The filters of the first layer have nearly the same L1 norm here: is it the sum of the "
        "magnitudes of *all* weights of a filter of `conv1`, as it is, without rounding?",
    ),
    probe(
        "a quarter of each layer, nothing moves",
        l1_and_l2_differ,
        filters_trace,
        TRACE,
    ),
    probe(
        "half of each layer but a sensitive one",
        lambda: tiny(
            sparsity=0.5, skip=list(SKIP), epoch_lrs=[0.05, 0.2, 0.1], epochs=2, steps_per_epoch=2
        ),
        filters_trace,
        TRACE,
    ),
    probe(
        "a share that leaves one filter",
        lambda: tiny(sparsity=0.9, skip=[], epoch_lrs=[0.2, 0.1], epochs=2, steps_per_epoch=1),
        filters_trace,
        TRACE,
    ),
]

LIU = [
    probe(
        "`train` is to get the network that was handed in, no copy",
        lambda: tiny(0.0, strength=0.1, sparsity=0.5, lrs=[0.1]),
        itself,
        ITSELF,
    ),
    probe(
        "the first training goes through [0.3, 0.2, 0.1], and so does the second",
        lambda: tiny(0.0, strength=0.1, sparsity=0.5, lrs=[0.3, 0.2, 0.1]),
        rates,
        of_rates("two trainings, and each of them goes through the whole list `lrs`"),
    ),
    probe(
        "λ = 0.01: in a step of the first training each γ is pushed towards zero by 0.01",
        lambda: tiny(0.0, strength=0.01, sparsity=0.5, lrs=[0.2, 0.1]),
        pushes,
        of_pushes,
    ),
    probe(
        "all γ are pushed in both steps of the first training, and in none of the second",
        lambda: tiny(0.0, strength=0.01, sparsity=0.5, lrs=[0.2, 0.1]),
        pushes_in_steps,
        "The first step is right, others are not: every step of the first training has the same "
        "penalty, and no step of the second one has any.",
    ),
    probe(
        "nothing but γ is pushed",
        lambda: tiny(0.0, strength=0.01, sparsity=0.5, lrs=[0.2, 0.1]),
        other_pushes,
        "The pushes on γ are right, but others are there, too: nothing but the `weight` of each "
        "batch normalisation gets a penalty.",
    ),
    probe(
        "of twelve filters `round(0.3 * 12)` are removed: eight are left",
        lambda: tiny(0.0, strength=0.01, sparsity=0.3, lrs=[0.1]),
        total,
        "Of the 12 filters of all layers together `round(0.3 * 12)` go, 4, and they are really "
        "removed; `sparsity` is the share that goes.",
    ),
    probe(
        "the smallest |γ| of all three layers together go",
        lambda: tiny(0.0, strength=0.01, sparsity=0.5, lrs=[0.1]),
        left,
        of_filters(
            "With 30 % the number of filters was right, with 50 % it is not: `round(0.5 * 12)` of "
            "all layers together go.",
            "As many filters are left as should be, but others: *one* ranking of all three "
            "layers, by |γ| of `bn1` after the first training; the smallest go, and one filter "
            "stays in each layer, no more.",
        ),
    ),
    probe(
        "the second training has the small network",
        lambda: tiny(0.0, strength=0.01, sparsity=0.5, lrs=[0.2, 0.1]),
        totals,
        "The right filters are left in the end, but the second training has not met the small "
        "network: they go between the two trainings.",
    ),
    probe(
        "γ that are the same in single precision: the smallest of them go",
        scales_by_a_hair,
        left,
        HAIR_CAUSE,
    ),
    probe(
        "half of twelve filters, a weak penalty",
        lambda: tiny(strength=0.01, sparsity=0.5, lrs=[0.2, 0.1]),
        filters_trace,
        TRACE,
    ),
    probe(
        "a strong penalty that changes the ranking",
        lambda: tiny(strength=1.0, sparsity=1 / 3, lrs=[0.3, 0.2, 0.1]),
        filters_trace,
        "The penalty is strong and changes the ranking: the filters are ranked after the first "
        "training, by the |γ| of then.",
    ),
    probe(
        "five filters, where a layer keeps one of the weakest",
        lambda: weak_layer(0.4, strength=0.001, sparsity=5 / 12, lrs=[0.1]),
        filters_trace,
        "All filters of a layer are among the weakest here: one of them stays, and another one "
        "goes in its place, so that the number is the same (`filter_masks`).",
    ),
    probe(
        "one filter stays in each layer",
        lambda: tiny(strength=0.1, sparsity=0.9, lrs=[0.1]),
        filters_trace,
        TRACE,
    ),
]

MOLCHANOV = [
    probe(
        "`train` is to get the network that was handed in, no copy",
        lambda: tiny(0.0, rounds=1, filters=1, steps=1, last_steps=1, lr=0.1),
        itself,
        ITSELF,
    ),
    probe(
        "two rounds of three steps and one last step: seven steps at 0.1",
        lambda: tiny(0.0, rounds=2, filters=1, steps=3, last_steps=1, lr=0.1),
        rates,
        of_rates("`rounds` times `steps` steps and `last_steps` at the end, all at lr"),
    ),
    probe(
        "no last steps: the training ends with the last round",
        lambda: tiny(0.0, rounds=2, filters=1, steps=1, last_steps=0, lr=0.1),
        rates,
        of_rates("two rounds of one step, and no last steps"),
    ),
    probe(
        "three rounds of two steps: after each round two of all filters go",
        lambda: tiny(0.0, rounds=3, filters=2, steps=2, last_steps=2, lr=0.1),
        totals,
        "After each of the three rounds, and before the next steps, the two lowest of *all* "
        "filters are really removed: 12, 10, 8, then 6 are left.",
    ),
    probe(
        "one round of one minibatch: the two lowest scores of all layers",
        lambda: tiny(0.0, rounds=1, filters=2, steps=1, last_steps=0, lr=0.1),
        left,
        of_filters(
            "The number of filters is not right for this round.",
            "As many filters are left as should be, but others: the lowest scores of all layers "
            "in *one* ranking, (dL/dz)² of the gates on this minibatch (`gate_scores`).",
        ),
    ),
    probe(
        "one round of four minibatches, seven filters go: the mean of the scores of each",
        lambda: tiny(0.0, rounds=1, filters=7, steps=4, last_steps=0, lr=0.1),
        left,
        of_filters(
            "Seven filters go in one round, and one stays in each layer.",
            "One minibatch was right, four are not: the scores are the *mean* over all minibatches "
            "of the round of (dL/dz)², in evaluation mode, compared between layers as they are; "
            "one filter stays in each layer, no more.",
        ),
    ),
    probe(
        "two rounds, nothing moves: each scores its own minibatches",
        lambda: tiny(0.0, rounds=2, filters=3, steps=2, last_steps=0, lr=0.1),
        left,
        of_filters(
            "One round was right, the number after two is not: three filters go in each.",
            "One round was right, two are not: each round scores the filters that are left, on "
            "*all* minibatches of *its* training, by the mean of squares, and ranks all layers "
            "together.",
        ),
    ),
    probe(
        "five filters, where a layer has the three lowest: it keeps one",
        lambda: weak_layer(0.0, rounds=1, filters=5, steps=2, last_steps=0, lr=0.1),
        sizes,
        "One layer has the three lowest scores: one of its filters stays, and another one goes in "
        "its place; scores of different layers are compared as they are.",
    ),
    probe(
        "one round: two of twelve filters",
        lambda: tiny(0.0, rounds=1, filters=2, steps=1, last_steps=2, lr=0.1),
        filters_trace,
        TRACE,
    ),
    probe(
        "four rounds of two filters, three minibatches each",
        lambda: weak_layer(0.4, rounds=4, filters=2, steps=3, last_steps=2, lr=0.01),
        filters_trace,
        "The weights move in this training: a round scores the network as it is *after* its "
        "steps, and ranks by the mean over its minibatches.",
    ),
    probe(
        "one round: five filters, where a layer keeps one of the weakest",
        lambda: weak_layer(0.0, rounds=1, filters=5, steps=2, last_steps=1, lr=0.1),
        filters_trace,
        TRACE,
    ),
    probe(
        "four rounds of three, and one filter stays in each layer",
        lambda: tiny(rounds=4, filters=3, steps=2, last_steps=1, lr=0.1),
        filters_trace,
        TRACE,
    ),
]

HE = [
    probe(
        "`train` is to get the network that was handed in, no copy",
        lambda: tiny(0.0, sparsity=0.5, epoch_lrs=[0.2, 0.1], steps_per_epoch=1),
        itself,
        ITSELF,
    ),
    probe(
        "three epochs of two steps: each epoch has its learning rate, and there are no others",
        lambda: tiny(0.0, sparsity=0.25, epoch_lrs=[0.3, 0.2, 0.1], steps_per_epoch=2),
        rates,
        of_rates(
            "each epoch makes `steps_per_epoch` steps at its own rate, and nothing follows the "
            "last one"
        ),
    ),
    probe(
        "half of 4, 3 and 5 filters: zero when the second epoch begins, not in its second step",
        lambda: tiny(sparsity=0.5, epoch_lrs=[0.2, 0.1], steps_per_epoch=2),
        zeros_in_steps,
        of_zeros,
    ),
    probe(
        "filters are zeroed in place: an optimizer trains the parameters that it knows",
        lambda: tiny(sparsity=0.5, epoch_lrs=[0.3, 0.2, 0.1], steps_per_epoch=1),
        parameters_stay,
        "An optimizer goes on with the parameters that it knows: set entries of `weight.data` to "
        "zero, and leave the parameters and layers where they are until the end.",
    ),
    probe(
        "nothing is zeroed in other layers",
        lambda: tiny(0.0, sparsity=0.5, epoch_lrs=[0.2, 0.1], steps_per_epoch=1),
        zeros_elsewhere,
        "Only the filters of free convolutions, `conv1` of each block, are zeroed: no other "
        "layer, and nothing of the batch normalisation.",
    ),
    probe(
        "the end: of 4, 3 and 5 filters `round(0.5 * out)` are removed",
        lambda: tiny(sparsity=0.5, epoch_lrs=[0.2, 0.1], steps_per_epoch=2),
        sizes,
        "In the training all is right, at the end it is not: `round(0.5 * out)` filters of each "
        "layer, those zeroed after the last epoch, are really removed.",
    ),
    probe(
        "two filters were zero before: one of them goes",
        dead_filters,
        sizes,
        "Two filters were zero before, and one is to go: as many as the share says, whether "
        "others are zero or not.",
    ),
    probe(
        "which filters go: those of least L2 norm",
        l2_and_peak_differ,
        left,
        of_filters(
            "The number of filters is not right for these weights.",
            "As many filters are left as should be, but others: those of least L2 norm go, the "
            "root of the sum of squares of *all* weights of a filter of `conv1`.",
        ),
    ),
    probe(
        "three epochs: what is removed are the weakest filters after the last one",
        lambda: tiny(9.0, sparsity=0.4, epoch_lrs=[0.3, 0.2, 0.1], steps_per_epoch=1),
        left,
        "The filters move from epoch to epoch here: choose them again after each epoch, and "
        "remove those that were chosen after the *last* one.",
    ),
    probe(
        "a filter that is zero already is the weakest: it goes",
        lambda: first_block(one_dead(), sparsity=0.25, epoch_lrs=[0.1], steps_per_epoch=1),
        left,
        "A filter that is zero already has the least norm of all: it is ranked as the others are, "
        "and goes first.",
    ),
    probe(
        "L2 norms that are the same in single precision: the least of them go",
        lambda: first_block(by_a_hair(2), sparsity=0.5, epoch_lrs=[0.1], steps_per_epoch=1),
        left,
        HAIR_CAUSE,
    ),
    probe(
        "one epoch: half of each layer",
        lambda: tiny(sparsity=0.5, epoch_lrs=[0.1], steps_per_epoch=2),
        filters_trace,
        TRACE,
    ),
    probe(
        "a quarter of each layer, nothing moves",
        l2_and_peak_differ,
        filters_trace,
        TRACE,
    ),
    probe(
        "three epochs: filters grow back",
        lambda: tiny(1.0, sparsity=0.4, epoch_lrs=[0.3, 0.2, 0.1], steps_per_epoch=2),
        filters_trace,
        TRACE,
    ),
    probe(
        "four epochs of one step",
        lambda: tiny(0.7, sparsity=0.6, epoch_lrs=[0.4, 0.3, 0.2, 0.1], steps_per_epoch=1),
        filters_trace,
        TRACE,
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
