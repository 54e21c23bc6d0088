"""What every test shares."""

import os
import shutil
from collections.abc import Callable, Iterator
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
settings.register_profile("course", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("course")
expect.set_options(timeout=PATIENCE_SECONDS * 1000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have nbval wait for the output of a cell longer than its own five seconds."""
    for item in items:
        if hasattr(item, "output_timeout"):
            item.output_timeout = PATIENCE_SECONDS


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
