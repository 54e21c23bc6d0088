"""A student's way in JupyterLab: start page, chapter, a mistake that is named, and mended."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from course_lib.cli.ports import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ADDRESS = re.compile(r"http://localhost:\d+/lab\S+")  # as it is printed, with its token
NAME = "01_sparse_approximation"
SOLUTION = """def keep_largest(weights, k):
    if not 0 <= k <= weights.size:
        raise ValueError(f"k = {k} is out of range")
    order = np.argsort(-np.abs(weights.flatten()), kind="stable")
    mask = np.zeros(weights.size, dtype=bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)
"""
MISTAKE = SOLUTION.replace("np.abs", "")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """The address that `course lab` prints, on a course of one chapter, in an empty home."""
    course = tmp_path / "course"
    shutil.copytree(ROOT / "exercises" / "release" / NAME, course / "exercises" / "release" / NAME)
    (course / "notebooks").mkdir()
    for file in ("_toc.yml", f"notebooks/{NAME}.ipynb"):
        shutil.copy(ROOT / file, course / file)
    port = free_port(18888)
    command = [Path(sys.executable).with_name("course"), "lab", "--no-browser", f"--port={port}"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            command,
            cwd=course,
            env=os.environ | {"HOME": str(tmp_path / "home")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        while not (printed := ADDRESS.search((tmp_path / "log").read_text())):
            assert server.poll() is None, (tmp_path / "log").read_text()[-2000:]
            time.sleep(0.5)
        yield printed[0]
        said = (tmp_path / "log").read_text()
        assert f"notebooks/{NAME}.ipynb is not trusted" not in said
        assert "nbgrader" not in said
        assert "WARNING" not in said
    finally:
        server.terminate()
        server.wait()


def to_the_end(page: Page, wanted: Locator) -> None:
    """Scroll the notebook down until this is there: JupyterLab makes what is seen alone."""
    scrolled = page.locator(".jp-WindowedPanel-outer:visible").last
    for _ in range(100):
        if wanted.count():
            return
        scrolled.evaluate("e => { e.scrollTop = e.scrollHeight }")
        page.wait_for_timeout(200)
    expect(wanted).to_be_visible()


def run_all(page: Page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def shown(page: Page, text: str) -> Locator:
    """Where this is read: JupyterLab may keep it in a hidden editor as well."""
    return page.get_by_text(text).filter(visible=True).first


def write(cell: Locator, code: str) -> None:
    """Put this code in the place of the cell's; JupyterLab moves the focus where cells have run."""
    editor = cell.locator(".cm-content")
    for _ in range(50):
        editor.click()
        cell.page.keyboard.press("Control+a")
        cell.page.keyboard.insert_text(code)
        if editor.inner_text().split() == code.split():
            return
        cell.page.wait_for_timeout(200)
    assert editor.inner_text().split() == code.split()


def test_a_student_is_told_the_mistake_and_then_passes(browser: Browser, lab: str) -> None:
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    outside: list[str] = []
    context.on("request", lambda sent: outside.append(sent.url))
    page = context.new_page()
    page.goto(lab)
    start = page.locator(".jp-MarkdownViewer, .jp-RenderedMyST, .jp-Document").first
    expect(start).to_contain_text("to begin")
    page.get_by_role("link", name=re.compile("^The sculptor.s rule:")).click()
    slider = page.locator(".sw-slider").first  # stored, and trusted: it moves before a cell has run
    expect(slider).to_be_visible()
    slider.get_by_role("slider").focus()
    page.keyboard.press("Home")
    expect(slider.locator("output")).to_have_text(
        json.loads(slider.get_attribute("data-values") or "")[0]
    )
    note = page.locator("aside.col-margin-right").first
    expect(note).to_be_visible()
    assert note.evaluate("e => e.getBoundingClientRect().height >= e.scrollHeight")  # hides nothing
    page.get_by_role("tab", name="start.md").click()
    page.get_by_role("link", name=re.compile("by your own hands")).click()
    task = page.locator(".jp-CodeCell").filter(has_text="def keep_largest")
    check = page.locator(".jp-CodeCell").filter(has_text='check("keep_largest")')
    said = check.locator(".jp-OutputArea-output").first
    last = page.locator(".jp-CodeCell").filter(has_text='check("keep_weighted")')
    idle = page.get_by_text("Python 3 (ipykernel) | Idle")
    expect(task).to_be_visible()
    expect(idle).to_be_visible()

    write(task, MISTAKE)
    run_all(page)
    expect(said).to_contain_text("it compares signed values, not magnitudes")
    expect(last).to_contain_text("it is not written yet")
    expect(idle).to_be_visible()

    write(task, SOLUTION)
    run_all(page)
    expect(said).to_contain_text("3.5 of 3.5 points")
    expect(said).not_to_contain_text("known slip")

    here = lab[: lab.index("/lab")]
    strange = [url for url in outside if not url.startswith((here, "data:", "blob:"))]
    assert not strange, strange
    context.close()


