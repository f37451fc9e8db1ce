"""The embedded images and the pipeline, against torchvision and loops."""

import hashlib

import pytest
import torch
from torchvision.transforms import functional as tv

from pruninglab import data
from pruninglab.data import Images
from pruninglab.grading.unseen import unseen_images

SIZES = {"train": 400, "val": 100, "test": 200}
# SHA-256 of the pixels, computed from the official files: the first 400 and the last 100 training
# images and the first 200 test images of each class, the classes in turn; "unseen" are the next 80.
SHA256 = {
    "train": "eafb662d440af54a9007e946bbc78e14c0f177a2323861db6f6861634bf54039",
    "val": "fd29679371a8fb769c0b947db59f471e8a83925b2d1b506c55e31f93ff80b1d7",
    "test": "9a350dafa2d05017e1866afb0ab3fbfa23c487cd7b1f7228862419af1b1e210e",
    "unseen": "ef539efc8ba3d856bd116adfc6834ace4980564e6c4a2dd13b708c2353847a8e",
}


@pytest.fixture(autouse=True)
def not_grading(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)


@pytest.fixture(scope="module")
def few():
    return data.subset("val")[:200]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_subset_is_genuine_and_stratified(split):
    images = data.subset(split)
    assert hashlib.sha256(images.pixels.numpy().tobytes()).hexdigest() == SHA256[split]
    assert images.labels.bincount().tolist() == [SIZES[split]] * 10
    assert images.classes[0] == "airplane"
    assert images.classes[9] == "truck"
    assert images.labels[:10].tolist() == list(range(10)), "any first 10 n images are stratified"


def test_splits_share_no_image():
    seen = [p.numpy().tobytes() for s in SIZES for p in data.subset(s).pixels]
    assert len(set(seen)) == len(seen) == 7000


