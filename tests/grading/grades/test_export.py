"""Grades for others: read back as Canvas, Moodle and a spreadsheet would."""

from __future__ import annotations

import csv
import io
import json
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

from course_lib.cli.export import export as command
from course_lib.grading.errors import Refusal
from course_lib.grading.grades.canvas import canvas
from course_lib.grading.grades.gradebook import Book
from course_lib.grading.grades.moodle import moodle
from course_lib.grading.grades.tables import plain
from course_lib.grading.grades.tally import tallies, tally
from course_lib.grading.verdict import Hand, read
from tests.grading.example import NAME

pytestmark = pytest.mark.slow

BOM = b"\xef\xbb\xbf"
NAMES = [
    "Lovelace, Ada",
    'O\'Brien "Bo", Jr.',
    "line\nbreak",
    "李小龍",
    "محمد",
    "می\u200cخواهم",
    '=cmd|"/c calc"!A1',
    "+1",
    "-2+3",
    "@sum",
    "\t=1",
    "＝1",
    "\u202e=1",
]


def raw(student, points=7.0, **more):
    """A stored verdict."""
    graded = points is not None
    return {
        "assignment": NAME,
        "student": student,
        "status": "graded" if graded else "ungraded",
        "why": "" if graded else "there is no notebook",
        "points": points,
        "total": 7.0,
        "tasks": [
            {"name": "keep", "points": points - 2, "total": 5, "checks": [], "slips": []},
            {"name": "split", "points": 2, "total": 2, "checks": [], "slips": []},
        ]
        if graded
        else [],
        "written": [{"name": "written", "total": 3}],
        "notes": [],
        **more,
    }


def verdict(student, points=7.0, **more):
    return read(raw(student, points, **more))


def hand(points=None, extra=None, comment=""):
    return Hand(points, extra, comment)


def table(content):
    text = content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_the_total_is_the_machine_s_points_and_a_person_s():
    given = {"written": hand(2.5), "keep": hand(4, 0.5)}
    grade = tally(verdict("ada", 3.0), given)
    assert (grade.points, grade.score(), grade.total) == (9.0, 9.0, 10.0)
    assert [(p.name, p.points, p.by_hand) for p in grade.tasks] == [
        ("keep", 4.5, True),
        ("split", 2, False),
    ]


def test_extra_credit_alone_adds_to_the_machine_s_points():
    grade = tally(verdict("ada", 3.0), {"keep": hand(None, 1), "written": hand(0)})
    assert grade.score() == 4.0


def test_a_grade_without_points_of_a_written_answer_is_not_complete():
    grade = tally(verdict("ada"))
    assert grade.waiting == ["written"] and grade.score() is None
    assert grade.score(partial=True) == 7.0


def test_what_could_not_be_graded_has_no_points_whatever_a_person_gave():
    grade = tally(verdict("ada", None), {"written": hand(3)})
    assert grade.points is None and grade.score() is None and grade.score(partial=True) is None


def test_an_old_verdict_without_the_newer_keys_is_read():
    old = {k: v for k, v in raw("ada").items() if k not in ("name", "id", "late", "written")}
    assert tally(read(old)).score() == 7.0


def test_the_plain_table_has_every_student_and_no_formula():
    found = [verdict(f"s{i}", name=name) for i, name in enumerate(NAMES)]
    found += [verdict("=1+1", None), verdict("given", 5.0, late=True)]
    content = plain(found, {"given": {"written": hand(1)}})
    assert content.startswith(BOM)
    rows = table(content)
    assert len(rows) == len(found)
    assert list(rows[0]) == [
        "student", "name", "id", "late", "keep", "split", "written", "points", "of", "note",
    ]  # fmt: skip
    for row in rows:
        assert all(not cell.lstrip().startswith(tuple("=+-@＝")) for cell in row.values())
        assert all("\n" not in cell and "\u202e" not in cell for cell in row.values())
    assert [row["name"] for row in rows[:6]] == [n.replace("\n", " ") for n in NAMES[:6]]
    assert rows[-2]["student"] == "'=1+1"
    assert [rows[-2][k] for k in ("keep", "written", "points", "of")] == ["", "", "", "10"]
    assert rows[-2]["note"] == "no score: there is no notebook"
    assert [rows[-1][k] for k in ("late", "keep", "points")] == ["late", "3", "6"]
    assert rows[0]["points"] == "" and rows[0]["note"] == "7 so far; no points yet for written"
    frame = pd.read_csv(io.BytesIO(content), encoding="utf-8-sig", keep_default_na=False)
    assert frame["name"].tolist() == [row["name"] for row in rows]


