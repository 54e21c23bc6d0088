"""What others may read is for the grader to decide, not for the umask of its shell."""

from __future__ import annotations

import os
import warnings

import nbformat
import pytest

from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.jail.limits import Limits
from course_lib.grading.jail.walls import Jail
from course_lib.grading.trial import worker
from tests.grading import example

pytestmark = pytest.mark.slow

# A room that it needs, and the file by which the kernel was told where to listen.
FIRST = (
    "import os, ipykernel\nfrom course_lib.teaching import interval\n"
    "os.environ['KERNEL'] = ipykernel.get_connection_file()\n"
)
# Right, and it reads all that a jail shows of the grader's own files.
NEEDY = example.GOOD.replace(
    "    ### BEGIN SOLUTION\n",
    "    from course_lib.grading import check\n"
    "    assert open('data.csv').read() == '1,2'\n"
    "    assert os.umask(0o022) == 0o022\n"
    "    assert open(os.environ['KERNEL']).read()\n",
)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077], ids=oct)
@pytest.mark.parametrize("warmth", ["cold", "warm"])
def test_a_right_solution_has_all_points_under_every_umask(umask, warmth, tmp_path, monkeypatch):
    before = os.umask(umask)
    try:
        exercises = example.make(
            tmp_path / "course", spec=example.SPEC + '\nNEEDS = ["teaching"]\n'
        )
        (exercises / "source" / example.NAME / "data.csv").write_text("1,2")
        assignment = Assignment(exercises, example.NAME)
        assignment.limits = Limits(1024, processes=40, files_mb=32)
        book = example.answered(assignment.student_notebook, keep=FIRST + NEEDY)
        if warmth == "cold":
            monkeypatch.setattr(Jail, "start_forkserver", Jail.start)  # no jail within a jail
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            paper = assignment.paper(assignment.materials(7))
            found, _ = worker.grade(paper, nbformat.writes(book).encode(), "ada.ipynb")
    finally:
        os.umask(before)
        worker._here.clear()
    assert [task.points for task in found.tasks] == [5, 2], str(found)
    cold = [str(w.message) for w in warned if "start cold" in str(w.message)]
    assert len(cold) == (warmth == "cold") and not any("ended" in why for why in cold), cold
