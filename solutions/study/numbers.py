"""The numbers in the sentences of RESULTS.md, computed from the records."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from pruninglab import checkpoints
from pruninglab.results.curves import accuracy, at
from pruninglab.results.records import Record

PLAIN, TUNED = "Lecture: Han + LR-rewinding", "Lecture: Han"
LIU, LIU_LRR = "Lecture: Liu", "Lecture: Liu + LR-rewinding"
CHANCE, CHANCE_FILTERS = "Random weights", "Random filters"
ZHU, CUBIC = "Zhu & Gupta 2017", "Zhu & Gupta on filters"
NINTH = 9  # the point after ten rounds of a fifth in the records of Renda's earlier recipe


class Runs:
    """The accuracies of a system's runs, in percent, of one budget and one dense network."""

    def __init__(self, records: Sequence[Record], budget: str, dense: int) -> None:
        self.records = [r for r in records if (r.budget, r.dense_seed) == (budget, dense)]

    def of(self, system: str) -> list[Record]:
        """Its records, one per run."""
        return [record for record in self.records if record.system == system]

    def all(self, system: str, target: float) -> list[float]:
        """Of each run, at a target."""
        return [100 * accuracy(p) for r in self.of(system) for p in r.points if p.target == target]

    def mean(self, system: str, target: float) -> float:
        """The mean over the runs."""
        return statistics.mean(self.all(system, target))

    def ahead(self, one: str, other: str, target: float) -> list[float]:
        """How far one system is ahead of another, run by run."""
        pairs = zip(self.all(one, target), self.all(other, target), strict=True)
        return [a - b for a, b in pairs]

    def last_round(self, system: str) -> list[float]:
        """Of each run, after ten rounds of a fifth."""
        return [100 * accuracy(record.points[NINTH]) for record in self.of(system)]


def numbers(records: Sequence[Record]) -> dict[str, str]:
    """Name -> what stands in the sentence."""
    quick, ten = Runs(records, "quick", 0), Runs(records, "standard", 0)
    dense = [100 * checkpoints.card(w, s)["test"] for w, s in checkpoints.SHIPPED if w == 16 and s]

    def one(value: float) -> str:
        return f"{value:.1f}"

    def two(value: float) -> str:
        return f"{value:.2f}"

    def listed(values: Sequence[float], digits: int = 1) -> str:
        *others, last = (f"{value:.{digits}f}" for value in values)
        return ", ".join(others) + f" and {last} %"

    def spread(values: Sequence[float]) -> str:
        return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"

    middle = [
        100 * (a - b) for good, bad in zip(quick.of(CUBIC), quick.of(CHANCE_FILTERS), strict=True)
        if (a := at(good, "macs", 0.5)) and (b := at(bad, "macs", 0.5))
    ]  # fmt: skip
    found = {f"plain {t:g}": two(quick.mean(PLAIN, t)) for t in (0.1, 0.8, 0.9, 0.95)}
    found |= {f"tuned {t:g}": two(quick.mean(TUNED, t)) for t in (0.1, 0.8, 0.9)}
    found |= {f"zhu {t:g}": two(quick.mean(ZHU, t)) for t in (0.8, 0.9, 0.95)}
    found |= {f"{n} 0.1": two(quick.mean(s, 0.1)) for n, s in (("liu", LIU), ("liu lrr", LIU_LRR))}
    for seed in (0, 1, 2):
        runs = Runs(records, "quick", seed)
        found[f"network {seed}"] = two(runs.mean("At once: magnitude", 0.8))
        found[f"network {seed} bn"] = two(runs.mean("At once: magnitude, BN recalibrated", 0.8))
    for target in (0.8, 0.9, 0.95):
        found[f"plain 1 {target:g}"] = two(Runs(records, "quick", 1).mean(PLAIN, target))
    for share in (0.3, 0.42):
        found[f"soft {share:g}"] = one(quick.mean("He 2018 (SFP)", share))
        found[f"first {share:g}"] = one(quick.mean("SFP, no training", share))
    return found | {
        "chance": two(quick.mean(CHANCE, 0.8)),
        "criterion": one(quick.mean(PLAIN, 0.8) - quick.mean(CHANCE, 0.8)),
        "ten plain": two(ten.mean(PLAIN, 0.893)),
        "ten tuned": two(ten.mean(TUNED, 0.893)),
        "rounds": spread(quick.last_round("Renda 2020")),
        "rounds tuned": spread(quick.last_round("Renda 2020, fine-tuned")),
        "cubic": one(statistics.mean(middle)),
        "narrow": one(100 * checkpoints.card(8)["test"]),
        "dense": listed(dense, 2),
        "rewound": one(statistics.mean(quick.ahead(PLAIN, TUNED, 0.95))),
        "liu lrr 0.95": listed(quick.all(LIU_LRR, 0.95)),
        "rewound ten 0.79": one(*ten.ahead(PLAIN, TUNED, 0.79)),
        "rewound ten 0.893": one(*ten.ahead(PLAIN, TUNED, 0.893)),
        "gradient 0.2": one(quick.mean("At once: gradient", 0.2)),
        "gradient 0.4": one(quick.mean("At once: gradient", 0.4)),
        "no chance 0.2": one(quick.mean("At once: chance", 0.2)),
        "no chance 0.4": one(quick.mean("At once: chance", 0.4)),
        "bn": one(quick.mean("At once: magnitude, BN recalibrated", 0.8)),
        "no bn": one(quick.mean("At once: magnitude", 0.8)),
        "unpruned": one(quick.mean("Unpruned from scratch", 1.0)),
        "synflow 100": one(quick.mean("SynFlow 2020", 100)),
        "synflow 10": one(quick.mean("SynFlow 2020", 10)),
        "random 100": one(quick.mean("Random at initialisation", 100)),
        "random 10": one(quick.mean("Random at initialisation", 10)),
    }
