"""Grades as others read them: for Canvas, for Moodle, for a spreadsheet, as JSON.

A verdict holds the machine's points, the gradebook what a person gave. A grade is their sum; while
a written answer has no points it is not complete, and learning-management systems are told nothing.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from course_lib.grading.gradebook import Given
from course_lib.grading.marking import clean
from course_lib.grading.tasks import Refusal

Verdict = dict[str, Any]
IDENTITY = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
TITLE = re.compile(r"(.+) \((\d+)\)", re.DOTALL)  # of a column of Canvas that is an assignment
RISKY = tuple("=+-@＝＋－＠")  # a spreadsheet takes a cell that begins so for a formula
TEST_STUDENT = "Student, Test"  # Canvas's own, in every course
JOINERS = "\u200c\u200d"  # invisible, but letters of many scripts need them


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
    """What one student has: the machine's points and a person's, together."""

    student: str
    name: str
    id: str
    late: bool
    why: str  # there is no score, if it is not empty
    tasks: list[Part]
    written: list[Part]
    total: float

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
    graded = verdict["status"] == "graded"
    tasks = [_part(t["name"], t["points"], t["total"], given) for t in verdict["tasks"]]
    written = [_part(w["name"], None, w["total"], given) for w in verdict.get("written", [])]
    return Grade(
        student=verdict["student"],
        name=verdict.get("name", ""),
        id=str(verdict.get("id", "")),
        late=bool(verdict.get("late")),
        why="" if graded else verdict["why"] or "it is not graded",
        tasks=tasks,
        written=written,
        total=verdict["total"] + sum(part.total for part in written),
    )


def _part(name: str, points: float | None, total: float, given: Given) -> Part:
    hand = given.get(name, {})
    own, extra = hand.get("points"), hand.get("extra") or 0
    if own is not None:
        points = own
    if points is not None:
        points += extra
    return Part(name, points, total, hand.get("comment", ""), own is not None or bool(extra))


def tallies(verdicts: Iterable[Verdict], given: Mapping[str, Given] | None = None) -> list[Grade]:
    """Return the grades of a class. given: of each student, see `gradebook.Book.given`."""
    return [tally(verdict, (given or {}).get(verdict["student"])) for verdict in verdicts]


def number(points: float | None) -> str:
    """Return points as they are written into a table; nothing if there are none."""
    return "" if points is None else f"{round(points, 4):g}"


# The table of the class


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
    return _written(rows, bom=True)


def _note(grade: Grade) -> str:
    if grade.why:
        return f"no score: {clean(grade.why)}"
    waiting = f"{number(grade.points)} so far; no points yet for {', '.join(grade.waiting)}"
    by_hand = [part.name for part in grade.tasks if part.by_hand]
    notes = [waiting] if grade.waiting else []
    return "; ".join(notes + ([f"by hand: {', '.join(by_hand)}"] if by_hand else []))


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, on one line."""
    text = "".join(c if c.isprintable() or c in JOINERS else " " for c in text[:500])
    return f"'{text}" if text.lstrip().startswith(RISKY) else text


def _written(rows: Iterable[Sequence[str]], *, bom: bool = False, delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode("utf-8-sig" if bom else "utf-8", errors="replace")


def records(grades: Iterable[Grade]) -> list[dict[str, Any]]:
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
            "tasks": [vars(part) for part in grade.tasks],
            "written": [vars(part) for part in grade.written],
        }
        for grade in grades
    ]


def incomplete(grades: Iterable[Grade]) -> list[str]:
    """Return the lines that say whose grade is not complete, and what it waits for."""
    lines = []
    of: dict[str, list[str]] = defaultdict(list)
    for grade in grades:
        if grade.why:
            of["has no score"].append(grade.student)
        elif grade.waiting:
            of[f"waits for points for {', '.join(grade.waiting)}"].append(grade.student)
    for what, students in of.items():
        lines.append(f"{what} ({len(students)}): {_names(students)}")
    return lines


# Moodle and Canvas


