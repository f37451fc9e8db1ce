"""Whatever torch wraps around a network or makes of its weights: right numbers, or a refusal."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.optim.swa_utils import AveragedModel

from pruninglab import counters, layers, masks
from pruninglab.models import ResNet20, prunable_layers, ready_to_run
from pruninglab.project import networks
from pruninglab.training import device_of

IMAGE = torch.zeros(1, 3, 32, 32)


def compiled(model: nn.Module) -> nn.Module:
    """Compiled, and used before: only then nothing of it calls hooks any more."""
    wrapped = torch.compile(model.eval(), backend="eager")
    with torch.no_grad():
        wrapped(IMAGE)
    return wrapped


def compiled_in_place(model: nn.Module) -> nn.Module:
    model.eval().compile(backend="eager")
    with torch.no_grad():
        model(IMAGE)
    return model


WRAPPED: dict[str, Callable[[nn.Module], nn.Module]] = {
    "compiled": compiled,
    "compiled in place": compiled_in_place,
    "data parallel": nn.DataParallel,
    "averaged": AveragedModel,
    "twice": lambda model: nn.DataParallel(compiled(model)),
    "torch's pruning": lambda model: masks.to_torch(model, masks.from_weights(model)) or model,
    "a compiled, pruned one": lambda m: compiled(masks.to_torch(m, masks.from_weights(m)) or m),
}


@pytest.fixture(params=WRAPPED, ids=str)
def pair(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module]:
    """A masked network, and the same one wrapped."""
    plain = ResNet20(2)
    masks.apply(plain, masks.random_masks(plain, 0.7, torch.Generator().manual_seed(0)))
    return plain, WRAPPED[request.param](copy.deepcopy(plain))


def test_a_wrapped_network_counts_as_itself(pair: tuple[nn.Module, nn.Module]) -> None:
    plain, wrapped = pair
    assert counters.table(wrapped) == counters.table(plain)
    assert counters.macs(wrapped) == counters.macs(plain) > counters.nonzero_macs(wrapped) > 0
    assert counters.parameters(wrapped) == counters.parameters(plain)
    assert counters.sparsity(wrapped) == counters.sparsity(plain)
    assert counters.compression(wrapped, plain) == counters.compression(plain) > 2
    assert counters.latency(wrapped, IMAGE, repeats=2, warmup=0).median > 0
    assert device_of(wrapped).type == "cpu"


def test_masks_have_the_names_of_the_network_itself(pair: tuple[nn.Module, nn.Module]) -> None:
    plain, wrapped = pair
    some = masks.random_masks(wrapped, 0.9, torch.Generator().manual_seed(1))
    assert list(some) == list(masks.from_weights(plain)) == list(layers.prunable(plain))
    masks.remove_torch(wrapped)
    masks.apply(wrapped, some)
    masks.apply(plain, some)
    assert counters.nonzeros(wrapped) == counters.nonzeros(plain)
    with torch.no_grad():
        x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(wrapped.eval()(x), plain.eval()(x))


def test_a_wrapped_network_is_held_and_trained(pair: tuple[nn.Module, nn.Module]) -> None:
    _, wrapped = pair
    masks.remove_torch(wrapped)
    some = masks.random_masks(wrapped, 0.9, torch.Generator().manual_seed(1))
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    with masks.hold(wrapped, some):
        wrapped(torch.rand(2, 3, 32, 32)).square().sum().backward()
        optimizer.step()
        found = masks.from_weights(wrapped)
    assert not any((found[name] & ~some[name]).any() for name in some)
    assert any(found[name].any() for name in some)


def test_a_wrapped_network_is_saved(pair: tuple[nn.Module, nn.Module], tmp_path: Path) -> None:
    plain, wrapped = pair
    loaded = networks.load(networks.save(wrapped.bfloat16(), tmp_path / "a.npz"))
    assert counters.nonzeros(loaded) == counters.nonzeros(plain)
    for name, tensor in loaded.state_dict().items():
        torch.testing.assert_close(
            tensor, plain.state_dict()[name], rtol=0.01, atol=0.01, check_dtype=False
        )


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda m: torch.compile(m, backend="eager")])
def test_a_mask_under_a_wrappers_name_is_told_the_right_one(wrap: Callable) -> None:
    wrapped = wrap(nn.Sequential(nn.Linear(2, 2)))
    (name,) = (n for n, p in wrapped.named_parameters() if p.dim() == 2)
    with pytest.raises(ValueError, match=r"no such weight; call it '0\.weight'"):
        masks.apply(wrapped, {name: torch.ones(2, 2).bool()})


def test_a_network_is_saved_after_a_forward_pass_under_torchs_pruning(tmp_path: Path) -> None:
    model = ResNet20(1)
    masks.to_torch(model, masks.random_masks(model, 0.5, torch.Generator().manual_seed(0)))
    model(IMAGE).sum().backward()
    loaded = networks.load(networks.save(model, tmp_path / "a.npz"))
    assert counters.nonzeros(loaded) == counters.nonzeros(model)
    assert prune.is_pruned(model), "saving changes nothing"


def test_a_compiled_part_of_a_network_is_counted() -> None:
    inner = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    part = torch.compile(inner, backend="eager")
    model, x = nn.Sequential(part, nn.Linear(3, 2)).eval(), torch.zeros(1, 4)
    with torch.no_grad():
        model(x)
    assert counters.macs(model, x) == 12 + 6


# --- weights that are computed --------------------------------------------------------------------


def test_sparsity_under_torchs_pruning_is_that_of_the_next_forward_pass() -> None:
    pruned, later = ResNet20(2), ResNet20(2, seed=1)
    masks.to_torch(pruned, masks.random_masks(pruned, 0.8, torch.Generator().manual_seed(0)))
    for layer in prunable_layers(later).values():
        prune.identity(layer, "weight")
    later.load_state_dict(pruned.state_dict())
    before = counters.table(later)
    assert before == counters.table(pruned)
    assert all(
        torch.equal(mask, masks.from_torch(later)[name])
        for name, mask in masks.from_weights(later).items()
    )
    later(IMAGE)
    assert counters.table(later) == before


def halved(layer: nn.Module) -> nn.Module:
    """A parametrization that sets every second weight to zero."""

    class Half(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return weight * (torch.arange(weight.numel()).view_as(weight) % 2)

    return parametrize.register_parametrization(layer, "weight", Half()) or layer


def test_a_parametrized_weight_is_the_computed_one() -> None:
    layer = nn.Linear(4, 2)
    halved(layer)
    assert (counters.sparsity(layer), counters.parameters(layer)) == (0.5, 10)
    table = counters.table(layer, torch.zeros(1, 4))
    assert [(r.name, r.parameters, r.prunable, r.nonzeros) for r in table.rows] == [
        ("model", 10, 8, 4)
    ]
    with pytest.raises(ValueError, match=r"weight.*computes this weight"):
        masks.apply(layer, {"weight": torch.ones(2, 4).bool()})
    with pytest.raises(ValueError, match="computed from other tensors: first make it plain"):
        ready_to_run(nn.Sequential(layer))
    assert torch.equal(layers.plain_state(layer)["weight"], layer.weight)


@pytest.mark.filterwarnings("ignore")  # the old one is deprecated, and still met
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, parametrizations.weight_norm])
def test_weight_normalisation_old_and_new_is_never_stale(norm: Callable) -> None:
    layer, other = norm(nn.Linear(3, 2)), norm(nn.Linear(3, 2))
    direction = next(p for p in other.parameters() if p.shape == (2, 3))
    direction.data[:, 0] = 0
    layer.load_state_dict(other.state_dict())
    assert counters.nonzeros(layer) == 4
    assert counters.table(layer, torch.zeros(1, 3)).total.nonzero_macs == 4
    assert torch.allclose(layers.plain_state(layer)["weight"], layers.weight_of(other))
    assert sorted(layers.plain_state(layer)) == ["bias", "weight"]


def test_a_weight_that_layers_share_under_pruning_counts_once() -> None:
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    second.weight = first.weight
    model, mask = nn.Sequential(first, second), torch.tensor([[True, False], [True, True]])
    for layer in model:
        prune.custom_from_mask(layer, "weight", mask)
    counts = counters.parameters(model), counters.prunable_weights(model), counters.nonzeros(model)
    assert counts == (4, 4, 3)
    second.weight_mask[0, 0] = 0
    with pytest.raises(ValueError, match=r"0\.weight and 1\.weight are one parameter"):
        counters.sparsity(model)


def test_a_weight_made_by_hand_is_taken_as_it_is() -> None:
    layer = nn.Linear(2, 1)
    weight = layer.weight
    del layer.weight
    layer.weight = weight * torch.tensor([[0.0, 1.0]])
    assert counters.nonzeros(layer) == 1


# --- what cannot be looked into -------------------------------------------------------------------


def quantised() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    return torch.ao.quantization.quantize_dynamic(
        model, {"1": torch.ao.quantization.default_dynamic_qconfig}
    )


OPAQUE: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "quantised": (quantised, r"1 \(Linear\) is quantised .* before quantisation"),
    "scripted": (
        lambda: nn.Sequential(nn.Linear(2, 2), torch.jit.script(nn.Linear(2, 2))),
        r"1 \(RecursiveScriptModule\) is compiled by torch.jit",
    ),
    "lazy": (
        lambda: nn.Sequential(nn.Conv2d(3, 2, 1), nn.LazyConv2d(2, 1)),
        r"1 \(LazyConv2d\) is lazy and has no weights yet: call the network once",
    ),
}
LOOK: dict[str, Callable[[nn.Module], object]] = {
    "macs": counters.macs,
    "parameters": counters.parameters,
    "compression": counters.compression,
    "sparsity": counters.sparsity,
    "apply": lambda model: masks.apply(model, {}),
    "random_masks": lambda model: masks.random_masks(model, 0.5),
    "from_torch": masks.from_torch,
    "prunable_layers": prunable_layers,
    "ready_to_run": ready_to_run,
    "plain_state": layers.plain_state,
}


@pytest.mark.filterwarnings("ignore")  # torch.jit and torch.ao are deprecated, and still met
@pytest.mark.parametrize("look", LOOK.values(), ids=LOOK)
@pytest.mark.parametrize(("make", "reason"), OPAQUE.values(), ids=OPAQUE)
def test_a_layer_that_hides_its_weights_is_refused(
    make: Callable[[], nn.Module], reason: str, look: Callable[[nn.Module], object]
) -> None:
    model = make()
    with pytest.raises(ValueError, match=reason):
        look(model)


def test_a_lazy_network_counts_once_it_has_seen_an_image() -> None:
    model = nn.Sequential(nn.LazyConv2d(2, 1), nn.Flatten(), nn.LazyLinear(4))
    model(IMAGE)
    assert counters.macs(model) == 32 * 32 * 6 + 4 * 2 * 32 * 32


def test_the_meta_device_has_no_values() -> None:
    with torch.device("meta"):
        model = ResNet20(1)
    assert counters.parameters(model) == counters.parameters(ResNet20(1))
    assert counters.prunable_weights(model) == counters.prunable_weights(ResNet20(1))
    for count in (counters.sparsity, counters.macs, counters.compression):
        with pytest.raises(ValueError, match=r"conv1\.weight is on the meta device"):
            count(model)


def test_a_network_that_calls_none_of_its_layers_is_refused() -> None:
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.layer.weight

    with pytest.raises(ValueError, match="Unused calls none of its layers"):
        counters.macs(Unused(), torch.zeros(1, 2))


@pytest.mark.parametrize("thing", [None, {}, [nn.Linear(1, 1)], ResNet20, "resnet"])
def test_what_is_no_network_is_named(thing: object) -> None:
    for look in (counters.sparsity, counters.parameters, masks.from_weights):
        with pytest.raises(TypeError, match=f"torch.nn.Module.*got a {type(thing).__name__}"):
            look(thing)  # type: ignore[arg-type]


# --- dtypes, layouts, emptiness -------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.float8_e4m3fn],
    ids=str,
)
def test_zeros_are_counted_in_every_dtype(dtype: torch.dtype) -> None:
    layer = nn.Linear(4, 2, bias=False)
    layer.weight = nn.Parameter(
        torch.tensor([[0.0, -0.0, 1, 2], [3, 0, 4, 5]]).to(dtype), requires_grad=False
    )
    assert (counters.nonzeros(layer), counters.sparsity(layer)) == (5, 0.375)
    assert {n: int(mask.sum()) for n, mask in masks.from_weights(layer).items()} == {"weight": 5}
    if dtype != torch.float8_e4m3fn:  # torch cannot compute a layer with it
        assert counters.nonzero_macs(layer, torch.zeros(1, 4)) == 5


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_a_transposed_and_a_sparse_weight_count_like_any_other() -> None:
    layer = nn.Linear(3, 2, bias=False)
    weight = torch.tensor([[0.0, 1, 2], [3, 0, 4]])
    for same in (weight.T.contiguous().T, weight.to_sparse_csr()):
        layer.weight = nn.Parameter(same)
        assert counters.nonzeros(layer) == 4
        assert counters.table(layer, torch.zeros(1, 3)).total.nonzero_macs == 4


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_layer_that_has_lost_all_its_filters() -> None:
    model = nn.Sequential(nn.Linear(3, 0), nn.Linear(0, 2), nn.Linear(2, 1))
    assert (counters.macs(model, torch.zeros(1, 3)), counters.parameters(model)) == (2, 2 + 3)
    assert counters.sparsity(model) == 0.0
    with pytest.raises(ValueError, match="no layer of this network has a weight"):
        counters.sparsity(nn.Linear(3, 0))


def test_the_input_of_a_network_for_words_stays_whole_numbers() -> None:
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2))
    assert counters.macs(model, torch.zeros(1, 4, dtype=torch.int64)) == 4 * 6


# --- a hold whose parameters go away --------------------------------------------------------------


def replaced(model: nn.Sequential) -> None:
    model[0].weight = nn.Parameter(model[0].weight.detach().clone())


def assigned(model: nn.Sequential) -> None:
    model.load_state_dict({k: v.clone() for k, v in model.state_dict().items()}, assign=True)


REPLACE: dict[str, Callable[[nn.Sequential], object]] = {
    "a new parameter": replaced,
    "a new layer": lambda model: model.__setitem__(0, nn.Linear(3, 2)),
    "a state assigned": assigned,
    "torch's pruning": lambda model: prune.l1_unstructured(model[0], "weight", 1),
    "a layer cut away": lambda model: model.__delitem__(0),
}


@pytest.mark.parametrize("replace", REPLACE.values(), ids=REPLACE)
@pytest.mark.parametrize("steps", [0, 1])
def test_hold_says_so_when_its_weights_were_replaced(
    replace: Callable[[nn.Sequential], object], steps: int
) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))

    def train() -> None:
        with masks.hold(model, {"0.weight": torch.rand(2, 3) < 0.5}):
            replace(model)
            for _ in range(steps):
                torch.optim.SGD(model.parameters(), lr=0.1).step()

    with pytest.raises(ValueError, match=r"0\.weight has been replaced since masks\.hold"):
        train()


def test_an_error_inside_a_hold_is_the_one_that_is_seen() -> None:
    model = nn.Sequential(nn.Linear(3, 2))

    def interrupted() -> None:
        with masks.hold(model, {"0.weight": torch.ones(2, 3).bool()}):
            replaced(model)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        interrupted()
