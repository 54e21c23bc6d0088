"""The page on which JupyterLab opens: what is here, and how far the assignments are."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from string import Template
from typing import Any

import nbformat

from course_lib.chapters import chapters, course, left_out, title
from course_lib.grading.cells import ASKED
from course_lib.grading.errors import clean
from course_lib.grading.intake.names import notebook, released
from course_lib.grading.verdict import passed

PAGE = Path(__file__).with_name("start_page.md")


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
        due: the day by which to hand it in, or the words in the place of one, if there is any.
        file: what its notebook is called.
    """

    name: str
    title: str
    tasks: int
    begun: int
    passing: int
    due: date | str | None
    wordless: bool = False
    file: str = ""

    @property
    def state(self) -> str:
        """How far it is, in words."""
        if 0 < self.tasks == self.passing:
            return "passes all visible checks" + "; the words are missing" * self.wordless
        if self.begun:
            return f"{self.passing} of {self.tasks} tasks pass"
        return "to begin"

    def due_words(self, today: date) -> str:
        """When it is due, seen from today."""
        if self.due is None:
            return "no date"
        if isinstance(self.due, str):
            return self.due
        days = (self.due - today).days
        when = f"{self.due.day} {self.due:%B}"
        if days < 0:
            return f"{when}, {-days} {'day' if days == -1 else 'days'} ago"
        return f"{when}, {['today', 'tomorrow'][days] if days < 2 else f'in {days} days'}"


def exercises(root: Path) -> list[Exercise]:
    """Return the released assignments; one that cannot be read counts as not begun.

    Where the notebook of an earlier release lies there too, the one with more in it counts.
    """
    folders = sorted((root / "exercises" / "release").glob("[0-9][0-9]_*"))
    left = left_out(root)
    found = [[read(path) for path in released(f)] for f in folders if f.name not in left]
    return [max(each, key=lambda e: (e.passing, e.begun)) for each in found if each]


def read(path: Path) -> Exercise:
    """Return the state of one assignment, from what its notebook holds on the disk."""
    name = path.parent.name
    try:
        return _read(path)
    except Exception:  # a student's own file may hold anything; the list is shown all the same
        return Exercise(name, f"{name} (cannot be read)", 1, 0, 0, None, file=path.name)


def _read(path: Path) -> Exercise:
    nb = nbformat.read(path, as_version=4)
    marks = {_held(cell.metadata, "nbgrader").get("grade_id", ""): cell for cell in nb.cells}
    tasks = [key.removeprefix("check_") for key in marks if key.startswith("check_")]
    begun = sum("NotImplementedError" not in marks[t].source for t in tasks if t in marks)
    passing = sum(_passes(marks[f"check_{task}"]) for task in tasks)
    due = _day(_held(nb.metadata, "course").get("due"))
    written = (c for c in marks.values() if c.cell_type == "markdown")
    wordless = any(cell.source.strip() in ("", ASKED) for cell in written)
    name = path.parent.name
    return Exercise(name, title(path), len(tasks), begun, passing, due, wordless, path.name)


def _held(metadata: Any, key: str) -> dict[str, Any]:
    """Return the dictionary that metadata holds, or an empty one in the place of anything else."""
    held = metadata.get(key)
    return held if isinstance(held, dict) else {}


def _day(said: Any) -> date | str | None:
    """Return the day that a notebook says it is due, or its words if they are no date of ours."""
    if not isinstance(said, str | int):
        return None
    try:
        return datetime.fromisoformat(str(said)).date()
    except ValueError:
        return clean(said, 40).replace("|", "/").strip() or None


def _passes(cell: nbformat.NotebookNode) -> bool:
    said = "".join(str(output.get("text", "")) for output in cell.get("outputs", []))
    return passed(said)


def heading(path: Path) -> str:
    """Return the title of a chapter, or its name with a word if it cannot be read."""
    try:
        return title(path)
    except Exception:  # as above: a chapter of one's own may hold anything
        return f"{path.stem} (cannot be read)"


def start_page(root: Path, today: date) -> str:
    """Return the page in Markdown; its links lead from the root of the course."""
    links = [(int(p.name[:2]), f"[{heading(p)}](notebooks/{p.name})") for p in chapters(root)]
    in_order = [number for number, _ in links] == list(range(1, len(links) + 1))
    begin = "{}. {}" if in_order else "- {} · {}"  # Markdown would number a list with gaps anew
    found = exercises(root)
    name = "01_sparse_approximation"
    first = f"{found[0].name}/{found[0].file}" if found else f"{name}/{notebook(name)}"
    said = "(`exercises/source` holds solutions, for those who study alone: look afterwards.)"
    alone = said if (root / "exercises" / "source").is_dir() else ""
    work = "\n".join(
        f"| {int(e.name[:2])}. [{e.title}](exercises/release/{e.name}/{e.file}) | {e.state} "
        f"| {e.due_words(today)} |"
        for e in found
    )
    page = Template(PAGE.read_text(encoding="utf-8"))
    listed = "\n".join(begin.format(*link) for link in links)
    return page.substitute(
        course=course(root).name, chapters=listed, work=work, first=first, alone=alone
    )


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
