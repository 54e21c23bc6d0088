"""A reader's guess, asked where the puzzle stands and laid over the figure that answers it.

Browser and page do it alone: no kernel, no network, nothing sent. Without a script the question is
a plain sentence, and the figure is open.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.teaching.figures import figure, svg
from course_lib.teaching.layouts import boxes
from course_lib.teaching.page import Html, asset, render

POINTS = 7  # of a drawn curve whose two ends are given
PAD = {"width": 4.2, "height": 2.7}  # inches; whole on a phone, with letters that can be read


@dataclass(frozen=True)
class Asked:
    """A question as `guess` asked it: what a figure that answers it has to know."""

    name: str
    asked: str
    kind: str
    unit: str
    choices: tuple[str, ...]
    places: tuple[float, ...]
    log: str


ASKED: dict[str, Asked] = {}  # by this kernel, under their names


@dataclass(frozen=True)
class Answer:
    """What `show` needs to lay a guess over a figure; made by `answer`."""

    asked: Asked
    truth: Any
    on: Axes | None
    along: str
    lock: bool

    def around(self, shown: str, fig: Figure, boxes: list[list[dict[str, Any]]]) -> str:
        """Return the HTML of a figure, once drawn, with what covers it and is laid over it.

        Args:
            shown: the figure's HTML.
            fig: the figure.
            boxes: `layouts.boxes` of each of its drawings, in their order.

        Raises:
            ValueError: the axes are not in the figure, or not of a kind that can be drawn on.
        """
        laid = boxes if self.asked.kind != "choice" else []
        on = [place(fig, self.on, self.asked.name, each) for each in laid]
        shape = "{:g}/{:g}".format(*fig.get_size_inches())
        # Style and script came with the question, which stands on the same page.
        return render("answer.html", answer=self, on=on, shape=shape, shown=shown)


def guess(
    name: str,
    asked: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    x: Sequence[float] = (),
    y: Sequence[float] = (),
    unit: str = "",
    log: str = "",
    xlabel: str = "x",
    ylabel: str = "y",
) -> Html:
    r"""Ask for a guess: a number (low, high), a choice (choices) or a drawn curve (x, y).

    The browser keeps it under its name, and the figure that is shown with `answer` shows it.

    Args:
        name: of the guess, a word that no other guess of the course has.
        asked: the question; mathematics in \( \). It stands by itself where there is no script.
        low: the least number that may be guessed; whole numbers if it and `high` are.
        high: the greatest.
        choices: what may be chosen, in plain words.
        x: of a curve, the ends of its axis from left to right, or all places where it is asked.
        y: of a curve, the least and the greatest value.
        unit: of the number, or of the curve's values: "lines", "%".
        log: which axes are logarithmic: "x", "y" or "xy"; the slider of a number is an x.
        xlabel: of the curve's axis.
        ylabel: of the curve's values.

    Raises:
        ValueError: a name that is no plain word or was given to another question, not exactly one
            kind of answer, or limits between which nothing lies.

    Examples:
        >>> asked = "How many of the 64 lines would you need?"
        >>> guess("head-lines", asked, low=2, high=64, unit="lines").text
        'Your guess: How many of the 64 lines would you need?'

        Some cells later, the figure that answers it:

        >>> fig, ax = figure(width=4, height=2)
        >>> curve = ax.plot([4, 22, 64], [12, 38, 39])
        >>> found = answer("head-lines", 22)
        >>> show(fig, alt="Quality rises until 22 lines.", answers=found).text
        'Quality rises until 22 lines.'
    """
    kind = _kind(name, number=(low, high) != (None, None), choice=choices, curve=x or y)
    if kind == "number":
        _check(name, "low, high", (low, high), logarithmic="x" in log)
    if kind == "choice" and len(set(choices)) < max(2, len(choices)):
        raise ValueError(f"guess {name!r}: expected two different choices or more; {choices}.")
    if kind == "curve":
        _check(name, "y", y, logarithmic="y" in log)
    places = _places(name, x, "x" in log) if kind == "curve" else ()
    known = _remember(Asked(name, asked, kind, unit, tuple(choices), places, log))
    pad, on = _pad(known, y, (xlabel, ylabel)) if kind == "curve" else ("", None)
    whole = isinstance(low, int) and isinstance(high, int)
    scale = [low, high, "log" if "x" in log else "linear"]
    steps = high - low if whole and not log else 100  # type: ignore[operator]
    body = render(
        "guess.html", known=known, scale=scale, whole=whole, steps=steps, pad=pad, on=on,
        labels=[f"{ylabel} at {xlabel} {each:.3g}" for each in places],
    )  # fmt: skip
    html = asset("frame.css") + asset("guess.css") + body + asset("number.js") + asset("guess.js")
    return Html(html, f"Your guess: {asked}")


def answer(
    name: str, truth: Any = None, *, on: Axes | None = None, along: str = "x", lock: bool = True
) -> Answer:
    """Say which guess a figure answers: `show(fig, alt=..., answers=answer("lines", 22, on=ax))`.

    Args:
        name: of the guess, which was asked before.
        truth: what is right, computed by the cell; it is said beside what was guessed. A number, a
            choice, or of a curve its (xs, ys); None: nothing is right, or the figure says it.
        on: the axes over which a number or a curve is laid; not needed if there is only one.
        along: which of their coordinates a number is.
        lock: cover the figure until there is a guess, or the reader says "Show me".

    Raises:
        ValueError: no such guess, or a truth that cannot be an answer to it.

    Examples:
        >>> asked = guess("twins", "Which needs fewer?", choices=["soft", "hard", "neither"])
        >>> answer("twins", "neither").asked.kind
        'choice'
    """
    if name not in ASKED:
        raise ValueError(f"answer({name!r}): asked were {sorted(ASKED)}; run the cell that asks.")
    asked = ASKED[name]
    if along not in ("x", "y"):
        raise ValueError(f"answer({name!r}): along is {along!r}, expected 'x' or 'y'.")
    if truth is not None:
        truth = _truth(asked, truth)
    return Answer(asked, truth, on, along, lock)


def place(fig: Figure, axes: Axes | None, name: str, boxes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return where axes lie in a drawing of a figure, and how their data are mapped.

    Args:
        fig: the figure.
        axes: of the figure; None: its only ones.
        name: of the guess, for errors.
        boxes: of all its axes, in the drawing in question.

    Returns:
        "place": left, top, right and bottom, in fractions of the picture from its top left;
        "x", "y": the data at both ends, and the scale.

    Raises:
        ValueError: no such axes, or neither linear nor logarithmic ones.
    """
    axes = fig.axes[0] if axes is None and len(fig.axes) == 1 else axes
    if axes is None or axes not in fig.axes:
        raise ValueError(
            f"the figure that answers {name!r} has {len(fig.axes)} axes: say on which of them the "
            "guess is laid, as in answer(..., on=ax)."
        )
    scales = axes.get_xscale(), axes.get_yscale()
    if axes.name != "rectilinear" or not {*scales} <= {"linear", "log"}:
        raise ValueError(f"guess {name!r}: {axes.name} axes with scales {scales}; a guess is laid "
                         "over linear and logarithmic ones.")  # fmt: skip
    found = boxes[fig.axes.index(axes)]
    left, top, width, height = found["box"]
    return {
        "place": [round(part, 5) for part in (left, top, left + width, top + height)],
        "x": [*found["x"], scales[0]],
        "y": [*found["y"], scales[1]],
    }


