"""Lab 6 against references of other kinds: exact Hessians, sampled KL, searches at equal MACs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab import amc, checkpoints, counters, masks, variational
from pruninglab.checks import combination
from pruninglab.data import subset
from pruninglab.models import ResNet20, prunable
from solutions.builder import build
from solutions.lab1_structures.exercises import empty_layers, free_convs, global_masks
from solutions.lab6_further import exercises as further
from solutions.lab6_further import mistakes


@pytest.fixture(scope="module")
def mlp() -> nn.Sequential:
    """A tiny network, trained to the end on random labels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).double()
        x, y = data()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
        for _ in range(300):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        model.zero_grad()
    return model.eval()


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    y = torch.randint(3, (40,), generator=generator)
    return torch.randn(40, 4, generator=generator).double() + F.one_hot(y, 4), y


def exact_diagonal(model: nn.Module, name: str, x: Tensor, y: Tensor) -> Tensor:
    weight = model.get_parameter(name).detach()

    def loss(flat: Tensor) -> Tensor:
        weights = {name: flat.view(weight.shape)}
        return F.cross_entropy(torch.func.functional_call(model, weights, (x,)), y)

    return torch.autograd.functional.hessian(loss, weight.flatten()).diagonal().view_as(weight)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("exercise", "mistake"),
    [
        ("synflow_scores", mistakes.synflow_scores_biases_signed),
        ("amc_reward", mistakes.amc_reward_training_mode),
    ],
)
def test_no_seed_accepts_what_the_check_refuses(
    exercise: str, mistake: Callable, seed: int
) -> None:
    with pytest.raises(AssertionError):
        build.hidden_of("06_further", exercise)(mistake, seed=seed)


# --- Optimal Brain Damage -----------------------------------------------------------------------


def test_the_diagonal_is_that_of_the_exact_hessian(mlp: nn.Sequential) -> None:
    x, y = data()
    for name, h in further.hessian_diagonal(mlp, x).items():
        torch.testing.assert_close(h, exact_diagonal(mlp, name, x, y), rtol=1e-9, atol=1e-12)


def test_with_a_smooth_activation_it_is_the_gauss_newton_part_only() -> None:
    x, y = data()
    smooth = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    for parameter in smooth.parameters():
        generator = torch.Generator().manual_seed(parameter.numel())
        parameter.data = torch.randn(parameter.shape, generator=generator).double()
    found = further.hessian_diagonal(smooth, x)
    # the last layer enters linearly, the first one does not
    torch.testing.assert_close(found["2.weight"], exact_diagonal(smooth, "2.weight", x, y))
    assert not torch.allclose(found["0.weight"], exact_diagonal(smooth, "0.weight", x, y), 0.05)


def test_on_a_quadratic_the_saliency_is_the_change_of_the_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    w, h = torch.randn(12, generator=generator), torch.rand(12, generator=generator)
    scores = further.obd_scores({"w": w}, {"w": h})["w"]
    for pruned in ([0], [3, 7], list(range(12))):
        v = w.index_fill(0, torch.tensor(pruned), 0.0)
        change = 0.5 * (h * (v - w) ** 2).sum()
        torch.testing.assert_close(scores[pruned].sum(), change)


def test_small_saliencies_predict_the_loss_of_a_trained_network(mlp: nn.Sequential) -> None:
    x, y = data()
    weights = prunable(mlp)
    scores = further.obd_scores(weights, further.hessian_diagonal(mlp, x))
    flat, before = scores["2.weight"].flatten(), F.cross_entropy(mlp(x), y).item()
    changes = []
    for k in range(len(flat)):
        pruned = mlp[2].weight.detach().flatten().index_fill(0, torch.tensor([k]), 0.0)
        out = torch.func.functional_call(mlp, {"2.weight": pruned.view(3, 6)}, (x,))
        changes.append(F.cross_entropy(out, y).item() - before)
    ranks = torch.stack([flat.argsort().argsort(), torch.tensor(changes).argsort().argsort()])
    assert torch.corrcoef(ranks.double())[0, 1] > 0.7


