# %% [markdown]
# # Lab 1 · Structures
#
# **What kind of part to remove, and how to spread the removal over the network**
#
# A camera watches a wildlife crossing. It has to tell deer, frogs and birds from cars and trucks,
# on a chip that leaves **512 KiB for the weights**. Your network needs 1,064 KiB, so about half of
# it has to go. Which half?
#
# | part | exercises | minutes | points |
# |---|---|---|---|
# | Single weights | 1 one layer · 2 the network · 3 layers that die · 4 accounting | 70 | 16 |
# | Whole filters | 5 choose · 6 silence · 7 remove · 8 what may be removed | 65 | 14 |

# %%
from importlib.util import find_spec

if not (find_spec("pruninglab") and find_spec("pruninglab.labs.structures")):
    raise ModuleNotFoundError("%pip install FOLDER, the unpacked zip that this lab came in")

from IPython.display import Image

from pruninglab.checkpoints import ASSETS

Image(
    str(ASSETS / "opening-structures.png"),
    width=900,
    alt="The 22 layers of ResNet-20 to scale; one of them without half of its weights, and "
    "without half of its filters",
)

# %% [markdown]
# Pruning asks which *structure* goes, by which *criterion*, and by which *method*. This lab asks
# the first: single weights or whole filters? The smallest go, and nothing is retrained. The network
# is a ResNet-20 ([He et al. 2015](https://arxiv.org/abs/1512.03385)), trained on CIFAR-10; it has
# 272,474 parameters of 4 bytes each (float32).
#
# In each exercise, replace the line that raises an error with your code and run the check below.
# Write down each prediction *before* you run its cell: it earns no points, but you learn by it.

# %%
import copy
import io

import matplotlib.pyplot as plt
import torch
from pruninglab.labs.structures import check
from torch import Tensor, nn

from pruninglab import checkpoints, counters, data, plots
from pruninglab.masks import apply, random_masks, to_torch
from pruninglab.models import ResNet20, prunable
from pruninglab.sliders import slider
from pruninglab.training import accuracy

model = checkpoints.trained(16)  # ResNet-20, trained on CIFAR-10
images = data.subset("test")[:1000]  # real test images, 100 of each class
print(f"{counters.parameters(model):,} parameters")
print(f"{counters.prunable_weights(model):,} prunable weights in {len(prunable(model))} layers")

# %% [markdown]
# The words that this lab starts with, and all words of the seven labs, to unfold:

# %%
from pruninglab.glossary import glossary

display(
    glossary("kernel", "filter", "feature map", "sparsity", "density", "compression", "mask"),
    glossary("scores", "MACs", "prunable weights"),
    glossary(),
)

# %% [markdown]
# The curves below are measured on these 1,000 test images, so read them with their 95 %
# confidence interval: about ±2 points near 90 %, ±3 points near 50 %. Shaded bands show it.

# %% [markdown]
# ## Exercise 1 · The small weights of one layer  (15 minutes, 3 points)
#
# ★☆☆ · You will choose weights by magnitude, with an exact count.
#
# A weight close to zero changes the output little, so the smallest *magnitudes* go first. Write
# `magnitude_mask`. The number of pruned weights has to be exact: a network that is a little less
# sparse than its label makes every comparison unfair.
#
# Before you start, prune this by hand at sparsity 0.5; the check begins with it:
# `[[0.5, -4, 0.1, 2], [-0.3, 1, -3, 0.2]]`.
#
# <details><summary>Hint 1</summary>
#
# Look for the *positions* of the weights that go, not for a threshold: where magnitudes are equal,
# `weight.abs() > t` spoils the count.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Flatten the magnitudes, find the positions of the smallest (`argsort` or `topk(...).indices`),
# set them to False in a mask that is True everywhere else, and give the mask its shape back.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `positions = magnitudes.argsort()` lists the smallest first, and `mask[positions[:k]] = False`
# marks `k` of them, where `magnitudes` is flat and `mask` starts as
# `torch.ones_like(magnitudes, dtype=torch.bool)`. The docstring says how many have to go.
#
# </details>

# %% exercise="magnitude_mask"

