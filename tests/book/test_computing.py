"""The page that computes: an assignment done in a browser that has the book and nothing else."""

from __future__ import annotations

import _imp
import hashlib
import json
import re
import threading
from base64 import b64decode
from functools import partial
from gzip import decompress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from zipfile import ZipFile

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from playwright.sync_api import expect

from course_lib.grading.authoring import kill_matrix
from course_lib.grading.authoring.assignment import Assignment, assignments
from course_lib.grading.marking.mark import answering, report
from course_lib.grading.marking.mark import mark as mark_task
from course_lib.grading.trial import worker
from course_lib.grading.trial.precheck import precheck
from course_lib.teaching.book import assignments as pages
from course_lib.teaching.book import packing
from tests.book.computing import (
    EXERCISES,
    ROOT,
    SEEDED,
    WORDS,
    Desk,
    answers,
    context,
    released,
    unpacked,
    with_sources,
)

VENDOR = ROOT / "book" / "_static" / "vendor" / "pyodide"
NAME = "04_thresholding"
LOOP = "while True:\n    pass"


# --- What is carried


def carried(name, parts):
    scripts = [(VENDOR / f"{name}.{i}.js").read_text() for i in range(parts)]
    return decompress(b64decode("".join(re.findall(r'= "([\w+/=]+)";', "".join(scripts)))))


def without_bytecode(data):
    """An archive as it was before bytecode was added behind what is in it."""
    whole = BytesIO(data)
    with ZipFile(whole, "a") as archive:
        added = [info for info in archive.filelist if info.filename.endswith(".pyc")]
        archive.filelist = [info for info in archive.filelist if info not in added]
        archive.start_dir, archive._didModify = added[0].header_offset, True
    return whole.getvalue()


def bytecode(data):
    """The modules of an archive that have bytecode there: {name: of the source it tells?}."""
    found = {}
    with ZipFile(BytesIO(data)) as archive:
        for name in archive.namelist():
            if name.endswith(".pyc"):
                code = archive.read(name)
                source = re.sub(r"__pycache__/|\.cpython-312", "", name).removesuffix("c")
                told = _imp.source_hash(int.from_bytes(code[:4], "little"), archive.read(source))
                found[source] = code[8:16] == told
    return found


def test_python_is_carried_unchanged_with_bytecode_behind_it():
    said = (VENDOR / "contents.js").read_text()
    contents = json.loads(said[said.index("= {}).contents = ") + 17 :].rstrip(";\n"))
    found = {name: carried(name, row["parts"]) for name, row in contents.items()}
    archives = {name: data for name, data in found.items() if name.endswith((".zip", ".whl"))}
    given = found | {name: without_bytecode(data) for name, data in archives.items()}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in given.items()}
    assert digests == {name: row["sha256"] for name, row in contents.items()}
    assert {name: len(data) for name, data in found.items()} == {
        name: row["bytes"] for name, row in contents.items()
    }
    numpy = json.loads(found["pyodide-lock.json"])["packages"]["numpy"]
    assert digests[numpy["file_name"]] == numpy["sha256"]
    modules = {name: told for data in archives.values() for name, told in bytecode(data).items()}
    assert {"dataclasses.py", "asyncio/__init__.py", "numpy/__init__.py"} <= set(modules)
    assert all(modules.values())
    scripts = {f"{name}.{i}.js" for name, row in contents.items() for i in range(row["parts"])}
    assert {path.name for path in VENDOR.glob("*.js")} == scripts | {"contents.js"}


def test_the_library_in_the_page_is_what_check_needs():
    files = packing.library(ROOT / "course_lib")
    assert {"course_lib/grading/marking/check.py", "course_lib/grading/__init__.py"} <= set(files)
    assert not [name for name in files if "authoring" in name or "jail" in name]
    assert packing.zipped(files) == packing.zipped(dict(reversed(files.items())))


def test_an_assignment_that_imports_what_a_browser_lacks_is_only_told():
    torch = [n for n in pages.names(ROOT) if "import torch" in str(pages.cells(ROOT, n))]
    assert torch and [n for n in pages.names(ROOT) if not pages.works(ROOT, n)] == torch
    assert "page_desk" not in pages.markdown(ROOT, torch[0])
    assert 'class="work"' not in pages.markdown(ROOT, torch[0])
    assert "Kernel →" not in pages.markdown(ROOT, NAME)
    assert pages.imported("import a.b\ndef f():\n    from course_lib.labs.x import y") == {
        "a",
        "course_lib.labs",
    }


