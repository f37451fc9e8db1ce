"""Read what `torch.save` wrote, and notice where it is damaged."""

from __future__ import annotations

import zipfile
from typing import Any

import torch

from pruninglab.files import Anywhere


def load_intact(path: Anywhere, device: torch.device | str = "cpu") -> Any:
    """Read what `torch.save` wrote. Unlike `torch.load`, notice where a bit is not as written.

    Raises:
        Exception: of some kind, if the file is damaged or would run code; FileNotFoundError if
            there is none.
    """
    with open(path, "rb") as file:
        with zipfile.ZipFile(file) as archive:  # torch's files are archives with checksums
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")
        file.seek(0)
        return torch.load(file, weights_only=True, map_location=device)


def load_state(path: Anywhere, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read the state of a training in the same way.

    Raises:
        ValueError: the file is damaged; the message names it and says what to do.
    """
    try:
        return dict(load_intact(path, device))
    except Exception as error:  # a damaged file fails in many ways
        raise ValueError(f"{path} is damaged or no checkpoint: move it away first") from error
