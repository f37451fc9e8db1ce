# %% [markdown]
# # Lab 6 · Further
#
# **Four ideas from beyond the recipes: curvature, flow, noise, and an agent that chooses**
#
# So far the criterion was a guess, gradients needed data, you chose the sparsity by hand, and one
# number served all layers. Four papers question one of these each.
#
# | part | the question | exercises | minutes | points |
# |---|---|---|---|---|
# | Curvature | Can the damage be *computed* beforehand? | 1, 2 | 40 | 9 |
# | Flow | Can one prune before training, *without data*? | 3, 4 | 45 | 11 |
# | Noise | Can training itself find out *which* weights it needs? | 5, 6, 7 | 35 | 8 |
# | Choice | Who decides how much each *layer* loses? | 8, 9 | 40 | 9 |
# | All together | Which criterion should answer which question? | 10 | 20 | 4 |

# %%
from importlib.util import find_spec

if not (find_spec("pruninglab") and find_spec("pruninglab.labs.further")):
    raise ModuleNotFoundError("%pip install FOLDER, the unpacked zip that this lab came in")

from IPython.display import Image

from pruninglab.checkpoints import ASSETS

Image(
    str(ASSETS / "opening-further.png"),
    width=900,
    alt="Four drawings: a steep and a flat loss around two equal weights, flow through a network "
    "with a dead end, a sure and a noisy weight, and a different density for each layer",
)

# %% [markdown]
# The papers are [Optimal Brain
# Damage](https://proceedings.neurips.cc/paper/1989/hash/6c9882bbac1c7093bd25041881277658-Abstract.html)
# (LeCun et al. 1989), [SynFlow](https://arxiv.org/abs/2006.05467) (Tanaka et al. 2020),
# [Variational Dropout](https://arxiv.org/abs/1701.05369) (Molchanov et al. 2017) and
# [AMC](https://arxiv.org/abs/1802.03494) (He et al. 2018). Of the lecture's three questions this
# lab asks the second: how to tell **which** parts to remove.
#
# Start where you like: the first four parts do not build on each other. Where a whole run would
# take too long for a lesson, you run its first steps and then open a record of the rest.

# %%
import copy
import json
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import torch
from pruninglab.labs.further import check
from pruninglab.labs.further.toolbox import (
    empty_layers,
    filter_mask,
    free_convs,
    global_masks,
    remove_filters,
)
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab import amc, checkpoints, counters, data, masks, plots, training, variational
from pruninglab.checks import combination
from pruninglab.models import ResNet20, prunable
from pruninglab.sliders import slider

torch.set_num_threads(1)  # enough for a small network; and the results do not depend on it
model = checkpoints.trained(16)  # ResNet-20, trained on CIFAR-10
train, val, test = data.subset("train"), data.subset("val"), data.subset("test")[:1000]
weights = {name: w.detach() for name, w in prunable(model).items()}
print(f"{counters.prunable_weights(model):,} prunable weights in {len(weights)} layers")

# %%
from pruninglab.glossary import glossary

glossary()

# %% [markdown]
# ## Part 1 · Curvature
#
# You stand at the bottom of a valley: the loss of a trained network. Setting a weight to zero is
# a walk along one axis. How far you climb depends on how long the walk is, and on how steep the
# valley's wall is. Magnitude looks at the length of the walk alone.
#
# ### Exercise 1 · How sharply does the loss bend?  (20 minutes, 4 points)
#
# ★★★ · You will compute how sharply a loss bends along each weight.
#
# The wall's steepness along weight k is the second derivative h_kk. Differentiating 270,000 times
# twice is out of the question, but for the cross-entropy of a ReLU network there is a short cut
# that is *exact*: the mean of squared per-example gradients, taken for labels that the network
# itself would give. Write `hessian_diagonal`.
#
# By hand first: `logits = w·x` with two classes, w = 0 and x = 2. What is p, and the gradient of
# log p_1 with respect to w_1? Square it, do the same for log p_2, and take the mean.
#
# <details><summary>Hint 1</summary>
#
# Three loops: over the inputs (`one[None]` is a batch of one), over the classes, over the weights.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.autograd.grad(log_p, list(weights.values()), retain_graph=True)` gives the gradients and
# leaves `.grad` alone. The graph is kept because the next class needs it.
#
# </details>

# %% exercise="hessian_diagonal"

# %% check="hessian_diagonal" points=4

# %% [markdown]
# <details><summary>Go further</summary>
#
# Hutchinson's estimator needs no loop over classes: the mean of z·(Hz) for random signs z is the
# diagonal. How many z give a correlation of 0.9?
#
# </details>
#
# ### Exercise 2 · The price of a weight  (5 minutes, 2 points)
#
# ★☆☆ · You will turn a curvature into a price.
#
# A parabola, then: write `obd_scores`.
#
# <details><summary>Hint</summary>
#
# Taylor: L(w + δ) ≈ L(w) + g·δ + ½·h·δ². At the minimum g = 0, and pruning means δ = -w.
#
# </details>

# %% exercise="obd_scores"

# %% check="obd_scores" points=2

