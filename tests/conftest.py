"""What several test modules share."""

import os

# Before torch is imported: grading forks, and OpenMP's threads do not survive a fork.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from pruninglab.grading.sandbox.bubblewrap import NoSandboxError, bubblewrap

NOTEBOOKS = "test_notebooks.py"
# The longest ones. They begin, so that no core waits in the end for the last of them.
FIRST = (
    NOTEBOOKS, "test_labs.py", "test_guides.py", "test_grading.py", "test_sandbox.py",
    "test_corpus.py", "test_attacks.py", "test_systems.py", "test_runs.py",
)  # fmt: skip


class ByFile(LoadScopeScheduling):
    """On several cores, one of them runs all tests of a file: they share what is expensive."""

    def _split_scope(self, nodeid: str) -> str:
        # Minutes for each notebook, and nothing that they share.
        return nodeid if NOTEBOOKS in nodeid else nodeid.split("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes
        items.sort(key=lambda x: FIRST.index(x.path.name) if x.path.name in FIRST else len(FIRST))


@pytest.fixture(scope="session")
def _sandbox() -> None:
    """Skip, with the reason, where the kernel allows no sandbox: grading refuses there, too."""
    try:
        bubblewrap()
    except NoSandboxError as error:
        pytest.skip(f"no sandbox: {error}")
