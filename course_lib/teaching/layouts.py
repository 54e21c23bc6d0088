"""A figure in a narrow column: its panels one below the other, its letters as large as before.

A figure is drawn twice, and the style sheet shows the drawing that fits (`frame.css`). Nothing here
is for a chapter's cell to call: `show` and `slider` do.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.legend import Legend
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedFormatter, FixedLocator
from matplotlib.transforms import Bbox, ScaledTranslation

from course_lib.teaching.names import LINE, LineName, settle
from course_lib.teaching.page import typeset

INCH = 92  # pixels: a figure of eight inches is as wide as the column of the book
NARROW = 3.85  # inches: the column of a phone
PLOT, PICTURE = 2.4, 0.85  # inches that a panel needs, with ticks and without
LEAST = 11 * 72 / INCH  # points: no letter is smaller than 11 pixels
BAR = 0.8  # inches of a colour bar with its numbers
BIG = 0.42  # of the width of its axes: a legend that wide is put under them
GAP = 0.1  # inches between two titles side by side
APART = 3  # pixels between two numbers of an axis, and between a text and an axis
BROAD = 0.6  # of the width of its axes: a text in a narrow column that is wider is broken


def readable(fig: Figure) -> None:
    """Enlarge the letters of a figure that nobody could read, and set numbers as in a sentence."""
    fig.draw_without_rendering()  # or there are no ticks yet
    for text in cast("list[Text]", fig.findobj(Text)):
        text.set_text(typeset(text.get_text()))
        if text.get_text() and float(text.get_fontsize()) < LEAST:
            text.set_fontsize(LEAST)


@contextmanager
def narrow(fig: Figure) -> Iterator[None]:
    """Within it, the figure is as a narrow column shows it; afterwards, as it was."""
    with ExitStack() as undo:
        cells = _cells(fig)
        old = _sizes(fig, cells)
        columns = _columns(fig, cells)
        width = NARROW / columns
        heights = [h * _shrink(cells[at], width / w) for at, (w, h) in old.items()]
        rows = [max(heights[i : i + columns]) for i in range(0, len(heights), columns)]
        undo.callback(fig.set_size_inches, *fig.get_size_inches())
        fig.set_size_inches(NARROW, sum(rows) or fig.get_figheight())
        if cells:
            grid = fig.add_gridspec(len(rows), columns, height_ratios=rows)
            for i, panels in enumerate(cells.values()):
                for ax in panels:
                    undo.callback(ax.set_subplotspec, _spec(ax))
                    ax.set_subplotspec(grid[i // columns, i % columns])
                    if i % columns == 0:
                        _own_axis(ax, undo)
        _wrap(fig, width, undo)
        _legends_below(fig, undo)
        for ax in fig.axes:
            for text in _free(ax):
                _break_off(text, ax, undo)
        undo.enter_context(fitted(fig))
        for ax in fig.axes:
            for text in _free(ax):
                _inside(text, ax, undo)
        yield


@contextmanager
def fitted(fig: Figure) -> Iterator[None]:
    """Within it, numbers of axes keep apart and names of axes and titles lie in the figure."""
    with ExitStack() as undo:
        fig.draw_without_rendering()
        for ax in fig.axes:
            _thin(ax.xaxis, undo)
            _thin(ax.yaxis, undo)
            for text, along in ((ax.title, 0), (ax.xaxis.label, 0), (ax.yaxis.label, 1)):
                _slide(text, ax, along, undo)
        yield


def boxes(fig: Figure) -> list[dict[str, Any]]:
    """Return where each of a figure's axes lies in the drawing that was last made of it.

    Returns:
        For each axes: `box` (left, top, width, height) in fractions of the drawing, from its upper
        left corner; `x` and `y`, the limits; `scales`, such as ("linear", "log").
    """
    found = []
    for ax in fig.axes:
        at = ax.get_position()
        found.append(
            {
                "box": (at.x0, 1 - at.y1, at.width, at.height),
                "x": tuple(map(float, ax.get_xlim())),
                "y": tuple(map(float, ax.get_ylim())),
                "scales": (ax.get_xscale(), ax.get_yscale()),
            }
        )
    return found


Cells = dict[tuple[int, int], list[Axes]]


def _cells(fig: Figure) -> Cells:
    """Return the axes of each place of the figure's grid, by row and column."""
    found: Cells = {}
    for ax in fig.axes:
        spec = ax.get_subplotspec()
        if spec is not None:  # a colour bar has none: it follows its panel
            found.setdefault((spec.rowspan.start, spec.colspan.start), []).append(ax)
    return dict(sorted(found.items()))


