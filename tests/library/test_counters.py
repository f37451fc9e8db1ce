"""Counts, against closed forms, torch's own FLOP counter and Torch-Pruning."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pruninglab import counters as c
from pruninglab import masks
from pruninglab.models import ResNet20

EXACT = [  # width, shortcut, parameters, prunable weights, MACs at 32x32
    (16, "A", 269_722, 268_336, 40_551_040),
    (16, "B", 272_474, 270_896, 40_813_184),
    (64, "A", 4_286_026, 4_280_512, 643_500_544),
    (64, "B", 4_327_754, 4_321_472, 647_694_848),
]


@pytest.mark.parametrize(("width", "shortcut", "parameters", "weights", "macs"), EXACT)
def test_resnet20_exactly(width, shortcut, parameters, weights, macs):
    total = c.table(ResNet20(width, shortcut)).total
    assert (total.parameters, total.prunable, total.nonzeros) == (parameters, weights, weights)
    assert (total.macs, total.nonzero_macs, total.sparsity) == (macs, macs, 0.0)


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("size", [32, 40])
def test_macs_are_half_of_torchs_flops(shortcut, size):
    model, x = ResNet20(8, shortcut).eval(), torch.zeros(1, 3, size, size)
    with FlopCounterMode(display=False) as flops, torch.no_grad():
        model(x)
    assert 2 * c.macs(model, x) == flops.get_total_flops()


@pytest.mark.parametrize(("shortcut", "theirs"), [("A", 40_927_882), ("B", 41_214_602)])
@pytest.mark.filterwarnings("ignore")  # Torch-Pruning's imports warn
def test_torch_pruning_also_counts_bn_and_bias(shortcut, theirs):
    """It adds 2 per value that a BN lets through, and 1 per bias of the classifier."""
    tp = pytest.importorskip("torch_pruning")
    model, values = ResNet20(16, shortcut).eval(), 0

    def count(module, inputs, out):
        nonlocal values
        values += out.numel()

    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(count)
    model(torch.zeros(1, 3, 32, 32))
    macs, parameters = tp.utils.count_ops_and_params(
        ResNet20(16, shortcut), torch.zeros(1, 3, 32, 32)
    )
    assert macs == theirs == c.macs(ResNet20(16, shortcut)) + 2 * values + 10
    assert parameters == c.parameters(model)


def test_by_hand():
    model = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=False),
        nn.BatchNorm2d(6),
        nn.Flatten(),
        nn.Linear(54, 2),
    )
    x = torch.zeros(1, 4, 7, 7)  # -> (1, 6, 3, 3)
    rows = c.table(model, x).rows
    assert [(r.name, r.kind, r.parameters, r.prunable, r.macs) for r in rows] == [
        ("0", "Conv2d", 6 * 2 * 9, 108, 9 * 108),
        ("1", "BatchNorm2d", 12, 0, 0),
        ("3", "Linear", 110, 108, 108),
    ]
    assert rows[1].sparsity is None
    model[0].weight.data[0] = 0  # one of six filters
    row = c.table(model, x).rows[0]
    assert (row.nonzeros, row.nonzero_macs, row.macs) == (90, 9 * 90, 9 * 108)


def test_a_layer_used_twice_works_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 5)

        def forward(self, x):
            return self.layer(self.layer(x))

    total = c.table(Twice(), torch.zeros(1, 5)).total
    assert (total.parameters, total.macs) == (30, 50)


def tied(in_both):
    """Two linear layers with one weight of 2 x 2."""
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    first.weight.data = torch.tensor(in_both)
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), second)


def test_a_weight_in_two_layers_counts_once_and_works_twice():
    model, x = tied([[1.0, 0.0], [0.0, 0.0]]), torch.zeros(1, 2)
    assert (c.parameters(model), c.prunable_weights(model), c.nonzeros(model)) == (4, 4, 1)
    assert (c.sparsity(model), c.remaining(model), c.compression(model)) == (0.75, 1, 4.0)
    table = c.table(model, x)
    assert [(r.name, r.parameters, r.prunable, r.macs, r.nonzero_macs) for r in table.rows] == [
        ("0", 4, 4, 4, 1), ("2", 0, 0, 4, 1)
    ]  # fmt: skip
    assert (table.total.parameters, table.total.macs, table.total.nonzero_macs) == (4, 8, 2)
    with FlopCounterMode(display=False) as flops, torch.no_grad():
        model(x)
    assert 2 * table.total.macs == flops.get_total_flops()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(8, 16, 3, groups=8, padding=1), (1, 8, 9, 9)),
        (nn.Conv2d(8, 12, 3, groups=4, stride=2, dilation=2), (1, 8, 15, 15)),
        (nn.Conv1d(4, 6, 5), (1, 4, 20)),
        (nn.Conv3d(2, 3, 3), (1, 2, 5, 5, 5)),
        (nn.Linear(8, 4), (1, 10, 8)),
    ],
    ids=["depthwise", "grouped and dilated", "1d", "3d", "linear on ten places"],
)
def test_macs_of_other_layers_are_half_of_torchs_flops(layer, shape):
    with FlopCounterMode(display=False) as flops, torch.no_grad():
        layer(torch.zeros(shape))
    assert 2 * c.macs(layer, torch.zeros(shape)) == flops.get_total_flops()


def test_masked_network():
    model = ResNet20(8)
    mask = masks.random_masks(model, 0.9, torch.Generator().manual_seed(0))
    masks.apply(model, mask)
    n, total = c.prunable_weights(model), c.parameters(model)
    left = n - round(0.9 * n)
    assert c.nonzeros(model) == left
    assert c.sparsity(model) == 1 - left / n
    assert c.density(model) == left / n
    assert c.remaining(model) == total - round(0.9 * n)
    assert c.compression(model) == total / (total - round(0.9 * n))
    by_layer = [int(mask[f"{r.name}.weight"].sum()) for r in c.table(model).rows if r.prunable]
    assert [r.nonzeros for r in c.table(model).rows if r.prunable] == by_layer
    assert 0 < c.nonzero_macs(model) < 0.2 * c.macs(model)
    assert c.macs(model) == c.macs(ResNet20(8)), "a mask takes no work away by itself"


def test_smaller_network_is_compared_with_the_original():
    assert c.compression(ResNet20(8), ResNet20(16)) == 272_474 / c.parameters(ResNet20(8))
    assert c.compression(ResNet20(8)) == 1.0


def test_nothing_left():
    layer = nn.Linear(3, 1, bias=False)
    masks.apply(layer, {"weight": torch.zeros(1, 3, dtype=torch.bool)})
    assert (c.sparsity(layer), c.remaining(layer), c.compression(layer)) == (1.0, 0, float("inf"))


def test_table_totals_and_text():
    t = c.table(ResNet20())
    for field in ("parameters", "prunable", "nonzeros", "macs", "nonzero_macs"):
        assert getattr(t.total, field) == sum(getattr(row, field) for row in t.rows)
    lines = str(t).splitlines()
    assert len({len(line.rstrip()) for line in lines if "," in line}) == 1, "columns line up"
    assert lines[-1].split() == [
        "total", "ResNet20", "272,474", "270,896", "270,896", "0.0%", "40,813,184", "40,813,184"
    ]  # fmt: skip
    assert repr(t) == str(t)


def test_counting_leaves_the_model_as_it_was():
    model = ResNet20(4).train()
    model.bn1.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    c.table(model)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    with pytest.raises(RuntimeError, match=r"expected input.* to have 3 channels, but got 5"):
        c.table(model, torch.zeros(1, 5, 32, 32))
    assert [module.training for module in model.modules()] == modes, "nor does an error"
    assert not any(module._forward_hooks for module in model.modules())


def test_bad_input():
    with pytest.raises(ValueError, match="Sequential has no convolution"):
        c.sparsity(nn.Sequential())
    with pytest.raises(ValueError, match=r"one image.*\(2, 3, 32, 32\)"):
        c.macs(ResNet20(1), torch.zeros(2, 3, 32, 32))
    with pytest.raises(ValueError, match=r"one image.*got \(\)"):
        c.macs(ResNet20(1), torch.tensor(0.0))
    for bad in ({"repeats": 0}, {"threads": 0}, {"warmup": -1}):
        with pytest.raises(ValueError, match="need repeats >= 1"):
            c.latency(nn.Linear(1, 1), torch.zeros(1, 1), **bad)


def test_latency_is_the_median_with_its_quartiles_in_milliseconds(monkeypatch):
    seconds = iter([0.001, 0.004, 0.002, 0.005, 0.003])
    monkeypatch.setattr(c, "_time_once", lambda model, x: next(seconds))
    result = c.latency(nn.Linear(1, 1), torch.zeros(1, 1), repeats=5)
    assert (result.low, result.median, result.high) == pytest.approx((0.002, 0.003, 0.004))
    assert str(result) == "3.00 ms (the middle half of 5 runs: 2.00 .. 4.00 ms)"


def test_latency_runs_as_often_as_it_says_and_restores_everything():
    class Spy(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = []

        def forward(self, x):
            self.seen.append((self.training, torch.get_num_threads(), torch.is_grad_enabled()))
            return x

    spy, threads = Spy().train(), torch.get_num_threads()
    result = c.latency(spy, torch.zeros(1), repeats=7, warmup=3, threads=threads + 1)
    assert spy.seen == [(False, threads + 1, False)] * 10
    assert (spy.training, torch.get_num_threads(), torch.is_grad_enabled()) == (True, threads, True)
    assert len(result.seconds) == 7
    assert min(result.seconds) <= result.low <= result.median <= result.high <= max(result.seconds)
    assert "ms (the middle half of 7 runs:" in str(result)
