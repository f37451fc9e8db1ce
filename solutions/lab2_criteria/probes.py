"""What the checks of lab 2 look at: networks small enough to follow by hand."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pruninglab import checkpoints
from pruninglab.checks import Lab, Probe, Values, allocation, same
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
    tensors = [score for score in scores.values() if isinstance(score, Tensor)]
    shown["requires_grad"] = any(score.requires_grad for score in tensors)
    return shown | afterwards(inputs["model"])


def wrong_form(got: Values, expected: Values) -> str:
    """What is wrong with the kind or the shape of a tensor, or with its name."""
    for name, right in expected.items():
        mine = got.get(name)
        if not isinstance(right, Tensor):
            continue
        if name not in got:
            return f"There are no {name}: which names are asked?"
        if not isinstance(mine, Tensor):
            return f"{name}: a tensor is asked."
        if mine.shape != right.shape:
            shapes = f"{tuple(mine.shape)}, and {tuple(right.shape)} is asked"
            return f"{name}: the shape is {shapes}."
        if (mine.dtype == torch.bool) != (right.dtype == torch.bool):
            return f"{name}: the dtype is {mine.dtype}, and {right.dtype} is asked."
    return ""


def form_or(text: str) -> Callable[[Values, Values], str]:
    """Where to look, if kinds, shapes and names are right."""
    return lambda got, expected: wrong_form(got, expected) or text


def outside_or(text: str) -> Callable[[Values, Values], str]:
    """Where to look, if it is not that the scores are right and belong to the autograd graph."""
    graph = "The numbers are right, but they belong to the autograd graph: `detach()` helps."

    def cause(got: Values, expected: Values) -> str:
        if form := wrong_form(got, expected):
            return form
        names = [name for name in expected if name.startswith("scores of")]
        right = all(same(got.get(name), expected[name]) for name in names)
        return graph if right and got.get("requires_grad") else text

    return cause


# --- magnitude_scores ---------------------------------------------------------------------------


def mixed() -> nn.Module:
    """Two convolutions, of which the second does not train, BN and a linear layer."""
    convs = [nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1)]
    layers = [convs[0], nn.BatchNorm2d(2), convs[1], nn.Flatten(), nn.Linear(2, 2)]
    convs[1].requires_grad_(False)
    return randomise(nn.Sequential(*layers))


MAGNITUDE_SCORES = [
    Probe(
        "a linear layer with four weights",
        lambda: {"model": linear([0.5, -3.0], [-0.25, 1.0])},
        by_name,
        cause=form_or(
            "The score of a weight is its distance from zero: no sign, and nothing subtracted, "
            "divided, clipped or added."
        ),
    ),
    Probe(
        "two convolutions, BN, linear layer with bias",
        lambda: {"model": mixed()},
        by_name,
        cause="A linear layer alone is right. Here are convolutions, too, and one does not train: "
        "all of `prunable(model)` is scored, and nothing else, with its own names.",
    ),
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
        cause=form_or(
            "One image and one layer, so this is the bare |dL/dw|: L is the cross-entropy with the "
            "given labels, x goes in as it is, and the gradient loses its sign and nothing else."
        ),
    ),
    Probe(
        "two inputs, two classes, three images",
        lambda: {
            "model": linear([1.0, 0.0], [0.0, -1.0]).eval(),
            "x": torch.tensor([[2.0, -1.0], [1.5, -1.0], [1.0, -0.5]]),
            "y": torch.tensor([1, 0, 0]),
        },
        with_mode,
        cause="One image is right, three are not: L is the *mean* of their losses, of all of them, "
        "and the sign goes once, after the gradients of the images have been added.",
    ),
    Probe(
        "a model with gradients left in .grad",
        lambda: {"model": after_a_backward_pass(), **ONE_IMAGE},
        with_mode,
        cause="Only the gradients that were in `.grad` before make the difference.",
    ),
    Probe(
        "a network with BN, in evaluation mode",
        lambda: with_bn(False),
        with_mode,
        cause="Linear layers are right. Batch normalisation is to use its running statistics: it "
        "stays in evaluation mode, in a copy, too.",
    ),
    Probe(
        "the same network, given in training mode",
        lambda: with_bn(True),
        with_mode,
        cause="In evaluation mode all is right: a model that comes in training mode is to be "
        "scored in evaluation mode, and left as it came.",
    ),
    Probe(
        "in evaluation mode, with its BN in training mode",
        one_layer_trains,
        with_mode,
        cause="Here a single layer is in another mode than the model.",
    ),
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
    if any(scores[name].shape != inputs["tensors"][name].shape[:1] for name in names):
        return shapes
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


ALL_OF_A_FILTER = (
    "A norm adds *all* magnitudes (p = 1) or squares (p = 2) of a filter, over its inputs and its "
    "kernels: no mean, no maximum, no norm of norms, no rounding."
)
FILTER_SCORES = [
    Probe(
        "three filters, L1",
        lambda: {"tensors": one_layer(), "p": 1},
        ranking,
        cause=lambda got, expected: (
            "L1 adds magnitudes: take them before the sum, and score by nothing else."
            if "ranks in a" in got
            else "One score per filter is asked, a vector of shape (out,)."
        ),
    ),
    Probe(
        "three filters, L2",
        lambda: {"tensors": one_layer(), "p": 2},
        ranking,
        cause="L1 is right, L2 is not: it adds squares, of every weight.",
    ),
    Probe(
        "filters of two and of six weights, L1",
        lambda: {"tensors": two_sizes(), "p": 1},
        ranking,
        cause="Within a layer the order is right, between layers it is not: nothing may be divided "
        "by a size, scaled, or ranked, layer by layer.",
    ),
    Probe(
        "filters of two and of six weights, L2",
        lambda: {"tensors": two_sizes(), "p": 2},
        ranking,
        cause="With L1 all is right, with L2 the order between layers is not: take the root of all "
        "scores or of none, and divide by nothing.",
    ),
    Probe(
        "double precision: filters that differ by a billionth, L1",
        lambda: {"tensors": close(), "p": 1},
        ranking,
        cause="Close numbers have become equal: no cast, no rounding.",
    ),
    Probe(
        "3x3 kernels, L1",
        lambda: {"tensors": {"a": normal(5, 4, 3, 3), "b": normal(4, 5, 3, 3, seed=1)}, "p": 1},
        ranking,
        cause=ALL_OF_A_FILTER,
    ),
    Probe(
        "3x3 kernels, L2",
        lambda: {"tensors": {"a": normal(5, 4, 3, 3), "b": normal(4, 5, 3, 3, seed=1)}, "p": 2},
        ranking,
        cause=ALL_OF_A_FILTER,
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
        cause=form_or(
            "The score is |γ|, the magnitude of `weight` in the BN behind, and of nothing else: "
            "0.5, 2 and 0.1 here."
        ),
    ),
    Probe(
        "one block, its second convolution",
        lambda: {"model": one_block(), "convs": ["conv2"]},
        by_name,
        cause="`conv1` is right, `conv2` is not: the number of the BN is that of the convolution.",
    ),
    Probe(
        "the first convolutions of two blocks",
        lambda: {"model": two_blocks(), "convs": ["0.conv1", "1.conv1"]},
        by_name,
        cause="One block is right, two are not: each name has its own BN, and scores are not "
        "scaled, rounded or sorted.",
    ),
    Probe(
        "layers that were registered in another order",
        lambda: {"model": in_another_order(), "convs": ["conv1", "conv2"]},
        by_name,
        cause="The order of the modules says nothing about which BN is behind: the name does.",
    ),
    Probe(
        "convolutions named in another order than the network's",
        lambda: {"model": two_blocks(), "convs": ["1.conv2", "0.conv2", "0.conv1"]},
        by_name,
        cause="`convs` may come in any order: each score belongs to its own name.",
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
    hooks = sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in modules
    )
    hooks += sum(len(p._backward_hooks or ()) for p in inputs["model"].parameters())
    return by_name(scores, inputs) | {"hooks in the model": hooks}


GATE_SCORES = [
    Probe(
        "one block, one minibatch",
        lambda: {"model": classifier(1), "convs": ["0.conv1"], "batches": small_batches(1)},
        with_output,
        cause=outside_or(
            "With one minibatch the score is (dL/dz)²: z = 1 multiplies what the BN gives out, L "
            "is the mean cross-entropy, and the derivative is that of the whole minibatch."
        ),
    ),
    Probe(
        "one block with a hook of its own, three minibatches",
        lambda: {"model": watched(), "convs": ["0.conv1"], "batches": small_batches(3)},
        with_output,
        cause="One minibatch is right, three are not: square each slope, then take the plain mean "
        "of the three squares.",
    ),
    Probe(
        "two minibatches, the first convolution of a block and the second of the next",
        lambda: {
            "model": classifier(2),
            "convs": ["0.conv1", "1.conv2"],
            "batches": small_batches(2),
        },
        with_output,
        cause=form_or(
            "One convolution is right, two are not: each has a gate of its own, behind its own BN, "
            "all are there at once, and no score depends on another layer's."
        ),
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
        "a quarter of eight filters",
        lambda: {"scores": weak_layer(), "sparsity": 0.25},
        by_layer,
        cause=form_or(
            'Two of eight filters go, the two lowest of all, and both are in "weak": compare the '
            "scores as they are, in one list."
        ),
    ),
    Probe(
        "three quarters of eight filters",
        lambda: {"scores": weak_layer(), "sparsity": 0.75},
        by_layer,
        cause="Where no layer would be emptied all is right. The best of each layer stays, and for "
        "each one that stays so the next in the list goes: six of eight in the end.",
    ),
    Probe(
        "0.4 of eight filters: round(3.2); two stay in each layer",
        lambda: {"scores": weak_layer(), "sparsity": 0.4, "at_least": 2},
        by_layer,
        cause="With `at_least=1` all is right, with 2 it is not.",
    ),
    Probe(
        "a third of six filters, scores below zero",
        lambda: {
            "scores": {"a": torch.tensor([-5.0, 1.0, 2.0]), "b": torch.tensor([3.0, -4.0, 0.5])},
            "sparsity": 1 / 3,
        },
        by_layer,
        cause="Positive scores are right, negative ones are not: -5 is lower than 1.",
    ),
    Probe(
        "three layers, 60 % of eleven filters: round(6.6)",
        lambda: {"scores": three_layers(), "sparsity": 0.6},
        by_layer,
        cause="Two layers are right, three of different sizes are not: `round(sparsity * n)`, with "
        "n filters in all, and a mask for each layer under its own name.",
    ),
    Probe(
        "three layers, three filters stay in each",
        lambda: {"scores": three_layers(), "sparsity": 0.3, "at_least": 3},
        by_layer,
        cause="A layer with fewer filters than `at_least` keeps all that it has.",
    ),
    Probe(
        "everything",
        lambda: {"scores": three_layers(), "sparsity": 1.0},
        by_layer,
        cause="Where more is asked than may go, all go that may: the best of each layer is left.",
    ),
    Probe(
        "half of nine filters: round(4.5), which is 4",
        lambda: {"scores": {"a": normal(4, seed=1), "b": normal(5, seed=2)}, "sparsity": 0.5},
        by_layer,
        cause="Whole numbers are right, halves are not: take `round` of the number that *goes*.",
    ),
    Probe(
        "scores of thousands",
        lambda: {
            "scores": {"a": torch.tensor([9.0, 7.0]), "b": torch.tensor([6e3, 5e3, 4e3])},
            "sparsity": 0.6,
        },
        by_layer,
        cause='Scores may have any size: no number is large enough to stand for "stays", but '
        "infinity, and scores are compared as they are.",
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
        cause="Close scores have become equal: no cast, no rounding.",
    ),
    Probe(
        "equal scores",
        lambda: {"scores": {"a": torch.ones(4), "b": torch.ones(6)}, "sparsity": 0.5},
        counts,
        cause="Choose *places*, not all that is below a threshold: of equal scores some may go.",
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


def of_one_curve(got: Values, expected: Values) -> str:
    """Whether the form of the curves is wrong, or an accuracy."""
    found, right = got.get("result"), expected["result"]
    if not isinstance(found, dict) or set(found) != set(right):
        return "A dict is asked: name of a weight -> {sparsity: accuracy}."
    if not all(isinstance(curve, dict) for curve in found.values()):
        return "For each name a dict is asked, from sparsity to accuracy."
    if any(set(found[name]) != set(right[name]) for name in right):
        return "An accuracy is asked for exactly the sparsities that are given, unrounded."
    return (
        "An accuracy is the share of the points whose *highest* output is that of the label, once "
        "the weights of lowest *score* in this layer are 0."
    )


def three_kinds() -> Inputs:
    """Convolutions, BN and a linear layer, with scores of all three weights."""
    layers = [nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 2)]
    model = randomise(nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, 3)), seed=12).eval()
    x = normal(16, 1, 3, 3, seed=13)
    y = model(x).argmax(1).detach()
    names = ("0.weight", "3.weight", "5.weight")
    scores = {n: normal(*model.get_parameter(n).shape, seed=i) for i, n in enumerate(names)}
    return {"model": model, "scores": scores, "x": x, "y": y}


def in_order(result: Any) -> Any:
    """The order of a dict's entries does not matter."""
    if not isinstance(result, dict):
        return result
    return {name: in_order(value) for name, value in sorted(result.items())}


