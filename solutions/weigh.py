"""What the pruned networks of the results weigh: `python -m solutions.weigh`, on an idle machine.

For each record whose networks are still in build/results it measures latency, in turns with the
dense network, and counts the bytes of three ways of storing. This is Ma et al. 2019's question.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn
from tqdm.auto import tqdm

from pruninglab import checkpoints, counters, records
from pruninglab.models import prunable, ready_to_run
from pruninglab.project import in_turns
from solutions import results
from solutions.speed import stored_bytes


def stored(model: nn.Module) -> dict[str, int]:
    """Bytes of a network in float32: its prunable weights in three ways, the rest dense.

    >>> stored(nn.Linear(4, 2, bias=False))["dense"]
    32
    """
    weights = prunable(model)
    rest = 4 * (counters.parameters(model) - sum(w.numel() for w in weights.values()))
    ways = [stored_bytes(w.detach() != 0) for w in weights.values()]
    return {way: rest + sum(one[way] for one in ways) for way in ways[0]}


def latencies(model: nn.Module, dense: nn.Module) -> tuple[float, float]:
    """Seconds for one image on one thread, of both, in turns.

    Both with their batch normalisation folded into the convolutions, as one would deploy them, and
    in the same memory format (training leaves another one, and one image runs faster in it).
    """
    plain = torch.contiguous_format
    one, other = (ready_to_run(network).to(memory_format=plain) for network in (model, dense))
    return in_turns(one, other, rounds=15, repeats=20)


def weigh(path: Path, work: Path) -> bool:
    """Fill in one record; whether any of its networks were there."""
    record = records.load(path)
    dense, any_there = checkpoints.trained(16), False
    for point, network in results.stored(record, work / path.stem / "networks.pt"):
        if network is not None:
            point.stored, any_there = stored(network), True
            point.latency, point.dense_latency = latencies(network.eval(), dense)
    if any_there:
        record.dense.stored = stored(dense)
        records.save(record, path.parent)
    return any_there


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--work", type=Path, default=results.WORK, help="where the runs left their networks"
    )
    args = parser.parse_args()
    for path in tqdm(sorted(records.FOLDER.glob("*.json")), unit="record"):
        if not weigh(path, args.work):
            print(f"{path.name}: its networks are not in {args.work}, left as it is")


if __name__ == "__main__":
    main()
