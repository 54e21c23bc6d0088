"""The page on which JupyterLab opens: it says how far each assignment is, whatever lies there."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib.chapters import chapters
from course_lib.cli.lab import lab
from course_lib.cli.start import Exercise, exercises, start_page

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 26)
FILE = "assignment_01_one.ipynb"
STUB = "def one():\n    raise NotImplementedError()"


def assignment(root: Path, *, code: str = STUB, said: str = "", due: str = "") -> None:
    """Write an assignment of one task."""

    def mark(key: str) -> dict[str, object]:
        return {"nbgrader": {"grade_id": key}}

    outputs = [new_output("stream", text=said)] if said else []
    cells = [
        new_markdown_cell("# A title"),
        new_code_cell(code, metadata=mark("one")),
        new_code_cell('check("one")', metadata=mark("check_one"), outputs=outputs),
    ]
    folder = root / "exercises" / "release" / "01_one"
    folder.mkdir(parents=True, exist_ok=True)
    course = {"assignment": "01_one"} | ({"due": due} if due else {})
    nbformat.write(new_notebook(cells=cells, metadata={"course": course}), folder / FILE)


@pytest.mark.parametrize(
    ("code", "said", "state"),
    [
        (STUB, "", "to begin"),
        ("def one(): ...", "", "0 of 1 tasks pass"),
        ("def one(): ...", "one: 2 of 3 points\n  [--] ...", "0 of 1 tasks pass"),
        ("def one(): ...", "one: 3 of 3 points\n", "passes all visible checks"),
        ("def one(): ...", "someone: 13 of 3 points\n", "0 of 1 tasks pass"),
    ],
)
def test_a_state_is_what_the_notebook_shows(tmp_path, code, said, state):
    assignment(tmp_path, code=code, said=said)
    assert [e.state for e in exercises(tmp_path)] == [state]


@pytest.mark.parametrize(
    ("due", "words"),
    [
        ("2026-11-25", "25 November, 1 day ago"),
        ("2026-11-26", "26 November, today"),
        ("2026-11-27", "27 November, tomorrow"),
        ("2026-12-24", "24 December, in 28 days"),
        ("", "no date"),
    ],
)
def test_a_date_is_seen_from_today(tmp_path, due, words):
    assignment(tmp_path, due=due)
    (found,) = exercises(tmp_path)
    assert found.due_words(TODAY) == words


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cells": 3}', b"\xff\xfe"])
def test_a_notebook_that_cannot_be_read_does_not_hide_the_others(tmp_path, content):
    assignment(tmp_path)
    broken = tmp_path / "exercises" / "release" / "02_two"
    broken.mkdir()
    (broken / "assignment_02_two.ipynb").write_bytes(content)
    one, two = exercises(tmp_path)
    assert one.title == "A title"
    assert two == Exercise(
        "02_two", "02_two (cannot be read)", 1, 0, 0, None, file="assignment_02_two.ipynb"
    )


ODD = {
    "due with an hour": ({"course": {"due": "2026-12-24T23:59"}}, {}, "24 December, in 28 days"),
    "due as elsewhere": ({"course": {"due": "24.12.2026"}}, {}, "24.12.2026"),
    "due a number": ({"course": {"due": 20261224}}, {}, "24 December, in 28 days"),
    "due another number": ({"course": {"due": 7}}, {}, "7"),
    "due a list": ({"course": {"due": ["2026-12-24"]}}, {}, "no date"),
    "due true": ({"course": {"due": True}}, {}, "True"),
    "due with a bar": ({"course": {"due": "a | b\n"}}, {}, "a / b"),
    "course a text": ({"course": "pruning"}, {}, "no date"),
    "course null": ({"course": None}, {}, "no date"),
    "nbgrader null": ({}, {"metadata": {"nbgrader": None}}, "no date"),
    "nbgrader a list": ({}, {"metadata": {"nbgrader": ["grade_id"]}}, "no date"),
    "an output without text": ({}, {"outputs": [{"output_type": "stream"}]}, "no date"),
    "a text that is a number": ({}, {"outputs": [{"output_type": "stream", "text": 3}]}, "no date"),
}
SPOILT = {
    "outputs null": {"outputs": None},
    "an output a text": {"outputs": ["3 of 3 points"]},
    "a source null": {"source": None},
    "no metadata": {"metadata": None},
    "a kind of cell unknown": {"cell_type": 5},
}


# In a process of its own: JupyterLab takes hold of what it finds, of output too.
OPENS = """
import os, sys
from click.testing import CliRunner
from jupyterlab.labapp import LabApp
import course_lib.cli.lab as module

