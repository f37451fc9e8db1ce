# %% [markdown]
# # Lab 1 · Structures
#
# **What kind of part to remove, and how to spread the removal over the network**
#
# A camera watches a wildlife crossing. It has to tell deer, frogs, birds, cats, dogs and horses
# from cars and trucks, on a chip that leaves **512 KiB for the weights**. Your network, a
# ResNet-20 trained on CIFAR-10, has 272,474 parameters: more than 1,000 KiB in float32. About
# half of it has to go. Which half?
#
# Every pruning method answers three questions: what *structure* to remove (single weights or
# whole filters), by which *criterion*, and with which *method* around it (at once or in steps,
# with or without training). This lab is about the first. The criterion stays the simplest one:
# small weights go. There is no training: you will see how far one gets without it.
#
# | part | exercises | minutes | points |
# |---|---|---|---|
# | Single weights | 1 one layer · 2 the network · 3 layers that die · 4 accounting | 45 | 16 |
# | Whole filters | 5 choose · 6 silence · 7 remove · 8 what may be removed | 45 | 14 |
#
# How it works: write each function in place of the line that raises an error, then run the check
# under it. A check says what went in, what was expected, what came out and, if it knows your
# mistake, what to look at. Before each picture you are asked for a prediction. It brings no
# points, and it is how you learn: write it down *before* you run the cell.
#
# Words: **sparsity** is the pruned share of the prunable weights (those of convolutions and
# linear layers, never biases or batch normalisation), **density** is 1 - sparsity,
# **compression** is all parameters / those that remain. A **mask** is a bool tensor, True = keep.

# %%
import copy
import io

import matplotlib.pyplot as plt
import torch
from probes import check
from torch import Tensor, nn

from pruninglab import checkpoints, counters, data, plots
from pruninglab.masks import apply, random_masks, to_torch
from pruninglab.models import ResNet20, prunable
from pruninglab.play import slider
from pruninglab.training import accuracy

model = checkpoints.trained(16)  # ResNet-20, trained on CIFAR-10
images = data.subset("test")[:1000]  # real test images, 100 of each class
print(f"{counters.parameters(model):,} parameters")
print(f"{counters.prunable_weights(model):,} prunable weights in {len(prunable(model))} layers")

# %% [markdown]
# All accuracies below are measured on these 1,000 test images, so read them with their 95 %
# confidence interval: about ±2 points around 90 %, ±3 points around 50 %. The shaded bands in the
# plots show it.

# %% [markdown]
# ## Exercise 1 · The small weights of one layer  (10 minutes, 3 points)
#
# A weight close to zero changes the output little, so the smallest *magnitudes* go first. Write
# `magnitude_mask`. The number of pruned weights has to be exact: a network that is a little less
# sparse than its label makes every comparison unfair.
#
# Prune this by hand at sparsity 0.5 before you start: `[[0.5, -4, 0.1, 2], [-0.3, 1, -3, 0.2]]`.
#
# <details><summary>Hint 1</summary>
#
# Flatten the weight, find the *positions* of those that go, set them to False in a mask that is
# True everywhere else, give the mask its shape back.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `argsort` and `topk(...).indices` give positions, so ties cannot spoil the count. A threshold
# (`weight.abs() > t`) can.
#
# </details>

# %% exercise="magnitude_mask"

# %% check="magnitude_mask" points=3

# %% [markdown]
# **Predict:** here come the weights of one layer of the trained network. At sparsity 0.5, at
# which magnitude will the threshold lie, as a share of the layer's largest magnitude? Write a
# number between 0 and 1.

# %%
my_threshold = None  # your prediction, e.g. 0.5

# %%
weight = model.layer2[1].conv2.weight.detach()
keep = magnitude_mask(weight, sparsity=0.5)
threshold = weight[~keep].abs().max()
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
left.hist([weight[keep], weight[~keep]], 60, stacked=True, color=[plots.BLUE, plots.GREY])
left.set(title="weights of layer2.1.conv2: blue stay, grey go", xlabel="weight", ylabel="count")
if my_threshold is not None:
    for sign in (-1, 1):
        left.axvline(sign * my_threshold * weight.abs().max(), color=plots.ORANGE)
