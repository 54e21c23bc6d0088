"""What the reader's own browser keeps for the reader: a test before and after, and progress.

`{concept-test} FILE` shows a test whose questions stand in a YAML file beside the page,
`{progress}` a table of all chapters that the browser fills in. `course_lib.teaching.book`
registers both.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from course_lib.chapters import html_outputs
from course_lib.teaching.book.concept import concept_test, read_concepts
from course_lib.teaching.book.sources import beside, chapters, is_part, notebooks, render
from course_lib.teaching.page import asset

GUESS = re.compile(
    r'<fieldset data-guess="([^"]+)" data-kind="([^"]+)"(?:[^>]*? data-places="([^"]+)")?'
)
QUESTION = re.compile(
    r'<fieldset data-question="([^"]+)" data-kind="([^"]+)"(?: data-known="([^"]+)")?>'
    r"(.*?)</fieldset>",
    re.S,
)


class ConceptTest(SphinxDirective):
    """`{concept-test} FILE`: the test whose questions are in FILE, a YAML file beside the page.

    Raises:
        ExtensionError: the file cannot be read, or a question is not whole.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the test, with links to the chapters."""
        path = beside(self.env, self.arguments[0])
        try:
            rows = yaml.safe_load(path.read_text(encoding="utf-8"))
            known = chapters(self.env)
            if is_part(self.env):
                rows = [row for row in rows if row.get("chapter") in known]
                if not rows:
                    return [nodes.paragraph("", "No question is about the chapters of this book.")]
            test = concept_test(path.stem, read_concepts(rows, known))
        except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
            raise ExtensionError(f"the concept test {path.name} cannot be made: {error}") from error
        return [nodes.raw("", test.html, format="html")]


class Progress(SphinxDirective):
    """`{progress}`: a row for each chapter, with what the browser has kept of quiz and guesses.

    Raises:
        ExtensionError: two chapters ask for a guess under one name.
    """

    def run(self) -> list[nodes.Node]:
        """Return the table; `theme.js` fills it in."""
        folder = notebooks(self.env)
        known = chapters(self.env)
        asked = {name: guesses(folder / f"{name}.ipynb") for name in known}
        names = {chapter: [name for name, *_ in asked[chapter]] for chapter in asked}
        for guess, times in Counter(guess for each in names.values() for guess in each).items():
            if times > 1:
                where = " and ".join(name for name in names if guess in names[name])
                raise ExtensionError(f"the guess {guess!r} is asked in {where}: rename one of them")
        rows = [
            (name, f"{int(name[:2])} {title}", address, quiz_questions(path), asked[name])
            for name, (title, address) in known.items()
            for path in [folder / f"{name}.ipynb"]
        ]
        # These read what was typed, and what was guessed.
        script = "".join(map(asset, ("number.js", "quiz.js", "guess.js")))
        return [render("progress.html", rows=rows, script=script)]


def guesses(path: Path) -> list[tuple[str, str, int]]:
    """Return name, kind and number of places of each guess that a chapter asks for, as stored."""
    return [
        (name, kind, len(json.loads(places or "[]")))
        for html in html_outputs(path)
        for name, kind, places in dict.fromkeys(GUESS.findall(html))
    ]


def quiz_questions(path: Path) -> list[dict[str, Any]]:
    """Return the questions of a chapter's quizzes as stored: key, kind, and what is right.

    "right" is the index of the right option, or the right number with its tolerance.
    """
    found = []
    for key, kind, known, body in QUESTION.findall("".join(html_outputs(path))):
        verdicts = re.findall(r'<p hidden><b class="sw-(right|wrong)">', body)
        right = json.loads(known)[0] if known else verdicts.index("right")
        found.append({"key": key, "kind": kind, "right": right})
    return found
