"""Run the systems of the lecture on full CIFAR-10: `make results`.

`python -m solutions.results run` runs what is not done yet, several runs side by side, each in its
own process (or on the workers of a Dask cluster). A run that was killed goes on where it stood.
Everything that is chosen is chosen on the embedded "val" images, which no network was trained on;
the test images are read when a run has ended. `python -m solutions.results time` measures the
latencies (on an idle machine), `python -m solutions.results show` prints the tables and draws the
figures from the records alone.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import nn
from tqdm.auto import tqdm

from pruninglab import checkpoints, data, records
from pruninglab.project import device
from pruninglab.training import accuracy
from solutions.systems import BUDGETS, Job, Pruned, System, systems

WORK = Path("build/results")


def system_named(name: str) -> System:
    """Look a system up.

    Raises:
        ValueError: there is none of that name; the message lists them.
    """
    known = {system.name: system for system in systems()}
    if name not in known:
        raise ValueError(f"no system {name!r}: choose from {', '.join(known)}")
    return known[name]


def blank(system: System, seed: int, budget: str) -> records.Record:
    """The record of a run before it has any points."""
    dense = checkpoints.trained(16)
    whole = records.measure(dense, dense, target=None, val=checkpoints.card(16)["val"])
    whole.test = checkpoints.card(16)["test"]
    return records.Record(
        system.name, system.structure, system.criterion, system.method, system.target,
        "ResNet-20, width 16, shortcut B", "cifar10",
        "49,000 training images (all outside the embedded val split)",
        seed, budget, checkpoints.machine(), whole,
    )  # fmt: skip


def run(name: str, seed: int, budget: str, threads: int, work: Path, folder: Path) -> str:
    """One system with one seed, from the dense network to its record."""
    torch.set_num_threads(threads)
    system, record = system_named(name), blank(system_named(name), seed, budget)
    place = work / records.file_name(record).removesuffix(".json")
    images, val = data.hold_out(data.load("cifar10", "train"), per_class=100)
    job = Job(images.to(device()), val.to(device()), seed, BUDGETS[budget], place, device())
    networks: list[nn.Module] = []
    for pruned in system.run(job):
        torch.compiler.reset()
        record.points.append(point(pruned, job))
        networks.append(pruned.model.eval())
        print(f"{name}, seed {seed}: {told(record.points[-1])}", flush=True)
    test = data.load("cifar10", "test").to(device())
    for row, network in zip(record.points, networks, strict=True):
        row.test = round(accuracy(network, test, bf16=None), 4)
    place.mkdir(parents=True, exist_ok=True)
    torch.save(networks, place / "networks.pt")
    return str(records.save(record, folder))


def point(pruned: Pruned, job: Job) -> records.Point:
    """Measure a network on the held-out images."""
    return records.measure(
        pruned.model, job.dense(), target=pruned.target, epochs=pruned.epochs,
        seconds=pruned.seconds, val=accuracy(pruned.model, job.val, bf16=None),
    )  # fmt: skip


def told(point: records.Point) -> str:
    """A line of progress."""
    return f"target {point.target}, sparsity {point.sparsity:.1%}, val {point.val:.1%}"


def run_all(
    names: Sequence[str], seeds: Sequence[int], budget: str, pool: Executor, threads: int,
    work: Path = WORK, folder: Path = records.FOLDER,
) -> None:  # fmt: skip
    """Everything that has no record yet; one run that fails does not stop the others."""
    todo = [(n, s) for s in seeds for n in names if not done(n, s, budget, folder)]
    waiting = {
        pool.submit(run, name, seed, budget, threads, work, folder): (name, seed)
        for name, seed in todo
    }
    failed = []
    for future in tqdm(as_completed(waiting), total=len(waiting), unit="run"):
        if error := future.exception():
            failed.append(f"{waiting[future]}: {error!r}")
    if failed:
        raise SystemExit("\n".join(["these runs failed; the others are done:", *failed]))


def done(name: str, seed: int, budget: str, folder: Path) -> bool:
    """Whether a run has its record."""
    return (folder / records.file_name(blank(system_named(name), seed, budget))).exists()


def executor(workers: int, scheduler: str | None) -> Executor:
    """Processes on this machine, or the workers of a Dask cluster."""
    if scheduler is None:
        return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=1)
    from distributed import Client  # optional: pip install 'pruninglab[cluster]'

    return Client(scheduler, timeout=30).get_executor()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--budget", choices=BUDGETS, default="quick")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=[s.name for s in systems()])
    cores = os.cpu_count() or 1
    parser.add_argument("--workers", type=int, default=1 if device().type == "cuda" else cores)
    parser.add_argument("--scheduler", help="a Dask cluster, e.g. tcp://10.0.0.1:8786")
    parser.add_argument("--work", type=Path, default=WORK, help="checkpoints, to go on from")
    args = parser.parse_args()
    data.load("cifar10", "train")  # once, before many processes look for it
    threads = max(1, cores // args.workers)
    with executor(args.workers, args.scheduler) as pool:
        run_all(args.only, args.seeds, args.budget, pool, threads, args.work)


if __name__ == "__main__":
    main()
