"""Train and evaluate: SGD with Nesterov momentum, bf16 where the machine has it, resumable."""

from __future__ import annotations

import math
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from pruninglab.batchnorm import in_sums
from pruninglab.data import Images, batches
from pruninglab.files import whole
from pruninglab.muon import Muon

Schedule = Callable[[float], float]  # progress in 0 .. 1 -> learning rate


def triangular(peak: float, warmup: float = 0.2) -> Schedule:
    """Learning rate from 0 up to `peak` in the first `warmup` of the training, then down to 0.

    >>> lr = triangular(0.4, warmup=0.25)
    >>> lr(0.0), lr(0.25), lr(1.0)
    (0.0, 0.4, 0.0)

    Raises:
        ValueError: `warmup` is not in 0 .. 1, or is 1, which leaves no time to come down.
    """
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup is a part of the training, 0 or more and below 1, got {warmup}")
    return lambda t: peak * (t / warmup if t < warmup else (1 - t) / (1 - warmup))


def stepped(start: float, drops: tuple[float, ...] = (0.5, 0.75), factor: float = 0.1) -> Schedule:
    """Learning rate `start`, multiplied by `factor` at each of `drops` (parts of the training).

    >>> lr = stepped(0.1)
    >>> [round(lr(t), 4) for t in (0.0, 0.5, 0.8)]
    [0.1, 0.01, 0.001]
    """
    return lambda t: start * factor ** sum(t >= drop for drop in drops)


