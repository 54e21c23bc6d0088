"""The open part of an assignment, where the library may be used: it is read, not run."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.errors import Refusal
from course_lib.grading.trial import submission
from tests.grading import example, hostile
from tests.grading.example import GOOD, NAME, SPLIT, answered, cell, meta

EXERCISES = Path(__file__).parents[3] / "exercises"
LIBRARY = "from course_lib.masks import top_k"


def opened(book, *below):
    """Put an open part at the end of a notebook."""
    book.cells.append(new_markdown_cell("## The open part", metadata=meta("open")))
    book.cells += [new_code_cell(source) for source in below]
    return book


@pytest.fixture
def made(tmp_path):
    return Assignment(example.make(tmp_path, book=opened(example.source(), LIBRARY)), NAME)


def ran(book, made, tmp_path):
    """The sources of the code cells that run in grading."""
    path = tmp_path / "ada.ipynb"
    path.write_text(json.dumps(book))
    steps = submission.fit(submission.read(path), made.student_notebook).steps
    return [s.cell.source for s in steps if s.cell.cell_type == "code" and s.runs]


def test_it_may_import_the_library_and_is_no_part_of_the_reference(made):
    assert "top_k" not in made.reference and "keep" in made.reference


def test_a_solution_may_not_stand_in_it(tmp_path):
    book = opened(example.source())
    book.cells.append(book.cells.pop(cell(book, "split")))
    with pytest.raises(Refusal, match="the solution cell split stands in the open part"):
        Assignment(example.make(tmp_path, book=book), NAME)


def test_what_stands_below_it_does_not_run(made, tmp_path):
    book = answered(made.student_notebook)
    book.cells += [new_code_cell("while True: pass")]
    found = ran(book, made, tmp_path)
    assert GOOD in found and SPLIT in found
    assert LIBRARY not in found and "while True: pass" not in found


def test_a_task_that_was_moved_into_it_runs_all_the_same(made, tmp_path):
    book = answered(made.student_notebook)
    book.cells.append(book.cells.pop(cell(book, "split")))
    assert SPLIT in ran(book, made, tmp_path)
    for each in book.cells[-1:]:  # and if the cell has lost its name
        each.metadata, each.id = {}, "elsewhere"
    assert SPLIT in ran(book, made, tmp_path)


def test_where_its_beginning_is_lost_everything_runs(made, tmp_path):
    book = answered(made.student_notebook)
    del book.cells[cell(book, "open")]
    assert LIBRARY in ran(book, made, tmp_path)
    book = answered(made.student_notebook)
    hostile.no_metadata_no_ids(book)
    assert {GOOD, SPLIT, LIBRARY} <= set(ran(book, made, tmp_path))


@pytest.mark.slow
def test_that_of_the_capstone_runs_in_the_released_folder(monkeypatch, capsys):
    folder = EXERCISES / "release" / "15_capstone"
    monkeypatch.chdir(folder)
    book = nbformat.read(folder / "assignment_15_capstone.ipynb", as_version=4)
    names: dict[str, object] = {}
    for each in book.cells[cell(book, "open") :]:
        if each.cell_type == "code":
            exec(compile(each.source, "capstone", "exec"), names)
    assert "| accuracy, country (289 examples) |" in capsys.readouterr().out
    assert names["card"].size["density"] == 0.1
    assert sorted(names["CHOICES"]) == ["digits", "mnist1d", "people"]
    for make in names["CHOICES"].values():
        data = make()
        assert len(set(data.group_test)) == 2 and len(data.group_test) == len(data.X_test)
