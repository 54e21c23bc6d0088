"""What stands for course_lib while a notebook is graded."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

STUB = '''"""Stands for course_lib while a notebook is graded."""
import sys

ROOMS = {rooms!r}


def refuse(room):
    raise ImportError(
        f"course_lib.{{room}} cannot be imported while this notebook is graded, for the course's "
        "own functions would be the answer. Write the function yourself, with what the notebook "
        "imports."
    )


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        parts = name.split(".")
        if parts[0] == "course_lib" and len(parts) > 1 and parts[1] not in ROOMS:
            refuse(parts[1])


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    refuse(name)


sys.meta_path.insert(0, Finder)
'''


def library(folder: Path, needs: Iterable[str]) -> None:
    """Write the stub of course_lib into `folder`, with the real rooms that an assignment needs.

    What those stand on, the modules on the ground floor, is there with them.
    """
    package, real = folder / "course_lib", Path(__file__).resolve().parents[2]
    needs = list(needs)
    floor = [path for path in real.glob("*.py") if path.stem != "__init__"] if needs else []
    (package / "grading").mkdir(parents=True)
    seen = ["grading", *needs, *(path.stem for path in floor)]
    (package / "__init__.py").write_text(STUB.format(rooms=seen))
    (package / "grading" / "__init__.py").write_text("def check(*args, **kwargs):\n    pass\n")
    for room in needs:
        shutil.copytree(real / room, package / room, ignore=shutil.ignore_patterns("__pycache__"))
    for path in floor:
        shutil.copy(path, package)
    for path in (folder, *folder.rglob("*")):  # the jail's user is another, whatever our umask
        path.chmod(0o755 if path.is_dir() else 0o644)
