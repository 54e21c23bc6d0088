"""Grades a class: each submission in a jail, many at once; each verdict is stored at once.

Verdicts are the truth: OUT/grades/NAME/STUDENT.json, written whole or not at all, by one process
alone. The gradebook, the pages of feedback and the table of the class are made from them, and made
good on the next call if the grader was killed in between.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import shutil
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from course_lib import __version__
from course_lib.files import DRAFT
from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.cells import marks
from course_lib.grading.errors import Refusal, clean
from course_lib.grading.grades import feedback
from course_lib.grading.grades.gradebook import Book, storing
from course_lib.grading.grades.people import chosen, named
from course_lib.grading.grades.store import place, text, verdicts, write
from course_lib.grading.grades.tables import plain
from course_lib.grading.grades.tally import tallies
from course_lib.grading.intake.collect import Handed, collect
from course_lib.grading.jail.walls import ready
from course_lib.grading.trial import submission, worker
from course_lib.grading.trial.worker import Graded
from course_lib.grading.verdict import GONE, UNTOUCHED, Given, Outcome, Plain, Verdict
from course_lib.processes import Dropped, Task


def fingerprint(assignment: Assignment) -> str:
    """Return a digest of what decides a score: code, spec, mutants and data of an assignment.

    No prose does, nor the day to hand in.
    """
    cells = [(c.source if c.cell_type == "code" else "", marks(c)) for c in assignment.source.cells]
    digest = hashlib.sha256(json.dumps(cells, sort_keys=True).encode())
    for path in (assignment.spec_path, assignment.mutants_path, *assignment.data):
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def blank(assignment: Assignment, handed: Handed, seed: int) -> Verdict:
    """Return the verdict of a submission that is not graded yet."""
    return Verdict(
        assignment=assignment.name,
        **_about(handed),
        total=sum(task.points for task in assignment.tasks),
        written=assignment.written,
        seed=f"{seed:x}",
        fingerprint=fingerprint(assignment),
        grader=worker.version().hex()[:16],
        course=f"{__version__}, Python {platform.python_version()}, NumPy {np.__version__}",
    )


def _about(handed: Handed) -> Plain:
    """Return what a verdict says of who handed in, and how."""
    about = {key: getattr(handed, key) for key in ("student", "name", "id", "system", "late")}
    return {**about, "handed": list(handed.notes)}


@contextmanager
def batch(
    assignment: Assignment,
    out: Path,
    sources: Sequence[Path],
    *,
    only: Sequence[str] = (),
    again: bool = False,
    url: str | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
) -> Iterator[Batch]:
    """Yield what was handed in, ready to be graded; nobody else grades into `out` meanwhile.

    Args:
        assignment: what is graded.
        out: the folder that gets grades/, feedback/, autograded/ and gradebook.db.
        sources: folders and archives of submissions; they are only read.
        only: the students that are graded, and graded again; all if none is named.
        again: are those graded again whose notebook has not changed?
        url: of the gradebook, as SQLAlchemy writes it, if it is not the one in `out`.
        workers: processes of this machine; one a core if not given.
        executor: such as that of a Dask cluster, instead of processes here.

    Raises:
        Refusal: there is nothing to grade, no jail to do it in, or another grader at work; a grade
            cannot be stored (those before are).
    """
    if executor is None:
        ready()
    with ExitStack() as stack:
        with storing(out):
            stack.enter_context(_locked(out))
            folder = stack.enter_context(_scratch(out))
        collected = collect(sources, assignment.name, folder)
        with storing(out):
            book = stack.enter_context(Book(out, assignment, url))
        stored = verdicts(out, assignment.name)
        handed = named(collected, stored, book.numbers())
        wanted = chosen(handed, only)
        found = Batch(assignment, out, wanted, again or bool(only), book, workers, executor)
        found.gone = sorted(stored.keys() - {h.student for h in handed})
        if again and not only:
            found.seeds.clear()  # a seed that was removed is to be another
        yield found


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Keep other graders out of this folder; the system ends the lock when this process ends."""
    from filelock import FileLock, Timeout

    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / ".grading.lock", timeout=0):
            yield
    except Timeout:
        raise Refusal(
            f"another grader is at work in {out}. Wait until it is done, or give another folder "
            "with --out."
        ) from None


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """Yield an empty folder; remove it afterwards, and first what a killed grader left behind."""
    folder = out / ".unpacked"
    shutil.rmtree(folder, ignore_errors=True)
    for kind in ("grades", "feedback", "autograded"):
        for draft in (out / kind).rglob(f"{DRAFT}*"):
            draft.unlink()
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Batch:
    """The submissions of one call.

    Attributes:
        handed: all of them, in order.
        kept: {student: the stored verdict}, where the notebook is still the same.
        older: how many of these were graded by other rules than today's.
        gone: the students who were graded before, and are not in this download.
        seeds: those that the stored verdicts were graded with.
        todo: those that are to be graded.
        faults: {student: what else went wrong, after its verdict was stored}.
    """

    def __init__(
        self,
        assignment: Assignment,
        out: Path,
        handed: list[Handed],
        again: bool,
        book: Book,
        workers: int | None,
        executor: Executor | None,
    ) -> None:
        self.assignment, self.out, self.handed, self.book = assignment, out, handed, book
        self.workers, self.executor = workers or os.cpu_count() or 1, executor
        self.table = out / "grades" / f"{assignment.name}.csv"
        self.stored = verdicts(out, assignment.name)
        self.kept = {
            h.student: replace(self.stored[h.student], **_about(h))
            for h in handed
            if not again and h.student in self.stored and _stands(self.stored[h.student], h)
        }
        self.seeds = Counter(v.seed for v in self.stored.values() if v.seed)
        today = (fingerprint(assignment), worker.version().hex()[:16])
        self.older = sum(v.rules != (*today, self._seed()) for v in self.kept.values())
        self.gone: list[str] = []
        self.todo = [h for h in handed if h.student not in self.kept]
        self.faults: dict[str, str] = {}

    @cached_property
    def given(self) -> dict[str, Given]:
        """What a person gave each student before this call."""
        return self.book.given()

    @property
    def _place(self) -> Path:
        return self.out / "grades" / f"{self.assignment.name}.seed"

    @property
    def lost(self) -> bool:
        """Was the file of the seed lost, though the verdicts still hold it?"""
        return bool(self.seeds) and not self._place.exists()

    def _seed(self) -> str:
        """Return the seed of the class as its file or else its verdicts have it; "" if none has."""
        if not self._place.exists():
            return next((seed for seed, _ in self.seeds.most_common(1)), "")
        try:
            return f"{int(self._place.read_text(), 16):x}"
        except ValueError:
            raise Refusal(
                f"{self._place} holds no seed. Remove it, and call the same again: the grades that "
                "are there tell it."
            ) from None

    @cached_property
    def seed(self) -> int:
        """The seed of the inputs: drawn once for a class, so that all its scores are alike."""
        seed = self._seed() or f"{secrets.randbits(64):x}"
        if not self._place.exists():
            write(self._place, f"{seed}\n".encode())
        return int(seed, 16)

    def grade(self) -> Generator[Verdict, None, None]:
        """Grade what is to be graded; yield each verdict once it is stored.

        What is derived from the verdicts that are there already is brought up to date first.

        Raises:
            Refusal: a worker has no jail, the cluster is gone, a grade cannot be stored. What was
                graded before is stored.
        """
        with storing(self.out):
            self.table.unlink(missing_ok=True)  # it is there only when the class is whole
            for student, verdict in self.stored.items():
                kept = self.kept.get(student, verdict)
                if student in self.gone:
                    kept = replace(kept, handed=[*dict.fromkeys((*kept.handed, GONE))])
                if kept != verdict:  # handed in as before, but told otherwise: late, say
                    write(place(self.out, self.assignment.name, student), text(kept))
                self._publish(kept)
        with closing(self._graded()) as graded:
            for verdict, notebook in graded:
                with storing(self.out):
                    self._store(verdict, notebook)
                yield verdict
        everything = verdicts(self.out, self.assignment.name).values()
        with storing(self.out):
            write(self.table, plain(everything, self.book.given()))

    def _graded(self) -> Generator[tuple[Verdict, bytes], None, None]:
        """Yield verdicts and notebooks as they come, first of those that cannot be graded."""
        with storing(self.out):
            seed = self.seed
        blanks = {h.student: self._blank(h, seed) for h in self.todo}
        readable = {}
        for h in self.todo:
            if isinstance(h.notebook, Refusal):
                yield replace(blanks[h.student], why=str(h.notebook), time=_now()), b""
            else:
                readable[h.student] = h.notebook
        if not readable:
            return
        sealed = worker.seal(self.assignment.paper(self.assignment.materials(seed)))
        unread = []

        def tasks() -> Iterator[Task]:
            for student, path in readable.items():
                try:
                    content = submission.content(path)
                except (Refusal, OSError) as problem:
                    unread.append((replace(blanks[student], why=str(problem), time=_now()), b""))
                else:
                    blanks[student] = replace(blanks[student], sha256=_sha256(content))
                    yield student, (sealed, content, path.name)

        with closing(worker.grade_all(tasks(), self.workers, self.executor)) as done:
            for student, result, error in done:
                found, notebook = _survived(error) if error else result
                yield replace(blanks[student], **vars(found), time=_now()), notebook
        yield from unread

    def _blank(self, handed: Handed, seed: int) -> Verdict:
        """Return the verdict that is to be filled; one that was given before is kept in it."""
        new, old = blank(self.assignment, handed, seed), self.stored.get(handed.student)
        if old is None:
            return new
        before = {key: value for key, value in old.stored().items() if key != "earlier"}
        given = [before] if old.status == "graded" else []
        return replace(new, by_hand=old.by_hand, earlier=[*old.earlier, *given])

    def _store(self, verdict: Verdict, notebook: bytes) -> None:
        """Store a verdict, with all that belongs to it.

        The notebook comes first: whoever finds the verdict finds all of it.
        """
        name, student = self.assignment.name, verdict.student
        graded = self.out / "autograded" / student / name / f"{name}.ipynb"
        if notebook:
            write(graded, notebook)
        else:
            graded.unlink(missing_ok=True)  # of an earlier submission, which counts no more
        write(place(self.out, name, student), text(verdict))
        self._publish(verdict)

    def _publish(self, verdict: Verdict) -> None:
        """Bring what is derived from a stored verdict up to date."""
        self.book.store(verdict)
        if why := feedback.write_page(self.out, verdict, self.given.get(verdict.student)):
            self.faults[verdict.student] = why

    def verdicts(self) -> list[Verdict]:
        """Return the stored verdicts of the submissions of this call, in their order."""
        stored = verdicts(self.out, self.assignment.name)
        return [stored[h.student] for h in self.handed if h.student in stored]

    def unmarked(self) -> dict[str, list[str]]:
        """Return {written answer: the students whose answer waits for a person's points}."""
        found: dict[str, list[str]] = {}
        for grade in tallies(self.verdicts(), self.book.given()):
            for answer in [] if grade.why else grade.waiting:
                found.setdefault(answer, []).append(grade.student)
        return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _stands(verdict: Verdict, handed: Handed) -> bool:
    """Is this the verdict on this very notebook, by whatever version of the assignment?"""
    if verdict.status != "graded" or isinstance(handed.notebook, Refusal):
        return False
    try:
        content = submission.content(handed.notebook)
    except (Refusal, OSError):
        return False
    return verdict.sha256 == _sha256(content)


