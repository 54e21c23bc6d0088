"""Writes what students receive: the released folder of an assignment, and the student archive."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Container, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from course_lib.chapters import course, left_out
from course_lib.files import zip_whole
from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.errors import Refusal
from course_lib.grading.intake.names import released
from course_lib.grading.marking.values import sane
from course_lib.grading.trial import earlier

# What students receive of the course, in globs, beside a README of their own; never
# exercises/source, specs, mutants, or tests. Of the book not the instructor's pages, which tell the
# hidden checks, and not the Python for its pages: who has this archive has a Python.
GIVEN = (
    "LICENSE* NOTICE CITATION.cff Makefile pyproject.toml constraints.txt _config.yml _toc.yml "
    "course_lib/**/* notebooks/**/* book/**/* exercises/release/**/*"
).split()
LEFT_OUT = ("book/instructor", "book/vendoring", "book/_static/vendor/pyodide")
CHAPTER = re.compile(r"notebooks/\d\d_\w+\.ipynb")
WORKSHOP = ("test", "check", "format", "constraints", "picture")  # targets of the Makefile
SECRET = ("exercises/source", "exercises/specs", "exercises/mutants", "tests")


def differing(assignment: Assignment) -> dict[str, bytes | None]:
    """Return {file name: content it should have, or None if it should not be there} of the release.

    Numbers of check files that differ only by the rounding of another processor are the same.
    """
    want = assignment.files()
    folder = assignment.released
    have = {p.name: p.read_bytes() for p in folder.glob("*") if p.is_file()}
    wrong: dict[str, bytes | None] = {name: None for name in have if name not in want}
    for name, content in want.items():
        if name not in have or not _equivalent(have[name], content, name):
            wrong[name] = content
    return wrong


def _equivalent(old: bytes, new: bytes, name: str) -> bool:
    if old == new or not name.endswith(".check.json"):
        return old == new
    try:
        return _close(json.loads(old), json.loads(new))
    except (ValueError, LookupError, TypeError):
        return False


def _close(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        if "bytes" in a and "bytes" in b and a.keys() == b.keys():
            x, y = sane(a), sane(b)
            return x[:2] == y[:2] and x.data.shape == y.data.shape and _numbers(x.data, y.data)
        return a.keys() == b.keys() and all(_close(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_close, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) or (a != a and b != b)
    return type(a) is type(b) and bool(a == b)


def _numbers(x: np.ndarray, y: np.ndarray) -> bool:
    if x.dtype.kind not in "fc":
        return bool((x == y).all())
    return bool(np.allclose(x, y, 1e-5, 1e-8, equal_nan=True))


def release(assignment: Assignment) -> list[str]:
    """Bring exercises/release/NAME up to date, whole or not at all; return what changed."""
    wrong = differing(assignment)
    if not wrong:
        return []
    folder = assignment.released
    for old in (path for path in released(folder) if path.name in wrong):  # students may have it
        earlier.add(folder.parents[1], assignment.name, old)
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{assignment.name}.", dir=folder.parent))
    try:
        made = new / "new"
        made.mkdir()
        for name, content in assignment.files().items():
            keep = name not in wrong
            (made / name).write_bytes((folder / name).read_bytes() if keep else content)
        if folder.exists():
            folder.rename(new / "old")
        made.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return sorted(wrong)


def archive(root: Path, target: Path, sizes: dict[str, str]) -> list[str]:
    """Write the student archive of the course at `root`; the same content gives the same bytes.

    The dates in it are that of the last commit, see `stamp`. sizes: what setting up takes, as the
    students' README names it.

    Raises:
        Refusal: a file in it would show a solution.
    """
    contents = given(root, sizes)
    when = stamp(root, contents)
    for name, content in contents.items():
        if name.startswith(SECRET) or (
            name.endswith(".ipynb") and b"### BEGIN SOLUTION" in content
        ):
            raise Refusal(f"{name} holds a solution: it must not be in the student archive.")
    folder = course(root).folder
    files = [(f"{folder}/{name}", contents[name]) for name in sorted(contents)]
    zip_whole(target, files, when.timetuple()[:6])
    return sorted(contents)


def given(root: Path, sizes: dict[str, str]) -> dict[str, bytes]:
    """Return what students receive of the course: {path: content}.

    Pages and commands that are the instructor's are left out of the lists that name them, and links
    to chapters that are not taught lead to a book that has them.
    """
    left = left_out(root)
    paths = {p for glob in GIVEN for p in root.glob(glob) if p.is_file() and not p.is_symlink()}
    names = (path.relative_to(root).as_posix() for path in paths)
    found = {name: (root / name).read_bytes() for name in names if not _kept_back(name, left)}
    if left:
        links = partial(_links, left=left, original=course(root).original)
        found |= {n: links(found[n].decode()).encode() for n in found if CHAPTER.fullmatch(n)}
    for name, edit in (("_toc.yml", _contents), ("Makefile", _commands)):
        if name in found:
            found[name] = edit(found[name].decode(), found).encode()
    count = {
        "chapters": len(list(filter(CHAPTER.fullmatch, found))),
        "assignments": len({n.split("/")[2] for n in found if n.startswith("exercises/release/")}),
    }
    readme = (Path(__file__).parents[1] / "assets" / "students.md").read_text(encoding="utf-8")
    return found | {"README.md": readme.format(name=course(root).name, **count, **sizes).encode()}


def _links(chapter: str, left: set[str], original: str) -> str:
    """Return a chapter whose links to those left out lead to the original; else they are words."""
    place = rf"\1({original}/notebooks/\3.html)" if original else r"\2"
    return re.sub(rf"(\[([^\[\]]*)\])\(({'|'.join(left)})\.ipynb\)", place, chapter)


def _kept_back(name: str, left: set[str]) -> bool:
    parts = name.split("/")
    hidden = any(part.startswith(".") or part.removesuffix(".ipynb") in left for part in parts)
    return hidden or "__pycache__" in name or name.startswith(LEFT_OUT)


def _contents(toc: str, found: Container[str]) -> str:
    """Return the book's contents without pages that are not there, and without empty parts."""

    def there(line: str) -> bool:
        page = re.fullmatch(r"\s*- file: (\S+)", line)
        return not page or any(f"{page[1]}{end}" in found for end in ("", ".md", ".rst", ".ipynb"))

    head, *parts = re.split(r"^(?=  - caption:)", toc, flags=re.MULTILINE)
    parts = ["\n".join(filter(there, part.split("\n"))) for part in parts]
    return head + "".join(part for part in parts if "- file: " in part)