CANVAS = '''\
Student,ID,SIS User ID,SIS Login ID,Section,First (11),00 Trial (12),Final Score
,,,,,Manual Posting,,
    Points Possible,,,,,5.00,10.00,(read only)
"Lovelace, Ada",101,S1,ada@x.edu,"A, ""1""",4.00,,80
"=Bond, James",102,S2,=bond,A,,9.00,0
"李, 小龍",103,S3,li,A,,,0
"Twin, Sam",104,S4,sam1,A,,,0
"Twin, Sam",105,S5,sam2,B,,8.00,0
"Student, Test",199,,,A,,,0
'''.replace("\n", "\r\n")


def filled(found, given=None, exported=CANVAS, **more):
    grades = tallies(found, given)
    return canvas(exported.encode(), grades, NAME, **more)


def done(*students):
    return {student: {"written": hand(3)} for student in students}


def test_canvas_gets_its_own_file_back_with_one_column_filled():
    found = [
        verdict("lovelaceada", id="101"),
        verdict("bond", None, id="102"),
        verdict("li", 5.0, id="103"),
        verdict("sam", 6.0, id="104"),
    ]
    result = filled(found, done("lovelaceada", "bond", "li"))
    assert result.content.decode() == (
        "Student,ID,SIS User ID,SIS Login ID,Section,00 Trial (12)\r\n"
        ",,,,,\r\n"
        "    Points Possible,,,,,10.00\r\n"
        '"Lovelace, Ada",101,S1,ada@x.edu,"A, ""1""",10\r\n'
        '"=Bond, James",102,S2,=bond,A,\r\n'  # no score: not the 9 of before
        '"李, 小龍",103,S3,li,A,8\r\n'
        '"Twin, Sam",104,S4,sam1,A,\r\n'  # not complete
        '"Twin, Sam",105,S5,sam2,B,8.00\r\n'  # handed nothing in: as it was
        '"Student, Test",199,,,A,\r\n'
    )
    assert result.unplaced == []
    assert result.notes == ["in Canvas, but nothing was handed in by: Twin, Sam"]
    frame = pd.read_csv(io.BytesIO(result.content))
    wanted = pytest.approx([10, 10, float("nan"), 8], nan_ok=True)
    assert frame["00 Trial (12)"].tolist()[1:5] == wanted


@pytest.mark.parametrize(
    "who",
    [
        {"student": "x", "id": "101"},
        {"student": "101"},
        {"student": "ADA@x.edu"},
        {"student": "S1"},
        {"student": "x", "name": "Ada Lovelace"},
        {"student": "Lovelace, Ada"},
        {"student": "lovelaceada"},
    ],
)
def test_a_student_is_found_in_canvas_by_number_login_or_name(who):
    result = filled([verdict(**who)], done(who["student"]))
    assert table(result.content)[2]["00 Trial (12)"] == "10" and result.unplaced == []


def test_nobody_gets_the_grade_of_another_of_the_same_name():
    result = filled([verdict("Sam Twin")], done("Sam Twin"))
    assert result.unplaced == ["Sam Twin"] and "not found in Canvas: Sam Twin" in result.notes[0]
    assert [row["00 Trial (12)"] for row in table(result.content)[5:7]] == ["", "8.00"]
    # Numbers of Canvas decide where there are some: this Ada Lovelace left the course.
    both = [verdict("li", id="103"), verdict("x", name="Lovelace, Ada", id="999")]
    result = filled(both, done("li", "x"))
    assert result.unplaced == ["x"] and table(result.content)[2]["00 Trial (12)"] == ""


