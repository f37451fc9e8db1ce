"""What the checks of lab 2 look at: networks small enough to follow by hand."""

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pruninglab import checkpoints
from pruninglab.checks import Lab, Probe, Values, allocation
from pruninglab.models import Block

Inputs = dict[str, Any]
M = TypeVar("M", bound=nn.Module)


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Random numbers, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def randomise(model: M, seed: int = 0) -> M:
    """Set all parameters and BN statistics to random numbers, the same each time."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            value = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(0.5 + value.abs() if name.endswith("running_var") else value)
        else:
            tensor.fill_(5)  # the number of batches that BN has seen
    return model


def linear(*rows: list[float]) -> nn.Linear:
    """A linear layer with these weights and no bias."""
    layer = nn.Linear(len(rows[0]), len(rows), bias=False)
    layer.weight.data = torch.tensor(rows)
    return layer


def afterwards(model: nn.Module) -> Values:
    """In which mode the layers of a model are, and which parameters do not train any more."""
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    training = [type(module).__name__ for module in model.modules() if module.training]
    return {
        "in training mode afterwards": training,
        "frozen afterwards (requires_grad=False)": frozen,
    }


def by_name(scores: Any, inputs: Inputs) -> Values:
    """One value a name, in the order of the alphabet, and whether autograd still holds on to it."""
    if not isinstance(scores, dict):
        return {"result": scores}
    shown = {f"scores of {name}": scores[name] for name in sorted(scores)}
    shown["requires_grad"] = any(s.requires_grad for s in scores.values())
    return shown | afterwards(inputs["model"])


# --- magnitude_scores ---------------------------------------------------------------------------


def mixed() -> nn.Module:
    """A convolution that does not train, BN and a linear layer."""
    layers = [nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2)]
    layers[0].requires_grad_(False)
    return randomise(nn.Sequential(*layers))


MAGNITUDE_SCORES = [
    Probe(
        "a linear layer with four weights",
        lambda: {"model": linear([0.5, -3.0], [-0.25, 1.0])},
        by_name,
    ),
    Probe("convolution, BN, linear layer with bias", lambda: {"model": mixed()}, by_name),
]

# --- gradient_scores ----------------------------------------------------------------------------


def after_a_backward_pass() -> nn.Module:
    """A linear layer that still holds the gradients of another pass."""
    layer = linear([1.0, 0.0], [0.0, 0.0])
    layer.weight.grad = torch.tensor([[3.0, 0.0], [0.0, -3.0]])
    return layer.eval()


def with_bn(training: bool) -> Inputs:
    """A small convolutional network with BN, in one of the two modes, in double precision."""
    model = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))
    x, y = normal(4, 1, 2, 2, seed=1).double(), torch.tensor([0, 1, 2, 1])
    return {"model": randomise(model).double().train(training), "x": x, "y": y}


def one_layer_trains() -> Inputs:
    """The same network; a single layer is in another mode than the rest."""
    inputs = with_bn(False)
    inputs["model"][1].train()
    return inputs


def rounded(x: Tensor) -> Tensor:
    """To nine decimals: the last digits depend on the number of threads."""
    return x.mul(1e9).round().div(1e9)


def with_mode(scores: Any, inputs: Inputs) -> Values:
    """The scores, and in which mode the model is afterwards."""
    shown = {f"scores of {name}": rounded(scores[name]) for name in sorted(scores)}
    return shown | afterwards(inputs["model"])


ONE_IMAGE = {"x": torch.tensor([[2.0, -1.0]]), "y": torch.tensor([1])}
GRADIENT_SCORES = [
    Probe(
        "two inputs, two classes, one image",
        lambda: {"model": linear([1.0, 0.0], [0.0, -1.0]).eval(), **ONE_IMAGE},
        with_mode,
    ),
    Probe(
        "a model with gradients left in .grad",
        lambda: {"model": after_a_backward_pass(), **ONE_IMAGE},
        with_mode,
    ),
    Probe("a network with BN, in evaluation mode", lambda: with_bn(False), with_mode),
    Probe("the same network, given in training mode", lambda: with_bn(True), with_mode),
    Probe("in evaluation mode, with its BN in training mode", one_layer_trains, with_mode),
]

# --- filter_scores ------------------------------------------------------------------------------


def filters(*rows: list[float]) -> Tensor:
    """Filters of 1x1 kernels: one row each."""
    return torch.tensor(rows)[:, :, None, None]


def ranking(scores: Any, inputs: Inputs) -> Values:
    """The rank of each filter among all of the network, 0 = the first to go."""
    if not isinstance(scores, dict):
        return {"result": scores}
    names = list(inputs["tensors"])
    shapes = {f"shape of the scores of {name}": list(scores[name].shape) for name in names}
    ranks = torch.cat([scores[name] for name in names]).argsort().argsort()
    parts = ranks.split([len(scores[name]) for name in names])
    return shapes | {f"ranks in {name}": part for name, part in zip(names, parts, strict=True)}


def one_layer() -> dict[str, Tensor]:
    """Three filters that L1 and L2 rank differently, with signs that cancel."""
    return {"a": filters([3.0, -3.0, 3.0], [0.0, -5.5, 0.5], [1.0, 4.0, 2.5])}


def two_sizes() -> dict[str, Tensor]:
    """Filters of two and of six weights."""
    return {
        "narrow": filters([4.0, -3.5], [-5.0, 0.5], [1.0, 1.5]),
        "wide": filters([1.0, -1, 1, 2, -1, 3], [2.0, 2, -2, 2, 2, 2], [0.0, 0, 1, 0, 0, -0.5]),
    }


def close() -> dict[str, Tensor]:
    """Filters in double precision whose norms differ by a billionth."""
    steps = 1e-9 * torch.arange(3).double()
    return {
        "a": (1 - 2 * steps).view(3, 1, 1, 1),
        "b": (1 - 1e-9 - 2 * steps).view(3, 1, 1, 1),
    }


FILTER_SCORES = [
    Probe("three filters, L1", lambda: {"tensors": one_layer(), "p": 1}, ranking),
    Probe("three filters, L2", lambda: {"tensors": one_layer(), "p": 2}, ranking),
    Probe(
        "filters of two and of six weights, L1", lambda: {"tensors": two_sizes(), "p": 1}, ranking
    ),
    Probe(
        "filters of two and of six weights, L2", lambda: {"tensors": two_sizes(), "p": 2}, ranking
    ),
    Probe(
        "double precision: filters that differ by a billionth, L1",
        lambda: {"tensors": close(), "p": 1},
        ranking,
    ),
    Probe(
        "3x3 kernels, L2",
        lambda: {"tensors": {"a": normal(5, 4, 3, 3), "b": normal(4, 5, 3, 3, seed=1)}, "p": 2},
        ranking,
    ),
]

# --- bn_scores ----------------------------------------------------------------------------------


def one_block() -> Block:
    """A block with hand-set BN."""
    block = randomise(Block(2, 3, 2, stride=1, option="A")).eval()
    block.bn1.weight.data = torch.tensor([0.5, -2.0, 0.1])
    block.bn2.weight.data = torch.tensor([-1.0, 0.2])
    return block


def in_another_order() -> nn.Module:
    """What comes behind a convolution in this list is not the BN behind it."""
    layers = {"conv1": nn.Conv2d(2, 3, 1), "bn2": nn.BatchNorm2d(2)}
    layers |= {"conv2": nn.Conv2d(3, 2, 1), "bn1": nn.BatchNorm2d(3)}
    return randomise(nn.ModuleDict(layers), seed=4).eval()


def two_blocks() -> nn.Module:
    """Two blocks, one behind the other."""
    blocks = [Block(2, 3, 2, stride=1, option="A"), Block(2, 4, 2, stride=1, option="A")]
    return randomise(nn.Sequential(*blocks), seed=3).eval()


BN_SCORES = [
    Probe(
        "one block, its first convolution",
        lambda: {"model": one_block(), "convs": ["conv1"]},
        by_name,
    ),
    Probe(
        "one block, its second convolution",
        lambda: {"model": one_block(), "convs": ["conv2"]},
        by_name,
    ),
    Probe(
        "the first convolutions of two blocks",
        lambda: {"model": two_blocks(), "convs": ["0.conv1", "1.conv1"]},
        by_name,
    ),
    Probe(
        "layers that were registered in another order",
        lambda: {"model": in_another_order(), "convs": ["conv1", "conv2"]},
        by_name,
    ),
]

# --- gate_scores --------------------------------------------------------------------------------


def classifier(blocks: int) -> nn.Module:
    """Blocks, pooling, and a linear layer for three classes; random BN."""
    layers = [Block(2, 3, 2, stride=1, option="A") for _ in range(blocks)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)]
    return randomise(nn.Sequential(*layers, *head), seed=93).eval()  # scores of like size


def small_batches(count: int) -> list[tuple[Tensor, Tensor]]:
    """Minibatches of four images, 2x5x5."""
    generator = torch.Generator().manual_seed(0)
    return [
        (
            torch.randn(4, 2, 5, 5, generator=generator),
            torch.randint(3, (4,), generator=generator),
        )
        for _ in range(count)
    ]


def watched() -> nn.Module:
    """One block; its first BN has a hook of its own, which does nothing."""
    model = classifier(1)
    model.get_submodule("0.bn1").register_forward_hook(lambda *_: None)
    return model


def with_output(scores: Any, inputs: Inputs) -> Values:
    """The scores, and whether the model is as it was."""
    modules = list(inputs["model"].modules())
    hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules)
    return by_name(scores, inputs) | {"hooks in the model": hooks}


GATE_SCORES = [
    Probe(
        "one block, one minibatch",
        lambda: {"model": classifier(1), "convs": ["0.conv1"], "batches": small_batches(1)},
        with_output,
    ),
    Probe(
        "one block with a hook of its own, three minibatches",
        lambda: {"model": watched(), "convs": ["0.conv1"], "batches": small_batches(3)},
        with_output,
    ),
    Probe(
        "two minibatches, the first convolution of a block and the second of the next",
        lambda: {
            "model": classifier(2),
            "convs": ["0.conv1", "1.conv2"],
            "batches": small_batches(2),
        },
        with_output,
    ),
]

# --- filter_masks -------------------------------------------------------------------------------


def weak_layer() -> dict[str, Tensor]:
    """Every filter of the second layer scores below every one of the first."""
    return {
        "strong": torch.tensor([70.0, 50.0, 80.0, 30.0]),
        "weak": torch.tensor([1.0, 4.0, 2.0, 3.0]),
    }


def three_layers() -> dict[str, Tensor]:
    """Layers of different sizes, some scores below zero."""
    return {
        "a": torch.tensor([-5.0, 1.0, 2.0, -9.0]),
        "b": torch.tensor([6.0, 30.0, 7.0, 8.0, 20.0]),
        "c": torch.tensor([3.0, 5.0]),
    }


def by_layer(masks: Any, inputs: Inputs) -> Values:
    """One value a layer, in the order of the scores; None where a layer is missing."""
    if not isinstance(masks, dict):
        return {"result": masks}
    return {f"mask of {name}": masks.get(name) for name in inputs["scores"]}


def counts(masks: Any, inputs: Inputs) -> Values:
    """Where scores are equal, any of them may go: how many stay."""
    kept = [int(mask.sum()) for mask in by_layer(masks, inputs).values()]
    return {"number of True in all layers": sum(kept), "in each at least one": min(kept) > 0}


FILTER_MASKS = [
    Probe(
        "a quarter of eight filters", lambda: {"scores": weak_layer(), "sparsity": 0.25}, by_layer
    ),
    Probe(
        "three quarters of eight filters",
        lambda: {"scores": weak_layer(), "sparsity": 0.75},
        by_layer,
    ),
    Probe(
        "0.4 of eight filters: round(3.2); two stay in each layer",
        lambda: {"scores": weak_layer(), "sparsity": 0.4, "at_least": 2},
        by_layer,
    ),
    Probe(
        "three layers, 60 % of eleven filters: round(6.6)",
        lambda: {"scores": three_layers(), "sparsity": 0.6},
        by_layer,
    ),
    Probe(
        "three layers, three filters stay in each",
        lambda: {"scores": three_layers(), "sparsity": 0.3, "at_least": 3},
        by_layer,
    ),
    Probe("everything", lambda: {"scores": three_layers(), "sparsity": 1.0}, by_layer),
    Probe(
        "half of nine filters: round(4.5), which is 4",
        lambda: {"scores": {"a": normal(4, seed=1), "b": normal(5, seed=2)}, "sparsity": 0.5},
        by_layer,
    ),
    Probe(
        "scores of thousands",
        lambda: {
            "scores": {"a": torch.tensor([9.0, 7.0]), "b": torch.tensor([6e3, 5e3, 4e3])},
            "sparsity": 0.6,
        },
        by_layer,
    ),
    Probe(
        "double precision: each score 1e-9 below the one before",
        lambda: {
            "scores": {
                "a": 1 - 1e-9 * torch.arange(4).double(),
                "b": 1 - 1e-9 * torch.arange(4, 8).double(),
            },
            "sparsity": 0.5,
        },
        by_layer,
    ),
    Probe(
        "equal scores",
        lambda: {"scores": {"a": torch.ones(4), "b": torch.ones(6)}, "sparsity": 0.5},
        counts,
    ),
]

# --- sensitivity --------------------------------------------------------------------------------


def two_linear_layers() -> Inputs:
    """Two layers, sixteen points, and scores that are not the magnitudes."""
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))
    model = randomise(model, seed=1835).eval()  # chosen so that accuracies differ
    x = normal(16, 3, seed=2)
    y = model(x).argmax(1).detach()
    y[::5] = (y[::5] + 1) % 3  # some are labelled otherwise: the whole network is not perfect
    scores = {"0.weight": normal(4, 3, seed=3), "2.weight": 0.3 * normal(3, 4, seed=4)}
    return {"model": model, "scores": scores, "x": x, "y": y}


def by_hand() -> Inputs:
    """One layer with two weights that matter."""
    x = torch.tensor([[1.0, 3.0], [3.0, 1.0], [1.0, 2.0], [1.0, 4.0]])
    scores = {"weight": torch.tensor([[5.0, 1.0], [2.0, 9.0]])}
    model = linear([1.0, 0.0], [0.0, 1.0]).eval()
    return {"model": model, "scores": scores, "x": x, "y": torch.tensor([1, 0, 1, 1])}


def one_of_two() -> Inputs:
    """Scores of the second layer alone."""
    inputs = two_linear_layers()
    return inputs | {"scores": {"2.weight": inputs["scores"]["2.weight"]}}


def in_order(result: Any) -> Any:
    """The order of a dict's entries does not matter."""
    if not isinstance(result, dict):
        return result
    return {name: in_order(value) for name, value in sorted(result.items())}


