"""A person grades a written answer in a real browser, and the points reach the export."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_output
from nbgrader.api import Gradebook
from playwright.sync_api import expect

from course_lib.cli.export import export
from course_lib.cli.ports import free_port
from course_lib.grading.grades import formgrader, gradebook
from course_lib.grading.grades.gradebook import Book
from tests.grading.example import NAME, answered
from tests.grading.grades.test_export import verdict

pytestmark = pytest.mark.slow

OWNED = "document.title='owned'"
NASTY = f"<img src=x onerror={OWNED}>"  # a student may be called anything
ANSWER = f"""Because **it** is $x^2$ so.

<script>{OWNED}</script><img src="http://example.invalid/seen.png" onerror="{OWNED}">
<svg onload="{OWNED}"></svg> [link](javascript:{OWNED}) <span onmouseover="{OWNED}">span</span>
"""
NASTY_OUTPUT = f"'\"><script>{OWNED}</script><img src=x onerror={OWNED}>"


@pytest.fixture
def graded(course, assignment):
    """Two graded submissions; one is hostile."""
    folder = course / "exercises"
    with Book(folder, assignment) as book:
        for student in ("ada", NASTY):
            found = verdict(student)
            place = folder / "grades" / NAME / f"{student}.json"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(found.stored()))
            book.store(found)
            notebook = answered(assignment.student_notebook)
            notebook.cells[-1].source = ANSWER
            kinds = ("text/html", "image/png", "image/svg+xml", "text/markdown", "text/plain")
            code = [cell for cell in notebook.cells if cell.cell_type == "code"]
            code[0].outputs = [new_output("display_data", {kind: NASTY_OUTPUT}) for kind in kinds]
            place = folder / "autograded" / student / NAME / f"{NAME}.ipynb"
            place.parent.mkdir(parents=True)
            nbformat.write(notebook, place)
    return folder


@pytest.fixture
def address(graded, tmp_path):
    """`course formgrader`, at an address with its token."""
    log = tmp_path / "log"
    folders = {f"JUPYTER_{k}_DIR": str(tmp_path / k) for k in ("CONFIG", "DATA", "RUNTIME")}
    with log.open("w") as file:
        command = [Path(sys.executable).with_name("course"), "formgrader", "--no-browser"]
        server = subprocess.Popen(
            [*command, f"--port={free_port(18990)}"],
            env={**os.environ, **folders},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        while not (found := re.search(r"http://localhost:\S+token=\w+", log.read_text())):
            assert server.poll() is None, log.read_text()[-2000:]
            time.sleep(0.25)
        yield found[0]
    finally:
        server.terminate()
        server.wait()


@pytest.mark.parametrize("name", ["was?", """50%41 #ü[x]{y} a:b@c 'd' "e\""""])
def test_the_gradebook_lies_in_its_folder_whatever_that_is_called(tmp_path, assignment, name):
    with Book(tmp_path / name, assignment) as book:
        book.store(verdict("ada"))
    assert [path.name for path in tmp_path.iterdir()] == [name]  # and nothing beside it
    assert (tmp_path / name / "gradebook.db").is_file()
    with Gradebook(gradebook.address(tmp_path / name), gradebook.COURSE) as found:  # formgrader's
        assert [student.id for student in found.students] == ["ada"]


def test_the_marker_sees_the_guide_and_why_points_were_lost(course, graded):
    source = course / "exercises" / "source"
    path = source / NAME / f"{NAME}.ipynb"
    book = nbformat.read(path, as_version=4)
    (cell,) = [c for c in book.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "written"]
    cell.source = "### BEGIN SOLUTION\n**For the marker:** 1 for *so*.\n### END SOLUTION"
    nbformat.write(book, path)
    place = graded / "grades" / NAME / "ada.json"
    stored = json.loads(place.read_text())
    fault = {"call": "keep(3)\n</code><script>", "returned": "\u202e4", "wrong": NASTY}
    check = {"id": "a", "title": "keeps", "visible": True, "points": 0, "total": 2, "fault": fault}
    stored["tasks"] = [{"name": "keep", "points": 0, "total": 2, "checks": [check], "slips": []}]
    place.write_text(json.dumps(stored))
    folder = graded / "autograded" / "ada" / NAME
    seen = nbformat.read(folder / f"{NAME}.ipynb", as_version=4)
    made = formgrader.for_marker(seen, folder, source)
    below = dict(zip([c.metadata.get("nbgrader", {}).get("grade_id") for c in made.cells],
                     [c.source for c in made.cells[1:]], strict=False))  # fmt: skip
    assert below["written"] == "*For you alone:*\n\n**For the marker:** 1 for *so*."
    lost = below["check_keep"]
    assert "[--] 0/2  keeps" in lost and "it returned  4" in lost
    assert all(line.startswith("    ") for line in lost.splitlines()[2:])
    assert "<script" not in formgrader.markdown(lost) and "<img" not in formgrader.markdown(lost)
    assert [c.source for c in made.cells if c in seen.cells] == [c.source for c in seen.cells]


