"""Train and evaluate networks: `train`, `accuracy`, learning rates.

`schedules` are learning rates over a training, `trainer` trains, `evaluate` measures, `hardware` is
what the machine has; `loop` is the training loop that a recipe of lab 4 is given; `muon` and
`batchnorm` are an optimizer and a layer that make training shorter. Notebooks take what they need
from here.
"""

from pruninglab.training.evaluate import accuracy, mode, predict
from pruninglab.training.hardware import bf16_is_fast, device, device_of, mixed_precision
from pruninglab.training.schedules import Schedule, constant, stepped, triangular
from pruninglab.training.trainer import Recipe, Trainer, make_optimizer, train

__all__ = [
    "Recipe",
    "Schedule",
    "Trainer",
    "accuracy",
    "bf16_is_fast",
    "constant",
    "device",
    "device_of",
    "make_optimizer",
    "mixed_precision",
    "mode",
    "predict",
    "stepped",
    "train",
    "triangular",
]