# %% check="magnitude_mask" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Do the same with `torch.kthvalue`, then make all weights equal: what happens to the count?
#
# </details>
#
# **Predict:** the next cell prunes half of one layer of the trained network. Where will the
# threshold lie, that is, the largest magnitude that goes, as a share of the layer's largest
# magnitude? Write a number between 0 and 1.

# %%
my_threshold = None  # your prediction, e.g. 0.5

# %%
weight = model.layer2[1].conv2.weight.detach()
mask = magnitude_mask(weight, sparsity=0.5)
threshold, largest = weight[~mask].abs().max(), weight.abs().max()
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
left.hist([weight[mask], weight[~mask]], 60, stacked=True, color=[plots.BLUE, plots.GREY])
left.set(title="weights of layer2.1.conv2: blue stay, grey go", xlabel="weight", ylabel="count")
if my_threshold is not None:
    for sign, label in ((-1, None), (1, "you")):
        left.axvline(sign * my_threshold * largest, color=plots.ORANGE, label=label)
    left.legend(frameon=False)
plots.show_tensor(right, mask, "the mask: one row per filter, blue stay")
right.set(xlabel="32 x 3 x 3 weights of a filter", ylabel="32 filters")
plt.show()
print(f"the threshold is {threshold / largest:.2f} of the largest magnitude (you: {my_threshold})")

# %% [markdown]
# Most weights of a trained layer are close to zero: half of them lie below about a ninth of the
# largest. The mask looks mostly like noise, and none of its rows is empty, so no whole filter has
# disappeared: keep that in mind for Exercise 4. (The white stripes are kernels that read filters
# which training itself has switched off. Their weights are exactly zero, the peak in the middle of
# the histogram. The end of this lab comes back to them.)

# %% [markdown]
# ## Exercise 2 · The whole network: local or global?  (22 minutes, 5 points)
#
# ★★☆ · You will tell local from global pruning, and say what each does to small layers.
#
# How should a sparsity of 80 % be spread over 22 layers? **Local** pruning takes 80 % of each
# layer. **Global** pruning ranks all weights of the network together and takes the lowest 80 %,
# wherever they are.
#
# Both functions work on *scores* instead of weights, so that the next lab can bring other
# criteria: a dict from parameter name to tensor, where a higher score is more worth keeping. A
# score may be negative.
#
# <details><summary>Hint 1 (local)</summary>
#
# It is Exercise 1 in a loop, but without magnitudes: a score of -5 is low.
#
# </details>
# <details><summary>Hint 2 (local)</summary>
#
# For each layer: `score.flatten().argsort()`, a flat mask as in Exercise 1, then
# `masks[name] = mask.reshape(...)`.
#
# </details>
# <details><summary>Hint 1 (global)</summary>
#
# Join the flattened scores of all layers into one long vector, and decide there. Then cut the long
# mask into pieces again.
#
# </details>
# <details><summary>Hint 2 (global)</summary>
#
# `torch.cat` joins, `long_mask.split([...])` cuts: give it a list of sizes. And a long vector is a
# network with one layer: `local_masks` can do the deciding.
#
# </details>

# %% exercise="local_masks"

# %% check="local_masks" points=2

# %% exercise="global_masks"

# %% check="global_masks" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Divide each layer's scores by their mean before the global ranking. Which layers gain, and is the
# accuracy at 80 % better?
#
# </details>
#
# **Predict:** under global pruning at 80 %, which layer keeps the *smallest* share of its weights,
# which the largest? Is it the stem `conv1`, an early block, a late block, a 1x1 shortcut
# (`downsample`) or the classifier `fc`?

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
# Local pruning takes the same share of every layer. Global pruning spares the stem, the 1x1
# shortcuts and the classifier, whose weights are few and large, and takes most from the last
# stage (`layer3`), which holds three quarters of all weights: most of its filters add up 576
# products, those of the first stage 144, and its weights are smaller on average. (The emptiest
# layers are those of `layer2.2`, and `layer1.0` is low, too: there training has switched filters
# off.)
#
# Now the accuracy. Each of the next three cells evaluates seven pruned networks on 1,000 images:
# about ten seconds.
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
    axes.plot(100 * my_limit, expected, "*", markersize=15, color=plots.RED)
    axes.text(100 * my_limit - 2, expected, "you", color=plots.RED, ha="right", va="center")
plt.show()

