"""An agent that chooses one sparsity per layer: AutoML for Model Compression (He et al. 2018).

The agent is their DDPG (deep deterministic policy gradient) with smaller networks. It walks
through the layers; at each it sees a state of 11 numbers and answers with one, the sparsity. How
an answer is bounded by the budget and how a finished choice is rewarded are handed in as
functions: they are what the lab asks for.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from pruninglab.counters import table

Bound = Callable[[float, list[float], list[float], float, float], float]
Choice = dict[str, float]  # name of a convolution -> its sparsity


@dataclass(frozen=True)
class Layer:
    """A convolution that may lose filters, and the next one, which loses channels with it."""

    name: str
    filters: int
    channels: int
    size: int  # of its output: height and width
    stride: int
    kernel: int
    macs: float  # of both: what pruning all filters would save


def layers_of(model: nn.Module, names: Sequence[str]) -> list[Layer]:
    """Describe the convolutions `names` of a ResNet-20, each the `conv1` of a block.

    >>> from pruninglab.models import ResNet20
    >>> layers_of(ResNet20(), ["layer1.0.conv1"])[0].macs  # 2 · 32² positions · 16·16·9 weights
    4718592.0
    """
    macs = {row.name: row.macs for row in table(model).rows}
    found = []
    for name in names:
        conv = model.get_submodule(name)
        if not isinstance(conv, nn.Conv2d):
            raise ValueError(f"{name} is a {type(conv).__name__}, not a convolution")
        size = round(math.sqrt(macs[name] / conv.weight.numel()))
        both = float(macs[name] + macs[name.replace("conv1", "conv2")])
        kind = (conv.out_channels, conv.in_channels, size, conv.stride[0], conv.kernel_size[0])
        found.append(Layer(name, *kind, both))
    return found


def whole(sparsity: float, layer: Layer) -> float:
    """The next sparsity that is a whole number of filters, so that a budget is still met."""
    return min(1.0, math.ceil(round(sparsity * layer.filters, 6)) / layer.filters)


def saved(layers: Sequence[Layer], choice: Choice) -> float:
    """The MACs that a choice removes."""
    return sum(layer.macs * choice[layer.name] for layer in layers)


def uniform(layers: Sequence[Layer], target: float) -> Choice:
    """The same sparsity for every layer."""
    share = target / sum(layer.macs for layer in layers)
    return {layer.name: whole(share, layer) for layer in layers}


def random_choice(
    layers: Sequence[Layer], target: float, highest: float, generator: torch.Generator
) -> Choice:
    """Random sparsities that meet the target and no more: drawn evenly, then all shifted alike."""
    drawn = torch.rand(len(layers), generator=generator).double()
    macs = torch.tensor([layer.macs for layer in layers]).double()
    low, high = -1.0, 1.0
    for _ in range(40):  # find the shift by bisection
        middle = (low + high) / 2
        enough = float((macs * (drawn * highest + middle).clamp(0, highest)).sum()) >= target
        low, high = (low, middle) if enough else (middle, high)
    shifted = (drawn * highest + high).clamp(0, highest).tolist()
    return {layer.name: whole(s, layer) for layer, s in zip(layers, shifted, strict=True)}


def state(layers: Sequence[Layer], chosen: Sequence[float]) -> Tensor:
    """What the agent sees at layer t = len(chosen), 11 numbers in 0 .. 1 (He et al. 2018, eq. 1).

    Index, filters, channels, height, width, stride, kernel, MACs of this layer, MACs already
    removed, MACs of the layers to come, and the action before.
    """
    t, total = len(chosen), sum(layer.macs for layer in layers)
    layer = layers[t]
    most = [max(getattr(x, k) for x in layers) for k in ("filters", "channels", "size")]
    removed = sum(x.macs * s for x, s in zip(layers, chosen, strict=False))
    rest = sum(x.macs for x in layers[t + 1 :])
    numbers = [
        t / len(layers), layer.filters / most[0], layer.channels / most[1], layer.size / most[2],
        layer.size / most[2], layer.stride / 2, layer.kernel / 3, layer.macs / total,
        removed / total, rest / total, chosen[-1] if chosen else 0.0,
    ]  # fmt: skip
    return torch.tensor(numbers)


def network(inputs: int, last: nn.Module, hidden: int = 64) -> nn.Sequential:
    """Two hidden layers (of 300 units in the paper)."""
    middle = [nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
    return nn.Sequential(*middle, nn.Linear(hidden, 1), last)


class Agent:
    """DDPG: an actor that answers a state with an action, a critic that predicts the reward.

    Args:
        seed: of its weights, its exploration and its memory's samples.
        explore: episodes with evenly distributed actions at the start.
        spread: standard deviation of the noise on actions after that; it falls by `decay` in
            every episode.
    """

    def __init__(
        self, seed: int = 0, explore: int = 30, spread: float = 0.5, decay: float = 0.97
    ) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.actor, self.critic = network(11, nn.Sigmoid()), network(12, nn.Identity())
        self.old_actor, self.old_critic = copy.deepcopy((self.actor, self.critic))
        self.actor_step = torch.optim.Adam(self.actor.parameters(), lr=1e-3)
        self.critic_step = torch.optim.Adam(self.critic.parameters(), lr=3e-3)
        self.explore, self.spread, self.decay = explore, spread, decay
        self.episodes, self.baseline = 0, 0.0
        self.memory: list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]] = []

    @torch.no_grad()
    def act(self, seen: Tensor) -> float:
        """An action, 0 to 1, with the noise of the exploration."""
        if self.episodes < self.explore:
            return float(torch.rand((), generator=self.generator))
        spread = self.spread * self.decay ** (self.episodes - self.explore)
        while True:  # a normal distribution cut off at 0 and 1
            action = float(self.actor(seen) + spread * torch.randn((), generator=self.generator))
            if 0 <= action <= 1:
                return action
            spread *= 0.9 if spread > 1e-3 else 0.0
            if spread == 0.0:
                return min(1.0, max(0.0, action))

    def learn(self, states: list[Tensor], actions: list[float], reward: float) -> None:
        """Remember an episode, then improve critic and actor on samples of the memory."""
        self.baseline = reward if not self.episodes else 0.95 * self.baseline + 0.05 * reward
        self.episodes += 1
        for t, action in enumerate(actions):
            last = t + 1 == len(actions)
            following = states[t] if last else states[t + 1]
            gain = torch.tensor([reward if last else 0.0])
            ends = torch.tensor([float(last)])
            self.memory.append((states[t], torch.tensor([action]), gain, following, ends))
        if self.episodes >= self.explore:
            for _ in actions:
                self._improve()

    def _improve(self, batch: int = 64) -> None:
        index = torch.randint(len(self.memory), (batch,), generator=self.generator)
        rows = [self.memory[i] for i in index.tolist()]
        seen, action, gain, following, ends = (torch.stack(x) for x in zip(*rows, strict=True))
        with torch.no_grad():  # the reward comes once, at the end; the discount is 1
            ahead = self.old_critic(torch.cat([following, self.old_actor(following)], dim=1))
            goal = ends * (gain - self.baseline) + (1 - ends) * ahead
        miss = (self.critic(torch.cat([seen, action], dim=1)) - goal).square().mean()
        self._step(self.critic_step, miss)
        self._step(self.actor_step, -self.critic(torch.cat([seen, self.actor(seen)], dim=1)).mean())
        for old, new in ((self.old_actor, self.actor), (self.old_critic, self.critic)):
            for slow, fast in zip(old.parameters(), new.parameters(), strict=True):
                slow.data.lerp_(fast.data, 0.01)

    @staticmethod
    def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@dataclass(frozen=True)
class Episode:
    """A finished choice and its reward."""

    choice: Choice
    reward: float


def search(
    layers: Sequence[Layer],
    reward: Callable[[Choice], float],
    bound: Bound,
    *,
    target: float,
    highest: float = 0.75,
    episodes: int = 100,
    agent: Agent | None = None,
    progress: bool = True,
) -> list[Episode]:
    """Let an agent choose again and again, and learn from the rewards.

    Args:
        reward: a choice -> its reward.
        bound: `(wanted, macs, chosen, target, highest) -> sparsity`, see the lab.
        target: MACs to remove.
        highest: the largest sparsity a layer may get; it should be a whole number of filters.
    """
    agent = agent or Agent()
    macs, history = [layer.macs for layer in layers], []
    for _ in tqdm(range(episodes), unit="episode", disable=None if progress else True):
        states: list[Tensor] = []
        chosen: list[float] = []
        for layer in layers:
            states.append(state(layers, chosen))
            wanted = agent.act(states[-1])
            chosen.append(whole(bound(wanted, macs, chosen, target, highest), layer))
        choice = {layer.name: s for layer, s in zip(layers, chosen, strict=True)}
        history.append(Episode(choice, reward(choice)))
        agent.learn(states, chosen, history[-1].reward)
    return history


def random_search(
    layers: Sequence[Layer],
    reward: Callable[[Choice], float],
    *,
    target: float,
    highest: float = 0.75,
    episodes: int = 100,
    seed: int = 0,
) -> list[Episode]:
    """The control: as many random choices that meet the same target."""
    generator = torch.Generator().manual_seed(seed)
    choices = [random_choice(layers, target, highest, generator) for _ in range(episodes)]
    return [Episode(choice, reward(choice)) for choice in choices]


def best(history: Sequence[Episode]) -> Episode:
    """The episode with the highest reward."""
    return max(history, key=lambda episode: episode.reward)
