"""What the checks of lab 5 look at: small inputs that you can follow by hand."""

import json
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab import checkpoints, data
from pruninglab.checks import Lab, Probe, Values
from pruninglab.models import ResNet20, Shortcut

Inputs = dict[str, Any]


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Random numbers, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def bits(*values: int) -> Tensor:
    """A mask from 0 and 1."""
    return torch.tensor(values).bool()


def macs(result: Any, inputs: Inputs) -> Values:
    """One number."""
    return {"MACs": float(result)}


def conv(*settings: Any, **more: Any) -> nn.Conv2d:
    """A convolution whose weights do not matter: all are 1."""
    layer = nn.Conv2d(*settings, **more)
    for parameter in layer.parameters():
        nn.init.ones_(parameter)
    return layer


CONV_MACS = [
    Probe(
        "2 channels, 3 filters 3x3, padding 1, an image of 4x4",
        lambda: {"conv": conv(2, 3, 3, padding=1, bias=False), "height": 4, "width": 4},
        macs,
    ),
    Probe(
        "1 filter as large as the image: it fits once",
        lambda: {"conv": conv(1, 1, 5, bias=False), "height": 5, "width": 5},
        macs,
    ),
    Probe(
        "stride 2, no padding, an image of 9x6",
        lambda: {"conv": conv(3, 2, 3, stride=2, bias=False), "height": 9, "width": 6},
        macs,
    ),
    Probe(
        "a kernel of 3x5, strides 1 and 2, paddings 1 and 2, with bias",
        lambda: {"conv": conv(2, 4, (3, 5), (1, 2), (1, 2)), "height": 7, "width": 10},
        macs,
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


def medians(result: Any, inputs: Inputs) -> Values:
    """The medians and, once warm, the order of the runs."""
    ran = inputs["clock"]["who ran"]
    cold = len(inputs["contestants"]) * inputs["warmup"]
    return {
        **{f"seconds of {name}": round(float(result[name]), 4) for name in inputs["contestants"]},
        "warm-up runs": "".join(sorted(ran[:cold])),
        "timed runs": ran[cold:],
        "names": list(result),
    }


RACE = [
    Probe(
        "two contestants, three rounds, two warm-up runs",
        lambda: scripted_race(2, 3, a=[9, 7, 1, 4, 1.5], b=[20, 20, 3, 2, 8]),
        medians,
        changes_inputs=True,
    ),
    Probe(
        "four rounds: two times in the middle",
        lambda: scripted_race(1, 4, a=[30, 4, 1, 9, 2]),
        medians,
        changes_inputs=True,
    ),
    Probe(
        "no warm-up, one of five runs is slow",
        lambda: scripted_race(0, 5, b=[2, 2, 2, 2, 2], a=[1, 1.25, 60, 1, 3]),
        medians,
        changes_inputs=True,
    ),
]


def three_sizes(result: Any, inputs: Inputs) -> Values:
    """The three numbers, whatever the order and the kind of number."""
    return {name: float(result[name]) for name in ("dense", "bitmask", "csr")}


def conv_mask() -> Tensor:
    """Three filters, 5 of 18 weights kept."""
    mask = bits(1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0)
    return mask.view(3, 3, 1, 2)


STORED_BYTES = [
    Probe(
        "2 filters of 3 weights, 3 of 6 kept",
        lambda: {"mask": bits(1, 0, 0, 0, 1, 1).view(2, 3)},
        three_sizes,
    ),
    Probe("3 filters of 3x1x2 weights, 5 of 18 kept", lambda: {"mask": conv_mask()}, three_sizes),
    Probe(
        "the same, values of 1 byte, indices of 2",
        lambda: {"mask": conv_mask(), "value_bytes": 1, "index_bytes": 2},
        three_sizes,
    ),
    Probe("nothing kept", lambda: {"mask": torch.zeros(4, 4).bool()}, three_sizes),
    Probe(
        "one weight kept, in the last of three rows",
        lambda: {"mask": bits(0, 0, 0, 0, 0, 0, 0, 1, 0).view(3, 3), "value_bytes": 2},
        three_sizes,
    ),
]


def sorted_groups(result: Any, inputs: Inputs) -> Values:
    """One value a group; the orders are left open."""
    return {f"group {name!r}": sorted(result[name]) for name in sorted(result)}


COUPLED_GROUPS = [
    Probe("shortcut A", lambda: {"model": ResNet20(1, "A")}, sorted_groups),
    Probe("shortcut B", lambda: {"model": ResNet20(1, "B")}, sorted_groups),
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
        "dtypes": dtypes,
        "bn.training": bn.training,
        "trainable": all(p.requires_grad for layer in result for p in layer.parameters()),
        **before_and_after(inputs["bn"], inputs["conv"]),
    }


CUT = [
    Probe(
        "2 of 3 inputs, 3 of 4 filters",
        lambda: conv_and_bn(bits(1, 0, 1), bits(0, 1, 1, 1)),
        cut_layers,
    ),
    Probe(
        "2 of 4 inputs, 2 of 4 filters, with bias",
        lambda: conv_and_bn(bits(0, 1, 0, 1), bits(1, 0, 0, 1), bias=True),
        cut_layers,
    ),
    Probe(
        "stride 2, all inputs, 1 of 2 filters",
        lambda: conv_and_bn(bits(1, 1, 1), bits(0, 1), stride=2),
        cut_layers,
    ),
    Probe(
        "double precision, and unusual settings: all else is as it was", unusual_layers, cut_layers
    ),
]


def pairs(result: Any, inputs: Inputs) -> Values:
    """What goes where, in the order of the sources."""
    sources, targets = result
    kinds = {str(numbers.dtype) for numbers in result} | {f"{n.dim()}-d" for n in result}
    together = sorted((int(s), int(t)) for s, t in zip(sources, targets, strict=True))
    return {"source -> target": [f"{s} -> {t}" for s, t in together], "kinds": sorted(kinds)}


SHORTCUT_LINKS = [
    Probe(
        "2 channels to 4, all kept",
        lambda: {"keep_in": bits(1, 1), "keep_out": bits(1, 1, 1, 1)},
        pairs,
    ),
    Probe(
        "4 channels to 8, 3 and 6 kept",
        lambda: {"keep_in": bits(1, 0, 1, 1), "keep_out": bits(1, 1, 0, 1, 1, 1, 0, 1)},
        pairs,
    ),
    Probe(
        "3 channels to 6: an odd number of zeros",
        lambda: {"keep_in": bits(0, 1, 1), "keep_out": bits(1, 0, 1, 1, 0, 1)},
        pairs,
    ),
    Probe(
        "2 channels to 6, all kept but one: two channels of zeros before",
        lambda: {"keep_in": bits(1, 1), "keep_out": bits(1, 0, 1, 1, 1, 1)},
        pairs,
    ),
    Probe(
        "nothing of what is carried is wanted",
        lambda: {"keep_in": bits(1, 0), "keep_out": bits(1, 0, 1, 1)},
        pairs,
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


SHRINK_RESNET = [
    Probe("width 2, shortcut B", lambda: resnet_to_shrink("B", 0), shrunk),
    Probe("width 2, shortcut A", lambda: resnet_to_shrink("A", 1), shrunk),
    Probe(
        "width 2, shortcut A, other masks, a network in training mode",
        lambda: resnet_to_shrink("A", 2, training=True),
        shrunk,
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
