"""An assignment that does not fit is refused in sentences; what is released holds no secret."""

from __future__ import annotations

import json
import zipfile

import nbformat
import pytest
from click.testing import CliRunner

from course_lib.cli.release import release as command
from course_lib.cli.release import sizes
from course_lib.grading.authoring import release
from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.errors import Refusal
from course_lib.grading.intake.names import notebook
from tests.grading import example
from tests.grading.example import MUTANTS, NAME, SPEC, cell


def changed(key, **how):
    book = example.source()
    book.cells[cell(book, key)].metadata.nbgrader.update(how)
    return book


def rewritten(key, source):
    book = example.source()
    book.cells[cell(book, key)].source = source
    return book


@pytest.mark.parametrize(
    "parts, words",
    [
        (
            {"book": changed("keep", grade_id="kept")},
            "keep has no solution cell whose grade_id is keep",
        ),
        ({"book": changed("check_keep", points=4)}, "is worth 4 points, the checks of keep 5"),
        (
            {"book": changed("check_keep", grade_id="test_keep")},
            "no autograded cell check_keep",
        ),
        ({"book": changed("imports", grade_id="keep")}, "two cells have the same grade_id"),
        (
            {"book": rewritten("keep", "def keep(w, k):\n    return w")},
            "has no line '### BEGIN SOLUTION'",
        ),
        (
            {"book": rewritten("keep", example.GOOD.replace("keep", "kept"))},
            "defines no function keep",
        ),
        ({"book": rewritten("check_keep", "check('keep')")}, 'does not call check("keep")'),
        (
            {"book": rewritten("imports", "from course_lib.masks import top_k")},
            "imports course_lib.masks",
        ),
        (
            {"spec": SPEC.replace('"ties", "of', '"distinct", "of')},
            "two checks of keep have the same id",
        ),
        ({"spec": SPEC.replace("visible=True", "visible=False")}, "keep has no visible check"),
        ({"spec": SPEC.replace('Task("split"', 'Task("cleave"')}, "check_split belongs to no task"),
        ({"spec": "TASKS = []"}, "has no TASKS"),
        ({"spec": "1 / 0"}, "fails: ZeroDivisionError"),
        (
            {"mutants": MUTANTS.replace('["sum"]', '["summ"]')},
            "loses checks that split has not: ['summ']",
        ),
        (
            {"mutants": MUTANTS.replace('alternative("split")', 'alternative("part")')},
            "a version of part, which is no task",
        ),
        ({"mutants": MUTANTS.replace("def halves", "def signed")}, "defines signed twice"),
        ({"mutants": "import nothing"}, "fails: ModuleNotFoundError"),
    ],
)
def test_parts_that_do_not_fit_are_named(parts, words, tmp_path):
    exercises = example.make(tmp_path, **parts)
    with pytest.raises(Refusal) as refusal:
        Assignment(exercises, NAME)
    assert words in str(refusal.value)


def test_a_name_that_is_not_there_is_answered_with_those_that_are(course):
    with pytest.raises(Refusal, match="The assignments are: 00_trial"):
        Assignment(course / "exercises", "02_other")


def test_files_that_would_leak_are_refused(course):
    (course / "exercises/source" / NAME / "answers.py").touch()
    with pytest.raises(Refusal, match="would be given to students"):
        Assignment(course / "exercises", NAME)


def test_a_source_cell_that_fails_is_named(tmp_path):
    exercises = example.make(tmp_path, book=rewritten("imports", "import numpy as np\n1 / 0"))
    with pytest.raises(Refusal, match=r"cell 1 of .* fails: ZeroDivisionError"):
        Assignment(exercises, NAME).files()


def test_the_released_notebook_holds_no_solution(released):
    text = nbformat.writes(released)
    assert "NotImplementedError" in text
    assert "argsort" not in text and "SOLUTION" not in text and "Because." not in text
    for key in ("imports", "check_keep", "question"):
        assert released.cells[cell(released, key)].metadata.editable is False


def test_the_released_material_holds_no_hidden_check(assignment):
    files = assignment.files()
    made = json.loads(files["keep.check.json"])
    assert [check["id"] for check in made["checks"]] == ["distinct"]
    assert b"halves" in files["split.check.json"] and b"ties" not in files["keep.check.json"]


def test_release_twice_changes_nothing(course):
    exercises = course / "exercises"
    assert len(release.release(Assignment(exercises, NAME))) == 3
    folder = exercises / "release" / NAME
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}
    assert release.release(Assignment(exercises, NAME)) == []
    assert before == {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}
    assert [p.name for p in (exercises / "release").iterdir()] == [NAME]


def test_the_notebook_of_an_earlier_release_is_called_otherwise_and_goes(course):
    exercises = course / "exercises"
    release.release(Assignment(exercises, NAME))
    folder = exercises / "release" / NAME
    (folder / notebook(NAME)).rename(folder / f"{NAME}.ipynb")
    assert notebook(NAME) == "assignment_00_trial.ipynb"
    assert release.release(Assignment(exercises, NAME)) == [f"{NAME}.ipynb", notebook(NAME)]
    assert [p.name for p in folder.glob("*.ipynb")] == [notebook(NAME)]


