# %% [markdown]
# # Lab 3 · Methods
#
# **When to remove, and how to train around it**
#
# Lab 1 cut the camera's network down to 512 KiB and left a ruin. So now we train. *When* do the
# weights go: all at once, in rounds, or a few at a time? And which learning rate heals a network?
#
# | part | exercises | minutes | points |
# |---|---|---|---|
# | Train around zeros | 1 zeros that stay zero | 15 | 3 |
# | When to remove | 2 in rounds · 3 by the cube | 22 | 4 |
# | When and how to retrain | 4 the learning rate · 5 prune and retrain | 25 | 5 |
# | Other ways | 6 soft pruning · 7 a penalty | 28 | 8 |
# | Which is best? | 8 an honest comparison · 9 a schedule of your own | 48 | 10 |

# %%
from importlib.util import find_spec

if not (find_spec("pruninglab") and find_spec("pruninglab.labs.methods")):
    raise ModuleNotFoundError("%pip install FOLDER, the unpacked zip that this lab came in")

from IPython.display import Image

from pruninglab.checkpoints import ASSETS

Image(
    str(ASSETS / "opening-methods.png"),
    width=900,
    alt="Four methods over 36 training steps, the sparsity above, the learning rate below: at once "
    "with a low rate, at once with rates rewound, in two rounds, and little by little",
)

# %% [markdown]
# Do the weights go for good, or may they come back? Papers differ in little else. You will compare
# four methods, fairly, and the camera gets its network.
#
# To train in seconds we take a *narrow* ResNet-20, with 4, 8 and 16 filters in its stages instead
# of 16, 32 and 64. It has little to spare, so differences between methods show.

# %%
import copy
import itertools
import json
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from pruninglab.labs.methods import check
from pruninglab.labs.methods.toolbox import (
    filter_mask,
    free_convs,
    global_masks,
    local_masks,
    remove_filters,
)
from torch import Tensor, nn
from torch.nn import functional as F

from pruninglab import checkpoints, counters, data, plots
from pruninglab.checks import schedules
from pruninglab.data import Images
from pruninglab.masks import random_masks
from pruninglab.models import prunable
from pruninglab.sliders import slider
from pruninglab.training import accuracy, triangular

Masks = dict[str, Tensor]  # parameter name -> bool tensor, True = keep
Batch = tuple[Tensor, Tensor]  # images x (N, 3, 32, 32) and labels y (N,)
plt.rcParams["figure.figsize"] = (7, 3.2)  # of pictures that do not say
torch.set_num_threads(1)  # enough for a small network; and the results do not depend on it

dense = checkpoints.trained(4).to(memory_format=torch.channels_last)
images, val, test = (data.subset(split) for split in ("train", "val", "test"))
print(f"{counters.prunable_weights(dense):,} prunable weights")

# %% [markdown]
# All words of the seven labs, to unfold:

# %%
from pruninglab.glossary import glossary

glossary()

# %% [markdown]
# The network was trained on CIFAR-10; here it sees 4,000 of the training images again. All
# accuracies on the way are on 1,000 *validation* images, which no training has seen. The 2,000
# *test* images stay closed until the end.
#
# Three things that everything below uses: an endless stream of augmented batches, the optimizer
# (SGD with momentum *and* weight decay, as in the papers), and the criterion of Lab 1.


