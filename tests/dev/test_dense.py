"""The recipe of the dense networks: compared, noted, trained and shipped, on a few images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from pruninglab import checkpoints, data
from pruninglab.dev import dense
from pruninglab.models import ResNet20
from pruninglab.training import Recipe, constant, make_optimizer


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few images, and a folder of its own for what is written."""
    few = {"train": data.subset("train"), "test": data.subset("test")[:50]}
    kept = data.hold_out
    monkeypatch.setattr(data, "load", lambda name, split: few[split])
    monkeypatch.setattr(data, "hold_out", lambda images, per_class: kept(images[:300], 5))
    monkeypatch.setattr(dense, "ASSET", tmp_path / "recipes.json")
    monkeypatch.setattr(dense, "ResNet20", lambda width, seed: ResNet20(2, seed=seed))
    return tmp_path


def test_candidates_are_compared_once_each(here: Path, capsys: pytest.CaptureFixture) -> None:
    dense.choose(here, [0, 1], epochs=1, compiled=False)
    dense.choose(here, [1], epochs=1, compiled=False)
    rows = dense.tried()
    assert [row["decay_norms"] for row in rows] == [False, True]
    assert all(0 <= row[key] <= 1 for row in rows for key in ("val", "zeros"))
    assert all(row["low_scale"] > 0.5 for row in rows)  # it begins at 1
    assert all(0 <= value <= 1 for row in rows for value in row["at_once"].values())
    dense.show()
    assert capsys.readouterr().out.count("| Muon for convolutions |") == 2


def test_nothing_pruned_is_as_good_as_before() -> None:
    images = data.subset("val")[:100]
    model = checkpoints.trained(4)
    before = model.state_dict()["conv1.weight"].clone()
    assert dense.at_once(model, 0.0, images, images) > 0.7
    assert dense.at_once(model, 1.0, images, images) == pytest.approx(0.1, abs=0.05)
    assert torch.equal(model.state_dict()["conv1.weight"], before)


def test_the_best_recipe_trains_a_network_that_is_left_with_its_card(here: Path) -> None:
    with pytest.raises(ValueError, match="dense choose"):
        dense.train_best(here, 2, 1, epochs=1, compiled=False)
    rows = [c | {"val": 0.5 + i / 10} for i, c in enumerate(dense.CANDIDATES)]
    dense.ASSET.write_text(json.dumps(rows))
    shipped = {path: path.read_bytes() for path in checkpoints.ASSETS.glob("resnet20-*")}
    dense.train_best(here, 2, 1, epochs=1, compiled=False)
    card = json.loads((here / "resnet20-w2-seed1.json").read_text())
    assert card["cycles"] == [dense.CANDIDATES[-1] | {"epochs": 1}]
    assert (card["seed"], card["test_read"], len(card["curve"])) == (1, 1, 1)
    state = torch.load(here / "resnet20-w2-seed1.pt", weights_only=True)
    assert all(v.dtype == torch.float16 for v in state.values() if v.is_floating_point())
    assert {path: path.read_bytes() for path in checkpoints.ASSETS.glob("resnet20-*")} == shipped


@pytest.mark.parametrize("muon", [0.0, 0.2])
@pytest.mark.parametrize("decay", [False, True])
def test_without_decay_the_scale_of_an_idle_channel_stays(muon: float, decay: bool) -> None:
    """Behind a ReLU that never opens there is no gradient: only decay can move the scale."""
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    with torch.no_grad():
        layers[1].bias.fill_(-100)
    recipe = Recipe(1, constant(0.1), weight_decay=0.1, muon=muon, decay_norms=decay)
    optimizer = make_optimizer(layers, recipe)
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    for _ in range(3):
        optimizer.zero_grad()
        layers(torch.randn(8, 3, 5, 5)).sum().backward()
        optimizer.step()
    assert bool((layers[1].weight == 1).all()) is not decay


def test_zeros_are_what_float16_cannot_tell_from_zero() -> None:
    layer = nn.Linear(4, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 1e-9, 1e-4, 1.0]]))
    assert dense.zeros(layer) == 0.5
    assert dense.zeros(checkpoints.trained(16)) > 0.08  # what the first network suffers from
