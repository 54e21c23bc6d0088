"""What a page that computes loads when it is asked to: the library, the checks, and a keeper.

The pages may be opened from a folder, where a browser loads scripts and nothing else. So all of it
is scripts, written when the book has been built.
"""

import ast
import base64
import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx

from course_lib.teaching.book import assignments

FIRST = "course_lib.grading.marking.check"  # what students call, and all that it needs
# Kept for when there is no server: all that a reader may open, not what pages are made from.
LEFT = ("_sources/", "exercises/", "objects.inv", "sw.js", ".buildinfo")


def library(package: Path, first: str = FIRST) -> dict[str, bytes]:
    """Return the files of the course's library that a module needs: {path: content}."""
    todo, found = [first], {}  # type: list[str], dict[str, bytes]
    while todo:
        path = package.parent / todo.pop().replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        where = path.relative_to(package.parent)
        if where.as_posix() in found or not path.is_file():
            continue
        found[where.as_posix()] = path.read_bytes()
        todo += [".".join(parent.parts) for parent in where.parents if parent.parts]
        todo += needed(ast.parse(path.read_text(encoding="utf-8")))
    return found


def needed(tree: ast.AST) -> Iterator[str]:
    """Yield the modules of the course that code imports, but for what only types need."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("course_lib"):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from needed(node)


def part(name: str, data: bytes) -> str:
    """Return a script that holds a file as `book/vendoring/pyodide.py` writes Python's."""
    text = base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()
    return f'(self.swParts ??= {{}})["{name}.0"] = "{text}";\n'


def zipped(files: dict[str, bytes]) -> bytes:
    """Return an archive whose bytes depend on nothing but the files."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name), files[name])
    return whole.getvalue()


def material(root: Path, name: str) -> str:
    """Return a script with an assignment's notebook and the files of its checks."""
    path = assignments.released(root, name)
    checks = sorted(path.parent.glob("*.check.json"))
    # As texts, their spaces left out: JavaScript would make 1 of 1.0.
    files = {p.name: json.dumps(json.loads(p.read_text("utf-8"))) for p in checks}
    notebook = json.loads(path.read_text(encoding="utf-8"))
    said = {"name": name, "file": path.name, "notebook": notebook, "files": files}
    return f"self.swMaterial = {json.dumps(said, ensure_ascii=False)};\n"


def pack(app: Sphinx, exception: Exception | None) -> None:
    """Write all this into the built book, if a page of it computes."""
    root, site = Path(app.srcdir), Path(app.outdir)
    computing = [name for name in assignments.names(root) if assignments.works(root, name)]
    if exception or app.builder.format != "html" or not computing:
        return
    target = site / "_static" / "page"
    files = library(Path(assignments.__file__).parents[2])
    files["page_cells.py"] = (target / "cells.py").read_bytes()
    (target / "library.js").write_text(part("course_lib.zip", zipped(files)), encoding="utf-8")
    for name in computing:
        (target / f"{name}.js").write_text(material(root, name), encoding="utf-8")
    (site / "sw.js").write_text(keeper(site), encoding="utf-8")


def keeper(site: Path) -> str:
    """Return the service worker of a built book: what it keeps, and how (`page/keeper.js`)."""
    digest = hashlib.sha256()
    found = []
    for path in sorted(site.rglob("*")):
        name = path.relative_to(site).as_posix()
        if path.is_file() and not name.startswith(LEFT):
            digest.update(name.encode() + path.read_bytes())
            found.append(name)
    how = (site / "_static" / "page" / "keeper.js").read_text(encoding="utf-8")
    said = {"version": digest.hexdigest()[:16], "files": found}
    return f"self.swBook = {json.dumps(said)};\n{how}"
