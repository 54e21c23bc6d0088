"""Writes what students receive: the released folder of an assignment, and the student archive."""

from __future__ import annotations

import io
import json
import math
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from course_lib.grading.assignment import Assignment
from course_lib.grading.marking import sane
from course_lib.grading.run import write
from course_lib.grading.tasks import Refusal

# What students receive of the course, in globs; never exercises/source, specs, mutants, or tests.
GIVEN = (
    "README.md LICENSE CITATION.cff Makefile pyproject.toml constraints.txt _config.yml _toc.yml "
    "course_lib/**/* notebooks/**/* book/**/* exercises/release/**/*"
).split()
SECRET = ("exercises/source", "exercises/specs", "exercises/mutants", "tests")
FOLDER = "statue-within"  # the folder that the archive unpacks to


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


def archive(root: Path, target: Path) -> list[str]:
    """Write the student archive of the course at `root`; the same content gives the same bytes.

    Raises:
        Refusal: a file in it would show a solution.
    """
    paths = {p for glob in GIVEN for p in root.glob(glob) if p.is_file() and not p.is_symlink()}
    names = sorted(p.relative_to(root).as_posix() for p in paths)
    names = [
        n
        for n in names
        if "__pycache__" not in n and not any(part[0] == "." for part in n.split("/"))
    ]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle:
        for name in names:
            content = (root / name).read_bytes()
            if name.startswith(SECRET) or (
                name.endswith(".ipynb") and b"### BEGIN SOLUTION" in content
            ):
                raise Refusal(f"{name} holds a solution: it must not be in the student archive.")
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(entry, content)
    write(target, stream.getvalue())
    return names