# %% [markdown]
# <details><summary>Go further</summary>
#
# Combine rankings: add each weight's rank by OBD to its rank by magnitude. Is the sum better than
# both at 70 %?
#
# </details>
#
# Now the real network, with the curvature of 48 held-out images (ten gradients each). On its own
# training images it is so confident that the curvature almost vanishes.

# %%
images = val[:48]
x, y = data.normalise(images.pixels), images.labels
diagonal = hessian_diagonal(model, x)
scores = obd_scores(weights, diagonal)

# %% [markdown]
# **Play:** take one weight, and walk with it from its value w (the right end) to 0, where it is
# pruned. The slider goes from the 10,000th most expensive weight to the most expensive one: blue is
# the parabola of your curvature, orange the loss as it really is. For which weights does the
# parabola fail, and what does it not know?

# %%
ranking = torch.cat([s.flatten() for s in scores.values()]).argsort(descending=True)


@torch.no_grad()
def walk(rank: int) -> plt.Figure:
    """The loss on the 48 images while one weight goes to zero, and what its curvature says."""
    place = int(ranking[rank - 1])
    for name in scores:
        if place < scores[name].numel():
            break
        place -= scores[name].numel()
    twin, shares = copy.deepcopy(model), torch.linspace(0, 1, 6)
    flat, value = twin.get_parameter(name).data.view(-1), weights[name].flatten()[place]
    losses = []
    for share in shares:
        flat[place] = share * value
        losses.append(F.cross_entropy(twin(x), y).item())
    figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
    start, bend = losses[-1], diagonal[name].flatten()[place]
    axes.plot(shares, start + bend * (value * (shares - 1)) ** 2 / 2, "o-", label="predicted")
    axes.plot(shares, losses, "s-", color=plots.ORANGE, label="measured")
    axes.set(title=f"{name}, number {rank}", xlabel="weight / trained weight", ylabel="loss")
    axes.legend(frameon=False)
    return figure


slider(walk, [10_000, 1_000, 100, 10, 1], start=1, label="weight no.")

# %% [markdown]
# The most expensive weights follow their parabola for a while. The loss of the cheaper ones is a
# straight slope, and OBD assumes that there is none! That is true at a minimum, and the network is
# at one (if at all) for *all* training images, shifted and mirrored, with weight decay, and not for
# these 48. But a slope goes up as often as down, so over many weights it cancels, while curvatures
# are never negative: they add up. Can the *sum* of the prices be trusted, then?
#
# **Predict (2 minutes):** prune 20, 30, ... 60 % of the weights, those with the lowest saliency.
# The sum of the saliencies *predicts* by how much the loss rises. How many times as large is the
# rise that you will measure at 40 %?

# %%
my_factor = None  # measured rise / predicted rise at 40 %, e.g. 1


# %%
def loss_after(keep: dict[str, Tensor]) -> float:
    """The cross-entropy on 500 other held-out images after pruning."""
    pruned = copy.deepcopy(model)
    masks.apply(pruned, keep)
    return F.cross_entropy(training.predict(pruned, val[-500:]), val[-500:].labels).item()


def with_products(keep: dict[str, Tensor]) -> float:
    """The whole parabola, ½·Σ h_jk·w_j·w_k over all *pairs* of pruned weights, on the 48 images.

    No matrix is needed. With u the change of the logits along the walk (a directional derivative),
    the sum is the mean over the images of the variance of u under the network's own p.
    """
    step = {name: -w * ~keep[name] for name, w in weights.items()}

    def logits_of(*w: Tensor) -> Tensor:
        return torch.func.functional_call(model, dict(zip(weights, w, strict=True)), (x,))

    logits, u = torch.autograd.functional.jvp(logits_of, (*weights.values(),), (*step.values(),))
    p = logits.softmax(dim=1)
    variance = (p * u.square()).sum(dim=1) - (p * u).sum(dim=1).square()
    return 0.5 * variance.mean().item()


sparsities = [0.2, 0.3, 0.4, 0.5, 0.6]
keeps = [global_masks(scores, s) for s in sparsities]
dense = loss_after({})
measured = [loss_after(keep) - dense for keep in keeps]
predicted = [sum(float(scores[n][~m].sum()) for n, m in keep.items()) for keep in keeps]
paired = [with_products(keep) for keep in keeps]

# %%
_, axes = plt.subplots(figsize=(6, 3.4))
axes.semilogy(sparsities, predicted, "o-", color=plots.BLUE, label="predicted: sum of saliencies")
axes.semilogy(sparsities, paired, "^-", color=plots.SKY, label="predicted: with all products")
axes.semilogy(sparsities, measured, "s-", color=plots.ORANGE, label="measured, 500 images")
if my_factor is not None:
    axes.plot(0.4, my_factor * predicted[2], "*", color=plots.PINK, ms=14, label="you")
axes.set(xlabel="sparsity", ylabel="rise of the loss")
axes.legend(frameon=False)
plt.show()
print("sparsity   measured / sum of saliencies   measured / parabola with all products")
for s, rise, alone, together in zip(sparsities, measured, predicted, paired, strict=True):
    print(f"{s:8.0%}   {rise / alone:28.1f}   {rise / together:37.1f}")

