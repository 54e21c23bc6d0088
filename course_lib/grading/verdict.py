"""What is known of one submission: what is wrong in it, the machine's points, a person's.

A verdict is stored as JSON of a form with a number; `read` takes those of every form there was.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any

Plain = dict[str, Any]  # data as JSON has it

FORM = 2
UNWRITTEN = "it is not written yet (NotImplementedError)"
UNTOUCHED = "nothing was written: every task and answer is as it was released"  # a note
GONE = "no longer in the download"  # a note on how it was handed in
UNREACHED = "not reached"  # how the reason begins where the notebook had stopped before
BESIDE = (
    "that is right, but so is it of a function that returns a constant, an input or the like: it "
    "counts beside a check that such a function does not pass"
)
RETURNED, RAISED, EXPECTED = "it returned ", "it raised ", "expected    "


@dataclass(frozen=True)
class Fault:
    """What is wrong with an answer, in parts. Those that do not apply are empty.

    call: the smallest call that shows it. again: where that is shortened, what gives its inputs.
    returned, raised, silent: what came of it: a value, an exception, or why there is neither.
    expected: the value that was expected.
    wrong: what else is wrong, in sentences of a line each.
    """

    call: str
    returned: str = ""
    raised: str = ""
    silent: str = ""
    expected: str = ""
    wrong: str = ""
    again: str = ""

    @property
    def lines(self) -> list[str]:
        """The parts as a student reads them in a notebook or a terminal."""
        came = (("", self.silent), (RETURNED, self.returned), (RAISED, self.raised))
        parts = [start + text for start, text in (*came, (EXPECTED, self.expected)) if text]
        inputs = [f"its inputs: {self.again}"] * bool(self.again)
        return [self.call, *inputs, *parts, *self.wrong.splitlines()]

    @classmethod
    def told(cls, text: str) -> Fault:
        """Return the fault that a text of the first form tells: its lines."""
        call, said, odd, *more = (text + "\n\n").split("\n")
        parts = {"call": call, "silent": said}
        for name, start in (("returned", RETURNED), ("raised", RAISED)):
            if said.startswith(start):
                parts = {"call": call, name: said.removeprefix(start)}
        if odd.startswith(EXPECTED):
            parts["expected"], odd = odd.removeprefix(EXPECTED), ""
        return cls(**parts, wrong="\n".join(filter(None, (odd, *more))))


@dataclass(frozen=True)
class CheckResult:
    """What came of one check; without a fault it has all its points."""

    id: str
    title: str
    visible: bool
    points: float
    total: float
    fault: Fault | None = None

    @property
    def lost(self) -> bool:
        """Was it answered wrongly, and not only too little beside it?"""
        return self.fault is not None and self.fault.wrong != BESIDE


@dataclass(frozen=True)
class TaskResult:
    """What came of one task. slips: the known mistakes whose answers these are."""

    name: str
    points: float
    total: float
    checks: list[CheckResult] = field(default_factory=list)
    slips: list[str] = field(default_factory=list)

    @property
    def headline(self) -> str:
        """What a student reads first; `passed` knows it again in what a notebook holds."""
        return f"{self.name}: {self.points:g} of {self.total:g} points"

    @property
    def passed(self) -> bool:
        """Has no check a fault, those included that are worth nothing?"""
        return not any(check.fault for check in self.checks)

    @property
    def all_over(self) -> str:
        """The one reason why no check had an answer, if there is one."""
        said = {check.fault.silent if check.fault else "" for check in self.checks}
        why = said.pop() if len(said) == 1 else ""
        return why if why.startswith((UNWRITTEN, UNREACHED)) else ""


def passed(shown: str) -> bool:
    """Say whether a text that a check has put out tells of all points, and of no fault."""
    found = re.search(r"^\w+: ([\d.]+) of ([\d.]+) points", shown, re.MULTILINE)
    return bool(found and found[1] == found[2] and "\n  [--]" not in shown)


@dataclass(frozen=True)
class Written:
    """An answer that a person grades, and what it is worth."""

    name: str
    total: float


@dataclass(frozen=True)
class ByHand:
    """Points that a person gave: who, when (ISO 8601, UTC) and why."""

    points: float
    who: str = ""
    when: str = ""
    why: str = ""


@dataclass(frozen=True)
class Hand:
    """What the gradebook has of a person for one task or answer. points: None if none are given."""

    points: float | None = None
    extra: float | None = None
    comment: str = ""


Given = dict[str, Hand]  # {task or written answer: what a person gave it}


@dataclass(frozen=True)
class Outcome:
    """What came of grading a submission.

    status: "graded", or "ungraded" with the reason, and then there are no points: what cannot be
    read, or what failed for a reason of ours, is for a person to look at.
    """

    status: str = "ungraded"
    why: str = ""
    points: float | None = None
    tasks: list[TaskResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Verdict(Outcome):
    """What is stored of one submission: the truth, from which all else is made.

    student, name, id, system: who handed in: as a name of files, and as the learning-management
        system has the person. A student is the number `id` of that system, whatever the name.
    late, handed: whether and how it was handed in.
    total: what the tasks are worth. written: the answers that a person grades.
    seed: of the inputs. fingerprint, grader, sha256: digests of the assignment, of the code that
        graded, of the notebook.
    time, course: when it was graded (ISO 8601, UTC), and by which version of the course, of Python
        and of NumPy.
    by_hand: {task or written answer: points that count in the place of others, the last of all}.
    earlier: the verdicts that this one came after, as they were stored.
    """

    assignment: str = ""
    student: str = ""
    name: str = ""
    id: str = ""
    system: str = ""
    late: bool = False
    handed: list[str] = field(default_factory=list)
    total: float = 0.0
    written: list[Written] = field(default_factory=list)
    seed: str = ""
    fingerprint: str = ""
    grader: str = ""
    sha256: str = ""
    time: str = ""
    course: str = ""
    by_hand: dict[str, list[ByHand]] = field(default_factory=dict)
    earlier: list[Plain] = field(default_factory=list)
    form: int = FORM

    @property
    def rules(self) -> tuple[str, str, str]:
        """All that decided the score beside the notebook."""
        return self.fingerprint, self.grader, self.seed

    def stored(self) -> Plain:
        """Return it as plain data, which `read` takes."""
        return asdict(self)


def read(stored: Plain) -> Verdict:
    """Return the verdict that plain data holds, whatever its form; what it does not know it drops.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: it is no verdict.
    """
    known = {f.name for f in fields(Verdict)} - {"form"}
    found = {key: value for key, value in stored.items() if key in known}
    found["tasks"] = [_task(task) for task in stored["tasks"]]
    found["written"] = [Written(**each) for each in stored.get("written", [])]
    hands = stored.get("by_hand", {})
    found["by_hand"] = {name: [ByHand(**each) for each in hands[name]] for name in hands}
    if (verdict := Verdict(**found)).status not in ("graded", "ungraded"):
        raise ValueError(f"no status of a verdict: {verdict.status!r}")
    return verdict


def _task(stored: Plain) -> TaskResult:
    checks = [CheckResult(**{**row, "fault": _fault(row["fault"])}) for row in stored["checks"]]
    return TaskResult(**{**stored, "checks": checks})


def _fault(stored: dict[str, str] | str | None) -> Fault | None:
    if not stored:
        return None
    return Fault.told(stored) if isinstance(stored, str) else Fault(**stored)
