"""What the checks of lab 1 look at: small inputs that you can prune by hand."""

from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.checks import Lab, Probe, Values
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


HAND = torch.tensor([[0.5, -4.0, 0.1, 2.0], [-0.3, 1.0, -3.0, 0.2]])

MAGNITUDE_MASK = [
    Probe("half of eight weights", lambda: {"weight": HAND.clone(), "sparsity": 0.5}),
    Probe(
        "a parameter in half precision, 0.45 of five weights: round(2.25)",
        lambda: {
            "weight": nn.Parameter(torch.tensor([500.0, -600, 400, -100, 300]).half()),
            "sparsity": 0.45,
        },
    ),
    Probe("1/3 of eight weights: round(2.67)", lambda: {"weight": HAND.clone(), "sparsity": 1 / 3}),
    Probe(
        "uneven rows, 5 of 8",
        lambda: {"weight": torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]]), "sparsity": 0.625},
    ),
    Probe("nothing pruned", lambda: {"weight": HAND.clone(), "sparsity": 0.0}),
    Probe("everything pruned", lambda: {"weight": HAND.clone(), "sparsity": 1.0}),
    Probe(
        "ties: three of six weights, all of them 2 or -2",
        lambda: {"weight": torch.tensor([[2.0, -2, 2], [-2, 2, -2]]), "sparsity": 0.5},
        count,
    ),
    Probe("a transposed weight", lambda: {"weight": HAND.clone().T, "sparsity": 0.5}),
    Probe(
        "half of five weights: round(2.5), which is 2",
        lambda: {"weight": HAND.flatten()[:5].clone(), "sparsity": 0.5},
    ),
    Probe(
        "half of seven weights: round(3.5), which is 4",
        lambda: {"weight": HAND.flatten()[:7].clone(), "sparsity": 0.5},
    ),
    Probe(
        "double precision: six weights, each 1e-9 below the one before",
        lambda: {"weight": close(6), "sparsity": 0.5},
    ),
]


def close(n: int) -> Tensor:
    """Numbers in double precision that differ by 1e-9; the largest is the first."""
    return 1 - 1e-9 * torch.arange(n).double()


