"""The first pictures of the labs are those that their scripts draw, and every lab shows its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from solutions.builder import build, openings


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.parametrize("lab", openings.OPENINGS)
def test_the_shipped_picture_is_the_one_that_its_script_draws(lab: str) -> None:
    """Fonts differ a little between versions of Matplotlib: few pixels may."""
    drawn = np.array(openings.picture(lab).convert("L"), dtype=float)
    with Image.open(openings.path(lab)) as file:
        shipped = np.array(file.convert("L"), dtype=float)
    assert drawn.shape == shipped.shape
    differing = (np.abs(drawn - shipped) > 32).mean()
    assert differing < 0.002, f"python -m solutions.builder.openings {lab}"


@pytest.mark.parametrize("lab", openings.OPENINGS)
def test_a_lab_shows_its_picture_with_a_text_for_those_who_cannot_see_it(lab: str) -> None:
    text = build.source(lab, "text").read_text(encoding="utf-8")
    assert f'"{openings.path(lab).name}"' in text
    assert len(re.search(r'alt=\(?\s*"([^"]+)"', text)[1]) > 30
    with Image.open(openings.path(lab)) as file:
        assert file.width == 2 * 900, "labs show it 900 pixels wide"
    assert openings.path(lab).stat().st_size < 200_000