# %% [markdown]
# Global pruning loses about 2 points at a sparsity of 60 %, about 10 at 70 %. Was your limit lower?
# More than half of a trained network can go at almost no cost. The random control shows what the
# criterion is worth: take 20 % of the weights at random, and the network is ruined.
#
# **Play:** here is all of it under one slider (on 200 images only, to be quick: mind the ±).
# Where does *global* pruning empty its first layer, and what does *local* pruning do to the stem
# and the shortcuts meanwhile?


# %%
def both_ways(sparsity: float) -> plt.Figure:
    """Density of each layer, local and global, and the accuracy on 200 images."""
    bars = {}
    for name, spread in {"local": local_masks, "global": global_masks}.items():
        masks = spread(scores, sparsity)
        right = accuracy(masked(masks), images[:200])
        half = plots.confidence(right, 200)  # of the 95 % confidence interval
        bars[f"{name}: {100 * right:.0f} ± {100 * half:.0f} % of 200 right"] = densities(masks)
    axes = plots.bars_per_layer(bars, f"density at sparsity {100 * sparsity:.0f} %")
    axes.set_ylim(0, 1)
    plots.percent_axis(axes)
    return axes.figure


slider(both_ways, [0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99], start=0.8)

# %% [markdown]
# ### Question A  (5 minutes, 2 points)
#
# Between sparsities of 60 and 80 % global pruning does better than local pruning. Explain why,
# with the pictures above. Then name the danger at very high sparsities that global pruning has and
# local pruning does not.

# %% [markdown] answer="why_global" points=2
# **Model answer.** The layers are not equally redundant. Global pruning takes most from the wide,
# late layers, which hold most of the weights and many small ones, and spares the small layers
# (stem, shortcuts, classifier), where local pruning has to take 80 % too, large weights included.
# So at equal sparsity the weights that global pruning removes are smaller in total. But nothing
# limits what a single layer loses: if the threshold is high enough, a layer whose weights are all
# small is emptied completely and nothing gets through it (layer collapse). Local pruning always
# leaves each layer its share.
#
# **Marking guide.** 1 point: global takes unequally, more where weights are small or many (late
# layers), and spares sensitive or small layers; the reason must come from the pictures. 1 point:
# layer collapse, in these or other words. "Global is more flexible" alone: 0.

# %% [markdown]
# ## Exercise 3 · Layers that die  (8 minutes, 1 point)
#
# ★☆☆ · You will recognise layer collapse.
#
# If a layer loses all its weights, no signal gets through it: **layer collapse**. Write
# `empty_layers`, which finds such layers.
#
# <details><summary>Hint</summary>
#
# `mask.any()` is True if at least one entry is.
#
# </details>

# %% exercise="empty_layers"

# %% check="empty_layers" points=1

# %% [markdown]
# <details><summary>Go further</summary>
#
# Find the sparsity of the first empty layer to 0.1 % by halving an interval.
#
# </details>
#
# **Predict:** of the 22 layers, how many are empty at a global sparsity of 99 %? At 99.9 %?

# %%
my_empty = None, None  # your predictions for 99 % and 99.9 %

for sparsity in (0.9, 0.99, 0.995, 0.999, 0.9995):
    empty = empty_layers(global_masks(scores, sparsity))
    names = ", ".join(empty[:2]) + (", ..." if len(empty) > 2 else "")
    print(f"sparsity {sparsity:.2%}: {len(empty):>2} of {len(scores)} layers are empty  {names}")
print(f"you: {my_empty[0]} at 99 %, {my_empty[1]} at 99.9 %")

# %% [markdown]
# One layer at 99 %, nine at 99.9 %. But at 90 % the accuracy was already close to guessing: here
# collapse is the end, not the beginning. (In a residual network the shortcut still carries the
# signal around an empty block. A network without shortcuts is cut in two.) If a curve in a paper
# drops straight to the level of guessing, look for empty layers.

# %% [markdown]
# ## Exercise 4 · Accounting  (15 minutes, 3 points)
#
# ★★☆ · You will report sparsity, density and compression with the right denominators.
#
# "We prune 90 %." Of what? Papers have meant the prunable weights, all parameters, the filters, or
# the mean over layers. Write `account`, which returns the three numbers that this course uses.
# Mind the denominators: they are not the same.
#
# <details><summary>Hint 1</summary>
#
# Count three things first: the prunable weights, all parameters, the entries that are False.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `model.parameters()` includes the biases and the scale and shift of batch normalisation.
# `model.state_dict()` has its running means and variances as well: they are no parameters.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `sum(p.numel() for p in model.parameters())`, the same over `prunable(model).values()`, and
# `(~mask).sum()` of each mask.
#
# </details>

