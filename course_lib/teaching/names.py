"""Names at the ends of lines, in their colours: nobody has to look from a line to a legend."""

from collections.abc import Collection
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import IdentityTransform
from scipy.optimize import isotonic_regression

from course_lib.teaching.colours import COLOURS

MARK = "line name"  # how the drawing knows them again
FAR = 1.6  # lines of text that a name may lie from the end of its line
WIDE = 0.32  # of the width of the axes that the longest name may take
LINE = 1.25  # times the size of letters


class LineName(Annotation):
    """The name of a line, to stand at its end."""

    def __init__(self, line: Line2D, name: str) -> None:
        super().__init__(name, (0, 0), xytext=(6, 0), textcoords="offset points", va="center")
        self.line = line
        self.set(color=line.get_color(), annotation_clip=False, transform=IdentityTransform())
        self.set_in_layout(False)  # before it has its place

    @property
    def size(self) -> float:
        """How high its letters are, in points."""
        return float(self.get_fontsize())


def name_lines(axes: Axes, *, emphasise: Collection[str] = ()) -> None:
    """Write each line's label at its end, in its colour, where a legend would have stood.

    Names keep clear of each other. Where lines end too close together for that, or the figure is
    too narrow, a legend comes in their place. Call it when all is drawn.

    Args:
        axes: with lines that have labels.
        emphasise: labels of the lines that matter; the others turn grey.

    Raises:
        ValueError: no line has a label, or one to emphasise is none of them.

    Examples:
        >>> from course_lib.teaching import figure
        >>> fig, axes = figure(width=4, height=3)
        >>> for name, ends in {"soft": [3, 4], "hard": [2, 1]}.items():
        ...     line = axes.plot([1, 2], ends, label=name)
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
        axes.add_artist(LineName(line, name)).set_clip_on(False)
    axes.legend(handles, labels, labelcolor="linecolor").set_gid(MARK)


def settle(fig: Figure) -> None:
    """Put the names of all lines where they belong in the figure as large as it is now."""
    for ax in fig.axes:
        names = [t for t in ax.texts if isinstance(t, LineName)]
        if not names:
            continue
        moves = _moves(names, ax, fig.dpi)
        for name in names:
            name.set_visible(True)  # or it has no width
        widest = max(name.get_window_extent().width for name in names)
        room = ax.bbox.width + (widest if names[0].get_in_layout() else 0)
        crowded = max(map(abs, moves)) > FAR * names[0].size or widest > WIDE * room
        for name, move in zip(names, moves, strict=True):
            name.xyann = (6, move)
            name.set_visible(not crowded)
            name.set_in_layout(not crowded)
        legend = ax.get_legend()
        if legend is not None and legend.get_gid() == MARK:
            legend.set_visible(crowded)
            legend.set_in_layout(crowded)


def _line(handle: Any) -> Line2D:
    """Return the line of what a legend shows: a line, or one with bars of error."""
    return cast(Line2D, handle if isinstance(handle, Line2D) else handle[0])


def _grey(axes: Axes, line: Line2D) -> None:
    """Turn a line grey, and the bands of its colour."""
    own = to_rgb(cast(str, line.get_color()))
    for band in axes.collections:
        if any(np.allclose(each[:3], own) for each in np.asarray(band.get_facecolor())):
            band.set_facecolor(COLOURS["muted"])
    line.set(color=COLOURS["muted"], linewidth=1.2, zorder=1.5)


def _moves(names: list[LineName], axes: Axes, dpi: float) -> list[float]:
    """Anchor names at the ends of their lines; return by how many points each moves up or down."""
    ends = []
    for name in names:
        points = np.asarray(name.line.get_xydata())
        points = points[np.isfinite(points).all(axis=1)]
        seen = axes.transData.transform(points)
        last = int(seen[:, 0].argmax())
        name.xy = tuple(points[last])
        ends.append(seen[last])
    at = np.array(ends) * 72 / dpi
    gap = LINE * names[0].size
    moved = at[:, 1].copy()
    for column in {round(x / 8) for x in at[:, 0]}:
        chosen = [i for i in at[:, 1].argsort(kind="stable") if round(at[i, 0] / 8) == column]
        steps = gap * np.arange(len(chosen))
        moved[chosen] = isotonic_regression(at[chosen, 1] - steps).x + steps
    return [float(move) for move in moved - at[:, 1]]
