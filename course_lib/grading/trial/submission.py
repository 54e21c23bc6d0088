"""Reads what a student hands in, and fits it to the notebook that was released."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from course_lib.grading.cells import CHECK, LARGEST, OPEN, locked, marks
from course_lib.grading.errors import Refusal, clean
from course_lib.grading.trial.earlier import Release, digest, digests, release_of

NEW: dict[str, Callable[..., NotebookNode]] = {
    "code": new_code_cell,
    "markdown": new_markdown_cell,
    "raw": new_raw_cell,
}
# What is read of a notebook; nothing else is kept, for it may be of any size.
READ = {"cells", "cell_type", "source", "id", "metadata", "nbgrader", "grade_id", "tags", "course"}
READ |= {"assignment", "nbformat"}
# A magic that measures a cell or hides what it prints. What stands below is run without it, once.
MEASURES = re.compile(r"\A(\s*)(?=%%(time|timeit|capture(?! +\w)|prun|memit|mprun|lprun)\b)")


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
    """Return a notebook that anybody may have written: sources, ids, claims, whose it says it is.

    Of what editors and systems add nothing stays: byte order marks, line ends of other systems.
    metadata: its `assignment`, or ""; `chapter`: is it one of the book?

    Raises:
        Refusal: it is no notebook, and why; it is called by its name.
    """
    no = f"{name} is not a notebook"
    try:
        given = json.loads(given_bytes.decode("utf-8-sig"), object_hook=_kept)
        if given.get("nbformat") in (1, 2, 3):
            raise Refusal(f"{name} has a format of before 2015; save it in JupyterLab")
        cells = [NEW[cell["cell_type"]](_source(cell)) for cell in given["cells"]]
        book: NotebookNode = new_notebook(cells=cells, metadata={"chapter": False})
        for cell, old in zip(cells, given["cells"], strict=True):
            meta = old.get("metadata") or {}
            cell.id, claim = str(old.get("id", cell.id)), meta.get("nbgrader")
            cell.metadata["claim"] = str(claim.get("grade_id")) if isinstance(claim, dict) else ""
            cell.source.encode()
            tags = meta.get("tags")
            book.metadata.chapter |= isinstance(tags, list) and "evidence" in tags
        course = (given.get("metadata") or {}).get("course")
        said = course.get("assignment") if isinstance(course, dict) else ""
        book.metadata["assignment"] = said if isinstance(said, str) else ""
    except Refusal:
        raise
    except UnicodeDecodeError:
        raise Refusal(f"{no}: it is not text in UTF-8") from None
    except UnicodeEncodeError:
        raise Refusal(f"{no}: a cell holds half a character (a lone surrogate)") from None
    except json.JSONDecodeError:
        raise Refusal(f"{no}: it is not JSON, or only a part") from None
    except Exception:  # there are many kinds of nonsense
        raise Refusal(f"{no}: its JSON does not hold a notebook's cells") from None
    return book


def _kept(node: dict[str, Any]) -> dict[str, Any] | None:
    """Return what is read of a part of a notebook; None where that is nothing."""
    return {key: node[key] for key in READ & node.keys()} or None


def _source(cell: dict[str, Any]) -> str:
    """Return the source of a cell with the line ends of Python, and no magic that measures it."""
    source = "".join(cell["source"]).replace("\r\n", "\n").replace("\r", "\n")
    return MEASURES.sub(r"\1# ", source) if cell["cell_type"] == "code" else source


def misplaced(submitted: NotebookNode, released: NotebookNode, name: str) -> str:
    """Return what a notebook is that was not made from the release of `name`; "" if it was.

    It was if it holds more of these tasks (their cells, or their functions) than of any others.
    Where it says itself that it is another's it must hold all of them.
    """
    keys = {marks(cell).get("grade_id", "") for cell in released.cells}
    tasks = {key.removeprefix(CHECK) for key in keys if key.startswith(CHECK)}
    claims = {claim for cell in submitted.cells for claim in (cell.metadata.claim, cell.id)}
    here = {task for task in tasks if {task, CHECK + task} & claims}
    others = {claim for claim in claims if claim.startswith(CHECK)} - keys
    if here or not submitted.metadata.chapter:
        here |= {t for t in tasks if any(_defines(t, cell.source) for cell in submitted.cells)}
    said = clean(submitted.metadata.assignment, 80)
    if here == tasks or (said in ("", name) and len(here) > len(others)):
        return ""
    if said not in ("", name):
        return f"is the notebook of {said}"
    if submitted.metadata.chapter:
        lines = [line for cell in submitted.cells for line in cell.source.splitlines()]
        title = next((clean(line[2:], 80) for line in lines if line.startswith("# ")), "")
        return f"is a chapter, {title!r}, which is read and not handed in"
    if not any(cell.source.strip() for cell in submitted.cells):
        return "is empty: nothing was written"
    if others:
        return f"has the tasks of another assignment ({clean(', '.join(sorted(others)), 80)})"
    return f"holds nothing of the assignment {name}: no cell of a task, and none of its functions"


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
    """A submission in the order in which it runs; `notes` say where it differs from the release.

    had: which release the student most likely had.
    """

    steps: list[Step]
    notes: list[str] = field(default_factory=list)
    had: Release = field(default_factory=dict)

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
    return Fitted(steps, notes, had)


def _defines_a_task(source: str, official: dict[str, NotebookNode]) -> bool:
    return any(
        _defines(key.removeprefix(CHECK), source) for key in official if key.startswith(CHECK)
    )


def _defines(task: str, source: str) -> bool:
    return bool(re.search(rf"^(def|class) {re.escape(task)}\b", source, re.M))


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
    said = (digests(cell.source) for cell in submitted.cells)
    stand = list(zip(_keys(submitted, official), said, strict=True))

    def likeness(release: Release) -> tuple[int, int]:
        return sum(release.get(key) in said for key, said in stand if key), -len(release)

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
        elif digest(cell.source) == digest(_source(official[key])):
            cells.append((key, official[key]))
        elif had.get(key) in digests(cell.source):  # it runs as it was released then
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