# %% exercise="account"

# %% check="account" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Add the bytes of a bitmask and of float16 weights. At which sparsity does the network fit into
# 128 KiB?
#
# </details>
#
# **Predict:** at 90 % sparsity, is the compression 10, more, or less? And how many KiB does the
# masked network take on disk, if the dense one takes about 1,110?

# %%
my_compression, my_kib = None, None  # your predictions


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
print(f"{'you':>20}: {my_kib} KiB, compression {my_compression}")

# %% [markdown]
# ### Question B  (5 minutes, 2 points)
#
# Nine of ten weights are pruned. The compression is 9.5, not 10, since biases and batch
# normalisation remain. And yet the file is as large as before, or larger. Why? And why would the
# masked network not run faster either? Name one thing that would make it smaller on disk, and one
# that would make it faster.

# %% [markdown] answer="why_not_smaller" points=2
# **Model answer.** A mask sets weights to zero, but a zero is a float32 like any other: the
# tensors keep their shapes, so the file keeps its size and the multiplications their number. While
# `torch.nn.utils.prune` is active, the checkpoint holds the original weights (`weight_orig`)
# *and* the masks (`weight_mask`), so it is about twice as large. Compression is what one *could*
# reach. Smaller on disk: a sparse format (values and indices; the indices cost, too), or simply
# zip, since zeros compress well. Faster: remove whole filters, so that the tensors really shrink,
# or use hardware and kernels that skip zeros (e.g. 2:4 sparsity).
#
# **Marking guide.** 1 point: dense tensors of the same shape, zeros are stored and multiplied. 1
# point: one valid remedy for each, size and speed (half a point for one alone; round up). Full
# marks do not need `weight_orig`.

# %% [markdown]
# ## Exercise 5 · Which filters?  (12 minutes, 2 points)
#
# ★☆☆ · You will rank whole filters.
#
# So pruning single weights makes a network neither smaller nor faster on an ordinary chip. Removing
# whole **filters** does. The weight of a convolution is `(out, in, kh, kw)`: it has `out` filters,
# and each makes one channel of the feature map. Rank the filters by their L1 norm, the sum of
# their magnitudes ([Li et al. 2016](https://arxiv.org/abs/1608.08710)), and write `filter_mask`.
#
# <details><summary>Hint 1</summary>
#
# You need one number per filter. With these numbers it is Exercise 1 again.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Sum the magnitudes over three dimensions, `dim=(1, 2, 3)`; what remains has shape `(out,)`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `min(round(...), out - 1)` takes care of the one filter that always stays.
#
# </details>

# %% exercise="filter_mask"

# %% check="filter_mask" points=2

# %% [markdown]
# <details><summary>Go further</summary>
#
# Use the L2 norm. In which layers do other filters go?
#
# </details>
#
# **Predict:** here are the 16 filters of one layer. Will a gap between large and small norms show
# where to cut?

# %%
block = model.layer1[1]
keep = filter_mask(block.conv1.weight, sparsity=0.5)
norms = block.conv1.weight.detach().abs().sum(dim=(1, 2, 3))
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 2.6), layout="constrained")
left.bar(range(16), norms, color=[plots.BLUE if k else plots.GREY for k in keep])
left.set(title="filters of layer1.1.conv1: blue stay, grey go", xlabel="filter", ylabel="L1 norm")
left.set_xticks(range(16))
weights_kept = keep[:, None, None, None].expand(block.conv1.weight.shape)
plots.show_tensor(right, weights_kept, "the same as a mask of weights: whole rows go")
right.set(xlabel="16 x 3 x 3 weights of a filter", ylabel="filters 0 (top) to 15")
plt.show()

# %% [markdown]
# Only filter 0 is a clear case: its norm is zero, since training has switched it off. The other
# norms differ by less than a factor of two, and there is no gap: the strongest filter that goes
# is almost as strong as the weakest that stays.