def test_each_assignment_has_its_page():
    there = sorted(path.stem for path in (ROOT / "book" / "page").glob("*.md"))
    assert there == assignments(EXERCISES, untaught=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", assignments(EXERCISES))
def test_every_formula_is_set(site, name):
    """What Markdown does not know for a formula stays as it was written, with its signs."""
    html = (site / "book" / "page" / f"{name}.html").read_text(encoding="utf-8")
    article = BeautifulSoup(html, "html.parser").select_one("article")
    for code in article.select("pre, code, textarea, .math"):
        code.decompose()
    assert not re.findall(r".*[$\\].*", article.text)


# --- From a folder, with every outside request refused


@pytest.fixture(scope="module")
def assignment():
    return Assignment(EXERCISES, NAME)


@pytest.fixture(scope="module")
def right(assignment):
    return answers(assignment, {})


@pytest.fixture(scope="module")
def folder(site, tmp_path_factory):
    return unpacked(site, tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def opened(browser, folder):
    """One page for all tests: a Python that begins takes its time."""
    asked = []
    made = context(browser, asked)
    page = made.new_page()
    loaded = []
    page.on("request", lambda request: loaded.append(request.url))
    desk = Desk(page, f"{folder.as_uri()}/", NAME)
    desk.loaded = list(loaded)
    yield desk
    made.close()
    assert not asked and not desk.faults


@pytest.fixture
def desk(opened, right):
    opened.write(right)
    return opened


def told(tmp_path, sources):
    """What `course check` says of a notebook with these answers: a report for each task."""
    path = tmp_path / f"assignment_{NAME}.ipynb"
    path.write_text(json.dumps(with_sources(released(NAME), sources)))
    return {row.name: report(row) for row in precheck(path, EXERCISES / "release").results}


@pytest.mark.slow
def test_nothing_of_python_is_loaded_before_it_is_asked_for(opened):
    assert not [url for url in opened.loaded if "pyodide" in url or "library" in url]
    assert not [url for url in opened.loaded if f"page/{NAME}.js" in url]


@pytest.mark.slow
def test_right_answers_pass_as_in_jupyterlab(desk, right, tmp_path):
    desk.write({"explain": WORDS})
    assert desk.check_all() == "All 4 tasks pass their visible checks."
    for task, said in told(tmp_path, right).items():
        assert desk.shown(task).startswith(f"{said}\nThese visible checks are ")


@pytest.mark.slow
def test_known_slips_are_named_as_in_jupyterlab(desk, assignment, right, tmp_path):
    wrong = {}
    for task in assignment.tasks[:3]:
        mutant = assignment.mutants(task.name)[0]
        wrong |= {task.name: answers(assignment, {task.name: mutant})[task.name]}
    reports = told(tmp_path, right | wrong)
    desk.write(wrong)
    for task in wrong:
        assert "This looks like a known slip" in reports[task]
        assert desk.check(task).startswith(reports[task])


@pytest.mark.slow
def test_every_sign_of_the_keyboard_is_a_letter_of_the_code(desk):
    """A page has keys of its own, as "/" for its search."""
    signs = "".join(map(chr, range(ord("!"), 127)))
    field = desk.field("toll")
    field.click()
    desk.page.keyboard.press("Control+a")
    for sign in f"#{signs}":  # in a comment quotes alone are closed by themselves
        desk.page.keyboard.press(sign)
    assert field.inner_text().startswith(f"#{signs}")
    expect(field).to_be_focused()


@pytest.mark.slow
def test_a_draft_survives_a_reload(opened, right):
    opened.field("toll").fill("def toll(estimates, truth):\n    return 1")
    opened.page.get_by_role("textbox", name="Your answer in words").fill(WORDS)
    opened.page.reload()
    expect(opened.field("toll")).to_contain_text("return 1")
    expect(opened.page.get_by_role("textbox", name="Your answer in words")).to_have_value(WORDS)
    opened.work("toll").get_by_role("button", name="Begin anew").click()
    expect(opened.field("toll")).to_contain_text("raise NotImplementedError()")
    opened.said.get_by_role("button", name="Undo").click()
    expect(opened.field("toll")).to_contain_text("return 1")


@pytest.mark.slow
def test_the_notebook_taken_out_is_the_released_one_and_is_graded_whole(
    desk, assignment, right, tmp_path
):
    desk.write({"explain": WORDS})
    path = desk.take_out(tmp_path)
    assert path.name == f"assignment_{NAME}.ipynb"
    assert json.loads(path.read_text()) == with_sources(released(NAME), right | {"explain": WORDS})
    outcome, _ = worker.grade(
        assignment.paper(assignment.materials(SEEDED)), path.read_bytes(), "from the page"
    )
    assert outcome.status == "graded"
    assert sum(task.points for task in outcome.tasks) == sum(t.points for t in assignment.tasks)


@pytest.mark.slow
def test_a_loop_without_end_is_stopped_and_the_page_answers_meanwhile(desk, right):
    desk.write({"toll": LOOP})
    desk.work("toll").get_by_role("button", name="Run").click()
    expect(desk.said).to_have_text("toll is running ...")
    assert desk.page.evaluate("1 + 1") == 2
    desk.button("Stop").click()
    desk.wait()
    assert desk.shown("toll") == "It was stopped.\n"
    desk.write({"toll": "1 + 1"})
    assert desk.run("toll") == "2\n"  # by a new Python
    desk.write({"toll": LOOP})
    desk.page.evaluate("swPage.desk.runner.limit = 2000")
    assert desk.run("toll").startswith("It was still running after 2 seconds, and was stopped.")
    desk.page.evaluate("swPage.desk.runner.limit = 60000")
    desk.write(right)
    assert "4 of 4" not in desk.check("iht") and "[--]" not in desk.shown("iht")


@pytest.mark.slow
def test_of_a_foreign_notebook_only_the_sources_are_read(desk, tmp_path):
    book = with_sources(released(NAME), {"toll": "print('<b id=bad>bold</b>')"})
    bad = "<img id=bad src=x onerror='document.title = 1'>"
    for cell in book["cells"]:
        cell["outputs"] = [{"output_type": "display_data", "data": {"text/html": bad}}]
        if cell["cell_type"] == "markdown":
            cell["source"] = [bad]
    path = tmp_path / "other.ipynb"
    path.write_text(json.dumps(book))
    title = desk.page.title()
    desk.page.locator(".desk input[type=file]").set_input_files(path)
    expect(desk.said).to_contain_text("5 of 5 answers are read from other.ipynb.")
    assert desk.run("toll") == "<b id=bad>bold</b>\n"
    assert desk.page.locator("#bad").count() == 0 and desk.page.title() == title
    desk.page.locator(".desk input[type=file]").set_input_files(
        {"name": "no.ipynb", "mimeType": "text/plain", "buffer": b"[]"}
    )
    expect(desk.said).to_contain_text("no.ipynb is not read: it is no notebook.")
    path.write_text(json.dumps(released("03_iterative_pruning")))  # its words have the same name
    desk.page.locator(".desk input[type=file]").set_input_files(path)
    expect(desk.said).to_contain_text("not read: it is of assignment 03_iterative_pruning.")


@pytest.mark.slow
def test_what_stood_in_a_field_before_is_not_checked(desk, right):
    desk.write({"toll": right["toll"]})
    assert "[--]" not in desk.check("toll")
    desk.write({"toll": right["toll"].replace("def toll", "def tol")})
    assert "toll is not defined" in desk.check("toll")


@pytest.mark.slow
def test_an_error_has_the_colour_of_one_and_the_cell_that_runs_has_not(desk):
    edge = "work => getComputedStyle(work).borderLeftColor"
    desk.write({"toll": "1 + 1"})
    desk.run("toll")
    good = desk.work("toll").evaluate(edge)
    desk.write({"toll": "def toll(estimates, truth)"})
    assert "SyntaxError" in desk.run("toll")
    assert desk.work("toll").evaluate(edge) != good
    bad = desk.work("toll").evaluate(edge)
    desk.check("toll")
    assert desk.work("toll").evaluate(edge) == bad
    desk.write({"toll": "1 + 1"})
    desk.run("toll")
    assert desk.work("toll").evaluate(edge) == good


@pytest.mark.slow
def test_a_program_that_asks_is_told_what_to_do(desk):
    desk.write({"toll": "name = input('Your name? ')"})
    said = desk.run("toll")
    assert "a program cannot ask here;\nwrite the answer into the code instead." in said
    assert "page_cells" not in said and "Errno" not in said


@pytest.mark.slow
def test_what_a_check_says_is_read_below_all_that_was_printed(desk, right):
    flood = "    for i in range(9_000):\n        print('debug', i, '.' * 20)\n"
    first, _, rest = right["toll"].partition("\n")
    desk.write({"toll": f"{first}\n{flood}{rest}"})
    said = desk.check("toll")
    assert "... (it printed more than is shown)" in said and "points" in said[-3000:]
    assert desk.said.inner_text() == "toll: all that can be seen here is right."


@pytest.mark.slow
def test_an_unwritten_function_is_named_by_those_that_call_it(desk, right):
    stub = "def soft_threshold(v, tau):\n    raise NotImplementedError()"
    step = "def ista_step(A, y, x, tau):\n    return soft_threshold(x, tau)"
    desk.write({"soft_threshold": stub, "ista_step": step})
    said = desk.check("ista_step")
    assert "NotImplementedError: soft_threshold is not written yet" in said
    assert "it is not written yet" not in said


@pytest.mark.slow
def test_on_a_phone_arrays_keep_their_columns_and_sentences_are_broken(desk):
    """A line of a report goes on further in than it begins."""
    desk.page.set_viewport_size({"width": 390, "height": 844})
    printed, said = (desk.work("toll").locator(f"pre.{kind}") for kind in ("printed", "said"))
    desk.write({"toll": "import numpy as np\nnp.arange(48.0).reshape(2, 24) / 7"})
    lines = desk.run("toll").count("\n")
    height = "pre => pre.clientHeight / parseFloat(getComputedStyle(pre).lineHeight)"
    wide = "pre => pre.scrollWidth > pre.clientWidth"
    assert lines < printed.evaluate(height) < lines + 2 and printed.evaluate(wide)
    desk.write({"toll": "def toll(estimates, truth):\n    return estimates"})
    desk.check("toll")
    assert said.evaluate(height) > desk.shown("toll").count("\n") + 2 and not said.evaluate(wide)
    left = """pre => [...pre.children].map(line => {
        const text = document.createRange();
        text.selectNodeContents(line);
        return [...text.getClientRects()].map(box => box.left);
    }).filter(boxes => boxes.length > 1)"""
    assert all(min(rest) > first for first, *rest in said.evaluate(left))
    desk.page.set_viewport_size({"width": 1280, "height": 844})


@pytest.mark.slow
def test_what_is_brought_into_sight_does_not_lie_under_the_desk(desk):
    desk.page.set_viewport_size({"width": 1280, "height": 844})
    top = "desk => desk.getBoundingClientRect().top"
    for words in desk.page.locator(".bd-article p:not(.desk p)").all()[4::4]:
        words.evaluate("words => words.scrollIntoView({ block: 'end' })")
        bottom = words.evaluate("words => words.getBoundingClientRect().bottom")
        assert bottom <= desk.page.locator(".desk").evaluate(top)


@pytest.mark.slow
def test_code_in_the_page_reaches_nobody(desk):
    desk.write({"toll": "import js\n[js.XMLHttpRequest, js.Worker, js.caches]"})
    assert desk.run("toll") == "[None, None, None]\n"
    desk.write({"toll": "import js\nawait_me = js.fetch('http://example.com/')\nprint('sent')"})
    desk.run("toll")
    desk.write({"toll": "from pyodide.http import open_url\nopen_url('http://example.com/')"})
    assert "Error" in desk.run("toll")


@pytest.mark.slow
def test_a_field_can_be_left_by_keyboard(desk):
    field = desk.field("toll")
    field.focus()
    desk.page.keyboard.press("Tab")
    expect(field).to_be_focused()
    desk.page.keyboard.press("Escape")
    desk.page.keyboard.press("Tab")
    expect(desk.work("toll").get_by_role("button", name="Check")).to_be_focused()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_that_has_said_something_is_open_to_everybody(desk, scheme):
    desk.write({"toll": "def toll(estimates, truth):\n    return 'no'  # number"})
    desk.check("toll")
    desk.page.evaluate("theme => { document.documentElement.dataset.theme = theme }", scheme)
    desk.page.add_style_tag(content="* { transition: none !important }")
    options = {"preload": False, "resultTypes": ["violations"]}
    found = Axe().run(desk.page, options=options).response
    assert not found["violations"], [
        (rule["id"], node["html"][:200]) for rule in found["violations"] for node in rule["nodes"]
    ]
    for width in (320, 390, 1280):
        desk.page.set_viewport_size({"width": width, "height": 844})
        over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert desk.page.evaluate(over) <= 0


@pytest.mark.slow
def test_a_listing_of_a_chapter_is_changed_and_run_where_it_stands(browser, folder):
    asked = []
    made = context(browser, asked)
    page = made.new_page()
    page.goto(f"{folder.as_uri()}/notebooks/06_chance.html")
    assert page.locator(".cm-content").count() == 0
    work = page.locator(".work").first
    work.get_by_role("button", name="Change it here").click()
    before = work.locator(".cm-content").inner_text()
    work.get_by_role("button", name="Run").click()
    expect(work.locator(".work-output")).to_contain_text("the theorem says 1 in 45: 0.0222")
    work.locator(".cm-content").fill("1 +")
    work.get_by_role("button", name="Run").click()
    expect(work.locator(".work-said")).to_have_text("It has an error.")
    expect(work.locator(".work-output")).to_have_class("work-output is-wrong")
    work.locator(".cm-content").fill("import numpy as np\nnp.arange(3).tolist()")
    work.get_by_role("button", name="Run").click()
    expect(work.locator(".work-output")).to_have_text("[0, 1, 2]\n")
    work.get_by_role("button", name="Begin anew").click()
    assert work.locator(".cm-content").inner_text() == before
    made.close()
    assert not asked


NEVER = """def toll(estimates, truth):
    while True:
        try:
            estimates = estimates + 1
        except Exception:
            pass
"""


@pytest.mark.long
def test_a_function_that_never_ends_is_told_by_its_check_as_in_jupyterlab(desk, right, tmp_path):
    desk.write({"toll": NEVER})
    said = told(tmp_path, right | {"toll": NEVER})["toll"]
    assert "it was still running after 2.0 s" in said and desk.check("toll").startswith(said)


# --- All assignments, in all versions that are known


def reports(name, sources):
    """What `check` says of each task, by the library and not by the page."""
    names = {"__name__": "__main__"}
    for cell in released(name)["cells"]:
        mark = cell["metadata"].get("nbgrader", {})
        if cell["cell_type"] == "code" and not mark.get("grade"):
            exec(sources.get(mark.get("grade_id"), "".join(cell["source"])), names)
    found = {}
    for task in sources:
        path = EXERCISES / "release" / name / f"{task}.check.json"
        result = mark_task(json.loads(path.read_text()), answering(names))
        found[task] = report(result)
    return found


ABSENT = "scipy"  # which two alternatives import: not in the page, and it says so
OTHERWISE = {  # wrong here too, and told otherwise
    "centred": "of two sizes that are equal but for rounding, another is the smaller",
    "reduceat": "NumPy of 32 bits takes no places of 64 bits from it",
}


def about(said):
    """A report with nine digits of each number: the last ones are those of a library of C."""
    return re.sub(r"\d+\.\d+(e[-+]?\d+)?", lambda number: f"{float(number[0]):.9g}", said)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in pages.names(ROOT) if pages.works(ROOT, name)])
