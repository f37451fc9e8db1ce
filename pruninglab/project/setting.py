"""What a project works on: images, a held-out part of them, and a trained network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from pruninglab import checkpoints, data
from pruninglab.models import ResNet20
from pruninglab.project import networks
from pruninglab.training import device, train

Dataset = Literal["subset", "cifar10", "cifar100"]
FOLDER = Path("my_project")  # beside the notebook
HELD_OUT = {"cifar10": 100, "cifar100": 10}  # training images per class that none is trained on


@dataclass(frozen=True)
class Task:
    """What a recipe works on: images to train on, images to choose on, the trained network."""

    images: data.Images
    val: data.Images
    dense: nn.Module
    about: str


def task(dataset: Dataset, folder: Path = FOLDER, width: int = 16, dense_epochs: int = 40) -> Task:
    """The images and the trained network.

    For CIFAR-10, embedded or whole, the network is the one that ships. For CIFAR-100 it has to be
    trained first, once: `dense_epochs` epochs by the same recipe, and it goes on when killed.

    Raises:
        ValueError: another data set than "subset", "cifar10" and "cifar100".
        DataError: the whole data set is not to be had; the message says what was tried.
    """
    if dataset not in ("subset", "cifar10", "cifar100"):
        raise ValueError(f'dataset must be "subset", "cifar10" or "cifar100", got {dataset!r}')
    if dataset == "subset":
        images, val = data.subset("train"), data.subset("val")
    else:
        images, val = data.hold_out(data.load(dataset, "train"), HELD_OUT[dataset])
    about = f"{len(images):,} training images"
    if dataset == "cifar100":
        about += f", dense {dense_epochs} epochs"
        train_dense(images, val, folder, width, dense_epochs)
    dense = dense_network(dataset, folder, width, dense_epochs).to(device())
    return Task(images, val, dense, about)


def dense_network(dataset: Dataset, folder: Path, width: int, epochs: int) -> nn.Module:
    """The network before pruning: the one that ships, or the one that `train_dense` has left."""
    if dataset == "cifar100":
        return networks.load(existing(dense_file(folder, width, epochs)))
    return checkpoints.trained(width)


def dense_file(folder: Path, width: int, epochs: int) -> Path:
    """Where the dense network for CIFAR-100 lies."""
    return folder / f"dense.cifar100.width-{width}.{epochs}-epochs.npz"


def train_dense(
    images: data.Images, val: data.Images, folder: Path, width: int, epochs: int
) -> None:
    """Train a dense ResNet-20 for the classes of these images, once."""
    path = dense_file(folder, width, epochs)
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    model = ResNet20(width, num_classes=len(images.classes)).to(device())
    recipe = checkpoints.recipe_from({**checkpoints.CHOSEN, "epochs": epochs})
    resume = path.with_suffix(".resume")
    train(model, images.to(device()), recipe, val=val.to(device()), checkpoint=resume)
    networks.save(model, path)
    resume.unlink()


def existing(path: Path) -> Path:
    """The path, if there is something."""
    if not path.exists():
        raise ValueError(f"{path} is gone: run the project again, only what is missing is computed")
    return path
