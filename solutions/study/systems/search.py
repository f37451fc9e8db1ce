"""AMC (He et al. 2018): an agent chooses a sparsity per layer; random search and uniform beside it.

All three remove the same MACs and are retrained alike; agent and random search measure equally many
choices. A choice is measured on the held-out images right after the removal, with the statistics of
BN measured again: without that, half of the filters gone leaves every choice near chance, and there
is nothing to learn. (The authors mend the layers by least squares.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from torch import nn

from pruninglab import amc, counters
from pruninglab.files import write
from pruninglab.models import ResNet20
from pruninglab.training import accuracy
from solutions.lab1_structures.exercises import free_convs
from solutions.lab3_methods.exercises import retraining_lrs
from solutions.lab4_papers import exercises as papers
from solutions.lab6_further import exercises as further
from solutions.study.job import CYCLE, Job, Pruned, System, after, remeasure
from solutions.study.systems.words import FILTERS, FREE, OF_MACS, ONE_SCHEDULE

# The largest sparsity of a layer: one filter in sixteen stays. With three quarters, a target of
# 70 % of the MACs leaves next to nothing to choose.
HIGHEST = 15 / 16
FOR_BN = 1000  # training images, for each choice

Reward = Callable[[amc.Choice], float]
Find = Callable[[Job, ResNet20, float, Reward], amc.Choice]


def reward_of(job: Job, model: ResNet20, notes: Path) -> Reward:
    """Minus the error of a choice on all held-out images, BN measured again.

    Args:
        notes: a file in which each reward is written down, so that a search that was killed is
            repeated at once: it makes the same choices.
    """
    lines = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
    known = {key: float(value) for key, _, value in (line.partition(" ") for line in lines)}

    def measured(network: nn.Module) -> float:
        remeasure(network, job, FOR_BN)
        return accuracy(network, job.val, bf16=None)

    def reward(choice: amc.Choice) -> float:
        key = ",".join(f"{share:.4f}" for share in choice.values())
        if key not in known:
            known[key] = further.amc_reward(model, choice, measured)
            notes.parent.mkdir(parents=True, exist_ok=True)
            write(notes, "".join(f"{key} {value!r}\n" for key, value in known.items()))
        return known[key]

    return reward


def by_agent(job: Job, model: ResNet20, target: float, reward: Reward) -> amc.Choice:
    """The best choice of the agent."""
    history = amc.search(
        amc.layers_of(model, free_convs(model)), reward, further.bounded_sparsity, target=target,
        highest=HIGHEST, episodes=job.budget.rewards, agent=amc.Agent(job.seed), progress=False,
    )  # fmt: skip
    return amc.best(history).choice


def at_random(job: Job, model: ResNet20, target: float, reward: Reward) -> amc.Choice:
    """The best of as many random choices."""
    history = amc.random_search(
        amc.layers_of(model, free_convs(model)), reward, target=target, highest=HIGHEST,
        episodes=job.budget.rewards, seed=job.seed,
    )  # fmt: skip
    return amc.best(history).choice


def uniform(job: Job, model: ResNet20, target: float, reward: Reward) -> amc.Choice:
    """The same sparsity for every layer: nothing is measured."""
    return amc.uniform(amc.layers_of(model, free_convs(model)), target)


def searched(job: Job, targets: Sequence[float], find: Find) -> Iterator[Pruned]:
    """Find a choice, remove the filters of least L1 norm, retrain."""
    for target in targets:
        model, loop = job.dense(), job.loop(target, job.shared(), shrinks=True)
        reward = reward_of(job, model, job.folder / f"rewards-{target}.txt")
        choice = find(job, model, target * counters.macs(model), reward)
        for name, share in choice.items():
            weight = model.get_parameter(f"{name}.weight")
            papers.shrink(model, {name: papers.filter_mask(weight, share)})
        loop(model, {}, retraining_lrs(CYCLE, 1, job.steps(), rewind=False))
        yield after(target, model, loop)


SYSTEMS = [
    System(
        name=name, structure=FREE, criterion=criterion, method=ONE_SCHEDULE, target=OF_MACS,
        run=partial(searched, find=find), targets=FILTERS, panels=("filters",),
    )
    for name, criterion, find in (
        ("AMC 2018", "L1 norm, shares chosen by an agent", by_agent),
        ("AMC: random search", "L1 norm, best of random shares", at_random),
        ("AMC: uniform", "L1 norm, the same share of each layer", uniform),
    )
]  # fmt: skip
