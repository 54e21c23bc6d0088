"""`course test`: everything that must hold, as one run of pytest."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import click

from course_lib.cli.place import chapters, course_root

# `loadfile` keeps the cells of a notebook, and the tests of a file, in one process and in order.
PARALLEL = ["-n", "2", "--dist", "loadfile"]


@click.command()
@click.option("--fast", is_flag=True, help="Only what is quick: no chapter, browser or jail.")
def test(fast: bool) -> None:
    """Run style, types, layers, the library's tests, and each chapter once with no network.

    Everything is a test of one pytest run, so that its last line is the whole truth.
    """
    for needed in ("pytest", "nbval", "xdist"):
        if find_spec(needed) is None:
            raise ModuleNotFoundError(needed, name=needed)
    root = course_root()
    sanitised = ["--nbval-sanitize-with", str(root / "tests" / "notebooks" / "sanitize.cfg")]
    again = ["--nbval", *sanitised, *(str(path) for path in chapters(root=root))]
    what = ["-m", "not slow"] if fast else again
    command = [sys.executable, "-m", "pytest", *PARALLEL, str(root / "tests"), *what]
    os.chdir(root)
    os.execv(sys.executable, command)  # pytest takes the place of this process
