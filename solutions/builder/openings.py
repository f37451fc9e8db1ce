"""The first pictures of all labs but lab 4: `python -m solutions.builder.openings [LAB ...]`.

Each is drawn by its lab's opening.py, and shows the lab's question, not its answer: no result that
students are asked to predict is in it. (Lab 4 begins with the lecture's figure.)
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from PIL import Image

from pruninglab.checkpoints import ASSETS
from pruninglab.terminal import accept_any_text
from solutions.builder import build

# White behind all: black text stays readable where a notebook is dark.
LOOK: dict[Any, Any] = {"font.size": 12, "axes.titlesize": 12, "savefig.facecolor": "white"}
DPI = 200  # labs show the pictures half as large: sharp on any screen
SHADES = 128  # of a palette; more add bytes, and nothing that one sees

OPENINGS = [lab for lab in build.LABS if build.source(lab, "opening").exists()]


def picture(lab: str) -> Image.Image:
    """Draw the opening of a lab."""
    plt.switch_backend("Agg")  # no screen is needed
    with plt.rc_context(LOOK):
        figure, file = build.module(lab, "opening").draw(), io.BytesIO()
        figure.savefig(file, dpi=DPI)
        plt.close(figure)
    return Image.open(file).convert("RGB").quantize(SHADES, dither=Image.Dither.NONE)


def path(lab: str) -> Path:
    """Where the notebook finds its opening."""
    return ASSETS / f"opening-{lab.partition('_')[2]}.png"


def main() -> None:
    """Command line."""
    accept_any_text()
    torch.set_num_threads(1)  # the same sums on every machine
    parser = argparse.ArgumentParser(description="Draw the first pictures of the labs.")
    parser.add_argument("labs", nargs="*", metavar="LAB", default=OPENINGS, help=" ".join(OPENINGS))
    for lab in parser.parse_args().labs:
        if lab not in OPENINGS:
            parser.error(f"{lab!r} has no opening.py: choose from {', '.join(OPENINGS)}")
        picture(lab).save(path(lab), optimize=True)
        print(f"{path(lab)}: {path(lab).stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
