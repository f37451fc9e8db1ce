# %% [markdown]
# # Lab 5 · Speed
#
# **What pruning is worth in bytes and in seconds**
#
# The camera at the wildlife crossing is too slow: a hare is gone before the network has finished
# with its ears. A colleague says: "Prune 90 % of the weights, and it is ten times as fast." You
# measure what becomes of such promises.
#
# | part | exercises | minutes | points |
# |---|---|---|---|
# | Count and time | 1 multiplications · 2 a fair race | 35 | 6 |
# | Zeros | 3 bytes · a look at sparse products, question A | 35 | 6 |
# | A smaller network | 4 ties · 5 one layer · 6 option A · 7 the whole ResNet-20 | 65 | 13 |
# | The clock | the promise and the clock · 8 an open task · the control, question B | 50 | 7 |

# %%
from importlib.util import find_spec

if not (find_spec("pruninglab") and find_spec("pruninglab.labs.speed")):
    raise ModuleNotFoundError("%pip install FOLDER, the unpacked zip that this lab came in")

from IPython.display import Image

from pruninglab.checkpoints import ASSETS

Image(
    str(ASSETS / "opening-speed.png"),
    width=900,
    alt="A layer as trained, with half of its weights set to zero, and with half of its filters "
    "removed: half of the weights are left in both, bytes and time are question marks",
)

# %% [markdown]
# Of the lecture's three questions this lab asks the first: **what** kind of part to remove, so that
# it pays in bytes and in seconds.
#
# As before: write the function, run its check, and write down your prediction *before* the cell
# that shows the result.

# %%
import copy
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import torch
from pruninglab.labs.speed import check
from pruninglab.labs.speed.toolbox import filter_mask, global_masks, silence_filters
from torch import Tensor, nn

from pruninglab import checkpoints, counters, data, masks, plots
from pruninglab.models import (
    Block,
    ResNet20,
    SelectShortcut,
    ZeroPadShortcut,
    prunable,
    ready_to_run,
)
from pruninglab.sliders import slider
from pruninglab.training import Recipe, accuracy, train, triangular

torch.set_num_threads(1)  # one thread for all contestants: fewer surprises, and it is said
model = checkpoints.trained(16)  # ResNet-20, trained on CIFAR-10
images = data.subset("test")
frames = data.normalise(images.pixels[:64])  # (64, 3, 32, 32)
print(f"{counters.parameters(model):,} parameters, {counters.macs(model):,} MACs an image")

# %%
from pruninglab.glossary import glossary

glossary()

# %% [markdown]
# ## Exercise 1 · Count the multiplications  (10 minutes, 3 points)
#
# ★☆☆ · You will count multiplications without running a layer.
#
# Nearly all the work of a ResNet is in its convolutions. It is counted in **MACs**, a
# multiplication with its addition each. For a convolution their number has a closed form: no need
# to run it. Each output pixel of each filter is a sum over the whole kernel and all input channels.
# Write `conv_macs`.
#
# By hand first: 3 filters of 3x3 over 2 channels, an image of 4x4, padding 1. How many?
#
# <details><summary>Hint 1</summary>
#
# MACs = output pixels · filters · (input channels · kernel height · kernel width).
#
# </details>
# <details><summary>Hint 2</summary>
#
# How often does a kernel of length k fit on a line of n + 2p pixels, if it moves on by s each
# time? Once, and then once more for every s pixels that are left.
#
# </details>

# %% exercise="conv_macs"

# %% check="conv_macs" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# A depthwise convolution has `groups` equal to its channels. Extend the formula, and compare a
# MobileNet block with a ResNet block.
#
# </details>
#
# **Predict (1 minute):** take 30 % of the channels away from *every* layer of a network. Which
# share of its MACs is left, in percent?

# %%
my_share = None  # your prediction in percent, e.g. 70

# %%
channels = range(4, 65, 4)
shares = [conv_macs(nn.Conv2d(c, c, 3, padding=1), 8, 8) for c in channels]
_, axes = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
removed = [100 * (1 - c / 64) for c in channels]
axes.plot(removed, [100 * s / shares[-1] for s in shares], "o-", color=plots.BLUE)
axes.axvline(30, color=plots.GREY, linewidth=0.8, linestyle=":")
if my_share is not None:
    axes.plot(30, my_share, "*", color=plots.ORANGE, markersize=16)
axes.set(xlabel="channels removed in every layer (%)", ylabel="MACs left (%)", ylim=(0, 102))
plt.show()

# %% [markdown]
# A layer that loses 30 % of its filters and, because the layer before did the same, 30 % of its
# inputs keeps 0.7 · 0.7 = 49 % of its multiplications. So much for counting. Now for the clock.