def _spec(ax: Axes) -> SubplotSpec:
    """Return the place in the grid of axes that have one."""
    return cast(SubplotSpec, ax.get_subplotspec())


def _sizes(fig: Figure, cells: Cells) -> dict[tuple[int, int], tuple[float, float]]:
    """Return the inches of each place of the grid: width and height."""
    width, height = fig.get_size_inches()
    sizes = {}
    for (row, column), panels in cells.items():
        grid = _spec(panels[0]).get_gridspec()
        wide = cast("list[float]", grid.get_width_ratios())
        high = cast("list[float]", grid.get_height_ratios())
        sizes[row, column] = width * wide[column] / sum(wide), height * high[row] / sum(high)
    return sizes


def _columns(fig: Figure, cells: Cells) -> int:
    """Return how many panels fit side by side into a narrow column."""
    before = 1 + max((column for _, column in cells), default=0)
    bars = len(fig.axes) - sum(map(len, cells.values()))
    least = 0.0
    for ax in (ax for panels in cells.values() for ax in panels):
        title = ax.title.get_window_extent().width / fig.dpi
        least = max(least, PICTURE if _bare(ax) else PLOT, title + GAP)
    return max(1, min(before, int((NARROW - BAR * bars) / least))) if least else 1


def _bare(ax: Axes) -> bool:
    """Say whether a panel is a picture, with no numbers at its sides."""
    return not ax.axison or not (len(ax.get_xticks()) and len(ax.get_yticks()))


def _shrink(panels: list[Axes], ratio: float) -> float:
    """Return by how much the height of a panel changes if its width does by `ratio`."""
    if any(ax.get_aspect() != "auto" for ax in panels):
        return float(ratio)
    return float(min(1, ratio) ** 0.4)


def _own_axis(ax: Axes, undo: ExitStack) -> None:
    """Give a panel the numbers and the name of the axis that it shared with its left neighbour."""
    siblings = ax.get_shared_y_axes().get_siblings(ax)
    if len(siblings) < 2:
        return
    if not ax.yaxis.get_tick_params()["labelleft"]:
        ax.tick_params(labelleft=True)
        undo.callback(ax.tick_params, labelleft=False)
    name = next(filter(None, (each.get_ylabel() for each in siblings)), "")
    undo.callback(ax.set_ylabel, ax.get_ylabel())
    ax.set_ylabel(name)


def _wrap(fig: Figure, width: float, undo: ExitStack) -> None:
    """Break titles and names of axes that are longer than there is room."""
    for ax in fig.axes:
        for text in (ax.title, ax.xaxis.label):
            _break(text, width * fig.dpi, undo)
        height = fig.get_figheight() / max(1, len(_cells(fig))) if _cells(fig) else 99
        _break(ax.yaxis.label, height * fig.dpi, undo)


