"""What the checks of lab 7 look at: tables so small that you can work them out by hand."""

from typing import Any

from pruninglab.checks import Lab, Probe, Values, by_value, same

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
    found = {name: result[name] for name in names if name in result}
    return {**found, "names": sorted(result)}


OF_FOUR = by_value(
    {
        "names": "The four numbers have the names of the docstring; there are no others.",
        "sparsity": "Sparsity: weights that are left and not zero, over the weights of the *dense* "
        "network, is the share that is there; the rest is the sparsity.",
        "compression": "Compression: *all* parameters before, over those that are left and not "
        "among the zeros.",
        "macs_ratio": "The MACs are those that were counted, before over after: zeros save none.",
        "speedup": "The speed-up is the time before over the time after, whatever comes out.",
    }
)
DEFINITIONS = [
    Probe(
        "masked: 900 of 1,000 weights are zero, nothing is faster",
        lambda: networks(DENSE, (1200, 1000, 900, 90_000, 0.006)),
        four,
        cause=OF_FOUR,
    ),
    Probe(
        "really smaller: half of the weights and two thirds of the MACs are gone",
        lambda: networks(DENSE, (650, 500, 0, 30_000, 0.004)),
        four,
        cause=OF_FOUR,
    ),
    Probe(
        "smaller, and masked on top of it",
        lambda: networks(DENSE, (500, 400, 200, 36_000, 0.008)),
        four,
        cause=OF_FOUR,
    ),
    Probe(
        "hardly pruned: 1 of 1,000 weights, and slower",
        lambda: networks(DENSE, (1200, 1000, 1, 90_000, 0.0072)),
        four,
        cause="Nothing has a lower or an upper limit: a share may be small, and a network slower.",
    ),
    Probe(
        "a dense network that holds some zeros",
        lambda: networks((1200, 1000, 50, 90_000, 0.006), (1200, 1000, 500, 90_000, 0.006)),
        four,
        cause="Zeros that the dense network has count as present in it: there, everything does.",
    ),
]


def rows(result: Any, inputs: Inputs) -> Values:
    """The targets in their order, and for each one its mean, spread and number."""
    if not isinstance(result, dict):
        return {"kind of the result": type(result).__name__}
    table = {f"target {target}": list(row) for target, row in result.items()}
    return {"targets": list(result), **table}


def of_two(got: Values, expected: Values) -> str:
    """What is wrong with the row (mean, spread, n) of two runs."""
    row, right = got.get("target 0.5"), expected["target 0.5"]
    if not isinstance(row, list) or len(row) != 3:
        return "For each target a row of three: (mean, spread, n). The targets stay numbers."
    if row[2] != right[2]:
        return "Both runs have this target: n is 2. Is a run left out?"
    texts = (
        "The mean is the sum of the accuracies over their number.",
        "The mean is right. The spread is the root of the squared distances from the mean, added "
        "up and divided by n - 1; it is not divided by anything more.",
    )
    wrong = [text for text, a, b in zip(texts, row, right, strict=False) if not same(a, b)]
    return wrong[0] if wrong else "The row is right, the target is not: it stays a number."


MEAN_AND_SPREAD = [
    Probe("two seeds: 0.9 and 0.8", lambda: {"runs": [{0.5: 0.9}, {0.5: 0.8}]}, rows, cause=of_two),
    Probe(
        "three seeds, two targets",
        lambda: {"runs": [{0.5: 0.91, 0.9: 0.88}, {0.5: 0.92, 0.9: 0.84}, {0.5: 0.9, 0.9: 0.83}]},
        rows,
        cause="Two seeds are right. Of three, the squared distances from the *mean* are added, "
        "divided by n - 1, and then comes the root; each target by itself.",
    ),
    Probe(
        "equal accuracies, and accuracies of 0",
        lambda: {
            "runs": [{0.5: 0.9, 0.9: 0.0}, {0.5: 0.9, 0.9: 0.6}, {0.5: 0.6, 0.9: 0.6}, {0.99: 0.0}]
        },
        rows,
        cause="An accuracy of 0 is an accuracy, two that are equal are two, a target that only "
        "one run has stays, with a spread of None, and targets stay as they are.",
    ),
    Probe(
        "two seeds that agree",
        lambda: {"runs": [{0.5: 0.9}, {0.5: 0.9}]},
        rows,
        cause="The spread of two equal numbers is 0, not None.",
    ),
    Probe(
        "one seed",
        lambda: {"runs": [{0.5: 0.91, 0.9: 0.88}]},
        rows,
        cause="Of a single accuracy the spread is None.",
    ),
    Probe(
        "runs were stopped early, and the targets, one of them 0, are not in order",
        lambda: {
            "runs": [
                {0.5: 0.9, 0.99: 0.6},
                {0.9: 0.8, 0.5: 0.92, 0.7: 0.9},
                {0.5: 0.94, 0.7: 0.86},
                {10.0: 0.3, 2.0: 0.9, 0.0: 0.93},
            ]
        },
        rows,
        cause="Every target that *any* run has is in the table, 0 and numbers above 1 among "
        "them, in ascending order, with the number of runs that have it.",
    ),
]


