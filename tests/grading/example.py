"""A small assignment of two tasks, on which grading is tried: a spec, mutants, and a source notebook."""

# ruff: noqa: E501
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_lib.grading import cells
from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.errors import Refusal
from course_lib.grading.grades.batch import blank
from course_lib.grading.intake.collect import Handed
from course_lib.grading.jail.walls import ready
from course_lib.grading.trial import submission, worker
from course_lib.grading.verdict import Verdict

NAME = "00_trial"

GOOD = '''def keep(weights, k):
    """Return a boolean array: True for the k entries of largest magnitude, ties by index."""
    ### BEGIN SOLUTION
    if not 0 <= k <= len(weights):
        raise ValueError("k")
    order = np.argsort(-np.abs(weights), kind="stable")
    mask = np.zeros(len(weights), dtype=bool)
    mask[order[:k]] = True
    return mask
    ### END SOLUTION
'''

SPLIT = '''def split(total):
    """Return two different positive numbers whose sum is total."""
    ### BEGIN SOLUTION
    return total / 3, 2 * total / 3
    ### END SOLUTION
'''

SPEC = """
from course_lib.grading import Check, Task


def distinct(rng):
    return [((rng.permutation(n) + 0.5) * rng.choice([-1, 1], n), int(rng.integers(1, n))) for n in (2, 3, 5, 8, 13)]


def ties(rng):
    out = []
    for n in (3, 4, 6, 12):
        w = rng.choice([-2.0, 2.0], n)
        w[rng.permutation(n)[: n // 3]] = 0.5
        out.append((w, int(rng.integers(1, n - n // 3))))
    return out


def limits(rng):
    w = rng.standard_normal(5)
    return [(w, 0), (w, 5), (w, -1), (w, 6)]


def sums(inputs, answer):
    (total,), (a, b) = inputs, answer
    if a == b:
        return "the two numbers are the same"
    if min(a, b) <= 0:
        return "a number is not positive"
    return "" if abs(a + b - total) < 1e-9 else f"the sum is {a + b}"


TASKS = [
    Task("keep", [
        Check("distinct", "keeps the k entries of largest magnitude", 2, distinct, visible=True, seconds=1),
        Check("ties", "of equal magnitudes keeps the first, k in all", 1, ties, seconds=1),
        Check("limits", "k = 0 and k = n work, other k raise ValueError", 0.5, limits, seconds=1),
        Check("type", "returns a boolean array", 0.5, distinct, types=True, seconds=1),
        Check("unchanged", "leaves the weights as they were", 1, distinct, unchanged=True, seconds=1),
    ]),
    Task("split", [
        Check("sum", "two different positive numbers with that sum", 2,
              lambda rng: [(float(t),) for t in rng.uniform(1, 9, 3)], visible=True, property=sums, seconds=1),
    ]),
]
"""

MUTANTS = """
import numpy as np

from course_lib.grading import alternative, mutant


@mutant("keep", "it compares signed values, not magnitudes", ["distinct", "ties", "type", "unchanged"])
def signed(weights, k):
    if not 0 <= k <= len(weights):
        raise ValueError("k")
    mask = np.zeros(len(weights), dtype=bool)
    mask[np.argsort(-weights, kind="stable")[:k]] = True
    return mask


@mutant("keep", "it keeps every entry that ties with the k-th", ["ties"])
def keeps_ties(weights, k):
    if not 0 <= k <= len(weights):
        raise ValueError("k")
    if k == 0:
        return np.zeros(len(weights), dtype=bool)
    return np.abs(weights) >= np.sort(np.abs(weights))[::-1][k - 1]


@mutant("keep", "it returns a list, not an array", ["type"])
def as_list(weights, k):
    if not 0 <= k <= len(weights):
        raise ValueError("k")
    best = np.argsort(-np.abs(weights), kind="stable")[:k]
    return [i in best for i in range(len(weights))]


@mutant("keep", "it takes the magnitudes in place", ["unchanged"])
def in_place(weights, k):
    if not 0 <= k <= len(weights):
        raise ValueError("k")
    np.abs(weights, out=weights)
    mask = np.zeros(len(weights), dtype=bool)
    mask[np.argsort(-weights, kind="stable")[:k]] = True
    return mask


@mutant("keep", "it lets a k pass that is out of range", ["limits"])
def unchecked(weights, k):
    mask = np.zeros(len(weights), dtype=bool)
    mask[np.argsort(-np.abs(weights), kind="stable")[:k]] = True
    return mask


@alternative("keep")
def one_by_one(weights, k):
    if not 0 <= k <= len(weights):
        raise ValueError(k)
    size, mask = np.abs(weights), np.zeros(len(weights), dtype=bool)
    for _ in range(k):
        mask[np.argmax(np.where(mask, -1, size))] = True
    return mask


@alternative("keep")
def by_sorting(weights, k):
    if k not in range(len(weights) + 1):
        raise ValueError(k)
    best = sorted(range(len(weights)), key=lambda i: (-abs(weights[i]), i))[:k]
    return np.array([i in best for i in range(len(weights))], dtype=bool)


@mutant("split", "it halves the total", ["sum"])
def halves(total):
    return total / 2, total / 2


@mutant("split", "it lets one of the numbers be negative", ["sum"])
def negative(total):
    return 2 * total, -total


@mutant("split", "it forgets the total", ["sum"])
def constant(total):
    return 1.0, 2.0


@alternative("split")
def as_array(total):
    return np.array([0.9, 0.1]) * total


@alternative("split")
def quarter(total):
    return [total / 4, total - total / 4]
"""


