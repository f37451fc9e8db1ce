"""Is this machine ready for the course? `python -m pruninglab doctor` (`make doctor`), ten seconds.

Every line says what was looked at and, if something is wrong, what to do.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import psutil
import torch
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import start_new_kernel
from packaging.requirements import Requirement

from pruninglab import checkpoints, data, models, training
from pruninglab.cifar import formats, sources
from pruninglab.limits import GIB, NOT_IN_PATHS
from pruninglab.student.findings import Finding, show
from pruninglab.terminal import accept_any_text

DISK, MEMORY = 1 * GIB, 2 * GIB  # free, for notebooks and for the largest cell
STEPS, PATIENCE = 8, 6  # training steps to measure, the first ones warm up; seconds for all
BUSY = 0.3  # of all processors: then what is measured says little about the machine
USUAL = 400  # images/s in training on an ordinary laptop, for which the labs state their times


def say(target: str) -> str:
    """Return a command of the repository's Makefile; students' releases have none."""
    if Path("Makefile").is_file():
        return f"make {target}"
    install = "pip install --constraint constraints.txt --editable '.[jupyter]'"
    return {"setup": install, "lab": "python -m pruninglab start"}[target]


def wanted() -> list[Requirement]:
    """What the package and a student's JupyterLab need."""
    every = map(Requirement, metadata.requires("pruninglab") or [])
    return [r for r in every if r.marker is None or r.marker.evaluate({"extra": "jupyter"})]


def packages() -> Finding:
    """Check that the packages are there, in versions that are likely to work."""
    wrong = []
    for requirement in wanted():
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
        else:
            if not requirement.specifier.contains(version, prereleases=True):
                wrong.append(f"{requirement.name} is {version}, not {requirement.specifier}")
    if wrong:
        return Finding("wrong", "; ".join(wrong), f"{say('setup')} installs what is missing")
    python = ".".join(map(str, sys.version_info[:3]))
    return Finding("ready", f"Python {python}, {len(wanted())} packages, torch {torch.__version__}")


def embedded() -> Finding:
    """Check the images and the network that ship with the package."""
    try:
        images = data.subset("val")
        model = checkpoints.trained(16)
    except Exception as error:
        why = str(error).split("\n")[0]
        remedy = f"install the package again: {say('setup')}"
        return Finding("wrong", f"embedded images or network: {why}", remedy)
    count = sum(p.numel() for p in model.parameters())
    right = f"{len(images)} validation images, a network of {count:,} parameters"
    return Finding("ready", f"the labs' own data: {right}; no internet needed")


def full_data() -> Finding:
    """Say whether all of CIFAR-10 is here already: only the project needs it."""
    for source in (sources.local, sources.cached):
        try:
            _, folder = source("cifar10")
        except (sources.Unavailable, formats.DataError):
            continue
        return Finding("ready", f"all of CIFAR-10: {folder}")
    return Finding("note", "all of CIFAR-10 is not here; the labs do without it")


def disk() -> Finding:
    """Free space where the notebooks are."""
    free = shutil.disk_usage(Path.cwd()).free
    text = f"disk: {free / GIB:.1f} GiB free"
    if free < DISK:
        return Finding("wrong", text, f"free {DISK / GIB:.0f} GiB in {Path.cwd()}")
    return Finding("ready", text)


def folder() -> Finding:
    """Check that the course can be graded where it is."""
    here = Path.cwd()
    odd = sorted(set(str(here)) & set(NOT_IN_PATHS))
    if odd and Path("nbgrader_config.py").is_file():
        text = f"folder: nbgrader cannot work with {' '.join(odd)} in the path {here}"
        return Finding("wrong", text, "rename the folder, or clone the course into another one")
    return Finding("ready", f"folder: {here}")


def memory() -> Finding:
    """Memory that is available now."""
    free = psutil.virtual_memory().available
    text = f"memory: {free / GIB:.1f} GiB available"
    if free < MEMORY:
        return Finding("wrong", text, "close other programs, the browser's tabs first")
    return Finding("ready", text)


def speed() -> Finding:
    """Measure training steps, and say whether the processor has bfloat16."""
    trainer = training.Trainer(
        models.ResNet20(16).train(), training.Recipe(1, training.constant(0.1))
    )
    x, y = torch.randn(128, 3, 32, 32), torch.zeros(128, dtype=torch.long)
    others, times = busy(), list[float]()
    while len(times) < 3 or (len(times) < STEPS and sum(times) < PATIENCE):
        start = time.perf_counter()
        trainer.step(x, y, lr=0.1)
        times.append(time.perf_counter() - start)
    # The first steps also choose kernels and fill caches: the fastest one counts.
    rate, count = 128 / min(times), torch.get_num_threads()
    threads = f"{count} thread{'s' if count > 1 else ''}"
    fast = "with" if training.bf16_is_fast(torch.device("cpu")) else "without"
    text = f"speed: {rate:,.0f} images/s on {threads}, {fast} bfloat16 in hardware"
    if others > BUSY:
        text += f"; other programs keep {others:.0%} of the processors busy now"
    if rate < USUAL / 2:
        return Finding("note", f"{text}; cells may take {USUAL / rate:.0f} times as long as stated")
    return Finding("ready", text)


def busy() -> float:
    """Return the share of the processors that other programs use, measured while this one waits."""
    return float(psutil.cpu_percent(interval=0.5)) / 100


def kernel() -> Finding:
    """Check that a notebook's Python starts, and is this one."""
    if "python3" not in KernelSpecManager().find_kernel_specs():
        remedy = "python -m ipykernel install --sys-prefix, in the environment of the course"
        return Finding("wrong", "Jupyter knows no Python kernel", remedy)
    manager, client = start_new_kernel(startup_timeout=30, stderr=subprocess.DEVNULL)
    try:
        shown: list[str] = []
        client.execute_interactive(
            "import sys, pruninglab; print(sys.prefix)",
            timeout=30,
            output_hook=lambda m: shown.append(str(m["content"].get("text", ""))),
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    if sys.prefix not in "".join(shown):
        where = "".join(shown).strip() or "one without pruninglab"
        return Finding(
            "wrong", f"notebooks run in another Python: {where}", f"start it with {say('lab')}"
        )
    return Finding("ready", "a notebook's kernel starts and finds pruninglab")


def browser() -> Finding:
    """Check that a browser can be opened from here."""
    try:
        name = webbrowser.get().name
    except webbrowser.Error:
        text = f"no browser here: open the address that {say('lab')} prints in one"
        return Finding("note", text)
    return Finding("ready", f"browser: {name}")


CHECKS: tuple[Callable[[], Finding], ...] = (
    packages, embedded, full_data, folder, disk, memory, speed, kernel, browser,
)  # fmt: skip


def examine(check: Callable[[], Finding]) -> Finding:
    """Run a check; an error that it did not foresee is a finding, too."""
    try:
        return check()
    except Exception as error:
        name = re.sub("_", " ", check.__name__)
        return Finding(
            "wrong", f"{name}: {type(error).__name__}: {error}", f"{say('setup')}, then again"
        )


def main() -> None:
    """Print what was found; the exit status is 1 if something is wrong."""
    accept_any_text()
    wrong = show(map(examine, CHECKS))
    ready = f"\nready for the course: {say('lab')}"
    print(ready if not wrong else f"\n{wrong} to mend, see above")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
