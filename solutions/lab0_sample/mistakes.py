"""What students write instead, for each exercise of lab 0.

MISTAKES are wrong, and the first paragraph of each one's docstring is the hint that a student
gets who makes it. ALTERNATIVES are right in another way than `sample`, and must pass.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# --- sample_density -----------------------------------------------------------------------------


def sample_density_sparsity(mask: Tensor) -> float:
    """This is the share that *goes*: True means keep."""
    return 1 - mask.float().mean().item()


def sample_density_count(mask: Tensor) -> int:
    """You count the entries that stay: a share is their number / the number of all entries."""
    return int(mask.sum())


def sample_density_rows(mask: Tensor) -> float:
    """`len` of a matrix is its number of rows: which call counts *all* entries?"""
    return int(mask.sum()) / len(mask)


def sample_density_floor(mask: Tensor) -> int:
    """`//` rounds down to a whole number, and a share is seldom one."""
    return int(mask.sum()) // mask.numel()


def sample_density_tensor(mask: Tensor) -> Tensor:
    """This is a tensor that holds one number: `.item()` takes the number out."""
    return mask.float().mean()


def sample_density_mean(mask: Tensor) -> float:
    """The mean of zeros and ones."""
    return mask.float().mean().item()


def sample_density_nonzero(mask: Tensor) -> float:
    """By the positions of what stays."""
    return len(mask.nonzero()) / torch.ones_like(mask).sum().item()


def sample_density_loop(mask: Tensor) -> float:
    """Plain Python."""
    entries = mask.flatten().tolist()
    return sum(1 for kept in entries if kept) / len(entries)


MISTAKES: dict[str, list[Callable]] = {
    "sample_density": [
        sample_density_sparsity,
        sample_density_count,
        sample_density_rows,
        sample_density_floor,
        sample_density_tensor,
    ],
}

ALTERNATIVES: dict[str, list[Callable]] = {
    "sample_density": [
        sample_density_mean,
        sample_density_nonzero,
        sample_density_loop,
    ],
}
