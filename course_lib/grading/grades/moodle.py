"""Grades for Moodle: its offline grading worksheet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from course_lib.grading.grades.tables import Export, csv_of, harmless
from course_lib.grading.grades.tally import Grade, names_of, number


def moodle(grades: Sequence[Grade], *, partial: bool = False) -> Export:
    """Return Moodle's offline grading worksheet: Identifier, Full name, Grade, Maximum Grade.

    Moodle goes by the Identifier, "Participant 123456", whose number its download of submissions
    has in the name of each; the full name it does not read, so there formulas are made harmless.
    """
    found = Export()
    rows = [["Identifier", "Full name", "Grade", "Maximum Grade", "Grade can be changed"]]
    numbers = Counter(grade.id for grade in grades if grade.id)
    for grade in grades:
        digits = re.fullmatch(r"(?:Participant )?(\d+)", grade.id)
        if numbers[grade.id] > 1:
            found.unplaced.append(grade.student)
            found.notes.append(f"{names_of([grade.student])} is Participant {grade.id}, as another")
        elif digits:
            name, score = harmless(grade.name or grade.student), number(grade.score(partial))
            rows.append([f"Participant {digits[1]}", name, score, number(grade.total), "Yes"])
        elif grade.score(partial) is not None:
            found.unplaced.append(grade.student)
    found.content = csv_of(rows)
    if found.unplaced:
        found.notes.append(
            "the submissions do not say which participant of Moodle this is (grade Moodle's own "
            f'download, "Download all submissions"): {names_of(found.unplaced)}'
        )
    return found
