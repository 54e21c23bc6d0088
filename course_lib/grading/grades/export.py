"""Grades as files for learning-management systems; another system is another entry of EXPORTS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from course_lib.grading.grades.canvas import canvas
from course_lib.grading.grades.moodle import moodle
from course_lib.grading.grades.tables import Export
from course_lib.grading.grades.tally import Grade


@dataclass(frozen=True)
class Request:
    """What is handed over. partial: are grades too that wait for a person's points?

    file: what the system itself exported, to be filled; column: that of the assignment in it.
    """

    grades: Sequence[Grade]
    assignment: str
    partial: bool = False
    file: bytes = b""
    column: str = ""


@dataclass(frozen=True)
class System:
    """A learning-management system: how its file is made, and how one asks for it.

    wants: what the file is called that it exports itself and that is filled; "" if it wants none.
    """

    make: Callable[[Request], Export]
    help: str
    wants: str = ""


EXPORTS = {
    "canvas": System(
        lambda r: canvas(r.file, r.grades, r.assignment, column=r.column, partial=r.partial),
        "The gradebook as Canvas exported it; its column of the assignment is filled.",
        wants="EXPORTED.csv",
    ),
    "moodle": System(
        lambda r: moodle(r.grades, partial=r.partial), "Write Moodle's offline grading worksheet."
    ),
}
