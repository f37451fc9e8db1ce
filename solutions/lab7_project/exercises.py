"""The exercises of lab 7, "Project": the numbers that a talk on pruning needs, and their rules."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence


def definitions(dense: Mapping[str, float], pruned: Mapping[str, float]) -> dict[str, float]:
    """Compute the four numbers of a results table, each by the definition the course uses.

    Args:
        dense: what was counted and timed of the network before pruning.
        pruned: the same of the network after it: masked, really smaller, or both.

        Both have "parameters" (all of them, zeros included), "weights" (the prunable ones among
        them, zeros included), "zeros" (prunable weights that are 0), "macs" (of one image) and
        "seconds" (of one image, median). The zeros of the dense network are no news: there,
        everything counts as present.

    Returns:
        "sparsity": the share of the dense network's prunable weights that is zero *or removed*;
        "compression": parameters before / parameters that are left and not among the zeros;
        "macs_ratio": MACs before / MACs after; "speedup": time before / time after.

    >>> dense = {"parameters": 120, "weights": 100, "zeros": 0, "macs": 900, "seconds": 0.003}
    >>> pruned = {"parameters": 60, "weights": 50, "zeros": 30, "macs": 300, "seconds": 0.002}
    >>> definitions(dense, pruned)
    {'sparsity': 0.8, 'compression': 4.0, 'macs_ratio': 3.0, 'speedup': 1.5}
    """
    ### BEGIN SOLUTION
    left = pruned["weights"] - pruned["zeros"]
    return {
        "sparsity": 1 - left / dense["weights"],
        "compression": dense["parameters"] / (pruned["parameters"] - pruned["zeros"]),
        "macs_ratio": dense["macs"] / pruned["macs"],
        "speedup": dense["seconds"] / pruned["seconds"],
    }
    ### END SOLUTION


def mean_and_spread(
    runs: Sequence[Mapping[float, float]],
) -> dict[float, tuple[float, float | None, int]]:
    """Sum up several runs of the same recipe, one per seed, target by target.

    Args:
        runs: one dict per seed: target -> accuracy. A run that was stopped lacks some targets.

    Returns:
        For every target that any run has, the targets in ascending order: (mean, spread, n) of the
        n accuracies that are there. The spread is their *sample* standard deviation, with n - 1 in
        the denominator; of a single one nobody knows how it spreads, and the spread is None.

    >>> mean_and_spread([{0.5: 0.75, 0.9: 0.5}, {0.5: 0.25}])
    {0.5: (0.5, 0.3535533905932738, 2), 0.9: (0.5, None, 1)}
    """
    ### BEGIN SOLUTION
    table: dict[float, tuple[float, float | None, int]] = {}
    for target in sorted({target for run in runs for target in run}):
        values = [run[target] for run in runs if target in run]
        spread = statistics.stdev(values) if len(values) > 1 else None
        table[target] = (statistics.mean(values), spread, len(values))
    return table
    ### END SOLUTION


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Find the networks that no other network beats.

    A network beats another one if it is at least as good in both numbers and better in one. Two
    networks that are equal in both do not beat each other.

    Args:
        points: (compression, accuracy) of each network; more is better in both.

    Returns:
        The positions in `points` of those that none beats, in ascending order.

    >>> pareto_front([(2.0, 0.92), (10.0, 0.90), (5.0, 0.88), (20.0, 0.70)])
    [0, 1, 3]
    """
    ### BEGIN SOLUTION
    front = []
    for i, (size, accuracy) in enumerate(points):
        rivals = [p for p in points if p[0] >= size and p[1] >= accuracy]
        if all(rival == (size, accuracy) for rival in rivals):
            front.append(i)
    return front
    ### END SOLUTION


def choose(
    networks: Sequence[Mapping[str, float]], dense: Mapping[str, float], tolerance: float
) -> int | None:
    """Choose the network that you would hand in: the smallest of those that are good enough.

    Good enough is whose accuracy is at most `tolerance` below that of the dense network. Whoever
    looks at the test images for this has no test images any more.

    Args:
        networks: each has "compression", "val" (accuracy on the held-out training images) and
            "test" (accuracy on the test images).
        dense: "val" and "test" of the network before pruning.
        tolerance: how much accuracy may be lost, 0.01 is one point.

    Returns:
        The position of the one with the highest compression among those that are good enough. Of
        several with the same compression, the most accurate one (on the images for choosing). None
        if none is good enough.

    >>> a = {"compression": 5.0, "val": 0.91, "test": 0.90}
    >>> b = {"compression": 10.0, "val": 0.905, "test": 0.89}
    >>> choose([a, b], {"val": 0.92, "test": 0.91}, tolerance=0.02)
    1
    >>> choose([a, b], {"val": 0.92, "test": 0.91}, tolerance=0.0) is None
    True
    """
    ### BEGIN SOLUTION
    lowest = dense["val"] - tolerance
    enough = [i for i, network in enumerate(networks) if network["val"] >= lowest]
    if not enough:
        return None
    return max(enough, key=lambda i: (networks[i]["compression"], networks[i]["val"]))
    ### END SOLUTION
