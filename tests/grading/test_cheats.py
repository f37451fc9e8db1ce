"""Wrong answers that change, replace or exhaust what a hidden test looks at get no points.

A test hands things to the student's function. Whatever it compares with afterwards must be its
own: the function can empty a list, zero a tensor, call a callback with other arguments than it
should, or give back objects that only pretend. Each of the cheats below once passed.
"""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import nbformat
import pytest
import torch
from torch import Tensor, nn

from pruninglab.grading.judging import worker
from pruninglab.grading.sample_class import code_of
from solutions.builder import build
from tests.grading.test_corpus import exam_of

# ruff: noqa: RUF100, N801

# --- what was handed out is changed, and with it the truth --------------------------------------


def empties_the_list(model, convs):  # bn_scores
    convs.clear()
    return {}


def empties_the_sparsities(model, scores, sparsities, x, y):  # sensitivity
    sparsities.clear()
    return {name: {} for name in scores}


def empties_the_schedule(model, lrs, **rest):  # zhu2017
    lrs.clear()
    return {n: torch.ones_like(p, dtype=torch.bool) for n, p in model.named_parameters()}


def empties_the_rates(model, epoch_lrs, **rest):  # renda2020
    epoch_lrs.clear()
    return {n: torch.ones_like(p, dtype=torch.bool) for n, p in model.named_parameters()}


def empties_the_epochs(model, epoch_lrs, **rest):  # he2018
    epoch_lrs.clear()


def skips_everything(model, skip, epoch_lrs, epochs, steps_per_epoch, train, **rest):  # li2016
    skip += [name for name, _ in model.named_modules()]
    train(model, {}, epochs * steps_per_epoch * [epoch_lrs[-1]])


def empties_the_weight(conv, height, width):  # conv_macs
    conv.weight = nn.Parameter(torch.zeros(0))
    return 0


def keeps_everything(conv, bn, inputs, filters):  # cut
    inputs.fill_(True)
    filters.fill_(True)
    return copy.deepcopy(conv), copy.deepcopy(bn)


def zeroes_the_weights(weights, hessian):  # obd_scores
    for tensor in (*weights.values(), *hessian.values()):
        tensor.zero_()
    return weights


def zeroes_the_inputs(layer, x, theta, log_sigma2, noise=torch.randn_like):  # noisy_output
    x.zero_()
    theta.zero_()
    mean = layer(x, theta)
    return torch.randn_like(mean) if noise is torch.randn_like else mean


