"""Interactive pictures: a slider over something that can be drawn again and again."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG; the figure is closed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()


def box(
    draw: Callable[[Any], Figure], values: Sequence[Any], start: Any, label: str
) -> ipywidgets.VBox:
    """A slider over `values` above the picture of the value where it stands (see `slider`)."""
    if start not in values:
        raise ValueError(f"start={start!r} is not among the slider's values {list(values)}")
    control = ipywidgets.SelectionSlider(
        options=list(values), value=start, description=label, continuous_update=False
    )
    picture = ipywidgets.Image(value=png(draw(start)), format="png")
    control.observe(lambda change: setattr(picture, "value", png(draw(change["new"]))), "value")
    return ipywidgets.VBox([control, picture])


def slider(
    draw: Callable[[Any], Figure], values: Sequence[Any], start: Any, label: str = "sparsity"
) -> None:
    """Show `draw(value)` under a slider over `values`; moving it draws anew.

    Where no slider can be shown (an exported page, a notebook without a running kernel) the picture
    of `start` stands alone, so choose a telling one.

    Args:
        draw: makes a new figure of one value, in a second or less.
        values: where the slider can stop.
        start: where it stands at first; one of `values`.
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
    still = base64.b64encode(shown.children[1].value).decode()
    # Front ends take the richest format they know: the widgets if there is a kernel, else the PNG.
    text = {"text/plain": f"a picture with a slider: {label} {start}"}
    display({**shown._repr_mimebundle_(), "image/png": still, **text}, raw=True)
