"""Grading: checks that are data, a jail for students' code, and proofs that the checks are fair.

Students need `check` only. Authors of assignments use `Check`, `Task` and the expressions in specs,
`mutant`, `slip` and `alternative` in mutants. This room imports no science.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course_lib.grading.authoring.tasks import (
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
    from course_lib.grading.marking.check import check

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


def __getattr__(wanted: str) -> object:
    """Fetch a name when it is asked for: whoever checks an answer needs nothing of the authors'."""
    if wanted not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {wanted!r}")
    place = "marking.check" if wanted == "check" else "authoring.tasks"
    return getattr(import_module(f"{__name__}.{place}"), wanted)
