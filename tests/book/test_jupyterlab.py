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
    if not 0 <= k <= weights.numel():
        raise ValueError(f"k = {k} is out of range")
    order = weights.flatten().abs().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)
"""
MISTAKE = SOLUTION.replace(".abs()", "")


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


def run_all(page: Page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def write(cell: Locator, code: str) -> None:
    cell.locator(".cm-content").click()
    cell.page.keyboard.press("Control+a")
    cell.page.keyboard.insert_text(code)


def test_a_student_is_told_the_mistake_and_then_passes(browser: Browser, lab: str) -> None:
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    outside: list[str] = []
    context.on("request", lambda sent: outside.append(sent.url))
    page = context.new_page()
    page.goto(lab)
    start = page.locator(".jp-MarkdownViewer, .jp-RenderedMyST, .jp-Document").first
    expect(start).to_contain_text("to begin")
    page.get_by_role(
        "link", name="The sculptor\N{RIGHT SINGLE QUOTATION MARK}s rule", exact=True
    ).click()
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
    expect(task).to_be_visible()
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()

    write(task, MISTAKE)
    run_all(page)
    expect(said).to_contain_text("it compares signed values, not magnitudes")

    write(task, SOLUTION)
    run_all(page)
    expect(said).to_contain_text("3.5 of 3.5 points")
    expect(said).not_to_contain_text("known slip")

    here = lab[: lab.index("/lab")]
    strange = [url for url in outside if not url.startswith((here, "data:", "blob:"))]
    assert not strange, strange
    context.close()
