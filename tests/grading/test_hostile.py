"""Every notebook gets the score it deserves, and nothing outside the jail changes."""

from __future__ import annotations

from dataclasses import replace

import nbformat
import pytest

from course_lib.grading.assignment import Assignment
from course_lib.grading.jail import Limits
from course_lib.grading.marking import report
from course_lib.grading.run import Grader
from tests.grading import trial
from tests.grading.hostile import CASES, notebook

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def grader(tmp_path_factory):
    assignment = Assignment(trial.make(tmp_path_factory.mktemp("course")), trial.NAME)
    assignment.limits = Limits(256, files_mb=32, output_mb=5)
    return Grader(assignment, tmp_path_factory.mktemp("out"))


@pytest.mark.parametrize("name", CASES)
def test_score(name, grader, tmp_path):
    case = CASES[name]
    path = tmp_path / "ada.ipynb"
    nbformat.write(notebook(grader.released, case), path)
    grader.assignment.limits = replace(grader.assignment.limits, cell_s=case.cell_s)
    before = path.read_bytes()
    verdict, book = grader.verdict("ada", path)
    said = "\n".join([*map(report, verdict["tasks"]), *verdict["notes"], verdict["why"]])
    assert verdict["status"] == "graded", said
    assert tuple(task["points"] for task in verdict["tasks"]) == case.scores, said
    assert case.words in said, said
    assert "CONNECTED" not in said and "RESOLVED" not in said, said
    assert path.read_bytes() == before
    outputs = [c.outputs for c in nbformat.reads(book, 4).cells if c.cell_type == "code"]
    assert "<script>" not in str(outputs) and "\x1b" not in str(outputs)
    assert "\x1b" not in said
