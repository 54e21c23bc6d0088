"""The page on which JupyterLab opens: what is here, and how far the assignments are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import nbformat

from course_lib.grading.submission import ASKED
from course_lib.teaching.evidence import title

PASSED = re.compile(r"^\w+: ([\d.]+) of ([\d.]+) points", re.MULTILINE)


@dataclass(frozen=True)
class Exercise:
    """A released assignment as it lies on this machine.

    Attributes:
        name: of the assignment.
        title: its first heading.
        tasks: how many functions it asks for.
        begun: how many of them are no longer the stub.
        passing: how many showed all points when their check was last run and saved.
        wordless: is an answer in words still to be written?
        due: the day by which to hand it in, if there is one.
    """

    name: str
    title: str
    tasks: int
    begun: int
    passing: int
    due: date | None
    wordless: bool = False

    @property
    def state(self) -> str:
        """How far it is, in words."""
        if self.passing == self.tasks:
            return "passes all visible checks" + "; the words are missing" * self.wordless
        if self.begun:
            return f"{self.passing} of {self.tasks} tasks pass"
        return "to begin"

    def due_words(self, today: date) -> str:
        """When it is due, seen from today."""
        if self.due is None:
            return "no date"
        days = (self.due - today).days
        when = f"{self.due.day} {self.due:%B}"
        if days < 0:
            return f"{when}, {-days} {'day' if days == -1 else 'days'} ago"
        return f"{when}, {['today', 'tomorrow'][days] if days < 2 else f'in {days} days'}"


def exercises(root: Path) -> list[Exercise]:
    """Return the released assignments; one that cannot be read counts as not begun."""
    folders = sorted((root / "exercises" / "release").glob("[0-9][0-9]_*"))
    return [read(path) for f in folders if (path := f / f"{f.name}.ipynb").is_file()]


def read(path: Path) -> Exercise:
    """Return the state of one assignment, from what its notebook holds on the disk."""
    try:
        nb = nbformat.read(path, as_version=4)
    except Exception:  # a student's own file may hold anything; the list is shown all the same
        return Exercise(path.stem, f"{path.stem} (cannot be read)", 1, 0, 0, None)
    marks = {cell.metadata.get("nbgrader", {}).get("grade_id", ""): cell for cell in nb.cells}
    tasks = [key.removeprefix("check_") for key in marks if key.startswith("check_")]
    begun = sum("NotImplementedError" not in marks[t].source for t in tasks if t in marks)
    passing = sum(_passes(marks[f"check_{task}"]) for task in tasks)
    said = nb.metadata.get("course", {}).get("due")
    due = date.fromisoformat(said) if said else None
    written = (c for c in marks.values() if c.cell_type == "markdown")
    wordless = any(cell.source.strip() in ("", ASKED) for cell in written)
    return Exercise(path.stem, title(path), len(tasks), begun, passing, due, wordless)


def _passes(cell: nbformat.NotebookNode) -> bool:
    said = "".join(output.get("text", "") for output in cell.get("outputs", []))
    found = PASSED.search(said)
    return bool(found and found[1] == found[2])


def books(root: Path) -> list[Path]:
    """Return the chapters, in order; JupyterLab opens on a course that has none yet, too."""
    return sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def start_page(root: Path, today: date) -> str:
    """Return the page in Markdown; its links lead from the root of the course."""
    links = (f"[{title(path)}](notebooks/{path.name})" for path in books(root))
    found = exercises(root)
    first = found[0].name if found else "01_sparse_approximation"
    work = "\n".join(
        f"| {int(e.name[:2])}. [{e.title}](exercises/release/{e.name}/{e.name}.ipynb) | {e.state} "
        f"| {e.due_words(today)} |"
        for e in found
    )
    return f"""# The Statue Within

Read a chapter, run it, change what you doubt. Then do its assignment. Everything runs on this
machine.

## Chapters

{chr(10).join(f"{number}. {link}" for number, link in enumerate(links, 1))}

**To begin**, open the first chapter and choose *Run > Run All Cells*. Cells that begin with
`live(` bring sliders that compute, once they have run. A name in brackets, such as (mirsky1960),
is a source; the book itself has the list.

## Assignments

| assignment | how far | due |
|---|---|---|
{work}

In an assignment, write your answer where the notebook says `raise NotImplementedError()` and run
the cell below it: the check names the mistake where it can. If a cell does not come back, press the
square at the top, which interrupts it. Save, and before you hand in, open a terminal (*File > New >
Terminal*) and let the whole notebook be checked as in grading:

    course check exercises/release/{first}/{first}.ipynb

To hand in, right-click the notebook in the list of files, choose *Download*, and give that file,
under its name, to your instructor. (`exercises/source` holds solutions, for those who study alone:
look afterwards.)

This page was made when JupyterLab started; start it again for the newest state, or ask in the
terminal: `course lab --list`.
"""


def write_start_page(root: Path) -> Path:
    """Write the page where JupyterLab opens it; return its place."""
    path = root / "start.md"
    path.write_text(start_page(root, date.today()), encoding="utf-8")
    return path


def as_text(root: Path) -> str:
    """Return the list of assignments for a terminal."""
    rows = [(e.name, e.state, e.due_words(date.today())) for e in exercises(root)]
    name, state = (max((len(row[i]) for row in rows), default=0) for i in (0, 1))
    return "\n".join(f"{row[0]:{name}}  {row[1]:{state}}  {row[2]}" for row in rows)
