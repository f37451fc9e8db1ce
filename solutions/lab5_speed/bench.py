"""Latency of shrunk ResNet-20s: `python -m solutions.lab5_speed.bench` (part of `make bench`).

Dense, shrunk by lab 5's `shrink_resnet`, and what Torch-Pruning makes when it removes the same
channels, at 30, 50 and 70 % of all channels, for one image and for 64. "Ready" is the same network
with its BN folded into the convolutions (for 64 images also in the channels-last layout), which
changes no output but for rounding. Then the same for training steps: shrink first, fine-tune after,
and where the time of a step goes. Rows take turns, as in `pruninglab.dev.bench`.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch_pruning as tp
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from pruninglab import counters
from pruninglab.dev.bench import BATCH, Result, Round, compare, timed, trainer
from pruninglab.models import ResNet20, ready_to_run
from pruninglab.terminal import accept_any_text
from solutions.lab5_speed.exercises import coupled_groups, shrink_resnet

SHARES = (0.3, 0.5, 0.7)
PARTS = {"convolutions": "convolution", "batch normalisation": "batch_norm"}  # of a kernel's name


def random_keep(model: nn.Module, share: float, seed: int = 0) -> dict[str, Tensor]:
    """For each coupled group a mask that drops `round(share * n)` channels by chance."""
    generator, keep = torch.Generator().manual_seed(seed), {}
    for group, convs in coupled_groups(model).items():
        n = len(model.get_parameter(f"{convs[0]}.weight"))
        keep[group] = torch.randperm(n, generator=generator) >= round(share * n)
    return keep


def by_torch_pruning(model: nn.Module, keep: dict[str, Tensor]) -> nn.Module:
    """What Torch-Pruning makes when it removes the same channels (option B)."""
    model = copy.deepcopy(model)
    for group, convs in coupled_groups(model).items():
        image = torch.zeros(1, 3, 32, 32)
        graph = tp.DependencyGraph().build_dependency(model, example_inputs=image)
        drop = (~keep[group]).nonzero().flatten().tolist()
        conv = model.get_submodule(convs[0])
        graph.get_pruning_group(conv, tp.prune_conv_out_channels, idxs=drop).prune()
    return model


def networks() -> dict[str, nn.Module]:
    """All contestants that run on plain inputs, the dense network first."""
    model = ResNet20().eval()
    made: dict[str, nn.Module] = {"dense": model}
    for share in SHARES:
        keep = random_keep(model, share)
        made[f"{share:.0%} removed, Torch-Pruning"] = by_torch_pruning(model, keep)
        made[f"{share:.0%} removed, shrink_resnet"] = shrink_resnet(model, keep)
    return made


def one_pass(network: nn.Module, x: Tensor, steps: int) -> Round:
    """A round of `steps` forward passes without gradients."""
    return timed(torch.inference_mode()(lambda: network(x)), steps)


def race(made: dict[str, nn.Module], batch: int, rounds: int) -> list[Result]:
    """Time all networks, and those that are not Torch-Pruning's made ready as well."""
    x = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    last = batch > 1  # one image alone runs faster in the usual layout
    laid_out = x.contiguous(memory_format=torch.channels_last) if last else x
    steps = max(1, 16 // batch)
    runs = {name: one_pass(network, x, steps) for name, network in made.items()}
    for name, network in made.items():
        if "Torch-Pruning" not in name:
            runs[f"{name}, ready"] = one_pass(ready_to_run(network, last), laid_out, steps)
    return compare(runs, rounds, f"latency, batch {batch}")


def times_faster(base: Result, result: Result) -> float:
    """Median over rounds of the ratio of two times."""
    pairs = zip(base.seconds, result.seconds, strict=True)
    return statistics.median(b / s for b, s in pairs)


def table(made: dict[str, nn.Module], results: list[Result], batch: int) -> str:
    """A Markdown table: time, speed-up, how much of the MAC ratio it is, against Torch-Pruning."""
    by_name = {result.name: result for result in results}
    lines = [
        f"### Latency of a pass, batch {batch}\n",
        "| | ms, median | MAC ratio | times faster than dense | share of the MAC ratio "
        "| times faster than Torch-Pruning |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name in sorted(by_name, key=lambda name: list(made).index(name.removesuffix(", ready"))):
        network = made[name.removesuffix(", ready")]
        ratio = counters.macs(made["dense"]) / counters.macs(network)
        faster = times_faster(by_name["dense"], by_name[name])
        rival = by_name.get(f"{name.split(',')[0]}, Torch-Pruning")
        against = f"{times_faster(rival, by_name[name]):.2f}" if rival else ""
        milliseconds = 1e3 * statistics.median(by_name[name].seconds)
        numbers = f"{milliseconds:.2f} | {ratio:.2f} | {faster:.2f} | {faster / ratio:.0%}"
        lines.append(f"| {name} | {numbers} | {against} |")
    return "\n".join([*lines, ""])


def training_steps(made: dict[str, nn.Module]) -> dict[str, Callable[[], object]]:
    """A training step of the dense network and of each that `shrink_resnet` made."""
    x = torch.randn(BATCH, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=torch.channels_last)
    y = torch.arange(BATCH) % 10
    trainers = {
        name: trainer(copy.deepcopy(network).train())
        for name, network in made.items()
        if "Torch-Pruning" not in name
    }
    return {name: partial(run.step, x, y, 0.01) for name, run in trainers.items()}


def training_race(made: dict[str, nn.Module], rounds: int, steps: int = 4) -> list[Result]:
    """Time these steps."""
    runs = {name: timed(step, steps) for name, step in training_steps(made).items()}
    return compare(runs, rounds, "training steps")


def parts_of(step: Callable[[], object], steps: int = 4) -> dict[str, float]:
    """Shares of a step's time by kind of operation, by torch's profiler; what has no kind: "rest".

    >>> layer = nn.Conv2d(3, 4, 3)
    >>> shares = parts_of(lambda: layer(torch.ones(8, 3, 16, 16)))
    >>> list(shares), round(sum(shares.values()), 6)
    (['convolutions', 'batch normalisation', 'rest'], 1.0)
    >>> shares["convolutions"] > shares["batch normalisation"] == 0
    True
    """
    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(steps):
            step()
    times = dict.fromkeys([*PARTS, "rest"], 0.0)
    for kernel in profiler.key_averages():
        kinds = [kind for kind, word in PARTS.items() if word in kernel.key]
        times[kinds[0] if kinds else "rest"] += kernel.self_cpu_time_total
    return {kind: time / sum(times.values()) for kind, time in times.items()}


def activations(model: nn.Module) -> int:
    """Values that the convolutions of a network write for one image.

    >>> activations(ResNet20(8)) / activations(ResNet20(16))
    0.5
    """
    found = list[int]()
    hooks = [
        module.register_forward_hook(lambda _, __, out: found.append(out[0].numel()))
        for module in model.modules() if isinstance(module, nn.Conv2d)
    ]  # fmt: skip
    with torch.no_grad():
        model(torch.zeros(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    return sum(found)


def training_table(made: dict[str, nn.Module], results: list[Result]) -> str:
    """What fine-tuning costs after the removal, beside what is left, and where the time goes."""
    lines = [
        f"### A training step, batch {BATCH}\n",
        "| | ms, median | MACs left | activations left | time left | convolutions, ms "
        "| batch normalisation, ms | ReLU, additions and the rest, ms |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    dense, steps = made["dense"], training_steps(made)
    for result in results:
        network, time = made[result.name], 1 / times_faster(results[0], result)
        milliseconds = 1e3 * statistics.median(result.seconds)
        shares = (counters.macs(network) / counters.macs(dense),
                  activations(network) / activations(dense), time)  # fmt: skip
        parts = (milliseconds * share for share in parts_of(steps[result.name]).values())
        cells = (result.name, f"{milliseconds:.1f}", *(f"{share:.0%}" for share in shares),
                 *(f"{part:.1f}" for part in parts))  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def report(rounds: int) -> str:
    """All tables, as Markdown."""
    made = networks()
    head = f"ResNet-20 (16-wide, option B), {rounds} rounds, {torch.get_num_threads()} thread(s).\n"
    latencies = (table(made, race(made, b, rounds), b) for b in (1, 64))
    training = training_table(made, training_race(made, min(rounds, 11)))
    return "\n".join([head, *latencies, training])


def main() -> None:
    """Command line."""
    accept_any_text()
    parser = argparse.ArgumentParser(description="Latency of shrunk networks, side by side.")
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/bench-latency.md"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    text = report(args.rounds)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")
    print(text, f"\nwritten to {args.out}", sep="\n")


if __name__ == "__main__":
    main()
