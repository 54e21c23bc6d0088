"""What a page says otherwise where only some of the chapters are taught.

`{when} whole` and `{when} part` show their content in a course of all chapters, or of some;
`` {count}`chapters` `` and `` {count}`questions` `` (of the concept test) are a number in words.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective, SphinxRole

from course_lib.chapters import course
from course_lib.teaching.book.sources import chapters, is_part

WORDS = (
    "no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
).split()


class When(SphinxDirective):
    """`{when} whole` or `{when} part`: content for a course of all chapters, or of some.

    Raises:
        ExtensionError: another word.
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the content, or nothing."""
        if self.arguments[0] not in ("whole", "part"):
            raise ExtensionError(f"when: given {self.arguments[0]!r}, expected whole or part.")
        shown = is_part(self.env) == (self.arguments[0] == "part")
        return self.parse_content_to_nodes() if shown else []


class Count(SphinxRole):
    """`` {count}`chapters` ``: how many there are, in words; with a capital if that has one.

    Raises:
        ExtensionError: of something else.
    """

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the word."""
        known = chapters(self.env)
        if self.text.lower() == "chapters":
            number = len(known)
        elif self.text.lower() == "questions":
            file = Path(self.env.srcdir) / "book" / "concept_test.yml"
            rows = yaml.safe_load(file.read_text(encoding="utf-8"))
            number = sum(row["chapter"] in known for row in rows)
        else:
            raise ExtensionError(f"count: given {self.text!r}, expected chapters or questions.")
        word = WORDS[number] if number < len(WORDS) else str(number)
        return [nodes.Text(word.capitalize() if self.text[0].isupper() else word)], []


def tell_original(app: Sphinx, config: Config) -> None:
    """Have the foot of each page know where the whole course is."""
    config.html_context["original"] = course(Path(app.srcdir)).original
