"""Download a large file so that it survives a bad network: resumed, checked, then renamed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm.auto import tqdm

from pruninglab.cifar.formats import checksum

CONNECT, STALL = 10, 30  # seconds until a host that does not answer, or falls silent, is given up
TRIAL = 20  # seconds after which a download may be found too slow
NPM_PATIENCE = 60  # seconds for npm to look up a package


class DownloadError(RuntimeError):
    """A source did not deliver; the message says why."""


class TooSlow(DownloadError):
    """A source delivers, but would take too long."""


def fetch(url: str, target: Path, expected: str, min_rate: float = 0.0) -> Path:
    """Download `url` to `target`, which appears whole and verified, or not at all.

    What an earlier attempt left in `target`.part is not fetched again.

    Args:
        expected: its published MD5 or SHA-1 sum.
        min_rate: give up if fewer bytes per second arrive; 0 means any rate will do.

    Raises:
        DownloadError: no answer, an HTTP error, a stall, or a wrong checksum (then the part is
            deleted; otherwise it stays for the next attempt).
        TooSlow: slower than `min_rate`; the part stays.
        OSError: the disk is full or read-only.
    """
    if target.is_file() and checksum(target, expected) == expected:
        return target
    part = target.with_name(target.name + ".part")
    best = -1
    while (have := _size(part)) > best:  # try again as long as it gets further
        best = have
        try:
            _transfer(url, part, min_rate)
            break
        except requests.RequestException as error:
            failure = DownloadError(_reason(url, error))
            failure.__cause__ = error
    else:
        raise failure
    got = checksum(part, expected)
    if got != expected:
        part.unlink()
        raise DownloadError(f"what {_host(url)} sent has the checksum {got}, not {expected}")
    os.replace(part, target)
    return target


def _transfer(url: str, part: Path, min_rate: float) -> None:
    """One request; appends to `part` if the host can go on from there, else starts again."""
    have = _size(part)
    # identity: a compressed answer could not be resumed by position
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT, STALL)) as answer:
        if answer.status_code == 416:  # nothing after `have`: complete, the checksum will tell
            return
        answer.raise_for_status()
        start = have if _continues(answer, have) else 0
        total = start + int(answer.headers.get("Content-Length", 0)) or None
        bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=part.stem)
        with bar, part.open("ab" if start else "wb") as file:
            began = time.monotonic()
            for chunk in answer.iter_content(1 << 14):  # small: a broken one is lost
                bar.update(file.write(chunk))
                seconds = time.monotonic() - began
                if seconds > TRIAL and bar.n - start < min_rate * seconds:
                    rate = (bar.n - start) / seconds / 1000
                    raise TooSlow(f"{_host(url)} sends only {rate:.0f} kB/s")


def _continues(answer: requests.Response, have: int) -> bool:
    begins = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
    return answer.status_code == 206 and begins


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _reason(url: str, error: requests.RequestException) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{_host(url)} answered {error.response.status_code} {error.response.reason}"
    if "timed out" in str(error).lower():
        return f"{_host(url)} sent nothing for {CONNECT} to {STALL} seconds"
    return f"the connection to {_host(url)} failed ({str(error)[:200]})"


def npm_tarball(package: str) -> tuple[str, str]:
    """Ask the registry that npm is set up for: the address and SHA-1 sum of a package's tarball.

    npm's own download is not used: it cannot go on where it was broken off.

    Raises:
        DownloadError: npm is not installed, fails, or does not answer.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DownloadError("npm is not installed")
    command = [npm, "view", package, "dist", "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=NPM_PATIENCE)
        about = json.loads(done.stdout)
        return about["tarball"], about["shasum"]
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"npm did not answer within {NPM_PATIENCE} seconds") from error
    except (ValueError, KeyError, TypeError) as error:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise DownloadError(f"npm failed: {' / '.join(lines[-3:])}") from error
