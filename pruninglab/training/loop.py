"""The training loop that a recipe of lab 4 is given, on any images, and able to go on when killed.

A recipe decides when to prune what; it calls `train(model, masks, lrs, before_step=None)` for the
training in between. The same call works on a few images in a lesson and on all of CIFAR-10.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from pruninglab import data
from pruninglab.files import whole
from pruninglab.masks import hold
from pruninglab.saved import load_state
from pruninglab.terminal import in_notebook
from pruninglab.training import Recipe, Trainer, constant

Batch = tuple[Tensor, Tensor]
LONG = 50  # steps: from here on a call is worth a checkpoint, and begins a new pass over the images


class Loop:
    """A function `train(model, masks, lrs, before_step=None)` with a memory.

    A call makes one step per learning rate in `lrs`. It sets the weights pruned by `masks` to zero
    before the first step and keeps them there, calls `before_step(model)` between the backward pass
    and each update, and leaves the model in training mode. The next call goes on with the momentum
    that this one ended with, unless layers have been replaced by then.

    Args:
        images: to train on; the steps are computed where the model is.
        seed: of the order and the augmentation of the images.
        batch_size: images per step.
        folder: where each call of 50 steps or more leaves its state after every epoch. A recipe
            that is started again, with the same folder, goes on from there, if the call is the
            same: network, masks and learning rates. (What `before_step` does is not compared:
            clear the folder when you change it. It has to be a function of the model alone.)
        compiled: use torch.compile; worth it for networks of one shape.
        keep: return the minibatches `(x, y)` of each call (Molchanov 2019 scores on them).

    Attributes:
        steps: how many were made so far, replayed ones included.
        seconds: the time they took.

    >>> loop = Loop(data.subset("train")[:50], batch_size=25, keep=True)
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    >>> masks = {"1.weight": torch.rand(10, 3072) < 0.5}
    >>> len(loop(model, masks, [0.1, 0.1, 0.01])), loop.steps
    (3, 3)
    >>> bool((model[1].weight[~masks["1.weight"]] == 0).all())
    True
    """

    def __init__(
        self,
        images: data.Images,
        seed: int = 0,
        *,
        batch_size: int = 125,
        folder: Path | None = None,
        compiled: bool = False,
        keep: bool = False,
    ) -> None:
        self.images, self.batch_size, self.folder = images, batch_size, folder
        self.compiled, self.keep = compiled, keep
        self.generator = torch.Generator().manual_seed(seed)
        self.passes: Iterator[Batch] | None = None
        self.ids: set[int] = set()  # of the parameters that the trainer knows
        self.calls, self.steps, self.seconds = 0, 0, 0.0

    @property
    def steps_per_epoch(self) -> int:
        """Count the training steps of one pass over the images."""
        return max(1, len(self.images) // self.batch_size)

    @property
    def epochs(self) -> float:
        """Count the passes over the images so far."""
        return self.steps / self.steps_per_epoch

    def __call__(
        self,
        model: nn.Module,
        masks: Mapping[str, Tensor],
        lrs: Sequence[float],
        before_step: Callable[[nn.Module], None] | None = None,
    ) -> list[Batch]:
        """Train; returns the minibatches used if `keep`, else an empty list."""
        trainer, long, used = self._trainer(model), len(lrs) >= LONG, list[Batch]()
        path = self.folder / f"call-{self.calls}.pt" if self.folder and long else None
        self.calls, self.steps = self.calls + 1, self.steps + len(lrs)
        if long:
            self.passes = None
        identity = identity_of(model, masks, lrs) if path else ""
        done = self._resume(trainer, path, identity) if path and not self.keep else 0
        bar = tqdm(
            total=len(lrs), initial=done, unit="step", leave=False,
            disable=not long or not in_notebook(),
        )  # fmt: skip
        with bar:
            while done < len(lrs):
                some = lrs[done : done + self.steps_per_epoch] if path else lrs
                used += self._train(trainer, masks, some, before_step, bar)
                done += len(some)
                if path:
                    self._save(trainer, path, identity, done)
        if long:
            self.passes = None
        return used

    def _train(
        self,
        trainer: Trainer,
        masks: Mapping[str, Tensor],
        lrs: Sequence[float],
        before_step: Callable[[nn.Module], None] | None,
        bar: tqdm | None = None,
    ) -> list[Batch]:
        model, used, start = trainer.model.train(), [], time.perf_counter()
        hook = trainer.optimizer.register_step_pre_hook(
            lambda *_: before_step(model) if before_step else None
        )
        self.passes = self.passes or self._endless()
        with hold(model, masks):
            for (x, y), lr in zip(itertools.islice(self.passes, len(lrs)), lrs, strict=True):
                trainer.step(x.to(trainer.device), y.to(trainer.device), lr)
                if bar is not None:
                    bar.update()
                if self.keep:
                    used.append((x, y))
        hook.remove()
        self.seconds += time.perf_counter() - start
        return used

    def _endless(self) -> Iterator[Batch]:
        while True:
            yield from data.batches(
                self.images, self.batch_size, train=True, generator=self.generator
            )

    def _trainer(self, model: nn.Module) -> Trainer:
        ids = {id(p) for p in model.parameters()}
        if ids != self.ids:
            recipe = Recipe(1, constant(0.1), self.batch_size)
            self.trainer, self.ids = Trainer(model, recipe, compiled=self.compiled), ids
        return self.trainer

    def _save(self, trainer: Trainer, path: Path, identity: str, done: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "call": identity,
            "done": done,
            "model": trainer.model.state_dict(),
            "optimizer": trainer.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "seconds": self.seconds,
        }
        with whole(path) as part:
            torch.save(state, part)

    def _resume(self, trainer: Trainer, path: Path, identity: str) -> int:
        """Take up the state of the same call, if it is there; returns the steps it had made."""
        if not path.exists():
            return 0
        state = load_state(path, trainer.device)
        if state.get("call") != identity:
            return 0
        trainer.model.load_state_dict(state["model"])
        trainer.model.train()
        trainer.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        self.seconds = state["seconds"]
        return int(state["done"])


def identity_of(model: nn.Module, masks: Mapping[str, Tensor], lrs: Sequence[float]) -> str:
    """Make a fingerprint of what a call starts from."""
    digest = hashlib.sha256(repr(list(lrs)).encode())
    for name, tensor in (*model.state_dict().items(), *masks.items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().flatten()
        digest.update(flat.view(torch.uint8).numpy().tobytes())  # numpy has no bfloat16
    return digest.hexdigest()