@dataclass
class Export:
    """A file for a learning-management system, and what a person should know of it.

    unplaced: students whose grade is not in the file though they have one.
    """

    content: bytes = b""
    notes: list[str] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)


def moodle(grades: Sequence[Grade], *, partial: bool = False) -> Export:
    """Return Moodle's offline grading worksheet: Identifier, Full name, Grade, Maximum Grade.

    Moodle goes by the Identifier, "Participant 123456", whose number its download of submissions
    has in the name of each; the full name it does not read, so there formulas are made harmless.
    """
    found = Export()
    rows = [["Identifier", "Full name", "Grade", "Maximum Grade", "Grade can be changed"]]
    for grade in grades:
        digits = re.fullmatch(r"(?:Participant )?(\d+)", grade.id)
        if digits:
            name, score = harmless(grade.name or grade.student), number(grade.score(partial))
            rows.append([f"Participant {digits[1]}", name, score, number(grade.total), "Yes"])
        elif grade.score(partial) is not None:
            found.unplaced.append(grade.student)
    found.content = _written(rows)
    if found.unplaced:
        found.notes.append(
            "the submissions do not say which participant of Moodle this is (grade Moodle's own "
            f'download, "Download all submissions"): {_names(found.unplaced)}'
        )
    return found


def canvas(
    exported: bytes,
    grades: Sequence[Grade],
    assignment: str,
    *,
    column: str = "",
    partial: bool = False,
) -> Export:
    """Fill one column of the gradebook that Canvas exported, for Canvas to import.

    Args:
        exported: the file, as it came from Canvas.
        grades: of the class.
        assignment: its name; the column is that whose title holds it.
        column: the title of the column, or its number, where that is not enough.
        partial: are grades filled in that still lack points of written answers?

    What identifies a student stays to the letter, and so do all rows; other assignments are left
    out, so that importing the file changes none of them. Whoever handed nothing in keeps what the
    file has; whoever has no complete grade gets an empty cell, never 0.

    Raises:
        Refusal: the file is not Canvas's, or has no such column or several.
    """
    rows, bom, delimiter = _read(exported)
    head = next((i for i, row in enumerate(rows) if row[:2] == ["Student", "ID"]), None)
    if head is None or not {"SIS Login ID", "Section"} <= set(rows[head]):
        raise Refusal(
            "this is not the gradebook as Canvas exports it: there is no line that begins with "
            f"{', '.join(IDENTITY)}. In Canvas, choose Grades, then Export, and give that file."
        )
    titles = rows[head]
    target = _column(titles, column or assignment, exact=bool(column))
    first = next(i for i, title in enumerate(titles) if TITLE.fullmatch(title))
    kept = [*range(first), target]
    known = [
        (place, dict(zip(titles, row, strict=False)))
        for place, row in enumerate(rows[head + 1 :], head + 1)
        if row and row[0].strip() != "Points Possible" and len(row) > target
    ]
    found = Export()
    places = _match(grades, known, found)
    for place, grade in places.items():
        rows[place][target] = number(grade.score(partial))
    worth = next((r for r in rows if r and r[0].strip() == "Points Possible"), [])
    total = number(grades[0].total) if grades else ""
    if grades and len(worth) > target and not _equal(worth[target], grades[0].total):
        found.notes.append(
            f"in Canvas {titles[target]} is worth {worth[target] or 'nothing'}, here {total} points"
        )
    missing = [row for place, row in known if place not in places and row["ID"].strip()]
    people = [row["Student"] for row in missing if row["Student"] != TEST_STUDENT]
    if people:
        found.notes.append(f"in Canvas, but nothing was handed in by: {_names(people)}")
    lines = [[row[i] if i < len(row) else "" for i in kept] for row in rows if any(row)]
    found.content = _written(lines, bom=bom, delimiter=delimiter)
    return found


def _read(exported: bytes) -> tuple[list[list[str]], bool, str]:
    """Return the rows of a CSV, whether it has a byte order mark, and what parts its cells."""
    try:
        text = exported.decode("utf-8-sig")
        delimiter = ";" if re.search(r"^\"?Student\"?;", text, re.MULTILINE) else ","
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        return list(reader), exported.startswith(b"\xef\xbb\xbf"), delimiter
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refusal(
            f"the gradebook of Canvas cannot be read: {error}. Give the file as Canvas exported "
            "it, not one that a spreadsheet has stored."
        ) from None


