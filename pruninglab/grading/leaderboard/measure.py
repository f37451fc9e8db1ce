"""The leaderboard of lab 7: `python -m pruninglab.grading.leaderboard.measure FOLDER`.

FOLDER is what the learning platform gives for a class: its zip, or a folder with that zip or with
what was in it; or a folder with a folder per student. Networks are `.npz` files of
`pruninglab.project.networks`, in a student's zip or not. Accuracy, compression, MACs and time are
measured here, from the networks. Whatever else is there, a table, a record, a file name that claims
99 %, is not read.

What it keeps out: a file is never executed nor unpickled, and one that is too large, too slow or
no ResNet-20 becomes a row with its reason. What it does not: a network that was trained or chosen
on the test images, which are public. Its accuracy would drop on other images; ask for its record.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import re
import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

import torch
from torch import nn
from tqdm.auto import tqdm

from pruninglab import checkpoints, counters, data
from pruninglab.grading.intake.collect import printable
from pruninglab.grading.intake.owners import owner
from pruninglab.grading.intake.read import (
    MAX_FILE,
    Unreadable,
    is_plain,
    legible,
    members_of,
    read_file,
)
from pruninglab.grading.leaderboard.copies import copy_of
from pruninglab.grading.leaderboard.standings import Entry, write
from pruninglab.models import prunable
from pruninglab.project import networks
from pruninglab.project.run import in_turns
from pruninglab.terminal import accept_any_text
from pruninglab.training import accuracy

Read = Callable[[], bytes]  # reads a file; empty if it cannot be read
ROOT, LAB = Path(__file__).parents[3], "07_project"
MOST = 3  # networks of a student
SLOWEST = 20  # times the MACs of the dense network; one four times as wide has 16


# --- what was handed in ---------------------------------------------------------------------------


def handed_in(place: Path) -> Iterator[tuple[str, str, Read]]:
    """Yield (student, file name, how to read it) of every network, one after the other.

    A student who handed in something else gets a line, too: (student, "", ...).

    Raises:
        Unreadable: `place` is a file, and no zip.
    """
    has: dict[str, bool] = {}
    for path, name, read in files(place):
        student = student_of(path)
        has[student] = has.get(student, False) or read is not None
        if read is not None:
            yield student, legible(name), read
    for student in (student for student, some in has.items() if not some):
        yield student, "", bytes


def student_of(path: str) -> str:
    """Find out whose a file is, as for a notebook: by what the platform wrote.

    >>> student_of("Lovelace Ada_12_assignsubmission_file/n.npz"), student_of("ben.npz")
    ('Lovelace Ada_12', 'ben')
    """
    text = re.sub(r"\s", " ", legible(path))
    return owner(LAB, f"{PurePosixPath(text).with_suffix('')}.zip") or text.split("/")[0]


def files(place: Path) -> Iterator[tuple[str, str, Read | None]]:
    """Yield (path, name, how to read it) of every file in a folder, or in the zip of a class.

    Of what is no network there is nothing to read, nor of an empty folder.
    """
    if not place.is_dir():
        yield from members("", place)
        return
    for path in sorted(place.rglob("*")):
        shown = str(path.relative_to(place))
        if path.parent == place and is_empty(path):
            yield f"{shown}/nothing", "", None
        elif is_plain(path, place) and path.suffix.lower() == ".zip":
            yield from members(f"{shown[:-4]}/", path)
        elif is_plain(path, place):
            is_network = path.suffix.lower() == ".npz"
            yield shown, path.name, partial(read_file, path) if is_network else None


def is_empty(path: Path) -> bool:
    """Whether it is a folder in which there is nothing that counts."""
    mine = path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
    return mine and not any(is_plain(inner, path) for inner in path.rglob("*"))


def members(top: str, file: Path) -> Iterator[tuple[str, str, Read | None]]:
    """Yield what `files` says of those in a zip, a student's own or that of a class.

    Args:
        top: where they would lie, were it unpacked.
        file: the zip.
    """
    wanted = {".npz": networks.LIMIT, ".zip": MAX_FILE, "": 1}
    try:
        for inner, content in members_of(file.name, file, wanted, in_all=math.inf):
            path, suffix = PurePosixPath(top + inner), PurePosixPath(inner).suffix.lower()
            if suffix == ".zip":
                yield from student_zip(path, content)
            else:
                yield str(path), path.name, partial(bytes, content) if suffix == ".npz" else None
    except Unreadable:
        if not top:
            raise
        yield f"{top}damaged", file.name, bytes


def student_zip(path: PurePosixPath, data: bytes) -> Iterator[tuple[str, str, Read | None]]:
    """Yield what `files` says of those in a student's zip: all of them are where the zip is."""
    yield str(path), path.name, None
    try:
        for inner, content in members_of(path.name, data, {".npz": networks.LIMIT}):
            yield str(path), PurePosixPath(inner).name, partial(bytes, content)
    except Unreadable:
        yield str(path), path.name, bytes


# --- measuring ------------------------------------------------------------------------------------


