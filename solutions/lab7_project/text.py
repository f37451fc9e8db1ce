# %% [markdown]
# # Lab 7 · Project
#
# **A recipe of your own, a prediction, and seven minutes to present it**
#
# The camera at the wildlife crossing has seen seven papers in lab 4, and at its end you wrote down
# an eighth recipe that you did not have to run. Now you run it. In two weeks the people who will
# mount the camera listen to you for seven minutes, and ask questions for three.
#
# | part | exercises | minutes | points |
# |---|---|---|---|
# | The rules of the table | 1 four definitions · 2 mean and spread | 20 | 6 |
# | Your recipe | a prediction and its run | 30 | 0 |
# | The rules of the choice | 3 the Pareto front · 4 one network | 20 | 6 |
# | What came out | questions A, B, C | 30 | 10 |
# | Your talk | slides, the leaderboard | 30 | 0 |
#
# All that you wrote in labs 1 to 6 is in `toolbox`. Here everything runs on the embedded images, in
# minutes; the same cells run on all of CIFAR-10, or on CIFAR-100, when you change one argument.
#
# Words: **sparsity** is the share of the *dense* network's prunable weights that is zero or gone,
# **compression** is all parameters / those that remain, the **MAC ratio** is MACs before / after,
# and **speed-up** is *time* before / after (lab 5 has shown how far apart the two can be).

# %%
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from probes import check
from toolbox import (
    cubic_sparsity,
    filter_masks,
    filter_scores,
    free_convs,
    global_masks,
    magnitude_scores,
    shrink,
)
from torch import nn

from pruninglab import counters, plots, project
from pruninglab.masks import random_masks
from pruninglab.models import prunable
from pruninglab.project import networks, slides
from pruninglab.project.overlay import overlay
from pruninglab.results import records
from pruninglab.training import triangular

torch.set_num_threads(1)  # enough for a small network; and the results do not depend on it

# %% [markdown]
# ## Part 1 · The rules of the table
#
# The first question after a talk is usually about a number on a slide: "Your 10x, ten times of
# what?" So before there are any numbers, there are definitions.
#
# ### Exercise 1 · Four definitions  (10 minutes, 3 points)
#
# Write `definitions`. It has to work for a masked network, for one that is really smaller, and for
# one that is both.
#
# By hand first: of 1,000 weights 500 were removed, and 300 of the others are zero. How sparse is
# this network? (If you found 60 %: 60 % of what?)
#
# <details><summary>Hint 1</summary>
#
# How many prunable weights are left that are not zero? The rest of the *dense* network's is gone.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Every ratio is before / after. Two of the four never look at zeros.
#
# </details>

# %% exercise="definitions"

# %% check="definitions" points=3

# %% [markdown]
# ### Exercise 2 · Mean and spread  (10 minutes, 3 points)
#
# Another seed, another accuracy. How far apart they lie is as much a result as their mean. Write
# `mean_and_spread`. Runs may be incomplete: somebody closed the laptop.
#
# <details><summary>Hint 1</summary>
#
# The `statistics` module has `mean`, `stdev` (n - 1) and `pstdev` (n).
#
# </details>
# <details><summary>Hint 2</summary>
#
# `{target for run in runs for target in run}` are all targets of all runs, each once.
#
# </details>

# %% exercise="mean_and_spread"

# %% check="mean_and_spread" points=3

# %% [markdown]
# ## Part 2 · Your recipe
#
# Three answers make a method. Give yours in words first: they will stand on your third slide.

# %%
NAME = "Gradual, global"  # of your system
ANSWERS = (
    "single weights",  # structure: what kind of part
    "magnitude, one ranking for the network",  # criterion: which ones
    "more and more while training (cubic), one cycle of the learning rate",  # method
)

# %% [markdown]
# Then in code. A recipe gets a copy of the trained network, a target, its budget in steps, and the
# training loop of lab 4: `train(model, masks, lrs, before_step=None)` makes one step per learning
# rate. It changes the network in place, or returns another one. The one below is an example: Zhu
# and Gupta's method, but with *one* ranking for all layers, where they prune every layer alike.
# **Replace it by your own**, piece by piece or as a whole.
#
# <details><summary>Another start: filters that are really removed</summary>
#
# ```python
# def my_recipe(model: nn.Module, target: float, steps: int, train: project.Loop) -> None:
#     """L1 norm, one ranking, half of the filters at once, the other half half-way."""
#     for share in (target / 2, target):
#         convs = {name: model.get_parameter(f"{name}.weight") for name in free_convs(model)}
#         scores = filter_scores({n: w.detach() for n, w in convs.items()}, p=1)
#         share = 1 - (1 - share) * FILTERS / sum(map(len, scores.values()))
#         shrink(model, filter_masks(scores, max(share, 0.0)))
#         train(model, {}, cycle(steps // 2))
# ```
#
# with `FILTERS = 336`, the free filters of the dense network, and targets such as 0.3, 0.5, 0.7.
#
# </details>


