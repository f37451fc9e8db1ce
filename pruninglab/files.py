"""Files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
