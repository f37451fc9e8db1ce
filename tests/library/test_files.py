"""Files are whole or not there, also when two processes write one, or writing fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pruninglab import masks
from pruninglab.files import whole, write


def test_what_fails_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path) -> None:
    write(path := tmp_path / "a.txt", "before")

    def killed() -> None:
        with whole(path) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_text_and_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    write(tmp_path / "text", "ä\n")
    write(tmp_path / "bytes", b"\xff\r\n")
    assert (tmp_path / "text").read_bytes() == "ä\n".encode()
    assert (tmp_path / "bytes").read_bytes() == b"\xff\r\n"


def test_two_processes_do_not_take_each_others_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    with whole(path) as mine:
        monkeypatch.setattr("os.getpid", lambda: -1)
        write(path, "theirs")
        mine.write_text("mine")
    assert path.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_named_with_the_reason(tmp_path: Path) -> None:
    """As root may write anywhere, permissions are not tried; the ways through the code are one."""
    (tmp_path / "file").write_text("x")
    cases = {
        tmp_path / "missing" / "a.pt": (FileNotFoundError, "No such file or directory"),
        tmp_path / "file" / "a.pt": (NotADirectoryError, "Not a directory"),
        tmp_path / ("long" * 100): (OSError, "File name too long"),
    }
    for path, (kind, reason) in cases.items():
        with pytest.raises(kind, match=f"cannot write here: {reason}.*{path.name}"):
            masks.save(path, {"w": torch.ones(1).bool()})
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
