"""What a learning platform hands over for a class, sorted by student.

First everything is listed, then each file gets its owner, then the one that counts is chosen for
each student. Whatever goes wrong with one student's files is a line for the instructor, and that
student has a row and a reason.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pruninglab.grading.intake import gradescope
from pruninglab.grading.intake.owners import (
    EXPORT,
    MARK,
    OF_A_PLATFORM,
    as_folder,
    could_be_anybodys,
    identity,
    ids,
    owner_and_rest,
    plain_name,
    shortened,
)
from pruninglab.grading.intake.read import (
    HEAD,
    MAX_FILE,
    MAX_MEMBERS,
    MAX_UNPACKED,
    Unreadable,
    beginning,
    best_in,
    best_last,
    files_below,
    has_cells,
    kind_of,
    level,
    opened,
    usable,
)

SHOWN = 5  # files that are named on the terminal for one reason: there may be thousands
CLASS_MEMBERS = 100_000  # files in the zip of a class
# When a file was handed in, if the platform writes it into the path.
ATTEMPTS = (
    (re.compile(r" - (\w{3} \d{1,2}, \d{4} \d{3,4} [AP]M)/"), "%b %d, %Y %I%M %p"),  # Brightspace
    (re.compile(r"/(\d{14})_"), "%Y%m%d%H%M%S"),  # ILIAS
    (re.compile(r"_attempt_(\d{4}(?:-\d\d){5})"), "%Y-%m-%d-%H-%M-%S"),  # Blackboard
)


@dataclass(frozen=True)
class Item:
    """A file that a platform handed over.

    Attributes:
        file: where it is on the disk, by itself or in a zip.
        member: its entry, if that is the zip of a class.
        path: where it is below the archive, as if that zip were a folder.
        student: its owner, as the platform writes the name.
        rest: the part of the path that is the student's own.
        said: when it was handed in, if a file of the platform's says it; in seconds.
    """

    file: Path
    member: zipfile.ZipInfo | None
    path: str
    student: str
    rest: str
    said: float = 0.0

    def when(self) -> float:
        """Say when it was handed in: in seconds, by the platform, by its zip or by its file."""
        if self.said:
            return self.said
        for pattern, form in ATTEMPTS:
            if match := pattern.search(self.path):
                with suppress(ValueError):  # months in another language
                    return datetime.strptime(match[1], form).timestamp()
        if self.member is None:
            return self.file.stat().st_mtime
        with suppress(ValueError, OverflowError):  # a zip may have no time, or an impossible one
            return time.mktime((*self.member.date_time, 0, 0, -1))
        return 0.0

    def read(self, most: int = MAX_FILE) -> bytes:
        """Read as much as is allowed, and one byte more.

        Raises:
            Unreadable: the zip is damaged here.
            OSError: the file cannot be read.
        """
        if self.member is None:
            return beginning(self.file, most)
        with opened(self.file.name, self.file) as archive, archive.open(self.member) as file:
            return file.read(most + 1)


def collect(course: Path, lab: str) -> list[str]:
    """Put what lies in downloaded/<lab>/archive into submitted/<student>/<lab>/.

    What a student had handed in before is replaced. A file that cannot be opened is handed in as
    it is, so that it ends with a row and a reason.

    Args:
        course: the course's folder.
        lab: the lab.

    Returns:
        What to tell the instructor: files that belong to nobody, or maybe to somebody else, and
        which of several versions counts.
    """
    told: dict[str, None] = {}
    owned: dict[str, list[Item]] = defaultdict(list)
    for item in named(course / "downloaded" / lab / "archive", lab, told):
        owned[item.student].append(item)
    students: dict[str, list[Item]] = defaultdict(list)
    for name, student in ids(owned).items():
        students[student] += owned[name]
        if student != identity(name):
            tell(told, f"{name} looks like another student's name: it counts as {student}")
    for student, items in sorted(students.items()):
        try:
            hand_in(course / "submitted" / student / lab, lab, student, items, told)
        except Exception as error:  # whatever it is, the others' files are still to be collected
            tell(told, f"{student}: not collected ({type(error).__name__}: {error})")
    return list(told)


# --- whose it is ----------------------------------------------------------------------------------


def named(archive: Path, lab: str, told: dict[str, None]) -> Iterator[Item]:
    """Yield everything in the archive with its owners; a group's hand-in is each member's."""
    on_gradescope = dict[str, gradescope.Submission]()
    try:
        on_gradescope.update(gradescope.submissions(archive))
    except Unreadable as error:
        tell(told, str(error))
    for item in listed(archive, lab, told):
        top = item.path.removesuffix(item.rest)
        found = on_gradescope.get(top)
        if found is None or not found.people:
            if re.fullmatch(rf"{EXPORT}submission_\d+/", top):
                tell(told, f"{top} has a number for a name: the export does not say whose it is")
            yield item
            continue
        for person in found.people:
            yield replace(item, student=person, said=found.seconds)


def listed(archive: Path, lab: str, told: dict[str, None]) -> Iterator[Item]:
    """Yield everything in the archive that belongs to somebody; the rest becomes a line."""
    for file in files_below(archive):
        path = str(file.relative_to(archive))
        if gradescope.METADATA.fullmatch(path):
            continue
        members = []
        if file.suffix.lower() == ".zip":
            members = of_class(file, path, lab, told)
        found = whose(lab, path)
        if members:
            yield from members
        elif found is None:
            stray(told, path, path)
        else:
            tell_doubts(told, lab, path, found[0], names_in(file) or [path])
            yield Item(file, None, path, *found)


def whose(lab: str, path: str) -> tuple[str, str] | None:
    """Split a path as `owner_and_rest` does; a zip belongs to whom a notebook in it would."""
    found = owner_and_rest(lab, as_folder(lab, path))
    if found is None or as_folder(lab, path) == path:
        return found
    direct = owner_and_rest(lab, path)
    return found[0], direct[1] if direct else PurePosixPath(path).name


def of_class(file: Path, path: str, lab: str, told: dict[str, None]) -> list[Item]:
    """Return the files in the zip of a class; none if a zip is one student's."""
    top = path[: -len(file.suffix)]
    whole = whose(lab, path)
    items, strays = [], []
    try:
        with opened(path, file) as archive:
            for inner, member in usable(path, archive, CLASS_MEMBERS):
                inside = f"{top}/{inner}"
                found = whose(lab, inside)
                if found is None or (whole and found[0] == whole[0]):
                    strays.append(inside)
                else:
                    items.append(Item(file, member, inside, *found))
    except Unreadable as error:
        if not re.search(MARK, path):
            tell(told, f"{error}: if it is the zip of the class, download it again")
        return []
    if not items:
        if re.match(OF_A_PLATFORM, path):
            tell(told, f"{path} has the name of a class's zip, but no student's name is in it")
        return []
    for item in items:
        if could_be_anybodys(lab, item.path):
            tell(told, f"{path} counts as ILIAS's zip of a class. If it is one student's own, name"
                 f" it after the student: ada_{lab}.zip")  # fmt: skip
        if PurePosixPath(item.path).suffix.lower() == ".zip":
            with suppress(Unreadable):
                tell_doubts(told, lab, item.path, item.student, names_in(item.read()))
        else:
            tell_doubts(told, lab, item.path, item.student, [item.path])
    for inside in strays:
        stray(told, path, inside)
    return items


