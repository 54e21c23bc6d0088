"""What a student can know before handing in: is the notebook whole, do visible checks pass?"""

from __future__ import annotations

import ast
import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from course_lib.grading import submission
from course_lib.grading.assignment import defined, rooms
from course_lib.grading.jail import Kernel, KernelLost, Limits
from course_lib.grading.judge import judge
from course_lib.grading.tasks import Refusal


@dataclass
class Finding:
    """What the pre-check found: problems as sentences, and the results of the visible checks."""

    assignment: str
    problems: list[str]
    results: list[dict[str, Any]]

    @property
    def good(self) -> bool:
        """Is there nothing to mend?"""
        return not self.problems and all(r["points"] == r["total"] for r in self.results)


def precheck(path: Path, releases: Path) -> Finding:
    """Check a notebook against its release, then run it in a new kernel, with no jail.

    Raises:
        Refusal: it is no notebook, or of no released assignment.
    """
    submitted = submission.read(path)
    name = _assignment(path, releases)
    released = nbformat.read(releases / name / f"{name}.ipynb", as_version=4)
    files = sorted((releases / name).glob("*.check.json"))
    materials = {m["name"]: m for m in (json.loads(f.read_text(encoding="utf-8")) for f in files)}
    needs = next(iter(materials.values()))["needs"] if materials else []
    beside = (p for p in (releases / name).iterdir() if p.is_file())  # JupyterLab makes folders
    data = [p for p in beside if p not in files and p.suffix != ".ipynb"]
    fitted = submission.fit(submitted, released)
    problems = [*fitted.notes, *_problems(fitted, materials, needs)]
    try:
        trial = judge(fitted.steps, materials, partial(Kernel, Limits(), data, needs, jailed=False))
    except KernelLost as error:
        raise Refusal(f"no kernel started here ({error}); try `course doctor`") from error
    order = [step.task for step in fitted.steps if step.task]
    return Finding(name, problems + trial.notes, [trial.results[task] for task in order])


def _assignment(path: Path, releases: Path) -> str:
    """Return the assignment of a notebook: what it says itself, else what its file is called."""
    known = sorted(p.parent.name for p in releases.glob("*/*.ipynb"))
    try:
        said = json.loads(path.read_text(encoding="utf-8"))["metadata"]["course"]["assignment"]
    except (ValueError, LookupError, TypeError):
        said = None
    for name in (said, path.stem, path.resolve().parent.name):
        if name in known:
            return name
    raise Refusal(
        f"{path.name} belongs to no released assignment. Give it the name of its assignment: "
        f"{', '.join(f'{k}.ipynb' for k in known) or 'none is released here'}."
    )


def _problems(
    fitted: submission.Fitted, materials: dict[str, Any], needs: list[str]
) -> Iterator[str]:
    names: set[str] = set()
    for step in fitted.steps:
        cell = step.cell
        if cell.cell_type != "code" or not step.runs:
            continue
        where = f"the cell that begins {next(iter(cell.source.strip().splitlines()), '')[:40]!r}"
        source = TransformerManager().transform_cell(cell.source)
        try:
            ast.parse(source)
        except SyntaxError as error:
            yield f"{where} is not Python: {error.msg} (line {error.lineno} of the cell)"
            names |= set(re.findall(r"def (\w+)", source))
        names |= defined(source)
        for room in sorted(rooms(source) - {"grading", *needs}):
            yield f"{where} imports course_lib.{room}, which cannot be imported in grading"
    for task in materials:
        if task not in names:
            close = difflib.get_close_matches(task, names - set(materials), 1, 0.5)
            hint = f" (is it {close[0]}, renamed?)" if close else ""
            yield f"no cell defines {task}{hint}: keep the name as it was given"
    for cell in fitted.notebook.cells:
        # The release may be this very file, written in: what it says now tells nothing.
        if _written(cell) and cell.source.strip() in ("", submission.ASKED):
            yield f"the written answer {cell.metadata.nbgrader.grade_id} is still empty"


def _written(cell: NotebookNode) -> bool:
    mark = cell.metadata.get("nbgrader", {})
    return bool(mark.get("grade") and mark.get("solution"))
