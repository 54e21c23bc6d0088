"""One student, one verdict, one row, whatever happens between two calls; nothing passes unsaid.

Submissions are marked by what is written in them, without a jail: 7 is worth 7 points.
"""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import nbformat
import numpy as np
import pytest
import sqlalchemy
from click.testing import CliRunner
from nbformat.v4 import new_notebook

from course_lib import __version__
from course_lib.cli import sweep
from course_lib.cli.export import export
from course_lib.cli.grade import grade
from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.grades.gradebook import Book
from course_lib.grading.trial import worker
from course_lib.grading.verdict import Outcome, TaskResult
from tests.grading.example import NAME
from tests.grading.grades.test_export import CANVAS, table

pytestmark = pytest.mark.slow  # each makes a gradebook


def marked(sealed, notebook, name, first=None):
    """What a worker would return."""
    points = float(notebook)
    tasks = [TaskResult("keep", points - 2, 5), TaskResult("split", 2, 2)]
    book = nbformat.writes(new_notebook()).encode()
    return Outcome("graded", points=points, tasks=tasks), book


class Class:
    """A class of example submissions, and its grades."""

    def __init__(self, course, folder):
        self.course, self.folder, self.out = course, folder, folder / "out"

    def hand_in(self, **files):
        """Make a download of these files alone."""
        source = self.folder / f"download{len(list(self.folder.glob('download*')))}"
        source.mkdir()
        for name, points in files.items():
            (source / f"{name}_{NAME}.ipynb").write_text(str(points))
        return source

    def grade(self, source, *more):
        args = [NAME, str(source), "--out", str(self.out), *more]
        done = CliRunner().invoke(grade, args)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    def export(self, *more):
        done = CliRunner().invoke(export, [NAME, "--out", str(self.out), *more])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    def verdicts(self):
        paths = sorted((self.out / "grades" / NAME).glob("*.json"))
        return {path.stem: json.loads(path.read_text()) for path in paths}

    def points(self):
        return {student: verdict["points"] for student, verdict in self.verdicts().items()}

    def rows(self):
        return {row["student"]: row for row in table((self.seed.with_suffix(".csv")).read_bytes())}

    @property
    def seed(self):
        return self.out / "grades" / f"{NAME}.seed"

    def book(self):
        return Book(self.out, Assignment(self.course / "exercises", NAME))

    def stricter(self):
        """Change the spec: a check of another title."""
        spec = self.course / "exercises" / "specs" / f"{NAME}.py"
        spec.write_text(spec.read_text() + "\n# stricter\n")


@pytest.fixture
def group(course, tmp_path, monkeypatch):
    @contextmanager
    def here(scheduler):
        with ThreadPoolExecutor(1) as pool:
            yield pool

    monkeypatch.setattr(sweep, "cluster", here)
    monkeypatch.setattr(worker, "attempt_sealed", marked)
    return Class(course, tmp_path)


# The platform's number


def test_a_student_whose_name_changes_keeps_verdict_row_and_points_by_hand(group):
    group.grade(group.hand_in(ada_101_9001=6, bob_102_9002=5))
    with group.book() as book:
        book.book.find_grade("written", NAME, NAME, "bob_102").manual_score = 3
        book.book.find_comment("written", NAME, NAME, "bob_102").manual_comment = "Well said."
        book.book.db.commit()
    done = group.grade(group.hand_in(ada_101_9001=6, bobby_102_9003=7))
    assert "bob_102: is called bobby now: the grades stay under bob_102" in done.stderr
    assert group.points() == {"ada_101": 6, "bob_102": 7}
    assert group.verdicts()["bob_102"]["name"] == "bobby"
    assert list(group.rows()) == ["ada_101", "bob_102"]
    with group.book() as book:
        assert [s.id for s in book.book.students] == ["ada_101", "bob_102"]
        assert book.given()["bob_102"]["written"].points == 3
    assert "Well said." in (group.out / "feedback" / NAME / "bob_102.html").read_text()
    (group.folder / "canvas.csv").write_text(CANVAS)
    group.export("--canvas", str(group.folder / "canvas.csv"), "--moodle")
    filled = table((group.out / "export" / f"{NAME}.canvas.csv").read_bytes())
    assert {row["ID"]: row["00 Trial (12)"] for row in filled}["102"] == "10"
    moodle = table((group.out / "export" / f"{NAME}.moodle.csv").read_bytes())
    assert [row["Identifier"] for row in moodle] == ["Participant 101", "Participant 102"]


@pytest.mark.parametrize("called", ["bobby", "bob_102", "102"])
def test_a_renamed_student_is_graded_alone_by_any_name(group, called):
    group.grade(group.hand_in(ada_101_9001=6, bob_102_9002=5))
    done = group.grade(group.hand_in(ada_101_9001=1, bobby_102_9003=7), "--only", called)
    assert done.exit_code == 0, done.output
    assert group.points() == {"ada_101": 6, "bob_102": 7}


