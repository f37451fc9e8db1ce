"""What a fresh run says of a notebook: which exercises are done, and what keeps the others back."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from nbformat import NotebookNode

from pruninglab.notebook import bound, grade_id, place, used
from pruninglab.overview.manifest import points_of
from pruninglab.overview.progress import so_far
from pruninglab.student.causes import causes
from pruninglab.student.completeness import structure, unchanged, unwritten
from pruninglab.student.findings import Finding
from pruninglab.student.fresh_run import CELL, TOO_LONG, TOTAL, Run

RESTART = "Kernel > Restart Kernel and Run All Cells..., save, then again"
FASTER = "make it faster: grading allows no more"
NO_WAITING = "make it faster, or delete it: `submit` waits no longer"


class Outcome:
    """What there is to say about a notebook that ran.

    Args:
        nb: the notebook, as it was saved.
        lab: its manifest (`overview.manifest`).
        ran: its fresh run.
    """

    def __init__(self, nb: NotebookNode, lab: dict[str, Any], ran: Run) -> None:
        self.nb, self.ran, self.points = nb, ran, points_of(lab)
        self.where = {grade_id(cell): i for i, cell in reversed(list(enumerate(nb.cells)))}
        self.unwritten = {entry["name"] for entry in unwritten(nb, lab)}
        self.causes = causes(nb, ran, self.unwritten)
        found = structure(nb, lab).items()
        wrong = [name for name, said in found if any(x.state == "wrong" for x in said)]
        self.damaged = {name.removeprefix("test_") for name in wrong}

    def limits(self) -> Iterator[Finding]:
        """Say whether it ran to its end, in the time that grading allows."""
        seconds = self.ran.seconds
        if self.ran.ended:
            text = f"a fresh run did not end: {self.ran.ended}"
            yield Finding("wrong", text, self.ran.remedy)
        else:
            text = f"runs from top to bottom in {sum(seconds.values()):.0f} s"
            yield Finding("ready", text)
        graded = {i: t for i, t in seconds.items() if grade_id(self.nb.cells[i])}
        if sum(graded.values()) > TOTAL:
            text = f"the graded cells take {sum(graded.values()):.0f} s; grading allows {TOTAL} s"
            slowest = max(graded, key=lambda i: graded[i])
            yield Finding("wrong", text, f"{place(slowest)} takes most of it: make it faster")
        yield from self.slow_helpers()

    def slow_helpers(self) -> Iterator[Finding]:
        """Cells without points that the exercises need, and that grading does not wait for."""
        for index in self.helpers():
            seconds = self.ran.seconds.get(index, 0)
            if seconds > CELL and index not in self.ran.errors:
                text = f"{place(index)} took {seconds:.0f} s, and your functions use what it makes"
                yield Finding("wrong", f"{text}; grading allows a cell {CELL} s", "make it faster")

    def helpers(self) -> list[int]:
        """Cells without points that make what the exercises use; of the lab's own only quick ones,
        such as its imports.
        """
        wanted, found = set[str](), list[int]()
        for index, cell in reversed(list(enumerate(self.nb.cells))):
            if cell.cell_type != "code":
                continue
            helps = not grade_id(cell) and bool(wanted & bound(cell.source))
            if helps:
                found.append(index)
            if helps or grade_id(cell) in self.points:
                wanted |= used(cell.source)
        return found[::-1]

    def needed(self) -> list[int]:
        """Return the exercises' own cells, and those that make what they use."""
        graded = [i for name in self.points if (i := self.where.get(name)) is not None]
        return [*graded, *self.helpers()]

    def exercises(self) -> Iterator[Finding]:
        """Say how far each exercise is, which other cells fail, and the points."""
        cells = [*map(self.exercise, self.points), *self.other_cells()]
        yield from cells
        stale = any(finding.state == "wrong" for finding in cells)
        if not stale and (where := out_of_order(self.nb)):
            yield Finding("note", f"{where}; a fresh run from top to bottom works all the same")
        done = [name for name in self.points if self.passed(name)]
        text = f"{len(done)} of {len(self.points)} checks pass: {so_far(done, self.points)}"
        yield Finding("ready" if len(done) == len(self.points) else "note", text)

    def passed(self, name: str) -> bool:
        """Say whether the check of an exercise passes."""
        check = self.where.get(f"test_{name}")
        ran = check in self.ran.seconds and check not in self.ran.errors
        return ran and unchanged(self.nb.cells[check])

    def exercise(self, name: str) -> Finding:
        """Say in a line how far an exercise is."""
        check, function = self.where.get(f"test_{name}", -1), self.where.get(name, -1)
        at = name if function < 0 else f"{name} ({place(function)})"
        if self.passed(name):
            points = self.points[name]
            return Finding("ready", f"done     {at}: {points} point{'s' * (points != 1)}")
        ran = check in self.ran.seconds
        if name in self.damaged:
            return Finding("note", f"{'wrong  ' if ran else 'not run'}  {at}: see above")
        if name in self.unwritten:
            return Finding("note", f"not yet  {at}")
        if not ran:
            return Finding("note", f"not run  {at}: the run ended before")
        if not unchanged(self.nb.cells[check]):
            return Finding("note", f"not run  {at}: its check was changed")
        if needs := self.causes[check] - {name}:
            return Finding("note", f"not yet  {at}: it needs {', '.join(sorted(needs))} first")
        return self.fails(f"wrong    {at}", function if function in self.ran.errors else check)

    def fails(self, what: str, index: int) -> Finding:
        """Report a cell that fails by itself: a problem only if it worked when it was saved."""
        exercise = grade_id(self.nb.cells[index]).removeprefix("test_")
        error = self.ran.errors[index].removeprefix(f"{exercise}: ")
        if not worked(self.nb.cells[index]):
            return Finding("note", f"{what}: {error}")
        text = f"{what}: it works in your notebook, but not in a fresh run: {error}"
        faster = FASTER if exercise else NO_WAITING
        return Finding("wrong", text, faster if error.startswith(TOO_LONG) else RESTART)

    def other_cells(self) -> Iterator[Finding]:
        """Cells without points that end with an error: by themselves, or for want of others."""
        failed = [i for i in self.causes if not grade_id(self.nb.cells[i])]
        following = [i for i in failed if self.causes[i] != {place(i)}]
        for index in (i for i in failed if i not in following):
            yield self.fails(f"{place(index)}, without points", index)
        if following:
            needed = set().union(*(self.causes[i] for i in following))
            these = ", ".join(sorted(needed)) if len(needed) <= 3 else "what is not done yet"
            some = f"{len(following)} other cells end with an error because they use"
            one = f"{place(following[0])} ends with an error because it uses"
            text = f"{one if len(following) == 1 else some} {these}: nothing to mend there"
            yield Finding("note", text)


def worked(cell: NotebookNode) -> bool:
    """Say whether a cell had run without an error when it was saved."""
    return bool(cell.get("execution_count")) and not any(
        out.output_type == "error" for out in cell.outputs
    )


def out_of_order(nb: NotebookNode) -> str:
    """Say where cells were run in another order than they are in; nothing if nowhere."""
    ran = [(i, c.execution_count) for i, c in enumerate(nb.cells) if c.get("execution_count")]
    for (i, first), (j, second) in pairwise(ran):
        if second < first:
            return f"{place(j)} was run before {place(i)}, which is above it"
    return ""
