"""What a worker does: it grades one submission in a jail, from plain data to plain data.

A worker is a process of this machine or of another. It gets all that it needs as bytes, writes no
grade, and knows no other submission.
"""

from __future__ import annotations

import atexit
import hashlib
import pickle
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

import nbformat
import numpy as np

from course_lib.grading.cells import imports, is_written, unanswered
from course_lib.grading.errors import Refusal
from course_lib.grading.intake import names
from course_lib.grading.jail.folders import end_all, folder, remove
from course_lib.grading.jail.kernel import Kernel, KernelLost
from course_lib.grading.jail.walls import ready
from course_lib.grading.jail.warm import Warm
from course_lib.grading.trial import submission
from course_lib.grading.trial.earlier import as_given
from course_lib.grading.trial.judge import Run, run, settle
from course_lib.grading.trial.paper import Paper
from course_lib.grading.verdict import UNTOUCHED, UNWRITTEN, Outcome
from course_lib.processes import Done, Task, work

STARTS = 3  # attempts at starting a kernel
# What decides a score: these rooms and modules. A worker's must be those of the grader.
ROOMS = ("marking", "jail", "trial")
MADE = ("authoring/tasks.py", "authoring/lazy.py", "authoring/by_hand.py")  # what is asked
RULES = (*ROOMS, *MADE, "cells.py", "errors.py", "verdict.py")

Graded = tuple[Outcome, bytes]  # and the notebook as graded


def seal(paper: Paper) -> bytes:
    """Return a paper as bytes, which say by which version of the grader they are to be read."""
    return version() + zlib.compress(pickle.dumps(paper))


def _opened(sealed: bytes) -> Paper:
    """Return a sealed paper, if submissions can be graded by it here.

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
    return _open(sealed)


def grade_sealed(sealed: bytes, notebook: bytes, name: str) -> Graded:
    """Grade a submission by a sealed paper, on whatever machine this is.

    Raises:
        Refusal: no jail can be made on this machine, or it has another version of the grader.
    """
    return grade(_opened(sealed), notebook, name)


def attempt_sealed(
    sealed: bytes, notebook: bytes, name: str, first: Run | None = None
) -> Graded | Run:
    """Let a submission run once, on whatever machine this is; see `grade_sealed` and `attempt`."""
    return attempt(_opened(sealed), notebook, name, first)


def grade_all(
    tasks: Iterable[Task], workers: int, executor: Executor | None = None
) -> Generator[Done, None, None]:
    """Grade submissions on many processes; yield what came of each, as `work` does.

    tasks: the name of each, and a sealed paper, a notebook, the name of its file. What is in doubt
    runs again when all others are done, one at a time.
    """
    held: dict[str, Task] = {}
    doubtful: list[Task] = []

    def noted() -> Iterator[Task]:
        for task in tasks:
            held[task[0]] = task
            yield task

    with closing(work(attempt_sealed, noted(), workers, executor, at_end=end_all)) as done:
        for name, result, error in done:
            task = held.pop(name)
            if isinstance(result, Run):
                doubtful.append((name, (*task[1], result)))
            else:
                yield name, result, error
    if executor is None:
        yield from work(attempt_sealed, doubtful, 1, at_end=end_all)
    for task in doubtful if executor else ():
        yield from work(attempt_sealed, [task], 1, executor)


def grade(paper: Paper, notebook: bytes, name: str) -> Graded:
    """Grade a submission in a jail of this machine.

    notebook: as it was handed in. name: of its file, for messages.

    Returns:
        What came of it, and the notebook as graded.
    """
    found = attempt(paper, notebook, name)
    if isinstance(found, Run):
        found = attempt(paper, notebook, name, found)
    assert not isinstance(found, Run)
    return found


def attempt(paper: Paper, notebook: bytes, name: str, first: Run | None = None) -> Graded | Run:
    """Let a submission run once; return what came of it, or what its run left in doubt.

    first: the run before, which did so. After a second there is a verdict.
    """
    began, book = time.monotonic(), b""
    try:
        given = submission.parse(notebook, name)
        assignment = paper.released.metadata["course"]["assignment"]
        if what := submission.misplaced(given, paper.released, assignment):
            raise Refusal(f"it {what}; the assignment is {names.notebook(assignment)}")
        fitted = submission.fit(given, paper.released, paper.earlier)
        paper = replace(paper, materials=as_given(paper.materials, fitted.had))
        last = _run(fitted, paper, first)
        if last.doubtful and not first:
            return last
        trial = settle(paper.materials, first or last, last if first else None)
        # What a notebook has put out decides nothing: half a character is written as a whole one.
        book = nbformat.writes(fitted.notebook).encode(errors="replace")
    except (Refusal, OSError) as problem:
        found = Outcome(why=str(problem))
    except Exception as problem:  # a failure of ours is no fault of the student's
        found = Outcome(why=f"the grader failed ({type(problem).__name__}: {problem})")
    else:
        tasks = [trial.results[name] for name in paper.materials]
        points = sum(task.points for task in tasks)
        notes = fitted.notes + trial.notes
        stubs = all(task.all_over.startswith(UNWRITTEN) for task in tasks)
        if stubs and len(unanswered(fitted.notebook)) == sum(
            map(is_written, fitted.notebook.cells)
        ):
            notes.insert(0, UNTOUCHED)
        found = Outcome("graded", "", points, tasks, notes)
    return replace(found, seconds=round(time.monotonic() - began, 1)), book


def _run(fitted: submission.Fitted, paper: Paper, first: Run | None) -> Run:
    for attempt in range(STARTS):
        try:
            return run(fitted.steps, paper.materials, _here.kernels(paper), first)
        except KernelLost as error:  # it did not start: run() survives later losses
            last = error
            _here.clear()
            time.sleep(attempt)
    raise Refusal(f"no kernel started in {STARTS} attempts ({last}); grade it again")


class _Kernels(threading.local):
    """What a thread needs to make kernels for one paper; it stays from submission to submission.

    A thread each, since what a jail's parent thread has started ends with this thread.
    """

    def __init__(self) -> None:
        self.key: object = None
        self.stack = ExitStack()
        self.make: Callable[[], Kernel]
        atexit.register(self.stack.close)

    def kernels(self, paper: Paper) -> Callable[[], Kernel]:
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
        made = folder("data.")
        self.stack.callback(remove, made)
        for name, content in data.items():
            (made / name).write_bytes(content)
            (made / name).chmod(0o644)
        return [made / name for name in data]

    def clear(self) -> None:
        """End what this thread has started, and remove its files."""
        self.key = None
        self.stack.close()


_here = _Kernels()


@cache
def version() -> bytes:
    """Return a digest of the code that grades, and of what runs it: Python, NumPy."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {np.__version__}".encode())
    wing = Path(__file__).parents[1]
    for place in (wing / name for name in RULES):
        for path in sorted(place.glob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.digest()


@cache
def _jail_is_ready() -> None:
    ready()


@lru_cache(maxsize=2)
def _open(sealed: bytes) -> Paper:
    paper: Paper = pickle.loads(zlib.decompress(sealed[len(version()) :]))
    return paper