def two_layers() -> dict[str, Tensor]:
    """A small layer and a larger one with larger scores."""
    return {
        "small": torch.tensor([[3.0, 1.0], [2.0, 4.0]]),
        "large": torch.tensor([[10.0, 80.0, 30.0, 60.0], [50.0, 20.0, 70.0, 2.5]]),
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


LOCAL_MASKS = [
    Probe("half of each layer", lambda: {"scores": two_layers(), "sparsity": 0.5}, by_layer),
    Probe(
        "1/3 of each layer: round(1.33) and round(2.67)",
        lambda: {"scores": two_layers(), "sparsity": 1 / 3},
        by_layer,
    ),
    Probe("negative scores", lambda: {"scores": signed(), "sparsity": 0.5}, by_layer),
    Probe("nothing pruned", lambda: {"scores": two_layers(), "sparsity": 0.0}, by_layer),
    Probe("everything pruned", lambda: {"scores": two_layers(), "sparsity": 1.0}, by_layer),
    Probe("equal scores", lambda: {"scores": alike(), "sparsity": 0.5}, counts_by_layer),
    Probe(
        "half of five and of seven: round(2.5) is 2, and round(3.5) is 4",
        lambda: {"scores": {"five": normal(5), "seven": normal(7)}, "sparsity": 0.5},
        by_layer,
    ),
    Probe(
        "double precision: each score 1e-9 below the one before",
        lambda: {"scores": {"a": close(6), "b": close(4)}, "sparsity": 0.5},
        by_layer,
    ),
]

GLOBAL_MASKS = [
    Probe("half of the network", lambda: {"scores": two_layers(), "sparsity": 0.5}, by_layer),
    Probe(
        "0.3 of twelve scores: round(3.6)",
        lambda: {"scores": two_layers(), "sparsity": 0.3},
        by_layer,
    ),
    Probe(
        "negative scores, 0.4 of eight: round(3.2)",
        lambda: {"scores": signed(), "sparsity": 0.4},
        by_layer,
    ),
    Probe("nothing pruned", lambda: {"scores": two_layers(), "sparsity": 0.0}, by_layer),
    Probe("everything pruned", lambda: {"scores": two_layers(), "sparsity": 1.0}, by_layer),
    Probe("equal scores", lambda: {"scores": alike(), "sparsity": 0.5}, total_count),
    Probe(
        "half of five: round(2.5), which is 2",
        lambda: {"scores": {"a": normal(1), "b": normal(4, seed=1)}, "sparsity": 0.5},
        by_layer,
    ),
    Probe(
        "double precision: each score 1e-9 below the one before",
        lambda: {"scores": {"a": close(6)[:2], "b": close(6)[2:]}, "sparsity": 0.5},
        by_layer,
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
        "one of three", lambda: masks_of(a=[[1, 0], [1, 1]], b=NONE, c=[[0, 1], [0, 0]]), as_list
    ),
    Probe(
        "three, not in alphabetical order",
        lambda: masks_of(z=NONE, a=FULL, b=NONE, m=NONE),
        as_list,
    ),
    Probe("none", lambda: masks_of(a=[[1, 0], [1, 0]], b=[[0, 0], [0, 1]]), as_list),
    Probe("one weight of 400 is left", lambda: masks_of(a=[[0] * 399 + [1]], b=FULL), as_list),
    Probe(
        "the first weight is all that is left", lambda: masks_of(a=[1, 0, 0], b=[0, 0, 0]), as_list
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


def three_numbers(result: Any, inputs: Inputs) -> Values:
    """The three numbers, whatever the order and the kind of number."""
    return {name: float(result[name]) for name in ("sparsity", "density", "compression")}


ACCOUNT = [
    Probe(
        "10 of 18 weights pruned, 37 parameters",
        lambda: {
            "model": small_network(),
            "masks": some_masks("0.0.weight", "1.weight", "2.weight"),
        },
        three_numbers,
    ),
    Probe(
        "6 of 18 weights pruned, two layers without a mask",
        lambda: {"model": small_network(), "masks": some_masks("0.0.weight")},
        three_numbers,
    ),
    Probe("nothing pruned", lambda: {"model": small_network(), "masks": {}}, three_numbers),
]


def filters(*rows: list[float]) -> Tensor:
    """`(out, in, 1, 1)`: one filter a row, one input channel a column."""
    return torch.tensor(rows)[:, :, None, None]


def hand_filters() -> Tensor:
    """Sums 1, 3, -3.1, 3.2; L1 norms 1, 3, 5.1, 3.2; the largest weights 1, 3, 2, 1.2."""
    return filters([1, 0, 0, 0], [0, 3, 0, 0], [-2, 1, -2, -0.1], [1.2, 1, 1, 0])


FILTER_MASK = [
    Probe("one of four filters", lambda: {"weight": hand_filters(), "sparsity": 0.25}),
    Probe("half of four filters", lambda: {"weight": hand_filters(), "sparsity": 0.5}),
    Probe(
        "1/3 of five filters: round(1.67)",
        lambda: {"weight": normal(5, 3, 3, 3, seed=1), "sparsity": 1 / 3},
    ),
    Probe(
        "0.4 of six filters with two inputs each: round(2.4)",
        lambda: {"weight": normal(6, 2, 3, 3, seed=2), "sparsity": 0.4},
    ),
    Probe(
        "half of four equal filters",
        lambda: {"weight": torch.ones(4, 2, 1, 1), "sparsity": 0.5},
        count,
    ),
    Probe("nothing pruned", lambda: {"weight": hand_filters(), "sparsity": 0.0}),
    Probe("sparsity 1", lambda: {"weight": hand_filters(), "sparsity": 1.0}),
    Probe(
        "half of five filters: round(2.5), which is 2",
        lambda: {"weight": normal(5, 2, 3, 3, seed=3), "sparsity": 0.5},
    ),
    Probe(
        "double precision: six filters, each norm 1e-9 below the one before",
        lambda: {"weight": close(6).view(6, 1, 1, 1), "sparsity": 0.5},
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


def conv_and_bn(keep: list[int], bias: bool = False) -> Inputs:
    """Arguments of silence_filters; where there is a bias, it does not train."""
    conv, bn, _ = random_layers(bias=bias, middle=len(keep), c_in=len(keep))
    if conv.bias is not None:
        conv.bias.requires_grad_(False)
    return {"conv": conv, "bn": bn, "keep": torch.tensor(keep).bool()}


@torch.no_grad()
def silenced(result: Any, inputs: Inputs) -> Values:
    """Which feature maps are zero, which parameters are, and what the kept channels emit."""
    conv, bn = inputs["conv"], inputs["bn"]
    y = bn(conv(normal(1, conv.in_channels, 5, 5)))  # (1, out, 5, 5)
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


SILENCED = ("weight", "bias", "running_mean", "running_var")  # what may change
SILENCE_FILTERS = [
    Probe("two of four", lambda: conv_and_bn([1, 0, 0, 1]), silenced, changes_inputs=SILENCED),
    Probe(
        "with bias", lambda: conv_and_bn([0, 1, 1], bias=True), silenced, changes_inputs=SILENCED
    ),
    Probe("all stay", lambda: conv_and_bn([1, 1, 1]), silenced, changes_inputs=SILENCED),
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
        "output": output,
        "mean of each channel of the output": means,
    }


REMOVE_FILTERS = [
    Probe("two of four filters go", lambda: three_layers([0, 1, 0, 1]), removed),
    Probe("with bias and stride 2", lambda: three_layers([1, 0, 1], bias=True, stride=2), removed),
    Probe(
        "as many outputs as filters, then 1x1 kernels",
        lambda: three_layers([0, 1, 1, 1], c_out=4, kernel=1),
        removed,
    ),
    Probe("all stay", lambda: three_layers([1, 1, 1]), removed),
]


def which_convs(names: Any, inputs: Inputs) -> Values:
    """What kind of names they are, without giving the right ones away."""
    modules = dict(inputs["model"].named_modules())
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


FREE_CONVS = [
    Probe("shortcut B", lambda: {"model": ResNet20(1)}, which_convs),
    Probe("shortcut A", lambda: {"model": ResNet20(2, "A")}, which_convs),
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