plots.show_tensor(right, keep, "the mask: one row per filter, blue stays")
plt.show()
print(f"the threshold lies at {threshold / weight.abs().max():.2f} of the largest magnitude")

# %% [markdown]
# Most weights of a trained layer lie close to zero, so half of them go below a small threshold. No
# row of the mask is empty, so no filter has disappeared: keep that in mind for Exercise 4. Mostly
# it looks like noise. (The white stripes are the kernels that read filters which training itself
# has switched off. Those weights are exactly zero, the peak in the middle of the histogram. The end
# of this lab comes back to them.)

# %% [markdown]
# ## Exercise 2 · The whole network: local or global?  (15 minutes, 5 points)
#
# How should a sparsity of 80 % be spread over 22 layers? **Local** takes 80 % of each. **Global**
# puts all weights in one ranking and takes 80 % of the network, wherever the lowest are.
#
# Both functions work on *scores* instead of weights, so that the next lab can bring other
# criteria: a dict from parameter name to a tensor, where a higher score is more worth keeping. A
# score may be negative.
#
# <details><summary>Hint 1 (local)</summary>
#
# It is Exercise 1 in a loop, but without magnitudes: a score of -5 is low.
#
# </details>
# <details><summary>Hint 1 (global)</summary>
#
# `torch.cat` all flattened scores to one long vector. Decide there. Then cut the long mask into
# pieces again.
#
# </details>
# <details><summary>Hint 2 (global)</summary>
#
# `long_mask.split([sizes])` cuts. And one long vector is a network with one layer: `local_masks`
# can do the deciding.
#
# </details>

# %% exercise="local_masks"

# %% check="local_masks" points=2

# %% exercise="global_masks"

# %% check="global_masks" points=3

# %% [markdown]
# **Predict:** global pruning at 80 %. Which layer keeps the *least* of its weights, which the
# most? Is it the stem `conv1`, an early block, a late block, a 1x1 shortcut (`downsample`) or the
# classifier `fc`?

# %%
least, most = None, None  # your prediction, e.g. "conv1", "fc"

# %%
scores = {name: weight.detach().abs() for name, weight in prunable(model).items()}


def densities(masks: dict[str, Tensor]) -> dict[str, float]:
    """Kept share of each layer."""
    return {name: mask.float().mean().item() for name, mask in masks.items()}


local, everywhere = (densities(f(scores, 0.8)) for f in (local_masks, global_masks))
axes = plots.bars_per_layer({"local": local, "global": everywhere}, "density at sparsity 80 %")
plots.percent_axis(axes)
plt.show()
print(f"least: {min(everywhere, key=everywhere.get)} (you: {least})")
print(f"most: {max(everywhere, key=everywhere.get)} (you: {most})")

# %% [markdown]
# All layers lost the same share under local pruning. Under global pruning the last stage lost more
# than the first on average: each of its filters adds up hundreds of weights, so each weight can be
# small. (The emptiest layers are those of `layer2.2`, and `layer1.0` is low, too: training has
# switched filters off there.) The stem, the 1x1 shortcuts and the classifier have few weights,
# which are large.
#
# Now the accuracy. Each of the next cells evaluates seven pruned networks on 1,000 images: about
# ten seconds.
#
# **Predict** before you run them: up to which sparsity does *global* pruning lose less than 5
# points?

# %%
my_limit = None  # your prediction, e.g. 0.3

# %%
sparsities = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
dense_accuracy = accuracy(model, images)
curves = {}


def masked(masks: dict[str, Tensor]) -> nn.Module:
    """A copy of the network with the pruned weights set to zero."""
    pruned = copy.deepcopy(model)
    apply(pruned, masks)
    return pruned


curves["local"] = {0.0: dense_accuracy} | {
    s: accuracy(masked(local_masks(scores, s)), images) for s in sparsities
}

