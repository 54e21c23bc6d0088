"""Reads what a student hands in, and fits it to the notebook that was released."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from course_lib.grading.cells import CHECK, LARGEST, OPEN, locked, marks
from course_lib.grading.errors import Refusal
from course_lib.grading.trial.earlier import Release, digest, release_of

NEW: dict[str, Callable[..., NotebookNode]] = {
    "code": new_code_cell,
    "markdown": new_markdown_cell,
    "raw": new_raw_cell,
}


def content(path: Path) -> bytes:
    """Return the bytes of a file that was handed in.

    Raises:
        Refusal: it is no file, or far too large.
    """
    if path.is_symlink() or not path.is_file():
        raise Refusal(f"{path.name or path} is not a file")
    if path.stat().st_size > LARGEST:
        raise Refusal(f"{path.name} is larger than {LARGEST >> 20} MB; clear its outputs")
    return path.read_bytes()


def read(path: Path) -> NotebookNode:
    """Return the notebook of a file that anybody may have written; see `parse`."""
    return parse(content(path), path.name)


def parse(given_bytes: bytes, name: str) -> NotebookNode:
    """Return a notebook that anybody may have written: sources, ids, claims, no more.

    Raises:
        Refusal: it is no notebook, and why; it is called by its name.
    """
    no = f"{name} is not a notebook"
    try:
        with warnings.catch_warnings(action="ignore"):  # nbformat's, about ids
            given = nbformat.reads(given_bytes.decode(), as_version=4)["cells"]
        cells = [NEW[cell["cell_type"]](str(cell["source"])) for cell in given]
        for cell, old in zip(cells, given, strict=True):
            cell.id, claim = str(old.get("id")), old.get("metadata", {}).get("nbgrader")
            cell.metadata["claim"] = str(claim.get("grade_id")) if isinstance(claim, dict) else ""
            cell.source.encode()
    except UnicodeDecodeError:
        raise Refusal(f"{no}: it is not text in UTF-8") from None
    except UnicodeEncodeError:
        raise Refusal(f"{no}: a cell holds half a character (a lone surrogate)") from None
    except (json.JSONDecodeError, nbformat.reader.NotJSONError):
        raise Refusal(f"{no}: it is not JSON, or only a part") from None
    except Exception:  # nbformat raises many kinds, for many kinds of nonsense
        raise Refusal(f"{no}: its JSON does not hold a notebook's cells") from None
    book: NotebookNode = new_notebook(cells=cells)
    return book


@dataclass
class Step:
    """A cell of the notebook to run; with a task, the place where this task is marked instead.

    runs: False for a cell of the open part, which is for a person to read.
    """

    cell: NotebookNode
    task: str = ""
    runs: bool = True


@dataclass
class Fitted:
    """A submission in the order in which it runs; `notes` say where it differs from the release."""

    steps: list[Step]
    notes: list[str] = field(default_factory=list)

    @property
    def notebook(self) -> NotebookNode:
        """The notebook as graded, with nbgrader's metadata as released."""
        book: NotebookNode = new_notebook(cells=[step.cell for step in self.steps])
        return book


Named = list[tuple[str, NotebookNode]]  # the name of the released cell, or "", and the cell


def fit(submitted: NotebookNode, released: NotebookNode, earlier: Sequence[Release] = ()) -> Fitted:
    """Put the student's cells and the released ones together.

    earlier: what is kept of earlier releases. The student had today's, or that of them which fits
    best: what stands as it stood there is unedited, and what was not there is not missing.

    Of the student's metadata nothing counts but which released cell a cell claims to be (its
    grade_id, or its id if that is lost). Locked cells are as released; a student's edit of one runs
    too, as a cell of its own. Check cells do not run: their place says when a task is marked, which
    is never before its solution cell. Nor do the cells of the open part, where the course's library
    may be used: what stands below the cell `OPEN` and defines no task's function.
    """
    official = {marks(cell).get("grade_id", cell.id): cell for cell in released.cells}
    notes: list[str] = []
    had = _had(submitted, official, [release_of(released), *earlier])
    cells = _recognise(submitted, official, had, notes)
    names = [key for key, _ in cells]
    # Where a student has lost that cell nobody knows what is below it: everything runs.
    free = {id(cell) for _, cell in cells[names.index(OPEN) :]} if OPEN in names else set()
    _put_back(cells, official, had, notes)
    for key in [key for key, _ in cells if key.startswith(CHECK)]:
        names = [name for name, _ in cells]
        check, task = names.index(key), key.removeprefix(CHECK)
        if task in names and names.index(task) > check:
            cells.insert(names.index(task), cells.pop(check))
    steps = []
    for number, (key, old) in enumerate(cells):
        cell = nbformat.from_dict({**old, "id": f"cell-{number}"})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        runs = id(old) not in free or _defines_a_task(old.source, official)
        steps.append(Step(cell, key.removeprefix(CHECK) if key.startswith(CHECK) else "", runs))
    return Fitted(steps, notes)