# %%
def stream(seed: int, batch_size: int = 64):
    """Batches of training images without end; the same seed gives the same ones."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from data.batches(images, batch_size, train=True, generator=generator)


def take(batches, steps: int) -> list[Batch]:
    """The next `steps` batches."""
    return list(itertools.islice(batches, steps))


def sgd(model: nn.Module) -> torch.optim.SGD:
    """The optimizer. Its learning rate is set in each step."""
    return torch.optim.SGD(
        model.parameters(), lr=0.0, momentum=0.9, nesterov=True, weight_decay=5e-4
    )


def smallest_go(model: nn.Module, sparsity: float) -> Masks:
    """Global magnitude pruning: masks of the whole network."""
    return global_masks({n: w.detach().abs() for n, w in prunable(model).items()}, sparsity)


# %% [markdown]
# ## Exercise 1 · Zeros that stay zero  (15 minutes, 3 points)
#
# ★★☆ · You will train so that pruned weights stay exactly zero.
#
# A pruned weight is zero, and the next training step moves it: it has a gradient like any other.
# SGD with momentum m and weight decay λ takes the gradient g and computes
#
# ```
#   g ← g + λ·w
#   v ← m·v + g          v, the momentum, remembers the gradients of earlier steps
#   w ← w - lr·v         (Nesterov's variant: w ← w - lr·(g + m·v))
# ```
#
# Write the training loop `train_masked`, which keeps pruned weights at zero: exactly, and not
# "about 1e-9". The optimizer may come from a dense training that has just ended. The learning
# rate of each step comes from outside, because Exercise 4 is about it.
#
# <details><summary>Hint 1</summary>
#
# The usual loop first: training mode, zero the gradients, `F.cross_entropy(model(x), y)`,
# backward, step. The learning rate is `optimizer.param_groups[0]["lr"]`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Which line of the loop moves weights? What has to happen right after it, and once before the
# loop?
#
# </details>
# <details><summary>Hint 3</summary>
#
# `weight.data[~mask] = 0` changes the parameter that the optimizer knows. A new `nn.Parameter`
# would be one that it does not know.
#
# </details>

# %% exercise="train_masked"

# %% check="train_masked" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Do the same with a hook on the optimizer (`register_step_post_hook`).
#
# </details>
#
# Is masking in every step really needed? Two lazier ways: set the weights to zero **once**, or
# mask the **gradients**, so that a pruned weight gets none. Both start from 80 % sparsity after a
# few steps of dense training.
#
# **Predict:** after 10 steps with masked gradients, how large is the mean magnitude of the pruned
# weights, as a share of that of the kept ones?

# %%
my_share = None  # your prediction, e.g. 0.5


# %%
def pruned_size(how: str) -> list[float]:
    """Mean |w| of the pruned weights / of the kept ones: at the start and after each step."""
    model, batches, sizes = copy.deepcopy(dense), stream(seed=0), [0.0]
    optimizer = sgd(model)
    train_masked(model, optimizer, {}, take(batches, 5), 5 * [0.02])  # dense
    masks, weights = smallest_go(model, 0.8), prunable(model)
    train_masked(model, optimizer, masks, [], [])  # no step, but the weights are zero now
    if how == "gradients masked":
        for name, mask in masks.items():
            weights[name].register_hook(lambda grad, mask=mask: grad * mask)
    for batch in take(batches, 10):
        train_masked(model, optimizer, masks if how == "yours" else {}, [batch], [0.02])
        size = {
            on: [w.detach()[masks[n] == on] for n, w in weights.items()] for on in (False, True)
        }
        pruned, kept = (torch.cat(size[on]).abs().mean().item() for on in (False, True))
        sizes.append(pruned / kept)
    return sizes


ways = {how: pruned_size(how) for how in ("masked once", "gradients masked", "yours")}

# %%
for (how, sizes), colour in zip(ways.items(), plots.COLOURS, strict=False):
    plt.plot(sizes, "o-", color=colour, label=how)
if my_share is not None:
    plt.plot(10, my_share, "*", markersize=15, color=plots.RED, label="you")
plt.xlabel("training step after pruning")
plt.ylabel("mean |w|: pruned / kept")
plt.legend(frameon=False)
plt.show()
assert max(ways["yours"]) == 0, "pruned weights came back"

# %% [markdown]
# Masked gradients look right, but the first step already revives every pruned weight: its
# *momentum* still remembers the dense training and carries on for many steps. (Once a weight has
# moved, weight decay pulls it back, slowly and never to zero.) Such a network is reported as 80 %
# sparse, and is dense. Only a mask after each step is safe whatever the optimizer does.

# %% [markdown]
# ## Exercise 2 · In rounds  (10 minutes, 2 points)
#
# ★★☆ · You will prune a share of what remains.
#
# [Han et al. (2015)](https://arxiv.org/abs/1506.02626) do not prune at once but in rounds: prune a
# little, retrain, prune a little more of what is left. Today's usual form takes a fixed share p of
# the *remaining* weights each round (their own threshold is a multiple of each layer's standard
# deviation: see Lab 4). Write `prune_remaining`, one such round.
#
# **Predict:** with p = 20 %, what is the sparsity after three rounds, and how many rounds bring
# the network to 90 % or more?

# %%
my_sparsity, my_rounds = None, None  # your prediction, e.g. 0.6, 5

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# What is gone may have any value; zero is likely, but not sure. Give it a score below all others,
# and it comes first in every ranking.
#
# </details>
# <details><summary>Hint 2</summary>
#
# How many are to be False in the end? Those that are gone, and `round(share * remaining)` more.
# As a share of all weights that is a sparsity, and `global_masks(scores, sparsity)` of Lab 1 is
# in the toolbox.
#
# </details>

# %% exercise="prune_remaining"

# %% check="prune_remaining" points=2

# %% [markdown]
# <details><summary>Go further</summary>
#
# Prune a share of each *layer* per round instead, and compare the layers' densities.
#
# </details>

# %%
weights = prunable(dense)
masks = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
total = counters.prunable_weights(dense)
for k in range(1, 12):
    masks = prune_remaining(weights, masks, 0.2)
    kept = sum(int(mask.sum()) for mask in masks.values())
    print(f"round {k:>2}: {kept:>6,} weights left, sparsity {1 - kept / total:.1%}")
print(f"you: {my_sparsity} after three rounds, 90 % after {my_rounds}")

# %% [markdown]
# Three times 20 % is 48.8 %, since 0.8 · 0.8 · 0.8 = 0.512 remains: the density is 0.8^k. Each
# round takes fewer weights than the one before, and it takes eleven to pass 90 %.

# %% [markdown]
# ## Exercise 3 · By the cube  (12 minutes, 2 points)
#
# ★☆☆ · You will follow a schedule of sparsity, step by step.
#
# [Zhu & Gupta (2017)](https://arxiv.org/abs/1710.01878) never stop training. Every Δt steps the
# masks are chosen again, a little sparser, following a curve: fast at first, while there is plenty
# of redundancy, and slowly at the end. Their equation 1, with s_i and s_f the initial and final
# sparsity, t_0 the step of the first update and n updates after it:
#
# s_t = s_f + (s_i - s_f) · (1 - (t - t_0) / (n · Δt))³
#
# **Predict:** s_i = 0, s_f = 0.8. How sparse is the network after a *quarter* of the way?

# %%
my_quarter = None  # your prediction

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# How many updates are done at step t? `//` counts them. The fraction in the equation is that
# number, divided by n.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Before t_0 the fraction would be negative, after the last update larger than 1: `min` and `max`.
#
# </details>

# %% exercise="cubic_sparsity"

# %% check="cubic_sparsity" points=2

# %% [markdown]
# <details><summary>Go further</summary>
#
# Replace the cube by a first and a fifth power, and run the contest with them.
#
# </details>

# %%
steps = range(121)
rounds = [1 - 0.2 ** ((t // 30 + 1) / 4) if t < 120 else 0.8 for t in steps]  # 4 rounds to 80 %
cubic = [cubic_sparsity(t, start=0, every=8, updates=8, final=0.8) for t in steps]
curves = {"at once": [0.8 for _ in steps], "in 4 rounds": rounds, "cubic, every 8 steps": cubic}
for (name, curve), colour in zip(curves.items(), plots.COLOURS, strict=False):
    plt.step(steps, curve, where="post", color=colour, label=name)
if my_quarter is not None:
    plt.plot(16, my_quarter, "*", markersize=15, color=plots.RED, label="you")
plt.gca().set(xlabel="training step", ylabel="sparsity", ylim=(0, 0.9))
plots.percent_axis(plt.gca())
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# A quarter of the way is step 16: 0.8 · (1 - 0.75³) = 46 % of the weights are gone, more than half
# of the goal. The last updates take hardly any. After them, from step 64 on, the network has
# time to heal at its final sparsity.
#
# What do the three do to the weights? Below, a layer of our network with the masks of one step
# (blue: kept). Move the slider: one way makes its cut before the first step of training, one in
# jumps, one in slices that get thinner.


# %%
def at_step(step: int) -> Figure:
    """The schedules at one step, and what they leave of a layer."""
    figure, axes = plt.subplots(
        1, 4, figsize=(11, 2.6), layout="constrained", width_ratios=(1.5, 1, 1, 1)
    )
    for (name, curve), ax, colour in zip(curves.items(), axes[1:], plots.COLOURS, strict=False):
        axes[0].step(steps, curve, where="post", color=colour)
        mask = smallest_go(dense, curve[step])["layer3.1.conv1.weight"]
        plots.show_tensor(ax, mask, f"{name}:\n{curve[step]:.0%} of all weights gone")
        ax.set(xlabel="weights of a filter", ylabel="filter")
        ax.title.set_color(colour)
    axes[0].axvline(step, color=plots.GREY, linestyle=":")
    axes[0].set(xlabel="training step", ylabel="sparsity", ylim=(0, 0.9), title=f"step {step}")
    plots.percent_axis(axes[0])
    return figure


slider(at_step, list(range(0, 121, 4)), start=16, label="step")

# %% [markdown]
# (The weights stand still here, so that you see the schedule alone. In training they move between
# two updates, and each update asks again which are the smallest.)

# %% [markdown]
# ## Exercise 4 · With which learning rate?  (10 minutes, 2 points)
#
# ★☆☆ · You will tell fine-tuning from LR-rewinding.
#
# A training starts with a high learning rate and ends with a low one. At which one should the
# pruned network go on?
#
# - **Fine-tuning** holds the last learning rate: the network is nearly finished, be careful.
# - **LR-rewinding** ([Renda et al. 2020](https://arxiv.org/abs/2003.02389)) keeps the trained
#   *weights*, but sets the clock of the *schedule* back by as many epochs as are retrained, and
#   plays it to its end again.
#
# Write `retraining_lrs`, which gives the rate of every step.
#
# <details><summary>Hint 1</summary>
#
# First one learning rate per *epoch*: a slice from the end of the list, or the last one repeated.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Then each of them `steps_per_epoch` times. The order matters: 1, 1, 1, 2, 2, 2 and not 1, 2, 1,
# 2, 1, 2.
#
# </details>

# %% exercise="retraining_lrs"

# %% check="retraining_lrs" points=2

# %% [markdown]
# <details><summary>Go further</summary>
#
# Add a warm-up of three steps before the rewound rates. Does it help in 36 steps?
#
# </details>
#
# An example. A training of six epochs had the rates 1, 2, 3, 2, 1, 0.5, and we retrain for four:
#
# ```
#   fine-tuning    0.5  0.5  0.5  0.5      the last rate, held
#   LR-rewinding   3    2    1    0.5      the last four epochs, played again
# ```
#
# Our checkpoint was trained for far more steps than a lab can afford. So we squeeze its schedule, a
# triangle, into six short epochs of 9 batches. Retraining takes four of them: 36 steps. We also
# divide all rates by four, because the batches are half as large and a short training forgives
# less.
#
# Renda et al. do not squeeze. With their schedule for ResNet-20, the last quarter of the training
# has a constant rate, so rewinding by less than that *is* fine-tuning.

# %%
EPOCH = min(9, len(images) // 64)  # steps; fewer where nbgrader grades, with few images
EPOCHS = 4  # of retraining
STEPS = EPOCH * EPOCHS
whole = triangular(checkpoints.CHOSEN["peak"] / 4)
epoch_lrs = [whole((epoch + 0.5) / 6) for epoch in range(6)]
fine_tuning = retraining_lrs(epoch_lrs, EPOCHS, EPOCH, rewind=False)
rewinding = retraining_lrs(epoch_lrs, EPOCHS, EPOCH, rewind=True)
training = [lr for lr in epoch_lrs for _ in range(EPOCH)]
plt.step(range(6 * EPOCH), training, color=plots.GREY, label="training (squeezed)")
after = range(6 * EPOCH, 6 * EPOCH + STEPS)
plt.step(after, fine_tuning, color=plots.BLUE, label="fine-tuning")
plt.step(after, rewinding, color=plots.ORANGE, label="LR-rewinding")
plt.axvline(6 * EPOCH, color=plots.GREY, linestyle=":")
plt.gca().set(xlabel="step", ylabel="learning rate", ylim=(0, None))
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# **Predict**, for later: which one will heal a network of 80 % sparsity better in 36 steps?

# %%
my_favourite = None  # "fine-tuning" or "LR-rewinding"

# %% [markdown]
# ## Exercise 5 · Prune and retrain  (15 minutes, 3 points)
#
# ★★☆ · You will write the loop that most methods share.
#
# One loop carries most of the field: choose masks, set to zero, retrain, and again. With one
# round it is removal at once, with rounds it is Han's, with a round every few steps it is Zhu &
# Gupta's. Write `prune_and_retrain`. Two traps: the *weights* live on from round to round (other
# methods put them back), and `steps` is the budget of all rounds together. A method that trains
# three times as long is not better, it is trained three times as long.
#
# <details><summary>Hint 1</summary>
#
# Inside the loop over `sparsities`: ask `choose_masks` (it looks at the weights as they are
# *now*), set the pruned weights to zero, call `retrain` with its share of the steps.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The line that sets weights to zero is the same as in Exercise 1.
#
# </details>

# %% exercise="prune_and_retrain"

# %% check="prune_and_retrain" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Put the weights back to their dense values before each round (a lottery ticket, [Frankle & Carbin
# 2019](https://arxiv.org/abs/1803.03635)).
#
# </details>
#
# Watch it work: three rounds to 80 %, and the accuracy before and after each retraining.
# **Predict** the accuracy on val right after the *first* pruning (42 % of the weights go) and at
# the end.

# %%
my_first, my_end = None, None  # your predictions, 0 to 1

# %%
sparsities = [1 - 0.2 ** (k / 3) for k in (1, 2, 3)]
watched = copy.deepcopy(dense)
batches = stream(seed=0)
trace = [accuracy(dense, val)]


def retrain_and_watch(model: nn.Module, masks: Masks, steps: int) -> None:
    """Rewind the learning rate in each round; measure before and after."""
    trace.append(accuracy(model, val))
    lrs = retraining_lrs(epoch_lrs, 2, EPOCH, rewind=True)
    train_masked(model, sgd(model), masks, take(batches, steps), lrs)
    trace.append(accuracy(model, val))


masks = prune_and_retrain(watched, sparsities, 6 * EPOCH, smallest_go, retrain_and_watch)
assert not any(w[~masks[name]].any() for name, w in prunable(watched).items())
print(f"sparsity {counters.sparsity(watched):.1%}")

# %%
at = [EPOCH * epoch for epoch in (0, 0, 2, 2, 4, 4, 6)]  # the steps of the measurements
plt.plot(at, trace, "o-", color=plots.BLUE)
for k, s in enumerate(sparsities):
    plt.text(at[2 * k + 1] + 1, trace[2 * k + 1], f"{s:.0%} pruned", va="top", fontsize=8)
for step, guess in ((0, my_first), (at[-1], my_end)):
    if guess is not None:
        plt.plot(step, guess, "*", markersize=15, color=plots.RED)
plt.axhline(trace[0], color=plots.GREY, linestyle=":")
plt.gca().set(xlabel="training step", ylabel=f"accuracy on {len(val)} val images", ylim=(0, 1))
plt.show()

# %% [markdown]
# A sawtooth: each cut goes lower than the one before. Retraining brings back nearly all of the
# second, and three quarters of the third. (Part of it comes from batch normalisation alone, whose
# running statistics still described the network before the cut. Lab 2 named that confounder.)

# %% [markdown]
# ## Exercise 6 · Soft pruning  (15 minutes, 3 points)
#
# ★★☆ · You will let pruned filters grow back.
#
# So far, what is gone is gone. [He et al. (2018)](https://arxiv.org/abs/1808.06866) decide nothing
# so early: **soft filter pruning** (SFP) sets the weakest *filters* of each convolution to zero
# after every epoch, and then trains *all* of them on. A filter that deserves it grows back, and
# another one goes. Only the last pruning is final. They rank by the L2 norm, within each layer.
#
# Write `soft_filter_pruning`.
#
# <details><summary>Hint 1</summary>
#
# Two loops: epochs outside, steps inside. After the inner one: norms, choice, zeros.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `conv.weight.detach().flatten(1).norm(dim=1)` has one norm per filter. A dict of them is a dict
# of scores, and "the same share of each layer" is Lab 1's `local_masks`.
#
# </details>

# %% exercise="soft_filter_pruning"

# %% check="soft_filter_pruning" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Set β of zeroed filters to 0.1. Predict their norms one step later, then look.
#
# </details>
#
# **Predict:** half of the 16 filters of a late layer are zeroed after the first epoch. How many
# of *those* eight will be among the eight that are gone at the end, after six epochs?

# %%
my_still_gone = None  # your prediction, 0 to 8

# %%
soft = copy.deepcopy(dense).train()
optimizer, batches, log, shifts, slopes = sgd(soft), stream(seed=0), [], [], []
watched_conv = soft.layer3[1].conv1


def one_step() -> None:
    """A training step of the whole network; remembers norms, β and gradients of one layer."""
    log.append(watched_conv.weight.detach().flatten(1).norm(dim=1))
    shifts.append(soft.layer3[1].bn1.bias.detach().clone())
    train_masked(soft, optimizer, {}, take(batches, 1), [0.02])
    slopes.append(watched_conv.weight.grad.flatten(1).norm(dim=1))


convs = {name: soft.get_submodule(name) for name in free_convs(soft)}
keep = soft_filter_pruning(convs, 0.5, epochs=6, steps_per_epoch=8, train_step=one_step)

# %%
norms = torch.stack(log).T  # (filters, steps)
figure, axes = plt.subplots(figsize=(8, 3))
shown = norms.where(norms > 0, torch.nan)  # zero: white
picture = axes.imshow(shown, norm="log", aspect="auto", cmap="viridis", interpolation="nearest")
axes.set(xlabel="training step", ylabel="filter")
axes.set_title("L2 norm of the filters of layer3.1.conv1", pad=22)
for epoch in range(1, 6):
    axes.axvline(8 * epoch - 0.5, color=plots.ORANGE, linewidth=1)
figure.colorbar(picture)
first, last = norms[:, 8] == 0, ~keep["layer3.1.conv1"]
both = int((first & last).sum())
axes.text(0, -1, f"gone after the first epoch and at the end: {both} (you: {my_still_gone})")
plt.show()
print(f"zero after the first epoch: {int(first.sum())}, at the end: {int(last.sum())}")
print("zeroed after the second epoch:  β     gradient   norm one step later")
for i in (norms[:, 16] == 0).nonzero().flatten().tolist():
    row = f"{shifts[16][i]:>8.3f} {slopes[16][i]:>10.1f} {norms[i, 17]:>14.2f}"
    print(f"  filter {i:>2}                {row}")

# %% [markdown]
# White, right after an orange line: the filters that were just zeroed. A step later they are
# back. The zeros of an epoch are a suggestion, not a verdict.
#
# Did you see how *large* they come back? Behind a filter of zeros the variance is zero, and batch
# normalisation divides by √(0 + ε), with ε = 0.00001: its gradients are some 300 times as large.
# To the output the size of a filter does not matter (batch normalisation takes it out again), but
# the ranking by norm is disturbed: those that were zeroed overtake the others, and next it is the
# others' turn. Only after a while does the choice settle. You would not read that from a formula;
# you see it in a picture.
#
# One filter jumps to a far larger norm than all others. Why this one? The table under the picture
# lists the filters that were zeroed after the second epoch. A zeroed filter gives γ·0 + β = β. If
# β is negative, ReLU blocks it, and the weights get *no* gradient: only momentum moves them, a
# little. If β is positive, the whole gradient arrives at once, multiplied by 1/√ε ≈ 300, and
# momentum goes on with that one step for several more.
#
# ### Question A  (5 minutes, 3 points)
#
# `silence_filters` of Lab 1 also zeroes the γ and β of the batch normalisation behind the
# convolution; SFP zeroes the convolution's weights *only*. Someone "improves" SFP with
# `silence_filters` after every epoch. Weight decay and momentum aside: can a filter still grow
# back? Look at the gradients of the filter's weights, of γ and of β, for the path
# convolution → batch normalisation → ReLU (whose derivative at 0 is 0). And which property of the
# final network speaks *for* `silence_filters` after the last epoch?

# %% [markdown] answer="why_soft_grows" points=3
# **Model answer.** No. With w = 0 the convolution gives 0, and its normalised value is 0 for
# every image. The output before ReLU is γ·0 + β = 0, where the derivative of ReLU is 0, so β gets
# no gradient and nothing behind it does. Even with a gradient there, γ's is (gradient)·(normalised
# value) = 0, and that of the weights carries the factor γ = 0. All three are stuck at zero: soft
# pruning has become hard. With SFP γ and β live, so the weights get a gradient through γ wherever
# the constant β passes ReLU. At the end, however, a zeroed filter still emits a constant (β in
# training; γ·(0 - mean)/std + β with the running statistics of evaluation): removing the filter
# changes the function, unless it is silenced (or the constant is moved into the next layer) before.
#
# **Marking guide.** 1 point: at least one of the gradients right, with its reason. 1 point: the
# conclusion that all are zero, so it is hard pruning. 1 point: the constant that a zeroed filter
# emits, so that silenced filters can be removed without changing the outputs.

# %% [markdown]
# ## Exercise 7 · A penalty that makes zeros  (8 minutes, 2 points)
#
# ★☆☆ · You will make a penalty that gives real zeros.
#
# Why not *ask* the network which filters it can spare? [Liu et al.
# (2017)](https://arxiv.org/abs/1708.06519) train it with a penalty
# on the scales γ of batch normalisation, λ · Σ|γ|. A filter with γ = 0 says nothing (but for β),
# so the filters with the smallest |γ| go afterwards. Their code does not touch the loss: it adds
# the gradient of the penalty, λ · sign(γ), to the one that is there. Write
# `add_sparsity_penalty`.
#
# <details><summary>Hint 1</summary>
#
# Go through `model.modules()`, pick `nn.BatchNorm2d`, change `module.weight.grad`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.sign` gives -1, 0 or 1. Take `gamma.detach()`: autograd need not know.
#
# </details>

# %% exercise="add_sparsity_penalty"

# %% check="add_sparsity_penalty" points=2

# %% [markdown]
# <details><summary>Go further</summary>
#
# Exclude the last BN of each block. Which filters stay now?
#
# </details>
#
# What is so special about |γ|? Compare with a penalty on ½γ² (its gradient is λ·γ: ordinary
# weight decay), equally strong at γ = 1. **Predict:** of all γ, which share is below 0.02 after
# 36 steps with |γ|? And with ½γ²?

# %%
my_l1, my_l2 = None, None  # your predictions, 0 to 1


# %%
def scales(penalty: Callable[[nn.Module], None]) -> Tensor:
    """All |γ|, sorted, after some training with a penalty on the gradients."""
    model = copy.deepcopy(dense).train()
    optimizer = sgd(model)
    optimizer.register_step_pre_hook(lambda *_: penalty(model))  # between backward and step
    train_masked(model, optimizer, {}, take(stream(seed=0), STEPS), STEPS * [0.02])
    norms = [m.weight.detach() for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    return torch.cat(norms).abs().sort().values


def square(model: nn.Module) -> None:
    """The gradient of λ · Σ ½γ²."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.grad += 0.1 * module.weight.detach()


