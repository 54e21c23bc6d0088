"""What a student can know before handing in: is the notebook whole, do visible checks pass?"""

from __future__ import annotations

import difflib
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from course_lib.grading.cells import defined, marks, not_python, rooms, unanswered
from course_lib.grading.errors import Refusal
from course_lib.grading.intake import names
from course_lib.grading.jail.kernel import Kernel, KernelLost
from course_lib.grading.jail.limits import Limits
from course_lib.grading.marking.values import Material
from course_lib.grading.trial import submission
from course_lib.grading.trial.judge import judge
from course_lib.grading.verdict import UNREACHED, TaskResult


@dataclass
class Finding:
    """What the pre-check found: problems as sentences, and the results of the visible checks.

    worth: the points of the whole assignment; words: those of them that a person gives.
    """

    assignment: str
    problems: list[str]
    results: list[TaskResult]
    worth: float = 0
    words: float = 0

    @property
    def good(self) -> bool:
        """Is there nothing to mend?"""
        return not self.problems and all(r.passed for r in self.results)


def precheck(path: Path, releases: Path) -> Finding:
    """Check a notebook against its release, then run it in a new kernel, with no jail.

    Raises:
        Refusal: it is no notebook, or of no released assignment.
    """
    submitted = submission.read(path)
    name = _assignment(path, releases)
    released = _released(releases / name)
    if what := submission.misplaced(submitted, released, name):
        raise Refusal(f"{path.name} {what}. What you hand in is {_place(releases / name)}.")
    files = sorted((releases / name).glob("*.check.json"))
    found: list[Material] = [json.loads(f.read_text(encoding="utf-8")) for f in files]
    materials = {m["name"]: m for m in found}
    needs = found[0]["needs"] if found else []
    beside = (p for p in (releases / name).iterdir() if p.is_file())  # JupyterLab makes folders
    data = [p for p in beside if p not in files and p.suffix != ".ipynb"]
    fitted = submission.fit(submitted, released)
    try:
        trial = judge(fitted.steps, materials, partial(Kernel, Limits(), data, needs, jailed=False))
    except KernelLost as error:
        raise Refusal(f"no kernel started here ({error}); try `course doctor`") from error
    problems = [*fitted.notes, *_problems(fitted, trial.results, needs), *trial.notes]
    order = [step.task for step in fitted.steps if step.task]
    graded = [m for cell in released.cells if (m := marks(cell)).get("grade")]
    worth = [(float(m.get("points", 0)), m.get("solution")) for m in graded]
    return Finding(
        name,
        problems,
        [trial.results[task] for task in order],
        sum(points for points, _ in worth),
        sum(points for points, by_hand in worth if by_hand),
    )


def meant(path: Path, releases: Path) -> Path:
    """Return the notebook that somebody names by its path, its assignment or its folder.

    An assignment is called by its number (`01`), as a chapter is, or by its name; what is meant is
    the released notebook, in which students write.

    Raises:
        Refusal: it is none of these.
    """
    if path.is_file():
        return path
    known = {p.name: p for p in sorted(releases.glob("*")) if names.released(p)}
    word = path.name if path == Path(path.name) and not path.exists() else ""
    for name, folder in known.items():
        number, place = name[:2], folder.resolve()
        if path.resolve() in (place, place / f"{name}.ipynb") or (  # as the file was called before
            word and (word in (number, number.lstrip("0")) or names.called(word, name))
        ):
            return names.released(folder)[0]
    what = "a folder" if path.is_dir() else "not a file"
    raise Refusal(
        f"{path} is {what}. Expected a notebook that you hand in, or an assignment of the course: "
        f"{', '.join(known) or 'none is released here'}."
    )


def _released(folder: Path) -> NotebookNode:
    try:
        with warnings.catch_warnings(action="ignore"):  # nbformat's, about ids
            text = names.released(folder)[0].read_text(encoding="utf-8-sig")
            book: NotebookNode = nbformat.reads(text, as_version=4)
    except Exception as error:  # nbformat raises many kinds, for many kinds of nonsense
        raise Refusal(
            f"the released notebook {_place(folder)} cannot be read ({type(error).__name__}). "
            "Bring it back: unpack the course again beside this one, and copy the file from there."
        ) from error
    return book


def _place(folder: Path) -> str:
    """Return where the notebook of a released folder lies, seen from the course."""
    return names.released(folder)[0].relative_to(folder.parents[2]).as_posix()


def _assignment(path: Path, releases: Path) -> str:
    """Return the assignment of a notebook: what it says itself, else what its file is called."""
    known = sorted(p.name for p in releases.glob("*") if names.released(p))
    try:
        said = json.loads(path.read_text(encoding="utf-8-sig"))["metadata"]["course"]["assignment"]
    except (ValueError, LookupError, TypeError):
        said = None
    if said in known:
        return str(said)
    if path.resolve().parent == (releases.parents[1] / "notebooks").resolve():
        own = f"Its assignment is {_place(releases / path.stem)}." if path.stem in known else ""
        raise Refusal(f"{path.name} is a chapter, which is read and not handed in. {own}".rstrip())
    for name in known:
        if names.copied(path.stem, name) or path.resolve().parent.name == name:
            return name
    raise Refusal(
        f"{path.name} belongs to no released assignment. Give it the name of its assignment: "
        f"{', '.join(map(names.notebook, known)) or 'none is released here'}."
    )


def _problems(
    fitted: submission.Fitted, results: Mapping[str, TaskResult], needs: list[str]
) -> Iterator[str]:
    found: set[str] = set()
    for step in fitted.steps:
        cell = step.cell
        if cell.cell_type != "code" or not step.runs:
            continue
        where = f"the cell that begins {next(iter(cell.source.strip().splitlines()), '')[:40]!r}"
        source = TransformerManager().transform_cell(cell.source)
        if why := not_python(cell.source):
            yield f"{where} is not Python: {why}"
            found |= set(re.findall(r"def (\w+)", source))
        found |= defined(source)
        for room in sorted(rooms(source) - {"grading", *needs}):
            yield f"{where} imports course_lib.{room}, which cannot be imported in grading"
    for task, result in results.items():
        if task not in found and not _known(result):
            close = difflib.get_close_matches(task, found.difference(results), 1, 0.5)
            hint = f" (is it {close[0]}, renamed?)" if close else ""
            yield f"no cell defines {task}{hint}: keep the name as it was given"
    # The release may be this very file, written in: what it says now tells nothing.
    for answer in unanswered(fitted.notebook):
        yield f"the written answer {answer} is still empty"


def _known(result: TaskResult) -> bool:
    """Was there a function to mark, wherever it was defined?"""
    missing = f"NameError: {result.name} is not defined"
    faults = [check.fault for check in result.checks]
    return not all(f and (f.silent.startswith(UNREACHED) or f.raised == missing) for f in faults)
