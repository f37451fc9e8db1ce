"""What the checks of lab 7 look at: tables so small that you can work them out by hand."""

from typing import Any

from pruninglab.checks import Lab, Probe, Values

Inputs = dict[str, Any]
COUNTS = ("parameters", "weights", "zeros", "macs", "seconds")
DENSE = (1200, 1000, 0, 90_000, 0.006)


def networks(dense: tuple[float, ...], pruned: tuple[float, ...]) -> Inputs:
    """What was counted and timed of two networks."""
    return {
        "dense": dict(zip(COUNTS, dense, strict=True)),
        "pruned": dict(zip(COUNTS, pruned, strict=True)),
    }


def four(result: Any, inputs: Inputs) -> Values:
    """The four numbers, and whether there are others."""
    names = ("sparsity", "compression", "macs_ratio", "speedup")
    return {**{name: result[name] for name in names}, "names": sorted(result)}


DEFINITIONS = [
    Probe(
        "masked: 900 of 1,000 weights are zero, nothing is faster",
        lambda: networks(DENSE, (1200, 1000, 900, 90_000, 0.006)),
        four,
    ),
    Probe(
        "really smaller: half of the weights and two thirds of the MACs are gone",
        lambda: networks(DENSE, (650, 500, 0, 30_000, 0.004)),
        four,
    ),
    Probe(
        "smaller, and masked on top of it",
        lambda: networks(DENSE, (500, 400, 200, 36_000, 0.008)),
        four,
    ),
    Probe(
        "a dense network that holds some zeros",
        lambda: networks((1200, 1000, 50, 90_000, 0.006), (1200, 1000, 500, 90_000, 0.006)),
        four,
    ),
]


def rows(result: Any, inputs: Inputs) -> Values:
    """The targets in their order, and for each one its mean, spread and number."""
    table = {f"target {target}": list(row) for target, row in result.items()}
    return {"targets": list(result), **table}


MEAN_AND_SPREAD = [
    Probe("two seeds: 0.9 and 0.8", lambda: {"runs": [{0.5: 0.9}, {0.5: 0.8}]}, rows),
    Probe(
        "three seeds, two targets",
        lambda: {
            "runs": [{0.5: 0.91, 0.9: 0.88}, {0.5: 0.92, 0.9: 0.84}, {0.5: 0.9, 0.9: 0.83}]
        },
        rows,
    ),
    Probe(
        "equal accuracies, and accuracies of 0",
        lambda: {
            "runs": [{0.5: 0.9, 0.9: 0.0}, {0.5: 0.9, 0.9: 0.6}, {0.5: 0.6, 0.9: 0.6}, {0.99: 0.0}]
        },
        rows,
    ),
    Probe("two seeds that agree", lambda: {"runs": [{0.5: 0.9}, {0.5: 0.9}]}, rows),
    Probe("one seed", lambda: {"runs": [{0.5: 0.91, 0.9: 0.88}]}, rows),
    Probe(
        "runs were stopped early, and the targets, one of them 0, are not in order",
        lambda: {
            "runs": [
                {0.5: 0.9, 0.99: 0.6}, {0.9: 0.8, 0.5: 0.92, 0.7: 0.9}, {0.5: 0.94, 0.7: 0.86},
                {10.0: 0.3, 2.0: 0.9, 0.0: 0.93},
            ]
        },
        rows,
    ),
]  # fmt: skip


