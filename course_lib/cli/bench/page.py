"""Open an assignment's page in Chromium, and check an answer there: seconds and kilobytes.

What a reader waits for, from the click to the words of the check: on a first visit, on a second
when the browser keeps the book, and once Python is there.
"""

from __future__ import annotations

import shutil
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from course_lib.cli.bench import Measurement
from course_lib.cli.bench.chapters import (
    FIRST_PAGE,
    PAGE,
    compressed_size,
    machine,
    page_weights,
)
from course_lib.cli.book import Quiet, build
from course_lib.cli.doctor import CHROMIUM
from course_lib.cli.place import course_root

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAME = "book/page/04_thresholding"
COLD, AGAIN = 12, 5  # seconds, on two quiet cores
IDLE = "body:not(.page-busy)"
KEPT = "navigator.serviceWorker.ready.then(() => 0)"


def measure() -> list[Measurement]:
    """Return what Python in the page costs, and that the pages are as light as before.

    Raises:
        FileNotFoundError: Chromium is not installed.
    """
    site = build(course_root())
    weights = page_weights(site, ["book/welcome", NAME])
    cold, again, check = _waits(site)
    python = [*(site / "_static/vendor/pyodide").glob("*.js"), site / "_static/page/library.js"]
    return [
        Measurement(f"first check of a first visit, {machine()}", cold, COLD, "s"),
        Measurement("first check of a second visit", again, AGAIN, "s"),
        Measurement("a check once Python is there", check, unit="s"),
        Measurement("Python and the library", sum(map(compressed_size, python)) / 1000, unit="kB"),
        Measurement("the page before Python", weights[NAME], PAGE, "kB"),
        Measurement("first page of the book", weights["book/welcome"], FIRST_PAGE, "kB"),
    ]


def _waits(site: Path) -> tuple[float, float, float]:
    """Return the seconds to a first visit's first check, to a second's, and of one after it."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(300_000)
        page.goto(f"http://127.0.0.1:{server.server_port}/{NAME}.html")
        cold = _check(page)
        page.evaluate(KEPT)
        page.reload()
        again, check = _check(page), _check(page)
        browser.close()
        server.shutdown()
    return cold, again, check


def _check(page: Page) -> float:
    """Return the seconds from a click on Check to its words."""
    begun = perf_counter()
    page.locator(".work-check").first.click()
    page.wait_for_selector(IDLE)
    page.wait_for_selector(".work-output pre")
    return perf_counter() - begun