def test_every_version_is_judged_as_in_jupyterlab_and_taken_out_whole(
    browser, folder, tmp_path, name
):
    """So it is graded the same: `course mutants` grades these very notebooks."""
    each, asked, odd = Assignment(EXERCISES, name), [], []
    made = context(browser, asked)
    desk = Desk(made.new_page(), f"{folder.as_uri()}/", name)
    for number, versions in enumerate(kill_matrix.rounds(each)):
        sources = answers(each, versions)
        desk.write(sources)
        desk.check_all()
        for task, said in reports(name, sources).items():
            if ABSENT in sources[task]:
                assert "No module named 'scipy'" in desk.shown(task)
            elif getattr(versions.get(task), "key", "") in OTHERWISE:
                assert "[--]" in said and "[--]" in desk.shown(task)
            elif not about(desk.shown(task)).startswith(about(f"{said}\n")):
                version = versions.get(task, "reference")
                odd.append((number, task, getattr(version, "key", version), said, desk.shown(task)))
        out = json.loads(desk.take_out(tmp_path).read_text())
        assert out == json.loads(nbformat.writes(kill_matrix._notebook(each, versions)))
    made.close()
    assert not asked and not desk.faults
    assert not odd, "\n\n".join("\n".join(map(str, row)) for row in odd)


# --- From a server that is there once


@pytest.mark.slow
def test_the_server_is_needed_once(browser, site, right):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    start, asked = f"http://127.0.0.1:{server.server_port}/", []
    made = context(browser, asked, start)
    try:
        desk = Desk(made.new_page(), start, NAME)
        desk.write(right)
        desk.check("toll")
        desk.page.evaluate("navigator.serviceWorker.ready.then(() => 0)")
        desk.page.wait_for_function("navigator.serviceWorker.controller !== null")
        server.shutdown()
        server.server_close()
        other = Desk(made.new_page(), start, "06_chance")
        other.write(answers(Assignment(EXERCISES, "06_chance"), {}))
        assert other.check_all().startswith("All 5 tasks pass their visible checks.")
        other.page.goto(f"{start}notebooks/{NAME}.html")
        assert other.page.locator("article h1").is_visible()
        assert not asked
    finally:
        server.shutdown()
        server.server_close()
        made.close()
