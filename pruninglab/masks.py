"""Masks: which weights stay. Check them, set weights to zero, keep them at zero in training.

A set of masks is a dict `parameter name -> bool tensor` of the parameter's shape; True means keep.
It may cover some of the prunable weights only; the others are then not pruned.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.optim.optimizer import register_optimizer_step_post_hook

from pruninglab.files import whole
from pruninglab.layers import network, prunable
from pruninglab.saved import load_intact

Masks = dict[str, Tensor]


def check_sparsity(sparsity: float) -> float:
    """Return the sparsity itself, if it is a number in 0 .. 1.

    Raises:
        ValueError: it is not (so neither is NaN).

    >>> check_sparsity(90)
    Traceback (most recent call last):
    ValueError: sparsity is the pruned fraction, a number in 0 .. 1, got 90
    """
    if not isinstance(sparsity, (int, float)) or not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity is the pruned fraction, a number in 0 .. 1, got {sparsity!r}")
    return sparsity


def check_scores(scores: Mapping[str, Tensor]) -> None:
    """Refuse scores that cannot be ranked: anything but tensors without NaN. Infinities may be.

    Raises:
        ValueError: no scores at all, something that is not a tensor, or a NaN; the message names
            it.
    """
    if not isinstance(scores, Mapping) or not len(scores):
        kind = "empty" if isinstance(scores, Mapping) else f"a {type(scores).__name__}"
        raise ValueError(f"scores are {kind}: they need one tensor per weight, as name -> tensor")
    for name, score in scores.items():
        if not isinstance(score, Tensor):
            raise ValueError(f"scores[{name!r}] must be a tensor, got {type(score).__name__}")
        bad = int(score.isnan().sum())
        if bad:
            raise ValueError(f"scores[{name!r}]: {bad} of {score.numel()} values are NaN")


def validate(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Check that `masks` fit `model`: known prunable names, bool, the shapes of the weights.

    Raises:
        ValueError: they do not; the message names the tensor and says what was expected.

    >>> validate(nn.Linear(3, 2), {"weight": torch.ones(3, 2, dtype=torch.bool)})
    Traceback (most recent call last):
    ValueError: masks['weight'] has shape (3, 2), but the weight has (2, 3)
    """
    weights = prunable(model)
    _check_masks(masks)
    for name, mask in masks.items():
        if name not in weights:
            own = name.replace("_orig_mod.", "").removeprefix("module.")  # torch's wrappers
            known = f"call it {own!r}" if own in weights else f"it has {', '.join(weights)}"
            raise ValueError(f"masks[{name!r}]: the model has no such weight; {known}")
        shape, expected = tuple(mask.shape), tuple(weights[name].shape)
        if shape != expected:
            raise ValueError(f"masks[{name!r}] has shape {shape}, but the weight has {expected}")
        if not isinstance(weights[name], nn.Parameter):
            raise ValueError(
                f"masks[{name!r}]: torch.nn.utils.prune (or another parametrisation) computes this "
                "weight from others; call masks.remove_torch(model) first"
            )


def _check_masks(masks: Mapping[str, Tensor]) -> None:
    """What can be checked without a model: a dict of names and bool tensors."""
    if not isinstance(masks, Mapping):
        raise ValueError(f"masks must be a dict name -> bool tensor, got {type(masks).__name__}")
    for name, mask in masks.items():
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
            raise ValueError(f"masks[{name!r}] must be a torch.bool tensor, got {kind}")


