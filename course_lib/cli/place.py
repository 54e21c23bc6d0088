"""Where the course is, which chapters it has, and what to do where one may not write."""

import errno
import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from course_lib.chapters import SETTINGS, called, notebooks
from course_lib.chapters import chapters as taught
from course_lib.chapters import course as settings

# What the system answers where nothing can be written.
NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


def here() -> Path:
    """Return the folder in which the command was called.

    Raises:
        click.ClickException: it was deleted meanwhile, or may not be read.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise click.ClickException(
            "the folder that you are in is not there any more, or may not be read. Go to the "
            "course's folder (cd ...), and call the command again."
        ) from error


def course_root(start: Path | None = None) -> Path:
    """Return the course's folder: the nearest from `start` (default: here) up, or the package's.

    Raises:
        click.ClickException: no folder holds both `_toc.yml` and `notebooks`, or here is nowhere.
    """
    path = (start or here()).resolve()
    package = Path(__file__).resolve().parents[2]
    for folder in [path, *path.parents, package]:
        if (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise click.ClickException(
        f"{path} is not inside a copy of the course: no folder here or above it holds _toc.yml and "
        "notebooks/. Go to the folder that you cloned or unpacked, and call the command again."
    )


def chapters(names: tuple[str, ...] = (), root: Path | None = None) -> list[Path]:
    """Return the notebooks of the chapters called `names`, all of them if none is named.

    A chapter is called by its number (`01`), its name (`01_sparse_approximation`) or its path.

    Raises:
        click.ClickException: a name fits no chapter, or there is no chapter at all.
    """
    root = root or course_root()
    known = {path.stem: path for path in taught(root)}
    if not known:
        where = root / "notebooks"
        raise click.ClickException(f"there is no chapter: {where} holds no NN_topic.ipynb.")
    found = []
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        fits = called(stem, list(known))
        if not fits:
            left = called(stem, [path.stem for path in notebooks(root)])
            said = f"no chapter is called {name!r}"
            said = f"{left[0]} is not taught, see {SETTINGS}" if left else said
            raise click.ClickException(f"{said}. The chapters are: {', '.join(known)}.")
        found += [known[key] for key in fits]
    return list(dict.fromkeys(found)) or list(known.values())


@contextmanager
def a_home() -> Iterator[None]:
    """Give a user without a home, or with one that cannot be written to, a folder for a while.

    There Jupyter, matplotlib and others keep their settings, and cannot do without. Programs that
    are started within find it too.
    """
    if _has_home():
        yield
        return
    before = os.environ.get("HOME")
    with tempfile.TemporaryDirectory(prefix="home-", ignore_cleanup_errors=True) as folder:
        os.environ["HOME"] = folder
        try:
            yield
        finally:
            os.environ.pop("HOME")
            if before is not None:
                os.environ["HOME"] = before


def _has_home() -> bool:
    home = os.path.expanduser("~")  # stays as it is for a user who is in no list
    return home != "~" and os.path.isdir(home) and os.access(home, os.W_OK | os.X_OK)


def no_place(error: OSError) -> str:
    """Return in words what cannot be written, and what to do about it."""
    said = f"{error.filename or 'a file'}: {os.strerror(error.errno or 0)}."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{said} Free some space, and call this again."
    root = course_root()
    if os.access(root, os.W_OK):
        return f"{said} Choose a place that this user may read and write, and call this again."
    return (
        f"{said} This user may not write to the course in {root}. Take a copy of your own and call "
        f"this again in it: {_copying(root)}"
    )


def _copying(root: Path) -> str:
    """Return what a user types to have a copy of the course, without its environment."""
    own = f"~/{settings(root).folder}" if _has_home() else "FOLDER"
    source = shlex.quote(str(root))
    return f"mkdir {own} && cp -R {source}/* {own} && chmod -R u+w {own} && cd {own}"


def writable(folder: Path) -> None:
    """See that files can be made in a folder, before hours are spent on them.

    Raises:
        PermissionError: they cannot.
    """
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
