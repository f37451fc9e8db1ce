"""What the checks of lab 5 look at: small inputs that you can follow by hand."""

import json
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab import checkpoints, data
from pruninglab.checks import Lab, Probe, Values, by_value, same
from pruninglab.models import ResNet20, Shortcut

Inputs = dict[str, Any]


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Random numbers, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def bits(*values: int) -> Tensor:
    """A mask from 0 and 1."""
    return torch.tensor(values).bool()


def numbers(values: dict[str, Any]) -> Values:
    """Numbers, in Python or in NumPy, and the names of those that are still in a tensor."""
    packed = [name for name, value in values.items() if isinstance(value, Tensor)]
    found = {name: float(value) for name, value in values.items()}
    return {"tensors that should be numbers": packed, **found}


def macs(result: Any, inputs: Inputs) -> Values:
    """One number."""
    return numbers({"MACs": result})


def conv(*settings: Any, **more: Any) -> nn.Conv2d:
    """A convolution whose weights do not matter: all are 1."""
    layer = nn.Conv2d(*settings, **more)
    for parameter in layer.parameters():
        nn.init.ones_(parameter)
    return layer


def with_zeros() -> nn.Conv2d:
    """Pruned a little, but not smaller."""
    layer = conv(1, 2, 3, bias=False)
    layer.weight.data[0, 0, 1, 1] = 0
    return layer


CONV_MACS = [
    Probe(
        "1 filter as large as the image: it fits once",
        lambda: {"conv": conv(1, 1, 5, bias=False), "height": 5, "width": 5},
        macs,
        cause="One filter, one channel, one output pixel: the answer is the 25 products of a 5x5 "
        "kernel, as a number. How often does a kernel fit without padding?",
    ),
    Probe(
        "2 channels, 3 filters 3x3, padding 1, an image of 4x4",
        lambda: {"conv": conv(2, 3, 3, padding=1, bias=False), "height": 4, "width": 4},
        macs,
        cause="One output pixel is right. Here are 16 of them, 3 filters and 2 channels: which "
        "factor is missing, too many, or there twice?",
    ),
    Probe(
        "a filter with a weight of 0",
        lambda: {"conv": with_zeros(), "height": 4, "width": 4},
        macs,
        cause="Products with a weight of 0 are computed, too, and count.",
    ),
    Probe(
        "stride 2, no padding, a square image of 8x8",
        lambda: {"conv": conv(3, 2, 3, stride=2, bias=False), "height": 8, "width": 8},
        macs,
        cause="With stride 1 all is right. With stride 2 a kernel fits once, and once more for "
        "every *two* pixels that are left: rounded down.",
    ),
    Probe(
        "stride 2, no padding, an image of 9x6",
        lambda: {"conv": conv(3, 2, 3, stride=2, bias=False), "height": 9, "width": 6},
        macs,
        cause="Square images are right, this one is not: height and width count each by itself.",
    ),
    Probe(
        "a kernel of 3x5, strides 1 and 2, paddings 1 and 2, with bias",
        lambda: {"conv": conv(2, 4, (3, 5), (1, 2), (1, 2)), "height": 7, "width": 10},
        macs,
        cause="Kernel, stride and padding are *pairs*, vertical first: each belongs to its own "
        "direction. And a bias costs no multiplication.",
    ),
]


class Stopwatch(dict):
    """A clock that only the scripted runs move. It also notes who ran."""

    def __call__(self) -> float:
        """The time in seconds."""
        return self["now"]


class Scripted(list):
    """A run that takes so many seconds the first time, so many the second, ..."""

    def __init__(self, name: str, seconds: list[float], clock: Stopwatch) -> None:
        super().__init__(seconds)
        self.name, self.clock, self.runs = name, clock, 0

    def __call__(self) -> None:
        """Let time pass."""
        self.clock["now"] += self[min(self.runs, len(self) - 1)]
        self.clock["who ran"] += self.name
        self.runs += 1


def scripted_race(warmup: int, rounds: int, **seconds: list[float]) -> Inputs:
    """Arguments of race."""
    clock = Stopwatch({"now": 0.0, "who ran": ""})
    contestants = {name: Scripted(name, times, clock) for name, times in seconds.items()}
    return {"contestants": contestants, "warmup": warmup, "rounds": rounds, "clock": clock}