def _defines_a_task(source: str, official: dict[str, NotebookNode]) -> bool:
    tasks = [key.removeprefix(CHECK) for key in official if key.startswith(CHECK)]
    return any(re.search(rf"^(def|class) {re.escape(task)}\b", source, re.M) for task in tasks)


def _keys(submitted: NotebookNode, official: dict[str, NotebookNode]) -> list[str]:
    """Return which released cell each cell claims to be, "" if none."""
    by_id = {cell.id: key for key, cell in official.items()}
    claims = ((cell.metadata.get("claim"), cell.id) for cell in submitted.cells)
    return [str(claim) if claim in official else by_id.get(name, "") for claim, name in claims]


def _had(
    submitted: NotebookNode, official: dict[str, NotebookNode], releases: list[Release]
) -> Release:
    """Return the release that a student most likely had.

    Most cells stand as they stood in it, and it had no others, or the fewest.
    """
    sources = (digest(cell.source) for cell in submitted.cells)
    stand = list(zip(_keys(submitted, official), sources, strict=True))

    def likeness(release: Release) -> tuple[int, int]:
        return sum(release.get(key) == said for key, said in stand if key), -len(release)

    return max(releases, key=likeness)


def _recognise(
    submitted: NotebookNode,
    official: dict[str, NotebookNode],
    had: Release,
    notes: list[str],
) -> Named:
    """Name the student's cells; each name is given once. Locked ones become as released."""
    cells: Named = []
    seen: set[str] = set()
    for cell, key in zip(submitted.cells, _keys(submitted, official), strict=True):
        del cell.metadata["claim"]
        if key in seen:
            note = f"there is a second cell {key}: it ran as an ordinary cell"
            notes += [note] * (note not in notes)
            key = ""
        if not key or official[key].cell_type != cell.cell_type:
            cells.append(("", cell))
            continue
        seen.add(key)
        if not locked(official[key]):
            cell.metadata = official[key].metadata
            cells.append((key, cell))
        elif cell.source.strip() == official[key].source.strip():
            cells.append((key, official[key]))
        elif had.get(key) == digest(cell.source):  # it runs as it was released then
            cell.metadata = official[key].metadata
            cells.append((key, cell))
        else:
            notes.append(f"the locked cell {key} was edited: it was put back, and the edit ran too")
            both: Named = [(key, official[key]), ("", cell)]
            cells += reversed(both) if key.startswith(CHECK) else both
    return cells


def _put_back(
    cells: Named, official: dict[str, NotebookNode], had: Release, notes: list[str]
) -> None:
    """Insert the locked and graded cells that are missing; a missing solution is only noted.

    (The student's function may be in a cell that lost its name: the stub must not replace it.)
    """
    order = list(official)
    for place, (key, cell) in enumerate(official.items()):
        after = {name: number for number, (name, _) in enumerate(cells, 1)}
        if key in after:
            continue
        graded = marks(cell).get("grade")
        if not (locked(cell) or graded):
            if key in had and marks(cell).get("solution"):
                notes.append(f"the cell {key} is missing, or has lost its name")
            continue
        if key in had and (cell.cell_type == "code" or graded):
            notes.append(f"the cell {key} is missing: it was put back")
        before = [after[k] for k in order[:place] if k in after]
        if graded and order[place - 1] not in after:  # nothing says where: at the end
            before = [len(cells)]
        cells.insert(max(before, default=0), (key, cell))
