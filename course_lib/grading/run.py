"""Grades a folder of submissions, each in a jail of its own; each verdict is stored at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import nbformat

from course_lib.grading import jail, submission
from course_lib.grading.assignment import Assignment
from course_lib.grading.judge import Trial, judge
from course_lib.grading.marking import clean
from course_lib.grading.tasks import Refusal

FORMAT = 1  # of a verdict
STARTS = 3  # attempts at starting a kernel


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a crash or a full disk leaves what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def submissions(folder: Path, name: str) -> dict[str, Path | Refusal]:
    """Return {student: notebook, or why there is none}, in the order of the names.

    The folder holds one folder a student with the notebook in it (in an inner folder `name` too, as
    nbgrader has it), or notebooks that are named by their students.

    Raises:
        Refusal: there is nothing to grade.
    """
    if not folder.is_dir():
        raise Refusal(f"{folder} is not a folder. Give the folder that holds the submissions.")
    found: dict[str, Path | Refusal] = {}
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        book = entry.suffix == ".ipynb" and not entry.is_dir()
        student = os.fsencode(entry.stem if book else entry.name).decode(errors="replace")
        twice = student in found
        found[student] = Refusal("there are two submissions") if twice else _notebook(entry, name)
    if not found:
        raise Refusal(
            f"{folder} holds no submission. It should hold one folder a student with {name}.ipynb "
            "in it, or notebooks named by student (ada.ipynb)."
        )
    return found


def _notebook(entry: Path, name: str) -> Path | Refusal:
    """Return the notebook of one entry of the folder, or why there is none."""
    if entry.is_symlink():
        return Refusal("it is a link")
    if not entry.is_dir():
        return entry if entry.suffix == ".ipynb" else Refusal("it is no folder and no notebook")
    books = sorted(p for folder in (entry, entry / name) for p in folder.glob("*.ipynb"))
    choice = [p for p in books if p.stem == name] or books
    if len(choice) == 1:
        return choice[0]
    names = ", ".join(p.name for p in choice)
    return Refusal(f"there are several notebooks: {names}" if books else "there is no notebook")


class Grader:
    """Grades submissions of one assignment; the inputs are drawn once, the same for all.

    out: the folder that gets grades/, autograded/ and gradebook.db.

    Raises:
        Refusal: no jail can be made here, or the assignment is not sound.
    """

    def __init__(self, assignment: Assignment, out: Path, seed: int | None = None) -> None:
        jail.ready()
        self.assignment, self.out = assignment, out
        self.seed = secrets.randbits(64) if seed is None else seed
        self.materials = assignment.materials(self.seed)
        self.released = assignment.student_notebook

    def verdict(self, student: str, path: Path | Refusal) -> tuple[dict[str, Any], bytes]:
        """Grade one submission in a jail; return its verdict and the notebook as graded.

        The verdict's status is "graded", or "ungraded" with the reason, and then it has no points:
        what could not be read, or what failed for a reason of ours, is for a person to look at.
        """
        began = time.monotonic()
        verdict: dict[str, Any] = {
            "format": FORMAT,
            "assignment": self.assignment.name,
            "student": student,
            "status": "ungraded",
            "why": "",
            "points": None,
            "total": sum(task.points for task in self.assignment.tasks),
            "tasks": [],
            "written": self.assignment.written,
            "notes": [],
            "seed": f"{self.seed:x}",
        }
        book = b""
        try:
            if isinstance(path, Refusal):
                raise path
            fitted = submission.fit(submission.read(path), self.released)
            verdict["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
            trial = self._trial(fitted)
            book = nbformat.writes(fitted.notebook).encode()
        except (Refusal, OSError) as problem:
            verdict["why"] = str(problem)
        except Exception as problem:  # a failure of ours is no fault of the student's
            verdict["why"] = f"the grader failed ({type(problem).__name__}: {problem})"
        else:
            verdict["tasks"] = [trial.results[task.name] for task in self.assignment.tasks]
            verdict["points"] = sum(task["points"] for task in verdict["tasks"])
            verdict["notes"] = fitted.notes + trial.notes
            verdict["status"] = "graded"
        verdict["seconds"] = round(time.monotonic() - began, 1)
        return verdict, book

    def _trial(self, fitted: submission.Fitted) -> Trial:
        a = self.assignment
        kernel = partial(jail.Kernel, a.limits, a.data, a.needs)
        for attempt in range(STARTS):
            try:
                return judge(fitted.steps, self.materials, kernel)
            except jail.KernelLost as error:  # it did not start: judge() survives later losses
                last = error
                time.sleep(attempt)
        raise Refusal(f"no kernel started in {STARTS} attempts ({last}); grade it again")

    def grade(self, folder: Path) -> Iterator[dict[str, Any]]:
        """Grade a folder; yield each verdict once it is stored.

        Raises:
            Refusal: there is nothing to grade, or a grade cannot be stored (those before are).
        """
        from sqlalchemy.exc import SQLAlchemyError

        from course_lib.grading.gradebook import Book

        found = submissions(folder, self.assignment.name)
        try:
            with Book(self.out, self.assignment) as gradebook:
                for student, path in found.items():
                    verdict, book = self.verdict(student, path)
                    name = self.assignment.name
                    text = json.dumps(verdict, indent=1, ensure_ascii=False) + "\n"
                    write(self.out / "grades" / name / f"{student}.json", text.encode())
                    if book:
                        write(self.out / "autograded" / student / name / f"{name}.ipynb", book)
                    gradebook.store(verdict)
                    yield verdict
        except (OSError, SQLAlchemyError) as error:
            raise Refusal(
                f"a grade could not be written: {error}. What was graded before is stored in "
                f"{self.out}; mend this and grade again."
            ) from error


def table(verdicts: list[dict[str, Any]], tasks: list[str]) -> str:
    """Return the verdicts as a table: student, points of each task, total, note."""
    rows = [["student", *tasks, "total", "note"]]
    for v in verdicts:
        points = {t["name"]: f"{t['points']:g}" for t in v["tasks"]}
        total = "" if v["points"] is None else f"{v['points']:g}/{v['total']:g}"
        note = f"UNGRADED: {v['why']}" if v["status"] == "ungraded" else "; ".join(v["notes"])
        rows.append([v["student"], *(points.get(t, "") for t in tasks), total, note])
    rows = [[clean(cell, 300) for cell in row] for row in rows]  # students named their folders
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
