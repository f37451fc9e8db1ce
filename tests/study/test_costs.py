"""What pruned networks weigh, against counts by hand."""

import pytest
import torch

from pruninglab import counters
from pruninglab.masks import apply, random_masks
from pruninglab.models import ResNet20, prunable
from pruninglab.results import records
from solutions.study import costs
from tests.helpers.small import record


@pytest.fixture
def pruned():
    model = ResNet20(4)
    apply(model, random_masks(model, 0.5, torch.Generator().manual_seed(0)))
    return model


def test_bytes_are_those_of_the_values_and_of_what_finds_them(pruned):
    weights = prunable(pruned).values()
    every, kept = sum(w.numel() for w in weights), sum(int(w.count_nonzero()) for w in weights)
    rest = 4 * (counters.parameters(pruned) - every)
    assert costs.stored(pruned) == {
        "dense": rest + 4 * every,
        "bitmask": rest + sum((w.numel() + 7) // 8 for w in weights) + 4 * kept,
        "csr": rest + 8 * kept + sum(4 * (len(w) + 1) for w in weights),
    }


def test_only_what_is_there_and_not_weighed_yet_is_weighed(tmp_path, monkeypatch, pruned):
    times = iter([(1.0, 2.0), (3.0, 6.0)])
    monkeypatch.setattr(costs, "latencies", lambda model, dense: next(times))
    path, work = records.save(record(), tmp_path), tmp_path / "work"
    (work / path.stem).mkdir(parents=True)
    torch.save([pruned, None], work / path.stem / "networks.pt")
    assert costs.weigh(path, work) == 1  # the second network is lost
    first, second = records.load(path).points
    assert (first.stored, second.stored) == (costs.stored(pruned), None)
    assert (first.latency, first.dense_latency) == (1.0, 2.0)
    assert records.load(path).dense.stored["dense"] == 4 * 272_474
    costs.weigh(path, work)
    assert records.load(path).points[0].latency == 1.0
    costs.weigh(path, work, again=True)
    assert records.load(path).points[0].latency == 3.0


def test_a_smaller_network_is_timed_in_turns_with_the_dense_one():
    """256 times fewer MACs cannot take as long, whatever else the machine does."""
    small, dense = costs.latencies(ResNet20(2).eval(), ResNet20(32).eval())
    assert 0 < small < dense
