"""Modules as plain data: their class by its name, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from pruninglab.grading.protocol.allowed import full_name
from pruninglab.grading.protocol.messages import BadMessage

PRIVATE = "_reversed_padding_repeated_twice"  # of a convolution; other private names stay behind


def describe_module(module: nn.Module, pairs: Callable) -> dict[str, Any]:
    """A module by its class, plain attributes, parameters, buffers, children and hooks."""
    plain = {}
    for name, value in vars(module).items():
        if (name == PRIVATE or not name.startswith("_")) and is_plain(value):
            plain[name] = value
    return {
        "module": full_name(module),
        "attributes": pairs(plain),
        "parameters": pairs(module._parameters),
        "buffers": pairs(module._buffers),
        "children": pairs(module._modules),
        "hooks": pairs(module._forward_hooks),
        "pre_hooks": pairs(module._forward_pre_hooks),
    }


def is_plain(value: Any) -> bool:
    """Whether a module's attribute is a tensor, a number, a string, or a tuple or list of them."""
    if isinstance(value, tuple | list):
        return all(is_plain(part) for part in value)
    return value is None or isinstance(value, Tensor | bool | int | float | str)


def fill_module(module: nn.Module, content: Mapping[str, Any], mapping: Callable) -> None:
    """Give a module the described attributes, parameters, buffers, children and hooks.

    A hook of the other side is a function as any other: calling it calls back.
    """
    kinds = {"parameters": nn.Parameter, "buffers": Tensor, "children": nn.Module}
    tables = {"parameters": "_parameters", "buffers": "_buffers", "children": "_modules"}
    for kind, expected in kinds.items():
        new, table = mapping(content[kind]), module.__dict__[tables[kind]]
        for name, value in new.items():
            if not isinstance(name, str) or not (value is None or isinstance(value, expected)):
                raise BadMessage(f"{name!r} is none of a module's {kind}")
        table.clear()
        table.update(new)
    attributes = mapping(content["attributes"])
    for name in [n for n, value in vars(module).items() if isinstance(value, Tensor)]:
        if name not in attributes:  # it would hide a parameter of that name
            del module.__dict__[name]
    for name, value in attributes.items():
        shadows = hasattr(type(module), name) or not (name == PRIVATE or name.isidentifier())
        if not shadows and (name == PRIVATE or not name.startswith("_")) and is_plain(value):
            module.__dict__[name] = value
    hooks, pre_hooks = (list(mapping(content[key]).values()) for key in ("hooks", "pre_hooks"))
    fill_hooks(module._forward_hooks, hooks, module.register_forward_hook)
    fill_hooks(module._forward_pre_hooks, pre_hooks, module.register_forward_pre_hook)


def fill_hooks(table: dict[int, Callable], hooks: list[Any], register: Callable) -> None:
    """Register the hooks that are not there yet, and take away those that are not any more."""
    if len(hooks) > 100 or not all(map(callable, hooks)):
        raise BadMessage("a module's hooks are at most 100 functions")
    for number, hook in list(table.items()):
        if hook not in hooks:
            del table[number]
    for hook in hooks:
        if hook not in table.values():
            register(hook)
