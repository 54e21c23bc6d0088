"""Grades as files for learning-management systems; another system is another entry of EXPORTS."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.grading.grades.canvas import canvas
from course_lib.grading.grades.moodle import moodle
from course_lib.grading.grades.tables import Export

EXPORTS: dict[str, Callable[..., Export]] = {"canvas": canvas, "moodle": moodle}
