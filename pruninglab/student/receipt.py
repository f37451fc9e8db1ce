"""What a student hands in, as one zip, and its receipt: the SHA-256 of the notebook inside."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pruninglab.files import write


def digest(data: bytes) -> str:
    """Return the receipt of a notebook: its SHA-256."""
    return hashlib.sha256(data).hexdigest()


def pack(file: Path, data: bytes, name: str) -> tuple[Path, str]:
    """Write the zip and the receipt; the same notebook makes the same bytes.

    Args:
        file: the notebook.
        data: its content.
        name: the student's, to begin the file's name with; may be empty.

    Returns:
        The zip's path, and the receipt. It is in handin/, beside labs/ or beside the notebook.

    Raises:
        OSError: nothing can be written there.
    """
    lab, receipt = file.stem, digest(data)
    note = json.dumps({"lab": lab, "notebook": file.name, "sha256": receipt}, indent=1) + "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, content in ((file.name, data), ("receipt.json", note.encode())):
            archive.writestr(zipfile.ZipInfo(inside, (2026, 1, 1, 0, 0, 0)), content)
    beside = file.parent if file.parent.parent.name != "labs" else file.parent.parent.parent
    folder = beside / "handin"
    folder.mkdir(exist_ok=True)
    target = folder / f"{name}{'_' if name else ''}{lab}.zip"
    write(target, buffer.getvalue())
    write(target.with_suffix(".receipt.json"), note)
    return target, receipt


def receipts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the receipt of a notebook, or of each notebook in a zip, with its name.

    Raises:
        OSError, zipfile.BadZipFile: it cannot be read.
    """
    if path.suffix.lower() != ".zip":
        yield digest(path.read_bytes()), str(path)
        return
    with zipfile.ZipFile(path) as archive:
        for inside in archive.namelist():
            if inside.endswith(".ipynb"):
                yield digest(archive.read(inside)), f"{path}: {inside}"
