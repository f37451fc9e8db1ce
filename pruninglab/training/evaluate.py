"""What a network gives for images: class scores and accuracy; modes, devices, precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from pruninglab.data import Images, batches


def bf16_is_fast(device: torch.device) -> bool:
    """Whether bfloat16 has hardware: AMX or AVX512-BF16 on the CPU, Ampere or later at Nvidia."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    on_cpu = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return device.type == "cpu" and bool(on_cpu)


def mixed_precision(device: torch.device, enabled: bool | None = None) -> AbstractContextManager:
    """bfloat16 autocast; `enabled=None` means: where it is fast."""
    if enabled is None:
        enabled = bf16_is_fast(device)
    return torch.autocast(device.type, torch.bfloat16) if enabled else nullcontext()


def device_of(model: nn.Module) -> torch.device:
    """Where the model's parameters are (the CPU if it has none)."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


@contextmanager
def mode(model: nn.Module, training: bool) -> Iterator[None]:
    """`model.train(training)` for a while; every module gets its own mode back afterwards."""
    before = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, was in before.items():
            module.training = was


@torch.no_grad()
def predict(model: nn.Module, images: Images, *, bf16: bool | None = False) -> Tensor:
    """Class scores `(N, classes)` float32, in evaluation mode; the model is left as it was."""
    device = device_of(model)
    with mode(model, training=False), mixed_precision(device, bf16):
        return torch.cat([model(x.to(device)).float() for x, _ in batches(images, 500)])


def accuracy(model: nn.Module, images: Images, *, bf16: bool | None = False) -> float:
    """Share of images whose highest score is the right class, 0 to 1.

    float32 unless `bf16` says otherwise, so that the number is the same on every machine.
    """
    scores = predict(model, images, bf16=bf16)
    return (scores.argmax(1) == images.labels.to(scores.device)).float().mean().item()
