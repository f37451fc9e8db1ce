"""What a network gives for images: class scores and accuracy, in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from pruninglab.data import Images, batches
from pruninglab.terminal import in_notebook
from pruninglab.training.hardware import device_of, mixed_precision

Batch = tuple[Tensor, Tensor]
MANY = 2000  # images; a laptop computes these in a second or two


@contextmanager
def mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Switch to `model.train(training)` for a while; each module gets its own mode back.

    >>> model = nn.Linear(1, 1)
    >>> with mode(model, training=False):
    ...     print(model.training)
    False
    >>> model.training
    True
    """
    before = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, was in before.items():
            module.training = was


@torch.no_grad()
def predict(model: nn.Module, images: Images, *, bf16: bool | None = False) -> Tensor:
    """Compute class scores in evaluation mode; the model is left as it was.

    Args:
        images: `N` of them; they are computed in batches, where the model is.
        bf16: mixed precision; None means where the machine makes it faster.

    Returns:
        `(N, classes)` float32, where the model is.
    """
    device = device_of(model)
    with mode(model, training=False), mixed_precision(device, bf16):
        scores = [model(x.to(device)).float() for x, _ in shown(batches(images, 500), len(images))]
        return torch.cat(scores)


def shown(images: Iterator[Batch], count: int) -> Iterator[Batch]:
    """Show a bar in a notebook, where there are so many images that it takes seconds."""
    quick = count <= MANY or not in_notebook()
    return iter(tqdm(images, total=-(-count // 500), unit="batch", leave=False, disable=quick))


def accuracy(model: nn.Module, images: Images, *, bf16: bool | None = False) -> float:
    """Measure the share of images whose highest score is the right class, 0 to 1.

    float32 unless `bf16` says otherwise, so that the number is the same on every machine.
    """
    scores = predict(model, images, bf16=bf16)
    return (scores.argmax(1) == images.labels.to(scores.device)).float().mean().item()
