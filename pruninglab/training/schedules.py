"""Learning rates over a training: triangular, in steps, constant."""

from __future__ import annotations

from collections.abc import Callable

Schedule = Callable[[float], float]  # progress in 0 .. 1 -> learning rate


def triangular(peak: float, warmup: float = 0.2) -> Schedule:
    """Go from 0 up to `peak` in the first `warmup` of the training, then down to 0.

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
    """Begin at `start` and multiply by `factor` at each of `drops` (parts of the training).

    >>> lr = stepped(0.1)
    >>> [round(lr(t), 4) for t in (0.0, 0.5, 0.8)]
    [0.1, 0.01, 0.001]
    """
    return lambda t: start * factor ** sum(t >= drop for drop in drops)


def constant(rate: float) -> Schedule:
    """Keep one learning rate throughout.

    >>> constant(0.1)(0.5)
    0.1
    """
    return lambda t: rate
