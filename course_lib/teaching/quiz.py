"""A quiz in plain HTML: computed answers, a word on every answer, nothing sent anywhere."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from course_lib.teaching.page import Html, asset, render

# The last two words of a question for a number: to what cannot be read, and to an empty field.
NO_ANSWER = "That is not a number I can read; try 0.25, 1/4 or 25%.", "Type a number first."


@dataclass(frozen=True)
class Question:
    """One question, made by `choice` or `number`: what is said to each answer, right or wrong."""

    asked: str
    kind: str
    feedback: tuple[tuple[bool | None, str], ...]  # None: it was no answer
    known: tuple[tuple[float, float], ...] = ()
    options: tuple[str, ...] = ()


def choice(asked: str, options: Mapping[str, str], *, right: str) -> Question:
    r"""Ask for one of several answers.

    Args:
        asked: the question; mathematics in \( \).
        options: each answer with the feedback for choosing it.
        right: the answer that is right, computed by the cell.

    Raises:
        ValueError: fewer than two options, a right one that is not among them, or no feedback.

    Examples:
        >>> options = {"w": "It may be negative.", "|w|": "It is never below w."}
        >>> choice("Which is at least the other?", options, right="|w|").kind
        'choice'
    """
    if len(options) < 2 or right not in options or not all(options.values()):
        raise ValueError(
            f"{asked!r}: expected at least two options, each with its feedback, and {right!r} "
            f"among them; given {list(options)}."
        )
    feedback = tuple((option == right, text) for option, text in options.items())
    return Question(asked, "choice", feedback, options=tuple(options))


def number(
    asked: str,
    answer: float,
    *,
    why: str,
    wrong: Mapping[float, str],
    otherwise: str,
    tolerance: float = 0.005,
) -> Question:
    r"""Ask for a number; decimals, fractions, odds ("1 in 15") and per cent are understood.

    Args:
        asked: the question; mathematics in \( \).
        answer: what is right, computed by the cell.
        why: the word on the right answer.
        wrong: what to say of the wrong answers that one can foresee.
        otherwise: what to say of any other number.
        tolerance: relative; 0.005 accepts three digits.

    Raises:
        ValueError: an answer that is not finite, or a wrong answer that would count as right.

    Examples:
        >>> five = {200: "That is five times 40."}
        >>> asked = number("A fifth of 40?", 8, why="40 / 5.", wrong=five, otherwise="Divide.")
        >>> [value for value, room in asked.known]
        [8, 200]
    """

    def room(value: float) -> float:
        return max(abs(value) * tolerance, 1e-9)

    if not math.isfinite(answer):
        raise ValueError(f"{asked!r}: the answer is {answer}, expected a finite number.")
    for value in wrong:
        if abs(value - answer) <= room(value) + room(answer):
            raise ValueError(f"{asked!r}: the wrong answer {value} cannot be told from {answer}.")
    known = tuple((value, room(value)) for value in (answer, *wrong))
    feedback = [(True, why), *((False, text) for text in wrong.values()), (False, otherwise)]
    said = [*feedback, *((None, words) for words in NO_ANSWER)]
    return Question(asked, "number", tuple(said), known)


def quiz(name: str, questions: Sequence[Question]) -> Html:
    """Show a quiz; the browser keeps the answers under its name.

    Raises:
        ValueError: no questions, or a name that is not one plain word.

    Examples:
        >>> asked = number("A fifth of 40?", 8, why="40 / 5.", wrong={}, otherwise="Divide.")
        >>> print(quiz("warm-up", [asked]).text)
        Quiz
        1. A fifth of 40?
    """
    if not questions or not re.fullmatch(r"[a-z0-9-]+", name):
        raise ValueError(
            f"quiz {name!r} with {len(questions)} questions: expected a name of small letters, "
            "digits and dashes, and at least one question."
        )
    body = render("quiz.html", name=name, questions=questions)
    text = "\n".join(f"{i}. {each.asked}" for i, each in enumerate(questions, 1))
    html = asset("frame.css") + asset("quiz.css") + body + asset("number.js") + asset("quiz.js")
    return Html(html, f"Quiz\n{text}")
