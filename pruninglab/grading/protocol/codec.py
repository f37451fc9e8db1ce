"""Values as plain data: what the functions of the labs take and return, without pickle.

Both sides keep a table of the objects that crossed, by number. A mutable object (tensor, list,
dict, module, optimizer, generator) is described by its content; when something changes it, its new
description crosses with the next message, and the other side changes *its* object in place. So a
function that silences the filters of a layer in the sandbox changes the grader's layer, as if it
had run there. A function crosses as a number: calling it calls back.

What arrives from the sandbox is data: see `modules` for what becomes of hooks and of classes that
are not known (see `allowed`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruninglab.grading.protocol.allowed import (
    FUNCTIONS,
    OPTIMIZERS,
    full_name,
    known_class,
    known_function,
)
from pruninglab.grading.protocol.messages import BadMessage
from pruninglab.grading.protocol.modules import (
    RemoteForward,
    describe_module,
    empty_module,
    fill_module,
)
from pruninglab.grading.protocol.size import check_keys, check_size
from pruninglab.grading.protocol.tensors import (
    DTYPES,
    describe_tensor,
    memory_of,
    read_tensor,
    share_memory,
    write_tensor,
)

ARRAYS = {"bool", "int8", "int16", "int32", "int64", "uint8", "float16", "float32", "float64"}
ARRAYS |= {"uint16", "uint32", "uint64"}
HOLDERS = {"tensor", "array", "generator"}  # what has bytes beside its description
TOO_DEEP = 200  # lists within lists
Part = bytes
Standin = Callable[[int, str], Callable]  # number, name -> calls a function of the other side


class Codec:
    """Packs values into messages and unpacks them again.

    Args:
        first: number of the first object that this side enters; the grader counts the even ones,
            the sandbox the odd ones.
        standin: makes what stands for a function of the other side.
    """

    def __init__(self, first: int, standin: Standin) -> None:
        self.next, self.standin = first, standin
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

    def forget(self) -> None:
        """Forget all objects but functions."""
        stay = {
            n: thing
            for n, thing in self.objects.items()
            if callable(thing) and not isinstance(thing, nn.Module)
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
            return describe_tensor(thing, refer, parts) | self._shared(thing)
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
            return describe_module(thing, pairs, nearest=self.trusting)
        if isinstance(thing, torch.Generator):
            parts.append(thing.get_state().numpy().tobytes())
            return {"generator": len(parts[-1])}
        if isinstance(thing, torch.optim.Optimizer):
            groups = [[[refer(k), refer(v)] for k, v in g.items()] for g in thing.param_groups]
            state = [[refer(p), pairs(values)] for p, values in thing.state.items()]
            return {"optimizer": full_name(thing), "groups": groups, "state": state}
        raise TypeError(f"a {type(thing).__name__} cannot be graded: return tensors, numbers, ...")

    def _shared(self, x: Tensor) -> dict[str, Any]:
        """Say of which of the grader's tensors a tensor is a view (in the sandbox only)."""
        if not self.trusting or x.layout != torch.strided:
            return {}
        address = x.untyped_storage().data_ptr()
        for number, other in self.objects.items():
            given = number % 2 == 0 and isinstance(other, Tensor) and other is not x
            if address and given and memory_of(other) == address:
                return {"shared": [number, x.storage_offset(), list(x.stride())]}
        return {}

    # --- unpacking ------------------------------------------------------------------------------

    def unpack(self, message: Mapping[str, Any], parts: list[Part]) -> Any:
        """The value of a message; changes the objects that it says have changed.

        Raises:
            BadMessage: it makes no sense.
        """
        try:
            changed = described(message["objects"], parts)
            for number, (content, mine) in changed.items():
                if number not in self.objects:
                    self.enter(self._shell(number, content, mine), number)
            for number, (content, mine) in changed.items():
                self._fill(self.objects[number], content, mine)
            for number, (content, _) in changed.items():
                if not self.trusting and "tensor" in content and "shared" in content:
                    base, offset, strides = content["shared"]
                    share_memory(self.objects[number], self.objects.get(base), offset, strides)
            for number, (content, mine) in changed.items():
                text = json.dumps(content).encode() + b"".join(mine)
                self.seen[number] = hashlib.sha256(text).digest()
            value = self._value(message["value"])
            if not self.trusting:
                check_size([value, *self.objects.values()])
            return value
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
        if kind == "set":
            check_keys(len(values))
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
            forward = RemoteForward(self.standin(number, "forward"), runs=self.trusting)
            return empty_module(content["module"], forward)
        if "optimizer" in content:
            found = known_class(content["optimizer"], OPTIMIZERS, torch.optim.Optimizer)
            if found is None:
                raise BadMessage(f"an optimizer {content['optimizer']!r}")
            return found([nn.Parameter(torch.zeros(1))], lr=0.0)
        if "generator" in content:
            return torch.Generator()
        if "function" in content:
            return self.standin(number, self._value(str(content["function"])))
        if "list" not in content and "dict" not in content:
            raise BadMessage("an object of no known kind")
        return [] if "list" in content else {}

    def _fill(self, thing: Any, content: Mapping[str, Any], parts: list[Part]) -> None:
        """Give an object the described content, in place."""
        value = self._value

        def mapping(pairs: list) -> dict:
            check_keys(len(pairs))
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
            fill_module(thing, content, mapping, trusting=self.trusting)
        elif "optimizer" in content and isinstance(thing, torch.optim.Optimizer):
            thing.param_groups[:] = [mapping(group) for group in content["groups"]]
            thing.state.clear()
            thing.state.update({value(p): mapping(values) for p, values in content["state"]})
        elif "generator" in content and isinstance(thing, torch.Generator):
            thing.set_state(torch.frombuffer(bytearray(parts[0]), dtype=torch.uint8))
        elif "function" not in content or not callable(thing):
            raise BadMessage("an object has changed its kind")


def described(objects: list, parts: list[Part]) -> dict[int, tuple[dict, list[Part]]]:
    """Sort a message's descriptions: number of an object -> its description and its bytes.

    Raises:
        BadMessage: several objects share their bytes: a small message would become large.
    """
    found: dict[int, tuple[dict, list[Part]]] = {}
    taken = set()
    for number, content, place in objects:
        mine = []
        if HOLDERS & set(content):
            if place in taken or place < 0:
                raise BadMessage("objects that share their bytes")
            taken.add(place)
            mine = [parts[place]]
        found[int(number)] = content, mine
    return found
