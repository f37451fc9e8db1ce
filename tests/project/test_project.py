"""A project: runs once, goes on when killed, notices a changed recipe, works on CIFAR-100."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path

import pytest
import torch

from pruninglab import checkpoints, counters, data
from pruninglab.masks import random_masks
from pruninglab.models import prunable
from pruninglab.project import networks, setting
from pruninglab.project import run as project
from pruninglab.project.fingerprint import fingerprint
from pruninglab.results import records
from tests.library import test_sources

CALLS: deque[float] = deque()
SHARE = 1.0


@pytest.fixture(autouse=True)
def _few_images(monkeypatch) -> None:
    """200 images of each split, and no timing of any length."""
    monkeypatch.setenv("NBGRADER_EXECUTION", "test")
    CALLS.clear()


def by_chance(model, target, steps, train):
    CALLS.append(target)
    masks = random_masks(model, SHARE * target, torch.Generator().manual_seed(0))
    train(model, masks, steps * [0.01])


def gone(share: float) -> float:
    """What `by_chance` leaves at zero: its choice, and what was zero in the dense network."""
    dense = checkpoints.trained(4)
    masks = random_masks(dense, share, torch.Generator().manual_seed(0))
    left = sum(int((w * masks[n]).count_nonzero()) for n, w in prunable(dense).items())
    return 1 - left / counters.prunable_weights(dense)


def test_a_run_ends_as_records_and_networks(tmp_path: Path) -> None:
    mine = ("single weights", "chance", "at once")
    found = project.run_project(
        by_chance, [0.5, 0.9], [0, 1], name="By chance!", answers=mine, folder=tmp_path, width=4
    )
    assert [r.seed for r in found] == [0, 1]
    assert list(records.load_all(tmp_path)) == found
    for record in found:
        assert (record.structure, record.criterion, record.method) == mine
        assert [p.target for p in record.points] == [0.5, 0.9]
        for point in record.points:
            assert point.sparsity == pytest.approx(gone(point.target), abs=1e-3)
            assert point.epochs == 1
            assert point.test is None
            model = networks.load(project.network_file(record, point.target, tmp_path))
            assert counters.remaining(model) == point.nonzeros


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch) -> None:
    def run(targets, recipe=by_chance, **kw):
        return project.run_project(recipe, targets, name="x", folder=tmp_path, width=4, **kw)

    first = run([0.5])
    assert run([0.5, 0.9])[0].points[0] == first[0].points[0]
    assert list(CALLS) == [0.5, 0.9]
    run([0.5], epochs=2)
    assert list(CALLS) == [0.5, 0.9, 0.5]
    project.network_file(first[0], 0.5, tmp_path).unlink()
    run([0.5])
    assert list(CALLS) == [0.5, 0.9, 0.5, 0.5]
    monkeypatch.setattr(f"{__name__}.SHARE", 0.8)  # the recipe prunes less now
    changed = run([0.5])
    assert list(CALLS) == [0.5, 0.9, 0.5, 0.5, 0.5]
    assert changed[0].points[0].sparsity == pytest.approx(gone(0.4), abs=1e-3)


def helper(x):
    return x + 1


def test_the_fingerprint_is_that_of_what_a_recipe_does(monkeypatch) -> None:
    def recipe(model, target, steps, train, share=0.5):
        return [helper(x) * share for x in range(steps)]

    before = fingerprint(recipe)
    assert before == fingerprint(recipe)
    monkeypatch.setattr(f"{__name__}.helper", lambda x: x + 2)
    monkeypatch.setattr(helper, "__module__", recipe.__module__)
    changed = fingerprint(recipe)
    assert changed != before
    recipe.__defaults__ = (0.6,)
    assert fingerprint(recipe) not in (before, changed)


def test_the_test_images_are_read_at_the_end(tmp_path: Path) -> None:
    found = project.run_project(by_chance, [0.5], name="x", folder=tmp_path, width=4)
    project.read_test(found, "subset", tmp_path)
    (record,) = records.load_all(tmp_path)
    (point,) = record.points
    assert 0 <= point.test <= 1
    assert 0.5 < record.dense.test <= 1
    assert point.latency > 0
    assert point.dense_latency > 0
    again = project.run_project(by_chance, [0.5], name="x", folder=tmp_path, width=4)
    assert again[0].points == [point], "what was read once is known"
    project.network_file(record, 0.5, tmp_path).unlink()
    with pytest.raises(ValueError, match=r"x\.cifar10\.subset-1-epochs\.0\.0\.5\.npz is gone"):
        project.read_test(found, "subset", tmp_path)


@pytest.mark.parametrize(
    ("recipe", "dataset", "reason"),
    [
        (by_chance, "cifar", 'must be "subset", "cifar10" or "cifar100", got \'cifar\''),
        (print, "subset", "recipe must be a function that you wrote"),
    ],
)
def test_a_wrong_argument_leaves_nothing(recipe, dataset, reason, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=reason):
        project.run_project(recipe, [0.5], dataset=dataset, folder=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_cifar100_needs_one_other_argument(tmp_path: Path, monkeypatch) -> None:
    """The official format, few images: a dense network is trained once, and then pruned."""
    monkeypatch.setenv("PRUNINGLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(test_sources.PER_FILE, "cifar100", 2200)
    tiny = test_sources.make_official("cifar100", monkeypatch)
    monkeypatch.setenv("PRUNINGLAB_DATA", str(tiny.folder("bin", tmp_path)))
    trained = []
    monkeypatch.setattr(setting, "train", lambda *a, **kw: trained.append(a) or real(*a, **kw))

    def run(targets):
        return project.run_project(
            quick, targets, dataset="cifar100", name="x", folder=tmp_path / "p", width=2,
            dense_epochs=1,
        )  # fmt: skip

    (record,) = run([0.5])
    assert record.dataset == "cifar100"
    assert record.images == "1,200 training images, dense 1 epochs"
    assert len(trained) == 1
    run([0.5, 0.8])
    assert len(trained) == 1, "the dense network is trained once"
    model = networks.load(project.network_file(record, 0.5, tmp_path / "p"))
    assert model.fc.out_features == 100
    monkeypatch.setattr(data, "load", lambda name, split: real_load(name, split)[:100])
    project.read_test([record], "cifar100", tmp_path / "p")
    stored = json.loads((tmp_path / "p" / records.file_name(record)).read_text())
    assert stored["points"][0]["test"] is not None


real, real_load = setting.train, data.load


def quick(model, target, steps, train):
    train(model, random_masks(model, target, torch.Generator().manual_seed(0)), 2 * [0.01])
