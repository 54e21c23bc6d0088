"""A concept test: the same questions before and after, and what changed in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from course_lib.teaching.page import Html, asset, prose

UNSURE = "I do not know."


@dataclass(frozen=True)
class Concept:
    r"""One question of a concept test.

    Attributes:
        asked: the question; mathematics in \( \).
        options: the answers, without "I do not know", which every question has.
        right: the one of them that is right.
        why: what the book has shown, read after both answers.
        where: the chapter that shows it, as (title, address).

    Raises:
        ValueError: fewer than two options, twice the same, or a right one that is none of them.
    """

    asked: str
    options: Sequence[str]
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

    The right option is moved to a place that depends on the question's number alone, so that the
    page is the same at every build and no place is lucky.

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
        turn = number * 2 % max(1, len(options))
        placed = options[-turn:] + options[:-turn] if turn else options
        where = chapters[str(row["chapter"])]
        found.append(Concept(str(row["ask"]), placed, right, str(row["why"]), where))
    return found


def concept_test(name: str, concepts: Sequence[Concept]) -> Html:
    """Show a concept test; the browser keeps both sets of answers, and judges when it has both.

    Raises:
        ValueError: no questions.
    """
    if not concepts:
        raise ValueError(f"concept test {name!r}: expected at least one question, given none.")
    fields = "".join(_fieldset(f"{name}-{i}", i, each) for i, each in enumerate(concepts, 1))
    buttons = (
        '<button type="button" data-part="keep" hidden>Keep these answers</button>'
        '<button type="button" data-part="again" hidden>I have read it: answer again</button>'
        '<button type="button" data-part="clear" hidden>Forget all my answers</button>'
    )
    body = (
        f'<form class="sw sw-concept" data-test="{escape(name)}" aria-label="Concept test">'
        f'<div role="status">This test needs JavaScript.</div>'
        f'<div data-part="questions">{fields}</div>{buttons}</form>'
    )
    text = "\n".join(f"{i}. {each.asked}" for i, each in enumerate(concepts, 1))
    return Html(asset("frame.css") + asset("concept.css") + body + asset("concept.js"), text)


def _fieldset(name: str, place: int, concept: Concept) -> str:
    """Return one question, with what will be said about both answers."""
    labels = "".join(
        f'<label><input type="radio" name="{name}" value="{i}" autocomplete="off">'
        f'<span class="mathjax_process">{prose(option)}</span></label>'
        for i, option in enumerate([*concept.options, UNSURE])
    )
    title, address = concept.where
    said = (
        f'<div class="sw-said" hidden><div data-time="before"></div><div data-time="after"></div>'
        f'<span class="mathjax_process">{prose(concept.why)}</span> '
        f'<a href="{escape(address)}">{escape(title)}</a></div>'
    )
    right = list(concept.options).index(concept.right)
    return (
        f'<fieldset data-right="{right}"><legend class="mathjax_process">{place}. '
        f"{prose(concept.asked)}</legend>{labels}{said}</fieldset>"
    )
