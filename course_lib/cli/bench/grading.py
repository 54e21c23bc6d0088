"""Grade a synthetic class of an assignment: submissions a minute, memory."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median
from time import perf_counter

import nbformat
import psutil

from course_lib.cli.bench import Measurement
from course_lib.cli.place import course_root
from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.cells import answered, grade_id, imports
from course_lib.grading.grades.batch import batch
from course_lib.grading.jail.kernel import Kernel
from course_lib.grading.jail.warm import Warm
from course_lib.grading.trial import submission
from course_lib.grading.trial.judge import judge
from course_lib.grading.trial.paper import Paper
from course_lib.grading.verdict import TaskResult

NAME = "01_sparse_approximation"
CLASS, FEW, WORKERS = 200, 16, 2
SEED = 0
RATE, MEMORY = 145, 4096  # submissions a minute at least, MiB at the most
# What a notebook may try that takes from its neighbours: each is a cell of its own, tried once.
HOGS = (
    "import os, time\nfor _ in range(10):\n    if not os.fork():\n        os.setsid()\n"
    "        while True: pass\ntime.sleep(20)",  # processor time
    "held = []\nwhile True: held.append(bytearray(64 << 20))",  # memory
    "import ctypes\nfor _ in range(200): ctypes.CDLL(None).semget(0, 32000, 0o600)",  # the kernel's
    "for i in range(100_000): open(f'/tmp/{i}', 'w').close()",  # files in memory
    "import os\nwhile True: os.fork()",  # processes
)


def measure() -> list[Measurement]:
    """Grade a whole class as `course grade` does; then a few of it, in cold and in warm kernels."""
    assignment = Assignment(course_root() / "exercises", NAME)
    books = synthetic(assignment, CLASS)
    seconds, peak, alone = whole(assignment, books)
    if any(status != "graded" for status, *_ in alone.values()):
        raise RuntimeError("an honest submission was not graded")
    *_, beside = whole(assignment, [*map(hog, books[: len(HOGS)], HOGS), *books[len(HOGS) :]])
    honest = range(len(HOGS), CLASS)
    what = f"{CLASS} submissions of {NAME}, {WORKERS} processes"
    return [
        Measurement(what, 60 * CLASS / seconds, unit="a minute", least=RATE),
        Measurement(f"{what}, all processes together", peak, MEMORY, "MiB"),
        Measurement(
            f"of {len(honest)} honest verdicts that {len(HOGS)} hogs beside them changed",
            sum(alone[student] != beside[student] for student in honest),
            0,
            "verdicts",
        ),
        Measurement(
            f"one of {FEW} submissions in a cold kernel, against a warm one",
            cold_to_warm(assignment, books[:FEW]),
            least=1.5,
        ),
    ]


def synthetic(assignment: Assignment, number: int) -> list[bytes]:
    """Return notebooks that differ: every second one right, the others with a known mistake."""
    right = {grade_id(cell): cell.source for cell in assignment.source.cells}
    mistakes = cycle(v for task in assignment.tasks for v in assignment.mutants(task.name))
    books = []
    for student in range(number):
        sources = {t.name: f"# student {student}\n{right[t.name]}" for t in assignment.tasks}
        if student % 2:
            mistake = next(mistakes)
            sources[mistake.task] += f"\n\n{mistake.source}"
        book = answered(assignment.student_notebook, sources)
        books.append(nbformat.writes(book).encode())
    return books


def hog(book: bytes, source: str) -> bytes:
    """Return the notebook with a cell before all others that takes what it can."""
    notebook = nbformat.reads(book.decode(), as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(source))
    return str(nbformat.writes(notebook)).encode()


Decided = tuple[str, float | None, list[TaskResult]]  # what of a verdict must not change


def whole(assignment: Assignment, books: list[bytes]) -> tuple[float, float, dict[int, Decided]]:
    """Grade a class into a new folder; return seconds, the peak of the memory in MiB, and verdicts.

    Raises:
        RuntimeError: nothing is known of some submission.
    """
    with tempfile.TemporaryDirectory() as folder:
        handed = Path(folder, "handed")
        for student, book in enumerate(books):
            path = handed / f"student{student:03}" / f"{assignment.name}.ipynb"
            path.parent.mkdir(parents=True)
            path.write_bytes(book)
        out = Path(folder, "out")
        (out / "grades").mkdir(parents=True)  # the same inputs each time: verdicts are compared
        (out / "grades" / f"{assignment.name}.seed").write_text(f"{SEED + 1:x}\n")
        began = perf_counter()
        with (
            watched() as peak,
            batch(assignment, out, [handed], workers=WORKERS) as found,
        ):
            decided = {
                int(v.student.removeprefix("student")): (v.status, v.points, v.tasks)
                for v in found.grade()
            }
        seconds = perf_counter() - began
    if len(decided) < len(books):
        raise RuntimeError(f"{len(books) - len(decided)} of {len(books)} verdicts are missing")
    return seconds, peak(), decided


@contextmanager
def watched() -> Iterator[Callable[[], float]]:
    """Yield what tells the most memory, in MiB, that this process and its offspring held."""
    most, stop = 0.0, threading.Event()

    def look() -> None:
        nonlocal most
        me = psutil.Process()
        while not stop.wait(2):  # a look at them all takes a while
            most = max(most, sum(map(_share, [me, *me.children(recursive=True)])) / (1 << 20))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield lambda: most
    finally:
        stop.set()
        thread.join()


def _share(process: psutil.Process) -> int:
    """Return the bytes that a process holds, with its share of what it has in common."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:  # it has ended, or is not ours to look into
        return 0


def cold_to_warm(assignment: Assignment, books: list[bytes]) -> float:
    """Return how many times as long a submission takes in a cold kernel as in a warm one.

    Each is graded in both, one right after the other, so that what else this machine does weighs
    on both alike.
    """
    paper = assignment.paper(assignment.materials(SEED))
    with Warm(paper.limits, (), paper.needs, imports(paper.released)) as warm:
        ways = (partial(Kernel, paper.limits, (), paper.needs), warm.kernel)
        pairs = [[_seconds(paper, book, way) for way in ways] for book in books]
    return median(cold for cold, _ in pairs) / median(hot for _, hot in pairs)


def _seconds(paper: Paper, book: bytes, kernel: Callable[[], Kernel]) -> float:
    began = perf_counter()
    fitted = submission.fit(submission.parse(book, NAME), paper.released)
    judge(fitted.steps, paper.materials, kernel)
    return perf_counter() - began