def names_in(zipped: Path | bytes, nested: int = 1) -> list[str]:
    """Return the paths in a zip, and in zips in it; none if it cannot be opened."""
    source = zipped if isinstance(zipped, Path) else io.BytesIO(zipped)
    found = []
    with suppress(Exception), zipfile.ZipFile(source) as archive:  # damaged: its row says so
        for member in archive.infolist()[:MAX_MEMBERS]:
            found.append(member.filename)
            if nested and member.filename.lower().endswith(".zip") and member.file_size < MAX_FILE:
                inner = names_in(archive.read(member), nested - 1)
                found += [f"{member.filename[:-4]}/{name}" for name in inner]
    return found[:MAX_MEMBERS]


def tell_doubts(told: dict[str, None], lab: str, path: str, student: str, names: list[str]) -> None:
    """Tell of a file that counts as one student's, though there are others' names in it.

    Somebody may hand in for somebody else; or the zip of a class was renamed, or packed again.
    """
    top = re.sub(r"\.zip$", "", path.split("/")[0], flags=re.IGNORECASE)
    if re.search(MARK, student):
        tell(told, f"{path}: two students may be named in it; counts as {plain_name(student)}")
    inside = [name.removeprefix(f"{top}/") for name in names]
    named = {part for name in inside for part in name.split("/")[:4] if re.search(MARK, part)}
    others = {re.split(MARK, part)[0] for part in named} - {student, ""}
    several = {
        found[0] for name in inside if (found := owner_and_rest(lab, name)) and level(name, lab)
    }
    if others and not re.search(MARK, top):
        line = f"{top}: in it are files named as other students', and all counts as {student}'s. If"
        line += " this is Moodle's zip of the class, put it into archive/ as it was, with its own"
        tell(told, f"{line} name (...-77.zip)")
    elif others:
        tell(told, f"{path}: in it are files named as other students'; counts as {student}'s")
    elif len(several) > 1 and not re.search(MARK, top):
        tell(told, f"{top}: several names are in it, and all counts as {student}'s. If this is a"
             " class, put what is in it into archive/ itself")  # fmt: skip


