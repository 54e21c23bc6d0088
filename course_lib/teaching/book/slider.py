"""`{slider} NAME`: a chapter's first slider on another page."""

from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from course_lib.chapters import html_outputs
from course_lib.teaching.book.sources import is_part


class StoredSlider(SphinxDirective):
    """`{slider} NAME`: the first slider that the chapter NAME stores.

    Raises:
        ExtensionError: there is no such chapter, or it stores no slider.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the slider as it stands in the chapter."""
        path = Path(self.env.srcdir) / "notebooks" / f"{self.arguments[0]}.ipynb"
        self.env.note_dependency(str(path))
        for html in html_outputs(path) if path.is_file() else []:
            if "sw-slider" in html:
                return [nodes.raw("", html, format="html")]
        if is_part(self.env) and not path.is_file():
            return []  # a chapter that is not taught, in a student's copy
        raise ExtensionError(f"{path.name} is missing or stores no slider: `course run` stores it.")
