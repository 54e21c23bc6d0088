"""Numbers by which readers find things: of chapters, of what is counted in them, of claims.

A chapter's number is that of its file. It stands in the title, wherever that is shown, and in that
of its assignment; theorems, exercises and equations of a chapter are counted from it (Theorem 4.2),
and so are its claims.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.environment.collectors.toctree import TocTreeCollector
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

from course_lib.teaching.book.assignments import PAGE
from course_lib.teaching.book.sources import stored_claims

CHAPTER = re.compile(r"notebooks/(\d\d)_\w+")
CLAIM = re.compile(r"\bClaim (C\d+)\b")


def number(docname: str) -> int | None:
    """Return the number of a chapter, from its document's name; None: it is no chapter."""
    found = CHAPTER.fullmatch(docname)
    return int(found[1]) if found else None


def assignment(env: BuildEnvironment) -> int | None:
    """Return the number of the chapter whose assignment is being read; None: it has none."""
    page = PAGE.fullmatch(env.docname)
    chapter = f"notebooks/{page[1]}" if page else ""
    return number(chapter) if chapter in env.found_docs else None


class Titles(SphinxTransform):
    """Write the number before a chapter's title, and let the style tell its subject apart."""

    default_priority = 500

    def apply(self, **_: object) -> None:
        """Change the title of one page."""
        at = number(self.env.docname)
        title = next(iter(self.document.findall(nodes.title)), None)
        if title is not None and (chapter := assignment(self.env)):
            title.insert(0, nodes.Text(f"Assignment {chapter}: "))
        if title is None or at is None:
            return
        name, colon, subject = title.astext().partition(": ")
        title.children = []
        title += [nodes.inline("", f"{at} ", classes=["chapter-number"]), nodes.Text(name)]
        if subject:
            title += nodes.inline("", colon, classes=["chapter-colon"])
            title += nodes.inline("", subject, classes=["chapter-subject"])


class ClaimNumbers(SphinxPostTransform):
    """Write a claim's number in its box, where the notebook, which may be any, has the id."""

    default_priority = 197
    formats = ("html",)

    def run(self, **_: object) -> None:
        """Change the boxes of one page."""
        if number(self.env.docname) is None:
            return
        numbers = {claim.id: claim.number for claim in stored_claims(self.env)}
        for raw in self.document.findall(nodes.raw):
            if "sw-claim" in (html := raw.astext()):
                told = CLAIM.sub(lambda found: f"Claim {numbers.get(found[1], found[1])}", html)
                raw.children = [nodes.Text(told)]


def by_chapter(_: Sphinx, env: BuildEnvironment) -> list[str]:
    """Count what is numbered from each chapter's number; return the pages that change by that.

    Sphinx counts so where it numbers the sections. Its section numbers would follow the contents,
    and in a course of some chapters these keep their numbers.
    """
    numbers = {name: at for name in env.all_docs if (at := number(name)) is not None}
    kept, env.toc_secnumbers = env.toc_secnumbers, {name: {"": (n,)} for name, n in numbers.items()}
    try:
        return TocTreeCollector().assign_figure_numbers(env)
    finally:
        env.toc_secnumbers = kept
