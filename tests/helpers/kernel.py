"""A real kernel, as an editor sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

Outputs = list[dict[str, Any]]


class Kernel:
    """A kernel that began in a folder.

    Args:
        folder: where it begins.
        env: all of its environment.
    """

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder), env={"PATH": "/usr/bin:/bin", **env})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)

    def ask(self, kind: str, content: dict[str, Any], **metadata: str) -> Outputs:
        """Send a message, and return what is shown because of it."""
        message = self.client.session.msg(kind, content, metadata=metadata)
        self.client.shell_channel.send(message)
        shown: Outputs = []
        while True:
            answer = self.client.get_iopub_msg(timeout=300)
            if answer["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if answer["content"].get("execution_state") == "idle":
                return shown
            if answer["msg_type"] in ("display_data", "stream", "error"):
                shown.append(answer["content"])

    def run(self, code: str, cell: str = "") -> Outputs:
        """Run a cell."""
        said = {"cellId": cell} if cell else {}
        return self.ask("execute_request", {"code": code, "store_history": True}, **said)

    def value(self, expression: str) -> str:
        """Print something, and return it."""
        return self.run(f"print({expression})")[0]["text"].strip()

    def end(self) -> None:
        """End it."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
