"""What a page says otherwise where only some of the chapters are taught.

`{when} whole` and `{when} part` show their content in a course of all chapters, or of some;
`` {count}`chapters` ``, also of assignments or of questions (of the concept test), is their number
in words with that noun.
"""

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
    """`` {count}`chapters` ``: "fourteen chapters", with a capital if that has one.

    Raises:
        ExtensionError: of something else.
    """

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the words."""
        known, noun = chapters(self.env), self.text.lower()
        if noun in ("chapters", "assignments"):  # each chapter has one
            number = len(known)
        elif noun == "questions":
            file = Path(self.env.srcdir) / "book" / "concept_test.yml"
            rows = yaml.safe_load(file.read_text(encoding="utf-8"))
            number = sum(row["chapter"] in known for row in rows)
        else:
            raise ExtensionError(
                f"count: given {self.text!r}, expected chapters, assignments or questions."
            )
        word = WORDS[number] if number < len(WORDS) else str(number)
        said = f"{word} {noun.removesuffix('s') if number == 1 else noun}"
        return [nodes.Text(said[0].upper() + said[1:] if self.text[0].isupper() else said)], []


def tell_original(app: Sphinx, config: Config) -> None:
    """Have the foot of each page know where the whole course is."""
    config.html_context["original"] = course(Path(app.srcdir)).original
