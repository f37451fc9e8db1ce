"""Is it worth it? Bytes, quantised too, and milliseconds at equal accuracy and equal epochs.

Ma et al. 2019 ask this: an index costs the same however few bits a value has, so the fewer bits,
the less single weights are worth. The records say how many weights are left and how they could be
stored; that quantisation costs both structures the same accuracy is assumed here, not measured.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterable, Sequence

from pruninglab import counters
from pruninglab.models import ResNet20
from pruninglab.plots import plus_minus
from pruninglab.results.curves import accuracy, of_panel, ranked
from pruninglab.results.records import Point, Record
from solutions.study.comparisons import table

BITS = (32, 8, 4, 1)  # of a value
PANELS = {"single weights": "weights", "filters": "filters"}


@functools.cache  # asked for once for each point of each record
def whole_of(width: int) -> int:
    """The prunable weights of the dense network.

    >>> whole_of(16)
    270896
    """
    return counters.prunable_weights(ResNet20(width))


def weights_of(point: Point, record: Record) -> int | None:
    """The prunable weights that a network has, zeros included; None if the record cannot say.

    A masked network has as many as the dense one. A smaller one tells it by the bytes that it
    takes: rest + 4 n if stored dense, rest + n / 8 + 4 kept with a bitmask.
    """
    whole = whole_of(record.width)
    if point.macs == record.dense.macs:
        return whole
    if point.stored is None:
        return None
    kept = round(whole * (1 - point.sparsity))
    return round((point.stored["dense"] - point.stored["bitmask"] + 4 * kept) / (4 - 1 / 8))


def size(parameters: int, weights: int, kept: int, bits: int) -> float:
    """Bytes of a network whose prunable weights have so many bits each; the rest has 32.

    With a bit for each weight that says whether it is kept, or without, whichever is smaller.

    By hand, 8 weights of which 2 are kept, and nothing else: 1 byte of mask, 2 bytes of values.

    >>> size(8, 8, 2, bits=8), size(8, 8, 2, bits=1)
    (3.0, 1.0)
    """
    return 4 * (parameters - weights) + min(weights * bits, weights + kept * bits) / 8


def worth_it_table(records: Iterable[Record], losses: Sequence[float] = (0.01, 0.02, 0.05)) -> str:
    """At each loss of accuracy that is accepted, the smallest network of each structure.

    Only networks that were trained for the same number of epochs. A network is good enough if it
    loses no more on the held-out images; its accuracy is that on the test images. "Smaller" is
    against the dense network with as many bits, and the smallest is looked for at each number of
    bits; sparsity, accuracy and time are those of the smallest with 32.
    """
    found = list(records)
    head = ("may lose", "structure", "system", "epochs", "sparsity", "test accuracy (%)",
            *(f"{bits} bit: times smaller" for bits in BITS), "times faster")  # fmt: skip
    rows = []
    for loss in losses:
        for kind, panel in PANELS.items():
            good = [
                (members, i)
                for members in of_panel(found, panel).values() if members[0].role != "dense"
                for i in range(min(len(record.points) for record in members))
                if all(weights_of(r.points[i], r) for r in members) and ranked(members, i)
                and val(members, i) >= statistics.mean(r.dense.val for r in members) - loss
            ]  # fmt: skip
            if good:
                best = max(good, key=lambda one: smaller(one[0], one[1], 32))
                most = [max(smaller(g, i, bits) for g, i in good) for bits in BITS]
                rows.append((f"{100 * loss:g} points", kind, *cells(*best, most)))
    return table(head, rows, words=3)


def val(members: Sequence[Record], i: int) -> float:
    """Accuracy of point `i` on the held-out images, mean over the runs."""
    return statistics.mean(record.points[i].val for record in members)


def smaller(members: Sequence[Record], i: int, bits: int) -> float:
    """How many times smaller than the dense network with as many bits, mean over the runs."""
    times = []
    for record in members:
        point, whole = record.points[i], whole_of(record.width)
        weights = weights_of(point, record)
        assert weights is not None
        dense = size(record.dense.parameters, whole, whole, bits)
        kept = round(whole * (1 - point.sparsity))
        times.append(dense / size(point.parameters, weights, kept, bits))
    return statistics.mean(times)


def cells(members: Sequence[Record], i: int, most: Sequence[float]) -> list[str]:
    """A row from the system on."""
    points = [record.points[i] for record in members]
    faster = [p.dense_latency / p.latency for p in points if p.latency and p.dense_latency]
    return [
        members[0].system, f"{statistics.mean(p.epochs for p in points):g}",
        f"{statistics.mean(p.sparsity for p in points):.1%}",
        plus_minus([accuracy(p) for p in points]), *(f"{times:.1f}" for times in most),
        f"{statistics.mean(faster):.2f}" if faster else "",
    ]  # fmt: skip
