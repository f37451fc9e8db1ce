"""The first picture of lab 3: the four methods of its contest, as sparsity and learning rate."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from pruninglab import checkpoints
from pruninglab.plots import RED, SKY
from pruninglab.training import triangular
from solutions.lab3_methods.exercises import cubic_sparsity, retraining_lrs

EPOCH, EPOCHS, FINAL = 9, 4, 0.8  # as in the lab: 36 steps, to a sparsity of 80 %
STEPS = EPOCH * EPOCHS


def draw() -> Figure:
    """Make the picture from the lab's own schedules."""
    whole = triangular(checkpoints.CHOSEN["peak"] / 4)
    epoch_lrs = [whole((epoch + 0.5) / 6) for epoch in range(6)]
    held, rewound = (retraining_lrs(epoch_lrs, EPOCHS, EPOCH, rewind) for rewind in (False, True))
    half = retraining_lrs(epoch_lrs, EPOCHS // 2, EPOCH, rewind=True)
    at_once = STEPS * [FINAL]
    rounds = STEPS // 2 * [1 - (1 - FINAL) ** 0.5] + STEPS // 2 * [FINAL]
    cubic = [cubic_sparsity(t, 0, STEPS // 12, 8, FINAL) for t in range(STEPS)]
    methods = {
        "at once,\na low rate": (at_once, held),
        "at once,\nrates rewound": (at_once, rewound),
        "in two rounds,\nrewound in each": (rounds, half + half),
        "little by little,\nrates rewound": (cubic, rewound),
    }
    figure, axes = plt.subplots(
        2, len(methods), figsize=(9, 3.9), layout="constrained", sharex=True, sharey="row"
    )
    for (above, below), (title, (sparsity, lrs)) in zip(axes.T, methods.items(), strict=True):
        # One step before the first cut, too: there the network is dense.
        above.fill_between(range(-1, STEPS), [0, *sparsity], step="post", color=SKY)
        below.step(range(STEPS + 1), [*lrs, lrs[-1]], where="post", color=RED, linewidth=2.5)
        above.set_title(title)
        for ax in (above, below):
            ax.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set(ylabel="sparsity", ylim=(0, 1), xlim=(-1, STEPS), xticks=[])
    axes[0, 0].set_yticks([0, FINAL], ["0", f"{FINAL:.0%}"])
    axes[1, 0].set(ylabel="learning rate", ylim=(0, 1.1 * max(epoch_lrs)), yticks=[0])
    words = f"{STEPS} training steps for each of them. Which network is best?"
    figure.supxlabel(words, fontsize="medium")
    return figure