# %% [markdown]
# The sum of the prices is too low at every sparsity, by the factor in the middle column. Two
# assumptions break: that weights do not act on each other, and that the walk is short enough for a
# parabola. The third line separates them. It is the same parabola *with* the products of different
# weights, and it is far above the sum: the products that OBD leaves out are worth more than the
# terms that it keeps. What is missing even then (last column) is the second assumption: so many
# weights at once are a long walk, and the longer it gets, the less a parabola knows about it.
#
# A price can be wrong and still put the weights in a good *order*. Does it make a better network?
# Here is OBD against magnitude, both without any retraining, with random as the control.

# %%
magnitudes = {name: w.abs() for name, w in weights.items()}
dice = torch.Generator().manual_seed(0)
noise = {name: torch.rand(w.shape, generator=dice) for name, w in weights.items()}
rankings = {"OBD": scores, "magnitude": magnitudes, "random": noise}
whole = training.accuracy(model, test)
curves = {label: {0.0: whole} for label in rankings}
for label, ranking in rankings.items():
    for s in (0.2, 0.4, 0.6, 0.7, 0.8):
        pruned = copy.deepcopy(model)
        masks.apply(pruned, global_masks(ranking, s))
        curves[label][s] = training.accuracy(pruned, test)
plots.accuracy_against_sparsity(curves, len(test), "one-shot, global, no retraining")
plt.show()

# %% [markdown]
# Not here: magnitude wins, and from 60 % on clearly. OBD was made for something else: a few weights
# at a time, retraining in between, a curvature from all the training images. Here 48 images judge
# 270,000 weights, and a weight that these images do not need looks free. Magnitude knows no image
# and cannot be fooled by one. (Take `val[:200]`, if you have a minute or two: does it help?)
#
# **Question (5 minutes, 3 points).** OBD's authors neglect the products h_jk·w_j·w_k of *different*
# weights, and so do you. (a) Give a situation in which two weights have a tiny saliency each, but
# removing both is a disaster. (b) OBD was published with repeated rounds of pruning and
# retraining. Which of its assumptions does the retraining restore?

# %% [markdown] answer="why_obd_in_rounds" points=3
# (a) Two weights that do the same job, for example two equal filters whose outputs the next layer
# adds up: remove one, and the other still carries half of the signal, so the loss hardly rises.
# Remove both, and it is gone. (Two that cancel each other are the opposite: each is expensive
# alone, removing both costs nothing.) (b) That the network is at a minimum: after pruning, the
# gradient is not zero any more, and the first-order term, which the saliency leaves out, counts.
#
# **Marking guide.** 2 points for (a): any pair in which one can stand in for the other (1 point
# for "correlated weights" without an example). 1 point for (b): a gradient of zero. "The accuracy
# recovers" alone is no assumption of OBD: no point.

# %% [markdown]
# ## Part 2 · Flow
#
# A pruned network can be trained from scratch. So why train the dense one at all? Because you have
# to know what to prune. SynFlow does it before the first training step, and looks at no image.
#
# ### Exercise 3 · How much flows through a weight?  (15 minutes, 4 points)
#
# ★★☆ · You will score weights without any image.
#
# Think of water pipes: every weight a pipe as wide as its magnitude, ones poured into the input,
# R collected at the end. What flows through a pipe is |θ|·∂R/∂|θ|. Write `synflow_scores`.
#
# <details><summary>Hint 1</summary>
#
# `copy.deepcopy(model).double().eval()` is a network that you may do anything to.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `parameter.data.abs_()` for all `twin.parameters()`, one forward pass, `.sum()`, gradients.
#
# </details>

# %% exercise="synflow_scores"

# %% check="synflow_scores" points=4

# %% [markdown]
# <details><summary>Go further</summary>
#
# Leave out `double()`. At which depth of a plain network do the scores overflow or vanish?
#
# </details>
#
# Water is not lost: what flows through one layer flows through the next. In a ResNet the stream
# divides, but at the stem and at the classifier all of it passes, and within a block the same
# amount passes conv1 and conv2.

# %%
fresh = ResNet20(16, seed=0)  # not trained
flow = {n: float(s.sum()) for n, s in synflow_scores(fresh, (3, 32, 32)).items()}
for pair in (
    ("conv1", "fc"),
    ("layer1.0.conv1", "layer1.0.conv2"),
    ("layer3.2.conv1", "layer3.2.conv2"),
):
    first, second = (flow[f"{name}.weight"] for name in pair)
    print(f"{pair[0]:<15}{first:.4e}   {pair[1]:<15}{second:.4e}   ratio {first / second:.6f}")

# %% [markdown]
# So a layer with few weights has a high score for each of them, and a layer with many has low
# ones. As a layer gets thinner, its scores *rise*. That is the trick, and it needs rounds.
#
# ### Exercise 4 · Many small rounds  (15 minutes, 4 points)
#
# ★★☆ · You will prune in rounds, so that no layer dies.
#
# Write `synflow_masks`. The function works with any score, so that you can try others.
#
# By hand: 1,000 weights, density 0.001, three rounds. How many are left after each?
#
# <details><summary>Hint 1</summary>
#
# In round k: score the copy, `global_masks(scores, 1 - density ** (k / rounds))`, set the pruned
# weights of the copy to zero.
#
# </details>
# <details><summary>Hint 2</summary>
#
# To keep pruned weights pruned, give them the score `-torch.inf` before you rank: `masked_fill`.
#
# </details>

