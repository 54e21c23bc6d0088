"""What was released before stays good: its submissions, and the grades that were given for them.

`released/COMMIT` holds what a class had with the course as of that commit, made with its own code:
submissions that are right in every task, and the folder of the grades, with points and comments
that a person gave.
"""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from course_lib.cli.export import export
from course_lib.cli.grade import grade
from course_lib.cli.release import release as release_command
from course_lib.grading.authoring.assignment import Assignment, assignments
from course_lib.grading.grades.gradebook import Book
from course_lib.grading.marking.mark import answering, mark
from course_lib.grading.trial import earlier
from course_lib.grading.trial.submission import fit, parse
from tests.grading import example

ROOT = Path(__file__).parents[3]
EXERCISES = ROOT / "exercises"
CLASSES = sorted((Path(__file__).parents[1] / "released").iterdir())
CASES = [(c, s.name) for c in CLASSES for s in sorted((c / "submissions").iterdir())]
each = pytest.mark.parametrize(
    "old, name", CASES, ids=[f"{c.name}-{name.split('_')[0]}" for c, name in CASES]
)
# What a person gave, typed here from what was entered: {assignment: {answer: (points, comment)}}.
BY_HAND = {
    "01_sparse_approximation": {
        "explain": (5, "Well said. What if two are alike?"),
        "squared_error": (3, "One line would do."),
    },
    "04_thresholding": {"explain": (3.5, "")},
    "15_capstone": {"card": (3.5, "A clear card."), "explain": (2.5, "Which seed?")},
}
TOTALS = {"01_sparse_approximation": 24, "04_thresholding": 21, "15_capstone": 20}


@pytest.fixture
def out(tmp_path, monkeypatch):
    """Return a copy of the grades of a class."""
    monkeypatch.chdir(ROOT)

    def make(old):
        return Path(shutil.copytree(old / "out", tmp_path / "out"))

    return make


def verdict(out, name):
    return json.loads((out / "grades" / name / "ada.json").read_text(encoding="utf-8"))


def test_there_is_a_class():
    assert {name for _, name in CASES} == set(BY_HAND) == set(TOTALS)


