"""What a student sees before handing in: a green tick is no known mistake's, but for those told."""

import json
import math
import re
from pathlib import Path

import pytest

from course_lib.chapters import chapters
from course_lib.grading.authoring import kill_matrix
from course_lib.grading.authoring.assignment import Assignment, assignments
from course_lib.grading.authoring.by_hand import cases, examples
from course_lib.grading.authoring.tasks import BY_HAND, prove
from course_lib.grading.marking.check import check
from course_lib.grading.marking.mark import LITTLE, answering, mark, report
from course_lib.grading.marking.plain import evaluate
from course_lib.grading.verdict import passed
from tests.grading import example
from tests.grading.example import NAME

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
EXERCISES = ROOT / "exercises"
PAGE = ROOT / "book" / "instructor" / "kill_matrix.md"

each = pytest.mark.parametrize("name", assignments(EXERCISES))


def seen_and_unseen():
    """Count the mistakes that lose a visible check; name the others, as (task, key)."""
    seen, unseen = 0, set()
    for entry in json.loads(PAGE.with_suffix(".json").read_text()):
        for task in entry["tasks"]:
            shown = {c["id"] for c in task["checks"] if c["visible"]}
            for row in task["rows"]:
                if row["kind"] == "mutant" and shown & set(row["lost"]):
                    seen += 1
                elif row["kind"] == "mutant":
                    unseen.add((task["name"], row["key"]))
    return seen, unseen


def test_nearly_every_known_mistake_loses_a_visible_check():
    """The stored matrix is that of the assignments as they are: another test compares them."""
    seen, unseen = seen_and_unseen()
    assert seen >= 535, f"{seen} mistakes are seen, {len(unseen)} are not; the first only grows"


def test_the_page_says_why_the_others_do_not():
    table = PAGE.read_text().partition("no visible check")[2]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| .{20,} \|$", table, re.M)
    told = {(task, key) for task, keys in rows for key in re.findall(r"`(\w+)`", keys)}
    assert told == seen_and_unseen()[1]


@each
def test_each_text_works_an_example_by_hand_that_is_run_first(name):
    for task in Assignment(EXERCISES, name).tasks:
        if task.name != "recipe":  # which trains networks
            first = task.checks[0]
            assert (first.id, first.points, first.visible) == (BY_HAND, 0, True), task.name


def plain(value):
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def near(a, b):
    """Say whether two plain values agree to the digits that a text has."""
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(near, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(near(a[key], b[key]) for key in a)
    return a == b or (not isinstance(a, str) and math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-9))


@each
def test_what_a_text_works_out_is_what_the_reference_returns(name):
    assignment = Assignment(EXERCISES, name)
    names = assignment.reference
    for task in assignment.tasks:
        for call, want in cases(examples(assignment.source, task.name), names):
            if want == "ValueError":
                with pytest.raises(ValueError):
                    evaluate(call, names)
            elif want and not task.checks[0].property:
                assert near(plain(eval(want, dict(names))), plain(evaluate(call, names))), want
            elif want:  # one right answer of many
                inputs = [arg["value"] for arg in call["args"]]
                assert task.checks[0].property(inputs, eval(want, dict(names))) == ""


def by_hand(tmp_path, session):
    """Return the small assignment with a session in the text above its first task."""
    exercises = example.make(tmp_path)
    path = exercises / "source" / NAME / f"{NAME}.ipynb"
    book = json.loads(path.read_text())
    place = next(i for i, c in enumerate(book["cells"]) if "def keep" in "".join(c["source"]))
    text = {"cell_type": "markdown", "id": "by-hand", "metadata": {}, "source": session}
    book["cells"].insert(place, text)
    path.write_text(json.dumps(book))
    return Assignment(exercises, NAME)


SESSION = """Keep.

**By hand.** Of 1, -3 and 2 it keeps two.

```python
>>> weights = np.array([1.0, -3, 2])
>>> keep(weights, 2)
[False, True, True]
>>> keep(weights, 4)
ValueError
```"""


def test_an_example_is_worth_nothing_and_is_lost_by_what_it_shows(tmp_path):
    assignment = by_hand(tmp_path, SESSION)
    task = assignment.tasks[0]
    assert task.checks[0].id == BY_HAND and task.points == 5
    lost = {v.key for v in assignment.mutants("keep") if BY_HAND in v.loses}
    assert lost == {"signed", "in_place", "unchecked"}
    assert kill_matrix.described(assignment)[0]["points"] == 5
    reference = assignment.reference["keep"]
    right = assignment.alternatives("keep")
    assert prove(task, reference, assignment.mutants("keep"), right, range(3)) == []


def test_who_fails_the_example_has_not_passed_though_no_point_is_lost(tmp_path):
    assignment = by_hand(tmp_path, SESSION)
    material = assignment.materials(0, visible_only=True)["keep"]

    def unchecked(weights, k):
        return assignment.reference["keep"](weights, min(max(k, 0), len(weights)))

    result = mark(material, answering({"keep": unchecked}))
    assert result.points == result.total == 2 and not result.passed
    said = report(result)
    assert "keep: 2 of 2 points, but not what the text works out\n" in said
    assert "\n  [--]     what the text works out" in said
    assert "keep(np.array([ 1., -3., 2.]), 4)" in said
    assert "it lets a k pass that is out of range" in said
    assert not passed(said)
    good = mark(material, answering({"keep": assignment.reference["keep"]}))
    assert good.passed and passed(report(good)) and "0/0" not in report(good)


