"""Links that are no pages of the book.

They lead to released assignments, to chapters that are not taught, to instructors' pages.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

from course_lib.chapters import left_out
from course_lib.teaching.book import assignments
from course_lib.teaching.book.sources import chapters, is_part, whole_book

RELEASED = "exercises/release/"
CHAPTER = re.compile(r"notebooks/(\d\d_\w+)\.ipynb")


class InstructorLinks(SphinxTransform):
    """Make plain words of a link to an instructor's page, where a student's copy lacks it."""

    default_priority = 500

    def apply(self, **_: Any) -> None:
        """Change the links of one page."""
        for link in list(self.document.findall(pending_xref)):
            file = self.env.relfn2path(str(link.get("reftarget")), self.env.docname)[0]
            if file.startswith("book/instructor") and not (Path(self.env.srcdir) / file).is_file():
                link.replace_self(link.children)


def _file(env: BuildEnvironment, link: pending_xref) -> str:
    """Return the file that a link is to, seen from the root of the course."""
    place = str(link.get("reftarget"))
    if link.get("refdomain") == "doc":  # MyST has found the file
        return f"{place}.ipynb"
    return env.relfn2path(place, env.docname)[0]


class ChapterLinks(SphinxTransform):
    """Where some chapters are not taught, lead links to them to a book that has them.

    If there is none, they are plain words. In the list of chapters those that are not taught are
    left out, and the others keep their numbers.
    """

    default_priority = 400

    def apply(self, **_: Any) -> None:
        """Change the links and the list of one page."""
        if not is_part(self.env):
            return
        there = chapters(self.env)
        gone = {
            id(link): (link, named[1])
            for link in self.document.findall(pending_xref)
            if (named := CHAPTER.fullmatch(_file(self.env, link))) and named[1] not in there
        }
        for listed in list(self.document.findall(nodes.enumerated_list)):
            if "chapter-map" in listed.parent["classes"]:
                _shorten(
                    listed, lambda item: any(id(x) in gone for x in item.findall(pending_xref))
                )
        for link, name in gone.values():
            address = whole_book(self.env, name)
            new = nodes.reference("", "", *link.children, refuri=address) if address else None
            link.replace_self(new or link.children)


def _shorten(listed: nodes.enumerated_list, is_gone: Callable[[nodes.Element], bool]) -> None:
    """Leave items out of a list, with the section that it would leave empty."""
    first = listed.get("start", 1)
    lists: list[nodes.enumerated_list] = []
    for number, item in enumerate(list(listed.children), first):
        if is_gone(item):
            continue
        if not lists or lists[-1]["start"] + len(lists[-1]) < number:
            # numbers go on with a new list
            lists.append(nodes.enumerated_list("", **{**listed.attributes, "start": number}))
        lists[-1] += item
    section = listed.parent.parent
    listed.replace_self(lists)
    if not lists and isinstance(section, nodes.section):
        section.parent.remove(section)


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
            file = _file(self.env, link)
            if not file.startswith(RELEASED):
                continue
            if not (Path(self.env.srcdir) / file).is_file():
                raise ExtensionError(f"{self.env.docname} links to {file}, which is not released.")
            address = "../" * self.env.docname.count("/") + file
            new = nodes.reference("", "", *link.children, refuri=address, internal=True)
            link.replace_self(new)
            self._and_here(new, file.split("/")[2])

    def _and_here(self, link: nodes.reference, name: str) -> None:
        """Say after a link to an assignment that it can be done in this book, where it can."""
        if assignments.works(Path(self.env.srcdir), name):
            place = self.env.app.builder.get_relative_uri(self.env.docname, f"book/page/{name}")
            words = "do it on a page of this book"
            here = nodes.reference("", words, refuri=place, internal=True)
            link.parent += [nodes.Text(" Or "), here, nodes.Text(": nothing needs installing.")]


def add_assignments(app: Sphinx, exception: Exception | None) -> None:
    """Copy the released assignments to where the chapters' links expect them."""
    released = Path(app.srcdir) / RELEASED
    if exception is None and app.builder.format == "html" and released.is_dir():
        target = Path(app.outdir) / RELEASED
        shutil.rmtree(target, ignore_errors=True)
        hidden = shutil.ignore_patterns(".*", *left_out(Path(app.srcdir)))
        shutil.copytree(released, target, ignore=hidden)