# %% [markdown]
# ## Exercise 2 · A fair race  (15 minutes, 3 points)
#
# ★★☆ · You will time two networks so that the result can be trusted.
#
# Timing a network looks easy and is not. The first runs are slow: memory is fetched from the
# system, kernels are chosen. Now and then another program takes the processor for a while. If one
# network is timed in a quiet minute and the other in a busy one, the minute wins.
#
# Four habits help: *warm up*, *take turns*, report the *median* of many runs, and fix the number
# of *threads* (done above). Write `race`, which has the first three of them.
#
# <details><summary>Hint 1</summary>
#
# Two loops for the warm-up. Then two loops for the rounds: which is the outer one, if the
# contestants are to take turns?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `start = clock()`, the run, `clock() - start`: nothing else in between.
#
# </details>

# %% exercise="race"

# %% check="race" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Report the interquartile range beside the median. How many rounds do you need until two runs of
# the race agree to 1 %?
#
# </details>
#
# The first race. All contestants compute with the trained network:
#
# - **dense**: as it is;
# - **90 % zeros**: the 90 % smallest weights of the network are set to zero;
# - **masked in every pass**: the same, but the mask is multiplied in again whenever the network
#   runs. `torch.nn.utils.prune` does that, because the weights might be trained.
#
# **Predict:** how many times faster than the dense network is the one with 90 % zeros?

# %%
my_speedup = None  # your prediction, e.g. 10


# %%
def passes(networks: dict[str, nn.Module], x: Tensor) -> dict[str, Callable[[], object]]:
    """One forward pass of each network on `x`, as functions without arguments."""
    return {n: torch.inference_mode()(lambda net=net: net(x)) for n, net in networks.items()}


scores = {name: weight.detach().abs() for name, weight in prunable(model).items()}
zeros = global_masks(scores, sparsity=0.9)
names = ("dense", "90 % zeros", "masked in every pass")
networks = {name: copy.deepcopy(model) for name in names}
masks.apply(networks["90 % zeros"], zeros)
masks.to_torch(networks["masked in every pass"], zeros)

# %%
# NBVAL_IGNORE_OUTPUT
# (times differ from run to run)
for batch in (1, 64):
    seconds = race(passes(networks, frames[:batch]), warmup=3, rounds=11)
    print(f"batch {batch}")
    for name, s in seconds.items():
        print(f"  {name:<22}{1000 * s:8.2f} ms   {seconds['dense'] / s:5.2f} times as fast")
if my_speedup is not None:
    print(f"you predicted {my_speedup} for 90 % zeros")

# %% [markdown]
# The processor multiplies by zero just as carefully as by any other number. A mask alone makes
# nothing faster; multiplied in each time it makes things slower. Zeros are a *permission* to
# skip work. Somebody still has to skip it.

# %% [markdown]
# ## Exercise 3 · What zeros cost  (15 minutes, 3 points)
#
# ★★☆ · You will say what zeros cost on disk.
#
# To skip zeros you must know where they are. The usual format is **CSR**, compressed sparse rows:
# the kept values, row after row; for each of them its column; and for each row the place where it
# begins. [Ma et al. 2019](https://arxiv.org/abs/1907.02124) asked what single-weight pruning is
# worth on real machines once this bookkeeping is paid for. Write `stored_bytes`, and pay.
#
# By hand: `[[5, 0, 0], [7, 8, 0]]` as values, columns, row starts. How many numbers is that?
#
# <details><summary>Hint 1</summary>
#
# Values 5, 7, 8; columns 0, 0, 1; the rows begin at 0 and 1, and the last one ends at 3.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `(n + 7) // 8` rounds n bits up to whole bytes. `len(mask)` is the number of filters.
#
# </details>

# %% exercise="stored_bytes"

# %% check="stored_bytes" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Gzip the masked tensor's bytes. How close does a general-purpose compressor come to the bitmask,
# and at which sparsity?
#
# </details>
#
# **Predict:** from which sparsity on is CSR smaller than the dense tensor, with values of 4 bytes?
# And when the values are quantised to 1 byte, as they are on most small chips?

# %%
my_break_even = {"float32": None, "int8": None}  # your predictions, between 0 and 1