def stray(told: dict[str, None], source: str, path: str) -> None:
    """Tell of a notebook or zip that belongs to nobody: a few, there may be thousands."""
    if path != source and not path.lower().endswith((".ipynb", ".zip")):
        return
    why = "not collected, because its name says no student or another lab"
    before = sum(line.startswith(why) for line in told)
    if before < SHOWN:
        tell(told, f"{why}: {path}")
    else:
        tell(told, f"not collected either: more such files in {source}")


def tell(told: dict[str, None], line: str) -> None:
    """Note a line for the instructor, once."""
    told[printable(line)] = None


def printable(text: str) -> str:
    """Return a student's text for the terminal: nothing moves the cursor or turns the writing.

    >>> printable("ada\\x1b[2J")
    'ada\ufffd[2J'
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


# --- which copy counts ----------------------------------------------------------------------------


def hand_in(folder: Path, lab: str, student: str, items: list[Item], told: dict[str, None]) -> None:
    """Write a student's files into a folder; the one that counts becomes `lab`.ipynb or .zip."""
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    left, counts = MAX_UNPACKED, None
    versions = dict[str, str]()  # SHA-256 -> path, of what could have counted as well
    for number, item in enumerate(sorted(items, key=lambda item: rank(item, lab), reverse=True)):
        try:
            data = item.read()
        except (Unreadable, OSError) as error:
            tell(told, f"{item.path}: {error}: download it again")
            (folder / f"{safe(item.rest)} (damaged)").touch()
            continue
        if (left := left - len(data)) < 0:
            tell(
                told, f"{student} has handed in more than {MAX_UNPACKED >> 20} MB: not all is kept"
            )
            break
        suffix = suffix_of(item, data)
        name = f"earlier-{number}-{safe(item.rest)}"
        if counts is None:
            counts, name = item, f"{lab}{suffix}" if suffix else safe(item.rest)
        (folder / name).write_bytes(data)
        if suffix == ".zip" or (suffix and level(item.rest, lab)):
            versions.setdefault(hashlib.sha256(data).hexdigest(), item.path)
        if suffix == ".zip":
            tell_copies(told, lab, student, item, data)
        if suffix == ".zip" and item.member is None:
            unpack(folder / name, data, lab)
    if counts is not None:
        tell_choice(told, lab, student, counts, list(versions.values()))
        note_time(folder, counts)


