"""`course test`: everything that must hold, as one run of pytest."""

import os
import sys
from importlib.util import find_spec

import click

from course_lib.cli.place import chapters, course_root

# `loadfile` keeps the cells of a notebook, and the tests of a file, in one process and in order.
# tests/conftest.py puts the heaviest files first; xdist would begin with those of most tests.
PARALLEL = ["--dist", "loadfile", "--no-loadscope-reorder"]
GIB_EACH = 2  # of memory, for a worker and the chapter, browser or jail that it runs


@click.command()
@click.option("--fast", is_flag=True, help="Only what is quick: no chapter, browser or jail.")
@click.option("--long", "everything", is_flag=True, help="Also what is long and rarely breaks.")
@click.option(
    "--workers", type=click.IntRange(1), help="Processes; one more than cores, if not given."
)
def test(fast: bool, everything: bool, workers: int | None) -> None:
    """Run style, types, layers, the library's tests, and each chapter once with no network.

    Everything is a test of one pytest run, so that its last line is the whole truth.
    """
    for needed in ("pytest", "nbval", "xdist"):
        if find_spec(needed) is None:
            raise ModuleNotFoundError(needed, name=needed)
    from course_lib.cli.run import CELL_SECONDS

    root = course_root()
    if fast and everything:
        raise click.UsageError("--fast leaves out what --long adds: say one of them")
    again = [
        *("--nbval", "--nbval-sanitize-with", str(root / "tests" / "notebooks" / "sanitize.cfg")),
        *(f"--nbval-{what}-timeout={CELL_SECONDS}" for what in ("cell", "kernel-startup")),
        *map(str, chapters(root=root)),
    ]
    kinds = ["-m", "not slow and not long" if fast else "not long"]
    what = [*([] if everything else kinds), *([] if fast else again)]
    count = ["-n", str(workers or processes())]
    command = [sys.executable, "-m", "pytest", *PARALLEL, *count, str(root / "tests"), *what]
    os.chdir(root)
    os.execv(sys.executable, command)  # pytest takes the place of this process


def processes() -> int:
    """Return how many tests run at once: one more than cores, as some only wait.

    In little memory they are fewer.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    return max(2, min((os.cpu_count() or 1) + 1, memory // GIB_EACH))
