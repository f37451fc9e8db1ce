"""Calls of the kernel that a submission cannot make (seccomp, Linux).

Most of what the namespaces forbid needs no second lock. These would get by: memory that no process
has mapped and that nobody therefore counts (files without a name, shared segments, message queues,
semaphores, keys, locks of parts of files); a choice of processors; and parts of the kernel that no
exercise needs, and in which holes have been found.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys

# name -> its number on x86_64 and aarch64
NUMBERS = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "sched_setaffinity": (203, 122),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "fsopen": (430, 430),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
}
SOCKETS = {"socket": (41, 198), "socketpair": (53, 199)}
FCNTL, SETSOCKOPT = (72, 25), (54, 208)
# Python's asyncio and multiprocessing and torch's data loaders use this family; nothing in a lab
# needs another one. (A virtual machine's AF_VSOCK would reach its host from any namespace.)
FAMILIES = (int(socket.AF_UNIX),) if hasattr(socket, "AF_UNIX") else ()
LOCKS = (6, 7, 37, 38)  # F_SETLK, F_SETLKW, and the same with F_OFD_: a file has any number
BUFFERS = (
    7,
    8,
    32,
    33,
)  # SO_SNDBUF, SO_RCVBUF and the same by force: `procfs` counts the usual size
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column, AUDIT_ARCH_...
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # operations of the filter's machine
ALLOW, ERROR = 0x7FFF0000, 0x00050000  # SECCOMP_RET_...
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # where they are in what the filter looks at
X32 = 0x40000000  # numbers from here on: the same calls by other numbers
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2  # of prctl(2)
Line = tuple[int, int, int, int]  # code, lines to skip if true, lines to skip if false, operand


def refuse(error: int) -> Line:
    """End the filter: the call fails with this error."""
    return RETURN, 0, 0, ERROR | error


def refused_call(number: int) -> list[Line]:
    """Refuse a call."""
    return [(EQUAL, 0, 1, number), refuse(errno.EPERM)]


def checked_call(
    number: int, argument: int, values: tuple[int, ...], error: int, *, allowed: bool
) -> list[Line]:
    """Allow a call with these values of an argument only, or with all others.

    Args:
        number: of the call.
        argument: its place among the arguments.
        values: 32 bits are compared, as the kernel does.
        error: what a refused call fails with.
        allowed: whether the values are those that are allowed.
    """
    ends = [refuse(error), (RETURN, 0, 0, ALLOW)]
    ends = ends if allowed else ends[::-1]
    tests = [(EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    block = [(LOAD, 0, 0, ARGUMENTS + 8 * argument), *tests, *ends]
    return [(EQUAL, 0, len(block), number), *block]


def program(machine: str) -> bytes:
    """Write the filter: eight bytes a line.

    >>> len(program("x86_64")) == len(program("aarch64"))
    True
    """
    column, architecture = MACHINES[machine]
    lines = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, architecture),  # another one has other numbers
        refuse(errno.EPERM),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, X32),
        refuse(errno.EPERM),
    ]
    for numbers in NUMBERS.values():
        lines += refused_call(numbers[column])
    for numbers in SOCKETS.values():
        lines += checked_call(numbers[column], 0, FAMILIES, errno.EAFNOSUPPORT, allowed=True)
    lines += checked_call(FCNTL[column], 1, LOCKS, errno.ENOLCK, allowed=False)
    lines += checked_call(SETSOCKOPT[column], 2, BUFFERS, errno.EPERM, allowed=False)
    lines.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def forbid() -> None:
    """Forbid these calls to this process and all that it starts, for ever.

    Raises:
        OSError: the kernel has no such filters, or this is a machine whose numbers are not known.
    """
    machine = os.uname().machine
    if not sys.platform.startswith("linux") or machine not in MACHINES:
        raise OSError(f"the kernel's numbers are not known here: {sys.platform}, {machine}")
    lines = program(machine)
    buffer = ctypes.create_string_buffer(lines, len(lines))
    header = struct.pack("=H6xQ", len(lines) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((NO_NEW_PRIVILEGES, 1, 0, 0, 0), (SECCOMP, FILTER, header, 0, 0)):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
