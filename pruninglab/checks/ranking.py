"""One ranking of all weights, by which the open tasks of labs 3 and 6 prune a network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pruninglab.masks import Masks


def highest(scores: Mapping[str, Tensor], sparsity: float) -> Masks:
    """Keep the weights of highest score, wherever they are; of equal ones the later.

    Args:
        scores: parameter name -> tensor of any shape.
        sparsity: the share of all entries together that goes, 0 to 1.

    >>> highest({"a": torch.tensor([1.0, -2.0]), "b": torch.tensor([[3.0], [4.0]])}, 0.25)
    {'a': tensor([ True, False]), 'b': tensor([[True],
            [True]])}
    """
    ranking = torch.cat([score.detach().flatten() for score in scores.values()])
    gone = ranking.argsort(stable=True)[: round(sparsity * len(ranking))]
    keep = torch.ones(len(ranking), dtype=torch.bool).index_fill(0, gone, False)
    parts = keep.split([score.numel() for score in scores.values()])
    return {name: part.view(scores[name].shape) for name, part in zip(scores, parts, strict=True)}
