# %% [markdown]
# # Lab 7 · Project
#
# **A recipe of your own, a prediction, and seven minutes to present it**
#
# In lab 4 you wrote down an eighth recipe that you did not have to run. Now you run it, on the
# embedded images (minutes), on CIFAR-10 or on CIFAR-100 (hours), and tell others in seven minutes
# what came out.
#
# | part | exercises | minutes | points |
# |---|---|---|---|
# | The rules of the table | 1 four definitions · 2 mean and spread | 20 | 6 |
# | Your recipe | question A: the recipe; a prediction; its run | 40 | 4 |
# | The rules of the choice | 3 the Pareto front · 4 one network | 25 | 6 |
# | What came out | questions B, C, D | 30 | 10 |
# | Your talk | question E: the talk; slides, the leaderboard | 45 | 6 |

# %%
from importlib.util import find_spec

if not (find_spec("pruninglab") and find_spec("pruninglab.labs.project")):
    raise ModuleNotFoundError("%pip install FOLDER, the unpacked zip that this lab came in")

from IPython.display import Image

from pruninglab.checkpoints import ASSETS

Image(
    str(ASSETS / "opening-project.png"),
    width=900,
    alt="A recipe of three answers; accuracy against the weights removed, with question marks at "
    "three sparsities; slides with a curve that is not the one that was expected",
)

# %% [markdown]
# This lab asks all three questions of the lecture at once: what kind of part to remove, how to tell
# which one, and how to remove it without harm. All that you wrote in labs 1 to 6 is in `toolbox`.