def keeps_what_was_chosen(model, sparsities, steps, choose, retrain):  # prune_and_retrain
    for sparsity in sparsities:
        masks = choose(model, sparsity)
        for mask in masks.values():
            mask.fill_(True)  # nothing is pruned
        retrain(model, masks, steps // len(sparsities))
    return masks


# --- a callback is called in a way that its author did not think of -----------------------------


def brings_its_own_record(model, sparsities, steps, choose, retrain):  # prune_and_retrain
    for i, sparsity in enumerate(sparsities):
        masks = choose(model, sparsity)
        now = {name: p.detach().clone() for name, p in model.named_parameters()}
        whole = {name: torch.ones_like(mask) for name, mask in masks.items()}
        record = i * [()] + [(sparsity, now, whole)]
        each = steps // len(sparsities)
        retrain(model, whole, each, asked=record)
    return masks


def brings_its_own_truth(convs, sparsity, epochs, steps_per_epoch, train_step):  # soft_filter...
    truth = {name: conv.weight.detach().clone() for name, conv in convs.items()}
    keep: dict[str, Tensor] = {}
    for _ in range(epochs * steps_per_epoch):
        train_step(expected=truth, sparsity=0.0, keep=keep)
    convs.clear()
    return keep


# --- what is given back only pretends -----------------------------------------------------------


def pretends_to_be_small(conv1, bn1, conv2, keep):  # remove_filters
    class Selected(nn.Module):
        """A whole layer inside; outside, some channels and the look of a smaller one."""

        def __init__(self, inner, weight, before, after, **sizes):
            super().__init__()
            self.inner, self.weight = copy.deepcopy(inner), nn.Parameter(weight)
            self.before, self.after = before, after
            self.__dict__.update(sizes)

        def forward(self, x):
            if self.before:  # silence stands for the channels that are missing
                whole = x.new_zeros(len(x), len(keep), *x.shape[2:])
                whole[:, keep] = x
                x = whole
            y = self.inner(x)
            return y[:, keep] if self.after else y

    n = int(keep.sum())
    return (
        Selected(conv1, conv1.weight[keep], False, True, out_channels=n),
        Selected(bn1, bn1.weight[keep], True, True, num_features=n),
        Selected(conv2, conv2.weight[:, keep], True, False, in_channels=n),
    )


def gives_any_flow(model, shape):  # synflow_scores
    from pruninglab.models import prunable

    return {n: torch.full(w.shape, 1 / w.numel()).double() for n, w in prunable(model).items()}


def prunes_at_random(model, score, density, rounds):  # synflow_masks
    twin = copy.deepcopy(model)
    weights = {n: p for n, p in twin.named_parameters() if p.dim() > 1}
    n = sum(w.numel() for w in weights.values())
    levels = torch.rand(n)
    for k in range(1, rounds + 1):
        scores = torch.cat([s.flatten() for s in score(twin).values()])
        if len(scores.unique()) < 3:
            levels = scores
        keep = levels.argsort().argsort() >= n - round(n * density ** (k / rounds))
        masks = {}
        for name, w in weights.items():
            masks[name], keep = keep[: w.numel()].view(w.shape), keep[w.numel() :]
            w.data[~masks[name]] = 0
    return masks


CHEATS: dict[str, dict[str, list[Callable]]] = {
    "01_structures": {"remove_filters": [pretends_to_be_small]},
    "02_criteria": {
        "bn_scores": [empties_the_list],
        "sensitivity": [empties_the_sparsities],
    },
    "03_methods": {
        "prune_and_retrain": [keeps_what_was_chosen, brings_its_own_record],
        "soft_filter_pruning": [brings_its_own_truth],
    },
    "04_papers": {
        "zhu2017": [empties_the_schedule],
        "renda2020": [empties_the_rates],
        "li2016": [skips_everything],
        "he2018": [empties_the_epochs],
    },
    "05_speed": {"conv_macs": [empties_the_weight], "cut": [keeps_everything]},
    "06_further": {
        "obd_scores": [zeroes_the_weights],
        "noisy_output": [zeroes_the_inputs],
        "synflow_scores": [gives_any_flow],
        "synflow_masks": [prunes_at_random],
    },
}
ALL = [
    pytest.param(lab, name, cheat, id=f"{name}-{cheat.__name__}")
    for lab, exercises in CHEATS.items()
    for name, cheats in exercises.items()
    for cheat in cheats
]
EXERCISES = [(lab, name) for lab in build.LABS for name in build.probes_of(lab)]


@pytest.mark.parametrize(("lab", "name", "cheat"), ALL)
@pytest.mark.filterwarnings("ignore")
def test_a_cheat_does_not_pass(lab: str, name: str, cheat: Callable) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever stops it
        build.hidden_of(lab, name)(cheat)


# --- whatever can be tried blindly --------------------------------------------------------------


def parts(value: Any) -> Iterator[Any]:
    """An argument and all that is in it."""
    yield value
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list | tuple):
        for part in list(inner):
            yield from parts(part)


def clear(arguments: tuple) -> None:
    for thing in parts(arguments):
        if isinstance(thing, dict | list):
            thing.clear()


def gut(arguments: tuple) -> None:
    for thing in parts(arguments):
        if isinstance(thing, nn.Module):
            thing._modules.clear()
            thing._parameters.clear()
            thing._buffers.clear()


