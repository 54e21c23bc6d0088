"""An assignment's page as a reader has it: written in, checked, its notebook taken out."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from course_lib.cli.book import pack
from course_lib.grading.authoring import kill_matrix
from course_lib.grading.authoring.assignment import Assignment

ROOT = Path(__file__).parents[2]
EXERCISES = ROOT / "exercises"
WORDS = "Both keep the largest, but pruning takes nothing back."
SEEDED = kill_matrix.SEED


def unpacked(site: Path, folder: Path) -> Path:
    """The book as somebody has it who unpacked its archive."""
    with zipfile.ZipFile(pack(site, folder / "book.zip")) as archive:
        archive.extractall(folder)
    return folder / "book"


def context(browser: Browser, asked: list[str], start: str = "file:", **options: object):
    """A browser that reaches nothing but what begins so; it tells what it asked others for."""
    made: BrowserContext = browser.new_context(**options)  # type: ignore[arg-type]

    def gate(route):
        if route.request.url.startswith((start, "data:", "blob:")):
            return route.continue_()
        asked.append(route.request.url)
        return route.abort()

    made.route("**/*", gate)
    return made


class Desk:
    """The page of an assignment, and what one does there."""

    def __init__(self, page: Page, start: str, name: str) -> None:
        self.page, self.name, self.faults = page, name, []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda m: m.type == "error" and self.faults.append(m.text))
        page.goto(f"{start}book/page/{name}.html")
        self.said = page.locator(".desk-said")

    def work(self, task: str) -> Locator:
        return self.page.locator(f'.work[data-cell="{task}"]')

    def field(self, task: str) -> Locator:
        return self.work(task).locator(".cm-content")

    def write(self, sources: Mapping[str, str]) -> None:
        """Put texts into fields, as a notebook that is read in does."""
        self.page.evaluate(
            "texts => swPage.desk.works.forEach(({name, editor}) =>"
            " texts[name] === undefined || editor.replace(texts[name]))",
            dict(sources),
        )

    def button(self, name: str) -> Locator:
        return self.page.locator(".desk").get_by_role("button", name=name)

    def wait(self) -> None:
        expect(self.button("Stop")).to_be_disabled()

    def check(self, task: str) -> str:
        self.work(task).get_by_role("button", name="Check").click()
        self.wait()
        return self.shown(task)

    def run(self, task: str) -> str:
        self.work(task).get_by_role("button", name="Run").click()
        self.wait()
        return self.shown(task)

    def check_all(self) -> str:
        self.button("Check all").click()
        self.wait()
        return self.said.inner_text()

    def shown(self, task: str) -> str:
        return self.work(task).locator(".work-output").text_content() or ""

    def take_out(self, folder: Path) -> Path:
        with self.page.expect_download() as download:
            self.button("Take the notebook out").click()
        target = folder / download.value.suggested_filename
        download.value.save_as(target)
        return target


def answers(assignment: Assignment, versions: Mapping[str, object]) -> dict[str, str]:
    """The sources of a student who answers with these versions of tasks, and rightly elsewhere."""
    book = kill_matrix._notebook(assignment, dict(versions))
    names = {task.name for task in assignment.tasks}
    found = {c.metadata.nbgrader.grade_id: c.source for c in book.cells if "nbgrader" in c.metadata}
    return {name: text for name, text in found.items() if name in names}


def released(name: str) -> dict:
    """The notebook that students get, as data."""
    return json.loads((EXERCISES / "release" / name / f"assignment_{name}.ipynb").read_text())


def with_sources(book: dict, sources: Mapping[str, str]) -> dict:
    """A notebook with these sources in the cells of these names, and nothing else changed."""
    for cell in book["cells"]:
        text = sources.get(cell["metadata"].get("nbgrader", {}).get("grade_id", ""))
        if text is not None:
            cell["source"] = text.splitlines(keepends=True)
    return book
