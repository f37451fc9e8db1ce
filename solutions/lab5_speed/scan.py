"""The scan that lab 5's open task begins with: `python -m solutions.lab5_speed.scan` records it.

Each free convolution of the network that ships is made narrower alone, and the accuracy measured on
held-out images, as in Li et al. 2016, figure 2(b).
"""

from __future__ import annotations

import copy
import json

import torch
from tqdm import tqdm

from pruninglab import checkpoints, counters, data
from pruninglab.files import write
from pruninglab.models import ResNet20
from pruninglab.terminal import accept_any_text
from pruninglab.training import accuracy
from solutions.lab1_structures.exercises import filter_mask, free_convs
from solutions.lab4_papers.exercises import shrink

FILE = checkpoints.ASSETS / "speed-scan.json"
IMAGES = 400
EIGHTHS = (8, 7, 6, 5, 4, 3, 2)  # of a layer's filters that it keeps


def narrower(model: ResNet20, conv: str, kept: int) -> ResNet20:
    """Make a copy in which one convolution keeps its `kept` filters of largest L1 norm."""
    network = copy.deepcopy(model)
    weight = network.get_parameter(f"{conv}.weight").detach()
    shrink(network, {conv: filter_mask(weight, 1 - kept / len(weight))})
    return network


def row(model: ResNet20, conv: str, images: data.Images) -> dict[int, float]:
    """Filters kept -> accuracy, for one convolution."""
    filters = len(model.get_parameter(f"{conv}.weight"))
    widths = [filters * eighths // 8 for eighths in EIGHTHS]
    return {w: round(accuracy(narrower(model, conv, w), images), 4) for w in widths}


def saved_per_filter(model: ResNet20, conv: str) -> int:
    """MACs of the network that each filter of a convolution costs."""
    filters = len(model.get_parameter(f"{conv}.weight"))
    return counters.macs(model) - counters.macs(narrower(model, conv, filters - 1))


def main() -> None:
    """Record the scan; a minute or two."""
    accept_any_text()
    torch.set_num_threads(1)
    model, images = checkpoints.trained(16), data.subset("val")[:IMAGES]
    convs = free_convs(model)
    record = {
        "images": f"the first {IMAGES} of the embedded held-out images",
        "scan": {conv: row(model, conv, images) for conv in tqdm(convs, unit="layer")},
        "macs": {conv: saved_per_filter(model, conv) for conv in convs},
    }
    write(FILE, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
