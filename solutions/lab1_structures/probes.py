"""What the checks of lab 1 look at: small inputs that you can prune by hand."""

from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.checks import Lab, Probe, Values, by_value, same
from pruninglab.models import ResNet20

Inputs = dict[str, Any]


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Random numbers, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def kept(mask: Any) -> Any:
    """How many are True; where several answers are right, only the count is compared."""
    if isinstance(mask, dict):
        return {name: kept(part) for name, part in mask.items()}
    return int(mask.sum()) if isinstance(mask, Tensor) and mask.dtype == torch.bool else mask


def count(mask: Any, inputs: Inputs) -> Values:
    """Shape and number of True."""
    return {"shape": list(mask.shape), "number of True": kept(mask)}


def by_layer(masks: Any, inputs: Inputs) -> Values:
    """One value a layer, in the order of the scores; None where a layer is missing."""
    if not isinstance(masks, dict):
        return {"result": masks}
    return {f"mask of {name}": masks.get(name) for name in inputs["scores"]}


def counts_by_layer(masks: Any, inputs: Inputs) -> Values:
    """Number of True in each layer, in the order of the scores."""
    seen = by_layer(masks, inputs).items()
    return {name.replace("mask of", "number of True in"): kept(mask) for name, mask in seen}


def total_count(masks: Any, inputs: Inputs) -> Values:
    """Number of True in the network."""
    counts = [count for count in counts_by_layer(masks, inputs).values() if count is not None]
    return {"number of True in all layers": sum(counts)}


def which_or_how_many(got: Values, expected: Values) -> str:
    """What is wrong with a mask: its kind, how many are False in it, or which."""
    for name, right in expected.items():
        mask = got.get(name)
        if not (isinstance(mask, Tensor) and mask.dtype == torch.bool):
            return "A mask is a tensor of True and False, of dtype bool."
        if mask.shape != right.shape:
            return "A mask has the shape of what it is for."
        gone, asked = (int((~part).sum()) for part in (mask, right))
        if gone != asked:
            which = f"{name.removeprefix('mask of ')}: " if name.startswith("mask of") else ""
            return f"{which}{gone} of {mask.numel()} go, and {asked} are asked: how do you count?"
        if not torch.equal(mask, right):
            return "As many go as are asked, but not the right ones: look at what you rank by."
    return ""


HALVES = "Whole numbers are right, halves are not: take `round` of the number that *goes*."
CLOSE = (
    "Close numbers are taken for equal: a cast to float32, half precision or an integer does that, "
    "and so does rounding. Rank the numbers as they are."
)
TIES = "Without ties all is right: choose the *places* that go, not all that is below a threshold."
HAND = torch.tensor([[0.5, -4.0, 0.1, 2.0], [-0.3, 1.0, -3.0, 0.2]])

