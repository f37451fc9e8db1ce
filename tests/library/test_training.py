"""Training: repeatable, resumable, and true to its masks."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.optimizer import register_optimizer_step_pre_hook

from pruninglab import data, masks, training
from pruninglab.models import ResNet20, prunable
from pruninglab.project import setting
from pruninglab.training import (
    Recipe,
    accuracy,
    constant,
    hardware,
    predict,
    stepped,
    train,
    triangular,
)


@pytest.fixture(scope="module")
def images():
    return data.subset("val")[:96]


@pytest.fixture
def small():
    """A network that trains in milliseconds: one convolution, BN, one linear layer."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10)
    )


def run(images, epochs=3, seed=0, **options):
    torch.manual_seed(0)
    model = ResNet20(2)
    recipe = Recipe(epochs, triangular(0.1), batch_size=32)
    history = train(model, images[:64], recipe, seed=seed, bf16=False, progress=False, **options)
    return model.state_dict(), history


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_the_seed_decides(images):
    (a, first), (b, second), (c, _) = run(images), run(images), run(images, seed=1)
    assert same(a, b)
    assert [row["loss"] for row in first] == [row["loss"] for row in second]
    assert not same(a, c)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", [1, 2, 3])
def test_killed_and_resumed_equals_uninterrupted_bit_for_bit(images, tmp_path, at):
    whole, history = run(images, val=images)
    path = tmp_path / "run.pt"

    def kill(epoch):
        if epoch == at:
            raise Killed

    with pytest.raises(Killed):
        run(images, val=images, checkpoint=path, after_epoch=kill)
    assert path.exists() == (at > 1), "the epoch that was killed is lost, and no other"
    epochs = []
    resumed, again = run(images, val=images, checkpoint=path, after_epoch=epochs.append)
    assert epochs == list(range(at, 4))
    assert same(whole, resumed)
    for row in (*history, *again):
        row.pop("seconds")
    assert history == again
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


def trained_again(epoch):
    pytest.fail(f"epoch {epoch} was trained again")


def test_a_finished_run_is_not_trained_again(images, tmp_path):
    first, history = run(images, checkpoint=tmp_path / "run.pt")
    second, again = run(images, checkpoint=tmp_path / "run.pt", after_epoch=trained_again)
    assert same(first, second)
    assert history == again


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 2}, "another recipe or seed"),
        ({"seed": 5}, "another recipe or seed"),
        ({"model": lambda: ResNet20(3)}, "another network"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(images, tmp_path, change, message):
    path = tmp_path / "run.pt"
    run(images, epochs=1, checkpoint=path)
    model = change.get("model", lambda: ResNet20(2))()
    before, file = {k: v.clone() for k, v in model.state_dict().items()}, path.read_bytes()
    recipe = Recipe(change.get("epochs", 1), triangular(0.1), batch_size=32)
    with pytest.raises(ValueError, match=rf"run\.pt .*{message}"):
        train(model, images, recipe, seed=change.get("seed", 0), checkpoint=path, progress=False)
    assert same(before, model.state_dict())
    assert path.read_bytes() == file


def test_another_schedule_is_another_recipe(small, images, tmp_path):
    path = tmp_path / "run.pt"
    train(small, images, Recipe(1, constant(0.1)), checkpoint=path, progress=False)
    with pytest.raises(ValueError, match="another recipe"):
        train(small, images, Recipe(1, constant(0.2)), checkpoint=path, progress=False)


def test_a_single_flipped_bit_in_a_checkpoint_is_noticed(small, images, tmp_path):
    path, recipe = tmp_path / "run.pt", Recipe(1, constant(0.1))
    train(small, images, recipe, checkpoint=path, progress=False)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(small[4].weight.detach().numpy().tobytes()) + 1] ^= 1
    path.write_bytes(damaged)
    assert "model" in torch.load(path), "else this test shows nothing"
    before = {k: v.clone() for k, v in small.state_dict().items()}
    with pytest.raises(ValueError, match=r"run\.pt is damaged"):
        train(small, images, recipe, checkpoint=path, progress=False)
    assert same(before, small.state_dict())
    assert path.read_bytes() == damaged


def test_a_damaged_checkpoint_is_named(small, images, tmp_path):
    path = tmp_path / "run.pt"
    path.write_bytes(b"PK not really")
    with pytest.raises(ValueError, match=r"run\.pt is damaged"):
        train(small, images, Recipe(1, constant(0.1)), checkpoint=path, progress=False)


