"""Batch normalisation in sums, for compiled training.

PyTorch's compiler turns `nn.BatchNorm2d` on a CPU into a loop that updates mean and variance value
by value (Welford), each step waiting for the one before. Two plain sums over x and x² give the same
statistics in a simpler loop (`python -m pruninglab.dev.bench` shows how much faster that is).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Compute `F.batch_norm`, same arguments and result; in sums for images in training mode.

    Sums are in float32 (of float64 in float64). The variance, mean(x²) - mean(x)², loses its digits
    where the mean is hundreds of times the spread; in networks like ours it is a few times.

    >>> x, state = torch.randn(8, 3, 4, 4) + 2, [torch.zeros(3), torch.ones(3)]
    >>> same = F.batch_norm(x, None, None, torch.ones(3), torch.zeros(3), training=True)
    >>> ours = batch_norm(x, *state, torch.ones(3), torch.zeros(3), training=True)
    >>> torch.allclose(ours, same, atol=1e-4)
    True
    """
    known = (running_mean, running_var, weight, bias)
    if not training or input.dim() != 4 or any(tensor is None for tensor in known):
        return F.batch_norm(input, *known, training, momentum, eps)
    return _normalise(input, *known, momentum, eps)  # type: ignore[arg-type]


def _normalise(
    x: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor,
    bias: Tensor,
    momentum: float,
    eps: float,
) -> Tensor:
    n, wide = x.numel() // x.shape[1], x.to(torch.promote_types(x.dtype, torch.float32))
    mean = wide.mean(dim=(0, 2, 3))
    variance = (wide * wide).mean(dim=(0, 2, 3)) - mean * mean
    with torch.no_grad():
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(variance * (n / (n - 1)), momentum)
    scale = weight * torch.rsqrt(variance + eps)
    shift = bias - mean * scale
    return (wide * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


class InSums(TorchFunctionMode):
    """Inside `with InSums():`, batch normalisations are computed as above."""

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by PyTorch for each of its functions."""
        return (batch_norm if func is F.batch_norm else func)(*args, **(kwargs or {}))


def in_sums(model: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Make the model's forward pass, with batch normalisations in sums; to be compiled."""

    def forward(x: Tensor) -> Tensor:
        with InSums():
            return model(x)

    return forward