# %%
weight = model.layer3[1].conv2.weight.detach()
levels = [i / 50 for i in range(50)]
random = [masks.random_masks({"w": weight}, s, torch.Generator().manual_seed(0)) for s in levels]
_, panels = plt.subplots(1, 2, figsize=(10, 3.4), sharey=True, layout="constrained")
for axes, (kind, size) in zip(panels, {"float32": 4, "int8": 1}.items(), strict=True):
    stored = [stored_bytes(m["w"], size, index_bytes=2) for m in random]
    for label, colour in zip(stored[0], plots.COLOURS, strict=False):
        axes.plot(levels, [s[label] / s["dense"] for s in stored], color=colour, label=label)
    axes.set(xlabel="sparsity of layer3.1.conv2", title=f"{kind} values, indices of 2 bytes")
    for label, height in (("csr", 0.8), ("bitmask", 0.6)):
        start = next(
            s for s, sizes in zip(levels, stored, strict=True) if sizes[label] <= sizes["dense"]
        )
        print(f"{kind}: {label} needs no more bytes than dense from a sparsity of {start:.2f} on")
        axes.plot(start, 1, "o", color=plots.RED)
        axes.text(start, height, f" {label}: {start:.2f}", color=plots.RED, fontsize=9)
    if my_break_even[kind] is not None:
        axes.axvline(my_break_even[kind], color=plots.PINK, linestyle="--", label="your prediction")
panels[0].set(ylabel="bytes / bytes of the dense tensor")
panels[0].legend(frameon=False)
plt.show()

# %% [markdown]
# The red dots are the break-even points, to 0.02 (the levels' distance). You can compute them: a
# kept weight costs *value + index* bytes, a dense one *value* bytes, so CSR wins once the share
# that is kept is below value / (value + index). For 4-byte values and 2-byte indices that is 4/6,
# a sparsity of 1/3; for 1-byte values it is 1/3, a sparsity of 2/3. (The row starts are hardly
# visible: this layer has 576 weights per row.)
#
# With large values the index is a surcharge; with small ones it costs more than the value that it
# points to. That is one half of the argument of [Ma et al. 2019](https://arxiv.org/abs/1907.02124):
# weights are quantised anyway, and then the indices eat up much of what pruning single weights
# saved. The bitmask costs one bit per weight, so it pays from 1/32 on (from 1/8 with int8), but
# nobody multiplies with a bitmask: it saves disk space, not time.
#
# ### The other half: the clock
#
# A convolution is a matrix product. The weight is a matrix with one row per filter; the image is
# unfolded, so that each column holds what one output pixel looks at. For that product there is a
# sparse version. Here is the race on one layer, for one image and for sixteen.
#
# **Predict:** from which sparsity on does the sparse product beat the dense one?

# %%
my_sparse_wins_at = None  # your prediction, between 0 and 1


# %%
def product_race(weight: Tensor, columns: Tensor, sparsities: list[float]) -> dict[float, float]:
    """Sparsity -> time of the CSR product / time of the dense product."""
    ratios = {}
    for s in sparsities:
        mask = masks.random_masks({"w": weight}, s, torch.Generator().manual_seed(0))["w"]
        matrix = (weight * mask).flatten(1)  # (out, in*kh*kw)
        sparse = matrix.to_sparse_csr()
        runs = {"dense": lambda w=matrix: w @ columns, "csr": lambda w=sparse: w @ columns}
        seconds = race(runs, warmup=3, rounds=15)
        ratios[s] = seconds["csr"] / seconds["dense"]
    return ratios


# %%
warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
sparsities = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98]
maps = torch.randn(16, 64, 8, 8, generator=torch.Generator().manual_seed(0))
unfolded = nn.functional.unfold(maps, 3, padding=1)  # (N, in*kh*kw, pixels)
ratios = {n: product_race(weight, torch.cat([*unfolded[:n]], 1), sparsities) for n in (1, 16)}

# %%
# NBVAL_IGNORE_OUTPUT
# (times differ from run to run)
_, axes = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
for (n, ratio), colour in zip(ratios.items(), plots.COLOURS, strict=False):
    axes.plot(list(ratio), list(ratio.values()), "o-", color=colour, label=f"{n} image(s)")
axes.axhline(1, color=plots.GREY, linewidth=0.8)
axes.text(0.5, 1.05, "above: slower than dense", color=plots.GREY, fontsize=8)
if my_sparse_wins_at is not None:
    axes.axvline(my_sparse_wins_at, color=plots.PINK, linestyle="--", label="your prediction")
axes.set(yscale="log", xlabel="sparsity", ylabel="time of CSR / time of dense")
axes.set_yticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"], minor=False)
axes.minorticks_off()
axes.legend(frameon=False)
plt.show()
for n, ratio in ratios.items():
    faster = [s for s in sparsities if max(r for t, r in ratio.items() if t >= s) < 1]
    print(f"{n} image(s): CSR is faster than dense from {faster[:1]} on, of the sparsities tried")