started = []
LabApp.initialize_server = lambda argv: argv
module.until_ctrl_c = started.append
for number, course in enumerate(sys.argv[1:], 1):
    os.chdir(course)
    for words in (["--list"], ["--no-browser"]):
        done = CliRunner().invoke(module.lab, words)
        assert done.exit_code == 0, (course, done.output, done.exception)
    assert len(started) == number, course
"""


def odd(course: Path, what: str) -> None:
    """Write an assignment with an oddity of this name."""
    about, cell, _ = ODD[what]
    assignment(course)
    path = course / "exercises" / "release" / "01_one" / FILE
    book = json.loads(path.read_text())
    book["metadata"] = about
    book["cells"][2] |= cell
    path.write_text(json.dumps(book))
    (course / "notebooks").mkdir()
    (course / "_toc.yml").touch()


def spoilt(course: Path, what: str) -> None:
    """Write an assignment that is spoilt in this way, between chapters that are."""
    assignment(course)
    path = course / "exercises" / "release" / "01_one" / FILE
    book = json.loads(path.read_text())
    book["cells"][2] |= SPOILT[what]
    path.write_text(json.dumps(book))
    (course / "_toc.yml").touch()
    whats = ['{"cells": 3}', "[", '{"cells": [{"source": 4}]}', "null", path.read_text()]
    for number, what in enumerate(whats):
        chapter = course / "notebooks" / f"0{number}_odd.ipynb"
        chapter.parent.mkdir(exist_ok=True)
        chapter.write_text(what)
    (course / "notebooks" / "08_bytes.ipynb").write_bytes(b"\xff")
    (course / "notebooks" / "09_folder.ipynb").mkdir()
    (path.parent.parent / "02_two" / "assignment_02_two.ipynb").mkdir(parents=True)


@pytest.mark.parametrize("what", ODD)
def test_an_odd_notebook_is_listed_as_far_as_it_can_be(tmp_path, what):
    odd(tmp_path, what)
    due = ODD[what][2]
    page = start_page(tmp_path, TODAY)
    assert f"| 1. [A title](exercises/release/01_one/{FILE}) | to begin | {due} |" in page


@pytest.mark.slow
def test_jupyterlab_opens_on_what_is_odd_or_spoilt(tmp_path):
    for make, whats in ((odd, ODD), (spoilt, SPOILT)):
        for what in whats:
            make(tmp_path / what, what)
    command = [sys.executable, "-c", OPENS, *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for what in SPOILT:
        page = (tmp_path / what / "start.md").read_text()
        assert f"(exercises/release/01_one/{FILE}) | to begin | no date |" in page
        assert "(cannot be read)](notebooks/00_odd.ipynb)" in page and "09_folder" not in page


def test_of_an_old_and_a_new_notebook_the_one_with_more_in_it_counts(tmp_path):
    assignment(tmp_path, code="def one(): ...", said="one: 3 of 3 points\n")
    folder = tmp_path / "exercises" / "release" / "01_one"
    (folder / FILE).rename(folder / "01_one.ipynb")
    assert [(e.name, e.file) for e in exercises(tmp_path)] == [("01_one", "01_one.ipynb")]
    assignment(tmp_path)  # a newer release beside it
    (found,) = exercises(tmp_path)
    assert (found.file, found.passing) == ("01_one.ipynb", 1)
    assignment(tmp_path, code="def one(): ...", said="one: 3 of 3 points\n")
    assert [e.file for e in exercises(tmp_path)] == [FILE]


def test_the_page_links_to_what_is_there(tmp_path):
    assignment(tmp_path)
    chapter = tmp_path / "notebooks" / "01_one.ipynb"
    chapter.parent.mkdir()
    chapter.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": "# One"}]}))
    page = start_page(tmp_path, TODAY)
    assert "1. [One](notebooks/01_one.ipynb)" in page
    assert f"| 1. [A title](exercises/release/01_one/{FILE}) | to begin | no date |" in page


def test_an_answer_in_words_that_is_missing_is_said(tmp_path):
    assignment(tmp_path, code="def one(): ...", said="one: 3 of 3 points\n")
    path = tmp_path / "exercises" / "release" / "01_one" / FILE
    nb = nbformat.read(path, as_version=4)
    asked = new_markdown_cell("YOUR ANSWER HERE", metadata={"nbgrader": {"grade_id": "words"}})
    for source, state in (
        ("YOUR ANSWER HERE", "passes all visible checks; the words are missing"),
        ("Because.", "passes all visible checks"),
    ):
        asked.source = source
        nbformat.write(new_notebook(cells=[*nb.cells, asked], metadata=nb.metadata), path)
        assert [e.state for e in exercises(tmp_path)] == [state]


def test_the_list_in_a_terminal():
    done = CliRunner().invoke(lab, ["--list"])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) == len(chapters(ROOT)) + 1  # the capstone
