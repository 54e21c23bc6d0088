"""Verdicts are stored in one form, and those of every form are read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from course_lib.grading.grades import feedback
from course_lib.grading.grades.store import verdicts
from course_lib.grading.marking.mark import REMEMBERS
from course_lib.grading.verdict import (
    FORM,
    ByHand,
    CheckResult,
    Fault,
    TaskResult,
    Verdict,
    Written,
    passed,
    read,
)

OLD = sorted((Path(__file__).parent / "released").glob("*/out/grades/*/*.json"))
FULL = Verdict(
    "graded",
    points=1.0,
    tasks=[
        TaskResult(
            "f",
            1.0,
            3.0,
            [
                CheckResult("a", "adds", True, 1.0, 1.0),
                CheckResult("b", "adds more", False, 0.0, 2.0, Fault("f(1)", "2", expected="3")),
            ],
            ["it adds twice"],
        )
    ],
    notes=["a note"],
    seconds=1.5,
    assignment="00_trial",
    student="ada",
    name="Lovelace, Ada",
    id="101",
    system="Canvas",
    late=True,
    handed=["twice"],
    total=3.0,
    written=[Written("why", 2.0)],
    seed="5eed",
    fingerprint="f1",
    grader="9r",
    sha256="00",
    time="2026-12-24T12:00:00+00:00",
    course="0.2.0",
    by_hand={"f": [ByHand(2.0, "Mary", "2027-01-07T09:00:00+00:00", "the idea is right")]},
    earlier=[{"form": 1, "student": "ada"}],
)


def test_all_that_a_verdict_has_is_read_again():
    stored = json.loads(json.dumps(FULL.stored()))
    assert stored["form"] == FORM == 2 and set(stored) == set(vars(FULL))
    assert all(value not in ("", [], {}, None) for key, value in stored.items() if key != "why")
    assert read(stored) == FULL
    assert read({**stored, "of a later form": 1}) == FULL


@pytest.mark.parametrize("path", OLD, ids=lambda path: f"{path.parts[-5]}-{path.parent.name[:2]}")
def test_a_verdict_of_the_first_form_is_read_with_every_point(path):
    stored = json.loads(path.read_text(encoding="utf-8"))
    verdict = verdicts(path.parents[2], path.parent.name)[path.stem]
    assert stored["format"] == 1 and verdict.form == 2
    assert verdict.points == stored["points"] and verdict.grader == stored.get("grader", "")
    for task, then in zip(verdict.tasks, stored["tasks"], strict=True):
        assert (task.points, task.slips) == (then["points"], then["slips"])
        for check, row in zip(task.checks, then["checks"], strict=True):
            assert (check.fault.lines if check.fault else []) == row["fault"].splitlines()
    assert read(json.loads(json.dumps(verdict.stored()))) == verdict


SAID = (
    "f(1)\nit returned 2\nexpected    3",
    "f(1)\nit returned [1, 2]\nexpected    (1, 2): the values are right, the type is not",
    "f(1)\nit returned None (does it end without a `return`?)\nexpected    3",
    "f(1)\nit raised ValueError: no\nexpected    3",
    "f(1)\nit returned 2\nexpected it to raise ValueError",
    "f(1)\nit is not written yet (NotImplementedError)\nexpected    3",
    "f(1)\nnot reached: it ended the Python process\nexpected    3",
    "f(1)\nit returned 2\nit is no prime",
    f"f(1)\nit returned 2\nexpected    3\n{REMEMBERS}",
    f"f(1)\nit returned 2\nit is odd\n{REMEMBERS}",
)


@pytest.mark.parametrize("text", SAID)
def test_a_fault_of_the_first_form_says_what_it_said(text):
    assert Fault.told(text).lines == text.split("\n")


def test_the_parts_of_a_fault_are_told_apart_on_the_page():
    fault = Fault.told(SAID[8])
    assert (fault.call, fault.returned, fault.expected) == ("f(1)", "2", "3")
    task = TaskResult("f", 0, 1, [CheckResult("a", "adds", True, 0, 1, fault)])
    page = BeautifulSoup(feedback.page(replace(FULL, tasks=[task])), "html.parser")
    pairs = [(dt.text.strip(), dt.find_next_sibling("dd").text.strip()) for dt in page("dt")]
    assert pairs == [
        ("The smallest input that shows it", "f(1)"),
        ("Your function returned", "2"),
        ("Expected", "3"),
        ("What is wrong", REMEMBERS),
    ]


@given(st.text())
def test_any_text_in_the_place_of_a_fault_is_read(text):
    assert Fault.told(text).call == text.split("\n")[0]


@pytest.mark.parametrize(
    "odd",
    [
        [],
        {},
        {**FULL.stored(), "status": "perfect"},
        {**FULL.stored(), "tasks": [{"name": "f"}]},
        {**FULL.stored(), "tasks": [{"name": "f", "points": 1, "total": 1, "checks": [{}]}]},
        {**FULL.stored(), "written": [1]},
        {**FULL.stored(), "by_hand": {"f": 2}},
        {**FULL.stored(), "student": "bob"},
    ],
)
def test_what_is_no_verdict_is_passed_over(tmp_path, odd):
    for student, stored in (("ada", FULL.stored()), ("eve", odd)):
        path = tmp_path / "grades" / "00_trial" / f"{student}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(stored))
    assert verdicts(tmp_path, "00_trial") == {"ada": FULL}


def test_whether_all_points_are_there_can_be_read_from_what_a_check_has_put_out():
    for points, whole in ((1.5, True), (1, False)):
        shown = f"warning\n{TaskResult('f', points, 1.5).headline}\n  more"
        assert passed(shown) is whole
    assert not passed("f is not defined")
