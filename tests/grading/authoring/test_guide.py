"""The task that the instructor's guide writes works as it is printed there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.grading.authoring import kill_matrix as mutants
from course_lib.grading.authoring import release
from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.errors import Refusal
from course_lib.grading.intake.names import notebook

PAGE = Path(__file__).parents[3] / "book" / "instructor" / "tasks.md"
NAME = "16_share"


@pytest.fixture
def exercises(tmp_path):
    """A course with what the page says to write into it."""
    blocks = re.findall(
        r"```{code-block} python\n:caption: (\S+)\n\n(.*?)```", PAGE.read_text(), re.S
    )
    assert len(blocks) == 3
    for name, code in blocks:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    subprocess.run([sys.executable, "make_share.py"], cwd=tmp_path, check=True)
    return tmp_path / "exercises"


def printed():
    """The matrix on the page: {version: the marks in its row}."""
    block = PAGE.read_text().partition(f"```text\n{NAME}\n")[2].partition("```")[0]
    rows = [re.fullmatch(r"  (.+?) {2,}([x. ]+?)( {2,}yes)?", x) for x in block.splitlines()[1:]]
    return {row[1].split()[-1]: row[2].split() for row in rows}


def test_its_matrix_is_the_one_on_the_page(exercises):
    assignment = Assignment(exercises, NAME)
    assert mutants.proof(exercises, NAME, range(10)) == []
    (task,) = mutants.described(assignment)
    assert list(mutants.gaps(assignment, assignment.tasks[0])) == []
    ids = [check["id"] for check in task["checks"]]
    marks = {r["key"]: ["x" if i in r["lost"] else "." for i in ids] for r in task["rows"]}
    assert printed() == marks


def test_it_can_be_released(exercises):
    assignment = Assignment(exercises, NAME)
    assert release.release(assignment) == [notebook(NAME), "kept_share.check.json"]
    given = (assignment.released / notebook(NAME)).read_text()
    assert "raise NotImplementedError" in given and "mask.mean()" not in given


def test_a_wrong_thought_is_told_as_on_the_page(exercises):
    path = exercises / "mutants" / f"{NAME}.py"
    path.write_text(path.read_text().replace('loses=["matrix"]', 'loses=["flat", "matrix"]'))
    with pytest.raises(Refusal) as refused:
        Assignment(exercises, NAME).materials(0)
    assert f"DEVIATION {refused.value}" in PAGE.read_text()
