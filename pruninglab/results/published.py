"""Published numbers, as they ship with the package. Which ones a record repeats, it says itself."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

FOLDER = Path(str(resources.files("pruninglab") / "assets" / "published"))
# Columns of lecture_figure.csv; a record names its own as `published["lecture"]`.
LECTURE = ("han", "han_lrr", "liu", "liu_lrr")
RENDA_DENSE = 91.71  # percent, mean of 246 networks: standard deviation 0.23


@dataclass(frozen=True)
class Setting:
    """One series of renda2020.csv, all by the magnitude of all weights in one ranking.

    Attributes:
        iterative: in rounds of a fifth of the rest, or at once.
        method: "fine-tuning" or "LR-rewinding".
    """

    iterative: bool
    method: str

    @property
    def name(self) -> str:
        """What a record of ours with the same recipe has as `published["renda"]`.

        >>> RENDA[0].name
        'at once, fine-tuning'
        """
        return f"{'in rounds' if self.iterative else 'at once'}, {self.method}"


RENDA = tuple(
    Setting(iterative, method)
    for iterative in (False, True)
    for method in ("fine-tuning", "LR-rewinding")
)


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a table of published numbers: the name of a CSV file in `FOLDER`.

    >>> rows("lecture_figure")[0]["target_pct"]
    '10.0'
    """
    with (FOLDER / f"{name}.csv").open(newline="", encoding="utf-8") as file:
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
    """Sparsity -> change of accuracy in points: one ranking of all filters, a replication.

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
