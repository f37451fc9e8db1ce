"""A project of your own: a recipe, run over targets and seeds, ends as records.

What a run has finished stays on disk: run it again, and only what is missing is computed. If the
code of the recipe has changed since then, it is another run, and nothing old is taken for it.
"""

from __future__ import annotations

import copy
import hashlib
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FunctionType
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from pruninglab import checkpoints, counters, data
from pruninglab.files import write
from pruninglab.project import networks
from pruninglab.project.fingerprint import fingerprint
from pruninglab.project.setting import FOLDER, Dataset, Task, dense_network, device, existing, task
from pruninglab.results import records
from pruninglab.results.records import Point, Record
from pruninglab.training import accuracy
from pruninglab.training.loop import Loop

Recipe = Callable[[nn.Module, float, int, Loop], Any]
BATCH = 125


def run_project(
    recipe: Recipe,
    targets: Sequence[float],
    seeds: Sequence[int] = (0,),
    dataset: Dataset = "subset",
    epochs: int = 1,
    name: str = "My project",
    *,
    answers: tuple[str, str, str] = ("?", "?", "?"),
    folder: Path = FOLDER,
    width: int = 16,
    dense_epochs: int = 40,
) -> list[Record]:
    """Run a recipe for each target and seed, and measure what comes out on the "val" images.

    Args:
        recipe: `recipe(model, target, steps, train)` prunes and retrains `model`, a copy of the
            trained network, in place (or returns another one). `steps` is the budget, in training
            steps; `train(model, masks, lrs, before_step=None)` is the training loop of lab 4.
        targets: what the recipe is asked for, one pruned network each.
        seeds: of the order and the augmentation of the images.
        dataset: "subset" (embedded, minutes), "cifar10" or "cifar100" (hours; minutes on a GPU).
        epochs: the budget of each pruned network, in passes over the training images.
        name: of your system; the names of the files are made of it. One that says "random" is a
            control.
        answers: structure, criterion and method, in words.
        folder: for the records (.json), and the networks to hand in (networks/).
        width: of the network.
        dense_epochs: of the dense network's training; only CIFAR-100 needs one.

    Returns:
        One record per seed. The accuracies on the test images are not in it yet: `read_test`.

    Raises:
        ValueError: `recipe` is no plain function, or there is no such data set.

    >>> import tempfile
    >>> def random(model, target, steps, train):
    ...     masks = random_masks(model, target, torch.Generator().manual_seed(0))
    ...     train(model, masks, 2 * [0.01])
    >>> from pruninglab.masks import random_masks
    >>> folder = Path(tempfile.mkdtemp())
    >>> found = run_project(random, [0.3, 0.6], name="Random", folder=folder, width=4)
    >>> [round(point.sparsity, 2) for point in found[0].points]  # a few weights were zero before
    [0.31, 0.6]
    >>> sorted(path.name for path in folder.glob("*.json"))
    ['random.cifar10.subset-1-epochs.0.json']
    """
    if not isinstance(recipe, FunctionType):
        raise ValueError(f"recipe must be a function that you wrote, got {recipe!r}")
    work = task(dataset, folder, width, dense_epochs)
    whole = counted(work.dense, work, None, 0.0, 0.0)
    budget = f"{'subset-' if dataset == 'subset' else ''}{epochs}-epochs"
    found = []
    with tqdm(total=len(seeds) * len(targets), unit="network", desc=name) as bar:
        for seed in seeds:
            record = Record(
                name, *answers, "what the recipe was asked for",
                f"ResNet-20, width {width}, shortcut B", work.images.name, work.about, seed, budget,
                checkpoints.machine(), copy.copy(whole), width=width, dense_seed=0,
                dense_epochs=dense_epochs if dataset == "cifar100" else 0, epochs=epochs,
                role="chance" if "random" in name.lower() else "method",
            )  # fmt: skip
            for target in targets:
                record.points.append(one(recipe, target, record, work, epochs, folder))
                bar.update()
            records.save(record, folder)
            found.append(record)
    return found