MAGNITUDE_MASK = [
    Probe(
        "half of eight weights",
        lambda: {"weight": HAND.clone(), "sparsity": 0.5},
        cause=which_or_how_many,
    ),
    Probe(
        "a parameter in half precision, 0.45 of five weights: round(2.25)",
        lambda: {
            "weight": nn.Parameter(torch.tensor([500.0, -600, 400, -100, 300]).half()),
            "sparsity": 0.45,
        },
        cause="Half of a plain tensor is right. This is a parameter, in half precision, and "
        "2.25 weights go, which is 2: not more, and not the share that stays.",
    ),
    Probe(
        "1/3 of eight weights: round(2.67)",
        lambda: {"weight": HAND.clone(), "sparsity": 1 / 3},
        cause=which_or_how_many,
    ),
    Probe(
        "uneven rows, 5 of 8",
        lambda: {"weight": torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]]), "sparsity": 0.625},
        cause="Here the weights of one row are smaller than those of the other, and all are "
        "positive: rank all of the tensor together, by the distance from zero.",
    ),
    Probe(
        "nothing pruned",
        lambda: {"weight": HAND.clone(), "sparsity": 0.0},
        cause="At sparsity 0 none goes: is one pruned in any case?",
    ),
    Probe(
        "everything pruned",
        lambda: {"weight": HAND.clone(), "sparsity": 1.0},
        cause="At sparsity 1 all go: is one kept in any case?",
    ),
    Probe(
        "ties: three of six weights, all of them 2 or -2",
        lambda: {"weight": torch.tensor([[2.0, -2, 2], [-2, 2, -2]]), "sparsity": 0.5},
        count,
        cause=TIES,
    ),
    Probe(
        "three of eight weights, five of which are 0 already",
        lambda: {"weight": torch.tensor([[0.0, 3, 0, -1], [0, 0, 2, 0]]), "sparsity": 0.375},
        count,
        cause="A weight that is 0 before is a weight as any other: it counts, and it may go.",
    ),
    Probe(
        "a transposed weight",
        lambda: {"weight": HAND.clone().T, "sparsity": 0.5},
        cause="The same weights transposed go wrong: they lie in memory in another order. "
        "`reshape` and `flatten` follow the shape, `view` and the storage do not.",
    ),
    Probe(
        "half of five weights: round(2.5), which is 2",
        lambda: {"weight": HAND.flatten()[:5].clone(), "sparsity": 0.5},
        cause=HALVES,
    ),
    Probe(
        "half of seven weights: round(3.5), which is 4",
        lambda: {"weight": HAND.flatten()[:7].clone(), "sparsity": 0.5},
        cause=HALVES,
    ),
    Probe(
        "double precision: six weights, each 1e-9 below the one before",
        lambda: {"weight": close(6), "sparsity": 0.5},
        cause=CLOSE,
    ),
]


def close(n: int) -> Tensor:
    """Numbers in double precision that differ by 1e-9; the largest is the first."""
    return 1 - 1e-9 * torch.arange(n).double()


def two_layers() -> dict[str, Tensor]:
    """A small layer and a larger one with larger scores."""
    return {
        "small.weight": torch.tensor([[3.0, 1.0], [2.0, 4.0]]),
        "large.weight": torch.tensor([[10.0, 80.0, 30.0, 60.0], [50.0, 20.0, 70.0, 2.5]]),
    }


def signed() -> dict[str, Tensor]:
    """Three layers; scores below zero are the lowest of all."""
    return {
        "a": torch.tensor([-5.0, 1.0, 2.0, 3.0]),
        "b": torch.tensor([4.0, -6.0]),
        "c": torch.tensor([-0.7, 0.5]),
    }


def alike() -> dict[str, Tensor]:
    """Equal scores: whichever goes, the count is what matters."""
    return {"a": torch.ones(4), "b": torch.ones(2, 3)}


def lonely() -> dict[str, Tensor]:
    """A layer with one score, and one with a score of zero twice."""
    return {"one": torch.tensor([0.3]), "zeros": torch.tensor([0.0, 4, 0, 5, 6])}


LOCAL_MASKS = [
    Probe(
        "half of each layer",
        lambda: {"scores": two_layers(), "sparsity": 0.5},
        by_layer,
        cause=which_or_how_many,
    ),
    Probe(
        "1/3 of each layer: round(1.33) and round(2.67)",
        lambda: {"scores": two_layers(), "sparsity": 1 / 3},
        by_layer,
        cause="Halves of layers are right, thirds are not: round once for each layer, not for each "
        "row of it, and not what stays.",
    ),
    Probe(
        "negative scores",
        lambda: {"scores": signed(), "sparsity": 0.5},
        by_layer,
        cause="Positive scores are right, negative ones are not: -5 is lower than 0, and goes "
        "before it.",
    ),
    Probe(
        "nothing pruned",
        lambda: {"scores": two_layers(), "sparsity": 0.0},
        by_layer,
        cause="At sparsity 0 none goes.",
    ),
    Probe(
        "everything pruned",
        lambda: {"scores": two_layers(), "sparsity": 1.0},
        by_layer,
        cause="At sparsity 1 all go, in every layer.",
    ),
    Probe(
        "all of a layer with one score, 3 of 5 with two zeros",
        lambda: {"scores": lonely(), "sparsity": 0.6},
        by_layer,
        cause="A layer with one score is a layer as any other, and so is a score of 0.",
    ),
    Probe(
        "equal scores",
        lambda: {"scores": alike(), "sparsity": 0.5},
        counts_by_layer,
        cause=TIES,
    ),
    Probe(
        "half of five and of seven: round(2.5) is 2, and round(3.5) is 4",
        lambda: {"scores": {"five": normal(5), "seven": normal(7)}, "sparsity": 0.5},
        by_layer,
        cause=HALVES,
    ),
    Probe(
        "double precision: each score 1e-9 below the one before",
        lambda: {"scores": {"a": close(6), "b": close(4)}, "sparsity": 0.5},
        by_layer,
        cause=CLOSE,
    ),
]


