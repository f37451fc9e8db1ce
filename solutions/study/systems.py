"""The systems of the lecture on full CIFAR-10, put together from the functions of the labs.

Each is a generator: given a `Job` and targets, it yields pruned networks as `Pruned`. All start
from the same trained ResNet-20, except SynFlow and its controls, which prune random weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pruninglab.results.curves import EVERY, NO_MORE
from solutions.lab1_structures.exercises import local_masks
from solutions.study import at_once as once
from solutions.study import filters, lecture, scratch, weights
from solutions.study.job import System

WEIGHTS = (0.5, 0.8, 0.9, 0.95)  # share of the weights
FILTERS = (0.3, 0.5, 0.7)  # share of the filters that are free to go (AMC: of the MACs)
# The same, and where numbers were published: by MACs for Li, SFP and the cubic.
LI = (0.14, 0.2, 0.3, 0.5, 0.7)
SOFT = (0.15, 0.3, 0.42, 0.5, 0.7)
SLIM = (0.3, 0.4, 0.5, 0.6, 0.7)
CUBIC = (0.3, 0.4, 0.5, 0.7)
FIFTHS = (0.488, 0.79, 0.893)  # a fifth of the rest, three, seven and ten times
NOT_RETRAINED = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # share of the weights
QUALITIES = (0.5, 0.8, 1.1, 1.4)  # threshold / standard deviation
LOG_ALPHAS = (3.0, 1.0, 0.0)  # the noisiest weight that stays
COMPRESSIONS = (10.0, 31.6, 100.0, 1000.0)  # weights before / after
LECTURE = (0.1, 0.3, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)  # share of the weights


# The words that recur: structures, methods, targets.
SINGLE, FREE = "single weights", "filters inside the blocks"
FINE_TUNED, REWOUND = "at once, fine-tuned", "at once, LR-rewinding"
OF_ALL, OF_EACH = "share of all weights", "share of the weights of each layer"
BY_FIFTHS = "none: a fifth of the rest each round"
OF_FILTERS, TIMES = "share of the filters inside the blocks", "weights before / after"


def systems() -> Sequence[System]:
    """All of them, in the order in which they are run."""
    return [
        System("Lecture: Han", SINGLE, "magnitude, global", FINE_TUNED, OF_ALL,
               partial(lecture.lecture_han, rewind=False), LECTURE),
        System("Lecture: Han + LR-rewinding", SINGLE, "magnitude, global", REWOUND, OF_ALL,
               partial(lecture.lecture_han, rewind=True), LECTURE),
        System("Lecture: Liu", EVERY, "BN scale, global", FINE_TUNED, OF_ALL,
               partial(lecture.lecture_liu, rewind=False), LECTURE),
        System("Lecture: Liu + LR-rewinding", EVERY, "BN scale, global", REWOUND, OF_ALL,
               partial(lecture.lecture_liu, rewind=True), LECTURE),
        System("Lecture: BN scale + LR-rewinding", EVERY, "BN scale, global", REWOUND, OF_ALL,
               partial(lecture.lecture_liu, rewind=True, penalty_first=False), LECTURE),
        System("Li 2016", FREE, "L1 norm, per layer", FINE_TUNED, OF_FILTERS, filters.li, LI),
        System("Han 2015", SINGLE, "magnitude, threshold per layer",
               "rounds, fine-tuned after each", "quality: threshold / standard deviation",
               weights.han, QUALITIES),
        System("Random filters", FREE, "chance", REWOUND, OF_FILTERS, filters.random_filters,
               FILTERS),
        System("Random weights", SINGLE, "chance", REWOUND, OF_ALL, weights.random_weights,
               WEIGHTS),
        System("Liu 2017", FREE, "BN scale, global", "penalty, then at once, same schedule again",
               OF_FILTERS, filters.liu, SLIM),
        System("Molchanov 2019", FREE, "gradient of gates, global", "few at a time while training",
               OF_FILTERS, filters.molchanov, FILTERS),
        System("He 2018 (SFP)", FREE, "L2 norm, per layer", "softly", OF_FILTERS, filters.he_soft,
               SOFT),
        System("Zhu & Gupta 2017", SINGLE, "magnitude, per layer", "more and more while training",
               OF_EACH, weights.zhu, WEIGHTS),
        System("Zhu & Gupta on filters", FREE, "L1 norm, per layer",
               "more and more while training", OF_FILTERS, filters.zhu, CUBIC),
        System("AMC 2018", FREE, "L1 norm, shares chosen by an agent", FINE_TUNED,
               "share of the MACs", filters.amc_search, FILTERS),
        System("OBD 1989", SINGLE, "saliency h w²/2, global", "rounds, fine-tuned after each",
               OF_ALL, weights.obd, WEIGHTS, apart=False),
        System("Renda 2020", SINGLE, "magnitude, global", "rounds, LR-rewinding after each",
               BY_FIFTHS, weights.renda),
        System("Renda 2020, fine-tuned", SINGLE, "magnitude, global",
               "rounds, fine-tuned after each", BY_FIFTHS, partial(weights.renda, rewind=False)),
        System("Ten epochs: fine-tuned", SINGLE, "magnitude, global", FINE_TUNED, OF_ALL,
               partial(lecture.ten_epochs, rewind=False), FIFTHS),
        System("Ten epochs: LR-rewinding", SINGLE, "magnitude, global", REWOUND, OF_ALL,
               partial(lecture.ten_epochs, rewind=True), FIFTHS),
        System("Filters by mean magnitude", EVERY, "mean |w|, global", FINE_TUNED, OF_ALL,
               partial(lecture.mean_magnitude, rewind=False), FIFTHS),
        System("Filters by mean magnitude + LR-rewinding", EVERY, "mean |w|, global", REWOUND,
               OF_ALL, partial(lecture.mean_magnitude, rewind=True), FIFTHS),
        System("Variational Dropout 2017", SINGLE, "noise log α", "while training",
               "largest log α that stays", weights.variational_dropout, LOG_ALPHAS, apart=False),
        System("At once: magnitude", SINGLE, "magnitude, global", NO_MORE, OF_ALL,
               partial(once.at_once, scores=once.magnitude), NOT_RETRAINED),
        System("At once: magnitude, BN recalibrated", SINGLE, "magnitude, global", NO_MORE, OF_ALL,
               partial(once.at_once, scores=once.magnitude, recalibrated=True), NOT_RETRAINED),
        System("At once: magnitude per layer", SINGLE, "magnitude, per layer", NO_MORE, OF_EACH,
               partial(once.at_once, scores=once.magnitude, masks=local_masks), NOT_RETRAINED),
        System("At once: weight x gradient", SINGLE, "|w dL/dw|, global", NO_MORE, OF_ALL,
               partial(once.at_once, scores=once.weight_times_gradient), NOT_RETRAINED),
        System("At once: gradient", SINGLE, "|dL/dw|, global", NO_MORE, OF_ALL,
               partial(once.at_once, scores=once.gradient), NOT_RETRAINED),
        System("At once: chance", SINGLE, "chance", NO_MORE, OF_ALL,
               partial(once.at_once, scores=once.chance), NOT_RETRAINED),
        System("SynFlow 2020", SINGLE, "synaptic flow, global", "before training, 100 rounds",
               TIMES, scratch.synflow, COMPRESSIONS),
        System("Unpruned from scratch", "nothing", "none", "none", TIMES, scratch.unpruned,
               (1.0,)),
        System("Magnitude at initialisation", SINGLE, "magnitude, global",
               "before training, at once", TIMES, scratch.magnitude_at_init, COMPRESSIONS),
        System("Random at initialisation", SINGLE, "chance", "before training, at once", TIMES,
               scratch.random_at_init, COMPRESSIONS),
    ]  # fmt: skip
