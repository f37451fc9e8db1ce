"""Train: SGD with Nesterov momentum or Muon, bf16 where the machine has it, resumable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from pruninglab.data import Images, batches
from pruninglab.files import whole
from pruninglab.saved import load_state
from pruninglab.training.batchnorm import in_sums
from pruninglab.training.evaluate import accuracy, mode
from pruninglab.training.hardware import device_of, mixed_precision
from pruninglab.training.muon import Muon
from pruninglab.training.schedules import Schedule


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
            A channel whose scale and shift come close to 0 passes hardly any gradient on, so that
            decay can then take its whole filter to 0 (measured in RESULTS.md, "Why filters die").

    Raises:
        ValueError: a value out of its range, or an `lr` that is not a schedule.

    >>> from pruninglab.training.schedules import constant
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
    """Make SGD with Nesterov momentum, or Muon; the learning rate is set in each step."""
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
        """Update once, on a batch; return its loss."""
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
        """Go on from a checkpoint, if there is one; return the history so far."""
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


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}
