"""Grades as files of rows: the table of the class, and what all such files have in common."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from course_lib.grading.errors import clean, columns
from course_lib.grading.grades.tally import Grade, number, tallies
from course_lib.grading.verdict import Given, Verdict

RISKY = tuple("=+-@＝＋－＠")  # a spreadsheet takes a cell that begins so for a formula
JOINERS = "\u200c\u200d"  # invisible, but letters of many scripts need them


@dataclass
class Export:
    """A file for a learning-management system, and what a person should know of it.

    unplaced: students whose grade is not in the file though they have one.
    """

    content: bytes = b""
    notes: list[str] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)


def table(verdicts: list[Verdict], tasks: list[str]) -> str:
    """Return the verdicts as a table: student, points of each task, total, note."""
    rows = [["student", *tasks, "total", "note"]]
    for v in verdicts:
        points = {t.name: f"{t.points:g}" for t in v.tasks}
        total = "" if v.points is None else f"{v.points:g}/{v.total:g}"
        note = f"UNGRADED: {v.why}" if v.status == "ungraded" else "; ".join(v.notes)
        rows.append([v.student, *(points.get(t, "") for t in tasks), total, note])
    return columns(rows)


def plain(verdicts: Iterable[Verdict], given: Mapping[str, Given] | None = None) -> bytes:
    """Return the table of the class as CSV that a spreadsheet opens: a row a student.

    UTF-8 with a byte order mark, without which Excel misreads names. A cell that a spreadsheet
    would take for a formula begins with an apostrophe.
    """
    grades = tallies(verdicts, given)
    tasks = list(dict.fromkeys(part.name for grade in grades for part in grade.tasks))
    written = list(dict.fromkeys(part.name for grade in grades for part in grade.written))
    rows = [["student", "name", "id", "late", *tasks, *written, "points", "of", "note"]]
    for grade in grades:
        points = {part.name: number(part.points) for part in [*grade.tasks, *grade.written]}
        rows.append(
            [
                *(harmless(text) for text in (grade.student, grade.name, grade.id)),
                "late" if grade.late else "",
                *(points.get(name, "") for name in [*tasks, *written]),
                number(grade.score()),
                number(grade.total),
                harmless(_note(grade)),
            ]
        )
    return csv_of(rows, bom=True)


def _note(grade: Grade) -> str:
    if grade.why:
        return "; ".join([f"no score: {clean(grade.why)}", *grade.marked])
    waiting = f"{number(grade.points)} so far; no points yet for {', '.join(grade.waiting)}"
    by_hand = [part.name for part in grade.tasks if part.by_hand]
    notes = [waiting] if grade.waiting else []
    notes += [f"by hand: {', '.join(by_hand)}"] if by_hand else []
    return "; ".join([*notes, *grade.marked])


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, on one line."""
    text = "".join(c if c.isprintable() or c in JOINERS else " " for c in text[:500])
    return f"'{text}" if text.lstrip().startswith(RISKY) else text


def csv_of(rows: Iterable[Sequence[str]], *, bom: bool = False, delimiter: str = ",") -> bytes:
    """Return rows as CSV. bom: with a byte order mark."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode("utf-8-sig" if bom else "utf-8", errors="replace")