@pytest.mark.parametrize("bf16", [False, True])
def test_masked_training_keeps_zeros_bit_exact(images, bf16):
    """50 steps with momentum and weight decay, on 80 % sparse weights."""
    model = ResNet20(2)
    mask = masks.random_masks(model, 0.8, torch.Generator().manual_seed(0))
    before = {n: w.detach().clone() for n, w in prunable(model).items()}
    recipe = Recipe(5, constant(0.05), batch_size=8, momentum=0.9, weight_decay=5e-3)
    with masks.hold(model, mask):
        train(model, images[:80], recipe, bf16=bf16, progress=False)
    for name, w in prunable(model).items():
        gone = w.detach()[~mask[name]]
        assert (gone == 0).all()
        assert not gone.signbit().any()
        kept = mask[name]
        assert not kept.any() or not torch.equal(w[kept], before[name][kept]), "the rest trains"


@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_masked_training_compiled(small, images):
    mask = masks.random_masks(small, 0.5, torch.Generator().manual_seed(0))
    with masks.hold(small, mask):
        recipe = Recipe(2, constant(0.05), batch_size=32)
        train(small, images, recipe, compiled=True, bf16=False, progress=False)
    for name, w in prunable(small).items():
        assert torch.equal(w != 0, mask[name])


def test_a_step_is_sgd_with_nesterov_and_weight_decay(small, images):
    """One epoch of one batch against torch's documented update, by hand."""
    recipe = Recipe(1, constant(0.1), batch_size=96, weight_decay=0.01, label_smoothing=0.2)
    generator = torch.Generator().manual_seed(3)
    x, y = next(data.batches(images, 96, train=True, generator=generator))
    before = {n: p.detach().clone() for n, p in small.named_parameters()}
    log_p = F.log_softmax(small(x), 1)
    target = 0.8 * F.one_hot(y, 10) + 0.2 / 10  # Szegedy et al. 2016, section 7
    loss = -(target * log_p).sum(1).mean()
    grads = torch.autograd.grad(loss, list(small.parameters()))
    history = train(small, images, recipe, seed=3, bf16=False, progress=False)
    assert history[0]["loss"] == pytest.approx(loss.item(), rel=1e-4)
    for (name, p), g in zip(small.named_parameters(), grads, strict=True):
        g = g + 0.01 * before[name]
        torch.testing.assert_close(
            p, before[name] - 0.1 * (g + 0.9 * g), rtol=1e-3, atol=1e-5, msg=name
        )


def test_schedules():
    lr = triangular(0.4, warmup=0.25)
    assert [lr(t) for t in (0, 0.125, 0.25, 0.625, 1)] == pytest.approx([0, 0.2, 0.4, 0.2, 0])
    lr = stepped(0.1, (0.5, 0.75), 0.1)
    trace = [lr(t) for t in (0, 0.49, 0.5, 0.74, 0.75, 1)]
    assert trace == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert constant(0.3)(0.9) == 0.3


def test_every_step_gets_the_rate_of_its_middle(small, images):
    rates = []
    handle = register_optimizer_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    train(small, images, Recipe(2, lambda t: t, batch_size=32), progress=False)
    handle.remove()
    assert rates == pytest.approx([(i + 0.5) / 6 for i in range(6)])


def test_it_learns(small, images):
    before = accuracy(small, images)
    rows = train(small, images, Recipe(15, constant(0.05), batch_size=32), progress=False)
    assert [row["epoch"] for row in rows] == list(range(1, 16))
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert accuracy(small, images) > before + 0.1


def test_a_loss_that_is_not_finite_stops(small, images):
    with pytest.raises(FloatingPointError, match=r"the loss is (nan|inf) in epoch 1: lower"):
        train(small, images, Recipe(3, constant(1e30), batch_size=16), progress=False)


def test_weights_are_laid_out_channels_last(images):
    state, _ = run(images, epochs=1)
    weight = state["layer1.0.conv1.weight"]
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()


@pytest.mark.parametrize("progress", [False, True])
def test_a_bar_shows_epochs_loss_and_accuracy(small, images, capsys, progress):
    train(small, images, Recipe(2, constant(0.01)), val=images, progress=progress)
    shown = capsys.readouterr().err
    assert ("2/2" in shown and "loss=" in shown and "val=" in shown) == progress
    assert bool(shown) == progress


def test_accuracy_and_prediction(small, images):
    with torch.no_grad():
        scores = small.eval()(data.normalise(images.pixels))
    small.train()
    torch.testing.assert_close(predict(small, images), scores, rtol=1e-4, atol=1e-4)
    right = (scores.argmax(1) == images.labels).sum().item()
    assert accuracy(small, images) == pytest.approx(right / 96)


def test_modes_and_statistics_are_left_as_they_were(small, images):
    small.train()
    small[1].eval()
    before = {k: v.clone() for k, v in small.state_dict().items()}
    predict(small, images)
    assert same(before, small.state_dict()), "evaluation moves no BN statistics"
    assert [m.training for m in small] == [True, False, True, True, True]
    small.eval()
    train(small, images, Recipe(1, constant(0.1)), val=images, progress=False)
    assert not any(m.training for m in small.modules())

    def fail(epoch):
        raise Killed

    with pytest.raises(Killed):
        train(small, images, Recipe(1, constant(0.1)), after_epoch=fail, progress=False)
    assert not any(m.training for m in small.modules())


