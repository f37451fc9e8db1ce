"""Hidden tests of lab 7: a sentence per property; those of an exercise go into its test cell."""

# ruff: noqa: PT028 (the seed has a default, so that a grader may give another one)

import math
import random
import statistics
from collections.abc import Callable
from typing import Any

import torch

from pruninglab import counters
from pruninglab.checks.agree import agree
from pruninglab.masks import apply, random_masks
from pruninglab.models import ResNet20

# --- definitions --------------------------------------------------------------------------------


def _counts(model: ResNet20, seconds: float) -> dict[str, float]:
    weights = counters.prunable_weights(model)
    return {
        "parameters": counters.parameters(model),
        "weights": weights,
        "zeros": weights - counters.nonzeros(model),
        "macs": counters.macs(model),
        "seconds": seconds,
    }


def _two_rows(generator: torch.Generator) -> dict[str, dict[str, float]]:
    """Counts of two networks that could be, the dense one with zeros of its own."""
    dice = random.Random(generator.initial_seed())
    weights = dice.randint(1000, 9000)
    dense: dict[str, float] = {"weights": weights, "zeros": dice.randint(1, 99)}
    left = dice.randint(500, weights)
    pruned: dict[str, float] = {"weights": left, "zeros": dice.randint(0, 499)}
    dense["parameters"], pruned["parameters"] = weights + 77, left + 55
    for row in (dense, pruned):
        row |= {"macs": dice.randint(10_000, 90_000), "seconds": dice.uniform(1e-5, 1e-2)}
    return {"dense": dense, "pruned": pruned}


def _four_ratios(dense: dict[str, float], pruned: dict[str, float]) -> dict[str, float]:
    gone = dense["weights"] - pruned["weights"] + pruned["zeros"]
    return {
        "compression": dense["parameters"] / (pruned["parameters"] - pruned["zeros"]),
        "macs_ratio": dense["macs"] / pruned["macs"],
        "sparsity": gone / dense["weights"],
        "speedup": dense["seconds"] / pruned["seconds"],
    }


def test_every_number_is_by_its_definition(definitions: Callable, seed: int = 0) -> None:
    """The four numbers, and no others, follow their definitions for any counts."""

    def sorted_definitions(**rows: dict[str, float]) -> dict[str, float]:
        return dict(sorted(definitions(**rows).items()))

    agree(sorted_definitions, _four_ratios, _two_rows, seed)


def test_real_networks_have_the_numbers_of_the_counters(
    definitions: Callable, seed: int = 0
) -> None:
    """A network that is masked, really smaller, or both has the numbers that the library counts."""
    generator, dense = torch.Generator().manual_seed(seed), ResNet20(4)
    for width, sparsity in ((4, 0.7), (2, 0.0), (3, 0.5)):
        model = ResNet20(width)
        apply(model, random_masks(model, sparsity, generator))
        found = definitions(_counts(dense, 0.003), _counts(model, 0.002))
        right = {
            "sparsity": 1 - counters.nonzeros(model) / counters.prunable_weights(dense),
            "compression": counters.compression(model, dense),
            "macs_ratio": counters.macs(dense) / counters.macs(model),
        }
        for name, value in right.items():
            case = f"width {width} of 4, {sparsity:.0%} of its weights at zero: {name}"
            assert math.isclose(found[name], value, rel_tol=1e-6), f"{case} is {found[name]}"


# --- mean_and_spread ----------------------------------------------------------------------------


def _runs(generator: torch.Generator) -> dict[str, list[dict[float, float]]]:
    """Up to five runs that were stopped anywhere; their targets are in no order."""
    dice = random.Random(generator.initial_seed())
    targets = [0.9, 0.5, 0.0, 10.0, 2.0]  # a sparsity, or a compression
    accuracies = [0.0, 0.75, 0.75, dice.random(), dice.random(), dice.random()]
    return {
        "runs": [
            {t: dice.choice(accuracies) for t in dice.sample(targets, dice.randint(1, 4))}
            for _ in range(dice.randint(1, 5))
        ]
    }


def _table(runs: list[dict[float, float]]) -> dict[float, tuple]:
    """By the formula: the squared distances from the mean, divided by n - 1."""
    table: dict[float, tuple] = {}
    for target in sorted({t for run in runs for t in run}):
        values = [run[target] for run in runs if target in run]
        n, mean = len(values), math.fsum(values) / len(values)
        squares = math.fsum((x - mean) ** 2 for x in values)
        table[target] = (mean, math.sqrt(squares / (n - 1)) if n > 1 else None, n)
    return table


