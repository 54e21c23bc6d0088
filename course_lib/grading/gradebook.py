"""The gradebook: nbgrader's database, filled from verdicts, which remain the truth."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

from course_lib.grading.assignment import Assignment
from course_lib.grading.submission import CHECK

COURSE = "the-statue-within"


class Book:
    """nbgrader's gradebook in the folder `out`, ready for one assignment; a context manager."""

    def __init__(self, out: Path, assignment: Assignment) -> None:
        from nbgrader.api import Gradebook
        from sqlalchemy.exc import SAWarning

        warnings.simplefilter("ignore", SAWarning)  # nbgrader's own, about its own queries

        out.mkdir(parents=True, exist_ok=True)
        # nbgrader calls `alembic` by name when it makes a database.
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.name = assignment.name
        self.book = Gradebook(f"sqlite:///{out.resolve()}/gradebook.db", COURSE)
        self.book.update_or_create_assignment(self.name, course_id=COURSE)
        kernel = '{"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}'
        self.book.update_or_create_notebook(self.name, self.name, kernelspec=kernel)
        for cell in assignment.student_notebook.cells:
            mark = cell.metadata.get("nbgrader")
            if not mark:
                continue
            place = (mark["grade_id"], self.name, self.name)
            if mark.get("grade"):
                self.book.update_or_create_grade_cell(
                    *place, cell_type=cell.cell_type, max_score=mark["points"]
                )
            if mark.get("solution"):
                self.book.update_or_create_solution_cell(*place)
            self.book.update_or_create_source_cell(
                *place, cell_type=cell.cell_type, source=cell.source, locked=bool(mark["locked"])
            )

    def store(self, verdict: dict[str, Any]) -> None:
        """Store a verdict: points of the tasks; written answers keep the points a person gave."""
        student = verdict["student"]
        self.book.update_or_create_student(student)
        sub = self.book.update_or_create_submission(self.name, student)
        points = {CHECK + task["name"]: task["points"] for task in verdict["tasks"]}
        for notebook in sub.notebooks:
            for grade in notebook.grades:
                if grade.cell.cell_type == "code" and grade.name not in points:
                    grade.auto_score, grade.needs_manual_grade = None, True
                elif grade.name in points:
                    grade.auto_score, grade.needs_manual_grade = points[grade.name], False
                else:
                    grade.needs_manual_grade = grade.manual_score is None
        self.book.db.commit()

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *error: object) -> None:
        self.book.close()
