"""What runs inside the sandbox: a server that forks a process for each submission.

`python -m pruninglab.grading.sandbox.inside FD` imports everything once, and forks whenever it is
asked to over the socket FD. The fork gives up its rights and becomes the student's notebook (see
`student_notebook`). Nothing that it says is trusted: see `judging.judge`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import torch

from pruninglab.grading.protocol.lab_modules import import_lab
from pruninglab.grading.protocol.messages import Wire
from pruninglab.grading.protocol.rpc import Link
from pruninglab.grading.sandbox.namespaces import MOST_FILES, hide, isolate, write
from pruninglab.grading.sandbox.procfs import mapped
from pruninglab.grading.sandbox.seccomp import forbid
from pruninglab.grading.sandbox.student_notebook import StudentNotebook
from pruninglab.training import trainer  # noqa: F401 - imported once, before the fork


def set_limits(limits: Mapping[str, int]) -> None:
    """Set limits that the process cannot lift again; memory counts from what is in use now."""
    values = {
        resource.RLIMIT_AS: mapped() + limits["memory"] * 2 // 3,  # the rest is in use already
        resource.RLIMIT_NPROC: 4 * limits["processes"],  # threads count, too
        resource.RLIMIT_FSIZE: limits["disk"],
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: MOST_FILES,
    }
    for kind, value in values.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(OSError, ValueError):  # macOS does not know all of them
            resource.setrlimit(kind, (value, value))


def give_up_rights(order: Mapping[str, Any], report: int) -> int | None:
    """Move this process into namespaces of its own, and refuse it what it does not need.

    Args:
        order: see `serve`.
        report: a descriptor for how it ends; closed here.

    Returns:
        The number of its process namespace; None if it has none.
    """
    namespace = None
    hide(False)  # the namespaces are made by writing into /proc
    with contextlib.suppress(OSError):  # should memory run out, the kernel ends it before others
        write("/proc/self/oom_score_adj", "1000")
    if order["nested"]:
        with contextlib.suppress(OSError):
            namespace = isolate(order["limits"]["disk"], report)
    os.close(report)
    os.setsid()  # a group of its own: signals to its group would reach the server
    with contextlib.suppress(OSError):
        forbid()
    return namespace


def serve(connection: socket.socket, report: int, order: Mapping[str, Any]) -> None:
    """Be the process of one submission.

    Args:
        connection: to the grader.
        report: a descriptor for how the process ends (see `namespaces.isolate`).
        order: `home` (a folder to work in), `limits`, `nested` (whether to make namespaces).
    """
    namespace = give_up_rights(order, report)
    os.makedirs(order["home"], exist_ok=True)
    os.chdir(order["home"])
    sys.path.insert(0, order["home"])  # where probes.py is
    link = Link(Wire(connection), first=1)
    link.names |= StudentNotebook(link).functions()

    def hello(files: dict[str, str]) -> dict[str, int | None]:
        for name, text in files.items():
            with open(os.path.basename(name), "wb") as file:
                file.write(text.encode("latin-1"))
        import_lab(order["home"], {name: text.encode("latin-1") for name, text in files.items()})
        return {"namespace": namespace, "process": os.getpid()}

    link.names["hello"] = hello
    set_limits(order["limits"])
    warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
    while True:
        link.answer(*link.wire.receive())


def main() -> None:
    """Wait for orders; fork a process for each. No student's code runs in this process."""
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.argv[1:] = []
    hide()  # from what it will fork
    torch.set_num_threads(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    control.send(b"ready")
    while True:
        text, descriptors, _, _ = socket.recv_fds(control, 2**16, 4)
        if not text:
            return
        order = json.loads(text)
        if order["do"] == "clean":
            if order["all"]:  # everything inside the sandbox but this process
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
            control.send(b"clean")
        elif os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                serve(socket.socket(fileno=descriptors[0]), descriptors[1], order)
            finally:
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


if __name__ == "__main__":
    main()
