"""A concept test: the same questions before and after, and what changed in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from course_lib.teaching.page import Html, asset, render

UNSURE = "I do not know."


@dataclass(frozen=True)
class Concept:
    r"""One question of a concept test.

    Attributes:
        asked: the question; mathematics in \( \).
        options: the answers, without "I do not know", which every question has.
        keys: the number under which a browser keeps each of them.
        right: the one of them that is right.
        why: what the book has shown, read after both answers.
        where: the chapter that shows it, as (title, address).

    Raises:
        ValueError: fewer than two options, twice the same, or a right one that is none of them.
    """

    asked: str
    options: Sequence[str]
    keys: Sequence[int]
    right: str
    why: str
    where: tuple[str, str]

    def __post_init__(self) -> None:
        if len(set(self.options)) < max(2, len(self.options)) or self.right not in self.options:
            raise ValueError(
                f"{self.asked!r}: expected two or more different options and {self.right!r} among "
                f"them; given {list(self.options)}."
            )


def read_concepts(
    rows: Sequence[Mapping[str, object]], chapters: Mapping[str, tuple[str, str]]
) -> list[Concept]:
    """Return questions from mappings: ask, options (the first is right), why, chapter.

    The options are shuffled by their own words, so that the page is the same at every build and no
    place is lucky.

    Args:
        rows: the questions.
        chapters: title and address of each, by its name.

    Raises:
        ValueError: a row lacks something, or names no chapter.
    """
    found = []
    for number, row in enumerate(rows):
        missing = {"ask", "options", "why", "chapter"} - set(row)
        if missing or str(row["chapter"]) not in chapters:
            raise ValueError(
                f"question {number + 1}: expected ask, options, why and a chapter that exists; "
                f"{'missing ' + ', '.join(sorted(missing)) if missing else row['chapter']!r} given."
            )
        given = row["options"]
        options = [str(option) for option in given] if isinstance(given, list) else []
        right = options[0] if options else ""
        asked, where = str(row["ask"]), chapters[str(row["chapter"])]
        # These were the places of the options once: answers that browsers keep stay what they are.
        keyed = [((i + 2 * number) % len(options), option) for i, option in enumerate(options)]
        Random(asked + right).shuffle(keyed)
        keys, placed = [key for key, _ in keyed], [option for _, option in keyed]
        found.append(Concept(asked, placed, keys, right, str(row["why"]), where))
    return found


def concept_test(name: str, concepts: Sequence[Concept]) -> Html:
    """Show a concept test; the browser keeps both sets of answers, and judges when it has both.

    Raises:
        ValueError: no questions.
    """
    if not concepts:
        raise ValueError(f"concept test {name!r}: expected at least one question, given none.")
    body = render("concept.html", name=name, concepts=concepts, unsure=UNSURE)
    text = "\n".join(f"{i}. {each.asked}" for i, each in enumerate(concepts, 1))
    return Html(asset("frame.css") + asset("concept.css") + body + asset("concept.js"), text)
