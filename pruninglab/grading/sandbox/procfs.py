"""What processes use, as the kernel says (Linux)."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections import Counter

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")  # a second
SOCKET = 212_992  # bytes that a socket's buffer holds, unless it is made larger (see `seccomp`)
STACK = 32 * 1024  # bytes in the kernel for a thread
FIRST_TO_GO = "1000"  # oom_score_adj of every process of a sandbox (see `inside`)


def text_of(name: str) -> str:
    """Text of a file in /proc; a process may put any bytes into its own name.

    Raises:
        OSError: the process has ended.
    """
    with open(f"/proc/{name}", encoding="utf-8", errors="replace") as file:
        return file.read()


def mapped() -> int:
    """Bytes of addresses that this process has; 0 where the kernel does not say."""
    with contextlib.suppress(OSError):
        return int(text_of("self/statm").split()[0]) * PAGE
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
    return text_of(f"{process}/stat").rpartition(")")[2].split()  # its name may contain anything


def exceeds(members: list[int], most: int) -> bool:
    """Tell whether the processes of a sandbox use more than so many bytes of memory.

    What the kernel holds for them counts too: sockets' buffers, threads' stacks, page tables.
    """
    kernel = sum(map(kernel_memory_of, members)) + sockets_of(members) * SOCKET
    if kernel + sum(map(memory_of, members)) <= most:
        return False
    return kernel + sum(map(share_of, members)) > most


def memory_of(process: int) -> int:
    """Bytes of a process that are no files; pages shared with others count in each."""
    with contextlib.suppress(OSError):
        return kilobytes(text_of(f"{process}/status"), "RssAnon:", "RssShmem:")
    return 0


def share_of(process: int) -> int:
    """The same, shared pages divided among those that share them (slower)."""
    with contextlib.suppress(OSError):
        return kilobytes(text_of(f"{process}/smaps_rollup"), "Pss_Anon:", "Pss_Shmem:")
    return 0


def kernel_memory_of(process: int) -> int:
    """Bytes of a process's page tables, and of its threads' stacks in the kernel."""
    with contextlib.suppress(OSError):
        text = text_of(f"{process}/status")
        threads = re.search(r"^Threads:\s+(\d+)", text, flags=re.M)
        return kilobytes(text, "VmPTE:") + STACK * (int(threads.group(1)) if threads else 0)
    return 0


def sockets_of(members: list[int]) -> int:
    """How many sockets a network namespace has, those on their way in messages included."""
    for process in members:
        with contextlib.suppress(OSError):
            return int(text_of(f"{process}/net/sockstat").split()[2])  # "sockets: used 7"
    return 0


def memory_left() -> int:
    """Bytes of memory that the machine could still give."""
    with contextlib.suppress(OSError):
        return kilobytes(text_of("meminfo"), "MemAvailable:")
    return sys.maxsize


def heaviest_sandbox() -> int | None:
    """The process namespace of the sandbox on this machine that uses the most memory.

    Each grading process watches its own sandbox, so each must find out whose turn it is.
    """
    sizes = sandbox_sizes()
    return max(sizes, key=lambda namespace: sizes[namespace], default=None)


def sandbox_sizes() -> Counter[int]:
    """Process namespace of each sandbox on this machine -> bytes of its processes."""
    sizes = Counter[int]()
    ours = os.readlink("/proc/self/ns/pid")
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            namespace = os.readlink(f"/proc/{name}/ns/pid")
            if namespace != ours and text_of(f"{name}/oom_score_adj").strip() == FIRST_TO_GO:
                sizes[int(namespace.strip("pid:[]"))] += memory_of(int(name))
    return sizes


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
