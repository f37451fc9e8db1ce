"""Measure speed side by side: `python -m pruninglab.dev.bench` (what `make bench` runs).

The contestants take turns within one process, several rounds; the table gives the median, the
fastest and slowest round, and the ratio to the baseline, also as a median over rounds. Ratios can
be compared between machines and days; absolute times cannot. All run on a GPU if there is one.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import CIFAR10
from tqdm import tqdm

from pruninglab import masks
from pruninglab.data import MEAN, STD, Images, batches, subset
from pruninglab.models import ResNet20, prunable
from pruninglab.terminal import accept_any_text
from pruninglab.training import Recipe, Trainer, constant, device

BATCH = 128
Round = Callable[[], float]  # runs once, returns seconds per step


@dataclass(frozen=True)
class Result:
    """Seconds per step of one contestant, round by round."""

    name: str
    seconds: list[float]

    def row(self, base: Result) -> str:
        """Write one line of a Markdown table."""
        ratio = statistics.median(b / s for b, s in zip(base.seconds, self.seconds, strict=True))
        median, low, high = (1e3 * f(self.seconds) for f in (statistics.median, min, max))
        images = BATCH / median * 1e3
        return (
            f"| {self.name} | {median:.1f} | {low:.1f}–{high:.1f} | {images:,.0f} | {ratio:.2f} |"
        )


def compare(contestants: dict[str, Round], rounds: int, label: str) -> list[Result]:
    """Warm each up once, then run `rounds` rounds in which every contestant runs once."""
    for run in contestants.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in tqdm(range(rounds), desc=label, unit="round"):
        for name, run in contestants.items():
            seconds[name].append(run())
    return [Result(name, times) for name, times in seconds.items()]


def table(title: str, results: list[Result]) -> str:
    """Write a Markdown table; the ratio says how many times faster than the first row."""
    head = "| | ms a step, median | fastest–slowest | images/s | times faster |"
    rows = [r.row(results[0]) for r in results]
    return "\n".join([f"### {title}", "", head, "|---|---:|---:|---:|---:|", *rows, ""])


def endless(make: Callable[[], Iterator[tuple[Tensor, Tensor]]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Give batches for ever."""
    while True:
        yield from make()


def timed(step: Callable[[], object], steps: int, *, pause: float = 0.0, untimed: int = 0) -> Round:
    """Make a round of `steps` calls, after a pause in seconds and some calls without timing."""

    def run() -> float:
        time.sleep(pause)
        for _ in range(untimed):
            step()
        start = now()
        for _ in range(steps):
            step()
        return (now() - start) / steps

    return run


def now() -> float:
    """Tell the time when all that was started is done: a GPU works on while its caller goes on."""
    if device().type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter()


def usual_loader(images: Images, workers: int = 2) -> DataLoader:
    """Make torchvision's CIFAR10 data set, its transforms, and a DataLoader."""
    dataset = CIFAR10.__new__(CIFAR10)  # the pixels are here already: no files, no download
    dataset.data = images.pixels.permute(0, 2, 3, 1).numpy()
    dataset.targets = images.labels.tolist()
    dataset.target_transform = None
    mean, std = ([v / 255 for v in table[images.name]] for table in (MEAN, STD))
    crop, flip = transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()
    to_tensor, normalise = transforms.ToTensor(), transforms.Normalize(mean, std)
    dataset.transform = transforms.Compose([crop, flip, to_tensor, normalise])
    return DataLoader(
        dataset, BATCH, shuffle=True, drop_last=True, num_workers=workers,
        persistent_workers=workers > 0,
    )  # fmt: skip


def network() -> ResNet20:
    """Make what is trained, where it is trained."""
    return ResNet20().train().to(device())


def trainer(model: nn.Module, compiled: bool = False) -> Trainer:
    """Make one of this package's training loops."""
    return Trainer(model, Recipe(1, constant(0.01), BATCH), compiled=compiled)


def step_of(run: Trainer, loader: Iterator[tuple[Tensor, Tensor]]) -> Callable[[], Tensor]:
    """Make a training step with its data."""
    return lambda: run.step(*next(loader), lr=0.01)