def _survived(error: BaseException) -> Graded:
    """Return what is said of a submission whose worker was lost.

    Raises:
        Refusal: no other submission would fare better.
    """
    if isinstance(error, Refusal):
        raise error
    if isinstance(error, Dropped):
        raise Refusal(
            "the cluster dropped its work: its scheduler has ended. What was graded before is "
            "stored; start the cluster again and call this again."
        )
    why = f"its worker was lost ({type(error).__name__}: {error}); grade it again"
    return Outcome(why=clean(why, 300)), b""


def attention(
    verdicts: list[Verdict], unmarked: dict[str, list[str]], faults: dict[str, str]
) -> list[str]:
    """Return the lines that name every submission that needs a person, and why.

    unmarked, faults: as a batch has them.
    """
    lines = []
    for v in verdicts:
        why = [f"it has no score: {v.why}"] if v.status == "ungraded" else []
        why += ["it has no point at all"] * (v.points == 0 and UNTOUCHED not in v.notes)
        why += [UNTOUCHED] * (UNTOUCHED in v.notes) + ["it is late"] * v.late + v.handed
        why += [faults[v.student]] if v.student in faults else []
        if why:
            lines.append(clean(f"  {v.student}: {'; '.join(why)}", 600))
    if lines:
        lines.insert(0, f"{len(lines)} of {len(verdicts)} need a person:")
    graded = sum(v.status == "graded" for v in verdicts)
    for answer, students in unmarked.items():
        whom = "all that have a score" if len(students) == graded else ", ".join(students)
        line = f"The answer {answer} is for a person to grade, in formgrader: {whom}."
        lines.append(clean(line, 100_000))
    return lines