def constant(rate: float) -> Schedule:
    """The same learning rate throughout."""
    return lambda t: rate


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        epochs: passes over the images, 1 or more.
        lr: maps the progress of the training, 0 to 1, to a learning rate.
        batch_size: images per step, 1 or more.
        momentum: of SGD (Nesterov's) or Muon, in 0 .. 1.
        weight_decay: 0 or more, of all parameters.
        label_smoothing: in 0 .. 1 (Szegedy et al. 2016, section 7).
        muon: if above 0, convolutions are trained with Muon, at `muon` times the learning rate.
        decay_norms: whether weight decay also pulls at vectors: BN's scale and shift, and biases.
            It drives the scale of a channel to 0 where the loss hardly needs the channel; behind
            the ReLU no gradient is left then, and the whole filter decays to exact zeros.

    Raises:
        ValueError: a value out of its range, or an `lr` that is no schedule.

    >>> Recipe(epochs=3, lr=constant(0.1)).batch_size
    128
    """

    epochs: int
    lr: Schedule
    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    muon: float = 0.0
    decay_norms: bool = True

    def __post_init__(self) -> None:
        if not callable(self.lr):
            raise ValueError(f"lr must be a schedule, such as constant(0.1), got {self.lr!r}")
        counts = self.epochs, self.batch_size
        if not all(isinstance(count, int) and count >= 1 for count in counts):
            got = f"{self.epochs!r}, {self.batch_size!r}"
            raise ValueError(f"epochs and batch_size must be 1 or more, and whole, got {got}")
        most = {"momentum": 1, "weight_decay": math.inf, "label_smoothing": 1, "muon": math.inf}
        for name, limit in most.items():
            if not 0 <= getattr(self, name) <= limit:
                raise ValueError(f"{name} must be in 0 .. {limit}, got {getattr(self, name)}")


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


def train(
    model: nn.Module,
    images: Images,
    recipe: Recipe,
    *,
    seed: int = 0,
    val: Images | None = None,
    after_epoch: Callable[[int], None] | None = None,
    checkpoint: Path | None = None,
    bf16: bool | None = None,
    compiled: bool = False,
    progress: bool = True,
) -> list[dict[str, float]]:
    """Train `model` in place.

    Args:
        seed: order and augmentation of the images; the same seed gives the same weights.
        val: images to measure the accuracy on after each epoch.
        after_epoch: called with the number of epochs done (1, 2, ...), before `val` is measured.
        checkpoint: written after each epoch; if it is there, training goes on from it.
        bf16: mixed precision; None means where the hardware makes it fast.
        compiled: use torch.compile (a minute of warm-up, about 1.3 times faster afterwards).

    Returns:
        One dict per epoch: epoch, lr (at its end), loss, seconds, and val if asked for.

    Raises:
        ValueError: the checkpoint is damaged, or of another recipe, seed or network; then nothing
            has changed.
        FloatingPointError: the loss is no longer finite.
    """
    run = Trainer(model, recipe, seed, bf16, compiled)
    history = run.resume(checkpoint)
    bar = tqdm(total=recipe.epochs, initial=len(history), unit="epoch", disable=not progress)
    with bar, mode(model, training=True):
        for epoch in range(len(history) + 1, recipe.epochs + 1):
            row = run.epoch(epoch, images)
            if after_epoch:
                after_epoch(epoch)
            if val is not None:
                row["val"] = accuracy(model, val, bf16=bf16)
            history.append(row)
            run.save(checkpoint, history)
            bar.update()
            bar.set_postfix(loss=f"{row['loss']:.3f}", **_percent(row))
    return history


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or Muon; the learning rate is set in each step."""
    decay: dict[str, Any] = {"momentum": recipe.momentum, "weight_decay": recipe.weight_decay}
    if recipe.muon:
        return Muon(model, ratio=recipe.muon, decay_vectors=recipe.decay_norms, **decay)
    vectors = [p for p in model.parameters() if p.dim() == 1]
    others = [p for p in model.parameters() if p.dim() != 1]
    groups: list[dict[str, Any]] = [
        {"params": others},
        {"params": vectors, "weight_decay": recipe.weight_decay if recipe.decay_norms else 0.0},
    ]
    return torch.optim.SGD(groups, lr=0.0, nesterov=recipe.momentum > 0, **decay)


def _percent(row: dict[str, float]) -> dict[str, str]:
    return {"val": f"{row['val']:.1%}"} if "val" in row else {}


class Trainer:
    """The state of one training: everything that a checkpoint has to hold."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        seed: int = 0,
        bf16: bool | None = None,
        compiled: bool = False,
    ) -> None:
        self.model, self.recipe, self.bf16 = model, recipe, bf16
        self.device = device_of(model)
        self.generator = torch.Generator().manual_seed(seed)
        model.to(memory_format=torch.channels_last)
        self.forward = torch.compile(in_sums(model)) if compiled else model
        self.optimizer = make_optimizer(model, recipe)
        self.identity = {
            **asdict(recipe),
            "lr": [recipe.lr(i / 16) for i in range(17)],
            "seed": seed,
        }

    def epoch(self, epoch: int, images: Images) -> dict[str, float]:
        """Train for one epoch (they count from 1)."""
        start, total = time.perf_counter(), torch.zeros((), device=self.device)
        steps = max(1, len(images) // self.recipe.batch_size)
        loader = batches(images, self.recipe.batch_size, train=True, generator=self.generator)
        for step, (x, y) in enumerate(loader):
            lr = self.recipe.lr((epoch - 1 + (step + 0.5) / steps) / self.recipe.epochs)
            total += self.step(x.to(self.device), y.to(self.device), lr)
        loss = (total / steps).item()
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} in epoch {epoch}: lower the learning rate"
            )
        return {"epoch": epoch, "lr": lr, "loss": loss, "seconds": time.perf_counter() - start}

    def step(self, x: Tensor, y: Tensor, lr: float) -> Tensor:
        """One update on a batch; returns its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        with mixed_precision(self.device, self.bf16):
            scores = self.forward(x)
        loss = F.cross_entropy(scores.float(), y, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def save(self, path: Path | None, history: list[dict[str, float]]) -> None:
        """Write everything that `resume` needs, atomically."""
        if path is None:
            return
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "history": history,
            "identity": self.identity,
        }
        with whole(path) as part:
            torch.save(state, part)

    def resume(self, path: Path | None) -> list[dict[str, float]]:
        """Go on from a checkpoint, if there is one; returns the history so far."""
        if path is None or not path.exists():
            return []
        state = load_state(path, self.device)
        if state.get("identity") != self.identity:
            raise ValueError(f"{path} was written by another recipe or seed: move it away first")
        if _shapes(state["model"]) != _shapes(self.model.state_dict()):
            raise ValueError(f"{path} is of another network: move it away first")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        return list(state["history"])


def load_intact(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> Any:
    """Read what `torch.save` wrote. Unlike `torch.load`, notice where a bit is not as written.

    Raises:
        Exception: of some kind, if the file is damaged or would run code; FileNotFoundError if
            there is none.
    """
    with open(path, "rb") as file:
        with zipfile.ZipFile(file) as archive:  # torch's files are archives with checksums
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")
        file.seek(0)
        return torch.load(file, weights_only=True, map_location=device)


def load_state(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> dict[str, Any]:
    """The same for the state of a training.

    Raises:
        ValueError: the file is damaged; the message names it and says what to do.
    """
    try:
        return dict(load_intact(path, device))
    except Exception as error:  # a damaged file fails in many ways
        raise ValueError(f"{path} is damaged or no checkpoint: move it away first") from error


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}