@pytest.mark.slow
@each
def test_a_submission_of_an_earlier_release_is_graded_to_the_same_points(
    old, name, tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    (tmp_path / "grades").mkdir()
    seed = f"grades/{name}.seed"
    shutil.copy(old / "out" / seed, tmp_path / seed)
    args = [name, str(old / "submissions" / name), "--out", str(tmp_path), "--workers", "1"]
    done = CliRunner().invoke(grade, args)
    assert done.exit_code == 0, done.output
    new, then = verdict(tmp_path, name), verdict(old / "out", name)
    assert new["points"] == then["points"] == new["total"] == TOTALS[name]
    assert [(t["name"], t["points"]) for t in new["tasks"]] == [
        (t["name"], t["points"]) for t in then["tasks"]
    ]
    assert new["notes"] == new["handed"] == []  # nothing was edited, nothing is called wrongly
    assert "need a person:" not in done.stderr


@pytest.mark.slow
@each
def test_the_grades_of_an_earlier_version_are_kept_and_handed_back(old, name, out):
    folder = out(old)
    before = verdict(folder, name)
    with Book(folder, Assignment(EXERCISES, name)) as book:
        given = book.given()["ada"]
    assert {k: (g.points, g.comment) for k, g in given.items()} == BY_HAND[name]
    args = [name, str(old / "submissions" / name), "--out", str(folder), "--workers", "1"]
    done = CliRunner().invoke(grade, args)
    assert done.exit_code == 0, done.output
    assert "1 of 1 are graded and have not changed: they are kept" in done.stderr
    assert "1 of these were graded by another version" in done.stderr
    assert verdict(folder, name) == before
    with Book(folder, Assignment(EXERCISES, name)) as book:
        assert book.given()["ada"] == given
    done = CliRunner().invoke(export, [name, "--json", "--out", str(folder)])
    assert done.exit_code == 0, done.output
    machine = {t["name"]: t["points"] for t in before["tasks"]}
    hand = {answer: points for answer, (points, _) in BY_HAND[name].items()}
    (record,) = json.loads(done.stdout)
    assert record["points"] == sum({**machine, **hand}.values())
    page = (folder / "feedback" / name / "ada.html").read_text(encoding="utf-8")
    assert all(comment in page for _, comment in BY_HAND[name].values())


@pytest.mark.slow
def test_only_again_grades_anew_when_the_rules_have_changed(course, tmp_path, released):
    (tmp_path / "class").mkdir()
    for student in ("ada", "bob"):
        nbformat.write(example.answered(released), tmp_path / "class" / f"{student}.ipynb")
    out = tmp_path / "out"
    args = [example.NAME, str(tmp_path / "class"), "--out", str(out), "--workers", "1"]
    assert "another version" not in CliRunner().invoke(grade, args).stderr
    assert "another version" not in CliRunner().invoke(grade, args).stderr

    spec = course / "exercises" / "specs" / f"{example.NAME}.py"
    strict = 'return "never right"\n    (total,), (a, b) = inputs, answer'
    text = spec.read_text()
    spec.write_text(text.replace("(total,), (a, b) = inputs, answer", strict))
    (tmp_path / "class" / "bob.ipynb").write_text(  # a changed submission is graded, of course
        nbformat.writes(example.answered(released, keep="def keep(weights, k):\n    return 1"))
    )

    def points():
        places = (out / "grades" / example.NAME / f"{who}.json" for who in ("ada", "bob"))
        return [json.loads(place.read_text())["points"] for place in places]

    done = CliRunner().invoke(grade, args)
    assert "1 of these were graded by another version" in done.stderr
    assert "--again grades all anew" in done.stderr
    assert points() == [7, 0]
    done = CliRunner().invoke(grade, [*args, "--again"])
    assert "another version" not in done.stderr and points() == [5, 0]


# Which release a submission is of


def parsed(book):
    return parse(nbformat.writes(book).encode(), "ada.ipynb")


def changed(released, **sources):
    """The release with other sources in some cells; without a cell whose source is None."""
    book = copy.deepcopy(released)
    for cell in book.cells:
        key = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = sources.get(key, cell.source)
    book.cells = [cell for cell in book.cells if cell.source is not None]
    return book


def test_a_locked_cell_as_it_stood_in_an_earlier_release_is_unedited_and_runs_as_it_stood(released):
    then = changed(released, imports="import numpy as np\nimport math", intro="# Once")
    known = [earlier.release_of(then)]
    fitted = fit(parsed(then), released, known)
    assert fitted.notes == []
    assert "import numpy as np\nimport math" in [step.cell.source for step in fitted.steps]
    assert any("imports was edited" in note for note in fit(parsed(then), released).notes)
    mine = changed(then, imports="import numpy as np\nimport cheat")
    assert ["imports" in note for note in fit(parsed(mine), released, known).notes] == [True]


def test_what_an_earlier_release_had_not_is_put_back_and_not_missed(released):
    then = changed(released, imports=None)
    fitted = fit(parsed(then), released, [earlier.release_of(then)])
    assert fitted.notes == []
    assert "import numpy as np" in [step.cell.source for step in fitted.steps]
    assert any("imports is missing" in note for note in fit(parsed(then), released).notes)


def test_every_release_is_kept_when_another_takes_its_place(course):
    source = course / "exercises" / "source" / example.NAME / f"{example.NAME}.ipynb"
    runner, exercises = CliRunner(), course / "exercises"

    def release():
        done = runner.invoke(release_command, [example.NAME])
        assert done.exit_code == 0 or "exercises/release" in done.output, done.output

    release()
    assert earlier.releases(exercises, example.NAME) == []
    for text in ("# Another", "# A third", "# Another"):
        book = nbformat.read(source, 4)
        book.cells[0].source = text
        nbformat.write(book, source)
        release()
    kept = [release["intro"] for release in earlier.releases(exercises, example.NAME)]
    assert kept == [earlier.digest(text) for text in ("# A trial", "# Another", "# A third")]
    assert earlier.releases(exercises, example.NAME)[0]["keep"] == ""


def test_the_first_release_of_each_assignment_is_known():
    for name in assignments(EXERCISES):
        first = earlier.releases(EXERCISES, name)[0]
        tasks = [key.removeprefix("check_") for key in first if key.startswith("check_")]
        assert len(tasks) >= 4, name
        assert all(first[task] == "" and len(first[f"check_{task}"]) == 16 for task in tasks)


def test_who_had_a_release_with_tensors_is_given_tensors_and_all_others_arrays():
    name = "01_sparse_approximation"
    assignment = Assignment(EXERCISES, name)
    today = earlier.release_of(assignment.student_notebook)
    known = earlier.releases(EXERCISES, name)
    assert {r["setup"] for r in known} - {today["setup"]} == earlier.TENSORS
    materials = assignment.materials(3)
    assert earlier.as_given(materials, today) is materials
    assert "torch" not in json.dumps(materials)
    (given,) = (CLASSES[0] / "submissions" / name).rglob("*.ipynb")
    names: dict[str, object] = {"__name__": "__main__"}
    for cell in nbformat.read(given, as_version=4).cells:
        if cell.cell_type == "code" and "check(" not in cell.source:
            exec(cell.source, names)
    asked = earlier.as_given(materials, known[0])
    for task, material in asked.items():
        assert (
            mark(material, answering(names)).points
            == mark(materials[task], answering(assignment.reference)).points
        ), task
        array = mark(material, answering(assignment.reference))
        assert array.points < array.total or task in ("counter_example", "squared_error")