def test_from_a_chapter_with_changes_the_assignment_opens_in_a_tab(
    browser: Browser, lab: str
) -> None:
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    page = context.new_page()
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.goto(lab.replace("/lab/tree/start.md", f"/lab/tree/notebooks/{NAME}.ipynb"))
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
    chapter = page.get_by_role("tab", name=f"{NAME}.ipynb", exact=True)
    page.get_by_role("button", name="Insert a cell below").first.click()
    expect(chapter).to_have_class(re.compile("jp-mod-dirty"))  # there is something to lose
    page.evaluate("window.sameDocument = true")

    link = page.get_by_role("link", name="open the assignment")
    to_the_end(page, link)
    link.click()
    expect(page.get_by_role("tab", name=f"assignment_{NAME}.ipynb")).to_be_visible()
    expect(shown(page, "Assignment 01, to go with")).to_be_visible()
    expect(chapter).to_be_visible()
    assert page.evaluate("window.sameDocument") and not asked

    # A source is named in brackets, as in the book, but not where it is a part of the sentence.
    around = """(kind) => [...document.querySelectorAll('[title="Citation Not Found"]')]
        .filter(e => !!e.closest('.cite-group.narrative') === kind)
        .map(e => [e, e.closest('.cite-group') || e].map(x => ["before", "after"].map(
            where => getComputedStyle(x, "::" + where).content).join()).join(" "))"""
    chapter.click()
    inside = page.evaluate(around, True)
    assert inside and not any("(" in each for each in inside), inside
    aside = page.locator(".cite-group.parenthetical, :not(.cite-group) > [title^=Citation]")
    scrolled = page.locator(".jp-WindowedPanel-outer:visible").last
    scrolled.evaluate("e => { e.scrollTop = 0 }")
    for _ in range(100):
        if aside.count():
            break
        scrolled.evaluate("e => { e.scrollTop += 600 }")
        page.wait_for_timeout(100)
    found = page.evaluate(around, False)
    assert found and all(each.count('"("') == 1 and each.count('")"') == 1 for each in found), found
    context.close()


def test_notebook_7_has_no_buttons_of_nbgrader_either(browser: Browser, lab: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(lab)
    expect(page.get_by_role("menuitem", name="Settings")).to_be_visible()
    assert not page.get_by_role("menuitem", name="Nbgrader").count()
    here = lab[: lab.index("/lab")]
    page.goto(f"{here}/tree")
    expect(page.get_by_role("menuitem", name="Settings")).to_be_visible()
    assert not page.get_by_role("menuitem", name="Nbgrader").count()
    page.goto(f"{here}/notebooks/exercises/release/{NAME}/assignment_{NAME}.ipynb")
    expect(shown(page, "Assignment 01, to go with")).to_be_visible()
    expect(page.get_by_role("menuitem", name="Kernel", exact=True)).to_be_visible()
    assert not page.get_by_text("Validate", exact=True).count()
    context.close()