# %% [markdown]
# ## Exercise 6 · Silence them  (15 minutes, 2 points)
#
# ★★☆ · You will know all the parameters that belong to a filter.
#
# Before you remove filters, silence them: their feature maps become zero, but all shapes stay, so
# nothing else in the network has to change. Start with the obvious: set the weights of these
# filters to zero.
#
# **Predict:** a filter of zeros gives a feature map of zeros. After it come batch normalisation
# and ReLU. What do they turn it into: zeros, a constant, or noise?

# %%
x = data.normalise(images.pixels[2:3])  # (1, 3, 32, 32), a real test image


@torch.no_grad()
def feature_maps(block: nn.Module) -> Tensor:
    """What the first half of the second block makes of the image: (16, 32, 32)."""
    x_in = model.layer1[0](torch.relu(model.bn1(model.conv1(x))))
    return torch.relu(block.bn1(block.conv1(x_in)))[0]


def show_maps(block: nn.Module, title: str) -> None:
    """The image and its 16 feature maps, 0 is black; those of filters that are to go are marked."""
    figure, axes = plt.subplots(1, 17, figsize=(10, 1.1), layout="constrained")
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
# A constant: four of the eight still glow, one of them faintly, evenly over the whole image. Batch
# normalisation turns a zero into γ·(0 - mean)/std + β, and where that is positive, ReLU lets it
# through. The rest of the network was never trained with such a signal. Write `silence_filters`,
# which makes these filters really silent.
#
# <details><summary>Hint 1</summary>
#
# Four tensors have one entry (or row) per filter: two of the convolution, one of which may be
# missing (`None`), and two of the batch normalisation.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Autograd does not allow a parameter to be changed in place: work under `torch.no_grad()` or on
# `parameter.data`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `parameter.data[~keep] = 0` for each of the four. (Reading `tensor[~keep]` makes a copy, so
# `tensor[~keep].zero_()` changes nothing.)
#
# </details>

# %% exercise="silence_filters"

# %% check="silence_filters" points=2

# %% [markdown]
# <details><summary>Go further</summary>
#
# Leave β alone and feed the constant into the next layer's batch normalisation. Does the output
# stay the same?
#
# </details>

# %%
silent = copy.deepcopy(block)
silence_filters(silent.conv1, silent.bn1, keep)
show_maps(silent, "silenced")
print("loudest silenced map:", feature_maps(silent)[~keep].max().item())

# %% [markdown]
# ## Exercise 7 · Remove them  (25 minutes, 5 points)
#
# ★★★ · You will make a network really smaller without changing what it computes.
#
# A silent channel adds nothing to what comes after it, so it can go. Three layers change: the
# convolution loses filters, batch normalisation their channels, and the *next* convolution the
# kernels that read them:
#
# ```
#   conv1 (out, in, kh, kw)      bn1 (out)                     conv2 (next, out, kh, kw)
#          ^^^ lose rows              ^^^ γ, β, mean, variance              ^^^ lose columns
# ```
#
# Write `remove_filters`. The check fills batch normalisation with random numbers, so that nothing
# is forgotten unnoticed, and compares the outputs.
#
# **Predict** before you run the last cell of this exercise: it prints the three layers before and
# after 8 of 16 filters are removed. Which numbers change?
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
# At the end: `out_channels`, `num_features`, `in_channels`. The layers compute correctly without
# them, but would lie about their size when printed, and to every tool that asks.
#
# </details>

# %% exercise="remove_filters"

# %% check="remove_filters" points=5

# %% [markdown]
# <details><summary>Go further</summary>
#
# Support `groups` in the first convolution.
#
# </details>

# %%
before = (block.conv1, block.bn1, block.conv2)
for layer in (*before, *remove_filters(*before, keep)):
    print(layer)

