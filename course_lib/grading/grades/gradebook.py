"""The gradebook: nbgrader's database, filled from verdicts, which remain the truth."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from nbformat import NotebookNode

from course_lib.grading.cells import CHECK, marks
from course_lib.grading.errors import Refusal
from course_lib.grading.verdict import Given, Hand, Verdict

COURSE = "the-statue-within"


@contextmanager
def storing(out: Path, what: str = "a grade", verb: str = "grade") -> Iterator[None]:
    """Tell in a sentence what became of the grades if a file or a row cannot be stored."""
    from nbgrader.api import InvalidEntry
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (OSError, SQLAlchemyError, InvalidEntry) as error:
        why = str(getattr(error, "orig", None) or error).partition("\n")[0].rstrip(".")
        raise Refusal(
            f"{what} could not be written: {why}. What was graded before is stored in {out}; "
            f"mend this and {verb} again."
        ) from error


class Assigned(Protocol):
    """An assignment, as far as a gradebook is about it."""

    name: str

    @property
    def student_notebook(self) -> NotebookNode:
        """The notebook as released."""


def address(out: Path, url: str | None = None) -> str:
    """Return the SQLAlchemy URL of the gradebook: `url`, or that of the file in `out`."""
    from sqlalchemy.engine import URL

    file = URL.create("sqlite", database=str(out.resolve() / "gradebook.db"))
    return url or file.render_as_string(hide_password=False)  # a ? or % in it is written as such


class Book:
    """nbgrader's gradebook, ready for one assignment; a context manager.

    Args:
        out: the folder of the grades; the gradebook is a file in it, unless `url` is given.
        assignment: what is graded.
        url: of a database, as SQLAlchemy writes it, such as postgresql://grader@host/grades. It
            is there already, and empty or a gradebook. Only one process is to write into it.

    Raises:
        Refusal: the URL is of no database that can be reached, or its driver is not installed.
    """

    def __init__(self, out: Path, assignment: Assigned, url: str | None = None) -> None:
        from sqlalchemy.exc import SAWarning

        warnings.simplefilter("ignore", SAWarning)  # nbgrader's own, about its own queries
        logging.getLogger("traitlets").setLevel(logging.CRITICAL)  # its tracebacks: `storing` tells

        out.mkdir(parents=True, exist_ok=True)
        # nbgrader calls `alembic` by name when it makes a database.
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.name = assignment.name
        self.book = _open(address(out, url))
        self.book.update_or_create_assignment(self.name, course_id=COURSE)
        kernel = '{"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}'
        self.book.update_or_create_notebook(self.name, self.name, kernelspec=kernel)
        for cell in assignment.student_notebook.cells:
            if not (mark := marks(cell)):
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

    def store(self, verdict: Verdict) -> None:
        """Store a verdict: points of the tasks; what a person gave stays as it is.

        A task without points (the submission could not be graded) keeps no earlier ones.
        """
        student = verdict.student
        self.book.update_or_create_student(student, **_person(verdict))
        sub = self.book.update_or_create_submission(self.name, student)
        points = {CHECK + task.name: task.points for task in verdict.tasks}
        for notebook in sub.notebooks:
            for grade in notebook.grades:
                if grade.cell.cell_type == "code" and grade.name not in points:
                    grade.auto_score, grade.needs_manual_grade = None, True
                elif grade.name in points:
                    grade.auto_score, grade.needs_manual_grade = points[grade.name], False
                else:
                    grade.needs_manual_grade = grade.manual_score is None
        self.book.db.commit()

    def numbers(self) -> list[tuple[str, str]]:
        """Return the students whose number of a learning-management system is known, with it."""
        return [(s.id, s.lms_user_id) for s in self.book.students if s.lms_user_id]

    def given(self) -> dict[str, Given]:
        """Return {student: what a person gave}: points and comments as formgrader stored them.

        For a task they are points that count instead of the machine's.
        """
        found: dict[str, Given] = {}
        for sub in self.book.assignment_submissions(self.name):
            mine: Given = found.setdefault(sub.student.id, {})
            for notebook in sub.notebooks:
                for grade in notebook.grades:
                    if grade.manual_score is not None or grade.extra_credit:
                        name = grade.name.removeprefix(CHECK)
                        mine[name] = Hand(grade.manual_score, grade.extra_credit)
                for comment in notebook.comments:
                    if text := (comment.manual_comment or "").strip():
                        mine[comment.name] = replace(mine.get(comment.name, Hand()), comment=text)
        return found

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *error: object) -> None:
        self.book.close()


def _person(verdict: Verdict) -> dict[str, str]:
    """Return what nbgrader is to know of a student, as far as the verdict says it."""
    last, comma, first = (part.strip()[:128] for part in verdict.name.partition(","))
    found = {"last_name": last, "first_name": first} if comma else {}
    return {**found, **({"lms_user_id": verdict.id} if verdict.id else {})}


def _open(url: str) -> Any:
    """Return nbgrader's gradebook of this URL."""
    from nbgrader.api import Gradebook
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

    try:
        shown = make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        raise Refusal(
            "the address of the gradebook is no URL of a database. Write it as "
            "postgresql+psycopg://user@host/database or sqlite:////folder/gradebook.db."
        ) from None
    try:
        return Gradebook(url, COURSE)
    except ModuleNotFoundError as error:
        raise Refusal(
            f"the gradebook {shown} needs the Python module {error.name!r}, which is not installed "
            "here. For PostgreSQL: pip install 'psycopg[binary]', and write the address as "
            "postgresql+psycopg://user@host/database."
        ) from None
    except NoSuchModuleError as error:
        raise Refusal(f"the gradebook {shown} is of no database known here: {error}") from None
    except OperationalError as error:
        why = " ".join(str(error.orig).split()).rstrip(".")
        raise Refusal(
            f"the gradebook {shown} cannot be opened: {why}. Is the server running, and is there a "
            "database of this name that this user may write to?"
        ) from None
