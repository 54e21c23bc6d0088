"""A small Sphinx extension for the pages of the book that show what the chapters have stored.

All that it shows is read from stored outputs, or from the code, so it can say nothing that a cell
has not said. A module each: the claims (`ledger`), the library (`reference`), a chapter's slider
(`slider`), what the reader's own browser keeps (`reader`), the map of the chapters, their budgets,
the kill matrix. The released assignments are put beside the pages that link to them (`links`), and
are pages themselves, on which they are done (`assignments`, `packing`). What the search page
searches is written by `search`.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from course_lib.teaching.book import assignments, links, numbers, packing, reference, search
from course_lib.teaching.book.budgets import Budgets, RunTime
from course_lib.teaching.book.chapter_map import ChapterMap
from course_lib.teaching.book.citing import depart_citation, visit_citation
from course_lib.teaching.book.finish import finish
from course_lib.teaching.book.kill_matrix import KillMatrix
from course_lib.teaching.book.ledger import ClaimLink, Claims, Headline, Ledger
from course_lib.teaching.book.part import Count, When, tell_original
from course_lib.teaching.book.plumbing import Fold, depart_fold, fold, visit_fold
from course_lib.teaching.book.reader import ConceptTest, Progress
from course_lib.teaching.book.slider import StoredSlider
from course_lib.teaching.book.slim import slim

DIRECTIVES = {
    "assignments": assignments.Assignments,
    "budgets": Budgets, "chapter-map": ChapterMap, "claims": Claims, "concept-test": ConceptTest,
    "headline": Headline, "kill-matrix": KillMatrix, "ledger": Ledger, "progress": Progress,
    "room": reference.Room, "slider": StoredSlider, "when": When,
}  # fmt: skip
ROLES = {"claim": ClaimLink, "count": Count, "lines": reference.Lines}


def _spare_mathjax(app: Sphinx, page: str, _: str, context: dict[str, Any], __: Any) -> None:
    """Drop MathJax from a page without formulas: Sphinx loads it for those of its sections too."""
    if not app.env.get_domain("math").data["has_equations"].get(page):
        context["script_files"] = [
            file for file in context["script_files"] if "mathjax" not in str(file.filename).lower()
        ]


def _slim(app: Sphinx, exception: Exception | None) -> None:
    """Make the book lighter; see `course_lib.teaching.book.slim`."""
    if exception is None and app.builder.format == "html":
        slim(Path(app.outdir))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register all this with Sphinx."""
    for name, directive in DIRECTIVES.items():
        app.add_directive(name, directive)
    for name, role in ROLES.items():
        app.add_role(name, role())
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    app.add_node(fold, html=(visit_fold, depart_fold))
    for late in (Fold, numbers.ClaimNumbers, RunTime):
        app.add_post_transform(late)
    own = (numbers.Titles, links.ChapterLinks, links.AssignmentLinks, links.InstructorLinks)
    for transform in own:
        app.add_transform(transform)
    app.connect("config-inited", tell_original)
    app.connect("env-get-updated", numbers.by_chapter, priority=900)  # after Sphinx's own
    app.connect("source-read", assignments.fill)
    app.connect("html-page-context", assignments.bring_scripts)
    app.connect("html-page-context", _spare_mathjax, priority=900)
    app.connect("html-page-context", finish)
    app.connect("html-page-context", reference.link_listings)
    app.connect("html-page-context", reference.plain_signatures)
    app.connect("missing-reference", reference.plain_types)
    app.add_search_language(search.Titles)
    app.connect("source-read", search.depend)
    app.connect("env-check-consistency", search.add_to_index)
    app.connect("build-finished", search.write_text)
    app.connect("build-finished", links.add_assignments)
    app.connect("build-finished", _slim)
    app.connect("build-finished", packing.pack, priority=900)  # what is kept is final
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
