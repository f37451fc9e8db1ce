"""Masks, against tensors pruned by hand and torch.nn.utils.prune."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from pruninglab import counters
from pruninglab import masks as m
from pruninglab.models import ResNet20, prunable


@pytest.fixture
def model():
    return ResNet20(4)


@pytest.fixture
def some(model):
    return m.random_masks(model, 0.8, torch.Generator().manual_seed(1))


def weights_of(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def is_plus_zero(t):
    return bool((t == 0).all() and not t.signbit().any())


def step(model, optimizer, x):
    optimizer.zero_grad()
    model(x).square().sum().backward()
    optimizer.step()


def test_apply_by_hand():
    layer = nn.Linear(3, 2)
    layer.weight.data = torch.tensor([[-1.0, 2.0, float("nan")], [4.0, -5.0, 6.0]])
    bias = layer.bias.clone()
    m.apply(layer, {"weight": torch.tensor([[False, True, False], [True, False, True]])})
    assert layer.weight.tolist() == [[0, 2, 0], [4, 0, 6]]
    assert not layer.weight.signbit().any(), "zeros must be +0.0"
    assert torch.equal(layer.bias, bias)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"conv1.weight": torch.ones(4, 3, 3, 3)}, "conv1.weight.*torch.bool.*torch.float32"),
        (
            {"conv1.weight": torch.ones(4, 3, 3).bool()},
            r"conv1.weight.*\(4, 3, 3\).*\(4, 3, 3, 3\)",
        ),
        ({"conv9.weight": torch.ones(1).bool()}, "conv9.weight.*no such weight.*conv1.weight"),
        ({"bn1.weight": torch.ones(4).bool()}, "bn1.weight.*no such weight"),
        ({"fc.weight": [True]}, "fc.weight.*torch.bool.*list"),
        ([torch.ones(4).bool()], "must be a dict.*list"),
    ],
)
@pytest.mark.parametrize("function", [m.validate, m.apply, m.to_torch])
def test_bad_masks_are_named_and_change_nothing(model, bad, message, function):
    if isinstance(bad, dict):  # a good mask first: it must not be applied either
        bad = {"layer1.0.conv1.weight": torch.zeros(4, 4, 3, 3, dtype=torch.bool), **bad}
    before = weights_of(model)
    with pytest.raises(ValueError, match=message):
        function(model, bad)
    after = weights_of(model)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[n], after[n]) for n in before)


def test_a_model_without_weights_is_refused():
    with pytest.raises(ValueError, match="ReLU has no convolution or linear layer"):
        m.apply(nn.ReLU(), {})


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=5e-2, nesterov=True),
        lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    ],
    ids=["sgd", "adamw"],
)
def test_hold_keeps_zeros_that_would_come_back(model, some, make):
    x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    optimizer = make(model.parameters())
    step(model, optimizer, x)  # momentum from before the pruning
    free = weights_of(model)
    with m.hold(model, some):
        for _ in range(5):
            step(model, optimizer, x)
            for name, w in prunable(model).items():
                assert is_plus_zero(w[~some[name]])
        assert any((w[some[n]] != free[n][some[n]]).any() for n, w in prunable(model).items())
    step(model, optimizer, x)
    revived = sum(int((w[~some[n]] != 0).sum()) for n, w in prunable(model).items())
    assert revived > 0, "after the hold the weights are free again (else this test shows nothing)"


def test_hold_touches_only_its_own_model(model, some):
    other = copy.deepcopy(model)
    with m.hold(model, some):
        step(other, torch.optim.SGD(other.parameters(), lr=0.0), torch.randn(2, 3, 8, 8))
    assert all((w != 0).all() for w in prunable(other).values())


def test_hold_works_for_an_optimizer_made_inside_and_after_a_change_of_layout(model, some):
    with m.hold(model, some):
        model.to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(2):
            step(model, optimizer, torch.randn(2, 3, 8, 8))
    for name, w in prunable(model).items():
        assert is_plus_zero(w.detach()[~some[name]])
        assert (w[some[name]] != 0).all()


def test_hold_keeps_the_masks_it_was_given(model, some):
    changed = {n: mask.clone() for n, mask in some.items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with m.hold(model, changed), m.hold(model, {}):
        for mask in changed.values():
            mask.fill_(False)
        step(model, optimizer, torch.randn(2, 3, 8, 8))
    assert all(torch.equal(w != 0, some[n]) for n, w in prunable(model).items())


def test_what_a_diverged_training_leaves_is_as_sparse_as_its_masks():
    """An infinite step makes NaN of a zero; such a weight is pruned all the same."""
    layer = nn.Linear(4, 1, bias=False)
    sgd = torch.optim.SGD(layer.parameters(), lr=1.0)
    with m.hold(layer, {"weight": torch.tensor([[True, False, False, True]])}):
        layer.weight.grad = torch.full((1, 4), float("inf"))
        sgd.step()
        assert layer.weight.isnan().any()
    assert layer.weight[0, 1:3].tolist() == [0.0, 0.0]
    assert counters.sparsity(layer) == 0.5


def test_hold_ends_with_an_error_inside_and_nested_holds_intersect(model, some):
    more = m.random_masks(model, 0.5, torch.Generator().manual_seed(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    both = m.combine(some, more)

    def interrupted():
        with m.hold(model, some), m.hold(model, more):
            step(model, optimizer, torch.randn(2, 3, 8, 8))
            assert all(torch.equal(w != 0, both[n]) for n, w in prunable(model).items())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    step(model, optimizer, torch.randn(2, 3, 8, 8))
    kept = sum(int(mask.sum()) for mask in both.values())
    assert sum(int((w != 0).sum()) for w in prunable(model).values()) > 2 * kept


def test_hold_equals_torch_prune_in_training(model, some):
    """Plain SGD: torch trains weight_orig behind a mask, we train the weight itself."""
    theirs = copy.deepcopy(model)
    m.to_torch(theirs, some)
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    mine = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    other = torch.optim.SGD(theirs.parameters(), lr=1e-3, momentum=0.9)
    with m.hold(model, some):
        for _ in range(3):
            step(model, mine, x)
            step(theirs, other, x)
    m.remove_torch(theirs)
    ours, torchs = model.state_dict(), theirs.state_dict()
    assert ours.keys() == torchs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], torchs[name], rtol=1e-4, atol=1e-5)


def test_apply_equals_custom_from_mask(model, some):
    theirs = copy.deepcopy(model)
    for name, mask in some.items():
        module = theirs.get_submodule(name.removesuffix(".weight"))
        prune.custom_from_mask(module, "weight", mask)
    m.apply(model, some)
    for name, w in prunable(model).items():
        assert torch.equal(w, prunable(theirs)[name])


def test_exchange_with_torch_there_and_back(model, some):
    plain, kept = weights_of(model), m.combine(some)
    m.to_torch(model, some)
    assert prune.is_pruned(model)
    got = m.from_torch(model)
    assert prune.is_pruned(model), "from_torch only looks"
    assert got.keys() == kept.keys()
    assert all(torch.equal(got[n], kept[n]) for n in kept)
    with pytest.raises(ValueError, match=r"conv1.weight.*remove_torch"):
        m.apply(model, some)
    m.remove_torch(model)
    assert not prune.is_pruned(model)
    assert set(dict(model.named_parameters())) == set(plain)
    for name, w in prunable(model).items():
        assert is_plus_zero(w.detach()[~kept[name]])
        assert torch.equal(w[kept[name]], plain[name][kept[name]])


def test_from_torch_reads_only_the_pruned_weights():
    net = nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 1))
    prune.random_unstructured(net[2], "weight", amount=1)
    prune.random_unstructured(net[0], "bias", amount=1)
    assert list(m.from_torch(net)) == ["2.weight"]
    assert m.from_torch(net)["2.weight"].sum() == 1


def test_combine_by_hand():
    a, b, c = (
        {"w": torch.tensor(bits).bool()} for bits in ([1, 1, 0, 1], [1, 0, 0, 1], [0, 1, 1, 1])
    )
    assert m.combine(a, b, c)["w"].tolist() == [False, False, False, True]
    assert m.combine(a)["w"].tolist() == a["w"].tolist()
    assert a["w"].tolist() == [True, True, False, True], "the arguments stay as they were"
    with pytest.raises(ValueError, match=r"differ in their names: v, w"):
        m.combine(a, {"v": b["w"]})
    with pytest.raises(ValueError, match=r"'w'.*\(4,\) and \(3,\)"):
        m.combine(a, {"w": torch.ones(3).bool()})
    with pytest.raises(ValueError, match="at least one"):
        m.combine()


def test_from_weights_finds_what_was_applied(model, some):
    m.apply(model, some)
    found = m.from_weights(model)
    assert all(torch.equal(found[n], some[n]) for n in prunable(model))


def test_save_and_load(tmp_path, some):
    path = tmp_path / "a.masks.pt"
    m.save(path, some)
    loaded = m.load(path)
    assert loaded.keys() == some.keys()
    assert all(torch.equal(loaded[n], some[n]) for n in some)
    assert [p.name for p in tmp_path.iterdir()] == ["a.masks.pt"]
    m.save(path, {"w": torch.ones(100_000, dtype=torch.bool)[:10]})
    assert path.stat().st_size < 10_000, "views must not save what is behind them"


def test_a_failing_save_leaves_the_old_file(tmp_path, some, monkeypatch):
    path = tmp_path / "masks.pt"
    m.save(path, some)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"'w'\] must be a torch.bool"):
        m.save(path, {"w": torch.ones(2)})

    def full_disk(state, file):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        m.save(path, some)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["masks.pt"]


def test_load_refuses_damage_and_other_files(tmp_path, some):
    path = tmp_path / "masks.pt"
    m.save(path, some)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"masks.pt is damaged or holds no masks"):
        m.load(path)
    torch.save({"w": torch.ones(2)}, path)
    with pytest.raises(ValueError, match=r"masks.pt.*'w'.*torch.bool"):
        m.load(path)
    path.write_text("hello")
    with pytest.raises(ValueError, match=r"masks.pt is damaged"):
        m.load(path)
    with pytest.raises(FileNotFoundError):
        m.load(tmp_path / "none.pt")


def test_load_notices_a_single_flipped_bit(tmp_path, some):
    """Each bit in the middle of the file is one of a mask: torch.load alone would take it."""
    path = tmp_path / "masks.pt"
    m.save(path, some)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(some["layer3.2.conv2.weight"].numpy().tobytes()) + 5] ^= 1
    path.write_bytes(damaged)
    assert set(torch.load(path)) == set(some), "else this test shows nothing"
    with pytest.raises(ValueError, match=r"masks.pt is damaged or holds no masks: the checksum"):
        m.load(path)


def test_load_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"w": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"evil\.pt is damaged"):
        m.load(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("sparsity", [0, 0.1, 0.5, 0.999, 1])
def test_random_masks_prune_an_exact_count(model, sparsity):
    masks = m.random_masks(model, sparsity, torch.Generator().manual_seed(3))
    n = sum(mask.numel() for mask in masks.values())
    assert sum(int((~mask).sum()) for mask in masks.values()) == round(sparsity * n)
    m.validate(model, masks)


def test_random_masks_depend_on_the_seed_alone(model):
    state = torch.get_rng_state()
    make = [m.random_masks(model, 0.5, torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert all(torch.equal(make[0][n], make[1][n]) for n in make[0])
    assert any(not torch.equal(make[0][n], make[2][n]) for n in make[0])
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    scores = {n: torch.rand(w.shape) for n, w in prunable(model).items()}
    again = m.random_masks(scores, 0.5, torch.Generator().manual_seed(0))
    assert all(torch.equal(make[0][n], again[n]) for n in again)


@pytest.mark.parametrize("bad", [-0.1, 1.1, 90, float("nan"), "0.5", None])
def test_sparsity_out_of_range(model, bad):
    with pytest.raises(
        ValueError, match=r"sparsity is the pruned fraction, a number in 0 .. 1, got"
    ):
        m.random_masks(model, bad)


def test_check_scores():
    m.check_scores({"a": torch.tensor([1.0, float("inf")]), "b": torch.tensor([1, 2])})
    with pytest.raises(ValueError, match=r"'b'\]: 2 of 3 values are NaN"):
        m.check_scores({"a": torch.ones(1), "b": torch.tensor([1.0, float("nan"), float("nan")])})
    with pytest.raises(ValueError, match=r"'a'\] must be a tensor, got float"):
        m.check_scores({"a": 1.0})
    with pytest.raises(ValueError, match=r"scores are empty: .* one tensor per weight"):
        m.check_scores({})
    for bad, kind in ((torch.ones(2), "Tensor"), ([torch.ones(2)], "list"), (None, "NoneType")):
        with pytest.raises(ValueError, match=f"scores are a {kind}: .* name -> tensor"):
            m.check_scores(bad)
