"""Published numbers, as they ship with the package, and which of our systems they belong to."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

FOLDER = Path(str(resources.files("pruninglab") / "assets" / "published"))
# The lecture's four curves: column of lecture_figure.csv -> our system.
LECTURE = {
    "han": "Lecture: Han",
    "han_lrr": "Lecture: Han + LR-rewinding",
    "liu": "Lecture: Liu",
    "liu_lrr": "Lecture: Liu + LR-rewinding",
}
# One ranking of all filters at once, of an independent replication -> method of retraining.
FILTERS = {
    "Filters by mean magnitude": "fine-tuning",
    "Filters by mean magnitude + LR-rewinding": "LR-rewinding",
}
RENDA_DENSE = 91.71  # percent, mean of 246 networks: standard deviation 0.23


@dataclass(frozen=True)
class Setting:
    """One series of renda2020.csv, all by the magnitude of all weights in one ranking.

    Attributes:
        iterative: in rounds of a fifth of the rest, or at once.
        method: "fine-tuning" or "LR-rewinding".
        ours: the systems of ours with the same recipe: retrained for one epoch, and for ten.
    """

    iterative: bool
    method: str
    ours: tuple[str, ...]


RENDA = (
    Setting(False, "fine-tuning", ("Lecture: Han", "Ten epochs: fine-tuned")),
    Setting(False, "LR-rewinding", ("Lecture: Han + LR-rewinding", "Ten epochs: LR-rewinding")),
    Setting(True, "fine-tuning", ("Renda 2020, fine-tuned",)),
    Setting(True, "LR-rewinding", ("Renda 2020",)),
)


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a table of published numbers: the name of a CSV file in `FOLDER`.

    >>> rows("lecture_figure")[0]["target_pct"]
    '10.0'
    """
    with (FOLDER / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def lecture_dense() -> float:
    """The accuracy of the lecture's dense network in percent, read off at the lowest targets."""
    return max(float(row["han"]) for row in rows("lecture_figure"))


def renda(setting: Setting, epochs: int) -> dict[float, tuple[float, float, float]]:
    """Sparsity -> median, least and greatest accuracy of three networks in percent.

    Args:
        setting: one of `RENDA`.
        epochs: of retraining, after each round if there are rounds: 10, 50 or 182.

    >>> renda(RENDA[3], 182)[0.488]
    (92.29, 92.21, 92.41)
    """
    wanted = (str(setting.iterative), setting.method, str(epochs))
    return {
        round(1 - float(row["density"]), 4): (
            float(row["median"]), float(row["min"]), float(row["max"]),
        )
        for row in rows("renda2020")
        if (row["iterative"], row["method"], row["epochs"]) == wanted
    }  # fmt: skip


def filters(system: str) -> dict[float, float]:
    """Sparsity -> change of accuracy in points, of one of `FILTERS`.

    >>> filters("Filters by mean magnitude")[0.79]
    -3.66
    """
    return {float(row["x"]): float(row["change"]) for row in rows("numbers")
            if row["system"] == system}  # fmt: skip


def not_retrained(system: str) -> dict[float, float]:
    """Sparsity -> accuracy in percent, right after pruning: a public ResNet-20 with option A.

    >>> not_retrained("At once: magnitude")[0.5]
    90.6
    """
    return {float(row["sparsity"]): float(row["accuracy"]) for row in rows("not_retrained")
            if row["system"] == system}  # fmt: skip
