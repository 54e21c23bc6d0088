"""Grades: the machine's points and a person's put together.

A verdict holds the machine's points, the gradebook what a person gave. A grade is their sum; while
a written answer has no points it is not complete, and learning-management systems are told nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from course_lib.grading.errors import clean
from course_lib.grading.verdict import GONE, Given, Hand, Plain, Verdict

OTHER = "graded by other rules than the latest (`course grade --again` makes all alike)"


@dataclass(frozen=True)
class Part:
    """What a task or a written answer is worth. points: None while there are none."""

    name: str
    points: float | None
    total: float
    comment: str = ""
    by_hand: bool = False  # did a person give the points?


@dataclass(frozen=True)
class Grade:
    """What one student has: the machine's points and a person's, together.

    id, system: the number of the student, and the learning-management system whose number it is.
    gone: is the submission no longer in the download? other: was it graded by other rules than the
    latest of the class?
    """

    student: str
    name: str
    id: str
    late: bool
    why: str  # there is no score, if it is not empty
    tasks: list[Part]
    written: list[Part]
    total: float
    gone: bool = False
    other: bool = False
    system: str = ""

    def numbered_by(self, system: str) -> bool:
        """Say whether the number may be one of this learning-management system."""
        return bool(self.id) and self.system in ("", system)

    @property
    def marked(self) -> list[str]:
        """Return what whoever reads the grade should know of it."""
        return [GONE] * self.gone + [OTHER] * self.other

    @property
    def waiting(self) -> list[str]:
        """The written answers that have no points yet."""
        return [part.name for part in self.written if part.points is None]

    @property
    def points(self) -> float | None:
        """All points so far; None if the submission could not be graded."""
        if self.why:
            return None
        return sum(part.points or 0 for part in [*self.tasks, *self.written])

    def score(self, partial: bool = False) -> float | None:
        """The points if they are complete, or `partial` ones are asked for."""
        return self.points if partial or not self.waiting else None


def tally(verdict: Verdict, given: Given | None = None) -> Grade:
    """Return the grade of a verdict, with what a person gave."""
    given = given or {}
    tasks = [_part(t.name, t.points, t.total, given) for t in verdict.tasks]
    written = [_part(w.name, None, w.total, given) for w in verdict.written]
    return Grade(
        student=verdict.student,
        name=verdict.name,
        id=str(verdict.id),
        late=bool(verdict.late),
        why="" if verdict.status == "graded" else verdict.why or "it is not graded",
        tasks=tasks,
        written=written,
        total=verdict.total + sum(part.total for part in written),
        gone=GONE in verdict.handed,
        system=verdict.system,
    )


def _part(name: str, points: float | None, total: float, given: Given) -> Part:
    hand = given.get(name, Hand())
    if hand.points is not None:
        points = hand.points
    if points is not None:
        points += hand.extra or 0
    by_hand = hand.points is not None or bool(hand.extra)
    return Part(name, points, total, hand.comment, by_hand)


def tallies(verdicts: Iterable[Verdict], given: Mapping[str, Given] | None = None) -> list[Grade]:
    """Return the grades of a class. given: of each student, see `gradebook.Book.given`."""
    found = list(verdicts)
    graded = [v for v in found if v.status == "graded"]
    count = Counter(v.rules for v in graded)
    latest = max(((v.time, count[v.rules], v.rules) for v in graded), default=("", 0, None))[2]
    other = {v.student for v in graded if v.rules != latest}
    grades = (tally(v, (given or {}).get(v.student)) for v in found)
    return [replace(grade, other=grade.student in other) for grade in grades]


def number(points: float | None) -> str:
    """Return points as they are written into a table; nothing if there are none."""
    return "" if points is None else f"{round(points, 4):g}"


def records(grades: Iterable[Grade]) -> list[Plain]:
    """Return the grades as plain data, for JSON; `points` is null unless they are complete."""
    return [
        {
            "student": grade.student,
            "name": grade.name,
            "id": grade.id,
            "late": grade.late,
            "status": "ungraded" if grade.why else "incomplete" if grade.waiting else "complete",
            "why": grade.why,
            "points": grade.score(),
            "so_far": grade.points,
            "total": grade.total,
            "marked": grade.marked,
            "tasks": [vars(part) for part in grade.tasks],
            "written": [vars(part) for part in grade.written],
        }
        for grade in grades
    ]


def incomplete(grades: Iterable[Grade]) -> list[str]:
    """Return the lines that say whose grade is not complete or is marked, and why."""
    lines = []
    of: dict[str, list[str]] = defaultdict(list)
    for grade in grades:
        if grade.why:
            of["has no score"].append(grade.student)
        elif grade.waiting:
            of[f"waits for points for {', '.join(grade.waiting)}"].append(grade.student)
        for mark in grade.marked:
            of[f"is {mark}"].append(grade.student)
    for what, students in of.items():
        lines.append(f"{what} ({len(students)}): {names_of(students)}")
    return lines


def names_of(students: Iterable[str]) -> str:
    """Return names of students on one line."""
    return ", ".join(clean(name, 80) for name in students)