# %%
curves["global"] = {0.0: dense_accuracy} | {
    s: accuracy(masked(global_masks(scores, s)), images) for s in sparsities
}

# %%
chance = torch.Generator().manual_seed(0)
curves["random weights"] = {0.0: dense_accuracy} | {
    s: accuracy(masked(random_masks(model, s, chance)), images) for s in sparsities
}

# %%
axes = plots.accuracy_against_sparsity(curves, len(images), "Single weights, without retraining")
if my_limit is not None:
    expected = 100 * dense_accuracy - 5
    axes.plot(100 * my_limit, expected, "*", markersize=15, color=plots.RED, label="you")
plt.show()

# %% [markdown]
# Was the limit higher than you thought? A surprising share of a trained network can go at no
# cost. The random control tells how much the criterion is worth: take 20 % of the
# weights by chance, and the network is ruined.
#
# **Play:** here is all of it under one slider. Where does the first layer of *global* pruning run
# dry, and what does *local* pruning do to the stem and the shortcuts meanwhile?


# %%
def both_ways(sparsity: float) -> plt.Figure:
    """Density of each layer, local and global, and the share of 200 images that is right."""
    bars = {}
    for name, spread in {"local": local_masks, "global": global_masks}.items():
        masks = spread(scores, sparsity)
        bars[f"{name}: {accuracy(masked(masks), images[:200]):.0%} right"] = densities(masks)
    axes = plots.bars_per_layer(bars, f"density at sparsity {100 * sparsity:.0f} %")
    axes.set_ylim(0, 1)
    plots.percent_axis(axes)
    return axes.figure


slider(both_ways, [0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99], start=0.8)

# %% [markdown]
# ### Question A  (3 minutes, 2 points)
#
# Global pruning stays above local pruning for a while. Explain why, with the two pictures above.
# Then say what danger global pruning has at very high sparsities that local pruning has not.

# %% [markdown] answer="why_global" points=2
# **Model answer.** The layers are not equally redundant. Global pruning takes most from the wide,
# late layers, which hold most of the weights and have many small ones, and spares the small
# layers (stem, shortcuts, classifier), where local pruning has to take 80 % too, large weights
# among them. So at equal sparsity the weights that global pruning removes are smaller in total.
# But nothing limits what one layer loses: with a high enough threshold a layer whose weights are
# all small disappears completely and nothing gets through it (layer collapse). Local pruning
# always leaves each layer its share.
#
# **Marking guide.** 1 point: global takes unequally, more where weights are small or many (late
# layers), and spares sensitive or small layers; the reason must come from the pictures. 1 point:
# layer collapse, in these or other words. "Global is more flexible" alone: 0.

# %% [markdown]
# ## Exercise 3 · Layers that die  (4 minutes, 1 point)
#
# If a layer loses all its weights, no signal passes it: **layer collapse**. Write `empty_layers`,
# which finds such layers.
#
# <details><summary>Hint</summary>
#
# `mask.any()` is True if at least one entry is.
#
# </details>

# %% exercise="empty_layers"

# %% check="empty_layers" points=1

# %% [markdown]
# **Predict:** of 22 layers, how many are empty at a global sparsity of 99 %? Of 99.9 %?

# %%
for sparsity in (0.9, 0.99, 0.995, 0.999, 0.9995):
    empty = empty_layers(global_masks(scores, sparsity))
    print(f"sparsity {sparsity:.2%}: {len(empty)} empty layers {empty[:3]}")

# %% [markdown]
# The accuracy fell almost to guessing long before the first layer was empty: collapse is the end,
# not the beginning. (In a residual network the shortcut still carries the signal around an empty
# block. Networks without shortcuts are cut in two.) If a curve in a paper drops straight to 10 %,
# look for empty layers.

