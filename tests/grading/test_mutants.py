"""The kill matrix: green for a sound assignment, red for every kind of deviation."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from course_lib.cli.mutants import mutants as command
from course_lib.grading import mutants
from course_lib.grading.assignment import Assignment
from course_lib.grading.tasks import Variant
from tests.grading import trial
from tests.grading.trial import MUTANTS, NAME, SPEC

slow = pytest.mark.slow


@slow
def test_a_sound_assignment_is_green(course):
    done = CliRunner().invoke(command, ["--all", "--json"])
    (found,) = json.loads(done.stdout)
    assert found["ok"] is True and found["problems"] == [] and done.exit_code == 0
    kinds = [row["kind"] for row in found["rows"] if row["task"] == "keep"]
    assert sorted(kinds) == sorted(["reference", "stub", *["mutant"] * 5, *["alternative"] * 2])
    assert all(row["lost"] == row["must"] and row["named"] for row in found["rows"])
    shown = mutants.text(found, Assignment(course / "exercises", NAME)).splitlines()
    rows = {"".join(words[:2]): words[2:] for words in map(str.split, shown)}
    assert rows["mutantsigned"] == ["x", "x", ".", "x", "x", "yes"]
    assert rows["mutantkeeps_ties"] == [".", "x", ".", ".", ".", "yes"]
    assert rows["alternativeby_sorting"] == [".", ".", ".", ".", "."]


GENEROUS = SPEC.replace(
    'return "" if abs(a + b - total) < 1e-9 else f"the sum is {a + b}"', 'return ""'
)
BROKEN = MUTANTS.replace("return [total / 4, total - total / 4]", "return [total / 4, total / 4]")


@pytest.mark.parametrize(
    "parts, words",
    [
        ({"spec": GENEROUS}, "constant lose as they declare"),
        ({"mutants": BROKEN}, "split, quarter, seed 0: loses ['sum'], must lose []"),
        (
            {"mutants": MUTANTS.replace('["sum"])\ndef halves', "[])\ndef halves")},
            "halves lose as they declare",
        ),
    ],
)
def test_deviations_are_found_without_a_jail(parts, words, tmp_path):
    from course_lib.grading.tasks import Refusal, prove

    a = Assignment(trial.make(tmp_path, **parts), NAME)
    try:
        found = [
            w
            for t in a.tasks
            for w in prove(t, a.reference[t.name], a.mutants(t.name), a.alternatives(t.name), [0])
        ]
    except Refusal as refusal:
        found = [str(refusal)]
    assert any(words in problem for problem in found), found


def test_gaps_and_rows_that_deviate_are_named_and_the_exit_code_says_so(course, monkeypatch):
    text = MUTANTS.replace('@alternative("split")', "").replace('"limits"]', '"type"]')
    (course / "exercises/mutants" / f"{NAME}.py").write_text(text)

    class Grades:
        """In place of the jail: everybody loses "ties", and is told nothing."""

        def __init__(self, assignment, out):
            self.tasks = assignment.tasks

        def verdict(self, student, path):
            return {"status": "graded", "tasks": [self.result(task) for task in self.tasks]}, b""

        def result(self, task):
            checks = [{"id": c.id, "fault": "x" * (c.id == "ties")} for c in task.checks]
            return {"name": task.name, "checks": checks, "slips": []}

    monkeypatch.setattr(mutants, "Grader", Grades)
    monkeypatch.setattr(mutants, "prove", lambda *args: ["the proof fails"])
    done = CliRunner().invoke(command, [NAME])
    assert done.exit_code == 1
    for words in (
        "keep: no mutant loses the check 'limits'",
        "split has 0 alternatives; it needs 2",
        "the proof fails",
        "keep, reference: loses ['ties'], must lose []",
        "keep, keeps_ties: the report does not name the mistake alone",
        "split, halves: loses [], must lose ['sum']",
    ):
        assert f"DEVIATION {words}" in done.output, done.output
    assert "x!" in done.output and ".!" in done.output


def test_the_names_of_assignments_are_asked_for(course):
    assert CliRunner().invoke(command, []).exit_code == 2


def variant(task, key, source):
    return Variant(task, key, lambda: None, source, key, ("a",))


class Two:
    """An assignment of tasks a, b, c in which b uses a."""

    tasks = tuple(type("T", (), {"name": n}) for n in "abc")
    variants = (
        variant("a", "a1", "def a(): pass"),
        variant("a", "a2", "def a(): pass"),
        variant("b", "b1", "def b(): return a()"),
        variant("b", "b2", "def b(): pass"),
        variant("c", "c1", "def c(): pass"),
    )


def test_versions_share_a_notebook_unless_one_uses_another():
    _, _, *packed = mutants.rounds(Two)
    keys = [{v.key for v in versions.values()} for versions in packed]
    assert sorted(k for ks in keys for k in ks) == ["a1", "a2", "b1", "b2", "c1"]
    assert not any({"b1"} & ks and {"a1", "a2"} & ks for ks in keys)
    assert len(packed) == 3
