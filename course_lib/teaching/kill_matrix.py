"""`{kill-matrix}`: which mistake loses which points, from `kill_matrix.json` beside the page."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from course_lib.teaching.sources import beside, chapters

KILLED = '<td class="killed"><span aria-hidden="true">✗</span> killed</td>'
ALIVE = '<td class="alive"><span aria-hidden="true">✓</span> alive</td>'


class KillMatrix(SphinxDirective):
    """`{kill-matrix}`: a table of all assignments, then a table for each task.

    Raises:
        ExtensionError: what was stored cannot be read.
    """

    def run(self) -> list[nodes.Node]:
        """Return the summary, and a section for each assignment."""
        path = beside(self.env, "kill_matrix.json")
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            titles = {name: said for name, (said, _) in chapters(self.env).items()}
            made = [self._section(entry, titles) for entry in stored]
            return [nodes.raw("", _summary(stored, titles), format="html"), *made]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ExtensionError(
                f"{path.name} cannot be read ({type(error).__name__}: {error}). "
                "Make it anew: course mutants --all --store"
            ) from error

    def _section(self, entry: dict[str, Any], titles: dict[str, str]) -> nodes.section:
        name = entry["assignment"]
        section = nodes.section(ids=[f"matrix-{name}"], names=[name])
        section += nodes.title("", _title(name, titles))
        section += nodes.raw(
            "", "".join(_task(task, name) for task in entry["tasks"]), format="html"
        )
        self.state.document.note_explicit_target(section, section)
        return section


def _title(name: str, titles: dict[str, str]) -> str:
    """Return the title of an assignment: that of its chapter, or its own name, with its number."""
    number, _, words = name.partition("_")
    return f"{int(number)}. {titles.get(name, f'The {words}')}"


def _summary(stored: list[dict[str, Any]], titles: dict[str, str]) -> str:
    """Return a table of the assignments: how many checks and versions, and what became of them."""
    rows = []
    for entry in stored:
        counts = [sum(column) for column in zip(*map(_counts, entry["tasks"]), strict=True)]
        checks, mutants, killed, right, alive = counts
        rows.append(
            f'<tr><th scope="row"><a href="#matrix-{escape(entry["assignment"])}">'
            f"{escape(_title(entry['assignment'], titles))}</a></th>"
            f"<td>{len(entry['tasks'])}</td><td>{checks}</td>"
            f"<td>{killed} of {mutants}</td><td>{alive} of {right}</td></tr>"
        )
    head = "".join(
        f'<th scope="col">{text}</th>'
        for text in ("Assignment", "Tasks", "Checks", "Mistakes killed", "Right answers alive")
    )
    return _scrolling(
        "All assignments",
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>",
    )


def _counts(task: dict[str, Any]) -> tuple[int, int, int, int, int]:
    """Return how many checks, mistakes, killed ones, right answers, and those alive, a task has."""
    mutants = [bool(row["lost"]) for row in task["rows"] if row["kind"] == "mutant"]
    right = [not row["lost"] for row in task["rows"] if row["kind"] in ("reference", "alternative")]
    return len(task["checks"]), len(mutants), sum(mutants), len(right), sum(right)


def _task(task: dict[str, Any], assignment: str) -> str:
    """Return the table of a task, folded under a sentence that sums it up."""
    _, mutants, killed, right, alive = _counts(task)
    head = "".join(
        f'<th scope="col"><code>{escape(check["id"])}</code><br>'
        f"{check['points']:g}, {'visible' if check['visible'] else 'hidden'}</th>"
        for check in task["checks"]
    )
    rows = "".join(_row(row, task["checks"]) for row in task["rows"])
    table = f'<thead><tr><th scope="col">Version</th>{head}</tr></thead><tbody>{rows}</tbody>'
    name = escape(task["name"])
    scrolling = _scrolling(f"{task['name']}, {assignment}", table)
    return (
        f'<details class="kill-matrix"><summary><code>{name}</code> ({task["points"]:g} points): '
        f"{killed} of {mutants} mistakes killed, {alive} of {right} right answers alive</summary>"
        f"{scrolling}</details>"
    )


def _row(row: dict[str, Any], checks: list[dict[str, Any]]) -> str:
    marks = "".join(KILLED if check["id"] in row["lost"] else ALIVE for check in checks)
    kind = "" if row["kind"] == row["key"] else f"{row['kind']} "
    told = f"<br><span>{escape(row['message'])}</span>" if row["message"] else ""
    return f'<tr><th scope="row">{kind}<code>{escape(row["key"])}</code>{told}</th>{marks}</tr>'


def _scrolling(label: str, table: str) -> str:
    """Return a table that scrolls by itself where the window is narrow."""
    return (
        f'<div class="pst-scrollable-table-container" tabindex="0" role="region" '
        f'aria-label="Kill matrix: {escape(label)}"><table class="table">{table}</table></div>'
    )
