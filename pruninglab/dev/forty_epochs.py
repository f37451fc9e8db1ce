"""The published accuracy of ResNet-20 in 40 epochs instead of 164 to 200: `make fast`.

`python -m pruninglab.dev.forty_epochs choose` compares optimizers on 5,000 held-out training
images, `run` trains with the better one, a few seeds, on the 49,000 training images outside the
embedded "val" split, and reads the test set once per seed, at the end; `show` prints what came
out. Killed, all of them go on where they were.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pruninglab import checkpoints, data
from pruninglab.models import ResNet20
from pruninglab.plots import plus_minus
from pruninglab.terminal import accept_any_text
from pruninglab.training import accuracy, train

EPOCHS = 40
# "muon": the learning rate of the convolutions over that of the rest; 0 is SGD for all.
CANDIDATES: list[dict[str, Any]] = [
    checkpoints.CHOSEN | {"muon": 0.0},
    {"peak": 0.2, "weight_decay": 5e-4, "label_smoothing": 0.0, "muon": 0.2},
]
ASSET = checkpoints.ASSETS / "fast.json"


def trained(
    settings: dict[str, Any], seed: int, images: data.Images, val: data.Images, path: Path
) -> tuple[ResNet20, list[dict[str, float]]]:
    """Train a network with these settings; return it and its curve."""
    model = ResNet20(16, seed=seed)
    recipe = checkpoints.recipe_from(settings)
    curve = train(model, images, recipe, seed=seed, val=val, checkpoint=path, compiled=True)
    return model, curve


def choose(work: Path, epochs: int = 8) -> None:
    """Compare the candidates on 5,000 held-out training images."""
    rest, held = data.hold_out(data.load("cifar10", "train"), per_class=500)
    rows = []
    for i, candidate in enumerate(CANDIDATES):
        settings = candidate | {"epochs": epochs}
        _, curve = trained(settings, 0, rest, held, work / f"fast-choose-{i}.pt")
        rows.append(settings | {"seed": 0, "val": curve[-1]["val"]})
    write({"compared": rows})


def best() -> dict[str, Any]:
    """Find the settings with the highest accuracy on the held-out images.

    Raises:
        ValueError: nothing has been compared yet.
    """
    rows = record().get("compared", [])
    if not rows:
        raise ValueError("nothing compared yet: python -m pruninglab.dev.forty_epochs choose")
    row = max(rows, key=lambda row: row["val"])
    return {key: row[key] for key in CANDIDATES[0]}


def run(work: Path, seeds: list[int], epochs: int = EPOCHS) -> None:
    """Train with the best settings; each seed is written down as soon as it is done."""
    images, val = data.hold_out(data.load("cifar10", "train"), per_class=100)
    test, settings = data.load("cifar10", "test"), best() | {"epochs": epochs}
    for seed in seeds:
        model, curve = trained(settings, seed, images, val, work / f"fast-{epochs}-{seed}.pt")
        row = settings | {"seed": seed, "test": accuracy(model, test), "curve": curve}
        others = [r for r in record().get("runs", []) if r["seed"] != seed]  # as of now
        runs = [*others, row | {"machine": checkpoints.machine()}]
        write({"runs": sorted(runs, key=lambda row: row["seed"])})
        print(f"seed {seed}: test {row['test']:.2%}", flush=True)


def record() -> dict[str, Any]:
    """Read what has been measured so far."""
    return json.loads(ASSET.read_text(encoding="utf-8")) if ASSET.exists() else {}


def write(news: dict[str, Any]) -> None:
    """Add to the record."""
    ASSET.write_text(json.dumps(record() | news, indent=1) + "\n", encoding="utf-8")


def show() -> None:
    """Print both comparisons as Markdown."""
    print("| optimizer | epochs | accuracy on 5,000 held-out images (%) |\n|---|---:|---:|")
    for row in record().get("compared", []):
        name = "Muon for convolutions" if row["muon"] else "SGD"
        print(f"| {name} | {row['epochs']} | {100 * row['val']:.2f} |")
    runs = record().get("runs", [])
    if runs:
        tests = plus_minus([row["test"] for row in runs])
        seeds = ", ".join(str(row["seed"]) for row in runs)
        print(f"\n{runs[0]['epochs']} epochs, seeds {seeds}: test accuracy {tests} %")


def main() -> None:
    """Run what the command line asks for."""
    accept_any_text()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("task", choices=("choose", "run", "show"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--work", type=Path, default=Path("build/train"), help="where it resumes")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.task == "choose":
        choose(args.work)
    elif args.task == "run":
        run(args.work, args.seeds, args.epochs)
    show()


if __name__ == "__main__":
    main()