def _thin(axis: XAxis | YAxis, undo: ExitStack) -> None:
    """Leave out numbers of an axis that would touch the one before; their ticks stay."""
    pad = (APART / 2, 0) if isinstance(axis, XAxis) else (0, 0)
    ticks = [tick for tick in axis.get_major_ticks() if tick.label1.get_visible()]
    words = {tick.get_loc(): tick.label1.get_text() for tick in ticks}
    before, kept = sum(map(bool, words.values())), list[Bbox]()
    for tick in ticks:
        lies = tick.label1.get_window_extent().padded(*pad)
        if tick.label1.get_text() and any(lies.overlaps(other) for other in kept):
            words[tick.get_loc()] = ""
        elif tick.label1.get_text():
            kept.append(lies)
    if len(kept) < before:
        undo.callback(axis.set_major_formatter, axis.get_major_formatter())
        undo.callback(axis.set_major_locator, axis.get_major_locator())
        axis.set_major_locator(FixedLocator(list(words)))
        axis.set_major_formatter(FixedFormatter(list(words.values())))


def _slide(text: Text, ax: Axes, along: int, undo: ExitStack) -> None:
    """Move a title or the name of an axis along it, if that lies partly outside the figure."""
    fig = cast(Figure, ax.figure)
    low, high = text.get_window_extent().get_points()[:, along]
    room = fig.bbox.get_points()[1, along]
    if not text.get_text() or high - low > room or (low >= 0 and high <= room):
        return
    x, y = text.get_position()
    undo.callback(text.set_position, (x, y))
    by = (max(0, -low) - max(0, high - room)) / ax.bbox.size[along]
    text.set_position((x, y + by) if along else (x + by, y))


def _free(ax: Axes) -> list[Text]:
    """Return the upright texts that a cell wrote into its axes, but not the names of lines."""
    return [
        text
        for text in ax.texts
        if text.get_visible() and text.get_text() and not text.get_rotation()
        and not isinstance(text, LineName)
    ]  # fmt: skip


def _inside(text: Text, ax: Axes, undo: ExitStack) -> None:
    """Move a text that lies across the left or the lower side of its axes to where it is free."""
    lies, has = text.get_window_extent(), ax.bbox
    up = has.y0 + APART - lies.y0 if lies.y0 < has.y0 < lies.y1 else 0.0
    right = has.x0 + APART - lies.x0 if lies.x0 < has.x0 < lies.x1 else 0.0
    if not ax.axison or not (up or right):
        return
    line = LINE * float(text.get_fontsize())
    at = (
        ax.transData.transform(text.xy)
        if isinstance(text, Annotation)
        else text.get_transform().transform(text.get_position())
    )
    other_side = 2 * float(at[0]) - lies.x0 - lies.x1
    moves = [(right, up), (other_side, up), (right, up + line), (right, up - line)]
    for dx, dy in [*moves, moves[0]]:
        box = lies.translated(dx, dy)
        if box.y0 > has.y0 and _clear(box, text, ax):
            break
    _move(text, ax, dx, dy, undo)


def _break_off(text: Text, ax: Axes, undo: ExitStack) -> None:
    """Break a broad text that lies on something, if then it does not."""
    if text.get_window_extent().width <= BROAD * ax.bbox.width:
        return
    with ExitStack() as trial:
        if not _clear(text.get_window_extent(), text, ax):
            trial.callback(text.set_verticalalignment, text.get_verticalalignment())
            if text.get_verticalalignment() == "baseline":  # or what follows hangs below it
                text.set_verticalalignment("bottom")
            _break(text, BROAD * ax.bbox.width, trial)
            if _clear(text.get_window_extent(), text, ax):
                undo.enter_context(trial.pop_all())


def _clear(box: Bbox, text: Text, ax: Axes) -> bool:
    """Say whether neither another text nor a line of the axes lies in a box."""
    others = (other.get_window_extent() for other in _free(ax) if other is not text)
    paths = (line.get_path().transformed(line.get_transform()) for line in ax.lines)
    return not any(box.overlaps(other) for other in others) and not any(
        box.count_contains(path.vertices) or path.intersects_bbox(box, filled=False)
        for path in paths
    )


