"""Sliders: they draw again when moved, and leave a picture where there is no kernel."""

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


def test_moving_the_slider_draws_again():
    plt.close("all")  # what other tests have left open
    row, picture = sliders.box(draw, [2.0, 4.0], 2.0, "width").children
    narrow = width_of(picture.value)
    assert int(picture.width) == narrow // 2, "twice as many pixels as it is wide: sharp"
    row.children[0].value = 4.0
    assert width_of(picture.value) > 1.5 * narrow
    assert int(picture.width) == width_of(picture.value) // 2
    assert plt.get_fignums() == []  # nothing is left open, however long a student plays


def test_the_slider_says_that_it_is_busy_and_what_went_wrong():
    said = []

    def slow(width: float) -> Figure:
        said.append(state.value if said else "")
        if width == 0:
            raise ZeroDivisionError("no width")
        return draw(width)

    state = None
    row, picture = sliders.box(slow, [2.0, 4.0, 0.0], 2.0, "width").children
    control, state = row.children
    before = picture.value
    control.value = 4.0
    assert (said[-1], state.value) == (sliders.BUSY, "")
    control.value = 0.0
    assert (said[-1], state.value) == (sliders.BUSY, "ZeroDivisionError: no width")
    control.value = 2.0
    assert (state.value, picture.value) == ("", before)


def test_without_a_kernel_there_is_the_picture_of_the_start(monkeypatch):
    shown = []
    monkeypatch.setattr(
        sliders, "display", lambda data, metadata, raw: shown.append((data, metadata, raw))
    )
    assert sliders.slider(draw, [2.0, 4.0], 4.0) is None
    (data, metadata, raw) = shown[0]
    assert raw
    still = base64.b64decode(data["image/png"])
    assert still == sliders.png(draw(4.0))
    assert metadata == {"image/png": {"width": width_of(still) // 2}}
    assert "application/vnd.jupyter.widget-view+json" in data


def test_a_start_that_is_no_value_is_named():
    with pytest.raises(ValueError, match=r"start=3.0 is not among .*\[2.0, 4.0\]"):
        sliders.slider(draw, [2.0, 4.0], 3.0)
