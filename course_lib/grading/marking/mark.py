"""Marks answers against material. Students have this file too, for the visible checks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from course_lib.grading.errors import clean
from course_lib.grading.marking.plain import at_once
from course_lib.grading.marking.values import (
    agree,
    broken_property,
    difference,
    outcome,
    right,
    same,
    show,
)

UNWRITTEN = "it is not written yet (NotImplementedError)"

Answers = tuple[list[str], str | None]  # a JSON line each; the reason if some are missing
Ask = Callable[[list[dict[str, Any]], float], Answers]  # of cases and seconds


def fault(
    case: dict[str, Any], want: dict[str, Any], got: dict[str, Any], check: dict[str, Any]
) -> str:
    """Return what is wrong with a wrong answer, for the student to read."""
    if check["property"] and "value" in want and "value" in got:
        odd = broken_property(case, got["value"], check)
    elif "raised" in want:
        odd = f"expected it to raise {want['raised'][0]}"
    elif "value" in got and same(want["value"], got["value"], check):
        odd = f"it changed its input number {(got['changed'] or want['changed'])[0] + 1}"
    elif "value" in got:
        odd = difference(want["value"], got["value"], check)
    elif check["property"]:
        odd = "expected an answer"
    else:
        odd = f"expected    {show(want['value'])}"
    if "value" in got:
        precision = 9 if "value" in want and show(want["value"]) == show(got["value"]) else 4
        said = f"it returned {show(got['value'], precision)}"
        if got["value"].data is None and "value" in want and want["value"].data is not None:
            said += " (does it end without a `return`?)"
    elif got["raised"][0] == "NotImplementedError":
        said = UNWRITTEN
    else:
        first = got["raised"][0]
        said = first[1:-1] if first.startswith("(") else f"it raised {first}: {got['text']}"
    return f"{show(case)}\n{said}\n{odd}"


def mark(material: dict[str, Any], ask: Ask) -> dict[str, Any]:
    """Mark one task.

    Returns:
        {"name", "points", "total", "slips": messages of the known mistakes whose answers these are,
        "checks": [{"id", "title", "visible", "points", "total", "fault"}]}.
    """
    rows: list[dict[str, Any]] = []
    twins: dict[str, bool] = {}  # known slips: was one of their answers wrong?
    out: set[str] = set()  # those of which an answer was another
    for check in material["checks"]:
        cases, want = check["cases"], [outcome(json.dumps(w)) for w in check["want"]]
        began = time.monotonic()
        lines, why = ask(cases, check["seconds"])
        got = [outcome(line) for line in lines[: len(cases)]]
        silent = {"raised": [f"({clean(why or 'no answer came back')})"], "text": ""}
        answered = len(got)
        got += [silent] * (len(cases) - answered)
        # Of what was never answered only the first was really tried.
        tried = list(enumerate(zip(cases, want, got, strict=True)))[: answered + 1]
        bad = [i for i, each in tried if not right(*each, check)]
        row = {key: check[key] for key in ("id", "title", "visible")}
        row |= {"points": 0 if bad else check["points"], "total": check["points"], "fault": ""}
        if bad:
            i = min(bad, key=lambda i: len(json.dumps(cases[i])))  # the smallest failing input
            row["fault"] = fault(cases[i], want[i], got[i], check)
            left = check["seconds"] - (time.monotonic() - began)
            again = ask([cases[i]], left)[0] if 0 < i < answered and left > 0.1 else []
            if again and right(cases[i], want[i], outcome(again[0]), check):
                row["fault"] += "\ncalled first it is right: it remembers something between calls"
        rows.append(row)
        for message in check["twins"].keys() - out:
            pairs = zip(check["twins"][message], got, strict=True)
            if all(agree(outcome(json.dumps(twin)), given, check) for twin, given in pairs):
                twins[message] = twins.get(message, False) or bool(bad)
            else:
                out.add(message)
    slips = sorted(message for message, wrong in twins.items() if wrong and message not in out)
    slips = [each for each in slips if not any(map(each.startswith, set(slips) - {each}))]
    points, total = (sum(row[key] for row in rows) for key in ("points", "total"))
    return {
        "name": material["name"],
        "points": points,
        "total": total,
        "checks": rows,
        "slips": slips,
    }


def answering(names: dict[str, Any]) -> Ask:
    """Return an `ask` that answers in this process, with these names."""
    return lambda cases, seconds: at_once({"cases": cases, "seconds": seconds}, names)


def report(result: dict[str, Any]) -> str:
    """Return the result of a task as a text for the student."""

    def lines() -> Iterator[str]:
        yield f"{result['name']}: {result['points']:g} of {result['total']:g} points"
        said = {row["fault"].split("\n")[1] if row["fault"] else "" for row in result["checks"]}
        if len(said) == 1 and (all_over := said.pop()).startswith((UNWRITTEN, "not reached")):
            yield f"  {all_over}"
            return
        for row in result["checks"]:
            verdict = "--" if row["fault"] else "ok"
            yield f"  [{verdict}] {row['points']:g}/{row['total']:g}  {row['title']}"
            yield from (f"        {line}" for line in row["fault"].splitlines())
        if result["slips"]:
            yield f"  This looks like a known slip: {', or '.join(result['slips'])}."

    return "\n".join(lines())
