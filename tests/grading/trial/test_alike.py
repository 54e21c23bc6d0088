"""Who grades, under which umask, on how busy a machine, beside which threads: the same grades."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.authoring.kill_matrix import _notebook, rounds
from course_lib.grading.trial import worker
from tests.grading.jail.test_walls import by_a_normal_user

ROOT = Path(__file__).parents[3]
SEED, SPINNERS = 11, 8
FEW = {"01_sparse_approximation": 5, "04_thresholding": 3}  # the first two are right, and unwritten
MANY = {"01_sparse_approximation": 17, "02_saliency": 11, "04_thresholding": 12}
THREADS = """
import torch
torch.set_num_threads(2)
(torch.randn(1 << 20) + 1).exp().sum()
"""


def grades(few: dict[str, int], threads: bool = False) -> dict[str, object]:
    """Return all that a student reads of submissions right and wrong, graded here and now."""
    found = {}
    for name, number in few.items():
        assignment = Assignment(ROOT / "exercises", name)
        paper = assignment.paper(assignment.materials(SEED))
        for turn, versions in enumerate(rounds(assignment)[:number]):
            book = _notebook(assignment, versions)
            if threads:
                book.cells.insert(0, new_code_cell(THREADS))
            outcome, _ = worker.grade(paper, nbformat.writes(book).encode(), "ada.ipynb")
            tasks = [asdict(task) for task in outcome.tasks]
            found[f"{name} {turn}"] = [outcome.status, outcome.points, tasks, outcome.notes]
    worker._here.clear()
    return json.loads(json.dumps(found))


@contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def load(number):
    """So many processes that burn processor time, each in a session of its own."""
    with ExitStack() as stack:
        for _ in range(number):
            command = [sys.executable, "-ISc", "while True: pass"]
            stack.callback(subprocess.Popen(command, start_new_session=True).kill)
        yield


def as_nobody(few):
    code = (
        "import json, os\nfrom tests.grading.trial.test_alike import grades\n"
        f"print(json.dumps([os.getuid(), grades({few!r})]))"
    )
    uid, found = by_a_normal_user(code)
    assert uid != 0
    return found


def differences(few):
    """Return what differs from a grading on a quiet machine, one factor changed at a time."""
    plain, odd = grades(few), {}
    assert len(plain) == sum(few.values())
    assert len({row[1] for row in plain.values()}) > 2  # right ones, and wrong ones
    assert {row[0] for row in plain.values()} == {"graded"}
    for factor, context, threads in (
        ("umask 027", umask(0o027), False),
        ("umask 077", umask(0o077), False),
        ("load 8", load(SPINNERS), False),
        ("threads", umask(0o022), True),
    ):
        with context:
            other = grades(few, threads)
        odd |= {
            (factor, key): (plain[key], other[key]) for key in plain if other[key] != plain[key]
        }
    if os.geteuid() == 0:
        other = as_nobody(few)
        odd |= {("nobody", key): other[key] for key in plain if other[key] != plain[key]}
    return odd


@pytest.mark.slow
def test_eight_submissions_are_graded_alike():
    assert differences(FEW) == {}


@pytest.mark.long
def test_forty_submissions_are_graded_alike():
    assert differences(MANY) == {}
