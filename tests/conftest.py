"""What several test modules share."""

import os

# Before torch is imported: grading forks, and OpenMP's threads do not survive a fork.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from pruninglab.grading.sandbox.bubblewrap import NoSandboxError, bubblewrap


@pytest.fixture(scope="session")
def _sandbox() -> None:
    """Skip, with the reason, where the kernel allows no sandbox: grading refuses there, too."""
    try:
        bubblewrap()
    except NoSandboxError as error:
        pytest.skip(f"no sandbox: {error}")
