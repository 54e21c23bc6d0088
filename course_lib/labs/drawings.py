"""The drawings of the chapters, computed here and drawn by `teaching.drawing`."""

from collections.abc import Sequence

import numpy as np

from course_lib.teaching import Html
from course_lib.teaching.drawing import Panel, Point, drawing

MEASURED, SEEN = (1.0, 2.0), 2.0  # one measurement of two numbers: x1 + 2 x2 = 2


def smallest(row: Sequence[float], seen: float, order: int) -> list[Point]:
    """Return the points of a line in the plane that are smallest.

    Args:
        row: the two factors of the measurement, of different sizes and not zero.
        seen: what was measured: row . x = seen.
        order: 2 for the root of the squares' sum, 1 for the sum of sizes, 0 for the number of
            entries that are not zero.

    Returns:
        One point, or for order 0 the two of them.

    Examples:
        >>> smallest([1, 2], 2, 1), smallest([1, 2], 2, 0)
        ([(0.0, 1.0)], [(2.0, 0.0), (0.0, 1.0)])
    """
    a = np.asarray(row, dtype=float)
    on_axes: list[Point] = [(float(seen / a[0]), 0.0), (0.0, float(seen / a[1]))]
    if order == 2:
        x, y = seen * a / (a @ a)
        return [(float(x), float(y))]
    return on_axes if order == 0 else [on_axes[int(np.abs(a).argmax())]]


def diamond() -> Html:
    """Draw why the smallest sum of sizes lies on an axis: chapter 04.

    One measurement leaves a line of answers. A ball grows until it touches that line: the round one
    beside the axes, the diamond with a corner. The cross of vectors with one entry meets it twice.

    Examples:
        >>> print(diamond().text[:51])
        A line of answers, and three ways to choose of them
    """
    (round_one,), (corner,) = (smallest(MEASURED, SEEN, order) for order in (2, 1))
    crossed = smallest(MEASURED, SEEN, 0)
    said = "({:g}, {:g})".format
    panels = []
    for title in ("smallest ℓ₂", "smallest ℓ₁", "fewest entries, ℓ₀"):
        panel = Panel((-1.3, 2.6), (-1.25, 1.75), title=title)
        panel.arrow((-1.25, 0), (2.5, 0))
        panel.arrow((0, -1.2), (0, 1.7))
        panel.text((2.5, 0), "x₁", "muted", at="above")
        panel.text((0, 1.6), "x₂", "muted", at="left")
        panels.append(panel)
    for panel, answers in zip(panels, ([round_one], [corner], crossed), strict=True):
        if panel is panels[0]:
            panel.circle((0, 0), float(np.hypot(*round_one)), "1")
        elif panel is panels[1]:
            r = abs(corner[0]) + abs(corner[1])
            panel.path([(r, 0), (0, r), (-r, 0), (0, -r)], "1", closed=True)
        else:
            panel.path([(-1.2, 0), (2.4, 0)], "1", width=3)
            panel.path([(0, -1.15), (0, 1.6)], "1", width=3)
        panel.path([(x, (SEEN - MEASURED[0] * x) / MEASURED[1]) for x in (-1.1, 2.5)])
        for point in answers:
            at = "above" if point[1] == 0 else "aside"
            panel.dot(point, said(*point), at=at)
    return drawing(
        *panels,
        alt="A line of answers, and three ways to choose of them. The circle touches the line at "
        f"{said(*round_one)}, where no entry is zero; the diamond touches it with its corner at "
        f"{said(*corner)}, on an axis; the cross of all vectors with one entry meets it twice, at "
        f"{said(*crossed[0])} and {said(*crossed[1])}.",
        caption="One measurement, \\(x_1 + 2x_2 = 2\\), leaves a line of answers. A ball that "
        "grows until it touches the line finds the smallest: the round one at a point "
        "with two entries, the diamond with its corner, where one is zero. The cross "
        "holds all vectors with one entry; it meets the line twice, and cannot say "
        "which answer is better.",
    )