# %% [markdown]
# The printed lines are the break-even points on *your* machine. And they still flatter CSR: the
# unfolded image came for free. A dense convolution does not unfold, so a sparse one would have to
# make up for that, too. Compare your break-even with how sparse your networks of the earlier labs
# could be before they lost accuracy.
#
# ### Question A  (5 minutes, 3 points)
#
# A product with 80 % zeros needs a fifth of the multiplications. Why is the sparse product not
# five times as fast as the dense one? Give two reasons, and say why both weigh less at 98 %.

# %% [markdown] answer="why_zeros_are_not_free" points=3
# *Model answer.* (1) The dense product runs through memory in order and multiplies 8 or 16 numbers
# with one instruction; the sparse one fetches single values from places that it first has to read
# from an index, so most of those lanes stay empty and the processor waits for memory. (2) It has
# to load an index with each value, so more bytes move per multiplication. At 98 % there are so few
# values left that even at a multiple of the price each, the sum is smaller.
#
# *Marking.* 1 point for irregular access or lost vector instructions; 1 point for the cost of the
# indices (bytes or instructions); 1 point for the last part: a fixed factor per kept value against
# a number of values that goes to zero. "Python overhead" alone: no point.

# %% [markdown]
# ## A smaller network
#
# The other way: let nothing sparse remain. Remove whole channels, so that what is left is a dense,
# smaller network that any library runs at full speed. Lab 1 did it for two layers in a row. A
# ResNet makes it harder, because feature maps are *added*.

# %% [markdown]
# ## Exercise 4 · What is tied  (10 minutes, 3 points)
#
# ★★☆ · You will find the channels that an addition ties together.
#
# Within a stage all blocks add to the same feature map, the **residual stream**. If the stem's
# channel 3 goes, the channel 3 of every convolution that is added to it has to go as well, or the
# tensors no longer fit. Find these groups: `coupled_groups`.
#
# A small example, a stem and one block:
#
# ```
#   x = stem(image)                  channel 3 of x comes from filter 3 of the stem
#   x = x + conv2(conv1(x))          and here filter 3 of conv2 is added to it
# ```
#
# So the stem and `conv2` are one group, and `conv1` is another: only `conv2` reads what it makes.
#
# Draw the first stage on paper before you start: stem, three blocks, three additions. Then the
# first block of the second stage. What is added there, with option B? With option A?
#
# <details><summary>Hint 1</summary>
#
# There are twelve groups: three streams, and nine convolutions that only the next layer
# reads (lab 1 called them free).
#
# </details>
# <details><summary>Hint 2</summary>
#
# These write to a stage's stream: the second convolution of each block; the 1x1 convolution of the
# shortcut that leads *into* the stage (option B); in the first stage the stem.
#
# </details>

# %% exercise="coupled_groups"

# %% check="coupled_groups" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Find the groups without looking at names: set one channel to NaN and see which outputs become
# NaN.
#
# </details>

# %%
for group, convs in coupled_groups(model).items():
    print(f"{group:<15} {' '.join(convs) if convs != [group] else '(alone)'}")


# %% [markdown]
# Which channels of a group should go? A channel of a stream is written by several filters, so their
# weights are judged together, by the L1 norm of all of them (`filter_mask` of lab 1 ranks). And
# the masked network, which the smaller one has to equal, comes from `silence_filters`.


# %%
def keep_strongest(model: nn.Module, sparsity: float) -> dict[str, Tensor]:
    """For each coupled group: which channels have the largest L1 norm, all writers together."""
    keep = {}
    for group, convs in coupled_groups(model).items():
        rows = [model.get_submodule(name).weight.detach().flatten(1) for name in convs]
        keep[group] = filter_mask(torch.cat(rows, dim=1)[:, :, None, None], sparsity)
    return keep


def silenced(model: nn.Module, keep: dict[str, Tensor]) -> nn.Module:
    """The masked network: same size, all filters outside `keep` silent."""
    masked = copy.deepcopy(model)
    for group, convs in coupled_groups(model).items():
        for name in convs:
            bn = name.replace("downsample.0", "downsample.1").replace("conv", "bn")
            silence_filters(masked.get_submodule(name), masked.get_submodule(bn), keep[group])
    return masked


# %% [markdown]
# ## Exercise 5 · Cut a layer on both sides  (10 minutes, 2 points)
#
# ★☆☆ · You will make one layer smaller on both sides.
#
# In a network where every group loses channels, most convolutions lose on both sides: filters,
# because their own group shrinks, and inputs, because the stream that they read does. `cut` does
# both at once, and cuts the BN behind the convolution, too.
#
# <details><summary>Hint 1</summary>
#
# It is lab 1's `remove_filters` with another second half: rows by `filters`, columns by `inputs`.
# Start from deep copies.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Two masks in one pair of brackets pick *pairs*. Index twice: first one dimension, then the other.
#
# </details>