penalties = {"none": lambda model: None, "½γ²": square}
penalties["|γ|"] = lambda model: add_sparsity_penalty(model, strength=0.1)
gammas = {name: scales(penalty) for name, penalty in penalties.items()}

# %%
for (name, values), colour in zip(gammas.items(), plots.COLOURS, strict=False):
    plt.plot(torch.linspace(0, 1, len(values)), values.clamp_min(1e-4), color=colour, label=name)
for guess, colour in ((my_l1, plots.GREEN), (my_l2, plots.ORANGE)):
    if guess is not None:
        plt.plot(guess, 0.02, "*", markersize=15, color=colour)
plt.axhline(0.02, color=plots.GREY, linestyle=":")
plt.gca().set(yscale="log", xlabel="share of all γ, sorted", ylabel="|γ| (log)")
plt.legend(frameon=False, title="penalty")
plt.show()

# %% [markdown]
# Both penalties shrink. But ½γ² pulls less and less the closer γ comes to zero: it takes the same
# *percentage* again and again, and never arrives. |γ| pulls with the same force all the way and
# pushes many scales to (about) zero, where they step back and forth across it. That is why a
# "smooth" L1, which is a square near zero, does not make zeros.

# %% [markdown]
# ## Exercise 8 · An honest comparison  (15 minutes, 3 points)
#
# ★★★ · You will compare methods so that the result means something.
#
# Which method is best? This is where papers go wrong: the new method gets more epochs, the best
# of its runs is reported, and the choice is made on the test set, so that the test accuracy is
# the result of a search. Write `compare`, which makes none of these mistakes:
#
# - every run starts from a *copy* of the trained network,
# - there are several seeds, and the *mean* decides, on val,
# - networks are measured in evaluation mode,
# - the test set is read last, once, for the winner's networks alone.
#
# <details><summary>Hint 1</summary>
#
# Keep the networks: a dict from the method's name to a list of models, one per seed. You need the
# winner's again at the end.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `copy.deepcopy(dense)` for each run; `model.eval()` after the method has trained it;
# `max(names, key=...)` with the mean as the key.
#
# </details>

