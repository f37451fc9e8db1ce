"""What several test modules share."""

import os

# Before torch is imported: grading forks, and OpenMP's threads do not survive a fork.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from pruninglab.grading.sandbox.bubblewrap import NoSandboxError, bubblewrap

# The longest ones. They begin, so that no core waits in the end for the last of them.
FIRST = (
    "test_notebooks.py", "test_labs.py", "test_guides.py", "test_grading.py", "test_sandbox.py",
    "test_corpus.py", "test_systems.py", "test_runs.py", "test_attacks.py",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On several cores, let one of them run all tests of a file: they share what is expensive."""
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else 99)


@pytest.fixture(scope="session")
def _sandbox() -> None:
    """Skip, with the reason, where the kernel allows no sandbox: grading refuses there, too."""
    try:
        bubblewrap()
    except NoSandboxError as error:
        pytest.skip(f"no sandbox: {error}")
