"""The systems of the lecture on full CIFAR-10, put together from the functions of the labs.

Each is a generator: given a `Job`, it yields pruned networks as `Pruned`. All start from the same
trained ResNet-20, except SynFlow, which prunes random weights. "The dense training" that the papers
speak of is the second cycle of ours: 22 epochs, up to 0.1 and down to 0 (`pruninglab.checkpoints`).
Fine-tuning holds its last learning rate, LR-rewinding replays it, compressed to the epochs at hand.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab import amc, checkpoints, counters, variational
from pruninglab.data import Images, batches
from pruninglab.loop import Batch, Loop
from pruninglab.masks import apply, random_masks
from pruninglab.models import ResNet20, prunable
from pruninglab.training import accuracy, triangular
from solutions import further, papers
from solutions.criteria import filter_masks, magnitude_scores, recalibrate_bn
from solutions.methods import add_sparsity_penalty, prune_and_retrain, retraining_lrs
from solutions.structures import free_convs, global_masks

CYCLE = [triangular(0.1)((epoch + 0.5) / 22) for epoch in range(22)]  # learning rate per epoch
HIGH, LAST = 0.1, CYCLE[-1]
SENSITIVE = ("layer2.0.conv1", "layer3.0.conv1")  # where the resolution changes, as in Li 2016
WEIGHTS = (0.5, 0.8, 0.9, 0.95)  # targets: share of the weights
FILTERS = (0.3, 0.5, 0.7)  # targets: share of the filters that are free to go
EPISODES = 120  # of AMC's agent
COMPRESSIONS = (10.0, 31.6)  # weights before / after
LECTURE = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)


@dataclass(frozen=True)
class Budget:
    """How long is trained, in passes over the training images.

    Attributes:
        retrain: after pruning, for each target (each round, where there are rounds).
        scratch: from random weights.
    """

    retrain: int
    scratch: int


BUDGETS = {"quick": Budget(retrain=1, scratch=3), "full": Budget(retrain=40, scratch=160)}


@dataclass(frozen=True)
class Job:
    """What a system needs to know about its run."""

    images: Images
    val: Images
    seed: int
    budget: Budget
    folder: Path
    device: torch.device
    compiled: bool = True

    def dense(self) -> ResNet20:
        """A fresh copy of the trained network."""
        return checkpoints.trained(16).to(self.device)

    def loop(self, name: object, *, shrinks: bool = False, keep: bool = False) -> Loop:
        """A training loop with its own checkpoints; compiled if the network keeps its shape."""
        return Loop(
            self.images, self.seed, folder=self.folder / str(name),
            compiled=self.compiled and not shrinks, keep=keep,
        )  # fmt: skip

    def steps(self, epochs: float | None = None) -> int:
        """Training steps of so many epochs (of a retraining, if not said)."""
        per_epoch = max(1, len(self.images) // 125)
        return round(per_epoch * (self.budget.retrain if epochs is None else epochs))


@dataclass
class Pruned:
    """A pruned network, what was asked for, and what its training took."""

    target: float | None
    model: nn.Module
    epochs: float
    seconds: float


@dataclass(frozen=True)
class System:
    """A system and the three answers that make it one; `run` yields its pruned networks."""

    name: str
    structure: str
    criterion: str
    method: str
    target: str
    run: Callable[[Job], Iterator[Pruned]]


def replayed(steps: int, peak: float = HIGH) -> list[float]:
    """The whole cycle, up to `peak` and down to 0, compressed to `steps` steps."""
    return [triangular(peak)((step + 0.5) / steps) for step in range(steps)]


def after(target: float | None, model: nn.Module, loop: Loop) -> Pruned:
    """The network as it is when the loop has done its work."""
    return Pruned(target, model, loop.epochs, loop.seconds)


class Rounds:
    """A training loop that copies the network after each call: the rounds of a recipe."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.found = loop, list[Pruned]()

    def __call__(self, model: nn.Module, *arguments: Any) -> list[Batch]:
        """Train, then copy."""
        used = self.loop(model, *arguments)
        self.found.append(after(None, copy.deepcopy(model), self.loop))
        return used


