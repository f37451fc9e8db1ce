"""How the embedded images were made: `python -m pruninglab.dev.embed` writes the same files."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from pruninglab.data import Images, load
from pruninglab.terminal import accept_any_text

PACKAGE = Path(__file__).parents[1]
ASSETS = PACKAGE / "assets"
UNSEEN = PACKAGE / "grading" / "unseen" / "cifar10.webp"  # in no student's bundle
COLUMNS = 40  # images side by side in a sheet


def of_each_class(images: Images, count: int, last: bool = False, after: int = 0) -> Images:
    """Take the first (or last) `count` images of each class, the classes in turn.

    Args:
        after: so many of the first ones of each class are passed over.

    >>> pixels = torch.zeros(6, 3, 32, 32, dtype=torch.uint8)
    >>> labels = torch.tensor([1, 0, 0, 1, 1, 0])
    >>> of_each_class(Images(pixels, labels, ("cat", "dog")), 2).labels
    tensor([0, 1, 0, 1])
    """
    places = [(images.labels == k).nonzero().flatten() for k in range(len(images.classes))]
    chosen = [p[-count:] if last else p[after : after + count] for p in places]
    return images[torch.stack(chosen, dim=1).flatten()]  # (count, classes) -> (count * classes,)


def write_sheet(images: Images, path: Path) -> None:
    """Write all images as one lossless WebP picture, `COLUMNS` in a row."""
    grid = images.pixels.view(-1, COLUMNS, 3, 32, 32).permute(0, 3, 1, 4, 2)  # (r, y, c, x, rgb)
    sheet = grid.reshape(-1, COLUMNS * 32, 3)
    Image.fromarray(sheet.numpy()).save(path, lossless=True, quality=100, method=6)


def main() -> None:
    """Write the three sheets that ship, and the one that only grading has."""
    accept_any_text()
    train, test = load("cifar10", "train"), load("cifar10", "test")
    write_sheet(of_each_class(train, 400), ASSETS / "cifar10-train.webp")
    write_sheet(of_each_class(train, 100, last=True), ASSETS / "cifar10-val.webp")
    write_sheet(of_each_class(test, 200), ASSETS / "cifar10-test.webp")
    write_sheet(of_each_class(test, 80, after=200), UNSEEN)


if __name__ == "__main__":
    main()
