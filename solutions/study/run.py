"""Run the systems of the lecture on full CIFAR-10: `python -m solutions.study.run`.

It runs what is not done yet, several runs side by side, each in its own process (or on the workers
of a Dask cluster). A run that was killed goes on where it stood, and a record that lacks some of
its system's targets gets these alone. Everything that is chosen is chosen on the embedded "val"
images, which no network was trained on; the test images are read when a run has ended.
"""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import nn
from tqdm.auto import tqdm

from pruninglab import checkpoints, data
from pruninglab.project.setting import device
from pruninglab.results import records
from pruninglab.results.records import Point, Record
from pruninglab.training import accuracy
from solutions.study.job import BUDGETS, Job, Pruned, System
from solutions.study.systems import systems

WORK = Path("build/results")
CLUSTER = """a Dask cluster, e.g. tcp://10.0.0.1:8786; its workers are started in this folder, by
PYTHONPATH=. dask worker ADDRESS --nthreads 1; they keep their checkpoints in their own --work,
the records are written here"""


@dataclass
class Outcome:
    """What a run gives back: pruned networks and what was measured of them, in the same order.

    The networks are bytes: tensors would be fetched from the process that ran, and it may be gone.
    """

    points: list[Point]
    networks: bytes
    machine: str


def system_named(name: str) -> System:
    """Look a system up.

    Raises:
        ValueError: there is none of that name; the message lists them.
    """
    known = {system.name: system for system in systems()}
    if name not in known:
        raise ValueError(f"no system {name!r}: choose from {', '.join(known)}")
    return known[name]


def blank(system: System, seed: int, budget: str, dense: int = 0) -> Record:
    """The record of a run before it has any points."""
    network, card = checkpoints.trained(16, dense), checkpoints.card(16, dense)
    whole = records.measure(network, network, target=None, val=card["val"])
    whole.test = card["test"]
    another = f", dense network of seed {dense}" if dense else ""
    return Record(
        system.name, system.structure, system.criterion, system.method, system.target,
        f"ResNet-20, width 16, shortcut B{another}", "cifar10",
        "49,000 training images (all outside the embedded val split)",
        seed, budget, "", whole,
    )  # fmt: skip


def record_of(name: str, seed: int, budget: str, folder: Path, dense: int = 0) -> Record:
    """The record of a run as far as it has come."""
    path = folder / records.name_of(name, "cifar10", budget, seed)
    return records.load(path) if path.exists() else blank(system_named(name), seed, budget, dense)


def run(
    name: str, targets: Sequence[float], seed: int, budget: str, threads: int, place: Path,
    dense: int = 0,
) -> Outcome:  # fmt: skip
    """One system with one seed, from the dense network to some of its targets."""
    torch.set_num_threads(threads)
    images, val = data.hold_out(data.load("cifar10", "train"), per_class=100)
    images, val = images.to(device()), val.to(device())
    job = Job(images, val, seed, BUDGETS[budget], place, device(), dense_seed=dense)
    points, networks = list[Point](), list[nn.Module]()
    for pruned in system_named(name).run(job, targets):
        torch.compiler.reset()
        points.append(point(pruned, job))
        networks.append(pruned.model.eval())
        print(f"{name}, seed {seed}: {told(points[-1])}", flush=True)
    test = data.load("cifar10", "test").to(device())
    for row, network in zip(points, networks, strict=True):
        row.test = round(accuracy(network, test, bf16=None), 4)
        network.cpu()
    torch.save(networks, packed := io.BytesIO())
    return Outcome(points, packed.getvalue(), checkpoints.machine())


def point(pruned: Pruned, job: Job) -> Point:
    """Measure a network on the held-out images."""
    return records.measure(
        pruned.model, job.dense(), target=pruned.target, epochs=pruned.epochs,
        seconds=pruned.seconds, val=accuracy(pruned.model, job.val, bf16=None),
    )  # fmt: skip


def told(point: Point) -> str:
    """A line of progress."""
    return f"target {point.target}, sparsity {point.sparsity:.1%}, val {point.val:.1%}"