# %% exercise="synflow_masks"

# %% check="synflow_masks" points=4

# %% [markdown]
# <details><summary>Go further</summary>
#
# Use weight·gradient on one minibatch (SNIP) as the score, in one round and in thirty. Which
# layers die?
#
# </details>
#
# **Predict:** the untrained network, pruned to 1/10, 1/30, ... 1/1,000 of its weights by
# magnitude. At which compression does the first layer lose *all* of its weights, and which one is
# it: the stem, an early block, a late block, or the classifier?

# %%
my_layer, my_compression = None, None  # your prediction, e.g. "fc", 30


# %%
def through(network: nn.Module) -> dict[str, Tensor]:
    """The score: how much flows through each weight."""
    return synflow_scores(network, (3, 32, 32))


sizes = {name: w.detach().abs() for name, w in prunable(fresh).items()}
compressions = [3, 10, 30, 100, 300, 1000]
found = {
    "magnitude": [global_masks(sizes, 1 - 1 / c) for c in compressions],
    "SynFlow, 1 round": [synflow_masks(fresh, through, 1 / c, 1) for c in compressions],
    "SynFlow, 30 rounds": [synflow_masks(fresh, through, 1 / c, 30) for c in compressions],
}
for label, several in found.items():
    print(f"{label:<20}empty layers: {[len(empty_layers(keep)) for keep in several]}")

# %%
figure, panels = plt.subplots(1, 3, figsize=(11, 4.6), sharey=True, layout="constrained")
for ax, (label, several) in zip(panels, found.items(), strict=True):
    shares = [[float(m.float().mean()) or torch.nan for m in keep.values()] for keep in several]
    picture = ax.imshow(torch.tensor(shares).log10().T, vmin=-4, vmax=0, aspect="auto")
    ax.set(title=label, xlabel="weights before / after")
    ax.set_xticks(range(len(compressions)), compressions)
panels[0].set_yticks(range(22), [n.removesuffix(".weight") for n in sizes], fontsize=7)
figure.colorbar(picture, label="log10 of the density; white: layer is empty")
plt.show()
first = next(k for k, keep in enumerate(found["magnitude"]) if empty_layers(keep))
print(f"by magnitude, at {compressions[first]}:", *empty_layers(found["magnitude"][first]))
if my_layer is not None:
    print("you:", my_layer, "at", my_compression)

# %% [markdown]
# White is *layer collapse*. One ranking of magnitudes compares layers whose weights were drawn at
# different scales, so the layers with small ones die whole, and without the classifier the outputs
# are constant: no training can repair that. One round of SynFlow fails in another place: in a layer
# with many weights each carries little, and nobody scores the last survivors again. In thirty
# rounds they are scored again and again: the fewer are left, the more each is worth. (A shortcut
# may still lose all of its weights: the block beside it is a pipe as well.) **Play:** slide the
# compression up and watch which layers die first.


# %%
def left_per_layer(compression: int) -> plt.Figure:
    """The density of each layer; where a bar is missing, the layer is empty."""
    column = compressions.index(compression)
    bars = {
        label: {name: float(mask.float().mean()) for name, mask in several[column].items()}
        for label, several in found.items()
    }
    axes = plots.bars_per_layer(bars, f"density at 1/{compression}")
    axes.set(yscale="log", ylim=(1e-5, 1))
    axes.figure.set_layout_engine("constrained")
    return axes.figure


slider(left_per_layer, compressions, start=100, label="compression")

# %% [markdown]
# Does it matter? Train both for a moment, at 1/50 of the weights.

# %%
reached = {}
for label in ("magnitude", "SynFlow"):
    network = ResNet20(16, seed=0)
    few = (
        global_masks(sizes, 0.98)
        if label == "magnitude"
        else synflow_masks(fresh, through, 0.02, 30)
    )
    with masks.hold(network, few):
        recipe = training.Recipe(3, training.triangular(0.1), batch_size=64)
        training.train(network, train[:2000], recipe, progress=False)
    reached[label] = training.accuracy(network, test)

# %%
_, axes = plt.subplots(figsize=(6, 1.6))
axes.barh(list(reached), [100 * a for a in reached.values()], color=[plots.ORANGE, plots.BLUE])
axes.axvline(10, color=plots.GREY, linestyle=":")
axes.set(xlabel="accuracy after 3 epochs on 2,000 images (%); dotted: guessing", xlim=(0, 60))
plt.show()

# %% [markdown]
# **Question (5 minutes, 3 points).** A friend says: "SynFlow sees no data, so it must be worse than
# pruning a trained network by magnitude." At a sparsity of 80 %, is your friend right? And at
# 99.9 %? Argue with what each of the two methods knows and what it protects.