def test_the_graders_images_do_not_ship_and_are_all_there_in_grading(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    unseen = unseen_images()
    monkeypatch.delenv("NBGRADER_EXECUTION")
    own = {p.numpy().tobytes() for p in unseen.pixels}
    shipped = {p.numpy().tobytes() for s in SIZES for p in data.subset(s).pixels}
    assert len(own) == len(unseen) == 800
    assert hashlib.sha256(unseen.pixels.numpy().tobytes()).hexdigest() == SHA256["unseen"]
    assert unseen.labels.bincount().tolist() == [80] * 10
    assert not own & shipped


def test_subset_is_small_while_grading(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    small = data.subset("train")
    assert len(small) == 200
    assert small.labels.bincount().tolist() == [20] * 10


def test_embedded_files_fit_in_16_mb():
    folder = data.resources.files("pruninglab") / "assets"
    sizes = [p.stat().st_size for p in folder.iterdir() if p.name.startswith("cifar10-")]
    assert len(sizes) == 3
    assert sum(sizes) <= 16_000_000


def test_normalise_equals_torchvision(few):
    mean, std = ([v / 255 for v in table["cifar10"]] for table in (data.MEAN, data.STD))
    expected = tv.normalize(few.pixels.float() / 255, mean, std)
    torch.testing.assert_close(data.normalise(few.pixels), expected, rtol=1e-5, atol=1e-5)


def test_statistics_are_about_those_of_the_embedded_images():
    x = data.normalise(data.subset("train").pixels)
    assert x.mean((0, 2, 3)).abs().max() < 0.03
    assert (x.std((0, 2, 3)) - 1).abs().max() < 0.03


def test_augment_is_a_crop_of_the_padded_image_mirrored_or_not(few):
    """Each result is found among all that torchvision's pad, crop and mirror can give."""
    x = data.normalise(few.pixels)[:100]
    out = data.augment(x, torch.Generator().manual_seed(0))
    assert out.shape == x.shape
    found = []
    for before, after in zip(x, out, strict=True):
        padded = tv.pad(before, [4])
        for top in range(9):
            for left in range(9):
                crop = tv.crop(padded, top, left, 32, 32)
                for mirrored, image in enumerate((crop, tv.hflip(crop))):
                    if torch.equal(image, after):
                        found.append((top, left, mirrored))
    assert len(found) == 100, "every image is one of the 162, and no two coincide"
    assert {top for top, _, _ in found} == {left for _, left, _ in found} == set(range(9))
    assert 35 <= sum(mirrored for *_, mirrored in found) <= 65
    assert len(set(found)) > 60, "each image has its own shift"


def test_augment_without_padding_only_mirrors(few):
    x = data.normalise(few.pixels)[:20]
    out = data.augment(x, torch.Generator().manual_seed(0), padding=0)
    same = [torch.equal(a, b) for a, b in zip(x, out, strict=True)]
    mirrored = [torch.equal(a, b.flip(-1)) for a, b in zip(x, out, strict=True)]
    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    assert 0 < sum(same) < 20


def test_the_generator_decides(few):
    def run(seed):
        generator = torch.Generator().manual_seed(seed)
        return list(data.batches(few, 64, train=True, generator=generator))

    state = torch.get_rng_state()
    first, second, other = run(0), run(0), run(1)
    assert torch.equal(torch.get_rng_state(), state)
    for (a, i), (b, j) in zip(first, second, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(i, j)
    assert not torch.equal(first[0][1], other[0][1])


def test_batches_for_evaluation_are_all_images_in_order(few):
    got = list(data.batches(few, 64))
    assert [len(y) for _, y in got] == [64, 64, 64, 8]
    assert torch.equal(torch.cat([y for _, y in got]), few.labels)
    assert torch.equal(torch.cat([x for x, _ in got]), data.normalise(few.pixels))
    x = got[0][0]
    assert x.dtype == torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_batches_for_training_are_shuffled_and_whole(few):
    numbered = Images(few.pixels, torch.arange(200), tuple(map(str, range(200))))
    got = list(data.batches(numbered, 64, train=True, generator=torch.Generator().manual_seed(0)))
    assert [len(y) for _, y in got] == [64, 64, 64]
    seen = torch.cat([y for _, y in got]).tolist()
    assert len(set(seen)) == 192
    assert seen != sorted(seen)
    assert len(next(iter(data.batches(few, 500, train=True)))[1]) == 200, "a small set is one batch"


def test_labels_stay_with_their_images(few):
    """Constant images survive any crop of an unpadded kind: the centre tells which one it was."""
    pixels = (
        torch.arange(200, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 32, 32).contiguous()
    )
    numbered = Images(pixels, torch.arange(200), tuple(map(str, range(200))))
    for x, y in data.batches(numbered, 50, train=True, generator=torch.Generator().manual_seed(0)):
        back = x[:, 0, 16, 16] * data.STD["cifar10"][0] + data.MEAN["cifar10"][0]
        assert torch.equal(back.round().long(), y)


def test_hold_out_is_disjoint_and_the_last_of_each_class(few):
    rest, held = data.hold_out(few, per_class=5)
    assert (len(rest), len(held)) == (150, 50)
    assert held.labels.bincount().tolist() == [5] * 10
    for label in range(10):
        mine = few.pixels[few.labels == label]
        assert torch.equal(held.pixels[held.labels == label], mine[-5:])
        assert torch.equal(rest.pixels[rest.labels == label], mine[:-5])
    for bad in (0, 21, 2.5):
        with pytest.raises(ValueError, match=f"per_class must be in 1 .. 20, got {bad}"):
            data.hold_out(few, bad)


def test_load_uses_the_sources(monkeypatch, few):
    asked = []

    def read(name, train):
        asked.append((name, train))
        return few.pixels.numpy(), few.labels.numpy(), few.classes

    monkeypatch.setattr(data.sources, "read", read)
    images = data.load("cifar10", "test")
    assert asked == [("cifar10", False)]
    assert torch.equal(images.pixels, few.pixels)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: data.load("mnist"), "unknown data set 'mnist': choose from cifar10, cifar100"),
        (lambda: data.load(["cifar10"]), r"unknown data set \['cifar10'\]"),
        (lambda: data.normalise(data.subset("val").pixels, "mnist"), "unknown data set 'mnist'"),
        (
            lambda: data.normalise(torch.zeros(2, 3, 32, 32)),
            r"pixels must be torch.uint8 \(N, 3, H, W\), got torch.float32 \(2, 3, 32, 32\)",
        ),
        (lambda: data.normalise(torch.zeros(2, 32, 32, 3).byte()), r"got .* \(2, 32, 32, 3\)"),
        (lambda: data.augment(torch.zeros(3, 32, 32)), r"need images \(N, 3, H, W\) .* \(3, 32"),
        (lambda: data.augment(torch.zeros(2, 3, 32, 32), padding=-1), "padding >= 0, got .* -1"),
        (lambda: data.load("cifar10", "val"), 'split must be "train" or "test", got \'val\''),
        (lambda: data.subset("all"), "split must be .* got 'all'"),
        (lambda: next(data.batches(data.subset("val")[:0], 4)), "need images"),
        (lambda: next(data.batches(data.subset("val"), 0)), "batch_size >= 1, got 1000 and 0"),
    ],
)
def test_bad_requests(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixels": torch.zeros(2, 3, 32, 32)}, r"torch.uint8 \(N, 3, 32, 32\), got torch.float32"),
        ({"pixels": torch.zeros(2, 32, 32, 3).byte()}, r"got torch.uint8 \(2, 32, 32, 3\)"),
        ({"labels": torch.zeros(3).long()}, r"labels must be torch.int64 \(2,\), got .* \(3,\)"),
        ({"labels": torch.zeros(2)}, "got torch.float32"),
        ({"labels": torch.tensor([0, 2])}, r"labels must be in 0 .. 1"),
        ({"labels": torch.tensor([-1, 0])}, r"labels must be in 0 .. 1"),
        ({"name": "imagenet"}, "unknown data set 'imagenet'"),
    ],
)
def test_bad_images(change, message):
    good = {"pixels": torch.zeros(2, 3, 32, 32).byte(), "labels": torch.tensor([0, 1])}
    with pytest.raises(ValueError, match=message):
        Images(**{**good, "classes": ("a", "b"), **change})