def rounded(seconds: Any) -> Any:
    """Without the last digits of a difference of two readings."""
    return round(seconds, 4) if isinstance(seconds, float) else seconds


def medians(result: Any, inputs: Inputs) -> Values:
    """The medians and, once warm, the order of the runs."""
    times = {f"seconds of {name}": result[name] for name in inputs["contestants"]}
    ran = inputs["clock"]["who ran"]
    cold = len(inputs["contestants"]) * inputs["warmup"]
    return {
        **{name: rounded(value) for name, value in numbers(times).items()},
        "warm-up runs": "".join(sorted(ran[:cold])),
        "timed runs": ran[cold:],
        "names": list(result),
    }


OF_RACE = by_value(
    {
        "tensors that should be numbers": "`.item()` takes the number out of a tensor.",
        "names": "A result for each contestant, in the order of the dict.",
        "warm-up runs": "Each contestant runs `warmup` times before the first timed run.",
        "timed runs": "`rounds` rounds, and in each of them every contestant runs once, in the "
        "order of the dict: no more runs and no fewer.",
    }
)


def of_race(got: Values, expected: Values) -> str:
    """What is wrong with the runs; if nothing is, it is the times."""
    return OF_RACE(got, expected) or (
        "The runs are right, the times are not: which of them are in your list, from which reading "
        "of the clock to which, and is it their median, in seconds?"
    )


RACE = [
    Probe(
        "one contestant, three rounds of 4, 1 and 2 seconds, no warm-up",
        lambda: scripted_race(0, 3, a=[4, 1, 2]),
        medians,
        changes_inputs=True,
        cause=of_race,
    ),
    Probe(
        "two contestants, three rounds, two warm-up runs",
        lambda: scripted_race(2, 3, a=[9, 7, 1, 4, 1.5], b=[20, 20, 3, 2, 8]),
        medians,
        changes_inputs=True,
        cause=of_race,
    ),
    Probe(
        "four rounds: two times in the middle",
        lambda: scripted_race(1, 4, a=[30, 4, 1, 9, 2]),
        medians,
        changes_inputs=True,
        cause="An odd number of rounds is right: of an even number the median is the mean of the "
        "*two* in the middle.",
    ),
    Probe(
        "no warm-up, one of five runs is slow",
        lambda: scripted_race(0, 5, b=[2, 2, 2, 2, 2], a=[1, 1.25, 60, 1, 3]),
        medians,
        changes_inputs=True,
        cause=of_race,
    ),
    Probe(
        "runs of less than a thousandth of a second",
        lambda: scripted_race(0, 3, a=[0.0004, 0.0002, 0.0003]),
        medians,
        changes_inputs=True,
        cause="Long runs are right, short ones are not: is anything rounded?",
    ),
]


def three_sizes(result: Any, inputs: Inputs) -> Values:
    """The three numbers, in any order."""
    return numbers({name: result[name] for name in ("dense", "bitmask", "csr")})


def conv_mask() -> Tensor:
    """Three filters, 5 of 18 weights kept."""
    mask = bits(1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0)
    return mask.view(3, 3, 1, 2)


OF_SIZES = by_value(
    {
        "tensors that should be numbers": "`.item()` takes the number out of a tensor.",
        "dense": '"dense" stores every entry as a value, zeros included, and nothing else.',
        "bitmask": '"bitmask" is one bit for *every* entry, in whole bytes, rounded up once, and '
        "the kept values.",
        "csr": '"csr" is the kept values, as many column indices, and one index more than there '
        "are rows, one row per filter.",
    }
)
STORED_BYTES = [
    Probe(
        "2 filters of 3 weights, 3 of 6 kept",
        lambda: {"mask": bits(1, 0, 0, 0, 1, 1).view(2, 3)},
        three_sizes,
        cause=OF_SIZES,
    ),
    Probe(
        "3 filters of 3x1x2 weights, 5 of 18 kept",
        lambda: {"mask": conv_mask()},
        three_sizes,
        cause=OF_SIZES,
    ),
    Probe(
        "the same, values of 1 byte, indices of 2",
        lambda: {"mask": conv_mask(), "value_bytes": 1, "index_bytes": 2},
        three_sizes,
        cause="With 4 bytes for all of them it is right: which of the two sizes belongs to what?",
    ),
    Probe("nothing kept", lambda: {"mask": torch.zeros(4, 4).bool()}, three_sizes, cause=OF_SIZES),
    Probe(
        "one weight kept, in the last of three rows",
        lambda: {"mask": bits(0, 0, 0, 0, 0, 0, 0, 1, 0).view(3, 3), "value_bytes": 2},
        three_sizes,
        cause=OF_SIZES,
    ),
]


