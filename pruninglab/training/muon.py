"""Muon for convolutions: steps whose directions all have the same length (Jordan et al. 2024).

The momentum of a layer is a matrix, one row per filter. Its few large singular values would
decide the step; Muon replaces them all by about 1. `torch.optim.Muon` does this for matrices only
(pytorch/pytorch#166209), and an optimizer that holds masks has to know the convolutions themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """Make all singular values about 1 (0.7 to 1.2), and keep the singular vectors.

    Newton-Schulz iterations of degree five, in bfloat16, with the coefficients of Jordan et al.

    Args:
        matrix: `(rows, columns)` float.

    >>> orthogonal(torch.diag(torch.tensor([9.0, 0.5]))).diag().round()
    tensor([1., 1.])
    """
    x = matrix.bfloat16() / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x.T if tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Muon for the weights of convolutions, SGD with Nesterov momentum for all other parameters.

    Args:
        model: whose parameters to train.
        ratio: the learning rate of the convolutions divided by that of the others, which is `lr`.
        momentum: of both.
        weight_decay: of the others, as in SGD. That of the convolutions is `muon_decay`, decoupled:
            a step makes them smaller by their learning rate times it.
        decay_vectors: whether `weight_decay` applies to vectors, too: BN's scale and shift, biases.

    >>> conv = nn.Conv2d(3, 4, 3)
    >>> len(Muon(conv, ratio=0.2).param_groups[0]["params"])
    1
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        ratio: float,
        lr: float = 0.0,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        muon_decay: float = 0.05,
        decay_vectors: bool = True,
    ) -> None:
        convs = [p for p in model.parameters() if p.dim() == 4]
        vectors = [p for p in model.parameters() if p.dim() == 1]
        others = [p for p in model.parameters() if p.dim() not in (1, 4)]
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        groups: list[dict[str, Any]] = [
            {"params": convs, "weight_decay": muon_decay},
            {"params": others},
            {"params": vectors, "weight_decay": weight_decay if decay_vectors else 0.0},
        ]
        super().__init__(groups, defaults)
        self.ratio = ratio

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Update all parameters that have a gradient."""
        loss = closure() if closure else None
        convs, *others = self.param_groups
        for weight in convs["params"]:
            if weight.grad is not None:
                self._turn(weight, convs)
        for group in others:
            self._descend(group)
        return loss

    def _turn(self, weight: Tensor, group: dict[str, Any]) -> None:
        assert weight.grad is not None
        momentum = self.state[weight].setdefault("momentum_buffer", torch.zeros_like(weight))
        momentum.lerp_(weight.grad, 1 - group["momentum"])
        ahead = weight.grad.lerp(momentum, group["momentum"]).flatten(1)  # (out, in * kh * kw)
        rate = self.ratio * group["lr"]
        tall = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
        weight.mul_(1 - rate * group["weight_decay"])
        weight.add_(orthogonal(ahead).view_as(weight), alpha=-rate * tall)

    def _descend(self, group: dict[str, Any]) -> None:
        weights = [p for p in group["params"] if p.grad is not None]
        if not weights:
            return
        buffers = [self.state[p].get("momentum_buffer") for p in weights]
        sgd(
            weights, [p.grad for p in weights], buffers, weight_decay=group["weight_decay"],
            momentum=group["momentum"], lr=group["lr"], dampening=0.0, nesterov=True,
            maximize=False,
        )  # fmt: skip
        for weight, buffer in zip(weights, buffers, strict=True):
            self.state[weight]["momentum_buffer"] = buffer