# --- SynFlow ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_flow_is_conserved_through_a_residual_network(shortcut: str) -> None:
    model = ResNet20(4, shortcut, seed=3)  # type: ignore[arg-type]
    sums = {n: float(s.sum()) for n, s in further.synflow_scores(model, (3, 32, 32)).items()}
    bias = float(model.fc.bias.detach().abs().sum())
    assert sums["conv1.weight"] == pytest.approx(sums["fc.weight"], rel=1e-9)
    # all of R flows through the stem and through the classifier, but for the classifier's bias
    twin = ResNet20(4, shortcut, seed=3).double().eval()  # type: ignore[arg-type]
    for parameter in twin.parameters():
        parameter.data.abs_()
    total = float(twin(torch.ones(1, 3, 32, 32).double()).sum().detach())
    assert sums["fc.weight"] == pytest.approx(total - bias, rel=1e-6)
    for name in free_convs(model):
        following = name.replace("conv1", "conv2")
        assert sums[f"{name}.weight"] == pytest.approx(sums[f"{following}.weight"], rel=1e-9)


def test_synflow_keeps_every_layer_where_magnitude_and_one_round_do_not() -> None:
    model = ResNet20(16)

    def score(network: nn.Module) -> dict[str, Tensor]:
        return further.synflow_scores(network, (3, 32, 32))

    density = 0.002
    magnitudes = {n: w.detach().abs() for n, w in prunable(model).items()}
    assert "fc.weight" in empty_layers(global_masks(magnitudes, 1 - density))
    assert empty_layers(further.synflow_masks(model, score, density, rounds=1))
    masks = further.synflow_masks(model, score, density, rounds=30)
    assert sum(int(m.sum()) for m in masks.values()) == round(density * 270896)
    assert masks["conv1.weight"].any()
    assert masks["fc.weight"].any()


# --- Variational Dropout ------------------------------------------------------------------------


def sampled_kl(log_alpha: float, samples: int = 2_000_000) -> float:
    """KL from the log-uniform prior, by Monte Carlo, less its limit for α -> ∞.

    Up to a constant, KL = -½·log α + E[log|w/θ|] with w/θ ~ N(1, α); for α -> ∞ the expectation
    is ½·log α + E[log|z|], z standard normal, and E[log|z|] = -(γ + log 2)/2.
    """
    generator = torch.Generator().manual_seed(round(100 * log_alpha) + 1000)
    z = torch.randn(samples, generator=generator, dtype=torch.float64)
    expected = (1 + math.exp(log_alpha / 2) * z).abs().log().mean().item()
    return expected - 0.5 * log_alpha + (0.5772156649 + math.log(2)) / 2


@pytest.mark.parametrize("log_alpha", [-6.0, -3.0, -1.5, -0.5, 0.0, 0.5, 1.5, 3.0, 5.0])
def test_the_kl_is_the_sampled_one(log_alpha: float) -> None:
    theta = torch.tensor([0.8])
    got = further.kl_divergence(theta, theta.square().log() + log_alpha).item()
    assert got == pytest.approx(sampled_kl(log_alpha), abs=0.012)


def test_noise_on_outputs_is_noise_on_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    x, theta = torch.randn(3, 5, generator=generator), torch.randn(2, 5, generator=generator)
    log_sigma2 = torch.randn(2, 5, generator=generator)
    n = 60_000
    weights = theta + (0.5 * log_sigma2).exp() * torch.randn(n, 2, 5, generator=generator)
    drawn = torch.einsum("bi,noi->nbo", x, weights)
    many = x.repeat(n, 1)
    direct = further.noisy_output(
        F.linear, many, theta, log_sigma2, lambda m: torch.randn(m.shape, generator=generator)
    ).view(n, 3, 2)
    torch.testing.assert_close(direct.mean(0), drawn.mean(0), rtol=0.05, atol=0.05)
    torch.testing.assert_close(direct.var(0), drawn.var(0), rtol=0.05, atol=0.0)


