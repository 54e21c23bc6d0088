"""The built book, served, and a real browser that can reach nothing else."""

import fcntl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

ROOT = Path(__file__).parents[2]
Open = Callable[..., Page]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book, built strictly from the repository, once for all workers of the run."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if base.name.startswith("popen-") else base) / "book"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "log").exists():
            command = "from jupyter_book.cli.main import main; main()"
            options = ["build", str(ROOT), "--path-output", str(shared), "-W", "-n", "--keep-going"]
            built = subprocess.run(
                [sys.executable, "-c", command, *options], capture_output=True, text=True
            )
            (shared / "log").write_text(f"{built.returncode}\n{built.stdout}{built.stderr}")
    code, _, log = (shared / "log").read_text().partition("\n")
    assert code == "0", f"the book does not build:\n{log[-4000:]}"
    return shared / "_build" / "html"


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """The address of a server of the book, on a free port."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def visits(browser: Browser, address: str) -> Iterator[Open]:
    """Open pages of the book; afterwards none has asked anybody else or reported an error."""
    contexts, faults = [], []

    def open_page(name: str, start: str = address, before: str = "", **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)

        def gate(route: Route) -> None:
            if route.request.url.startswith((start, "data:", "blob:")):
                route.continue_()
            else:
                faults.append(f"{name} asks for {route.request.url}")
                route.abort()

        context.route("**/*", gate)
        page = context.new_page()
        if before:
            page.add_init_script(before)
        page.on(
            "console", lambda said: said.type == "error" and faults.append(f"{name}: {said.text}")
        )
        page.on("pageerror", lambda error: faults.append(f"{name}: {error}"))
        page.goto(f"{start}{name}.html")
        page.evaluate("window.MathJax?.startup?.promise.then(() => 0)")  # formulas are set
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not faults, "\n".join(faults)


@pytest.fixture(scope="session")
def visitor(browser: Browser, address: str) -> Callable[[], AbstractContextManager[Open]]:
    """What opens pages, and says at the end what was wrong, for fixtures of any length."""
    return partial(visits, browser, address)


@pytest.fixture
def open_page(visitor: Callable[[], AbstractContextManager[Open]]) -> Iterator[Open]:
    with visitor() as open_page:
        yield open_page
