"""The training loop of the runs: one schedule for all calls, and it goes on where it was killed.

Recipes decide between their calls which weights or filters go. So a run that is started again makes
all of its decisions once more, each on the network as it was then: at every station the state is
left on disk, and what lies before the last one is not trained again but loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from pruninglab import data
from pruninglab.files import whole
from pruninglab.masks import hold
from pruninglab.saved import load_state
from pruninglab.training import Trainer
from pruninglab.training.loop import Batch, Loop, identity_of


class TimeIsUp(RuntimeError):
    """A run was stopped because it may not take longer; nothing that it did is lost."""


class Steps(Loop):
    """A `Loop` whose steps are those of one schedule, with a state at least once an epoch.

    A state is left every `every` steps, and at the end of each call of several steps. A recipe
    that makes one step a call may look at the network only where `every` divides the steps.

    Args:
        images, seed, folder, compiled, keep: as of `Loop`.
        lrs: the learning rate of each step of all calls together: the rates of the calls are not
            used then, only their number.
        every: steps between two states; an epoch, if not said.
        until: when to stop at the next state, as of `time.time()`.

    >>> loop = Steps(data.subset("train")[:250], lrs=[0.1, 0.0, 0.0])
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    >>> _ = loop(model, {}, [9.0])
    >>> before = model[1].bias.clone()
    >>> _ = loop(model, {}, [9.0, 9.0])
    >>> torch.equal(model[1].bias, before)
    True
    """

    def __init__(
        self, images: data.Images, seed: int = 0, *, lrs: Sequence[float] | None = None,
        every: int | None = None, folder: Path | None = None, compiled: bool = False,
        keep: bool = False, until: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(images, seed, folder=folder, compiled=compiled, keep=keep)
        self.lrs, self.every = lrs, min(every or self.steps_per_epoch, self.steps_per_epoch)
        self.until = until
        self.identity, self.last = "", 0  # the last step that an earlier run has left
        self.pass_start, self.drawn = self.generator.get_state(), 0

    def __call__(
        self, model: nn.Module, masks: Mapping[str, Tensor], lrs: Sequence[float],
        before_step: Callable[[nn.Module], None] | None = None,
    ) -> list[Batch]:  # fmt: skip
        """Train; returns the minibatches used if `keep`, else an empty list.

        Raises:
            ValueError: the schedule has no learning rate for so many steps.
            TimeIsUp: it is later than `until`, and the state is on disk.
        """
        start, end = self.steps, self.steps + len(lrs)
        rates = lrs if self.lrs is None else self.lrs[start:end]
        if len(rates) < len(lrs):
            raise ValueError(f"{end} steps are asked for, the schedule has {start + len(rates)}")
        if not self.identity:
            self._begin(model, masks, rates)
        trainer, used = self._trainer(model), list[Batch]()
        while self.steps < end:
            stop = min(end, self.steps - self.steps % self.every + self.every)
            some = rates[self.steps - start : stop - start]
            if stop > self.last:
                used += self._make(trainer, masks, some, before_step)
            elif self.keep:
                used += self._draw(len(some))
            self.steps = stop
            if stop % self.every == 0 or (stop == end and len(lrs) > 1):
                self._station(trainer)
        model.train()
        return used

    def _begin(self, model: nn.Module, masks: Mapping[str, Tensor], lrs: Sequence[float]) -> None:
        """Look for the states of a run that began as this one does."""
        self.identity = identity_of(model, masks, lrs)
        found = sorted(self.folder.glob("*.pt"), key=step_of) if self.folder else []
        if found and load_state(found[-1]).get("run") == self.identity:
            self.last = step_of(found[-1])

    def _make(
        self, trainer: Trainer, masks: Mapping[str, Tensor], lrs: Sequence[float],
        before_step: Callable[[nn.Module], None] | None,
    ) -> list[Batch]:  # fmt: skip
        """Training steps without a stop."""
        model, start, used = trainer.model.train(), time.perf_counter(), list[Batch]()
        hook = trainer.optimizer.register_step_pre_hook(
            lambda *_: before_step(model) if before_step else None
        )
        with hold(model, masks):
            for lr in lrs:
                (x, y) = self._draw(1)[0]
                trainer.step(x.to(trainer.device), y.to(trainer.device), lr)
                used += [(x, y)] if self.keep else []
        hook.remove()
        self.seconds += time.perf_counter() - start
        return used

    def _draw(self, count: int) -> list[Batch]:
        """The next minibatches."""
        self.passes = self.passes or self._endless()
        return list(islice(self.passes, count))

    def _endless(self) -> Iterator[Batch]:
        while True:
            self.pass_start, self.drawn = self.generator.get_state(), 0
            for batch in data.batches(
                self.images, self.batch_size, train=True, generator=self.generator
            ):
                self.drawn += 1
                yield batch

    def _station(self, trainer: Trainer) -> None:
        """Leave the state of a new step; take up that of an old one."""
        if self.folder is None:
            return
        path = self.folder / f"{self.steps}.pt"
        if self.steps <= self.last:
            self._take_up(trainer, path)
            return
        state = {
            "run": self.identity, "model": trainer.model.state_dict(), "seconds": self.seconds,
            "optimizer": trainer.optimizer.state_dict(), "pass": self.pass_start,
            "drawn": self.drawn,
        }  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            torch.save(state, part)
        if self.until is not None and time.time() > self.until:
            raise TimeIsUp(f"stopped after step {self.steps}: it can go on from {path}")

    def _take_up(self, trainer: Trainer, path: Path) -> None:
        state = load_state(path, trainer.device)
        trainer.model.load_state_dict(state["model"])
        trainer.optimizer.load_state_dict(state["optimizer"])
        self.seconds = state["seconds"]
        if self.steps == self.last:  # from here on it trains: the order of the images goes on
            self.generator.set_state(state["pass"].cpu())
            self.passes = self._endless()
            self._draw(state["drawn"])


def step_of(path: Path) -> int:
    """The step that a state was left at: its file's name."""
    return int(path.stem)