@torch.no_grad()
def apply(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set the pruned weights to exactly +0.0, in place. The kept ones are not touched.

    Raises:
        ValueError: the masks do not fit (see `validate`); then no weight has changed.

    >>> layer = nn.Linear(2, 1)
    >>> apply(layer, {"weight": torch.tensor([[True, False]])})
    >>> (layer.weight != 0).tolist()
    [[True, False]]
    """
    validate(model, masks)
    weights = prunable(model)
    for name, mask in masks.items():
        # Not `weight *= mask`: that makes -0.0 of a negative weight and keeps a NaN.
        weights[name].masked_fill_(~mask.to(weights[name].device), 0.0)


@contextmanager
def hold(model: nn.Module, masks: Mapping[str, Tensor]) -> Iterator[None]:
    """Apply `masks`, and apply them again after every step of any optimizer on these weights.

    Masking the gradient alone is not enough: momentum and weight decay move a weight without one.
    Works around any training loop, compiled or not, and adds no attribute to the model. Two holds
    inside each other keep what both keep. What writes to the weights without an optimizer, such as
    `load_state_dict`, is masked by the next step only: call `apply` after it. (In a training that
    diverges, 0 times infinity is NaN: there the pruned weights are zero again when the hold ends.)

    Raises:
        ValueError: the masks do not fit (see `validate`), and no weight has changed; or, after a
            step or at the end, a weight has been replaced by another parameter.

    >>> layer = nn.Linear(2, 1)
    >>> sgd = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    >>> with hold(layer, {"weight": torch.tensor([[True, False]])}):
    ...     layer(torch.ones(4, 2)).sum().backward()
    ...     sgd.step()
    >>> layer.weight[0, 1].item()
    0.0
    """
    apply(model, masks)
    held = {name: prunable(model)[name] for name in masks}
    weights = list(held.values())
    keep = list(map(_factors, weights, masks.values()))
    ids = {id(w) for w in weights}

    @torch.no_grad()
    def after_step(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        _check_still_there(model, held)
        if any(id(p) in ids for group in optimizer.param_groups for p in group["params"]):
            keep[:] = map(_factors, weights, keep)
            # For all weights at once, as torch's own optimizers do: a few times faster than
            # masked_fill_ one by one. Adding 0 turns the product's -0.0 into +0.0.
            torch._foreach_mul_(weights, keep)
            torch._foreach_add_(weights, 0.0)

    handle = register_optimizer_step_post_hook(after_step)
    try:
        yield
        _check_still_there(model, held)
        # A training that has diverged left NaN, which would count as weights that are kept. The
        # model may have moved to another device since the last step.
        for weight, kept in zip(weights, map(_factors, weights, keep), strict=True):
            weight.data.masked_fill_(kept == 0, 0.0)
    finally:
        handle.remove()


def _check_still_there(model: nn.Module, held: Mapping[str, Tensor]) -> None:
    """Refuse to go on when a weight that is held has been replaced: nothing would hold the new one.

    `layer.weight = nn.Parameter(...)`, a new layer, `load_state_dict(..., assign=True)` and torch's
    pruning all put another tensor in its place.
    """
    now = prunable(model)
    for name, weight in held.items():
        if now.get(name) is not weight:
            raise ValueError(
                f"{name} has been replaced since masks.hold began, and the new one is not held: "
                "change values in place (weight.data.copy_), or begin a new hold afterwards"
            )


def _factors(weight: Tensor, keep: Tensor) -> Tensor:
    """1 where a weight stays, else 0, in the weight's dtype and memory layout and on its device.

    A trainer may move the model or change its layout after the hold began, and with unequal
    layouts the product would be several times slower in every step.
    """
    as_it_is = (keep.dtype, keep.device, keep.stride()) == (
        weight.dtype, weight.device, weight.stride()
    )  # fmt: skip
    return keep if as_it_is else torch.empty_like(weight).copy_(keep)


def combine(*masks: Mapping[str, Tensor]) -> Masks:
    """Combine masks: keep only what all of them keep.

    Raises:
        ValueError: no masks, or their names or shapes differ.

    >>> a, b = torch.tensor([True, True, False]), torch.tensor([True, False, False])
    >>> combine({"w": a}, {"w": b})["w"].tolist()
    [True, False, False]
    """
    if not masks:
        raise ValueError("combine needs at least one set of masks")
    first = masks[0]
    for other in masks:
        _check_masks(other)
        if unlike := sorted(first.keys() ^ other.keys()):
            raise ValueError(f"the sets of masks differ in their names: {', '.join(unlike)}")
        for name in first:
            if first[name].shape != other[name].shape:
                shapes = f"{tuple(first[name].shape)} and {tuple(other[name].shape)}"
                raise ValueError(f"masks[{name!r}] has the shapes {shapes}")
    return {name: torch.stack([m[name] for m in masks]).all(0) for name in first}


def from_weights(model: nn.Module) -> Masks:
    """Make the masks that keep exactly the weights that are not zero.

    >>> layer = nn.Linear(2, 1)
    >>> apply(layer, {"weight": torch.tensor([[True, False]])})
    >>> from_weights(layer)
    {'weight': tensor([[ True, False]])}
    """
    return {name: weight.detach() != 0 for name, weight in prunable(model).items()}


def random_masks(
    like: nn.Module | Mapping[str, Tensor],
    sparsity: float,
    generator: torch.Generator | None = None,
) -> Masks:
    """Drop round(sparsity * n) weights by chance: the control of every pruning experiment.

    Args:
        like: a model, or a dict of tensors (scores, masks) with the names and shapes.
        sparsity: over the whole network, in 0 .. 1.
        generator: a CPU generator; the same seed gives the same masks.

    Raises:
        ValueError: see `check_sparsity`.

    >>> masks = random_masks(nn.Linear(10, 4), 0.75, torch.Generator().manual_seed(0))
    >>> int(masks["weight"].sum())
    10
    """
    tensors = prunable(like) if isinstance(like, nn.Module) else like
    n = sum(t.numel() for t in tensors.values())
    keep = torch.ones(n, dtype=torch.bool)
    keep[torch.randperm(n, generator=generator)[: round(check_sparsity(sparsity) * n)]] = False
    parts = keep.split([t.numel() for t in tensors.values()])
    return {
        name: part.view(t.shape).to(t.device)
        for part, (name, t) in zip(parts, tensors.items(), strict=True)
    }


def save(path: str | os.PathLike[str], masks: Mapping[str, Tensor]) -> None:
    """Write masks to a file, completely or, if that fails, not at all.

    Raises:
        ValueError: these are not masks; a file that was there stays as it was.
    """
    _check_masks(masks)
    with whole(path) as part:  # clone: of a view, torch.save would write all the memory behind it
        torch.save({name: mask.cpu().clone() for name, mask in masks.items()}, part)


def load(path: str | os.PathLike[str]) -> Masks:
    """Read what `save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds something else.
    """
    try:
        masks = load_intact(path)
        _check_masks(masks)
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        reason = str(error).split("\n")[0]
        raise ValueError(f"{path} is damaged or holds no masks: {reason}") from error
    return masks


def to_torch(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Hand the masks to torch.nn.utils.prune: `weight` becomes `weight_orig * weight_mask`.

    Raises:
        ValueError: the masks do not fit (see `validate`); then nothing has changed.

    >>> layer = nn.Linear(2, 1)
    >>> to_torch(layer, {"weight": torch.tensor([[True, False]])})
    >>> prune.is_pruned(layer), remove_torch(layer), prune.is_pruned(layer)
    (True, {'weight': tensor([[ True, False]])}, False)
    """
    validate(model, masks)
    weights, model = prunable(model), network(model)
    for name, mask in masks.items():
        module = model.get_submodule(name.rpartition(".")[0])
        prune.custom_from_mask(module, "weight", mask.to(weights[name].device))


def from_torch(model: nn.Module) -> Masks:
    """Read the masks that torch.nn.utils.prune holds on the model's weights, and change nothing.

    Its masks of biases are left alone: here only the weights of convolutions and linear layers are
    pruned. A weight that torch does not prune gets no mask.

    >>> layer = prune.l1_unstructured(nn.Linear(4, 1), "weight", amount=3)
    >>> int(from_torch(layer)["weight"].sum())
    1
    """
    buffers = dict(network(model).named_buffers())
    names = [name for name in prunable(model) if f"{name}_mask" in buffers]
    return {name: buffers[f"{name}_mask"] != 0 for name in names}


def remove_torch(model: nn.Module) -> Masks:
    """Turn what torch.nn.utils.prune holds into plain weights with zeros; return the masks.

    The weights are new, ordinary parameters: make a new optimizer for them.
    """
    masks, model = from_torch(model), network(model)
    for name in masks:
        prune.remove(model.get_submodule(name.rpartition(".")[0]), "weight")
    apply(model, masks)  # +0.0 where torch's product left -0.0
    return masks
