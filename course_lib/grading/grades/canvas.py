"""Grades for Canvas: a column of the gradebook that it exported, filled."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence

from course_lib.grading.errors import Refusal, clean
from course_lib.grading.grades.tables import Export, csv_of
from course_lib.grading.grades.tally import Grade, names_of, number

IDENTITY = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
TITLE = re.compile(r"(.+) \((\d+)\)", re.DOTALL)  # of a column of Canvas that is an assignment
TEST_STUDENT = "Student, Test"  # Canvas's own, in every course


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
        found.notes.append(f"in Canvas, but nothing was handed in by: {names_of(people)}")
    lines = [[row[i] if i < len(row) else "" for i in kept] for row in rows if any(row)]
    found.content = csv_of(lines, bom=bom, delimiter=delimiter)
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
    mine = [grade for grade in grades if grade.numbered_by("Canvas")]
    numbered = any(("id", grade.id) in index for grade in mine)
    claims: dict[int, list[Grade]] = defaultdict(list)
    unplaced: list[Grade] = []
    for grade in grades:
        signs = [("id", grade.id)] * (grade in mine) if numbered and grade.id else _signs(grade)
        hits = (index.get(sign, set()) for sign in signs)
        place = next((rows for rows in hits if rows), set())
        if len(place) == 1:
            claims[next(iter(place))].append(grade)
        else:
            unplaced.append(grade)
    for row, rivals in claims.items():
        if len(rivals) > 1:
            who = dict(known)[row]["Student"]
            found.notes.append(f"{names_of(g.student for g in rivals)} all fit {clean(who)!r}")
            unplaced += rivals
    found.unplaced = [g.student for g in unplaced if g.points is not None]
    if unplaced:
        found.notes.append(f"not found in Canvas: {names_of(g.student for g in unplaced)}")
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
    for text in filter(None, (grade.id * grade.numbered_by("Canvas"), grade.student)):
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
