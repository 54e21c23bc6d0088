"""Where the course is, and which chapters it has."""

from __future__ import annotations

from pathlib import Path

import click


def course_root(start: Path | None = None) -> Path:
    """Return the course's folder: the nearest from `start` (default: here) up, or the package's.

    Raises:
        click.ClickException: no folder holds both `_toc.yml` and `notebooks`.
    """
    here = (start or Path.cwd()).resolve()
    package = Path(__file__).resolve().parents[2]
    for folder in [here, *here.parents, package]:
        if (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise click.ClickException(
        f"{here} is not inside a copy of the course: no folder here or above it holds _toc.yml and "
        "notebooks/. Go to the folder that you cloned or unpacked, and call the command again."
    )


def chapters(names: tuple[str, ...] = (), root: Path | None = None) -> list[Path]:
    """Return the notebooks of the chapters called `names`, all of them if none is named.

    A chapter is called by its number (`01`), its name (`01_sparse_approximation`) or its path.

    Raises:
        click.ClickException: a name fits no chapter, or there is no chapter at all.
    """
    folder = (root or course_root()) / "notebooks"
    known = {path.stem: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if not known:
        raise click.ClickException(f"there is no chapter: {folder} holds no NN_topic.ipynb.")
    found = []
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        fits = [path for key, path in known.items() if stem in (key, key[:2], key[:2].lstrip("0"))]
        if not fits:
            raise click.ClickException(
                f"no chapter is called {name!r}. The chapters are: {', '.join(known)}."
            )
        found += fits
    return list(dict.fromkeys(found)) or list(known.values())
