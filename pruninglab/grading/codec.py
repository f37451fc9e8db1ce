"""Values as plain data: what the functions of the labs take and return, without pickle.

Both sides keep a table of the objects that crossed, by number. A mutable object (tensor, list,
dict, module, optimizer, generator) is described by its content; when something changes it, its new
description crosses with the next message, and the other side changes *its* object in place. So a
function that silences the filters of a layer in the sandbox changes the grader's layer, as if it
had run there. A function crosses as a number: calling it calls back.

Of classes only those of `torch.nn`, `torch.optim`, `pruninglab.models` and the lab's `probes` are
rebuilt; any other module arrives as one that computes on the side where it is known.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruninglab.grading.wire import BadMessage

TENSORS = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
TENSORS += [torch.float16, torch.bfloat16, torch.float32, torch.float64]
DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in TENSORS}
ARRAYS = {"bool", "int8", "int16", "int32", "int64", "uint8", "float16", "float32", "float64"}
ARRAYS |= {"uint16", "uint32", "uint64"}
MODULES = ("torch.nn.modules.", "pruninglab.models", "probes")
OPTIMIZERS = ("torch.optim.",)
PRIVATE = "_reversed_padding_repeated_twice"  # of a convolution; other private names stay behind
FUNCTIONS = {"torch": torch, "torch.nn.functional": nn.functional}  # cross by their names
TOO_DEEP = 200  # lists within lists
Part = bytes
Proxy = Callable[[int, str], Any]  # number, name -> what stands for a function of the other side


def known_class(name: str, prefixes: tuple[str, ...], base: type) -> type | None:
    """A class of an allowed module, if it has been imported; None for all others."""
    home, _, short = name.rpartition(".")
    found = vars(sys.modules[home]).get(short) if home in sys.modules else None
    allowed = any(home == p or (p.endswith(".") and home.startswith(p)) for p in prefixes)
    fits = allowed and isinstance(found, type) and issubclass(found, base)
    return found if fits and found.__module__ == home else None


def known_function(thing: Any) -> str | None:
    """The name of one of torch's own functions, else None.

    >>> known_function(torch.zeros_like), known_function(print)
    ('torch.zeros_like', None)
    """
    name = getattr(thing, "__name__", None)
    for home, module in FUNCTIONS.items():
        if isinstance(name, str) and vars(module).get(name) is thing and callable(thing):
            return f"{home}.{name}"
    return None


def full_name(thing: Any) -> str:
    """The module and name of an object's class."""
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


