"""Grading: checks that are data, a jail for students' code, and proofs that the checks are fair.

Students need `check` only. Authors of assignments use `Check`, `Task` and the expressions in specs,
`mutant`, `slip` and `alternative` in mutants. This room imports no science.
"""

from course_lib.grading.marking import check
from course_lib.grading.tasks import (
    Check,
    Task,
    alternative,
    attr,
    call,
    helper,
    module,
    mutant,
    name,
    slip,
)

__all__ = [
    "Check",
    "Task",
    "alternative",
    "attr",
    "call",
    "check",
    "helper",
    "module",
    "mutant",
    "name",
    "slip",
]