def curves(result: Any, inputs: Inputs) -> Values:
    """The accuracies, and whether the model is as it was."""
    return {"result": in_order(result)} | afterwards(inputs["model"])


SENSITIVITY = [
    Probe("one layer, four points", lambda: by_hand() | {"sparsities": [0.5, 0.75, 1.0]}, curves),
    Probe("two layers", lambda: two_linear_layers() | {"sparsities": [0.25, 0.5, 0.75]}, curves),
    Probe(
        "two layers, sparsities falling",
        lambda: two_linear_layers() | {"sparsities": [0.8, 0.3]},
        curves,
    ),
    Probe("scores of one of two layers", lambda: one_of_two() | {"sparsities": [0.5, 0.6]}, curves),
]

# --- recalibrate_bn -----------------------------------------------------------------------------


def two_norms(training: bool = False) -> nn.Module:
    """Two convolutions with BN that has counted five batches before; different momenta."""
    model = nn.Sequential(
        nn.BatchNorm2d(1), nn.Conv2d(1, 2, 1), nn.ReLU(), nn.BatchNorm2d(2, momentum=0.3)
    )
    return randomise(model, seed=6).train(training)


def statistics(result: Any, inputs: Inputs) -> Values:
    """All that a batch normalisation holds, and the modes of the layers."""
    norms = [m for m in inputs["model"].modules() if isinstance(m, nn.BatchNorm2d)]
    values: Values = {}
    for i, bn in enumerate(norms, 1):
        values |= {f"running_mean {i}": bn.running_mean, f"running_var {i}": bn.running_var}
        values |= {f"γ {i}": bn.weight, f"β {i}": bn.bias, f"momentum {i}": bn.momentum}
    return values | afterwards(inputs["model"])


