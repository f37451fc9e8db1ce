"""What a network really is: without torch's wrappers, its layers, and the weights it computes with.

torch.compile, DataParallel and AveragedModel wrap a network, and its names get a prefix;
torch.nn.utils.prune and parametrizations compute a weight from other tensors; quantised, scripted
and lazy layers have no weights that could be looked at. Every count and every mask asks here first,
so that all of them give the same answer, or the same refusal.
"""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor, nn
from torch.ao.nn.quantized.modules.utils import WeightedQuantizedModule
from torch.nn.parameter import is_lazy
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.weight_norm import WeightNorm
from torch.optim.swa_utils import AveragedModel

Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear  # whose weights pruning may remove
WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel, AveragedModel)
# In a layer's state, what its weight is computed from: weight_orig and weight_mask of pruning,
# weight_g and weight_v of weight normalisation, parametrizations.weight.original.
SOURCES = ("weight_", "parametrizations.weight.")


def network(model: nn.Module) -> nn.Module:
    """Take off what torch has wrapped around a network; the same parameters, with their own names.

    Args:
        model: a network, perhaps in torch.compile, DataParallel, DistributedDataParallel or
            AveragedModel, perhaps in several of them.

    Raises:
        TypeError: this is no network.
        ValueError: a layer has no weights to look at: it is quantised, scripted or lazy. The
            message names the layer and what to do.

    >>> network(nn.DataParallel(nn.Linear(2, 1)))
    Linear(in_features=2, out_features=1, bias=True)
    """
    while True:
        if not isinstance(model, nn.Module):
            raise TypeError(f"expected a network (torch.nn.Module), got a {type(model).__name__}")
        # By its attribute: importing the class of compiled networks takes seconds.
        inner = model.module if isinstance(model, WRAPPERS) else getattr(model, "_orig_mod", None)
        if inner is None:
            break
        model = inner
    for name, module in model.named_modules():
        if reason := _unreadable(module):
            kind = type(module).__name__
            raise ValueError(f"{name or 'the network'} ({kind}) {reason}")
    return model


def _unreadable(module: nn.Module) -> str | None:
    """Why a layer cannot be looked into, and what to do; None if it can."""
    if isinstance(module, WeightedQuantizedModule):
        return "is quantised and hides its weights: use the network from before quantisation"
    if isinstance(module, torch.jit.ScriptModule):
        return "is compiled by torch.jit, which hides its layers: use the network from before"
    if any(p is not None and is_lazy(p) for p in module._parameters.values()):
        return "is lazy and has no weights yet: call the network once, on an image"
    return None


def prunable_layers(model: nn.Module) -> dict[str, Layer]:
    """Find the convolutions (not transposed ones) and linear layers: module name -> module.

    Raises:
        TypeError, ValueError: see `network`.

    >>> list(prunable_layers(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))))
    ['0', '2']
    """
    found = network(model).named_modules()
    return {name: module for name, module in found if isinstance(module, Layer)}


def prunable(model: nn.Module) -> dict[str, Tensor]:
    """Find the weights that pruning may remove: of convolutions and linear layers, never of BN.

    Returns:
        parameter name -> parameter, in the order of the network; one that layers share comes once,
        under the first name. (Where a weight is computed from other tensors, as under
        torch.nn.utils.prune, it is the weight as the next forward pass will compute it.)

    Raises:
        TypeError, ValueError: see `network`; or the model has no convolution and no linear layer,
            or layers prune a weight that they share in different ways.

    >>> weights = prunable(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)))
    >>> [(name, tuple(weight.shape)) for name, weight in weights.items()]
    [('0.weight', (3, 2)), ('2.weight', (1, 3))]
    """
    found: dict[str, Tensor] = {}
    names: dict[Hashable, str] = {}
    for layer_name, layer in prunable_layers(model).items():
        name, weight = f"{layer_name}.weight" if layer_name else "weight", weight_of(layer)
        first = names.setdefault(_sources(layer, weight), name)
        if first == name:
            found[name] = weight
        elif weight is not found[first] and not torch.equal(weight, found[first]):
            raise ValueError(f"{first} and {name} are one parameter, but are pruned differently")
    if not found:
        raise ValueError(f"{type(model).__name__} has no convolution or linear layer to prune")
    return found


def weight_of(layer: nn.Module) -> Tensor:
    """Give the weight that a layer's next forward pass uses.

    Hooks of torch.nn.utils.prune and weight_norm compute it at the beginning of that pass, so the
    attribute `weight` may still be the old one: after `load_state_dict`, say.

    >>> from torch.nn.utils import prune
    >>> layer = prune.identity(nn.Linear(2, 1), "weight")
    >>> layer.weight_mask.zero_().tolist(), weight_of(layer).count_nonzero().item()
    ([[0.0, 0.0]], 0)
    """
    if "weight" not in layer._parameters:
        for hook in layer._forward_pre_hooks.values():
            if isinstance(hook, BasePruningMethod) and hook._tensor_name == "weight":
                return hook.apply_mask(layer)
            if isinstance(hook, WeightNorm) and hook.name == "weight":
                return hook.compute_weight(layer)
    return layer.weight  # type: ignore[return-value]


def _sources(layer: nn.Module, weight: Tensor) -> Hashable:
    """The parameters that a weight is made of: the same ones in layers that share it."""
    made_of = [
        id(p) for name, p in layer.named_parameters() if name.startswith(("weight", *SOURCES))
    ]
    return tuple(made_of) or id(weight)


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """Give the network's `state_dict()` as if nothing were wrapped, pruned by hooks or computed.

    Returns:
        tensor name -> tensor on the CPU, pruned weights as zeros (+0.0), under the names that the
        network would have without wrappers and without torch.nn.utils.prune.

    Raises:
        TypeError, ValueError: see `network`.

    >>> from torch.nn.utils import prune
    >>> layer = nn.DataParallel(prune.l1_unstructured(nn.Linear(2, 1), "weight", amount=1))
    >>> sorted(plain_state(layer))
    ['bias', 'weight']
    """
    model = network(model)
    state = model.state_dict()
    for name, layer in prunable_layers(model).items():
        before = f"{name}." if name else ""
        if f"{before}weight" not in state:
            old = tuple(before + source for source in SOURCES)
            state = {key: tensor for key, tensor in state.items() if not key.startswith(old)}
            state[f"{before}weight"] = weight_of(layer) + 0.0  # torch's product leaves -0.0
    return {name: tensor.detach().cpu() for name, tensor in state.items()}
