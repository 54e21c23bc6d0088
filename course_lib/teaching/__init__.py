"""The apparatus of teaching: evidence, figures, sliders, quizzes, guesses; nothing of pruning."""

from course_lib.teaching.evidence import Claim, ClaimFailed, collect, evidence, interval
from course_lib.teaching.figures import figure, show
from course_lib.teaching.guess import answer, guess
from course_lib.teaching.intervals import forest
from course_lib.teaching.names import name_lines
from course_lib.teaching.page import Html, say, source
from course_lib.teaching.quiz import choice, number, quiz
from course_lib.teaching.slider import live, slider

__all__ = [
    "Claim", "ClaimFailed", "Html", "answer", "choice", "collect", "evidence", "figure", "forest",
    "guess", "interval", "live", "name_lines", "number", "quiz", "say", "show", "slider", "source",
]  # fmt: skip