HIDDEN = (
    "Graded too: of equal magnitudes keeps the first, k in all; k = 0 and k = n work, other k "
    "raise ValueError; returns a boolean array; leaves the weights as they were."
)


@pytest.mark.parametrize("right", [True, False])
def test_who_sees_only_green_is_told_what_else_is_graded(right, tmp_path, monkeypatch, capsys):
    assignment = by_hand(tmp_path, SESSION)
    for name, content in assignment.files().items():
        (tmp_path / name).write_bytes(content)
    function = assignment.reference["keep"] if right else lambda weights, k: weights
    monkeypatch.setattr("__main__.keep", function, raising=False)
    check("keep", tmp_path)
    assert (HIDDEN in capsys.readouterr().out) == right


SHOWN = [
    ("08_hardware", "most_kept", "float32", "one_pointer_short"),
    ("08_hardware", "to_csr", "values", "positive_only"),
    ("04_thresholding", "toll", "signs", "sizes_only"),
    ("04_thresholding", "toll", "signs", "size_of_the_mean"),
]
TAUGHT = {path.stem for path in chapters(EXERCISES.parent)}


@pytest.mark.parametrize(
    ("name", "task", "asked", "key"), [row for row in SHOWN if row[0] in TAUGHT]
)
def test_what_a_title_speaks_of_is_shown_by_its_inputs(name, task, asked, key):
    assignment = Assignment(EXERCISES, name)
    (wrong,) = [v for v in assignment.mutants(task) if v.key == key]
    for seed in range(3):
        result = mark(assignment.materials(seed)[task], answering({task: wrong.function}))
        assert asked in {row.id for row in result.checks if row.lost}, seed


def test_who_hands_back_what_was_given_reads_so():
    assignment = Assignment(EXERCISES, "04_thresholding")
    (wrong,) = [v for v in assignment.mutants("soft_threshold") if v.key == "handed_back"]
    made = assignment.materials(0)["soft_threshold"]
    said = report(mark(made, answering({"soft_threshold": wrong.function})))
    assert "it returned 'the very array that it was given'\n" in said
    assert "expected    'a new array'\n" in said


def constant(factor):
    return [3, 2], [1, 2500]


def only_two(d, factor):
    """Fools the rule by what is worked out by hand, whatever d is."""
    return [[220, 0], [220, 0], [200, 0], [0, 200]]


@pytest.mark.parametrize(
    ("name", "function", "passing", "told"),
    [
        ("01_sparse_approximation", constant, "counter_example: 2 of 2 points", True),
        ("14_statistics", only_two, "decoys: 1 of 2.5 points", True),
        ("14_statistics", "decoys", "decoys: 2.5 of 2.5 points", False),
        ("01_sparse_approximation", "squared_error", "squared_error: 2.5 of 2.5 points", False),
        ("08_hardware", "most_kept", "most_kept: 2 of 2 points", False),
    ],
)
def test_what_would_earn_nothing_alone_is_told_beforehand(
    name, function, passing, told, monkeypatch, capsys
):
    task, assignment = passing.split(":")[0], Assignment(EXERCISES, name)
    tried = assignment.reference[function] if isinstance(function, str) else function
    monkeypatch.setattr(f"__main__.{task}", tried, raising=False)
    check(task, assignment.released)
    said = capsys.readouterr().out
    assert said.startswith(f"{passing}\n") and (f"\n  {LITTLE}\n" in said) == told
    graded = mark(assignment.materials(0)[task], answering({task: tried})).points
    assert (graded == 0) == told


def test_what_is_released_says_that_one_can_be_lazy_and_not_how():
    for path in EXERCISES.glob("release/*/*.check.json"):
        for row in json.loads(path.read_text())["checks"]:
            assert "lazy" not in row and row.get("beside", True) is True, path.name


def test_the_last_cell_names_the_file_that_is_handed_in():
    for name in assignments(EXERCISES):
        text = "\n".join(c.source for c in Assignment(EXERCISES, name).source.cells)
        asked = re.findall(r"course check (\S+?)`", text)
        assert all((ROOT / path).is_file() for path in asked), (name, asked)


@each
def test_a_title_is_true_of_whatever_failed(name):
    """What looks at inputs or types is lost by wrong values too: it must not speak of these alone.

    Where a helper looks at an answer, and returns no more than its shape, say, so does the title.
    """
    for task in Assignment(EXERCISES, name).tasks:
        for asked in task.checks:
            if asked.types or asked.unchanged:
                assert re.match(r"is right, and|its .+, and|what the text", asked.title), (
                    task.name,
                    asked.title,
                )


@pytest.mark.parametrize("name", [n for n in assignments(EXERCISES) if not n.startswith("15")])
def test_what_is_called_right_is_not_right_by_its_shape_alone(name):
    """The capstone has no such title, and its networks take long."""
    shaped = {f"{what} of the right shape" for what in ("zeros", "ones", "random numbers")}
    for task, made in Assignment(EXERCISES, name).materials(0).items():
        for asked in made["checks"]:
            if asked["title"].startswith("is right"):
                assert not shaped <= set(asked["lazy"]), (task, asked["id"])
