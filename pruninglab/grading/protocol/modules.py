"""Modules as plain data: their class by its name, and what they hold; nothing in them computes.

A module of the student's arrives as the nearest class that the grader knows, with its parameters,
buffers, children and plain attributes. Hooks and classes of the student's own arrive as stand-ins
(`RemoteHook`, `RemoteModule`) that refuse to run: a layer of zeros whose hook computes the answer
would otherwise pass for the answer. Only in a callback, in a network that is all the student's own,
may they run, in the sandbox (see `rpc.GraderLink`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.prune import BasePruningMethod

from pruninglab.grading.protocol.allowed import MODULES, class_name, full_name, known_class
from pruninglab.grading.protocol.messages import BadMessage

PRIVATE = "_reversed_padding_repeated_twice"  # of a convolution; other private names stay behind
PRUNED = "torch.nn.utils.prune"  # a hook that recomputes what has crossed as a plain tensor anyway
MOST_HOOKS = 100  # in one module
HOOK_LEFT = "your code left a hook in the network, and the grader does not run it"
HOOK_HINT = "Your hooks stay in the network: remove them, or work on a copy."


class StudentCodeError(AssertionError):
    """A test has met code of the student's where it expected plain data."""


class Remote:
    """Stands for code of the other side.

    Args:
        code: calls the original.
        runs: whether it may run.
    """

    def __init__(self, code: Callable, runs: bool) -> None:
        self.code, self.runs = code, runs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the original.

        Raises:
            StudentCodeError: it may not run.
        """
        if not self.runs:
            raise StudentCodeError(self.refusal())
        return self.code(*args, **kwargs)

    def __deepcopy__(self, memo: dict) -> Remote:
        return self  # the original cannot be copied from here

    def refusal(self) -> str:
        """Say why it does not run, and what to do."""
        raise NotImplementedError


class RemoteHook(Remote):
    """A hook of the other side."""

    def refusal(self) -> str:
        """Say why it does not run, and what to do."""
        return HOOK_LEFT


class RemoteForward(Remote):
    """The forward pass of a module whose class is known on the other side only."""

    name = "module"

    def refusal(self) -> str:
        """Say why it does not run, and what to do."""
        return (
            f"the network contains a {self.name}, a class of your own, and the grader does not "
            "run it: build networks of the classes of torch.nn and pruninglab.models"
        )


class RemoteModule(nn.Module):
    """A module whose class is known on the other side only: it computes there, or not at all."""

    def __init__(self, forward: RemoteForward) -> None:
        super().__init__()
        self._remote = forward

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the other side."""
        return self._remote(args, kwargs)

    def __deepcopy__(self, memo: dict) -> nn.Module:
        return self  # the original cannot be copied from here


