"""Values that a check compares: as JSON and back, the same or not, in a line of text.

Checks compare a student's values with stored ones, hidden tests with a reference's, pictures show
where they differ: all by the rules written here.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

TOLERANCE = 1e-5  # relative, and absolute below 1
WIDTH = 160  # characters of a value in a message
SMALL = 40  # entries: of larger tensors only the shape is shown
Values = dict[str, Any]  # name -> tensor, number, string, None, or lists and dicts of them


def encode(value: Any) -> Any:
    """Turn a value into JSON: tensors become their dtype, shape and numbers; modules their tensors.

    Raises:
        TypeError: a value that has no such form.

    >>> encode(torch.tensor([True, False]))
    {'tensor': 'bool', 'shape': [2], 'values': [True, False]}
    """
    if isinstance(value, torch.nn.Module):
        return encode({"module": repr(value), **value.state_dict()})
    if isinstance(value, Tensor):
        return _encode_tensor(value)
    if isinstance(value, Mapping):
        return {str(name): encode(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | torch.Size):
        return [encode(part) for part in (sorted(value) if isinstance(value, set) else value)]
    if isinstance(value, np.generic):  # a number of numpy
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        raise TypeError("this is an array of numpy: make it a tensor with torch.from_numpy")
    raise TypeError(f"cannot look inside a value of the type {type(value).__name__}")


def _encode_tensor(x: Tensor) -> dict[str, Any]:
    if x.is_meta:
        raise TypeError("this tensor is on the meta device and has no values")
    if x.layout != torch.strided:
        raise TypeError("this tensor is sparse: make it an ordinary one with to_dense()")
    flat = x.detach().cpu().flatten().tolist()
    kind = str(x.dtype).removeprefix("torch.")
    return {"tensor": kind, "shape": list(x.shape), "values": flat}


def decode(value: Any) -> Any:
    """Turn JSON back into a value (modules stay dicts, tuples and sets become lists)."""
    if isinstance(value, dict) and set(value) == {"tensor", "shape", "values"}:
        dtype = getattr(torch, value["tensor"])
        return torch.tensor(value["values"], dtype=dtype).reshape(value["shape"])
    if isinstance(value, dict):
        return {name: decode(part) for name, part in value.items()}
    return [decode(part) for part in value] if isinstance(value, list) else value


def plain(inputs: Mapping[str, Any]) -> Values:
    """Copy the arguments that can be shown; callbacks and optimizers cannot, and are left out.

    >>> plain({"sparsity": 0.5, "train_step": print})
    {'sparsity': 0.5}
    """
    shown = {}
    for name, value in inputs.items():
        with contextlib.suppress(TypeError):
            shown[name] = decode(encode(value))
    return shown


def same(a: Any, b: Any) -> bool:
    """Compare structure, tensor shapes and kinds, and numbers: with a fraction within `TOLERANCE`.

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
    if x.dtype == torch.bool:
        return "bool"
    return "complex" if x.is_complex() else "float" if x.is_floating_point() else "int"


def close(a: Tensor, b: Tensor) -> Tensor:
    """Compare two tensors of one shape: bool, with `TOLERANCE` unless both hold whole numbers.

    >>> close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]))
    tensor([ True, False])
    """
    if _kind(a) in ("bool", "int") and _kind(b) in ("bool", "int"):
        return a == b
    wide = torch.complex128 if "complex" in (_kind(a), _kind(b)) else torch.float64
    return torch.isclose(a.to(wide), b.to(wide), TOLERANCE, TOLERANCE, equal_nan=True)


@dataclass(frozen=True)
class Difference:
    """One place in which two values differ.

    Attributes:
        where: the name of the place, such as `result['conv1.weight']`.
        what: what differs there.
        got: one value.
        expected: the other one.
        inside: whether `what` names one entry of several, and all of them can be shown.
    """

    where: str
    what: str
    got: Any = None
    expected: Any = None
    inside: bool = False