# %% [markdown]
# ## Exercise 4 · Accounting  (10 minutes, 3 points)
#
# "We prune 90 %": of what? Papers have meant the prunable weights, all parameters, the filters,
# the mean over layers. Write `account`, which gives the three numbers that this course uses, each
# with its own denominator.
#
# <details><summary>Hint 1</summary>
#
# Count three things first: the prunable weights, all parameters, the entries that are False.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `model.parameters()` has the biases and the γ and β of batch normalisation, `model.state_dict()`
# has running means and variances as well, which nobody trains.
#
# </details>

# %% exercise="account"

# %% check="account" points=3

# %% [markdown]
# **Predict:** at 90 % sparsity, is the compression 10, more, or less? And how many KiB does the
# masked network take on disk, if the dense one takes about 1,100?

# %%
my_kib = None  # your prediction


def kib(network: nn.Module) -> int:
    """Size of the checkpoint, to 10 KiB."""
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    return round(file.tell() / 10240) * 10


masks = global_masks(scores, 0.9)
print({name: round(number, 2) for name, number in account(model, masks).items()})
with_buffers = copy.deepcopy(model)
to_torch(with_buffers, masks)  # torch.nn.utils.prune: weight = weight_orig * weight_mask
networks = {"dense": model, "masked": masked(masks), "torch.nn.utils.prune": with_buffers}
for name, network in networks.items():
    print(f"{name:>20}: {kib(network):>5} KiB, {counters.macs(network):,} MACs")
print(f"{'you':>20}: {my_kib} KiB")

# %% [markdown]
# ### Question B  (3 minutes, 2 points)
#
# Nine of ten weights are gone, the compression is 9.5, and the file is as large as before, or
# larger. Why? And why would the masked network not run faster either? Name one thing that would
# make it smaller on disk, and one that would make it faster.

# %% [markdown] answer="why_not_smaller" points=2
# **Model answer.** A mask sets weights to zero, but a zero is a float32 like any other: the
# tensors keep their shapes, and so do the file and the multiplications. While
# `torch.nn.utils.prune` is active, the checkpoint holds the original weights (`weight_orig`)
# *and* the masks (`weight_mask`), so it is about twice as large. Compression is what one *could*
# reach. Smaller on disk: a sparse format (values and indices; the indices cost, too), or simply
# zip, since zeros compress well. Faster: remove whole filters, so that the tensors really shrink,
# or hardware and kernels that skip zeros (e.g. 2:4 sparsity).
#
# **Marking guide.** 1 point: dense tensors of the same shape, zeros are stored and multiplied. 1
# point: one valid remedy for each, size and speed (half a point for one alone; round up). Full
# marks do not need `weight_orig`.

# %% [markdown]
# ## Exercise 5 · Which filters?  (8 minutes, 2 points)
#
# So single weights do not make the network smaller on a normal chip. Whole **filters** do. A
# convolution's weight is `(out, in, kh, kw)`: `out` filters, each makes one channel of the
# feature map. Rank the filters by their L1 norm, the sum of their magnitudes (Li et al. 2016),
# and write `filter_mask`.
#
# <details><summary>Hint 1</summary>
#
# Sum over three dimensions; what stays has shape `(out,)`. Then it is Exercise 1 again.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `min(...)` takes care of the one filter that always stays.
#
# </details>

# %% exercise="filter_mask"

# %% check="filter_mask" points=2

# %%
block = model.layer1[1]
keep = filter_mask(block.conv1.weight, sparsity=0.5)
norms = block.conv1.weight.detach().abs().sum(dim=(1, 2, 3))
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 2.6), layout="constrained")
left.bar(range(16), norms, color=[plots.BLUE if k else plots.GREY for k in keep])
left.set(title="filters of layer1.1.conv1: grey go", xlabel="filter", ylabel="L1 norm")
weights_kept = keep[:, None, None, None].expand(block.conv1.weight.shape)
plots.show_tensor(right, weights_kept, "the same as a mask of weights: whole rows")
plt.show()

