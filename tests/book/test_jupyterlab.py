"""The student's way in JupyterLab: a mistake is made and named, mended, and the check passes."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from course_lib.cli.ports import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
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
# A new user is asked about news and updates; this one has answered no.
SETTINGS = {"checkForUpdates": False, "fetchNews": "false"}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """JupyterLab on a copy of the released assignment, with nobody's settings and no network."""
    shutil.copytree(ROOT / "exercises" / "release" / NAME, tmp_path / "course" / NAME)
    settings = tmp_path / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(SETTINGS))
    folders = {
        "HOME": tmp_path / "home",
        "JUPYTER_CONFIG_DIR": tmp_path / "config",
        "JUPYTER_DATA_DIR": tmp_path / "data",
        "JUPYTER_RUNTIME_DIR": tmp_path / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": tmp_path / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": tmp_path / "workspaces",
    }
    port = free_port(18888)
    options = [
        "--no-browser",
        "--allow-root",
        f"--ServerApp.root_dir={tmp_path / 'course'}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
    ]
    address = f"http://localhost:{port}"
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=os.environ | {name: str(folder) for name, folder in folders.items()},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(120):
            try:
                urlopen(f"{address}/api", timeout=5).close()
                break
            except (URLError, OSError):
                assert server.poll() is None, (tmp_path / "log").read_text()[-2000:]
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def run_all(page: Page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def write(cell: Locator, code: str) -> None:
    cell.locator(".cm-content").click()
    cell.page.keyboard.press("Control+a")
    cell.page.keyboard.insert_text(code)


@pytest.mark.timeout(180)
def test_a_student_is_told_the_mistake_and_then_passes(browser: Browser, lab: str) -> None:
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    outside: list[str] = []
    context.on("request", lambda sent: outside.append(sent.url))
    page = context.new_page()
    page.goto(f"{lab}/lab/tree/{NAME}/{NAME}.ipynb")
    task = page.locator(".jp-CodeCell").filter(has_text="def keep_largest")
    check = page.locator(".jp-CodeCell").filter(has_text='check("keep_largest")')
    said = check.locator(".jp-OutputArea-output").first
    expect(task).to_be_visible(timeout=40_000)
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=40_000)

    write(task, MISTAKE)
    run_all(page)
    expect(said).to_contain_text("it compares signed values, not magnitudes", timeout=40_000)

    write(task, SOLUTION)
    run_all(page)
    expect(said).to_contain_text("3.5 of 3.5 points", timeout=40_000)
    expect(said).not_to_contain_text("known slip")

    strange = [url for url in outside if not url.startswith((lab, "data:", "blob:"))]
    assert not strange, strange
    context.close()
