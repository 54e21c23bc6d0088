"""Every notebook gets the score it deserves, and nothing outside the jail changes."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import nbformat
import psutil
import pytest
from bs4 import BeautifulSoup

from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.grades import feedback
from course_lib.grading.grades.gradebook import Book
from course_lib.grading.grades.store import write
from course_lib.grading.grades.tables import plain, table
from course_lib.grading.jail.limits import Limits
from course_lib.grading.marking.mark import report
from tests.grading import example
from tests.grading.hostile import CASES, SURVIVOR, notebook

pytestmark = pytest.mark.slow
RISKY = ("=", "+", "-", "@", "\t", "\r")  # how a formula begins in a spreadsheet


@pytest.fixture(scope="module")
def grader(tmp_path_factory):
    """A grader whose folder holds the gradebook and the grades of a class."""
    assignment = Assignment(example.make(tmp_path_factory.mktemp("course")), example.NAME)
    assignment.limits = Limits(256, files_mb=32, output_mb=5)
    out = tmp_path_factory.mktemp("out")
    with Book(out, assignment):
        pass
    write(out / "grades" / example.NAME / "bob.json", b'{"points": 3}')
    return example.Grader(assignment, out)


def everything(grader):
    """All that must not change: the assignment with its hidden checks, gradebook, grades."""
    folders = (grader.assignment.folder.parents[2], grader.out)
    return {p: p.read_bytes() for folder in folders for p in folder.rglob("*") if p.is_file()}


def survivors():
    return [p for p in psutil.process_iter(["cmdline"]) if SURVIVOR in (p.info["cmdline"] or [])]


def strings(node):
    """All text in a piece of JSON."""
    if isinstance(node, str):
        yield node
    for inner in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from strings(inner)


def harmless(verdict):
    """Whatever a student wrote runs neither in the page nor in the table nor in a terminal."""
    page = BeautifulSoup(feedback.page(verdict), "html.parser")
    assert not page.find_all(["script", "img", "iframe", "object", "form"])
    for tag in page.find_all(True):
        assert not any(name.startswith("on") for name in tag.attrs), tag
    assert all(a["href"].startswith(("https://github.com/", "#")) for a in page.find_all("a"))
    assert "\x1b" not in page.get_text()
    lines = list(csv.reader(io.StringIO(plain([verdict]).decode("utf-8-sig"))))
    assert len(lines) == 2 and not [x for line in lines for x in line if x.startswith(RISKY)]
    assert "\x1b" not in table([verdict], ["keep", "split"])


@pytest.mark.parametrize("name", CASES)
def test_score(name, grader, tmp_path):
    case = CASES[name]
    path = tmp_path / "ada.ipynb"
    nbformat.write(notebook(grader.released, case, grader.out), path)
    if case.raw:
        path.write_bytes(case.raw(path.read_bytes()))
    grader.assignment.limits = replace(grader.assignment.limits, cell_s=case.cell_s)
    before, outside = path.read_bytes(), everything(grader)
    verdict, book = grader.verdict("ada", path)
    said = "\n".join([*map(report, verdict.tasks), *verdict.notes, verdict.why])
    assert verdict.status == ("graded" if case.scores else "ungraded"), said
    assert case.words in said, said
    if case.scores is None:
        assert verdict.points is None and verdict.tasks == [] and book == b""
    else:
        assert tuple(task.points for task in verdict.tasks) == case.scores, said
        assert verdict.points == sum(case.scores)
        outputs = [c.outputs for c in nbformat.reads(book, 4).cells if c.cell_type == "code"]
        shown = "".join(strings(outputs))
        assert "<script>" not in shown and len(shown) < 10**6
    assert "CONNECTED" not in said and "RESOLVED" not in said, said
    assert "\x1b" not in said
    harmless(verdict)
    assert path.read_bytes() == before
    assert everything(grader) == outside
    assert psutil.wait_procs(survivors(), timeout=600)[1] == []
