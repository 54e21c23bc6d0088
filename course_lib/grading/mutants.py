"""The kill matrix: known mistakes, right answers and the stub of an assignment, all graded."""

from __future__ import annotations

import ast
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from course_lib.grading.assignment import Assignment
from course_lib.grading.run import Grader
from course_lib.grading.tasks import Variant, prove

MUTANTS, ALTERNATIVES = 3, 2  # at least so many for a task


def matrix(assignment: Assignment, seeds: Iterable[int] = range(20)) -> dict[str, Any]:
    """Grade every version of every task, end to end; compare with what each must lose.

    Returns:
        {"assignment", "ok", "problems": sentences, "seconds", "rows": [{"task", "key", "kind",
        "message", "must": ids of checks it must lose, "lost": ids of those that it lost, "named":
        was its message told?}]}.
    """
    began = time.monotonic()
    problems = [p for task in assignment.tasks for p in gaps(assignment, task)]
    for task in assignment.tasks:
        mutants, right = assignment.mutants(task.name), assignment.alternatives(task.name)
        problems += prove(task, assignment.reference[task.name], mutants, right, seeds)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        grader = Grader(assignment, Path(folder))
        for number, versions in enumerate(rounds(assignment)):
            path = Path(folder) / f"{number}.ipynb"
            nbformat.write(_notebook(assignment, versions), path)
            verdict, _ = grader.verdict(path.stem, path)
            if verdict["status"] != "graded":
                problems.append(f"round {number} was not graded: {verdict['why']}")
                continue
            results = {result["name"]: result for result in verdict["tasks"]}
            rows += [_row(assignment, t, version, results[t]) for t, version in versions.items()]
    order = [task.name for task in assignment.tasks]
    rows.sort(key=lambda row: order.index(row["task"]))
    for row in rows:
        if row["lost"] != row["must"]:
            problems.append(
                f"{row['task']}, {row['key']}: loses {row['lost']}, must lose {row['must']}"
            )
        if not row["named"]:
            problems.append(
                f"{row['task']}, {row['key']}: the report does not name the mistake alone"
            )
    return {
        "assignment": assignment.name,
        "ok": not problems,
        "problems": problems,
        "seconds": round(time.monotonic() - began, 1),
        "rows": rows,
    }


def gaps(assignment: Assignment, task: Any) -> Iterable[str]:
    """Yield what a task lacks: mutants, alternatives, or a mutant for each of its checks."""
    mutants, right = assignment.mutants(task.name), assignment.alternatives(task.name)
    if len(mutants) < MUTANTS:
        yield f"{task.name} has {len(mutants)} mutants; it needs {MUTANTS} or more"
    if len(right) < ALTERNATIVES:
        yield f"{task.name} has {len(right)} alternatives; it needs {ALTERNATIVES} or more"
    for check in task.checks:
        if not any(check.id in m.loses for m in mutants):
            yield f"{task.name}: no mutant loses the check {check.id!r}; what does it find out?"


def rounds(assignment: Assignment) -> list[dict[str, Variant | str]]:
    """Put one version of each task into a notebook, as long as none uses another's function.

    The first two rounds are the reference and the stub of all tasks.
    """
    names = {task.name for task in assignment.tasks}
    packed: list[dict[str, Variant | str]] = []
    for v in assignment.variants:
        uses = _used(v.source) & names - {v.task}
        for versions in packed:
            others = [_used(o.source) for o in versions.values() if isinstance(o, Variant)]
            if (
                v.task not in versions
                and not uses & set(versions)
                and not any(v.task in o for o in others)
            ):
                versions[v.task] = v
                break
        else:
            packed.append({v.task: v})
    return [
        dict.fromkeys(sorted(names), "reference"),
        dict.fromkeys(sorted(names), "stub"),
        *packed,
    ]


def _used(source: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def _notebook(assignment: Assignment, versions: dict[str, Variant | str]) -> NotebookNode:
    """Return the notebook of a student who answers with these versions, and rightly elsewhere."""
    book: NotebookNode = nbformat.from_dict(dict(assignment.student_notebook))
    answers = {
        c.metadata.nbgrader.grade_id: c.source
        for c in assignment.source.cells
        if "nbgrader" in c.metadata
    }
    book.cells = [NotebookNode(cell) for cell in book.cells]
    for cell in book.cells:
        key = cell.metadata.get("nbgrader", {}).get("grade_id")
        version = versions.get(key, "reference")
        if not any(key == task.name for task in assignment.tasks) or version == "stub":
            continue
        cell.source = answers[key]
        if isinstance(version, Variant):
            cell.source += f"\n\n{version.source}"
    return book


def _row(
    assignment: Assignment, task: str, version: Variant | str, result: dict[str, Any]
) -> dict[str, Any]:
    ids = [c["id"] for c in result["checks"]]
    message, key, kind, must = "", version, version, ids if version == "stub" else []
    if isinstance(version, Variant):
        message, key, must = version.message, version.key, [i for i in ids if i in version.loses]
        kind = "mutant" if message else "alternative"
    return {
        "task": task,
        "key": key,
        "kind": kind,
        "message": message,
        "must": must,
        "lost": [c["id"] for c in result["checks"] if c["fault"]],
        "named": result["slips"] == [message] * bool(message),
    }


def text(found: dict[str, Any], assignment: Assignment) -> str:
    """Return the matrix as a text: a block a task, a row a version, a column a check."""
    lines = []
    for task in assignment.tasks:
        ids = [c.id for c in task.checks]
        rows = [row for row in found["rows"] if row["task"] == task.name]
        width = max(len(f"{row['kind']} {row['key']}") for row in rows) if rows else 0
        lines.append(
            f"{task.name} ({task.points:g} points)".ljust(width + 4) + "  ".join(ids) + "  named"
        )
        for row in rows:
            title = row["key"] if row["kind"] == row["key"] else f"{row['kind']} {row['key']}"
            marks = []
            for i in ids:
                mark = "x" if i in row["lost"] else "."
                marks.append(
                    (mark + "!" * ((i in row["lost"]) != (i in row["must"]))).center(len(i))
                )
            named = "" if not row["message"] else "yes" if row["named"] else "NO"
            lines.append(
                f"  {title}".ljust(width + 4) + "  ".join([*marks, named.center(5)]).rstrip()
            )
    lines.append("x: loses the check's points; !: not as declared")
    return "\n".join(lines)
