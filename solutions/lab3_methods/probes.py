"""What the checks of lab 3 look at: networks small enough to follow by hand, and their traces."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab.checks import Lab, Probe, Values, by_value, same, schedules
from pruninglab.checks.allocation import whole_subset
from pruninglab.models import Block

Inputs = dict[str, Any]


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Random numbers in double precision, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give a model random parameters in double precision, the same each time."""
    model.double()
    for i, parameter in enumerate(model.parameters()):
        parameter.data = normal(*parameter.shape, seed=100 * seed + i)
    return model


# --- train_masked -------------------------------------------------------------------------------


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of the dense training."""
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)


def adam(model: nn.Module) -> torch.optim.Optimizer:
    """Another one, which remembers other things than SGD does."""
    return torch.optim.Adam(model.parameters(), lr=0.05, weight_decay=0.01)


def batches(count: int, size: int, features: int, classes: int) -> list[tuple[Tensor, Tensor]]:
    """Random batches (x, y)."""
    labels = torch.arange(count * size).view(count, size) % classes
    return [(normal(size, features, seed=i), labels[i]) for i in range(count)]


def one_layer() -> Inputs:
    """Two inputs, two classes, a weight of each pruned, one kept although it is zero."""
    model = nn.Linear(2, 2, bias=False).double()
    model.weight.data = torch.tensor([[1.0, -2.0], [0.5, 0.0]], dtype=torch.float64)
    masks = {"weight": torch.tensor([[True, False], [False, True]])}
    data = batches(2, size=4, features=2, classes=2)
    return {
        "model": model,
        "optimizer": sgd(model),
        "masks": masks,
        "data": data,
        "lrs": [0.5, 0.1],
    }


def one_plain_step() -> Inputs:
    """The first of these batches, with SGD that remembers nothing."""
    inputs = one_layer()
    optimizer = torch.optim.SGD(inputs["model"].parameters(), lr=0.05)
    return inputs | {"optimizer": optimizer, "data": inputs["data"][:1], "lrs": [0.5]}


def after_dense_training(
    make: Callable[[nn.Module], torch.optim.Optimizer], steps: int, free: bool = False
) -> Inputs:
    """Two layers and batch normalisation, trained for some steps: the momentum is not zero.

    A `free` layer between them has no mask.
    """
    between = (nn.Linear(4, 4),) if free else ()
    layers = (nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), *between, nn.Linear(4, 2))
    model = randomise(nn.Sequential(*layers))
    optimizer = make(model)
    data = batches(steps, size=6, features=3, classes=2)
    for x, y in data[:5]:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    last = f"{len(layers) - 1}.weight"
    masks = {"0.weight": normal(4, 3, seed=8) > 0.3, last: normal(2, 4, seed=9) > 0}
    return {
        "model": model.eval(),
        "optimizer": optimizer,
        "masks": masks,
        "data": data,
        "lrs": [0.05 - 0.001 * i for i in range(steps)],
    }


def rounded(x: Tensor) -> Tensor:
    """To nine decimals: the last digits depend on the number of threads."""
    return x.detach().mul(1e9).round().div(1e9) if x.is_floating_point() else x


def trained(_: Any, inputs: Inputs) -> Values:
    """The weights afterwards."""
    weights = dict(inputs["model"].named_parameters())
    revived = {n: int(weights[n][~mask].count_nonzero()) for n, mask in inputs["masks"].items()}
    state = inputs["model"].state_dict()
    return {
        "pruned weights that are not zero": revived,
        "kept": {n: rounded(weights[n][mask]) for n, mask in inputs["masks"].items()},
        "training mode": inputs["model"].training,
        "others": {n: rounded(value) for n, value in state.items() if n not in inputs["masks"]},
    }


TRAINED = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked", "training")
OF_TRAINING = by_value(
    {
        "pruned weights that are not zero": "Pruned weights have to be 0 in *every* layer that has "
        "a mask, at the end of each step: mask after `optimizer.step()`, too.",
        "training mode": "The model is to be in training mode, while it trains and afterwards.",
        "kept": "The pruned weights are zero, the others are not what the optimizer makes of them: "
        "which batch, which rate, which gradient or which state is another one?",
        "others": "The masked layers are right, but another parameter or statistic is not: only "
        "what a mask says is held at zero, and nothing else is left out or changed.",
    }
)


def of_one_step(got: Values, expected: Values) -> str:
    """Whether a step of plain SGD goes the right way, but too far or not far enough."""
    start = torch.tensor([1.0, 0.0])  # of the weights that are kept
    moved, right = (seen["kept"]["weight"] - start for seen in (got, expected))
    times = moved / right
    if not OF_TRAINING(got, expected) or not same(times, times[:1].expand(2)):
        return OF_TRAINING(got, expected)
    return (
        f"The step goes the right way and is {times[0]:.3g} times as long as it should be: is the "
        "rate that of this step, the loss a mean, the gradient as it comes?"
    )


TRAIN_MASKED = [
    Probe(
        "one layer without momentum or weight decay, one step",
        one_plain_step,
        trained,
        changes_inputs=TRAINED,
        cause=of_one_step,
    ),
    Probe(
        "one layer, two steps",
        one_layer,
        trained,
        changes_inputs=TRAINED,
        cause="One step is right, two are not: each step has its batch and its rate, in their "
        "order, gradients are cleared, and the mask comes after *each* step.",
    ),
    Probe(
        "50 steps after a dense training, with momentum and weight decay",
        lambda: after_dense_training(sgd, 50),
        trained,
        changes_inputs=TRAINED,
        cause=OF_TRAINING,
    ),
    Probe(
        "a layer between that has no mask, five steps of Adam",
        lambda: after_dense_training(adam, 5, free=True),
        trained,
        changes_inputs=TRAINED,
        cause="SGD is right. Here is Adam, and a layer without a mask, which is not pruned: the "
        "optimizer does its own work, whichever it is, and keeps what it remembers.",
    ),
    Probe(
        "three steps, the second with a rate of 0",
        lambda: after_dense_training(sgd, 3) | {"lrs": [0.05, 0.0, 0.05]},
        trained,
        changes_inputs=TRAINED,
        cause="A step with a rate of 0 is a step: momentum and BN statistics go on.",
    ),
]


# --- prune_remaining ----------------------------------------------------------------------------


def by_layer(masks: Any, inputs: Inputs) -> Values:
    """One mask a layer, in the order of the weights; which of them are no new ones."""
    shown: Values = {f"mask of {name}": masks[name] for name in inputs["weights"]}
    old = [name for name, given in inputs["masks"].items() if masks[name] is given]
    return shown | {"masks that are the ones given": old}


def counts(masks: Any, inputs: Inputs) -> Values:
    """Where several answers are right, only the number that remains is compared."""
    return {"remaining": sum(int(masks[name].sum()) for name in inputs["weights"])}


def two_layers(share: float, pruned: bool) -> Inputs:
    """Seven weights in two layers; three of them may be gone already."""
    masks = {"a": torch.ones(4, dtype=torch.bool), "b": torch.ones(3, dtype=torch.bool)}
    weights = {"a": torch.tensor([0.0, -5.0, 0.3, 4.0]), "b": torch.tensor([-0.2, 0.0, 0.1])}
    if pruned:  # one of the three has not been set to zero
        masks = {
            "a": torch.tensor([False, True, True, False]),
            "b": torch.tensor([True, False, True]),
        }
        # and one that is still there is zero; as parameters, which is what a network has
        weights = {
            "a": nn.Parameter(torch.tensor([0.0, -5.0, 0.0, 4.0])),
            "b": nn.Parameter(torch.tensor([-9.0, 0.0, 7.0])),
        }
    return {"weights": weights, "masks": masks, "share": share}


def ten_in_order() -> Inputs:
    """Ten weights 1 .. 10, four of them gone and zero; 0.45 of the other six."""
    weights = torch.arange(1.0, 11).view(2, 5)
    mask = weights > 4
    return {"weights": {"a": weights * mask}, "masks": {"a": mask}, "share": 0.45}


def five_of_ten() -> Inputs:
    """Ten weights 1 .. 10, five of them gone; half of the others."""
    weights = torch.arange(1.0, 11).view(2, 5)
    return {"weights": {"a": weights}, "masks": {"a": weights > 5}, "share": 0.5}


def all_equal() -> Inputs:
    """Twenty weights of the same magnitude."""
    weights = {"a": torch.full((4, 5), -2.0)}
    return {"weights": weights, "masks": {"a": torch.arange(20).view(4, 5) > 7}, "share": 0.5}


def another_order() -> Inputs:
    """Two layers of the same shape, whose masks come the other way round."""
    weights = {"a": torch.tensor([1.0, 5.0, 2.0]), "b": torch.tensor([4.0, 3.0, 6.0])}
    masks = {"b": torch.tensor([True, False, True]), "a": torch.tensor([False, True, True])}
    return {"weights": weights, "masks": masks, "share": 0.5}


def tiny_weights() -> Inputs:
    """Five weights in half precision, of which the third is gone."""
    weights = torch.tensor([7e-5, -2e-5, 5e-5, 3e-5, -1e-5]).half()
    return {"weights": {"a": weights}, "masks": {"a": torch.arange(5) != 2}, "share": 0.4}


def close_weights() -> Inputs:
    """Six weights in two layers that differ by a billionth; one is gone already."""
    weights = 1 - 1e-9 * torch.arange(6).double()
    masks = {"a": torch.tensor([True, False, True]), "b": torch.ones(3, dtype=torch.bool)}
    return {"weights": {"a": weights[:3], "b": -weights[3:]}, "masks": masks, "share": 0.4}


def of_masks(got: Values, expected: Values) -> str:
    """Whether another number of weights goes, or other ones."""
    names = [name for name in expected if name.startswith("mask of")]
    pairs = [(got.get(name), expected[name]) for name in names]
    if not all(isinstance(mask, Tensor) and mask.dtype == torch.bool for mask, _ in pairs):
        return "A mask is a tensor of True and False, of dtype bool."
    stay, asked = (sum(int(pair[side].sum()) for pair in pairs) for side in (0, 1))
    if stay != asked:
        return (
            f"{stay} weights are left, and {asked} should be: take `round(share * n)` of those "
            "that *remain*."
        )
    return "As many are left as should be, but not the right ones: look at what you rank by."


PRUNE_REMAINING = [
    Probe(
        "first round: 2/7 of seven weights",
        lambda: two_layers(2 / 7, False),
        by_layer,
        cause=of_masks,
    ),
    Probe(
        "a quarter of the four that remain",
        lambda: two_layers(0.25, True),
        by_layer,
        cause=of_masks,
    ),
    Probe("half of the four that remain", lambda: two_layers(0.5, True), by_layer, cause=of_masks),
    Probe(
        "nothing",
        lambda: two_layers(0.0, True),
        by_layer,
        cause="With a share of 0 nothing more goes, and what is pruned stays pruned.",
    ),
    Probe(
        "all that remain",
        lambda: two_layers(1.0, True),
        by_layer,
        cause="With a share of 1 all that remains goes.",
    ),
    Probe("0.45 of the six that remain of ten: round(2.7)", ten_in_order, by_layer, cause=of_masks),
    Probe(
        "the masks come in another order than the weights",
        another_order,
        by_layer,
        cause="A mask belongs to the weights of its own *name*, in whatever order the two dicts "
        "are.",
    ),
    Probe(
        "half precision: weights below 0.0001",
        tiny_weights,
        by_layer,
        cause="Tiny magnitudes have become equal: their squares are 0 in half precision.",
    ),
    Probe(
        "half of the five that remain of ten: round(2.5)",
        five_of_ten,
        by_layer,
        cause="Whole numbers are right, halves are not: take `round` of the number that *goes*.",
    ),
    Probe(
        "double precision: each weight 1e-9 below the one before",
        close_weights,
        by_layer,
        cause="Close weights have become equal: no cast, no rounding.",
    ),
    Probe(
        "ties: half of the twelve that remain of twenty",
        all_equal,
        counts,
        cause="Choose *places*, not all that is below a threshold: of equal weights some may go.",
    ),
]


# --- cubic_sparsity -----------------------------------------------------------------------------


def schedule(step: int, initial: float = 0.0) -> Inputs:
    """Three updates after the first, 100 steps apart, from step 200 on."""
    return {
        "step": step, "start": 200, "every": 100, "updates": 3, "final": 0.9, "initial": initial,
    }  # fmt: skip


AT_AN_UPDATE = (
    "At update k of n, 1 - k / n is left of the way: to the power of 3, times (initial - final), "
    "and final is added."
)
CUBIC_SPARSITY = [
    Probe(
        "the first update",
        lambda: schedule(200),
        cause="At t_0 the sparsity is `initial`, a number.",
    ),
    Probe("the second of four updates", lambda: schedule(300), cause=AT_AN_UPDATE),
    Probe("the third of four updates", lambda: schedule(400), cause=AT_AN_UPDATE),
    Probe("the last update", lambda: schedule(500), cause="At the last update it is `final`."),
    Probe(
        "between two updates",
        lambda: schedule(399),
        cause="At the updates all is right: between two of them the last one is in force.",
    ),
    Probe(
        "before the start",
        lambda: schedule(40),
        cause="From t_0 on all is right: before it the sparsity is `initial`, not less.",
    ),
    Probe(
        "long after the end",
        lambda: schedule(5000),
        cause="Up to the last update all is right: after it the sparsity stays `final`.",
    ),
    Probe(
        "from a sparsity of 0.5, first update",
        lambda: schedule(200, initial=0.5),
        cause="From a sparsity of 0 all is right: `initial` may be another one.",
    ),
    Probe(
        "from a sparsity of 0.5, second update",
        lambda: schedule(310, initial=0.5),
        cause="From a sparsity of 0 all is right: the way is initial - final.",
    ),
    Probe(
        "from a sparsity of 0.5, before the start",
        lambda: schedule(0, initial=0.5),
        cause="Before t_0 it is `initial`, not 0.",
    ),
    Probe(
        "between two updates, t_0 no multiple of Δt",
        lambda: schedule(65) | {"start": 30, "every": 20},
        cause="Count the updates from t_0 on: it need not be a multiple of Δt.",
    ),
    Probe(
        "to a sparsity of 0.999, the last update",
        lambda: schedule(500) | {"final": 0.999},
        cause="0.9 at the end is right, 0.999 is not: is anything rounded or limited?",
    ),
]


# --- prune_and_retrain --------------------------------------------------------------------------


def smallest(model: nn.Module, sparsity: float) -> dict[str, Tensor]:
    """Masks without the smallest weights of a linear layer; writes down what is asked for."""
    model.asked.append(sparsity)
    ranks = model.weight.detach().abs().flatten().argsort().argsort()
    return {"weight": (ranks >= round(sparsity * len(ranks))).view_as(model.weight)}


def in_turn(model: nn.Module, sparsity: float) -> dict[str, Tensor]:
    """Masks without every second weight, and without the other ones in the next round.

    That of the second layer comes first, and keeps what the other one does not.
    """
    model.asked.append(sparsity)
    places = torch.arange(model.weight.numel()).view_as(model.weight)
    keep = places % 2 == len(model.asked) % 2
    return {"second.weight": ~keep, "weight": keep}


def retrain(model: nn.Module, masks: dict[str, Tensor], steps: int) -> None:
    """A fake training: adds 1, 2, 3, ... to the kept weights and writes down what it met."""
    made = steps if hasattr(steps, "__index__") else f"{steps}, a {type(steps).__name__}"
    mask = masks.get("weight", torch.zeros_like(model.weight, dtype=torch.bool)).clone()
    model.trace.append((made, model.weight.detach().clone(), mask))
    step = torch.arange(1.0, model.weight.numel() + 1).view_as(model.weight)
    model.weight.data += step * mask


def in_rounds(
    sparsities: list[float], steps: int, choose: Callable[[nn.Module, float], dict] = smallest
) -> Inputs:
    """A linear layer that remembers its retrainings."""
    model = nn.Linear(4, 2, bias=False)
    model.weight.data = torch.tensor([[2.5, -0.1, 1.9, -0.2], [-6.2, 0.4, -8.0, 0.3]])
    model.trace, model.asked = [], []
    if choose is in_turn:
        model.second = nn.Linear(4, 2, bias=False)
        model.second.weight.data = torch.arange(1.0, 9).view(2, 4)
    return {
        "model": model, "sparsities": sparsities, "steps": steps,
        "choose_masks": choose, "retrain": retrain,
    }  # fmt: skip


def rounds(masks: Any, inputs: Inputs) -> Values:
    """What each round met."""
    if not isinstance(masks, dict):
        return {"result": masks}
    model = inputs["model"]
    met = {
        f"round {i + 1}": {"steps": steps, "weight at its start": weight, "mask": mask}
        for i, (steps, weight, mask) in enumerate(model.trace)
    }
    end = {"weight at the end": model.weight, "returned mask": masks["weight"]}
    return {"sparsities asked for": model.asked, **met, **end}


def of_rounds(got: Values, expected: Values) -> str:
    """What the first round that differs met."""
    if got.get("sparsities asked for") != expected["sparsities asked for"]:
        return "Ask `choose_masks` once a round, for the sparsity of that round."
    for name in (name for name in expected if name.startswith("round")):
        met, right = got.get(name), expected[name]
        if not isinstance(met, dict):
            return "Call `retrain` once in each round, with the model itself."
        wrong = [part for part in right if not same(met.get(part), right[part])]
        texts = {
            "steps": f"{name}: the steps of all rounds together are given, each gets its share.",
            "weight at its start": f"{name} begins with other weights than it should: the masks "
            "are chosen of the network as it is *then*, set to zero what they do not keep, and "
            "nothing else, before `retrain`.",
            "mask": f"{name}: `retrain` gets the masks of its own round, all of them.",
        }
        if wrong:
            return texts.get(wrong[0], "")
    return "Each round is right: give back the masks of the last one, and change nothing after it."


PRUNE_AND_RETRAIN = [
    Probe(
        "one round",
        lambda: in_rounds([0.5], 60),
        rounds,
        changes_inputs=("weight",),
        cause=of_rounds,
    ),
    Probe(
        "three rounds of 20 steps",
        lambda: in_rounds([0.25, 0.5, 0.75], 60),
        rounds,
        changes_inputs=("weight",),
        cause=of_rounds,
    ),
    Probe(
        "two rounds, in which other weights go each time",
        lambda: in_rounds([0.4, 0.5], 10, in_turn),
        rounds,
        changes_inputs=("weight",),
        cause=of_rounds,
    ),
]


# --- retraining_lrs -----------------------------------------------------------------------------

WARM_UP = [0.001, 0.1, 0.1, 0.1, 0.02, 0.004]


def lrs(epochs: int, steps_per_epoch: int, rewind: bool, epoch_lrs: list[float]) -> Inputs:
    """Arguments of `retraining_lrs`."""
    return {
        "epoch_lrs": list(epoch_lrs),
        "epochs": epochs,
        "steps_per_epoch": steps_per_epoch,
        "rewind": rewind,
    }


def as_list(result: Any, inputs: Inputs) -> Values:
    """The learning rates, and whether they are still in tensors."""
    packed = any(isinstance(lr, Tensor) for lr in result)
    return {"tensors instead of numbers": packed, "result": [float(lr) for lr in result]}


REWIND = (
    "Rewinding replays the *last* `epochs` entries of the schedule, in their order, each as often "
    "as an epoch has steps: also those that are equal, or rise."
)
FINE_TUNE = "Fine-tuning holds the *last* rate of the training, for epochs * steps_per_epoch steps."
RETRAINING_LRS = [
    Probe(
        "rewind 2 of 4 epochs",
        lambda: lrs(2, 3, True, [1.0, 0.5, 0.1, 0.01]),
        as_list,
        cause=REWIND,
    ),
    Probe(
        "fine-tune 2 epochs",
        lambda: lrs(2, 3, False, [1.0, 0.5, 0.1, 0.01]),
        as_list,
        cause=FINE_TUNE,
    ),
    Probe("rewind 4 of 6 epochs, warm-up", lambda: lrs(4, 2, True, WARM_UP), as_list, cause=REWIND),
    Probe(
        "fine-tune 3 epochs, warm-up", lambda: lrs(3, 2, False, WARM_UP), as_list, cause=FINE_TUNE
    ),
    Probe("rewind the whole training", lambda: lrs(6, 1, True, WARM_UP), as_list, cause=REWIND),
]


# --- soft_filter_pruning ------------------------------------------------------------------------


def conv(filters: list[list[float]]) -> nn.Conv2d:
    """A 1x1 convolution with these filters, that remembers what its training steps met."""
    layer = nn.Conv2d(len(filters[0]), len(filters), 1, bias=False)
    layer.weight.data = torch.tensor(filters)[:, :, None, None]
    layer.trace = []
    return layer


def growing(layers: dict[str, nn.Conv2d], growth: dict[str, list[float]]) -> Callable[[], None]:
    """A fake training step: every filter grows at its own pace (of its first weight)."""
    weights = {name: layer.weight for name, layer in layers.items()}  # as an optimizer holds them

    def train_step() -> None:
        for name, layer in layers.items():
            layer.trace.append(int((layer.weight.flatten(1) == 0).all(dim=1).sum()))
            weight = weights[name]
            with torch.enable_grad():  # by its gradient, as in a real training
                loss = -(torch.tensor(growth[name]) * weight[:, 0, 0, 0]).sum()
                weight.data -= torch.autograd.grad(loss, weight)[0]

    return train_step


def soft(sparsity: float, epochs: int, steps: int) -> Inputs:
    """Two convolutions: in "a" the first filter is weak for a while, but grows fast."""
    layers = {
        "a": conv([[-1.7, 0.0], [1.0, 0.0], [1.4, 0.0], [1.0, 1.0]]),
        "b": conv([[50.0, 1.0], [2.0, 30.0], [3.0, 40.0], [4.0, 20.0]]),
    }
    growth = {"a": [0.9, 0.05, 0.02, 0.0], "b": [0.1, 0.2, 0.3, 0.4]}
    return {
        "convs": layers,
        "sparsity": sparsity,
        "epochs": epochs,
        "steps_per_epoch": steps,
        "train_step": growing(layers, growth),
    }


def softly(keep: Any, inputs: Inputs) -> Values:
    """Zero filters before each training step, what is left, and what is said to be left."""
    seen: Values = {}
    for name, layer in inputs["convs"].items():
        seen[f"zero filters of {name} before each step"] = layer.trace
        seen[f"weight of {name} at the end"] = layer.weight.flatten(1)
        seen[f"kept of {name}"] = keep[name]
    return seen


def soft_with_dead_filters(sparsity: float) -> Inputs:
    """Two filters are zero from the start; no filter grows."""
    inputs = soft(sparsity, epochs=2, steps=1)
    for layer in inputs["convs"].values():
        layer.weight.data[1:3] = 0
    growth = {name: [0.0] * 4 for name in inputs["convs"]}
    return inputs | {"train_step": growing(inputs["convs"], growth)}


def counted(keep: Any, inputs: Inputs) -> Values:
    """Of dead filters any may be chosen: how many are, and whether these are zero."""
    seen: Values = {}
    for name, layer in inputs["convs"].items():
        seen[f"filters of {name} that are kept"] = int(keep[name].sum())
        seen[f"sum of the others in {name}"] = layer.weight[~keep[name]].abs().sum()
    return seen


def of_soft(got: Values, expected: Values) -> str:
    """What differs first: the filters before a step, the weights at the end, or the masks."""
    wrong = [name for name in expected if not same(got.get(name), expected[name])]
    met = [name for name in wrong if name.endswith("before each step")]
    if met and len(got[met[0]]) != len(expected[met[0]]):
        return "There are `epochs * steps_per_epoch` training steps, of the whole network."
    if met:
        return (
            "A training step has met other zeros than it should: filters are zeroed *after* each "
            "epoch, by the full share, and nothing else is zeroed or held."
        )
    if wrong and wrong[0].startswith("weight"):
        return (
            "The last zeros are not the right ones: the filters of smallest L2 norm, the root of "
            "*all* squares of a filter, are exactly 0 at the end."
        )
    return "Give back, for each convolution, which filters were *not* chosen last."


SOFT_FILTER_PRUNING = [
    Probe(
        "one epoch of one step",
        lambda: soft(0.25, 1, 1),
        softly,
        changes_inputs=("weight",),
        cause=of_soft,
    ),
    Probe(
        "0.4 of four: round(1.6)",
        lambda: soft(0.4, 1, 1),
        softly,
        changes_inputs=("weight",),
        cause="One filter is right, two are not: rank by the L2 norm of all of a filter, and take "
        "`round` of the number that goes.",
    ),
    Probe(
        "0.625 of four: round(2.5)",
        lambda: soft(0.625, 1, 2),
        softly,
        changes_inputs=("weight",),
        cause="Half a filter goes to the even number: `round` of the number that *goes*.",
    ),
    Probe(
        "three epochs of two steps",
        lambda: soft(0.25, 3, 2),
        softly,
        changes_inputs=("weight",),
        cause=of_soft,
    ),
    Probe(
        "half of the filters",
        lambda: soft(0.5, 2, 3),
        softly,
        changes_inputs=("weight",),
        cause=of_soft,
    ),
    Probe(
        "two of four filters are dead before and do not grow",
        lambda: soft_with_dead_filters(0.25),
        counted,
        changes_inputs=("weight",),
        cause="Filters that are 0 before count as any other: `round(sparsity * out)` were chosen.",
    ),
    Probe(
        "all filters",
        lambda: soft(1.0, 1, 1),
        softly,
        changes_inputs=("weight",),
        cause="At sparsity 1 all filters are zeroed: the task names no exception.",
    ),
]


# --- add_sparsity_penalty -----------------------------------------------------------------------


def norm(gamma: list[float], gradient: list[float]) -> nn.BatchNorm2d:
    """A batch normalisation after a backward pass."""
    bn = nn.BatchNorm2d(len(gamma))
    bn.weight.data, bn.weight.grad = torch.tensor(gamma), torch.tensor(gradient)
    bn.bias.data, bn.bias.grad = torch.ones(len(gamma)), torch.full((len(gamma),), 0.5)
    return bn


def block() -> nn.Module:
    """A block of a ResNet with random parameters and gradients, inside another module.

    The last layers have scales, too, but no filters in front of them. One BN is in evaluation mode.
    """
    norms = (nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.BatchNorm1d(4))
    model = nn.Sequential(Block(2, 3, 4, stride=2, option="B"), *norms)
    randomise(model, seed=3)
    for i, parameter in enumerate(model.parameters()):
        parameter.grad = normal(*parameter.shape, seed=i)
    model[0].bn2.eval()
    return model


def gradients(_: Any, inputs: Inputs) -> Values:
    """All gradients and parameters afterwards."""
    named = dict(inputs["model"].named_parameters())
    after = {f"gradient of {name}": p.grad for name, p in named.items()}
    return after | {f"{name} itself": p for name, p in named.items()}


def of_penalty(got: Values, expected: Values) -> str:
    """Whether the gradient of γ, another gradient or a parameter itself is wrong."""
    wrong = [name for name in expected if not same(got.get(name), expected[name])]
    if wrong and "itself" in wrong[0]:
        return "A parameter itself has changed: only gradients may."
    if wrong and wrong[0] != "gradient of weight":
        return "Only gradients of γ, `bn.weight`, change: leave the others alone."
    return (
        "λ times the sign of γ, +1, -1, or 0 for γ = 0 alone, is *added* to the gradient that is "
        "there, however small γ is, and nothing else is done to it."
    )


ADD_SPARSITY_PENALTY = [
    Probe(
        "five scales γ",
        lambda: {"model": norm([2.0, -0.5, 0.001, -3.0, 0.0], [0.0, 0, 1, 1, 1]), "strength": 0.25},
        gradients,
        cause=of_penalty,
    ),
    Probe(
        "a strength of 0",
        lambda: {"model": norm([2.0, -0.5, 0.0], [0.5, 1, -1]), "strength": 0.0},
        gradients,
        cause="With λ = 0 nothing changes.",
    ),
    Probe(
        "a block of a ResNet",
        lambda: {"model": block(), "strength": 0.1},
        gradients,
        cause="One BN is right. In a network *each* `BatchNorm2d` is pushed, wherever it is and in "
        "whatever mode, and no layer of another kind.",
    ),
]


# --- compare ------------------------------------------------------------------------------------


def fake() -> nn.Module:
    """A network that is nothing but its accuracy; of a class that `pickle` finds."""
    model = nn.Module()
    model.register_buffer("accuracy", torch.tensor(0.5, dtype=torch.float64))
    return model.eval()


def gains(table: dict[int, float], runs: list[int]) -> Callable[[nn.Module, int], None]:
    """A fake method: adds to the accuracy what the table says for the seed, else nothing."""

    def method(model: nn.Module, seed: int) -> None:
        runs.append(seed)
        model.train()
        model.accuracy += table.get(seed, 0.0)

    return method


def judge(log: list[tuple[str, bool]], runs: list[int]) -> Callable[[nn.Module, str], float]:
    """A fake evaluation: writes down what it reads; 0.3 less in training mode."""

    def evaluate(model: nn.Module, images: str) -> float:
        log.append((images, model.training))
        accuracy = float(model.accuracy) - 0.3 * model.training
        # On these test images the high accuracies are luck and turn out lower.
        return accuracy if images == "val" else 1.3 - accuracy

    evaluate.log, evaluate.runs = log, runs
    return evaluate


def contest(methods: dict[str, dict[int, float]], seeds: list[int]) -> Inputs:
    """Arguments of `compare`."""
    runs: list[int] = []
    return {
        "dense": fake(),
        "methods": {name: gains(table, runs) for name, table in methods.items()},
        "seeds": seeds,
        "evaluate": judge([], runs),
        "val": "val",
        "test": "test",
    }


def in_training_mode(inputs: Inputs) -> Inputs:
    """The dense network as it comes out of a training."""
    inputs["dense"].train()
    return inputs


def verdict(result: Any, inputs: Inputs) -> Values:
    """The result, what was read when and in which mode, and the dense network afterwards."""
    log = inputs["evaluate"].log
    read = [images for images, _ in log]
    first_test = read.index("test") if "test" in read else len(read)
    if not all(
        isinstance(runs, list | tuple) for runs in (result["test"], *result["val"].values())
    ):
        return {"val": result["val"], "test": result["test"]}
    return {
        "val": {name: list(result["val"][name]) for name in inputs["methods"]},
        "best": result["best"],
        "test": list(result["test"]),
        "networks read on test": read.count("test"),
        "reads of val after the first one of test": read[first_test:].count("val"),
        "reads in training mode": sum(training for _, training in log),
        "runs of all methods together": len(inputs["evaluate"].runs),
        "accuracy of the dense network afterwards": inputs["dense"].accuracy,
        "dense network in training mode afterwards": inputs["dense"].training,
    }


STEADY = {1: 0.11, 5: 0.12, 7: 0.13}
LUCKY = {1: 0.0, 5: 0.3, 7: 0.02}
UNEVEN = {1: 0.1, 5: 0.1, 7: 0.4}


def of_comparison(got: Values, expected: Values) -> str:
    """What was run, read or chosen in another way, if the result has the right form."""
    if "best" not in got:
        return "A *list* of accuracies, one per seed, is asked for each method and for the test."
    if got["best"] not in got["val"]:
        return "`best` is the *name* of the winner."
    return OF_COMPARISON(got, expected)


OF_COMPARISON = by_value(
    {
        "runs of all methods together": "Each method runs once per seed, and no run is repeated "
        "for the test: keep the networks.",
        "networks read on test": "Only the winner's networks, one per seed, are read on `test`, "
        "once.",
        "reads of val after the first one of test": "Choose first, on `val`: `test` is read last.",
        "reads in training mode": "Each network is to be in evaluation mode when it is measured, "
        "on `val` and on `test`: a method may leave it in training mode.",
        "val": "The accuracies on `val` are not those of the runs: each run begins with a fresh "
        "copy of `dense`, has its own seed, and the lists keep the order of `seeds`, unrounded.",
        "best": "The accuracies are right, the winner is not: the best *mean* over the seeds wins.",
        "test": "`test` lists the accuracies of the winner's own networks, one per seed.",
    }
)
COMPARE = [
    Probe(
        "one method, one seed", lambda: contest({"a": STEADY}, [5]), verdict, cause=of_comparison
    ),
    Probe(
        "a steady method, a lucky one, a weak one; three seeds",
        lambda: contest({"weak": {5: 0.1}, "lucky": LUCKY, "steady": STEADY}, [7, 5, 1]),
        verdict,
        cause=of_comparison,
    ),
    Probe(
        "the dense network comes in training mode",
        lambda: in_training_mode(contest({"a": STEADY, "b": LUCKY}, [1, 5])),
        verdict,
        cause=of_comparison,
    ),
    Probe(
        "the best mean, though not in most of the runs",
        lambda: contest({"even": {1: 0.15, 5: 0.15, 7: 0.15}, "uneven": UNEVEN}, [1, 7, 5]),
        verdict,
        cause=of_comparison,
    ),
]

# --- choose_schedule: measured, not compared ----------------------------------------------------

ENOUGH = 0.03  # accuracy beyond that of the reference


def worth(result: Any, inputs: Inputs) -> Values:
    """What is wrong with a schedule; of one that is good enough nothing but that it is."""
    steps, final = inputs["steps"], inputs["final"]
    if wrong := schedules.fault(result, steps, final):
        return {"fault": wrong}
    if steps != schedules.STEPS:
        return {"form": "right"}
    gain = schedules.gain_over_reference(result, (0, 1, 2), whole_subset("val")[:500])
    print(f"{100 * gain:+.1f} points beside the reference (target: +{100 * ENOUGH:.0f})")
    if gain >= ENOUGH:
        return {"form": "right", "accuracy": "enough"}
    sparsities, rates = zip(*result, strict=True)
    at_the_end = sum(abs(sparsity - final) < 1e-6 for sparsity in sparsities)
    return {
        "accuracy": "worse than the reference" if gain < -ENOUGH else "about the reference's",
        "steps at the final sparsity": at_the_end,
        "sparsity half way": round(sparsities[steps // 2], 3),
        "highest learning rate": round(max(rates), 3),
    }


CHOOSE_SCHEDULE = [
    Probe("12 steps, to 50 %", lambda: {"steps": 12, "final": 0.5}, worth),
    Probe("41 steps, to 95 %", lambda: {"steps": 41, "final": 0.95}, worth),
    Probe("36 steps, to 90 %: trained and measured", lambda: {"steps": 36, "final": 0.9}, worth),
]

PROBES = {
    "train_masked": TRAIN_MASKED,
    "prune_remaining": PRUNE_REMAINING,
    "cubic_sparsity": CUBIC_SPARSITY,
    "prune_and_retrain": PRUNE_AND_RETRAIN,
    "retraining_lrs": RETRAINING_LRS,
    "soft_filter_pruning": SOFT_FILTER_PRUNING,
    "add_sparsity_penalty": ADD_SPARSITY_PENALTY,
    "compare": COMPARE,
    "choose_schedule": CHOOSE_SCHEDULE,
}
check = Lab(__file__, PROBES)