def test_weights_that_do_not_help_become_noise() -> None:
    """A regression on 2 of 12 inputs: log α > 3 for the others, and only for them."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(600, 12, generator=generator)
    theta = torch.full((1, 12), 0.3, requires_grad=True)
    log_sigma2 = torch.full((1, 12), -4.0, requires_grad=True)
    optimizer = torch.optim.Adam([theta, log_sigma2], lr=0.02)
    for _ in range(2000):
        noise = torch.randn(600, 1, generator=generator)
        out = further.noisy_output(F.linear, x, theta, log_sigma2, lambda m, e=noise: e)
        fit = 0.5 * (out[:, 0] - 2 * x[:, 0] + x[:, 5]).square().mean()
        loss = fit + further.kl_divergence(theta, log_sigma2) / 600
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    log_alpha = (log_sigma2 - theta.square().clamp(min=1e-8).log())[0]
    assert ((log_alpha < 3).nonzero().flatten()).tolist() == [0, 5]


def test_a_noisy_copy_computes_the_same_in_evaluation_mode() -> None:
    model = ResNet20(2).eval()
    noisy = variational.make_noisy(model, further.noisy_output)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(noisy(x), model(x))
    assert not noisy.training
    noisy.train()
    assert not torch.equal(noisy(x), noisy(x))
    assert list(variational.log_sigma2s(noisy)) == list(prunable(model))


def noisy_training(checkpoint=None, after_epoch=None):
    """Two epochs on a few images: loss and KL of each, and the log α of the last layer."""
    noisy = variational.make_noisy(ResNet20(2), further.noisy_output)
    history = variational.train(
        noisy, subset("train")[:256], 2, kl=further.kl_divergence, loss=further.variational_loss,
        checkpoint=checkpoint, after_epoch=after_epoch,
    )  # fmt: skip
    told = [(row["epoch"], row["loss"], row["kl"]) for row in history]
    return told, variational.log_alphas(noisy)["fc.weight"]


def test_training_moves_means_and_variances_and_repeats_itself() -> None:
    (told, alphas), (again, same) = noisy_training(), noisy_training()
    assert told == again
    assert torch.equal(alphas, same)
    assert [epoch for epoch, _, _ in told] == [1, 2]
    assert all(math.isfinite(loss) and kl > 0 for _, loss, kl in told)
    start = variational.make_noisy(ResNet20(2), further.noisy_output)
    assert not torch.equal(variational.log_alphas(start)["fc.weight"], alphas)


def test_a_killed_noisy_training_ends_as_an_uninterrupted_one(tmp_path) -> None:
    path, seen = tmp_path / "run" / "noisy.pt", []

    def killed(epoch: int) -> None:
        seen.append(epoch)
        if seen == [1, 2]:
            raise KeyboardInterrupt

    whole = noisy_training()
    with pytest.raises(KeyboardInterrupt):
        noisy_training(path, killed)
    told, alphas = noisy_training(path, killed)
    assert seen == [1, 2, 2]
    assert told == whole[0]
    assert torch.equal(alphas, whole[1])
    assert noisy_training(path)[0] == whole[0]  # nothing is left to do


# --- AMC ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def layers() -> list[amc.Layer]:
    model = ResNet20(16)
    return amc.layers_of(model, free_convs(model))


def test_a_choice_saves_the_macs_that_it_says(layers: list[amc.Layer]) -> None:
    model = ResNet20(16)
    before = counters.macs(model)
    choice = amc.random_choice(layers, 0.4 * before, 0.75, torch.Generator().manual_seed(3))
    seen = []
    further.amc_reward(
        model, choice, lambda network: float(seen.append(counters.macs(network)) or 1)
    )
    assert before - seen[0] == amc.saved(layers, choice)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_all_searches_meet_the_budget_closely(layers: list[amc.Layer], share: float) -> None:
    target = share * sum(layer.macs for layer in layers)
    slack = max(layer.macs / layer.filters for layer in layers)  # one filter
    found = amc.random_search(layers, lambda choice: 0.0, target=target, episodes=40)
    for choice in [amc.uniform(layers, target), *(episode.choice for episode in found)]:
        assert target <= amc.saved(layers, choice) + 1e-6 <= target + slack
        assert all(0 <= s <= 0.75 for s in choice.values())
    agent = amc.search(
        layers, lambda choice: 0.0, further.bounded_sparsity, target=target, episodes=8,
        progress=False,
    )  # fmt: skip
    for episode in agent:
        assert target <= amc.saved(layers, episode.choice) + 1e-6 <= target + slack


def test_the_agent_beats_random_search_where_there_is_something_to_learn(
    layers: list[amc.Layer],
) -> None:
    """A reward whose best choice is known: the layers differ in what a pruned filter costs."""
    target = 0.4 * sum(layer.macs for layer in layers)
    costs = {layer.name: (8.0 if i % 3 == 0 else 1.0) for i, layer in enumerate(layers)}

    def reward(choice: amc.Choice) -> float:
        return -sum(costs[name] * s**2 for name, s in choice.items()) / 20

    budget = {"target": target, "episodes": 120}
    agents = [
        amc.search(
            layers,
            reward,
            further.bounded_sparsity,
            agent=amc.Agent(seed),
            progress=False,
            **budget,
        )
        for seed in range(2)
    ]
    randoms = [amc.random_search(layers, reward, seed=seed, **budget) for seed in range(2)]
    agent, control = (sum(amc.best(h).reward for h in hs) / 2 for hs in (agents, randoms))
    assert agent > control > reward(amc.uniform(layers, target)) - 0.05, (agent, control)
    for history in agents:  # and not by luck: its choices get better
        rewards = [episode.reward for episode in history]
        assert sum(rewards[-30:]) > sum(rewards[:30])


# --- four criteria together ---------------------------------------------------------------------


def test_the_recorded_scores_are_those_of_the_exercises() -> None:
    model, four = checkpoints.trained(16), combination.four_criteria()
    flow = further.synflow_scores(model, (3, 32, 32))
    assert list(flow) == list(four["SynFlow"]) == list(four["OBD"])
    for name, scores in flow.items():  # as float16 of the logarithm
        torch.testing.assert_close(four["SynFlow"][name], scores.float(), rtol=0.02, atol=0.0)
    weight = four["magnitude"]["conv1.weight"]
    assert torch.equal(weight, prunable(model)["conv1.weight"].detach().abs())


def test_a_choice_keeps_the_weights_it_names() -> None:
    keep = global_masks(combination.four_criteria()["magnitude"], combination.SPARSITY)
    found = masks.from_weights(combination.pruned(keep))
    assert all(not (found[name] & ~mask).any() for name, mask in keep.items())
    assert counters.sparsity(combination.pruned(keep)) == pytest.approx(0.8, abs=1e-5)


def test_what_the_lab_says_of_known_combinations_is_in_the_record() -> None:
    """Two criteria are near guessing; four ranks do harm, two help; one answer has the bonus."""
    record = json.loads((checkpoints.ASSETS / "further-combined.json").read_text())["accuracies"]
    mean = {name: 100 * sum(row) / len(row) for name, row in record.items()}
    best = max(mean[name] for name in combination.four_criteria())
    assert best == mean["magnitude"]
    assert max(mean["OBD"], mean["SynFlow"]) < 15
    assert mean["sum of four ranks"] < best - 3
    both = ("magnitude", "sum of two ranks: magnitude, Variational Dropout")
    assert all(two - one > 0.03 for one, two in zip(*(record[n] for n in both), strict=True))
    above = [name for name, accuracy in mean.items() if accuracy > best + 15]
    assert above == ["magnitude / √(its root mean square in the layer)"]