# %% [markdown]
# ## Exercise 8 · What may be removed?  (8 minutes, 2 points)
#
# ★★☆ · You will see which filters additions tie together.
#
# In a chain of layers every filter could go like this. A ResNet-20 is no chain. Here is one of its
# nine blocks:
#
# ```
#   x ──┬── conv1 ── bn1 ── relu ── conv2 ── bn2 ──(+)── relu ──▶ x of the next block
#       └────────────── shortcut ───────────────────┘
# ```
#
# Feature maps can be added only if they have the same channels, and the sum is what the next block
# starts from: so this ties all blocks of a stage together. (Most shortcuts pass `x` on unchanged.
# Where stages 2 and 3 begin, they are 1x1 convolutions in our network, option "B" of He et al.
# 2015. Option "A" does without: it fills the new channels with zeros.)
#
# Follow each convolution's feature map: is it read by the next convolution only, or does it reach
# an addition? Write `free_convs`, which lists the convolutions whose filters may be removed one by
# one.
#
# <details><summary>Hint 1</summary>
#
# Run `print(model)`, and put a finger on each convolution: the stem `conv1`, `conv1` and `conv2`
# of a block, and `downsample.0` in the shortcuts.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `for name, module in model.named_modules()`: the names are enough. But the stem is called `conv1`,
# too.
#
# </details>

# %% exercise="free_convs"

# %% check="free_convs" points=2

# %% [markdown]
# <details><summary>Go further</summary>
#
# List the convolutions that must lose the same channel together, stage by stage.
#
# </details>

# %% [markdown]
# <details><summary>When your check has passed: what ties the others</summary>
#
# The other twelve all write into a sum. In the first stage the stem and three `conv2` share the
# same 16 channels; in the second and the third a `downsample.0` and three `conv2` do. With option
# A there is no `downsample.0` in between, and the stages themselves are tied: channel k of the 16
# is added to channel k + 8 of the 32. To remove one of these channels, you would have to remove it
# from all convolutions that write to it or read it: Lab 5 does.
#
# </details>

# %% [markdown]
# ## The reward: a really smaller ResNet-20
#
# Now your functions work together. The loop is given: it takes the same share of the filters of
# every free convolution.


# %%
def filters_to_keep(network: nn.Module, share: float) -> dict[str, Tensor]:
    """For each free convolution, which filters stay when `share` of them, the weakest, go."""
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
batch = data.normalise(images.pixels[:100])
with torch.no_grad():
    difference = (silenced(batch) - smaller(batch)).abs().max() / silenced(batch).abs().max()
assert difference < 1e-5, f"the outputs differ by {difference:.1e} of the largest"
print("the outputs for 100 images differ by less than 1e-5 of the largest")

# %% [markdown]
# The same outputs, without half of the filters of the free convolutions. **Predict:** how many of
# the 1,110 KiB on disk and of the 40.8 million MACs are left?

# %%
my_kib, my_macs = None, None  # your predictions: KiB, million MACs

networks = {"dense": model, "filters silenced": silenced, "filters removed": smaller}
print(f"{'':<18}{'parameters':>12}{'non-zero weights':>18}{'MACs':>14}{'KiB on disk':>13}")
for name, network in networks.items():
    numbers = f"{counters.parameters(network):>12,}{counters.nonzeros(network):>18,}"
    print(f"{name:<18}{numbers}{counters.macs(network):>14,}{kib(network):>13,}")
print(f"you: {my_macs} million MACs, {my_kib} KiB")

# %% [markdown]
# About half of everything is left. The parameters alone take 541 KiB, so for the camera a few more
# filters will have to go.
#
# (Why are there zeros in the *dense* network? Training has switched some filters off by itself:
# weight decay shrank what no gradient held up, until the checkpoint's half precision could not
# tell it from zero. These 9 % of the weights go first in every ranking, and cost nothing. Part of
# what pruning "finds" was already lost.)
#
# The network *is* smaller, and it needs fewer MACs. Is it faster? Milliseconds depend on your
# machine. (Lab 5 is about them: smaller layers use a processor less well, so expect less than the
# ratio of the MACs.)

# %%
# NBVAL_IGNORE_OUTPUT
for name, network in networks.items():
    print(f"{name:<18}", counters.latency(network, torch.zeros(8, 3, 32, 32), repeats=20))

# %% [markdown]
# ### Question C  (5 minutes, 3 points)
#
# A rule of thumb says: remove 30 % of the channels of *every* layer, and about 50 % of the MACs are
# saved. Explain that number. Then run the next cell: without 30 % of the filters of the *free*
# convolutions, a different share of the MACs is left. Why?