def four_values() -> list[tuple[Tensor, Tensor]]:
    """Two batches of two one-pixel images."""
    pairs = ([1.0, 3.0], [10.0, 14.0])
    return [(torch.tensor(p).view(2, 1, 1, 1), torch.tensor([0, 1])) for p in pairs]


def random_batches() -> list[tuple[Tensor, Tensor]]:
    """Three batches of five images."""
    batches = [1 + 2 * normal(5, 1, 3, 3, seed=i) for i in range(3)]
    return [(i + x, torch.zeros(5, dtype=torch.int64)) for i, x in enumerate(batches)]


def mixed_modes() -> nn.Module:
    """In training mode, with its first BN in evaluation mode."""
    model = two_norms(training=True)
    next(model.children()).eval()
    return model


STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # what may change
RECALIBRATE_BN = [
    Probe(
        "one BN, the batches {1, 3} and {10, 14}",
        lambda: {"model": randomise(nn.BatchNorm2d(1)).eval(), "batches": four_values()},
        statistics,
        changes_inputs=STATISTICS,
    ),
    Probe(
        "two BN with a convolution between them, three batches",
        lambda: {"model": two_norms(), "batches": random_batches()},
        statistics,
        changes_inputs=STATISTICS,
    ),
    Probe(
        "a model given in training mode",
        lambda: {"model": two_norms(training=True), "batches": random_batches()},
        statistics,
        changes_inputs=STATISTICS,
    ),
    Probe(
        "in training mode, with its first BN in evaluation mode",
        lambda: {"model": mixed_modes(), "batches": random_batches()},
        statistics,
        changes_inputs=STATISTICS,
    ),
]

