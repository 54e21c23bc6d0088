"""The course's own assignments are sound, and what is handed out is what their sources give.

No jail here: `course mutants` grades every version end to end.
"""

from pathlib import Path

import pytest

from course_lib.grading import mutants, release
from course_lib.grading.assignment import Assignment, assignments
from course_lib.grading.tasks import prove

EXERCISES = Path(__file__).parents[2] / "exercises"
SEEDS = range(3)

each = pytest.mark.parametrize("name", assignments(EXERCISES))


@pytest.mark.parametrize(
    "name",
    # The capstone trains networks; that takes the time of all others together.
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name == "15_capstone"))
        for name in assignments(EXERCISES)
    ],
)
def test_every_mistake_loses_its_points_and_nothing_right_does(name):
    assignment = Assignment(EXERCISES, name)
    for task in assignment.tasks:
        wrong, right = assignment.mutants(task.name), assignment.alternatives(task.name)
        assert list(mutants.gaps(assignment, task)) == []
        assert prove(task, assignment.reference[task.name], wrong, right, SEEDS) == []


@each
def test_the_release_is_made_from_the_source(name):
    assert list(release.differing(Assignment(EXERCISES, name))) == []


@each
def test_a_person_finds_a_guide_to_mark_the_written_answer(name):
    assignment = Assignment(EXERCISES, name)
    assert assignment.written
    for answer in assignment.written:
        (cell,) = [c for c in assignment.source.cells if c.get("id") == answer["name"]]
        assert "For the marker" in cell.source
