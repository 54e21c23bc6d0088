"""Evidence: what a chapter claims, beside what its cells measured.

A claim is shown to people as a card and stored with the page for machines. It raises if what was
measured no longer supports it, so a page cannot go on asserting what has stopped being true.
"""

import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from course_lib.chapters import cells, left_out
from course_lib.teaching.intervals import claim_line
from course_lib.teaching.page import asset, render, typeset

MIME = "application/vnd.statue-within.evidence+json"
VERDICTS = {"holds": "✓", "holds under conditions": "◐", "does not hold": "✗"}


class ClaimFailed(AssertionError):
    """What was measured does not support the claim."""


@dataclass(frozen=True)
class Claim:
    """One claim with its measurement, as it is stored in a notebook.

    Examples:
        >>> Claim("C1", "Heads are as likely as tails.", "holds", 0.48, (0.4, 0.56)).measured_text
        '0.48 [0.4, 0.56]'
    """

    id: str
    statement: str
    verdict: str
    measured: float
    interval: tuple[float, float] | None = None
    unit: str = ""
    over: str = ""
    note: str = ""
    form: str = ".3g"
    passed: bool = True
    clock: bool = False
    chapter: str = ""
    place: int = 0
    against: float | None = None

    @property
    def number(self) -> str:
        """The chapter's number and the claim's place in it; its id where no chapter stores it."""
        return f"{int(self.chapter[:2])}.{self.place}" if self.chapter[:2].isdigit() else self.id

    @property
    def measured_text(self) -> str:
        """The measured value with its interval and unit, as it is printed everywhere."""
        numbers = [self.measured, *(self.interval or ())]
        value, *ends = (typeset(format(each, self.form)) for each in numbers)
        between = f" [{', '.join(ends)}]" if ends else ""
        return f"{value}{between} {typeset(self.unit)}".strip()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        where = ("chapter", "place")
        record = {key: value for key, value in asdict(self).items() if key not in where}
        return {"text/html": _card(self), "text/plain": _line(self), MIME: record}


def evidence(
    id: str,
    statement: str,
    *,
    verdict: str,
    measured: float,
    check: bool | Callable[[], bool],
    interval: tuple[float, float] | None = None,
    unit: str = "",
    over: str = "",
    note: str = "",
    form: str = ".3g",
    clock: bool = False,
    against: float | None = None,
) -> Claim:
    """State a claim beside its measurement, and raise if the measurement does not support it.

    Args:
        id: C and a number, as in the ledger.
        statement: the claim, in words.
        verdict: "holds", "holds under conditions" or "does not hold": of the statement.
        measured: the one number that decides.
        check: whether the measurements support the verdict; or a function that says so.
        interval: low and high, 95%, from `interval`.
        unit: what the number counts.
        over: what it was measured over: seeds, vectors, images.
        note: the condition, in a sentence.
        form: how the number is printed.
        clock: a claim about the clock, which another machine may not repeat: it reports a failure
            and does not raise.
        against: the number that the interval is to be compared with, drawn beside it: without it
            zero, or one for a number of times, where that is near.

    Raises:
        ClaimFailed: the check is false.
        ValueError: an id, verdict, number or interval that cannot be.

    Examples:
        >>> heads = dict(verdict="holds", measured=0.48, interval=(0.4, 0.56), over="150 throws")
        >>> evidence("C1", "Heads are as likely as tails.", **heads, check=0.4 < 0.5 < 0.56).passed
        True
        >>> evidence("C1", "Heads come twice in three.", **heads, check=0.4 < 2 / 3 < 0.56)
        Traceback (most recent call last):
            ...
        course_lib.teaching.evidence.ClaimFailed: C1 no longer stands. ...
    """
    if not re.fullmatch(r"C[1-9]\d*", id):
        raise ValueError(f"id: given {id!r}, expected C and a number, such as 'C7'.")
    if verdict not in VERDICTS:
        raise ValueError(f"verdict: given {verdict!r}, expected one of {', '.join(VERDICTS)}.")
    measured = float(measured)
    ends = (float(interval[0]), float(interval[1])) if interval is not None else None
    if not math.isfinite(measured):
        raise ValueError(f"{id}: measured {measured}, expected a finite number.")
    if ends is not None and not (ends[0] - 1e-12 <= measured <= ends[1] + 1e-12):
        raise ValueError(f"{id}: measured {measured} lies outside its interval {ends}.")
    passed = bool(check() if callable(check) else check)
    told = (unit, over, note, form, passed, bool(clock))
    claim = Claim(id, statement, verdict, measured, ends, *told, against=against)
    if not claim.passed and not clock:
        raise ClaimFailed(
            f"{id} no longer stands. It says: {statement} (verdict: {verdict}). "
            f"Measured: {claim.measured_text}, over {over or 'the cell above'}. "
            "Either the experiment was changed, or the claim must be."
        )
    return claim


