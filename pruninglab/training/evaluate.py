"""What a network gives for images: class scores and accuracy, in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pruninglab.data import Images, batches
from pruninglab.training.hardware import device_of, mixed_precision


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
        return torch.cat([model(x.to(device)).float() for x, _ in batches(images, 500)])


def accuracy(model: nn.Module, images: Images, *, bf16: bool | None = False) -> float:
    """Measure the share of images whose highest score is the right class, 0 to 1.

    float32 unless `bf16` says otherwise, so that the number is the same on every machine.
    """
    scores = predict(model, images, bf16=bf16)
    return (scores.argmax(1) == images.labels.to(scores.device)).float().mean().item()