# %% [markdown] answer="what_synflow_knows" points=3
# At 80 % most likely yes: the magnitudes of a trained network tell which weights the data needed,
# and no layer is in danger yet, so protecting the layers gains nothing. At 99.9 % it is the other
# way round: one global ranking of magnitudes empties whole layers, and then the accuracy is that of
# guessing, whatever the data said. SynFlow protects the flow: its scores rise as a layer gets
# thin. A fair comparison also counts the cost: SynFlow needs no training of the dense network.
#
# **Marking guide.** 1 point for 80 % with the reason (magnitude after training carries information
# about the data); 1 point for 99.9 % with layer collapse; 1 point for conservation, or scores that
# rise in thin layers. An answer that says that per-layer (local) magnitude avoids the collapse,
# too, is right and gets full marks.

# %% [markdown]
# ## Part 3 · Noise
#
# Shake a weight. If the network does not care, its value carries no information. Now let the
# network choose how hard each of its weights is shaken, and pay it for shaking hard. What it
# leaves quiet is what it needs. That is Variational Dropout: every weight becomes a normal
# distribution with mean θ and variance σ², and both are learnt. α = σ²/θ² is noise over signal.
#
# ### Exercise 5 · What certainty costs  (10 minutes, 3 points)
#
# ★★☆ · You will write down the price of certainty.
#
# The price is a **KL divergence**. For two distributions q and p it is the mean of log q(w) - log
# p(w) over draws of w from q: 0 if they are equal, larger the more q says that p did not know. With
# the natural logarithm its unit is the **nat** (1 nat = 1.44 bits). Here q is the weight's
# distribution. The **prior** p is **log-uniform**: all values of log |w| are equally likely, so a
# weight of 0.01 is as likely as one of 0.1 or 1, and no size is preferred. A weight with much noise
# knows little, and costs little. This KL has no closed form, but a fit with three constants is good
# to a hundredth of a nat. Write `kl_divergence`.
#
# <details><summary>Hint 1</summary>
#
# log α = log σ² - log θ². `theta.square().clamp(min=1e-8)` is never 0.
#
# </details>
# <details><summary>Hint 2</summary>
#
# log(1 + 1/α) = log(1 + exp(-log α)), and log(1 + e^x) has a name: softplus.
#
# </details>

# %% exercise="kl_divergence"

# %% check="kl_divergence" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Plot the derivative of your KL. Where does it push hardest, and why is log α clipped at 8?
#
# </details>
#
# Is the fit any good? The definition can be sampled: up to a constant, KL is the mean of
# log |w/θ| over draws of the weight, less ½·log α.

# %%
log_alphas = torch.linspace(-6, 6, 25)
z = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
means = torch.stack([(1 + (a / 2).exp() * z).abs().log().mean() for a in log_alphas])
sampled = means - log_alphas / 2 + 0.6352  # 0.6352: so that it goes to 0 for large α
fitted = [kl_divergence(torch.ones(1), a[None]).item() for a in log_alphas]
_, axes = plt.subplots(figsize=(6, 3))
axes.plot(log_alphas, fitted, color=plots.BLUE, label="your approximation")
axes.plot(log_alphas, sampled, ".", color=plots.ORANGE, label="200,000 samples")
axes.set(xlabel="log α: little noise to much", ylabel="KL of one weight (nats)")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ### Exercise 6 · Shake the outputs  (10 minutes, 3 points)
#
# ★★☆ · You will add noise to outputs instead of weights.
#
# Drawing 270,000 weights again for each image would be slow. But a sum of independent normal
# numbers is normal: draw the layer's *outputs*. Write `noisy_output`.
#
# <details><summary>Hint</summary>
#
# Two products: `layer(x, theta)` is the mean, and for the variance square what has to be squared.
#
# </details>

# %% exercise="noisy_output"

# %% check="noisy_output" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Compare the variance of the gradient with noise on weights and with noise on outputs, over 100
# draws.
#
# </details>
#
# ### Exercise 7 · The balance  (5 minutes, 2 points)
#
# ★☆☆ · You will balance data against a prior.
#
# Both forces in one number: `variational_loss`. What you divide by matters: with the wrong number
# the prior is a hundred times too strong, and all weights go.
#
# <details><summary>Hint</summary>
#
# `min(1.0, progress / warmup)` is the share of the KL that counts.
#
# </details>

# %% exercise="variational_loss"

# %% check="variational_loss" points=2

# %% [markdown]
# <details><summary>Go further</summary>
#
# Multiply the KL by 10 and by 1/10. How does the sparsity after your steps change?
#
# </details>
#
# All three together, on the trained network: a few steps, then look at what moved.
#
# **Predict (2 minutes):** the network has three stages. In which of them does the largest share of
# the weights become noise *by the end of the recorded run*, so that it can go?

# %%
my_noisiest_stage = None  # your prediction: 1, 2 or 3

# %%
noisy = variational.make_noisy(model, noisy_output, log_sigma2=-9.0)
before = variational.log_alphas(noisy)
variational.train(
    noisy, train[:1024], 1, kl=kl_divergence, loss=variational_loss, lr_sigma=0.15, batch_size=64,
    progress=False,
)  # fmt: skip
after = variational.log_alphas(noisy)


