"""How the dense networks that ship were trained: `python -m pruninglab.dev.dense`.

`choose` compares recipes on 5,000 held-out training images; `train --width 16 --seed 1` trains with
the best of them on the 49,000 training images outside the embedded "val" split, and reads the test
set once, at the end; `show` prints the comparison. Killed, it goes on from the last whole epoch.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pruninglab import checkpoints, counters, data
from pruninglab.files import write
from pruninglab.models import ResNet20, prunable
from pruninglab.training import Recipe, accuracy, train, triangular

EPOCHS = 40
ASSETS = checkpoints.ASSETS
TRIED = "dense-recipes.json"
# Why filters die: weight decay pulls BN's scale of a channel to zero wherever the loss hardly needs
# it; behind the ReLU no gradient is left then. So: with it and without, for both optimizers.
CANDIDATES: list[dict[str, Any]] = [
    {"peak": 0.2, "muon": 0.2, "decay_norms": False},
    {"peak": 0.2, "muon": 0.2, "decay_norms": True},
    {"peak": 0.4, "muon": 0.0, "decay_norms": False, "label_smoothing": 0.05},
    {"peak": 0.4, "muon": 0.0, "decay_norms": True, "label_smoothing": 0.05},
]


def recipe(settings: dict[str, Any], epochs: int) -> Recipe:
    """A `Recipe` from its plain description: triangular up to "peak"."""
    others = {k: v for k, v in settings.items() if k != "peak"}
    return Recipe(epochs=epochs, lr=triangular(settings["peak"]), **others)


def zeros(model: nn.Module) -> float:
    """Share of the prunable weights that float16, in which networks ship, cannot tell from 0."""
    weights = torch.cat([w.detach().flatten() for w in prunable(model).values()])
    return (weights.half() == 0).float().mean().item()


def low_scale(model: nn.Module) -> float:
    """The size of BN's scale that 1 % of the channels are below: how close some are to dying."""
    scales = [m.weight.detach() for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    return torch.quantile(torch.cat(scales).abs(), 0.01).item()


def choose(
    work: Path, only: list[int], epochs: int, bf16: bool | None, compiled: bool = True
) -> None:
    """Train candidates on 45,000 images, measure them on the 5,000 held out, write both down."""
    rest, held = data.hold_out(data.load("cifar10", "train"), per_class=500)
    for i in only:
        model = ResNet20(16, seed=0)
        curve = train(
            model, rest, recipe(CANDIDATES[i], epochs), seed=0, val=held, bf16=bf16,
            checkpoint=work / f"choose-{epochs}-{i}.pt", compiled=compiled,
        )  # fmt: skip
        row = CANDIDATES[i] | {
            "epochs": epochs, "seed": 0, "val": round(curve[-1]["val"], 4),
            "zeros": round(zeros(model), 5), "low_scale": round(low_scale(model), 3),
        }  # fmt: skip
        note(row)
        print(row, flush=True)


def tried() -> list[dict[str, Any]]:
    """What has been compared so far: recipes with their accuracy on the held-out images."""
    file = ASSETS / TRIED
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []


def note(row: dict[str, Any]) -> None:
    """Write down one comparison, in place of an older one of the same settings."""
    rows = tried()
    same = ("peak", "muon", "decay_norms", "epochs")
    others = [r for r in rows if any(r.get(key) != row[key] for key in same)]
    write(ASSETS / TRIED, json.dumps([*others, row], indent=1) + "\n")


def train_and_ship(
    work: Path, width: int, seed: int, epochs: int, bf16: bool | None, compiled: bool = True
) -> None:
    """Train a network, read the test set at the end, write the float16 checkpoint and its card."""
    images, val = data.hold_out(data.load("cifar10", "train"), per_class=100)
    model = ResNet20(width, seed=seed)
    curve = train(
        model, images, recipe(CANDIDATES[0], epochs), seed=seed, val=val, bf16=bf16,
        checkpoint=work / f"dense-w{width}-seed{seed}.pt", compiled=compiled,
    )  # fmt: skip
    half = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    torch.save(half, ASSETS / f"resnet20-w{width}-seed{seed}.pt")
    shipped = ResNet20(width)  # as it will be loaded
    shipped.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in half.items()})
    card = {
        "network": f"ResNet-20, width {width}, shortcut B", "width": width, "seed": seed,
        "images": "the 49,000 training images outside the embedded val split",
        "recipe": CANDIDATES[0] | {"epochs": epochs}, "parameters": counters.parameters(shipped),
        "zeros": round(zeros(shipped), 5), "val": accuracy(shipped.eval(), val),
        "test": accuracy(shipped, data.load("cifar10", "test")), "test_read": 1,
        "machine": checkpoints.machine(), "curve": curve,
    }  # fmt: skip
    path = ASSETS / f"resnet20-w{width}-seed{seed}.json"
    write(path, json.dumps(card, indent=1) + "\n")
    print(f"width {width}, seed {seed}: test {card['test']:.2%}, {card['zeros']:.2%} zeros")


def show() -> None:
    """Print the comparison as Markdown."""
    print("| optimizer | decay of BN | epochs | held-out (%) | zeros | BN scale, lowest 1 % |")
    print("|---|---|---:|---:|---:|---:|")
    for row in tried():
        name = "Muon for convolutions" if row["muon"] else "SGD"
        decay = "yes" if row["decay_norms"] else "no"
        measured = f"{100 * row['val']:.2f} | {row['zeros']:.2%} | {row['low_scale']:.3f}"
        print(f"| {name} | {decay} | {row['epochs']} | {measured} |")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("task", choices=("choose", "train", "show"))
    parser.add_argument("--only", type=int, nargs="+", default=list(range(len(CANDIDATES))))
    parser.add_argument("--width", type=int, nargs="+", default=[16, 8, 4])
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, help="default: 8 to choose, 40 to train")
    parser.add_argument("--threads", type=int, help="default: all cores")
    parser.add_argument("--float32", action="store_true", help="without bfloat16, whatever it is")
    parser.add_argument("--work", type=Path, default=Path("build/train"), help="where it resumes")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    bf16 = False if args.float32 else None
    args.work.mkdir(parents=True, exist_ok=True)
    if args.task == "show":
        show()
    elif args.task == "choose":
        choose(args.work, args.only, args.epochs or 8, bf16)
    else:
        for width in args.width:
            for seed in args.seed:
                train_and_ship(args.work, width, seed, args.epochs or EPOCHS, bf16)


if __name__ == "__main__":
    main()