# %% exercise="cut"

# %% check="cut" points=2

# %% [markdown]
# <details><summary>Go further</summary>
#
# Write the same for a grouped convolution: which inputs belong to which filters?
#
# </details>
#
# ## Exercise 6 · Option A after pruning  (15 minutes, 3 points)
#
# ★★★ · You will follow channels through a padding that has no weights.
#
# Between the stages the shortcut changes the number of channels. Option B does it with a 1x1
# convolution: `cut` will do. Option A has no weights: it takes every second pixel and pads with
# channels of zeros, half of them before, half behind. So channel 0 of the first stage becomes
# channel 8 of the second, 1 becomes 9, and so on.
#
# Once channels are missing on either side, "half before, half behind" is wrong. The right thing is
# a list of links: each says which of the channels that still arrive goes to which of those that are
# wanted. Write `shortcut_links`.
#
# By hand, in two lines: 2 channels lead to 4, so option A links 0 -> 1 and 1 -> 2. Input 0 goes and
# output 1 goes, so only 1 -> 2 survives. Now count among those that are kept: input 1 is the first
# one (0), output 2 is the second of 0, 2, 3 (1). The answer is 0 -> 1.
#
# <details><summary>Hint 1</summary>
#
# First in the old numbers: link i -> i + before survives if both of its ends do.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Then renumber: the new number of a kept channel is the number of kept channels before it.
# `cumsum` of a mask, less 1, is just that; so is `some_mask[keep].nonzero()`.
#
# </details>

# %% exercise="shortcut_links"

# %% check="shortcut_links" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Choose the kept channels so that option A loses as few links as possible. Does the accuracy
# notice?
#
# </details>
#
# ## Exercise 7 · The whole ResNet-20  (20 minutes, 5 points)
#
# ★★★ · You will shrink a whole network with its additions.
#
# Now put it together. Follow the stream through the network: in each block, what arrives, what
# does the middle keep, what leaves? `SelectShortcut(sources, targets, c_out)` is a ready module
# that does what your links say. The check compares with the masked network, for both options.
#
# <details><summary>Hint 1</summary>
#
# Start from a deep copy. Keep a variable for the mask of the stream that arrives: all three
# colours at the stem, then `keep["layer1"]`, from the first block of a stage on that stage's mask.
#
# </details>
# <details><summary>Hint 2</summary>
#
# In a block: conv1 reads the stream and writes the middle, conv2 reads the middle and writes the
# stage's stream, the shortcut (if there is one) reads the stream and writes the stage's stream.
# `shortcut[0], shortcut[1] = cut(...)` replaces the two layers of option B.
#
# </details>
# <details><summary>Hint 3</summary>
#
# At the end: the columns of `fc.weight`, and `fc.in_features`.
#
# </details>

# %% exercise="shrink_resnet"

# %% check="shrink_resnet" points=5

# %% [markdown]
# <details><summary>Go further</summary>
#
# Do the same with `torch.fx`: find conv, BN and additions from the graph, without knowing the
# architecture.
#
# </details>
#
# Does it hold for the trained network? Half of all channels go, in every group.

# %%
keep = keep_strongest(model, sparsity=0.5)
masked, small = silenced(model, keep), shrink_resnet(model, keep)
with torch.inference_mode():
    difference = (masked(frames) - small(frames)).abs().max().item()
print(f"equal to 1e-4: {difference < 1e-4}")
for name, network in {"masked": masked, "shrunk": small}.items():
    parameters, macs = counters.parameters(network), counters.macs(network)
    print(f"{name}: {parameters:>8,} parameters, {macs:>11,} MACs")

# %% [markdown]
# The same function, a quarter of the multiplications, and no zero in sight.
#
# **Play:** take more away, or less. The channels of each group, and what is left of parameters,
# MACs and right answers (on 200 images, without any training afterwards).


# %%
few = data.subset("val")[:200]


def smaller(sparsity: float) -> plt.Figure:
    """The shrunk network, drawn."""
    keep = keep_strongest(model, sparsity)
    network = shrink_resnet(model, keep)
    figure, axes = plt.subplots(figsize=(9, 2.6))
    axes.bar(list(keep), [len(k) for k in keep.values()], color="#dddddd")
    axes.bar(list(keep), [int(k.sum()) for k in keep.values()], color=plots.BLUE)
    axes.tick_params("x", rotation=60)
    left = counters.parameters(network), counters.macs(network), accuracy(network, few)
    title = "{:,} parameters, {:,} MACs, {:.0%} right".format(*left)
    axes.set(ylabel="channels", title=title)
    return figure


