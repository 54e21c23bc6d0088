from __future__ import annotations

import pytest

from course_lib.grading.authoring.assignment import Assignment
from tests.grading import example


@pytest.fixture(scope="session")
def assignment(tmp_path_factory):
    return Assignment(example.make(tmp_path_factory.mktemp("course")), example.NAME)


@pytest.fixture(scope="session")
def released(assignment):
    return assignment.student_notebook


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of its own for a test that changes it; the commands find it from here."""
    exercises = example.make(tmp_path / "course")
    monkeypatch.chdir(exercises.parent)
    return exercises.parent