# %% [markdown]
# ## Exercise 6 · Silence them  (10 minutes, 2 points)
#
# Before filters are removed, they are silenced: their feature maps become zero, the shapes stay.
# Start with the obvious: set the weights of those filters to zero.
#
# **Predict:** a filter of zeros gives a feature map of zeros. Behind it come batch normalisation
# and ReLU. What do they make of it: zero everywhere, a constant, or noise?

# %%
x = data.normalise(images.pixels[2:3])  # (1, 3, 32, 32), a real test image


@torch.no_grad()
def feature_maps(block: nn.Module) -> Tensor:
    """What the first half of the second block makes of the image: (16, 32, 32)."""
    x_in = model.layer1[0](torch.relu(model.bn1(model.conv1(x))))
    return torch.relu(block.bn1(block.conv1(x_in)))[0]


def show_maps(block: nn.Module, title: str) -> None:
    """The image and its 16 feature maps; those of filters that are to go are marked."""
    figure, axes = plt.subplots(1, 17, figsize=(15, 1.3), layout="constrained")
    axes[0].imshow(images.pixels[2].permute(1, 2, 0))
    for ax, channel, stays in zip(axes[1:], feature_maps(block), keep, strict=True):
        ax.imshow(channel, cmap="gray", vmin=0, vmax=1.5)
        ax.set_title("" if stays else "goes", fontsize=8, color=plots.RED)
    for ax in axes:
        ax.set(xticks=[], yticks=[])
    figure.suptitle(title, fontsize=10)
    plt.show()


zero_weights = copy.deepcopy(block)
apply(zero_weights, {"conv1.weight": weights_kept})
show_maps(block, "dense")
show_maps(zero_weights, "the weights of half of the filters are zero")

# %% [markdown]
# Some of them still shine, evenly over the whole image: batch normalisation turns a zero into
# γ·(0 - mean)/std + β, a constant, and wherever that is positive ReLU lets it pass. The rest of
# the network has never seen such a constant. Write `silence_filters`, so that they are really
# silent.
#
# <details><summary>Hint 1</summary>
#
# Four tensors have one entry (or row) per filter: two of the convolution, one of which may be
# missing (`None`), and two of the batch normalisation.
#
# </details>
# <details><summary>Hint 2</summary>
#
# A parameter may not be changed in place while autograd watches: work under `torch.no_grad()` or
# on `parameter.data`. And `tensor[~keep]` is a copy when you read it, but not when you assign to
# it.
#
# </details>

# %% exercise="silence_filters"

# %% check="silence_filters" points=2

# %%
silent = copy.deepcopy(block)
silence_filters(silent.conv1, silent.bn1, keep)
show_maps(silent, "silenced")
print("loudest silenced map:", feature_maps(silent)[~keep].max().item())

# %% [markdown]
# ## Exercise 7 · Remove them  (18 minutes, 5 points)
#
# Nothing listens to a silent channel, so it can go. That takes three layers: the convolution
# loses filters, batch normalisation the channels behind them, and the *next* convolution the
# kernels that read them:
#
# ```
#   conv1 (out, in, kh, kw)      bn1 (out)                     conv2 (next, out, kh, kw)
#          ^^^ lose rows             ^^^ γ, β, mean, variance              ^^^ lose columns
# ```
#
# Write `remove_filters`. The check puts random numbers into all of batch normalisation, so that
# nothing can be forgotten, and compares the outputs.
#
# <details><summary>Hint 1</summary>
#
# `copy.deepcopy` of the three layers keeps stride, padding and all else. Then replace the tensors
# one by one.
#
# </details>
# <details><summary>Hint 2</summary>
#
# A parameter is replaced by a parameter, `conv1.weight = nn.Parameter(conv1.weight.data[keep])`,
# and the running statistics, which are buffers, by plain tensors. In `conv2` it is dimension 1.
#
# </details>
# <details><summary>Hint 3</summary>
#
# At the end: `out_channels`, `num_features`, `in_channels`. The layers compute without them, but
# they would lie about their size when printed, and to every tool that asks them.
#
# </details>

# %% exercise="remove_filters"

