"""Reading what anybody may have written, and fitting it to what was released."""

from __future__ import annotations

import hashlib
import json
import sys
import tracemalloc
import warnings
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_lib.grading.cells import OPEN, all_imports, defined, marks, not_python
from course_lib.grading.errors import Refusal
from course_lib.grading.trial import earlier, submission
from tests.grading import hostile
from tests.grading.example import NAME, answered, cell, meta


def fitted(released, edit, tmp_path, **answers):
    book = answered(released, **answers)
    edit(book)
    path = tmp_path / "ada.ipynb"
    path.write_text(json.dumps(book))
    return submission.fit(submission.read(path), released)


def tasks(fit):
    return [step.task for step in fit.steps if step.task]


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "not JSON"),
        (b'{"cells": [', "not JSON"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"[]", "ada.ipynb is not a notebook: its JSON does not hold a notebook's cells$"),
        (b"null", "ada.ipynb is not a notebook: its JSON does not hold a notebook's cells$"),
        (b'{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "not a notebook"),
        (b'{"cells": [{"cell_type": "code"}], "nbformat": 4, "metadata": {}}', "not a notebook"),
        (b'{"cells": [{"cell_type": "x", "source": ""}], "nbformat": 4}', "not a notebook"),
        (b"[" * 100_000, "not a notebook"),
        (b'{"worksheets": [], "nbformat": 3, "metadata": {}}', "of before 2015; save it in Jup"),
    ],
)
def test_what_is_no_notebook_is_refused_in_words(content, words, tmp_path):
    path = tmp_path / "ada.ipynb"
    path.write_bytes(content)
    with pytest.raises(Refusal, match=words):
        submission.read(path)


@pytest.mark.parametrize("where", ["metadata", "cell", "output"])
@pytest.mark.parametrize("many", ["{}", '{"a": {}}', '{"data": 1}', "[]", '"ab"', "1.5"])
def test_no_notebook_takes_far_more_memory_than_its_own_size(many, where, released):
    book = answered(released)
    output = {"output_type": "display_data", "data": {"application/json": "many"}, "metadata": {}}
    places = {"metadata": book.metadata, "cell": book.cells[0].metadata, "output": output}
    next(one for one in book.cells if one.cell_type == "code").outputs = [output]
    places[where]["many"] = "MANY"
    hostile = json.dumps(book).replace('"MANY"', f"[{','.join([many] * 20_000)}]").encode()
    tracemalloc.start()
    submission.parse(hostile, "ada.ipynb")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 25 * len(hostile)


def test_links_and_folders_are_refused(tmp_path):
    (tmp_path / "secret").write_text("{}")
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "secret")
    (tmp_path / "folder.ipynb").mkdir()
    for name in ("link.ipynb", "folder.ipynb", "missing.ipynb"):
        with pytest.raises(Refusal, match="is not a file"):
            submission.read(tmp_path / name)
    with pytest.raises(Refusal, match=r"^\. is not a file"):
        submission.read(Path())


def test_what_is_released_fits_without_a_note(released, tmp_path):
    fit = fitted(released, lambda book: None, tmp_path)
    assert fit.notes == []
    assert tasks(fit) == ["keep", "split"]
    assert len(fit.steps) == len(released.cells)


@pytest.mark.parametrize(
    "edit, notes",
    [
        (hostile.duplicate, ["second cell keep"]),
        (hostile.split_cell, ["second cell split"]),
        (hostile.edited_locked, ["locked cell imports was edited"]),
        (hostile.edited_check, ["locked cell check_keep was edited"]),
        (hostile.removed, ["cell imports is missing", "cell check_keep is missing"]),
        (hostile.bogus, ["second cell check_keep"]),
        (hostile.reordered, []),
        (hostile.skip_tags, []),
        (hostile.no_metadata, []),
    ],
)
def test_each_task_has_one_place_and_each_oddity_a_note(edit, notes, released, tmp_path):
    fit = fitted(released, edit, tmp_path)
    assert sorted(tasks(fit)) == ["keep", "split"]
    assert len(fit.notes) == len(notes)
    for words, note in zip(notes, fit.notes, strict=True):
        assert words in note
    ids = [step.cell.id for step in fit.steps]
    assert len(set(ids)) == len(ids)
    nbformat.validate(fit.notebook)
    assert not any("tags" in step.cell.metadata for step in fit.steps)


