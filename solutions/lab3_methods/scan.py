"""Known answers to lab 3's open task: `python -m solutions.lab3_methods.scan` measures them.

Each is a sparsity and a learning rate for each of 36 steps. All are followed on the same batches,
with three seeds; the accuracy is measured on the embedded test images, which decide on nothing.
"""

from __future__ import annotations

import json

import torch
from tqdm import tqdm

from pruninglab import checkpoints, data
from pruninglab.checks import schedules
from pruninglab.files import write
from pruninglab.terminal import accept_any_text
from pruninglab.training import accuracy
from solutions.lab3_methods.exercises import choose_schedule

FILE = checkpoints.ASSETS / "methods-schedules.json"
SEEDS = (0, 1, 2)


def known(steps: int = schedules.STEPS, final: float = schedules.FINAL) -> dict[str, list]:
    """Name -> plan. Rates are those of the reference, where the name says nothing else."""
    cubic = schedules.reference(steps, final)
    rates = [lr for _, lr in cubic]
    done = [(step + 1) / steps for step in range(steps)]
    sparsities = {
        "at once, in the first step": steps * [final],
        "in 6 rounds of one step": [1 - (1 - final) ** min(1, 6 * d) for d in done],
        "2 rounds": [final if d > 1 / 3 else 1 - (1 - final) ** 0.5 for d in done],
        "linear": [final * d for d in done],
        "at once, in the last step": [*(steps - 1) * [0.0], final],
    }
    plans = {name: list(zip(row, rates, strict=True)) for name, row in sparsities.items()}
    plans["at once, rates that fall to zero"] = choose_schedule(steps, final)
    plans["at once, a low rate held"] = [(final, rates[-1]) for _ in done]
    plans["at once, a high rate held"] = [(final, 0.1) for _ in done]
    return {"reference: cubic": cubic, **plans}


def main() -> None:
    """Record the accuracies; a minute or two."""
    accept_any_text()
    torch.set_num_threads(1)
    test, rows = data.subset("test"), {}
    for name, plan in tqdm(known().items(), unit="schedule"):
        rows[name] = [round(accuracy(schedules.follow(plan, s), test), 4) for s in SEEDS]
        tqdm.write(f"{name:<36}" + " ".join(f"{a:.1%}" for a in rows[name]))
    record = {"seeds": SEEDS, "images": len(test), "accuracies": rows}
    write(FILE, json.dumps({**record, "machine": checkpoints.machine()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