# %% check="remove_filters" points=5

# %%
before = (block.conv1, block.bn1, block.conv2)
for layer in (*before, *remove_filters(*before, keep)):
    print(layer)

# %% [markdown]
# ## Exercise 8 · What may be removed?  (6 minutes, 2 points)
#
# In a chain of layers every filter could go like that. A ResNet-20 is no chain. This is one block
# of nine:
#
# ```
#   x ──┬── conv1 ── bn1 ── relu ── conv2 ── bn2 ──(+)── relu ──▶ x of the next block
#       └────────────── shortcut ───────────────────┘
# ```
#
# What is added must have equal channels on both sides, through all blocks of a stage. Follow each
# convolution's feature map: is it read by the next convolution only, or does it reach an
# addition? `free_convs` lists the convolutions whose filters may be removed one by one.
#
# <details><summary>Hint 1</summary>
#
# Run `print(model)`, and put a finger on each convolution: the stem `conv1`, `conv1` and `conv2`
# of a block, and `downsample.0` in the shortcuts.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `for name, module in model.named_modules()`: the names tell enough. Mind that the stem has the
# same last name as the first convolution of a block.
#
# </details>

# %% exercise="free_convs"

# %% check="free_convs" points=2

# %% [markdown]
# ## The reward: a really smaller ResNet-20
#
# Your functions together. The loop is given: it takes the same share of the filters of every free
# convolution.


# %%
def filters_to_keep(network: nn.Module, share: float) -> dict[str, Tensor]:
    """For each free convolution, which filters stay when the share with the least norms goes."""
    names = free_convs(network)
    return {name: filter_mask(network.get_submodule(name).weight, share) for name in names}


def silence(network: nn.Module, keeps: dict[str, Tensor]) -> nn.Module:
    """A copy with the other filters silenced: as large as before."""
    network = copy.deepcopy(network)
    for name, keep in keeps.items():
        block = network.get_submodule(name.removesuffix(".conv1"))
        silence_filters(block.conv1, block.bn1, keep)
    return network


def shrink(network: nn.Module, keeps: dict[str, Tensor]) -> nn.Module:
    """A copy with the other filters removed: really smaller."""
    network = copy.deepcopy(network)
    for name, keep in keeps.items():
        block = network.get_submodule(name.removesuffix(".conv1"))
        layers = remove_filters(block.conv1, block.bn1, block.conv2, keep)
        block.conv1, block.bn1, block.conv2 = layers
    return network


keeps = filters_to_keep(model, 0.5)
silenced, smaller = silence(model, keeps), shrink(model, keeps)
x = data.normalise(images.pixels[:100])
with torch.no_grad():
    difference = (silenced(x) - smaller(x)).abs().max() / silenced(x).abs().max()
assert difference < 1e-5, f"the outputs differ by {difference:.1e}"
print("the outputs of 100 images are equal to 1e-5")

# %% [markdown]
# The same function with half of the filters of the free convolutions gone. **Predict:** how many
# KiB and how many million multiply-accumulates (MACs) are left, of 1,100 and 40.8?

# %%
networks = {"dense": model, "filters silenced": silenced, "filters removed": smaller}
print(f"{'':<18}{'parameters':>12}{'non-zero weights':>18}{'MACs':>14}{'KiB on disk':>13}")
for name, network in networks.items():
    numbers = f"{counters.parameters(network):>12,}{counters.nonzeros(network):>18,}"
    print(f"{name:<18}{numbers}{counters.macs(network):>14,}{kib(network):>13,}")

# %% [markdown]
# (Zeros in the *dense* network, too? Training has switched some filters off by itself: weight decay
# shrank what no gradient held, until the checkpoint's half precision could not tell it from zero.
# Those weights go first in every ranking, and cost nothing. A part of what pruning "finds" was
# lost already.)
#
# It *is* smaller, and it needs fewer MACs. Is it faster? Milliseconds depend on your machine.
# (Lab 5 is about them: smaller layers use a processor less well, so expect less than the ratio of
# the MACs.)

