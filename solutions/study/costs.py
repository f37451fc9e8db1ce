"""Bytes and milliseconds of the pruned networks: `python -m solutions.study.costs`, when idle.

For each network of the records that has not been measured yet and is still in build/results it
measures latency, in turns with the dense network, and counts the bytes of three ways of storing.
This is Ma et al. 2019's question. `--again` measures the others, too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn
from tqdm.auto import tqdm

from pruninglab import checkpoints, counters
from pruninglab.models import prunable, ready_to_run
from pruninglab.project.run import in_turns
from pruninglab.results import records
from pruninglab.terminal import accept_any_text
from solutions.lab5_speed.exercises import stored_bytes
from solutions.study import run


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


def weigh(path: Path, work: Path, again: bool = False) -> int:
    """Fill in one record; returns how many of its networks could not be found."""
    record = records.load(path)
    dense = checkpoints.trained(record.width, record.dense_seed)
    found = run.stored(record, work / path.stem / "networks.pt")
    waiting = [(p, network) for p, network in found if again or p.stored is None]
    there = [(p, network) for p, network in waiting if network is not None]
    for point, network in there:
        point.stored = stored(network)
        point.latency, point.dense_latency = latencies(network.eval(), dense)
    if there:
        record.dense.stored = stored(dense)
        records.save(record, path.parent)
    return len(waiting) - len(there)


def main() -> None:
    """Command line."""
    accept_any_text()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--work", type=Path, default=run.WORK, help="where the runs left their networks"
    )
    parser.add_argument("--again", action="store_true", help="those that have been weighed, too")
    args = parser.parse_args()
    for path in tqdm(sorted(records.FOLDER.glob("*.json")), unit="record"):
        if lost := weigh(path, args.work, args.again):
            print(f"{path.name}: {lost} networks are not in {args.work}, left as they are")


if __name__ == "__main__":
    main()
