"""What this machine has: a GPU to train on, and whether bfloat16 makes training faster."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

from pruninglab.models import ResNet20

SETTING = "PRUNINGLAB_BF16"  # 1 or 0 in the environment decides without a measurement
CLEARLY = 1.2  # times faster: below that, noise would decide, and float32 is more exact
ROUNDS = 2


def device() -> torch.device:
    """Find where to train: on CUDA, else on MPS (a Mac's GPU), else on the CPU.

    >>> device().type in ("cuda", "mps", "cpu")
    True
    """
    found = torch.accelerator.current_accelerator(check_available=True)
    return found if found and found.type in ("cuda", "mps") else torch.device("cpu")


def device_of(model: nn.Module) -> torch.device:
    """Tell where the model's parameters are (the CPU if it has none)."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def bf16_is_fast(device: torch.device) -> bool:
    """Tell whether bfloat16 makes training faster on a device.

    On Nvidia's GPUs it does from Ampere on. Processors with instructions for it (AMX, AVX512-BF16)
    differ: with AVX512-BF16 alone, training was 1.7 times faster on one of them and slower on
    another. So it is measured there, once per process, in less than a second; the environment
    variable PRUNINGLAB_BF16 (1 or 0) decides instead.

    Raises:
        ValueError: PRUNINGLAB_BF16 is something else.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    said = os.environ.get(SETTING, "")
    if said not in ("", "0", "1"):
        raise ValueError(f"{SETTING} must be 0 or 1, got {said!r}")
    if said:
        return said == "1"
    with_hardware = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return with_hardware and _speed_up() >= CLEARLY


@functools.cache
def _speed_up() -> float:
    """How many times faster bfloat16 is: the best of a few steps each, in turn.

    In turn and the best, because other programs slow down single steps; the first of each is not
    counted, because it chooses kernels and allocates memory. On one thread, because several wait
    for each other when the machine is busy.
    """
    model = ResNet20().train().to(memory_format=torch.channels_last)
    with threads(1):
        rounds = [(_seconds(model, False), _seconds(model, True)) for _ in range(1 + ROUNDS)][1:]
    return min(exact for exact, _ in rounds) / min(rough for _, rough in rounds)


def _seconds(model: nn.Module, bf16: bool) -> float:
    """The time of a forward and a backward pass on the CPU."""
    start = time.perf_counter()
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller is doing
        x = torch.ones(16, 3, 32, 32).contiguous(memory_format=torch.channels_last)
        with _autocast("cpu") if bf16 else nullcontext():
            scores = model(x)
        scores.float().square().mean().backward()
    return time.perf_counter() - start


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Compute on `n` threads of the CPU for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def mixed_precision(device: torch.device, enabled: bool | None = None) -> AbstractContextManager:
    """Compute in bfloat16 where PyTorch thinks it safe; `enabled=None` means: if that is faster."""
    if enabled is None:
        enabled = bf16_is_fast(device)
    return _autocast(device.type) if enabled else nullcontext()


def _autocast(kind: str) -> AbstractContextManager:
    return torch.autocast(kind, torch.bfloat16)