def interval(values: ArrayLike) -> tuple[float, float, float]:
    """Return the mean with a 95% interval: (mean, low, high).

    Args:
        values: one number a seed, shape (n,): Student's interval; or booleans, one a trial:
            Wilson's interval for their share.

    Raises:
        ValueError: fewer than two values, more than one axis, or values that are not finite.

    Source: Student (1908), Wilson (1927).

    Examples:
        >>> mean, low, high = interval([0.1, 0.2, 0.3])  # one number a seed
        >>> f"{mean:.2f} [{low:.2f}, {high:.2f}]"
        '0.20 [-0.05, 0.45]'
        >>> mean, low, high = interval([True] * 10)  # ten trials went well: that is not "always"
        >>> f"{mean:.2f} [{low:.2f}, {high:.2f}]"
        '1.00 [0.72, 1.00]'
    """
    array = np.asarray(values)
    if array.ndim != 1 or len(array) < 2 or not np.isfinite(array).all():
        raise ValueError(
            f"values of shape {array.shape}: expected at least two finite numbers or booleans, "
            "one for each seed or trial."
        )
    mean = float(array.mean())
    if array.dtype == bool:
        found = stats.binomtest(int(array.sum()), len(array)).proportion_ci(method="wilson")
        return mean, min(float(found.low), mean), max(float(found.high), mean)
    spread = float(stats.sem(array) * stats.t.ppf(0.975, len(array) - 1))
    return mean, mean - spread, mean + spread


def collect(folder: str | Path, *, untaught: bool = False) -> list[Claim]:
    """Read the stored evidence of all notebooks of a folder, in the order of the ids.

    Args:
        folder: of the chapters.
        untaught: also of chapters that are not taught.

    Raises:
        ValueError: no such folder, a notebook that cannot be read, a cell tagged `evidence` that
            stores none (the notebook was not run), or a claim made twice.

    Examples:
        >>> [claim.id for claim in collect("notebooks")][:3]
        ['C1', 'C2', 'C3']
    """
    if not Path(folder).is_dir():
        raise ValueError(f"{folder} is no folder: expected the one that holds the chapters.")
    claims: dict[str, Claim] = {}
    left = set() if untaught else left_out(Path(folder).parent)
    for path in sorted(p for p in Path(folder).glob("*.ipynb") if p.stem not in left):
        for claim in _stored(path):
            if claim.id in claims:
                first = claims[claim.id].chapter
                raise ValueError(f"claim {claim.id} is made in {first} and again in {path.stem}")
            claims[claim.id] = claim
    return sorted(claims.values(), key=lambda claim: int(claim.id[1:]))


def _stored(path: Path) -> list[Claim]:
    """Return the claims that one notebook stores."""
    try:
        found: list[Claim] = []
        for number, cell in enumerate(cells(path), 1):
            shown = [out.get("data", {}) for out in cell.get("outputs", [])]
            records = [data[MIME] for data in shown if MIME in data]
            if "evidence" in cell["metadata"].get("tags", []) and not records:
                raise ValueError(f"cell {number} stores no evidence: run `course run {path.stem}`")
            for record in records:
                ends = record["interval"] and tuple(record["interval"])
                told = {**record, "interval": ends, "chapter": path.stem}
                found.append(Claim(**told, place=len(found) + 1))
        return found
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name}: its evidence cannot be read: {error}") from error


def _line(claim: Claim) -> str:
    """Return the claim in one line of text."""
    said = claim.verdict if claim.passed else f"{claim.verdict}; not reproduced on this machine"
    return f"{claim.id} ({said}): {claim.statement} Measured: {claim.measured_text}."


def _card(claim: Claim) -> str:
    """Return the claim as a card."""
    rows = [("Measured", claim.measured_text), ("Over", claim.over), ("Note", claim.note)]
    if not claim.passed:
        rows.append(("This machine", "not reproduced here: it is a claim about the clock"))
    line = claim_line(claim.measured, claim.interval, claim.against, claim.unit, claim.form)
    card = render("claim.html", claim=claim, sign=VERDICTS[claim.verdict], rows=rows, line=line)
    return asset("frame.css") + asset("evidence.css") + card