def post(address, path, body=b"{}"):
    base, token = re.match(r"(http://[^/]+)/.*token=(\w+)", address).groups()
    head = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    try:
        with urlopen(Request(base + path, body, head), timeout=600) as reply:
            return reply.status, reply.read().decode()
    except HTTPError as error:
        return error.code, ""


def test_a_person_grades_an_answer_and_it_is_exported(browser, graded, address):
    context = browser.new_context()
    outside, errors = [], []
    context.on("request", lambda request: outside.append(request.url))
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(address)
    page.get_by_role("link", name=NAME).click()
    page.locator("#main-table").get_by_role("link", name=NAME).click()
    expect(page.get_by_role("link", name="Submission #2")).to_be_visible()
    page.get_by_role("button", name="Show All Names").click()

    page.get_by_role("link", name=NASTY).click()
    answer = page.locator(".nbgrader_cell").filter(has=page.locator("#written"))
    expect(answer.locator("strong")).to_have_text("it")
    expect(page.get_by_text("For you alone:")).to_be_visible()
    assert answer.locator("img, svg, script, [onmouseover], a[href^=javascript]").count() == 0
    expect(page.locator(".breadcrumb .name-shown").first).to_contain_text(NASTY)
    assert page.locator("#notebook-container").locator("script, [onerror], [onload]").count() == 0
    assert page.title() == NAME
    page.go_back()
    expect(page.get_by_role("link", name="Submission #2")).to_be_visible()
    page.get_by_role("button", name="Show All Names").click()

    page.get_by_role("link", name="ada").click()
    points, comment = page.locator("#written"), page.locator("#written-comment")
    expect(points).to_have_class(re.compile("needs_manual_grade"))
    points.fill("2.5")
    with page.expect_response(re.compile("/formgrader/api/grade/")) as stored:
        comment.click()
    assert stored.value.ok
    comment.fill("Well said, <b>Ada</b>.")
    with page.expect_response(re.compile("/formgrader/api/comment/")) as stored:
        points.click()
    assert stored.value.ok
    page.reload()
    expect(points).to_have_value("2.5")
    expect(comment).to_have_value("Well said, <b>Ada</b>.")
    strange = [u for u in outside if not u.startswith((address.split("/formgrader")[0], "data:"))]
    assert strange == [] and errors == []
    context.close()

    # What would run a student's code is closed.
    assert post(address, "/api/kernels", b'{"name": "python3"}')[0] == 403
    assert post(address, "/api/sessions")[0] == 403
    for button in ("autograde", "generate_feedback"):
        status, said = post(address, f"/formgrader/api/submission/{NAME}/ada/{button}")
        assert "course grade" in said if status == 200 else status == 404
    (graded / "nbgrader_config.py").write_text("raise SystemExit('a config of a student ran')")
    page = browser.new_page()
    assert page.goto(address.replace("/gradebook?", f"?path={graded}&")).ok
    assert "/formgrader/gradebook?" in page.url
    page.close()
    status, said = post(address, f"/formgrader/api/assignment/{NAME}/assign")
    assert status == 200 and json.loads(said)["success"] is False

    done = CliRunner().invoke(export, [NAME])
    assert done.exit_code == 0, done.output
    with (graded / "export" / f"{NAME}.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file, strict=True)}
    assert rows["ada"]["written"] == "2.5" and rows["ada"]["points"] == "9.5"
    assert rows[NASTY]["points"] == ""
    page_of_ada = (graded / "feedback" / NAME / "ada.html").read_text()
    assert "Well said, &lt;b&gt;Ada&lt;/b&gt;." in page_of_ada


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("a *b* `c<d`", "<p>a <em>b</em> <code>c&lt;d</code></p>"),
        ("<script>x</script>y", "xy"),
        ("[x](javascript:y)", "<p><a>x</a></p>"),
        ('<a href="https://e.org" onclick="x">y</a>', '<p><a href="https://e.org">y</a></p>'),
        ("![x](https://e.org/x.png)", "<p></p>"),
        ("<style>p {}</style><form><input></form>", "p {}"),
    ],
)
def test_markdown_is_cleaned(source, kept):
    assert formgrader.markdown(source).strip() == kept
