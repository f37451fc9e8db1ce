"""Marks and feedback pages in the form that Moodle takes back (activity "Assignment")."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping
from pathlib import Path

from pruninglab.grading.gradebook import Mark

# Of Moodle's grading worksheet. Without the last one it takes no worksheet; "-": never graded.
COLUMNS = ("Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)")


def participant(student: str) -> tuple[str, str]:
    """Name and number of a student in Moodle; the number is empty if the name says none.

    >>> participant("Lovelace Ada_12"), participant("ada")
    (('Lovelace Ada', '12'), ('ada', ''))
    """
    name, _, number = student.rpartition("_")
    return (name, number) if name and number.isdigit() else (student, "")


def lines(rows: Mapping[str, Mapping[str, Mark]]) -> list[list[str]]:
    """The grading worksheet.

    >>> lines({"Lovelace Ada_12": {"easy": Mark(2, 2)}})[1]
    ['Participant 12', 'Lovelace Ada', '2', '2', '-']
    """
    worksheet = [list(COLUMNS)]
    for student, row in rows.items():
        name, number = participant(student)
        who = [f"Participant {number}" if number else "", name]
        # a spreadsheet would compute a name that begins like a formula
        who = [f"'{text}" if text[:1] in ("=", "+", "-", "@") else text for text in who]
        points = sum(mark.points or 0 for mark in row.values())
        maximum = sum(mark.maximum for mark in row.values())
        worksheet.append([*who, f"{points:g}", f"{maximum:g}", "-"])
    return worksheet


def worksheet(rows: Mapping[str, Mapping[str, Mark]], path: Path) -> Path:
    """Write the grading worksheet."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines(rows))
    return path


def pages(feedback: Mapping[str, Path], path: Path) -> Path:
    """Write a zip of the feedback pages, under names by which Moodle finds their students."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for student, page in feedback.items():
            if participant(student)[1]:
                archive.write(page, f"{student}_assignsubmission_file_{page.name}")
    return path
