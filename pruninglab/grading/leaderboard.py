"""The leaderboard of lab 7: `python -m pruninglab.grading.leaderboard FOLDER`.

FOLDER holds what students handed in: a folder per student, or files as the learning platform names
them; networks are `.npz` files of `pruninglab.networks`, in zips or not. Accuracy, compression,
MACs and time are measured here, from the networks. Whatever else lies there, a table, a record, a
file name that claims 99 %, is not read.

What it keeps out: a file is never executed nor unpickled, and one that is too large, too slow or
no ResNet-20 becomes a row with its reason. What it does not: a network that was trained or chosen
on the test images, which are public. Its accuracy would drop on other images; ask for its record.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from tqdm.auto import tqdm

from pruninglab import checkpoints, counters, data, networks
from pruninglab.grading.collecting import printable
from pruninglab.grading.handed_in import Unreadable, is_plain, members_of, read_file
from pruninglab.grading.standings import Entry, write
from pruninglab.project import in_turns
from pruninglab.training import accuracy

MOST = 3  # networks of a student
SLOWEST = 20  # times the MACs of the dense network; one four times as wide has 16


# --- what was handed in ---------------------------------------------------------------------------


def handed_in(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """(student, file name, content) of every network; without content where there is none.

    A student with nothing in it gets a line, too: (student, "", b"").
    """
    for place in sorted(folder.iterdir()):
        if place.name.startswith(".") or place.is_symlink():
            continue
        files = [place] if place.is_file() else sorted(place.rglob("*"))
        found = [(p.name, p) for p in files if is_plain(p, folder)]
        networks_of = [pair for name, path in found for pair in contents(name, path)]
        for name, content in networks_of or [("", b"")]:
            yield student_of(place), name, content


def student_of(place: Path) -> str:
    """Whose file or folder it is: its name up to what a learning platform has added."""
    name = place.stem if place.is_file() else place.name
    return name.split("_assignsubmission_")[0]


def contents(name: str, path: Path) -> list[tuple[str, bytes]]:
    """The networks in a file: itself, or those in a zip. Unreadable: its name, and nothing."""
    try:
        if path.suffix.lower() == ".npz":
            return [(name, read_file(path))]
        if path.suffix.lower() == ".zip":
            inside = members_of(name, read_file(path), {".npz": networks.LIMIT})
            return [(Path(member).name, content) for member, content in inside]
    except Unreadable:
        return [(name, b"")]
    return []


# --- measuring ------------------------------------------------------------------------------------


class Ruler:
    """Measures networks on the same images and against the same dense network."""

    def __init__(self, images: data.Images) -> None:
        self.images, self.dense = images, checkpoints.trained(16)

    def entry(self, student: str, file: str, content: bytes) -> Entry:
        """The row of a file, whatever is in it."""
        if not content:
            reason = f"{file} cannot be read" if file else "no network (.npz) was handed in"
            return Entry(student, file, reason)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "network.npz"
            path.write_bytes(content)
            try:
                return replace(
                    self.measured(student, file, networks.load(path)),
                    digest=hashlib.sha256(content).hexdigest(),
                )
            except networks.Unreadable as error:
                return Entry(student, file, str(error).removeprefix("network.npz: "))
            except Exception as error:  # one file must not stop the others
                return Entry(student, file, f"cannot be measured: {type(error).__name__}: {error}")

    def measured(self, student: str, file: str, model: nn.Module) -> Entry:
        """All numbers of a network.

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
            before / after,
        )  # fmt: skip

    def controls(self) -> list[Entry]:
        """The dense networks of the course: whole, and narrow from the start."""
        return [
            self.measured("", f"dense, {width} wide", checkpoints.trained(width))
            for width in checkpoints.WIDTHS
        ]


def measure_all(folder: Path, images: data.Images, progress: bool = True) -> list[Entry]:
    """A row for every network that was handed in, and for every student without one."""
    torch.set_flush_denormal(True)  # tiny numbers are slow on purpose or by accident
    ruler, counted, rows = Ruler(images), Counter[str](), []
    for student, file, content in tqdm(
        list(handed_in(folder)), unit="network", disable=not progress
    ):
        counted[student] += 1
        if counted[student] > MOST:
            rows.append(Entry(student, file, f"only the first {MOST} networks count"))
            continue
        rows.append(ruler.entry(student, file, content))
    torch.set_flush_denormal(False)
    return twins(rows) + ruler.controls()


def twins(rows: Sequence[Entry]) -> list[Entry]:
    """The rows; where two students handed in the same file, both names say so."""
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
    parser = argparse.ArgumentParser(description="Measure the networks of a class.")
    parser.add_argument("folder", type=Path, help="what was handed in")
    parser.add_argument("--out", type=Path, default=Path("build/leaderboard"))
    parser.add_argument(
        "--full", action="store_true", help="all 10,000 test images, not the 2,000 embedded ones"
    )
    args = parser.parse_args()
    if not args.folder.is_dir():
        parser.error(f"there is no folder {args.folder}")
    images = data.load("cifar10", "test") if args.full else data.subset("test")
    was_busy = busy()
    rows = measure_all(args.folder, images)
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
