"""`{budgets}`: what each chapter costs, from `budgets.json` beside the page."""

import json

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from course_lib.teaching.book.sources import beside, chapters, render


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
        rows = [
            (title, address, costs.get(name))  # it may be newer than what was measured
            for name, (title, address) in chapters(self.env).items()
        ]
        total = sum(cost["seconds"] for *_, cost in rows if cost)
        return [render("budgets.html", rows=rows, total=total, stored=stored)]
