"""An agent that chooses one sparsity per layer: AutoML for Model Compression (He et al. 2018).

The agent walks through the layers; at each it sees a state of 11 numbers and answers with one, the
sparsity. How an answer is bounded by the budget and how a finished choice is rewarded are handed
in as functions: they are what the lab asks for.

The agent is a deterministic policy gradient with actor, critic and memory (DDPG), as in the paper,
but made for a hundred episodes instead of eight hundred:

- the networks have 64 units a layer instead of 300;
- the critic learns the reward at the end of the episode directly. The paper's learns it through
  its own prediction for the next step, with slow copies of both networks;
- rewards are divided by their standard deviation, and old episodes are forgotten;
- a choice may not remove more than the target either, so that all compared choices have equal MACs.
"""

from __future__ import annotations

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


def meet(layers: Sequence[Layer], wanted: Sequence[float], target: float) -> Choice:
    """Whole filters: round down, then up in one layer after the other until the target is met."""
    pairs = list(zip(layers, wanted, strict=True))
    choice = {x.name: math.floor(round(s * x.filters, 6)) / x.filters for x, s in pairs}
    for layer, s in pairs:
        if saved(layers, choice) >= target:
            break
        choice[layer.name] = whole(s, layer)
    return choice


def uniform(layers: Sequence[Layer], target: float) -> Choice:
    """The same sparsity for every layer, up to whole filters."""
    share = target / sum(layer.macs for layer in layers)
    return meet(layers, [share] * len(layers), target)


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
    return meet(layers, shifted, target)


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


def network(inputs: int, squash: bool, hidden: int = 64) -> nn.Sequential:
    """Two hidden layers and one output, which starts near 0 and may be squashed into 0 .. 1."""
    last = nn.Linear(hidden, 1)
    nn.init.uniform_(last.weight, -3e-3, 3e-3)  # there the slope of the sigmoid is steepest
    middle = [nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
    return nn.Sequential(*middle, last, nn.Sigmoid() if squash else nn.Identity())


class Agent:
    """An actor that answers a state with an action, a critic that predicts the reward.

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
            self.actor, self.critic = network(11, squash=True), network(12, squash=False)
        self.actor_step = torch.optim.Adam(self.actor.parameters(), lr=3e-4)
        self.critic_step = torch.optim.Adam(self.critic.parameters(), lr=3e-3)
        self.explore, self.spread, self.decay = explore, spread, decay
        self.episodes, self.baseline = 0, 0.0
        self.memory: list[tuple[Tensor, Tensor, Tensor]] = []

    @torch.no_grad()
    def act(self, seen: Tensor) -> float:
        """An action, 0 to 1, with the noise of the exploration."""
        if self.episodes < self.explore:
            return float(torch.rand((), generator=self.generator))
        spread = self.spread * self.decay ** (self.episodes - self.explore)
        mean, action = float(self.actor(seen)), torch.empty(())
        nn.init.trunc_normal_(action, mean, spread, 0.0, 1.0, generator=self.generator)
        return float(action)

    def learn(self, states: list[Tensor], actions: list[float], reward: float) -> None:
        """Remember an episode, then improve critic and actor on samples of the memory."""
        self.baseline = reward if not self.episodes else 0.95 * self.baseline + 0.05 * reward
        self.episodes += 1
        for seen, action in zip(states, actions, strict=True):
            self.memory.append((seen, torch.tensor([action]), torch.tensor([reward])))
        self.memory = self.memory[-600:]  # old policies teach little
        if self.episodes >= self.explore:
            for _ in range(3 * len(actions)):
                self._improve()

    def _improve(self, batch: int = 64) -> None:
        index = torch.randint(len(self.memory), (batch,), generator=self.generator)
        rows = [self.memory[i] for i in index.tolist()]
        seen, action, gain = (torch.stack(x) for x in zip(*rows, strict=True))
        gain = (gain - self.baseline) / (torch.stack([r for *_, r in self.memory]).std() + 1e-6)
        miss = self.critic(torch.cat([seen, action], dim=1)) - gain
        self._step(self.critic_step, miss.square().mean())
        self._step(self.actor_step, -self.critic(torch.cat([seen, self.actor(seen)], dim=1)).mean())

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
            left = target - sum(m * s for m, s in zip(macs, chosen, strict=False))
            # No more than is left of the target: all choices shall have equal MACs.
            wanted = min(agent.act(states[-1]), max(0.0, left / layer.macs))
            chosen.append(whole(bound(wanted, macs, chosen, target, highest), layer))
        choice = {layer.name: s for layer, s in zip(layers, chosen, strict=True)}
        history.append(Episode(choice, reward(choice)))
        agent.learn(states, chosen, history[-1].reward)  # with the bounded actions
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
