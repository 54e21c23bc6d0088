"""Folders of this process's jails: none stays when it ends, in whatever way."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

_open: dict[Path, Callable[[], object]] = {}  # folders in use, and what kills those who use them
_making = threading.Lock()


def folder(
    prefix: str, place: str | None = None, kill: Callable[[], object] = lambda: None
) -> Path:
    """Make a folder that `remove` removes; or `end_all`, after it has called `kill`."""
    with _making:
        made = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        _open[made] = kill
    return made


def remove(made: Path) -> None:
    """Remove such a folder."""
    shutil.rmtree(made, ignore_errors=True)
    _open.pop(made, None)


def end_all() -> None:
    """Kill all jails of this process, and remove their folders; no new ones can be made.

    It is for a process that ends next, whatever its main thread is about; this is called in
    another, and waits for nothing.
    """
    _making.acquire()
    for made, kill in list(_open.items())[::-1]:
        with contextlib.suppress(Exception):
            kill()
        with contextlib.suppress(Exception):
            remove(made)
