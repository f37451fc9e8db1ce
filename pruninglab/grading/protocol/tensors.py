"""Tensors as plain data: a description and bytes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pruninglab.grading.protocol.messages import BadMessage

TENSORS = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
TENSORS += [torch.float16, torch.bfloat16, torch.float32, torch.float64]
DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in TENSORS}


def describe_tensor(x: Tensor, refer: Callable, parts: list[bytes]) -> dict[str, Any]:
    """A tensor's kind, shape and layout; its bytes, as they lie in memory, are added to `parts`.

    Raises:
        TypeError: there is no way to say them (complex, sparse, quantised ...).
    """
    grad = refer(x.grad) if x.is_leaf and x.grad is not None else None
    flat = x.detach().as_subclass(Tensor).cpu()
    kind = str(flat.dtype).removeprefix("torch.")
    if flat.layout != torch.strided or kind not in DTYPES:
        raise TypeError(f"a tensor of {flat.dtype}, {flat.layout} cannot be graded")
    strides = flat.stride()
    order = sorted(range(flat.dim()), key=lambda i: (-strides[i], i))
    flat = flat.resolve_conj().resolve_neg().permute(order).contiguous()
    flat = flat.as_strided((flat.numel(),), (1,))  # of one number, `contiguous` keeps any stride
    parts.append(flat.view(torch.uint8).numpy().tobytes())
    described: dict[str, Any] = {"tensor": kind, "shape": list(x.shape), "order": order}
    described |= {"parameter": isinstance(x, nn.Parameter), "grad": grad}
    return described | {"requires_grad": bool(x.requires_grad)}


def read_tensor(content: Mapping[str, Any], data: bytes) -> Tensor:
    """A tensor from its description and its bytes."""
    dtype, shape, order = DTYPES[content["tensor"]], content["shape"], content["order"]
    if len(shape) > 64 or any(type(n) is not int or not 0 <= n < 2**40 for n in shape):
        raise BadMessage("a tensor of an impossible shape")
    if len(data) != math.prod(shape) * dtype.itemsize or sorted(order) != list(range(len(shape))):
        raise BadMessage("a tensor whose size does not fit its shape")
    # bytearray: a tensor on immutable bytes could not be changed
    flat = torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)
    if dtype == torch.bool:  # bytes other than 0 and 1 are no bools
        flat = flat.view(torch.uint8) != 0
    stored = flat.reshape([shape[i] for i in order])
    x = stored.permute([order.index(i) for i in range(len(shape))])
    if content["parameter"]:
        return nn.Parameter(x, requires_grad=content["requires_grad"] is True)
    return x.requires_grad_(content["requires_grad"] is True and dtype.is_floating_point)


def memory_of(x: Tensor) -> int:
    """Return the address of a tensor's memory if it is all of it, in order; else 0."""
    whole = x.layout == torch.strided and x.is_contiguous() and x.storage_offset() == 0
    return x.untyped_storage().data_ptr() if whole else 0


def share_memory(x: Tensor, base: Any, offset: Any, strides: Any) -> None:
    """Let a tensor be a view of another one's memory, if the values there are the same.

    A test can then see that a new layer shares its weights with the old one.
    """
    if not isinstance(base, Tensor) or base is x or base.dtype != x.dtype:
        return
    with contextlib.suppress(RuntimeError, TypeError, ValueError):  # it is not inside of the memory
        view = base.detach().as_strided(x.shape, strides, offset)
        if torch.equal(view, x.detach()):
            x.data = view


def write_tensor(x: Tensor, new: Tensor, grad: Tensor | None) -> None:
    """Give a tensor the values of another one, in place."""
    if x.shape != new.shape or x.dtype != new.dtype:
        x.data = new.data
    else:
        x.data.copy_(new.data)
    if x.is_leaf:
        if x.dtype.is_floating_point:
            x.requires_grad_(new.requires_grad)
        x.grad = grad
