"""What students write instead, for each exercise of lab 7.

MISTAKES are wrong, and the first paragraph of each one's docstring is the hint that a student
gets who makes it. ALTERNATIVES are right in another way than `project`, and must pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from solutions.lab7_project import exercises as project

Counts = Mapping[str, float]
Runs = Sequence[Mapping[float, float]]
Table = dict[float, tuple[float, float | None, int]]
Points = Sequence[tuple[float, float]]
Rows = Sequence[Mapping[str, float]]


# --- definitions --------------------------------------------------------------------------------


def definitions_own_weights(dense: Counts, pruned: Counts) -> dict[str, float]:
    """The sparsity is that of the *pruned* network's own weights: what was really removed has
    vanished from it. Divide by the weights of the dense network."""
    sparsity = pruned["zeros"] / pruned["weights"]
    return project.definitions(dense, pruned) | {"sparsity": sparsity}


def definitions_density(dense: Counts, pruned: Counts) -> dict[str, float]:
    """That is the share of weights that is *left*, the density: sparsity is what is gone."""
    right = project.definitions(dense, pruned)
    return right | {"sparsity": 1 - right["sparsity"]}


def definitions_of_parameters(dense: Counts, pruned: Counts) -> dict[str, float]:
    """Sparsity looks at the prunable weights alone: biases and batch normalisation are never
    pruned, and do not belong into its denominator."""
    left = pruned["parameters"] - pruned["zeros"]
    return project.definitions(dense, pruned) | {"sparsity": 1 - left / dense["parameters"]}


def definitions_of_weights(dense: Counts, pruned: Counts) -> dict[str, float]:
    """Compression is that of the whole network, biases and batch normalisation included: they
    have to be stored, too."""
    left = pruned["weights"] - pruned["zeros"]
    return project.definitions(dense, pruned) | {"compression": dense["weights"] / left}


def definitions_zeros_stored(dense: Counts, pruned: Counts) -> dict[str, float]:
    """The zeros count as if they were stored: parameters that are *left* are those without them."""
    ratio = dense["parameters"] / pruned["parameters"]
    return project.definitions(dense, pruned) | {"compression": ratio}


def definitions_upside_down(dense: Counts, pruned: Counts) -> dict[str, float]:
    """The ratios are upside down: before / after, so that more than 1 is a gain."""
    right = project.definitions(dense, pruned)
    return {name: x if name == "sparsity" else 1 / x for name, x in right.items()}


def definitions_zeros_are_fast(dense: Counts, pruned: Counts) -> dict[str, float]:
    """The MAC ratio leaves out the multiplications by zero, but hardware does them all the same
    (lab 5): take the MACs as they were counted."""
    share = 1 - pruned["zeros"] / pruned["weights"]
    ratio = dense["macs"] / (pruned["macs"] * share)
    return project.definitions(dense, pruned) | {"macs_ratio": ratio}


def definitions_macs_for_time(dense: Counts, pruned: Counts) -> dict[str, float]:
    """The speed-up comes from a clock, and you took it from the MACs: a third of the MACs is
    rarely a third of the time."""
    right = project.definitions(dense, pruned)
    return right | {"speedup": right["macs_ratio"]}


def definitions_percent(dense: Counts, pruned: Counts) -> dict[str, float]:
    """The sparsity is in percent: here a share is a number from 0 to 1."""
    right = project.definitions(dense, pruned)
    return right | {"sparsity": 100 * right["sparsity"]}


def definitions_dense_zeros(dense: Counts, pruned: Counts) -> dict[str, float]:
    """You took the zeros of the *dense* network off its weights or parameters: in it, everything
    counts as present."""
    left = pruned["weights"] - pruned["zeros"]
    before = dense["parameters"] - dense["zeros"]
    return project.definitions(dense, pruned) | {
        "sparsity": 1 - left / (dense["weights"] - dense["zeros"]),
        "compression": before / (pruned["parameters"] - pruned["zeros"]),
    }


def definitions_removed(dense: Counts, pruned: Counts) -> dict[str, float]:
    """Step by step: what was removed, what is zero, and their share."""
    removed = dense["weights"] - pruned["weights"]
    sparsity = (removed + pruned["zeros"]) / dense["weights"]
    stored = pruned["parameters"] - pruned["zeros"]
    return {
        "sparsity": sparsity,
        "compression": dense["parameters"] / stored,
        "macs_ratio": dense["macs"] / pruned["macs"],
        "speedup": dense["seconds"] / pruned["seconds"],
    }


def definitions_sorted(dense: Counts, pruned: Counts) -> dict[str, float]:
    """The names in another order."""
    right = project.definitions(dense, pruned)
    return {name: right[name] for name in sorted(right)}


def definitions_inverse_twice(dense: Counts, pruned: Counts) -> dict[str, float]:
    """One over what is left of each."""
    density = (pruned["weights"] - pruned["zeros"]) / dense["weights"]
    left = (pruned["parameters"] - pruned["zeros"]) / dense["parameters"]
    ratios = {"macs_ratio": "macs", "speedup": "seconds"}
    numbers = {name: 1 / (pruned[key] / dense[key]) for name, key in ratios.items()}
    return {"sparsity": 1.0 - density, "compression": left**-1, **numbers}


# --- mean_and_spread ----------------------------------------------------------------------------


def summed(
    runs: Runs,
    spread: Callable[[list[float]], float | None],
    mean: Callable[[list[float]], float] = lambda values: sum(values) / len(values),
) -> Table:
    """The table with another spread or mean."""
    found: Table = {}
    for target in sorted({t for run in runs for t in run}):
        values = [run[target] for run in runs if target in run]
        found[target] = (mean(values), spread(values), len(values))
    return found


def sample(values: list[float]) -> float | None:
    """The right spread."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def mean_and_spread_population(runs: Runs) -> Table:
    """The sum of squares is divided by n: for a *sample* it is n - 1. (`numpy.std` divides by n
    unless it is told otherwise, `statistics.pstdev` too.)"""
    return summed(runs, lambda v: float(np.std(v)) if len(v) > 1 else None)


