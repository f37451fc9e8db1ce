"""Count parameters, zeros and multiply-accumulates (MACs), and measure latency.

Conventions, for every function here:

- *Parameters* are all learned values: weights, biases, BN scale and shift. Buffers (BN statistics,
  the `weight_mask` of torch.nn.utils.prune) do not count, and `weight_orig` counts as its weight,
  so that masking a network never changes its number of parameters.
- *Sparsity* looks at the prunable weights alone (`models.prunable`): zeros / prunable weights.
- *Remaining* parameters are all parameters less the zeros among the prunable weights; a bias that
  happens to be 0 remains. compression = parameters / remaining parameters.
- *MACs* are those of convolutions and linear layers for one image, zero padding included; biases,
  BN, ReLU, pooling, additions and all other layers (transposed convolutions, attention) count
  nothing. One MAC is two FLOPs. *Non-zero MACs* leave out the multiplications by a weight of 0;
  hardware does them all the same unless it is told not to.
- What layers share is counted once, in the first of them, but each of them has its MACs.
- Wrappers change nothing: a network in torch.compile or DataParallel counts as itself, and weights
  under torch.nn.utils.prune or a parametrization are those of the next forward pass. What cannot be
  looked into (quantised, scripted or lazy layers, the meta device) is refused by name: ValueError.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.layers import Layer, network, prunable, prunable_layers, weight_of
from pruninglab.training import device_of, mode
from pruninglab.training.hardware import threads as on_threads


def parameters(model: nn.Module) -> int:
    """Count the parameters, zeros included; a shared one counts once.

    >>> parameters(nn.Linear(3, 2))
    8
    """
    return sum(p.numel() for p in network(model).parameters())


def prunable_weights(model: nn.Module) -> int:
    """Count the weights that pruning may remove: the denominator of `sparsity`."""
    return sum(w.numel() for w in prunable(model).values())


def nonzeros(model: nn.Module) -> int:
    """Count the prunable weights that are not 0."""
    return sum(_nonzeros(name, weight) for name, weight in prunable(model).items())


def _nonzeros(name: str, weight: Tensor) -> int:
    if weight.is_meta:
        raise ValueError(f"{name} is on the meta device and has no values: load the weights first")
    if weight.layout != torch.strided:  # a sparse tensor: what it does not store is 0
        weight = weight.detach().to_dense()
    return int((weight != 0).sum())  # not count_nonzero: it lacks some dtypes (8 bits)


def sparsity(model: nn.Module) -> float:
    """Give the share of the prunable weights that is 0, in 0 .. 1.

    Raises:
        ValueError: the layers have no weights at all, so that there is no share.

    >>> layer = nn.Linear(4, 1)
    >>> layer.weight.data = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    >>> sparsity(layer), density(layer), compression(layer)
    (0.75, 0.25, 2.5)
    """
    return 1 - density(model)


def density(model: nn.Module) -> float:
    """Give the share of the prunable weights that is not 0: 1 - sparsity."""
    weights = prunable_weights(model)
    if not weights:
        raise ValueError("no layer of this network has a weight: it has no density or sparsity")
    return nonzeros(model) / weights


def remaining(model: nn.Module) -> int:
    """Count the parameters that are left: all but the zeros among the prunable weights."""
    return parameters(model) - (prunable_weights(model) - nonzeros(model))


def compression(model: nn.Module, original: nn.Module | None = None) -> float:
    """Say how many times fewer parameters are left.

    Args:
        model: the pruned network, masked or really smaller.
        original: the network before; not needed for a masked one, which still has its shape.

    Returns:
        parameters before / parameters remaining, infinite if none remain.
    """
    before, after = parameters(original or model), remaining(model)
    return before / after if after else float("inf")


@dataclass(frozen=True)
class Row:
    """One layer, or a whole network: the counts that the top of this module defines."""

    name: str
    kind: str
    parameters: int
    prunable: int
    nonzeros: int
    macs: int
    nonzero_macs: int

    @property
    def sparsity(self) -> float | None:
        """Give the share of zeros among the prunable weights; None where there are no weights."""
        return 1 - self.nonzeros / self.prunable if self.prunable else None


@dataclass(frozen=True)
class Table:
    """Counts per layer, and `total`; printing it shows a table."""

    rows: list[Row]
    total: Row

    def __str__(self) -> str:
        width = max(len(row.name) for row in [*self.rows, self.total])
        numbers = f"{'parameters':>12}{'prunable':>12}{'non-zero':>12}{'sparsity':>10}"
        head = f"{'layer':<{width}}  {'kind':<12}{numbers}{'MACs':>14}{'non-zero MACs':>16}"
        lines = [_line(row, width) for row in self.rows]
        return "\n".join([head, "-" * len(head), *lines, "-" * len(head), _line(self.total, width)])

    __repr__ = __str__  # so that a notebook shows it


def _line(row: Row, width: int) -> str:
    share = "" if row.sparsity is None else f"{row.sparsity:.1%}"
    counts = f"{row.parameters:>12,}{row.prunable:>12,}{row.nonzeros:>12,}{share:>10}"
    return f"{row.name:<{width}}  {row.kind:<12}{counts}{row.macs:>14,}{row.nonzero_macs:>16,}"


def table(model: nn.Module, x: Tensor | None = None) -> Table:
    """Make all counts, per layer and in total.

    Args:
        x: input of one image, `(1, 3, 32, 32)` unless given; MACs depend on its size.

    Raises:
        ValueError: the model has no convolution and no linear layer, or calls none of them; or `x`
            is not one image.

    >>> from pruninglab.models import ResNet20
    >>> counts = table(ResNet20())
    >>> print(counts.rows[0].name, counts.rows[0].macs, counts.total.macs)
    conv1 442368 40813184
    """
    model = network(model)
    weights, (done, useful) = prunable(model), _work(model, x)
    own = Counter[str]()
    for name, parameter in model.named_parameters():
        own[_owner(name)] += parameter.numel()
    rows = []
    for name, module in model.named_modules():
        if not own[name] and not done[name]:
            continue
        full = f"{name}.weight" if name else "weight"
        weight = weights.get(full, torch.empty(0))
        counts = (own[name], weight.numel(), _nonzeros(full, weight), done[name], useful[name])
        rows.append(Row(name or "model", type(module).__name__, *counts))
    total = Row(
        "total", type(model).__name__, parameters(model), prunable_weights(model), nonzeros(model),
        sum(row.macs for row in rows), sum(row.nonzero_macs for row in rows),
    )  # fmt: skip
    return Table(rows, total)


def _owner(parameter: str) -> str:
    """The layer that a parameter belongs to, also if a parametrization has made parts of it.

    >>> _owner("fc.bias"), _owner("fc.parametrizations.weight.original0"), _owner("weight")
    ('fc', 'fc', '')
    """
    layer = parameter.rpartition(".")[0]
    return f".{layer}".partition(".parametrizations.")[0][1:]


def _work(model: nn.Module, x: Tensor | None) -> tuple[Counter[str], Counter[str]]:
    """MACs and non-zero MACs of each layer: each weight is used once per output position."""
    if x is None:
        x = torch.zeros(1, 3, 32, 32)
    if x.shape[:1] != (1,):
        raise ValueError(
            f"MACs are counted for one image: x must be (1, ...), got {tuple(x.shape)}"
        )
    done, useful = Counter[str](), Counter[str]()

    def count(name: str, layer: Layer) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
            weight = weight_of(layer)
            positions = out.numel() // max(1, len(weight))  # a layer may have lost all filters
            done[name] += positions * weight.numel()
            useful[name] += positions * _nonzeros(f"{name}.weight", weight)

        return hook

    layers = prunable_layers(model).items()
    handles = [layer.register_forward_hook(count(name, layer)) for name, layer in layers]
    weight = next(iter(prunable(model).values()))
    x = x.to(device_of(model), weight.dtype if x.is_floating_point() else x.dtype)
    try:
        with torch.no_grad(), mode(model, training=False), _layer_by_layer():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    if not done:
        raise ValueError(f"{type(model).__name__} calls none of its layers: their MACs are unknown")
    return done, useful


def _layer_by_layer() -> AbstractContextManager:
    """Run compiled code as it was written: as one piece it calls no hooks, and nothing is counted.

    Nothing can be compiled while torch's compiler is not imported, which takes seconds.
    """
    compiler = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if compiler else nullcontext()


def macs(model: nn.Module, x: Tensor | None = None) -> int:
    """Count the multiply-accumulates of convolutions and linear layers for one image.

    >>> macs(nn.Conv2d(3, 8, kernel_size=3, padding=1))
    221184
    """
    return table(model, x).total.macs


def nonzero_macs(model: nn.Module, x: Tensor | None = None) -> int:
    """Count them without the multiplications by a weight of 0."""
    return table(model, x).total.nonzero_macs


@dataclass(frozen=True)
class Latency:
    """Seconds of one forward pass: median, first and third quartile, and every repetition."""

    median: float
    low: float
    high: float
    seconds: tuple[float, ...]

    def __str__(self) -> str:
        low, median, high = (f"{1000 * t:.2f}" for t in (self.low, self.median, self.high))
        return f"{median} ms (the middle half of {len(self.seconds)} runs: {low} .. {high} ms)"


def latency(
    model: nn.Module, x: Tensor, *, repeats: int = 50, warmup: int = 10, threads: int = 1
) -> Latency:
    """Time forward passes `model(x)` in evaluation mode, without gradients.

    Args:
        x: the input, on the model's device.
        repeats: how many passes are timed.
        warmup: passes before them, which are not timed: the first ones allocate memory, choose
            kernels, and compile what torch.compile has wrapped.
        threads: CPU threads; fixed, because the default differs between machines.

    Afterwards the modes of the modules and the number of threads are what they were.

    Raises:
        ValueError: `repeats` or `threads` below 1, or `warmup` below 0.

    >>> latency(nn.Linear(3, 2), torch.zeros(1, 3), repeats=5).median > 0
    True
    """
    if repeats < 1 or threads < 1 or warmup < 0:
        got = f"{repeats}, {threads} and {warmup}"
        raise ValueError(f"need repeats >= 1, threads >= 1 and warmup >= 0, got {got}")
    with on_threads(threads), torch.no_grad(), mode(model, training=False):
        for _ in range(warmup):
            model(x)
        seconds = [_time_once(model, x) for _ in range(repeats)]
    low, median, high = torch.tensor(seconds, dtype=torch.float64).quantile(
        torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    )
    return Latency(median.item(), low.item(), high.item(), tuple(seconds))


def _time_once(model: nn.Module, x: Tensor) -> float:
    _wait(x)
    start = time.perf_counter()
    model(x)
    _wait(x)  # a GPU only queues the work
    return time.perf_counter() - start


def _wait(x: Tensor) -> None:
    if x.device.type not in ("cpu", "meta"):
        torch.accelerator.synchronize(x.device)
