# %% [markdown]
# # Lab 4 · Papers
#
# **Three answers make a method**
#
# Every paper on pruning answers three questions: **what** kind of part to remove, how to tell
# **which** ones, and how to remove them **without harm**. Today you put such answers together,
# seven times, and get seven well-known papers of about ten lines each.
#
# | part | exercises | minutes | points |
# |---|---|---|---|
# | Start | the training loop, your predictions | 12 | 0 |
# | Single weights | 1 Han 2015 · 2 Zhu & Gupta 2017 · 3 Renda 2020 | 48 | 12 |
# | Filters | 4 Li 2016 · 5 Liu 2017 · 6 Molchanov 2019 · 7 He 2018 | 55 | 16 |
# | The seven side by side | the pictures, questions A, B, C | 35 | 10 |

# %%
from importlib.util import find_spec

if not (find_spec("pruninglab") and find_spec("pruninglab.labs.papers")):
    raise ModuleNotFoundError("%pip install FOLDER, the unpacked zip that this lab came in")

from IPython.display import Image

from pruninglab.checkpoints import ASSETS

Image(
    str(ASSETS / "results" / "lecture.png"),
    width=900,
    alt="Accuracy against the share of the weights that is gone, one line for each system",
)

# %% [markdown]
# This is the lecture's figure as this course measured it: accuracy against the share of the weights
# that is gone, one line per system. Behind each line is a recipe, and today you write seven of
# them.
#
# The three questions ask for a *structure*, a *criterion* and a *method*. You wrote such answers in
# labs 1 to 3; all of them are in `toolbox`, solved.

# %%
import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from pruninglab.labs.papers import check
from pruninglab.labs.papers.toolbox import (
    Batch,
    Masks,
    add_sparsity_penalty,
    bn_scores,
    cubic_sparsity,
    filter_mask,
    filter_masks,
    free_convs,
    gate_scores,
    local_masks,
    magnitude_scores,
    prune_remaining,
    recalibrate_bn,
    remove_filters,
    retraining_lrs,
    soft_filter_pruning,
)
from torch import Tensor, nn

from pruninglab import checkpoints, counters, data, plots
from pruninglab.masks import hold, random_masks
from pruninglab.models import prunable
from pruninglab.sliders import slider
from pruninglab.training import Recipe, Trainer, accuracy, constant, triangular

Train = Callable[..., list[Batch]]  # train(model, masks, lrs, before_step=None)

torch.set_num_threads(1)  # enough for a small network; and the results do not depend on it
dense = checkpoints.trained(16)  # ResNet-20, trained on CIFAR-10
images, val = data.subset("train"), data.subset("val")
dense_val = accuracy(dense, val)
print(f"{len(free_convs(dense))} free convolutions, {len(images)} images to train on")

# %%
from pruninglab.glossary import glossary

glossary()

# %% [markdown]
# ## The training loop that a recipe is given
#
# A recipe decides *when* to prune *what*; how to train is not its business. So each of your
# functions gets a training loop as an argument, and calls it as often as it needs:
#
# ```python
# batches = train(model, masks, lrs, before_step=None)
# ```
#
# - makes **one step per learning rate** in the list `lrs`: five steps at 0.1 are `5 * [0.1]`;
# - sets the weights pruned by `masks` to zero before the first step and **keeps them at zero**
#   (lab 3); with `{}` it holds nothing;
# - calls `before_step(model)`, if you pass one, between the backward pass and each update;
# - returns the minibatches it used, a list of `(x, y)`, and leaves the model in *training* mode.
#
# The checks hand your recipe a fake one, which moves the weights by a fixed pattern and writes
# down what it meets in each step: how many weights or filters there are, and the learning rate.
# That **trace** is what is graded. It is also what a paper defines; the accuracy is a result.
#
# The real one is below. Read it: it counts the steps, so that nobody trains longer than others.