def mean_and_spread_zero(runs: Runs) -> Table:
    """A single run has a spread of 0 in your table: that looks as if the result were certain.
    Nobody knows its spread: None."""
    return summed(runs, lambda v: sample(v) if len(v) > 1 else 0.0)


def mean_and_spread_nan(runs: Runs) -> Table:
    """With one value, n - 1 is 0 and the spread becomes nan: the task asks for None there."""
    return summed(runs, lambda v: sample(v) if len(v) > 1 else math.nan)


def mean_and_spread_standard_error(runs: Runs) -> Table:
    """That is the standard error, the spread divided by √n. It says how well the *mean* is known,
    and would be right in a table that calls it so."""
    return summed(runs, lambda v: (sample(v) or 0) / len(v) ** 0.5 if len(v) > 1 else None)


def mean_and_spread_variance(runs: Runs) -> Table:
    """That is the variance: its square root is missing."""
    return summed(runs, lambda v: (sample(v) or 0) ** 2 if len(v) > 1 else None)


def mean_and_spread_range(runs: Runs) -> Table:
    """That is the range, largest minus smallest: it grows with the number of runs."""
    return summed(runs, lambda v: max(v) - min(v) if len(v) > 1 else None)


def mean_and_spread_median(runs: Runs) -> Table:
    """The first number is the median or the best run, where the mean was asked for."""
    return summed(runs, sample, mean=lambda values: float(np.median(values)))


def mean_and_spread_best(runs: Runs) -> Table:
    """That is the best run: a table of best runs says how often somebody tried."""
    return summed(runs, sample, mean=max)


def mean_and_spread_common(runs: Runs) -> Table:
    """Targets that one of the runs lacks are left out: use the runs that are there, and say how
    many they were."""
    right = project.mean_and_spread(runs)
    return {target: row for target, row in right.items() if all(target in run for run in runs)}


def mean_and_spread_missing_is_zero(runs: Runs) -> Table:
    """A run that lacks a target counts as an accuracy of 0: it has none, which is not the same."""
    targets = sorted({t for run in runs for t in run})
    full = [{t: run.get(t, 0.0) for t in targets} for run in runs]
    return project.mean_and_spread(full)


def mean_and_spread_all_runs(runs: Runs) -> Table:
    """n is the number of all runs: count those that have this target."""
    right = project.mean_and_spread(runs)
    return {target: (mean, spread, len(runs)) for target, (mean, spread, _) in right.items()}


def mean_and_spread_first_run(runs: Runs) -> Table:
    """Only the targets of the first run are there: another run may have more."""
    right = project.mean_and_spread(runs)
    return {target: row for target, row in right.items() if target in runs[0]}


def mean_and_spread_not_sorted(runs: Runs) -> Table:
    """The targets are in the order in which they turned up: ascending was asked for."""
    right = project.mean_and_spread(runs)
    return {target: right[target] for target in dict.fromkeys(t for run in runs for t in run)}


def mean_and_spread_numpy(runs: Runs) -> Table:
    """With numpy, which needs to be told of n - 1."""
    return summed(runs, sample, mean=lambda values: float(np.mean(values)))


