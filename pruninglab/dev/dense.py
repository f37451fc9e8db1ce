"""Recipes for the dense networks, compared on held-out images: `python -m pruninglab.dev.dense`.

`choose` compares them on 5,000 held-out training images, `show` prints the comparison.
`train --width 16 --seed 1` trains with the best of them, on the 49,000 training images outside the
embedded "val" split, reads the test set once, at the end, and leaves the network with its card in
the work folder: no network that ships is overwritten. Killed, it goes on from the last whole epoch.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from pruninglab import checkpoints, data, masks
from pruninglab.checks.ranking import highest
from pruninglab.files import write
from pruninglab.models import ResNet20, prunable
from pruninglab.terminal import accept_any_text
from pruninglab.training import accuracy, train

ASSET = checkpoints.ASSETS / "dense-recipes.json"
# Weight decay pulls BN's scale of every channel towards zero; behind the ReLU of a channel whose
# scale is nearly zero, hardly any gradient is left. So: with it and without, for both optimizers.
CANDIDATES: list[dict[str, Any]] = [
    {"peak": 0.2, "muon": 0.2, "decay_norms": False},
    {"peak": 0.2, "muon": 0.2, "decay_norms": True},
    {"peak": 0.4, "muon": 0.0, "decay_norms": False, "label_smoothing": 0.05},
    {"peak": 0.4, "muon": 0.0, "decay_norms": True, "label_smoothing": 0.05},
]
AT_ONCE = (0.6, 0.8)  # sparsities: what a recipe leaves to pruning


def zeros(model: nn.Module) -> float:
    """Share of the prunable weights that float16, in which networks ship, cannot tell from 0."""
    weights = torch.cat([w.detach().flatten() for w in prunable(model).values()])
    return (weights.half() == 0).float().mean().item()


def low_scale(model: nn.Module) -> float:
    """The size of BN's scale that 1 % of the channels are below: how close some are to dying."""
    scales = [m.weight.detach() for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    return torch.quantile(torch.cat(scales).abs(), 0.01).item()


def at_once(model: nn.Module, sparsity: float, held: data.Images, to_measure: data.Images) -> float:
    """Prune a copy at once, all magnitudes in one ranking, measure BN again; its accuracy."""
    pruned = copy.deepcopy(model)
    weights = {name: weight.detach().abs() for name, weight in prunable(pruned).items()}
    masks.apply(pruned, highest(weights, sparsity))
    update_bn(data.batches(to_measure, 125), pruned)
    return accuracy(pruned, held)


def choose(work: Path, only: list[int], epochs: int, compiled: bool = True) -> None:
    """Train candidates on 45,000 images, measure them on the 5,000 held out, write both down."""
    rest, held = data.hold_out(data.load("cifar10", "train"), per_class=500)
    for i in only:
        settings, model = CANDIDATES[i] | {"epochs": epochs}, ResNet20(16, seed=0)
        curve = train(
            model, rest, checkpoints.recipe_from(settings), seed=0, val=held, compiled=compiled,
            checkpoint=work / f"choose-{epochs}-{i}.pt",
        )  # fmt: skip
        row = settings | {
            "seed": 0, "val": round(curve[-1]["val"], 4), "zeros": round(zeros(model), 5),
            "low_scale": round(low_scale(model), 3),
            "at_once": {s: round(at_once(model, s, held, rest[:2000]), 4) for s in AT_ONCE},
        }  # fmt: skip
        others = [r for r in tried() if r | settings != r]
        write(ASSET, json.dumps([*others, row], indent=1) + "\n")
        print(row, flush=True)


def tried() -> list[dict[str, Any]]:
    """What has been compared so far: recipes with their accuracy on the held-out images."""
    return json.loads(ASSET.read_text(encoding="utf-8")) if ASSET.exists() else []


def best() -> dict[str, Any]:
    """The recipe with the highest accuracy on the held-out images.

    Raises:
        ValueError: nothing has been compared yet.
    """
    rows = tried()
    if not rows:
        raise ValueError("nothing compared yet: python -m pruninglab.dev.dense choose")
    row = max(rows, key=lambda row: row["val"])
    return next(c for c in CANDIDATES if row | c == row)


def train_best(work: Path, width: int, seed: int, epochs: int, compiled: bool = True) -> None:
    """Train a network with the best recipe; leave it in `work`, with its card."""
    place = work / f"dense-seed-{seed}"
    place.mkdir(parents=True, exist_ok=True)
    cycles = [best() | {"epochs": epochs}]
    model, made = checkpoints.train_anew(place, width, cycles, seed, compiled)
    made |= {"zeros": round(zeros(model), 5)}
    checkpoints.save_with_card(model, width, made, checkpoints.split()[1], work)


def show() -> None:
    """Print the comparison as Markdown."""
    head = " | ".join(f"{s:.0%} pruned at once" for s in AT_ONCE)
    print(f"| optimizer | decay of BN | epochs | held-out (%) | {head} | BN scale, lowest 1 % |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for row in sorted(tried(), key=lambda row: -row["val"]):
        name = "Muon for convolutions" if row["muon"] else "SGD"
        decay = "yes" if row["decay_norms"] else "no"
        pruned = [f"{100 * a:.2f}" for a in row.get("at_once", {}).values()] or ["–"] * len(AT_ONCE)
        measured = " | ".join([f"{100 * row['val']:.2f}", *pruned, f"{row['low_scale']:.3f}"])
        print(f"| {name} | {decay} | {row['epochs']} | {measured} |")


def main() -> None:
    """Command line."""
    accept_any_text()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("task", choices=("choose", "train", "show"))
    parser.add_argument("--only", type=int, nargs="+", default=list(range(len(CANDIDATES))))
    parser.add_argument("--width", type=int, nargs="+", default=[16, 8, 4])
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, help="default: 8 to choose, 40 to train")
    parser.add_argument("--threads", type=int, help="default: all cores")
    parser.add_argument("--work", type=Path, default=Path("build/train"), help="where it resumes")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    if args.task == "show":
        show()
    elif args.task == "choose":
        choose(args.work, args.only, args.epochs or 8)
    else:
        for width in args.width:
            for seed in args.seed:
                train_best(args.work, width, seed, args.epochs or 40)


if __name__ == "__main__":
    main()
