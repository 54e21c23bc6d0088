"""`course check`: a student learns what is wrong before handing in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_lib.cli import main
from course_lib.cli.check import check as command
from course_lib.grading.authoring import release
from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.intake.names import notebook
from course_lib.grading.marking.mark import LITTLE
from course_lib.grading.trial import precheck
from tests.grading import hostile
from tests.grading.example import GOOD, NAME, Grader, answered, cell

pytestmark = pytest.mark.slow


@pytest.fixture
def course(course):
    release.release(Assignment(course / "exercises", NAME))
    return course


def checked(book, path):
    nbformat.write(book, path)
    return CliRunner().invoke(command, [str(path)])


def test_a_whole_notebook_passes(course, released, tmp_path):
    done = checked(answered(released), tmp_path / "my homework.ipynb")
    assert done.exit_code == 0, done.output
    assert "keep: 2 of 2 points" in done.output and LITTLE not in done.output
    assert done.output.splitlines()[-2:] == [
        "Visible checks: 4 of 4 points. The assignment has 10: grading draws other inputs and has "
        "more checks, and a person gives 3 for what you wrote.",
        "my homework.ipynb is whole and passes the visible checks: ready to hand in.",
    ]


def test_checks_that_know_little_are_said_to_count_beside_others(course, released, tmp_path):
    path = course / "exercises" / "release" / NAME / "keep.check.json"
    made = json.loads(path.read_text())
    made["checks"][0]["beside"] = True
    path.write_text(json.dumps(made))
    done = checked(answered(released), tmp_path / "ada.ipynb")
    said = done.output.splitlines()
    place = said.index(f"  {LITTLE}")
    assert said[0] == "keep: 2 of 2 points" and said[place + 1] == "split: 2 of 2 points"
    assert done.output.count(LITTLE) == 1 and said[-1].endswith(": ready to hand in.")


def test_the_notebook_as_released_is_told_what_to_do(course):
    path = course / "exercises" / "release" / NAME / notebook(NAME)
    before = path.read_bytes()
    done = CliRunner().invoke(command, [str(path)])
    assert done.exit_code == 1 and done.output.count("it is not written yet") == 2
    assert "the written answer written is still empty" in done.output
    assert "Visible checks: 0 of 4 points. The assignment has 10:" in done.output
    assert done.output.endswith(
        "Not ready to hand in: 2 of 2 tasks do not pass yet; 1 to mend, listed at the top.\n"
    )
    assert path.read_bytes() == before


def test_what_jupyterlab_leaves_beside_a_notebook_is_no_matter(course, released):
    folder = course / "exercises" / "release" / NAME
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / f"{NAME}-checkpoint.ipynb").write_text("{}")
    done = checked(answered(released), folder / f"{NAME}.ipynb")
    assert done.exit_code == 0, done.output


def everything_wrong(book):
    book.cells[cell(book, "keep")].source = GOOD.replace("def keep", "def keeep")
    book.cells[cell(book, "split")].source = "def split(total)\n    return 1"
    book.cells[cell(book, "imports")].source = "import numpy as np\nimport math"
    book.cells[cell(book, "written")].source = "YOUR ANSWER HERE"
    book.cells.append(new_code_cell("%matplotlib inline\nfrom course_lib.masks import top_k"))
    hostile.duplicate(book)


def test_everything_that_is_wrong_is_named_at_once(course, released, tmp_path):
    book = answered(released)
    everything_wrong(book)
    done = checked(book, tmp_path / "ada.ipynb")
    assert done.exit_code == 1
    for words in (
        "no cell defines keep (is it keeep, renamed?)",
        "the cell that begins 'def split(total)' is not Python: expected ':' (line 1 of the cell)",
        "the locked cell imports was edited",
        "there is a second cell keep",
        "imports course_lib.masks, which cannot be imported in grading",
        "the written answer written is still empty",
        "keep is not defined",
    ):
        assert words in done.output, done.output
    assert (
        "no cell defines split" not in done.output
        and "%matplotlib inline' is not" not in done.output
    )


def test_a_slip_is_named_and_the_library_is_out_of_reach(course, released, tmp_path):
    book = answered(released, keep=GOOD.replace("np.abs(weights)", "weights"))
    assert "it compares signed values" in checked(book, tmp_path / "ada.ipynb").output
    book = answered(released, keep=hostile.CASES["uses the library inside"].keep)
    assert "cannot be imported while" in checked(book, tmp_path / "ada.ipynb").output


def test_what_is_no_notebook_of_the_course_is_refused(course, released, tmp_path):
    (tmp_path / "a.ipynb").write_text("{")
    done = CliRunner().invoke(command, [str(tmp_path / "a.ipynb")])
    assert done.exit_code == 1 and "is not a notebook: it is not JSON" in done.output
    book = answered(released)
    book.metadata.pop("course")
    done = checked(book, tmp_path / "a.ipynb")
    assert (
        done.exit_code == 1
        and f"Give it the name of its assignment: {notebook(NAME)}" in done.output
    )
    for known in (f"{NAME}.ipynb", notebook(NAME), f"Copy of {notebook(NAME)}"):
        assert checked(book, tmp_path / known).exit_code == 0


def test_an_assignment_is_called_by_its_number_its_name_or_its_folder(course, monkeypatch):
    release = course / "exercises" / "release" / NAME
    by_path = CliRunner().invoke(command, [str(release / notebook(NAME))])
    assert by_path.output.count("it is not written yet") == 2
    asked = [(course, called) for called in ("00", NAME, notebook(NAME).removesuffix(".ipynb"))]
    before = str(release / f"{NAME}.ipynb")  # as the file was called once, and as last cells say
    places = [(course, str(release)), (course, before), (release, "."), (release.parent, NAME)]
    for folder, called in [*asked, *places]:
        monkeypatch.chdir(folder)
        found = precheck.meant(Path(called), course / "exercises" / "release")
        assert found.resolve() == (release / notebook(NAME)).resolve()
    monkeypatch.chdir(release)
    assert CliRunner().invoke(command, ["."]).output == by_path.output


def test_a_file_is_meant_itself_whatever_it_is_called(course):
    for called in ("00", NAME):
        (course / called).write_text("[]")
        done = CliRunner().invoke(command, [called])
        assert done.output == (
            f"Error: {called} is not a notebook: its JSON does not hold a notebook's cells\n"
        )


@pytest.mark.parametrize(
    ("called", "words"),
    [
        (".", ". is a folder"),
        ("notebooks", "notebooks is a folder"),
        ("..", ".. is a folder"),
        ("77", "77 is not a file"),
        (f"{NAME}.ipynb", f"{NAME}.ipynb is not a file"),
        (f"away/{NAME}", f"away/{NAME} is not a file"),
    ],
)
def test_what_is_no_file_is_told_what_is_expected(course, called, words):
    done = CliRunner().invoke(command, [called])
    assert done.exit_code == 1
    assert done.output == (
        f"Error: {words}. Expected a notebook that you hand in, or an assignment of the course: "
        f"{NAME}.\n"
    )


def test_a_chapter_is_told_where_its_assignment_is(course, tmp_path):
    book = new_notebook(cells=[new_markdown_cell("# A trial"), new_code_cell("1 + 1")])
    place = f"exercises/release/{NAME}/{notebook(NAME)}"
    for path, words in (
        (course / "notebooks" / f"{NAME}.ipynb", "is a chapter, which is read and not handed in"),
        (course / "notebooks" / "01_own.ipynb", "is a chapter, which is read and not handed in"),
        (tmp_path / f"{NAME}.ipynb", "holds nothing of the assignment"),
        (course / "exercises" / "release" / NAME / "Untitled.ipynb", "holds nothing of the"),
    ):
        done = checked(book, path)
        assert done.exit_code == 1 and words in done.output, done.output
        assert (place in done.output) == (path.name != "01_own.ipynb")
        assert len(done.output.splitlines()) == 1


def test_a_release_under_its_old_name_is_checked_as_ever(course, released, tmp_path):
    folder = course / "exercises" / "release" / NAME
    (folder / notebook(NAME)).rename(folder / f"{NAME}.ipynb")
    done = checked(answered(released), tmp_path / "ada.ipynb")
    assert done.exit_code == 0, done.output
    done = checked(answered(released), folder / f"{NAME}.ipynb")
    assert done.exit_code == 0, done.output


def test_a_release_that_cannot_be_read_is_said(course, released, tmp_path):
    (course / "exercises" / "release" / NAME / notebook(NAME)).write_text("[]")
    done = checked(answered(released), tmp_path / "ada.ipynb")
    assert done.exit_code == 1 and "cannot be read" in done.output, done.output


def under(first):
    return lambda source: f"{first}\n{source}"


OTHERWISE = {
    "time": under("%%time"),
    "capture": under("%%capture"),
    "capture said": under("%%capture said"),
    "timeit": under("%%timeit -n 1"),
    "if True": lambda source: "if True:\n" + textwrap.indent(source, "    "),
    "assigned": lambda source: source.replace("def keep", "def _mine") + "\nkeep = _mine\n",
    "line ends": lambda source: source.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("way", OTHERWISE)
def test_check_and_grade_give_a_function_its_points_however_it_is_defined(
    way, course, released, assignment, tmp_path
):
    book = answered(released, keep=OTHERWISE[way](GOOD))
    done = checked(book, tmp_path / "ada.ipynb")
    assert done.exit_code == 0 and "To mend" not in done.output, done.output
    verdict, _ = Grader(assignment, tmp_path).verdict("ada", tmp_path / "ada.ipynb")
    assert (verdict.points, verdict.notes) == (7, [])


def test_a_byte_order_mark_and_no_ids_are_no_matter_and_say_nothing(
    course, released, assignment, tmp_path
):
    """As a process of its own: warnings would reach the terminal."""
    path = tmp_path / "my.ipynb"
    book = answered(released)
    book.nbformat_minor = 2
    for one in book.cells:
        del one["id"]
        one.source = one.source.replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(book).encode())
    code = "import sys; from course_lib.cli.check import check; check(sys.argv[1:])"
    asked = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(asked, capture_output=True, text=True, cwd=course)
    assert done.returncode == 0 and done.stderr == "", done
    assert "To mend" not in done.stdout
    verdict, _ = Grader(assignment, tmp_path).verdict("ada", path)
    assert (verdict.points, verdict.notes) == (7, [])


def test_help_says_that_there_is_no_jail():
    for args in (["--help"], ["check", "--help"]):
        said = " ".join(CliRunner().invoke(main, args).output.split())
        assert re.search("own notebook .* without a jail|without a jail: for your own work", said)