def curves(result: Any, inputs: Inputs) -> Values:
    """The accuracies, and whether the model is as it was."""
    return {"result": in_order(result)} | afterwards(inputs["model"])


SENSITIVITY = [
    Probe(
        "one layer, four points",
        lambda: by_hand() | {"sparsities": [0.5, 0.75, 1.0]},
        curves,
        cause=of_one_curve,
    ),
    Probe(
        "two layers",
        lambda: two_linear_layers() | {"sparsities": [0.25, 0.5, 0.75]},
        curves,
        cause="One layer is right, two are not: prune one, measure on *all* points, put all of its "
        "weights back, and only then go on.",
    ),
    Probe(
        "two layers, sparsities falling",
        lambda: two_linear_layers() | {"sparsities": [0.8, 0.3]},
        curves,
        cause="Rising sparsities are right, falling ones are not: each begins with the whole "
        "layer, and `round(sparsity * n)` weights go, not what a quantile says.",
    ),
    Probe(
        "scores of one of two layers",
        lambda: one_of_two() | {"sparsities": [0.5, 0.6]},
        curves,
        cause="Only layers that have scores are scanned.",
    ),
    Probe(
        "two convolutions with BN, and a linear layer",
        lambda: three_kinds() | {"sparsities": [0.5, 0.9]},
        curves,
        cause="Linear layers alone are right. Here are two convolutions and a linear layer, each "
        "scanned, and BN, which stays in evaluation mode.",
    ),
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


def of_one_batch(got: Values, expected: Values) -> str:
    """What the statistics of a new BN, 0 and 1, have become."""
    mean = got["running_mean 1"]
    if same(mean, torch.zeros(1)):
        return (
            "Nothing was measured: the only BN or the only batch was left out, or the BN was in "
            "evaluation mode."
        )
    if same(mean, expected["running_mean 1"]):
        return (
            "The mean is right, the variance is not: PyTorch stores the unbiased one, with n - 1 "
            "below."
        )
    return (
        "The mean should be that of the batch, 2: a `momentum` of 0.1 mixes in nine tenths of what "
        "was there before, `None` averages."
    )


STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # what may change
RECALIBRATE_BN = [
    Probe(
        "one BN that is new, one batch {1, 3}: mean 2, variance 2",
        lambda: {"model": nn.BatchNorm2d(1).eval(), "batches": four_values()[:1]},
        statistics,
        changes_inputs=STATISTICS,
        cause=of_one_batch,
    ),
    Probe(
        "one BN that is new, the batches {1, 3} and {10, 14}: means 2 and 12, variances 2 and 8",
        lambda: {"model": nn.BatchNorm2d(1).eval(), "batches": four_values()},
        statistics,
        changes_inputs=STATISTICS,
        cause="One batch is right, two are not: each counts the same, 7 and 5 are asked. A "
        "`momentum` of 0.1 forgets, and `None` averages.",
    ),
    Probe(
        "one BN that has seen other batches, the batches {1, 3} and {10, 14}",
        lambda: {"model": randomise(nn.BatchNorm2d(1)).eval(), "batches": four_values()},
        statistics,
        changes_inputs=STATISTICS,
        cause="A BN that is new is right: what this one has seen before does not count.",
    ),
    Probe(
        "two BN with a convolution between them, three batches",
        lambda: {"model": two_norms(), "batches": random_batches()},
        statistics,
        changes_inputs=STATISTICS,
        cause="One BN is right, two are not: *all* of them work in training mode at the same time, "
        "so that the second one sees what it will see in training, and each has a momentum of its "
        "own to get back.",
    ),
    Probe(
        "a model given in training mode",
        lambda: {"model": two_norms(training=True), "batches": random_batches()},
        statistics,
        changes_inputs=STATISTICS,
        cause="In evaluation mode all is right: this model comes and goes in training mode.",
    ),
    Probe(
        "in training mode, with its first BN in evaluation mode",
        lambda: {"model": mixed_modes(), "batches": random_batches()},
        statistics,
        changes_inputs=STATISTICS,
        cause="Here a single layer is in another mode than the model: it is measured as well, and "
        "gets its own mode back.",
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
