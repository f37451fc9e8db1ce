"""Liu's λ for trainings that are shorter than the paper's: `python -m solutions.study.penalty`.

The command trains the network for some epochs with each candidate, removes 30 % of the weights and
writes the accuracies on the held-out images to `pruninglab/assets/penalty.json`. It goes on when
killed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from tqdm.auto import tqdm

from pruninglab import checkpoints, data
from pruninglab.files import write
from pruninglab.project.setting import device
from pruninglab.terminal import accept_any_text
from pruninglab.training import accuracy
from solutions.study.job import PENALTY, Budget, Job
from solutions.study.systems.lecture import bn_scales, channels_for, penalised, silence

FILE = checkpoints.ASSETS / "penalty.json"
CANDIDATES = (5e-4, 2e-3, 1.6e-2)
TARGET = 0.3  # share of the weights that goes, with their channels


@dataclass(frozen=True)
class Trial:
    """A candidate with a seed, and the accuracy on the held-out images (0 to 1).

    Attributes:
        kept: with the penalty, before anything is removed.
        val: after the removal of `TARGET`; nothing is trained after it.
    """

    strength: float
    seed: int
    kept: float
    val: float


def trial(candidate: float, job: Job) -> Trial:
    """Train with the penalty, then silence the channels of least |γ|."""
    torch.compiler.reset()
    model, _ = penalised(job, candidate, job.steps(), f"{candidate:g}")
    kept = accuracy(model, job.val, bf16=None)
    silence(model, channels_for(model, bn_scales(model), TARGET))
    return Trial(candidate, job.seed, round(kept, 4), round(accuracy(model, job.val, bf16=None), 4))


def choose(candidates: Sequence[float], seeds: Sequence[int], job: Job, file: Path = FILE) -> float:
    """Compare the candidates, write down how they did, and name the best on average.

    Args:
        candidates: values of λ.
        seeds: of the order and the augmentation of the images.
        job: images, held-out images, epochs (`budget.retrain`) and the folder for checkpoints.
    """
    trials = []
    for seed in tqdm(seeds, unit="seed"):
        mine = replace(job, seed=seed, folder=job.folder / f"seed-{seed}")
        trials += [trial(candidate, mine) for candidate in candidates]
    best = max(candidates, key=lambda c: sum(t.val for t in trials if t.strength == c))
    about = {
        "what": f"accuracy on {len(job.val):,} held-out images after removing {TARGET:.0%}",
        "images": len(job.images), "epochs": job.budget.retrain, "machine": checkpoints.machine(),
        "best": best, "trials": [asdict(t) for t in trials],
    }  # fmt: skip
    write(file, json.dumps(about, indent=1) + "\n")
    return best


def main() -> None:
    """Command line."""
    accept_any_text()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--candidates", type=float, nargs="+", default=CANDIDATES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--subset", action="store_true", help="the embedded images: to try it out")
    parser.add_argument("--work", type=Path, default=Path("build/penalty"), help="checkpoints")
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    if args.subset:
        images, val = data.subset("train"), data.subset("val")
    else:
        images, val = data.hold_out(data.load("cifar10", "train"), per_class=100)
    job = Job(
        images.to(device()), val.to(device()), 0, Budget(args.epochs, 0),
        args.work / f"{len(images)}-images.{args.epochs}-epochs", device(),
        compiled=not args.subset,
    )  # fmt: skip
    best = choose(args.candidates, args.seeds, job, args.out)
    for one in json.loads(args.out.read_text(encoding="utf-8"))["trials"]:
        print("λ {strength:g}, seed {seed}: {kept:.1%}, after the removal {val:.1%}".format(**one))
    print(f"best: {best:g}; the systems use {PENALTY:g} for one epoch; written to {args.out}")


if __name__ == "__main__":
    main()