slider(smaller, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], start=0.3)

# %% [markdown]
# ## The promise and the clock
#
# The **MAC ratio** is MACs before / MACs after, the **speed-up** is *time* before / time after.
# Papers often report the first *as* the second. The distance between them is what this lab is
# about.
#
# **Predict:** with half of its channels gone the network has four times fewer MACs. How many times
# faster is it?

# %%
my_speedup_of_half = None  # your prediction, e.g. 4

# %%
contestants: dict[str, nn.Module] = {"dense": model, "masked 50 %": masked}
for share in (0.3, 0.5, 0.7):
    contestants[f"shrunk {share:.0%}"] = shrink_resnet(model, keep_strongest(model, share))
for width in (11, 8, 5):  # as many channels as are left above; the weights do not matter here
    contestants[f"narrow, width {width}"] = ResNet20(width).eval()
promised = {name: counters.macs(model) / counters.macs(m) for name, m in contestants.items()}
promised["masked 50 %"] = promised["shrunk 50%"]  # the same function, so the same promise

# %%
# NBVAL_IGNORE_OUTPUT
# (times differ from run to run)
measured = {}
for batch in (1, 64):
    seconds = race(passes(contestants, frames[:batch]), warmup=2, rounds=15)
    measured[batch] = {name: seconds["dense"] / s for name, s in seconds.items()}
print(f"{'':<20}{'MAC ratio':>10}{'batch 1':>10}{'batch 64':>10}")
for name in contestants:
    columns = (promised[name], measured[1][name], measured[64][name])
    print(f"{name:<20}" + "".join(f"{number:10.2f}" for number in columns))

# %%
_, axes = plt.subplots(figsize=(7, 4.4), layout="constrained")
kinds = {"masked": (plots.GREY, "X"), "shrunk": (plots.BLUE, "o"), "narrow": (plots.GREEN, "s")}
for batch, fill in ((1, "none"), (64, "full")):
    for kind, (colour, marker) in kinds.items():
        names = [n for n in contestants if n.startswith((kind, "dense"))]
        points = [promised[n] for n in names], [measured[batch][n] for n in names]
        label = f"{kind}, batch {batch}"
        axes.plot(*points, ":", marker=marker, color=colour, fillstyle=fill, label=label)
axes.plot([1, 11], [1, 11], color=plots.ORANGE)
turned = {"rotation": 45, "transform_rotates_text": True, "rotation_mode": "anchor"}
axes.text(5, 5.15, "what the MACs promise", color=plots.ORANGE, **turned)
if my_speedup_of_half is not None:
    axes.plot(promised["shrunk 50%"], my_speedup_of_half, "*", color=plots.PINK, markersize=16)
axes.set(xlabel="MAC ratio", ylabel="measured speed-up", ylim=(0, 8))
axes.set(title="Half the channels are not four times the speed")
axes.legend(frameon=False, loc="upper left")
plt.show()

# %% [markdown]
# Three things to take from this picture:
#
# 1. The masked network promises as much as the shrunk one, and keeps none of it.
# 2. The shrunk networks are really faster, and really below the promise. Small layers keep the
#    processor less busy: what remains is the fixed price of each layer and the traffic of feature
#    maps, which shrink with the channels, not with their square.
# 3. A network that was *built* that narrow is just as fast. In shape there is no difference: what
#    pruning adds, if anything, is in the weights.
#
# ### For free: fold the BN
#
# Before you believe in the speed of any network, make it ready to run. In evaluation mode a batch
# normalisation is a scale and a shift per channel, which can be folded into the convolution before
# it. And the layout in memory counts: *channels last* keeps the channels of a pixel together. Both
# change no output beyond rounding, and both are open to the dense network, too. So compare with
# *that* one. `ready_to_run` does both.

# %%
# NBVAL_IGNORE_OUTPUT
# (times differ from run to run)
plain = {"dense": model, "shrunk 50 %": small}
layouts = {1: False, 64: True}  # what is faster for one image need not be so for 64
for batch, channels_last in layouts.items():
    folded = {f"{n}, ready": ready_to_run(m, channels_last) for n, m in plain.items()}
    runs = passes(plain, frames[:batch])
    layout = torch.channels_last if channels_last else torch.contiguous_format
    runs |= passes(folded, frames[:batch].contiguous(memory_format=layout))
    seconds = race(runs, warmup=2, rounds=15)
    print(f"batch {batch}: " + ", ".join(f"{n} {1000 * s:.2f} ms" for n, s in seconds.items()))