def of_all_layers(got: Values, expected: Values) -> str:
    """The same as `which_or_how_many`, for the masks of a network that has one ranking."""
    masks, right = list(got.values()), list(expected.values())
    kinds = [getattr(mask, "dtype", None) for mask in masks]
    if kinds == [torch.bool] * len(right) and [m.shape for m in masks] == [m.shape for m in right]:
        joined = [torch.cat([mask.flatten() for mask in side]) for side in (masks, right)]
        return which_or_how_many({"all": joined[0]}, {"all": joined[1]})
    return which_or_how_many(got, expected)


GLOBAL_MASKS = [
    Probe(
        "half of the network",
        lambda: {"scores": two_layers(), "sparsity": 0.5},
        by_layer,
        cause=of_all_layers,
    ),
    Probe(
        "0.3 of twelve scores: round(3.6)",
        lambda: {"scores": two_layers(), "sparsity": 0.3},
        by_layer,
        cause=of_all_layers,
    ),
    Probe(
        "negative scores, 0.4 of eight: round(3.2)",
        lambda: {"scores": signed(), "sparsity": 0.4},
        by_layer,
        cause="Two layers with positive scores are right. Here are three, flat ones, with negative "
        "scores: -5 is lower than 0, and a mask belongs to the layer of its own name.",
    ),
    Probe(
        "scores below zero or at zero in one layer, 0.2 of six: round(1.2)",
        lambda: {
            "scores": {"a": torch.tensor([-1.0, -3.0, 0.0]), "b": torch.tensor([-2.0, 1.0, 2.0])},
            "sparsity": 0.2,
        },
        by_layer,
        cause="Compare the scores as they are: no magnitude, no clipping at zero, nothing "
        "subtracted or divided in a layer.",
    ),
    Probe(
        "nothing pruned",
        lambda: {"scores": two_layers(), "sparsity": 0.0},
        by_layer,
        cause="At sparsity 0 none goes.",
    ),
    Probe(
        "everything pruned",
        lambda: {"scores": two_layers(), "sparsity": 1.0},
        by_layer,
        cause="At sparsity 1 all go: is the highest score kept in any case?",
    ),
    Probe(
        "two thirds, which empties a layer with one score",
        lambda: {
            "scores": {"one": torch.tensor([0.1]), "two": torch.tensor([3.0, 2.0])},
            "sparsity": 2 / 3,
        },
        by_layer,
        cause="A global ranking may empty a layer: the task names no exception.",
    ),
    Probe("equal scores", lambda: {"scores": alike(), "sparsity": 0.5}, total_count, cause=TIES),
    Probe(
        "half of five: round(2.5), which is 2",
        lambda: {"scores": {"a": normal(1), "b": normal(4, seed=1)}, "sparsity": 0.5},
        by_layer,
        cause=HALVES,
    ),
    Probe(
        "double precision: each score 1e-9 below the one before",
        lambda: {"scores": {"a": close(6)[:2], "b": close(6)[2:]}, "sparsity": 0.5},
        by_layer,
        cause=CLOSE,
    ),
]


def masks_of(**rows: list) -> Inputs:
    """Masks from lists of 0 and 1."""
    return {"masks": {name: torch.tensor(row).bool() for name, row in rows.items()}}


