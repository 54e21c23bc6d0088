"""`{chapter-map}`: which chapter builds on which, drawn from lines such as `05: 03`."""

from typing import NamedTuple

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from course_lib.teaching.book.sources import chapters, is_part
from course_lib.teaching.page import render

WIDE, HIGH, GAP, ROW = 245, 28, 36, 38  # of a box; between columns; from row to row


class Box(NamedTuple):
    """Where a chapter stands: column, row (may be a half)."""

    column: int
    row: float


class ChapterMap(SphinxDirective):
    """`{chapter-map}`: a drawing with a link for each chapter, the simplest needs on the left.

    Raises:
        ExtensionError: a line names no chapter, a chapter has no line, or needs go in a circle.
    """

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the drawing."""
        known = {  # a box has room for the name alone, not for the subject
            name[:2]: (title.partition(": ")[0], address)
            for name, (title, address) in chapters(self.env).items()
        }
        needs = read_needs(list(self.content))
        if is_part(self.env):
            needs = among(set(known), needs)
        strange = set(known) ^ set(needs) | {n for each in needs.values() for n in each} - set(
            known
        )
        if strange:
            raise ExtensionError(
                f"chapter-map: expected a line for each of {', '.join(known)}, and no other "
                f"chapter; it is otherwise with {', '.join(sorted(strange))}."
            )
        return [nodes.raw("", draw(needs, known), format="html")]


def read_needs(lines: list[str]) -> dict[str, list[str]]:
    """Return the chapters that each chapter builds on, from lines `NN: NN NN`."""
    split = (line.partition(":") for line in lines if line.strip())
    return {name.strip(): needed.split() for name, _, needed in split}


def among(known: set[str], needs: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the needs among these chapters: in the place of another stands what that builds on."""

    def there(name: str, seen: frozenset[str]) -> list[str]:
        return [name] if name in known else _those(needs.get(name, []), seen | {name})

    def _those(names: list[str], seen: frozenset[str]) -> list[str]:
        found = [one for name in names if name not in seen for one in there(name, seen)]
        return list(dict.fromkeys(found))

    return {name: _those(each, frozenset()) for name, each in needs.items() if name in known}


def place(needs: dict[str, list[str]]) -> dict[str, Box]:
    """Return a place for each chapter: one column to the right of what it builds on.

    Within a column chapters stand in order, centred about the middle of the tallest.

    Raises:
        ExtensionError: needs go in a circle.
    """
    columns: dict[str, int] = {}
    while len(columns) < len(needs):
        ready = [n for n in needs if n not in columns and all(m in columns for m in needs[n])]
        if not ready:
            raise ExtensionError("chapter-map: the chapters build on each other in a circle.")
        for name in ready:
            columns[name] = 1 + max((columns[m] for m in needs[name]), default=-1)
    inside = {c: [n for n in needs if columns[n] == c] for c in set(columns.values())}
    tallest = max(map(len, inside.values()))
    return {
        name: Box(c, i + (tallest - len(names)) / 2)
        for c, names in inside.items()
        for i, name in enumerate(names)
    }


def draw(needs: dict[str, list[str]], known: dict[str, tuple[str, str]]) -> str:
    """Return the drawing as SVG.

    Args:
        needs: the chapters that each builds on, by number.
        known: title and address of each.
    """
    boxes = place(needs)

    def corner(name: str) -> tuple[float, float]:
        return boxes[name].column * (WIDE + GAP) + 1, boxes[name].row * ROW + 1

    paths = []
    for name, needed in needs.items():
        x, y = corner(name)
        for before in needed:
            x0, y0 = corner(before)
            x0, y0, y1 = x0 + WIDE, y0 + HIGH / 2, y + HIGH / 2
            bend = (x0 + x) / 2
            paths.append(f"M{x0:g} {y0:g}C{bend:g} {y0:g} {bend:g} {y1:g} {x:g} {y1:g}")
    links = [(int(name), *corner(name), *known[name]) for name in needs]
    width = max(box.column for box in boxes.values()) * (WIDE + GAP) + WIDE + 2
    height = max(box.row for box in boxes.values()) * ROW + HIGH + 2
    size = {"width": width, "height": height, "wide": WIDE, "high": HIGH}
    return render("chapter_map.html", paths=paths, links=links, **size)