def test_after_epoch_comes_before_the_measurement(small, images):
    def silence(epoch):
        for p in small.parameters():
            p.data.zero_()

    rows = train(
        small, images, Recipe(1, constant(0.1)), val=images, after_epoch=silence, progress=False
    )
    first = (images.labels == 0).float().mean().item()
    assert rows[0]["val"] == pytest.approx(first), "all scores are equal, so class 0 wins"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"epochs": 0}, "epochs and batch_size must be 1 or more"),
        ({"epochs": 1.5}, r"and whole, got 1\.5, 128"),
        ({"batch_size": 0}, "epochs and batch_size must be 1 or more"),
        ({"lr": 0.1}, r"lr must be a schedule, such as constant\(0\.1\), got 0\.1"),
        ({"momentum": float("nan")}, r"momentum must be in 0 \.\. 1, got nan"),
        ({"label_smoothing": 1.5}, r"label_smoothing must be in 0 \.\. 1, got 1\.5"),
        ({"weight_decay": -1e-4}, "weight_decay must be in 0 .. inf, got -0.0001"),
        ({"muon": -1.0}, r"muon must be in 0 \.\. inf, got -1\.0"),
    ],
)
def test_bad_recipes(bad, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**{"epochs": 1, "lr": constant(0.1), **bad})


@pytest.mark.parametrize("warmup", [-0.1, 1.0, float("nan")])
def test_a_warmup_that_leaves_no_training(warmup):
    with pytest.raises(ValueError, match=f"0 or more and below 1, got {warmup}"):
        triangular(0.4, warmup)


def test_bf16_is_close_to_float32(small, images):
    exact, rough = predict(small, images), predict(small, images, bf16=True)
    assert rough.dtype == torch.float32
    assert not torch.equal(exact, rough)
    torch.testing.assert_close(exact, rough, rtol=0.05, atol=0.1)


CPU = torch.device("cpu")


@pytest.mark.parametrize(("exact", "rough"), [(0.13, 0.10), (0.11, 0.10), (0.10, 0.13)])
@pytest.mark.parametrize(("amx", "avx512"), [(False, False), (True, False), (False, True)])
def test_bf16_is_used_on_a_cpu_that_is_clearly_faster_with_it(
    monkeypatch, amx, avx512, exact, rough
):
    """Measured once: the first round warms up, later ones may be slowed down by other programs."""
    asked = []

    def seconds(model, bf16):
        asked.append(bf16)
        return (rough if bf16 else exact) * (5 if len(asked) < 4 else 1)

    monkeypatch.delenv(hardware.SETTING, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(hardware, "_seconds", seconds)
    hardware._speed_up.cache_clear()
    fast = (amx or avx512) and exact == 0.13
    for _ in range(2):
        assert hardware.bf16_is_fast(CPU) is fast
    assert asked == ([False, True] * 3 if amx or avx512 else [])
    assert hardware.bf16_is_fast(torch.device("mps")) is False, "it says nothing of other devices"
    with hardware.mixed_precision(CPU):
        assert torch.is_autocast_enabled("cpu") is fast
    with hardware.mixed_precision(CPU, enabled=not fast):
        assert torch.is_autocast_enabled("cpu") is not fast, "the caller decides"
    hardware._speed_up.cache_clear()


def test_the_environment_decides_without_a_measurement(monkeypatch):
    monkeypatch.setattr(hardware, "_seconds", None)  # calling it would be an error
    for said, fast in (("1", True), ("0", False)):
        monkeypatch.setenv(hardware.SETTING, said)
        assert hardware.bf16_is_fast(CPU) is fast
    monkeypatch.setenv(hardware.SETTING, "yes")
    with pytest.raises(ValueError, match="PRUNINGLAB_BF16 must be 0 or 1, got 'yes'"):
        hardware.bf16_is_fast(CPU)


def test_a_step_is_timed_in_both_precisions_and_changes_nothing():
    model, state = ResNet20(1).train(), torch.get_rng_state()
    with torch.no_grad():  # as inside `predict`
        assert hardware._seconds(model, bf16=False) > 0
        assert hardware._seconds(model, bf16=True) > 0
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("found", "expected"), [("cuda", "cuda"), ("mps", "mps"), ("xpu", "cpu"), (None, "cpu")]
)
def test_the_device_is_found_in_one_place(monkeypatch, found, expected):
    there = torch.device(found) if found else None
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: there)
    assert training.device().type == setting.device().type == expected


@pytest.mark.parametrize(("capability", "fast"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_bf16_is_fast_on_ampere_and_later(monkeypatch, capability, fast):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert hardware.bf16_is_fast(torch.device("cuda")) is fast
