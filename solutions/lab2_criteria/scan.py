"""The scan that lab 2's open task begins with: `python -m solutions.lab2_criteria.scan` records it.

It is what the lab measures before: each layer of the network that ships is pruned alone, by
magnitude, and the accuracy measured on held-out images, as in Li et al. 2016, figure 2.
"""

from __future__ import annotations

import json

import torch

from pruninglab import checkpoints, data
from pruninglab.files import write
from pruninglab.terminal import accept_any_text
from solutions.lab2_criteria.exercises import magnitude_scores, sensitivity

FILE = checkpoints.ASSETS / "sensitivity.json"
IMAGES = 250
SPARSITIES = [0.5, 0.8, 0.9, 0.95]


def measured(layers: list[str] | None = None) -> dict[str, dict[float, float]]:
    """Measure the scan: layer -> {sparsity: accuracy}; of all layers by default."""
    model = checkpoints.trained(16)
    scores = magnitude_scores(model)
    wanted = {name: scores[name] for name in layers or scores}
    x, y = next(data.batches(data.subset("val")[:IMAGES], IMAGES))
    scan = sensitivity(model, wanted, SPARSITIES, x, y)
    return {name: {s: round(a, 4) for s, a in row.items()} for name, row in scan.items()}


def main() -> None:
    """Record the scan; half a minute."""
    accept_any_text()
    torch.set_num_threads(1)
    record = {"images": f"the first {IMAGES} of the embedded held-out images", "scan": measured()}
    write(FILE, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