def _column(titles: list[str], wanted: str, *, exact: bool) -> int:
    """Return the place of the assignment's column."""
    found = {i: match for i, t in enumerate(titles) if (match := TITLE.fullmatch(t))}
    key = _squashed(wanted)
    whole = [i for i, m in found.items() if wanted in (m[0], m[2]) or _squashed(m[1]) == key]
    part = [i for i, m in found.items() if key in _squashed(m[1]) and not exact]
    fits = whole or part
    if len(fits) == 1:
        return fits[0]
    raise Refusal(
        f"{len(fits) or 'no'} columns of the gradebook of Canvas are called {wanted!r}. "
        f"Say which it is, with --column: {'; '.join(titles[i] for i in found) or 'it has none'}."
    )


def _match(
    grades: Sequence[Grade], known: list[tuple[int, dict[str, str]]], found: Export
) -> dict[int, Grade]:
    """Return {row of Canvas: the grade that belongs there}; tell `found` who has no place.

    The number of Canvas counts most, then logins, then names. Where submissions bring numbers of
    Canvas, nothing else counts: there may be two of a name. A row that two claim gets no grade.
    """
    index: dict[tuple[str, str], set[int]] = defaultdict(set)
    for row, cells in known:
        for kind, key in _keys(cells):
            index[kind, key].add(row)
    numbered = any(grade.id and ("id", grade.id) in index for grade in grades)
    claims: dict[int, list[Grade]] = defaultdict(list)
    unplaced: list[Grade] = []
    for grade in grades:
        signs = [("id", grade.id)] if numbered and grade.id else _signs(grade)
        hits = (index.get(sign, set()) for sign in signs)
        place = next((rows for rows in hits if rows), set())
        if len(place) == 1:
            claims[next(iter(place))].append(grade)
        else:
            unplaced.append(grade)
    for row, rivals in claims.items():
        if len(rivals) > 1:
            who = dict(known)[row]["Student"]
            found.notes.append(f"{_names(g.student for g in rivals)} all fit {clean(who)!r}")
            unplaced += rivals
    found.unplaced = [g.student for g in unplaced if g.points is not None]
    if unplaced:
        found.notes.append(f"not found in Canvas: {_names(g.student for g in unplaced)}")
    return {row: rivals[0] for row, rivals in claims.items() if len(rivals) == 1}


def _keys(cells: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield by what a row of Canvas can be recognised."""
    for kind, title in (("id", "ID"), ("login", "SIS Login ID"), ("login", "SIS User ID")):
        if key := cells.get(title, "").strip():
            yield kind, key.casefold()
    if name := cells["Student"].strip():
        yield "name", _words(name)
        yield "squashed", _squashed(name)


def _signs(grade: Grade) -> Iterator[tuple[str, str]]:
    """Yield by what a student's row can be found, the surest first."""
    for text in filter(None, (grade.id, grade.student)):
        yield "id", text.casefold()
        yield "login", text.casefold()
    for text in filter(None, (grade.name, grade.student)):
        yield "name", _words(text)
        yield "squashed", _squashed(text)


def _words(text: str) -> str:
    """Return the words of a name in one order: "Lovelace, Ada" and "Ada Lovelace" are the same."""
    whole = unicodedata.normalize("NFC", text).casefold()
    return " ".join(sorted(re.findall(r"\w+", whole))) or whole


def _squashed(text: str) -> str:
    """Return letters and digits alone, as Canvas has a name in the names of files."""
    whole = unicodedata.normalize("NFC", text).casefold()
    return re.sub(r"[\W_]+", "", whole) or whole


def _equal(cell: str, points: float) -> bool:
    try:
        return float(cell) == points
    except ValueError:
        return False


def _names(names: Iterable[str]) -> str:
    return ", ".join(clean(name, 80) for name in names)
