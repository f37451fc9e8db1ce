"""Layers whose weights are normal distributions, and their training (Molchanov et al. 2017).

What one forward pass, the KL and the loss compute is handed in as functions: they are what the
lab asks for. Here is only what they need around them.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from pruninglab.data import Images, batches
from pruninglab.files import whole
from pruninglab.models import prunable
from pruninglab.saved import load_state
from pruninglab.training import device_of, mixed_precision, mode

Layer = Callable[[Tensor, Tensor], Tensor]  # (x, weight) -> outputs, without bias
Draw = Callable[[Layer, Tensor, Tensor, Tensor], Tensor]
Loss = Callable[[Tensor, Tensor, Tensor, int, float, float], Tensor]

History = list[dict[str, float]]


class NoisyConv2d(nn.Conv2d):
    """A convolution with `weight` as the means, and `log_sigma2` of the same shape.

    In training mode its output is `draw(layer, x, weight, log_sigma2)`, plus the bias; in
    evaluation mode it is the plain convolution with the means.
    """

    def __init__(self, conv: nn.Conv2d, draw: Draw, log_sigma2: float) -> None:
        old: Any = conv  # torch types its sizes more loosely than its arguments
        super().__init__(
            old.in_channels, old.out_channels, old.kernel_size, old.stride, old.padding,
            old.dilation, old.groups, old.bias is not None,
        )  # fmt: skip
        self.load_state_dict(conv.state_dict())
        self.draw, self.log_sigma2 = draw, nn.Parameter(torch.full_like(self.weight, log_sigma2))

    def forward(self, x: Tensor) -> Tensor:
        """Images `(N, in, H, W) -> (N, out, H', W')`."""
        if not self.training:
            return super().forward(x)
        out = self.draw(self._plain, x, self.weight, self.log_sigma2)
        return out if self.bias is None else out + self.bias[:, None, None]

    def _plain(self, x: Tensor, weight: Tensor) -> Tensor:
        return self._conv_forward(x, weight, None)


class NoisyLinear(nn.Linear):
    """The same for a linear layer."""

    def __init__(self, linear: nn.Linear, draw: Draw, log_sigma2: float) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None)
        self.load_state_dict(linear.state_dict())
        self.draw, self.log_sigma2 = draw, nn.Parameter(torch.full_like(self.weight, log_sigma2))

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, in) -> (N, out)`."""
        if not self.training:
            return super().forward(x)
        out = self.draw(F.linear, x, self.weight, self.log_sigma2)
        return out if self.bias is None else out + self.bias


def make_noisy(model: nn.Module, draw: Draw, log_sigma2: float = -10.0) -> nn.Module:
    """A copy of `model` in which every convolution and linear layer is noisy.

    Args:
        draw: `(layer, x, theta, log_sigma2) -> outputs`, where `layer(x, weight)` is the layer's
            own product without bias.
        log_sigma2: where each log σ² starts; e^-10 is very little noise.

    >>> noisy = make_noisy(nn.Sequential(nn.Linear(2, 1)), lambda layer, x, t, s: layer(x, t))
    >>> [name for name, _ in noisy.named_parameters()]
    ['0.weight', '0.bias', '0.log_sigma2']
    """
    twin = copy.deepcopy(model)
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, NoisyConv2d(child, draw, log_sigma2).train(child.training))
            elif isinstance(child, nn.Linear):
                setattr(parent, name, NoisyLinear(child, draw, log_sigma2).train(child.training))
    return twin


def log_sigma2s(noisy: nn.Module) -> dict[str, Tensor]:
    """Name of each weight -> its log σ², in the order of `prunable(noisy)`."""
    parameters = dict(noisy.named_parameters())
    return {name: parameters[name.replace("weight", "log_sigma2")] for name in prunable(noisy)}


def log_alphas(noisy: nn.Module) -> dict[str, Tensor]:
    """Name of each weight -> log α = log σ² - log θ²: noise against signal (detached)."""
    weights = prunable(noisy)
    return {
        name: (s - weights[name].square().clamp(min=1e-8).log()).detach()
        for name, s in log_sigma2s(noisy).items()
    }


