"""What every test shares."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbval.kernel
import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, expect, sync_playwright

from course_lib.cli import STOPPED
from course_lib.cli.doctor import CHROMIUM
from course_lib.cli.offline import OfflineKernelManager

# Two workers on two cores: torch and BLAS with a thread for each core would fight.
# They read this when a test first imports them.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# nbval runs the chapters again in the same kind of kernel that stored their outputs: no network.
nbval.kernel.KernelManager = OfflineKernelManager

# A slow machine is no error: limits of time are for what hangs.
PATIENCE_SECONDS = 300
SLOW_SECONDS, QUICK_SECONDS = 5, 0.1  # of a test, by its mark: a guess
ROOT = Path(__file__).parents[1]
settings.register_profile("course", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("course")
expect.set_options(timeout=PATIENCE_SECONDS * 1000)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the heaviest files first, so that no worker waits at the end for one that began late.

    How heavy is a guess that needs no upkeep: a chapter takes what the book's page of budgets says.
    And nbval is to wait for the output of a cell longer than its own five seconds.
    """
    budgets = ROOT / "book" / "budgets.json"
    rows = json.loads(budgets.read_text())["chapters"] if budgets.is_file() else []
    seconds = {f"notebooks/{row['name']}.ipynb": row["seconds"] for row in rows}
    weight: Counter[str] = Counter()
    for item in items:
        slow = item.get_closest_marker("slow") or item.get_closest_marker("long")
        weight[file_of(item)] += SLOW_SECONDS if slow else QUICK_SECONDS
        if hasattr(item, "output_timeout"):
            item.output_timeout = PATIENCE_SECONDS
    items.sort(key=lambda item: -seconds.get(file_of(item), weight[file_of(item)]))


def file_of(item: pytest.Item) -> str:
    """Return the file of a test, as xdist sees it."""
    return item.nodeid.partition("::")[0]


def patient(make: Callable[..., Any]) -> Callable[..., Any]:
    """Have what Playwright makes wait longer than its own thirty seconds."""

    def made(**options: Any) -> Any:
        found = make(**options)
        found.set_default_timeout(PATIENCE_SECONDS * 1000)
        return found

    return made


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End after Ctrl-C as every command of the course does: one line, and its exit code."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    why = getattr(reporter, "_keyboardinterrupt_memo", None)
    if why and why.reprcrash.message == "KeyboardInterrupt":
        session.exitstatus = STOPPED
        reporter._report_keyboardinterrupt = lambda: reporter.write_line("Stopped.")


FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a worker: a process has room for one Playwright."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert program, "these tests need Chromium: `course doctor --need test` says how"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program, args=FLAGS, timeout=PATIENCE_SECONDS * 1000
        )
        for kind in ("new_context", "new_page"):
            setattr(chromium, kind, patient(getattr(chromium, kind)))
        yield chromium
        chromium.close()