# %% exercise="compare"

# %% check="compare" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Report the *difference* to the winner per seed, with its standard deviation.
#
# </details>
#
# The contest: 80 % sparsity, magnitude, 36 steps for everyone, three seeds, which decide on the
# order and augmentation of the images. And a control: random weights instead of the smallest,
# with the same retraining.


# %%
def in_rounds(rounds: int, rewind: bool, choose: Callable = smallest_go):
    """Removal at once (1 round) or in rounds, with fine-tuning or rewinding in each."""
    sparsities = [1 - 0.2 ** (k / rounds) for k in range(1, rounds + 1)]
    lrs = retraining_lrs(epoch_lrs, EPOCHS // rounds, EPOCH, rewind)

    def method(model: nn.Module, seed: int) -> None:
        batches = stream(seed)
        prune_and_retrain(
            model, sparsities, STEPS, choose,
            lambda m, masks, n: train_masked(m, sgd(m), masks, take(batches, n), lrs),
        )  # fmt: skip

    return method


def progressive(model: nn.Module, seed: int) -> None:
    """Zhu & Gupta: one training, masks chosen again every 3 steps for the first 24 of 36."""
    batches, lrs, optimizer = stream(seed), iter(rewinding), sgd(model)
    every = STEPS // 12
    targets = [cubic_sparsity(t, 0, every, 8, final=0.8) for t in range(0, STEPS, every)]
    prune_and_retrain(
        model, targets, STEPS, smallest_go,
        lambda m, masks, n: train_masked(m, optimizer, masks, take(batches, n), take(lrs, n)),
    )  # fmt: skip


chance = torch.Generator().manual_seed(0)


def at_random(model: nn.Module, sparsity: float) -> Masks:
    """The control: any weights, others in each run."""
    return random_masks(model, sparsity, chance)


contest = {
    "at once, fine-tuning": in_rounds(1, rewind=False),
    "at once, LR-rewinding": in_rounds(1, rewind=True),
    "2 rounds, LR-rewinding": in_rounds(2, rewind=True),
    "cubic, LR-rewinding": progressive,
    "random weights, at once, LR-rewinding": in_rounds(1, rewind=True, choose=at_random),
}

# %% [markdown]
# **Predict** the order of the five, best first, before you run it (half a minute).

# %%
my_order = None  # e.g. "cubic, at once with fine-tuning, ..."

# %%
result = compare(dense, contest, [0, 1, 2], accuracy, val, test)

# %%
figure, axes = plt.subplots(figsize=(8, 3.4))
for i, (name, runs) in enumerate(result["val"].items()):
    colour = plots.GREY if "random" in name else plots.COLOURS[i]
    mean, spread = statistics.mean(runs), statistics.stdev(runs)
    axes.plot(runs, len(runs) * [i], "o", color=colour, alpha=0.6)
    axes.plot(mean, i, "|", markersize=22, markeredgewidth=3, color=colour)
    axes.text(1.02, i, f"{mean:.1%} ± {spread:.1%}", transform=axes.get_yaxis_transform())
axes.axvline(trace[0], color=plots.GREY, linestyle=":")
axes.set_yticks(range(len(contest)), list(contest))
axes.set(xlabel="accuracy on val: runs and their mean; dotted: dense", ylim=(4.6, -0.6))
tested, half = statistics.mean(result["test"]), plots.confidence(result["test"][0], len(test))
axes.set_title(f"winner: {result['best']}: test {tested:.1%}, 95 % interval ± {half:.1%}")
plt.show()
print(f"your favourite: {my_favourite}, your order: {my_order}")

# %% [markdown]
# Were rounds better? Not here. Everyone has 36 steps, and only the last ones heal the final
# network.
#
# ```
#   at once    36 steps at 80 % sparsity
#   2 rounds   18 steps at 80 %            cubic   12 steps at 80 %
# ```
#
# In the papers gradual pruning often trains *longer*: Renda et al. give each round a whole
# retraining. They ask another question: how good does a method get, whatever it costs? A comparison
# has to say which of the two questions it answers. And the control, random weights, says what
# retraining alone is worth.
#
# Look at the dots before you look at the means (beside them: mean ± standard deviation of the
# runs). Where the dots of two methods overlap, three seeds do not separate them: fine-tuning and
# LR-rewinding, for instance. Renda et al. find rewinding better, but they retrain for many epochs;
# our 36 steps are less than a twentieth of one, little time to come back from a high rate. And the
# interval in the title, from the number of test images alone, is often wider than the gains that
# papers fight for. (All methods were measured on the *same* images, so their difference is known
# better than either number: a reason to report differences.)
#
# ### Question B  (8 minutes, 3 points)
#
# A paper writes: "Our schedule reaches 91.9 % at 80 % sparsity and beats one-shot pruning (91.5
# %). We prune in 10 rounds of 20 epochs each; one-shot is fine-tuned for 20 epochs. We report the
# best epoch on the 10,000 test images." Name three things that make the claim worthless, say for
# each in which direction it pushes the result, and how you would repair it.

# %% [markdown] answer="worthless_claim" points=3
# **Model answer.** (1) Unequal training: 200 epochs against 20. More epochs, with a learning rate
# worth the name, help any method, so the gain may be the training's. Repair: give one-shot 200
# epochs with the same learning-rate schedule, or both the same budget. (2) The best epoch is
# chosen on the test set: both numbers are too high, and more so for the method with more epochs
# to choose from (200 chances against 20). Repair: choose the epoch on a validation split, or take
# the last one; read the test set once. (3) One run each: a difference of 0.4 points is within
# what seeds do, and within the 95 % interval of 10,000 images at 91.7 % (± 0.54 points each).
# Repair: at least three seeds, mean and spread, or a paired test on the same images. (Also
# accepted: no dense or random control; a single sparsity; fine-tuning at the lowest learning
# rate, a weak baseline, when LR-rewinding is known.)
#
# **Marking guide.** 1 point per flaw with its direction *and* its repair, 3 at most; half a point
# without the repair (round the sum down).

# %% [markdown]
# ## Exercise 9 · A schedule of your own  (25 minutes, 4 points)
#
# ★★★ · You will decide: a sparsity and a learning rate for each step. There are many right answers.
#
# The whole lab in one function. The narrow network, 36 steps, and now **90 %** sparsity, which
# hurts. In each step the masks are chosen again by global magnitude, then SGD makes one step at
# your rate. The *reference* is the fourth row of the contest: cubic, with LR-rewinding.
#
# Write `choose_schedule`. It counts if the network is at least **3 points** better than the
# reference's, as a mean of three seeds. The check measures on validation images. The grader takes
# other seeds and test images that you do not have, and asks for 1.5 points, so what passes here
# with some room passes there. Several simple ideas reach the target.
#
# *Bonus, for honour and not for points:* **10 points**. That is more than any schedule that we
# know.
#
# <details><summary>Hint 1</summary>
#
# Count the steps that the reference spends at 90 %. What did the contest say about such steps?
#
# </details>
# <details><summary>Hint 2</summary>
#
# A rate that is high at the start and nearly zero at the end heals best: big steps, then fine ones.
# `0.08 * (1 - step / steps)` is one. The reference's rates can be read off Exercise 4's picture.
#
# </details>

# %% exercise="choose_schedule"

# %% check="choose_schedule" points=4

# %% [markdown]
# <details><summary>Go further</summary>
#
# Nobody says that a sparsity may only rise. Let it fall for a few steps, so that other weights get
# a chance, as in soft pruning. Or do a search: draw fifty schedules at random and keep the best. On
# which images would you choose it?
#
# </details>
#
# Where is yours among known schedules? The others come from a record: the difference to the
# reference on the same batches, on 2,000 test images, one dot for each of three seeds. **Predict:**
# how many points does the worst of them lose?

# %%
my_loss = None  # your prediction, in points

# %%
record = json.loads((checkpoints.ASSETS / "methods-schedules.json").read_text(encoding="utf-8"))
runs = record["accuracies"]
plan = choose_schedule(schedules.STEPS, schedules.FINAL)
runs["yours"] = [accuracy(schedules.follow(plan, seed), test) for seed in record["seeds"]]

# %%
base = runs["reference: cubic"]
rows = {name: [100 * (a - b) for a, b in zip(row, base, strict=True)] for name, row in runs.items()}
order = sorted(rows, key=lambda name: statistics.mean(rows[name]))
looks = {"yours": plots.RED, "reference: cubic": plots.GREY}
_, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
for row, name in enumerate(order):
    axes.plot(rows[name], len(base) * [row], "o", color=looks.get(name, plots.BLUE))
    axes.plot(statistics.mean(rows[name]), row, "|", markersize=16, color="black")
for place, label in ((3, "target"), (10, "bonus")):
    axes.axvline(place, color=plots.GREY, linestyle=":")
    axes.text(place + 0.4, len(order) - 0.4, label, color="black", fontsize=9, va="center")
if my_loss is not None:
    axes.plot(-abs(my_loss), 0, "*", markersize=15, color=plots.GREEN)
axes.set_yticks(range(len(order)), order)
axes.set(xlabel="points above the reference on test images: seeds, and their mean (black)")
axes.set(ylim=(-0.6, len(order) + 0.1), title="36 steps to 90 % sparsity")
plt.show()

# %% [markdown]
# Two groups. At the top are schedules that prune early and let the rate fall; at the bottom are
# those that prune until the end and leave a ruin. In between is the reference: an excellent
# schedule for the hundreds of thousands of steps for which it was made, and a poor one for 36. Look
# at the dots far to the right: they all belong to one seed, with which the reference did badly.
# With that seed alone, some gains would look twice as large.

# %% [markdown]
# ## The camera gets its network
#
# Back to Lab 1: the wide network of 1,064 KiB, cut to 512 KiB by whole filters, was a ruin. Your
# loop heals it, with no mask (the filters are really gone), in 36 steps. But with which learning
# rate? Those of Exercise 4 healed the narrow network. The training of the wide one ended with some
# epochs at a low constant rate, so its own schedule, replayed, is that rate (divided by four, as
# above).
#
# **Predict** the accuracy on val: right after the cut, and after 36 steps at its own rate.

# %%
my_cut, my_healed = None, None  # your predictions, 0 to 1


# %%
def shrink(network: nn.Module, share: float) -> nn.Module:
    """A copy without the weakest filters of every free convolution: Lab 1."""
    network = copy.deepcopy(network)
    for name in free_convs(network):
        block = network.get_submodule(name.removesuffix(".conv1"))
        keep = filter_mask(block.conv1.weight, share)
        layers = remove_filters(block.conv1, block.bn1, block.conv2, keep)
        block.conv1, block.bn1, block.conv2 = layers
    return network


def kib(network: nn.Module) -> float:
    """Size of the float32 parameters."""
    return counters.parameters(network) * 4 / 1024


wide = checkpoints.trained(16).to(memory_format=torch.channels_last)
share = next(s / 100 for s in range(100) if kib(shrink(wide, s / 100)) <= 512)
camera = shrink(wide, share)
networks = {"dense": accuracy(wide, val), "cut": accuracy(camera, val)}
print(f"{share:.0%} of the free filters go: {kib(wide):.0f} -> {kib(camera):.0f} KiB")

# %%
own = STEPS * [checkpoints.CYCLES[-1]["constant"] / 4]
for name, lrs in {"healed,\nits own rate": own, "healed,\nExercise 4's rates": rewinding}.items():
    healed = copy.deepcopy(camera)
    train_masked(healed, sgd(healed), {}, take(stream(seed=0), STEPS), lrs)
    networks[name] = accuracy(healed, val)

# %%
colours = (plots.GREY, plots.ORANGE, plots.GREEN, plots.SKY)
labels = [f"{n}\n{kib(wide if n == 'dense' else camera):.0f} KiB" for n in networks]
bars = plt.bar(labels, networks.values(), color=colours, width=0.6)
plt.bar_label(bars, [f"{a:.0%}" for a in networks.values()])
for x, guess in ((1, my_cut), (2, my_healed)):
    if guess is not None:
        plt.plot(x, guess, "*", markersize=15, color=plots.RED)
plt.gca().set(
    ylabel=f"accuracy on {len(val)} val images", ylim=(0, 1), title="The camera's network"
)
plt.show()

# %% [markdown]
# It is really half the size, and most of what the cut had cost is back after a few seconds of
# training on 2,304 images. With rates that are too high for it the same network stays far below: no
# rate is good by itself, it has to fit the end of the training that it continues. That is the idea
# of LR-rewinding, too.
#
# The papers train on all images, and for many epochs. Lab 4 takes seven of them apart: each is
# three answers, *structure*, *criterion* and *method*, which you can now give.

# %% [markdown]
# ## Hand in
#
# Save (Ctrl+S), then run this cell and click: it runs the saved notebook from top to bottom, says
# what would cost you points, and packs the file that you hand in. You can do so as often as you
# like.

# %%
from pruninglab.hand_in import hand_in

hand_in()
