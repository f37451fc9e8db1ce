"""The class report: points, which known mistakes the class made, and who needs a look."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pruninglab.grading.gradebook.marks import Mark, total
from pruninglab.plots import BLUE


@dataclass(frozen=True)
class ClassReport:
    """What is known of a class after grading one lab.

    Attributes:
        lab: its name.
        points: exercise -> its maximum, in the order of the lab.
        marks: student -> exercise -> mark.
        hints: student -> exercise -> the hint that the student's wrong answer got, if any.
        known: exercise -> the hints of all its known mistakes.
        looks: (student, why somebody should open the notebook), in this order.
    """

    lab: str
    points: Mapping[str, float]
    marks: Mapping[str, Mapping[str, Mark]]
    hints: Mapping[str, Mapping[str, str]]
    known: Mapping[str, Sequence[str]]
    looks: Sequence[tuple[str, str]] = field(default_factory=tuple)

    def shares(self) -> dict[str, float]:
        """Return exercise -> the class's mean share of its points, 0 to 1."""
        means = {}
        for name, maximum in self.points.items():
            got = [earned(row.get(name)) for row in self.marks.values()]
            means[name] = sum(got) / (maximum * len(got)) if got and maximum else 0.0
        return means

    def counts(self) -> dict[str, list[int]]:
        """Count, for each exercise, how many students made each of its known mistakes."""
        told = Counter(item for own in self.hints.values() for item in own.items())
        return {name: [told[name, hint] for hint in hints] for name, hints in self.known.items()}


def earned(mark: Mark | None) -> float:
    """Return the points of a mark; 0 while there is none."""
    return (mark.points or 0.0) if mark else 0.0


def figure(report: ClassReport) -> Figure:
    """Points per exercise beside the heat map exercise x known mistake."""
    names = list(report.points)
    height = 1.2 + 0.32 * len(names)
    drawn, (left, right) = plt.subplots(
        1, 2, figsize=(12, height), width_ratios=[1, 2.2], sharey=True, layout="constrained"
    )
    shares = report.shares()
    left.barh(names, [100 * shares[name] for name in names], color=BLUE)
    left.set(xlim=(0, 100), xlabel="mean share of the points (%)")
    left.spines[["top", "right"]].set_visible(False)
    left.invert_yaxis()
    heat_map(right, names, report.counts())
    return drawn


def heat_map(axes: Axes, names: Sequence[str], counts: Mapping[str, Sequence[int]]) -> None:
    """Draw a field per known mistake, with the number of students who made it."""
    width = max((len(row) for row in counts.values()), default=1) or 1
    fields = np.full((len(names), width), np.nan)
    for y, name in enumerate(names):
        row = counts.get(name, [])
        fields[y, : len(row)] = row
    top = max(np.nanmax(fields, initial=1), 1) if not np.isnan(fields).all() else 1
    colours = plt.get_cmap("Oranges").with_extremes(under="#F2F2F2")
    axes.imshow(fields, cmap=colours, vmin=0.5, vmax=top, aspect="auto")
    for y, x in np.argwhere(fields > 0):
        colour = "white" if fields[y, x] > 0.6 * top else "black"
        axes.text(x, y, f"{fields[y, x]:.0f}", ha="center", va="center", color=colour)
    axes.set_xticks(range(width), [str(i) for i in range(1, width + 1)])
    axes.set(xlabel="known mistake, no. (white: the exercise has no more)")
    axes.set_title("students who made it", loc="left", fontsize=10)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def mistakes(report: ClassReport) -> list[dict[str, Any]]:
    """List those that somebody made, the most frequent first, numbered as in the picture."""
    rows = [
        {"exercise": name, "number": i, "students": count, "hint": report.known[name][i - 1]}
        for name, row in report.counts().items()
        for i, count in enumerate(row, start=1)
        if count
    ]
    return sorted(rows, key=lambda row: -row["students"])


def rows(report: ClassReport) -> list[dict[str, Any]]:
    """Make a line per student for the table of points."""
    lines = []
    for student, marks in sorted(report.marks.items()):
        cells = [
            {
                "text": str(marks[name]) if name in marks else "-",
                "share": round(earned(marks.get(name)) / (maximum or 1), 2),
            }
            for name, maximum in report.points.items()
        ]
        lines.append({"student": student, "cells": cells, "total": total(marks)})
    return lines


def write(report: ClassReport, folder: Path) -> tuple[Path, Path]:
    """Write <folder>/report_<lab>.html, which needs no other file, and its picture as .png.

    Returns:
        The two paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page, picture = (folder / f"report_{report.lab}.{kind}" for kind in ("html", "png"))
    drawn = figure(report)
    drawn.savefig(picture, dpi=110)
    plt.close(drawn)
    # What students wrote (their names, at least) is shown as text: autoescape.
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    )
    every = [sum(map(earned, marks.values())) for marks in report.marks.values()]
    text = template.render(
        lab=report.lab,
        exercises=report.points,
        maximum=sum(report.points.values()),
        mean=sum(every) / len(every) if every else 0.0,
        picture=base64.b64encode(picture.read_bytes()).decode(),
        mistakes=mistakes(report),
        looks=report.looks,
        rows=rows(report),
    )
    page.write_text(text, encoding="utf-8")
    return page, picture