def test_a_student_is_found_by_number_from_assignment_to_assignment(group):
    """The verdicts of this assignment do not know bob; the gradebook does."""
    group.grade(group.hand_in(bob_102_9002=5))
    (group.out / "grades" / NAME / "bob_102.json").unlink()
    group.grade(group.hand_in(bobby_102_9003=7))
    assert group.points() == {"bob_102": 7}


def test_a_name_in_the_gradebook_that_is_no_name_of_a_file_is_not_taken(group):
    group.grade(group.hand_in(ada_101_9001=6))
    with group.book() as book:
        book.book.add_student("../bob", lms_user_id="102")
        book.book.add_student("cyd", lms_user_id="103")
    group.grade(group.hand_in(ada_101_9001=6, bobby_102_9003=7, c_103_9004=5))
    assert group.points() == {"ada_101": 6, "bobby_102": 7, "cyd": 5}


def test_numbers_of_two_systems_that_are_alike_are_two_students(group):
    group.grade(group.hand_in(bob_102_9002=5))
    group.grade(group.hand_in(Zed_102_assignsubmission_file=7))
    assert group.points() == {"Zed_102": 7, "bob_102": 5}
    group.grade(group.hand_in(bobby_102_9003=6, Zoe_102_assignsubmission_file=4))
    assert group.points() == {"Zed_102": 4, "bob_102": 6}


def test_grades_of_before_that_hold_a_student_twice_go_on_and_say_so(group):
    group.grade(group.hand_in(bob_102_9002=5, cyd_103_9003=5))
    old, new = (group.out / "grades" / NAME / f"{name}_102.json" for name in ("bob", "bobby"))
    new.write_text(json.dumps({**json.loads(old.read_text()), "student": "bobby_102"}))
    done = group.grade(group.hand_in(bobby_102_9004=7, cyd_103_9003=5))
    assert group.points() == {"bob_102": 5, "bobby_102": 7, "cyd_103": 5}
    assert "has a grade as bob_102 too: remove the one that is not to count" in done.stderr
    done = group.export("--moodle", "--partial")
    assert done.exit_code == 1 and "bob_102 is Participant 102, as another" in done.stderr
    rows = table((group.out / "export" / f"{NAME}.moodle.csv").read_bytes())
    assert [row["Identifier"] for row in rows] == ["Participant 103"]


# Rules


def test_a_verdict_says_when_and_by_what_it_was_given(group):
    before = datetime.now(UTC).replace(microsecond=0)
    group.grade(group.hand_in(ada_101_9001=6))
    verdict = group.verdicts()["ada_101"]
    given = datetime.fromisoformat(verdict["time"])
    assert before <= given <= datetime.now(UTC) and given.utcoffset().total_seconds() == 0
    assert verdict["course"].startswith(f"{__version__}, Python 3.")
    assert verdict["course"].endswith(f"NumPy {np.__version__}")
    assert verdict["seed"] == group.seed.read_text().strip()
    assert len(verdict["fingerprint"]) == 64 and len(verdict["grader"]) == 16


def test_numpy_and_python_are_of_the_rules(monkeypatch):
    digests = set()
    for version in (np.__version__, "0.0.1"):
        worker.version.cache_clear()
        monkeypatch.setattr(np, "__version__", version)
        digests.add(worker.version())
    worker.version.cache_clear()
    assert len(digests) == 2


def test_grades_by_other_rules_are_counted_and_marked_until_again_grades_all(group):
    source = group.hand_in(ada_101_9001=6, bob_102_9002=5)
    group.grade(source)
    first = group.verdicts()["ada_101"]
    assert group.rows()["ada_101"]["note"] == "6 so far; no points yet for written"
    group.stricter()
    done = group.grade(group.hand_in(ada_101_9001=6, bob_102_9003=7))
    assert "1 of these were graded by another version" in done.stderr
    assert group.points() == {"ada_101": 6, "bob_102": 7}
    assert {who: "other rules" in row["note"] for who, row in group.rows().items()} == {
        "ada_101": True,
        "bob_102": False,
    }
    done = group.export("--json")
    assert (
        "is graded by other rules than the latest" in done.stderr and "(1): ada_101" in done.stderr
    )
    assert [len(record["marked"]) for record in json.loads(done.stdout)] == [1, 0]
    exported = table((group.out / "export" / f"{NAME}.csv").read_bytes())
    assert ["other rules" in row["note"] for row in exported] == [True, False]

    assert "earlier" in first and first["earlier"] == []
    group.grade(source, "--again")
    again = group.verdicts()
    assert again["ada_101"]["fingerprint"] != first["fingerprint"]
    (earlier,) = again["ada_101"]["earlier"]
    assert earlier == {key: value for key, value in first.items() if key != "earlier"}
    assert [v["points"] for v in again["bob_102"]["earlier"]] == [5, 7]
    assert not any("other rules" in row["note"] for row in group.rows().values())
    assert "other rules" not in group.export().stderr