# %%
def one_list(values: dict[str, Tensor]) -> Tensor:
    """All weights of the network in one vector."""
    return torch.cat([v.float().flatten() for v in values.values()])


record = json.loads((checkpoints.ASSETS / "further-variational.json").read_text())
asset = torch.load(checkpoints.ASSETS / "further-variational.pt", weights_only=True)
stages = {"at the start": before, "after your steps": after, "record": asset["log_alpha"]}
_, axes = plt.subplots(figsize=(8, 3.2))
for (label, values), colour in zip(stages.items(), plots.COLOURS, strict=False):
    axes.hist(one_list(values).clamp(-8, 14), 120, histtype="step", color=colour, label=label)
axes.axvline(3, color=plots.GREY, linestyle=":")
axes.set(xlabel="log α (dotted: beyond 3 a weight is 95 % noise, and goes)", ylabel="weights")
axes.legend(frameon=False)
plt.show()
print(f"record: {record['recipe']['epochs']} epochs on the 4,000 embedded images")

# %% [markdown]
# At log α = 3 the noise has twenty times the variance that the weight has signal: such a weight
# can be set to zero. There is no sparsity to choose: the rule log α > 3 *finds* it, for each
# layer. (The narrow peaks on the right are the weights that were exactly zero already: nothing but
# noise from the start.)

# %%
keep = {name: a <= 3 for name, a in asset["log_alpha"].items()}
shares = {name: 1 - float(m.float().mean()) for name, m in keep.items()}
axes = plots.bars_per_layer({"sparsity found by log α > 3": shares}, "pruned share")
plots.percent_axis(axes)
plt.show()
moments = {"before": before, "after your steps": after, "in the record": asset["log_alpha"]}
for stage in (1, 2, 3):
    shares = {
        moment: one_list({n: a > 3 for n, a in values.items() if n.startswith(f"layer{stage}.")})
        for moment, values in moments.items()
    }
    listed = ", ".join(f"{share.mean():.1%} {moment}" for moment, share in shares.items())
    print(f"stage {stage}, weights that may go: {listed}")
if my_noisiest_stage is not None:
    print("you: stage", my_noisiest_stage)
for row in record["curve"]:
    print(f"epoch {row['epoch']}: sparsity {row['sparsity']:.0%}, held-out {row['accuracy']:.1%}")
learnt, control = record["test"], record["magnitude"]
print(f"at the end, sparsity {learnt['sparsity']:.1%}, on the 2,000 embedded test images:")
print(f"  Variational Dropout               {learnt['accuracy']:.1%}")
print(f"  magnitude, as many epochs after   {control['accuracy']:.1%}")

# %% [markdown]
# The last row is the control: magnitude pruning at the same sparsity, with as many epochs of
# training after it. It wins, and by far. [Gale et al. 2019](https://arxiv.org/abs/1902.09574)
# compared the two on large networks and long trainings, and found magnitude, well tuned, as good or
# better. Here the odds are worse: the network had three epochs to get used to the noise, and with
# 4,000 images the prior outweighs the data, so each epoch prunes more than the images would like.
# What is special is that nobody chose the sparsity of a layer. (When to stop was a choice, as the
# rows above show.)
#
# One trap on the way: batch normalisation has seen outputs *with* noise. Without measuring its
# statistics again (Lab 2), the network without noise would be worth little.

# %% [markdown]
# ## Part 4 · Choice
#
# Back to filters. Nine convolutions of the network may lose filters freely. Remove 40 % of all
# MACs: how much from which? AMC lets an agent try. It walks through the layers, sees for each one
# a state of 11 numbers (size, MACs, what is already removed, what is still to come, ...), answers
# with a sparsity, and gets a reward at the end: how good the pruned network is, *without*
# fine-tuning, on held-out training images. (The authors repair each pruned layer by least squares
# before they measure. Here nothing is repaired, so expect low accuracies.)
#
# ### Exercise 8 · The agent and the budget  (15 minutes, 3 points)
#
# ★★☆ · You will keep an agent within its budget.
#
# An agent that takes too little from the first layers cannot meet the budget in the last ones. So
# the budget speaks first. Write `bounded_sparsity`.
#
# By hand: four layers of 100 MACs each, 200 to remove, at most 75 % per layer. The agent answers
# 0 every time. What does each layer get?
#
# <details><summary>Hint 1</summary>
#
# What must go from this layer = target - what is removed already - the most that the later layers
# can give. It can be negative: then the agent is free.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `macs[t + 1:]` are the later layers, and `min(highest, max(wanted, ...))` does the rest.
#
# </details>

# %% exercise="bounded_sparsity"

# %% check="bounded_sparsity" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Change the budget from MACs to parameters. Which layers are hit now?
#
# </details>
#
# **Play:** an agent that always asks for the same sparsity, on the real network, with 40 % of all
# MACs to remove. Which layers does the budget hit when the agent asks for 0? What happens if it
# asks for more than is needed, and why is that bad for the search?

# %%
layers = amc.layers_of(model, free_convs(model))
target = 0.4 * counters.macs(model)


