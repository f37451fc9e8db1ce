"""The whole course at work, without a browser: `python -m pruninglab.grading.demo` (`make demo`).

It releases lab 1, grades a small class of sample submissions, and prunes the trained ResNet-20 on
real CIFAR-10 images. Everything is written to build/demo, a course of its own: nobody's labs/,
submissions or gradebook are touched.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import torch
from nbformat import NotebookNode
from torch import Tensor, nn
from tqdm import tqdm

from pruninglab import checkpoints, data, plots
from pruninglab.grading import flow
from pruninglab.grading.__main__ import show
from pruninglab.grading.gradebook.course import open_nbgrader, succeed
from pruninglab.grading.sample_class import fill
from pruninglab.grading.sandbox.bubblewrap import NoSandboxError, bubblewrap
from pruninglab.models import prunable
from pruninglab.terminal import accept_any_text
from pruninglab.training import accuracy

LAB, SOURCES = "01_structures", "solutions.lab1_structures"
SPARSITIES = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
ANSWER = "A sample answer. Somebody reads it in formgrader, and gives a mark by hand."
PLATFORM = "right in another way_7_assignsubmission_file_.zip"  # as Moodle names what it hands over


def sample_class(released: NotebookNode) -> dict[str, NotebookNode]:
    """Sample students -> their notebooks, written by the course's own functions."""
    right = importlib.import_module(f"{SOURCES}.exercises")
    corpus = importlib.import_module(f"{SOURCES}.mistakes")
    names = list(corpus.MISTAKES)
    all_right = {name: getattr(right, name) for name in names}
    answers = {
        cell.metadata.nbgrader.grade_id: ANSWER
        for cell in released.cells
        if cell.cell_type == "markdown" and cell.metadata.get("nbgrader", {}).get("solution")
    }
    return {
        "all right": fill(released, all_right, answers),
        "half done": fill(released, {n: all_right[n] for n in names[: len(names) // 2]}),
        "right in another way": fill(released, {n: corpus.ALTERNATIVES[n][0] for n in names}),
        "wrong": fill(released, {n: corpus.MISTAKES[n][0] for n in names}),
        "untouched": copy.deepcopy(released),
    }


def make_course(repository: Path, course: Path) -> NotebookNode:
    """Make a fresh course in `course` with lab 1 released; returns the released notebook."""
    shutil.rmtree(course, ignore_errors=True)
    shutil.copytree(
        repository / "solutions" / "notebooks" / LAB, course / "solutions" / "notebooks" / LAB
    )
    shutil.copy(repository / "nbgrader_config.py", course)
    succeed(open_nbgrader(course).generate_assignment(LAB), f"release {LAB}")
    return nbformat.read(course / "labs" / LAB / f"{LAB}.ipynb", as_version=4)


def hand_in(course: Path, submissions: dict[str, NotebookNode]) -> None:
    """Put each notebook where nbgrader looks; one arrives as a zip from a learning platform."""
    for student, notebook in submissions.items():
        if PLATFORM.startswith(student):
            archive = course / "downloaded" / LAB / "archive" / PLATFORM
            archive.parent.mkdir(parents=True)
            with zipfile.ZipFile(archive, "w") as file:
                file.writestr(f"{LAB}.ipynb", nbformat.writes(notebook))
            continue
        folder = course / "submitted" / student / LAB
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{LAB}.ipynb")


def pruned(model: nn.Module, masks: dict[str, Tensor]) -> nn.Module:
    """Copy the model and set the weights outside the masks to zero."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for name, weight in prunable(model).items():
            weight.mul_(masks[name])
    return model


def curves(images: data.Images) -> dict[str, dict[float, float]]:
    """Method -> sparsity -> accuracy of the trained ResNet-20, without fine-tuning."""
    structures = importlib.import_module(f"{SOURCES}.exercises")
    model = checkpoints.trained(16)
    magnitude = {name: weight.detach().abs() for name, weight in prunable(model).items()}
    generator = torch.Generator().manual_seed(0)
    chance = {name: torch.rand(w.shape, generator=generator) for name, w in magnitude.items()}
    methods: dict[str, tuple[Callable, dict[str, Tensor]]] = {
        "global: one ranking": (structures.global_masks, magnitude),
        "local: the same share of each layer": (structures.local_masks, magnitude),
        "random, global (control)": (structures.global_masks, chance),
    }
    dense = accuracy(model, images)
    found = {label: {0.0: dense} for label in methods}
    with tqdm(total=len(methods) * len(SPARSITIES), desc="pruning", unit="network") as bar:
        for label, (masks_of, scores) in methods.items():
            for sparsity in SPARSITIES:
                network = pruned(model, masks_of(scores, sparsity))
                found[label][sparsity] = accuracy(network, images)
                bar.update()
    return found


def draw(found: dict[str, dict[float, float]], images: int, path: Path) -> None:
    """Print the curves as a table and draw them to a PNG."""
    plt.switch_backend("Agg")  # no screen is needed
    heads = "".join(f"{s:>6.0%}" for s in (0, *SPARSITIES))
    print(f"\n{'accuracy (%) at a sparsity of':<38}{heads}")
    for label, points in found.items():
        print(f"{label:<38}" + "".join(f"{100 * a:>6.1f}" for a in points.values()))
    widest = 100 * plots.confidence(0.5, images)
    print(f"{images} real test images: each ± {widest:.1f} points at most (95 %)")
    title = "ResNet-20 on CIFAR-10, pruned by magnitude, not fine-tuned"
    axes = plots.accuracy_against_sparsity(found, images, title)
    # Between the curves is room, and beside them the legend would leave half of the picture empty.
    axes.legend(title="bands: 95 % confidence", alignment="left", frameon=False, loc=(0.3, 0.32))
    plt.savefig(path, dpi=150, bbox_inches="tight")


def heading(number: int, text: str) -> None:
    """Announce a step."""
    print(f"\n=== {number}. {text} " + "=" * max(3, 70 - len(text)), flush=True)


def options() -> flow.Options:
    """Do without a sandbox where there is none: the samples are the course's own."""
    try:
        bubblewrap()
    except NoSandboxError as error:
        print(f"These samples are harmless and graded without a sandbox. A class is not: {error}")
        return flow.Options(unsafe=True)
    return flow.Options()


def main() -> None:
    """Command line."""
    accept_any_text()
    parser = argparse.ArgumentParser(prog="python -m pruninglab.grading.demo", description=__doc__)
    parser.parse_args()
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # kernels would print its advice
    began, course = time.monotonic(), Path("build/demo").resolve()

    heading(1, f"Release {LAB}: nbgrader takes the solutions and hidden tests out")
    released = make_course(Path(), course)
    print(f"students get   {course / 'labs' / LAB}")

    heading(2, "Grade a small class, as `make grade LAB=...` does")
    hand_in(course, sample_class(released))
    show(flow.run(course, LAB, options()), course, LAB)

    heading(3, "Prune the trained ResNet-20 on real CIFAR-10 test images")
    images, picture = data.subset("test"), course / "accuracy_against_sparsity.png"
    draw(curves(images), len(images), picture)
    print(f"\npicture    {picture}")
    print(f"\nDone in {time.monotonic() - began:.0f} s. Next: `make lab` opens the labs.")


if __name__ == "__main__":
    main()
