"""The shipped checkpoints are what their cards say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pruninglab import checkpoints, data
from pruninglab.counters import parameters
from pruninglab.data import Images, hold_out, subset
from pruninglab.dev import dense
from pruninglab.models import ResNet20
from pruninglab.plots import confidence
from pruninglab.training import accuracy


@pytest.mark.parametrize(("width", "seed"), checkpoints.SHIPPED)
def test_a_checkpoint_reaches_its_accuracy(width: int, seed: int) -> None:
    """On the embedded 2,000 test images, within three standard errors of the full test set's."""
    test, claimed = subset("test"), checkpoints.card(width, seed)["test"]
    measured = accuracy(checkpoints.trained(width, seed), test)
    assert abs(measured - claimed) < 1.5 * confidence(claimed, len(test))


@pytest.mark.parametrize("seed", [s for w, s in checkpoints.SHIPPED if w == 16])
def test_the_published_level_is_reached(seed: int) -> None:
    assert checkpoints.card(16, seed)["test"] >= 0.917


CLEAN = [seed for width, seed in checkpoints.SHIPPED if width == 16 and seed]


@pytest.mark.parametrize("seed", CLEAN)
def test_a_clean_network_has_hardly_any_zeros(seed: int) -> None:
    assert dense.zeros(checkpoints.trained(16, seed)) <= 0.01


def test_the_recipe_stood_before_the_test_set_was_read() -> None:
    """The first network was measured after each cycle; the narrow ones had them all at once."""
    first, *narrow = [checkpoints.card(width) for width in (16, 8, 4)]
    assert [card["cycles"] for card in narrow] == 2 * [first["cycles"]]
    read = [checkpoints.card(width, seed)["test_read"] for width, seed in checkpoints.SHIPPED]
    assert read == [3] + [1] * (len(read) - 1)


def test_the_clean_networks_have_the_best_of_the_recipes_compared() -> None:
    for seed in CLEAN:
        (cycle,) = checkpoints.card(16, seed)["cycles"]
        assert cycle | dense.best() == cycle
    assert {row["muon"] == 0 for row in dense.tried()} == {True, False}, "SGD is compared, too"


def test_the_results_show_which_recipes_were_compared(capsys: pytest.CaptureFixture) -> None:
    dense.show()
    page = Path(__file__).parents[2].joinpath("RESULTS.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out in page


def test_the_results_show_what_ships(capsys: pytest.CaptureFixture) -> None:
    checkpoints.show()
    page = Path(__file__).parents[2].joinpath("RESULTS.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out in page


def test_averaging_takes_the_mean_of_the_weights(tmp_path: Path) -> None:
    one, other = ResNet20(2, seed=0), ResNet20(2, seed=1)
    for i, model in enumerate((one, other)):
        torch.save(model.state_dict(), tmp_path / f"{i}.pt")
    paths = [tmp_path / "0.pt", tmp_path / "1.pt"]
    mean = checkpoints.averaged(ResNet20(2), paths, subset("val"))
    expected = (one.fc.weight + other.fc.weight) / 2
    torch.testing.assert_close(mean.fc.weight, expected)
    assert mean.bn1.running_mean.abs().sum() > 0  # measured again: it was zero in both


def test_wider_is_better() -> None:
    accuracies = [checkpoints.card(width)["test"] for width in (16, 8, 4)]
    assert accuracies == sorted(accuracies, reverse=True)


@pytest.mark.parametrize(("width", "seed"), checkpoints.SHIPPED)
def test_the_card_tells_how_it_was_made(width: int, seed: int) -> None:
    card = checkpoints.card(width, seed)
    planned = [dense.best()] if (width, seed) in [(16, s) for s in CLEAN] else checkpoints.CYCLES
    for cycle, plan in zip(card["cycles"], planned, strict=True):
        assert cycle | plan == cycle
    assert len(card["curve"]) == sum(cycle["epochs"] for cycle in card["cycles"])
    assert card["seed"] == seed
    assert "49,000" in card["images"]


def test_the_recipe_is_the_best_of_those_compared() -> None:
    rows = checkpoints.recipes()
    best = max(rows, key=lambda row: row["val"])
    assert [{k: row[k] for k in checkpoints.CHOSEN} for row in rows] == checkpoints.CANDIDATES
    assert best | checkpoints.CHOSEN == best


@pytest.mark.parametrize(("width", "seed"), [(5, 0), (4, 1)])
def test_an_unknown_network_is_refused(width: int, seed: int) -> None:
    with pytest.raises(ValueError, match=f"width {width}, seed {seed}: there are width 16 seed 0,"):
        checkpoints.trained(width, seed)


def test_two_loads_share_nothing() -> None:
    one, other = checkpoints.trained(4), checkpoints.trained(4)
    one.fc.weight.data.zero_()
    assert other.fc.weight.abs().sum() > 0
    assert parameters(one) == parameters(other)


def test_training_and_choosing_run_and_write_their_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way, on a few images, one epoch, in a folder of its own."""
    few: dict[str, Images] = {"train": subset("train"), "test": subset("test")[:100]}
    monkeypatch.setattr(data, "load", lambda name, split: few[split])
    monkeypatch.setattr(data, "hold_out", lambda images, per_class: hold_out(images[:400], 10))
    monkeypatch.setattr(checkpoints, "ASSETS", tmp_path)
    checkpoints.choose(tmp_path, only=[1], epochs=1, compiled=False)
    assert 0 <= checkpoints.recipes()[0]["val"] <= 1
    checkpoints.train_and_save(tmp_path, 4, epochs=(1, 0, 2), compiled=False)
    card = checkpoints.card(4)
    assert [row["epoch"] for row in card["curve"]] == [1, 1, 2]
    assert (card["seed"], card["test_read"]) == (0, 1)
    assert card["test"] == pytest.approx(accuracy(checkpoints.trained(4), few["test"]))


def test_another_seed_is_another_network() -> None:
    one, other = checkpoints.trained(16), checkpoints.trained(16, seed=1)
    assert not torch.equal(one.fc.weight, other.fc.weight)
    assert checkpoints.card(16, 1)["curve"] != checkpoints.card(16)["curve"]