def mean_and_spread_by_hand(runs: Runs) -> Table:
    """The formula."""
    found: Table = {}
    for run in runs:
        for target in run:
            values = [other[target] for other in runs if target in other]
            n, mean = len(values), sum(values) / len(values)
            squares = sum((v - mean) ** 2 for v in values)
            found[target] = (mean, (squares / (n - 1)) ** 0.5 if n > 1 else None, n)
    return dict(sorted(found.items()))


def mean_and_spread_torch(runs: Runs) -> Table:
    """With torch, which divides by n - 1 by itself."""

    def spread(values: list[float]) -> float | None:
        numbers = torch.tensor(values, dtype=torch.float64)
        return numbers.std().item() if len(values) >= 2 else None

    return summed(runs, spread)


# --- pareto_front -------------------------------------------------------------------------------


def pareto_front_strict(points: Points) -> list[int]:
    """You keep a network that is equal in one number and worse in the other: it is beaten. "Better
    in both" asks too much of a rival."""
    return [i for i, p in enumerate(points) if not any(q[0] > p[0] and q[1] > p[1] for q in points)]


def pareto_front_twins(points: Points) -> list[int]:
    """Two networks that are equal in both numbers throw each other out: neither beats the other, so
    both stay."""
    found = []
    for i, p in enumerate(points):
        others = [q for k, q in enumerate(points) if k != i]
        if not any(q[0] >= p[0] and q[1] >= p[1] for q in others):
            found.append(i)
    return found


def pareto_front_itself(points: Points) -> list[int]:
    """Every network is compared with itself, too, and is as good as itself: so none is left."""
    return [
        i for i, p in enumerate(points) if not any(q[0] >= p[0] and q[1] >= p[1] for q in points)
    ]


def pareto_front_small_compression(points: Points) -> list[int]:
    """You keep the *lowest* compressions: compression is all parameters / those that remain, and
    more is better."""
    return project.pareto_front([(-size, accuracy) for size, accuracy in points])


def pareto_front_low_accuracy(points: Points) -> list[int]:
    """You keep the lowest accuracies: for both numbers more is better."""
    return project.pareto_front([(size, -accuracy) for size, accuracy in points])


def pareto_front_beaten(points: Points) -> list[int]:
    """Those are the ones that *are* beaten."""
    front = set(project.pareto_front(points))
    return [i for i in range(len(points)) if i not in front]


def pareto_front_hull(points: Points) -> list[int]:
    """A network that lies below the straight line between two others is left out: but neither of
    the two beats it. (What you have is the convex hull.)"""
    front = project.pareto_front(points)
    kept = []
    for i in front:
        x, y = points[i]
        left = [points[k] for k in front if points[k][0] < x]
        right = [points[k] for k in front if points[k][0] > x]
        under = any(
            y < a[1] + (b[1] - a[1]) * (x - a[0]) / (b[0] - a[0]) for a in left for b in right
        )
        if not under:
            kept.append(i)
    return kept


def pareto_front_best_of_each(points: Points) -> list[int]:
    """Only the most accurate and the most compressed network are there: those in between that none
    beats belong to the front as well."""
    best = {max(points, key=lambda p: p[1]), max(points)}
    front = project.pareto_front(points)
    return [i for i in front if points[i] in best]


def pareto_front_sorted(points: Points) -> list[int]:
    """The positions are in the order of the compression: ascending positions were asked for."""
    return sorted(project.pareto_front(points), key=lambda i: points[i])


def pareto_front_points(points: Points) -> list[tuple[float, float]]:
    """You return the points themselves: their *positions* in the list were asked for."""
    return [points[i] for i in project.pareto_front(points)]


def pareto_front_masks(points: Points) -> list[bool]:
    """You return a True or False per network: the *positions* of those that stay were asked for."""
    front = project.pareto_front(points)
    return [i in front for i in range(len(points))]


def pareto_front_sweep(points: Points) -> list[int]:
    """From the most compressed one on: who is more accurate than all before stays."""
    found, best = [], -math.inf
    for size in sorted({p[0] for p in points}, reverse=True):
        top = max(p[1] for p in points if p[0] == size)
        if top > best:
            found += [i for i, p in enumerate(points) if p == (size, top)]
            best = top
    return sorted(found)


def pareto_front_any(points: Points) -> list[int]:
    """The definition, word by word."""
    return [
        i
        for i, p in enumerate(points)
        if not any((q[0] >= p[0] and q[1] >= p[1]) and (q[0] > p[0] or q[1] > p[1]) for q in points)
    ]


def pareto_front_numpy(points: Points) -> list[int]:
    """All pairs at once."""
    if not len(points):
        return []
    x = np.array(points)
    at_least = np.all(x[None] >= x[:, None], axis=2)
    better = np.any(x[None] > x[:, None], axis=2)
    return np.flatnonzero(~np.any(at_least & better, axis=1)).tolist()