def stubborn(wanted: float) -> plt.Figure:
    """What each layer gets if the agent asks for `wanted` everywhere."""
    macs, chosen = [layer.macs for layer in layers], list[float]()
    for _ in layers:
        chosen.append(bounded_sparsity(wanted, macs, chosen, target, highest=0.75))
    gone = sum(m * s for m, s in zip(macs, chosen, strict=True)) / target
    bars = {
        f"{gone:.0%} of the target is removed": dict(zip(free_convs(model), chosen, strict=True))
    }
    axes = plots.bars_per_layer(bars, "sparsity")
    axes.set_ylim(0, 1)
    axes.figure.set_layout_engine("constrained")
    return axes.figure


slider(stubborn, [k / 10 for k in range(9)], start=0.2, label="asks for")

# %% [markdown]
# ### Exercise 9 · The reward  (10 minutes, 3 points)
#
# ★★☆ · You will score a choice by one number.
#
# Write `amc_reward`, with the tools of Lab 1: `filter_mask` and `remove_filters`.
#
# <details><summary>Hint 1</summary>
#
# `twin.get_submodule("layer1.0")` is a block; its `conv1`, `bn1` and `conv2` can be assigned.
#
# </details>

# %% exercise="amc_reward"

# %% check="amc_reward" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Recalibrate the batch normalisation before the accuracy is measured. Is the order of ten random
# choices the same?
#
# </details>
#
# **Predict:** the same budget, three ways to spend it: the same sparsity everywhere, the best of
# 120 random choices, the best of the agent's 120. How will their accuracies on the held-out
# training images rank?

# %%
my_ranking = None  # your prediction, best first, e.g. ["agent", "random", "uniform"]

# %%
held_out = val[:200]


def reward(choice: amc.Choice) -> float:
    """Minus the error of the network that this choice makes."""
    return amc_reward(model, choice, lambda network: training.accuracy(network, held_out))


even = amc.uniform(layers, target)
yours = amc.search(layers, reward, bounded_sparsity, target=target, episodes=12, progress=False)
chance = amc.random_search(layers, reward, target=target, episodes=12)
removed = [amc.saved(layers, e.choice) / target for e in chance]
print(f"random choices remove {min(removed):.2f} to {max(removed):.2f} of the target")

# %% [markdown]
# Twelve episodes are enough to see that all parts work, not to learn. Here is the record.

# %%
record = json.loads((checkpoints.ASSETS / "further-amc.json").read_text())
_, axes = plt.subplots(figsize=(8, 3.4))
for (label, runs), colour in zip(record["rewards"].items(), plots.COLOURS, strict=False):
    for run in runs:
        best = torch.tensor(run).cummax(0).values
        axes.plot(100 * (1 + best), color=colour, label=f"{label}: best so far")
        axes.plot(100 * (1 + torch.tensor(run)), ".", color=colour, markersize=3, alpha=0.4)
axes.axhline(100 * record["uniform"]["val"], color=plots.GREY, linestyle="--", label="uniform")
axes.set(xlabel="episode", ylabel="accuracy, held-out (%)")
handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
axes.legend(handles.values(), handles.keys(), frameon=False)
plt.show()

# %%
if my_ranking is not None:
    print("you:", " > ".join(my_ranking))
print(f"{'':<22}{'MACs left':>10}{'held-out':>10}{'test':>8}")
rows = {"dense": {"macs": 1.0, **record["dense"]}, "uniform": record["uniform"]}
for label, several in record["best"].items():
    rows |= {f"{label}, seed {seed}": row for seed, row in enumerate(several)}
for label, row in rows.items():
    print(f"{label:<22}{row['macs']:>10.1%}{row['val']:>10.1%}{row['test']:>8.1%}")

# %%
picks = {label: record["best"][label][0]["choice"] for label in record["best"]}
axes = plots.bars_per_layer({"uniform": record["uniform"]["choice"], **picks}, "sparsity")
plots.percent_axis(axes)
plt.show()

# %% [markdown]
# In this record the order is agent, random search, uniform, for both seeds, and on the test images,
# too, which played no part in the choice. Where does the advantage come from? Look at layer1.0 and
# layer2.2: both searches prune much there. In these layers training itself has emptied filters (Lab
# 1), which cost nothing, and one number for all layers cannot make use of that.
#
# Read the table with care, though. All choices remove the same MACs, up to a filter: the agent may
# not even remove more (in the paper it may), and the random ones are shifted until they fit. The
# best of many tries on a few hundred images looks better than it is. Two seeds are few. And after
# fine-tuning, which each of these networks needs, the order may be different.
#
# **Question (5 minutes, 3 points).** The reward is measured on training images that the network was
# not trained on, without fine-tuning. (a) What would go wrong if it were measured on test images?
# (b) And on images that the network *was* trained on? (c) Why not fine-tune before measuring?

# %% [markdown] answer="whose_images" points=3
# (a) The best of hundreds of choices would fit the test images by chance too: the reported
# accuracy would be too high, and there would be nothing left to find that out with. (b) The
# network knows those images by heart, so the reward would also count what it has memorised, and
# would rank choices by that. (c) Fine-tuning takes a thousand times longer than one evaluation,
# for hundreds of episodes; the accuracy before it is a good enough *order*, which is all that the
# search needs. (It is an assumption, and can be wrong: see batch-norm recalibration in Lab 2.)
#
# **Marking guide.** 1 point each. (a) needs selection, or optimism, not only "it is forbidden".
# (c) needs the cost *and* that a rank is enough; half a point for one of them, rounded up once.

