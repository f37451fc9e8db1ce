"""The fast recipe: what was compared, what was chosen, what is claimed."""

import json
from pathlib import Path

import pytest

from pruninglab import checkpoints, data, plots
from pruninglab.dev import forty_epochs


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(forty_epochs, "ASSET", tmp_path / "fast.json")
    few = {"train": data.subset("train"), "test": data.subset("test")[:50]}
    monkeypatch.setattr(data, "load", lambda name, split: few[split])
    kept = data.hold_out
    monkeypatch.setattr(data, "hold_out", lambda images, per_class: kept(images[:300], 5))
    monkeypatch.setattr(forty_epochs, "train", _uncompiled(forty_epochs.train))
    monkeypatch.setattr(
        forty_epochs, "ResNet20", lambda width, seed: checkpoints.ResNet20(2, seed=seed)
    )
    return tmp_path


def _uncompiled(train):
    return lambda *args, **more: train(*args, **more | {"compiled": False, "progress": False})


def test_choosing_then_running_writes_one_record(here, capsys):
    with pytest.raises(ValueError, match=r"forty_epochs choose"):
        forty_epochs.run(here, [0], epochs=1)
    forty_epochs.choose(here, epochs=1)
    rows = json.loads((here / "fast.json").read_text())["compared"]
    assert [row["muon"] for row in rows] == [0.0, 0.2]
    chosen = max(rows, key=lambda row: row["val"])
    forty_epochs.run(here, [0, 1], epochs=1)
    runs = forty_epochs.record()["runs"]
    assert [row["seed"] for row in runs] == [0, 1]
    assert all(row["muon"] == chosen["muon"] for row in runs)
    assert all(0 <= row["test"] <= 1 for row in runs)
    forty_epochs.show()
    assert "seeds 0, 1: test accuracy" in capsys.readouterr().out


def test_what_ships_was_chosen_on_held_out_images_and_took_at_most_40_epochs():
    compared, runs = forty_epochs.record()["compared"], forty_epochs.record()["runs"]
    assert {row["muon"] == 0 for row in compared} == {True, False}, "SGD is compared, too"
    chosen = max(compared, key=lambda row: row["val"])
    for row in runs:
        assert all(row[key] == chosen[key] for key in forty_epochs.CANDIDATES[0])
        assert len(row["curve"]) == row["epochs"] <= 40
    assert sorted(row["seed"] for row in runs) == [0, 1, 2]


def test_the_results_say_what_was_measured():
    tests = plots.plus_minus([row["test"] for row in forty_epochs.record()["runs"]])
    page = (Path(__file__).parents[2] / "RESULTS.md").read_text(encoding="utf-8")
    assert f"{tests} %" in " ".join(page.split())
