"""Calls of the kernel that a submission cannot make (seccomp, Linux).

Most of what the namespaces forbid needs no second lock. These would get by: memory in files
without a name and in System V's shared segments, which no process need have mapped and which
therefore nobody sees; a choice of processors; and parts of the kernel that no exercise needs, and
in which holes have been found.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

# name -> its number on x86_64 and aarch64
NUMBERS = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
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
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column, AUDIT_ARCH_...
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # operations of the filter's machine
ALLOW, ERROR = 0x7FFF0000, 0x00050000  # SECCOMP_RET_...
FORBIDDEN = ERROR | 1  # EPERM
NUMBER, ARCHITECTURE = 0, 4  # where they are in what the filter looks at
X32 = 0x40000000  # numbers from here on: the same calls by other numbers
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2  # of prctl(2)


def program(machine: str) -> bytes:
    """The filter: eight bytes an instruction (code, jump if true, jump if false, operand).

    >>> len(program("x86_64")) // 8 - len(NUMBERS)
    6
    """
    column, architecture = MACHINES[machine]
    numbers = [number[column] for number in NUMBERS.values()]
    to_the_end = len(numbers) + 1  # jumps count from the next instruction
    lines = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, to_the_end + 2, architecture),  # another one has other numbers
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, to_the_end, 0, X32),
        *((EQUAL, to_the_end - 1 - i, 0, number) for i, number in enumerate(numbers)),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, FORBIDDEN),
    ]
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
