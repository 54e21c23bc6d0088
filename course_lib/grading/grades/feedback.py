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
from typing import Any

from course_lib.chapters import course
from course_lib.grading.errors import clean
from course_lib.grading.grades.tally import Grade, Part, number, tally
from course_lib.grading.intake.names import released
from course_lib.grading.marking.mark import UNWRITTEN
from course_lib.grading.verdict import Given

# How a line of a fault begins: what it is called on the page; is it a value?
LINES = (
    ("it returned ", "Your function returned", True),
    ("it raised ", "Your function raised", True),
    ("expected    ", "Expected", True),
)
COURSE = Path(__file__).parents[3]
LONGEST_COMMENT = 10_000  # characters


def page(verdict: dict[str, Any], answers: Given | None = None) -> str:
    """Return the page of one verdict, as HTML.

    answers: what a person gave this student, see `gradebook.Book.given`; none yet if not given.
    """
    grade = tally(verdict, answers)
    style = _asset("feedback.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    parts = {part.name: part for part in grade.tasks}
    tasks = [_task(i, t, parts[t["name"]]) for i, t in enumerate(verdict["tasks"], 1)]
    known = [part for part in [*grade.tasks, *grade.written] if part.points is not None]
    out_of = sum(part.total for part in known)
    html: str = _template().render(
        style=_safe(style),
        style_hash=f"sha256-{digest}",
        course=course(COURSE).name,
        title=_title(verdict["assignment"]),
        assignment=verdict["assignment"],
        chapter=_chapter(verdict["assignment"]),
        chapter_title=_heading(COURSE / "notebooks" / f"{verdict['assignment']}.ipynb"),
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
        written=[_written(part) for part in grade.written],
        notes=[clean(note, 400) for note in verdict.get("notes", [])],
    )
    return html


def _task(number_of_task: int, result: dict[str, Any], part: Part) -> dict[str, Any]:
    checks = result["checks"]
    slips = [clean(slip) for slip in result.get("slips", [])]
    lost = [check for check in checks if check["fault"]]
    said = {_second(check["fault"]) for check in checks}
    alike = said.pop() if len(said) == 1 else ""
    over = alike if alike.startswith((UNWRITTEN, "not reached")) else ""
    return {
        "number": number_of_task,
        "name": result["name"],
        "got": number(part.points),
        "total": number(part.total),
        "share": _share(part.points or 0, part.total),
        "by_hand": part.by_hand,
        "comment": _lines(part.comment),
        "slips": ", or ".join(slips),
        "all_over": f"{over[:1].upper()}{over[1:]}." if over else "",
        "lost": bool(lost),
        "advice": _advice(slips, lost, over),
        "checks": [
            {
                "title": check["title"],
                "got": number(check["points"]),
                "total": number(check["total"]),
                "evidence": _evidence(check["fault"]),
            }
            for check in checks
        ],
    }


def _second(fault: str) -> str:
    return next(iter(fault.split("\n")[1:2]), "")


def _evidence(fault: str) -> list[tuple[str, str, bool]]:
    """Return the lines of a fault (see `marking.fault`): what each is, its text, is it code?"""
    found = []
    for i, line in enumerate(clean(part, 1000) for part in fault.split("\n")):
        kinds = (("", "The smallest input that shows it", True),) if i == 0 else LINES
        start, label, code = next(
            (kind for kind in kinds if line.startswith(kind[0])), ("", "What is wrong", False)
        )
        if line.strip():
            text = re.sub(r" {2,}", " ", line.removeprefix(start)).strip()
            found.append((label, text, code))
    return found


def _advice(slips: list[str], lost: list[dict[str, Any]], over: str) -> str:
    if over.startswith(UNWRITTEN):
        return "write it; a part of a task has points too."
    if over:
        return "the notebook stopped before it. Restart the kernel, run all cells, and see where."
    if slips:
        return f"{slips[0]}. Call it on the input shown, and follow that step by hand."
    if any(check["visible"] for check in lost):
        return "its check in the notebook shows the mistake; mend it there first."
    return "call it on the input shown, and compare with what was expected."


def _summary(tasks: list[dict[str, Any]]) -> str:
    whole = sum(not task["lost"] for task in tasks)
    if whole == len(tasks):
        return "Every check of every task passes. Well carved."
    if whole:
        return f"Right in full: {whole} of {len(tasks)} tasks. What is left is named below."
    return "What each task still needs is named below."


def _waiting(grade: Grade) -> str:
    left = sum(part.total for part in grade.written if part.points is None)
    return f"Up to {number(left)} more are for a person to give." if left else ""


def _written(part: Part) -> dict[str, Any]:
    texts = {"got": number(part.points), "total": number(part.total)}
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
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    made = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return made.from_string(_asset("feedback.html"))


def _safe(text: str) -> Any:
    """Mark our own text as HTML, so that it is not escaped."""
    from markupsafe import Markup

    return Markup(text)


def _chapter(assignment: str) -> str:
    """Return where the chapter of an assignment is published, if it has one (not the capstone)."""
    place = f"notebooks/{assignment}.ipynb"
    there = (COURSE / place).is_file()
    return f"{course(COURSE).repository}/blob/main/{place}" if there else ""
