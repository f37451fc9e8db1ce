"""What is to be judged of one submission: its cells, and the tests of the lab."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A code cell to run before the tests, or the place of a test among them.

    Attributes:
        source: its text; empty for a test.
        needed: for the functions to work.
        share: of the submission's total time that may be over when it ends.
        test: grade_id of the test.
        solution: grade_id of the solution, if it is one.
    """

    source: str
    needed: bool = True
    share: float = 1.0
    test: str = ""
    solution: str = ""


@dataclass(frozen=True)
class Test:
    """A test cell: its grade_id and its source, with the hidden tests."""

    name: str
    source: str

    @property
    def exercise(self) -> str:
        """The exercise that it belongs to."""
        return self.name.removeprefix("test_")


@dataclass(frozen=True)
class Task:
    """All that is needed to judge one submission.

    Attributes:
        steps: the code cells of the canonical notebook, without the tests.
        tests: the test cells.
        given: code of the lab that the tests may need (imports).
        files: names and contents of what lies beside the notebook.
        seed: of the hidden tests' inputs.
        reference: grade_id of a solution -> the course's own; empty if they are not to be used.
    """

    steps: tuple[Step, ...]
    tests: tuple[Test, ...]
    given: tuple[str, ...]
    files: tuple[tuple[str, bytes], ...]
    seed: int
    reference: tuple[tuple[str, str], ...] = ()