def remote_code(module: nn.Module) -> Iterator[Remote]:
    """Find the stand-ins in one module, without those in its children."""
    if isinstance(module, RemoteModule):
        yield module._remote
    hooks = (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    yield from (hook for hook in hooks if isinstance(hook, Remote))


# --- describing -----------------------------------------------------------------------------------


def describe_module(module: nn.Module, pairs: Callable, *, nearest: bool) -> dict[str, Any]:
    """Describe a module by its class, plain attributes, parameters, buffers, children and hooks.

    Args:
        module: to be described.
        pairs: makes a list of pairs of a dict.
        nearest: whether to name the nearest class that the other side knows, if it does not know
            the module's own.
    """
    plain = {}
    for name, value in vars(module).items():
        if (name == PRIVATE or not name.startswith("_")) and is_plain(value):
            plain[name] = value
    if nearest and is_parametrized(module):  # as it is now: what computes it stays behind
        plain |= {name: getattr(module, name) for name in module.parametrizations}  # type: ignore[union-attr]
    return {
        "module": class_name(module) if nearest else full_name(module),
        "attributes": pairs(plain),
        "parameters": pairs(module._parameters),
        "buffers": pairs(module._buffers),
        "children": pairs(module._modules),
        "hooks": pairs(described_hooks(module._forward_hooks, nearest)),
        "pre_hooks": pairs(described_hooks(module._forward_pre_hooks, nearest)),
    }


def described_hooks(hooks: Mapping[int, Any], nearest: bool) -> dict[int, Any]:
    """Describe hooks: those of the student's pruning by a word, all others as functions."""

    def word(hook: Any) -> bool:
        return hook is keep_pruned or (nearest and isinstance(hook, BasePruningMethod))

    return {n: PRUNED if word(hook) else original(hook) for n, hook in hooks.items()}


def original(hook: Any) -> Any:
    """Return a hook without the stand-in around it."""
    return hook.code if isinstance(hook, Remote) else hook


def is_pruning(hook: Any) -> bool:
    """Tell whether a hook is one of torch.nn.utils.prune, or stands for one."""
    return isinstance(hook, BasePruningMethod) or hook is keep_pruned


def keep_pruned(module: nn.Module, inputs: Any) -> None:
    """Stand for a hook of torch.nn.utils.prune: the pruned tensor has crossed as it is."""


def is_plain(value: Any, depth: int = 3) -> bool:
    """Tell whether an attribute is a tensor, a number, a string, or a tuple or list of them.

    Lists within lists are looked into so many times: they could be nested without end.
    """
    if isinstance(value, tuple | list):
        return depth > 0 and all(is_plain(part, depth - 1) for part in value)
    return value is None or isinstance(value, Tensor | bool | int | float | str)


# --- rebuilding -----------------------------------------------------------------------------------


def empty_module(name: str, forward: RemoteForward) -> nn.Module:
    """Make a module of a known class without calling its constructor; else a `RemoteModule`."""
    found = known_class(name, MODULES, nn.Module)
    if found is None:
        forward.name = name.rpartition(".")[2][:80]
        return RemoteModule(forward)
    module: nn.Module = object.__new__(found)
    nn.Module.__init__(module)
    return module


def fill_module(
    module: nn.Module, content: Mapping[str, Any], mapping: Callable, *, trusting: bool
) -> None:
    """Give a module the described attributes, parameters, buffers, children and hooks.

    Args:
        module: to be changed in place.
        content: from `describe_module`.
        mapping: makes a dict of a list of pairs.
        trusting: whether hooks of the other side may run here.

    Raises:
        BadMessage: the description makes no sense.
    """
    kinds = {"parameters": nn.Parameter, "buffers": Tensor, "children": nn.Module}
    tables = {"parameters": "_parameters", "buffers": "_buffers", "children": "_modules"}
    for kind, expected in kinds.items():
        new, table = mapping(content[kind]), module.__dict__[tables[kind]]
        for name, value in new.items():
            if not isinstance(name, str) or not (value is None or isinstance(value, expected)):
                raise BadMessage(f"{name!r} cannot be one of a module's {kind}")
        table.clear()
        table.update(new)
    fill_attributes(module, mapping(content["attributes"]))
    hooks, pre_hooks = (list(mapping(content[key]).values()) for key in ("hooks", "pre_hooks"))
    fill_hooks(module._forward_hooks, hooks, module.register_forward_hook, trusting)
    fill_hooks(module._forward_pre_hooks, pre_hooks, module.register_forward_pre_hook, trusting)


def fill_attributes(module: nn.Module, attributes: Mapping[str, Any]) -> None:
    """Set plain attributes that hide nothing of the module's class."""
    for name in [n for n, value in vars(module).items() if isinstance(value, Tensor)]:
        if name not in attributes:  # it would hide a parameter of that name
            del module.__dict__[name]
    for name, value in attributes.items():
        shadows = hasattr(type(module), name) or not (name == PRIVATE or name.isidentifier())
        if not shadows and (name == PRIVATE or not name.startswith("_")) and is_plain(value):
            module.__dict__[name] = value


def fill_hooks(
    table: dict[int, Callable], hooks: list[Any], register: Callable, trusting: bool
) -> None:
    """Register the hooks that are not there yet, and take away those that are not any more."""
    pruned = hooks.count(PRUNED)
    functions = [hook for hook in hooks if hook != PRUNED]
    if len(hooks) > MOST_HOOKS or not all(map(callable, functions)):
        raise BadMessage(f"a module's hooks are at most {MOST_HOOKS} functions")
    for number, hook in list(table.items()):
        if is_pruning(hook) and pruned:
            pruned -= 1
        elif original(hook) not in functions:
            del table[number]
    here = list(map(original, table.values()))
    for hook in functions:
        if hook not in here:
            register(RemoteHook(hook, runs=trusting))
    for _ in range(pruned):  # one for each: tests count what is left in a network
        register(keep_pruned)
