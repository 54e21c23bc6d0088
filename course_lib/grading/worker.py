"""What a worker does: it grades one submission in a jail, from plain data to plain data.

A worker is a process of this machine or of another. It gets all that it needs as bytes, writes no
grade, and knows no other submission.
"""

from __future__ import annotations

import atexit
import hashlib
import pickle
import socket
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from course_lib.grading import jail, submission
from course_lib.grading.assignment import Assignment
from course_lib.grading.earlier import Release, releases
from course_lib.grading.judge import Trial, judge
from course_lib.grading.tasks import Refusal
from course_lib.grading.warm import Warm, imports

STARTS = 3  # attempts at starting a kernel
# The modules that decide a score. Those of a worker must be those of the grader.
RULES = (
    "earlier", "forkserver", "jail", "judge", "marking", "plain", "submission", "warm", "worker",
)  # fmt: skip

Graded = tuple[dict[str, Any], bytes]  # what a verdict says of the grading, and the notebook


@dataclass(frozen=True)
class Paper:
    """What it takes to grade any submission of one assignment: plain data, fit to be sent.

    released: the notebook as students got it. materials: inputs and expected answers of each task.
    limits, needs: of the jail. data: {name: content} of the files beside the notebook.
    earlier: what is kept of earlier releases.
    """

    released: NotebookNode
    materials: dict[str, dict[str, Any]]
    limits: jail.Limits
    needs: tuple[str, ...]
    data: dict[str, bytes]
    earlier: tuple[Release, ...] = ()


def paper(assignment: Assignment, materials: dict[str, dict[str, Any]]) -> Paper:
    """Return the paper of an assignment, as it is now."""
    data = {path.name: path.read_bytes() for path in assignment.data}
    needs, earlier = (
        tuple(assignment.needs),
        tuple(releases(assignment.folder.parents[1], assignment.name)),
    )
    return Paper(assignment.student_notebook, materials, assignment.limits, needs, data, earlier)


def seal(paper: Paper) -> bytes:
    """Return a paper as bytes, which say by which version of the grader they are to be read."""
    return version() + zlib.compress(pickle.dumps(paper))


def grade_sealed(sealed: bytes, notebook: bytes, name: str) -> Graded:
    """Grade a submission by a sealed paper, on whatever machine this is.

    Raises:
        Refusal: no jail can be made on this machine, or it has another version of the grader.
    """
    try:
        if not sealed.startswith(version()):
            raise Refusal(
                "its course_lib grades by other rules than the one that grading was started with. "
                "Install the same version on all machines."
            )
        _jail_is_ready()
    except Refusal as refusal:
        raise Refusal(f"the worker on {socket.gethostname()} cannot grade: {refusal}") from None
    return grade(_open(sealed), notebook, name)


def grade(paper: Paper, notebook: bytes, name: str) -> Graded:
    """Grade a submission in a jail of this machine.

    notebook: as it was handed in. name: of its file, for messages.

    Returns:
        {"status", "why", "points", "tasks", "notes", "seconds"} and the notebook as graded. The
        status is "graded", or "ungraded" with the reason, and then there are no points: what
        cannot be read, or what failed for a reason of ours, is for a person to look at.
    """
    began, book = time.monotonic(), b""
    found: dict[str, Any] = {"status": "ungraded", "why": "", "points": None, "tasks": []}
    found["notes"] = []
    try:
        given = submission.parse(notebook, name)
        fitted = submission.fit(given, paper.released, paper.earlier)
        trial = _trial(fitted, paper)
        book = nbformat.writes(fitted.notebook).encode()
    except (Refusal, OSError) as problem:
        found["why"] = str(problem)
    except Exception as problem:  # a failure of ours is no fault of the student's
        found["why"] = f"the grader failed ({type(problem).__name__}: {problem})"
    else:
        found["tasks"] = [trial.results[name] for name in paper.materials]
        found["points"] = sum(task["points"] for task in found["tasks"])
        found["notes"] = fitted.notes + trial.notes
        found["status"] = "graded"
    found["seconds"] = round(time.monotonic() - began, 1)
    return found, book


def _trial(fitted: submission.Fitted, paper: Paper) -> Trial:
    for attempt in range(STARTS):
        try:
            return judge(fitted.steps, paper.materials, _here.kernels(paper))
        except jail.KernelLost as error:  # it did not start: judge() survives later losses
            last = error
            _here.clear()
            time.sleep(attempt)
    raise Refusal(f"no kernel started in {STARTS} attempts ({last}); grade it again")


class _Bench(threading.local):
    """What a thread needs to make kernels for one paper; it stays from submission to submission.

    A thread each, since what a jail's parent thread has started ends with this thread.
    """

    def __init__(self) -> None:
        self.key: object = None
        self.stack = ExitStack()
        self.make: Callable[[], jail.Kernel]
        atexit.register(self.stack.close)

    def kernels(self, paper: Paper) -> Callable[[], jail.Kernel]:
        """Return what makes a kernel for a submission."""
        modules = imports(paper.released)
        key = (paper.limits, paper.needs, *modules, *paper.data.items())
        if key != self.key:
            self.clear()
            warm = Warm(paper.limits, self._files(paper.data), paper.needs, modules)
            self.make = self.stack.enter_context(warm).kernel
            self.key = key
        return self.make

    def _files(self, data: dict[str, bytes]) -> list[Path]:
        """Write the data beside the notebook into files, where kernels find them."""
        if not data:
            return []
        folder = jail.folder("data.")
        self.stack.callback(jail.remove, folder)
        for name, content in data.items():
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o644)
        return [folder / name for name in data]

    def clear(self) -> None:
        """End what this thread has started, and remove its files."""
        self.key = None
        self.stack.close()


_here = _Bench()


@cache
def version() -> bytes:
    """Return a digest of the code that grades."""
    digest = hashlib.sha256()
    for name in RULES:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.digest()


@cache
def _jail_is_ready() -> None:
    jail.ready()


@lru_cache(maxsize=2)
def _open(sealed: bytes) -> Paper:
    paper: Paper = pickle.loads(zlib.decompress(sealed[len(version()) :]))
    return paper
