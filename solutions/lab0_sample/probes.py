"""What the checks of lab 0 look at: small inputs that you can solve by hand."""

import torch

from pruninglab.checks import Lab, Probe

SAMPLE_DENSITY = [
    Probe("three of four stay", lambda: {"mask": torch.tensor([[True, False], [True, True]])}),
    Probe("one of five stays", lambda: {"mask": torch.arange(5) == 2}),
    Probe("nothing stays", lambda: {"mask": torch.zeros(2, 3, dtype=torch.bool)}),
    Probe("everything stays", lambda: {"mask": torch.ones(2, 3, dtype=torch.bool)}),
]

PROBES = {"sample_density": SAMPLE_DENSITY}
check = Lab(__file__, PROBES)
