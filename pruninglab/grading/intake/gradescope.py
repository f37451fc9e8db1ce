"""Who handed in what on Gradescope: its export numbers the folders, and a file in it has the names.

*Review Grades → Export Submissions* gives submissions.zip with assignment_5_export/, in which
submission_metadata.yml has a list of people and a time for each submission_77/.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from pruninglab.grading.intake.owners import EXPORT
from pruninglab.grading.intake.read import Unreadable, beginning, files_below, members_of

METADATA = re.compile(rf"({EXPORT})submission_metadata\.yml")
LARGEST = 50 * 2**20  # bytes: it has the history of every submission of a class


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads plain data; Ruby's own classes are read as what they hold."""


def plain(loader: Any, _: str, node: yaml.Node) -> Any:
    """Read a node without regard to its tag."""
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


Loader.add_multi_constructor("!", plain)


@dataclass(frozen=True)
class Submission:
    """What Gradescope says of one submission.

    Attributes:
        people: their names, each with a number or an address where that tells people apart.
        seconds: when it was handed in; 0 if that is not said.
    """

    people: tuple[str, ...]
    seconds: float = 0.0


def submissions(archive: Path) -> Iterator[tuple[str, Submission]]:
    """Yield what exports in a folder, unpacked or not, say of the submissions in them.

    Returns:
        The path of a submission ("assignment_5_export/submission_77/"), and whose it is.

    Raises:
        Unreadable: the file of an export cannot be read.
    """
    for file in files_below(archive):
        path = str(file.relative_to(archive))
        if found := METADATA.fullmatch(path):
            yield from described(found[1], beginning(file, LARGEST))
        elif re.fullmatch(rf"(?:{EXPORT})", f"{path[:-4]}/") or path.startswith("submissions"):
            yield from zipped(file, path)


def zipped(file: Path, path: str) -> Iterator[tuple[str, Submission]]:
    """Yield what an export says that is a zip; nothing if it is not one of Gradescope's."""
    if not path.lower().endswith(".zip"):
        return
    try:
        members = list(members_of(path, file, {".yml": LARGEST}))
    except Unreadable:  # the zip of the class is damaged: collecting says so
        return
    for inner, data in members:
        if found := METADATA.fullmatch(f"{path[:-4]}/{inner}"):
            yield from described(found[1], data)


def described(top: str, data: bytes) -> Iterator[tuple[str, Submission]]:
    """Yield what a metadata file says.

    >>> text = b"submission_7:\\n  :submitters:\\n  - :name: Ada Lovelace\\n    :sid: '12'\\n"
    >>> list(described("", text))
    [('submission_7/', Submission(people=('Ada Lovelace_12',), seconds=0.0))]
    """
    try:
        table = yaml.load(data[:LARGEST], Loader)
        rows = {name: fields(row) for name, row in table.items() if isinstance(row, Mapping)}
        people = {name: [fields(p) for p in row["submitters"]] for name, row in rows.items()}
    except Exception:  # whatever is in it: the submissions are graded under their numbers
        why = "cannot be read, so its submissions have numbers for names: export it again"
        raise Unreadable(f"{top}submission_metadata.yml {why}") from None
    times = Counter(str(p.get("name")) for group in people.values() for p in distinct(group))
    for name, group in people.items():
        named = tuple(who(person, times) for person in group)
        yield f"{top}{name}/", Submission(named, seconds(rows[name].get("created_at")))


def fields(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a table of Ruby's with its keys as text, without their colons."""
    return {str(key).lstrip(":"): value for key, value in row.items()}


def distinct(group: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out people who are in a list twice."""
    return list({(p.get("name"), p.get("sid"), p.get("email")): p for p in group}.values())


def who(person: Mapping[str, Any], times: Mapping[str, int]) -> str:
    """Name a person: with the number of the student, or the address if two have one name."""
    name, sid, email = (str(person.get(key) or "") for key in ("name", "sid", "email"))
    if sid.isdigit():
        return f"{name}_{sid}".lstrip("_")
    return f"{name} ({email})" if email and times[name] > 1 else name or email


def seconds(when: Any) -> float:
    """Return a time of the file as seconds, 0 if it is none."""
    if not isinstance(when, datetime):
        return 0.0
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
