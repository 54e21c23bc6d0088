"""Intervals as pictures: a number line in a claim's box, and many of them in a row.

Lines are SVG with places in per cent, so that one drawing fits every width. The numbers stand
beside them as text; who cannot see the lines misses nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.ticker import MaxNLocator

from course_lib.teaching.page import Html, asset, render

REACH = 6  # widths of the interval: a number further off is not worth drawing
EDGE = 6.0  # per cent of a line on either side, for marks that lie at its end

Row = tuple[float, float, float] | tuple[float, float, float, str]


class Scale:
    """Where numbers lie on a line.

    Args:
        numbers: all that must be seen.

    Examples:
        >>> scale = Scale([0, 4])
        >>> [scale(x) for x in (0, 2, 4)]
        [6.0, 50.0, 94.0]
    """

    def __init__(self, numbers: Sequence[float]) -> None:
        self.low, self.high = min(numbers), max(numbers)
        found = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(self.low, self.high)
        self.numbers = [float(x) for x in found if self.low - 1e-9 <= x <= self.high + 1e-9]

    def __call__(self, x: float) -> float:
        """Return the place of a number, in per cent."""
        return round(EDGE + (100 - 2 * EDGE) * (x - self.low) / (self.high - self.low or 1), 2)

    def ticks(self) -> list[tuple[float, str]]:
        """Return round numbers with their places."""
        return [(self(x), minus(f"{x:.6g}")) for x in self.numbers]


def minus(text: str) -> str:
    """Return a number's text with a minus sign where a hyphen stood."""
    return text.replace("-", "\N{MINUS SIGN}")


def claim_line(
    measured: float,
    interval: tuple[float, float] | None,
    against: float | None,
    unit: str,
    form: str,
) -> str:
    """Return the number line of a claim, or nothing where it would say no more than the numbers.

    It is drawn from the interval to what it is held against: where nothing is named, one for a
    number of times, and zero for other numbers that are no shares; not if that is far away.
    """
    if interval is None or interval[0] == interval[1]:
        return ""
    low, high = interval
    if against is None:
        if "%" in form:
            return ""
        against = float(unit.startswith("times"))
        if max(low - against, against - high) > REACH * (high - low):
            return ""
    pad = (max(high, against) - min(low, against)) / 12
    scale = Scale([min(low, against) - pad, max(high, against) + pad])
    return asset("line.css") + _line(scale, (measured, low, high), against, numbers=True)


def forest(
    rows: Mapping[str, Row] | Mapping[str, Mapping[str, Row]],
    *,
    label: str,
    unit: str,
    against: float = 0.0,
    margin: float = 0.0,
    form: str = ".1f",
    caption: str = "",
) -> Html:
    """Show intervals one below the other on one scale, where there would be a table of them.

    A full dot is an interval that is clear of what it is held against; a hollow one holds it.

    Args:
        rows: by name, the mean with its interval, as `interval` returns it, and perhaps a
            verdict in words; or such rows by the name of their group.
        label: what the names of the rows are.
        unit: what the numbers count.
        against: what the intervals are held against.
        margin: how far from it makes no difference; drawn as a band.
        form: how numbers are printed.
        caption: the figure's one message.

    Raises:
        ValueError: no rows, or one whose mean lies outside its interval.

    Examples:
        >>> rows = {"43%": (-0.1, -0.6, 0.3), "8%": (-4.6, -5.8, -3.5, "worse")}
        >>> print(forest(rows, label="density", unit="points").text)
        43%: −0.1 [−0.6, 0.3] points
        8%: −4.6 [−5.8, −3.5] points, worse
    """
    groups: dict[str, Any] = dict(rows)
    if not isinstance(next(iter(groups.values()), None), Mapping):
        groups = {"": groups}
    every = [(name, row) for group in groups.values() for name, row in group.items()]
    if not every:
        raise ValueError("rows is empty: a forest needs at least one interval.")
    for name, row in every:
        if not row[1] <= row[0] <= row[2]:
            raise ValueError(f"{name}: {row[0]} lies outside its interval [{row[1]}, {row[2]}].")
    numbers = [x for _, row in every for x in row[:3]]
    scale = Scale([*numbers, against - margin, against + margin])
    told = {
        group: [
            {
                "name": name,
                "line": _line(scale, row[:3], against, margin=margin),
                "numbers": numbers_text(row[:3], form),
                "words": "".join(row[3:]),
            }
            for name, row in members.items()
        ]
        for group, members in groups.items()
    }
    foot = _line(scale, None, against, numbers=True)
    text = "\n".join(
        f"{f'{group}, ' if group else ''}{row['name']}: {row['numbers']} {unit}"
        + (f", {row['words']}" if row["words"] else "")
        for group, members in told.items()
        for row in members
    )
    body = render(
        "forest.html", groups=told, foot=foot, label=label, unit=unit, caption=caption,
        words=any(len(row) > 3 for _, row in every),
    )  # fmt: skip
    return Html(asset("frame.css") + asset("line.css") + body, text)


def numbers_text(row: Sequence[float], form: str) -> str:
    """Return a mean with its interval as text."""
    mean, low, high = (minus(format(x, form)) for x in row)
    return f"{mean} [{low}, {high}]"


def _line(
    scale: Scale,
    row: Sequence[float] | None,
    against: float,
    *,
    margin: float = 0.0,
    numbers: bool = False,
) -> str:
    """Return a number line: one interval on it or none, with or without its numbers."""
    place = row and [scale(x) for x in row]
    return render(
        "line.html",
        ticks=scale.ticks(),
        zero=scale(against),
        band=margin and (scale(against - margin), scale(against + margin)),
        row=place,
        clear=row and not row[1] <= against <= row[2],
        numbers=numbers,
    )