def _commands(makefile: str, _: Container[str]) -> str:
    """Return the Makefile without the targets that need what students do not receive."""
    target = re.compile(rf"^({'|'.join(WORKSHOP)}):", re.MULTILINE)
    paragraphs = [part for part in makefile.split("\n\n") if not target.search(part)]
    first, *lines = "\n\n".join(paragraphs).split("\n")
    if first.startswith("# The course in"):
        first = "# The course: make lab, make book. Each sets up what it needs in .venv."
    for i, line in enumerate(lines):
        if line.startswith(".PHONY:"):
            lines[i] = " ".join(word for word in line.split(" ") if word not in WORKSHOP)
    return "\n".join([first, *lines])


def stamp(root: Path, names: Iterable[str]) -> datetime:
    """Return the date that all files of the archive bear.

    It is SOURCE_DATE_EPOCH if that is set, as everywhere where things are built alike; else that of
    the last commit; else, where there is no git, that of the newest file.
    """
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not seconds.isdigit():
        with contextlib.suppress(OSError):
            asked = ["git", "-C", str(root), "log", "-1", "--format=%ct", "--", "."]
            seconds = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    if not seconds.isdigit():
        files = (root / name for name in names)
        seconds = str(int(max((f.stat().st_mtime for f in files if f.is_file()), default=0)))
    oldest = datetime(1980, 1, 1, tzinfo=UTC)  # that a ZIP can tell
    return max(datetime.fromtimestamp(int(seconds), UTC), oldest)
