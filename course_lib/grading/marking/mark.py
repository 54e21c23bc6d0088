"""Marks answers against material. Students have this file too, for the visible checks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from course_lib.grading.errors import clean
from course_lib.grading.marking.bounded import Flaws, bounded
from course_lib.grading.marking.plain import Names, Node, at_once
from course_lib.grading.marking.values import (
    PACKED,
    Material,
    Reply,
    Rules,
    agree,
    difference,
    flaw,
    outcome,
    packed,
    same,
    show,
)
from course_lib.grading.verdict import BESIDE, UNWRITTEN, CheckResult, Fault, TaskResult

REMEMBERS = "called first it is right: it remembers something between calls"
ANEW = "the latter is what the same call returned before, in another process"
LITTLE = (
    "The checks passed so far are also passed by answers that know little: "
    "their points count beside others that the grader tries as well."
)
TOO_MUCH = "it takes too long, or too much memory, to look at such an answer"

Answers = tuple[list[str], str | None]  # a JSON line each; the reason if some are missing
Ask = Callable[[list[Node], float], Answers]  # of cases and seconds
Tried = tuple[Node, Reply, Reply]  # a case, what was expected of it, what came of it


def inputs(material: Material, check: Rules, number: int) -> str:
    """Return a line that gives the inputs of a case which is not shown whole; empty if it is.

    Of a released check they are in its file, of any other they are in the line.
    """
    case, place = check["cases"][number], f"{check['id']}/{number}"
    if "..." not in (shown := show(case)) and shown.endswith((")", "]")):
        return ""
    where = place if "worth" in material else packed(case)
    return f'check("{material["name"]}", inputs="{where}")' * (len(where) <= PACKED)


def flaws(rows: list[tuple[list[Tried], Rules]]) -> list[Flaws]:
    """Return what is wrong with each answer to each check, as `flaw` does.

    Properties are asked with limits, all together; where these do not suffice, one by one.
    """

    def look() -> list[Flaws]:
        return [[flaw(*each, check) for each in tried] for tried, check in rows]

    if not any(check["property"] and any(got.value for *_, got in tried) for tried, check in rows):
        return look()
    if (found := bounded(look)) is not None:
        return found
    if len(rows) > 1:  # which of them was it?
        return [flaws([row])[0] for row in rows]
    ((tried, check),) = rows
    return [[TOO_MUCH] if len(tried) == 1 else [flaws([([e], check)])[0][0] for e in tried]]


def fault(case: Node, want: Reply, got: Reply, check: Rules, wrong: str) -> Fault:
    """Return what is wrong with a wrong answer, for the student to read.

    wrong: what `flaw` says of it.
    """
    expected = ""
    if wrong:
        pass
    elif not want.value:
        wrong = f"expected it to raise {want.raised[0]}"
    elif got.value and same(want.value, got.value, check):
        wrong = f"it changed its input number {(got.changed or want.changed)[0] + 1}"
    elif got.value:
        expected = difference(want.value, got.value, check)
    elif check["property"]:
        wrong = "expected an answer"
    else:
        expected = show(want.value)
    returned = raised = silent = ""
    if got.value:
        alike = want.value and show(want.value) == show(got.value)
        returned = show(got.value, 9 if alike else 4)
        if got.value.data is None and want.value and want.value.data is not None:
            returned += " (does it end without a `return`?)"
    elif got.silent:
        silent = got.silent
    elif got.raised[0] == "NotImplementedError" and not got.text:  # a library's has a text
        silent = UNWRITTEN
    else:
        raised = f"{got.raised[0]}: {got.text}"
    return Fault(show(case), returned, raised, silent, expected, wrong)


class Read(NamedTuple):
    """What the answers to a check say.

    got: an outcome for each case. answered: how many of these came. worst: which wrong answer has
    the smallest input; None if all are right. doubt: why some did not come, where all that came
    are right. fault: what is wrong. odd: is something remembered between calls?
    """

    got: list[Reply]
    answered: int
    worst: int | None
    doubt: str
    fault: Fault | None
    odd: bool = False


def read(checks: list[Rules], answers: list[Answers]) -> list[Read]:
    """Compare the answers to some checks with what was expected."""
    given = [_given(*each) for each in zip(checks, answers, strict=True)]
    # Of what was never answered only the first was really tried.
    tried = [each[: answered + 1] for each, answered in given]
    said = flaws(list(zip(tried, checks, strict=True)))
    return [_read(*each) for each in zip(checks, given, said, strict=True)]


def _given(check: Rules, answers: Answers) -> tuple[list[Tried], int]:
    """Return each case with what was expected and what came, and how many were answered."""
    cases, want = check["cases"], [outcome(json.dumps(w)) for w in check["want"]]
    lines, why = answers
    got = [outcome(line) for line in lines[: len(cases)]]
    silent = Reply(silent=clean(why or "no answer came back"))
    return list(zip(cases, want, got + [silent] * (len(cases) - len(got)), strict=True)), len(got)


def _read(check: Rules, given: tuple[list[Tried], int], said: Flaws) -> Read:
    tried, answered = given
    got = [each for *_, each in tried]
    bad = [i for i, wrong in enumerate(said) if wrong is not None]
    if not bad:
        return Read(got, answered, None, "", None)
    worst = min(bad, key=lambda i: len(json.dumps(tried[i][0])))
    doubt = got[-1].silent if bad == [answered] else ""
    return Read(got, answered, worst, doubt, fault(*tried[worst], check, said[worst] or ""))


def again(check: Rules, found: Read) -> list[Node]:
    """Return the cases that show whether a wrong answer is due to the calls before it.

    They are for two new beginnings: the wrong one alone, and with all that came before it. Of a
    check that is asked anew it is the last one, twice alone, if all are right.
    """
    i = found.worst
    if check.get("anew") and i is None:
        return check["cases"][-1:]
    return [] if i is None or not 0 < i < found.answered else check["cases"][: i + 1]


def remembering(check: Rules, found: Read, alone: Answers, after: Answers) -> Read:
    """Return what is known of a check after these cases were answered too."""
    if found.worst is None:
        return _anew(check, found, [outcome(each[0][0]) for each in (alone, after) if each[0]])
    i = found.worst
    case, want = check["cases"][i], outcome(json.dumps(check["want"][i]))
    whole = len(alone[0]) == 1 and len(after[0]) == i + 1
    first, then = (
        whole and flaws([([(case, want, outcome(lines[-1]))], check)]) == [[None]]
        for lines in (alone[0], after[0])
    )
    return found._replace(odd=whole and first and not then)


def _anew(check: Rules, found: Read, told: list[Reply]) -> Read:
    """Return what is known of a check with all right, once its last case was asked anew."""
    if not told or any(agree(found.got[-1], each, check) for each in told):
        return found
    wrong = replace(fault(check["cases"][-1], found.got[-1], told[0], check, ""), wrong=ANEW)
    return found._replace(worst=len(found.got) - 1, fault=wrong)


def mark(material: Material, ask: Ask) -> TaskResult:
    """Mark one task: ask for all answers first, then again for what was wrong."""
    checks = material["checks"]
    found = read(checks, [ask(check["cases"], check["seconds"]) for check in checks])
    for i, check in enumerate(checks):
        if cases := again(check, found[i]):
            twice = [ask(some, check["seconds"]) for some in (cases[-1:], cases)]
            found[i] = remembering(check, found[i], *twice)
    return marked(material, found)


def marked(material: Material, found: Iterable[Read]) -> TaskResult:
    """Return the result of a task."""
    rows: list[CheckResult] = []
    twins: dict[str, bool] = {}  # known slips: was one of their answers wrong?
    out: set[str] = set()  # those of which an answer was another
    for check, one in zip(material["checks"], found, strict=True):
        if wrong := one.fault:
            wrong = replace(wrong, again=inputs(material, check, one.worst or 0))
        if wrong and one.odd:
            wrong = replace(wrong, wrong=f"{wrong.wrong}\n{REMEMBERS}".strip())
        worth, points = check["points"], 0 if wrong else check["points"]
        rows.append(
            CheckResult(check["id"], check["title"], check["visible"], points, worth, wrong)
        )
        for message in check["twins"].keys() - out:
            pairs = zip(check["twins"][message], one.got, strict=True)
            if all(agree(outcome(json.dumps(twin)), given, check) for twin, given in pairs):
                twins[message] = twins.get(message, False) or bool(wrong)
            else:
                out.add(message)
    slips = sorted(message for message, wrong in twins.items() if wrong and message not in out)
    slips = [each for each in slips if not any(map(each.startswith, set(slips) - {each}))]
    rows = paid(rows, material["checks"])
    points, total = sum(row.points for row in rows), sum(row.total for row in rows)
    return TaskResult(material["name"], points, total, rows, slips)


def paid(rows: list[CheckResult], checks: list[Rules]) -> list[CheckResult]:
    """Return the rows, without points if each of those that are right is so of something lazy too.

    It need not be the same for all: who tells the checks apart could answer each in another way.
    """
    good = [(row, check) for row, check in zip(rows, checks, strict=True) if row.points]
    if len(good) == sum(row.total > 0 for row in rows) or not all(c.get("lazy") for _, c in good):
        return rows
    unpaid = {row.id: Fault(show(check["cases"][0]), wrong=BESIDE) for row, check in good}
    return [
        replace(row, points=0, fault=unpaid[row.id]) if row.id in unpaid else row for row in rows
    ]


def by_turns(material: Material) -> float:
    """Return the points of whoever answers each check in a lazy way that passes it, if any does."""
    checks = material["checks"]
    rows = [
        CheckResult(c["id"], c["title"], c["visible"], c["points"] * bool(c["lazy"]), c["points"])
        for c in checks
    ]
    return sum(row.points for row in paid(rows, checks))


def answering(names: Names) -> Ask:
    """Return an `ask` that answers in this process, with these names."""
    return lambda cases, seconds: at_once({"cases": cases, "seconds": seconds}, names)


def little(result: TaskResult, released: Material) -> bool:
    """Say whether grading would pay nothing for what the visible checks call right; see `paid`."""
    rows = zip(result.checks, released["checks"], strict=True)
    good = [check.get("beside", False) for row, check in rows if row.points]
    return all(good) and 0 < result.points < (released.get("worth") or 0)


def report(result: TaskResult, material: Material | None = None) -> str:
    """Return the result of a task as a text for the student.

    material: what is released of the task; it may tell that what is right earns nothing alone.
    """

    def lines() -> Iterator[str]:
        short = result.points == result.total and not result.passed
        yield result.headline + ", but not what the text works out" * short
        if result.all_over:
            yield f"  {result.all_over}"
            return
        for row in result.checks:
            sign, said = ("--", row.fault.lines) if row.fault else ("ok", [])
            points = f"{row.points:g}/{row.total:g}" if row.total else "  "
            yield f"  [{sign}] {points}  {row.title}"
            yield from (f"        {line}" for line in said)
        if result.slips:
            yield f"  This looks like a known slip: {', or '.join(result.slips)}."
        if material and little(result, material):
            yield f"  {LITTLE}"

    return "\n".join(lines())