def _kind(name: str, **given: Any) -> str:
    """Return the one kind of answer that is asked for."""
    kinds = [kind for kind in given if given[kind]]
    if len(kinds) != 1:
        raise ValueError(
            f"guess {name!r}: expected one kind of answer, a number (low=, high=), a choice "
            f"(choices=) or a curve (x=, y=); given: {' and '.join(kinds) or 'none'}."
        )
    return kinds[0]


def _check(name: str, what: str, ends: Sequence[float | None], *, logarithmic: bool) -> None:
    """See that two limits are in order."""
    least = 0 if logarithmic else -math.inf
    if len(ends) != 2 or None in ends or not least < ends[0] < ends[1] < math.inf:  # type: ignore
        above = ", above 0 on a logarithmic scale" if logarithmic else ""
        raise ValueError(
            f"guess {name!r}: {what} = {tuple(ends)}, expected a lower and a higher number{above}."
        )


def _places(name: str, x: Sequence[float], logarithmic: bool) -> tuple[float, ...]:
    """Return the places at which a curve is asked: those given, or some between the two ends."""
    steps = np.diff(x)
    if len(x) < 2 or not (all(steps > 0) or all(steps < 0)) or (logarithmic and min(x) <= 0):
        above = " (above 0 on a logarithmic scale)" if logarithmic else ""
        raise ValueError(f"guess {name!r}: x = {tuple(x)}, expected the two ends of the axis or "
                         f"more places, in order{above}.")  # fmt: skip
    between = np.geomspace if logarithmic else np.linspace
    found = between(x[0], x[1], POINTS) if len(x) == 2 else x
    return tuple(float(f"{each:.6g}") for each in found)


def _remember(asked: Asked) -> Asked:
    """Keep what is asked for the figure that answers it; the same cell may run again."""
    if not re.fullmatch(r"[a-z0-9-]+", asked.name):
        raise ValueError(
            f"guess {asked.name!r}: expected a name of small letters, digits and dashes."
        )
    before = ASKED.setdefault(asked.name, asked)
    if before.asked != asked.asked:
        raise ValueError(
            f"guess {asked.name!r}: this name has the question {before.asked!r}. Give each its "
            "own; if you changed the question, restart the kernel."
        )
    ASKED[asked.name] = asked
    return asked


def _pad(asked: Asked, y: Sequence[float], labels: tuple[str, str]) -> tuple[str, dict[str, Any]]:
    """Return the empty axes on which a curve is drawn, and where they lie."""
    fig, ax = figure(**PAD)  # type: ignore[arg-type]
    ax.set(xlabel=labels[0], ylabel=labels[1], xlim=(asked.places[0], asked.places[-1]), ylim=y)
    for axis in asked.log:
        getattr(ax, f"set_{axis}scale")("log")
    drawn = svg(fig, f"Empty axes: {labels[1]} against {labels[0]}")
    return drawn, place(fig, ax, asked.name, boxes(fig))


def _truth(asked: Asked, truth: Any) -> Any:
    """Return what is right as a script reads it: of a curve, its value at each place asked."""
    if asked.kind == "choice":
        if truth not in asked.choices:
            raise ValueError(f"answer({asked.name!r}): {truth!r} is none of {asked.choices}.")
        return truth
    if asked.kind == "number":
        if not math.isfinite(truth):
            raise ValueError(f"answer({asked.name!r}): {truth}, expected a finite number.")
        return float(truth)
    xs, ys = (np.asarray(part, dtype=float) for part in truth)
    if xs.ndim != 1 or xs.shape != ys.shape or not np.isfinite([xs, ys]).all():
        raise ValueError(
            f"answer({asked.name!r}): x {xs.shape} and y {ys.shape}, expected two rows of finite "
            "numbers of one length."
        )
    scale = np.log if "x" in asked.log else np.asarray
    order = np.argsort(xs)
    beyond = math.nan  # the figure shows nothing there
    found = np.interp(scale(asked.places), scale(xs[order]), ys[order], left=beyond, right=beyond)
    return [None if math.isnan(each) else float(each) for each in found]
