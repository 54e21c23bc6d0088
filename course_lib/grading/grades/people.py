"""Who handed in: the names by which students are known already, and those that are asked for."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from course_lib.grading.errors import Refusal
from course_lib.grading.intake.collect import Handed
from course_lib.grading.intake.names import safe
from course_lib.grading.verdict import Verdict


def named(
    collected: list[Handed], stored: dict[str, Verdict], numbers: Iterable[tuple[str, str]]
) -> list[Handed]:
    """Return the submissions, each under the name by which its student is known already.

    A student is the platform's number: whoever is called otherwise by now goes on under the first
    name, with all grades, points and comments.

    numbers: the students of the gradebook, with theirs.
    """
    known: dict[str, list[tuple[str, str]]] = defaultdict(list)  # number: student, system
    for v in stored.values():
        known[v.id].append((v.student, v.system))
    for student, number in numbers:
        if student not in stored and safe(student) == student:
            known[number].append((student, ""))
    names = {}
    for h in collected:
        same = [student for student, system in known[h.id] if h.id and system in ("", h.system)]
        names[h.student] = sorted(dict.fromkeys(same), key=lambda s: s != h.student) or [h.student]
    taken = Counter(first for first, *_ in names.values())
    found = []
    for h in collected:
        first, *more = names[h.student]
        if taken[first] > 1:  # of two systems, whose numbers are alike
            first = h.student
        notes = [f"is called {h.name} now: the grades stay under {first}"] * (first != h.student)
        twins = [other for other in more if other in stored and other not in names]
        notes += [
            f"has a grade as {other} too: remove the one that is not to count" for other in twins
        ]
        found.append(replace(h, student=first, notes=(*h.notes, *notes)))
    return sorted(found, key=lambda h: h.student)


def chosen(handed: list[Handed], only: Sequence[str]) -> list[Handed]:
    """Return the submissions of the students named (by student, name or id); all if none is."""
    called = {h.student: {h.student, h.name, h.id} - {""} for h in handed}
    known = set().union(*called.values())
    for name in only:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else "See the names with --json."
            raise Refusal(f"no submission is from {name!r}. {hint}")
    return [h for h in handed if not only or called[h.student] & set(only)]