def differences(got: Any, expected: Any, where: str = "") -> Iterator[Difference]:
    """Find the places in which two values differ, in the order of the expected one.

    Args:
        got: as `decode` gives it.
        expected: as `decode` gives it.
        where: the name of the values.

    >>> [(d.where, d.what) for d in differences({"a": 1, "b": [2, 3]}, {"a": 1, "b": [2, 4]})]
    [('b[1]', 'expected 4, got 3')]
    """
    if same(got, expected):
        return
    if is_module(got) and is_module(expected) and got["module"] != expected["module"]:
        yield Difference(where, _layers_differ(got["module"], expected["module"]))
    elif isinstance(got, dict) and isinstance(expected, dict):
        yield from _names_differ(got, expected, where)
        for name in (name for name in expected if name in got):
            inner = f"{where}[{name!r}]" if where else str(name)
            yield from differences(got[name], expected[name], inner)
    elif isinstance(got, list) and isinstance(expected, list) and len(got) == len(expected):
        for i, pair in enumerate(zip(got, expected, strict=True)):
            yield from differences(*pair, f"{where}[{i}]")
    elif isinstance(got, Tensor) and isinstance(expected, Tensor):
        inside = 1 < max(got.numel(), expected.numel()) <= SMALL
        yield Difference(where, _tensors_differ(got, expected), got, expected, inside)
    else:
        text = f"expected {brief(expected, WIDTH // 2)}, got {brief(got, WIDTH // 2)}"
        yield Difference(where, text, got, expected)


def _names_differ(got: dict, expected: dict, where: str) -> Iterator[Difference]:
    missing = [str(name) for name in expected if name not in got]
    extra = [str(name) for name in got if name not in expected]
    parts = [f"{', '.join(missing)} missing"] if missing else []
    parts += [f"{', '.join(extra)} not expected"] if extra else []
    if not parts and list(got) != list(expected):
        parts = [f"expected in the order {', '.join(map(str, expected))}"]
    if parts:
        yield Difference(where or "names", _shortened("; ".join(parts), WIDTH), got)


def _tensors_differ(got: Tensor, expected: Tensor) -> str:
    if got.shape != expected.shape:
        return f"expected shape {tuple(expected.shape)}, got {tuple(got.shape)}"
    if _kind(got) != _kind(expected):
        return f"expected {_dtype(expected)} values, got {_dtype(got)}"
    differ = ~close(got, expected)
    if differ.dim() == 0:
        return f"expected {_number(expected)}, got {_number(got)}"
    first = tuple(differ.nonzero()[0].tolist())
    count = f"{int(differ.sum())} of {differ.numel()} values differ, the first"
    values = f"expected {_number(expected[first])}, got {_number(got[first])}"
    return f"{count} at {list(first)}: {values}"


def _layers_differ(got: str, expected: str) -> str:
    """The first line in which two networks, written out, differ."""
    mine, right = got.splitlines(), expected.splitlines()
    for a, b in zip(mine, right, strict=False):
        if a != b:
            return f"expected {b.strip()}, got {a.strip()}"
    return f"expected {len(right)} lines of layers, got {len(mine)}"


def is_module(value: Any) -> bool:
    """Tell whether a value is what `encode` made of a network."""
    return isinstance(value, dict) and isinstance(value.get("module"), str)


def brief(value: Any, width: int = WIDTH) -> str:
    """Write a value in a line.

    >>> brief(torch.tensor([[0.123456, 2.0]]))
    '[[0.1235, 2.0]]  (float32, shape (1, 2))'
    >>> brief(decode(encode(torch.nn.Sequential(torch.nn.Linear(2, 1)))))
    'Sequential with 0.weight (1, 2), 0.bias (1,)'
    """
    if isinstance(value, Tensor) and value.numel() <= SMALL:
        about = f"  ({_dtype(value)}, shape {tuple(value.shape)})"
        return _shortened(str(_rounded(value)), width - len(about)) + about
    if isinstance(value, Tensor):
        counted = f", {int(value.sum())} True" if value.dtype == torch.bool else ""
        return f"tensor of shape {tuple(value.shape)}, {_dtype(value)}{counted}"
    if is_module(value):
        tensors = [f"{n} {tuple(x.shape)}" for n, x in value.items() if isinstance(x, Tensor)]
        text = f"{value['module'].partition('(')[0]} with {', '.join(tensors) or 'no tensors'}"
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{k}: {brief(v, width)}" for k, v in value.items()) + "}"
    elif isinstance(value, list):
        text = "[" + ", ".join(brief(v, width) for v in value) + "]"
    else:
        text = repr(float(f"{value:.7g}") if type(value) is float else value)
    return _shortened(text, width)


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - 4)]} ..."


def _dtype(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")


def _rounded(x: Tensor) -> Any:
    """The numbers of a tensor as lists: True as 1, fractions to four places."""
    if x.dtype == torch.bool:
        return x.int().tolist()
    return x.double().mul(1e4).round().div(1e4).tolist() if x.is_floating_point() else x.tolist()


def _number(x: Tensor) -> str:
    """One value, with the digits in which close ones differ."""
    return (
        f"{x.item():.7g}"
        if x.is_floating_point()
        else str(int(x) if not x.is_complex() else x.item())
    )