def test_a_number_of_another_system_is_nobody_s_in_canvas():
    both = [verdict("li", id="103", system="Canvas"), verdict("x", id="101", system="Moodle")]
    result = filled(both, done("li", "x"))
    assert result.unplaced == ["x"] and table(result.content)[2]["00 Trial (12)"] == ""


def test_two_that_claim_one_row_get_nothing():
    result = filled([verdict("ada@x.edu", 1.0), verdict("S1", 5.0)], done("ada@x.edu", "S1"))
    assert sorted(result.unplaced) == ["S1", "ada@x.edu"]
    assert table(result.content)[2]["00 Trial (12)"] == ""
    assert "ada@x.edu, S1 all fit 'Lovelace, Ada'" in result.notes


def test_canvas_s_mark_semicolons_and_extra_columns_are_kept():
    rows = list(csv.reader(io.StringIO(CANVAS, newline="")))
    text = io.StringIO(newline="")
    rows = [[*row[:4], "r" if i else "Root Account", *row[4:]] for i, row in enumerate(rows)]
    csv.writer(text, delimiter=";").writerows(rows)
    exported = "\ufeff" + text.getvalue()
    content = filled([verdict("li")], done("li"), exported).content
    assert content.startswith(BOM)
    lines = content.decode("utf-8-sig").splitlines()
    assert lines[0] == "Student;ID;SIS User ID;SIS Login ID;Root Account;Section;00 Trial (12)"
    assert lines[5] == "李, 小龍;103;S3;li;r;A;10"


def test_the_column_is_asked_for_where_it_is_not_clear():
    two = CANVAS.replace("First (11)", "00_trial: again (11)").replace("00 Trial", "00_Trial: once")
    with pytest.raises(Refusal, match=r"2 columns .* '00_trial'.*--column.*once \(12\)"):
        filled([verdict("li")], exported=two)
    with pytest.raises(Refusal, match="no columns"):
        filled([verdict("li")], exported=CANVAS.replace("00 Trial", "Other"))
    result = filled([verdict("li")], done("li"), column="11")
    assert table(result.content)[4]["First (11)"] == "10"
    assert result.notes[0] == "in Canvas First (11) is worth 5.00, here 10 points"


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\xff\xfe", b'Student,ID\n"x', b""])
def test_what_canvas_did_not_export_is_refused(content):
    with pytest.raises(Refusal, match="Canvas"):
        canvas(content, tallies([verdict("li")]), NAME)


def test_moodle_gets_participants_and_blanks():
    found = [
        verdict("a", 5.0, id="2001", name='=Ann "A", B'),
        verdict("b", None, id="Participant 2002"),
        verdict("c", 6.0, id="2003"),
        verdict("d", 6.0),
    ]
    result = moodle(tallies(found, done("a", "d")))
    assert table(result.content) == [
        {
            "Identifier": identifier,
            "Full name": name,
            "Grade": points,
            "Maximum Grade": "10",
            "Grade can be changed": "Yes",
        }
        for identifier, name, points in [
            ("Participant 2001", '\'=Ann "A", B', "8"),
            ("Participant 2002", "b", ""),
            ("Participant 2003", "c", ""),
        ]
    ]
    assert not result.content.startswith(BOM)
    assert result.unplaced == ["d"]
    partial = table(moodle(tallies(found), partial=True).content)
    assert [row["Grade"] for row in partial] == ["5", "", "6"]


# The gradebook


