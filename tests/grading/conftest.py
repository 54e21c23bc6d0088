from __future__ import annotations

import pytest

from course_lib.grading.assignment import Assignment
from tests.grading import trial


@pytest.fixture(scope="session")
def assignment(tmp_path_factory):
    return Assignment(trial.make(tmp_path_factory.mktemp("course")), trial.NAME)


@pytest.fixture(scope="session")
def released(assignment):
    return assignment.student_notebook


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of its own for a test that changes it; the commands find it from here."""
    exercises = trial.make(tmp_path / "course")
    monkeypatch.chdir(exercises.parent)
    return exercises.parent