# %%
def cycle(steps: int, peak: float = 0.05) -> list[float]:
    """A learning rate per step: up to `peak`, and down to 0."""
    return [triangular(peak)((step + 0.5) / steps) for step in range(steps)]


def my_recipe(model: nn.Module, target: float, steps: int, train: project.Loop) -> None:
    """Along a cubic to the target, in 70 % of the steps; one ranking of all weights."""
    lrs, every = cycle(steps), max(1, steps // 10)
    for start in range(0, steps, every):
        sparsity = cubic_sparsity(start, 0, every, 7, target)
        masks = global_masks(magnitude_scores(model), sparsity)
        train(model, masks, lrs[start : start + every])


def random_recipe(model: nn.Module, target: float, steps: int, train: project.Loop) -> None:
    """The control: which weights go is left to chance, everything else is as simple as can be."""
    masks = random_masks(model, target, torch.Generator().manual_seed(0))
    train(model, masks, cycle(steps))


# %% [markdown]
# Where, how long, how often. For the real thing, set `DATASET = "cifar10"` and 10 to 40 epochs:
# hours on a laptop, minutes on a GPU. `"cifar100"` works the same way; a dense network for its 100
# classes is trained first, once. What has finished stays in the folder `my_project`: run a cell
# again, and only what is missing is computed. If you change your recipe, it starts afresh.

# %%
DATASET = "subset"  # or "cifar10", or "cifar100"
EPOCHS = 1  # the budget of each pruned network
TARGETS = [0.5, 0.8, 0.95]
run = {"targets": TARGETS, "dataset": DATASET, "epochs": EPOCHS}

# %% [markdown]
# **Predict** before you run, and give a reason that could turn out wrong. Which accuracy on the
# held-out images at each target? How far below will chance be at 80 %? This goes on your second
# slide, and there is no shame in a prediction that fails: it is the better talk.

# %%
my_prediction = {0.5: None, 0.8: None, 0.95: None}  # accuracies, e.g. 0.9
my_distance_to_chance = None  # in points at 80 %, e.g. 20

# %%
# NBVAL_IGNORE_OUTPUT
mine = project.run_project(my_recipe, name=NAME, answers=ANSWERS, **run)

# %%
# NBVAL_IGNORE_OUTPUT
control_answers = ("single weights", "chance", "at once, one cycle of the learning rate")
control = project.run_project(random_recipe, name="Random control", answers=control_answers, **run)


# %%
# NBVAL_IGNORE_OUTPUT
def val_table(found: Sequence[records.Record]) -> dict[float, tuple[float, float | None, int]]:
    """Your mean and spread over the seeds, on the held-out images."""
    return mean_and_spread([{p.target: p.val for p in record.points} for record in found])


def show(found: Sequence[records.Record]) -> None:
    """A line per target."""
    for target, (mean, spread, n) in val_table(found).items():
        width = "spread unknown" if spread is None else f"± {spread:.1%}"
        print(f"{found[0].system:<16} {target:>5.0%}  {mean:.1%} {width} ({n} runs)")


print(f"{'dense':<16} {'':>5}  {mine[0].dense.val:.1%}")
show(mine)
show(control)
print("you predicted", my_prediction, "and a distance of", my_distance_to_chance)

# %% [markdown]
# One run is an anecdote. A second seed makes it two; for your talk take three. The targets that are
# done already are not computed again.

# %%
# NBVAL_IGNORE_OUTPUT
mine = project.run_project(my_recipe, seeds=[0, 1], name=NAME, answers=ANSWERS, **run)
show(mine)

# %% [markdown]
# ## Part 3 · The rules of the choice
#
# ### Exercise 3 · The Pareto front  (10 minutes, 3 points)
#
# Is 91 % at 5x better than 89 % at 12x? Neither beats the other. But a network that is smaller
# *and* more accurate than another beats it, whatever your taste. Write `pareto_front`.
#
# By hand: (5, 0.90), (5, 0.88), (4, 0.90). Which one stays?
#
# <details><summary>Hint 1</summary>
#
# Two loops: a network stays if no other one beats it. Write "beats" first, word by word.
#
# </details>
# <details><summary>Hint 2</summary>
#
# At least as good in both and not equal in both: that is "better in at least one".
#
# </details>

# %% exercise="pareto_front"

# %% check="pareto_front" points=3

# %% [markdown]
# ### Exercise 4 · One network  (10 minutes, 3 points)
#
# The camera gets one network, not a curve. Write `choose`. It must not matter for your choice what
# the test accuracies are: choose on the held-out images, and the test images will tell you, once,
# how good the choice was.
#
# <details><summary>Hint</summary>
#
# `max(positions, key=...)` with a pair as the key: first the compression, then the accuracy.
#
# </details>

# %% exercise="choose"

# %% check="choose" points=3

# %% [markdown]
# Both at work: your networks and the control, counted from the files that you will hand in, and
# beside them the networks of the course (full CIFAR-10, accuracies on the same held-out images).


# %%
# NBVAL_IGNORE_OUTPUT
def counts(network: nn.Module, seconds: float = 1.0) -> dict[str, float]:
    """What `definitions` asks for."""
    weights = counters.prunable_weights(network)
    return {
        "parameters": counters.parameters(network),
        "weights": weights,
        "zeros": weights - counters.nonzeros(network),
        "macs": counters.macs(network),
        "seconds": seconds,
    }


dense_counts = counts(project.dense_network(DATASET, project.FOLDER, 16, 40))
rows = []
for record in [*mine, *control]:
    for point in record.points:
        file = project.network_file(record, point.target, project.FOLDER)
        numbers = definitions(dense_counts, counts(networks.load(file)))
        rows.append({**numbers, "val": point.val, "test": 0.0, "record": record, "point": point})
course = [(r, p) for r in records.load_all() if r.dataset == mine[0].dataset for p in r.points]
every = [(row["compression"], row["val"]) for row in rows]
every += [(r.dense.parameters / max(p.nonzeros, 1), p.val) for r, p in course]
front = pareto_front(every)
best = choose(rows, {"val": mine[0].dense.val, "test": 0.0}, tolerance=0.02)

# %%
_, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for i, (size, value) in enumerate(every):
    own = i < len(rows)
    chance = own and "Random" in rows[i]["record"].system
    colour = "0.3" if chance else plots.RED if own else plots.SKY
    ax.plot(size, 100 * value, "o" if own else ".", color=colour, ms=8 if own else 6)
line = sorted(every[i] for i in front)
ax.step([x for x, _ in line], [100 * y for _, y in line], where="pre", color=plots.BLUE, lw=1)
if best is not None:
    ax.plot(every[best][0], 100 * every[best][1], "*", color=plots.ORANGE, ms=20, zorder=0)
ax.axhline(100 * mine[0].dense.val - 2, color=plots.GREY, linestyle=":")
ax.set_xscale("log")
ax.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
ax.minorticks_off()
ax.set(xlabel="compression", ylabel="accuracy, held-out (%)", ylim=(0, 100))
ax.set_title("red: yours, star: chosen, black: chance, blue: the course's; line: the front")
plt.show()
if best is None:
    print("none of your networks loses at most two points")
else:
    print(f"chosen: {rows[best]['record'].system}, target {rows[best]['point'].target:.0%}")

# %% [markdown]
# Was the course's training longer than yours? Then a point of yours on the front is a find, and one
# below it is no verdict. Keep that in mind for question C.
#
# ## Part 4 · What came out
#
# Nothing is chosen any more. Open the drawer with the test images: once. The stopwatch runs, too,
# the dense network and yours in turns, as in lab 5.

# %%
# NBVAL_IGNORE_OUTPUT
project.read_test([*mine, *control], DATASET)
for record in mine:
    for point in record.points:
        timed = {"seconds": point.latency}, {"seconds": point.dense_latency}
        file = project.network_file(record, point.target, project.FOLDER)
        found = definitions(dense_counts | timed[1], counts(networks.load(file)) | timed[0])
        listed = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
        print(f"seed {record.seed}, {point.target:.0%}: test {point.test:.1%}, {listed}")

# %% [markdown]
# And your curve over ours and the published one. The lecture's network is four times as wide and
# was trained for 300 epochs, and 50 more after pruning, so look at the right panel: what does each
# network lose compared with its own dense one?

# %%
overlay([*mine, *control])
plt.show()

# %% [markdown]
# ### Question A  (8 minutes, 4 points)
#
# Put your prediction and your result side by side. Where were you right, where wrong, and was your
# *reason* right? Say what the numbers allow you to say, with their spread and the size of the test
# set, and no more.

# %% [markdown] answer="prediction_reconciled" points=4
# **Model answer.** For the example recipe: I expected to lose little up to 80 % and a few points at
# 95 %, because one ranking may take more from the wide last stage. Up to 80 % that is right: two
# points lost at 50 %, six at 80 %. At 95 % it is far off: about half of the accuracy is gone. My
# reason is not tested at all: I compared with chance, not with the same method layer by layer. The
# seeds differ by half a point to a point at 50 and 80 %, by several at 95 %, and on 2,000 test
# images a 95 % interval is 1.2 to 2.2 points each way: differences to the course's curves of less
# than two points mean nothing. The distance to chance is many times that.
#
# **Marking guide.** 1 point: prediction and result are compared number by number, at two targets at
# least. 1 point: the reason is judged apart from the number (right for another reason, or not
# tested, is an answer). 1 point: an uncertainty is used, spread or interval, and used correctly.
# 1 point: no claim goes beyond that (for example "better" inside the interval: no point). Whoever
# wrote no prediction down can get 2 points at most.

# %% [markdown]
# ### Question B  (6 minutes, 3 points)
#
# What surprised you most, and what would you have to run to find out why?

# %% [markdown] answer="surprise" points=3
# **Model answer.** For the example recipe: at 95 % it collapses, although the course's network of
# the same size keeps more than 80 % with one epoch of training. Maybe because it was an epoch of
# 49,000 images there, 392 steps, and here 32, of which only the last ten or so know the final
# masks. To find out, I would reach the target earlier, after a third of the steps, at the same
# budget: if 95 % does not get clearly better, it is not the lack of steps after the last pruning.
#
# **Marking guide.** 1 point: the surprise is a fact of their own results (a number or a picture).
# 1 point: a possible cause. 1 point: an experiment that could show the cause to be wrong, and what
# one would see then. "More epochs" without saying what that would tell: no point for it.

# %% [markdown]
# ### Question C  (6 minutes, 3 points)
#
# Write the small print of your figure: three things that somebody who sees only the figure would
# believe, and should not.

# %% [markdown] answer="small_print" points=3
# **Model answer.** Any three of: (1) the curves differ in more than the method: ours had one epoch
# on 4,000 images, the course's runs 49,000 images, the published ones a network four times as wide
# and 300 epochs, and 50 more after pruning; (2) two seeds are hardly a spread, and the published
# points have none; (3) 2,000 test images against 10,000: the intervals differ; (4) the axis counts
# weights, and 95 % fewer weights are no less time: the network is masked, its speed-up is 1; (5)
# the test images are those on which others have chosen their published methods; (6) the axis is
# stretched at its right end.
#
# **Marking guide.** 1 point each, up to 3: the false belief *and* why it is false. "More seeds
# would be better" alone is half a point, rounded down.

# %% [markdown]
# ## Part 5 · Your talk
#
# Seven slides for seven minutes: a title; the question and your prediction; the three answers; the
# figure; the table; what surprised you; what you would do next. Numbers and figure come from your
# records, the words from you. Rewrite them here. Write sentences that you would say.

# %%
TALK = """
## Title
One ranking or twenty-two?

## Author
Your name

## Question
Zhu and Gupta prune every layer alike. Lab 1 has shown that layers differ a lot in what they can
spare. Does one ranking for the whole network work along their schedule, too?

## Prediction
Write yours here, with its reason.

## Surprise
Write here what you did not expect.

## Next
The same schedule layer by layer, at the same budget: only then is the ranking tested.
"""
project.FOLDER.mkdir(exist_ok=True)
(project.FOLDER / "talk.md").write_text(TALK)
made = slides.make([*mine, *control], slides.read_talk(TALK), project.FOLDER / "talk")
print("\n".join(str(path) for path in made))

# %% [markdown]
# Open `my_project/talk.html` in a browser (arrow keys; F for the full screen); it needs no network.
# `talk.pdf` is the same for the projector that has no browser. After a longer run, or a change in
# the text, run the cell above again: it makes both anew.
#
# **The leaderboard.** Hand in up to three of your networks, files of `my_project/networks`, *in
# addition to* the zip that `make submit` packs: that zip holds the notebook only. Their accuracy,
# compression and speed are measured from the files; what you say about them counts for nothing. (A
# network chosen by its test accuracy can be found out: it drops on other images.)

# %%
for path in sorted((project.FOLDER / "networks").glob("*.npz")):
    print(path)

# %% [markdown]
# ## What you can show
#
# A question of your own, a prediction that could fail, a recipe in ten lines, a control, a table
# whose every column you can define, and a figure that puts all of it where it belongs: beside what
# others have found. That is what a paper on pruning is made of. Read the next one with the three
# questions of lab 1, the control of lab 4 and the clock of lab 5, and you will know within ten
# minutes what it shows.
