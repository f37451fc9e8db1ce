"""The semester's table as files: a page, a CSV, and what platforms import."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import jinja2

from pruninglab.grading.gradebook.moodle import plain_cell
from pruninglab.grading.gradebook.people import Person, Semester

Rows = list[list[str]]


def write(semester: Semester, folder: Path) -> list[Path]:
    """Write semester.html, semester.csv, and one CSV for each platform; returns the paths."""
    made = {
        "semester.csv": spreadsheet(semester),
        "semester_moodle.csv": moodle(semester),
        "semester_canvas.csv": canvas(semester),
        "semester_gradescope.csv": gradescope(semester),
    }
    page = folder / "semester.html"
    page.write_text(html(semester), encoding="utf-8")
    paths = [page]
    for name, rows in made.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        paths.append(folder / name)
    return paths


def points(person: Person, lab: str) -> str:
    """Return a lab's points; empty while an answer waits, or if nothing was handed in."""
    cell = person.cells.get(lab)
    return "" if cell is None or cell.waits else f"{cell.points:g}"


def total(person: Person) -> str:
    """Return the points of all labs; empty while an answer waits for its mark."""
    return "" if person.waits else f"{person.total:g}"


def texts(*values: str) -> list[str]:
    """Cells of text, none of which a spreadsheet computes."""
    return [plain_cell(value) for value in values]


def spreadsheet(semester: Semester) -> Rows:
    """Show everything, for people: "2 + ?" waits for a mark, "late" was handed in late."""
    labs = list(semester.labs)
    top = ["out of", "", *(f"{semester.labs[lab]:g}" for lab in labs)]
    rows = [["student", "email", *labs, "total", "penalties", "look at"]]
    rows.append([*top, f"{sum(semester.labs.values()):g}", "", ""])
    for person in semester.people:
        cells = [str(person.cells[lab]) if lab in person.cells else "-" for lab in labs]
        lost = sum(cell.penalty for cell in person.cells.values())
        sum_ = f"{person.total:g}{' + ?' if person.waits else ''}"
        rows.append([*texts(person.name, person.email), *cells, sum_, f"{lost:g}" if lost else "",
                     *texts(person.warning)])  # fmt: skip
    return rows


def moodle(semester: Semester) -> Rows:
    """Fill Moodle's *Grades > Import > CSV file*, mapped by email address or ID number.

    It leaves a grade alone whose cell is empty.
    """
    rows = [["First name", "Last name", "ID number", "Email address", *semester.labs, "Total"]]
    for person in semester.people:
        who = texts(person.first, person.last or person.name, person.number, person.email)
        rows.append([*who, *(points(person, lab) for lab in semester.labs), total(person)])
    return rows


def canvas(semester: Semester) -> Rows:
    """Fill Canvas's *Grades > Import*, which finds students by their ID."""
    rows = [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *semester.labs]]
    most = [f"{maximum:g}" for maximum in semester.labs.values()]
    rows.append(["    Points Possible", "", "", "", "", *most])
    for person in semester.people:
        name = f"{person.last}, {person.first}" if person.last and person.first else person.name
        who = texts(name, person.number, "", person.email, "")
        rows.append([*who, *(points(person, lab) for lab in semester.labs)])
    return rows


def gradescope(semester: Semester) -> Rows:
    """Write what Gradescope writes itself; students are found by SID or email."""
    rows = [["First Name", "Last Name", "SID", "Email"]]
    rows[0] += [head for lab in semester.labs for head in (lab, f"{lab} - Max Points")]
    rows[0] += [f"{lab} - Lateness (H:M:S)" for lab in semester.labs]
    for person in semester.people:
        row = texts(person.first, person.last or person.name, person.number, person.email)
        for lab, maximum in semester.labs.items():
            row += [points(person, lab), f"{maximum:g}"]
        row += [lateness(person, lab) for lab in semester.labs]
        rows.append(row)
    return rows


def lateness(person: Person, lab: str) -> str:
    """Say how late something was handed in, as hours, minutes and seconds."""
    seconds = round(person.cells[lab].late) if lab in person.cells else 0
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def html(semester: Semester) -> str:
    """Make the page; names are shown as text: autoescape."""
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        resources.files(__package__).joinpath("semester.html").read_text(encoding="utf-8")
    )
    return template.render(semester=semester, totals=totals(semester.people))


def totals(people: Sequence[Person]) -> dict[str, int]:
    """Count what the page says above its table."""
    cells = [cell for person in people for cell in person.cells.values()]
    return {
        "waits": sum(cell.waits for cell in cells),
        "late": sum(cell.late > 0 for cell in cells),
    }
