"""Files that are whole or not there, and the reading of what `torch.save` wrote."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

Anywhere = str | os.PathLike[str]


@contextmanager
def whole(path: Anywhere) -> Iterator[Path]:
    """Give a place to write; what is there at the end becomes `path`, unless an error came before.

    Raises:
        OSError: nothing can be written there; the message names `path` and the reason.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.txt")
    >>> with whole(path) as part:
    ...     _ = part.write_text("hello")
    >>> path.read_text(), part.exists()
    ('hello', False)
    """
    part = Path(f"{path}.{os.getpid()}.part")  # two kernels may write at once
    try:  # first, because torch.save would only say that a file of this odd name "cannot be opened"
        part.touch()
    except OSError as error:
        raise OSError(error.errno, f"cannot write here: {error.strerror}", str(path)) from None
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write(path: Anywhere, content: str | bytes) -> None:
    """Write a small file, completely or not at all. Text is written in UTF-8."""
    with whole(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


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
