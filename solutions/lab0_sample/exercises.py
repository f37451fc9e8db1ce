"""The exercises of lab 0, "Sample": a lab as small as can be, to begin with."""

from __future__ import annotations

import torch
from torch import Tensor


def sample_density(mask: Tensor) -> float:
    """Say which share of a mask is kept.

    Args:
        mask: a bool tensor of any shape, with at least one entry, True = keep.

    Returns:
        A number from 0 (nothing is kept) to 1 (everything is).

    >>> sample_density(torch.tensor([[True, False], [True, True]]))
    0.75
    """
    ### BEGIN SOLUTION
    return torch.count_nonzero(mask).item() / mask.numel()
    ### END SOLUTION
