"""What processes use, as the kernel says (Linux)."""

from __future__ import annotations

import contextlib
import os

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")  # a second


def mapped() -> int:
    """Bytes of addresses that this process has; 0 where the kernel does not say."""
    with contextlib.suppress(OSError), open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * PAGE
    return 0


def inside(namespace: int) -> list[int]:
    """The processes of a process namespace."""
    members = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{name}/ns/pid") == f"pid:[{namespace}]":
                    members.append(int(name))
    return members


def namespace_below(process: int) -> int | None:
    """The process namespace of a child of a process, if it is another one than ours."""
    mine = os.readlink("/proc/self/ns/pid")
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            found = os.readlink(f"/proc/{name}/ns/pid")
            if found != mine and fields_of(int(name))[1] == str(process):
                return int(found.strip("pid:[]"))
    return None


def fields_of(process: int) -> list[str]:
    """/proc/<process>/stat from its third field (the state) on; see proc(5).

    Raises:
        OSError: it has ended.
    """
    with open(f"/proc/{process}/stat") as file:
        return file.read().rpartition(")")[2].split()  # its name may contain anything


def memory_of(process: int) -> int:
    """Bytes of a process that are no files; pages shared with others count in each."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/status") as file:
        return kilobytes(file.read(), "RssAnon:", "RssShmem:")
    return 0


def share_of(process: int) -> int:
    """The same, shared pages divided among those that share them (slower)."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/smaps_rollup") as file:
        return kilobytes(file.read(), "Pss_Anon:", "Pss_Shmem:")
    return 0


def kilobytes(text: str, *names: str) -> int:
    """Bytes in the lines with these names.

    >>> kilobytes("RssAnon: 2 kB\\nRssFile: 9 kB\\nRssShmem: 1 kB", "RssAnon:", "RssShmem:")
    3072
    """
    lines = [line.split() for line in text.splitlines()]
    return sum(1024 * int(parts[1]) for parts in lines if parts and parts[0] in names)


def seconds_of(process: int) -> float:
    """Processor time of a process, and of those it has waited for."""
    with contextlib.suppress(OSError):
        return sum(map(int, fields_of(process)[11:15])) / TICKS
    return 0.0