@pytest.mark.parametrize("edit", [hostile.reordered, hostile.removed, hostile.no_metadata])
def test_a_task_is_marked_after_its_solution_and_the_imports(edit, released, tmp_path):
    fit = fitted(released, edit, tmp_path)
    sources = [step.cell.source for step in fit.steps]
    order = [step.task for step in fit.steps]
    solution = next(i for i, s in enumerate(sources) if s.startswith("def keep"))
    assert sources.index("import numpy as np") < solution < order.index("keep")


def test_edits_of_locked_cells_run_beside_the_original(released, tmp_path):
    fit = fitted(released, hostile.edited_locked, tmp_path)
    sources = [step.cell.source.strip() for step in fit.steps]
    at = sources.index("import numpy as np")
    assert sources[at + 1] == "import numpy as np\nimport math"


def test_a_lost_solution_cell_is_not_replaced_by_the_stub(released, tmp_path):
    fit = fitted(released, hostile.no_metadata_no_ids, tmp_path)
    assert not any("NotImplementedError" in step.cell.source for step in fit.steps)
    assert any("keep is missing" in note for note in fit.notes)


def test_the_written_answer_survives(released, tmp_path):
    fit = fitted(released, hostile.reordered, tmp_path)
    answer = fit.notebook.cells[cell(fit.notebook, "written")]
    assert answer.source == "Because it is so."
    assert answer.metadata.nbgrader.points == 3


def test_the_work_of_fitting_grows_with_the_number_of_cells_and_no_faster(released):
    """Cells without end below the one with which the open part begins; and twice the same name."""
    keys = [marks(cell)["grade_id"] for cell in released.cells if marks(cell)]
    known = deepcopy(released)
    known.cells.insert(2, new_code_cell("", id=OPEN))

    def steps(count):
        book = deepcopy(known)
        for i in range(count):
            named = {"nbgrader": {"grade_id": keys[i % len(keys)]}} if i % 2 else {}
            book.cells.append(new_code_cell("", metadata=named))
        given = submission.parse(json.dumps(book).encode(), "ada.ipynb")
        lines = 0

        def trace(frame, event, _):
            nonlocal lines
            ours = frame.f_code.co_filename == submission.__file__
            lines += ours and event == "line"
            return trace if ours else None

        sys.settrace(trace)
        try:
            fit = submission.fit(given, known)
        finally:
            sys.settrace(None)
        assert len(fit.steps) >= count and len(fit.notes) < 2 * len(keys)
        return lines

    assert steps(400) < 2.5 * steps(200)


# What editors and systems do to a notebook


def windows(book):
    for one in book.cells:
        one.source = one.source.replace("\n", "\r\n")


def old_mac(book):
    for one in book.cells:
        one.source = one.source.replace("\n", "\r")


def blanks_at_ends(book):
    for one in book.cells:
        if one.metadata.get("nbgrader", {}).get("locked"):
            one.source = one.source.replace("\n", " \t\n") + "  \n"


def without_ids(book):
    book.nbformat_minor = 2
    for one in book.cells:
        del one["id"]


def later_without_ids(book):
    for one in book.cells:
        del one["id"]


def same_ids(book):
    for one in book.cells:
        one["id"] = "same"


EDITORS = [windows, old_mac, blanks_at_ends, without_ids, later_without_ids, same_ids]


@pytest.mark.parametrize("edit", EDITORS)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_what_an_editor_adds_is_no_edit_and_no_warning(edit, mark, released):
    book = answered(released)
    clean = submission.fit(submission.parse(json.dumps(book).encode(), "ada.ipynb"), released)
    edit(book)
    with warnings.catch_warnings(action="error"):
        parsed = submission.parse(mark + json.dumps(book).encode(), "ada.ipynb")
        fit = submission.fit(parsed, released)
        nbformat.writes(fit.notebook)
    assert fit.notes == [] and tasks(fit) == ["keep", "split"]
    assert [s.cell.source for s in fit.steps] == [s.cell.source for s in clean.steps]


def test_an_edit_is_an_edit_for_all_that(released):
    book = answered(released)
    windows(book)
    book.cells[cell(book, "imports")].source += "\r\nimport math"
    fit = submission.fit(submission.parse(json.dumps(book).encode(), "ada.ipynb"), released)
    assert [note.split(" was")[0] for note in fit.notes] == ["the locked cell imports"]


