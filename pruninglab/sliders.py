"""Interactive pictures: a slider over something that can be drawn again and again."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure

SHARP = 2  # pixels of a picture per pixel of the page, as figures in a lab have ("retina")
BUSY = "drawing …"


def png(figure: Figure) -> bytes:
    """Make a PNG of the figure, and close it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=SHARP * 100, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()


def width_on_page(picture: bytes) -> int:
    """Tell how wide a PNG is shown, in pixels of the page."""
    return struct.unpack(">I", picture[16:20])[0] // SHARP  # its header comes first


def box(
    draw: Callable[[Any], Figure], values: Sequence[Any], start: Any, label: str
) -> ipywidgets.VBox:
    """Make a slider over `values` above the picture of the value it is at (see `slider`).

    Beside the slider it says what it is doing: drawing, or the error that has ended the drawing.
    """
    if start not in values:
        raise ValueError(f"start={start!r} is not among the slider's values {list(values)}")
    control = ipywidgets.SelectionSlider(
        options=list(values), value=start, description=label, continuous_update=False
    )
    drawn = png(draw(start))
    picture = ipywidgets.Image(value=drawn, format="png", width=width_on_page(drawn))
    state = ipywidgets.Label()

    def moved(change: dict[str, Any]) -> None:
        state.value = BUSY
        try:
            drawn = png(draw(change["new"]))
        except Exception as error:  # a notebook shows no traceback of what a widget does
            state.value = f"{type(error).__name__}: {error}"
            return
        picture.width, picture.value, state.value = str(width_on_page(drawn)), drawn, ""

    control.observe(moved, "value")
    return ipywidgets.VBox([ipywidgets.HBox([control, state]), picture])


def slider(
    draw: Callable[[Any], Figure], values: Sequence[Any], start: Any, label: str = "sparsity"
) -> None:
    """Show `draw(value)` under a slider over `values`; moving it draws again.

    Where no slider can be shown (an exported page, a notebook without a running kernel) there is
    only the picture of `start`, so choose a telling one.

    Args:
        draw: makes a new figure of one value, in a second or less.
        values: where the slider can stop.
        start: where it is at first; one of `values`.
        label: what is varied.

    Raises:
        ValueError: `start` is not among `values`.

    >>> def draw(sparsity):
    ...     figure, axes = plt.subplots(figsize=(3, 1))
    ...     _ = axes.barh(["kept"], [1 - sparsity])
    ...     return figure
    >>> slider(draw, [0.0, 0.5, 1.0], start=0.7)
    Traceback (most recent call last):
    ValueError: start=0.7 is not among the slider's values [0.0, 0.5, 1.0]
    """
    shown = box(draw, values, start, label)
    drawn = shown.children[1].value
    still, width = base64.b64encode(drawn).decode(), width_on_page(drawn)
    # Front ends take the richest format they know: the widgets if there is a kernel, else the PNG.
    text = {"text/plain": f"a picture with a slider: {label} {start}"}
    formats = {**shown._repr_mimebundle_(), "image/png": still, **text}
    display(formats, metadata={"image/png": {"width": width}}, raw=True)
