# %% [markdown]
# # Lab 0 · Sample
#
# **One sentence: what this lab is about**
#
# A story, in a few lines, that ends with a question which the lab answers.
#
# | part | exercises | minutes | points |
# |---|---|---|---|
# | Masks | 1 density | 10 | 4 |
#
# Write each function in place of the line that raises an error, then run the check under it.
# Write down your prediction *before* the cell that shows the result.

# %%
from importlib.util import find_spec

if not (find_spec("pruninglab") and find_spec("pruninglab.labs.sample")):
    raise ModuleNotFoundError("%pip install FOLDER, the unpacked zip that this lab came in")

import torch
from pruninglab.labs.sample import check
from torch import Tensor

# %% [markdown]
# ## Exercise 1 · What stays  (5 minutes, 2 points)
#
# Why the function is needed, and what to try by hand first: which share of
# `[[True, False], [True, True]]` is True?
#
# <details><summary>Hint</summary>
#
# The mean of zeros and ones is the share of ones.
#
# </details>

# %% exercise="sample_density"

# %% check="sample_density" points=2

# %% [markdown]
# **Predict:** a mask keeps every third weight of a layer of 3,000. What is its density?

# %%
my_density = None  # your prediction, e.g. 0.5

# %%
print(f"density {sample_density(torch.arange(3000) % 3 == 0):.3f} (you: {my_density})")

# %% [markdown]
# **Explain** (2 points): two layers have a density of 0.5 and 0.1. Is the density of both
# together 0.3?

# %% [markdown] answer="sample_mean_of_densities" points=2
# **Model answer.** Only if both have the same number of weights: the density of both together is
# the number of all weights that stay / the number of all weights, so the larger layer counts more.
#
# **Marking guide.** 1 point: not in general. 1 point: the reason, the sizes of the layers.

# %% [markdown]
# ## Hand in
#
# Save (Ctrl+S), then run this cell and click: it runs the saved notebook from top to bottom, says
# what would cost you points, and packs the file that you hand in. You can do so as often as you
# like.

# %%
from pruninglab.hand_in import hand_in

hand_in()
