"""Measure how runs are best laid out: `python -m solutions.study.layouts` (part of `make bench`).

One process with all cores, or one process for each core; batches of 64 or 128; compiled or not:
the contestants take turns, several rounds, in processes that live through all of them. Then what a
step consists of, and how near its convolutions come to what one core can do.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import torch
from tqdm import tqdm

from pruninglab import counters, data
from pruninglab.dev.bench import endless
from pruninglab.models import ResNet20
from pruninglab.terminal import accept_any_text
from pruninglab.training import Recipe, Trainer, bf16_is_fast, constant
from solutions.lab5_speed.bench import parts_of

BATCHES, COMPILED = (64, 128), (False, True)
Rates = dict[tuple[int, int, bool], list[float]]  # (processes, batch, compiled) -> images/s


@cache
def step_of(batch: int, compiled: bool) -> Callable[[], object]:
    """A training step of the dense network with its data; compiled and warm, once a process."""
    images, generator = data.subset("train"), torch.Generator().manual_seed(0)
    run = Trainer(ResNet20().train(), Recipe(1, constant(0.01), batch), compiled=compiled)
    batches = endless(lambda: data.batches(images, batch, train=True, generator=generator))

    def step() -> None:
        x, y = next(batches)
        run.step(x, y, lr=0.01)

    for _ in range(3):
        step()
    return step


def images_a_second(batch: int, compiled: bool, seconds: float) -> float:
    """What a process trains on for so long, a step at least."""
    step, steps, start = step_of(batch, compiled), 0, time.perf_counter()
    while not steps or time.perf_counter() - start < seconds:
        step()
        steps += 1
    return steps * batch / (time.perf_counter() - start)


def side_by_side(
    pools: list[ProcessPoolExecutor], batch: int, compiled: bool, seconds: float
) -> float:
    """Images per second of several processes together, all of them warm when they begin."""
    for pool in pools:  # one after the other: to compile uses all cores
        pool.submit(warm, batch, compiled).result()
    asked = [pool.submit(images_a_second, batch, compiled, seconds) for pool in pools]
    return sum(future.result() for future in asked)


def warm(batch: int, compiled: bool) -> None:
    """Make a process ready (a step itself cannot travel between processes)."""
    step_of(batch, compiled)


def measure(cores: int, rounds: int, seconds: float) -> Rates:
    """Every layout, batch and compilation once a round."""
    spawn, rates = get_context("spawn"), dict[tuple[int, int, bool], list[float]]()
    with ExitStack() as stack:

        def pool(threads: int) -> ProcessPoolExecutor:
            one = ProcessPoolExecutor(1, spawn, torch.set_num_threads, (threads,))
            return stack.enter_context(one)

        layouts = {1: [pool(cores)], cores: [pool(1) for _ in range(cores)]}
        for _ in tqdm(range(rounds), desc="layouts", unit="round"):
            for (processes, pools), batch, compiled in product(layouts.items(), BATCHES, COMPILED):
                found = side_by_side(pools, batch, compiled, seconds)
                rates.setdefault((processes, batch, compiled), []).append(found)
    return rates


def table(rates: Rates) -> str:
    """Images per second, and how many times as many as in the first row, as medians over rounds.

    >>> print(table({(1, 64, False): [100.0, 90.0], (2, 64, True): [200.0, 180.0]}))
    | processes | batch | compiled | images/s, median | lowest–highest | times the first |
    |---:|---:|---|---:|---:|---:|
    | 1 | 64 | no | 95 | 90–100 | 1.00 |
    | 2 | 64 | yes | 190 | 180–200 | 2.00 |
    """
    lines = [
        "| processes | batch | compiled | images/s, median | lowest–highest | times the first |",
        "|---:|---:|---|---:|---:|---:|",
    ]
    first = next(iter(rates.values()))
    for (processes, batch, compiled), found in rates.items():
        ratio = statistics.median(a / b for a, b in zip(found, first, strict=True))
        spread = f"{min(found):,.0f}–{max(found):,.0f}"
        middle = f"{statistics.median(found):,.0f} | {spread} | {ratio:.2f}"
        lines.append(f"| {processes} | {batch} | {'yes' if compiled else 'no'} | {middle} |")
    return "\n".join(lines)


def best_of(work: Callable[[], object], times: int = 10) -> float:
    """The shortest of several times, in seconds: a peak is what is possible."""
    work()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def peaks(size: int = 1024) -> dict[str, float]:
    """What one core can do: matrix products in GFLOP/s, a copy in GB/s (read and written).

    >>> sorted(peaks(64))
    ['bfloat16', 'copy', 'float32']
    """
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.randn(size, size).to(dtype)
        seconds = best_of(lambda a=a: a @ a)  # type: ignore[misc]
        found[str(dtype).removeprefix("torch.")] = 2 * size**3 / seconds / 1e9
    source, target = torch.zeros(64 * size**2), torch.zeros(64 * size**2)
    found["copy"] = 2 * source.nbytes / best_of(lambda: target.copy_(source)) / 1e9
    return found


def one_core(batch: int = 128) -> str:
    """A step on one core: its parts, its data, and how near the convolutions are to the peak."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    step, able = step_of(batch, compiled=False), peaks()
    parts, seconds = parts_of(step), best_of(step, times=5)
    generator, images = torch.Generator().manual_seed(0), data.subset("train")
    drawn = best_of(lambda: next(data.batches(images, batch, train=True, generator=generator)))
    torch.set_num_threads(threads)
    # Forward, the gradient of the input and that of the weights: three times the MACs.
    work = 3 * 2 * counters.macs(ResNet20()) * batch / 1e9
    rate = work / (parts["convolutions"] * seconds)
    dtype = "bfloat16" if bf16_is_fast(torch.device("cpu")) else "float32"
    shares = ", ".join(f"{kind} {share:.0%}" for kind, share in parts.items())
    return (
        f"A step on one core, batch {batch}, {dtype}, not compiled: {shares}; its data take "
        f"{drawn / seconds:.1%}. The convolutions make {rate:.0f} GFLOP/s, {rate / able[dtype]:.0%}"
        f" of a matrix product's ({able['float32']:.0f} in float32, {able['bfloat16']:.0f} in "
        f"bfloat16); a copy moves {able['copy']:.1f} GB/s."
    )


def main() -> None:
    """Command line."""
    accept_any_text()
    parser = argparse.ArgumentParser(description="Measure how the runs are best laid out.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each contestant in each round")
    parser.add_argument("--out", type=Path, default=Path("build/bench-layouts.md"))
    args = parser.parse_args()
    rates = measure(os.cpu_count() or 1, args.rounds, args.seconds)
    text = f"{table(rates)}\n\n{one_core()}\n"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")
    print(text, f"written to {args.out}", sep="\n")


if __name__ == "__main__":
    main()