def test_the_table_is_by_the_formula(mean_and_spread: Callable, seed: int = 0) -> None:
    """Each target has the mean, the sample spread and the number of the runs that reached it."""
    agree(mean_and_spread, _table, _runs, seed)


def test_a_single_run_has_no_spread(mean_and_spread: Callable) -> None:
    """Of one accuracy, whatever it is, the spread is None."""
    for accuracy in (0.0, 0.5, 1.0):
        (row,) = mean_and_spread([{0.5: accuracy}]).values()
        assert row[1] is None, f"one accuracy of {accuracy} has the spread {row[1]}"


def test_runs_that_agree_have_a_spread_of_zero(mean_and_spread: Callable) -> None:
    """Two runs with the same accuracy are two runs, with a spread of 0."""
    for accuracy in (0.0, 0.5, 1.0):
        (row,) = mean_and_spread([{0.5: accuracy}, {0.5: accuracy}]).values()
        right = row[1] is not None and row[1] == 0 and row[2] == 2
        assert right, f"two accuracies of {accuracy} give {row}"


def test_targets_are_numbers_in_ascending_order(mean_and_spread: Callable) -> None:
    """The targets come in ascending order, as the numbers that they are."""
    found = list(mean_and_spread([{0.99: 0.1, 0.5: 0.9}, {10.0: 0.4, 2.0: 0.2, 0.0: 0.9}]))
    assert found == [0.0, 0.5, 0.99, 2.0, 10.0], f"targets {found}"


def test_small_differences_spread_too(mean_and_spread: Callable) -> None:
    """Accuracies that differ in the fourth digit have the spread that they have."""
    accuracies = [0.9001, 0.9003, 0.9002]
    mean, spread, _ = mean_and_spread([{0.5: x} for x in accuracies])[0.5]
    assert math.isclose(mean, 0.9002, rel_tol=1e-6), f"{accuracies}: mean {mean}"
    right = statistics.stdev(accuracies)
    assert math.isclose(spread, right, rel_tol=1e-3), f"{accuracies}: spread {spread}, not {right}"


# --- pareto_front -------------------------------------------------------------------------------


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] >= other[0] and one[1] >= other[1] and one != other


def _front(points: list[tuple[float, float]]) -> list[int]:
    return [i for i, p in enumerate(points) if not any(_beats(q, p) for q in points)]


