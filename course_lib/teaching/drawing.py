"""Drawings: figures with no data, in one hand, by day and by night.

A drawing is one panel or several, each a small SVG of exact places; panels stand side by side where
there is room and one below the other where there is not. Whoever draws computes what.
"""

from collections.abc import Sequence
from html import escape

from course_lib.teaching.colours import COLOURS
from course_lib.teaching.page import Html, asset, render

Point = tuple[float, float]
HEAD = 9  # pixels of an arrow's head


class Panel:
    """One panel of a drawing, in coordinates of its own; strokes lie in the order they are made.

    Args:
        x: from where to where it shows, to the right.
        y: the same upwards; one unit is as long as one of x.
        title: what stands above it.
        width: pixels.

    Examples:
        >>> panel = Panel((-1, 1), (-1, 1), title="a circle")
        >>> panel.circle((0, 0), 0.5)
        >>> panel.dot((0.5, 0), "on it", at="right")
        >>> drawing(panel, alt="A circle and a point on it.").text
        'A circle and a point on it.'
    """

    def __init__(self, x: Point, y: Point, *, title: str = "", width: int = 232) -> None:
        self.x, self.y, self.title, self.width = x, y, title, width
        self.scale = width / (x[1] - x[0])
        self.height = round(self.scale * (y[1] - y[0]))
        self.parts: list[str] = []

    def place(self, point: Point) -> Point:
        """Return where a point lies, in pixels from the upper left corner."""
        right, down = point[0] - self.x[0], self.y[1] - point[1]
        return round(self.scale * right, 2), round(self.scale * down, 2)

    def path(
        self, points: Sequence[Point], colour: str = "ink", *, width: float = 2.0,
        dashed: bool = False, closed: bool = False,
    ) -> None:  # fmt: skip
        """Draw a line through points; a closed one is filled lightly."""
        way = "L".join("{} {}".format(*self.place(point)) for point in points)
        self.parts.append(
            f'<path d="M{way}{"Z" if closed else ""}" {_stroke(colour, width, dashed, closed)}/>'
        )

    def circle(self, centre: Point, radius: float, colour: str = "ink") -> None:
        """Draw a circle, filled lightly."""
        x, y = self.place(centre)
        size = round(self.scale * radius, 2)
        style = _stroke(colour, 2, closed=True)
        self.parts.append(f'<circle cx="{x}" cy="{y}" r="{size}" {style}/>')

    def arrow(self, tail: Point, head: Point, colour: str = "muted", *, width: float = 1.2) -> None:
        """Draw an arrow."""
        (x, y), (right, down) = self.place(tail), self.place(head)
        length = ((right - x) ** 2 + (down - y) ** 2) ** 0.5
        u, v = (HEAD * (right - x) / length, HEAD * (down - y) / length)
        wings = [(right - u - v * side, down - v + u * side) for side in (0.4, -0.4)]
        tips = "L".join(f"{a:.2f} {b:.2f}" for a, b in (wings[0], (right, down), wings[1]))
        self.parts.append(f'<path d="M{x} {y}L{right} {down}M{tips}" {_stroke(colour, width)}/>')

    def dot(self, point: Point, words: str = "", colour: str = "2", *, at: str = "right") -> None:
        """Draw a dot, with words `right`, `left`, `above`, `below` or `aside` of it."""
        x, y = self.place(point)
        self.parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{_colour(colour)}"/>')
        if words:
            self.text(point, words, colour, at=at)

    def text(self, point: Point, words: str, colour: str = "ink", *, at: str = "right") -> None:
        """Write words beside a point."""
        x, y = self.place(point)
        dx, dy, anchor = {
            "right": (10, 4, "start"),
            "left": (-10, 4, "end"),
            "above": (0, -10, "middle"),
            "below": (0, 20, "middle"),
            "aside": (8, -9, "start"),
        }[at]
        self.parts.append(
            f'<text x="{x + dx:g}" y="{y + dy:g}" text-anchor="{anchor}" '
            f'fill="{_colour(colour)}">{escape(words)}</text>'
        )


def drawing(*panels: Panel, alt: str, caption: str = "") -> Html:
    """Show a drawing.

    Args:
        panels: from left to right, or from above.
        alt: what it shows, for those who cannot see it.
        caption: its one message.

    Raises:
        ValueError: alt is empty, or there are no panels.
    """
    if not alt.strip() or not panels:
        raise ValueError("a drawing needs a panel, and an alt text that says what it shows.")
    body = render("drawing.html", panels=panels, alt=alt, caption=caption)
    return Html(asset("frame.css") + asset("drawing.css") + body, alt)


def _colour(name: str) -> str:
    """Return a named colour as a style sheet may change it."""
    return f"var(--sw-{name},{COLOURS[name]})"


def _stroke(colour: str, width: float, dashed: bool = False, closed: bool = False) -> str:
    """Return the attributes of a stroke."""
    fill = f'fill="{_colour(colour)}" fill-opacity=".13"' if closed else 'fill="none"'
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return f'{fill} stroke="{_colour(colour)}" stroke-width="{width:g}"{dashes}'
