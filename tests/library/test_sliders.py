"""Sliders: they draw anew when moved, and leave a picture where there is no kernel."""

import base64
import io

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure
from PIL import Image

from pruninglab import sliders


def draw(width: float) -> Figure:
    figure, axes = plt.subplots(figsize=(width, 1))
    axes.barh(["kept"], [width])
    return figure


def width_of(png: bytes) -> int:
    return Image.open(io.BytesIO(png)).width


def test_moving_the_slider_draws_anew():
    plt.close("all")  # what other tests have left open
    control, picture = sliders.box(draw, [2.0, 4.0], 2.0, "width").children
    narrow = width_of(picture.value)
    control.value = 4.0
    assert width_of(picture.value) > 1.5 * narrow
    assert plt.get_fignums() == []  # nothing is left open, however long a student plays


def test_without_a_kernel_the_picture_of_the_start_stands_alone(monkeypatch):
    shown = []
    monkeypatch.setattr(sliders, "display", lambda data, raw: shown.append((data, raw)))
    assert sliders.slider(draw, [2.0, 4.0], 4.0) is None
    (data, raw) = shown[0]
    assert raw
    assert base64.b64decode(data["image/png"]) == sliders.png(draw(4.0))
    assert "application/vnd.jupyter.widget-view+json" in data


def test_a_start_that_is_no_value_is_named():
    with pytest.raises(ValueError, match=r"start=3.0 is not among .*\[2.0, 4.0\]"):
        sliders.slider(draw, [2.0, 4.0], 3.0)
