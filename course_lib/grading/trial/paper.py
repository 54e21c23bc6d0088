"""What it takes to grade any submission of one assignment."""

from __future__ import annotations

from dataclasses import dataclass

from nbformat import NotebookNode

from course_lib.grading.jail.limits import Limits
from course_lib.grading.marking.values import Material
from course_lib.grading.trial.earlier import Release


@dataclass(frozen=True)
class Paper:
    """What it takes to grade any submission of one assignment: plain data, fit to be sent.

    released: the notebook as students got it. materials: inputs and expected answers of each task.
    limits, needs: of the jail. data: {name: content} of the files beside the notebook.
    earlier: what is kept of earlier releases.
    """

    released: NotebookNode
    materials: dict[str, Material]
    limits: Limits
    needs: tuple[str, ...]
    data: dict[str, bytes]
    earlier: tuple[Release, ...] = ()
