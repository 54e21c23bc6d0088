"""A slider over frames drawn beforehand: it needs no kernel, no network and no library."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from course_lib.teaching.figures import drawings, figure
from course_lib.teaching.page import Html, asset, render, typeset


def slider(
    draw: Callable[[Any, Any], None],
    values: Sequence[Any],
    *,
    label: str,
    alt: Callable[[Any], str],
    caption: str = "",
    start: int = 0,
    **size: Any,
) -> Html:
    """Show one frame for each value, and a slider that moves through them.

    Args:
        draw: draws a value on the axes it is given: draw(axes, value).
        values: what the slider runs over.
        label: what it moves, in words.
        alt: describes the frame of a value.
        caption: the figure's one message.
        start: the index of the frame to show first, and in print.
        size: passed on to `figure`: width, height, nrows, ncols.

    Raises:
        ValueError: fewer than two values, a start that is none of theirs, or an empty alt.

    Examples:
        >>> def draw(axes, n):
        ...     axes.bar(range(n), 1)
        >>> slider(draw, [1, 2, 4], label="Bars", alt=lambda n: f"{n} of them.").text
        'Slider: Bars. At 1: 1 of them.'
    """
    values = list(values)
    if len(values) < 2 or not 0 <= start < len(values):
        raise ValueError(
            f"given {len(values)} values and start={start}: a slider needs at least two values, "
            "and a start between 0 and the last of them."
        )
    frames = []
    for value in values:
        fig, axes = figure(**size)
        draw(axes, value)
        frames.append(drawings(fig, alt(value)))
    names = [typeset(str(value)) for value in values]
    says = [_said(name, typeset(alt(value))) for name, value in zip(names, values, strict=True)]
    told = {"names": names, "says": says, "label": label, "caption": caption, "start": start}
    body = render("slider.html", frames=frames, **told)
    text = f"Slider: {label}. At {names[start]}: {alt(values[start])}"
    return Html(asset("frame.css") + asset("slider.css") + body + asset("slider.js"), text)


def _said(name: str, alt: str) -> str:
    """Return what a screen reader says when the slider comes here: the value and, short, its frame.

    Short is up to the end of the first sentence that leaves 40 letters behind it.
    """
    short = re.split(r"(?<=.{40}[.;])\s", alt, maxsplit=1, flags=re.S)[0]
    return f"{name}: {short.rstrip(';')}"


def live(
    draw: Callable[[Any, Any], None],
    values: Sequence[Any],
    *,
    label: str,
    start: int = 0,
    **size: Any,
) -> Any:
    """Return the same slider drawn live by the kernel, for JupyterLab; needs ipywidgets.

    Its cell is tagged `live`: the output is not stored, for without a kernel it would stand still.

    Raises:
        ImportError: ipywidgets is not installed.

    Examples:
        >>> def draw(axes, n):
        ...     axes.bar(range(n), 1)
        >>> title, moving, shown = live(draw, [1, 2, 4], label="Bars").children
        >>> moving.value = 4  # as the reader does
        >>> "4" in shown.value
        True
    """
    try:
        import ipywidgets
    except ImportError as error:
        raise ImportError("live() needs ipywidgets: pip install 'course_lib[lab]'") from error

    moving = ipywidgets.SelectionSlider(
        options=list(values),
        index=start,
        description=label,
        continuous_update=False,
        style={"description_width": "initial"},
        layout={"width": "32em"},
    )
    shown = ipywidgets.HTML()

    def redraw(*_: Any) -> None:
        fig, axes = figure(**size)
        draw(axes, moving.value)
        drawn = drawings(fig, f"{label}: {moving.value}")
        shown.value = f'{asset("frame.css")}<figure class="sw sw-figure">{drawn}</figure>'

    moving.observe(redraw, "value")
    redraw()
    title = ipywidgets.HTML("<b>Run live</b>: drawn by the kernel when you let go of the slider")
    return ipywidgets.VBox([title, moving, shown])