def test_what_a_person_gave_is_read_back_and_a_failed_regrade_leaves_no_old_score(
    assignment, tmp_path
):
    with Book(tmp_path, assignment) as book:
        book.store(verdict("ada", name="Lovelace, Ada", id="101"))
        assert book.given() == {"ada": {}}
        grade = book.book.find_grade("written", NAME, NAME, "ada")
        grade.manual_score = 2.5
        book.book.find_grade("check_keep", NAME, NAME, "ada").extra_credit = 1
        book.book.find_comment("keep", NAME, NAME, "ada").manual_comment = " Good.\n"
        book.book.db.commit()
    with Book(tmp_path, assignment) as book:
        student = book.book.find_student("ada")
        assert (student.last_name, student.first_name, student.lms_user_id) == (
            "Lovelace",
            "Ada",
            "101",
        )
        given = {"written": hand(2.5, None), "keep": hand(None, 1, "Good.")}
        assert book.given() == {"ada": given}
        book.store(verdict("ada", None))
        keep = book.book.find_grade("check_keep", NAME, NAME, "ada")
        assert (keep.auto_score, keep.needs_manual_grade) == (None, True)
        assert book.given() == {"ada": given}


def test_a_gradebook_that_cannot_be_opened_is_refused_in_a_sentence(
    assignment, tmp_path, monkeypatch
):
    with pytest.raises(Refusal, match="is no URL of a database"):
        Book(tmp_path, assignment, "not a url")
    with pytest.raises(Refusal, match="no database known here"):
        Book(tmp_path, assignment, "oracel://x/y")
    with pytest.raises(Refusal, match="cannot be opened"):
        Book(tmp_path, assignment, f"sqlite:///{tmp_path}/no/folder/gradebook.db")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Refusal, match=r"'psycopg'.*pip install 'psycopg\[binary\]'") as told:
        Book(tmp_path, assignment, "postgresql+psycopg://ada:secret@localhost/grades")
    assert "secret" not in str(told.value)


# The command


@pytest.fixture
def graded(course, assignment):
    """A graded class: ada's answer has points, bob's has none, carl has no score."""
    folder = course / "exercises"
    found = [verdict("ada", id="101"), verdict("bob", 4.0, id="103")]
    found.append(verdict("carl", None, id="102"))
    (folder / "grades" / NAME).mkdir(parents=True)
    with Book(folder, assignment) as book:
        for each in found:
            path = folder / "grades" / NAME / f"{each.student}.json"
            path.write_text(json.dumps(each.stored()))
            book.store(each)
        book.book.find_grade("written", NAME, NAME, "ada").manual_score = 3
        book.book.find_comment("written", NAME, NAME, "ada").manual_comment = "Well said <b>."
        book.book.db.commit()
    return folder


def test_the_command_writes_what_is_asked_for(graded, tmp_path):
    (tmp_path / "canvas.csv").write_text(CANVAS)
    args = [NAME, "--canvas", str(tmp_path / "canvas.csv"), "--moodle", "--json"]
    done = CliRunner().invoke(command, args)
    assert done.exit_code == 0, done.output
    made = graded / "export"
    assert [row["points"] for row in table((made / f"{NAME}.csv").read_bytes())] == ["10", "", ""]
    canvas = table((made / f"{NAME}.canvas.csv").read_bytes())
    assert [row["00 Trial (12)"] for row in canvas[2:5]] == ["10", "", ""]
    moodle = table((made / f"{NAME}.moodle.csv").read_bytes())
    assert [row["Grade"] for row in moodle] == ["10", "", ""]
    records = json.loads(done.stdout)
    assert [r["status"] for r in records] == ["complete", "incomplete", "ungraded"]
    assert records[0]["written"][0]["comment"] == "Well said <b>."
    assert "waits for points for written (1): bob" in done.stderr
    assert "has no score (1): carl" in done.stderr
    page = (graded / "feedback" / NAME / "ada.html").read_text()
    assert "Well said &lt;b&gt;." in page and "3 of 3 points" in page


def test_the_command_fails_where_a_grade_found_no_place(graded, tmp_path):
    (tmp_path / "canvas.csv").write_text(CANVAS.replace(",101,", ",111,"))
    done = CliRunner().invoke(command, [NAME, "--canvas", str(tmp_path / "canvas.csv")])
    assert done.exit_code == 1 and "not found in Canvas: ada" in done.stderr
    done = CliRunner().invoke(command, [NAME, "--out", str(tmp_path / "empty")])
    assert done.exit_code == 1 and "Call `course grade` first" in done.output
