"""A pruned ResNet-20 in a file that runs nothing: plain arrays, and a network rebuilt from them.

The file is numpy's `.npz` (a zip of arrays), read without pickle. A file from a stranger can do no
more than be refused: sizes, types and shapes are checked before anything is made of them.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruninglab.files import whole
from pruninglab.layers import plain_state
from pruninglab.models import ResNet20, SelectShortcut, ZeroPadShortcut

LIMIT = 40 * 2**20  # bytes of all arrays together; a ResNet-20 64 filters wide has 17 MB
WIDEST = 512  # channels of a layer
KINDS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


class Unreadable(ValueError):
    """A file that holds no network; the message says why."""


def save(model: nn.Module, path: Path) -> Path:
    """Write a ResNet-20, masked or really smaller, completely or not at all.

    It may be compiled, wrapped or pruned by torch (see `layers.plain_state`), in any float dtype.

    Raises:
        Unreadable: `load` could not make a network of it: it is no ResNet-20.
        ValueError: a layer hides its weights; the message says what to do.

    >>> import tempfile
    >>> path = save(ResNet20(1), Path(tempfile.mkdtemp()) / "tiny.npz")
    >>> load(path).conv1
    Conv2d(3, 1, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    """
    state = plain_state(model)
    for name, tensor in state.items():
        if tensor.dtype == torch.bfloat16:  # numpy has no such numbers
            state[name] = tensor.float()
    rebuild(state)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in state.items()}
    with whole(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return path


def load(path: Path) -> ResNet20:
    """The network in a file, in evaluation mode and float32.

    Raises:
        Unreadable: there is none in it; the message names the file and what is wrong.
    """
    try:
        return rebuild(read(path)).eval()
    except Unreadable as error:
        raise Unreadable(f"{path.name}: {error}") from None


def read(path: Path) -> dict[str, Tensor]:
    """The arrays of a file, by name.

    Raises:
        Unreadable: too large, no `.npz`, or something in it that is no plain array.
    """
    try:
        if path.stat().st_size > LIMIT:
            raise Unreadable(f"larger than {LIMIT >> 20} MB")
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > 1000 or sum(entry.file_size for entry in entries) > LIMIT:
                raise Unreadable(f"larger than {LIMIT >> 20} MB when unpacked")
            if not {entry.compress_type for entry in entries} <= KINDS:
                raise Unreadable("packed in a way that numpy does not use")
            return {e.filename.removesuffix(".npy"): unpacked(archive, e) for e in entries}
    except Unreadable:
        raise
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, RuntimeError, EOFError) as error:
        raise Unreadable(f"no .npz file that `networks.save` wrote ({error})") from error


def unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Tensor:
    """One array. Its header is believed only as far as there are bytes for it."""
    with archive.open(entry) as stream:
        data = stream.read(LIMIT)
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        raise Unreadable(f"{entry.filename[:60]!r} is no array of numpy's version 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    start = file.tell()
    if dtype.kind not in "fi" or dtype.hasobject:
        raise Unreadable(f"{entry.filename[:60]!r} holds {dtype}, not numbers")
    if min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize != len(data) - start:
        raise Unreadable(f"{entry.filename[:60]!r} is cut short, or says a wrong shape")
    array = np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if fortran else "C")
    wanted = np.float32 if dtype.kind == "f" else np.int64
    return torch.from_numpy(np.array(array, dtype=wanted, order="C"))


# --- from tensors to a network --------------------------------------------------------------------


def rebuild(state: Mapping[str, Tensor]) -> ResNet20:
    """A ResNet-20 with layers of just these shapes, and these values in them.

    Args:
        state: the `state_dict()` of a `ResNet20` of any width, whole, or made smaller as in labs 4
            (filters inside the blocks) and 5 (the additions, too).

    Raises:
        Unreadable: tensors are missing or left over, do not fit together, or are not finite.
    """
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise Unreadable(f"{name[:60]!r} has values that are not finite")
        if max(tensor.shape, default=1) > WIDEST or 0 in tensor.shape:
            raise Unreadable(f"{name[:60]!r} has the shape {tuple(tensor.shape)}")
    option: Any = "B" if "layer2.0.downsample.0.weight" in state else "A"
    try:
        model = ResNet20(1, option)
        for name, module in list(model.named_modules()):
            parent, _, own = name.rpartition(".")
            if (made := fitted(module, name, state)) is not None:
                setattr(model.get_submodule(parent), own, made)
        model.width = len(state["conv1.weight"])
        model.load_state_dict(dict(state))
        with torch.no_grad():
            model.eval()(torch.zeros(1, 3, 32, 32))
    except KeyError as error:
        raise Unreadable(f"no ResNet-20: the tensor {error} is missing") from None
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Unreadable(f"no ResNet-20: {reason}") from None
    return model


def fitted(module: nn.Module, name: str, state: Mapping[str, Tensor]) -> nn.Module | None:
    """The same kind of layer in the shape that `state` has; None if it has no shape of its own."""
    if isinstance(module, nn.Conv2d):
        c_out, c_in, *size = state[f"{name}.weight"].shape
        kernel: Any = tuple(size)
        if kernel != module.kernel_size:
            raise ValueError(f"{name} has a kernel of {kernel}")
        stride: Any = module.stride
        padding: Any = module.padding
        return nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=False)
    if isinstance(module, nn.BatchNorm2d):
        return nn.BatchNorm2d(len(state[f"{name}.weight"]))
    if isinstance(module, nn.Linear):
        c_out, c_in = state[f"{name}.weight"].shape
        return nn.Linear(c_in, c_out)
    if isinstance(module, ZeroPadShortcut):
        return padding_shortcut(name, state)
    return None


def padding_shortcut(name: str, state: Mapping[str, Tensor]) -> nn.Module:
    """Option A of a block: whole, or with chosen channels (lab 5)."""
    block = name.removesuffix(".downsample")
    c_in = state[f"{block}.conv1.weight"].shape[1]
    c_out = state[f"{block}.conv2.weight"].shape[0]
    if f"{name}.origin" not in state:
        return ZeroPadShortcut(c_in, c_out)
    nothing = torch.empty(0, dtype=torch.int64)
    return SelectShortcut(nothing, nothing, c_out)
