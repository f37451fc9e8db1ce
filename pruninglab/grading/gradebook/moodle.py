"""Marks and feedback pages in the form that Moodle takes back (activity "Assignment")."""

from __future__ import annotations

import csv
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from pruninglab.grading.gradebook.marks import Mark

# What a spreadsheet takes for the beginning of a formula, full-width signs included.
FORMULA = ("=", "+", "-", "@", "|", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\u2212")
# Of Moodle's grading worksheet. Without the fifth one it takes no worksheet; "-": never graded.
# It leaves columns alone that it does not know (the last one), and grades whose cell is empty.
COLUMNS = ("Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)", "Note")


def participant(student: str) -> tuple[str, str]:
    """Split an id into name and number in Moodle; the number is empty if there is none.

    >>> participant("Lovelace Ada_12"), participant("ada")
    (('Lovelace Ada', '12'), ('ada', ''))
    """
    name, _, number = student.rpartition("_")
    return (name, number) if name and number.isdigit() else (student, "")


def names(students: Iterable[str]) -> dict[str, str]:
    """Return student -> the name to show: Moodle's number only where two names are the same.

    In the gradebook, in submitted/ and in the log a student keeps the number.

    >>> names(["Lovelace Ada_12", "Ng An_3", "Ng An_4", "bob"])
    {'Lovelace Ada_12': 'Lovelace Ada', 'Ng An_3': 'Ng An_3', 'Ng An_4': 'Ng An_4', 'bob': 'bob'}
    """
    without = {student: participant(student)[0] for student in students}
    times = Counter(without.values())
    return {s: name if times[name] == 1 else s for s, name in without.items()}


def plain_cell(text: str) -> str:
    """Make a text for a table that no spreadsheet computes.

    Some take a semicolon or a tab for the end of a cell, full-width signs for plain ones, and skip
    signs without a width.

    >>> plain_cell("=1+1"), plain_cell("Ada;\\uff1d1+1"), plain_cell("O'Brien Zoë")
    ("'=1+1", "Ada,'＝1+1", "O'Brien Zoë")
    """
    visible = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    parts = [part.strip() for part in visible.split(";")]
    return ",".join(f"'{part}" if part[:1] in FORMULA else part for part in parts)


def lines(
    rows: Mapping[str, Mapping[str, Mark]], taken: Mapping[str, float] | None = None
) -> list[list[str]]:
    """Fill the grading worksheet.

    Args:
        rows: student -> exercise -> mark.
        taken: student -> points that a late hand-in costs.

    While something waits for a mark by hand, the grade's cell is empty: a sum without it would
    be no grade, and Moodle would show it to the student.

    >>> lines({"Lovelace Ada_12": {"easy": Mark(2, 2)}})[1]
    ['Participant 12', 'Lovelace Ada', '2', '2', '-', '']
    >>> lines({"Lovelace Ada_12": {"easy": Mark(2, 2), "why": Mark(None, 1)}})[1][2:]
    ['', '3', '-', '2 so far; waits for a mark by hand: why']
    """
    worksheet = [list(COLUMNS)]
    for student, row in rows.items():
        name, number = participant(student)
        who = [f"Participant {number}" if number else "", plain_cell(name)]
        late = (taken or {}).get(student, 0)
        points = sum(mark.points or 0 for mark in row.values()) - late
        maximum = sum(mark.maximum for mark in row.values())
        waiting = ", ".join(name for name, mark in row.items() if mark.points is None)
        note = f"{points:g} so far; waits for a mark by hand: {waiting}" if waiting else ""
        note += f"{'; ' if note else ''}{late:g} taken off: late" if late else ""
        worksheet.append([*who, "" if waiting else f"{points:g}", f"{maximum:g}", "-", note])
    return worksheet


def worksheet(
    rows: Mapping[str, Mapping[str, Mark]], path: Path, taken: Mapping[str, float] | None = None
) -> Path:
    """Write the grading worksheet; see `lines`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines(rows, taken))
    return path


def pages(feedback: Mapping[str, Path], path: Path) -> Path:
    """Write a zip of the feedback pages, under names by which Moodle finds their students."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for student, page in feedback.items():
            if participant(student)[1]:
                archive.write(page, f"{student}_assignsubmission_file_{page.name}")
    return path
