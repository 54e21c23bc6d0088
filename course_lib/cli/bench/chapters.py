"""Run every chapter once and load its page: seconds, memory, kilobytes.

What was measured is kept in `book/budgets.json`, from which the book makes its page of budgets.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import shutil
import tempfile
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from course_lib.cli.bench import Measurement
from course_lib.cli.book import Quiet, build
from course_lib.cli.doctor import CHROMIUM
from course_lib.cli.place import chapters, course_root
from course_lib.cli.run import run_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SECONDS, LONGEST = 60, {"05_lottery_tickets": 120}  # its race is included
ALL_SECONDS = 9 * 60
MEMORY = 1536  # MiB at the peak
FIRST_PAGE, PAGE = 500, 1200  # kB, compressed, of all that the browser loads
PACKED = {".woff", ".woff2", ".png"}  # compressing them again gains nothing


def measure() -> list[Measurement]:
    """Return the cost of each chapter, and of all together; store them for the book."""
    root = course_root()
    site = build(root)
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for path in chapters():
            cost = run_notebook(Path(shutil.copy(path, folder)))
            found.append({"name": path.stem, "seconds": cost.seconds, "memory": cost.peak})
    weights = page_weights(site, ["book/welcome", *(f"notebooks/{row['name']}" for row in found)])
    for row in found:
        row["page"] = weights[f"notebooks/{row['name']}"]
    stored: dict[str, Any] = {
        "machine": machine(),
        "first_page": weights["book/welcome"],
        "chapters": found,
    }
    text = json.dumps(stored, indent=1, ensure_ascii=False) + "\n"
    (root / "book" / "budgets.json").write_text(text, encoding="utf-8")
    return [
        *(m for row in found for m in _judged(row)),
        Measurement("first page", stored["first_page"], FIRST_PAGE, "kB"),
        Measurement("all chapters", sum(row["seconds"] for row in found), ALL_SECONDS, "s"),
    ]


def _judged(row: dict[str, Any]) -> list[Measurement]:
    name = row["name"]
    return [
        Measurement(name, row["seconds"], LONGEST.get(name, SECONDS), "s"),
        Measurement(name, row["memory"] or float("nan"), MEMORY, "MiB"),
        Measurement(f"{name}, its page", row["page"], PAGE, "kB"),
    ]


def machine() -> str:
    """Return in words what this machine is: its processor, and how many of its cores are ours."""
    lines: list[str] = []
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{next(names, platform.machine())}, {os.cpu_count()} cores"


def compressed_size(path: Path) -> int:
    """Return the bytes of a file as a web server sends it."""
    content = path.read_bytes()
    return len(content) if path.suffix in PACKED else len(gzip.compress(content, 6))


def page_weights(site: Path, names: list[str]) -> dict[str, float]:
    """Return for each page what a browser loads with it, compressed, in kB.

    Raises:
        FileNotFoundError: Chromium is not installed.
    """
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        raise FileNotFoundError("weighing pages needs Chromium: `course doctor --need test`")
    weights = {}
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        for name in names:
            urls = _loaded(browser, f"http://127.0.0.1:{server.server_port}/{name}.html")
            paths = {site / unquote(urlsplit(url).path).lstrip("/") for url in urls}
            weights[name] = sum(compressed_size(p) for p in paths if p.is_file()) / 1000
        browser.close()
        server.shutdown()
    return weights


def _loaded(browser: Browser, url: str) -> list[str]:
    """Return the addresses of all that a page loads, itself included."""
    asked: list[str] = []
    page = browser.new_context().new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    page.evaluate("window.MathJax?.startup?.promise.then(() => 0)")
    page.wait_for_load_state("networkidle")
    page.context.close()
    return asked
