"""`{slider} NAME`: a chapter's first slider on another page."""

import json
import re
from html import unescape
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from course_lib.chapters import html_outputs
from course_lib.teaching.book.sources import is_part


class StoredSlider(SphinxDirective):
    """`{slider} NAME`: the first slider that the chapter NAME stores; `:start:` a value of it.

    Raises:
        ExtensionError: there is no such chapter, it stores no slider, or one without that value.
    """

    required_arguments = 1
    option_spec = {"start": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Return the slider as it stands in the chapter."""
        path = Path(self.env.srcdir) / "notebooks" / f"{self.arguments[0]}.ipynb"
        self.env.note_dependency(str(path))
        for html in html_outputs(path) if path.is_file() else []:
            if "sw-slider" in html:
                shown = begin(html, self.options["start"]) if self.options else html
                return [nodes.raw("", shown, format="html")]
        if is_part(self.env) and not path.is_file():
            return []  # a chapter that is not taught, in a student's copy
        raise ExtensionError(f"{path.name} is missing or stores no slider: `course run` stores it.")


def begin(html: str, value: str) -> str:
    """Return a stored slider that begins at another of its values.

    Raises:
        ExtensionError: it has no such value.
    """
    found = re.search(r'data-values="([^"]*)"', html)
    values = json.loads(unescape(found[1])) if found else []
    if value not in values:
        raise ExtensionError(f"the slider has no value {value!r}; it has {', '.join(values)}.")
    at = values.index(value)
    before, rest = html.split(' class="sw-start" data-at="', 1)
    told, rest = rest.split('"', 1)
    label, _, old = told.rpartition(": ")
    # Each frame begins alike; the one in question is no longer hidden.
    parts = re.split(r"(?=<div data-frame)", f"{before} hidden{rest}")
    parts[at + 1] = parts[at + 1].replace(
        " hidden>", f' class="sw-start" data-at="{label}: {value}">', 1
    )
    says = re.search(r'data-says="([^"]*)"', parts[at + 1])
    html = "".join(parts).replace(f"<output>{old}<", f"<output>{value}<", 1)
    html = html.replace(f"figure at {old}.", f"figure at {value}.", 1)
    html = re.sub(r'( max="\d+" value=")\d+', rf"\g<1>{at}", html, count=1)
    told = says[1] if says else value
    return re.sub(r'aria-valuetext="[^"]*"', lambda _: f'aria-valuetext="{told}"', html, count=1)