def meta(grade_id, **kw):
    mark = {"grade": False, "solution": False, "locked": True, "task": False, "schema_version": 3}
    return {"nbgrader": {**mark, "grade_id": grade_id, **kw}}


def source():
    return new_notebook(
        cells=[
            new_markdown_cell("# A trial", metadata=meta("intro")),
            new_code_cell("import numpy as np", metadata=meta("imports")),
            new_code_cell(GOOD, metadata=meta("keep", solution=True, locked=False)),
            new_code_cell(
                'from course_lib.grading import check\n\ncheck("keep")',
                metadata=meta("check_keep", grade=True, points=5),
            ),
            new_code_cell("np.array([1.0, -3.0, 2.0])"),
            new_code_cell(SPLIT, metadata=meta("split", solution=True, locked=False)),
            new_code_cell('check("split")', metadata=meta("check_split", grade=True, points=2)),
            new_markdown_cell("Why?", metadata=meta("question")),
            new_markdown_cell(
                "### BEGIN SOLUTION\nBecause.\n### END SOLUTION",
                metadata=meta("written", grade=True, solution=True, locked=False, points=3),
            ),
        ]
    )


def make(root: Path, spec: str = SPEC, mutants: str = MUTANTS, book=None) -> Path:
    """Write the assignment as a course has it; return the folder `exercises`."""
    exercises = root / "exercises"
    (root / "notebooks").mkdir(parents=True, exist_ok=True)  # by these two a course is known
    (root / "_toc.yml").touch()
    for folder in (f"source/{NAME}", "specs", "mutants"):
        (exercises / folder).mkdir(parents=True, exist_ok=True)
    nbformat.write(book or source(), exercises / "source" / NAME / f"{NAME}.ipynb")
    (exercises / "specs" / f"{NAME}.py").write_text(spec)
    (exercises / "mutants" / f"{NAME}.py").write_text(mutants)
    return exercises


def answered(released, **answers):
    """Return the released notebook with these sources in its solution cells; the others right."""
    sources = {"keep": GOOD, "split": SPLIT, "written": "Because it is so.", **answers}
    return cells.answered(released, sources)


def cell(book, key):
    """Return the number of the cell called key."""
    return [c.metadata.get("nbgrader", {}).get("grade_id") for c in book.cells].index(key)


class Grader:
    """Grades single submissions of an assignment here and now; stores nothing.

    out: the folder of the grades, for whoever asks. The inputs are drawn once, the same for all.
    """

    def __init__(self, assignment: Assignment, out: Path) -> None:
        ready()
        self.assignment, self.out, self.seed = assignment, out, 7
        self.released = assignment.student_notebook
        self.materials = assignment.materials(self.seed)

    def verdict(self, student: str, path: Path) -> tuple[Verdict, bytes]:
        """The verdict as `run` makes it, and the notebook as graded."""
        empty = blank(self.assignment, Handed(student, path), self.seed)
        try:
            content = submission.content(path)
        except Refusal as problem:
            return replace(empty, why=str(problem)), b""
        paper = self.assignment.paper(self.materials)
        found, book = worker.grade(paper, content, path.name)
        return replace(empty, **vars(found)), book
