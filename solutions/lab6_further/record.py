"""Make the records of lab 6, all or some: `python -m solutions.lab6_further.record TASK ...`.

They are what would take too long in a lesson, computed by the same functions that the students
write, with the embedded images only (a few minutes each on two idle CPU cores):

- further-variational.pt/.json: a ResNet-20 after training with Variational Dropout, and magnitude
  pruning at the same sparsity, fine-tuned for as many epochs, as its control;
- further-amc.json: the agent against random search and uniform sparsity, several seeds;
- further-scores.pt: logarithms of the OBD and SynFlow scores of the trained network;
- further-combined.json: known answers to the open task, on three sets of images.

Nothing is chosen on the test images: they are read once, at the end.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab import amc, checkpoints, counters, masks, training, variational
from pruninglab.checks import combination
from pruninglab.data import batches, normalise, subset
from pruninglab.models import prunable
from pruninglab.terminal import accept_any_text
from solutions.lab1_structures.exercises import free_convs, global_masks
from solutions.lab2_criteria.exercises import recalibrate_bn
from solutions.lab6_further import exercises as further


def write(name: str, record: dict[str, Any]) -> None:
    """One JSON file in the assets."""
    record["machine"] = checkpoints.machine()
    (checkpoints.ASSETS / f"{name}.json").write_text(
        json.dumps(record, indent=1) + "\n", encoding="utf-8"
    )


def record_variational(epochs: int = 3, lr: float = 1e-3, lr_sigma: float = 0.1) -> None:
    """Train the noisy network and the control; write weights, log α (float16) and accuracies."""
    trained, images = checkpoints.trained(16), subset("train")
    noisy = variational.make_noisy(trained, further.noisy_output, log_sigma2=-9.0)
    curve: list[dict[str, float]] = []

    def watch(epoch: int) -> None:
        keep = {name: a <= 3 for name, a in variational.log_alphas(noisy).items()}
        curve.append({"epoch": epoch, **measured(means(noisy, trained), keep, val)})
        print(curve[-1], flush=True)

    val = subset("val")
    history = variational.train(
        noisy, images, epochs, kl=further.kl_divergence, loss=further.variational_loss,
        lr=lr, lr_sigma=lr_sigma, after_epoch=watch,
    )  # fmt: skip
    log_alpha = variational.log_alphas(noisy)
    quiet = means(noisy, trained)
    half = {k: v.half() if v.is_floating_point() else v for k, v in quiet.state_dict().items()}
    asset = {"state": half, "log_alpha": {k: v.half() for k, v in log_alpha.items()}}
    torch.save(asset, checkpoints.ASSETS / "further-variational.pt")
    keep = {name: a <= 3 for name, a in asset["log_alpha"].items()}
    after = measured(quiet, keep, subset("test"))
    recipe = {"epochs": epochs, "lr": lr, "lr_sigma": lr_sigma, "log_sigma2": -9.0, "seed": 0}
    control = magnitude_control(trained, after["sparsity"], epochs)
    record = {"recipe": recipe, "history": history, "curve": curve, "test": after}
    write("further-variational", {**record, "magnitude": control})


def means(noisy: nn.Module, plain: nn.Module) -> nn.Module:
    """A network without noise, with the means of the noisy one for weights."""
    twin, state = copy.deepcopy(plain), noisy.state_dict()
    twin.load_state_dict({k: v for k, v in state.items() if not k.endswith("log_sigma2")})
    return twin


def measured(model: nn.Module, keep: masks.Masks, images: Any) -> dict[str, float]:
    """Sparsity and accuracy of the masked network, its batch statistics measured again.

    Batch normalisation has seen outputs with noise in them, which is gone with the noisy weights.
    """
    twin = copy.deepcopy(model)
    masks.apply(twin, keep)
    recalibrate_bn(twin, list(batches(subset("train")[:1000], 125)))
    return {
        "sparsity": counters.sparsity(twin),
        "accuracy": training.accuracy(twin, images, bf16=None),
    }


def magnitude_control(trained: nn.Module, sparsity: float, epochs: int) -> dict[str, float]:
    """Global magnitude pruning at the same sparsity, fine-tuned for as many epochs."""
    twin = copy.deepcopy(trained)
    keep = global_masks({n: w.detach().abs() for n, w in prunable(twin).items()}, sparsity)
    with masks.hold(twin, keep):
        recipe = training.Recipe(epochs, training.triangular(0.02))
        training.train(twin, subset("train"), recipe, progress=False)
    return measured(twin, keep, subset("test"))


def record_amc(share: float = 0.4, episodes: int = 120, seeds: int = 2, images: int = 300) -> None:
    """Search with the agent and at random, reward on held-out training images."""
    trained, val, test = checkpoints.trained(16), subset("val")[:images], subset("test")
    layers = amc.layers_of(trained, free_convs(trained))
    whole = counters.macs(trained)
    target, known = share * whole, dict[tuple[float, ...], float]()

    def reward(choice: amc.Choice) -> float:
        key = tuple(choice.values())
        if key not in known:
            known[key] = further.amc_reward(trained, choice, lambda m: accuracy(m, val))
        return known[key]

    def accuracy(model: nn.Module, on: Any) -> float:
        return training.accuracy(model, on, bf16=None)

    def row(choice: amc.Choice) -> dict[str, Any]:
        on_test = further.amc_reward(trained, choice, lambda m: accuracy(m, test)) + 1
        left = 1 - amc.saved(layers, choice) / whole
        return {"choice": choice, "macs": left, "val": 1 + reward(choice), "test": on_test}

    found: dict[str, list[list[amc.Episode]]] = {"agent": [], "random": []}
    for seed in range(seeds):
        found["random"].append(
            amc.random_search(layers, reward, target=target, episodes=episodes, seed=seed)
        )
        found["agent"].append(
            amc.search(
                layers, reward, further.bounded_sparsity, target=target, episodes=episodes,
                agent=amc.Agent(seed), progress=False,
            )
        )  # fmt: skip
        print(seed, {k: amc.best(v[-1]).reward for k, v in found.items()}, flush=True)
    record = {
        "share removed": share, "episodes": episodes, "images": images,
        "dense": {"val": accuracy(trained, val), "test": accuracy(trained, test)},
        "uniform": row(amc.uniform(layers, target)),
        "best": {k: [row(amc.best(h).choice) for h in v] for k, v in found.items()},
        "rewards": {k: [[e.reward for e in h] for h in v] for k, v in found.items()},
    }  # fmt: skip
    write("further-amc", record)


def record_scores(images: int = 48) -> None:
    """Score the trained network's weights by curvature and by flow; log, as float16."""
    trained = checkpoints.trained(16)
    x = normalise(subset("val")[:images].pixels)
    diagonal = further.hessian_diagonal(trained, x)
    found = {
        "OBD": further.obd_scores(prunable(trained), diagonal),
        "SynFlow": further.synflow_scores(trained, (3, 32, 32)),
    }
    logs = {c: {n: s.log().half() for n, s in scores.items()} for c, scores in found.items()}
    torch.save(logs, checkpoints.ASSETS / "further-scores.pt")