# %%
BATCH = min(125, len(images) // 8)
STEPS = 8 * max(2, len(images) // 1000)  # of every system; 32 steps are one epoch of our images


class Training:
    """The training loop that recipes get, on the embedded images; it keeps a trace."""

    def __init__(self, seed: int = 0) -> None:
        self.batches = self.minibatches(torch.Generator().manual_seed(seed))
        self.ids: set[int] = set()  # of the parameters that the trainer knows
        self.lrs: list[float] = []
        self.sparsity: list[float] = []

    def minibatches(self, generator: torch.Generator) -> Iterator[Batch]:
        """Shuffled and augmented, epoch after epoch."""
        while True:
            yield from data.batches(images, BATCH, train=True, generator=generator)

    def trainer_of(self, model: nn.Module) -> Trainer:
        """The same one, with its momentum, until layers are replaced by smaller ones."""
        ids = {id(p) for p in model.parameters()}
        if ids != self.ids:
            self.trainer, self.ids = Trainer(model, Recipe(1, constant(0.1), BATCH)), ids
        return self.trainer

    def __call__(
        self,
        model: nn.Module,
        masks: Masks,
        lrs: Sequence[float],
        before_step: Callable[[nn.Module], None] | None = None,
    ) -> list[Batch]:
        trainer, used = self.trainer_of(model), list(itertools.islice(self.batches, len(lrs)))
        hook = trainer.optimizer.register_step_pre_hook(
            lambda *_: before_step(model) if before_step else None
        )
        model.train()
        with hold(model, masks):
            for (x, y), lr in zip(used, lrs, strict=True):
                self.lrs.append(lr)
                self.sparsity.append(sparsity_of(model))
                trainer.step(x, y, lr)
        hook.remove()
        return used


def sparsity_of(model: nn.Module) -> float:
    """The share of the dense network's prunable weights that is gone: zero, or removed."""
    return 1 - counters.nonzeros(model) / counters.prunable_weights(dense)


# %% [markdown]
# Recipes that mention "the learning rate of the dense training" mean this one: up to 0.4, then down
# to 0 over 60 epochs. Every system below gets **the same budget**, one epoch of the embedded
# images. The papers train for tens or hundreds of epochs, so do not expect their accuracies: expect
# to see how the recipes *work*. Each one runs at a moderate and at a high sparsity. Then the
# statistics of batch normalisation are measured again, for all alike (lab 2: otherwise they disturb
# the comparison), and the accuracy is that on `val`; the test images stay closed until the end.

# %%
DENSE_LR = 0.4
epoch_lrs = [triangular(DENSE_LR)((epoch + 0.5) / 60) for epoch in range(60)]
WEIGHTS = ("Han 2015", "Zhu & Gupta 2017", "Renda 2020")
FILTERS = ("Li 2016", "Liu 2017", "Molchanov 2019", "He 2018")
results: dict[str, list[tuple[float, float, float]]] = {}  # label -> (sparsity, MACs, accuracy)
networks: dict[str, list[nn.Module]] = {}


def run(label: str, *recipes: Callable[[nn.Module, Train], object]) -> None:
    """Each recipe on a copy of the dense network; draws the traces, keeps what came out."""
    rows, pruned = [], []
    _, axes = plt.subplots(1, 2, figsize=(10, 2.2), layout="constrained", sharey=True)
    for recipe, ax in zip(recipes, axes, strict=True):
        network, train = copy.deepcopy(dense), Training()
        recipe(network, train)
        recalibrate_bn(network, list(data.batches(images[:1000], BATCH)))
        assert len(train.lrs) == STEPS, f"{label}: {len(train.lrs)} steps, others have {STEPS}"
        macs = counters.macs(network) / counters.macs(dense)
        rows.append((sparsity_of(network), macs, accuracy(network, val)))
        pruned.append(network)
        draw(ax, train, f"{label}: {rows[-1][2]:.1%} on val")
    results[label], networks[label] = rows, pruned
    plt.show()


def draw(ax: plt.Axes, train: Training, title: str) -> None:
    """The trace of a recipe: sparsity (filled) and learning rate (line) of each step."""
    ax.fill_between(range(STEPS), train.sparsity, step="post", color=plots.SKY, alpha=0.5)
    ax.set(title=title, xlabel="step", ylabel="sparsity", ylim=(0, 1))
    right = ax.twinx()
    right.step(range(STEPS), train.lrs, where="post", color=plots.RED)
    right.set(ylim=(0, 0.05), ylabel="learning rate")


print(f"the last epochs of the dense training: {[round(lr, 4) for lr in epoch_lrs[-4:]]}")
print(f"weights of the dense network that are exactly zero: {sparsity_of(dense):.1%}")

# %% [markdown]
# ### Your predictions  (4 minutes)
#
# Seven recipes, one epoch each, on a network with about the accuracy that the next cell prints.
# Which is the best one for single weights (about 83 % pruned)? Which for filters (60 % of the
# free ones removed)? And how good is it if filters are picked **by chance** and the network is
# trained for that one epoch?

# %%
my_weights = None  # "Han 2015", "Zhu & Gupta 2017" or "Renda 2020"
my_filters = None  # "Li 2016", "Liu 2017", "Molchanov 2019" or "He 2018"
my_random = None  # accuracy on val with 60 % of the free filters removed by chance, 0 to 1
print(f"dense network: {round(100 * dense_val, -1):.0f} % on val, to 10 points")

# %% [markdown]
# ## Single weights
#
# ### Exercise 1 · Han 2015: prune, retrain, repeat  (14 minutes, 4 points)
#
# ★★☆ · You will write a method in rounds whose sparsity is a result, not a choice.
#
# *[Learning both Weights and Connections for Efficient Neural
# Networks](https://arxiv.org/abs/1506.02626)* made pruning popular again.
#
# - *Structure*: single weights, all layers
# - *Criterion*: magnitude below a threshold **per layer**: quality × standard deviation of the
#   layer's weights
# - *Method*: rounds of pruning and retraining; learning rate a tenth of the original
#
# Two things to note. You do not choose the sparsity: it *follows* from the quality. And the paper
# does not say whether weights that are already gone count in the standard deviation; here they do
# not. *Simplified:* the paper tunes the quality layer by layer; we use one for all. A tenth is its
# learning rate for LeNet; for AlexNet it was a hundredth. And the paper trains with dropout, which
# gets weaker as the network gets sparser; our network has none.
#
# <details><summary>Hint 1</summary>
#
# Start with masks that keep everything. A round makes new masks for all layers, *then* calls
# `train` once.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `weight.detach()[mask]` is a vector with the weights that are still there, and has a `.std()`.
# What is pruned has to stay pruned: `mask & (score >= threshold)`.
#
# </details>

# %% exercise="han2015"

# %% check="han2015" points=4

# %% [markdown]
# <details><summary>Go further</summary>
#
# Give each layer its own quality, small for the layers that lab 2's sensitivity scan calls
# sensitive. Does the accuracy at the same sparsity rise?
#
# </details>

# %%
run(
    "Han 2015",
    lambda network, train: han2015(network, 0.5, 4, STEPS // 4, DENSE_LR, train),
    lambda network, train: han2015(network, 0.7, 4, STEPS // 4, DENSE_LR, train),
)

# %% [markdown]
# Blue is the sparsity, red the learning rate. The quality is the same in every round, and yet each
# round finds something to prune. Why? With the small weights gone, the standard deviation of the
# others is larger.
#
# A detail that matters: some weights of the dense network are exactly zero *before* any pruning,
# because weight decay has emptied a few filters (lab 1). In the picture every zero counts as gone,
# wherever it came from. In your function these zeros still count in the first round: its masks keep
# everything, so the first standard deviation includes them.
#
# **Play:** your function, one round, no training. Which quality prunes half of the network? What
# would a layer lose at quality 1 if its weights were normally distributed, and which layers are far
# from that?


# %%
def one_round(quality: float) -> plt.Figure:
    """What the first round of your recipe prunes in each layer."""
    masks = han2015(copy.deepcopy(dense), quality, 1, 1, DENSE_LR, train=lambda *_: [])
    shares = {name: 1 - mask.float().mean().item() for name, mask in masks.items()}
    total = 1 - sum(int(m.sum()) for m in masks.values()) / counters.prunable_weights(dense)
    axes = plots.bars_per_layer({f"quality {quality}: {total:.0%} of all weights": shares}, "")
    axes.set(ylim=(0, 1), ylabel="pruned share")
    plots.percent_axis(axes)
    axes.figure.set_layout_engine("constrained")
    return axes.figure


slider(one_round, [k / 10 for k in range(1, 21)], start=1.0, label="quality")

# %% [markdown]
# A normal distribution has 68 % within one standard deviation, and most layers lose a little more,
# 70 to 80 %. So one quality for all layers is nearly the same sparsity for all layers, whether they
# are sensitive or not: that is why the paper tunes it layer by layer. (The layers that lose clearly
# more are those in which training has emptied filters.)
#
# ### Exercise 2 · Zhu & Gupta 2017: prune while training  (14 minutes, 4 points)
#
# ★★☆ · You will prune along a schedule while training goes on.
#
# *[To prune, or not to prune](https://arxiv.org/abs/1710.01878)* prunes during ordinary training: a
# lot at first, when there is much to spare, and little at the end.
#
# - *Structure*: single weights, the **same sparsity in every layer**
# - *Criterion*: magnitude
# - *Method*: masks chosen again every Δt steps, sparsity along a cubic, learning rate of the
#   ordinary schedule
#
# *Simplified:* in the paper a masked weight keeps its value, unused, and can come back if the
# ranking changes; here a pruned weight is zero, and stays the smallest. The lecture draws the curve
# over epochs; t in the equation is a training **step**.
#
# <details><summary>Hint 1</summary>
#
# Loop over steps and learning rates together: `for step, lr in enumerate(lrs)`, and call `train`
# with a list of one.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `cubic_sparsity` is constant between two updates. So what happens if you choose masks before
# *every* step? And remember that before t_0 nothing is pruned.
#
# </details>

# %% exercise="zhu2017"

# %% check="zhu2017" points=4

# %% [markdown]
# <details><summary>Go further</summary>
#
# Let a pruned weight keep its value out of use, as in the paper, so that it can come back. How
# many weights do?
#
# </details>

# %%
rates = [lr for lr in epoch_lrs[-4:] for _ in range(STEPS // 4)]
run(
    "Zhu & Gupta 2017",
    lambda network, train: zhu2017(network, 0.59, 0, STEPS // 8, 4, rates, train),
    lambda network, train: zhu2017(network, 0.83, 0, STEPS // 8, 4, rates, train),
)

# %% [markdown]
# ### Exercise 3 · Renda 2020: rewind the learning rate  (14 minutes, 4 points)
#
# ★★☆ · You will replay a learning-rate schedule after every round.
#
# *[Comparing Rewinding and Fine-tuning in Neural Network
# Pruning](https://arxiv.org/abs/2003.02389)* found a recipe that needs no setting for each layer,
# and does as well as the complicated ones.
#
# - *Structure*: single weights, all layers
# - *Criterion*: magnitude, **one ranking for the network**
# - *Method*: rounds that prune 20 % of what remains; the weights stay as they are, the learning
#   rate goes back and is replayed
#
# *Simplified:* the paper replays the schedule for as long as the original training in *every*
# round, which adds up to many trainings. We replay its last two epochs, and our "epochs" have a few
# steps.
#
# <details><summary>Hint 1</summary>
#
# Lab 3 has both halves: one function for the masks of a round, one for its learning rates.
#
# </details>

# %% exercise="renda2020"

# %% check="renda2020" points=4

# %% [markdown]
# <details><summary>Go further</summary>
#
# Replay the last four epochs instead of two, with half the rounds. Which is better at equal steps,
# and by more than a second seed changes?
#
# </details>

# %%
run(
    "Renda 2020",
    lambda network, train: renda2020(network, 4, epoch_lrs, 2, STEPS // 8, train),
    lambda network, train: renda2020(network, 8, epoch_lrs, 2, STEPS // 16, train),
)

# %% [markdown]
# Look at the three traces. Blue stairs (rounds), a blue curve that flattens (cubic), a red saw
# (rewinding): you could name the paper from the picture.
#
# ## Filters
#
# Now the structures that make a network really smaller. The free convolutions of lab 1 lose
# filters, and `remove_filters` makes the three layers around them smaller. This does it for
# several convolutions, in place:

# %% given="shrink"

# %% [markdown]
# *Simplified, for all four papers:* only the first convolution of each block loses filters. Liu
# and He prune the layers at the additions, too, with extra bookkeeping; lab 5 does that. And a
# layer that is replaced is new to the optimizer, so momentum starts from zero after a removal.
#
# ### Exercise 4 · Li 2016: small filters go  (12 minutes, 4 points)
#
# ★☆☆ · You will remove filters layer by layer, and leave the sensitive layers alone.
#
# *[Pruning Filters for Efficient ConvNets](https://arxiv.org/abs/1608.08710)* looks at each layer
# first: how bad is it to lose half of the filters of this layer alone? Layers that suffer much are
# left out.

# %%
drops = {}
for name in free_convs(dense):
    network = copy.deepcopy(dense)
    shrink(network, {name: filter_mask(network.get_parameter(f"{name}.weight"), 0.5)})
    drops[name] = dense_val - accuracy(network, val[:500])
skip = sorted(drops, key=drops.__getitem__)[-2:]
plots.bars_per_layer({"half of the filters removed": drops}, "accuracy lost")
plt.show()

# %% [markdown]
# - *Structure*: filters, the same share in each layer, **sensitive layers skipped**
# - *Criterion*: L1 norm
# - *Method*: all at once, then retraining at a constant low learning rate
#
# A layer without a bar loses half of its filters for free: those are the ones that training itself
# had emptied. The two most sensitive layers are in `skip`; the others have to give more, 40 and
# 80 % below, to bring the network about as far as the next papers do with 30 and 60 %. In a chain
# of layers it would matter whether a filter's norm counts the kernels that read channels removed
# before (the paper calls the two ways independent and greedy); here, nothing in front of a free
# convolution has been removed.
#
# <details><summary>Hint 1</summary>
#
# `filter_mask` of lab 1 does the ranking within a layer; `shrink` takes a dict with the names of
# the convolutions.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The low learning rate is the one with which the training ended: `retraining_lrs(...)` with
# `rewind=False`.
#
# </details>

# %% exercise="li2016"

# %% check="li2016" points=4

# %% [markdown]
# <details><summary>Go further</summary>
#
# Run it with the learning rates of the random control (`rates`). How much of the distance to
# chance was the learning rate?
#
# </details>

# %%
run(
    "Li 2016",
    lambda network, train: li2016(network, 0.4, skip, epoch_lrs, 4, STEPS // 4, train),
    lambda network, train: li2016(network, 0.8, skip, epoch_lrs, 4, STEPS // 4, train),
)

# %% [markdown]
# ### Exercise 5 · Liu 2017: let training decide  (12 minutes, 4 points)
#
# ★★☆ · You will let a penalty decide which filters become small.
#
# *[Learning Efficient Convolutional Networks through Network
# Slimming](https://arxiv.org/abs/1708.06519)* does not ask which filters are small. It makes them
# small.
#
# - *Structure*: filters, **one ranking for the network**
# - *Criterion*: scale of batch normalisation, |γ|
# - *Method*: training with the penalty λ·Σ|γ| on all γ, removal, fine-tuning with the same settings
#
# *Simplified:* the authors' λ on CIFAR-10 is 0.0001 for VGG and 0.00001 for ResNets, and it acts
# for 160 epochs. Ours acts for half an epoch and is much larger. A global threshold can empty a
# layer; `filter_masks` keeps one.
#
# <details><summary>Hint 1</summary>
#
# Two calls of `train`, one with a fourth argument and one without. Between them, scores, masks,
# `shrink`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `before_step` is a function of the model: `lambda model: add_sparsity_penalty(model, strength)`.
#
# </details>

# %% exercise="liu2017"

# %% check="liu2017" points=4

# %% [markdown]
# <details><summary>Go further</summary>
#
# Vary λ over two powers of ten and plot the histogram of |γ| before the removal. When does it get
# two peaks?
#
# </details>

# %%
half = [lr for lr in epoch_lrs[-4:] for _ in range(STEPS // 8)]
run(
    "Liu 2017",
    lambda network, train: liu2017(network, 0.02, 0.3, half, train),
    lambda network, train: liu2017(network, 0.02, 0.6, half, train),
)

# %% [markdown]
# ### Exercise 6 · Molchanov 2019: ask the loss  (14 minutes, 4 points)
#
# ★★★ · You will let the loss say which filters matter, round by round.
#
# *[Importance Estimation for Neural Network Pruning](https://arxiv.org/abs/1906.10771)* removes a
# few filters, trains a little, removes a few more, and asks the loss each time which ones matter
# least.
#
# - *Structure*: filters, one ranking for the network
# - *Criterion*: gates: (dL/dz)², averaged over the minibatches
# - *Method*: N filters after every few minibatches of a fine-tuning
#
# *Simplified:* the paper takes the gradients from the training steps themselves, for free. Here
# `gate_scores` goes over the same minibatches once more, with batch normalisation in evaluation
# mode. And the authors' code lets the scores of earlier rounds fade out (with a momentum of 0.9);
# ours are forgotten.
#
# <details><summary>Hint 1</summary>
#
# `train` returns the minibatches of a round. `gate_scores` wants a model in evaluation mode;
# `train` leaves it in training mode.
#
# </details>
# <details><summary>Hint 2</summary>
#
# N filters of those that are *present now*: `filter_masks` wants that as a share.
#
# </details>

# %% exercise="molchanov2019"

# %% check="molchanov2019" points=4

# %% [markdown]
# <details><summary>Go further</summary>
#
# Let the scores of earlier rounds fade out with a momentum of 0.9, as the authors' code does. Are
# the same filters removed?
#
# </details>

# %%
run(
    "Molchanov 2019",
    lambda network, train: molchanov2019(network, 4, 25, STEPS // 8, STEPS // 2, 0.02, train),
    lambda network, train: molchanov2019(network, 4, 50, STEPS // 8, STEPS // 2, 0.02, train),
)

# %% [markdown]
# ### Exercise 7 · He 2018: prune softly  (12 minutes, 4 points)
#
# ★★☆ · You will prune without taking anything away until the end.
#
# *[Soft Filter Pruning for Accelerating Deep Convolutional Neural
# Networks](https://arxiv.org/abs/1808.06866)* removes nothing until the very end: after every epoch
# the weakest filters are set to zero, but they may grow again.
#
# - *Structure*: filters, the **same share in all layers**
# - *Criterion*: L2 norm
# - *Method*: zero after each epoch, all train on; removed after the last epoch, no fine-tuning
#
# *Simplified:* our four "epochs" are a quarter of an epoch each, the paper's 200 are whole ones. In
# the end the zeroed filters hardly grow any more, and the removal costs little; ours will cost
# something. When the authors start from a trained network, they take a tenth of the usual learning
# rate, and so do we. A higher rate would do harm: the feature map of a zeroed filter has the
# variance 0, batch normalisation divides by its root (and a small ε), so the gradient of this
# filter is hundreds of times larger than before.
#
# <details><summary>Hint 1</summary>
#
# `soft_filter_pruning` of lab 3 has the loop. It wants a `train_step` without arguments: a small
# function that makes one step at the next learning rate.
#
# </details>
# <details><summary>Hint 2</summary>
#
# An iterator remembers where it is: `lrs = iter([...])`, then `next(lrs)`. List each epoch's
# learning rate as often as the epoch has steps.
#
# </details>

# %% exercise="he2018"

# %% check="he2018" points=4

# %% [markdown]
# <details><summary>Go further</summary>
#
# Leave the last tenth of the steps for training after the removal. How much of the loss comes
# back?
#
# </details>

# %%
tenth = [lr / 10 for lr in epoch_lrs[-4:]]
run(
    "He 2018",
    lambda network, train: he2018(network, 0.3, tenth, STEPS // 4, train),
    lambda network, train: he2018(network, 0.6, tenth, STEPS // 4, train),
)

# %% [markdown]
# Each peak is the moment after an epoch: the filters are zero, and one step later they have grown
# back. (The removal at the very end comes after the last step of the trace.)
#
# ## The seven side by side
#
# A comparison needs a control: masks and filters chosen by chance, with the same budget.


# %%
def random_weights(network: nn.Module, train: Train, sparsity: float) -> None:
    """The control for single weights: by chance, once, then the training of the others."""
    train(network, random_masks(network, sparsity, torch.Generator().manual_seed(0)), rates)


def random_filters(network: nn.Module, train: Train, sparsity: float) -> None:
    """The control for filters."""
    generator = torch.Generator().manual_seed(0)
    sizes = {name: len(network.get_parameter(f"{name}.weight")) for name in free_convs(network)}
    scores = {name: torch.rand(size, generator=generator) for name, size in sizes.items()}
    shrink(network, filter_masks(scores, sparsity))
    train(network, {}, rates)


run("random weights", *(lambda n, t, s=s: random_weights(n, t, s) for s in (0.59, 0.83)))
run("random filters", *(lambda n, t, s=s: random_filters(n, t, s) for s in (0.3, 0.6)))


# %%
def compare(ax: plt.Axes, labels: Sequence[str], position: int, dense_x: float) -> None:
    """A line per system, from the dense network on; the control is dashed."""
    for label, colour, marker in zip(labels, ("black", *plots.COLOURS), "os^Dv", strict=False):
        look = {"color": plots.GREY, "ls": "--"} if "random" in label else {"color": colour}
        x = [dense_x, *(100 * point[position] for point in results[label])]
        y = [100 * dense_val, *(100 * point[2] for point in results[label])]
        ax.plot(x, y, marker=marker, label=label, **look)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="lower left")


_, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True, layout="constrained")
compare(left, [*WEIGHTS, "random weights"], position=0, dense_x=100 * sparsity_of(dense))
compare(right, [*FILTERS, "random filters"], position=1, dense_x=100)
left.set(xlabel="single weights: sparsity (%)", ylabel=f"accuracy on {len(val)} val images (%)")
right.set(xlabel="filters: MACs that are left (%)", ylim=(20, 100))
right.invert_xaxis()
if my_random is not None:
    right.plot(100 * results["random filters"][1][1], 100 * my_random, "*", ms=15, color=plots.RED)
plt.show()

# %% [markdown]
# Were you right, and was chance as bad as you thought? For single weights it is hopeless. For
# filters it is a strong opponent: at the high sparsity no recipe is more than a few points above
# the dashed line, and some are below it. Do the criteria of four papers know nothing?
#
# Look at what chance was given: its filters were gone before the first step, and then it had *all*
# the steps, at a learning rate that repairs much. Li retrains at the lowest rate, Liu spends half
# of the steps on the penalty, Molchanov is still removing filters half-way, and soft pruning
# removes them at the end and has no step left to repair that. So criterion and method are mixed
# up in this picture. A small experiment separates them: **one method, three criteria.** All lose
# the same share of every layer at once, and then get the same training as chance.


# %%
def same_method(criterion: str, seed: int) -> float:
    """Remove 60 % of each layer's filters at once, then train as the control does."""
    network, train = copy.deepcopy(dense), Training()
    generator, convs = torch.Generator().manual_seed(seed), free_convs(network)
    weights = {name: network.get_parameter(f"{name}.weight").detach() for name in convs}
    scores = {
        "chance": {name: torch.rand(len(w), generator=generator) for name, w in weights.items()},
        "L1 norm": {name: w.abs().sum(dim=(1, 2, 3)) for name, w in weights.items()},
        "gates": gate_scores(network, convs, list(data.batches(images[:1000], BATCH))),
    }[criterion]
    shrink(network, local_masks(scores, 0.6))
    train(network, {}, rates)
    recalibrate_bn(network, list(data.batches(images[:1000], BATCH)))
    return accuracy(network, val)


trials = [("chance", seed) for seed in range(3)] + [("L1 norm", 0), ("gates", 0)]
separated = [(criterion, same_method(criterion, seed)) for criterion, seed in trials]

# %%
_, ax = plt.subplots(figsize=(7, 1.6))
for criterion, value in separated:
    ax.plot(100 * value, criterion, "o", color=plots.GREY if criterion == "chance" else plots.BLUE)
ax.set(xlabel=f"accuracy on {len(val)} val images (%), 60 % of the filters of each layer removed")
ax.invert_yaxis()
ax.margins(y=0.3)
plt.show()
by_chance = [value for criterion, value in separated if criterion == "chance"]
print(f"chance, three seeds: {min(by_chance):.1%} to {max(by_chance):.1%}")
for criterion, value in separated[3:]:
    print(f"{criterion}: {100 * (value - max(by_chance)):+.1f} points above the best of them")

# %% [markdown]
# With the same method around them the criteria do make a difference: compare the distance between
# the dots with the spread of chance. But it is small next to the difference for single weights, and
# a method that wastes steps costs as much. That is no verdict on the papers either. They train for
# 160 or 200 epochs, and there soft pruning and the penalty have the time to make filters small
# *before* they go. What you see here is what each recipe does with *one* epoch.
#
# A second look: *where* did each recipe prune? **Play:** which recipes treat all layers alike, and
# which let one ranking decide? Which layer does each ranking empty first?


# %%
def where(label: str) -> plt.Figure:
    """What is left of each layer's weights, at both sparsities."""
    before, left_over = prunable(dense), {}
    for which, network in zip(("moderate", "high"), networks[label], strict=True):
        after = {name: int(w.count_nonzero()) for name, w in prunable(network).items()}
        left_over[f"{label}, {which} sparsity"] = {
            n: k / before[n].numel() for n, k in after.items()
        }
    axes = plots.bars_per_layer(left_over, "weights left")
    plots.percent_axis(axes)
    axes.figure.set_layout_engine("constrained")
    return axes.figure


slider(where, list(results), start="Renda 2020", label="recipe")

# %% [markdown]
# Now an honest ending: choose one winner for weights and one for filters on `val`, and measure only
# these two on the test images. The recipes do not end at quite the same sparsity or MACs, so the
# highest accuracy would be an unfair rule. A fairer one: how far is a recipe above the line of
# chance *at the same place* on the axis?


# %%
def above_chance(label: str, control: str, position: int) -> float:
    """By how much the second network of a recipe beats the control's line at the same place."""
    (x0, y0), (x1, y1) = ((point[position], point[2]) for point in results[control])
    x, y = results[label][1][position], results[label][1][2]
    return y - (y0 + (y1 - y0) * (x - x0) / (x1 - x0))


test, bars = data.subset("test"), {}
for family, labels, position in (("weights", WEIGHTS, 0), ("filters", FILTERS, 1)):
    leads = {label: above_chance(label, f"random {family}", position) for label in labels}
    print(f"{family}: " + ", ".join(f"{n} {100 * v:+.1f}" for n, v in leads.items()) + " points")
    best = max(leads, key=leads.__getitem__)
    bars[f"{family}: {best}"] = (results[best][1][2], accuracy(networks[best][1], test))

# %%
_, ax = plt.subplots(figsize=(7, 1.6))
for row, (label, (on_val, on_test)) in enumerate(bars.items()):
    margin = plots.confidence(on_test, len(test))
    ax.errorbar(100 * on_test, row, xerr=100 * margin, fmt="o", color=plots.BLUE, capsize=4)
    ax.plot(100 * on_val, row, "|", color="black", markersize=14)
    ax.text(99, row, f"{on_test:.1%} ± {margin:.1%}", ha="right", va="center")
ax.set_yticks(range(len(bars)), bars)
ax.set(xlim=(50, 100), ylim=(1.5, -0.5), xlabel="accuracy on test (%); black: on val")
plt.show()
if my_weights is not None:
    print(f"you said: {my_weights} and {my_filters}")

# %% [markdown]
# ### Question A  (8 minutes, 4 points)
#
# Make an eighth recipe. Choose a structure, a criterion and a method such that *no* paper of this
# lab has the three together, write it down as precisely as the tables above (which layers, which
# norm or score over what, which schedule, which learning rates), and say what you would expect
# compared with the two papers that are closest to it. You need not run it.

# %% [markdown] answer="eighth_recipe" points=4
# **Model answer.** For example: *structure* filters of the free convolutions; *criterion* gates
# (Molchanov), one ranking for the network, averaged over 20 minibatches in evaluation mode;
# *method* progressive: the cubic of Zhu & Gupta from 0 to 60 % of the filters, an update every
# 100 steps of an ordinary training, at least one filter per layer, the ordinary learning rate.
# Closest are Molchanov 2019 (the same number of filters in every round) and Zhu & Gupta (weights,
# magnitude, same share per layer). Compared with Molchanov, more goes early, when there is most to
# spare, and there is more time to recover at the end, so I expect it to be at least as good at
# equal steps. Compared with Zhu & Gupta it makes the network really smaller, at a lower accuracy
# for the same number of weights.
#
# **Marking guide.** 1 point for each of the three answers, if precise enough to be implemented
# (layers; score and over what it is ranked; when, how much, learning rates). 1 point for an
# expectation with a reason that names the two closest recipes. No point is lost if the expectation
# would turn out wrong. A recipe that one of the seven papers already has: at most 2 points.

# %% [markdown]
# ### Question B  (6 minutes, 3 points)
#
# A friend sees your picture and says: "So the paper at the top is the best, and the one at the
# bottom does not work." Give three different reasons why the picture does not show that.

# %% [markdown] answer="not_a_ranking" points=3
# **Model answer.** (1) One epoch on 4,000 images is not the recipe of any of these papers. Some
# need many small steps: soft pruning must wait until zeroed filters stop growing, the penalty of
# Liu acts through thousands of steps with a small λ, Renda replays a long schedule. (2) One seed
# and 1,000 images: differences below about 2 to 3 points are chance. (3) Every recipe has knobs
# (λ, quality, N, Δt, learning rates), and none was tuned, or not with equal effort. Also right: two
# families with different structures are not comparable at the same sparsity, because zeros among
# weights make nothing smaller or faster; equal steps are not equal compute (the small network of
# Li trains faster from the start, the gates cost extra passes); one network and one data set; Li's
# skipped layers were chosen with val images; Han's sparsity comes out and is not the same as that
# of the others.
#
# **Marking guide.** 1 point for each reason that is right and different from the others, up to 3.

# %% [markdown]
# ### Question C  (6 minutes, 3 points)
#
# Look at the random controls. For which structure is "by chance" closer to the papers, and what
# does that say about the criterion in comparison with the method?

# %% [markdown] answer="random_control" points=3
# **Model answer.** Filters. Random *weights* at the high sparsity ruin the network (most of its
# accuracy is gone), while magnitudes cost it about ten points at most: there the criterion does the
# work. Random *filters* are as good as some of the recipes. In a layer of 16 to 64 filters the
# norms, scales and gates differ less, every choice removes something that is needed, and what
# counts more is that the rest is trained again, long enough and at a rate that repairs: the method
# does much of the work. The experiment with one method shows that the criteria are worth a few
# points, no more. (Liu 2019, *Rethinking the Value of Network Pruning*, goes further: for filters,
# training the small network from scratch is often as good.) So a paper on filters without a random
# control says little about its criterion.
#
# **Marking guide.** 1 point: filters, read off the picture (if a student's picture shows something
# else, the point is for reading it correctly). 1 point: criterion matters much for weights, less
# for filters, or the statement that fits their picture. 1 point: a reason, or the conclusion that
# a control is needed to give credit to a criterion.

# %% [markdown]
# ## What the camera takes home
#
# Seven papers, and none of them needed more than ten lines of yours: three answers, each one from
# a short list. When you read the next one, look for its three answers first, then for its control
# and its budget. What is still open is whether a network with fewer MACs is a *faster* one: lab 5
# gets out the stopwatch.

# %% [markdown]
# ## Hand in
#
# Save (Ctrl+S), then run this cell and click: it runs the saved notebook from top to bottom, says
# what would cost you points, and packs the file that you hand in. You can do so as often as you
# like.

# %%
from pruninglab.hand_in import hand_in

hand_in()