# %%
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from pruninglab.labs.project import check
from pruninglab.labs.project.toolbox import (
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

# %%
from pruninglab.glossary import glossary

glossary()

# %% [markdown]
# ## Part 1 · The rules of the table
#
# The first question after a talk is usually about a number on a slide: "Your 10x, ten times of
# what?" So before there are any numbers, there are definitions.
#
# ### Exercise 1 · Four definitions  (10 minutes, 3 points)
#
# ★☆☆ · You will define every column of a results table.
#
# **Sparsity** is the share of the *dense* network's prunable weights that is zero or gone,
# **compression** is all parameters / those that remain, the **MAC ratio** is MACs before / after,
# and **speed-up** is *time* before / after (lab 5 has shown how far apart the two can be). Write
# `definitions`. It has to work for a masked network, for one that is really smaller, and for one
# that is both.
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
# <details><summary>Go further</summary>
#
# Add bytes on disk, with lab 5's bitmask. Which of two systems of equal sparsity needs more?
#
# </details>
#
# ### Exercise 2 · Mean and spread  (10 minutes, 3 points)
#
# ★☆☆ · You will report runs with their spread.
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
# <details><summary>Go further</summary>
#
# With n seeds the standard error of the mean is the spread / √n. How many seeds tell two systems
# apart that differ by a point?
#
# </details>
#
# ## Part 2 · Your recipe
#
# ★★★ · You will turn three answers into a recipe that runs, and give it a control.
#
# Three answers make a method. Give yours in words first: they go onto your slides, with the name of
# your system and your question. When you change the recipe, change this cell as well.

# %%
NAME = "Gradual, global"  # of your system
QUESTION = """
Zhu and Gupta prune every layer alike. Lab 1 has shown that layers differ a lot in what they can
spare. Does one ranking for the whole network work along their schedule, too?
"""
ANSWERS = (
    "single weights",  # structure: "single weights" or "filters"; it decides which control you get
    "magnitude, one ranking for the network",  # criterion: which ones
    "more and more while training (cubic), one cycle of the learning rate",  # method
)

# %% [markdown]
# Then in code. A recipe gets a copy of the trained network, a target, its budget in steps, and the
# training loop of lab 4: `train(model, masks, lrs, before_step=None)` makes one step per learning
# rate. It changes the network in place, or returns another one. The one below is an example: Zhu
# and Gupta's method, but with *one* ranking for all layers, where they prune every layer alike.
# **Replace it with your own**, piece by piece or as a whole.
#
# <details><summary>Another start: filters that are really removed</summary>
#
# ```python
# from pruninglab.labs.project.toolbox import filter_mask
#
# NAME = "L1, layer by layer"
# ANSWERS = ("filters", "L1 norm, same share of every layer", "at once, one cycle")
#
# def my_recipe(model: nn.Module, target: float, steps: int, train: project.Loop) -> None:
#     """The share `target` of each free convolution's filters goes at once; then training."""
#     weights = {name: model.get_parameter(f"{name}.weight") for name in free_convs(model)}
#     shrink(model, {name: filter_mask(w.detach(), target) for name, w in weights.items()})
#     train(model, {}, cycle(steps))
# ```
#
# with targets such as 0.3, 0.5, 0.7. Two ways to make it worse, both worth a talk: one ranking of
# L1 norms for the whole network (they are sums, so a layer whose filters have few weights loses
# them all), and removing half of the filters only halfway through (they are trained for nothing,
# and the others have half the time to repair the damage).
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


# %% [markdown]
# ### Question A  (10 minutes, 4 points)
#
# Write your recipe down so that somebody else could implement it: structure, criterion (which
# score, ranked over what), method (when, how much, learning rates). Say which of the seven papers
# is closest, and what you do differently. The example above is not your own: change at least one of
# the three answers. You are marked for what you write *and* run, not for its accuracy.

# %% [markdown] answer="the_recipe" points=4
# **Model answer.** *Structure*: single weights of all convolutions and the classifier. *Criterion*:
# magnitude, **one ranking for the network**. *Method*: ten updates along the cubic of Zhu & Gupta,
# the target is reached after 70 % of the steps; one cycle of the learning rate, up to 0.05 and down
# to 0. Closest is Zhu & Gupta 2017. There every layer loses the same share; here a layer that has
# many small weights loses more.
#
# **Marking guide.** Look at the code cell above: it is the recipe that was run. 1 point for each
# of the three answers, if it is precise enough to be implemented and agrees with the code. 1 point
# for the closest paper with the difference. The example, unchanged: 1 point at most. A recipe that
# one of the seven papers already has is welcome if it says so: full marks.

# %% [markdown]
# A recipe needs a control of its *own structure*: lab 4 has shown that random filters are a strong
# opponent, and random weights are not. There is one for each, as simple as can be.


# %%
def random_weights(model: nn.Module, target: float, steps: int, train: project.Loop) -> None:
    """The control for single weights: chance says which go, at once; then the training."""
    masks = random_masks(model, target, torch.Generator().manual_seed(0))
    train(model, masks, cycle(steps))


def random_filters(model: nn.Module, target: float, steps: int, train: project.Loop) -> None:
    """The control for filters: of the free convolutions, chance says which filters go."""
    generator = torch.Generator().manual_seed(0)
    sizes = {name: len(model.get_parameter(f"{name}.weight")) for name in free_convs(model)}
    scores = {name: torch.rand(size, generator=generator) for name, size in sizes.items()}
    shrink(model, filter_masks(scores, target))
    train(model, {}, cycle(steps))


random_recipe = random_filters if "filter" in ANSWERS[0] else random_weights

# %% [markdown]
# Where, how long, how often. Start with the embedded images. For the real thing choose one of:
#
# - `DATASET = "cifar10"`, 10 to 40 epochs: the network that ships, trained on the same images;
# - `DATASET = "cifar100"`: 100 classes. A dense network is trained for them first, once.
#
# `project.plan` says beforehand what that means here: steps, download and time, as if nothing were
# done yet. A GPU is used if there is one. What has finished stays in the folder `my_project`: run
# a cell again, and only what is missing is computed. If you change your recipe, it starts afresh.

# %%
DATASET = "subset"  # or "cifar10", or "cifar100"
EPOCHS = 1  # the budget of each pruned network
TARGETS = [0.5, 0.8, 0.95]  # ascending
run = {"targets": TARGETS, "dataset": DATASET, "epochs": EPOCHS}

# %%
# NBVAL_IGNORE_OUTPUT
print("this cell's settings, your recipe with two seeds:", project.plan(seeds=[0, 1], **run))
for dataset in ("cifar10", "cifar100"):
    print(f"\n{dataset}, 10 epochs:", project.plan(TARGETS, [0, 1], dataset, epochs=10))

# %% [markdown]
# **Predict (3 minutes)** before you run, and give a reason that could turn out wrong. What accuracy
# do you expect on the held-out images at each target? How far below yours will that of chance be at
# the middle one? This goes on your second slide. A prediction that fails is nothing to be ashamed
# of: it makes the better talk.

# %%
my_prediction = [None for target in TARGETS]  # an accuracy for each target, e.g. [0.9, 0.8, 0.5]
my_distance_to_chance = None  # in points, at the middle target, e.g. 20

# %%
# NBVAL_IGNORE_OUTPUT
mine = project.run_project(my_recipe, name=NAME, answers=ANSWERS, **run)

# %%
# NBVAL_IGNORE_OUTPUT
structure = "filters" if random_recipe is random_filters else "single weights"
control_answers = (structure, "chance", "at once, one cycle of the learning rate")
control_name = f"Random {structure.removeprefix('single ')}"
control = project.run_project(random_recipe, name=control_name, answers=control_answers, **run)


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
for target, guess, (mean, _, _) in zip(TARGETS, my_prediction, val_table(mine).values()):
    if guess is not None:
        print(f"target {target:.0%}: you predicted {guess:.1%}, it is {mean:.1%}")
middle = TARGETS[len(TARGETS) // 2]
distance = val_table(mine)[middle][0] - val_table(control)[middle][0]
print(
    f"distance to chance at {middle:.0%}: {100 * distance:.0f} points, you:", my_distance_to_chance
)

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
# ★★☆ · You will keep what nothing else beats.
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
# <details><summary>Go further</summary>
#
# Write it in n·log n: sort once, then walk.
#
# </details>
#
# ### Exercise 4 · One network  (10 minutes, 3 points)
#
# ★★☆ · You will choose without looking at the test images.
#
# The camera gets one network, not a curve. Write `choose`. Your choice must not depend on the test
# accuracies: choose on the held-out images, and the test images will tell you, once, how good the
# choice was.
#
# <details><summary>Hint</summary>
#
# `max(positions, key=...)` with a pair as the key: first the compression, then the accuracy.
#
# </details>

# %% exercise="choose"

# %% check="choose" points=3

# %% [markdown]
# <details><summary>Go further</summary>
#
# Choose on one half of the held-out images and measure on the other, 100 times. How much does the
# choice flatter itself?
#
# </details>
#
# Both functions at work: your networks and the control, counted from the files that you will hand
# in, and beside them the networks of the course (full CIFAR-10, accuracies on the same held-out
# images).


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
    look = {"marker": "o", "ms": 8, "zorder": 5} if own else {"marker": ".", "ms": 6}
    ax.plot(size, 100 * value, color=colour, **look)
line = sorted(every[i] for i in front)
ax.step([x for x, _ in line], [100 * y for _, y in line], where="pre", color=plots.BLUE, lw=1)
if best is not None:
    ax.plot(every[best][0], 100 * every[best][1], "*", color=plots.YELLOW, mec="k", ms=18, zorder=6)
ax.axhline(100 * mine[0].dense.val - 2, color=plots.GREY, linestyle=":")
ax.set_xscale("log")
ax.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
ax.minorticks_off()
ax.set(xlabel="compression", ylabel="accuracy, held-out (%)", ylim=(0, 100))
ax.set_xlim(0.9, max(150, 1.2 * max(size for size, _ in every)))
ax.set_title("red: yours, star: chosen, black: chance, blue: the course's; line: the front")
plt.show()
if best is None:
    print("none of your networks loses at most two points")
else:
    print(f"chosen: {rows[best]['record'].system}, target {rows[best]['point'].target:.0%}")

# %% [markdown]
# Was the course's training longer than yours? Then a point of yours on the front is a find, and one
# below it proves nothing. Keep that in mind for question D.
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
# ### Question B  (8 minutes, 4 points)
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
# 1 point: no claim goes beyond that (for example "better" inside the interval: no point). Without
# a written prediction: 2 points at most.

# %% [markdown]
# ### Question C  (6 minutes, 3 points)
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
# ### Question D  (6 minutes, 3 points)
#
# Write the small print of your figure: three things that somebody who sees only the figure would
# believe, and should not.

# %% [markdown] answer="small_print" points=3
# **Model answer.** Any three of: (1) the curves differ in more than the method: ours had one epoch
# on 4,000 images, the course's runs 49,000 images, the published ones a network four times as wide
# and 300 epochs, and 50 more after pruning; (2) two seeds are hardly a spread, and the published
# points have none; (3) 2,000 test images against 10,000: the intervals differ; (4) the axis counts
# weights, and 95 % fewer weights do not mean less time: the network is masked, its speed-up is 1;
# (5) the test images are those on which others have chosen their published methods; (6) the axis is
# stretched at its right end.
#
# **Marking guide.** 1 point each, up to 3: the false belief *and* why it is false. "More seeds
# would be better" alone is half a point, rounded down.

# %% [markdown]
# ## Part 5 · Your talk
#
# ★★☆ · You will say in seven minutes what you found, and no more than you found.
#
# Seven slides for seven minutes: a title; the question and your prediction; the three answers; the
# figure; the table; what surprised you; what you would do next. Numbers and figure come from your
# records; name, question and answers from part 2; the rest from you. Write sentences that you would
# say. As long as a section still says "write here", there are no slides.

# %%
TALK = f"""
## Title
{NAME}

## Author
Your name

## Question
{QUESTION}

## Prediction
Write yours here, with its reason.

## Surprise
Write here what you did not expect.

## Next
Write here what you would run next, and what it would tell you.
"""
project.FOLDER.mkdir(exist_ok=True)
(project.FOLDER / "talk.md").write_text(TALK, encoding="utf-8")
words = slides.read_talk(TALK)
if missing := slides.unfinished(words):
    print("no slides yet: still to be written:", ", ".join(missing))
else:
    made = slides.make([*mine, *control], words, project.FOLDER / "talk")
    print("\n".join(str(path) for path in made))

# %% [markdown]
# Open `my_project/talk.html` in a browser (arrow keys; F for the full screen); it needs no network.
# `talk.pdf` is the same for a projector without a browser. After a longer run, or a change in the
# text, run the cell above once more to renew both. Then look at *every* page.
#
# ### Question E  (15 minutes, 6 points)
#
# The talk. Write what you say, one or two sentences for each of the seven slides (or hand in the
# text of `TALK`, finished). It is marked by the guide that your instructor has: question and
# prediction, the three answers, control and spread, what the figure does *not* show, the surprise,
# and the next experiment, one point each.

# %% [markdown] answer="the_talk" points=6
# **Model answer.** (1) *Gradual, global*: one ranking, Zhu and Gupta's schedule. (2) They prune
# all layers alike; layers differ in what they can spare, so I expected one ranking to lose less,
# above all at 95 %. (3) Single weights; magnitude, one ranking for the network; a cubic over the
# first 70 % of the steps, one cycle of the learning rate. (4) Up to 80 % the curve stays within a
# few points of the dense network; the same share of random weights loses most of its accuracy. (5)
# Mean and standard deviation of two seeds, 2,000 test images: less than two points mean nothing.
# The course's curves trained on twelve times as many images, so being below them is no verdict. (6)
# At 95 % the network collapses, which I did not expect. (7) Next: the same schedule layer by layer
# at the same budget, because only that tests the ranking; I would give up the ranking if it were
# not better by more than the spread.
#
# **Marking guide.** 1 point each: a question, and a prediction with its reason; the three answers,
# precise; a control of the same structure and the spread over the seeds (or "one seed, so no
# spread"); one thing that the figure does not show; a surprise that is a number or a picture of
# their own; a next experiment that could prove them wrong. For the spoken talk use the same six,
# and take a point off above eight minutes.

# %% [markdown]
# **The leaderboard.** Hand in up to three of your networks, files of `my_project/networks`, *in
# addition to* the zip that the last cell packs: that zip holds the notebook only. Their accuracy,
# compression and speed are measured from the files; what you say about them counts for nothing. (A
# network chosen by its test accuracy can be found out: it drops on other images.)

# %%
for path in sorted((project.FOLDER / "networks").glob("*.npz")):
    print(path)

# %% [markdown]
# ## What you can show
#
# This is the lecture's figure again, as this course measured it. Where would your curve be?

# %%
Image(str(ASSETS / "results" / "lecture.png"), width=900)

# %% [markdown]
# A question of your own, a prediction that could fail, a recipe in ten lines, a control, a table
# whose every column you can define, and a figure that puts all of it where it belongs: beside what
# others have found. That is what a paper on pruning is made of. Read the next one with the three
# questions of lab 1, the control of lab 4 and the clock of lab 5, and you will know within ten
# minutes what it shows.

# %% [markdown]
# ## Hand in
#
# Save (Ctrl+S), then run this cell and click: it runs the saved notebook from top to bottom, says
# what would cost you points, and packs the file that you hand in. You can do so as often as you
# like.

# %%
from pruninglab.hand_in import hand_in

hand_in()
