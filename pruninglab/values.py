"""Values that a check compares: as JSON and back, the same or not, in a line of text.

Checks compare a student's values with stored ones, hidden tests with a reference's, pictures show
where they differ: all by the rules written here.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

TOLERANCE = 1e-5  # relative, and absolute below 1
Values = dict[str, Any]  # name -> tensor, number, string, None, or lists and dicts of them


def encode(value: Any) -> Any:
    """A value as JSON: tensors become their dtype, shape and numbers; modules their tensors.

    Raises:
        TypeError: a value that has no such form.

    >>> encode(torch.tensor([True, False]))
    {'tensor': 'bool', 'shape': [2], 'values': [True, False]}
    """
    if isinstance(value, torch.nn.Module):
        return encode({"module": repr(value), **value.state_dict()})
    if isinstance(value, Tensor):
        flat = value.detach().cpu().flatten().tolist()
        kind = str(value.dtype).removeprefix("torch.")
        return {"tensor": kind, "shape": list(value.shape), "values": flat}
    if isinstance(value, Mapping):
        return {str(name): encode(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | torch.Size):
        return [encode(part) for part in (sorted(value) if isinstance(value, set) else value)]
    if isinstance(value, np.generic):  # a number of numpy
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"cannot look inside a {type(value).__name__}")


def decode(value: Any) -> Any:
    """The inverse of `encode` (modules stay dicts, tuples and sets become lists)."""
    if isinstance(value, dict) and set(value) == {"tensor", "shape", "values"}:
        dtype = getattr(torch, value["tensor"])
        return torch.tensor(value["values"], dtype=dtype).reshape(value["shape"])
    if isinstance(value, dict):
        return {name: decode(part) for name, part in value.items()}
    return [decode(part) for part in value] if isinstance(value, list) else value


def plain(inputs: Mapping[str, Any]) -> Values:
    """Copies of the arguments that can be shown; callbacks and optimizers cannot, and are left out.

    >>> plain({"sparsity": 0.5, "train_step": print})
    {'sparsity': 0.5}
    """
    shown = {}
    for name, value in inputs.items():
        with contextlib.suppress(TypeError):
            shown[name] = decode(encode(value))
    return shown


def same(a: Any, b: Any) -> bool:
    """Equal in structure, tensor shapes and kind; floating-point numbers within `TOLERANCE`.

    Whole numbers are counts or places: one more is not the same.

    >>> same([1.0, True], [1.0 + 1e-7, True]), same(torch.ones(2), torch.ones(3))
    (True, False)
    """
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and _kind(a) == _kind(b) and bool(close(a, b).all())
    if isinstance(a, dict) and isinstance(b, dict):
        a, b = ({k: v for k, v in d.items() if k != "message"} for d in (a, b))
        return list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (a != a and b != b)
    return type(a) is type(b) and bool(a == b)


def _kind(x: Tensor) -> str:
    return "bool" if x.dtype == torch.bool else "float" if x.is_floating_point() else "int"


def close(a: Tensor, b: Tensor) -> Tensor:
    """Where two tensors of one shape are the same: bool, with `TOLERANCE` unless both are whole."""
    if not (a.is_floating_point() or b.is_floating_point()):
        return a == b
    return torch.isclose(a.double(), b.double(), TOLERANCE, TOLERANCE, equal_nan=True)


def brief(value: Any, width: int = 160) -> str:
    """A value in a line or a small block of text."""
    if isinstance(value, Tensor) and value.numel() <= 40:
        exact = not value.is_floating_point()
        rounded = value if exact else value.double().mul(1e4).round().div(1e4)
        text = str(rounded.tolist()).replace("True", "1").replace("False", "0")
        return f"{text}  ({str(value.dtype).removeprefix('torch.')}, shape {tuple(value.shape)})"
    if isinstance(value, Tensor):
        counted = f", {int(value.sum())} True" if value.dtype == torch.bool else ""
        return f"tensor of shape {tuple(value.shape)}, {value.dtype}{counted}"
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{k}: {brief(v, width)}" for k, v in value.items()) + "}"
    elif isinstance(value, list):
        text = "[" + ", ".join(brief(v, width) for v in value) + "]"
    else:
        text = repr(value)
    return text if len(text) <= 3 * width else text[: 3 * width] + " ..."
