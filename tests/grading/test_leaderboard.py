"""The leaderboard: measured from the networks alone; every submission has a row; fair fronts."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
import pytest
import torch

from pruninglab import checkpoints, counters, data
from pruninglab.grading.leaderboard import copies, measure, standings
from pruninglab.grading.leaderboard.standings import Entry, front
from pruninglab.masks import apply, random_masks
from pruninglab.models import ResNet20, prunable
from pruninglab.project import networks
from pruninglab.training import accuracy

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _few_images(monkeypatch) -> None:
    monkeypatch.setenv("NBGRADER_EXECUTION", "test")  # 200 images


def pruned(sparsity: float) -> ResNet20:
    model = checkpoints.trained(4)
    apply(model, random_masks(model, sparsity, torch.Generator().manual_seed(0)))
    return model


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch ran.txt",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A class: honest, lying, broken, hostile, and absent."""
    home = tmp_path / "submitted"
    for student in ("ada", "ben", "<b>eve", "liar", "nobody", "late", "many", "zip"):
        (home / student / "07_project").mkdir(parents=True)
    honest = networks.save(pruned(0.5), home / "ada" / "07_project" / "mine.npz")
    (home / "ben" / "07_project" / "his.npz").write_bytes(honest.read_bytes())
    (home / "<b>eve" / "07_project" / "x.npz").write_bytes(pickle.dumps(Bomb()))
    networks.save(pruned(0.9), home / "liar" / "07_project" / "accuracy-0.999.npz")
    claim = {"accuracy": 0.999, "test": 0.999, "compression": 1000}
    (home / "liar" / "07_project" / "record.json").write_text(json.dumps(claim))
    (home / "late" / "07_project" / "n.npz").symlink_to(honest)
    for k in range(5):
        (home / "many" / "07_project" / f"{k}.npz").write_bytes(b"x")
    with zipfile.ZipFile(home / "zip" / "07_project" / "all.zip", "w") as archive:
        archive.write(honest, "deep/in/n.npz")
    networks.save(
        ResNet20(1, num_classes=100), home / "Lovelace Ada_12_assignsubmission_file_n.npz"
    )
    return home


