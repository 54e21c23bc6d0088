"""What the judge does with an answer has bounds: of memory, of time, and of what it shows."""

from __future__ import annotations

import json
import resource
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from course_lib.grading import Check, Task
from course_lib.grading.authoring.tasks import helper, material
from course_lib.grading.marking import bounded, mark, values
from course_lib.grading.marking.plain import encode
from course_lib.grading.marking.values import numbers, outcome, same, show
from tests.grading.marking.test_marking import EXACT, faulty, run, through

LOOSE = {**EXACT, "types": False, "rtol": 1e-5, "atol": 1e-7}
MANY = {
    "eight axes": np.ones((6,) * 8, dtype=np.int8),
    "eight short axes": np.ones((2,) * 8),
    "four axes": np.ones((1, 7, 7, 7)),
    "arrays in a list": [np.ones((6, 6, 6))] * 50,
    "nested": [[[[[list(range(12))] * 12] * 12] * 12] * 12],
    "tuples": tuple([tuple(range(40))] * 40),
    "words": ["x" * 400] * 2000,
}


@pytest.mark.parametrize("value", MANY.values(), ids=MANY)
def test_some_hundred_numbers_are_shown_of_any_value(value, monkeypatch):
    array2string, cleaned, written = np.array2string, values.clean, []

    def array(a, **options):
        written.append(array2string(a, **options))
        return written[-1]

    def clean(text, *length):
        written.append(",")
        return cleaned(text, *length)

    given = through(value)
    monkeypatch.setattr(np, "array2string", array)
    monkeypatch.setattr(values, "clean", clean)
    assert 0 < len(show(given)) <= 600
    assert 0 < "".join(written).count(",") <= 5 * values.SHOWN  # of lists in lists too


def test_a_long_vector_is_shown_at_both_ends_and_a_short_one_whole():
    assert show(encode(np.arange(20))).endswith("18, 19])")
    assert show(encode(np.arange(21))) == "np.array([ 0, 1, 2, ..., 18, 19, 20])"


@pytest.mark.slow
@pytest.mark.parametrize(
    "got",
    [np.zeros((1000, 1, 1000), np.int8), [[0] * 1000] * 1000, [[0, [1] * 5000], [0, 1]], [0] * 9],
    ids=["axes", "rows", "ragged", "long"],
)
def test_an_answer_of_another_shape_is_never_made_into_an_array(got, monkeypatch):
    want, given, made = through(np.zeros((2, 2))), through(got), []
    monkeypatch.setattr(values, "numbers", lambda v: made.append(v) or numbers(v))
    assert not same(want, given, LOOSE)
    assert made == [want]


def task(asked):
    check = Check("a", "a", 1, lambda rng: [(1.0,), (2.0,)], visible=True)
    made = material(Task("f", [check]), lambda x: x, [], 0, visible_only=True)
    # Added afterwards: authors try what knows nothing, and run what they wrote as it is.
    made["checks"][0]["property"] = helper(asked)
    return made


def takes_room(inputs, answer):
    """Asks for 4 GB, and writes to none of it."""
    return "too large" if answer > 2 and np.zeros(1 << 29).size < answer else ""


def takes_time(inputs, answer):
    """Takes a minute for one answer, if nothing stops it."""
    if answer == 4.125:
        for _ in range(10**9):
            pass
    return ""


def test_a_property_without_room_fails_the_check_and_no_more():
    made = task(takes_room)
    assert run(made, lambda x: x).points == 1
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "not the kind of answer asked for" in faulty(run(made, lambda x: 3 * x))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + (100 << 10)


@pytest.mark.slow
def test_a_property_that_does_not_end_fails_the_check_of_that_answer(monkeypatch):
    monkeypatch.setattr(bounded, "SECONDS", 1)
    made = task(takes_time)
    assert mark.TOO_MUCH in (said := faulty(run(made, lambda x: x + 2.125)))
    assert said.startswith("f(2.0)")  # which of them was it


def dies(inputs, answer):
    """Is ended as by a machine without memory."""
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL if answer > 2 else 0)
    return ""


def test_a_process_that_was_ended_from_outside_is_no_fault_of_the_answer():
    with pytest.raises(OSError, match="ended from outside"):
        run(task(dies), lambda x: 3 * x)


def talks(inputs, answer):
    """Says more than anybody reads."""
    return "much " * 10**6


def test_a_report_is_short_whatever_a_property_says():
    assert len(faulty(run(task(talks), lambda x: x))) < 600


def divides(inputs, answer):
    """Divides by an answer of 0."""
    return "it is small" if np.float64(1) / np.float64(answer) > 9 else ""


def test_what_numpy_says_of_an_answer_is_said_to_nobody():
    with warnings.catch_warnings(action="error"):
        assert "it is small" in faulty(run(task(divides), lambda x: 0.0))


# --- what is a number


class Length(float):
    """A number of somebody's own."""


class Name(str):
    """A text of somebody's own."""


@pytest.mark.parametrize(
    ("want", "got"),
    [
        (0.25, Fraction(1, 4)),
        (3, Fraction(3)),
        (0.1, Decimal("0.1")),
        (0.1, np.longdouble("0.1")),
        (0.1, Length(0.1)),
        (2, np.uint8(2)),
        (1.5, np.array(1.5)),
        (True, np.True_),
        ("open", np.str_("open")),
        ("open", Name("open")),
        ("open", np.array("open")),
        ([0.5, 0.25], [Fraction(1, 2), Fraction(1, 4)]),
        (np.array([0.5, 0.25]), (Decimal("0.5"), np.longdouble("0.25"))),
        (np.array([0.5, 0.25]), np.array([Fraction(1, 2), Fraction(1, 4)], dtype=object)),
        (np.array([[0.5], [0.25]]), np.array([[0.5], [0.25]], dtype=np.longdouble)),
        (np.array([0.5, 2.0]), np.array([0.5, 2.0], dtype=">f8")),
        (np.array([1, 2]), [np.array(1), np.array([2])[0]]),
        ([1.0, 2.0j], np.array([1, 2j], dtype=np.clongdouble)),
        (["a", "b"], np.array(["a", "b"])),
        ([], np.array([], dtype=object)),
    ],
)
def test_whatever_python_and_numpy_call_a_number_is_one(want, got):
    assert same(through(want), through(got), LOOSE)
    wrong = through(f"{want}!") if isinstance(want, str) else through([want, want])
    assert not same(wrong, through(got), LOOSE)


@pytest.mark.parametrize("got", [Fraction(1, 2), Decimal("0.5"), np.longdouble(0.5)])
def test_they_are_of_another_type_where_types_count(got):
    assert same(through(0.5), through(got), {**EXACT, "types": False})
    assert not same(through(0.5), through(got), EXACT)
    assert not same(through(np.float64(0.5)), through(got), EXACT)


def test_numbers_that_no_float_holds_do_no_harm():
    for line in ({"value": encode(Decimal("NaN"))}, {"value": encode([Decimal("Infinity")])}):
        assert show(outcome(json.dumps(line)).value)
