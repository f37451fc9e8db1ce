"""Submissions judged in parallel: by processes of this machine, or by the workers of a cluster."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from itertools import islice

from pruninglab.grading.judging import worker
from pruninglab.grading.judging.judgement import Result, digest
from pruninglab.grading.judging.mark import Exam, unreadable
from pruninglab.grading.sandbox.bubblewrap import NoSandboxError
from pruninglab.grading.trouble import GradingError


def local_pool(workers: int) -> Executor:
    """Start processes that judge submissions."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, initializer=worker.prepare)


@contextmanager
def cluster_pool(address: str) -> Iterator[Executor]:
    """Use the workers of a Dask cluster; what one of them leaves when it dies, another one does.

    Raises:
        GradingError: Dask is not installed, or nobody answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise GradingError(
            "--scheduler needs Dask: pip install 'pruninglab[cluster]', here and on the workers"
        ) from None
    try:
        client = Client(address, timeout=30)
    except (OSError, ValueError) as error:
        raise GradingError(f"no Dask scheduler answers at {address}: {error}") from None
    with client, client.get_executor(pure=False, retries=3) as pool:
        yield pool


def judge_all(
    exam: Exam, waiting: Iterable[tuple[str, str, bytes, str]], pool: Executor, ahead: int
) -> Iterator[tuple[str, str, Result]]:
    """Judge submissions in parallel; only `ahead` of them are in memory at a time.

    Yields:
        student, hash of the notebook, result, in the order of completion.
    """
    waiting = iter(waiting)
    running: dict[Future, tuple[str, str]] = {}
    while True:
        for student, name, data, reason in islice(waiting, ahead - len(running)):
            future = pool.submit(worker.work, exam, name, data, reason)
            running[future] = (student, digest(name, data))
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield *running.pop(future), result_of(future, exam)


def result_of(future: Future, exam: Exam) -> Result:
    """Return what a worker found out; if it failed, a result that says so.

    Raises:
        GradingError: the workers are gone, or have no sandbox.
    """
    try:
        return future.result()
    except BrokenExecutor:
        raise GradingError(
            "a grading process was ended from outside (is there enough memory?); what is marked "
            "is kept: run the same command again to go on"
        ) from None
    except NoSandboxError as error:
        raise GradingError(f"{error} (what is marked is kept)") from None
    except Exception as error:
        return unreadable(exam, f"grading failed ({type(error).__name__}: {error})")
