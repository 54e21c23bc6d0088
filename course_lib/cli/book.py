"""`course book`: build the book strictly, then serve it."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import yaml

from course_lib.chapters import course
from course_lib.cli.place import course_root, writable
from course_lib.cli.ports import free_port
from course_lib.files import zip_whole

# All that a page can depend on. A change in any of it builds everything again (seconds): Sphinx's
# own bookkeeping misses changes of extensions and says a warning once only, so that after a failed
# strict build the same build again would pass.
SOURCES = "_config.yml _toc.yml pyproject.toml constraints.txt book notebooks course_lib".split()
SOURCES.append("exercises/release")


@click.command()
@click.option("--serve/--no-serve", default=True, help="Serve the book after building it.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--archive", is_flag=True, help="Pack the pages into dist/, to open from a folder.")
def book(serve: bool, port: int, archive: bool) -> None:
    """Build the book (any warning is an error) and serve it on this machine until Ctrl-C."""
    root = course_root()
    html = build(root)
    if archive:
        packed = pack(html, root / "dist" / f"{course(root).folder}-book.zip")
        click.echo(
            f"{packed.relative_to(root)}: unpack it and open index.html; no server is needed."
        )
    elif serve:
        _serve(html, port)


def build(root: Path) -> Path:
    """Build the book if anything changed since the last good build; return the folder of its pages.

    Raises:
        click.ClickException: the build failed or warned, or a page is missing or shows a traceback.
    """
    if find_spec("jupyter_book") is None:
        raise ModuleNotFoundError("jupyter_book", name="jupyter_book")
    html = root / "_build" / "html"
    stamp = root / "_build" / "built"
    print_now = fingerprint(root)
    if stamp.is_file() and stamp.read_text() == print_now and (html / "index.html").is_file():
        click.echo("The book is up to date.")
        return html
    writable(root)
    stamp.unlink(missing_ok=True)
    shutil.rmtree(root / "_build", ignore_errors=True)
    click.echo("Building the book ...")
    command = "from jupyter_book.cli.main import main; main()"
    options = ["build", str(root), "-W", "-n", "--keep-going"]
    code = subprocess.call([sys.executable, "-c", command, *options], cwd=root)
    if code:
        raise click.ClickException(
            f"the book did not build (exit code {code}): mend the warnings and errors above."
        )
    faults = list(broken_pages(root, html))
    if faults:
        raise click.ClickException("the book is not whole: " + "; ".join(faults) + ".")
    stamp.write_text(print_now)
    return html


def pack(html: Path, target: Path) -> Path:
    """Write the pages into an archive whose bytes depend on nothing but theirs; return its path."""
    files = (path for path in sorted(html.rglob("*")) if path.is_file())
    named = ((f"{target.stem}/{p.relative_to(html).as_posix()}", p.read_bytes()) for p in files)
    zip_whole(target, named)
    return target


def fingerprint(root: Path) -> str:
    """Return a digest of everything the pages are made from."""
    digest = hashlib.sha256()
    for source in SOURCES:
        path = root / source
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & set(file.parts):
                digest.update(f"{file.relative_to(root)}\0{file.stat().st_size}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def pages(toc: Any) -> Iterator[str]:
    """Yield every document that a `_toc.yml` names."""
    if isinstance(toc, dict):
        yield from (str(toc[key]) for key in ("root", "file") if key in toc)
    for inner in toc.values() if isinstance(toc, dict) else toc if isinstance(toc, list) else ():
        yield from pages(inner)


def broken_pages(root: Path, html: Path) -> Iterator[str]:
    """Yield a sentence for every page of the contents that is missing or shows a traceback."""
    for name in pages(yaml.safe_load((root / "_toc.yml").read_text())):
        page = html / f"{name.removesuffix('.md').removesuffix('.ipynb')}.html"
        if not page.is_file():
            yield f"{name} has no page"
        elif name.startswith("book/library/"):
            continue  # where an example of a docstring may show what is raised
        elif "Traceback (most recent call last)" in page.read_text(encoding="utf-8"):
            yield f"{name} shows a traceback"


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and says nothing on the terminal."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the address on the last line stays in sight."""

    def end_headers(self) -> None:
        """Have the browser ask again, so that a rebuilt page is seen at once."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


def _serve(html: Path, port: int) -> None:
    port = free_port(port)
    with ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=html)) as server:
        click.echo(f"The book is at http://localhost:{port}/ (Ctrl-C ends it).")
        server.serve_forever()
