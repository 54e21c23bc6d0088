"""`{budgets}`: what each chapter costs, from `budgets.json` beside the page.

And before a chapter begins, how long its code took: what its last cell has said.
"""

import json
import re

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from course_lib.teaching.book.sources import beside, chapters, render

SAID = re.compile(r"\bcode took (\d+ seconds? on the machine that made the page)")
PROMISED = "The last cell of the page says how long its code took to run."  # as a notebook has it


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
            (
                f"{int(name[:2])} {title}",
                address,
                costs.get(name),
            )  # it may be newer than what was measured
            for name, (title, address) in chapters(self.env).items()
        ]
        total = sum(cost["seconds"] for *_, cost in rows if cost)
        return [render("budgets.html", rows=rows, total=total, stored=stored)]


class RunTime(SphinxPostTransform):
    """Say in the box at a chapter's beginning what its last cell says."""

    default_priority = 950  # when outputs have become text
    formats = ("html",)

    def run(self, **_: object) -> None:
        """Change one page."""
        said = SAID.search(self.document.astext())
        for text in [*self.document.findall(nodes.Text)]:
            if said and PROMISED in text:
                parent = text.parent
                parent.replace(
                    text, nodes.Text(text.replace(PROMISED, f"Its code took {said[1]}."))
                )
