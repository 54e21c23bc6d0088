"""`{budgets}`: what each chapter costs, from `budgets.json` beside the page."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from course_lib.teaching.sources import beside, chapters


class Budgets(SphinxDirective):
    """`{budgets}`: a row for each chapter, with seconds, memory and page weight, and their sum.

    Raises:
        ExtensionError: what was measured cannot be read.
    """

    def run(self) -> list[nodes.Node]:
        """Return the table, and where it was measured."""
        path = beside(self.env, "budgets.json")
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return [nodes.paragraph("", "Nothing was measured yet.")]
        except (OSError, ValueError) as error:
            raise ExtensionError(f"{path.name} cannot be read ({error}).") from error
        costs = {row["name"]: row for row in stored["chapters"]}
        rows = "".join(
            f'<tr><td><a href="{address}">{escape(said)}</a></td>{_cost(costs.get(name))}</tr>'
            for name, (said, address) in chapters(self.env).items()
        )
        total = sum(row["seconds"] for row in costs.values())
        rows += f"<tr><td><b>All</b></td><td><b>{total:.0f} s</b></td><td></td><td></td></tr>"
        head = "<tr><th>Chapter</th><th>Time</th><th>Memory</th><th>Page</th></tr>"
        table = f'<table class="table"><thead>{head}</thead><tbody>{rows}</tbody></table>'
        where = f"<p>Measured on: {escape(stored['machine'])}. The first page weighs "
        return [nodes.raw("", f"{table}{where}{stored['first_page']:.0f} kB.</p>", format="html")]


def _cost(row: dict[str, Any] | None) -> str:
    """Return the cells of a chapter; it may be newer than what was measured."""
    if row is None:
        return '<td colspan="3">not measured yet</td>'
    memory = f"{row['memory']:.0f} MiB" if row["memory"] else "not known"
    return f"<td>{row['seconds']:.0f} s</td><td>{memory}</td><td>{row['page']:.0f} kB</td>"