def as_list(names: Any, inputs: Inputs) -> Values:
    """A tuple is as good as a list; the words for None are those of every exercise."""
    if names is None:
        return {"result": None}
    return {"names": list(names) if isinstance(names, tuple) else names}


FULL, NONE = [[1, 1], [1, 1]], [[0, 0], [0, 0]]
EMPTY_LAYERS = [
    Probe(
        "one of three",
        lambda: masks_of(a=[[1, 0], [1, 1]], b=NONE, c=[[0, 1], [0, 0]]),
        as_list,
        cause="A layer is empty if there is not a single True in all of its mask, in whatever row "
        "or column. A list of names is asked.",
    ),
    Probe(
        "three, in no order but their own",
        lambda: masks_of(z=NONE, a=FULL, b=[[0, 0, 0]] * 2, m=[[0]]),
        as_list,
        cause="One empty layer is right, three are not: name each, in the order of `masks`.",
    ),
    Probe(
        "none",
        lambda: masks_of(a=[[1, 0], [1, 0]], b=[[0, 0], [0, 1]]),
        as_list,
        cause="Where no layer is empty the list is.",
    ),
    Probe(
        "one weight of 400 is left",
        lambda: masks_of(a=[[0] * 399 + [1]], b=FULL),
        as_list,
        cause="One weight that stays keeps a layer alive, however large the layer.",
    ),
    Probe(
        "the first weight is all that is left",
        lambda: masks_of(a=[1, 0, 0], b=[0, 0, 0]),
        as_list,
        cause="These masks have one dimension, and the one True is at index 0: the place does not "
        "matter, nor does the shape.",
    ),
    Probe(
        "256 weights are left",
        lambda: {"masks": {"a": torch.ones(16, 16).bool(), "b": torch.zeros(16, 16).bool()}},
        as_list,
        cause="256 is where a count in 8 bits begins again at 0.",
    ),
]


def small_network() -> nn.Sequential:
    """8 + 4 + 6 prunable weights in three layers, one of them in a block, with biases and BN.

    The BN's shift is zero and does not train; the first weight is zero, too, and stays.
    """
    bn = nn.BatchNorm2d(4)
    block = nn.Sequential(nn.Conv2d(2, 4, 1), bn)
    model = nn.Sequential(block, nn.Conv2d(4, 1, 1, bias=False), nn.Linear(1, 6))
    for i, parameter in enumerate(model.parameters()):
        parameter.data = normal(*parameter.shape, seed=i)
    bn.bias.data.zero_()
    bn.bias.requires_grad_(False)
    block[0].weight.data[0, 0] = 0
    return model


def some_masks(*names: str) -> dict[str, Tensor]:
    """0.0.weight: 6 of 8 pruned; 1.weight: 1 of 4; 2.weight: 3 of 6."""
    patterns = {
        "0.0.weight": torch.tensor([1, 0, 0, 1, 0, 0, 0, 0]).bool().view(4, 2, 1, 1),
        "1.weight": torch.tensor([1, 1, 0, 1]).bool().view(1, 4, 1, 1),
        "2.weight": torch.tensor([1, 0, 1, 0, 1, 0]).bool().view(6, 1),
    }
    return {name: patterns[name] for name in names}


def numbers(values: dict[str, Any]) -> Values:
    """Numbers, in Python or in NumPy, and the names of those that are still in a tensor."""
    packed = [name for name, value in values.items() if isinstance(value, Tensor)]
    found = {name: float(value) for name, value in values.items()}
    return {"tensors that should be numbers": packed, **found}


def three_numbers(result: Any, inputs: Inputs) -> Values:
    """The three numbers, in any order."""
    if not isinstance(result, dict):
        return {"kind of the result": type(result).__name__}
    return numbers({name: result[name] for name in ("sparsity", "density", "compression")})


def with_other_layers() -> nn.Sequential:
    """6 prunable weights, and 2 + 4 + 4 + 1 parameters of other kinds."""
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.LayerNorm(2), nn.PReLU())
    for parameter in model.parameters():
        parameter.data.fill_(0.5)
    return model