def _coarse_points(generator: torch.Generator) -> dict[str, list[tuple[float, float]]]:
    """Points of a coarse grid: many are equal in one number or in both."""
    dice = random.Random(generator.initial_seed())
    count = dice.choice([1, 2, 5, 12, 30])
    points = [(float(dice.randint(1, 6)), dice.randint(0, 6) / 10) for _ in range(count)]
    points += dice.sample(points, k=(count + 1) // 2)
    return {"points": dice.sample(points, k=len(points))}


def test_those_stay_that_none_beats(pareto_front: Callable, seed: int = 0) -> None:
    """The positions are those of the networks that no other one beats, equal ones included."""
    agree(pareto_front, _front, _coarse_points, seed)


def test_a_dent_belongs_to_the_front(pareto_front: Callable) -> None:
    """A network below the line between its neighbours is beaten by neither."""
    points = [(9.0, 0.05), (1.0, 0.9), (20.0, 0.01)]
    found = list(pareto_front(points))
    assert found == [0, 1, 2], f"of {points}: {found}, not all three"


def test_a_hair_decides(pareto_front: Callable) -> None:
    """A network that is better by a billionth is better: nothing is rounded."""
    one = 1 + 1e-9
    for points, right in (
        ([(5.0, 0.5), (5.0, 0.5 * one)], [1]),
        ([(5.0 * one, 0.5), (5.0, 0.5)], [0]),
        ([(5.0, 0.5 * one), (5.0 * one, 0.5)], [0, 1]),
    ):
        found = list(pareto_front(points))
        assert found == right, f"of {points}: {found}, not {right}"


def test_no_number_is_too_large_or_too_small(pareto_front: Callable) -> None:
    """A compression may be in the millions or below 1, an accuracy 0 or 1."""
    points = [(3e6, 0.0), (2e6, 0.1), (0.25, 1.0), (0.125, 1.0), (1e6, 0.1)]
    found = list(pareto_front(points))
    assert found == [0, 1, 2], f"of {points}: {found}, not [0, 1, 2]"


def test_no_points_have_no_front(pareto_front: Callable) -> None:
    """Of no points the front is empty."""
    assert list(pareto_front([])) == [], "of no points there is no front"


# --- choose -------------------------------------------------------------------------------------


def _networks(generator: torch.Generator) -> dict[str, Any]:
    """Accuracies are binary fractions, so that nothing is rounded at the limit."""
    dice = random.Random(generator.initial_seed())
    networks = [
        {
            "compression": dice.choice([1.0, 2.0, 3.0, 3.0625, 4096.0]),
            "val": 0.75 + dice.randint(0, 60) / 256,
            "test": dice.random(),
        }
        for _ in range(dice.randint(1, 12))
    ]
    dense = {"val": 0.75 + 40 / 256, "test": 0.91}
    return {"networks": networks, "dense": dense, "tolerance": dice.choice([0, 4, 16, 32]) / 256}


def _best(networks: list[dict], dense: dict, tolerance: float) -> tuple | None:
    good = [n for n in networks if n["val"] - dense["val"] >= -tolerance]
    return max(((n["compression"], n["val"]) for n in good), default=None)


def test_it_is_the_smallest_that_is_good_enough(choose: Callable, seed: int = 0) -> None:
    """Of the networks within the tolerance the most compressed one is chosen, or None."""

    def numbers_of_the_chosen(networks: list[dict], **limits: Any) -> tuple | None:
        found = choose(networks, **limits)
        return None if found is None else (networks[found]["compression"], networks[found]["val"])

    agree(numbers_of_the_chosen, _best, _networks, seed, trials=60)


def test_the_test_images_have_no_say(choose: Callable, seed: int = 0) -> None:
    """Other accuracies on the test images never change the choice."""
    dice = random.Random(seed)
    for trial in range(seed, seed + 20):
        given = _networks(torch.Generator().manual_seed(trial))
        found = choose(**given)
        for row in (*given["networks"], given["dense"]):
            row["test"] = dice.random()
        again = choose(**given)
        assert found == again, f"other test accuracies: {again} instead of {found}"


def test_a_small_loss_is_a_loss(choose: Callable) -> None:
    """A network that is a hair too inaccurate is not chosen: nothing is rounded."""
    rows = [{"compression": 2.0, "val": 0.75, "test": 0.7}]
    rows += [{"compression": 8.0, "val": 0.75 - 2**-20, "test": 0.7}]
    found = choose(rows, {"val": 1.0, "test": 1.0}, 0.25)
    assert not isinstance(found, torch.Tensor), f"a position is a number, not {found!r}"
    assert found == 0, f"of {rows}: {found}, where 0.25 may be lost of 1.0"


def test_a_hair_smaller_is_smaller(choose: Callable) -> None:
    """Compressions and accuracies that differ by a billionth are not the same."""
    one = 1 + 1e-9
    smaller = [{"compression": 8.0 * one, "val": 0.8, "test": 0.7}]
    smaller += [{"compression": 8.0, "val": 0.9, "test": 0.9}]
    better = [{"compression": 8.0, "val": 0.8 * one, "test": 0.7}]
    better += [{"compression": 8.0, "val": 0.8, "test": 0.9}]
    for rows in (smaller, smaller[::-1], better, better[::-1]):
        found, right = (
            choose(rows, {"val": 0.9, "test": 0.9}, 0.25),
            rows.index(max(rows, key=_size)),
        )
        assert found == right, f"of {rows}: {found}, not {right}"


def _size(row: dict[str, float]) -> tuple[float, float]:
    return row["compression"], row["val"]


def test_the_first_network_can_be_chosen(choose: Callable) -> None:
    """Position 0 is a choice, and not the same as none."""
    found = choose([{"compression": 1.0, "val": 0.0, "test": 0.0}], {"val": 0.0, "test": 0.0}, 0.0)
    assert found is not None, "the only network is good enough, but the choice is None"
    assert found == 0, f"the only network is good enough, but the choice is {found}"


def test_none_is_chosen_where_none_is_good_enough(choose: Callable) -> None:
    """If every network has lost too much, the answer is None."""
    rows = [{"compression": 2.0, "val": 0.5, "test": 0.9}]
    found = choose(rows, {"val": 0.75, "test": 0.5}, 0.125)
    assert found is None, f"none is good enough, but the choice is {found}"