def test_the_day_to_hand_in_is_told_and_locks_nothing(course):
    exercises = course / "exercises"
    made = CliRunner().invoke(command, [NAME, "--due", "2026-12-24"])
    assert made.exit_code == 0, made.output
    book = nbformat.read(exercises / "release" / NAME / notebook(NAME), as_version=4)
    title, due, *rest = book.cells
    assert due.source == "**To be handed in by 24 December 2026.**"
    assert not due.metadata.get("nbgrader")  # so that another day is no edit of a locked cell
    without = example.make(course / "other")
    plain = Assignment(without, NAME).student_notebook.cells
    assert [(c.id, c.source) for c in (title, *rest)] == [(c.id, c.source) for c in plain]


@pytest.mark.parametrize("due", ["24.12.2026", {"day": 24}, "2026-12-24T23:59", ["2026"]])
def test_a_day_to_hand_in_that_is_none_is_refused_in_a_sentence(course, due):
    book = example.source()
    book.metadata["course"] = {"due": due}
    nbformat.write(book, course / "exercises" / "source" / NAME / f"{NAME}.ipynb")
    done = CliRunner().invoke(command, [NAME])
    assert done.exit_code == 1 and "no day like 2026-12-24" in done.output, done.output
    assert CliRunner().invoke(command, [NAME, "--due", "2026-12-24"]).exit_code == 0


def test_a_stale_release_is_found_and_mended(course):
    exercises = course / "exercises"
    release.release(Assignment(exercises, NAME))
    folder = exercises / "release" / NAME
    (folder / "old.check.json").write_text("{}")
    made = json.loads((folder / "keep.check.json").read_text())
    made["checks"][0]["title"] = "something else"
    (folder / "keep.check.json").write_text(json.dumps(made))
    assert set(release.differing(Assignment(exercises, NAME))) == {
        "keep.check.json",
        "old.check.json",
    }
    release.release(Assignment(exercises, NAME))
    assert release.differing(Assignment(exercises, NAME)) == {}


def test_the_rounding_of_another_processor_is_no_difference(course):
    exercises = course / "exercises"
    release.release(Assignment(exercises, NAME))
    path = exercises / "release" / NAME / "split.check.json"
    made = json.loads(path.read_text())
    node = made["checks"][0]["cases"][0]["args"][0]
    node["value"] *= 1 + 1e-12
    path.write_text(json.dumps(made))
    assert release.differing(Assignment(exercises, NAME)) == {}
    node["value"] *= 1.01
    path.write_text(json.dumps(made))
    assert list(release.differing(Assignment(exercises, NAME))) == ["split.check.json"]


def test_a_failed_release_leaves_the_old_one(course, monkeypatch):
    exercises = course / "exercises"
    release.release(Assignment(exercises, NAME))
    folder = exercises / "release" / NAME
    (folder / "keep.check.json").unlink()
    before = sorted(p.name for p in folder.iterdir())

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        release.release(Assignment(exercises, NAME))
    assert sorted(p.name for p in folder.iterdir()) == before
    assert [p.name for p in (exercises / "release").iterdir()] == [NAME]


def test_the_command_releases_and_checks(course):
    run = CliRunner()
    stale = run.invoke(command, ["--check"])
    assert stale.exit_code == 1 and "Run: course release" in stale.output
    made = run.invoke(command, [NAME])
    assert made.exit_code == 0
    assert "dist/statue-within-students.zip: 5 files" in made.output
    assert run.invoke(command, ["--check"]).exit_code == 0
    wrong = run.invoke(command, ["99_none"])
    assert wrong.exit_code == 1 and "there is no assignment '99_none'" in wrong.output


def test_the_archive_is_the_same_every_time_and_holds_no_secret(course, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    (course / "course_lib" / "__pycache__").mkdir(parents=True)
    (course / "course_lib" / "__pycache__" / "x.pyc").touch()
    (course / "course_lib" / "a.py").touch()
    (course / "tests").mkdir()
    (course / "tests" / "secret.py").touch()
    (course / "README.md").write_text("Teach with it.")
    (course / "book" / "instructor").mkdir(parents=True)
    (course / "book" / "instructor" / "kill_matrix.json").write_text("{}")
    assignment = Assignment(course / "exercises", NAME)
    release.release(assignment)
    one, two = course / "dist/one.zip", course / "dist/two.zip"
    release.archive(course, one, sizes())
    (course / "course_lib" / "a.py").touch()
    release.archive(course, two, sizes())
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as bundle:
        names = {n.removeprefix("statue-within/") for n in bundle.namelist()}
        text = b"".join(bundle.read(n) for n in bundle.namelist())
    assert names == {
        "README.md",
        "_toc.yml",
        "course_lib/a.py",
        f"exercises/release/{NAME}/{notebook(NAME)}",
        f"exercises/release/{NAME}/keep.check.json",
        f"exercises/release/{NAME}/split.check.json",
    }
    assert b"argsort" not in text and b"Teach with it" not in text


def test_an_archive_that_would_show_a_solution_is_not_written(course):
    nbformat.write(example.source(), course / "notebooks" / "01_chapter.ipynb")
    with pytest.raises(Refusal, match="holds a solution"):
        release.archive(course, course / "dist/one.zip", sizes())
    assert not (course / "dist").exists()