def test_everybody_has_a_row_and_claims_count_for_nothing(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = data.subset("test")
    rows = measure.measure_all(folder, images, progress=False)
    found = {row.student: row for row in rows}
    assert set(found) == {
        "", "ada", "ben", "(b)eve", "liar", "nobody", "late", "many", "zip",
        "Lovelace Ada_12",
    }  # fmt: skip
    honest, model, dense = found["ada"], pruned(0.5), checkpoints.trained(16)
    assert honest.accuracy == pytest.approx(accuracy(model, images))
    assert honest.compression == pytest.approx(counters.compression(model, dense))
    assert honest.macs_ratio == counters.macs(dense) / counters.macs(model)
    assert honest.speedup > 1
    assert 0.95 < honest.sparsity < 1  # of the weights of the network 16 wide
    assert found["ben"].file == "his.npz (the same file as ada, zip)"
    assert found["zip"].accuracy == honest.accuracy
    liar = found["liar"]
    assert liar.accuracy == pytest.approx(accuracy(pruned(0.9), images))
    assert liar.accuracy < 0.5
    assert found["nobody"].reason == "no network (.npz) was handed in"
    assert found["late"].reason == "no network (.npz) was handed in"
    assert "no .npz file" in found["(b)eve"].reason
    assert found["Lovelace Ada_12"].reason == "it tells 100 classes apart, and cifar10 has 10"
    reasons = [row.reason for row in rows if row.student == "many"]
    assert len(reasons) == 5
    assert reasons[3:] == ["only 3 networks of a student count"] * 2
    assert not (tmp_path / "ran.txt").exists()

    html, png = standings.write(rows, len(images), tmp_path / "out", was_busy=True)
    text = html.read_text(encoding="utf-8")
    assert "0.999" not in text.replace("accuracy-0.999.npz", "")
    assert "(b)eve" in text
    assert "<b>eve" not in text
    assert "<script" not in text
    assert "do not trust the times" in text
    assert text.count("<tr class=") == len(rows)
    assert png.read_bytes().startswith(b"\x89PNG")


# --- whose a network is ---------------------------------------------------------------------------


STOLEN = "Course-Lab-77/Lovelace Ada_12_assignsubmission_file_/stolen.npz"


def zipped(names: Iterable[str]) -> bytes:
    """A zip of files of the same content; a zip among them has a network named as another's."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, zipped([STOLEN]) if name.endswith(".zip") else b"x")
    return buffer.getvalue()


MOODLE = {
    "Lovelace Ada_12_assignsubmission_file_n.npz": ("Lovelace Ada_12", "n.npz"),
    "Hopper Grace_14_assignsubmission_file_/n.npz": ("Hopper Grace_14", "n.npz"),
    "Turing Alan_13_assignsubmission_file/my.n.npz": ("Turing Alan_13", "my.n.npz"),
    "Moriarty J._15_assignsubmission_file_Course-Lab-77.zip": ("Moriarty J._15", "stolen.npz"),
    "Noether E_16_assignsubmission_file_/07_project.ipynb": ("Noether E_16", ""),
    "Idle I_17_assignsubmission_file_/notes.pdf": ("Idle I_17", ""),
}


def given(place: Path) -> set[tuple[str, str]]:
    """Who handed in what; of a flat file of Moodle's only what the student called it."""
    found = [(student, name) for student, name, _ in measure.handed_in(place)]
    assert len(found) == len(set(found))
    return {(student, name.split("_assignsubmission_file_")[-1]) for student, name in found}


@pytest.mark.parametrize(
    "packed", ["class", "renamed", "in a folder", "loose", "loose in a folder"]
)
def test_what_moodle_gives(tmp_path: Path, packed: str) -> None:
    """Its zip, that zip in a folder (as for `make grade`), and what was in it."""
    name = "class.zip" if packed == "renamed" else "Pruning-Lab 7-77.zip"
    archive = tmp_path / "archive" / name
    archive.parent.mkdir()
    archive.write_bytes(zipped(MOODLE))
    if packed.startswith("loose"):
        inside = packed == "loose in a folder"
        zipfile.ZipFile(archive).extractall(archive.with_suffix("") if inside else archive.parent)
        archive.unlink()
    place = archive if packed in ("class", "renamed") else archive.parent
    assert given(place) == set(MOODLE.values())


def test_what_is_inside_of_an_own_zip_or_folder_is_nobody_elses(tmp_path: Path) -> None:
    """Whatever it is called."""
    for path in ("ada/n.npz", "J. Doe/07_project/n.npz", "late/.keep", "ben.npz"):
        (tmp_path / path).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / path).write_bytes(b"x")
    (tmp_path / "eve").mkdir()
    (tmp_path / "eve" / "Course-Lab-77.zip").write_bytes(
        zipped(["ada_12_assignsubmission_file_n.npz"])
    )
    (tmp_path / "mallory.zip").write_bytes(zipped(["ada/n.npz", "x.zip"]))
    (tmp_path / "damaged.zip").write_bytes(b"PK")
    assert given(tmp_path) == {
        ("ada", "n.npz"), ("J. Doe", "n.npz"), ("late", ""), ("ben", "ben.npz"), ("eve", "n.npz"),
        ("mallory", "n.npz"), ("mallory", "stolen.npz"), ("damaged", "damaged.zip"),
    }  # fmt: skip


def test_no_more_is_read_than_counts(tmp_path: Path, monkeypatch) -> None:
    opened = []
    monkeypatch.setattr(measure, "read_file", lambda path: opened.append(path.name) or b"x")
    (tmp_path / "many").mkdir()
    for k in range(5):
        (tmp_path / "many" / f"{k}.npz").write_bytes(b"x")
    rows = measure.measure_all(tmp_path, data.subset("test"), progress=False)
    assert len([row for row in rows if row.student]) == 5
    assert opened == ["0.npz", "1.npz", "2.npz"]


def test_a_name_that_is_no_text_can_be_written_down(tmp_path: Path) -> None:
    odd = os.fsdecode(b"g\xf6del")
    (tmp_path / odd).mkdir()
    (tmp_path / odd / f"{odd}\n.npz").write_bytes(b"x")
    images = data.subset("test")
    rows = measure.measure_all(tmp_path, images, progress=False)
    assert [row.student for row in rows if row.student] == ["g del"]
    html, _ = standings.write(rows, len(images), tmp_path / "out")
    assert "g?del" in html.read_text(encoding="utf-8")


# --- what is measured -----------------------------------------------------------------------------


def test_a_network_that_would_take_for_ever_is_refused(monkeypatch) -> None:
    ruler = measure.Ruler(data.subset("test"))
    with pytest.raises(networks.Unreadable, match="more than 20 times the dense ones"):
        ruler.measured("slow", "n.npz", ResNet20(80))