OF_THREE_NUMBERS = by_value(
    {
        "kind of the result": 'A dict is asked: "sparsity", "density" and "compression".',
        "tensors that should be numbers": "`.item()` takes the number out of a tensor.",
        "sparsity": "Sparsity is the number of False in the masks over the number of *all* "
        "prunable weights, those of layers without a mask too.",
        "density": "Sparsity is right, density is not: together they are 1.",
        "compression": "The shares are right, compression is not: it is all parameters over all "
        "parameters without the pruned weights.",
    }
)


ACCOUNT = [
    Probe(
        "10 of 18 weights pruned, 37 parameters",
        lambda: {
            "model": small_network(),
            "masks": some_masks("0.0.weight", "1.weight", "2.weight"),
        },
        three_numbers,
        cause=OF_THREE_NUMBERS,
    ),
    Probe(
        "6 of 18 weights pruned, two layers without a mask",
        lambda: {"model": small_network(), "masks": some_masks("0.0.weight")},
        three_numbers,
        cause="With a mask for each layer all is right: a layer without one counts, and stays "
        "whole.",
    ),
    Probe(
        "nothing pruned",
        lambda: {"model": small_network(), "masks": {}},
        three_numbers,
        cause="Without masks nothing is pruned: sparsity 0, density 1, compression 1.",
    ),
    Probe(
        "3 of 6 weights pruned, 19 parameters, some of layers of other kinds",
        lambda: {
            "model": with_other_layers(),
            "masks": {"0.weight": torch.tensor([[1, 0, 0], [1, 1, 0]]).bool()},
        },
        three_numbers,
        cause="Compression counts *all* parameters, whatever layer they belong to: "
        "`model.parameters()` has them.",
    ),
]


def filters(*rows: list[float]) -> Tensor:
    """`(out, in, 1, 1)`: one filter a row, one input channel a column."""
    return torch.tensor(rows)[:, :, None, None]


def hand_filters() -> Tensor:
    """Sums 1, 3, -3.1, 3.2; L1 norms 1, 3, 5.1, 3.2; the largest weights 1, 3, 2, 1.2."""
    return filters([1, 0, 0, 0], [0, 3, 0, 0], [-2, 1, -2, -0.1], [1.2, 1, 1, 0])


def square_filters() -> Tensor:
    """L1 norms 4, 6, 5, 3, which no other norm, mean or single place puts into this order."""
    rows = [[1, 1, 1, 1], [0, 0, 6, 0], [2.5, 0, 0, -2.5], [0, 3, 0, 0]]
    return torch.tensor(rows).view(4, 1, 2, 2)


FILTER_MASK = [
    Probe(
        "one of four filters",
        lambda: {"weight": hand_filters(), "sparsity": 0.25},
        cause=which_or_how_many,
    ),
    Probe(
        "half of four filters",
        lambda: {"weight": hand_filters(), "sparsity": 0.5},
        cause=which_or_how_many,
    ),
    Probe(
        "half of four filters with kernels of 2x2: magnitudes add up to 4, 6, 5, 3",
        lambda: {"weight": square_filters(), "sparsity": 0.5},
        cause="Kernels of 1x1 are right. A norm adds *all* magnitudes of a filter, once each: the "
        "whole kernel, every input channel, without squares, means or maxima.",
    ),
    Probe(
        "1/3 of five filters: round(1.67)",
        lambda: {"weight": normal(5, 3, 3, 3, seed=1), "sparsity": 1 / 3},
        cause=which_or_how_many,
    ),
    Probe(
        "0.4 of six filters with two inputs each: round(2.4)",
        lambda: {"weight": normal(6, 2, 3, 3, seed=2), "sparsity": 0.4},
        cause=which_or_how_many,
    ),
    Probe(
        "half of four equal filters",
        lambda: {"weight": torch.ones(4, 2, 1, 1), "sparsity": 0.5},
        count,
        cause=TIES,
    ),
    Probe(
        "nothing pruned",
        lambda: {"weight": hand_filters(), "sparsity": 0.0},
        cause="At sparsity 0 none goes.",
    ),
    Probe(
        "sparsity 1",
        lambda: {"weight": hand_filters(), "sparsity": 1.0},
        cause="At sparsity 1 all filters go but one: that of the largest norm stays.",
    ),
    Probe(
        "0.95 of 20 filters: 19 go",
        lambda: {"weight": normal(20, 1, 1, 1, seed=4), "sparsity": 0.95},
        cause="One filter always stays, and no more than one: 19 of 20 may go.",
    ),
    Probe(
        "half of five filters: round(2.5), which is 2",
        lambda: {"weight": normal(5, 2, 3, 3, seed=3), "sparsity": 0.5},
        cause=HALVES,
    ),
    Probe(
        "double precision: six filters, each norm 1e-9 below the one before",
        lambda: {"weight": close(6).view(6, 1, 1, 1), "sparsity": 0.5},
        cause=CLOSE,
    ),
]


