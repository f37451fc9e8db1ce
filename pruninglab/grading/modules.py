"""Modules as plain data: their class by its name, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from pruninglab.grading.known import full_name
from pruninglab.grading.wire import BadMessage

PRIVATE = "_reversed_padding_repeated_twice"  # of a convolution; other private names stay behind


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
