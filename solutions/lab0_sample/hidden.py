"""Hidden tests of lab 0: properties on random inputs.

A test belongs to the exercise that its first parameter is named like, and is pasted into that
exercise's test cell, with the imports and helpers of this module that it uses.
"""

# ruff: noqa: PT028 (the seed has a default, so that a grader may give another one)

from __future__ import annotations

from collections.abc import Callable

import torch

from pruninglab.checks.agree import agree


def _masks(generator: torch.Generator) -> dict:
    """A mask of any size and density."""
    shape = torch.randint(1, 9, (2,), generator=generator).tolist()
    share = torch.rand((), generator=generator)
    return {"mask": torch.rand(shape, generator=generator) < share}


def test_the_share_is_exact_for_random_masks(sample_density: Callable, seed: int = 0) -> None:
    """A share is the number of True over the number of all; the mask stays as it was."""
    agree(sample_density, lambda mask: sum(mask.flatten().tolist()) / mask.numel(), _masks, seed)


def test_the_number_of_dimensions_does_not_matter(sample_density: Callable) -> None:
    """One True in a mask of any shape is one over its size."""
    for shape in ((1,), (7,), (4, 6), (8, 3, 3, 3)):
        mask = torch.zeros(shape, dtype=torch.bool)
        mask.view(-1)[0] = True
        found, expected = sample_density(mask), 1 / mask.numel()
        assert abs(found - expected) < 1e-6, f"shape {shape}: {found}, expected {expected}"