# --- choose_sparsities --------------------------------------------------------------------------


def small_choice(sizes: tuple[int, int], weights_left: int) -> Inputs:
    """Two layers: one can lose nearly everything, the other hurts."""
    scan = {"tough": {0.5: 0.9, 0.9: 0.88}, "tender": {0.5: 0.6, 0.9: 0.1}}
    counts = dict(zip(scan, sizes, strict=True))
    return {"scan": scan, "sizes": counts, "weights_left": weights_left}


def the_camera() -> Inputs:
    """The lab's network: its stored scan, and 96 KiB in float16 with a bitmask."""
    model = checkpoints.trained(16)
    left = allocation.room(model, 96)
    scan = allocation.stored_scan()
    return {"scan": scan, "sizes": allocation.sizes(model), "weights_left": left}


def fits(chosen: Any, inputs: Inputs) -> Values:
    """Which layers have a sparsity, whether it is one, and whether the network fits."""
    sizes, left = inputs["sizes"], inputs["weights_left"]
    found: Values = {"layers": sorted(chosen)}
    found["all from 0 to 1"] = all(0 <= s <= 1 for s in chosen.values())
    if set(chosen) == set(sizes) and found["all from 0 to 1"]:
        found["fits"] = allocation.staying(chosen, sizes) <= left + len(sizes)
    return found