def test_digests_of_earlier_releases_hold_with_and_without_blanks_at_line_ends():
    assert earlier.digest("a  \nb\n") == earlier.digest("a\nb")
    once = hashlib.sha256(b"a  \nb").hexdigest()[:16]
    assert once in earlier.digests("a  \nb\n") and once not in earlier.digests("a\nb")


@pytest.mark.parametrize(
    ("first", "run"),
    [
        ("%%time", "# %%time"),
        ("%%timeit -n 1", "# %%timeit -n 1"),
        ("\n  %%capture", "\n  # %%capture"),
        ("%%capture --no-stderr", "# %%capture --no-stderr"),
        ("%%capture said", "%%capture said"),  # a name that it defines
        ("%%timely", "%%timely"),
        ("%time", "%time"),
        ("%%bash", "%%bash"),
    ],
)
def test_a_magic_that_measures_a_cell_keeps_no_function_from_being_defined(first, run):
    cells = [new_code_cell(f"{first}\ndef f(): pass"), new_markdown_cell(f"{first}\nwords")]
    book = submission.parse(json.dumps(new_notebook(cells=cells)).encode(), "ada.ipynb")
    assert [c.source for c in book.cells] == [f"{run}\ndef f(): pass", f"{first}\nwords"]


@pytest.mark.parametrize(
    ("absurd", "said"),
    [
        ("x = " + "1+" * 30_000 + "1", "nested too deeply"),
        ("x = " + "not " * 20_000 + "x", "nested too deeply"),
        ("x = [" + "[]," * 100_000 + "]", "more than 100000 characters"),
    ],
    ids=["sum", "not", "long"],
)
def test_what_nobody_writes_is_not_read_as_python(absurd, said):
    assert said in not_python(absurd)
    assert all_imports(absurd) == [] and defined(absurd) == set()


# Whose notebook it is


def other(released):
    """The notebook of another assignment, whose written answer is called alike."""
    book = answered(released)
    book.metadata.course = {"assignment": "01_other\x1b"}
    book.cells = [c for c in book.cells if "split" not in c.source and "keep" not in c.source]
    for key in ("check_first", "check_second"):
        book.cells.append(new_code_cell("check()", metadata=meta(key, grade=True, points=1)))
    return book


def chapter(released):
    cells = [
        new_markdown_cell("# The cotter pin\n\nOnce"),
        new_code_cell("def keep(w, k): pass", metadata={"tags": ["evidence"]}),
    ]
    return new_notebook(cells=cells)


def strange(released):
    book = other(released)
    del book.metadata["course"]
    book.cells += [c for c in answered(released).cells if "def split" in c.source]
    return book


def copied(released):
    """All tasks of the assignment, done in a copy of another's notebook."""
    book = answered(released)
    book.metadata.course = {"assignment": "01_other"}
    return book


def own(released):
    cells = [new_code_cell(c.source) for c in answered(released).cells if c.cell_type == "code"]
    return new_notebook(cells=cells)


def part(released):
    book = answered(released)
    book.cells = book.cells[:4]
    return book


def marked_up(released):
    """The assignment, with a cell of the chapter in it."""
    book = answered(released)
    book.cells += chapter(released).cells
    return book


def wild(released):
    book = answered(released)
    book.metadata.course = {"assignment": ["x"]}
    book.cells[0].metadata.tags = 7
    return book


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (other, "is the notebook of 01_other"),
        (chapter, "is a chapter, 'The cotter pin', which is read and not handed in"),
        (strange, "has the tasks of another assignment (check_first, check_second)"),
        (lambda released: new_notebook(), "is empty: nothing was written"),
        (lambda released: new_notebook(cells=[new_code_cell(" ")]), "is empty: nothing was"),
        (
            lambda released: new_notebook(cells=[new_code_cell("1 + 1")]),
            "holds nothing of the assignment 00_trial: no cell of a task, and none of its funct",
        ),
        (answered, ""),
        (copied, ""),
        (own, ""),
        (part, ""),
        (marked_up, ""),
        (wild, ""),
    ],
)
def test_a_notebook_that_is_not_of_this_assignment_is_known_for_what_it_is(make, what, released):
    parsed = submission.parse(json.dumps(make(released)).encode(), "ada.ipynb")
    found = submission.misplaced(parsed, released, NAME)
    assert found.startswith(what) and bool(found) == bool(what) and found.isprintable()
