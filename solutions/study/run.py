"""Run the systems of the lecture on full CIFAR-10: `python -m solutions.study.run`.

It says first how many hours the missing runs will take here, then makes them side by side, each in
its own process on one thread (or on the workers of a Dask cluster). What others are compared with
comes first. A run is one target of one system from one dense network; when it ends, its record is
on disk. Killed, everything goes on from the last whole epoch.

Everything that is chosen is chosen on the embedded "val" images, which no network was trained on;
the test images are read when a run has ended.

On a machine that is lent for ten minutes (with a GPU, eight networks side by side):
`python -m solutions.study.run --budget full --minutes 9 --records DIR --work DIR/work`. What is not
finished then is continued by the same command.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
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
from pruninglab.terminal import accept_any_text
from pruninglab.training import accuracy
from solutions.study.job import BUDGETS, Job, Pruned, System, replayed
from solutions.study.steps import Steps, TimeIsUp, step_of
from solutions.study.systems import systems

WORK = Path("build/results")
TIMED = 8  # steps, for the estimate
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
        seed, budget, "", whole, width=16, dense_seed=dense, epochs=system.due(BUDGETS[budget]),
        equal=system.equal, panels=list(system.panels), role=system.role, label=system.label,
        published=dict(system.published),
    )  # fmt: skip


def record_of(system: System, seed: int, budget: str, folder: Path, dense: int = 0) -> Record:
    """The record of a system as far as it has come; points of an earlier recipe do not count."""
    path = folder / records.name_of(system.name, "cifar10", budget, seed, dense)
    new = blank(system, seed, budget, dense)
    old = records.load(path) if path.exists() else new
    return old if system.same(old) else new


@dataclass(frozen=True)
class Run:
    """Some targets of one system from one dense network.

    Attributes:
        cost: in epochs.
    """

    name: str
    targets: tuple[float, ...]
    seed: int
    dense: int
    budget: str
    cost: float

    @property
    def stem(self) -> str:
        """The name of the record, and of the folder of checkpoints."""
        file = records.name_of(self.name, "cifar10", self.budget, self.seed, self.dense)
        return file.removesuffix(".json")


def plan(
    names: Sequence[str], pairs: Sequence[tuple[int, int]], budget: str, folder: Path
) -> list[Run]:
    """What the records lack, in the order in which it is run.

    First what others are compared with, from all dense networks: so a table that can be read is
    complete early. Then the other systems, one dense network after the other.

    Args:
        pairs: (seed of the dense network, seed of the retraining).
    """
    wanted = sorted(map(system_named, names), key=list(systems()).index)
    found = []
    for core in (True, False):
        for dense, seed in pairs:
            for system in (one for one in wanted if one.core is core):
                missing = system.missing(record_of(system, seed, budget, folder, dense))
                apart = system.epochs is not None and not system.shared
                parts = [(target,) for target in missing] if apart else [missing]
                found += [
                    Run(system.name, part, seed, dense, budget,
                        system.cost(BUDGETS[budget], part))
                    for part in parts if part
                ]  # fmt: skip
    return found


def run(one: Run, threads: int, place: Path, until: float | None = None) -> Outcome:
    """From the dense network to the targets of a run.

    Raises:
        TimeIsUp: it is later than `until`; the run can be continued.
    """
    if until is not None and time.time() > until:
        raise TimeIsUp("not started")
    torch.set_num_threads(threads)
    images, val = data.hold_out(data.load("cifar10", "train"), per_class=100)
    images, val = images.to(device()), val.to(device())
    job = Job(
        images, val, one.seed, BUDGETS[one.budget], place, device(), dense_seed=one.dense,
        compiled=device().type == "cpu", until=until,
    )  # fmt: skip
    points, networks = list[Point](), list[nn.Module]()
    for pruned in system_named(one.name).run(job, one.targets):
        torch.compiler.reset()
        points.append(point(pruned, job))
        networks.append(pruned.model.eval())
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


def told(one: Run, made: Outcome) -> str:
    """A line for each network that a run has made."""
    return "\n".join(
        f"{one.name}, dense network {one.dense}, target {p.target:g}: {p.sparsity:.1%} of the "
        f"weights gone, val {p.val:.1%}" for p in made.points
    )  # fmt: skip


def keep(one: Run, made: Outcome, place: Path, folder: Path) -> None:
    """Add what a run gave back to its record, in the order of the system's targets.

    Points that are there already stay, unless they were run again. The networks lie beside the
    checkpoints, None for one that is not there any more. The states of the run are deleted.
    """
    system = system_named(one.name)
    record = record_of(system, one.seed, one.budget, folder, one.dense)
    again, file = {p.target for p in made.points}, place / "networks.pt"
    rows = [row for row in stored(record, file) if row[0].target not in again]
    networks = torch.load(io.BytesIO(made.networks), weights_only=False)  # written by ourselves
    rows += zip(made.points, networks, strict=True)
    order = list(system.targets)
    rows.sort(key=lambda row: order.index(t) if (t := row[0].target) in order else len(order))
    if made.machine not in record.machine.split("; "):
        record.machine = "; ".join(filter(None, (record.machine, made.machine)))
    record.points = [row[0] for row in rows]
    place.mkdir(parents=True, exist_ok=True)
    torch.save([row[1] for row in rows], file)
    records.save(record, folder)
    for target in one.targets:
        shutil.rmtree(place / str(target), ignore_errors=True)


def stored(record: Record, file: Path) -> list[tuple[Point, nn.Module | None]]:
    """The points of a record with their networks, as far as these are there."""
    networks: list[nn.Module | None] = [None] * len(record.points)
    if file.exists():  # written by ourselves
        found = torch.load(file, weights_only=False, map_location="cpu")
        networks = found if len(found) == len(networks) else networks
    return list(zip(record.points, networks, strict=True))


def run_all(
    runs: Sequence[Run], pool: Executor, threads: int, work: Path = WORK,
    folder: Path = records.FOLDER, until: float | None = None,
) -> None:  # fmt: skip
    """Make runs and keep what comes out; one that fails does not stop the others.

    Raises:
        SystemExit: some failed; the message says which and why.
    """
    waiting: dict[Future[Outcome], Run] = {
        pool.submit(run, one, threads, work / one.stem, until): one for one in runs
    }
    failed, later, done = list[str](), 0, 0.0
    with tqdm(total=round(sum(one.cost for one in runs), 1), unit="epoch") as bar:
        pending = set(waiting)
        while pending:
            ended, pending = wait(pending, timeout=10, return_when=FIRST_COMPLETED)
            for future in ended:
                one = waiting[future]
                try:
                    keep(one, future.result(), work / one.stem, folder)
                    bar.write(told(one, future.result()))
                except TimeIsUp:
                    later += 1
                except Exception as error:
                    failed.append(f"{one.name}, targets {one.targets}, {one.stem}: {error!r}")
                done += one.cost
            under_way = sum(progress(waiting[future], work) for future in pending)
            bar.n = round(min(done + under_way, bar.total), 1)
            bar.refresh()
    if later:
        print(f"the time is up: {later} runs are not finished; the same command continues them")
    if failed:
        raise SystemExit("\n".join(["these runs failed; the others are done:", *failed]))


def progress(one: Run, work: Path) -> float:
    """Epochs that a run has behind it, by the states that it has left."""
    folders = [work / one.stem / str(target) for target in one.targets]
    last = [max(map(step_of, folder.glob("*.pt")), default=0) for folder in folders]
    return min(one.cost, sum(last) / (49_000 // 125))


def seconds_an_epoch(pool: Executor, workers: int, threads: int) -> float:
    """How long an epoch takes here, with all workers busy: a few steps in each of them."""
    timed = [pool.submit(time_steps, threads) for _ in range(workers)]
    return sum(future.result() for future in timed) / workers * (49_000 // 125)


def time_steps(threads: int) -> float:
    """Seconds of a training step, without compiling."""
    torch.set_num_threads(threads)
    images = data.subset("train")[:1000].to(device())
    loop, model = Steps(images, lrs=replayed(2 * TIMED)), checkpoints.trained(16).to(device())
    loop(model, {}, TIMED * [0.0])  # the first steps are slow
    before = loop.seconds
    loop(model, {}, TIMED * [0.0])
    next(model.parameters()).sum().item()  # a GPU works behind: wait for it
    return (loop.seconds - before) / TIMED


def estimate(runs: Sequence[Run], seconds: float, workers: int) -> str:
    """What is ahead, in words.

    >>> estimate([Run("Li 2016", (0.5,), 1, 1, "standard", 10.0)], 360.0, 2)
    '1 runs, 10 epochs; 360 s an epoch, 2 side by side: about 0.5 hours'
    """
    epochs = sum(one.cost for one in runs)
    hours = epochs * seconds / workers / 3600
    return (
        f"{len(runs)} runs, {epochs:g} epochs; {seconds:.0f} s an epoch, "
        f"{workers} side by side: about {hours:.1f} hours"
    )


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
    accept_any_text()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--budget", choices=BUDGETS, default="standard")
    shipped = [seed for width, seed in checkpoints.SHIPPED if width == 16]
    parser.add_argument("--dense", type=int, nargs="+", choices=shipped, help="seeds of the dense "
                        "networks; all that ship but 0 by default",
                        default=[seed for seed in shipped if seed])  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", help="of the retraining, from each dense "
                        "network; its own by default: one retraining each")  # fmt: skip
    parser.add_argument("--only", nargs="+", default=[s.name for s in systems()])
    cores = os.cpu_count() or 1
    workers = min(8, cores) if device().type == "cuda" else cores
    parser.add_argument("--workers", type=int, default=workers)
    parser.add_argument("--threads", type=int, help="of a run; the cores are shared by default")
    parser.add_argument("--scheduler", help=CLUSTER)
    parser.add_argument("--work", type=Path, default=WORK, help="checkpoints, to go on from")
    parser.add_argument("--records", type=Path, default=records.FOLDER)
    parser.add_argument("--minutes", type=float, help="stop after so many, at a whole epoch")
    parser.add_argument("--estimate", action="store_true", help="say how long it takes, and stop")
    args = parser.parse_args()
    until = None if args.minutes is None else time.time() + 60 * args.minutes
    pairs = [(dense, seed) for dense in args.dense for seed in args.seeds or [dense]]
    runs = plan(args.only, pairs, args.budget, args.records)
    if not runs:
        print(f"nothing is missing in {args.records}")
        return
    threads = args.threads or max(1, cores // args.workers)
    with executor(args.workers, args.scheduler) as pool:
        print(estimate(runs, seconds_an_epoch(pool, args.workers, threads), args.workers))
        if args.estimate:
            return
        if args.scheduler is None:
            data.load("cifar10", "train")  # once, before many processes look for it
        run_all(runs, pool, threads, args.work, args.records, until)


if __name__ == "__main__":
    from solutions.study import run as results  # workers look for `run` in a module of that name

    results.main()