def sorted_groups(result: Any, inputs: Inputs) -> Values:
    """One value a group; the orders are left open."""
    if not isinstance(result, dict):
        return {"kind of the result": type(result).__name__}
    return {f"group {name!r}": sorted(result[name]) for name in sorted(result)}


def of_groups(got: Values, expected: Values) -> str:
    """What is wrong with the names of the groups; if nothing is, what is in them."""
    if "kind of the result" in got:
        return "A dict is asked: the name of each group -> the names of its convolutions."
    names, right = ({n for n in side if n.startswith("group")} for side in (got, expected))
    if names != right:
        return (
            'The groups have other names: that of a stream is called after its stage, "layer1", '
            '"layer2" or "layer3", that of a single convolution after the convolution.'
        )
    wrong = sorted(n for n in right if not same(got[n], expected[n]))
    return (
        f"Look at {wrong[0]}: which convolutions write into the sums of a stage, the one before "
        "its first block and those of its shortcuts among them, and under which names does "
        "`named_modules` list them?"
    )


COUPLED_GROUPS = [
    Probe("shortcut A", lambda: {"model": ResNet20(1, "A")}, sorted_groups, cause=of_groups),
    Probe(
        "shortcut B",
        lambda: {"model": ResNet20(1, "B")},
        sorted_groups,
        cause="Shortcut A is right. B has convolutions in two of its shortcuts: their feature maps "
        "are added to the stream of their stage.",
    ),
]


def conv_and_bn(inputs: Tensor, filters: Tensor, bias: bool = False, stride: int = 1) -> Inputs:
    """Arguments of cut, BN as after a training."""
    conv = nn.Conv2d(len(inputs), len(filters), 3, stride=stride, padding=1, bias=bias)
    bn = nn.BatchNorm2d(len(filters)).eval()
    for i, parameter in enumerate([*conv.parameters(), *bn.parameters()]):
        parameter.data = normal(*parameter.shape, seed=i)
    bn.running_mean = normal(len(filters), seed=7)
    bn.running_var = 0.5 + normal(len(filters), seed=8).square()
    return {"conv": conv, "bn": bn, "inputs": inputs, "filters": filters}


def unusual_layers() -> Inputs:
    """Everything that a new layer would have otherwise: in double precision, stride in pairs."""
    inputs = conv_and_bn(bits(1, 1, 0), bits(1, 0, 1, 1))
    conv = nn.Conv2d(
        3, 4, (3, 2), stride=(1, 2), padding=(2, 1), dilation=2, padding_mode="circular", bias=False
    )
    conv.weight.data = normal(4, 3, 3, 2)
    bn = inputs["bn"].train()
    bn.eps, bn.momentum, bn.num_batches_tracked = 0.5, 0.25, torch.tensor(321)
    return inputs | {"conv": conv.double(), "bn": bn.double()}


def before_and_after(*models: nn.Module) -> Values:
    """What else must be as it was in layers that are not to be changed."""
    parameters = [p for model in models for p in model.parameters()]
    return {
        "training mode afterwards": models[0].training,
        "trainable afterwards": all(p.requires_grad for p in parameters),
    }