def keep(record: Record, made: Outcome, place: Path, folder: Path) -> None:
    """Add what a run gave back to its record, in the order of the system's targets.

    Points that are there already stay, unless they were run again. The networks lie beside the
    checkpoints, None for one that is not there any more.
    """
    again = {p.target for p in made.points}
    file = place / "networks.pt"
    rows = [row for row in stored(record, file) if row[0].target not in again]
    networks = torch.load(io.BytesIO(made.networks), weights_only=False)  # written by ourselves
    rows += zip(made.points, networks, strict=True)
    order = list(system_named(record.system).targets)
    rows.sort(key=lambda row: order.index(t) if (t := row[0].target) in order else len(order))
    added = f"{made.machine} ({', '.join(f'{p.target:g}' for p in made.points if p.target)})"
    if not record.points:
        record.machine = made.machine
    elif made.machine != record.machine:
        record.machine += f"; {added}"
    record.points = [row[0] for row in rows]
    place.mkdir(parents=True, exist_ok=True)
    torch.save([row[1] for row in rows], file)
    records.save(record, folder)


def stored(record: Record, file: Path) -> list[tuple[Point, nn.Module | None]]:
    """The points of a record with their networks, as far as these are there."""
    networks: list[nn.Module | None] = [None] * len(record.points)
    if file.exists():  # written by ourselves
        found = torch.load(file, weights_only=False, map_location="cpu")
        networks = found if len(found) == len(networks) else networks
    return list(zip(record.points, networks, strict=True))


def run_all(
    names: Sequence[str], seeds: Sequence[int], budget: str, pool: Executor, threads: int,
    work: Path = WORK, folder: Path = records.FOLDER, dense: int = 0,
) -> None:  # fmt: skip
    """Everything that is missing in the records; one run that fails does not stop the others."""
    waiting = {}
    for record in (record_of(n, s, budget, folder, dense) for s in seeds for n in names):
        targets = system_named(record.system).missing(record)
        place = work / records.file_name(record).removesuffix(".json")
        if targets is not None:
            arguments = (record.system, targets, record.seed, budget, threads, place, dense)
            waiting[pool.submit(run, *arguments)] = record, place
    failed = []
    for future in tqdm(as_completed(waiting), total=len(waiting), unit="run"):
        record, place = waiting[future]
        try:
            keep(record, future.result(), place, folder)
        except Exception as error:
            failed.append(f"{record.system}, seed {record.seed}: {error!r}")
    if failed:
        raise SystemExit("\n".join(["these runs failed; the others are done:", *failed]))


@contextmanager
def executor(workers: int, scheduler: str | None) -> Iterator[Executor]:
    """Processes on this machine, or the workers of a Dask cluster."""
    if scheduler is None:
        spawn = get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=spawn, max_tasks_per_child=1) as pool:
            yield pool
    else:
        from distributed import Client  # optional: pip install 'pruninglab[cluster]'

        with Client(scheduler, timeout=30) as client:
            yield client.get_executor()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--budget", choices=BUDGETS, default="quick")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=[s.name for s in systems()])
    cores = os.cpu_count() or 1
    parser.add_argument("--workers", type=int, default=1 if device().type == "cuda" else cores)
    parser.add_argument("--threads", type=int, help="of a run; the cores are shared by default")
    parser.add_argument("--scheduler", help=CLUSTER)
    parser.add_argument("--work", type=Path, default=WORK, help="checkpoints, to go on from")
    parser.add_argument("--records", type=Path, default=records.FOLDER)
    parser.add_argument("--dense", type=int, default=0, help="seed of the dense network; records "
                        "and checkpoints of another than 0 lie in a folder dense-SEED")  # fmt: skip
    args = parser.parse_args()
    if args.dense:
        args.work, args.records = (p / f"dense-{args.dense}" for p in (args.work, args.records))
    if args.scheduler is None:
        data.load("cifar10", "train")  # once, before many processes look for it
    threads = args.threads or max(1, cores // args.workers)
    with executor(args.workers, args.scheduler) as pool:
        run_all(
            args.only, args.seeds, args.budget, pool, threads, args.work, args.records, args.dense
        )


if __name__ == "__main__":
    from solutions.study import run as results  # workers look for `run` in a module of that name

    results.main()
