"""The systems of the lecture that prune single weights of the trained network."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from pruninglab import variational
from pruninglab.data import batches
from pruninglab.masks import apply, random_masks
from pruninglab.models import prunable
from solutions.lab1_structures.exercises import global_masks
from solutions.lab3_methods.exercises import prune_and_retrain, retraining_lrs
from solutions.lab4_papers import exercises as papers
from solutions.lab6_further import exercises as further
from solutions.study.job import CYCLE, HIGH, Job, Pruned, System, after, remeasure, replayed
from solutions.study.steps import Steps
from solutions.study.systems.words import FIFTHS, OF_ALL, OF_EACH, REWOUND, SINGLE, WEIGHTS

ROUNDS = 4  # of OBD, to any target
IMAGES = 100  # for its curvature
QUALITIES = (0.8, 0.95, 1.1)  # threshold / standard deviation: about the shares of WEIGHTS
LOG_ALPHAS = (3.0, 1.0, 0.0)  # the noisiest weight that stays
# Of Adam, for means and variances. With 1e-3 log σ² cannot reach its place in 40 epochs: Adam moves
# it by about the rate a step.
RATE = 5e-3


def han(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """Han 2015: two rounds of a threshold per layer (by its paper: a tenth of the rate)."""
    for quality in targets:
        model, loop = job.dense(), job.loop(quality, job.shared())
        papers.han2015(model, quality, 2, job.part(2), HIGH, loop)
        yield after(quality, model, loop)


def zhu(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """Zhu & Gupta 2017: the cubic over the first three quarters of the schedule."""
    lrs = replayed(job.steps())
    every = max(1, len(lrs) * 3 // 4 // 10)
    for target in targets:
        model, loop = job.dense(), job.loop(target, lrs, every=every)
        papers.zhu2017(model, target, 0, every, 10, lrs, loop)
        yield after(target, model, loop)


def fifths(target: float) -> int:
    """Rounds of a fifth of the rest until a share of the weights is gone.

    >>> [fifths(target) for target in (0.488, 0.79, 0.893)]
    [3, 7, 10]
    """
    return max(1, round(math.log(1 - target) / math.log(0.8)))


def renda(job: Job, targets: Sequence[float], rewind: bool) -> Iterator[Pruned]:
    """Renda 2020: rounds of a fifth of what remains, each a replayed cycle.

    Without rewinding it is what they compare it with: the last learning rate, in all rounds. The
    function counts in epochs of one step each, so that a round may end within an epoch.
    """
    for target in targets:
        rounds = fifths(target)
        steps = job.part(rounds)
        rates = replayed(steps) if rewind else retraining_lrs(CYCLE, 1, steps, rewind=False)
        model, loop = job.dense(), job.loop(target)
        papers.renda2020(model, rounds, rates, steps, 1, loop)
        yield after(target, model, loop)


def obd(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """OBD 1989: rounds of pruning by saliency on some training images, others for each seed."""
    generator = torch.Generator().manual_seed(job.seed)
    x, _ = next(batches(job.images, IMAGES, train=True, generator=generator))

    def choose(network: nn.Module, sparsity: float) -> dict[str, Tensor]:
        diagonal = further.hessian_diagonal(network.eval(), x.to(job.device))
        weights = {name: w.detach() for name, w in prunable(network).items()}
        return global_masks(further.obd_scores(weights, diagonal), sparsity)

    for target in targets:
        model, loop = job.dense(), job.loop(target, job.shared())
        # The same share of the rest in each round.
        shares = [1 - (1 - target) ** ((k + 1) / ROUNDS) for k in range(ROUNDS)]
        prune_and_retrain(
            model, shares, ROUNDS * job.part(ROUNDS), choose, partial(fine_tune, loop)
        )  # fmt: skip
        yield after(target, model, loop)


def fine_tune(loop: Steps, model: nn.Module, masks: dict[str, Tensor], steps: int) -> None:
    """A round's retraining at the last learning rate (equal terms: the schedule's rates)."""
    loop(model, masks, retraining_lrs(CYCLE, 1, steps, rewind=False))


def variational_dropout(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """Variational Dropout 2017: train noise, cut the noisiest, no retraining.

    One rate for means and variances, log α within ±8; the KL grows from an eighth of the epochs to
    their half (the paper, of its 200: from 5 to 20).
    """
    dense, epochs = job.dense(), job.budget.long
    start, end = (5 / 200, 20 / 200) if job.budget.papers else (1 / 8, 1 / 2)

    def draw(layer: variational.Layer, x: Tensor, theta: Tensor, log_sigma2: Tensor) -> Tensor:
        return further.noisy_output(layer, x, theta, variational.clipped(theta, log_sigma2))

    def kl(theta: Tensor, log_sigma2: Tensor) -> Tensor:
        return further.kl_divergence(theta, variational.clipped(theta, log_sigma2))

    noisy = variational.make_noisy(dense, draw, log_sigma2=-9.0)
    history = variational.train(
        noisy, job.images, epochs, kl=kl,
        loss=further.variational_loss, start=start, warmup=end - start, lr=RATE, lr_sigma=RATE,
        seed=job.seed, checkpoint=job.folder / "noisy.pt", progress=False,
    )  # fmt: skip
    state, seconds = noisy.state_dict(), sum(row["seconds"] for row in history)
    dense.load_state_dict({k: v for k, v in state.items() if not k.endswith("log_sigma2")})
    for threshold in targets:
        model = copy.deepcopy(dense)
        apply(model, {n: a <= threshold for n, a in variational.log_alphas(noisy).items()})
        remeasure(model, job)
        yield Pruned(threshold, model, epochs, seconds)


def random_weights(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """The control for single weights: by chance, once, then the schedule."""
    for target in targets:
        model, loop = job.dense(), job.loop(target)
        masks = random_masks(model, target, torch.Generator().manual_seed(job.seed))
        loop(model, masks, replayed(job.steps()))
        yield after(target, model, loop)


SYSTEMS = [
    System(
        name="Random weights", structure=SINGLE, criterion="chance", method=REWOUND,
        target=OF_ALL, run=random_weights, targets=WEIGHTS, core=True, role="chance",
        panels=("weights", "lecture", "renda", "overlay of weights"),
    ),
    System(
        name="Renda 2020", structure=SINGLE, criterion="magnitude, global",
        method="rounds of a fifth of the rest, LR-rewinding after each", target=OF_ALL,
        run=partial(renda, rewind=True), targets=(*FIFTHS, 0.945), rounds=fifths, core=True,
        panels=("weights", "renda", "overlay of weights"),
        published={"renda": "in rounds, LR-rewinding"},
    ),
    System(
        name="Renda 2020, fine-tuned", structure=SINGLE, criterion="magnitude, global",
        method="rounds of a fifth of the rest, fine-tuned after each", target=OF_ALL,
        run=partial(renda, rewind=False), targets=(*FIFTHS, 0.945), rounds=fifths,
        panels=("weights", "renda"), published={"renda": "in rounds, fine-tuning"},
    ),
    System(
        name="Han 2015", structure=SINGLE, criterion="magnitude, threshold per layer",
        method="two rounds, one schedule", target="quality: threshold / standard deviation",
        run=han, targets=QUALITIES, rounds=lambda _: 2, panels=("weights",),
    ),
    System(
        name="Zhu & Gupta 2017", structure=SINGLE, criterion="magnitude, per layer",
        method="more and more while training", target=OF_EACH, run=zhu, targets=WEIGHTS,
        panels=("weights",),
    ),
    System(
        name="OBD 1989", structure=SINGLE, criterion="saliency h w²/2, global",
        method="four rounds, one schedule", target=OF_ALL, run=obd, targets=WEIGHTS,
        rounds=lambda _: ROUNDS, panels=("weights",),
    ),
    System(
        name="Variational Dropout 2017", structure=SINGLE, criterion="noise log α",
        method="while training, one rate, log α within 8", target="largest log α that stays",
        run=variational_dropout, targets=LOG_ALPHAS, epochs="long", shared=1.0,
        panels=("weights",),
    ),
]  # fmt: skip