def one(
    recipe: Recipe, target: float, record: Record, work: Task, epochs: int, folder: Path
) -> Point:
    """One pruned network, from the dense one, or as it was left by an earlier run."""
    kept = network_file(record, target, folder)
    identity = [fingerprint(recipe), target, record.seed, record.dataset, record.budget]
    about = [record.network, len(work.images), asdict(record.dense)["val"]]
    key = hashlib.sha256(json.dumps(identity + about).encode()).hexdigest()[:16]
    if kept.exists() and (point := noted(kept, key)):
        return point
    model = copy.deepcopy(work.dense).train()
    loop = Loop(
        work.images.to(device()), record.seed, batch_size=BATCH, folder=folder / ".work" / key
    )
    steps = epochs * max(1, len(work.images) // BATCH)
    result = recipe(model, target, steps, loop)
    model = result if isinstance(result, nn.Module) else model
    point = counted(model, work, target, loop.epochs, loop.seconds)
    networks.save(model, kept)
    note(kept, key, point)
    return point


def note(network: Path, key: str, point: Point) -> None:
    """Write beside a network what was measured of it, and which run it is from."""
    text = json.dumps({"run": key, "point": asdict(point)})
    write(network.with_suffix(".json"), text)


def noted(network: Path, key: str) -> Point | None:
    """What was measured of a network; None if that is nothing, or it is from another run."""
    path = network.with_suffix(".json")
    about: dict[str, Any] = (
        json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"run": None}
    )
    return Point(**about["point"]) if about["run"] == key else None


def counted(
    model: nn.Module, work: Task, target: float | None, epochs: float, seconds: float
) -> Point:
    """What is left of a network, and its accuracy on the held-out images."""
    val = accuracy(model, work.val.to(device()))
    return records.measure(
        model, work.dense, target=target, val=val, epochs=epochs, seconds=seconds
    )


def network_file(record: Record, target: float | None, folder: Path) -> Path:
    """Where the pruned network of a point lies: the file that is handed in."""
    stem = records.file_name(record).removesuffix(".json")
    return folder / "networks" / f"{stem}.{target:g}.npz"


def read_test(found: Sequence[Record], dataset: Dataset, folder: Path = FOLDER) -> list[Record]:
    """Read the test images, now that nothing is chosen any more; and take the time.

    The latencies are those of one image on one CPU thread, the dense network and the pruned one in
    turns. The records on disk get both.

    Raises:
        ValueError: a network of these records is not in the folder.
    """
    whole = data.subset("test") if dataset == "subset" else data.load(dataset, "test")
    test = whole.to(device())
    known: dict[tuple[int, int], tuple[nn.Module, float]] = {}  # dense networks, accuracies
    for record in found:
        which = record.width, record.dense_epochs
        if which not in known:
            dense = dense_network(dataset, folder, *which).to(device())
            right = round(accuracy(dense, test), 4)
            known[which] = dense.cpu(), right
        dense, record.dense.test = known[which]
        for point in record.points:
            file = existing(network_file(record, point.target, folder))
            if point.test is None or point.latency is None:
                network = networks.load(file)
                point.test = round(accuracy(network.to(device()), test), 4)
                point.dense_latency, point.latency = in_turns(dense, network.cpu())
                note(
                    file,
                    json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))["run"],
                    point,
                )
        records.save(record, folder)
    return list(found)


def in_turns(
    first: nn.Module, second: nn.Module, rounds: int = 5, repeats: int = 5
) -> tuple[float, float]:
    """Seconds that one image takes in each of two networks, medians of several turns."""
    x = torch.zeros(1, 3, 32, 32)
    turns = [
        [counters.latency(model, x, repeats=repeats, warmup=2).median for model in (first, second)]
        for _ in range(rounds)
    ]
    one, other = (statistics.median(times) for times in zip(*turns, strict=True))
    return one, other
