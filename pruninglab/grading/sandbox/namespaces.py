"""Namespaces of its own for a process that has been forked inside the sandbox (Linux).

bubblewrap makes the outer sandbox once, around a Python that has everything imported. Each
submission gets a fork of it, and these namespaces, which keep it from that Python and from whatever
the submission before it left: private processes, /tmp, /dev/shm and IPC, and no capabilities.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from typing import NoReturn

NEW_NS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = (
    0x20000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
PRIVATE, BIND, NO_SUID, NO_DEV = 0x4000 | 0x40000, 0x1000 | 0x4000, 2, 4  # flags of mount(2)
READ_ONLY = 0x20 | 0x1000 | 1 | NO_SUID | NO_DEV | 8  # of what is mounted already (8: no programs)
NO_NEW_PRIVILEGES, DROP_BOUNDING, DUMPABLE = 38, 24, 4  # of prctl(2)
JOIN_SESSION_KEYRING = 1  # of keyctl(2)
MOST_FILES = 128  # that a process may have open; each could be a socket full of data
FILES = 20_000  # in each of /tmp and /dev/shm: the kernel keeps them in memory, empty ones too
KEYCTL = {"x86_64": 250, "aarch64": 219}


def checked(result: int, what: str) -> None:
    """Raise an `OSError` if a call of the C library failed."""
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def hide(hidden: bool = True) -> None:
    """Set whether other processes of the same user are kept from this one's memory and files.

    A fork inherits it. A process that hides cannot write its own files in /proc.
    """
    if hasattr(libc := ctypes.CDLL(None, use_errno=True), "prctl"):
        checked(libc.prctl(DUMPABLE, int(not hidden), 0, 0, 0), "prctl")


def isolate(size: int, report: int) -> int:
    """Move into namespaces of its own; the process that returns is the first one there.

    The process that called stays outside, and reports how the first one has ended.

    Args:
        size: bytes of its /tmp, and of its /dev/shm.
        report: a descriptor; the wait status is written there (see `os.waitpid`), as text.

    Returns:
        The number of its process namespace.

    Raises:
        OSError: the kernel forbids it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    checked(libc.unshare(NEW_USER | NEW_NS | NEW_PID | NEW_IPC | NEW_NET), "unshare")
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{user} {user} 1")
    write("/proc/self/gid_map", f"{group} {group} 1")
    if child := os.fork():
        report_end(child, report)
    checked(libc.mount(None, b"/", None, PRIVATE, None), "mount")
    for place in ("/tmp", "/dev/shm"):
        cover(place, size, libc)
    write("/proc/sys/user/max_user_namespaces", "0")  # another could mount anything
    if os.uname().machine in KEYCTL:  # a keyring would outlive the submission
        libc.syscall(KEYCTL[os.uname().machine], JOIN_SESSION_KEYRING, None)
    # Where the grader runs as root, root's files in it could be written: the kernel's settings.
    checked(libc.mount(None, b"/proc", None, READ_ONLY, None), "mount")
    drop_capabilities(libc)
    return int(os.readlink("/proc/self/ns/pid").strip("pid:[]"))


def report_end(child: int, report: int) -> NoReturn:
    """Wait until a child ends, write its wait status to a descriptor, and end."""
    try:
        hide()
        for descriptor in range(MOST_FILES):  # or nobody would notice that the child hangs up
            if descriptor != report:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        os.write(report, str(os.waitpid(child, 0)[1]).encode())
    finally:
        os._exit(0)


def cover(place: str, size: int, libc: ctypes.CDLL) -> None:
    """Mount an empty file system over a folder; if Python lies in the folder, it stays there."""
    inside = [p for p in {sys.prefix, sys.base_prefix} if p.startswith(f"{place}/")]
    python = {path: os.open(path, os.O_PATH) for path in inside}
    options = f"size={size},nr_inodes={FILES},mode=1777".encode()
    kind = b"tmpfs"
    checked(libc.mount(kind, place.encode(), kind, NO_SUID | NO_DEV, options), "mount")
    for path, handle in python.items():
        os.makedirs(path)
        source = f"/proc/self/fd/{handle}".encode()
        checked(libc.mount(source, path.encode(), None, BIND, None), "mount")
        os.close(handle)


def drop_capabilities(libc: ctypes.CDLL) -> None:
    """Give up all capabilities, for ever."""
    for capability in range(64):
        libc.prctl(DROP_BOUNDING, capability, 0, 0, 0)
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    checked(libc.capset(header, none), "capset")
    checked(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")


def write(path: str, text: str) -> None:
    """Write a file of /proc."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