@torch.no_grad()
def cut_layers(result: Any, inputs: Inputs) -> Values:
    """Sizes of the new layers and, if they fit together, what they compute."""
    conv, bn = result
    kinds = [type(layer).__name__ for layer in result]
    if kinds != ["Conv2d", "BatchNorm2d"]:
        return {"kinds of the new layers": kinds}
    x = normal(1, len(inputs["inputs"]), 5, 5, seed=5)[:, inputs["inputs"]]
    tensors = {**dict(bn.named_parameters()), "conv.weight": conv.weight}
    dtypes = sorted({str(tensor.dtype) for tensor in tensors.values()})
    seen = int(bn.num_batches_tracked or 0)
    try:
        output = bn(conv(x.to(conv.weight.dtype)))
    except RuntimeError:
        output = "the layers do not fit together"
    return {
        "conv.weight.shape": list(conv.weight.shape),
        "bn.weight.shape": list(bn.weight.shape),
        "bn.running_mean.shape": list(bn.running_mean.shape),
        "in_channels": conv.in_channels,
        "out_channels": conv.out_channels,
        "num_features": bn.num_features,
        "output": output,
        "conv": str(conv),
        "bn": str(bn),
        "bn.num_batches_tracked": seen,
        "kinds of the new layers": kinds,
        "buffers": sorted(name for layer in result for name, _ in layer.named_buffers()),
        "dtypes": dtypes,
        "bn.training": bn.training,
        "trainable": all(p.requires_grad for layer in result for p in layer.parameters()),
        **before_and_after(inputs["bn"], inputs["conv"]),
    }


OF_CUT = by_value(
    {
        "kinds of the new layers": "A convolution and a batch normalisation are asked, in this "
        "order.",
        "buffers": "Running statistics and the count of batches are buffers, as before.",
        "conv.weight.shape": "The new weight has the kept filters as rows and the kept inputs as "
        "columns: two cuts, one behind the other.",
        "bn.weight.shape": "BN has a channel for each filter that *stays*.",
        "bn.running_mean.shape": "The running statistics are cut like γ and β.",
        "in_channels": "The attributes of the new layers say their new sizes.",
        "out_channels": "The attributes of the new layers say their new sizes.",
        "num_features": "The attributes of the new layers say their new sizes.",
        "conv": "Shapes are right; a setting of the convolution is another one than before, or a "
        "bias has come or gone.",
        "bn": "Shapes are right; a setting of BN (eps, momentum, ...) is another one than before.",
        "bn.num_batches_tracked": "BN's count of batches stays as it was.",
        "dtypes": "The new tensors have the dtype of the old ones.",
        "bn.training": "BN stays in the mode in which it was.",
        "trainable": "All parameters of the new layers train.",
        "output": "Shapes and settings are right, the numbers are not those of the kept filters "
        "and "
        "inputs, in their old order: which tensor is cut at other places, shuffled, rounded or "
        "reset?",
    }
)
CUT = [
    Probe(
        "2 of 3 inputs, 3 of 4 filters",
        lambda: conv_and_bn(bits(1, 0, 1), bits(0, 1, 1, 1)),
        cut_layers,
        cause=OF_CUT,
    ),
    Probe(
        "2 of 4 inputs, 2 of 4 filters, with bias",
        lambda: conv_and_bn(bits(0, 1, 0, 1), bits(1, 0, 0, 1), bias=True),
        cut_layers,
        cause="Without a bias, and with other numbers of inputs than of filters, all is right: the "
        "bias belongs to the filters, and the two masks have the same length here.",
    ),
    Probe(
        "stride 2, all inputs, 1 of 2 filters",
        lambda: conv_and_bn(bits(1, 1, 1), bits(0, 1), stride=2),
        cut_layers,
        cause="Here all inputs stay, one filter does, and the stride is 2.",
    ),
    Probe(
        "double precision, and unusual settings: all else is as it was",
        unusual_layers,
        cut_layers,
        cause=OF_CUT,
    ),
]


def pairs(result: Any, inputs: Inputs) -> Values:
    """What goes where, in the order of the sources."""
    sources, targets = result
    kinds = {str(numbers.dtype) for numbers in result} | {f"{n.dim()}-d" for n in result}
    together = sorted((int(s), int(t)) for s, t in zip(sources, targets, strict=True))
    return {"source -> target": [f"{s} -> {t}" for s, t in together], "kinds": sorted(kinds)}


def of_links(got: Values, expected: Values) -> str:
    """Whether the tensors are of the right kind, and whether a pair is missing or another one."""
    if not same(got.get("kinds"), expected["kinds"]):
        return "Two flat tensors of dtype int64 are asked, also where they are empty."
    pairs, right = got["source -> target"], expected["source -> target"]
    if len(pairs) != len(right):
        return (
            f"{len(pairs)} pairs, and {len(right)} are asked: a channel that is kept on *both* "
            "sides has a pair, and no other one."
        )
    return (
        "As many pairs as are asked, but other ones: input channel i lies at i + (c_out - c_in) // "
        "2, and both are then counted among the *kept* ones, from 0."
    )


