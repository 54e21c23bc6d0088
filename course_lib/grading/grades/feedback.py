"""A page for each student: what was right, what was not and why, and where to look next.

All that it shows is in the verdict: of a hidden check its title and the smallest failing input. It
is one file without script, and its policy lets a browser load nothing and run nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbformat import NotebookNode

from course_lib.chapters import course
from course_lib.grading.cells import ASKED, grade_id, is_written, locked, not_python
from course_lib.grading.errors import clean
from course_lib.grading.grades.store import write
from course_lib.grading.grades.tally import Grade, Part, number, tally
from course_lib.grading.intake.names import released
from course_lib.grading.verdict import (
    UNWRITTEN,
    CheckResult,
    Fault,
    Given,
    Plain,
    TaskResult,
    Verdict,
)

if TYPE_CHECKING:
    from jinja2 import Template

COURSE = Path(__file__).parents[3]
LONGEST_COMMENT = 10_000  # characters


def page(verdict: Verdict, answers: Given | None = None, book: NotebookNode | None = None) -> str:
    """Return the page of one verdict, as HTML.

    answers: what a person gave this student, see `gradebook.Book.given`; none yet if not given.
    book: the notebook as graded. From it are cells that are no Python, and the student's own words.
    """
    grade = tally(verdict, answers)
    broken, words = _in_the_notebook(book)
    style = _asset("feedback.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    parts = {part.name: part for part in grade.tasks}
    tasks = [
        _task(i, t, parts[t.name], broken.get(t.name, "")) for i, t in enumerate(verdict.tasks, 1)
    ]
    known = [part for part in [*grade.tasks, *grade.written] if part.points is not None]
    out_of = sum(part.total for part in known)
    html: str = _template().render(
        style=_safe(style),
        style_hash=f"sha256-{digest}",
        course=course(COURSE).name,
        title=_title(verdict.assignment),
        assignment=verdict.assignment,
        chapter=_chapter(verdict.assignment),
        chapter_title=_heading(COURSE / "notebooks" / f"{verdict.assignment}.ipynb"),
        who=clean(grade.name or grade.student),
        late=grade.late,
        why=clean(grade.why, 400).rstrip("."),
        got=number(grade.points),
        out_of=number(out_of),
        share=_share(grade.points or 0, out_of),
        summary=_summary(tasks),
        waiting=_waiting(grade),
        tasks=tasks,
        any_lost=any(task["lost"] for task in tasks),
        written=[_written(part, words.get(part.name, "")) for part in grade.written],
        notes=[clean(note, 400) for note in (*broken.values(), *verdict.notes)],
    )
    return html


def write_page(out: Path, verdict: Verdict, answers: Given | None = None) -> str:
    """Bring the page of a verdict up to date; return why it could not be made, if so.

    out: the folder of the grades. One odd verdict must not end the grading of a class.
    """
    path = out / "feedback" / verdict.assignment / f"{verdict.student}.html"
    graded = out / "autograded" / verdict.student / verdict.assignment
    graded /= f"{verdict.assignment}.ipynb"
    try:
        book = nbformat.read(graded, as_version=4) if graded.is_file() else None
        made = page(verdict, answers, book).encode(errors="replace")
    except Exception as error:
        path.unlink(missing_ok=True)
        return f"its page of feedback cannot be made ({type(error).__name__}: {error})"
    if not path.is_file() or path.read_bytes() != made:
        write(path, made)
    return ""


def _in_the_notebook(book: NotebookNode | None) -> tuple[dict[str, str], dict[str, str]]:
    """Return why cells are no Python, and what was written in words, by the names of the cells."""
    broken, words = dict[str, str](), dict[str, str]()
    for cell in book.cells if book else ():
        name = grade_id(cell)
        if is_written(cell) and cell.source.strip() != ASKED:
            words[name] = _lines(cell.source)
        elif cell.cell_type == "code" and not locked(cell) and (why := not_python(cell.source)):
            first = next(iter(cell.source.strip().splitlines()), "")[:40]
            broken[name or first] = f"The cell that begins {first!r} is not Python: {why}."
    return broken, words


def _task(number_of_task: int, result: TaskResult, part: Part, broken: str) -> Plain:
    slips = [clean(slip) for slip in result.slips]
    lost = [check for check in result.checks if check.fault]
    over = result.all_over
    return {
        "number": number_of_task,
        "name": result.name,
        "got": number(part.points),
        "total": number(part.total),
        "share": _share(part.points or 0, part.total),
        "by_hand": part.by_hand,
        "comment": _lines(part.comment),
        "broken": clean(broken, 400),
        "slips": ", or ".join(slips),
        "all_over": f"{over[:1].upper()}{over[1:]}." if over else "",
        "lost": bool(lost),
        "advice": "its cell is not Python. Mend that first."
        if broken
        else _advice(slips, lost, over),
        "checks": [
            {
                "title": check.title,
                "got": number(check.points),
                "total": number(check.total),
                "evidence": _evidence(check.fault) if check.fault else [],
            }
            for check in result.checks
        ],
    }


def _evidence(fault: Fault) -> list[tuple[str, str, bool]]:
    """Return the parts of a fault: what each is, its text, is it code?"""
    parts = [
        ("The smallest input that shows it", fault.call, True),
        ("Your function returned", fault.returned, True),
        ("Your function raised", fault.raised, True),
        ("What is wrong", fault.silent, False),
        ("Expected", fault.expected, True),
        *(("What is wrong", line, False) for line in fault.wrong.split("\n")),
    ]
    texts = ((label, clean(text, 1000), code) for label, text, code in parts)
    return [
        (label, re.sub(r" {2,}", " ", t).strip(), code) for label, t, code in texts if t.strip()
    ]


def _advice(slips: list[str], lost: list[CheckResult], over: str) -> str:
    if over.startswith(UNWRITTEN):
        return "write it; a part of a task has points too."
    if over:
        return "the notebook stopped before it. Restart the kernel, run all cells, and see where."
    if slips:
        return f"{slips[0]}. Call it on the input shown, and follow that step by hand."
    if any(check.visible for check in lost):
        return "its check in the notebook shows the mistake; mend it there first."
    return "call it on the input shown, and compare with what was expected."


def _summary(tasks: list[Plain]) -> str:
    whole = sum(not task["lost"] for task in tasks)
    if whole == len(tasks):
        return "Every check of every task passes. Well carved."
    if whole:
        return f"Right in full: {whole} of {len(tasks)} tasks. What is left is named below."
    return "What each task still needs is named below."


def _waiting(grade: Grade) -> str:
    left = sum(part.total for part in grade.written if part.points is None)
    return f"Up to {number(left)} more are for a person to give." if left else ""


def _written(part: Part, words: str) -> Plain:
    texts = {"got": number(part.points), "total": number(part.total), "words": words}
    return {"name": part.name, "comment": _lines(part.comment), **texts}


def _lines(text: str) -> str:
    """Return a text of several lines without control characters."""
    return "\n".join(clean(line, 2000) for line in text[:LONGEST_COMMENT].splitlines())


def _share(points: float, total: float) -> str:
    """Return how much of 100 the points are, never outside."""
    return f"{min(max(100 * points / total, 0), 100) if total else 0:.1f}"


def _title(assignment: str) -> str:
    """Return "2 · " and the title of assignment 02_saliency; without the course "2 · Saliency"."""
    count, _, words = assignment.partition("_")
    found = [_heading(path) for path in released(COURSE / "exercises" / "release" / assignment)]
    if count.isdigit() and words:
        own = next(filter(None, found), words.replace("_", " ").capitalize())
        return f"{int(count)} · {own}"
    return next(filter(None, found), assignment)


def _heading(path: Path) -> str:
    """Return the title of a notebook of the course, its first heading; empty if there is none."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        lines = [line for cell in cells for line in "".join(cell["source"]).splitlines()]
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return next((clean(line[2:]).strip() for line in lines if line.startswith("# ")), "")


@cache
def _asset(name: str) -> str:
    return (files("course_lib.grading") / "assets" / name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    made = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return made.from_string(_asset("feedback.html"))


def _safe(text: str) -> str:
    """Mark our own text as HTML, so that it is not escaped."""
    from markupsafe import Markup

    return Markup(text)


def _chapter(assignment: str) -> str:
    """Return where the chapter of an assignment is published, if it has one (not the capstone)."""
    place = f"notebooks/{assignment}.ipynb"
    there = (COURSE / place).is_file()
    return f"{course(COURSE).repository}/blob/main/{place}" if there else ""
