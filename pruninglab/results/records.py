"""Results as records: one small JSON file per system and seed. Figures and tables read only these.

A record says what was pruned and how, on which images, and lists its points: one per pruned
network, with its accuracy and what is left of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from torch import nn

from pruninglab import counters
from pruninglab.files import write
from pruninglab.models import prunable

FOLDER = Path(str(resources.files("pruninglab") / "assets" / "results"))


# What fields may hold; `load` checks it.
Count = Annotated[int, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


@dataclass
class Point:
    """A pruned network.

    Attributes:
        target: what was asked for, in the system's own terms (see the record), or None.
        sparsity: the share of the dense network's prunable weights that is zero or removed.
        parameters: of the network as it is, zeros included (a shrunk network has fewer).
        nonzeros: parameters that are not zero.
        macs: multiply-accumulates of one image, those with a zero included.
        nonzero_macs: without them.
        epochs: passes over the training images since the dense network, or since random weights.
        seconds: the training time of these epochs.
        val: accuracy on held-out training images, 0 to 1.
        test: accuracy on the test images, 0 to 1; read when nothing is chosen any more.
        latency: seconds for one image on one CPU thread, median.
        dense_latency: the same of the dense network, measured in turns with it.
        stored: bytes of the network on disk, way of storing -> number (see lab 5).
    """

    target: float | None
    sparsity: Annotated[float, Meta(le=1)]
    parameters: Count
    nonzeros: Count
    macs: Count
    nonzero_macs: Count
    epochs: Amount
    seconds: Amount
    val: Share
    test: Share | None = None
    latency: Amount | None = None
    dense_latency: Amount | None = None
    stored: dict[str, Count] | None = None


@dataclass
class Record:
    """The points of one system and one seed, and all that is needed to judge them.

    Attributes:
        system: its name, e.g. "Han 2015".
        structure, criterion, method: the three answers that make a method.
        target: what the targets of the points mean.
        network: e.g. "ResNet-20, width 16, shortcut B".
        dataset: "cifar10" or "cifar100".
        images: which ones were used for training.
        seed: of the retraining.
        budget: "quick", "standard" or "full"; a project's own budget in words.
        machine: processor, threads and versions.
        dense: the network before pruning.
        width: filters of the network's first stage.
        dense_seed: seed of the network before pruning.
        dense_epochs: how long a project trained that network itself; 0 if it ships.
        epochs: what the budget gives each target, all rounds and penalties included.
        equal: whether all systems of the budget train as long; only these are ranked.
        panels: the tables and figures that it belongs in, e.g. "weights".
        role: "method"; or what methods are compared with: "chance", "magnitude" (the plain
            ranking by size, at once), "dense" (not pruned).
        label: its name in a table or figure of its own kind, if the system's name is too long.
        published: table of published numbers -> the series there that it repeats.
    """

    system: str
    structure: str
    criterion: str
    method: str
    target: str
    network: str
    dataset: str
    images: str
    seed: Count
    budget: str
    machine: str
    dense: Point
    points: list[Point] = field(default_factory=list)
    width: Count = field(kw_only=True)
    dense_seed: Count = field(kw_only=True)
    dense_epochs: Count = 0
    epochs: Amount = 0.0
    equal: bool = True
    panels: list[str] = field(default_factory=list)
    role: str = "method"
    label: str = ""
    published: dict[str, str] = field(default_factory=dict)


def measure(
    model: nn.Module, dense: nn.Module, *, target: float | None, val: float, epochs: float = 0.0,
    seconds: float = 0.0,
) -> Point:  # fmt: skip
    """Count what is left of a network.

    Args:
        model: the pruned network, masked or really smaller.
        dense: the network before.

    >>> from pruninglab.models import ResNet20
    >>> measure(ResNet20(4), ResNet20(8), target=None, val=0.1).parameters
    17534
    """
    left = sum(int(w.count_nonzero()) for w in prunable(model).values())
    return Point(
        target, 1 - left / counters.prunable_weights(dense), counters.parameters(model),
        counters.remaining(model), counters.macs(model), counters.nonzero_macs(model),
        round(epochs, 2), round(seconds, 1), round(val, 4),
    )  # fmt: skip


def file_name(record: Record) -> str:
    """Where a record lies: its system, budget and seeds in letters that any disk can hold."""
    return name_of(record.system, record.dataset, record.budget, record.seed, record.dense_seed)


def name_of(system: str, dataset: str, budget: str, seed: int, dense_seed: int = 0) -> str:
    """The same for a record that may not be there yet.

    >>> name_of("Li 2016", "cifar10", "quick", 0), name_of("Li 2016", "cifar10", "quick", 0, 1)
    ('li-2016.cifar10.quick.0.json', 'li-2016.cifar10.quick.dense-1.0.json')
    """
    words = "".join(c if c.isalnum() else " " for c in system.lower()).split()
    dense = f"dense-{dense_seed}." if dense_seed else ""
    return f"{'-'.join(words)}.{dataset}.{budget}.{dense}{seed}.json"


def save(record: Record, folder: Path = FOLDER) -> Path:
    """Write a record, the whole of it or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(record)
    write(path, json.dumps(asdict(record), indent=1) + "\n")
    return path


def load(path: Path) -> Record:
    """Read a record.

    Raises:
        ValueError: the file is no record, or holds what no record can; the message names it.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        points = [Point(**p) for p in fields.pop("points")]
        dense = Point(**fields.pop("dense"))
        record = Record(**fields, dense=dense, points=points)  # refuses unknown fields
        msgspec.convert(asdict(record), Record)
    except (ValueError, TypeError, KeyError, AttributeError, msgspec.ValidationError) as error:
        raise ValueError(f"{path} is not a record of results: {error}") from error
    return record


def load_all(
    folder: Path = FOLDER, budget: str | None = None, dense: Collection[int] | None = None
) -> Iterator[Record]:
    """The records of a folder, in the order of their names.

    Args:
        budget: leaves the records of other budgets out.
        dense: leaves those out whose dense network has another seed.
    """
    for path in sorted(folder.glob("*.json")):
        record = load(path)
        if budget in (None, record.budget) and (dense is None or record.dense_seed in dense):
            yield record