PARETO_FRONT = [
    Probe(
        "four networks, one is beaten in both",
        lambda: {"points": [(2.0, 0.92), (10.0, 0.9), (5.0, 0.88), (20.0, 0.7)]},
        cause="A network stays if *no other one*, before it or behind it in the list, is at "
        "least as good in both numbers and better in one. Positions are asked, ascending.",
    ),
    Probe(
        "not in order",
        lambda: {"points": [(8.0, 0.5), (1.0, 0.9), (4.0, 0.4), (2.0, 0.8)]},
        cause="The points need not come in any order: compare each with all others.",
    ),
    Probe(
        "one beats all others",
        lambda: {"points": [(2.0, 0.6), (9.0, 0.9), (4.0, 0.9)]},
        cause="One network may beat all others: those that lie *before* it in the list too.",
    ),
    Probe(
        "equal in one number, worse in the other",
        lambda: {"points": [(5.0, 0.9), (5.0, 0.8), (2.0, 0.9), (8.0, 0.7)]},
        cause="A rival beats if it is equal in one number and better in the other, whichever.",
    ),
    Probe(
        "two of the same",
        lambda: {"points": [(5.0, 0.9), (2.0, 0.95), (5.0, 0.9)]},
        cause="Two that are equal in both numbers do not beat each other: both stay.",
    ),
    Probe(
        "a dent in the front: (3, 0.85) lies under the line between its neighbours",
        lambda: {"points": [(1.0, 0.95), (3.0, 0.85), (8.0, 0.8)]},
        cause="No line between two networks beats anything: only a network does.",
    ),
    Probe(
        "better by a hair is better",
        lambda: {"points": [(5.0, 0.9), (5.0001, 0.9), (4.0, 0.90004), (4.0, 0.90002)]},
        cause="A difference is a difference, however small: no rounding, no tolerance.",
    ),
    Probe(
        "an accuracy of 0, and one below it in compression",
        lambda: {"points": [(9.0, 0.0), (4.0, 0.1), (2.0, 0.1)]},
        cause="An accuracy of 0 is a number like any other.",
    ),
    Probe(
        "compressions below 1",
        lambda: {"points": [(0.5, 0.9), (0.25, 0.95), (0.4, 0.8)]},
        cause="A network may be larger than the dense one: no number is left out for its size.",
    ),
    Probe(
        "a compression of 2,000",
        lambda: {"points": [(2000.0, 0.1), (4.0, 0.9)]},
        cause="A compression may be of any size.",
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
                network(2.0, 0.925, 0.91),
                network(5.0, 0.915, 0.9),
                network(20.0, 0.9, 0.79),
            ],
            "dense": DENSE_ROW,
            "tolerance": 0.0125,
        },
        cause="First keep those whose `val` is at least that of the dense network, on `val`, "
        "less `tolerance`. Then take the highest compression of them, and give its "
        "position in `networks`, from 0.",
    ),
    Probe(
        "val and test disagree",
        lambda: {
            "networks": [
                network(4.0, 0.9, 0.88),
                network(8.0, 0.89, 0.95),
                network(6.0, 0.91, 0.7),
            ],
            "dense": DENSE_ROW,
            "tolerance": 0.025,
        },
        cause="Only `val` decides, and among those that are good enough the *compression* alone, "
        "not the accuracy or the distance from the limit.",
    ),
    Probe(
        "none is good enough",
        lambda: {
            "networks": [network(4.0, 0.9, 0.95), network(8.0, 0.85, 0.95)],
            "dense": DENSE_ROW,
            "tolerance": 0.01,
        },
        cause="Where none is good enough None is asked.",
    ),
    Probe(
        "the first one is the only one that is good enough",
        lambda: {
            "networks": [network(4.0, 0.95, 0.9), network(8.0, 0.85, 0.95)],
            "dense": DENSE_ROW,
            "tolerance": 0.01,
        },
        cause="Position 0 is a position: 0 counts as False, and `is None` asks for None.",
    ),
    Probe(
        "a hair too much is lost",
        lambda: {
            "networks": [network(8.0, 0.7499, 0.7), network(4.0, 0.7501, 0.7)],
            "dense": {"val": 1.0, "test": 0.9},
            "tolerance": 0.25,
        },
        cause="A hair too much is too much: no rounding.",
    ),
    Probe(
        "just good enough: lost is what may be lost",
        lambda: {
            "networks": [network(3.0, 0.75, 0.7), network(6.0, 0.5, 0.5), network(2.0, 0.998, 0.9)],
            "dense": {"val": 1.0, "test": 0.9},
            "tolerance": 0.25,
        },
        cause="Lost may be *at most* `tolerance`, in points of accuracy (a difference): a "
        "network that loses just that is good enough.",
    ),
    Probe(
        "a little smaller, and much less accurate, but good enough",
        lambda: {
            "networks": [
                network(8.0, 0.925, 0.9),
                network(8.7, 0.8, 0.8),
                network(9.2, 0.75, 0.75),
            ],
            "dense": DENSE_ROW,
            "tolerance": 0.2,
        },
        cause="Good enough is good enough: then the compression alone decides, unrounded.",
    ),
    Probe(
        "five of the same compression",
        lambda: {
            "networks": [
                network(9.0, 0.9, 0.9),
                network(9.0, 0.91, 0.85),
                network(9.0, 0.905, 0.93),
                network(9.0, 0.895, 0.86),
                network(9.0, 0.9, 0.9),
            ],
            "dense": DENSE_ROW,
            "tolerance": 0.03,
        },
        cause="Of several with the same compression the one with the highest `val` is asked.",
    ),
    Probe(
        "the list is not in order, and the tolerance is large",
        lambda: {
            "networks": [
                network(30.0, 0.71, 0.8),
                network(3.0, 0.93, 0.9),
                network(50.0, 0.6, 0.9),
                network(12.0, 0.9, 0.9),
            ],
            "dense": DENSE_ROW,
            "tolerance": 0.22,
        },
        cause="The list may come in any order.",
    ),
]

PROBES = {
    "definitions": DEFINITIONS,
    "mean_and_spread": MEAN_AND_SPREAD,
    "pareto_front": PARETO_FRONT,
    "choose": CHOOSE,
}
check = Lab(__file__, PROBES)