def test_points_by_hand_in_a_verdict_outlast_a_regrade(group):
    source = group.hand_in(ada_101_9001=6)
    group.grade(source)
    path = group.out / "grades" / NAME / "ada_101.json"
    hand = {"keep": [{"points": 4.0, "who": "Mary", "when": "", "why": "right"}]}
    path.write_text(json.dumps({**json.loads(path.read_text()), "by_hand": hand}))
    group.grade(source, "--again")
    assert group.verdicts()["ada_101"]["by_hand"] == hand


def test_another_day_to_hand_in_and_other_prose_are_no_other_rules(group):
    source = group.hand_in(ada_101_9001=6)
    group.grade(source)
    first = group.verdicts()
    assignment = Assignment(group.course / "exercises", NAME)
    assignment.source.cells[0].source = "# A trial, told better"
    assignment.set_due(datetime(2026, 12, 24, tzinfo=UTC).date())
    done = group.grade(source)
    assert "1 of 1 are graded and have not changed" in done.stderr
    assert "another version" not in done.stderr and group.verdicts() == first


def test_a_seed_that_was_lost_is_found_in_the_verdicts(group):
    source = group.hand_in(ada_101_9001=6, bob_102_9002=5)
    group.grade(source)
    seed = group.seed.read_text()
    for more in (["--only", "ada"], []):
        group.seed.unlink()
        done = group.grade(source, *more)
        assert "the file of the seed is gone; the grades that are there tell it" in done.stderr
        assert group.seed.read_text() == seed
        assert {v["seed"] for v in group.verdicts().values()} == {seed.strip()}
    assert "seed" not in group.grade(source).stderr
    group.seed.unlink()  # for other inputs, as the instructors' page says
    assert "seed" not in group.grade(source, "--again").stderr
    assert group.seed.read_text() != seed
    assert {v["seed"] for v in group.verdicts().values()} == {group.seed.read_text().strip()}


# Who is no longer there


def test_who_is_no_longer_in_the_download_is_said_and_marked(group):
    group.grade(group.hand_in(ada_101_9001=6, bob_102_9002=5))
    less = group.hand_in(ada_101_9001=6)
    done = group.grade(less)
    assert "graded before and not in this download (1): bob_102; what they had stays" in done.stderr
    group.grade(less)
    assert group.points() == {"ada_101": 6, "bob_102": 5}
    notes = {who: row["note"] for who, row in group.rows().items()}
    assert notes["bob_102"].endswith("no longer in the download")
    assert "download" not in notes["ada_101"]
    done = group.export("--json")
    assert "is no longer in the download (1): bob_102" in done.stderr
    assert json.loads(done.stdout)[1]["marked"] == ["no longer in the download"]
    rows = table((group.out / "export" / f"{NAME}.csv").read_bytes())
    assert rows[1]["note"].endswith("no longer in the download")
    done = group.grade(group.hand_in(ada_101_9001=6, bob_102_9002=5), "--only", "ada")
    assert "not in this download" not in done.stderr
    group.grade(group.hand_in(ada_101_9001=6, bob_102_9002=5))
    assert not any("download" in row["note"] for row in group.rows().values())


# A full disk


@pytest.fixture
def full(monkeypatch):
    """Let databases grow to so many pages and no further, as a full disk does."""
    room = {}

    def connected(connection, record):
        if isinstance(connection, sqlite3.Connection) and room:
            connection.execute(f"pragma max_page_count = {room['pages']}")

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", connected)
    yield room
    sqlalchemy.event.remove(sqlalchemy.Engine, "connect", connected)


def test_a_gradebook_on_a_full_disk_is_a_sentence_and_loses_nothing(group, full):
    group.grade(group.hand_in(s_1_1=7))
    files = {f"{'long' * 20}{n}_{n}_{n}": 5 for n in range(2, 60)}
    source = group.hand_in(s_1_1=7, **files)
    size = (group.out / "gradebook.db").stat().st_size
    for pages in (size // 4096, size // 4096 + 3):
        full["pages"] = pages
        done = group.grade(source)
        assert done.exit_code == 1
        (line,) = [line for line in done.output.splitlines() if line.startswith("Error")]
        assert "database or disk is full. What was graded before is stored in" in line
        assert "Traceback" not in done.output
        assert group.points()["s_1"] == 7
    full.clear()
    assert group.grade(source).exit_code == 0
    assert len(group.points()) == 59
    with group.book() as book:
        assert len(book.book.students) == 59


def test_an_export_that_cannot_be_written_is_a_sentence(group):
    group.grade(group.hand_in(ada_101_9001=6))
    before = group.verdicts()
    (group.out / "export").write_text("in the way")
    done = group.export()
    assert done.exit_code == 1 and isinstance(done.exception, SystemExit)
    assert "the export could not be written" in done.output and "export again" in done.output
    assert len([line for line in done.output.splitlines() if "Error" in line]) == 1
    assert group.verdicts() == before


def test_an_export_to_a_place_that_is_only_read_is_a_sentence(group, monkeypatch):
    group.grade(group.hand_in(ada_101_9001=6))

    def fail(handle):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.fsync", fail)
    done = group.export()
    assert done.exit_code == 1 and isinstance(done.exception, SystemExit)
    assert "the export could not be written: [Errno 30] Read-only file system" in done.output