# %%
thinner = shrink(model, filters_to_keep(model, 0.3))
narrow = ResNet20(11)  # 11 instead of 16 filters in each layer: 31 % fewer, everywhere
for name, network in {"30 % of the free filters": thinner, "31 % of all": narrow}.items():
    print(f"{name:<26}{counters.macs(network) / counters.macs(model):.0%} of the MACs left")

# %% [markdown] answer="half_of_the_macs" points=3
# **Model answer.** The MACs of a convolution are out · in · kh · kw · (pixels of its output). If
# every layer keeps 70 % of its channels, its output *and* its input shrink: 0.7 · 0.7 = 0.49,
# about half. (The stem's three colours and the classifier's ten classes stay, so it is not exactly
# 0.49.) In our ResNet-20 only the channels *between* the two convolutions of a block are free, and
# the residual stream keeps its width: conv1 loses outputs only, conv2 inputs
# only, so each is multiplied by 0.7 once. Shortcuts, stem and classifier lose nothing. So about
# 70 % of the MACs stay.
#
# **Marking guide.** 1 point: MACs are proportional to in · out. 1 point: both shrink, so the
# square, 0.7² ≈ 0.5. 1 point: here only one side of each convolution shrinks, because the other
# belongs to the residual stream (the additions).

# %% [markdown]
# ## The picture to take home
#
# Accuracy against sparsity, for everything you have built. The two filter curves are measured on
# really smaller networks. A removed filter takes its own weights with it *and* the kernels that
# read it in the next layer; sparsity counts both, as a share of the dense network's prunable
# weights, so all curves have the same denominator.
#
# **Predict:** will the curve of the filters lie above or below that of single weights? Which
# accuracy is left when filters have taken half of the weights?

# %%
my_guess = None  # your prediction of that accuracy, 0 to 1


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
axes.text(100 * needed + 1, 2, "fits into 512 KiB →", color="black", fontsize=9)
if my_guess is not None:
    axes.plot(50, 100 * my_guess, "*", markersize=15, color=plots.RED)
    axes.text(48, 100 * my_guess, "you", color=plots.RED, ha="right", va="center")
plt.show()

# %% [markdown]
# So does the camera work? Look along the line of 512 KiB. Without that many *single weights* the
# network is still about 90 % accurate, but nothing on the chip is smaller: the zeros are stored,
# too. Without that many *filters* it really fits, but less than 20 % accuracy is left, no more
# than with random filters. The finer the structure, the freer the choice of what to remove, and
# the harder it is to gain anything from it: that is the trade-off of this lab.
#
# One surprise: why do *random filters* stay so far above *random weights*? Two differences could
# explain it. Random weights go everywhere, also in the stem and in the convolutions that write to
# the shortcuts' sum. And they damage every feature map a little, so that the mean and variance
# that batch normalisation remembers no longer fit, while a removed filter leaves its neighbours'
# maps as they were. The next cell takes the two apart, at 20 % random weights.

# %%
masks = random_masks(model, 0.2, torch.Generator().manual_seed(0))
inside = {n: mask for n, mask in masks.items() if n.startswith("layer") and ".conv1" in n}
damaged = {"in all layers": masked(masks), "only where filters are free": masked(inside)}
damaged["in all layers, BN measured again"] = recalibrated = masked(masks)
for bn in (m for m in recalibrated.modules() if isinstance(m, nn.BatchNorm2d)):
    bn.momentum = None  # PyTorch then takes the plain average: see Lab 2
with torch.no_grad():
    for x, _ in data.batches(data.subset("train")[:500], 125):
        recalibrated.train()(x)
for place, network in damaged.items():
    print(f"20 % random weights {place}: {accuracy(network.eval(), images):.0%} right")

# %% [markdown]
# Both differences matter. Staying away from the shared channels helps. Measuring BN's statistics
# again helps much more: most of what random weights destroy is the balance of batch normalisation,
# and not the information in the weights. Lab 2 builds this repair.
#
# What is missing? A better **criterion** than magnitude: Lab 2. A better **method** than pruning
# all at once without training: Lab 3, and there the camera gets its network.

# %% [markdown]
# ## Hand in
#
# Save (Ctrl+S), then run this cell and click: it runs the saved notebook from top to bottom, says
# what would cost you points, and packs the file that you hand in. You can do so as often as you
# like.

# %%
from pruninglab.hand_in import hand_in

hand_in()
