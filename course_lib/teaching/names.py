"""Names at the ends of lines, in their colours: nobody has to look from a line to a legend."""

from collections.abc import Collection

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from scipy.optimize import isotonic_regression

from course_lib.teaching.colours import COLOURS

MARK = "line name"  # how the drawing knows them again
FAR = 1.6  # lines of text that a name may lie from the end of its line
WIDE = 0.32  # of the width of the axes that the longest name may take
LINE = 1.25  # times the size of letters


def name_lines(axes: Axes, *, emphasise: Collection[str] = ()) -> None:
    """Write each line's label at its end, in its colour, where a legend would have stood.

    Names keep clear of each other. Where lines end too close together for that, or the figure is too
    narrow, a legend comes in their place. Call it when all is drawn.

    Args:
        axes: with lines that have labels.
        emphasise: labels of the lines that matter; the others turn grey.

    Raises:
        ValueError: no line has a label, or one to emphasise is none of them.

    Examples:
        >>> from course_lib.teaching import figure
        >>> fig, axes = figure(width=4, height=3)
        >>> lines = axes.plot([1, 2], [3, 4], label="soft") + axes.plot([1, 2], [2, 1], label="hard")
        >>> name_lines(axes, emphasise=["hard"])
        >>> [text.get_text() for text in axes.texts]
        ['soft', 'hard']
    """
    handles, labels = axes.get_legend_handles_labels()
    lines = {name: each for each, name in zip(handles, labels, strict=True)}
    unknown = sorted(set(emphasise) - set(lines))
    if not lines or unknown:
        known = ", ".join(map(repr, lines)) or "none"
        raise ValueError(f"no line is called {unknown or 'anything'}; labels of lines: {known}.")
    for name, handle in lines.items():
        line = _line(handle)
        if emphasise and name not in emphasise:
            _grey(axes, line)
        axes.annotate(
            name,
            (0, 0),
            xytext=(6, 0),
            textcoords="offset points",
            color=line.get_color(),
            va="center",
            annotation_clip=False,
            gid=MARK,
        ).line = line  # type: ignore[attr-defined]
    axes.legend(handles, labels, labelcolor="linecolor").set_gid(MARK)


def settle(fig: Figure) -> None:
    """Put the names of all lines where they belong in the figure as large as it is now."""
    for ax in fig.axes:
        names = [t for t in ax.texts if isinstance(t, Annotation) and t.get_gid() == MARK]
        if not names:
            continue
        moves = _moves(names)
        size = names[0].get_fontsize()
        widest = max(name.get_window_extent().width for name in names)
        crowded = max(map(abs, moves)) > FAR * size or widest > WIDE * ax.bbox.width
        for name, move in zip(names, moves, strict=True):
            name.xyann = (6, move)
            name.set_visible(not crowded)
            name.set_in_layout(not crowded)
        legend = ax.get_legend()
        if legend is not None and legend.get_gid() == MARK:
            legend.set_visible(crowded)
            legend.set_in_layout(crowded)


def _line(handle: object) -> Line2D:
    """Return the line of what a legend shows: a line, or one with bars of error."""
    return handle if isinstance(handle, Line2D) else handle[0]  # type: ignore[index,return-value]


def _grey(axes: Axes, line: Line2D) -> None:
    """Turn a line grey, and the bands of its colour."""
    for band in axes.collections:
        if any(np.allclose(to_rgb(each), to_rgb(line.get_color())) for each in band.get_facecolor()):
            band.set_facecolor(COLOURS["muted"])
    line.set(color=COLOURS["muted"], linewidth=1.2, zorder=1.5)


def _moves(names: list[Annotation]) -> list[float]:
    """Anchor names at the ends of their lines; return by how many points each moves up or down."""
    ends = []
    for name in names:
        points = name.line.get_xydata()  # type: ignore[attr-defined]
        points = points[np.isfinite(points).all(axis=1)]
        seen = name.axes.transData.transform(points)  # type: ignore[union-attr]
        last = int(seen[:, 0].argmax())
        name.xy = tuple(points[last])
        ends.append(seen[last])
    at = np.array(ends)
    gap = LINE * names[0].get_fontsize() * names[0].figure.dpi / 72  # type: ignore[union-attr]
    moved = at[:, 1].copy()
    for column in {round(x / 8) for x in at[:, 0]}:
        chosen = [i for i in at[:, 1].argsort(kind="stable") if round(at[i, 0] / 8) == column]
        steps = gap * np.arange(len(chosen))
        moved[chosen] = isotonic_regression(at[chosen, 1] - steps).x + steps
    return [float(d) for d in (moved - at[:, 1]) * 72 / names[0].figure.dpi]  # type: ignore[union-attr]