@torch.no_grad()
def dressed_up(kind: str) -> ResNet20:
    """A copy of the network 4 wide that its bytes do not show."""
    model = checkpoints.trained(4)
    inner, norm, outer = model.layer1[0].conv1, model.layer1[0].bn1, model.layer1[0].conv2
    if kind == "float16":
        return model.half().float()
    if kind == "permuted":
        order = torch.tensor([2, 0, 3, 1])
        for tensor in (inner.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var):
            tensor.copy_(tensor[order])
        outer.weight.copy_(outer.weight[:, order])
    if kind == "rescaled":  # batch normalisation takes it back; the classifier keeps its order
        inner.weight.mul_(3)
        norm.running_mean.mul_(3)
        norm.running_var.mul_(9)
        model.fc.weight.mul_(0.5)
        model.fc.bias.mul_(0.5)
    return model


@pytest.mark.parametrize("kind", ["as it is", "float16", "permuted", "rescaled"])
def test_a_network_of_the_course_is_named(kind: str, tmp_path: Path) -> None:
    networks.save(dressed_up(kind), tmp_path / "mine.npz")
    row = measure.Ruler(data.subset("test")).entry(
        "eve", "mine.npz", (tmp_path / "mine.npz").read_bytes
    )
    assert row.file == "mine.npz (is the dense network, 4 wide, of the course)"


def test_work_of_ones_own_is_not_named() -> None:
    """Pruned, trained a little further, or trained from other weights."""
    assert copies.copy_of(pruned(0.05)) == ""
    assert copies.copy_of(ResNet20(4, seed=3)) == ""
    assert copies.copy_of(checkpoints.trained(8)) == "the dense network, 8 wide"
    further = checkpoints.trained(4)
    with torch.no_grad():
        for weight in prunable(further).values():
            noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
            weight.add_(0.05 * weight.std() * noise)
    assert copies.copy_of(further) == ""


def test_sparsity_by_layer(tmp_path: Path) -> None:
    model = checkpoints.trained(16)
    with torch.no_grad():
        before = int(model.layer2[1].conv1.weight.count_nonzero())
        model.layer2[1].conv1.weight[:8] = 0  # 8 of 32 filters
        after = int(model.layer2[1].conv1.weight.count_nonzero())
    row = measure.Ruler(data.subset("test")).measured("ada", "n.npz", model)
    shares = dict(row.layers)
    assert next(iter(shares)) == "conv1"
    assert after < before
    assert shares["layer2.1.conv1"] == 1 - after / (32 * 32 * 9)
    assert shares["layer3.0.conv1"] == 1 - counters.nonzeros(model.layer3[0].conv1) / (64 * 32 * 9)
    narrow = dict(measure.layers(checkpoints.trained(8), checkpoints.trained(16)))
    assert narrow["conv1"] >= 0.5
    assert narrow["layer1.0.conv1"] >= 0.75
    text = standings.write([row], 200, tmp_path)[0].read_text(encoding="utf-8")
    assert f'title="layer2.1.conv1: {shares["layer2.1.conv1"]:.0%}"' in text


def entry(student: str, size: float, right: float) -> Entry:
    return Entry(student, "n.npz", "", right, 0.5, size, 1.0, 1.0)


def names(rows: list[Entry]) -> list[str]:
    return sorted(row.student for row in rows)


def test_the_front_has_whom_nobody_beats() -> None:
    rows = [
        entry("small", 20, 0.7), entry("large", 2, 0.92), entry("beaten", 5, 0.88),
        entry("middle", 10, 0.9), entry("twin", 10, 0.9), entry("equal size", 10, 0.89),
        entry("equal accuracy", 1, 0.92),
    ]  # fmt: skip
    assert names(front(rows, "compression")) == ["large", "middle", "small", "twin"]
    assert front([], "compression") == []
    assert [row.student for row in standings.ranking(rows)][-1] in ("beaten", "equal size")


def test_the_command(folder, tmp_path, monkeypatch, capsys) -> None:
    for path in folder.iterdir():
        if path.name not in ("ada", "nobody"):
            path.rename(tmp_path / path.name)
    monkeypatch.setattr("sys.argv", ["leaderboard", str(folder), "--out", str(tmp_path / "o")])
    measure.main()
    out = capsys.readouterr().out
    assert "nobody: nothing: no network (.npz) was handed in" in out
    assert "4 networks measured" in out
    monkeypatch.setattr("sys.argv", ["leaderboard", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit):
        measure.main()
    assert "there is no folder" in capsys.readouterr().err
    (tmp_path / "cut.zip").write_bytes(b"PK")
    monkeypatch.setattr("sys.argv", ["leaderboard", str(tmp_path / "cut.zip")])
    with pytest.raises(SystemExit):
        measure.main()
    assert "cut.zip is no zip file, or a damaged one: download it again" in capsys.readouterr().err