class Codec:
    """Packs values into messages and unpacks them again.

    Args:
        first: number of the first object that this side enters; the grader counts the even ones,
            the sandbox the odd ones.
        proxy: makes what stands for a function of the other side.
        remote: the same for a module whose class is not known here.
    """

    def __init__(self, first: int, proxy: Proxy, remote: Callable[..., nn.Module]) -> None:
        self.next, self.proxy, self.remote = first, proxy, remote
        self.trusting = first == 1  # the sandbox may rebuild whatever the grader sends
        self.objects: dict[int, Any] = {}
        self.numbers: dict[int, int] = {}  # id -> number; `objects` keeps the ids alive
        self.seen: dict[int, bytes] = {}  # number -> digest of the description last exchanged

    def enter(self, thing: Any, number: int | None = None) -> int:
        """The number of an object, a new one if it has none."""
        if number is None and id(thing) in self.numbers:
            return self.numbers[id(thing)]
        if number is None:
            number, self.next = self.next, self.next + 2
        self.objects[number] = thing
        self.numbers[id(thing)] = number
        return number

    def forget(self, keep: type | tuple[type, ...] = ()) -> None:
        """Forget all objects but functions and those of the types `keep`."""
        stay = {
            n: thing
            for n, thing in self.objects.items()
            if isinstance(thing, keep) or (callable(thing) and not isinstance(thing, nn.Module))
        }
        self.objects, self.numbers = stay, {id(thing): n for n, thing in stay.items()}
        self.seen = {n: digest for n, digest in self.seen.items() if n in stay}

    # --- packing --------------------------------------------------------------------------------

    def pack(self, value: Any) -> tuple[dict[str, Any], list[Part]]:
        """A message with the value and with all objects that have changed.

        Raises:
            TypeError: something in it cannot cross.
        """
        todo: list[int] = []
        tree = self._refer(value, todo, 0)
        todo += [n for n in self.objects if n not in todo]
        described: dict[int, Any] = {}
        parts: list[Part] = []
        for number in todo:  # grows on the way
            if number in described:
                continue
            mine: list[Part] = []
            described[number] = None
            content = self._describe(self.objects[number], todo, mine)
            digest = hashlib.sha256(json.dumps(content).encode() + b"".join(mine)).digest()
            if self.seen.get(number) == digest:
                continue
            self.seen[number] = digest
            described[number] = [content, len(parts)]
            parts += mine
        changed = [[n, *what] for n, what in described.items() if what is not None]
        return {"value": tree, "objects": changed}, parts

    def _refer(self, value: Any, todo: list[int], depth: int) -> Any:
        """Small immutable values as they are; the number of anything else."""
        if depth > TOO_DEEP:
            raise TypeError("lists within lists, too deep")
        if value is None or type(value) in (bool, str):
            return value
        if isinstance(value, np.bool_ | np.integer | np.floating):
            return self._refer(value.item(), todo, depth)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, str):
            return str(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"float": str(float(value))}
        if isinstance(value, tuple):  # torch.Size and named ones too
            return {"tuple": [self._refer(part, todo, depth + 1) for part in value]}
        if isinstance(value, range | KeysView | ValuesView | ItemsView):
            return {"view": [self._refer(part, todo, depth + 1) for part in value]}
        if isinstance(value, Iterator) and not isinstance(value, nn.Module):
            return {"iterator": [self._refer(part, todo, depth + 1) for part in value]}
        if isinstance(value, set | frozenset):
            return {"set": [self._refer(part, todo, depth + 1) for part in value]}
        if isinstance(value, torch.dtype | torch.device):
            return {type(value).__name__: str(value).removeprefix("torch.")}
        if (name := known_function(value)) is not None:
            return {"torch": name}
        number = self.enter(value)
        todo.append(number)
        return {"object": number}

    def _describe(self, thing: Any, todo: list[int], parts: list[Part]) -> Any:
        def refer(value: Any) -> Any:
            return self._refer(value, todo, 1)

        def pairs(items: Mapping) -> list:
            return [[refer(name), refer(value)] for name, value in items.items()]

        if isinstance(thing, Tensor):
            return self._describe_tensor(thing, refer, parts)
        if isinstance(thing, np.ndarray):
            if thing.dtype.name not in ARRAYS:
                raise TypeError(f"an array of {thing.dtype} cannot be graded")
            parts.append(np.ascontiguousarray(thing).tobytes())
            return {"array": thing.dtype.name, "shape": list(thing.shape)}
        if callable(thing) and not isinstance(thing, nn.Module):
            return {"function": str(getattr(thing, "__name__", "function"))}
        if isinstance(thing, list):
            return {"list": [refer(part) for part in thing]}
        if isinstance(thing, dict):
            return {"dict": pairs(thing)}
        if isinstance(thing, nn.Module):
            return describe_module(thing, refer, pairs)
        if isinstance(thing, torch.Generator):
            parts.append(thing.get_state().numpy().tobytes())
            return {"generator": len(parts[-1])}
        if isinstance(thing, torch.optim.Optimizer):
            groups = [[[refer(k), refer(v)] for k, v in g.items()] for g in thing.param_groups]
            state = [[refer(p), pairs(values)] for p, values in thing.state.items()]
            return {"optimizer": full_name(thing), "groups": groups, "state": state}
        raise TypeError(f"a {type(thing).__name__} cannot be graded: return tensors, numbers, ...")

    def _describe_tensor(self, x: Tensor, refer: Callable, parts: list[Part]) -> dict[str, Any]:
        grad = refer(x.grad) if x.is_leaf and x.grad is not None else None
        flat = x.detach().as_subclass(Tensor).cpu()
        kind = str(flat.dtype).removeprefix("torch.")
        if flat.layout != torch.strided or kind not in DTYPES:
            raise TypeError(f"a tensor of {flat.dtype}, {flat.layout} cannot be graded")
        strides = flat.stride()
        order = sorted(range(flat.dim()), key=lambda i: (-strides[i], i))
        flat = flat.resolve_conj().resolve_neg().permute(order).contiguous().reshape(-1)
        parts.append(flat.view(torch.uint8).numpy().tobytes())
        described: dict[str, Any] = {"tensor": kind, "shape": list(x.shape), "order": order}
        described |= {"parameter": isinstance(x, nn.Parameter), "grad": grad}
        return described | {"requires_grad": bool(x.requires_grad)}

    # --- unpacking ------------------------------------------------------------------------------

    def unpack(self, message: Mapping[str, Any], parts: list[Part]) -> Any:
        """The value of a message; changes the objects that it says have changed.

        Raises:
            BadMessage: it makes no sense.
        """
        try:
            changed = {int(n): (content, parts[start:]) for n, content, start in message["objects"]}
            for number, (content, mine) in changed.items():
                if number not in self.objects:
                    self.enter(self._shell(number, content, mine), number)
            for number, (content, mine) in changed.items():
                self._fill(self.objects[number], content, mine)
            for number, (content, mine) in changed.items():
                used = mine[:1] if {"tensor", "array", "generator"} & set(content) else []
                text = json.dumps(content).encode() + b"".join(used)
                self.seen[number] = hashlib.sha256(text).digest()
            return self._value(message["value"])
        except BadMessage:
            raise
        except Exception as error:
            raise BadMessage(f"{type(error).__name__}: {error}"[:300]) from None

    def _value(self, tree: Any) -> Any:
        if isinstance(tree, str):
            return tree.encode("utf-8", "replace").decode()  # lone surrogates break later writing
        if tree is None or isinstance(tree, bool | int | float):
            return tree
        ((kind, content),) = tree.items()
        if kind == "object":
            return self.objects[content]
        if kind == "torch" and self.trusting:
            return getattr(FUNCTIONS[content.rpartition(".")[0]], content.rpartition(".")[2])
        if kind == "float":
            return float(content)
        if kind == "dtype":
            return DTYPES[content]
        if kind == "device":
            return torch.device("cpu")
        values = [self._value(part) for part in content]
        make = {"tuple": tuple, "view": list, "iterator": iter, "set": set}
        return make[kind](values)  # type: ignore[operator]

    def _shell(self, number: int, content: Mapping[str, Any], parts: list[Part]) -> Any:
        """A new object of the right kind, to be filled; tensors are complete."""
        if "tensor" in content:
            return read_tensor(content, parts[0])
        if "array" in content:
            kind = content["array"]
            if kind not in ARRAYS:
                raise BadMessage(f"an array of {kind}")
            return np.frombuffer(bytearray(parts[0]), kind).reshape(content["shape"])
        if "module" in content:
            found = known_class(content["module"], MODULES, nn.Module)
            module = self.remote(number) if found is None else object.__new__(found)
            if found is not None:
                nn.Module.__init__(module)
            return module
        if "optimizer" in content:
            found = known_class(content["optimizer"], OPTIMIZERS, torch.optim.Optimizer)
            if found is None:
                raise BadMessage(f"an optimizer {content['optimizer']!r}")
            return found([nn.Parameter(torch.zeros(1))], lr=0.0)
        if "generator" in content:
            return torch.Generator()
        if "function" in content:
            return self.proxy(number, self._value(str(content["function"])))
        if "list" not in content and "dict" not in content:
            raise BadMessage("an object of no known kind")
        return [] if "list" in content else {}

    def _fill(self, thing: Any, content: Mapping[str, Any], parts: list[Part]) -> None:
        """Give an object the described content, in place."""
        value = self._value

        def mapping(pairs: list) -> dict:
            return {value(name): value(part) for name, part in pairs}

        if "tensor" in content and isinstance(thing, Tensor):
            write_tensor(thing, read_tensor(content, parts[0]), value(content["grad"]))
        elif "array" in content and isinstance(thing, np.ndarray):
            fresh = np.frombuffer(parts[0], content["array"]).reshape(content["shape"])
            np.copyto(thing, fresh, casting="no")
        elif "list" in content and isinstance(thing, list):
            thing[:] = [value(part) for part in content["list"]]
        elif "dict" in content and isinstance(thing, dict):
            new = mapping(content["dict"])
            thing.clear()
            thing.update(new)
        elif "module" in content and isinstance(thing, nn.Module):
            fill_module(thing, content, mapping)
        elif "optimizer" in content and isinstance(thing, torch.optim.Optimizer):
            thing.param_groups[:] = [mapping(group) for group in content["groups"]]
            thing.state.clear()
            thing.state.update({value(p): mapping(values) for p, values in content["state"]})
        elif "generator" in content and isinstance(thing, torch.Generator):
            thing.set_state(torch.frombuffer(bytearray(parts[0]), dtype=torch.uint8))
        elif "function" not in content or not callable(thing):
            raise BadMessage("an object has changed its kind")