def known_answers(seeds: int = 3) -> dict[str, list[masks.Masks]]:
    """Each of the four criteria alone, some combinations, and weights by chance."""
    four, sparsity = combination.four_criteria(), combination.SPARSITY
    ranked = {name: ranks(scores) for name, scores in four.items()}
    magnitude = four["magnitude"]
    combined = {
        "sum of raw scores": total(*four.values()),
        "sum of four ranks": total(*ranked.values()),
        "sum of two ranks: magnitude, Variational Dropout": total(
            ranked["magnitude"], ranked["Variational Dropout"]
        ),
        "magnitude / √(its root mean square in the layer)": {
            n: w / w.square().mean().sqrt().sqrt() for n, w in magnitude.items()
        },
    }
    found = {name: [global_masks(s, sparsity)] for name, s in (four | combined).items()}
    found["Variational Dropout: how many, magnitude: which"] = [
        further.combine_criteria(four, sparsity)
    ]
    dice = (torch.Generator().manual_seed(seed) for seed in range(seeds))
    found["chance"] = [
        global_masks({n: torch.rand(w.shape, generator=g) for n, w in magnitude.items()}, sparsity)
        for g in dice
    ]
    return found


def ranks(scores: dict[str, Tensor]) -> dict[str, Tensor]:
    """The place of each weight in the ranking of all, from 0 (the lowest score) up to 1."""
    flat = torch.cat([s.flatten() for s in scores.values()])
    places = flat.argsort().argsort() / len(flat)
    parts = places.split([s.numel() for s in scores.values()])
    return {name: part.view(scores[name].shape) for name, part in zip(scores, parts, strict=True)}


def total(*several: dict[str, Tensor]) -> dict[str, Tensor]:
    """The sum of scores, weight by weight."""
    return {name: torch.stack([s[name] for s in several]).sum(dim=0) for name in several[0]}


def record_combined(images: int = 500) -> None:
    """Measure the known answers to the open task on disjoint sets of images."""
    val, test = subset("val"), subset("test")
    sets = [val[-images:], test[1000 : 1000 + images], test[1000 + images : 1000 + 2 * images]]
    rows = {}
    for name, choices in known_answers().items():
        networks = [combination.pruned(keep) for keep in choices]
        rows[name] = [training.accuracy(m, on, bf16=None) for m in networks for on in sets]
        print(f"{name:<52}", *(f"{a:.1%}" for a in rows[name]), flush=True)
    write("further-combined", {"images": f"3 sets of {images}", "accuracies": rows})


def main() -> None:
    """Command line."""
    accept_any_text()
    tasks: dict[str, Callable[[], None]]
    tasks = {
        "variational": record_variational, "amc": record_amc,
        "scores": record_scores, "combined": record_combined,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tasks", nargs="+", choices=tasks)
    for task in parser.parse_args().tasks:
        print(task, flush=True)
        tasks[task]()


if __name__ == "__main__":
    main()