# %% [markdown]
# ## Part 5 · All together
#
# ### Exercise 10 · The best of four criteria  (20 minutes, 4 points)
#
# ★★★ · You will decide which criterion to ask about what. There are many right answers.
#
# Four criteria have an opinion about each weight: its size, its price (OBD), the flow through it
# (SynFlow), and how little noise it bears (minus log α). Prune **80 %** of the weights, train
# nothing, and keep more accuracy than the best of the four does alone.
#
# Write `combine_criteria`. It counts if the network is at least **2 points** better than the best
# of the four. The check measures that on validation images, the grader on test images that you do
# not have (there 1.5 points are enough). The scores are a record of the functions that you wrote
# above, for the trained network.
#
# *Bonus, for honour and not for points:* **15 points**. One of the answers that we know reaches it.
#
# <details><summary>Hint 1</summary>
#
# The scores have different units, some over many powers of ten. What makes two of them comparable?
# (A rank, for instance: the place in the list.)
#
# </details>
# <details><summary>Hint 2</summary>
#
# Not every criterion should have a vote. How good is each one alone? The picture below says it.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Two questions hide in one ranking: *how many* weights does each layer keep, and *which* ones?
# Different criteria may answer them. Or stay half way between one ranking for the whole network and
# one for each layer.
#
# </details>

# %% exercise="combine_criteria"

# %% check="combine_criteria" points=4

# %% [markdown]
# <details><summary>Go further</summary>
#
# Let a search decide: give each criterion a weight, or each layer a sparsity, and improve them on
# *training* images. Then measure once on the test images. How much of the gain is left?
#
# </details>
#
# Where is yours among known answers? The record has each of them on three sets of 500 images.
# **Predict:** how much is the sum of all four *ranks* worth, in points above or below magnitude?

# %%
my_points = None  # your prediction, e.g. 5 or -5

# %%
record = json.loads((checkpoints.ASSETS / "further-combined.json").read_text())
rows = {name: [100 * a for a in runs] for name, runs in record["accuracies"].items()}
four = combination.four_criteria()
network = combination.pruned(combine_criteria(four, combination.SPARSITY))
rows["yours"] = [100 * training.accuracy(network, val[-500:])]

# %%
order = sorted(rows, key=lambda name: sum(rows[name]) / len(rows[name]))
alone = sum(rows["magnitude"]) / len(rows["magnitude"])
_, axes = plt.subplots(figsize=(9, 3.8), layout="constrained")
for row, name in enumerate(order):
    colour = plots.RED if name == "yours" else plots.GREY if name in four else plots.BLUE
    axes.plot(rows[name], len(rows[name]) * [row], "o", color=colour)
for place, label in ((alone + 2, "target"), (alone + 15, "bonus")):
    axes.axvline(place, color=plots.GREY, linestyle=":")
    axes.text(place + 0.5, len(order) - 0.4, label, color="black", fontsize=9, va="center")
if my_points is not None:
    row = order.index("sum of four ranks")
    axes.plot(alone + my_points, row, "*", markersize=14, color=plots.PINK)
axes.set_yticks(range(len(order)), order)
axes.set(xlabel="accuracy at 80 % sparsity, nothing trained (%); grey: alone", xlim=(0, 100))
axes.set(ylim=(-0.6, len(order) + 0.1), title="Four criteria, alone and together")
plt.show()

# %% [markdown]
# The sum of *all* ranks is worse than magnitude alone: two of the four are no better than guessing
# here, and a bad adviser with a full vote does harm. Two good ones together beat each of them. Most
# is gained where the questions are taken apart: magnitudes know which weights of a layer matter,
# and hardly how layers compare. The best known answer uses no second criterion at all: it divides
# each magnitude by the *root* of what is typical in its layer, and so ranks half globally, half
# locally.

# %% [markdown]
# ## What you can show
#
# One picture for parts 1 and 3: what the price, the size and the noise of a weight tell you.

# %%
curves["Variational Dropout, trained"] = {learnt["sparsity"]: learnt["accuracy"]}
curves["magnitude, trained as long"] = {control["sparsity"]: control["accuracy"]}
plots.accuracy_against_sparsity(curves, len(test), "ResNet-20 on CIFAR-10")
plt.show()

# %% [markdown]
# Four papers, four answers to "who decides": a Taylor series, a law of conservation, the training
# itself, an agent. Each of them is a few lines long, and each of them was checked here against
# something that does not depend on it: an exact Hessian, a sum that has to be conserved, a sampled
# divergence, a random search. Keep that habit for your project.

# %% [markdown]
# ## Hand in
#
# Save (Ctrl+S), then run this cell and click: it runs the saved notebook from top to bottom, says
# what would cost you points, and packs the file that you hand in. You can do so as often as you
# like.

# %%
from pruninglab.hand_in import hand_in

hand_in()
