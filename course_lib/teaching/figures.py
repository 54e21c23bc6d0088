"""Figures in one style: inline SVG whose colours follow the page, light or dark.

A figure is drawn for the column of the book and once more for that of a phone (`layouts`).
"""

import base64
import hashlib
import html
import io
import re
from typing import TYPE_CHECKING, Any

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure

from course_lib.teaching.colours import COLOURS
from course_lib.teaching.layouts import INCH, NARROW, boxes, fitted, narrow, readable
from course_lib.teaching.names import settle
from course_lib.teaching.page import Html, asset, prose, typeset

if TYPE_CHECKING:
    from course_lib.teaching.guess import Answer

CYCLE = [COLOURS[name] for name in ("1", "2", "3", "4", "5", "6", "ink", "muted")]
SMOOTH = 32  # pixels; a wider picture is smoothed by the browser, a smaller one shows its pixels
STYLE: Any = {
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), COLOURS["muted"]),
    **dict.fromkeys(("axes.labelcolor", "axes.titlecolor", "text.color"), COLOURS["ink"]),
    **{f"{part}.labelcolor": COLOURS["ink"] for part in ("legend", "xtick", "ytick")},
    **{f"{part}.facecolor": "none" for part in ("figure", "axes", "savefig")},
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler(color=CYCLE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 14 * 72 / INCH,
    "figure.dpi": 72,
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same layout on every machine
    "font.size": 13 * 72 / INCH,  # 13 pixels
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.6,
    "image.interpolation": "none",  # pixels as they are
    "legend.frameon": False,
    "lines.linewidth": 1.7,
    "svg.fonttype": "none",  # words stay words
    "svg.hashsalt": "statue",
    "text.hinting": "no_hinting",  # what is measured before is as long in the SVG
}


def figure(
    width: float = 8.0, height: float = 4.4, nrows: int = 1, ncols: int = 1, **subplots: Any
) -> tuple[Figure, Any]:
    """Begin a figure in the course's style.

    Args:
        width: inches; eight are as wide as the column.
        height: inches.
        nrows: rows of axes.
        ncols: columns of axes.
        subplots: passed on to `Figure.subplots`, such as sharex.

    Returns:
        The figure, and its axes: one, or an array of them.

    Examples:
        >>> fig, (left, right) = figure(width=6, height=3, ncols=2)
        >>> bars = left.bar(["kept", "pruned"], [1, 9])
    """
    matplotlib.rcParams.update(STYLE)  # axes ask for the style again whenever something is drawn
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(nrows, ncols, **subplots)


def show(fig: Figure, *, alt: str, caption: str = "", answers: "Answer | None" = None) -> Html:
    """Show a finished figure.

    Args:
        fig: from `figure`.
        alt: what it shows, for those who cannot see it; computed from the data it draws.
        caption: its one message.
        answers: the guess that it answers, from `answer`; it is laid over the figure.

    Raises:
        ValueError: alt is empty, or the guess cannot be laid over this figure.

    Examples:
        >>> fig, axes = figure(width=4, height=2)
        >>> line = axes.plot([1, 2, 3], [1, 4, 9])
        >>> show(fig, alt=f"Squares rise from {1} to {9}.", caption="Squares.").text
        'Squares rise from 1 to 9.'
    """
    said = f'<figcaption class="mathjax_process">{prose(caption)}</figcaption>' if caption else ""
    found = drawn(fig, alt)
    body = f'<figure class="sw sw-figure">{"".join(text for text, _ in found)}{said}</figure>'
    body = answers.around(body, fig, [at for _, at in found]) if answers else body
    return Html(asset("frame.css") + body, alt)


def drawings(fig: Figure, alt: str) -> str:
    """Return a figure as inline SVG for a wide column and for a narrow one: the page shows one.

    Raises:
        ValueError: alt is empty.
    """
    return "".join(text for text, _ in drawn(fig, alt))


def drawn(fig: Figure, alt: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return each drawing of a figure with the places of its axes, for what is laid over it.

    Returns:
        For the wide column and for the narrow one, or once for a figure that fits both: the inline
        SVG and `layouts.boxes` of it.

    Raises:
        ValueError: alt is empty.

    Examples:
        >>> fig, axes = figure()
        >>> (wide, [at]), (narrow, _) = drawn(fig, "an empty plot")
        >>> sorted(at), at["x"]
        (['box', 'scales', 'x', 'y'], (0.0, 1.0))
    """
    with matplotlib.rc_context(STYLE):
        readable(fig)
    small = fig.get_figwidth() <= 1.1 * NARROW
    with fitted(fig):
        found = [(svg(fig, alt, "sw-only" if small else "sw-wide"), boxes(fig))]
    if small:
        return found
    with narrow(fig):
        return [*found, (svg(fig, alt, "sw-narrow"), boxes(fig))]


def svg(fig: Figure, alt: str, name: str = "sw-only") -> str:
    """Return a figure as inline SVG: the same for the same data, its ids unlike any other's.

    Args:
        fig: from `figure`.
        alt: what it shows.
        name: class of the drawing.

    Raises:
        ValueError: alt is empty.
    """
    if not alt.strip():
        raise ValueError("alt is empty: say what the figure shows, in words made from its data.")
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        settle(fig)
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"<[^>]*>", lambda tag: _tidy(tag[0]), text)
    for variable, colour in COLOURS.items():
        text = _in_tags(colour, f"var(--sw-{variable},{colour})", text)
    inches = fig.get_size_inches()
    box = " ".join(f"{72 * size:g}" for size in inches)
    width, height = (f"{INCH * size:.0f}" for size in inches)
    opening = (
        f'<svg class="{name}" viewBox="0 0 {box}" width="{width}" height="{height}" role="img" '
        f'aria-label="{html.escape(typeset(alt))}" stroke-linejoin="round" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    text = opening + re.sub(r">\s+<", "><", text[text.index(">") + 1 :]).strip()
    return _own_ids(text)


def _tidy(tag: str) -> str:
    """Shorten one tag: numbers that say no more than the eye sees, fonts left to the page."""
    if "base64" in tag:
        tag = tag.replace("\n", "")
        return tag if _width(tag) < SMOOTH else re.sub(r'image-rendering:[^;"]*;?', "", tag)
    tag = re.sub(r" font-family: [^;\"]*;| transform=\"rotate\(-?0 [^\"]*\"", "", tag)
    digits = 4 if "transform" in tag else 2  # a matrix scales what it is applied to
    return re.sub(r"-?\d+\.\d+", lambda n: f"{float(n[0]):.{digits}f}".rstrip("0").rstrip("."), tag)


def _width(tag: str) -> int:
    """Return how many pixels wide the PNG in an image tag is."""
    return int.from_bytes(base64.b64decode(tag.split("base64,")[1][:32])[16:20], "big")


def _own_ids(text: str) -> str:
    """Drop the ids that nothing refers to, and mark the others as this figure's own."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = _in_tags(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    key = "f" + hashlib.sha256(text.encode()).hexdigest()[:8] + "-"
    return _in_tags(r'( id="|href="#|url\(#)', rf"\g<1>{key}", text)


def _in_tags(pattern: str, new: Any, text: str) -> str:
    """Replace inside tags only: the words of a title stay as they are."""
    return re.sub(r"<[^>]*>", lambda tag: re.sub(pattern, new, tag[0]), text)
