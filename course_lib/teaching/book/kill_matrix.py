"""`{kill-matrix}`: which mistake loses which points, from `kill_matrix.json` beside the page."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from course_lib.chapters import left_out
from course_lib.teaching.book.sources import beside, chapters, render


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
            left = left_out(Path(self.env.srcdir))
            stored = [entry for entry in stored if entry["assignment"] not in left]
            titles = {name: said for name, (said, _) in chapters(self.env).items()}
            rows = [
                (
                    entry["assignment"],
                    _title(entry["assignment"], titles),
                    len(entry["tasks"]),
                    sum(map(_counts, entry["tasks"]), Counter()),
                )
                for entry in stored
            ]
            summary = render("kill_matrix_summary.html", rows=rows)
            return [summary, *(self._section(entry, titles) for entry in stored)]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ExtensionError(
                f"{path.name} cannot be read ({type(error).__name__}: {error}). "
                "Make it anew: course mutants --all --store"
            ) from error

    def _section(self, entry: dict[str, Any], titles: dict[str, str]) -> nodes.section:
        name = entry["assignment"]
        section = nodes.section(ids=[f"matrix-{name}"], names=[name])
        section += nodes.title("", _title(name, titles))
        tasks = [(task, _counts(task)) for task in entry["tasks"]]
        section += render("kill_matrix_tasks.html", tasks=tasks, assignment=name)
        self.state.document.note_explicit_target(section, section)
        return section


def _title(name: str, titles: dict[str, str]) -> str:
    """Return the title of an assignment: that of its chapter, or its own name, with its number."""
    number, _, words = name.partition("_")
    return f"{int(number)}. {titles.get(name, f'The {words}')}"


def _counts(task: dict[str, Any]) -> Counter[str]:
    """Return how many checks, mistakes, killed ones, right answers, and those alive, a task has."""
    mutants = [bool(row["lost"]) for row in task["rows"] if row["kind"] == "mutant"]
    right = [not row["lost"] for row in task["rows"] if row["kind"] in ("reference", "alternative")]
    return Counter(
        checks=len(task["checks"]),
        mutants=len(mutants),
        killed=sum(mutants),
        right=len(right),
        alive=sum(right),
    )