# %% [markdown]
# ## Exercise 8 · The fastest network at an accuracy  (20 minutes, 4 points)
#
# ★★★ · An open task: *you* decide. There are many right answers.
#
# The camera's owner says: "Save 30 % of the multiplications, train nothing, and keep 65 % of the
# answers right." The nine free convolutions may lose filters, those with the smallest L1 norms
# first. How many does each layer keep? With the same share of every layer you miss the target by
# far. What helps is the lecture's second question, asked of layers: how sensitive is each one? Here
# is a scan. It was measured on the first 400 held-out images, one layer at a time.

# %%
import json
import random

record = json.loads((checkpoints.ASSETS / "speed-scan.json").read_text(encoding="utf-8"))
scan = {n: {int(w): a for w, a in row.items()} for n, row in record["scan"].items()}
price = record["macs"]  # MACs saved per filter that goes
_, axes = plt.subplots(figsize=(9, 3.4), layout="constrained")
for (name, row), colour in zip(scan.items(), [*plots.COLOURS, plots.GREY, plots.YELLOW, "black"]):
    gone = [price[name] * (max(row) - width) / 1e6 for width in row]
    axes.plot(gone, [100 * a for a in row.values()], "o-", color=colour, label=name)
axes.set(xlabel="MACs saved in this layer alone (millions)", ylabel="accuracy (%)", ylim=(35, 97))
axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# Which layers give MACs away for free? Which would you not touch? Write `choose_widths`. The check
# measures the network that your numbers make on images that are shifted and mirrored at random, the
# grader on test images that you do not have. MACs decide, not seconds: a mark must not depend on
# the machine.
#
# <details><summary>Hint 1</summary>
#
# Walk in small steps from the full network: each step takes one layer to one of its smaller widths.
# Which step first?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Each step has a price: the accuracy that it loses (by the scan) per MAC that it saves. Another
# idea that works: let every layer lose the same accuracy, as little as meets the budget.
#
# </details>

# %% exercise="choose_widths"

# %% check="choose_widths" points=4

# %% [markdown]
# <details><summary>Go further</summary>
#
# The check honours, without points, a network that saves 35 % at 65 % right. The scan changes one
# layer at a time, and losses do not simply add up: after every few steps, scan again. Or keep the
# filters by another score than the L1 norm (then measure by yourself; the check uses L1).
#
# </details>
#
# Where are you among the known answers? Eight choices by chance, the same share of every layer, and
# yours, for three budgets each, on 400 test images.


# %%
def narrowed(widths: dict[str, int]) -> nn.Module:
    """The network with so many filters in its free convolutions: the strongest ones."""
    groups = keep_strongest(model, 0.0)
    for name, kept in widths.items():
        norms = model.get_parameter(f"{name}.weight").detach().abs().sum(dim=(1, 2, 3))
        groups[name] = torch.zeros(len(norms), dtype=torch.bool)
        groups[name][norms.topk(kept).indices] = True
    return shrink_resnet(model, groups)


def by_chance(budget: int, seed: int) -> dict[str, int]:
    """Random layers go down to random widths of the scan, until the budget is met."""
    dice, widths = random.Random(seed), {name: max(row) for name, row in scan.items()}
    while sum(price[n] * (max(row) - widths[n]) for n, row in scan.items()) < budget:
        name = dice.choice(list(scan))
        widths[name] = min(widths[name], dice.choice(list(scan[name])))
    return widths