# %%
# NBVAL_IGNORE_OUTPUT
for name, network in networks.items():
    print(f"{name:<18}", counters.latency(network, torch.zeros(8, 3, 32, 32), repeats=20))

# %% [markdown]
# ### Question C  (3 minutes, 3 points)
#
# The papers prune *all* layers and report that 30 % of the channels are about 50 % of the MACs.
# Explain that number. Then look at the next cell: you removed 30 % of the filters of the free
# convolutions and got a different share of the MACs. Why?

# %%
thinner = shrink(model, filters_to_keep(model, 0.3))
narrow = ResNet20(11)  # 11 instead of 16 filters in each layer: 31 % fewer, everywhere
for name, network in {"30 % of the free filters": thinner, "31 % of all": narrow}.items():
    print(f"{name:<26}{counters.macs(network) / counters.macs(model):.0%} of the MACs left")

# %% [markdown] answer="half_of_the_macs" points=3
# **Model answer.** The MACs of a convolution are out · in · kh · kw · (pixels of its output). If
# every layer keeps 70 % of its channels, its output *and* its input shrink: 0.7 · 0.7 = 0.49,
# about half. (The stem reads three colours and the classifier makes ten classes, which stay, so
# it is not exactly 0.49.) In our ResNet-20 only the channels *between* the two convolutions of a
# block are free, the residual stream keeps its width: conv1 loses outputs only, conv2 inputs
# only, so each is multiplied by 0.7 once. Shortcuts, stem and classifier lose nothing. So about
# 70 % of the MACs stay.
#
# **Marking guide.** 1 point: MACs are proportional to in · out. 1 point: both shrink, so the
# square, 0.7² ≈ 0.5. 1 point: here only one side of each convolution shrinks, because the other
# belongs to the residual stream (the additions).

# %% [markdown]
# ## The picture to take home
#
# Accuracy against sparsity, for all that you built. The two filter curves are measured on really
# smaller networks. Their sparsity is the share of the dense network's prunable weights that is
# gone, so that all curves have one denominator: a removed filter takes its own weights with it
# *and* the next layer's kernels.
#
# **Predict:** will the curve of the filters lie above or below that of single weights?

# %%
my_guess = None  # your prediction of the accuracy with half of the weights gone by filters, 0 to 1


def filter_curve(scored: nn.Module) -> dict[float, float]:
    """Sparsity -> accuracy when filters go by the norms in the network `scored`."""
    points = {0.0: dense_accuracy}
    for share in (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9):
        network = shrink(model, filters_to_keep(scored, share))
        left = counters.prunable_weights(network) / counters.prunable_weights(model)
        points[1 - left] = accuracy(network, images)
    return points


curves["filters, L1 norm"] = filter_curve(model)

# %%
curves["random filters"] = filter_curve(ResNet20(16, seed=1))  # the norms of an untrained network

# %%
axes = plots.accuracy_against_sparsity(curves, len(images), "ResNet-20, pruned without retraining")
budget = 512 * 1024 / 4  # float32 parameters in 512 KiB
needed = (counters.parameters(model) - budget) / counters.prunable_weights(model)
axes.axvline(100 * needed, color=plots.GREY, linewidth=1)
axes.text(100 * needed + 0.5, 3, "512 KiB", color=plots.GREY)
if my_guess is not None:
    axes.plot(50, 100 * my_guess, "*", markersize=15, color=plots.RED)
plt.show()

# %% [markdown]
# So does the camera work? Look at the line of 512 KiB. *Single weights* could go that far at
# little cost, but then nothing on the chip is smaller: the zeros are stored. *Filters* really
# fit, but without retraining the accuracy is gone. The finer the structure, the freer the choice
# of what to remove, and the harder it is to gain anything from it: that is the trade of this lab.
#
# What is missing? A better **criterion** than magnitude: Lab 2. A better **method** than all at
# once and no training: Lab 3, and there the camera gets its network.