# --- tensors and modules --------------------------------------------------------------------------


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


def describe_module(module: nn.Module, refer: Callable, pairs: Callable) -> dict[str, Any]:
    """A module by its class, plain attributes, parameters, buffers, children and hooks."""
    plain = {}
    for name, value in vars(module).items():
        named = name == PRIVATE or not name.startswith("_")
        if named and not isinstance(value, Tensor | nn.Module) and is_plain(value):
            plain[name] = value
    return {
        "module": full_name(module),
        "attributes": pairs(plain),
        "parameters": pairs(module._parameters),
        "buffers": pairs(module._buffers),
        "children": pairs(module._modules),
        "hooks": len(module._forward_hooks) + len(module._forward_pre_hooks),
    }


def is_plain(value: Any) -> bool:
    """Whether a module's attribute is a number, string, or tuple or list of them."""
    if isinstance(value, tuple | list):
        return all(is_plain(part) for part in value)
    return value is None or isinstance(value, bool | int | float | str)


def nothing(*_: Any) -> None:
    """Stand for a hook that exists on the other side."""


def fill_module(module: nn.Module, content: Mapping[str, Any], mapping: Callable) -> None:
    """Give a module the described attributes, parameters, buffers and children."""
    kinds = {"parameters": nn.Parameter, "buffers": Tensor, "children": nn.Module}
    tables = {"parameters": "_parameters", "buffers": "_buffers", "children": "_modules"}
    for kind, expected in kinds.items():
        new, table = mapping(content[kind]), module.__dict__[tables[kind]]
        for name, value in new.items():
            if not isinstance(name, str) or not (value is None or isinstance(value, expected)):
                raise BadMessage(f"{name!r} is none of a module's {kind}")
        table.clear()
        table.update(new)
    for name, value in mapping(content["attributes"]).items():
        shadows = hasattr(type(module), name) or not (name == PRIVATE or name.isidentifier())
        if not shadows and (name == PRIVATE or not name.startswith("_")) and is_plain(value):
            module.__dict__[name] = value
    hooks = len(module._forward_hooks) + len(module._forward_pre_hooks)
    for _ in range(min(int(content["hooks"]), 100) - hooks):
        module.register_forward_hook(nothing)
