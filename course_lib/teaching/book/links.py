"""Links that are no pages of the book: to released assignments, and to instructors' pages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

RELEASED = "exercises/release/"


class InstructorLinks(SphinxTransform):
    """Make plain words of a link to an instructor's page, where a student's copy lacks it."""

    default_priority = 500

    def apply(self, **_: Any) -> None:
        """Change the links of one page."""
        for link in list(self.document.findall(pending_xref)):
            file = self.env.relfn2path(str(link.get("reftarget")), self.env.docname)[0]
            if file.startswith("book/instructor") and not (Path(self.env.srcdir) / file).is_file():
                link.replace_self(link.children)


class AssignmentLinks(SphinxTransform):
    """Turn a link to a released assignment, which is no page, into one to its file.

    It is written in Markdown, so that JupyterLab opens the assignment in a tab.

    Raises:
        ExtensionError: no such assignment is released.
    """

    default_priority = 500

    def apply(self, **_: Any) -> None:
        """Change the links of one page."""
        for link in list(self.document.findall(pending_xref)):
            place = str(link.get("reftarget"))
            if link.get("refdomain") == "doc":  # MyST has found the file
                file = f"{place}.ipynb"
            else:
                file = self.env.relfn2path(place, self.env.docname)[0]
            if not file.startswith(RELEASED):
                continue
            if not (Path(self.env.srcdir) / file).is_file():
                raise ExtensionError(f"{self.env.docname} links to {file}, which is not released.")
            address = "../" * self.env.docname.count("/") + file
            new = nodes.reference("", "", *link.children, refuri=address, internal=True)
            link.replace_self(new)


def add_assignments(app: Sphinx, exception: Exception | None) -> None:
    """Copy the released assignments to where the chapters' links expect them."""
    released = Path(app.srcdir) / RELEASED
    if exception is None and app.builder.format == "html" and released.is_dir():
        target = Path(app.outdir) / RELEASED
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(released, target, ignore=shutil.ignore_patterns(".*"))
