"""The kill matrix: green for a sound assignment, red for every kind of deviation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from course_lib.cli.mutants import mutants as command
from course_lib.grading.authoring import kill_matrix as mutants
from course_lib.grading.authoring.assignment import Assignment, assignments
from course_lib.grading.authoring.tasks import Variant, prove, slip
from course_lib.grading.errors import Refusal
from course_lib.grading.verdict import CheckResult, Fault, Outcome, TaskResult
from tests.grading import example
from tests.grading.example import MUTANTS, NAME, SPEC

pytestmark = pytest.mark.slow

slow = pytest.mark.slow


ROOT = Path(__file__).parents[3]


@slow
def test_a_sound_assignment_is_green_and_is_stored(course):
    stored = course / "book" / "instructor" / "kill_matrix.json"
    done = CliRunner().invoke(command, ["--all", "--json", "--store"])
    (found,) = json.loads(done.stdout)
    assert found["ok"] is True and found["problems"] == [] and done.exit_code == 0
    keep, split = found["tasks"]
    assert [row["kind"] for row in keep["rows"]] == [
        "reference", "stub", *["mutant"] * 5, *["alternative"] * 2
    ]  # fmt: skip
    rows = [*keep["rows"], *split["rows"]]
    assert all(row["lost"] == row["must"] and row["named"] for row in rows)
    shown = mutants.text(found).splitlines()
    signs = {"".join(words[:2]): words[2:] for words in map(str.split, shown)}
    assert signs["mutantsigned"] == ["x", "x", ".", "x", "x", "yes"]
    assert signs["mutantkeeps_ties"] == [".", "x", ".", ".", ".", "yes"]
    assert signs["alternativeby_sorting"] == [".", ".", ".", ".", "."]
    (entry,) = json.loads(stored.read_text())
    assert entry["assignment"] == NAME and "seconds" not in stored.read_text()
    kept = {row["key"]: row["lost"] for row in entry["tasks"][0]["rows"]}
    assert kept["reference"] == kept["by_sorting"] == []
    assert kept["stub"] == ["distinct", "ties", "limits", "type", "unchanged"]
    assert kept["keeps_ties"] == ["ties"]


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
    a = Assignment(example.make(tmp_path, **parts), NAME)
    try:
        found = [
            w
            for t in a.tasks
            for w in prove(t, a.reference[t.name], a.mutants(t.name), a.alternatives(t.name), [0])
        ]
    except Refusal as refusal:
        found = [str(refusal)]
    assert any(words in problem for problem in found), found


@pytest.fixture
def no_jail(monkeypatch):
    """In place of the jail: everybody loses "ties", and is told nothing; the proof fails."""

    def work(function, tasks, workers, **_):
        for key, _ in tasks:
            assignment = Assignment(Path("exercises"), NAME)
            marked = [
                TaskResult(
                    task.name,
                    0,
                    0,
                    [
                        CheckResult(c.id, "", True, 0, 0, Fault("x") if c.id == "ties" else None)
                        for c in task.checks
                    ],
                )
                for task in assignment.tasks
            ]
            proof = key.endswith("/proof")
            yield (
                key,
                ["the proof fails"] if proof else (Outcome("graded", tasks=marked), b""),
                None,
            )

    monkeypatch.setattr(mutants, "work", work)
    monkeypatch.setattr(mutants, "ready", lambda: None)


def test_gaps_and_rows_that_deviate_are_named_and_nothing_is_stored(course, no_jail):
    text = MUTANTS.replace('@alternative("split")', "").replace('"limits"]', '"type"]')
    (course / "exercises/mutants" / f"{NAME}.py").write_text(text)
    done = CliRunner().invoke(command, [NAME, "--store"])
    assert done.exit_code == 1
    for words in (
        "keep: no mutant loses the check 'limits'",
        "split has 0 alternatives; it needs 2",
        "the proof fails",
    ):
        assert f"DEVIATION {words}" in done.output, done.output
    assert json.loads((course / "book/instructor/kill_matrix.json").read_text()) == []


def test_each_row_is_held_against_what_it_declares(course, no_jail):
    done = CliRunner().invoke(command, [NAME])
    assert done.exit_code == 1
    for words in (
        "keep, reference: loses ['ties'], must lose []",
        "keep, keeps_ties: the report does not name the mistake alone",
        "split, halves: loses [], must lose ['sum']",
    ):
        assert f"DEVIATION {words}" in done.output, done.output
    assert "x!" in done.output and ".!" in done.output


def test_a_piece_that_fails_is_a_deviation(course, monkeypatch):
    def work(function, tasks, workers, **_):
        for number, (key, _) in enumerate(tasks):
            blank = Outcome(why="no kernel"), b""
            yield (key, blank, None) if number % 2 else (key, None, OSError("gone"))

    monkeypatch.setattr(mutants, "work", work)
    monkeypatch.setattr(mutants, "ready", lambda: None)
    done = CliRunner().invoke(command, [NAME])
    assert done.exit_code == 1
    assert "DEVIATION proof failed: OSError: gone" in done.output
    assert "DEVIATION round 0 was not graded: no kernel" in done.output
    assert " ? " in done.output


def test_mutants_that_lose_otherwise_stop_only_their_assignment(course, no_jail):
    text = MUTANTS.replace('["sum"])\ndef halves', "[])\ndef halves")
    (course / "exercises/mutants" / f"{NAME}.py").write_text(text)
    done = CliRunner().invoke(command, [NAME])
    assert done.exit_code == 1 and "halves lose as they declare" in done.output


def test_storing_one_keeps_the_others_and_drops_what_is_gone(assignment, tmp_path):
    path = tmp_path / "kill_matrix.json"
    path.write_text(json.dumps([{"assignment": n, "tasks": []} for n in ("z", NAME, "gone")]))
    found = json.loads(mutants.merged(path, [assignment], [NAME, "z"]))
    assert [entry["assignment"] for entry in found] == [NAME, "z"]
    assert found[0]["tasks"] and not found[1]["tasks"]


def test_the_page_of_the_book_shows_the_assignments_as_they_are():
    """Whoever changes a check or a mutant grades them all anew: course mutants NAME --store."""
    stored = json.loads((ROOT / "book" / "instructor" / "kill_matrix.json").read_text())
    names = assignments(ROOT / "exercises")
    assert [entry["assignment"] for entry in stored] == names
    for name, entry in zip(names, stored, strict=True):
        assignment = Assignment(ROOT / "exercises", name)
        want = {
            task.name: {c.id: (c.points, c.visible) for c in task.checks}
            for task in assignment.tasks
        }
        rows = {}
        for task in entry["tasks"]:
            assert {c["id"]: (c["points"], c["visible"]) for c in task["checks"]} == want[
                task["name"]
            ]
            rows |= {
                (task["name"], row["key"]): (row["message"], set(row["lost"]))
                for row in task["rows"]
            }
        told = {(v.task, v.key): (v.message, set(v.loses)) for v in assignment.variants}
        for task, checks in want.items():
            told |= {(task, "reference"): ("", set()), (task, "stub"): ("", set(checks))}
        assert rows == told, name


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


def edited(root, *slips):
    """Return the assignment with these lines in place of its mutants of `split`."""
    head = MUTANTS[: MUTANTS.index('@mutant("split"')].replace("mutant\n", "mutant, slip\n", 1)
    return Assignment(example.make(root, mutants="\n".join([head, *slips])), NAME)


def halves(swap):
    return f'halves = slip("split", "it halves the total", {swap}, loses=["sum"])'


@pytest.mark.parametrize(
    "swap, answer",
    [
        ('swap=("total / 3, 2 * total / 3", "total / 2, total / 2")', (3.0, 3.0)),
        ('swap=("return total / 3,\\n      2 *", "return total,")', (6.0, 2.0)),
        ('swaps=[("2 * total", "total"), ("total / 3,", "total,")]', (6.0, 2.0)),
    ],
)
def test_a_slip_is_the_reference_but_for_its_swaps(swap, answer, tmp_path):
    assignment = edited(tmp_path, halves(swap))
    (found,) = assignment.mutants("split")
    assert (found.key, found.message, found.loses) == ("halves", "it halves the total", ("sum",))
    assert found.function(6.0) == answer
    assert assignment.reference["split"](6.0) == (2.0, 4.0)
    names = {}
    exec(found.source, names)  # as it is put into a notebook, behind the right answer
    assert names["split"](6.0) == answer
    task = assignment.tasks[1]
    assert prove(task, assignment.reference["split"], [found], [], range(3)) == []


@pytest.mark.parametrize(
    "swap, words",
    [
        ('swap=("total / 3", "total")', "split has 2 times; it must have it exactly once. Say"),
        ('swap=("total / 4", "total")', "'total / 4', which the reference solution of split has 0"),
        ('swap=("def split", "def part")', "has 0 times"),  # the solution alone is looked at
        ('swap=("", "total")', "it must have it exactly once"),
        ('swap=("total / 3,", "(total,")', "makes no Python: '(' was never closed, in 'return ("),
        ('swap=("return total / 3,", "x = total / 3; break;")', "no Python: 'break' outside loop"),
        ('swap=("total / 3,", "(total / 3),")', "changes nothing in the reference solution"),
        ('swaps=[("2 * total", "total"), ("total / 3, 2", "2")]', "two of its swaps overlap"),
    ],
)
def test_a_swap_that_does_not_fit_is_refused_by_name(swap, words, tmp_path):
    with pytest.raises(Refusal) as refusal:
        edited(tmp_path, halves(swap))
    assert "- halves: it" in str(refusal.value).replace("two of its", "it: two of its")
    assert words in str(refusal.value)


def test_all_slips_that_do_not_fit_are_told_at_once(tmp_path):
    wrong = halves('swap=("none", "")')
    with pytest.raises(Refusal, match=r"(?s)halves: it swaps.*other: it swaps"):
        edited(tmp_path, wrong, wrong.replace("halves =", "other ="))


@pytest.mark.parametrize(
    "line, words",
    [
        ("{}", ": this slip has no name"),
        ("both = [{}]", "this slip has no name. Write NAME = slip(...)"),
        ("signed = {}", "defines signed twice"),
        ("x = {}\nx = {}", "defines x twice"),
    ],
)
def test_no_slip_is_passed_over(line, words, tmp_path):
    call = halves('swap=("2 * total", "total")').partition(" = ")[2]
    with pytest.raises(Refusal) as refusal:
        edited(tmp_path, line.format(call, call))
    assert words in str(refusal.value)


@pytest.mark.parametrize("swaps", [{}, {"swap": ("a", "b"), "swaps": [("c", "d")]}])
def test_a_slip_has_one_swap_or_a_list_of_them(swaps):
    with pytest.raises(TypeError, match="a slip of split has one swap="):
        slip("split", "it halves", loses=["sum"], **swaps)