SHORTCUT_LINKS = [
    Probe(
        "2 channels to 4, all kept",
        lambda: {"keep_in": bits(1, 1), "keep_out": bits(1, 1, 1, 1)},
        pairs,
        cause=of_links,
    ),
    Probe(
        "4 channels to 8, 3 and 6 kept",
        lambda: {"keep_in": bits(1, 0, 1, 1), "keep_out": bits(1, 1, 0, 1, 1, 1, 0, 1)},
        pairs,
        cause=of_links,
    ),
    Probe(
        "3 channels to 6: an odd number of zeros",
        lambda: {"keep_in": bits(0, 1, 1), "keep_out": bits(1, 0, 1, 1, 0, 1)},
        pairs,
        cause=of_links,
    ),
    Probe(
        "2 channels to 6, all kept but one: two channels of zeros before",
        lambda: {"keep_in": bits(1, 1), "keep_out": bits(1, 0, 1, 1, 1, 1)},
        pairs,
        cause=of_links,
    ),
    Probe(
        "nothing of what is carried is wanted",
        lambda: {"keep_in": bits(1, 0), "keep_out": bits(1, 0, 1, 1)},
        pairs,
        cause=of_links,
    ),
]


def resnet_to_shrink(shortcut: Shortcut, seed: int, training: bool = False) -> Inputs:
    """A ResNet-20 of width 2, BN as after a training, and masks with both kept and removed."""
    model = ResNet20(2, shortcut, seed=seed).train(training)
    for i, bn in enumerate(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        bn.weight.data = 0.5 + normal(bn.num_features, seed=i).abs()
        bn.bias.data = 0.5 * normal(bn.num_features, seed=100 + i)
        bn.running_mean = 0.3 * normal(bn.num_features, seed=200 + i)
    keep = {}
    for stage, filters in (("layer1", 2), ("layer2", 4), ("layer3", 8)):
        for i, name in enumerate([stage, *(f"{stage}.{block}.conv1" for block in range(3))]):
            order = normal(filters, seed=10 * filters + i + seed).argsort()
            keep[name] = order < filters // 2 + (i % 2) * (filters // 4)
    return {"model": model, "keep": keep}


@torch.no_grad()
def shrunk(result: Any, inputs: Inputs) -> Values:
    """Shapes of all weights and, if the layers fit together, what the network computes."""
    if not isinstance(result, ResNet20):
        return {"kind of the result": type(result).__name__}
    modes = sorted({m.training for m in result.modules() if isinstance(m, nn.BatchNorm2d)})
    trainable = all(p.requires_grad for p in result.parameters())
    kept = {
        "BN in training mode": modes,
        "trainable": trainable,
        **before_and_after(inputs["model"]),
    }
    try:
        scores = result.eval()(normal(1, 3, 8, 8, seed=3))
    except RuntimeError:
        scores = "the layers do not fit together"
    shapes = {n: list(p.shape) for n, p in result.named_parameters() if n.endswith("weight")}
    return {"class scores": scores, "fc.in_features": result.fc.in_features, **shapes, **kept}


def of_shrinking(got: Values, expected: Values) -> str:
    """Shapes first, then modes, then what the network computes."""
    if "kind of the result" in got:
        return "A `ResNet20` is asked, a network, in no other wrapping."
    wrong = [n for n in expected if not same(got.get(n), expected[n])]
    shapes = [n for n in wrong if n.endswith("weight") or n == "fc.in_features"]
    if shapes:
        return (
            f"Look at {shapes[0]}: its filters are those of its own group, its inputs those of the "
            "group that writes what it reads."
        )
    if wrong and wrong[0] == "class scores":
        return (
            "All shapes are right, the scores are not: tensors with other numbers than the kept "
            "ones, a BN or a shortcut that was cut at other places, or something scaled or rounded."
        )
    if wrong and wrong[0].startswith("BN"):
        return "The new network's batch normalisation is in the mode of `model`."
    return "All parameters of the new network train, and `model` stays as it was." if wrong else ""


SHRINK_RESNET = [
    Probe("width 2, shortcut B", lambda: resnet_to_shrink("B", 0), shrunk, cause=of_shrinking),
    Probe(
        "width 2, shortcut A",
        lambda: resnet_to_shrink("A", 1),
        shrunk,
        cause="Shortcut B is right. A carries channels into the middle of zeros: `shortcut_links` "
        "says where they arrive, of the stage before and of the stage after.",
    ),
    Probe(
        "width 2, shortcut A, other masks, a network in training mode",
        lambda: resnet_to_shrink("A", 2, training=True),
        shrunk,
        cause=of_shrinking,
    ),
]

# --- choose_widths: measured, not compared ------------------------------------------------------

DENSE_MACS = 40_813_184  # of the network that ships, for one image
ENOUGH = {0.1: 0.85, 0.3: 0.65}  # share of the MACs to save -> accuracy to reach
HONOUR = 0.35  # share of the MACs; saved at the accuracy for 0.3, it is worth a remark


def scanned(share: float) -> Inputs:
    """The recorded scan of the network that ships, and a budget."""
    record = json.loads((checkpoints.ASSETS / "speed-scan.json").read_text(encoding="utf-8"))
    scan = {n: {int(w): a for w, a in row.items()} for n, row in record["scan"].items()}
    return {"scan": scan, "macs": record["macs"], "budget": round(share * DENSE_MACS)}


@torch.no_grad()
def accuracy_with(widths: dict[str, int]) -> float:
    """The accuracy of the network with so many filters, on 400 images, shifted and mirrored."""
    model = checkpoints.trained(16)
    for name, kept in widths.items():
        weight, bn = model.get_parameter(f"{name}.weight"), name.replace("conv", "bn")
        weakest = weight.abs().sum(dim=(1, 2, 3)).argsort()[: len(weight) - kept]
        weight[weakest] = 0
        model.get_parameter(f"{bn}.weight")[weakest] = 0
        model.get_parameter(f"{bn}.bias")[weakest] = 0
    right = 0
    for split in ("val", "test"):
        images = data.subset(split)[:200]
        x = data.augment(data.normalise(images.pixels), torch.Generator().manual_seed(5))
        right += int((model.eval()(x).argmax(dim=1) == images.labels).sum())
    return right / 400


def measured(result: Any, inputs: Inputs) -> Values:
    """What is wrong with a choice of widths; of right ones nothing but that they are right."""
    scan, macs, budget = inputs["scan"], inputs["macs"], inputs["budget"]
    if set(result) != set(scan):
        return {"layers without a number": sorted(set(scan) - set(result))}
    whole = {n for n, k in result.items() if isinstance(k, Integral) and not isinstance(k, bool)}
    odd = {n: k for n, k in result.items() if n not in whole or not 1 <= k <= max(scan[n])}
    if odd:
        return {"no number of filters that could be kept": odd}
    saved = sum(macs[n] * (max(row) - result[n]) for n, row in scan.items())
    if saved < budget:
        return {"MACs saved": saved, "at least": budget}
    accuracy = accuracy_with(result)
    enough = ENOUGH[round(budget / DENSE_MACS, 2)]
    if accuracy < enough:
        return {"accuracy": accuracy, "at least": enough}
    if saved >= HONOUR * DENSE_MACS:
        print(
            f"★ bonus, no points: {saved / DENSE_MACS:.0%} of the MACs saved, {accuracy:.0%} right"
        )
    return {"MACs saved": "enough", "accuracy": "enough"}


CHOOSE_WIDTHS = [
    Probe("save 30 % of the MACs, 65 % right", lambda: scanned(0.3), measured),
    Probe("save 10 % of the MACs, 85 % right", lambda: scanned(0.1), measured),
]

PROBES = {
    "conv_macs": CONV_MACS,
    "race": RACE,
    "stored_bytes": STORED_BYTES,
    "coupled_groups": COUPLED_GROUPS,
    "cut": CUT,
    "shortcut_links": SHORTCUT_LINKS,
    "shrink_resnet": SHRINK_RESNET,
    "choose_widths": CHOOSE_WIDTHS,
}
check = Lab(__file__, PROBES)