def remeasure(model: nn.Module, job: Job) -> None:
    """The statistics of BN on 2,000 training images, for networks that are not trained any more."""
    recalibrate_bn(model, list(batches(job.images[:2000].to(job.device), 125)))


# ---- single weights


def han(job: Job) -> Iterator[Pruned]:
    """Han 2015: two rounds of a threshold per layer; a tenth of the learning rate."""
    for quality in (0.5, 0.8, 1.1, 1.4):
        model, loop = job.dense(), job.loop(quality)
        papers.han2015(model, quality, 2, job.steps(), HIGH, loop)
        yield after(quality, model, loop)


def zhu(job: Job) -> Iterator[Pruned]:
    """Zhu & Gupta 2017: the cubic over the first three quarters of a replayed cycle."""
    lrs = replayed(job.steps())
    every = max(1, len(lrs) * 3 // 4 // 10)
    for target in WEIGHTS:
        model, loop = job.dense(), job.loop(target)
        papers.zhu2017(model, target, 0, every, 10, lrs, loop)
        yield after(target, model, loop)


def renda(job: Job) -> Iterator[Pruned]:
    """Renda 2020: eleven rounds of a fifth of what remains, each a replayed cycle."""
    rounds, model = Rounds(job.loop("rounds")), job.dense()
    parts = replayed(8 * job.budget.retrain)  # eight learning rates an epoch
    papers.renda2020(model, 11, parts, len(parts), job.steps(1) // 8, rounds)
    yield from rounds.found


def obd(job: Job) -> Iterator[Pruned]:
    """OBD 1989: rounds of pruning by saliency on 100 training images, and fine-tuning."""
    model, rounds = job.dense(), Rounds(job.loop("rounds"))
    x, _ = next(batches(job.images, 100, train=True, generator=torch.Generator().manual_seed(0)))

    def choose(network: nn.Module, sparsity: float) -> dict[str, Tensor]:
        diagonal = further.hessian_diagonal(network.eval(), x.to(job.device))
        weights = {name: w.detach() for name, w in prunable(network).items()}
        return global_masks(further.obd_scores(weights, diagonal), sparsity)

    def retrain(network: nn.Module, masks: dict[str, Tensor], steps: int) -> None:
        rounds(network, masks, retraining_lrs(CYCLE, 1, steps, rewind=False))

    prune_and_retrain(model, WEIGHTS, len(WEIGHTS) * job.steps(), choose, retrain)
    for target, found in zip(WEIGHTS, rounds.found, strict=True):
        yield Pruned(target, found.model, found.epochs, found.seconds)


def synflow(job: Job) -> Iterator[Pruned]:
    """SynFlow 2020: prune random weights in a hundred rounds, then train."""
    for compression in COMPRESSIONS:
        model = ResNet20(16, seed=job.seed).to(job.device)
        masks = further.synflow_masks(
            model, lambda m: further.synflow_scores(m, (3, 32, 32)), 1 / compression, 100
        )
        yield scratch(job, f"x{compression}", model, masks, compression)


def magnitude_at_init(job: Job) -> Iterator[Pruned]:
    """The control that SynFlow is compared with: the same, by the magnitude of random weights."""
    for compression in COMPRESSIONS:
        model = ResNet20(16, seed=job.seed).to(job.device)
        masks = global_masks(magnitude_scores(model), 1 - 1 / compression)
        yield scratch(job, f"x{compression}", model, masks, compression)


def unpruned(job: Job) -> Iterator[Pruned]:
    """The dense network trained as long as SynFlow's: what its accuracies are to be compared to."""
    model = ResNet20(16, seed=job.seed).to(job.device)
    yield scratch(job, "dense", model, {}, 1.0)


def scratch(
    job: Job, name: str, model: nn.Module, masks: dict[str, Tensor], target: float
) -> Pruned:
    """Train from random weights with these masks."""
    loop = job.loop(name)
    loop(model, masks, replayed(job.steps(job.budget.scratch), peak=0.4))
    return after(target, model, loop)


def variational_dropout(job: Job) -> Iterator[Pruned]:
    """Variational Dropout 2017: train noise, cut the noisiest, no retraining."""
    dense, epochs = job.dense(), job.budget.retrain
    noisy = variational.make_noisy(dense, further.noisy_output, log_sigma2=-9.0)
    variational.train(
        noisy, job.images, epochs, kl=further.kl_divergence, loss=further.variational_loss,
        lr=1e-3, lr_sigma=0.1, seed=job.seed,
    )  # fmt: skip
    state = noisy.state_dict()
    dense.load_state_dict({k: v for k, v in state.items() if not k.endswith("log_sigma2")})
    for threshold in (3.0, 1.0, 0.0):
        model = copy.deepcopy(dense)
        apply(model, {n: a <= threshold for n, a in variational.log_alphas(noisy).items()})
        remeasure(model, job)
        yield Pruned(threshold, model, epochs, 0.0)


def random_weights(job: Job) -> Iterator[Pruned]:
    """The control for single weights: by chance, once, then a replayed cycle."""
    for target in WEIGHTS:
        model, loop = job.dense(), job.loop(target)
        masks = random_masks(model, target, torch.Generator().manual_seed(job.seed))
        loop(model, masks, replayed(job.steps()))
        yield after(target, model, loop)


# ---- filters


def li(job: Job) -> Iterator[Pruned]:
    """Li 2016: L1 norm per layer, at once, last learning rate; two layers left alone."""
    for target in FILTERS:
        model, loop = job.dense(), job.loop(target, shrinks=True)
        epochs = job.budget.retrain
        papers.li2016(model, target, SENSITIVE, CYCLE, epochs, job.steps(1), loop)
        yield after(target, model, loop)


def penalty(epochs: float) -> float:
    """Liu's λ is 0.0001 for 160 epochs; a short training needs a stronger pull.

    For one epoch 0.0005, 0.002 and 0.016 were compared by the accuracy on the held-out images
    right after removing 30 % of the weights: 68.9, 72.8 and 34.4 %.
    """
    return max(1e-4, 2e-3 / epochs)


def liu(job: Job) -> Iterator[Pruned]:
    """Liu 2017: penalty on γ, global ranking, removal, and the same schedule again."""
    lrs, strength = replayed(job.steps()), penalty(job.budget.retrain)
    for target in FILTERS:
        model, loop = job.dense(), job.loop(target, shrinks=True)
        papers.liu2017(model, strength, target, lrs, loop)
        yield after(target, model, loop)


def molchanov(job: Job) -> Iterator[Pruned]:
    """Molchanov 2019: gates, ten removals in half of the epochs, the other half to recover."""
    filters = sum(len(job.dense().get_parameter(f"{n}.weight")) for n in free_convs(job.dense()))
    for target in FILTERS:
        model, loop = job.dense(), job.loop(target, shrinks=True, keep=True)
        half = job.steps() // 2
        papers.molchanov2019(model, 10, round(target * filters / 10), half // 10, half, 0.01, loop)
        yield after(target, model, loop)


def he_soft(job: Job) -> Iterator[Pruned]:
    """He 2018 (SFP): soft for all epochs, at a tenth of the learning rate (trained network).

    The last removal is not followed by any training, so the statistics of BN are measured anew.
    """
    turns = 10 * job.budget.retrain  # ten selections an epoch, where the paper has one
    lrs = [rate / 10 for rate in replayed(turns)]
    for target in FILTERS:
        model, loop = job.dense(), job.loop(target)
        papers.he2018(model, target, lrs, job.steps(1) // 10, loop)
        remeasure(model, job)
        yield after(target, model, loop)


def amc_search(job: Job) -> Iterator[Pruned]:
    """AMC 2018: an agent chooses the sparsity of each layer; then removal and fine-tuning."""
    model, images = job.dense(), job.val[:300].to(job.device)
    layers, whole = amc.layers_of(model, free_convs(model)), counters.macs(model)

    def reward(choice: amc.Choice) -> float:
        return further.amc_reward(model, choice, lambda m: accuracy(m, images, bf16=None))

    for target in (0.3, 0.5, 0.7):
        history = amc.search(
            layers, reward, further.bounded_sparsity, target=target * whole, episodes=EPISODES,
            agent=amc.Agent(job.seed), progress=False,
        )  # fmt: skip
        pruned, loop = job.dense(), job.loop(target, shrinks=True)
        for name, share in amc.best(history).choice.items():
            weight = pruned.get_parameter(f"{name}.weight")
            papers.shrink(pruned, {name: papers.filter_mask(weight, share)})
        loop(pruned, {}, retraining_lrs(CYCLE, 1, job.steps(), rewind=False))
        yield after(target, pruned, loop)


def random_filters(job: Job) -> Iterator[Pruned]:
    """The control for filters: by chance, once, then a replayed cycle."""
    for target in FILTERS:
        model, loop = job.dense(), job.loop(target, shrinks=True)
        generator = torch.Generator().manual_seed(job.seed)
        sizes = {n: len(model.get_parameter(f"{n}.weight")) for n in free_convs(model)}
        scores = {name: torch.rand(size, generator=generator) for name, size in sizes.items()}
        papers.shrink(model, filter_masks(scores, target))
        loop(model, {}, replayed(job.steps()))
        yield after(target, model, loop)


# ---- the lecture's figure: each criterion once, fine-tuned or with LR-rewinding


def lrs_of(job: Job, rewind: bool) -> list[float]:
    """Fine-tuning or LR-rewinding, for as many steps."""
    return replayed(job.steps()) if rewind else retraining_lrs(CYCLE, 1, job.steps(), rewind=False)


def lecture_han(job: Job, rewind: bool) -> Iterator[Pruned]:
    """One global ranking of all magnitudes, at once."""
    for target in LECTURE:
        model, loop = job.dense(), job.loop(target)
        loop(model, global_masks(magnitude_scores(model), target), lrs_of(job, rewind))
        yield after(target, model, loop)


def lecture_liu(job: Job, rewind: bool, penalised: bool = True) -> Iterator[Pruned]:
    """Penalty on γ once, then the channels of least |γ| of *all* layers, none protected."""
    slim, sparse = job.loop("penalty"), job.dense()
    if penalised:
        strength = penalty(job.budget.retrain)
        slim(sparse, {}, replayed(job.steps()), lambda model: add_sparsity_penalty(model, strength))
    for target in LECTURE:
        model, loop = copy.deepcopy(sparse), job.loop(target)
        keep = channels_for(model, target)
        silence(model, keep)
        loop(model, weight_masks(model, keep), lrs_of(job, rewind), still(keep))
        yield Pruned(target, model, slim.epochs + loop.epochs, slim.seconds + loop.seconds)


def bn_of(conv: str) -> str:
    """The batch normalisation behind a convolution."""
    return conv[:-1] + "1" if ".downsample." in conv else conv.replace("conv", "bn")


def channels_for(model: nn.Module, target: float) -> dict[str, Tensor]:
    """The channels to keep so that the share `target` of the prunable weights is gone."""
    convs = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    gammas = {name: model.get_parameter(f"{bn_of(name)}.weight").detach().abs() for name in convs}
    low, high = 0.0, 1.0
    for _ in range(12):  # the share of channels, by bisection
        middle = (low + high) / 2
        masks = weight_masks(model, global_masks(gammas, middle))
        gone = sum(int((~mask).sum()) for mask in masks.values())
        enough = gone >= target * counters.prunable_weights(model)
        low, high = (low, middle) if enough else (middle, high)
    return global_masks(gammas, high)


def weight_masks(model: nn.Module, keep: dict[str, Tensor]) -> dict[str, Tensor]:
    """Masks of the filters that go and, inside a block, of the kernels that would read them."""
    masks = {}
    for name, filters in keep.items():
        mask = torch.ones_like(model.get_parameter(f"{name}.weight"), dtype=torch.bool)
        mask[~filters] = False
        if name.endswith(".conv2"):
            mask[:, ~keep[name.replace("conv2", "conv1")]] = False
        masks[f"{name}.weight"] = mask
    return masks


def silence(model: nn.Module, keep: dict[str, Tensor]) -> None:
    """Scale and shift of the channels that go are zero."""
    for name, channels in keep.items():
        bn = model.get_submodule(bn_of(name))
        for parameter in bn.parameters():
            parameter.data[~channels] = 0


def still(keep: dict[str, Tensor]) -> Callable[[nn.Module], None]:
    """Before each step: no gradient for what is silent, so that it stays silent."""

    def before_step(model: nn.Module) -> None:
        for name, channels in keep.items():
            for parameter in model.get_submodule(bn_of(name)).parameters():
                assert parameter.grad is not None
                parameter.grad[~channels] = 0

    return before_step


def systems() -> Sequence[System]:
    """All of them, in the order in which they are run."""
    weights, free, every = "single weights", "filters inside the blocks", "channels of all layers"
    layer, network = "share of the weights of each layer", "share of all weights"
    filters = "share of the filters inside the blocks"
    ft, lrr = "at once, fine-tuned", "at once, LR-rewinding"
    return [
        System("Lecture: Han", weights, "magnitude, global", ft, network,
               lambda job: lecture_han(job, rewind=False)),
        System("Lecture: Han + LR-rewinding", weights, "magnitude, global", lrr, network,
               lambda job: lecture_han(job, rewind=True)),
        System("Lecture: Liu", every, "BN scale, global", ft, network,
               lambda job: lecture_liu(job, rewind=False)),
        System("Lecture: Liu + LR-rewinding", every, "BN scale, global", lrr, network,
               lambda job: lecture_liu(job, rewind=True)),
        System("Lecture: BN scale + LR-rewinding", every, "BN scale, global", lrr, network,
               lambda job: lecture_liu(job, rewind=True, penalised=False)),
        System("Li 2016", free, "L1 norm, per layer", ft, filters, li),
        System("Han 2015", weights, "magnitude, threshold per layer",
               "rounds, fine-tuned after each", "quality: threshold / standard deviation", han),
        System("Random filters", free, "chance", lrr, filters, random_filters),
        System("Random weights", weights, "chance", lrr, network, random_weights),
        System("Liu 2017", free, "BN scale, global", "penalty, then at once, same schedule again",
               filters, liu),
        System("Molchanov 2019", free, "gradient of gates, global", "few at a time while training",
               filters, molchanov),
        System("He 2018 (SFP)", free, "L2 norm, per layer", "softly", filters, he_soft),
        System("Zhu & Gupta 2017", weights, "magnitude, per layer", "more and more while training",
               layer, zhu),
        System("AMC 2018", free, "L1 norm, shares chosen by an agent", ft,
               "share of the MACs", amc_search),
        System("OBD 1989", weights, "saliency h w²/2, global", "rounds, fine-tuned after each",
               network, obd),
        System("Renda 2020", weights, "magnitude, global", "rounds, LR-rewinding after each",
               "none: a fifth of the rest each round", renda),
        System("Variational Dropout 2017", weights, "noise log α", "while training",
               "largest log α that stays", variational_dropout),
        System("SynFlow 2020", weights, "synaptic flow, global", "before training, 100 rounds",
               "weights before / after", synflow),
        System("Unpruned from scratch", "nothing", "none", "none", "weights before / after",
               unpruned),
        System("Magnitude at initialisation", weights, "magnitude, global",
               "before training, at once", "weights before / after", magnitude_at_init),
    ]  # fmt: skip