def random_layers(
    c_in: int = 2,
    middle: int = 4,
    c_out: int = 3,
    bias: bool = False,
    stride: int = 1,
    kernel: int = 3,
) -> tuple[nn.Conv2d, nn.BatchNorm2d, nn.Conv2d]:
    """Convolution, batch normalisation in evaluation mode, convolution; BN as after a training."""
    conv1 = nn.Conv2d(c_in, middle, 3, stride=stride, padding=1, bias=bias)
    bn1 = nn.BatchNorm2d(middle, eps=0.01, momentum=0.2).eval()
    conv2 = nn.Conv2d(middle, c_out, kernel, stride=stride, padding=kernel // 2, bias=bias)
    for seed, layer in enumerate((conv1, bn1, conv2)):
        for i, parameter in enumerate(layer.parameters()):
            parameter.data = normal(*parameter.shape, seed=10 * seed + i)
    bn1.num_batches_tracked = torch.tensor(9)
    bn1.running_mean = normal(middle, seed=7)
    bn1.running_var = 0.5 + normal(middle, seed=8).square()
    return conv1, bn1, conv2


def conv_and_bn(keep: list[int], bias: bool = False, training: bool = False) -> Inputs:
    """Arguments of silence_filters; where there is a bias, it does not train."""
    conv, bn, _ = random_layers(bias=bias, middle=len(keep), c_in=len(keep))
    conv.train(training)
    bn.train(training)
    if conv.bias is not None:
        conv.bias.requires_grad_(False)
    return {"conv": conv, "bn": bn, "keep": torch.tensor(keep).bool()}


@torch.no_grad()
def silenced(result: Any, inputs: Inputs) -> Values:
    """Which feature maps are zero, which parameters are, and what the kept channels emit."""
    conv, bn = inputs["conv"], inputs["bn"]
    old = [buffer.clone() for buffer in bn.buffers()]  # a pass in training mode changes them
    y = bn(conv(normal(1, conv.in_channels, 5, 5)))  # (1, out, 5, 5)
    for buffer, value in zip(bn.buffers(), old, strict=True):
        buffer.copy_(value)
    zeros = {
        f"{layer}.{name} is 0 in filter": (p.flatten(1) == 0).all(1) if p.dim() > 1 else p == 0
        for layer in ("conv", "bn")
        for name, p in inputs[layer].named_parameters()
    }
    loudest = y.abs().amax(dim=(0, 2, 3))
    frozen = {
        f"{layer}.{name}"
        for layer in ("conv", "bn")
        for name, p in inputs[layer].named_parameters()
        if not p.requires_grad
    }
    values = {"largest value of each feature map": loudest, **zeros, "keep": inputs["keep"]}
    return values | {"parameters that do not train": frozen}


def of_silence(got: Values, expected: Values) -> str:
    """Which part of silencing is missing, or goes too far."""
    wrong = {name for name in expected if not same(got.get(name), expected[name])}
    if wrong == {"largest value of each feature map"}:
        return (
            "What has to be 0 is, but the kept channels emit something else: neither their "
            "numbers nor BN's running statistics may change."
        )
    parts = [n.removesuffix(" is 0 in filter") for n in expected if n.endswith("0 in filter")]
    few = [part for part in parts if f"{part} is 0 in filter" in wrong]
    if few and len(few) < len(parts):
        return f"Look at {' and '.join(few)}: exactly the filters outside `keep` are 0 there."
    return "Exactly the filters outside `keep`, where it is False, are set to 0." if few else ""


SILENCED = ("weight", "bias", "running_mean", "running_var")  # what may change
SILENCE_FILTERS = [
    Probe(
        "two of four",
        lambda: conv_and_bn([1, 0, 0, 1]),
        silenced,
        changes_inputs=SILENCED,
        cause=of_silence,
    ),
    Probe(
        "with bias",
        lambda: conv_and_bn([0, 1, 1], bias=True),
        silenced,
        changes_inputs=SILENCED,
        cause="Without a bias all is right: the convolution here has one, and it does not train.",
    ),
    Probe(
        "all stay",
        lambda: conv_and_bn([1, 1, 1]),
        silenced,
        changes_inputs=SILENCED,
        cause="Where all filters stay nothing changes.",
    ),
    Probe(
        "in training mode",
        lambda: conv_and_bn([1, 0, 1], training=True),
        silenced,
        changes_inputs=SILENCED,
        cause="Layers in evaluation mode are right; these are in training mode.",
    ),
]


def three_layers(keep: list[int], **settings: Any) -> Inputs:
    """Arguments of remove_filters."""
    conv1, bn1, conv2 = random_layers(middle=len(keep), **settings)
    return {"conv1": conv1, "bn1": bn1, "conv2": conv2, "keep": torch.tensor(keep).bool()}


@torch.no_grad()
def removed(layers: Any, inputs: Inputs) -> Values:
    """Sizes of the new layers and, if they fit together, what they compute."""
    conv1, bn1, conv2 = layers
    x = normal(1, inputs["conv1"].in_channels, 6, 6, seed=5)
    try:
        output = conv2(torch.relu(bn1(conv1(x))))
        means = output.mean(dim=(0, 2, 3))
    except RuntimeError:
        output = means = "the layers do not fit together"
    named = {"conv1": conv1, "bn1": bn1, "conv2": conv2}
    shapes = {
        f"{layer}.{name}.shape": list(tensor.shape)
        for layer, module in named.items()
        for name, tensor in sorted(module.state_dict().items())
    }
    trained = [
        f"{layer}.{name}"
        for layer, module in named.items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    ]
    buffers = [
        f"{layer}.{name}" for layer, module in named.items() for name, _ in module.named_buffers()
    ]
    shared = [
        f"{layer}.{name}"
        for layer, module in named.items()
        for name, tensor in module.state_dict().items()
        if tensor.data_ptr() in {old.data_ptr() for old in inputs[layer].state_dict().values()}
    ]
    return {
        **shapes,
        "tensors that old and new layers share": shared,
        "out_channels": conv1.out_channels,
        "num_features": bn1.num_features,
        "in_channels": conv2.in_channels,
        "out_channels of conv2": conv2.out_channels,
        "momentum": bn1.momentum,
        "num_batches_tracked": bn1.num_batches_tracked,
        "parameters that train": trained,
        "buffers": buffers,
        "output": output,
        "mean of each channel of the output": means,
    }


def of_removal(got: Values, expected: Values) -> str:
    """Which part of the new layers is off, the sizes first."""
    wrong = [name for name in expected if not same(got.get(name), expected[name])]
    if wrong == ["output", "mean of each channel of the output"]:
        return (
            "Sizes and settings are right, the output is not: the numbers are not those of the "
            "kept filters, in their old order. Which tensor was cut at other places, shuffled, "
            "scaled, rounded or reset?"
        )
    first = wrong[0] if wrong else ""
    if first.endswith(".shape"):
        return (
            f"Look at {first.removesuffix('.shape')} first: conv1 and bn1 lose rows, conv2 the "
            "kernels that read them, and what there was is still there."
        )
    texts = {
        "out_channels": "`conv1.out_channels` says another size than its weight has.",
        "num_features": "`bn1.num_features` says another size than its weight has.",
        "in_channels": "`conv2.in_channels` says another size than its weight has.",
        "out_channels of conv2": "conv2 loses inputs, no filters: `out_channels` stays.",
        "momentum": "All settings stay, `momentum` and `eps` among them.",
        "num_batches_tracked": "BN's count of batches stays as it was.",
        "parameters that train": "What trained trains, and what did not does not.",
        "buffers": "Running statistics are buffers, not parameters.",
    }
    return texts.get(first, "")


REMOVE_FILTERS = [
    Probe("two of four filters go", lambda: three_layers([0, 1, 0, 1]), removed, cause=of_removal),
    Probe(
        "with bias and stride 2",
        lambda: three_layers([1, 0, 1], bias=True, stride=2),
        removed,
        cause="Without biases and with stride 1 all is right. Here conv1 has a bias for each "
        "filter, and conv2 one that stays as it is.",
    ),
    Probe(
        "as many outputs as filters, then 1x1 kernels",
        lambda: three_layers([0, 1, 1, 1], c_out=4, kernel=1),
        removed,
        cause="conv2 has as many filters as it has inputs here, and only its inputs may go.",
    ),
    Probe(
        "all stay",
        lambda: three_layers([1, 1, 1]),
        removed,
        cause="Where all filters stay the new layers compute what the old ones do, and are new "
        "all the same.",
    ),
    Probe(
        "one of three stays",
        lambda: three_layers([0, 1, 0]),
        removed,
        cause="All filters but one may go.",
    ),
]


def which_convs(names: Any, inputs: Inputs) -> Values:
    """What kind of names they are, without giving the right ones away."""
    modules = dict(inputs["model"].named_modules())
    if isinstance(names, str) or not hasattr(names, "__iter__"):
        return {"kinds of what you list": [f"no list, but {type(names).__name__}"]}
    names = list(names)
    if not all(isinstance(name, str) for name in names):
        return {"kinds of what you list": sorted({type(name).__name__ for name in names})}
    ours = [name for name in modules if name in names]
    kinds = {type(modules[name]).__name__ if name in modules else "no layer" for name in names}
    return {
        "how many": len(names),
        "what they name": sorted(kinds),
        "in the order of the network": names == ours,
        "the stem is among them": "conv1" in names,
        "convolutions of a shortcut are among them": any("downsample" in name for name in names),
        "second convolutions of a block are among them": any(".conv2" in name for name in names),
        "stages in which you found some": sorted({name.split(".")[0] for name in ours}),
    }


def of_names(got: Values, expected: Values) -> str:
    """What kind of convolution is missing, or too many."""
    if "how many" not in got:
        return "A list of names is asked."
    if got["how many"] < expected["how many"]:
        return (
            "Some are missing: one convolution of *each* block is free, whatever its stride, its "
            "width and its stage."
        )
    return (
        "Follow the feature map of each convolution that you list to what reads it: a ReLU and "
        "the next convolution alone, or a sum?"
    )


FREE_CONVS = [
    Probe("shortcut B", lambda: {"model": ResNet20(1)}, which_convs, cause=of_names),
    Probe(
        "shortcut A",
        lambda: {"model": ResNet20(2, "A")},
        which_convs,
        cause="With shortcut B all is right. With A there are no convolutions in the shortcuts: go "
        "by name, not by place or number.",
    ),
]

PROBES = {
    "magnitude_mask": MAGNITUDE_MASK,
    "local_masks": LOCAL_MASKS,
    "global_masks": GLOBAL_MASKS,
    "empty_layers": EMPTY_LAYERS,
    "account": ACCOUNT,
    "filter_mask": FILTER_MASK,
    "silence_filters": SILENCE_FILTERS,
    "remove_filters": REMOVE_FILTERS,
    "free_convs": FREE_CONVS,
}
check = Lab(__file__, PROBES)
