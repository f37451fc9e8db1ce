"""Networks in files: what is saved comes back; what is hostile, broken or odd is refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from pruninglab import counters
from pruninglab.masks import apply, random_masks
from pruninglab.models import ResNet20
from pruninglab.project import networks
from pruninglab.project.networks import LIMIT, Unreadable
from solutions.lab4_papers.exercises import shrink
from solutions.lab5_speed.exercises import coupled_groups, shrink_resnet


def image() -> torch.Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def half(n: int) -> torch.Tensor:
    return torch.arange(n) % 2 == 0


def masked() -> ResNet20:
    model = ResNet20(4)
    apply(model, random_masks(model, 0.9, torch.Generator().manual_seed(0)))
    return model


def fewer_filters() -> ResNet20:
    model = ResNet20(4, "A")
    shrink(model, {"layer1.0.conv1": half(4), "layer3.2.conv1": torch.arange(16) == 3})
    return model


def smaller(option) -> ResNet20:
    model = ResNet20(4, option, num_classes=100)
    groups = coupled_groups(model)
    sizes = {name: len(model.get_submodule(convs[0]).weight) for name, convs in groups.items()}
    return shrink_resnet(model, {name: half(size) for name, size in sizes.items()})


@pytest.mark.parametrize(
    "make",
    [masked, fewer_filters, lambda: smaller("A"), lambda: smaller("B"), lambda: ResNet20(2, "A")],
)
def test_a_network_comes_back_as_it_was(make, tmp_path: Path) -> None:
    model = make().eval()
    again = networks.load(networks.save(model, tmp_path / "deep" / "n.npz"))
    assert torch.equal(again(image()), model(image()))
    assert str(counters.table(again)) == str(counters.table(model))
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["n.npz"]


def test_what_is_no_resnet_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"no ResNet-20: the tensor 'conv1\.weight' is missing"):
        networks.save(torch.nn.Linear(2, 2), tmp_path / "n.npz")
    assert not list(tmp_path.iterdir())


# --- files from strangers


def archive(path: Path, files: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", kind) as out:
        for name, content in files.items():
            out.writestr(name, content)


def npy(array: np.ndarray, **kw) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **kw)
    return out.getvalue()


class Bomb:
    def __reduce__(self):
        return (Path.write_text, (Path("ran.txt"), "ran"))


def of(**changes) -> dict[str, bytes]:
    """A good network's file, with some of its arrays changed."""
    state = {n: t.numpy() for n, t in ResNet20(1).state_dict().items()}
    arrays = {n: npy(a) for n, a in state.items()}
    arrays |= {n: c for n, c in changes.items() if c is not None}
    return {f"{n}.npy": c for n, c in arrays.items() if n not in changes or changes[n] is not None}


def a_pickle(path):
    path.write_bytes(pickle.dumps(Bomb()))


def a_torch_file(path):
    torch.save(Bomb(), path)


def objects(path):
    arrays = of(**{"conv1.weight": npy(np.array([Bomb()], dtype=object), allow_pickle=True)})
    archive(path, arrays)


def zeros_without_end(path):
    archive(path, {"a.npy": bytes(LIMIT + 1)}, zipfile.ZIP_DEFLATED)


def a_lying_directory(path):
    """Says that a member is small, and unpacks to 50 MB."""
    archive(path, {"conv1.weight.npy": bytes(50 * 2**20)}, zipfile.ZIP_DEFLATED)
    data = path.read_bytes()
    size = (50 * 2**20).to_bytes(4, "little")
    path.write_bytes(data.replace(size, (1000).to_bytes(4, "little")))


def a_giant_shape(path):
    good = npy(np.zeros((1, 3, 3, 3), np.float32))
    archive(path, of(**{"conv1.weight": good.replace(b"(1, 3, 3, 3)", b"(9**9,3,3,3)")}))


def a_huge_shape(path):
    good = npy(np.zeros((1, 3, 3, 3), np.float32))
    archive(path, of(**{"conv1.weight": good.replace(b"(1, 3, 3, 3)", b"(9999999999)")}))


def negative(path):
    good = npy(np.zeros((1, 3, 3, 3), np.float32))
    archive(path, of(**{"conv1.weight": good.replace(b"(1, 3, 3, 3)", b"(-1,-3,3, 3)")}))


def not_finite(path):
    archive(path, of(**{"conv1.weight": npy(np.full((1, 3, 3, 3), np.nan))}))


def a_claim(path):
    archive(path, of(accuracy=npy(np.array(0.999))))


def a_layer_missing(path):
    archive(path, of(**{"layer2.1.conv2.weight": None}))


def a_wider_layer(path):
    archive(path, of(**{"layer2.1.conv2.weight": npy(np.zeros((3, 2, 3, 3)))}))


def another_kernel(path):
    archive(path, of(**{"conv1.weight": npy(np.zeros((1, 3, 1, 1)))}))


def too_wide(path):
    archive(path, of(**{"conv1.weight": npy(np.zeros((600, 3, 3, 3)))}))


def nothing_left(path):
    archive(path, of(**{"conv1.weight": npy(np.zeros((0, 3, 3, 3)))}))


def text(path):
    archive(path, of(**{"conv1.weight": npy(np.array(["x"]))}))


def a_matrix(path):
    archive(path, of(**{"conv1.weight": npy(np.zeros((3, 3)))}))


def no_file_at_all(path):
    path.mkdir()


def cut_short(path):
    archive(path, of())
    path.write_bytes(path.read_bytes()[:3000])


def wrong_channels(path):
    state = ResNet20(2, "A").state_dict() | {"layer2.0.downsample.origin": torch.tensor([9] * 4)}
    archive(path, {f"{n}.npy": npy(t.numpy()) for n, t in state.items()})


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (a_pickle, "no .npz file"),
        (a_torch_file, "is no array of numpy|no .npz file|magic"),
        (objects, "holds object, not numbers"),
        (zeros_without_end, "larger than 40 MB when unpacked"),
        (a_lying_directory, "no .npz file"),
        (a_giant_shape, "no .npz file"),
        (a_huge_shape, "says a wrong shape|no .npz file"),
        (negative, "says a wrong shape|no .npz file"),
        (not_finite, "not finite"),
        (a_claim, "no ResNet-20: .*accuracy"),
        (a_layer_missing, r"the tensor 'layer2\.1\.conv2\.weight' is missing"),
        (a_wider_layer, "no ResNet-20"),
        (another_kernel, r"kernel of \(1, 1\)"),
        (too_wide, r"has the shape \(600, 3, 3, 3\)"),
        (nothing_left, r"has the shape \(0, 3, 3, 3\)"),
        (text, "not numbers"),
        (a_matrix, "no ResNet-20"),
        (no_file_at_all, "no .npz file"),
        (cut_short, "no .npz file"),
        (wrong_channels, "no ResNet-20"),
    ],
)
def test_a_file_that_holds_no_network_is_refused(make, reason, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "handed_in.npz"
    make(path)
    with pytest.raises(Unreadable, match=rf"handed_in\.npz: .*({reason})"):
        networks.load(path)
    assert not (tmp_path / "ran.txt").exists()
