"""The course's own assignments are sound, and what is handed out is what their sources give.

No jail here: `course mutants` grades every version end to end.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.chapters import title
from course_lib.grading import check
from course_lib.grading.authoring import kill_matrix as mutants
from course_lib.grading.authoring import release
from course_lib.grading.authoring.assignment import Assignment, assignments
from course_lib.grading.authoring.tasks import prove
from course_lib.grading.intake.names import notebook

EXERCISES = Path(__file__).parents[3] / "exercises"
SEEDS = range(3)

each = pytest.mark.parametrize("name", assignments(EXERCISES))


@pytest.mark.slow
@each
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
def test_check_is_there_once_the_first_cell_has_run(name):
    first, *others = [c for c in Assignment(EXERCISES, name).source.cells if c.cell_type == "code"]
    names = {}
    exec(first.source, names)
    assert names["check"] is check
    assert not any("import check" in cell.source for cell in others)


def test_an_assignment_can_be_told_from_its_chapter():
    for name in assignments(EXERCISES):
        chapter = EXERCISES.parent / "notebooks" / f"{name}.ipynb"
        given = EXERCISES / "release" / name / notebook(name)
        # A tab of JupyterLab shows some 24 characters.
        assert given.name[:24] != chapter.name[:24]
        if chapter.is_file():
            assert title(given) != title(chapter)
            assert f"](../{given.relative_to(EXERCISES.parent)})" in chapter.read_text()


@each
def test_a_person_finds_a_guide_to_mark_the_written_answer(name):
    assignment = Assignment(EXERCISES, name)
    assert assignment.written
    for answer in assignment.written:
        (cell,) = [c for c in assignment.source.cells if c.get("id") == answer.name]
        assert "For the marker" in cell.source


@pytest.mark.slow
def test_all_that_is_graded_runs_with_numpy_alone():
    """Only the capstone's open part trains networks: a browser has no PyTorch."""
    lines = [
        "import sys; from pathlib import Path; sys.modules['torch'] = None",
        "from course_lib.grading.authoring.assignment import Assignment, assignments",
        f"exercises = Path({str(EXERCISES)!r})",
        "for name in assignments(exercises): assert Assignment(exercises, name).reference",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