# --- choose -------------------------------------------------------------------------------------


def chosen(
    networks: Rows,
    dense: Counts,
    lowest: float,
    on: str = "val",
    key: Callable[[Mapping[str, float]], object] = lambda n: (n["compression"], n["val"]),
) -> int | None:
    """A choice by another rule."""
    enough = [i for i, n in enumerate(networks) if n[on] >= lowest]
    return max(enough, key=lambda i: key(networks[i])) if enough else None  # type: ignore[arg-type, return-value]


def choose_on_test(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """You chose on the test images: then their accuracy is part of the choice, and no honest
    estimate any more. Choose on "val"."""
    return chosen(
        networks, dense, dense["test"] - tolerance, "test", lambda n: (n["compression"], n["test"])
    )


def choose_dense_test(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """The limit comes from the dense network's *test* accuracy: compare like with like, val with
    val."""
    return chosen(networks, dense, dense["test"] - tolerance)


def choose_most_accurate(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """That is the most accurate one: of those that are good enough, the smallest is wanted."""
    return chosen(networks, dense, dense["val"] - tolerance, key=lambda n: n["val"])


def choose_lowest_compression(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """That is the *lowest* compression, so the largest network of those that are good enough."""
    return chosen(
        networks, dense, dense["val"] - tolerance, key=lambda n: (-n["compression"], n["val"])
    )


def choose_strict(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """A network that loses just as much as it may lose is good enough: "at most"."""
    good = [i for i, n in enumerate(networks) if n["val"] > dense["val"] - tolerance]
    if not good:
        return None
    return max(good, key=lambda i: (networks[i]["compression"], networks[i]["val"]))


def choose_relative(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """The tolerance is in points of accuracy, and is subtracted: you multiplied by it."""
    return chosen(networks, dense, dense["val"] * (1 - tolerance))


def choose_first_of_equals(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """Of several with the same compression the first one is taken: the most accurate was asked
    for."""
    return chosen(networks, dense, dense["val"] - tolerance, key=lambda n: n["compression"])


def choose_equals_by_test(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """Among equal compressions you decide by the test accuracy: that, too, is a choice on the test
    images."""
    return chosen(
        networks, dense, dense["val"] - tolerance, key=lambda n: (n["compression"], n["test"])
    )


def choose_always_one(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """Where none is good enough, a network is chosen all the same: None was asked for."""
    found = project.choose(networks, dense, tolerance)
    return max(range(len(networks)), key=lambda i: networks[i]["val"]) if found is None else found


def choose_in_the_shortlist(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """That is the position among those that are good enough: the position in `networks` was asked
    for."""
    found = project.choose(networks, dense, tolerance)
    good = [i for i, n in enumerate(networks) if n["val"] >= dense["val"] - tolerance]
    return None if found is None else good.index(found)


def choose_row(networks: Rows, dense: Counts, tolerance: float) -> Mapping[str, float] | None:
    """You return the network's row: its position in the list was asked for."""
    found = project.choose(networks, dense, tolerance)
    return None if found is None else networks[found]


def choose_last(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """The last one of the list that is good enough is taken: the list need not be in order."""
    good = [i for i, n in enumerate(networks) if n["val"] >= dense["val"] - tolerance]
    return good[-1] if good else None


def choose_loop(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """One after the other, and the best so far is remembered."""
    best: int | None = None
    for i, row in enumerate(networks):
        if row["val"] < dense["val"] - tolerance:
            continue
        if best is None or (row["compression"], row["val"]) > (
            networks[best]["compression"],
            networks[best]["val"],
        ):
            best = i
    return best


def choose_sorted(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """The smallest first; the first one that is good enough."""
    order = sorted(
        range(len(networks)), key=lambda i: (-networks[i]["compression"], -networks[i]["val"])
    )
    good = (i for i in order if networks[i]["val"] >= dense["val"] - tolerance)
    return next(good, None)


def choose_filter(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """With a default for nothing."""
    good = filter(lambda i: networks[i]["val"] >= dense["val"] - tolerance, range(len(networks)))
    ranked = [(networks[i]["compression"], networks[i]["val"], -i) for i in good]
    return -max(ranked)[2] if ranked else None


def mean_and_spread_distinct(runs: Runs) -> Table:
    """Equal accuracies count once: two seeds that agree are still two runs."""
    return {
        target: (float(np.mean(values)), sample(values), len(values))
        for target in sorted({t for run in runs for t in run})
        for values in [sorted({run[target] for run in runs if target in run})]
    }


def mean_and_spread_truth(runs: Runs) -> Table:
    """A spread of 0 becomes None: `x or None` takes 0 for nothing, but seeds that agree do have a
    spread."""
    right = project.mean_and_spread(runs)
    return {target: (mean, spread or None, n) for target, (mean, spread, n) in right.items()}


def choose_product(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """Compression and accuracy are multiplied: of those that are good enough, the compression alone
    decides."""
    return chosen(
        networks, dense, dense["val"] - tolerance, key=lambda n: n["compression"] * n["val"]
    )


def pareto_front_rounded(points: Points) -> list[int]:
    """The numbers are rounded first, and small differences are lost: compare them as they are."""
    return project.pareto_front([(round(size, 2), round(accuracy, 3)) for size, accuracy in points])


def pareto_front_nothing_is_zero(points: Points) -> list[int]:
    """The sweep begins with a best accuracy of 0, and a network of accuracy 0 never gets past it:
    begin with `-math.inf`."""
    return [i for i in project.pareto_front(points) if points[i][1] > 0]


def pareto_front_sentinel(points: Points) -> list[int]:
    """A large number stands for infinity, and a compression may be larger: use `math.inf`."""
    return [i for i in project.pareto_front(points) if points[i][0] < 1000]


def choose_first_is_none(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """The first network is never chosen: its position, 0, counts as False. Ask `is None`."""
    return project.choose(networks, dense, tolerance) or None


def choose_rounded(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """Accuracies are rounded, and a network that has lost too much gets through: compare as they
    are."""
    lowest = round(dense["val"] - tolerance, 2)
    rounded = [{**n, "val": round(n["val"], 2)} for n in networks]
    return chosen(rounded, dense, lowest)


def choose_first_good_enough(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """The first one of the list that is good enough is taken: the most compressed one was asked
    for."""
    lowest = dense["val"] - tolerance
    return next((i for i, n in enumerate(networks) if n["val"] >= lowest), None)


def choose_within_the_tolerance_above(
    networks: Rows, dense: Counts, tolerance: float
) -> int | None:
    """A network that is *better* than the dense one is left out: lost may be at most `tolerance`,
    and it has lost nothing."""
    near = [i for i, n in enumerate(networks) if 0 <= dense["val"] - n["val"] <= tolerance]
    return max(near, key=lambda i: (networks[i]["compression"], networks[i]["val"]), default=None)


def mean_and_spread_rounded(runs: Runs) -> Table:
    """Means and spreads are rounded: round only what you print."""
    right = project.mean_and_spread(runs)
    return {
        target: (round(mean, 2), None if spread is None else round(spread, 2), n)
        for target, (mean, spread, n) in right.items()
    }


def mean_and_spread_of_all_targets(runs: Runs) -> Table:
    """Every target has the mean of all accuracies: each target has its own runs."""
    values = [accuracy for run in runs for accuracy in run.values()]
    right = project.mean_and_spread(runs)
    return {t: (sum(values) / len(values), spread, n) for t, (_, spread, n) in right.items()}


# --- one step off: each with a hint of its own ---------------------------------------------------


def definitions_only_zeros(dense: Counts, pruned: Counts) -> dict[str, float]:
    """Your sparsity counts zeros alone: weights that were really removed are gone as well."""
    return project.definitions(dense, pruned) | {"sparsity": pruned["zeros"] / dense["weights"]}


def definitions_only_removed(dense: Counts, pruned: Counts) -> dict[str, float]:
    """Your sparsity counts removed weights alone: those that are zero are gone as well."""
    sparsity = 1 - pruned["weights"] / dense["weights"]
    return project.definitions(dense, pruned) | {"sparsity": sparsity}


def definitions_sparsity_of_the_rest(dense: Counts, pruned: Counts) -> dict[str, float]:
    """Your sparsity takes the zeros of the *dense* network off its weights: in it, everything
    counts as present."""
    left = pruned["weights"] - pruned["zeros"]
    sparsity = 1 - left / (dense["weights"] - dense["zeros"])
    return project.definitions(dense, pruned) | {"sparsity": sparsity}


def definitions_new_zeros(dense: Counts, pruned: Counts) -> dict[str, float]:
    """Your sparsity leaves out the zeros that the dense network had: every zero of the pruned
    network counts, whoever made it."""
    gone = dense["weights"] - pruned["weights"] + pruned["zeros"] - dense["zeros"]
    return project.definitions(dense, pruned) | {"sparsity": gone / dense["weights"]}


def definitions_compression_of_the_rest(dense: Counts, pruned: Counts) -> dict[str, float]:
    """Your compression takes the zeros of the *dense* network off its parameters: in it,
    everything counts as present."""
    before = dense["parameters"] - dense["zeros"]
    ratio = before / (pruned["parameters"] - pruned["zeros"])
    return project.definitions(dense, pruned) | {"compression": ratio}


def definitions_two_kinds(dense: Counts, pruned: Counts) -> dict[str, float]:
    """Your compression divides all parameters by the prunable weights that are left: count the
    same kind before and after."""
    left = pruned["weights"] - pruned["zeros"]
    return project.definitions(dense, pruned) | {"compression": dense["parameters"] / left}


def definitions_macs_upside_down(dense: Counts, pruned: Counts) -> dict[str, float]:
    """The MAC ratio is upside down: before / after, so that more than 1 is a gain."""
    return project.definitions(dense, pruned) | {"macs_ratio": pruned["macs"] / dense["macs"]}


def definitions_speed_upside_down(dense: Counts, pruned: Counts) -> dict[str, float]:
    """The speed-up is upside down: time before / time after, so that more than 1 is a gain."""
    return project.definitions(dense, pruned) | {"speedup": pruned["seconds"] / dense["seconds"]}


def definitions_time_saved(dense: Counts, pruned: Counts) -> dict[str, float]:
    """That is the share of the time that is saved: a speed-up is time before / time after."""
    saved = 1 - pruned["seconds"] / dense["seconds"]
    return project.definitions(dense, pruned) | {"speedup": saved}


def definitions_swapped(dense: Counts, pruned: Counts) -> dict[str, float]:
    """The MAC ratio and the speed-up have each other's names."""
    right = project.definitions(dense, pruned)
    return right | {"macs_ratio": right["speedup"], "speedup": right["macs_ratio"]}


def definitions_rounded(dense: Counts, pruned: Counts) -> dict[str, float]:
    """The numbers are rounded: round only what you print."""
    return {name: round(x, 2) for name, x in project.definitions(dense, pruned).items()}


def definitions_rounded_later(dense: Counts, pruned: Counts) -> dict[str, float]:
    """The numbers are rounded to three digits: round only what you print."""
    return {name: round(x, 3) for name, x in project.definitions(dense, pruned).items()}


def definitions_whole_compression(dense: Counts, pruned: Counts) -> dict[str, float]:
    """Your compression is a whole number: `//` drops what is behind the point, take `/`."""
    right = project.definitions(dense, pruned)
    return right | {"compression": right["compression"] // 1}


def definitions_at_least(dense: Counts, pruned: Counts) -> dict[str, float]:
    """Your numbers have a lower limit: a network may be slower, or hardly pruned."""
    found = project.definitions(dense, pruned)
    return {n: max(value, 0.01 if n == "sparsity" else 1.0) for n, value in found.items()}


def mean_and_spread_descending(runs: Runs) -> Table:
    """The targets are in descending order: ascending was asked for."""
    return dict(sorted(project.mean_and_spread(runs).items(), reverse=True))


def mean_and_spread_as_text(runs: Runs) -> Table:
    """The targets are sorted as texts, where "10.0" comes before "2.0": sort them as numbers."""
    right = project.mean_and_spread(runs)
    return {target: right[target] for target in sorted(right, key=str)}


def mean_and_spread_true_accuracies(runs: Runs) -> Table:
    """Accuracies of 0 are left out: `if accuracy` takes 0 for nothing. Ask `target in run`."""
    return project.mean_and_spread([{t: a for t, a in run.items() if a} for run in runs])


def mean_and_spread_true_targets(runs: Runs) -> Table:
    """The target 0 is left out: `if target` takes 0 for nothing."""
    return {t: row for t, row in project.mean_and_spread(runs).items() if t}


def mean_and_spread_two_or_more(runs: Runs) -> Table:
    """Targets that only one run has are left out: they have a mean, too, and the spread None."""
    return {t: row for t, row in project.mean_and_spread(runs).items() if row[2] > 1}


def mean_and_spread_other_order(runs: Runs) -> Table:
    """Spread and number of runs are swapped: a row is (mean, spread, n)."""
    return {t: (mean, n, spread) for t, (mean, spread, n) in project.mean_and_spread(runs).items()}  # type: ignore[misc]


def mean_and_spread_rounded_later(runs: Runs) -> Table:
    """Means and spreads are rounded to three digits: round only what you print."""
    right = project.mean_and_spread(runs)
    return {
        target: (round(mean, 3), None if spread is None else round(spread, 3), n)
        for target, (mean, spread, n) in right.items()
    }


def unbeaten(points: Points, beats: Callable) -> list[int]:
    """The front by another meaning of "beats"."""
    return [i for i, p in enumerate(points) if not any(beats(q, p) for q in points)]


def pareto_front_equal_accuracy(points: Points) -> list[int]:
    """Of two equal accuracies you keep the less compressed one: it is beaten, a rival has to be
    better in *one* number only, whichever."""
    return unbeaten(points, lambda q, p: q[0] >= p[0] and q[1] > p[1])


def pareto_front_equal_compression(points: Points) -> list[int]:
    """Of two equal compressions you keep the less accurate one: it is beaten, a rival has to be
    better in *one* number only, whichever."""
    return unbeaten(points, lambda q, p: q[0] > p[0] and q[1] >= p[1])


def pareto_front_first_of_twins(points: Points) -> list[int]:
    """Of two networks that are equal in both numbers only one is there: neither beats the other,
    so both stay. (`points.index` finds the first one each time.)"""
    front = project.pareto_front(points)
    return sorted({list(points).index(points[i]) for i in front})


def pareto_front_index(points: Points) -> list[int]:
    """`points.index` finds the first of two equal networks each time: count with `enumerate`."""
    return [list(points).index(points[i]) for i in project.pareto_front(points)]


def pareto_front_last_of_twins(points: Points) -> list[int]:
    """Of two networks that are equal in both numbers only the last one is there: neither beats the
    other, so both stay. (A dict keeps one entry for each key.)"""
    return sorted({points[i]: i for i in project.pareto_front(points)}.values())


def pareto_front_from_one(points: Points) -> list[int]:
    """The positions are counted from 1: in Python the first one is 0."""
    return [i + 1 for i in project.pareto_front(points)]


def pareto_front_neighbours(points: Points) -> list[int]:
    """Only neighbours in the list are compared: *any* other network may beat one."""
    return [
        i
        for i, p in enumerate(points)
        if not any(q[0] >= p[0] and q[1] >= p[1] and q != p for q in points[max(i - 1, 0) : i + 2])
    ]


def pareto_front_in_the_order_of_the_list(points: Points) -> list[int]:
    """A sweep needs the points in the order of their compression: the list is in no order."""
    found: list[int] = []
    best = -math.inf
    for i in reversed(range(len(points))):
        if points[i][1] >= best:
            found, best = [i, *found], points[i][1]
    return found


def pareto_front_tolerance(points: Points) -> list[int]:
    """A network that is better by very little does not beat another with you: any difference
    counts, so compare without a tolerance."""

    def beats(q: tuple[float, float], p: tuple[float, float]) -> bool:
        equal = all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(q, p, strict=True))
        return q[0] >= p[0] and q[1] >= p[1] and not equal

    return unbeaten(points, beats)


def pareto_front_almost(points: Points) -> list[int]:
    """The numbers are rounded to four digits first, and small differences are lost: compare them
    as they are."""
    return project.pareto_front([(round(size, 4), round(accuracy, 4)) for size, accuracy in points])


def pareto_front_no_growth(points: Points) -> list[int]:
    """You leave out networks that are larger than the dense one: no number is too small to stay."""
    return [i for i in project.pareto_front(points) if points[i][0] >= 1]


def choose_percent(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """The tolerance is divided by 100: 0.01 is one point already."""
    return chosen(networks, dense, dense["val"] - tolerance / 100)


def choose_without_loss(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """Nothing may be lost with you: an accuracy of up to `tolerance` less is good enough."""
    return chosen(networks, dense, dense["val"])


def choose_below_the_best(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """The limit comes from the best of the networks: it comes from the dense one."""
    return chosen(networks, dense, max(n["val"] for n in networks) - tolerance)


def choose_both(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """A network has to be good enough on the test images as well: then these have a say, and are
    no test any more."""
    good = [i for i, n in enumerate(networks) if n["test"] >= dense["test"] - tolerance]
    good = [i for i in good if networks[i]["val"] >= dense["val"] - tolerance]
    return max(good, key=lambda i: (networks[i]["compression"], networks[i]["val"]), default=None)


def choose_smallest_anyway(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """Where none is good enough, the smallest is chosen all the same: None was asked for."""
    found = project.choose(networks, dense, tolerance)
    return chosen(networks, dense, 0.0) if found is None else found


def choose_minus_one(networks: Rows, dense: Counts, tolerance: float) -> int:
    """-1 is the last position of a list in Python: where none is good enough, None was asked
    for."""
    found = project.choose(networks, dense, tolerance)
    return -1 if found is None else found


def choose_max_of_nothing(networks: Rows, dense: Counts, tolerance: float) -> int:
    """`max` of nothing is an error: where none is good enough, return None first (or give `max` a
    `default`)."""
    good = [i for i, n in enumerate(networks) if n["val"] >= dense["val"] - tolerance]
    return max(good, key=lambda i: (networks[i]["compression"], networks[i]["val"]))


def choose_last_of_equals(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """Of several with the same compression the last one is taken: the most accurate was asked
    for."""
    good = [i for i, n in enumerate(networks) if n["val"] >= dense["val"] - tolerance]
    return max(good, key=lambda i: (networks[i]["compression"], i), default=None)


def choose_least_accurate_of_equals(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """Of several with the same compression the least accurate one is taken."""
    return chosen(
        networks, dense, dense["val"] - tolerance, key=lambda n: (n["compression"], -n["val"])
    )


def choose_whole_compression(networks: Rows, dense: Counts, tolerance: float) -> int | None:
    """Compressions are rounded, so that two of them seem equal: compare them as they are."""
    return chosen(
        networks, dense, dense["val"] - tolerance, key=lambda n: (round(n["compression"]), n["val"])
    )


MISTAKES: dict[str, list[Callable]] = {
    "definitions": [
        definitions_own_weights, definitions_density, definitions_of_parameters,
        definitions_of_weights, definitions_zeros_stored, definitions_upside_down,
        definitions_zeros_are_fast, definitions_macs_for_time, definitions_percent,
        definitions_dense_zeros,
        definitions_only_zeros,
        definitions_only_removed,
        definitions_sparsity_of_the_rest,
        definitions_new_zeros,
        definitions_compression_of_the_rest,
        definitions_two_kinds,
        definitions_macs_upside_down,
        definitions_speed_upside_down,
        definitions_time_saved,
        definitions_swapped,
        definitions_rounded,
        definitions_rounded_later,
        definitions_whole_compression,
        definitions_at_least,
    ],
    "mean_and_spread": [
        mean_and_spread_population, mean_and_spread_zero, mean_and_spread_nan,
        mean_and_spread_standard_error, mean_and_spread_variance, mean_and_spread_range,
        mean_and_spread_median, mean_and_spread_best, mean_and_spread_common,
        mean_and_spread_missing_is_zero, mean_and_spread_all_runs, mean_and_spread_first_run,
        mean_and_spread_not_sorted,
        mean_and_spread_distinct,
        mean_and_spread_truth,
        mean_and_spread_rounded,
        mean_and_spread_of_all_targets,
        mean_and_spread_descending,
        mean_and_spread_as_text,
        mean_and_spread_true_accuracies,
        mean_and_spread_true_targets,
        mean_and_spread_two_or_more,
        mean_and_spread_other_order,
        mean_and_spread_rounded_later,
    ],
    "pareto_front": [
        pareto_front_strict, pareto_front_twins, pareto_front_itself,
        pareto_front_small_compression, pareto_front_low_accuracy, pareto_front_beaten,
        pareto_front_hull, pareto_front_best_of_each, pareto_front_sorted, pareto_front_points,
        pareto_front_masks,
        pareto_front_rounded,
        pareto_front_nothing_is_zero,
        pareto_front_sentinel,
        pareto_front_equal_accuracy,
        pareto_front_equal_compression,
        pareto_front_first_of_twins,
        pareto_front_index,
        pareto_front_last_of_twins,
        pareto_front_from_one,
        pareto_front_neighbours,
        pareto_front_in_the_order_of_the_list,
        pareto_front_tolerance,
        pareto_front_almost,
        pareto_front_no_growth,
    ],
    "choose": [
        choose_on_test, choose_dense_test, choose_most_accurate, choose_lowest_compression,
        choose_strict, choose_relative, choose_first_of_equals, choose_equals_by_test,
        choose_always_one, choose_in_the_shortlist, choose_row, choose_last,
        choose_product,
        choose_first_is_none,
        choose_rounded,
        choose_first_good_enough,
        choose_within_the_tolerance_above,
        choose_percent,
        choose_without_loss,
        choose_below_the_best,
        choose_both,
        choose_smallest_anyway,
        choose_minus_one,
        choose_max_of_nothing,
        choose_last_of_equals,
        choose_least_accurate_of_equals,
        choose_whole_compression,
    ],
}  # fmt: skip

ALTERNATIVES: dict[str, list[Callable]] = {
    "definitions": [definitions_removed, definitions_sorted, definitions_inverse_twice],
    "mean_and_spread": [mean_and_spread_numpy, mean_and_spread_by_hand, mean_and_spread_torch],
    "pareto_front": [pareto_front_sweep, pareto_front_any, pareto_front_numpy],
    "choose": [choose_loop, choose_sorted, choose_filter],
}  # fmt: skip