def clipped(theta: Tensor, log_sigma2: Tensor, limit: float = 8.0) -> Tensor:
    """Keep log α within ±`limit`, as Molchanov et al. do: returns the log σ² that belongs to it.

    Beyond, the KL has no slope left, and a weight could never come back.

    Args:
        theta: the means, any shape.
        log_sigma2: log σ², the same shape.

    >>> clipped(torch.tensor([1.0, 1.0]), torch.tensor([3.0, 20.0]))
    tensor([3., 8.])
    """
    log_theta2 = theta.square().clamp(min=1e-8).log()
    return (log_sigma2 - log_theta2).clamp(-limit, limit) + log_theta2


def train(
    noisy: nn.Module,
    images: Images,
    epochs: int,
    *,
    kl: Callable[[Tensor, Tensor], Tensor],
    loss: Loss,
    warmup: float = 0.5,
    start: float = 0.0,
    lr: float = 1e-3,
    lr_sigma: float = 3e-2,
    batch_size: int = 128,
    seed: int = 0,
    after_epoch: Callable[[int], None] | None = None,
    checkpoint: Path | None = None,
    bf16: bool | None = None,
    progress: bool = True,
) -> History:
    """Train means and variances together with Adam, the learning rate falling to 0.

    Args:
        noisy: from `make_noisy`; trained in place.
        kl: `(theta, log_sigma2) -> scalar`, for one layer.
        loss: `(outputs, labels, kl of the network, images, progress, warmup) -> scalar`.
        start: the part of the training before the KL counts at all; `warmup` begins after it, and
            `progress` is 0 until then.
        lr: at the start; `lr_sigma` is that of log σ², whose scale is another one.
        checkpoint: written after each epoch; if it is there, training goes on from it.

    Returns:
        One dict per epoch: epoch, loss, kl (in nats, at the end of it), and seconds.
    """
    device, generator = device_of(noisy), torch.Generator().manual_seed(seed)
    noisy.to(memory_format=torch.channels_last)  # several times faster
    variances = list(log_sigma2s(noisy).values())
    ids = {id(v) for v in variances}
    others = [p for p in noisy.parameters() if id(p) not in ids]
    groups = [{"params": others, "lr": lr}, {"params": variances, "lr": lr_sigma}]
    optimizer = torch.optim.Adam(groups)
    per_epoch = max(1, len(images) // batch_size)
    steps = epochs * per_epoch
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    parts = {"model": noisy, "optimizer": optimizer, "lr": falling}
    with mode(noisy, training=True), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the noise of the weights
        history = _resume(checkpoint, parts, generator)
        step = per_epoch * len(history)
        bar = tqdm(range(len(history) + 1, epochs + 1), unit="epoch", disable=not progress or None)
        for epoch in bar:
            start = time.perf_counter()
            for x, y in batches(images, batch_size, train=True, generator=generator):
                with mixed_precision(device, bf16):
                    outputs = noisy(x.to(device)).float()
                pairs = zip(prunable(noisy).values(), variances, strict=True)
                divergence = torch.stack([kl(theta, s) for theta, s in pairs]).sum()
                done = max(0.0, step / steps - start)
                value = loss(outputs, y.to(device), divergence, len(images), done, warmup)
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                falling.step()
                step += 1
            row = {"epoch": epoch, "loss": value.item(), "kl": divergence.item()}
            history.append(row | {"seconds": time.perf_counter() - start})
            if after_epoch:
                after_epoch(epoch)
            _save(checkpoint, parts, generator, history)
    return history


def _save(
    path: Path | None, parts: dict[str, Any], generator: torch.Generator, history: History
) -> None:
    """Write everything that `_resume` needs, atomically."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {name: part.state_dict() for name, part in parts.items()}
    noise = torch.random.get_rng_state()
    state |= {"images": generator.get_state(), "noise": noise, "history": history}
    with whole(path) as part:
        torch.save(state, part)


def _resume(path: Path | None, parts: dict[str, Any], generator: torch.Generator) -> History:
    """Go on from a checkpoint, if there is one; returns the history so far."""
    if path is None or not path.exists():
        return []
    state = load_state(path)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    generator.set_state(state["images"])
    torch.random.set_rng_state(state["noise"])
    return list(state["history"])
