"""Exercises that call other exercises: a wrong helper must not cost its caller the points.

A test that failed is judged once more if its exercise calls earlier ones that failed, too. This
time the course's own solutions stand in for those, in a new sandbox. Only whether the test passes
is taken from it, so no text can carry the course's solutions to the student.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pruninglab.grading.judging.judgement import Judgement
from pruninglab.grading.judging.task import Task
from pruninglab.notebook import bound, used


def wrong_helpers(task: Task, failed: Sequence[str]) -> dict[str, list[str]]:
    """Find the exercises that failed and call earlier ones that failed.

    Args:
        task: what was judged.
        failed: names of the exercises, in the lab's order.

    Returns:
        Exercise -> the earlier ones that its code uses, itself or in cells of the student's own.
    """
    sources = {step.solution: step.source for step in task.steps if step.solution}
    own = [step.source for step in task.steps if not step.solution and not step.test]
    found = {}
    for place, name in enumerate(failed):
        names = everything_used(sources.get(name, ""), own)
        earlier = [helper for helper in failed[:place] if helper in names]
        if earlier:
            found[name] = earlier
    return found


def everything_used(source: str, cells: Sequence[str]) -> set[str]:
    """The names that a cell reads, and those that the cells behind these names read."""
    names, waiting = used(source), list(cells)
    while needed := [cell for cell in waiting if bound(cell) & names]:
        waiting = [cell for cell in waiting if cell not in needed]
        names = names.union(*map(used, needed))
    return names


def with_reference(task: Task, exercise: str, helpers: Sequence[str]) -> Task:
    """The task of one exercise, with the course's own solutions of its helpers.

    Cells run, too, that only these solutions need.
    """
    own = {name: source for name, source in task.reference if name in helpers}
    cells = [step.source for step in task.steps if not step.solution and not step.test]
    names = set[str]().union(*(everything_used(source, cells) for source in own.values()))
    steps = []
    for step in task.steps:
        source = own.get(step.solution, step.source)
        steps.append(
            replace(step, source=source, needed=step.needed or bool(bound(source) & names))
        )
    tests = tuple(test for test in task.tests if test.exercise == exercise)
    return replace(task, steps=tuple(steps), tests=tests)


def with_note(found: Judgement, helpers: Sequence[str]) -> Judgement:
    """A judgement that names the helpers that do not pass their own checks."""
    names = ", ".join(f"`{name}`" for name in helpers)
    verb = "does not pass its own check" if len(helpers) == 1 else "do not pass their own checks"
    if found.passed:
        note = f"It is right: judged with the course's {names}, because yours {verb} yet.\n"
        return replace(found, text=note + found.text)
    return replace(found, text=f"{found.text}\n\nIt calls {names}, and yours {verb} yet.")
