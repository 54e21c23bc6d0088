"""The chapters of the course: where they lie, and what they are called."""

from __future__ import annotations

import json
from pathlib import Path


def chapters(root: Path) -> list[Path]:
    """Return the notebooks of the course's chapters, in their order; none if there are none."""
    found = (root / "notebooks").glob("[0-9][0-9]_*.ipynb")
    return sorted(path for path in found if path.is_file())


def title(path: Path) -> str:
    """Return the title of a notebook: its first heading, or else its file's name."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    lines = (line for cell in cells for line in "".join(cell["source"]).splitlines())
    return next((line[2:].strip() for line in lines if line.startswith("# ")), path.stem)