def note_time(folder: Path, item: Item) -> None:
    """Note when a file was handed in, where nbgrader looks for it: late hand-ins go by that.

    Nothing is noted of a file that somebody has put into archive/: its time is that of the copy.
    """
    told_by_platform = item.said or any(pattern.search(item.path) for pattern, _ in ATTEMPTS)
    if (item.member is not None or told_by_platform) and (seconds := item.when()) > 0:
        when = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f %Z")
        (folder / "timestamp.txt").write_text(when, encoding="utf-8")


def unpack(file: Path, data: bytes, lab: str) -> None:
    """Put the notebook that counts in a zip in the zip's place, if there is one."""
    with suppress(Unreadable):
        file.with_suffix(".ipynb").write_bytes(best_in(file.name, data, lab)[1])
        file.unlink()


def rank(item: Item, lab: str) -> tuple:
    """Order a student's files: the last one counts.

    First what may be a notebook, then the lab's own name, then the time: never the order of a
    folder.
    """
    likely = item.rest.lower().endswith((".ipynb", ".zip"))
    if not likely:
        with suppress(Unreadable, OSError):
            likely = bool(kind_of(item.read(HEAD)))
    at = item.file.stat().st_mtime
    return likely, level(item.rest, lab), item.when(), best_last(item.rest)[:2], at, item.path


def suffix_of(item: Item, data: bytes) -> str:
    """Say what a file is: ".ipynb", ".zip", or "" for anything else. Its content decides.

    A document of an office program is a zip, too, and is shown under its own name.
    """
    kind, suffix = kind_of(data[:HEAD]), PurePosixPath(item.rest).suffix.lower()
    if suffix == ".zip" or (kind == "zip" and suffix in ("", ".ipynb")):
        return ".zip"
    notebook = kind == "json" and has_cells(data)
    return ".ipynb" if notebook or suffix == ".ipynb" else ""


def safe(path: str) -> str:
    """Return the name of a student's file so that any file system takes it.

    >>> safe("a/../..\\\\b\\0.txt"), safe("..")
    ('b�.txt', '_')
    """
    name = printable(re.split(r"[/\\]", path)[-1]).translate(str.maketrans(':*?"<>|', "_______"))
    return shortened(name.lstrip(".")) or "_"


def tell_copies(told: dict[str, None], lab: str, student: str, item: Item, data: bytes) -> None:
    """Tell of a zip with several different notebooks that are named for the lab."""
    with suppress(Unreadable), opened(item.path, data) as archive:
        named = {m.CRC: p for p, m in usable(item.path, archive)
                 if level(p, lab) and p.lower().endswith(".ipynb")}  # fmt: skip
        if len(named) > 1:
            some = ", ".join(list(named.values())[-SHOWN:])
            tell(told, f"{student}: in {item.path} are {len(named)} different notebooks of the lab"
                 f" ({some}); the best name counts, then the latest")  # fmt: skip


def tell_choice(
    told: dict[str, None], lab: str, student: str, counts: Item, versions: list[str]
) -> None:
    """Tell which file counts, if that is not plain."""
    if not level(counts.rest, lab) and not counts.rest.lower().endswith(".zip"):
        tell(told, f"{counts.path} is not named for {lab}; it counts as {student}'s")
    others = [path for path in versions if path != counts.path]
    if len(versions) > 1:
        when = datetime.fromtimestamp(counts.when()).strftime("%Y-%m-%d %H:%M")
        tell(told, f"{student} has handed in {len(versions)} versions that differ:"
             f" {source_of(counts)} of {when} counts, not {', '.join(others[:SHOWN])}")  # fmt: skip


def source_of(item: Item) -> str:
    """Say where a file came from: its path, and the zip of the class if it was in one."""
    return item.path if item.member is None else f"{item.path} (in {item.file.name})"