class Ruler:
    """Measures networks on the same images and against the same dense network."""

    def __init__(self, images: data.Images) -> None:
        self.images, self.dense = images, checkpoints.trained(16)

    def entry(self, student: str, file: str, read: Read) -> Entry:
        """Make the row of a file, whatever is in it."""
        content = content_of(read)
        if not content:
            reason = f"{file} cannot be read" if file else "no network (.npz) was handed in"
            return Entry(student, file, reason)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "network.npz"
            path.write_bytes(content)
            try:
                model = networks.load(path)
                found = self.measured(student, file, model)
                same = copy_of(model)
                note = f" (is {same}, of the course)" if same else ""
                digest = hashlib.sha256(content).hexdigest()
                return replace(found, file=file + note, digest=digest)
            except networks.Unreadable as error:
                return Entry(student, file, str(error).removeprefix("network.npz: "))
            except Exception as error:  # one file must not stop the others
                return Entry(student, file, f"cannot be measured: {type(error).__name__}: {error}")

    def measured(self, student: str, file: str, model: nn.Module) -> Entry:
        """Measure all numbers of a network.

        Raises:
            Unreadable: it is for other classes, or too slow.
        """
        classes, macs = len(model.get_parameter("fc.bias")), counters.macs(model)
        if classes != len(self.images.classes):
            wanted = f"{self.images.name} has {len(self.images.classes)}"
            raise networks.Unreadable(f"it tells {classes} classes apart, and {wanted}")
        if macs > SLOWEST * counters.macs(self.dense):
            raise networks.Unreadable(f"{macs:,} MACs are more than {SLOWEST} times the dense ones")
        before, after = in_turns(self.dense, model)
        gone = 1 - counters.nonzeros(model) / counters.prunable_weights(self.dense)
        return Entry(
            student, file, "", accuracy(model, self.images), gone,
            counters.compression(model, self.dense), counters.macs(self.dense) / macs,
            before / after, layers=layers(model, self.dense),
        )  # fmt: skip

    def controls(self) -> list[Entry]:
        """Measure the dense networks of the course: whole, and narrow from the start."""
        return [
            self.measured("", f"dense, {width} wide", checkpoints.trained(width))
            for width in (16, 8, 4)
        ]


def layers(model: nn.Module, dense: nn.Module) -> tuple[tuple[str, float], ...]:
    """Measure, layer by layer of the dense network, the share of weights that is gone, 0 to 1.

    A network that is wider than the dense one has negative shares.
    """
    left = {name: int(weight.count_nonzero()) for name, weight in prunable(model).items()}
    return tuple(
        (name.removesuffix(".weight"), 1 - left.get(name, 0) / weight.numel())
        for name, weight in prunable(dense).items()
    )


def content_of(read: Read) -> bytes:
    """Read a file; nothing if it cannot be read."""
    try:
        return read()
    except (Unreadable, OSError):
        return b""


def measure_all(place: Path, images: data.Images, progress: bool = True) -> list[Entry]:
    """Make a row for every network that was handed in, and for every student without one."""
    torch.set_flush_denormal(True)  # tiny numbers are slow on purpose or by accident
    ruler, counted, rows = Ruler(images), Counter[str](), []
    for student, file, read in tqdm(handed_in(place), unit=" networks", disable=not progress):
        counted[student] += 1
        if counted[student] > MOST:
            rows.append(Entry(student, file, f"only {MOST} networks of a student count"))
            continue
        rows.append(ruler.entry(student, file, read))
    torch.set_flush_denormal(False)
    return name_same_files(rows) + ruler.controls()


def name_same_files(rows: Sequence[Entry]) -> list[Entry]:
    """Return the rows; where two students handed in the same file, both names say so."""
    owners: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        owners[row.digest].add(row.student)
    named = []
    for row in rows:
        others = sorted(owners[row.digest] - {row.student}) if row.digest else []
        note = f" (the same file as {', '.join(others)})" if others else ""
        named.append(replace(row, file=row.file + note))
    return named


# --- the command ----------------------------------------------------------------------------------


def busy() -> bool:
    """Whether other programs keep this machine busy, so that times are not to be trusted."""
    return os.name == "posix" and os.getloadavg()[0] > 0.75 * (os.cpu_count() or 1)


def main() -> None:
    """Command line."""
    accept_any_text()
    parser = argparse.ArgumentParser(description="Measure the networks of a class.")
    parser.add_argument("folder", type=Path, help="what was handed in: a folder, or a zip")
    parser.add_argument("--out", type=Path, default=Path("build/leaderboard"))
    parser.add_argument(
        "--full", action="store_true", help="all 10,000 test images, not the 2,000 embedded ones"
    )
    args = parser.parse_args()
    if not args.folder.exists():
        parser.error(f"there is no folder or zip {args.folder}: give what the platform gave")
    images = data.load("cifar10", "test") if args.full else data.subset("test")
    was_busy = busy()
    try:
        rows = measure_all(args.folder, images)
    except Unreadable as error:
        parser.error(f"{error}: download it again")
    html, png = write(rows, len(images), args.out, was_busy)
    broken = [row for row in rows if row.reason]
    for row in broken:
        print(printable(f"{row.student}: {row.file or 'nothing'}: {row.reason}"))
    if was_busy:
        print("other programs kept this machine busy: do not trust the times, run it again")
    mean = statistics.fmean([r.accuracy for r in rows if not r.reason])
    print(f"{len(rows) - len(broken)} networks measured, mean accuracy {mean:.1%}\n{html}\n{png}")


if __name__ == "__main__":
    main()
