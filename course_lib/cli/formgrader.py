"""`course formgrader`: a person grades the written answers."""

import os
from pathlib import Path

import click

from course_lib.cli.place import course_root
from course_lib.cli.ports import free_port, until_ctrl_c


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8890, show_default=True)
@click.option("--browser/--no-browser", default=True, help="Open a browser window.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where grades lie (default: exercises/)."
)
@click.option("--db", "url", metavar="URL", help="Of the gradebook, as given to `course grade`.")
def formgrader(port: int, browser: bool, out: Path | None, url: str | None) -> None:
    """Open nbgrader's formgrader on what `course grade` has graded. Ctrl-C ends it.

    Points and comments are stored as they are typed; `course export` hands them over. No code of a
    student's runs there.
    """
    from course_lib.grading.grades import formgrader as grading

    root = course_root()
    folder = out or root / "exercises"
    if url is None and not (folder / "gradebook.db").is_file():
        raise click.ClickException(
            f"{folder} holds no gradebook. Call `course grade` first, or say with --out where it "
            "put the grades."
        )
    folder = folder.resolve()
    os.chdir(root)  # Jupyter reads settings from where it is started, which may be a download
    until_ctrl_c(grading.server(root, folder, url, free_port(port), browser))
