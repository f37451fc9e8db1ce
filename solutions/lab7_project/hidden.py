"""Hidden tests of lab 7: properties on random inputs. Each is inlined in its test cell."""

# ruff: noqa: PT028 (the seed has a default, so that a grader may give another one)

from collections.abc import Callable


def test_definitions(definitions: "Callable", seed: int = 0) -> None:
    """On real networks, against the library's counters: masked, shrunk, and both."""
    import math
    import random

    import torch

    from pruninglab import counters
    from pruninglab.masks import apply, random_masks
    from pruninglab.models import ResNet20

    dice, generator = random.Random(seed), torch.Generator().manual_seed(seed)

    def counts(model: ResNet20) -> dict[str, float]:
        weights = counters.prunable_weights(model)
        return {
            "parameters": counters.parameters(model), "weights": weights,
            "zeros": weights - counters.nonzeros(model), "macs": counters.macs(model),
            "seconds": dice.uniform(0.001, 0.01),
        }  # fmt: skip

    dense = ResNet20(4)
    before = counts(dense) | {"zeros": dice.randint(100, 900)}  # they are no news
    for width, sparsity in ((4, 0.7), (2, 0.0), (3, 0.5), (4, 0.0)):
        model = ResNet20(width)
        apply(model, random_masks(model, sparsity, generator))
        after = counts(model)
        found = definitions(dict(before), dict(after))
        right = {
            "sparsity": 1 - counters.nonzeros(model) / counters.prunable_weights(dense),
            "compression": counters.compression(model, dense),
            "macs_ratio": counters.macs(dense) / counters.macs(model),
            "speedup": before["seconds"] / after["seconds"],
        }
        case = f"width {width} of 4, {sparsity:.0%} of its weights at zero"
        assert set(found) == set(right), f"{case}: names {sorted(found)}"
        for name, value in right.items():
            close = math.isclose(found[name], value, rel_tol=1e-6, abs_tol=1e-9)
            assert close, f"{case}: {name} is {found[name]}, not {value}"


def test_mean_and_spread(mean_and_spread: "Callable", seed: int = 0) -> None:
    """Against numpy, with runs that were stopped at any place."""
    import math
    import random

    import numpy as np

    dice = random.Random(seed)
    targets = [0.9, 0.5, 0.7, 0.99]
    for seeds in (1, 2, 3, 5):
        runs = [{t: dice.random() for t in targets[: dice.randint(1, 4)]} for _ in range(seeds)]
        runs[-1] = {t: dice.random() for t in targets}
        if seeds > 2:  # equal accuracies are several all the same, and 0 is one, too
            runs[0][0.9], runs[1][0.9], runs[-1][0.9] = 0.0, 0.0, 0.0
            runs[0][0.5], runs[1][0.5] = 0.75, 0.75
        found = mean_and_spread([dict(run) for run in runs])
        assert list(found) == sorted(targets), f"targets {list(found)}, of {seeds} runs"
        for target, (mean, spread, n) in found.items():
            values = [run[target] for run in runs if target in run]
            case = f"target {target}, accuracies {values}"
            assert n == len(values), f"{case}: n is {n}"
            assert math.isclose(mean, np.mean(values), rel_tol=1e-6, abs_tol=1e-9), (
                f"{case}: mean {mean}"
            )
            if n == 1:
                assert spread is None, f"{case}: the spread of one number is {spread}"
            else:
                right = float(np.std(values, ddof=1))
                assert math.isclose(spread, right, rel_tol=1e-6, abs_tol=1e-9), (
                    f"{case}: spread {spread}"
                )


def test_pareto_front(pareto_front: "Callable", seed: int = 0) -> None:
    """By the definition, on points of a coarse grid, where many are equal in one number or both."""
    import random

    dice = random.Random(seed)

    def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one[0] >= other[0] and one[1] >= other[1] and one != other

    for count in (1, 2, 5, 12, 30):
        points = [(float(dice.randint(1, 6)), dice.randint(0, 6) / 10) for _ in range(count)]
        points += dice.sample(points, k=(count + 1) // 2)
        points += [(7.0, 0.5), (9.0, 0.05), (20.0, 0.01)]  # a dent
        dice.shuffle(points)
        found = pareto_front(list(points))
        right = [i for i, p in enumerate(points) if not any(beats(q, p) for q in points)]
        assert list(found) == right, f"of {points}: {found}, not {right}"
    assert list(pareto_front([])) == [], "of no points there is no front"


def test_choose(choose: "Callable", seed: int = 0) -> None:
    """The smallest that is good enough, whatever the test accuracies are."""
    import random

    dice = random.Random(seed)
    dense = {"val": 0.75 + 40 / 256, "test": 0.91}  # binary fractions: nothing is rounded
    for case in range(60):
        networks = [
            {
                "compression": dice.choice([1.0, 2.0, 3.0, 3.0625]),
                "val": 0.75 + dice.randint(0, 60) / 256,
                "test": dice.random(),
            }
            for _ in range(dice.randint(1, 12))
        ]
        tolerance = (0, 4, 16, 32)[case % 4] / 256
        found = choose([dict(n) for n in networks], dict(dense), tolerance)
        blind = [n | {"test": dice.random()} for n in networks]
        again = choose(blind, dense | {"test": dice.random()}, tolerance)
        assert found == again, "other test accuracies, another choice"
        good = [n for n in networks if n["val"] >= dense["val"] - tolerance]
        if not good:
            assert found is None, f"none is good enough, but the choice is {found}"
            continue
        best = max((n["compression"], n["val"]) for n in good)
        assert found is not None, f"{len(good)} are good enough, but the choice is None"
        mine = networks[found]
        assert (mine["compression"], mine["val"]) == best, f"{mine} was chosen, of {good}"
