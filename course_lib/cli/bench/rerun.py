"""Run every chapter twice: the second run must change nothing but the cells tagged as changing."""

import difflib
import shutil
import tempfile
from pathlib import Path

import nbformat

from course_lib.cli.bench import Measurement
from course_lib.cli.place import chapters
from course_lib.cli.run import run_notebook

CHANGING = {"nbval-ignore-output", "live"}


def measure() -> list[Measurement]:
    """Return for each chapter the number of lines that a second run changed (promise: none)."""
    with tempfile.TemporaryDirectory() as folder:
        return [_changed_lines(Path(shutil.copy(path, folder))) for path in chapters()]


def _changed_lines(path: Path) -> Measurement:
    run_notebook(path)
    first = settled_text(path)
    run_notebook(path)
    diff = difflib.unified_diff(first, settled_text(path), lineterm="", n=0)
    changed = sum(line[0] in "+-" and line[:3] not in ("+++", "---") for line in diff)
    return Measurement(f"{path.stem}, lines changed by a second run", changed, 0, "lines")


def settled_text(path: Path) -> list[str]:
    """Return the lines of a notebook without the outputs that may change."""
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        if CHANGING & set(cell.metadata.get("tags", [])):
            cell.outputs = []
    return str(nbformat.writes(nb)).splitlines()
