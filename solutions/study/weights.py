"""The systems of the lecture that prune single weights of the trained network."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

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
from solutions.study.job import CYCLE, HIGH, Job, Pruned, Rounds, after, remeasure, replayed


def han(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """Han 2015: two rounds of a threshold per layer; a tenth of the learning rate."""
    for quality in targets:
        model, loop = job.dense(), job.loop(quality)
        papers.han2015(model, quality, 2, job.steps(), HIGH, loop)
        yield after(quality, model, loop)


def zhu(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """Zhu & Gupta 2017: the cubic over the first three quarters of a replayed cycle."""
    lrs = replayed(job.steps())
    every = max(1, len(lrs) * 3 // 4 // 10)
    for target in targets:
        model, loop = job.dense(), job.loop(target)
        papers.zhu2017(model, target, 0, every, 10, lrs, loop)
        yield after(target, model, loop)


def renda(job: Job, _: Sequence[float], rewind: bool = True) -> Iterator[Pruned]:
    """Renda 2020: eleven rounds of a fifth of what remains, each a replayed cycle.

    Without rewinding it is what they compare it with: the last learning rate, in all rounds.
    """
    rounds, model = Rounds(job.loop("rounds")), job.dense()
    eighths = 8 * job.budget.retrain  # eight learning rates an epoch
    parts = replayed(eighths) if rewind else retraining_lrs(CYCLE, 1, eighths, rewind=False)
    papers.renda2020(model, 11, parts, len(parts), job.steps(1) // 8, rounds)
    yield from rounds.found


def obd(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """OBD 1989: rounds of pruning by saliency on 100 training images, and fine-tuning."""
    model, rounds = job.dense(), Rounds(job.loop("rounds"))
    x, _ = next(batches(job.images, 100, train=True, generator=torch.Generator().manual_seed(0)))

    def choose(network: nn.Module, sparsity: float) -> dict[str, Tensor]:
        diagonal = further.hessian_diagonal(network.eval(), x.to(job.device))
        weights = {name: w.detach() for name, w in prunable(network).items()}
        return global_masks(further.obd_scores(weights, diagonal), sparsity)

    def retrain(network: nn.Module, masks: dict[str, Tensor], steps: int) -> None:
        rounds(network, masks, retraining_lrs(CYCLE, 1, steps, rewind=False))

    prune_and_retrain(model, targets, len(targets) * job.steps(), choose, retrain)
    for target, found in zip(targets, rounds.found, strict=True):
        yield Pruned(target, found.model, found.epochs, found.seconds)


def variational_dropout(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """Variational Dropout 2017: train noise, cut the noisiest, no retraining."""
    dense, epochs = job.dense(), job.budget.retrain
    noisy = variational.make_noisy(dense, further.noisy_output, log_sigma2=-9.0)
    history = variational.train(
        noisy, job.images, epochs, kl=further.kl_divergence, loss=further.variational_loss,
        lr=1e-3, lr_sigma=0.1, seed=job.seed,
        checkpoint=job.folder / "noisy.pt",
    )  # fmt: skip
    state, seconds = noisy.state_dict(), sum(row["seconds"] for row in history)
    dense.load_state_dict({k: v for k, v in state.items() if not k.endswith("log_sigma2")})
    for threshold in targets:
        model = copy.deepcopy(dense)
        apply(model, {n: a <= threshold for n, a in variational.log_alphas(noisy).items()})
        remeasure(model, job)
        yield Pruned(threshold, model, epochs, seconds)


def random_weights(job: Job, targets: Sequence[float]) -> Iterator[Pruned]:
    """The control for single weights: by chance, once, then a replayed cycle."""
    for target in targets:
        model, loop = job.dense(), job.loop(target)
        masks = random_masks(model, target, torch.Generator().manual_seed(job.seed))
        loop(model, masks, replayed(job.steps()))
        yield after(target, model, loop)