PARETO_FRONT = [
    Probe(
        "four networks, one is beaten in both",
        lambda: {"points": [(2.0, 0.92), (10.0, 0.9), (5.0, 0.88), (20.0, 0.7)]},
    ),
    Probe("not in order", lambda: {"points": [(8.0, 0.5), (1.0, 0.9), (4.0, 0.4), (2.0, 0.8)]}),
    Probe("one beats all others", lambda: {"points": [(2.0, 0.6), (9.0, 0.9), (4.0, 0.9)]}),
    Probe(
        "equal in one number, worse in the other",
        lambda: {"points": [(5.0, 0.9), (5.0, 0.8), (2.0, 0.9), (8.0, 0.7)]},
    ),
    Probe("two of the same", lambda: {"points": [(5.0, 0.9), (2.0, 0.95), (5.0, 0.9)]}),
    Probe(
        "a dent in the front: (3, 0.85) lies under the line between its neighbours",
        lambda: {"points": [(1.0, 0.95), (3.0, 0.85), (8.0, 0.8)]},
    ),
    Probe(
        "better by a hair is better",
        lambda: {"points": [(5.0, 0.9), (5.0001, 0.9), (4.0, 0.90004), (4.0, 0.90002)]},
    ),
    Probe(
        "an accuracy of 0, and one below it in compression",
        lambda: {"points": [(9.0, 0.0), (4.0, 0.1), (2.0, 0.1)]},
    ),
    Probe(
        "a compression of 2,000",
        lambda: {"points": [(2000.0, 0.1), (4.0, 0.9)]},
    ),
]


def network(compression: float, val: float, test: float) -> dict[str, float]:
    """A row of the table."""
    return {"compression": compression, "val": val, "test": test}


DENSE_ROW = {"val": 0.92, "test": 0.91}
CHOOSE = [
    Probe(
        "two are good enough, the smaller one is wanted",
        lambda: {
            "networks": [
                network(2.0, 0.925, 0.91), network(5.0, 0.915, 0.9), network(20.0, 0.9, 0.79),
            ],
            "dense": DENSE_ROW,
            "tolerance": 0.0125,
        },
    ),
    Probe(
        "val and test disagree",
        lambda: {
            "networks": [
                network(4.0, 0.9, 0.88), network(8.0, 0.89, 0.95), network(6.0, 0.91, 0.7),
            ],
            "dense": DENSE_ROW,
            "tolerance": 0.025,
        },
    ),
    Probe(
        "none is good enough",
        lambda: {
            "networks": [network(4.0, 0.9, 0.95), network(8.0, 0.85, 0.95)],
            "dense": DENSE_ROW,
            "tolerance": 0.01,
        },
    ),
    Probe(
        "the first one is the only one that is good enough",
        lambda: {
            "networks": [network(4.0, 0.95, 0.9), network(8.0, 0.85, 0.95)],
            "dense": DENSE_ROW,
            "tolerance": 0.01,
        },
    ),
    Probe(
        "a hair too much is lost",
        lambda: {
            "networks": [network(8.0, 0.7499, 0.7), network(4.0, 0.7501, 0.7)],
            "dense": {"val": 1.0, "test": 0.9},
            "tolerance": 0.25,
        },
    ),
    Probe(
        "just good enough: lost is what may be lost",
        lambda: {
            "networks": [network(3.0, 0.75, 0.7), network(6.0, 0.5, 0.5), network(2.0, 0.998, 0.9)],
            "dense": {"val": 1.0, "test": 0.9},
            "tolerance": 0.25,
        },
    ),
    Probe(
        "a little smaller, and much less accurate, but good enough",
        lambda: {
            "networks": [
                network(8.0, 0.925, 0.9), network(8.7, 0.8, 0.8), network(9.2, 0.75, 0.75),
            ],
            "dense": DENSE_ROW,
            "tolerance": 0.2,
        },
    ),
    Probe(
        "five of the same compression",
        lambda: {
            "networks": [
                network(9.0, 0.9, 0.9), network(9.0, 0.91, 0.85), network(9.0, 0.905, 0.93),
                network(9.0, 0.895, 0.86), network(9.0, 0.9, 0.9),
            ],
            "dense": DENSE_ROW,
            "tolerance": 0.03,
        },
    ),
    Probe(
        "the list is not in order, and the tolerance is large",
        lambda: {
            "networks": [
                network(30.0, 0.71, 0.8), network(3.0, 0.93, 0.9), network(50.0, 0.6, 0.9),
                network(12.0, 0.9, 0.9),
            ],
            "dense": DENSE_ROW,
            "tolerance": 0.22,
        },
    ),
]  # fmt: skip

PROBES = {
    "definitions": DEFINITIONS,
    "mean_and_spread": MEAN_AND_SPREAD,
    "pareto_front": PARETO_FRONT,
    "choose": CHOOSE,
}
check = Lab(__file__, PROBES)