def fits_and_is_accurate(chosen: Any, inputs: Inputs) -> Values:
    """And how it does on 400 validation images, beside the same sparsity in every layer."""
    found = fits(chosen, inputs)
    if found.get("fits"):
        images = allocation.whole_subset("val")[:400]
        gain = allocation.gain_over_uniform(checkpoints.trained(16), chosen, images)
        words = {gain >= 0.04: "4 points better or more", gain <= -0.04: "worse"}
        found["beside uniform"] = words.get(True, "about equal")
    return found


CHOOSE_SPARSITIES = [
    Probe("two layers of 100, 100 weights may stay", lambda: small_choice((100, 100), 100), fits),
    Probe("layers of 1,000 and 10, 300 may stay", lambda: small_choice((1000, 10), 300), fits),
    Probe("layers of 10 and 1,000, 60 may stay", lambda: small_choice((10, 1000), 60), fits),
    Probe("two layers of 100, all may stay", lambda: small_choice((100, 100), 200), fits),
    Probe("the camera's network in 96 KiB", the_camera, fits_and_is_accurate),
]

PROBES = {
    "magnitude_scores": MAGNITUDE_SCORES,
    "gradient_scores": GRADIENT_SCORES,
    "filter_scores": FILTER_SCORES,
    "bn_scores": BN_SCORES,
    "gate_scores": GATE_SCORES,
    "filter_masks": FILTER_MASKS,
    "sensitivity": SENSITIVITY,
    "recalibrate_bn": RECALIBRATE_BN,
    "choose_sparsities": CHOOSE_SPARSITIES,
}
check = Lab(__file__, PROBES)
