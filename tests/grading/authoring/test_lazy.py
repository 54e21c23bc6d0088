"""What a function has right that knows nothing counts only beside what it has not."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib.grading import Check, Task
from course_lib.grading.authoring import lazy
from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.authoring.tasks import material, prove
from course_lib.grading.marking.mark import answering, mark, report
from course_lib.grading.verdict import BESIDE
from tests.grading import example


def vectors(rng):
    return [(rng.integers(1, 9, n).astype(float), True) for n in (2, 3)]


def idle(rng):
    return [(w, False) for w, _ in vectors(rng)]


def silence(w, active):
    """Everything is silenced where it is active, but for a tenth."""
    if w.ndim != 1:
        raise ValueError("a vector")
    return w / 10 if active else w + 0


TASK = Task(
    "silence",
    [
        Check("active", "silences", 2, vectors),
        Check("idle", "leaves all as it is", 1, idle),
        Check("refuses", "refuses tables", 1, lambda rng: [(rng.normal(size=(2, 2)), True)]),
        Check("unchanged", "leaves its inputs", 0.5, vectors, unchanged=True),
    ],
)


def marked(function, task=TASK):
    return mark(material(task, silence, [], 0), answering({task.name: function}))


def only_idle(w, active):
    return w * 0.3 if active else w


def idle_and_refuses(w, active):
    if w.ndim != 1:
        raise ValueError("a vector")
    return w


def points(function):
    return {row.id: row.points for row in marked(function).checks if row.points}


def test_what_is_lazy_counts_only_beside_what_is_not():
    assert points(silence) == {"active": 2, "idle": 1, "refuses": 1, "unchanged": 0.5}
    assert points(lambda w, active: w) == {}
    assert points(only_idle) == {}
    assert points(idle_and_refuses) == {}  # though no one function has both
    assert points(lambda w, active: w / 10) == {"active": 2, "unchanged": 0.5}


def test_the_report_says_why_it_has_no_points():
    result = marked(only_idle)
    (row,) = [row for row in result.checks if row.fault and not row.lost]
    assert (row.id, row.points, row.fault.wrong) == ("idle", 0, BESIDE)
    assert result.points == 0 and BESIDE in report(result)


def test_a_check_that_is_worth_nothing_lets_nothing_count():
    """The example by hand can be remembered."""
    given = np.array([3.0, 4.0]), True
    task = Task("silence", [Check("hand", "by hand", 0, lambda rng: [given]), *TASK.checks])

    def remembers(w, active):
        return w / 10 if np.array_equal(w, given[0]) and len(w) == 2 else w

    result = marked(remembers, task)
    passed = {row.id for row in result.checks if not row.lost}
    assert passed == {"hand", "idle"} and result.points == 0


def verdicts(*changes):
    return lambda rng: [(change + float(rng.uniform(0, 0.4)),) for change in changes]


def verdict(change):
    return "better" if change > 0 else "worse"


def test_another_lazy_answer_for_each_check_earns_nothing_either():
    """By the order of the calls, or by what is given, checks can be told apart."""
    words = Task(
        "verdict",
        [
            Check("better", "says better", 2, verdicts(1, 2)),
            Check("worse", "says worse", 2, verdicts(-1, -2)),
        ],
    )
    (wrong,) = prove(words, verdict, [], [], [0])
    assert "lazy in turns, seed 0: earns 4" in wrong and "returns 'worse'" in wrong
    mixed = Check("both", "says both", 1, verdicts(1, -1))
    assert prove(Task("verdict", [*words.checks, mixed]), verdict, [], [], [0]) == []


def test_the_bank_has_forty_functions_and_those_that_are_asked_for():
    functions = lazy.bank(silence, ["good enough"])
    assert len(functions) >= 40
    given = np.array([3.0, 1.0, 2.0]), True
    for key, value in {
        "returns 0": 0,
        "returns None": None,
        "returns 'good enough'": "good enough",
        "returns argument 1": given[0],
        "sort of argument 1": [1, 2, 3],
        "argmax of argument 1": 0,
        "zeros of the right shape": [0, 0, 0],
    }.items():
        assert np.array_equal(functions[key](*given), value), key
    assert functions["random numbers of the right shape"](*given).shape == (3,)
    with pytest.raises(RecursionError):
        functions["never ends to call itself"](*given)


def test_a_memory_of_the_visible_checks_is_tried_and_earns_nothing_of_other_draws(tmp_path):
    fixed = Task("f", [Check("a", "a", 1, lambda rng: [(2.5,), (7.0,)], visible=True)])
    found = prove(fixed, lambda x: 3 * x, [], [], [0])
    assert any("remembers the visible checks" in wrong for wrong in found)
    assignment = Assignment(example.make(tmp_path), example.NAME)
    for task in assignment.tasks:
        assert prove(task, assignment.reference[task.name], [], [], [0]) == []