def same_share(budget: int) -> dict[str, int]:
    """Every layer loses the same share."""
    for left in range(64, 0, -1):
        widths = {name: max(1, max(row) * left // 64) for name, row in scan.items()}
        if sum(price[n] * (max(row) - widths[n]) for n, row in scan.items()) >= budget:
            return widths
    raise ValueError("the budget is too large")


whole = counters.macs(model)
budgets = [round(share * whole) for share in (0.2, 0.3, 0.4)]
choices = {
    "yours": [choose_widths(scan, price, budget) for budget in budgets],
    "same share": [same_share(budget) for budget in budgets],
    "chance": [by_chance(budgets[1], seed) for seed in range(8)],
}
found = {label: [narrowed(widths) for widths in several] for label, several in choices.items()}

# %%
_, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
looks = {"yours": ("o-", plots.RED), "same share": ("s-", plots.BLUE), "chance": ("x", plots.GREY)}
for label, several in found.items():
    places = [100 * counters.macs(network) / whole for network in several]
    right = [100 * accuracy(network, images[:400]) for network in several]
    axes.plot(places, right, looks[label][0], color=looks[label][1], label=label)
axes.plot(
    [70, 70, 50], [100, 65, 65], ":", color=plots.GREEN, label="the target: above, to the right"
)
axes.set(xlabel="MACs left (%)", ylabel="accuracy without training (%)", ylim=(0, 100))
axes.set_xlim(85, 50)
axes.legend(frameon=False, loc="lower left")
plt.show()

# %%
# NBVAL_IGNORE_OUTPUT
# (times differ from run to run)
rivals = {"dense": model, "yours": found["yours"][1], "same share": found["same share"][1]}
seconds = race(passes(rivals, frames[:1]), warmup=2, rounds=15)
for name, s in seconds.items():
    print(f"{name:<12}{counters.macs(rivals[name]):>12,} MACs {1000 * s:6.2f} ms")

# %% [markdown]
# Two networks of equal MACs need not be equally fast either: the layers of the first stage have the
# largest feature maps, and moving these takes time as well.
#
# ## The control: a narrow network
#
# If a shrunk network is only a narrow one with inherited weights, then one question decides
# whether pruning was worth it: is it more accurate than a network of that width that was *trained*
# that way? Here the shrunk half of the trained network gets a short fine-tuning on 4,000 images.
# Its opponent is a ResNet-20 of width 8, with the same number of channels and MACs, trained from
# scratch on all training images.
#
# **Predict:** their accuracies, in percent.

# %%
my_accuracies = {"shrunk": None, "fine-tuned": None, "narrow": None}  # your predictions

# %%
# NBVAL_IGNORE_OUTPUT
# (a short training in floating point ends a little differently elsewhere)
tuned = copy.deepcopy(small)
recipe = Recipe(epochs=3, lr=triangular(0.1), batch_size=64)
train(tuned, data.subset("train"), recipe, progress=False)
narrow = checkpoints.trained(8)
rivals = {"dense": model, "shrunk": small, "fine-tuned": tuned, "narrow": narrow}
final = {name: 100 * accuracy(network, images) for name, network in rivals.items()}
for name, network in rivals.items():
    print(f"{name:<11}{counters.macs(network):>11,} MACs  {final[name]:5.1f} %")

# %%
_, axes = plt.subplots(figsize=(6.5, 2.6), layout="constrained")
half = [100 * plots.confidence(a / 100, len(images)) for a in final.values()]
axes.barh(list(final), list(final.values()), xerr=half, color=[plots.GREY, *plots.COLOURS[:3]])
for name, guess in my_accuracies.items():
    if guess is not None:
        axes.plot(guess, name, "*", color=plots.PINK, markersize=14)
axes.set(xlabel="accuracy on test images (%), with 95 % confidence", xlim=(0, 100))
axes.invert_yaxis()
plt.show()

# %% [markdown]
# Half of the channels at one stroke is a lot, and three short epochs on a twelfth of the data is
# little: with more of both (and the methods of lab 3) the fine-tuned network climbs. But the
# narrow network is the bar, and an honest report of pruning shows it.
#
# ### Question B  (5 minutes, 3 points)
#
# The colleague from the beginning comes back with a paper that reports "4x speed-up", meaning MACs.
# What would you ask before you put it into the camera? Name three measurements or controls from
# this lab, each with one sentence that says why.

# %% [markdown] answer="what_to_ask" points=3
# *Model answer.* Any three of: the *time* on the camera's own processor, at the batch size that it
# uses (one frame), because MACs overstate the gain; how it was timed (warm-up, median, turns,
# threads), because a single run may say anything; against which baseline, because a dense network
# with BN folded is faster at no cost; whether weights were really removed or only masked, because
# zeros cost as much as other numbers; for single weights, the bytes *with* indices; the accuracy
# of a narrow network of equal MACs or equal time, because that is what pruning has to beat.
#
# *Marking.* 1 point each, up to 3, for a measurement or control that this lab used, with its
# reason. A name without a reason: half a point.

# %% [markdown]
# ## What you can show
#
# You shrank a whole ResNet-20, additions and all, to a network that computes the same as the
# masked one. You can say what it is worth in bytes, in MACs and in milliseconds, and you know the
# three controls that many reports leave out: the clock, the dense network made ready, and the
# narrow network. The picture to take home is *The promise and the clock*.

# %% [markdown]
# ## Hand in
#
# Save (Ctrl+S), then run this cell and click: it runs the saved notebook from top to bottom, says
# what would cost you points, and packs the file that you hand in. You can do so as often as you
# like.

# %%
from pruninglab.hand_in import hand_in

hand_in()