def usual_step(model: nn.Module, loader: Iterator[tuple[Tensor, Tensor]]) -> Callable[[], None]:
    """Make the step of most tutorials: float32, default memory format."""
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, weight_decay=5e-4, nesterov=True)

    def step() -> None:
        x, y = (part.to(device()) for part in next(loader))
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def our_batches(images: Images) -> Iterator[tuple[Tensor, Tensor]]:
    """Make endless augmented batches, of images that are where the network is."""
    images, generator = images.to(device()), torch.Generator().manual_seed(0)
    return endless(lambda: batches(images, BATCH, train=True, generator=generator))


def training_throughput(images: Images, rounds: int, steps: int) -> list[Result]:
    """Compare, data included: the usual way with two workers and with none, ours, ours compiled.

    The workers of a DataLoader go on after the last step until four batches are ready. The pause
    keeps that out of the next contestant's time, the untimed steps keep these batches out of its
    own.
    """

    def usual(workers: int) -> Callable[[], None]:
        loader = usual_loader(images, workers)
        return usual_step(network(), endless(lambda: iter(loader)))

    def ours(compiled: bool) -> Callable[[], Tensor]:
        return step_of(trainer(network(), compiled), our_batches(images))

    contestants = {
        "torchvision dataset + transforms + DataLoader (2 workers), fp32": usual(2),
        "the same, DataLoader without workers (its default)": usual(0),
        "pruninglab": ours(compiled=False),
        "pruninglab, compiled": ours(compiled=True),
    }
    runs = {name: timed(s, steps, pause=1.0, untimed=4) for name, s in contestants.items()}
    return compare(runs, rounds, "training throughput")


def data_share(images: Images, rounds: int, steps: int) -> list[Result]:
    """Compare a training step with its data and the data alone."""
    loader = our_batches(images)
    whole = step_of(trainer(network(), compiled=True), our_batches(images))
    contestants = {
        "training step, compiled, with its data": timed(whole, steps),
        "its data alone": timed(lambda: next(loader), steps),
    }
    return compare(contestants, rounds, "data pipeline")


def masked_step(images: Images, rounds: int, steps: int) -> list[Result]:
    """Compare dense, masks held by this package, torch.nn.utils.prune; 80 % of weights pruned."""
    dense, held, pruned = (network() for _ in range(3))
    random = masks.random_masks(held, 0.8, torch.Generator().manual_seed(0))
    for name, module in pruned.named_modules():
        if f"{name}.weight" in prunable(dense):
            prune.custom_from_mask(module, "weight", random[f"{name}.weight"])
    held_step = timed(step_of(trainer(held), our_batches(images)), steps)

    def with_masks() -> float:
        with ExitStack() as stack:
            stack.enter_context(masks.hold(held, random))
            return held_step()

    contestants = {
        "dense": timed(step_of(trainer(dense), our_batches(images)), steps),
        "masks.hold": with_masks,
        "torch.nn.utils.prune": timed(step_of(trainer(pruned), our_batches(images)), steps),
    }
    return compare(contestants, rounds, "masked step")


def report(rounds: int, steps: int) -> str:
    """Write all tables, as Markdown."""
    images = subset("train")
    data = data_share(images, rounds, steps)
    share = statistics.median(d / w for w, d in zip(data[0].seconds, data[1].seconds, strict=True))
    where = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    if device().type == "cuda":
        where = f"{torch.cuda.get_device_name()}, {where}"
    return "\n".join(
        [
            f"ResNet-20 (16-wide), batch {BATCH}, {rounds} rounds of {steps} steps on {where}, "
            f"torch {torch.__version__}.\n",
            table("Training, data included", training_throughput(images, rounds, steps)),
            table("Share of the data pipeline in a training step", data),
            f"The data take {share:.1%} of a step.\n",
            table("A masked training step", masked_step(images, rounds, steps)),
        ]
    )


def main() -> None:
    """Run what the command line asks for."""
    accept_any_text()
    parser = argparse.ArgumentParser(description="Measure speed side by side.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=15, help="training steps a round")
    parser.add_argument("--out", type=Path, default=Path("build/bench.md"))
    args = parser.parse_args()
    text = report(args.rounds, args.steps)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")
    print(text, f"\nwritten to {args.out}", sep="\n")


if __name__ == "__main__":
    main()