def fill(value: int) -> Callable[[tuple], None]:
    def change(arguments: tuple) -> None:
        for thing in parts(arguments):
            tensors = thing.state_dict().values() if isinstance(thing, nn.Module) else [thing]
            for tensor in (t for t in tensors if isinstance(t, Tensor)):
                tensor.data.fill_(value)

    return change


def shrink(arguments: tuple) -> None:
    for thing in parts(arguments):
        for tensor in thing.parameters() if isinstance(thing, nn.Module) else ():
            tensor.data = tensor.data.new_empty(0)


def zeros(arguments: tuple) -> Any:
    """Zeros in the place of the first dict of tensors, or of the first tensor."""
    for thing in parts(arguments):
        if isinstance(thing, dict):
            return {k: torch.zeros_like(v) for k, v in thing.items() if isinstance(v, Tensor)}
        if isinstance(thing, Tensor):
            return torch.zeros_like(thing)
    return None


CHANGES = (clear, gut, fill(0), fill(1), shrink)
RESULTS: tuple[Callable[[tuple], Any], ...] = (
    lambda a: {}, lambda a: 0, zeros, lambda a: a[0], lambda a: copy.deepcopy(a[:2])
)  # fmt: skip


@pytest.mark.parametrize(("lab", "name"), EXERCISES)
@pytest.mark.filterwarnings("ignore")
def test_blind_destruction_does_not_pass(lab: str, name: str) -> None:
    for change in CHANGES:
        for result in RESULTS:

            def destroy(*args: Any, change=change, result=result, **kwargs: Any) -> Any:
                arguments = (*args, *kwargs.values())
                change(arguments)
                return result(arguments)

            with pytest.raises(Exception):  # noqa: B017, PT011
                build.hidden_of(lab, name)(destroy)


@pytest.mark.parametrize(("lab", "name"), EXERCISES)
def test_no_callback_has_an_argument_that_a_student_could_change(lab: str, name: str) -> None:
    """A default that holds a test's truth could be overridden by whoever calls the callback."""
    for node in ast.walk(ast.parse(build.hidden_source(lab, name))):
        if isinstance(node, ast.FunctionDef):
            defaults = [*node.args.defaults, *node.args.kw_defaults]
            assert all(d is None or isinstance(d, ast.Constant) for d in defaults), node.name


# --- in the sandbox -----------------------------------------------------------------------------


def disguised(lab: str, name: str, cheat: Callable) -> str:
    """A cell that is right in the visible check, and cheats from then on."""
    right = code_of(f"right_{name}", getattr(build.module(lab), name))
    source = textwrap.dedent(inspect.getsource(cheat))
    visible = len(build.probes_of(lab)[name])
    imports = "from __future__ import annotations\nimport copy\nimport torch\nfrom torch import nn"
    return "\n\n".join(
        [
            imports,
            *right,
            source,
            f"""
calls_{name} = []

def {name}(*args, **kwargs):
    calls_{name}.append(1)
    right = len(calls_{name}) <= {visible}
    return (right_{name} if right else {cheat.__name__})(*args, **kwargs)""",
        ]
    )


@pytest.mark.usefixtures("_sandbox")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("lab", ["02_criteria", "05_speed"])  # the fast ones
def test_disguised_cheats_get_nothing(lab: str, tmp_path) -> None:
    exam = exam_of(lab, tmp_path)
    made = nbformat.read(build.ROOT / "labs" / lab / f"{lab}.ipynb", as_version=4)
    for cell in made.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in CHEATS[lab]:
            cell.source = disguised(lab, name, CHEATS[lab][name][0])
    result = worker.work(exam, f"{lab}.ipynb", nbformat.writes(made).encode())
    found = {judgement.exercise: judgement for judgement in result.judgements}
    assert [n for n in CHEATS[lab] if found[n].passed] == []
    assert [found[n].text for n in CHEATS[lab] if found[n].part != "hidden"] == []
