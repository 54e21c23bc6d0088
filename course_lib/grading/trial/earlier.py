"""What earlier releases of an assignment looked like: digests of the cells that students must keep.

A submission that was made from one of them is as good as one made from today's: what stands in a
locked cell as it stood in any release was not edited. The digests lie in `FILE`, beside the specs;
`course release` adds the release that it replaces.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.grading.cells import grade_id, locked
from course_lib.grading.marking.plain import Node

FILE = "earlier_releases.json"
# The cell `setup` of releases that gave tensors where today's give arrays: assignment 01.
TENSORS = {"cf1070d3a16f24b2", "2c00606c385f4880"}

Release = dict[
    str, str
]  # {grade_id: digest of its source, or "" where it is the student's to fill}


def digest(source: str) -> str:
    """Return the digest of a cell; blanks around its source and at line ends are none of it."""
    return _digest("\n".join(map(str.rstrip, source.strip().split("\n"))))


def digests(source: str) -> tuple[str, str]:
    """Return what a release may have kept of a cell: its digest, and as once they were made."""
    return digest(source), _digest(source.strip())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def release_of(released: NotebookNode) -> Release:
    """Return what is kept of a released notebook."""
    named = (cell for cell in released.cells if grade_id(cell))
    return {grade_id(cell): digest(cell.source) if locked(cell) else "" for cell in named}


def releases(exercises: Path, name: str) -> list[Release]:
    """Return the earlier releases of an assignment, the oldest first."""
    path = exercises / FILE
    if not path.is_file():
        return []
    found: list[Release] = json.loads(path.read_text(encoding="utf-8")).get(name, [])
    return found


def as_given(materials: Node, had: Release) -> Node:
    """Return what those are asked who had a release: of one with tensors, tensors."""
    if had.get("setup") not in TENSORS:
        return materials
    made: Node = json.loads(json.dumps(materials), object_hook=_tensor)
    return made


def _tensor(node: Node) -> Node:
    """Return a tensor in place of NumPy's array, or number."""
    array = "dtype" in node and str(node.get("type")).startswith("numpy.")
    return node | {"type": "torch.Tensor"} if array else node


def add(exercises: Path, name: str, path: Path) -> bool:
    """Keep what the release in the file `path` looks like; return whether it was not known yet."""
    try:
        release = release_of(nbformat.read(path, as_version=4))
    except Exception:  # nbformat raises many kinds; nobody can have worked with such a file
        return False
    place = exercises / FILE
    known = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}
    if release in known.get(name, []):
        return False
    known.setdefault(name, []).append(release)
    entries = [
        f"{json.dumps(key)}: [\n"
        + ",\n".join(f" {json.dumps(each)}" for each in known[key])
        + "\n]"
        for key in sorted(known)
    ]
    place.write_text("{" + ",\n".join(entries) + "}\n", encoding="utf-8")
    return True
