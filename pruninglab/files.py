"""Files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Anywhere = str | os.PathLike[str]


@contextmanager
def whole(path: Anywhere) -> Iterator[Path]:
    """A place to write; what was written becomes `path` at the end, unless an error came before.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.txt")
    >>> with whole(path) as part:
    ...     _ = part.write_text("hello")
    >>> path.read_text(), part.exists()
    ('hello', False)
    """
    part = Path(f"{path}.{os.getpid()}.part")  # two kernels may write at once
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write(path: Anywhere, content: str | bytes) -> None:
    """Write a small file, the whole of it or nothing. Text is written in UTF-8."""
    with whole(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