def _move(text: Text, ax: Axes, dx: float, dy: float, undo: ExitStack) -> None:
    """Move a text by pixels."""
    if not isinstance(text, Annotation):
        undo.callback(text.set_transform, text.get_transform())
        by = ScaledTranslation(dx / 72, dy / 72, cast(Figure, ax.figure).dpi_scale_trans)
        text.set_transform(text.get_transform() + by)
        return
    undo.callback(setattr, text, "xyann", text.xyann)
    if text.anncoords == "data":
        x, y = ax.transData.transform(text.xyann)
        text.xyann = tuple(ax.transData.inverted().transform((x + dx, y + dy)))
    else:  # offset points, and a point is a pixel
        text.xyann = (text.xyann[0] + dx, text.xyann[1] + dy)


def _legends_below(fig: Figure, undo: ExitStack) -> None:
    """Put legends under their axes that would lie on much of what is drawn."""
    settle(fig)
    legends = {
        ax: legend for ax in fig.axes if (legend := ax.get_legend()) and legend.get_visible()
    }
    for legend in legends.values():
        undo.callback(legend.set_in_layout, legend.get_in_layout())
        legend.set_in_layout(False)  # what stands beside its axes would leave them no room
    fig.draw_without_rendering()
    for ax, legend in legends.items():
        lies, has = legend.get_window_extent(), ax.bbox
        if lies.width < BIG * has.width and has.x0 <= lies.x0 and lies.x1 <= has.x1:
            continue
        size = _size(legend)
        numbers = ax.get_xaxis().get_tightbbox()  # and the name of the axis
        below = (has.y0 - numbers.y0 if numbers else 0) + size / 2
        aside = max(0, _item(legend) - has.width)
        at = ScaledTranslation(-aside / fig.dpi, -below / fig.dpi, fig.dpi_scale_trans)
        undo.callback(setattr, ax, "legend_", legend)
        new = ax.legend(
            **_again(legend, has.width),
            loc="upper left",
            bbox_to_anchor=(0, 0),
            bbox_transform=ax.transAxes + at,
            borderaxespad=0,
        )
        new.set_gid(legend.get_gid())
        _heighten(fig, new)
    for legend in list(fig.legends):
        if legend.get_window_extent().width > fig.bbox.width:
            legend.remove()
            undo.callback(fig.legends.append, legend)
            new = fig.legend(**_again(legend, fig.bbox.width), loc="outside lower center")
            undo.callback(new.remove)
            _heighten(fig, new)


def _item(legend: Legend) -> float:
    """Return how many pixels wide the longest line of a legend is, its mark included."""
    texts = legend.get_texts()
    return max(t.get_window_extent().width for t in texts) + 4 * _size(legend)


def _size(legend: Legend) -> float:
    """Return how high the letters of a legend are, in points."""
    return float(legend.get_texts()[0].get_fontsize())


def _again(legend: Legend, room: float) -> dict[str, Any]:
    """Return what makes the same legend again, with as many columns as there is room for."""
    texts = legend.get_texts()
    return {
        "handles": legend.legend_handles,
        "labels": [text.get_text() for text in texts],
        "labelcolor": [text.get_color() for text in texts],
        "title": legend.get_title().get_text(),
        "fontsize": _size(legend),
        "ncols": max(1, min(len(texts), int(room / _item(legend)))),
    }


def _heighten(fig: Figure, legend: Legend) -> None:
    """Make a figure higher by a legend."""
    width, height = fig.get_size_inches()
    fig.set_size_inches(width, height + legend.get_window_extent().height / fig.dpi)


def _break(text: Text, room: float, undo: ExitStack) -> None:
    """Put line ends into a text until it is no longer than `room` pixels."""
    words = text.get_text().split()
    extent = text.get_window_extent()
    length = max(extent.width, extent.height)
    if length <= 0.92 * room or len(words) < 2:
        return
    undo.callback(text.set_text, text.get_text())
    letters = int(sum(map(len, words)) * 0.85 * room / length)
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > letters:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    text.set_text("\n".join(lines))
