"""A semester in one table: `python -m pruninglab.grading.gradebook.semester` (`make semester`).

One row per person and a column per lab, from nbgrader's gradebook as it is now: as a page, and as
tables for a spreadsheet, Moodle, Canvas and Gradescope. Due dates, extensions, late penalties and
students' names are nbgrader's own fields; `--due`, `--extend` and `--roster` fill them.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from nbgrader.api import Gradebook, InvalidEntry, MissingEntry

from pruninglab.grading.gradebook import tables
from pruninglab.grading.gradebook.course import open_nbgrader
from pruninglab.grading.gradebook.moodle import participant
from pruninglab.grading.gradebook.people import participants, read
from pruninglab.grading.trouble import GradingError, one_sentence
from pruninglab.terminal import accept_any_text

# --- nbgrader's own fields ------------------------------------------------------------------------


def enter_roster(gradebook: Gradebook, path: Path) -> list[str]:
    """Fill nbgrader's names, email addresses and numbers from a platform's list of participants.

    Columns are found by their English names in Moodle, Canvas and Gradescope. Names are compared
    without regard to their order.

    Returns:
        Names of the gradebook that the list does not have, or has twice.

    Raises:
        GradingError: the list cannot be read, or has no names.
    """
    listed: dict[tuple[str, ...], list[dict[str, str]]] = defaultdict(list)
    for row in participants(path):
        first, last = row.get("first name", ""), row.get("last name", row.get("surname", ""))
        listed[words(f"{first} {last}")].append(row | {"first": first, "last": last})
    unknown = []
    for student in gradebook.students:
        name = participant(student.id)[0]
        found = listed.get(words(name), [])
        if len(found) != 1:
            unknown.append(name)
            continue
        (row,) = found
        student.first_name, student.last_name = row["first"], row["last"]
        student.email = row.get("email address") or row.get("email") or student.email
        student.lms_user_id = row.get("id number") or row.get("sid") or row.get("id") or None
    gradebook.db.commit()
    return sorted(set(unknown))


def words(name: str) -> tuple[str, ...]:
    """Return a name's words in an order of their own, small.

    >>> words("Ada Lovelace") == words("Lovelace, Ada")
    True
    """
    return tuple(sorted(name.casefold().replace(",", " ").split()))


def set_due(gradebook: Gradebook, lab: str, when: str) -> None:
    """Set a lab's due date, e.g. "2026-10-20 12:00 UTC"; it marks late hand-ins.

    Raises:
        GradingError: there is no such lab, or this is no time.
    """
    try:
        gradebook.find_assignment(lab)
        gradebook.update_or_create_assignment(lab, duedate=when)
    except MissingEntry:
        raise GradingError(f"the gradebook has no lab {lab!r}: grade it first") from None
    except (InvalidEntry, ValueError, OverflowError):
        raise GradingError(f"{when!r} is no time: write e.g. '2026-10-20 12:00 UTC'") from None


def extend(gradebook: Gradebook, lab: str, student: str, days: str) -> None:
    """Give one student some days more for a lab; 0 takes them back.

    Raises:
        GradingError: nobody of this id has handed it in, or this is no number.
    """
    try:
        gradebook.grant_extension(lab, student, days=float(days))
    except MissingEntry:
        raise GradingError(f"{student!r} has not handed in {lab!r} (or has another id)") from None
    except (ValueError, OverflowError):
        raise GradingError(f"{days!r} is no number of days") from None


# --- the command ----------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    accept_any_text()
    parser = argparse.ArgumentParser(
        prog="python -m pruninglab.grading.gradebook.semester",
        description="All labs in one table: a page, and tables for spreadsheets and platforms.",
    )
    parser.add_argument("--course", type=Path, default=Path(), help="the course's folder")
    parser.add_argument(
        "--roster", type=Path, metavar="CSV",
        help="a platform's list of participants (first name, last name, email address, ID number): "
        "fills nbgrader's fields, so that people are told apart and tables can be imported",
    )  # fmt: skip
    parser.add_argument(
        "--due", nargs=2, action="append", default=[], metavar=("LAB", "TIME"),
        help="due date of a lab, e.g. 01_structures '2026-10-20 12:00 UTC'",
    )  # fmt: skip
    parser.add_argument(
        "--extend", nargs=3, action="append", default=[], metavar=("LAB", "STUDENT", "DAYS"),
        help="days more for one student, by the id in nbgrader",
    )  # fmt: skip
    args = parser.parse_args(arguments)
    try:
        written = run(args.course, args.roster, args.due, args.extend)
    except (GradingError, OSError) as error:
        sys.exit(f"error: {error}")
    for path in written:
        print(path)


@one_sentence()
def run(
    folder: Path,
    roster: Path | None = None,
    due: Sequence[Sequence[str]] = (),
    extensions: Sequence[Sequence[str]] = (),
) -> list[Path]:
    """Fill nbgrader's fields, write the tables, and print what to look at.

    Returns:
        The files.

    Raises:
        GradingError: nothing has been graded yet, or a field cannot be filled.
    """
    api = open_nbgrader(folder)
    nobody = f"nobody has a mark in {folder.resolve()}: make grade LAB=... first"
    database = api.coursedir.db_url.removeprefix("sqlite:///")
    if "://" not in database and not Path(database).exists():  # opening it would make an empty one
        raise GradingError(nobody)
    with api.gradebook as gradebook:
        unknown = enter_roster(gradebook, roster) if roster else []
        for lab, when in due:
            set_due(gradebook, lab, when)
        for lab, student, days in extensions:
            extend(gradebook, lab, student, days)
        semester = read(gradebook)
    if not semester.people:
        raise GradingError(nobody)
    for name in unknown:
        print(f"not (or more than once) in {roster}: {name}")
    for person in semester.people:
        if person.warning:
            print(f"{person.name}: {person.warning}")
    return tables.write(semester, folder.resolve())


if __name__ == "__main__":
    main()
