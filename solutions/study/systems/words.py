"""The words and targets that rows of systems share: structures, methods, what targets mean."""

from __future__ import annotations

SINGLE, FREE, EVERY = "single weights", "filters inside the blocks", "channels of all layers"
# How a network is retrained after a removal at once.
FINE_TUNED, REWOUND = "at once, fine-tuned", "at once, LR-rewinding"
ONE_SCHEDULE = "at once, one schedule"
NO_MORE = "at once, not trained again"
OF_ALL, OF_EACH = "share of all weights", "share of the weights of each layer"
OF_FILTERS, OF_MACS = "share of the filters inside the blocks", "share of the MACs"
TIMES = "weights before / after"

WEIGHTS = (0.8, 0.9, 0.95)  # share of the weights
FIFTHS = (0.488, 0.79, 0.893)  # a fifth of the rest, three, seven and ten times
LECTURE = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)  # share of the weights
FILTERS = (0.3, 0.5, 0.7)  # share of the filters that are free to go, or of the MACs
